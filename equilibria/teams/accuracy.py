r"""How good gains of a linear-quadratic game are: what a best response gains against them, and what rounding moved.

Payoffs of different players have no common unit, so each player is measured by its **own** cost: the largest
eigenvalue of its costs-to-go. A player that pays next to nothing, less than for controls that move the state by
:math:`10^{-9}` of itself, is measured by that.

The residual
------------
Against frozen gains of the others a player faces a regulator problem, which the same recursion solves. Its gain at
stage t from the state x is :math:`x^\top (P^i_t - \hat P^i_t) x`; the residual is the largest eigenvalue of that, over
players and stages, as a share of the player's own cost.

The error
---------
Rounding at each stage is as if the game's matrices had been others in their last digits. `rounding_error` solves such
games: players, controls and states in reverse order, and each number of each stage moved by :math:`2^{-52}` of itself,
up or down by chance. The largest change, times `CAUTION`, is an estimate of how far the first answer is from the
game's: of costs, as a share of the player's own; of gains, of how far they move the state, as a share of how far the
process itself does. A regulator's gains matter to its cost alone, which is what counts there.
"""

from dataclasses import replace

import numpy as np

from walras.core.solution import Status
from walras.core.typing import Floats
from walras.equilibria.teams.linear_quadratic import (
    LinearQuadratic,
    best_costs,
    cost_matrices,
    determined,
    feedback_nash,
)

TOLERANCE = 1e-9  # of the residual
LOST = 1e-6  # error from which the answer is not called one: fewer than six digits are left
NOTHING = 1e-9  # share of itself by which a control moves the state that counts as none
TRIALS, CAUTION = 3, 10.0  # games in other last digits; factor on the largest change that they make
ULP = 2.0**-52


def relative_residual(game: LinearQuadratic, gains: Floats) -> float:
    """Return the largest gain of a best response from any state at any stage, as a share of the player's own cost."""
    with np.errstate(over="ignore", invalid="ignore"):  # infinite where a cost is
        played = cost_matrices(game, gains)
        if not np.isfinite(played).all():
            return np.inf
        return share(game, (played - best_costs(game, gains))[:-1], played[:-1])


def share(game: LinearQuadratic, gain: Floats, cost: Floats) -> float:
    """Return the largest gain from any state as a share of the player's own cost, of matrices ``[..., N, n, n]``."""
    if not (np.isfinite(gain).all() and np.isfinite(cost).all()):
        return np.inf
    each = np.linalg.eigvalsh(gain).reshape(-1, *gain.shape[-3:-1]).max(axis=(0, 2))
    return float((np.maximum(each, 0.0) / own_scale(game, cost)).max())


def own_scale(game: LinearQuadratic, cost: Floats) -> Floats:
    """Return what each player's gains are measured by, ``[N]``: its largest cost ``[..., N, n, n]`` from any state."""
    each = np.abs(np.linalg.eigvalsh(cost)).reshape(-1, *cost.shape[-3:-1]).max(axis=(0, 2))
    moved = np.abs(game.A).max() / np.maximum(np.abs(game.own_inputs()).max(axis=(0, 2, 3)), np.finfo(float).tiny)
    paid = np.abs(game.own_blocks(game.weights)).max(axis=(0, 2, 3))
    with np.errstate(over="ignore"):
        least = np.where(np.isfinite(moved), paid * (NOTHING * moved) ** 2, 0.0)
    return np.maximum(np.maximum(each, np.where(np.isfinite(least), least, 0.0)), np.finfo(float).tiny)


def rounding_error(game: LinearQuadratic, gains: Floats, cost: Floats) -> float:
    """Return by how much rounding may have moved ``gains [T, P, n]`` and ``cost [T + 1, N, n, n]``, as shares.

    Infinite where they overflow, or a stage's system is singular for other last digits.
    """
    if not (np.isfinite(gains).all() and np.isfinite(cost).all()):
        return np.inf
    rng, scale, process = np.random.default_rng(0), own_scale(game, cost), max(np.abs(game.A).max(), ULP)
    worst = 0.0
    for trial in range(TRIALS):
        near = _moved(game, rng)
        found, after, condition = feedback_nash(_reversed(near) if trial % 2 == 0 else near)
        if not (determined(game, condition) and np.isfinite(after).all()):
            return np.inf
        if trial % 2 == 0:
            found, after = found[:, ::-1, ::-1], after[:, ::-1, ::-1, ::-1]
        drift = 0.0 if game.regulator else np.abs(game.B @ (found - gains)).max() / process
        costs = (np.abs(np.linalg.eigvalsh(after - cost)).max(axis=(0, 2)) / scale).max()
        worst = max(worst, float(drift), float(costs))
    return CAUTION * worst


def status_of(game: LinearQuadratic, condition: float, residual: float, error: float, tol: float) -> Status:
    """Return how a solver without iterations ended."""
    if not determined(game, condition):
        return Status.NOT_UNIQUE
    return Status.CONVERGED if residual <= tol and error <= LOST else Status.ROUNDED


def spectral_radius(closed: Floats) -> float:
    """Return the largest modulus of an eigenvalue: a process ``x' = closed x`` that does not die out has 1 or more."""
    return float(np.abs(np.linalg.eigvals(closed)).max()) if np.isfinite(closed).all() else np.inf


def _moved(game: LinearQuadratic, rng: np.random.Generator) -> LinearQuadratic:
    """Return the game with each number of each stage moved in its last digit; what is symmetric stays so."""

    def near(matrix: Floats, symmetric: bool) -> Floats:
        sign = rng.choice([-ULP, ULP], size=matrix.shape)
        if symmetric:
            sign = np.triu(sign) + np.swapaxes(np.triu(sign, 1), -1, -2)
        return matrix * (1 + sign)

    return replace(game, A=near(game.A, False), B=near(game.B, False), Q=near(game.Q, True), R=near(game.R, True))


def _reversed(game: LinearQuadratic) -> LinearQuadratic:
    """Return the game with players, controls and states in reverse order."""
    back = slice(None, None, -1)
    return LinearQuadratic(
        game.A[:, back, back],
        game.B[:, back, back],
        game.Q[:, back, back, back],
        game.R[:, back, back, back],
        game.sizes[::-1],
    )
