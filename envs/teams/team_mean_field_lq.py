r"""Teams of many agents: cooperative inside, competitive between, linear dynamics and quadratic costs.

Description
-----------
N teams of M agents. The agents of equal index j, one of each team, move one process :math:`x_j`, which stacks their
states; all feel the means over j, :math:`\bar x` and :math:`\bar u^i` [1]_:

.. math:: x_{j,t+1} = A x_{j,t} + \bar A \bar x_t + \sum_i (B^i u^i_{j,t} + \bar B^i \bar u^i_t) + w_{j,t} + w^0_t .

Team i pays, on average over its agents,

.. math:: |x_j - \bar x|^2_{Q^i} + |\bar x|^2_{\bar Q^i}
          + \sum_k \big( |u^k_j - \bar u^k|^2_{R^{ik}} + |\bar u^k|^2_{\bar R^{ik}} \big)

a step, and :math:`|x_j - \bar x|^2_{Q^i_T} + |\bar x|^2_{\bar Q^i_T}` for the last state. The stacking is our reading:
with costs on a team's own states alone the game would fall apart into N problems.

Agents
------
N M agents, ``team_0_agent_0`` .. ``team_{N-1}_agent_{M-1}``.

State
-----
All processes ``[B, M, n]`` and the steps taken ``[B]``.

Action
------
``[B, N M, p]``: the agent's control, from -`limit` to `limit`. The shells refuse what lies beyond.

Observation
-----------
| index | meaning | low | high |
|---|---|---|---|
| 0 .. n - 1 | own process | -inf | inf |
| n .. 2 n - 1 | mean of all processes | -inf | inf |
| 2 n | share of the horizon that has passed | 0 | 1 |

Reward
------
Minus the team's cost of the step, the same for all its agents; the last step's includes the cost of the last state.
An episode's rewards sum to minus the team's cost.

Starting state
--------------
:math:`x_j` normal with covariance `start`, and all together with covariance `common_start`.

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
size : M, agents of a team.
horizon : steps an episode.
limit : largest control that a learner tries.
discount : weight of the next reward in a learner's objective, in [0, 1).

Solution
--------
Deviations :math:`x_j - \bar x` and the mean :math:`\bar x` are two linear-quadratic games; the feedback Nash
equilibrium of each follows from coupled Riccati equations, `walras.equilibria.teams.team_mean_field`. The scripted rule
is no control.

References
----------
[1] M. A. uz Zaman, A. Koppel, M. Lauriere, T. Basar, Independent RL for cooperative-competitive agents: a mean-field
    perspective, 2024; arXiv 2403.11345.

Version history
---------------
v1: the horizon terminates an episode; it truncated one. States and rewards are those of v0.

v0: first version.
"""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, final

import numpy as np
from gymnasium.spaces import Box

from walras.core.checks import require, require_numbers
from walras.core.game import State, Step
from walras.core.typing import Floats, Image, Ints
from walras.envs.teams.team_lq import AbstractTeamLQ, applied, average, components

if TYPE_CHECKING:
    from walras.envs.teams.mean_field_limit_lq import MeanFieldLimitLQ


@dataclass(frozen=True)
class TeamState(State):
    """All processes, and the time."""

    x: Floats  # [B, M, n]
    taken: Ints  # [B] steps


