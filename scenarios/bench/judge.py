"""A cell's work: train each seed, judge it by the certified gap, and play it against others; one long table.

| column | meaning |
|---|---|
| `seed` | of the training, and of the episodes in which it is judged |
| `steps` | environment steps so far |
| `measure` | see below |
| `agent` | of the game; of agents that play as one, such as a team, the first; empty where the number is of all |
| `against` | who plays the other agents, where it is not the method itself |
| `episode` | -1 where the number is of all episodes |
| `value` | the number |

| measure | meaning |
|---|---|
| `lower`, `upper` | both ends of the gap, an episode, in the game's unit |
| `attained` | what the deviation that was found gains |
| `expected` | expected return of an episode |
| `scale` | what is at stake in the game: a gap by it is relative |
| `return` | of one episode |
| `mean_return` | of all episodes, against others |
| `regret` | what the best answers in hindsight would have gained, an episode; stage games alone |
| `gini` | of the returns of an episode, where none is negative |

Games add measures of their own (`walras.scenarios.bench.registration.MEASURES`).

**Others.** Each agent alone plays among agents of the next seed of the cell, which learned by the same method, among
the references, and among the suite's `opponents`, learners that were trained apart: nobody learned with them.
"""

import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import pandas as pd
import torch

from walras.core.game import AbstractGame, Actions
from walras.core.lazy import load
from walras.core.learner import Learner, Trained, train
from walras.core.policy import Policy, Timed
from walras.core.rollout import rollout
from walras.core.typing import Bools, Floats
from walras.equilibria.audit import inside
from walras.equilibria.certificate import Budget, Gap
from walras.equilibria.gap import gap, hindsight_regret, stage_of
from walras.scenarios.bench.plan import Cell, budgeted
from walras.scenarios.bench.references import concept_of
from walras.scenarios.bench.registration import measures_of, methods, references
from walras.scenarios.engine.manifest import Watched, check_unchanged
from walras.scenarios.engine.training import Point, advanced, points_in

APART = 1_000_000
"""Added to a seed, it is that of opponents: no suite trains so many."""
ENDS = {"lower": "lower", "upper": "upper", "attained": "estimate", "expected": "value"}
"""Measures, and the parts of a gap that they are."""


class Told(NamedTuple):
    """One number of one policy."""

    measure: str
    value: float
    agent: str = ""
    against: str = ""
    episode: int = -1


@final
@dataclass(eq=False)
class Judged:
    """What a cell found, seed by seed."""

    rows: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])
    """Seed, steps and what is told."""
    certificates: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """What each seed's gap is worth."""
    seconds: dict[str, float] = field(default_factory=lambda: {"train": 0.0, "judge": 0.0})
    """CPU seconds."""

    @property
    def table(self) -> pd.DataFrame:
        """One row a number."""
        return pd.DataFrame(self.rows, columns=["seed", "steps", *Told._fields])


def judge(cell: Cell, folder: Path, files: Watched | None = None) -> Judged:
    """Train and judge a cell; go on from what is in `folder`.

    Parameters
    ----------
    cell : Cell
        The method, the game and the seeds.
    folder : Path
        Where checkpoints are kept.
    files : mapping, optional
        Files that must not be written meanwhile: no checkpoint is kept of what was trained by others.

    Raises
    ------
    ValueError
        If one of `files` was written.
    Exception
        Whatever the game or the learner raises, with the seed, and the steps that it came to or whom it played.
    """
    with one_thread():
        return _Judge(cell, cell.make_game(), folder, files or {}).done()


