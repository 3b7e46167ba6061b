r"""Receding-horizon natural policy gradient of competing teams: MRPG [1]_.

Backwards in time, every team learns its gains of one stage while those of later stages are frozen. Teams move at the
same time, each by the natural gradient of its own cost alone:

.. math:: K^i_t \leftarrow K^i_t - \eta \, \widehat\nabla_i \, \Sigma^{-1},

with states of second moment :math:`\Sigma` drawn at the stage. A stage is then a quadratic game, not the nonconvex one
over the whole horizon, and errors do not travel forwards. Deviations and mean are learned side by side; gradients come
from an oracle of `walras.agents.teams.oracles`. The rate is in `walras.agents.teams.policy_gradient`.

A run of the zeroth-order oracles follows one generic agent, with the noise of a deviation or of the mean of the game's
agents, instead of all M. The ball around zero, optional in the paper, is far out by default.

References
----------
[1] M. A. uz Zaman, A. Koppel, M. Lauriere, T. Basar, Independent RL for cooperative-competitive agents: a mean-field
    perspective, 2024; arXiv 2403.11345. Its second version calls the algorithm MRNPG.
"""

from dataclasses import dataclass, field
from typing import final

from walras.agents.teams.policy_gradient import Natural, StageConfig, Trained, train_parts
from walras.equilibria.teams.team_mean_field import TeamGame


@final
@dataclass(frozen=True)
class Config(StageConfig):
    """Settings; by default exact natural gradients."""

    rule: Natural = field(default_factory=Natural)


def train(game: TeamGame, config: Config | None = None, seed: int = 0) -> Trained:
    """Learn the gains of all teams.

    Parameters
    ----------
    game : TeamMeanFieldLQ or MeanFieldLimitLQ
        The game; its size sets the noise that runs meet.
    config : Config, optional
        Settings; by default exact gradients.
    seed : int
        Of the oracle's chance.

    Raises
    ------
    ValueError
        If the states' second moment has another shape, or an eigenvalue that is not positive.
    FloatingPointError
        If gains diverge beyond what numbers hold.

    Examples
    --------
    >>> from walras.agents import mrpg
    >>> from walras.envs import TeamMeanFieldLQ
    >>> from walras.equilibria import gap
    >>> game = TeamMeanFieldLQ.mild()
    >>> trained = mrpg.train(game)
    >>> bool(gap(game, trained.policy).per_agent.max() < 1e-9)
    True
    """
    return train_parts(game, config or Config(), seed)
