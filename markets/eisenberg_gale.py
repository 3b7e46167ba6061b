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
A primal-dual interior point method on all instances at once. With :math:`\gamma_i = w_i / u_i` as a variable, the
optimality conditions are linear but for products,

.. math:: z + \lambda + \beta - \alpha = \gamma v, \quad \gamma_i u_i = w_i, \quad
          \alpha a = \beta (x - a) = \lambda (b - \sum_i a_i) = \mu \to 0,

so that Mehrotra's predictor and corrector [2]_ apply. Each agent's block is diagonal plus rank one and is eliminated
by the Sherman-Morrison formula; what is factorised is M x M for each instance: O(N M^2 + M^3).

The certificate
---------------
For any :math:`\lambda \ge 0` and :math:`\gamma > 0`, with :math:`\beta = (\gamma v - z - \lambda)^+`,

.. math:: \sum_k \lambda_k b_k + \sum_{ik} \beta_{ik} \min(x_{ik}, b_k) + \sum_i w_i \log(w_i / \gamma_i) - w_i

is an upper bound of the optimum: with these duals, agent i's share of the Lagrangian is at most
:math:`\max_u w_i \log u - \gamma_i u`. `gap` is the bound less the value of the allocation, which is feasible.

The gradient
------------
Differentiating the conditions at the last :math:`\mu` gives one more solve with the same matrix; the adjoint solve
serves values, demands, budgets, weights and surcharge together. Where the active set changes it is the gradient of
the smoothed problem.

References
----------
[1] R. Cole, V. Gkatzelis, G. Goel, Mechanism design for fair division: allocating divisible items without payments,
    EC 2013.
[2] S. Mehrotra, On the implementation of a primal-dual interior point method, SIAM Journal on Optimization 2, 1992.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from walras.core.solution import SolverError, Status

TOLERANCE = 1e-8
TARGET = 1e-11  # gap at which an instance is left; below, rounding costs the gradient more digits than it wins
SMALL = 1e-11  # of a budget: a smaller demand is none
FIXED = 1e30  # curvature of an entry that cannot move
LARGE = 4.0  # budgets: a demand beyond binds no more
ITERATIONS = 60


@dataclass(frozen=True, eq=False)
class PFSolution:
    """B proportionally fair allocations and their certificates."""

    allocation: Tensor  # [B, N, M] differentiable
    prices: Tensor  # [B, M] duals of the budgets, weight per unit of resource
    gap: Tensor  # [B] upper bound of the objective less the objective, per unit of total weight
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
        Largest certified gap, per unit of total weight.
    max_iter : int
        Limit of the iterations.
    throw : bool
        Raise where an instance does not meet `tol`, instead of returning its gap.

    Returns
    -------
    PFSolution
        Allocation, prices and gap. `allocation` carries gradients to every argument that requires them.

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
    problem = _checked(values, demands, budgets, weights, surcharge)
    with torch.no_grad():
        plain = Problem(*(argument.detach() for argument in problem))
        point, iterations = _solve(plain, tol, max_iter)
        gap = _gap(plain, point)
        worst = float(gap.max()) if len(gap) else 0.0
    status = Status.CONVERGED if worst <= tol else Status.ITERATION_LIMIT
    if throw and status is not Status.CONVERGED:
        raise SolverError(f"{status.value} gap={worst:.3g} at instance {int(gap.argmax())}")
    allocation: Any = _Solved.apply(*problem, point)  # type: ignore[no-untyped-call]
    return PFSolution(allocation, point.price, gap, iterations, status)


class Problem(NamedTuple):
    """Checked arguments, as tensors of one shape."""

    values: Tensor  # [B, N, M]
    demands: Tensor  # [B, N, M]
    budgets: Tensor  # [B, M]
    weights: Tensor  # [B, N]
    surcharge: Tensor  # [B, N, M]


class Point(NamedTuple):
    """An interior point; t and s are the slacks of the demands and the budgets."""

    a: Tensor  # [B, N, M] allocation
    t: Tensor  # [B, N, M] x - a
    s: Tensor  # [B, M] b - sum a
    alpha: Tensor  # [B, N, M] dual of a >= 0
    beta: Tensor  # [B, N, M] dual of a <= x
    price: Tensor  # [B, M] dual of the budgets
    gamma: Tensor  # [B, N] w / u


