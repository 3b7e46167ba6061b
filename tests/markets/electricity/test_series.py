# ruff: noqa: E501 - a row is a line

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from walras.markets.electricity.series import STEPS, load_series, starting

MADRID = "Europe/Madrid"
SPRING, AUTUMN = ("2018-03-25", 23), ("2018-10-28", 25)


def hours(day: str, step: str, zone: str = MADRID) -> pd.DatetimeIndex:
    """The steps of a local day, whatever it has."""
    start = pd.Timestamp(day, tz=zone)
    return pd.date_range(start, start + pd.DateOffset(days=1), freq=step, inclusive="left")


def saved(tmp_path: Path, time: object, name: str = "load.csv") -> Path:
    texts = [str(moment) for moment in time]  # type: ignore[attr-defined]
    path = tmp_path / name
    pd.DataFrame({"time": texts, "mw": np.arange(len(texts)), "other": 1.5}).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(("day", "length"), [SPRING, AUTUMN, ("2018-06-01", 24)])
def test_days_have_the_hours_of_the_clock(day: str, length: int, step: str, tmp_path: Path) -> None:
    time = hours(day, step)
    local = load_series(saved(tmp_path, time.tz_localize(None)), ["mw"], MADRID, step)
    offset = load_series(saved(tmp_path, time), ["mw"], "", step)
    universal = load_series(saved(tmp_path, time.tz_convert("UTC")), ["mw"], MADRID, step)
    each = 60 // STEPS[step]
    assert len(local.value) == length * each  # 23, 24, 25 hours; 92, 96, 100 quarters
    for series in (local, offset, universal):
        np.testing.assert_array_equal(
            series.utc, time.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[m]")
        )
        np.testing.assert_array_equal(series.clock, time.hour + time.minute / 60)
        np.testing.assert_array_equal(series.column("mw"), np.arange(length * each))
        assert series.step_hours == 1 / each
    assert starting(local.local, day) == 0


def test_a_series_is_written_as_it_is_read(tmp_path: Path) -> None:
    series = load_series(saved(tmp_path, hours(AUTUMN[0], "15min").tz_localize(None)), ["mw", "other"], MADRID, "15min")
    series.table().to_csv(tmp_path / "again.csv", index=False)
    again = load_series(tmp_path / "again.csv", ["mw", "other"], MADRID, "15min")
    for name in ("utc", "local", "value"):
        np.testing.assert_array_equal(getattr(again, name), getattr(series, name))


def test_a_file_may_begin_in_the_second_of_the_doubled_hours(tmp_path: Path) -> None:
    time = hours(AUTUMN[0], "1h")[3:]  # the second 02:00
    series = load_series(saved(tmp_path, time.tz_localize(None)), ["mw"], MADRID)
    assert str(series.utc[0]) == "2018-10-28T01:00"


def test_quarters_are_averaged_only_if_asked(tmp_path: Path) -> None:
    path = saved(tmp_path, hours("2018-06-01", "15min").tz_localize(None))
    with pytest.raises(
        ValueError, match=r"row 3, column time: must follow by the market's step of 60 .*`resample: mean`"
    ):
        load_series(path, ["mw"], MADRID)
    series = load_series(path, ["mw"], MADRID, resample="mean")
    np.testing.assert_array_equal(series.value[:, 0], np.arange(96).reshape(24, 4).mean(axis=1))
    np.testing.assert_array_equal(series.clock, np.arange(24.0))


@pytest.mark.parametrize(
    ("drop", "message"),
    [
        (
            [5],
            r"load\.csv, row 7, column time: must follow by 60 minutes with 2018-06-01 05:00:00; got '2018-06-01 06:00:00'",
        ),
        ([0, 1, 2, 23], ""),
    ],
)
def test_a_gap_is_told_by_its_row(drop: list[int], message: str, tmp_path: Path) -> None:
    time = hours("2018-06-01", "1h").tz_localize(None).delete(drop)
    path = saved(tmp_path, time)
    if not message:
        assert len(load_series(path, ["mw"], MADRID).value) == 20
        return
    with pytest.raises(ValueError, match=message):
        load_series(path, ["mw"], MADRID)


def test_twenty_four_hours_on_a_day_of_twenty_three_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, pd.date_range("2018-03-25", periods=24, freq="h"))
    with pytest.raises(ValueError, match=r"row 4, column time: .*with 2018-03-25 03:00:00; got '2018-03-25 02:00:00'"):
        load_series(path, ["mw"], MADRID)


