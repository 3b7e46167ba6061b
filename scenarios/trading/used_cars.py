"""Used cars: owners sell to dealers, who keep an inventory and sell to drivers.

A dealer may sell a car from stock, replace it, or keep it for what it is worth to it. Its price to drivers and its
price to owners are one decision, and the equilibrium says how far apart they can lie.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from walras.markets.trading.generators import dealership
from walras.markets.trading.trading_network import TradingNetwork
from walras.scenarios.trading.base import AbstractTrading, by_role


@final
@dataclass(frozen=True)
class UsedCars(AbstractTrading):
    """Owners, dealers with inventory and drivers, beside the equilibrium."""

    owners: int = 4
    """Agents with one car to sell."""
    dealers: int = 2
    """Agents with an inventory."""
    drivers: int = 5
    """Agents who want one car."""
    stock: int = 2
    """Cars that a dealer starts with, at most."""

    def network(self) -> TradingNetwork:
        """Draw costs, values and inventories."""
        rng = np.random.default_rng(self.draw)
        network = dealership(self.owners, self.dealers, self.drivers, rng, stock=self.stock)
        return by_role(network, {"owner": self.owners, "dealer": self.dealers, "driver": self.drivers})
