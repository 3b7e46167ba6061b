"""A day-ahead market in a file: the owners of its units learn to bid, beside the competitive equilibrium."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import pandas as pd

from walras.core.checks import require
from walras.core.policy import Random, Scripted
from walras.core.solution import Solution
from walras.core.typing import Floats
from walras.envs.electricity.day_ahead_market import DayAheadMarket
from walras.equilibria.electricity.pay_as_bid import equal_pair
from walras.equilibria.solve import solve
from walras.markets.electricity.generation import Conditions, Generator, recorded_conditions
from walras.markets.electricity.price_level import baselines, competitive_price, crps, level, local_calendar
from walras.scenarios.electricity import charts, market_charts, measures
from walras.scenarios.electricity.from_file import AbstractFromFile
from walras.scenarios.electricity.market_data import require_costs
from walras.scenarios.electricity.market_file import ELASTIC, MarketFile
from walras.scenarios.engine.measure import Measure
from walras.scenarios.engine.scenario import Chart, Method, Objective, Runs
from walras.scenarios.report import curves


@final
@dataclass(frozen=True)
class FileDayAhead(AbstractFromFile):
    """The day-ahead market of a file.

    Raises
    ------
    ValueError
        If the file has a network, or another part that this market does not use.
    """

    file: MarketFile

    def __post_init__(self) -> None:
        self.file.require_unused("network", "demand.columns", "market.price_rule", *ELASTIC)
        hourly = not self.file.forecast.price or self.file.market.step == "1h"
        require(
            hourly, "forecast.price", "be left out of a market of shorter steps than an hour", self.file.market.step
        )
        floor = self.file.market.floor
        require(floor == 0, "market.floor_eur_mwh", "be 0, the floor of the day-ahead game", floor)

    def game(self) -> DayAheadMarket:
        """Train on what stands before the exam, or where nothing does on the exam."""
        before, step = slice(0, self._exam.start), self._data.series.step_hours
        steps = round(self.file.market.horizon_hours / step)
        train = before if before.stop >= steps else self._exam
        most = train.stop - train.start
        rule = f"be at most the {most * step:g} hours on which sellers train"
        require(steps <= most, "market.horizon_hours", rule, self.file.market.horizon_hours)
        return self._market(train, steps)

    def evaluation(self) -> DayAheadMarket:
        """Judge on the exam."""
        return self._market(self._exam, self._exam.stop - self._exam.start)

    def equilibrium(self) -> Solution:
        """Compute the competitive equilibrium; where offers are paid as bid, that in offers."""
        return solve(self.evaluation(), "nash" if self._as_bid else "competitive", throw=False)

    def objective(self) -> Objective:
        """Play for profit."""
        hours = self._data.series.step_hours
        return Objective("profit", "EUR/h" if hours == 1 else f"EUR in {self.file.market.step}")

    def methods(self) -> Mapping[str, Method | Runs]:
        """Compare learners with marginal-cost offers, a mixed equilibrium where one is known, and with chance."""
        game, training = self.evaluation(), self.training()
        known = {"equilibrium": Method(self.solution.policy, "mixed equilibrium", "reference")}
        return {
            "scripted": Method(
                Scripted(game), "offers at cost" if self._as_bid else "competitive equilibrium", "reference"
            ),
            **(known if self._as_bid and equal_pair(game) else {}),
            "learned": Method(training, training.algorithm),
            "random": Random(game),
        }

    def agent_measures(self) -> Mapping[str, Measure]:
        """Measure mark-ups."""
        return {"lerner": measures.day_ahead_lerner}

    def market_measures(self) -> Mapping[str, Measure]:
        """Measure price, mark-up over the competitive price, welfare and concentration."""
        return {
            "price": measures.day_ahead_price,
            "payment": measures.day_ahead_payment,
            "markup": measures.day_ahead_markup,
            "welfare_loss": measures.day_ahead_welfare_loss,
            "concentration": measures.day_ahead_concentration,
        }

    def reference(self) -> pd.DataFrame | None:
        """Compare with real prices and forecasts of them, where the file names them."""
        told, series, market = self.file.forecast, self._data.series, self.file.market
        if not told.price:
            return None
        price, days = series.column(told.price), local_calendar(series.local)
        limits = market.floor, market.cap_eur_mwh
        paths, actual = baselines(price, days), competitive_price(self._net_load, self._sellers, limits)
        if told.net_load:
            known = competitive_price(series.column(told.net_load), self._sellers, limits)
            paths["forecast"] = np.clip(known + level(price - known, days, told.level_days), *limits)
        scores = {f"crps_{name}": crps(path, price, days) for name, path in paths.items()}
        shift = level(price - actual, days, told.level_days)
        table = pd.DataFrame(
            {"time": series.utc.astype("datetime64[ms]"), "price": price, **paths, **scores, "level": shift}
        )
        return table.iloc[self._exam].reset_index(drop=True)

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

    def totals(self) -> dict[str, float]:
        """Return what the file holds, by words."""
        self.game()
        game = self.evaluation()
        load, sellers = game.conditions.profile, game.fleet
        return {
            "units": len(self._data.fleet.unit),
            "owners": len(sellers),
            "capacity (MW)": float(sum(sum(seller.capacity) for seller in sellers)),
            "lowest cost (EUR/MWh)": float(self._data.fleet.cost.min()),
            "highest cost (EUR/MWh)": float(self._data.fleet.cost.max()),
            "steps of the series": len(self._net_load),
            "steps of the exam": len(load),
            "net load, lowest (MW)": float(load.min()),
            "net load, highest (MW)": float(load.max()),
        }

    @property
    def _as_bid(self) -> bool:
        return self.file.market.settlement == "pay_as_bid"

    @cached_property
    def _exam(self) -> slice:
        return self._data.exam()

    @cached_property
    def _net_load(self) -> Floats:
        return self._data.net_load()

    @cached_property
    def _sellers(self) -> tuple[Generator, ...]:
        fleet, given = self._data.fleet, self.file.fleet
        fleet.require_used(("availability",), given.unused, "day_ahead")
        constant = np.array([not name for name in fleet.series])
        rule = "be a number: in day_ahead take what varies off the load, as `demand.must_run`"
        fleet.sheet.require("availability", constant, rule)
        rule = "have one price a fuel: the day-ahead game has one cost a block"
        require(self._data.fuel_series is None, "fleet.fuels", rule, str(given.fuels))
        require_costs(fleet, self.file.market)
        return fleet.generators(given.merge_blocks)

    def _market(self, steps: slice, horizon: int) -> DayAheadMarket:
        market = self.file.market
        return DayAheadMarket(
            fleet=self._sellers,
            conditions=self._conditions(steps),
            markup_limit=market.markup_limit_eur_mwh,
            cap=market.cap_eur_mwh,
            peak=self._peak,
            horizon=horizon,
            settlement=market.settlement,
        )

    def _conditions(self, steps: slice) -> Conditions:
        series = self._data.series
        return recorded_conditions(self._net_load[steps], series.clock[steps], series.step_hours)

    @cached_property
    def _peak(self) -> float:
        """A net load that no step exceeds, MW: one number for training and exam."""
        return float(max(self._net_load.max(), sum(sum(seller.capacity) for seller in self._sellers)))
