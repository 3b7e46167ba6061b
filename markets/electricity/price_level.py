"""Prices of Spain a day ahead, from what is known in time: a forecast, plain baselines, and how far they miss.

The forecast of a local day is the competitive price of `walras.markets.electricity.generation.spanish_fleet` at a net
load that is known in time, plus a level: by how much real prices lay above such prices, on average over the local days
before. It is cut to the limits of the Iberian market until 2021. The level stands for what the fleet leaves out, above
all fuel and carbon prices.

Net load is the load's forecast, less wind and sun, less what water, other renewables and nuclear power made two days
before at the same local hour (where that is missing, the last that is known). Wind and sun depend on what is known:

===========  ====================================================================================================
information  wind and sun of day D
===========  ====================================================================================================
``noon``     known at 12:00 of D - 1: the forecast W for D - 1, shrunk towards its mean M of 28 days at that hour
``evening``  the forecast for D, published at 18:00, after the auction: look-ahead
``actual``   none is forecast: the recorded net load, which tests bidding and forecasts nothing
===========  ====================================================================================================

Shrunk wind and sun are ``M + 0.512 (W - M)``; the factor was fitted on 2015.
The fleet was calibrated on 2015 to 2017, so only 2018 is out of sample. `python benchmarks/price_levels.py FILE` prints
the errors of all years.
"""

# pandas ships no stubs, and what a checker infers from its source is partly unknown and partly wrong.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd

from walras.core.checks import require, require_each, require_known, require_whole
from walras.core.typing import Floats, Ints
from walras.markets.electricity.clearing import merit_order
from walras.markets.electricity.data import ZONE, net_load_mw
from walras.markets.electricity.generation import Generator, spanish_fleet

INFORMATION = ("noon", "evening", "actual")
PRICE_LIMITS = (0.0, 180.3)
"""EUR/MWh, of the Iberian market until 2021."""
SHRINKAGE = 0.512
"""Of yesterday's wind and sun towards their mean, fitted on 2015."""
MEMBERS = 28
"""Days over which means are taken, and whose errors make a forecast a distribution."""
SLOW = ("gen_hydro_run_of_river_mw", "gen_other_renewable_mw", "gen_nuclear_mw")
LATE = (0, 5, 6)
"""Weekdays that resemble those of a week before, and not the day before: Monday, Saturday, Sunday."""


@final
@dataclass(frozen=True, eq=False)
class Calendar:
    """Local days and hours of H hours."""

    day: Ints  # [H] counted from the first
    hour: Ints  # [H]
    weekday: Ints  # [H] 0 is Monday

    def table(self, values: Floats) -> Floats:
        """Return values ``[H]`` by day and hour, ``[D, 24]``; of an hour that comes twice the first.

        What is missing, and the hour that summer time leaves out, is the last that is known before.
        """
        found = np.full((int(self.day[-1]) + 1, 24), np.nan)
        found[self.day[::-1], self.hour[::-1]] = values[::-1]
        return np.asarray(pd.Series(found.ravel()).ffill(), dtype=np.float64).reshape(found.shape)

    def before(self, values: Floats, days: int) -> Floats:
        """Return what values ``[H]`` were so many days before at the same local hour, ``[H]``."""
        table = self.table(values)
        earlier = np.full_like(table, np.nan)
        earlier[days:] = table[: max(len(table) - days, 0)]
        return earlier[self.day, self.hour]

    def history(self, values: Floats) -> Floats:
        """Return what values ``[H]`` were at the same local hour of the `MEMBERS` days before, ``[H, MEMBERS]``."""
        return np.stack([self.before(values, days) for days in range(1, MEMBERS + 1)], axis=1)


def calendar_of(frame: pd.DataFrame) -> Calendar:
    """Return the local calendar of a table as `walras.markets.electricity.data.load_spain` returns it."""
    return local_calendar(frame["timestamp_utc"].dt.tz_convert(ZONE).dt.tz_localize(None))


def local_calendar(times: Any) -> Calendar:  # noqa: ANN401 - what pandas takes for times
    """Return the calendar of the local times at which hours begin, ``[H]``.

    Raises
    ------
    ValueError
        If there is none, or one is no time.
    """
    try:
        local = pd.Series(pd.DatetimeIndex(times))
    except ValueError as wrong:
        rule = "`times` must be times such as 2018-01-31 17:00"
        raise ValueError(f"{rule}; got {str(times)[:200]} ({wrong}).") from wrong
    require(len(local) > 0, "times", "hold at least one hour", times)
    days = (local.dt.normalize() - local.iloc[0].normalize()).dt.days
    return Calendar(*(np.asarray(part, dtype=np.int64) for part in (days, local.dt.hour, local.dt.day_of_week)))


def baselines(price: Floats, days: Calendar) -> dict[str, Floats]:
    """Return plain forecasts of a price ``[H]``, ``[H]`` each: of a week before, of yesterday, and of the like day.

    The standard naive forecast is the price of a week before on Mondays, Saturdays and Sundays, else that of yesterday.
    """
    week, yesterday = days.before(price, 7), days.before(price, 1)
    late = np.isin(days.weekday, LATE)
    return {"seasonal_naive": week, "yesterday": yesterday, "standard_naive": np.where(late, week, yesterday)}