SUMMER = ["2018-06-01 00:00", "2018-06-01 01:00", "2018-06-01 02:00"]
WRONG = [
    (["2018-06-01 00:00", "2018-06-01 00:00"], MADRID, r"row 3, column time: must follow by .* It repeats a time"),
    (["2018-06-01 01:00", "2018-06-01 00:00"], MADRID, r"row 3, column time: .*does not fit"),
    (SUMMER, "", r"row 2, column time: must carry a UTC offset\. `zone` is the zone of local times"),
    (SUMMER, "Europe/Madird", r"`zone` must be a time zone such as Europe/Madrid; got 'Europe/Madird'"),
    (["2018-06-01 00:00+02:00", "2018-06-01 01:00"], MADRID, r"row 3, column time: .*none: time zones are mixed"),
    (["2018-06-01 00:00+02:00", "2018-06-01 04:00+05:00"], "", r"row 3, column time: .*time zones are mixed"),
    (
        ["2018-06-01 00:00+01:00", "2018-06-01 01:00+01:00"],
        MADRID,
        r"row 2, column time: must carry the UTC offset that `zone`",
    ),
    (["01/06/2018 00:00", "01/06/2018 01:00"], MADRID, r"row 2, column time: must be a time such as 2018-01-31 17:00"),
    (
        ["2018-03-25 02:30", "2018-03-25 03:30"],
        MADRID,
        r"row 2, column time: must be a time of the clock in Europe/Madrid",
    ),
    (["2018-06-01 00:00", ""], MADRID, r"row 3, column time: must not be blank"),
]


@pytest.mark.parametrize(("time", "zone", "message"), WRONG)
def test_wrong_times_are_told_by_row_and_column(time: list[str], zone: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        load_series(saved(tmp_path, time), ["mw"], zone)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("12,5", r"row 3, column mw: must be a number, with a point for decimals; got '12,5'"),
        ("", r"row 3, column mw: must not be blank"),
        ("n/e", r"row 3, column mw: must be a number"),
        ("nan", r"row 3, column mw: must be a number"),
        ("inf", r"row 3, column mw: must be finite"),
        ("1_0", r"row 3, column mw: must be a number"),
    ],
)
def test_what_is_no_number_is_told_by_row_and_column(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    path.write_text(f'time,mw\n2018-06-01 00:00,1\n2018-06-01 01:00,"{text}"\n')
    with pytest.raises(ValueError, match=message):
        load_series(path, ["mw"], MADRID)


def test_a_missing_column_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`othr` must be a column; it is missing\. Did you mean 'other'"):
        load_series(saved(tmp_path, SUMMER), ["othr"], MADRID)


def test_a_day_outside_the_series_is_refused(tmp_path: Path) -> None:
    series = load_series(saved(tmp_path, SUMMER), ["mw"], MADRID)
    with pytest.raises(ValueError, match=r"`start` must be a day of the series, 2018-06-01 to 2018-06-01"):
        starting(series.local, "2018-06-02")
    with pytest.raises(ValueError, match="`start` must be a date such as"):
        starting(series.local, "June")


@pytest.mark.parametrize("offset", ["+01", "+01:00", " +01:00", "+0100"])
def test_offsets_are_read_however_they_are_written(offset: str, tmp_path: Path) -> None:
    # Databases write +01; read as local times the hours stood an hour early.
    times = [f"2018-01-31 {hour:02}:00:00{offset}" for hour in range(3)]
    series = load_series(saved(tmp_path, times), ["mw"], MADRID)
    assert [str(moment) for moment in series.utc] == ["2018-01-30T23:00", "2018-01-31T00:00", "2018-01-31T01:00"]
    assert series.clock.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "time", ["2018-01", "2018", "31/01/2018 17:00", "2018-01-31 17:00 CET", "2018-01-31 5pm", "43131.5"]
)
def test_what_is_no_time_is_refused(time: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"load\.csv, row 2, column time: must be a time such as 2018-01-31 17:00"):
        load_series(saved(tmp_path, [time] * 2), ["mw"], MADRID)


def test_a_day_that_begins_at_one_is_a_day(tmp_path: Path) -> None:
    # In Havana summer time begins at midnight.
    time = pd.date_range("2018-03-10", periods=47, freq="h", tz="America/Havana")
    series = load_series(saved(tmp_path, time), ["mw"], "America/Havana")
    assert series.local[starting(series.local, "2018-03-11")] == np.datetime64("2018-03-11T01:00")
    later = series.part(slice(1, None))
    with pytest.raises(ValueError, match="`start` must be a day of the series"):
        starting(later.local, "2018-03-10")
