"""Claims about learning from personal demonstrations: the tables of docs/agents/imitation/pegmarl.md.

Run: ``python benchmarks/pegmarl.py CLAIM``, where a claim is one of

| claim | what is compared |
|---|---|
| `optimum` | PegMARL with the joint optimum, on all maps |
| `rivals` | PegMARL, MAPPO and imitation, on the lava map of two agents and door b |
| `ablation` | no demonstrations, one discriminator, two; bonuses added to the reward or mixed into it |
| `pace` | how fast the discriminators learn: as in the paper's code, with its rate raised, and as here |
| `poor` | PegMARL from demonstrations of less than optimal agents |
| `longer` | PegMARL at the doors, with twice the steps |
| `joint` | PegMARL from what agents of one team, or of two teams, did together |

Every trial is run once a seed. Its result is kept in `folder`, and what is found there, of the same settings, is not
run again, so that hours can be spent in pieces. Steps of a result are those after which the mean return of the last
200 episodes or a few more exceeded 95 % of the joint optimum; its return is that of the learned policy, which draws its
actions, over 1,000 episodes. A line of the table is a trial: runs that got to 95 %, the median of steps, and
interquartile means over seeds with 95 % bootstrap intervals. Settings were found on seeds 0 to 12; the default ones are
others.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias, final

import numpy as np
import torch
import tyro
from torch import Tensor
from torch.nn.functional import softplus

from walras.agents import demonstrations, pegmarl
from walras.agents.imitation.behaviour_cloning import BehaviourCloning
from walras.agents.imitation.demonstration_formats import episodes
from walras.agents.imitation.demonstrations import Demonstrations
from walras.agents.imitation.discriminators import Settings, Sight, behaviour, transition
from walras.agents.imitation.dm2 import DM2
from walras.agents.imitation.guided import AbstractGuided
from walras.agents.imitation.magail import MAGAIL
from walras.agents.imitation.pegmarl import PegMARL
from walras.agents.imitation.pofd import POfD
from walras.agents.ppo.mappo import MAPPO
from walras.core import Curve, Learner, fingerprint, train
from walras.core.typing import Floats
from walras.envs import GridWorld
from walras.equilibria import gap, solve
from walras.scenarios.engine.statistics import Estimate, estimate


class Task(NamedTuple):
    """A game, steps to learn it, and demonstrations that are about half as good as the best."""

    game: GridWorld
    steps: int
    quality: tuple[float, float] | float
    episodes: int


TASKS = {
    "lava_2": Task(GridWorld.lava(2), 1_500_000, 0.7, 20),
    "lava_3": Task(GridWorld.lava(3), 1_500_000, 0.7, 20),
    "lava_4": Task(GridWorld.lava(4), 2_000_000, 0.7, 20),
    "door_a": Task(GridWorld.door("a"), 1_500_000, 0.14, 10),
    "door_b": Task(GridWorld.door("b"), 4_000_000, (0.25, 0.05), 10),
}


@final
@dataclass(frozen=True, kw_only=True)
class Added(AbstractGuided):
    """One discriminator, whose bonus is added to the reward: `pegmarl` without the second."""

    sights: ClassVar[tuple[Sight, ...]] = (behaviour,)

    eta: float = 0.02

    def reshaped(self, reward: Tensor, *logits: Tensor) -> Tensor:
        """Return the reward to learn from."""
        (acts,) = logits
        return reward + self.eta * softplus(acts)


@final
@dataclass(frozen=True, kw_only=True)
class Mixed(AbstractGuided):
    """Two discriminators, whose bonus takes its share from the reward: `pofd` with a second."""

    sights: ClassVar[tuple[Sight, ...]] = (behaviour, transition)

    eta: float = 0.02

    def reshaped(self, reward: Tensor, *logits: Tensor) -> Tensor:
        """Return the reward to learn from."""
        acts, leads = logits
        return (1 - self.eta) * reward + self.eta * torch.sigmoid(leads) * softplus(acts)


Makes: TypeAlias = Callable[[Demonstrations, int], Learner]


def guided(kind: type[AbstractGuided], **discriminator: Any) -> Makes:  # noqa: ANN401 - settings of discriminators
    """Return what makes a guided learner, of demonstrations and a budget."""
    return lambda shown, steps: kind(shown, steps=steps, discriminator=Settings(**discriminator))


METHODS: Mapping[str, Makes] = {
    "pegmarl": guided(PegMARL),
    "two, mixed": guided(Mixed),
    "one, added": guided(Added),
    "pofd": guided(POfD),
    "dm2": guided(DM2),
    "magail": guided(MAGAIL),
    "slow": guided(PegMARL, learning_rate=1e-4, updates=2),
    "two updates": guided(PegMARL, updates=2),
    "mappo": lambda _, steps: MAPPO.of_paper(steps=steps),
    "cloning": lambda shown, _: BehaviourCloning(shown),
}
PARTS = ("one, added", "pegmarl", "pofd", "two, mixed")
"""One discriminator and two, added to the reward and mixed into it."""


class Trial(NamedTuple):
    """What is run once a seed."""

    task: str
    method: str
    shown: Literal["optimal", "poor", "one team", "two teams"] = "optimal"
    budgets: int = 1  # times the steps of the task


LAVA = "lava_2"
CLAIMS: Mapping[str, Sequence[Trial]] = {
    "optimum": [Trial(task, "pegmarl") for task in TASKS],
    "rivals": [
        *(Trial(LAVA, method) for method in ("pegmarl", "mappo", "pofd", "dm2", "magail", "cloning")),
        *(Trial("door_b", method) for method in ("pegmarl", "mappo", "cloning")),
    ],
    "ablation": [Trial(task, method) for task in (LAVA, "door_b") for method in ("mappo", *PARTS)],
    "pace": [Trial(LAVA, method) for method in ("slow", "two updates", "pegmarl")],
    "poor": [Trial(task, "pegmarl", "poor") for task in TASKS],
    "longer": [
        Trial("door_a", "pegmarl", budgets=2),
        *(Trial(task, "pegmarl", "poor", budgets=2) for task in ("door_a", "door_b")),
    ],
    "joint": [Trial(LAVA, "pegmarl", "one team"), Trial(LAVA, "pegmarl", "two teams")],
}
SEEDS = tuple(range(20, 30))
EPISODES = 200
EVALUATION = range(1000)


@dataclass(frozen=True)
class Result:
    """One run."""

    worth: float  # mean return of the demonstrations
    reached: float  # steps until the return exceeds 95 % of the optimum; infinite if never
    total: float  # return at the end
    seconds: float


def run(trial: Trial, seed: int, folder: Path) -> Result:
    """Learn, and judge what was learned."""
    torch.set_num_threads(1)
    game, shown = TASKS[trial.task].game, demonstrated(trial, seed, folder)
    started = time.perf_counter()
    learner = METHODS[trial.method](shown, trial.budgets * TASKS[trial.task].steps)
    trained = train(learner, game, seed)
    seconds = time.perf_counter() - started
    total = float(gap(game, trained, EVALUATION).reward.mean())
    return Result(float(shown.mean_return.mean()), reached(trial.task, trained.curve), total, seconds)


def reached(task: str, curve: Curve) -> float:
    """Return the steps after which the mean return exceeds 95 % of the optimum; infinite if it never does."""
    good = recent(curve) > 0.95 * optimum(task)
    return float(curve.steps[good.argmax()]) if good.any() else np.inf


def recent(curve: Curve) -> Floats:
    """Return the mean return of the last `EPISODES` episodes or a few more, after each rollout."""
    counted = np.append(0, np.cumsum(curve.episodes))
    summed = np.append(0, np.cumsum(np.nan_to_num(curve.total.mean(axis=1)) * curve.episodes))
    first = np.maximum(np.searchsorted(counted, counted[1:] - EPISODES, side="right") - 1, 0)
    return (summed[1:] - summed[first]) / np.maximum(counted[1:] - counted[first], 1)


@cache
def optimum(task: str) -> float:
    """Return the joint optimum."""
    return float(solve(TASKS[task].game).value[0])


def demonstrated(trial: Trial, seed: int, folder: Path) -> Demonstrations:
    """Return what is shown."""
    game, _, quality, count = TASKS[trial.task]
    match trial.shown:
        case "optimal":
            return demonstrations.collect(game, seed=seed)
        case "poor":
            return demonstrations.collect(game, quality, count, seed)
        case "one team":
            return team(trial.task, teams(seed)[0], folder)
        case "two teams":
            return demonstrations.combine([team(trial.task, each, folder) for each in teams(seed)])


def teams(seed: int) -> tuple[int, int]:
    """Return the seeds of two teams, others for each seed of a trial."""
    return 1000 + 2 * seed, 1001 + 2 * seed


def team(task: str, seed: int, folder: Path) -> Demonstrations:
    """Return what a team does together that PegMARL trained for half of the steps; it is kept in `folder`."""
    path = folder / f"{task}-team-{seed}.parquet"
    if not path.is_file():
        game, steps, *_ = TASKS[task]
        trained = pegmarl.train(game, demonstrations.collect(game, seed=seed), seed, steps=steps // 2)
        demonstrations.record(game, trained, seed=seed).save(path)
    return demonstrations.load(path)


def settings(trial: Trial) -> str:
    """Return the fingerprint of all that a trial's result depends on, but for its seed."""
    game, steps, *task = TASKS[trial.task]
    return fingerprint((game, steps, task, METHODS[trial.method](shown_at_all(trial.task), steps)))[:12]


