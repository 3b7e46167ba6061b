"""Measures of storages: how far prices of a day lie apart, and lost welfare."""

from walras.core.rollout import Trajectory
from walras.envs.electricity.storage_market import StorageMarket, StorageState
from walras.scenarios.engine.measure import measure


@measure("spread of prices", "EUR/MWh")
def price_spread(game: StorageMarket, trajectory: Trajectory[StorageState]) -> float:
    """Return the mean standard deviation of the prices of an episode, EUR/MWh: storages lower it."""
    return float(trajectory.state.price[1:].std(axis=0).mean())


@measure("welfare loss", "EUR a day")
def storage_welfare_loss(game: StorageMarket, trajectory: Trajectory[StorageState]) -> float:
    """Return the surplus of an episode below that of price takers, EUR: the largest that storages can make."""
    takers, sold = game.schedules(0.0).sum(axis=1), trajectory.state.sold[1:].sum(axis=2)
    return float(game.surplus(takers) - game.surplus(sold).mean())
