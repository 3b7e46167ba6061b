from collections.abc import Callable, Hashable
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from walras.markets.trading.generators import (
    bipartite,
    core_periphery,
    dealership,
    from_flows,
    intermediated,
    multigraph,
    random_assignment,
    supply_chain,
    tree,
)
from walras.markets.trading.substitutes import is_fully_substitutable
from walras.markets.trading.trading_network import (
    Assignment,
    CapacityIntermediary,
    Dealer,
    Intermediary,
    TradingNetwork,
    UnitDemand,
    UnitSupply,
    Valuation,
)

FLOWS = pd.DataFrame(
    {"exporter": ["a", "a", "b", "c"], "importer": ["b", "c", "a", "c"], "value": [6.0, 3.0, 1.0, 99.0]}
)
SHAPES: dict[str, Callable[[np.random.Generator], TradingNetwork]] = {
    "tree": lambda rng: tree(7, rng),
    "sparse tree": lambda rng: tree(7, rng, parallel=3),
    "multigraph": lambda rng: multigraph(5, 8, rng),
    "bipartite": lambda rng: bipartite(4, 3, rng, 0.5),
    "intermediated": lambda rng: intermediated(4, 2, 3, rng, 0.5, cost=3),
    "supply chain": lambda rng: supply_chain((3, 2, 2, 3), rng, 0.5),
    "core and periphery": lambda rng: core_periphery(2, 6, rng),
    "dealership": lambda rng: dealership(3, 2, 3, rng),
    "flows": lambda rng: from_flows(FLOWS, 6, rng),
}


def merged(network: TradingNetwork) -> "nx.Graph[Hashable]":
    """Who trades with whom."""
    return nx.Graph(network.graph())


def kinds(network: TradingNetwork) -> list[type[Valuation]]:
    return [type(valuation) for valuation in network.agents]


def dealers_of(network: TradingNetwork) -> list[Dealer]:
    return [agent for agent in network.agents if isinstance(agent, Dealer)]


@pytest.mark.parametrize("shape", SHAPES)
class TestShapes:
    def test_the_generator_alone_decides(self, shape: str) -> None:
        once, again, other = (SHAPES[shape](np.random.default_rng(seed)) for seed in (3, 3, 4))
        prices = np.random.default_rng(0).integers(0, 100, (20, len(once.trades)))
        assert once.trades == again.trades
        assert np.array_equal(once.indirect_utilities(prices), again.indirect_utilities(prices))
        assert once.trades != other.trades or not np.array_equal(
            once.indirect_utilities(prices), other.indirect_utilities(prices)
        )

    def test_agents_are_integral_and_fully_substitutable(self, shape: str) -> None:
        for seed in range(3):
            for valuation in SHAPES[shape](np.random.default_rng(seed)).agents:
                assert valuation.integral
                assert (valuation.numbers >= 0).all()
                assert valuation.magnitude <= 100
                assert valuation.degree > 7 or is_fully_substitutable(valuation)


class TestTrees:
    @pytest.mark.parametrize("parallel", [1, 3])
    def test_neighbours_form_a_tree_and_share_few_trades(self, parallel: int) -> None:
        shared: set[int] = set()
        for seed in range(10):
            network = tree(9, np.random.default_rng(seed), parallel)
            assert nx.is_tree(merged(network))
            pairs = pd.Series([tuple(sorted(pair)) for pair in network.trades]).value_counts()
            shared |= set(pairs)
        assert shared == set(range(1, parallel + 1))

    def test_both_directions_occur_and_agents_are_assignments(self) -> None:
        network = tree(40, np.random.default_rng(0))
        assert 5 < (network.seller < network.buyer).sum() < 34
        assert set(kinds(network)) == {Assignment}

    def test_assignments_have_a_slot_for_each_trade(self) -> None:
        agent = random_assignment([4, 1], [2], np.random.default_rng(0), high=5)
        assert agent.trades == (1, 2, 4)
        assert {len(row) for row in agent.weights.values()} == {3}
        assert agent.magnitude <= 5


