"""Version 0 of `MeanFieldLimitLQ` as PettingZoo and Gymnasium environments."""

from walras.core.shells import factories
from walras.envs.mean_field_limit_lq import MeanFieldLimitLQ

parallel_env, env, raw_env, single_agent_env = factories(MeanFieldLimitLQ)
