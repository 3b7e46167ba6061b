"""Runs whose processes are killed while files are half written, again and again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from walras.scenarios import Source
from walras.scenarios.engine.files import digest
from walras.scenarios.engine.runner import run

SCENARIO = '''
"""A learner whose offer is a chain of digests: a step that is lost, doubled or mixed shows in all later ones."""

import json
import time
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from walras.core import Constant, Curve, Scripted
from walras.core.learner import marks
from walras.envs import CournotMarket
from walras.scenarios import AbstractScenario


@dataclass(frozen=True)
class Chain:
    steps: int = 12
    checkpoints: int = 12

    def check(self, game): pass
    def learn(self, game, seed, start=None):
        link = start.link if start else str(seed)
        for mark in marks(self.steps, self.checkpoints, start.steps if start else 0):
            link = sha256(link.encode()).hexdigest()
            yield Chained(self, game, mark, link)
    def load(self, path, game):
        return Chained(self, game, *json.loads(path.read_text())[:2])


@dataclass(frozen=True)
class Chained:
    learner: Chain
    game: CournotMarket
    steps: int
    link: str

    curve = Curve(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 2)))
    diagnostics = {}

    def act(self, observation, rng):
        return Constant(np.full((2, 1), int(self.link[:6], 16) / 16**6)).act(observation, rng)
    def save(self, path):
        with path.open("w") as file:
            text = json.dumps([self.steps, self.link, "x" * 4000])
            for k in range(0, len(text), 400):
                file.write(text[k : k + 400])
                file.flush()
                time.sleep(0.002)


@dataclass(frozen=True)
class Chains(AbstractScenario):
    """Chains."""

    seeds: int = 2

    def game(self): return CournotMarket(cost=(10.0, 12.0), cost_slope=1.0, horizon=2)
    def methods(self): return {"learned": Chain(), "scripted": Scripted(self.game())}
    def charts(self): return {}
'''


def read_all(root: Path) -> None:
    """Read each file that has its final name; half of one would not be read."""
    for path in root.rglob("*"):
        if path.name.startswith(".") or path.is_dir() or path.suffix == ".html":
            continue
        if path.suffix == ".parquet":
            assert len(pd.read_parquet(path))
        else:
            json.loads(path.read_text())


def halves(root: Path) -> set[str]:
    return {str(path) for path in root.rglob(".*.part")}


def killed_at(kth: int, file: Path, root: Path, workers: int) -> bool:
    """Start the run, and kill all its processes while it writes the k-th file of its cells; return whether it hit."""
    command = [sys.executable, "-m", "walras.scenarios.cli", "run", str(file), "--root", str(root)]
    process = subprocess.Popen(
        [*command, "--workers", str(workers), "--json"], start_new_session=True, stdout=subprocess.DEVNULL
    )
    old, seen = halves(root), set[str]()
    while process.poll() is None and len(seen) < kth:
        seen |= {half for half in halves(root) - old if "cells" in half}
        time.sleep(0.0002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return len(seen) == kth


def attack(tmp_path: Path, kills: int, workers: int) -> int:
    """Kill a run, then finish it: nothing is lost, doubled or half read. Return how many kills left half a file."""
    file, root = tmp_path / "chains.py", tmp_path / "killed"
    file.write_text(SCENARIO)
    hit = 0
    for attempt in range(kills):
        assert killed_at(1 + attempt % 2, file, root, workers), "the run ended before it was killed"
        hit += bool(halves(root))
        read_all(root)
    folder = run(Source(str(file)), root, workers=1, progress=False)
    right = run(Source(str(file)), tmp_path / "right", workers=1, progress=False)
    assert halves(root) == set()
    for name in ("manifest.json", "summary.json", "steps.parquet"):
        assert digest(folder / name) == digest(right / name)
    names = [sorted(str(path.relative_to(one)) for path in one.rglob("*")) for one in (folder, right)]
    assert names[0] == names[1]
    return hit


def test_kills_at_half_written_files_lose_and_double_nothing(tmp_path: Path) -> None:
    assert attack(tmp_path, kills=3, workers=1) >= 1


@pytest.mark.slow
def test_twenty_kills_at_half_written_files_lose_and_double_nothing(tmp_path: Path) -> None:
    assert attack(tmp_path, kills=20, workers=2) >= 10
