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
from walras.agents.teams.policy_gradient import Natural, receding_horizon
from walras.core import learner as contract
from walras.core.checks import require, require_numbers, require_whole
from walras.core.game import AbstractGame
from walras.core.typing import Floats, Ints
from walras.equilibria.teams.linear_quadratic import LinearQuadratic
from walras.equilibria.teams.team_mean_field import Moments, TeamGame, deviation_part


@final
@dataclass(frozen=True)
class MRPG(Keeper[Trained]):
    """Settings; by default exact natural gradients.

    Raises
    ------
    ValueError
        If there are no iterations or no checkpoints.
    """

    oracle: Oracle = field(default_factory=ExactOracle)
    rule: Natural = field(default_factory=Natural)
    iterations: int = 60  # updates at each stage
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
        """Refuse all games but those of teams with linear dynamics and quadratic costs.

        Raises
        ------
        TypeError
            If `game` is another.
        """
        check_team_game(game)

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
        known = check_team_game(game)
        second_moment(self.states, deviation_part(known))
        if start is not None:
            contract.check_start(start, self, game)
        return learn_parts(self, known, seed, cast(Trained | None, start))

    def moves(self, part: LinearQuadratic, spread: Moments, last: Floats, done: int, rng: np.random.Generator) -> Moves:
        """Yield the updates that follow the gains ``last [T, P, n]``, to which `done` updates led."""
        states = second_moment(self.states, part)
        return receding_horizon(part, self.oracle, self.rule, self.iterations, states, spread.noise, rng, last, done)


def train(game: TeamGame, seed: int = 0, *, start: Trained | None = None, **settings: Any) -> Trained:  # noqa: ANN401
    """Learn the gains of all teams.

    Parameters
    ----------
    game : TeamMeanFieldLQ, MeanFieldLimitLQ or RobustTeamLQ
        The game; its size sets the noise of the oracle's runs.
    seed : int
        Of what the oracle plays.
    start : Trained, optional
        Go on from here.
    **settings
        Fields of `MRPG`.

    Raises
    ------
    TypeError
        If the game is another.
    ValueError
        As `MRPG.learn`.
    FloatingPointError
        If gains diverge beyond what numbers hold.

    Examples
    --------
    >>> from walras.agents import mrpg
    >>> from walras.envs import TeamMeanFieldLQ
    >>> from walras.equilibria import gap
    >>> game = TeamMeanFieldLQ.mild()
    >>> trained = mrpg.train(game, iterations=60)
    >>> bool(gap(game, trained).upper.max() < 1e-9)
    True
    """
    return cast(Trained, contract.train(MRPG(**settings), game, seed, start))