def _solve(problem: Problem, tol: float, max_iter: int) -> tuple[Point, int]:
    """Solve in units in which every budget, and every agent's best value, is 1.

    What no one can have, for want of demand or budget, is held out: worthless inside, and nothing in the answer.
    """
    v, x, b, w, z = problem
    unit = torch.where(b > 0, b, 1.0)
    each, held = unit[:, None], (x > SMALL * b[:, None]) & (b > 0)[:, None]
    best = torch.where(held, v * each, 0.0).amax(dim=2)
    worth = torch.where(held, v * each / best[..., None], 0.0)
    share = torch.where(held, torch.clamp(x / each, max=LARGE), 1.0)
    p, iterations = _interior_point(Problem(worth, share, torch.ones_like(b), w, z * each), tol, max_iter)
    a, gamma = torch.minimum(p.a * each, x) * held, p.gamma / best
    unwanted = (gamma[..., None] * v - z).amax(dim=1).clamp(min=0)
    price = torch.where(b > 0, p.price / unit, unwanted)
    return Point(a, p.t * each, p.s * unit, p.alpha / each, p.beta / each, price, gamma), iterations


def _interior_point(problem: Problem, tol: float, max_iter: int) -> tuple[Point, int]:
    """Iterate until every instance's certified gap meets `tol`; instances that do are left where they are."""
    point = _start(problem)
    active = torch.arange(len(problem.values), device=problem.values.device)
    iterations = 0
    while len(active) and iterations < max_iter:
        part, at = Problem(*(v[active] for v in problem)), Point(*(v[active] for v in point))
        moved = _step(part, at)
        for whole, new in zip(point, moved, strict=True):
            whole[active] = new
        active = active[_gap(part, moved) > TARGET]
        iterations += 1
    return point, iterations


def _start(problem: Problem) -> Point:
    """Return a feasible interior point: half of an equal split, with duals of equal complementarity."""
    v, x, b, w, _ = problem
    agents = v.shape[1]
    a = 0.5 * torch.minimum(x, b[:, None] / agents)
    t, s = x - a, b - a.sum(dim=1)
    gamma = w / (v * a).sum(dim=2)
    mu = (w.sum(dim=1) / (agents * v.shape[2]))[:, None]
    return Point(a, t, s, mu[..., None] / a, mu[..., None] / t, mu / s, gamma)


class _System:
    """The Newton matrix of one point, factorised once and solved for several right-hand sides."""

    def __init__(self, v: Tensor, point: Point) -> None:
        # An entry that is nothing at all, for want of demand or budget, cannot move.
        diagonal = torch.where(point.a > 0, point.alpha / point.a, FIXED) + point.beta / point.t
        curvature = point.gamma / (v * point.a).sum(dim=2)
        self._v, self._diagonal, self._curvature = v, diagonal, curvature
        self._inverse = 1 / diagonal
        self._slack = torch.where(point.price > 0, point.s / point.price, 1.0)
        self._scaled = v * self._inverse
        self._shrink = curvature / (1 + curvature * (v * self._scaled).sum(dim=2))
        rank_one = self._scaled * self._shrink.sqrt()[..., None]
        matrix = -rank_one.transpose(1, 2) @ rank_one
        matrix.diagonal(dim1=1, dim2=2).add_(self._inverse.sum(dim=1) + self._slack)
        self._factor, _ = torch.linalg.cholesky_ex(matrix)

    def solve(self, rhs: Tensor, budget: Tensor, rounds: int = 0) -> tuple[Tensor, Tensor]:
        """Return da and dprice with ``P da + dprice = rhs`` and ``sum da - (s / price) dprice = budget``.

        The blocks' inverses are huge near the optimum and cancel; each round of refinement on the equations
        themselves, which do not, wins the lost digits back.
        """
        da, dprice = self._solve_once(rhs, budget)
        for _ in range(rounds):
            along = (self._v * da).sum(dim=2) * self._curvature
            left = rhs - self._diagonal * da - along[..., None] * self._v - dprice[:, None]
            more, adjust = self._solve_once(left, budget - da.sum(dim=1) + self._slack * dprice)
            da, dprice = da + more, dprice + adjust
        return da, dprice

    def _solve_once(self, rhs: Tensor, budget: Tensor) -> tuple[Tensor, Tensor]:
        short = self._blocks(rhs).sum(dim=1) - budget
        dprice = torch.cholesky_solve(short[..., None], self._factor)[..., 0]
        return self._blocks(rhs - dprice[:, None]), dprice

    def _blocks(self, rhs: Tensor) -> Tensor:
        """Solve each agent's block, diagonal plus rank one (Sherman-Morrison)."""
        along = (self._scaled * rhs).sum(dim=2) * self._shrink
        return self._inverse * rhs - self._scaled * along[..., None]


