import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.scenarios.bench.conftest import SUITE, cell_of
from tests.scenarios.bench.test_engines import hashes
from walras.scenarios.bench import costs, runner
from walras.scenarios.bench.costs import estimated, in_words, measured_here
from walras.scenarios.bench.engines import Inline, Processes
from walras.scenarios.bench.plan import Plan, plan
from walras.scenarios.bench.results import Results
from walras.scenarios.bench.runner import bench, estimate_of
from walras.scenarios.bench.store import Folder
from walras.scenarios.bench.suite import Recipe
from walras.scenarios.bench.task import cell_file, read_cell


def run(planned: Plan, store: Path) -> tuple[runner.Ended, str]:
    """Run a suite in this process; return how it ended and what was said."""
    said = list[str]()
    return bench(planned, store, Inline(), said.append, progress=False), "\n".join(said)


def test_a_suite_runs_once_and_is_found_afterwards(tiny: Plan, tmp_path: Path) -> None:
    ended, said = run(tiny, tmp_path)
    assert "tiny: 1 games, 3 methods, 4 seeds, 6 cells.\n6 cells to run: about" in said
    assert [outcome.status for outcome in ended.outcomes] == ["done"] * 6
    found = hashes(tmp_path)
    assert sorted(found) == sorted(f"{cell.id}.parquet" for cell in tiny.cells)
    ended, said = run(tiny, tmp_path)
    assert ended.outcomes == ()
    assert "0 cells to run" in said
    Folder(tmp_path).path.joinpath(cell_file(tiny.cells[2].id)).unlink()
    ended, _ = run(tiny, tmp_path)
    assert [outcome.id for outcome in ended.outcomes] == [tiny.cells[2].id]
    assert hashes(tmp_path) == found


def test_another_configuration_is_refused(tiny: Plan, tmp_path: Path) -> None:
    run(plan(replace(SUITE, methods={"random": SUITE.methods["random"]})), tmp_path)  # type: ignore[index]
    with pytest.raises(ValueError, match=r"`store` must be an empty place, or hold the suite 'tiny' .*'methods'"):
        run(tiny, tmp_path)
    with pytest.raises(ValueError, match=r"differ; got \{.*'steps': \[64, 128\]"):
        run(plan(replace(SUITE, methods={"random": SUITE.methods["random"]}, steps=128)), tmp_path)  # type: ignore[index]
    run(replace(tiny, suite=replace(tiny.suite, name="another")), tmp_path)  # suites of other names share the place


def test_a_cell_that_fails_stops_no_other(settling: Callable[..., Plan], tmp_path: Path) -> None:
    planned = settling(fails="raises")
    ended, _ = run(planned, tmp_path)
    assert [(outcome.id, outcome.status) for outcome in ended.failed] == [(cell_of(planned, "own").id, "failed")]
    assert len(hashes(tmp_path)) == 3
    assert "FloatingPointError: The loss is NaN." in runner.traceback_of(Folder(tmp_path), ended.failed[0].id)
    again, said = run(planned, tmp_path)
    assert "1 cells to run" in said
    assert len(again.failed) == 1


