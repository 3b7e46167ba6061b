"""Following CONTRIBUTING.md to the letter, in a scratch copy: own files, one line each, and all is green."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

IGNORED = shutil.ignore_patterns(
    ".git", ".*_cache", ".hypothesis", "__pycache__", "*.egg-info", "build", "dist", "runs", "site"
)
ROW = re.compile(r"^\| (?:`(\S+\.py)`)? ?\| (.*?) ?\| `(.*?)` in `(\w+)`(?: of `(\S+)`)? \|$", re.MULTILINE)
LEARNER = '''"""Cross-entropy search: what registration asks of a learner, and nothing learned."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

from walras.core.game import AbstractGame
from walras.core.learner import Trained


@final
@dataclass(frozen=True)
class CrossEntropy:
    """Settings of cross-entropy search."""

    steps: int = 1_000
    checkpoints: int = 1

    def check(self, game: AbstractGame[Any]) -> None:
        """Take any game."""

    def learn(self, game: AbstractGame[Any], seed: int, start: Trained | None = None) -> Iterator[Trained]:
        """Learn nothing yet."""
        return iter(())

    def load(self, path: object, game: AbstractGame[Any]) -> Trained:
        """Load nothing yet."""
        raise FileNotFoundError(path)


def train(game: AbstractGame[Any], seed: int = 0, *, start: Trained | None = None, **settings: Any) -> Trained:
    """Train."""
    return list(CrossEntropy(**settings).learn(game, seed, start))[-1]
'''
MECHANISM = '''"""Serial dictatorship: agents take what they demand, one after the other."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


@final
@dataclass(frozen=True)
class Serial:
    """Agents take what they demand in the order of their index."""

    def __call__(self, values: Tensor, demands: Tensor, budgets: Tensor, weights: Tensor | None = None) -> Tensor:
        before = demands.cumsum(dim=1) - demands
        return torch.minimum(demands, (budgets[:, None] - before).clamp(min=0))
'''
CHECKED = (
    "tests/envs/test_contract.py",
    "tests/test_registries.py",
    "tests/test_packaging.py",
    "tests/test_docs.py",
    "tests/scenarios/engine/test_catalogue.py",
)
CHOSEN = (
    "price_market or on_disk or registering or test_registries or packages or mapped or typed or absolute or longer or "
    "page or tables or nav or catalogue_is or (docstring and (cross_entropy or serial or my_market))"
)


@pytest.fixture(scope="module")
def scratch(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout with one thing more of each kind, made as CONTRIBUTING.md says."""
    copy = tmp_path_factory.mktemp("scratch") / "walras"
    shutil.copytree(root, copy, symlinks=True, ignore=IGNORED)
    add_the_documented_game(copy)
    (copy / "agents/cross_entropy.py").write_text(LEARNER)
    (copy / "mechanisms/serial.py").write_text(MECHANISM)
    (copy / "scenarios/electricity/my_market.py").write_text(
        blocks(copy / "docs/scenarios/your_own.md")["my_market.py"]
    )
    add_line(copy / "agents/registration.py", "LEARNERS", '"CrossEntropy": "cross_entropy",')
    add_line(copy / "mechanisms/registration.py", "MECHANISMS", '"Serial": "serial",')
    add_line(copy / "scenarios/engine/catalogue.py", "SCENARIOS", '"my_market": "electricity.my_market:MyMarket",')
    done = run(copy, sys.executable, ".ci/generate.py")
    assert done.returncode == 0, done.stderr
    return copy


def blocks(page: Path) -> dict[str, str]:
    """The code of a page that has a title, by title."""
    return dict(re.findall(r'^```python title="([^"]+)"\n(.*?)^```$', page.read_text(), re.DOTALL | re.MULTILINE))


def add_the_documented_game(copy: Path) -> None:
    """Write the files and the lines that the table of `docs/envs/your_own_game.md` lists."""
    page = copy / "docs/envs/your_own_game.md"
    code = iter(blocks(page).values())
    rows = ROW.findall(page.read_text())
    assert len(rows) == 3
    registry = ""
    for file, what, line, name, of in rows:
        registry = of or registry
        if file:
            added = re.search(r"`(from [^`]*)`", what)
            text = next(code)
            marker = "\nfrom walras.equilibria"
            text = text.replace(marker, f"\n{added[1]}{marker}", 1) if added else text
            (copy / file).write_text(text)
        add_line(copy / registry, name, line)


def add_line(registry: Path, name: str, line: str) -> None:
    """Add one line to a registry."""
    opened = re.compile(rf"^{name}(: \S.*)? = \{{$", re.MULTILINE)
    text, count = opened.subn(lambda found: f"{found[0]}\n    {line}", registry.read_text())
    assert count == 1
    registry.write_text(text)


def run(copy: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"PYTHONPATH": str(copy / ".types")}
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False, timeout=600)


def test_the_copy_is_what_is_imported(scratch: Path) -> None:
    names = "core", "envs.electricity.price_market", "agents.cross_entropy"
    code = f"import importlib\nfor name in {names}: print(importlib.import_module('walras.' + name).__file__)"
    done = run(scratch, sys.executable, "-c", code)
    assert [Path(line).resolve().is_relative_to(scratch.resolve()) for line in done.stdout.split()] == [True] * 3


def test_the_tests_of_what_was_added_are_green(scratch: Path) -> None:
    done = run(scratch, sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", *CHECKED, "-k", CHOSEN)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 80  # pyright: ignore[reportOptionalSubscript]


@pytest.mark.parametrize(
    "code",
    [
        "from walras.agents import CrossEntropy, cross_entropy; assert cross_entropy.CrossEntropy is CrossEntropy",
        "from walras.mechanisms import Serial; from walras.mechanisms import MECHANISMS",
        "from walras.scenarios import Source; assert Source('my_market').load().advantage == 20.0",
        "from walras.envs import PriceMarket as M; from walras.equilibria import solve; assert solve(M()).converged",
    ],
)
def test_what_was_added_is_found_by_its_name(scratch: Path, code: str) -> None:
    done = run(scratch, sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr[-2000:]


def test_what_was_added_stands_in_tables_and_stubs(scratch: Path) -> None:
    readme = (scratch / "README.md").read_text()
    for name in ("`PriceMarket`", "`CrossEntropy`", "`Serial`", "`walras run my_market`"):
        assert f"| {name} |" in readme
    assert "from walras.envs.electricity.price_market import PriceMarket" in (scratch / "envs/__init__.pyi").read_text()


def test_a_thing_without_its_line_is_noticed(scratch: Path, root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "walras"
    shutil.copytree(scratch, copy, symlinks=True, ignore=IGNORED)
    shutil.copy(root / "envs/registration.py", copy / "envs/registration.py")
    done = run(copy, sys.executable, "-m", "pytest", "-q", "-n0", "tests/envs/test_contract.py", "-k", "on_disk")
    assert done.returncode == 1
    assert "PriceMarket" in done.stdout


def test_the_documented_game_meets_the_style(scratch: Path) -> None:
    files = ["envs/electricity/price_market.py", "equilibria/electricity/price_market.py"]
    done = run(scratch, sys.executable, "-m", "ruff", "check", *files)
    assert done.returncode == 0, done.stdout