def _step(problem: Problem, p: Point) -> Point:
    """Take one predictor and corrector step, [2]."""
    v, x = problem.values, problem.demands
    system, u = _System(v, p), (v * p.a).sum(dim=2)
    mu, zero = _complementarity(p), torch.zeros_like
    d = _direction(problem, p, system, u, zero(mu), (zero(p.a), zero(p.a), zero(p.s), zero(u)))
    ahead = _complementarity(_moved(p, d, _reach(p, d, 1.0)))
    products = (d.alpha * d.a, d.beta * d.t, d.price * d.s, d.gamma * (v * d.a).sum(dim=2))
    d = _direction(problem, p, system, u, mu * (ahead / mu) ** 3, products, rounds=1)
    moved = _moved(p, d, _reach(p, d, 0.995))
    # Slacks are what they are by definition; this keeps rounding from adding up. And gamma may not lose sight of w / u:
    # nothing else draws the two together where one agent's utility has collapsed.
    exact = problem.weights / (v * moved.a).sum(dim=2)
    return moved._replace(
        t=torch.maximum(x - moved.a, 1e-3 * moved.t), gamma=torch.clamp(moved.gamma, 0.1 * exact, 10 * exact)
    )


def _complementarity(p: Point) -> Tensor:
    """Return the mean product of the inequalities' slacks and duals, ``[B]``."""
    total = (p.alpha * p.a + p.beta * p.t).sum(dim=(1, 2)) + (p.price * p.s).sum(dim=1)
    return total / (2 * p.a[0].numel() + p.s[0].numel())


def _direction(
    problem: Problem,
    p: Point,
    system: _System,
    u: Tensor,
    mu: Tensor,
    products: tuple[Tensor, Tensor, Tensor, Tensor],
    rounds: int = 0,
) -> Point:
    """Return the Newton direction towards complementarity `mu`, less second-order `products`."""
    v, _, _, w, z = problem
    mu = mu[:, None, None]
    lower = (mu - products[0]) / p.a - p.alpha  # dalpha + (alpha / a) da
    upper = (mu - products[1]) / p.t - p.beta  # dbeta - (beta / t) da
    budget = (mu[..., 0] - products[2]) / p.price - p.s
    pull = (w - products[3]) / u - p.gamma  # dgamma + (gamma / u) v.da
    dual = p.gamma[..., None] * v - z - p.price[:, None] - p.beta + p.alpha
    da, dprice = system.solve(dual + lower - upper + pull[..., None] * v, -budget, rounds)
    ds = -da.sum(dim=1)
    dgamma = pull - p.gamma / u * (v * da).sum(dim=2)
    dalpha, dbeta = lower - p.alpha / p.a * da, upper + p.beta / p.t * da
    return Point(da, -da, ds, dalpha, dbeta, dprice, dgamma)


def _reach(p: Point, d: Point, fraction: float) -> tuple[Tensor, Tensor]:
    """Return how far the primal and the dual variables may move, ``[B]`` each."""
    primal = [_bound(now, move) for now, move in zip(p[:3], d[:3], strict=True)]
    dual = [_bound(now, move) for now, move in zip(p[3:], d[3:], strict=True)]
    return (
        torch.clamp(fraction * torch.stack(primal).amin(dim=0), max=1.0),
        torch.clamp(fraction * torch.stack(dual).amin(dim=0), max=1.0),
    )


def _bound(now: Tensor, move: Tensor) -> Tensor:
    """Return the step at which the first entry of a row reaches zero, ``[B]``."""
    fall = (-move / now).flatten(1).amax(dim=1)
    return torch.where(fall > 0, 1 / fall, torch.inf)


def _moved(p: Point, d: Point, reach: tuple[Tensor, Tensor]) -> Point:
    def along(now: Tensor, move: Tensor, step: Tensor) -> Tensor:
        return now + step.reshape(-1, *(1,) * (now.ndim - 1)) * move

    steps = (reach[0],) * 3 + (reach[1],) * 4
    return Point(*(along(now, move, step) for now, move, step in zip(p, d, steps, strict=True)))


