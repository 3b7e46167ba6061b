import copy
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiBinary, Space
from mpe2 import simple_spread_v3, simple_tag_v3
from pettingzoo import ParallelEnv
from pettingzoo.test import parallel_api_test

from walras.core import Foreign, Parallel, Random, SingleAgent, Vector, fingerprint, rollout
from walras.core.typing import Floats

SEEN = Box(0.0, 100.0, (2,), dtype=np.float32)


class Count(gymnasium.Env[Floats, Any]):
    """Its one agent sees a number of the seed and the sum of its actions; a sum of 3 ends it, six steps cut it off."""

    observation_space: Space[Any] = SEEN
    action_space: Space[Any] = Discrete(2)
    made = 0

    def __init__(self, steady: bool = True) -> None:
        type(self).made += 1
        self.steady = steady

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Floats, dict[str, Any]]:
        super().reset(seed=seed if self.steady else None)
        self.number, self.sum, self.steps = self.np_random.integers(100), 0, 0
        return self.seen(), {}

    def step(self, action: Any) -> tuple[Floats, float, bool, bool, dict[str, Any]]:  # noqa: ANN401
        self.sum, self.steps = self.sum + int(action), self.steps + 1
        return self.seen(), 10.0 + action, self.sum >= 3, self.steps >= 6, {}

    def seen(self) -> Floats:
        return np.array([self.number, self.sum], dtype=np.float32)

    def render(self) -> Any:  # noqa: ANN401
        return np.full((2, 3, 3), self.sum, dtype=np.uint8)


