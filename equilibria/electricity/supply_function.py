r"""Linear supply function equilibrium, by its closed-form best responses.

Against affine rivals firm i faces the demand :math:`n' - S_i p`, :math:`S_i = g + \sum_{j \ne i} \beta_j`. Its optimal
quantity at every n lies on one line, :math:`\alpha_i = c_i` and :math:`\beta_i = S_i / (1 + d_i S_i)` [1]_. The map
from slopes to best slopes is increasing, bounded by :math:`1 / d_i` and strictly subhomogeneous, so it has one fixed
point and iteration from zero climbs to it. The residual is the largest expected gain of a best response.

References
----------
[1] P. Klemperer, M. Meyer, Supply function equilibria in oligopoly under uncertainty, Econometrica 57, 1989.
[2] P. Holmberg, Unique supply function equilibrium with capacity constraints, Energy Economics 30, 2008.
"""

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import require, require_each
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
    """Return the unique equilibrium in affine supply functions; with capacities, curves that nearly answer each other.

    With capacities firms answer in turn, from the curves without them on, by the best curve that is found, those of
    flatter costs first: in which order the game lists them is nothing to them. Of all rounds those curves are kept at
    which what any firm could gain at most, in shares of its profit, is least. An equilibrium is proved where that is
    nothing; that none exists is never said.

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
    settled = change <= tol
    if game.capacity is not None:
        curve, rounds = _answered(game, curve)
        iterations += rounds
    reward, best_reward = _expected(game, curve[None])
    return OligopolyEquilibrium(
        policy=Constant(curve),
        value=game.horizon * reward[0],
        residual=max(float(np.max(best_reward - reward)), 0.0),
        iterations=iterations,
        status=Status.CONVERGED if settled else Status.ITERATION_LIMIT,
        tol=TOL if game.capacity is None else CUT_TOL,
        action=curve,
        price=float(game.price(curve[None], np.array(game.demand)).mean()),
    )


def _answered(game: SupplyFunctionMarket, curve: Floats) -> tuple[Floats, int]:
    """Return the curves that `solve_supply_function` keeps under capacities, and the rounds that found them."""
    turns = np.lexsort(np.stack((game.limit, np.array(game.cost), np.array(game.cost_slope)))).tolist()
    best, least = curve, _most_gained(game, curve)
    for done in range(CUT_ANSWERS):
        after, moved = curve.copy(), False
        for agent in turns:
            reward = game.profit(after[None]).mean(axis=1)[0, agent]
            value, answer = _best_curve(game, agent, after[None, None], np.ones((1, 1)), CUT_FINE)
            if value[0] - reward > CUT_SAME * abs(value[0]):
                after[agent], moved = answer[0], True
        if not moved:
            return best, done + 1
        curve, gained = after, _most_gained(game, after)
        if gained < least:
            best, least = curve, gained
    return best, CUT_ANSWERS


def _most_gained(game: SupplyFunctionMarket, curve: Floats) -> float:
    """Return the largest share of its profit that a firm could gain at most."""
    reward, best = (part[0] for part in _expected(game, curve[None]))
    return float(np.max((best - reward) / np.maximum(np.abs(best), np.finfo(np.float64).tiny)))


def scarcity_price(demand: ArrayLike, firms: int, capacity: float, cost: float, cap: float) -> Floats:
    r"""Return the prices at which N equal firms of constant cost meet inelastic demand in equilibrium.

    Each offers the same curve up to its capacity K, and the price reaches the cap P where all are full [2]_:

    .. math:: p(D) = c + (P - c) \left(\frac{D}{N K}\right)^{N - 1} .

    Parameters
    ----------
    demand : array_like
        D, MW, from 0 to N K.
    firms : int
        N, at least 2.
    capacity : float
        K of each, MW.
    cost, cap : float
        c and P, EUR/MWh.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Examples
    --------
    >>> scarcity_price([30.0, 60.0, 120.0], 3, 40.0, 10.0, 100.0).tolist()
    [15.625, 32.5, 100.0]
    """
    wanted = np.asarray(demand, dtype=np.float64)
    require(firms >= 2, "firms", "be at least 2, for a rival to leave demand", firms)
    require(0 < capacity < np.inf, "capacity", "be positive and finite", capacity)
    require(0 <= cost < cap < np.inf, "cap", f"exceed the cost {cost:g}", cap)
    most = firms * capacity
    require_each((wanted >= 0) & (wanted <= most), "demand", f"lie in [0, {most:g}], what all can produce", wanted)
    return cost + (cap - cost) * (wanted / most) ** (firms - 1)


def supply_function_deviation(game: SupplyFunctionMarket, state: SupplyFunctionState, action: Actions) -> Deviation:
    """Return the best responses to ``action [M, N, 2]``, in expectation over the demand."""
    if game.capacity is not None:
        return _deviation_cut(game, action)
    reward, best = _expected(game, action)
    slope = action[:, :, 1]
    curve = np.empty_like(action)
    curve[:, :, 0] = np.array(game.cost)
    curve[:, :, 1] = game.best_slope(slope.sum(axis=1, keepdims=True) - slope)
    return Deviation(reward, np.maximum(best - reward, 0.0), curve)


def _deviation_cut(game: SupplyFunctionMarket, action: Actions) -> Deviation:
    """Return the best curves found where capacities cut them."""
    reward, curve, best = game.profit(action).mean(axis=1), np.empty_like(action), np.empty(action.shape[:2])
    for agent in range(action.shape[1]):
        best[:, agent], curve[:, agent] = _best_curve(game, agent, action[:, None], np.ones((len(action), 1)))
    return Deviation(reward, np.maximum(best - reward, 0.0), curve)


def _best_curve(
    game: SupplyFunctionMarket, agent: int, action: Actions, weight: Floats, rounds: int | None = None
) -> tuple[Floats, Actions]:
    """Return the value ``[M]`` and the best found curve ``[M, 2]``; laws that are alike are answered once."""
    others = action.copy()
    others[:, :, agent] = 0.0
    if not np.ptp(others, axis=1).any():
        others, weight = others[:, :1], weight.sum(axis=1, keepdims=True)
    laws = np.concatenate([others.reshape(len(others), -1), weight], axis=1)
    _, first, again = np.unique(laws, axis=0, return_index=True, return_inverse=True)
    value, curve = _searched_curve(game, agent, others[first], weight[first], rounds or CUT_ROUNDS)
    return value[again.ravel()], curve[again.ravel()]


def _searched_curve(
    game: SupplyFunctionMarket, agent: int, action: Actions, weight: Floats, rounds: int
) -> tuple[Floats, Actions]:
    """Return values and curves of `_best_curve`: of a grid that narrows, and the answer of affine curves."""
    rows = len(weight)
    high = np.asarray(game.action_space.high)
    mean = np.einsum("ms,ms->m", weight, action[..., 1].sum(axis=2) - action[:, :, agent, 1])
    steep = game.best_slope(np.repeat(mean[:, None], len(game.agents), axis=1))[:, agent]
    best = np.stack([np.full(rows, game.cost[agent]), np.minimum(steep, high[1])], axis=1)
    value = _worth(game, agent, action, weight, best[:, None])[:, 0]
    width = np.broadcast_to(high / 2, (rows, 2))
    centre = np.broadcast_to(high / 2, (rows, 2))
    for _ in range(rounds):
        steps = np.stack(np.meshgrid(*[np.linspace(-1, 1, CUT_GRID)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
        tried = np.clip(centre[:, None] + steps * width[:, None], 0.0, high)
        worth = _worth(game, agent, action, weight, tried)
        top = worth.argmax(axis=1)
        found, gained = tried[np.arange(rows), top], worth[np.arange(rows), top] > value
        best, value = np.where(gained[:, None], found, best), np.maximum(worth.max(axis=1), value)
        centre, width = best, width / 4
    return value, best


def _worth(game: SupplyFunctionMarket, agent: int, action: Actions, weight: Floats, curve: Floats) -> Floats:
    """Return a firm's expected profit ``[M, G]`` of ``curve [M, G, 2]`` against ``action [M, S, N, 2]``."""
    rows, scenarios = weight.shape
    played = np.repeat(action[:, None], curve.shape[1], axis=1)  # [M, G, S, N, 2]
    played[:, :, :, agent] = curve[:, :, None]
    profit = game.profit(played.reshape(-1, *action.shape[2:])).mean(axis=1)[:, agent]
    return np.einsum("mgs,ms->mg", profit.reshape(rows, -1, scenarios), weight)


