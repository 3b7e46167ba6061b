import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from walras.core.typing import Floats
from walras.equilibria.electricity.simulacrum import Simulacrum, fit_simulacrum, simulacrum
from walras.markets.electricity.data import load_spain
from walras.markets.electricity.day_forecasts import (
    MEMBERS,
    Days,
    Forecaster,
    arima,
    days_of,
    diebold_mariano,
    errors,
    intervals,
    joint,
    lag,
    lasso,
    lasso_fixed,
    lasso_look_ahead,
    lasso_with_all,
    marked_up,
    sarima_load,
    similar_day,
    sparse_ar,
    structural,
)


def made(count: int = 90, seed: int = 0) -> Days:
    """Days whose price is that of a market, a slow error of it, and noise."""
    rng = np.random.default_rng(seed)
    hour = np.arange(24)
    load = 28_000 + 4_000 * np.sin(2 * np.pi * (hour - 8) / 24) + rng.normal(0, 800, (count, 24))
    competitive = 10 + np.exp((load - 24_000) / 2_500)
    error = np.cumsum(rng.normal(0, 1, count))[:, None] + rng.normal(0, 0.5, (count, 24))
    price = competitive + error
    date = np.datetime64("2018-01-01") + np.arange(count)
    return Days(date, price, price + 8, load, competitive, rng.normal(5_000, 900, (count, 2, 24)))


FORECASTERS: dict[str, Forecaster] = {
    "lag": lag(7), "similar_day": similar_day, "sparse_ar": sparse_ar, "arima": arima((2, 0, 1)), "lasso": lasso,
    "structural": structural, "lasso_with_all": lasso_with_all, "lasso_look_ahead": lasso_look_ahead, "joint": joint,
    "simulacrum": simulacrum,
}  # fmt: skip


ALONE = ("lag", "similar_day", "sparse_ar", "lasso", "structural")
"""Which see no more than the market's error and its load."""


@pytest.mark.parametrize("name", [*FORECASTERS, pytest.param("lasso_fixed", marks=pytest.mark.slow)])
def test_nothing_that_comes_later_is_used(name: str) -> None:
    days, first, seen = made(), 85, 2
    forecaster = FORECASTERS.get(name, lasso_fixed)
    forecast = forecaster(days, first)
    assert forecast.shape == (5, 24)
    later = np.arange(len(days.price))[:, None] >= first + seen
    noise = np.random.default_rng(1).normal(0, 30, days.price.shape)
    other = replace(
        days, price=days.price + later * noise, actual=days.actual + later * noise,
        load=days.load + np.roll(later, 1, axis=0) * later * 100 * noise,
        competitive=days.competitive + np.roll(later, 1, axis=0) * later * noise,
        others=days.others + (np.roll(later, 1, axis=0) * later * noise)[:, None],
    )  # fmt: skip
    if name == "simulacrum":  # its supplies are shares of the mean of all loads, which sets a unit and nothing else
        other = replace(other, load=days.load)
    np.testing.assert_allclose(forecaster(other, first)[: seen + 1], forecast[: seen + 1], rtol=1e-9)
    assert name == "lag" or not np.allclose(forecaster(other, first)[seen + 1 :], forecast[seen + 1 :])


def test_a_market_with_a_slow_error_is_forecast_best_by_its_structure() -> None:
    days, first = made(120), 100
    missed = {name: days.price[first:] - each(days, first) for name, each in FORECASTERS.items() if name in ALONE}
    square = {name: float((each**2).mean()) for name, each in missed.items()}
    assert min(square, key=lambda name: square[name]) == "structural"
    assert square["structural"] < 3  # noise of 1 a day in the level, and of 0.5 twice
    assert diebold_mariano(missed["structural"], missed["similar_day"]) < 0.01
    assert diebold_mariano(missed["similar_day"], missed["structural"]) > 0.99


def test_planted_mark_ups_are_fitted_before_the_first_day_alone() -> None:
    days = made(120)
    planted = days.competitive + np.maximum(days.competitive - 25, 0) / 2
    marked = replace(days, price=planted + days.price - days.competitive)
    found = marked_up(marked, 100)
    assert (found - planted).std() < 0.5  # a level stays free
    assert (days.competitive - planted).std() > 2
    other = replace(marked, price=marked.price + 50 * (np.arange(120)[:, None] >= 100))
    np.testing.assert_array_equal(marked_up(other, 100), found)
    order = np.argsort(days.competitive.ravel(), kind="stable")
    assert (np.diff(found.ravel()[order]) >= -1e-9).all()


