import subprocess
import sys
import warnings
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from walras.core.typing import Floats
from walras.markets.electricity.matpower import Case, load_matpower
from walras.markets.electricity.network import NetworkClearing, NetworkMarket
from walras.markets.electricity.network_certificate import PriceLaw, price_residual, residual
from walras.markets.electricity.network_grid import grid_of
from walras.markets.electricity.network_program import Found, Offered

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "pglib_opf"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the Power Grid Library is not on this machine")


def network_of(loads: dict[int, float], lines: list[tuple[int, int, float, float]]) -> "nx.MultiGraph[int]":
    network: nx.MultiGraph[int] = nx.MultiGraph()
    network.add_nodes_from((bus, {"load": load}) for bus, load in loads.items())
    for key, (start, end, susceptance, limit) in enumerate(lines):
        network.add_edge(start, end, key=key, from_bus=start, to_bus=end, susceptance=susceptance, limit=limit)
    return network


def pglib(name: str, convention: str = "pglib") -> Case:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of taps
        return load_matpower(SHARED / f"pglib_opf_case{name}.m", convention=convention)


def clear_case(case: Case) -> NetworkClearing:
    offers = case.offers
    market = NetworkMarket(case.network, offers.bus, offers.slope)
    return market.clear(offers.price, offers.quantity, offers.minimum, cap=1e5)


def oracle(case: Case, cap: float) -> tuple[float, Floats]:
    """Cost and nodal prices by linprog on dense matrices over [generation, unserved, flows, angles]."""
    buses, offers = list(case.network.nodes), case.offers
    edges = [data for *_, data in case.network.edges(keys=True, data=True)]
    n, K, L = len(buses), len(offers.bus), len(edges)
    balance, law = np.zeros((n, K + n + L + n)), np.zeros((L, K + n + L + n))
    balance[:, K : K + n] = np.eye(n)
    law[:, K + n : K + n + L] = np.eye(L)
    for k, bus in enumerate(offers.bus):
        balance[buses.index(bus), k] = 1
    for line, data in enumerate(edges):
        start, end = buses.index(data["from_bus"]), buses.index(data["to_bus"])
        balance[[start, end], K + n + line] = -1, 1
        law[line, [K + n + L + start, K + n + L + end]] = -data["susceptance"], data["susceptance"]
    load = np.array([case.network.nodes[bus]["load"] for bus in buses])
    bounds = [*zip(offers.minimum, offers.quantity, strict=True), *((0, max(d, 0)) for d in load)]
    bounds += [(-data["limit"], data["limit"]) for data in edges]
    bounds += [(0, 0)] + [(None, None)] * (n - 1)
    result = linprog(
        np.r_[offers.price, np.full(n, cap), np.zeros(L + n)],
        A_eq=np.vstack([balance, law]),
        b_eq=np.r_[load, np.zeros(L)],
        bounds=bounds,
    )
    return result.fun, result.eqlin.marginals[:n]


def merit_order(price: Floats, quantity: Floats, load: float, cap: float) -> tuple[float, float]:
    """Cost and unserved load of one bus: cheapest first, and nothing dearer than the cap."""
    left, cost = load, 0.0
    for p, q in sorted(zip(price, quantity, strict=True)):
        taken = min(q, left) if p < cap else 0.0
        left, cost = left - taken, cost + p * taken
    return cost + cap * left, left


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("convention", ["pglib", "matpower"])
def test_every_case_costs_what_a_linear_programme_of_its_own_finds(convention: str) -> None:
    seen = 0
    for path in sorted(SHARED.glob("*.m")):
        case = pglib(path.stem.removeprefix("pglib_opf_case"), convention)
        expected = of_matrices(case, 1e5)
        if case.offers.slope.any() or expected is None:  # no linear programme, or a must-run output that does not fit
            continue
        assert clear_case(case).cost == pytest.approx(expected, rel=1e-7, abs=1e-4), (case.name, convention)
        seen += 1
    assert seen >= 32  # of 54; the others have rising costs, whose published costs are compared, or no dispatch


