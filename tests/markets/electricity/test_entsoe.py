# ruff: noqa: E501 - a row is a line

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from walras.markets.electricity.entsoe import load_entsoe

AUTUMN, SPRING = ("2024-10-27", 25), ("2024-03-31", 23)


def mtu(day: str, form: str, step: str = "1h", marks: bool = True) -> list[str]:
    """The time units of a local day, as the platform writes them."""
    start = pd.Timestamp(day, tz="Europe/Brussels")
    time = pd.date_range(start, start + pd.DateOffset(days=1), freq=step)
    clash = time.tz_localize(None).duplicated(keep=False)
    names = [
        f"{t:{form}}" + (f" ({t.tzname()})" if twice and marks else "") for t, twice in zip(time, clash, strict=True)
    ]
    return [f"{first} - {last}" for first, last in pairwise(names)]


def older(path: Path, rows: list[str]) -> Path:
    """Exports before 2024: dots or slashes, no seconds, the currency in a column."""
    head = '"MTU (CET/CEST)","Day-ahead Price [EUR/MWh]","Currency","BZN|ES"'
    path.write_text("\n".join([head, *(f'"{row}","{k}.25","EUR",""' for k, row in enumerate(rows))]))
    return path


def newer(
    path: Path, rows: list[str], sequences: tuple[str, ...] = ("Without Sequence",), zone: str = "CET/CEST"
) -> Path:
    """Exports since: seconds, areas, sequences."""
    head = f'"MTU ({zone})","Area","Sequence","Day-ahead Price (EUR/MWh)","Intraday Period ({zone})","Intraday Price (EUR/MWh)"'
    body = [
        f'"{row}","BZN|ES","{name}","{k + 100 * n}.25","",""'
        for n, name in enumerate(sequences)
        for k, row in enumerate(rows)
    ]
    path.write_text("\n".join([head, *body]))
    return path


@pytest.mark.parametrize(("day", "length"), [AUTUMN, SPRING])
@pytest.mark.parametrize("marks", [True, False])
def test_both_layouts_cross_a_clock_change(day: str, length: int, marks: bool, tmp_path: Path) -> None:
    old = load_entsoe(older(tmp_path / "old.csv", mtu(day, "%d.%m.%Y %H:%M", marks=marks)))
    new = load_entsoe(newer(tmp_path / "new.csv", mtu(day, "%d/%m/%Y %H:%M:%S", marks=marks)))
    quarters = load_entsoe(newer(tmp_path / "q.csv", mtu(day, "%d/%m/%Y %H:%M:%S", "15min", marks)))
    start = np.datetime64(pd.Timestamp(day, tz="Europe/Brussels").tz_convert("UTC").tz_localize(None), "m")
    for series in (old, new):
        np.testing.assert_array_equal(series.utc, start + np.arange(length) * np.timedelta64(60, "m"))
        np.testing.assert_array_equal(series.value[:, 0], np.arange(length) + 0.25)
        assert (series.clock[0], series.clock[-1]) == (0, 23)
    np.testing.assert_array_equal(quarters.utc, start + np.arange(4 * length) * np.timedelta64(15, "m"))
    assert quarters.step_hours == 0.25


def test_universal_time_has_no_clock_change(tmp_path: Path) -> None:
    rows = [f"27/10/2024 {h:02}:00:00 - 27/10/2024 {h + 1:02}:00:00" for h in range(23)]
    series = load_entsoe(newer(tmp_path / "utc.csv", rows, zone="UTC"))
    np.testing.assert_array_equal(series.utc, series.local)


def test_two_sequences_need_a_choice(tmp_path: Path) -> None:
    path = newer(tmp_path / "p.csv", mtu("2024-06-01", "%d/%m/%Y %H:%M:%S"), ("Sequence 1", "Sequence 2"))
    with pytest.raises(ValueError, match=r"`sequence` must be one of 'Sequence 1', 'Sequence 2', which .* has; got ''"):
        load_entsoe(path)
    assert load_entsoe(path, sequence="Sequence 2").value[0, 0] == 100.25
    with pytest.raises(ValueError, match=r"`area` must be one of 'BZN\|ES'"):
        load_entsoe(path, area="BZN|PT", sequence="Sequence 1")


