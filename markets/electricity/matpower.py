"""Transmission networks from MATPOWER case files.

A case file (``.m``, format version 2) is a MATLAB function that fills four matrices: buses, units, unit
costs and branches [1]_. Public collections of them are MATPOWER's own and the Power Grid Library,
``pglib-opf`` [2]_, whose published optimal costs the direct-current model of `walras.markets.electricity.network`
reproduces. What a file may say is in `walras.markets.electricity.case_text`.

What is read, and how it becomes the direct-current model:

========================  =========================================================================================
matrix, column            becomes
========================  =========================================================================================
bus ``Pd``, ``Gs``        `load`: demand plus what the shunt conductance draws at 1 per unit of voltage, MW
gen ``Pmax/Pmin``         `quantity` and `minimum`, MW; both negative for a bid; ``Inf`` is all that could be drawn
gencost, polynomial       `slope` (``2 c2``), `price` (``c1``) and their part of `fixed_cost` (``c0``)
gencost, piecewise        an offer for each piece, in rising order; the first and the last piece go on beyond the points
branch ``r``, ``x``       `susceptance`, MW per radian; see the convention
branch ``rateA``          `limit`, MW; 0 means none
branch ``angmin/max``     `limit` and `minimum` also, as the flow is `susceptance` times the angle between the buses
dcline                    a line of direct current: ``Pmin`` to ``Pmax`` MW leave the first bus; ``loss0`` and ``loss1``
========================  =========================================================================================

Conventions. ``"pglib"`` has the susceptance ``baseMVA x / (r^2 + x^2)`` and neither taps nor shifts: the model of the
published costs. ``"matpower"`` has ``baseMVA / (x tap)`` and shifts phases: the model of MATPOWER's own ``rundcopf``.

Units and branches out of service, and buses of type 4 (isolated) with what hangs on them, are left out. So are costs of
starting, reactive power and voltages, which the direct-current model does not know. Which bus is the reference does not
matter. Several islands are refused, and so are constraints and costs of a user (``A``, ``N``, ...) and costs of
direct-current lines. Money is that of the file, mostly $.

References
----------
.. [1] R. D. Zimmerman, C. E. Murillo-Sanchez and R. J. Thomas, MATPOWER: Steady-State Operations, Planning
   and Analysis Tools for Power Systems Research and Education, IEEE Transactions on Power Systems 26(1),
   2011.
.. [2] S. Babaeinejadsarookolaee et al., The Power Grid Library for Benchmarking AC Optimal Power Flow
   Algorithms, arXiv:1908.02788, 2019.
"""

import warnings
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from walras.core.checks import require, require_known
from walras.core.typing import Bools, Floats, Ints
from walras.markets.electricity.case_costs import pieces
from walras.markets.electricity.case_text import read_case

CONVENTIONS = ("pglib", "matpower")
COLUMNS = {"bus": 13, "gen": 10, "gencost": 5, "branch": 11, "dcline": 17}  # what the format requires at least
NEEDED = ("bus", "gen", "gencost", "branch")
CHANGING = ("A", "l", "u", "N", "fparm", "H", "Cw", "zl", "zu", "dclinecost")
"""Fields that would change the optimum and are not read."""
FIELDS = ("version", "baseMVA", *COLUMNS)
TYPES = (1, 2, 3, 4)


@dataclass(frozen=True)
class Offers:
    """What the units offer, K offers in all: up to `quantity` at the marginal cost ``price + slope x``."""

    bus: Ints  # [K] number of the bus the unit feeds
    price: Floats  # [K] $/MWh at zero output
    slope: Floats  # [K] $/MWh per MW; 0 where the cost is linear
    quantity: Floats  # [K] MW, most
    minimum: Floats  # [K] MW, least
    fixed_cost: float  # $/h of all units in service, whatever they produce
    unit: Ints  # [K] row of the unit in the file, counted from 1; a piecewise linear cost makes several offers


@dataclass(frozen=True)
class Case:
    """A network and the offers of its units.

    Nodes are bus numbers with `load` (MW). Edges are branches, keyed by their row in the file counted from 1, with the
    attributes that `walras.markets.electricity.network` reads; lines of direct current are keyed ``"dc 1"`` and so on.
    """

    name: str
    network: "nx.MultiGraph[int]"
    offers: Offers


