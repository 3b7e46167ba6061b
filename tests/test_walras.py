"""The module `walras` itself: what it gives, what an import of it costs, and where its packages are."""

import importlib.util
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

import walras
from walras.envs import CournotMarket
from walras.scenarios.electricity.cournot import Cournot

TINY = """
import walras
from dataclasses import dataclass
from walras.core import Random
from walras.envs import CournotMarket
from walras.scenarios import AbstractScenario, Measure

HORIZON = 3

@dataclass(frozen=True)
class Tiny(AbstractScenario):
    seeds: int = 2
    def game(self): return CournotMarket(horizon=HORIZON)
    def methods(self): return {"random": Random(self.game())}
    def charts(self): return {}
"""
RUN = "print(walras.run(Tiny(seeds=1), root='runs', progress=False).folder.name)"


def python(*arguments: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def test_importing_walras_is_light_and_quick(tmp_path: Path) -> None:
    code = (
        "import sys, time; before = time.process_time(); import walras; spent = time.process_time() - before\n"
        "print([m for m in ('numpy', 'gymnasium', 'torch', 'pandas', 'importlib.metadata') if m in sys.modules], spent)"
    )
    loaded, seconds = python("-c", code, cwd=tmp_path).rsplit(" ", 1)
    assert loaded == "[]"
    assert float(seconds) < 0.1


def test_it_has_its_packages_and_its_version(tmp_path: Path) -> None:
    names = ("agents", "core", "envs", "equilibria", "markets", "mechanisms", "scenarios")
    for name in names:
        assert getattr(walras, name).__name__ == f"walras.{name}"
    assert walras.__version__ == version("walras")
    assert (
        {*names, "run", "load", "make", "solve", "gap", "audit", "__version__"}
        == set(walras.__all__)
        <= set(dir(walras))
    )
    with pytest.raises(AttributeError, match="module 'walras' has no attribute 'markts'"):
        _ = walras.markts
    assert python("-c", "from walras import envs; print(envs.CournotMarket().agents[0])", cwd=tmp_path) == "firm_0"


def test_it_is_found_from_the_checkout_too(root: Path) -> None:
    assert python("-c", "import walras.core; print(walras.core.__name__)", cwd=root) == "walras.core"


def test_solve_and_gap_are_those_of_equilibria() -> None:
    game = CournotMarket(cost=(10.0, 12.0))
    solution = walras.solve(game)
    assert walras.solve is walras.equilibria.solve
    np.testing.assert_allclose(walras.gap(game, solution.policy).upper, 0, atol=1e-9)


def test_make_takes_the_id_with_or_without_its_first_part() -> None:
    environment = walras.make("walras/cournot_market-v0", cost=(1.0, 2.0), horizon=2)
    assert environment.possible_agents == walras.make("cournot_market-v0", cost=(1.0, 2.0)).possible_agents
    observations, _ = environment.reset(seed=0)
    assert set(observations) == {"firm_0", "firm_1"}
    rewards = environment.step({agent: environment.action_space(agent).sample() for agent in observations})[1]
    assert set(rewards) == {"firm_0", "firm_1"}


def test_make_names_the_nearest_of_an_unknown_id() -> None:
    with pytest.raises(
        ValueError, match=r"`id` must be one of .*; got 'cournot-v0'\. Did you mean 'cournot_market-v0'\?"
    ):
        walras.make("walras/cournot-v0")


def test_a_run_by_name_by_scenario_and_by_file_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"seeds": 1, "steps": 64, "checkpoints": 1, "root": tmp_path, "workers": 1, "progress": False}
    results = walras.run("cournot", **small)
    again = walras.run(Cournot(seeds=1, steps=64, checkpoints=1), root=tmp_path, progress=False)
    assert again.folder == results.folder
    assert set(results.summary["method"]) == {"learned", "equilibrium", "best_response", "scripted", "random"}
    nash = results.agents.query("method == 'equilibrium' and measure == 'gap'")
    np.testing.assert_allclose(nash["mean"], 0, atol=1e-9)
    assert results.report().read_text().startswith("<!DOCTYPE html>")
    for name in (str(results.folder), results.folder.name[:5], "cournot"):
        assert walras.load(name, root=tmp_path).folder == results.folder
    pd_steps = walras.load(results.folder).steps
    assert {"method", "seed", "step", "agent", "reward"} <= set(pd_steps)
    (tmp_path / "my_market.py").write_text(TINY)
    monkeypatch.chdir(tmp_path)
    mine = walras.run("./my_market.py", workers=1, progress=False)
    assert mine.folder.parent == Path("runs/my_market")
    spec = importlib.util.spec_from_file_location("elsewhere", tmp_path / "my_market.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "elsewhere", module)
    spec.loader.exec_module(module)
    assert walras.run(module.Tiny(), workers=1, progress=False).folder == mine.folder


def test_a_scenario_of_a_script_runs_and_a_change_of_it_is_seen(tmp_path: Path) -> None:
    script = tmp_path / "study.py"
    ids: list[str] = []
    for text in (TINY, "\n\n" + TINY, TINY.replace("HORIZON = 3", "HORIZON = 4")):
        script.write_text(f"{text}\n{RUN}\n")
        ids.append(python("study.py", cwd=tmp_path))
    assert ids[0] == ids[1] != ids[2]
    assert python("-c", f"{TINY}\n{RUN}", cwd=tmp_path) == ids[0]


def test_a_script_runs_in_several_processes_without_running_itself_again(tmp_path: Path) -> None:
    (tmp_path / "my_market.py").write_text(TINY)
    (tmp_path / "study.py").write_text(
        "print('once')\nimport walras\nwalras.run('my_market.py', workers=2, progress=False)\n"
    )
    assert python("study.py", cwd=tmp_path) == "once"
