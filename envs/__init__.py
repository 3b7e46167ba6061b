"""Markov games: one file an environment. Importing this package registers every id."""

from walras.envs.cournot_market import CournotMarket
from walras.envs.day_ahead_market import DayAheadMarket
from walras.envs.registration import GAMES, register_all
from walras.envs.resource_allocation import ResourceAllocation
from walras.envs.supply_function_market import SupplyFunctionMarket

__all__ = ["GAMES", "CournotMarket", "DayAheadMarket", "ResourceAllocation", "SupplyFunctionMarket"]

register_all()