@pytest.mark.parametrize("missing", ["n/e", "N/A", "-", ""])
def test_what_is_missing_is_no_number(missing: str, tmp_path: Path) -> None:
    path = newer(tmp_path / "p.csv", mtu("2024-06-01", "%d/%m/%Y %H:%M:%S"))
    path.write_text(path.read_text().replace('"1.25"', f'"{missing}"'))
    assert np.flatnonzero(np.isnan(load_entsoe(path).value[:, 0])).tolist() == [1]


def test_other_tables_are_read_by_their_heading(tmp_path: Path) -> None:
    rows = mtu("2024-06-01", "%d/%m/%Y %H:%M")
    head = '"MTU (CET/CEST)","Area","Actual Total Load (MW)","Day-ahead Total Load Forecast (MW)"'
    path = tmp_path / "load.csv"
    path.write_text("\n".join([head, *(f'"{row}","BZN|ES","{k}","7"' for k, row in enumerate(rows))]))
    assert load_entsoe(path, "Actual Total Load").columns == ("Actual Total Load (MW)",)
    with pytest.raises(ValueError, match=r"`column` must be how one heading of .* begins; got \('Day-ahead Price'"):
        load_entsoe(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("EUR/MWh", "GBP/MWh", r"`column` must be in EUR/MWh; got 'Day-ahead Price \(GBP/MWh\)'"),
        ("CET/CEST", "EET/EEST", r"must have times in CET/CEST or UTC"),
        ("01/06/2024 05:00:00 - ", "05:00 - ", r"row 7, column MTU .*: must be a time unit such as"),
        ("01/06/2024 05:00:00 - ", "01/06/2024 06:00:00 - ", r"row 7, column MTU .*: must follow by 60 minutes with 2024-06-01 05:00"),
        ('"1.25"', '"1,25"', r"row 3, column Day-ahead Price .*: must be a number"),
    ],
)  # fmt: skip
def test_wrong_tables_are_told_by_row_and_column(old: str, new: str, message: str, tmp_path: Path) -> None:
    path = newer(tmp_path / "p.csv", mtu("2024-06-01", "%d/%m/%Y %H:%M:%S"))
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ValueError, match=message):
        load_entsoe(path)


def test_rows_that_are_left_out_are_no_longer_steps(tmp_path: Path) -> None:
    rows = mtu("2024-06-01", "%d/%m/%Y %H:%M:%S")
    with pytest.raises(
        ValueError, match=r"row 2, column MTU .*: must end where the next row begins; got '01/06/2024 00"
    ):
        load_entsoe(newer(tmp_path / "half.csv", rows[::2]))
    with pytest.raises(ValueError, match=r"row 4, column MTU .*: must end where the next row begins"):
        load_entsoe(newer(tmp_path / "end.csv", [row.replace("- 01/06/2024 03", "- 01/06/2024 04") for row in rows]))
    one = load_entsoe(newer(tmp_path / "one.csv", mtu("2024-06-01", "%d/%m/%Y %H:%M:%S", "15min")[:1]))
    assert one.step_hours == 0.25


def test_marks_of_the_clock_must_fit_the_order(tmp_path: Path) -> None:
    path = newer(tmp_path / "p.csv", mtu(AUTUMN[0], "%d/%m/%Y %H:%M:%S"))
    text = path.read_text()
    path.write_text(text.replace("(CEST)", "(X)").replace("(CET)", "(CEST)").replace("(X)", "(CET)"))
    with pytest.raises(ValueError, match=r"row 4, column MTU .*: must have the mark of the clock"):
        load_entsoe(path)
