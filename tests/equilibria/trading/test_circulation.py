"""Circulations against networkx, and their potentials against the definition."""

import networkx as nx
import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import csc_array

from walras.equilibria.trading.circulation import (
    Arcs,
    Circulation,
    Menu,
    Optimum,
    cheapest,
    joined,
    lattice,
    potentials,
    residual,
    shortest,
)
from walras.equilibria.trading.market_circulation import market
from walras.equilibria.trading.matching import paths
from walras.markets.trading.trading_network import (
    Additive,
    Dealer,
    Intermediary,
    PairCostIntermediary,
    TradingNetwork,
    UnitDemand,
    UnitSupply,
)


def drawn(seed: int) -> Circulation:
    rng = np.random.default_rng(seed)
    nodes, count = 7, 20
    tail = rng.integers(0, nodes, count)
    head = (tail + rng.integers(1, nodes, count)) % nodes
    arcs = Arcs(tail, head, rng.integers(1, 4, count), rng.integers(-9, 10, count).astype(float))
    return Circulation(nodes, arcs, Menu(csc_array((nodes, 0)), np.zeros(0), np.zeros(0, dtype=np.int64)))


def certifies(of: Circulation, at: Optimum, potential: np.ndarray) -> bool:
    """Complementary slackness, for each arc."""
    arcs = of.arcs
    reduced = arcs.cost + potential[arcs.tail] - potential[arcs.head]
    return bool((reduced[at.flow < arcs.capacity] >= 0).all() and (reduced[at.flow > 0] <= 0).all())


@pytest.mark.parametrize("seed", range(20))
def test_the_cost_is_that_of_networkx_and_potentials_certify_the_flow(seed: int) -> None:
    of = drawn(seed)
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(range(of.nodes))
    for tail, head, capacity, cost in zip(*of.arcs, strict=True):
        graph.add_edge(int(tail), int(head), capacity=int(capacity), weight=int(cost))
    at = cheapest(of)
    assert at.missing == 0
    assert at.cost == nx.network_simplex(graph)[0] == of.arcs.cost @ at.flow
    balance = np.bincount(of.arcs.head, at.flow, of.nodes) - np.bincount(of.arcs.tail, at.flow, of.nodes)
    assert not balance.any()
    ends = lattice(of, at)
    for potential in (potentials(of, at), *ends):
        if np.isfinite(potential).all():
            assert certifies(of, at, potential)
    middle = potentials(of, at)
    assert middle[0] == 0
    assert (ends[0] <= middle).all()
    assert (middle <= ends[1]).all()


@pytest.mark.parametrize("seed", range(20, 25))
def test_the_ends_of_the_lattice_are_the_extremes_of_each_potential(seed: int) -> None:
    of = drawn(seed)
    at = cheapest(of)
    tail, head, cost = residual(of.arcs, at.flow)
    rows = np.eye(of.nodes)[head] - np.eye(of.nodes)[tail]
    bounds = [(0, 0)] + [(-1e3, 1e3)] * (of.nodes - 1)
    for sign, end in zip((1, -1), lattice(of, at), strict=True):
        goals = sign * np.eye(of.nodes)
        found = sign * np.array([linprog(goal, A_ub=rows, b_ub=cost, bounds=bounds).fun for goal in goals])
        np.testing.assert_allclose(np.where(np.abs(found) > 500, -sign * np.inf, found), end, atol=1e-7)


def test_pinned_potentials_hold() -> None:
    of = drawn(3)
    at = cheapest(of)
    least, greatest = lattice(of, at)
    node = int(np.flatnonzero(np.isfinite(greatest - least) & (greatest > least))[0])
    pinned = np.where(np.arange(of.nodes) == node, least[node] + 1, np.nan)
    for end in lattice(of, at, pinned):
        assert end[node] == least[node] + 1
        assert (least <= end).all()
        assert (end <= greatest).all()


def test_what_cannot_be_reached_stays_infinite_and_negative_cycles_end() -> None:
    tail, head = np.array([0, 1, 2]), np.array([1, 2, 1])
    start = np.array([0.0, np.inf, np.inf, np.inf])
    np.testing.assert_array_equal(shortest(tail, head, np.array([4.0, 1, -1]), start, 0.0), [0, 4, 5, np.inf])
    assert shortest(tail, head, np.array([4.0, 1, -2]), start, 0.0)[1] < 4
    np.testing.assert_array_equal(start, [0, np.inf, np.inf, np.inf])  # not written into


def test_arcs_are_joined_in_order() -> None:
    arcs = drawn(0).arcs
    both = joined(arcs, arcs.at(slice(2)))
    assert len(both.cost) == 22
    np.testing.assert_array_equal(both.head[20:], arcs.head[:2])
    assert len(joined().tail) == 0


class TestMarkets:
    def test_terminals_of_one_arc_are_in_series_with_their_trades(self) -> None:
        chain = TradingNetwork(
            [(0, 1), (1, 2)], [UnitSupply({0: 10}), Intermediary([0], [1], 3), Additive({1: 20}, {})]
        )
        of = market(chain)
        assert of.circulation.nodes == 3  # outside, the seller's hub and the intermediary's
        np.testing.assert_array_equal(of.trade_arcs.cost, [10, 3 - 20])
        np.testing.assert_array_equal(of.asked, [10, 3])
        np.testing.assert_array_equal(of.bid, [0, 20])

    def test_terminals_of_several_arcs_keep_their_nodes(self) -> None:
        costs = {(0, 2): 1, (0, 3): 2, (1, 2): 4, (1, 3): 3}
        ends = [Additive({}, {0: 1, 1: 1}), PairCostIntermediary(costs), Additive({2: 9, 3: 9}, {})]
        of = market(TradingNetwork([(0, 1), (0, 1), (1, 2), (1, 2)], ends))
        assert of.circulation.nodes == 5
        assert len(of.circulation.arcs.cost) == 4 + 4

    def test_a_market_of_unit_traders_is_an_assignment(self) -> None:
        of = market(TradingNetwork([(0, 1), (0, 1)], [UnitSupply({0: 3, 1: 4}), UnitDemand({0: 5, 1: 9})]))
        assert paths(of.circulation) is not None
        np.testing.assert_array_equal(of.circulation.arcs.cost, [-2, -5, 0, 0])

    def test_constants_of_flows_do_not_matter_to_the_trades(self) -> None:
        stocked = Dealer(buys={}, sells={0: 1}, stock=2, keep=[5, 4])
        at = cheapest(market(TradingNetwork([(0, 1)], [stocked, UnitDemand({0: 6})])).circulation)
        assert at.flow[0] == 1  # 6 less the handling of 1 exceeds 4, the value of keeping the second
