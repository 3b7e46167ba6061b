from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiBinary, Space

from walras.core import AbstractGame, Constant, Parallel, Random, Scripted, State, Step, rollout
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


SEEDS = list(range(12))


def life(seed: int) -> int:
    """The length of the first fuse of a row with `seed`."""
    return int(5 * np.random.default_rng(seed).random()) + 1


class TestRollout:
    def test_each_row_lives_until_its_own_end(self) -> None:
        trajectory = rollout(Fuse(horizon=4), Scripted(Fuse()), SEEDS)
        lives = [life(seed) for seed in SEEDS]
        assert {1, 5} <= set(lives)  # rows end at once, and not before the horizon
        assert trajectory.alive.sum(axis=0).tolist() == [min(length, 4) for length in lives]
        assert (np.diff(trajectory.alive.astype(int), axis=0) <= 0).all()

    def test_every_row_ends_once_by_the_game_or_by_the_horizon(self) -> None:
        trajectory = rollout(Fuse(horizon=4), Scripted(Fuse()), SEEDS)
        lives = np.array([life(seed) for seed in SEEDS])
        assert trajectory.terminated.sum(axis=0).tolist() == (lives <= 4).astype(int).tolist()
        assert trajectory.truncated.sum(axis=0).tolist() == (lives > 4).astype(int).tolist()
        ended = trajectory.terminated | trajectory.truncated
        assert (ended <= trajectory.alive).all()
        assert ended.argmax(axis=0).tolist() == (np.minimum(lives, 4) - 1).tolist()

    def test_padding_has_no_reward(self) -> None:
        trajectory = rollout(Fuse(horizon=4), Scripted(Fuse()), SEEDS)
        assert (trajectory.reward[~trajectory.alive] == 0).all()
        assert (trajectory.reward[trajectory.alive] == 10).all()
        assert trajectory.total.tolist() == [[10.0 * min(life(seed), 4)] * 3 for seed in SEEDS]

    def test_shapes_are_as_documented(self) -> None:
        trajectory = rollout(Fuse(horizon=4), Random(Fuse()), SEEDS)
        assert trajectory.state.age.shape == (5, 12)
        assert trajectory.observation.shape == (4, 12, 3, 2)
        assert trajectory.action.shape == (4, 12, 3, 2)
        assert trajectory.reward.shape == (4, 12, 3)
        assert trajectory.alive.shape == trajectory.terminated.shape == trajectory.truncated.shape == (4, 12)
        assert trajectory.final_observation.shape == (12, 3, 2)

    def test_it_stops_when_the_last_row_has_ended(self) -> None:
        short = [seed for seed in range(100) if life(seed) <= 2]
        assert len(rollout(Fuse(horizon=100), Scripted(Fuse()), short).alive) == 2

    def test_the_state_before_each_step_is_what_was_observed(self) -> None:
        trajectory = rollout(Fuse(horizon=4), Random(Fuse()), SEEDS)
        assert trajectory.observation[:, :, 0, 0].tolist() == trajectory.state.age[:-1].tolist()

    def test_the_final_observation_is_the_rows_own_last_one(self) -> None:
        # A row that ended early keeps the observation after its own last step, not that of the padding.
        final = rollout(Fuse(horizon=4), Scripted(Fuse()), SEEDS).final_observation
        assert final[:, 0, 0].tolist() == [min(life(seed), 4) for seed in SEEDS]

    def test_a_row_equals_the_parallel_environment_with_its_seed(self) -> None:
        game = Fuse(horizon=4)
        action = np.linspace(-1, 1, 6).reshape(3, 2)
        trajectory = rollout(game, Constant(action), SEEDS)
        for row, seed in enumerate(SEEDS):
            env = Parallel(game)
            observation, _ = env.reset(seed=seed)
            for t in range(int(trajectory.alive[:, row].sum())):
                assert trajectory.observation[t, row].tolist() == [seen.tolist() for seen in observation.values()]
                observation, reward, terminated, truncated, _ = env.step(dict(zip(game.agents, action, strict=True)))
                assert trajectory.reward[t, row].tolist() == list(reward.values())
                assert trajectory.terminated[t, row] == terminated["ann"]
                assert trajectory.truncated[t, row] == truncated["ann"]
            assert env.agents == []

    def test_the_same_seeds_repeat_it_and_others_do_not(self) -> None:
        game = Fuse(horizon=4)
        one, two, other = (rollout(game, Random(game), seeds) for seeds in ([1, 2], [1, 2], [1, 3]))
        assert one.action.tolist() == two.action.tolist()
        assert one.reward.tolist() == two.reward.tolist()
        assert one.action[0].tolist() != other.action[0].tolist()

    def test_no_seeds_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"`seeds` must hold at least one seed; got \[\]"):
            rollout(Fuse(), Scripted(Fuse()), [])

    def test_a_policy_outside_the_action_space_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"got 2\.0 from agent 0 in row 0"):
            rollout(Fuse(), Constant(np.full((3, 2), 2.0)), [1])

    def test_a_horizon_of_one_gives_one_step(self) -> None:
        assert rollout(Fuse(horizon=1), Scripted(Fuse()), [1]).alive.tolist() == [[True]]


