r"""Linear-quadratic games without an end: the feedback Nash equilibrium to which ever longer horizons lead.

The recursion of `walras.equilibria.teams.linear_quadratic` is followed, with matrices that do not change, until the
gains stay and are certified as a stationary equilibrium; others may exist. With one player its horizon is doubled until
the gains stay. With several they need not stay: the recursion can go round and round. Then Newton's method finds an
equilibrium, to which no horizons lead (`walras.equilibria.teams.stationary_newton`); where it finds none, the status
tells. Costs discounted by :math:`\beta` a stage are those of :math:`\sqrt\beta A` and :math:`\sqrt\beta B`.

The certificate comes another way. A cost that never ends is summed by doubling: the sum over twice as many stages is
that over the first half and, from the state that these lead to, that over the second. Against the gains of the others
each player improves its own until they stay [1]_; the residual is what it has gained then, as a share of its own cost.

An equilibrium need not hold the process: where growth costs nobody anything, nobody acts against it. `radius` is the
spectral radius of the closed loop; from 1 on some states do not die out.

References
----------
[1] G. A. Hewer, An iterative technique for the computation of the steady state gains for the discrete optimal
    regulator, IEEE Transactions on Automatic Control 16, 1971.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import require
from walras.core.solution import Solution, Status, checked
from walras.core.typing import Floats
from walras.equilibria.teams.accuracy import TOLERANCE, share, spectral_radius
from walras.equilibria.teams.finite_lq import LinearState
from walras.equilibria.teams.linear_quadratic import (
    SINGULAR,
    LinearQuadratic,
    block_diagonal,
    convex,
    determined,
    equilibrated,
    linear_solution,
    own_problems,
    stage_system,
)
from walras.equilibria.teams.stationary_newton import DEARER, newton, path, regulator_gains, summed

IMPROVEMENTS, STAY = 50, 1e-7  # of a player's gains; relative change that ends them, since the next is its square


@dataclass(frozen=True, kw_only=True, eq=False)
class StationaryLQ(Solution):
    """A stationary feedback Nash equilibrium; `value` is minus the mean cost a stage, with noise of unit covariance."""

    gains: tuple[Floats, ...]  # N of [p_i, n]: u_i = -gain x
    cost: Floats  # [N, n, n] cost-to-go
    condition: float  # of the stage's system
    radius: float  # spectral radius of the closed loop; from 1 on some states do not die out


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
        Largest change of the gains at the last iteration, as a share of their Frobenius norm if that is above 1; and
        largest residual: what a best response gains from any state, as a share of the player's own cost-to-go.
    max_iter : int
        Largest number of stages that the recursion goes back, and steps of Newton's method, for which half are kept.
    throw : bool
        Raise where the gains do not converge, or a stage has no unique equilibrium.

    Raises
    ------
    ValueError
        As `LinearQuadratic.constant`; if there are no iterations; and if an eigenvalue of modulus 1 or more is within
        no control's reach, which is told.
    SolverError
        If the gains do not converge, or the equilibrium is not unique, and `throw` is true.

    Examples
    --------
    >>> from walras.equilibria import stationary_nash
    >>> found = stationary_nash([[1.0]], [[[1.0]], [[1.0]]], [[[1.0]], [[1.0]]], [[[1.0]], [[1.0]]])
    >>> [gain.round(6).item() for gain in found.gains]
    [0.355416, 0.355416]
    """
    require(max_iter >= 1, "max_iter", "be at least 1", max_iter)
    game = LinearQuadratic.constant(A, B, Q, R, horizon=1)
    _require_stabilisable(game.A[0], game.B[0])
    end = _doubled(game, tol) if game.regulator else _settled(game, tol, (max_iter + 1) // 2)
    if game.regulator and not end.settled:
        end = _settled(game, tol, max_iter)
    condition = _condition(game, end.system)
    if not end.settled and condition < SINGULAR:
        end = _rooted(game, end, tol, max_iter)
        condition = _condition(game, end.system)
    status = Status.CONVERGED if end.settled else Status.ITERATION_LIMIT
    solution = StationaryLQ(
        policy=LinearState(end.gains[None], game.sizes),
        value=-np.einsum("inn->i", end.cost),
        residual=end.residual,
        iterations=end.stages,
        status=status if determined(game, condition) or np.isnan(condition) else Status.NOT_UNIQUE,
        gains=tuple(np.split(end.gains, np.cumsum(game.sizes)[:-1])),
        cost=end.cost,
        condition=condition,
        radius=spectral_radius(game.A[0] - game.B[0] @ end.gains),
    )
    return checked(solution, throw)


def certified(game: LinearQuadratic, gains: Floats) -> tuple[Floats, float]:
    """Return the costs-to-go ``[N, n, n]`` of gains that do not change, and what a best response gains at the most.

    Parameters
    ----------
    game : LinearQuadratic
        Its first stage is repeated for ever.
    gains : array
        Gains ``[P, n]``.

    Returns
    -------
    cost : array
        Costs-to-go ``[N, n, n]``; not numbers where one is infinite, as played or by a best response.
    residual : float
        Largest gain of a best response from any state, as a share of the largest cost; infinite where a cost is.
    """
    a, b, q, r = (matrices[0] for matrices in own_problems(game, gains[None]))
    place, exists = game.places
    own = np.where(exists[:, :, None], gains[place], 0.0)
    played = best = _summed(a, b, q, r, own)
    for _ in range(IMPROVEMENTS):
        pressed = np.swapaxes(b, 1, 2) @ best
        bend = pressed @ b + r
        if not (np.isfinite(best).all() and (game.positive | (np.linalg.eigvalsh(bend)[:, 0] > 0)).all()):
            return played, np.inf
        last, own = own, linear_solution(bend, pressed @ a)
        best = _summed(a, b, q, r, own)
        if np.abs(own - last).max() <= STAY * max(1.0, np.abs(own).max()):
            break
    return played, share(game, played - best, played)


class Settled(NamedTuple):
    """Where the recursion ended."""

    gains: Floats  # [P, n]
    system: Floats  # [P, P] the last stage's
    cost: Floats  # [N, n, n] of the gains, for ever
    residual: float
    stages: int  # gone back
    settled: bool  # whether the gains stay, and are certified


@np.errstate(over="ignore", invalid="ignore")  # what diverges is not certified
def _settled(game: LinearQuadratic, tol: float, max_iter: int) -> Settled:
    """Follow the recursion until the gains stay and are certified.

    A player's cost from a stage on is quadratic in controls and state together. The rows of a control's own player are
    the stage's system, and the gains in the controls' place leave the cost-to-go.
    """
    from scipy.linalg.lapack import dgesv

    inputs, weights = np.concatenate([game.B[0], game.A[0]], axis=1), block_diagonal(game.R[0], game.Q[-1])
    controls, each = len(game.owner), np.arange(len(game.owner))
    cost, played = game.Q[-1], np.eye(inputs.shape[1])[:, controls:]
    gains, phi, stage, change, judge = np.zeros_like(played[:controls]), np.eye(controls), 0, 0.0, 1
    while stage < max_iter and np.isfinite(change):
        whole, stage, last = inputs.T @ cost @ inputs + weights, stage + 1, gains  # [N, P + n, P + n]
        system = whole[game.owner, each]
        phi = system[:, :controls]
        _, _, found, singular = dgesv(phi, system[:, controls:])  # a fifth of the time of numpy's
        if singular:
            break
        gains = np.asarray(found, dtype=np.float64)
        played[:controls] = -gains
        cost, change = played.T @ whole @ played, np.linalg.norm(gains - last)
        if stage >= judge and change <= tol * max(1.0, np.linalg.norm(gains)):
            end = _judged(game, gains, stage, tol)
            if end.settled:
                return end
            judge = 2 * stage
    end = _judged(game, gains, stage, tol)
    return end if end.settled else end._replace(system=phi)


@np.errstate(over="ignore", invalid="ignore")
def _doubled(game: LinearQuadratic, tol: float) -> Settled:
    """Double one player's horizon until its gains stay, and judge them."""
    return _judged(game, *regulator_gains(game), tol)


@np.errstate(over="ignore", invalid="ignore")
def _rooted(game: LinearQuadratic, end: Settled, tol: float, max_iter: int) -> Settled:
    """Look for a certified equilibrium by Newton's method: from where the recursion ended, then along a path."""
    stages, dear = end.stages, replace(game, R=DEARER[0] * game.R)
    gains, steps = newton(game, end.gains, max_iter - stages)
    found = _judged(game, gains, stages + steps, tol)
    if not found.settled:
        start = _settled(dear, tol, (max_iter - found.stages) // 2)
        gains, steps = path(game, start.gains, max_iter - found.stages - start.stages)
        found = _judged(game, gains, found.stages + start.stages + steps, tol)
    return found if found.settled else end._replace(stages=max_iter)


def _judged(game: LinearQuadratic, gains: Floats, stages: int, tol: float) -> Settled:
    """Return gains with their certificate, and the stage's system at their costs-to-go."""
    cost, residual = certified(game, gains)
    return Settled(gains, stage_system(game, 0, cost)[0], cost, residual, stages, residual <= tol)


def _condition(game: LinearQuadratic, system: Floats) -> float:
    """Return the condition of a stage's system after scaling; infinite where a player's own block is not definite."""
    if not np.isfinite(system).all():
        return np.nan
    return float(np.linalg.cond(equilibrated(system)[0])) if convex(game, system) else np.inf


def _summed(a: Floats, b: Floats, q: Floats, r: Floats, gain: Floats) -> Floats:
    """Return the players' costs-to-go ``[N, n, n]`` of their own gains ``[N, p, n]``; not numbers where infinite."""
    return summed(a - b @ gain, q + np.swapaxes(gain, 1, 2) @ r @ gain)


def _require_stabilisable(a: Floats, b: Floats) -> None:
    """Raise unless controls reach every mode that does not die out by itself."""
    values, size = np.linalg.eigvals(a), np.abs(b).max(axis=0)
    b = b / np.where(size > 0, size, 1.0) * max(np.abs(a).max(), 1.0)
    for value in values[np.abs(values) >= 1]:
        reach = np.linalg.svd(np.concatenate([a - value * np.eye(len(a)), b], axis=1), compute_uv=False)
        rule = "have no eigenvalue of modulus 1 or more that no control reaches"
        require(bool(reach[-1] > 1e-9 * reach[0]), "A", rule, value.item())
