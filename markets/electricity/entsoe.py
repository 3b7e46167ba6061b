"""Tables of the ENTSO-E Transparency Platform, as its pages export them.

The user fetches them after registering; loads, generation and forecasts are under CC BY 4.0, prices under the
platform's terms, the exchanges being their owners. A row is a market time unit: ``01/02/2024 00:00:00 - 01/02/2024
01:00:00``, in the zone of the heading, ``MTU (CET/CEST)`` or ``MTU (UTC)``; where clocks change, ``(CET)`` and
``(CEST)`` tell the doubled hours apart. Newer tables have a column of areas (``BZN|ES``), and of sequences, where an
area has prices of two auctions.
"""

# pandas ships no stubs, and what a checker infers from its source is partly unknown and partly wrong.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false

import re
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from walras.core.checks import require
from walras.core.typing import Floats
from walras.markets.electricity.series import Series, universal
from walras.markets.electricity.sheets import Sheet, read_sheet

PRICE = "Day-ahead Price"
ZONES = {"CET/CEST": ZoneInfo("Europe/Brussels"), "UTC": ZoneInfo("UTC")}
MOMENT = r"(\d\d)[./](\d\d)[./](\d{4}) (\d\d):(\d\d)(?::\d\d)?(?: \((CET|CEST|UTC)\))?"
MTU = re.compile(rf"{MOMENT} - {MOMENT}$")
MARKS = {"CET": 60, "CEST": 120, "UTC": 0}
"""Minutes of the clock before UTC."""
MISSING = ("", "n/e", "N/A", "-")


def load_entsoe(path: str | Path, column: str = PRICE, *, area: str = "", sequence: str = "") -> Series:
    """Read a column of a table that the platform exports.

    Parameters
    ----------
    path : str or Path
        The table, of comma-separated values.
    column : str
        How its heading begins: ``Day-ahead Price``, ``Actual Total Load``, ``Day-ahead Total Load Forecast``, ...
    area : str
        Such as ``BZN|ES``; needed where a table has several.
    sequence : str
        Needed where an area has several.

    Returns
    -------
    Series
        The column, NaN where the table has ``n/e``, ``N/A`` or ``-``.

    Raises
    ------
    FileNotFoundError
        If there is no file at `path`.
    ValueError
        If it is no such table, its prices are not in EUR/MWh, several areas or sequences leave a choice, or its rows do
        not follow by even steps; with file, row and column.
    """
    sheet = read_sheet(path)
    mtu = _heading(sheet, "MTU")
    zone = mtu.partition("(")[2].rstrip(")")
    require(zone in ZONES, "path", f"have times in {' or '.join(ZONES)}", f"{path}: {mtu}")
    sheet = _chosen(_chosen(sheet, "Area", area), "Sequence", sequence)
    name = _heading(sheet, column)
    _require_euros(sheet, name)
    begins, ends = _wall(sheet, mtu, 0), _wall(sheet, mtu, 1)
    alone = max(int((ends[0] - begins[0]) / pd.Timedelta(minutes=1)), 1)
    utc, local, minutes = universal(sheet, mtu, begins, ZONES[zone], alone)
    follows = np.append(np.asarray(ends[:-1] == begins[1:]), True)
    sheet.require(mtu, follows, "end where the next row begins")
    _require_marks(sheet, mtu, (local - utc) / np.timedelta64(1, "m"))
    return Series((name,), utc, local, _values(sheet, name)[:, None], minutes / 60)


def _heading(sheet: Sheet, begins: str) -> str:
    """Return the one column whose heading begins so."""
    found = [column for column in sheet.columns if column.startswith(begins)]
    require(len(found) == 1, "column", f"be how one heading of {sheet.path} begins", (begins, list(sheet.columns)))
    return found[0]


def _chosen(sheet: Sheet, column: str, wanted: str) -> Sheet:
    """Return the rows of an area or a sequence; where there are several, one must be wanted."""
    if column not in sheet:
        require(not wanted, column.lower(), f"be left out: {sheet.path} has no column {column}", wanted)
        return sheet
    there = sorted(set(sheet.text(column, "")))
    rule = f"be one of {', '.join(map(repr, there))}, which {sheet.path} has"
    require(wanted in there if wanted else len(there) == 1, column.lower(), rule, wanted)
    return sheet.where(np.array([cell == (wanted or there[0]) for cell in sheet.text(column, "")]))


def _require_euros(sheet: Sheet, column: str) -> None:
    if column.startswith(PRICE):
        require("EUR/MWh" in column, "column", "be in EUR/MWh", column)
        if "Currency" in sheet:
            euros = [cell == "EUR" for cell in sheet.text("Currency", "")]
            sheet.require("Currency", np.array(euros), "be EUR")


def _wall(sheet: Sheet, column: str, end: int) -> pd.DatetimeIndex:
    """Return the times at which rows begin, or with ``end=1`` end, by the clock as it is written."""
    found = [MTU.match(cell) for cell in sheet.text(column)]
    rule = "be a time unit such as 01/02/2024 00:00:00 - 01/02/2024 01:00:00"
    sheet.require(column, np.array([each is not None for each in found]), rule)
    parts = [each.groups()[6 * end : 6 * end + 5] for each in found if each is not None]
    texts = [f"{year}-{month}-{day} {hour}:{minute}" for day, month, year, hour, minute in parts]
    parsed = pd.DatetimeIndex(pd.to_datetime(texts, format="%Y-%m-%d %H:%M", errors="coerce"))
    sheet.require(column, np.asarray(parsed.notna()), rule)
    return parsed


def _require_marks(sheet: Sheet, column: str, ahead: Floats) -> None:
    """Refuse a mark of the clock, such as (CEST), that the order of the rows contradicts."""
    marks = [found[6] if (found := MTU.match(cell)) else None for cell in sheet.text(column)]
    holds = [mark is None or MARKS[mark] == minutes for mark, minutes in zip(marks, ahead.tolist(), strict=True)]
    sheet.require(column, np.array(holds), "have the mark of the clock that its place among the rows asks for")


def _values(sheet: Sheet, column: str) -> Floats:
    """Return a column of numbers, NaN where one is missing."""
    cells = tuple("" if cell in MISSING else cell for cell in sheet.cells[column])
    return Sheet(sheet.path, {column: cells}, sheet.rows).numbers(column, np.nan)
