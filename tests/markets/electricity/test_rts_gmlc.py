# ruff: noqa: E501 - a row is a line

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from walras.markets.electricity.dispatch import dispatched, tables
from walras.markets.electricity.rts_gmlc import load_rts_gmlc
from walras.markets.electricity.system import System

# A miniature of the layout: an area of two buses, a coal unit of two blocks, wind, and what is left out.
FILES = {
    "SourceData/bus.csv": "Bus ID,MW Load,Area,lat,lng\n101,30,1,33.5,-113.5\n102,10,1,33.25,-114\n201,0,2,34,-115\n202,5,2,34,-115\n",
    "SourceData/branch.csv": "UID,From Bus,To Bus,X,Tr Ratio,Cont Rating\nA1,101,102,0.02,0,175\nB1,201,202,0.05,1.25,50\n",
    "SourceData/dc_branch.csv": "UID,From Bus,To Bus,MW Load\nDC1,102,201,20\n",
    "SourceData/gen.csv": "GEN UID,Bus ID,Unit Type,Category,PMax MW,Fuel Price $/MMBTU,Output_pct_0,Output_pct_1,Output_pct_2,"
    "Output_pct_3,Output_pct_4,HR_incr_1,HR_incr_2,HR_incr_3,HR_incr_4,VOM\n"
    "101_COAL,101,STEAM,Coal,50,2,0.4,0.6,1,NA,NA,8000,9000,NA,NA,0.5\n"
    "201_WIND,201,WIND,Wind,40,0,0,0,0,0,NA,0,0,0,NA,0\n"
    "201_CSP,201,CSP,Solar,20,0,0,0,0,0,NA,0,0,0,NA,0\n",
    "timeseries/DAY_AHEAD_regional_Load.csv": "Year,Month,Day,Period,1,2\n2020,2,28,24,40,5\n2020,2,29,1,44,6\n2020,2,29,2,50,7\n",
    "timeseries/DAY_AHEAD_wind.csv": "Year,Month,Day,Period,201_WIND\n2020,2,28,24,12\n2020,2,29,1,0\n2020,2,29,2,40\n",
}
HOURS = "Year,Month,Day,Period\n2020,2,28,24\n2020,2,29,1\n2020,2,29,2\n"
FILES.update({f"timeseries/DAY_AHEAD_{name}.csv": HOURS for name in ("pv", "rtpv", "hydro")})


