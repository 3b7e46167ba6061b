r"""A Nash equilibrium of N players, certified by its regret.

| players | method | else |
|---|---|---|
| 1 | the best action | |
| 2 | Lemke and Howson in floats, every label | longer paths; in integers, to `EXACT_ACTIONS` actions; as below |
| 3 and more | the branch of logit equilibria, polished | branches from `STARTS` other priors |

A profile is returned as an equilibrium only if no player gains more than `TOL` shares of the spread of its payoffs;
else the best that was found comes with its residual and the status `BOUNDS_APART`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from walras.core.checks import require, require_known
from walras.core.solution import Certified, Status, checked
from walras.core.typing import Floats
from walras.equilibria.normal_form.bimatrix import TOL, lemke_howson, lemke_howson_exact
from walras.equilibria.normal_form.logit import EVERY, Joined, branch, polished
from walras.equilibria.normal_form.pure import pure_nash
from walras.markets.normal_form import MatrixGame, Mixed, check_matrix_game, pure_profile

EXACT_ACTIONS = 12
"""Actions of each of two players up to which integers are used."""
LONG_PATH, LABELS = 300_000, 8
"""Pivots of a path, and labels, where all shorter paths are cut off, as in markets on fine grids."""
LONG_PATHS = 1_000_000_000
"""Entries that the pivots of such a path change, at most."""
MOST_ACTIONS = 2_048
"""Actions of all players together, at most: paths are followed on dense tables of them."""
STARTS = 20
"""Priors that are tried where the principal branch leads nowhere."""
STEPS = 2_000
"""Predictor steps of a branch, at most."""
METHODS = ("auto", "exact", "lemke_howson", "logit")


@dataclass(frozen=True, kw_only=True)
class NashSolution(Certified):
    """A mixed profile; `residual` is the largest gain of a player, as a share of the spread of its payoffs."""

    mixed: Mixed  # N strategies [A_i]
    value: Floats  # [N]
    method: str


def nash(game: MatrixGame, method: str = "auto", *, throw: bool = True) -> NashSolution:
    """Return a Nash equilibrium.

    Parameters
    ----------
    game : MatrixGame
        Of any number of players.
    method : {"auto", "lemke_howson", "exact", "logit"}
        The table's by default. "exact" answers in fractions, which are rounded once.
    throw : bool
        Raise instead of returning a profile that is no equilibrium.

    Raises
    ------
    ValueError
        If the method is unknown, or asks for two players and there are others, or there are more than `MOST_ACTIONS`
        actions.
    SolverError
        If no equilibrium was found and `throw` is true.

    Examples
    --------
    >>> from walras.equilibria import nash
    >>> from walras.markets.matrix import MatrixGame
    >>> found = nash(MatrixGame([[[2, 0], [0, 1]], [[1, 0], [0, 2]]], actions=[["opera", "match"]] * 2))
    >>> found.converged, found.method
    (True, 'lemke_howson')
    """
    check_matrix_game(game)
    require_known(method, "method", METHODS)
    rule = f"have at most {MOST_ACTIONS} actions of all players together; use `double_oracle`, or `zero_sum` of two"
    require(sum(game.sizes) <= MOST_ACTIONS, "game", rule, game.sizes)
    found = min(_tried(game, method), key=lambda solution: solution.residual)
    return checked(found, throw)


def _tried(game: MatrixGame, method: str) -> Iterator[NashSolution]:
    """Yield what methods find, up to the first equilibrium."""
    for solution in _all_tried(game, method):
        yield solution
        if solution.converged:
            return


def _all_tried(game: MatrixGame, method: str) -> Iterator[NashSolution]:
    if game.players == 1:
        yield judged(game, (np.eye(game.sizes[0])[game.payoff[0].argmax()],), "best action", 1)
        return
    if method == "lemke_howson" or (method == "auto" and game.players == 2):
        found = lemke_howson(game)
        yield judged(game, (found.x[0], found.y[0]), "lemke_howson", int(found.label[0]) + 1)
        long = min(LONG_PATH, LONG_PATHS // game.payoff[0].size + 1)
        found = lemke_howson(game, most=long, labels=LABELS)
        yield judged(game, (found.x[0], found.y[0]), "lemke_howson", int(found.label[0]) + 1)
    if method == "exact" or (method == "auto" and game.players == 2 and max(game.sizes) <= EXACT_ACTIONS):
        exact = lemke_howson_exact(game)
        if exact is not None:
            yield judged(game, tuple(own.astype(np.float64) for own in exact), "exact", 1)
    if method in ("auto", "logit"):
        yield from branches(game)
    elif method == "exact":
        yield judged(game, tuple(np.full(n, 1 / n) for n in game.sizes), "exact", 0)


def branches(game: MatrixGame) -> Iterator[NashSolution]:
    """Yield the ends of the branches from the even prior, and from others."""
    joined, rng = Joined(game.normalised), np.random.default_rng(0)
    yield _followed(game, joined, joined.even)
    for _ in range(STARTS):
        prior = np.concatenate([np.log(rng.dirichlet(np.ones(n))) for n in game.sizes])
        yield _followed(game, joined, np.maximum(prior, -20.0))


def _followed(game: MatrixGame, joined: Joined, prior: Floats) -> NashSolution:
    """Return the first equilibrium that a branch suggests, or its last point."""
    x, step = np.exp(prior), 0
    for step, point in enumerate(islice(branch(joined, prior), STEPS)):
        x = np.exp(point.logs)
        found = polished(joined, x) if step % EVERY == 0 else None
        if found is not None:
            return judged(game, joined.split(found), "logit", step + 1)
    x = x / (joined.member.T @ x)[joined.player]
    return judged(game, joined.split(x), "logit", step + 1)


def found_equilibria(game: MatrixGame) -> Mixed:
    """Return pure equilibria and the ends of the logit branches, each once, as N arrays ``[E, A_i]``."""
    pure = [pure_profile(game.sizes, cell) for cell in np.argwhere(pure_nash(game))]
    mixed = [solution.mixed for solution in branches(game) if solution.converged]
    table = np.array([np.concatenate(profile) for profile in (*pure, *mixed)]).reshape(-1, sum(game.sizes))
    _, first = np.unique(np.round(table, 9), axis=0, return_index=True)
    return tuple(np.split(table[first], np.cumsum(game.sizes)[:-1], axis=1))


def judged(game: MatrixGame, mixed: Mixed, method: str, iterations: int) -> NashSolution:
    """Return a profile with the regret that it has."""
    residual = game.regret(mixed)
    status = Status.CONVERGED if residual <= TOL else Status.BOUNDS_APART
    return NashSolution(
        mixed=mixed,
        value=game.values(mixed),
        residual=residual,
        iterations=iterations,
        status=status,
        method=method,
    )
