"""Two locals against a global bidder: what core-selecting rules teach those who learn.

Together the locals must outbid the global, and each would rather let the other pay. Ausubel and Baranov's equilibria of
three rules tell how much each rule lets them ride free.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from walras import agents
from walras.core.policy import Scripted
from walras.envs.auctions.llg_auction import LLGAuction
from walras.markets.auctions.packages import Rule
from walras.scenarios.auctions import charts, measures
from walras.scenarios.engine.measure import Measure
from walras.scenarios.engine.scenario import AbstractScenario, Chart, Method, Objective, Runs
from walras.scenarios.report import curves


@final
@dataclass(frozen=True)
class LLG(AbstractScenario):
    """Locals who learn under a core-selecting rule, beside the equilibrium and the truth."""

    rule: Rule = "nearest_vcg"
    """nearest_zero, nearest_vcg, nearest_bid or first_price."""
    correlation: float = 0.0
    """Probability with which both locals have the same value."""
    steps: int = 40_000
    """Environment steps of training, an auction each."""
    checkpoints: int = 4
    """Times at which the learners are judged."""
    seeds: int = 3
    """Independent repetitions."""

    def game(self) -> LLGAuction:
        """Bid for two goods, against a global bidder who bids its value."""
        return LLGAuction(self.rule, self.correlation)

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
            "Revenue": charts.levels_chart("revenue", {"Vickrey-Clarke-Groves": lambda: 7 / 12}),
            "Efficiency": charts.levels_chart("efficiency", {}),
        }
