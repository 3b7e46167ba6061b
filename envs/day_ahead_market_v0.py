"""Version 0 of `DayAheadMarket` as PettingZoo and Gymnasium environments."""

from walras.core.shells import factories
from walras.envs.day_ahead_market import DayAheadMarket

parallel_env, env, raw_env, single_agent_env = factories(DayAheadMarket)
