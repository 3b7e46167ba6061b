"""Storages in a file: they learn to trade the hours of a day, beside equilibrium and price takers.

The price is a line where the file has an intercept, hour by hour, and a slope. Else the other units of the fleet are
fixed offers at their marginal costs, which serve the load of the series. The steps of the exam are an episode.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from walras.core.checks import require
from walras.core.typing import Bools, Floats
from walras.envs.electricity.storage_market import StorageMarket
from walras.markets.electricity.fleet import Fleet, storages
from walras.scenarios.electricity.from_file import AbstractFromFile
from walras.scenarios.electricity.market_data import STORAGE
from walras.scenarios.electricity.market_file import AUCTION, LINEAR, MarketFile
from walras.scenarios.electricity.storage import AbstractStorage


@final
@dataclass(frozen=True)
class FileStorage(AbstractFromFile, AbstractStorage):  # type: ignore[override] - `seeds`
    """The storages of a file.

    Raises
    ------
    ValueError
        If the file has a network, steps other than hours, or another part that this market does not use.
    """

    file: MarketFile

    def __post_init__(self) -> None:
        self.file.require_unused("network", "forecast", "fleet.merge_blocks", "demand.columns", *AUCTION)
        self.file.require_unused("demand.elasticity", "demand.reference_price_eur_mwh")
        self.file.require_unused("market.horizon_hours", by="storage, whose episodes are the hours of `exam`,")
        require(self.file.market.step == "1h", "market.step", "be 1h for storage", self.file.market.step)
        if self._linear:
            self.file.require_unused("demand.column", "demand.must_run", by="a demand with an intercept")

    def game(self) -> StorageMarket:
        """Train on the hours of the exam."""
        fleet, kept = self._data.fleet, self._storages
        efficiency = fleet.number("efficiency_charge") * fleet.number("efficiency_discharge")
        start = np.where(np.isfinite(fleet.number("start_mwh")), fleet.number("start_mwh"), 0.0)
        own: dict[str, Any] = {
            "power": tuple(fleet.capacity[kept].tolist()),
            "energy": tuple(fleet.number("energy_mwh")[kept].tolist()),
            "efficiency": tuple(efficiency[kept].tolist()),
            "start": tuple(start[kept].tolist()),
            "names": tuple(name for name, mine in zip(fleet.unit, kept, strict=True) if mine),
        }
        if self._linear:
            intercept = self._data.intercepts()
            slope = self.file.demand.slope_eur_mwh_mw
            return StorageMarket(tuple(intercept.tolist()), slope, horizon=len(intercept), **own)
        load = self._load
        return StorageMarket(supply="stack", load=tuple(load.tolist()), offers=self._offers, horizon=len(load), **own)

    def totals(self) -> dict[str, float]:
        """Return what the file holds, by words."""
        game = self.game()
        return {
            "storages": len(game.agents),
            "power (MW)": float(game.most.sum()),
            "energy (MWh)": float(game.full.sum()),
            "hours": game.horizon,
            "price without storages, lowest (EUR/MWh)": float(game.a.min()),
            "price without storages, highest (EUR/MWh)": float(game.a.max()),
        }

    @property
    def _linear(self) -> bool:
        return any(getattr(self.file.demand, name.partition(".")[2]) for name in LINEAR)

    @cached_property
    def _storages(self) -> Bools:
        """Which units are storages, after a check of all units."""
        fleet = self._data.fleet
        fleet.require_used(("availability", *STORAGE), self.file.fleet.unused, "storage")
        kept = storages(fleet)
        rule = "hold a unit with an `energy_mwh`, or there is no storage"
        require(bool(kept.any()), "fleet.file", rule, str(self.file.fleet.file))
        rule = "be given for each unit, as the price is that of `demand.intercept_eur_mwh`"
        fleet.sheet.require("energy_mwh", kept | (not self._linear), rule)
        _require_game(fleet, kept)
        return kept

    @cached_property
    def _offers(self) -> tuple[tuple[float, float], ...]:
        """The fixed offers, the cheapest first."""
        fleet, others = self._data.fleet, ~self._storages
        rule = "have one price a fuel: offers are fixed"
        require(self._data.fuel_series is None, "fleet.fuels", rule, str(self.file.fleet.fuels))
        rule = "hold units without an `energy_mwh`, which serve the load; or give `demand.intercept_eur_mwh`"
        require(bool(others.any()), "fleet.file", rule, str(self.file.fleet.file))
        cost, power = fleet.cost[others], (fleet.capacity * fleet.share)[others]
        order = [k for k in np.argsort(cost, kind="stable") if power[k] > 0]
        return tuple((float(cost[k]), float(power[k])) for k in order)

    @cached_property
    def _load(self) -> Floats:
        """The net load of the exam, ``[T]`` MW, which offers and storages can balance."""
        data, exam = self._data, self._data.exam()
        load, when = data.net_load()[exam], data.series.local[exam]
        power = float(self._data.fleet.capacity[self._storages].sum())
        offered = sum(most for _, most in self._offers)
        for moment, drawn in zip(when, load.tolist(), strict=True):
            rule = f"exceed {power:g} MW, what all storages can discharge, also at {moment}"
            require(drawn > power, "load less must_run", rule, drawn)
            rule = f"be at most {offered - power:g} MW, or {offered:g} MW of offers do not serve it at {moment}"
            require(drawn <= offered - power, "load less must_run", rule + " while all storages charge", drawn)
        return load


def _require_game(fleet: Fleet, kept: Bools) -> None:
    """Refuse what the game of storages has no place for, with its row."""
    sheet, charge = fleet.sheet, fleet.number("charge_mw")
    sheet.require("capacity_mw", ~kept | (fleet.capacity > 0), "be positive, for a storage")
    same = ~kept | (charge == 0) | (charge == fleet.capacity)
    sheet.require("charge_mw", same, "be blank or equal `capacity_mw`: in storage both ways have one power")
    both = fleet.number("efficiency_charge"), fleet.number("efficiency_discharge")
    rule = "equal `efficiency_charge`: in storage both are the square root of the round trip's"
    sheet.require("efficiency_discharge", ~kept | np.isclose(*both, rtol=1e-9), rule)
    column = "fuel" if "marginal_cost_eur_mwh" not in sheet else "marginal_cost_eur_mwh"
    sheet.require(column, ~kept | (fleet.cost == 0), "cost 0 for a storage, which pays for what it charges")
    known = np.array([not name for name in fleet.series])
    sheet.require("availability", known, "be a number: in storage take what varies off the load, as `demand.must_run`")
    sheet.require("availability", ~kept | (fleet.share == 1), "be 1 or blank, for a storage")
