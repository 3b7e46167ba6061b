# ruff: noqa: E501 - a row is a line

from pathlib import Path

import numpy as np
import pytest

from walras.markets.electricity.dispatch import dispatched
from walras.markets.electricity.pypsa import load_pypsa
from walras.markets.electricity.storage import Storage

# As PyPSA 1.4.0 writes it: columns at their defaults are left out, and results stand among the tables.
FILES = {
    "buses.csv": "name,v_nom,x,y,sub_network\nN,10.0,-3.0,43.0,0\nS,10.0,-6.0,37.0,0\n",
    "generators.csv": "name,bus,p_nom,marginal_cost,carrier,p_nom_opt,p_min_pu,marginal_cost_quadratic\n"
    "wind,N,100.0,0.0,wind,100.0,0.0,0.0\ngas,S,80.0,30.0,gas,80.0,0.0,0.25\noil,S,50.0,60.0,,50.0,0.2,0.0\n",
    "generators-p_max_pu.csv": ",wind\n0,0.5\n1,0.1\n",
    "generators-p.csv": ",wind,gas\n0,30,20\n1,10,50\n",
    "loads.csv": "name,bus\ncity,S\nvillage,N\n",
    "loads-p_set.csv": ",city,village\n0,60.0,5.0\n1,70.0,5.0\n",
    "lines.csv": "name,bus0,bus1,x,r,s_nom,s_max_pu\nL,N,S,0.5,0.1,50.0,0.8\n",
    "links.csv": "name,bus0,bus1,p_nom,efficiency\nDC,N,S,10.0,0.9\n",
    "snapshots.csv": ",snapshot,objective,stores,generators\n0,2020-01-01 00:00:00,.5,.5,.5\n1,2020-01-01 00:30:00,.5,.5,.5\n",
    "carriers.csv": "name,co2_emissions\ngas,0.2\n",
    "network.csv": "name,pypsa_version\nmine,1.4.0\n",
}  # fmt: skip


def folder(tmp_path: Path, **changed: str) -> Path:
    """The folder, with some tables changed or added."""
    for name, text in (FILES | {f"{name}.csv": text for name, text in changed.items()}).items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_folder_is_read_as_pypsa_means_it(tmp_path: Path) -> None:
    system = load_pypsa(folder(tmp_path))
    line, link = system.network.edges["N", "S", "L"], system.network.edges["N", "S", "DC"]
    assert (line["susceptance"], line["limit"]) == (200, 40)  # 10^2 / 0.5, 0.8 of 50
    assert (link["minimum"], link["limit"], link["loss_share"]) == (0, 10, pytest.approx(0.1))
    np.testing.assert_array_equal(system.quantity, [[50, 80, 50], [10, 80, 50]])
    np.testing.assert_array_equal(system.load, [[5, 60], [5, 70]])
    assert np.array_equal(system.minimum, [0, 0, 10])  # type: ignore[arg-type] - it is given
    assert np.array_equal(system.slope, [0, 0.5, 0])  # type: ignore[arg-type] - as above
    assert system.fuel == ("wind", "gas", "other")
    assert (system.step_hours, system.place["S"]) == (0.5, (37, -6))


@pytest.mark.parametrize("names", [("0", "1"), ("2", "3")])
def test_snapshots_without_times_are_as_long_as_their_weights(tmp_path: Path, names: tuple[str, ...]) -> None:
    # Read as times they were years, and each step counted 8,760 hours or more.
    rows = "".join(f"{k},{name},3,3,3\n" for k, name in enumerate(names))
    system = load_pypsa(folder(tmp_path, snapshots=f",snapshot,objective,stores,generators\n{rows}"))
    assert (system.time, system.local, system.step_hours, system.steps) == (None, None, 3.0, 2)


def test_a_network_without_snapshots_is_one_hour(tmp_path: Path) -> None:
    one = {
        name: "".join(FILES[f"{name}.csv"].splitlines(keepends=True)[:2])
        for name in ("generators-p_max_pu", "loads-p_set")
    }
    system = load_pypsa(folder(tmp_path, snapshots=",snapshot\n0,now\n", **one))
    assert (system.time, system.step_hours, system.load.tolist()) == (None, 1.0, [[5, 60]])


def test_it_is_dispatched_by_hand(tmp_path: Path) -> None:
    found = dispatched(load_pypsa(folder(tmp_path)), 1000.0)
    # At first 40 of wind go over the line and 5 over the link, of which 4.5 arrive: 10 of oil must run, 5.5 are gas.
    np.testing.assert_allclose(found.dispatch[0], [50, 5.5, 10], atol=1e-6)
    np.testing.assert_allclose(found.nodal_price[0, 1], 30 + 0.5 * 5.5, atol=1e-6)
    # Then 5 of wind are left; they go over the line, which loses nothing.
    np.testing.assert_allclose(found.dispatch[1], [10, 55, 10], atol=1e-6)


def test_storage_units_are_storages(tmp_path: Path) -> None:
    text = "name,bus,p_nom,max_hours,efficiency_store,efficiency_dispatch,cyclic_state_of_charge\ns,S,10.0,4.0,0.9,0.8,True\n"
    (storage,) = load_pypsa(folder(tmp_path, storage_units=text)).storage
    assert storage == Storage("s", "S", 10.0, 10.0, 40.0, 0.9, 0.8, owner="bus S")


