import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from walras.markets.electricity.matpower import Case, Offers, load_matpower

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
        ("2 0 0 2 30 5 0;", "3 0 0 2 30 5 0;", "case.m: `gencost` must be of model 1 or 2 in row 3; got 3.0"),
        ("2 0 0 2 30 5 0;", "2 0 0 4 30 5 0;", "`gencost` must have as many numbers as it says in row 3"),
        ("2 0 0 2 30 5 0;", "2 0 0 2 NaN 5 0;", "`gencost` must be finite in row 3"),
        ("0.25 14 7", "-0.25 14 7", r"`gencost` must have no negative quadratic term in row 1; got -0\.25"),
        ("mpc.gencost", "mpc.dcline = [1 2 1];\nmpc.gencost", "`dcline` must have at least 17 columns"),
        ("mpc.gencost", "mpc.dclinecost = [2 0 0 1 1];\nmpc.gencost", "`dclinecost` must be absent: such .* costs"),
        ("mpc.gencost", "mpc.A = [1 2];\nmpc.gencost", "`A` must be absent: such constraints"),
        (
            "mpc.gencost",
            "mpc.gencosts = [1 2];\nmpc.gencost",
            r"`gencosts` must be a field .* Did you mean mpc\.gencost\?",
        ),
        ("mpc.gencost", "mpc.costs", "`gencost` must be a matrix of the case file"),
        ("mpc.baseMVA = 100.0;", "", "`baseMVA` must be given"),
        (
            "  1 0 0 0 0 1 100 1 200 10;",
            "  1 0 0 0 0 1 100 1 200;",
            r"`gen` must have rows of one length, not \[9, 10\]; got '2 0 .*' in line 13 of .*case\.m: load the case",
        ),
        ("1 200 10;", "1 200 ten;", r"`gen` must hold numbers only \('ten' is not known\); got '1 0 .*' in line 12 of"),
        ("1 200 10;", "1 200 1_0;", "`gen` must hold numbers only"),
        ("1 200 10;", "1 200 NaN;", "`gen` must have a finite Pmin in row 1; got nan"),
        ("1 200 10;", "1 NaN 10;", "`gen` must have a Pmax that is at least Pmin in row 1; got nan"),
        ("1 200 10;", "1 5 10;", "`gen` must have a Pmax that is at least Pmin in row 1; got 5.0"),
        ("2 1 90.0", "2 1 NaN", "`bus` must have a finite Pd in row 2; got nan"),
        ("2 1 90.0", "2 7 90.0", "`bus` must be of type 1, 2, 3 or 4 in row 2; got 7.0"),
        ("  2 1 90.0", "  2.5 1 90.0", "`bus` must number buses by whole numbers from 1 on in row 2; got 2.5"),
        ("0 80 0", "0 NaN 0", "`branch` must have a rateA of at least 0 in row 1; got nan"),
        ("0 80 0", "0 -80 0", "`branch` must have a rateA of at least 0 in row 1; got -80.0"),
        ("1 -18 18", "1 18 -18", "`branch` must have an angmin that is at most angmax in row 3"),
        ("mpc.version = '2'", "mpc.version = '1'", "`version` must be 2, the format of case files; got '1'"),
        ("100.0;", "-100.0;", "`baseMVA` must be given in the case file, positive; got -100.0"),
        ("  3 0 0 0 0 1 100", "  7 0 0 0 0 1 100", r"`gen` must name buses of the case; got \[7\.0\]"),
        ("  2 3 0.0 0.1", "  2 8 0.0 0.1", r"`branch` must name buses of the case; got \[8\.0\]"),
        ("  3 1, 40.0", "  2 1, 40.0", r"`bus` must name each bus once; got \[2\]"),
        (
            "  1 2 0.3 0.4 0 80 0 0 0 0 1 -30 30;\n  1 2 0.0 0.5 0 0 0 0 0 0 1 0 0;\n",
            "",
            r"case\.m: `bus` must be joined to bus 1 by branches .* 2 islands .* type 4, .* in row 2; got 2\.0",
        ),
        ("  1 2 0.3 0.4", "  1 1 0.3 0.4", r"`branch` must join two buses in row 1; got 1\.0"),
        ("0.3 0.4", "0.3 0", "`branch` must have a reactance x other than 0 in row 1; give it a small one"),
        ("  2 0 0 2 30 5 0;\n", "", "`gencost` must have a row for each of the 4 units, or two; got 3"),
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