def of_matrices(case: Case, cap: float) -> float | None:
    """Least cost by linprog over [generation, unserved, angles], flows as limits; nothing where none is feasible."""
    buses, offers = {bus: k for k, bus in enumerate(case.network.nodes)}, case.offers
    edges = [data for *_, data in case.network.edges(keys=True, data=True)]
    n, units = len(buses), len(offers.bus)
    flow, moved, incidence = np.zeros((len(edges), n)), np.zeros(len(edges)), np.zeros((n, len(edges)))
    low, high = np.zeros(len(edges)), np.zeros(len(edges))
    for line, data in enumerate(edges):
        b, limit = data["susceptance"], data.get("limit", np.inf)
        start, end = buses[data["from_bus"]], buses[data["to_bus"]]
        flow[line, start], flow[line, end] = b, -b  # b may be negative
        incidence[start, line], incidence[end, line] = 1, -1
        moved[line] = -b * data.get("shift", 0.0)
        low[line], high[line] = data.get("minimum", -limit), limit
    at = np.zeros((n, units))
    at[[buses[bus] for bus in offers.bus], np.arange(units)] = 1
    load = np.array([case.network.nodes[bus].get("load", 0.0) for bus in buses])
    capped, floored = np.isfinite(high), np.isfinite(low)
    rows = np.vstack([flow[capped], -flow[floored]])
    result = linprog(
        np.r_[offers.price, np.full(n, cap), np.zeros(n)],
        np.hstack([np.zeros((len(rows), units + n)), rows]),
        np.r_[(high - moved)[capped], (moved - low)[floored]],
        np.hstack([at, np.eye(n), -incidence @ flow]),
        load + incidence @ moved,
        [*zip(offers.minimum, offers.quantity, strict=True), *((0, max(d, 0)) for d in load), *[(None, None)] * n],
    )
    return float(result.fun) if result.status == 0 else None


# Published optimal costs: BASELINE.md of pglib-opf v23.07, column "DC ($/h)", to its five printed digits.
PUBLISHED = {
    "3_lmbd": "5.6959e+03",
    "5_pjm": "1.7480e+04",
    "14_ieee": "2.0515e+03",
    "24_ieee_rts": "6.1001e+04",
    "39_epri": "1.3689e+05",
    "57_ieee": "3.4773e+04",
    "73_ieee_rts": "1.8300e+05",
    "89_pegase": "1.0504e+05",
    "118_ieee": "9.3101e+04",
    "200_activ": "2.7480e+04",
    "300_ieee": "5.1785e+05",
    "5_pjm__api": "7.8025e+04",
    "60_c__api": "1.7638e+05",
    "118_ieee__api": "2.3129e+05",
    "200_activ__api": "4.0130e+04",
    "3_lmbd__sad": "5.8560e+03",
    "39_epri__sad": "1.5067e+05",
    "73_ieee_rts__sad": "2.3268e+05",
}


@needs_data
@pytest.mark.parametrize(("name", "cost"), PUBLISHED.items())
def test_published_costs_are_reproduced(name: str, cost: str) -> None:
    case = pglib(name)
    clearing = clear_case(case)
    assert f"{clearing.cost + case.offers.fixed_cost:.4e}" == cost
    assert clearing.residual < 1e-6
    assert clearing.unserved.max() < 1e-6


@needs_data
@pytest.mark.slow
def test_every_published_cost_is_reproduced() -> None:
    rows = [line.split("|") for line in (SHARED / "BASELINE.md").read_text().splitlines()]
    published = {row[1].strip(): row[4].strip() for row in rows if len(row) > 5}
    for path in SHARED.glob("*.m"):
        case = load_matpower(path)
        # Where the publication says infeasible, load is unserved here, or must-run output does not fit.
        if published[case.name] != "inf.":
            assert f"{clear_case(case).cost + case.offers.fixed_cost:.4e}" == published[case.name], case.name


@needs_data
@pytest.mark.parametrize(
    ("name", "cost", "low", "high"),
    # An independent linear programme (scipy HiGHS, b = x / (r^2 + x^2), taps ignored), to its kept digits.
    [
        ("5_pjm", 17_479.9, 10.00, 39.94),
        ("118_ieee", 93_100.7, 24.61, 28.65),
        ("39_epri", 136_889.7, 6.73, 35.82),
        ("14_ieee", 2_051.5, 7.92, 7.92),
    ],
)
def test_reference_price_ranges_are_reproduced(name: str, cost: float, low: float, high: float) -> None:
    clearing = clear_case(pglib(name))
    assert clearing.cost == pytest.approx(cost, abs=0.05)
    assert clearing.nodal_price.min() == pytest.approx(low, abs=0.006)
    assert clearing.nodal_price.max() == pytest.approx(high, abs=0.006)


