"""The dispatch of a power system: least cost, nodal prices, flows, and who earns what, as tables.

Each step is cleared on its own by `NetworkMarket.clear_many`. Where there are storages, `window` steps are
cleared at once by `walras.markets.electricity.horizon`; each storage ends them with what it began with, which the first
of them chooses where nothing is said. At the prices every unit's dispatch is best for it, so that what loads pay less
what units receive is the congestion rent of the lines.
"""

# networkx is only partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import pandas as pd

from walras.core.checks import placed, require
from walras.core.typing import Floats
from walras.markets.electricity.concentration import herfindahl
from walras.markets.electricity.horizon import HorizonClearing, clear_horizon
from walras.markets.electricity.network import NetworkMarket, PriceRule
from walras.markets.electricity.system import System


@final
@dataclass(frozen=True, eq=False)
class Dispatch:
    """A system's dispatch over T steps: K offers, n buses, L lines."""

    system: System
    lines: tuple[tuple[Any, Any, Any], ...]  # L first bus, second bus, name
    nodal_price: Floats  # [T, n] EUR/MWh
    dispatch: Floats  # [T, K] MW
    flow: Floats  # [T, L] MW
    line_price: Floats  # [T, L] EUR/MWh
    unserved: Floats  # [T, n] MW
    cost: Floats  # [T] EUR an hour, what is fixed included
    rent: Floats  # [T] EUR an hour
    charge: Floats  # [T, S] MW that storages draw
    discharge: Floats  # [T, S] MW that they give
    energy: Floats  # [T, S] MWh that they hold at the end of the step
    residual: float  # the largest of the steps, relative


def dispatched(system: System, cap: float, window: int = 24, price_rule: PriceRule = "supporting") -> Dispatch:
    """Clear the steps of a system.

    Parameters
    ----------
    system : System
        Network, offers and loads.
    cap : float
        Price of load left unserved, EUR/MWh.
    window : int
        Steps that are cleared at once where there are storages.
    price_rule : {"supporting", "midpoint"}
        Which prices stand where several support the dispatch of a step; see
        `walras.markets.electricity.network.NetworkClearing.at_midpoints`. With storages one of them stands, whose steps
        hang together.

    Raises
    ------
    ValueError
        If an offer exceeds the cap, the least outputs leave no dispatch that balances every bus, or midpoints are asked
        for where there are storages.
    RuntimeError
        If a clearing is no optimum; see `walras.markets.electricity.network.NetworkMarket`.
    """
    market = NetworkMarket(system.network, list(system.bus), system.slope)
    if system.storage:
        rule = "be supporting where storages couple the steps, whose intervals of prices hang together"
        require(price_rule == "supporting", "price_rule", rule, price_rule)
        return _coupled(market, system, cap, window)
    minimum = None if system.minimum is None else np.broadcast_to(system.minimum, system.price.shape)
    found = market.clear_many(system.price, system.quantity, system.load, minimum, cap, price_rule)
    return Dispatch(
        system=system,
        lines=market.lines,
        cost=found.cost + system.fixed_cost,
        rent=found.congestion_rent,
        **dict.fromkeys(STORED, np.zeros((system.steps, 0))),
        residual=float(found.residual.max()),
        **{name: getattr(found, name) for name in STACKED},
    )


def _coupled(market: NetworkMarket, system: System, cap: float, window: int) -> Dispatch:
    require(system.minimum is None, "minimum", "be left out where there are storages", system.minimum)
    each, storage = list[HorizonClearing](), system.storage
    for first in range(0, system.steps, window):
        part = system.part(slice(first, first + window))
        with placed(f"Rows {first} to {first + part.steps - 1}"):
            found = clear_horizon(
                market, part.price, part.quantity, part.load, storage, cap=cap, step_hours=part.step_hours
            )
        each.append(found)
        held = np.clip(each[-1].energy[-1], 0.0, [one.energy for one in storage])
        storage = tuple(replace(one, start=float(start)) for one, start in zip(storage, held, strict=True))
    joined = {name: np.concatenate([getattr(one, name) for one in each]) for name in (*STACKED, *STORED)}
    return Dispatch(
        system=system,
        lines=market.lines,
        cost=np.concatenate([one.cost for one in each]) + system.fixed_cost,
        rent=np.concatenate([one.congestion_rent for one in each]),
        residual=max(one.residual for one in each),
        **joined,
    )


