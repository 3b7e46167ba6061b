"""Network Cournot from a file: the market that it describes, its equilibrium, a run, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from walras.envs import NetworkCournotMarket
from walras.equilibria import solve
from walras.markets.electricity.elastic_network import Consumers, Plant, Wire
from walras.scenarios.cli import main
from walras.scenarios.engine.catalogue import source_of
from walras.scenarios.engine.results import load_results

FILES = {
    "market.yaml": """walras: 1
market: {kind: network_cournot, horizon_hours: 4}
fleet: {file: fleet.csv}
demand: {file: demand.csv, zone: UTC, columns: {W: west, E: east}, elasticity: 0.25, reference_price_eur_mwh: 20}
network: {buses: buses.csv, branches: branches.csv}
exam: {hours: 1}
learners: {algorithm: PPO, steps: 64, checkpoints: 1}
seeds: 1
""",
    "fleet.csv": "unit,owner,bus,capacity_mw,marginal_cost_eur_mwh\nw1,west,W,200,10\ne1,east,E,200,30\n",
    "demand.csv": "time,west,east\n2020-01-01 00:00,80,160\n2020-01-01 01:00,90,170\n",
    "buses.csv": "bus\nW\nE\n",
    "branches.csv": "branch,from_bus,to_bus,limit_mw,susceptance_mw_rad\nwe,W,E,10,1\n",
}


@pytest.fixture
def market(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path / "market.yaml"


def test_the_file_is_the_market_of_the_two_ends(market: Path) -> None:
    # Elastic through 80 and 160 MW at 20 EUR/MWh with 0.25: a = 100, b = 1 and 0.5.
    scenario = source_of(str(market)).load()
    game: Any = scenario.game()
    same = NetworkCournotMarket(
        (Plant("west", "W", 10.0, 0.0, 200.0), Plant("east", "E", 30.0, 0.0, 200.0)),
        (Consumers("W", 100.0, 1.0), Consumers("E", 100.0, 0.5)),
        (Wire("W", "E", 1.0, 10.0),),
        horizon=4,
    )
    assert game == same
    found: Any = scenario.equilibrium()
    assert found.converged
    np.testing.assert_allclose(found.action, solve(same).action, atol=1e-9)  # type: ignore[attr-defined]
    assert set(scenario.methods()) == {"learned", "equilibrium", "scripted", "random"}


def test_it_runs_from_the_command_line(
    market: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(market.parent)
    (market.parent / "buses.csv").write_text("bus,latitude,longitude\nW,43,-8\nE,41,2\n")
    assert main(["check", "market.yaml"]) == 0
    assert "owners" in capsys.readouterr().out
    assert main(["run", "market.yaml", "--workers", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["summary"]["methods"]) == {"learned", "equilibrium", "scripted", "random"}
    assert (Path(told["run"]) / "report.html").exists()
    figure = (
        source_of("market.yaml")
        .load()
        .charts()["Prices on the network in equilibrium"](load_results(Path(told["run"])))
    )
    (line,), buses = ([t for t in figure.data if t.mode == mode] for mode in ("lines", "markers"))
    assert (list(line.x), list(line.y)) == ([-8, -3, 2], [43, 42, 41])
    assert (line.line.color, line.hovertemplate) == ("#D55E00", "W to E: 10.0 of 10 MW<extra></extra>")
    solution: Any = solve(source_of("market.yaml").load().game())
    prices = zip("WE", solution.nodal_price, strict=True)
    assert {text for trace in buses for text in trace.text} == {f"{bus}: {price:,.2f} EUR/MWh" for bus, price in prices}
    assert figure.layout.meta["caption"].startswith("Seed 0 of: price differences stay. Prices of the buses, where")


WRONG = [
    ("market.yaml", "elasticity: 0.25, ", "", r"`demand\.elasticity` must be given"),
    ("market.yaml", ", reference_price_eur_mwh: 20", "", r"`demand\.reference_price_eur_mwh` must be given"),
    ("market.yaml", "exam: {hours: 1}\n", "", r"`exam\.hours` must be the length of one step"),
    ("market.yaml", "horizon_hours: 4", "settlement: pay_as_bid", r"`market\.settlement` must be left out"),
    ("market.yaml", "network: {buses: buses.csv, branches: branches.csv}\n", "", r"`network\.buses` must name"),
    ("fleet.csv", "e1,east,E,", "e1,east,X,", r"fleet\.csv, row 3, column bus: must be a bus of .*got 'X'"),
    ("fleet.csv", "e1,east,E,", "e1,east,,", r"fleet\.csv, row 3"),
    ("buses.csv", "W\nE\n", "W\nE\nS\n", r"buses\.csv"),
    ("demand.csv", "2020-01-01 01:00", "2020-01-01 00:00", r"demand\.csv, row 3"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "words"), WRONG)
def test_what_does_not_fit_is_refused_with_its_place(market: Path, name: str, old: str, new: str, words: str) -> None:
    text = FILES[name]
    assert old in text
    (market.parent / name).write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=words):
        source_of(str(market)).load().game()
