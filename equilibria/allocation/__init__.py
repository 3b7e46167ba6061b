"""Equilibria of reports to a mechanism without money."""
