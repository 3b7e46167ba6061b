"""A buyer and a seller who both name a price, and learn how much to ask for.

Trade that is worth while is lost as both shade. For k = 1/2 and even types, the linear equilibrium of Chatterjee
and Samuelson realises 27/32 of the gains from trade, which no mechanism exceeds. It is one of a continuum, and learners
may end near another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from walras.envs.auctions.double_auction import DoubleAuction as Game
from walras.scenarios.auctions import measures
from walras.scenarios.auctions.base import AbstractAuction, by_weights
from walras.scenarios.auctions.charts import Level
from walras.scenarios.engine.measure import Measure
from walras.scenarios.engine.scenario import Method, Objective


@final
@dataclass(frozen=True)
class DoubleAuction(AbstractAuction):
    """A buyer and a seller who learn to name prices, beside the linear equilibrium and the truth."""

    k: float = 0.5
    """Weight of the bid in the price."""
    rounds: int = 1_000
    """Rounds of exponential weights on a grid of offers."""

    known: ClassVar[str] = "linear equilibrium"
    truth: ClassVar[str] = "own value or cost"
    bids: ClassVar[str] = "Offers"

    def game(self) -> Game:
        """Trade one good, value and cost even on [0, 1]."""
        return Game(self.k)

    def more(self) -> Mapping[str, Method]:
        """Let both follow exponential weights, too."""
        return by_weights(self.rounds, self.checkpoints)

    def objective(self) -> Objective:
        """Play for gains from trade."""
        return Objective("gain", "money")

    def market_measures(self) -> Mapping[str, Measure]:
        """Measure efficiency and how often there is trade."""
        return {"efficiency": measures.efficiency, "trades": measures.sold}

    def levels(self) -> Mapping[str, Mapping[str, Level]]:
        """Draw efficiency, with its bound for k = 1/2, and how often there is trade."""
        most = "most of any mechanism in equilibrium (Myerson and Satterthwaite)"
        return {"efficiency": {most: lambda: 27 / 32}, "trades": {}}
