from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from walras.markets.electricity.data import CLEAN_COLUMNS, load_spain
from walras.markets.electricity.generation import spanish_fleet
from walras.markets.electricity.price_level import (
    SLOW,
    Calendar,
    baselines,
    calendar_of,
    competitive_price,
    crps,
    known_net_load,
    price_forecast,
)


def frame(days: int = 60, start: str = "2018-03-01") -> pd.DataFrame:
    """Made-up hours over the beginning of summer time."""
    rng = np.random.default_rng(1)
    time = pd.date_range(start, periods=days, freq="D", tz="Europe/Madrid")
    hours = pd.date_range(time[0], time[-1] + pd.DateOffset(days=1), freq="h", inclusive="left").tz_convert("UTC")
    columns = {name: rng.integers(100, 2000, len(hours)).astype(float) for name in CLEAN_COLUMNS[1:-1]}
    table = pd.DataFrame({"timestamp_utc": hours} | columns | {"flag": 0})
    table["load_forecast_mw"] = 24_000 + rng.integers(0, 8000, len(hours)).astype(float)
    table["load_actual_mw"] = table["load_forecast_mw"] + 100
    table["price_day_ahead_eur_mwh"] = 40 + rng.integers(0, 4000, len(hours)) / 100
    return table


def rows(table: pd.DataFrame, day: str) -> np.ndarray:
    """The rows of a local day."""
    local = table["timestamp_utc"].dt.tz_convert("Europe/Madrid")
    return np.flatnonzero(local.dt.strftime("%Y-%m-%d") == day)


# Days that did not know what was known after 12:00 of the day before, so that the forecast of 10 April must not change.
LATER = {
    "price_day_ahead_eur_mwh": "2018-04-10",
    "wind_forecast_mw": "2018-04-10",
    "solar_forecast_mw": "2018-04-10",
    "load_forecast_mw": "2018-04-11",
    **dict.fromkeys((*SLOW, "load_actual_mw", "gen_wind_onshore_mw", "gen_solar_mw", "gen_gas_mw"), "2018-04-09"),
}


def test_at_noon_nothing_is_known_of_later() -> None:
    table, altered = frame(), frame()
    for name, day in LATER.items():
        first = rows(table, day)[0]
        altered.loc[first:, name] = 7.0
    before, after = (price_forecast(each)[: rows(table, "2018-04-10")[-1] + 1] for each in (table, altered))
    np.testing.assert_array_equal(before, after)
    for name, day in LATER.items():  # and each of them was close enough to matter, were it known
        if name not in ("load_actual_mw", "gen_wind_onshore_mw", "gen_solar_mw", "gen_gas_mw"):
            earlier = frame()
            earlier.loc[rows(table, day)[0] - 24 :, name] = 7.0
            assert not np.array_equal(price_forecast(earlier)[: len(before)], before, equal_nan=True), name


def test_the_evening_knows_the_wind_of_the_day_and_no_more() -> None:
    table, altered = frame(), frame()
    altered.loc[rows(table, "2018-04-11")[0] :, ["wind_forecast_mw", "solar_forecast_mw"]] = 7.0
    last = rows(table, "2018-04-10")[-1] + 1
    np.testing.assert_array_equal(*(price_forecast(each, information="evening")[:last] for each in (table, altered)))
    altered.loc[rows(table, "2018-04-10"), "wind_forecast_mw"] = 7.0
    changed = price_forecast(altered, information="evening")[rows(table, "2018-04-10")]
    assert not np.array_equal(changed, price_forecast(table, information="evening")[rows(table, "2018-04-10")])


def test_a_forecast_worked_out_for_one_hour() -> None:
    table = frame()
    local = table["timestamp_utc"].dt.tz_convert("Europe/Madrid")
    wind = table["wind_forecast_mw"] + table["solar_forecast_mw"]

    def at(day: int, values: pd.Series) -> float:
        moment = pd.Timestamp("2018-04-20 15:00", tz="Europe/Madrid") - pd.DateOffset(days=day)
        return float(values[local == moment].iloc[0])

    mean = np.mean([at(k, wind) for k in range(1, 29)])
    slow = sum(at(2, table[name]) for name in SLOW)
    net = at(0, table["load_forecast_mw"]) - (mean + 0.512 * (at(1, wind) - mean)) - slow
    here = int(np.flatnonzero(local == pd.Timestamp("2018-04-20 15:00", tz="Europe/Madrid"))[0])
    known = known_net_load(table, "noon")
    assert known[here] == pytest.approx(net)
    ladder = sorted(block for seller in spanish_fleet() for block in zip(seller.cost, seller.capacity, strict=True))
    served = np.cumsum([each for _, each in ladder])
    week = ((local >= "2018-04-13 00:00+02:00") & (local < "2018-04-20 00:00+02:00")).to_numpy()
    price = competitive_price(known)
    level = float((table["price_day_ahead_eur_mwh"] - price)[week].mean())
    by_hand = ladder[int(np.searchsorted(served, net))][0]
    assert price[here] == by_hand
    assert price_forecast(table)[here] == pytest.approx(min(max(by_hand + level, 0), 180.3))


