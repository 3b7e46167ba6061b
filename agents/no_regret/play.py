r"""Play of rules against each other in B games at once, judged exactly.

Players move in turn (`alternate`), each answering what the others play now, or at the same time. In zero-sum games the
mean strategies approach an equilibrium as fast as regrets per round vanish; regret matching does so much faster in
turn. In other games the joint play approaches the coarse correlated equilibria, and with swap regret the correlated
ones:

.. math:: \max_i \frac{\mathrm{regret}_i(T)}{T} = \text{gap of the mean of the joint strategies } \tfrac1T \sum_t x_t .

With bandit feedback all draw their actions, and a rule is told of the drawn one alone how far it stayed below the
largest payoff, over its chance: `Hedge` is then Exp3. Regrets are those of the strategies all the same.
"""

from typing import Any, Literal, NamedTuple

import numpy as np

from walras.agents.no_regret.rules import Rule
from walras.agents.no_regret.running import FEEDBACK, WEIGHTS, Running, check_feedback
from walras.core.checks import require, require_each, require_known, require_whole
from walras.core.typing import Bools, Floats, Ints
from walras.markets.normal_form import MatrixGame, MatrixGames, Mixed


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
    feedback: Literal["full", "bandit"] = "full",
    seed: int = 0,
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
    feedback : {"full", "bandit"}
        Whether a rule is told what each action would have earned, or what the drawn one did. With "bandit" all move at
        the same time, and the rule must give every action a chance.
    seed : int
        Of the draws, of which each row has its own.

    Raises
    ------
    ValueError
        If an argument is out of range, `first` holds no strategies, or the rule cannot do with bandit feedback.

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
    require_known(feedback, "feedback", FEEDBACK)
    rngs: list[np.random.Generator] = []
    if feedback == "bandit":
        check_feedback(rule, alternate)
        rngs = [np.random.default_rng(each) for each in np.random.SeedSequence(seed).spawn(len(games))]
    running, rows = Running(games.payoff, rule, starting(games, first), alternate, average), np.arange(len(games))
    kept: list[tuple[Ints, Play]] = []
    for step in range(1, steps + 1):
        running.round(step, np.stack([rngs[b].random(games.players) for b in rows]) if rngs else None)
        if target is not None and step % check == 0 and step < steps:
            now = _told(running, step)
            out = now.gap <= target
            if out.any():
                kept.append((rows[out], _rows(now, out)))
                running.keep(~out)
                rows = rows[~out]
        if not len(rows):
            break
    if len(rows):
        kept.append((rows, _told(running, steps)))
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
    running = Running(games.payoff, rule, starting(games, first), alternate=False, average="uniform")
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


def _told(running: Running, step: int) -> Play:
    """Return what games came to after a round."""
    average, last = running.averages(), tuple(running.policies)
    gap = np.minimum(running.gains(average).sum(axis=1), running.gains(last).sum(axis=1))
    return Play(average, last, gap, np.full(len(gap), step), running.regret())


def _rows(told: Play, rows: Bools) -> Play:
    """Return some rows of what games came to."""
    average, last = (tuple(own[rows] for own in each) for each in (told.average, told.last))
    return Play(average, last, told.gap[rows], told.steps[rows], told.regret[rows])


def starting(games: MatrixGames, first: Mixed | None) -> Mixed:
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