@contextmanager
def one_thread() -> Generator[None]:
    """Let numpy and torch add in one order: one thread each."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with load("threadpoolctl:threadpool_limits")(1):
            yield
    finally:
        torch.set_num_threads(before)


@final
@dataclass(frozen=True, eq=False)
class _Judge:
    """A cell's work, and what was found so far."""

    cell: Cell
    game: AbstractGame[Any]
    folder: Path
    files: Watched
    judged: Judged = field(default_factory=Judged)

    def done(self) -> Judged:
        """Judge each seed, then play its policies against others."""
        found = {seed: self.seed(seed) for seed in self.cell.seeds}
        if self.cell.role == "learner":
            with self.timed("judge"):
                self.against_others(found)
        return self.judged

    def seed(self, seed: int) -> "Found":
        """Train a seed and judge it."""
        try:
            method = self.cell.make_method(self.game)
            policy, points = self.trained(method, seed) if isinstance(method, Learner) else (method, [{"steps": 0}])
            with self.timed("judge"):
                return self.judged_at_last(policy, seed, points)
        except Exception as error:
            last = max((point["steps"] for point in points_in(self.folder / str(seed))), default=0)
            where = f"{self.cell.method} in {self.cell.game}"
            error.add_note(f"{where}, seed {seed}, after the checkpoint at step {last} of {self.cell.steps}")
            raise

    def trained(self, learner: Learner, seed: int) -> tuple[Trained, list[Point]]:
        """Advance to the end of the budget, and judge each checkpoint but the last, which is judged at full cost."""
        evaluation = self.cell.evaluation
        budget = Budget(samples=evaluation.samples_on_the_way, episodes=512, frames=evaluation.frames_on_the_way)

        def point(trained: Trained) -> Point:
            with self.timed("judge", but="train"):
                told = [] if trained.steps >= learner.steps else list(ends(self.gap(trained, seed, budget)))
            check_unchanged(self.files)
            return {"steps": trained.steps, "told": told}

        with self.timed("train"):
            return advanced(learner, self.game, seed, self.folder / str(seed), point)

    def gap(self, policy: Policy, seed: int, budget: Budget) -> Gap:
        """Return the certified gap of a policy."""
        return gap(self.game, policy, concept=concept_of(self.game), seeds=self.episodes(seed), budget=budget)

    def episodes(self, seed: int) -> range:
        """Return the episodes in which a seed is judged: the same for all methods."""
        return range(seed * self.cell.evaluation.episodes, (seed + 1) * self.cell.evaluation.episodes)

    def judged_at_last(self, policy: Policy, seed: int, points: Sequence[Point]) -> "Found":
        """Judge what was learned at the end."""
        evaluation, steps = self.cell.evaluation, points[-1]["steps"]
        judged = self.gap(policy, seed, Budget(samples=evaluation.samples, frames=evaluation.frames))
        for point in points[:-1]:
            self.keep(seed, point["steps"], (Told(*told) for told in point["told"]))
        self.keep(seed, steps, ends(judged))
        self.keep(seed, steps, by_player(judged, "scale", judged.scale))
        self.keep(seed, steps, self.played(policy, seed, judged))
        worth = {name: getattr(judged, name) for name in ("unit", "confidence", "certifies", "growing")}
        self.judged.certificates.append(
            {"seed": seed, "kind": str(judged.kind), "concept": str(judged.concept)} | worth
        )
        return Found(policy, judged, steps)

    def played(self, policy: Policy, seed: int, judged: Gap) -> Iterator[Told]:
        """Yield what is measured in the episodes."""
        episodes = rollout(self.game, policy, self.episodes(seed))
        for k, total in enumerate(episodes.total):
            yield from by_player(judged, "return", total, episode=k)
        if stage_of(self.game) is not None:
            regret = hindsight_regret(self.game, policy, self.episodes(seed)).regret
            yield from by_player(judged, "regret", regret)
        mean = episodes.total.mean(axis=0)
        if mean.min() >= 0 and mean.sum() > 0:
            yield Told("gini", gini(mean))
        for name, place in measures_of(self.cell.game_recipe).items():
            yield Told(name, float(load(f"walras.scenarios.{place}")(self.game, episodes)))

    def against_others(self, found: Mapping[int, "Found"]) -> None:
        """Play each player alone among others with whom it did not learn."""
        strangers, seeds = dict(played_apart(self.game)) | dict(self.opponents()), list(found)
        for here, there in zip(seeds, seeds[1:] + seeds[:1], strict=True):
            others = strangers | ({"another seed": found[there].policy} if here != there else {})
            for name, other in others.items():
                try:
                    self.keep(here, found[here].steps, self.alone(found[here], other, name, here))
                except Exception as error:
                    error.add_note(f"{self.cell.method} in {self.cell.game}, seed {here}, each agent among {name}")
                    raise

    def opponents(self) -> Iterator[tuple[str, Policy]]:
        """Yield the suite's opponents that can learn the game, trained by the cell's budget and a seed of their own."""
        for name in self.cell.evaluation.opponents:
            learner = budgeted(methods()[name].made(), self.cell.steps, 1)
            try:
                learner.check(self.game)
            except TypeError:
                continue
            yield f"{name} trained apart", train(learner, self.game, APART + self.cell.seeds[0])

    def alone(self, found: "Found", other: Policy, name: str, seed: int) -> Iterator[Told]:
        """Yield the mean return of each player by the policy that was found, among others by another."""
        players, agents, episodes = players_of(found.gap), self.game.agents, self.episodes(seed)
        own = np.array([[i in player for i in range(len(agents))] for player in players])
        policy = Among(self.game, found.policy, other, own.repeat(len(episodes), axis=0))
        total = rollout(self.game, policy, [*episodes] * len(players)).total
        for player, part in zip(players, np.split(total, len(players)), strict=True):
            yield Told("mean_return", float(part[:, player[0]].mean()), agents[player[0]], name)

    def keep(self, seed: int, steps: int, told: Iterable[Told]) -> None:
        """Add rows."""
        self.judged.rows.extend((seed, steps, *each) for each in told)

    @contextmanager
    def timed(self, part: str, but: str = "") -> Generator[None]:
        """Count the CPU seconds of what is done within for one part, and not for the part that it is within."""
        began = time.process_time()
        try:
            yield
        finally:
            spent = time.process_time() - began
            self.judged.seconds[part] += spent
            if but:
                self.judged.seconds[but] -= spent


