"""Measures of markets on networks: what consumers pay, congestion rent, lost welfare."""

import numpy as np

from walras.core.rollout import Trajectory
from walras.core.typing import Floats
from walras.envs.electricity.network_cournot_market import NetworkCournotMarket, NetworkCournotState
from walras.scenarios.engine.measure import measure


@measure("mean price of consumption", "EUR/MWh")
def load_price(game: NetworkCournotMarket, trajectory: Trajectory[NetworkCournotState]) -> float:
    """Return what consumers pay for a MWh, on average over what they buy, EUR/MWh."""
    price = trajectory.state.price[1:]
    bought = np.maximum(game.network.demand(price), 0.0)
    return float(np.sum(price * bought) / np.maximum(np.sum(bought), np.finfo(np.float64).tiny))


@measure("congestion rent", "EUR/h")
def congestion_rent(game: NetworkCournotMarket, trajectory: Trajectory[NetworkCournotState]) -> float:
    """Return what consumers pay above what units receive, EUR/h."""
    price, output = trajectory.state.price[1:], trajectory.state.output[1:]
    paid = np.sum(price * game.network.demand(price), axis=2)
    earned = np.sum(price[..., game.bus[game.units]] * output, axis=(2, 3))
    return float(np.mean(paid - earned))


@measure("welfare loss", "EUR/h")
def network_welfare_loss(game: NetworkCournotMarket, trajectory: Trajectory[NetworkCournotState]) -> float:
    """Return the welfare below that of price takers, EUR/h, which is the largest that the network allows."""
    best = game.cleared(game.conjectured(0.0)[None])
    after = trajectory.state
    return float(_welfare(game, best.output, best.price)[0] - _welfare(game, after.output[1:], after.price[1:]).mean())


def _welfare(game: NetworkCournotMarket, output: Floats, price: Floats) -> Floats:
    """Return what consumption is worth less what output costs, ``[...]`` EUR/h."""
    worth = np.sum(game.network.weight * (game.network.intercept**2 - price**2), axis=-1) / 2
    return worth - np.sum((game.cost + game.cost_slope * output / 2) * output, axis=(-2, -1))
