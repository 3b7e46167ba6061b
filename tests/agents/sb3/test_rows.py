from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiBinary
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecMonitor

from walras.agents.sb3 import ModelPolicy, vec_env
from walras.agents.sb3.lockstep import Table
from walras.agents.sb3.returns import Counted
from walras.agents.sb3.rows import Rows, Units, playable, scaled, seat_rows, shared_rows, unscaled, window
from walras.core import FlatVector, Foreign, Vector, rollout
from walras.envs import CournotMarket, GridWorld
from walras.envs.cooperation.grid_map import STAY

GAME = CournotMarket()


def shared(game: CournotMarket | GridWorld = GAME, games: int = 2, spread: float = 1.0) -> Rows:
    scale = np.zeros(len(game.agents)), np.full(len(game.agents), spread)
    return shared_rows(Counted(Vector(game, games)), Units(game), scale, 0)


def test_scaling_maps_the_bounds_to_one() -> None:
    box = Box(np.array([-5.0, 0.0, 7.0]), np.array([15.0, 1e4, 7.0]), dtype=np.float64)
    np.testing.assert_array_equal(scaled(box.low, box), [-1, -1, 0])  # the last entry cannot vary
    np.testing.assert_array_equal(scaled(box.high, box), [1, 1, 0])
    np.testing.assert_array_equal(scaled((box.low + box.high) / 2, box), 0)
    assert scaled(box.low, box).dtype == np.float32
    np.testing.assert_array_equal(unscaled(np.full(3, -1.0), box), box.low)
    np.testing.assert_array_equal(unscaled(np.full(3, 1.0), box), box.high)
    np.testing.assert_array_equal(unscaled(np.array([-9.0, 9.0, 0.0]), box), [-5.0, 1e4, 7.0])
    values = np.random.default_rng(0).uniform(box.low, box.high, (50, 3))
    np.testing.assert_allclose(unscaled(scaled(values, box), box), values, atol=1e-2)


@pytest.mark.parametrize(
    "space", [MultiBinary(2), Box(-np.inf, np.inf, (2,)), Box(-1.0, 1.0, ()), Box(0.0, 3e38, (1,))]
)
def test_actions_without_bounds_or_in_other_spaces_are_refused(space: Any) -> None:  # noqa: ANN401
    with pytest.raises(
        TypeError, match=r"`game\.action_space` must be Discrete or a bounded Box of one dimension; got"
    ):
        playable(space)


def test_what_is_seen_without_bounds_reaches_the_learner_as_it_is() -> None:
    low, high = np.array([-np.inf, -5.0, 0.0, -3.4e38]), np.array([np.inf, 15.0, np.inf, 3.4e38])
    seen = scaled(np.array([37.0, 15.0, 2.5, 0.3]), window(Box(low, high, dtype=np.float64)))
    np.testing.assert_allclose(seen, [37.0, 1.0, 2.5, 0.3], rtol=1e-6)


@pytest.mark.parametrize("space", [Discrete(3), Box(0.0, 1.0, (2, 2))])
def test_observations_in_other_spaces_are_refused(space: Any) -> None:  # noqa: ANN401
    with pytest.raises(TypeError, match=r"`game\.observation_space` must be a Box of one dimension; got"):
        window(space)


def _played(rows: Rows, steps: int) -> list[tuple[Any, ...]]:
    rows.reset()
    outcomes = []
    for k in range(steps):
        rows.step_async(np.full((rows.num_envs, 1), -0.5 + 0.1 * k, dtype=np.float32))
        outcomes.append(rows.step_wait())
    return outcomes


@pytest.mark.parametrize("kind", ["seat", "shared"])
def test_an_episode_that_is_cut_says_so_and_hands_over_its_final_observation(kind: str) -> None:
    game = CournotMarket(cost=(10.0,) if kind == "seat" else (10.0, 20.0), horizon=3)
    scale, counted = (np.zeros(len(game.agents)), np.full(len(game.agents), 100.0)), Counted(Vector(game, 4))
    rows = (
        seat_rows(Table(counted, 0), Units(game), 0, scale)
        if kind == "seat"
        else shared_rows(counted, Units(game), scale, 0)
    )
    assert rows.num_envs == 4 * len(game.agents)
    twin = Vector(game, 4)
    seen = twin.reset(0).reshape(rows.num_envs, -1)
    np.testing.assert_array_equal(rows.reset(), scaled(seen, game.observation_space))
    for k, (observation, reward, ended, infos) in enumerate(_played(rows, 7)):
        share = (np.float32(-0.5 + 0.1 * k).astype(np.float64) + 1) / 2
        step = twin.step(np.full((4, len(game.agents), 1), share * game.action_space.high[0]))
        final = scaled(step.final_observation.reshape(rows.num_envs, -1), game.observation_space)
        after = scaled(step.observation.reshape(rows.num_envs, -1), game.observation_space)
        np.testing.assert_array_equal(observation, after)
        np.testing.assert_allclose(reward, step.reward.reshape(-1) / 100, rtol=1e-6)
        assert ended.tolist() == [k % 3 == 2] * rows.num_envs
        for row, info in enumerate(infos):
            if k % 3 == 2:
                assert info["TimeLimit.truncated"] is True
                np.testing.assert_array_equal(info["terminal_observation"], final[row])
                assert not np.array_equal(info["terminal_observation"], observation[row])
            else:
                assert info == {}


