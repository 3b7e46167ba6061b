"""One Nash equilibrium of games of two players: the method of Lemke and Howson in floats, batched, and in integers.

See `walras.equilibria.normal_form.lemke_howson_compiled` for the method. In integers each entry of a tableau is kept as
a numerator over the last pivot, so that all divisions are exact [1]_.

References
----------
[1] B. von Stengel, Computing equilibria for two-person games, Handbook of Game Theory 3, 2002, Section 2.5.
"""

from math import lcm
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from walras.core.checks import require
from walras.core.typing import Floats, Ints
from walras.markets.normal_form import MatrixGame, MatrixGames

TOL = 1e-9
"""Largest gain of an answer, as a share of the spread of the player's payoffs."""
EXACT_PIVOTS = 10_000
"""Pivots of a path in integers, at most."""


class Bimatrix(NamedTuple):
    """An equilibrium of each of B games."""

    x: Floats  # [B, m]
    y: Floats  # [B, n]
    residual: Floats  # [B] larger gain, as a share of the spread of the player's payoffs; infinite where no path ended
    label: Ints  # [B] label that was dropped first; -1 where none led to an equilibrium


def lemke_howson(games: MatrixGame | MatrixGames, most: int | None = None, labels: int | None = None) -> Bimatrix:
    """Return an equilibrium of each game, by the first label whose path leads to one.

    Parameters
    ----------
    games : MatrixGame or MatrixGames
        Of two players; one game is a batch of one.
    most : int, optional
        Pivots of a path, at most.
    labels : int, optional
        Labels that are tried, at most; all by default.

    Raises
    ------
    ValueError
        If there are not two players.

    Examples
    --------
    >>> from walras.equilibria.normal_form.bimatrix import lemke_howson
    >>> from walras.markets.matrix import MatrixGame
    >>> found = lemke_howson(MatrixGame([[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]]))
    >>> found.x.round(9).tolist(), found.y.round(9).tolist()
    ([[0.5, 0.5]], [[0.5, 0.5]])
    """
    from walras.equilibria.normal_form.lemke_howson_compiled import solve_rows

    games = games.batch if isinstance(games, MatrixGame) else games
    require(games.players == 2, "games", "have two players", games.players)
    (m, n), rows = games.sizes, len(games)
    x, y = np.empty((rows, m)), np.empty((rows, n))
    residual, label = np.full(rows, np.inf), np.empty(rows, dtype=np.int64)
    row, column = (games.normalised.payoff[:, i].copy() for i in (0, 1))
    solve_rows(row, column, most or 500 + 20 * (m + n), labels or m + n, TOL, x, y, residual, label)
    solved = label >= 0
    x[~solved], y[~solved] = 1 / m, 1 / n
    residual[:] = np.where(solved, games.regret((x, y)), np.inf)
    return Bimatrix(x, y, residual, label)


def lemke_howson_exact(game: MatrixGame) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Return an equilibrium in fractions, ``[m]`` and ``[n]``, or none if no path ends within `EXACT_PIVOTS` pivots.

    Raises
    ------
    ValueError
        If there are not two players.
    """
    require(game.players == 2, "game", "have two players", game.players)
    row, column = (_positive(own) for own in game.exact)
    for dropped in range(sum(game.sizes)):
        found = _path(row, column, dropped)
        if found is not None:
            return found
    return None


class _Tableau:
    """Basic variables, and numerators of entries over one denominator; see the compiled method for the layout."""

    def __init__(self, payoff: NDArray[Any], inside: list[int], outside: list[int]) -> None:
        ones = np.full((len(payoff), 1), 1, dtype=object)
        self.entries = np.concatenate([payoff, ones], axis=1)
        self.below = 1
        self.slacks, self.inside, self.outside = list(inside), inside, outside

    def exchange(self, entering: int) -> int:
        """Bring a variable into the basis and return the one that leaves."""
        c = self.outside.index(entering)
        r = min((i for i in range(len(self.entries)) if self.entries[i, c] > 0), key=lambda i: self._ratios(i, c))
        pivot, row, column = self.entries[r, c], self.entries[r].copy(), self.entries[:, c].copy()
        self.entries = (self.entries * pivot - np.outer(column, row)) // self.below
        self.entries[:, c] = -column
        self.entries[r] = row
        self.entries[r, c] = self.below
        self.below = pivot
        self.inside[r], self.outside[c] = entering, self.inside[r]
        return self.outside[c]

    def _ratios(self, i: int, c: int) -> list[Any]:
        """Return right-hand side and columns of the first basis, by the entry in column c."""
        from fractions import Fraction

        unit = [self.below if self.inside[i] == slack else 0 for slack in self.slacks]
        first = [
            self.entries[i, self.outside.index(slack)] if slack in self.outside else own
            for slack, own in zip(self.slacks, unit, strict=True)
        ]
        return [Fraction(entry, self.entries[i, c]) for entry in (self.entries[i, -1], *first)]

    def strategy(self, actions: range) -> NDArray[Any]:
        """Return the basis as a strategy."""
        from fractions import Fraction

        value = {variable: entry for variable, entry in zip(self.inside, self.entries[:, -1], strict=True)}
        weights = [value.get(action, 0) for action in actions]
        return np.array([Fraction(weight, sum(weights)) for weight in weights], dtype=object)


def _path(row: NDArray[Any], column: NDArray[Any], dropped: int) -> tuple[NDArray[Any], NDArray[Any]] | None:
    m, n = row.shape
    rows, columns = range(m), range(m, m + n)
    tableaux = [_Tableau(column.T, list(columns), list(rows)), _Tableau(row, list(rows), list(columns))]
    entering, side = dropped, int(dropped >= m)
    for _ in range(EXACT_PIVOTS):
        entering = tableaux[side].exchange(entering)
        if entering == dropped:
            return tableaux[0].strategy(rows), tableaux[1].strategy(columns)
        side = 1 - side
    return None


def _positive(own: NDArray[Any]) -> NDArray[Any]:
    """Return payoffs as positive integers; strategies do not change with the scale and the level."""
    scale = lcm(*(value.denominator for value in own.flat))
    whole = np.empty(own.shape, dtype=object)
    whole.ravel()[:] = [int(value * scale) for value in own.ravel()]
    return whole - whole.min() + 1
