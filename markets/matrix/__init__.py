"""Finite games: payoffs, demand, and how they are made."""

from walras.markets.matrix.markov_game import MarkovGame
from walras.markets.normal_form import MatrixGame, MatrixGames

__all__ = ["MarkovGame", "MatrixGame", "MatrixGames"]
