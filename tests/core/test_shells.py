from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, Space
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from pettingzoo.test import parallel_api_test

from walras.core import AbstractGame, Constant, FlatVector, Parallel, Random, SingleAgent, State, Step, Vector
from walras.core.typing import Floats, Image

SEEN = Box(0.0, 10.0, (2,), dtype=np.float64)


@dataclass(frozen=True)
class FuseState(State):
    age: Floats  # [B] steps since the reset
    life: Floats  # [B] steps until the fuse is burnt, 1 to 5


@dataclass(frozen=True)
class Fuse(AbstractGame[FuseState]):
    """Three agents around a fuse of random length: the row terminates when it is burnt."""

    horizon: int = 4
    space: Space[Any] = field(default_factory=lambda: Box(-1.0, 1.0, (2,), dtype=np.float64))

    @property
    def agents(self) -> tuple[str, ...]:
        return ("ann", "bob", "cyd")

    @property
    def observation_space(self) -> Space[Any]:
        return SEEN

    @property
    def action_space(self) -> Space[Any]:
        return self.space

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        return rng.random(steps)

    def reset(self, noise: Floats) -> FuseState:
        return FuseState(np.zeros(len(noise)), np.floor(5 * noise) + 1)

    def step(self, state: FuseState, action: Floats, noise: Floats) -> Step[FuseState]:
        age = state.age + 1
        reward = 10.0 + action.reshape(len(age), 3, -1).sum(axis=2)
        return Step(FuseState(age, state.life), reward, age >= state.life)

    def observe(self, state: FuseState) -> Floats:
        return np.repeat(np.stack((state.age, state.life), axis=1)[:, None], 3, axis=1)

    def scripted(self, observation: Floats) -> Floats:
        return np.zeros((*observation.shape[:2], *(self.space.shape or ())), dtype=self.space.dtype)

    def text(self, state: FuseState) -> str:
        return f"{state.age[0]:.0f} of {state.life[0]:.0f}"

    def image(self, state: FuseState) -> Image:
        return np.full((2, 3, 3), int(state.age[0]), dtype=np.uint8)


STILL = {"ann": np.zeros(2), "bob": np.zeros(2), "cyd": np.zeros(2)}


def life(seed: int) -> int:
    """The length of the first fuse of a row with `seed`."""
    return int(5 * np.random.default_rng(seed).random()) + 1


