"""Market data: hourly load, generation and prices of Spain.

Two files are read, and recognised by their columns:

- the public ``energy_dataset.csv`` of the Kaggle set "Hourly energy demand generation and weather"
  (nicholasjhana/energy-consumption-generation-prices-and-weather): load, generation, forecasts and
  day-ahead price from the ENTSO-E Transparency Platform, ``price actual`` from Red Electrica (ESIOS), 2015
  to 2018;
- a cleaned file with the columns of `CLEAN_COLUMNS`, which is what `load_spain` returns for either.

The public file is wrong in 36 % of its days. Every column but ``price actual`` has day and month swapped
where the day is at most 12 (a day-first date was read month-first): the row of 3 February holds the load of
2 March. As ``price actual`` is right, its correlation with the day-ahead price tells: 0.98 on the days 13
to 31, below 0.6 on the others. `load_spain` swaps the rows back, which is a permutation and changes no
number, and says so in a warning.

Cleaning of the public file, beside that:

1. Timestamps become the start of the hour in UTC.
2. Columns that are all zero or empty in it are not read (coal-derived gas, oil shale, peat, geothermal, marine,
   offshore wind and its forecast, pumped storage aggregated).
3. Dropouts of the telemetry become missing, by four rules that name exactly the twelve hours in question. Load
   that is more than 15 % off its day-ahead forecast (the largest true error is 13 %). All generation where
   load falls more than 30 % short of its forecast, or where nuclear generation is 0. Gas where it is 0.
   Nothing is interpolated.
4. ``flag`` is a sum: 1 if the row was moved, 2 if load is missing, 4 if some generation is missing.

Cautions: ``price_actual_eur_mwh`` is the final price with system charges, about 8 EUR/MWh above what the
market cleared at, ``price_day_ahead_eur_mwh``. Forecasts of wind and solar appear at 18:00, after the
auction at 12:00.
"""

# pandas ships no stubs, and what a checker infers from its source is partly unknown and partly wrong.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false, reportUnknownParameterType=false, reportAttributeAccessIssue=false
# pyright: reportArgumentType=false, reportReturnType=false, reportCallIssue=false, reportOperatorIssue=false
# pyright: reportMissingTypeStubs=false

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from walras.core.checks import require
from walras.core.typing import Bools, Ints
from walras.markets.tables import read_table, require_columns

ZONE = "Europe/Madrid"
PUBLIC_COLUMNS = {  # public name to clean name, in the order of the clean file
    "time": "timestamp_utc",
    "total load actual": "load_actual_mw",
    "total load forecast": "load_forecast_mw",
    "price day ahead": "price_day_ahead_eur_mwh",
    "price actual": "price_actual_eur_mwh",
    "forecast solar day ahead": "solar_forecast_mw",
    "forecast wind onshore day ahead": "wind_forecast_mw",
    "generation biomass": "gen_biomass_mw",
    "generation fossil brown coal/lignite": "gen_lignite_mw",
    "generation fossil gas": "gen_gas_mw",
    "generation fossil hard coal": "gen_hard_coal_mw",
    "generation fossil oil": "gen_oil_mw",
    "generation hydro pumped storage consumption": "pumped_storage_consumption_mw",
    "generation hydro run-of-river and poundage": "gen_hydro_run_of_river_mw",
    "generation hydro water reservoir": "gen_hydro_reservoir_mw",
    "generation nuclear": "gen_nuclear_mw",
    "generation other": "gen_other_mw",
    "generation other renewable": "gen_other_renewable_mw",
    "generation solar": "gen_solar_mw",
    "generation waste": "gen_waste_mw",
    "generation wind onshore": "gen_wind_onshore_mw",
}
CLEAN_COLUMNS = (*PUBLIC_COLUMNS.values(), "flag")
GENERATION = CLEAN_COLUMNS[7:21]
MUST_RUN = (
    "gen_wind_onshore_mw",
    "gen_solar_mw",
    "gen_hydro_run_of_river_mw",
    "gen_other_renewable_mw",
    "gen_nuclear_mw",
)
MARGIN = 0.1  # by how much one correlation must exceed another to tell right dates from swapped ones


def load_spain(path: str | Path) -> pd.DataFrame:
    """Load the hourly data of Spain, clean or public.

    Parameters
    ----------
    path
        A csv file, compressed or not (``.gz``).

    Returns
    -------
    pandas.DataFrame
        The columns of `CLEAN_COLUMNS`, one row an hour: ``timestamp_utc`` as UTC datetimes, ``flag`` as
        integers, all others as floats, in MW and EUR/MWh, NaN where missing.

    Warns
    -----
    UserWarning
        If the dates of the public file were swapped and have been repaired: how many hours were moved.

    Raises
    ------
    FileNotFoundError
        If there is no file at `path`.
    ValueError
        If the file is empty, lacks a column, holds a value that is not a number, or its timestamps lack a
        UTC offset, repeat, run backwards or leave an hour out; if loads or prices cannot be in MW and EUR/MWh; or
        if its dates are swapped or may be, and cannot be repaired.
    """
    raw = read_table(path)
    try:
        return _cleaned(raw)
    except ValueError as wrong:
        raise ValueError(f"{path}: {wrong}") from wrong


