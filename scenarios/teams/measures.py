"""Measures of teams."""

import numpy as np

from walras.core.policy import Policy
from walras.core.typing import Floats
from walras.equilibria.solve import solve
from walras.equilibria.teams.team_mean_field import TeamGame, affine_gains, deviation_part
from walras.scenarios.engine.measure import measure


@measure("distance of gains", scale="log")
def gain_distance(game: TeamGame, policy: Policy) -> Floats:
    """Return how far the gains of each agent's team are from the equilibrium's: norms summed over stages, ``[N]``."""
    teams = len(deviation_part(game).sizes)
    apart = affine_gains(game, policy) - affine_gains(game, solve(game).policy)
    by_team = np.linalg.norm(apart.reshape(game.horizon, teams, -1), axis=2).sum(axis=0)
    return np.repeat(by_team, len(game.agents) // teams)
