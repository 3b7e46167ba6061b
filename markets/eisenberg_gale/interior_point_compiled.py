"""The interior point method of `walras.markets.eisenberg_gale.interior_point`, compiled for the processor.

On a processor the arithmetic of one step costs less than one call of torch; a compiled loop does nothing else. The
steps and the names are the same. All that is known of an agent's share of a resource (`c`), of an agent (`g`) and of
a resource (`r`) is a record, and each entry of a record holds `LANES` instances: the innermost loops run over `n` of
them and fill the vector registers. Lanes do not meet, so that an answer does not depend on the batch.
"""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias, TypeVar

import numpy as np
import torch
from torch import Tensor

from walras.core.typing import Floats
from walras.markets.compiled import Function, compiled
from walras.markets.eisenberg_gale.interior_point import NEAR, RISES, Point, Problem

LANES = 16
FIXED = 1e30  # curvature of an entry that cannot move
TINY = 1e-300


def _record(names: str) -> np.dtype[np.void]:
    return np.dtype([(name, np.float64, (LANES,)) for name in names.split()], align=True)


CELL = _record("v x z a t alpha beta da dalpha dbeta low high inverse scaled rhs left per_a per_t per_alpha per_beta")
AGENT = _record("w gamma dgamma u du curvature shrink along")
RESOURCE = _record("b s price ds dprice slack budget short adjust")
LANE = _record("target mu now gap best rises weight primal dual open")

Records: TypeAlias = (
    Any  # arrays of CELL [N, M], AGENT [N] and RESOURCE [M], and one LANE; only compiled code reads them
)
Rows: TypeAlias = tuple[Floats, ...]
Result = TypeVar("Result")


def reordering(function: Function) -> Function:
    """Compile a function whose sums may be reordered; NaN keeps its meaning."""
    return compiled(function, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})


@reordering
def _factorise(cells: Records, agents: Records, resources: Records, factor: Floats, n: int) -> None:
    """Form the Newton matrix, each agent's block eliminated, and its Cholesky factor."""
    for k in range(len(resources)):
        r = resources[k]
        factor[k, :k] = 0.0
        for j in range(n):
            r.slack[j] = r.s[j] / r.price[j] if r.price[j] > 0 else 1.0
            factor[k, k, j] = r.slack[j]
    for i in range(len(agents)):
        g = agents[i]
        for j in range(n):
            g.u[j] = g.along[j] = 0.0
        for k in range(len(resources)):
            c = cells[i, k]
            for j in range(n):
                c.per_a[j], c.per_t[j] = 1 / c.a[j], 1 / c.t[j]
                low = c.alpha[j] * c.per_a[j]
                c.low[j] = low if c.a[j] > 0 else FIXED
                c.high[j] = c.beta[j] * c.per_t[j]
                c.inverse[j] = 1 / (c.low[j] + c.high[j])
                c.scaled[j] = c.v[j] * c.inverse[j]
                g.along[j] += c.v[j] * c.scaled[j]
                g.u[j] += c.v[j] * c.a[j]
        for j in range(n):
            g.curvature[j] = g.gamma[j] / g.u[j]
            g.shrink[j] = g.curvature[j] / (1 + g.curvature[j] * g.along[j])
        for k in range(len(resources)):
            c = cells[i, k]
            for j in range(n):
                g.along[j] = g.shrink[j] * c.scaled[j]
                factor[k, k, j] += c.inverse[j]
            for m in range(k + 1):
                other = cells[i, m]
                for j in range(n):
                    factor[k, m, j] -= g.along[j] * other.scaled[j]
    _cholesky(factor, n)


@reordering
def _cholesky(factor: Floats, n: int) -> None:
    """Factorise in place; the diagonal holds reciprocals."""
    for k in range(len(factor)):
        for m in range(k):
            for q in range(m):
                for j in range(n):
                    factor[k, m, j] -= factor[k, q, j] * factor[m, q, j]
            for j in range(n):
                factor[k, m, j] *= factor[m, m, j]
                factor[k, k, j] -= factor[k, m, j] * factor[k, m, j]
        for j in range(n):
            factor[k, k, j] = 1 / np.sqrt(max(factor[k, k, j], TINY))


