"""Competitive equilibria and stable outcomes of trading networks, and the dynamic that finds them."""
