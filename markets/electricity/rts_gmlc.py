"""The RTS-GMLC test system, from the folders of its repository.

The user fetches ``SourceData`` and the day-ahead series from the public repository ``GridMod/RTS-GMLC``; its licence is
a data use agreement of NREL, which asks for credit to DOE, NREL and ALLIANCE. A folder with `SourceData` and
``timeseries`` (the ``DAY_AHEAD_*.csv`` files, compressed or not) is read, or the repository's own ``RTS_Data``.

=================  ====================================================================================================
file               becomes
=================  ====================================================================================================
``bus.csv``        buses, with their places; the share of each in the load of its area
``branch.csv``     lines of susceptance 100 / (X tap), a tap of 0 being 1, and the continuous rating
``dc_branch.csv``  a link of direct current without losses, both ways
``gen.csv``        offers: block j is (pct_j - pct_(j-1)) PMax at HR_incr_j times the fuel's price, the first from 0 on
``DAY_AHEAD_*``    load by area, and what wind, sun and water let units produce at most
=================  ====================================================================================================

Heat rates are BTU/kWh, prices of fuels $/MMBTU. Money is $. The clock has no summer time. Synchronous condensers,
concentrated solar power and, unless it is asked for, storage are left out, and so are least outputs, starts and costs
of running at no load, which only a commitment of units knows.

What does not fit is refused by file, row and column: a bus or unit that stands twice, a unit of wind, sun or water
without a series and a series without a unit, blocks that end before the whole output or grow cheaper, hours that are
not 1 to 24, and a network in several islands.
"""

# networkx is only partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from walras.core.checks import require
from walras.core.typing import Floats
from walras.markets.electricity.sheets import Sheet, read_sheet
from walras.markets.electricity.storage import Storage
from walras.markets.electricity.system import System, require_joined

BASE = 100.0  # MVA
SOURCE, SERIES = ("SourceData",), ("timeseries", "timeseries_data_files")
RENEWABLE = ("wind", "pv", "rtpv", "hydro")
LEFT_OUT = {
    "SYNC_COND": "synchronous condensers",
    "CSP": "concentrated solar power",
    "STORAGE": "storage",
}
CLOCK = ("Year", "Month", "Day", "Period")
PERIODS = 24
"""Hours of a day; they count from 1."""
BLOCKS = range(1, 5)
FALL = 1e-3
"""By which share an incremental heat rate may fall below the block before: the data are rounded."""
UNIT = ("GEN UID", "Bus ID", "Unit Type", "Category", "PMax MW", "Fuel Price $/MMBTU", "VOM")
RATES = tuple(f"{name}_{block}" for block in BLOCKS for name in ("Output_pct", "HR_incr"))
FED = ("WIND", "PV", "RTPV", "HYDRO", "ROR")
"""Types of units whose output a series bounds."""


def load_rts_gmlc(folder: str | Path, *, storage: bool = False) -> System:
    """Read the system and its year of day-ahead series.

    Parameters
    ----------
    folder : str or Path
        Where ``SourceData`` and ``timeseries`` are.
    storage : bool
        Whether to read the storage as well; its losses are split evenly between charge and discharge.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ValueError
        If a table is malformed; with file, row and column.
    """
    home = Path(folder)
    source = _folder(home, SOURCE)
    buses, units = read_sheet(source / "bus.csv", "network.rts_gmlc"), read_sheet(source / "gen.csv")
    _require_units(buses, units)
    load, time = _series(home, "regional_Load")
    upper = {name: column for kind in RENEWABLE for name, column in _columns(*_series(home, kind), time, units)}
    fed = np.array([name in upper for name in units.text("GEN UID")])
    rule = f"have a column in a table of series, DAY_AHEAD_{' or '.join(RENEWABLE)}"
    units.require("GEN UID", fed | ~np.isin(units.text("Unit Type"), FED), rule)
    kept = [k for k, kind in enumerate(units.text("Unit Type")) if kind not in LEFT_OUT]
    offers = [offer for k in kept for offer in _offers(units, k, upper, len(time))]
    area = dict(zip(buses.text("Bus ID"), buses.text("Area"), strict=True))
    require(bool(offers), "rts_gmlc", "have a unit that is read", units.path)
    names, bus, fuel, price, quantity = zip(*offers, strict=True)
    units.require_known("Bus ID", area, f"a bus of {buses.path}")
    return System(
        network=_network(buses, read_sheet(source / "branch.csv"), read_sheet(source / "dc_branch.csv")),
        unit=names,
        owner=tuple(f"area {area[each]}" for each in bus),
        fuel=fuel,
        bus=bus,
        price=np.broadcast_to(np.array(price), (len(time), len(price))),
        quantity=np.stack(quantity, axis=1),
        load=_bus_loads(buses, load),
        time=time,
        local=time,
        money="$",
        storage=_storage(units, read_sheet(source / "storage.csv"), area) if storage else (),
        place=_places(buses),
        left_out=_left_out(units, ("STORAGE",) if storage else ()),
    )


