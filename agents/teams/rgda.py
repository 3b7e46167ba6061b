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

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast, final

import numpy as np
from numpy.typing import ArrayLike

from walras.agents.kept import Keeper
from walras.agents.teams.gains import (
    Moves,
    Trained,
    check_team_game,
    learn_parts,
    second_moment,
    stage_steps,
)
from walras.agents.teams.oracles import ExactOracle, Oracle
from walras.agents.teams.policy_gradient import Vanilla, receding_horizon
from walras.core import learner as contract
from walras.core.checks import require, require_numbers, require_whole
from walras.core.game import AbstractGame
from walras.core.typing import Floats, Ints
from walras.equilibria.teams.linear_quadratic import LinearQuadratic
from walras.equilibria.teams.team_mean_field import Moments, TeamGame, deviation_part, mean_part


@final
@dataclass(frozen=True)
class RGDA(Keeper[Trained]):
    """Settings; by default exact plain gradients, and a ball that holds the gains of saddle points.

    Raises
    ------
    ValueError
        If there are no iterations or no checkpoints.
    """

    oracle: Oracle = field(default_factory=ExactOracle)
    rule: Vanilla = field(default_factory=lambda: Vanilla(step=0.025, radius=50.0))
    iterations: int = 70  # updates at each stage
    states: ArrayLike | None = None  # [n, n] second moment of the states at a stage; the identity by default
    checkpoints: int = 10

    def __post_init__(self) -> None:
        require_numbers(self)
        require(self.iterations >= 1, "iterations", "be at least 1", self.iterations)
        require_whole(self.checkpoints, "checkpoints")

    @property
    def steps(self) -> int:
        """0: the budget is in updates; `played` tells the environment steps that they take in a game."""
        return 0

    def played(self, game: TeamGame) -> Ints:
        """Return the environment steps of each update, ``[T iterations]``; zero with exact gradients."""
        return stage_steps(game, self.oracle, self.iterations)

    def check(self, game: AbstractGame[Any]) -> None:
        """Refuse all games but `RobustTeamLQ`, and its limit of many agents.

        Raises
        ------
        TypeError
            If `game` is another.
        """
        _check_robust(game)

    def learn(self, game: AbstractGame[Any], seed: int, start: contract.Trained | None = None) -> Iterator[Trained]:
        """Learn; see `walras.core.learner.Learner`. The seed is that of what the oracle plays.

        Raises
        ------
        TypeError
            As `check`.
        ValueError
            If the states' second moment has another shape or an eigenvalue that is not positive, or if `start` was
            trained on another game or by other settings.
        FloatingPointError
            If gains diverge beyond what numbers hold.
        """
        known = _check_robust(game)
        second_moment(self.states, deviation_part(known))
        if start is not None:
            contract.check_start(start, self, game)
        return learn_parts(self, known, seed, cast(Trained | None, start))

    def moves(self, part: LinearQuadratic, spread: Moments, last: Floats, done: int, rng: np.random.Generator) -> Moves:
        """Yield the updates that follow the gains ``last [T, P, n]``, to which `done` updates led."""
        states = second_moment(self.states, part)
        return receding_horizon(part, self.oracle, self.rule, self.iterations, states, spread.noise, rng, last, done)


def train(game: TeamGame, seed: int = 0, *, start: Trained | None = None, **settings: Any) -> Trained:  # noqa: ANN401
    """Learn the gains of the team and of nature.

    Parameters
    ----------
    game : RobustTeamLQ or MeanFieldLimitLQ
        The game; its size sets the noise of the oracle's runs.
    seed : int
        Of what the oracle plays.
    start : Trained, optional
        Go on from here.
    **settings
        Fields of `RGDA`.

    Raises
    ------
    TypeError
        If the game is another.
    ValueError
        As `RGDA.learn`.
    FloatingPointError
        If gains diverge beyond what numbers hold.

    Examples
    --------
    >>> from walras.agents import rgda
    >>> from walras.envs import RobustTeamLQ
    >>> from walras.equilibria import solve
    >>> game = RobustTeamLQ.unstable()
    >>> trained = rgda.train(game, iterations=70)
    >>> bool(abs(trained.policy.deviation - solve(game).deviation).max() < 1e-3)
    True
    """
    return cast(Trained, contract.train(RGDA(**settings), game, seed, start))


def _check_robust(game: AbstractGame[Any]) -> TeamGame:
    """Return the game, if it has two teams that pay each other.

    Raises
    ------
    TypeError
        If it has not.
    """
    known = check_team_game(game)
    if not all(_opposed(part) for part in (deviation_part(known), mean_part(known))):
        rule = "be a RobustTeamLQ, or the limit of one: two teams, of which each pays what the other gains"
        raise TypeError(f"`game` must {rule}; got {game!r}.")
    return known


def _opposed(part: LinearQuadratic) -> bool:
    return len(part.sizes) == 2 and not part.Q.sum(axis=1).any() and not part.R.sum(axis=1).any()
