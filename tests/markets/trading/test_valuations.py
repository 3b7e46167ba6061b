"""Every family against a table of its values, and against its own network of arcs."""

import pickle
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from walras.core.typing import Bools, Floats
from walras.markets.trading.substitutes import find_violation
from walras.markets.trading.trading_network import (
    Additive,
    Assignment,
    CapacityIntermediary,
    Dealer,
    FlowIntermediary,
    FlowValuation,
    Intermediary,
    PairCostIntermediary,
    Table,
    UnitDemand,
    UnitSupply,
    Valuation,
)

Draw = Callable[[np.random.Generator, tuple[int, ...], tuple[int, ...]], FlowValuation]


def costs(rng: np.random.Generator, keys: tuple[object, ...], low: int = 0) -> dict[object, int]:
    return {key: int(rng.integers(low, 8)) for key in keys}


def pairs(rng: np.random.Generator, left: tuple[object, ...], right: tuple[object, ...]) -> dict[object, int]:
    """Costs of some pairs, at least one for each of either side."""
    chosen = {(a, b) for a in left for b in right if rng.random() < 0.5}
    chosen |= {(a, right[0]) for a in left if right} | {(left[-1], b) for b in right if left}
    return costs(rng, tuple(sorted(chosen, key=str)))


def weights(rng: np.random.Generator, trades: tuple[int, ...], slots: int) -> dict[int, list[int]]:
    return {trade: rng.integers(-2, 8, slots).tolist() for trade in trades}


def flow_intermediary(rng: np.random.Generator, buys: tuple[int, ...], sells: tuple[int, ...]) -> FlowIntermediary:
    machines = ("press", "mill")
    inputs, outputs = pairs(rng, buys, machines), pairs(rng, machines, sells)
    return FlowIntermediary(inputs, outputs, {machine: int(rng.integers(0, 3)) for machine in machines})


FAMILIES: dict[str, Draw] = {
    "UnitDemand": lambda rng, buys, sells: UnitDemand(costs(rng, buys + sells, -2)),
    "UnitSupply": lambda rng, buys, sells: UnitSupply(costs(rng, buys + sells, -2)),
    "Additive": lambda rng, buys, sells: Additive(costs(rng, buys), costs(rng, sells)),
    "Intermediary": lambda rng, buys, sells: Intermediary(buys, sells, int(rng.integers(3))),
    "Assignment": lambda rng, buys, sells: Assignment(
        buys,
        sells,
        dict(zip(buys + sells, rng.integers(-2, 8, (len(buys + sells), int(rng.integers(4)))), strict=True)),
    ),
    "PairCostIntermediary": lambda rng, buys, sells: PairCostIntermediary(pairs(rng, buys, sells)),
    "CapacityIntermediary": lambda rng, buys, sells: CapacityIntermediary(
        costs(rng, buys), costs(rng, sells), np.sort(rng.integers(0, 5, rng.integers(4)))
    ),
    "FlowIntermediary": flow_intermediary,
    "Dealer": lambda rng, buys, sells: Dealer(
        costs(rng, buys), costs(rng, sells), int(rng.integers(3)), np.sort(rng.integers(0, 9, rng.integers(5)))[::-1]
    ),
}
SIDES = [((0, 3, 4), (1, 9)), ((2,), (0, 5, 6)), ((1, 2), (3,)), ((), (0,)), ((0, 1), ())]


def drawn(family: str, seed: int) -> FlowValuation:
    rng = np.random.default_rng(seed)
    buys, sells = SIDES[seed % (3 if "Intermediary" in family else 5)]
    return FAMILIES[family](rng, buys, sells)


def every_bundle(degree: int) -> Bools:
    return (np.arange(2**degree)[:, None] >> np.arange(degree) & 1).astype(bool)


def as_table(valuation: Valuation) -> Table:
    bundles = every_bundle(valuation.degree)
    names = [tuple(np.array(valuation.trades)[bundle].tolist()) for bundle in bundles]
    values = {name: value for name, value in zip(names, valuation.value(bundles), strict=True) if np.isfinite(value)}
    sides = zip(valuation.trades, valuation.sides, strict=True)
    buys = [trade for trade, side in sides if side > 0]
    return Table(values, buys, set(valuation.trades) - set(buys))


