from typing import Any

import numpy as np

from walras.core import Constant, rollout
from walras.core.rollout import Trajectory
from walras.envs import CournotMarket, SupplyFunctionMarket
from walras.equilibria import solve
from walras.scenarios.measures import equilibrium_distance


def produced(game: CournotMarket, quantity: list[float]) -> Trajectory[Any]:
    return rollout(game, Constant(np.array(quantity)[:, None]), (0, 1))


def test_the_equilibrium_is_at_no_distance_from_itself() -> None:
    for game in (CournotMarket(cost=(10.0, 20.0)), SupplyFunctionMarket()):
        trajectory = rollout(game, solve(game).policy, (0, 1))
        np.testing.assert_array_equal(equilibrium_distance(game, trajectory), 0)


def test_the_distance_is_a_share_of_the_action_space() -> None:
    game = CournotMarket()  # 22.5 each, of 100
    trajectory = produced(game, [22.5, 32.5, 2.5])
    np.testing.assert_allclose(equilibrium_distance(game, trajectory), [0, 0.1, 0.2], atol=1e-12)


def test_the_distance_of_two_actions_is_their_root_mean_square() -> None:
    game = SupplyFunctionMarket()
    width = game.action_space.high
    policy = solve(game).policy
    base = policy.act(np.zeros((1, 3, 7)), np.random.default_rng(0))[0]
    moved = base + np.array([[0.3, 0.0], [0.0, 0.3], [0.12, 0.16]]) * width * np.array([1, -1])
    found = equilibrium_distance(game, rollout(game, Constant(np.clip(moved, 0, width)), (0,)))
    np.testing.assert_allclose(found, [0.3 / 2**0.5, 0.3 / 2**0.5, 0.2 / 2**0.5], rtol=1e-9)