def folder(tmp_path: Path, **changed: str) -> Path:
    """The miniature, with some files changed."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(changed.get(path.stem, text))
    return tmp_path


def test_a_miniature_is_read_as_the_layout_says(tmp_path: Path) -> None:
    system = load_rts_gmlc(folder(tmp_path))
    assert system.unit == ("101_COAL", "101_COAL", "201_WIND")
    # 8,000 and 9,000 BTU/kWh at 2 $/MMBTU, and 0.5 beside; 60 and 40 % of 50 MW.
    np.testing.assert_allclose(system.price[0], [16.5, 18.5, 0])
    np.testing.assert_allclose(system.quantity, [[30, 20, 12], [30, 20, 0], [30, 20, 40]])
    np.testing.assert_allclose(system.load[0], [30, 10, 0, 5])
    assert system.network.edges["101", "102", "A1"]["susceptance"] == 5000
    assert system.network.edges["201", "202", "B1"]["susceptance"] == pytest.approx(100 / (0.05 * 1.25))
    link = system.network.edges["102", "201", "DC1"]
    assert (link["kind"], link["minimum"], link["limit"]) == ("dc", -20, 20)
    assert system.time is not None
    assert [str(hour) for hour in system.time] == ["2020-02-28T23:00", "2020-02-29T00:00", "2020-02-29T01:00"]
    assert system.owner == ("area 1", "area 1", "area 2")
    assert system.left_out == ("Left out: concentrated solar power (1); least outputs, starts and costs at no load.",)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"DAY_AHEAD_wind": "Year,Month,Day,Period,201_WIND\n2020,2,28,24,1\n2020,2,29,2,1\n"}, r"row 3, column Period: must follow"),
        ({"DAY_AHEAD_wind": "Year,Month,Day,Period,201_WIND\n2020,2,29,1,1\n"}, r"have series of the same hours"),
        ({"branch": FILES["SourceData/branch.csv"].replace("102,0.02", "103,0.02")}, r"row 2, column To Bus: must be a bus of bus.csv; got '103'"),
        ({"gen": FILES["SourceData/gen.csv"].replace("9000", "x")}, r"row 2, column HR_incr_2: must be a number, or NA"),
        ({"gen": FILES["SourceData/gen.csv"].replace("9000", "7000")}, r"row 2, column HR_incr_2: must not fall below 8000"),
        ({"gen": FILES["SourceData/gen.csv"].replace("0.4,0.6,1,", "0.4,0.9,0.6,")}, r"row 2, column Output_pct_2: must exceed 0\.9, .*; got '0\.6'"),
        ({"gen": FILES["SourceData/gen.csv"].replace("0.4,0.6,1,", "0.4,0.6,0.9,")}, r"row 2, column Output_pct_1: must begin blocks that end at 1"),
        ({"gen": FILES["SourceData/gen.csv"].replace("Coal,50", "Coal,-50")}, r"row 2, column PMax MW: must be finite and not negative; got '-50'"),
        ({"gen": FILES["SourceData/gen.csv"].replace("Coal,50", "Coal,nan")}, r"row 2, column PMax MW: must be finite"),
        ({"gen": FILES["SourceData/gen.csv"].replace(",VOM", ",VUM")}, r"gen\.csv: `VOM` must be a column; it is missing\. Did you mean 'VUM'"),
        ({"gen": FILES["SourceData/gen.csv"].replace("201_CSP", "201_WIND")}, r"gen\.csv, row 4, column GEN UID: must stand once"),
        ({"bus": FILES["SourceData/bus.csv"].replace("102,10", "101,10")}, r"bus\.csv, row 3, column Bus ID: must stand once"),
        ({"bus": FILES["SourceData/bus.csv"].replace("202,5", "202,0")}, r"bus\.csv, row 4, column MW Load: must be positive at a bus of each area"),
        ({"branch": FILES["SourceData/branch.csv"].replace("101,102", "101,101")}, r"branch\.csv, row 2, column To Bus: must be another bus than"),
        ({"dc_branch": FILES["SourceData/dc_branch.csv"].replace("102,201", "101,102")}, r"bus\.csv, row 4, column Bus ID: must be joined to '101' .* 2 islands"),
        ({"DAY_AHEAD_wind": HOURS}, r"gen\.csv, row 3, column GEN UID: must have a column in a table of series, DAY_AHEAD_wind"),
        ({"DAY_AHEAD_pv": "Year,Month,Day,Period,201_PVV\n2020,2,28,24,1\n2020,2,29,1,1\n2020,2,29,2,1\n"}, r"DAY_AHEAD_pv\.csv, row 1: `201_PVV` must be a unit of .*gen\.csv"),
        ({"DAY_AHEAD_regional_Load": "Year,Month,Day,Period,1,2\n2020,2,28,23,40,5\n2020,2,29,0,44,6\n"}, r"row 3, column Period: must be at least 1; got '0'"),
        ({"DAY_AHEAD_regional_Load": "Year,Month,Day,Period,1,2\n2020,2,30,1,40,5\n"}, r"row 2, column Day: must be a day of the month; got '30'"),
        ({"DAY_AHEAD_regional_Load": "Year,Month,Day,Period,1,2\n2020,2,28,1.5,40,5\n"}, r"row 2, column Period: must be a whole number from 1 to 24"),
    ],
)  # fmt: skip
def test_wrong_tables_are_told_by_file_row_and_column(changed: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        load_rts_gmlc(folder(tmp_path, **changed))


def test_a_folder_without_the_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`rts_gmlc` must be a folder with SourceData in it"):
        load_rts_gmlc(tmp_path)


@pytest.fixture(scope="module")
def year(shared_data: Path) -> System:
    """The year as published, with the storage."""
    return load_rts_gmlc(shared_data / "rts_gmlc", storage=True)


# Costs and prices by two roads elsewhere: HiGHS on matrices of its own, and PyPSA 1.4.0.
@pytest.mark.parametrize(
    ("day", "cost", "highest"), [("2020-01-01", 699_362.64, 23.2067), ("2020-08-26", 1_910_383.66, 38.0698)]
)
def test_the_published_system_costs_what_others_find(day: str, cost: float, highest: float, year: System) -> None:
    assert (len(set(year.unit)), len(year.unit), year.steps) == (153, 299, 8784)
    assert year.time is not None
    first = int(np.flatnonzero(year.time == np.datetime64(day, "m"))[0])
    system = year.part(slice(first, first + 24))
    found = dispatched(replace(system, storage=()), 9000.0)
    assert found.cost.sum() == pytest.approx(cost, abs=0.006)
    assert found.nodal_price.max() == pytest.approx(highest, abs=6e-5)
    assert found.nodal_price.min() == pytest.approx(0, abs=1e-9)
    if day == "2020-08-26":
        stored = dispatched(system, 9000.0)
        assert stored.cost.sum() == pytest.approx(1_910_060.11, abs=0.006)
        told = tables(stored)
        profit = told["units"].query("fuel == 'storage'")["profit"].sum()
        assert profit == pytest.approx(306.449, abs=6e-4)
        assert told["storages"]["energy_mwh"].max() == pytest.approx(150)


@pytest.mark.slow
def test_the_year_costs_what_it_did_elsewhere(year: System) -> None:
    found = dispatched(replace(year, storage=()), 9000.0)
    assert found.cost.sum() == pytest.approx(351_707_497.8, abs=0.06)
    assert [found.nodal_price.min(), found.nodal_price.max()] == pytest.approx([-5.932, 43.509], abs=6e-4)
