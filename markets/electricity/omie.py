"""Files of OMIE, the exchange of the Iberian market: marginal prices of a day, and the bids of an hour.

The user fetches them from OMIE's public pages; the data are OMIE's, free to use if the source is named. They are
Latin-1, separated by semicolons, with commas for decimals and points between thousands. A day has 23, 24 or 25 hours;
since October 2025 each of these has four quarters, ``H1Q1`` to ``H24Q4``. Energies of quarters are MW over the quarter,
and their sum is no energy of the hour.
"""

# pandas ships no stubs, and what a checker infers from its source is partly unknown and partly wrong.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportMissingTypeStubs=false

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, final

import numpy as np
import pandas as pd

from walras.core.checks import require, require_known
from walras.core.files import read_text
from walras.core.typing import Bools, Floats
from walras.markets.electricity.series import Series

ZONE = "Europe/Madrid"
UNITS = {"EUR/MWh": 1.0, "Cent/kWh": 10.0}
"""EUR/MWh in each unit of price."""
SYSTEMS = {"es": "español", "pt": "portugués"}
DATE = re.compile(r"(?<!\d)(\d\d)/(\d\d)/(\d{4})(?! - \d\d:)")
NUMBER = re.compile(r"-?(?:\d{1,3}(?:\.\d{3})+|\d+),\d+|-?\d+")
"""Commas for decimals, points between thousands: a point without a comma could be either, and is refused."""
QUARTER = re.compile(r"H(\d{1,2})Q([1-4])$")
KINDS, STATES = {"C": False, "V": True}, {"O": False, "C": True}


@final
@dataclass(frozen=True, eq=False)
class Bids:
    """The S steps of an auction's curves."""

    period: tuple[str, ...]  # [S] hour, or hour and quarter as H1Q1
    sells: Bools  # [S]; a step that does not sell buys
    cleared: Bools  # [S] whether it is of the curve that cleared, in the place of the one that was offered
    price: Floats  # [S] EUR/MWh
    quantity: Floats  # [S] MWh of an hour; MW of a quarter


def load_omie_prices(path: str | Path, system: str = "es") -> Series:
    """Read the marginal prices of a day: a file ``PMD_*`` or ``PrecioMD_*``.

    Parameters
    ----------
    path : str or Path
        The file.
    system : str
        ``"es"`` for Spain, ``"pt"`` for Portugal.

    Returns
    -------
    Series
        The column ``price_eur_mwh``.

    Raises
    ------
    FileNotFoundError
        If there is no file at `path`.
    ValueError
        If it is no such file, its unit of price is unknown, or it has another number of periods than the day; with file
        and row.
    """
    require_known(system, "system", SYSTEMS)
    rows = _rows(path)
    head = _row(path, [not row[0] and any(row[1:]) for row in rows], "the periods")
    label = f"Precio marginal en el sistema {SYSTEMS[system]}"
    found = _row(path, [row[0].startswith(label) for row in rows], repr(label))
    unit = rows[found][0].rpartition("(")[2].rstrip(") ")
    if unit not in UNITS:
        _refuse(path, found, f"have prices in {' or '.join(UNITS)}", unit)
    periods = [cell for cell in rows[head][1:] if cell]
    start, minutes = _day(path, rows[0]), 15 if QUARTER.match(periods[0]) or len(periods) > 25 else 60
    utc = pd.date_range(start, start + pd.DateOffset(days=1), freq=f"{minutes}min", inclusive="left")
    for k, (cell, name) in enumerate(zip(periods, _names(len(periods), minutes), strict=True)):
        if cell != name:
            _refuse(path, head, f"have the period {name} in place {k + 1}", cell)
    values = [cell for cell in rows[found][1:] if cell]
    if not len(values) == len(periods) == len(utc):
        _refuse(path, found, f"have the {len(utc)} periods of {start:%d/%m/%Y}", f"{len(values)}, under {len(periods)}")
    price = np.array([[UNITS[unit] * _number(path, found, cell)] for cell in values])
    return Series(("price_eur_mwh",), _plain(utc.tz_convert("UTC")), _plain(utc), price, minutes / 60)


