# ruff: noqa: E501 - a row is a line

import json
import shutil
from pathlib import Path
from typing import Any, get_args, get_type_hints

import jsonschema
import numpy as np
import pandas as pd
import pytest
import yaml

import walras
from walras.core import Scripted, rollout
from walras.envs import DayAheadMarket
from walras.scenarios import Source
from walras.scenarios.cli import main
from walras.scenarios.electricity.file_dispatch import FileDispatch
from walras.scenarios.electricity.market_file import KINDS, Market, MarketFile, load_market, market_schema
from walras.scenarios.electricity.system_charts import state_of_charge
from walras.scenarios.engine.catalogue import fields_of, source_of
from walras.scenarios.engine.documents import keys_of, table_of
from walras.scenarios.engine.files import digest, read_json
from walras.scenarios.engine.study import Found

A = {
    "market.yaml": """walras: 1
market: {kind: day_ahead, cap_eur_mwh: 180.3, horizon_hours: 4}
fleet: {file: fleet.csv, fuels: fuels.csv, co2_eur_t: 25}
demand: {file: demand.csv, time: time, zone: Europe/Madrid, column: load_mw}
exam: {start: 2018-01-01, hours: 4}
learners: {algorithm: PPO, steps: 2000, checkpoints: 2}
seeds: 2
""",
    "fleet.csv": "unit,owner,capacity_mw,marginal_cost_eur_mwh,fuel,efficiency,vom_eur_mwh\nh1,hydro,100,20,,,\n"
    "c1,thermal,150,,coal,0.4,1.5\ng1,thermal,200,,gas,0.55,2\n",
    "fuels.csv": "fuel,price_eur_mwh_th,co2_t_mwh_th\ncoal,10,0.34\ngas,22,0.2\n",
    "demand.csv": "time,load_mw\n2018-01-01 00:00,120\n2018-01-01 01:00,260\n2018-01-01 02:00,320\n2018-01-01 03:00,90\n",
}
ROOT = Path(__file__).resolve().parents[3]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def market(tmp_path: Path) -> Path:
    """Four hours, two owners, and three units."""
    for name, text in A.items():
        (tmp_path / "mine" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "mine" / name).write_text(text)
    return tmp_path / "mine" / "market.yaml"


def changed(market: Path, /, **values: Any) -> Path:  # noqa: ANN401
    """The market with other values of keys, as ``part__key``; a file's name gives its text."""
    content = yaml.load(market.read_text(), yaml.BaseLoader)
    for name, value in values.items():
        part, _, key = name.partition("__")
        if key:
            content.setdefault(part, {})[key] = value
        else:
            content[part] = value
    market.write_text(plain(content))
    return market


def exam_of(market: Path) -> DayAheadMarket:
    """The game of the market's exam."""
    game = source_of(str(market)).load().evaluation()
    assert isinstance(game, DayAheadMarket)
    return game


def trained_on(market: Path) -> DayAheadMarket:
    """The game in which the market's learners train."""
    game = source_of(str(market)).load().game()
    assert isinstance(game, DayAheadMarket)
    return game


def plain(value: Any) -> str:  # noqa: ANN401
    """YAML in one line, with no quotes."""
    match value:
        case dict():
            return "{" + ", ".join(f"{name}: {plain(part)}" for name, part in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(plain, value)) + "]"
        case _:
            return str(value) or "''"


def test_a_market_without_python_clears_as_worked_by_hand(market: Path) -> None:
    # Merit order 100 at 20, 150 at 47.75, 200 at 51.0909; loads 120, 260, 320, 90.
    game = exam_of(market)
    np.testing.assert_allclose(np.sort(game.cost[game.capacity > 0]), [20, 47.75, 51.090909], atol=1e-6)
    price = rollout(game, Scripted(game), (0,)).state.price[1:, 0]
    np.testing.assert_allclose(price, [47.75, 51.090909, 51.090909, 20], atol=1e-6)
    assert source_of(str(market)).load().equilibrium().converged


