import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import walras
from walras.markets.electricity.day_forecasts import lag, lasso, lasso_with_all, similar_day
from walras.scenarios.cli import main
from walras.scenarios.electricity import open_prices
from walras.scenarios.electricity.open_prices import OpenPrices


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """100 days of a market whose price is its load less its wind."""
    rng = np.random.default_rng(0)
    hours = 100 * 24
    table = pd.DataFrame({"Date": pd.date_range("2013-01-01", periods=hours, freq="h")})
    load, wind = 30_000 + 5_000 * rng.random(hours), 5_000 * rng.random(hours)
    table["Price"] = (load - 2 * wind) / 1_000 + rng.normal(0, 0.3, hours)
    table[" Grid load forecast"], table[" Wind power forecast"] = load, wind
    table.to_csv(tmp_path / "NP.csv", index=False)
    return tmp_path / "NP.csv"


def test_both_forecasts_of_an_open_data_set_are_known_at_the_auction(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = {"similar_day": similar_day, "sparse_ar": lag(1), "lasso": lasso_with_all, "lasso_load_alone": lasso}
    monkeypatch.setattr(open_prices, "FORECASTERS", quick)
    results = walras.run(OpenPrices(data, 32), root=tmp_path / "runs", progress=False)
    told = json.loads((results.folder / "summary.json").read_text())["forecasters"]
    assert told["lasso"]["mse"] < 0.3 < told["lasso_load_alone"]["mse"]
    assert told["lasso"]["coverage_80"] == pytest.approx(0.8, abs=0.15)  # of 96 hours
    assert told["lasso_load_alone"]["p"] > 0.99
    page = (results.folder / "report.html").read_text()
    assert "worse than the lasso (Diebold-Mariano p = " in page
    assert "80 % interval of lasso" in page


def test_more_days_than_there_are_are_refused(data: Path) -> None:
    with pytest.raises(ValueError, match="`days` must be at most 58, to leave 42 days before them; got 59"):
        OpenPrices(data, 59).find()


def test_without_data_the_command_says_what_is_missing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["run", "open_prices", "--root", str(tmp_path)]) == 2
    assert "`data` must name one of the five open data sets, such as NP.csv" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["open_prices", "spain_prices"])
def test_a_table_that_is_not_there_is_told_by_the_options_name(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["run", name, "--data", str(tmp_path / "none.csv"), "--root", str(tmp_path)]) == 2
    assert "`data` must name a file; got " in capsys.readouterr().err