@needs_data
@pytest.mark.parametrize(
    ("name", "convention", "cost", "low", "high"),
    # An independent linear programme, and pypower, to their printed digits.
    [
        ("118_ieee__api", "pglib", 231_291.91, None, None),
        ("118_ieee__api", "matpower", 234_168.634, -29.061, 492.740),
        ("89_pegase__api", "pglib", 118_630.14, None, None),
        ("89_pegase__api", "matpower", 114_763.158, -235.969, 371.128),
    ],
)
def test_both_conventions_are_reproduced(
    name: str, convention: str, cost: float, low: float | None, high: float | None
) -> None:
    clearing = clear_case(pglib(name, convention))
    assert clearing.cost == pytest.approx(cost, abs=5e-3)
    if low is not None and high is not None:
        assert clearing.nodal_price.min() == pytest.approx(low, abs=6e-4)
        assert clearing.nodal_price.max() == pytest.approx(high, abs=6e-4)


RTS = SHARED.parent / "rts_gmlc" / "RTS_GMLC.m"


@pytest.mark.skipif(not RTS.is_file(), reason="the RTS-GMLC case is not on this machine")
def test_a_case_of_piecewise_linear_costs_and_a_line_of_direct_current_is_reproduced() -> None:
    case = load_matpower(RTS, convention="matpower")
    clearing = clear_case(case)
    # An independent linear programme, and pypower.
    assert clearing.cost + case.offers.fixed_cost == pytest.approx(225_806.072, abs=2e-3)
    np.testing.assert_allclose(clearing.nodal_price, 34.00929, atol=6e-6)
    assert len(set(case.offers.unit.tolist())) == 96


@needs_data
@pytest.mark.parametrize("name", ["24_ieee_rts", "73_ieee_rts", "57_ieee"])
def test_uncongested_cases_have_one_price(name: str) -> None:
    clearing = clear_case(pglib(name))
    assert np.ptp(clearing.nodal_price) < 1e-4
    assert clearing.congestion_rent == pytest.approx(0, abs=1)


@needs_data
@pytest.mark.parametrize("name", ["5_pjm", "118_ieee"])
def test_nodal_prices_agree_with_an_independent_programme(name: str) -> None:
    case = pglib(name)
    clearing = clear_case(case)
    cost, price = oracle(case, cap=1e5)
    assert clearing.cost == pytest.approx(cost, abs=1e-6)
    np.testing.assert_allclose(clearing.nodal_price, price, atol=1e-6)


@needs_data
@pytest.mark.parametrize("cap", [1e3, 1e5, 1e6])
@pytest.mark.parametrize("name", ["5_pjm__sad", "118_ieee__sad"])
def test_scarcity_behind_tight_lines_is_priced_at_any_cap(name: str, cap: float) -> None:
    case = pglib(name)
    clearing = NetworkMarket(case.network, case.offers.bus).clear(case.offers.price, case.offers.quantity, cap=cap)
    assert clearing.cost == pytest.approx(oracle(case, cap)[0])
    assert clearing.unserved.sum() > 1
    loads = [data["load"] for data in case.network.nodes.values()]
    assert (clearing.unserved <= [max(load, 0) + 1e-6 for load in loads]).all()


@needs_data
def test_a_clearing_does_not_depend_on_the_one_before() -> None:
    case = pglib("118_ieee")
    offers = case.offers
    market = NetworkMarket(case.network, offers.bus)
    first = market.clear(offers.price, offers.quantity)
    market.clear(offers.price[::-1], offers.quantity, load=np.full(118, 20.0))
    again = market.clear(offers.price, offers.quantity)
    np.testing.assert_array_equal(first.nodal_price, again.nodal_price)
    np.testing.assert_array_equal(first.dispatch, again.dispatch)


def test_two_buses_and_a_full_line() -> None:
    # 100 MW at bus 2, 60 MW of which fit through the line from the unit at 10; the rest costs 30.
    market = NetworkMarket(network_of({1: 0.0, 2: 100.0}, [(1, 2, 5.0, 60.0)]), [1, 2])
    clearing = market.clear([10.0, 30.0], [200.0, 200.0])
    np.testing.assert_allclose(clearing.dispatch, [60.0, 40.0])
    np.testing.assert_allclose(clearing.nodal_price, [10.0, 30.0])
    np.testing.assert_allclose(clearing.flow, [60.0])
    assert clearing.cost == pytest.approx(60 * 10 + 40 * 30)
    assert clearing.congestion_rent == pytest.approx(60 * 20)
    assert clearing.lines == ((1, 2, 0),)
    assert clearing.buses == (1, 2)


