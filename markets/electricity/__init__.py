"""Electricity: clearing, transmission networks, generators, and market data."""

from walras.markets.electricity.clearing import (
    Clearing,
    clear,
    clear_network,
    merit_order,
    settle_pay_as_bid,
    settle_uniform,
)

__all__ = ["Clearing", "clear", "clear_network", "merit_order", "settle_pay_as_bid", "settle_uniform"]
