r"""Minimax strategies of two players with opposite payoffs, by linear programming.

.. math:: \max_{x, v} v \quad\text{s.t.}\quad A^\top x \ge v, \; x \in \Delta .

The column player's strategy is the dual solution [1]_. The residual is the larger gain of a best answer.

References
----------
[1] D. Gale, H. W. Kuhn, A. W. Tucker, Linear programming and the theory of games, 1951.
"""

from typing import Any, NamedTuple

import numpy as np

from walras.core.checks import require, require_each
from walras.core.solution import SolverError
from walras.core.typing import Floats
from walras.markets.normal_form import MatrixGame, MatrixGames, as_chances

TOL = 1e-9
"""Largest gain of an answer, as a share of the spread of the player's payoffs."""


class Minimax(NamedTuple):
    """Optimal strategies of B games."""

    x: Floats  # [B, m] of the row player
    y: Floats  # [B, n] of the column player
    value: Floats  # [B] the row player's payoff
    residual: Floats  # [B] largest gain of a best answer, as a share of the spread of the player's payoffs


def zero_sum(games: MatrixGame | MatrixGames) -> Minimax:
    """Return optimal strategies of games whose payoffs sum to a constant; one game is a batch of one.

    Raises
    ------
    ValueError
        If there are not two players, or payoffs do not sum to a constant in a game.
    SolverError
        If an answer does not pass its check.
    """
    games = games.batch if isinstance(games, MatrixGame) else games
    require(games.players == 2, "games", "have two players", games.players)
    require_each(games.is_zero_sum, "games", "have payoffs of constant sum", games.payoff.sum(axis=1).std(axis=(1, 2)))
    solved = [_solved(row) for row in games.normalised.payoff[:, 0]]
    x, y = (np.stack(side) for side in zip(*solved, strict=True))
    residual = games.regret((x, y))
    if residual.max() > TOL:
        raise SolverError(
            f"The linear program of game {int(residual.argmax())} is solved to {residual.max():.3g} only."
        )
    return Minimax(x, y, games.values((x, y))[:, 0], residual)


def _solved(row: Floats) -> tuple[Floats, Floats]:
    """Return both optimal strategies at payoffs between 0 and 1."""
    from scipy.optimize import linprog

    m, n = row.shape
    found: Any = linprog(
        np.append(np.zeros(m), -1.0),
        A_ub=np.column_stack([-row.T, np.ones(n)]),
        b_ub=np.zeros(n),
        A_eq=np.append(np.ones(m), 0.0)[None],
        b_eq=[1.0],
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if found.status != 0:
        raise SolverError(f"The linear program was not solved: {found.message}")
    return as_chances(found.x[:m]), as_chances(-found.ineqlin.marginals)
