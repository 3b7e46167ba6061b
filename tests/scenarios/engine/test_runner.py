import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

from walras.core import AbstractGame, Constant, Curve, Scripted, rollout
from walras.core.learner import marks
from walras.envs import CournotMarket
from walras.equilibria import gap, solve
from walras.scenarios import Measure, Source
from walras.scenarios.engine import catalogue, cells, files, runner, training
from walras.scenarios.engine.catalogue import find_scenario
from walras.scenarios.engine.files import digest, read_json, write_json
from walras.scenarios.engine.manifest import manifest_of, run_id
from walras.scenarios.engine.modules import load_file
from walras.scenarios.engine.results import load_results
from walras.scenarios.engine.runner import replay, run
from walras.scenarios.engine.statistics import estimate
from walras.scenarios.engine.summary import price_errors

SCENARIO = '''
"""Two firms, one of each kind of method."""

from dataclasses import dataclass
from pathlib import Path

from walras.agents.sb3 import SB3
from walras.core import Random, Scripted
from walras.envs import CournotMarket
from walras.scenarios import AbstractScenario, Method
from walras.scenarios.electricity import measures

QUICK = {"n_steps": 4, "batch_size": 64, "n_epochs": 1, "policy_kwargs": {"net_arch": [8]}}


@dataclass(frozen=True)
class Tiny(AbstractScenario):
    """Two firms."""

    steps: int = 512
    checkpoints: int = 2
    seeds: int = 1
    learner: str = "PPO"
    slope: float = 1.0
    firms: int = 2
    table: Path | None = None

    def game(self): return CournotMarket(slope=self.slope, cost=(10.0, 12.0)[: self.firms], cost_slope=1.0, horizon=4)
    def methods(self):
        learner = SB3(self.learner, steps=self.steps, checkpoints=self.checkpoints, hyperparameters=QUICK)
        scripted = Method(Scripted(self.game()), "marginal cost", "reference")
        return {"learned": learner, "scripted": scripted, "random": Random(self.game())}
    def agent_measures(self): return {"lerner": measures.cournot_lerner}
    def market_measures(self): return {"price": measures.cournot_price}
    def charts(self): return {}
'''
FILES = {"manifest.json", "summary.json", "steps.parquet", "report.html", "cells"}


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "tiny.py").write_text(SCENARIO)
    return Source(str(tmp_path / "tiny.py"))


def tiny(source: Source, **fields: Any) -> Source:  # noqa: ANN401 - any field
    return Source(source.scenario, fields)


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def halves(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob("*") if ".part" in path.name]


