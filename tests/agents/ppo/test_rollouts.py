from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from walras.agents.ppo.actors import Sampled, make_actor
from walras.agents.ppo.networks import raw_units
from walras.agents.ppo.rollouts import Play, Rollout, advantages
from walras.core import AbstractGame, State, Step, Vector
from walras.core.typing import Bools, Floats, Ints


@dataclass(frozen=True)
class Marks(State):
    start: Ints  # [B] drawn at the reset
    step: Ints  # [B] since then
    joint: Ints  # [B] sum of the last actions


@dataclass(frozen=True)
class Odd(AbstractGame[Marks]):
    """Two agents see where the episode began, its steps and the last actions; it ends when those sum to six."""

    horizon: int = 5
    discount: float = 0.9

    @cached_property
    def agents(self) -> tuple[str, ...]:
        return ("a", "b")

    @cached_property
    def observation_space(self) -> Box:
        return Box(0, 1000, (3,), dtype=np.float64)

    @cached_property
    def action_space(self) -> Discrete:
        return Discrete(3, start=1)

    def noise(self, rng: np.random.Generator, steps: int) -> Ints:
        return rng.integers(1000, size=steps)

    def reset(self, noise: Ints) -> Marks:
        return Marks(noise, 0 * noise, 0 * noise)

    def step(self, state: Marks, action: Ints, noise: Ints) -> Step[Marks]:
        joint = np.add.reduce(action, axis=1)
        reward = np.stack([joint, 10.0 * state.step], axis=1).astype(np.float64)
        return Step(Marks(state.start, state.step + 1, joint), reward, joint == 6)

    def observe(self, state: Marks) -> Floats:
        seen = np.stack([state.start, state.step, state.joint], axis=1).astype(np.float64)
        return np.repeat(seen[:, None], 2, axis=1)

    def scripted(self, observation: Floats) -> Ints:
        return np.ones(observation.shape[:2], dtype=np.int64)

    def text(self, state: Marks) -> str:
        return str(state)

    def image(self, state: Marks) -> np.ndarray:
        return np.zeros((1, 1, 3), np.uint8)


GAME, ROWS = Odd(), 4


def policy() -> Sampled:
    draw = torch.Generator().manual_seed(0)
    return make_actor(
        GAME.action_space, raw_units(GAME.observation_space), (4,), 2, 2, 0.01, 0.0, draw
    ).policy()  # fmt: skip


def play(seed: int = 0) -> Play:
    return Play(GAME, ROWS, np.random.SeedSequence(seed))


def joined(parts: list[Rollout]) -> Rollout:
    return Rollout(*(torch.cat(column) for column in zip(*parts, strict=True)))


def test_a_rollout_is_what_the_game_did() -> None:
    rollout, drawn, _ = play().collect(policy(), 40)
    assert (rollout.action == drawn + 1).all()
    vector = Vector(GAME, ROWS)
    luck, _ = np.random.SeedSequence(0).spawn(2)
    observation = vector.reset(luck.spawn(ROWS))
    for t in range(40):
        np.testing.assert_array_equal(rollout.observation[t], observation)
        step = vector.step(rollout.action[t].numpy())
        np.testing.assert_array_equal(rollout.next_observation[t], step.final_observation)
        np.testing.assert_array_equal(rollout.reward[t], step.reward)
        np.testing.assert_array_equal(rollout.terminated[t], step.terminated)
        np.testing.assert_array_equal(rollout.truncated[t], step.truncated)
        observation = step.observation
    assert rollout.terminated.any()
    assert rollout.truncated.any()


def test_what_follows_an_end_is_the_final_observation_and_not_that_of_the_next_episode() -> None:
    rollout, _, _ = play().collect(policy(), 40)
    ended = (rollout.terminated | rollout.truncated)[:-1]
    after, then = rollout.next_observation[:-1], rollout.observation[1:]
    assert (after[~ended] == then[~ended]).all()
    assert (after[ended][..., 1] > 0).all()  # steps taken
    assert (then[ended][..., 1] == 0).all()
    assert (after[rollout.truncated[:-1]][..., 1] == GAME.horizon).all()
    assert (after[..., 0] == rollout.observation[:-1][..., 0]).all()  # the episode's own mark


def test_episodes_go_on_from_one_rollout_to_the_next() -> None:
    whole, drawn, ended = play().collect(policy(), 30)
    cut = play()
    parts = [cut.collect(policy(), steps) for steps in (7, 11, 12)]
    for one, other in zip(whole, joined([rollout for rollout, _, _ in parts]), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(drawn, torch.cat([draws for _, draws, _ in parts]))
    assert ended.episodes == sum(part.episodes for _, _, part in parts)
    np.testing.assert_allclose(ended.total, sum(part.total for _, _, part in parts))


def test_returns_are_summed_over_the_episodes_that_ended() -> None:
    rollout, _, ended = play().collect(policy(), 50)
    episodes, total = 0, np.zeros(2)
    for row in range(ROWS):
        ends = np.flatnonzero((rollout.terminated | rollout.truncated)[:, row])
        episodes += len(ends)
        total += rollout.reward[: ends[-1] + 1, row].sum(dim=0).numpy()
    assert ended.episodes == episodes
    np.testing.assert_allclose(ended.total, total)


def summed(
    reward: Floats, value: Floats, after: Floats, terminated: Bools, truncated: Bools, discount: float, decay: float
) -> Floats:
    """Advantages by their definition: errors of the steps to come in the same episode, weighted, summed."""
    steps, found = len(reward), np.zeros_like(reward)
    for t in range(steps):
        weight = 1.0
        for k in range(t, steps):
            found[t] += weight * (reward[k] + discount * (0.0 if terminated[k] else after[k]) - value[k])
            if terminated[k] or truncated[k]:
                break
            weight *= discount * decay
    return found


@given(
    arrays(np.float64, (3, 7), elements=st.floats(-5, 5)),
    st.lists(st.sampled_from(["goes on", "terminated", "truncated"]), min_size=7, max_size=7),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_advantages_are_the_sums_that_define_them(
    numbers: Floats, ends: list[str], discount: float, decay: float
) -> None:
    reward, value, after = numbers
    terminated, truncated = (np.array([end == kind for end in ends]) for kind in ("terminated", "truncated"))
    tensors = [torch.from_numpy(part)[:, None, None] for part in numbers]
    flags = [torch.from_numpy(part)[:, None] for part in (terminated, truncated)]
    found = advantages(*tensors, *flags, discount, decay)
    expected = summed(reward, value, after, terminated, truncated, discount, decay)
    np.testing.assert_allclose(found[:, 0, 0], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("agents", [1, 3])
def test_rows_and_agents_do_not_mix(agents: int) -> None:
    draw = torch.Generator().manual_seed(0)
    reward, value, after = torch.randn(3, 6, 4, agents, generator=draw)
    terminated, truncated = torch.rand(2, 6, 4, generator=draw) < 0.2
    whole = advantages(reward, value, after, terminated, truncated, 0.9, 0.8)
    for row in range(4):
        for agent in range(agents):
            own = [part[:, row : row + 1, agent : agent + 1] for part in (reward, value, after)]
            ends = [part[:, row : row + 1] for part in (terminated, truncated)]
            alone = advantages(*own, *ends, 0.9, 0.8)
            torch.testing.assert_close(whole[:, row : row + 1, agent : agent + 1], alone)
