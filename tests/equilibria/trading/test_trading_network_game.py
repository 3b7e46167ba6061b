"""Equilibrium and gap of trading networks as games."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from walras.core import Constant, Random, Scripted, rollout
from walras.core.solution import SolverError, Status
from walras.envs import TradingNetworkGame
from walras.equilibria import Budget, Kind, competitive_equilibrium, gap, regret, replay, solve, welfare_gap
from walras.equilibria.trading.trading_network_game import TradingSolution, closing
from walras.markets.trading.generators import core_periphery, multigraph, supply_chain, tree
from walras.markets.trading.trading_network import Table, TradingNetwork, UnitDemand, UnitSupply

NETWORKS = {
    "tree": tree(6, np.random.default_rng(0), parallel=2),
    "graph": multigraph(6, 9, np.random.default_rng(1)),
    "chain": supply_chain((3, 2, 3), np.random.default_rng(2)),
    "counter": core_periphery(2, 5, np.random.default_rng(3), links=2),
}

SMALL = TradingNetwork([(0, 1)], [UnitSupply({0: 2}), UnitDemand({0: 5})])


def without_equilibrium() -> TradingNetwork:
    """A seller of one of two units, and a buyer of both or none."""
    seller = Table({frozenset({0}): 0, frozenset({1}): 0}, buys=[], sells=[0, 1])
    buyer = Table({frozenset({0, 1}): 3, frozenset({0}): 0, frozenset({1}): 0}, buys=[0, 1], sells=[])
    return TradingNetwork([(0, 1), (0, 1)], [seller, buyer])


@pytest.mark.parametrize("name", NETWORKS)
class TestEquilibrium:
    def test_it_is_the_networks(self, name: str) -> None:
        game = TradingNetworkGame(NETWORKS[name])
        found, known = solve(game), competitive_equilibrium(game.network)
        assert isinstance(found, TradingSolution)
        assert (found.prices == known.prices).all()
        assert (found.trades == known.trades).all()
        assert (found.welfare, found.status) == (known.welfare, known.status)
        assert found.residual == pytest.approx(0, abs=1e-12)
        assert found.value == pytest.approx(game.network.utilities(found.trades, found.prices))

    def test_its_policy_is_paid_its_value_and_has_no_gap(self, name: str) -> None:
        game = TradingNetworkGame(NETWORKS[name], movers=3, horizon=60)
        found = solve(game)
        for concept in ("competitive", "nash"):
            judged = gap(game, found.policy, concept=concept, seeds=range(3))
            assert judged.kind is Kind.EXACT
            assert judged.value == pytest.approx(found.value)
            assert judged.upper == pytest.approx(0, abs=1e-9)

    def test_the_gap_is_what_agents_forgo(self, name: str) -> None:
        game = TradingNetworkGame(NETWORKS[name], movers=3, horizon=10)
        judged = gap(game, Random(game), concept="competitive", seeds=range(32))
        closed = closing(game, rollout(game, Random(game), range(32)))
        assert closed.gains_from_trade == pytest.approx(competitive_equilibrium(game.network).welfare)
        assert judged.kind is Kind.STATISTICAL
        assert judged.scale == pytest.approx(closed.gains_from_trade)
        assert closed.lost.mean() > 0
        assert closed.regret.min() >= 0
        assert judged.estimate == pytest.approx(closed.regret.mean(axis=0))
        assert judged.estimate.sum() >= closed.lost.mean()

    def test_the_dynamic_ends_within_ticks(self, name: str) -> None:
        game = TradingNetworkGame(NETWORKS[name], horizon=1000)
        closed = closing(game, rollout(game, Scripted(game), [0]))
        assert closed.lost == 0
        assert closed.regret.sum() <= len(game.network.trades) * game.tick


def test_the_gap_of_a_known_outcome() -> None:
    # The buyer bids 4 and the seller asks 7: at 5.5 each forgoes what the trade was worth to it.
    network = TradingNetwork([(0, 1)], [UnitSupply({0: 1}), UnitDemand({0: 10})])
    game = TradingNetworkGame(network, movers=2, horizon=2)

    class Far:
        def act(self, observation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
            return np.broadcast_to([[7.0], [4.0]], (len(observation), 2, 1))

    judged = gap(game, Far(), concept="competitive", seeds=range(4))
    assert judged.kind is Kind.EXACT
    assert judged.lower.tolist() == judged.upper.tolist() == [4.5, 4.5]
    assert judged.relative.upper.tolist() == [0.5, 0.5]
    assert judged.value.tolist() == [0.0, 0.0]
    assert closing(game, rollout(game, Far(), range(4))).lost.tolist() == [9.0] * 4


def test_where_no_equilibrium_exists_the_solver_says_so() -> None:
    game = TradingNetworkGame(without_equilibrium(), horizon=5)
    with pytest.raises(SolverError, match="No equilibrium exists"):
        solve(game)
    found = solve(game, throw=False)
    assert found.status is Status.NO_EQUILIBRIUM
    assert isinstance(found, TradingSolution)
    assert np.isnan(found.prices).all()
    assert gap(game, Random(game), concept="competitive").lower.sum() > 0


def test_no_gains_from_trade_leave_no_share() -> None:
    network = TradingNetwork([(0, 1)], [UnitSupply({0: 10}), UnitDemand({0: 1})])
    game = TradingNetworkGame(network, movers=2, horizon=2)
    assert solve(game).residual == 0
    too_dear = gap(game, Constant(np.full((2, 1), 11.0)), concept="competitive", seeds=[0])
    assert too_dear.scale.tolist() == [1.0, 1.0]  # absolute
    assert too_dear.upper.tolist() == [1.0, 0.0]


def test_what_is_judged_is_what_is_posted_after_rounding() -> None:
    # No tick lies between 10.4 and 10.6: at 10 the seller keeps what the buyer wants, at 11 it is the other way round.
    network = TradingNetwork([(0, 1)], [UnitSupply({0: 10.4}), UnitDemand({0: 10.6})])
    game = TradingNetworkGame(network, movers=2, horizon=4)
    with pytest.raises(SolverError, match="No equilibrium: an agent gains"):
        solve(game)
    found = solve(game, throw=False)
    judged = gap(game, found.policy, concept="competitive")
    assert found.status is Status.NOT_EQUILIBRIUM
    assert judged.upper.max() == pytest.approx(0.6)
    assert found.residual == found.residual_lower == pytest.approx(judged.relative.upper.max())
    fine = solve(TradingNetworkGame(network, tick=0.5, movers=2, horizon=4))
    assert fine.residual == pytest.approx(0, abs=1e-9)


def best_constant(game: TradingNetworkGame, posted: np.ndarray, agent: int, seeds: range) -> float:
    """The largest mean return of an agent over all constant offers on ticks, the others' being posted."""
    ticks = np.arange(game.bounds[0], game.bounds[1] + game.tick / 2, game.tick)
    found = []
    for offer in product(ticks, repeat=game.network.agents[agent].degree):
        action = posted.copy()
        action[agent, : len(offer)] = offer
        found.append(rollout(game, Constant(action), seeds).total[:, agent].mean())
    return max(found)


