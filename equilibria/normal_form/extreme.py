r"""All extreme equilibria of two players, and the sets that they span; for more players, those that are found.

The strategies of an extreme equilibrium are vertices of the best-response polytopes

.. math:: P = \{x \ge 0 : B^\top x \le 1\}, \qquad Q = \{y \ge 0 : A y \le 1\}

(payoffs positive), which have all labels between them: row i if :math:`x_i = 0` or i is a best answer, column j
likewise. All equilibria are convex combinations of extreme ones, within the maximal sets U x V all of whose pairs are
equilibria [1]_.

Qhull finds the vertices as facets of the polar body. Degenerate games, in which more than m labels meet at a vertex,
are common in markets: facets of one equation are merged, labels are read from the slacks of the vertex and never from
the triangulation, and pairs are matched by the union of their labels.

References
----------
[1] D. Avis, G. D. Rosenberg, R. Savani, B. von Stengel, Enumeration of Nash equilibria for two-player games, Economic
    Theory 42, 2010.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from walras.core.checks import require
from walras.core.display import Shown
from walras.core.solution import SolverError
from walras.core.typing import Bools, Floats, Ints
from walras.equilibria.normal_form.nash import found_equilibria
from walras.markets.normal_form import MatrixGame, Mixed, check_matrix_game

MOST_ACTIONS = 15
"""Actions a player up to which all equilibria are enumerated without being asked to."""
MOST_LABELS = 62
"""Labels of two players, at most: they are bits of an integer."""
FEW = 20_000
"""Pairs of vertices up to which all are compared."""
COMPARED = 4_000_000
"""Pairs of degenerate vertices that are compared at once."""
SLACK = 1e-9
"""Slack up to which a constraint binds, payoffs scaled to lie between 1 and 2."""
ROUNDING = 1e-13
"""Slack up to which a constraint binds beyond doubt; between both, vertices may be taken for one."""


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class EquilibriumSet(Shown):
    """Equilibria of a game: E profiles, and which of them span a set of equilibria."""

    mixed: Mixed  # N arrays [E, A_i]
    fractions: tuple[NDArray[Any], ...] | None  # likewise, exact; where asked for, of two players
    components: tuple[tuple[int, ...], ...]  # profiles whose strategies mix freely: maximal Nash subsets
    complete: bool  # whether no other extreme equilibria exist; not claimed where rounding may hide some

    def __len__(self) -> int:
        """E."""
        return len(self.mixed[0])

    @property
    def x(self) -> Floats:
        """Strategies of the first player, ``[E, m]``."""
        return self.mixed[0]

    @property
    def y(self) -> Floats:
        """Strategies of the second player, ``[E, n]``."""
        return self.mixed[1]


def extreme_nash(game: MatrixGame, exact: bool = True, most: int = MOST_ACTIONS) -> EquilibriumSet:
    """Return all extreme equilibria of two players; of more, pure ones and the ends of logit branches.

    Parameters
    ----------
    game : MatrixGame
        Of at least two players.
    exact : bool
        Solve the binding constraints of each vertex again in fractions, and check them.
    most : int
        Actions a player, at most; the number of vertices grows exponentially.

    Raises
    ------
    ValueError
        If there is one player, or one of two has more than `most` actions.
    SolverError
        If a vertex does not pass its check in fractions.

    Examples
    --------
    >>> from walras.equilibria import extreme_nash
    >>> from walras.markets.matrix import MatrixGame
    >>> found = extreme_nash(MatrixGame([[[2, 0], [0, 1]], [[1, 0], [0, 2]]]))
    >>> [[str(p) for p in row] for row in found.fractions[0]]
    [['0', '1'], ['2/3', '1/3'], ['1', '0']]
    """
    check_matrix_game(game)
    require(game.players >= 2, "game", "have at least two players", game.players)
    if game.players > 2:
        mixed = found_equilibria(game)
        alone = tuple((k,) for k in range(len(mixed[0])))
        return EquilibriumSet(mixed=mixed, fractions=None, components=alone, complete=False)
    largest = max(game.sizes)
    require(largest <= most, "game", f"have at most {most} actions a player; raise `most`, or use `nash`", game.sizes)
    require(sum(game.sizes) <= MOST_LABELS, "game", f"have at most {MOST_LABELS} actions of two players", game.sizes)
    return _of_two_players(game, exact)


def _of_two_players(game: MatrixGame, exact: bool) -> EquilibriumSet:
    row, column = _between_1_and_2(game)
    sides = _vertices(column.T, False), _vertices(row, True)
    pairs = _matched(sides[0], sides[1], game.sizes)
    mixed: list[NDArray[Any]] = [part.at / part.at.sum(axis=1, keepdims=True) for part in sides]
    pairs = pairs[_in_order(mixed, pairs)]
    own = _exact(game, [part.labels for part in sides], pairs) if exact else mixed
    told = tuple(part[pairs[:, side]] for side, part in enumerate(own))
    played = tuple(part.astype(np.float64) for part in told)
    complete = all(part.certain for part in sides)
    return EquilibriumSet(
        mixed=played, fractions=told if exact else None, components=_components(pairs), complete=complete
    )


def _between_1_and_2(game: MatrixGame) -> Floats:
    """Return payoffs ``[2, m, n]``, moved and scaled, a player's own to its own."""
    low = game.payoff.min(axis=(1, 2), keepdims=True)
    wide = game.payoff.max(axis=(1, 2), keepdims=True) - low
    return 1 + (game.payoff - low) / np.where(wide > 0, wide, 1.0)


