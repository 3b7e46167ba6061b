"""What the scenarios of trading networks share: who trades, how they are judged, and the learner.

Agents post bids and asks in turn. The best-response dynamic, zero-intelligence traders and learners that share one
policy meet in the same market, whose competitive equilibrium and interval of equilibrium prices are known.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from walras.agents.trading.zero_intelligence import ZeroIntelligence
from walras.core.checks import require
from walras.core.game import AbstractGame
from walras.core.policy import Policy, Random, Scripted
from walras.envs import TradingNetworkGame
from walras.equilibria.solve import solve
from walras.markets.trading.trading_network import TradingNetwork
from walras.scenarios.engine.scenario import AbstractScenario, Chart, Contestant, Learner, MarketMeasure, Stake
from walras.scenarios.report import curves
from walras.scenarios.trading import measures
from walras.scenarios.trading.charts import gap_chart, market_chart, price_chart

ROWS = 128
"""Concurrent markets in which the learner trains."""
GAP = curves.measure_curve(
    "relative_gap",
    "forgone, share of the gains from trade",
    "What an agent forgoes at the prices at which the market closes; at zero for all, they are an equilibrium.",
)


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
    experience: int = 200_000
    """Steps of experience of each agent of the learner; none, and nobody learns."""
    checkpoints: int = 10
    """Times at which the learner is judged."""
    draw: int = 2
    """Seed of the network's numbers."""
    seeds: int = 5
    """Independent repetitions: of first offers, turns, and learning."""

    def __post_init__(self) -> None:
        for name in ("horizon", "practice", "checkpoints"):
            require(getattr(self, name) >= 1, name, "be at least 1", getattr(self, name))
        require(self.experience >= 0, "experience", "be at least 0", self.experience)

    @abstractmethod
    def network(self) -> TradingNetwork:
        """Return who trades with whom."""

    @cached_property
    def _network(self) -> TradingNetwork:
        return self.network()

    def game(self) -> TradingNetworkGame:
        """Train in markets that close soon and in which all agents move at once."""
        return TradingNetworkGame(self._network, movers=len(self._network.agents), horizon=self.practice)

    def exam(self) -> TradingNetworkGame:
        """Judge in a market that stays open."""
        return TradingNetworkGame(self._network, movers=self.movers, horizon=self.horizon)

    def stake(self) -> Stake:
        """Play for a part of the gains from trade."""
        meaning = "what an agent forgoes at the prices of the close: zero for every agent is a competitive equilibrium"
        return Stake("gains from trade", "", "gain forgone", meaning, "the gains from trade")

    def contestants(self) -> Mapping[str, Contestant]:
        """Compare the dynamic, chance within budgets, and what learns."""
        exam = self.exam()
        scripted: dict[str, Contestant] = {
            "equilibrium": solve(exam).policy,
            "best_response_dynamic": Scripted(exam),
            "zero_intelligence": ZeroIntelligence(exam),
            "random": Random(exam),
        }
        learner = Learner(partial(learn_shared, self.experience, self.checkpoints))
        return scripted | ({"shared_ppo": learner} if self.experience else {})

    def market_measures(self) -> Mapping[str, MarketMeasure]:
        """Measure what is realised, at what prices, and how soon."""
        return {
            "realised": measures.realised_gains,
            "price_distance": measures.price_distance,
            "forgone": measures.forgone,
        }

    def charts(self) -> Mapping[str, Chart]:
        """Show the market, prices on their way, and the gap."""
        exam = self.exam()
        learned: dict[str, Chart] = {"Learning": GAP} if self.experience else {}
        return {
            "Trades and prices": partial(market_chart, exam),
            "Bids and asks": partial(price_chart, exam),
            "Distance from equilibrium": partial(gap_chart, exam),
        } | learned


def learn_shared(experience: int, checkpoints: int, game: AbstractGame[Any], seed: int) -> Iterator[tuple[int, Policy]]:
    """Train one policy that all agents share by proximal policy optimisation, and yield it at checkpoints."""
    from walras.agents.ppo import mappo

    settings = mappo.Config(
        rows=ROWS,
        steps=game.horizon,
        minibatches=16,
        actors="shared",
        critics="shared",
        critic_input="own",
        discount=1.0,
        learning_rate=1e-3,
    )
    for frames, policy in mappo.checkpoints(game, settings, experience, checkpoints, seed):
        yield frames, policy.greedy
