"""Scenarios of electricity markets."""
