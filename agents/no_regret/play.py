r"""Play of rules against each other in B games at once, judged exactly.

Players move in turn (`alternate`), each answering what the others play now, or at the same time. In zero-sum games the
mean strategies approach an equilibrium as fast as regrets per round vanish; regret matching does so much faster in
turn. In other games the joint play approaches the coarse correlated equilibria, and with swap regret the correlated
ones:

.. math:: \max_i \frac{\mathrm{regret}_i(T)}{T} = \text{gap of the mean of the joint strategies } \tfrac1T \sum_t x_t .
"""

from typing import Any, Literal, NamedTuple

import numpy as np

from walras.agents.no_regret.rules import Rule
from walras.core.checks import require, require_each, require_known, require_whole
from walras.core.typing import Floats, Ints
from walras.markets.normal_form import MatrixGame, MatrixGames, Mixed

WEIGHTS = {"uniform": 0, "linear": 1, "quadratic": 2, "last": 0}
"""Power of the round with which its strategy counts."""


class Play(NamedTuple):
    """What B games came to."""

    average: Mixed  # N arrays [B, A_i]; the last strategies where these are asked for
    last: Mixed  # N arrays [B, A_i]
    gap: Floats  # [B] NashConv of the better of both
    steps: Ints  # [B] rounds that were played
    regret: Floats  # [B, N] gain of the best action in all rounds together


def play(
    games: MatrixGame | MatrixGames,
    rule: Rule,
    steps: int,
    *,
    alternate: bool = True,
    average: Literal["uniform", "linear", "quadratic", "last"] = "uniform",
    first: Mixed | None = None,
    target: float | None = None,
    check: int = 20,
) -> Play:
    """Play games by one rule for all players; a row does not depend on the batch.

    Parameters
    ----------
    games : MatrixGame or MatrixGames
        One game is a batch of one.
    rule : Rule
        One of `walras.agents.no_regret.rules`, or of your own.
    steps : int
        Rounds, at most.
    alternate : bool
        Whether players move in turn, or at the same time.
    average : {"uniform", "linear", "quadratic", "last"}
        How strategies of the rounds are weighted, by a power of the round; or the last alone.
    first : N arrays, optional
        Strategies ``[B, A_i]`` of the first round; even by default.
    target : float, optional
        NashConv at which a row leaves.
    check : int
        Rounds between two looks at the target.

    Raises
    ------
    ValueError
        If an argument is out of range, or `first` holds no strategies.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.agents.no_regret.play import play
    >>> from walras.agents.no_regret.rules import PredictiveRMPlus
    >>> from walras.markets.matrix.random_games import zero_sum
    >>> games = zero_sum(np.random.default_rng(0), 100, (20, 20))
    >>> end = play(games, PredictiveRMPlus(), 1000, average="quadratic", target=2e-3)
    >>> bool((end.gap <= 2e-3).all())
    True
    """
    games = games.batch if isinstance(games, MatrixGame) else games
    require_whole(steps, "steps")
    require_whole(check, "check")
    require_known(average, "average", WEIGHTS)
    require(target is None or target > 0, "target", "be positive", target)
    running = _Running(games, rule, _first(games, first), alternate, average)
    done = np.full(len(games), steps)
    kept: list[tuple[Ints, Play]] = []
    for step in range(1, steps + 1):
        running.round(step)
        if target is not None and step % check == 0 and step < steps:
            out = running.gap() <= target
            if out.any():
                kept.append((running.rows[out], running.told(out, step)))
                running.keep(~out)
        if not len(running.rows):
            break
    if len(running.rows):
        kept.append((running.rows, running.told(np.ones(len(running.rows), dtype=np.bool_), done[0])))
    return _sorted(kept)


def strategies(
    games: MatrixGame | MatrixGames, rule: Rule, steps: int, *, first: Mixed | None = None
) -> tuple[Floats, ...]:
    """Return what all play in each round, at the same time: N arrays ``[T, B, A_i]``.

    Raises
    ------
    ValueError
        If `steps` is no whole number, or `first` holds no strategies.
    """
    games = games.batch if isinstance(games, MatrixGame) else games
    require_whole(steps, "steps")
    running = _Running(games, rule, _first(games, first), alternate=False, average="uniform")
    played: list[list[Floats]] = []
    for step in range(1, steps + 1):
        played.append(running.policies)
        running.round(step)
    return tuple(np.stack(own) for own in zip(*played, strict=True))


def mean_joint(played: tuple[Floats, ...]) -> Floats:
    """Return the mean over rounds of the joint strategies, ``[B, A_1, .., A_N]``, of N arrays ``[T, B, A_i]``.

    Its gap as a coarse correlated device is the largest regret a round, as a correlated one the largest swap regret.
    """
    joint = played[0]
    for own in played[1:]:
        joint = joint[..., None] * own.reshape(*own.shape[:2], *(1,) * (joint.ndim - 2), own.shape[2])
    return joint.mean(axis=0)


