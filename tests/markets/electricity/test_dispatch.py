from dataclasses import replace

import networkx as nx
import numpy as np
import pytest

from walras.markets.electricity.dispatch import dispatched, summary, tables
from walras.markets.electricity.storage import Storage
from walras.markets.electricity.system import System

NETWORK = nx.MultiGraph()
NETWORK.add_nodes_from("NS")
NETWORK.add_edge("N", "S", key="line", susceptance=100.0, limit=30.0, from_bus="N", to_bus="S")
# 60 MW at 20 north of the line; 60 at 30 and at 50, of one unit, south of it. Load 100, then 0, in the south.
SYSTEM = System(
    network=NETWORK,
    unit=("n", "s", "s"),
    owner=("north", "south", "south"),
    fuel=("wind", "gas", "gas"),
    bus=("N", "S", "S"),
    price=np.tile([20.0, 30.0, 50.0], (2, 1)),
    quantity=np.tile([60.0, 60.0, 60.0], (2, 1)),
    load=np.array([[0.0, 100.0], [0.0, 0.0]]),
    step_hours=0.5,
)


def test_money_adds_up_to_the_congestion_rent() -> None:
    found = dispatched(SYSTEM, 1000.0)
    told = tables(found)
    # 30, 60 and 10 MW at 20 and 50 EUR/MWh for half an hour.
    np.testing.assert_allclose(found.dispatch[0], [30, 60, 10], atol=1e-9)
    assert told["hours"]["rent"].tolist() == pytest.approx([450, 0], abs=1e-9)
    assert told["lines"]["rent"].tolist() == pytest.approx([450, 0], abs=1e-9)
    paid = 0.5 * 50 * 100
    assert told["units"]["income"].sum() + told["hours"]["rent"].sum() == pytest.approx(paid)
    assert told["lines"]["shadow_price"].iloc[0] == pytest.approx(30)
    assert told["hours"]["price"].iloc[0] == pytest.approx(50)
    assert told["hours"]["cost"].iloc[0] == pytest.approx(0.5 * (30 * 20 + 60 * 30 + 10 * 50))


def test_offers_of_a_unit_are_one_unit_of_its_owner() -> None:
    told = tables(dispatched(SYSTEM, 1000.0))
    units = told["units"]
    assert units["unit"].tolist() == ["n", "s", "n", "s"]
    assert units["available_mw"].tolist() == [60, 120, 60, 120]
    assert units["mw"].iloc[:2].tolist() == pytest.approx([30, 70])
    owners = told["owners"].set_index("owner")
    assert owners["profit"].to_dict() == pytest.approx({"north": 0.0, "south": 0.5 * 60 * 20}, abs=1e-9)
    assert owners["share"].to_dict() == pytest.approx({"north": 0.3, "south": 0.7})
    assert owners["available_mw"].to_dict() == {"north": 60, "south": 120}


def test_the_whole_in_numbers() -> None:
    told = summary(dispatched(SYSTEM, 1000.0))
    assert told["cost (EUR)"] == pytest.approx(1450)
    assert told["load (MWh)"] == 50
    assert told["concentration, HHI"] == pytest.approx(30**2 + 70**2)


def test_load_that_no_unit_serves_is_priced_at_the_cap() -> None:
    found = dispatched(replace(SYSTEM, load=np.array([[0.0, 200.0], [0.0, 100.0]])), 1000.0)
    np.testing.assert_allclose(found.unserved, [[0, 50], [0, 0]], atol=1e-9)
    assert tables(found)["hours"]["price_high"].tolist() == pytest.approx([1000, 50])


def test_a_step_is_cleared_alone() -> None:
    both, second = dispatched(SYSTEM, 1000.0), dispatched(SYSTEM.part(slice(1, 2)), 1000.0)
    np.testing.assert_array_equal(both.dispatch[1:], second.dispatch)
    np.testing.assert_array_equal(both.nodal_price[1:], second.nodal_price)


@pytest.mark.parametrize(
    ("storage", "place"), [((), "Row 1: `minimum`"), ((Storage("s", "S", 1, 1, 1),), "Rows 1 to 1:")]
)
def test_a_step_without_a_dispatch_is_named(storage: tuple[Storage, ...], place: str) -> None:
    stuck = replace(SYSTEM, load=np.array([[0.0, 100.0], [-100.0, 0.0]]), storage=storage)  # 30 MW fit on the line
    with pytest.raises(ValueError, match=f"{place}.*must leave a dispatch that balances every bus"):
        dispatched(stuck, 1000.0, window=1)