class _Vertices(NamedTuple):
    """V vertices of a best-response polytope, of which no two have the same labels."""

    at: Floats  # [V, d]
    labels: Bools  # [V, m + n] in the order of the game: the first player's actions before the second's
    bits: NDArray[np.uint64]  # [V] labels as bits, rising
    certain: bool  # whether each constraint binds, or does not, beyond doubt


def _vertices(payoff: Floats, second: bool) -> _Vertices:
    """Return the vertices of ``{z >= 0: payoff z <= 1}`` but the origin."""
    rows, size = payoff.shape
    vertices = np.array([[0.0], [1 / payoff.max()]]) if size == 1 else _by_polar(payoff)
    left = np.empty((len(vertices), size + rows))
    binds, unused = (slice(rows), slice(rows, None)) if second else (slice(size, None), slice(size))
    left[:, binds] = 1 - vertices @ payoff.T
    left[:, unused] = vertices
    labels = left <= SLACK
    bits, first = np.unique(_bits(labels), return_index=True)  # which constraints bind tells vertices apart
    origin = labels[first, unused].all(axis=1)
    bits, first = bits[~origin], first[~origin]
    return _Vertices(vertices[first], labels[first], bits, bool((~labels | (left <= ROUNDING)).all()))


def _by_polar(payoff: Floats) -> Floats:
    """Return the vertices as facets of the polar body around an inner point, some more than once, and the origin."""
    from scipy.spatial import ConvexHull

    rows, size = payoff.shape
    inner = 0.25 / size  # in each coordinate
    normals = np.zeros((size + rows, size))
    normals.flat[: size * size : size + 1] = -1 / inner
    normals[size:] = payoff / (1 - inner * payoff.sum(axis=1, keepdims=True))
    planes = ConvexHull(normals, qhull_options="Qt").equations
    return np.maximum(inner - planes[:, :-1] / planes[:, -1:], 0.0)


def _bits(labels: Bools) -> NDArray[np.uint64]:
    """Return sets of labels as integers, ``[V]``."""
    wide = np.zeros((len(labels), 64), dtype=np.bool_)
    wide[:, : labels.shape[1]] = labels
    return np.packbits(wide, axis=1, bitorder="little").view("<u8")[:, 0]


def _matched(first: _Vertices, second: _Vertices, sizes: tuple[int, ...]) -> Ints:
    """Return the pairs ``[E, 2]`` that have all labels: of simple vertices by sorting, of others by comparing."""
    everything = np.uint64((1 << sum(sizes)) - 1)
    if len(first.bits) * len(second.bits) <= FEW:
        return np.argwhere((first.bits[:, None] | second.bits) == everything)
    simple = [part.labels.sum(axis=1) <= size for part, size in zip((first, second), sizes, strict=True)]
    rows, columns, others = np.flatnonzero(simple[0]), np.flatnonzero(simple[1]), np.flatnonzero(~simple[0])
    wanted = everything ^ first.bits[rows]
    at = np.minimum(np.searchsorted(second.bits, wanted), len(second.bits) - 1)
    one = (second.bits[at] == wanted) & simple[1][at]
    found = [np.stack([rows[one], at[one]], axis=1)]
    found += _compared(first.bits, second.bits, others, np.arange(len(second.bits)), everything)
    if len(columns) < len(second.bits):
        found += _compared(first.bits, second.bits, rows, np.flatnonzero(~simple[1]), everything)
    return np.concatenate(found)


