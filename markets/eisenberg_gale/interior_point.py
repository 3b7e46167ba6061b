r"""A primal-dual interior point method for proportional fairness, on all instances at once.

The problem and its certificate are those of `walras.markets.eisenberg_gale.solver`. With :math:`\gamma_i = w_i / u_i`
as a variable, the optimality conditions are linear but for products,

.. math:: z + \lambda + \beta - \alpha = \gamma v, \quad \gamma_i u_i = w_i, \quad
          \alpha a = \beta (x - a) = \lambda (b - \sum_i a_i) = \mu \to 0,

so that Mehrotra's predictor and corrector [1]_ apply. Each agent's block is diagonal plus rank one and is eliminated
by the Sherman-Morrison formula; what is factorised is M x M for each instance: O(N M^2 + M^3). Where resources are many
and agents few (`many_resources`), prices are eliminated first: the diagonal of the prices' block less N vectors of rank
one is inverted by Woodbury's formula, and what is factorised is N x N: O(N^2 M + N^3).

This one runs wherever torch does. On a processor `walras.markets.eisenberg_gale.interior_point_compiled` takes the same
steps faster.

References
----------
[1] S. Mehrotra, On the implementation of a primal-dual interior point method, SIAM Journal on Optimization 2, 1992.
"""

from typing import NamedTuple

import torch
from torch import Tensor

NEAR = 1e4  # targets: a gap from which rounding may make it rise
RISES = 3  # steps in a row in which it did not fall, after which rounding is the reason; a corrector may raise it once
FIXED = 1e30  # curvature of an entry that cannot move
MANY = 96  # resources from which the elimination of prices is faster, if there are fewer agents than half as many


def many_resources(values: Tensor) -> bool:
    """Return whether the Newton matrix of ``values [B, N, M]`` is reduced to agents rather than to resources."""
    return values.shape[2] >= max(MANY, 2 * values.shape[1])


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


def certified_gap(problem: Problem, point: Point) -> Tensor:
    """Return the certified duality gap per unit of total weight, ``[B]``."""
    return total_gap(problem, point, agents_gaps(problem, point))


def agents_gaps(problem: Problem, point: Point) -> Tensor:
    """Return what each agent lacks of its best bundle at the prices, per unit of its own weight, ``[B, N]``.

    No term is negative, and none is the difference of larger ones.
    """
    v, x, b, w, z = problem
    share = point.gamma * torch.einsum("bnm,bnm->bn", v, point.a) / w
    slope = point.gamma[..., None] * v - z - point.price[:, None]
    left = torch.clamp(torch.minimum(x, b[:, None]) - point.a, min=0)
    missed = torch.clamp(slope, min=0) * left + torch.clamp(-slope, min=0) * point.a
    return share - 1 - share.log() + missed.sum(dim=2) / w


def total_gap(problem: Problem, point: Point, gaps: Tensor) -> Tensor:
    """Return the certified gap, ``[B]``: the sum of ``gaps [B, N]`` by weights, and of what is unsold at the prices."""
    unsold = torch.clamp(problem.budgets - point.a.sum(dim=1), min=0)
    lacked = (problem.weights * gaps).sum(dim=1) + (point.price * unsold).sum(dim=1)
    return lacked / problem.weights.sum(dim=1)


def solve(problem: Problem, target: Tensor, limit: int) -> tuple[Point, int]:
    """Return the point of each instance and the number of steps taken.

    An instance is left where its gap meets its ``target [B]``, or where, `NEAR` it, the gap no longer falls; its point
    is the best that was met.
    """
    point = _start(problem)
    active = torch.arange(len(problem.values), device=problem.values.device)
    best = torch.full_like(problem.weights[:, 0], torch.inf)
    at, rises, iterations = point, torch.zeros_like(active), 0
    point = Point(*(part.clone() for part in point))
    while len(active) and iterations < limit:
        part, goal = Problem(*(v[active] for v in problem)), target[active]
        at = _step(part, at)
        gap = certified_gap(part, at)
        worse = (best[active] <= NEAR * goal) & ~(gap < best[active])
        better = active[~worse]
        best[better] = gap[~worse]
        for whole, new in zip(point, at, strict=True):
            whole[better] = new[~worse]
        rises = torch.where(worse, rises + 1, 0)
        open_still = (rises < RISES) & ~(gap <= goal)
        active, rises, at = active[open_still], rises[open_still], Point(*(v[open_still] for v in at))
        iterations += 1
    return point, iterations


