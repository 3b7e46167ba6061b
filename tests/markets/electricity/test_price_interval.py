import networkx as nx
import numpy as np
import pytest

from walras.markets.electricity.network import NetworkMarket


def two_buses(limit: float) -> NetworkMarket:
    """A unit at each of two buses, joined by a line, and the load at the second."""
    network = nx.MultiGraph()
    network.add_nodes_from("NS")
    network.add_edge("N", "S", from_bus="N", to_bus="S", susceptance=10.0, limit=limit)
    return NetworkMarket(network, ["N", "S"])


def test_a_load_at_the_edge_of_a_block_has_all_prices_between() -> None:
    cleared = two_buses(500.0).clear([10.0, 30.0], [100.0, 100.0], load=[0.0, 100.0])
    for bus in "NS":
        assert cleared.price_interval(bus) == pytest.approx((10.0, 30.0))
        assert cleared.midpoint(bus) == pytest.approx(20.0)


def test_a_price_that_is_unique_is_its_interval() -> None:
    cleared = two_buses(500.0).clear([10.0, 30.0], [100.0, 100.0], load=[0.0, 120.0])
    assert cleared.price_interval("N") == pytest.approx((30.0, 30.0))


def test_a_line_at_its_limit_parts_the_intervals() -> None:
    # The line is full, the northern unit has room, and the southern one is not needed: its bus may cost up to 30.
    cleared = two_buses(60.0).clear([10.0, 30.0], [100.0, 100.0], load=[0.0, 60.0])
    assert cleared.price_interval("N") == pytest.approx((10.0, 10.0))
    assert cleared.price_interval("S") == pytest.approx((10.0, 30.0))


def test_a_bus_of_nothing_has_any_price() -> None:
    network = nx.MultiGraph()
    network.add_nodes_from("AB")
    market = NetworkMarket(network, ["A"])
    assert market.clear([10.0], [100.0], load=[50.0, 0.0]).price_interval("B") == (-np.inf, np.inf)
    cleared = market.clear([10.0], [100.0], load=[50.0, 0.0])
    assert cleared.midpoint("B") == cleared.nodal_price[1]
    with pytest.raises(ValueError, match="`bus` must be one of A, B; got 'C'"):
        market.clear([10.0], [100.0], load=[50.0, 0.0]).price_interval("C")


@pytest.mark.parametrize("seed", range(20))
def test_the_returned_price_lies_inside_and_the_ends_are_what_a_little_load_costs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = nx.MultiGraph()
    for k in range(4):
        network.add_edge(
            k, (k + 1) % 4, from_bus=k, to_bus=(k + 1) % 4, susceptance=float(rng.integers(1, 4)), limit=20.0
        )
    market = NetworkMarket(network, rng.integers(4, size=6).tolist())
    price, quantity, load = rng.integers(0, 9, 6) * 10.0, rng.integers(1, 4, 6) * 10.0, rng.integers(1, 3, 4) * 10.0
    cleared = market.clear(price, quantity, load=load)
    for bus in range(4):
        low, high = cleared.price_interval(bus)
        assert low - 1e-6 <= cleared.nodal_price[bus] <= high + 1e-6
        little = 1e-3 * (np.arange(4) == bus)
        more, less = (market.clear(price, quantity, load=load + sign * little).cost for sign in (1, -1))
        assert (more - cleared.cost) / 1e-3 == pytest.approx(high, abs=1e-3)
        assert (cleared.cost - less) / 1e-3 == pytest.approx(low, abs=1e-3)