class TestParallel:
    def test_an_unknown_agent_is_refused_with_the_known_ones_and_the_nearest(self) -> None:
        env = Parallel(Fuse())
        message = r"`agent` must be one of ann, bob, cyd; got 'bop'\. Did you mean 'bob'\?"
        with pytest.raises(ValueError, match=message):
            env.action_space("bop")
        with pytest.raises(ValueError, match=message):
            env.observation_space("bop")

    def test_a_missing_action_is_refused_by_agent(self) -> None:
        env = Parallel(Fuse())
        env.reset(seed=1)
        with pytest.raises(ValueError, match="`actions` must hold one action an agent; got none for 'bob'"):
            env.step({"ann": np.zeros(2), "cyd": np.zeros(2)})

    def test_an_action_of_an_unknown_agent_is_refused(self) -> None:
        env = Parallel(Fuse())
        env.reset(seed=1)
        with pytest.raises(ValueError, match="must be one of ann, bob, cyd; got 'dan'"):
            env.step({**STILL, "dan": np.zeros(2)})

    def test_an_action_outside_is_refused_and_nothing_moves(self) -> None:
        env = Parallel(Fuse())
        env.reset(seed=1)
        before = env.state()
        with pytest.raises(ValueError, match=r"got 3\.0 from agent 2 in row 0"):
            env.step({**STILL, "cyd": np.array([0.0, 3.0])})
        assert env.state().tolist() == before.tolist()

    def test_a_nan_action_is_refused(self) -> None:
        env = Parallel(Fuse())
        env.reset(seed=1)
        with pytest.raises(ValueError, match="got nan from agent 0 in row 0"):
            env.step({**STILL, "ann": np.array([np.nan, 0.0])})

    @pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 1)])
    def test_actions_of_a_wrong_shape_are_refused(self, shape: tuple[int, ...]) -> None:
        env = Parallel(Fuse())
        env.reset(seed=1)
        with pytest.raises(ValueError, match=r"`action` must have shape \(1, 3, 2\)"):
            env.step(dict.fromkeys(env.possible_agents, np.zeros(shape)))

    def test_one_action_of_a_wrong_shape_is_refused(self) -> None:
        env = Parallel(Fuse())
        env.reset(seed=1)
        with pytest.raises(ValueError, match="`action"):
            env.step({**STILL, "bob": np.zeros(3)})

    def test_the_order_of_the_callers_dictionary_does_not_matter(self) -> None:
        env = Parallel(Fuse())
        env.reset(seed=1)
        _, reward, *_ = env.step({"cyd": np.full(2, 1.0), "ann": np.full(2, -1.0), "bob": np.zeros(2)})
        assert reward == {"ann": 8.0, "bob": 10.0, "cyd": 12.0}

    def test_actions_in_single_precision_at_the_bounds_are_accepted(self) -> None:
        game = Fuse(space=Box(0.1, 180.3, (2,), dtype=np.float64))
        env = Parallel(game)
        for bound in (0.1, 180.3):
            env.reset(seed=1)
            _, reward, *_ = env.step(dict.fromkeys(game.agents, np.full(2, bound, dtype=np.float32)))
            assert reward["ann"] == pytest.approx(10 + 2 * bound)

    def test_an_unknown_render_mode_is_refused_with_the_nearest(self) -> None:
        message = r"must be one of ansi, human, rgb_array; got 'rgb_aray'\. Did you mean 'rgb_array'\?"
        with pytest.raises(ValueError, match=message):
            Parallel(Fuse(), "rgb_aray")
        with pytest.raises(ValueError, match=message):
            SingleAgent(Fuse(), render_mode="rgb_aray")

    def test_rendering_shows_the_current_state(self, capsys: pytest.CaptureFixture[str]) -> None:
        envs = {mode: Parallel(Fuse(), mode) for mode in ("ansi", "human", "rgb_array")}
        for env in envs.values():
            env.reset(seed=1)
            env.step(STILL)
        assert envs["ansi"].render() == f"1 of {life(1)}"
        assert envs["human"].render() is None
        assert capsys.readouterr().out == f"1 of {life(1)}\n"
        image = envs["rgb_array"].render()
        assert isinstance(image, np.ndarray)
        assert image.shape == (2, 3, 3)

    def test_rendering_without_a_mode_warns(self) -> None:
        env = Parallel(Fuse())
        env.reset()
        with pytest.warns(UserWarning, match="does nothing without a `render_mode`"):
            assert env.render() is None

    @pytest.mark.parametrize("call", [lambda env: env.step(STILL), lambda env: env.state(), lambda env: env.render()])
    def test_nothing_works_before_the_first_reset(self, call: Any) -> None:  # noqa: ANN401
        with pytest.raises(gymnasium.error.ResetNeeded, match="before the first `reset`"):
            call(Parallel(Fuse(), "ansi"))

    def test_a_step_after_the_end_is_refused_until_the_next_reset(self) -> None:
        env = Parallel(Fuse(horizon=1))
        env.reset(seed=1)
        env.step(STILL)
        assert env.agents == []
        with pytest.raises(gymnasium.error.ResetNeeded, match="The episode is over"):
            env.step(STILL)
        env.reset()
        env.step(STILL)

    def test_a_game_that_ends_at_its_horizon_is_terminated_not_truncated(self) -> None:
        seed = next(s for s in range(100) if life(s) == 3)
        env = Parallel(Fuse(horizon=3))
        env.reset(seed=seed)
        for _ in range(2):
            _, _, terminated, truncated, _ = env.step(STILL)
            assert not any(terminated.values()) and not any(truncated.values())  # noqa: PT018
        observation, _, terminated, truncated, _ = env.step(STILL)
        assert all(terminated.values())
        assert not any(truncated.values())
        assert observation["ann"].tolist() == [3, 3]

    def test_a_seed_repeats_the_episode_and_another_changes_it(self) -> None:
        first, same, other = (Parallel(Fuse(horizon=100)) for _ in range(3))
        runs = []
        for env, seed in ((first, 1), (same, 1), (other, 2)):
            lives = [env.reset(seed=seed)[0]["ann"][1]]
            lives += [env.reset()[0]["ann"][1] for _ in range(20)]
            runs.append(lives)
        assert runs[0] == runs[1] != runs[2]

    def test_a_reset_without_seed_continues_the_noise(self) -> None:
        env = Parallel(Fuse())
        lives = [env.reset(seed=3)[0]["ann"][1], *(env.reset()[0]["ann"][1] for _ in range(4))]
        assert lives == (np.floor(5 * np.random.default_rng(3).random(5)) + 1).tolist()

    def test_environments_without_seed_differ(self) -> None:
        envs = [Parallel(Fuse()) for _ in range(2)]
        assert len({tuple(env.reset()[0]["ann"][1] for _ in range(40)) for env in envs}) == 2

    def test_an_environment_with_a_discrete_action_conforms(self) -> None:
        parallel_api_test(Parallel(Fuse(space=Discrete(3))), num_cycles=20)

    def test_discrete_actions_reach_the_game(self) -> None:
        env = Parallel(Fuse(space=Discrete(3, start=5)))
        env.reset(seed=1)
        _, reward, *_ = env.step({"ann": 5, "bob": np.int64(6), "cyd": np.array(7)})
        assert reward == {"ann": 15.0, "bob": 16.0, "cyd": 17.0}
        assert all(type(value) is float for value in reward.values())

    def test_each_agent_samples_its_space_alone(self) -> None:
        env = Parallel(Fuse())
        env.action_space("ann").seed(1)
        env.action_space("bob").seed(1)
        assert env.action_space("ann").sample().tolist() == env.action_space("bob").sample().tolist()
        assert env.action_space("ann") is env.action_space("ann")