@pytest.mark.parametrize("seed", range(6))
def test_the_nash_gap_of_posted_offers_is_that_of_enumeration(seed: int) -> None:
    rng = np.random.default_rng(seed)
    agents = [UnitSupply({0: 1, 1: 2}), UnitDemand({0: int(rng.integers(1, 5))}), UnitDemand({1: int(rng.integers(5))})]
    network = TradingNetwork([(0, 1), (0, 2)], agents)
    movers, shaping = ((1, 0.7), (3, 0.0))[seed % 2]
    game = TradingNetworkGame(network, movers=movers, horizon=16, shaping=shaping)
    posted = rng.integers(game.bounds[0], game.bounds[1] + 1, (3, 2)).astype(float)
    judged, plain = gap(game, Constant(posted), seeds=range(32), budget=Budget(frames=1000)), replace(game, shaping=0.0)
    own = rollout(plain, Constant(posted), judged.seeds).total.mean(axis=0)
    best = [best_constant(plain, posted, agent, range(4)) for agent in range(3)]
    assert judged.value == pytest.approx(own)
    if judged.kind is Kind.EXACT:
        assert judged.upper == pytest.approx(np.array(best) - own, abs=1e-9)
        gains = replay(plain, Constant(posted), judged, range(900, 932))
        assert gains == pytest.approx(np.broadcast_to(judged.estimate, gains.shape), abs=1e-9)
    assert (judged.upper >= np.array(best) - own - 1e-9).all()


def test_offers_that_are_not_posted_are_not_judged_exactly() -> None:
    game = TradingNetworkGame(SMALL, movers=2, horizon=4)
    judged = gap(game, Scripted(game), seeds=range(32), budget=Budget(frames=1000))
    assert judged.kind is Kind.LOWER
    assert judged.certifies == ""
    assert (judged.lower <= judged.estimate).all()
    assert (judged.estimate <= judged.upper).all()
    assert len(repr(judged)) < 1500


def test_regret_and_welfare_gap_agree_with_the_certificate() -> None:
    network, rng = NETWORKS["graph"], np.random.default_rng(0)
    trades, prices = rng.random((20, 9)) < 0.1, rng.integers(0, 100, (20, 9)).astype(float)
    feasible = np.isfinite(network.welfare(trades))
    forgone = regret(network, trades[feasible], prices[feasible]).sum(axis=1)
    assert (forgone >= welfare_gap(network, trades[feasible]) - 1e-9).all()
