# ruff: noqa: E501 - a row is a line
"""What engineers get wrong in their tables: each mistake is told with its file, row and column, by `walras check`."""

import re
from pathlib import Path

import pytest

from walras.scenarios.cli import main

FILES = {
    "market.yaml": """walras: 1
market: {kind: dispatch, cap_eur_mwh: 3000, floor_eur_mwh: 0}
fleet: {file: fleet.csv}
demand: {file: load.csv, zone: Europe/Madrid, columns: {N: north, S: south}}
network: {buses: buses.csv, branches: branches.csv}
""",
    "fleet.csv": "unit,owner,bus,capacity_mw,marginal_cost_eur_mwh,energy_mwh,charge_mw,efficiency_charge,start_mwh\n"
    "wind,a,N,100,0,,,,\ncoal,a,N,200,40,,,,\ngas,b,S,150,70,,,,\ndam,b,S,50,0,120,50,0.9,60\n",
    "load.csv": "time,north,south\n2024-03-31 00:00,80,120\n2024-03-31 01:00,75,110\n2024-03-31 03:00,70,115\n2024-03-31 04:00,72,118\n",
    "buses.csv": "bus\nN\nS\n",
    "branches.csv": "branch,from_bus,to_bus,limit_mw,susceptance_mw_rad\nns,N,S,90,10\n",
}

WRONG = [
    ("units without a bus", "fleet.csv", "coal,a,N,", "coal,a,,", r"fleet\.csv, row 3, column bus: must (be a bus|not be blank)"),
    ("a unit at an unknown bus", "fleet.csv", "gas,b,S,", "gas,b,X,", r"fleet\.csv, row 4, column bus: must be a bus of .*buses\.csv; got 'X'"),
    ("buses without units", "buses.csv", "S\n", "S\nT\n", r"buses\.csv, row 4, column bus: must be joined to 'N'"),
    ("a bus that leads nowhere", "branches.csv", "ns,", "nt,N,T,5,1\nns,", r"branches\.csv, row 2, column to_bus: must be a bus .*; got 'T'"),
    ("a network in two islands", "branches.csv", "ns,N,S,90,10\n", "nn,N,N2,90,10\n", r"branches\.csv, row 2, column to_bus: must be a bus"),
    ("a gap", "load.csv", "2024-03-31 03:00,70,115\n", "", r"load\.csv, row 4, column time: must follow by 60 minutes with 2024-03-31 03:00.* It leaves out a time"),
    ("an hour that the clock leaves out", "load.csv", "2024-03-31 03:00", "2024-03-31 02:00", r"load\.csv, row 4, column time: must follow by 60 minutes"),
    ("a duplicate", "load.csv", "2024-03-31 01:00", "2024-03-31 00:00", r"load\.csv, row 3, column time: must follow by 60 minutes.* It repeats a time"),
    ("mixed time zones", "load.csv", "2024-03-31 01:00", "2024-03-31 01:00+01:00", r"load\.csv, row 3, column time: must carry a UTC offset in every row or in none: time zones are mixed"),
    ("a negative price", "fleet.csv", "wind,a,N,100,0", "wind,a,N,100,-15", r"fleet\.csv, row 2, column marginal_cost_eur_mwh: must cost between the floor 0 and the cap 3000.*got '-15'"),
    ("a price above the cap", "fleet.csv", "S,150,70", "S,150,7000", r"fleet\.csv, row 4, column marginal_cost_eur_mwh: must cost between the floor 0 and the cap 3000.*got '7000'"),
    ("a storage that starts too full", "fleet.csv", "120,50,0.9,60", "120,50,0.9,160", r"fleet\.csv, row 5, column start_mwh: must not exceed `energy_mwh`, what the storage holds; got '160'"),
    ("a storage that gains by charging", "fleet.csv", "120,50,0.9,60", "120,50,1.1,60", r"fleet\.csv, row 5, column efficiency_charge: must lie in \(0, 1\]; got '1\.1'"),
    ("a storage that holds nothing", "fleet.csv", "120,50,0.9,60", ",50,0.9,", r"fleet\.csv, row 5, column charge_mw: must be blank without an `energy_mwh`; got '50'"),
    ("a storage that holds less than nothing", "fleet.csv", "120,50,0.9,60", "-120,50,0.9,", r"fleet\.csv, row 5, column energy_mwh: must not be negative; got '-120'"),
    ("a negative load", "load.csv", "80,120", "-80,120", r"load\.csv, row 2, column north: must not be negative; got '-80'"),
    ("a decimal comma", "load.csv", "80,120", '"80,5",120', r"load\.csv, row 2, column north: must be a number, with a point for decimals; got '80,5'"),
    ("a limit below zero", "branches.csv", "S,90", "S,-90", r"branches\.csv, row 2, column limit_mw: must not be negative; got '-90'"),
]  # fmt: skip


@pytest.fixture
def market(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path / "market.yaml"


def test_the_tables_are_right_without_a_mistake(market: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(market)]) == 0
    assert '"steps": 4' in capsys.readouterr().out


@pytest.mark.parametrize(("name", "old", "new", "words"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_a_mistake_is_told_with_file_row_and_column(
    market: Path, capsys: pytest.CaptureFixture[str], name: str, old: str, new: str, words: str
) -> None:
    assert old in FILES[name]
    (market.parent / name).write_text(FILES[name].replace(old, new, 1))
    assert main(["check", str(market)]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert re.search(words, told), told


def test_a_network_in_two_islands_is_told(market: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (market.parent / "buses.csv").write_text("bus\nN\nN2\nS\nS2\n")
    (market.parent / "branches.csv").write_text(
        "branch,from_bus,to_bus,limit_mw,susceptance_mw_rad\nnn,N,N2,90,10\nss,S,S2,90,10\n"
    )
    assert main(["check", str(market)]) == 2
    told = capsys.readouterr().err
    assert re.search(r"buses\.csv, row 4, column bus: must be joined to 'N' .* The network is in 2 islands", told), told
