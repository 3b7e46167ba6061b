"""Autobidding: the two truths of one advertiser by other roads, its certified gap, and the competitive split."""

import numpy as np
import pytest
from scipy.optimize import linprog

from walras.core import Constant, Random, Scripted, rollout
from walras.envs import AutobiddingMarket
from walras.equilibria import Kind, best_constant_levers, best_levers, first_price_pacing, fluid_optimum, gap, solve
from walras.equilibria.auctions.autobidding import competitive_split, credited
from walras.markets.auctions import Power
from walras.markets.auctions.channels import DrawnAuctions, KnownAuctions

RNG = np.random.default_rng


def known(levers: str, large: float = 10.0) -> AutobiddingMarket:
    """The market in which targets alone have next to nothing of the optimum."""
    auctions = KnownAuctions([[[large], [1.2]]], [[2.0], [1.0]])
    return AutobiddingMarket(auctions, budgets=1.0, targets=1.0, levers=levers, horizon=5)  # type: ignore[arg-type]


@pytest.mark.parametrize("rho", [0.06, 0.1, 1 / 6, 0.3, 0.45, 0.5, 0.7])
def test_the_closed_form_of_even_values_and_prices(rho: float) -> None:
    found = fluid_optimum(AutobiddingMarket(DrawnAuctions(1, scale=(1.0,)), budgets=rho, targets=0.0))
    theta = 1 / np.sqrt(6 * rho) if rho <= 1 / 6 else max(0.0, 3 * (0.5 - rho))
    value = np.sqrt(2 * rho / 3) if rho <= 1 / 6 else 0.5 - theta**2 / 6
    assert found.threshold == pytest.approx(theta, abs=1e-8)
    assert found.value == pytest.approx(value, abs=1e-9)
    assert found.spend.sum() == pytest.approx(min(rho, 0.5), abs=1e-9)


def test_the_fluid_budgets_of_two_channels() -> None:
    found = fluid_optimum(AutobiddingMarket())
    assert found.value == pytest.approx(136 / 45, abs=1e-8)  # 3.02222
    np.testing.assert_allclose(found.spend, [20 / 27, 4 / 15], atol=1e-8)
    assert found.value == pytest.approx(3 * found.spend.sum(), abs=1e-8)
    assert found.target_multiplier == pytest.approx(1.0, abs=1e-7)


def test_the_fluid_optimum_is_what_a_threshold_buys_in_drawn_auctions() -> None:
    law = DrawnAuctions(4, Power(2.0), Power(0.7, 2.0), (1.0, 3.0))
    found = fluid_optimum(AutobiddingMarket(law, budgets=0.8, targets=0.0))
    lots = law.lots(RNG(0).random((100_000, law.numbers(1))), 1)
    won = lots.value[:, 0] >= found.threshold * lots.price
    assert (won * lots.price).sum(axis=(1, 2)).mean() == pytest.approx(0.8, abs=0.01)
    assert (won * lots.value[:, 0]).sum(axis=(1, 2)).mean() == pytest.approx(found.value, abs=0.02)


@pytest.mark.parametrize("utility", ["value", "quasilinear"])
def test_known_auctions_are_a_linear_program(utility: str) -> None:
    rng = RNG(0)
    for _ in range(40):
        v, d = rng.uniform(0, 1, (2, 2, 4))
        budget, target = rng.uniform(0.05, 2), rng.uniform(0, 3)
        if target > (v / d).max():
            continue
        law = KnownAuctions(v[None].tolist(), d.tolist())
        game = AutobiddingMarket(law, budgets=budget, targets=target, utility=utility)  # type: ignore[arg-type]
        found, w = fluid_optimum(game), float(utility == "quasilinear")
        other = linprog((w * d - v).ravel(), A_ub=np.stack(((target * d - v).ravel(), d.ravel())), b_ub=[0.0, budget],
                        bounds=(0, 1))  # fmt: skip
        assert other.fun is not None
        assert found.value == pytest.approx(-other.fun, abs=1e-9)
        lam, mu = found.target_multiplier, found.budget_multiplier
        dual = np.maximum((1 + lam) * v - (w + lam * target + mu) * d, 0.0).sum() + mu * budget
        assert dual == pytest.approx(found.value, abs=1e-9)
        assert best_levers(game)[1].value == pytest.approx(found.value, abs=1e-9)  # budgets alone reach it


@pytest.mark.parametrize("large", [4.0, 10.0, 1000.0])
def test_constant_targets_have_next_to_nothing_of_the_optimum(large: float) -> None:
    assert fluid_optimum(known("targets", large)).value == large / 2
    assert best_constant_levers(known("targets", large))[1] == 1.2
    assert best_constant_levers(known("budgets", large))[1] == large / 2
    assert best_levers(known("targets", large))[1].value == pytest.approx(large / 2)  # told in half of the periods


