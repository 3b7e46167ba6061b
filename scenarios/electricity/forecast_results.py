"""What studies of forecasts share: tables of errors and of hours, and what `summary.json` tells of them."""

# pandas is only partly typed.
# pyright: reportUnknownMemberType=false

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import pandas as pd

from walras.core.typing import Floats
from walras.markets.electricity.day_forecasts import MEMBERS, Days, Forecaster, diebold_mariano, errors, intervals

LEVEL = 0.05
"""At which p a difference counts as shown."""
BAND = 0.8
"""Probability of the interval that is drawn."""


@final
@dataclass(frozen=True, eq=False)
class Forecasts:
    """Forecasts by name, ``[D, 24]`` each, of the last days of a table, and how far they miss."""

    days: Days
    made: Mapping[str, Floats]
    naive: str
    """What errors are compared with in rMAE."""
    rival: str
    """What differences are tested against."""

    @cached_property
    def price(self) -> Floats:
        """What came, ``[D, 24]``."""
        return self.days.price[-len(self.made[self.naive]) :]

    @cached_property
    def errors(self) -> dict[str, dict[str, float]]:
        """How far each forecaster misses, by `walras.markets.electricity.day_forecasts.errors`."""
        return {name: errors(each, self.price, self.made[self.naive]) for name, each in self.made.items()}

    @cached_property
    def p(self) -> dict[str, float]:
        """The p-value of each forecaster against "it is not better than the rival", NaN where both are alike."""
        rival = self.made[self.rival]
        return {
            name: float("nan") if np.allclose(each, rival) else diebold_mariano(self.price - each, self.price - rival)
            for name, each in self.made.items()
        }

    def table(self) -> pd.DataFrame:
        """Return a row for each forecaster."""
        tested = f"p_against_{self.rival}"
        return pd.DataFrame([{"forecaster": name, **self.errors[name], tested: self.p[name]} for name in self.made])

    def hours(self, banded: str) -> pd.DataFrame:
        """Return a row for each hour, its price and all forecasts of it, and the interval of one of them."""
        day = np.repeat(self.days.date[-len(self.price) :], 24).astype("datetime64[ms]")
        hours = pd.DataFrame({"day": day, "hour": np.tile(np.arange(24), len(self.price))})
        low, high = np.full((2, *self.price.shape), np.nan)
        forecast = self.made[banded]
        low[MEMBERS:], high[MEMBERS:] = forecast[MEMBERS:] + intervals(self.price - forecast, (BAND,))[0]
        columns = {"price": self.price, **self.made, "low": low, "high": high}
        return hours.assign(**{name: each.ravel() for name, each in columns.items()})

    def record(self) -> dict[str, dict[str, Any]]:
        """Return what ``summary.json`` holds: a number that is missing is none."""
        parts = {name: each | {"p": self.p[name]} for name, each in self.errors.items()}
        return {name: {key: None if np.isnan(v) else v for key, v in each.items()} for name, each in parts.items()}


def verdict(p: float, rival: str) -> str:
    """Return what the one-sided test of a forecaster against the rival says: nothing unless it rejects."""
    if np.isnan(p):
        return "which cannot be tested: the days are too few, or the forecasts alike"
    test = f"Diebold-Mariano p = {min(p, 1 - p):.2g}"
    if min(p, 1 - p) >= LEVEL:
        return f"which the days do not show to be another ({test})"
    return f"{'better' if p < LEVEL else 'worse'} than the {rival} ({test})"


def walked(days: Days, first: int, forecasters: Mapping[str, Forecaster]) -> dict[str, Floats]:
    """Return the forecasts of all days from `first` on, by forecaster."""
    return {name: forecaster(days, first) for name, forecaster in forecasters.items()}
