import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from walras.agents.ppo import mappo
from walras.core import Random, Scripted
from walras.envs import CournotMarket
from walras.equilibria import gap, solve
from walras.scenarios.cli import VERBS, main
from walras.scenarios.engine.catalogue import SCENARIOS

TINY = '''
"""Two firms that do not learn."""

from dataclasses import dataclass

from walras.core import Random, Scripted
from walras.envs import CournotMarket
from walras.scenarios import AbstractScenario
from walras.scenarios.electricity import measures


@dataclass(frozen=True)
class Tiny(AbstractScenario):
    """Two firms."""

    seeds: int = 2
    """Repetitions."""
    slope: float = 1.0
    """Of the demand."""
    cost: tuple[float, ...] = (10.0, 12.0)
    """Of each firm."""

    def game(self): return CournotMarket(slope=self.slope, cost=self.cost, cost_slope=1.0, horizon=3)
    def methods(self): return {"scripted": Scripted(self.game()), "random": Random(self.game())}
    def agent_measures(self): return {"lerner": measures.cournot_lerner}
    def market_measures(self): return {"price": measures.cournot_price}
    def charts(self): return {}
'''
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A scenario's file in the working folder, and no runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.py").write_text(TINY)
    return "tiny.py"


def ran(capsys: Captured, *argv: str) -> Any:  # noqa: ANN401 - whatever the command prints
    """The JSON that the command prints on standard output, and nothing else."""
    capsys.readouterr()
    assert main([*argv, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def mistake(capsys: Captured, *argv: str) -> str:
    """The one line of a command that fails with the exit code 2."""
    capsys.readouterr()
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("walras: ")
    assert err.count("\n") == 1
    return err


def test_usage_lists_the_verbs(capsys: Captured) -> None:
    for argv in ([], ["--help"], ["-h"]):
        assert main(argv) == 0
        usage = capsys.readouterr().out
        assert all(f"walras {verb}" in usage for verb in ("list", "run", "solve", "gap", "report", "replay"))


@pytest.mark.parametrize("verb", ["list", "run", "solve", "gap", "report", "replay"])
def test_every_verb_has_help(verb: str, capsys: Captured) -> None:
    try:
        code = main([verb, "--help"])
    except SystemExit as end:
        code = end.code
    assert code == 0
    assert "usage" in capsys.readouterr().out.lower()


@pytest.mark.parametrize("verb", ["run", "solve", "gap"])
def test_a_scenarios_help_lists_its_fields(verb: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as end:
        main([verb, "cournot", "--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert "--slope" in text
    assert "Fall of the price" in text
    assert "--json" in text


def test_an_unknown_verb_is_refused_with_the_nearest(capsys: Captured) -> None:
    told = mistake(capsys, "slove")
    assert f"`verb` must be one of {', '.join(sorted(VERBS))}; got 'slove'. Did you mean 'solve'?" in told


@pytest.mark.parametrize("verb", ["run", "solve", "gap"])
def test_a_scenario_must_be_known(verb: str, capsys: Captured) -> None:
    assert "Did you mean 'cournot'?" in mistake(capsys, verb, "curnot")
    assert f"must be given a scenario ({', '.join(sorted(SCENARIOS))})" in mistake(capsys, verb)
    assert "existing file; got 'nothing.py'" in mistake(capsys, verb, "nothing.py")


@pytest.mark.parametrize("verb", ["report", "replay"])
def test_a_run_must_be_known(verb: str, capsys: Captured, tmp_path: Path) -> None:
    assert "must be given a run" in mistake(capsys, verb)
    assert "got 'nothing'; there are: none." in mistake(capsys, verb, "nothing", "--root", str(tmp_path))


def test_list_shows_scenarios_environments_and_runs(capsys: Captured, file: str) -> None:
    found = ran(capsys, "list")
    assert set(found["scenarios"]) == set(SCENARIOS)
    assert {"cournot", "day_ahead", "fair_division"} <= set(SCENARIOS)
    assert found["environments"]["walras/DayAheadMarket-v0"] == "walras/day_ahead_market-v0"
    assert found["runs"] == []
    folder = ran(capsys, "run", file, "--workers", "1")["run"]
    assert ran(capsys, "list")["runs"] == [folder]
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    assert "day_ahead" in text
    assert folder in text.replace("\n", "")


def test_solve_prints_the_equilibrium(capsys: Captured) -> None:
    found = ran(capsys, "solve", "cournot", "--cost", "10", "20", "30")
    right = solve(CournotMarket(cost=(10.0, 20.0, 30.0)))
    assert found["game"] == "CournotMarket"
    assert list(found["value"]) == ["firm_0", "firm_1", "firm_2"]
    np.testing.assert_allclose(list(found["value"].values()), right.value)
    np.testing.assert_allclose([a[0] for a in found["action"].values()], [30, 20, 10])  # q = (a + sum c) / 4b - c / b
    assert found["residual"] <= 1e-9
    assert main(["solve", "supply_function"]) == 0
    assert "SupplyFunctionMarket" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("policy", "certifies", "kind"),
    [("solved", "Nash", "exact"), ("scripted", "Nash", "exact"), ("random", "Nash", "exact")],
)
def test_gap_judges_a_policy_by_its_name(policy: str, certifies: str, kind: str, capsys: Captured, file: str) -> None:
    game = CournotMarket(slope=2.0, cost=(10.0, 12.0), cost_slope=1.0, horizon=3)
    played = {"solved": solve(game).policy, "scripted": Scripted(game), "random": Random(game)}[policy]
    found = ran(capsys, "gap", file, "--slope", "2", "--policy", policy, "--judging-episodes", "40")
    right = gap(game, played, seeds=range(40))
    assert found == json.loads(json.dumps(right.to_json()))
    assert (found["kind"], found["concept"], found["certifies"], found["seeds"]) == (
        kind, "nash", certifies, list(range(40))
    )  # fmt: skip
    assert (max(found["upper"]) <= 1e-9) == (policy == "solved")


def test_gap_judges_the_solution_by_default_and_prints_a_line_an_agent(capsys: Captured, file: str) -> None:
    assert ran(capsys, "gap", file) == ran(capsys, "gap", file, "--policy", "solved", "--concept", "nash")
    assert main(["gap", file, "--policy", "scripted"]) == 0
    first, *rows = capsys.readouterr().out.splitlines()
    assert first.startswith("Gap (nash, exact)")
    assert [row.split()[0] for row in rows] == ["firm_0", "firm_1"]


def test_gap_judges_what_was_trained(capsys: Captured, file: str, tmp_path: Path) -> None:
    game = CournotMarket(slope=1.0, cost=(10.0, 12.0), cost_slope=1.0, horizon=3)
    trained = mappo.train(game, steps=96, num_envs=32, rollout_steps=3, checkpoints=1)
    trained.save(tmp_path / "learned")
    found = ran(capsys, "gap", file, "--policy", "learned", "--judging-episodes", "32")
    assert found["kind"] == "statistical"
    assert found["confidence"] == 0.95
    assert found["lower"] == gap(game, trained, seeds=range(32)).lower.tolist()


def test_gap_refuses_what_it_cannot_judge(capsys: Captured, file: str) -> None:
    assert "`policy` must be solved, scripted, random or a file of a trained learner; got 'greedy'." in mistake(
        capsys, "gap", file, "--policy", "greedy"
    )
    assert "`concept` must be nash" in mistake(capsys, "gap", file, "--concept", "competitive")
    assert "`path` must" in mistake(capsys, "gap", file, "--policy", file)


def test_solve_prints_what_the_kind_of_solution_holds(capsys: Captured) -> None:
    found = ran(capsys, "solve", "forward_spot", "--cost", "10", "20")
    assert (found["price"], found["quantity"], found["forward"]) == (32.0, [44.0, 24.0], [22.0, 12.0])
    found = ran(capsys, "solve", "network_cournot")
    assert found["action"].keys() == {"west", "east"}
    np.testing.assert_allclose(found["nodal_price"], [35, 64])
    assert "policy" not in found


def test_solve_of_a_file(capsys: Captured, file: str) -> None:
    assert ran(capsys, "solve", file, "--slope", "2")["action"].keys() == {"firm_0", "firm_1"}


def test_run_prints_the_summary(capsys: Captured, file: str) -> None:
    found = ran(capsys, "run", file, "--workers", "1")
    folder = Path(found["run"])
    assert folder.parent == Path("runs/tiny")
    assert json.loads((folder / "summary.json").read_text()) == found["summary"]
    assert Path(found["report"]).is_file()
    assert main(["run", file, "--workers", "1"]) == 0
    text = capsys.readouterr().out
    assert "scripted" in text
    assert "firm_1" in text
    assert "report.html" in text.replace("\n", "")


def test_fields_change_the_id_and_defaults_do_not(capsys: Captured, file: str) -> None:
    def folder(*argv: str) -> str:
        return ran(capsys, "run", file, "--workers", "1", *argv)["run"]

    default = folder()
    assert folder("--slope", "1.0") == default
    others = {folder("--slope", "2.0"), folder("--seeds", "1"), folder("--cost", "1", "2", "3")}
    assert len(others | {default}) == 4
    assert folder("--root", "elsewhere").startswith("elsewhere/tiny/")


def test_report_writes_the_page_again(capsys: Captured, file: str) -> None:
    folder = Path(ran(capsys, "run", file, "--workers", "1")["run"])
    page = (folder / "report.html").read_bytes()
    for name in (str(folder), folder.name, folder.name[:6], "tiny"):
        (folder / "report.html").write_text("old")
        assert ran(capsys, "report", name, "--trust") == {"report": str(folder / "report.html")}
        assert (folder / "report.html").read_bytes() == page


@pytest.mark.parametrize("verb", ["report", "replay"])
def test_no_file_of_a_run_is_executed_unasked_and_none_that_was_changed(verb: str, capsys: Captured, file: str) -> None:
    folder = Path(ran(capsys, "run", file, "--workers", "1")["run"])
    was = Path(file).read_text()
    Path(file).write_text(f"{was}\nopen('executed', 'w').close()\n")
    for options, message in (((), "add --trust; got"), (("--trust",), "`files` must stay as they are")):
        assert message in mistake(capsys, verb, str(folder), *options)
        assert not Path("executed").exists()
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"files": {}}))
    assert "the hash of its file" in mistake(capsys, verb, str(folder), "--trust")
    assert not Path("executed").exists()


def test_replay_compares_and_its_exit_code_says_how_it_went(capsys: Captured, file: str) -> None:
    folder = Path(ran(capsys, "run", file, "--workers", "1")["run"])
    assert ran(capsys, "replay", "tiny", "--trust", "--workers", "1") == {"summary.json": True, "steps.parquet": True}
    summary = folder / "summary.json"
    summary.write_text(summary.read_text() + " ")
    assert main(["replay", "tiny", "--trust", "--workers", "1"]) == 1
    out = capsys.readouterr().out
    assert "summary.json: DIFFERS" in out
    assert "steps.parquet: equal bit for bit" in out
    Path(file).write_text(TINY + "\n")
    assert "`files` must stay as they are" in mistake(capsys, "replay", "tiny", "--trust", "--json")


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (["--slope", "-1"], "`slope` must be positive and finite; got -1.0."),
        (["--slope", "nan"], "`slope` must be positive"),
        (["--cost", "500"], "`intercept` must exceed the lowest cost"),
        (["--seeds", "0"], "`seeds` must be at least 1; got 0."),
        (["--workers", "-1"], "workers"),
    ],
)
def test_a_value_that_a_field_cannot_have_is_one_line(
    field: list[str], message: str, capsys: Captured, file: str
) -> None:
    assert message in mistake(capsys, "run", file, "--json", *field)