@reordering
def _substitute(factor: Floats, resources: Records, n: int) -> None:
    """Solve for `adjust`, in place."""
    size = len(factor)
    for k in range(size):
        r = resources[k]
        for m in range(k):
            for j in range(n):
                r.adjust[j] -= factor[k, m, j] * resources[m].adjust[j]
        for j in range(n):
            r.adjust[j] *= factor[k, k, j]
    for k in range(size - 1, -1, -1):
        r = resources[k]
        for m in range(k + 1, size):
            for j in range(n):
                r.adjust[j] -= factor[m, k, j] * resources[m].adjust[j]
        for j in range(n):
            r.adjust[j] *= factor[k, k, j]


@reordering
def _solve(cells: Records, agents: Records, resources: Records, factor: Floats, rounds: int, n: int) -> None:
    """Solve for da and dprice, given `rhs` and `budget`; each round of refinement wins back digits that cancelled."""
    for k in range(len(resources)):
        r = resources[k]
        for j in range(n):
            r.dprice[j], r.short[j] = 0.0, r.budget[j]
        for i in range(len(agents)):
            c = cells[i, k]
            for j in range(n):
                c.da[j], c.left[j] = 0.0, c.rhs[j]
    _correct(cells, agents, resources, factor, n)
    for _ in range(rounds):
        _leave(cells, agents, resources, n)
        _correct(cells, agents, resources, factor, n)


@reordering
def _leave(cells: Records, agents: Records, resources: Records, n: int) -> None:
    """Set `left` and `short` to what da and dprice leave of the equations."""
    for k in range(len(resources)):
        r = resources[k]
        for j in range(n):
            r.short[j] = r.budget[j] + r.slack[j] * r.dprice[j]
    for i in range(len(agents)):
        g = agents[i]
        _rise(cells, agents, i, n)
        for k in range(len(resources)):
            c, r = cells[i, k], resources[k]
            for j in range(n):
                along = g.curvature[j] * g.du[j] * c.v[j]
                c.left[j] = c.rhs[j] - (c.low[j] + c.high[j]) * c.da[j] - along - r.dprice[j]
                r.short[j] -= c.da[j]


@reordering
def _correct(cells: Records, agents: Records, resources: Records, factor: Floats, n: int) -> None:
    """Add to da and dprice what `left` and `short` ask for: Sherman-Morrison by agent, Cholesky over resources."""
    for k in range(len(resources)):
        r = resources[k]
        for j in range(n):
            r.adjust[j] = -r.short[j]
    for i in range(len(agents)):
        g = agents[i]
        _project(cells, agents, i, n)
        for k in range(len(resources)):
            c, r = cells[i, k], resources[k]
            for j in range(n):
                r.adjust[j] += c.inverse[j] * c.left[j] - c.scaled[j] * g.along[j]
    _substitute(factor, resources, n)
    for i in range(len(agents)):
        g = agents[i]
        for k in range(len(resources)):
            c, r = cells[i, k], resources[k]
            for j in range(n):
                c.left[j] -= r.adjust[j]
        _project(cells, agents, i, n)
        for k in range(len(resources)):
            c = cells[i, k]
            for j in range(n):
                c.da[j] += c.inverse[j] * c.left[j] - c.scaled[j] * g.along[j]
    for k in range(len(resources)):
        r = resources[k]
        for j in range(n):
            r.dprice[j] += r.adjust[j]


@reordering
def _project(cells: Records, agents: Records, i: int, n: int) -> None:
    """Set `along`, by which agent i's curvature shrinks `left`."""
    g = agents[i]
    for j in range(n):
        g.along[j] = 0.0
    for k in range(cells.shape[1]):
        c = cells[i, k]
        for j in range(n):
            g.along[j] += c.scaled[j] * c.left[j]
    for j in range(n):
        g.along[j] *= g.shrink[j]


@reordering
def _rise(cells: Records, agents: Records, i: int, n: int) -> None:
    """Set `du`, what da adds to agent i's utility."""
    g = agents[i]
    for j in range(n):
        g.du[j] = 0.0
    for k in range(cells.shape[1]):
        c = cells[i, k]
        for j in range(n):
            g.du[j] += c.v[j] * c.da[j]


