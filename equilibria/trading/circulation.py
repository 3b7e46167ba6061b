r"""Circulations of least cost, and the prices that certify them.

A circulation is a flow :math:`0 \le f_a \le u_a` on every arc that is conserved at every node but node 0, which stands
for the outside. It costs :math:`\sum_a c_a f_a`. An agent whose preferences no arcs can describe has a menu: it picks
at most one column, which brings units to some nodes, takes units from others, and has a cost. Without menus the
constraint matrix is totally unimodular, so every vertex of the feasible set is integral, and one of them is a cheapest
circulation.

Potentials
----------
Potentials :math:`\pi` with :math:`\pi_0 = 0` are prices of a unit at each node. They certify that a circulation is a
cheapest one if :math:`\pi_{head} \le \pi_{tail} + c_a` for every arc with spare capacity, and :math:`\pi_{head} \ge
\pi_{tail} + c_a` for every arc with a positive flow. In the residual network both say that a potential is at most that
at the tail plus the cost. Such potentials exist if and only if no residual cycle has a negative cost [1]_. They form a
lattice: the componentwise minimum and maximum of two such potentials are such potentials. The greatest are the lengths
of the shortest paths from node 0; the least are minus the lengths of the shortest paths to node 0. With integral costs
both are integral. `shortest` computes them by the Bellman-Ford algorithm.

References
----------
.. [1] R. K. Ahuja, T. L. Magnanti, J. B. Orlin, Network flows, Prentice Hall, 1993, chapters 5 and 9.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

import numpy as np
from scipy.sparse import csc_array, hstack, vstack

from walras.core.typing import Bools, Floats, Ints
from walras.equilibria.trading.refined import WHOLE, Matrix, Program, integral, relaxed, solved
from walras.markets.compiled import compiled
from walras.markets.trading.valuations import ROUNDING

FAR = 4.0  # of the largest cost, a node: bound on potentials in a linear program; beyond half of it they are unbounded


class Arcs(NamedTuple):
    """Arcs of a network."""

    tail: Ints  # [A]
    head: Ints  # [A]
    capacity: Ints  # [A]
    cost: Floats  # [A]

    def at(self, places: Bools | slice) -> "Arcs":
        """Return some of the arcs."""
        return Arcs(self.tail[places], self.head[places], self.capacity[places], self.cost[places])


class Menu(NamedTuple):
    """The columns from which agents with menus pick."""

    inflow: Matrix  # [nodes, L] units that a column brings to each node
    cost: Floats  # [L]
    owner: Ints  # [L] agents 0, 1, ...: of one agent's columns at most one is picked


@final
@dataclass(frozen=True, eq=False)
class Circulation:
    """A network of `nodes` nodes, node 0 outside, with arcs and menus."""

    nodes: int
    arcs: Arcs
    menu: Menu

    @cached_property
    def program(self) -> Program:
        """The linear program: rows balance the nodes but node 0, then hold each agent's menu to one column."""
        return _program(self)

    @property
    def slack(self) -> float:
        """The share of numbers by which rounding may break an inequality between them; 0 for integers."""
        return 0.0 if self.integral else ROUNDING

    @cached_property
    def integral(self) -> bool:
        """Whether all costs are integers."""
        return all(bool((cost == np.rint(cost)).all()) for cost in (self.arcs.cost, self.menu.cost))


class Optimum(NamedTuple):
    """A cheapest integral circulation; potentials certify it if nothing is missing."""

    flow: Ints  # [A]
    picked: Ints  # [L] 0 or 1
    cost: float
    missing: float  # what the cheapest of all circulations, fractional ones included, costs less
    iterations: int
    potential: Floats | None = None  # [nodes] that certify it if nothing is missing, where they came with it


def cheapest(circulation: Circulation) -> Optimum:
    """Return a cheapest integral circulation, by HiGHS.

    The linear program comes first. Its vertex is integral without menus; if a menu makes it fractional, a mixed-integer
    program follows.
    """
    arcs, menu = circulation.arcs, circulation.menu
    program = circulation.program
    found = relaxed(program)
    if np.abs(found.amount - np.rint(found.amount)).max() > 0:
        found = integral(program, found, np.arange(len(program.cost)) >= len(arcs.cost))
    whole = np.rint(found.amount).astype(np.int64)
    flow, picked, _ = np.split(whole, np.cumsum([len(arcs.cost), len(menu.cost)]))
    cost = float(arcs.cost @ flow + menu.cost @ picked)
    potential = np.concatenate(([0.0], found.price[: circulation.nodes - 1]))
    return Optimum(flow, picked, cost, float(found.gap.sum()), found.iterations, potential)


def joined(*parts: Arcs) -> Arcs:
    """Return the arcs of all parts."""
    none = np.zeros(0, dtype=np.int64)
    tail, head, capacity, cost = zip(Arcs(none, none, none, np.zeros(0)), *parts, strict=True)
    return Arcs(np.concatenate(tail), np.concatenate(head), np.concatenate(capacity), np.concatenate(cost))


