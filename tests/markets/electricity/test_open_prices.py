"""The layout of the five open data sets, and what does not fit it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from walras.markets.electricity.open_prices import LAYOUTS, load_open_prices

HEADS = {
    "Nord Pool": "Date,Price, Grid load forecast, Wind power forecast",
    "PJM": "Date, Zonal COMED price, System load forecast, Zonal COMED load foecast",
    "Belgium and France": "Date, Prices, Generation forecast, System load forecast",
    "Germany": ",Price,Ampirion Load Forecast,PV+Wind Forecast",
}
"""Headers as they are published, blanks, order and misspellings included."""


def made(tmp_path: Path, head: str, days: int = 3, **changed: str) -> Path:
    """A file with the price of an hour, 100 and 1,000 of it; `changed` replaces lines by their number."""
    times = pd.date_range("2013-01-01", periods=24 * days, freq="h").strftime("%Y-%m-%d %H:%M:%S")
    lines = [head, *(f"{time},{k}.5,{100 * k},{1_000 * k}" for k, time in enumerate(times))]
    for number, line in changed.items():
        lines[int(number.removeprefix("line_"))] = line
    (tmp_path / "market.csv").write_text("\n".join(line for line in lines if line != "-"))
    return tmp_path / "market.csv"


@pytest.mark.parametrize("market", LAYOUTS)
def test_each_market_is_read_by_its_columns(market: str, tmp_path: Path) -> None:
    days = load_open_prices(made(tmp_path, HEADS[market]))
    hour = np.arange(72.0).reshape(3, 24)
    first, second = (1_000, 100) if market == "Belgium and France" else (100, 1_000)  # the load is not always first
    np.testing.assert_array_equal(days.price, hour + 0.5)
    np.testing.assert_array_equal(days.load, first * hour)
    np.testing.assert_array_equal(days.others, second * hour[:, None])
    assert days.date.tolist() == list(np.array(["2013-01-01", "2013-01-02", "2013-01-03"], "datetime64[D]").tolist())
    assert np.isnan(days.competitive).all()


HEAD = HEADS["Nord Pool"]


@pytest.mark.parametrize(
    ("head", "changed", "message"),
    [
        (HEAD.replace("Grid", "Grids"), {}, "without 'Grid load forecast'; 'Grids load forecast' is near"),
        ("when" + HEAD[4:], {}, "`path` must have its times in the first column, named 'Date' or not at all; got"),
        (HEAD, {"line_3": "2013-01-01 02:00:00,cheap,1,1"}, "`Price` must hold finite numbers; got 'cheap' in row 2"),
        (HEAD, {"line_3": "2013-01-01 02:00:00,,1,1"}, "`Price` must hold finite numbers; got 'nan' in row 2"),
        (HEAD, {"line_4": "-"}, "`Date` must be one hour after the time before it; got '2013-01-01 04:00:00'"),
        (HEAD, {"line_4": "2013-01-01 02:00:00,1,1,1"}, "one hour after the time before it; got '2013-01-01 02:00:00'"),
        (HEAD, {"line_4": "noon,1,1,1"}, "`Date` must be a local time such as 2013-01-01 00:00:00; got 'noon'"),
        (HEAD, {"line_4": "2013-01-01 03:00:00+01:00,1,1,1"}, "`Date` must be a local time without an offset"),
        (HEAD, {"line_1": "-"}, "`Date` must begin at a midnight; got '2013-01-01 01:00:00'"),
        (HEAD, {"line_72": "-"}, "`Date` must end with a day; got '2013-01-03 22:00:00'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(head: str, changed: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message.replace("+", r"\+")) as refused:
        load_open_prices(made(tmp_path, head, **changed))
    assert "market.csv" in str(refused.value)


def test_a_spanish_table_is_no_open_data_set(tmp_path: Path) -> None:
    (tmp_path / "hours.csv").write_text("time,price day ahead,total load actual\n2015-01-01 00:00:00+01:00,50,25000\n")
    with pytest.raises(ValueError, match="named 'Date' or not at all; got 'time'"):
        load_open_prices(tmp_path / "hours.csv")


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_open_prices(tmp_path / "NP.csv")
