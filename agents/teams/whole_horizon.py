r"""Baselines: policy gradient over the whole horizon, all stages and all teams at once.

The exact gradient of the cost of a whole episode with respect to team i's gain at stage t is

.. math:: \nabla_{K^i_t} J^i = 2 \, [\Phi_t K_t - b_t]_i \, \Sigma_t,

where :math:`\Phi_t` and :math:`b_t` follow from the costs-to-go of the gains as they are, and :math:`\Sigma_t` is the
second moment of the states that they visit. `Vanilla` follows it: an exact MADPG [1]_ on linear policies, or in
`RobustTeamLQ` descent ascent, the exact deterministic policy gradient with which RGDA is compared [2]_. `Natural`
drops :math:`\Sigma_t`. Nothing is frozen, so early gains answer later ones that are still wrong. On a long horizon with
unstable dynamics costs-to-go grow large on the way: the plain gradient then converges with small steps alone, and with
larger ones gains end on the ball around zero.

References
----------
[1] R. Lowe et al., Multi-agent actor-critic for mixed cooperative-competitive environments, NeurIPS 2017.
[2] M. A. uz Zaman, M. Lauriere, A. Koppel, T. Basar, Robust cooperative multi-agent reinforcement learning: a
    mean-field type game perspective, L4DC 2024; arXiv 2406.13992, section 5.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast, final

import numpy as np

from walras.agents.kept import Keeper
from walras.agents.teams.gains import Moves, Trained, check_team_game, learn_parts
from walras.agents.teams.policy_gradient import Natural, Rule, Update, zero_gains
from walras.core import learner as contract
from walras.core.checks import require, require_numbers, require_whole
from walras.core.game import AbstractGame
from walras.core.typing import Floats, Ints
from walras.equilibria.teams.linear_quadratic import LinearQuadratic, cost_matrices, stage_system
from walras.equilibria.teams.team_mean_field import Moments, TeamGame, visited


@final
@dataclass(frozen=True)
class WholeHorizon(Keeper[Trained]):
    """Settings; by default the natural gradient.

    Raises
    ------
    ValueError
        If there are no updates or no checkpoints.
    """

    rule: Rule = field(default_factory=Natural)
    updates: int = 300  # of all gains at once
    checkpoints: int = 10

    def __post_init__(self) -> None:
        require_numbers(self)
        require_whole(self.checkpoints, "checkpoints")
        require(self.updates >= 1, "updates", "be at least 1", self.updates)

    @property
    def steps(self) -> int:
        """0: gradients are exact, and nothing is played to learn."""
        return 0

    def played(self, game: TeamGame) -> Ints:
        """Return the environment steps of each update, ``[U]``: none."""
        return np.zeros(self.updates, dtype=np.int64)

    def check(self, game: AbstractGame[Any]) -> None:
        """Refuse all games but those of teams with linear dynamics and quadratic costs.

        Raises
        ------
        TypeError
            If `game` is another.
        """
        check_team_game(game)

    def learn(self, game: AbstractGame[Any], seed: int, start: contract.Trained | None = None) -> Iterator[Trained]:
        """Learn; see `walras.core.learner.Learner`. The seed has no effect: nothing is drawn.

        A training by a smaller number of updates goes on as well.

        Raises
        ------
        TypeError
            As `check`.
        ValueError
            If `start` was trained on another game or by other settings.
        FloatingPointError
            If gains diverge beyond what numbers hold.
        """
        known = check_team_game(game)
        if start is not None:
            contract.check_start(start, self._as_long_as(start.learner), game)
        return learn_parts(self, known, seed, cast(Trained | None, start))

    def moves(self, part: LinearQuadratic, spread: Moments, last: Floats, done: int, rng: np.random.Generator) -> Moves:
        """Yield the updates that follow the gains ``last [T, P, n]``, to which `done` updates led."""
        return descend(part, self.rule, self.updates - done, spread, last)

    def _as_long_as(self, other: contract.Learner) -> "WholeHorizon":
        """Return these settings with the other's number of updates: it is the budget."""
        updates = other.updates if isinstance(other, WholeHorizon) else self.updates
        return replace(self, updates=updates, checkpoints=1)


def train(game: TeamGame, seed: int = 0, *, start: Trained | None = None, **settings: Any) -> Trained:  # noqa: ANN401
    """Learn the gains of all teams by exact gradients.

    Parameters
    ----------
    game : TeamMeanFieldLQ, MeanFieldLimitLQ or RobustTeamLQ
        The game.
    seed : int
        Without effect: nothing is drawn.
    start : Trained, optional
        Go on from here.
    **settings
        Fields of `WholeHorizon`.

    Raises
    ------
    TypeError
        If the game is another.
    FloatingPointError
        If gains diverge beyond what numbers hold.

    Examples
    --------
    >>> from walras.agents import whole_horizon
    >>> from walras.envs import TeamMeanFieldLQ
    >>> from walras.equilibria import gap
    >>> game = TeamMeanFieldLQ.mild()
    >>> trained = whole_horizon.train(game, updates=300)
    >>> bool(gap(game, trained).upper.max() < 1e-9)
    True
    """
    return cast(Trained, contract.train(WholeHorizon(**settings), game, seed, start))


def descend(
    game: LinearQuadratic, rule: Rule, updates: int, spread: Moments, gains: Floats | None = None
) -> Iterator[Update]:
    """Yield the updates of players that move the gains of all their stages at the same time.

    Parameters
    ----------
    game : LinearQuadratic
        Of N players.
    rule : Rule
        How gains follow the gradient.
    updates : int
        How many.
    spread : Moments
        Second moments of the first state and of a step's noise.
    gains : array, optional
        Gains ``[T, P, n]`` to go on from; zero by default.

    Raises
    ------
    FloatingPointError
        If gains diverge beyond what numbers hold.
    """
    gains = zero_gains(game) if gains is None else gains
    for _ in range(updates):
        with np.errstate(over="ignore", invalid="ignore"):  # the rule says what is not finite
            gradient = natural_gradient(game, gains)
            gains = rule.moved(game, gains, gradient, visited(game, gains, spread))
        yield Update(gains, gradient)


def natural_gradient(game: LinearQuadratic, gains: Floats) -> Floats:
    """Return the natural gradients ``[T, P, n]`` of the players' costs of a whole episode, each in its own gains."""
    cost = cost_matrices(game, gains)
    systems = (stage_system(game, t, cost[t + 1]) for t in range(game.horizon))
    return np.stack([2 * (phi @ gain - target) for gain, (phi, target) in zip(gains, systems, strict=True)])
