from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from walras.markets.eisenberg_gale.solver import PFSolution
from walras.mechanisms import (
    AllocationProblem,
    Egalitarian,
    EqualSplit,
    Mechanism,
    PartialAllocation,
    PostedSurcharge,
    ProportionalFairness,
    Search,
    best_misreport,
    bounds,
    proportional_fairness,
    utility,
)
from walras.mechanisms.bounds import _knapsack, utility_bound  # pyright: ignore[reportPrivateUsage]
from walras.mechanisms.reports import demand_box

MECHANISMS: list[Mechanism] = [
    ProportionalFairness(),
    PostedSurcharge(1.0),
    PartialAllocation(),
    EqualSplit(),
    Egalitarian(),
]
NAMES = [type(mechanism).__name__ for mechanism in MECHANISMS]
BRIEF = Search(2, 16, 0, (0,))


pytestmark = pytest.mark.usefixtures("one_thread")


def instances(seed: int, rows: int, agents: int, resources: int, weighted: bool = False) -> AllocationProblem:
    """Values and demands U(.1, 1), budgets .275 N."""
    rng = np.random.default_rng(seed)
    v, x = (torch.from_numpy(rng.uniform(0.1, 1, (rows, agents, resources))) for _ in range(2))
    w = torch.from_numpy(rng.uniform(0.5, 2, (rows, agents))) if weighted else None
    return AllocationProblem(v, x, torch.full((rows, resources), 0.275 * agents, dtype=torch.float64), w)


def bound(
    mechanism: Mechanism, types: AllocationProblem, misreports: str = "values", most: float = 1.0, nodes: int = 256
) -> Tensor:
    return utility_bound(mechanism, types, demand_box(types.demands, misreports, most), nodes)


def honest(mechanism: Mechanism, types: AllocationProblem) -> Tensor:
    return utility(mechanism(*types), types.values, types.demands)


# What no report exceeds


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("misreports", ["values", "values+demands"])
@pytest.mark.parametrize("mechanism", MECHANISMS[:4], ids=NAMES[:4])
def test_no_search_earns_more(mechanism: Mechanism, misreports: str, weighted: bool) -> None:
    for agents, resources in ((2, 2), (3, 2), (3, 3)):
        types = instances(agents + resources, 4, agents, resources, weighted)
        found = best_misreport(mechanism, types, misreports, max_demand=1.0, search=BRIEF).utility
        assert bool((found <= bound(mechanism, types, misreports, nodes=32) + 1e-7).all())


def test_no_report_of_a_fine_grid_earns_more() -> None:
    types = instances(0, 12, 2, 2)
    angle = torch.linspace(1e-3, np.pi / 2 - 1e-3, 400, dtype=torch.float64)
    reports = torch.stack([angle.cos(), angle.sin()], dim=1)
    for mechanism in (ProportionalFairness(), PostedSurcharge(0.7)):
        v, x, b = (part.repeat_interleave(400, dim=0) for part in types[:3])
        v = v.clone()
        v[:, 0] = reports.repeat(12, 1)
        earned = (types.values[:, :1] * mechanism(v, x, b)[:, 0].reshape(12, 400, 2)).sum(dim=2)
        best, most = earned.amax(dim=1), bound(mechanism, types)[:, 0]
        assert bool((best <= most + 1e-7).all())
        assert float(((most - best) / best).max()) < 5e-3


def test_no_bundle_of_a_fine_grid_earns_more_where_shares_are_burnt() -> None:
    # Agent 0 reports demands y and values that buy all of y; the other gets what is left, so that f is known.
    types = instances(1, 8, 2, 2)
    side = torch.linspace(0, 1, 60, dtype=torch.float64)
    y = torch.minimum(torch.cartesian_prod(side, side), types.budgets[0])
    for v, x, b, most in zip(*types[:3], bound(PartialAllocation(), types, "values+demands"), strict=True):
        left = torch.minimum(b - y, x[1])
        possible = left.sum(dim=1) > 0
        other = (v[1] * left[possible]).sum(dim=1) / (v[1] * torch.minimum(x[1], b)).sum()
        price = torch.where(b - y < x[1], v[1] / (v[1] * left).sum(dim=1, keepdim=True), 0.0)
        payable = ((price * y).sum(dim=1) <= 1)[possible]
        earned = (v[0] * torch.minimum(other[:, None] * y[possible], x[0])).sum(dim=1)[payable]
        assert earned.max() <= most[0] + 1e-9
        assert earned.max() >= 0.94 * most[0]


