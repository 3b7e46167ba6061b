import itertools
from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest
from scipy.optimize import linprog

from walras.core.typing import Bools, Floats
from walras.markets.electricity.commitment import Units, commit
from walras.markets.electricity.convex_hull import convex_hull_price
from walras.markets.electricity.network import NetworkMarket

INF = float("inf")


def alone(units: int) -> NetworkMarket:
    """One bus with so many offers."""
    network = nx.MultiGraph()
    network.add_node("bus")
    return NetworkMarket(network, ["bus"] * units)


def plain(count: int, **changed: Any) -> Units:  # noqa: ANN401
    none, one = np.zeros(count), np.ones(count, dtype=np.int64)
    return replace(Units(none, none, none, none + INF, one, one), **changed)


def drawn(seed: int, units: int = 2, steps: int = 3) -> tuple[Units, Floats, Floats, Floats]:
    """Random units and offers, with loads ``[T, 1]``."""
    rng = np.random.default_rng(seed)
    most = rng.integers(3, 9, units) * 10.0
    found = Units(
        minimum=rng.integers(0, 4, units) * 10.0,
        start_cost=rng.integers(0, 4, units) * 150.0,
        no_load=rng.integers(0, 3, units) * 80.0,
        ramp=np.where(rng.random(units) < 0.5, INF, rng.integers(1, 4, units) * 10.0),
        min_up=rng.integers(1, 4, units),
        min_down=rng.integers(1, 4, units),
    )
    price = rng.integers(1, 6, (steps, units)) * 10.0
    return found, price, np.broadcast_to(most, price.shape).copy(), rng.integers(0, 9, (steps, 1)) * 10.0


def legal(on: Bools, up: int, down: int) -> bool:
    """Whether runs on and off last long enough; the last run may go on, and before the first step all may start."""
    runs = [(state, len(list(run))) for state, run in itertools.groupby(on.tolist())]
    inner = [(state, size, k) for k, (state, size) in enumerate(runs[:-1])]
    return all(size >= (up if state else down) or (k == 0 and not state) for state, size, k in inner)


def dispatch_cost(units: Units, price: Floats, quantity: Floats, load: Floats, on: Bools, cap: float) -> float:
    """The least cost of one commitment, by a linear programme written out by hand; infinite if it is none."""
    steps, count = price.shape
    before = np.vstack((np.zeros(count, dtype=bool), on[:-1]))
    rows, limits = list[Floats](), list[float]()
    for t, k in itertools.product(range(steps), range(count)):
        if np.isinf(units.ramp[k]):
            continue
        row = np.zeros((steps, count + 1))
        row[t, k] = 1.0
        if t > 0:
            row[t - 1, k] = -1.0
        leap = max(units.ramp[k], units.minimum[k])
        rows += [row.ravel(), -row.ravel()]
        limits += [units.ramp[k] if before[t, k] else leap, units.ramp[k] if on[t, k] else leap]
    bounds = [
        bound
        for t in range(steps)
        for bound in (
            *zip((units.minimum * on[t]).tolist(), (quantity[t] * on[t]).tolist(), strict=True),
            (0.0, load[t, 0]),
        )
    ]
    if any(low > high for low, high in bounds):
        return INF
    total = np.kron(np.eye(steps), np.ones(count + 1))
    cost = np.hstack((price, np.full((steps, 1), cap))).ravel()
    found = linprog(cost, np.array(rows) if rows else None, limits or None, total, load[:, 0], bounds, "highs")
    fixed = (on * units.no_load).sum() + ((on & ~before) * units.start_cost).sum()
    return float(found.fun + fixed) if found.status == 0 else INF


@pytest.mark.parametrize("seed", range(6))
def test_the_cost_is_the_least_of_all_commitments(seed: int) -> None:
    units, price, quantity, load = drawn(seed)
    steps, count = price.shape
    patterns = [
        [
            np.array(on)
            for on in itertools.product((False, True), repeat=steps)
            if legal(np.array(on), int(up), int(down))
        ]
        for up, down in zip(units.min_up, units.min_down, strict=True)
    ]
    costs = [
        dispatch_cost(units, price, quantity, load, np.stack(on, axis=1), 300.0) for on in itertools.product(*patterns)
    ]
    found = commit(alone(count), units, price, quantity, load, cap=300.0)
    assert found.cost == pytest.approx(min(costs), abs=1e-5)
    assert found.bound <= found.cost + 1e-6
    assert all(legal(found.on[:, k], int(units.min_up[k]), int(units.min_down[k])) for k in range(count))
    np.testing.assert_array_equal(found.start, found.on & ~np.vstack((np.zeros(count, dtype=bool), found.on[:-1])))


