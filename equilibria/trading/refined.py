r"""Linear and mixed-integer programs whose numbers differ by many orders of magnitude.

The program is :math:`\min_x c^\top x` over :math:`R x = r,\; 0 \le x \le u`. HiGHS answers it to a tolerance that is
relative to the largest cost. Beside a cost of 9e9, gains of 1 would be rounding to it. Three things keep them apart.

*Parts.* Variables that no row joins, directly or by way of others, are programs of their own. Each part is counted in
its own largest cost.

*Bounds.* Any y gives reduced costs :math:`d = c - R^\top y`, and weak duality the gap

.. math:: g(x, y) = \sum_a \max(d_a, 0)\, x_a + \max(-d_a, 0)\, (u_a - x_a) \ge c^\top x - \min c^\top x.

It is a sum without cancellation, so small gaps are known as exactly as large ones.

*Refinement.* A variable with :math:`d_a > g` is 0 in every optimum, one with :math:`d_a < -g` is at its limit. The rest
have reduced costs of the size of the gap, and are solved again in that unit [1]_. A trade that can never gain drops out
this way, and so does its cost.

References
----------
.. [1] A. M. Gleixner, D. E. Steffy, K. Wolter, Iterative refinement for linear programming, INFORMS Journal on
   Computing 28, 2016.
"""

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias, cast, final

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import block_array
from scipy.sparse.csgraph import connected_components

from walras.core.typing import Bools, Floats, Ints
from walras.markets.trading.valuations import ROUNDING

FINEST = 1e-10  # reduced costs, as a share of the largest cost: the finest tolerance that HiGHS takes
ROUNDS = 12  # of refinement; each gains about ten digits
EXACT = {"mip_rel_gap": 0.0, "mip_abs_gap": 0.0, "mip_feasibility_tolerance": FINEST}
WHOLE = 1e-6  # distance from an integer that is rounding

Matrix: TypeAlias = Any  # a sparse array of scipy


@final
@dataclass(frozen=True, eq=False)
class Program:
    """A bounded program in V variables and M rows."""

    cost: Floats  # [V]
    rows: Matrix  # [M, V]
    right: Floats  # [M]
    upper: Floats  # [V]
    start: Floats  # [V] a feasible point of whole numbers

    @cached_property
    def _labels(self) -> tuple[int, Ints]:
        links = block_array([[None, self.rows], [self.rows.T, None]], format="csr")
        parts, label = connected_components(links, directed=False)
        return int(parts), label.astype(np.int64)

    @property
    def parts(self) -> int:
        """The number of parts."""
        return self._labels[0]

    @property
    def part(self) -> Ints:
        """The part of each variable, ``[V]``."""
        return self._labels[1][len(self.right) :]

    @property
    def part_of_row(self) -> Ints:
        """The part of each row, ``[M]``."""
        return self._labels[1][: len(self.right)]

    def reduced(self, price: Floats) -> Floats:
        """Return the reduced costs ``[V]`` at prices ``[M]`` of the rows."""
        return self.cost - self.rows.T @ price

    def unit(self, amount: Floats, where: Bools) -> Floats:
        """Return by part the least power of 2 that is no less than any ``amount [V]``, 1 for a part of zeros."""
        most = np.zeros(self.parts)
        np.maximum.at(most, self.part[where], np.abs(amount[where]))
        return power_of_2(most)


class Answer(NamedTuple):
    """A feasible point, and prices of the rows that bound how far it is from the least cost."""

    amount: Floats  # [V]
    price: Floats  # [M]
    gap: Floats  # [parts] bound on what the point costs beyond the least; 0 where that is rounding
    iterations: int


def relaxed(program: Program) -> Answer:
    """Return a vertex of least cost, which may be fractional."""
    answer = Answer(program.start, np.zeros(len(program.right)), np.full(program.parts, np.inf), 0)
    bounds = np.stack((np.zeros_like(program.upper), program.upper), axis=1)
    far = 2.0 * (1 + len(program.right))  # beyond what prices of the rows can move by in the unit of the free
    for _ in range(ROUNDS):
        reduced = program.reduced(answer.price)
        unit = program.unit(reduced, _free(program, reduced, answer.gap))
        cost = np.clip(reduced / unit[program.part], -far, far)
        found = solved(cost, A_eq=program.rows, b_eq=program.right, bounds=bounds)
        price = answer.price + unit[program.part_of_row] * found.eqlin.marginals
        amount = np.clip(_whole(found.x), 0.0, program.upper)
        gap, before = _gap(program, amount, price), answer.gap.sum()
        if not gap.sum() < before:
            break
        answer = Answer(amount, price, gap, answer.iterations + int(found.nit))
        if not gap.sum() or gap.sum() > before / 2:
            break
    return answer


def integral(program: Program, bound: Answer, wanted: Bools) -> Answer:
    """Return a point of least cost of those with whole numbers where `wanted`; its gap is that to the relaxation."""
    reduced, amount, before = program.reduced(bound.price), program.start, np.inf
    while True:
        gap = _gap(program, amount, bound.price)
        free = _free(program, reduced, gap)
        unit = program.unit(reduced, free)
        if not free.any() or not unit[program.part[free]].sum() < before / 2:
            return Answer(amount, bound.price, gap, bound.iterations)
        before = unit[program.part[free]].sum()
        at = np.where(reduced > 0, 0.0, program.upper)  # in every optimum, if it is not free
        limits = Bounds(np.where(free, 0.0, at), np.where(free, program.upper, at))
        amount = _picked(np.where(free, reduced / unit[program.part], 0.0), program, limits, wanted)


def _picked(cost: Floats, program: Program, limits: Bounds, wanted: Bools) -> Floats:
    rows = LinearConstraint(program.rows, program.right, program.right)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # scipy hands on to HiGHS the options that it does not know
        found = cast(Any, milp)(cost, integrality=wanted, bounds=limits, constraints=rows, options=EXACT)
    if found.x is None:
        raise RuntimeError(f"The mixed-integer program must have an answer; got {found.message}")
    return np.rint(found.x)


def power_of_2(number: Floats) -> Floats:
    """Return the least powers of 2 that are no less than positive numbers ``[...]``, 1 for zeros."""
    return np.exp2(np.ceil(np.log2(np.where(number > 0, number, 1.0))))


def solved(cost: Floats, **program: Any) -> Any:  # noqa: ANN401
    """Return scipy's answer to a linear program that has one.

    Raises
    ------
    RuntimeError
        If HiGHS finds none.
    """
    finest = {"dual_feasibility_tolerance": FINEST, "primal_feasibility_tolerance": FINEST, "presolve": False}
    found = cast(Any, linprog)(cost, **program, method="highs-ds", options=finest)
    if found.status != 0:
        raise RuntimeError(f"The linear program must have an answer; got {found.message}")
    return found


def _gap(program: Program, amount: Floats, price: Floats) -> Floats:
    """Return the gap by part, of what is more than rounding; see the module."""
    reduced = program.reduced(price)
    each = np.maximum(reduced, 0.0) * amount + np.maximum(-reduced, 0.0) * (program.upper - amount)
    noise = ROUNDING * (np.abs(program.cost) + abs(program.rows).T @ np.abs(price)) * program.upper
    gap = np.bincount(program.part, np.where(each > noise, each, 0.0), program.parts)
    return gap.astype(np.float64)


def _free(program: Program, reduced: Floats, gap: Floats) -> Bools:
    """Return which variables may differ between optima."""
    return np.abs(reduced) <= gap[program.part]


def _whole(amount: Floats) -> Floats:
    near = np.rint(amount)
    return np.where(np.abs(amount - near) < WHOLE, near, amount)