def test_the_bound_holds_where_the_solver_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    # Prices that are too high leave too little to buy; what certifies them must make up for it.
    types = instances(2, 8, 3, 2)
    found = best_misreport(ProportionalFairness(), types, search=BRIEF).utility
    sharp = bound(ProportionalFairness(), types, nodes=32)

    def wrong(*arguments: Tensor, throw: bool) -> PFSolution:
        right = proportional_fairness(*arguments, throw=throw)
        return replace(right, prices=1.3 * right.prices)

    monkeypatch.setattr(bounds, "proportional_fairness", wrong)
    loose = bound(ProportionalFairness(), types, nodes=32)
    assert bool((loose >= found - 1e-7).all())
    assert bool((loose > 1.01 * sharp).any())


def test_prices_rise_with_what_is_taken() -> None:
    rng = np.random.default_rng(3)
    types = instances(3, 300, 3, 3)
    less = torch.from_numpy(rng.uniform(0, 0.6, (300, 3)))
    more = less + torch.from_numpy(rng.uniform(0, 0.2, (300, 3)) * rng.integers(0, 2, (300, 3)))
    for surcharge in (0.0, 0.5):
        before, after = (
            proportional_fairness(types.values, types.demands, types.budgets - taken, None, torch.tensor(surcharge))
            for taken in (less, more + 1e-5)
        )
        assert bool((after.prices >= before.prices - 1e-6).all())


def test_a_strategic_agent_has_no_more_money_than_its_weight() -> None:
    types = instances(4, 40, 3, 3, weighted=True)
    v, x, b, w = types
    assert w is not None
    for tau in (0.0, 0.8):
        got = proportional_fairness(v, x, b, w, torch.tensor(tau))
        y = got.allocation[:, 0]
        others = proportional_fairness(v[:, 1:], x[:, 1:], b - y + 1e-6, w[:, 1:], torch.tensor(tau))
        assert bool((((others.prices + tau) * y).sum(dim=1) <= w[:, 0] + 1e-4).all())


# How tight it is


@pytest.mark.parametrize(("agents", "resources", "gap"), [(2, 2, 5e-4), (3, 2, 1e-3)])
def test_the_bound_of_proportional_fairness_is_tight(agents: int, resources: int, gap: float) -> None:
    types = instances(5, 20, agents, resources)
    mechanism = ProportionalFairness()
    found = best_misreport(mechanism, types, search=Search(seeds=(0,)))
    most = bound(mechanism, types)
    assert float(((most - found.utility) / found.honest).mean()) < gap


@pytest.mark.parametrize("mechanism", [ProportionalFairness(), PostedSurcharge(1.0), PartialAllocation()])
def test_more_boxes_never_loosen_the_bound(mechanism: Mechanism) -> None:
    types = instances(6, 8, 3, 2)
    bounds = [bound(mechanism, types, "values+demands", nodes=nodes) for nodes in (0, 1, 8, 64)]
    for looser, tighter in pairwise(bounds):
        assert bool((tighter <= looser * (1 + 1e-9)).all())
    assert float((bounds[-1] / bounds[0]).mean()) < 0.97


def test_one_resource_leaves_nothing_to_gain() -> None:
    types = instances(7, 20, 3, 1)
    for mechanism in (ProportionalFairness(), PostedSurcharge(0.5)):
        assert float((bound(mechanism, types, "values+demands") / honest(mechanism, types) - 1).max()) < 2e-4


def test_an_agent_alone_has_what_it_can_use() -> None:
    types = instances(8, 10, 1, 3)
    for mechanism in (ProportionalFairness(), PartialAllocation(), EqualSplit()):
        for misreports in ("values", "values+demands"):
            torch.testing.assert_close(bound(mechanism, types, misreports), honest(mechanism, types))


@pytest.mark.parametrize("e", [0.5, 0.2, 0.05])
def test_worst_case_family(e: float) -> None:
    # Two agents with weights and values (e, 1 - e), the other's (e^2, 1 - e^2): the ratio is 2 / (1 + e).
    v = torch.tensor([[[e, 1 - e], [e**2, 1 - e**2]]], dtype=torch.float64)
    w = torch.tensor([e, 1 - e], dtype=torch.float64)
    types = AllocationProblem(v, torch.full_like(v, 2.0), torch.ones(1, 2, dtype=torch.float64), w)
    ratio = float(bound(ProportionalFairness(), types)[0, 0]) / e
    assert 2 / (1 + e) <= ratio <= 1.005 * 2 / (1 + e)