class TestPolicies:
    observation = np.zeros((200, 3, 2))

    def test_random_actions_fill_the_box_and_stay_inside(self) -> None:
        game = Fuse(space=Box(np.array([-3.0, 10.0]), np.array([-1.0, 50.0]), dtype=np.float64))
        action = Random(game).act(self.observation, np.random.default_rng(0))
        assert action.shape == (200, 3, 2)
        assert all(game.action_space.contains(a) for a in action.reshape(-1, 2))
        low, high = action.min(axis=(0, 1)), action.max(axis=(0, 1))
        assert low == pytest.approx([-3, 10], abs=0.5)
        assert high == pytest.approx([-1, 50], abs=0.5)

    def test_random_choices_are_all_choices_of_the_discrete_space(self) -> None:
        game = Fuse(space=Discrete(4, start=-1))
        action = Random(game).act(self.observation, np.random.default_rng(0))
        assert action.shape == (200, 3)
        assert np.unique(action).tolist() == [-1, 0, 1, 2]

    def test_random_actions_depend_on_the_generator_only(self) -> None:
        game = Fuse()
        one, two, other = (Random(game).act(self.observation, np.random.default_rng(seed)) for seed in (1, 1, 2))
        assert one.tolist() == two.tolist() != other.tolist()

    def test_random_agents_of_a_row_act_differently(self) -> None:
        action = Random(Fuse()).act(np.zeros((1, 3, 2)), np.random.default_rng(0))
        assert len(np.unique(action)) == 6

    def test_random_refuses_other_spaces_by_name(self) -> None:
        with pytest.raises(TypeError, match="must be a Box or a Discrete space; got MultiBinary"):
            Random(Fuse(space=MultiBinary(2))).act(self.observation, np.random.default_rng(0))

    def test_constant_repeats_its_actions_and_gives_nothing_away(self) -> None:
        policy = Constant(np.arange(6.0).reshape(3, 2))
        action = policy.act(self.observation, np.random.default_rng(0))
        assert action.shape == (200, 3, 2)
        assert (action == policy.action).all()
        action[...] = 9
        assert policy.action.tolist() == [[0, 1], [2, 3], [4, 5]]

    def test_truthful_asks_the_game(self) -> None:
        assert Scripted(Fuse()).act(self.observation, np.random.default_rng(0)).tolist() == (
            Fuse().scripted(self.observation).tolist()
        )

    def test_policies_draw_nothing_that_they_do_not_need(self) -> None:
        rng = np.random.default_rng(0)
        Constant(np.zeros((3, 2))).act(self.observation, rng)
        Scripted(replace(Fuse())).act(self.observation, rng)
        assert rng.random() == np.random.default_rng(0).random()