def test_flow_is_negative_against_the_direction_of_the_line() -> None:
    market = NetworkMarket(network_of({1: 0.0, 2: 50.0}, [(2, 1, 5.0, 60.0)]), [1])
    clearing = market.clear([10.0], [200.0])
    np.testing.assert_allclose(clearing.flow, [-50.0])
    assert clearing.lines == ((2, 1, 0),)


def test_three_equal_lines_share_as_the_angles_say() -> None:
    # Bus 3 draws 90; of what bus 1 sends, 2/3 go direct and 1/3 round by bus 2, of what bus 2 sends likewise.
    # The line 1-3 holds 50: 2/3 x1 + 1/3 x2 = 50 and x1 + x2 = 90 give x = (60, 30). One more MWh at bus 3
    # leaves that line full by moving x1 by -1 and x2 by 2: its price is 2 * 20 - 10 = 30.
    lines = [(1, 2, 10.0, 1e3), (2, 3, 10.0, 1e3), (1, 3, 10.0, 50.0)]
    clearing = NetworkMarket(network_of({1: 0.0, 2: 0.0, 3: 90.0}, lines), [1, 2]).clear([10.0, 20.0], [200.0, 200.0])
    np.testing.assert_allclose(clearing.dispatch, [60.0, 30.0])
    flow = dict(zip(clearing.lines, clearing.flow, strict=True))
    assert [flow[1, 2, 0], flow[2, 3, 1], flow[1, 3, 2]] == pytest.approx([10.0, 40.0, 50.0])
    np.testing.assert_allclose(clearing.nodal_price, [10.0, 20.0, 30.0])
    assert clearing.congestion_rent == pytest.approx(90 * 30 - 60 * 10 - 30 * 20)


def test_parallel_lines_carry_in_proportion_to_their_susceptance() -> None:
    lines = [(1, 2, 10.0, np.inf), (1, 2, 30.0, np.inf)]
    clearing = NetworkMarket(network_of({1: 0.0, 2: 80.0}, lines), [1]).clear([10.0], [200.0])
    np.testing.assert_allclose(clearing.flow, [20.0, 60.0])


def test_rising_marginal_costs_are_equalised() -> None:
    # 10 + x1 = 20 + x2 / 2 and x1 + x2 = 40: x = (20, 20), price 30, cost 10*20 + 200 + 20*20 + 100.
    market = NetworkMarket(network_of({1: 0.0, 2: 40.0}, [(1, 2, 5.0, 60.0)]), [1, 2], slope=[1.0, 0.5])
    clearing = market.clear([10.0, 20.0], [100.0, 100.0])
    np.testing.assert_allclose(clearing.dispatch, [20.0, 20.0], atol=1e-5)
    np.testing.assert_allclose(clearing.nodal_price, 30.0, atol=1e-5)
    assert clearing.cost == pytest.approx(900.0)
    assert clearing.residual < 1e-6


def test_minimum_output_is_kept_below_its_price() -> None:
    market = NetworkMarket(network_of({1: 100.0}, []), [1, 1])
    clearing = market.clear([50.0, 10.0], [80.0, 200.0], minimum=[30.0, 0.0])
    np.testing.assert_allclose(clearing.dispatch, [30.0, 70.0])
    np.testing.assert_allclose(clearing.nodal_price, [10.0])


def test_a_bus_that_nothing_reaches_is_unserved_at_the_cap() -> None:
    clearing = NetworkMarket(network_of({1: 10.0, 2: 7.0}, []), [1]).clear([5.0], [50.0], cap=500.0)
    np.testing.assert_allclose(clearing.unserved, [0.0, 7.0], atol=1e-9)
    np.testing.assert_allclose(clearing.nodal_price, [5.0, 500.0])
    assert clearing.cost == pytest.approx(10 * 5 + 7 * 500)


def test_attributes_that_may_be_absent() -> None:
    network: nx.Graph[str] = nx.Graph()
    network.add_node("b", load=5.0)
    network.add_edge("a", "b", susceptance=1.0)
    clearing = NetworkMarket(network, ["a"]).clear([3.0], [9.0])
    np.testing.assert_allclose(clearing.nodal_price, 3.0)
    assert set(clearing.buses) == {"a", "b"}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), units=st.integers(1, 6), load=st.floats(0.0, 400.0))
