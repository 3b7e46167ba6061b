"""What the scenarios of trading networks share: who trades, how they are judged, and the learner.

Agents post bids and asks in turn. The best-response dynamic, zero-intelligence traders and learners that share one
policy meet in the same market, whose competitive equilibrium and interval of equilibrium prices are known.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial

from walras import agents
from walras.agents.trading.zero_intelligence import ZeroIntelligence
from walras.core.checks import require
from walras.core.concept import Concept
from walras.core.learner import Learner
from walras.core.policy import Random, Scripted
from walras.envs import TradingNetworkGame
from walras.markets.trading.trading_network import TradingNetwork
from walras.scenarios.engine.measure import Measure
from walras.scenarios.engine.scenario import AbstractScenario, Chart, Method, Objective, Runs
from walras.scenarios.report import curves
from walras.scenarios.trading import measures
from walras.scenarios.trading.charts import gap_chart, market_chart, price_chart

NUM_ENVS = 128
"""Concurrent markets in which the learner trains."""


@dataclass(frozen=True)
class AbstractTrading(AbstractScenario):
    """Traders on a network, beside its competitive equilibrium. A subclass says which network.

    Raises
    ------
    ValueError
        If a number is less than 1.
    """

    movers: int = 2
    """Agents that may change their offers at each step."""
    horizon: int = 800
    """Steps until the market closes."""
    practice: int = 8
    """Steps of the markets in which the learner trains; there all agents may move at each."""
    steps: int = 200_000
    """Environment steps of training; none, and nobody learns."""
    checkpoints: int = 10
    """Times at which the learner is judged."""
    draw: int = 2
    """Seed of the network's numbers."""
    seeds: int = 5
    """Independent repetitions: of first offers, turns, and learning."""

    def __post_init__(self) -> None:
        for name in ("horizon", "practice", "checkpoints"):
            require(getattr(self, name) >= 1, name, "be at least 1", getattr(self, name))
        require(self.steps >= 0, "steps", "be at least 0", self.steps)

    @abstractmethod
    def network(self) -> TradingNetwork:
        """Return who trades with whom."""

    @cached_property
    def _network(self) -> TradingNetwork:
        return self.network()

    def game(self) -> TradingNetworkGame:
        """Train in markets that close soon and in which all agents move at once."""
        return TradingNetworkGame(self._network, movers=len(self._network.agents), horizon=self.practice)

    def evaluation(self) -> TradingNetworkGame:
        """Judge in a market that stays open."""
        return TradingNetworkGame(self._network, movers=self.movers, horizon=self.horizon)

    def concept(self) -> Concept:
        """Judge by what agents want at the prices that came out."""
        return Concept.COMPETITIVE

    def objective(self) -> Objective:
        """Play for a part of the gains from trade."""
        meaning = "what more an agent would earn by its best trades at the closing prices: zero for all is equilibrium"
        return Objective("gains from trade", "", "regret", meaning, "the gains from trade", of="episode")

    def methods(self) -> Mapping[str, Method | Runs]:
        """Compare the dynamic, chance within budgets, and what learns."""
        game = self.evaluation()
        scripted: dict[str, Method | Runs] = {
            "equilibrium": Method(self.solution.policy, "competitive equilibrium", "reference"),
            "best_response_dynamic": Scripted(game),
            "zero_intelligence": ZeroIntelligence(game),
            "random": Random(game),
        }
        return scripted | ({"shared_ppo": Method(self._learner(), "shared PPO")} if self.steps else {})

    def market_measures(self) -> Mapping[str, Measure]:
        """Measure what is realised, at what prices, and how soon."""
        return {
            "realised": measures.realised_gains,
            "price_distance": measures.price_distance,
            "regret": measures.total_regret,
        }

    def charts(self) -> Mapping[str, Chart]:
        """Show the market, prices on their way, and the gap."""
        game = self.evaluation()
        learned: dict[str, Chart] = {"Learning": curves.gap_curve} if self.steps else {}
        return {
            "Trades and prices": partial(market_chart, game),
            "Bids and asks": partial(price_chart, game),
            "Distance from equilibrium": partial(gap_chart, game),
        } | learned

    def _learner(self) -> Learner:
        """Return one policy that all agents share, by proximal policy optimisation."""
        return agents.IPPO(
            steps=self.steps,
            checkpoints=self.checkpoints,
            play="greedy",
            num_envs=NUM_ENVS,
            rollout_steps=self.practice,
            minibatches=16,
            actors="shared",
            critics="shared",
            discount=1.0,
            learning_rate=1e-3,
        )


def by_role(network: TradingNetwork, roles: Mapping[str, int]) -> TradingNetwork:
    """Return the same network, its agents named by what they are: so many of each role, in their order."""
    return replace(network, names=[f"{role}_{k}" for role, count in roles.items() for k in range(count)])