def by_network(valuation: FlowValuation, bundle: Bools) -> float:
    """The value of a bundle as the least cost of a flow, by linear programming."""
    flow = valuation.flow()
    arcs = np.arange(len(flow.tail))
    balance = np.zeros((flow.nodes, len(arcs)))  # what leaves less what enters
    np.add.at(balance, (flow.tail, arcs), 1)
    np.add.at(balance, (flow.head, arcs), -1)
    supply = np.zeros(flow.nodes)
    supply[1 : valuation.degree + 1] = valuation.sides * bundle
    found = linprog(flow.cost, A_eq=balance[1:], b_eq=supply[1:], bounds=np.stack([0 * arcs, flow.capacity], axis=1))
    return flow.constant - found.fun if found.status == 0 else -np.inf


def chosen_by_search(valuation: Valuation, prices: Floats, *, largest: bool) -> list[int]:
    """The places of the best bundle: the largest or smallest, then the first by its sorted list of places."""
    bundles = every_bundle(valuation.degree)
    utility = valuation.value(bundles) - (bundles * valuation.sides * prices).sum(axis=1)
    best = [np.flatnonzero(bundle).tolist() for bundle in bundles[utility == utility.max()]]
    return min(best, key=lambda bundle: (-len(bundle) if largest else len(bundle), bundle))


@pytest.mark.parametrize("family", FAMILIES)
class TestFamilies:
    @pytest.mark.parametrize("seed", range(5))
    def test_the_network_of_arcs_has_the_same_values(self, family: str, seed: int) -> None:
        valuation = drawn(family, seed)
        bundles = every_bundle(valuation.degree)
        by_arcs = [by_network(valuation, bundle) for bundle in bundles]
        np.testing.assert_allclose(valuation.value(bundles), by_arcs, atol=1e-7)
        assert valuation.value(bundles)[0] == 0

    @settings(max_examples=40, deadline=None)
    @given(seed=st.integers(0, 10_000), data=st.data())
    def test_demand_is_the_best_bundle_with_ties_as_promised(self, family: str, seed: int, data: st.DataObject) -> None:
        valuation = drawn(family, seed)
        prices = np.array(
            data.draw(st.lists(st.integers(-3, 10), min_size=valuation.degree, max_size=valuation.degree))
        )
        for demand, largest in ((valuation.demand, True), (valuation.demand_minimal, False)):
            places = np.flatnonzero(demand(prices)).tolist()
            assert places == chosen_by_search(valuation, prices, largest=largest)
        table = as_table(valuation)
        assert valuation.indirect_utility(prices) == table.indirect_utility(prices)
        assert np.array_equal(valuation.demand(prices), table.demand(prices))

    def test_rows_of_a_batch_do_not_mix(self, family: str) -> None:
        for seed in range(6):
            valuation = drawn(family, seed)
            prices = np.random.default_rng(seed).uniform(-2, 10, (3, 4, valuation.degree))
            bundles = valuation.demand(prices)
            for row in np.ndindex(3, 4):
                assert np.array_equal(valuation.demand(prices[row]), bundles[row])
                assert valuation.value(bundles[row]) == valuation.value(bundles)[row]
                assert valuation.indirect_utility(prices[row]) == valuation.indirect_utility(prices)[row]
            assert valuation.demand(prices[:0]).shape == (0, 4, valuation.degree)

    def test_utility_is_value_less_payments(self, family: str) -> None:
        valuation = drawn(family, 1)
        prices = np.arange(1.0, valuation.degree + 1)
        bundles = every_bundle(valuation.degree)
        paid = [sum(valuation.sides[k] * prices[k] for k in np.flatnonzero(bundle)) for bundle in bundles]
        assert np.array_equal(valuation.utility(bundles, prices), valuation.value(bundles) - np.array(paid))

    def test_it_travels_between_processes(self, family: str) -> None:
        valuation = drawn(family, 2)
        again = pickle.loads(pickle.dumps(valuation))
        bundles = every_bundle(valuation.degree)
        assert np.array_equal(again.value(bundles), valuation.value(bundles))

    @pytest.mark.parametrize("seed", range(4))
    def test_it_is_fully_substitutable(self, family: str, seed: int) -> None:
        assert find_violation(drawn(family, seed)) is None
        assert find_violation(as_table(drawn(family, seed))) is None

    def test_bad_prices_and_bundles_are_refused_by_name(self, family: str) -> None:
        valuation = drawn(family, 0)
        for ask in (valuation.demand, valuation.demand_minimal, valuation.indirect_utility):
            with pytest.raises(ValueError, match=r"`prices` must have one entry for each of 5 trades; got \(2, 1\)"):
                ask([[1.0], [1.0]])
            with pytest.raises(ValueError, match="`prices` must be finite; got inf"):
                ask([np.inf, 1, 1, 1, 1])
        with pytest.raises(ValueError, match=r"`bundle` must have one entry for each of 5 trades; got \(\)"):
            valuation.value(True)