STACKED = ("nodal_price", "dispatch", "flow", "line_price", "unserved")
STORED = ("charge", "discharge", "energy")


def tables(found: Dispatch) -> dict[str, pd.DataFrame]:
    """Return the tables ``hours``, ``units``, ``lines``, ``buses``, ``owners``, and ``storages`` where there are any.

    A storage stands among the units as well, with what it gives less what it draws.

    Money is that of the system, which stands in the column ``money`` of ``hours``, and is that of the step.
    """
    units = _units(found)
    told = {
        "hours": _hours(found),
        "units": units,
        "lines": _lines(found),
        "buses": _buses(found),
        "owners": _owners(units),
    }
    return told | ({"storages": _storages(found)} if found.system.storage else {})


def _hours(found: Dispatch) -> pd.DataFrame:
    load, served = found.system.load.sum(axis=1), found.system.load - found.unserved
    paid = np.sum(found.nodal_price * served, axis=1)
    mean = np.divide(paid, served.sum(axis=1), out=found.nodal_price.mean(axis=1), where=served.sum(axis=1) > 0)
    hours = found.system.step_hours
    return pd.DataFrame(
        {
            "time": _times(found.system),
            "load_mw": load,
            "unserved_mw": found.unserved.sum(axis=1),
            "price": mean,
            "price_low": found.nodal_price.min(axis=1),
            "price_high": found.nodal_price.max(axis=1),
            "cost": found.cost * hours,
            "rent": found.rent * hours,
            "money": found.system.money,
        }
    )


def _units(found: Dispatch) -> pd.DataFrame:
    """Return a row a step and unit; the offers of a unit are added up."""
    system, hours = found.system, found.system.step_hours
    names = list(dict.fromkeys(system.unit))
    place = {name: k for k, name in enumerate(names)}
    of_unit = np.array([place[name] for name in system.unit])
    first = [system.unit.index(name) for name in names]
    slope = np.zeros(len(of_unit)) if system.slope is None else system.slope
    cost = system.price * found.dispatch + slope * found.dispatch**2 / 2
    income = found.nodal_price[:, _positions(system)] * found.dispatch
    parts = {"mw": found.dispatch, "income": income * hours, "cost": cost * hours}
    table = pd.DataFrame(
        {
            "time": np.repeat(_times(system), len(names)),
            **{
                column: np.tile([str(values[k]) for k in first], system.steps)
                for column, values in (("unit", system.unit), ("owner", system.owner), ("fuel", system.fuel))
            },
            "bus": np.tile([str(system.bus[k]) for k in first], system.steps),
            "available_mw": _added(np.maximum(system.quantity, 0.0), of_unit).ravel(),
            **{column: _added(values, of_unit).ravel() for column, values in parts.items()},
        }
    )
    whole = pd.concat([table, _stored_units(found)], ignore_index=True) if system.storage else table
    return whole.assign(profit=whole["income"] - whole["cost"])


def _stored_units(found: Dispatch) -> pd.DataFrame:
    """Return the storages as units of the fuel "storage"."""
    system, hours = found.system, found.system.step_hours
    given = found.discharge - found.charge
    cost = found.discharge * [each.cost for each in system.storage]
    named = {
        "unit": [each.name for each in system.storage],
        "owner": [each.owner for each in system.storage],
        "fuel": ["storage"] * len(system.storage),
        "bus": [str(each.bus) for each in system.storage],
        "available_mw": [each.power for each in system.storage],
    }
    numbers = {"mw": given, "income": _at_storages(found) * given * hours, "cost": cost * hours}
    return pd.DataFrame(
        {
            "time": np.repeat(_times(system), len(system.storage)),
            **{column: np.tile(np.array(values), system.steps) for column, values in named.items()},
            **{column: values.ravel() for column, values in numbers.items()},
        }
    )


def _storages(found: Dispatch) -> pd.DataFrame:
    system = found.system
    numbers = {"charge_mw": found.charge, "discharge_mw": found.discharge, "energy_mwh": found.energy}
    return pd.DataFrame(
        {
            "time": np.repeat(_times(system), len(system.storage)),
            "storage": np.tile([each.name for each in system.storage], system.steps),
            **{column: values.ravel() for column, values in numbers.items()},
            "price": _at_storages(found).ravel(),
        }
    )


