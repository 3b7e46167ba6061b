"""Scenarios of fair division."""
