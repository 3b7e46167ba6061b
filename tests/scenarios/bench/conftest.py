"""A suite that runs in a second: a market of three steps, a learner of one rollout, and rules."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from walras.scenarios.bench.plan import Cell, Plan, plan
from walras.scenarios.bench.suite import Evaluation, Recipe, Suite

MARKET = Recipe("electricity.cournot_market", {"horizon": 3})
TINY = Evaluation(checkpoints=2, samples=2, frames=256, samples_on_the_way=2, frames_on_the_way=256)
PPO: dict[str, Any] = {"num_envs": 4, "rollout_steps": 8, "epochs": 1, "minibatches": 1, "hidden": [4]}
SUITE = Suite(
    name="tiny",
    games={"market": MARKET},
    methods={
        "MAPPO": Recipe("MAPPO", PPO),
        "solved": Recipe("solved"),
        "random": Recipe("random"),
    },
    steps=64,
    seeds=4,
    block=2,
    evaluation=TINY,
)

LEARNER = '''
"""A learner in a user's own file: it plays one constant action, and can be told to go wrong."""

import os
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from walras.core.learner import Curve


@dataclass(frozen=True)
class Settled:
    learner: "Settles"
    game: object
    steps: int
    level: float

    @property
    def curve(self):
        return Curve(np.zeros(0, int), np.zeros(0, int), np.zeros((0, len(self.game.agents))))

    @property
    def diagnostics(self):
        return {}

    def act(self, observation, rng):
        return np.full((*observation.shape[:2], 1), self.level)

    def save(self, path):
        Path(path).write_bytes(pickle.dumps((self.steps, self.level)))


@dataclass(frozen=True)
class Settles:
    steps: int = 10
    checkpoints: int = 2
    fails: str = ""

    def check(self, game):
        if len(game.agents) > 5:
            raise TypeError(f"`game` must have at most 5 agents; got {len(game.agents)}.")

    def learn(self, game, seed, start=None):
        done = start.steps if start else 0
        for k in range(1, self.checkpoints + 1):
            mark = self.steps * k // self.checkpoints
            if mark > done:
                if self.fails == "dies" and seed == 1:
                    os._exit(9)
                if self.fails == "raises" and seed == 1 and mark == self.steps:
                    raise FloatingPointError("The loss is NaN.")
                level = np.nan if self.fails == "nan" and seed == 1 else 10.0 + seed
                yield Settled(self, game, mark, level)

    def load(self, path, game):
        return Settled(self, game, *pickle.loads(Path(path).read_bytes()))
'''


@pytest.fixture
def learner_file(tmp_path: Path) -> Path:
    """A user's file with the learner `Settles`."""
    path = tmp_path / "own" / "settles.py"
    path.parent.mkdir()
    path.write_text(LEARNER)
    return path


@pytest.fixture
def settling(learner_file: Path) -> Callable[..., Plan]:
    """Return plans of suites with the user's learner, with arguments; and with random play."""

    def planned(seeds: int = 4, block: int = 2, **arguments: object) -> Plan:
        methods = {"own": Recipe(f"{learner_file}:Settles", arguments), "random": Recipe("random")}
        return plan(replace(SUITE, methods=methods, seeds=seeds, block=block))

    return planned


@pytest.fixture(scope="session")
def tiny() -> Plan:
    """The plan of the suite."""
    return plan(SUITE)


def cell_of(planned: Plan, method: str, first: int = 0) -> Cell:
    """Return the cell of a method that begins with a seed."""
    return next(cell for cell in planned.cells if cell.method == method and cell.seeds[0] == first)