@reordering
def _direct(
    cells: Records, agents: Records, resources: Records, factor: Floats, lane: Records, rounds: int, n: int
) -> None:
    """Overwrite the direction by Newton's towards `mu`, less its products: the second-order terms of its step."""
    for k in range(len(resources)):
        r = resources[k]
        for j in range(n):
            damp = lane.primal[j] * lane.dual[j]
            r.budget[j] = r.s[j] - (lane.mu[j] - damp * r.dprice[j] * r.ds[j]) / r.price[j]
            r.ds[j] = 0.0
    for i in range(len(agents)):
        g = agents[i]
        for j in range(n):
            damp = lane.primal[j] * lane.dual[j]
            g.dgamma[j] = (g.w[j] - damp * g.dgamma[j] * g.du[j]) / g.u[j] - g.gamma[j]
        for k in range(len(resources)):
            c, r = cells[i, k], resources[k]
            for j in range(n):
                dual = g.gamma[j] * c.v[j] - c.z[j] - r.price[j] - c.beta[j] + c.alpha[j]
                damp = lane.primal[j] * lane.dual[j] * c.da[j]
                c.dalpha[j] = (lane.mu[j] - damp * c.dalpha[j]) * c.per_a[j] - c.alpha[j]
                c.dbeta[j] = (lane.mu[j] + damp * c.dbeta[j]) * c.per_t[j] - c.beta[j]
                c.rhs[j] = dual + c.dalpha[j] - c.dbeta[j] + g.dgamma[j] * c.v[j]
    _solve(cells, agents, resources, factor, rounds, n)
    for i in range(len(agents)):
        g = agents[i]
        _rise(cells, agents, i, n)
        for j in range(n):
            g.dgamma[j] -= g.curvature[j] * g.du[j]
        for k in range(len(resources)):
            c, r = cells[i, k], resources[k]
            for j in range(n):
                c.dalpha[j] -= c.low[j] * c.da[j]
                c.dbeta[j] += c.high[j] * c.da[j]
                r.ds[j] -= c.da[j]


@reordering
def _reach(cells: Records, agents: Records, resources: Records, lane: Records, fraction: float, n: int) -> None:
    """Set how far the primal and the dual variables may move."""
    for j in range(n):
        lane.primal[j] = lane.dual[j] = fraction
    for k in range(len(resources)):
        r = resources[k]
        for j in range(n):
            lane.primal[j] = max(lane.primal[j], -r.ds[j] / r.s[j])
            lane.dual[j] = max(lane.dual[j], -r.dprice[j] / r.price[j])
    for i in range(len(agents)):
        g = agents[i]
        for j in range(n):
            lane.dual[j] = max(lane.dual[j], -g.dgamma[j] / g.gamma[j])
        for k in range(len(resources)):
            c = cells[i, k]
            for j in range(n):
                lane.primal[j] = max(lane.primal[j], max(-c.da[j] * c.per_a[j], c.da[j] * c.per_t[j]))
                lane.dual[j] = max(lane.dual[j], max(-c.dalpha[j] * c.per_alpha[j], -c.dbeta[j] * c.per_beta[j]))
    for j in range(n):
        lane.primal[j] = fraction / lane.primal[j]
        lane.dual[j] = fraction / lane.dual[j]


@reordering
def _centre(cells: Records, resources: Records, lane: Records, n: int) -> None:
    """Set `mu`, the target of the corrector, from the mean product of slacks and duals now and after the step."""
    for j in range(n):
        lane.now[j] = lane.mu[j] = 0.0
    for k in range(len(resources)):
        r = resources[k]
        for j in range(n):
            lane.now[j] += r.s[j] * r.price[j]
            lane.mu[j] += (r.s[j] + lane.primal[j] * r.ds[j]) * (r.price[j] + lane.dual[j] * r.dprice[j])
        for i in range(len(cells)):
            c = cells[i, k]
            for j in range(n):
                step = lane.primal[j] * c.da[j]
                lane.now[j] += c.a[j] * c.alpha[j] + c.t[j] * c.beta[j]
                lane.mu[j] += (c.a[j] + step) * (c.alpha[j] + lane.dual[j] * c.dalpha[j])
                lane.mu[j] += (c.t[j] - step) * (c.beta[j] + lane.dual[j] * c.dbeta[j])
    count = 2 * cells.size + len(resources)
    for j in range(n):
        lane.mu[j] = lane.now[j] / count * (lane.mu[j] / lane.now[j]) ** 3


