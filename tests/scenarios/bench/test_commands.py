import json
from pathlib import Path

import pytest

from walras.scenarios.bench.commands import Options, engine_of
from walras.scenarios.bench.engines import Inline, Processes, Ray, Slurm
from walras.scenarios.cli import main

SUITE = """
games: {market: {make: electricity.cournot_market, arguments: {horizon: 3}}}
methods: [random, scripted]
seeds: 2
block: 2
"""


@pytest.fixture
def suite(tmp_path: Path) -> str:
    file = tmp_path / "tiny.yaml"
    file.write_text(SUITE)
    return str(file)


def test_a_suite_runs_and_shows_its_leaderboard(suite: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = str(tmp_path / "store")
    arguments = ["bench", suite, "--engine", "inline", "--store", store]
    assert main(arguments) == 0
    told = capsys.readouterr()
    assert "2 cells to run: about" in told.err
    assert "gap at most" in told.out
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["failed"] == []
    assert {row["method"] for row in found["table"]} == {"random", "scripted"}
    page = tmp_path / "board.html"
    assert main(["leaderboard", store, "--to", str(page)]) == 0
    assert capsys.readouterr().out.split() == [str(page), str(tmp_path / "board.md")]
    assert "## market" in page.with_suffix(".md").read_text()
    assert "Game by game" in page.read_text()


def test_results_are_exported(suite: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, table = str(tmp_path / "store"), tmp_path / "table.csv"
    assert main(["bench", suite, "--engine", "inline", "--store", store]) == 0
    assert main(["export", store, "--form", "csv", "--to", str(table)]) == 0
    assert table.read_text().startswith("family,game,method,role,seeds,lower,")
    assert main(["query", store]) == 2
    assert "must be given a store and a question in SQL" in capsys.readouterr().err


def test_what_would_run_is_told_and_nothing_runs(
    suite: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    assert main(["bench", suite, "--store", str(store), "--estimate"]) == 0
    assert "2 cells to run: about" in capsys.readouterr().out
    assert not store.exists()


def test_who_cannot_play_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("games: [electricity.cournot_market]\n")
    assert main(["bench", str(file), "--skipped"]) == 0
    assert "DQN cannot play electricity.cournot_market: `game.action_space` must be Discrete" in capsys.readouterr().out


def test_a_failed_cell_is_told_with_its_traceback(
    tmp_path: Path, learner_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.yaml"
    learner = f'own: {{make: "{learner_file}:Settles", arguments: {{fails: raises}}}}'
    file.write_text(SUITE.replace("[random, scripted]", f"{{random: , {learner}}}"))
    assert main(["bench", str(file), "--engine", "inline", "--store", str(tmp_path / "store")]) == 1
    told = capsys.readouterr().err
    assert "own in market, seeds [0, 1]: FloatingPointError: The loss is NaN." in told
    assert 'settles.py", line' in told


def test_a_suite_of_which_every_cell_failed_tells_why(
    tmp_path: Path, learner_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.yaml"
    learner = f'own: {{make: "{learner_file}:Settles", arguments: {{fails: raises}}}}'
    file.write_text(SUITE.replace("[random, scripted]", f"{{{learner}}}"))
    arguments = ["bench", str(file), "--engine", "inline", "--store", str(tmp_path / "store")]
    assert main(arguments) == 1
    assert "own in market, seeds [0, 1]: FloatingPointError: The loss is NaN." in capsys.readouterr().err
    assert main([*arguments, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["table"] == []
    assert len(found["failed"]) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["bench"], "must be given a suite (core, quick) or a file; got none"),
        (["bench", "quik"], "Did you mean 'quick'"),
        (["leaderboard"], "must be given a folder or URL of results"),
        (["leaderboard", "nowhere"], "`store` must hold a suite; there is none in"),
        (["bench", "none.yaml"], "must be a name or an existing file"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_an_engine_has_the_workers_that_were_asked_for() -> None:
    assert engine_of(Options(engine="inline")) == Inline()
    assert engine_of(Options(workers=3)) == Processes(3)
    assert engine_of(Options(engine="ray", address="head:6379", workers=2)) == Ray("head:6379", 2)
    assert engine_of(Options(engine="slurm", workers=7)) == Slurm(workers=7)
