"""Measures of fair division."""

import numpy as np

from walras.core.game import map_state
from walras.core.rollout import Trajectory
from walras.core.typing import Floats
from walras.envs.allocation.resource_allocation import AllocationState, ResourceAllocation
from walras.equilibria.gap import before_each_step, deviation
from walras.mechanisms import problem
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


@measure("envy", "of the mean utility", "share")
def envy(game: ResourceAllocation, trajectory: Trajectory[AllocationState]) -> float:
    """Return the largest gain of an agent by another's bundle, on average over profiles, as a share of mean utility."""
    import torch

    state = trajectory.state
    parts = (state.allocation[1:], state.values[:-1], state.demands[:-1])
    gained = problem.envy(*(torch.from_numpy(part.reshape(-1, *part.shape[2:]).copy()) for part in parts)).numpy()
    return float(gained.max(axis=1).mean() / trajectory.reward.mean())


@measure("smallest utility")
def smallest_utility(game: ResourceAllocation, trajectory: Trajectory[AllocationState]) -> float:
    """Return the mean over profiles of the smallest utility."""
    return float(trajectory.reward.min(axis=2).mean())


@measure("exploitability", "of utility", "share")
def exploitability(game: ResourceAllocation, trajectory: Trajectory[AllocationState]) -> Floats:
    """Return what each agent's best report found gains if it knows all reports, ``[N]``, as a share of its utility."""
    steps, rows, agents = trajectory.reward.shape
    found = deviation(
        game, map_state(before_each_step, trajectory.state), trajectory.action.reshape(steps * rows, agents, -1)
    )
    return found.gain.mean(axis=0) / found.reward.mean(axis=0)
