"""The five open data sets of electricity price forecasting: hourly prices of a market, and two forecasts for each hour.

They are the benchmark of Lago, Marcjasz, De Schutter and Weron [1]_: Nord Pool, PJM, and EPEX in Belgium, France and
Germany, six years each, one file a market. Walras ships none; fetch them from https://zenodo.org/records/4624805.
A file has a column of local times, called ``Date`` or nothing, and the columns of its market in `LAYOUTS`; names may
have blanks around them, as the published ones do, and keep their misspellings. Each day has 24 hours: where clocks
change the publishers filled and averaged.

References
----------
.. [1] J. Lago, G. Marcjasz, B. De Schutter and R. Weron, Forecasting Day-Ahead Electricity Prices: A Review of
   State-of-the-Art Algorithms, Best Practices and an Open-Access Benchmark, Applied Energy 293, 2021.
"""

# pandas ships no stubs, and what a checker infers from its source is partly unknown and partly wrong.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd

from walras.core.checks import require
from walras.core.typing import Floats
from walras.markets.electricity.day_forecasts import Days
from walras.markets.tables import read_table

LAYOUTS: Mapping[str, tuple[str, str, str]] = {
    "Nord Pool": ("Price", "Grid load forecast", "Wind power forecast"),
    "PJM": ("Zonal COMED price", "System load forecast", "Zonal COMED load foecast"),
    "Belgium and France": ("Prices", "System load forecast", "Generation forecast"),
    "Germany": ("Price", "Ampirion Load Forecast", "PV+Wind Forecast"),
}
"""Columns by market: the price, the forecast of the load, and the other forecast."""
TIME = "Date"
HOUR = np.timedelta64(1, "h")


def load_open_prices(path: str | Path) -> Days:
    """Load one of the five open data sets.

    Parameters
    ----------
    path : str or Path
        A csv file, compressed or not (``.gz``).

    Returns
    -------
    Days
        Prices in the market's money a MWh, and both forecasts, which were published before the auction. The final price
        is that of the auction; the competitive price is unknown, NaN.

    Raises
    ------
    FileNotFoundError
        If there is no file at `path`.
    ValueError
        If its columns are those of no market, a value is no finite number, or its times are not those of whole days,
        hour after hour.
    """
    table = read_table(path)
    table = table.rename(columns={name: str(name).strip() for name in table})
    try:
        return _days(table)
    except ValueError as wrong:
        raise ValueError(f"{path}: {wrong}") from wrong


def _days(table: pd.DataFrame) -> Days:
    price, load, other = _columns(table)
    date = _dates(table.iloc[:, 0])
    prices, loads, others = (_numbers(table[name], name).reshape(-1, 24) for name in (price, load, other))
    return Days(date, prices, prices.copy(), loads, np.full_like(prices, np.nan), others[:, None])


def _columns(table: pd.DataFrame) -> tuple[str, str, str]:
    """Return the columns of the market whose they are."""
    names = [str(name) for name in table]
    first = names[0] if names[0] and not names[0].startswith("Unnamed") else TIME
    require(first == TIME, "path", f"have its times in the first column, named {TIME!r} or not at all", first)
    for layout in LAYOUTS.values():
        if set(layout) <= set(names):
            return layout
    nearest = max(LAYOUTS.values(), key=lambda layout: len(set(layout) & set(names)))
    lacks = next(name for name in nearest if name not in names)
    close = get_close_matches(lacks, names, 1)
    hint = f"; {close[0]!r} is near" if close else ""
    known = "; ".join(f"{market}: {', '.join(layout)}" for market, layout in LAYOUTS.items())
    raise ValueError(f"`path` must have the columns of a market ({known}); got {names}, without {lacks!r}{hint}.")


def _dates(text: pd.Series) -> "np.ndarray[tuple[int], np.dtype[np.datetime64]]":
    """Return the days of times that follow hour by hour from a midnight to the last hour of a day, ``[D]``."""
    offset = text.astype(str).str.contains(r"(?:Z|[+-]\d\d:?\d\d)$").to_numpy(dtype=np.bool_)
    _require_rows(~offset, "be a local time without an offset", text)
    parsed = pd.to_datetime(text, errors="coerce")
    times = np.asarray(parsed, dtype="datetime64[m]")
    _require_rows(~np.isnat(times), "be a local time such as 2013-01-01 00:00:00", text)
    starts = np.concatenate(([True], np.diff(times) == HOUR))
    _require_rows(starts, "be one hour after the time before it", text)
    date = times.astype("datetime64[D]")
    require(bool(times[0] == date[0]), TIME, "begin at a midnight", str(text.iloc[0]))
    require(bool(times[-1] + HOUR == date[-1] + np.timedelta64(1, "D")), TIME, "end with a day", str(text.iloc[-1]))
    return date[::24]


def _require_rows(holds: "np.ndarray[tuple[int], np.dtype[np.bool_]]", rule: str, text: pd.Series) -> None:
    if not holds.all():
        row = int(np.argmin(holds))
        raise ValueError(f"`{TIME}` must {rule}; got {text.iloc[row]!r} in row {row}.")


def _numbers(column: pd.Series, name: str) -> Floats:
    numbers = np.asarray(pd.to_numeric(column, errors="coerce"), dtype=np.float64)
    if not np.isfinite(numbers).all():
        row = int(np.argmin(np.isfinite(numbers)))
        raise ValueError(f"`{name}` must hold finite numbers; got {str(column.iloc[row])!r} in row {row}.")
    return numbers
