"""Charts of a day-ahead market that was played: price duration, who produces when, and who is pivotal.

The numbers are those of seed 0, as tables of `walras.markets.electricity.dispatch` have them.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from walras.scenarios.electricity import system_charts
from walras.scenarios.engine.results import Results
from walras.scenarios.engine.study import Tables
from walras.scenarios.report.charts import (
    Plot,
    agent_colour,
    blank_figure,
    learners,
    method_colour,
    reference_of,
    title_of,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

CAPTION = (
    "Each curve holds the prices of all hours, sorted: the share of hours at which the price is as high."
    " The same net load stands behind all of them."
)


def price_duration(results: Results) -> "Figure":
    """Draw the prices of each method from the highest to the lowest, and the recorded ones where there are any."""
    figure = blank_figure("EUR/MWh", "share of the hours, %", height=420)
    for name in results.record["methods"]:
        prices = tables_of(results, name)["hours"]["price"].to_numpy()
        _add(figure, title_of(results, name), prices, {"color": method_colour(results, name), "width": 2})
    if results.reference is not None:
        recorded = results.reference["price"].dropna().to_numpy()
        _add(figure, "actual day-ahead price", recorded, {"color": "#1F5A94", "width": 1.8})
    figure.update_layout(meta={"caption": CAPTION})
    return figure


def dispatch_stack(results: Results) -> "Figure":
    """Draw what each seller produces over time, under the offers of the first that learns or else the reference."""
    method = [*learners(results), reference_of(results)][0]
    return _of_method(results, method, system_charts.dispatch_stack)


def pivotality(results: Results) -> "Figure":
    """Draw how often the load could not be served without a seller, and tell the concentration of what was sold."""
    method = reference_of(results)
    return _of_method(results, method, system_charts.concentration)


def tables_of(results: Results, method: str) -> Tables:
    """Return the tables ``hours``, ``units`` and ``owners`` of a method's first seed; each seller is a unit."""
    steps: Any = results.steps
    part = steps[(steps["method"] == method) & (steps["seed"] == 0)]
    times = _times(results, part["step"])
    sold, offered = (_total(part, column) for column in ("dispatch", "offered"))
    units = pd.DataFrame(
        {
            "time": times,
            "unit": part["agent"],
            "owner": part["agent"],
            "fuel": "any",
            "available_mw": offered,
            "mw": sold,
        }
    )
    first = (part["agent"] == results.record["agents"][0]).to_numpy()
    hours = pd.DataFrame({"time": times, "load_mw": part["cleared"], "price": part["price"], "money": "EUR"})[first]
    owners = units.groupby("owner", sort=False)["mw"].sum()
    share = owners / max(float(owners.sum()), np.finfo(np.float64).tiny)
    return {"hours": hours.reset_index(drop=True), "units": units, "owners": share.rename("share").reset_index()}


def _of_method(results: Results, method: str, draw: Callable[..., Plot]) -> Plot:
    """Return a chart of a method's tables that says whose they are, each agent in its colour."""
    colours = {agent: agent_colour(results, agent) for agent in results.record["agents"]}
    figure = draw(tables_of(results, method), colours)
    caption = f"Under the offers of: {title_of(results, method)}. {figure.layout.meta['caption']}"
    figure.update_layout(meta={"caption": caption})
    return figure


def _add(figure: Plot, name: str, prices: Any, line: dict[str, Any]) -> None:  # noqa: ANN401 - an array
    share, value = system_charts.duration(prices)
    figure.add_scatter(x=share, y=value, name=name, mode="lines", line=line, hovertemplate="%{y:.2f} EUR/MWh")


def _times(results: Results, step: Any) -> Any:  # noqa: ANN401 - columns of pandas
    """Return the recorded times of steps, or their numbers."""
    if results.reference is None:
        return step.to_numpy()
    times = pd.to_datetime(results.reference["time"], utc=True).dt.tz_localize(None).to_numpy()
    return times[step.to_numpy()]


def _total(part: Any, column: str) -> Any:  # noqa: ANN401 - a table of pandas
    """Return the sum over the blocks of a seller."""
    blocks = [name for name in part.columns if re.fullmatch(rf"{column}(_\d+)?", str(name))]
    return part[blocks].sum(axis=1)
