"""The shell of games with turns, on games made for it: one mover, all movers, and both in alternation."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from pettingzoo.test import api_test, seed_test

from walras.core import AbstractGame, Parallel, State, Step, Turns
from walras.core.typing import Floats, Ints
from walras.envs import CournotMarket


@dataclass(frozen=True)
class Turn(State):
    step: Ints  # [B]
    total: Floats  # [B]


@dataclass(frozen=True)
class Auctioning(AbstractGame[Turn]):
    """Three agents add to a total in turn; all at once at each step that `together` divides; a bonus is drawn."""

    together: int = 0
    horizon: int = 7
    discount: float = 0.9

    @cached_property
    def agents(self) -> tuple[str, ...]:
        return ("a", "b", "c")

    @cached_property
    def observation_space(self) -> Box:
        return Box(-1e3, 1e3, (2,), dtype=np.float64)

    @cached_property
    def action_space(self) -> Discrete:
        return Discrete(5, start=-2)

    def mover(self, state: Turn) -> Ints:
        alone = state.step % 3
        return alone if self.together == 0 else np.where(state.step % self.together == 0, -1, alone)

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        return rng.random(steps)

    def reset(self, noise: Floats) -> Turn:
        return Turn(np.zeros(len(noise), dtype=np.int64), noise)

    def step(self, state: Turn, action: Ints, noise: Floats) -> Step[Turn]:
        mover = self.mover(state)[:, None]
        counted = np.where((mover < 0) | (mover == np.arange(3)), action, 0).sum(axis=1)
        total = state.total + counted + noise
        reward = total[:, None] * np.array([1.0, 2.0, -1.0])
        return Step(Turn(state.step + 1, total), reward, np.zeros(len(noise), dtype=np.bool_))

    def observe(self, state: Turn) -> Floats:
        seen = np.stack([state.step.astype(np.float64), state.total], axis=1)
        return np.repeat(seen[:, None], 3, axis=1)

    def text(self, state: Turn) -> str:
        return str(state.total[0])

    def image(self, state: Turn) -> np.ndarray:
        return np.zeros((1, 1, 3), np.uint8)


GAMES = [Auctioning(), Auctioning(together=1), Auctioning(together=2), Auctioning(together=3)]


@pytest.mark.parametrize("game", GAMES)
def test_turns_equal_parallel_bit_for_bit(game: Auctioning, bits: Callable[[Any], list[Any]]) -> None:
    turns, parallel, rng = Turns(game), Parallel(game), np.random.default_rng(0)
    for seed in (5, None, None):
        turns.reset(seed=seed)
        seen, _ = parallel.reset(seed=seed)
        earned = dict.fromkeys(game.agents, 0.0)
        while parallel.agents:
            mover = int(game.mover(parallel.current)[0])
            joint = {agent: int(rng.integers(-2, 3)) for agent in game.agents}  # whatever the others do is passed over
            for agent in game.agents if mover < 0 else [game.agents[mover]]:
                assert turns.agent_selection == agent
                observation, total, ended, cut, _ = turns.last()
                assert bits(observation) == bits(seen[agent])
                assert total == pytest.approx(earned[agent], rel=1e-12)
                assert not ended
                assert not cut
                earned[agent] = 0.0
                turns.step(joint[agent])
            seen, reward, terminated, truncated, _ = parallel.step(joint)
            assert turns.rewards == reward
            assert (turns.terminations, turns.truncations) == (terminated, truncated)
            assert bits(turns.state()) == bits(np.stack(list(seen.values())))
            for agent in game.agents:
                earned[agent] += reward[agent]
        for agent in game.agents:
            assert turns.agent_selection == agent
            assert turns.last()[1] == pytest.approx(earned[agent], rel=1e-12)
            turns.step(None)
        assert turns.agents == []


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_pettingzoo_accepts_it(game: Auctioning) -> None:
    api_test(Turns(game, render_mode="ansi"), num_cycles=40)
    seed_test(lambda: Turns(game), num_cycles=20)


def test_only_the_mover_is_asked() -> None:
    env, asked = Turns(Auctioning()), []
    env.reset(seed=0)
    for agent in env.agent_iter():
        if env.terminations[agent] or env.truncations[agent]:
            env.step(None)
            continue
        asked.append(agent)
        env.step(0)
    assert asked == ["a", "b", "c", "a", "b", "c", "a"]


def test_a_game_without_turns_is_refused() -> None:
    with pytest.raises(TypeError, match="`game` must tell whose turn it is, by `mover`; got CournotMarket"):
        Turns(CournotMarket())


def test_an_action_outside_the_space_is_refused() -> None:
    env = Turns(Auctioning())
    env.reset(seed=0)
    with pytest.raises(ValueError, match="`action` must lie in the action space"):
        env.step(9)
