"""A buyer and a seller who both name a price, and learn how much to ask for.

Trade that is worth while is lost as both shade. For k = 1/2 and even types, the linear equilibrium of Chatterjee
and Samuelson realises 27/32 of the gains from trade, which no mechanism exceeds. It is one of a continuum, and learners
may end near another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from walras import agents
from walras.core.policy import Scripted
from walras.envs.auctions.double_auction import DoubleAuction as Game
from walras.scenarios.auctions import charts, measures
from walras.scenarios.auctions.charts import Level
from walras.scenarios.engine.measure import Measure
from walras.scenarios.engine.scenario import AbstractScenario, Chart, Method, Objective, Runs
from walras.scenarios.report import curves


@final
@dataclass(frozen=True)
class DoubleAuction(AbstractScenario):
    """A buyer and a seller who learn to name prices, beside the linear equilibrium and the truth."""

    k: float = 0.5
    """Weight of the bid in the price."""
    steps: int = 40_000
    """Environment steps of training, a negotiation each."""
    checkpoints: int = 4
    """Times at which the learners are judged."""
    seeds: int = 3
    """Independent repetitions."""

    def game(self) -> Game:
        """Trade one good, value and cost even on [0, 1]."""
        return Game(self.k)

    def evaluation_episodes(self) -> int:
        """Judge by 2048 negotiations a seed."""
        return 64

    def objective(self) -> Objective:
        """Play for gains from trade."""
        return Objective("gain", "money")

    def methods(self) -> Mapping[str, Method | Runs]:
        """Compare learners with the linear equilibrium and with the truth."""
        game = self.game()
        return {
            "learned": Method(agents.MAPPO(steps=self.steps, checkpoints=self.checkpoints), "MAPPO"),
            "equilibrium": Method(self.equilibrium().policy, "linear equilibrium", "reference"),
            "truthful": Method(Scripted(game), "own value or cost"),
        }

    def agent_measures(self) -> Mapping[str, Measure]:
        """Measure the distance to equilibrium offers."""
        return {"distance": measures.bid_distance}

    def market_measures(self) -> Mapping[str, Measure]:
        """Measure efficiency and how often there is trade."""
        return {"efficiency": measures.efficiency, "trades": measures.sold}

    def charts(self) -> Mapping[str, Chart]:
        """Show offers, the gap while learning, efficiency and how often there is trade."""
        return {
            "Offers and gains forgone": charts.bids_chart(self.game, lambda: self.equilibrium().policy),
            "Gap to equilibrium": curves.gap_curve,
            "Efficiency": charts.levels_chart("efficiency", self._bound()),
            "Trades": charts.levels_chart("trades", {}),
        }

    def _bound(self) -> dict[str, Level]:
        return {"most that any mechanism realises (Myerson and Satterthwaite)": lambda: 27 / 32}