def lattice(of: Circulation, at: Optimum, pinned: Floats | None = None) -> tuple[Floats, Floats]:
    """Return the least and the greatest potentials that certify an optimum, ``[nodes]`` each.

    An entry is infinite if the potential of that node has no bound on that side. Where menus are no substitutes there
    may be no least and no greatest potentials; then these are some with the least and the greatest sum.

    Parameters
    ----------
    of : Circulation
        The problem.
    at : Optimum
        A cheapest circulation of it.
    pinned : Floats, optional
        ``[nodes]`` potentials of nodes that are fixed, NaN for the others. Some potentials that certify the optimum
        must have these values. Node 0 is always fixed, at zero.
    """
    fixed = np.full(of.nodes, np.inf) if pinned is None else np.where(np.isnan(pinned), np.inf, pinned)  # inf: free
    fixed[0] = 0.0
    tail, head, cost = residual(of.arcs, at.flow)
    greatest = shortest(tail, head, cost, fixed, of.slack)
    # The negatives of potentials obey the same inequalities with every arc turned round.
    least = -shortest(head, tail, cost, np.where(np.isinf(fixed), np.inf, -fixed), of.slack)
    if len(of.menu.cost):
        around = surroundings(of, at)
        listed = around.listed
        moved = np.where(np.isinf(fixed), np.nan, fixed - around.centre)
        least[listed] = around.extreme(listed.astype(np.float64), moved)[listed]
        greatest[listed] = around.extreme(-listed.astype(np.float64), moved)[listed]
    return least, greatest


def extremes(of: Circulation, at: Optimum) -> tuple[Floats, Floats]:
    """Return the least and the greatest potential of each node, ``[nodes]`` each, whatever the others then are."""
    least, greatest = lattice(of, at)
    if len(of.menu.cost):
        around, free = surroundings(of, at), np.where(np.arange(of.nodes) == 0, 0.0, np.nan)
        for node in np.flatnonzero(around.listed):
            goal = np.eye(of.nodes)[node]
            least[node], greatest[node] = (around.extreme(sign * goal, free)[node] for sign in (1, -1))
    return least, greatest


def potentials(of: Circulation, at: Optimum) -> Floats:
    """Return finite potentials ``[nodes]`` that certify an optimum: the midpoint of the least and the greatest.

    A node whose potential has no bound on one side takes its value from `_some`, and the others then have the midpoint
    of what that leaves them.
    """
    least, greatest = lattice(of, at)
    unbounded = np.isinf(least) | np.isinf(greatest)
    if unbounded.any():
        least, greatest = lattice(of, at, np.where(unbounded, _some(of, at), np.nan))
    return (least + greatest) / 2


def residual(arcs: Arcs, flow: Ints) -> tuple[Ints, Ints, Floats]:
    """Return tails, heads and costs of the residual network.

    It has every arc with spare capacity, and every arc with a positive flow turned round, at minus its cost.
    """
    spare, used = flow < arcs.capacity, flow > 0
    tail = np.concatenate((arcs.tail[spare], arcs.head[used]))
    head = np.concatenate((arcs.head[spare], arcs.tail[used]))
    return tail, head, np.concatenate((arcs.cost[spare], -arcs.cost[used]))


def shortest(tail: Ints, head: Ints, cost: Floats, start: Floats, slack: float) -> Floats:
    """Return the greatest labels ``[nodes]``, at most `start`, with ``label[head] <= label[tail] + cost``.

    Parameters
    ----------
    tail, head, cost
        Arcs.
    start : Floats
        ``[nodes]`` upper bounds on labels; inf if there is none. The label of a node that no path from a finite bound
        reaches stays inf.
    slack : float
        Violations up to this share of the numbers compared are accepted: rounding can make the cost of a cycle slightly
        negative, and labels would fall along it without end.
    """
    label = start.astype(np.float64)
    _sweep(tail, head, cost, label, slack)
    return label


def _some(of: Circulation, at: Optimum) -> Floats:
    """Return finite potentials that certify an optimum: the greatest nowhere above zero, shifted to zero at node 0."""
    label = shortest(*residual(of.arcs, at.flow), np.zeros(of.nodes), of.slack)
    if not len(of.menu.cost):
        return label - label[0]
    around = surroundings(of, at)
    return np.where(around.listed, around.centre, label - label[0])


@final
@dataclass(frozen=True, eq=False)
class Surroundings:
    """The potentials that certify an optimum, around some that do, counted by part in the largest slack of its rows.

    The centre always certifies, so that no program here lacks an answer, however far apart the costs are.
    """

    centre: Floats  # [nodes]
    listed: Bools  # [nodes] whether its part has a menu
    unit: Floats  # [nodes]
    rows: Matrix  # [P, nodes] at most `limits`, in units from the centre
    limits: Floats  # [P]
    whole: bool  # whether costs are integers

    def extreme(self, goal: Floats, moved: Floats) -> Floats:
        """Return the potentials of the least ``goal @ potential``, by a linear program; see `FAR`.

        ``moved [nodes]`` holds how far from the centre nodes are that are fixed, NaN for the others.
        """
        far = FAR * len(goal)
        fixed = ~np.isnan(moved)
        bounds = np.stack([np.where(fixed, moved / self.unit, side * far) for side in (-1, 1)], axis=1)
        found = solved(goal, A_ub=self.rows, b_ub=self.limits, bounds=bounds).x
        unbounded = (np.abs(found) > far / 2) & ~fixed
        return np.where(unbounded, np.copysign(np.inf, found), self._rounded(self.centre + self.unit * found))

    def _rounded(self, potential: Floats) -> Floats:
        """Return potentials, rounded to integers where costs are such and the difference is a rounding error."""
        near = np.rint(potential)
        error = np.minimum(WHOLE * np.maximum(1.0, self.unit), 0.25)
        return np.where((np.abs(potential - near) < error) & self.whole, near, potential)


