"""Feedback Nash equilibria and saddle points of linear-quadratic games."""
