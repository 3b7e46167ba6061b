from pathlib import Path

import numpy as np
import pytest

from walras.markets.electricity.matpower import load_matpower

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "pglib_opf"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the Power Grid Library is not on this machine")

CASE = """function mpc = tiny  % three buses, and a fourth that is isolated
mpc.version = '2';
mpc.baseMVA = 100.0;
%% bus_i type Pd Qd Gs Bs area Vm Va baseKV zone Vmax Vmin
mpc.bus = [
  1 3 0.0 0 0 0 1 1 0 230 1 1.1 0.9;
  2 1 90.0 0 2.5 0 1 1 0 230 1 1.1 0.9;
  3 1, 40.0 0 0 0 1 1 0 230 1 1.1 0.9
  9 4 70.0 0 0 0 1 1 0 230 1 1.1 0.9;
];
mpc.gen = [
  1 0 0 0 0 1 100 1 200 10;
  2 0 0 0 0 1 100 0 300 0;
  3 0 0 0 0 1 100 1 50 -5;
  9 0 0 0 0 1 100 1 50 0;
];
mpc.gencost = [
  2 0 0 3 0.25 14 7;
  2 0 0 3 0 99 99;
  2 0 0 2 30 5 0;
  2 0 0 2 30 5 0;
];
mpc.branch = [
  1 2 0.3 0.4 0 80 0 0 0 0 1 -30 30;
  1 2 0.0 0.5 0 0 0 0 0 0 1 0 0;
  3 1 0.0 0.1 0 900 0 0 0 0 1 -18 18;
  2 3 0.0 0.1 0 900 0 0 0 0 0 -30 30;
  2 9 0.0 0.1 0 900 0 0 0 0 1 -30 30;
];
"""


def case_file(tmp_path: Path, old: str = "", new: str = "") -> Path:
    assert old in CASE
    path = tmp_path / "case.m"
    path.write_text(CASE.replace(old, new, 1))
    return path


def test_a_case_is_read_as_the_direct_current_model(tmp_path: Path) -> None:
    case = load_matpower(case_file(tmp_path))
    assert case.name == "tiny"
    assert {bus: data["load"] for bus, data in case.network.nodes.items()} == {1: 0.0, 2: 92.5, 3: 40.0}
    lines = {key: data for *_, key, data in case.network.edges(keys=True, data=True)}
    assert sorted(lines) == [1, 2, 3]
    # 100 x / (r^2 + x^2) by hand.
    assert [lines[key]["susceptance"] for key in (1, 2, 3)] == pytest.approx([160.0, 200.0, 1_000.0])
    # The rating, no limit at all, and 18 degrees (pi / 10) of 1,000 MW per radian.
    assert [lines[key]["limit"] for key in (1, 2, 3)] == pytest.approx([80.0, np.inf, 100 * np.pi])
    assert (lines[3]["from_bus"], lines[3]["to_bus"]) == (3, 1)


def test_offers_are_those_of_the_units_in_service(tmp_path: Path) -> None:
    offers = load_matpower(case_file(tmp_path)).offers
    assert offers.bus.tolist() == [1, 3]
    assert offers.price.tolist() == [14.0, 30.0]
    assert offers.slope.tolist() == [0.5, 0.0]
    assert offers.quantity.tolist() == [200.0, 50.0]
    assert offers.minimum.tolist() == [10.0, -5.0]
    assert offers.fixed_cost == 12.0


def test_angle_limits_may_be_absent(tmp_path: Path) -> None:
    path = tmp_path / "case.m"
    path.write_text(CASE.replace(" -30 30;", ";").replace(" 0 0;\n  3 1", ";\n  3 1").replace(" -18 18;", ";"))
    lines = load_matpower(path).network.edges(keys=True, data="limit")
    assert sorted(limit for *_, limit in lines) == [80.0, 900.0, np.inf]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("2 0 0 2 30 5 0;", "1 0 0 2 30 5 0;", r"`gencost` must hold polynomial costs .* got 1"),
        (
            "2 0 0 3 0.25 14 7",
            "2 0 0 3 -0.25 14 7",
            r"`gencost` must have no negative quadratic term; got -0\.25",
        ),
        (
            "mpc.gencost",
            "mpc.dcline = [1 2 1];\nmpc.gencost",
            "`dcline` must be absent: direct-current lines",
        ),
        ("mpc.gencost", "mpc.gencosts", "`gencost` must be a matrix of the case file"),
        ("mpc.baseMVA = 100.0;", "", "`baseMVA` must be given"),
        (
            "  1 0 0 0 0 1 100 1 200 10;",
            "  1 0 0 0 0 1 100 1 200;",
            r"`gen` must have rows of one length; got \[9, 10\]",
        ),
        ("1 200 10;", "1 200 ten;", r"`gen` must hold numbers only; .*'ten'"),
        ("  3 0 0 0 0 1 100", "  7 0 0 0 0 1 100", r"`gen` must name buses of the case; got \[7\]"),
        ("  2 3 0.0 0.1", "  2 8 0.0 0.1", r"`branch` must name buses of the case; got \[8\]"),
        ("  3 1, 40.0", "  2 1, 40.0", r"`bus` must name each bus once; got \[2\]"),
        ("0.3 0.4", "0 0", "`branch` must have an impedance in row 1"),
        ("1 -18 18", "1 -18 20", "`branch` must have the same angle limit both ways in row 3"),
        ("  2 0 0 2 30 5 0;\n", "", "`gencost` must have a row for each of the 4 units; got 3"),
    ],
)
def test_bad_cases_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_matpower(case_file(tmp_path, old, new))


def test_costs_of_third_order_and_narrow_matrices_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "case.m"
    path.write_text(CASE.replace("3 0.25 14 7", "4 1 0 14 7").replace("99 99;", "99 99 0;").replace("5 0;", "5 0 0;"))
    with pytest.raises(ValueError, match="`gencost` must be of second order at most"):
        load_matpower(path)
    path.write_text(CASE.replace("100 1 200 10", "100").replace("100 0 300 0", "100").replace("100 1 50 -5", "100"))
    with pytest.raises(ValueError, match="`gen` must have"):
        load_matpower(path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_matpower(tmp_path / "absent.m")


@needs_data
def test_all_cases_of_the_library_load() -> None:
    cases = [load_matpower(path) for path in sorted(SHARED.glob("*.m"))]
    assert len(cases) == 54
    # Buses and branches of two of them, as their names and BASELINE.md give them.
    sizes = {case.name: (case.network.number_of_nodes(), case.network.number_of_edges()) for case in cases}
    assert sizes["pglib_opf_case118_ieee"] == (118, 186)
    assert sizes["pglib_opf_case300_ieee__sad"] == (300, 411)
