"""What a solver returns, and what its status tells the user to do."""

from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from walras.core.concept import Concept
from walras.core.display import Shown
from walras.core.policy import Policy
from walras.core.typing import Floats


class Status(Enum):
    """How a solver ended; the text says what to do next."""

    CONVERGED = "Converged: `residual` certifies the answer."
    ITERATION_LIMIT = "Stopped at its limit of iterations: raise `max_iter`."
    NOT_FOUND = "Not found: the solver did not arrive, which says nothing of whether there is an answer."
    ROUNDED = "Lost in rounding: the numbers of the problem are too far apart, or too many in a row, for their digits."
    NOT_EQUILIBRIUM = "No equilibrium: an agent gains `residual_lower` of its stake; ask for another concept."
    UNCERTIFIED = "Not certified: no gain above `residual_lower` was found, none below `residual` is excluded."
    BOUNDS_APART = "Bounds do not meet: the optimum lies within `residual` of `value`."
    NOT_UNIQUE = "No unique equilibrium: a stage admits none or many, change the parameters that make it so."
    INFEASIBLE = "No answer exists: relax the constraint that the message names."
    NOT_RATIONALISED = "No parameters rationalise the play: the least regret is `residual`; ask for a sample's answer."
    NO_EQUILIBRIUM = "No equilibrium exists: no prices support any trades; change a valuation that has complements."


@dataclass(frozen=True, kw_only=True)
class Certified(Shown):
    """What every solver returns beside its answer.

    `residual` is that of the definition (the Nash gap, the duality gap, the market's imbalance), never the last
    change of an iteration. Solvers of one family add fields (`action`, `price`) in a dataclass of their own.
    """

    residual: float
    iterations: int
    status: Status

    @property
    def converged(self) -> bool:
        """Whether the solver met its tolerance."""
        return self.status is Status.CONVERGED


@dataclass(frozen=True, kw_only=True)
class Solution(Certified):
    """A solution of a game, as a policy that plays it, and its certificate.

    `residual` and `residual_lower` are the ends of the gap of the player that could gain most, as shares of its stake.
    """

    policy: Policy
    value: Floats  # [N] expected return of an episode
    concept: Concept = Concept.NASH
    tol: float = 1e-9  # largest residual of a solution that is called so
    residual_lower: float = 0.0
    seeds: tuple[int, ...] = ()  # of the gap
    budget: Any = None  # likewise


class SolverError(RuntimeError):
    """A solver did not converge, and the caller asked for an error."""


Found = TypeVar("Found", bound=Certified)


def checked(solution: Found, throw: bool) -> Found:
    """Return `solution`, or raise its status where it did not converge and `throw` asks for it.

    Raises
    ------
    SolverError
        If `throw` is true and the solution did not converge.
    """
    if throw and not solution.converged:
        raise SolverError(f"{solution.status.value} residual={solution.residual:.3g}")
    return solution
