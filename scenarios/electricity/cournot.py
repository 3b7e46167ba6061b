"""Learning meets theory: Cournot firms that learn by themselves, beside their Nash equilibrium.

Three firms with constant marginal cost sell into linear demand. Each trains a learner of its own and sees only the last
outcome. Best-response dynamics and price takers stand beside them; the distance is measured to the unique equilibrium.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from walras import agents
from walras.agents.best_response import BestResponse
from walras.core.policy import Random, Scripted
from walras.envs.electricity.cournot_market import CournotMarket
from walras.scenarios.electricity import measures
from walras.scenarios.engine.measure import Measure
from walras.scenarios.engine.scenario import AbstractScenario, Chart, Method, Objective, Runs
from walras.scenarios.measures import equilibrium_distance
from walras.scenarios.report import curves


@final
@dataclass(frozen=True)
class Cournot(AbstractScenario):
    """Cournot firms that learn, beside their Nash equilibrium."""

    intercept: float = 100.0
    """Price at no supply, EUR/MWh."""
    slope: float = 1.0
    """Fall of the price, EUR/MWh per MW."""
    cost: tuple[float, ...] = (10.0, 10.0, 10.0)
    """Marginal cost of each firm at zero, EUR/MWh."""
    cost_slope: tuple[float, ...] = (0.0,)
    """Slope of marginal cost, one for all or one a firm, EUR/MWh per MW."""
    learner: str = "PPO"
    """PPO, SAC or TD3."""
    steps: int = 40_000
    """Environment steps of training."""
    checkpoints: int = 8
    """Times at which the learners are judged."""
    seeds: int = 5
    """Independent repetitions."""

    def game(self) -> CournotMarket:
        """Train in the market."""
        return CournotMarket(self.intercept, self.slope, self.cost, self.cost_slope)

    def objective(self) -> Objective:
        """Play for profit."""
        return Objective("profit", "EUR/h")

    def methods(self) -> Mapping[str, Method | Runs]:
        """Compare learners with equilibrium, dynamics, price takers and chance."""
        game = self.game()
        return {
            "learned": Method(agents.SB3(self.learner, steps=self.steps, checkpoints=self.checkpoints), self.learner),
            "equilibrium": Method(self.solution.policy, "Nash equilibrium", "reference"),
            "best_response": BestResponse(game),
            "scripted": Method(Scripted(game), "price takers"),
            "random": Random(game),
        }

    def agent_measures(self) -> Mapping[str, Measure]:
        """Measure mark-ups and the distance to the equilibrium."""
        return {"lerner": measures.cournot_lerner, "distance": equilibrium_distance}

    def market_measures(self) -> Mapping[str, Measure]:
        """Measure price and welfare."""
        return {"price": measures.cournot_price, "welfare_loss": measures.cournot_welfare_loss}

    def charts(self) -> Mapping[str, Chart]:
        """Show how the learners approach the equilibrium."""
        return {"Gap to equilibrium": curves.gap_curve, "Profit while learning": curves.reward_curve}
