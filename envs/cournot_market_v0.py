"""Version 0 of `CournotMarket` as PettingZoo and Gymnasium environments."""

from walras.core.shells import factories
from walras.envs.cournot_market import CournotMarket

parallel_env, env, raw_env, single_agent_env = factories(CournotMarket)