class TestLayers:
    def test_a_full_bipartite_market_has_every_pair(self) -> None:
        network = bipartite(3, 4, np.random.default_rng(0))
        assert sorted(network.trades) == [(seller, buyer) for seller in range(3) for buyer in range(3, 7)]
        assert kinds(network) == [UnitSupply] * 3 + [UnitDemand] * 4

    def test_density_is_the_share_of_pairs(self) -> None:
        counts = [len(bipartite(20, 20, np.random.default_rng(seed), 0.25).trades) for seed in range(20)]
        assert np.mean(counts) == pytest.approx(100, abs=6)  # s.d. of the mean: 1.9

    def test_values_are_uniform_up_to_high(self) -> None:
        network = bipartite(40, 40, np.random.default_rng(0), high=20)
        numbers = np.concatenate([valuation.numbers for valuation in network.agents])
        assert set(numbers) == set(range(21))
        assert numbers.mean() == pytest.approx(10, abs=0.4)

    def test_a_sparse_market_has_a_trade_between_any_two_layers(self) -> None:
        network = intermediated(3, 2, 3, np.random.default_rng(0), density=1e-9)
        assert len(network.trades) == 2

    def test_units_pass_through_intermediaries_alone(self) -> None:
        network = intermediated(4, 2, 3, np.random.default_rng(1), cost=3)
        assert len(network.trades) == 4 * 2 + 2 * 3
        assert kinds(network) == [UnitSupply] * 4 + [Intermediary] * 2 + [UnitDemand] * 3
        assert network.agents[4].numbers.tolist() == [3]

    def test_firms_of_a_chain_are_of_limited_capacity(self) -> None:
        network = supply_chain((3, 4, 2), np.random.default_rng(1))
        firms = network.agents[3:7]
        assert all(isinstance(firm, CapacityIntermediary) and 1 <= len(firm.processing) <= 3 for firm in firms)
        assert all(seller < buyer for seller, buyer in network.trades)

    def test_dealers_have_units_in_stock_and_keep_what_is_worth_more(self) -> None:
        network = dealership(3, 20, 3, np.random.default_rng(0), stock=4)
        dealers = [agent for agent in network.agents if isinstance(agent, Dealer)]
        assert {dealer.stock for dealer in dealers} == {0, 1, 2, 3, 4}
        assert all(len(dealer.keep) == dealer.stock + 3 for dealer in dealers)
        assert 20 < max(max(dealer.keep) for dealer in dealers) <= 25
        assert {agent for pair in network.trades for agent in pair} == set(range(26))
        assert all((seller < 3) == (buyer < 23) for seller, buyer in network.trades)

    def test_an_intermediary_without_a_supplier_stays_one(self) -> None:
        for seed in range(5):
            assert kinds(intermediated(1, 6, 1, np.random.default_rng(seed), 0.2))[1:7] == [Intermediary] * 6


class TestCore:
    def test_dealers_trade_both_ways_and_clients_with_dealers(self) -> None:
        network = core_periphery(3, 20, np.random.default_rng(0), links=2)
        assert len(network.trades) == 6 + 40
        assert {(seller, buyer) for seller, buyer in network.trades if max(seller, buyer) < 3} == {
            (i, j) for i in range(3) for j in range(3) if i != j
        }
        assert all(isinstance(dealer, Dealer) for dealer in network.agents[:3])
        assert {type(client) for client in network.agents[3:]} == {UnitDemand, UnitSupply}
        assert all(client.degree == 2 for client in network.agents[3:])
        assert all(merged(network).degree(client) == 2 for client in range(3, 23))

    def test_one_dealer_is_enough(self) -> None:
        assert len(core_periphery(1, 2, np.random.default_rng(0)).trades) == 2


