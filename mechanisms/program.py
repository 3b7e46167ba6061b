r"""Proportional fairness as it is written down: one convex program, built once for a size, solved by Clarabel.

.. math:: \max_a \sum_i w_i \log(v_i \cdot a_i) - \langle z, a \rangle
          \quad\text{s.t.}\quad 0 \le a \le x, \; \sum_i a_i \le b.

The batched solver of `walras.markets.eisenberg_gale.solver` is tested against it.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cvxpy as cp
import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import as_floats, require
from walras.core.typing import Floats


@dataclass(frozen=True, eq=False)
class ProgramSolution:
    """One proportionally fair allocation and its duals."""

    allocation: Floats  # [N, M]
    prices: Floats  # [M] duals of the budgets
    value: float  # the objective


@dataclass(frozen=True, eq=False)
class Handles:
    """The program's parameters, variable and constraints, by the names of the formula."""

    v: Any
    x: Any
    b: Any
    w: Any
    z: Any
    a: Any
    constraints: dict[str, Any]


@lru_cache(maxsize=32)
def program(agents: int, resources: int) -> tuple[Any, Handles]:
    """Return the program for N agents and M resources, and its handles."""
    shape = (agents, resources)
    v, x, z = (cp.Parameter(shape, nonneg=True, name=name) for name in "vxz")
    b, w = cp.Parameter(resources, nonneg=True, name="b"), cp.Parameter(agents, nonneg=True, name="w")
    a, u = cp.Variable(shape, nonneg=True, name="a"), cp.Variable(agents, name="u")
    welfare = w @ cp.log(u) - cp.sum(cp.multiply(z, a))
    # Utility is a variable so that no two parameters meet in a product: the program is compiled once.
    utilities = u <= cp.sum(cp.multiply(v, a), axis=1)
    constraints = {"budgets": cp.sum(a, axis=0) <= b, "demands": a <= x, "utilities": utilities}
    problem = cp.Problem(cp.Maximize(welfare), list(constraints.values()))
    return problem, Handles(v, x, b, w, z, a, constraints)


def proportional_fairness_cvxpy(
    values: ArrayLike,
    demands: ArrayLike,
    budgets: ArrayLike,
    weights: ArrayLike | None = None,
    surcharge: ArrayLike | None = None,
) -> ProgramSolution:
    """Solve one instance with cvxpy and Clarabel.

    Parameters
    ----------
    values, demands : array_like
        ``[N, M]``.
    budgets : array_like
        ``[M]``.
    weights : array_like, optional
        ``[N]``, 1 by default.
    surcharge : array_like, optional
        z, ``[N, M]``, 0 by default.

    Raises
    ------
    ValueError
        If shapes disagree or an entry is NaN.
    RuntimeError
        If the solver does not find an optimum.
    """
    v, x, b = as_floats("values", values, 2), as_floats("demands", demands, 2), as_floats("budgets", budgets, 1)
    require(x.shape == v.shape, "demands", f"have the values' shape {v.shape}", x.shape)
    require(b.shape == v.shape[1:], "budgets", f"have shape {v.shape[1:]}", b.shape)
    problem, at = program(*v.shape)
    at.v.value, at.x.value, at.b.value = v, x, b
    at.w.value = np.ones(len(v)) if weights is None else as_floats("weights", weights, 1)
    at.z.value = np.zeros(v.shape) if surcharge is None else as_floats("surcharge", surcharge, 2)
    problem.solve(solver=cp.CLARABEL)
    if problem.status != cp.OPTIMAL:
        raise RuntimeError(f"The solver must find an optimum; got status {problem.status!r}.")
    return ProgramSolution(at.a.value, at.constraints["budgets"].dual_value, float(problem.value))
