"""Scenarios of trading networks."""
