r"""Logit equilibria of N players, and the Nash equilibrium to which their principal branch leads.

At precision :math:`\lambda` each player answers with

.. math:: x_i(a) = \frac{q_i(a)\, e^{\lambda u_i(a, x_{-i})}}{\sum_b q_i(b)\, e^{\lambda u_i(b, x_{-i})}} ,

q being even on the principal branch. From :math:`x = q` at :math:`\lambda = 0` a path leads, in almost all games, to a
Nash equilibrium as :math:`\lambda \to \infty` [1]_. `branch` follows it by predictor and corrector in the logarithms z
of probabilities [2]_, with the arc as the parameter, since :math:`\lambda` may fall on the way. Every few steps
`polished` tries the supports that the point suggests: Newton's method makes all their actions equally good.

References
----------
[1] R. D. McKelvey, T. R. Palfrey, Quantal response equilibria for normal form games, Games and Economic Behavior 10,
    1995.
[2] T. L. Turocy, A dynamic homotopy interpretation of the logistic quantal response equilibrium correspondence, Games
    and Economic Behavior 51, 2005.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple, final

import numpy as np

from walras.core.checks import require
from walras.core.typing import Bools, Floats
from walras.markets.normal_form import MatrixGame, Mixed

EVERY = 5
"""Predictor steps between two attempts to polish."""
SUPPORTS = (1e-3, 1e-2, 5e-2, 1e-5)
"""Shares of a player's largest probability above which an action is tried as played."""
SETTLED = 1e-10
"""Residual of the logit equations at which the corrector stops."""
NEAR = 1e-11
"""NashConv, payoffs scaled to a spread of 1, up to which a polished profile is an equilibrium."""
CORRECTIONS = 6
"""Newton steps of a corrector, at most."""
POLISHING = 12
"""Newton steps of an attempt to polish."""
LEAST_STEP, MOST_STEP = 1e-9, 1e4


class Point(NamedTuple):
    """A point of a branch."""

    logs: Floats  # [A] logarithms of probabilities, players one after the other
    precision: float


@final
class Joined:
    """A game whose payoffs have a spread of 1, with the actions of all players on one axis, A = A_1 + .. + A_N."""

    def __init__(self, game: MatrixGame) -> None:
        self.game = game
        ends = np.cumsum([0, *game.sizes])
        self.parts = [slice(int(a), int(b)) for a, b in pairwise(ends)]
        self.player = np.repeat(np.arange(game.players), game.sizes)  # [A]
        self.member = (self.player[:, None] == np.arange(game.players)).astype(np.float64)  # [A, N]
        self.even = -np.log(np.array(game.sizes, dtype=np.float64))[self.player]  # [A]

    def split(self, x: Floats) -> Mixed:
        """Return one strategy a player."""
        return tuple(x[part] for part in self.parts)

    def jacobian(self, x: Floats) -> Floats:
        """Return ``U [A, A]``: what an action earns if a player of another one plays that, the rest as in x."""
        mixed, table = self.split(x), np.zeros((len(x), len(x)))
        for i, own in enumerate(self.game.payoff):
            for j in range(len(mixed)):
                if i != j:
                    table[self.parts[i], self.parts[j]] = _pair(own, mixed, i, j)
        return table

    def utilities(self, x: Floats, table: Floats) -> Floats:
        """Return what each action earns, ``[A]``, from `jacobian`: each other player's strategy gives the same."""
        if self.game.players == 1:
            return self.game.payoff[0]
        return (table @ x) / (self.game.players - 1)


def qre(game: MatrixGame, precision: float) -> Mixed:
    """Return the logit equilibrium of the principal branch at a precision, which is an inverse of payoffs.

    Raises
    ------
    ValueError
        If the precision is negative or not finite.
    ArithmeticError
        If the branch cannot be followed that far.

    Examples
    --------
    >>> from walras.equilibria import qre
    >>> from walras.markets.matrix import MatrixGame
    >>> first, second = qre(MatrixGame([[[2, 0], [0, 1]], [[1, 0], [0, 2]]]), 0.0)
    >>> first.tolist()
    [0.5, 0.5]
    """
    require(0 <= precision < np.inf, "precision", "be finite and not negative", precision)
    joined, target = Joined(MatrixGame(game.payoff / game.spread)), precision * game.spread
    last = Point(joined.even, 0.0)
    if target == 0:
        return joined.split(np.exp(last.logs))
    for point in branch(joined, joined.even):
        if point.precision >= target:
            share = (target - last.precision) / (point.precision - last.precision)
            guess = Point(last.logs + share * (point.logs - last.logs), target)
            fixed = np.append(np.zeros(len(guess.logs)), 1.0)
            found = _corrected(joined, joined.even, guess, fixed)
            if found is not None:
                return joined.split(np.exp(found.logs))
        last = point
    raise ArithmeticError(f"The branch of logit equilibria is lost at precision {last.precision / game.spread:.3g}.")


