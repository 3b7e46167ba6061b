"""First price: bidders who learn to shade their bids, beside the Bayes-Nash equilibrium.

Bidders see their own value alone and learn from what they earn. The equilibrium is known for bidders who are alike and
for unequal ones, and the gap of what was learned is certified at every checkpoint: no type and no bid is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from walras import agents
from walras.core.policy import Scripted
from walras.envs.auctions.sealed_bid_auction import SealedBidAuction
from walras.markets.auctions import FirstPrice as Format
from walras.markets.auctions import Uniform, optimal_revenue
from walras.scenarios.auctions import charts, measures
from walras.scenarios.auctions.charts import Level
from walras.scenarios.engine.measure import Measure
from walras.scenarios.engine.scenario import AbstractScenario, Chart, Method, Objective, Runs
from walras.scenarios.report import curves


@final
@dataclass(frozen=True)
class FirstPrice(AbstractScenario):
    """Bidders who learn in the first-price auction, beside the equilibrium and the truth."""

    highest: tuple[float, ...] = (1.0, 1.0)
    """Each bidder's highest value, money; values are even from 0."""
    reserve: float = 0.0
    """Least bid that wins, money."""
    steps: int = 40_000
    """Environment steps of training, an auction each."""
    checkpoints: int = 4
    """Times at which the learners are judged."""
    seeds: int = 3
    """Independent repetitions."""

    def game(self) -> SealedBidAuction:
        """Bid for one good."""
        return SealedBidAuction(Format(reserve=self.reserve), tuple(Uniform(0.0, high) for high in self.highest))

    def evaluation_episodes(self) -> int:
        """Judge by 2048 auctions a seed."""
        return 64

    def objective(self) -> Objective:
        """Play for utility."""
        return Objective("utility", "money")

    def methods(self) -> Mapping[str, Method | Runs]:
        """Compare learners with the equilibrium and with bids of the own value."""
        game = self.game()
        return {
            "learned": Method(agents.MAPPO(steps=self.steps, checkpoints=self.checkpoints), "MAPPO"),
            "equilibrium": Method(self.equilibrium().policy, "Bayes-Nash equilibrium", "reference"),
            "truthful": Method(Scripted(game), "own value"),
        }

    def agent_measures(self) -> Mapping[str, Measure]:
        """Measure the distance to equilibrium bids."""
        return {"distance": measures.bid_distance}

    def market_measures(self) -> Mapping[str, Measure]:
        """Measure revenue and efficiency."""
        return {"revenue": measures.revenue, "efficiency": measures.efficiency}

    def charts(self) -> Mapping[str, Chart]:
        """Show bids, the gap while learning, revenue and efficiency."""
        return {
            "Bids and gains forgone": charts.bids_chart(self.game, lambda: self.equilibrium().policy),
            "Gap to equilibrium": curves.gap_curve,
            "Revenue": charts.levels_chart("revenue", self._levels()),
            "Efficiency": charts.levels_chart("efficiency", {}),
        }

    def _levels(self) -> dict[str, Level]:
        alike = len(set(self.highest)) == 1
        most = {"optimal auction (Myerson)": lambda: optimal_revenue(Uniform(0.0, self.highest[0]), len(self.highest))}
        return most if alike else {}
