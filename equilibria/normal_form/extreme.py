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

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from walras.core.checks import require
from walras.core.display import Shown
from walras.core.solution import SolverError
from walras.core.typing import Bools, Floats, Ints
from walras.equilibria.normal_form.nash import found_equilibria
from walras.markets.normal_form import MatrixGame, Mixed

MOST_ACTIONS = 15
"""Actions a player up to which all equilibria are enumerated without being asked to."""
MOST_LABELS = 62
"""Labels of two players, at most: they are bits of an integer."""
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
    require(game.players >= 2, "game", "have at least two players", game.players)
    if game.players > 2:
        mixed = found_equilibria(game)
        alone = tuple((k,) for k in range(len(mixed[0])))
        return EquilibriumSet(mixed=mixed, fractions=None, components=alone, complete=False)
    largest = max(game.sizes)
    require(largest <= most, "game", f"have at most {most} actions a player; raise `most`, or use `nash`", game.sizes)
    require(sum(game.sizes) <= MOST_LABELS, "game", f"have at most {MOST_LABELS} actions of two players", game.sizes)
    row, column = 1 + game.normalised.payoff
    sides = _vertices(column.T, False), _vertices(row, True)
    pairs = _matched(sides[0][1], sides[1][1], game.sizes)
    kept = [np.unique(pairs[:, side]) for side in (0, 1)]
    pairs = np.stack([np.searchsorted(own, pairs[:, side]) for side, own in enumerate(kept)], axis=1)
    vertices = [part[0][own] for part, own in zip(sides, kept, strict=True)]
    labels = [part[1][own] for part, own in zip(sides, kept, strict=True)]
    order = _in_order([own / own.sum(axis=1, keepdims=True) for own in vertices], pairs)
    pairs = pairs[order]
    fractions = _exact(game, labels, pairs) if exact else None
    own = [v / v.sum(axis=1, keepdims=True) for v in vertices] if fractions is None else fractions
    mixed = tuple(np.asarray(part, dtype=np.float64)[pairs[:, side]] for side, part in enumerate(own))
    told = None if fractions is None else tuple(part[pairs[:, side]] for side, part in enumerate(fractions))
    complete = all(part[2] for part in sides)
    return EquilibriumSet(mixed=mixed, fractions=told, components=_components(pairs), complete=complete)


def _vertices(payoff: Floats, second: bool) -> tuple[Floats, Bools, bool]:
    """Return the vertices ``[V, d]`` of ``{z >= 0: payoff z <= 1}`` but the origin, and their labels ``[V, d + rows]``.

    Labels are in the order of the game: the first player's actions before the second's. The last is whether each
    constraint binds, or does not, beyond doubt.
    """
    size = payoff.shape[1]
    vertices = np.array([[1 / payoff.max()]]) if size == 1 else _by_polar(payoff)
    slack = 1 - vertices @ payoff.T
    left = np.concatenate([slack, vertices] if second else [vertices, slack], axis=1)
    labels = left <= SLACK
    _, first = np.unique(labels, axis=0, return_index=True)  # which constraints bind tells vertices apart
    return vertices[first], labels[first], bool(np.all(~labels | (left <= ROUNDING)))


def _by_polar(payoff: Floats) -> Floats:
    """Return the vertices as facets of the polar body around an inner point, some more than once; not the origin."""
    from scipy.spatial import ConvexHull

    rows, size = payoff.shape
    inner = np.full(size, 0.25 / size)
    normals = np.concatenate([-np.eye(size), payoff])
    room = np.concatenate([np.zeros(size), np.ones(rows)]) - normals @ inner
    hull = ConvexHull(normals / room[:, None], qhull_options="Qt")
    points = inner - hull.equations[:, :-1] / hull.equations[:, -1:]
    points = np.maximum(points, 0.0)
    return points[points.max(axis=1) > 0.05 / size]


def _bits(labels: Bools) -> Ints:
    """Return sets of labels as integers, ``[V]``."""
    return labels @ (1 << np.arange(labels.shape[1], dtype=np.int64))


def _matched(first: Bools, second: Bools, sizes: tuple[int, ...]) -> Ints:
    """Return the pairs ``[E, 2]`` that have all labels: of simple vertices by sorting, of others by comparing."""
    everything = (1 << sum(sizes)) - 1
    bits, others = _bits(first), _bits(second)
    order = np.argsort(others)
    low = np.searchsorted(others[order], everything ^ bits, side="left")
    high = np.searchsorted(others[order], everything ^ bits, side="right")
    pairs = {(int(i), int(j)) for i in np.flatnonzero(low < high) for j in order[low[i] : high[i]]}
    for i in np.flatnonzero(first.sum(axis=1) > sizes[0]):
        pairs |= {(int(i), int(j)) for j in np.flatnonzero((bits[i] | others) == everything)}
    for j in np.flatnonzero(second.sum(axis=1) > sizes[1]):
        pairs |= {(int(i), int(j)) for i in np.flatnonzero((bits | others[j]) == everything)}
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)


def _in_order(own: Sequence[Floats], pairs: Ints) -> Ints:
    """Return the order of pairs by their strategies."""
    table = np.round(np.concatenate([part[pairs[:, side]] for side, part in enumerate(own)], axis=1), 9)
    return np.lexsort(table.T[::-1])


def _components(pairs: Ints) -> tuple[tuple[int, ...], ...]:
    """Return the maximal sets U x V of pairs, as the places of their pairs: cliques of a graph on both sides."""
    import networkx as nx

    graph: Any = nx.Graph()
    place = {(int(i), int(j)): k for k, (i, j) in enumerate(pairs)}
    for side in (0, 1):
        own = [(side, int(v)) for v in np.unique(pairs[:, side])]
        graph.add_edges_from((a, b) for k, a in enumerate(own) for b in own[k + 1 :])
    graph.add_edges_from(((0, i), (1, j)) for i, j in place)
    found: list[tuple[int, ...]] = []
    for clique in nx.find_cliques(graph):
        members = [sorted(v for side, v in clique if side == which) for which in (0, 1)]
        if members[0] and members[1]:
            found.append(tuple(sorted(place[i, j] for i in members[0] for j in members[1])))
    return tuple(sorted(found))


def _exact(game: MatrixGame, labels: Sequence[Bools], pairs: Ints) -> tuple[NDArray[Any], ...]:
    """Return the strategies of vertices in fractions, ``[V, A_i]``, from their binding constraints."""
    (m, n), (row, column) = game.sizes, game.exact
    first = [_solved_exactly(column.T, own[:m], own[m:]) for own in labels[0]]
    second = [_solved_exactly(row, own[m:], own[:m]) for own in labels[1]]
    return np.array(first, dtype=object).reshape(-1, m), np.array(second, dtype=object).reshape(-1, n)


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
