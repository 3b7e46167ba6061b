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
from walras.envs.teams.team_lq import AbstractTeamLQ


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
        from walras.envs.teams.team_lq_compiled import drawn  # numba: only where it is used
        from walras.markets.compiled import plain

        y, z = drawn(plain(self.spread.start), plain(self.spread.common_start), plain(noise))
        return LimitState(y, z, np.zeros(len(noise), dtype=np.int64))

    def step(self, state: LimitState, action: Floats, noise: Floats) -> Step[LimitState]:
        """Move both processes, and pay."""
        from walras.envs.teams.team_lq_compiled import limit_last_cost, limit_step  # numba: only where it is used
        from walras.markets.compiled import plain

        rows, each = len(action), self.controls
        own, joint = action[..., :each].reshape(rows, -1), action[..., each:].reshape(rows, -1)
        given = plain(state.y), plain(state.z), plain(own), plain(joint), plain(noise)
        y, z, cost = limit_step(*self._drift, *given, self._costs[:4])
        after = LimitState(y, z, state.taken + 1)
        ended = after.taken == self.horizon
        if ended.any():
            cost[ended] += limit_last_cost(*self._costs[4:], plain(y[ended]), plain(z[ended]))
        return Step(after, -cost, np.zeros(len(cost), dtype=np.bool_))

    def observe(self, state: LimitState) -> Floats:
        """Show each team the process, the mean, and the time."""
        rows, n = state.z.shape
        seen = np.empty((rows, self.teams, 2 * n + 1))
        seen[..., :n] = (state.y + state.z)[:, None]
        seen[..., n:-1] = state.z[:, None]
        seen[..., -1] = (state.taken / self.horizon)[:, None]
        return seen

    @cached_property
    def _drift(self) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
        """What moves deviation and mean, as compiled functions take it: A, B and the noise of each."""
        from walras.markets.compiled import plain  # numba: only where it is used

        m = self.matrices
        own = plain(m.A), plain(m.B), plain(self.spread.noise)
        return *own, plain(m.A + m.A_mean), plain(m.B + m.B_mean), plain(self.spread.common_noise)

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