def _expected(game: SupplyFunctionMarket, curve: Floats) -> tuple[Floats, Floats]:
    """Return expected profit as offered and at the best response, ``[M, N]`` each."""
    return game.profit(curve).mean(axis=1), game.best_profit(curve).mean(axis=1)


def supply_function_stage(game: SupplyFunctionMarket) -> Stage:
    """Return the stage game. The best answer to one curve of each rival is proved, that to several is searched.

    Where capacities cut curves, an answer is searched also to one: below stands what it gains in play, above what the
    best points on what the others leave would gain, one for each demand.
    """
    if game.capacity is None:
        return Stage(_rewards, _replies, _hindsight, public=(3,), fixed_by_two=True, proved=False)
    few = {"steps": CUT_STEPS, "samples": CUT_SAMPLES}
    alone = {"proved": False, "proved_alone": False}
    return Stage(_rewards, _cut_replies, _hindsight, public=(3,), fixed_by_two=True, **few, **alone)  # type: ignore[arg-type]


def supply_function_stake(game: SupplyFunctionMarket) -> Floats:
    """Return each firm's expected profit by the curves of `solve` in an episode, EUR: an idle firm earns none."""
    return solve_supply_function(game).value


def _cut_replies(
    game: SupplyFunctionMarket, observation: Floats, agent: int, action: Actions, weight: Floats
) -> tuple[Floats, Actions]:
    return _best_curve(game, agent, action, weight)


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


CUT_GRID, CUT_ROUNDS = 13, 5
"""Intercepts and slopes that are tried at once where capacities cut curves, and how often the grid narrows."""
CUT_STEPS, CUT_SAMPLES = 2, 8
"""Steps of an episode that are judged there, and scenarios of an answer."""
TOL, CUT_TOL = 1e-9, 1e-6
"""Shares of profits up to which curves are an equilibrium: those of a closed form, and those that were searched."""
CUT_ANSWERS, CUT_FINE, CUT_SAME = 25, 10, 1e-12
"""Rounds in which all firms answer, how often a grid narrows there, and the share of profit that an answer gains."""
GRID, ROUNDS = 41, 4
"""Slopes that are tried at once, and how often the grid narrows."""
