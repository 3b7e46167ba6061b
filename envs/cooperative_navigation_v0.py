"""Version 0 of `CooperativeNavigation` as PettingZoo and Gymnasium environments."""

from walras.core.shells import factories
from walras.envs.cooperative_navigation import CooperativeNavigation

parallel_env, env, raw_env, single_agent_env = factories(CooperativeNavigation)
