"""Firms that learn to price high, and what the best response to their prices gains.

Q-learners that see each other's last prices end far above the static Nash equilibrium, and answer a price cut with
cuts: that is the finding of the literature, whose baseline is the default. The literature asks whether one other price
pays if the firm then returns to what it learned; here the best response is computed as well, exactly, on the path and
after every past. Beside the learners stand a grim trigger, which is an equilibrium at high prices, the static Nash
equilibrium, and a pair that learns by PPO.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np

from walras import agents
from walras.core.checks import require_whole
from walras.core.policy import Policy
from walras.envs.matrix.repeated_pricing import RepeatedPricing
from walras.equilibria.matrix.memory_policies import grim_trigger
from walras.equilibria.matrix.tabular_policy import TabularPolicy
from walras.scenarios.engine.measure import Measure
from walras.scenarios.engine.scenario import AbstractScenario, Chart, Method, Objective, Runs
from walras.scenarios.matrix import charts, measures


@final
@dataclass(frozen=True)
class AlgorithmicCollusion(AbstractScenario):
    """Firms that learn to price high, beside equilibria of the repeated game."""

    firms: int = 2
    """Firms in the market, 2 or 3: what they remember grows with the power of their number."""
    prices: int = 15
    """Prices on the grid."""
    discount: float = 0.95
    """Weight of the next period's profit."""
    alpha: float = 0.15
    """Learning rate of the Q-learners."""
    beta: float = 4e-6
    """Decay of their exploration a period."""
    sessions: int = 20
    """Markets in which they learn, for each seed."""
    stable: int = 100_000
    """Periods without a change of a greedy price after which a session ends."""
    limit: int = 10_000_000
    """Periods of a session at most."""
    ppo_steps: int = 100_000
    """Environment steps of the pair that learns by PPO."""
    checkpoints: int = 5
    """Times at which learners are judged."""
    seeds: int = 5
    """Independent repetitions."""

    def __post_init__(self) -> None:
        require_whole(self.firms, "firms")

    def game(self) -> RepeatedPricing:
        """Learn from drawn prices on."""
        return RepeatedPricing(cost=(1.0,) * self.firms, prices=self.prices, discount=self.discount)

    def evaluation(self) -> RepeatedPricing:
        """Judge what happens after all had the price closest to joint monopoly."""
        game = self.game()
        near = np.abs(game.grid - game.monopoly[:, None]).argmin(axis=1)
        return RepeatedPricing(cost=game.cost, prices=self.prices, discount=self.discount, start=tuple(near.tolist()))

    def objective(self) -> Objective:
        """Play for discounted profit, shown as an average a period."""
        return Objective("profit", "a period")

    def methods(self) -> Mapping[str, Method | Runs]:
        """Compare Q-learners and a PPO pair with a grim trigger and static Nash."""
        learner = agents.QPairs(self.alpha, self.beta, self.sessions, self.stable, self.limit, self.checkpoints)
        return {
            charts.LEARNED: Method(learner, "Q-learning"),
            "ppo": Method(agents.IPPO(steps=self.ppo_steps, checkpoints=self.checkpoints), "PPO"),
            "static_nash": Method(self.solution.policy, "static Nash equilibrium", "reference"),
            "grim_trigger": Method(self._trigger(), "grim trigger"),
        }

    def _trigger(self) -> Policy:
        """Keep to the starting prices as long as all do, and else price as in static equilibrium for ever."""
        game = self.evaluation()
        assert game.start is not None
        return TabularPolicy.pure(game, grim_trigger(game, game.start, game.static_equilibria[0]))

    def policy_measures(self) -> Mapping[str, Measure]:
        """Measure the profit gain, deviations by three tests, how often they gain nothing, and a cut of one period."""
        return {
            "profit_gain": measures.profit_gain,
            "one_shot_gain": measures.one_shot_gain,
            "path_gain": measures.path_gain,
            "subgame_gain": measures.subgame_gain,
            "one_shot_equilibria": measures.one_shot_equilibria,
            "nash_equilibria": measures.nash_equilibria,
            "subgame_equilibria": measures.subgame_equilibria,
            "cut_gain": measures.cut_gain,
            "cut_loses": measures.cut_loses,
            "cut_returns": measures.cut_returns,
        }

    def path_measures(self) -> Mapping[str, Measure]:
        """Measure prices before, in and after a cut of one period."""
        return measures.CUT_PATHS

    def charts(self) -> Mapping[str, Chart]:
        """Show what follows a price cut, what a best response does, and what deviations gain."""
        return {
            "After a price cut": partial(charts.impulse_chart, self.game()),
            "The best response to learned prices": charts.response_chart,
            "What deviations gain, by three tests": charts.gains_chart,
        }
