"""Bids and asks on the contracts of a trading network."""
