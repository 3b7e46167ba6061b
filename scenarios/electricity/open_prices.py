"""Forecasts of the prices of five markets, the open data sets of electricity price forecasting, walked forward."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, final

from walras.core.checks import require, require_whole
from walras.core.files import require_file
from walras.core.lazy import needed_version
from walras.markets.electricity.day_forecasts import (
    EARLIEST,
    MEMBERS,
    Days,
    Forecaster,
    arima,
    lag,
    lasso,
    lasso_with_all,
    similar_day,
    sparse_ar,
)
from walras.markets.electricity.open_prices import load_open_prices
from walras.scenarios.electricity import forecast_charts
from walras.scenarios.electricity.forecast_charts import words
from walras.scenarios.electricity.forecast_results import Forecasts, verdict, walked
from walras.scenarios.engine.study import AbstractStudy, Chart, Found

NAIVE, RIVAL = "similar_day", "lasso"
FORECASTERS: Mapping[str, Forecaster] = {
    "lag_24": lag(1),
    "lag_168": lag(7),
    NAIVE: similar_day,
    "arima_2_1_2": arima((2, 1, 2)),
    "sarima_101_111_24": arima((1, 0, 1), (1, 1, 1, 24)),
    "sparse_ar": sparse_ar,
    RIVAL: lasso_with_all,
    "lasso_load_alone": lasso,
}
SHORTEST = 2 * EARLIEST + MEMBERS
"""Days before the first forecast, at least."""


@final
@dataclass(frozen=True)
class OpenPrices(AbstractStudy):
    """Forecasts of day-ahead prices of Nord Pool, PJM, Belgium, France or Germany, beside what came."""

    libraries: ClassVar[Mapping[str, str]] = {"scikit-learn": "forecast", "statsmodels": "forecast"}

    data: Path | None = None
    """One of the five open data sets, such as NP.csv."""
    days: int = 728
    """Days at the end of the table that are forecast."""

    def __post_init__(self) -> None:
        require_whole(self.days, "days")

    @cached_property
    def known(self) -> Days:
        """The days of the table."""
        if self.data is None:
            raise ValueError("`data` must name one of the five open data sets, such as NP.csv; got None.")
        found = load_open_prices(require_file(self.data, "data"))
        most = len(found.date) - SHORTEST
        require(self.days <= most, "days", f"be at most {most}, to leave {SHORTEST} days before them", self.days)
        return found

    def find(self) -> Found:
        """Forecast each day."""
        for library, extra in self.libraries.items():
            needed_version(library, extra)
        known = self.known
        found = Forecasts(known, walked(known, len(known.date) - self.days, FORECASTERS), NAIVE, RIVAL)
        errors = found.errors
        best = min(errors, key=lambda name: errors[name]["mse"])
        rival, alone = errors[RIVAL]["mse"], errors["sparse_ar"]["mse"]
        return Found(
            tables={"forecasters": found.table(), "hours": found.hours(RIVAL)},
            residual=None,
            facts={
                f"MAE of the best, {words(best)} (money/MWh)": errors[best]["mae"],
                "its MAE over that of the like day": errors[best]["rmae"],
                f"CRPS of the {RIVAL} (money/MWh)": errors[RIVAL]["crps"],
            },
            headline=(
                f"In mean square the {RIVAL} misses by {rival:.2f}, an autoregression of prices alone by {alone:.2f}, "
                f"{verdict(found.p['sparse_ar'], RIVAL)}."
            ),
            record={"forecasters": found.record()},
        )

    def charts(self) -> Mapping[str, Chart]:
        """Show the prices, and where each forecaster misses."""
        return forecast_charts.charts_in("money")
