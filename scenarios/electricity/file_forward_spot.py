"""Forwards and spot in a file: firms learn to sell ahead, beside the subgame-perfect equilibrium.

Each owner has one unit, whose marginal cost is the firm's. The game has no capacities, so each unit's must reach the
quantity at which the price is zero, or the file says that the column is not used.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from walras.core.checks import require
from walras.envs.electricity.forward_spot_market import ForwardSpotMarket
from walras.markets.electricity.fleet import Fleet
from walras.scenarios.electricity.forward_spot import AbstractForwardSpot
from walras.scenarios.electricity.from_file import AbstractFromFile
from walras.scenarios.electricity.market_file import AUCTION, MarketFile


@final
@dataclass(frozen=True)
class FileForwardSpot(AbstractFromFile, AbstractForwardSpot):  # type: ignore[override] - `seeds`
    """The forward and the spot market of a file.

    Raises
    ------
    ValueError
        If the file has a network, a load, or another part that this market does not use.
    """

    file: MarketFile

    def __post_init__(self) -> None:
        self.file.require_unused("network", "forecast", "fleet.merge_blocks", "market.horizon_hours", *AUCTION)
        for name in ("column", "columns", "must_run", "elasticity", "reference_price_eur_mwh"):
            self.file.require_unused(f"demand.{name}")

    def game(self) -> ForwardSpotMarket:
        """Train on one delivery."""
        fleet, intercept, slope = self._fleet, self._intercept, self.file.demand.slope_eur_mwh_mw
        most = intercept / slope
        rule = f"reach {most:g} MW, at which the price is zero, as the game has no capacities;"
        large = (fleet.capacity * fleet.share >= most) | ("capacity_mw" in self.file.fleet.unused)
        fleet.sheet.require("capacity_mw", large, f"{rule} or say `unused: [capacity_mw]` under `fleet`")
        fleet.sheet.require(
            "marginal_cost_eur_mwh" if "marginal_cost_eur_mwh" in fleet.sheet else "fuel",
            (fleet.cost >= 0) & (fleet.cost < intercept),
            f"cost from 0 to below {intercept:g} EUR/MWh, the price at no sale",
        )
        return ForwardSpotMarket(intercept, slope, tuple(fleet.cost.tolist()), names=fleet.owner)

    def totals(self) -> dict[str, float]:
        """Return what the file holds, by words."""
        game = self.game()
        return {
            "firms": len(game.agents),
            "lowest cost (EUR/MWh)": float(game.c.min()),
            "highest cost (EUR/MWh)": float(game.c.max()),
            "price at no sale (EUR/MWh)": game.intercept,
            "quantity at which the price is zero (MWh)": game.most,
        }

    @cached_property
    def _intercept(self) -> float:
        found = self._data.intercepts()
        rule = "be the length of one step: forward_spot is one delivery"
        require(len(found) == 1, "exam.hours", rule, self.file.exam.hours)
        return float(found[0])

    @cached_property
    def _fleet(self) -> Fleet:
        fleet = self._data.fleet
        fleet.require_used(("availability",), self.file.fleet.unused, "forward_spot")
        fleet.sheet.require_distinct("owner")
        known = np.array([not name for name in fleet.series])
        fleet.sheet.require("availability", known, "be a number: forward_spot is one delivery")
        rule = "have one price a fuel: forward_spot is one delivery"
        require(self._data.fuel_series is None, "fleet.fuels", rule, str(self.file.fleet.fuels))
        return fleet
