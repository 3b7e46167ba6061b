r"""Stationary linear-quadratic games where the recursion over ever longer horizons does not end: doubling and Newton.

Doubling
--------
One player alone: :math:`H_k`, the cost of :math:`2^k` stages, follows from two halves [1]_,

.. math:: A_{k+1} = A_k W^{-1} A_k, \quad G_{k+1} = G_k + A_k W^{-1} G_k A_k^\top, \quad
          H_{k+1} = H_k + A_k^\top H_k W^{-1} A_k, \qquad W = I + G_k H_k,

from :math:`A_0 = A`, :math:`G_0 = B R^{-1} B^\top` and :math:`H_0 = Q`. It is the recursion, at horizons that double.

Newton
------
Several players: gains K with the closed loop :math:`F = A - \sum_i B^i K^i` are a stationary point if

.. math:: E^i(K) = K^i - (R^i)^{-1} B^{i\top} P^i(K) F = 0, \qquad
          P^i = Q^i + K^\top R^i K + F^\top P^i F .

A step solves the linear equation for all directions at once; it is halved until E falls and costs stay finite. Where
that stops short of a root, the path of games with dearer controls is followed: costs :math:`\theta R`, from
:math:`\theta` so large that the recursion ends, down to one. The set of equilibria may hold others.

References
----------
.. [1] E. K.-W. Chu, H.-Y. Fan, W.-W. Lin, C.-S. Wang, Structure-preserving algorithms for periodic discrete-time
    algebraic Riccati equations, International Journal of Control 77, 2004.
"""

from dataclasses import replace

import numpy as np

from walras.core.typing import Floats
from walras.equilibria.teams.linear_quadratic import LinearQuadratic, linear_solution, stage_system

DOUBLINGS, PRECISION = 60, 1e-15  # of the horizon; relative change of a cost that ends them
STEPS, HALVINGS, ROOT = 30, 12, 1e-13  # of Newton; share of the gains that E may keep
DEARER = np.geomspace(1e4, 1.0, 41)  # factors on the costs of controls


def regulator_gains(game: LinearQuadratic) -> tuple[Floats, int]:
    """Return one player's gains ``[P, n]`` at the end of the doublings, and how many there were."""
    a, b, cost, r = game.A[0], game.B[0], game.Q[0, 0], game.weights[0]
    eye, reach = np.eye(len(a)), b @ linear_solution(r, b.T)
    doublings = 0
    with np.errstate(over="ignore", invalid="ignore"):
        while doublings < DOUBLINGS:
            doublings += 1
            inner = linear_solution(eye + reach @ cost, np.concatenate([a, reach @ a.T], axis=1))
            later = a.T @ cost @ inner[:, : len(a)]
            if not np.isfinite(later).all():
                break
            reach, a = reach + a @ inner[:, len(a) :], a @ inner[:, : len(a)]
            cost, reach = cost + 0.5 * (later + later.T), 0.5 * (reach + reach.T)
            if np.abs(later).max() <= PRECISION * np.abs(cost).max():
                break
    phi, target = stage_system(game, 0, cost[None])
    return linear_solution(phi, target), doublings


def newton(game: LinearQuadratic, gains: Floats, limit: int) -> tuple[Floats, int]:
    """Return the gains ``[P, n]`` at which Newton's method ends from ``gains``, and its steps, at most `limit`."""
    error, cost = _error(game, gains)
    for taken in range(min(STEPS, limit)):
        size = np.linalg.norm(error)
        if not np.isfinite(size) or size <= ROOT * np.linalg.norm(gains):
            return gains, taken
        step = _step(game, gains, cost, error)
        for length in 0.5 ** np.arange(HALVINGS):
            error, cost = _error(game, gains - length * step)
            if np.linalg.norm(error) < (1 - 0.1 * length) * size:
                gains = gains - length * step
                break
        else:
            return gains, taken
    return gains, min(STEPS, limit)


def path(game: LinearQuadratic, gains: Floats, limit: int) -> tuple[Floats, int]:
    """Return likewise by way of dearer controls, from ``gains`` of controls that are `DEARER[0]` times as dear."""
    total = 0
    for dearer in DEARER:
        gains, steps = newton(replace(game, R=dearer * game.R), gains, limit - total)
        total += steps
    return gains, total


def summed(closed: Floats, cost: Floats) -> Floats:
    """Return the sum over all stages of ``cost [..., n, n]`` along ``closed [..., n, n]``; not numbers if infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(DOUBLINGS):
            later = np.swapaxes(closed, -1, -2) @ cost @ closed
            cost, closed = cost + later, closed @ closed
            if (np.abs(later).max(axis=(-1, -2)) <= PRECISION * np.abs(cost).max(axis=(-1, -2))).all():
                return 0.5 * (cost + np.swapaxes(cost, -1, -2))
    return np.full_like(cost, np.nan)


def _error(game: LinearQuadratic, gains: Floats) -> tuple[Floats, Floats]:
    """Return E ``[P, n]`` and the players' costs-to-go ``[N, n, n]``."""
    closed = game.A[0] - game.B[0] @ gains
    cost = summed(closed, game.Q[0] + gains.T @ game.R[0] @ gains)
    with np.errstate(over="ignore", invalid="ignore"):
        return gains - _answer(game, cost, closed), cost


def _answer(game: LinearQuadratic, cost: Floats, closed: Floats) -> Floats:
    """Return the gains ``[..., P, n]`` of the players' first-order conditions at ``cost [..., N, n, n]``."""
    pressed = np.einsum("nc,...cnm->...cm", game.B[0], cost[..., game.owner, :, :])
    return linear_solution(game.weights[0], pressed @ closed)


def _step(game: LinearQuadratic, gains: Floats, cost: Floats, error: Floats) -> Floats:
    """Return Newton's step ``[P, n]``: the least-squares solution of the linear equation in all directions."""
    closed, size = game.A[0] - game.B[0] @ gains, gains.size
    ways = np.eye(size).reshape(size, *gains.shape)
    moved = -game.B[0] @ ways  # [M, n, n]
    half = np.swapaxes(moved, 1, 2)[:, None] @ (cost @ closed) + np.swapaxes(ways, 1, 2)[:, None] @ (game.R[0] @ gains)
    later = summed(closed, half + np.swapaxes(half, 2, 3))
    change = ways - _answer(game, later, closed) - _answer(game, np.broadcast_to(cost, later.shape), moved)
    if not np.isfinite(change).all():
        return np.zeros_like(gains)
    step = np.linalg.lstsq(change.reshape(size, size).T, error.ravel(), rcond=None)[0]
    return np.asarray(step, dtype=np.float64).reshape(gains.shape)