def _cleaned(raw: pd.DataFrame) -> pd.DataFrame:
    """Return the clean table of a raw one, checked."""
    public = _is_public(raw)
    require_columns(raw, PUBLIC_COLUMNS if public else CLEAN_COLUMNS)
    frame = raw.rename(columns=PUBLIC_COLUMNS) if public else raw
    frame = pd.DataFrame(
        {"timestamp_utc": _hours(frame["timestamp_utc"])}
        | {name: _numbers(frame[name]) for name in CLEAN_COLUMNS[1:] if name in frame}
    )
    _require_units(frame)
    if public:
        frame = _with_flag(*_without_swap(frame))
    return frame.astype({"flag": np.int64})


def must_run_mw(frame: pd.DataFrame) -> pd.Series:
    """Sum the generation that runs whatever the price: wind, solar, run-of-river, other renewable, nuclear.

    Missing hours of each are interpolated linearly between their neighbours; at an end, the nearest value
    is taken.

    Parameters
    ----------
    frame
        What `load_spain` returns, or a part of it.

    Returns
    -------
    pandas.Series
        MW, indexed by ``timestamp_utc``.

    Raises
    ------
    ValueError
        If a column is missing or entirely NaN.
    """
    require_columns(frame, ("timestamp_utc", *MUST_RUN))
    for name in MUST_RUN:
        require(bool(frame[name].notna().any()), name, "hold at least one value", "NaN only")
    parts = frame.set_index("timestamp_utc")[list(MUST_RUN)]
    return parts.interpolate(limit_direction="both").sum(axis=1).rename("must_run_mw")


def net_load_mw(frame: pd.DataFrame) -> pd.Series:
    """Subtract `must_run_mw` from the load: what is left to the units that respond to the price.

    Where the load is missing its day-ahead forecast is taken.

    Parameters
    ----------
    frame
        What `load_spain` returns, or a part of it.

    Returns
    -------
    pandas.Series
        MW, indexed by ``timestamp_utc``.

    Raises
    ------
    ValueError
        If a column is missing, or load and forecast are missing in the same hour.
    """
    require_columns(frame, ("timestamp_utc", "load_actual_mw", "load_forecast_mw"))
    hourly = frame.set_index("timestamp_utc")
    load = hourly["load_actual_mw"].fillna(hourly["load_forecast_mw"])
    unknown = load.index[load.isna()]
    require(not len(unknown), "load_forecast_mw", "be known where the load is not", [str(t) for t in unknown[:1]])
    return (load - must_run_mw(frame)).rename("net_load_mw")


def _is_public(raw: pd.DataFrame) -> bool:
    """Whether more of the public columns are there than of the clean ones."""
    public, clean = (len(set(names) & set(raw)) for names in (PUBLIC_COLUMNS, CLEAN_COLUMNS))
    rule = f"name a file with columns such as {list(PUBLIC_COLUMNS)[:2]} or {list(CLEAN_COLUMNS)[:2]}"
    require(public + clean > 0, "path", rule, [str(name) for name in raw][:5])
    return public > clean


def _hours(text: pd.Series) -> pd.Series:
    """Parse timestamps to UTC: each must carry an offset and follow the one before by an hour."""
    parsed = pd.to_datetime(text, utc=True, errors="coerce")
    _require_rows(parsed.notna(), "a timestamp must be a date and time with its UTC offset", text)
    _require_offsets(text, parsed)
    _require_rows(~parsed.duplicated(), "no timestamp may repeat", text)
    step = parsed.diff().fillna(pd.Timedelta(hours=1))
    _require_rows(step > pd.Timedelta(0), "timestamps must run forwards, sort the file by them", text)
    _require_rows(step == pd.Timedelta(hours=1), "timestamps must follow each other by one hour", text)
    return parsed.astype("datetime64[us, UTC]")


def _require_offsets(text: pd.Series, wall: pd.Series) -> None:
    """Refuse local times: a day on which clocks change cannot be told from a gap or a repetition."""
    carries = text.astype(str).str.contains(r"(?:Z|[+-]\d\d:?\d\d)$")
    if carries.all():
        return
    broken = wall[wall.diff().fillna(pd.Timedelta(hours=1)) != pd.Timedelta(hours=1)].dt.tz_localize(None)
    first = f" The first that does not follow by one hour is {broken.iloc[0]}." if len(broken) else ""
    raise ValueError(
        f"`timestamp` must carry its UTC offset, like '2015-01-01 00:00:00+01:00'; got "
        f"{text[~carries].iloc[0]!r}.{first} Days on which clocks change have 23 or 25 hours: localise the "
        f"column with .dt.tz_localize({ZONE!r}, ambiguous='infer') before saving it."
    )


def _require_rows(holds: pd.Series, rule: str, text: pd.Series) -> None:
    if not holds.all():
        row = int(np.argmin(holds.to_numpy()))
        raise ValueError(f"`timestamp`: {rule}; got {text.iloc[row]!r} in row {row}.")


