"""What a market's file names, read: units, series and networks, as the kinds of market use them."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np

from walras.core.checks import require
from walras.core.typing import Floats
from walras.markets.electricity.fleet import FUELS, Fleet, load_fleet
from walras.markets.electricity.series import STEPS, Series, load_series, starting
from walras.markets.electricity.sheets import Sheet, read_sheet
from walras.markets.electricity.system import System, case_system, market_system
from walras.scenarios.electricity.market_file import Market, MarketFile


@final
@dataclass(frozen=True)
class MarketData:
    """The data of a market, each table read once."""

    file: MarketFile

    @cached_property
    def fleet(self) -> Fleet:
        """The units; of fuels with prices by the step, at a price of 0."""
        given, hourly = self.file.fleet, self.fuel_series
        fuels = given.fuels if hourly is None else dict.fromkeys(hourly.columns, 0.0)
        return load_fleet(_given(given.file, "fleet.file", "a table of units"), fuels, given.co2_eur_t)

    @cached_property
    def fuel_series(self) -> Series | None:
        """Prices of fuels by the step, where the table of fuels has a column of times.

        Raises
        ------
        ValueError
            If CO2 has a price as well, which such a table holds already.
        """
        path, time = self.file.fleet.fuels, self.file.demand.time
        sheet = None if path is None else read_sheet(path, "fleet.fuels")
        if path is None or sheet is None or FUELS[0] in sheet or time not in sheet:
            return None
        rule = f"be 0: {path} has prices by the step, which include CO2"
        require(self.file.fleet.co2_eur_t == 0, "fleet.co2_eur_t", rule, self.file.fleet.co2_eur_t)
        return self._series(path, [column for column in sheet.columns if column != time])

    @cached_property
    def cost(self) -> Floats | None:
        """Marginal costs by the step of the whole series, ``[H, K]`` EUR/MWh; none where they do not change."""
        hourly = self.fuel_series
        if hourly is None:
            return None
        same = np.array_equal(hourly.utc, self.series.utc)
        require(same, "fleet.fuels", "have the times of `demand.file`", str(self.file.fleet.fuels))
        return self.fleet.cost_at({name: hourly.column(name) for name in hourly.columns})

    @cached_property
    def series(self) -> Series:
        """All columns of the demand's table that are named."""
        demand = self.file.demand
        path = _given(demand.file, "demand.file", "a table of series")
        told = [name for name in (self.file.forecast.price, self.file.forecast.net_load) if name]
        return self._series(path, list(dict.fromkeys([*self.loads, *demand.must_run, *self.availability, *told])))

    @property
    def loads(self) -> tuple[str, ...]:
        """Columns of load."""
        demand = self.file.demand
        named = tuple(demand.columns.values()) or ((demand.column,) if demand.column else ())
        require(bool(named), "demand.column", "name the column of the load, or `columns` those by bus", demand.column)
        return named

    def exam(self) -> slice:
        """Return the steps that are judged.

        Raises
        ------
        ValueError
            If the series does not hold them.
        """
        return self._exam(self.series.local, self.series.step_hours)

    def intercepts(self) -> Floats:
        """Return the price at no sale of each step of the exam, ``[T]`` EUR/MWh.

        Raises
        ------
        ValueError
            If it is not given, or as a number without a length of the exam.
        """
        demand, step = self.file.demand, STEPS[self.file.market.step] / 60
        given = demand.intercept_eur_mwh
        require(given != "", "demand.intercept_eur_mwh", "be a number or name a column", given)
        rule = "be positive: by so much the price falls a MW"
        require(demand.slope_eur_mwh_mw > 0, "demand.slope_eur_mwh_mw", rule, demand.slope_eur_mwh_mw)
        if isinstance(given, str):
            path = _given(demand.file, "demand.file", f"a table of series with the column {given!r}")
            series = self._series(path, [given])
            return series.column(given)[self._exam(series.local, series.step_hours)]
        self.file.require_unused("demand.file", "exam.start", by="a demand whose intercept is a number")
        return np.full(max(round(self.file.exam.hours / step), 1), given)

    def exam_system(self) -> System:
        """Return the power system over the exam; of a single hour, that hour. Errors as in `exam` and `system`."""
        whole = self.system()
        return whole if whole.local is None else whole.part(self._exam(whole.local, whole.step_hours))

    def net_load(self) -> Floats:
        """Return load less what must run, ``[H]`` MW."""
        series, demand = self.series, self.file.demand
        self.require_within((*self.loads, *demand.must_run), 0.0, np.inf)
        load, run = (
            sum(map(series.column, names), np.zeros(len(series.utc))) for names in (self.loads, demand.must_run)
        )
        return load - run

    def system(self) -> System:
        """Return the power system over all steps of the file's series, or of its source.

        Raises
        ------
        ValueError
            If parts are given that the network's source brings itself.
        """
        source = (self.file.network.sources or ("fleet",))[0]
        return SOURCES[source](self)

    def _exam(self, local: Any, step_hours: float) -> slice:  # noqa: ANN401 - datetime64
        exam = self.file.exam
        first = starting(local, exam.start, "exam.start") if exam.start else 0
        left = len(local) - first
        steps = round(exam.hours / step_hours) or left
        rule = f"lie in [1, {left * step_hours:g}], the hours from the start on"
        require(1 <= steps <= left, "exam.hours", rule, exam.hours)
        return slice(first, first + steps)

    def _series(self, path: Path, columns: list[str]) -> Series:
        demand, step = self.file.demand, self.file.market.step
        return load_series(path, columns, demand.zone, step, time=demand.time, resample=demand.resample)

    @property
    def availability(self) -> tuple[str, ...]:
        """Columns of series that say what is available of units."""
        return tuple(name for name in self.fleet.series if name) if self.file.fleet.file else ()

    def require_within(self, columns: Iterable[str], low: float, high: float) -> None:
        """Refuse a number outside [low, high] in columns of the demand's table, with its row."""
        for name in columns:
            self._sheet.numbers(name, low=low, high=high)

    @cached_property
    def _sheet(self) -> Sheet:
        return read_sheet(_given(self.file.demand.file, "demand.file", "a table of series"))


