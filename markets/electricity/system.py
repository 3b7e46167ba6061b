"""A power system by the step: network, offers at marginal cost, and loads, from whatever files it was read.

Readers return it: `walras.markets.electricity.rts_gmlc`, `walras.markets.electricity.pypsa`, `case_system` of a
MATPOWER case, and `market_system` of a fleet, series and tables of buses, branches and links:

========  =============================================================================================
table     columns
========  =============================================================================================
buses     ``bus``; ``zone``, ``latitude`` and ``longitude`` if wanted
branches  ``branch``, ``from_bus``, ``to_bus``, ``limit_mw`` (blank is none), and a susceptance or a reactance
links     of direct current: ``link``, ``from_bus``, ``to_bus``, ``min_mw``, ``max_mw``, ``loss_share``
========  =============================================================================================

A branch has a ``susceptance_mw_rad``, or ``x_pu`` with ``base_mva``.
"""

# networkx is only partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import networkx as nx
import numpy as np

from walras.core.typing import Bools, Floats
from walras.markets.electricity.fleet import Fleet, storages
from walras.markets.electricity.matpower import Case
from walras.markets.electricity.series import Series
from walras.markets.electricity.sheets import Sheet, read_sheet
from walras.markets.electricity.storage import Storage

ALONE = "market"
"""The bus of a market without a network."""
BUS = ("bus", "zone", "latitude", "longitude")
BRANCH = ("branch", "from_bus", "to_bus", "limit_mw", "susceptance_mw_rad", "x_pu", "base_mva")
LINK = ("link", "from_bus", "to_bus", "min_mw", "max_mw", "loss_share")


@final
@dataclass(frozen=True, eq=False)
class System:
    """K offers and n buses over T steps. A unit whose cost rises in steps makes several offers."""

    network: "nx.MultiGraph[Any]"
    unit: tuple[str, ...]  # K
    owner: tuple[str, ...]  # K
    fuel: tuple[str, ...]  # K; or whatever tells technologies apart
    bus: tuple[Any, ...]  # K names of buses
    price: Floats  # [T, K] EUR/MWh
    quantity: Floats  # [T, K] MW
    load: Floats  # [T, n] MW in the order of the network's nodes
    minimum: Floats | None = None  # [K] MW
    slope: Floats | None = None  # [K] EUR/MWh per MW
    fixed_cost: float = 0.0  # EUR an hour, whatever is produced
    time: "np.ndarray[Any, np.dtype[np.datetime64]] | None" = None  # [T] beginning of each step, UTC or as written
    local: "np.ndarray[Any, np.dtype[np.datetime64]] | None" = None  # [T] the same by the local clock
    step_hours: float = 1.0
    money: str = "EUR"  # of prices and costs
    storage: tuple[Storage, ...] = ()
    place: Mapping[Any, tuple[float, float]] = field(default_factory=dict[Any, tuple[float, float]])
    """Latitude and longitude of buses, where they are known."""
    left_out: tuple[str, ...] = ()
    """What the files hold and this does not, in sentences."""

    @property
    def steps(self) -> int:
        """T."""
        return len(self.load)

    def part(self, steps: slice) -> "System":
        """Return some of the steps."""
        told = {name: value for name, value in vars(self).items() if name in self.__dataclass_fields__}
        by_step = ("price", "quantity", "load", "time", "local")
        return System(**(told | {name: told[name][steps] for name in by_step if told[name] is not None}))


