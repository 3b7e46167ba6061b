"""Economics without learning: clearing, networks, valuations, market data."""

from walras.core.lazy import lazy
from walras.markets.registration import MODULES

__getattr__, __dir__ = lazy(__name__, MODULES)