@dataclass(frozen=True)
class Tables:
    """What a file holds, checked."""

    base: float  # MVA
    bus: Floats
    gen: Floats
    gencost: Floats
    branch: Floats
    dcline: Floats

    @property
    def known(self) -> Floats:
        """Numbers of the buses that are connected."""
        return self.bus[self.bus[:, 1] != 4, 0]


def load_matpower(path: str | Path, *, convention: str = "pglib") -> Case:
    """Read a MATPOWER case file.

    Parameters
    ----------
    path
        The ``.m`` file.
    convention
        ``"pglib"`` or ``"matpower"``: how branches become lines of the direct-current model; see the module.

    Returns
    -------
    Case
        Network and offers of what is in service.

    Warns
    -----
    UserWarning
        If the convention ignores taps or shifts that the file has: of how many branches.

    Raises
    ------
    FileNotFoundError
        If there is no file at `path`.
    ValueError
        If a statement is not understood, or a matrix is missing, ragged or not numeric, a number is NaN or out of its
        range, a unit or branch is at an unknown bus, the network is in several islands, a cost is concave or of higher
        than second order, a branch has no reactance, or the file holds constraints that are not read. The message names
        file, field and row or line.
    """
    require_known(convention, "convention", CONVENTIONS)
    name, fields = read_case(path, FIELDS)
    try:
        tables = _tables(fields)
        return Case(name or Path(path).stem, _network(tables, convention), _offers(tables))
    except ValueError as wrong:
        raise ValueError(f"{path}: {wrong}") from wrong


def _tables(fields: dict[str, Any]) -> Tables:
    _require_understood(fields)
    version = fields.get("version", "2")
    require(str(version).strip() in ("2", "2.0"), "version", "be 2, the format of case files", version)
    for name in NEEDED:
        require(name in fields, name, "be a matrix of the case file", sorted(fields))
    base = fields.get("baseMVA")
    require(isinstance(base, float) and 0 < base < np.inf, "baseMVA", "be given in the case file, positive", base)
    matrices = {name: _matrix(name, fields.get(name, np.zeros((0, COLUMNS[name])))) for name in COLUMNS}
    tables = Tables(base=float(base), **matrices)  # type: ignore[arg-type]
    _require_numbers(tables)
    return tables


def _require_understood(fields: dict[str, Any]) -> None:
    """Refuse fields that change the optimum, and names that are nearly those of fields that are read."""
    for name in fields:
        require(name not in CHANGING, name, "be absent: such constraints and costs are not read", f"mpc.{name}")
        near = get_close_matches(name.lower(), [known.lower() for known in FIELDS], n=1, cutoff=0.85)
        if near and name not in FIELDS:
            meant = next(known for known in FIELDS if known.lower() == near[0])
            raise ValueError(f"`{name}` must be a field of a case file; got mpc.{name}. Did you mean mpc.{meant}?")


def _matrix(name: str, found: Any) -> Floats:  # noqa: ANN401 - whatever was assigned
    require(isinstance(found, np.ndarray) and found.ndim == 2, name, "be a matrix of numbers", found)
    if not len(found):
        return np.zeros((0, COLUMNS[name]))
    require(found.shape[1] >= COLUMNS[name], name, f"have at least {COLUMNS[name]} columns", found.shape)
    return found


