"""Storages that learn to trade the hours of a day, beside the open-loop equilibrium and price takers.

Each storage moves the prices at which it buys and sells, so it trades less than price takers would, and leaves prices
further apart. What a learner's schedule could still gain is played against the others as they are.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from walras import agents
from walras.core.policy import Random, Scripted
from walras.envs.electricity.storage_market import StorageMarket
from walras.scenarios.electricity import storage_charts
from walras.scenarios.electricity import storage_measures as measures
from walras.scenarios.engine.measure import Measure
from walras.scenarios.engine.scenario import AbstractScenario, Chart, Method, Objective, Runs
from walras.scenarios.report import curves


@dataclass(frozen=True)
class AbstractStorage(AbstractScenario):
    """Storages that learn to trade, beside equilibrium and price takers. A subclass says in which market, and how."""

    @abstractmethod
    def game(self) -> StorageMarket:
        """Return the market in which they train and are judged."""

    @abstractmethod
    def training(self) -> agents.SB3:
        """Return how storages learn."""

    def objective(self) -> Objective:
        """Play for profit."""
        return Objective("profit", "EUR/h")

    def methods(self) -> Mapping[str, Method | Runs]:
        """Compare learners with the open-loop equilibrium, price takers and chance.

        Against fixed offers no equilibrium is known, and price takers are the reference.
        """
        game, training = self.game(), self.training()
        known = game.supply == "linear"
        title = "open-loop equilibrium"
        return {
            "learned": Method(training, training.algorithm),
            **({"equilibrium": Method(self.solution.policy, title, "reference")} if known else {}),
            "scripted": Method(Scripted(game), "price takers", "" if known else "reference"),
            "random": Random(game),
        }

    def market_measures(self) -> Mapping[str, Measure]:
        """Measure how far prices lie apart, and welfare."""
        return {"spread": measures.price_spread, "welfare_loss": measures.storage_welfare_loss}

    def charts(self) -> Mapping[str, Chart]:
        """Show what storages hold under the price, and how the learners approach an equilibrium."""
        return {
            "State of charge": storage_charts.state_of_charge,
            "Gap to equilibrium": curves.gap_curve,
            "Profit while learning": curves.reward_curve,
        }


@final
@dataclass(frozen=True)
class Storage(AbstractStorage):
    """Storages that learn to trade the hours of a day, beside the open-loop equilibrium and price takers."""

    power: tuple[float, ...] = (60.0, 60.0)
    """Power of each storage at the grid, MW."""
    energy: tuple[float, ...] = (180.0, 120.0)
    """What each can hold, MWh."""
    efficiency: float = 0.81
    """Of a round trip."""
    slope: float = 0.1
    """Fall of the price a MW, EUR/MWh per MW."""
    learner: str = "PPO"
    """PPO, SAC or TD3."""
    steps: int = 40_000
    """Environment steps of training, hours."""
    checkpoints: int = 4
    """Times at which the learners are judged."""
    seeds: int = 3
    """Independent repetitions."""

    def game(self) -> StorageMarket:
        """Train on a day of low prices at night and high ones in the evening."""
        return StorageMarket(slope=self.slope, power=self.power, energy=self.energy, efficiency=self.efficiency)

    def training(self) -> agents.SB3:
        """Train one learner a storage."""
        return agents.SB3(self.learner, steps=self.steps, checkpoints=self.checkpoints)