def test_the_similar_day_is_that_of_the_week_before_on_three_days() -> None:
    days = made(21)
    forecast = similar_day(days, 14)
    for k, weekday in enumerate(pd.DatetimeIndex(days.date[14:]).day_of_week):
        ago = 7 if weekday in (0, 5, 6) else 1
        np.testing.assert_array_equal(forecast[k], days.price[14 + k - ago])


def test_errors_by_hand() -> None:
    price, forecast = np.full((1, 24), 10.0), np.full((1, 24), 13.0)
    told = errors(forecast, price, np.full((1, 24), 4.0))
    assert (told["mse"], told["mae"], told["rmse"], told["rmae"]) == (9, 3, 3, 0.5)
    assert np.isnan(told["crps"])
    assert np.isnan(errors(forecast, price, price)["rmae"])  # prices that a naive forecast never misses


def test_the_score_of_a_distribution_is_that_of_its_definition() -> None:
    rng = np.random.default_rng(0)
    price, forecast = rng.normal(50, 5, (MEMBERS + 2, 24)), rng.normal(50, 5, (MEMBERS + 2, 24))
    told, each = errors(forecast, price, price + 1)["crps"], list[float]()
    for day in (MEMBERS, MEMBERS + 1):
        for hour in range(24):
            x = forecast[day, hour] + (price - forecast)[day - MEMBERS : day, hour]
            each.append(np.abs(x - price[day, hour]).mean() - np.abs(x[:, None] - x).mean() / 2)
    assert told == pytest.approx(np.mean(each))


def test_intervals_by_hand_and_what_they_cover() -> None:
    missed = np.tile(np.arange(1.0, MEMBERS + 2)[:, None], 24)
    (low, high) = intervals(missed, (25 / 29,))[0]  # the second least and the second largest of 28
    np.testing.assert_allclose((low, high), (np.full((1, 24), 2.0), np.full((1, 24), 27.0)))
    price = np.random.default_rng(0).normal(size=(2_000, 24))
    told = errors(np.zeros_like(price), price, price + 1)
    for level in (50, 80, 90):  # of exchangeable errors
        assert told[f"coverage_{level}"] == pytest.approx(level / 100, abs=0.01)
    assert told["width_50"] < told["width_80"] < told["width_90"]
    assert intervals(missed[:MEMBERS]).shape == (3, 2, 0, 24)
    with pytest.raises(ValueError, match=r"`levels` must lie in \(0, 0\.931\], for 28 errors; got 0\.99"):
        intervals(missed, (0.5, 0.99))


def test_intervals_see_nothing_of_the_day_itself() -> None:
    missed = np.random.default_rng(0).normal(size=(40, 24))
    other = missed.copy()
    other[-1] += 100
    np.testing.assert_array_equal(intervals(missed), intervals(other))


def test_the_test_of_differences_rejects_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    p = [diebold_mariano(rng.normal(size=(120, 24)), rng.normal(size=(120, 24))) for _ in range(400)]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.10
    same = rng.normal(size=(30, 24))
    assert diebold_mariano(same, same) == 1.0
    assert np.isnan(diebold_mariano(same[:7], 2 * same[:7]))  # no more days than lags


def test_a_simulacrum_finds_the_prices_of_its_own_class_again() -> None:
    days = made(60)
    first = fit_simulacrum(days, 50)
    assert first.loss < 0.05  # of the logarithm; the price itself varies by more than a factor of three
    assert bool((first.saved > 0).all() & (first.saved < 1).all())
    np.testing.assert_allclose(first.share.sum(dim=1), 1)
    assert fit_simulacrum(days, 50).loss == first.loss  # by its seed alone