def test_dear_posted_prices_are_truthful_without_binding_demands() -> None:
    v, _, b, _ = instances(9, 20, 3, 2)
    types = AllocationProblem(v, torch.full_like(v, 5.0), b)
    mechanism = PostedSurcharge(3 / 0.825 + 0.1)
    torch.testing.assert_close(bound(mechanism, types), honest(mechanism, types), rtol=2e-4, atol=0)


def test_truthful_mechanisms_leave_nothing_to_gain() -> None:
    types = instances(10, 10, 3, 2)
    assert torch.equal(bound(PartialAllocation(), types), honest(PartialAllocation(), types))
    for misreports in ("values", "values+demands"):
        assert torch.equal(bound(EqualSplit(), types, misreports), honest(EqualSplit(), types))


def test_demands_add_nothing_to_what_values_gain_from_proportional_fairness() -> None:
    types = instances(11, 10, 3, 2)
    for mechanism in (ProportionalFairness(), PostedSurcharge(1.0)):
        assert torch.equal(bound(mechanism, types, "values"), bound(mechanism, types, "values+demands", 3.0))


def test_other_mechanisms_have_the_bound_of_all_that_there_is() -> None:
    types = instances(12, 10, 3, 2)
    expected = (types.values * torch.minimum(types.demands, types.budgets[:, None])).sum(dim=2)
    assert torch.equal(bound(Egalitarian(), types), expected)


# Degenerate instances


def test_the_others_need_just_what_is_there() -> None:
    # The others' price of what they just need is anything between nothing and their value: the bound takes the least.
    v = torch.tensor([[[1.0, 0.5], [0.5, 1.0]]], dtype=torch.float64)
    half = torch.full_like(v, 0.5)
    types = AllocationProblem(v, half, torch.ones(1, 2, dtype=torch.float64))
    assert bool((bound(ProportionalFairness(), types) >= 0.75).all())
    torch.testing.assert_close(bound(ProportionalFairness(), types)[0], torch.tensor([0.75, 0.75]).double())


def test_a_flat_dual_cannot_make_the_bound_too_low() -> None:
    # At a supply just above the others' demand prices are zero, and the solver's are only small.
    rng = np.random.default_rng(13)
    v, x = (torch.from_numpy(rng.uniform(0.1, 1, (50, 3, 2))) for _ in range(2))
    types = AllocationProblem(v, x, x.sum(dim=1))
    for mechanism in (ProportionalFairness(), PartialAllocation()):
        most = bound(mechanism, types, "values+demands")
        assert bool((most >= (v * x).sum(dim=2) * (1 - 1e-12)).all())


def test_worthless_and_missing_resources() -> None:
    v = torch.tensor([[[1.0, 0.0, 0.5], [0.3, 1.0, 0.0]]], dtype=torch.float64)
    types = AllocationProblem(v, torch.ones_like(v), torch.tensor([[1.0, 1.0, 0.0]], dtype=torch.float64))
    for mechanism in (ProportionalFairness(), PostedSurcharge(0.5), PartialAllocation()):
        for misreports in ("values", "values+demands"):
            most = bound(mechanism, types, misreports)
            found = best_misreport(mechanism, types, misreports, max_demand=1.0, search=BRIEF)
            assert bool((found.utility <= most + 1e-7).all())
            assert bool((most <= (v * types.budgets[:, None]).sum(dim=2) + 1e-7).all())


def test_single_precision_is_no_excuse() -> None:
    types = instances(14, 5, 3, 2)
    single = AllocationProblem(*(part.float() for part in types[:3]))
    torch.testing.assert_close(
        bound(ProportionalFairness(), single), bound(ProportionalFairness(), types), rtol=1e-5, atol=0
    )


def test_what_is_free_is_had_without_money() -> None:
    value, price, room = (torch.tensor([each], dtype=torch.float64) for each in ([3.0, 1.0], [2.0, 0.0], [1.0, 1.0]))
    for money, worth in ((0.0, 1.0), (1.0, 2.5), (9.0, 4.0)):
        assert float(_knapsack(value, price, torch.tensor([money], dtype=torch.float64), room)) == worth
