"""Finite games: payoffs, demand, and how they are made."""

from walras.markets.normal_form import MatrixGame, MatrixGames

__all__ = ["MatrixGame", "MatrixGames"]