def _compared(
    first: NDArray[np.uint64], second: NDArray[np.uint64], rows: Ints, columns: Ints, everything: np.uint64
) -> list[Ints]:
    """Return the pairs of some rows and columns that have all labels, by parts that fit into memory."""
    each, found = max(COMPARED // max(len(columns), 1), 1), list[Ints]()
    for begin in range(0, len(rows), each):
        part = rows[begin : begin + each]
        i, j = np.nonzero((first[part][:, None] | second[columns]) == everything)
        found.append(np.stack([part[i], columns[j]], axis=1))
    return found


def _in_order(own: Sequence[Floats], pairs: Ints) -> Ints:
    """Return the order of pairs by their strategies."""
    table = np.round(np.concatenate([part[pairs[:, side]] for side, part in enumerate(own)], axis=1), 9)
    return np.lexsort(table.T[::-1])


def _components(pairs: Ints) -> tuple[tuple[int, ...], ...]:
    """Return the maximal sets of pairs ``U x V`` all of which are equilibria, as numbers of pairs."""
    each = [(i, j) for i, j in pairs.tolist()]
    often = [Counter(side) for side in zip(*each, strict=True)]
    alone = [often[0][i] == 1 == often[1][j] for i, j in each]
    found = [(k,) for k, own in enumerate(alone) if own]
    return tuple(
        sorted(found + _joined({pair: k for k, (pair, own) in enumerate(zip(each, alone, strict=True)) if not own}))
    )


def _joined(place: Mapping[tuple[int, int], int]) -> list[tuple[int, ...]]:
    """Return the maximal sets among numbered pairs: V is an intersection of what vertices of the first side go with."""
    partners = dict[int, int]()  # of each vertex of the first polytope: vertices of the second as bits
    for i, j in place:
        partners[i] = partners.get(i, 0) | 1 << j
    closed = set[int]()
    for own in partners.values():
        closed |= {own & other for other in closed} | {own}
    found = list[tuple[int, ...]]()
    for shared in closed - {0}:
        members = [i for i, own in partners.items() if own & shared == shared]
        found.append(tuple(sorted(place[i, j] for i in members for j in range(shared.bit_length()) if shared >> j & 1)))
    return found


def _exact(game: MatrixGame, labels: Sequence[Bools], pairs: Ints) -> list[NDArray[Any]]:
    """Return the strategies of vertices in fractions, ``[V, A_i]``, from their binding constraints; of those in pairs.

    Raises
    ------
    SolverError
        If a vertex has other binding constraints in fractions.
    """
    (m, n), (row, column) = game.sizes, game.exact
    rules = ((column.T, slice(m), slice(m, None)), (row, slice(m, None), slice(m)))
    found = list[NDArray[Any]]()
    for side, (payoff, unused, best) in enumerate(rules):
        strategies = np.full((len(labels[side]), (m, n)[side]), None, dtype=object)
        for k in np.unique(pairs[:, side]):
            strategies[k] = _solved_exactly(payoff, labels[side][k, unused], labels[side][k, best])
        found.append(strategies)
    return found


def _solved_exactly(payoff: NDArray[Any], unused: Bools, best: Bools) -> list[Fraction]:
    """Return the strategy whose binding constraints these are: zero where unused, its best answers equally good.

    Raises
    ------
    SolverError
        If no strategy has exactly these.
    """
    played = np.flatnonzero(~unused)
    table = [[*(payoff[i, k] for k in played), Fraction(-1), Fraction(0)] for i in np.flatnonzero(best)]
    table.append([*(Fraction(1) for _ in played), Fraction(0), Fraction(1)])
    solved = eliminated(table)
    if solved is None:
        raise SolverError("The binding constraints of a vertex have no single solution in fractions.")
    strategy = [Fraction(0)] * payoff.shape[1]
    for k, weight in zip(played, solved[:-1], strict=True):
        strategy[k] = weight
    worth = [sum((u * w for u, w in zip(own, strategy, strict=True)), Fraction(0)) for own in payoff]
    exact = all(w > 0 for w in solved[:-1]) and [w == solved[-1] for w in worth] == best.tolist()
    if not exact or max(worth) != solved[-1]:
        raise SolverError("A vertex has other binding constraints in fractions than in floats.")
    return strategy


def eliminated(table: list[list[Fraction]]) -> list[Fraction] | None:
    """Return the one solution of linear equations, right-hand sides last, or none if there are none or many."""
    unknowns, top = len(table[0]) - 1, 0
    for column in range(unknowns):
        pivot = next((r for r in range(top, len(table)) if table[r][column]), None)
        if pivot is None:
            return None
        table[top], table[pivot] = table[pivot], table[top]
        table[top] = [entry / table[top][column] for entry in table[top]]
        for r, row in enumerate(table):
            if r != top and row[column]:
                table[r] = [a - row[column] * b for a, b in zip(row, table[top], strict=True)]
        top += 1
    return None if any(row[-1] for row in table[top:]) else [row[-1] for row in table[:unknowns]]
