"""Supply functions that capacities cut: prices by bisection, best points and curves by grids, and the closed form."""

from typing import Any

import numpy as np
import pytest

from walras.core import Constant, Scripted, SolverError, Status, rollout
from walras.core.typing import Floats
from walras.envs import SupplyFunctionMarket
from walras.equilibria import deviation, gap, hindsight_regret, solve
from walras.equilibria.electricity.supply_function import scarcity_price

WIDE = SupplyFunctionMarket(capacity=(40.0, 30.0, 25.0))
TIGHT = SupplyFunctionMarket(capacity=20.0)


def bisected(game: SupplyFunctionMarket, curve: Floats, demand: float) -> float:
    """The price at which cut curves ``[N, 2]`` meet demand."""
    low, high = -1e3, 1e3
    for _ in range(200):
        price = (low + high) / 2
        supply = np.clip(curve[:, 1] * (price - curve[:, 0]), 0.0, game.limit).sum()
        low, high = (price, high) if supply < demand - game.demand_slope * price else (low, price)
    return (low + high) / 2


def test_prices_are_those_of_a_bisection() -> None:
    rng = np.random.default_rng(0)
    curve = np.stack([rng.uniform(0, 24, (40, 3)), rng.uniform(0, 2, (40, 3)) * rng.integers(0, 2, (40, 3))], axis=2)
    price = TIGHT.price(curve, np.array(TIGHT.demand))
    for row in range(40):
        for v, demand in enumerate(TIGHT.demand):
            assert abs(price[row, v] - bisected(TIGHT, curve[row], demand)) < 1e-9
    quantity = TIGHT.quantity(curve[:, None], price[:, :, None])
    np.testing.assert_allclose(quantity.sum(axis=2), np.array(TIGHT.demand) - 0.7 * price, atol=1e-9)


def test_no_point_on_what_the_others_leave_is_better() -> None:
    rng = np.random.default_rng(1)
    curve = np.stack([rng.uniform(0, 24, (10, 3)), rng.uniform(0.05, 2, (10, 3))], axis=2)
    best = TIGHT.best_profit(curve)
    price = np.linspace(0, 140, 28_001)
    for row in range(10):
        for agent in range(3):
            others = np.arange(3) != agent
            supply = np.clip(curve[row, others, 1] * (price[:, None] - curve[row, others, 0]), 0, 20.0).sum(axis=1)
            for v, demand in enumerate(TIGHT.demand):
                left = demand - 0.7 * price - supply
                ok = (left >= 0) & (left <= 20.0)
                q, c, d = left[ok], TIGHT.cost[agent], np.array(TIGHT.cost_slope)[agent]
                tried = max(float((q * (price[ok] - c - d / 2 * q)).max(initial=-np.inf)), 0.0)
                assert tried <= best[row, v, agent] + 1e-9
                assert best[row, v, agent] - tried < 0.5


def test_within_capacities_the_equilibrium_is_that_without() -> None:
    found, free = solve(WIDE, throw=False), solve(SupplyFunctionMarket())
    np.testing.assert_array_equal(found.action, free.action)  # type: ignore[attr-defined]
    after = rollout(WIDE, found.policy, range(8)).state
    assert np.all(after.quantity[1:] > 0)
    assert np.all(after.quantity[1:] < WIDE.limit)
    ample = SupplyFunctionMarket(capacity=1e4)
    assert solve(ample).status is Status.CONVERGED
    np.testing.assert_allclose(gap(ample, solve(ample).policy).upper, 0.0, atol=1e-6)


@pytest.mark.parametrize("first", [8.0, 5.0])
def test_where_capacities_bind_an_equilibrium_is_proved(first: float) -> None:
    game = SupplyFunctionMarket(capacity=(first, 40.0, 40.0))
    found: Any = solve(game)
    assert found.status is Status.CONVERGED
    full = game.quantity(found.action[None, None], game.price(found.action[None], np.array([100.0]))[:, :, None])
    assert np.isclose(full[0, 0, 0], first)
    # Another road: no curve drawn at random gains against the others, by a bisection of the price.
    rng = np.random.default_rng(0)
    for _ in range(50):
        agent, tried = int(rng.integers(3)), found.action.copy()
        near = np.where(rng.random() < 0.5, tried[agent], 0.0)
        tried[agent] = np.clip(near + rng.normal(0, [10.0, 1.0]), 0.0, game.action_space.high)
        gained = profit(game, tried, agent) - profit(game, found.action, agent)
        assert gained <= 1e-4


