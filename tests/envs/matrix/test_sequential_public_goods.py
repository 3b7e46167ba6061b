from typing import Any

import numpy as np
import pettingzoo
import pytest

from walras.core import Constant, rollout
from walras.envs import SequentialPublicGoods

GIVEN = np.array([0.3, 0.5, 0.9])


def test_payoffs_are_those_of_the_definition() -> None:
    game = SequentialPublicGoods(k=1.2, gamma=0.3, rho=1.5, penalty=0.7, threshold=1.8)
    expected = [
        -1.2 * 0.3**2 / 2 + 0.5 * 1.7 - 0.7,
        -1.2 * 0.5**2 / 2 + 0.3 * 0.5 * 0.3 + 0.5 * 1.7 - 0.7,
        -1.2 * 0.9**2 / 2 + 0.3 * 0.9 * 0.8 + 0.5 * 1.7 - 0.7,
    ]
    np.testing.assert_allclose(game.payoff(GIVEN), expected, rtol=1e-14)
    np.testing.assert_allclose(game.terms(GIVEN).sum(axis=0), expected, rtol=1e-14)
    mean = SequentialPublicGoods(gamma=0.3, bonus="mean", cost="linear")
    np.testing.assert_allclose(mean.payoff(GIVEN), 0.5 * 1.7 - GIVEN + 0.3 * GIVEN * [0, 0.3, 0.4], rtol=1e-14)


def test_a_total_that_meets_the_threshold_up_to_rounding_pays_no_penalty() -> None:
    game = SequentialPublicGoods(penalty=1.0, threshold=0.3)
    tenths = np.array([0.1, 0.2, 0.0])
    assert game.payoff(tenths)[2] > 0
    assert game.payoff(tenths - [1e-9, 0, 0])[2] < 0


def test_only_the_movers_contribution_counts_and_all_are_paid_at_the_end() -> None:
    game = SequentialPublicGoods()
    played = rollout(game, Constant(GIVEN[:, None]), [0])
    np.testing.assert_array_equal(played.state.given[:, 0], np.tri(4, 3, -1) * GIVEN)
    np.testing.assert_array_equal(played.reward[:2], 0.0)
    np.testing.assert_array_equal(played.reward[2, 0], game.payoff(GIVEN))
    assert played.terminated[:, 0].tolist() == [False, False, True]
    np.testing.assert_array_equal(played.observation[:, 0, :, 0], np.eye(3))


@pytest.mark.parametrize(
    ("observation", "seen"),
    [
        ("full", [[0, 0, 0], [0.3, 0, 0], [0.3, 0.5, 0]]),
        ("sum", [[0], [0.3], [0.8]]),
        ("partial", [[0], [0.3], [0.5]]),
        ("none", [[0], [0], [0]]),
    ],
)
def test_agents_see_what_they_may_of_those_before(observation: str, seen: list[list[float]]) -> None:
    game = SequentialPublicGoods(observation=observation)
    played = rollout(game, Constant(GIVEN[:, None]), [0]).observation
    for i in range(3):
        np.testing.assert_allclose(played[i, 0, i, 2:-4], seen[i])
    if observation in ("full", "sum"):
        np.testing.assert_allclose(game.before(played[2])[0], [0, 0.3, 0.8])
    else:
        with pytest.raises(ValueError, match="`observation` must be full or sum"):
            game.before(played[2])


def test_pettingzoo_asks_each_agent_once() -> None:
    env = pettingzoo.make("aec", "walras/sequential_public_goods-v0")
    env.reset(seed=0)
    asked, paid = [], {}
    for agent in env.agent_iter():
        _, reward, over, _, _ = env.last()
        if over:
            paid[agent] = reward
        else:
            asked.append(agent)
        env.step(None if over else GIVEN[[len(asked) - 1]])
    assert asked == ["agent_0", "agent_1", "agent_2"]
    np.testing.assert_allclose(list(paid.values()), SequentialPublicGoods().payoff(GIVEN))


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"n": 0}, "n"),
        ({"k": 0.0}, "k"),
        ({"gamma": -0.1}, "gamma"),
        ({"rho": np.nan}, "rho"),
        ({"penalty": np.inf}, "penalty"),
        ({"low": 1.0}, "high"),
        ({"cost": "power"}, "cost"),
        ({"bonus": "sum"}, "bonus"),
        ({"observation": "all"}, "observation"),
    ],
)
def test_what_is_no_game_is_refused(parameters: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must"):
        SequentialPublicGoods(**parameters)
