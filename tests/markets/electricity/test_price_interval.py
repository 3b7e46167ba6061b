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


@pytest.mark.parametrize("seed", [*range(20), 93, 143])  # in the last two a rule holds the nearest prices back
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
    nearest = cleared.at_midpoints()
    assert nearest.price_residual < 1e-6
    # What a little load in a direction costs is the most that supporting prices make of it: none lies further that way.
    towards = np.array([cleared.midpoint(bus) for bus in range(4)]) - nearest.nodal_price
    most = (market.clear(price, quantity, load=load + 1e-3 * towards).cost - cleared.cost) / 1e-3
    assert towards @ nearest.nodal_price >= most - 1e-3


def test_middles_that_support_the_dispatch_are_its_prices() -> None:
    market = two_buses(60.0)
    cleared = market.clear([10.0, 30.0], [100.0, 100.0], load=[0.0, 60.0])
    nearest = cleared.at_midpoints()
    assert nearest.nodal_price.tolist() == pytest.approx([10.0, 20.0])
    assert nearest.line_price.tolist() == pytest.approx([10.0])
    assert nearest.congestion_rent == pytest.approx(600.0)
    assert nearest.dispatch is cleared.dispatch
    unique = market.clear([10.0, 30.0], [100.0, 100.0], load=[0.0, 80.0])
    assert unique.at_midpoints().nodal_price.tolist() == unique.nodal_price.tolist()


def triangle(limit: float) -> NetworkMarket:
    """Three buses, equal lines between them, that from the first to the second with a limit; a unit at each."""
    network = nx.MultiGraph()
    network.add_nodes_from([1, 2, 3])
    for start, end in ((1, 2), (1, 3), (3, 2)):
        most = {"limit": limit} if (start, end) == (1, 2) else {}
        network.add_edge(start, end, from_bus=start, to_bus=end, susceptance=1.0, **most)
    return NetworkMarket(network, [1, 2, 3])


def test_middles_that_support_nothing_give_way_to_the_nearest_prices_that_do() -> None:
    # 30 MW from bus 1 to bus 2 fill unit 1 and, two thirds of them, the line. So 10 <= a <= b, c = (a + b) / 2 <= 15:
    # intervals [10, 15], [10, 20], [10, 15], whose middles 12.5, 15, 12.5 miss the law of c by 1.25.
    market = triangle(20.0)
    cleared = market.clear([10.0, 30.0, 15.0], [30.0, 50.0, 50.0], load=[0.0, 30.0, 0.0])
    intervals = [cleared.price_interval(bus) for bus in (1, 2, 3)]
    np.testing.assert_allclose(intervals, [[10, 15], [10, 20], [10, 15]], atol=1e-6)
    nearest = cleared.at_midpoints()
    np.testing.assert_allclose(nearest.nodal_price, [12.5 - 5 / 12, 15 - 5 / 12, 40 / 3], atol=1e-6)
    assert nearest.residual < 1e-9


def test_a_link_with_losses_ties_the_middles_of_its_ends() -> None:
    # The link is not full: the price at its end is that at its beginning over 0.8, between 10 and 30 / 0.8.
    network = nx.MultiGraph()
    network.add_nodes_from("NS")
    network.add_edge("N", "S", kind="dc", from_bus="N", to_bus="S", limit=500.0, minimum=0.0, loss_share=0.2)
    market = NetworkMarket(network, ["N", "N"])
    cleared = market.clear([10.0, 30.0], [100.0, 100.0], load=[0.0, 80.0])
    assert cleared.at_midpoints().nodal_price.tolist() == pytest.approx([20.0, 25.0])


def test_many_rows_are_at_their_middles_as_each_alone() -> None:
    market, price = two_buses(500.0), [[10.0, 30.0]] * 3
    load = [[0.0, 100.0], [0.0, 120.0], [0.0, 0.0]]
    many = market.clear_many(price, [[100.0, 100.0]] * 3, load, price_rule="midpoint")
    # Without a load the price has no lower end, and stays what it is.
    alone = market.clear_many(price, [[100.0, 100.0]] * 3, load)
    np.testing.assert_allclose(many.nodal_price, [[20, 20], [30, 30], alone.nodal_price[2]])
    with pytest.raises(ValueError, match=r"`price_rule` must be one of .*; got 'middle'"):
        market.clear_many(price, [[100.0, 100.0]] * 3, load, price_rule="middle")  # type: ignore[arg-type] - as a user may