class TestVector:
    def test_a_step_before_the_first_reset_is_refused(self) -> None:
        with pytest.raises(gymnasium.error.ResetNeeded, match="before the first `reset`"):
            Vector(Fuse(), 2).step(np.zeros((2, 3, 2)))

    def test_one_seed_a_row_gives_each_row_its_own(self) -> None:
        observation = Vector(Fuse(), 4).reset([3, 4, 3, 5])
        assert observation[:, 0, 1].tolist() == [life(3), life(4), life(3), life(5)]

    def test_a_wrong_number_of_seeds_is_refused(self) -> None:
        with pytest.raises(ValueError, match="`seeds` must have one entry for each of 3 rows; got 2"):
            Vector(Fuse(), 3).reset([1, 2])

    @pytest.mark.parametrize("kind", [int, np.int64, np.uint32])
    def test_one_integer_is_spawned_into_seeds_of_the_rows(self, kind: type) -> None:
        children = np.random.SeedSequence(7).spawn(5)
        expected = [int(5 * np.random.default_rng(child).random()) + 1 for child in children]
        assert Vector(Fuse(), 5).reset(kind(7))[:, 0, 1].tolist() == expected

    def test_different_seeds_differ_and_a_reset_without_seed_continues(self) -> None:
        one, two, other = (Vector(Fuse(), 20) for _ in range(3))
        assert one.reset(1).tolist() == two.reset(1).tolist() != other.reset(2).tolist()
        assert one.reset().tolist() == two.reset().tolist() != one.reset(1).tolist()

    def test_rows_end_at_different_times_and_start_anew(self) -> None:
        vector, rows = Vector(Fuse(horizon=4), 50), 50
        observation = vector.reset(0)
        for _ in range(12):
            before = observation[:, 0]
            observation, reward, terminated, truncated, final = vector.step(np.zeros((rows, 3, 2)))
            age, length = before[:, 0] + 1, before[:, 1]
            assert (reward == 10).all()
            assert terminated.tolist() == (age >= length).tolist()
            assert truncated.tolist() == ((age >= 4) & (age < length)).tolist()
            ended = terminated | truncated
            assert final[:, 0, 0].tolist() == age.tolist()
            assert final[:, 0, 1].tolist() == length.tolist()
            assert (observation[ended, 0, 0] == 0).all()
            assert observation[~ended].tolist() == final[~ended].tolist()

    def test_discrete_actions_reach_the_game(self) -> None:
        vector = Vector(Fuse(space=Discrete(4)), 2)
        vector.reset(0)
        assert vector.step(np.array([[0, 1, 2], [3, 0, 1]])).reward.tolist() == [[10, 11, 12], [13, 10, 11]]

    def test_an_action_outside_names_row_and_agent(self) -> None:
        vector = Vector(Fuse(space=Discrete(4)), 2)
        vector.reset(0)
        with pytest.raises(ValueError, match="got 4 from agent 2 in row 1"):
            vector.step(np.array([[0, 1, 2], [3, 0, 4]]))

    def test_a_wrong_number_of_rows_is_refused(self) -> None:
        vector = Vector(Fuse(), 2)
        vector.reset(0)
        with pytest.raises(ValueError, match=r"`action` must have shape \(2, 3, 2\); got \(1, 3, 2\)"):
            vector.step(np.zeros((1, 3, 2)))


