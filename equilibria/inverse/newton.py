r"""Steps of Newton's method on the regret of observed play, which end where a descent stops early.

With g and H the slope and the curvature of the regret at parameters :math:`\theta`, a step leads to
:math:`\theta - H^+ g`; it is exact where regret is quadratic, as with quantities. Directions in which the regret is
flat stay.
"""

from typing import Any

import numpy as np

from walras.core.typing import Floats
from walras.equilibria.inverse.family import AbstractFamily, weights_of
from walras.equilibria.inverse.least_regret import oracle_of

POLISHED = 3
"""Steps, at most."""
FLAT = 1e-7
"""Share of the largest curvature, in parts of the parameters, below which there is none."""
MOVE = 1e-5
"""Share of a parameter by which it moves for a difference."""


def polished(family: AbstractFamily[Any], observed: Any, theta: Floats) -> Floats:  # noqa: ANN401
    """Return parameters after a few steps, each of which must lower the regret."""
    oracle = oracle_of(family, observed)
    value = oracle(theta)[0]
    for _ in range(POLISHED):
        step = newton_step(family, observed, theta)
        after = oracle(step)[0]
        if not after < value:
            break
        theta, value = step, after
    return theta


def newton_step(family: AbstractFamily[Any], observed: Any, theta: Floats) -> Floats:  # noqa: ANN401
    """Return where a step from ``theta [P]`` leads."""
    (low, high), size, weight = family.bounds, len(theta), weights_of(family, observed)
    unit = np.maximum(np.abs(theta), 1e-3 * (np.abs(theta).max() or 1.0))

    def slope(at: Floats) -> Floats:
        return weight @ family.regrets(observed, at).slope.sum(axis=1)

    second = np.empty((size, size))
    for k in range(size):
        ends = [np.clip(theta + sign * MOVE * unit * np.eye(size)[k], low, high) for sign in (1.0, -1.0)]
        rise = (slope(ends[0]) - slope(ends[1])) * unit
        second[:, k] = rise * (unit[k] / max((ends[0] - ends[1])[k], 1e-300))
    values, vectors = np.linalg.eigh((second + second.T) / 2)
    kept = values > FLAT * values.max(initial=0.0)
    moved = vectors[:, kept] @ (vectors[:, kept].T @ (slope(theta) * unit) / values[kept])
    return np.clip(theta - moved * unit, low, high)
