"""Economics without learning: clearing, networks, valuations, market data."""

from walras.core.lazy import lazy

SHORT_NAMES = {
    "data": "electricity.data",
    "fisher": "allocation.fisher",
    "matpower": "electricity.matpower",
    "trading_network": "trading.trading_network",
}
"""Short names of modules, and where they are."""

__getattr__, __dir__ = lazy(__name__, SHORT_NAMES)
