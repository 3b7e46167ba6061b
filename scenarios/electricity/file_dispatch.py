"""The least-cost dispatch of a market in a file, step by step: prices, flows, and who earns what."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from walras.core.checks import require
from walras.markets.electricity.dispatch import dispatched, summary, tables
from walras.markets.electricity.system import System
from walras.scenarios.electricity import system_charts
from walras.scenarios.electricity.market_data import MarketData, require_costs
from walras.scenarios.electricity.market_file import ELASTIC, Market, MarketFile
from walras.scenarios.engine.study import AbstractStudy, Chart, Found

UNUSED = (
    "learners",
    "seeds",
    "forecast",
    "market.markup_limit_eur_mwh",
    "market.settlement",
    *ELASTIC,
)
"""What has no meaning where nobody bids."""


@final
@dataclass(frozen=True)
class FileDispatch(AbstractStudy):
    """The dispatch of a market in a file.

    Raises
    ------
    ValueError
        If the file has learners, seeds, or another part that a dispatch does not use.
    """

    file: MarketFile

    def __post_init__(self) -> None:
        self.file.require_unused(*UNUSED)

    @cached_property
    def system(self) -> System:
        """The steps that are dispatched, whose costs are legal prices."""
        data = MarketData(self.file)
        system = data.exam_system()
        if self.file.fleet.file and data.fuel_series is None:
            require_costs(data.fleet, self.file.market)
        _require_legal(system, self.file.market)
        if system.storage:
            self.file.require_unused("market.price_rule", by="a dispatch with storages, whose steps hang together,")
        return system

    def find(self) -> Found:
        """Clear each step."""
        if not self.system.storage:
            self.file.require_unused("market.horizon_hours", by="a dispatch without storages")
        window = round(self.file.market.horizon_hours / self.system.step_hours)
        found = dispatched(self.system, self.file.market.cap_eur_mwh, window, self.file.market.price_rule)
        return Found(tables(found), found.residual, summary(found), self.system.left_out)

    def totals(self) -> dict[str, float]:
        """Return what the file holds, by words."""
        system = self.system
        units = {unit: k for k, unit in enumerate(system.unit)}
        return {
            "units": len(units),
            "offers": len(system.unit),
            "owners": len(set(system.owner)),
            "buses": system.network.number_of_nodes(),
            "lines": system.network.number_of_edges(),
            "steps": system.steps,
            "capacity, largest (MW)": float(system.quantity.sum(axis=1).max()),
            "load, lowest (MW)": float(system.load.sum(axis=1).min()),
            "load, highest (MW)": float(system.load.sum(axis=1).max()),
        }

    def charts(self) -> Mapping[str, Chart]:
        """Show prices, dispatch, the network and who earns what."""
        return system_charts.CHARTS


def _require_legal(system: System, market: Market) -> None:
    """Refuse a marginal cost that is no price between floor and cap, with its unit."""
    for price, k in ((system.price.min(axis=0), np.argmin), (system.price.max(axis=0), np.argmax)):
        unit, cost = system.unit[int(k(price))], float(price[int(k(price))])
        rule = f"lie between the floor {market.floor:g} and the cap {market.cap_eur_mwh:g}, at unit {unit}"
        require(market.floor <= cost <= market.cap_eur_mwh, "marginal cost", rule, cost)
