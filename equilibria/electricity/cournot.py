r"""Cournot-Nash equilibrium, exactly.

At the equilibrium each firm sells until marginal revenue meets marginal cost, :math:`0 \le q_i \le K_i \perp P - b q_i
- c_i - d_i q_i`. The exact potential of the game is strictly concave, so the solution is unique [1]_;
`walras.markets.electricity.oligopoly.meet_demand` finds it as the crossing of demand with the supply of firms that add
b to the slope of their marginal cost. The residual is the largest gain of a best response.

References
----------
[1] D. Monderer, L. S. Shapley, Potential games, Games and Economic Behavior 14, 1996.
"""

from dataclasses import dataclass

import numpy as np

from walras.core.game import Actions
from walras.core.policy import Constant
from walras.core.solution import Solution, Status
from walras.core.typing import Floats
from walras.envs.electricity.cournot_market import CournotMarket, CournotState
from walras.equilibria.gap import Deviation
from walras.equilibria.stage_games import Stage
from walras.markets.electricity.oligopoly import meet_demand


@dataclass(frozen=True, kw_only=True)
class OligopolyEquilibrium(Solution):
    """A Nash equilibrium in constant actions."""

    action: Floats  # [N, A] in the units of the game's action space
    price: float  # EUR/MWh, expected


def solve_cournot(game: CournotMarket) -> OligopolyEquilibrium:
    """Return the unique Nash equilibrium of the stage game; `residual` is the largest gain in an hour, EUR."""
    cost, steepness = np.array(game.cost), np.array(game.cost_slope) + game.slope
    quantity = meet_demand(game.intercept, game.slope, cost, steepness, game.limit)
    deviation = cournot_deviation(game, CournotState(quantity[None]), quantity[None, :, None])
    return OligopolyEquilibrium(
        policy=Constant(quantity[:, None]),
        value=game.horizon * deviation.reward[0],
        residual=float(deviation.gain.max()),
        iterations=1,
        status=Status.CONVERGED,
        action=quantity[:, None],
        price=float(game.intercept - game.slope * quantity.sum()),
    )


def cournot_deviation(game: CournotMarket, state: CournotState, action: Actions) -> Deviation:
    """Return the best responses to ``action [M, N, 1]``.

    Profit is concave in the own quantity, so the gain is the curvature times the squared distance to the best
    response, plus the slope there where a capacity binds; it is computed as that difference of profits.
    """
    quantity = np.minimum(action[:, :, 0], game.limit)
    others = quantity.sum(axis=1, keepdims=True) - quantity
    best = game.best_quantity(others)
    reward, ideal = _profit(game, quantity, others), _profit(game, best, others)
    return Deviation(reward, np.maximum(ideal - reward, 0.0), best[:, :, None])


def _profit(game: CournotMarket, own: Floats, others: Floats) -> Floats:
    price = game.intercept - game.slope * (own + others)
    return own * (price - np.array(game.cost) - 0.5 * np.array(game.cost_slope) * own)


def cournot_stage(game: CournotMarket) -> Stage:
    """Return the stage game.

    Profit is linear in what the others sell together, so the best answer to a law is that to its mean, and two moments
    of independent quantities say all, unless a capacity cuts what firms offer.
    """
    uncut = bool(np.all(game.action_space.high <= game.limit))
    return Stage(_rewards, _replies, _hindsight, public=(2,), fixed_by_two=True, quadratic=uncut)


def cournot_stake(game: CournotMarket) -> Floats:
    """Return each firm's profit at equilibrium in an episode, EUR: an idle firm earns none."""
    return solve_cournot(game).value


def _replies(
    game: CournotMarket, observation: Floats, agent: int, action: Actions, weight: Floats
) -> tuple[Floats, Actions]:
    """Return the value ``[M]`` and the quantity ``[M, 1]`` of the best answers; offers are cut before the mean."""
    sold = np.minimum(action[..., 0], game.limit)
    others = np.einsum("ms,ms->m", weight, sold.sum(axis=2) - sold[:, :, agent])
    for_all = np.repeat(others[:, None], sold.shape[2], axis=1)
    best = game.best_quantity(for_all)
    return _profit(game, best, for_all)[:, agent], best[:, agent, None]


def _rewards(game: CournotMarket, observation: Floats, action: Actions) -> Floats:
    return game.profit(np.minimum(action[..., 0], game.limit))


def _hindsight(game: CournotMarket, observation: Floats, action: Actions) -> Floats:
    return cournot_deviation(game, CournotState(action[..., 0]), action).gain
