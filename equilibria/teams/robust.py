r"""Robust linear-quadratic control: the least cost that a controller can promise against any disturbance.

A controller :math:`u^1` and an adversary :math:`u^2` move :math:`x_{t+1} = A x_t + B u^1_t + u^2_t + w_t`. With the
attenuation level :math:`\gamma` the controller minimises, and the adversary maximises,

.. math:: \mathrm{E} \Big[ \sum_{t<T} x_t^\top Q x_t + |u^1_t|^2 - \gamma^2 |u^2_t|^2 + x_T^\top Q_T x_T \Big].

That is a zero-sum game of `walras.equilibria.teams.linear_quadratic`; its costs-to-go are :math:`M_t` and :math:`-M_t`.
It has a saddle point if the adversary's cost is convex at every stage,

.. math:: \gamma^2 I - M_t \succ 0, \qquad t = 1, \dots, T

[1, theorem 2]_. A level is viable, so that cost never exceeds :math:`\gamma^2` times the energy of noise and
disturbance, if moreover

.. math:: \mathrm{tr}(M_0 \Sigma_0) + \sum_{t=1}^T \mathrm{tr}\big((M_t - \gamma^2 I) \Sigma\big) \le 0

[1, condition 15]_, summed over the two parts of a team: the deviations from its mean, and the mean.

References
----------
[1] M. A. uz Zaman, M. Lauriere, A. Koppel, T. Basar, Robust cooperative multi-agent reinforcement learning: a
    mean-field type game perspective, L4DC 2024; arXiv 2406.13992.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from walras.core.checks import require
from walras.core.solution import SolverError, Status
from walras.core.typing import Floats
from walras.equilibria.teams.linear_quadratic import LinearQuadratic, feedback_nash

PRECISION = 1e-10  # of a level that bisection finds
LARGEST = float(np.sqrt(np.finfo(np.float64).max))  # level whose square is a number


class Disturbed(NamedTuple):
    """A process that an adversary disturbs."""

    A: Floats  # [m, m]
    B: Floats  # [m, p]
    Q: Floats  # [m, m]
    Q_end: Floats  # [m, m]
    start: Floats  # [m, m] covariance of the first state
    noise: Floats  # [m, m] covariance of the noise of a step
    horizon: int


class SaddlePoint(NamedTuple):
    """Gains of u1 = -control x and u2 = disturbance x, and the cost that both attain."""

    control: Floats  # [T, p, m]
    disturbance: Floats  # [T, m, m]
    cost: Floats  # [T + 1, m, m] M_t
    margin: float  # least eigenvalue of level^2 I - M_t, t = 1 .. T; infinite if the level is
    value: float  # expected cost from the first state on, noise included


def zero_sum(process: Disturbed, level: float) -> LinearQuadratic:
    """Return the game of controller and adversary at an attenuation level."""
    m, controls = process.B.shape
    costs, ends = [process.Q, -process.Q], [process.Q_end, -process.Q_end]
    weights = np.diag(np.repeat([1.0, -(level**2)], [controls, m]))
    game = LinearQuadratic.constant(
        process.A, [process.B, np.eye(m)], costs, [np.eye(controls), np.eye(m)], process.horizon, ends
    )
    paid = np.broadcast_to(np.stack([weights, -weights]), game.R.shape)
    return replace(game, R=paid)


def saddle_point(process: Disturbed, level: float) -> SaddlePoint:
    """Return the saddle point at an attenuation level; at one whose square overflows, the regulator without adversary.

    Raises
    ------
    ValueError
        If the level is not positive.
    SolverError
        If it is too small for a saddle point; the eigenvalue that exceeds its square is told.
    """
    require(level > 0, "level", "be positive", level)
    endless = level > LARGEST
    gains, cost, _ = feedback_nash(_undisturbed(process) if endless else zero_sum(process, level))
    square = np.inf if endless else level**2
    margins = square - np.linalg.eigvalsh(cost[1:, 0]).max(axis=1)
    if margins.min() <= 0:
        stage = int(np.flatnonzero(margins <= 0)[-1])  # the first on the way back, after which nothing is known
        raise SolverError(
            f"{Status.INFEASIBLE.value} `level` must have a square above {square - margins[stage]:.6g}, the largest"
            f" eigenvalue of the cost-to-go at stage {stage + 1}; got {level!r}."
        )
    controls, matrices = process.B.shape[1], cost[:, 0]
    disturbance = np.zeros_like(process.A)[None].repeat(process.horizon, 0) if endless else -gains[:, controls:]
    value = np.sum(matrices[0] * process.start) + np.sum(matrices[1:] * process.noise)
    return SaddlePoint(gains[:, :controls], disturbance, matrices, float(margins.min()), float(value))


def _undisturbed(process: Disturbed) -> LinearQuadratic:
    """Return the controller's problem if nobody disturbs the process."""
    weight = np.eye(process.B.shape[1])
    return LinearQuadratic.constant(process.A, [process.B], [process.Q], [weight], process.horizon, [process.Q_end])


def excess(processes: Sequence[Disturbed], level: float) -> float:
    """Return the left side of condition 15, summed over the processes; the level is viable where it is not positive.

    Raises
    ------
    SolverError
        If the level is too small for a saddle point.
    """
    noise = sum(p.horizon * float(np.trace(p.noise)) for p in processes)
    return sum(saddle_point(p, level).value for p in processes) - (level * level * noise if noise else 0.0)


def least_level(process: Disturbed) -> float:
    """Return the infimum of the attenuation levels that have a saddle point, by bisection."""
    return _bisected(lambda level: _has_saddle_point(process, level))


def least_viable_level(processes: Sequence[Disturbed]) -> float:
    """Return the infimum of the viable attenuation levels, by bisection.

    Raises
    ------
    ValueError
        If there is no noise: no level is then viable from a random first state.
    """
    noise = sum(float(np.trace(p.noise)) for p in processes)
    require(noise > 0, "processes", "be noisy", noise)

    def viable(level: float) -> bool:
        return all(_has_saddle_point(p, level) for p in processes) and excess(processes, level) <= 0

    return _bisected(viable)


def _has_saddle_point(process: Disturbed, level: float) -> bool:
    try:
        saddle_point(process, level)
    except SolverError:
        return False
    return True


def _bisected(holds: Callable[[float], bool]) -> float:
    """Return the least number from which on a monotone predicate holds."""
    high = 1.0
    while not holds(high):
        high *= 2
    low = 0.0
    while high - low > PRECISION * high:
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
