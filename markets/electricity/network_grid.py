"""A transmission network as matrices, from the attributes of a networkx graph.

What is read of each bus and line is listed in `BUS` and `LINE`. A number under any other name is refused with the
nearest name that is read: a load called ``demand`` would otherwise be no load.
"""

# networkx and scipy.sparse are only partly typed.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from numbers import Real
from typing import Any, TypeAlias

import networkx as nx
import numpy as np
import scipy.sparse as sp

from walras.core.checks import require, require_known
from walras.core.typing import Floats, Ints

Line: TypeAlias = tuple[Hashable, Hashable, Hashable]  # from bus, to bus, key
Sparse: TypeAlias = Any  # scipy.sparse.csr_array
KINDS = ("ac", "dc")
BUS = ("load",)
LINE = ("susceptance", "limit", "minimum", "shift", "from_bus", "to_bus", "kind", "loss", "loss_share")
OF_KIND = {"ac": ("susceptance", "shift"), "dc": ("loss", "loss_share")}
"""Attributes of one kind of line alone."""
SYNONYMS = {
    "angle": "shift", "b": "susceptance", "capacity": "limit", "consumption": "load", "demand": "load",
    "lower": "minimum", "max_flow": "limit", "min_flow": "minimum", "p": "load", "p_load": "load", "pd": "load",
    "power": "load", "rate": "limit", "rate_a": "limit", "rating": "limit", "s_nom": "limit", "source": "from_bus",
    "target": "to_bus", "type": "kind", "upper": "limit",
}  # fmt: skip
"""Other words for what is read."""


@dataclass(frozen=True, eq=False)
class Grid:
    """n buses, L lines and K units.

    The flow of a line is ``flow_of @ state + offset``. The state is the angles, those of the reference buses left out,
    and the flows of the direct-current lines.
    """

    buses: tuple[Hashable, ...]  # n
    lines: tuple[Line, ...]  # L
    load: Floats  # [n] MW
    drawn: Floats  # [n] MW that lines draw whatever flows
    low: Floats  # [L] MW, least flow
    high: Floats  # [L] MW, largest
    unit_bus: Ints  # [K] position of the unit's bus
    units_at_bus: Sparse  # [n, K] 1 where the unit feeds the bus
    incidence: Sparse  # [n, L] MW that leave the bus for a MW of flow: 1 at the first end, loss_share - 1 at the second
    flow_of: Sparse  # [L, A] MW for a unit of state
    offset: Floats  # [L] MW that shifted phases take off
    direct: Ints  # lines of direct current
    reference: Ints  # bus of angle 0 of each part that alternating current joins

    @cached_property
    def outflow(self) -> Sparse:
        """What leaves each bus for a unit of state, ``[n, A]`` MW."""
        return sp.csr_array(self.incidence @ self.flow_of)

    @cached_property
    def limited(self) -> Ints:
        """Lines that have a limit in some direction."""
        return np.flatnonzero(np.isfinite(self.low) | np.isfinite(self.high))

    @cached_property
    def across(self) -> Sparse:
        """The incidence transposed, ``[L, n]``: what a price at a bus adds to what a MW of flow costs."""
        return sp.csr_array(self.incidence.T)

    @cached_property
    def moved(self) -> Sparse:
        """`flow_of` transposed, ``[A, L]``."""
        return sp.csr_array(self.flow_of.T)


def grid_of(network: "nx.Graph[Any]", bus: Sequence[Hashable] | Ints) -> Grid:
    """Return the matrices of a network and of the units at `bus`.

    Raises
    ------
    ValueError
        As `walras.markets.electricity.network.NetworkMarket`.
    """
    buses = tuple(network.nodes)
    require(len(buses) > 0, "network", "have at least one bus", network)
    require(not network.is_directed(), "network", "be undirected: `from_bus` gives the direction", network)
    position = {name: index for index, name in enumerate(buses)}
    load = np.array([_load(name, data) for name, data in network.nodes(data=True)])
    edges = [(_ends(*edge), edge[3]) for edge in nx.MultiGraph(network).edges(keys=True, data=True)]
    lines, table = tuple(line for line, _ in edges), np.array([_row(*edge) for edge in edges]).reshape(-1, 7)
    direct, susceptance, shift, low, high, loss, share = table.T
    start, end = (np.array([position[line[side]] for line in lines], dtype=np.int64) for side in (0, 1))
    unit_bus = unit_buses(bus, position)
    reference = _reference(len(buses), start[direct == 0], end[direct == 0])
    return Grid(
        buses=buses,
        lines=lines,
        load=load,
        drawn=_selector(end, len(buses)) @ loss,
        low=low,
        high=high,
        unit_bus=unit_bus,
        units_at_bus=_selector(unit_bus, len(buses)),
        incidence=_selector(start, len(buses)) - _selector(end, len(buses)) @ sp.diags_array(1 - share),
        flow_of=_flow_of(start, end, susceptance, np.flatnonzero(direct), reference, len(buses)),
        offset=-susceptance * shift,
        direct=np.flatnonzero(direct),
        reference=reference,
    )