@final
@dataclass(frozen=True, eq=False)
class TeamMeanFieldLQ(AbstractTeamLQ[TeamState]):
    """N teams of M agents with linear dynamics and quadratic costs.

    Raises
    ------
    ValueError
        If shapes disagree, a cost is not symmetric, or an eigenvalue of a control's cost or of a covariance has the
        wrong sign; the eigenvalue is told.
    """

    size: int = 32

    def __post_init__(self) -> None:
        require_numbers(self)
        super().__post_init__()
        require(self.size >= 1, "size", "be at least 1", self.size)

    @classmethod
    def mild(cls, size: int = 32) -> "TeamMeanFieldLQ":
        """Return two teams with weak coupling and stable dynamics."""
        return cls(size=size)

    @classmethod
    def unstable(cls, horizon: int = 5, size: int = 32) -> "TeamMeanFieldLQ":
        """Return two teams with strong coupling and unstable dynamics."""
        return cls(
            A=((1.2, 0.1), (0.05, 1.15)),
            A_mean=np.full((2, 2), 0.05),
            B=(((1.0,), (0.3,)), ((0.3,), (1.0,))),
            horizon=horizon,
            size=size,
        )

    def limit_game(self) -> "MeanFieldLimitLQ":
        """Return the game of infinitely many agents."""
        from walras.envs.teams.mean_field_limit_lq import MeanFieldLimitLQ

        return MeanFieldLimitLQ(**{f.name: getattr(self, f.name) for f in fields(AbstractTeamLQ)})

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``team_0_agent_0`` and on, team by team."""
        return tuple(f"team_{i}_agent_{j}" for i in range(self.teams) for j in range(self.size))

    @cached_property
    def action_space(self) -> Box:
        """A control."""
        return Box(-self.limit, self.limit, (self.controls,), dtype=np.float64)

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        """Draw normal numbers, ``[steps, M + 1, n]``; the first of a step is common to all."""
        return rng.standard_normal((steps, self.size + 1, len(self.matrices.A)))

    def reset(self, noise: Floats) -> TeamState:
        """Draw the first states."""
        e = components(noise)
        x = applied(self.spread.start, e[..., 1:]) + applied(self.spread.common_start, e[..., :1])
        return TeamState(np.moveaxis(x, 0, -1), np.zeros(len(noise), dtype=np.int64))

    def step(self, state: TeamState, action: Floats, noise: Floats) -> Step[TeamState]:
        """Move all processes, and pay."""
        from walras.envs.teams.team_lq_compiled import last_cost, team_step  # numba: only where it is used
        from walras.markets.compiled import plain

        given = plain(components(state.x)), plain(self._controls(action)), plain(components(noise))
        moved, cost = team_step(*self._drift, *given, self._costs[:4])
        after = TeamState(np.moveaxis(moved, 0, -1), state.taken + 1)
        ended = after.taken == self.horizon
        if ended.any():
            cost[ended] += last_cost(*self._costs[4:], plain(moved[:, ended]))
        return Step(after, np.repeat(-cost, self.size, axis=1), np.zeros(len(cost), dtype=np.bool_))

    @cached_property
    def _drift(self) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
        """What moves the processes, as compiled functions take it: A, B and the noise, own and common."""
        from walras.markets.compiled import plain  # numba: only where it is used

        m = self.matrices
        moves = plain(m.A), plain(m.A_mean), plain(m.B), plain(m.B_mean)
        return *moves, plain(self.spread.noise), plain(self.spread.common_noise)

    def observe(self, state: TeamState) -> Floats:
        """Show each agent its process, the mean, and the time."""
        x, n = state.x, state.x.shape[2]
        seen = np.empty((len(x), self.teams, self.size, 2 * n + 1))
        seen[..., :n] = x[:, None]
        seen[..., n:-1] = np.moveaxis(average(components(x)), 0, -1)[:, None]
        seen[..., -1] = (state.taken / self.horizon)[:, None, None]
        return seen.reshape(len(x), self.teams * self.size, 2 * n + 1)

    def scripted(self, observation: Floats) -> Floats:
        """Do nothing."""
        return np.zeros((*observation.shape[:2], self.controls))

    def _controls(self, action: Floats) -> Floats:
        """Return all teams' controls side by side, ``[P, B, M]``."""
        by_team = action.reshape(len(action), self.teams, self.size, self.controls)
        return np.ascontiguousarray(by_team.transpose(1, 3, 0, 2)).reshape(-1, len(action), self.size)

    def text(self, state: TeamState) -> str:
        """List the means of the processes."""
        mean, spread = state.x[0].mean(axis=0), state.x[0].std(axis=0)
        rows = [f"x_{k} mean {a:8.3f} deviation {s:7.3f}" for k, (a, s) in enumerate(zip(mean, spread, strict=True))]
        return "\n".join([f"step {int(state.taken[0])} of {self.horizon}", *rows])

    def image(self, state: TeamState) -> Image:
        """Draw every process and the mean."""
        from walras.envs.teams.pictures import draw_processes

        return draw_processes(state.x[0])
