"""What Spain's mean price would have been with more wind, without a nuclear unit, or after a merger, with intervals.

Over the year that ends with the last day that is forecast. Wind is added in the shape of the wind that blew, as a share
of what stood; a unit is lost in every hour. The merger is that of both gas sellers of
`walras.markets.electricity.generation.spanish_fleet`, whose ownership is an assumption: the data name no owners. See
`walras.equilibria.electricity.counterfactual` for what each number assumes.
"""

# pandas is only partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from typing import Any

import numpy as np
import pandas as pd

from walras.equilibria.electricity.counterfactual import (
    WEEK,
    Effect,
    ObservedHours,
    merger_by_capacity,
    net_load_effect,
    supply_curve,
)
from walras.markets.electricity.data import ZONE, net_load_mw
from walras.markets.electricity.generation import spanish_fleet
from walras.markets.electricity.price_level import competitive_price

WIND_MW = 5_000.0
"""Wind power that is added."""
INSTALLED_MW = 23_000.0
"""Wind power that stood in Spain from 2015 to 2018, to a few hundred MW; not in the data."""
UNIT_MW = 1_000.0
"""Of a nuclear unit; Spain's are of 1,003 to 1,092 MW."""
MERGED = ("gas_north", "gas_south")
WEEKS = 52
"""Weeks over which means are taken, or as many as there are."""


def price_changes(frame: pd.DataFrame, last: np.datetime64) -> pd.DataFrame:
    """Return a row for each change of the market: its effect on the mean price and the interval, EUR/MWh.

    Parameters
    ----------
    frame : DataFrame
        As `walras.markets.electricity.data.load_spain` returns it.
    last : datetime64
        Last local day of the year.

    Raises
    ------
    ValueError
        If there are fewer weeks up to that day than an interval needs.
    """
    hours, wind = _observed(frame, last)
    curve = supply_curve(hours)
    fleet = spanish_fleet()
    merged = tuple([seller.name for seller in fleet].index(name) for name in MERGED)
    found = {
        "wind": net_load_effect(hours, curve, -WIND_MW / INSTALLED_MW * wind),
        "nuclear_unit": net_load_effect(hours, curve, np.full(len(wind), UNIT_MW)),
        "merger": merger_by_capacity(hours, [sum(seller.capacity) for seller in fleet], (merged[0], merged[1])),
    }
    price = float(hours.price.mean())
    return pd.DataFrame([{"change": name, "mean_price": price, **_row(effect)} for name, effect in found.items()])


def fitted_stack(frame: pd.DataFrame, last: np.datetime64) -> pd.DataFrame:
    """Return a row for each piece of the fitted curve, at its middle: prices over net load, as fitted and as they were.

    `fitted` is the curve at the mean level of the year, `mean_price` the mean of the hours in the piece, `fleet` the
    cost of the fleet at this net load. Parameters and errors as `price_changes`.
    """
    hours, _ = _observed(frame, last)
    curve = supply_curve(hours)
    piece = np.clip(np.searchsorted(curve.knots, hours.net_load, side="right") - 1, 0, len(curve.rise) - 1)
    of_piece = pd.DataFrame({"net_load": hours.net_load, "mean_price": hours.price}).groupby(piece).mean()
    middle = of_piece["net_load"].to_numpy(dtype=np.float64)
    level = float((hours.price - curve(hours.net_load)).mean())
    return of_piece.assign(fitted=curve(middle) + level, fleet=competitive_price(middle)).reset_index(drop=True)


def told(changes: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return the effects by change, as ``summary.json`` holds them."""
    names, numbers = changes["change"].tolist(), changes.drop(columns="change")
    rows = [dict(zip(map(str, numbers), row, strict=True)) for row in numbers.to_numpy(dtype=np.float64).tolist()]
    return dict(zip(map(str, names), rows, strict=True))


def _observed(frame: pd.DataFrame, last: np.datetime64) -> tuple[ObservedHours, Any]:
    """Return the hours of the last year up to a day, and the wind in each, MW."""
    day = frame["timestamp_utc"].dt.tz_convert(ZONE).dt.tz_localize(None)
    known = frame[(day < last.astype("datetime64[D]") + np.timedelta64(1, "D")).to_numpy()]
    wind = known["gen_wind_onshore_mw"].interpolate(limit_direction="both").to_numpy(dtype=np.float64)
    price = known["price_day_ahead_eur_mwh"].interpolate(limit_direction="both").to_numpy(dtype=np.float64)
    size = min(WEEKS, len(known) // WEEK) * WEEK
    part = slice(len(known) - size, None)
    return ObservedHours(price[part], net_load_mw(known).to_numpy(dtype=np.float64)[part]), wind[part]


def _row(effect: Effect) -> dict[str, float]:
    names = ("mean", "low", "high", "confidence", "outside")
    return dict(zip(("effect", *names[1:]), (getattr(effect, name) for name in names), strict=True))
