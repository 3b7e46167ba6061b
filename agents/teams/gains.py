"""What the learners of linear gains share: a training of two parts, and what it leaves.

Deviations and mean of a team game share no variable, so each has gains of its own. A learner updates both equally
often, and a checkpoint holds both after the same number of updates. One generator draws all that is played: first for
the deviations, to the end of the budget, then for the mean.

What a `Trained` tells
----------------------
- `Trained.curve` is computed from the gains, in expectation: its first point is that of no control, then one follows at
  each checkpoint. No episode is played for it: `Curve.episodes` is zero.
- `Trained.steps` counts the environment steps that the oracle played: `Oracle.runs` runs for the gradient of each team,
  of the deviations and of the mean, and :math:`T - t` steps in a run from stage t. A run follows one generic agent a
  team, as `MeanFieldLimitLQ` does. Exact gradients play nothing.
- `Trained.diagnostics` has for each part, update by update, the norm of a team's natural gradient
  (``deviation_gradient``, ``mean_gradient``), of the step that it took (``deviation_step``, ``mean_step``), and of what
  it has moved from zero (``deviation_distance``, ``mean_distance``). Norms are summed over the stages. All agents of a
  team have the numbers of their team.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple, Protocol, TypeAlias, final

import numpy as np
from numpy.typing import ArrayLike

from walras.agents.kept import KeptTrained
from walras.agents.teams.oracles import Oracle
from walras.agents.teams.policy_gradient import Update, norms, zero_gains
from walras.core import learner as contract
from walras.core.checks import as_definite
from walras.core.game import AbstractGame, Actions
from walras.core.typing import Floats, Ints
from walras.envs.teams.mean_field_limit_lq import MeanFieldLimitLQ
from walras.envs.teams.robust_team_lq import RobustTeamLQ
from walras.envs.teams.team_mean_field_lq import TeamMeanFieldLQ
from walras.equilibria.teams.linear_quadratic import LinearQuadratic, cost_matrices, expected_cost
from walras.equilibria.teams.team_mean_field import (
    LimitFeedback,
    Moments,
    TeamFeedback,
    TeamGame,
    by_agent,
    deviation_part,
    feedback,
    mean_part,
    moments,
)

Moves: TypeAlias = Iterator[Update]


class GainLearner(contract.Learner, Protocol):
    """A learner of linear gains."""

    def learn(self, game: AbstractGame[Any], seed: int, start: contract.Trained | None = None) -> Iterator["Trained"]:
        """Learn; see `walras.core.learner.Learner`."""
        ...

    def played(self, game: TeamGame) -> Ints:
        """Return the environment steps of each update of the whole budget, ``[U]``."""
        ...

    def moves(self, part: LinearQuadratic, spread: Moments, last: Floats, done: int, rng: np.random.Generator) -> Moves:
        """Yield the updates that follow the gains ``last [T, P, n]``, to which `done` updates led."""
        ...


class Course(NamedTuple):
    """Gains of one part of a game, from zero, and after each of U updates."""

    gains: Floats  # [U + 1, T, P, n]
    gradient: Floats  # [U, N] norms of the natural gradients, summed over the stages


@final
@dataclass(frozen=True, eq=False)
class Trained(KeptTrained):
    """Learned gains and the way to them; a policy that plays the last ones. U updates."""

    learner: GainLearner
    game: TeamGame
    marks: tuple[int, ...]  # updates at which the curve has its points; the last is U
    courses: tuple[Course, Course]  # of the deviations, to the end of the budget, and of the mean, so far
    rng: np.random.Generator  # after what was drawn for them

    @property
    def updates(self) -> int:
        """Updates of the deviations' gains and of the mean's so far, U."""
        return self.marks[-1]

    @property
    def deviation(self) -> Floats:
        """Gains of the deviations, ``[U + 1, T, P, n]``."""
        return self.courses[0].gains[: self.updates + 1]

    @property
    def mean(self) -> Floats:
        """Gains of the mean, ``[U + 1, T, P, n]``."""
        return self.courses[1].gains[: self.updates + 1]

    @cached_property
    def policy(self) -> TeamFeedback | LimitFeedback:
        """The feedback with the last gains."""
        return feedback(self.game, self.deviation[-1], self.mean[-1])

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the controls ``[B, N, A]``."""
        return self.policy.act(observation, rng)

    def affine(self, t: int) -> tuple[Floats, Floats, Floats]:
        """Return the gains of each team; see `walras.core.policy.Affine`."""
        return self.policy.affine(t)

    @property
    def steps(self) -> int:
        """Environment steps that the oracle played so far."""
        return int(self.learner.played(self.game)[: self.updates].sum())

    @property
    def curve(self) -> contract.Curve:
        """Expected return of an episode with the gains of each checkpoint, the first before any update."""
        played = np.concatenate([[0], self.learner.played(self.game).cumsum()])
        parts = zip(_parts(self.game), (self.deviation, self.mean), strict=True)
        costs = sum(_costs(part, spread, gains[list(self.marks)]) for (part, spread), gains in parts)
        total = by_agent(self.game, -np.asarray(costs))
        return contract.Curve(played[list(self.marks)], np.zeros(len(self.marks), dtype=np.int64), total)

    @property
    def diagnostics(self) -> Mapping[str, Floats]:
        """Norms of gradients, of steps, and of what gains have moved, ``[U, N]`` each; see the module."""
        named = zip(("deviation", "mean"), _parts(self.game), self.courses, strict=True)
        return {
            f"{name}_{what}": by_agent(self.game, values[: self.updates])
            for name, (part, _), course in named
            for what, values in _diagnosed(part, course).items()
        }


