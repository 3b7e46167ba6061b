"""Learning meets theory: firms that learn affine supply functions, beside the linear supply function equilibrium.

Demand is drawn after the offers are made, so a firm must choose a whole curve. Each trains a learner of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from walras import agents
from walras.agents.best_response import BestResponse
from walras.core.policy import Random, Scripted
from walras.envs.electricity.supply_function_market import SupplyFunctionMarket
from walras.scenarios.electricity import measures
from walras.scenarios.engine.measure import Measure
from walras.scenarios.engine.scenario import AbstractScenario, Chart, Method, Objective, Runs
from walras.scenarios.measures import equilibrium_distance
from walras.scenarios.report import curves


@final
@dataclass(frozen=True)
class SupplyFunction(AbstractScenario):
    """Firms that learn supply functions, beside the linear supply function equilibrium."""

    demand: tuple[float, ...] = (40.0, 60.0, 100.0)
    """Equally likely demand at price zero, MW."""
    demand_slope: float = 0.7
    """Fall of demand, MW per EUR/MWh."""
    cost: tuple[float, ...] = (10.0, 12.0, 9.0)
    """Marginal cost of each firm at zero, EUR/MWh."""
    cost_slope: tuple[float, ...] = (0.5, 0.8, 1.2)
    """Slope of marginal cost, EUR/MWh per MW."""
    learner: str = "PPO"
    """PPO, SAC or TD3."""
    steps: int = 40_000
    """Environment steps of training."""
    checkpoints: int = 8
    """Times at which the learners are judged."""
    seeds: int = 5
    """Independent repetitions."""

    def game(self) -> SupplyFunctionMarket:
        """Train in the market."""
        return SupplyFunctionMarket(self.demand, self.demand_slope, self.cost, self.cost_slope)

    def objective(self) -> Objective:
        """Play for profit."""
        return Objective("profit", "EUR/h")

    def methods(self) -> Mapping[str, Method | Runs]:
        """Compare learners with equilibrium, dynamics, marginal-cost offers and chance."""
        game = self.game()
        return {
            "learned": Method(agents.SB3(self.learner, steps=self.steps, checkpoints=self.checkpoints), self.learner),
            "equilibrium": Method(self.solution.policy, "Nash equilibrium", "reference"),
            "best_response": BestResponse(game),
            "scripted": Method(Scripted(game), "offers at marginal cost"),
            "random": Random(game),
        }

    def agent_measures(self) -> Mapping[str, Measure]:
        """Measure mark-ups and the distance to the equilibrium."""
        return {"lerner": measures.supply_function_lerner, "distance": equilibrium_distance}

    def market_measures(self) -> Mapping[str, Measure]:
        """Measure the price."""
        return {"price": measures.supply_function_price}

    def charts(self) -> Mapping[str, Chart]:
        """Show how the learners approach the equilibrium."""
        return {"Gap to equilibrium": curves.gap_curve, "Profit while learning": curves.reward_curve}