def _numbers(column: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce").astype(np.float64)
    wrong = (numbers.isna() & column.notna()) | np.isinf(numbers)
    if wrong.any():
        row = int(np.argmax(wrong.to_numpy()))
        raise ValueError(f"`{column.name}` must hold finite numbers; got {str(column.iloc[row])!r} in row {row}.")
    return numbers


def _require_units(frame: pd.DataFrame) -> None:
    """Refuse loads and prices that are not Spain's in MW and EUR/MWh: gigawatts, kilowatts, prices a kilowatt hour."""
    usual = float(frame["load_actual_mw"].median())
    rule = "be in MW: Spain's load is about 28,000"
    require(np.isnan(usual) or 5_000 <= usual <= 100_000, "load_actual_mw", rule, usual)
    for name in ("price_day_ahead_eur_mwh", "price_actual_eur_mwh"):
        largest = float(frame[name].max())
        require(np.isnan(largest) or 15 <= largest <= 5_000, name, "be in EUR/MWh: up to 180 before 2021", largest)


def _without_swap(frame: pd.DataFrame) -> tuple[pd.DataFrame, Bools]:
    """Undo the swap of day and month if there is one; the frame, and which rows were moved [T]."""
    wall = frame["timestamp_utc"].dt.tz_convert(ZONE).dt.tz_localize(None)
    suspect = ((wall.dt.day <= 12) & (wall.dt.day != wall.dt.month)).to_numpy()
    source = _swapped_rows(wall, suspect)
    if not suspect.any() or not _is_swapped(frame, suspect, source):
        return frame, np.zeros(len(frame), dtype=np.bool_)
    assert source is not None
    warnings.warn(
        f"Day and month are swapped in {suspect.sum():,} of {len(frame):,} hours "
        f"({wall[suspect].dt.date.nunique()} days) of every column but 'price actual'; these rows have been "
        "moved back to their dates.",
        stacklevel=4,
    )
    return _permuted(frame, source), suspect


def _swapped_rows(wall: pd.Series, suspect: Bools) -> Ints | None:
    """Find the row from which each row [T] takes its values to undo the swap; None if one is not there."""
    other = wall[suspect].map(lambda time: time.replace(month=time.day, day=time.month))
    row_of = pd.Series(np.arange(len(wall)), index=pd.Index(wall))
    found = row_of[~row_of.index.duplicated()].reindex(pd.Index(other))
    if found.isna().any():
        return None
    source = np.arange(len(wall))
    source[suspect] = found.to_numpy(dtype=np.int64)
    return source


def _permuted(frame: pd.DataFrame, source: Ints) -> pd.DataFrame:
    right = ["timestamp_utc", "price_actual_eur_mwh"]
    return frame.iloc[source].reset_index(drop=True).assign(**{name: frame[name] for name in right})


def _is_swapped(frame: pd.DataFrame, suspect: Bools, source: Ints | None) -> bool:
    """Decide by the correlation of the two prices on the suspect days: as they are, and as the alternative.

    The alternative is the repaired file, or where it cannot be built the other days of the same file.
    """
    found = _agreement(frame[suspect])
    alternative = _agreement(_permuted(frame, source)[suspect] if source is not None else frame[~suspect])
    if np.isnan(found) or np.isnan(alternative) or (source is not None and abs(found - alternative) < MARGIN):
        raise ValueError(
            "`path` must let right dates be told from ones with day and month swapped, a known "
            f"defect of this file; the two prices correlate {found:.2f} on days 1-12, against "
            f"{alternative:.2f}. Load whole years."
        )
    if source is None and found < alternative - MARGIN:
        raise ValueError(
            "`path` must have right dates or whole years; day and month are swapped on days 1-12 (the two "
            f"prices correlate {found:.2f} there, {alternative:.2f} elsewhere), "
            "and the rows to swap with are not there."
        )
    return source is not None and found < alternative


def _agreement(frame: pd.DataFrame) -> float:
    pair = frame[["price_day_ahead_eur_mwh", "price_actual_eur_mwh"]].dropna()
    if len(pair) < 2 or bool(np.any(pair.nunique() == 1)):
        return float("nan")
    return float(pair.iloc[:, 0].corr(pair.iloc[:, 1]))


def _with_flag(frame: pd.DataFrame, moved: Bools) -> pd.DataFrame:
    """Set the dropouts of the telemetry to missing and add ``flag``."""
    frame = frame.copy()
    ratio = frame["load_actual_mw"] / frame["load_forecast_mw"]
    dark = (ratio < 0.7) | (frame["gen_nuclear_mw"] == 0)
    frame.loc[frame["gen_gas_mw"] == 0, "gen_gas_mw"] = np.nan
    frame.loc[dark, list(GENERATION)] = np.nan
    frame.loc[(ratio - 1).abs() > 0.15, "load_actual_mw"] = np.nan
    lost = frame[list(GENERATION)].isna().any(axis=1)
    return frame.assign(flag=moved + 2 * frame["load_actual_mw"].isna() + 4 * lost)