def _gap(problem: Problem, point: Point) -> Tensor:
    """Return the certified duality gap per unit of total weight, ``[B]``."""
    v, x, b, w, z = problem
    u = (v * point.a).sum(dim=2)
    value = (w * u.log()).sum(dim=1) - (z * point.a).sum(dim=(1, 2))
    beta = torch.clamp(point.gamma[..., None] * v - z - point.price[:, None], min=0)
    spent = (point.price * b).sum(dim=1) + (beta * torch.minimum(x, b[:, None])).sum(dim=(1, 2))
    bound = spent + (w * (w / point.gamma).log() - w).sum(dim=1)
    return (bound - value) / w.sum(dim=1)


class _Solved(torch.autograd.Function):
    """The allocation as a function of the problem; backward is one adjoint solve."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:  # noqa: ANN401 - autograd's own signature
        *problem, point = arguments
        ctx.problem, ctx.point = Problem(*problem), point
        return point.a.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]  # noqa: ANN401
        (g,) = gradients
        v, p = ctx.problem.values, ctx.point
        u = (v * p.a).sum(dim=2)
        y, eta = _System(v, p).solve(g, torch.zeros_like(p.s), rounds=4)
        along = (v * y).sum(dim=2)
        values = p.gamma[..., None] * y - (p.gamma / u * along)[..., None] * p.a
        return values, p.beta / p.t * y, eta, along / u, -y, None


def _checked(values: Any, demands: Any, budgets: Any, weights: Any, surcharge: Any) -> Problem:  # noqa: ANN401
    v, x, b = _tensor("values", values, 3), _tensor("demands", demands, 3), _tensor("budgets", budgets, 2)
    _agree("demands", x, "values", tuple(v.shape))
    _agree("budgets", b, "values without agents", (v.shape[0], v.shape[2]))
    if v.shape[1] == 0 or v.shape[2] == 0:
        raise ValueError(f"`values` must hold at least one agent and one resource; got shape {tuple(v.shape)}.")
    w = torch.ones_like(v[:, :, 0]) if weights is None else _expanded("weights", weights, v[:, :, 0])
    z = torch.zeros_like(v) if surcharge is None else _expanded("surcharge", surcharge, v)
    if not bool((w > 0).all()):
        raise ValueError(f"`weights` must be positive; got {w.min().item()!r}.")
    useful = torch.where(x > SMALL * b[:, None], v * b[:, None], 0.0).amax(dim=2)
    if not bool((useful > 0).all()):
        row, agent = torch.nonzero(useful <= 0)[0].tolist()
        raise ValueError(
            "`values` must give each agent a resource that it values, demands, and that has a budget; "
            f"got none for agent {agent} of instance {row}."
        )
    return Problem(v, x, b, w, z)


def _tensor(name: str, given: Any, ndim: int | None) -> Tensor:  # noqa: ANN401
    """Return `given` in double precision, finite and not negative."""
    tensor = (
        given.to(torch.float64) if isinstance(given, Tensor) else torch.from_numpy(np.array(given, dtype=np.float64))
    )
    if ndim is not None and tensor.ndim != ndim:
        raise ValueError(f"`{name}` must have {ndim} dimensions; got shape {tuple(tensor.shape)}.")
    legal = torch.isfinite(tensor) & (tensor >= 0)
    if not bool(legal.all()):
        index = tuple(int(i) for i in torch.nonzero(~legal)[0])
        raise ValueError(
            f"`{name}` must be finite and not negative; got {tensor[index].item()!r} at index {list(index)}."
        )
    return tensor


def _expanded(name: str, given: Any, like: Tensor) -> Tensor:  # noqa: ANN401
    """Return `given` in the shape of `like`."""
    tensor = _tensor(name, given, None)
    try:
        return tensor.expand(like.shape)
    except RuntimeError:
        raise ValueError(
            f"`{name}` must have a shape that broadcasts to {tuple(like.shape)}; got {tuple(tensor.shape)}."
        ) from None


def _agree(name: str, tensor: Tensor, other: str, shape: tuple[int, ...]) -> None:
    if tuple(tensor.shape) != shape:
        raise ValueError(f"`{name}` must have the shape of {other}, {shape}; got {tuple(tensor.shape)}.")
