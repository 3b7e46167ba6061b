"""Electricity: clearing, transmission networks, generators, market data and users' files."""

from walras.core.lazy import lazy
from walras.markets.electricity.clearing import (
    Clearing,
    clear,
    clear_network,
    merit_order,
    settle_pay_as_bid,
    settle_uniform,
)
from walras.markets.electricity.registration import NAMES

__getattr__, __dir__ = lazy(__name__, {name: f"{module}:{name}" for name, module in NAMES.items()})

__all__ = ["Clearing", "clear", "clear_network", "merit_order", "settle_pay_as_bid", "settle_uniform"]
