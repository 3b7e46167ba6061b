# ruff: noqa: E501 - a row is a line

from typing import Any

import cvxpy as cp
import networkx as nx
import numpy as np
import pytest

from walras.markets.electricity.horizon import HorizonClearing, clear_horizon
from walras.markets.electricity.network import NetworkMarket
from walras.markets.electricity.storage import Storage

INF = float("inf")


def alone(units: int) -> NetworkMarket:
    """One bus with so many units."""
    network = nx.MultiGraph()
    network.add_node("bus")
    return NetworkMarket(network, ["bus"] * units)


def test_a_ramp_makes_the_first_price_negative() -> None:
    # Units at 10 (ramp 20 MW) and 50, loads 50 and 90: 50 and 70 + 20. One more MW at first saves 40 then: 10 - 40 = -30.
    found = clear_horizon(alone(2), [[10, 50]] * 2, [[200, 200]] * 2, [[50], [90]], ramp=[20, INF])
    np.testing.assert_allclose(found.dispatch, [[50, 0], [70, 20]], atol=1e-9)
    np.testing.assert_allclose(found.nodal_price[:, 0], [-30, 50], atol=1e-9)
    assert found.cost.sum() == pytest.approx(2200)


def test_nothing_coupled_is_each_step_alone() -> None:
    rng = np.random.default_rng(0)
    network = nx.MultiGraph()
    network.add_nodes_from("NS")
    network.add_edge("N", "S", key="line", susceptance=100.0, limit=20.0, from_bus="N", to_bus="S")
    market = NetworkMarket(network, ["N", "S", "S"])
    price, quantity = rng.uniform(10, 60, (5, 3)), rng.uniform(20, 60, (5, 3))
    load = np.stack([np.zeros(5), rng.uniform(30, 90, 5)], axis=1)
    found = clear_horizon(market, price, quantity, load)
    for t in range(5):
        one = market.clear(price[t], quantity[t], load=load[t])
        np.testing.assert_allclose(found.dispatch[t], one.dispatch, atol=1e-7)
        np.testing.assert_allclose(found.nodal_price[t], one.nodal_price, atol=1e-6)
        np.testing.assert_allclose(found.line_price[t], one.line_price, atol=1e-6)
        assert found.congestion_rent[t] == pytest.approx(one.congestion_rent, abs=1e-6)


@pytest.mark.parametrize(("efficiency", "best"), [(1.0, 2000.0), (0.81, 1364.0)])
def test_a_storage_moves_energy_to_where_it_is_dear(efficiency: float, best: float) -> None:
    # 100 MW each at 10, 20, 40 and 60 EUR/MWh; loads 120, 150, 310, 260; 60 MW and 100 MWh. What the storage earns as a
    # price taker is at most what it would by moving prices, and the saving of the whole is larger than either.
    root = efficiency**0.5
    storage = Storage("s", "bus", 60.0, 60.0, 100.0, root, root, start=0.0)
    arguments: Any = alone(4), [[10, 20, 40, 60]] * 4, [[100] * 4] * 4, [[120], [150], [310], [260]]
    without, found = clear_horizon(*arguments), clear_horizon(*arguments, [storage])
    np.testing.assert_allclose(found.energy[-1], 0, atol=1e-9)
    moved = np.diff(found.energy[:, 0], prepend=0)
    np.testing.assert_allclose(moved, root * found.charge[:, 0] - found.discharge[:, 0] / root, atol=1e-9)
    assert found.cost.sum() < without.cost.sum()
    earned = float(((found.discharge - found.charge)[:, 0] * found.nodal_price[:, 0]).sum())
    assert 0 <= earned <= best + 1e-6