def surroundings(of: Circulation, at: Optimum) -> Surroundings:
    """Return the potentials of nodes with menus that certify an optimum found by `cheapest`."""
    assert at.potential is not None
    program, count = of.program, len(of.arcs.cost)
    part = np.concatenate(([program.parts], program.part_of_row[: of.nodes - 1]))  # node 0 is in none
    with_menu = np.zeros(program.parts + 1, dtype=np.bool_)
    with_menu[program.part[count:]] = True
    rows, limits = _rows(of, at)
    size = np.abs(limits) + abs(rows) @ np.abs(at.potential)
    slack = limits - rows @ at.potential
    slack = np.where(slack > ROUNDING * size, slack, 0.0)
    row, node = (ends[rows.nonzero()[1] > 0] for ends in rows.nonzero())
    part_of = np.full(len(limits), program.parts)
    part_of[row] = part[node]
    unit = np.zeros(program.parts + 1)
    np.maximum.at(unit, part_of, slack)
    unit = np.where(unit > 0, unit, 1.0)
    own = with_menu[part_of]
    kept = csc_array(rows.tocsr()[own])
    return Surroundings(at.potential, with_menu[part], unit[part], kept, (slack / unit[part_of])[own], of.integral)


def _rows(of: Circulation, at: Optimum) -> tuple[Matrix, Floats]:
    """Return rows and limits for potentials ``[nodes]``: of the residual network, then of the menus."""
    tail, head, cost = residual(of.arcs, at.flow)
    ones, each = np.ones(len(cost)), np.arange(len(cost))
    entries = np.concatenate((ones, -ones)), (np.concatenate((each, each)), np.concatenate((head, tail)))
    differences = csc_array(entries, shape=(len(cost), of.nodes))
    rows, limits = _menu_rows(of.menu, at.picked)
    return vstack((differences, rows), format="csc"), np.concatenate((cost, limits))


def _menu_rows(menu: Menu, picked: Ints) -> tuple[Matrix, Floats]:
    """Return rows and limits that say: no column, nor none, serves its owner better than the one picked."""
    shape = (len(picked), int(menu.owner.max()) + 1)
    chosen: Matrix = csc_array((picked.astype(np.float64), (np.arange(len(picked)), menu.owner)), shape=shape)
    inflow, cost = menu.inflow @ chosen, menu.cost @ chosen
    other = menu.inflow - inflow[:, menu.owner]
    rows = vstack((other.T, -inflow.T), format="csc")
    return rows, np.concatenate((menu.cost - cost[menu.owner], -cost))


@compiled
def _sweep(tail: Ints, head: Ints, cost: Floats, label: Floats, slack: float) -> None:
    """Lower `label` in place until every arc's inequality holds; a negative cycle ends it after one sweep a node."""
    for _ in range(len(label) + 1):
        settled = True
        for a in range(len(tail)):
            through = label[tail[a]] + cost[a]
            if label[head[a]] - through > slack * (abs(cost[a]) + abs(through)):
                label[head[a]] = through
                settled = False
        if settled:
            return


def _program(circulation: Circulation) -> Program:
    """Return the program of arcs ``[A]``, columns ``[L]`` and, for each agent with a menu, picking nothing."""
    arcs, menu = circulation.arcs, circulation.menu
    count, owners = len(arcs.cost), int(menu.owner.max(initial=-1)) + 1
    ones, each = np.ones(count), np.arange(count)
    entries = np.concatenate((ones, -ones)), (np.concatenate((arcs.head, arcs.tail)), np.concatenate((each, each)))
    incidence = csc_array(entries, shape=(circulation.nodes, count))
    columns, nothing = len(menu.cost), np.arange(owners)
    picks = csc_array((np.ones(columns), (menu.owner, np.arange(columns))), shape=(owners, columns))
    idle = csc_array((np.ones(owners), (nothing, nothing)), shape=(owners, owners))
    balance: Matrix = hstack((incidence, menu.inflow, csc_array((circulation.nodes, owners))), format="csc")
    one_each = hstack((csc_array((owners, count)), picks, idle), format="csc")
    return Program(
        cost=np.concatenate((arcs.cost, menu.cost, np.zeros(owners))),
        rows=vstack((balance[1:], one_each), format="csc"),
        right=np.concatenate((np.zeros(circulation.nodes - 1), np.ones(owners))),
        upper=np.concatenate((arcs.capacity, np.ones(columns + owners))).astype(np.float64),
        start=np.concatenate((np.zeros(count + columns), np.ones(owners))),
    )
