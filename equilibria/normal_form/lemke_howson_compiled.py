r"""The method of Lemke and Howson on many games of two players, compiled for the processor.

The row player's strategies x and the column player's y are found as vertices of

.. math:: P = \{x \ge 0 : B^\top x \le 1\}, \qquad Q = \{y \ge 0 : A y \le 1\},

payoffs being positive. A vertex has the labels of the rows that it does not play and of the columns that are best
answers to it, and likewise in Q; a pair with all labels, other than (0, 0), is an equilibrium [1]_. From (0, 0) one
label is dropped; then what leaves the basis of one polytope enters that of the other, until the dropped label is back.
Ratio tests are lexicographic, so degenerate games do not cycle [2]_.

A tableau holds the columns outside the basis and, last, the right-hand side: basic + T nonbasic = rhs. Variables are
called by their labels, rows 0 .. m - 1 and columns m .. m + n - 1. Kernels modify what they are given in place.

References
----------
[1] C. E. Lemke, J. T. Howson, Equilibrium points of bimatrix games, SIAM Journal on Applied Mathematics 12, 1964.
[2] B. von Stengel, Computing equilibria for two-person games, Handbook of Game Theory 3, 2002, Section 2.6.
"""

from typing import cast

import numpy as np

from walras.core.typing import Floats, Ints
from walras.markets.compiled import compiled

PIVOT = 1e-11
"""Smallest entry to divide by."""
TIE = 1e-12
"""Difference of ratios up to which they are equal."""
FIRST = cast(int, np.int64(0))
"""Label of the first row. A function is compiled once more for each whole number that is written where it is called."""


@compiled
def solve_rows(
    row: Floats, column: Floats, most: int, labels: int, tol: float, x: Floats, y: Floats, regret: Floats, label: Ints
) -> None:
    """Solve games ``row, column [B, m, n]`` into ``x [B, m]``, ``y [B, n]``, ``regret [B]`` and dropped ``label [B]``.

    Payoffs lie between 0 and 1. The first of `labels` whose path ends within `most` pivots, in a pair whose regret is
    at most `tol`, is the answer; where none does, the label is -1.
    """
    for b in range(len(row)):
        label[b] = _solve(row[b], column[b], most, labels, tol, x[b], y[b], regret[b : b + 1])


@compiled
def _solve(
    row: Floats, column: Floats, most: int, labels: int, tol: float, x: Floats, y: Floats, regret: Floats
) -> int:
    """Try one label after the other; return the one that led to an equilibrium, or -1."""
    m, n = row.shape
    first, second = np.empty((n, m + 1)), np.empty((m, n + 1))
    inside, outside = np.empty(m + n, dtype=np.int64), np.empty(m + n, dtype=np.int64)
    for dropped in range(min(labels, m + n)):
        _start(first, column.T.copy())
        _start(second, row)
        if _follow(first, second, inside, outside, dropped, most):
            _read(first, inside[:n], FIRST, x)
            _read(second, inside[n:], m, y)
            regret[0] = _regret(row, column, x, y)
            if regret[0] <= tol:
                return dropped
    return -1


@compiled
def _start(tableau: Floats, payoff: Floats) -> None:
    """Write payoffs, moved to lie between 1 and 2, and the right-hand side."""
    rows, columns = payoff.shape
    for i in range(rows):
        for j in range(columns):
            tableau[i, j] = 1 + payoff[i, j]
        tableau[i, columns] = 1.0


@compiled
def _follow(first: Floats, second: Floats, inside: Ints, outside: Ints, dropped: int, most: int) -> bool:
    """Pivot until the dropped label is back; return whether it is.

    The basis of the first tableau is ``inside[:n]``, of the second ``inside[n:]``; likewise ``outside[:m]``,
    ``outside[m:]``.
    """
    n, m = len(first), len(second)
    for k in range(n):
        inside[k], outside[m + k] = m + k, m + k
    for k in range(m):
        inside[n + k], outside[k] = k, k
    entering = dropped
    in_first = dropped < m
    for _ in range(most):
        if in_first:
            entering = _exchange(first, inside[:n], outside[:m], entering, m, n)
        else:
            entering = _exchange(second, inside[n:], outside[m:], entering, FIRST, m)
        if entering == dropped:
            return True
        if entering < 0:
            return False
        in_first = not in_first
    return False


