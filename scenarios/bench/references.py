"""The known solution of a game as a method of the benchmark, and what gaps are distances from."""

from typing import Any

from walras.core.concept import Concept
from walras.core.game import AbstractGame
from walras.core.policy import Policy
from walras.equilibria.registration import SOLVERS, concepts_of
from walras.equilibria.solve import found_once, solver


def concept_of(game: AbstractGame[Any]) -> Concept:
    """Return what gaps in a game are distances from: the first concept that its solvers have, else Nash."""
    return next(iter(concepts_of(SOLVERS, game)), Concept.NASH)


def can_solve(game: AbstractGame[Any]) -> bool:
    """Return whether a solver is registered for the game's type."""
    return bool(concepts_of(SOLVERS, game)) or solver.dispatch(type(game)) is not solver.dispatch(object)


def solved(game: AbstractGame[Any]) -> Policy:
    """Return the policy of the game's known solution.

    Raises
    ------
    TypeError
        If no solver is registered for the game's type.
    """
    return found_once(game).policy
