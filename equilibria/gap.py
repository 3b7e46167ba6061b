"""The gap: how much each agent would gain by its best deviation, the distance of a policy from equilibrium.

A game of your own joins by `deviation.register` or, with deviations of a whole episode, by `gap.register`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from walras.core.display import Shown
from walras.core.game import AbstractGame, Actions, map_state
from walras.core.policy import Policy
from walras.core.rollout import rollout
from walras.core.typing import Floats
from walras.equilibria.registration import DEVIATIONS, GAPS, answer, unanswered


@dataclass(frozen=True, eq=False)
class Gap(Shown):
    """What each agent would gain by its best deviation; where rewards are in EUR, so are the gains."""

    per_agent: Floats  # [N] mean gain a step, or an episode where the game pays per episode
    reward: Floats  # [N] mean reward under the policy, likewise
    gain: Floats  # [T, B, N] gain at each step

    @property
    def relative(self) -> Floats:
        """Gain as a share of `scale`, ``[N]``; infinite where a gain meets a scale of zero."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.per_agent > 0, self.per_agent / self.scale, 0.0)

    @property
    def scale(self) -> Floats:
        """What gains are measured by, ``[N]``: the size of the reward."""
        return np.abs(self.reward)


@dataclass(frozen=True, eq=False)
class Shortfall(Gap):
    """What is missing of the best that is known for an episode, which measures it."""

    best: Floats  # [N]

    @property
    def scale(self) -> Floats:
        """The size of the best, ``[N]``."""
        return np.abs(self.best)


@dataclass(frozen=True, eq=False)
class StageGap(Gap):
    """Gains of the best one-step deviations along the policy's own play.

    At each step visited, agent i's gain is the largest reward that i could have had against the others' actions,
    less the reward it had; what follows the step is not counted. A policy without gain at any state is a Nash
    equilibrium of the stage game, and of its repetition.
    """

    deviation: Actions  # [T, B, N, A] what each agent would have done


@dataclass(frozen=True, eq=False)
class Deviation:
    """The best deviations in M stage games."""

    reward: Floats  # [M, N] what each agent has as played
    gain: Floats  # [M, N] what it would gain
    action: Actions  # [M, N, A] by this


@singledispatch
def deviation(game: AbstractGame[Any], state: Any, action: Actions) -> Deviation:  # noqa: ANN401
    """Return each agent's best deviation in M stage games, given ``state [M, ...]`` and ``action [M, N, A]``.

    Raises
    ------
    TypeError
        If none is registered for the game's type.
    """
    found = answer(DEVIATIONS, game)
    if found is None:
        raise unanswered(DEVIATIONS, deviation, game)
    return found(game, state, action)


@singledispatch
def gap(game: AbstractGame[Any], policy: Policy, seeds: Sequence[int] = (0,)) -> Gap:
    """Return what each agent would gain by its best deviation.

    Where actions move rewards alone, that is the best deviation of one step, on average over the policy's play. Games
    with dynamics register a gap of their own, of the best response over a whole episode.

    Parameters
    ----------
    game : AbstractGame
        One of the suite's games.
    policy : Policy
        Acts for all agents.
    seeds : sequence of int
        One episode each. A constant policy of a static game needs one; a gap that is exact needs none.

    Raises
    ------
    TypeError
        If no deviation is registered for the game's type.
    ValueError
        If `seeds` is empty.
    """
    own = answer(GAPS, game)
    return stage_gap(game, policy, seeds) if own is None else own(game, policy, seeds)


def stage_gap(game: AbstractGame[Any], policy: Policy, seeds: Sequence[int]) -> StageGap:
    """Return the gains of the best one-step deviations along the policy's play; parameters as in `gap`."""
    trajectory = rollout(game, policy, seeds)
    steps, rows, agents = trajectory.reward.shape
    alive = trajectory.alive[..., None]
    before = map_state(_before_each_step, trajectory.state)
    action = trajectory.action.reshape(steps * rows, *trajectory.action.shape[2:])
    found = deviation(game, before, action)
    gain = found.gain.reshape(steps, rows, agents) * alive
    reward = found.reward.reshape(steps, rows, agents) * alive
    return StageGap(
        per_agent=gain.sum(axis=(0, 1)) / alive.sum(),
        reward=reward.sum(axis=(0, 1)) / alive.sum(),
        gain=gain,
        deviation=found.action.reshape(trajectory.action.shape),
    )


def _before_each_step(values: NDArray[Any]) -> NDArray[Any]:
    """Return ``values [T + 1, B, ...]`` without the last, as ``[T * B, ...]``."""
    return values[:-1].reshape(-1, *values.shape[2:])
