"""Scenarios of matrix games."""