@reordering
def _move(cells: Records, agents: Records, resources: Records, lane: Records, n: int) -> None:
    for k in range(len(resources)):
        r = resources[k]
        for j in range(n):
            r.s[j] += lane.primal[j] * r.ds[j]
            r.price[j] += lane.dual[j] * r.dprice[j]
    for i in range(len(agents)):
        g = agents[i]
        for j in range(n):
            g.u[j] = 0.0
        for k in range(len(resources)):
            c = cells[i, k]
            for j in range(n):
                step = lane.primal[j] * c.da[j]
                c.a[j] += step
                # A slack is what it is by definition; this keeps rounding from adding up.
                c.t[j] = max(c.x[j] - c.a[j], 1e-3 * (c.t[j] - step))
                c.alpha[j] += lane.dual[j] * c.dalpha[j]
                c.beta[j] += lane.dual[j] * c.dbeta[j]
                g.u[j] += c.v[j] * c.a[j]
        for j in range(n):
            # gamma may not lose sight of w / u: nothing else draws them together where a utility has collapsed.
            exact = g.w[j] / g.u[j]
            g.gamma[j] = min(max(g.gamma[j] + lane.dual[j] * g.dgamma[j], 0.1 * exact), 10 * exact)


@reordering
def _certify(cells: Records, agents: Records, resources: Records, lane: Records, n: int) -> None:
    """Set `gap`, the certified duality gap per unit of total weight."""
    for j in range(n):
        lane.gap[j] = lane.weight[j] = 0.0
    for k in range(len(resources)):
        r = resources[k]
        for j in range(n):
            lane.gap[j] += r.price[j] * r.b[j]
    for i in range(len(agents)):
        g = agents[i]
        for k in range(len(resources)):
            c, r = cells[i, k], resources[k]
            for j in range(n):
                beta = max(g.gamma[j] * c.v[j] - c.z[j] - r.price[j], 0.0)
                lane.gap[j] += beta * min(c.x[j], r.b[j]) + c.z[j] * c.a[j]
        for j in range(n):
            lane.gap[j] -= g.w[j] * (1 + np.log(g.gamma[j] * g.u[j] / g.w[j]))
            lane.weight[j] += g.w[j]
    for j in range(n):
        lane.gap[j] /= lane.weight[j]


@reordering
def _start(cells: Records, agents: Records, resources: Records, lane: Records, n: int) -> None:
    """Start from half of an equal split, with duals of equal complementarity."""
    for j in range(n):
        lane.mu[j] = 0.0
    for i in range(len(agents)):
        g = agents[i]
        for j in range(n):
            g.u[j] = 0.0
            lane.mu[j] += g.w[j] / cells.size
    for k in range(len(resources)):
        r = resources[k]
        for j in range(n):
            r.s[j] = r.b[j]
        for i in range(len(agents)):
            c, g = cells[i, k], agents[i]
            for j in range(n):
                c.a[j] = 0.5 * min(c.x[j], r.b[j] / len(agents))
                c.t[j] = c.x[j] - c.a[j]
                c.alpha[j] = lane.mu[j] / c.a[j]
                c.beta[j] = lane.mu[j] / c.t[j]
                r.s[j] -= c.a[j]
                g.u[j] += c.v[j] * c.a[j]
        for j in range(n):
            r.price[j] = lane.mu[j] / r.s[j]
    for i in range(len(agents)):
        g = agents[i]
        for j in range(n):
            g.gamma[j] = g.w[j] / g.u[j]


