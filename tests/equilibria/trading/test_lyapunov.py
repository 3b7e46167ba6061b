"""Steepest descent from demand alone against the circulation, and least sets against enumeration."""

import numpy as np
import pytest

from walras.core import SolverError, Status
from walras.core.typing import Bools, Floats
from walras.equilibria import competitive_equilibrium, lyapunov_descent, price_lattice
from walras.equilibria.trading.lyapunov import least_set
from walras.markets.trading.generators import multigraph
from walras.markets.trading.trading_network import Additive, Table, TradingNetwork, UnitDemand, UnitSupply, Valuation
from walras.markets.trading.valuations import Parts


def every_set(count: int) -> Bools:
    return (np.arange(2**count)[:, None] >> np.arange(count) & 1).astype(bool)


@pytest.mark.parametrize("seed", range(20))
def test_it_finds_an_equilibrium_of_the_largest_welfare(seed: int) -> None:
    game = multigraph(5, 7, np.random.default_rng(seed), high=30)
    found, known = lyapunov_descent(game), competitive_equilibrium(game)
    assert found.residual == 0
    assert found.welfare == known.welfare
    least, greatest = price_lattice(game)
    assert (least <= found.prices).all()
    assert (found.prices <= greatest).all()


class Bulk(Valuation):
    """A buyer of many trades, with falling values of units, that shows its demand alone."""

    def _parts(self) -> Parts:
        return range(18), (), [30]

    def _value(self, bundle: Bools) -> Floats:
        units = bundle.sum(axis=-1)
        return 30.0 * units - units * (units - 1)

    def _best(self, prices: Floats) -> Bools:
        dearer = np.argsort(np.argsort(prices, axis=-1, kind="stable"), axis=-1)
        return 30 - 2 * dearer > prices


def test_it_serves_agents_that_are_no_flows_and_have_many_trades() -> None:
    cost = np.arange(18)
    game = TradingNetwork([(0, 1)] * 18, [Additive({}, dict(enumerate(cost.tolist()))), Bulk()])
    found = lyapunov_descent(game)
    gain = 30 - 2 * cost - cost  # of the k-th unit, cheapest first
    assert found.welfare == gain[gain > 0].sum()
    np.testing.assert_array_equal(found.trades[gain != 0], (gain > 0)[gain != 0])
    assert found.residual == 0


def test_ties_are_settled_so_that_both_sides_agree() -> None:
    # Every pair gains the same, so any perfect matching is efficient, and demand alone may choose overlapping trades.
    trades = [(i, 3 + j) for i in range(3) for j in range(3)]
    sellers = [UnitSupply(dict.fromkeys(range(3 * i, 3 * i + 3), 2)) for i in range(3)]
    buyers = [UnitDemand(dict.fromkeys(range(j, 9, 3), 6)) for j in range(3)]
    found = lyapunov_descent(TradingNetwork(trades, [*sellers, *buyers]))
    assert found.welfare == 12
    assert found.residual == 0


def test_it_says_that_it_ended_at_no_equilibrium() -> None:
    # spec/trading_networks.md, T5
    seller = Table({(0,): 0, (1,): 0, (0, 1): -99}, [], [0, 1])
    game = TradingNetwork([(0, 1), (0, 1)], [seller, Table({(0, 1): 3}, [0, 1], [])])
    found = lyapunov_descent(game, throw=False)
    assert found.status is Status.ITERATION_LIMIT
    assert found.residual >= 1.5
    with pytest.raises(SolverError, match="residual="):
        lyapunov_descent(game)


def test_bad_arguments_are_refused() -> None:
    halves = TradingNetwork([(0, 1)], [UnitSupply({0: 1}), UnitDemand({0: 2.5})])
    with pytest.raises(ValueError, match=r"`network.agents\[1\]` must have integers for numbers; got array\(\[2.5\]\)"):
        lyapunov_descent(halves)
    with pytest.raises(ValueError, match="`max_iter` must be at least 1; got 0"):
        lyapunov_descent(TradingNetwork([(0, 1)], [UnitSupply({0: 1}), UnitDemand({0: 2})]), max_iter=0)


@pytest.mark.parametrize("seed", range(30))
def test_least_sets_are_those_of_enumeration(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 9))
    links, weight = rng.integers(0, 6, (size, size)), rng.integers(-12, 12, size)

    def cut(sets: Bools) -> Floats:
        """Links that leave the set, plus weights of its elements: submodular."""
        leaving = np.einsum("ki,ij,kj->k", sets.astype(int), links, (~sets).astype(int))
        return (leaving + sets @ weight).astype(float)

    value, chosen = least_set(cut, size)
    assert value == cut(every_set(size)).min() == cut(chosen[None])[0]