def unit_buses(bus: Sequence[Hashable] | Ints, position: Mapping[Hashable, int]) -> Ints:
    """Return the position of each unit's bus, ``[K]``.

    Raises
    ------
    ValueError
        If there is no unit, or a bus is unknown.
    """
    names = bus.tolist() if isinstance(bus, np.ndarray) else list(bus)
    require(len(names) > 0, "bus", "name the bus of at least one unit", names)
    for name in names:
        if name not in position:
            require_known(str(name), "bus", map(str, position))
            raise ValueError(f"`bus` must name buses by their own type; got {name!r}.")
    return np.array([position[name] for name in names], dtype=np.int64)


def _load(bus: Hashable, data: Mapping[str, Any]) -> float:
    _require_read(data, BUS, f"bus {bus!r}")
    return _number("load", data.get("load", 0.0), f"at bus {bus!r}")


def _row(line: Line, data: Mapping[str, Any]) -> tuple[float, ...]:
    """Return whether a line is direct current, its susceptance, shift, limits, fixed loss and share that is lost."""
    where = f"on line {line}"
    _require_read(data, LINE, f"line {line}")
    kind = data.get("kind", "ac")
    require(kind in KINDS, "kind", f"be ac or dc {where}", kind)
    other = [name for name in OF_KIND["ac" if kind == "dc" else "dc"] if name in data]
    require(not other, "kind", f"have {', '.join(OF_KIND[kind])} alone {where}, a line of kind {kind}", other)
    high = _number("limit", data.get("limit", np.inf), where, infinite=True)
    low = _number("minimum", data.get("minimum", -high), where, infinite=True)
    require("minimum" in data or high >= 0, "limit", f"be at least 0 {where}", high)
    require(low <= high and low < np.inf and high > -np.inf, "minimum", f"not exceed `limit` {where}", low)
    rest = (_direct if kind == "dc" else _alternating)(data, where)
    require(rest[4] == 0 or low >= 0, "minimum", f"not be negative {where}, which loses a share of what flows", low)
    return (*rest[:3], low, high, *rest[3:])


def _alternating(data: Mapping[str, Any], where: str) -> tuple[float, ...]:
    given = data.get("susceptance", np.nan)
    susceptance = float(given) if isinstance(given, Real) else np.nan
    require(bool(np.isfinite(susceptance)) and susceptance != 0, "susceptance", f"be finite and not 0 {where}", given)
    return 0.0, susceptance, _number("shift", data.get("shift", 0.0), where), 0.0, 0.0


def _direct(data: Mapping[str, Any], where: str) -> tuple[float, ...]:
    loss, share = (_number(name, data.get(name, 0.0), where) for name in OF_KIND["dc"])
    require(loss >= 0, "loss", f"not be negative {where}", loss)
    require(0 <= share < 1, "loss_share", f"lie in [0, 1) {where}", share)
    return 1.0, 0.0, 0.0, loss, share


def _number(name: str, value: object, where: str, *, infinite: bool = False) -> float:
    number = float(value) if isinstance(value, Real) else np.nan
    legal = not np.isnan(number) and (infinite or bool(np.isfinite(number)))
    require(legal, name, f"be a {'number' if infinite else 'finite number'} {where}", value)
    return number


def _require_read(data: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    """Refuse a number that is not read, and any attribute whose name means one that is."""
    for name, value in data.items():
        if name in known:
            continue
        meant = _meant(str(name).lower(), known)
        if meant or isinstance(value, Real):
            hint = f" Did you mean {meant!r}?" if meant else " Remove it, or keep it outside the network."
            read = ", ".join(known)
            raise ValueError(f"`network` must have no attribute {name!r} at {where}: {read} are read.{hint}")


def _meant(name: str, known: Iterable[str]) -> str:
    """Return the attribute that is probably meant, or nothing."""
    near = get_close_matches(name, [*known, *SYNONYMS], n=1, cutoff=0.85)
    meant = SYNONYMS.get(near[0], near[0]) if near else ""
    return meant if meant in known else ""


def _ends(start: Hashable, end: Hashable, key: Hashable, data: Mapping[str, Any]) -> Line:
    line = data.get("from_bus", start), data.get("to_bus", end), key
    require({line[0], line[1]} == {start, end}, "from_bus", f"be an end of line {(start, end, key)}", line)
    return line


def _reference(buses: int, start: Ints, end: Ints) -> Ints:
    """Return the first bus of each part that the lines from `start` to `end` join."""
    joined = sp.csr_array((np.ones(start.size), (start, end)), shape=(buses, buses))
    return np.unique(sp.csgraph.connected_components(joined, directed=False)[1], return_index=True)[1]


def _flow_of(start: Ints, end: Ints, susceptance: Floats, direct: Ints, reference: Ints, buses: int) -> Sparse:
    """Build the map from angles and direct flows to flows, the angles of the reference buses being 0.

    Angles are counted in units of one over the largest susceptance. With neither the references nor the
    scale, HiGHS reports bounded problems as unbounded when the cap is high.
    """
    free = np.setdiff1d(np.arange(buses), reference)
    scaled = susceptance / np.abs(susceptance).max(initial=np.finfo(np.float64).tiny)
    between = (_selector(start, buses) - _selector(end, buses)).T[:, free]
    return sp.csr_array(sp.hstack([between.multiply(scaled[:, None]), _selector(direct, len(start))]))


def _selector(rows: Ints, height: int) -> Sparse:
    """Build a matrix [height, len(rows)] with a 1 in each column, at the given row."""
    return sp.csr_array((np.ones(rows.size), (rows, np.arange(rows.size))), shape=(height, rows.size))
