"""What learners are truly worth, computed and not sampled, never exceeds the joint optimum."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from walras.agents.imitation import behaviour_cloning, dm2, magail, pegmarl, pofd
from walras.agents.imitation.demonstrations import collect
from walras.agents.imitation.personal_games import as_personal
from walras.agents.ppo import ippo, mappo
from walras.agents.ppo.mappo import MAPPO
from walras.core.policy import Policy
from walras.core.rollout import rollout
from walras.core.typing import Floats
from walras.envs import GridWorld
from walras.envs.cooperation.grid_world import GridWorldState
from walras.equilibria import JointOptimum, solve
from walras.equilibria.cooperation.grid_world import exact_return, joint_positions

QUICK: dict[str, Any] = {"num_envs": 16, "rollout_steps": 32, "hidden": (32,), "learning_rate": 1e-2}
PLAIN = {**vars(MAPPO()), **QUICK}
CROSSING = GridWorld(map="1 . b\n2 . a", horizon=20)
MAPS = {
    "lava": GridWorld(map="1 . b\n. ~ .\na . 2", horizon=12),
    "deadly lava": GridWorld(map="1 ~ a\n. . .\n2 . b", lava_waits=False, horizon=9),
    "corridor": GridWorld(map="1 . . b\n# . # #\na . . 2", horizon=20),
    "door": GridWorld(map="1 . B a\n. . # .\n2 b . .", finish="a", horizon=15),
}


def guided(module: Any, game: GridWorld, steps: int) -> Policy:  # noqa: ANN401
    return module.train(game, collect(game, episodes=20), **{**PLAIN, "steps": steps})


def plain(module: Any, game: GridWorld, steps: int) -> Policy:  # noqa: ANN401
    return module.train(game, steps=steps, **QUICK)


LEARNERS: Mapping[str, Callable[[GridWorld, int], Policy]] = {
    "mappo": partial(plain, mappo),
    "ippo": partial(plain, ippo),
    "behaviour cloning": lambda game, _: behaviour_cloning.train(game, collect(game, episodes=20)),
    "pegmarl": partial(guided, pegmarl),
    "pofd": partial(guided, pofd),
    "magail": partial(guided, magail),
    "dm2": partial(guided, dm2),
}


def true_value(game: GridWorld, policy: Any) -> float:  # noqa: ANN401
    """The expected return of a policy that draws from chances, without a simulation."""
    places = joint_positions(game)
    rows = len(places)
    state = GridWorldState(places, np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.bool_))
    return exact_return(game, chances(policy, game.observe(state)))


def chances(policy: Any, seen: Floats) -> Floats:  # noqa: ANN401
    if isinstance(policy, behaviour_cloning.Trained):
        seen = seen[..., : as_personal(policy.game).own]
    return torch.from_numpy(policy.policy.answers(seen)).double().softmax(dim=2).numpy()


def optimum(game: GridWorld) -> float:
    found = solve(game, throw=False)
    assert isinstance(found, JointOptimum)
    return found.optimum


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("learner", LEARNERS)
def test_no_learner_is_worth_more_than_the_joint_optimum(learner: str, name: str) -> None:
    game = MAPS[name]
    assert true_value(game, LEARNERS[learner](game, 1_024)) <= optimum(game) + 1e-9


@pytest.mark.parametrize("learner", ["mappo", "pegmarl"])
def test_learners_come_near_it(learner: str) -> None:
    """A bound that nobody nears proves little."""
    best = optimum(CROSSING)
    assert 0.98 * best <= true_value(CROSSING, LEARNERS[learner](CROSSING, 10_240)) <= best + 1e-9


def test_the_true_value_is_that_of_many_episodes() -> None:
    game = MAPS["corridor"]
    policy = LEARNERS["mappo"](game, 1_024)
    total = rollout(game, policy, range(4_000)).total[:, 0]
    error = total.std() / np.sqrt(len(total))
    assert true_value(game, policy) == pytest.approx(total.mean(), abs=4 * error)
