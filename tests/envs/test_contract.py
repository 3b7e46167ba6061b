"""What every registered game promises; a new game is held to all of it by being registered."""

import inspect
import pickle
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_type_hints

import gymnasium
import numpy as np
import pettingzoo
import pytest
from gymnasium.spaces import Box, Discrete
from gymnasium.utils.env_checker import check_env as gymnasium_check_env
from pettingzoo.env_registry.exceptions import VersionNotFound
from pettingzoo.test import (
    api_test,
    max_cycles_test,
    parallel_api_test,
    parallel_seed_test,
    render_test,
    seed_test,
    state_test,
)
from stable_baselines3.common.env_checker import check_env as sb3_check_env

import walras
from walras.core import (
    AbstractGame,
    Constant,
    FlatVector,
    Parallel,
    Policy,
    Random,
    Scripted,
    SingleAgent,
    State,
    Vector,
    rollout,
)
from walras.core.abilities import Turned
from walras.envs.registration import GAMES, gymnasium_id, make_game, pettingzoo_id, place, register_all

Game = Any  # each has a scripted rule, which a game need not have
Bits = Callable[[Any], list[Any]]

SECTIONS = [
    "Description",
    "Agents",
    "State",
    "Action",
    "Observation",
    "Reward",
    "Starting state",
    "Episode end",
    "Parameters",
    "Solution",
    "References",
    "Version history",
]


def module_of(key: str) -> str:
    return "walras.envs." + place(key).partition(":")[0]


def bounds(space: gymnasium.Space[Any]) -> tuple[np.ndarray, np.ndarray]:
    match space:
        case Box(low=low, high=high):
            return low, high
        case Discrete(n=n, start=start):
            return np.asarray(start), np.asarray(start + n - 1)
    raise TypeError(space)


def extreme_actions(game: Game, rows: int, rng: np.random.Generator) -> list[np.ndarray]:
    """All low, all high, every entry at either end, every agent at either end."""
    low, high = bounds(game.action_space)
    shape = (rows, len(game.agents), *low.shape)
    entries, agents = rng.random(shape) < 0.5, rng.random((*shape[:2], *(1 for _ in low.shape))) < 0.5
    ends = [np.zeros(shape, bool), np.ones(shape, bool), entries, np.broadcast_to(agents, shape)]
    return [np.where(end, high, low) for end in ends]


