r"""Circulations of least cost, and the prices that certify them.

A circulation takes flows :math:`0 \le f_a \le u_a` through arcs so that what comes in goes out, at every node but node
0, which is outside. Its cost is :math:`\sum_a c_a f_a`. An agent that no arcs describe joins by its menu: it picks one
column of the menu at most, which brings units to some nodes, takes them from others, and has a cost. Without menus the
constraints are totally unimodular, so that some best circulation is integral, and so is every vertex.

Potentials
----------
Potentials :math:`\pi` with :math:`\pi_0 = 0` certify a circulation if :math:`\pi_{head} \le \pi_{tail} + c_a` where an
arc has room and the reverse where it carries anything. These are bounds on differences. So the potentials form a
lattice, closed under componentwise minimum and maximum; the greatest are the lengths of the shortest paths from node 0
through the residual network, the least are those to node 0, negative; integral costs make both integral, and they exist
if and only if no residual cycle has a negative cost [1]_. `shortest` finds them by Bellman and Ford's sweeps.

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
FAR = 4.0  # of the largest cost, a node: potentials farther than half of this are unbounded
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
    """What agents without arcs may pick."""

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
    """A cheapest integral circulation, and the least cost with fractions: equal where potentials certify it."""

    flow: Ints  # [A]
    picked: Ints  # [L] 0 or 1
    cost: float
    bound: float
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
    """Return the least and the greatest potentials that certify an optimum, infinite where nothing bounds them.

    Parameters
    ----------
    of, at
        The circulation and a cheapest one.
    pinned : Floats, optional
        ``[nodes]`` potentials that hold, NaN where free; they must be part of some that certify the optimum.
    """
    start = np.full(of.nodes, np.inf) if pinned is None else np.where(np.isnan(pinned), np.inf, pinned)
    start[0] = 0.0
    if len(of.menu.cost):
        return _extreme(of, at, start, 1.0), _extreme(of, at, start, -1.0)
    tail, head, cost = residual(of.arcs, at.flow)
    down = np.where(np.isinf(start), np.inf, -start)
    least = -shortest(head, tail, cost, down, SLACK * of.scale)
    return least, shortest(tail, head, cost, start, SLACK * of.scale)


def potentials(of: Circulation, at: Optimum) -> Floats:
    """Return finite potentials ``[nodes]`` that certify an optimum, in the middle of the lattice where that is bounded.

    What is not bounded is where the greatest potentials without a positive one have it, node 0 then moved to zero.
    """
    least, greatest = lattice(of, at)
    loose = np.isinf(least) | np.isinf(greatest)
    if loose.any():
        some = _some(of, at)
        least, greatest = lattice(of, at, np.where(loose, some, np.nan))
    return (least + greatest) / 2


def residual(arcs: Arcs, flow: Ints) -> tuple[Ints, Ints, Floats]:
    """Return tails, heads and costs of the residual network: arcs with room, and arcs with flow the other way."""
    room, used = flow < arcs.capacity, flow > 0
    tail = np.concatenate((arcs.tail[room], arcs.head[used]))
    head = np.concatenate((arcs.head[room], arcs.tail[used]))
    return tail, head, np.concatenate((arcs.cost[room], -arcs.cost[used]))


def shortest(tail: Ints, head: Ints, cost: Floats, start: Floats, slack: float) -> Floats:
    """Return the greatest labels ``[nodes]``, at most `start`, with ``label[head] <= label[tail] + cost``.

    Parameters
    ----------
    tail, head, cost
        Arcs.
    start : Floats
        ``[nodes]``, inf where nothing bounds a label but the arcs; where all paths start at infinity it remains.
    slack : float
        Violations up to this are left: cycles whose cost rounding has made negative would be followed for ever.
    """
    label = start.astype(np.float64)
    _sweep(tail, head, cost, label, slack)
    return label


def _some(of: Circulation, at: Optimum) -> Floats:
    """Return any finite potentials that certify an optimum."""
    if len(of.menu.cost):
        return _closest(of, at)
    label = shortest(*residual(of.arcs, at.flow), np.zeros(of.nodes), SLACK * of.scale)
    return label - label[0]


def _closest(of: Circulation, at: Optimum) -> Floats:
    """Return the potentials of the least sum of absolute values, by a linear program in positive and negative parts."""
    rows, limits = _rows(of, at)
    both = hstack((rows[:, 1:], -rows[:, 1:]), format="csc")
    up, down = np.split(_solved(np.ones(2 * of.nodes - 2), A_ub=both, b_ub=limits / of.scale).x, 2)
    return _rounded(of, np.concatenate(([0.0], of.scale * (up - down))))


def _extreme(of: Circulation, at: Optimum, start: Floats, sign: float) -> Floats:
    """Return the potentials of the least sum times `sign`, by a linear program; beyond `FAR` they are unbounded."""
    rows, limits = _rows(of, at)
    far = FAR * of.nodes
    pinned = np.isfinite(start)
    bounds = np.stack([np.where(pinned, start / of.scale, side * far) for side in (-1, 1)], axis=1)
    found = _solved(np.full(of.nodes, sign), A_ub=rows, b_ub=limits / of.scale, bounds=bounds)
    unbounded = (np.abs(found.x) > far / 2) & ~pinned
    return np.where(unbounded, -sign * np.inf, _rounded(of, of.scale * found.x))


def _rounded(of: Circulation, potential: Floats) -> Floats:
    """Return integers where a linear program with integral costs all but has them."""
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
    """Lower `label` in place until no arc asks for it; a negative cycle ends it after one sweep a node."""
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
