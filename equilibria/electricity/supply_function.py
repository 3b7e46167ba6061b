r"""Linear supply function equilibrium, by its closed-form best responses.

Against affine rivals firm i faces the demand :math:`n' - S_i p`, :math:`S_i = g + \sum_{j \ne i} \beta_j`. Its optimal
quantity at every n lies on one line, :math:`\alpha_i = c_i` and :math:`\beta_i = S_i / (1 + d_i S_i)` [1]_. The map
from slopes to best slopes is increasing, bounded by :math:`1 / d_i` and strictly subhomogeneous, so it has one fixed
point and iteration from zero climbs to it. The residual is the largest expected gain of a best response.

References
----------
[1] P. Klemperer, M. Meyer, Supply function equilibria in oligopoly under uncertainty, Econometrica 57, 1989.
"""

import numpy as np

from walras.core.game import Actions
from walras.core.policy import Constant
from walras.core.solution import Status, checked
from walras.core.typing import Floats
from walras.envs.electricity.supply_function_market import SupplyFunctionMarket, SupplyFunctionState
from walras.equilibria.electricity.cournot import OligopolyEquilibrium
from walras.equilibria.gap import Deviation


def solve_supply_function(
    game: SupplyFunctionMarket, *, tol: float = 1e-13, max_iter: int = 100_000, throw: bool = True
) -> OligopolyEquilibrium:
    """Return the unique equilibrium in affine supply functions.

    Parameters
    ----------
    game : SupplyFunctionMarket
        The game.
    tol : float
        Largest relative change of a slope at the last iteration.
    max_iter : int
        Limit of the iterations; they grow as the slopes of marginal cost fall.
    throw : bool
        Raise instead of returning an answer that did not converge.

    Raises
    ------
    SolverError
        If the limit is reached and `throw` is true.
    """
    slope, change, iterations = np.zeros(len(game.agents)), np.inf, 0
    while change > tol and iterations < max_iter:
        best = game.best_slope(slope.sum() - slope)
        slope, change, iterations = best, float(np.max(np.abs(best - slope) / best)), iterations + 1
    curve = np.stack((np.array(game.cost), slope), axis=1)
    reward, best_reward = _expected(game, curve[None])
    solution = OligopolyEquilibrium(
        policy=Constant(curve),
        value=reward[0],
        residual=max(float(np.max(best_reward - reward)), 0.0),
        iterations=iterations,
        status=Status.CONVERGED if change <= tol else Status.ITERATION_LIMIT,
        action=curve,
        price=float(game.price(curve[None], np.array(game.demand)).mean()),
    )
    return checked(solution, throw)


def supply_function_deviation(game: SupplyFunctionMarket, state: SupplyFunctionState, action: Actions) -> Deviation:
    """Return the best responses to ``action [M, N, 2]``, in expectation over the demand."""
    reward, best = _expected(game, action)
    slope = action[:, :, 1]
    curve = np.empty_like(action)
    curve[:, :, 0] = np.array(game.cost)
    curve[:, :, 1] = game.best_slope(slope.sum(axis=1, keepdims=True) - slope)
    return Deviation(reward, np.maximum(best - reward, 0.0), curve)


def _expected(game: SupplyFunctionMarket, curve: Floats) -> tuple[Floats, Floats]:
    """Return expected profit as offered and at the best response, ``[M, N]`` each."""
    return game.profit(curve).mean(axis=1), game.best_profit(curve).mean(axis=1)
