r"""Parameters of least regret, and sets of parameters at which regret is small, of families whose regret is convex.

Regret :math:`f(\theta) = \sum_t w_t \max_b [u(b, a_{-i}^t; \theta) - u(a^t; \theta)]` is convex in the parameters where
payoffs are affine in them. Each best deviation gives a plane below it, so that the planes of K parameters bound it:

.. math:: f(\theta) \ge \max_k f(\theta_k) + g_k \cdot (\theta - \theta_k).

Kelley's method [1]_ takes the least point of the planes next; its value is a lower bound of the least regret, which
certifies the answer. The set :math:`\{f \le \epsilon\}` is refined where a parameter is smallest or largest, until
these points lie in it. Smooth regrets are first descended by L-BFGS-B, which finds what planes alone approach slowly.
Both go in parts of the box and of the regret at the start, since their tolerances are absolute.

References
----------
[1] J. E. Kelley, The cutting-plane method for solving convex programs, Journal of the SIAM 8, 1960.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from walras.core.typing import Floats
from walras.equilibria.inverse.family import AbstractFamily, weights_of
from walras.equilibria.inverse.parameter_set import ParameterSet
from walras.equilibria.inverse.programmes import programme

Oracle: TypeAlias = Callable[[Floats], tuple[float, Floats]]
"""From parameters ``[P]`` to a convex function and a subgradient ``[P]``."""


class Least(NamedTuple):
    """A minimiser and its certificate."""

    theta: Floats  # [P]
    value: float
    lower: float  # no parameters have less
    planes: Floats  # [K, P] subgradients
    heights: Floats  # [K] the planes at zero


def oracle_of(family: AbstractFamily[Any], observed: Any, players: slice | int = slice(None)) -> Oracle:  # noqa: ANN401
    """Return the mean regret of some players, summed over them."""
    weight = weights_of(family, observed)

    def answer(theta: Floats) -> tuple[float, Floats]:
        found = family.regrets(observed, theta)
        gain, slope = found.gain[:, players], found.slope[:, players]
        each = gain.reshape(len(weight), -1).sum(axis=1)
        return float(weight @ each), weight @ slope.reshape(len(weight), -1, slope.shape[-1]).sum(axis=1)

    return answer


def descend(oracle: Oracle, low: Floats, high: Floats, start: Floats, max_iter: int = 500) -> tuple[Floats, float]:
    """Return parameters where L-BFGS-B ends, and the function there; of a smooth function a local minimum."""
    from scipy.optimize import minimize

    begun = np.clip(start, low, high)
    before = oracle(begun)[0]
    if before == 0:
        return begun, before
    width = np.where(np.isfinite(high - low) & (high > low), high - low, 1.0)

    def part(at: Floats) -> tuple[float, Floats]:
        value, slope = oracle(at * width)
        return value / abs(before), slope * width / abs(before)

    options: Any = {"maxiter": max_iter, "ftol": 1e-15, "gtol": 1e-12}
    ends = list(zip((low / width).tolist(), (high / width).tolist(), strict=True))
    found = minimize(part, begun / width, jac=True, method="L-BFGS-B", bounds=ends, options=options)
    theta = np.clip(found.x * width, low, high)
    value = oracle(theta)[0]
    return (theta, value) if value <= before else (begun, before)


def minimise(
    oracle: Oracle, low: Floats, high: Floats, start: Floats, *, tol: float = 1e-10, max_iter: int = 400
) -> Least:
    """Return the least point of a convex function in a finite box, by cutting planes; start where a descent ended."""
    best = np.clip(start, low, high)
    value = oracle(best)[0]
    planes, heights = list[Floats](), list[float]()
    bound, size = -np.inf, len(low)
    width, unit = np.where(high > low, high - low, 1.0), abs(value) or 1.0
    box = np.column_stack([np.concatenate([np.eye(size), -np.eye(size)]), np.zeros(2 * size)])
    at = best
    for _ in range(max_iter):
        here, slope = oracle(at)
        planes.append(slope)
        heights.append(here - float(slope @ at))
        if here < value:
            best, value = at, here
        if value - bound <= tol * (min(1.0, unit) + abs(value)):
            break
        rows = np.append(np.column_stack([np.array(planes) * width / unit, -np.ones(len(planes))]), box, axis=0)
        ends = np.concatenate([-np.array(heights) / unit, high / width, -low / width])
        found = programme(np.append(np.zeros(size), 1.0), rows, ends, 2 * size)
        if found is None:
            break
        at, bound = np.clip(found[:-1] * width, low, high), max(bound, unit * float(found[-1]))
    return Least(best, value, min(bound, value), np.array(planes), np.array(heights))


def level_set(
    oracle: Oracle,
    least: Least,
    epsilon: float,
    names: tuple[str, ...],
    box: tuple[Floats, Floats],
    *,
    tol: float = 1e-8,
    max_iter: int = 300,
) -> ParameterSet:
    """Return ``{f <= epsilon}`` from outside: no parameters of the set are left out.

    It is refined until the points at which a parameter is smallest or largest have `f` at most `epsilon`, up to
    `tol` of it and of the least value, at most one, or `max_iter` planes are added.
    """
    slack = tol * (min(1.0, abs(least.value) or epsilon) + epsilon)
    planes, heights, size = list(least.planes), list(least.heights), len(names)
    found = _below(names, box, planes, heights, epsilon)
    for sign in (-1.0, 1.0):
        for i in range(size):
            direction = sign * np.eye(size)[i]
            for _ in range(max_iter // (2 * size) + 1):
                at = found.support(direction)
                here, slope = oracle(at)
                if here <= epsilon + slack:
                    break
                planes.append(slope)
                heights.append(here - float(slope @ at))
                found = _below(names, box, planes, heights, epsilon)
    return found


def _below(
    names: tuple[str, ...], box: tuple[Floats, Floats], planes: list[Floats], heights: list[float], epsilon: float
) -> ParameterSet:
    steep = np.linalg.norm(planes, axis=1) > 0
    return ParameterSet(names, *box, np.array(planes)[steep], epsilon - np.array(heights)[steep])
