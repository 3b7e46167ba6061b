from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from walras.core import Scripted, rollout
from walras.markets.electricity.data import CLEAN_COLUMNS, load_spain, net_load_mw
from walras.markets.electricity.generation import HOURS_PER_YEAR, spanish_conditions
from walras.scenarios.electricity import recorded
from walras.scenarios.electricity.day_ahead import DayAhead
from walras.scenarios.electricity.recorded import evaluation_conditions, reference_prices, training_conditions
from walras.scenarios.engine.scenario import methods_of

HOURS = HOURS_PER_YEAR + 60 * 24
"""From the local midnight that begins 2015 to that of 1 March 2016, less the leap day."""


def frame(seed: int = 0) -> pd.DataFrame:
    """Made-up hours in the clean format."""
    rng = np.random.default_rng(seed)
    time = pd.date_range("2014-12-31 23:00", periods=HOURS, freq="h", tz="UTC")
    columns = {name: rng.integers(100, 900, HOURS).astype(float) for name in CLEAN_COLUMNS[1:-1]}
    table = pd.DataFrame({"timestamp_utc": time.strftime("%Y-%m-%d %H:%M:%S+00:00")} | columns | {"flag": 0})
    table["load_actual_mw"] = 20_000 + rng.integers(0, 8000, HOURS).astype(float)
    table["price_day_ahead_eur_mwh"] = np.arange(HOURS) / 100
    return table


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """No test sees what another one read."""
    yield
    getattr(recorded._located, "cache_clear", lambda: None)()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    frame().to_csv(path, index=False)
    return path


def must_run(table: pd.DataFrame) -> pd.Series:
    names = ["gen_wind_onshore_mw", "gen_solar_mw", "gen_nuclear_mw"]
    return table[[*names, "gen_hydro_run_of_river_mw", "gen_other_renewable_mw"]].sum(axis=1)


def test_the_exam_follows_the_net_load_of_its_hours(data: Path) -> None:
    conditions = evaluation_conditions(data, "2016-01-01", 48)
    table = frame()
    net = (table["load_actual_mw"] - must_run(table)).to_numpy()
    np.testing.assert_allclose(conditions.profile, net[8760:8808], rtol=1e-14)  # 2015 has 365 days
    assert (conditions.deviation, conditions.outage) == (0.0, 0.0)


def test_a_summer_day_begins_at_local_midnight(data: Path) -> None:
    table = frame()
    net = (table["load_actual_mw"] - must_run(table)).to_numpy()
    first = (pd.Timestamp("2015-06-30 22:00", tz="UTC") - pd.Timestamp("2014-12-31 23:00", tz="UTC")).days * 24 + 23
    np.testing.assert_allclose(evaluation_conditions(data, "2015-07-01", 3).profile, net[first : first + 3])


def test_training_is_the_year_before_and_never_the_evaluation(data: Path) -> None:
    table = frame()
    net = (table["load_actual_mw"] - must_run(table)).to_numpy()
    np.testing.assert_allclose(training_conditions(data, "2016-01-01").profile, net[:8760])
    np.testing.assert_allclose(training_conditions(data, "2016-01-03").profile, net[48:8808])


def test_the_reference_is_the_price_and_that_of_a_week_before(data: Path) -> None:
    table = reference_prices(data, "2016-01-02", 30)
    assert table is not None
    paths = ["seasonal_naive", "yesterday", "standard_naive", "forecast"]
    assert list(table) == ["time", "price", *paths, *(f"crps_{path}" for path in paths), "level"]
    first = 8760 + 24
    np.testing.assert_allclose(table["price"], np.arange(first, first + 30) / 100)
    np.testing.assert_allclose(table["seasonal_naive"], np.arange(first - 168, first - 138) / 100)
    assert table["time"].iloc[0] == pd.Timestamp("2016-01-01 23:00", tz="UTC")
    assert table.index.tolist() == list(range(30))


def test_the_first_week_of_the_data_has_no_naive_price(data: Path) -> None:
    table = reference_prices(data, "2015-01-07", 48)
    assert table is not None
    assert table["seasonal_naive"].isna().tolist() == [True] * 24 + [False] * 24


def test_without_data_hours_are_typical_and_nothing_is_compared() -> None:
    assert reference_prices(None, "2018-01-01", 24) is None
    np.testing.assert_array_equal(training_conditions(None, "x").profile, spanish_conditions().profile)
    assert evaluation_conditions(None, "x", 24).hours == HOURS_PER_YEAR
    assert evaluation_conditions(None, "x", 10_000).hours == 10_000


@pytest.mark.parametrize("start", ["2014-12-31", "2016-03-01", "2031-01-01", "2015-05-05 10:30"])
def test_a_start_outside_the_data_is_refused_with_its_days(start: str, data: Path) -> None:
    message = rf"`start` must be a day of the data, 2014-12-31 to 2016-02-29; got '{start}'"
    with pytest.raises(ValueError, match=message):
        evaluation_conditions(data, start, 1)


