"""Measures of fair division."""

import numpy as np

from walras.core.rollout import Trajectory
from walras.envs.allocation.resource_allocation import AllocationState, ResourceAllocation


def nash_welfare(game: ResourceAllocation, trajectory: Trajectory[AllocationState]) -> float:
    """Return the mean over profiles of the weighted geometric mean of utilities."""
    weights = np.array(game.weights) / np.sum(game.weights)
    return float(np.prod(trajectory.reward**weights, axis=2).mean())


def efficiency(game: ResourceAllocation, trajectory: Trajectory[AllocationState]) -> float:
    """Return what is allocated as a share of what agents could use."""
    usable = np.minimum(game.budgets, trajectory.state.demands[:-1].sum(axis=2))
    return float((trajectory.state.allocation[1:].sum(axis=2) / usable).mean())


def smallest_utility(game: ResourceAllocation, trajectory: Trajectory[AllocationState]) -> float:
    """Return the mean over profiles of the smallest utility."""
    return float(trajectory.reward.min(axis=2).mean())
