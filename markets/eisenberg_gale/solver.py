r"""Proportional fairness: the allocation of the largest weighted Nash welfare, batched and differentiable.

The problem
-----------
N agents with values :math:`v_i \ge 0` and demands :math:`x_i \ge 0` share M divisible resources with budgets b:

.. math:: \max_a \sum_i w_i \log(v_i \cdot a_i) - \langle z, a \rangle
          \quad\text{s.t.}\quad 0 \le a \le x, \; \sum_i a_i \le b.

z is a surcharge on prices, zero for proportional fairness itself. Utilities :math:`v_i \cdot a_i` are unique; the
allocation need not be. The duals :math:`\lambda` of the budgets are prices: in the optimum each agent spends exactly
its weight, :math:`\sum_k (\lambda_k + \beta_{ik} + z_{ik}) a_{ik} = w_i`, with :math:`\beta` the duals of the demands
[1]_. Without demands that bind it is the equilibrium of the linear Fisher market.

The method
----------
A primal-dual interior point method, `walras.markets.eisenberg_gale.interior_point`, which solves one M x M system for
each instance and step, N x N where resources are many and agents few, on all instances at once. Demands below `SMALL`
of a budget compete with no one, but may carry a utility: they are set aside from the budget, each in its own unit.

The certificate
---------------
For any :math:`\lambda \ge 0` and :math:`\gamma > 0`, with :math:`\beta = (\gamma v - z - \lambda)^+`,

.. math:: \sum_k \lambda_k b_k + \sum_{ik} \beta_{ik} \min(x_{ik}, b_k) + \sum_i w_i \log(w_i / \gamma_i) - w_i

is an upper bound of the optimum: with these duals, agent i's share of the Lagrangian is at most
:math:`\max_u w_i \log u - \gamma_i u`. `gap` is the bound less the value of the allocation, which is feasible, per unit
of all weight. An agent of small weight has no part in it, so `regret` is each agent's own share of it per unit of its
own weight: what it lacks of its best bundle at the prices. Both must meet the tolerance.

The gradient
------------
Differentiating the conditions at the last :math:`\mu` gives one more solve with the same matrix; the adjoint solve
serves values, demands, budgets, weights and surcharge together. Where the active set changes it is the gradient of
the smoothed problem.

References
----------
[1] R. Cole, V. Gkatzelis, G. Goel, Mechanism design for fair division: allocating divisible items without payments,
    EC 2013.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from walras.core.solution import SolverError, Status
from walras.markets.eisenberg_gale import interior_point, interior_point_compiled
from walras.markets.eisenberg_gale.interior_point import Point, Problem, agents_gaps, total_gap
from walras.markets.eisenberg_gale.problem import NOTHING, SMALL, checked_problem, require_utility

TOLERANCE = 1e-8
TARGET = 1e-12  # gap at which an instance is left; below, rounding costs the gradient more digits than it wins
FINEST = 1e-16  # target where the least weight is a small share of the mean: its square divides the other one
SMOOTH = 1e-13  # of the mean weight: the barrier at which gradients are taken, at least
LARGE = 4.0  # budgets: a demand beyond binds no more
ITERATIONS = 60


@dataclass(frozen=True, eq=False)
class PFSolution:
    """B proportionally fair allocations and their certificates."""

    allocation: Tensor  # [B, N, M] differentiable
    prices: Tensor  # [B, M] differentiable; duals of the budgets, weight per unit of resource
    gap: Tensor  # [B] upper bound of the objective less the objective, per unit of total weight
    regret: Tensor  # [B, N] what each agent lacks of its best bundle at the prices, per unit of its own weight
    iterations: int
    status: Status


def proportional_fairness(
    values: Any,  # noqa: ANN401 - tensor or array
    demands: Any,  # noqa: ANN401
    budgets: Any,  # noqa: ANN401
    weights: Any = None,  # noqa: ANN401
    surcharge: Any = None,  # noqa: ANN401
    *,
    tol: float = TOLERANCE,
    max_iter: int = ITERATIONS,
    throw: bool = True,
) -> PFSolution:
    """Solve B instances at once, in double precision.

    Parameters
    ----------
    values, demands : tensor or array_like
        ``[B, N, M]``, not negative. Each agent must value, and demand, some resource that has a budget.
    budgets : tensor or array_like
        ``[B, M]``, not negative. A resource without a budget has the lowest price at which
        no one wants it.
    weights : tensor or array_like, optional
        ``[N]`` or ``[B, N]``, positive; 1 by default.
    surcharge : tensor or array_like, optional
        z, ``[B, N, M]`` or broadcastable to it, not negative; 0 by default.
    tol : float
        Largest certified gap, per unit of total weight, and largest regret of an agent, per unit of its own.
    max_iter : int
        Limit of the iterations.
    throw : bool
        Raise where an instance does not meet `tol`, instead of returning its gap.

    Returns
    -------
    PFSolution
        Allocation, prices and gap. The first two carry gradients to every argument that requires them.

    Raises
    ------
    ValueError
        If shapes disagree, an entry is NaN, infinite or negative, or an agent cannot have a utility.
    SolverError
        If an instance does not converge and `throw` is true.

    Examples
    --------
    >>> from walras.mechanisms import proportional_fairness
    >>> values, demands = [[[2.0, 1.0], [1.0, 2.0]]], [[[2.0, 2.0], [2.0, 2.0]]]
    >>> proportional_fairness(values, demands, [[1.0, 1.0]]).prices.round(decimals=6)
    tensor([[1., 1.]], dtype=torch.float64)
    """
    problem = checked_problem(values, demands, budgets, weights, surcharge)
    require_utility(problem)
    with torch.no_grad():
        plain = Problem(*(argument.detach() for argument in problem))
        point, iterations = _solve(plain, max_iter)
        regret = agents_gaps(plain, point)
        gap = total_gap(plain, point, regret)
        worst = torch.maximum(gap, regret.amax(dim=1))
    met, stopped = bool((worst <= tol).all()), iterations >= max_iter
    status = Status.CONVERGED if met else Status.ITERATION_LIMIT if stopped else Status.ROUNDED
    if throw and not met:
        raise SolverError(f"{status.value} gap={float(worst.max()):.3g} at instance {int(worst.argmax())}")
    solve: Any = _Solved.apply
    allocation, prices = solve(*problem, point)
    return PFSolution(allocation, prices, gap, regret, iterations, status)


def _method(values: Tensor) -> ModuleType:
    """Return the compiled method for a processor, and torch's own for any other device, or for many resources."""
    compiled = values.device.type == "cpu" and not interior_point.many_resources(values)
    return interior_point_compiled if compiled else interior_point