class TestFlatVector:
    def test_row_b_times_n_plus_i_is_agent_i_of_row_b(self) -> None:
        flat = FlatVector(Fuse(), 2)
        flat.reset(seed=0)
        action = np.repeat(np.arange(6.0) / 10, 2).reshape(6, 2)
        _, reward, *_ = flat.step(action)
        assert reward.tolist() == pytest.approx((10 + 2 * np.arange(6) / 10).tolist())

    def test_it_says_that_it_resets_in_the_same_step(self) -> None:
        assert FlatVector(Fuse(), 2).metadata["autoreset_mode"] is AutoresetMode.SAME_STEP

    def test_final_observations_come_only_with_an_end(self) -> None:
        flat = FlatVector(Fuse(horizon=2), 1)
        seed = next(s for s in range(100) if int(5 * first_draw(s)) + 1 > 2)
        flat.reset(seed=seed)
        info = flat.step(np.zeros((3, 2)))[4]
        assert info == {}
        observation, _, terminated, truncated, info = flat.step(np.zeros((3, 2)))
        assert not terminated.any()
        assert truncated.all()
        assert info["final_obs"][:, 0].tolist() == [2, 2, 2]
        assert info["_final_obs"].tolist() == [True, True, True]
        assert observation[:, 0].tolist() == [0, 0, 0]

    def test_discrete_spaces_are_batched(self) -> None:
        flat = FlatVector(Fuse(space=Discrete(4)), 2)
        flat.reset(seed=0)
        flat.action_space.seed(0)
        sample = flat.action_space.sample()
        assert flat.step(sample)[1].tolist() == (10.0 + sample).tolist()

    @pytest.mark.parametrize("shape", [(5, 2), (6,), (6, 3), (2, 3, 2)])
    def test_actions_of_a_wrong_shape_are_refused(self, shape: tuple[int, ...]) -> None:
        flat = FlatVector(Fuse(), 2)
        flat.reset(seed=0)
        with pytest.raises(ValueError, match=r"`action.* must have shape"):
            flat.step(np.zeros(shape))


def first_draw(seed: int) -> float:
    """The first number of row 0 of a vector of one row reset with `seed`."""
    return np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0]).random()


