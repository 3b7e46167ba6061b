"""Traders that are rules."""