class TestTies:
    def test_both_rules_on_paper(self) -> None:
        buyer = UnitDemand({0: 5, 4: 7, 8: 7})
        assert buyer.demand([5, 7, 7]).tolist() == [True, False, False]
        assert buyer.demand([6, 7, 7]).tolist() == [False, True, False]
        assert buyer.demand_minimal([5, 7, 7]).tolist() == [False, False, False]
        assert buyer.demand_minimal([5, 6, 6]).tolist() == [False, True, False]

    def test_ties_are_exact_for_large_integers(self) -> None:
        large = 9_000_000
        buyer = UnitDemand(dict.fromkeys(range(50), large))
        prices = np.full(50, large)
        assert np.flatnonzero(buyer.demand(prices)).tolist() == [0]
        prices[37] -= 1
        assert np.flatnonzero(buyer.demand(prices)).tolist() == [37]
        assert np.flatnonzero(buyer.demand_minimal(prices)).tolist() == [37]
        assert buyer.indirect_utility(prices) == 1

    @pytest.mark.parametrize("scale", [1e-9, 0.1, 1.0, 1e9, 2.0**46])
    @pytest.mark.parametrize("seed", range(6))
    def test_ties_are_exact_at_any_scale(self, seed: int, scale: float) -> None:
        # Against enumeration in whole numbers: differences of 1 beside numbers of a million, and many ties.
        rng = np.random.default_rng(seed)
        number = lambda: 10**6 + int(rng.integers(3))  # noqa: E731
        values = {trade: [number(), number()] for trade in range(5)}
        agent = Assignment([0, 1, 2], [3, 4], {w: [v * scale for v in row] for w, row in values.items()})
        whole = Assignment([0, 1, 2], [3, 4], values)
        prices = np.array([number() for _ in range(5)])
        bundles = every_bundle(5)
        utility = [
            whole.value(b) - sum(int(s * p) for s, p in zip(whole.sides[b], prices[b], strict=True)) for b in bundles
        ]
        best = bundles[np.array(utility) == max(utility)]
        for found, weights in ((agent.demand, 5 - np.arange(5)), (agent.demand_minimal, -1 - np.arange(5))):
            assert found(prices * scale).tolist() == best[np.argmax(best @ weights)].tolist()

    def test_a_payment_that_outweighs_all_hides_no_difference(self) -> None:
        buyer = UnitDemand(dict.fromkeys(range(20), 5e6))
        prices = np.full(20, 1e12)
        prices[[3, 17]] = 4_000_001, 4_000_000
        assert np.flatnonzero(buyer.demand(prices)).tolist() == [17]
        prices[3] = 4_000_000
        assert np.flatnonzero(buyer.demand(prices)).tolist() == [3]
        assert np.flatnonzero(buyer.demand_minimal(prices)).tolist() == [3]

    def test_integers_that_float64_rounds_are_refused(self) -> None:
        assert UnitDemand({0: 2**53}).magnitude == 2**53
        for build in (
            lambda n: UnitDemand({0: n}), lambda n: UnitSupply({0: n}), lambda n: Additive({}, {0: n}),
            lambda n: Assignment([0], [], {0: [n]}), lambda n: Table({(0,): n}, [0], []),
            lambda n: PairCostIntermediary({(0, 1): n}), lambda n: Intermediary([0], [1], n),
        ):  # fmt: skip
            for number in (2**53 + 1, np.int64(2**53 + 1), 10**400):
                with pytest.raises(ValueError, match="be a number that float64 holds"):
                    build(number)

    def test_ties_at_zero_are_ties(self) -> None:
        assert Additive({0: 0}, {1: 0}).demand([0, 0]).tolist() == [True, True]
        assert Additive({0: 0}, {1: 0}).demand_minimal([0, 0]).tolist() == [False, False]

    def test_an_agent_of_many_trades_keeps_to_the_order(self) -> None:
        weights = {trade: [1.0] * 20 for trade in range(200)}
        agent = Assignment(range(0, 200, 2), range(1, 200, 2), weights)
        # Twenty slots, worth 1 each, and every price 1: all is sold, and the most that can be used is bought.
        assert np.flatnonzero(agent.demand(np.ones(200))).tolist() == sorted([*range(0, 40, 2), *range(1, 200, 2)])