def locked(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


class TestPeersConformance:
    def test_pettingzoo_accepts_the_aec_environment(self, every_makers: SimpleNamespace) -> None:
        api_test(every_makers.env(), num_cycles=100)

    def test_pettingzoo_accepts_the_parallel_environment(self, every_makers: SimpleNamespace) -> None:
        parallel_api_test(every_makers.parallel_env(), num_cycles=100)

    def test_pettingzoo_accepts_the_parallel_environment_in_single_precision(
        self, every_makers: SimpleNamespace
    ) -> None:
        env = every_makers.parallel_env(dtype=np.float32)
        parallel_api_test(env, num_cycles=100)
        assert env.state_space.dtype == np.float32

    def test_two_aec_environments_with_one_seed_agree(self, every_makers: SimpleNamespace) -> None:
        seed_test(every_makers.env, num_cycles=50)

    def test_two_parallel_environments_with_one_seed_agree(self, every_makers: SimpleNamespace) -> None:
        parallel_seed_test(every_makers.parallel_env, num_cycles=50)

    def test_max_cycles_is_the_horizon(self, every_makers: SimpleNamespace) -> None:
        if isinstance(every_makers.parallel_env().game, Turned):
            pytest.skip("the test counts on every agent to act in every cycle")
        max_cycles_test(every_makers)

    def test_every_render_mode_returns_what_it_promises(self, every_makers: SimpleNamespace) -> None:
        render_test(every_makers.env, custom_tests={"ansi": lambda text: isinstance(text, str) and bool(text)})

    def test_pettingzoo_accepts_the_state(self, every_makers: SimpleNamespace) -> None:
        state_test(every_makers.env(), every_makers.parallel_env())

    @pytest.mark.filterwarnings("ignore:.*:UserWarning")  # advice on the scale of actions
    def test_gymnasium_accepts_the_single_agent_environment(self, every_name: str) -> None:
        env = gymnasium.make(gymnasium_id(every_name), render_mode="ansi", disable_env_checker=True)
        gymnasium_check_env(env.unwrapped)

    @pytest.mark.filterwarnings("ignore:.*:UserWarning")  # advice on the scale of actions
    def test_stable_baselines_accepts_the_single_agent_environment(self, every_game: Game) -> None:
        sb3_check_env(SingleAgent(every_game))


class TestRegistration:
    def test_gymnasium_makes_it_by_id(self, every_name: str) -> None:
        env = gymnasium.make(f"walras.envs:{gymnasium_id(every_name)}")
        observation, _ = env.reset(seed=1)
        assert env.observation_space.contains(observation)
        assert isinstance(env.unwrapped, SingleAgent)

    def test_gymnasium_passes_a_type_to_the_shell(self, every_name: str) -> None:
        assert gymnasium.make(gymnasium_id(every_name), dtype=np.float32).observation_space.dtype == np.float32

    def test_gymnasium_passes_parameters_to_the_game(self, every_name: str) -> None:
        env = gymnasium.make(gymnasium_id(every_name), horizon=3)
        assert isinstance(env.unwrapped, SingleAgent)
        assert env.unwrapped.game.horizon == 3

    def test_pettingzoo_makes_the_parallel_environment_by_id(self, every_name: str, every_game: Game) -> None:
        env = pettingzoo.make("parallel", pettingzoo_id(every_name))
        observations, _ = env.reset(seed=1)
        assert list(observations) == list(every_game.agents)

    def test_pettingzoo_makes_the_aec_environment_by_id(self, every_name: str, every_game: Game) -> None:
        env = pettingzoo.make("aec", pettingzoo_id(every_name))
        env.reset(seed=1)
        assert env.agents == list(every_game.agents)

    @pytest.mark.filterwarnings("ignore:.*out of date:DeprecationWarning")
    @pytest.mark.parametrize("key", [key for key in GAMES if not key.endswith("-v0")])
    def test_a_version_that_is_gone_names_its_successor(self, key: str) -> None:
        name, _, version = key.rpartition("-v")
        with pytest.raises(gymnasium.error.DeprecatedEnv, match=f"use `{gymnasium_id(key)}` instead"):
            gymnasium.make(gymnasium_id(key).removesuffix(version) + "0")
        gone = pettingzoo_id(f"{name}-v0")
        with pytest.raises(VersionNotFound, match=f"Available version: v{version}"):
            pettingzoo.make("parallel", gone)
        with pytest.raises(ValueError, match=f"Did you mean '{pettingzoo_id(key).removeprefix('walras/')}'"):
            walras.make(gone)

    def test_registering_twice_changes_nothing(self) -> None:
        before = dict(gymnasium.registry)
        register_all()
        assert dict(gymnasium.registry) == before

    def test_the_games_are_those_on_disk(self, root: Path) -> None:
        on_disk: dict[str, str] = {}
        for file in sorted((root / "envs").glob("*/*.py")):
            module = import_module(f"walras.envs.{file.parent.name}" + f".{file.stem}" * (file.stem != "__init__"))
            for name, kind in inspect.getmembers(module, inspect.isclass):
                if (
                    issubclass(kind, AbstractGame)
                    and not inspect.isabstract(kind)
                    and kind.__module__ == module.__name__
                ):
                    on_disk[f"{file.parent.name}.{file.stem}"] = name
        assert on_disk == {key.rpartition("-v")[0]: name for key, name in GAMES.items()}

    def test_a_module_is_its_class_in_snake_case(self, every_name: str) -> None:
        module = place(every_name).partition(":")[0].partition(".")[2]
        assert module.replace("_", "") == GAMES[every_name].lower()

    def test_the_package_exports_it(self, every_name: str) -> None:
        envs = import_module("walras.envs")
        assert GAMES[every_name] in dir(envs)
        assert getattr(envs, GAMES[every_name]).__module__ == module_of(every_name)

    def test_parameters_go_to_the_game_by_name(self, every_name: str, every_makers: SimpleNamespace) -> None:
        assert every_makers.parallel_env(max_cycles=3).game.horizon == 3
        with pytest.raises(TypeError, match="horizont"):
            every_makers.parallel_env(horizont=3)

    def test_the_module_docstring_has_every_section_in_order(self, every_name: str) -> None:
        lines = (import_module(module_of(every_name)).__doc__ or "").splitlines()
        titles = [a for a, b in pairwise(lines) if b and set(b) == {"-"} and len(a) == len(b)]
        assert [title for title in titles if title in SECTIONS] == SECTIONS

    def test_the_docstring_names_every_parameter(self, every_game: Any) -> None:  # noqa: ANN401
        text = (import_module(type(every_game).__module__).__doc__ or "").split("Parameters\n")[1]
        assert [f.name for f in fields(every_game) if f.name not in text] == []


class TestDefinition:
    def test_the_game_is_a_frozen_dataclass(self, every_game: Any) -> None:  # noqa: ANN401
        assert is_dataclass(every_game)
        with pytest.raises(AttributeError, match="cannot assign"):
            every_game.horizon = 1  # pyright: ignore[reportAttributeAccessIssue]

    def test_the_state_is_a_frozen_dataclass_of_arrays_with_the_batch_first(self, every_game: Any) -> None:  # noqa: ANN401
        state = every_game.reset(np.stack([every_game.noise(np.random.default_rng(0), 1)[0]] * 5))
        assert isinstance(state, State)
        assert is_dataclass(state)
        assert all(getattr(state, f.name).shape[0] == 5 for f in fields(state))
        with pytest.raises(AttributeError, match="cannot assign"):
            setattr(state, fields(state)[0].name, None)

    def test_spaces_are_the_same_object_at_each_call(self, every_game: Game) -> None:
        assert every_game.observation_space is every_game.observation_space
        assert every_game.action_space is every_game.action_space

    def test_names_are_distinct_strings(self, every_game: Game) -> None:
        assert len(set(every_game.agents)) == len(every_game.agents) > 0
        assert all(isinstance(agent, str) for agent in every_game.agents)

    def test_shapes_follow_the_convention(self, every_game: Game, played: Callable[..., Any]) -> None:
        state, n = played(every_game, rows=3, steps=1).state, len(every_game.agents)
        observation = every_game.observe(state)
        assert observation.shape == (3, n, *(every_game.observation_space.shape or ()))
        action = every_game.scripted(observation)
        assert action.shape == (3, n, *(every_game.action_space.shape or ()))
        noise = np.stack([every_game.noise(np.random.default_rng(0), 1)[0]] * 3)
        step = every_game.step(state, action, noise)
        assert step.reward.shape == (3, n)
        assert step.reward.dtype == np.float64
        assert step.terminated.shape == (3,)
        assert step.terminated.dtype == np.bool_

    def test_drawing_noise_twice_and_joining_equals_drawing_once(self, every_game: Game, bits: Bits) -> None:
        one, two = np.random.default_rng(3), np.random.default_rng(3)
        joined = np.concatenate((every_game.noise(one, 5), every_game.noise(one, 7)))
        assert bits(joined) == bits(every_game.noise(two, 12))

    def test_a_horizon_below_one_is_refused(self, every_game: Any) -> None:  # noqa: ANN401
        with pytest.raises(ValueError, match=r"`horizon` must .*; got 0"):
            replace(every_game, horizon=0)

    def test_annotations_resolve(self, every_game: Game) -> None:
        assert "horizon" in get_type_hints(type(every_game))


class TestDynamics:
    def test_row_i_of_a_batch_equals_a_batch_of_one(
        self, every_game: Game, assert_rows_independent: Callable[..., None]
    ) -> None:
        assert_rows_independent(every_game, (1, 2, 7, 64))

    def test_inputs_are_never_changed(self, every_game: Any, played: Callable[..., Any], bits: Bits) -> None:  # noqa: ANN401
        episodes, rng = played(every_game, rows=4, steps=2), np.random.default_rng(0)
        state = type(episodes.state)(*(locked(getattr(episodes.state, f.name)) for f in fields(episodes.state)))
        noise = locked(np.stack([every_game.noise(rng, 1)[0] for _ in range(4)]))
        observation = locked(every_game.observe(state))
        for action in (every_game.scripted(observation), *extreme_actions(every_game, 4, rng)):
            action = locked(action)
            before = bits((state, action, noise))
            every_game.reset(noise)
            every_game.step(state, action, noise)
            every_game.observe(state)
            every_game.text(state)
            assert bits((state, action, noise)) == before

    def test_the_same_inputs_give_the_same_outputs(
        self, every_game: Game, played: Callable[..., Any], bits: Bits
    ) -> None:
        state, rng = played(every_game, rows=4, steps=2).state, np.random.default_rng(0)
        noise = np.stack([every_game.noise(rng, 1)[0] for _ in range(4)])
        action = Random(every_game).act(every_game.observe(state), rng)
        assert bits(every_game.step(state, action, noise)) == bits(every_game.step(state, action, noise))

    def test_a_caller_may_reuse_its_action_array(self, every_game: Game, bits: Bits) -> None:
        low, high = bounds(every_game.action_space)
        vector = Vector(every_game, 2)
        vector.reset(seed=0)
        action = np.ascontiguousarray(np.broadcast_to((low + high) / 2, (2, len(every_game.agents), *low.shape)))
        action = action.astype(every_game.action_space.dtype)
        vector.step(action)
        before = bits(vector.state)
        action[...] = low
        assert bits(vector.state) == before

    def test_a_caller_may_overwrite_what_it_was_given(self, every_game: Game, bits: Bits) -> None:
        careful, careless = Vector(every_game, 2), Vector(every_game, 2)
        action = every_game.scripted(careful.reset(seed=0))
        careless.reset(seed=0)[...] = 0
        for _ in range(every_game.horizon + 2):
            step = careless.step(action)
            assert bits(step) == bits(careful.step(action))
            for array in step:
                array[...] = 0

    def test_observations_stay_in_their_space_and_rewards_finite(self, every_game: Game) -> None:
        low, high = bounds(every_game.observation_space)
        rng, rows = np.random.default_rng(5), 16
        vector = Vector(every_game, rows)
        observation = vector.reset(seed=5)
        for turn in range(200):
            actions = [Random(every_game).act(observation, rng), *extreme_actions(every_game, rows, rng)]
            observation, reward, _, _, final = vector.step(actions[turn % len(actions)])
            for seen in (observation, final):
                assert np.isfinite(seen).all()
                assert (seen >= low).all(), np.argwhere(seen < low)[0]
                assert (seen <= high).all(), np.argwhere(seen > high)[0]
            assert np.isfinite(reward).all()

    def test_truthful_actions_lie_in_the_action_space(self, every_game: Game) -> None:
        vector = Vector(every_game, 4)
        observation = vector.reset(seed=2)
        for _ in range(30):
            action = every_game.scripted(observation)
            assert all(every_game.action_space.contains(a) for row in action for a in row)
            observation = vector.step(action).observation

    @pytest.mark.parametrize("horizon", [1, 2, 5])
    def test_at_the_horizon_an_episode_ends_as_the_game_declares(self, every_game: Any, horizon: int) -> None:  # noqa: ANN401
        game = replace(every_game, horizon=horizon)
        assert game.ends in ("rule", "cut")
        vector = Vector(game, 3)
        observation = vector.reset(seed=0)
        clock = np.zeros(3, int)
        for _ in range(4 * horizon):
            observation, _, terminated, truncated, _ = vector.step(game.scripted(observation))
            clock += 1
            assert not (terminated & truncated).any()
            if game.ends == "rule":
                assert terminated[clock == horizon].all()
                assert not truncated.any()
            else:
                assert (truncated == ((clock == horizon) & ~terminated)).all()
            clock[terminated | truncated] = 0

    def test_what_the_horizon_is_changes_nothing_but_the_flags(
        self,
        every_game: Any,  # noqa: ANN401
        bits: Bits,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        played = rollout(every_game, Random(every_game), range(3))
        other = {"rule": "cut", "cut": "rule"}[every_game.ends]
        monkeypatch.setattr(type(every_game), "ends", other)
        again = rollout(every_game, Random(every_game), range(3))
        flags = {"terminated", "truncated"}
        for name in (f.name for f in fields(played)):
            assert name in flags or bits(getattr(played, name)) == bits(getattr(again, name))
        assert bits(played.terminated | played.truncated) == bits(again.terminated | again.truncated)

    def test_the_games_of_a_finite_episode_are_these(self) -> None:
        finite = {GAMES[key] for key in GAMES if make_game(key).ends == "rule"}
        assert finite == {
            "CooperativeNavigation", "GridWorld", "MeanFieldLimitLQ", "RobustTeamLQ", "TeamMeanFieldLQ",
            "SequentialPublicGoods", "TradingNetworkGame", "StorageMarket", "ForwardSpotMarket",
        }  # fmt: skip


class TestShells:
    def test_parallel_equals_a_row_of_vector_across_resets(self, every_game: Any, bits: Bits) -> None:  # noqa: ANN401
        # 300 steps in episodes of 7 draw 343 times a row: past the noise block of 256.
        game, seeds = replace(every_game, horizon=7), [11, 12, 13]
        rng = np.random.default_rng(0)
        actions = [Random(game).act(np.empty((3, len(game.agents))), rng) for _ in range(300)]
        vector = Vector(game, 3)
        first = vector.reset(seeds)
        steps = [vector.step(action) for action in actions]
        for row, seed in enumerate(seeds):
            env = Parallel(game)
            observation, _ = env.reset(seed=seed)
            assert bits(np.stack(list(observation.values()))) == bits(first[row])
            for action, step in zip(actions, steps, strict=True):
                observation, reward, terminated, truncated, _ = env.step(
                    dict(zip(game.agents, action[row], strict=True))
                )
                assert list(observation) == list(reward) == list(terminated) == list(truncated) == list(game.agents)
                assert bits(np.stack(list(observation.values()))) == bits(step.final_observation[row])
                assert list(reward.values()) == step.reward[row].tolist()
                assert set(terminated.values()) == {bool(step.terminated[row])}
                assert set(truncated.values()) == {bool(step.truncated[row])}
                if not env.agents:
                    assert step.terminated[row] | step.truncated[row]
                    observation, _ = env.reset()
                assert bits(np.stack(list(observation.values()))) == bits(step.observation[row])

    def test_what_a_row_draws_depends_on_its_seed_only(self, every_game: Any, bits: Bits) -> None:  # noqa: ANN401
        game = replace(every_game, horizon=3)
        wide, narrow = Vector(game, 5), Vector(game, 1)
        observation, alone = wide.reset([1, 2, 3, 4, 5]), narrow.reset([4])
        for _ in range(10):
            assert bits(observation[3:4]) == bits(alone)
            observation = wide.step(game.scripted(observation)).observation
            alone = narrow.step(game.scripted(alone)).observation

    def test_flat_vector_equals_vector(self, every_game: Any, bits: Bits) -> None:  # noqa: ANN401
        game, rng = replace(every_game, horizon=4), np.random.default_rng(1)
        flat, vector, n = FlatVector(game, 3), Vector(game, 3), len(game.agents)
        observation, _ = flat.reset(seed=9)
        assert flat.num_envs == 3 * n
        assert flat.observation_space.contains(observation)
        assert bits(observation) == bits(vector.reset(9).reshape(observation.shape))
        for turn in range(1, 11):
            action = Random(game).act(np.empty((3, n)), rng)
            step = vector.step(action)
            observation, reward, terminated, truncated, info = flat.step(action.reshape(3 * n, *action.shape[2:]))
            assert bits(observation) == bits(step.observation.reshape(observation.shape))
            assert bits(reward) == bits(step.reward.ravel())
            assert bits(terminated) == bits(np.repeat(step.terminated, n))
            assert bits(truncated) == bits(np.repeat(step.truncated, n))
            ended = np.repeat(step.terminated | step.truncated, n)
            assert ("final_obs" in info) == bool(ended.any())
            if turn % 4 == 0 and not isinstance(game, Turned):  # turns may be over before the horizon
                assert ended.all()
            if ended.all():
                assert bits(info["_final_obs"]) == bits(ended)
                assert bits(info["final_obs"]) == bits(step.final_observation.reshape(observation.shape))

    def test_single_agent_with_truthful_others_equals_parallel(self, every_game: Any, bits: Bits) -> None:  # noqa: ANN401
        game, rng = replace(every_game, horizon=5), np.random.default_rng(2)
        agent = game.agents[-1]
        single, parallel = SingleAgent(game, agent), Parallel(game)
        for seed in (4, None, None):
            observation, _ = single.reset(seed=seed)
            everyone, _ = parallel.reset(seed=seed)
            for _ in range(5):
                assert bits(observation) == bits(everyone[agent])
                joint = game.scripted(np.stack(list(everyone.values()))[None])[0]
                joint[-1] = mine = Random(game).act(np.empty((1, 1)), rng)[0, 0]
                observation, reward, terminated, truncated, _ = single.step(mine)
                everyone, rewards, ended, cut, _ = parallel.step(dict(zip(game.agents, joint, strict=True)))
                assert (reward, terminated, truncated) == (rewards[agent], ended[agent], cut[agent])
                if not parallel.agents:
                    break

    def test_the_final_observation_is_that_before_the_reset(self, every_game: Any, bits: Bits) -> None:  # noqa: ANN401
        game = replace(every_game, horizon=2)
        vector = Vector(game, 2)
        observation = vector.reset([1, 2])
        for turn in range(6):
            state, action = vector.state, game.scripted(observation)
            episodes = pickle.loads(pickle.dumps(vector))._episodes
            expected = episodes.step(action).observation
            step = vector.step(action)
            assert bits(step.final_observation) == bits(expected)
            assert (bits(step.observation) == bits(expected)) == (turn % 2 == 0)
            assert vector.state is not state
            observation = step.observation

    def test_the_state_of_parallel_is_every_agents_observation(self, every_game: Game, bits: Bits) -> None:
        env = Parallel(every_game)
        observation, _ = env.reset(seed=3)
        assert bits(env.state()) == bits(np.stack(list(observation.values())))
        assert env.state_space.contains(env.state())


class TestPickling:
    def test_a_pickled_game_plays_the_same(self, every_game: Game, bits: Bits) -> None:
        copy = pickle.loads(pickle.dumps(every_game))
        assert copy.action_space == every_game.action_space
        seeds = [1, 2]
        assert bits(rollout(copy, Random(copy), seeds)) == bits(rollout(every_game, Random(every_game), seeds))

    def test_a_pickled_parallel_env_goes_on_as_the_original(self, every_game: Any, bits: Bits) -> None:  # noqa: ANN401
        game = replace(every_game, horizon=5)
        env = Parallel(game)
        env.reset(seed=1)
        rng = np.random.default_rng(0)
        actions = [
            dict(zip(game.agents, Random(game).act(np.empty((1, len(game.agents))), rng)[0], strict=True))
            for _ in range(10)
        ]
        env.step(actions[0])
        copy = pickle.loads(pickle.dumps(env))
        for action in actions[1:]:
            assert bits(env.step(action)) == bits(copy.step(action))
            if not env.agents:
                assert bits(env.reset()) == bits(copy.reset())

    def test_a_pickled_vector_goes_on_as_the_original(self, every_game: Any, bits: Bits) -> None:  # noqa: ANN401
        game = replace(every_game, horizon=5)
        vector, rng = Vector(game, 3), np.random.default_rng(0)
        observation = vector.reset(seed=1)
        vector.step(Random(game).act(observation, rng))
        copy = pickle.loads(pickle.dumps(vector))
        for _ in range(300):
            action = Random(game).act(observation, rng)
            assert bits(vector.step(action)) == bits(copy.step(action))

    def test_a_pickled_policy_acts_the_same(self, every_game: Game, bits: Bits) -> None:
        observation = Vector(every_game, 2).reset(seed=0)
        policies: list[Policy] = [Random(every_game), Scripted(every_game)]
        policies.append(Constant(every_game.scripted(observation)[0]))
        for policy in policies:
            copy = pickle.loads(pickle.dumps(policy))
            expected = policy.act(observation, np.random.default_rng(1))
            assert bits(copy.act(observation, np.random.default_rng(1))) == bits(expected)
