"""Version 0 of `TradingNetworkGame` as PettingZoo and Gymnasium environments."""

from walras.core.shells import factories
from walras.envs.trading_network_game import TradingNetworkGame

parallel_env, env, raw_env, single_agent_env = factories(TradingNetworkGame)
