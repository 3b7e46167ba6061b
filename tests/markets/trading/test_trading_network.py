import numpy as np
import pytest

from walras.markets.trading.generators import multigraph
from walras.markets.trading.trading_network import (
    Additive,
    Intermediary,
    TradingNetwork,
    UnitDemand,
    UnitSupply,
    Valuation,
)


@pytest.fixture
def path() -> TradingNetwork:
    """A seller with cost 10, an intermediary, a buyer with value 20."""
    return TradingNetwork([(0, 1), (1, 2)], [UnitSupply({0: 10}), Intermediary([0], [1]), UnitDemand({1: 20})])


class TestNetwork:
    def test_welfare_on_paper(self, path: TradingNetwork) -> None:
        every = [[False, False], [True, False], [False, True], [True, True]]
        assert path.welfare(every).tolist() == [0, -np.inf, -np.inf, 10]
        assert path.values(every[3]).tolist() == [-10, 0, 20]

    def test_utilities_and_demands_on_paper(self, path: TradingNetwork) -> None:
        assert path.utilities([True, True], [12, 15]).tolist() == [2, 3, 5]
        assert path.indirect_utilities([[12, 15], [15, 12], [9, 21]]).tolist() == [[2, 3, 5], [5, 0, 8], [0, 12, 0]]
        assert [bundle.tolist() for bundle in path.demand([10, 20])] == [[True], [True, True], [True]]
        assert [bundle.tolist() for bundle in path.demand([9, 21])] == [[False], [True, True], [False]]

    def test_prices_cancel_in_welfare(self) -> None:
        network = multigraph(5, 7, np.random.default_rng(0))
        trades = np.random.default_rng(1).random((20, 7)) < 0.5
        prices = np.random.default_rng(2).integers(-50, 150, (20, 7))
        assert np.array_equal(network.utilities(trades, prices).sum(axis=1), network.welfare(trades))
        assert (network.indirect_utilities(prices) >= network.utilities(trades, prices)).all()

    def test_no_set_of_trades_is_worth_more_than_indirect_utilities_add_up_to(self) -> None:
        network = multigraph(4, 6, np.random.default_rng(3))
        every = (np.arange(64)[:, None] >> np.arange(6) & 1).astype(bool)
        prices = np.random.default_rng(4).integers(0, 100, (50, 6))
        assert network.indirect_utilities(prices).sum(axis=1).min() >= network.welfare(every).max()

    def test_demand_is_each_agents_own_at_the_prices_it_sees(self) -> None:
        network = multigraph(5, 9, np.random.default_rng(5))
        prices = np.random.default_rng(6).integers(0, 100, (3, 9))
        for valuation, own, bundle in zip(network.agents, network.places, network.demand(prices), strict=True):
            assert tuple(own.tolist()) == valuation.trades
            assert np.array_equal(bundle, valuation.demand(prices[:, own]))

    def test_ends_are_arrays(self, path: TradingNetwork) -> None:
        assert path.seller.tolist() == [0, 1]
        assert path.buyer.tolist() == [1, 2]

    def test_parallel_trades_both_ways_parts_and_idle_agents_are_legal(self) -> None:
        network = TradingNetwork(
            [(0, 1), (0, 1), (1, 0), (2, 3)],
            [
                Additive({2: 5}, {0: 1, 1: 2}),
                Additive({0: 4, 1: 4}, {2: 3}),
                UnitSupply({3: 1}),
                UnitDemand({3: 2}),
                UnitDemand({}),
                Intermediary([], []),
            ],
        )
        assert network.welfare([True] * 4) == 3 + 2 + 2 + 1
        assert network.indirect_utilities([0.0] * 4)[4:].tolist() == [0, 0]

    def test_graphs_go_and_come_back(self) -> None:
        network = multigraph(5, 8, np.random.default_rng(7))
        named = TradingNetwork(network.trades, network.agents, names=list("edcba"))
        graph = named.graph()
        assert graph.number_of_edges() == 8
        assert graph.has_edge(named.names[network.seller[3]], named.names[network.buyer[3]], key=3)
        again = TradingNetwork.from_graph(graph)
        assert (again.trades, again.agents, again.names) == (named.trades, named.agents, named.names)

    def test_a_graph_without_valuations_or_with_other_keys_is_refused(self, path: TradingNetwork) -> None:
        graph = path.graph()
        graph.add_node("stranger")
        with pytest.raises(ValueError, match="`graph` must give each node a `valuation`; got 'stranger'"):
            TradingNetwork.from_graph(graph)
        graph = path.graph()
        graph.add_edge(0, 1, key=5)
        with pytest.raises(ValueError, match=r"`graph` must key its arcs by range\(0, 3\); got \[0, 1, 5\]"):
            TradingNetwork.from_graph(graph)

    @pytest.mark.parametrize(
        ("trades", "agents", "message"),
        [
            ([], [UnitDemand({})], "`trades` must hold at least one trade"),
            ([(0, 0)], [Additive({0: 1}, {})], r"`trades` must join two different agents; got \(\[0\], \[\[0, 0\]\]\)"),
            ([(0, 2)], [UnitSupply({0: 1})] * 2, r"`trades` must name agents 0 to 1; got 2 at index \[0, 1\]"),
            ([(-1, 1)], [UnitSupply({0: 1})] * 2, "`trades` must name agents 0 to 1; got -1"),
            ([(0.5, 1)], [UnitSupply({0: 1})] * 2, "`trades` must be pairs of agents' indices"),
            ([(0, 1, 2)], [UnitSupply({0: 1})] * 3, "`trades` must be pairs of agents' indices"),
            (
                [(0, 1), (0, 1)],
                [UnitSupply({0: 1}), UnitDemand({0: 1, 1: 1})],
                r"`agents\[0\]` must value every trade of its agent; it leaves some out; got \[1\]",
            ),
            (
                [(0, 1)],
                [UnitSupply({0: 1}), UnitDemand({0: 1, 7: 1})],
                r"`agents\[1\]` must value its agent's trades alone; it names others; got \[7\]",
            ),
            (
                [(0, 1)],
                [UnitDemand({0: 1}), UnitDemand({0: 1})],
                r"`agents\[0\]` must be on its agent's side of each trade; it is not in some; got \[0\]",
            ),
        ],
    )
    def test_a_bad_network_is_refused_by_name(
        self, trades: list[tuple[int, ...]], agents: list[Valuation], message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            TradingNetwork(trades, agents)

    def test_names_are_as_many_as_agents_and_differ(self) -> None:
        for names in (["a"], ["a", "a"], ["a", "b", "c"]):
            with pytest.raises(ValueError, match="`names` must be 2 different ones"):
                TradingNetwork([(0, 1)], [UnitSupply({0: 1}), UnitDemand({0: 1})], names)

    def test_wrong_shapes_and_prices_are_refused_by_name(self, path: TradingNetwork) -> None:
        with pytest.raises(ValueError, match=r"`trades` must have one entry for each of 2 trades; got \(3,\)"):
            path.welfare([True] * 3)
        for ask in (path.demand, path.indirect_utilities):
            with pytest.raises(ValueError, match="`prices` must have one entry for each of 2 trades"):
                ask([1.0])
            with pytest.raises(ValueError, match="`prices` must be finite; got nan"):
                ask([np.nan, 1.0])
