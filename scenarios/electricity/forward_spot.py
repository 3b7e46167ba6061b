"""Firms that learn to sell ahead: a forward market makes them compete, and costs them profit.

Beside the learners stand the subgame-perfect equilibrium, in which half of the output of two firms is sold ahead, and
Cournot's market, in which nothing is.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from walras import agents
from walras.core.policy import Random, Scripted
from walras.envs.electricity.forward_spot_market import ForwardSpotMarket
from walras.scenarios.electricity import forward_spot_measures as measures
from walras.scenarios.engine.measure import Measure
from walras.scenarios.engine.scenario import AbstractScenario, Chart, Method, Objective, Runs
from walras.scenarios.report import curves


@dataclass(frozen=True)
class AbstractForwardSpot(AbstractScenario):
    """Firms that learn to sell ahead, beside the equilibrium. A subclass says in which market, and how."""

    @abstractmethod
    def training(self) -> agents.SB3:
        """Return how firms learn."""

    def objective(self) -> Objective:
        """Play for profit."""
        return Objective("profit", "EUR a step")

    def methods(self) -> Mapping[str, Method | Runs]:
        """Compare learners with the equilibrium, a market without forwards, and chance."""
        game, training = self.game(), self.training()
        return {
            "learned": Method(training, training.algorithm),
            "equilibrium": Method(self.solution.policy, "subgame-perfect equilibrium", "reference"),
            "scripted": Method(Scripted(game), "no forwards"),
            "random": Random(game),
        }

    def market_measures(self) -> Mapping[str, Measure]:
        """Measure the spot price and what is sold ahead."""
        return {"price": measures.spot_price, "ahead": measures.share_ahead}

    def charts(self) -> Mapping[str, Chart]:
        """Show how the learners approach the equilibrium."""
        return {"Gap to equilibrium": curves.gap_curve, "Profit while learning": curves.reward_curve}


@final
@dataclass(frozen=True)
class ForwardSpot(AbstractForwardSpot):
    """Firms that learn to sell ahead, beside the subgame-perfect equilibrium and a market without forwards."""

    intercept: float = 100.0
    """Price at no consumption, EUR/MWh."""
    slope: float = 1.0
    """Fall of the price, EUR/MWh per MWh."""
    cost: tuple[float, ...] = (10.0, 10.0)
    """Marginal cost of each firm, EUR/MWh."""
    learner: str = "PPO"
    """PPO, SAC or TD3."""
    steps: int = 40_000
    """Environment steps of training, two a delivery."""
    checkpoints: int = 4
    """Times at which the learners are judged."""
    seeds: int = 3
    """Independent repetitions."""

    def game(self) -> ForwardSpotMarket:
        """Train on one delivery after another."""
        return ForwardSpotMarket(self.intercept, self.slope, self.cost)

    def training(self) -> agents.SB3:
        """Train one learner a firm."""
        return agents.SB3(self.learner, steps=self.steps, checkpoints=self.checkpoints)
