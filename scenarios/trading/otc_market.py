"""A market over the counter: dealers trade with each other, clients with the dealers that they know.

No centre sees all offers. Prices are found two by two, and the question is how close they come to those of a
competitive equilibrium: by the best-response dynamic, by chance within budgets, and by a policy that all traders share
and learn.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from walras.markets.trading.generators import core_periphery
from walras.markets.trading.trading_network import TradingNetwork
from walras.scenarios.trading.base import AbstractTrading, by_role


@final
@dataclass(frozen=True)
class OtcMarket(AbstractTrading):
    """Dealers and clients who find prices over the counter, beside the equilibrium."""

    dealers: int = 3
    """Agents who trade with each other both ways, from stock."""
    clients: int = 8
    """Agents who buy or sell one unit."""
    links: int = 2
    """Dealers that a client knows."""

    def network(self) -> TradingNetwork:
        """Draw stocks, costs and values."""
        network = core_periphery(self.dealers, self.clients, np.random.default_rng(self.draw), self.links)
        return by_role(network, {"dealer": self.dealers, "client": self.clients})
