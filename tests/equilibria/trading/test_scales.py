"""Trading networks whose numbers differ by many orders of magnitude: each part is judged in its own unit."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from walras.core import Status
from walras.core.typing import Bools
from walras.equilibria import blocking_set, competitive_equilibrium, is_stable, price_lattice, regret
from walras.markets.trading.trading_network import (
    Additive,
    Intermediary,
    Table,
    TradingNetwork,
    UnitDemand,
    UnitSupply,
    Valuation,
)

BOTH = ((0, 1), (0,), (1,))


def best_welfare(network: TradingNetwork) -> Fraction:
    """The largest welfare, by enumeration in exact arithmetic."""

    def worth(valuation: Valuation, bundle: Bools) -> Fraction | None:
        value = valuation.value(bundle)
        return Fraction(float(value)) if np.isfinite(value) else None

    totals = []
    for chosen in product([False, True], repeat=len(network.trades)):
        pairs = zip(network.agents, network.places, strict=True)
        values = [worth(valuation, np.array(chosen)[own]) for valuation, own in pairs]
        if None not in values:
            totals.append(sum(values, Fraction(0)))
    return max(totals)


class TestBesideLargeNumbers:
    @pytest.mark.parametrize("large", [1e3, 9e9, 1e13])
    @pytest.mark.parametrize("unit", [1.0, 1e-9])
    def test_a_trade_that_can_never_gain_hides_no_gain(self, large: float, unit: float) -> None:
        small = Additive({}, {0: unit}), Additive({0: 2 * unit}, {})
        apart = TradingNetwork([(0, 1), (2, 3)], [*small, Additive({}, {1: large}), Additive({1: 5}, {})])
        own = large * unit  # one agent's numbers may differ by as much as float64 has digits
        joint = TradingNetwork([(0, 1), (1, 0)], [Additive({1: unit}, {0: unit}), Additive({0: 2 * unit}, {1: own})])
        for network in (apart, joint):
            found = competitive_equilibrium(network)
            assert found.trades.tolist() == [True, False]
            assert found.welfare == pytest.approx(unit, rel=1e-12)
            assert unit <= found.prices[0] <= 2 * unit
            least, greatest = price_lattice(network)
            np.testing.assert_allclose([least[0], greatest[0]], [unit, 2 * unit], rtol=1e-12)
            assert is_stable(network, found.trades, found.prices)
            assert not is_stable(network, [False, False], [0.0, 0.0])

    @pytest.mark.parametrize("large", [1e10, 2.0**50])
    def test_a_blocking_gain_is_found_beside_a_large_cost(self, large: float) -> None:
        agents = [Additive({}, {0: 10}), Additive({0: 20}, {}), Additive({}, {1: large}), Additive({1: 5}, {})]
        found = blocking_set(TradingNetwork([(0, 1), (2, 3)], agents), [False, False], [0.0, 0.0])
        assert found is not None
        assert found.trades.tolist() == [True, False]
        assert found.gain == 5

    @pytest.mark.parametrize("worth", [1e-3, 1e-4, 1e-9, 3.0])
    @pytest.mark.parametrize("large", [1e-6, 1e6, 1e12])
    def test_that_no_equilibrium_exists_is_said_at_any_scale(self, worth: float, large: float) -> None:
        table = Table(dict(zip(BOTH, (worth, 0, 0), strict=True)), buys=[0, 1], sells=[])
        agents = [UnitSupply({0: 0, 1: 0}), table, UnitSupply({2: large}), UnitDemand({2: 5})]
        found = competitive_equilibrium(TradingNetwork([(0, 1), (0, 1), (2, 3)], agents), throw=False)
        assert found.status is Status.NO_EQUILIBRIUM
        assert found.residual == pytest.approx(worth / 2)
        joint = [UnitSupply({0: 0, 1: 0, 2: large}), table, UnitDemand({2: 0})]
        found = competitive_equilibrium(TradingNetwork([(0, 1), (0, 1), (0, 2)], joint), throw=False)
        assert found.status is Status.NO_EQUILIBRIUM
        assert found.residual == pytest.approx(worth / 2)

    @settings(max_examples=40, deadline=None)
    @given(seed=st.integers(0, 10**6))
    def test_random_networks_of_mixed_scales_have_the_largest_welfare(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        count = 4
        trades = [tuple(rng.choice(count, 2, replace=False).tolist()) for _ in range(6)]
        agents: list[Valuation] = []
        for i in range(count):
            buys, sells = ([w for w, pair in enumerate(trades) if pair[side] == i] for side in (1, 0))
            number = {w: int(rng.integers(1, 9)) * 10 ** int(rng.choice([0, 3, 7, 11])) for w in buys + sells}
            kind = rng.integers(3)
            if kind == 0 and not sells:
                agents.append(UnitDemand(number))
            elif kind == 0 and not buys:
                agents.append(UnitSupply(number))
            elif kind == 1:
                agents.append(Intermediary(buys, sells, int(rng.integers(3)) * 10 ** int(rng.choice([0, 6]))))
            else:
                agents.append(Additive({w: number[w] for w in buys}, {w: number[w] for w in sells}))
        network = TradingNetwork(trades, agents)
        found = competitive_equilibrium(network)
        assert Fraction(found.welfare) == best_welfare(network)
        assert found.residual == 0
        least, greatest = price_lattice(network)
        for prices in (found.prices, np.where(np.isfinite(least), least, found.prices)):
            assert (prices >= least).all()
            assert (prices <= greatest).all()
        assert (regret(network, found.trades, found.prices) == 0).all()
        assert is_stable(network, found.trades, found.prices)


class TestIntegers:
    def test_a_gain_of_one_is_seen_beside_the_largest_integers(self) -> None:
        large = 2**50
        network = TradingNetwork([(0, 1)], [UnitSupply({0: large}), UnitDemand({0: large + 1})])
        found = competitive_equilibrium(network)
        assert (found.welfare, found.residual, found.trades.tolist()) == (1, 0, [True])
        assert not is_stable(network, [False], [0.0])

    def test_integers_whose_sums_are_not_exact_are_refused(self) -> None:
        network = TradingNetwork([(0, 1)], [UnitSupply({0: 2**52}), UnitDemand({0: 2**52 + 1})])
        for solve in (competitive_equilibrium, price_lattice, lambda n: is_stable(n, [False], [0.0])):
            with pytest.raises(ValueError, match=r"`network` must .* less than 2\^52 .* sums of them are exact"):
                solve(network)


class TestComplements:
    def test_each_price_has_its_own_bounds(self) -> None:
        # The buyer pays 10 at most for both, so (10, 0) and (0, 10) are equilibrium prices, and (10, 10) are not.
        buyer = Table(dict(zip(BOTH, (10, 0, 0), strict=True)), buys=[0, 1], sells=[])
        network = TradingNetwork([(0, 1), (0, 1)], [Additive({}, {0: 0, 1: 0}), buyer])
        np.testing.assert_array_equal(price_lattice(network), [[0, 0], [10, 10]])
        assert competitive_equilibrium(network).residual == 0

    @pytest.mark.parametrize("unit", [1, 1000, 1e-6])
    @pytest.mark.parametrize("seed", range(20))
    def test_bounds_are_those_of_the_program_of_all_bundles(self, seed: int, unit: float) -> None:
        rng = np.random.default_rng(seed)
        value = unit * rng.integers(0, 9, (2, 7))
        names = [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]
        buyer = Table(dict(zip(names, np.sort(value[0]), strict=True)), [0, 1, 2], [])
        seller = Table(dict(zip(names, -value[1], strict=True)), [], [0, 1, 2])
        network = TradingNetwork([(0, 1)] * 3, [seller, buyer])
        found = competitive_equilibrium(network, throw=False)
        bundles = np.array(list(product([0, 1], repeat=3)))
        rows = np.concatenate((bundles - found.trades, found.trades - bundles))  # seller, buyer: no bundle is better
        worth = [agent.value(bundles) - agent.value(found.trades) for agent in network.agents]
        limits = -np.concatenate(worth) / unit
        each = [
            linprog(s * np.eye(3)[w], A_ub=rows, b_ub=limits, bounds=(-1e3, 1e3)) for s in (1, -1) for w in range(3)
        ]
        assert found.converged == (each[0].status == 0)
        if found.converged:
            ends = unit * np.array([goal.fun for goal in each]).reshape(2, 3) * [[1], [-1]]
            ends[np.abs(ends) > 500 * unit] *= np.inf
            np.testing.assert_allclose(price_lattice(network), ends, atol=1e-6 * unit)
