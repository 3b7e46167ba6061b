import errno
import json
import os
import resource
import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from walras.core import Random, files, rollout
from walras.core.files import write_whole
from walras.envs import CournotMarket, DayAheadMarket, NetworkCournotMarket
from walras.scenarios import Source
from walras.scenarios.engine.catalogue import source_of
from walras.scenarios.engine.files import digest, read_json, write_json, write_table
from walras.scenarios.engine.manifest import check_unchanged, manifest_of, run_id, watched
from walras.scenarios.engine.results import Results, find_run, load_results, tabulate


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_can_be_read_back(tmp_path: Path) -> None:
    content = {"a": [1, 2.5, None], "b": {"c": "é"}}
    write_json(tmp_path / "deep" / "er" / "a.json", content)
    assert read_json(tmp_path / "deep" / "er" / "a.json") == content
    table = pd.DataFrame({"x": [0.1, np.nan], "name": ["a", "b"]})
    write_table(tmp_path / "t.parquet", table)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), table)
    assert listing(tmp_path) == ["deep", "t.parquet"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError])
def test_an_interruption_leaves_the_earlier_file(tmp_path: Path, interruption: type[BaseException]) -> None:
    write_json(tmp_path / "a.json", "earlier")

    def half(beside: Path) -> None:
        beside.write_text('"half')
        raise interruption

    with pytest.raises(interruption):
        write_whole(tmp_path / "a.json", half)
    assert read_json(tmp_path / "a.json") == "earlier"
    assert listing(tmp_path) == ["a.json"]


def full(beside: Path) -> None:
    beside.write_text("half")
    raise OSError(errno.ENOSPC, "No space left on device")


def device_full(beside: Path) -> None:
    beside.write_text("half")
    Path("/dev/full").write_text("more")