def test_prices_of_a_simulacrum_are_those_of_its_budgets_hour_by_hour() -> None:
    draw = torch.Generator().manual_seed(0)
    saved = torch.tensor([0.3, 0.8, 0.9], dtype=torch.float64)
    inflow, seen, supply = (
        torch.randn(shape, generator=draw, dtype=torch.float64) for shape in ((3, 4), (90, 4), (90,))
    )
    share = torch.softmax(torch.randn(3, 2, generator=draw, dtype=torch.float64), dim=1)
    prices = Simulacrum(saved, inflow, share, 0.0).prices(seen, supply.abs() + 1)
    budget = torch.zeros(3, dtype=torch.float64)
    for hour in range(90):
        budget = saved * budget + torch.exp(inflow @ seen[hour])
        spent = (1 - saved) * budget  # with Cobb-Douglas shares: all of it, at any prices
        torch.testing.assert_close(
            prices[:, hour] * torch.stack((supply[hour].abs() + 1, torch.ones(()))), spent @ share
        )


def test_without_the_libraries_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(ImportError, match=r'pip install "walras\[forecast\]"'):
        lasso(made(), 85)


@pytest.mark.parametrize("date", ["2017-12-31", "2018-06-01", "soon"])
def test_a_day_outside_the_table_is_refused(date: str) -> None:
    with pytest.raises(ValueError, match="`start` must be a day from 2018-01-01 to 2018-03-31; got"):
        made().position(date)


@pytest.fixture(scope="module")
def spain(shared_data: Path) -> Days:
    """The clean table."""
    return days_of(load_spain(shared_data / "spain_power" / "spain_power_2015_2018_clean.csv.gz"))


def missed(spain: Days, forecaster: Forecaster) -> tuple[float, float]:
    first = spain.position("2018-07-01")
    error: Floats = spain.price[first:] - forecaster(spain, first)
    assert error.shape == (184, 24)
    return float((error**2).mean()), float(np.abs(error).mean())


# Mean squared and absolute errors of the same forecasters written elsewhere.
@pytest.mark.parametrize(
    ("forecaster", "mse", "mae"),
    [(lag(1), 31.938, 3.968), (lag(7), 31.4458, 4.1038), (similar_day, 27.7079, 3.7246), (sparse_ar, 16.329, 3.0888)],
)
def test_plain_references_are_reproduced(spain: Days, forecaster: Forecaster, mse: float, mae: float) -> None:
    assert missed(spain, forecaster) == pytest.approx((mse, mae), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("forecaster", "mse", "mae"),
    [
        (arima((2, 1, 2)), 35.8743, 4.5777),
        (arima((24, 1, 0)), 23.95, 3.5883),
        (arima((1, 0, 1), (1, 1, 1, 24)), 19.5815, 3.2664),
        (sarima_load, 18.3961, 3.3136),
        (lasso, 14.6605, 2.9167),
        (lasso_fixed, 15.5589, 3.0271),
        (joint, 14.88, 2.954),  # of this code: structure among a lasso's features earns nothing
    ],
)
def test_statistical_references_are_reproduced(spain: Days, forecaster: Forecaster, mse: float, mae: float) -> None:
    assert missed(spain, forecaster) == pytest.approx((mse, mae), rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("forecaster", "name"),
    [(lasso, "lear_simple_rolling728"), (lasso_look_ahead, "lear_simple_wind_solar_rolling728")],
)
def test_lassos_are_the_references_hour_by_hour(
    spain: Days, shared_data: Path, forecaster: Forecaster, name: str
) -> None:
    told = pd.read_csv(shared_data / "spain_power" / "reference_forecasts_2018H2.csv.gz")
    first = spain.position("2018-07-01")
    ours, price = forecaster(spain, first), spain.price[first:]
    np.testing.assert_allclose(told["actual"].to_numpy().reshape(-1, 24), price, atol=1e-6)
    reference = told[name].to_numpy().reshape(-1, 24)
    assert np.abs(ours - reference).mean() < 0.05  # EUR/MWh; the reference itself misses by 2.9
    assert 0.01 < diebold_mariano(price - ours, price - reference) < 0.99


@pytest.mark.slow
def test_the_market_with_its_errors_beats_statistics_ex_ante(spain: Days) -> None:
    first = spain.position("2018-07-01")
    alone, rival = structural(spain, first), lasso(spain, first)
    price = spain.price[first:]
    assert ((price - alone) ** 2).mean() < 14.66
    both = (alone + rival) / 2
    assert 10.3 < ((price - both) ** 2).mean() < 13.8  # a result below 10.3 would be a leak
    assert diebold_mariano(price - both, price - rival) < 0.01