def test_a_run_leaves_its_files_and_is_not_run_again(source: Source, tmp_path: Path) -> None:
    folder = run(source, tmp_path / "runs", workers=1, progress=False)
    assert folder == tmp_path / "runs" / "tiny" / run_id(manifest_of(source))
    assert visible(folder) == FILES
    assert halves(folder) == []
    assert visible(folder / "cells") == {"learned-0", "scripted-0", "random-0"}
    assert visible(folder / "cells" / "learned-0") == {
        "curve-0.json", "curve-1.json", "curve-2.json", "checkpoint-2", "result.json", "steps.parquet",
    }  # fmt: skip
    assert read_json(folder / "manifest.json") == manifest_of(source)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != ".lock" and path.is_file()}
    assert run(source, tmp_path / "runs", workers=1, progress=False) == folder
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_the_summary_holds_what_rollouts_and_gaps_say(source: Source, tmp_path: Path) -> None:
    found = load_results(run(tiny(source, seeds=3), tmp_path, workers=1, progress=False))
    game = CournotMarket(slope=1.0, cost=(10.0, 12.0), cost_slope=1.0, horizon=4)
    summary = found.record
    assert summary["agents"] == ["firm_0", "firm_1"]
    assert summary["seeds"] == 3
    assert list(summary["equilibrium"]["value"].values()) == (solve(game).value / 4).tolist()
    assert summary["equilibrium"]["concept"] == "nash"
    assert list(summary["methods"]) == ["learned", "scripted", "random"]
    judged = gap(game, Scripted(game), seeds=range(32, 64))  # the episodes of the second cell
    scripted = summary["methods"]["scripted"]
    for i, agent in enumerate(game.agents):
        assert scripted["agents"]["reward"][agent]["seeds"][1] == judged.value[i] / 4
        assert scripted["agents"]["gap"][agent]["seeds"][1] == judged.estimate[i] / 4
        assert scripted["agents"]["gap_upper"][agent]["seeds"][1] == judged.upper[i] / 4
        assert scripted["agents"]["relative_gap"][agent]["mean"] == pytest.approx(judged.relative.lower[i])
        assert scripted["agents"]["lerner"][agent]["mean"] == pytest.approx(0, abs=1e-12)
    assert scripted["certificate"] == {"kind": "exact", "concept": "nash", "certifies": "Nash", "confidence": None}
    random = summary["methods"]["random"]["agents"]["reward"]["firm_1"]
    assert len(set(random["seeds"])) == 3
    assert {k: random[k] for k in ("mean", "low", "high")} == vars(estimate(random["seeds"]))
    curve = summary["methods"]["learned"]["curve"]
    assert [(point["steps"], point["updates"]) for point in curve] == [(0, 0), (256, 2), (512, 4)]
    assert [(method["title"], method["role"]) for method in summary["methods"].values()] == [
        ("learned", "learner"),
        ("marginal cost", "reference"),
        ("random", "rule"),
    ]
    assert summary["objective"]["reward"] == "reward"
    assert summary["measures"]["reward"] == {"title": "reward", "unit": "", "scale": "linear"}
    assert summary["measures"]["price"]["unit"] == "EUR/MWh"
    assert scripted["curve"] == []
    steps = found.steps
    assert len(steps) == 3 * 3 * 4 * 2
    own = steps[(steps["method"] == "scripted") & (steps["seed"] == 2) & (steps["agent"] == "firm_0")]
    np.testing.assert_array_equal(own["reward"], rollout(game, Scripted(game), (2,)).reward[:, 0, 0])
    assert found.reference is None


@final
@dataclass(frozen=True)
class Counting:
    """Learns to offer what it has counted to, one a step; refuses games of one agent."""

    steps: int = 6
    checkpoints: int = 2

    def check(self, game: AbstractGame[Any]) -> None:
        if len(game.agents) < 2:
            raise TypeError(f"`game` must have two agents; got {len(game.agents)}.")

    def learn(self, game: AbstractGame[Any], seed: int, start: Any = None) -> Iterator[Any]:  # noqa: ANN401
        for mark in marks(self.steps, self.checkpoints, start.steps if start else 0):
            yield Counted(self, game, mark, seed)

    def load(self, path: Path, game: AbstractGame[Any]) -> Any:  # noqa: ANN401
        return Counted(self, game, *json.loads(path.read_text()))


@final
@dataclass(frozen=True)
class Counted:
    """What it counted to."""

    learner: Counting
    game: AbstractGame[Any]
    steps: int
    seed: int

    @property
    def curve(self) -> Curve:
        return Curve(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 2)))

    @property
    def diagnostics(self) -> dict[str, Any]:
        return {}

    @property
    def offer(self) -> Any:  # noqa: ANN401
        return np.full((2, 1), self.steps + self.seed / 2)

    def act(self, observation: Any, rng: np.random.Generator) -> Any:  # noqa: ANN401
        return Constant(self.offer).act(observation, rng)

    def save(self, path: Path) -> None:
        Path(path).write_text(json.dumps([self.steps, self.seed]))


