"""Families of random instances, each with a second road to the answer."""
