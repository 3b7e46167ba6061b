# ruff: noqa: E501 - a row is a line
"""Storages and forwards from files: the markets that they describe, a run, and what is refused."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from walras.envs import ForwardSpotMarket, StorageMarket
from walras.equilibria import solve
from walras.scenarios.cli import main
from walras.scenarios.electricity.market_file import market_schema
from walras.scenarios.engine.catalogue import source_of

LEARN = "learners: {algorithm: PPO, steps: 64, checkpoints: 1}\nseeds: 1\n"
LINE = {
    "market.yaml": "walras: 1\nmarket: {kind: storage}\nfleet: {file: fleet.csv}\n"
    "demand: {file: prices.csv, zone: UTC, intercept_eur_mwh: price, slope_eur_mwh_mw: 0.1}\n"
    "exam: {start: 2020-01-02, hours: 4}\n" + LEARN,
    "fleet.csv": "unit,owner,capacity_mw,marginal_cost_eur_mwh,energy_mwh,efficiency_charge,efficiency_discharge\n"
    "dam,hydro,60,0,80,0.9,0.9\nbattery,grid,60,0,80,0.9,0.9\n",
    "prices.csv": "time,price\n"
    + "".join(f"2020-01-01 {h:02}:00,33\n" for h in range(24))
    + "".join(f"2020-01-02 {h:02}:00,{p}\n" for h, p in enumerate((20, 30, 70, 50, 40))),
}
STACK = {
    "market.yaml": "walras: 1\nmarket: {kind: storage}\nfleet: {file: fleet.csv}\n"
    "demand: {file: load.csv, zone: UTC, column: load, must_run: wind}\n" + LEARN,
    "fleet.csv": "unit,owner,capacity_mw,marginal_cost_eur_mwh,energy_mwh,efficiency_charge,efficiency_discharge\n"
    "c,b,100,40,,,\nd,b,100,60,,,\nstore,s,60,0,100,0.9,0.9\na,a,100,10,,,\nb,b,100,20,,,\n",
    "load.csv": "time,load,wind\n2020-01-01 00:00,130,10\n2020-01-01 01:00,150,0\n"
    "2020-01-01 02:00,310,0\n2020-01-01 03:00,265,5\n",
}
AHEAD = {
    "market.yaml": "walras: 1\nmarket: {kind: forward_spot}\nfleet: {file: fleet.csv}\n"
    "demand: {intercept_eur_mwh: 100, slope_eur_mwh_mw: 1}\n" + LEARN,
    "fleet.csv": "unit,owner,capacity_mw,marginal_cost_eur_mwh\nu1,north,100,10\nu2,south,120,20\n",
}


def write(files: dict[str, str], folder: Path) -> Path:
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder / "market.yaml"


def game_of(files: dict[str, str], folder: Path) -> Any:  # noqa: ANN401 - a game
    return source_of(str(write(files, folder))).load().game()


def test_a_line_is_the_market_of_the_golden_schedules(tmp_path: Path) -> None:
    game = game_of(LINE, tmp_path)
    assert game.agents == ("dam", "battery")
    assert game.horizon == 4
    found: Any = solve(game)
    np.testing.assert_allclose(found.sold[:, 0], [-60.0, -26.709740, 60.0, 10.234889], atol=1e-6)
    np.testing.assert_allclose(found.value, 1106.819637, atol=1e-5)


def test_other_units_are_fixed_offers(tmp_path: Path) -> None:
    game = game_of(STACK, tmp_path)
    same = StorageMarket(
        power=(60.0,), energy=(100.0,), efficiency=0.81, horizon=4, supply="stack", names=("store",),
        load=(120.0, 150.0, 310.0, 260.0), offers=((10.0, 100.0), (20.0, 100.0), (40.0, 100.0), (60.0, 100.0)),
    )  # fmt: skip
    assert game == same
    scenario = source_of(str(tmp_path / "market.yaml")).load()
    assert set(scenario.methods()) == {"learned", "scripted", "random"}  # no equilibrium is known
    assert abs(solve(game).value[0] - 1364) < 1e-6


def test_forwards_are_the_golden_ones(tmp_path: Path) -> None:
    game = game_of(AHEAD, tmp_path)
    assert game == ForwardSpotMarket(100.0, 1.0, (10.0, 20.0), names=("north", "south"))
    found: Any = solve(game)
    assert abs(found.price - 32.0) < 1e-9
    np.testing.assert_allclose(found.quantity, [44.0, 24.0])
    np.testing.assert_allclose(found.forward, [22.0, 12.0])


@pytest.mark.parametrize("files", [STACK, pytest.param(AHEAD, marks=pytest.mark.slow)], ids=["stack", "ahead"])
def test_they_run_from_the_command_line(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(files, tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["check", "market.yaml"]) == 0
    assert ("storages" if files is STACK else "firms") in json.loads(capsys.readouterr().out)
    assert main(["run", "market.yaml", "--workers", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "learned" in told["summary"]["methods"]
    page = (Path(told["run"]) / "report.html").read_text()
    assert ("State of charge" in page) == (files is STACK)


def test_the_schema_takes_a_number_or_a_column() -> None:
    check = jsonschema.Draft202012Validator(market_schema())
    for given in (100.0, "price"):
        check.validate({"market": {"kind": "forward_spot"}, "demand": {"intercept_eur_mwh": given}})
    assert not check.is_valid({"demand": {"intercept_eur_mwh": [1.0]}})


WRONG = [
    (LINE, "fleet.csv", "battery,grid,60", "battery,grid,0", r"fleet\.csv, row 3, column capacity_mw: must be positive, for a storage"),
    (LINE, "fleet.csv", "80,0.9,0.9\nb", "80,0.9,0.8\nb", r"fleet\.csv, row 2, column efficiency_discharge: must equal `efficiency_charge`.*got '0\.8'"),
    (LINE, "fleet.csv", "dam,hydro,60,0,", "dam,hydro,60,5,", r"fleet\.csv, row 2, column marginal_cost_eur_mwh: must cost 0 for a storage.*got '5'"),
    (LINE, "fleet.csv", "battery,grid,60,0,80,0.9,0.9", "gas,grid,60,50,,,", r"fleet\.csv, row 3, column energy_mwh: must be given for each unit"),
    (LINE, "market.yaml", "intercept_eur_mwh: price", "intercept_eur_mwh: prise", r"prices\.csv: `prise` must be a column; it is missing\. Did you mean 'price'"),
    (LINE, "market.yaml", "slope_eur_mwh_mw: 0.1", "slope_eur_mwh_mw: -1", r"`slope_eur_mwh_mw` must be finite and not negative; got -1"),
    (LINE, "market.yaml", ", slope_eur_mwh_mw: 0.1", "", r"`demand\.slope_eur_mwh_mw` must be positive"),
    (LINE, "market.yaml", "kind: storage", "kind: storage, step: 30min", r"`market\.step` must be 1h for storage; got '30min'"),
    (LINE, "market.yaml", "kind: storage", "kind: storage, cap_eur_mwh: 100", r"`market\.cap_eur_mwh` must be left out: a market of kind storage does not use it; got 100"),
    (LINE, "market.yaml", "kind: storage", "kind: dispatch", r"`learners` must be left out|must be left out: a market of kind dispatch"),
    (LINE, "prices.csv", "2020-01-02 02:00,70\n", "", r"prices\.csv, row 28"),
    (STACK, "load.csv", "310,0", "360,0", r"`load less must_run` must be at most 340 MW, .* at 2020-01-01T02:00 while all storages charge; got 360"),
    (STACK, "load.csv", "130,10", "70,10", r"`load less must_run` must exceed 60 MW, .* at 2020-01-01T00:00; got 60"),
    (STACK, "fleet.csv", "store,s,60,0,100,0.9,0.9\n", "", r"`fleet\.file` must hold a unit with an `energy_mwh`"),
    (STACK, "fleet.csv", "store,s,60,0,100,0.9,0.9", "store,s,60,0,100,1.2,0.9", r"fleet\.csv, row 4, column efficiency_charge: must lie in \(0, 1\]; got '1\.2'"),
    (AHEAD, "fleet.csv", "u1,north,100", "u1,north,90", r"fleet\.csv, row 2, column capacity_mw: must reach 100 MW.*unused: \[capacity_mw\]"),
    (AHEAD, "fleet.csv", "u2,south,120", "u2,north,120", r"fleet\.csv, row 3, column owner: must stand once, and it stands in row 2"),
    (AHEAD, "fleet.csv", "120,20", "120,110", r"fleet\.csv, row 3, column marginal_cost_eur_mwh: must cost from 0 to below 100.*got '110'"),
    (AHEAD, "market.yaml", "intercept_eur_mwh: 100, ", "", r"`demand\.intercept_eur_mwh` must be a number or name a column; got ''"),
    (AHEAD, "market.yaml", "intercept_eur_mwh: 100", "intercept_eur_mwh: price", r"`demand\.file` must name a table of series with the column 'price'"),
    (AHEAD, "market.yaml", "slope_eur_mwh_mw: 1", "slope_eur_mwh_mw: 1, elasticity: 0.2", r"`demand\.elasticity` must be left out: a market of kind forward_spot"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "name", "old", "new", "words"), WRONG)
def test_what_does_not_fit_is_refused_with_its_place(
    tmp_path: Path, files: dict[str, str], name: str, old: str, new: str, words: str
) -> None:
    assert old in files[name]
    with pytest.raises(ValueError, match=words):
        game_of(files | {name: files[name].replace(old, new)}, tmp_path)


def test_a_capacity_may_be_said_to_be_unused(tmp_path: Path) -> None:
    files = AHEAD | {
        "market.yaml": AHEAD["market.yaml"].replace("fleet.csv}", "fleet.csv, unused: capacity_mw}"),
        "fleet.csv": AHEAD["fleet.csv"].replace("100,10", "1,10"),
    }
    assert game_of(files, tmp_path).cost == (10.0, 20.0)


@pytest.mark.parametrize("kind", ["day_ahead", "dispatch", "network_cournot"])
def test_other_markets_have_no_line_of_demand(kind: str, tmp_path: Path) -> None:
    files = AHEAD | {"market.yaml": f"walras: 1\nmarket: {{kind: {kind}}}\ndemand: {{intercept_eur_mwh: 100}}\n"}
    with pytest.raises(ValueError, match=rf"`demand\.intercept_eur_mwh` must be left out: a market of kind {kind}"):
        game_of(files, tmp_path)
