import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

from walras.agents import sb3
from walras.core import Constant, Scripted, rollout
from walras.envs import CournotMarket
from walras.equilibria import gap, solve
from walras.scenarios import Source
from walras.scenarios.engine import results, runner
from walras.scenarios.engine.results import digest, load_results, manifest_of, read_json, run_id, write_json
from walras.scenarios.engine.runner import replay, run
from walras.scenarios.engine.statistics import estimate

SCENARIO = '''
"""Two firms, one of each kind of contestant."""

from dataclasses import dataclass
from pathlib import Path

from walras.core import Random, Scripted
from walras.envs import CournotMarket
from walras.scenarios import AbstractScenario, Training
from walras.scenarios.electricity import measures


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
    def contestants(self):
        learned = Training(self.learner, self.steps, self.checkpoints)
        return {"learned": learned, "scripted": Scripted(self.game()), "random": Random(self.game())}
    def agent_measures(self): return {"lerner": measures.cournot_lerner}
    def market_measures(self): return {"price": measures.cournot_price}
    def reference(self): return None
    def charts(self): return {}
'''
FILES = {"manifest.json", "summary.json", "steps.parquet", "report.html", "cells"}


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "tiny.py").write_text(SCENARIO)
    return Source(str(tmp_path / "tiny.py"))


QUICK = {"n_steps": 4, "batch_size": 64, "n_epochs": 1, "policy_kwargs": {"net_arch": [8]}}


@pytest.fixture
def everywhere(source: Source, quick: None) -> Source:
    """The scenario, quick in every process that reads its file."""
    with Path(source.scenario).open("a") as file:
        file.write(f"\nfrom walras.agents import sb3\nsb3.DEFAULTS['PPO'] = {QUICK}\n")
    return source


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Learners that update after few steps. In this process only: with ``workers=1``."""
    monkeypatch.setitem(sb3.DEFAULTS, "PPO", QUICK)


def tiny(source: Source, **fields: Any) -> Source:  # noqa: ANN401 - any field
    return Source(source.scenario, fields)


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def halves(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob("*") if ".part" in path.name]


@pytest.mark.usefixtures("quick")
def test_a_run_leaves_its_files_and_is_not_run_again(source: Source, tmp_path: Path) -> None:
    folder = run(source, tmp_path / "runs", workers=1, progress=False)
    assert folder == tmp_path / "runs" / "tiny" / run_id(manifest_of(source.scenario, {}))
    assert visible(folder) == FILES
    assert halves(folder) == []
    assert visible(folder / "cells") == {"learned-0", "scripted-0", "random-0"}
    assert visible(folder / "cells" / "learned-0") == {
        "curve-0.json", "curve-1.json", "policy-1.zip", "result.json", "steps.parquet",
    }  # fmt: skip
    assert read_json(folder / "manifest.json") == manifest_of(source.scenario, {})
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != ".lock" and path.is_file()}
    assert run(source, tmp_path / "runs", workers=1, progress=False) == folder
    assert before == {path: path.stat().st_mtime_ns for path in before}


@pytest.mark.usefixtures("quick")
def test_the_summary_holds_what_rollouts_and_gaps_say(source: Source, tmp_path: Path) -> None:
    found = load_results(run(tiny(source, seeds=3), tmp_path, workers=1, progress=False))
    game = CournotMarket(slope=1.0, cost=(10.0, 12.0), cost_slope=1.0, horizon=4)
    summary = found.summary
    assert summary["agents"] == ["firm_0", "firm_1"]
    assert summary["seeds"] == 3
    assert list(summary["equilibrium"]["value"].values()) == solve(game).value.tolist()
    assert list(summary["contestants"]) == ["learned", "scripted", "random"]
    judged = gap(game, Scripted(game), (1,))
    scripted = summary["contestants"]["scripted"]
    for i, agent in enumerate(game.agents):
        assert scripted["agents"]["reward"][agent]["seeds"][1] == judged.reward[i]
        assert scripted["agents"]["gap"][agent]["seeds"][1] == judged.per_agent[i]
        assert scripted["agents"]["relative_gap"][agent]["mean"] == pytest.approx(judged.relative[i])
        assert scripted["agents"]["lerner"][agent]["mean"] == pytest.approx(0, abs=1e-12)
    random = summary["contestants"]["random"]["agents"]["reward"]["firm_1"]
    assert len(set(random["seeds"])) == 3
    assert {k: random[k] for k in ("mean", "low", "high")} == vars(estimate(random["seeds"]))
    curve = summary["contestants"]["learned"]["curve"]
    assert [point["steps"] for point in curve] == [256, 512]
    assert scripted["curve"] == []
    steps = found.steps
    assert len(steps) == 3 * 3 * 4 * 2
    own = steps[(steps["contestant"] == "scripted") & (steps["seed"] == 2) & (steps["agent"] == "firm_0")]
    np.testing.assert_array_equal(own["reward"], rollout(game, Scripted(game), (2,)).reward[:, 0, 0])
    assert found.reference is None


def test_a_learner_is_judged_at_each_checkpoint(source: Source, tmp_path: Path) -> None:
    learner = """
    def contestants(self):
        return {"learned": Learner(lambda game, seed: [(k, Constant(np.full((2, 1), k + seed / 2))) for k in (3, 6)])}
    def curve_measures(self): return {"last": lambda game, policy: policy.action[:, 0]}