def test_what_is_left_out_is_at_pypsas_defaults(tmp_path: Path) -> None:
    made = folder(
        tmp_path, lines="name,bus0,bus1,x,s_nom\nL,N,S,0.5,50.0\n", generators="name,bus,p_nom\nfree,S,90.0\n"
    )
    for name in ("links", "carriers", "network", "generators-p", "generators-p_max_pu"):
        (made / f"{name}.csv").unlink()
    system = load_pypsa(made)
    assert (system.price.tolist(), system.minimum, system.slope) == ([[0], [0]], None, None)
    assert system.network.edges["N", "S", "L"]["limit"] == 50


WRONG = [
    ({"generators": FILES["generators.csv"].replace("p_min_pu", "committable").replace(",0.2,", ",True,")}, r"generators\.csv, row 4, column committable: must be at its default, as it is not read; got 'True'"),
    ({"generators": "name,bus,p_nom,p_nom_extendable\ng,N,1,True\n"}, r"row 2, column p_nom_extendable: must be at its default"),
    ({"generators": "name,bus,p_nom,ramp_limit_up\ng,N,1,0.3\n"}, r"row 2, column ramp_limit_up: must be at its default"),
    ({"generators": "name,bus,p_nom,active\ng,N,1,False\n"}, r"row 2, column active: must be at its default, as it is not read; got 'False'"),
    ({"generators": "name,bus,p_nom\ng,X,1\n"}, r"row 2, column bus: must be a bus of buses\.csv; got 'X'"),
    ({"buses": FILES["buses.csv"] + "T,10.0,0,0,1\n"}, r"buses\.csv, row 4, column name: must be joined to 'N' by branches or links; got 'T'\. The network is in 2 islands"),
    ({"transformers": "name,bus0,bus1,x,s_nom\nT,N,S,1,1\n"}, r"must have components .* alone; got 'transformers\.csv'"),
    ({"stores": "name,bus\ns,N\n"}, r"must have components .* alone; got 'stores\.csv'"),
    ({"storage_units": "name,bus,p_nom\ns,N,5\n"}, r"storage_units\.csv, row 2, column name: must be cyclic; got 's'"),
    ({"storage_units": "name,bus,p_nom,cyclic_state_of_charge,standing_loss\ns,N,5,True,0.1\n"}, r"row 2, column standing_loss: must be at its default"),
    ({"storage_units-inflow": ",s\n0,1\n1,1\n"}, r"must have no inflow by the step; got 'storage_units-inflow\.csv'"),
    ({"generators-p_min_pu": ",gas\n0,0.1\n1,0.1\n"}, r"must have no p_min_pu by the step; got 'generators-p_min_pu\.csv'"),
    ({"loads-p_set": ",town\n0,1\n1,1\n"}, r"must have names of loads\.csv in loads-p_set\.csv; got 'town'"),
    ({"loads-p_set": ",city\n0,1\n"}, r"must have 2 steps in loads-p_set\.csv"),
    ({"lines": "name,bus0,bus1,x,s_nom\nL,N,S,0,50\n"}, r"lines\.csv, row 2, column x: must not be 0"),
    ({"lines": "name,bus0,bus1,x,s_nom,type\nL,N,S,1,50,Al/St\n"}, r"row 2, column type: must be at its default"),
    ({"links": "name,bus0,bus1,p_nom,efficiency,p_min_pu\nDC,N,S,10,0.9,-1\n"}, r"row 2, column p_min_pu: must not be negative on a link with losses"),
    ({"links": "name,bus0,bus1,p_nom,marginal_cost\nDC,N,S,10,3\n"}, r"row 2, column marginal_cost: must be at its default"),
    ({"snapshots": FILES["snapshots.csv"].replace(",.5,.5,.5\n1", ",2,.5,.5\n1")}, r"row 2, column objective: must be 0\.5, the hours of a step"),
    ({"snapshots": FILES["snapshots.csv"].replace(".5", "1")}, r"row 2, column objective: must be 0\.5, the hours of a step, which PyPSA takes from its `snapshot_weightings`; got '1'"),
    ({"snapshots": ",snapshot\n0,2020-01-01\n1,2020-01-01 00:30\n"}, r"row 2, column snapshot: must be 0\.5, the hours of a step"),
    ({"snapshots": ",snapshot,stores\n0,0,1\n1,1,2\n"}, r"row 3, column stores: must be 1, the hours of a step"),
    ({"snapshots": ",snapshot\n0,spring\n1,summer\n"}, r"row 2, column snapshot: must be a time such as 2018-01-31 17:00:00; got 'spring'"),
    ({"snapshots": ",snapshot\n0,2020-01-01 01:00\n1,2020-01-01 00:00\n"}, r"row 3, column snapshot: must follow by the first step"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "message"), WRONG)
def test_what_is_not_read_is_refused_by_name(changed: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        load_pypsa(folder(tmp_path, **changed))


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`pypsa` must be the folder that PyPSA's export_to_csv_folder wrote"):
        load_pypsa(tmp_path / "network.nc")
