"""What scenarios of any family measure: functions of a game and a trajectory, to one number or to one an agent."""

from typing import Any

import numpy as np

from walras.core.rollout import Trajectory
from walras.core.typing import Floats
from walras.equilibria.solve import solve
from walras.scenarios.engine.measure import measure


@measure("distance to the equilibrium", "of the action range", "share")
def equilibrium_distance(game: Any, trajectory: Trajectory[Any]) -> Floats:  # noqa: ANN401 - any solved game
    """Return each agent's mean distance from its equilibrium action, ``[N]``, as a share of the action space."""
    equilibrium = solve(game)
    width = game.action_space.high - game.action_space.low
    offset = (trajectory.action - equilibrium.policy.act(trajectory.observation[0], np.random.default_rng(0))) / width
    return np.sqrt(np.mean(offset**2, axis=-1)).mean(axis=(0, 1))
