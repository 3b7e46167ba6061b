r"""Teams of infinitely many agents: the limit of `walras.envs.teams.team_mean_field_lq`.

Description
-----------
Of infinitely many agents a generic one is followed, with the mean of all. Its deviation y from the mean, and the mean
z, which the common noise alone moves at random, are two processes:

.. math:: y_{t+1} = A y_t + \sum_i B^i v^i_t + w_t, \qquad
          z_{t+1} = (A + \bar A) z_t + \sum_i (B^i + \bar B^i) \bar u^i_t + w^0_t .

Agents
------
N teams, ``team_0`` .. ``team_{N-1}``.

State
-----
Deviation and mean, ``[B, n]`` each, and the steps taken ``[B]``.

Action
------
``[B, N, 2 p]``: the team's control of its generic agent's deviation, v, then that of its mean, each from -`limit` to
`limit` of the finite game.

Observation
-----------
As in the finite game: the process y + z, the mean z, and the share of the horizon that has passed.

Reward
------
Minus the cost of the step, as in the finite game with the generic agent's in the place of the average; in expectation
they are the same.

Starting state
--------------
y normal with covariance `start`, z with `common_start`.

Episode end
-----------
Terminated after `horizon` steps: costs and equilibrium are those of a finite episode.

Parameters
----------
A, A_mean : ``[n, n]``.
B, B_mean : ``[N, n, p]``.
Q, Q_mean, Q_end, Q_mean_end : ``[N, n, n]``, symmetric; the last two as the first two by default.
R, R_mean : ``[N, p, p]``, what a team pays for its own control, positive definite; or ``[N, N, p, p]``, team i for k's.
noise_covariance, common_noise, start, common_start : ``[n, n]``.
horizon : steps an episode.
limit : largest control that a learner tries.
discount : weight of the next reward in a learner's objective, in [0, 1).

Solution
--------
As for the finite game: its equilibrium gains do not depend on its size.

References
----------
[1] M. A. uz Zaman, A. Koppel, M. Lauriere, T. Basar, Independent RL for cooperative-competitive agents: a mean-field
    perspective, 2024; arXiv 2403.11345.

Version history
---------------
v1: the horizon terminates an episode; it truncated one. States and rewards are those of v0.

v0: first version.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from gymnasium.spaces import Box

from walras.core.game import State, Step
from walras.core.typing import Floats, Image, Ints
from walras.envs.teams.team_lq import AbstractTeamLQ, applied, components, mean_cost


@dataclass(frozen=True)
class LimitState(State):
    """The generic agent's deviation, the mean, and the time."""

    y: Floats  # [B, n]
    z: Floats  # [B, n]
    taken: Ints  # [B] steps


@final
@dataclass(frozen=True, eq=False)
class MeanFieldLimitLQ(AbstractTeamLQ[LimitState]):
    """N teams of infinitely many agents; errors as `TeamMeanFieldLQ`."""

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``team_0`` .. ``team_{N-1}``."""
        return tuple(f"team_{i}" for i in range(self.teams))

    @cached_property
    def action_space(self) -> Box:
        """Two controls, of the deviation and of the mean."""
        return Box(-self.limit, self.limit, (2 * self.controls,), dtype=np.float64)

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        """Draw normal numbers, ``[steps, 2, n]``: the generic agent's, and those common to all."""
        return rng.standard_normal((steps, 2, len(self.matrices.A)))

    def reset(self, noise: Floats) -> LimitState:
        """Draw the first state."""
        e = components(noise)
        y, z = applied(self.spread.start, e[..., 0]), applied(self.spread.common_start, e[..., 1])
        return LimitState(y.T, z.T, np.zeros(len(noise), dtype=np.int64))

    def step(self, state: LimitState, action: Floats, noise: Floats) -> Step[LimitState]:
        """Move both processes, and pay."""
        m, e, y, z = self.matrices, components(noise), components(state.y), components(state.z)
        v, u = (components(part.reshape(len(action), -1)) for part in np.split(action, 2, axis=2))
        y_next = applied(m.A, y) + applied(m.B, v) + applied(self.spread.noise, e[..., 0])
        z_next = applied(m.A + m.A_mean, z) + applied(m.B + m.B_mean, u) + applied(self.spread.common_noise, e[..., 1])
        cost = _paid(m.Q, y) + _paid(m.Q_mean, z) + _paid(m.R, v) + _paid(m.R_mean, u)
        after = LimitState(y_next.T, z_next.T, state.taken + 1)
        last = _paid(m.Q_end, y_next) + _paid(m.Q_mean_end, z_next)
        cost += np.where((after.taken == self.horizon)[:, None], last, 0.0)
        return Step(after, -cost, np.zeros(len(cost), dtype=np.bool_))

    def observe(self, state: LimitState) -> Floats:
        """Show each team the process, the mean, and the time."""
        seen = np.concatenate([state.y + state.z, state.z, (state.taken / self.horizon)[:, None]], axis=1)
        return np.repeat(seen[:, None], len(self.agents), axis=1)

    def scripted(self, observation: Floats) -> Floats:
        """Do nothing."""
        return np.zeros((*observation.shape[:2], 2 * self.controls))

    def text(self, state: LimitState) -> str:
        """List deviation and mean."""
        pairs = enumerate(zip(state.y[0], state.z[0], strict=True))
        rows = [f"x_{k} mean {z:8.3f} deviation {y:8.3f}" for k, (y, z) in pairs]
        return "\n".join([f"step {int(state.taken[0])} of {self.horizon}", *rows])

    def image(self, state: LimitState) -> Image:
        """Draw the generic agent and the mean."""
        from walras.envs.teams.pictures import draw_processes

        return draw_processes(np.stack([state.z[0] + state.y[0], state.z[0] - state.y[0]]))


def _paid(weights: Floats, x: Floats) -> Floats:
    return mean_cost(weights, x[..., None])