def test_offers_are_paid_as_bid_where_the_file_says_so(market: Path) -> None:
    scenario = source_of(str(changed(market, market__settlement="pay_as_bid"))).load()
    game: Any = scenario.evaluation()
    assert game.settlement == "pay_as_bid"
    assert not scenario.equilibrium().converged  # offers at cost: no equilibrium, and said so
    assert set(scenario.methods()) == {"scripted", "learned", "random"}
    assert np.all(rollout(game, Scripted(game), (0,)).reward == 0)


def test_the_example_runs_from_another_folder_and_replays(
    market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "mine/market.yaml", "--workers", "1", "--learners.steps", "64", "--seeds", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    folder = Path(told["run"])
    assert folder.parent.name == "market"
    assert set(told["summary"]["methods"]) == {"scripted", "learned", "random"}
    manifest = read_json(folder / "manifest.json")
    read = {Path(file).name: content for file, content in manifest["files"].items()}
    assert read == {name: digest(market.parent / name) for name in A if name.endswith(".csv")}
    assert manifest["fields"]["learners"] == {"steps": 64, "checkpoints": 2}
    market.unlink()  # the manifest says all that the file did
    assert main(["replay", str(folder), "--workers", "1"]) == 0
    assert "DIFFERS" not in capsys.readouterr().out


def run_of(market: Path) -> str:
    """The id of a market's run."""
    from walras.scenarios.engine.manifest import manifest_of, run_id

    return run_id(manifest_of(source_of(str(market))))


def test_an_edit_is_another_run_and_a_move_is_the_same(market: Path, tmp_path: Path) -> None:
    first = run_of(market)
    shutil.copytree(market.parent, tmp_path / "elsewhere")
    assert run_of(tmp_path / "elsewhere" / "market.yaml") == first
    market.write_text(f"# A comment.\n{market.read_text()}")
    assert run_of(market) == first
    for name in ("fleet.csv", "fuels.csv", "demand.csv"):
        text = (market.parent / name).read_text()
        (market.parent / name).write_text(text.replace("2", "3"))
        assert run_of(market) != first
        (market.parent / name).write_text(text)
    assert run_of(changed(market, seeds=3)) != first


def test_options_win_over_the_file_and_the_file_over_defaults(market: Path) -> None:
    assert source_of(str(market), learners={"steps": 7}).described().learners.steps == 7  # type: ignore[union-attr]
    source = source_of(str(market))
    assert Source(source.scenario, json.loads(json.dumps(source.fields))).described() == load_market(market)
    assert source.fields["learners"] == {"steps": 2000, "checkpoints": 2}
    assert fields_of(MarketFile()) == {}


def test_check_reads_all_and_prints_totals(market: Path, capsys: Captured) -> None:
    assert main(["check", str(market), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["units"], told["owners"], told["capacity (MW)"]) == (3, 2, 450)
    assert (told["net load, lowest (MW)"], told["net load, highest (MW)"]) == (90, 320)
    assert main(["check", "cournot"]) == 2
    assert "must be given a market's file" in capsys.readouterr().err


def test_hours_before_the_exam_train(market: Path) -> None:
    text = "time,load_mw\n" + "".join(f"2018-01-0{d} {h:02}:00,{10 * d + h}\n" for d in (1, 2) for h in range(24))
    (market.parent / "demand.csv").write_text(text)
    training, exam = trained_on(changed(market, exam__start="2018-01-02")), exam_of(market)
    np.testing.assert_array_equal(training.conditions.profile, 10 + np.arange(24.0))
    np.testing.assert_array_equal(exam.conditions.profile, 20 + np.arange(4.0))
    assert training.observation_space == exam.observation_space


def test_quarters_of_an_hour_are_cleared_and_paid_as_such(market: Path) -> None:
    quarters = pd.date_range("2018-03-25", periods=92, freq="15min", tz="Europe/Madrid").tz_localize(None)
    (market.parent / "demand.csv").write_text("time,load_mw\n" + "".join(f"{t},{120}\n" for t in quarters))
    path = changed(market, market__step="15min", exam={"start": "2018-03-25"})
    game = exam_of(path)
    assert (game.horizon, game.conditions.step_hours) == (92, 0.25)
    assert game.conditions.clock[[7, 8]].tolist() == [1.75, 3.0]  # summer time begins
    played = rollout(game, Scripted(game), (0,))
    # Hydro sells 100 MW at 47.75, 27.75 above its cost, for a quarter of an hour.
    np.testing.assert_allclose(played.reward[:, 0, 0], 2775 / 4)
    assert source_of(str(path)).load().objective().unit == "EUR in 15min"


def test_real_prices_are_compared_with_baselines_and_a_forecast(market: Path) -> None:
    hours = pd.date_range("2018-03-01", "2018-04-30", freq="h", inclusive="left", tz="Europe/Madrid")
    load = 100 + 20.0 * (np.arange(len(hours)) % 11)
    price = np.select([load <= 100, load <= 250], [20.0, 47.75], 51 + 1 / 11) + 7 + np.arange(len(hours)) % 3
    table = pd.DataFrame({"time": hours.astype(str), "load_mw": load, "known": load - 3, "real": price})
    table.to_csv(market.parent / "demand.csv", index=False)
    told = {"price": "real", "net_load": "known", "level_days": 5}
    changed(market, exam={"start": "2018-04-10", "hours": 48}, forecast=told, market__horizon_hours=24)
    reference = source_of(str(market)).load().reference()
    assert reference is not None
    first = int(np.flatnonzero(hours == "2018-04-10")[0])
    np.testing.assert_array_equal(reference["price"], price[first : first + 48])
    np.testing.assert_array_equal(reference["yesterday"], price[first - 24 : first + 24])
    # Real prices lie 7 to 9 above competitive ones, 8 on average over whole days; the load that was known is 3 MW less.
    np.testing.assert_allclose(reference["level"], 8, atol=1e-9)
    competitive = np.select([load - 3 <= 100, load - 3 <= 250], [20.0, 47.75], 51 + 1 / 11)
    days = (price - competitive)[: 40 * 24 - 1].reshape(-1)  # 1 March to 9 April, summer time included
    level = days[-120:].mean()
    np.testing.assert_allclose(reference["forecast"][:24], competitive[first : first + 24] + level, atol=1e-9)
    assert not reference.isna().any(axis=None)


def test_must_run_comes_off_the_load(market: Path) -> None:
    rows = A["demand.csv"].splitlines()
    (market.parent / "demand.csv").write_text(
        "\n".join([f"{rows[0]},sun", *(f"{row},{k}" for k, row in enumerate(rows[1:]))])
    )
    game = exam_of(changed(market, demand__must_run="sun"))
    np.testing.assert_array_equal(game.conditions.profile, [120, 259, 318, 87])


SUMMARY = {"cost ($)": 17_479.896925, "lowest price ($/MWh)": 10.0, "highest price ($/MWh)": 39.942736}


def test_a_case_is_dispatched_as_published(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    # PGLib's baseline of the direct-current model: 17,479.9; prices 10.00 to 39.94.
    shutil.copy(shared_data / "pglib_opf" / "pglib_opf_case5_pjm.m", tmp_path)
    (tmp_path / "pjm.yaml").write_text(
        "market: {kind: dispatch, cap_eur_mwh: 9000}\nnetwork: {case: pglib_opf_case5_pjm.m}\n"
    )
    monkeypatch.chdir(tmp_path.parent)
    results = walras.run(f"{tmp_path.name}/pjm.yaml", root=tmp_path / "runs", progress=False)
    assert set(results.tables) == {"hours", "units", "lines", "buses", "owners"}
    assert len(results.summary) == 0
    facts = results.record["study"]["facts"]
    assert {name: facts[name] for name in SUMMARY} == pytest.approx(SUMMARY, abs=1e-6)
    assert results.tables["lines"]["rent"].sum() == pytest.approx(facts["congestion rent ($)"])
    csv = pd.read_csv(results.folder / "buses.csv")
    np.testing.assert_allclose(csv["price"], results.tables["buses"]["price"])
    assert "Prices on the network" in results.report().read_text()
    assert main(["replay", str(results.folder), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"summary.json", *(f"{name}.parquet" for name in results.tables)}


@pytest.mark.parametrize(("convention", "cost"), [("pglib", 231_291.91), ("matpower", 234_168.634)])
def test_taps_that_a_convention_ignores_are_told(
    convention: str, cost: float, shared_data: Path, tmp_path: Path
) -> None:
    case = shared_data / "pglib_opf" / "pglib_opf_case118_ieee__api.m"
    (tmp_path / "api.yaml").write_text(
        f"market: {{kind: dispatch}}\nnetwork: {{case: {case}, convention: {convention}}}\n"
    )
    found = source_of(str(tmp_path / "api.yaml")).made().find()  # type: ignore[union-attr] - a study
    assert found.facts["cost ($)"] == pytest.approx(cost, abs=2e-3)
    told = ("The pglib convention ignores taps (9 branches) and shifts (0); 'matpower' has them.",)
    assert found.left_out == (told if convention == "pglib" else ())


def test_rts_gmlc_is_dispatched_from_a_file(shared_data: Path, tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "rts.yaml"
    path.write_text(
        "walras: 1\nmarket: {kind: dispatch, cap_eur_mwh: 9000}\n"
        f"network: {{rts_gmlc: {shared_data / 'rts_gmlc'}}}\nexam: {{start: 2020-08-26, hours: 24}}\n"
    )
    assert main(["solve", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["cost ($)"] == pytest.approx(1_910_383.66, abs=0.006)
    assert told["left_out"][0].startswith(
        "Left out: synchronous condensers (3), concentrated solar power (1), storage (1)"
    )
    assert main(["gap", str(path)]) == 2
    assert "must have a game; rts is a study" in capsys.readouterr().err


# Schema and table


def test_the_committed_schema_is_that_of_the_code(capsys: Captured) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == market_schema()
    committed = ROOT / "docs" / "scenarios" / "market.schema.json"
    assert json.loads(committed.read_text()) == market_schema(), "walras schema > docs/scenarios/market.schema.json"


def test_the_schema_accepts_the_example_and_refuses_other_keys() -> None:
    schema = market_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    example = yaml.load(A["market.yaml"], yaml.SafeLoader)
    example["exam"]["start"] = "2018-01-01"  # a date to YAML's older rules
    check.validate(example)
    for wrong in ({"markt": {}}, {"market": {"kind": "auction"}}, {"seeds": "two"}, {"fleet": {"file": 3}}):
        assert not check.is_valid(example | wrong)


def test_every_key_says_what_it_is_and_stands_in_the_table() -> None:
    parts = [key for key in keys_of(MarketFile) if key.section]
    keys = {f"{part.name}.{key.name}": key for part in parts for key in keys_of(part.hint)}
    assert all(key.doc.endswith(".") for key in [*keys.values(), *keys_of(MarketFile)])
    assert all(f"| `{name}` |" in table_of(MarketFile) for name in [*keys, "walras", "seeds"])
    page = (ROOT / "docs" / "scenarios" / "market_files.md").read_text()
    assert table_of(MarketFile) in page, "python .ci/generate.py"
    assert set(get_args(get_type_hints(Market)["kind"])) == set(KINDS)


# What is refused


WRONG = [
    ({"market__kind": "day_ahed"}, r"market\.yaml, line 1: `market\.kind` must be one of .*; got 'day_ahed'\. Did you mean 'day_ahead'"),
    ({"markt": {}}, r"`key` must be one of .*; got 'markt'\. Did you mean 'market'"),
    ({"market__cap": "3"}, r"`key of market` must be one of .*; got 'cap'"),
    ({"market__settlement": "pay_as_bids"}, r"`market\.settlement` must be one of .*pay_as_bid.*; got 'pay_as_bids'"),
    ({"market": {"kind": "dispatch", "settlement": "pay_as_bid"}, "learners": {}, "seeds": 5}, r"`market\.settlement` must be left out: a market of kind dispatch does not use it"),
    ({"market__cap_eur_mwh": "-1"}, r"`cap_eur_mwh` must be positive and finite; got -1"),
    ({"market__horizon_hours": "2.5"}, r"`market\.horizon_hours` must be a whole number; got '2\.5'"),
    ({"seeds": "0"}, r"`seeds` must be a whole number, at least 1; got 0"),
    ({"market__price_rule": "midpoint"}, r"`market\.price_rule` must be left out: a market of kind day_ahead does not use it; got 'midpoint'"),
    ({"market__price_rule": "mid"}, r"market\.yaml, line 1: `market\.price_rule` must be one of midpoint, supporting; got 'mid'"),
    ({"walras": "2"}, r"`walras` must be 1, the version of this format; got 2"),
    ({"market__floor_eur_mwh": "-5"}, r"`market\.floor_eur_mwh` must be 0, the floor of the day-ahead game"),
    ({"network__case": "a.m"}, r"`network` must be left out: a market of kind day_ahead does not use it; got \{'case': '.*a\.m'\}"),
    ({"market": {"kind": "dispatch"}, "learners": {}, "seeds": 5, "network": {"case": "a.m"}}, r"`fleet` must be left out: a MATPOWER case"),
    ({"network": {"case": "a.m", "pypsa": "b"}}, r"`network` must have one source; got 'case, pypsa'"),
    ({"network": {"branches": "a.csv"}}, r"`branches` must stand beside a table of `buses`"),
    ({"network__case": "a.mat"}, r"must be a text file; .*savecase"),
    ({"demand__columns": {"N": "a"}}, r"`columns` must be given, or `column`, not both"),
    ({"demand__column": ""}, r"`demand\.column` must name the column of the load"),
    ({"demand__column": "load"}, r"demand\.csv: `load` must be a column; it is missing\. Did you mean 'load_mw'"),
    ({"demand__file": "load.csv"}, r"load\.csv'?, which does not exist"),
    ({"fleet": {"co2_eur_t": "1"}}, r"`fleet\.file` must name a table of units; got nothing"),
    ({"exam__start": "2019-01-01"}, r"`exam\.start` must be a day of the series, 2018-01-01 to 2018-01-01"),
    ({"exam__start": "20180101"}, r"`exam\.start` must be a date such as 2018-01-31; got '20180101'"),
    ({"demand__must_run": ["load_mw"]}, r"`must_run` must name columns of generation, not of load; got \['load_mw'\]"),
    ({"demand__must_run": ["wind", "wind"]}, r"`must_run` must name each column once; got \['wind'\]"),
    ({"forecast__net_load": "known"}, r"`net_load` must stand beside a column of real prices"),
    ({"exam__hours": "5"}, r"`exam\.hours` must lie in \[1, 4\]"),
    ({"fleet__unused": ["ramp_mw_h"]}, r"`fleet\.unused` must name columns of .*fleet\.csv; got 'ramp_mw_h'"),
    ({"learners__algorithm": "DQN"}, r"`learners\.algorithm` must be one of PPO, SAC, TD3; got 'DQN'"),
    ({"market__horizon_hours": "24"}, r"`market\.horizon_hours` must be at most the 4 hours on which sellers train; got 24"),
    ({"market": {"kind": "dispatch", "cap_eur_mwh": "30"}, "learners": {}, "seeds": 5, "exam": {}}, r"fleet\.csv, row 3, column fuel: must cost between the floor -500 and the cap 30 EUR/MWh; it costs 47\.75"),
]  # fmt: skip


def test_brackets_without_end_are_refused_at_once(market: Path) -> None:
    market.write_text("[" * 200_000)  # PyYAML alone takes minutes
    with pytest.raises(ValueError, match="nested too deep"):
        source_of(str(market)).load()


@pytest.mark.parametrize(("values", "message"), WRONG)
def test_wrong_markets_are_told_in_a_line(values: dict[str, Any], message: str, market: Path, capsys: Captured) -> None:
    import re

    changed(market, **values)
    code = main(["run", str(market), "--root", str(market.parent / "runs")])
    told = capsys.readouterr().err
    assert (code, told.count("\n")) == (2, 1)
    assert re.search(message, told), told
    assert not (market.parent / "runs").exists()


TABLES = [
    ("fleet.csv", "unit,owner,capacity_mw,marginal_cost_eur_mwh,ramp_mw_h\na,x,9,1,5\n", {}, r"fleet\.csv, row 1: `ramp_mw_h` must be a column that day_ahead uses.*`unused: \[ramp_mw_h\]`"),
    ("fleet.csv", "unit,owner,capacity_mw,marginal_cost_eur_mwh,bus\na,x,9,1,N\n", {}, r"row 1: `bus` must be a column that day_ahead uses"),
    ("fleet.csv", "unit,owner,capacity_mw,marginal_cost_eur_mwh\na,x,9,1\nb,x,9,-2\n", {}, r"fleet\.csv, row 3, column marginal_cost_eur_mwh: must cost between the floor 0 and the cap 180\.3"),
    ("fleet.csv", "unit,owner,capacity_mw,marginal_cost_eur_mwh,availability\na,x,9,1,wind\n", {}, r"demand\.csv: `wind` must be a column"),
    ("fleet.csv", "# units of 2018\n" + A["fleet.csv"], {}, r"`fleet\.file` must have no more than 1 cells in a row, as its first row has; got '.*fleet\.csv, whose row 2 has 7'"),
    ("fleet.csv", "PK\x03\x04", {}, r"`fleet\.file` must be a text file; got '.*fleet\.csv', an archive or a workbook: save its table as CSV"),
    ("demand.csv", A["demand.csv"].replace(",260", ",-260"), {}, r"demand\.csv, row 3, column load_mw: must not be negative; got '-260'"),
    ("fuels.csv", "time,coal,gas\n2018-01-01 00:00,1,2\n", {"fleet__co2_eur_t": "0"}, r"must have one price a fuel"),
    ("fuels.csv", "time,coal,gas\n2018-01-01 00:00,1,2\n", {}, r"`fleet\.co2_eur_t` must be 0: .*include CO2"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "values", "message"), TABLES)
def test_wrong_tables_of_a_market_are_told(
    name: str, text: str, values: dict[str, Any], message: str, market: Path
) -> None:
    (market.parent / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        source_of(str(changed(market, **values))).load().evaluation()


def test_a_column_that_is_said_to_be_unused_may_stand_there(market: Path) -> None:
    rows = A["fleet.csv"].splitlines()
    (market.parent / "fleet.csv").write_text("\n".join([f"{rows[0]},ramp_mw_h", *(f"{row},5" for row in rows[1:])]))
    changed(market, fleet__unused=["ramp_mw_h"])
    assert source_of(str(market)).load().evaluation().agents == ("hydro", "thermal")


def test_what_is_available_lies_between_nothing_and_all(market: Path) -> None:
    rows = A["demand.csv"].splitlines()
    (market.parent / "demand.csv").write_text(
        "\n".join([f"{rows[0]},wind", *(f"{row},{k}" for k, row in enumerate(rows[1:]))])
    )
    (market.parent / "fleet.csv").write_text(
        "unit,owner,capacity_mw,marginal_cost_eur_mwh,availability\na,x,9,1,wind\n"
    )
    changed(market, market={"kind": "dispatch"}, learners={}, seeds=5, exam={}, fleet={"file": "fleet.csv"})
    with pytest.raises(ValueError, match=r"demand\.csv, row 4, column wind: must lie in \[0, 1\]; got '2'"):
        source_of(str(market)).made().find()  # type: ignore[union-attr] - a study


def test_a_price_between_two_offers_is_their_middle_if_asked(market: Path) -> None:
    (market.parent / "demand.csv").write_text(A["demand.csv"].replace(",120", ",100"))
    told = {"kind": "dispatch", "price_rule": "midpoint"}
    changed(market, market=told, learners={}, seeds=5, exam={})
    found = source_of(str(market)).made().find()  # type: ignore[union-attr] - a study
    # 100 MW are all of the hydro unit at 20; the next costs 47.75.
    assert found.tables["hours"]["price"].tolist() == pytest.approx([33.875, 51 + 1 / 11, 51 + 1 / 11, 20])
    profit = found.tables["owners"].set_index("owner")["profit"]
    assert profit["hydro"] == pytest.approx(100 * (13.875 + 2 * (31 + 1 / 11)))


def test_a_storage_of_a_fleet_is_dispatched_over_the_horizon(market: Path) -> None:
    (market.parent / "fleet.csv").write_text(
        "unit,owner,capacity_mw,marginal_cost_eur_mwh,energy_mwh\nu,x,200,10,\nv,y,200,50,\ns,z,60,0,60\n"
    )
    changed(market, market={"kind": "dispatch"}, learners={}, seeds=5, exam={}, fleet={"file": "fleet.csv"})
    found = source_of(str(market)).made().find()  # type: ignore[union-attr] - a study
    # Loads 120, 260, 320, 90: 60 MWh are stored at 10 and given at 50, in the hours of 260 and 320; all is saved once.
    assert found.facts["cost (EUR)"] == pytest.approx(10 * 790 + 40 * (60 + 120 - 60))
    assert found.tables["storages"]["energy_mwh"].max() == pytest.approx(60)
    assert found.tables["owners"].set_index("owner")["profit"]["z"] == pytest.approx(60 * 40)
    figure: Any = state_of_charge(found.tables)
    assert figure is not None
    assert list(figure.data[1].y) == found.tables["storages"]["energy_mwh"].round(2).tolist()
    changed(market, market={"kind": "dispatch", "horizon_hours": "2"})
    halves = source_of(str(market)).made().find()  # type: ignore[union-attr] - a study
    # In the second half nothing is left to give, and what is stored last must not stay: energy comes from nowhere else.
    assert halves.tables["storages"]["energy_mwh"].tolist() == pytest.approx([60, 0, 0, 0])
    assert halves.facts["cost (EUR)"] == pytest.approx(found.facts["cost (EUR)"])
    changed(market, market={"kind": "dispatch", "price_rule": "midpoint"})
    with pytest.raises(
        ValueError, match=r"`market\.price_rule` must be left out: a dispatch with storages, whose steps"
    ):
        source_of(str(market)).made().totals()  # type: ignore[union-attr] - a study


@pytest.mark.parametrize("part", ["learners", "seeds"])
def test_a_dispatch_has_neither_learners_nor_seeds(part: str, tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(f"market: {{kind: dispatch}}\n{part}: {'{steps: 5}' if part == 'learners' else 3}\n")
    with pytest.raises(ValueError, match=rf"`{part}` must be left out: a market of kind dispatch does not use it"):
        source_of(str(path)).made()


def test_a_table_that_changes_while_it_is_read_stops_the_run(market: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed(market, market={"kind": "dispatch"}, learners={}, seeds=5, exam={})
    whole = FileDispatch.find

    def late(self: FileDispatch) -> Found:
        found = whole(self)
        (market.parent / "fleet.csv").write_text(A["fleet.csv"].replace("100,20", "100,10"))
        return found

    monkeypatch.setattr(FileDispatch, "find", late)
    with pytest.raises(ValueError, match=r"`files` must stay as they are while a run reads them.*fleet\.csv"):
        walras.run(str(market), root=market.parent / "runs", progress=False)
    assert not list((market.parent / "runs").rglob("summary.json"))


def test_prices_of_fuels_may_change_by_the_step(market: Path) -> None:
    rows = "time,coal,gas\n2018-01-01 00:00,10,22\n2018-01-01 01:00,10,22\n2018-01-01 02:00,10,11\n2018-01-01 03:00,10,22\n"
    (market.parent / "fuels.csv").write_text(rows)
    content = {"kind": "dispatch"}
    changed(market, market=content, learners={}, seeds=5, exam={}, fleet={"file": "fleet.csv", "fuels": "fuels.csv"})
    found = source_of(str(market)).made().find()  # type: ignore[union-attr] - a study
    # Coal costs 26.5, gas 42; at 11 EUR/MWh of heat gas costs 22 and comes before coal, which then sets no price.
    assert found.tables["hours"]["price"].tolist() == pytest.approx([26.5, 42, 26.5, 20])