def market_system(
    fleet: Fleet,
    series: Series,
    columns: str | Mapping[str, str],
    buses: str | Path | None = None,
    branches: str | Path | None = None,
    links: str | Path | None = None,
    cost: Floats | None = None,
) -> System:
    """Return the system of a fleet, series of load and availability, and tables of a network.

    Parameters
    ----------
    fleet : Fleet
        The units.
    series : Series
        Columns of load, and those that the fleet's availability names.
    columns : str or mapping
        Column of the load of a market without a network; or columns by bus.
    buses, branches, links : str or Path, optional
        Tables of the network.
    cost : array, optional
        Marginal costs by the step, ``[T, K]`` EUR/MWh; the fleet's by default.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ValueError
        If a table is malformed, a unit stands at no bus or at an unknown one, a load at an unknown one, a bus is joined
        to nothing or to a part of the network alone, or a number is out of its range; with file, row and column.
    """
    steps = len(series.value)
    if buses is None:
        loads = {ALONE: columns} if isinstance(columns, str) else columns
        network: nx.MultiGraph[Any] = nx.MultiGraph()
        network.add_node(ALONE)
        place: dict[Any, tuple[float, float]] = {}
        bus = (ALONE,) * len(fleet.unit)
    else:
        loads = {} if isinstance(columns, str) else columns
        sheet = read_sheet(buses, "network.buses")
        network, place = _network(sheet, branches, links)
        bus = fleet.sheet.text("bus")
        fleet.sheet.require_known("bus", network.nodes, f"a bus of {sheet.path}")
        _require_used(sheet, network, {*bus, *loads})
    available = np.stack([series.column(name) if name else np.ones(steps) for name in fleet.series], axis=1)
    price = np.broadcast_to(fleet.cost, (steps, len(fleet.unit))) if cost is None else cost
    units = np.flatnonzero(~storages(fleet))
    fleet.sheet.require("energy_mwh", np.array([units.size > 0]), "leave a unit that stores nothing")
    return System(
        network=network,
        unit=tuple(fleet.unit[k] for k in units),
        owner=tuple(fleet.owner[k] for k in units),
        fuel=tuple(fleet.fuel[k] or "other" for k in units),
        bus=tuple(bus[k] for k in units),
        price=price[:, units],
        quantity=(fleet.capacity * fleet.share * available)[:, units],
        storage=tuple(_storage(fleet, k, bus[k]) for k in np.flatnonzero(storages(fleet)).tolist()),
        load=_loads(network, loads, series),
        time=series.utc,
        local=series.local,
        step_hours=series.step_hours,
        place=place,
    )


def _storage(fleet: Fleet, k: int, bus: str) -> Storage:
    """Return a storage of a fleet: it draws its capacity where nothing else is said, and starts with what is best."""
    sheet, power = fleet.sheet, float(fleet.capacity[k])
    blank = sheet.text("availability", "")[k] == ""
    sheet.require("availability", np.arange(len(sheet)) != (k if not blank else -1), "be blank for a storage")
    charge, start = (sheet.numbers(column, np.nan)[k] for column in ("charge_mw", "start_mwh"))
    return Storage(
        name=fleet.unit[k],
        bus=bus,
        power=power,
        charge=power if np.isnan(charge) else float(charge),
        energy=float(fleet.number("energy_mwh")[k]),
        efficiency_charge=float(fleet.number("efficiency_charge")[k]),
        efficiency_discharge=float(fleet.number("efficiency_discharge")[k]),
        start=None if np.isnan(start) else float(start),
        cost=float(fleet.cost[k]),
        owner=fleet.owner[k],
    )


def case_system(case: Case) -> System:
    """Return the single hour of a MATPOWER case, whose money is mostly $; the units of a bus have one owner."""
    offers, network = case.offers, case.network
    names = tuple(f"unit {unit}" for unit in offers.unit)
    return System(
        network=network,
        unit=names,
        owner=tuple(f"bus {bus}" for bus in offers.bus),
        fuel=("other",) * len(names),
        bus=tuple(int(bus) for bus in offers.bus),
        price=offers.price[None],
        quantity=offers.quantity[None],
        load=np.array([[load for _, load in network.nodes(data="load")]], dtype=np.float64),
        minimum=offers.minimum,
        slope=offers.slope if offers.slope.any() else None,
        fixed_cost=offers.fixed_cost,
        money="$",
    )


def _network(
    sheet: Sheet, branches: str | Path | None, links: str | Path | None
) -> tuple["nx.MultiGraph[Any]", dict[Any, tuple[float, float]]]:
    sheet.require_read(BUS)
    sheet.require_distinct("bus")
    network: nx.MultiGraph[Any] = nx.MultiGraph()
    network.add_nodes_from(sheet.text("bus"))
    if branches is not None:
        _add_branches(network, read_sheet(branches, "network.branches"), sheet)
    if links is not None:
        _add_links(network, read_sheet(links, "network.links"), sheet)
    require_joined(sheet, "bus", network)
    return network, _places(sheet)


def _add_branches(network: "nx.MultiGraph[Any]", table: Sheet, buses: Sheet) -> None:
    table.require_read(BRANCH)
    start, end = _ends(network, table, "branch", buses)
    limit = table.numbers("limit_mw", np.inf, 0.0)
    for name, first, last, b, most in zip(table.text("branch"), start, end, _susceptance(table), limit, strict=True):
        network.add_edge(first, last, key=name, susceptance=float(b), limit=float(most), from_bus=first, to_bus=last)


