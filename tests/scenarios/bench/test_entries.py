import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.scenarios.bench.conftest import SUITE, TINY
from walras.scenarios.bench import entries
from walras.scenarios.bench.engines import Inline
from walras.scenarios.bench.entries import entry_rows, problems, summary_of, write_summary
from walras.scenarios.bench.plan import plan
from walras.scenarios.bench.results import Results
from walras.scenarios.bench.runner import bench
from walras.scenarios.bench.suite import Recipe, Suite
from walras.scenarios.cli import main

SHA = "0123456789abcdef0123456789abcdef01234567"
CONFIG = {
    "method": "own",
    "authors": "A. Author",
    "suite_commit": f"https://example.org/suite/commit/{SHA}",
    "method_commit": f"https://example.org/own/commit/{SHA}",
}


@pytest.fixture
def entry(tmp_path: Path, learner_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An entry without fault, to a core of few seeds and little experience."""
    monkeypatch.setattr(entries, "CORE", Suite(name="core", steps=64, seeds=2, block=2, evaluation=TINY))
    folder = tmp_path / "entry"
    suite = replace(SUITE, methods={"own": Recipe(f"{learner_file}:Settles")}, seeds=2, block=2)
    bench(plan(suite), folder, Inline(), say=lambda text: None, progress=False)
    (folder / "run.py").write_text("raise SystemExit('never run by a check')\n")
    (folder / "config.yaml").write_text(json.dumps(CONFIG))
    (folder / "requirements.txt").write_text(f"# pinned\nnumpy==2.0\nown @ git+https://example.org/own@{SHA}\n")
    write_summary(folder)
    return folder


def test_an_entry_without_fault_joins_the_leaderboard(entry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert problems(entry) == []
    assert main(["entry", str(entry)]) == 0
    rows = entry_rows(entry)
    table = Results(entry).table
    assert rows["role"].tolist() == ["entry"]
    assert rows["upper"].tolist() == table["upper"].tolist()
    summary = json.loads((entry / "summary.json").read_text())
    assert summary["rows"][0]["upper"] == pytest.approx(table["upper"].iloc[0])
    assert summary["hardware"][0]["cores"] >= 1
    assert len(summary["hashes"]) == 1


def edit(entry: Path, **config: object) -> None:
    (entry / "config.yaml").write_text(json.dumps(CONFIG | config))


@pytest.mark.parametrize("name", ["run.py", "config.yaml", "requirements.txt", "summary.json"])
def test_a_missing_file_is_told(entry: Path, name: str) -> None:
    (entry / name).unlink()
    assert problems(entry) == [f"{name} is missing"]


def test_what_is_wrong_in_the_config_is_told(entry: Path) -> None:
    edit(entry, authors="", method_commit="https://example.org/own/tree/main")
    assert problems(entry) == [
        "config.yaml lacks authors",
        "config.yaml: method_commit must be a URL that ends in a full SHA; got 'https://example.org/own/tree/main'",
    ]


def test_a_package_that_is_not_pinned_is_told(entry: Path) -> None:
    (entry / "requirements.txt").write_text("numpy>=2\n")
    assert problems(entry) == ["requirements.txt: each package must be pinned by ==, or by a commit; got 'numpy>=2'"]


def test_a_number_that_is_not_what_the_cells_say_is_told(entry: Path) -> None:
    summary = json.loads((entry / "summary.json").read_text())
    summary["rows"][0]["upper"] /= 2
    (entry / "summary.json").write_text(json.dumps(summary))
    assert problems(entry) == ["summary.json is not what the cells say; `walras entry FOLDER --write` writes it"]
    with pytest.raises(ValueError, match="`entry` must be as the documentation says"):
        entry_rows(entry)
    assert main(["entry", str(entry)]) == 1
    assert main(["entry", str(entry), "--write"]) == 0
    assert problems(entry) == []


def test_files_that_are_damaged_are_told(entry: Path) -> None:
    summary = (entry / "summary.json").read_bytes()
    for damaged in (summary[:-9], b"\xff\xfe", b""):
        (entry / "summary.json").write_bytes(damaged)
        assert problems(entry) == ["summary.json is not what the cells say; `walras entry FOLDER --write` writes it"]
    (entry / "config.yaml").write_text("method: [\n")
    (told,) = problems(entry)
    assert told.startswith("config.yaml cannot be read: `config.yaml` must be a file of YAML")
    assert "\n" not in told
    assert main(["entry", str(entry)]) == 1


def test_a_damaged_cell_is_told(entry: Path) -> None:
    cell = next((entry / "cells").iterdir())
    cell.write_bytes(cell.read_bytes()[:-100])
    (told,) = problems(entry)
    assert told.startswith("the results cannot be read: ")


def test_another_suite_or_fewer_seeds_are_told(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "CORE", Suite(name="core", steps=128, seeds=10, block=2, evaluation=TINY))
    assert problems(entry) == [
        "the suite's steps must be those of core, 128; got 64",
        "market has 2 seeds, fewer than 10",
    ]


def test_another_game_by_a_name_of_cores_is_told(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    market = Recipe("electricity.cournot_market", {"horizon": 4})
    core = replace(entries.CORE, games={"market": market, "other": Recipe("electricity.cournot_market")})
    monkeypatch.setattr(entries, "CORE", core)
    (told,) = problems(entry)
    assert told.startswith(
        "market must be that of core, {'make': 'walras.envs.electricity.cournot_market:CournotMarket'"
    )
    assert "'horizon': 4" in told.partition("; got ")[0]
    assert "'horizon': 3" in told.partition("; got ")[2]
    monkeypatch.setattr(entries, "CORE", replace(core, games={"market": Recipe(market.make, {"horizon": 3})}))
    assert problems(entry) == []


def test_a_method_without_results_is_told(entry: Path) -> None:
    edit(entry, method="another")
    assert "there are no results of the method 'another'" in problems(entry)
    assert summary_of(entry)["rows"] == []


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="`entry` must be a folder"):
        problems(tmp_path / "nowhere")
