"""Forecasts of Spanish day-ahead prices, walked forward: plain, statistical, of a market, and of both together."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from walras.core.checks import require, require_whole
from walras.core.lazy import needed_version
from walras.core.typing import Floats
from walras.equilibria.electricity.counterfactual import LEAST_WEEKS
from walras.equilibria.electricity.simulacrum import simulacrum
from walras.markets.electricity.data import load_spain
from walras.markets.electricity.day_forecasts import (
    EARLIEST,
    MEMBERS,
    Days,
    Forecaster,
    arima,
    days_of,
    diebold_mariano,
    errors,
    lag,
    lasso,
    similar_day,
    sparse_ar,
    structural,
)
from walras.scenarios.electricity import forecast_charts
from walras.scenarios.electricity.forecast_charts import words
from walras.scenarios.electricity.price_changes import price_changes
from walras.scenarios.electricity.price_changes import told as told_changes
from walras.scenarios.engine.study import AbstractStudy, Chart, Found

NAIVE = "similar_day"
"""What errors are compared with in rMAE: the standard naive forecast."""
RIVAL = "lasso"
"""What differences are tested against."""
COMBINED = "structural_lasso"
LEVEL = 0.05
"""At which p a difference counts as shown."""
FORECASTERS: Mapping[str, Forecaster] = {
    "lag_24": lag(1),
    "lag_168": lag(7),
    NAIVE: similar_day,
    "arima_2_1_2": arima((2, 1, 2)),
    "arima_24_1_0": arima((24, 1, 0)),
    "sarima_101_111_24": arima((1, 0, 1), (1, 1, 1, 24)),
    "sparse_ar": sparse_ar,
    RIVAL: lasso,
    "structural": structural,
    "simulacrum": simulacrum,
}
SHORTEST = max(2 * EARLIEST + MEMBERS, 7 * LEAST_WEEKS)
"""Days before the first forecast, at least."""


@final
@dataclass(frozen=True)
class SpainPrices(AbstractStudy):
    """Forecasts of Spanish day-ahead prices from what is known at the auction, beside what came."""

    libraries: ClassVar[Mapping[str, str]] = {"scikit-learn": "forecast", "statsmodels": "forecast"}

    data: Path | None = None
    """Table of Spanish hours."""
    start: str = "2018-07-01"
    """First local day that is forecast."""
    days: int = 184
    """Days that are forecast."""

    def __post_init__(self) -> None:
        require_whole(self.days, "days")

    @cached_property
    def hours(self) -> pd.DataFrame:
        """The hours of the table."""
        if self.data is None:
            raise ValueError("`data` must name a table of Spanish hours, such as energy_dataset.csv; got None.")
        return load_spain(self.data)

    @cached_property
    def known(self) -> Days:
        """The days of the table, up to the last that is forecast."""
        found = days_of(self.hours)
        first = found.position(self.start)
        require(first >= SHORTEST, "start", f"leave {SHORTEST} days before it in the data", self.start)
        last = first + self.days
        require(last <= len(found.date), "days", f"end in the data, after at most {len(found.date) - first}", self.days)
        return found.until(last)

    def find(self) -> Found:
        """Forecast each day."""
        for library, extra in self.libraries.items():
            needed_version(library, extra)
        known = self.known
        first = len(known.date) - self.days
        made = {name: forecaster(known, first) for name, forecaster in FORECASTERS.items()}
        made[COMBINED] = (made["structural"] + made[RIVAL]) / 2
        price = known.price[first:]
        told = {name: errors(forecast, price, made[NAIVE]) for name, forecast in made.items()}
        beats = {name: diebold_mariano(price - forecast, price - made[RIVAL]) for name, forecast in made.items()}
        beats[RIVAL] = float("nan")
        table = pd.DataFrame([{"forecaster": name, **told[name], f"p_against_{RIVAL}": beats[name]} for name in made])
        best = min(told, key=lambda name: told[name]["mse"])
        changes = price_changes(self.hours, known.date[-1])
        return Found(
            tables={"forecasters": table, "hours": _hours(known, first, made), "changes": changes},
            residual=None,
            facts=_facts(told, beats, best),
            headline=_headline(told, beats),
            record={
                "forecasters": {name: _told(each) | {"p": _number(beats[name])} for name, each in told.items()},
                "counterfactuals": told_changes(changes),
            },
        )

    def charts(self) -> Mapping[str, Chart]:
        """Show the prices, and where each forecaster misses."""
        return forecast_charts.CHARTS


def _hours(known: Days, first: int, made: Mapping[str, Floats]) -> pd.DataFrame:
    """Return a row for each hour, its price and all forecasts of it."""
    day = np.repeat(known.date[first:], 24)
    hours = pd.DataFrame({"day": day.astype("datetime64[ms]"), "hour": np.tile(np.arange(24), len(day) // 24)})
    return hours.assign(price=known.price[first:].ravel(), **{name: each.ravel() for name, each in made.items()})


def _facts(told: Mapping[str, Mapping[str, float]], beats: Mapping[str, float], best: str) -> dict[str, float]:
    return {
        f"MSE of the best, {words(best)} ((EUR/MWh)^2)": told[best]["mse"],
        f"MSE of the {RIVAL} ((EUR/MWh)^2)": told[RIVAL]["mse"],
        f"MAE of the best, {words(best)} (EUR/MWh)": told[best]["mae"],
        f"p of {words(COMBINED)} against the {RIVAL}": beats[COMBINED],
    }


def _headline(told: Mapping[str, Mapping[str, float]], beats: Mapping[str, float]) -> str:
    """Return what the errors say, in two sentences."""
    alone, both, rival = (told[name]["mse"] for name in ("structural", COMBINED, RIVAL))
    return (
        f"In mean square the {RIVAL} misses by {rival:.2f}. The market alone misses by {alone:.2f}, "
        f"{_verdict(beats['structural'])}; the mean of both by {both:.2f}, {_verdict(beats[COMBINED])}."
    )


def _verdict(p: float) -> str:
    """Return what the one-sided test says of a forecaster against the rival: nothing unless it rejects."""
    test = f"Diebold-Mariano p = {min(p, 1 - p):.2g}"
    if min(p, 1 - p) >= LEVEL:
        return f"which the days do not show to be another ({test})"
    return f"{'better' if p < LEVEL else 'worse'} than the {RIVAL} ({test})"


def _told(values: Mapping[str, float]) -> dict[str, Any]:
    return {name: _number(value) for name, value in values.items()}


def _number(value: float) -> float | None:
    """Return what JSON holds of a number."""
    return None if np.isnan(value) else value
