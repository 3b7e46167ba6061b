"""Measures of what was played in finite games: how high profits were, and what share of the most all had together."""

import numpy as np

from walras.core.rollout import Trajectory
from walras.envs.matrix.repeated_matrix_game import RepeatedMatrixGame, RepeatedMatrixState
from walras.envs.matrix.repeated_pricing import PricingState, RepeatedPricing
from walras.scenarios.engine.measure import measure


@measure("profit gain over static Nash", "of that of joint monopoly", "share")
def profit_gain(game: RepeatedPricing, trajectory: Trajectory[PricingState]) -> float:
    """Return the mean Delta of the firms' profits: 0 in static Nash equilibrium, 1 under joint monopoly."""
    return float(game.profit_gain(trajectory.reward.mean(axis=(0, 1))).mean())


@measure("sum of payoffs", "of the most, above the least", "share")
def welfare(game: RepeatedMatrixGame, trajectory: Trajectory[RepeatedMatrixState]) -> float:
    """Return the mean sum of payoffs, as a share of the way from the least sum of a cell, 0, to the largest, 1."""
    cells = game.game.payoff.sum(axis=0)
    if not np.ptp(cells):
        return 1.0
    return float((trajectory.reward.sum(axis=2).mean() - cells.min()) / np.ptp(cells))
