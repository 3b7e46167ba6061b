"""`solve`: the known equilibrium of a game. A game of your own joins by `solve.register`."""

from functools import singledispatch
from typing import Any

from walras.core.game import AbstractGame
from walras.core.solution import Solution
from walras.equilibria.registration import SOLVERS, answer, unanswered


@singledispatch
def solve(game: AbstractGame[Any], **options: Any) -> Solution:  # noqa: ANN401 - the solvers' own options
    """Return the known equilibrium of `game`.

    Parameters
    ----------
    game : AbstractGame
        One of the suite's games.
    **options
        Passed to the game's solver; ``throw=False`` returns an answer that did not converge.

    Raises
    ------
    TypeError
        If no solver is registered for the game's type.
    """
    solver = answer(SOLVERS, game)
    if solver is None:
        raise unanswered(SOLVERS, solve, game)
    return solver(game, **options)