class _Running:
    """Rows that are still played."""

    def __init__(self, games: MatrixGames, rule: Rule, first: Mixed, alternate: bool, average: str) -> None:
        self.rule, self.alternate, self.average = rule, alternate, average
        self.rows = np.arange(len(games))
        self.payoff = [np.ascontiguousarray(np.moveaxis(games.payoff[:, i], i + 1, 1)) for i in range(games.players)]
        self.states: list[Any] = [rule.start(own) for own in first]
        self.sums = [np.zeros_like(own) for own in first]
        self.total = 0.0
        self.worth = [np.zeros_like(own) for own in first]  # what each action would have earned
        self.earned = np.zeros((len(self.rows), len(first)))

    @property
    def policies(self) -> list[Floats]:
        return [state.policy for state in self.states]

    def round(self, step: int) -> None:
        """Let each player move once."""
        weight = float(step) ** WEIGHTS[self.average]
        played = self.policies
        for i in range(len(self.states)):
            others = self.policies if self.alternate else played
            utility = _utility(self.payoff[i], others, i)
            self.worth[i] += utility
            self.earned[:, i] += np.einsum("ba,ba->b", self.states[i].policy, utility)
            self.states[i] = self.rule.update(self.states[i], utility)
            self.sums[i] += weight * (self.states[i].policy if self.alternate else played[i])
        self.total += weight

    def averages(self) -> Mixed:
        if self.average == "last":
            return tuple(self.policies)
        return tuple(own / own.sum(axis=1, keepdims=True) for own in self.sums)

    def conv(self, mixed: Mixed) -> Floats:
        """Return NashConv, ``[B]``."""
        total = np.zeros(len(self.rows))
        for i, own in enumerate(mixed):
            utility = _utility(self.payoff[i], mixed, i)
            total += np.einsum("ba,ba->b", utility.max(axis=1, keepdims=True) - utility, own)
        return total

    def gap(self) -> Floats:
        return np.minimum(self.conv(self.averages()), self.conv(tuple(self.policies)))

    def told(self, rows: Any, step: int) -> Play:  # noqa: ANN401 - a mask
        """Return what some rows came to."""
        gap = self.gap()[rows]
        best = np.stack([worth.max(axis=1) for worth in self.worth], axis=1)
        return Play(
            tuple(own[rows] for own in self.averages()),
            tuple(own[rows] for own in self.policies),
            gap,
            np.full(len(gap), step),
            (best - self.earned)[rows],
        )

    def keep(self, rows: Any) -> None:  # noqa: ANN401 - a mask
        """Go on with some rows."""
        self.rows = self.rows[rows]
        self.payoff = [own[rows] for own in self.payoff]
        self.states = [type(state)(*(part[rows] for part in state)) for state in self.states]
        self.sums = [own[rows] for own in self.sums]
        self.worth = [own[rows] for own in self.worth]
        self.earned = self.earned[rows]


def _utility(own: Floats, mixed: Any, player: int) -> Floats:  # noqa: ANN401 - a sequence of arrays
    """Return ``[B, A_i]`` of ``own [B, A_i, others]``, by products of one matrix and one vector a row."""
    others = [x for j, x in enumerate(mixed) if j != player]
    for x in reversed(others):
        own = (own @ x.reshape(len(x), *(1,) * (own.ndim - 3), x.shape[1], 1))[..., 0]
    return own


def _first(games: MatrixGames, first: Mixed | None) -> Mixed:
    """Return checked strategies of the first round."""
    if first is None:
        return tuple(np.full((len(games), size), 1 / size) for size in games.sizes)
    require(len(first) == games.players, "first", f"hold {games.players} strategies", len(first))
    checked = [np.broadcast_to(own, (len(games), size)).copy() for own, size in zip(first, games.sizes, strict=True)]
    for own in checked:
        require_each(own >= 0, "first", "hold chances", own)
        require_each(np.abs(own.sum(axis=1) - 1) <= 1e-9, "first", "sum to 1", own.sum(axis=1))
    return tuple(np.asarray(own, dtype=np.float64) for own in checked)


def _sorted(parts: list[tuple[Ints, Play]]) -> Play:
    """Return all rows in their first order."""
    order = np.argsort(np.concatenate([rows for rows, _ in parts]))
    plays = [part for _, part in parts]

    def joined(values: list[Floats]) -> Any:  # noqa: ANN401
        return np.concatenate(values)[order]

    mixed = [
        tuple(joined(list(own)) for own in zip(*(getattr(p, name) for p in plays), strict=True))
        for name in ("average", "last")
    ]
    return Play(mixed[0], mixed[1], *(joined([getattr(p, name) for p in plays]) for name in Play._fields[2:]))