STORAGE = ("energy_mwh", "charge_mw", "efficiency_charge", "efficiency_discharge", "start_mwh")
"""Columns of a fleet that only storages use."""


def _own(data: MarketData) -> System:
    """Return the system of a fleet, series and tables of a network."""
    data.file.require_unused("network.convention", "network.storage", "fleet.merge_blocks")
    network, demand = data.file.network, data.file.demand
    used = ("availability", *STORAGE, *(("bus",) if network.buses else ()))
    data.fleet.require_used(used, data.file.fleet.unused, data.file.market.kind)
    joined, alone = bool(network.buses), bool(demand.column)
    require(
        joined != alone, "demand", "name `columns` by bus where there is a network, else one `column`", demand.column
    )
    data.require_within((*data.loads, *demand.must_run), 0.0, np.inf)
    data.require_within(data.availability, 0.0, 1.0)
    require(not demand.must_run or alone, "demand.must_run", "be left out where there is a network", demand.must_run)
    columns = dict(demand.columns) if joined else demand.column
    tables = network.buses, network.branches, network.links
    system = market_system(data.fleet, data.series, columns, *tables, cost=data.cost)
    return replace(system, load=data.net_load()[:, None]) if demand.must_run else system


def _case(data: MarketData) -> System:
    from walras.markets.electricity.matpower import load_matpower

    data.file.require_unused(
        "fleet", "demand", "exam", "network.storage", by="a MATPOWER case, which has units and loads of one hour,"
    )
    network = data.file.network
    assert network.case is not None
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        case = load_matpower(network.case, convention=network.convention)
    return replace(case_system(case), left_out=tuple(str(each.message) for each in told))


def _rts_gmlc(data: MarketData) -> System:
    from walras.markets.electricity.rts_gmlc import load_rts_gmlc

    data.file.require_unused("fleet", "demand", "network.convention", by="RTS-GMLC, which has units and loads,")
    require(data.file.market.step == "1h", "market.step", "be 1h, that of RTS-GMLC", data.file.market.step)
    assert data.file.network.rts_gmlc is not None
    return load_rts_gmlc(data.file.network.rts_gmlc, storage=data.file.network.storage)


def _pypsa(data: MarketData) -> System:
    from walras.markets.electricity.pypsa import load_pypsa

    data.file.require_unused(
        "fleet", "demand", "network.convention", "network.storage", by="PyPSA's folder, which has units and loads,"
    )
    assert data.file.network.pypsa is not None
    system = load_pypsa(data.file.network.pypsa)
    if system.local is None:
        data.file.require_unused("exam", by="PyPSA's folder, whose snapshots are numbers,")
    return system


SOURCES: dict[str, Any] = {"fleet": _own, "buses": _own, "case": _case, "rts_gmlc": _rts_gmlc, "pypsa": _pypsa}
"""How a system is read, by the source of its network."""


def require_costs(fleet: Fleet, market: Market) -> None:
    """Refuse a unit whose cost is no legal price.

    Raises
    ------
    ValueError
        If there is one; with file, row and column.
    """
    for k, cost in enumerate(fleet.cost.tolist()):
        if not market.floor <= cost <= market.cap_eur_mwh:
            column = "fuel" if fleet.fuel[k] else "marginal_cost_eur_mwh"
            rule = (
                f"cost between the floor {market.floor:g} and the cap {market.cap_eur_mwh:g} EUR/MWh; it costs {cost:g}"
            )
            fleet.sheet.refuse(k, column, rule)


def _given(path: Path | None, name: str, what: str) -> Path:
    if path is None:
        raise ValueError(f"`{name}` must name {what}; got nothing.")
    return path