@reordering
def _rest(cells: Records, agents: Records, resources: Records, lane: Records, n: int) -> None:
    """Forget the last direction and step."""
    for j in range(n):
        lane.mu[j] = lane.primal[j] = lane.dual[j] = 0.0
    for k in range(len(resources)):
        r = resources[k]
        for j in range(n):
            r.ds[j] = r.dprice[j] = 0.0
    for i in range(len(agents)):
        g = agents[i]
        for j in range(n):
            g.dgamma[j] = g.du[j] = 0.0
        for k in range(len(resources)):
            c = cells[i, k]
            for j in range(n):
                c.da[j] = c.dalpha[j] = c.dbeta[j] = 0.0
                c.per_alpha[j], c.per_beta[j] = 1 / c.alpha[j], 1 / c.beta[j]


@reordering
def _step(cells: Records, agents: Records, resources: Records, factor: Floats, lane: Records, n: int) -> None:
    """Take one predictor and corrector step."""
    _factorise(cells, agents, resources, factor, n)
    _rest(cells, agents, resources, lane, n)
    _direct(cells, agents, resources, factor, lane, 0, n)
    _reach(cells, agents, resources, lane, 1.0, n)
    _centre(cells, resources, lane, n)
    _direct(cells, agents, resources, factor, lane, 1, n)
    _reach(cells, agents, resources, lane, 0.995, n)
    _move(cells, agents, resources, lane, n)
    _certify(cells, agents, resources, lane, n)


@reordering
def _load(rows: Rows, row: int, cells: Records, agents: Records, resources: Records, j: int) -> None:
    v, x, b, w, z = rows
    for i in range(len(agents)):
        agents[i].w[j] = w[row, i]
        for k in range(len(resources)):
            c = cells[i, k]
            c.v[j], c.x[j], c.z[j] = v[row, i, k], x[row, i, k], z[row, i, k]
    for k in range(len(resources)):
        resources[k].b[j] = b[row, k]


@reordering
def _store(points: Rows, row: int, cells: Records, agents: Records, resources: Records, j: int) -> None:
    a, t, s, alpha, beta, price, gamma = points
    for i in range(len(agents)):
        gamma[row, i] = agents[i].gamma[j]
        for k in range(len(resources)):
            c = cells[i, k]
            a[row, i, k], t[row, i, k], alpha[row, i, k], beta[row, i, k] = c.a[j], c.t[j], c.alpha[j], c.beta[j]
    for k in range(len(resources)):
        s[row, k], price[row, k] = resources[k].s[j], resources[k].price[j]


@reordering
def _solve_rows(
    rows: Rows,
    points: Rows,
    cells: Records,
    agents: Records,
    resources: Records,
    factor: Floats,
    lane: Records,
    targets: Floats,
    limit: int,
) -> int:
    """Solve all rows, some at a time; a row is stored when it is done, and its lane then idles."""
    most, n = 0, factor.shape[2]
    for first in range(0, len(rows[0]), n):
        open_lanes = min(n, len(rows[0]) - first)
        for j in range(n):
            _load(rows, first + min(j, open_lanes - 1), cells, agents, resources, j)
            lane.open[j] = 1.0 if j < open_lanes else 0.0
            lane.best[j], lane.rises[j] = np.inf, 0.0
            lane.target[j] = targets[first + min(j, open_lanes - 1)]
        _start(cells, agents, resources, lane, n)
        for step in range(limit):
            _step(cells, agents, resources, factor, lane, n)
            most = max(most, step + 1)
            for j in range(n):
                if lane.open[j] == 0:
                    continue
                worse = lane.best[j] <= NEAR * lane.target[j] and not lane.gap[j] < lane.best[j]
                if lane.gap[j] <= NEAR * lane.target[j] and not worse:
                    _store(points, first + j, cells, agents, resources, j)
                    lane.best[j] = lane.gap[j]
                lane.rises[j] = lane.rises[j] + 1 if worse else 0.0
                if lane.rises[j] >= RISES or lane.gap[j] <= lane.target[j]:
                    lane.open[j] = 0.0
                    open_lanes -= 1
            if open_lanes == 0:
                break
        for j in range(n):
            if lane.open[j] > 0 and lane.best[j] == np.inf:
                _store(points, first + j, cells, agents, resources, j)
    return most


