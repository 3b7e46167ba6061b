"""Electricity: clearing, transmission networks, generators, market data and users' files."""

from typing import TYPE_CHECKING

from walras.core.lazy import lazy
from walras.markets.electricity.clearing import (
    Clearing,
    clear,
    clear_network,
    merit_order,
    settle_pay_as_bid,
    settle_uniform,
)

if TYPE_CHECKING:
    from walras.markets.electricity.dispatch import dispatched
    from walras.markets.electricity.entsoe import load_entsoe
    from walras.markets.electricity.fleet import load_fleet
    from walras.markets.electricity.horizon import clear_horizon
    from walras.markets.electricity.matpower import load_matpower
    from walras.markets.electricity.network import NetworkMarket
    from walras.markets.electricity.omie import load_omie_bids, load_omie_prices
    from walras.markets.electricity.pypsa import load_pypsa
    from walras.markets.electricity.rts_gmlc import load_rts_gmlc
    from walras.markets.electricity.series import load_series

LAZY = {
    "NetworkMarket": "network:NetworkMarket",
    "clear_horizon": "horizon:clear_horizon",
    "dispatched": "dispatch:dispatched",
    "load_entsoe": "entsoe:load_entsoe",
    "load_fleet": "fleet:load_fleet",
    "load_matpower": "matpower:load_matpower",
    "load_omie_bids": "omie:load_omie_bids",
    "load_omie_prices": "omie:load_omie_prices",
    "load_pypsa": "pypsa:load_pypsa",
    "load_rts_gmlc": "rts_gmlc:load_rts_gmlc",
    "load_series": "series:load_series",
}
"""What loads pandas or cvxpy, and is loaded when it is asked for."""

__getattr__, __dir__ = lazy(__name__, LAZY)

__all__ = [
    "Clearing", "NetworkMarket", "clear", "clear_horizon", "clear_network", "dispatched", "load_entsoe", "load_fleet",
    "load_matpower", "load_omie_bids", "load_omie_prices", "load_pypsa", "load_rts_gmlc", "load_series", "merit_order",
    "settle_pay_as_bid", "settle_uniform",
]  # fmt: skip
