"""Tables in files: comma-separated values, read with errors that name argument, file, rule and remedy."""

# pandas ships no stubs, and what a checker infers from its source is partly unknown and partly wrong.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false
# pyright: reportUnknownArgumentType=false

import csv
import warnings
from collections.abc import Iterable
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from walras.core.checks import require
from walras.core.files import read_text

if TYPE_CHECKING:
    import pandas as pd


def read_table(path: str | Path, name: str = "path", **options: Any) -> "pd.DataFrame":  # noqa: ANN401 - of pandas
    """Read comma-separated values, compressed by gzip or not.

    Parameters
    ----------
    path : str or Path
        The file.
    name : str
        The argument that names it.
    **options
        Of ``pandas.read_csv``.

    Raises
    ------
    FileNotFoundError
        If there is no file at `path`.
    ValueError
        If it holds no table: it is empty, binary, separated by something else, has columns of one name, or rows of
        different lengths.
    """
    import pandas as pd

    text = read_text(path, name)
    require(bool(text.strip()), name, "name a file with at least one row", str(path))
    first = text.lstrip().partition("\n")[0]
    columns = [column.strip() for column in next(csv.reader([first]), [])]
    for sign, word in ((";", "semicolons"), ("\t", "tabs")):
        require(len(columns) > 1 or sign not in first, name, "be separated by commas", f"{path}, with {word}")
    twice = sorted({column for column in columns if columns.count(column) > 1})
    require(not twice, name, "name each column once", f"{path}, with {', '.join(twice)} more than once")
    settings: dict[str, Any] = {"index_col": False, **options}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # of rows that are longer than the header
            table = pd.read_csv(StringIO(text), **settings)
    except (ValueError, pd.errors.ParserWarning) as wrong:
        _require_widths(path, name, text, len(columns))
        raise ValueError(f"`{name}` must be a table of comma-separated values; got {str(path)!r} ({wrong}).") from wrong
    require(len(table) > 0, name, "name a file with at least one row", str(path))
    return table


def _require_widths(path: str | Path, name: str, text: str, most: int) -> None:
    """Raise ``ValueError`` if a row has more cells than the header."""
    for row, cells in enumerate(csv.reader(StringIO(text)), start=1):
        found = f"{path}, whose row {row} has {len(cells)}"
        require(len(cells) <= most, name, f"have no more than {most} cells in a row, as its first row has", found)


def require_columns(table: "pd.DataFrame", names: Iterable[str]) -> None:
    """Refuse a table that lacks a column, with the nearest one that it has.

    Raises
    ------
    ValueError
        If it does.
    """
    there = [str(column) for column in table]
    for name in names:
        if name not in there:
            near = get_close_matches(name, there, n=1)
            hint = f"; the nearest column is {near[0]!r}" if near else f"; there are {', '.join(there[:8]) or 'none'}"
            raise ValueError(f"`{name}` must be a column; it is missing{hint}.")