def _require_numbers(tables: Tables) -> None:
    """Refuse what is no number, or out of its range, in rows in service; and buses that are not there."""
    bus, branch, gen, dcline = tables.bus, tables.branch, tables.gen, tables.dcline
    require(len(bus) > 0, "bus", "have a row for each bus", bus.shape)
    _require_rows(bus[:, 0], (bus[:, 0] % 1 == 0) & (bus[:, 0] >= 1), "bus", "number buses by whole numbers from 1 on")
    _require_rows(bus[:, 1], np.isin(bus[:, 1], TYPES), "bus", "be of type 1, 2, 3 or 4")
    numbers, counts = np.unique(bus[:, 0], return_counts=True)
    require(bool((counts == 1).all()), "bus", "name each bus once", [int(n) for n in numbers[counts > 1]])
    for column, word in ((2, "Pd"), (4, "Gs")):
        _require_rows(bus[:, column], np.isfinite(bus[:, column]), "bus", f"have a finite {word}")
    for name, table, status, read in (
        ("gen", gen, 7, {9: "Pmin"}),
        ("branch", branch, 10, {2: "r", 3: "x", 8: "ratio", 9: "angle"}),
        ("dcline", dcline, 2, {9: "Pmin", 10: "Pmax", 15: "loss0", 16: "loss1"}),
    ):
        _require_rows(table[:, status], np.isfinite(table[:, status]), name, "have a finite status")
        for column, word in read.items():
            holds = np.isfinite(table[:, column]) | (table[:, status] <= 0)
            _require_rows(table[:, column], holds, name, f"have a finite {word}")
    _require_rows(gen[:, 8], (gen[:, 8] >= gen[:, 9]) | (gen[:, 7] <= 0), "gen", "have a Pmax that is at least Pmin")
    _require_rows(branch[:, 5], (branch[:, 5] >= 0) | (branch[:, 10] <= 0), "branch", "have a rateA of at least 0")
    for name, table, status in (("branch", branch, 10), ("dcline", dcline, 2)):
        _require_rows(table[:, 1], (table[:, 0] != table[:, 1]) | (table[:, status] <= 0), name, "join two buses")
    ranges = (dcline[:, 10] >= dcline[:, 9]) | (dcline[:, 2] <= 0)
    _require_rows(dcline[:, 10], ranges, "dcline", "have a Pmax that is at least Pmin")
    for name, ends in (("gen", gen[:, :1]), ("branch", branch[:, :2]), ("dcline", dcline[:, :2])):
        unknown = ends[~np.isin(ends, bus[:, 0])]
        require(not unknown.size, name, "name buses of the case", [float(bus) for bus in unknown[:3]])


def _require_rows(values: Floats, holds: Bools, name: str, rule: str) -> None:
    if not holds.all():
        row = int(np.argmin(holds))
        require(False, name, f"{rule} in row {row + 1}", float(values[row]))


def _network(tables: Tables, convention: str) -> "nx.MultiGraph[int]":
    network: nx.MultiGraph[int] = nx.MultiGraph()
    connected = tables.bus[np.isin(tables.bus[:, 0], tables.known)]
    network.add_nodes_from((int(row[0]), {"load": float(row[2] + row[4])}) for row in connected)
    for line in _in_service(tables.branch[:, :2], tables.branch[:, 10], tables.known):
        row = tables.branch[line]
        network.add_edge(*_ends(row), key=int(line) + 1, **_line(row, int(line) + 1, tables.base, convention))
    for line in _in_service(tables.dcline[:, :2], tables.dcline[:, 2], tables.known):
        row = tables.dcline[line]
        network.add_edge(*_ends(row), key=f"dc {line + 1}", **_link(row, int(line) + 1))
    _require_joined(tables, network)
    if convention == "pglib":
        _warn_of_taps(tables)
    return network


def _require_joined(tables: Tables, network: "nx.MultiGraph[int]") -> None:
    """Refuse a bus in service that no branch or dcline in service joins to the first one."""
    first = int(tables.known[0])
    apart = ~np.isin(tables.bus[:, 0], list(nx.node_connected_component(network, first))) & (tables.bus[:, 1] != 4)
    parts = nx.number_connected_components(network)
    rule = (
        f"be joined to bus {first} by branches in service, as one of {parts} islands is not: give its buses type 4, or"
        " make it a case of its own,"
    )
    _require_rows(tables.bus[:, 0], ~apart, "bus", rule)


def _in_service(buses: Floats, status: Floats, known: Floats) -> Ints:
    """Return the rows that are on, given the buses [R, 1 or 2] at which they are connected."""
    return np.flatnonzero((status > 0) & np.isin(buses, known).all(axis=1))


def _ends(row: Floats) -> tuple[int, int]:
    return int(row[0]), int(row[1])