def adjoint(v: Tensor, point: Point, of_a: Tensor, of_price: Tensor, rounds: int) -> tuple[Tensor, Tensor]:
    """Return the Newton system's solution for gradients ``[B, N, M]`` and ``[B, M]``, in the same shapes."""
    return _System(v, point).solve(of_a, of_price, rounds)


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
        self._shrink = _shrink(v, self._inverse, curvature)
        method = _ByAgents if many_resources(v) else _ByResources
        self._prices = method(v, self._inverse, curvature, self._slack)

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
        dprice = self._prices.solve(short)
        return self._blocks(rhs - dprice[:, None]), dprice

    def _blocks(self, rhs: Tensor) -> Tensor:
        """Solve each agent's block, diagonal plus rank one (Sherman-Morrison)."""
        along = (self._scaled * rhs).sum(dim=2) * self._shrink
        return self._inverse * rhs - self._scaled * along[..., None]


class _ByResources:
    """The equations of the prices alone, ``(E - sum_i shrink_i s_i s_i') dprice = short``, M x M.

    E is diagonal, the sum of the agents' inverses and the slack; s_i are agent i's scaled values.
    """

    def __init__(self, v: Tensor, inverse: Tensor, curvature: Tensor, slack: Tensor) -> None:
        rank_one = v * inverse * _shrink(v, inverse, curvature).sqrt()[..., None]
        matrix = -rank_one.transpose(1, 2) @ rank_one
        matrix.diagonal(dim1=1, dim2=2).add_(inverse.sum(dim=1) + slack)
        self._factor, _ = torch.linalg.cholesky_ex(matrix)

    def solve(self, short: Tensor) -> Tensor:
        """Return the moves of the prices, ``[B, M]``."""
        return torch.cholesky_solve(short[..., None], self._factor)[..., 0]


class _ByAgents:
    """The same equations by Woodbury's formula, with the matrix of ``1 / shrink_i - s_i' E^-1 s_j``, N x N.

    Its diagonal would be a difference of numbers that are almost equal; as one over the curvature, and what the others
    and the slack have in E, it is a sum.
    """

    def __init__(self, v: Tensor, inverse: Tensor, curvature: Tensor, slack: Tensor) -> None:
        self._total, scaled = inverse.sum(dim=1) + slack, v * inverse
        self._shares = scaled / self._total[:, None]
        matrix = -self._shares @ scaled.transpose(1, 2)
        others = (_of_others(inverse) + slack[:, None]) / self._total[:, None]
        matrix.diagonal(dim1=1, dim2=2).copy_(1 / curvature + (v * scaled * others).sum(dim=2))
        self._factor, _ = torch.linalg.cholesky_ex(matrix)

    def solve(self, short: Tensor) -> Tensor:
        """Return the moves of the prices, ``[B, M]``."""
        along = torch.cholesky_solve((self._shares @ short[..., None]), self._factor)
        return short / self._total + (self._shares.transpose(1, 2) @ along)[..., 0]


def _shrink(v: Tensor, inverse: Tensor, curvature: Tensor) -> Tensor:
    """Return the factors of Sherman and Morrison, ``[B, N]``."""
    return curvature / (1 + curvature * (v * v * inverse).sum(dim=2))


def _of_others(inverse: Tensor) -> Tensor:
    """Return the sums of ``inverse [B, N, M]`` over the other agents, without a difference."""
    none = torch.zeros_like(inverse[:, :1])
    before = torch.cat((none, inverse[:, :-1]), dim=1).cumsum(dim=1)
    after = torch.cat((inverse[:, 1:], none), dim=1).flip(1).cumsum(dim=1).flip(1)
    return before + after


def _step(problem: Problem, p: Point) -> Point:
    """Take one predictor and corrector step, [1]."""
    v, x = problem.values, problem.demands
    system, u = _System(v, p), (v * p.a).sum(dim=2)
    mu, zero = _complementarity(p), torch.zeros_like
    d = _direction(problem, p, system, u, zero(mu), (zero(p.a), zero(p.a), zero(p.s), zero(u)))
    reach = _reach(p, d, 1.0)
    ahead = _complementarity(_moved(p, d, reach))
    # The second-order terms are those of the step that can be taken. At full length they make degenerate instances
    # cycle: where an agent is indifferent, and a budget just spent.
    damp = (reach[0] * reach[1])[:, None]
    products = (
        damp[..., None] * d.alpha * d.a,
        damp[..., None] * d.beta * d.t,
        damp * d.price * d.s,
        damp * d.gamma * (v * d.a).sum(dim=2),
    )
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
