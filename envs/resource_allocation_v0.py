"""Version 0 of `ResourceAllocation` as PettingZoo and Gymnasium environments."""

from walras.core.shells import factories
from walras.envs.resource_allocation import ResourceAllocation

parallel_env, env, raw_env, single_agent_env = factories(ResourceAllocation)
