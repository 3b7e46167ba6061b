"""Measures of storages: how far prices of a day lie apart, and lost welfare."""

import numpy as np

from walras.core.rollout import Trajectory
from walras.core.typing import Floats
from walras.envs.electricity.storage_market import StorageMarket, StorageState
from walras.scenarios.engine.measure import measure


@measure("spread of prices", "EUR/MWh")
def price_spread(game: StorageMarket, trajectory: Trajectory[StorageState]) -> float:
    """Return the mean standard deviation of the prices of an episode, EUR/MWh: storages lower it."""
    return float(trajectory.state.price[1:].std(axis=0).mean())


@measure("welfare loss", "EUR a day")
def storage_welfare_loss(game: StorageMarket, trajectory: Trajectory[StorageState]) -> float:
    """Return the surplus of an episode below that of price takers, EUR: the largest that storages can make."""
    return float(_surplus(game, game.schedules(0.0)[:, None])[0] - _surplus(game, trajectory.state.sold[1:]).mean())


def _surplus(game: StorageMarket, sold: Floats) -> Floats:
    """Return what all gain from ``sold [T, B, N]``, ``[B]`` EUR: the area under the demand for it."""
    total = np.sum(sold, axis=2)
    return np.sum((game.a[:, None] - game.b[:, None] * total / 2) * total, axis=0)
