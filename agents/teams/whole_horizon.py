r"""Baselines: policy gradient over the whole horizon, all stages and all teams at once.

The exact gradient of the cost of a whole episode with respect to team i's gain at stage t is

.. math:: \nabla_{K^i_t} J^i = 2 \, [\Phi_t K_t - b_t]_i \, \Sigma_t,

where :math:`\Phi_t` and :math:`b_t` follow from the costs-to-go of the gains as they are, and :math:`\Sigma_t` is the
second moment of the states that they visit. `Vanilla` follows it: an exact MADPG [1]_ on linear policies, or in
`RobustTeamLQ` descent ascent, the exact deterministic policy gradient with which RGDA is compared [2]_. `Natural`
drops :math:`\Sigma_t`. Nothing is frozen, so early gains answer later ones that are still wrong: on a long horizon with
unstable dynamics costs-to-go explode, and the ball around zero is all that stops the gains.

References
----------
[1] R. Lowe et al., Multi-agent actor-critic for mixed cooperative-competitive environments, NeurIPS 2017.
[2] M. A. uz Zaman, M. Lauriere, A. Koppel, T. Basar, Robust cooperative multi-agent reinforcement learning: a
    mean-field type game perspective, L4DC 2024; arXiv 2406.13992, section 5.
"""

from dataclasses import dataclass, field
from typing import final

import numpy as np

from walras.agents.teams.policy_gradient import Natural, Rule, Trained
from walras.core.checks import require
from walras.core.typing import Floats
from walras.equilibria.teams.linear_quadratic import LinearQuadratic, cost_matrices, stage_system
from walras.equilibria.teams.team_mean_field import (
    Moments,
    TeamGame,
    deviation_part,
    feedback,
    mean_part,
    moments,
    visited,
)


@final
@dataclass(frozen=True)
class Config:
    """Settings.

    Raises
    ------
    ValueError
        If there are no updates.
    """

    rule: Rule = field(default_factory=Natural)
    updates: int = 300  # of all gains at once

    def __post_init__(self) -> None:
        require(self.updates >= 1, "updates", "be at least 1", self.updates)


def train(game: TeamGame, config: Config | None = None, seed: int = 0) -> Trained:
    """Learn the gains of all teams by exact gradients.

    Parameters
    ----------
    game : TeamMeanFieldLQ, MeanFieldLimitLQ or RobustTeamLQ
        The game.
    config : Config, optional
        Settings; by default the natural gradient.
    seed : int
        Without effect: nothing is drawn.

    Raises
    ------
    FloatingPointError
        If gains diverge beyond what numbers hold.

    Examples
    --------
    >>> from walras.agents import whole_horizon
    >>> from walras.envs import TeamMeanFieldLQ
    >>> from walras.equilibria import gap
    >>> game = TeamMeanFieldLQ.mild()
    >>> trained = whole_horizon.train(game)
    >>> bool(gap(game, trained.policy).per_agent.max() < 1e-9)
    True
    """
    config, (of_y, of_z) = config or Config(), moments(game)
    y = descend(deviation_part(game), config.rule, config.updates, of_y)
    z = descend(mean_part(game), config.rule, config.updates, of_z)
    return Trained(feedback(game, y[-1], z[-1]), y, z)


def descend(game: LinearQuadratic, rule: Rule, updates: int, spread: Moments) -> Floats:
    """Return gains ``[updates + 1, T, P, n]``, from zero, of players that move all their stages at the same time.

    Parameters
    ----------
    game : LinearQuadratic
        Of N players.
    rule : Rule
        How gains follow the gradient.
    updates : int
        Moves.
    spread : Moments
        Second moments of the first state and of a step's noise.

    Raises
    ------
    FloatingPointError
        If gains diverge beyond what numbers hold.
    """
    path = np.zeros((updates + 1, game.horizon, game.B.shape[2], game.A.shape[1]))
    with np.errstate(over="ignore", invalid="ignore"):  # the rule says what is not finite
        for k, gains in enumerate(path[:-1]):
            path[k + 1] = rule.moved(game, gains, natural_gradient(game, gains), visited(game, gains, spread))
    return path


def natural_gradient(game: LinearQuadratic, gains: Floats) -> Floats:
    """Return the natural gradients ``[T, P, n]`` of the players' costs of a whole episode, each in its own gains."""
    cost = cost_matrices(game, gains)
    systems = (stage_system(game, t, cost[t + 1]) for t in range(game.horizon))
    return np.stack([2 * (phi @ gain - target) for gain, (phi, target) in zip(gains, systems, strict=True)])