TWO = """function mpc = two
mpc.version = '2';
mpc.baseMVA = 100;
mpc.bus = [1 3 0 0 0 0 1 1 0 230 1 1.1 0.9; 2 1 100 0 0 0 1 1 0 230 1 1.1 0.9];
mpc.gen = [1 0 0 0 0 1 100 1 200 0];
mpc.gencost = [2 0 0 2 20 0];
mpc.branch = [1 2 0 0.1 0 0 0 0 0 0 1 0 0];
"""


def two(tmp_path: Path, old: str = "", new: str = "", *, after: str = "", encoding: str = "utf-8") -> Case:
    """Read a case of two buses: one unit at 20, 100 MW of load at the other bus, and 1,000 MW for a radian."""
    assert old in TWO
    path = tmp_path / "two.m"
    path.write_text(TWO.replace(old, new, 1) + after, encoding=encoding)
    return load_matpower(path)


def load_and_susceptance(case: Case) -> tuple[float, float]:
    return case.network.nodes[2]["load"], case.network.edges[1, 2, 1]["susceptance"]


@pytest.mark.parametrize(
    ("after", "load", "susceptance"),
    [
        ("", 100.0, 1_000.0),
        # As the distribution cases of MATPOWER write it: loads in kW, impedances in ohms.
        ("mpc.bus(:, [3, 4]) = mpc.bus(:, [3, 4]) / 1e3;", 0.1, 1_000.0),
        ("mpc.bus(:, [PD QD]) = mpc.bus(:, [PD QD]) / 1e3", 0.1, 1_000.0),
        (
            "[PQ, PV, REF, NONE, BUS_I, BUS_TYPE, KW, QD, GS, BS, BUS_AREA, VM, ...  %% names\n"
            "    VA, BASE_KV, ZONE, VMAX, VMIN, LAM_P, LAM_Q, MU_VMAX, MU_VMIN] = idx_bus;\n"
            "[F_BUS, T_BUS, BR_R, BR_X] = idx_brch;\n"
            "Vbase = mpc.bus(1, BASE_KV) * 1e3;      %% in Volts\n"
            "Sbase = mpc.baseMVA * 1e6;              %% in VA\n"
            "mpc.branch(:, [BR_R BR_X]) = mpc.branch(:, [BR_R BR_X]) / (Vbase^2 / Sbase);\n"
            "mpc.bus(:, KW) = mpc.bus(:, KW) / 1e3;",
            0.1,
            1_000.0 * 529,  # 230 kV squared over 100 MVA is 529 ohms
        ),
        (
            "pf = 0.85;\nmpc.bus(:, QD) = mpc.bus(:, PD) * sin(acos(pf));\nmpc.bus(:, PD) = mpc.bus(:, PD) * pf;",
            85,
            1e3,
        ),
        ("define_constants;\nmpc.bus(2, PD) = 2 * (1 + 2)^2 - -1;\nend", 19.0, 1_000.0),
        ("mpc.bus(:, PD) = 1.1 .* mpc.bus(:, PD);", 110.0, 1_000.0),
        ("mpc.bus_name = {'a % b'; \"c's ; ]\"};\nmpc.reserves.cost = [1; 2];", 100.0, 1_000.0),
        ("return;\nmpc.bus(2, 3) = 1;\nfor k = 1:3, end", 100.0, 1_000.0),
        ("%{\nmpc.bus(2, 3) = 1;\n%{\nmpc.bus(2, 3) = 2;\n%}\nmpc.bus(2, 3) = 3;\n%}", 100.0, 1_000.0),
        ("% mpc.bus(2, 3) = 1;\n  # mpc.bus(2, 3) = 1;", 100.0, 1_000.0),
    ],
)
def test_statements_after_the_matrices_are_evaluated(
    tmp_path: Path, after: str, load: float, susceptance: float
) -> None:
    assert load_and_susceptance(two(tmp_path, after=after)) == pytest.approx((load, susceptance))


