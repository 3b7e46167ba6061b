# pandas ships no stubs, and what a checker infers from its source is partly wrong.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from walras.markets.electricity.data import (
    CLEAN_COLUMNS,
    GENERATION,
    PUBLIC_COLUMNS,
    load_spain,
    must_run_mw,
    net_load_mw,
)

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "spain_power"
CLEAN = SHARED / "spain_power_2015_2018_clean.csv.gz"
PUBLIC = SHARED / "energy_dataset_raw.csv.gz"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the public data of Spain is not on this machine")
PRICES = ["price day ahead", "price actual"]


def public_year(hours: slice = slice(None)) -> pd.DataFrame:
    """One year of made-up data in the public format, with right dates."""
    rng = np.random.default_rng(0)
    time = pd.date_range("2014-12-31 23:00", "2015-12-31 22:00", freq="h", tz="UTC").tz_convert("Europe/Madrid")
    n = len(time)
    price = 50 + 10 * np.sin(np.arange(n) / 300) + np.cumsum(rng.normal(size=n)) / 5
    frame = pd.DataFrame({name: rng.integers(100, 900, n).astype(float) for name in list(PUBLIC_COLUMNS)[1:]})
    load = 25_000 + rng.integers(0, 5_000, n)
    frame["total load forecast"] = load
    frame["total load actual"] = load + rng.integers(-500, 500, n).astype(float)
    frame["price day ahead"] = price.round(2)
    frame["price actual"] = (price + 8 + rng.normal(size=n)).round(2)
    frame.insert(
        0,
        "time",
        time.strftime("%Y-%m-%d %H:%M:%S") + time.strftime("%z").str.replace("00$", ":00", regex=True),
    )
    return frame.iloc[hours].reset_index(drop=True)


def swapped(frame: pd.DataFrame) -> pd.DataFrame:
    """The defect of the public file: the row of (month m, day d) holds the values of (month d, day m)."""
    wall = pd.to_datetime(frame["time"].str[:19])
    row = {time: i for i, time in enumerate(wall)}
    moved = (wall.dt.day <= 12) & (wall.dt.day != wall.dt.month)
    source = [row[t.replace(month=t.day, day=t.month)] if moved[i] else i for i, t in enumerate(wall)]
    fixed = ["time", "price actual"]
    return frame.iloc[source].reset_index(drop=True).assign(**{name: frame[name] for name in fixed})


def saved(frame: pd.DataFrame, tmp_path: Path, name: str = "data.csv") -> Path:
    path = tmp_path / name
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def year() -> pd.DataFrame:
    return public_year()


@needs_data
def test_clean_file_has_the_published_shape_and_gaps() -> None:
    frame = load_spain(CLEAN)
    assert frame.shape == (35_064, 22)
    assert tuple(frame) == CLEAN_COLUMNS
    assert str(frame["timestamp_utc"].iloc[0]) == "2014-12-31 23:00:00+00:00"
    # Counts of missing hours and annual mean prices as published with the cleaned file.
    assert frame["load_actual_mw"].isna().sum() == 41
    assert frame[list(GENERATION)].isna().sum().between(23, 25).all()
    years = frame["timestamp_utc"].dt.tz_convert("Europe/Madrid").dt.year
    means = frame.groupby(years)["price_day_ahead_eur_mwh"].mean().round(2).tolist()
    assert means == [50.32, 39.67, 52.24, 57.29]


@needs_data
def test_repaired_public_file_equals_the_clean_one() -> None:
    with pytest.warns(UserWarning, match=r"12,672 of 35,064 hours \(528 days\)"):
        repaired = load_spain(PUBLIC)
    pd.testing.assert_frame_equal(repaired, load_spain(CLEAN), check_exact=True)


@needs_data
def test_a_single_real_year_is_repaired_too(tmp_path: Path) -> None:
    raw = pd.read_csv(PUBLIC)
    path = saved(raw[raw["time"].str.startswith("2017")], tmp_path)
    with pytest.warns(UserWarning, match="swapped"):
        repaired = load_spain(path)
    clean = load_spain(CLEAN)
    same = clean["timestamp_utc"].isin(repaired["timestamp_utc"])
    pd.testing.assert_frame_equal(repaired, clean[same].reset_index(drop=True), check_exact=True)


