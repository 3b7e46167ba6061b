r"""Estimates of least regret from resampled periods: a step of Newton's method each, compared with whole descents.

With :math:`g_t` and :math:`H_t` the slope and the curvature of the regret of period t at the estimate
:math:`\hat\theta`, and :math:`w` the shares of periods in a resample, the resample's estimate is

.. math:: \hat\theta - \Bigl(\sum_t w_t H_t\Bigr)^+ \sum_t w_t g_t

up to terms that vanish faster than its distance from :math:`\hat\theta` [1]_; it is exact where regret is quadratic,
as with quantities. Directions in which the regret is flat stay. Regrets with kinks have no such step: the first few
steps are descended from, and if a descent takes off more than a hundredth of what its step did, all resamples are
descended.

References
----------
[1] R. Davidson, J. G. MacKinnon, Bootstrap testing in nonlinear models, International Economic Review 40, 1999.
"""

from typing import Any

import numpy as np

from walras.core.typing import Floats, Ints
from walras.equilibria.inverse.family import AbstractFamily, take, weights_of
from walras.equilibria.inverse.least_regret import descend, oracle_of

POLISHED = 3
"""Steps of Newton's method after a descent, at most."""
DESCENDED = 5
"""Steps that are descended from."""
FURTHER = 10
"""Steps of these descents."""
ATTAINED = 0.99
"""Share of what a descent takes off the regret that a step must: of a parabola, all but a tenth of the way."""
ROUNDING = 1e-9
"""Share of a regret that is rounding."""
FLAT = 1e-7
"""Share of the largest curvature, in parts of the parameters, below which there is none."""
MOVE = 1e-5
"""Share of a parameter by which it moves for a difference."""


def resampled(family: AbstractFamily[Any], observed: Any, theta: Floats, rows: Ints) -> Floats:  # noqa: ANN401
    """Return the estimates ``[B, P]`` of resamples of periods ``rows [B, T]``, near that of all, ``theta [P]``."""
    count = rows.shape[1]
    share = np.stack([np.bincount(each, minlength=count) for each in rows]) / count
    steps = newton_steps(family, observed, theta, share)
    for each, step in zip(rows[:DESCENDED], steps, strict=False):
        oracle = oracle_of(family, take(observed, each))
        before, reached = oracle(theta)[0], oracle(step)[0]
        after = descend(oracle, *family.bounds, step, FURTHER)[1]
        if before - reached < ATTAINED * (before - after) - ROUNDING * before:
            break
    else:
        return steps
    oracles = (oracle_of(family, take(observed, each)) for each in rows)
    return np.array([descend(oracle, *family.bounds, theta)[0] for oracle in oracles])


def polished(family: AbstractFamily[Any], observed: Any, theta: Floats) -> Floats:  # noqa: ANN401
    """Return parameters after a few steps of Newton's method, each of which must lower the regret."""
    oracle, weight = oracle_of(family, observed), weights_of(family, observed)
    value = oracle(theta)[0]
    for _ in range(POLISHED):
        step = newton_steps(family, observed, theta, weight[None])[0]
        after = oracle(step)[0]
        if not after < value:
            break
        theta, value = step, after
    return theta


def newton_steps(family: AbstractFamily[Any], observed: Any, theta: Floats, share: Floats) -> Floats:  # noqa: ANN401
    """Return where a step of Newton's method from ``theta [P]`` leads, for shares of periods ``[B, T]``, ``[B, P]``.

    Directions in which the regret of all periods together is flat stay as they are.
    """
    (low, high), size = family.bounds, len(theta)
    unit = np.maximum(np.abs(theta), 1e-3 * (np.abs(theta).max() or 1.0))
    first = family.regrets(observed, theta).slope.sum(axis=1) * unit  # [T, P]
    second = np.empty((*first.shape, size))
    for k in range(size):
        ends = [np.clip(theta + sign * MOVE * unit * np.eye(size)[k], low, high) for sign in (1.0, -1.0)]
        slopes = [family.regrets(observed, end).slope.sum(axis=1) for end in ends]
        second[..., k] = (slopes[0] - slopes[1]) * unit * (unit[k] / max((ends[0] - ends[1])[k], 1e-300))
    second = (second + second.swapaxes(1, 2)) / 2
    values, vectors = np.linalg.eigh(np.einsum("t,tpq->pq", weights_of(family, observed), second))
    kept = vectors[:, values > FLAT * values.max(initial=0.0)]
    curve = np.einsum("bt,tpq->bpq", share, second)
    moved = np.linalg.pinv(kept.T @ curve @ kept, rcond=FLAT, hermitian=True) @ (kept.T @ (share @ first)[..., None])
    return np.clip(theta - (kept @ moved)[..., 0] * unit, low, high)
