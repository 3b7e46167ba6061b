"""First price: bidders who learn to shade their bids, beside the Bayes-Nash equilibrium.

Bidders see their own value alone and learn from what they earn. The equilibrium is known for bidders who are alike and
for unequal ones, and the gap of what was learned is certified at every checkpoint: no type and no bid is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from walras.envs.auctions.sealed_bid_auction import SealedBidAuction
from walras.markets.auctions import FirstPrice as Format
from walras.markets.auctions import Uniform, optimal_revenue
from walras.scenarios.auctions.base import AbstractAuction, by_weights
from walras.scenarios.auctions.charts import Level
from walras.scenarios.engine.scenario import Method


@final
@dataclass(frozen=True)
class FirstPrice(AbstractAuction):
    """Bidders who learn in the first-price auction, beside the equilibrium and the truth."""

    highest: tuple[float, ...] = (1.0, 1.0)
    """Each bidder's highest value, money; values are even from 0."""
    reserve: float = 0.0
    """Least bid that wins, money."""
    rounds: int = 1_000
    """Rounds of exponential weights on a grid of bids."""

    def game(self) -> SealedBidAuction:
        """Bid for one good."""
        return SealedBidAuction(Format(reserve=self.reserve), tuple(Uniform(0.0, high) for high in self.highest))

    def more(self) -> Mapping[str, Method]:
        """Let bidders follow exponential weights, too."""
        return by_weights(self.rounds, self.checkpoints)

    def levels(self) -> Mapping[str, Mapping[str, Level]]:
        """Draw revenue, with the most of any auction in equilibrium where bidders are alike, and efficiency."""
        alike = len(set(self.highest)) == 1
        title = "most of any auction in equilibrium (Myerson)"
        most = {title: lambda: optimal_revenue(Uniform(0.0, self.highest[0]), len(self.highest))}
        return {"revenue": most if alike else {}, "efficiency": {}}
