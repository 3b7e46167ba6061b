from pathlib import Path

import numpy as np
import pytest

from walras.markets.electricity.fleet import fuel_prices, joined, load_fleet, storages

FLEET = """unit,owner,capacity_mw,marginal_cost_eur_mwh,fuel,efficiency,vom_eur_mwh
h1,hydro,100,20,,,
c1,thermal,150,,coal,0.4,1.5
g1,thermal,200,,gas,0.55,2
"""
FUELS = "fuel,price_eur_mwh_th,co2_t_mwh_th\ncoal,10,0.34\ngas,22,0.2\n"


def written(tmp_path: Path, text: str, name: str = "fleet.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_costs_are_fuel_and_carbon_over_efficiency(tmp_path: Path) -> None:
    # (10 + 25 x .34) / .4 + 1.5 and (22 + 25 x .2) / .55 + 2
    fleet = load_fleet(written(tmp_path, FLEET), written(tmp_path, FUELS, "fuels.csv"), 25.0)
    np.testing.assert_allclose(fleet.cost, [20, 47.75, 51 + 1 / 11], rtol=1e-14)
    hydro, thermal = fleet.generators()
    assert (hydro.name, hydro.cost, hydro.capacity) == ("hydro", (20.0,), (100.0,))
    assert (thermal.name, thermal.capacity) == ("thermal", (150.0, 200.0))


def test_a_heat_rate_is_an_efficiency(tmp_path: Path) -> None:
    text = "unit,owner,capacity_mw,fuel,heat_rate_gj_mwh\na,x,1,gas,9\n"
    fleet = load_fleet(written(tmp_path, text), {"gas": 20.0})
    np.testing.assert_allclose(fleet.cost, [20 * 9 / 3.6])


def test_prices_by_the_step_make_costs_by_the_step(tmp_path: Path) -> None:
    fleet = load_fleet(written(tmp_path, FLEET), {"coal": 0.0, "gas": 0.0})
    cost = fleet.cost_at({"coal": np.array([10.0, 20.0]), "gas": np.array([22.0, 11.0])})
    np.testing.assert_allclose(cost, [[20, 26.5, 42], [20, 51.5, 22]])


def test_neighbours_in_cost_are_joined_by_their_mean(tmp_path: Path) -> None:
    cost, capacity = joined(np.array([10.0, 30.0, 31.0, 50.0]), np.array([1.0, 1.0, 3.0, 2.0]), 2)
    # 30 and 31 first; then 10 is 20.75 from their mean, and 50 is 19.25.
    np.testing.assert_allclose(cost, [10, (30 + 93 + 100) / 6])
    np.testing.assert_allclose(capacity, [1, 6])
    fleet = load_fleet(written(tmp_path, FLEET), {"coal": 18.5, "gas": 27.0})
    assert fleet.generators(1)[1].cost == pytest.approx(((150 * 47.75 + 200 * (51 + 1 / 11)) / 350,))


def test_shares_reduce_capacity_and_names_are_series(tmp_path: Path) -> None:
    text = "unit,owner,capacity_mw,marginal_cost_eur_mwh,availability\na,x,10,1,0.5\nb,x,20,2,wind\nc,x,5,3,\n"
    fleet = load_fleet(written(tmp_path, text))
    assert fleet.series == ("", "wind", "")
    np.testing.assert_array_equal(fleet.share, [0.5, 1, 1])
    assert fleet.generators()[0].capacity == (5.0, 20.0, 5.0)


def test_storage_is_what_has_energy(tmp_path: Path) -> None:
    text = "unit,owner,capacity_mw,marginal_cost_eur_mwh,energy_mwh,start_mwh\na,x,10,1,40,20\nb,x,20,2,,\n"
    fleet = load_fleet(written(tmp_path, text))
    assert storages(fleet).tolist() == [True, False]
    assert fleet.number("efficiency_charge").tolist() == [1.0, 1.0]


HEAD = "unit,owner,capacity_mw,marginal_cost_eur_mwh"
WRONG = [
    (f"{HEAD}\na,x,1,2\na,x,1,2\n", r"row 3, column unit: must stand once, and it stands in row 2 already; got 'a'"),
    (f"{HEAD}\na,x,-1,2\n", r"row 2, column capacity_mw: must not be negative; got '-1'"),
    (f"{HEAD}\na,x,,2\n", r"row 2, column capacity_mw: must not be blank"),
    (f"{HEAD}\na,x,1,\n", r"row 2, column marginal_cost_eur_mwh: must have `marginal_cost_eur_mwh` or `fuel`"),
    (f"{HEAD},fuel\na,x,1,2,gas\n", r"row 2, column fuel: must have .*, not both; got 'gas'"),
    (f"{HEAD},fuel\na,x,1,,gaz\n", r"row 2, column fuel: must have an `efficiency` or a `heat_rate_gj_mwh`"),
    (
        f"{HEAD},fuel,efficiency\na,x,1,,gaz,.5\n",
        r"row 2, column fuel: must be a fuel with a price; got 'gaz'\. Did you mean 'gas'",
    ),
    (f"{HEAD},fuel,efficiency\na,x,1,,gas,55\n", r"row 2, column efficiency: must lie in \(0, 1\]; got '55'"),
    (f"{HEAD},fuel,efficiency,heat_rate_gj_mwh\na,x,1,,gas,.5,7\n", r"row 2, column efficiency: .*not both"),
    (f"{HEAD},vom_eur_mwh\na,x,1,2,3\n", r"row 2, column vom_eur_mwh: must be blank beside"),
    (f"{HEAD},min_mw\na,x,1,2,3\n", r"row 2, column min_mw: must not exceed `capacity_mw`; got '3'"),
    (f"{HEAD},energy_mwh,start_mwh\na,x,1,2,10,11\n", r"row 2, column start_mwh: must not exceed `energy_mwh`"),
    (f"{HEAD},energy_mwh,efficiency_charge\na,x,1,2,10,0\n", r"row 2, column efficiency_charge: must lie in \(0, 1\]"),
    (f"{HEAD},charge_mw\na,x,1,2,10\n", r"row 2, column charge_mw: must be blank without an `energy_mwh`"),
    (f"{HEAD},availability\na,x,1,2,1.5\n", r"row 2, column availability: must lie in \[0, 1\]"),
    (f"{HEAD},bsu\na,x,1,2,1\n", r"row 1: `bsu` must be a column that is read\. Did you mean 'bus'"),
    ("unit,owner\na,x\n", r"`capacity_mw` must be a column; it is missing"),
    (
        'unit,owner,capacity_mw,marginal_cost_eur_mwh\na,x,"1,5",2\n',
        r"row 2, column capacity_mw: .*point for decimals; got '1,5'",
    ),
    ("unit;owner\na;x\n", r"must be separated by commas; got .*with semicolons"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_wrong_fleets_are_told_by_file_row_and_column(text: str, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match=message) as told:
        load_fleet(path, {"gas": 20.0})
    assert str(path) in str(told.value)


def test_rows_are_counted_as_editors_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="row 5, column capacity_mw"):
        load_fleet(written(tmp_path, f"{HEAD}\na,x,1,2\n\nb,x,1,2\nc,x,-1,2\n\n"))


def test_fuels_without_a_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"row 3, column fuel: must be a fuel of `fleet\.fuels`, which is not given"):
        load_fleet(written(tmp_path, FLEET))


def test_a_fuel_stands_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="row 3, column fuel: must stand once"):
        fuel_prices(written(tmp_path, "fuel,price_eur_mwh_th\ngas,1\ngas,2\n", "fuels.csv"))


@pytest.mark.parametrize(
    ("name", "advice"), [("fleet.xlsx", "save the sheet as CSV"), ("net.nc", "export_to_csv_folder")]
)
def test_other_programs_files_come_with_advice(name: str, advice: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=advice):
        load_fleet(tmp_path / name)