class TestSingleAgent:
    def test_an_unknown_agent_is_refused_with_the_known_ones(self) -> None:
        with pytest.raises(ValueError, match=r"`agent` must be one of ann, bob, cyd; got 'anne'\. Did you mean 'ann'"):
            SingleAgent(Fuse(), "anne")

    @pytest.mark.parametrize("call", [lambda env: env.step(np.zeros(2)), lambda env: env.render()])
    def test_nothing_works_before_the_first_reset(self, call: Any) -> None:  # noqa: ANN401
        with pytest.raises(gymnasium.error.ResetNeeded, match="before the first `reset`"):
            call(SingleAgent(Fuse(), render_mode="ansi"))

    def test_the_learner_plays_its_agent_and_the_policy_the_others(self) -> None:
        others = Constant(np.array([[0.1, 0.1], [0.9, 0.9], [0.3, 0.3]]))
        env = SingleAgent(Fuse(), "bob", others)
        env.reset(seed=1)
        assert env.step(np.array([0.25, 0.25]))[1] == 10.5
        assert others.action[1].tolist() == [0.9, 0.9]

    def test_whole_numbers_of_the_others_do_not_round_the_learners_action(self) -> None:
        env = SingleAgent(Fuse(), "ann", Constant(np.zeros((3, 2), dtype=np.int64)))
        env.reset(seed=1)
        assert env.step(np.array([0.5, 0.75]))[1] == 11.25

    @pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 2)])
    def test_an_action_of_a_wrong_shape_is_refused(self, shape: tuple[int, ...]) -> None:
        env = SingleAgent(Fuse())
        env.reset(seed=1)
        with pytest.raises(ValueError, match=r"`action` must have shape \(2,\)"):
            env.step(np.zeros(shape))

    @pytest.mark.parametrize("value", [np.nan, 1.5])
    def test_an_action_outside_is_refused(self, value: float) -> None:
        env = SingleAgent(Fuse(), "cyd")
        env.reset(seed=1)
        with pytest.raises(ValueError, match=f"got {value} from agent 2 in row 0"):
            env.step(np.array([0.0, value]))

    def test_a_seed_repeats_the_noise_of_the_game_and_of_the_others(self) -> None:
        @dataclass(frozen=True)
        class Watched:
            policy: Random
            seen: list[list[float]]

            def act(self, observation: Floats, rng: np.random.Generator) -> Floats:
                action = self.policy.act(observation, rng)
                self.seen.append(action.ravel().tolist())
                return action

        game, runs = Fuse(horizon=5), []
        for seed in (1, 1, 2):
            seen: list[list[float]] = []
            env = SingleAgent(game, others=Watched(Random(game), seen))
            for first in (seed, None, None):
                env.reset(seed=first)
                env.step(np.zeros(2))
            runs.append(seen)
        assert runs[0] == runs[1] != runs[2]

    def test_a_step_after_the_end_is_refused(self) -> None:
        env = SingleAgent(Fuse(horizon=1))
        env.reset(seed=1)
        env.step(np.zeros(2))
        with pytest.raises(gymnasium.error.ResetNeeded, match="The episode is over"):
            env.step(np.zeros(2))

    def test_discrete_actions_reach_the_game(self) -> None:
        env = SingleAgent(Fuse(space=Discrete(4)), "bob")
        env.reset(seed=1)
        assert env.step(3)[1] == 13.0
        with pytest.raises(ValueError, match="got 4 from agent 1 in row 0"):
            env.step(4)

    def test_a_model_of_stable_baselines3_is_no_policy_and_says_what_makes_one(self) -> None:
        class Model:
            def predict(self, observation: Floats) -> Floats:
                return observation

        with pytest.raises(
            TypeError, match=r"`policy` must have the method `act.*got Model; `walras\.agents\.sb3\.ModelPolicy"
        ):
            SingleAgent(Fuse(), others=Model())  # type: ignore[arg-type]

    def test_a_policy_that_knows_the_step_is_told_it(self) -> None:
        steps: list[int] = []

        class Clocked:
            def act(self, observation: Floats, rng: np.random.Generator) -> Floats:
                raise AssertionError

            def act_at(self, observation: Floats, step: int, rng: np.random.Generator) -> Floats:
                steps.append(step)
                return np.zeros((1, 3, 2))

        env = SingleAgent(Fuse(horizon=9), others=Clocked())
        for _ in range(2):
            env.reset(seed=next(seed for seed in range(99) if life(seed) > 2))
            env.step(np.zeros(2))
            env.step(np.zeros(2))
        assert steps == [0, 1, 0, 1]