@pytest.mark.parametrize("start", ["nonsense", "2016-13-01", "", "2015-03-29 02:30", "2015-10-25 02:30"])
def test_what_is_no_date_is_refused(start: str, data: Path) -> None:
    with pytest.raises(ValueError, match="`start` must be"):
        evaluation_conditions(data, start, 1)


def test_hours_beyond_the_data_are_refused(data: Path) -> None:
    assert evaluation_conditions(data, "2016-02-29", 24).hours == 24
    message = r"`hours` must lie in \[1, 24\], the hours of the data from 2016-02-29 on; got 25"
    for read in (evaluation_conditions, reference_prices):
        with pytest.raises(ValueError, match=message):
            read(data, "2016-02-29", 25)
        with pytest.raises(ValueError, match="`hours` must lie in"):
            read(data, "2016-02-29", 0)


def test_a_year_of_training_must_be_there(data: Path) -> None:
    assert training_conditions(data, "2016-01-01").hours == 8760
    message = "`start` must leave 8760 hours of training before it in the data; got '2015-12-31'"
    with pytest.raises(ValueError, match=message):
        training_conditions(data, "2015-12-31")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.csv"):
        evaluation_conditions(tmp_path / "no.csv", "2016-01-01", 1)


def test_a_file_that_changes_is_read_again(data: Path) -> None:
    before = evaluation_conditions(data, "2016-01-01", 24).profile
    frame(seed=1).to_csv(data, index=False)
    after = evaluation_conditions(data, "2016-01-01", 24).profile
    assert not np.array_equal(before, after)


def test_the_scenario_trains_and_is_judged_on_one_scale(data: Path) -> None:
    scenario = DayAhead(data=data, start="2016-01-01", hours=24)
    game, evaluation = scenario.game(), scenario.evaluation()
    assert (game.horizon, evaluation.horizon) == (24, 24)
    assert game.observation_space == evaluation.observation_space
    trajectory = rollout(evaluation, Scripted(evaluation), (0, 1))
    net = net_load_mw(load_spain(data)).to_numpy()[8760:8784]
    np.testing.assert_allclose(trajectory.state.cleared[1:, 0], net)
    np.testing.assert_array_equal(trajectory.reward[:, 0], trajectory.reward[:, 1])  # nothing is left to chance


def test_load_above_the_fleets_capacity_does_not_part_training_from_the_evaluation(tmp_path: Path) -> None:
    table = frame()
    table.loc[8765, "load_actual_mw"] = 60_000.0  # an hour of the evaluation beyond all of the training year
    table.to_csv(tmp_path / "data.csv", index=False)
    scenario = DayAhead(data=tmp_path / "data.csv", start="2016-01-01", hours=24)
    assert scenario.game().observation_space == scenario.evaluation().observation_space


def test_the_clock_of_recorded_hours_is_local_with_summer_time(shared_data: Path) -> None:
    path = shared_data / "spain_power" / "spain_power_2015_2018_clean.csv.gz"
    clock = evaluation_conditions(path, "2018-01-01", 8_760).clock
    assert clock is not None
    since_start = np.arange(8_760) % 24
    # From 25 March to 28 October, 217 days, the hour of the day is one more than the hours since the start tell.
    assert int((clock != since_start).sum()) == 5_208
    summer = 24 * (31 + 28 + 31 + 30 + 31 + 30 + 2) + 9 - 1  # 3 July, 9 o'clock
    assert (clock[summer], since_start[summer]) == (9.0, 8)


def test_a_week_of_2018_runs_on_the_recorded_data(shared_data: Path) -> None:
    data = shared_data / "spain_power" / "spain_power_2015_2018_clean.csv.gz"
    scenario = DayAhead(data=data, start="2018-01-15", hours=168)
    evaluation, reference = scenario.evaluation(), scenario.reference()
    trajectory = rollout(evaluation, methods_of(scenario)["scripted"].runs, (0,))
    record = load_spain(data)
    first = int(np.flatnonzero(record["timestamp_utc"] == pd.Timestamp("2018-01-14 23:00", tz="UTC"))[0])
    np.testing.assert_allclose(trajectory.state.cleared[1:, 0], net_load_mw(record).to_numpy()[first : first + 168])
    assert reference is not None
    price = record["price_day_ahead_eur_mwh"].to_numpy()
    np.testing.assert_array_equal(reference["price"], price[first : first + 168])
    np.testing.assert_array_equal(reference["seasonal_naive"], price[first - 168 : first])
    assert scenario.game().observation_space == evaluation.observation_space
    error = np.abs(trajectory.state.price[1:, 0] - reference["price"]).mean()
    assert 1 < error < 20  # EUR/MWh: a stack of 20 blocks is no forecast, and no nonsense either
