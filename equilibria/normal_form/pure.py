"""Pure Nash equilibria: cells in which no player has a better action."""

import numpy as np

from walras.core.typing import Bools
from walras.markets.normal_form import MatrixGame, MatrixGames


def pure_nash(game: MatrixGame | MatrixGames) -> Bools:
    """Return which cells are Nash equilibria, ``[A_1, .., A_N]``; of B games ``[B, A_1, .., A_N]``.

    Payoffs are compared as they are, without a tolerance.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.equilibria import pure_nash
    >>> from walras.markets.matrix import MatrixGame
    >>> dilemma = MatrixGame([[[3, 0], [5, 1]], [[3, 5], [0, 1]]])
    >>> np.argwhere(pure_nash(dilemma)).tolist()
    [[1, 1]]
    """
    payoff = game.payoff if isinstance(game, MatrixGame) else np.moveaxis(game.payoff, 1, 0)
    first = payoff.ndim - 1 - len(payoff)
    best = [own == own.max(axis=first + i, keepdims=True) for i, own in enumerate(payoff)]
    return np.logical_and.reduce(best)
