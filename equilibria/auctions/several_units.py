"""Auctions of several units: known equilibria in bids for each further unit; their gap is searched."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from walras.core.game import Actions
from walras.core.policy import pure
from walras.core.typing import Floats
from walras.envs.auctions.multi_unit_auction import MultiUnitAuction
from walras.equilibria.auctions.solutions import KRISHNA, AuctionSolution, known
from walras.markets.auctions import Discriminatory, Uniform, UniformPrice, Vickrey


@final
@dataclass(frozen=True)
class MarginalBids:
    """A strategy of one bidder: from marginal values ``[..., M]`` to bids ``[..., M]``."""

    formula: Callable[[Floats], Floats]

    def __call__(self, types: Floats) -> Floats:
        """Return the bids."""
        return self.formula(types)

    def cells(self, edges: Floats) -> tuple[Floats, Floats]:
        """Return bounds at the ends of cells of constant marginal values."""
        bids = self.formula(edges[:, None])[:, 0]
        return bids[:-1], bids[1:]


@final
@dataclass(frozen=True, eq=False)
class MarginalBidding:
    """A policy of such strategies."""

    strategies: tuple[MarginalBids, ...]
    demand: int

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the bids ``[B, N, M]``."""
        values = observation[:, :, : self.demand]
        return np.stack([strategy(values[:, i]) for i, strategy in enumerate(self.strategies)], axis=1)

    def mixture(self, observation: Floats) -> tuple[Floats, Actions]:
        """Return the one bid of each bidder, with weight 1."""
        return pure(self.act(observation, np.random.default_rng(0)))


def solve_multi_unit(game: MultiUnitAuction) -> AuctionSolution:
    """Return a known equilibrium of an auction of several units.

    Raises
    ------
    ValueError
        If none is known for this format, number of units and bidders, and prior.
    """
    unit = game.prior == Uniform()
    match game.format:
        case Vickrey():
            return _told(game, lambda v: v, "W. Vickrey, 1961", unique=False)
        case UniformPrice(units=2, pricing="first_rejected") if game.players == 2 and game.demand == 2 and unit:
            return _told(game, lambda v: v * [1.0, 0.0], KRISHNA, unique=False)
        case UniformPrice(units=3, pricing="first_rejected") if game.players == 2 and game.demand == 2 and unit:
            return _told(game, lambda v: np.stack((v[..., 0], v[..., 1] ** 2), axis=-1), KRISHNA, unique=None)
        case Discriminatory(units=2) if game.players == 2 and game.demand == 2 and unit and game.constant:
            return _told(game, lambda v: v / 2, KRISHNA, unique=None)
        case _:
            raise ValueError(f"`format` must be one with a known equilibrium; got {game.format!r} in {game!r}.")


def _told(
    game: MultiUnitAuction, formula: Callable[[Floats], Floats], source: str, unique: bool | None
) -> AuctionSolution:
    strategies = (MarginalBids(formula),) * game.players
    told = known(game, strategies, "closed form", source, unique=unique)
    return replace(told, policy=MarginalBidding(strategies, game.demand))
