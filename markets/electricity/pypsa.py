"""Power systems from the folders that PyPSA writes.

``network.export_to_csv_folder(folder)`` of PyPSA [1]_ writes a table for each component and one for each attribute that
changes over time; columns at their defaults are left out. Read are

==========  =====================================================================================================
table       becomes
==========  =====================================================================================================
buses       buses, with their places ``x`` and ``y``
generators  offers from ``p_min_pu`` to ``p_max_pu`` of ``p_nom`` at ``marginal_cost``; see below
loads       ``p_set`` at their buses
lines       susceptance ``v_nom^2 / x``, limit ``s_max_pu s_nom``
storage     of ``p_nom``, ``max_hours`` and efficiencies, if ``cyclic_state_of_charge``
links       links of direct current from ``p_min_pu`` to ``p_max_pu`` of ``p_nom``; 1 less ``efficiency`` is lost
snapshots   steps of even length, whose weights are their hours; numbers in the place of times tell weights alone
==========  =====================================================================================================

A marginal cost rises by twice ``marginal_cost_quadratic`` a MW. ``generators-p_max_pu``, ``generators-marginal_cost``
and ``loads-p_set`` are read by the step. What PyPSA computes, and what does not touch a dispatch (such as costs of
capital, reactive power, and where carriers come from), is passed over. Every other attribute off its default, and every
other component, is refused by name, as is a network in several islands.

References
----------
.. [1] T. Brown, J. Hoersch and D. Schlachtberger, PyPSA: Python for Power System Analysis, Journal of Open Research
   Software 6(4), 2018.
"""

# networkx is only partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import re
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from walras.core.checks import require
from walras.core.typing import Floats
from walras.markets.electricity.sheets import Sheet, read_sheet
from walras.markets.electricity.storage import Storage
from walras.markets.electricity.system import System, require_joined

READ = {
    "buses": ("name", "v_nom", "x", "y"),
    "generators": (
        "name", "bus", "p_nom", "p_min_pu", "p_max_pu", "marginal_cost", "marginal_cost_quadratic", "carrier"
    ),
    "loads": ("name", "bus", "p_set"),
    "lines": ("name", "bus0", "bus1", "x", "s_nom", "s_max_pu"),
    "links": ("name", "bus0", "bus1", "p_nom", "p_min_pu", "p_max_pu", "efficiency"),
    "storage_units": (
        "name", "bus", "p_nom", "p_min_pu", "p_max_pu", "max_hours", "efficiency_store", "efficiency_dispatch",
        "cyclic_state_of_charge", "marginal_cost", "carrier",
    ),
    "snapshots": ("name", "snapshot", "timestep", "objective", "stores", "generators"),
}  # fmt: skip
"""Attributes of each component that are read."""
PARTS = ("loads", "lines", "links", "storage_units")
"""Components that need not be there."""
BY_STEP = {"generators": ("p_max_pu", "marginal_cost"), "loads": ("p_set",)}
INERT = (
    "unit", "location", "v_mag_pu_set", "v_mag_pu_min", "v_mag_pu_max", "control", "generator", "sub_network",
    "carrier", "p_nom_mod", "p_nom_min", "p_nom_max", "p_init", "q_set", "build_year", "lifetime", "capital_cost",
    "overnight_cost", "discount_rate", "fom_cost", "weight", "length", "terrain_factor", "num_parallel", "r", "g", "b",
    "s_nom_mod", "s_nom_min", "s_nom_max", "up_time_before", "down_time_before", "efficiency", "maintenance_pu",
    "maintenance_events", "cyclic_delay", "v_nom",
    # What PyPSA computes.
    "p", "p0", "p1", "q", "q0", "q1", "v_mag_pu", "v_ang", "marginal_price", "p_nom_opt", "s_nom_opt", "status",
    "start_up", "shut_down", "maintenance", "maintenance_start", "mu_upper", "mu_lower", "mu_p_set", "mu_ramp_limit_up",
    "mu_ramp_limit_down", "x_pu", "r_pu", "g_pu", "b_pu", "x_pu_eff", "r_pu_eff", "capital_cost_piecewise_opt",
    "marginal_cost_piecewise_opt", "p_dispatch", "p_store", "spill", "state_of_charge", "state_of_charge_initial",
    "mu_state_of_charge_set", "mu_energy_balance",
)  # fmt: skip
"""Attributes that do not touch a dispatch, or are its results."""
PASSED = ("carriers", "sub_networks", "line_types", "transformer_types", "shunt_impedances", "network")
"""Tables that do not touch a dispatch."""
DEFAULT = {
    "active": ("true",),
    "sign": ("1", "1.0"),
    **dict.fromkeys(("v_ang_min", "e_sum_min"), ("-inf",)),
    **dict.fromkeys(("v_ang_max", "e_sum_max"), ("inf",)),
}
"""Defaults of attributes that are not read, where they are no zero, nothing, or false."""
OF_LOADS = {"sign": ("-1", "-1.0")}
NONE = ("0", "0.0", "false", "nan", "none")
WEIGHTS = ("objective", "stores", "generators")
"""How much a step counts, in hours."""
UNDATED = "now"
"""PyPSA's single snapshot where none was set."""
DATE = re.compile(r"\d{4}-\d\d-\d\d")


