"""Fisher markets, and populations of preferences."""