def branch(joined: Joined, prior: Floats) -> Iterator[Point]:
    """Yield points of the branch from the logarithms of `prior` on, until steps grow too small or too large."""
    point, step = Point(prior, 0.0), 0.1
    ahead = np.append(np.zeros(len(prior)), 1.0)
    tangent = _tangent(joined, prior, point, ahead)
    while LEAST_STEP < step < MOST_STEP and tangent is not None:
        guess = Point(point.logs + step * tangent[:-1], point.precision + step * tangent[-1])
        found = _corrected(joined, prior, guess, tangent)
        after = None if found is None else _tangent(joined, prior, found, tangent)
        if found is None or after is None or after @ tangent < 0.5:  # too far, or the path turns
            step /= 2
            continue
        point, tangent, step = found, after, 1.5 * step
        yield point


def polished(joined: Joined, x: Floats) -> Floats | None:
    """Return a Nash equilibrium whose support `x` suggests, or none."""
    largest = np.array([x[part].max() for part in joined.parts])[joined.player]
    tried: list[bytes] = []
    for share in SUPPORTS:
        support = x >= share * largest
        if support.tobytes() not in tried:
            tried.append(support.tobytes())
            found = _indifferent(joined, np.where(support, x, 0.0), support)
            if found is not None:
                return found
    return None


def _indifferent(joined: Joined, x: Floats, support: Bools) -> Floats | None:
    """Return the equilibrium in which all played actions are equally good, by Newton's method, or none."""
    played, players = np.flatnonzero(support), joined.game.players
    member = joined.member[played]
    x = x / (joined.member.T @ x)[joined.player]
    for _ in range(POLISHING):
        table = joined.jacobian(x)
        own = joined.utilities(x, table)[played]
        value = (member.T @ own) / member.sum(axis=0)
        wrong = np.concatenate([own - member @ value, member.T @ x[played] - 1])
        system = np.block([[table[np.ix_(played, played)], -member], [member.T, np.zeros((players, players))]])
        change = _solved(system, wrong)
        if change is None or not np.abs(change).max() < 1e3:
            return None
        x = x.copy()
        x[played] -= change[: len(played)]
        if np.abs(change[: len(played)]).max() < 1e-14:
            break
    return _accepted(joined, x)


def _accepted(joined: Joined, x: Floats) -> Floats | None:
    """Return x as strategies if it is an equilibrium."""
    if x.min() < -NEAR:
        return None
    x = np.maximum(x, 0.0)
    x = x / (joined.member.T @ x)[joined.player]
    mixed = joined.split(x)
    return x if joined.game.nash_conv(mixed) <= NEAR else None


def _corrected(joined: Joined, prior: Floats, point: Point, direction: Floats) -> Point | None:
    """Return the point of the branch near a guess, in the plane across `direction`, or none."""
    for _ in range(CORRECTIONS):
        if not np.isfinite(point.logs).all() or point.logs.max() > 1:
            return None
        wrong, slopes = _equations(joined, prior, point)
        if np.abs(wrong).max() <= SETTLED * (1 + abs(point.precision)):
            return point
        change = _solved(np.vstack([slopes, direction]), np.append(wrong, 0.0))
        if change is None:
            return None
        point = Point(point.logs - change[:-1], point.precision - change[-1])
    return None


def _tangent(joined: Joined, prior: Floats, point: Point, before: Floats) -> Floats | None:
    """Return the unit tangent ``[A + 1]`` of the branch, that goes on as the one before."""
    _, slopes = _equations(joined, prior, point)
    tangent = _solved(np.vstack([slopes, before]), np.append(np.zeros(len(slopes)), 1.0))
    return None if tangent is None else tangent / np.linalg.norm(tangent)


def _equations(joined: Joined, prior: Floats, point: Point) -> tuple[Floats, Floats]:
    """Return by how much logarithms differ from logit answers, ``[A]``, and the slopes ``[A, A + 1]``."""
    x = np.exp(point.logs)
    table = joined.jacobian(x)
    own = joined.utilities(x, table)
    answer = prior + point.precision * own
    top = np.array([answer[part].max() for part in joined.parts])[joined.player]
    weight = np.exp(answer - top)
    total = (joined.member.T @ weight)[joined.player]
    share = weight / total
    centre = joined.member @ (joined.member * share[:, None]).T  # [A, A]: takes the mean over a player's actions
    above = table - centre @ table
    slopes = np.eye(len(x)) - point.precision * above * x
    return point.logs - (answer - top - np.log(total)), np.column_stack([slopes, centre @ own - own])


def _pair(own: Floats, mixed: Mixed, i: int, j: int) -> Floats:
    """Return ``[A_i, A_j]``: payoffs of player i, the others but j drawn from their strategies."""
    table = np.moveaxis(own, (i, j), (0, 1))
    for k in reversed([k for k in range(len(mixed)) if k not in (i, j)]):
        table = table @ mixed[k]
    return table


def _solved(matrix: Floats, right: Floats) -> Floats | None:
    try:
        return np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)
    except np.linalg.LinAlgError:
        return None