@pytest.mark.parametrize("seed", range(6))
def test_an_uplift_is_what_the_best_schedule_earns_more(seed: int) -> None:
    units, price, quantity, load = drawn(seed)
    steps, count = price.shape
    found = commit(alone(count), units, price, quantity, load, cap=300.0)
    for k in range(count):
        one = units.alone(k)
        # Alone at the prices: the other side of the market is a load that pays them, as offers of negative cost.
        best = max(
            -dispatch_cost(
                one, price[:, [k]] - found.nodal_price, quantity[:, [k]], quantity[:, [k]], np.array([on]).T, 0.0
            )
            for on in itertools.product((False, True), repeat=steps)
            if legal(np.array(on), int(units.min_up[k]), int(units.min_down[k]))
        )
        assert found.uplift[k] == pytest.approx(best - found.profit[k], abs=1e-5)
    fixed = (found.on * units.no_load).sum(axis=0) + (found.start * units.start_cost).sum(axis=0)
    earned = ((found.nodal_price - price) * found.dispatch).sum(axis=0) - fixed
    np.testing.assert_allclose(found.profit, earned, atol=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_no_prices_have_a_larger_value_than_those_of_the_hull(seed: int) -> None:
    units, price, quantity, load = drawn(seed, units=2, steps=2)
    market = alone(2)
    hull = convex_hull_price(market, units, price, quantity, load, cap=100.0)
    cost = commit(market, units, price, quantity, load, cap=100.0).cost
    assert hull.lower <= hull.upper <= cost + 1e-6
    assert hull.upper - hull.lower <= 1e-7 * max(1.0, hull.upper)
    levels = np.linspace(0, 100, 5)
    values = [value(units, price, quantity, load, np.array(at)) for at in itertools.product(levels, levels)]
    assert max(values) <= hull.upper + 1e-6
    assert value(units, price, quantity, load, hull.nodal_price[:, 0]) == pytest.approx(hull.lower, abs=1e-5)


def value(units: Units, price: Floats, quantity: Floats, load: Floats, at: Floats) -> float:
    """What load pays at prices of at most the cap, less what each unit's best schedule earns: the lower bound."""
    earned = [
        max(
            -dispatch_cost(
                units.alone(k), price[:, [k]] - at[:, None], quantity[:, [k]], quantity[:, [k]], np.array([on]).T, 0.0
            )
            for on in itertools.product((False, True), repeat=len(at))
            if legal(np.array(on), int(units.min_up[k]), int(units.min_down[k]))
        )
        for k in range(len(units))
    ]
    return float(at @ load[:, 0]) - sum(earned)


def test_the_worked_example() -> None:
    units = plain(2, minimum=np.array([0.0, 30.0]), start_cost=np.array([0.0, 500.0]))
    asked = alone(2), units, [[10, 20]], [[100, 50]], [[120]]
    found, hull = commit(*asked), convex_hull_price(*asked)
    assert (found.cost, found.nodal_price[0, 0]) == pytest.approx((2000, 10))
    np.testing.assert_allclose(found.uplift, [0, 800], atol=1e-6)
    assert (hull.nodal_price[0, 0], hull.lower, found.cost - hull.lower) == pytest.approx((30, 1600, 400))


@pytest.mark.parametrize("power", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("money", [1e-9, 1.0, 1e9])
def test_units_of_power_and_money_do_not_matter(power: float, money: float) -> None:
    units = plain(2, minimum=np.array([0.0, 30.0]) * power, start_cost=np.array([0.0, 500.0]) * power * money)
    price, quantity, load = np.array([[10, 20]]) * money, np.array([[100, 50]]) * power, np.array([[120]]) * power
    found = commit(alone(2), units, price, quantity, load, cap=4000 * money)
    hull = convex_hull_price(alone(2), units, price, quantity, load, cap=4000 * money)
    spent = power * money
    np.testing.assert_allclose(found.dispatch, [[90 * power, 30 * power]], rtol=1e-9)
    told = [found.cost / spent, found.uplift[1] / spent, found.nodal_price[0, 0] / money]
    np.testing.assert_allclose(told, [2000, 800, 10], rtol=1e-9)
    np.testing.assert_allclose([hull.nodal_price[0, 0] / money, hull.lower / spent], [30, 1600], rtol=1e-6)


@pytest.mark.parametrize("start", [1e6, 1e9, 1e12])
def test_a_start_that_nobody_pays_hides_no_prices(start: float) -> None:
    units = plain(3, start_cost=np.array([0.0, 0.0, start]))
    found = commit(alone(3), units, [[10, 20, 1]], [[60, 60, 200]], [[100]])
    assert found.cost == pytest.approx(60 * 10 + 40 * 20)
    assert found.nodal_price[0, 0] == pytest.approx(20)
    assert not found.on[0, 2]


def test_half_hours_cost_half_but_for_starts() -> None:
    units = plain(1, minimum=np.array([30.0]), start_cost=np.array([500.0]), no_load=np.array([40.0]))
    found = commit(alone(1), units, [[20]], [[50]], [[50]], step_hours=0.5)
    assert found.cost == pytest.approx(500 + 0.5 * (40 + 20 * 50))
    assert found.profit[0] == pytest.approx(0.5 * 50 * (found.nodal_price[0, 0] - 20) - 520)


def test_blocks_of_a_unit_share_its_commitment_and_lines_bind() -> None:
    network = nx.MultiGraph()
    network.add_nodes_from("NS")
    network.add_edge("N", "S", from_bus="N", to_bus="S", susceptance=1.0, limit=25.0)
    units = plain(2, minimum=np.array([40.0, 0.0]), no_load=np.array([100.0, 0.0]), unit=np.array([0, 0, 1]))
    market = NetworkMarket(network, ["N", "N", "S"])
    found = commit(market, units, [[5, 15, 50]], [[30, 30, 100]], [[20, 60]])
    np.testing.assert_allclose(found.dispatch, [[30, 15, 35]], atol=1e-6)  # 20 here, 25 over the line
    np.testing.assert_allclose(found.nodal_price, [[15, 50]], atol=1e-6)
    np.testing.assert_allclose(found.flow, [[25]], atol=1e-6)
    hull = convex_hull_price(market, units, [[5, 15, 50]], [[30, 30, 100]], [[20, 60]])
    assert found.cost - hull.lower == pytest.approx(found.cost - hull.upper, abs=1e-3)
    assert hull.lower <= found.cost


def test_nothing_to_commit_is_the_clearing() -> None:
    rng = np.random.default_rng(0)
    price, quantity, load = rng.uniform(10, 50, (5, 3)), rng.uniform(20, 60, (5, 3)), rng.uniform(20, 150, (5, 1))
    found, market = commit(alone(3), plain(3), price, quantity, load), alone(3)
    cleared = market.clear_many(price, quantity, load)
    np.testing.assert_allclose(found.dispatch, cleared.dispatch, atol=1e-6)
    np.testing.assert_allclose(found.nodal_price, cleared.nodal_price, atol=1e-6)
    np.testing.assert_allclose(found.uplift, 0, atol=1e-5)
    assert convex_hull_price(market, plain(3), price, quantity, load).lower == pytest.approx(cleared.cost.sum())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"minimum": np.array([-1.0, 0.0])}, r"`minimum` must be finite and not negative; got -1.0 at index \[0\]"),
        ({"start_cost": np.array([0.0, INF])}, r"`start_cost` must be finite and not negative; got inf at index \[1\]"),
        ({"ramp": np.array([0.0, np.nan])}, r"`ramp` must not be negative; got nan at index \[1\]"),
        ({"min_up": np.array([1, 0])}, r"`min_up` must be 2 whole numbers of steps from 1 on; got \[1, 0\]"),
        ({"min_down": np.array([1.5, 1])}, r"`min_down` must be 2 whole numbers of steps"),
        ({"no_load": np.zeros(3)}, r"`no_load` must have 2 entries; got \(3,\)"),
        ({"unit": np.array([0, 0])}, "`unit` must name each of the units 0 to 1"),
    ],
)
def test_bad_units_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plain(2, **change)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`price` must have the shape \(1, 2\); got \(1, 1\)"):
        commit(alone(2), plain(2), [[10]], [[10, 10]], [[5]])
    with pytest.raises(ValueError, match="`units` must have an entry for each of 2 offers"):
        commit(alone(2), plain(3), [[10, 10]], [[10, 10]], [[5]])
    with pytest.raises(ValueError, match="`load` must leave a commitment that balances every bus"):
        commit(alone(1), plain(1), [[10]], [[10]], [[-5]])
    with pytest.raises(ValueError, match="`load` must leave a commitment that balances every bus"):
        convex_hull_price(alone(1), plain(1), [[10]], [[10]], [[-5]])
    with pytest.raises(RuntimeError, match="The bounds must meet in `rounds`, 1"):
        convex_hull_price(alone(1), plain(1, start_cost=np.array([5.0])), [[10]], [[10]], [[5]], rounds=1)