@cache
def shown_at_all(task: str) -> Demonstrations:
    """Return a demonstration, which stands for those of each seed."""
    return demonstrations.collect(TASKS[task].game, episodes=1)


def finished(folder: Path) -> dict[tuple[Trial, int], Result]:
    """Return the results that are kept, but for those of other settings."""
    path = folder / "results.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    kept = [(Trial(*line["trial"]), line) for line in lines]
    return {
        (trial, line["seed"]): Result(**line["result"]) for trial, line in kept if line["settings"] == settings(trial)
    }


def finish(trials: Sequence[Trial], seeds: Sequence[int], folder: Path, workers: int) -> None:
    """Run what was not run before, all trials of a seed before the next seed's."""
    folder.mkdir(parents=True, exist_ok=True)
    done = finished(folder)
    left = [(trial, seed) for seed, trial in product(seeds, trials) if (trial, seed) not in done]
    needed = {(trial.task, each) for trial, seed in left if "team" in trial.shown for each in teams(seed)}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for trained in [pool.submit(team, *each, folder) for each in sorted(needed)]:
            trained.result()  # before two trials train the same team
        running = {pool.submit(run, trial, seed, folder): (trial, seed) for trial, seed in left}
        for future in as_completed(running):
            trial, seed = running[future]
            line = {"trial": trial, "settings": settings(trial), "seed": seed, "result": asdict(future.result())}
            with (folder / "results.jsonl").open("a") as file:
                print(json.dumps(line), file=file)