def test_days_of_23_and_25_hours_have_an_hour_before_each() -> None:
    spring, autumn = frame(8, "2018-03-22"), frame(8, "2018-10-25")
    for table in (spring, autumn):
        days, count = calendar_of(table), np.arange(float(len(table)))
        before = days.before(count, 1)
        assert np.isnan(before[days.day == 0]).all()
        assert not np.isnan(before[days.day > 0]).any()
    # On 26 March 02:00 asks for an hour that 25 March has not: the last known is 01:00.
    days = calendar_of(spring)
    asked = int(np.flatnonzero((days.day == 4) & (days.hour == 2))[0])
    known = int(np.flatnonzero((days.day == 3) & (days.hour == 1))[0])
    assert days.before(np.arange(float(len(spring))), 1)[asked] == known


def test_baselines_are_like_days() -> None:
    table = frame(16, "2018-04-02")  # a Monday
    price = table["price_day_ahead_eur_mwh"].to_numpy()
    found = baselines(price, calendar_of(table))
    week, day = price[168 : 168 + 168], price[168 + 144 - 168 : 168 + 144]
    second = slice(168, 336)
    np.testing.assert_array_equal(found["seasonal_naive"][second], price[:168])
    np.testing.assert_array_equal(found["yesterday"][second], price[144:312])
    weekday = np.repeat(np.arange(7), 24)
    late = np.isin(weekday, [0, 5, 6])
    np.testing.assert_array_equal(found["standard_naive"][second], np.where(late, price[:168], price[144:312]))
    assert week.shape == day.shape


def test_the_score_is_that_of_the_members() -> None:
    rng = np.random.default_rng(3)
    hours = 24 * 30
    days = Calendar(np.repeat(np.arange(30), 24), np.tile(np.arange(24), 30), np.repeat(np.arange(30) % 7, 24))
    forecast, price = rng.normal(50, 9, (2, hours))
    score = crps(forecast, price, days)
    assert np.isnan(score[: 28 * 24]).all()
    last = hours - 1
    members = forecast[last] + (price - forecast)[last - 24 * np.arange(1, 29)]
    pairs = np.abs(members[:, None] - members).mean()
    assert score[last] == pytest.approx(np.abs(members - price[last]).mean() - pairs / 2)


@pytest.mark.parametrize(
    ("values", "message"), [({"information": "morning"}, "information"), ({"level_days": 0}, "level_days")]
)
def test_wrong_arguments_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"`{message}` must be"):
        price_forecast(frame(3), **values)  # type: ignore[arg-type] - what a user may write


# MAE, RMSE and CRPS, EUR/MWh, of 2016, 2017 and 2018, computed elsewhere by one road.
PUBLISHED = {
    "seasonal_naive": ((6.685, 9.048, 5.065), (6.815, 9.584, 5.111), (6.775, 10.430, 5.250)),
    "yesterday": ((5.911, 8.384, 4.491), (5.415, 7.885, 4.162), (5.321, 8.078, 4.093)),
    "standard_naive": ((5.608, 8.081, 4.299), (5.527, 8.258, 4.296), (5.668, 9.150, 4.429)),
    "no level": ((10.190, 12.166, 3.483), (7.003, 9.580, 3.522), (10.437, 12.538, 3.187)),
    "noon": ((4.904, 6.218, 3.521), (4.900, 6.570, 3.552), (5.181, 6.845, 3.720)),
    "evening": ((3.973, 4.982, 2.805), (3.902, 5.027, 2.750), (3.900, 5.030, 2.726)),
}


def test_the_errors_of_three_years(shared_data: Path) -> None:
    record = load_spain(shared_data / "spain_power" / "spain_power_2015_2018_clean.csv.gz")
    days, price = calendar_of(record), record["price_day_ahead_eur_mwh"].to_numpy()
    local = record["timestamp_utc"].dt.tz_convert("Europe/Madrid")
    paths = baselines(price, days) | {name: price_forecast(record, information=name) for name in ("noon", "evening")}
    paths["no level"] = competitive_price(known_net_load(record, "actual"))
    for name, years in PUBLISHED.items():
        score, error = crps(paths[name], price, days), paths[name] - price
        for year, expected in zip((2016, 2017, 2018), years, strict=True):
            here = (local.dt.year == year).to_numpy()
            found = np.abs(error[here]).mean(), np.sqrt((error[here] ** 2).mean()), score[here].mean()
            np.testing.assert_allclose(found, expected, atol=2e-3, err_msg=f"{name} {year}")
    half = ((local.dt.year == 2018) & (local.dt.month > 6)).to_numpy()
    late = [np.abs(paths[name] - price)[half].mean() for name in ("noon", "evening", "standard_naive")]
    np.testing.assert_allclose(late, [4.208, 3.660, 3.724], atol=2e-3)  # not the best forecast of that half-year