def load_omie_bids(path: str | Path, unit: str) -> Bids:
    """Read the curves of an auction: a file ``OfferAndDemandCurve_*`` or ``curva_pbc_*``.

    Parameters
    ----------
    path : str or Path
        The file.
    unit : str
        Of its prices, which the file does not say: ``"Cent/kWh"`` in the first years, then ``"EUR/MWh"``.

    Raises
    ------
    FileNotFoundError
        If there is no file at `path`.
    ValueError
        If it is no such file, it holds no row, or a row holds no step of a curve; with file and row.
    """
    require_known(unit, "unit", UNITS)
    rows = _rows(path)
    head = _row(path, [row[0] in ("Hora", "Periodo") for row in rows], "a heading that begins with Hora or Periodo")
    names = [name.partition(" ")[0] for name in rows[head]]
    place = {word: _column(path, head, names, word) for word in ("Tipo", "Energía", "Precio", "Ofertada")}
    kept = [k for k in range(head + 1, len(rows)) if rows[k][0]]
    if not kept:
        _refuse(path, head, "have a step of a curve below it", "none")
    for k in kept:
        if len(rows[k]) <= max(place.values()):
            _refuse(path, k, f"have the {max(place.values()) + 1} cells of row {head + 1}", "; ".join(rows[k]))
        if rows[k][place["Tipo"]] not in KINDS or rows[k][place["Ofertada"]] not in STATES:
            _refuse(path, k, "be C or V, and O or C", f"{rows[k][place['Tipo']]}, {rows[k][place['Ofertada']]}")
    price, quantity = (
        np.array([_number(path, k, rows[k][place[word]]) for k in kept]) for word in ("Precio", "Energía")
    )
    for k, mine in zip(kept, quantity.tolist(), strict=True):
        if mine < 0:
            _refuse(path, k, "have no negative quantity", rows[k][place["Energía"]])
    return Bids(
        period=tuple(rows[k][0] for k in kept),
        sells=np.array([KINDS[rows[k][place["Tipo"]]] for k in kept]),
        cleared=np.array([STATES[rows[k][place["Ofertada"]]] for k in kept]),
        price=UNITS[unit] * price,
        quantity=quantity,
    )


def _names(count: int, minutes: int) -> list[str]:
    """Return how periods are called: 1, 2, ... or H1Q1, H1Q2, ..."""
    return [f"H{k // 4 + 1}Q{k % 4 + 1}" if minutes < 60 else str(k + 1) for k in range(count)]


def _rows(path: str | Path) -> list[list[str]]:
    rows = [[cell.strip() for cell in line.split(";")] for line in read_text(path).split("\n")]
    rule = "be a file of OMIE, separated by semicolons, that begins with OMIE or OMEL"
    known = rows[0][0].startswith(("OMIE", "OMEL")) and len(rows[0]) > 1
    require(known, "path", rule, f"{path}: {rows[0][0][:40]}")
    return rows


def _row(path: str | Path, holds: list[bool], what: str) -> int:
    """Return the first row that is what is looked for."""
    require(any(holds), "path", f"have a row with {what}", str(path))
    return holds.index(True)


def _column(path: str | Path, head: int, names: list[str], word: str) -> int:
    if word not in names:
        _refuse(path, head, f"have a column {word}", ", ".join(names))
    return names.index(word)


def _day(path: str | Path, head: list[str]) -> pd.Timestamp:
    """Return the beginning of the day of delivery, which stands in the first row beside the date of issue."""
    days = [found for cell in head for found in DATE.findall(cell)]
    if not days:
        _refuse(path, 0, "have the day of delivery as dd/mm/yyyy", "; ".join(head))
    day, month, year = days[-1]
    try:
        return pd.Timestamp(f"{year}-{month}-{day}", tz=ZONE)
    except ValueError:
        _refuse(path, 0, "have the day of delivery as dd/mm/yyyy", f"{day}/{month}/{year}")


def _number(path: str | Path, row: int, cell: str) -> float:
    if not NUMBER.fullmatch(cell):
        _refuse(path, row, "hold numbers with commas for decimals, and points between thousands alone", cell)
    return float(cell.replace(".", "").replace(",", "."))


def _refuse(path: str | Path, row: int, rule: str, got: str) -> NoReturn:
    raise ValueError(f"{path}, row {row + 1}: must {rule}; got {got!r}.")


def _plain(times: pd.DatetimeIndex) -> Any:  # noqa: ANN401 - datetime64[m]
    return times.tz_localize(None).to_numpy().astype("datetime64[m]")
