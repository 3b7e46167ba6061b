"""The names of `walras.markets`, one line each: strings; nothing is imported yet."""

MODULES = {
    "data": "electricity.data",
    "fisher": "allocation.fisher",
    "matpower": "electricity.matpower",
    "trading_network": "trading.trading_network",
}
"""Short names of modules, and where they are."""
