r"""Correlated and coarse correlated equilibria: the best device by an objective.

A device draws a cell a from p and tells each player its action. It is a correlated equilibrium [1]_ if

.. math:: \sum_{a_{-i}} p(a_i, a_{-i}) \left[u_i(a_i', a_{-i}) - u_i(a_i, a_{-i})\right] \le 0
    \quad\text{for all } i, a_i, a_i' ,

and a coarse one if the sum of these over :math:`a_i` is not positive, for all :math:`i, a_i'` [2]_. Both sets are
polytopes: linear objectives are linear programs (HiGHS), the largest entropy is a conic one (Clarabel).

A coarse device may put weight on actions that nobody would play when told to, so a small gap of it says little: in the
traveller's dilemma from 2 to 100 all correlated equilibria earn 4 together, the best coarse one 198.67.

References
----------
[1] R. J. Aumann, Subjectivity and correlation in randomized strategies, Journal of Mathematical Economics 1, 1974.
[2] H. Moulin, J.-P. Vial, Strategically zero-sum games, International Journal of Game Theory 7, 1978.
"""

import warnings
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import as_shaped, require, require_known
from walras.core.concept import Concept
from walras.core.display import Shown
from walras.core.game import Actions
from walras.core.solution import SolverError
from walras.core.typing import Floats, Ints
from walras.markets.normal_form import MatrixGame, as_chances, check_matrix_game, rows_of

Sparse: TypeAlias = Any
"""A sparse matrix of scipy, whose types its stubs do not share with `linprog`."""
CONCEPTS = {
    "ce": Concept.CORRELATED,
    "cce": Concept.COARSE_CORRELATED,
    "correlated": Concept.CORRELATED,
    "coarse correlated": Concept.COARSE_CORRELATED,
}
OBJECTIVES = ("welfare", "min_welfare", "max_entropy")
MOST_ENTRIES = 2**26
"""Entries of the program's matrix, at most."""
TOL, TOL_ENTROPY = 1e-9, 1e-7
"""Largest gain by leaving a device, as a share of the spread of the player's payoffs: of linear programs, and of the
conic one."""


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Device(Shown):
    """A device that draws one cell for all players, as a policy that knows nothing else."""

    joint: Floats  # [A_1, .., A_N] probabilities of cells
    concept: Concept
    value: float  # of the objective
    payoffs: Floats  # [N]
    residual: float  # largest gain by leaving it, as a share of the spread of the player's payoffs
    dual: Floats  # [constraints] prices of the incentive constraints, player by player

    @property
    def independent(self) -> bool:
        """Players do not draw independently."""
        return False

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Draw a cell a row, ``[B, N]``."""
        cells = rng.choice(self.joint.size, size=len(observation), p=self.joint.ravel())
        return np.stack(np.unravel_index(cells, self.joint.shape), axis=1)


def correlated(game: MatrixGame, concept: Concept | str = "ce", objective: str | ArrayLike = "welfare") -> Device:
    """Return the device of a set that is best by an objective.

    Parameters
    ----------
    game : MatrixGame
        Of any number of players.
    concept : {"ce", "cce"} or Concept
        Correlated or coarse correlated.
    objective : {"welfare", "min_welfare", "max_entropy"} or array_like
        The largest or the smallest sum of payoffs, the largest entropy (nats), or the largest mean of an array over
        cells, ``[A_1, .., A_N]``.

    Raises
    ------
    ValueError
        If the concept or the objective is unknown, the array has another shape or is not finite, or the program would
        be too large.
    SolverError
        If an answer does not pass its check.

    Examples
    --------
    >>> from walras.equilibria import correlated
    >>> from walras.markets.matrix import MatrixGame
    >>> chicken = MatrixGame([[[6, 2], [7, 0]], [[6, 7], [2, 0]]])
    >>> device = correlated(chicken)
    >>> round(device.value, 9), device.joint.round(9).tolist()
    (10.5, [[0.5, 0.25], [0.25, 0.0]])
    """
    check_matrix_game(game)
    require_known(str(concept), "concept", CONCEPTS)
    concept = CONCEPTS[str(concept)]
    if isinstance(objective, str):
        require_known(objective, "objective", OBJECTIVES)
    matrix = _incentives(game, concept)
    if isinstance(objective, str) and objective == "max_entropy":
        drawn, dual = _most_even(matrix)
        value, tol = _entropy(drawn), TOL_ENTROPY
    else:
        weight = _weights(game, objective)
        drawn, dual = _best(matrix, weight)
        value, tol = (
            float(weight @ drawn) * (-1 if isinstance(objective, str) and objective == "min_welfare" else 1),
            TOL,
        )
    joint = drawn.reshape(game.sizes)
    residual = max(float(game.normalised.gap(joint, concept).max()), 0.0)
    if residual > tol:
        raise SolverError(f"The device that was found is {concept} to {residual:.3g} only.")
    payoffs = game.payoff.reshape(game.players, -1) @ drawn
    return Device(joint=joint, concept=concept, value=value, payoffs=payoffs, residual=residual, dual=dual)


def _weights(game: MatrixGame, objective: str | ArrayLike) -> Floats:
    """Return what is made as large as possible, a number a cell."""
    if not isinstance(objective, str):
        return as_shaped("objective", objective, game.sizes).ravel()
    welfare = game.payoff.sum(axis=0).ravel()
    return welfare if objective == "welfare" else -welfare


def _incentives(game: MatrixGame, concept: Concept) -> Sparse:
    """Return the matrix whose product with p must not be positive, one row a player and rule."""
    from scipy.sparse import vstack

    cells = int(np.prod(game.sizes))
    entries = cells * (sum(game.sizes) - game.players)
    require(
        entries <= MOST_ENTRIES, "game", f"have at most {MOST_ENTRIES} incentive entries; use `double_oracle`", entries
    )
    place = np.arange(cells).reshape(game.sizes)
    blocks = [
        _incentives_of(rows_of(own, i), rows_of(place, i), concept) for i, own in enumerate(game.normalised.payoff)
    ]
    return vstack(blocks, format="csr")


def _incentives_of(own: Floats, place: Ints, concept: Concept) -> Sparse:
    """Return a player's rows: from each action it is told to each other one, or to each action from all."""
    from scipy.sparse import coo_array

    size, rest = own.shape
    gain = own[None, :, :] - own[:, None, :]  # [told, played, others]
    told, played = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    rule = told * size + played if concept is Concept.CORRELATED else played
    rules = size**2 if concept is Concept.CORRELATED else size
    rows = np.broadcast_to(rule[:, :, None], gain.shape)
    columns = np.broadcast_to(place[:, None, :], gain.shape)
    matrix = coo_array((gain.ravel(), (rows.ravel(), columns.ravel())), shape=(rules, size * rest)).tocsr()
    return matrix[np.flatnonzero(told.ravel() != played.ravel())] if concept is Concept.CORRELATED else matrix


