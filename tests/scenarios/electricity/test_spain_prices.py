import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import walras
from walras.core import lazy
from walras.markets.electricity.data import CLEAN_COLUMNS
from walras.markets.electricity.day_forecasts import lag, lasso, similar_day, structural
from walras.scenarios.cli import main
from walras.scenarios.electricity import forecast_charts, spain_prices
from walras.scenarios.electricity.spain_prices import SpainPrices
from walras.scenarios.engine.catalogue import source_of
from walras.scenarios.engine.manifest import manifest_of


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """120 days of made-up hours in the clean layout."""
    rng = np.random.default_rng(0)
    times = pd.date_range("2017-12-31 23:00", periods=120 * 24, freq="h", tz="UTC")
    table = pd.DataFrame({name: rng.uniform(100, 900, len(times)) for name in CLEAN_COLUMNS if name != "timestamp_utc"})
    table["load_actual_mw"] = table["load_forecast_mw"] = 28_000 + 5_000 * rng.random(len(times))
    table["price_day_ahead_eur_mwh"] = 20 + table["load_forecast_mw"] / 1_000 + rng.normal(0, 1, len(times))
    table["price_actual_eur_mwh"] = table["price_day_ahead_eur_mwh"] + 5
    table["flag"] = np.where(np.arange(len(times)) < 48, 1, 2)
    table.insert(0, "timestamp_utc", times)
    table.to_csv(tmp_path / "hours.csv", index=False)
    return tmp_path / "hours.csv"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the forecasters that are quick."""
    quick = {name: similar_day for name in ("sarima_101_111_24", "simulacrum", "lasso_look_ahead")}
    kept = {"lag_24": lag(1), "similar_day": similar_day, "lasso": lasso, "structural": structural}
    monkeypatch.setattr(spain_prices, "FORECASTERS", kept | quick)


@pytest.mark.usefixtures("few")
def test_the_summary_tells_each_forecasters_errors(data: Path, tmp_path: Path) -> None:
    results = walras.run(SpainPrices(data, "2018-04-20", 3), root=tmp_path / "runs", progress=False)
    told = json.loads((results.folder / "summary.json").read_text())["forecasters"]
    hours = results.tables["hours"]
    assert set(told) == {*spain_prices.FORECASTERS, "structural_lasso"}
    assert len(hours) == 72
    for name, each in told.items():
        error = hours[name] - hours["price"]
        assert each["mse"] == pytest.approx((error**2).mean())
        assert each["mae"] == pytest.approx(error.abs().mean())
        assert each["crps"] is None  # too few days
    np.testing.assert_allclose(hours["structural_lasso"], (hours["lasso"] + hours["structural"]) / 2)
    assert told["lasso"]["p"] is None
    changes = json.loads((results.folder / "summary.json").read_text())["counterfactuals"]
    stack = results.tables["stack"]
    assert (np.diff(stack["fitted"]) >= 0).all()
    assert abs(float(stack["fitted"].mean() - hours["price"].mean())) < 2  # one level fits all made-up days
    assert set(changes) == {"wind", "nuclear_unit", "merger"}
    assert all(each["low"] <= each["effect"] <= each["high"] for each in changes.values())
    assert changes["wind"]["effect"] < 0 < changes["nuclear_unit"]["effect"]
    page = (results.folder / "report.html").read_text()
    assert "In the public table 48 of 2,880 hours stand at another date, day and month being swapped" in page
    assert {chart(results.tables) is None for chart in forecast_charts.CHARTS.values()} == {False, True}
    assert forecast_charts.coverage(results.tables) is None  # too few days for intervals


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"start": "2019-01-01"}, "`start` must be a day from 2018-01-01 to 2018-04-30; got '2019-01-01'"),
        ({"start": "2018-01-20"}, "`start` must leave 56 days before it in the data; got '2018-01-20'"),
        ({"start": "2018-04-20", "days": 30}, "`days` must end in the data, after at most 11; got 30"),
        ({"days": 0}, "`days` must be a whole number, at least 1; got 0"),
        ({"data": None}, "`data` must name a table of Spanish hours"),
    ],
)
def test_what_the_data_do_not_hold_is_refused(data: Path, fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SpainPrices(**({"data": data} | fields)).find()  # type: ignore[arg-type]


def test_without_data_the_command_says_what_is_missing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["run", "spain_prices", "--root", str(tmp_path)]) == 2
    assert "`data` must name a table of Spanish hours" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("alone", "p", "said"),
    [
        (14.0, 0.32, "misses by 14.00, which the days do not show to be another (Diebold-Mariano p = 0.32)"),
        (16.0, 0.68, "misses by 16.00, which the days do not show to be another (Diebold-Mariano p = 0.32)"),
        (14.0, 0.049, "misses by 14.00, better than the lasso (Diebold-Mariano p = 0.049)"),
        (16.0, 0.97, "misses by 16.00, worse than the lasso (Diebold-Mariano p = 0.03)"),
        (15.0, np.nan, "misses by 15.00, which cannot be tested: the days are too few, or the forecasts alike"),
    ],
)
def test_the_headline_says_no_more_than_the_test_of_differences(alone: float, p: float, said: str) -> None:
    errors = {"structural": {"mse": alone}, "lasso": {"mse": 15.0}, "structural_lasso": {"mse": 13.5}}
    told = spain_prices._headline(errors, {"structural": p, "structural_lasso": 0.2})  # pyright: ignore[reportPrivateUsage]
    assert told.startswith(f"In mean square the lasso misses by 15.00. The market alone {said};")
    assert told.endswith("both by 13.50, which the days do not show to be another (Diebold-Mariano p = 0.2).")


@pytest.mark.parametrize("missing", ["scikit-learn", "statsmodels"])
def test_a_missing_library_is_told_before_the_data_are_read(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(name: str) -> str:
        if name == missing:
            raise PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(lazy, "version", found)
    said = rf'{missing} is not installed: pip install "walras\[forecast\]"'
    study = SpainPrices(Path("no_such_table.csv"))
    with pytest.raises(ImportError, match=said):
        study.find()
    with pytest.raises(ImportError, match=said):
        manifest_of(source_of(study))


def test_the_manifest_has_the_versions_of_what_forecasts(data: Path) -> None:
    versions = manifest_of(source_of(SpainPrices(data)))["versions"]
    assert {name: versions[name] for name in SpainPrices.libraries} == {n: version(n) for n in SpainPrices.libraries}
    assert "scikit-learn" not in manifest_of(source_of("cournot"))["versions"]


@pytest.mark.usefixtures("few")
def test_numbers_stand_beside_their_bars_and_references_in_their_table(data: Path, tmp_path: Path) -> None:
    hours = pd.DataFrame({"local_day": np.repeat(["2018-04-20", "2018-04-21", "2018-04-22"], 24)})
    hours.assign(hour=np.tile(np.arange(24), 3), flat=50.0).to_csv(tmp_path / "reference.csv", index=False)
    tables = SpainPrices(data, "2018-04-20", 3, tmp_path / "reference.csv").find().tables
    compared = tables["reference"].set_index("forecaster")
    assert set(compared.index) == set(tables["forecasters"]["forecaster"])
    assert (compared["reference"] == "flat").all()
    assert compared["apart"]["lasso"] == pytest.approx((tables["hours"]["lasso"] - 50).abs().mean())
    chart = forecast_charts.in_all(tables).to_dict()
    (bars,) = chart["data"]
    assert bars["textposition"] == "outside"
    assert chart["layout"]["xaxis"]["range"][1] > 1.2 * max(bars["x"])
