"""Tables of a user's market: text cells, read with errors that name file, row and column.

Rows are counted as editors and spreadsheets show them: the header is row 1.
"""

# pandas ships no stubs, and what a checker infers from its source is partly unknown and partly wrong.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import NoReturn, final

import numpy as np

from walras.core.typing import Bools, Floats
from walras.markets.tables import read_table

ADVICE = {
    ".mat": "save the case as text with MATPOWER's savecase, and give the .m file as `network.case`",
    ".nc": "write the network with PyPSA's export_to_csv_folder, and give the folder as `network.pypsa`",
    ".xls": "save the sheet as CSV, separated by commas, in UTF-8",
    ".xlsx": "save the sheet as CSV, separated by commas, in UTF-8",
}
"""What to do with files that are not read."""


@final
@dataclass(frozen=True, eq=False)
class Sheet:
    """A table of text: each column a tuple of cells without spaces around them."""

    path: str
    cells: dict[str, tuple[str, ...]]
    """By column; a blank cell is empty."""
    rows: tuple[int, ...]
    """Number of each row in the file."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    def __contains__(self, column: str) -> bool:
        """Whether the column is there."""
        return column in self.cells

    def text(self, column: str, default: str | None = None) -> tuple[str, ...]:
        """Return a column; where it is not there the default, or a refusal.

        Raises
        ------
        ValueError
            If it is missing and has no default, or a cell of a column without one is blank.
        """
        if column not in self.cells and default is not None:
            return (default,) * len(self)
        self.require_columns(column)
        cells = self.cells[column]
        if default is None:
            self.require(column, np.array([bool(cell) for cell in cells]), "not be blank")
        return tuple(cell or default or "" for cell in cells)

    def numbers(self, column: str, default: float | None = None, low: float = -np.inf, high: float = np.inf) -> Floats:
        """Return a column as finite numbers in [low, high]; blank cells are the default, which may be NaN or infinite.

        Raises
        ------
        ValueError
            If the column is missing and has no default, or a cell holds no number, or one out of its range.
        """
        cells = self.text(column, None if default is None else "")
        values = np.array([_number(cell) for cell in cells], dtype=np.float64)
        blank = np.array([not cell for cell in cells], dtype=np.bool_)
        self.require(column, blank | ~np.isnan(values), "be a number, with a point for decimals")
        self.require(column, blank | np.isfinite(values), "be finite")
        self.require(column, blank | ((values >= low) & (values <= high)), _range(low, high))
        return np.where(blank, np.nan if default is None else default, values)

    def require(self, column: str, holds: Bools, rule: str, hint: str = "") -> None:
        """Refuse the first row in which a rule does not hold."""
        if not holds.all():
            self.refuse(int(np.argmin(holds)), column, rule, hint)

    def require_distinct(self, column: str) -> None:
        """Refuse the first row whose cell stands in an earlier row."""
        seen: dict[str, int] = {}
        for k, cell in enumerate(self.text(column)):
            if cell in seen:
                self.refuse(k, column, f"stand once, and it stands in row {self.rows[seen[cell]]} already")
            seen[cell] = k

    def require_known(self, column: str, known: Iterable[str], what: str) -> None:
        """Refuse the first cell, other than a blank one, that is not among the names that are known."""
        names = sorted(known)
        for k, cell in enumerate(self.text(column, "")):
            if cell and cell not in names:
                near = get_close_matches(cell, names, n=1)
                self.refuse(k, column, f"be {what}", f" Did you mean {near[0]!r}?" if near else _some(names))

    def require_columns(self, *columns: str) -> None:
        """Refuse a table that lacks a column, with the nearest one that it has."""
        for column in columns:
            if column not in self.cells:
                near = get_close_matches(column, self.cells, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else _some(list(self.cells))
                raise ValueError(f"{self.path}: `{column}` must be a column; it is missing.{hint}")

    def require_read(self, known: Iterable[str]) -> None:
        """Refuse a column that is not read, with the nearest one that is."""
        names = sorted(known)
        for column in self.cells:
            if column not in names:
                near = get_close_matches(column, names, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else _some(names)
                raise ValueError(f"{self.path}, row 1: `{column}` must be a column that is read.{hint}")

    def where(self, kept: Bools) -> "Sheet":
        """Return some of the rows, with their numbers in the file."""
        chosen = np.flatnonzero(kept).tolist()
        cells = {column: tuple(values[k] for k in chosen) for column, values in self.cells.items()}
        return Sheet(self.path, cells, tuple(self.rows[k] for k in chosen))

    def refuse(self, row: int, column: str, rule: str, hint: str = "") -> NoReturn:
        """Raise an error that names file, row, column, rule and cell."""
        got = self.cells[column][row] if column in self.cells else ""
        raise ValueError(f"{self.path}, row {self.rows[row]}, column {column}: must {rule}; got {got!r}.{hint}")

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.cells)


def read_sheet(path: str | Path, name: str = "path") -> Sheet:
    """Read a table of comma-separated values, compressed by gzip or not.

    Parameters
    ----------
    path : str or Path
        The file.
    name : str
        The argument that names it.

    Raises
    ------
    FileNotFoundError
        If there is no file at `path`.
    ValueError
        If it holds no table.
    """
    require_readable(path, name)
    table = read_table(path, name, dtype=str, keep_default_na=False, skip_blank_lines=False).fillna("")
    cells = {str(column).strip(): [str(cell).strip() for cell in table[column]] for column in table}
    kept = [row for row in range(len(table)) if any(column[row] for column in cells.values())]
    return Sheet(
        str(path),
        {column: tuple(values[row] for row in kept) for column, values in cells.items()},
        tuple(row + 2 for row in kept),
    )


def require_readable(path: str | Path, name: str = "path") -> None:
    """Refuse a file of another program's format, with what to do.

    Raises
    ------
    ValueError
        If its name ends like one.
    """
    ending = Path(path).suffix.lower()
    if ending in ADVICE:
        raise ValueError(f"`{name}` must be a text file; got {str(path)!r}: {ADVICE[ending]}.")


def _number(cell: str) -> float:
    try:
        return np.nan if "_" in cell else float(cell)
    except ValueError:
        return np.nan


def _range(low: float, high: float) -> str:
    if not np.isfinite(high):
        return "not be negative" if low == 0 else f"be at least {low:g}"
    return f"lie in [{low:g}, {high:g}]"


def _some(names: Sequence[str]) -> str:
    return f" There are {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}." if names else ""
