# ruff: noqa: E501 - a row is a line

from pathlib import Path

import numpy as np
import pytest

from walras.markets.electricity.dispatch import dispatched
from walras.markets.electricity.fleet import load_fleet
from walras.markets.electricity.series import load_series
from walras.markets.electricity.system import System, market_system

FILES = {
    "fleet.csv": "unit,owner,capacity_mw,marginal_cost_eur_mwh,bus,availability\n"
    "n1,north,100,20,N,wind\ns1,south,60,30,S,\ns2,south,60,50,S,0.5\n",
    "series.csv": "time,load,wind\n2018-01-01T00:00Z,100,1\n2018-01-01T01:00Z,40,0.3\n",
    "buses.csv": "bus,latitude,longitude\nN,43,-3\nM,41,-4\nS,37,-6\n",
    "branches.csv": "branch,from_bus,to_bus,limit_mw,susceptance_mw_rad,x_pu,base_mva\nNM,N,M,30,500,,\nMS,M,S,,,0.25,100\n",
    "links.csv": "link,from_bus,to_bus,min_mw,max_mw,loss_share\ncable,N,S,0,10,0.1\n",
}


def system(tmp_path: Path, linked: bool = False, **changed: str) -> System:
    """Cheap wind in the north, the load in the south, and 30 MW between them."""
    for name, text in (FILES | {f"{name}.csv": text for name, text in changed.items()}).items():
        (tmp_path / name).write_text(text)
    series = load_series(tmp_path / "series.csv", ["load", "wind"])
    tables = (tmp_path / "buses.csv", tmp_path / "branches.csv", tmp_path / "links.csv" if linked else None)
    return market_system(load_fleet(tmp_path / "fleet.csv"), series, {"S": "load"}, *tables)


def test_tables_make_the_network_that_is_cleared(tmp_path: Path) -> None:
    made = system(tmp_path)
    assert made.network.edges["N", "M", "NM"]["susceptance"] == 500
    assert made.network.edges["M", "S", "MS"] == {"susceptance": 400, "limit": np.inf, "from_bus": "M", "to_bus": "S"}
    np.testing.assert_array_equal(made.quantity, [[100, 60, 30], [30, 60, 30]])
    assert made.place["N"] == (43, -3)
    found = dispatched(made, 1000.0)
    # 30 come from the north at most; the south gives 60 at 30 and 10 at 50. Then 30 of wind fill the line exactly.
    np.testing.assert_allclose(found.dispatch, [[30, 60, 10], [30, 10, 0]], atol=1e-9)
    np.testing.assert_allclose(found.nodal_price[0], [20, 50, 50], atol=1e-9)
    np.testing.assert_allclose(
        found.rent, [30 * 30, (found.nodal_price[1, 2] - found.nodal_price[1, 0]) * 30], atol=1e-6
    )


def test_a_link_loses_its_share(tmp_path: Path) -> None:
    found = dispatched(system(tmp_path, linked=True), 1000.0)
    # 10 MW more leave the north, 9 arrive: the unit at 50 gives 1.
    np.testing.assert_allclose(found.dispatch[0], [40, 60, 1], atol=1e-9)


def test_a_market_without_a_network_has_one_bus(tmp_path: Path) -> None:
    made = system(tmp_path)
    fleet = load_fleet(tmp_path / "fleet.csv")
    alone = market_system(fleet, load_series(tmp_path / "series.csv", ["load", "wind"]), "load")
    np.testing.assert_array_equal(alone.load, made.load.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(dispatched(alone, 1000.0).nodal_price, [[20], [30]], atol=1e-9)


BUSES, BRANCHES, FLEET = FILES["buses.csv"], FILES["branches.csv"], FILES["fleet.csv"]
WRONG = [
    ({"fleet": FLEET.replace("30,S,", "30,,")}, r"fleet\.csv, row 3, column bus: must not be blank"),
    (
        {"fleet": FLEET.replace("30,S,", "30,X,")},
        r"fleet\.csv, row 3, column bus: must be a bus of .*buses\.csv; got 'X'",
    ),
    ({"buses": BUSES + "E,,\n"}, r"buses\.csv, row 5, column bus: must be joined to 'N' .*got 'E'.*in 2 islands"),
    ({"buses": BUSES + "N,,\n"}, r"buses\.csv, row 5, column bus: must stand once"),
    (
        {"buses": BUSES + "E,,\n", "branches": BRANCHES + "SE,S,E,5,100,,\n"},
        r"buses\.csv, row 5, column bus: must have a unit, a load",
    ),
    (
        {"branches": BRANCHES.replace("N,M", "N,Q")},
        r"branches\.csv, row 2, column to_bus: must be a bus of .*; got 'Q'",
    ),
    ({"branches": BRANCHES.replace("N,M,", "N,N,")}, r"branches\.csv, row 2, column to_bus: must be another bus"),
    (
        {"branches": BRANCHES.replace(",,0.25,", ",7,0.25,")},
        r"branches\.csv, row 3, column susceptance_mw_rad: .*not both",
    ),
    ({"branches": BRANCHES.replace(",,0.25,", ",,,")}, r"branches\.csv, row 3, column susceptance_mw_rad: .*`x_pu`"),
    ({"branches": BRANCHES.replace(",0.25,", ",0,")}, r"branches\.csv, row 3, column x_pu: must not be 0"),
    (
        {"branches": BRANCHES.replace(",30,", ",-30,")},
        r"branches\.csv, row 2, column limit_mw: must not be negative; got '-30'",
    ),
    (
        {"branches": BRANCHES.replace("limit_mw", "capacity")},
        r"branches\.csv, row 1: `capacity` must be a column that is read",
    ),
    (
        {"links": FILES["links.csv"].replace(",0,10,", ",20,10,")},
        r"links\.csv, row 2, column min_mw: must not exceed `max_mw`",
    ),
    (
        {"links": FILES["links.csv"].replace(",0,10,", ",-5,10,")},
        r"links\.csv, row 2, column min_mw: .*make it two links",
    ),
]


@pytest.mark.parametrize(("changed", "message"), WRONG)
def test_wrong_networks_are_told_by_file_row_and_column(changed: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        system(tmp_path, linked=True, **changed)
