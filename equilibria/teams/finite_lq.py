r"""The feedback Nash equilibrium of a linear-quadratic game over finitely many stages, with its certificates.

The recursion is that of `walras.equilibria.teams.linear_quadratic`. What is returned is judged twice
(`walras.equilibria.teams.accuracy`): `residual` is what a best response gains against the gains that were found, as a
share of the player's own cost; `error` is how far rounding may have moved gains and costs themselves. Coupled Riccati
equations of many players and stages lose digits fast: gains that are no longer those of the game can still be an
equilibrium of one that differs in its last digits, which the residual alone does not tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.core.game import Actions
from walras.core.solution import Solution, checked
from walras.core.typing import Floats
from walras.equilibria.teams.accuracy import TOLERANCE, relative_residual, rounding_error, status_of
from walras.equilibria.teams.linear_quadratic import LinearQuadratic, feedback_nash


@final
@dataclass(frozen=True, eq=False)
class LinearState:
    """Linear feedback of players that all see the state and how much of the horizon has passed, ``[x, t / T]``."""

    gains: Floats  # [T, P, n]; T = 1 where they do not change
    sizes: tuple[int, ...]

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the controls ``[B, N, max p]``, padded with zeros."""
        stage = np.minimum(np.rint(observation[:, 0, -1] * len(self.gains)).astype(np.int64), len(self.gains) - 1)
        control = -np.einsum("bpn,bn->bp", self.gains[stage], observation[:, 0, :-1])
        action = np.zeros((len(control), len(self.sizes), max(self.sizes)))
        for player, mine in enumerate(np.split(control, np.cumsum(self.sizes)[:-1], axis=1)):
            action[:, player, : mine.shape[1]] = mine
        return action


@dataclass(frozen=True, kw_only=True, eq=False)
class LQEquilibrium(Solution):
    """A feedback Nash equilibrium; `value` is minus the mean cost a stage from a first state of unit second moment."""

    gains: tuple[tuple[Floats, ...], ...]  # one of [p_i, n] by stage, then player: u_i = -gain x
    cost: Floats  # [T + 1, N, n, n] costs-to-go
    condition: float  # the largest of a stage's system
    error: float  # estimate of what rounding moved: costs, and what gains do to the state, as shares


def lq_nash(
    A: ArrayLike,
    B: Sequence[ArrayLike],
    Q: Sequence[ArrayLike],
    R: Sequence[ArrayLike],
    horizon: int,
    *,
    terminal: Sequence[ArrayLike] | None = None,
    tol: float = TOLERANCE,
    throw: bool = True,
) -> LQEquilibrium:
    """Return the feedback Nash equilibrium of an N-player linear-quadratic game.

    Parameters
    ----------
    A, B, Q, R, horizon, terminal
        As in `LinearQuadratic.constant`.
    tol : float
        Largest residual: what a best response gains, as a share of the player's own cost.
    throw : bool
        Raise where the equilibrium is not unique, the residual exceeds `tol`, or fewer than six digits are left.

    Raises
    ------
    ValueError
        As `LinearQuadratic.constant`.
    SolverError
        If the equilibrium is not unique, not found to `tol`, or lost in rounding, and `throw` is true.

    Examples
    --------
    >>> from walras.equilibria import lq_nash
    >>> found = lq_nash([[1.0]], [[[1.0]], [[1.0]]], [[[1.0]], [[1.0]]], [[[1.0]], [[1.0]]], horizon=1)
    >>> [gain.round(6).item() for gain in found.gains[0]]
    [0.333333, 0.333333]
    """
    game = LinearQuadratic.constant(A, B, Q, R, horizon, terminal)
    gains, cost, condition = feedback_nash(game)
    residual, error = relative_residual(game, gains), rounding_error(game, gains, cost)
    split = np.cumsum(game.sizes)[:-1]
    solution = LQEquilibrium(
        policy=LinearState(gains, game.sizes),
        value=-np.einsum("inn->i", cost[0]) / horizon,
        residual=residual,
        iterations=horizon,
        status=status_of(game, condition, residual, error, tol),
        gains=tuple(tuple(np.split(gain, split)) for gain in gains),
        cost=cost,
        condition=condition,
        error=error,
    )
    return checked(solution, throw)
