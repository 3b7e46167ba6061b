"""Forecasts of Spanish day-ahead prices, walked forward: plain, statistical, of a market, and of both together."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, final

import numpy as np
import pandas as pd

from walras.core.checks import require, require_whole
from walras.core.files import require_file
from walras.core.lazy import needed_version
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
    joint,
    lag,
    lasso,
    lasso_fixed,
    lasso_look_ahead,
    sarima_load,
    similar_day,
    sparse_ar,
    structural,
)
from walras.scenarios.electricity import forecast_charts
from walras.scenarios.electricity.forecast_charts import words
from walras.scenarios.electricity.forecast_results import Forecasts, verdict, walked
from walras.scenarios.electricity.price_changes import fitted_stack, price_changes, told
from walras.scenarios.electricity.reference_forecasts import compared, load_reference
from walras.scenarios.engine.study import AbstractStudy, Chart, Found

NAIVE = "similar_day"
"""What errors are compared with in rMAE: the standard naive forecast."""
RIVAL = "lasso"
"""What differences are tested against."""
COMBINED = "structural_lasso"
AHEAD = "lasso_look_ahead"
"""Which sees what was published after the auction, for reference alone."""
FORECASTERS: Mapping[str, Forecaster] = {
    "lag_24": lag(1),
    "lag_168": lag(7),
    NAIVE: similar_day,
    "arima_2_1_2": arima((2, 1, 2)),
    "arima_24_1_0": arima((24, 1, 0)),
    "sarima_101_111_24": arima((1, 0, 1), (1, 1, 1, 24)),
    "sarima_load": sarima_load,
    "sparse_ar": sparse_ar,
    "lasso_fixed": lasso_fixed,
    RIVAL: lasso,
    AHEAD: lasso_look_ahead,
    "joint": joint,
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
    reference: Path | None = None
    """Table of hourly forecasts that were made elsewhere, against which each forecaster is tested."""

    def __post_init__(self) -> None:
        require_whole(self.days, "days")

    @cached_property
    def hours(self) -> pd.DataFrame:
        """The hours of the table."""
        if self.data is None:
            raise ValueError("`data` must name a table of Spanish hours, such as energy_dataset.csv; got None.")
        return load_spain(require_file(self.data, "data"))

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
        theirs = (
            {} if self.reference is None else load_reference(self.reference, known.date[first:], known.price[first:])
        )
        made = walked(known, first, FORECASTERS)
        made[COMBINED] = (made["structural"] + made[RIVAL]) / 2
        found = Forecasts(known, made, NAIVE, RIVAL)
        changes, stack = (make(self.hours, known.date[-1]) for make in (price_changes, fitted_stack))
        tests = {"reference": compared(found, theirs)} if theirs else {}
        return Found(
            tables={
                "forecasters": found.table(),
                "hours": found.hours(COMBINED),
                "changes": changes,
                "stack": stack,
                **tests,
            },
            residual=None,
            facts=_facts(found),
            left_out=_moved(self.hours),
            headline=_headline(found.errors, found.p),
            record={"forecasters": found.record(), "counterfactuals": told(changes)},
        )

    def charts(self) -> Mapping[str, Chart]:
        """Show the prices, and where each forecaster misses."""
        return {**forecast_charts.CHARTS, "Fitted stack": forecast_charts.stack, "What if": forecast_charts.what_if}


def _facts(found: Forecasts) -> dict[str, float]:
    errors = found.errors
    best = min((name for name in errors if name != AHEAD), key=lambda name: errors[name]["mse"])
    return {
        f"MSE of the best, {words(best)} ((EUR/MWh)^2)": errors[best]["mse"],
        f"MSE of the {RIVAL} ((EUR/MWh)^2)": errors[RIVAL]["mse"],
        f"CRPS of the best, {words(best)} (EUR/MWh)": errors[best]["crps"],
        "hours in its 90 % intervals (%)": 100 * errors[best]["coverage_90"],
    }


def _moved(hours: pd.DataFrame) -> tuple[str, ...]:
    """Return what is to be said of hours that stood at another date in the public file: nothing if none did."""
    moved = int((hours["flag"].to_numpy(dtype=np.int64) & 1).sum())
    told = f"In the public table {moved:,} of {len(hours):,} hours stand at another date, day and month being swapped"
    return (f"{told}; they are moved back.",) if moved else ()


def _headline(errors: Mapping[str, Mapping[str, float]], p: Mapping[str, float]) -> str:
    """Return what the errors say, in two sentences."""
    alone, both, rival = (errors[name]["mse"] for name in ("structural", COMBINED, RIVAL))
    return (
        f"In mean square the {RIVAL} misses by {rival:.2f}. The market alone misses by {alone:.2f}, "
        f"{verdict(p['structural'], RIVAL)}; the mean of both by {both:.2f}, {verdict(p[COMBINED], RIVAL)}."
    )
