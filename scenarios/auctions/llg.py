"""Two locals against a global bidder: what core-selecting rules teach those who learn.

Together the locals must outbid the global, and each would rather let the other pay. Ausubel and Baranov's equilibria of
three rules tell how much each rule lets them ride free.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from walras.envs.auctions.llg_auction import LLGAuction
from walras.markets.auctions.packages import Rule
from walras.scenarios.auctions.base import AbstractAuction
from walras.scenarios.auctions.charts import Level


@final
@dataclass(frozen=True)
class LLG(AbstractAuction):
    """Locals who learn under a core-selecting rule, beside the equilibrium and the truth."""

    rule: Rule = "nearest_vcg"
    """nearest_zero, nearest_vcg, nearest_bid or first_price."""
    correlation: float = 0.0
    """Probability with which both locals have the same value."""

    def game(self) -> LLGAuction:
        """Bid for two goods, against a global bidder who bids its value."""
        return LLGAuction(self.rule, self.correlation)

    def levels(self) -> Mapping[str, Mapping[str, Level]]:
        """Draw revenue, with that of Vickrey, Clarke and Groves where all values are independent, and efficiency."""
        vcg: dict[str, Level] = {"Vickrey-Clarke-Groves in equilibrium": lambda: 7 / 12}
        return {"revenue": vcg if self.correlation == 0 else {}, "efficiency": {}}