def test_one_bus_is_the_merit_order(seed: int, units: int, load: float) -> None:
    rng = np.random.default_rng(seed)
    price, quantity = rng.uniform(-20, 100, units), rng.uniform(0, 100, units)
    clearing = NetworkMarket(network_of({1: load}, []), [1] * units).clear(price, quantity, cap=100.0)
    cost, unserved = merit_order(price, quantity, load, cap=100.0)
    assert clearing.cost == pytest.approx(cost, abs=1e-5)
    assert clearing.unserved[0] == pytest.approx(unserved, abs=1e-6)
    assert clearing.nodal_price[0] <= 100 + 1e-9 or unserved == pytest.approx(load)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), buses=st.integers(2, 6), extra=st.integers(0, 5))
def test_money_balances_and_the_rent_is_not_negative(seed: int, buses: int, extra: int) -> None:
    rng = np.random.default_rng(seed)
    ends = [(int(rng.integers(n)), n) for n in range(1, buses)]
    ends += [(a, int((a + rng.integers(1, buses)) % buses)) for a in rng.integers(buses, size=extra).tolist()]
    lines = [(a, b, float(rng.uniform(1, 100)), float(rng.uniform(5, 60))) for a, b in ends]
    loads = dict(enumerate(rng.uniform(0, 60, buses).tolist()))
    bus = rng.integers(buses, size=4)
    clearing = NetworkMarket(network_of(loads, lines), bus).clear(rng.uniform(5, 90, 4), rng.uniform(0, 120, 4))
    served = np.array(list(loads.values())) - clearing.unserved
    paid, received = clearing.nodal_price @ served, clearing.nodal_price[bus] @ clearing.dispatch
    assert clearing.congestion_rent == pytest.approx(paid - received, abs=1e-5 * max(1.0, abs(float(paid))))
    assert clearing.congestion_rent >= -1e-5
    assert clearing.residual < 1e-6
    limit: dict[object, float] = {key: line[3] for key, line in enumerate(lines)}
    assert clearing.buses == tuple(loads)
    used = {key: abs(flow) for (*_, key), flow in zip(clearing.lines, clearing.flow, strict=True)}
    assert all(used[key] <= limit[key] + 1e-6 for key in limit)


GOOD = network_of({1: 0.0, 2: 100.0}, [(1, 2, 5.0, 60.0)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"price": [np.nan, 1.0]}, r"`price` must be finite; got nan at index \[0\]"),
        ({"price": [np.inf, 1.0]}, "`price` must be finite"),
        ({"price": [1.0]}, r"`price` must have the shape \(2,\); got \(1,\)"),
        ({"price": [[1.0, 2.0]]}, r"`price` must have the shape \(2,\); got \(1, 2\)"),
        ({"quantity": [-1.0, 1.0]}, r"`quantity` must not be negative where there is no `minimum`; got -1\.0 at index"),
        ({"quantity": [-1.0, 1.0], "minimum": [0.0, 0.0]}, r"`minimum` must not exceed `quantity`; got 0\.0 at index"),
        ({"price": [10.0, 4e3 + 1]}, r"`price` must not exceed `cap`, 4000\.0, above .*; got 4001\.0 at index \[1\]"),
        ({"quantity": [np.inf, 1.0]}, "`quantity` must be finite"),
        ({"minimum": [0.0, 250.0]}, r"`minimum` must not exceed `quantity`; got 250\.0 at index \[1\]"),
        ({"load": [1.0, 2.0, 3.0]}, r"`load` must have the shape \(2,\); got \(3,\)"),
        ({"load": [np.nan, 1.0]}, "`load` must be finite; got nan"),
        ({"cap": 0.0}, "`cap` must be positive and finite"),
        ({"cap": np.nan}, "`cap` must be positive and finite"),
        ({"minimum": [150.0, 0.0]}, "`minimum` must leave a dispatch that balances every bus.*infeasible"),
        ({"load": [-500.0, 100.0]}, "balances every bus"),
    ],
)
def test_bad_offers_are_refused(arguments: dict[str, list[float]], message: str) -> None:
    good = {"price": [10.0, 30.0], "quantity": [200.0, 200.0]}
    with pytest.raises(ValueError, match=message):
        NetworkMarket(GOOD, [1, 2]).clear(**(good | arguments))  # pyright: ignore[reportArgumentType]