def _at_storages(found: Dispatch) -> Floats:
    """Return the prices at the storages' buses, ``[T, S]``."""
    position = {bus: k for k, bus in enumerate(found.system.network.nodes)}
    return found.nodal_price[:, [position[each.bus] for each in found.system.storage]]


def _lines(found: Dispatch) -> pd.DataFrame:
    steps, hours = found.system.steps, found.system.step_hours
    position = {bus: k for k, bus in enumerate(found.system.network.nodes)}
    ends = [[position[line[side]] for line in found.lines] for side in (0, 1)]
    share = [found.system.network.edges[line].get("loss_share", 0.0) for line in found.lines]
    arrives = found.flow * (1 - np.array(share))
    loss = [found.system.network.edges[line].get("loss", 0.0) for line in found.lines]
    start, end = (found.nodal_price[:, side] for side in ends)
    rent = end * (arrives - np.array(loss)) - start * found.flow
    return pd.DataFrame(
        {
            "time": np.repeat(_times(found.system), len(found.lines)),
            "line": np.tile([str(name) for _, _, name in found.lines], steps),
            **{
                column: np.tile([str(line[side]) for line in found.lines], steps)
                for column, side in (("from_bus", 0), ("to_bus", 1))
            },
            "flow_mw": found.flow.ravel(),
            "limit_mw": np.tile(_limits(found), steps),
            "shadow_price": found.line_price.ravel(),
            "rent": rent.ravel() * hours,
        }
    )


def _buses(found: Dispatch) -> pd.DataFrame:
    system, names = found.system, list(found.system.network.nodes)
    place = np.array([system.place.get(bus, (np.nan, np.nan)) for bus in names])
    return pd.DataFrame(
        {
            "time": np.repeat(_times(system), len(names)),
            "bus": np.tile([str(bus) for bus in names], system.steps),
            "latitude": np.tile(place[:, 0], system.steps),
            "longitude": np.tile(place[:, 1], system.steps),
            "load_mw": system.load.ravel(),
            "unserved_mw": found.unserved.ravel(),
            "price": found.nodal_price.ravel(),
        }
    )


def _owners(units: pd.DataFrame) -> pd.DataFrame:
    """Return a row an owner: what it sells and earns, over all steps, and its share of the market."""
    table = units.groupby("owner", sort=False)[["mw", "income", "cost", "profit"]].sum()
    capacity = units.groupby(["time", "owner"], sort=False)["available_mw"].sum().groupby("owner", sort=False).mean()
    sold = table.pop("mw").clip(lower=0.0)
    share = sold / sold.sum() if sold.sum() > 0 else sold
    return table.assign(available_mw=capacity, share=share).reset_index()


def summary(found: Dispatch) -> dict[str, float]:
    """Return the numbers of the whole, by their words."""
    system, hours, money = found.system, found.system.step_hours, found.system.money
    units = _units(found)
    sold = units.groupby("owner")["mw"].sum().to_numpy()
    return {
        f"cost ({money})": float(found.cost.sum() * hours),
        f"lowest price ({money}/MWh)": float(found.nodal_price.min()) + 0.0,
        f"highest price ({money}/MWh)": float(found.nodal_price.max()) + 0.0,
        "load (MWh)": float(system.load.sum() * hours),
        "unserved (MWh)": float(found.unserved.sum() * hours),
        f"congestion rent ({money})": float(found.rent.sum() * hours),
        "concentration, HHI": herfindahl(np.maximum(sold, 0.0)),
    }


def _limits(found: Dispatch) -> list[float]:
    return [float(found.system.network.edges[line].get("limit", np.inf)) for line in found.lines]


def _positions(system: System) -> Sequence[int]:
    """Return the place of each offer's bus among the nodes, ``[K]``."""
    position = {bus: k for k, bus in enumerate(system.network.nodes)}
    return [position[bus] for bus in system.bus]


def _times(system: System) -> Any:  # noqa: ANN401 - datetime64 or whole numbers
    return np.arange(system.steps) if system.time is None else system.time.astype("datetime64[ms]")


def _added(values: Floats, of_unit: Any) -> Floats:  # noqa: ANN401 - [K] whole numbers
    """Return values of offers, ``[T, K]``, added up by unit, ``[T, U]``."""
    total = np.zeros((len(values), int(of_unit.max()) + 1))
    np.add.at(total.T, of_unit, values.T)
    return total
