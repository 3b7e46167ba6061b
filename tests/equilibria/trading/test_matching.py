"""Circulations solved by matching, against HiGHS and by hand."""

import numpy as np
import pytest
from scipy.sparse import csc_array

from walras.equilibria.trading.circulation import Arcs, Circulation, Menu, Optimum, cheapest, potentials
from walras.equilibria.trading.market_circulation import market
from walras.equilibria.trading.matching import matched, paths
from walras.markets.trading.generators import multigraph, supply_chain, tree
from walras.markets.trading.trading_network import (
    Assignment,
    Dealer,
    Table,
    TradingNetwork,
    UnitDemand,
    UnitSupply,
)

Listed = list[tuple[int, int, int, float]]  # tail, head, capacity, cost


def of_arcs(listed: Listed, menu: int = 0) -> Circulation:
    tail, head, capacity, cost = zip(*listed, strict=True)
    arcs = Arcs(np.array(tail), np.array(head), np.array(capacity), np.array(cost, dtype=float))
    nodes = max(*tail, *head) + 1
    return Circulation(nodes, arcs, Menu(csc_array((nodes, menu)), np.zeros(menu), np.zeros(menu, dtype=np.int64)))


def solved(of: Circulation) -> Optimum:
    by = paths(of)
    assert by is not None
    return matched(of, by)


def is_cheapest(of: Circulation, at: Optimum) -> None:
    """Balance, capacities, and potentials with complementary slackness."""
    arcs, pi = of.arcs, potentials(of, at)
    assert not (np.bincount(arcs.head, at.flow, of.nodes) - np.bincount(arcs.tail, at.flow, of.nodes)).any()
    assert ((at.flow >= 0) & (at.flow <= arcs.capacity)).all()
    reduced = arcs.cost + pi[arcs.tail] - pi[arcs.head]
    assert (reduced[at.flow < arcs.capacity] >= 0).all()
    assert (reduced[at.flow > 0] <= 0).all()
    assert at.missing == 0
    assert at.cost == arcs.cost @ at.flow


def mixed(seed: int) -> TradingNetwork:
    """Assignment agents, unit buyers and unit sellers at random, and one who takes all with a surplus."""
    rng = np.random.default_rng(seed)
    count, trades = 12, 30
    kind = rng.integers(3, size=count)
    kind[:3] = 0, 1, 2
    seller = rng.choice(np.flatnonzero(kind != 1), trades)
    buyer = np.array([rng.choice(np.setdiff1d(np.flatnonzero(kind != 2), [s])) for s in seller])
    agents = []
    for i in range(count):
        buys, sells = np.flatnonzero(buyer == i).tolist(), np.flatnonzero(seller == i).tolist()
        numbers = {w: int(rng.integers(0, 20)) for w in buys + sells}
        slots = {w: rng.integers(-3, 20, 3).tolist() for w in buys + sells}
        agents.append((Assignment(buys, sells, slots), UnitDemand(numbers), UnitSupply(numbers))[kind[i]])
    return TradingNetwork(list(zip(seller.tolist(), buyer.tolist(), strict=True)), agents)


class TestByHand:
    def test_parallel_paths_middle_nodes_and_idleness(self) -> None:
        listed: Listed = [(0, 1, 1, 1.0), (0, 2, 1, 2.0)]  # nodes 1 and 2 are first, 3 is last, 4 in the middle
        listed += [
            (1, 3, 1, -4.0),
            (1, 3, 1, -6.0),
            (2, 4, 1, -1.0),
            (4, 3, 5, -9.0),
            (1, 0, 1, 0.0),
        ]
        listed += [(3, 0, 1, 0.5)]
        at = solved(of_arcs(listed))
        np.testing.assert_array_equal(at.flow, [0, 1, 0, 0, 1, 1, 0, 1])
        assert at.cost == 2 - 1 - 9 + 0.5

    def test_a_unit_may_go_outside_at_once(self) -> None:
        np.testing.assert_array_equal(solved(of_arcs([(0, 1, 1, 1.0), (1, 0, 1, -3.0)])).flow, [1, 1])

    @pytest.mark.parametrize("listed", [[(0, 1, 1, 1.0), (1, 2, 1, -1.0), (2, 0, 1, 0.0)], [(1, 0, 1, -1.0)]])
    def test_nothing_flows_where_nothing_gains_or_enters(self, listed: Listed) -> None:
        at = solved(of_arcs(listed))
        assert not at.flow.any()
        assert at.cost == 0

    @pytest.mark.parametrize("unit", [1e-12, 1e12])
    def test_costs_of_any_unit(self, unit: float) -> None:
        listed = [(0, 1, 1, 0.0), (0, 2, 1, 0.0), (1, 3, 1, -2 * unit), (1, 4, 1, -3 * unit), (2, 4, 1, -2 * unit)]
        at = solved(of_arcs([*listed, (3, 0, 1, 0.0), (4, 0, 1, 0.0)]))
        np.testing.assert_array_equal(at.flow, [1, 1, 1, 0, 1, 1, 1])

    @pytest.mark.parametrize(
        "listed",
        [
            [(0, 1, 2, 0.0), (1, 2, 1, -1.0), (2, 0, 1, 0.0)],  # two units enter
            [(0, 1, 1, 0.0), (1, 2, 1, -1.0), (2, 0, 2, 0.0), (1, 2, 1, -1.0)],  # two may leave
            [(0, 1, 1, 0.0), (1, 2, 0, -1.0), (2, 0, 1, 0.0)],  # no room
            [(1, 2, 1, -1.0), (2, 1, 1, -1.0)],  # a cycle inside
            [
                (0, 1, 1, 0.0),
                (1, 2, 1, 0.0),
                (2, 3, 1, 0.0),
                (3, 4, 1, 0.0),
                (3, 4, 1, 0.0),
                (4, 0, 1, 0.0),
            ],  # two between
        ],
    )
    def test_other_circulations_are_none(self, listed: Listed) -> None:
        assert paths(of_arcs(listed)) is None

    def test_nor_are_those_with_menus(self) -> None:
        listed: Listed = [(0, 1, 1, 0.0), (1, 2, 1, -1.0), (2, 0, 1, 0.0)]
        assert paths(of_arcs(listed)) is not None
        assert paths(of_arcs(listed, menu=1)) is None


class TestMarkets:
    @pytest.mark.parametrize("seed", range(8))
    def test_unit_traders_and_assignments_cost_what_highs_says(self, seed: int) -> None:
        of = market(mixed(seed)).circulation
        at = solved(of)
        is_cheapest(of, at)
        assert at.cost == cheapest(of).cost

    @pytest.mark.parametrize("seed", range(4))
    def test_so_do_trees_and_multigraphs(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        for network in (tree(20, rng, 3), multigraph(10, 40, rng)):
            of = market(network).circulation
            at = solved(of)
            is_cheapest(of, at)
            assert at.cost == cheapest(of).cost

    def test_agents_of_several_units_are_no_assignment(self) -> None:
        assert paths(market(supply_chain((3, 4, 3), np.random.default_rng(0))).circulation) is None
        stocked = Dealer(buys={}, sells={0: 1, 1: 1}, stock=2, keep=[5, 4])
        assert paths(market(TradingNetwork([(0, 1), (0, 1)], [stocked, UnitDemand({0: 6, 1: 6})])).circulation) is None
        listed = Table({(0,): 3}, [0], [])
        assert paths(market(TradingNetwork([(0, 1)], [UnitSupply({0: 1}), listed])).circulation) is None
