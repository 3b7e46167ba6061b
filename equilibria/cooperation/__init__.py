"""Joint optima of grid worlds and of cooperative navigation."""
