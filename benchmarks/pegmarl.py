"""Learning from personal demonstrations: the tables of docs/agents/pegmarl.md and its siblings.

Run: ``OMP_NUM_THREADS=1 python benchmarks/pegmarl.py --task lava_2 --arms pegmarl mappo --seeds 0 1 2``.

A run is one line: frames at which the goal rate reached .5 and the return 8, return and goal rate at the end, seconds.
Returns and rates are means over the last 200 episodes or a few more, those of the last rollouts that hold so many. The
line of an arm is the interquartile mean over seeds, with its 95 % bootstrap interval.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import tyro
from torch import Tensor

from walras.agents import (
    behaviour_cloning,
    demonstrations,
    discriminators,
    dm2,
    estimate,
    guided,
    ippo,
    magail,
    mappo,
    pegmarl,
    pofd,
)
from walras.agents.demonstrations import Demonstrations
from walras.agents.rollouts import Rollout
from walras.core import rollout as play
from walras.core.typing import Floats
from walras.envs import GridWorld

TASKS = {
    "lava_2": GridWorld.lava(2),
    "lava_3": GridWorld.lava(3),
    "lava_4": GridWorld.lava(4),
    "door_a": GridWorld.door("a"),
    "door_b": GridWorld.door("b"),
}
PAPER = mappo.Config.of_paper()
ARMS: Mapping[str, guided.Guide | mappo.Config] = {
    "pegmarl": pegmarl.Config(),
    "pegmarl_0.1": pegmarl.Config(eta=0.1),
    "pofd": pofd.Config(),
    "dm2": dm2.Config(),
    "magail": magail.Config(),
    "mappo": PAPER,
    "pegmarl_slow": pegmarl.Config(discriminator=discriminators.Config(learning_rate=1e-4)),
    "ippo": ippo.independent(PAPER),
}
EPISODES = 200


class Watched:
    """Counts, rollout by rollout, episodes that reached the goal; the reward is another shaping's, or the game's."""

    def __init__(self, shaping: mappo.Shaping | None) -> None:
        self.shaping, self.goals = shaping, list[int]()

    def __call__(self, rollout: Rollout) -> Tensor:
        """Return the reward to learn from."""
        self.goals.append(int((rollout.terminated & (rollout.reward[..., 0] > 0)).sum()))
        return rollout.reward if self.shaping is None else self.shaping(rollout)

    def state(self) -> Mapping[str, Any]:
        """Return nothing: these runs are not continued."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Result:
    """One run."""

    half: float  # frames until half of the episodes reach the goal; infinite if never
    eight: float  # frames until the return exceeds 8
    total: float  # return at the end
    rate: float  # goal rate at the end
    seconds: float

    def told(self) -> str:
        """Return the cells of a table."""
        marks = ("never" if np.isinf(frames) else f"{frames / 1e6:.2f}M" for frames in (self.half, self.eight))
        return " | ".join((*marks, f"{self.total:.2f}", f"{self.rate:.2f}", f"{self.seconds:.0f}"))


def recent(episodes: Floats, values: Floats) -> Floats:
    """Return the mean of `values`, summed over each rollout's episodes, over the last `EPISODES` or more, ``[K]``."""
    counted, summed = np.append(0, np.cumsum(episodes)), np.append(0, np.cumsum(values))
    first = np.maximum(np.searchsorted(counted, counted[1:] - EPISODES, side="right") - 1, 0)
    return (summed[1:] - summed[first]) / np.maximum(counted[1:] - counted[first], 1)


def learned(game: GridWorld, arm: str, shown: Demonstrations, frames: int, seed: int) -> Result:
    """Train one arm."""
    started, config = time.perf_counter(), ARMS[arm]
    plain = isinstance(config, mappo.Config)
    watched = Watched(None if plain else guided.guidance(game, shown, config, seed))
    learner = config if plain else config.learner
    curve = mappo.train(game, learner, frames, seed, shaping=watched).curve
    rate = recent(curve.episodes, np.array(watched.goals))
    total = recent(curve.episodes, np.nan_to_num(curve.total.mean(axis=1)) * curve.episodes)
    half, eight = (first_frames(curve.frames, good) for good in (rate >= 0.5, total > 8))
    return Result(half, eight, total[-1], rate[-1], time.perf_counter() - started)


def first_frames(frames: Floats, good: Floats) -> float:
    """Return the frames at which `good` holds first."""
    return float(frames[good.argmax()]) if good.any() else np.inf


def cloned(game: GridWorld, shown: Demonstrations, seed: int) -> Result:
    """Clone demonstrations and play."""
    started = time.perf_counter()
    played = play(game, behaviour_cloning.train(game, shown, seed=seed), range(EPISODES))
    rate = (played.terminated & (played.reward[..., 0] > 0)).any(axis=0).mean()
    return Result(np.inf, np.inf, played.total.mean(), rate, time.perf_counter() - started)


def main(
    task: str = "lava_2",
    arms: tuple[str, ...] = ("pegmarl", "mappo"),
    seeds: tuple[int, ...] = (0, 1, 2),
    frames: int = 2_500_000,
    quality: tuple[float, ...] = (),
    episodes: int = 200,
) -> None:
    """Print one line a run, and one an arm."""
    torch.set_num_threads(1)
    game = TASKS[task]
    shown = demonstrations.collect(game, quality or 1.0, episodes)
    print(f"{task}: {shown.steps.tolist()} demonstrated steps, mean return {shown.mean_return.round(2).tolist()}")
    print("| arm | seed | frames | goal rate .5 | return 8 | return | goal rate | seconds |\n|" + "---|" * 8)
    for arm in arms:
        results = list[Result]()
        for seed in seeds:
            clones = arm == "cloning"
            results.append(cloned(game, shown, seed) if clones else learned(game, arm, shown, frames, seed))
            print(f"| {arm} | {seed} | {frames / 1e6:g}M | {results[-1].told()} |", flush=True)
        found = estimate([result.total for result in results])
        print(f"| {arm} | all | {frames / 1e6:g}M | | | {found.mean:.2f} [{found.low:.2f}, {found.high:.2f}] | | |")


if __name__ == "__main__":
    tyro.cli(main)