def told(trial: Trial, results: Sequence[Result]) -> str:
    """Return the line of a trial."""
    best, reached = optimum(trial.task), np.array([result.reached for result in results])
    total = [result.total for result in results]
    cells = (
        f"`{trial.task}`, {best:.2f}",
        trial.method,
        f"{trial.shown}, {np.mean([result.worth for result in results]):.2f}",
        f"{np.isfinite(reached).sum()} of {len(results)}",
        millions(float(np.median(reached))),
        cell(estimate(total), 2),
        cell(estimate(100 * np.array(total) / best), 1),
        f"{np.median([result.seconds for result in results]):.0f}",
    )
    return f"| {' | '.join(cells)} |"


def millions(steps: float) -> str:
    """Return steps as text."""
    return f"{steps / 1e6:.2f}M" if np.isfinite(steps) else "never"


def cell(found: Estimate, digits: int) -> str:
    """Return an estimate as text."""
    mean, low, high = (f"{value:.{digits}f}" for value in (found.mean, found.low, found.high))
    return f"{mean} [{low}, {high}]"


def clash(shown: Demonstrations) -> float:
    """Return the share of pairs of what two agents showed, one each, in which they meet or change places."""
    pairs = product(episodes(shown, 0), episodes(shown, 1))
    return float(np.mean([meets(mine.state, yours.state) for mine, yours in pairs]))


def meets(mine: Floats, yours: Floats) -> bool:
    """Return whether two agents on these paths meet or change places while both are on their way."""
    steps = min(len(mine), len(yours))
    mine, yours = mine[:steps], yours[:steps]
    swaps = (mine[1:] == yours[:-1]).all(axis=1) & (mine[:-1] == yours[1:]).all(axis=1)
    return bool((mine == yours).all(axis=1).any() or swaps.any())


def clashes(trial: Trial, seed: int, result: Result, folder: Path) -> str:
    """Return the line of a run from joint demonstrations."""
    share = clash(demonstrated(trial, seed, folder))
    return f"| {trial.shown} | {seed} | {100 * share:.0f} % | {millions(result.reached)} | {result.total:.2f} |"


HEAD = "| task, optimum | method | shown, worth | reached 95 % | after steps | return | % of the optimum | seconds |"


def main(
    claim: Literal["optimum", "rivals", "ablation", "pace", "poor", "longer", "joint"],
    /,
    seeds: tuple[int, ...] = SEEDS,
    task: Literal["lava_2", "lava_3", "lava_4", "door_a", "door_b"] | None = None,
    folder: Path = Path("runs/pegmarl"),
    workers: int = 2,
) -> None:
    """Run what is not found in `folder` and print the table of a claim, or its lines of one task."""
    trials = [trial for trial in CLAIMS[claim] if task in (None, trial.task)]
    finish(trials, seeds, folder, workers)
    done = finished(folder)
    print(f"{HEAD}\n|{'---|' * 8}")
    for trial in trials:
        print(told(trial, [done[trial, seed] for seed in seeds]))
    if claim == "joint":
        print("\n| shown | seed | pairs of paths that collide | after steps | return |\n|---|---|---|---|---|")
        for trial, seed in product(trials, seeds):
            print(clashes(trial, seed, done[trial, seed], folder))


if __name__ == "__main__":
    tyro.cli(main)