def _best(matrix: Sparse, weight: Floats) -> tuple[Floats, Floats]:
    """Return the distribution of the largest mean weight, and the prices of the constraints."""
    from scipy.optimize import linprog

    size = np.ptp(weight) or 1.0
    found: Any = linprog(
        (weight.min() - weight) / size,
        A_ub=matrix,
        b_ub=np.zeros(matrix.shape[0]),
        A_eq=np.ones((1, len(weight))),
        b_eq=[1.0],
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if found.status != 0:
        raise SolverError(f"The linear program was not solved: {found.message}")
    return as_chances(found.x), -found.ineqlin.marginals * size


def _most_even(matrix: Sparse) -> tuple[Floats, Floats]:
    """Return the distribution of the largest entropy, and the prices of the constraints."""
    import cvxpy as cp

    p = cp.Variable(matrix.shape[1], nonneg=True)
    incentive: Any = matrix @ p <= 0
    whole: Any = cp.sum(p) == 1
    problem = cp.Problem(cp.Maximize(cp.sum(cp.entr(p))), [incentive, whole])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of accuracy, which is measured afterwards
        problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)
    if p.value is None:
        raise SolverError(f"The conic program was not solved: {problem.status}")
    return as_chances(np.asarray(p.value, dtype=np.float64)), np.asarray(incentive.dual_value, dtype=np.float64)


def _entropy(drawn: Floats) -> float:
    some = drawn[drawn > 0]
    return float(-(some * np.log(some)).sum())
