"""`solve`: the known solution of a game, certified by its gap. A game of your own joins by `solver.register`."""

from collections.abc import Sequence
from dataclasses import replace
from functools import singledispatch
from typing import Any

import numpy as np

from walras.core.checks import require_known
from walras.core.concept import Concept
from walras.core.game import AbstractGame
from walras.core.identity import fingerprint
from walras.core.solution import Solution, Status, checked
from walras.equilibria.certificate import Budget
from walras.equilibria.registration import SOLVERS, by_concept, concepts_of, unanswered

KEPT = 64
"""Raw solutions that are kept."""
_FOUND: dict[tuple[str, str], Solution] = {}


def solve(
    game: AbstractGame[Any],
    concept: Concept | str | None = None,
    *,
    seeds: Sequence[int] = range(64),
    budget: Budget | None = None,
    throw: bool = True,
    **options: Any,  # noqa: ANN401 - the solver's own
) -> Solution:
    """Return the known solution of `game`, with the distance that `gap` finds between it and the best deviation.

    Parameters
    ----------
    game : AbstractGame
        One of the suite's games, or one of your own that joined.
    concept : Concept or str, optional
        What the solution is a solution of; the game's first by default.
    seeds, budget
        As in `walras.equilibria.gap`, which certifies the solution.
    throw : bool
        Raise instead of returning a solution that is not certified to its tolerance.
    **options
        Passed to the game's solver.

    Raises
    ------
    TypeError
        If no solver is registered for the game's type.
    ValueError
        If the game has no such concept.
    SolverError
        If the residual exceeds the tolerance of the concept and `throw` is true.
    """
    found = solver(game, None if concept is None else Concept(concept), **options)
    return checked(certified(game, found, seeds, budget), throw)


@singledispatch
def solver(game: AbstractGame[Any], concept: Concept | None, **options: Any) -> Solution:  # noqa: ANN401
    """Return a solution before it is certified; a game of your own joins by ``solver.register``.

    Raises
    ------
    TypeError
        If no solver is registered for the game's type.
    ValueError
        If the game has no such concept.
    """
    known = concepts_of(SOLVERS, game)
    if not known:
        raise unanswered(SOLVERS, solver, game)
    wanted = concept or known[0]
    require_known(str(wanted), "concept", map(str, known))
    own = by_concept(SOLVERS, game, wanted)
    assert own is not None
    return own(game, **options)


def found_once(game: AbstractGame[Any], concept: Concept | None = None) -> Solution:
    """Return the solution of a game before it is certified, kept by the game's fingerprint."""
    key = fingerprint(game), str(concept)
    if key not in _FOUND:
        if len(_FOUND) >= KEPT:
            _FOUND.pop(next(iter(_FOUND)))
        _FOUND[key] = solver(game, concept)
    return _FOUND[key]


def certified(
    game: AbstractGame[Any], found: Solution, seeds: Sequence[int] = range(64), budget: Budget | None = None
) -> Solution:
    """Return a solution with the residual of its gap, and the status that follows from it."""
    from walras.equilibria.gap import gap

    if found.status in (Status.NO_EQUILIBRIUM, Status.INFEASIBLE):
        return found
    judged = gap(game, found.policy, concept=found.concept, seeds=seeds, budget=budget)
    low, high = judged.relative
    residual, least = float(np.max(high)), float(np.max(low))
    return replace(
        found,
        value=judged.value,
        residual=residual,
        residual_lower=least,
        status=_status(found, residual, least, judged.rare),
        seeds=judged.seeds,
        budget=judged.budget,
    )


def _status(found: Solution, residual: float, least: float, rare: bool) -> Status:
    """Return the status that a residual between `least` and `residual` proves; gains in rare episodes prove none."""
    if found.status in (Status.NOT_UNIQUE, Status.BOUNDS_APART, Status.ROUNDED):
        return found.status
    if residual <= found.tol:
        return Status.UNCERTIFIED if rare else Status.CONVERGED
    if found.status in (Status.ITERATION_LIMIT, Status.NOT_FOUND):
        return found.status
    if found.concept is Concept.JOINT_OPTIMUM:
        return Status.BOUNDS_APART
    return Status.NOT_EQUILIBRIUM if least > found.tol else Status.UNCERTIFIED