class TestFlows:
    def test_trades_are_in_proportion_to_flows(self) -> None:
        # Of a total of 10 between different agents: 6, 3 and 1, so 12, 6 and 2 of 20 trades.
        network = from_flows(FLOWS, 20, np.random.default_rng(0))
        assert network.names == ("a", "b", "c")
        assert network.trades == ((0, 1),) * 12 + ((0, 2),) * 6 + ((1, 0),) * 2

    def test_largest_remainders_get_what_is_left_and_small_flows_nothing(self) -> None:
        # Shares of 2 trades: 1.2, 0.6 and 0.2.
        network = from_flows(FLOWS, 2, np.random.default_rng(0))
        assert network.trades == ((0, 1), (0, 2))
        assert from_flows(FLOWS, 1, np.random.default_rng(0)).names == ("a", "b")

    def test_agents_own_what_they_export(self) -> None:
        network = from_flows(FLOWS, 10, np.random.default_rng(0))
        assert [dealer.stock for dealer in dealers_of(network)] == [9, 1, 0]
        assert [len(dealer.keep) for dealer in dealers_of(network)] == [10, 7, 3]

    def test_a_file_is_read_as_a_table_is_and_no_country_is_missing(self, tmp_path: Path) -> None:
        file = tmp_path / "flows.csv"
        flows = FLOWS.replace("b", "NA")  # the code of Namibia
        flows.to_csv(file, index=False)
        network = from_flows(file, 8, np.random.default_rng(0))
        assert network.names == ("NA", "a", "c")
        assert network.trades == from_flows(flows, 8, np.random.default_rng(0)).trades

    @pytest.mark.parametrize(
        ("name", "agents"),
        [("trade_1985_edges.csv", 192), ("world_trade_1999_edges.csv", 174), ("oil_trade_edges.csv", 12)],
    )
    def test_recorded_trade_becomes_a_market(self, shared_data: Path, name: str, agents: int) -> None:
        file = shared_data / "trade_networks" / name
        if not file.is_file():
            pytest.skip(f"no recorded trade: {file} is not a file")
        network = from_flows(file, 500, np.random.default_rng(0))
        assert len(network.trades) == 500
        assert len(network.agents) <= agents
        flows = pd.read_csv(file, keep_default_na=False)
        flows = flows[flows["exporter"] != flows["importer"]]
        share = flows.set_index(["exporter", "importer"])["value"] / flows["value"].sum() * 500
        names = [(network.names[seller], network.names[buyer]) for seller, buyer in network.trades]
        units = pd.Series(names).value_counts().reindex(share.index, fill_value=0)
        assert units.sum() == 500
        assert (units - share).abs().max() < 1

    @pytest.mark.parametrize(
        ("flows", "message"),
        [
            (
                FLOWS.drop(columns="value"),
                r"`flows` must have the columns exporter, importer, value, of which value is missing; got \['exporter'",
            ),
            (FLOWS.assign(value=[1, -1, 1, 1]), r"`flows` must have values .* not negative; got -1.0 at index \[1\]"),
            (FLOWS.assign(value=["1", "x", "1", "1"]), "`flows` must have values .*; got nan"),
            (FLOWS.assign(value=0.0), "`flows` must hold a positive flow between two agents; got 4"),
        ],
    )
    def test_bad_flows_are_refused_by_name(self, flows: pd.DataFrame, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            from_flows(flows, 5, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda rng: tree(1, rng), "`agents` must be at least 2; got 1"),
        (lambda rng: tree(3, rng, parallel=0), "`parallel` must be at least 1; got 0"),
        (lambda rng: multigraph(1, 3, rng), "`agents` must be at least 2; got 1"),
        (lambda rng: multigraph(3, 0, rng), "`trades` must be at least 1; got 0"),
        (lambda rng: bipartite(0, 3, rng), r"`layers` must be two or more, of one agent at least; got \(0, 3\)"),
        (lambda rng: supply_chain((3,), rng), "`layers` must be two or more"),
        (lambda rng: bipartite(3, 3, rng, density=0), r"`density` must lie in \(0, 1\]; got 0"),
        (lambda rng: dealership(3, 2, 3, rng, stock=-1), "`stock` must be at least 0; got -1"),
        (lambda rng: core_periphery(0, 3, rng), "`dealers` must be at least 1; got 0"),
        (lambda rng: core_periphery(1, 0, rng), "`clients` must be at least 1; got 0"),
        (lambda rng: core_periphery(2, 3, rng, links=3), "`links` must be from 1 to 2; got 3"),
        (lambda rng: from_flows(FLOWS, 0, rng), "`trades` must be at least 1; got 0"),
    ],
)
def test_a_bad_shape_is_refused_by_name(build: Callable[[np.random.Generator], TradingNetwork], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(np.random.default_rng(0))
