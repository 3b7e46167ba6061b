"""Version 0 of `GridWorld` as PettingZoo and Gymnasium environments."""

from walras.core.shells import factories
from walras.envs.grid_world import GridWorld

parallel_env, env, raw_env, single_agent_env = factories(GridWorld)
