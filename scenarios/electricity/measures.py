"""Measures of electricity markets: prices, mark-ups, lost welfare."""

from typing import Any

import numpy as np

from walras.core.game import take_rows
from walras.core.rollout import Trajectory
from walras.core.typing import Floats
from walras.envs.electricity.cournot_market import CournotMarket, CournotState
from walras.envs.electricity.day_ahead_market import DayAheadMarket, DayAheadState
from walras.envs.electricity.supply_function_market import SupplyFunctionMarket, SupplyFunctionState
from walras.equilibria.electricity.cournot import solve_cournot
from walras.markets.electricity.clearing import merit_order
from walras.markets.electricity.concentration import herfindahl
from walras.scenarios.engine.measure import measure


@measure("mean price", "EUR/MWh")
def day_ahead_price(game: DayAheadMarket, trajectory: Trajectory[DayAheadState]) -> float:
    """Return the mean clearing price, EUR/MWh."""
    return float(trajectory.state.price[1:].mean())


@measure("mean payment", "EUR/MWh")
def day_ahead_payment(game: DayAheadMarket, trajectory: Trajectory[DayAheadState]) -> float:
    """Return what is paid for a MWh, on average over what is sold, EUR/MWh: the price, or the own offers."""
    after = trajectory.state
    price, offer, sold = (part[1:].reshape(-1, *part.shape[2:]) for part in (after.price, after.offer, after.dispatch))
    return float(np.sum(game.payment(price, offer) * sold) / np.maximum(np.sum(sold), np.finfo(np.float64).tiny))


@measure("mark-up over the competitive price", "of the price", "share")
def day_ahead_markup(game: DayAheadMarket, trajectory: Trajectory[DayAheadState]) -> float:
    """Return the mean of (price - competitive price) / price, the market's Lerner index."""
    price = trajectory.state.price[1:]
    return float(_lerner(price, _competitive_price(game, trajectory)).mean())


@measure("welfare loss", "EUR/h")
def day_ahead_welfare_loss(game: DayAheadMarket, trajectory: Trajectory[DayAheadState]) -> float:
    """Return the cost of dispatch above the least cost of the same load, EUR/h."""
    after = take_rows(trajectory.state, slice(1, None))
    least = _competitive(game, trajectory).dispatch.reshape(after.dispatch.shape)
    return float(np.sum(game.cost * (after.dispatch - least), axis=(2, 3)).mean())


@measure("distance to the competitive price", "EUR/MWh")
def day_ahead_price_distance(game: DayAheadMarket, trajectory: Trajectory[DayAheadState]) -> float:
    """Return how far clearing prices are from those of offers at marginal cost, on average, EUR/MWh."""
    return float(np.abs(trajectory.state.price[1:] - _competitive_price(game, trajectory)).mean())


@measure("concentration of sales, HHI", "of 10,000")
def day_ahead_concentration(game: DayAheadMarket, trajectory: Trajectory[DayAheadState]) -> float:
    """Return the Herfindahl-Hirschman index of the energy that the sellers sold."""
    return herfindahl(trajectory.state.dispatch[1:].sum(axis=(0, 1, 3)))


@measure("Lerner index")
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


@measure("Lerner index")
def cournot_lerner(game: CournotMarket, trajectory: Trajectory[CournotState]) -> Floats:
    """Return each firm's mean (price - marginal cost) / price, ``[N]``."""
    quantity = trajectory.state.quantity[1:]
    price = game.intercept - game.slope * quantity.sum(axis=2, keepdims=True)
    return _lerner(price, np.array(game.cost) + np.array(game.cost_slope) * quantity).mean(axis=(0, 1))


@measure("mean price", "EUR/MWh")
def cournot_price(game: CournotMarket, trajectory: Trajectory[CournotState]) -> float:
    """Return the mean price, EUR/MWh."""
    return float((game.intercept - game.slope * trajectory.state.quantity[1:].sum(axis=2)).mean())


@measure("welfare loss", "EUR/h")
def cournot_welfare_loss(game: CournotMarket, trajectory: Trajectory[CournotState]) -> float:
    """Return the welfare below that of price takers, EUR/h; a price taker's is the largest possible."""
    quantity = trajectory.state.quantity[1:]
    best = game.scripted(np.zeros((1, quantity.shape[2], 6)))[None, :, :, 0]
    return float((_cournot_welfare(game, best) - _cournot_welfare(game, quantity)).mean())


@measure("welfare", "of the largest", "share")
def cournot_welfare(game: CournotMarket, trajectory: Trajectory[CournotState]) -> float:
    """Return the welfare as a share of that of price takers, which is the largest possible."""
    quantity = trajectory.state.quantity[1:]
    best = game.scripted(np.zeros((1, quantity.shape[2], 6)))[None, :, :, 0]
    return float(_cournot_welfare(game, quantity).mean() / _cournot_welfare(game, best).mean())


@measure("distance to the equilibrium price", "EUR/MWh")
def cournot_price_distance(game: CournotMarket, trajectory: Trajectory[CournotState]) -> float:
    """Return how far prices are from the Nash equilibrium's, on average, EUR/MWh."""
    price = game.intercept - game.slope * trajectory.state.quantity[1:].sum(axis=2)
    return float(np.abs(price - solve_cournot(game).price).mean())


@measure("Lerner index")
def supply_function_lerner(game: SupplyFunctionMarket, trajectory: Trajectory[SupplyFunctionState]) -> Floats:
    """Return each firm's mean (price - marginal cost) / price, ``[N]``."""
    after = take_rows(trajectory.state, slice(1, None))
    marginal = np.array(game.cost) + np.array(game.cost_slope) * after.quantity
    return _lerner(after.price[:, :, None], marginal).mean(axis=(0, 1))


@measure("mean price", "EUR/MWh")
def supply_function_price(game: SupplyFunctionMarket, trajectory: Trajectory[SupplyFunctionState]) -> float:
    """Return the mean price, EUR/MWh."""
    return float(trajectory.state.price[1:].mean())


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
