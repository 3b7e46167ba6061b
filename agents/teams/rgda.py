r"""Receding-horizon gradient descent ascent for robust teams: RGDA [1]_.

Backwards in time, the team descends and nature ascends the robust cost of one stage while the gains of later stages
are frozen, both at the same time:

.. math:: K^1_t \leftarrow \mathrm{Proj} \big( K^1_t - \eta \widehat\nabla_1 \big), \qquad
          K^2_t \leftarrow \mathrm{Proj} \big( K^2_t + \eta \widehat\nabla_2 \big).

The stage is convex in :math:`K^1`, and concave in :math:`K^2` if :math:`\gamma^2 I - P_{t+1} \succ 0` for the
cost-to-go of the frozen gains. Where the attenuation level is too small for that there is no saddle point. Gains can
settle all the same, on a solution of the first-order conditions that nature leaves for a gain without bound: `gap` is
then infinite, and `solve(game)` raises.

Gradients are plain, not natural. In our form nature minimises its own cost, minus the team's, and its gains have the
sign of :math:`u = -K x`: the paper's :math:`K^2` is minus ours. The ball holds each side's gain at a stage, by its
Frobenius norm.

References
----------
[1] M. A. uz Zaman, M. Lauriere, A. Koppel, T. Basar, Robust cooperative multi-agent reinforcement learning: a
    mean-field type game perspective, L4DC 2024; arXiv 2406.13992, algorithm 1.
"""

from dataclasses import dataclass, field
from typing import final

from walras.agents.teams.policy_gradient import StageConfig, Trained, Vanilla, train_parts
from walras.envs.teams.robust_team_lq import RobustTeamLQ


@final
@dataclass(frozen=True)
class Config(StageConfig):
    """Settings; by default exact plain gradients, and a ball that holds the gains of saddle points."""

    rule: Vanilla = field(default_factory=lambda: Vanilla(step=0.025, radius=50.0))
    iterations: int = 70


def train(game: RobustTeamLQ, config: Config | None = None, seed: int = 0) -> Trained:
    """Learn the gains of the team and of nature.

    Parameters
    ----------
    game : RobustTeamLQ
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
    >>> from walras.agents import rgda
    >>> from walras.envs import RobustTeamLQ
    >>> from walras.equilibria import solve
    >>> game = RobustTeamLQ.unstable()
    >>> trained = rgda.train(game)
    >>> bool(abs(trained.policy.deviation - solve(game).deviation).max() < 1e-3)
    True
    """
    return train_parts(game, config or Config(), seed)
