"""Every family against a table of its values, and against its own network of arcs."""

import pickle
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from walras.core.typing import Bools, Floats
from walras.markets.trading_network import (
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
