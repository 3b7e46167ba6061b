"""Scenarios of personalised demonstrations."""
