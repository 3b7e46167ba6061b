"""Forecasts that were made elsewhere: read whole or refused, and compared in pairs."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from walras.markets.electricity.day_forecasts import Days
from walras.scenarios.electricity.forecast_results import Forecasts
from walras.scenarios.electricity.reference_forecasts import compared, load_reference

DATE = np.datetime64("2018-07-01") + np.arange(10)
PRICE = 50 + np.random.default_rng(0).normal(0, 5, (10, 24)).round(2)


def table() -> pd.DataFrame:
    """Forecasts by two, of the days and of one before."""
    day = np.repeat(np.datetime64("2018-06-30") + np.arange(11), 24)
    hours = pd.DataFrame({"local_day": day, "hour": np.tile(np.arange(24), 11)})
    actual = np.concatenate([np.zeros(24), PRICE.ravel()])
    return hours.assign(actual=actual, near=actual + 1, far=actual - 4)


def written(found: pd.DataFrame, folder: Path) -> Path:
    found.to_csv(folder / "reference.csv", index=False)
    return folder / "reference.csv"


def test_they_are_read_by_day_and_hour(tmp_path: Path) -> None:
    found = load_reference(written(table().sample(frac=1, random_state=0), tmp_path), DATE, PRICE)
    assert set(found) == {"near", "far"}
    np.testing.assert_allclose(found["near"], PRICE + 1)
    np.testing.assert_allclose(found["far"], PRICE - 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="hour"), "`hour` must be a column; it is missing"),
        (lambda t: t[["local_day", "hour"]], "`reference` must have a column for each forecaster"),
        (lambda t: t.drop(index=100), r"must hold a number of each .*got '2018-07-04, hour 4'"),
        (lambda t: t.assign(near=t["near"].astype(str).where(t.index != 60, "?")), r"got '2018-07-02, hour 12'"),
        (lambda t: pd.concat([t, t[30:31]]), r"must hold each hour once.*got '2018-07-01, hour 6'"),
        (
            lambda t: t.assign(actual=t["actual"] / 10),
            "must be of the prices of the data, in EUR/MWh; got .*`actual` is",
        ),
        (lambda t: t.assign(local_day="yesterday"), "`reference` must hold each hour once"),
    ],
)
def test_what_does_not_fit_is_refused(change: object, message: str, tmp_path: Path) -> None:
    assert callable(change)
    with pytest.raises(ValueError, match=message):
        load_reference(written(change(table()), tmp_path), DATE, PRICE)


def test_each_is_tested_against_each() -> None:
    shape = np.zeros((10, 24))
    days = Days(DATE, PRICE, PRICE, shape, shape, np.zeros((10, 2, 24)))
    noise = np.random.default_rng(1).normal(0, 1, (10, 24))
    found = Forecasts(days, {"good": PRICE + noise, "bad": PRICE + 9 * noise}, "bad", "good")
    rows = compared(found, {"theirs": PRICE + 3 * noise[::-1]}).set_index("forecaster")
    assert rows["p"]["good"] < 0.01 < 0.99 < rows["p"]["bad"]
    assert rows["reference_mse"].to_numpy() == pytest.approx(9 * (noise**2).mean())
    assert rows["mse"]["bad"] == pytest.approx(81 * (noise**2).mean())