class TestOnPaper:
    @pytest.mark.parametrize(
        ("valuation", "bundle", "value"),
        [
            (UnitDemand({0: 5, 1: 8}), [0, 1], 8),
            (UnitDemand({0: 5, 1: 8}), [1, 1], -np.inf),
            (UnitSupply({0: 5, 1: 8}), [1, 0], -5),
            (UnitSupply({0: 5, 1: 8}), [1, 1], -np.inf),
            (Additive({0: 5}, {1: 8}), [1, 1], -3),
            (Intermediary([0, 1], [2, 3], 2), [1, 1, 1, 1], -4),
            (Intermediary([0, 1], [2, 3], 2), [1, 1, 1, 0], -np.inf),
            # Slots for a factory and a shop; 9 + 6 with both objects, 8 with the second alone.
            (Assignment([0], [1], {0: [9, 5], 1: [8, 6]}), [1, 0], 15 - 8),
            (Assignment([0], [1], {0: [9, 5], 1: [8, 6]}), [1, 1], 9 - 8),
            (Assignment([0], [1], {0: [9, 5], 1: [8, 6]}), [0, 1], -8),
            (Assignment([0], [], {0: [-9]}), [1], 0),  # idle
            (PairCostIntermediary({(0, 2): 1, (0, 3): 5, (1, 2): 2, (1, 3): 7}), [1, 1, 1, 1], -7),
            (PairCostIntermediary({(0, 2): 1, (1, 3): 1}), [1, 0, 0, 1], -np.inf),
            (CapacityIntermediary({0: 1, 1: 2}, {2: 3, 3: 4}, [5, 6]), [1, 1, 1, 1], -21),
            (CapacityIntermediary({0: 1, 1: 2}, {2: 3, 3: 4}, [5]), [1, 1, 1, 1], -np.inf),
            (CapacityIntermediary({0: 1, 1: 2}, {2: 3, 3: 4}, [5]), [0, 1, 1, 0], -10),
            # The cheap machine takes one unit, the other goes the dear way.
            (FlowIntermediary({(0, "a"): 1, (1, "a"): 1, (1, "b"): 5},
                              {("a", 2): 0, ("b", 2): 0, ("a", 3): 0}, {"a": 1, "b": 1}), [1, 1, 1, 1], -6),
            (FlowIntermediary({(0, "a"): 1, (1, "a"): 1}, {("a", 2): 0, ("a", 3): 0}, {"a": 1}), [1, 1, 1, 1], -np.inf),
            (Dealer({0: 1}, {1: 2, 2: 3}, stock=1, keep=[6, 4]), [1, 0, 0], 4 - 1),
            (Dealer({0: 1}, {1: 2, 2: 3}, stock=1, keep=[6, 4]), [0, 1, 0], -6 - 2),
            (Dealer({0: 1}, {1: 2, 2: 3}, stock=1, keep=[6, 4]), [1, 1, 1], -6 - 6),
            (Dealer({0: 1}, {1: 2, 2: 3}, stock=1, keep=[6, 4]), [0, 1, 1], -np.inf),
            (Dealer({0: 0}, {}, stock=3, keep=[6]), [1], 0),  # thrown away
            (Table({(0,): 3, (1, 0): 7}, [0], [1]), [1, 1], 7),
            (Table({(0,): 3, (1, 0): 7}, [0], [1]), [0, 1], -np.inf),
        ],
    )  # fmt: skip
    def test_values(self, valuation: Valuation, bundle: list[int], value: float) -> None:
        assert valuation.value(bundle) == value

    def test_agents_without_trades_want_nothing(self) -> None:
        for agent in (
            UnitDemand({}), UnitSupply({}), Additive({}, {}), Assignment([], [], {}), Table({}, [], []), Dealer({}, {}),
            Intermediary([], []), CapacityIntermediary({}, {}, [1]), PairCostIntermediary({}),
            FlowIntermediary({}, {}, {}),
        ):  # fmt: skip
            assert agent.demand(np.zeros((2, 0))).shape == (2, 0)
            assert agent.value(np.zeros((2, 0))).tolist() == [0, 0]
            assert agent.integral

    def test_what_is_integral_is_told(self) -> None:
        assert Dealer({0: 1}, {}, keep=[2.0]).integral
        assert not Dealer({0: 1}, {}, keep=[2.5]).integral


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: UnitDemand({-1: 3}), "`values` must name trades by their indices from 0 on; got -1"),
        (lambda: UnitDemand({0.5: 3}), "`values` must name trades by their indices from 0 on; got 0.5"),
        (lambda: UnitDemand({0: np.nan}), "`values` must be finite; got nan"),
        (lambda: UnitSupply({0: np.inf}), "`costs` must be finite; got inf"),
        (lambda: Additive({0: 1}, {0: 1}), r"`sells` must share no trade with `buys`; got \[0\]"),
        (lambda: Intermediary([0, 0], [1]), r"`buys` must name each trade once; got \[0, 0\]"),
        (lambda: Intermediary([0], [1], np.inf), "`cost` must be finite; got inf"),
        (lambda: Assignment([0], [1], {0: [1]}), r"`weights` must have a row for each of \[0, 1\]; got \[0\]"),
        (lambda: Assignment([0], [1], {0: [1], 1: [1, 2]}), "`weights` must have rows of one length"),
        (lambda: Assignment([0], [], {0: [np.nan]}), "`weights` must be finite"),
        (lambda: PairCostIntermediary({(0, 0): 1}), r"`sells` must share no trade with `buys`; got \[0\]"),
        (lambda: PairCostIntermediary({(0, 1): np.nan}), "`costs` must be finite; got nan"),
        (lambda: PairCostIntermediary({(0, -1): 1}), "`costs` must name trades by their indices"),
        (lambda: CapacityIntermediary({0: 1}, {1: 1}, [2, 1]), r"`processing` must not decrease; got \[2, 1\]"),
        (lambda: CapacityIntermediary({0: 1}, {1: 1}, [np.inf]), "`processing` must be finite; got inf"),
        (
            lambda: FlowIntermediary({(0, "a"): 1}, {("b", 1): 1}, {"a": 1}),
            r"`capacity` must name every.*\['b'\]",
        ),
        (lambda: FlowIntermediary({(0, "a"): 1}, {}, {"a": 0.5}), "`capacity` must be integers from 0 on; got 0.5"),
        (lambda: Dealer({0: 1}, {}, stock=-1), "`stock` must be an integer from 0 on; got -1"),
        (lambda: Dealer({0: 1}, {}, keep=[1, 2]), r"`keep` must not increase; got \[1, 2\]"),
        (lambda: Dealer({0: 1}, {}, keep=[-1]), "`keep` must be finite and not negative; got -1"),
        (lambda: Table({(0, 5): 1}, [0], []), r"`values` must name the agent's trades \[0\] alone; got \[0, 5\]"),
        (lambda: Table({(0,): -np.inf}, [0], []), "`values` must be finite; got -inf"),
        (lambda: Table({(0, 1): 1, (1, 0): 2}, [0, 1], []), "`values` must name each bundle once"),
        (lambda: Table({(): 1}, [0], []), "`values` must be 0 for the empty bundle; got 1"),
        (lambda: Table({}, range(17), []), "`values` must be of 16 trades at most; got 17"),
    ],
)
def test_a_bad_valuation_is_refused_by_name(build: Callable[[], Valuation], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
