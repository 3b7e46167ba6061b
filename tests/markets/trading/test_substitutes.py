import itertools
import warnings

import numpy as np
import pytest

from walras.core.typing import Floats
from walras.markets.trading.substitutes import Violation, check_substitutes, find_violation, is_fully_substitutable
from walras.markets.trading.trading_network import (
    CapacityIntermediary,
    Intermediary,
    Table,
    TradingNetwork,
    UnitDemand,
    UnitSupply,
)

ONE_TRADE_IN_ALL = Table({(0,): 4, (1,): -1}, buys=[0], sells=[1])
PAIR_COSTS = {(0, 2): 0, (0, 3): 4, (1, 2): 3, (1, 3): 1}
PAIR_COSTS_WITH_A_CAPACITY_OF_ONE = Table({pair: -cost for pair, cost in PAIR_COSTS.items()}, [0, 1], [2, 3])
BOTH_OR_NONE = Table({(0, 1): 6}, buys=[0, 1], sells=[])


def has_submodular_utility(table: Table, grid: Floats) -> bool:
    """Full substitutability by its other definition: the indirect utility is submodular in prices on a grid."""
    prices = np.stack(np.meshgrid(*[grid] * table.degree, indexing="ij"), axis=-1)
    utility = table.indirect_utility(prices)
    mixed = (np.diff(np.diff(utility, axis=a), axis=b) for a, b in itertools.combinations(range(table.degree), 2))
    return all((second <= 1e-9).all() for second in mixed)


class TestExchange:
    @pytest.mark.parametrize(
        "table", [ONE_TRADE_IN_ALL, PAIR_COSTS_WITH_A_CAPACITY_OF_ONE, BOTH_OR_NONE], ids=["one", "pairs", "both"]
    )
    def test_what_is_no_substitute_is_rejected_with_a_witness(self, table: Table) -> None:
        violation = find_violation(table)
        assert violation is not None
        assert not is_fully_substitutable(table)
        # Move the trade, alone or against any other in which the bundles differ: the sum of values falls by the loss.
        first, second = set(violation.first), set(violation.second)
        assert violation.trade in first ^ second
        best = -np.inf
        for moved in [{violation.trade}, *({violation.trade, w} for w in (first ^ second) - {violation.trade})]:
            after = [table.values.get(frozenset(bundle ^ moved), -np.inf) for bundle in (first, second)]
            if self.legal(table, first, moved, violation.trade):
                best = max(best, sum(after))
        before = sum(table.values[frozenset(bundle)] for bundle in (first, second))
        assert before - best == violation.loss > 0

    @staticmethod
    def legal(table: Table, first: set[int], moved: set[int], trade: int) -> bool:
        """Whether objects go one way and come back the other: `moved` is a swap of one object for one."""
        held = {w for w in table.trades if (w in first) == (table.side_of[w] > 0)}
        return all((w in held) != (trade in held) for w in moved - {trade})

    def test_the_same_costs_are_legal_without_the_capacity_or_without_the_pairs(self) -> None:
        without = {pair: -cost for pair, cost in PAIR_COSTS.items()} | {(0, 1, 2, 3): -1}
        assert is_fully_substitutable(Table(without, [0, 1], [2, 3]))
        assert is_fully_substitutable(CapacityIntermediary({0: 0, 1: 1}, {2: 0, 3: 2}, [1]))

    @pytest.mark.parametrize(("buys", "sells"), [((0, 1), ()), ((0,), (1,)), ((), (0, 1)), ((0, 2), (1,))])
    def test_it_agrees_with_submodular_indirect_utility(self, buys: tuple[int, ...], sells: tuple[int, ...]) -> None:
        rng = np.random.default_rng(len(buys))
        trades = sorted(buys + sells)
        bundles = [c for size in range(1, len(trades) + 1) for c in itertools.combinations(trades, size)]
        answers: list[bool] = []
        for _ in range(60):
            kept = [bundle for bundle in bundles if rng.random() < 0.9]
            table = Table({bundle: int(rng.integers(-1, 3)) for bundle in kept}, buys, sells)
            answers.append(is_fully_substitutable(table))
            assert answers[-1] == has_submodular_utility(table, np.arange(-5, 5.5, 0.5))
        assert 0 < sum(answers) < 60

    def test_small_numbers_count_and_rounding_does_not(self) -> None:
        assert find_violation(Table({(0,): 1e-3, (1,): 1e-3, (0, 1): 2.1e-3}, [0, 1], [])) is not None
        assert find_violation(Table({(0,): 0.1, (1,): 0.2, (0, 1): np.nextafter(0.1 + 0.2, 1)}, [0, 1], [])) is None

    def test_too_many_trades_are_refused_by_name(self) -> None:
        with pytest.raises(ValueError, match="`valuation` must have 10 trades at most to be tested; got 11"):
            find_violation(UnitDemand(dict.fromkeys(range(11), 1)))


class TestNetwork:
    def test_agents_outside_the_class_are_warned_of_with_the_witness(self) -> None:
        network = TradingNetwork(
            [(0, 2), (1, 2)], [UnitSupply({0: 1}), UnitSupply({1: 1}), BOTH_OR_NONE], names=["ann", "bob", "cy"]
        )
        with pytest.warns(UserWarning, match=r"Agent 'cy' is not fully substitutable.*\(0, 1\).*trade 0: every exch"):
            found = check_substitutes(network)
        assert found == {2: Violation((0, 1), (), 0, np.inf)}

    def test_a_table_inside_the_class_and_flows_pass_in_silence(self) -> None:
        twelve = dict.fromkeys(range(1, 13), 5)
        network = TradingNetwork(
            [(0, 1), *[(1, 2)] * 12],
            [Table({(0,): -3}, [], [0]), Intermediary([0], range(1, 13)), UnitDemand(twelve)],
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert check_substitutes(network) == {}

    def test_what_is_too_large_to_test_is_said(self) -> None:
        network = TradingNetwork([(0, 1)] * 11, [UnitSupply(dict.fromkeys(range(11), 1)), Table({}, range(11), [])])
        with pytest.warns(UserWarning, match="Agent 1 was not tested: it has 11 trades"):
            assert check_substitutes(network) == {}