@pytest.mark.parametrize("write", [full, device_full])
def test_a_full_disk_leaves_the_earlier_file_and_says_what_to_do(write: Callable[[Path], None], tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", "earlier")
    message = r"Could not write .*a\.json: No space left.* must be writable and have room"
    with pytest.raises(OSError, match=message) as e:
        write_whole(tmp_path / "a.json", write)
    assert e.value.errno == errno.ENOSPC
    assert read_json(tmp_path / "a.json") == "earlier"
    assert listing(tmp_path) == ["a.json"]


def test_a_disk_that_fills_up_at_the_end_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", refuse)
    with pytest.raises(OSError, match="must be writable"):
        write_json(tmp_path / "a.json", 1)
    assert listing(tmp_path) == []


@contextmanager
def largest_file(size: int) -> Generator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_networks_that_do_not_fit_leave_nothing(tmp_path: Path) -> None:
    with largest_file(10_000), pytest.raises(OSError, match=r"Could not write .*net\.pt: .* must be writable"):
        write_whole(tmp_path / "net.pt", lambda beside: torch.save(torch.zeros(100_000), beside))
    assert listing(tmp_path) == []


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_a_file_that_the_system_refuses_leaves_the_earlier_one(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    small, large = (pd.DataFrame({"x": rng.random(n)}) for n in (3, 20_000))

    def write(table: pd.DataFrame) -> None:
        path = tmp_path / f"a.{kind}"
        write_json(path, table["x"].tolist()) if kind == "json" else write_table(path, table)

    write(small)
    earlier = digest(tmp_path / f"a.{kind}")
    with largest_file(10_000), pytest.raises(OSError, match=r"Could not write .*must be writable"):
        write(large)
    assert digest(tmp_path / f"a.{kind}") == earlier
    assert listing(tmp_path) == [f"a.{kind}"]
    write(large)
    assert digest(tmp_path / f"a.{kind}") != earlier


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_really_full_disk_leaves_the_earlier_file(tiny_disk: Path) -> None:
    write_json(tiny_disk / "a.json", "earlier")
    with pytest.raises(OSError, match="No space left"):
        write_json(tiny_disk / "a.json", "x" * 200_000)
    assert read_json(tiny_disk / "a.json") == "earlier"
    assert listing(tiny_disk) == ["a.json"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"Could not write .*file/a\.json.*must be writable"):
        write_json(tmp_path / "file" / "a.json", 1)


def test_what_json_cannot_say_is_refused_and_leaves_the_earlier_file(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", "earlier")
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(tmp_path / "a.json", {1, 2})
    assert read_json(tmp_path / "a.json") == "earlier"


def test_the_id_is_stable_and_changes_with_every_part() -> None:
    manifest = manifest_of(Source("cournot", {"slope": 2.0}))
    assert run_id(manifest) == run_id(json.loads(json.dumps(manifest)))
    assert run_id(manifest) == run_id(dict(reversed(manifest.items())))
    assert len(run_id(manifest)) == 12
    assert int(run_id(manifest), 16) >= 0
    changed = [
        manifest | {"fields": {"slope": 2.5}},
        manifest | {"fields": {}},
        manifest | {"scenario": "day_ahead"},
        manifest | {"versions": manifest["versions"] | {"torch": "0"}},
        manifest | {"files": {"data.csv": "0"}},
        manifest | {"machine": "abacus"},
    ]
    assert len({run_id(m) for m in [manifest, *changed]}) == 7


MINE = """
from dataclasses import dataclass
from pathlib import Path
from helper_r import COST
from walras.core import Random
from walras.envs import CournotMarket
from walras.scenarios import AbstractScenario

@dataclass(frozen=True)
class Mine(AbstractScenario):
    seeds: int = 1
    name: str = "x"
    table: Path | None = None
    tables: tuple[Path, ...] = ()
    def game(self): return CournotMarket(cost=COST)
    def methods(self): return {"random": Random(self.game())}
    def charts(self): return {}
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A scenario's file with a module beside it."""
    (tmp_path / "helper_r.py").write_text("COST = (10.0, 10.0)\n")
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path / "mine.py"


def test_the_manifest_holds_the_versions_and_the_content_of_files(mine: Path, tmp_path: Path) -> None:
    tables = [tmp_path / f"data-{k}.csv" for k in range(3)]
    for table in tables:
        table.write_text("1")
    source = source_of(str(mine), table=tables[0], tables=tables[1:])
    manifest = manifest_of(source)
    read = [mine, mine.with_name("helper_r.py"), *tables]
    assert list(manifest["files"]) == [str(path) for path in read]
    assert manifest["versions"]["numpy"] == np.__version__
    assert {"python", "torch", "walras", "stable-baselines3"} <= set(manifest["versions"])
    for path in read:
        before, files = path.read_text(), watched(manifest["files"])
        check_unchanged(files)
        path.write_text(before + "\n")
        assert run_id(manifest_of(source)) != run_id(manifest)
        for check in (partial(watched, manifest["files"]), partial(check_unchanged, files)):
            with pytest.raises(ValueError, match=f"`files` must stay as they are .*; got .*{path.name}"):
                check()
        path.write_text(before)
        with pytest.raises(ValueError, match="`files` must stay as they are"):
            check_unchanged(files)  # written back
    assert manifest_of(source) == manifest


def test_only_fields_that_are_paths_are_files(mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = manifest_of(source_of(str(mine), name="SAC"))
    (tmp_path / "SAC").write_text("not a table")
    assert manifest_of(source_of(str(mine), name="SAC")) == before


def test_a_long_text_is_no_path(mine: Path) -> None:
    assert len(manifest_of(source_of(str(mine), name="x" * 300))["files"]) == 2


def saved(root: Path, scenario: str, name: str, when: float, finished: bool = True) -> Path:
    folder = root / scenario / name
    write_json(folder / "manifest.json", {})
    os.utime(folder / "manifest.json", (when, when))
    if finished:
        write_json(folder / "summary.json", {})
    return folder


def test_a_run_is_found_by_folder_id_prefix_or_scenario(tmp_path: Path) -> None:
    old = saved(tmp_path, "cournot", "abc123", when=100)
    new = saved(tmp_path, "cournot", "ffe000", when=200)
    saved(tmp_path, "cournot", "0ld000", when=50)
    other = saved(tmp_path, "day_ahead", "abd456", when=300)
    assert find_run(str(old), tmp_path) == old
    assert find_run(str(old), tmp_path / "elsewhere") == old
    assert find_run("abc123", tmp_path) == old
    assert find_run("abd", tmp_path) == other
    assert find_run("cournot", tmp_path) == new
    assert find_run("day_ahead", tmp_path) == other


def test_an_ambiguous_prefix_is_refused(tmp_path: Path) -> None:
    saved(tmp_path, "cournot", "abc123", when=100)
    saved(tmp_path, "day_ahead", "abd456", when=300)
    with pytest.raises(ValueError, match=r"`run` must name one run; got \[.*abc123.*abd456"):
        find_run("ab", tmp_path)


def test_the_name_of_a_scenario_is_not_taken_for_the_beginning_of_ids(tmp_path: Path) -> None:
    mine = saved(tmp_path, "ab", "123456", when=100)  # a file of one's own, ab.py
    saved(tmp_path, "cournot", "abc123", when=200)
    saved(tmp_path, "cournot", "abd456", when=300)
    assert find_run("ab", tmp_path) == mine


def test_the_newest_run_of_a_scenario_is_one_that_finished(tmp_path: Path) -> None:
    finished = saved(tmp_path, "cournot", "abc123", when=100)
    saved(tmp_path, "cournot", "ffe000", when=200, finished=False)
    assert find_run("cournot", tmp_path) == finished


def test_a_run_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"`run` must be .*; got 'nothing'; there are: none\."):
        find_run("nothing", tmp_path)
    saved(tmp_path, "cournot", "abc123", when=100)
    with pytest.raises(FileNotFoundError, match=r"got 'nothing'; there are: .*cournot/abc123"):
        find_run("nothing", tmp_path)


def test_an_unfinished_run_has_no_results(tmp_path: Path) -> None:
    folder = saved(tmp_path, "cournot", "abc123", when=100, finished=False)
    with pytest.raises(FileNotFoundError, match=r"`run` must be a finished run's folder, with a summary\.json"):
        load_results(folder)


def estimate(*seeds: float | None) -> dict[str, Any]:
    none = None in seeds
    return {"mean": None if none else sum(seeds) / len(seeds), "low": None if none else min(seeds),
            "high": None if none else max(seeds), "seeds": list(seeds)}  # fmt: skip


@pytest.fixture
def results(tmp_path: Path) -> Results:
    method = {
        "title": "PPO", "role": "learner", "market": {"price": estimate(30.0, 34.0)},
        "agents": {"gap": {"a": estimate(1.0, 3.0), "b": estimate(3.0, 5.0)},
                   "relative_gap": {"a": estimate(None, 1.0), "b": estimate(1.0, 2.0)}},
        "curve": [{"steps": 64, "updates": 2, "reward": {"a": estimate(1.0, 1.0), "b": estimate(2.0, 2.0)}}],
    }  # fmt: skip
    words = {"gap": {"title": "gain", "unit": "EUR/h"}, "price": {"title": "price", "unit": "EUR/MWh"}}
    record = {"methods": {"learned": method}, "measures": words, "seeds": 2, "agents": ["a", "b"]}
    return Results({"scenario": "cournot"}, record, tmp_path)


def test_results_are_tables(results: Results) -> None:
    summary = results.summary.set_index("measure")
    assert list(results.summary) == ["method", "measure", "mean", "low", "high", "unit"]
    assert list(summary.index) == ["gap", "relative_gap", "price"]
    assert (summary.loc["gap", "mean"], summary.loc["gap", "low"], summary.loc["gap", "unit"]) == (3.0, 2.0, "EUR/h")
    assert np.isnan(summary.loc["relative_gap", "mean"])
    assert summary.loc["price", ["mean", "low", "high"]].tolist() == [32.0, 30.0, 34.0]
    assert list(results.agents) == ["method", "agent", "measure", "mean", "low", "high", "unit"]
    assert results.agents["mean"].tolist()[:2] == [2.0, 4.0]
    assert np.isnan(results.agents["mean"][2])
    assert results.curves.iloc[1].tolist() == ["learned", 64, 2, "b", "reward", 2.0, 2.0, 2.0]


def test_results_show_themselves_in_short(results: Results, tmp_path: Path) -> None:
    assert repr(results).startswith("Results(scenario=cournot, methods=[learned], seeds=2, folder=")
    page = results._repr_html_()
    assert "<caption>Results</caption>" in page
    assert "<th>learned</th>" in page
    assert results.report() == tmp_path / "report.html"


def test_the_table_of_a_game_with_numbers_for_each_agent() -> None:
    game = CournotMarket(cost=(10.0, 20.0), horizon=3)
    trajectory = rollout(game, Random(game), (4, 5))
    table = tabulate(trajectory, game.agents, row=1)
    assert list(table) == ["step", "agent", "reward", "action", "quantity"]
    assert table["step"].tolist() == [0, 0, 1, 1, 2, 2]
    assert table["agent"].tolist() == ["firm_0", "firm_1"] * 3
    for line, (t, i) in enumerate((t, i) for t in range(3) for i in range(2)):
        row: Any = table.iloc[line]
        assert row["reward"] == trajectory.reward[t, 1, i]
        assert row["action"] == trajectory.action[t, 1, i, 0]
        assert row["quantity"] == trajectory.state.quantity[t + 1, 1, i]  # after the step


def test_the_table_repeats_what_is_told_of_lines_and_buses() -> None:
    game = NetworkCournotMarket(horizon=2)
    trajectory = rollout(game, Random(game), (0,))
    table = tabulate(trajectory, game.agents, row=0)
    assert len(table) == 4
    for t in range(2):
        assert table["line_price"][2 * t : 2 * t + 2].tolist() == [trajectory.state.line_price[t + 1, 0, 0]] * 2


def test_the_table_numbers_several_actions_and_repeats_what_agents_share() -> None:
    game = DayAheadMarket(horizon=2)
    trajectory = rollout(game, Random(game), (0,))
    table = tabulate(trajectory, game.agents, row=0)
    assert [f"action_{k}" for k in range(4)] == [c for c in map(str, table) if c.startswith("action")]
    assert {"price", "cleared", "hour", "offer_0", "dispatch_3", "outage"} <= set(table)
    assert len(table) == 10
    for t in range(2):
        part = table[table["step"] == t]
        assert part["price"].tolist() == [trajectory.state.price[t + 1, 0]] * 5
        assert part["agent"].tolist() == list(game.agents)
        dispatch = part[[f"dispatch_{k}" for k in range(4)]].to_numpy()
        np.testing.assert_array_equal(dispatch, trajectory.state.dispatch[t + 1, 0])
        np.testing.assert_array_equal(part["outage"], trajectory.state.outage[t + 1, 0])
        profit = ((part["price"].to_numpy()[:, None] - game.cost) * dispatch).sum(axis=1)
        np.testing.assert_allclose(part["reward"], profit)