def test_an_infeasible_quadratic_programme_is_refused_too() -> None:
    with pytest.raises(ValueError, match=r"balances every bus.*infeasible"):
        NetworkMarket(GOOD, [1], slope=[1.0]).clear([1.0], [200.0], minimum=[150.0])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ((1, 2, 0.0, 60.0), r"`susceptance` must be finite and not 0 on line \(1, 2, 0\); got 0\.0"),
        ((1, 2, np.nan, 60.0), "`susceptance` must be finite"),
        ((1, 2, 5.0, -1.0), r"`limit` must be at least 0 on line \(1, 2, 0\); got -1\.0"),
        ((1, 2, 5.0, np.nan), r"`limit` must be a number on line \(1, 2, 0\); got nan"),
    ],
)
def test_bad_lines_are_refused(line: tuple[int, int, float, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NetworkMarket(network_of({1: 0.0, 2: 100.0}, [line]), [1])


def test_bad_networks_and_units_are_refused() -> None:
    with pytest.raises(ValueError, match="`network` must be undirected"):
        NetworkMarket(nx.MultiDiGraph(GOOD), [1])
    with pytest.raises(ValueError, match="`network` must have at least one bus"):
        NetworkMarket(nx.MultiGraph(), [1])
    with pytest.raises(ValueError, match=r"`bus` must be one of 1, 2; got '12'\. Did you mean"):
        NetworkMarket(GOOD, [12])
    with pytest.raises(ValueError, match="`bus` must name buses by their own type; got '1'"):
        NetworkMarket(GOOD, ["1"])
    with pytest.raises(ValueError, match="`bus` must name the bus of at least one unit"):
        NetworkMarket(GOOD, [])
    with pytest.raises(ValueError, match="`load` must be a finite number at bus 1; got nan"):
        NetworkMarket(network_of({1: np.nan}, []), [1])
    with pytest.raises(ValueError, match=r"`slope` must not be negative; got -1\.0"):
        NetworkMarket(GOOD, [1, 2], slope=[0.0, -1.0])
    wrong = GOOD.copy()
    wrong.edges[1, 2, 0]["from_bus"] = 7
    with pytest.raises(ValueError, match="`from_bus` must be an end of line"):
        NetworkMarket(wrong, [1])


@needs_data
@pytest.mark.parametrize("cap", [4e3, 1e5, 1e7])
def test_quadratic_costs_of_a_large_network_have_one_price(cap: float) -> None:
    # No limits, so the price solves sum_k clip((price - c_k) / s_k, 0, q_k) = load: here by bisection.
    case = pglib("300_ieee")
    for *_, data in case.network.edges(data=True):
        data["limit"] = np.inf
    unit = np.arange(len(case.offers.bus))
    slope, price = 0.01 + 0.001 * (unit % 11), 20.0 + unit % 7
    load = sum(data["load"] for _, data in case.network.nodes(data=True))
    low, high = 20.0, 100.0
    for _ in range(100):
        middle = (low + high) / 2
        sold = np.clip((middle - price) / slope, 0, case.offers.quantity).sum()
        low, high = (middle, high) if sold < load else (low, middle)
    assert low == pytest.approx(33.226039889512, abs=1e-12)
    clearing = NetworkMarket(case.network, case.offers.bus, slope).clear(price, case.offers.quantity, cap=cap)
    np.testing.assert_allclose(clearing.nodal_price, low, rtol=0, atol=4e-9)
    np.testing.assert_allclose(
        clearing.dispatch, np.clip((low - price) / slope, 0, case.offers.quantity), rtol=0, atol=1e-6
    )
    assert clearing.price_residual < 1e-8


def found_at(price: list[float]) -> tuple[float, float]:
    """The residuals of two buses without limits at nodal prices that each agree with the unit at their bus."""
    grid = grid_of(network_of({1: 50.0, 2: 50.0}, [(1, 2, 5.0, np.inf)]), [1, 2])
    nodal, slope = np.array(price), np.array([0.01, 0.01])
    dispatch = (nodal - 20.0) / slope
    asked = Offered(np.array([20.0, 20.0]), slope, np.zeros(2), np.full(2, 500.0), np.array([50.0, 50.0]), 4_000.0)
    found = Found(dispatch, np.zeros(2), dispatch[:1] - 50.0, nodal, np.zeros(1))
    return residual(grid, asked, found), price_residual(grid, PriceLaw(grid), asked, found)


def test_prices_that_only_agree_with_their_own_units_are_seen_to_be_wrong() -> None:
    # The right price is 20.5. Prices .06 apart balance as well, and each unit is content with its own.
    assert max(found_at([20.5, 20.5])) < 1e-12
    assert found_at([20.53, 20.47])[1] == pytest.approx(0.06)


@pytest.mark.parametrize("slope", [None, [1.0, 0.5]])
@pytest.mark.parametrize("cap", [500.0, 1e6, 1e7])
def test_scarcity_and_islands_are_priced_at_the_cap_with_and_without_slopes(
    slope: list[float] | None, cap: float
) -> None:
    # 100 MW of 130 are served at bus 1; nothing reaches bus 2.
    market = NetworkMarket(network_of({1: 130.0, 2: 7.0}, []), [1, 1], slope)
    clearing = market.clear([10.0, 20.0], [60.0, 40.0], cap=cap)
    np.testing.assert_allclose(clearing.unserved, [30.0, 7.0], atol=1e-7)
    np.testing.assert_allclose(clearing.nodal_price, cap)
    np.testing.assert_allclose(clearing.dispatch, [60.0, 40.0])


@settings(max_examples=30)
@given(power=st.floats(-6, 6), money=st.floats(-4, 4), sloped=st.booleans())
def test_a_clearing_does_not_depend_on_the_units_of_power_and_money(power: float, money: float, sloped: bool) -> None:
    mw, euro = 10.0**power, 10.0**money
    lines = [(1, 2, 10.0, 1e3), (2, 3, 10.0, 1e3), (1, 3, 10.0, 50.0)]
    scaled = [(start, end, b * mw, limit * mw) for start, end, b, limit in lines]
    network = network_of({1: 0.0, 2: 0.0, 3: 90.0 * mw}, scaled)
    slope = np.array([0.1, 0.05]) * euro / mw if sloped else None
    clearing = NetworkMarket(network, [1, 2], slope).clear(
        np.array([10.0, 20.0]) * euro, np.array([200.0, 200.0]) * mw, cap=1e4 * euro
    )
    # As by hand below; with slopes 10 + 6 = 16 and 20 + 1.5 = 21.5, and the price at bus 3 is 2 * 21.5 - 16.
    np.testing.assert_allclose(clearing.dispatch / mw, [60.0, 30.0], rtol=1e-6)
    right = [16.0, 21.5, 27.0] if sloped else [10.0, 20.0, 30.0]
    np.testing.assert_allclose(clearing.nodal_price / euro, right, rtol=1e-6)


def test_a_direct_current_line_loses_what_it_says() -> None:
    # 40 MW leave bus 1; a share of 5 % and 1 MW are lost, so 37 of the 100 arrive and 63 are made at bus 2.
    network = network_of({1: 0.0, 2: 100.0}, [])
    network.add_edge(1, 2, from_bus=1, to_bus=2, kind="dc", limit=40.0, minimum=0.0, loss=1.0, loss_share=0.05)
    clearing = NetworkMarket(network, [1, 2]).clear([10.0, 30.0], [200.0, 200.0])
    np.testing.assert_allclose(clearing.dispatch, [40.0, 63.0])
    np.testing.assert_allclose(clearing.nodal_price, [10.0, 30.0])
    np.testing.assert_allclose(clearing.line_price, [0.95 * 30 - 10])
    assert clearing.cost == pytest.approx(2_290.0)


def test_flows_of_direct_current_do_not_follow_the_angles() -> None:
    # Beside a line of alternating current that is full at 10, the direct one carries what it is asked to.
    network = network_of({1: 0.0, 2: 50.0}, [(1, 2, 5.0, 10.0)])
    network.add_edge(2, 1, key="link", from_bus=2, to_bus=1, kind="dc", limit=100.0)
    clearing = NetworkMarket(network, [1, 2]).clear([10.0, 30.0], [200.0, 200.0])
    np.testing.assert_allclose(clearing.dispatch, [50.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(clearing.nodal_price, 10.0)
    line, link = clearing.flow
    assert line - link == pytest.approx(50.0)
    assert abs(line) <= 10.0 + 1e-9


def test_a_shifted_phase_pushes_power_round_the_loop() -> None:
    # Two lines of 100 MW/rad side by side, one shifted by .1 rad: f1 = 100 d, f2 = 100 (d - .1), f1 + f2 = 30.
    network = network_of({1: 0.0, 2: 30.0}, [(1, 2, 100.0, np.inf), (1, 2, 100.0, np.inf)])
    network.edges[1, 2, 1]["shift"] = 0.1
    clearing = NetworkMarket(network, [1]).clear([10.0], [200.0])
    np.testing.assert_allclose(clearing.flow, [20.0, 10.0])


def test_limits_may_differ_by_direction() -> None:
    network = network_of({1: 0.0, 2: 100.0}, [(2, 1, 5.0, 60.0)])
    network.edges[1, 2, 0]["minimum"] = -20.0
    clearing = NetworkMarket(network, [1, 2]).clear([10.0, 30.0], [200.0, 200.0])
    np.testing.assert_allclose(clearing.flow, [-20.0])
    np.testing.assert_allclose(clearing.line_price, [-20.0])
    assert clearing.congestion_rent == pytest.approx(20 * 20)


def test_a_unit_of_negative_quantity_draws_power() -> None:
    # It must draw 10 MW and would draw 20 below a price of 25.
    market = NetworkMarket(network_of({1: 5.0}, []), [1, 1])
    clearing = market.clear([25.0, 12.0], [-10.0, 100.0], minimum=[-20.0, 0.0])
    np.testing.assert_allclose(clearing.dispatch, [-20.0, 25.0])
    dear = market.clear([25.0, 40.0], [-10.0, 100.0], minimum=[-20.0, 0.0])
    np.testing.assert_allclose(dear.dispatch, [-10.0, 15.0])


def with_attributes(bus: dict[str, object], line: dict[str, object]) -> "nx.MultiGraph[int]":
    network: nx.MultiGraph[int] = nx.MultiGraph()
    network.add_node(1, **bus)
    network.add_edge(1, 2, **({"susceptance": 5.0} | line))
    return network


@pytest.mark.parametrize(
    ("bus", "line", "message"),
    [
        ({"demand": 100}, {}, r"no attribute 'demand' at bus 1: load are read\. Did you mean 'load'\?"),
        ({"Load": 100}, {}, "no attribute 'Load' at bus 1.*'load'"),
        ({"loda": 100}, {}, "no attribute 'loda' at bus 1"),
        ({"load": "100"}, {}, "`load` must be a finite number at bus 1; got '100'"),
        ({"load": None}, {}, "`load` must be a finite number at bus 1; got None"),
        ({"height": 3.5}, {}, r"no attribute 'height' at bus 1: .* Remove it"),
        ({}, {"capacity": 5}, r"no attribute 'capacity' at line \(1, 2, 0\).*Did you mean 'limit'\?"),
        ({}, {"capacity": "5"}, "no attribute 'capacity'"),
        ({}, {"susceptence": 5.0}, "no attribute 'susceptence'.*'susceptance'"),
        ({}, {"weight": 5}, "no attribute 'weight'"),
        ({}, {"in_service": False}, "no attribute 'in_service'"),
        ({}, {"angle": 0.1}, "no attribute 'angle'.*'shift'"),
        ({}, {"susceptance": "5"}, "`susceptance` must be finite and not 0"),
        ({}, {"shift": np.inf}, "`shift` must be a finite number on line"),
        ({}, {"minimum": 5.0, "limit": 3.0}, "`minimum` must not exceed `limit` on line"),
        ({}, {"kind": "hvdc"}, "`kind` must be ac or dc on line"),
        ({}, {"kind": "dc"}, r"`kind` must have loss, loss_share alone on line .*; got \['susceptance'\]"),
        ({}, {"loss": 1.0}, r"`kind` must have susceptance, shift alone on line .*; got \['loss'\]"),
    ],
)
def test_attributes_that_are_not_read_are_refused(
    bus: dict[str, object], line: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        NetworkMarket(with_attributes(bus, line), [1])


def test_attributes_in_words_are_not_read() -> None:
    network = with_attributes({"name": "north", "colour": "red"}, {"owner": "all", "path": [(0, 0), (1, 1)]})
    np.testing.assert_allclose(NetworkMarket(network, [1]).clear([3.0], [9.0], load=[5.0, 0.0]).nodal_price, 3.0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"loss_share": 1.0, "minimum": 0.0}, r"`loss_share` must lie in \[0, 1\)"),
        ({"loss": -1.0}, "`loss` must not be negative"),
        ({"loss_share": 0.1, "limit": 5.0}, "`minimum` must not be negative on line .*, which loses a share"),
    ],
)
def test_losses_out_of_range_are_refused(line: dict[str, object], message: str) -> None:
    network: nx.MultiGraph[int] = nx.MultiGraph()
    network.add_edge(1, 2, kind="dc", **line)
    with pytest.raises(ValueError, match=message):
        NetworkMarket(network, [1])


def test_lines_that_cancel_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="`susceptance` must determine the flows; got lines that cancel"):
        NetworkMarket(network_of({1: 0.0, 2: 1.0}, [(1, 2, 5.0, 60.0), (1, 2, -5.0, 60.0)]), [1])


def test_the_package_of_markets_does_not_load_cvxpy() -> None:
    modules = "walras.markets, walras.markets.electricity.matpower, walras.markets.electricity.data"
    code = f"import sys, {modules}; sys.exit('cvxpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
