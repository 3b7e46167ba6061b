"""Measures of auctions: what the seller earns, and how much of the worth of goods is realised."""

from typing import Any

import numpy as np

from walras.core.rollout import Trajectory
from walras.core.typing import Floats
from walras.envs.auctions.double_auction import DoubleAuction
from walras.envs.auctions.llg_auction import LLGAuction
from walras.envs.auctions.rounds import AuctionState
from walras.equilibria.solve import found_once
from walras.scenarios.engine.measure import measure


@measure("revenue of an auction", "money")
def revenue(game: Any, trajectory: Trajectory[AuctionState]) -> float:  # noqa: ANN401 - any auction
    """Return what all bidders pay in an auction, on average, money."""
    return float(trajectory.state.payment[1:].sum(axis=-1).mean())


@measure("efficiency", "of the worth that could be had", "share")
def efficiency(game: Any, trajectory: Trajectory[AuctionState]) -> float:  # noqa: ANN401 - any auction
    """Return the worth of what is sold, as a share of the most that goods could be worth."""
    state = trajectory.state
    value, won = state.value[:-1, ..., 0], state.won[1:, ..., 0]
    return float((value * won).sum() / most_worth(game, value).sum())


@measure("distance to equilibrium bids", "of the largest bid", "share")
def bid_distance(game: Any, trajectory: Trajectory[AuctionState]) -> Floats:  # noqa: ANN401 - any auction
    """Return each bidder's mean distance from its equilibrium bid, ``[N]``, as a share of the largest bid allowed."""
    seen = trajectory.observation[: len(trajectory.action)]
    flat = seen.reshape(-1, *seen.shape[2:])
    known = found_once(game).policy.act(flat, np.random.default_rng(0)).reshape(trajectory.action.shape)
    return np.abs(trajectory.action - known)[..., 0].mean(axis=(0, 1)) / game.action_space.high[0]


@measure("share of auctions with a sale", "of auctions", "share")
def sold(game: Any, trajectory: Trajectory[AuctionState]) -> float:  # noqa: ANN401 - any auction
    """Return the share of auctions in which something is sold."""
    return float(np.any(trajectory.state.won[1:, ..., 0] > 0, axis=-1).mean())


def most_worth(game: Any, value: Floats) -> Floats:  # noqa: ANN401 - any auction
    """Return the most that an auction's goods could be worth, ``[...]``, given values ``[..., N]``."""
    if isinstance(game, DoubleAuction):
        return np.maximum(value[..., 0] - value[..., 1], 0.0)
    if isinstance(game, LLGAuction):
        return np.maximum(value[..., 0] + value[..., 1], value[..., 2])
    return value.max(axis=-1)
