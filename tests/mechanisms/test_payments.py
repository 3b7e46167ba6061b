"""Mechanisms with payments: hand values, truth and participation by brute force, and what is refused."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from walras.markets.auctions import FirstPrice, McAfee, SecondPrice, SetPackingVCG, Uniform, clear, myerson_reserve
from walras.mechanisms import (
    VCG,
    Assignment,
    Outcome,
    ProportionalFairness,
    SealedBids,
    Search,
    Utilitarian,
    WelfareMaximiser,
    exploitability,
    utility,
)

SHORT = Search(starts=2, steps=8, generations=6, seeds=(0,))
GRID = (0.0, 0.3, 0.5, 0.8, 1.0, 1.7)


def tensor(entries: object) -> Tensor:
    return torch.tensor(entries, dtype=torch.float64)


def net(found: Outcome, values: Tensor, demands: Tensor) -> Tensor:
    return utility(found.allocation, values, demands) - found.payment


def test_two_agents_and_two_goods_by_hand() -> None:
    ones = torch.ones(1, 2, 2)
    for rule in (WelfareMaximiser(), Assignment()):
        found = VCG(rule)(tensor([[[3, 1], [2, 4]]]), ones, torch.ones(1, 2))
        assert found.allocation.tolist() == [[[1, 0], [0, 1]]]
    assert VCG()(tensor([[[3, 1], [2, 4]]]), ones, torch.ones(1, 2)).payment.tolist() == [[2, 1]]
    # Who may have one good alone does not miss a second: without agent 0, agent 1 still takes good 1 for itself.
    assert VCG(Assignment())(tensor([[[3, 1], [2, 4]]]), ones, torch.ones(1, 2)).payment.tolist() == [[0, 0]]


def test_divisible_goods_are_paid_for_at_what_they_displace() -> None:
    # Demands 0.6, 0.7, 0.5 of one unit: 5 gets 0.6, 4 gets 0.4; alone the others would have 0.7 * 4 + 0.3 * 2.
    found = VCG()(tensor([[[5], [4], [2]]]), tensor([[[0.6], [0.7], [0.5]]]), torch.ones(1, 1))
    torch.testing.assert_close(found.allocation[0, :, 0], tensor([0.6, 0.4, 0.0]))
    torch.testing.assert_close(found.payment[0], tensor([0.3 * 4 + 0.3 * 2, 0.4 * 2, 0.0]))


def test_one_good_with_a_reserve_is_myersons_auction() -> None:
    reserve = myerson_reserve(Uniform())
    bids = np.random.default_rng(0).random((500, 3))
    found = VCG(WelfareMaximiser(reserve))(tensor(bids)[..., None], torch.ones(500, 3, 1), torch.ones(500, 1))
    other = clear(SecondPrice(reserve), bids)
    np.testing.assert_array_equal(found.allocation[..., 0].numpy(), other.allocation)
    np.testing.assert_allclose(found.payment.numpy(), other.payment, atol=1e-15)


def test_many_draws_pay_myersons_revenue() -> None:
    bids = tensor(np.random.default_rng(1).random((200_000, 2)))[..., None]
    found = VCG(WelfareMaximiser(0.5))(bids, torch.ones_like(bids), torch.ones(200_000, 1))
    assert float(found.payment.sum(dim=1).mean()) == pytest.approx(5 / 12, abs=2e-3)


def test_assignments_are_set_packings_of_single_goods() -> None:
    values = np.random.default_rng(0).random((20, 3, 2))
    packed = clear(SetPackingVCG(((0,), (1,))), values)
    found = VCG(Assignment())(tensor(values), torch.ones(20, 3, 2), torch.ones(20, 2))
    np.testing.assert_allclose(found.allocation.numpy(), packed.allocation)
    np.testing.assert_allclose(found.payment.numpy(), packed.payment, atol=1e-9)


@pytest.mark.parametrize("rule", [WelfareMaximiser(), WelfareMaximiser(0.4), Assignment()])
def test_truth_is_dominant_and_nobody_loses_by_brute_force(rule: WelfareMaximiser | Assignment) -> None:
    rng, demands, budgets = np.random.default_rng(0), torch.ones(1, 3, 2), torch.ones(1, 2)
    for _ in range(12):
        truth = tensor(rng.choice(GRID[1:], (1, 3, 2)))
        honest = net(VCG(rule)(truth, demands, budgets), truth, demands)
        assert float(honest.min()) >= -1e-12
        for agent in range(3):
            lies = tensor(list(product(GRID, repeat=2)))
            told = truth.repeat(len(lies), 1, 1)
            told[:, agent] = lies
            found = VCG(rule)(told, demands.expand(len(lies), -1, -1), budgets.expand(len(lies), -1))
            gained = net(found, truth, demands)[:, agent] - honest[0, agent]
            assert float(gained.max()) <= 1e-12
            assert float(found.payment.min()) >= 0


def test_sellers_and_buyers_of_a_trade_reduction_tell_the_truth_by_brute_force() -> None:
    rng, mechanism = np.random.default_rng(0), SealedBids(McAfee())
    ones, one = torch.ones(1, 6, 1), torch.ones(1, 1)
    for _ in range(30):
        truth = tensor(rng.choice(GRID, (1, 6, 1)) + 0.01 * rng.random((1, 6, 1)))
        honest = net(mechanism(truth, ones, one), truth, ones)
        assert float(honest.min()) >= -1e-12
        assert float(mechanism(truth, ones, one).payment.sum()) >= -1e-12  # no subsidy
        for agent in range(6):
            told = truth.repeat(40, 1, 1)
            told[:, agent, 0] = torch.linspace(0, 2, 40, dtype=torch.float64)
            gained = net(mechanism(told, ones.expand(40, -1, -1), one.expand(40, -1)), truth, ones)
            assert float((gained[:, agent] - honest[0, agent]).max()) <= 1e-12


def test_nothing_is_gained_under_vcg_and_much_where_bids_are_paid() -> None:
    rng = np.random.default_rng(0)
    values, demands = tensor(rng.random((3, 3, 2))), tensor(0.2 + rng.random((3, 3, 2)))
    problem = values, demands, torch.ones(3, 2, dtype=torch.float64)
    for misreports in ("values", "values+demands"):
        found = exploitability(VCG(), problem, misreports, search=SHORT)
        assert float(found.lower.max()) <= 1e-9
        assert float(found.upper.max()) <= 1e-9
        assert float(found.relative_upper.max()) <= 1e-8
    bids = tensor([[[1.0], [0.4]]])
    one = bids, torch.ones_like(bids), torch.ones(1, 1)
    paid = exploitability(SealedBids(FirstPrice()), one, search=SHORT)
    assert 0.55 < float(paid.lower[0, 0]) <= 0.6  # a bid just above 0.4 wins
    assert float(paid.lower[0, 1]) == 0.0
    assert float(exploitability(SealedBids(SecondPrice()), one, search=SHORT).lower.max()) <= 1e-12


def test_weights_count_and_scale_payments() -> None:
    values = tensor([[[1.0], [0.8]]])
    found = VCG()(values, torch.ones(1, 2, 1), torch.ones(1, 1), tensor([1.0, 2.0]))
    assert found.allocation[0, :, 0].tolist() == [0.0, 1.0]
    assert found.payment.tolist() == [[0.0, 0.5]]  # 1.6 beats 1, which is 0.5 of its own money


@pytest.mark.parametrize("rule", [Utilitarian(), ProportionalFairness()])
def test_rules_that_maximise_something_else_are_refused(rule: object) -> None:
    with pytest.raises(TypeError, match=f"`rule` must maximise the sum of reported .*; got {type(rule).__name__}"):
        VCG(rule)  # type: ignore[arg-type]


def test_what_is_no_problem_is_refused() -> None:
    ones = torch.ones(1, 2, 2)
    with pytest.raises(ValueError, match=r"`values` must be finite and not negative; got -1\.0"):
        VCG()(-ones, ones, torch.ones(1, 2))
    with pytest.raises(ValueError, match=r"`values` must be of one good, \[B, N, 1\]; got \(1, 2, 2\)"):
        SealedBids(SecondPrice())(ones, ones, torch.ones(1, 2))
    with pytest.raises(ValueError, match=r"`reserve` must be finite and not negative; got -0\.1"):
        WelfareMaximiser(-0.1)
    with pytest.raises(ValueError, match=r"`max_value` must be positive and finite; got 0\.0"):
        exploitability(VCG(), (ones, ones, torch.ones(1, 2)), max_value=0.0, search=SHORT)
