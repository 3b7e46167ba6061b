import networkx as nx
import numpy as np
import pytest

from walras.markets.electricity.network import NetworkMarket
from walras.markets.electricity.zonal import clear_zonal


@pytest.fixture
def market() -> NetworkMarket:
    """60 MW in the north; 60 and 60 MW and a load of 100 in the south; a line of 30."""
    network = nx.MultiGraph()
    network.add_node("south", load=100.0)
    network.add_edge("north", "south", from_bus="north", to_bus="south", susceptance=1.0, limit=30.0)
    return NetworkMarket(network, ["north", "south", "south"])


ONE = {"north": "all", "south": "all"}
MW = [60.0, 60.0, 60.0]


def test_offers_at_cost_are_redispatched_at_a_loss(market: NetworkMarket) -> None:
    found = clear_zonal(market, ONE, [20, 30, 50], MW)
    np.testing.assert_allclose(found.zone_price, [30])
    np.testing.assert_allclose(found.nodal.nodal_price, [50, 20])
    np.testing.assert_allclose(found.nodal.congestion_rent, 900)
    assert found.redispatch_cost == pytest.approx(-30 * 20 + 20 * 30 + 10 * 50)


def test_the_increase_decrease_game_pays_those_who_congest(market: NetworkMarket) -> None:
    # All offer the nodal prices of their buses: the nodal dispatch, and the operator pays 30 x 50 - 30 x 20.
    found = clear_zonal(market, ONE, [20, 50, 50], MW)
    np.testing.assert_allclose(found.zone_price, [50])
    np.testing.assert_allclose([found.dispatch[0], found.dispatch[1:].sum()], [30, 70], atol=1e-6)
    assert found.redispatch_cost == pytest.approx(900)
    # The northern unit keeps 50 for all of its 60 MW and gives 20 back for the 30 that it does not produce.
    assert found.payment[0] == pytest.approx(60 * 50 - 30 * 20)
    paid = found.payment.sum() - found.redispatch_cost
    assert paid == pytest.approx(100 * 50)  # what the load pays


def test_zones_of_one_bus_each_are_the_nodal_market(market: NetworkMarket) -> None:
    found = clear_zonal(market, {"north": "n", "south": "s"}, [20, 30, 50], MW)
    assert found.zones == ("s", "n")
    np.testing.assert_allclose(found.zone_price, [50, 20])
    np.testing.assert_allclose(found.schedule, found.dispatch, atol=1e-6)
    assert found.redispatch_cost == pytest.approx(0, abs=1e-6)


def test_what_zones_may_exchange_can_be_told(market: NetworkMarket) -> None:
    zones = {"north": "n", "south": "s"}
    found = clear_zonal(market, zones, [20, 30, 50], MW, exchange={("n", "s"): 10.0})
    np.testing.assert_allclose(found.schedule, [10, 60, 30], atol=1e-6)
    assert found.redispatch_cost == pytest.approx(20 * 20 - 20 * 50)  # more of the north: the operator gains
    with pytest.raises(ValueError, match="`exchange` must name pairs of zones that a line joins"):
        clear_zonal(market, zones, [20, 30, 50], MW, exchange={("n", "x"): 10.0})


def test_load_that_redispatch_cuts_costs_the_cap() -> None:
    network = nx.MultiGraph()
    network.add_node("south", load=100.0)
    network.add_edge("north", "south", from_bus="north", to_bus="south", susceptance=1.0, limit=30.0)
    found = clear_zonal(NetworkMarket(network, ["north"]), ONE, [20], [200], cap=1000.0)
    assert found.redispatch_cost == pytest.approx(70 * 1000 - 70 * 20)


def test_bad_zones_are_refused(market: NetworkMarket) -> None:
    with pytest.raises(ValueError, match=r"`zone` must name the zone of each bus; got \['north'\]"):
        clear_zonal(market, {"south": 1}, [20, 30, 50], MW)
    sloped = NetworkMarket(nx.MultiGraph([(1, 2, {"susceptance": 1.0})]), [1], [0.1])
    with pytest.raises(ValueError, match="`market` must have units of constant marginal cost"):
        clear_zonal(sloped, {1: 0, 2: 0}, [20], [60])
