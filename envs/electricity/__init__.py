"""Electricity markets: quantities, supply functions, and day-ahead offers."""