def test_the_gap_in_known_auctions_is_exact() -> None:
    game = known("budgets")
    found = gap(game, Scripted(game))
    assert found.kind is Kind.EXACT
    np.testing.assert_allclose(found.lower, 5 * (5.0 - 3.1))
    np.testing.assert_allclose(found.upper, found.lower)
    assert solve(game).residual <= 1e-12
    nothing = gap(game, Constant(np.zeros((1, 2))))
    np.testing.assert_allclose(nothing.upper, 25.0)


def test_to_overspend_never_pays() -> None:
    game = known("targets")
    everything = Constant(np.zeros((1, 2)))  # no targets: both auctions, of value 11.2 for 3, with a budget of 1
    assert rollout(game, everything, [0]).total == 5 * 11.2
    found = gap(game, everything)
    assert found.kind is Kind.EXACT
    assert found.lower > 0
    assert credited(game, np.array(11.2), np.array(3.0)) == pytest.approx(11.2 - 2 * (1 + 5.0))


def test_the_gap_in_drawn_auctions_has_two_ends() -> None:
    game = AutobiddingMarket(horizon=50)
    assert solve(game, draws=2**13, throw=False).residual <= 0.03
    even = gap(game, Scripted(game))
    assert even.kind is Kind.STATISTICAL
    assert 0.15 < even.relative.lower[0] < even.relative.upper[0] < 0.32
    assert even.deviation is not None
    told = rollout(game, even.deviation, range(1000, 1064))
    mean = [part[-1].mean() / 50 for part in (told.state.all_value, told.state.all_spend)]
    own = rollout(game, Scripted(game), range(1000, 1064))
    base = [part[-1].mean() / 50 for part in (own.state.all_value, own.state.all_spend)]
    gain = credited(game, *map(np.array, mean)) - credited(game, *map(np.array, base))
    assert even.lower[0] * 0.9 < 50 * gain < even.upper[0] * 1.05


@pytest.mark.parametrize("levers", ["targets", "both"])
def test_no_levers_beat_the_fluid_bound(levers: str) -> None:
    game = AutobiddingMarket(DrawnAuctions(3), targets=2.0, budgets=0.4, levers=levers, horizon=20)  # type: ignore[arg-type]
    value = best_levers(game, 2**10)[1].value
    assert 0.6 * fluid_optimum(game).value < value < 1.01 * fluid_optimum(game).value
    random = gap(game, Random(game), seeds=range(32))
    assert 0 < random.lower < random.upper


def test_budgets_as_spent_in_the_union_reproduce_its_prices() -> None:
    for seed in range(20):
        rng = RNG(seed)
        values, budgets = rng.uniform(0, 1, (3, 2, 4)), rng.uniform(0.2, 1.2, 3)
        game = AutobiddingMarket(KnownAuctions(values.tolist()), budgets=tuple(budgets), targets=0.0)
        split = competitive_split(game).mean[..., 0]  # [N, J]
        np.testing.assert_allclose(split.sum(axis=1), budgets)
        union = first_price_pacing(values.reshape(3, -1), budgets)
        spent = (union.price * union.allocation).reshape(3, 2, 4).sum(axis=2)
        played = rollout(game, Constant(split), [0]).state
        np.testing.assert_allclose(played.spend[1, 0], spent, atol=1e-6)
        for j in range(2):
            there = split[:, j] > 0  # who spends nothing in a channel does not bid there
            price = first_price_pacing(values[there, j], split[there, j]).price
            np.testing.assert_allclose(price, union.price[4 * j : 4 * j + 4], atol=1e-6)


def test_several_advertisers_have_a_lower_bound_alone() -> None:
    game = AutobiddingMarket(DrawnAuctions(4), advertisers=2, budgets=(0.5, 1.0), targets=0.0, horizon=5)
    one_channel = Constant(np.array([[0.0, 0.5], [0.5, 0.5]]))
    found = gap(game, one_channel, seeds=range(32))
    assert found.kind is Kind.LOWER
    assert found.lower[0] > 0.05 * found.value[0]  # its money is worth more in the other channel
    assert np.isinf(found.upper).all()
    assert found.certifies == ""
    with pytest.raises(ValueError, match=r"`levers` must be budgets or both"):
        solve(AutobiddingMarket(advertisers=2, targets=0.0, levers="targets"))
    with pytest.raises(ValueError, match="`game` must have one advertiser; got 2"):
        fluid_optimum(game)
    with pytest.raises(ValueError, match="`game` must have KnownAuctions"):
        best_constant_levers(AutobiddingMarket())