def test_a_game_whose_rewards_are_not_numbers_is_stopped_with_step_and_seed(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(
        "from dataclasses import dataclass\n"
        "from walras.envs.electricity.cournot_market import CournotMarket\n"
        "import numpy as np\n"
        "@dataclass(frozen=True)\n"
        "class Breaks(CournotMarket):\n"
        "    def step(self, state, action, noise):\n"
        "        done = super().step(state, action, noise)\n"
        "        return done._replace(reward=np.where(action[..., 0] > 99.0, np.nan, done.reward))\n"
    )
    games = {"breaks": replace(SUITE.games["market"], make=f"{own}:Breaks")}  # type: ignore[index]
    planned = plan(replace(SUITE, games=games, methods={"MAPPO": SUITE.methods["MAPPO"]}))  # type: ignore[index]
    ended, _ = run(planned, tmp_path / "store")
    assert len(ended.failed) == 2
    for outcome in ended.failed:
        assert "`game.step` must return finite rewards; got nan for firm_" in outcome.told
        assert "step" in outcome.told
        assert "seed" in outcome.told


def test_a_result_that_cannot_be_seen_from_here_is_told(tiny: Plan, tmp_path: Path) -> None:
    class Elsewhere:
        workers = 1

        def run(self, tasks):  # noqa: ANN001, ANN202
            yield from Inline().run([replace(task, store=str(tmp_path / "elsewhere")) for task in tasks[:1]])

    ended = bench(tiny, tmp_path / "here", Elsewhere(), progress=False)
    assert ended.failed[0].told == runner.GONE


def test_the_estimate_is_of_cells_like_those_that_were_measured(tiny: Plan, tmp_path: Path) -> None:
    store = Folder(tmp_path)
    assert "guessed for 6 cells" in estimate_of(tiny, tmp_path, Inline())
    assert not (tmp_path / "suites").exists()
    run(tiny, tmp_path)
    larger = [replace(cell, steps=640) for cell in tiny.cells]
    guess = estimated(larger, measured_here(store))
    assert guess.unknown == 0
    manifests = [read_cell(content)[0] for cell in tiny.cells if (content := store.read(cell_file(cell.id)))]
    for cell, made in zip(tiny.cells, larger, strict=True):
        alike = [each["cpu_seconds"] for each in manifests if each["cell"]["method"] == cell.method]
        wanted = 10 * np.median([each["train"] for each in alike]) + np.median([each["judge"] for each in alike])
        assert guess.seconds[made.id] == pytest.approx(wanted)
    assert guess.total == pytest.approx(sum(guess.seconds.values()))


def test_what_was_never_measured_costs_as_much_as_others(tiny: Plan, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "MEASURED", {"market": {"MAPPO": (10.0, 3.0)}})
        guess = estimated(tiny.cells, {})
    assert guess.unknown == 4
    assert list(guess.seconds.values()) == pytest.approx([2 * (10.0 * 0.064 + 3.0)] * 6)


def test_each_cell_is_read_once_for_the_estimate(tiny: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tiny, tmp_path)
    read, names = Folder.read, list[str]()
    monkeypatch.setattr(Folder, "read", lambda self, name: names.append(name) or read(self, name))
    run(tiny, tmp_path)
    assert sorted(name for name in names if name.startswith("cells/")) == sorted(cell_file(c.id) for c in tiny.cells)


@pytest.mark.parametrize("damage", [b"", b"PAR1", None])
def test_a_damaged_cell_is_named_before_anything_runs(tiny: Plan, tmp_path: Path, damage: bytes | None) -> None:
    run(tiny, tmp_path)
    path = tmp_path / cell_file(tiny.cells[1].id)
    path.write_bytes(path.read_bytes()[:-9] if damage is None else damage)
    told = f"hold whole cells: remove the one that is damaged, .* got {cell_file(tiny.cells[1].id)} in {tmp_path}"
    with pytest.raises(ValueError, match=told):
        run(tiny, tmp_path)
    with pytest.raises(ValueError, match=told):
        _ = Results(tmp_path).table
    path.unlink()
    assert [outcome.id for outcome in run(tiny, tmp_path)[0].outcomes] == [tiny.cells[1].id]


def test_a_cell_of_two_methods_is_run_once(tiny: Plan, tmp_path: Path) -> None:
    suite = replace(tiny.suite, methods={"chance": Recipe("random"), "again": Recipe("random")})
    ended, said = run(plan(suite), tmp_path)
    assert "4 cells.\n2 cells to run" in said
    assert [outcome.status for outcome in ended.outcomes] == ["done", "done"]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (89, "89 s"), (91, "2 min"), (5000, "83 min"), (7200, "2.0 h")]
)
def test_a_time_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


SCRIPT = """
import sys
from tests.scenarios.bench.conftest import SUITE
from walras.scenarios.bench.engines import Inline, Processes
from walras.scenarios.bench.plan import plan
from walras.scenarios.bench.runner import bench

if __name__ == "__main__":
    engine = Inline() if sys.argv[2] == "inline" else Processes(2)
    bench(plan(SUITE), sys.argv[1], engine, progress=False)
"""


def killed(store: Path, engine: str, after: float, script: Path) -> bool:
    """Run the suite in a process that is killed after some seconds; return whether it was."""
    process = subprocess.Popen([sys.executable, str(script), str(store), engine], cwd=Path.cwd())
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.kill()
    return process.wait() != 0


def check_whole(planned: Plan, store: Path, wanted: dict[str, str]) -> None:
    """Check that what is in the storage is whole and right, and that the suite ends with nothing lost or doubled."""
    there = hashes(store)
    assert there.items() <= wanted.items()
    ended, _ = run(planned, store)
    assert {outcome.id for outcome in ended.outcomes} == {cell.id for cell in planned.cells} - {
        name.removesuffix(".parquet") for name in there
    }
    assert hashes(store) == wanted
    assert Folder(store).names("differences") == []


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "run_suite.py"
    path.write_text(f"import sys\nsys.path.insert(0, {str(Path.cwd())!r})\n{SCRIPT}")
    return path


def test_a_suite_that_is_killed_goes_on(tiny: Plan, tmp_path: Path, script: Path) -> None:
    run(tiny, tmp_path / "whole")
    wanted = hashes(tmp_path / "whole")
    store = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, str(script), str(store), "inline"])
    while not Folder(store).names("cells") and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    check_whole(tiny, store, wanted)


@pytest.mark.slow
def test_a_suite_that_is_killed_at_20_moments_loses_and_doubles_nothing(
    tiny: Plan, tmp_path: Path, script: Path
) -> None:
    began = time.monotonic()
    assert not killed(tmp_path / "timed", "processes", 600.0, script)
    whole = time.monotonic() - began
    wanted = hashes(tmp_path / "timed")
    rng, kills = np.random.default_rng(0), 0
    for moment in rng.uniform(0.1, 1.0, 20):
        store = tmp_path / f"at-{moment:.3f}"
        kills += killed(store, "processes", moment * whole, script)
        time.sleep(1.0)  # workers see that their parent is gone
        check_whole(tiny, store, wanted)
    assert kills >= 10


def test_the_manifest_of_a_suite_says_what_fixes_it(tiny: Plan, tmp_path: Path) -> None:
    runner.keep_suite(Folder(tmp_path), tiny)
    content = Folder(tmp_path).read("suites/tiny.json")
    assert content is not None
    manifest = json.loads(content)
    assert manifest["suite"] == json.loads(json.dumps(tiny.suite.data()))
    assert [cell["id"] for cell in manifest["cells"]] == [cell.id for cell in tiny.cells]
    assert {"numpy", "torch", "walras", "python"} <= set(manifest["versions"])
    assert Processes(2).workers == 2
