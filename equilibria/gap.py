"""The gap: how much each agent would gain by its best deviation, the distance of a policy from equilibrium."""

from dataclasses import dataclass

import numpy as np

from walras.core.game import Actions
from walras.core.typing import Floats


@dataclass(frozen=True, eq=False)
class Gap:
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