def test_a_learner_is_judged_at_each_checkpoint(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = find_scenario(source.scenario)
    monkeypatch.setattr(catalogue, "find_scenario", lambda name: kind)
    monkeypatch.setattr(kind, "methods", lambda self: {"learned": Counting()})
    last = Measure(lambda game, policy: policy.offer[:, 0], "last offer", "MW")
    monkeypatch.setattr(kind, "curve_measures", lambda self: {"last": last})
    folder = run(tiny(source, seeds=2), tmp_path / "runs", workers=1, progress=False)
    found = read_json(folder / "summary.json")["methods"]["learned"]
    game = CournotMarket(cost=(10.0, 12.0), cost_slope=1.0, horizon=4)
    assert [point["steps"] for point in found["curve"]] == [3, 6]
    assert [point["last"]["firm_1"]["seeds"] for point in found["curve"]] == [[3, 3.5], [6, 6.5]]
    for k, point in zip((3, 6), found["curve"], strict=True):
        right = gap(game, Constant(np.full((2, 1), k)))
        assert point["relative_gap"]["firm_0"]["seeds"][0] == pytest.approx(right.relative.upper[0], rel=1e-6)
    right = gap(game, Constant(np.full((2, 1), 6)))
    assert found["agents"]["gap"]["firm_0"]["seeds"][0] == pytest.approx(right.estimate[0] / 4)


def test_price_errors_by_hand() -> None:
    steps = pd.DataFrame({
        "method": ["x"] * 8, "seed": [0] * 4 + [1] * 4, "step": [0, 0, 1, 1] * 2, "agent": ["a", "b"] * 4,
        "price": [10.0, 10, 20, 20, 14, 14, 20, 20],
    })  # fmt: skip
    reference = pd.DataFrame(
        {"price": [11.0, 24.0], "standard_naive": [np.nan, 27.0], "crps_standard_naive": [1.0, 2.0]}
    )
    found = price_errors(steps, reference)
    assert found == {
        "x": {"mae": 2.5, "rmse": pytest.approx(8.5**0.5), "rmae": pytest.approx(2.5 / 3), "crps": None},
        "standard_naive": {"mae": 3, "rmse": pytest.approx(3), "rmae": 1, "crps": 1.5},
    }
    shifted = price_errors(steps, reference.assign(level=[1.0, 2.0]))
    assert set(shifted) == {*found, "x_at_level"}
    assert shifted["x_at_level"]["mae"] == pytest.approx((2 + 2) / 2)
    assert price_errors(steps, reference[["price"]])["x"]["rmae"] is None


class Killed(BaseException):
    """The process dies here: nothing after this runs."""


def dying(at: int, after: bool = False) -> Callable[..., None]:
    """`write_whole` that dies in its `at`-th call, with half of the file written beside, or after that call."""
    calls, whole = [0], files.write_whole

    def write(path: Path, content: Callable[[Path], object]) -> None:
        calls[0] += 1
        if calls[0] < at:
            return whole(path, content)
        if after:
            whole(path, content)
            raise Killed
        beside = path.with_name(f".{path.name}.{os.getpid()}.part")
        path.parent.mkdir(parents=True, exist_ok=True)
        content(beside)
        beside.write_bytes(beside.read_bytes()[: beside.stat().st_size // 2])
        raise Killed

    return write


def test_a_run_killed_at_any_write_ends_with_the_same_bytes(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tiny(source, steps=256, firms=1)
    right = run(source, tmp_path / "right", workers=1, progress=False)
    died = list[int]()
    for at in range(1, 100):
        root = tmp_path / f"killed-{at}"
        write = dying(at)
        with monkeypatch.context() as patch:
            for module in (files, training, runner):
                patch.setattr(module, "write_whole", write)
            try:
                run(source, root, workers=1, progress=False)
            except Killed:
                died.append(at)
            else:
                break
        folder = run(source, root, workers=1, progress=False)
        for name in ("manifest.json", "summary.json", "steps.parquet", "report.html"):
            assert digest(folder / name) == digest(right / name), (at, name)
    assert len(died) == 4 + 8 + 4  # manifest, table, summary, report; eight of the learner; two each of the others


@pytest.mark.parametrize("at", [3, 5])
def test_a_run_killed_between_a_checkpoint_and_the_removal_of_the_last_goes_on(
    at: int, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tiny(source, steps=256)
    right = run(source, tmp_path / "right", workers=1, progress=False)
    with monkeypatch.context() as patch:
        write = dying(at, after=True)  # the manifest, a policy and its point; another policy and its point
        for module in (files, training, runner):
            patch.setattr(module, "write_whole", write)
        with pytest.raises(Killed):
            run(source, tmp_path / "cut", workers=1, progress=False)
    folder = run(source, tmp_path / "cut", workers=1, progress=False)
    assert digest(folder / "summary.json") == digest(right / "summary.json")


def command(source: Source, root: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "walras.scenarios.cli", "run", source.scenario, "--root", str(root),
            "--workers", "1", "--json", *options]  # fmt: skip


def test_a_killed_run_that_two_workers_finish_equals_that_of_one(source: Source, tmp_path: Path) -> None:
    fields = {"steps": 8 * 128, "checkpoints": 8}
    options = [f"--{name}={value}" for name, value in fields.items()]
    process = subprocess.Popen(command(source, tmp_path / "killed", *options))
    folder = tmp_path / "killed" / "tiny" / run_id(manifest_of(tiny(source, **fields)))
    deadline = time.monotonic() + 60
    while not (folder / "cells" / "learned-0" / "curve-1.json").is_file() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert (folder / "cells" / "learned-0" / "curve-1.json").is_file()
    assert not (folder / "cells" / "learned-0" / "curve-7.json").is_file()
    assert run(tiny(source, **fields), tmp_path / "killed", workers=2, progress=False) == folder
    right = run(tiny(source, **fields), tmp_path / "right", workers=1, progress=False)
    for name in ("summary.json", "steps.parquet"):
        assert digest(folder / name) == digest(right / name)


@pytest.fixture
def finished(source: Source, tmp_path: Path) -> Path:
    data = tmp_path / "data.csv"
    data.write_text("1,2,3")
    return run(tiny(source, steps=256, table=str(data)), tmp_path / "runs", workers=1, progress=False)


def test_a_replay_is_equal_bit_for_bit(finished: Path, tmp_path: Path) -> None:
    equal = replay(finished, tmp_path / "again", 1, progress=False, trust=True)
    assert equal == {"summary.json": True, "steps.parquet": True}
    assert visible(finished) == FILES


def test_a_replay_tells_what_differs(finished: Path, tmp_path: Path) -> None:
    summary = read_json(finished / "summary.json")
    summary["methods"]["scripted"]["market"]["price"]["mean"] += 1e-9
    write_json(finished / "summary.json", summary)
    equal = replay(finished, tmp_path / "again", 1, progress=False, trust=True)
    assert equal == {"summary.json": False, "steps.parquet": True}


def test_a_replay_refuses_changed_data(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("1,2,4")
    with pytest.raises(ValueError, match="`files` must stay as they are"):
        replay(finished, tmp_path / "again", 1, progress=False, trust=True)
    (tmp_path / "data.csv").unlink()
    with pytest.raises(ValueError, match="`files` must stay as they are"):
        replay(finished, tmp_path / "again", 1, progress=False, trust=True)


def test_a_replay_refuses_a_changed_scenario(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text(SCENARIO + "\n")
    with pytest.raises(ValueError, match="`files` must stay as they are"):
        replay(finished, tmp_path / "again", 1, progress=False, trust=True)


@pytest.mark.parametrize(("part", "value"), [("versions", {"numpy": "1.0"}), ("machine", "abacus")])
def test_a_replay_refuses_other_versions(part: str, value: object, finished: Path, tmp_path: Path) -> None:
    manifest = read_json(finished / "manifest.json")
    write_json(finished / "manifest.json", manifest | {part: value})
    with pytest.raises(ValueError, match=f"`run` must be replayed with the {part} of its manifest"):
        replay(finished, tmp_path / "again", 1, progress=False, trust=True)


@pytest.mark.parametrize("missing", ["summary.json", "steps.parquet"])
def test_a_replay_never_calls_equal_what_is_not_there(missing: str, finished: Path, tmp_path: Path) -> None:
    (finished / missing).unlink()
    try:
        equal = replay(finished, tmp_path / "again", 1, progress=False, trust=True)
    except (FileNotFoundError, ValueError):
        return  # refused: as good
    assert equal.get(missing) is False


def test_a_second_runner_of_one_run_is_refused(source: Source, tmp_path: Path) -> None:
    folder = tmp_path / "tiny" / run_id(manifest_of(source))
    folder.mkdir(parents=True)
    with FileLock(folder / ".lock"), pytest.raises(RuntimeError, match="`run` must have one runner at a time"):
        run(source, tmp_path, workers=1, progress=False)
    assert visible(folder) == set()
    assert visible(run(source, tmp_path, workers=1, progress=False)) == FILES  # released


@pytest.fixture
def little_room() -> Iterator[Callable[[int], None]]:
    """Limit the size of files; a process without a file size of its own left is like a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_run_without_room_for_its_policies_says_so_and_goes_on_later(
    source: Source, tmp_path: Path, little_room: Callable[[int], None]
) -> None:
    source = tiny(source, steps=256)
    little_room(9000)
    with pytest.raises(OSError, match=r"Could not write .*checkpoint-0: .* must be writable and have room"):
        run(source, tmp_path / "full", workers=1, progress=False)
    little_room(resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    assert halves(tmp_path / "full") == []
    folder = run(source, tmp_path / "full", workers=1, progress=False)
    right = run(source, tmp_path / "right", workers=1, progress=False)
    assert digest(folder / "summary.json") == digest(right / "summary.json")


def test_a_missing_report_is_written_again(source: Source, tmp_path: Path) -> None:
    folder = run(tiny(source, steps=256), tmp_path, workers=1, progress=False)
    page = (folder / "report.html").read_bytes()
    (folder / "report.html").unlink()
    summary = (folder / "summary.json").stat().st_mtime_ns
    run(tiny(source, steps=256), tmp_path, workers=1, progress=False)
    assert (folder / "report.html").read_bytes() == page
    assert (folder / "summary.json").stat().st_mtime_ns == summary


def test_changed_data_is_another_run(source: Source, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    folders = set()
    for content in "ab":
        data.write_text(content)
        folders.add(run(tiny(source, steps=256, table=str(data)), tmp_path / "r", workers=1, progress=False))
    assert len(folders) == 2


@pytest.mark.parametrize("seeds", [0, -1])
def test_no_seeds_are_refused_by_name(seeds: int, source: Source, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`seeds` must be at least 1"):
        run(tiny(source, seeds=seeds), tmp_path, workers=1, progress=False)


def test_the_summary_is_strict_json_even_where_a_number_is_infinite(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = find_scenario(source.scenario)
    monkeypatch.setattr(catalogue, "find_scenario", lambda name: kind)
    endless = Measure(lambda game, trajectory: np.full(2, np.inf), "endless")
    monkeypatch.setattr(kind, "agent_measures", lambda self: {"endless": endless})
    folder = run(tiny(source, steps=256), tmp_path / "r", workers=1, progress=False)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    summary = json.loads((folder / "summary.json").read_text(), parse_constant=refuse)
    share = summary["methods"]["scripted"]["agents"]["endless"]["firm_0"]
    assert (share["mean"], share["seeds"]) == (None, [None])


@pytest.mark.parametrize(
    ("name", "fields", "kind", "message"),
    [
        (
            "cournot",
            {"learner": "DQN"},
            TypeError,
            r"for DQN; got Box.* Learners that can: IPPO, MAPPO, SB3, SharedSB3\.",
        ),
        ("cournot", {"learner": "PPQ"}, ValueError, "`algorithm` must be one of"),
        ("fair_division", {"misreports": "foo"}, ValueError, "`misreports` must be"),
        ("cournot", {"checkpoints": 0}, ValueError, "`checkpoints` must be a whole number, at least 1; got 0"),
        ("cournot", {"seeds": 0}, ValueError, "`seeds` must be at least 1; got 0"),
        ("day_ahead", {"hours": 0}, ValueError, "must"),
    ],
)
def test_what_cannot_run_is_refused_at_once_and_leaves_nothing(
    name: str, fields: dict[str, Any], kind: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=message):
        run(Source(name, fields), tmp_path / "runs", workers=8, progress=False)
    assert not (tmp_path / "runs").exists()


def test_a_run_stops_when_its_scenario_changes_and_keeps_nothing_of_it(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, file = tiny(source, steps=256), Path(source.scenario)
    right = run(source, tmp_path / "right", workers=1, progress=False)
    write = files.write_whole

    def edit(path: Path, content: Callable[[Path], object]) -> None:
        write(path, content)
        if path.match("learned-0/result.json"):
            file.write_text(SCENARIO.replace("(10.0, 12.0)", "(50.0, 52.0)"))

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_whole", edit)
        with pytest.raises(ValueError, match=r"`files` must stay as they are while a run reads them.*tiny\.py"):
            run(source, tmp_path / "cut", workers=1, progress=False)
    (folder,) = (tmp_path / "cut" / "tiny").iterdir()
    assert [path.parent.name for path in folder.glob("cells/*/result.json")] == ["learned-0"]
    file.write_text(SCENARIO)
    assert run(source, tmp_path / "cut", workers=1, progress=False) == folder
    assert digest(folder / "summary.json") == digest(right / "summary.json")


@pytest.mark.parametrize("name", ["tiny.py", "data.csv", "beside_tiny.py"])
def test_a_file_that_is_changed_and_changed_back_stops_the_run(
    name: str, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data.csv").write_text("1")
    (tmp_path / "beside_tiny.py").write_text("")
    Path(source.scenario).write_text("import beside_tiny\n" + SCENARIO)
    source = tiny(source, steps=256, table=str(tmp_path / "data.csv"))
    loads, finish = list[Path](), runner.finish_cell

    def edited(path: Path) -> Any:  # noqa: ANN401 - a module
        """Load what is there for a moment alone."""
        file, before = tmp_path / name, (tmp_path / name).read_text()
        file.write_text(before + "\n")
        loads.append(path)
        try:
            return load_file(path)
        finally:
            file.write_text(before)

    def finish_edited(cell: cells.Cell) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(catalogue, "load_file", edited)
            finish(cell)

    monkeypatch.setattr(runner, "finish_cell", finish_edited)
    with pytest.raises(ValueError, match=rf"`files` must stay as they are while a run reads them.*{name}"):
        run(source, tmp_path / "runs", workers=1, progress=False)
    assert len(loads) == 1
    assert not (tmp_path / "runs" / "tiny").exists()


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_run_that_ends_before_its_first_result_leaves_nothing(
    failure: type[BaseException], source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(cell: cells.Cell) -> None:
        cell.folder.mkdir(parents=True)
        raise failure

    monkeypatch.setattr(runner, "finish_cell", fail)
    with pytest.raises(failure):
        run(source, tmp_path / "runs", workers=1, progress=False)
    assert list((tmp_path / "runs").iterdir()) == []


def test_what_a_killed_process_left_half_written_is_removed(source: Source, tmp_path: Path) -> None:
    source = tiny(source, steps=256)
    half = tmp_path / "tiny" / run_id(manifest_of(source)) / "cells" / "learned-0" / ".checkpoint-0.123.part"
    half.parent.mkdir(parents=True)
    half.write_text("half")
    folder = run(source, tmp_path, workers=1, progress=False)
    assert halves(folder) == []


def test_a_changed_module_beside_the_scenario_is_another_run(source: Source, tmp_path: Path) -> None:
    beside = tmp_path / "beside_tiny.py"
    Path(source.scenario).write_text("from beside_tiny import COST\n" + SCENARIO.replace("(10.0, 12.0)", "COST"))
    folders: list[Path] = []
    for cost in (10, 50, 10):
        beside.write_text(f"COST = ({cost}.0, 12.0)\n")
        folders.append(run(tiny(source, steps=256), tmp_path / "r", workers=1, progress=False))
    assert folders[0] == folders[2] != folders[1]
    price = [read_json(f / "summary.json")["methods"]["scripted"]["market"]["price"]["mean"] for f in folders]
    assert price[1] > price[0] + 5


def test_a_scenario_of_a_session_runs_in_its_process(source: Source, tmp_path: Path) -> None:
    own = Source("Tiny", {"steps": 256}, find_scenario(source.scenario))
    folder = run(own, tmp_path / "own", progress=False)
    assert folder.parent.name == "Tiny"
    right = run(tiny(source, steps=256), tmp_path / "right", workers=1, progress=False)
    assert digest(folder / "steps.parquet") == digest(right / "steps.parquet")
    assert (folder / "report.html").is_file()
    with pytest.raises(ValueError, match=r"`workers` must be 1 for a scenario that is defined in a session.*got 2"):
        run(own, tmp_path / "two", workers=2, progress=False)
    with pytest.raises(ValueError, match="`run` must be of a scenario that has a name or a file; Tiny was defined in"):
        replay(folder, tmp_path / "again", 1, progress=False)
