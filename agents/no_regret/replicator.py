r"""The replicator equations: shares of actions grow by how much better than the mean they do.

.. math:: \dot x_i(a) = x_i(a) \left[u_i(a, x_{-i}) - \sum_b x_i(b)\, u_i(b, x_{-i})\right] ,

which is `Hedge` in continuous time. In zero-sum games with an inner equilibrium orbits keep their distance from it: in
rock, paper, scissors against oneself the product of shares does not change [1]_.

References
----------
[1] J. Hofbauer, K. Sigmund, Evolutionary Games and Population Dynamics, 1998, Section 7.
"""

from typing import Any

import numpy as np

from walras.core.checks import require, require_whole
from walras.core.typing import Floats
from walras.markets.normal_form import MatrixGame, MatrixGames, Mixed


def replicator(games: MatrixGame | MatrixGames, first: Mixed, time: float, steps: int) -> tuple[Floats, ...]:
    """Return the orbits from `first`, N arrays ``[steps + 1, B, A_i]``, by the method of Runge and Kutta of order four.

    Raises
    ------
    ValueError
        If `time` is not positive and finite, or `steps` no whole number.
    """
    games = games.batch if isinstance(games, MatrixGame) else games
    require(0 < time < np.inf, "time", "be positive and finite", time)
    require_whole(steps, "steps")
    width, x = time / steps, [np.asarray(own, dtype=np.float64) for own in first]
    orbit = [x]
    for _ in range(steps):
        k1 = _slopes(games, x)
        k2 = _slopes(games, _moved(x, k1, width / 2))
        k3 = _slopes(games, _moved(x, k2, width / 2))
        k4 = _slopes(games, _moved(x, k3, width))
        x = [own + width / 6 * (a + 2 * b + 2 * c + d) for own, a, b, c, d in zip(x, k1, k2, k3, k4, strict=True)]
        x = [own / own.sum(axis=1, keepdims=True) for own in x]
        orbit.append(x)
    return tuple(np.stack(own) for own in zip(*orbit, strict=True))


def _slopes(games: MatrixGames, x: list[Floats]) -> list[Floats]:
    worth = games.utilities([own / own.sum(axis=1, keepdims=True) for own in x])
    return [own * (u - (own * u).sum(axis=1, keepdims=True)) for own, u in zip(x, worth, strict=True)]


def _moved(x: list[Floats], slopes: list[Floats], width: float) -> list[Any]:
    return [own + width * slope for own, slope in zip(x, slopes, strict=True)]