@compiled
def _exchange(tableau: Floats, inside: Ints, outside: Ints, entering: int, slack: int, slacks: int) -> int:
    """Bring a variable into the basis and return the one that leaves, or -1 if none does."""
    c = 0
    while outside[c] != entering:
        c += 1
    r = _leaving(tableau, inside, outside, c, slack, slacks)
    if r < 0:
        return -1
    _pivot(tableau, r, c)
    leaving = inside[r]
    inside[r], outside[c] = entering, leaving
    return leaving


@compiled
def _leaving(tableau: Floats, inside: Ints, outside: Ints, c: int, slack: int, slacks: int) -> int:
    """Return the row of the lexicographically smallest ratio."""
    last = tableau.shape[1] - 1
    best, ratio, tied = -1, np.inf, False
    for i in range(len(tableau)):
        if tableau[i, c] > PIVOT:
            own = tableau[i, last] / tableau[i, c]
            if own < ratio - TIE:
                best, ratio, tied = i, own, False
            elif own <= ratio + TIE:
                tied = True
    return _lexicographic(tableau, inside, outside, c, slack, slacks, ratio) if tied else best


@compiled
def _lexicographic(tableau: Floats, inside: Ints, outside: Ints, c: int, slack: int, slacks: int, ratio: float) -> int:
    """Return the tied row whose entries in the columns of the first basis, by that in column c, come first in order."""
    last = tableau.shape[1] - 1
    rows = np.empty(len(tableau), dtype=np.int64)
    count = 0
    for i in range(len(tableau)):
        if tableau[i, c] > PIVOT and tableau[i, last] / tableau[i, c] <= ratio + TIE:
            rows[count] = i
            count += 1
    own = np.empty(count)
    for variable in range(slack, slack + slacks):
        if count == 1:
            break
        _column(tableau, inside, outside, c, variable, rows, own, count)
        least = own[:count].min()
        kept = 0
        for k in range(count):
            if own[k] <= least + TIE:
                rows[kept] = rows[k]
                kept += 1
        count = kept
    return rows[0]


@compiled
def _column(
    tableau: Floats, inside: Ints, outside: Ints, c: int, variable: int, rows: Ints, own: Floats, count: int
) -> None:
    """Write a variable's entries in some rows by those in column c; in the basis it has a unit column."""
    for j in range(len(outside)):
        if outside[j] == variable:
            for k in range(count):
                own[k] = tableau[rows[k], j] / tableau[rows[k], c]
            return
    for k in range(count):
        own[k] = 1 / tableau[rows[k], c] if inside[rows[k]] == variable else 0.0


@compiled
def _pivot(tableau: Floats, r: int, c: int) -> None:
    """Exchange the variables of row r and column c."""
    rows, columns = tableau.shape
    inverse = 1 / tableau[r, c]
    for j in range(columns):
        tableau[r, j] *= inverse
    tableau[r, c] = inverse
    for i in range(rows):
        factor = tableau[i, c]
        if i != r and factor != 0:
            tableau[i, c] = 0.0
            for j in range(columns):
                tableau[i, j] -= factor * tableau[r, j]


@compiled
def _read(tableau: Floats, inside: Ints, start: int, strategy: Floats) -> None:
    """Write the strategy of a basis whose variables from `start` on are its actions; others are slacks."""
    strategy[:] = 0
    size, last = len(strategy), tableau.shape[1] - 1
    for i in range(len(tableau)):
        action = inside[i] - start
        if 0 <= action < size:
            strategy[action] = max(tableau[i, last], 0.0)
    total = strategy.sum()
    if total > 0:
        strategy /= total


@compiled
def _regret(row: Floats, column: Floats, x: Floats, y: Floats) -> float:
    """Return the larger of both players' gains."""
    m, n = row.shape
    own, other = np.zeros(m), np.zeros(n)
    for i in range(m):
        for j in range(n):
            own[i] += row[i, j] * y[j]
            other[j] += column[i, j] * x[i]
    first, second = 0.0, 0.0
    for i in range(m):
        first += x[i] * (own.max() - own[i])
    for j in range(n):
        second += y[j] * (other.max() - other[j])
    return max(first, second)
