"""What scenarios measure: functions of a game and a trajectory, to one number or to one an agent."""

from functools import lru_cache
from typing import Any

import numpy as np

from walras.core.checks import require_each
from walras.core.game import take_rows
from walras.core.policy import Policy
from walras.core.rollout import Trajectory, rollout
from walras.core.solution import Solution
from walras.core.typing import Floats
from walras.envs.cooperative_navigation import CooperativeNavigation
from walras.envs.cournot_market import CournotMarket, CournotState
from walras.envs.day_ahead_market import DayAheadMarket, DayAheadState
from walras.envs.grid_world import GridWorld, GridWorldState
from walras.envs.particles import distances, touching
from walras.envs.resource_allocation import AllocationState, ResourceAllocation
from walras.envs.supply_function_market import SupplyFunctionMarket, SupplyFunctionState
from walras.envs.trading_network_game import TradingNetworkGame, TradingState
from walras.equilibria.competitive import price_lattice
from walras.equilibria.solve import solve
from walras.equilibria.team_mean_field import TeamGame, affine_gains, deviation_part
from walras.equilibria.trading_network_game import closing_gap
from walras.markets.electricity import merit_order


def day_ahead_price(game: DayAheadMarket, trajectory: Trajectory[DayAheadState]) -> float:
    """Return the mean clearing price, EUR/MWh."""
    return float(trajectory.state.price[1:].mean())


def day_ahead_markup(game: DayAheadMarket, trajectory: Trajectory[DayAheadState]) -> float:
    """Return the mean of (price - competitive price) / price, the market's Lerner index."""
    price = trajectory.state.price[1:]
    return float(_lerner(price, _competitive_price(game, trajectory)).mean())


def day_ahead_welfare_loss(game: DayAheadMarket, trajectory: Trajectory[DayAheadState]) -> float:
    """Return the cost of dispatch above the least cost of the same load, EUR/h."""
    after = take_rows(trajectory.state, slice(1, None))
    least = _competitive(game, trajectory).dispatch.reshape(after.dispatch.shape)
    return float(np.sum(game.cost * (after.dispatch - least), axis=(2, 3)).mean())


def day_ahead_lerner(game: DayAheadMarket, trajectory: Trajectory[DayAheadState]) -> Floats:
    """Return each generator's mean Lerner index, ``[N]``: price less the cost of its dearest running block, by price.

    Hours in which it does not run, or in which the price is zero, do not count.
    """
    after = take_rows(trajectory.state, slice(1, None))
    running = after.dispatch > 0
    dearest = np.max(np.where(running, game.cost, -np.inf), axis=3)
    counts = running.any(axis=3) & (after.price > 0)[:, :, None]
    index = np.where(counts, _lerner(after.price[:, :, None], np.where(counts, dearest, 0.0)), 0.0)
    return index.sum(axis=(0, 1)) / np.maximum(counts.sum(axis=(0, 1)), 1)


