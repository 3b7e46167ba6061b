"""Equilibria of electricity markets."""
