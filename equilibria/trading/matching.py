r"""Circulations that are assignments.

In some circulations each unit takes a path of its own: from outside (node 0) to a first node, perhaps through a middle
one, to a last node, and outside again. Here

- a first node has one arc in, from outside and of capacity 1;
- a last node has one arc out, to outside and of capacity 1;
- a middle node has one arc in, from a first node;
- all other arcs lead from a first or middle node to a last one, or outside.

No two paths share a first node or a last one. So a cheapest circulation assigns first nodes to last nodes at the costs
of the paths between them, some to none. Unit traders are such nodes themselves; the objects and slots of
`walras.markets.trading.traders.Assignment` are others. scipy finds the assignment from the paths alone [1]_.

References
----------
.. [1] R. Jonker, A. Volgenant, A shortest augmenting path algorithm for dense and sparse linear assignment problems,
   Computing 38, 1987.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from walras.core.typing import Floats, Ints
from walras.equilibria.trading.circulation import Arcs, Circulation, Optimum, joined

NONE = -1  # the last arc, which leads nowhere at no cost
ZERO = np.zeros(1, dtype=np.int64)
NOWHERE = Arcs(ZERO, ZERO, ZERO, np.zeros(1))


class Paths(NamedTuple):
    """The paths of a circulation that gain something, the best one from each first to each last node, and none."""

    arcs: Ints  # [P, 4] those taken; NONE for a step left out
    place: Ints  # [P] ascending: row times columns plus column
    cost: Floats  # [P]
    rows: int  # first nodes
    columns: int  # last nodes, then one for each row, to stay idle


def paths(of: Circulation) -> Paths | None:
    """Return the paths of a circulation, or None if it is not an assignment."""
    arcs = joined(of.arcs, NOWHERE)
    arriving, leaving = _sole(of.arcs.head, of.nodes), _sole(of.arcs.tail, of.nodes)
    first = (arriving >= 0) & (arcs.tail[arriving] == 0) & (arcs.capacity[arriving] == 1)
    last = (leaving >= 0) & (arcs.head[leaving] == 0) & (arcs.capacity[leaving] == 1) & ~first
    middle = (arriving >= 0) & first[arcs.tail[arriving]] & ~first & ~last
    between = np.ones(len(of.arcs.cost), dtype=np.bool_)
    between[arriving[first | middle]] = between[leaving[last]] = False
    tail, head = of.arcs.tail[between], of.arcs.head[between]
    fits = (first | middle)[tail] & (last[head] | (head == 0))
    if len(of.menu.cost) or not fits.all() or not of.arcs.capacity.all():
        return None
    start = np.where(middle, arcs.tail[arriving], np.arange(of.nodes))
    before = np.stack((arriving[start], np.where(middle, arriving, NONE)), axis=1)  # [nodes, 2] arcs from outside
    cost = arcs.cost[before].sum(axis=1)[tail] + of.arcs.cost[between] + arcs.cost[leaving][head]
    gains = cost < 0
    tail, head = tail[gains], head[gains]
    steps = np.column_stack((before[tail], np.flatnonzero(between)[gains], leaving[head]))
    rows, count = int(first.sum()), int(last.sum())
    row = (np.cumsum(first) - 1)[start[tail]]
    column = np.where(head == 0, count + row, (np.cumsum(last) - 1)[head])
    return _best(steps, (count + rows) * row + column, cost[gains], rows, count + rows)


def matched(of: Circulation, by: Paths) -> Optimum:
    """Return a cheapest circulation, by its paths."""
    shift = -2 * by.cost.min(initial=0.0) or 1.0  # scipy takes no weight of zero
    start = np.searchsorted(by.place, by.columns * np.arange(by.rows + 1))
    weights = csr_array((by.cost + shift, by.place % by.columns, start), shape=(by.rows, by.columns))
    row, column = min_weight_full_bipartite_matching(weights)
    chosen = np.searchsorted(by.place, by.columns * row + column)
    flow = np.zeros(len(of.arcs.cost) + 1, dtype=np.int64)
    flow[by.arcs[chosen]] = 1
    least = float(of.arcs.cost @ flow[:NONE])
    return Optimum(flow[:NONE], np.zeros(0, dtype=np.int64), least, least, 1)


def _sole(end: Ints, nodes: int) -> Ints:
    """Return for each node the only arc that has it as its end, ``[nodes]``, or NONE."""
    arc = np.full(nodes, NONE)
    arc[end] = np.arange(len(end))
    arc[np.bincount(end, minlength=nodes) != 1] = NONE
    arc[0] = NONE
    return arc


def _best(steps: Ints, place: Ints, cost: Floats, rows: int, columns: int) -> Paths:
    """Return the best path at each place, with an idle one for each row."""
    every = np.concatenate((steps, np.full((rows, 4), NONE)))
    place = np.concatenate((place, (columns + 1) * np.arange(rows) + columns - rows))
    cost = np.concatenate((cost, np.zeros(rows)))
    order = np.argsort(place, kind="stable")
    new = np.diff(place[order], prepend=-1) > 0
    least = np.minimum.reduceat(cost[order], np.flatnonzero(new))
    order = order[cost[order] == least[np.cumsum(new) - 1]]
    order = order[np.diff(place[order], prepend=-1) > 0]
    return Paths(every[order], place[order], cost[order], rows, columns)
