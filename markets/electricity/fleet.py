"""Units in files, by owner: what they can produce, and what it costs.

A fleet is a table with a row a unit:

=====================================  ================================================================
column                                 meaning
=====================================  ================================================================
``unit``, ``owner``                    names; a unit stands once
``capacity_mw``                        MW, not negative
``marginal_cost_eur_mwh``              EUR/MWh; or, instead, the next two
``fuel``                               a name of the table of fuels
``efficiency``                         MWh of electricity a MWh of heat, in (0, 1]; or the next
``heat_rate_gj_mwh``                   GJ a MWh, 3.6 / efficiency
``vom_eur_mwh``                        EUR/MWh beside the fuel
``bus``                                the unit's bus of the network
``availability``                       share of the capacity, 0 to 1, or the name of a column of series
``min_mw``, ``ramp_mw_h``              MW, MW an hour
``start_cost_eur``, ``no_load_eur_h``  EUR a start, EUR an hour of running
``min_up_h``, ``min_down_h``           hours
``energy_mwh``, ``charge_mw``          of a storage: MWh it holds, MW it draws
``efficiency_charge``                  of a storage: share that is kept, in (0, 1]; 1 by default
``efficiency_discharge``               the same of what it gives
``start_mwh``                          MWh in a storage at the start
=====================================  ================================================================

A table of fuels has the columns ``fuel``, ``price_eur_mwh_th`` and ``co2_t_mwh_th``. Marginal cost is
``(price + co2 x price of CO2) / efficiency + vom``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from walras.core.checks import require
from walras.core.typing import Bools, Floats, Ints
from walras.markets.electricity.generation import Generator
from walras.markets.electricity.sheets import Sheet, read_sheet

GJ = 3.6  # GJ a MWh
NUMBERS: dict[str, tuple[float, float, float]] = {
    "min_mw": (0.0, 0.0, np.inf),
    "ramp_mw_h": (np.inf, 0.0, np.inf),
    "start_cost_eur": (0.0, 0.0, np.inf),
    "no_load_eur_h": (0.0, 0.0, np.inf),
    "min_up_h": (0.0, 0.0, np.inf),
    "min_down_h": (0.0, 0.0, np.inf),
    "energy_mwh": (0.0, 0.0, np.inf),
    "charge_mw": (0.0, 0.0, np.inf),
    "efficiency_charge": (1.0, 0.0, 1.0),
    "efficiency_discharge": (1.0, 0.0, 1.0),
    "start_mwh": (0.0, 0.0, np.inf),
}
"""Optional columns of numbers: default, least and largest."""
COST = ("marginal_cost_eur_mwh", "fuel", "efficiency", "heat_rate_gj_mwh", "vom_eur_mwh")
BASIC = ("unit", "owner", "capacity_mw", *COST)
"""What every market uses."""
COLUMNS = (*BASIC, "bus", "availability", *NUMBERS)
FUELS = ("fuel", "price_eur_mwh_th", "co2_t_mwh_th")


@final
@dataclass(frozen=True, eq=False)
class Fleet:
    """K units and what they cost."""

    sheet: Sheet  # where they stand
    unit: tuple[str, ...]  # K
    owner: tuple[str, ...]  # K
    bus: tuple[str, ...]  # K; empty where none is given
    fuel: tuple[str, ...]  # K; empty where the marginal cost is given
    capacity: Floats  # [K] MW
    heat: Floats  # [K] MWh of fuel a MWh
    other: Floats  # [K] EUR/MWh beside the fuel
    cost: Floats  # [K] EUR/MWh
    share: Floats  # [K] share of the capacity that is available; 1 where a column of series says it
    series: tuple[str, ...]  # K; the column of series that says it, or nothing

    def number(self, column: str) -> Floats:
        """Return an optional column of numbers, ``[K]``, with its default where it is blank."""
        return self.sheet.numbers(column, *NUMBERS[column])

    def cost_at(self, price: Mapping[str, Floats]) -> Floats:
        """Return marginal costs, ``[H, K]`` EUR/MWh, at prices of fuels by the hour, ``[H]`` EUR/MWh each.

        Raises
        ------
        ValueError
            If a fuel has no price.
        """
        self.sheet.require_known("fuel", price, "a fuel with a price")
        hours = len(next(iter(price.values())))
        fuel = [price[name] if name else np.zeros(hours) for name in self.fuel]
        with np.errstate(over="ignore"):  # what is infinite, no price limit allows
            return np.stack(fuel, axis=1) * self.heat + self.other

    def generators(self, blocks: int = 0) -> tuple[Generator, ...]:
        """Return the owners as sellers, each with its units as blocks from the cheapest on.

        Parameters
        ----------
        blocks : int
            If positive, neighbours in cost are joined until an owner has so many blocks at most; a joint block costs
            the mean of its units, weighted by capacity.
        """
        owners = list(dict.fromkeys(self.owner))
        return tuple(self._generator(owner, blocks) for owner in owners)

    def _generator(self, owner: str, blocks: int) -> Generator:
        mine = np.array([name == owner for name in self.owner])
        cost, capacity = self.cost[mine], (self.capacity * self.share)[mine]
        order = np.argsort(cost, kind="stable")
        cost, capacity = joined(cost[order], capacity[order], blocks or len(order))
        return Generator(owner, tuple(cost.tolist()), tuple(capacity.tolist()))

    def require_used(self, used: tuple[str, ...], unused: tuple[str, ...], kind: str) -> None:
        """Refuse a column that a kind of market does not use, unless it is said to be unused.

        Raises
        ------
        ValueError
            If there is one; or if `unused` names a column that is not there.
        """
        for column in unused:
            require(column in self.sheet, "fleet.unused", f"name columns of {self.sheet.path}", column)
        for column in self.sheet.columns:
            if column not in (*BASIC, *used, *unused):
                remedy = f" If that is meant, say `unused: [{column}]` under `fleet`."
                raise ValueError(
                    f"{self.sheet.path}, row 1: `{column}` must be a column that {kind} uses; it is not.{remedy}"
                )


def load_fleet(path: str | Path, fuels: str | Path | Mapping[str, float] | None = None, co2: float = 0.0) -> Fleet:
    """Read a fleet.

    Parameters
    ----------
    path : str or Path
        Its table.
    fuels : str, Path or mapping, optional
        The table of fuels, or their prices by name, EUR/MWh, CO2 included.
    co2 : float
        Price of CO2, EUR/t.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ValueError
        If a table is malformed, a column unknown, a unit stands twice, has no cost or two, or a number is out of its
        range; with file, row and column.
    """
    require(bool(np.isfinite(co2)) and co2 >= 0, "co2_eur_t", "be finite and not negative", co2)
    sheet = read_sheet(path, "fleet.file")
    sheet.require_read(COLUMNS)
    sheet.require_columns("unit", "owner", "capacity_mw")
    sheet.require_distinct("unit")
    fuel, heat, other = _costs(sheet)
    price = fuels if isinstance(fuels, Mapping) else fuel_prices(fuels, co2) if fuels is not None else {}
    rule = "a fuel with a price" if price else "a fuel of `fleet.fuels`, which is not given"
    sheet.require_known("fuel", price, rule)
    share, series = _availability(sheet)
    fleet = Fleet(
        sheet=sheet,
        unit=sheet.text("unit"),
        owner=sheet.text("owner"),
        bus=sheet.text("bus", ""),
        fuel=fuel,
        capacity=sheet.numbers("capacity_mw", low=0.0),
        heat=heat,
        other=other,
        cost=other + heat * np.array([price.get(name, 0.0) for name in fuel]),
        share=share,
        series=series,
    )
    _require_limits(fleet)
    return fleet


def fuel_prices(path: str | Path, co2: float = 0.0) -> dict[str, float]:
    """Return the prices of fuels, EUR a MWh of heat, with CO2 at its price in EUR/t.

    Raises
    ------
    FileNotFoundError
        If there is no file at `path`.
    ValueError
        If the table is malformed; with file, row and column.
    """
    sheet = read_sheet(path, "fleet.fuels")
    sheet.require_read(FUELS)
    sheet.require_columns(*FUELS[:2])
    sheet.require_distinct("fuel")
    price = sheet.numbers("price_eur_mwh_th") + co2 * sheet.numbers("co2_t_mwh_th", 0.0, 0.0)
    return dict(zip(sheet.text("fuel"), price.tolist(), strict=True))


def joined(cost: Floats, capacity: Floats, blocks: int) -> tuple[Floats, Floats]:
    """Join neighbours of a merit order, the nearest in cost first, until `blocks` are left."""
    groups: list[list[int]] = [[k] for k in range(len(cost))]
    while len(groups) > blocks:
        mean = np.array([_mean(cost[group], capacity[group]) for group in groups])
        nearest = int(np.argmin(np.diff(mean)))
        groups[nearest : nearest + 2] = [groups[nearest] + groups[nearest + 1]]
    return (
        np.array([_mean(cost[group], capacity[group]) for group in groups]),
        np.array([capacity[group].sum() for group in groups]),
    )


def _mean(cost: Floats, capacity: Floats) -> float:
    if len(cost) == 1:
        return float(cost[0])
    return float(np.average(cost, weights=capacity if capacity.any() else None))


def _costs(sheet: Sheet) -> tuple[tuple[str, ...], Floats, Floats]:
    """Return the fuel, the heat a MWh, and the cost beside it, of each unit."""
    given = {name: np.array([bool(cell) for cell in sheet.text(name, "")]) for name in COST}
    direct, fuel = given["marginal_cost_eur_mwh"], given["fuel"]
    both = "have `marginal_cost_eur_mwh` or `fuel`"
    sheet.require("marginal_cost_eur_mwh" if "marginal_cost_eur_mwh" in sheet else "fuel", direct | fuel, both)
    sheet.require("fuel", ~(direct & fuel), f"{both}, not both")
    for name in ("efficiency", "heat_rate_gj_mwh", "vom_eur_mwh"):
        sheet.require(name, ~(given[name] & direct), "be blank beside `marginal_cost_eur_mwh`, which is the whole cost")
    efficiency, rate = given["efficiency"], given["heat_rate_gj_mwh"]
    sheet.require("fuel", ~fuel | efficiency | rate, "have an `efficiency` or a `heat_rate_gj_mwh` beside it")
    sheet.require("efficiency", ~(efficiency & rate), "be given, or `heat_rate_gj_mwh`, not both")
    _require_share(sheet, "efficiency")
    heat = np.where(rate, sheet.numbers("heat_rate_gj_mwh", GJ, GJ) / GJ, 1 / sheet.numbers("efficiency", 1.0))
    other = np.where(direct, sheet.numbers("marginal_cost_eur_mwh", 0.0), sheet.numbers("vom_eur_mwh", 0.0))
    return sheet.text("fuel", ""), np.where(fuel, heat, 0.0), other


def _availability(sheet: Sheet) -> tuple[Floats, tuple[str, ...]]:
    """Return the share of each capacity that is available, and the column that says it where one does."""
    cells = sheet.text("availability", "")
    shares = [_share(cell) for cell in cells]
    share = np.array([1.0 if each is None else each for each in shares])
    sheet.require("availability", (share >= 0) & (share <= 1), "lie in [0, 1], or name a column of series")
    return share, tuple(cell if each is None else "" for cell, each in zip(cells, shares, strict=True))


def _share(cell: str) -> float | None:
    """Return a cell as a number; none if it is a name, and 1 where it is blank."""
    try:
        return float(cell) if cell else 1.0
    except ValueError:
        return None


def _require_share(sheet: Sheet, column: str) -> None:
    values = sheet.numbers(column, 1.0)
    sheet.require(column, (values > 0) & (values <= 1), "lie in (0, 1]")


def _require_limits(fleet: Fleet) -> None:
    """Refuse a unit that cannot keep its own limits."""
    sheet = fleet.sheet
    sheet.require("min_mw", fleet.number("min_mw") <= fleet.capacity, "not exceed `capacity_mw`")
    for column in ("efficiency_charge", "efficiency_discharge"):
        _require_share(sheet, column)
    energy = fleet.number("energy_mwh")
    sheet.require("start_mwh", fleet.number("start_mwh") <= energy, "not exceed `energy_mwh`, what the storage holds")
    sheet.require("charge_mw", (fleet.number("charge_mw") == 0) | (energy > 0), "be blank without an `energy_mwh`")


def storages(fleet: Fleet) -> Bools:
    """Return which units store energy, ``[K]``."""
    return fleet.number("energy_mwh") > 0


def owners(fleet: Fleet) -> tuple[tuple[str, ...], Ints]:
    """Return the owners in the order of their first units, and each unit's place among them, ``[K]``."""
    names = tuple(dict.fromkeys(fleet.owner))
    return names, np.array([names.index(name) for name in fleet.owner])
