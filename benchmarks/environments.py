"""Speed of the environments beside a bare PettingZoo environment and mpe2, in one run.

Run: ``python benchmarks/environments.py [--games NAME ...] [--rounds K]`` (needs ``pip install mpe2`` for the other
peer), with names as `DayAheadMarket`; all games if none are given.

`Parallel` is compared with the least that a PettingZoo environment can do: dictionaries in, dictionaries out, three
lines of numpy between, with as many agents, observations and actions. Rounds alternate between the two, and the
median of the rounds' ratios is printed, since the machine's speed drifts. CPU seconds, one thread.
"""

import math
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
import tyro
from pettingzoo import ParallelEnv

from walras.core import Random, Vector
from walras.envs.registration import GAMES, parallel_env

STEPS, ROWS = 2000, 1024


@dataclass(frozen=True)
class Options:
    """What is measured."""

    games: tuple[str, ...] = tuple(GAMES.values())
    rounds: int = 15


class Bare(ParallelEnv[str, Any, Any]):
    """The API ceiling: N agents, O observations, A actions and hardly any dynamics."""

    metadata = {"name": "bare"}  # noqa: RUF012 - PettingZoo's own way

    def __init__(self, agents: int, observations: int, actions: int, horizon: int = 24) -> None:
        self.possible_agents = [f"agent_{i}" for i in range(agents)]
        self.agents: list[str] = []
        self.horizon, self.size = horizon, observations
        self.seen = {a: gymnasium.spaces.Box(-1, 1, (observations,)) for a in self.possible_agents}
        self.does = {a: gymnasium.spaces.Box(-1, 1, (actions,)) for a in self.possible_agents}

    def observation_space(self, agent: str) -> Any:  # noqa: ANN401
        """Return the space of `agent`."""
        return self.seen[agent]

    def action_space(self, agent: str) -> Any:  # noqa: ANN401
        """Return the space of `agent`."""
        return self.does[agent]

    def reset(self, seed: int | None = None, options: Any = None) -> Any:  # noqa: ANN401
        """Start an episode."""
        self.agents, self.clock = self.possible_agents[:], 0
        self.x = np.zeros((len(self.agents), self.size))
        return {a: self.x[i] for i, a in enumerate(self.agents)}, {a: {} for a in self.agents}

    def step(self, actions: Any) -> Any:  # noqa: ANN401
        """Advance by one step."""
        u = np.stack([actions[a] for a in self.agents])
        self.x = 0.9 * self.x + 0.1 * u.sum(axis=1, keepdims=True)
        reward = -(u**2).sum(axis=1)
        self.clock += 1
        agents, done = self.agents, self.clock >= self.horizon
        if done:
            self.agents = []
        return (
            {a: self.x[i] for i, a in enumerate(agents)},
            {a: float(reward[i]) for i, a in enumerate(agents)},
            dict.fromkeys(agents, False),
            dict.fromkeys(agents, done),
            {a: {} for a in agents},
        )


def speed(env: Any) -> float:  # noqa: ANN401 - any parallel environment
    """Return environment steps per CPU second under fixed random actions."""
    env.reset(seed=0)
    actions = {a: env.action_space(a).sample() for a in env.agents}
    start = time.process_time()
    for _ in range(STEPS):
        if not env.agents:
            env.reset()
        env.step(actions)
    return STEPS / (time.process_time() - start)


def vector_speed(game: Any) -> float:  # noqa: ANN401 - any game
    """Return agent steps per CPU second of `Vector` at 1,024 rows."""
    vector = Vector(game, ROWS)
    observation = vector.reset(0)
    action = Random(game).act(observation, np.random.default_rng(0))
    start = time.process_time()
    for _ in range(100):
        vector.step(action)
    return 100 * ROWS * len(game.agents) / (time.process_time() - start)


def paired(ours: Any, peer: Any, count: int) -> tuple[float, float, float]:  # noqa: ANN401
    """Return the median speeds, and the median of the rounds' ratios."""
    rounds = [(speed(ours), speed(peer)) for _ in range(count)]
    return (
        statistics.median(a for a, _ in rounds),
        statistics.median(b for _, b in rounds),
        statistics.median(a / b for a, b in rounds),
    )


def main(options: Options) -> None:
    """Print the table."""
    try:
        from mpe2 import simple_spread_v3
    except ImportError:
        simple_spread_v3 = None
        print("mpe2 is not installed (pip install mpe2): its column is left out.", file=sys.stderr)
    print("| game | agents | Parallel steps/s | bare | ratio | simple_spread | ratio | Vector agent-steps/s |")
    print("|---|---|---|---|---|---|---|---|")
    for key, name in GAMES.items():
        if name not in options.games:
            continue
        ours = parallel_env(key)
        game = ours.game
        sizes = len(game.agents), (game.observation_space.shape or (0,))[0], math.prod(game.action_space.shape or ())
        fast, bare, ratio = paired(ours, Bare(*sizes), options.rounds)
        spread = "- | -"
        if simple_spread_v3 is not None:
            _, slow, times = paired(ours, simple_spread_v3.parallel_env(N=sizes[0], max_cycles=24), options.rounds)
            spread = f"{slow:,.0f} | {times:.1f}"
        vector = statistics.median(vector_speed(game) for _ in range(5))
        print(f"| {name} | {sizes[0]} | {fast:,.0f} | {bare:,.0f} | {ratio:.2f} | {spread} | {vector:,.0f} |")


if __name__ == "__main__":
    main(tyro.cli(Options))