def learn_parts(learner: GainLearner, game: TeamGame, seed: int, start: Trained | None) -> Iterator[Trained]:
    """Yield no control, and what was learned at each mark, one an update at most; see `walras.core.learner.Learner`."""
    if start is None:
        yield (start := _untrained(learner, game, seed))
    (y, z), rng, passed, total = start.courses, deepcopy(start.rng), start.marks, len(learner.played(game))
    (of_y, spread_y), (of_z, spread_z) = _parts(game)
    ahead = len(y.gradient)  # of the mean
    y = _extended(of_y, y, learner.moves(of_y, spread_y, y.gains[-1], ahead, rng), max(total - ahead, 0))
    moves = learner.moves(of_z, spread_z, z.gains[-1], passed[-1], rng)
    for mark in sorted(set(contract.marks(total, learner.checkpoints, passed[-1]))):
        z = _extended(of_z, z, moves, mark - passed[-1])
        passed = (*passed, mark)
        yield Trained(learner, game, passed, (y, z), deepcopy(rng))


def check_team_game(game: AbstractGame[Any]) -> TeamGame:
    """Return the game, if it is one of teams with linear dynamics and quadratic costs.

    Raises
    ------
    TypeError
        If it is not.
    """
    if not isinstance(game, TeamMeanFieldLQ | MeanFieldLimitLQ | RobustTeamLQ):
        kinds = "a TeamMeanFieldLQ, a MeanFieldLimitLQ or a RobustTeamLQ"
        raise TypeError(f"`game` must be {kinds}, whose policies of linear gains are learned; got {game!r}.")
    return game


def stage_steps(game: TeamGame, oracle: Oracle, iterations: int) -> Ints:
    """Return the environment steps of each update of a receding horizon, ``[T iterations]``.

    An update of stage t takes `Oracle.runs` runs of :math:`T - t` steps for the gradient of each team, of the
    deviations and of the mean.
    """
    lengths = np.repeat(np.arange(1, game.horizon + 1), iterations)
    return 2 * len(deviation_part(game).sizes) * oracle.runs * lengths


def second_moment(states: ArrayLike | None, part: LinearQuadratic) -> Floats:
    """Return the second moment ``[n, n]`` of the states at a stage: `states`, or the identity.

    Raises
    ------
    ValueError
        If it has another shape, or an eigenvalue that is not positive.
    """
    n = part.A.shape[1]
    return np.eye(n) if states is None else as_definite("states", states, (n, n), singular=False)


def _untrained(learner: GainLearner, game: TeamGame, seed: int) -> Trained:
    y, z = (Course(zero_gains(part)[None], np.empty((0, len(part.sizes)))) for part, _ in _parts(game))
    return Trained(learner, game, (0,), (y, z), np.random.default_rng(seed))


def _extended(part: LinearQuadratic, course: Course, moves: Moves, updates: int) -> Course:
    """Return the course with so many updates more."""
    taken = list(islice(moves, updates))
    if not taken:
        return course
    gains, gradients = (np.stack(each) for each in zip(*taken, strict=True))
    size = norms(part, gradients).sum(axis=1)
    return Course(np.concatenate([course.gains, gains]), np.concatenate([course.gradient, size]))


def _parts(game: TeamGame) -> list[tuple[LinearQuadratic, Moments]]:
    """Return the games of deviations and mean, each with the moments of its states."""
    return list(zip((deviation_part(game), mean_part(game)), moments(game), strict=True))


def _costs(part: LinearQuadratic, spread: Moments, gains: Floats) -> Floats:
    """Return each team's expected cost of an episode, ``[K, N]``, of ``gains [K, T, P, n]``."""
    with np.errstate(over="ignore", invalid="ignore"):  # gains may have run away
        return np.stack([expected_cost(cost_matrices(part, each), *spread) for each in gains])


def _diagnosed(part: LinearQuadratic, course: Course) -> dict[str, Floats]:
    steps, moved = np.diff(course.gains, axis=0), course.gains[1:] - course.gains[0]
    return {
        "gradient": course.gradient,
        "step": norms(part, steps).sum(axis=1),
        "distance": norms(part, moved).sum(axis=1),
    }
