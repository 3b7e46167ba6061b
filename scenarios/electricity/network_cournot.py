"""Learning meets theory on a network: two firms at the ends of a line that learn, beside the equilibrium by conjecture.

Each firm sells at the price of its own bus. Small limits make each a monopolist at home; large ones join the markets.
The gap clears the network again after a deviation, so that it shows what the conjecture misses.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import final

from walras import agents
from walras.core.policy import Random, Scripted
from walras.envs.electricity.network_cournot_market import NetworkCournotMarket
from walras.markets.electricity.elastic_network import Consumers, Plant, Wire
from walras.scenarios.electricity import network_charts
from walras.scenarios.electricity import network_measures as measures
from walras.scenarios.engine.measure import Measure
from walras.scenarios.engine.scenario import AbstractScenario, Chart, Method, Objective, Runs
from walras.scenarios.report import curves


@dataclass(frozen=True)
class AbstractNetworkCournot(AbstractScenario):
    """Owners that learn quantities, beside the equilibrium by conjecture. A subclass says on which network, and how."""

    @abstractmethod
    def game(self) -> NetworkCournotMarket:
        """Return the market."""

    def evaluation(self) -> NetworkCournotMarket:
        """Judge in the market in which owners train."""
        return self.game()

    @abstractmethod
    def training(self) -> agents.SB3:
        """Return how owners learn."""

    def objective(self) -> Objective:
        """Play for profit."""
        return Objective("profit", "EUR/h")

    def methods(self) -> Mapping[str, Method | Runs]:
        """Compare learners with the equilibrium by conjecture, price takers and chance."""
        game, training = self.game(), self.training()
        return {
            "learned": Method(training, training.algorithm),
            "equilibrium": Method(self.solution.policy, "price differences stay", "reference"),
            "scripted": Method(Scripted(game), "price takers"),
            "random": Random(game),
        }

    def market_measures(self) -> Mapping[str, Measure]:
        """Measure price, congestion rent and welfare."""
        return {
            "price": measures.load_price,
            "rent": measures.congestion_rent,
            "welfare_loss": measures.network_welfare_loss,
        }

    def places(self) -> network_charts.Places:
        """Return latitude and longitude of buses; unknown by default."""
        return {}

    def charts(self) -> Mapping[str, Chart]:
        """Show prices on the network, and how the learners approach an equilibrium."""
        on = self.evaluation(), self.places()
        return {
            "Prices on the network, learned": partial(network_charts.learned_map, *on),
            "Prices on the network in equilibrium": partial(network_charts.reference_map, *on),
            "Gap to equilibrium": curves.gap_curve,
            "Profit while learning": curves.reward_curve,
        }


@final
@dataclass(frozen=True)
class NetworkCournot(AbstractNetworkCournot):
    """Firms at two ends of a line that learn quantities, beside the equilibrium by conjecture."""

    limit: float = 10.0
    """Limit of the line, MW."""
    intercept: tuple[float, float] = (100.0, 120.0)
    """Price at no consumption at each end, EUR/MWh."""
    slope: tuple[float, float] = (1.0, 0.5)
    """Fall of the price at each end, EUR/MWh per MW."""
    cost: tuple[float, float] = (10.0, 30.0)
    """Marginal cost of the firm at each end, EUR/MWh."""
    capacity: float = 200.0
    """Capacity of each firm, MW."""
    learner: str = "PPO"
    """PPO, SAC or TD3."""
    steps: int = 40_000
    """Environment steps of training."""
    checkpoints: int = 4
    """Times at which the learners are judged."""
    seeds: int = 3
    """Independent repetitions."""

    def game(self) -> NetworkCournotMarket:
        """Train in the market."""
        ends = ("west", "east")
        plants = tuple(Plant(end, end, c, 0.0, self.capacity) for end, c in zip(ends, self.cost, strict=True))
        demand = zip(ends, self.intercept, self.slope, strict=True)
        return NetworkCournotMarket(plants, tuple(Consumers(*each) for each in demand), (Wire(*ends, 1.0, self.limit),))

    def training(self) -> agents.SB3:
        """Train one learner a firm."""
        return agents.SB3(self.learner, steps=self.steps, checkpoints=self.checkpoints)