def _solve(problem: Problem, max_iter: int) -> tuple[Point, int]:
    """Solve the instances with demands that are tiny shares of their budgets, and the others, each in their way."""
    apart = _tiny(problem).flatten(1).any(dim=1)
    if not bool(apart.any()):
        return _solve_together(problem, max_iter)
    rows = [torch.nonzero(~apart)[:, 0], torch.nonzero(apart)[:, 0]]
    parts = [Problem(*(argument[row] for argument in problem)) for row in rows]
    (some, few), (others, many) = _solve_together(parts[0], max_iter), _solve_apart(parts[1], max_iter)
    order = torch.cat(rows).argsort()
    return Point(*(torch.cat(both)[order] for both in zip(some, others, strict=True))), max(few, many)


def _tiny(problem: Problem) -> Tensor:
    """Return which demands compete with no one, ``[B, N, M]``: all of them together are nothing of their budget."""
    x, b = problem.demands, problem.budgets[:, None]
    return (x > NOTHING * b) & (x <= SMALL * b)


def _solve_apart(problem: Problem, max_iter: int) -> tuple[Point, int]:
    """Solve with each tiny demand set aside from its budget, as a demand of a resource of which there is enough.

    Its holder may draw most of its utility from it. Each is in its own unit: twice N times the demand.
    """
    v, x, b, w, z = problem
    tiny, n, m = _tiny(problem), v.shape[1], v.shape[2]
    unit = torch.where(tiny, 2 * n * x, 1.0)

    def doubled(of_rest: Tensor, of_tiny: Tensor) -> Tensor:
        return torch.cat((of_rest, of_tiny * tiny), dim=2)

    def joined(of_all: Tensor, scale: Tensor) -> Tensor:
        return torch.where(tiny, of_all[..., m:] * scale, of_all[..., :m])

    left = torch.cat((b - (x * tiny).sum(dim=1), torch.ones_like(b)), dim=1)
    enough = torch.full_like(x, 0.5 / n)
    p, iterations = _solve_together(
        Problem(doubled(v, v * unit), doubled(x * ~tiny, enough), left, w, doubled(z, z * unit)), max_iter
    )
    price = p.price[:, :m]
    dear = tiny & (p.gamma[..., None] * v - z < price[:, None])  # at the price of the resource itself
    a = torch.minimum(joined(p.a, unit), x) * ~dear
    alpha, beta = joined(p.alpha, 1 / unit), joined(p.beta, 1 / unit)
    return Point(a, joined(p.t, unit), p.s[:, :m], alpha, beta, price, p.gamma), iterations