@pytest.mark.parametrize(
    ("old", "new", "load", "susceptance"),
    [
        ("0.1", "1/10", 100.0, 1_000.0),
        ("0.1 0 0", ".2*(1 / 2) -0 +0", 100.0, 1_000.0),
        ("0.1", "1d-1", 100.0, 1_000.0),
        ("100 0 0 0 1 1 0 230", "10^2, 0 0, ...\n 0 1 1 0 230", 100.0, 1_000.0),
        ("mpc.version", "% Jos\u00e9\nmpc.version", 100.0, 1_000.0),
        ("mpc.gencost =", "%{\nmpc.gencost = [2 0 0 2 99 0];\n%}\nmpc.gencost =", 100.0, 1_000.0),
        ("function mpc = two\n", "", 100.0, 1_000.0),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-8-sig"])
def test_other_ways_to_write_the_same_case(
    tmp_path: Path, old: str, new: str, load: float, susceptance: float, encoding: str
) -> None:
    case = two(tmp_path, old, new, encoding=encoding)
    assert load_and_susceptance(case) == pytest.approx((load, susceptance))
    assert case.offers.price.tolist() == [20.0]
    assert case.name == "two"


def test_line_ends_of_other_systems_count_as_lines(tmp_path: Path) -> None:
    path = tmp_path / "two.m"
    path.write_bytes((TWO + "for k = 1:3, x = k; end").replace("\n", "\r\n").encode())
    with pytest.raises(ValueError, match=r"'for k = 1:3' in line 8 of .*two\.m: load the case in MATLAB or Octave"):
        load_matpower(path)


@pytest.mark.parametrize(
    ("after", "message"),
    [
        ("mpc.gencost = [2 0 0 2 99 0];", "`gencost` must be assigned once; got 'mpc.gencost = .*' in line 8"),
        ("mpc = scale(mpc);", "`path` must assign to fields of `mpc`|hold expressions"),
        ("mpc.bus(:, 3) = scale(mpc.bus);", r"`bus` must be changed .* \('scale' is not known\); .* in line 8"),
        ("mpc.bus(:, 30) = 1;", "an index lies outside 1 to 13"),
        ("mpc.bus(mpc.bus(:, 3) > 1, 3) = 1;", "`bus` must be changed in a way that this reader understands"),
        ("mpc.bus(:, 3) = [1 2 3];", "`bus` must be changed in a way"),
        ("mpc.bus(:, 3) = mpc.bus * mpc.bus;", r"entry by entry alone"),
        ("mpc.dcline(:, 3) = 1;", "`dcline` must be a matrix before a part of it is changed"),
        ("if true", "`path` must hold assignments alone"),
        ("disp('x')", "`path` must hold assignments alone"),
        ("mpc.bus(:, 3) == 1", "`path` must hold assignments alone"),
        ("[a, b] = size(mpc.bus);", "`path` must hold assignments alone"),
        ("[a, b] = idx_area;", "`path` must name columns by one of idx_bus"),
        ("other.bus = 1;", "`path` must assign to fields of `mpc`"),
        ("x = y + 1;", r"\('y' is not known\)"),
        ("x = mpc.bus';", "is not understood"),
        ("x = '1' + 1;", "is not understood"),
        ("x = (1 + 2;", "`path` must close each bracket"),
        ("x = 1 + 2);", "`path` must close each bracket"),
        ("x = [1 2);", "`path` must close each bracket"),
        ("x = " + "(" * 60 + "1" + ")" * 60, "brackets lie more than 50 deep"),
        ("%{\nunclosed", "`path` must close each block comment with %}; got '%{' in line 8"),
        ("function y = f", "`path` must be one function that returns a case of format version 2"),
        ("mpc.areas = 1; mpc.areas = 2;", "`areas` must be assigned once"),
    ],
)
def test_statements_that_are_not_understood_are_refused_with_their_line(
    tmp_path: Path, after: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        two(tmp_path, after=after)
    assert "two.m" in str(refused.value)


def test_a_case_of_format_version_1_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"case of format version 2, .*; got 'function \[baseMVA, bus\] = two' in line 1"
    ):
        two(tmp_path, "function mpc", "function [baseMVA, bus]")


@pytest.mark.parametrize(
    "text",
    [
        "mpc.a = [" * 40_000,
        "mpc.a = [ " + "1 " * 200_000,
        "x = 1;" * 40_000,
        "x = " + "-" * 100_000 + "1",
        "%{\n" * 40_000,
        "mpc.bus = [" + "1/10 " * 40_000 + "];",
        "(" * 100_000,
        "'" * 100_000,
    ],
)
def test_hostile_text_takes_time_linear_in_its_length(tmp_path: Path, text: str) -> None:
    path = tmp_path / "hostile.m"
    path.write_text(text)
    begun = time.process_time()
    with pytest.raises(ValueError, match=r"hostile\.m"):
        load_matpower(path)
    assert time.process_time() - begun < 3  # 0.1 to 0.5 s where nothing else runs; it was 44 s


def test_a_unit_without_a_largest_output_sells_what_can_be_drawn(tmp_path: Path) -> None:
    assert two(tmp_path, "1 200 0]", "1 Inf 0]").offers.quantity.tolist() == [100.0]


def test_a_unit_that_draws_is_a_bid(tmp_path: Path) -> None:
    both = "1 200 0; 2 0 0 0 0 1 100 1 -10 -20];\nmpc.gencost = [2 0 0 2 20 0; 2 0 0 2 90 0]"
    offers = two(tmp_path, "1 200 0];\nmpc.gencost = [2 0 0 2 20 0]", both).offers
    assert offers.quantity.tolist() == [200.0, -10.0]
    assert offers.minimum.tolist() == [0.0, -20.0]


def offers_of(tmp_path: Path, cost: str, least: float, most: float) -> Offers:
    return two(
        tmp_path, "1 200 0];\nmpc.gencost = [2 0 0 2 20 0]", f"1 {most} {least}];\nmpc.gencost = [{cost}]"
    ).offers


def cost_at(offers: Offers, output: float) -> float:
    """Cost of an output: the pieces are filled in their order."""
    left = output - offers.minimum.sum()
    taken = [*offers.minimum]
    for k, room in enumerate(offers.quantity - offers.minimum):
        taken[k] += min(room, left)
        left -= min(room, left)
    return float(offers.fixed_cost + offers.price @ taken)


@pytest.mark.parametrize(("least", "most"), [(0, 40), (10, 40), (-5, 50), (15, 15), (25, 35), (2, 8)])
def test_piecewise_linear_costs_become_offers(tmp_path: Path, least: float, most: float) -> None:
    # Points (0, 5), (10, 105), (20, 305), (40, 905); the ends go on beyond.
    offers = offers_of(tmp_path, "1 0 0 4 0 5 10 105 20 305 40 905", least, most)
    assert offers.price.tolist() == sorted(offers.price)
    assert offers.unit.tolist() == [1] * len(offers.price)
    assert offers.minimum.sum() == pytest.approx(least)
    assert offers.quantity.sum() == pytest.approx(most)
    for output in np.linspace(least, most, 7):
        inside = float(np.interp(output, [0, 10, 20, 40], [5, 105, 305, 905]))
        right = 5 + 10 * output if output < 0 else 905 + 30 * (output - 40) if output > 40 else inside
        assert cost_at(offers, output) == pytest.approx(right)


def test_points_that_are_concave_by_rounding_are_replaced_by_their_hull(tmp_path: Path) -> None:
    # The slopes 10.0005, 10, 20 fall by half of a thousandth.
    offers = offers_of(tmp_path, "1 0 0 4 0 0 10 100.005 20 200.005 30 400.005", 0, 30)
    np.testing.assert_allclose(offers.price, [10.00025, 20.0])
    with pytest.raises(ValueError, match=r"two\.m: `gencost` must have marginal costs that do not fall in row 1"):
        offers_of(tmp_path, "1 0 0 4 0 0 10 101 20 200 30 400", 0, 30)
    with pytest.raises(ValueError, match="`gencost` must have points of rising output in row 1"):
        offers_of(tmp_path, "1 0 0 3 0 0 0 101 20 200", 0, 30)
    with pytest.raises(ValueError, match="`gencost` must have as many numbers as it says in row 1"):
        offers_of(tmp_path, "1 0 0 1 0 0", 0, 30)


DCLINE = "mpc.dcline = [1 2 1 0 0 0 0 1 1 {0} {1} 0 0 0 0 {2} {3}; 2 1 0 0 0 0 0 1 1 0 9 0 0 0 0 0 0];"


def test_lines_of_direct_current_are_read_with_their_losses(tmp_path: Path) -> None:
    case = two(tmp_path, after=DCLINE.format(0, 40, 1, 0.05))
    assert case.network.edges[1, 2, "dc 1"] == {
        "kind": "dc", "limit": 40.0, "minimum": 0.0, "loss": 1.0, "loss_share": 0.05, "from_bus": 1, "to_bus": 2
    }  # fmt: skip
    assert case.network.number_of_edges() == 2
    with pytest.raises(ValueError, match=r"two\.m: `dcline` must have a Pmin of at least 0 in row 1, which loses"):
        two(tmp_path, after=DCLINE.format(-40, 40, 1, 0.05))
    with pytest.raises(ValueError, match="`dcline` must have losses from 0 on"):
        two(tmp_path, after=DCLINE.format(0, 40, -1, 0))
    with pytest.raises(ValueError, match="`dcline` must have a Pmax that is at least Pmin in row 1"):
        two(tmp_path, after=DCLINE.format(50, 40, 0, 0))


@pytest.mark.parametrize(
    ("angles", "minimum", "limit"),
    [
        ("0 0", None, np.inf),
        ("-360 360", None, np.inf),
        ("-18 9", -100 * np.pi, 50 * np.pi),
        ("0 18", 0.0, 100 * np.pi),
    ],
)
def test_angle_limits_may_differ_by_direction(tmp_path: Path, angles: str, minimum: float | None, limit: float) -> None:
    line = two(tmp_path, "1 0 0];\n", f"1 {angles}];\n").network.edges[1, 2, 1]
    assert line["limit"] == pytest.approx(limit)
    assert line.get("minimum") == (None if minimum is None else pytest.approx(minimum))


def test_taps_and_shifts_are_those_of_the_convention(tmp_path: Path) -> None:
    text = TWO.replace("0 0.1 0 0 0 0 0 0 1", "0.1 0.2 0 0 0 0 0.5 90 1")
    path = tmp_path / "two.m"
    path.write_text(text)
    with pytest.warns(UserWarning, match=r"ignores taps \(1 branches\) and shifts \(1\); 'matpower' has them"):
        plain = load_matpower(path)
    assert plain.network.edges[1, 2, 1]["susceptance"] == pytest.approx(100 * 0.2 / 0.05)
    assert "shift" not in plain.network.edges[1, 2, 1]
    turned = load_matpower(path, convention="matpower").network.edges[1, 2, 1]
    assert (turned["susceptance"], turned["shift"]) == pytest.approx((100 / 0.1, np.pi / 2))
    with pytest.raises(ValueError, match=r"`convention` must be one of matpower, pglib; got 'pgilb'\. Did you mean"):
        load_matpower(path, convention="pgilb")


@needs_data
def test_all_cases_of_the_library_load() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of taps
        cases = [load_matpower(path) for path in sorted(SHARED.glob("*.m"))]
    assert len(cases) == 54
    # Buses and branches of two of them, as their names and BASELINE.md give them.
    sizes = {case.name: (case.network.number_of_nodes(), case.network.number_of_edges()) for case in cases}
    assert sizes["pglib_opf_case118_ieee"] == (118, 186)
    assert sizes["pglib_opf_case300_ieee__sad"] == (300, 411)
