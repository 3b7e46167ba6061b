"""Markov games: one file an environment. Importing this package registers every id and loads no game."""

from walras.core.lazy import joined, lazy
from walras.envs.registration import GAMES, place, register_all

__getattr__, __dir__ = lazy(__name__, joined(*({name: place(key)} for key, name in GAMES.items())))

register_all()
