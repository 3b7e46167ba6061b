"""What the scenarios of sealed bids share: who learns, what it is compared with, and what is shown of it."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from walras import agents
from walras.core.policy import Scripted
from walras.scenarios.auctions import charts, measures
from walras.scenarios.engine.measure import Measure
from walras.scenarios.engine.scenario import AbstractScenario, Chart, Method, Objective, Runs
from walras.scenarios.report import curves


@dataclass(frozen=True)
class AbstractAuction(AbstractScenario):
    """Bidders who see their own type alone and learn, beside an equilibrium and the truth. A subclass says the game."""

    steps: int = 40_000
    """Environment steps of training, an auction each."""
    checkpoints: int = 4
    """Times at which the learners are judged."""
    seeds: int = 3
    """Independent repetitions."""

    known: ClassVar[str] = "Bayes-Nash equilibrium"
    """Which equilibrium the learners are compared with."""
    truth: ClassVar[str] = "own value"
    """What those bid who tell the truth."""
    bids: ClassVar[str] = "Bids"
    """What is drawn against the type."""

    def evaluation_episodes(self) -> int:
        """Judge by 2048 auctions a seed."""
        return 64

    def objective(self) -> Objective:
        """Play for utility."""
        return Objective("utility", "money")

    def methods(self) -> Mapping[str, Method | Runs]:
        """Compare learners with the equilibrium and with the truth."""
        return {
            "learned": Method(agents.MAPPO(steps=self.steps, checkpoints=self.checkpoints), "MAPPO"),
            **self.more(),
            "equilibrium": Method(self.solution.policy, self.known, "reference"),
            "truthful": Method(Scripted(self.game()), self.truth),
        }

    def more(self) -> Mapping[str, Method]:
        """Return further learners, where the game allows for them."""
        return {}

    def agent_measures(self) -> Mapping[str, Measure]:
        """Measure the distance to equilibrium bids."""
        return {"distance": measures.bid_distance}

    def market_measures(self) -> Mapping[str, Measure]:
        """Measure revenue and efficiency."""
        return {"revenue": measures.revenue, "efficiency": measures.efficiency}

    @abstractmethod
    def levels(self) -> Mapping[str, Mapping[str, charts.Level]]:
        """Return the measures of the market that are drawn, each with the levels that are known of it."""

    def charts(self) -> Mapping[str, Chart]:
        """Show bids, the gap while learning, and the measures of the market."""
        drawn = {name.capitalize(): charts.levels_chart(name, known) for name, known in self.levels().items()}
        return {
            f"{self.bids} and gains forgone": charts.bids_chart(self.game, lambda: self.solution.policy),
            "Gap to equilibrium": curves.gap_curve,
            **drawn,
        }


def by_weights(rounds: int, checkpoints: int) -> Mapping[str, Method]:
    """Return bidders by exponential weights, who are told what each bid of a grid would have earned."""
    return {"weights": Method(agents.ExponentialWeights(rounds, checkpoints), "exponential weights")}
