r"""Dominated actions, what is left without them, and what a player can secure.

Action a is strictly dominated if some mixture y of the own actions earns more whatever the others do,

.. math:: u_i(y, a_{-i}) > u_i(a, a_{-i}) \quad\text{for all } a_{-i} ,

and weakly if it never earns less and sometimes more. Mixtures are found by linear programs [1]_.

References
----------
[1] V. Conitzer, T. Sandholm, Complexity of (iterated) dominance, ACM Conference on Electronic Commerce, 2005.
"""

from typing import Any, NamedTuple

import numpy as np

from walras.core.typing import Bools, Floats, Ints
from walras.markets.normal_form import TIES, MatrixGame, Mixed, as_chances, rows_of

PROVED = 1e-9
"""Share of the spread of the player's payoffs by which a mixture must be better."""


class Reduced(NamedTuple):
    """A game without actions that are strictly dominated, step by step."""

    game: MatrixGame
    kept: tuple[Ints, ...]  # N arrays: numbers of the actions that are left


class Security(NamedTuple):
    """What each player can secure against all others together."""

    value: Floats  # [N]
    mixed: Mixed  # N arrays [A_i]: strategies that secure it


def dominated(game: MatrixGame, strict: bool = True, mixed: bool = True) -> tuple[Bools, ...]:
    """Return which actions are dominated, N arrays ``[A_i]``.

    Parameters
    ----------
    game : MatrixGame
        Of any number of players.
    strict : bool
        Strictly, or at least weakly.
    mixed : bool
        By mixtures of actions, or by single ones.

    Examples
    --------
    >>> from walras.markets.matrix import MatrixGame
    >>> from walras.markets.matrix.dominance import dominated
    >>> third = MatrixGame([[[3, 0], [0, 3], [1, 1]], [[0, 0], [0, 0], [0, 0]]])
    >>> dominated(third)[0].tolist(), dominated(third, mixed=False)[0].tolist()
    ([False, False, True], [False, False, False])
    """
    test = _by_mixture if mixed else _by_action
    return tuple(test(rows_of(own, i), strict) for i, own in enumerate(game.normalised.payoff))


def reduced(game: MatrixGame, mixed: bool = True) -> Reduced:
    """Return the game that is left when strictly dominated actions are taken away, again and again."""
    kept = tuple(np.arange(size) for size in game.sizes)
    while True:
        out = dominated(game, mixed=mixed)
        if not any(own.any() for own in out):
            return Reduced(game, kept)
        kept = tuple(own[~gone] for own, gone in zip(kept, out, strict=True))
        game = restricted(game, tuple(np.flatnonzero(~gone) for gone in out))


def restricted(game: MatrixGame, kept: tuple[Ints, ...]) -> MatrixGame:
    """Return the game of some actions of each player."""
    given = game.payoff if game.fractions is None else game.fractions
    names = tuple(tuple(own[k] for k in some) for own, some in zip(game.actions, kept, strict=True))
    return MatrixGame(given[np.ix_(np.arange(game.players), *kept)], actions=names, agents=game.agents)


def security(game: MatrixGame) -> Security:
    """Return the largest payoff that each player can be sure of, and how."""
    mixed = tuple(_secured(rows_of(own, i)) for i, own in enumerate(game.normalised.payoff))
    value = [(own @ rows_of(game.payoff[i], i)).min() for i, own in enumerate(mixed)]
    return Security(np.array(value), mixed)


def _by_action(own: Floats, strict: bool) -> Bools:
    more = own[:, None] - own[None]  # [better, action, others]
    better = (more > TIES).all(axis=2) if strict else (more >= -TIES).all(axis=2) & (more > TIES).any(axis=2)
    return np.asarray(better.any(axis=0))


def _by_mixture(own: Floats, strict: bool) -> Bools:
    if len(own) == 1:
        return np.zeros(1, dtype=np.bool_)
    return np.array([_margin(own, a, strict) > PROVED for a in range(len(own))])


def _margin(own: Floats, action: int, strict: bool) -> float:
    """Return by how much a mixture beats an action: at least, or on average if it earns nowhere less."""
    size, rest = own.shape
    if strict:
        above = np.column_stack([-own.T, np.ones(rest)])
        return -_program(np.append(np.zeros(size), -1.0), above, -own[action], 1)[0]
    worth = own.mean(axis=1)
    return -_program(-worth, -own.T, -own[action], 0)[0] - worth[action]


def _secured(own: Floats) -> Floats:
    """Return the strategy of the largest sure payoff."""
    size, rest = own.shape
    _, solution = _program(np.append(np.zeros(size), -1.0), np.column_stack([-own.T, np.ones(rest)]), np.zeros(rest), 1)
    return as_chances(solution[:size])


def _program(cost: Floats, above: Floats, limit: Floats, free: int) -> tuple[float, Floats]:
    """Return the least cost of a mixture, and `free` numbers behind it, under ``above z <= limit``."""
    from scipy.optimize import linprog

    size = len(cost) - free
    whole = np.append(np.ones(size), np.zeros(free))[None]
    bounds = [(0, None)] * size + [(None, None)] * free
    found: Any = linprog(cost, A_ub=above, b_ub=limit, A_eq=whole, b_eq=[1.0], bounds=bounds, method="highs")
    assert found.status == 0, found.message  # each action itself is feasible
    return float(found.fun), found.x
