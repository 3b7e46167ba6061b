"""Conditions and prices of recorded hours, or typical ones where there is no record."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from walras.core.checks import require
from walras.core.files import require_file
from walras.markets.electricity.data import load_spain, net_load_mw
from walras.markets.electricity.generation import HOURS_PER_YEAR, Conditions, recorded_conditions, spanish_conditions
from walras.markets.electricity.price_level import (
    baselines,
    calendar_of,
    competitive_price,
    crps,
    known_net_load,
    price_forecast,
)

ZONE = "Europe/Madrid"
PEAK = 45_000.0  # MW, above Spain's load in any hour of 2015 to 2018
TYPICAL = 10 * HOURS_PER_YEAR  # hours: the longest evaluation without a record


def training_conditions(data: Path | None, start: str) -> Conditions:
    """Return typical hours, or the recorded year before `start`.

    Raises
    ------
    ValueError
        If the record does not hold that year.
    """
    if data is None:
        return spanish_conditions()
    frame, first = _located(data, start)
    require(
        first >= HOURS_PER_YEAR,
        "start",
        f"leave {HOURS_PER_YEAR} hours of training before it in the data",
        start,
    )
    return _conditions(frame, slice(first - HOURS_PER_YEAR, first))


def evaluation_conditions(data: Path | None, start: str, hours: int) -> Conditions:
    """Return typical hours, or the recorded hours from `start` on.

    Raises
    ------
    ValueError
        If the record does not hold them.
    """
    if data is None:
        require(1 <= hours <= TYPICAL, "hours", f"lie in [1, {TYPICAL}], ten years of typical hours", hours)
        return spanish_conditions(max(hours, HOURS_PER_YEAR))
    frame, first = _evaluation(data, start, hours)
    return _conditions(frame, slice(first, first + hours))


def peak(data: Path | None) -> float:
    """Return a net load that no hour exceeds, MW: one number for all hours of a record."""
    return PEAK if data is None else max(PEAK, float(net_load_mw(_record(data)).max()))


def reference_prices(
    data: Path | None, start: str, hours: int, level_days: int = 7, information: str = "noon"
) -> pd.DataFrame | None:
    """Return the actual day-ahead prices of the evaluation and forecasts of them, or nothing without data.

    Parameters
    ----------
    data : Path, optional
        The record.
    start : str
        First local day of the evaluation.
    hours : int
        Its length.
    level_days : int
        Days over which the level of prices is taken.
    information : str
        What the forecast knows; see `walras.markets.electricity.price_level`.

    Returns
    -------
    DataFrame
        Columns ``time`` and ``price``; forecasts ``seasonal_naive``, ``yesterday``, ``standard_naive``, and
        ``forecast``, or
        ``forecast_look_ahead`` where it knows more than the auction did; of each its score ``crps_...``; and ``level``,
        by how much the real price lay above the competitive one at recorded net load in the days before.

    Raises
    ------
    ValueError
        If the record does not hold the hours.
    """
    if data is None:
        return None
    frame, first = _evaluation(data, start, hours)
    table = _references(frame, level_days, information)
    return table.iloc[first : first + hours].reset_index(drop=True)


def _references(frame: pd.DataFrame, level_days: int, information: str) -> pd.DataFrame:
    price, days = frame["price_day_ahead_eur_mwh"].to_numpy(dtype=np.float64), calendar_of(frame)
    name = "forecast" if information == "noon" else "forecast_look_ahead"
    paths = baselines(price, days) | {name: price_forecast(frame, level_days, information)}
    scores = {f"crps_{path}": crps(values, price, days) for path, values in paths.items()}
    level = price_forecast(frame, level_days, "actual") - competitive_price(known_net_load(frame, "actual"))
    return pd.DataFrame({"time": frame["timestamp_utc"], "price": price, **paths, **scores, "level": level})


def _evaluation(data: Path, start: str, hours: int) -> tuple[pd.DataFrame, int]:
    frame, first = _located(data, start)
    left = len(frame) - first
    require(1 <= hours <= left, "hours", f"lie in [1, {left}], the hours of the data from {start} on", hours)
    return frame, first


def _conditions(frame: pd.DataFrame, hours: slice) -> Conditions:
    """Return the recorded hours, by the local clock with its summer time."""
    local = frame["timestamp_utc"].dt.tz_convert(ZONE).dt
    clock = (local.hour + local.minute / 60).to_numpy()
    return recorded_conditions(net_load_mw(frame).to_numpy()[hours], clock[hours])


@lru_cache(maxsize=2)
def _read(data: Path, changed: int, size: int) -> pd.DataFrame:
    """Return the record; `changed` and `size` tell one state of the file from another."""
    return load_spain(data)


def _record(data: Path) -> pd.DataFrame:
    facts = require_file(data, "data").stat()
    try:
        return _read(data, facts.st_mtime_ns, facts.st_size)
    except ValueError as wrong:
        raise ValueError(f"`data` must name a table of Spanish hours: {wrong}") from wrong


def _located(data: Path, start: str) -> tuple[pd.DataFrame, int]:
    """Return the record, and the row in which the local day `start` begins."""
    frame = _record(data)
    try:
        moment = pd.Timestamp(start, tz=ZONE).tz_convert("UTC")
    except ValueError as wrong:
        raise ValueError(f"`start` must be a date such as 2018-01-01; got {start!r}.") from wrong
    first = int(frame["timestamp_utc"].searchsorted(moment))
    inside = first < len(frame) and frame["timestamp_utc"].iloc[first] == moment
    span = f"{frame['timestamp_utc'].iloc[0]:%Y-%m-%d} to {frame['timestamp_utc'].iloc[-1]:%Y-%m-%d}"
    require(inside, "start", f"be a day of the data, {span}", start)
    return frame, first