def test_a_mistake_does_not_hide_the_runs_that_finished(capsys: Captured, file: str) -> None:
    folder = ran(capsys, "run", file, "--workers", "1")["run"]
    mistake(capsys, "run", file, "--json", "--workers", "1", "--slope", "-1")
    assert ran(capsys, "report", "tiny", "--trust") == {"report": f"{folder}/report.html"}


@pytest.mark.parametrize("wrong", [["--slope", "abc"], ["--slop", "1"], ["--seeds", "1.5"], ["extra"]])
def test_what_cannot_be_parsed_ends_with_the_exit_code_2(wrong: list[str], capsys: Captured, file: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(["run", file, *wrong])
    assert end.value.code == 2
    assert wrong[0].lstrip("-") in capsys.readouterr().err
    assert not Path("runs").exists()


def test_training_mistakes_are_one_line(capsys: Captured, file: str) -> None:
    assert "`checkpoints` must be a whole number, at least 1" in mistake(
        capsys, "run", "cournot", "--checkpoints", "0", "--json"
    )
    few = mistake(capsys, "run", "cournot", "--steps", "2", "--json")
    assert "`steps` must be at least 8, one a checkpoint; got 2" in few
    nowhere = mistake(capsys, "run", "day_ahead", "--data", "nowhere.csv", "--json")
    assert "nowhere.csv" in nowhere


def test_the_module_is_the_command(file: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "walras.scenarios.cli", "solve", "tiny.py", "--json"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"].startswith("Converged")
    assert "Traceback" not in done.stderr


def test_the_version(capsys: Captured) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"walras {version('walras')}\n"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("cost_slope=1.0", "cost_slop=1.0", r"TypeError: .*cost_slop.* \(.*tiny\.py, line \d+\) --traceback"),
        (
            "CournotMarket(slope",
            "{}['x'] or CournotMarket(slope",
            r"KeyError: 'x' \(.*tiny\.py, line \d+\) --traceback",
        ),
        ("class Tiny(", "class Tiny((", r"invalid syntax.*|.* in .*tiny\.py, line \d+"),
        (
            "measures.cournot_price",
            "lambda game, played: 1 / 0",
            r"ZeroDivisionError: .*\(cell scripted-0 of tiny; .*tiny",
        ),
    ],
)
def test_a_users_error_is_one_line_with_its_place(
    before: str, after: str, message: str, capsys: Captured, file: str
) -> None:
    Path(file).write_text(TINY.replace(before, after, 1))
    line = mistake(capsys, "run", file, "--json", "--workers", "1")
    assert re.search(message, line), line


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_error_of_a_cell_names_it(workers: str, capsys: Captured, file: str) -> None:
    Path(file).write_text(TINY.replace("measures.cournot_price", "lambda game, played: 1 / 0"))
    line = mistake(capsys, "run", file, "--json", "--workers", workers)
    assert re.search(r"ZeroDivisionError: .*\(cell (scripted|random)-\d of tiny; .*tiny\.py, line \d+\)", line), line