def load_pypsa(folder: str | Path) -> System:
    """Read a folder that PyPSA wrote.

    Parameters
    ----------
    folder : str or Path
        Where ``buses.csv`` and the others are.

    Raises
    ------
    FileNotFoundError
        If a table that is needed does not exist.
    ValueError
        If a table is malformed, an attribute that is not read is off its default, or a component is not read; with
        file, row and column.
    """
    home = Path(folder)
    require(home.is_dir(), "pypsa", "be the folder that PyPSA's export_to_csv_folder wrote", str(folder))
    _require_read(home)
    snapshots = _table(home, "snapshots")
    time, hours = _snapshots(snapshots)
    buses, units = _table(home, "buses"), _table(home, "generators")
    parts = {name: _table(home, name) for name in PARTS if (home / f"{name}.csv").is_file()}
    network = _network(buses, parts)
    units.require_known("bus", network.nodes, "a bus of buses.csv")
    steps, nominal = len(snapshots), units.numbers("p_nom", 0.0, 0.0)
    available = _by_step(home, units, "p_max_pu", 1.0, steps)
    least = units.numbers("p_min_pu", 0.0) * nominal
    slope = 2 * units.numbers("marginal_cost_quadratic", 0.0, 0.0)
    bus = units.text("bus")
    return System(
        network=network,
        unit=units.text("name"),
        owner=tuple(f"bus {name}" for name in bus),
        fuel=units.text("carrier", "other"),
        bus=bus,
        price=_by_step(home, units, "marginal_cost", 0.0, steps),
        quantity=available * nominal,
        load=_loads(home, buses, parts.get("loads"), steps),
        minimum=least if least.any() else None,
        slope=slope if slope.any() else None,
        time=time,
        local=time,
        step_hours=hours,
        storage=_storages(parts["storage_units"], network) if "storage_units" in parts else (),
        place=_places(buses),
    )


def _passed(component: str, attribute: str) -> bool:
    """Return whether a table of a component, or of its attribute by the step, is read or does not touch a dispatch."""
    if component in PASSED or attribute in INERT:
        return True
    return component in READ and (not attribute or attribute in BY_STEP.get(component, ()))


def _require_read(home: Path) -> None:
    """Refuse files of other components, and attributes by the step, that would change the dispatch."""
    for path in sorted(home.glob("*.csv")):
        component, _, attribute = path.stem.partition("-")
        alone = f"have components {', '.join(READ)} alone"
        rule = f"have no {attribute} by the step" if component in READ else alone
        empty = len(path.read_text().split()) <= 1
        require(empty or _passed(component, attribute), "pypsa", rule, path.name)


