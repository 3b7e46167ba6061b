"""Equilibria of trading networks against enumeration, scipy's assignment and the program of all bundles."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment, linprog

from walras.core import SolverError, Status
from walras.core.typing import Bools, Floats
from walras.equilibria import competitive_equilibrium, price_lattice, regret, welfare_gap
from walras.equilibria.trading.circulation import cheapest
from walras.equilibria.trading.market_circulation import efficient, market
from walras.equilibria.trading.matching import paths
from walras.markets.trading.trading_network import (
    Additive,
    Assignment,
    CapacityIntermediary,
    Dealer,
    FlowIntermediary,
    Intermediary,
    PairCostIntermediary,
    Table,
    TradingNetwork,
    UnitDemand,
    UnitSupply,
    Valuation,
)
from walras.markets.trading.valuations import Parts

CHAIN = TradingNetwork([(0, 1), (1, 2)], [UnitSupply({0: 10}), Intermediary([0], [1]), UnitDemand({1: 20})])


def every_bundle(degree: int) -> Bools:
    return (np.arange(2**degree)[:, None] >> np.arange(degree) & 1).astype(bool)


def as_table(valuation: Valuation) -> Table:
    bundles = every_bundle(valuation.degree)
    names = [tuple(np.array(valuation.trades)[bundle].tolist()) for bundle in bundles]
    values = {name: value for name, value in zip(names, valuation.value(bundles), strict=True) if np.isfinite(value)}
    bought = [trade for trade, side in zip(valuation.trades, valuation.sides, strict=True) if side > 0]
    return Table(values, bought, set(valuation.trades) - set(bought))


def numbers(rng: np.random.Generator, keys: list[int]) -> dict[int, int]:
    return {key: int(rng.integers(0, 9)) for key in keys}


def agent(rng: np.random.Generator, buys: list[int], sells: list[int]) -> Valuation:
    """One of a random family that has such sides."""
    families = ["additive", "intermediary", "assignment", "capacity", "dealer"]
    families += ["pairs", "flow"] * bool(buys and sells) + ["demand"] * 3 * (not sells) + ["supply"] * 3 * (not buys)
    match rng.choice(families):
        case "additive":
            return Additive(numbers(rng, buys), numbers(rng, sells))
        case "intermediary":
            return Intermediary(buys, sells, int(rng.integers(3)))
        case "assignment":
            return Assignment(buys, sells, {trade: rng.integers(-2, 9, 3).tolist() for trade in buys + sells})
        case "capacity":
            return CapacityIntermediary(numbers(rng, buys), numbers(rng, sells), [0, 1, 3])
        case "dealer":
            return Dealer(numbers(rng, buys), numbers(rng, sells), int(rng.integers(3)), [4, 2])
        case "pairs":
            return PairCostIntermediary({(a, b): int(rng.integers(5)) for a in buys for b in sells})
        case "flow":
            machines = {"press": 1, "mill": 2}
            inputs = {(a, m): int(rng.integers(4)) for a in buys for m in machines}
            return FlowIntermediary(inputs, {(m, b): int(rng.integers(4)) for m in machines for b in sells}, machines)
        case "demand":
            return UnitDemand(numbers(rng, buys))
        case _:
            return UnitSupply(numbers(rng, sells))


def network(seed: int, most: int = 9) -> TradingNetwork:
    """A random multigraph; all, half or none of its agents are tables."""
    rng = np.random.default_rng(seed)
    agents, count = int(rng.integers(2, 7)), int(rng.integers(1, most + 1))
    trades = [tuple(rng.choice(agents, 2, replace=False).tolist()) for _ in range(count)]
    drawn = [
        agent(rng, [w for w, (_, b) in enumerate(trades) if b == i], [w for w, (s, _) in enumerate(trades) if s == i])
        for i in range(agents)
    ]
    tables = rng.random(agents) < rng.choice([0.0, 0.5, 1.0])
    return TradingNetwork(trades, [as_table(v) if t else v for v, t in zip(drawn, tables, strict=True)])


def rows(market: TradingNetwork) -> Iterator[tuple[int, Floats, float]]:
    """For every agent and feasible bundle: the agent, the prices paid ``[T]``, the value."""
    for i, (valuation, own) in enumerate(zip(market.agents, market.places, strict=True)):
        for bundle in every_bundle(valuation.degree):
            value = float(valuation.value(bundle))
            if np.isfinite(value):
                paid = np.zeros(len(market.trades))
                paid[own] = valuation.sides * bundle
                yield i, paid, value


@dataclass
class LyapunovProgram:
    """min sum u s.t. u_i >= v_i(bundle) - paid; spec/trading_networks.md, 13.1."""

    market: TradingNetwork

    def __post_init__(self) -> None:
        T, N = len(self.market.trades), len(self.market.agents)
        listed = list(rows(self.market))
        self.A = -np.stack([np.concatenate((paid, np.eye(N)[i])) for i, paid, _ in listed])
        self.b = -np.array([value for *_, value in listed])
        self.sum = np.concatenate((np.zeros(T), np.ones(N)))
        self.bounds = [(-1e4, 1e4)] * T + [(None, None)] * N
        self.least = linprog(self.sum, A_ub=self.A, b_ub=self.b, bounds=self.bounds).fun

    def extreme(self, trade: int, sign: int) -> float:
        """The least price of a trade among the minimisers, or with sign -1 the greatest."""
        goal = sign * np.eye(len(self.sum))[trade]
        A, b = np.vstack((self.A, self.sum)), np.append(self.b, self.least)
        price = sign * linprog(goal, A_ub=A, b_ub=b, bounds=self.bounds).fun
        return np.inf * np.sign(price) if abs(price) > 5e3 else price


def complements(worth: float) -> TradingNetwork:
    """A seller of one unit and a buyer of both or none: spec/trading_networks.md, T5."""
    seller = Table({(0,): 0, (1,): 0, (0, 1): -99}, [], [0, 1])
    return TradingNetwork([(0, 1), (0, 1)], [seller, Table({(0, 1): worth}, [0, 1], [])])


class TestAgainstEnumeration:
    @pytest.mark.parametrize("seed", range(60))
    def test_trades_are_efficient_and_prices_support_them(self, seed: int) -> None:
        game = network(seed)
        found = competitive_equilibrium(game)
        assert found.welfare == game.welfare(every_bundle(len(game.trades))).max() == game.welfare(found.trades)
        best = np.full(len(game.agents), -np.inf)
        for i, paid, value in rows(game):
            best[i] = max(best[i], value - paid @ found.prices)
        np.testing.assert_array_equal(best, found.value)  # each agent's part is a best bundle
        np.testing.assert_array_equal(found.value, game.utilities(found.trades, found.prices))
        assert found.residual == 0
        assert found.converged
        np.testing.assert_array_equal(found.prices, np.rint(found.prices))

    @pytest.mark.parametrize("seed", range(60, 75))
    def test_the_lattice_has_the_extremes_of_each_price(self, seed: int) -> None:
        game = network(seed, most=7)
        program = LyapunovProgram(game)
        assert program.least == pytest.approx(competitive_equilibrium(game).welfare)
        least, greatest = price_lattice(game)
        trades = range(len(game.trades))
        np.testing.assert_allclose(least, [program.extreme(w, 1) for w in trades], atol=1e-6)
        np.testing.assert_allclose(greatest, [program.extreme(w, -1) for w in trades], atol=1e-6)

    @pytest.mark.parametrize("seed", range(75, 105))
    def test_both_ends_of_the_lattice_support_every_efficient_set(self, seed: int) -> None:
        game = network(seed)
        sets = every_bundle(len(game.trades))
        welfare = game.welfare(sets)
        least, greatest = price_lattice(game)
        prices = competitive_equilibrium(game).prices
        assert (least <= prices).all()
        assert (prices <= greatest).all()
        ends = [end for end in (least, greatest) if np.isfinite(end).all()]
        for trades in sets[welfare == welfare.max()]:
            for end in (prices, *ends):
                assert (regret(game, trades, end) == 0).all()


class TestKnownMarkets:
    def test_a_chain_trades_at_a_price_between_cost_and_value(self) -> None:
        # spec/trading_networks.md, section 16, item 9: seller 10, buyer 20, welfare 10.
        found = competitive_equilibrium(CHAIN)
        np.testing.assert_array_equal(found.trades, [True, True])
        np.testing.assert_array_equal(found.prices, [15, 15])
        np.testing.assert_array_equal(found.value, [5, 0, 5])
        np.testing.assert_array_equal(price_lattice(CHAIN), [[10, 10], [20, 20]])
        assert found.welfare == 10

    def test_prices_are_rounded_down_to_integers(self) -> None:
        pair = TradingNetwork([(0, 1)], [UnitSupply({0: 10}), UnitDemand({0: 21})])
        assert competitive_equilibrium(pair).prices == [15]
        halves = TradingNetwork([(0, 1)], [UnitSupply({0: 10.5}), UnitDemand({0: 21})])
        assert competitive_equilibrium(halves).prices == [15.75]

    @pytest.mark.parametrize("as_it_is", [True, False])
    def test_a_price_that_nothing_bounds_is_infinite_in_the_lattice_alone(self, as_it_is: bool) -> None:
        stuck = Intermediary([0], [])  # it can sell nothing, so it buys at no price
        game = TradingNetwork([(0, 1)], [UnitSupply({0: 10}), stuck if as_it_is else as_table(stuck)])
        least, greatest = price_lattice(game)
        assert (least, greatest) == (-np.inf, 10)
        found = competitive_equilibrium(game)
        assert found.prices <= 10
        assert np.isfinite(found.prices)
        assert not found.trades

    def test_without_gains_nothing_is_traded(self) -> None:
        game = TradingNetwork([(0, 1), (0, 1)], [UnitSupply({0: 9, 1: 8}), UnitDemand({0: 3, 1: 4})])
        found = competitive_equilibrium(game)
        assert not found.trades.any()
        np.testing.assert_array_equal(price_lattice(game), [[3, 4], [9, 8]])

    def test_of_parallel_trades_one_is_struck(self) -> None:
        game = TradingNetwork([(0, 1)] * 3, [UnitSupply(dict.fromkeys(range(3), 2)), UnitDemand({0: 5, 1: 7, 2: 7})])
        found = competitive_equilibrium(game)
        assert found.trades.sum() == 1
        assert found.welfare == 5
        assert not found.trades[0]

    def test_parts_that_are_not_connected_are_markets_of_their_own(self) -> None:
        agents = [UnitSupply({2: 1}), UnitDemand({2: 8}), Dealer({3: 2}, {}, 0, [5]), Additive({}, {3: 1})]
        apart = TradingNetwork([(0, 1), (1, 2), (3, 4), (6, 5)], [*CHAIN.agents, *agents])
        found = competitive_equilibrium(apart)
        np.testing.assert_array_equal(found.prices[:2], competitive_equilibrium(CHAIN).prices)
        assert found.prices[2] == 4
        assert found.trades.all()

    def test_an_agent_without_trades_is_welcome(self) -> None:
        game = TradingNetwork([(0, 1)], [UnitSupply({0: 1}), UnitDemand({0: 2}), UnitDemand({}), Additive({}, {})])
        np.testing.assert_array_equal(competitive_equilibrium(game).value, [0, 1, 0, 0])


class TestNoEquilibrium:
    @pytest.mark.parametrize("worth", [1, 3, 6, 2.5])
    def test_it_is_said_with_the_gap_between_prices_and_trades(self, worth: float) -> None:
        # spec/trading_networks.md, T5: the program's value is V / 2, the best welfare 0.
        found = competitive_equilibrium(complements(worth), throw=False)
        assert found.status is Status.NO_EQUILIBRIUM
        assert found.residual == pytest.approx(worth / 2)
        assert found.welfare == 0
        assert np.isnan(found.prices).all()
        assert not found.trades.any()
        assert LyapunovProgram(complements(worth)).least == pytest.approx(worth / 2)

    def test_it_raises(self) -> None:
        for solve in (competitive_equilibrium, price_lattice):
            with pytest.raises(SolverError, match="No equilibrium exists: no prices support any trades"):
                solve(complements(3))

    def test_complements_alone_do_not_rule_one_out(self) -> None:
        sellers = [Additive({}, {0: 2}), Additive({}, {1: 3})]
        game = TradingNetwork([(0, 2), (1, 2)], [*sellers, Table({(0, 1): 9}, [0, 1], [])])
        found = competitive_equilibrium(game)
        assert found.trades.all()
        assert 5 <= found.prices.sum() <= 9
        assert found.residual == 0

    @pytest.mark.parametrize("seed", range(30))
    def test_any_tables_are_judged_as_by_enumeration(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        trades = [(0, 1), (1, 2), (0, 2), (2, 0)]
        agents: list[Valuation] = []
        for i in range(3):
            own = [w for w, pair in enumerate(trades) if i in pair]
            bundles = [tuple(np.array(own)[b].tolist()) for b in every_bundle(len(own))[1:]]
            values = {bundle: int(rng.integers(-6, 7)) for bundle in bundles if rng.random() < 0.8}
            agents.append(Table(values, [w for w in own if trades[w][1] == i], [w for w in own if trades[w][0] == i]))
        game = TradingNetwork(trades, agents)
        found = competitive_equilibrium(game, throw=False)
        gap = LyapunovProgram(game).least - game.welfare(every_bundle(4)).max()
        assert found.converged == (gap < 1e-6)
        assert found.residual == pytest.approx(gap, abs=1e-6)
        assert welfare_gap(game, found.trades) == 0


def assignment(seed: int, n: int) -> tuple[TradingNetwork, Floats]:
    """n sellers, n buyers, all pairs; and the gains ``[n, n]``."""
    rng = np.random.default_rng(seed)
    cost, value, w = rng.integers(0, 50, (n, n)), rng.integers(0, 50, (n, n)), np.arange(n * n).reshape(n, n)
    sellers = [UnitSupply(dict(zip(w[i].tolist(), cost[i].tolist(), strict=True))) for i in range(n)]
    buyers = [UnitDemand(dict(zip(w[:, j].tolist(), value[:, j].tolist(), strict=True))) for j in range(n)]
    return TradingNetwork([(i, n + j) for i in range(n) for j in range(n)], [*sellers, *buyers]), value - cost


class TestOneToOne:
    @pytest.mark.parametrize("n", [1, 2, 7, 40])
    def test_it_is_the_assignment_of_scipy_and_prices_support_that(self, n: int) -> None:
        game, gains = assignment(n, n)
        row, column = linear_sum_assignment(np.maximum(gains, 0), maximize=True)
        theirs = np.zeros((n, n), dtype=bool)
        theirs[row, column] = gains[row, column] > 0
        found = competitive_equilibrium(game)
        assert found.welfare == np.maximum(gains, 0)[row, column].sum()
        for prices in (found.prices, *price_lattice(game)):
            assert (regret(game, theirs.ravel(), prices) == 0).all()
            assert (regret(game, found.trades, prices) == 0).all()

    @pytest.mark.parametrize("seed", range(5))
    def test_the_program_has_the_same_cost(self, seed: int) -> None:
        program = market(assignment(seed, 9)[0])
        assert paths(program.circulation) is not None
        assert efficient(program).cost == pytest.approx(cheapest(program.circulation).cost)


class TestSizes:
    def test_a_thousand_contracts(self) -> None:
        rng = np.random.default_rng(0)
        seller, buyer = rng.integers(0, 75, 1000), rng.integers(25, 99, 1000)
        buyer += buyer >= seller
        places = [(np.flatnonzero(buyer == i).tolist(), np.flatnonzero(seller == i).tolist()) for i in range(100)]
        agents = [agent(rng, *own) for own in places]
        found = competitive_equilibrium(TradingNetwork(list(zip(seller.tolist(), buyer.tolist(), strict=True)), agents))
        assert found.residual == 0
        assert found.trades.sum() > 50

    @pytest.mark.parametrize("scale", [1e-6, 1.0, 1e7])
    def test_units_of_money_do_not_matter(self, scale: float) -> None:
        rng = np.random.default_rng(1)
        value, cost = rng.uniform(0, scale, (2, 12))
        trades = [(i, 3 + j) for i in range(3) for j in range(4)]
        sellers = [UnitSupply({w: cost[w] for w in range(4 * i, 4 * i + 4)}) for i in range(3)]
        buyers = [Additive({w: value[w] for w in range(j, 12, 4)}, {}) for j in range(4)]
        found = competitive_equilibrium(TradingNetwork(trades, [*sellers, *buyers]))
        assert found.welfare == pytest.approx(np.maximum(value - cost, 0).reshape(3, 4).max(axis=1).sum(), rel=1e-12)
        assert abs(found.residual) < 1e-12 * scale


@given(st.integers(0, 10**6), st.integers(-20, 20))
@settings(max_examples=25, deadline=None)
def test_a_tax_that_the_seller_pays_and_the_buyer_gets_back_moves_its_price_alone(seed: int, tax: int) -> None:
    rng = np.random.default_rng(seed)
    trades = [(i, 3 + j) for i in range(3) for j in range(3)]

    def solve(tax: int) -> tuple[Floats, Floats]:
        paid = np.array([tax, 0, 0])
        sellers = [Additive({}, {3 * i + j: int(cost[i, j] + (i == 0) * paid[j]) for j in range(3)}) for i in range(3)]
        buyers = [UnitDemand({3 * i + j: int(value[i, j] + (i == 0) * paid[j]) for i in range(3)}) for j in range(3)]
        return price_lattice(TradingNetwork(trades, [*sellers, *buyers]))

    value, cost = rng.integers(0, 30, (2, 3, 3))
    moved = np.array(solve(tax)) - np.array(solve(0))
    np.testing.assert_array_equal(moved, np.tile([tax] + [0] * 8, (2, 1)))


def test_regret_and_gap_are_batched_and_infinite_for_what_cannot_be_done() -> None:
    trades = np.array([[True, True], [False, False], [True, False]])
    np.testing.assert_array_equal(welfare_gap(CHAIN, trades), [0, 10, np.inf])
    prices = np.array([[12.0, 15.0], [12.0, 15.0], [15.0, 15.0]])
    np.testing.assert_array_equal(regret(CHAIN, trades, prices), [[0, 0, 0], [2, 3, 5], [0, np.inf, 5]])


class Ladder(Valuation):
    """A buyer of 17 trades that has no flow."""

    def _parts(self) -> Parts:
        return range(17), (), range(17)

    def _value(self, bundle: Bools) -> Floats:
        return np.sqrt(bundle.sum(axis=-1))

    def _best(self, prices: Floats) -> Bools:
        return prices < 0


def test_an_agent_with_too_many_bundles_is_refused() -> None:
    game = TradingNetwork([(0, 1)] * 17, [Additive({}, dict.fromkeys(range(17), 1)), Ladder()])
    with pytest.raises(ValueError, match=r"`network.agents\[1\]` must have 16 trades at most, having no flow.*got 17"):
        competitive_equilibrium(game)
