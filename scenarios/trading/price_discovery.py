"""Price discovery: how long traders who only answer each other take to find equilibrium, and what decides it.

One market is played move by move, beside zero-intelligence traders and chance. The report adds how many moves the
dynamic needs against the number of trades, the share of pairs that trade, and the tick of prices.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np

from walras.core.checks import require
from walras.markets.trading.generators import bipartite
from walras.markets.trading.trading_network import TradingNetwork
from walras.scenarios.engine.scenario import Chart
from walras.scenarios.trading import discovery_charts
from walras.scenarios.trading.base import AbstractTrading, by_role


@final
@dataclass(frozen=True)
class PriceDiscovery(AbstractTrading):
    """Buyers and sellers of one unit who answer each other's offers, until prices stand still."""

    movers: int = 1
    """Agents that may change their offers at each step; one, as the dynamic has it."""
    sellers: int = 4
    """Agents with one unit to sell."""
    buyers: int = 4
    """Agents who want one unit."""
    density: float = 1.0
    """Share of pairs that trade."""
    runs: int = 30
    """Markets at each point of the charts of moves."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.runs >= 1, "runs", "be at least 1", self.runs)

    def network(self) -> TradingNetwork:
        """Draw costs and values."""
        network = bipartite(self.sellers, self.buyers, np.random.default_rng(self.draw), self.density)
        return by_role(network, {"seller": self.sellers, "buyer": self.buyers})

    def charts(self) -> Mapping[str, Chart]:
        """Add moves against size, sparsity and tick."""
        moves = {
            "Moves against size": partial(discovery_charts.size_chart, self.runs),
            "Moves against sparsity": partial(discovery_charts.sparsity_chart, self.runs),
            "Moves against the tick": partial(discovery_charts.tick_chart, self.runs),
        }
        return {**super().charts(), **moves}