"""
    text = Path(source.scenario).read_text().replace("import Random, Scripted", "import Constant")
    text = text.replace("from walras.scenarios import", "import numpy as np\nfrom walras.scenarios import Learner,")
    start, end = text.index("    def contestants"), text.index("    def agent_measures")
    Path(source.scenario).write_text(text[:start] + learner.lstrip("\n") + text[end:])
    folder = run(replace(source, fields={"seeds": 2}), tmp_path / "runs", workers=1, progress=False)
    found = read_json(folder / "summary.json")["contestants"]["learned"]
    game = CournotMarket(cost=(10.0, 12.0), cost_slope=1.0, horizon=4)
    assert [point["steps"] for point in found["curve"]] == [3, 6]
    assert [point["last"]["firm_1"]["seeds"] for point in found["curve"]] == [[3, 3.5], [6, 6.5]]
    for k, point in zip((3, 6), found["curve"], strict=True):
        right = gap(game, Constant(np.full((2, 1), k)), runner.CURVE_SEEDS)
        assert point["relative_gap"]["firm_0"]["seeds"][0] == pytest.approx(right.relative[0])
    last = gap(game, Constant(np.full((2, 1), 6)), [0])
    assert found["agents"]["gap"]["firm_0"]["seeds"][0] == pytest.approx(last.per_agent[0])


def test_price_errors_by_hand() -> None:
    steps = pd.DataFrame({
        "contestant": ["x"] * 8, "seed": [0] * 4 + [1] * 4, "step": [0, 0, 1, 1] * 2, "agent": ["a", "b"] * 4,
        "price": [10.0, 10, 20, 20, 14, 14, 20, 20],
    })  # fmt: skip
    reference = pd.DataFrame({"price": [11.0, 24.0], "naive": [np.nan, 27.0]})
    found = runner._price_errors(steps, reference)
    assert found["x"] == {"mae": pytest.approx((1 + 4) / 2), "rmse": pytest.approx(((1 + 16) / 2) ** 0.5)}
    assert found["seasonal_naive"] == {"mae": pytest.approx(3), "rmse": pytest.approx(3)}


class Killed(BaseException):
    """The process dies here: nothing after this runs."""


def dying(at: int, after: bool = False) -> Callable[..., None]:
    """`write_whole` that dies in its `at`-th call, with half of the file written beside, or after that call."""
    calls, whole = [0], results.write_whole

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


@pytest.mark.usefixtures("quick")
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
            patch.setattr(results, "write_whole", write)
            patch.setattr(runner, "write_whole", write)
            try:
                run(source, root, workers=1, progress=False)
            except Killed:
                died.append(at)
            else:
                break
        folder = run(source, root, workers=1, progress=False)
        for name in ("manifest.json", "summary.json", "steps.parquet", "report.html"):
            assert digest(folder / name) == digest(right / name), (at, name)
    assert len(died) == 4 + 6 + 4  # manifest, table, summary, report; six of the learner; two each of the others


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("at", [3, 5])
def test_a_run_killed_between_a_checkpoint_and_the_removal_of_the_last_goes_on(
    at: int, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tiny(source, steps=256)
    right = run(source, tmp_path / "right", workers=1, progress=False)
    with monkeypatch.context() as patch:
        write = dying(at, after=True)  # the manifest, a policy and its point; another policy and its point
        patch.setattr(results, "write_whole", write)
        patch.setattr(runner, "write_whole", write)
        with pytest.raises(Killed):
            run(source, tmp_path / "cut", workers=1, progress=False)
    folder = run(source, tmp_path / "cut", workers=1, progress=False)
    assert digest(folder / "summary.json") == digest(right / "summary.json")


def command(source: Source, root: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "walras.scenarios.cli", "run", source.scenario, "--root", str(root),
            "--workers", "1", "--json", *options]  # fmt: skip


def test_a_killed_run_that_two_workers_finish_equals_that_of_one(everywhere: Source, tmp_path: Path) -> None:
    fields = {"steps": 8 * 128, "checkpoints": 8}
    options = [f"--{name}={value}" for name, value in fields.items()]
    process = subprocess.Popen(command(everywhere, tmp_path / "killed", *options))
    folder = tmp_path / "killed" / "tiny" / run_id(manifest_of(everywhere.scenario, fields))
    deadline = time.monotonic() + 60
    while not (folder / "cells" / "learned-0" / "curve-1.json").is_file() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert (folder / "cells" / "learned-0" / "curve-1.json").is_file()
    assert not (folder / "cells" / "learned-0" / "curve-7.json").is_file()
    assert run(tiny(everywhere, **fields), tmp_path / "killed", workers=2, progress=False) == folder
    right = run(tiny(everywhere, **fields), tmp_path / "right", workers=1, progress=False)
    for name in ("summary.json", "steps.parquet"):
        assert digest(folder / name) == digest(right / name)


@pytest.fixture
def finished(source: Source, tmp_path: Path, quick: None) -> Path:
    data = tmp_path / "data.csv"
    data.write_text("1,2,3")
    return run(tiny(source, steps=256, table=str(data)), tmp_path / "runs", workers=1, progress=False)


def test_a_replay_is_equal_bit_for_bit(finished: Path, tmp_path: Path) -> None:
    assert replay(finished, tmp_path / "again", 1, progress=False) == {"summary.json": True, "steps.parquet": True}
    assert visible(finished) == FILES


def test_a_replay_tells_what_differs(finished: Path, tmp_path: Path) -> None:
    summary = read_json(finished / "summary.json")
    summary["contestants"]["scripted"]["market"]["price"]["mean"] += 1e-9
    write_json(finished / "summary.json", summary)
    assert replay(finished, tmp_path / "again", 1, progress=False) == {"summary.json": False, "steps.parquet": True}


def test_a_replay_refuses_changed_data(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("1,2,4")
    with pytest.raises(ValueError, match="`run` must be replayed with the files of its manifest"):
        replay(finished, tmp_path / "again", 1, progress=False)
    (tmp_path / "data.csv").unlink()
    with pytest.raises(ValueError, match="`run` must be replayed with the files of its manifest"):
        replay(finished, tmp_path / "again", 1, progress=False)


def test_a_replay_refuses_a_changed_scenario(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text(SCENARIO + "\n")
    with pytest.raises(ValueError, match="`run` must be replayed with the files of its manifest"):
        replay(finished, tmp_path / "again", 1, progress=False)


@pytest.mark.parametrize(("part", "value"), [("versions", {"numpy": "1.0"}), ("machine", "abacus")])
def test_a_replay_refuses_other_versions(part: str, value: object, finished: Path, tmp_path: Path) -> None:
    manifest = read_json(finished / "manifest.json")
    write_json(finished / "manifest.json", manifest | {part: value})
    with pytest.raises(ValueError, match=f"`run` must be replayed with the {part} of its manifest"):
        replay(finished, tmp_path / "again", 1, progress=False)


@pytest.mark.parametrize("missing", ["summary.json", "steps.parquet"])
def test_a_replay_never_calls_equal_what_is_not_there(missing: str, finished: Path, tmp_path: Path) -> None:
    (finished / missing).unlink()
    try:
        equal = replay(finished, tmp_path / "again", 1, progress=False)
    except (FileNotFoundError, ValueError):
        return  # refused: as good
    assert equal.get(missing) is False


def test_a_second_runner_of_one_run_is_refused(source: Source, tmp_path: Path, quick: None) -> None:
    folder = tmp_path / "tiny" / run_id(manifest_of(source.scenario, {}))
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


@pytest.mark.usefixtures("quick")
def test_a_run_without_room_for_its_policies_says_so_and_goes_on_later(
    source: Source, tmp_path: Path, little_room: Callable[[int], None]
) -> None:
    source = tiny(source, steps=256)
    little_room(9000)
    with pytest.raises(OSError, match=r"Could not write .*policy-0\.zip: .* must be writable and have room"):
        run(source, tmp_path / "full", workers=1, progress=False)
    little_room(resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    assert halves(tmp_path / "full") == []
    folder = run(source, tmp_path / "full", workers=1, progress=False)
    right = run(source, tmp_path / "right", workers=1, progress=False)
    assert digest(folder / "summary.json") == digest(right / "summary.json")


@pytest.mark.usefixtures("quick")
def test_a_missing_report_is_written_again(source: Source, tmp_path: Path) -> None:
    folder = run(tiny(source, steps=256), tmp_path, workers=1, progress=False)
    page = (folder / "report.html").read_bytes()
    (folder / "report.html").unlink()
    summary = (folder / "summary.json").stat().st_mtime_ns
    run(tiny(source, steps=256), tmp_path, workers=1, progress=False)
    assert (folder / "report.html").read_bytes() == page
    assert (folder / "summary.json").stat().st_mtime_ns == summary


@pytest.mark.usefixtures("quick")
def test_changed_data_is_another_run(source: Source, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    folders = set()
    for content in "ab":
        data.write_text(content)
        folders.add(run(tiny(source, steps=256, table=str(data)), tmp_path / "r", workers=1, progress=False))
    assert len(folders) == 2


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("seeds", [0, -1])
def test_no_seeds_are_refused_by_name(seeds: int, source: Source, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`seeds` must be at least 1"):
        run(tiny(source, seeds=seeds), tmp_path, workers=1, progress=False)


@pytest.mark.usefixtures("quick")
def test_the_summary_is_strict_json_even_where_a_share_is_infinite(source: Source, tmp_path: Path) -> None:
    text = SCENARIO.replace("cost_slope=1.0", "cost_slope=0.0").replace("(10.0, 12.0)", "(10.0, 10.0)")
    Path(source.scenario).write_text(text)  # price takers with flat costs earn nothing
    folder = run(tiny(source, steps=256), tmp_path / "r", workers=1, progress=False)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    summary = json.loads((folder / "summary.json").read_text(), parse_constant=refuse)
    share = summary["contestants"]["scripted"]["agents"]["relative_gap"]["firm_0"]
    assert (share["mean"], share["seeds"]) == (None, [None])
