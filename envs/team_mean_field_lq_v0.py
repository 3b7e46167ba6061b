"""Version 0 of `TeamMeanFieldLQ` as PettingZoo and Gymnasium environments."""

from walras.core.shells import factories
from walras.envs.team_mean_field_lq import TeamMeanFieldLQ

parallel_env, env, raw_env, single_agent_env = factories(TeamMeanFieldLQ)
