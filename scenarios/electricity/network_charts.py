"""Charts of a market on a network that was played: prices at its buses, flows, and lines at their limits."""

import re
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from walras.core.typing import Floats
from walras.envs.electricity.network_cournot_market import NetworkCournotMarket
from walras.scenarios.electricity import system_charts
from walras.scenarios.engine.results import Results
from walras.scenarios.engine.study import Tables
from walras.scenarios.report.charts import learners, reference_of, title_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Places = Mapping[Hashable, tuple[float, float]]
"""Latitude and longitude of buses."""


def learned_map(game: NetworkCournotMarket, places: Places, results: Results) -> "Figure":
    """Draw prices and flows under what the first learner does, or where none learns the reference."""
    return _map(game, places, results, [*learners(results), reference_of(results)][0])


def reference_map(game: NetworkCournotMarket, places: Places, results: Results) -> "Figure":
    """Draw prices and flows under the reference."""
    return _map(game, places, results, reference_of(results))


def _map(game: NetworkCournotMarket, places: Places, results: Results, method: str) -> "Figure":
    figure: Any = system_charts.price_map(tables_of(game, places, results, method))
    caption = f"Seed 0 of: {title_of(results, method)}. {figure.layout.meta['caption']}"
    figure.update_layout(meta={"caption": caption})
    return figure


def tables_of(game: NetworkCournotMarket, places: Places, results: Results, method: str) -> Tables:
    """Return the tables ``hours``, ``buses`` and ``lines`` of the last step of a method's first seed."""
    steps: Any = results.steps
    part = steps[(steps["method"] == method) & (steps["seed"] == 0)]
    last = part[part["step"] == part["step"].max()]
    output = last[[name for name in last if re.fullmatch(r"output(_\d+)?", str(name))]].to_numpy(dtype=np.float64)
    found = game.cleared(output[None])
    flow = game.network.flow(game.bus, game.by_unit(found.output), found.price)[0]
    time, line_price = last["step"].iloc[0], found.line_price[0]
    return {
        "hours": pd.DataFrame({"time": [time], "rent": [float(line_price @ flow)], "money": ["EUR"]}),
        "buses": _buses(game, places, found.price[0]).assign(time=time),
        "lines": _lines(game, flow, line_price).assign(time=time),
    }


def _buses(game: NetworkCournotMarket, places: Places, price: Floats) -> pd.DataFrame:
    at = np.array([places.get(bus, (np.nan, np.nan)) for bus in game.network.buses])
    names = [str(bus) for bus in game.network.buses]
    return pd.DataFrame({"bus": names, "latitude": at[:, 0], "longitude": at[:, 1], "price": price})


def _lines(game: NetworkCournotMarket, flow: Floats, line_price: Floats) -> pd.DataFrame:
    wires = game.wires
    return pd.DataFrame(
        {
            "line": [f"{wire.from_bus} to {wire.to_bus}" for wire in wires],
            "from_bus": [str(wire.from_bus) for wire in wires],
            "to_bus": [str(wire.to_bus) for wire in wires],
            "flow_mw": flow,
            "limit_mw": [wire.limit for wire in wires],
            "shadow_price": line_price,
        }
    )
