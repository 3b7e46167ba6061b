"""Time series in files: hourly, half-hourly or quarter-hourly, with summer time and without gaps.

Times are the beginnings of steps. They carry a UTC offset each, or are local times of a `zone`: a day on which clocks
change then has 23 or 25 hours, and the hour that comes twice stands twice, in order. A gap, a repetition and another
step than the market's are refused with file, row and column.
"""

# pandas ships no stubs, and what a checker infers from its source is partly unknown and partly wrong.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportUnknownParameterType=false, reportCallIssue=false, reportMissingTypeStubs=false

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias, final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from walras.core.checks import require, require_known
from walras.core.typing import Floats
from walras.markets.electricity.sheets import Sheet, read_sheet

STEPS = {"1h": 60, "30min": 30, "15min": 15}
"""Steps by name, minutes."""
TIME = re.compile(
    r"(?P<wall>\d{4}[-/]?\d\d[-/]?\d\d(?:[T ]\d\d(?::?\d\d(?::?\d\d(?:[.,]\d+)?)?)?)?)"
    r"(?: ?(?P<offset>[Zz]|[+-]\d\d(?::?\d\d)?))?"
)
"""A time, and its UTC offset where it has one, as ISO 8601 and databases write them."""
SUCH_AS = "be a time such as 2018-01-31 17:00 or 2018-01-31T17:00+01:00"

Times: TypeAlias = Any
"""Times of pandas, which are only partly typed."""


@final
@dataclass(frozen=True, eq=False)
class Series:
    """C columns of numbers over H steps."""

    columns: tuple[str, ...]  # C
    utc: np.ndarray[Any, np.dtype[np.datetime64]]  # [H] beginning of each step
    local: np.ndarray[Any, np.dtype[np.datetime64]]  # [H] the same by the local clock
    value: Floats  # [H, C]
    step_hours: float

    @cached_property
    def clock(self) -> Floats:
        """Local time of day of each step, ``[H]`` hours."""
        return (self.local - self.local.astype("datetime64[D]")) / np.timedelta64(1, "h")

    def column(self, name: str) -> Floats:
        """Return a column, ``[H]``."""
        return self.value[:, self.columns.index(name)]

    def table(self) -> pd.DataFrame:
        """Return the series as a table that `load_series` reads: ``time`` in UTC, and a column each."""
        times = [f"{moment}Z" for moment in np.datetime_as_string(self.utc, unit="m")]
        return pd.DataFrame({"time": times} | dict(zip(self.columns, self.value.T, strict=True)))

    def part(self, steps: slice) -> "Series":
        """Return some of the steps."""
        return replace(self, utc=self.utc[steps], local=self.local[steps], value=self.value[steps])


def starting(local: Times, day: str, name: str = "start") -> int:
    """Return the step at which a local day begins.

    Parameters
    ----------
    local : array
        Local times of the steps, ``[H]``.
    day : str
        Such as 2018-01-31.
    name : str
        The argument that names it.

    Raises
    ------
    ValueError
        If `day` is no date, or not one of the days.
    """
    try:
        moment = np.datetime64(date.fromisoformat(day), "m")
        require(day == str(moment)[:10], name, "be a date such as 2018-01-31", day)
    except ValueError:
        raise ValueError(f"`{name}` must be a date such as 2018-01-31; got {day!r}.") from None
    # Where clocks change at midnight, a day begins an hour later.
    found = np.flatnonzero((local >= moment) & (local < moment + np.timedelta64(1, "D")))
    found = found[:1] if found.size and (found[0] > 0 or local[0] == moment) else found[:0]
    span = f"{local[0].astype('datetime64[D]')} to {local[-1].astype('datetime64[D]')}"
    require(found.size > 0, name, f"be a day of the series, {span}", day)
    return int(found[0])