def _folder(home: Path, names: tuple[str, ...]) -> Path:
    found = [home / name for name in names if (home / name).is_dir()]
    require(bool(found), "rts_gmlc", f"be a folder with {' or '.join(names)} in it", str(home))
    return found[0]


def _series(home: Path, name: str) -> tuple[Sheet, Any]:
    """Return a table of series and the hours at which its rows begin."""
    folder = _folder(home, SERIES)
    found = sorted(folder.rglob(f"DAY_AHEAD_{name}.csv*"))
    require(bool(found), "rts_gmlc", f"have a table DAY_AHEAD_{name}.csv", str(folder))
    sheet = read_sheet(found[0])
    year, month, day, period = (sheet.numbers(column, low=1.0) for column in CLOCK)
    _require_clock(sheet, month, day, period)
    months = (year.astype(np.int64) - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (
        month.astype(np.int64) - 1
    )
    hours = months.astype("datetime64[h]") + (24 * (day - 1) + period - 1).astype(np.int64)
    length = ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)
    sheet.require("Day", day <= length, "be a day of the month")
    even = np.append(True, np.diff(hours) == np.timedelta64(1, "h"))
    sheet.require("Period", even, "follow the row before by an hour")
    return sheet, hours.astype("datetime64[m]")


def _require_clock(sheet: Sheet, month: Floats, day: Floats, period: Floats) -> None:
    """Refuse what is no whole month, day or hour."""
    for column, value, most in (("Month", month, 12), ("Day", day, 31), ("Period", period, PERIODS)):
        sheet.require(column, (value == np.rint(value)) & (value <= most), f"be a whole number from 1 to {most}")


def _require_units(buses: Sheet, units: Sheet) -> None:
    """Refuse a table without its columns, and a bus or unit that stands twice."""
    buses.require_columns("Bus ID", "MW Load", "Area", "lat", "lng")
    units.require_columns(*UNIT, *RATES)
    buses.require_distinct("Bus ID")
    units.require_distinct("GEN UID")


def _columns(
    sheet: Sheet,
    hours: Any,  # noqa: ANN401 - datetime64
    time: Any,  # noqa: ANN401 - datetime64
    units: Sheet,
) -> Iterator[tuple[str, Floats]]:
    same = len(hours) == len(time) and bool((hours == time).all())
    require(same, "rts_gmlc", "have series of the same hours", sheet.path)
    known = (*CLOCK, *units.text("GEN UID"))
    for column in sheet.columns:
        if column not in known:
            raise ValueError(f"{sheet.path}, row 1: `{column}` must be a unit of {units.path}, as a column of series.")
    for column in sheet.columns:
        if column not in CLOCK:
            yield column, sheet.numbers(column, low=0.0)


def _offers(
    units: Sheet, k: int, upper: dict[str, Floats], steps: int
) -> Iterator[tuple[str, str, str, float, Floats]]:
    """Yield name, bus, category, price and quantity ``[T]`` of the blocks of unit `k`."""
    name, bus, category = (units.cells[column][k] for column in ("GEN UID", "Bus ID", "Category"))
    operation = _cell(units, k, "VOM")
    if name in upper:
        yield name, bus, category, operation, upper[name]
        return
    most, fuel = _cell(units, k, "PMax MW"), _cell(units, k, "Fuel Price $/MMBTU") / 1000
    below, last = 0.0, 0.0
    for block in BLOCKS:
        if units.cells[f"Output_pct_{block}"][k] == "NA":
            break
        reached = _cell(units, k, f"Output_pct_{block}")
        rate = _cell(units, k, f"HR_incr_{block}")
        if not below < reached <= 1:
            units.refuse(k, f"Output_pct_{block}", f"exceed {below:g}, the share of the block before, up to 1")
        if rate < last * (1 - FALL):
            units.refuse(k, f"HR_incr_{block}", f"not fall below {last:g}, that of the block before")
        yield name, bus, category, rate * fuel + operation, np.full(steps, (reached - below) * most)
        below, last = reached, rate
    if below != 1:
        units.refuse(k, "Output_pct_1", "begin blocks that end at 1, the whole output")


