"""Allocation rules without money."""