def load_series(
    path: str | Path,
    columns: Sequence[str],
    zone: str = "",
    step: str = "1h",
    *,
    time: str = "time",
    resample: str = "",
) -> Series:
    """Read columns of a table with a column of times.

    Parameters
    ----------
    path : str or Path
        Comma-separated values, compressed by gzip or not.
    columns : sequence of str
        Which to read.
    zone : str
        Time zone of times without an offset, such as Europe/Madrid, and of the local clock; if empty, times must carry
        offsets, and the clock is as they are written.
    step : str
        ``"1h"``, ``"30min"`` or ``"15min"``.
    time : str
        The column of times.
    resample : str
        ``"mean"`` takes the mean over each step of a file with shorter steps.

    Returns
    -------
    Series
        The columns, each value a finite number.

    Raises
    ------
    FileNotFoundError
        If there is no file at `path`.
    ValueError
        If it holds no table, a column is missing, a cell is no time or no finite number, times carry offsets in some
        rows alone or of several zones, they lack offsets and there is no zone, a step is left out, repeated or of
        another length; with file, row and column.
    """
    require_known(step, "step", STEPS)
    require_known(resample, "resample", ("", "mean"))
    sheet = read_sheet(path)
    sheet.require_columns(time, *columns)
    utc, local, minutes = _times(sheet, time, _zone(zone), STEPS[step])
    value = np.stack([sheet.numbers(column) for column in columns], axis=1)
    series = Series(tuple(columns), utc, local, value, minutes / 60)
    return _stepped(sheet, time, series, STEPS[step], resample)


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"`zone` must be a time zone such as Europe/Madrid; got {name!r}.") from None


def _times(sheet: Sheet, column: str, zone: ZoneInfo | None, asked: int) -> tuple[Times, Times, int]:
    """Return UTC, local times, and the step of the file in minutes."""
    cells = sheet.text(column)
    read = [TIME.fullmatch(cell) for cell in cells]
    sheet.require(column, np.array([each is not None for each in read]), SUCH_AS)
    told = [(each["wall"], (each["offset"] or "").upper()) for each in read if each]
    carries = np.array([bool(offset) for _, offset in told])
    rule = "carry a UTC offset in every row or in none: time zones are mixed"
    sheet.require(column, carries == carries[0], rule)
    wall = _parsed(sheet, column, [moment for moment, _ in told])
    if carries[0]:
        utc = _parsed(sheet, column, ["".join(each) for each in told])
        local = utc.tz_localize("UTC").tz_convert(zone).tz_localize(None) if zone else wall
        _require_one_zone(sheet, column, utc, wall, local)
        minutes = _step(utc, asked)
        _require_even(sheet, column, utc, pd.date_range(utc[0], periods=len(utc), freq=f"{minutes}min"), minutes)
        return _plain(utc), _plain(local), minutes
    if zone is None:
        hint = f" `zone` is the zone of local times, such as Europe/Madrid; the first is {cells[0]!r}."
        raise ValueError(f"{sheet.path}, row {sheet.rows[0]}, column {column}: must carry a UTC offset.{hint}")
    return universal(sheet, column, wall, zone, asked)


def universal(sheet: Sheet, column: str, wall: Times, zone: ZoneInfo, asked: int) -> tuple[Times, Times, int]:
    """Return UTC, local times and the step in minutes of local times that follow each other by even steps.

    Parameters
    ----------
    sheet, column
        Where the times stand.
    wall : DatetimeIndex
        Local times, ``[H]``; the doubled hour stands twice, in order.
    zone : ZoneInfo
        Theirs.
    asked : int
        The step of a single time, minutes.

    Raises
    ------
    ValueError
        If they do not follow by even steps; with file, row and column.
    """
    minutes = _step(wall, asked)
    utc, expected = max(_followed(sheet, column, wall, zone, minutes), key=lambda pair: int((pair[1] == wall).sum()))
    _require_even(sheet, column, wall, expected, minutes)
    return _plain(utc), _plain(wall), minutes