def test_traceback_shows_more(file: str) -> None:
    Path(file).write_text(TINY.replace("CournotMarket(slope", "{}['x'] or CournotMarket(slope"))
    with pytest.raises(KeyError, match="x"):
        main(["run", file, "--traceback", "--json"])


GO_ON = "walras: interrupted; the same command goes on from the last checkpoints.\n"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_interruption_ends_all_at_once_and_says_how_to_go_on(workers: str, file: str) -> None:
    begun = "(open(f'begun-{id(game)}', 'w'), __import__('time').sleep(60))"
    Path(file).write_text(TINY.replace("measures.cournot_price", f"lambda game, played: {begun}"))
    # As in a terminal, also where a shell runs the tests in the background.
    heard = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"import signal, walras; {heard}; walras.command()"
    command = [sys.executable, "-c", code, "run", file, "--json", "--workers", workers]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(Path.cwd().glob("begun-*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
    try:
        _, error = process.communicate(timeout=30)  # when all workers have closed it
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert (process.returncode, error) == (130, GO_ON)
    assert time.monotonic() - began < 5  # a quarter of a second where two cores have fifteen processes at work
    assert list(Path("runs").iterdir()) == []


def test_an_interruption_while_libraries_load_is_one_line() -> None:
    code = """
import sys, walras
class Interrupt:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == "walras.scenarios.cli":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt)
walras.command()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, GO_ON)


def test_the_command_line_starts_without_what_only_results_need() -> None:
    code = "import sys, walras.scenarios.cli; print({'scipy.stats', 'torch', 'plotly', 'cvxpy'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
