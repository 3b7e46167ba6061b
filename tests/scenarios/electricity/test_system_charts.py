import networkx as nx
import numpy as np
import pytest

from walras.markets.electricity.dispatch import dispatched, tables
from walras.markets.electricity.system import System
from walras.scenarios.electricity.system_charts import CHARTS, duration
from walras.scenarios.engine.study import Tables

NETWORK = nx.MultiGraph()
NETWORK.add_nodes_from("NMS")
NETWORK.add_edge("N", "M", key="upper", susceptance=100.0, limit=30.0, from_bus="N", to_bus="M")
NETWORK.add_edge("M", "S", key="lower", susceptance=100.0, from_bus="M", to_bus="S")
SYSTEM = System(
    network=NETWORK,
    unit=("n", "s", "t"),
    owner=("north", "south", "south"),
    fuel=("wind", "gas", "oil"),
    bus=("N", "S", "S"),
    price=np.tile([20.0, 30.0, 50.0], (2, 1)),
    quantity=np.tile([60.0, 60.0, 60.0], (2, 1)),
    load=np.array([[0.0, 0.0, 100.0], [0.0, 0.0, 10.0]]),
    time=np.array(["2018-01-01T00:00", "2018-01-01T01:00"], dtype="datetime64[m]"),
    place={"N": (43.0, -3.0), "M": (41.0, -4.0), "S": (37.0, -6.0)},
)


@pytest.fixture(scope="module")
def dispatch() -> Tables:
    return tables(dispatched(SYSTEM, 1000.0))


@pytest.mark.parametrize("title", CHARTS)
def test_every_chart_says_how_to_read_it(title: str, dispatch: Tables) -> None:
    figure = CHARTS[title](dispatch)
    if title == "State of charge":
        assert figure is None  # there is no storage
        return
    assert len(figure.data) > 0
    assert figure.layout.meta["caption"].count(".") >= 1
    assert "colorbar" not in figure.to_json()  # its styles are forbidden by the page's policy


def test_prices_run_from_the_highest_to_the_lowest(dispatch: Tables) -> None:
    mean = {trace.name: list(trace.y) for trace in CHARTS["Price duration"](dispatch).data}["mean, weighted by load"]
    assert mean == [50, 20]
    share, value = duration(np.arange(100_000.0))
    assert (len(share), value[0], value[-1]) == (2000, 99_999, 0)


def test_the_stack_adds_up_to_the_load(dispatch: Tables) -> None:
    figure = CHARTS["Dispatch"](dispatch)
    made = np.sum([trace.y for trace in figure.data if trace.stackgroup], axis=0)
    np.testing.assert_allclose(made, figure.data[-1].y)
    assert {trace.name for trace in figure.data} == {"wind", "gas", "oil", "load"}


def test_the_map_marks_the_line_at_its_limit_where_the_buses_are(dispatch: Tables) -> None:
    figure = CHARTS["Prices on the network"](dispatch)
    lines, buses = [t for t in figure.data if t.mode == "lines"], [t for t in figure.data if t.mode == "markers"]
    assert [line.line.color for line in lines] == ["#D55E00", "#b0b0b0"]
    assert sorted(x for trace in buses for x in trace.x) == [-6, -4, -3]
    assert {text for trace in buses for text in trace.text} == {
        "N: 20.00 EUR/MWh",
        "M: 50.00 EUR/MWh",
        "S: 50.00 EUR/MWh",
    }
    assert "2018-01-01 00:00:00" in figure.layout.meta["caption"]
    (names,) = [trace for trace in figure.data if trace.mode == "markers+text"]
    assert dict(zip(names.text, zip(names.x, names.y, strict=True), strict=True))["S"] == (-6, 37)


def test_rents_and_shadow_prices_are_by_line(dispatch: Tables) -> None:
    rent = CHARTS["Congestion rent by line"](dispatch).data[0]
    assert dict(zip(rent.x, rent.y, strict=True)) == {"upper": 900, "lower": 0}
    shadow = CHARTS["Shadow prices of lines"](dispatch).data[0]
    assert (list(shadow.x), list(shadow.y), list(shadow.customdata)) == (["upper"], [15], [1])


def test_owners_are_told_by_profit_and_pivotality(dispatch: Tables) -> None:
    profit = CHARTS["Profits"](dispatch).data[0]
    assert dict(zip(profit.x, profit.y, strict=True)) == {"south": 1200, "north": 0}
    figure = CHARTS["Pivotality"](dispatch)
    # The north alone has 60 of a load of 100 and of 10: the south is pivotal in one hour.
    assert figure.data[0].name == "south (1 h below 1, 1 h below 1.1)"
    assert list(figure.data[0].y) == [6, 0.6]
    # 30 + 10 of 110 MWh from the north.
    assert f"{(40 / 110 * 100) ** 2 + (70 / 110 * 100) ** 2:,.0f} of 10,000" in figure.layout.meta["caption"]


def test_a_single_hour_without_places_is_drawn_alike_each_time() -> None:
    from dataclasses import replace

    one = tables(dispatched(replace(SYSTEM.part(slice(0, 1)), place={}, time=None), 1000.0))
    first, again = (CHARTS["Prices on the network"](one).to_json() for _ in range(2))
    assert first == again
    assert all(CHARTS[title](one) for title in CHARTS if title != "State of charge")
