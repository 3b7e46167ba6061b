"""Equilibrium and gap of trading networks as games."""

import numpy as np
import pytest

from walras.core import Constant, Random, Scripted
from walras.core.solution import SolverError, Status
from walras.envs import TradingNetworkGame
from walras.equilibria import competitive_equilibrium, gap, regret, solve, welfare_gap
from walras.equilibria.trading.trading_network_game import TradingGap, TradingSolution
from walras.markets.trading.generators import core_periphery, multigraph, supply_chain, tree
from walras.markets.trading.trading_network import Table, TradingNetwork, UnitDemand, UnitSupply

NETWORKS = {
    "tree": tree(6, np.random.default_rng(0), parallel=2),
    "graph": multigraph(6, 9, np.random.default_rng(1)),
    "chain": supply_chain((3, 2, 3), np.random.default_rng(2)),
    "counter": core_periphery(2, 5, np.random.default_rng(3), links=2),
}


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
        assert (found.welfare, found.residual, found.status) == (known.welfare, known.residual, known.status)
        assert found.value == pytest.approx(game.network.utilities(found.trades, found.prices))

    def test_its_policy_is_paid_its_value_and_has_no_gap(self, name: str) -> None:
        game = TradingNetworkGame(NETWORKS[name], movers=3, horizon=60)
        found = solve(game)
        judged = gap(game, found.policy, range(3))
        assert judged.reward == pytest.approx(found.value)
        assert judged.per_agent == pytest.approx(0, abs=1e-9)
        assert judged.gain.shape == (60, 3, len(game.agents))

    def test_the_gap_is_what_agents_forgo(self, name: str) -> None:
        game = TradingNetworkGame(NETWORKS[name], movers=3, horizon=10)
        judged = gap(game, Random(game), range(32))
        assert isinstance(judged, TradingGap)
        assert judged.gains_from_trade == competitive_equilibrium(game.network).welfare
        assert judged.lost > 0
        assert judged.per_agent.min() >= 0
        assert judged.per_agent.sum() >= judged.lost
        assert judged.gain.sum(axis=0).mean(axis=0) == pytest.approx(judged.per_agent)
        assert judged.relative == pytest.approx(judged.per_agent / judged.gains_from_trade)

    def test_the_dynamic_ends_within_ticks(self, name: str) -> None:
        game = TradingNetworkGame(NETWORKS[name], horizon=1000)
        judged = gap(game, Scripted(game), [0])
        assert isinstance(judged, TradingGap)
        assert judged.lost == 0
        assert judged.per_agent.sum() <= len(game.network.trades) * game.tick


def test_the_gap_of_a_known_outcome() -> None:
    # The buyer bids 4 and the seller asks 7: at 5.5 each forgoes what the trade was worth to it.
    network = TradingNetwork([(0, 1)], [UnitSupply({0: 1}), UnitDemand({0: 10})])
    game = TradingNetworkGame(network, movers=2, horizon=2)

    class Far:
        def act(self, observation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
            return np.broadcast_to([[7.0], [4.0]], (len(observation), 2, 1))

    judged = gap(game, Far(), [0])
    assert isinstance(judged, TradingGap)
    assert judged.per_agent.tolist() == [4.5, 4.5]
    assert judged.relative.tolist() == [0.5, 0.5]
    assert (judged.lost, judged.gains_from_trade) == (9.0, 9.0)
    assert judged.reward.tolist() == [0.0, 0.0]


def test_where_no_equilibrium_exists_the_solver_says_so() -> None:
    game = TradingNetworkGame(without_equilibrium(), horizon=5)
    with pytest.raises(SolverError, match="No equilibrium exists"):
        solve(game)
    found = solve(game, throw=False)
    assert found.status is Status.NO_EQUILIBRIUM
    assert isinstance(found, TradingSolution)
    assert np.isnan(found.prices).all()
    assert gap(game, Random(game), range(8)).per_agent.sum() > 0


def test_no_gains_from_trade_leave_no_share() -> None:
    network = TradingNetwork([(0, 1)], [UnitSupply({0: 10}), UnitDemand({0: 1})])
    game = TradingNetworkGame(network, movers=2, horizon=2)
    assert gap(game, solve(game).policy, [0]).relative.tolist() == [0.0, 0.0]
    too_dear = Constant(np.full((2, 1), 11.0))
    assert gap(game, too_dear, [0]).relative.tolist() == [np.inf, 0.0]


def test_regret_and_welfare_gap_agree_with_the_certificate() -> None:
    network, rng = NETWORKS["graph"], np.random.default_rng(0)
    trades, prices = rng.random((20, 9)) < 0.1, rng.integers(0, 100, (20, 9)).astype(float)
    feasible = np.isfinite(network.welfare(trades))
    forgone = regret(network, trades[feasible], prices[feasible]).sum(axis=1)
    assert (forgone >= welfare_gap(network, trades[feasible]) - 1e-9).all()
