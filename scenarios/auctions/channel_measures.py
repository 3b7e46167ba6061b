"""Measures of autobidding markets: what is spent, value for money, and what is missed; all advertisers together."""

import numpy as np

from walras.core.rollout import Trajectory
from walras.envs.auctions.autobidding_market import AutobiddingMarket
from walras.envs.auctions.periods import AutobiddingState
from walras.scenarios.engine.measure import measure

Played = Trajectory[AutobiddingState]


@measure("spend", "a period")
def spend(game: AutobiddingMarket, trajectory: Played) -> float:
    """Return the spend a period, money."""
    return float(trajectory.state.all_spend[-1].sum(axis=1).mean() / game.horizon)


@measure("value for money")
def ratio(game: AutobiddingMarket, trajectory: Played) -> float:
    """Return all value for all spend; infinite where nothing is spent."""
    value, paid = (part[-1].sum() for part in (trajectory.state.all_value, trajectory.state.all_spend))
    return float(value / paid) if paid > 0 else np.inf


@measure("value short of the target", "a period")
def shortfall(game: AutobiddingMarket, trajectory: Played) -> float:
    """Return by how much the value of an episode stays below the target's, a period, money."""
    missed = game.shortfall(trajectory.state.all_value[-1], trajectory.state.all_spend[-1])
    return float(missed.sum(axis=1).mean() / game.horizon)


@measure("spend above the budget", "a period")
def overspend(game: AutobiddingMarket, trajectory: Played) -> float:
    """Return by how much the spend of an episode exceeds the budget, a period, money."""
    missed = game.overspend(trajectory.state.all_spend[-1], game.horizon)
    return float(missed.sum(axis=1).mean() / game.horizon)