def _line(row: Floats, line: int, base: float, convention: str) -> dict[str, Any]:
    r, x, rate, tap, shift = (float(row[column]) for column in (2, 3, 5, 8, 9))
    rule = f"have a reactance x other than 0 in row {line}; give it a small one, or merge its buses"
    require(x != 0, "branch", rule, x)
    plain = convention == "pglib"
    susceptance = base * x / (r**2 + x**2) if plain else base / (x * (tap or 1.0))
    turn = 0.0 if plain else float(np.deg2rad(shift))
    low, high = sorted(susceptance * (angle - turn) for angle in _angles(row, line))
    limit = rate or np.inf
    low, high = max(low, -limit), min(high, limit)
    least = {} if low == -high else {"minimum": low}
    start, end = _ends(row)
    turned = {"shift": turn} if turn else {}
    return {"susceptance": susceptance, "limit": high, **least, **turned, "from_bus": start, "to_bus": end}


def _angles(row: Floats, line: int) -> tuple[float, float]:
    """Return the least and the largest angle difference in radians; both 0, or 360 degrees, mean no limit."""
    if row.size < 13 or (row[11] == 0 and row[12] == 0):
        return -np.inf, np.inf
    low, high = float(row[11]), float(row[12])
    require(low <= high, "branch", f"have an angmin that is at most angmax in row {line}", (low, high))
    return float(np.deg2rad(low)) if low > -360 else -np.inf, float(np.deg2rad(high)) if high < 360 else np.inf


def _link(row: Floats, line: int) -> dict[str, Any]:
    low, high, loss, share = (float(row[column]) for column in (9, 10, 15, 16))
    require(
        loss >= 0 and 0 <= share < 1,
        "dcline",
        f"have losses from 0 on, and loss1 below 1, in row {line}",
        (loss, share),
    )
    rule = f"have a Pmin of at least 0 in row {line}, which loses a share loss1 of what flows; split it in two"
    require(share == 0 or low >= 0, "dcline", rule, low)
    start, end = _ends(row)
    limits = {"limit": high, "minimum": low, "loss": loss, "loss_share": share}
    return {"kind": "dc", **limits, "from_bus": start, "to_bus": end}


def _warn_of_taps(tables: Tables) -> None:
    on = tables.branch[_in_service(tables.branch[:, :2], tables.branch[:, 10], tables.known)]
    taps, shifts = int((~np.isin(on[:, 8], (0, 1))).sum()), int((on[:, 9] != 0).sum())
    if taps or shifts:
        warnings.warn(
            f"The pglib convention ignores taps ({taps} branches) and shifts ({shifts}); 'matpower' has them.",
            stacklevel=4,
        )


def _offers(tables: Tables) -> Offers:
    gen, gencost = tables.gen, tables.gencost
    rule = f"have a row for each of the {len(gen)} units, or two"
    require(len(gencost) in (len(gen), 2 * len(gen)), "gencost", rule, len(gencost))
    on = _in_service(gen[:, :1], gen[:, 7], tables.known)
    require(len(on) > 0, "gen", "have a unit in service", len(gen))
    most = np.where(np.isposinf(gen[:, 8]), _drawn(tables), gen[:, 8])
    parts = [pieces(gencost[unit], float(gen[unit, 9]), float(most[unit]), int(unit) + 1) for unit in on]
    unit = np.repeat(on, [len(part.price) for part in parts])
    return Offers(
        bus=gen[unit, 0].astype(np.int64),
        price=np.concatenate([part.price for part in parts]),
        slope=np.concatenate([part.slope for part in parts]),
        quantity=np.concatenate([part.quantity for part in parts]),
        minimum=np.concatenate([part.minimum for part in parts]),
        fixed_cost=float(sum(part.fixed for part in parts)),
        unit=unit + 1,
    )


def _drawn(tables: Tables) -> float:
    """Return what loads, bids and losses could draw together, MW: more than this no unit sells."""
    loads = np.maximum(tables.bus[:, 2] + tables.bus[:, 4], 0).sum()
    bids = np.maximum(-tables.gen[:, 9], 0).sum()
    losses = (tables.dcline[:, 15] + tables.dcline[:, 16] * np.maximum(tables.dcline[:, 10], 0)).sum()
    return float(loads + bids + losses)