def gain_distance(game: TeamGame, policy: Policy) -> Floats:
    """Return how far the gains of each agent's team are from the equilibrium's: norms summed over stages, ``[N]``."""
    teams = len(deviation_part(game).sizes)
    apart = affine_gains(game, policy) - affine_gains(game, solve(game).policy)
    by_team = np.linalg.norm(apart.reshape(game.horizon, teams, -1), axis=2).sum(axis=0)
    return np.repeat(by_team, len(game.agents) // teams)


def cournot_lerner(game: CournotMarket, trajectory: Trajectory[CournotState]) -> Floats:
    """Return each firm's mean (price - marginal cost) / price, ``[N]``."""
    quantity = trajectory.state.quantity[1:]
    price = game.intercept - game.slope * quantity.sum(axis=2, keepdims=True)
    return _lerner(price, np.array(game.cost) + np.array(game.cost_slope) * quantity).mean(axis=(0, 1))


def cournot_price(game: CournotMarket, trajectory: Trajectory[CournotState]) -> float:
    """Return the mean price, EUR/MWh."""
    return float((game.intercept - game.slope * trajectory.state.quantity[1:].sum(axis=2)).mean())


def cournot_welfare_loss(game: CournotMarket, trajectory: Trajectory[CournotState]) -> float:
    """Return the welfare below that of price takers, EUR/h; a price taker's is the largest possible."""
    quantity = trajectory.state.quantity[1:]
    best = game.truthful(np.zeros((1, quantity.shape[2], 6)))[None, :, :, 0]
    return float((_cournot_welfare(game, best) - _cournot_welfare(game, quantity)).mean())


def supply_function_lerner(game: SupplyFunctionMarket, trajectory: Trajectory[SupplyFunctionState]) -> Floats:
    """Return each firm's mean (price - marginal cost) / price, ``[N]``."""
    after = take_rows(trajectory.state, slice(1, None))
    marginal = np.array(game.cost) + np.array(game.cost_slope) * after.quantity
    return _lerner(after.price[:, :, None], marginal).mean(axis=(0, 1))


def supply_function_price(game: SupplyFunctionMarket, trajectory: Trajectory[SupplyFunctionState]) -> float:
    """Return the mean price, EUR/MWh."""
    return float(trajectory.state.price[1:].mean())


def realised_gains(game: TradingNetworkGame, trajectory: Trajectory[TradingState]) -> float:
    """Return the share of the gains from trade that is realised."""
    judged = closing_gap(game, trajectory)
    return float(1 - np.divide(judged.lost, judged.gains_from_trade))


def price_distance(game: TradingNetworkGame, trajectory: Trajectory[TradingState]) -> float:
    """Return how far prices of trades struck lie from their intervals of equilibrium prices, on average, money."""
    trades, prices = game.outcome(trajectory.state.offer[-1])
    least, greatest = price_lattice(game.network)
    away = np.maximum(np.maximum(least - prices, prices - greatest), 0.0)
    return float(away[trades].mean()) if trades.any() else np.nan


def forgone(game: TradingNetworkGame, trajectory: Trajectory[TradingState]) -> float:
    """Return what all agents forgo at the prices of the close, as a share of the gains from trade."""
    return float(closing_gap(game, trajectory).relative.sum())


def equilibrium_distance(game: Any, trajectory: Trajectory[Any]) -> Floats:  # noqa: ANN401 - any solved game
    """Return each agent's mean distance from its equilibrium action, ``[N]``, as a share of the action space."""
    equilibrium = solve(game)
    width = game.action_space.high - game.action_space.low
    offset = (trajectory.action - equilibrium.policy.act(trajectory.observation[0], np.random.default_rng(0))) / width
    return np.sqrt(np.mean(offset**2, axis=-1)).mean(axis=(0, 1))


def _competitive(game: DayAheadMarket, trajectory: Trajectory[DayAheadState]) -> Any:  # noqa: ANN401
    """Clear the trajectory's loads against marginal cost."""
    after = take_rows(trajectory.state, slice(1, None))
    offered = after.offered.reshape(-1, *game.cost.shape)
    cost = np.broadcast_to(game.cost, offered.shape)
    return merit_order(cost, offered, after.cleared.reshape(-1), game.cap, 0.0)


def _competitive_price(game: DayAheadMarket, trajectory: Trajectory[DayAheadState]) -> Floats:
    return _competitive(game, trajectory).price.reshape(trajectory.state.price[1:].shape)


def _cournot_welfare(game: CournotMarket, quantity: Floats) -> Floats:
    total = quantity.sum(axis=2)
    cost = np.array(game.cost) * quantity + 0.5 * np.array(game.cost_slope) * quantity**2
    return game.intercept * total - 0.5 * game.slope * total**2 - cost.sum(axis=2)


def _lerner(price: Floats, cost: Floats) -> Floats:
    """Return (price - cost) / price where the price is positive, else 0."""
    return np.where(price > 0, (price - cost) / np.where(price > 0, price, 1.0), 0.0)


def nash_welfare(game: ResourceAllocation, trajectory: Trajectory[AllocationState]) -> float:
    """Return the mean over profiles of the weighted geometric mean of utilities."""
    weights = np.array(game.weights) / np.sum(game.weights)
    return float(np.prod(trajectory.reward**weights, axis=2).mean())


def efficiency(game: ResourceAllocation, trajectory: Trajectory[AllocationState]) -> float:
    """Return what is allocated as a share of what agents could use."""
    usable = np.minimum(game.budgets, trajectory.state.demands[:-1].sum(axis=2))
    return float((trajectory.state.allocation[1:].sum(axis=2) / usable).mean())


def smallest_utility(game: ResourceAllocation, trajectory: Trajectory[AllocationState]) -> float:
    """Return the mean over profiles of the smallest utility."""
    return float(trajectory.reward.min(axis=2).mean())


@lru_cache(maxsize=8)
def joint_optimum(game: GridWorld | CooperativeNavigation) -> Solution:
    """Return the joint optimum of agents that are paid alike, or the best plan found where its bounds do not meet."""
    return solve(game, throw=False)


def share_of_optimum(game: GridWorld | CooperativeNavigation, trajectory: Trajectory[Any]) -> float:
    """Return the mean return of an episode as a share of the joint optimum's; negative where the return is.

    Raises
    ------
    ValueError
        If the optimum is not positive, as where each step of navigation costs agents their contact with themselves:
        ``Covering(self_contact=0.0)`` leaves that out.
    """
    return float((trajectory.total.mean(axis=0) / _positive_optimum(game)).mean())


def share_of_policy(game: GridWorld | CooperativeNavigation, policy: Policy) -> Floats:
    """Return the `share_of_optimum` of each agent over 64 episodes, ``[N]``."""
    played: Trajectory[Any] = rollout(game, policy, range(64))  # type: ignore[arg-type] - a game of either kind
    return played.total.mean(axis=0) / _positive_optimum(game)


def _positive_optimum(game: GridWorld | CooperativeNavigation) -> Floats:
    value = joint_optimum(game).value
    require_each(value > 0, "game", "have a joint optimum above zero, of which returns are shares", value)
    return value


def goal_rate(game: GridWorld | CooperativeNavigation, trajectory: Trajectory[Any]) -> float:
    """Return the share of episodes that reach the goal: all who must arrive, or an agent near each landmark at last."""
    if isinstance(game, GridWorld):
        return float((trajectory.terminated & (trajectory.reward[..., 0] > 0)).any(axis=0).mean())
    near = distances(trajectory.state.position[-1], trajectory.state.landmark[-1]).min(axis=1) < game.physics.radius
    return float(near.all(axis=1).mean())


def collisions(game: GridWorld | CooperativeNavigation, trajectory: Trajectory[Any]) -> float:
    """Return the mean number of steps of an episode in which a move was cancelled, or agents touched."""
    if isinstance(game, GridWorld):
        collided = trajectory.state.collided[1:]
    else:
        steps, rows, agents, _ = trajectory.state.position[1:].shape
        overlap = touching(trajectory.state.position[1:].reshape(-1, agents, 2), game.physics)
        collided = (overlap.sum(axis=(1, 2)) > agents).reshape(steps, rows)
    return float((collided & trajectory.alive).sum(axis=0).mean())


def lava_rate(game: GridWorld, trajectory: Trajectory[GridWorldState]) -> float:
    """Return the share of episodes that end in lava."""
    return float((trajectory.terminated & (trajectory.reward[..., 0] <= 0)).any(axis=0).mean())
