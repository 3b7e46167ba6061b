r"""A team that must do well whatever nature does: linear dynamics, and a disturbance that may be adversarial.

Description
-----------
M agents share linear dynamics and feel their mean. Agent j controls :math:`u^1_j`; nature disturbs it by
:math:`u^2_j` [1]_:

.. math:: x_{j,t+1} = A x_{j,t} + \bar A \bar x_t + B u^1_{j,t} + \bar B \bar u^1_t + u^2_{j,t} + w_{j,t} + w^0_t .

The robust cost of a step, on average over the agents, is

.. math:: |x_j - \bar x|^2_Q + |\bar x|^2_{\bar Q} + |u^1_j - \bar u^1|^2 + |\bar u^1|^2
          - \gamma^2 \big( |u^2_j - \bar u^2|^2 + |\bar u^2|^2 \big),

with the attenuation level :math:`\gamma`: the team pays it, nature receives it. It is `TeamMeanFieldLQ` with two teams,
the second of which is nature. In deviations and in the mean alike, nature's control enters with gain one: our reading
of a model whose printed forms differ in that factor.

Agents
------
2 M agents, ``agent_0`` .. ``agent_{M-1}``, then ``nature_0`` .. ``nature_{M-1}``.

State
-----
All processes ``[B, M, m]`` and the steps taken ``[B]``.

Action
------
``[B, 2 M, m]``, from -`limit` to `limit`. Of an agent's action the first p entries are its control; the rest, where p
is less than m, moves nothing and costs what a control costs.

Observation
-----------
| index | meaning | low | high |
|---|---|---|---|
| 0 .. m - 1 | own process | -inf | inf |
| m .. 2 m - 1 | mean of all processes | -inf | inf |
| 2 m | share of the horizon that has passed | 0 | 1 |

Reward
------
Minus the robust cost of the step for agents, the robust cost for nature; the last step's includes the last state's.

Starting state
--------------
:math:`x_j` normal with covariance `start`, and all together with covariance `common_start`.

Episode end
-----------
Terminated after `horizon` steps: costs and equilibrium are those of a finite episode.

Parameters
----------
A, A_mean : ``[m, m]``.
B, B_mean : ``[m, p]``, with p at most m.
Q, Q_mean, Q_end, Q_mean_end : ``[m, m]``, symmetric; the last two as the first two by default.
attenuation : level :math:`\gamma`.
noise_covariance, common_noise, start, common_start : ``[m, m]``.
size : M, agents of the team.
horizon : steps an episode.
limit : largest control that a learner tries.
discount : weight of the next reward in a learner's objective, in [0, 1).

Solution
--------
A saddle point exists where the level is large enough, `walras.equilibria.teams.robust`. The scripted rule is no control
and no disturbance.

References
----------
[1] M. A. uz Zaman, M. Lauriere, A. Koppel, T. Basar, Robust cooperative multi-agent reinforcement learning: a
    mean-field type game perspective, L4DC 2024; arXiv 2406.13992.

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
from numpy.typing import ArrayLike

from walras.core.checks import as_floats, as_shaped, require, require_numbers
from walras.core.game import AbstractGame, End, Step
from walras.core.typing import Floats, Image
from walras.envs.teams.team_lq import lock
from walras.envs.teams.team_mean_field_lq import TeamMeanFieldLQ, TeamState

ONE = ((1.0, 0.0), (0.0, 1.0))


@final
@dataclass(frozen=True, eq=False)
class RobustTeamLQ(AbstractGame[TeamState]):
    """A team of M agents against nature.

    Raises
    ------
    ValueError
        If shapes disagree, a cost is not symmetric, a covariance has a negative eigenvalue, or a number is out of
        range.
    """

    A: ArrayLike = ((1.0, 0.2), (0.0, 0.9))
    A_mean: ArrayLike = ((0.1, 0.0), (0.05, 0.1))
    B: ArrayLike = ((0.8, 0.0), (0.1, 0.6))
    B_mean: ArrayLike = ((0.1, 0.0), (0.0, 0.1))
    Q: ArrayLike = ONE
    Q_mean: ArrayLike = ONE
    Q_end: ArrayLike | None = None
    Q_mean_end: ArrayLike | None = None
    attenuation: float = 5.0
    noise_covariance: ArrayLike = ((0.1, 0.0), (0.0, 0.1))
    common_noise: ArrayLike = ((0.05, 0.0), (0.0, 0.05))
    start: ArrayLike = ((0.2, 0.0), (0.0, 0.2))
    common_start: ArrayLike = ((0.2, 0.0), (0.0, 0.2))
    size: int = 32
    horizon: int = 3
    limit: float = 10.0
    discount: float = 0.99

    def __post_init__(self) -> None:
        require_numbers(self)
        require(0 < self.attenuation < np.inf, "attenuation", "be positive and finite", self.attenuation)
        m, p = as_floats("B", self.B, 2).shape
        require(1 <= p <= m, "B", f"have between 1 and {m} columns", p)
        lock(self)
        _ = self.teams  # checks the rest

    @classmethod
    def mild(cls, horizon: int = 3, size: int = 32) -> "RobustTeamLQ":
        """Return a team with mild dynamics and much attenuation to spare."""
        return cls(horizon=horizon, size=size)

    @classmethod
    def unstable(cls, horizon: int = 3, size: int = 32) -> "RobustTeamLQ":
        """Return a team with unstable dynamics and a tighter attenuation level."""
        return cls(
            A=((1.5, 0.3), (0.1, 1.4)),
            A_mean=((0.1, 0.0), (0.0, 0.1)),
            B=((1.0, 0.2), (0.0, 1.0)),
            attenuation=3.0,
            horizon=horizon,
            size=size,
        )

    @cached_property
    def teams(self) -> TeamMeanFieldLQ:
        """The same as a game of two teams, the second of which is nature."""
        m = len(as_floats("A", self.A, 2))
        push = [self._beside_nature(name, m) for name in ("B", "B_mean")]
        worth = {"Q": self.Q, "Q_mean": self.Q_mean, "Q_end": self.Q_end, "Q_mean_end": self.Q_mean_end}
        costs = {name: None if q is None else _opposed(name, q, m) for name, q in worth.items()}
        paid = np.stack([np.eye(m), -(self.attenuation**2) * np.eye(m)])
        return TeamMeanFieldLQ(
            A=self.A,
            A_mean=self.A_mean,
            B=push[0],
            B_mean=push[1],
            **costs,  # type: ignore[arg-type] - Q and Q_mean are never None
            R=np.stack([paid, -paid]),
            R_mean=np.stack([paid, -paid]),
            noise_covariance=self.noise_covariance,
            common_noise=self.common_noise,
            start=self.start,
            common_start=self.common_start,
            size=self.size,
            horizon=self.horizon,
            limit=self.limit,
            discount=self.discount,
        )

    def _beside_nature(self, name: str, m: int) -> Floats:
        """Return the gains of team and nature, ``[2, m, m]``; nature's mean has no gain of its own."""
        given = as_floats(name, getattr(self, name), 2)
        given = as_shaped(name, given, (m, as_floats("B", self.B, 2).shape[1]))
        padded = np.concatenate([given, np.zeros((m, m - given.shape[1]))], axis=1)
        return np.stack([padded, np.eye(m) if name == "B" else np.zeros((m, m))])

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``agent_0`` and on, then ``nature_0`` and on."""
        return tuple(f"{side}_{j}" for side in ("agent", "nature") for j in range(self.size))

    @property
    def ends(self) -> End:
        """The horizon is a rule."""
        return "rule"

    @property
    def observation_space(self) -> Box:  # type: ignore[override]
        """See the module's table."""
        return self.teams.observation_space

    @property
    def action_space(self) -> Box:  # type: ignore[override]
        """A control or a disturbance."""
        return self.teams.action_space

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        """Draw normal numbers, ``[steps, M + 1, m]``; the first of a step is common to all."""
        return self.teams.noise(rng, steps)

    def reset(self, noise: Floats) -> TeamState:
        """Draw the first states."""
        return self.teams.reset(noise)

    def step(self, state: TeamState, action: Floats, noise: Floats) -> Step[TeamState]:
        """Move all processes; the team pays nature."""
        return self.teams.step(state, action, noise)

    def observe(self, state: TeamState) -> Floats:
        """Show each agent its process, the mean, and the time."""
        return self.teams.observe(state)

    def scripted(self, observation: Floats) -> Floats:
        """Do nothing."""
        return self.teams.scripted(observation)

    def text(self, state: TeamState) -> str:
        """List the means of the processes."""
        return self.teams.text(state)

    def image(self, state: TeamState) -> Image:
        """Draw every process and the mean."""
        return self.teams.image(state)


def _opposed(name: str, cost: ArrayLike, m: int) -> Floats:
    found = as_shaped(name, cost, (m, m))
    return np.stack([found, -found])
