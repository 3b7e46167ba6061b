from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from walras.core.typing import Floats
from walras.markets.electricity import elastic_network_compiled as compiled
from walras.markets.electricity.elastic_network import Consumers, ElasticNetwork, Plant, Wire

INF = np.inf
TWO = (Consumers("A", 100.0, 1.0), Consumers("B", 120.0, 0.5))


@st.composite
def networks(draw: st.DrawFn) -> tuple[ElasticNetwork, np.random.Generator]:
    """Up to seven buses, a tree and some loops, parallel lines, limits that bind, buses without consumers inside."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = int(rng.integers(2, 8))
    ends = [(i, int(rng.integers(i))) for i in range(1, n)]
    ends += [(int(a), int(b)) for a, b in rng.integers(0, n, (int(rng.integers(5)), 2)) if a != b]
    limit = np.where(rng.random(len(ends)) < 0.3, INF, rng.uniform(0, 60, len(ends)))
    wires = tuple(Wire(a, b, float(rng.uniform(0.2, 3)), float(f)) for (a, b), f in zip(ends, limit, strict=True))
    consumers = tuple(Consumers(i, float(rng.uniform(50, 150)), float(rng.uniform(0.05, 2))) for i in range(n))
    return ElasticNetwork(wires, consumers), rng


def operator(network: ElasticNetwork, injection: Floats) -> tuple[Floats, Floats]:
    """Consumption and flows by a quadratic programme in angles, ``[n]`` and ``[L]``."""
    n, used = len(network.buses), network.weight > 0
    theta: Any = cp.Variable(n)
    demand: Any = cp.Variable(n)
    start, end = (network.positions([getattr(w, side) for w in network.wires]) for side in ("from_bus", "to_bus"))
    flow = cp.multiply(np.array([w.susceptance for w in network.wires]), theta[start] - theta[end])
    out = np.zeros((n, len(network.wires)))
    out[start, np.arange(len(start))] += 1
    out[end, np.arange(len(end))] -= 1
    half = 0.5 / np.where(used, network.weight, 1.0)
    worth = network.intercept @ demand - cp.sum(cp.multiply(half, cp.square(demand)))
    bound = network.limited
    rules = [out @ flow == injection - demand, demand[~used] == 0]
    rules += [cp.abs(flow[bound]) <= network.limit[bound]] if bound.size else []
    cp.Problem(cp.Maximize(worth), rules).solve(
        solver=cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11
    )
    return np.asarray(demand.value), np.asarray(flow.value)


@given(networks())
@settings(max_examples=25)
def test_prices_are_those_of_the_operator_s_programme(made: tuple[ElasticNetwork, np.random.Generator]) -> None:
    network, rng = made
    bus = rng.integers(0, len(network.buses), 4)
    output = rng.uniform(0, 150, (1, 4))
    injection = np.bincount(bus, output[0], len(network.buses))
    cleared = network.clear(bus, output)
    demand, flow = operator(network, injection)
    np.testing.assert_allclose(network.demand(cleared.price[0]), demand, atol=2e-5)
    np.testing.assert_allclose(network.flow(bus, output, cleared.price)[0], flow, atol=2e-5)
    # Rent is what lines earn, and limits hold to rounding.
    rent = cleared.line_price[0] @ flow
    assert rent == pytest.approx(cleared.price[0] @ (demand - injection), abs=1e-2)
    sent = network.flow(bus, output, cleared.price)[0]
    assert np.all(np.abs(sent) <= network.limit + 1e-8)


@given(networks())
@settings(max_examples=25)
def test_a_row_alone_has_the_bits_it_has_in_a_batch(made: tuple[ElasticNetwork, np.random.Generator]) -> None:
    network, rng = made
    bus = rng.integers(0, len(network.buses), 3)
    output = rng.uniform(0, 200, (5, 3))
    together = network.clear(bus, output)
    for row in range(5):
        alone = network.clear(bus, output[row : row + 1])
        assert alone.price.tobytes() == together.price[row].tobytes()
        assert alone.line_price.tobytes() == together.line_price[row].tobytes()


@given(networks())
@settings(max_examples=25)
def test_prices_are_linear_between_the_knots_of_a_path(made: tuple[ElasticNetwork, np.random.Generator]) -> None:
    network, rng = made
    bus = rng.integers(0, len(network.buses), 3)
    output = rng.uniform(0, 80, 3)
    at, price = compiled.path(output, bus, 1, 200.0, *network.programme)
    assert at[0] == 0
    assert at[-1] == 200
    for x in rng.uniform(0, 200, 20):
        row = np.where(np.arange(3) == 1, x, output)[None]
        expected = [np.interp(x, at, price[:, n]) for n in range(len(network.buses))]
        np.testing.assert_allclose(network.clear(bus, row).price[0], expected, atol=2e-6)


def test_a_unit_behind_a_line_is_let_out() -> None:
    # 40 MW come over a line of 50; the bus has no consumers, hence the price of the bus that it feeds.
    network = ElasticNetwork((Wire("A", "B", limit=5.0), Wire("C", "A", limit=50.0)), TWO)
    bus = network.positions(["C"])
    network.require_outlet(bus, np.array([50.0]))
    price = network.clear(bus, np.array([[40.0]])).price[0]
    np.testing.assert_allclose(price, [100 - 35, 120 - 0.5 * 5, 65])
    with pytest.raises(ValueError, match=r"`limit` must be at least the 60 MW of the line from 'C' to 'A' .*; got 50"):
        network.require_outlet(bus, np.array([60.0]))


@pytest.mark.parametrize(
    ("wires", "consumers", "message"),
    [
        ((), TWO, r"`wires` must join all buses with 'A'; got \['B'\]"),
        ((Wire("C", "D"), Wire("A", "B")), TWO, r"`wires` must join all buses with 'A'; got \['C', 'D'\]"),
        ((), (), "`consumers` must be at one bus at least"),
        ((Wire("A", "B"),), (*TWO, TWO[0]), r"`consumers` must be at different buses; got \['A'\]"),
    ],
)
def test_a_broken_network_is_refused(wires: Any, consumers: Any, message: str) -> None:  # noqa: ANN401
    with pytest.raises(ValueError, match=message):
        ElasticNetwork(wires, consumers)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Wire("A", "A"), "`to_bus` must differ from `from_bus`, 'A'; got 'A'"),
        (lambda: Wire("A", "B", 0.0), r"`susceptance` must be positive and finite; got 0\.0"),
        (lambda: Wire("A", "B", 1.0, -1.0), r"`limit` must not be negative; got -1\.0"),
        (lambda: Wire("A", "B", 1.0, float("nan")), "`limit` must not be negative; got nan"),
        (lambda: Consumers("A", INF, 1.0), "`intercept` must be finite; got inf"),
        (lambda: Consumers("A", 1.0, 0.0), r"`slope` must be positive and finite; got 0\.0"),
        (lambda: Plant("o", "A", -1.0, 0.0, 1.0), r"`cost` must be finite and not negative; got -1\.0"),
        (lambda: Plant("o", "A", 1.0, 0.0, INF), "`capacity` must be finite and not negative; got inf"),
    ],
)
def test_a_broken_part_is_refused(make: Any, message: str) -> None:  # noqa: ANN401
    with pytest.raises(ValueError, match=message):
        make()


def test_an_unknown_bus_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="Did you mean 'north'"):
        ElasticNetwork((), (Consumers("north", 1.0, 1.0),)).positions(["nort"])
