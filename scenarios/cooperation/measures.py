"""Measures of agents who should cooperate: shares of the joint optimum, arrivals, collisions."""

from functools import lru_cache
from typing import Any

from walras.core.checks import require_each
from walras.core.policy import Policy
from walras.core.rollout import Trajectory, rollout
from walras.core.solution import Solution
from walras.core.typing import Floats
from walras.envs.cooperation.cooperative_navigation import CooperativeNavigation
from walras.envs.cooperation.grid_world import GridWorld, GridWorldState
from walras.envs.cooperation.particles import distances, touching
from walras.equilibria.solve import found_once
from walras.scenarios.engine.measure import measure


@lru_cache(maxsize=8)
def joint_optimum(game: GridWorld | CooperativeNavigation) -> Solution:
    """Return the joint optimum of agents that are paid alike, or the best plan found where its bounds do not meet."""
    return found_once(game)


@measure("return", "of the best found", "share")
def share_of_optimum(game: GridWorld | CooperativeNavigation, trajectory: Trajectory[Any]) -> float:
    """Return the mean return of an episode as a share of the best found, which is the joint optimum where bounds meet.

    It is negative where the return is.

    Raises
    ------
    ValueError
        If the optimum is not positive, as where each step of navigation costs agents their contact with themselves:
        ``Covering(self_contact=0.0)`` leaves that out.
    """
    return float((trajectory.total.mean(axis=0) / _positive_optimum(game)).mean())


@measure("return", "of the best found", "share")
def share_of_policy(game: GridWorld | CooperativeNavigation, policy: Policy) -> Floats:
    """Return the `share_of_optimum` of each agent over 64 episodes, ``[N]``."""
    played: Trajectory[Any] = rollout(game, policy, range(64))  # type: ignore[arg-type] - a game of either kind
    return played.total.mean(axis=0) / _positive_optimum(game)


def _positive_optimum(game: GridWorld | CooperativeNavigation) -> Floats:
    value = joint_optimum(game).value
    require_each(value > 0, "game", "have a joint optimum above zero, of which returns are shares", value)
    return value


@measure("goal reached", "of episodes", "share")
def goal_rate(game: GridWorld | CooperativeNavigation, trajectory: Trajectory[Any]) -> float:
    """Return the share of episodes that reach the goal: all who must arrive, or an agent near each landmark at last."""
    if isinstance(game, GridWorld):
        return float((trajectory.terminated & (trajectory.reward[..., 0] > 0)).any(axis=0).mean())
    near = distances(trajectory.state.position[-1], trajectory.state.landmark[-1]).min(axis=1) < game.physics.radius
    return float(near.all(axis=1).mean())


@measure("steps with a collision", "an episode")
def collisions(game: GridWorld | CooperativeNavigation, trajectory: Trajectory[Any]) -> float:
    """Return the mean number of steps of an episode in which a move was cancelled, or agents touched."""
    if isinstance(game, GridWorld):
        collided = trajectory.state.collided[1:]
    else:
        steps, rows, agents, _ = trajectory.state.position[1:].shape
        overlap = touching(trajectory.state.position[1:].reshape(-1, agents, 2), game.physics)
        collided = (overlap.sum(axis=(1, 2)) > agents).reshape(steps, rows)
    return float((collided & trajectory.alive).sum(axis=0).mean())


@measure("ended in lava", "of episodes", "share")
def lava_rate(game: GridWorld, trajectory: Trajectory[GridWorldState]) -> float:
    """Return the share of episodes that end in lava."""
    state = trajectory.state
    burnt = game.grid.lava[game.cells(state.position[1:])].any(axis=2)
    if game.lava_waits:
        burnt &= ~state.collided[1:]
    return float((trajectory.terminated & burnt & (trajectory.reward[..., 0] <= 0)).any(axis=0).mean())
