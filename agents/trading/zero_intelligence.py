"""Zero-intelligence traders: offers drawn at random, but none at which the agent would lose [1].

Their markets tell what trade itself achieves, and what traders add to it. Gode and Sunder's traders have one value or
cost a unit, and trade when offers cross. Here a trade is worth what the other offers leave to it, its
`walras.markets.trading.reservation` price: a buyer bids evenly between the lowest offer and that, a seller asks evenly
between that and the highest. Offers of others that belong to its best bundle it takes, and keeps taking.

References
----------
[1] D. K. Gode, S. Sunder, Allocative efficiency of markets with zero-intelligence traders: market as a partial
    substitute for individual rationality, Journal of Political Economy 101, 1993.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from walras.core.game import Actions
from walras.core.typing import Floats
from walras.envs.trading.trading_network_game import TradingNetworkGame
from walras.markets.trading.reservation import reservation_prices


@final
@dataclass(frozen=True)
class ZeroIntelligence:
    """All agents of a trading network draw their offers between their reservation prices and the end of the range.

    Raises
    ------
    TypeError
        If the game is no trading network.
    """

    game: TradingNetworkGame

    def __post_init__(self) -> None:
        if not isinstance(self.game, TradingNetworkGame):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller may err
            raise TypeError(f"`game` must be a TradingNetworkGame; got {type(self.game).__name__}.")

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Draw offers, ``[B, N, D]`` money."""
        width, (low, high) = self.game.degree, self.game.bounds
        counter = observation[..., 2 * width : 3 * width]
        limit, taken = np.zeros(counter.shape), np.zeros(counter.shape, dtype=np.bool_)
        for agent, valuation in enumerate(self.game.network.agents):
            own = valuation.degree
            seen = counter[..., agent, :own]
            limit[..., agent, :own], taken[..., agent, :own] = (
                reservation_prices(valuation, seen),
                valuation.demand(seen),
            )
        end = np.where(self.game.side > 0, low, high)
        drawn = end + rng.random(counter.shape) * (np.clip(limit, low, high) - end)
        return np.where(taken, counter, drawn)