def price_forecast(frame: pd.DataFrame, level_days: int = 7, information: str = "noon") -> Floats:
    """Return the forecast of each hour's price, ``[H]`` EUR/MWh; NaN where the days before are not in the table.

    Parameters
    ----------
    frame : DataFrame
        As `walras.markets.electricity.data.load_spain` returns it.
    level_days : int
        Local days over which the level is taken.
    information : str
        What is known: ``"noon"``, ``"evening"`` or ``"actual"``.

    Raises
    ------
    ValueError
        If `information` is another word, or `level_days` no whole number from 1 on.
    """
    competitive = competitive_price(known_net_load(frame, information))
    price = frame["price_day_ahead_eur_mwh"].to_numpy(dtype=np.float64)
    return np.clip(competitive + level(price - competitive, calendar_of(frame), level_days), *PRICE_LIMITS)


def known_net_load(frame: pd.DataFrame, information: str) -> Floats:
    """Return the net load of each hour as far as it is known, ``[H]`` MW; NaN where the days before are not there.

    Raises
    ------
    ValueError
        If `information` is another word.
    """
    require_known(information, "information", INFORMATION)
    if information == "actual":
        return net_load_mw(frame).to_numpy(dtype=np.float64)
    days = calendar_of(frame)
    wind = (frame["wind_forecast_mw"] + frame["solar_forecast_mw"]).to_numpy(dtype=np.float64)
    if information == "noon":
        mean = days.history(wind).mean(axis=1)
        wind = mean + SHRINKAGE * (days.before(wind, 1) - mean)
    slow = sum(days.before(frame[name].to_numpy(dtype=np.float64), 2) for name in SLOW)
    return frame["load_forecast_mw"].to_numpy(dtype=np.float64) - wind - slow


def competitive_price(
    net_load: Floats, fleet: Sequence[Generator] | None = None, limits: tuple[float, float] = PRICE_LIMITS
) -> Floats:
    """Return the price at which a whole fleet serves each net load, ``[H]`` EUR/MWh; NaN where it is NaN.

    Parameters
    ----------
    net_load : Floats
        ``[H]`` MW.
    fleet : sequence of Generator, optional
        Spain's by default.
    limits : tuple of float
        Floor and cap, EUR/MWh.

    Raises
    ------
    ValueError
        If the fleet is empty, the cap not above the floor, or a net load infinite.
    """
    fleet = spanish_fleet() if fleet is None else fleet
    require(len(fleet) > 0, "fleet", "hold at least one seller", fleet)
    require(limits[0] < limits[1], "limits", "be a floor and a cap above it", limits)
    require_each(~np.isinf(net_load), "net_load", "be finite, or NaN where it is not known", net_load)
    cost = np.array([price for seller in fleet for price in seller.cost])
    capacity = np.array([each for seller in fleet for each in seller.capacity])
    known = np.flatnonzero(~np.isnan(net_load))
    shape = (len(known), len(cost), 1)
    offer, offered = (np.broadcast_to(part[None, :, None], shape).copy() for part in (cost, capacity))
    floor, cap = limits
    found = np.full(len(net_load), np.nan)
    found[known] = merit_order(offer, offered, np.maximum(net_load[known], 0.0), cap, floor).price
    return found


def crps(forecast: Floats, price: Floats, days: Calendar) -> Floats:
    """Return the continuous ranked probability score of each hour, ``[H]`` EUR/MWh.

    The distribution is the forecast plus its own errors at the same local hour of the `MEMBERS` days before: x with
    mean
    ``|x - y|`` less half the mean ``|x - x'|`` of its members.
    """
    return score(days.history(price - forecast), price - forecast)


def score(members: Floats, outcome: Floats) -> Floats:
    """Return the continuous ranked probability score of distributions of M equal members.

    Parameters
    ----------
    members : Floats
        ``[..., M]``.
    outcome : Floats
        ``[...]``.
    """
    size = members.shape[-1]
    weight = 2 * np.arange(1, size + 1) - size - 1
    spread = np.sort(members, axis=-1) @ weight / size**2  # half the mean distance of two members
    return np.abs(members - outcome[..., None]).mean(axis=-1) - spread


def level(error: Floats, days: Calendar, over: int) -> Floats:
    """Return the mean of errors ``[H]`` over the local days before each hour's day, ``[H]``; NaN where one is missing.

    Parameters
    ----------
    error : Floats
        By how much prices lay above competitive ones, ``[H]`` EUR/MWh.
    days : Calendar
        Of the hours.
    over : int
        How many days.

    Raises
    ------
    ValueError
        If `over` is no whole number from 1 on, or there is not one number an hour.
    """
    require_whole(over, "level_days")
    require(np.shape(error) == np.shape(days.day), "error", f"be one number an hour, {len(days.day)}", np.shape(error))
    total, count = (np.bincount(days.day, weights) for weights in (error, np.ones(len(error))))
    found = np.full(len(total), np.nan)
    for k in range(over, len(total)):
        found[k] = total[k - over : k].sum() / count[k - over : k].sum()
    return found[days.day]
