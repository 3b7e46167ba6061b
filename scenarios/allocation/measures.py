"""Measures of fair division."""

import numpy as np

from walras.core.rollout import Trajectory
from walras.envs.allocation.resource_allocation import AllocationState, ResourceAllocation
from walras.scenarios.engine.measure import measure


@measure("Nash welfare")
def nash_welfare(game: ResourceAllocation, trajectory: Trajectory[AllocationState]) -> float:
    """Return the mean over profiles of the weighted geometric mean of utilities."""
    weights = np.array(game.weights) / np.sum(game.weights)
    return float(np.prod(trajectory.reward**weights, axis=2).mean())


@measure("allocated", "of what agents could use", "share")
def efficiency(game: ResourceAllocation, trajectory: Trajectory[AllocationState]) -> float:
    """Return what is allocated as a share of what agents could use."""
    usable = np.minimum(game.budgets, trajectory.state.demands[:-1].sum(axis=2))
    return float((trajectory.state.allocation[1:].sum(axis=2) / usable).mean())


@measure("smallest utility")
def smallest_utility(game: ResourceAllocation, trajectory: Trajectory[AllocationState]) -> float:
    """Return the mean over profiles of the smallest utility."""
    return float(trajectory.reward.min(axis=2).mean())
