r"""Experience of learners on policy: episodes that go on from one rollout to the next, and advantages.

Generalised advantage estimation [1]_, with what an episode's end means kept apart:

.. math:: \delta_t = r_t + \gamma (1 - d_t) V(s'_t) - V(s_t), \qquad
          A_t = \delta_t + \gamma \lambda (1 - e_t) A_{t+1},

where :math:`s'_t` is the observation after the step, before any reset, :math:`d_t` says that the game ended by its own
rules, of which the horizon is one if the game declares it, and :math:`e_t` that it did or was cut off. An episode that
was cut off is thus worth what it would have gone on to earn, one that ended nothing, and no estimate crosses from one
episode to the next.

References
----------
[1] J. Schulman, P. Moritz, S. Levine, M. Jordan, P. Abbeel, High-dimensional continuous control using generalized
advantage estimation, ICLR 2016, equations 11 to 16.
"""

from typing import Any, NamedTuple, final

import numpy as np
import torch
from gymnasium.spaces import Discrete
from torch import Tensor

from walras.agents.ppo.actors import Sampled
from walras.core.game import AbstractGame
from walras.core.shells import Vector, VectorStep
from walras.core.typing import Floats


class Rollout(NamedTuple):
    """T steps of B concurrent games of N agents, in the game's units, single precision."""

    observation: Tensor  # [T, B, N, O] what the agents saw
    action: Tensor  # [T, B, N] indices (int64) or [T, B, N, A], as the game played them
    next_observation: Tensor  # [T, B, N, O] after the step, before any reset
    reward: Tensor  # [T, B, N]
    terminated: Tensor  # [T, B] the game ended by its own rules
    truncated: Tensor  # [T, B] it was cut off


class Ended(NamedTuple):
    """Episodes that ended in a rollout."""

    episodes: int
    total: Floats  # [N] the sum of their returns


@final
class Play:
    """Concurrent episodes that go on from one rollout to the next.

    Parameters
    ----------
    game : AbstractGame
        The game.
    num_envs : int
        B, the number of concurrent episodes.
    seed : SeedSequence
        Of the games' noise and of the agents' draws.
    """

    def __init__(self, game: AbstractGame[Any], num_envs: int, seed: np.random.SeedSequence) -> None:
        noise, draws = seed.spawn(2)
        self._vector = Vector(game, num_envs)
        self._observation = self._vector.reset(noise.spawn(num_envs))
        self._rng = np.random.default_rng(draws)
        self._total = np.zeros((num_envs, len(game.agents)))

    def collect(self, policy: Sampled, steps: int) -> tuple[Rollout, Tensor, Ended]:
        """Play on for `steps` steps.

        Returns
        -------
        rollout : Rollout
            What happened.
        drawn : Tensor
            What the policy drew, ``[T, B, N]`` or ``[T, B, N, A]``: numbers before they are cut to the box.
        ended : Ended
            The episodes that ended.
        """
        rows, agents, size = self._observation.shape
        space = self._vector.game.action_space
        kind = np.int64 if isinstance(space, Discrete) else np.float32
        before, after = np.empty((2, steps, rows, agents, size), dtype=np.float32)
        drawn, played = np.empty((2, steps, rows, agents, *(space.shape or ())), dtype=kind)
        reward = np.empty((steps, rows, agents), dtype=np.float32)
        terminated, truncated = np.empty((2, steps, rows), dtype=np.bool_)
        ended = list[Ended]()
        for t in range(steps):
            draw = policy.draw(self._observation, self._rng)
            action = policy.choice.played(draw)
            step = self._vector.step(action)
            before[t], after[t], drawn[t], played[t] = self._observation, step.final_observation, draw, action
            reward[t], terminated[t], truncated[t] = step.reward, step.terminated, step.truncated
            ended.append(self._count(step))
            self._observation = step.observation
        parts = (before, played, after, reward, terminated, truncated)
        rollout = Rollout(*(torch.from_numpy(part) for part in parts))
        episodes, total = zip(*ended, strict=True)
        return rollout, torch.from_numpy(drawn), Ended(sum(episodes), np.sum(total, axis=0))

    def _count(self, step: VectorStep) -> Ended:
        """Add a step to its episodes' returns; return those of the episodes that it ended."""
        self._total += step.reward
        ended = np.flatnonzero(step.terminated | step.truncated)
        total = self._total[ended].sum(axis=0)
        self._total[ended] = 0.0
        return Ended(len(ended), total)


def advantages(
    reward: Tensor,
    value: Tensor,
    next_value: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    discount: float,
    decay: float,
) -> Tensor:
    """Return the advantages ``[T, B, N]``; see the module.

    Parameters
    ----------
    reward, value, next_value : Tensor
        ``[T, B, N]``; `next_value` that of the observation after the step, before any reset.
    terminated, truncated : Tensor
        ``[T, B]``.
    discount, decay : float
        Gamma and lambda.
    """
    goes_on = ~terminated[:, :, None]
    error = reward + discount * next_value * goes_on - value
    weight = discount * decay * (goes_on & ~truncated[:, :, None]).to(error)
    found, running = torch.empty_like(error), torch.zeros_like(error[0])
    for t in range(len(error) - 1, -1, -1):
        running = error[t] + weight[t] * running
        found[t] = running
    return found
