from dataclasses import fields

import networkx as nx
import numpy as np
import pytest

from walras.markets.electricity.network import NetworkClearings, NetworkMarket
from walras.markets.electricity.network_many import Rows


def drawn(seed: int, buses: int = 6, units: int = 8, rows: int = 40) -> tuple[NetworkMarket, tuple[np.ndarray, ...]]:
    """A random network with a loop, a line of direct current and another part, and rows of offers and loads."""
    rng = np.random.default_rng(seed)
    network = nx.MultiGraph()
    network.add_nodes_from(range(buses + 2))
    ends = [*((k, k + 1) for k in range(buses - 1)), (0, buses - 1), (buses, buses + 1)]
    for k, (first, last) in enumerate(ends):
        shift = 0.05 * (k == 1)
        network.add_edge(
            first,
            last,
            susceptance=float(rng.uniform(20, 90)),
            limit=float(rng.uniform(10, 60)),
            shift=shift,
            from_bus=first,
            to_bus=last,
        )
    network.add_edge(0, buses, kind="dc", limit=15.0, minimum=0.0, loss_share=0.05, loss=0.5, from_bus=0, to_bus=buses)
    market = NetworkMarket(network, rng.integers(buses + 2, size=units).tolist())
    price = rng.uniform(-10, 80, (rows, units)).round(-1)  # many ties
    quantity, load = rng.uniform(0, 80, (rows, units)), rng.uniform(0, 40, (rows, buses + 2)).round(-1)
    return market, (price, quantity, load)


@pytest.mark.parametrize("seed", range(6))
def test_each_row_is_the_clearing_of_it_alone(seed: int) -> None:
    market, (price, quantity, load) = drawn(seed)
    many = market.clear_many(price, quantity, load)
    assert many.residual.max() < 1e-9
    for k in range(len(price)):
        one = market.clear(price[k], quantity[k], load=load[k])
        assert many.cost[k] == pytest.approx(one.cost, rel=1e-9, abs=1e-9)
        balance = many.dispatch[k].sum() + many.unserved[k].sum() - load[k].sum()
        assert 0.5 - 1e-9 <= balance <= 0.5 + 0.05 * 15 + 1e-9  # what the line of direct current loses


@pytest.mark.parametrize("seed", range(3))
def test_rows_are_the_same_bits_in_any_order_and_company(seed: int) -> None:
    market, rows = drawn(seed)
    many = market.clear_many(*rows)
    back, some = market.clear_many(*(part[::-1] for part in rows)), market.clear_many(*(part[7:9] for part in rows))
    for field in fields(NetworkClearings):
        np.testing.assert_array_equal(getattr(many, field.name), getattr(back, field.name)[::-1])
        np.testing.assert_array_equal(getattr(many, field.name)[7:9], getattr(some, field.name))


def test_the_fast_road_is_the_one_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    market, rows = drawn(0)
    asked: list[object] = []
    monkeypatch.setattr(market, "_programme", asked)  # nothing else can clear
    assert market.clear_many(*rows).residual.max() < 1e-9


def test_where_the_fast_road_fails_the_other_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    market, rows = drawn(0)
    right = market.clear_many(*rows)
    monkeypatch.setattr(Rows, "solve", lambda self, asked: None)
    np.testing.assert_allclose(market.clear_many(*rows).cost, right.cost, rtol=1e-9)


@pytest.mark.parametrize("power", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("money", [1e-6, 1.0, 1e6])
def test_units_of_power_and_money_do_not_matter(power: float, money: float) -> None:
    network = nx.MultiGraph()
    network.add_edge(1, 2, from_bus=1, to_bus=2, susceptance=10.0 * power, limit=50.0 * power)
    market = NetworkMarket(network, [1, 2])
    price, quantity = np.array([[10.0, 30.0]]) * money, np.full((1, 2), 200.0) * power
    found = market.clear_many(price, quantity, np.array([[0.0, 100.0]]) * power, cap=4e3 * money)
    np.testing.assert_allclose(found.nodal_price, price, rtol=1e-9)
    np.testing.assert_allclose(found.dispatch, [[50 * power, 50 * power]], rtol=1e-9)


def test_slopes_minima_and_scarcity() -> None:
    network = nx.MultiGraph()
    network.add_node("bus", load=100.0)
    sloped = NetworkMarket(network, ["bus", "bus"], slope=[0.1, 0.2])
    found = sloped.clear_many([[10, 10]], [[200, 200]])
    np.testing.assert_allclose(found.dispatch, [[200 / 3, 100 / 3]], rtol=1e-6)
    flat = NetworkMarket(network, ["bus", "bus"])
    found = flat.clear_many([[10, 20]] * 2, [[50, 200], [50, 20]], minimum=[[0, 80], [0, 0]])
    np.testing.assert_allclose(found.dispatch, [[20, 80], [50, 20]], atol=1e-9)
    np.testing.assert_allclose(found.nodal_price, [[10], [4000]])


def test_wrong_rows_are_refused_with_their_place() -> None:
    market, (price, quantity, load) = drawn(0)
    with pytest.raises(ValueError, match=r"`load` must have the shape \(40, 8\); got \(39, 8\)"):
        market.clear_many(price, quantity, load[1:])
    price[3, 2] = 5000
    with pytest.raises(ValueError, match=r"`price` must not exceed `cap`, 4000.0.*got 5000.0 at index \[3, 2\]"):
        market.clear_many(price, quantity, load)
    least = np.zeros_like(quantity)
    least[7] = quantity[7]
    with pytest.raises(ValueError, match="Row 7: `minimum` must leave a dispatch that balances every bus"):
        market.clear_many(quantity * 0, quantity, load, minimum=least)
