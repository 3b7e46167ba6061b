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
from walras.core.solution import Status
from walras.core.typing import Floats
from walras.envs.electricity.supply_function_market import SupplyFunctionMarket, SupplyFunctionState
from walras.equilibria.electricity.cournot import OligopolyEquilibrium
from walras.equilibria.gap import Deviation
from walras.equilibria.stage_games import Stage


def solve_supply_function(
    game: SupplyFunctionMarket, *, tol: float = 1e-13, max_iter: int = 100_000
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
    """
    slope, change, iterations = np.zeros(len(game.agents)), np.inf, 0
    while change > tol and iterations < max_iter:
        best = game.best_slope(slope.sum() - slope)
        slope, change, iterations = best, float(np.max(np.abs(best - slope) / best)), iterations + 1
    curve = np.stack((np.array(game.cost), slope), axis=1)
    reward, best_reward = _expected(game, curve[None])
    return OligopolyEquilibrium(
        policy=Constant(curve),
        value=game.horizon * reward[0],
        residual=max(float(np.max(best_reward - reward)), 0.0),
        iterations=iterations,
        status=Status.CONVERGED if change <= tol else Status.ITERATION_LIMIT,
        action=curve,
        price=float(game.price(curve[None], np.array(game.demand)).mean()),
    )


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


def supply_function_stage(game: SupplyFunctionMarket) -> Stage:
    """Return the stage game. The best answer to one curve of each rival is proved, that to several is searched."""
    return Stage(_rewards, _replies, _hindsight, public=(3,), fixed_by_two=True, proved=False, unit="EUR")


def supply_function_stake(game: SupplyFunctionMarket) -> Floats:
    """Return each firm's expected profit at equilibrium in an episode, EUR: an idle firm earns none."""
    return solve_supply_function(game).value


def _replies(
    game: SupplyFunctionMarket, observation: Floats, agent: int, action: Actions, weight: Floats
) -> tuple[Floats, Actions]:
    r"""Return the value ``[M]`` and the curve ``[M, 2]`` of the best answers found.

    Against one curve of the others the answer is known. Against several, profit at a fixed slope :math:`\beta` is a
    concave quadratic in the intercept; the slope is searched on a grid that narrows around the best.
    """
    level, slope = action[..., 0] * action[..., 1], action[..., 1]
    total = level.sum(axis=2) - level[:, :, agent], game.demand_slope + slope.sum(axis=2) - slope[:, :, agent]
    own = np.array(game.cost)[agent], np.array(game.cost_slope)[agent]
    if action.shape[1] == 1:
        steep = total[1][:, 0] / (1 + own[1] * total[1][:, 0])
        curve = np.stack([np.full_like(steep, own[0]), steep], axis=1)
        return _profit_of(game, curve[:, :1], curve[:, 1:], total, weight, own)[:, 0], curve
    low, high = np.zeros(len(action)), np.full(len(action), game.action_space.high[1])
    value, intercept, steep = np.empty((3, len(action)))
    for _ in range(ROUNDS):
        tried = np.linspace(low, high, GRID, axis=1)
        worth, level = _best_intercept(game, tried, total, weight, own)
        at = worth.argmax(axis=1)[:, None]
        value, intercept, steep = (np.take_along_axis(part, at, axis=1)[:, 0] for part in (worth, level, tried))
        width = (high - low) / (GRID - 1)
        low, high = np.maximum(steep - width, 0.0), np.minimum(steep + width, game.action_space.high[1])
    return value, np.stack([intercept, steep], axis=1)


def _best_intercept(
    game: SupplyFunctionMarket, steep: Floats, total: tuple[Floats, Floats], weight: Floats, own: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Return the largest expected profit and its intercept at each slope ``steep [M, G]``, ``[M, G]`` each."""
    square, linear, constant = _quadratic(game, steep, total, weight, own)
    peak = np.where(square < 0, -linear / (2 * np.where(square < 0, square, -1.0)), 0.0)
    intercept = np.clip(peak, 0.0, game.action_space.high[0])
    return (square * intercept + linear) * intercept + constant, intercept


def _profit_of(
    game: SupplyFunctionMarket,
    intercept: Floats,
    steep: Floats,
    total: tuple[Floats, Floats],
    weight: Floats,
    own: tuple[float, float],
) -> Floats:
    """Return the expected profit of curves, ``[M, G]`` each."""
    square, linear, constant = _quadratic(game, steep, total, weight, own)
    return (square * intercept + linear) * intercept + constant


def _quadratic(
    game: SupplyFunctionMarket, steep: Floats, total: tuple[Floats, Floats], weight: Floats, own: tuple[float, float]
) -> tuple[Floats, Floats, Floats]:
    r"""Return expected profit as a polynomial of the intercept, ``[M, G]`` each: of degree 2, 1 and 0.

    With others of level A (demand included) and slope S, price and quantity are
    :math:`p = (A + \beta \alpha) / (S + \beta)` and :math:`q = \beta (A - S \alpha) / (S + \beta)`.
    """
    cost, half = own[0], own[1] / 2
    beta, s = steep[:, :, None], total[1][:, None, :]
    share = 1 / (s + beta)  # [M, G, S]
    q1, p1 = -beta * s * share, beta * share
    demand = np.array(game.demand)
    mean, second = total[0] + demand.mean(), (total[0][..., None] + demand) ** 2
    a, aa = mean[:, None, :], second.mean(axis=-1)[:, None, :]
    square = q1 * p1 - half * q1**2
    linear = (beta * share * p1 + q1 * share - 2 * half * beta * share * q1) * a - cost * q1
    constant = beta * share * (share - half * beta * share) * aa - cost * beta * share * a
    return tuple(np.einsum("mgs,ms->mg", part, weight) for part in (square, linear, constant))  # type: ignore[return-value]


def _rewards(game: SupplyFunctionMarket, observation: Floats, action: Actions) -> Floats:
    return game.profit(action).mean(axis=1)


def _hindsight(game: SupplyFunctionMarket, observation: Floats, action: Actions) -> Floats:
    reward, best = _expected(game, action)
    return np.maximum(best - reward, 0.0)


GRID, ROUNDS = 41, 4
"""Slopes that are tried at once, and how often the grid narrows."""
