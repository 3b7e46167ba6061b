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
from typing import Any, NamedTuple, TypeAlias, cast, final

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csc_array, hstack, vstack

from walras.core.typing import Bools, Floats, Ints
from walras.markets.compiled import compiled

FINEST = 1e-10  # reduced costs, as a share of the largest cost: the finest tolerance that HiGHS takes
SLACK = 1e-9  # of the largest cost: what a residual cycle may gain by rounding, an arc
EXACT = {"mip_rel_gap": 0.0}
FAR = 4.0  # of the largest cost, a node: bound on potentials in a linear program; beyond half of it they are unbounded
WHOLE = 1e-6  # distance from an integer that is rounding

Matrix: TypeAlias = Any  # a sparse array of scipy


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

    @property
    def scale(self) -> float:
        """The power of 2 that is no less than any cost, 1 if all are zero."""
        largest = max(np.abs(cost).max(initial=0.0) for cost in (self.arcs.cost, self.menu.cost))
        return float(2.0 ** np.ceil(np.log2(largest))) if largest > 0 else 1.0

    @property
    def integral(self) -> bool:
        """Whether all costs are integers."""
        return all(bool((cost == np.rint(cost)).all()) for cost in (self.arcs.cost, self.menu.cost))


class Optimum(NamedTuple):
    """A cheapest integral circulation; potentials certify it if its cost equals the bound."""

    flow: Ints  # [A]
    picked: Ints  # [L] 0 or 1
    cost: float
    bound: float  # least cost of all circulations, fractional ones included
    iterations: int


def cheapest(circulation: Circulation) -> Optimum:
    """Return a cheapest integral circulation, by HiGHS.

    The linear program comes first. Its vertex is integral without menus; if a menu makes it fractional, a mixed-integer
    program follows.
    """
    arcs, menu, scale = circulation.arcs, circulation.menu, circulation.scale
    cost = np.concatenate((arcs.cost, menu.cost)) / scale
    upper = np.concatenate((arcs.capacity, np.ones(len(menu.cost))))
    balance, one_each = _balance(circulation), _one_each(circulation)
    low = np.zeros_like(upper)
    found = _solved(
        cost,
        A_eq=balance,
        b_eq=np.zeros(balance.shape[0]),
        A_ub=one_each,
        b_ub=np.ones(one_each.shape[0]),
        bounds=np.stack((low, upper), axis=1),
    )
    amount = found.x
    if np.abs(amount - np.rint(amount)).max() > WHOLE:
        columns = np.arange(len(cost)) >= len(arcs.cost)
        rows = LinearConstraint(balance, 0.0, 0.0), LinearConstraint(one_each, ub=1.0)
        solve = cast(Any, milp)
        amount = solve(cost, integrality=columns, bounds=Bounds(low, upper), constraints=rows, options=EXACT).x
    whole = np.rint(amount).astype(np.int64)
    flow, picked = np.split(whole, [len(arcs.cost)])
    return Optimum(flow, picked, scale * float(cost @ whole), scale * float(found.fun), int(found.nit))


def joined(*parts: Arcs) -> Arcs:
    """Return the arcs of all parts."""
    none = np.zeros(0, dtype=np.int64)
    tail, head, capacity, cost = zip(Arcs(none, none, none, np.zeros(0)), *parts, strict=True)
    return Arcs(np.concatenate(tail), np.concatenate(head), np.concatenate(capacity), np.concatenate(cost))


def lattice(of: Circulation, at: Optimum, pinned: Floats | None = None) -> tuple[Floats, Floats]:
    """Return the least and the greatest potentials that certify an optimum, ``[nodes]`` each.

    An entry is infinite if the potential of that node has no bound on that side.

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
    if len(of.menu.cost):
        return _extreme(of, at, fixed, 1.0), _extreme(of, at, fixed, -1.0)
    tail, head, cost = residual(of.arcs, at.flow)
    greatest = shortest(tail, head, cost, fixed, SLACK * of.scale)
    # The negatives of potentials obey the same inequalities with every arc turned round.
    negative = np.where(np.isinf(fixed), np.inf, -fixed)
    return -shortest(head, tail, cost, negative, SLACK * of.scale), greatest


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
        Violations up to this are accepted: rounding can make the cost of a cycle slightly negative, and labels would
        fall along it without end.
    """
    label = start.astype(np.float64)
    _sweep(tail, head, cost, label, slack)
    return label


