r"""Circulations that are assignment problems.

Call a node of a circulation

- *first* if its only arc in comes from outside (node 0) and has capacity 1;
- *last* if its only arc out goes to outside and has capacity 1;
- *middle* if its only arc in comes from a first node.

If every other arc goes from a first or middle node to a last node or to outside, then each unit of flow takes a path of
its own: outside, a first node, perhaps a middle node, a last node (or none), outside. Two units never share a first or
a last node. A cheapest circulation therefore assigns first nodes to last nodes; an assignment costs what the arcs of
the path between the two nodes cost, and a first node may stay unassigned at no cost.

Traders of one unit are first and last nodes themselves. The objects and slots of
`walras.markets.trading.traders.Assignment` are such nodes too. scipy solves the assignment problem [1]_.

References
----------
.. [1] R. Jonker, A. Volgenant, A shortest augmenting path algorithm for dense and sparse linear assignment problems,
   Computing 38, 1987.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching

from walras.core.typing import Bools, Floats, Ints
from walras.equilibria.trading.circulation import Arcs, Circulation, Optimum, joined
from walras.equilibria.trading.refined import power_of_2

NONE = -1  # in the place of an arc: no arc; its cost is that of `NOWHERE`, zero
ZERO = np.zeros(1, dtype=np.int64)
NOWHERE = Arcs(ZERO, ZERO, ZERO, np.zeros(1))


class Paths(NamedTuple):
    """The cheapest path from each first node to each last node, if it has a negative cost; and idling, at no cost.

    They are the entries of a sparse cost matrix of the assignment problem: a row for each first node; a column for each
    last node, and after these one for each row, which stands for idling or for a path that meets no last node.
    """

    arcs: Ints  # [P, 4] into the first node, into a middle node, out of either, out of the last node; or NONE
    place: Ints  # [P] ascending: row times columns plus column
    cost: Floats  # [P]
    rows: int
    columns: int


class Nodes(NamedTuple):
    """The kinds of nodes, and their arcs."""

    first: Bools  # [nodes]
    middle: Bools  # [nodes]
    last: Bools  # [nodes]
    arc_in: Ints  # [nodes] the only one, or NONE
    arc_out: Ints  # [nodes] the only one, or NONE


def paths(of: Circulation) -> Paths | None:
    """Return the cost matrix of the assignment problem that a circulation is, or None if it is none."""
    nodes = _kinds(of)
    inner = np.ones(len(of.arcs.cost), dtype=np.bool_)  # arcs between a first or middle node and a last node or outside
    inner[nodes.arc_in[nodes.first | nodes.middle]] = inner[nodes.arc_out[nodes.last]] = False
    tail, head = of.arcs.tail[inner], of.arcs.head[inner]
    fits = (nodes.first | nodes.middle)[tail] & (nodes.last[head] | (head == 0))
    if len(of.menu.cost) or not fits.all() or not of.arcs.capacity.all():
        return None
    every = joined(of.arcs, NOWHERE)
    start = np.where(nodes.middle, every.tail[nodes.arc_in], np.arange(of.nodes))  # [nodes] the first node before it
    arcs_in = np.stack((nodes.arc_in[start], np.where(nodes.middle, nodes.arc_in, NONE)), axis=1)  # [nodes, 2]
    cost = every.cost[arcs_in].sum(axis=1)[tail] + of.arcs.cost[inner] + every.cost[nodes.arc_out][head]
    arcs = np.column_stack((arcs_in[tail], np.flatnonzero(inner), nodes.arc_out[head]))
    rows, last_nodes = int(nodes.first.sum()), int(nodes.last.sum())
    row = (np.cumsum(nodes.first) - 1)[start[tail]]
    column = np.where(head == 0, last_nodes + row, (np.cumsum(nodes.last) - 1)[head])
    place, cheap = (last_nodes + rows) * row + column, cost < 0
    return _cheapest(arcs[cheap], place[cheap], cost[cheap], rows, last_nodes + rows)


def matched(of: Circulation, by: Paths) -> Optimum:
    """Return a cheapest circulation, by the assignment problem that `paths` found it to be."""
    start = np.searchsorted(by.place, by.columns * np.arange(by.rows + 1))
    row, column = by.place // by.columns, by.place % by.columns
    links = csr_array((np.ones(len(row)), (row, by.rows + column)), shape=(by.rows + by.columns, by.rows + by.columns))
    part = connected_components(links, directed=False)[1][row]
    largest = np.zeros(by.rows + by.columns)
    np.maximum.at(largest, part, -by.cost)
    # scipy takes no weight of zero. Each part is counted in its own unit, so that it keeps its digits.
    weight = 2.0 + by.cost / power_of_2(largest)[part]
    weights = csr_array((weight, column, start), shape=(by.rows, by.columns))
    row, column = min_weight_full_bipartite_matching(weights)
    chosen = np.searchsorted(by.place, by.columns * row + column)
    flow = np.zeros(len(of.arcs.cost) + 1, dtype=np.int64)
    flow[by.arcs[chosen]] = 1
    least = float(of.arcs.cost @ flow[:NONE])
    return Optimum(flow[:NONE], np.zeros(0, dtype=np.int64), least, 0.0, 1)


def _kinds(of: Circulation) -> Nodes:
    """Return which nodes are first, middle and last, and their arcs."""
    arcs = joined(of.arcs, NOWHERE)
    arc_in, arc_out = _only_arc(of.arcs.head, of.nodes), _only_arc(of.arcs.tail, of.nodes)
    first = (arc_in >= 0) & (arcs.tail[arc_in] == 0) & (arcs.capacity[arc_in] == 1)
    last = (arc_out >= 0) & (arcs.head[arc_out] == 0) & (arcs.capacity[arc_out] == 1) & ~first
    middle = (arc_in >= 0) & first[arcs.tail[arc_in]] & ~first & ~last
    return Nodes(first, middle, last, arc_in, arc_out)


def _only_arc(ends: Ints, nodes: int) -> Ints:
    """Return for each node the arc that ends there, ``[nodes]``; NONE if there is no arc, or more than one, or node 0.

    Parameters
    ----------
    ends : Ints
        ``[A]`` heads of all arcs, to find the arcs in; or tails, to find the arcs out.
    nodes : int
        Number of nodes.
    """
    arc = np.full(nodes, NONE)
    arc[ends] = np.arange(len(ends))
    arc[np.bincount(ends, minlength=nodes) != 1] = NONE
    arc[0] = NONE
    return arc


def _cheapest(arcs: Ints, place: Ints, cost: Floats, rows: int, columns: int) -> Paths:
    """Return the cheapest of the paths at each place of the matrix, with one that idles in each row."""
    arcs = np.concatenate((arcs, np.full((rows, 4), NONE)))
    place = np.concatenate((place, (columns + 1) * np.arange(rows) + columns - rows))
    cost = np.concatenate((cost, np.zeros(rows)))
    order = np.argsort(place, kind="stable")
    new = np.diff(place[order], prepend=-1) > 0
    least = np.minimum.reduceat(cost[order], np.flatnonzero(new))
    order = order[cost[order] == least[np.cumsum(new) - 1]]
    order = order[np.diff(place[order], prepend=-1) > 0]
    return Paths(arcs[order], place[order], cost[order], rows, columns)