def test_neither_the_order_of_firms_nor_units_move_the_curves() -> None:
    plain = SupplyFunctionMarket(capacity=(20.0, 15.0, 25.0))
    turned = SupplyFunctionMarket(cost=plain.cost[::-1], cost_slope=(1.2, 0.8, 0.5), capacity=(25.0, 15.0, 20.0))
    part = 2.0**-20  # of a MW, without rounding
    small = SupplyFunctionMarket(
        demand=tuple(part * n for n in plain.demand), demand_slope=0.7 * part, cost=plain.cost,
        cost_slope=(0.5 / part, 0.8 / part, 1.2 / part), capacity=(20.0 * part, 15.0 * part, 25.0 * part),
    )  # fmt: skip
    found, other, tiny = (solve(game, throw=False) for game in (plain, turned, small))
    np.testing.assert_allclose(other.action[::-1], found.action, rtol=1e-9)  # type: ignore[attr-defined]
    np.testing.assert_allclose(tiny.action / [1.0, part], found.action, rtol=1e-9)  # type: ignore[attr-defined]
    assert other.status is found.status
    assert tiny.status is found.status


def profit(game: SupplyFunctionMarket, curve: Floats, agent: int) -> float:
    """A firm's mean profit over the demands."""
    c, d, limit = game.cost[agent], np.array(game.cost_slope)[agent], game.limit[agent]
    total = 0.0
    for demand in game.demand:
        price = bisected(game, curve, demand)
        sold = float(np.clip(curve[agent, 1] * (price - curve[agent, 0]), 0.0, limit))
        total += sold * (price - c - d / 2 * sold) / len(game.demand)
    return total


def test_where_the_best_points_lie_on_no_curve_the_ends_stay_apart() -> None:
    found = solve(TIGHT, throw=False)
    assert found.status is Status.UNCERTIFIED
    assert found.residual_lower <= 1e-9
    assert 1e-4 < found.residual < 0.01
    with pytest.raises(SolverError, match="residual"):
        solve(TIGHT)


def test_ends_hold_where_capacities_bind() -> None:
    for policy in (Scripted(TIGHT), Constant(np.array([[15.0, 0.5], [12.0, 1.0], [20.0, 0.2]]))):
        judged = gap(TIGHT, policy, seeds=range(32))
        assert np.all(judged.lower <= judged.upper * (1 + 1e-9))
        assert np.all(judged.lower > 0)
        np.testing.assert_allclose(judged.upper, hindsight_regret(TIGHT, policy, range(32)).regret, rtol=0.6)
    state = TIGHT.reset(np.zeros(1))
    found = deviation(TIGHT, state, TIGHT.scripted(TIGHT.observe(state)))
    for agent in range(3):
        changed = TIGHT.scripted(TIGHT.observe(state))
        changed[:, agent] = found.action[:, agent]
        gained = (TIGHT.profit(changed) - TIGHT.profit(TIGHT.scripted(TIGHT.observe(state)))).mean(axis=1)[0, agent]
        assert abs(gained - found.gain[0, agent]) < 1e-9


def test_equal_firms_and_inelastic_demand_have_a_closed_form() -> None:
    # Holmberg 2008: N = 3, c = 10, P = 100, K = 40.
    np.testing.assert_allclose(scarcity_price([30.0, 60.0, 120.0], 3, 40.0, 10.0, 100.0), [15.625, 32.5, 100.0])
    # Another road: against two rivals on this curve no point on what they leave of a demand earns more.
    for demand in (30.0, 60.0, 100.0):
        rivals = np.linspace(0, 80, 80_001)
        price = 10 + 90 * (rivals / 80) ** 2  # two rivals that sell D - q at p: each q_j = 40 sqrt((p - c) / (P - c))
        own = demand - rivals
        ok = (own >= 0) & (own <= 40)
        profit = (price - 10) * own
        equal = float(scarcity_price(demand, 3, 40.0, 10.0, 100.0))
        assert profit[ok].max() <= (equal - 10) * demand / 3 + 1e-3


@pytest.mark.parametrize(("arguments", "words"), [
    (([130.0], 3, 40.0, 10.0, 100.0), r"`demand` must lie in \[0, 120\], what all can produce; got 130\.0"),
    (([10.0], 1, 40.0, 10.0, 100.0), r"`firms` must be at least 2"),
    (([10.0], 3, 40.0, 10.0, 5.0), r"`cap` must exceed the cost 10; got 5\.0"),
])  # fmt: skip
def test_numbers_out_of_range_are_named(arguments: tuple[list[float], int, float, float, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        scarcity_price(*arguments)
    with pytest.raises(ValueError, match=r"`capacity` must be positive and finite; got 0\.0 at index \[1\]"):
        SupplyFunctionMarket(capacity=(1.0, 0.0, 1.0))
