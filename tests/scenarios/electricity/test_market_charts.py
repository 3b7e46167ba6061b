from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from walras.scenarios.electricity import market_charts


def test_tables_add_up_the_blocks_of_each_seller(made_up: SimpleNamespace) -> None:
    results = made_up.day_ahead(hours=30)
    tables = market_charts.tables_of(results, "learned")
    steps = results.steps.query("method == 'learned' and seed == 0")
    assert len(tables["hours"]) == 30
    np.testing.assert_array_equal(tables["units"]["available_mw"], np.where(steps["agent"] == "coal", 1500, 1600))
    dispatch = [name for name in steps if name.startswith("dispatch")]
    np.testing.assert_allclose(tables["units"]["mw"], steps[dispatch].sum(axis=1))
    assert tables["owners"]["share"].sum() == pytest.approx(1)
    assert tables["hours"]["time"].iloc[0] == np.datetime64("2018-01-01")


def test_price_duration_sorts_each_method_and_the_record(made_up: SimpleNamespace) -> None:
    results = made_up.day_ahead(hours=30)
    figure: Any = market_charts.price_duration(results)
    names = [trace.name for trace in figure.data]
    assert names[-1] == "actual day-ahead price"
    for trace in figure.data:
        assert list(trace.y) == sorted(trace.y, reverse=True)
    assert list(figure.data[-1].y) == sorted(results.reference["price"], reverse=True)


def test_the_stack_and_pivotality_say_whose_offers(made_up: SimpleNamespace) -> None:
    results = made_up.day_ahead(hours=30, reference=False)
    stack: Any = market_charts.dispatch_stack(results)
    assert stack.layout.meta["caption"].startswith("Under the offers of: PPO. What each owner produces")
    assert {trace.name for trace in stack.data} == {"coal", "gas & oil", "load"}
    pivotal: Any = market_charts.pivotality(results)
    assert pivotal.layout.meta["caption"].startswith("Under the offers of: competitive equilibrium. What all others")
    assert len(pivotal.data) == 2