@reordering
def _adjoint_rows(
    v: Floats,
    points: Rows,
    gradients: Rows,
    answer: Rows,
    cells: Records,
    agents: Records,
    resources: Records,
    factor: Floats,
    rounds: int,
) -> None:
    """Solve the Newton system at each point, some rows at a time."""
    a, t, s, alpha, beta, price, gamma = points
    (of_a, of_price), (y, eta) = gradients, answer
    n = factor.shape[2]
    for first in range(0, len(v), n):
        rows = min(n, len(v) - first)
        for j in range(n):
            row = first + min(j, rows - 1)
            for i in range(len(agents)):
                agents[i].gamma[j] = gamma[row, i]
                for k in range(len(resources)):
                    c = cells[i, k]
                    c.v[j], c.a[j], c.t[j] = v[row, i, k], a[row, i, k], t[row, i, k]
                    c.alpha[j], c.beta[j], c.rhs[j] = alpha[row, i, k], beta[row, i, k], of_a[row, i, k]
            for k in range(len(resources)):
                r = resources[k]
                r.s[j], r.price[j], r.budget[j] = s[row, k], price[row, k], of_price[row, k]
        _factorise(cells, agents, resources, factor, n)
        _solve(cells, agents, resources, factor, rounds, n)
        for j in range(rows):
            for k in range(len(resources)):
                eta[first + j, k] = resources[k].dprice[j]
                for i in range(len(agents)):
                    y[first + j, i, k] = cells[i, k].da[j]


def solve(problem: Problem, target: Tensor, limit: int) -> tuple[Point, int]:
    """Return each instance's point and the most steps, as `walras.markets.eisenberg_gale.interior_point.solve`."""
    rows, targets = tuple(_array(tensor) for tensor in problem), _array(target)
    v, b, w = rows[0], rows[2], rows[3]
    points = tuple(np.empty_like(like) for like in (v, v, b, v, v, b, w))

    def part(chunk: slice) -> int:
        taken, given = tuple(a[chunk] for a in points), tuple(a[chunk] for a in rows)
        return _solve_rows(given, taken, *_workspace(given[0]), np.zeros(1, LANE)[0], targets[chunk], limit)

    steps = _in_parallel(part, len(v))
    return Point(*(torch.from_numpy(a) for a in points)), max(steps, default=0)


def adjoint(v: Tensor, point: Point, of_a: Tensor, of_price: Tensor, rounds: int) -> tuple[Tensor, Tensor]:
    """Return the Newton system's solution for gradients ``[B, N, M]`` and ``[B, M]``, in the same shapes."""
    values, points, gradients = _array(v), tuple(map(_array, point)), (_array(of_a), _array(of_price))
    answer = np.empty_like(gradients[0]), np.empty_like(gradients[1])

    def part(chunk: slice) -> None:
        own, given, found = (tuple(a[chunk] for a in arrays) for arrays in (points, gradients, answer))
        _adjoint_rows(values[chunk], own, given, found, *_workspace(values[chunk]), rounds)

    _in_parallel(part, len(values))
    return torch.from_numpy(answer[0]), torch.from_numpy(answer[1])


def _array(tensor: Tensor) -> Floats:
    return np.ascontiguousarray(tensor.numpy())


def _workspace(v: Floats) -> tuple[Records, Records, Records, Floats]:
    rows, agents, resources = v.shape
    cells, of_agents, of_resources = (
        np.zeros((agents, resources), CELL),
        np.zeros(agents, AGENT),
        np.zeros(resources, RESOURCE),
    )
    return cells, of_agents, of_resources, np.zeros((resources, resources, max(1, min(rows, LANES))))


def _in_parallel(part: Callable[[slice], Result], rows: int) -> list[Result]:
    """Call `part` on slices of the rows, one a thread of torch; small batches are not worth a second thread."""
    threads = max(1, min(torch.get_num_threads(), rows // (2 * LANES)))
    cuts = [LANES * round(rows / LANES * i / threads) for i in range(threads)] + [rows]
    chunks = [slice(a, b) for a, b in itertools.pairwise(cuts)]
    if threads == 1:
        return [part(chunk) for chunk in chunks]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(part, chunks))