def _solve_together(problem: Problem, max_iter: int) -> tuple[Point, int]:
    """Solve in units in which every budget, and every agent's best value, is 1.

    What no one can have, for want of demand or budget, is held out: worthless inside, and nothing in the answer.
    """
    v, x, b, w, z = problem
    unit = torch.where(b > 0, b, 1.0)
    each, held = unit[:, None], ((x > NOTHING * b[:, None]) & (b > 0)[:, None]).to(v)
    worth = v * each * held
    best = worth.amax(dim=2)
    worth, share = worth / best[..., None], torch.clamp(x / each, max=LARGE) * held + (1 - held)
    inside = Problem(worth, share, torch.ones_like(b), w, z * each)
    target = torch.clamp(TARGET * (w.amin(dim=1) / w.mean(dim=1)) ** 2, min=FINEST)
    p, iterations = _method(v).solve(inside, target, max_iter)
    a, gamma = torch.minimum(p.a * each, x) * held, p.gamma / best
    unwanted = (gamma[..., None] * v - z).amax(dim=1).clamp(min=0)
    price = torch.where(b > 0, p.price / unit, unwanted)
    return Point(a, p.t * each, p.s * unit, p.alpha / each, p.beta / each, price, gamma), iterations


class _Solved(torch.autograd.Function):
    """The allocation and the prices as functions of the problem; backward is one adjoint solve."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, Tensor]:  # noqa: ANN401 - autograd's own signature
        *problem, point = arguments
        ctx.problem, ctx.point = Problem(*problem), point
        return point.a.clone(), point.price.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]  # noqa: ANN401
        there = ctx.point.a > 0  # what is held out is worthless here too: beside a tiny utility its value has no bound
        v, p = ctx.problem.values * there, _smoothed(ctx.point, ctx.problem.weights)
        u = (v * p.a).sum(dim=2)
        y, eta = _method(v).adjoint(v, p, *gradients, rounds=4)
        y = y * there
        along = (v * y).sum(dim=2)
        values = p.gamma[..., None] * y - (p.gamma / u * along)[..., None] * p.a
        return values, p.beta / p.t * y, eta, along / u, -y, None


def _smoothed(p: Point, weights: Tensor) -> Point:
    """Return the point with no product of slack and dual below `SMOOTH`: closer to the limit, rounding is all."""
    least = SMOOTH * weights.mean(dim=1)[:, None]
    return p._replace(
        alpha=torch.maximum(p.alpha, least[..., None] / p.a),
        beta=torch.maximum(p.beta, least[..., None] / p.t),
        s=torch.maximum(p.s, least / p.price),
    )
