"""Economics without learning: clearing, networks, market data."""
