"""Version 0 of `SupplyFunctionMarket` as PettingZoo and Gymnasium environments."""

from walras.core.shells import factories
from walras.envs.supply_function_market import SupplyFunctionMarket

parallel_env, env, raw_env, single_agent_env = factories(SupplyFunctionMarket)