def _table(home: Path, name: str) -> Sheet:
    """Return a component's table, whose attributes that are not read are at their defaults."""
    sheet = read_sheet(home / f"{name}.csv", "network.pypsa")
    first = sheet.columns[0]
    if first not in READ[name]:  # the index, of older exports without a name
        sheet = Sheet(sheet.path, {"name" if k == first else k: v for k, v in sheet.cells.items()}, sheet.rows)
    for column in sheet.columns:
        if column not in READ[name] and column not in INERT:
            default = (DEFAULT | OF_LOADS if name == "loads" else DEFAULT).get(column, NONE)
            plain = [cell.lower() in ("", *default) for cell in sheet.text(column, "")]
            sheet.require(column, np.array(plain), "be at its default, as it is not read")
    if name != "snapshots":
        sheet.require_distinct("name")
    return sheet


def _snapshots(sheet: Sheet) -> tuple[Any, float]:
    """Return the times of the steps, or nothing where they are numbers, and their length in hours."""
    column = "snapshot" if "snapshot" in sheet else "name"
    cells = sheet.text(column)
    time = None if all(cell.isdigit() or cell == UNDATED for cell in cells) else _dated(sheet, column)
    given = [sheet.numbers(weight, 1.0, 0.0) for weight in WEIGHTS]
    hours = float(given[0][0]) if time is None or len(time) < 2 else float((time[1] - time[0]) / np.timedelta64(1, "h"))
    rule = f"be {hours:g}, the hours of a step, which PyPSA takes from its `snapshot_weightings`"
    for weight, numbers in zip(WEIGHTS, given, strict=True):
        sheet.require(weight if weight in sheet else column, numbers == hours, rule)
    return time, hours


def _dated(sheet: Sheet, column: str) -> Any:  # noqa: ANN401 - datetime64
    """Return times that follow each other by even steps."""
    written = np.array([DATE.match(cell) is not None for cell in sheet.text(column)])
    sheet.require(column, written, "be a time such as 2018-01-31 17:00:00")
    try:
        time = np.array(sheet.text(column), dtype="datetime64[m]")
    except ValueError:
        sheet.refuse(0, column, "begin times such as 2018-01-31 17:00:00")
    minutes = np.diff(time).astype(np.int64)
    later = np.append(True, (minutes == minutes[:1]) & (minutes > 0))
    sheet.require(column, later, "follow by the first step")
    return time


def _network(buses: Sheet, parts: dict[str, Sheet]) -> "nx.MultiGraph[Any]":
    network: nx.MultiGraph[Any] = nx.MultiGraph()
    network.add_nodes_from(buses.text("name"))
    for name in ("lines", "links"):
        if name in parts:
            for column in ("bus0", "bus1"):
                parts[name].require_columns(column)
                parts[name].require_known(column, network.nodes, "a bus of buses.csv")
    if "lines" in parts:
        _add_lines(network, parts["lines"], dict(zip(buses.text("name"), buses.numbers("v_nom", 1.0), strict=True)))
    if "links" in parts:
        _add_links(network, parts["links"])
    require_joined(buses, "name", network)
    return network


def _add_lines(network: "nx.MultiGraph[Any]", lines: Sheet, voltage: dict[str, float]) -> None:
    x = lines.numbers("x", 0.0)
    lines.require("x", x != 0, "not be 0")
    limit = lines.numbers("s_nom", 0.0, 0.0) * lines.numbers("s_max_pu", 1.0, 0.0)
    for name, start, end, reactance, most in zip(*_named(lines), x, limit, strict=True):
        susceptance = float(voltage[start] ** 2 / reactance)
        network.add_edge(start, end, key=name, susceptance=susceptance, limit=float(most), from_bus=start, to_bus=end)


