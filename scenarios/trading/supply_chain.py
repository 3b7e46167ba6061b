"""A supply chain: sellers, firms that process and pass on, buyers; or countries, along flows of recorded trade.

Without `--flows`, layers of firms of limited capacity. With it, the network is one of recorded trade: who trades with
whom and how much is the file's, what it is worth is drawn, so that prices say nothing about those of the record.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from walras.core.files import require_file
from walras.markets.trading import generators
from walras.markets.trading.trading_network import TradingNetwork
from walras.scenarios.trading.base import AbstractTrading, by_role


@final
@dataclass(frozen=True)
class SupplyChain(AbstractTrading):
    """Firms along a chain, or countries along recorded trade, beside the equilibrium."""

    layers: tuple[int, ...] = (4, 3, 4)
    """Agents in each layer, sellers first."""
    flows: Path | None = None
    """A csv file with the columns exporter, importer and value; instead of layers."""
    trades: int = 24
    """Trades of one unit that the flows are rounded to."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.flows is not None:
            require_file(self.flows, "flows")

    def network(self) -> TradingNetwork:
        """Draw costs, values and capacities."""
        rng = np.random.default_rng(self.draw)
        if self.flows is None:
            network = generators.supply_chain(self.layers, rng)
            sellers, *firms, buyers = self.layers
            roles = {"seller": sellers, **{f"firm_{k}": size for k, size in enumerate(firms)}, "buyer": buyers}
            return by_role(network, roles)
        return generators.from_flows(self.flows, self.trades, rng)
