"""What a demonstration must satisfy: which steps an agent can make in its game, alone or in the presence of others."""

from functools import singledispatch
from typing import TYPE_CHECKING, Any

import numpy as np

from walras.core.abilities import Personal
from walras.core.game import AbstractGame, State
from walras.core.typing import Bools, Floats, Ints
from walras.envs.cooperation.cooperative_navigation import CooperativeNavigation, NavigationState
from walras.envs.cooperation.grid_world import GridWorld, GridWorldState

if TYPE_CHECKING:
    from walras.agents.imitation.demonstrations import Demonstrations

TOLERANCE = 1e-6
"""How far a demonstrated state may lie from the one that the game computes."""


def as_personal(game: AbstractGame[Any]) -> Personal:
    """Return `game`, whose agents have tasks of their own.

    Raises
    ------
    TypeError
        If they have none.
    """
    if not isinstance(game, Personal):
        raise TypeError(f"`game` must have personal tasks (`own` and `alone`); got {type(game).__name__}.")
    return game


@singledispatch
def possible(alone: AbstractGame[Any], steps: "Demonstrations") -> Bools:
    """Return which steps an agent can make in its game `alone`, ``[M]``; together, in the presence of others.

    All of them, if nothing is registered for the game's type. Those that register here, as grid worlds and navigation
    do, have their demonstrations checked step by step.
    """
    del alone
    return np.ones(len(steps.agent), np.bool_)


@possible.register(GridWorld)
def _possible_on_grid(alone: GridWorld, steps: "Demonstrations") -> Bools:
    cell = np.clip(steps.state, 0, np.array(alone.grid.shape) - 1).astype(np.int64)
    clock, collided = np.zeros(len(cell), np.int64), np.zeros(len(cell), np.bool_)
    moved = _after(alone, GridWorldState(cell[:, None], clock, collided), steps)
    if steps.quality is None:  # somebody may stand in the way
        moved |= near(steps.next_state, steps.state)
    return moved & near(cell, steps.state)


@possible.register(CooperativeNavigation)
def _possible_flight(alone: CooperativeNavigation, steps: "Demonstrations") -> Bools:
    before = alone.recall(steps.state[:, None])
    if steps.quality is not None:
        return _after(alone, before, steps)
    after, physics = alone.recall(steps.next_state[:, None]), alone.physics  # others push, with whatever force
    force = (after.velocity - before.velocity * (1 - physics.damping)) * (physics.mass / physics.dt)
    position, velocity = physics.motion.advance(before.position, before.velocity, force, physics)
    pushed = alone.observe(NavigationState(position, velocity, before.landmark))
    return near(pushed[:, 0, : alone.own], steps.next_state)


def near(first: Floats | Ints, second: Floats) -> Bools:
    """Return which rows of ``[M, S]`` are the same, up to `TOLERANCE`."""
    return np.logical_and.reduce(np.abs(first - second) <= TOLERANCE, axis=1)


def _after(alone: AbstractGame[Any], state: State, steps: "Demonstrations") -> Bools:
    """Return whether the actions lead from `state` where `steps` say; alone, nothing is left to chance."""
    noise = alone.noise(np.random.default_rng(0), len(steps.agent))
    reached = alone.observe(alone.step(state, steps.action[:, None], noise).state)
    return near(reached[:, 0, : steps.state.shape[1]], steps.next_state)
