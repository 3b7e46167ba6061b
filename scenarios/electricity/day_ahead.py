"""A day-ahead electricity market: five sellers learn to bid, beside the competitive equilibrium and the real price.

Without data, hours follow the typical conditions of Spain. With `data`, the sellers train on the 8,760 hours before
`start` and are judged on the hours from `start` on: the public table of Spanish load, generation and prices, 2015 to
2018 (ENTSO-E Transparency Platform), read by `walras.markets.electricity.data.load_spain`. Beside the real price stands
a forecast of it, by `walras.markets.electricity.price_level`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pandas as pd

from walras import agents
from walras.core.checks import require, require_known, require_whole
from walras.core.policy import Random, Scripted
from walras.core.solution import Solution
from walras.envs.electricity.day_ahead_market import DayAheadMarket
from walras.equilibria.solve import solve
from walras.markets.electricity.generation import Conditions
from walras.markets.electricity.price_level import INFORMATION
from walras.scenarios.electricity import charts, market_charts, measures, recorded
from walras.scenarios.engine.measure import Measure
from walras.scenarios.engine.scenario import AbstractScenario, Chart, Method, Objective, Runs
from walras.scenarios.report import curves


@final
@dataclass(frozen=True)
class DayAhead(AbstractScenario):
    """Sellers that learn to bid day ahead, beside the competitive equilibrium and the real price."""

    data: Path | None = None
    """Table of Spanish hours; without it, typical hours are drawn."""
    start: str = "2018-01-01"
    """First day of the evaluation in the data, local time."""
    hours: int = 168
    """Hours of the evaluation."""
    level_days: int = 7
    """Days before each day over which the forecast takes the level of prices."""
    information: str = "noon"
    """What the forecast knows: noon is what was known at the auction; evening and actual look ahead."""
    markup_limit: float = 60.0
    """Largest mark-up, EUR/MWh."""
    learner: str = "PPO"
    """PPO, SAC or TD3."""
    steps: int = 20_000
    """Environment steps of training, hours."""
    checkpoints: int = 5
    """Times at which the learners are judged."""
    seeds: int = 5
    """Independent repetitions."""

    def __post_init__(self) -> None:
        given = self.data is not None or self.start == type(self).start
        require(given, "start", "be given with `data` alone, whose day it is", self.start)
        require_known(self.information, "information", INFORMATION)
        require_whole(self.level_days, "level_days")

    def game(self) -> DayAheadMarket:
        """Train on days of typical hours, or of the year before the evaluation."""
        conditions = recorded.training_conditions(self.data, self.start)
        return self._market(conditions, horizon=24)

    def evaluation(self) -> DayAheadMarket:
        """Judge on consecutive hours."""
        conditions = recorded.evaluation_conditions(self.data, self.start, self.hours)
        return self._market(conditions, horizon=self.hours)

    def equilibrium(self) -> Solution:
        """Compute the competitive equilibrium over the seeds."""
        return solve(self.evaluation(), "competitive", throw=False)

    def objective(self) -> Objective:
        """Play for profit."""
        return Objective("profit", "EUR/h")

    def methods(self) -> Mapping[str, Method | Runs]:
        """Compare learners with marginal-cost offers, the competitive equilibrium, and with chance."""
        game = self.evaluation()
        return {
            "scripted": Method(Scripted(game), "competitive equilibrium", "reference"),
            "learned": Method(agents.SB3(self.learner, steps=self.steps, checkpoints=self.checkpoints), self.learner),
            "random": Random(game),
        }

    def agent_measures(self) -> Mapping[str, Measure]:
        """Measure mark-ups."""
        return {"lerner": measures.day_ahead_lerner}

    def market_measures(self) -> Mapping[str, Measure]:
        """Measure price, mark-up over the competitive price, welfare and concentration."""
        return {
            "price": measures.day_ahead_price,
            "markup": measures.day_ahead_markup,
            "welfare_loss": measures.day_ahead_welfare_loss,
            "concentration": measures.day_ahead_concentration,
        }

    def reference(self) -> pd.DataFrame | None:
        """Compare with the actual day-ahead price, and forecasts of it, where there is data."""
        return recorded.reference_prices(self.data, self.start, self.hours, self.level_days, self.information)

    def charts(self) -> Mapping[str, Chart]:
        """Show prices, a merit order, and how the learners changed."""
        return {
            "Prices": charts.price_path,
            "Merit order": charts.merit_order,
            "Price duration": market_charts.price_duration,
            "Who produces": market_charts.dispatch_stack,
            "Pivotality": market_charts.pivotality,
            "Gap to the best deviation": curves.gap_curve,
            "Profit while learning": curves.reward_curve,
        }

    def _market(self, conditions: Conditions, horizon: int) -> DayAheadMarket:
        peak = recorded.peak(self.data)
        return DayAheadMarket(conditions=conditions, markup_limit=self.markup_limit, peak=peak, horizon=horizon)
