"""Scenarios of teams."""
