"""Measures of forward and spot markets: the spot price, and how much is sold ahead."""

import numpy as np

from walras.core.rollout import Trajectory
from walras.envs.electricity.forward_spot_market import ForwardSpotMarket, ForwardSpotState
from walras.scenarios.engine.measure import measure


@measure("mean spot price", "EUR/MWh")
def spot_price(game: ForwardSpotMarket, trajectory: Trajectory[ForwardSpotState]) -> float:
    """Return the mean price of deliveries, EUR/MWh."""
    return float(trajectory.state.price[2::2].mean())


@measure("share sold ahead", "of what is produced", "share")
def share_ahead(game: ForwardSpotMarket, trajectory: Trajectory[ForwardSpotState]) -> float:
    """Return what is sold forward as a share of what is produced."""
    state = trajectory.state
    produced = state.quantity[2::2].sum()
    return float(state.forward[1::2].sum() / np.maximum(produced, np.finfo(np.float64).tiny))