def _some(of: Circulation, at: Optimum) -> Floats:
    """Return finite potentials that certify an optimum: the greatest nowhere above zero, shifted to zero at node 0."""
    if len(of.menu.cost):
        return _closest(of, at)
    label = shortest(*residual(of.arcs, at.flow), np.zeros(of.nodes), SLACK * of.scale)
    return label - label[0]


def _closest(of: Circulation, at: Optimum) -> Floats:
    """Return the potentials with the least sum of absolute values, by a linear program in their two parts."""
    rows, limits = _rows(of, at)
    both = hstack((rows[:, 1:], -rows[:, 1:]), format="csc")
    up, down = np.split(_solved(np.ones(2 * of.nodes - 2), A_ub=both, b_ub=limits / of.scale).x, 2)
    return _rounded(of, np.concatenate(([0.0], of.scale * (up - down))))


def _extreme(of: Circulation, at: Optimum, fixed: Floats, sign: float) -> Floats:
    """Return the least potentials (sign 1) or the greatest (sign -1), by a linear program; see `FAR`.

    ``fixed [nodes]`` holds the potentials of nodes that are fixed, inf for the others.
    """
    rows, limits = _rows(of, at)
    far = FAR * of.nodes
    pinned = np.isfinite(fixed)
    bounds = np.stack([np.where(pinned, fixed / of.scale, side * far) for side in (-1, 1)], axis=1)
    found = _solved(np.full(of.nodes, sign), A_ub=rows, b_ub=limits / of.scale, bounds=bounds)
    unbounded = (np.abs(found.x) > far / 2) & ~pinned
    return np.where(unbounded, -sign * np.inf, _rounded(of, of.scale * found.x))


def _rounded(of: Circulation, potential: Floats) -> Floats:
    """Return potentials, rounded to integers where costs are integral and the difference is a rounding error."""
    near = np.rint(potential)
    return np.where((np.abs(potential - near) < WHOLE) & of.integral, near, potential)


def _solved(cost: Floats, **program: Any) -> Any:  # noqa: ANN401
    """Return scipy's answer to a linear program that has one."""
    finest = {"dual_feasibility_tolerance": FINEST, "primal_feasibility_tolerance": FINEST, "presolve": False}
    found = cast(Any, linprog)(cost, **program, method="highs-ds", options=finest)
    assert found.status == 0, found.message
    return found


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
            if through < label[head[a]] - slack:
                label[head[a]] = through
                settled = False
        if settled:
            return


def _balance(circulation: Circulation) -> Matrix:
    """Return what arcs and menu columns bring to each node but node 0, ``[nodes - 1, A + L]``."""
    arcs = circulation.arcs
    ones, each = np.ones(len(arcs.cost)), np.arange(len(arcs.cost))
    entries = np.concatenate((ones, -ones)), (np.concatenate((arcs.head, arcs.tail)), np.concatenate((each, each)))
    incidence = csc_array(entries, shape=(circulation.nodes, len(arcs.cost)))
    both: Matrix = hstack((incidence, circulation.menu.inflow), format="csc")
    return both[1:]


def _one_each(circulation: Circulation) -> Matrix:
    """Return the rows that let each agent pick one column at most, ``[owners, A + L]``."""
    owner, arcs = circulation.menu.owner, len(circulation.arcs.cost)
    shape = (int(owner.max(initial=-1)) + 1, arcs + len(owner))
    return csc_array((np.ones(len(owner)), (owner, arcs + np.arange(len(owner)))), shape=shape)
