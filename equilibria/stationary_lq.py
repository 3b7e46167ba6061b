r"""Linear-quadratic games without an end: the feedback Nash equilibrium to which ever longer horizons lead.

The recursion of `walras.equilibria.linear_quadratic` is followed, with matrices that do not change, until the
costs-to-go stay. Where they do, the gains are a stationary equilibrium; others may exist. With several players they
need not: the recursion can go round and round, which the status tells. Costs discounted by :math:`\beta` a stage are
those of :math:`\sqrt\beta A` and :math:`\sqrt\beta B`.

The certificate comes another way. Against the gains of the others, moving :math:`\hat A` and costing :math:`\hat Q`,
player i's cost-to-go solves

.. math:: X = \hat Q + \hat A^\top X (I + G X)^{-1} \hat A,

by its best response with :math:`G = B^i (R^i)^{-1} B^{i\top}`, and as played with the closed loop for :math:`\hat A`
and :math:`G = 0`. Each step of doubling [1]_ makes the horizon twice as long.

References
----------
[1] B. D. O. Anderson, Second-order convergent algorithms for the steady-state Riccati equation, International Journal
    of Control 28, 1978.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import require
from walras.core.solution import Solution, checked
from walras.core.typing import Floats
from walras.equilibria.linear_quadratic import (
    TOLERANCE,
    LinearQuadratic,
    LinearState,
    block_diagonal,
    evaluated,
    own_problems,
    share,
    stage_condition,
    stage_system,
    status_of,
)

DOUBLINGS = 60  # of the horizon
PRECISION = 1e-15  # relative change of a cost that ends them


@dataclass(frozen=True, kw_only=True, eq=False)
class StationaryLQ(Solution):
    """A stationary feedback Nash equilibrium; `value` is minus the mean cost a stage, with noise of unit covariance."""

    gains: tuple[Floats, ...]  # N of [p_i, n]: u_i = -gain x
    cost: Floats  # [N, n, n] cost-to-go
    condition: float  # of the stage's system


def stationary_nash(
    A: ArrayLike,
    B: Sequence[ArrayLike],
    Q: Sequence[ArrayLike],
    R: Sequence[ArrayLike],
    *,
    tol: float = TOLERANCE,
    max_iter: int = 10_000,
    throw: bool = True,
) -> StationaryLQ:
    """Return the feedback Nash equilibrium to which those of ever longer horizons converge.

    Parameters
    ----------
    A, B, Q, R
        As in `LinearQuadratic.constant`.
    tol : float
        Largest change of a cost-to-go at the last iteration, and largest gain of a best response from any state, as
        shares of the largest cost-to-go.
    max_iter : int
        Largest number of stages that the recursion goes back.
    throw : bool
        Raise where the costs-to-go do not converge, or a stage has no unique equilibrium.

    Raises
    ------
    ValueError
        As `LinearQuadratic.constant`, and if an eigenvalue of modulus 1 or more is within no control's reach; it is
        told.
    SolverError
        If the costs-to-go do not converge, or the equilibrium is not unique, and `throw` is true.

    Examples
    --------
    >>> from walras.equilibria import stationary_nash
    >>> found = stationary_nash([[1.0]], [[[1.0]], [[1.0]]], [[[1.0]], [[1.0]]], [[[1.0]], [[1.0]]])
    >>> [gain.round(6).item() for gain in found.gains]
    [0.355416, 0.355416]
    """
    game = LinearQuadratic.constant(A, B, Q, R, horizon=1)
    _require_stabilisable(game.A[0], game.B[0])
    gains, cost, iterations, settled = _settled(game, tol, max_iter)
    residual = stationary_residual(game, gains)
    finite = bool(np.isfinite(cost).all())
    condition = stage_condition(game, stage_system(game, 0, cost)[0]) if finite else np.nan
    solution = StationaryLQ(
        policy=LinearState(gains[None], game.sizes),
        value=-np.einsum("inn->i", cost),
        residual=residual,
        iterations=iterations,
        status=status_of(settled and residual <= tol, condition),
        gains=tuple(np.split(gains, np.cumsum(game.sizes)[:-1])),
        cost=cost,
        condition=condition,
    )
    return checked(solution, throw)


def stationary_residual(game: LinearQuadratic, gains: Floats) -> float:
    """Return the largest gain of a best response from any state, as a share of the largest cost.

    Infinite where a cost is, as played or by a best response.

    Parameters
    ----------
    game : LinearQuadratic
        Its first stage is repeated for ever.
    gains : array
        Gains ``[P, n]`` that do not change.
    """
    a, b, q, r = (matrices[0] for matrices in own_problems(game, gains[None]))
    reach, none = b @ np.linalg.solve(r, np.swapaxes(b, 1, 2)), np.zeros_like(q)
    closed = game.A[0] - game.B[0] @ gains
    paid = evaluated(closed, game.Q[0], game.R[0], gains, none)
    both = _doubled(
        np.concatenate([a, np.broadcast_to(closed, a.shape)]), np.concatenate([reach, none]), np.concatenate([q, paid])
    )
    best, played = np.split(both, 2)
    return share(played - best, played)


@np.errstate(over="ignore", invalid="ignore")  # what diverges is told by its status
def _settled(game: LinearQuadratic, tol: float, max_iter: int) -> tuple[Floats, Floats, int, bool]:
    """Return gains ``[P, n]``, costs-to-go ``[N, n, n]``, stages gone back, and whether the costs have stayed.

    A player's cost from a stage on is quadratic in controls and state together. The rows of a control's own player are
    the stage's system, and the gains in the controls' place leave the cost-to-go.
    """
    inputs, weights = np.concatenate([game.B[0], game.A[0]], axis=1), block_diagonal(game.R[0], game.Q[-1])
    controls, each = len(game.owner), np.arange(len(game.owner))
    cost, played = game.Q[-1], np.eye(inputs.shape[1])[:, controls:]
    for stage in range(1, max_iter + 1):
        whole = inputs.T @ cost @ inputs + weights  # [N, P + n, P + n]
        system = whole[game.owner, each]
        try:
            played[:controls] = -np.linalg.solve(system[:, :controls], system[:, controls:])
        except np.linalg.LinAlgError:
            return -played[:controls], cost, stage, False
        last, cost = cost, played.T @ whole @ played
        change, size = np.abs(cost - last).max(), np.abs(cost).max()
        if not tol * size < change < np.inf:
            return -played[:controls], 0.5 * (cost + np.swapaxes(cost, 1, 2)), stage, bool(np.isfinite(change))
    return -played[:controls], cost, max_iter, False


@np.errstate(over="ignore", invalid="ignore")  # what diverges is not a number
def _doubled(a: Floats, g: Floats, q: Floats) -> Floats:
    """Return the limit X of ``q + a' X (I + g X)^-1 a`` from zero, ``[N, n, n]``; not a number where there is none."""
    one = np.eye(a.shape[1])
    for _ in range(DOUBLINGS):
        across, inverse = np.swapaxes(a, 1, 2), np.linalg.inv(one + g @ q)
        moved = inverse @ a
        added = across @ q @ moved
        a, g, q = a @ moved, g + a @ inverse @ g @ across, q + added
        if np.abs(added).max() <= PRECISION * np.abs(q).max():
            return 0.5 * (q + np.swapaxes(q, 1, 2))
    return np.full_like(q, np.nan)


def _require_stabilisable(a: Floats, b: Floats) -> None:
    """Raise unless controls reach every mode that does not die out by itself."""
    values = np.linalg.eigvals(a)
    for value in values[np.abs(values) >= 1]:
        reach = np.linalg.svd(np.concatenate([a - value * np.eye(len(a)), b], axis=1), compute_uv=False)
        rule = "have no eigenvalue of modulus 1 or more that no control reaches"
        require(bool(reach[-1] > 1e-9 * reach[0]), "A", rule, value.item())