class TestSinglePrecision:
    """Shells whose `dtype` is single precision; 0.1 and 180.3 are not numbers of it."""

    game = Fuse(space=Box(0.1, 180.3, (2,), dtype=np.float64))

    def test_spaces_and_observations_of_a_parallel_environment(self) -> None:
        env = Parallel(self.game, dtype=np.float32)
        first, _ = env.reset(seed=next(seed for seed in range(99) if life(seed) > 2))
        highest = np.full(2, 180.3, dtype=np.float32)
        observation, reward, *_ = env.step(dict.fromkeys(env.possible_agents, highest))
        assert env.observation_space("bob").dtype == env.action_space("bob").dtype == env.state().dtype == np.float32
        assert env.observation_space("ann").contains(first["ann"])
        assert env.observation_space("ann").contains(observation["ann"])
        assert env.state_space.contains(env.state())
        assert reward["ann"] == pytest.approx(10 + 2 * 180.3)
        parallel_api_test(env, num_cycles=20)

    @pytest.mark.filterwarnings("ignore:.*symmetric and normalized:UserWarning")
    def test_spaces_and_observations_of_a_single_agent(self) -> None:
        env = SingleAgent(self.game, others=Constant(np.ones((3, 2))), dtype=np.float32)
        check_env(env, skip_render_check=True)
        assert env.observation_space.dtype == env.action_space.dtype == np.float32
        assert env.reset(seed=1)[0].dtype == np.float32

    def test_spaces_and_observations_of_a_flat_vector(self) -> None:
        env = FlatVector(self.game, 2, dtype=np.float32)
        observation, _ = env.reset(seed=0)
        assert env.observation_space.contains(observation)
        final = list[Any]()
        for _ in range(5):
            observation, *_, info = env.step(env.action_space.sample())
            assert env.observation_space.contains(observation)
            final += [info["final_obs"].dtype] if info else []
        assert set(final) == {np.dtype(np.float32)}

    def test_the_games_own_numbers_stay_as_they_are(self) -> None:
        double, single = FlatVector(self.game, 2), FlatVector(self.game, 2, dtype=np.float32)
        assert double.single_observation_space == self.game.observation_space
        assert double.reset(seed=0)[0].astype(np.float32).tolist() == single.reset(seed=0)[0].tolist()
        action = np.full((6, 2), 0.3)
        assert double.step(action)[1].tolist() == single.step(action)[1].tolist()

    def test_choices_stay_whole_numbers(self) -> None:
        assert Parallel(Fuse(space=Discrete(3)), dtype=np.float32).action_space("ann") == Discrete(3)

    @pytest.mark.parametrize("make", [Parallel, SingleAgent, lambda game, dtype: FlatVector(game, 2, dtype)])
    def test_whole_numbers_are_no_type_of_observations(self, make: Any) -> None:  # noqa: ANN401
        with pytest.raises(ValueError, match=r"`dtype` must be a type of floating-point numbers; got .*int64"):
            make(Fuse(), dtype=np.int64)


def test_frames_a_second_are_said() -> None:
    assert Parallel(Fuse()).metadata["render_fps"] == SingleAgent(Fuse()).metadata["render_fps"] == 4