def _add_links(network: "nx.MultiGraph[Any]", links: Sheet) -> None:
    nominal, efficiency = links.numbers("p_nom", 0.0, 0.0), links.numbers("efficiency", 1.0)
    links.require("efficiency", (efficiency > 0) & (efficiency <= 1), "lie in (0, 1]")
    low, high = links.numbers("p_min_pu", 0.0) * nominal, links.numbers("p_max_pu", 1.0) * nominal
    links.require("p_min_pu", (efficiency == 1) | (low >= 0), "not be negative on a link with losses")
    links.require("p_min_pu", low <= high, "not exceed `p_max_pu`")
    for name, start, end, least, most, kept in zip(*_named(links), low, high, efficiency, strict=True):
        limits = {"minimum": float(least), "limit": float(most), "loss_share": float(1 - kept)}
        network.add_edge(start, end, key=name, kind="dc", from_bus=start, to_bus=end, **limits)


def _storages(units: Sheet, network: "nx.MultiGraph[Any]") -> tuple[Storage, ...]:
    """Return storages that end with what they began with, which PyPSA calls cyclic."""
    units.require_known("bus", network.nodes, "a bus of buses.csv")
    cyclic = np.array([cell.lower() == "true" for cell in units.text("cyclic_state_of_charge", "False")])
    units.require("cyclic_state_of_charge" if "cyclic_state_of_charge" in units else "name", cyclic, "be cyclic")
    nominal = units.numbers("p_nom", 0.0, 0.0)
    draws, gives = units.numbers("p_min_pu", -1.0, -1.0, 0.0), units.numbers("p_max_pu", 1.0, 0.0, 1.0)
    kept = [units.numbers(f"efficiency_{way}", 1.0, 1e-9, 1.0) for way in ("store", "dispatch")]
    numbers = (gives * nominal, -draws * nominal, units.numbers("max_hours", 1.0, 0.0) * nominal, *kept)
    each = zip(units.text("name"), units.text("bus"), units.numbers("marginal_cost", 0.0), *numbers, strict=True)
    return tuple(
        Storage(name, bus, *map(float, values), cost=float(cost), owner=f"bus {bus}")
        for name, bus, cost, *values in each
    )


def _named(table: Sheet) -> tuple[tuple[str, ...], ...]:
    return table.text("name"), table.text("bus0"), table.text("bus1")


def _by_step(home: Path, table: Sheet, attribute: str, default: float, steps: int) -> Floats:
    """Return an attribute of the rows of a table, ``[T, rows]``: by the step where there is a table of it."""
    fixed = np.tile(table.numbers(attribute, default), (steps, 1))
    path = home / f"{Path(table.path).stem}-{attribute}.csv"
    if not path.is_file():
        return fixed
    sheet, names = read_sheet(path, "network.pypsa"), table.text("name")
    require(len(sheet) == steps, "pypsa", f"have {steps} steps in {path.name}, as snapshots.csv", len(sheet))
    for column in sheet.columns[1:]:
        require(column in names, "pypsa", f"have names of {Path(table.path).name} in {path.name}", column)
        fixed[:, names.index(column)] = sheet.numbers(column)
    return fixed


def _loads(home: Path, buses: Sheet, loads: Sheet | None, steps: int) -> Floats:
    names = buses.text("name")
    total = np.zeros((steps, len(names)))
    if loads is None:
        return total
    loads.require_known("bus", names, "a bus of buses.csv")
    place = {name: k for k, name in enumerate(names)}
    for bus, drawn in zip(loads.text("bus"), _by_step(home, loads, "p_set", 0.0, steps).T, strict=True):
        total[:, place[bus]] += drawn
    return total


def _places(buses: Sheet) -> dict[Any, tuple[float, float]]:
    if "x" not in buses or "y" not in buses:
        return {}
    x, y = (buses.numbers(column, 0.0).tolist() for column in ("x", "y"))
    return {bus: (lat, lon) for bus, lon, lat in zip(buses.text("name"), x, y, strict=True)}