def second_road(seed: int) -> tuple[HorizonClearing, float]:
    """A random market of three buses cleared here, and its cost by cvxpy with angles and flows of its own."""
    rng = np.random.default_rng(seed)
    steps, lines = 6, (("A", "B", 30.0), ("B", "C", 25.0), ("A", "C", 15.0))
    network = nx.MultiGraph()
    network.add_nodes_from("ABC")
    for first, last, limit in lines:
        network.add_edge(first, last, key=first + last, susceptance=50.0, limit=limit, from_bus=first, to_bus=last)
    price, quantity = rng.uniform(5, 80, (steps, 3)), rng.uniform(20, 80, (steps, 3))
    load, ramp = rng.uniform(0, 60, (steps, 3)), np.array([15.0, INF, 30.0])
    kept = rng.uniform(0.7, 1.0, 2)
    storage = Storage("s", "B", 20.0, 15.0, 40.0, *kept, start=None if seed % 2 else 10.0, cost=1.0)
    found = clear_horizon(
        NetworkMarket(network, list("ABC")), price, quantity, load, [storage], ramp, cap=1000.0, step_hours=0.5
    )
    x, u, angle = (cp.Variable((steps, 3)) for _ in range(3))
    c, g, e = (cp.Variable(steps) for _ in range(3))
    flows = [50.0 * (angle[:, "ABC".index(a)] - angle[:, "ABC".index(b)]) for a, b, _ in lines]
    out = [
        sum(f if a == bus else -f if b == bus else 0 for f, (a, b, _) in zip(flows, lines, strict=True))
        for bus in "ABC"
    ]
    rules = [x >= 0, x <= quantity, u >= 0, u <= load, c >= 0, c <= 15, g >= 0, g <= 20, e >= 0, e <= 40]
    rules += [x[:, k] + u[:, k] + ((g - c) if k == 1 else 0) - load[:, k] == out[k] for k in range(3)]
    rules += [cp.abs(f) <= limit for f, (_, _, limit) in zip(flows, lines, strict=True)]
    rules += [cp.abs(x[1:, k] - x[:-1, k]) <= ramp[k] for k in (0, 2)]
    rules += [e[t] - e[t - 1] == 0.5 * (kept[0] * c[t] - g[t] / kept[1]) for t in range(steps)]
    rules += [e[-1] == 10.0] if storage.start is not None else []
    cost = cp.sum(cp.multiply(price, x)) + 1000 * cp.sum(u) + cp.sum(g)
    return found, float(cp.Problem(cp.Minimize(cost), rules).solve(solver=cp.HIGHS))


@pytest.mark.parametrize("seed", range(6))
def test_the_cost_is_that_of_another_model(seed: int) -> None:
    found, cost = second_road(seed)
    assert found.cost.sum() == pytest.approx(cost, rel=1e-9)
    assert found.residual < 1e-9


WRONG = [
    ({"ramp": [1.0]}, "`ramp` must have 2 entries"),
    ({"price": [[10, 5000]] * 2}, "`price` must not exceed `cap`"),
    ({"quantity": [[-1, 1]] * 2}, "`quantity` must not be negative"),
    ({"load": [[1, 2]] * 2}, r"`load` must have the shape \(2, 1\)"),
    ({"load": [[-5], [3]], "quantity": [[0, 0]] * 2}, "`quantity` must leave a dispatch that balances every bus"),
    ({"storage": [Storage("s", "bsu", 1, 1, 1)]}, "`bus` must be one of bus; got 'bsu'"),
]


@pytest.mark.parametrize(("values", "message"), WRONG)
def test_wrong_arguments_are_refused(values: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"price": [[10, 50]] * 2, "quantity": [[200, 200]] * 2, "load": [[50], [90]]}
    with pytest.raises(ValueError, match=message):
        clear_horizon(alone(2), **(good | values))


@pytest.mark.parametrize("values", [{"start": 11.0}, {"energy": -1.0}, {"efficiency_charge": 0.0}, {"power": INF}])
def test_a_storage_keeps_its_own_limits(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"`{next(iter(values))}` must"):
        Storage(**({"name": "s", "bus": "b", "power": 5.0, "charge": 5.0, "energy": 10.0} | values))  # type: ignore[arg-type]
