"""Version 0 of `RobustTeamLQ` as PettingZoo and Gymnasium environments."""

from walras.core.shells import factories
from walras.envs.robust_team_lq import RobustTeamLQ

parallel_env, env, raw_env, single_agent_env = factories(RobustTeamLQ)