class Pair(ParallelEnv[str, Floats, Any]):
    """Two agents; each earns its own action less the other's. `ends` tells how each ends at the third step."""

    metadata: dict[str, Any] = {"name": "pair"}  # noqa: RUF012

    def __init__(
        self, ends: str = "truncated truncated", action: Space[Any] | None = None, other: Space[Any] | None = None
    ) -> None:
        self.possible_agents = ["ann", "bob"]
        self.ends = dict(zip(self.possible_agents, ends.split(), strict=True))
        mine = Box(-1.0, 1.0, (1,)) if action is None else action
        self.actions = {"ann": mine, "bob": mine if other is None else other}

    def observation_space(self, agent: str) -> Space[Any]:
        return Box(-9.0, 9.0, (1,))

    def action_space(self, agent: str) -> Space[Any]:
        return self.actions[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        self.agents, self.steps = self.possible_agents[:], 0
        return self.seen(), {agent: {} for agent in self.agents}

    def seen(self) -> dict[str, Floats]:
        return {agent: np.array([self.steps + i], dtype=np.float32) for i, agent in enumerate(("ann", "bob"))}

    def step(self, actions: Any) -> Any:  # noqa: ANN401
        assert self.agents, "an episode that has ended is not stepped"
        self.steps += 1
        ann, bob = (float(actions[agent][0]) for agent in self.possible_agents)
        over = {agent: end if self.steps == 3 else "" for agent, end in self.ends.items()}
        ended = {agent: end == "terminated" for agent, end in over.items()}
        cut = {agent: end == "truncated" for agent, end in over.items()}
        self.agents = [agent for agent in self.agents if not over[agent]]
        return self.seen(), {"bob": bob - ann, "ann": ann - bob}, ended, cut, {"ann": {}, "bob": {}}


def spread() -> Any:  # noqa: ANN401
    return simple_spread_v3.parallel_env(max_cycles=25)


def ones(rows: int) -> Any:  # noqa: ANN401
    return np.ones((rows, 1), dtype=np.int64)


@pytest.fixture
def count() -> Foreign:
    Count.made = 0
    return Foreign(Count)


class TestOneAgent:
    def test_it_is_a_game_of_one_agent_with_the_environments_spaces(self, count: Foreign) -> None:
        assert count.agents == ("agent",)
        assert count.observation_space is SEEN
        assert count.action_space == Discrete(2)

    def test_an_episode_that_its_rules_end_is_terminated(self, count: Foreign) -> None:
        vector = Vector(count, 2)
        first = vector.reset(0)
        for _ in range(2):
            step = vector.step(ones(2))
            assert not (step.terminated | step.truncated).any()
        step = vector.step(ones(2))
        assert step.terminated.tolist() == [True, True]
        assert not step.truncated.any()
        assert step.reward.tolist() == [[11.0], [11.0]]
        assert step.final_observation[:, 0].tolist() == [[*first[0, 0, :1], 3.0], [*first[1, 0, :1], 3.0]]
        assert step.observation[:, 0, 1].tolist() == [0.0, 0.0]
        assert step.observation.dtype == np.float32

    def test_an_episode_that_it_cuts_off_is_truncated(self, count: Foreign) -> None:
        played = rollout(count, Random(Foreign(partial(Count))), range(40))
        by_sum = played.final_observation[:, 0, 1] >= 3
        assert played.terminated.any(axis=0).tolist() == by_sum.tolist()
        assert played.truncated.any(axis=0).tolist() == (~by_sum).tolist()
        assert 0 < by_sum.sum() < 40
        assert len(played.alive) == 6
        assert (played.reward[~played.alive] == 0).all()

    def test_the_horizon_cuts_off_before_it(self) -> None:
        vector = Vector(Foreign(Count, horizon=2), 1)
        vector.reset(0)
        assert not vector.step(ones(1)).truncated.any()
        assert vector.step(ones(1)).truncated.all()
        assert vector.step(ones(1)).final_observation[0, 0, 1] == 1  # a new episode

    def test_the_seed_fixes_an_episode_whatever_is_beside_it(self, count: Foreign) -> None:
        wide, narrow = Vector(count, 6), Vector(count, 1)
        many = [wide.reset(range(6))[4], *(wide.step(ones(6)).observation[4] for _ in range(8))]
        alone = [narrow.reset([4])[0], *(narrow.step(ones(1)).observation[0] for _ in range(8))]
        assert np.array_equal(many, alone)
        assert len({float(seen[0, 0]) for seen in many}) > 1

    def test_environments_are_used_again(self, count: Foreign) -> None:
        vector = Vector(count, 3)
        vector.reset(0)
        for _ in range(30):
            vector.step(ones(3))
        assert Count.made == 3

    def test_an_environment_of_gymnasium_plays(self) -> None:
        game = Foreign(partial(gymnasium.make, "CartPole-v1"), discount=0.9)
        played = rollout(game, Random(game), range(5))
        assert played.terminated.any(axis=0).all()
        assert played.total[:, 0].tolist() == played.alive.sum(axis=0).tolist()  # it pays 1 a step

    def test_its_picture_is_the_environments(self, count: Foreign) -> None:
        env = Parallel(count, "rgb_array")
        env.reset(seed=0)
        for done in (1, 2, 3):  # the third step ends the episode
            env.step({"agent": 1})
            picture = env.render()
            assert isinstance(picture, np.ndarray)
            assert (picture == done).all()

    def test_an_environment_without_a_picture_says_what_to_ask_of_it(self) -> None:
        env = Parallel(Foreign(partial(gymnasium.make, "CartPole-v1")), "rgb_array")
        env.reset(seed=0)
        with pytest.warns(UserWarning, match="render method without specifying"), pytest.raises(TypeError, match="rgb"):
            env.render()


class TestManyAgents:
    def test_actions_and_rewards_go_by_name(self) -> None:
        vector = Vector(Foreign(Pair), 1)
        assert vector.reset(0).tolist() == [[[0.0], [1.0]]]
        assert vector.step(np.array([[[0.75], [0.25]]])).reward.tolist() == [[0.5, -0.5]]

    @pytest.mark.parametrize(
        ("ends", "terminated", "truncated"),
        [
            ("truncated truncated", False, True),
            ("terminated terminated", True, False),
            ("terminated truncated", True, False),
        ],
    )
    def test_agents_end_together(self, ends: str, terminated: bool, truncated: bool) -> None:
        played = rollout(Foreign(partial(Pair, ends)), Random(Foreign(Pair)), [0, 1])
        assert played.terminated[-1].tolist() == [terminated] * 2
        assert played.truncated[-1].tolist() == [truncated] * 2
        assert len(played.alive) == 3

    @pytest.mark.parametrize("ends", ["terminated ", "truncated  "])
    def test_an_agent_that_ends_before_the_others_is_named(self, ends: str) -> None:
        vector = Vector(Foreign(partial(Pair, f"{ends.strip()} no")), 1)
        vector.reset(0)
        action = np.zeros((1, 2, 1))
        vector.step(action)
        vector.step(action)
        with pytest.raises(TypeError, match=r"agents end together; ann ended before the others.*black_death_v3"):
            vector.step(action)

    def test_spread_of_mpe2_plays_and_conforms(self) -> None:
        game = Foreign(spread)
        assert game.agents == ("agent_0", "agent_1", "agent_2")
        played = rollout(game, Random(game), range(3))
        assert played.reward.shape == (25, 3, 3)
        assert played.truncated[-1].all()
        parallel_api_test(Parallel(game), num_cycles=60)

    def test_it_equals_the_environment_itself(self) -> None:
        game, env = Foreign(spread), spread()
        played = rollout(game, Random(game), [3])
        seed = int(game.noise(np.random.default_rng(3), 1)[0])
        seen, _ = env.reset(seed=seed)
        for t in range(25):
            assert np.array_equal(played.observation[t, 0], np.stack([seen[agent] for agent in game.agents]))
            actions = dict(zip(game.agents, played.action[t, 0].tolist(), strict=True))
            seen, reward, *_ = env.step(actions)
            assert played.reward[t, 0].tolist() == [reward[agent] for agent in game.agents]

    def test_one_of_its_agents_becomes_a_gymnasium_environment(self) -> None:
        game = Foreign(spread)
        env = SingleAgent(game, "agent_1", Random(game))
        assert env.observation_space.contains(env.reset(seed=0)[0])
        assert env.step(2)[0].shape == (18,)


class TestStates:
    def test_one_may_go_on_from_an_earlier_state_and_from_the_later_one(self, count: Foreign) -> None:
        noise = np.array([5, 6])
        start = count.reset(noise)
        first = count.step(start, ones(2), noise).state
        second = count.step(first, ones(2), noise).state
        other = count.step(start, 0 * ones(2), noise).state
        assert other.observation[:, 0, 1].tolist() == [0.0, 0.0]
        assert count.step(second, ones(2), noise).terminated.all()
        assert count.step(first, ones(2), noise).state.observation[:, 0, 1].tolist() == [2.0, 2.0]
        assert first.observation[:, 0, 1].tolist() == [1.0, 1.0]
        assert first.observation[:, 0, 0].tolist() == start.observation[:, 0, 0].tolist()

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
    def test_a_vector_goes_on_from_a_copy_and_from_a_file_as_if_it_had_not_stopped(
        self, copied: Callable[[Any], Any]
    ) -> None:
        vector, rng = Vector(Foreign(spread), 3), np.random.default_rng(0)
        vector.reset(0)
        for _ in range(37):
            vector.step(rng.integers(0, 5, (3, 3)))
        again = copied(vector)
        for _ in range(30):
            action = rng.integers(0, 5, (3, 3))
            for one, two in zip(vector.step(action), again.step(action), strict=True):
                assert np.array_equal(one, two)

    def test_an_environment_that_its_seed_does_not_fix_is_found_out(self) -> None:
        vector = Vector(Foreign(partial(Count, steady=False)), 4)
        vector.reset(0)
        with pytest.raises(RuntimeError, match=r"`make` must .* fixed by the seed .* after 0 steps from seed \d+"):
            copy.deepcopy(vector).step(ones(4))

    def test_fingerprints_tell_environments_and_their_settings_apart(self) -> None:
        games = [
            Foreign(spread),
            Foreign(simple_spread_v3.parallel_env),
            Foreign(Count),
            Foreign(partial(gymnasium.make, "CartPole-v1")),
            Foreign(partial(gymnasium.make, "CartPole-v1", max_episode_steps=9)),
            Foreign(partial(gymnasium.make, "CartPole-v1"), discount=0.5),
        ]
        assert len({fingerprint(game) for game in games}) == len(games)
        assert fingerprint(Foreign(spread)) == fingerprint(games[0])


class TestRefusals:
    def test_an_environment_in_the_place_of_a_function(self) -> None:
        with pytest.raises(TypeError, match=r"`make` must be a function that returns a new environment.*got Count"):
            Foreign(Count())  # type: ignore[arg-type]

    def test_one_environment_for_all_rows(self) -> None:
        env = Count()
        game = Foreign(lambda: env)
        with pytest.raises(ValueError, match="`make` must return a new environment at each call; got the same one"):
            Vector(game, 2).reset(0)

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: simple_spread_v3.env(), r"Gymnasium environment; got .*aec_to_parallel"),
            (lambda: gymnasium.make_vec("CartPole-v1", 2), r"got CartPoleVectorEnv; return a single one"),
            (dict, r"got dict\."),
        ],
    )
    def test_what_is_no_such_environment(self, make: Callable[[], Any], message: str) -> None:
        with pytest.raises(TypeError, match=message):
            Foreign(make)

    def test_agents_with_different_spaces_are_named(self) -> None:
        with pytest.raises(TypeError, match=r"equal spaces; the observation_space of agent_0 is .*pad_observations_v0"):
            Foreign(lambda: simple_tag_v3.parallel_env())
        with pytest.raises(TypeError, match=r"the action_space of bob is Discrete\(3\), that of ann Discrete\(2\)"):
            Foreign(lambda: Pair(action=Discrete(2), other=Discrete(3)))

    def test_spaces_that_no_learner_knows(self) -> None:
        with pytest.raises(TypeError, match="with Box or Discrete spaces; got MultiBinary"):
            Foreign(lambda: Pair(action=MultiBinary(2)))

    def test_numbers_out_of_range(self) -> None:
        with pytest.raises(ValueError, match=r"`discount` must lie in \[0, 1\); got 1"):
            Foreign(Count, discount=1.0)
        with pytest.raises(ValueError, match="`horizon` must"):
            Foreign(Count, horizon=0)