def _susceptance(table: Sheet) -> Floats:
    """Return susceptances, MW per radian: as they are given, or the base over the reactance."""
    direct, given = table.numbers("susceptance_mw_rad", np.nan), table.numbers("x_pu", np.nan)
    rule = "be given, or `x_pu` with `base_mva`"
    table.require("susceptance_mw_rad", np.isnan(direct) != np.isnan(given), f"{rule}, and not both")
    base = table.numbers("base_mva", np.nan, 0.0)
    table.require("base_mva", np.isnan(given) | (base > 0), "be positive beside `x_pu`")
    found = np.where(np.isnan(direct), base / np.where(given == 0, np.nan, given), direct)
    table.require("x_pu" if "x_pu" in table else "susceptance_mw_rad", np.isfinite(found) & (found != 0), "not be 0")
    return found


def _add_links(network: "nx.MultiGraph[Any]", table: Sheet, buses: Sheet) -> None:
    table.require_read(LINK)
    start, end = _ends(network, table, "link", buses)
    high, share = table.numbers("max_mw"), table.numbers("loss_share", 0.0, 0.0, 1.0)
    low = table.numbers("min_mw", 0.0)
    table.require("min_mw", low <= high, "not exceed `max_mw`")
    table.require("loss_share", share < 1, "be below 1")
    table.require("min_mw", (share == 0) | (low >= 0), "not be negative on a link with losses: make it two links")
    for name, first, last, least, most, lost in zip(table.text("link"), start, end, low, high, share, strict=True):
        limits = {"minimum": float(least), "limit": float(most), "loss_share": float(lost)}
        network.add_edge(first, last, key=name, kind="dc", from_bus=first, to_bus=last, **limits)


def _ends(
    network: "nx.MultiGraph[Any]", table: Sheet, name: str, buses: Sheet
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the buses at both ends of each row, which are different and known; names stand once."""
    table.require_distinct(name)
    for column in ("from_bus", "to_bus"):
        table.require_columns(column)
        table.require_known(column, network.nodes, f"a bus of {buses.path}")
    start, end = table.text("from_bus"), table.text("to_bus")
    apart = np.array([first != last for first, last in zip(start, end, strict=True)])
    table.require("to_bus", apart, "be another bus than `from_bus`")
    return start, end


def require_joined(sheet: Sheet, column: str, network: "nx.MultiGraph[Any]") -> None:
    """Refuse a network in several parts, at the first bus that is not joined to the first of all.

    Raises
    ------
    ValueError
        If there is one; with the row of `sheet` whose `column` names it.
    """
    buses = sheet.text(column)
    joined = nx.node_connected_component(network, buses[0])
    holds: Bools = np.array([bus in joined for bus in buses])
    parts = nx.number_connected_components(network)
    hint = f" The network is in {parts} islands: join them, or make each a market of its own."
    sheet.require(column, holds, f"be joined to {buses[0]!r} by branches or links", hint)


def _require_used(sheet: Sheet, network: "nx.MultiGraph[Any]", used: set[str]) -> None:
    """Refuse a bus at which nothing stands, and which leads nowhere; and loads at unknown buses."""
    for bus in used:
        if bus not in network:
            rule = f"`columns` must name buses of {sheet.path}; got {bus!r}."
            raise ValueError(rule)
    holds = np.array([bus in used or network.degree(bus) > 1 for bus in sheet.text("bus")])
    sheet.require("bus", holds, "have a unit, a load, or branches that lead on")


def _places(sheet: Sheet) -> dict[Any, tuple[float, float]]:
    latitude, longitude = sheet.numbers("latitude", np.nan), sheet.numbers("longitude", np.nan)
    known = ~np.isnan(latitude) & ~np.isnan(longitude)
    pairs = zip(sheet.text("bus"), latitude, longitude, known, strict=True)
    return {bus: (float(lat), float(lon)) for bus, lat, lon, there in pairs if there}


def _loads(network: "nx.MultiGraph[Any]", columns: Mapping[str, str], series: Series) -> Floats:
    nothing = np.zeros(len(series.value))
    return np.stack([series.column(columns[bus]) if bus in columns else nothing for bus in network.nodes], axis=1)