@final
@dataclass(frozen=True, eq=False)
class Among:
    """One policy for some agents of each row, another for the rest; both draw on their own.

    All players of a game so play in one batch, and each policy is asked once a step. What they do is cut to the action
    space: linear feedback knows no limits, and strangers may lead it where it exceeds them.
    """

    game: AbstractGame[Any]
    policy: Policy
    other: Policy
    own: Bools
    """``[B, N]`` who plays by `policy`, a row for each episode."""

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return each agent's action by its row's policy."""
        ours, theirs = (
            policy.act(observation, draws)
            for policy, draws in zip((self.policy, self.other), rng.spawn(2), strict=True)
        )
        return inside(self.game, np.where(self.own.reshape(*self.own.shape, *(1,) * (ours.ndim - 2)), ours, theirs))


class Found(NamedTuple):
    """What a seed came to."""

    policy: Policy
    gap: Gap
    steps: int


def ends(found: Gap) -> Iterator[Told]:
    """Yield the gap by player."""
    for name, part in ENDS.items():
        yield from by_player(found, name, getattr(found, part))


def by_player(found: Gap, measure: str, values: Floats, episode: int = -1) -> Iterator[Told]:
    """Yield ``values [N]`` of a measure, of each player's first agent."""
    for player in players_of(found):
        yield Told(measure, float(values[player[0]]), found.agents[player[0]], episode=episode)


def players_of(found: Gap) -> tuple[tuple[int, ...], ...]:
    """Return the agents that deviate together, each alone by default."""
    return found.players or tuple((i,) for i in range(len(found.agents)))


def gini(values: Floats) -> float:
    """Return the Gini coefficient of ``values [N]`` that are not negative: half the mean difference, by the mean."""
    return float(np.abs(values[:, None] - values).mean() / (2 * values.mean()))


def played_apart(game: AbstractGame[Any]) -> Iterator[tuple[str, Policy]]:
    """Yield the references that a game has and that can be played agent by agent."""
    for name, recipe in references().items():
        try:
            policy = recipe.made(game=game)
        except TypeError:
            continue
        if not isinstance(policy, Timed):
            yield name, policy
