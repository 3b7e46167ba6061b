"""Markov games: one file an environment. Importing this package registers every id."""

from walras.envs.cooperative_navigation import CooperativeNavigation
from walras.envs.cournot_market import CournotMarket
from walras.envs.day_ahead_market import DayAheadMarket
from walras.envs.grid_world import GridWorld
from walras.envs.mean_field_limit_lq import MeanFieldLimitLQ
from walras.envs.registration import GAMES, register_all
from walras.envs.resource_allocation import ResourceAllocation
from walras.envs.robust_team_lq import RobustTeamLQ
from walras.envs.supply_function_market import SupplyFunctionMarket
from walras.envs.team_mean_field_lq import TeamMeanFieldLQ
from walras.envs.trading_network_game import TradingNetworkGame

__all__ = [
    "GAMES",
    "CooperativeNavigation",
    "CournotMarket",
    "DayAheadMarket",
    "GridWorld",
    "MeanFieldLimitLQ",
    "ResourceAllocation",
    "RobustTeamLQ",
    "SupplyFunctionMarket",
    "TeamMeanFieldLQ",
    "TradingNetworkGame",
]

register_all()