@needs_data
def test_half_a_real_year_is_refused(tmp_path: Path) -> None:
    raw = pd.read_csv(PUBLIC)
    with pytest.raises(ValueError, match="rows to swap with are not there"):
        load_spain(saved(raw[raw["time"].str[:10] >= "2018-07-01"], tmp_path))


@needs_data
def test_net_load_of_the_real_data_has_no_gap() -> None:
    frame = load_spain(CLEAN)
    net = net_load_mw(frame)
    assert not net.isna().any()
    assert 10_000 < net.mean() < 20_000
    known = frame.notna().all(axis=1).to_numpy()
    plain = frame["load_actual_mw"] - frame[["gen_wind_onshore_mw", "gen_solar_mw", "gen_nuclear_mw"]].sum(axis=1)
    plain -= frame["gen_hydro_run_of_river_mw"] + frame["gen_other_renewable_mw"]
    np.testing.assert_allclose(net.to_numpy()[known], plain.to_numpy()[known])


def test_right_dates_pass_through_without_a_warning(year: pd.DataFrame, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = load_spain(saved(year, tmp_path))
    assert tuple(frame) == CLEAN_COLUMNS
    assert (frame["flag"] == 0).all()
    np.testing.assert_array_equal(frame["price_day_ahead_eur_mwh"], year["price day ahead"])
    assert frame["timestamp_utc"].dt.tz is not None


def test_swapped_dates_are_repaired_with_a_warning(year: pd.DataFrame, tmp_path: Path) -> None:
    # 12 months of 12 days, less the 12 days on which day and month agree.
    with pytest.warns(UserWarning, match=r"3,168 of 8,760 hours \(132 days\)"):
        repaired = load_spain(saved(swapped(year), tmp_path, "swapped.csv.gz"))
    right = load_spain(saved(year, tmp_path))
    pd.testing.assert_frame_equal(repaired.drop(columns="flag"), right.drop(columns="flag"), check_exact=True)
    assert (repaired["flag"] == 1).sum() == 3_168


def test_a_part_of_a_swapped_year_is_refused(year: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"swapped on days 1-12 .* rows to swap with are not there"):
        load_spain(saved(swapped(year).iloc[:4_000], tmp_path))


def test_a_part_of_a_right_year_passes(year: pd.DataFrame, tmp_path: Path) -> None:
    assert len(load_spain(saved(year.iloc[:4_000], tmp_path))) == 4_000


def test_days_that_cannot_be_swapped_pass(year: pd.DataFrame, tmp_path: Path) -> None:
    assert len(load_spain(saved(year.iloc[12 * 24 : 20 * 24], tmp_path))) == 8 * 24


def test_undecidable_dates_are_refused(year: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must let right dates be told from"):
        load_spain(saved(year.assign(**{"price actual": 50.0}), tmp_path))
    with pytest.raises(ValueError, match="Load whole years"):
        load_spain(saved(year.iloc[24 : 10 * 24], tmp_path))


def test_dropouts_become_missing(year: pd.DataFrame, tmp_path: Path) -> None:
    frame = year.copy()
    frame.loc[10, "total load actual"] *= 0.6
    frame.loc[20, "total load actual"] *= 1.3
    frame.loc[30, "generation nuclear"] = 0.0
    frame.loc[40, "generation fossil gas"] = 0.0
    frame.loc[50, "generation waste"] = np.nan
    loaded = load_spain(saved(frame, tmp_path))
    assert loaded["flag"].iloc[[10, 20, 30, 40, 50, 60]].tolist() == [6, 2, 4, 4, 4, 0]
    assert loaded.loc[[10, 30], list(GENERATION)].isna().all(axis=None)
    assert loaded.loc[20, list(GENERATION)].notna().all()
    assert loaded.loc[40, list(GENERATION)].isna().sum() == 1


def test_clean_format_round_trips_and_drops_other_columns(year: pd.DataFrame, tmp_path: Path) -> None:
    frame = load_spain(saved(year, tmp_path))
    again = load_spain(saved(frame.assign(note="x"), tmp_path, "clean.csv"))
    pd.testing.assert_frame_equal(again, frame)


def test_net_load_falls_back_and_interpolates(year: pd.DataFrame, tmp_path: Path) -> None:
    frame = load_spain(saved(year.iloc[12 * 24 : 14 * 24], tmp_path))
    expected = frame["load_actual_mw"] - must_run_mw(frame).to_numpy()
    np.testing.assert_allclose(net_load_mw(frame).to_numpy(), expected.to_numpy())
    holes = frame.copy()
    holes.loc[5, "load_actual_mw"] = np.nan
    holes.loc[[0, 7], "gen_solar_mw"] = np.nan
    solar = frame["gen_solar_mw"].to_numpy()
    change = (net_load_mw(holes) - net_load_mw(frame)).to_numpy()
    assert change[5] == pytest.approx(frame["load_forecast_mw"][5] - frame["load_actual_mw"][5])
    assert change[7] == pytest.approx(solar[7] - (solar[6] + solar[8]) / 2)
    assert change[0] == pytest.approx(solar[0] - solar[1])
    assert np.isnan(holes.loc[5, "load_actual_mw"])
    with pytest.raises(ValueError, match="`load_forecast_mw` must be known where the load is not"):
        net_load_mw(holes.assign(load_forecast_mw=np.nan))
    with pytest.raises(ValueError, match="`gen_solar_mw` must hold at least one value"):
        must_run_mw(frame.assign(gen_solar_mw=np.nan))
    with pytest.raises(ValueError, match="`gen_nuclear_mw` must be a column"):
        must_run_mw(frame.drop(columns="gen_nuclear_mw"))


def test_missing_column_names_the_nearest(year: pd.DataFrame, tmp_path: Path) -> None:
    frame = year.rename(columns={"generation nuclear": "generation nuclaer"})
    with pytest.raises(ValueError, match=r"`generation nuclear` must be a column; .*'generation nuclaer'"):
        load_spain(saved(frame, tmp_path))


def test_foreign_and_empty_files_are_refused(year: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="`path` must name a file"):
        load_spain(tmp_path / "absent.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ValueError, match="at least one row"):
        load_spain(tmp_path / "empty.csv")
    with pytest.raises(ValueError, match="at least one row"):
        load_spain(saved(year.iloc[:0], tmp_path))
    with pytest.raises(ValueError, match=r"columns such as \['time'"):
        load_spain(saved(pd.DataFrame({"a": [1]}), tmp_path))


def test_values_that_are_not_numbers_are_refused(year: pd.DataFrame, tmp_path: Path) -> None:
    frame = year.astype({"price actual": object})
    frame.loc[3, "price actual"] = "n/e"
    with pytest.raises(ValueError, match="`price_actual_eur_mwh` must hold finite numbers; got 'n/e' in row 3"):
        load_spain(saved(frame, tmp_path))
    with pytest.raises(ValueError, match="must hold finite numbers; got 'inf' in row 0"):
        load_spain(saved(year.assign(**{"price actual": np.inf}), tmp_path))


def test_bad_timestamps_are_refused(year: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"follow each other by one hour; got '2015-01-01 05.* in row 4"):
        load_spain(saved(year.drop(index=4), tmp_path))
    with pytest.raises(ValueError, match=r"no timestamp may repeat; got '2015-01-01 04.* in row 5"):
        load_spain(saved(pd.concat([year.iloc[:5], year.iloc[4:]]), tmp_path))
    with pytest.raises(ValueError, match="must run forwards"):
        load_spain(saved(year.iloc[::-1], tmp_path))
    with pytest.raises(ValueError, match="must be a date and time with its UTC offset; got 'noon' in row 2"):
        load_spain(saved(year.assign(time=year["time"].where(year.index != 2, "noon")), tmp_path))


def test_local_times_are_refused_with_the_first_clock_change(year: pd.DataFrame, tmp_path: Path) -> None:
    local = year.assign(time=year["time"].str[:19])
    with pytest.raises(ValueError, match=r"UTC offset.*does not follow by one hour is 2015-03-29 03:00.*tz_localize"):
        load_spain(saved(local, tmp_path))


@pytest.mark.parametrize(
    ("column", "share", "message"),
    [
        ("total load actual", 1e-3, "`load_actual_mw` must be in MW: Spain's load is about 28,000; got 2"),
        ("price day ahead", 1e-3, "`price_day_ahead_eur_mwh` must be in EUR/MWh: up to 180 before 2021; got 0.0"),
        ("price actual", 1e3, "`price_actual_eur_mwh` must be in EUR/MWh"),
    ],
)
def test_units_that_cannot_be_spains_are_refused(
    year: pd.DataFrame, column: str, share: float, message: str, tmp_path: Path
) -> None:
    part = year.iloc[12 * 24 : 14 * 24]
    with pytest.raises(ValueError, match=message):
        load_spain(saved(part.assign(**{column: share * part[column]}), tmp_path))