@pytest.mark.parametrize("kind", ["seat", "shared"])
def test_a_horizon_that_is_a_rule_is_no_time_limit(kind: str) -> None:
    seat = kind == "seat"
    game = GridWorld("1 . . . a" if seat else "1 . . . a\n2 . . . b", horizon=3)
    scale, counted, units = (np.zeros(2), np.ones(2)), Counted(Vector(game, 4)), Units(game)
    rows = seat_rows(Table(counted, 0), units, 0, scale) if seat else shared_rows(counted, units, scale, 0)
    rows.reset()
    for k in range(7):
        rows.step_async(np.full(rows.num_envs, STAY))
        _, _, ended, infos = rows.step_wait()
        assert ended.tolist() == [k % 3 == 2] * rows.num_envs
        assert [info.get("TimeLimit.truncated") for info in infos] == [False if k % 3 == 2 else None] * rows.num_envs


def test_choices_are_counted_from_zero() -> None:
    units = Units(GridWorld.lava(2))
    assert units.action_space == Discrete(5)
    assert units.played(np.array([[0, 4]])).tolist() == [[0, 4]]


def test_rows_of_one_game_sample_actions_of_their_own() -> None:
    table, units, scale = Table(Counted(Vector(GAME, 2)), 0), Units(GAME), (np.zeros(3), np.ones(3))
    first, second = (seat_rows(table, units, agent, scale) for agent in (0, 1))
    assert first.action_space is not second.action_space


def test_the_rows_refuse_to_be_changed() -> None:
    rows = shared()
    with pytest.raises(NotImplementedError, match="share one game"):
        rows.set_attr("horizon", 3)
    with pytest.raises(NotImplementedError, match="share one game"):
        rows.env_method("reset")
    assert rows.env_is_wrapped(object) == [False] * 6
    rows.close()


class TestVecEnv:
    def test_a_learner_of_ones_own_learns_on_a_flat_vector_and_plays(self) -> None:
        game = CournotMarket(horizon=5)
        rows = VecMonitor(vec_env(FlatVector(game, 4, dtype=np.float32)))
        assert rows.observation_space.dtype == np.float32
        model = PPO("MlpPolicy", rows, n_steps=8, batch_size=32, device="cpu").learn(12 * 16)
        assert model.num_timesteps == 192
        assert len(model.ep_info_buffer or ()) > 0
        played = rollout(game, ModelPolicy((model,)), [0, 1])
        assert played.action.shape == (5, 2, 3, 1)

    def test_it_plays_choices(self) -> None:
        rows = vec_env(FlatVector(GridWorld.lava(2), 3))
        assert PPO("MlpPolicy", rows, n_steps=8, batch_size=16, device="cpu").learn(48).num_timesteps == 48

    def test_the_seed_of_the_model_seeds_the_games_once(self) -> None:
        flat = FlatVector(GAME, 2)
        rows = vec_env(flat)
        rows.seed(3)
        first, second = rows.reset(), rows.reset()
        assert np.array_equal(first, FlatVector(GAME, 2).reset(seed=3)[0])
        assert not np.array_equal(first, second)

    def test_nothing_is_scaled_and_ends_are_told(self) -> None:
        game = CournotMarket(horizon=2)
        rows, flat = vec_env(FlatVector(game, 2)), FlatVector(game, 2)
        rows.seed(3)
        assert np.array_equal(rows.reset(), flat.reset(seed=3)[0])
        for step in range(2):
            observation, reward, ended, infos = rows.step(np.full((6, 1), 20.0))
            wanted = flat.step(np.full((6, 1), 20.0))
            assert np.array_equal(observation, wanted[0])
            np.testing.assert_allclose(reward, wanted[1], rtol=1e-6)
            assert ended.tolist() == [step == 1] * 6
            final = infos[5].get("terminal_observation")
            assert step == 0 or np.array_equal(final, wanted[4]["final_obs"][5])

    def test_a_foreign_environment_comes_back(self) -> None:
        game = Foreign(lambda: __import__("gymnasium").make("CartPole-v1"))
        model = PPO("MlpPolicy", vec_env(FlatVector(game, 2)), n_steps=8, batch_size=16, device="cpu").learn(16)
        assert rollout(game, ModelPolicy((model,)), [0]).total[0, 0] > 0
