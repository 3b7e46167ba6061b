"""Measures of trading networks: what is realised, at what prices, and what agents regret."""

import numpy as np

from walras.core.rollout import Trajectory
from walras.envs.trading.trading_network_game import TradingNetworkGame, TradingState
from walras.equilibria.trading.competitive import price_lattice
from walras.equilibria.trading.trading_network_game import closing
from walras.scenarios.engine.measure import measure


@measure("welfare", "of the gains from trade", "share")
def realised_gains(game: TradingNetworkGame, trajectory: Trajectory[TradingState]) -> float:
    """Return the share of the gains from trade that is realised."""
    judged = closing(game, trajectory)
    return float(1 - np.divide(judged.lost.mean(), judged.gains_from_trade))


@measure("distance to equilibrium prices", "money")
def price_distance(game: TradingNetworkGame, trajectory: Trajectory[TradingState]) -> float:
    """Return how far prices of trades struck lie from their intervals of equilibrium prices, on average, money."""
    trades, prices = game.outcome(trajectory.state.offer[-1])
    least, greatest = price_lattice(game.network)
    away = np.maximum(np.maximum(least - prices, prices - greatest), 0.0)
    return float(away[trades].mean()) if trades.any() else np.nan


@measure("regret of all agents", "of the gains from trade", "share")
def total_regret(game: TradingNetworkGame, trajectory: Trajectory[TradingState]) -> float:
    """Return the sum of the agents' regrets at the closing prices, as a share of the gains from trade."""
    judged = closing(game, trajectory)
    return float(np.divide(judged.regret.mean(axis=0).sum(), judged.gains_from_trade))