def _parsed(sheet: Sheet, column: str, cells: Sequence[str]) -> Times:
    """Return times in UTC, or as written where they carry no offset; without a zone."""
    parsed = pd.DatetimeIndex(pd.to_datetime(list(cells), format="ISO8601", utc=True, errors="coerce"))
    sheet.require(column, np.asarray(parsed.notna()), SUCH_AS)
    return parsed.tz_localize(None)


def _require_one_zone(sheet: Sheet, column: str, utc: Times, wall: Times, local: Times) -> None:
    """Refuse offsets that no one zone has: more than two, apart by more than an hour, or others than the zone's."""
    minutes = np.asarray((wall - utc) // pd.Timedelta(minutes=1))
    _, first = np.unique(minutes, return_index=True)
    late = sorted(first)[2:]
    if late:
        sheet.refuse(int(late[0]), column, "carry at most two UTC offsets, of winter and summer: time zones are mixed")
    apart = np.abs(minutes - minutes[0]) <= 60
    sheet.require(column, apart, "carry a UTC offset within an hour of the first row's: time zones are mixed")
    if minutes.any():
        sheet.require(column, np.asarray(wall == local), "carry the UTC offset that `zone` has then, or UTC")


def _followed(sheet: Sheet, column: str, wall: Times, zone: ZoneInfo, minutes: int) -> list[tuple[Times, Times]]:
    """Return what follows the first local time by even steps, in UTC and by the clock, for both readings of it."""
    found: list[tuple[Times, Times]] = []
    for first in (True, False):
        try:
            start = wall[0].tz_localize(zone, ambiguous=first, nonexistent="raise").tz_convert("UTC")
        except ValueError:
            sheet.refuse(0, column, f"be a time of the clock in {zone.key}")
        utc = pd.date_range(start, periods=len(wall), freq=f"{minutes}min")
        found.append((utc.tz_localize(None), utc.tz_convert(zone).tz_localize(None)))
    return found


def _step(times: Times, asked: int) -> int:
    """Return the step of a file, minutes: the commonest one; of a single row, what is asked."""
    if len(times) < 2:
        return asked
    steps, counts = np.unique(np.asarray(times[1:] - times[:-1]) // np.timedelta64(1, "m"), return_counts=True)
    forward = np.where(steps.astype(np.int64) > 0, counts, 0)
    return max(int(steps[forward.argmax()].astype(np.int64)), 1)


def _require_even(sheet: Sheet, column: str, given: Times, expected: Times, minutes: int) -> None:
    same = np.asarray(given == expected)
    if same.all():
        return
    row = int(np.argmin(same))
    cause = "leaves out" if given[row] > expected[row] else "repeats" if given[row] in given[:row] else "does not fit"
    rule = f"follow by {minutes} minutes with {expected[row]}"
    days = " A day on which clocks change has 23 or 25 hours, and its doubled hour stands twice, in order."
    sheet.refuse(row, column, rule, f" It {cause} a time.{days}")


def _stepped(sheet: Sheet, column: str, series: Series, asked: int, resample: str) -> Series:
    """Return the series in steps of the length that is asked."""
    minutes = round(60 * series.step_hours)
    if minutes == asked:
        return series
    each = asked // minutes
    finer = minutes < asked and asked % minutes == 0
    hint = " `resample: mean` takes the mean over each step." if finer else ""
    if not (finer and resample):
        row = min(1, len(sheet) - 1)
        sheet.refuse(row, column, f"follow by the market's step of {asked} minutes; the file's is {minutes}", hint)
    offset = int(series.local[0].astype("datetime64[m]").astype(np.int64)) % asked
    if offset:
        sheet.refuse(0, column, f"begin with a whole step of {asked} minutes")
    if len(sheet) % each:
        sheet.refuse(len(sheet) - 1, column, f"end with a whole step of {asked} minutes")
    value = series.value.reshape(-1, each, series.value.shape[1]).mean(axis=1)
    return Series(series.columns, series.utc[::each], series.local[::each], value, asked / 60)


def _plain(times: Times) -> Any:  # noqa: ANN401 - datetime64[m]
    return times.to_numpy().astype("datetime64[m]")