def _cell(sheet: Sheet, row: int, column: str) -> float:
    try:
        value = float(sheet.cells[column][row])
    except ValueError:
        sheet.refuse(row, column, "be a number, or NA after the last block")
    if not 0 <= value < np.inf:
        sheet.refuse(row, column, "be finite and not negative")
    return value


def _network(buses: Sheet, branches: Sheet, links: Sheet) -> "nx.MultiGraph[Any]":
    network: nx.MultiGraph[Any] = nx.MultiGraph()
    network.add_nodes_from(buses.text("Bus ID"))
    tap = branches.numbers("Tr Ratio", low=0.0)
    susceptance = BASE / (branches.numbers("X", low=1e-9) * np.where(tap == 0, 1.0, tap))
    for name, start, end, b, limit in _lines(network, branches, susceptance, branches.numbers("Cont Rating", low=0.0)):
        network.add_edge(start, end, key=name, susceptance=b, limit=limit, from_bus=start, to_bus=end)
    most = links.numbers("MW Load", low=0.0)
    for name, start, end, high, low in _lines(network, links, most, -most):
        network.add_edge(start, end, key=name, kind="dc", limit=high, minimum=low, from_bus=start, to_bus=end)
    require_joined(buses, "Bus ID", network)
    return network


def _lines(
    network: "nx.MultiGraph[Any]", table: Sheet, *values: Floats
) -> Iterator[tuple[str, str, str, float, float]]:
    for column in ("From Bus", "To Bus"):
        table.require_known(column, network.nodes, "a bus of bus.csv")
    table.require_distinct("UID")
    pairs = zip(table.text("From Bus"), table.text("To Bus"), strict=True)
    table.require("To Bus", np.array([start != end for start, end in pairs]), "be another bus than `From Bus`")
    ends = (table.text(column) for column in ("UID", "From Bus", "To Bus"))
    yield from zip(*ends, *(value.tolist() for value in values), strict=True)


def _bus_loads(buses: Sheet, load: Sheet) -> Floats:
    """Return the load of each bus, ``[T, n]``: its share of the load of its area."""
    buses.require_known("Area", load.columns, f"a column of {load.path}")
    area, drawn = np.array(buses.text("Area")), buses.numbers("MW Load", low=0.0)
    total = np.array([drawn[area == name].sum() for name in area])
    buses.require("MW Load", total > 0, "be positive at a bus of each area, to share the area's load")
    share = drawn / total
    return np.stack([load.numbers(name, low=0.0) for name in area], axis=1) * share


def _places(buses: Sheet) -> dict[Any, tuple[float, float]]:
    columns = (buses.numbers(name).tolist() for name in ("lat", "lng"))
    return {bus: (lat, lon) for bus, lat, lon in zip(buses.text("Bus ID"), *columns, strict=True)}


def _storage(units: Sheet, volumes: Sheet, area: dict[str, str]) -> tuple[Storage, ...]:
    """Return the storages: volume from ``storage.csv``, power and the share that is kept from ``gen.csv``."""
    held = dict(zip(volumes.text("GEN UID"), volumes.numbers("Max Volume GWh", low=0.0), strict=True))
    rows = [k for k, kind in enumerate(units.text("Unit Type")) if kind == "STORAGE"]
    stored = np.array([kind != "STORAGE" for kind in units.text("Unit Type")])
    units.require("GEN UID", stored | np.isin(units.text("GEN UID"), list(held)), f"stand in {volumes.path}")
    return tuple(
        Storage(
            name=units.cells["GEN UID"][k],
            bus=units.cells["Bus ID"][k],
            power=_cell(units, k, "PMax MW"),
            charge=_cell(units, k, "Pump Load MW"),
            energy=1000 * float(held[units.cells["GEN UID"][k]]),
            efficiency_charge=(_cell(units, k, "Storage Roundtrip Efficiency") / 100) ** 0.5,
            efficiency_discharge=(_cell(units, k, "Storage Roundtrip Efficiency") / 100) ** 0.5,
            owner=f"area {area[units.cells['Bus ID'][k]]}",
        )
        for k in rows
    )


def _left_out(units: Sheet, read: tuple[str, ...] = ()) -> tuple[str, ...]:
    kinds = units.text("Unit Type")
    left = {kind: words for kind, words in LEFT_OUT.items() if kind in kinds and kind not in read}
    there = [f"{words} ({kinds.count(kind)})" for kind, words in left.items()]
    return (f"Left out: {', '.join(there)}; least outputs, starts and costs at no load.",) if there else ()
