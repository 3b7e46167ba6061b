"""Charts of electricity markets: the price of each hour, and the offers of an hour in merit order."""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from walras.core.checks import require
from walras.scenarios.engine.results import Results
from walras.scenarios.engine.summary import forecasts
from walras.scenarios.report.charts import (
    INK,
    VERMILION,
    Plot,
    Table,
    agent_colour,
    band,
    blank_figure,
    layout,
    learners,
    method_colour,
    reference_of,
    role_of,
    title_of,
    with_curves,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

CHOSEN_HOURS = 24
"""Hours that the merit order lets the reader choose from, at most."""
TWO_DAYS, FOUR_WEEKS, EIGHT_WEEKS = 48, 672, 1344  # hours
WIDTHS = {"reference": 1.8, "learner": 2.2, "rule": 1.2}  # of lines, by role
_MERIT_CAPTION = (
    "Blocks from the cheapest offer to the dearest: width is offered quantity, height is offered price, and pale"
    " blocks are not needed. The line is the net load, the point the clearing price that accepted blocks are paid."
)
_HOURS_CAPTION = "The price that clears each hour of seed 0, under the same net load for every method."
_RECORD_CAPTION = (
    "The price that clears each hour under the recorded net load, on average over the seeds; the band goes from the"
    " learners' lowest seed to the highest. A click on the legend shows other forecasts: seasonal naive is the price"
    " of a week before, yesterday that of the day before, standard naive the one or the other by weekday."
)


def price_path(results: Results) -> "Figure":
    """Draw the clearing price of each hour, and the recorded prices where there are any.

    Where hours are recorded, they are the same in all seeds: lines are the mean over the seeds, and the learners'
    band goes from the lowest to the highest. Otherwise each seed has hours of its own, and seed 0 is drawn.

    Raises
    ------
    ValueError
        If the steps lack a column.
    """
    _require_columns(results.steps, "price")
    hours = _hours(results)
    figure = blank_figure("EUR/MWh", "time, UTC" if results.reference is not None else "hour", height=460)
    for name in reversed(results.record["methods"]):
        figure.add_traces(_method_path(results, name, hours))
    figure.add_traces(_recorded_paths(results.reference, hours))
    figure.update_layout(hovermode="x unified", legend_traceorder="reversed")
    figure.update_layout(meta={"caption": _HOURS_CAPTION if results.reference is None else _RECORD_CAPTION})
    return _navigable(figure, results.reference)


def merit_order(results: Results) -> "Figure":
    """Draw the offers of a chosen hour in merit order, those of the reference left and the learned ones right.

    Raises
    ------
    ValueError
        If the steps lack a column.
    """
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    _require_columns(results.steps, "offer", "offered", "dispatch", "cleared", "price")
    panels = _panels(results)
    auctions = {name: _auctions(results.steps, name) for name in panels}
    hours = _chosen_hours(auctions[panels[-1]].groupby("step")["price"].first())
    labels = _hour_labels(results.reference, hours)
    first = max(hours, key=lambda step: hours[step] == "dearest")
    shown = {step: _merit_traces(results, auctions, step) for step in hours}
    titles = [title_of(results, name) for name in panels]
    figure: Plot = make_subplots(1, len(panels), shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.03)
    figure.add_traces(shown[first])
    figure.frames = [go.Frame(name=labels[step], data=traces) for step, traces in shown.items()]
    figure.update_layout(layout(height=600), barmode="overlay", meta={"caption": _MERIT_CAPTION})
    figure.update_layout(legend_y=1.12, margin_b=24)  # above the panels' titles
    figure.update_layout(sliders=[_hour_slider(labels, first)], updatemenus=[_hour_buttons(hours, labels)])
    figure.update_xaxes(title_text="offered, MW", range=[0, _reach(auctions.values())], nticks=4, tickangle=0)
    figure.update_annotations(font_size=13)
    figure.update_yaxes(range=[0, _height(auctions.values())])
    figure.update_yaxes(title_text="EUR/MWh", col=1)
    return figure


def _require_columns(table: Table, *names: str) -> None:
    """Raise unless `table` has each column, numbered or not."""
    known = {re.sub(r"_\d+$", "", str(column)) for column in table.columns}
    missing = ", ".join(name for name in names if name not in known)
    require(
        not missing,
        "results.steps",
        f"have the columns {', '.join(names)}, not lack {missing}",
        sorted(known),
    )


# Prices


def _prices(results: Results, name: str) -> Table:
    """Return the price of each step (rows) and seed (columns)."""
    steps = results.steps
    one = steps[(steps["method"] == name) & (steps["agent"] == results.record["agents"][0])]
    return one.pivot(index="step", columns="seed", values="price")


def _hours(results: Results) -> dict[str, Any]:
    """Return the x of a path: its start and spacing where hours are even, since a year of dates is long."""
    if results.reference is None:
        return {"x0": 0, "dx": 1}
    time = _times(results.reference)
    spacing = time.diff().dropna().unique()
    if len(spacing) == 1:
        return {"x0": time.iloc[0].isoformat(), "dx": spacing[0] / pd.Timedelta(milliseconds=1)}
    return {"x": [moment.isoformat() for moment in time]}


def _times(reference: Table) -> Table:
    return pd.Series(pd.to_datetime(reference["time"], utc=True).dt.tz_localize(None))


def _method_path(results: Results, name: str, hours: Mapping[str, Any]) -> list[Plot]:
    prices = _prices(results, name)
    if results.reference is None:
        return [_path(title_of(results, name), prices.iloc[:, 0], hours, _style(results, name))]
    line = _path(title_of(results, name), prices.mean(axis=1), hours, _style(results, name))
    if name not in with_curves(results):
        return [line]
    low, high = _short(prices.min(axis=1)), _short(prices.max(axis=1))
    return [*band(hours, low, high, method_colour(results, name), title_of(results, name)), line]


def _recorded_paths(reference: Table | None, hours: Mapping[str, Any]) -> list[Plot]:
    if reference is None:
        return []
    dotted, solid = {"color": "#9DB4C8", "width": 1.2, "dash": "dot"}, {"color": "#1F5A94", "width": 1.8}
    own = {"color": "#3E8E7E", "width": 1.6}
    paths = [
        _path(name.replace("_", " "), reference[name], hours, own if name.startswith("forecast") else dotted)
        for name in forecasts(reference)
    ]
    for path in paths:
        path.visible = True if path.line.dash is None or len(paths) == 1 else "legendonly"
    return [*paths, _path("actual day-ahead price", reference["price"], hours, solid)]


def _path(name: str, values: Table, hours: Mapping[str, Any], line: Mapping[str, Any]) -> Plot:
    import plotly.graph_objects as go

    return go.Scatter(
        **hours,
        y=_short(values),
        name=name,
        legendgroup=name,
        mode="lines",
        line=dict(line),
        hovertemplate="%{y:.2f} EUR/MWh",
    )


def _short(values: Table) -> list[float | None]:
    """Round to cents, as a list: shorter on the page than eight bytes a number."""
    return [None if np.isnan(value) else round(float(value), 2) for value in values]


def _style(results: Results, name: str) -> dict[str, Any]:
    return {"color": method_colour(results, name), "width": WIDTHS[role_of(results, name)]}


def _navigable(figure: Plot, reference: Table | None) -> Plot:
    """Add a range slider to more than two days; open what is long at its first weeks."""
    hours = len(figure.data[-1].y)
    if hours > TWO_DAYS:
        figure.update_xaxes(rangeslider={"visible": True, "thickness": 0.09, "bgcolor": "rgba(128,128,128,0.06)"})
    if hours <= EIGHT_WEEKS:
        return figure
    last = FOUR_WEEKS if reference is None else _times(reference).iloc[FOUR_WEEKS].isoformat()
    figure.update_xaxes(range=[0 if reference is None else figure.data[-1].x0, last])
    return figure


# Merit order


def _panels(results: Results) -> list[str]:
    """Return the two methods to show: the reference and the first that learns, or the first two."""
    preferred = [reference_of(results), *learners(results)[:1], *results.record["methods"]]
    return list(dict.fromkeys(preferred))[:2]


def _auctions(steps: Table, name: str) -> Table:
    """Return seed 0 with one line a step and offered block, cheapest first, and where each block begins."""
    part = steps[(steps["method"] == name) & (steps["seed"] == 0)]
    blocks = sorted(column for column in part.columns if re.fullmatch(r"offer(_\d+)?", str(column)))
    each = [
        part[["step", "agent", "price", "cleared"]].assign(
            **{column: part[block.replace("offer", column, 1)] for column in ("offer", "offered", "dispatch")}
        )
        for block in blocks
    ]
    return _stacked(pd.concat(each).query("offered > 0"))


def _stacked(blocks: Table) -> Table:
    """Sort the blocks of each step by price, and say where each begins, MW."""
    ordered = blocks.sort_values(["step", "offer"], kind="stable")
    return ordered.assign(left=ordered.groupby("step")["offered"].cumsum() - ordered["offered"])


def _chosen_hours(price: Table) -> dict[int, str]:
    """Return the dearest, the median and the cheapest hour and evenly spaced ones, in order, with names."""
    ranked = price.sort_values(kind="stable").index
    spread = np.linspace(0, len(price) - 1, min(CHOSEN_HOURS - 3, len(price))).round().astype(int)
    names = {int(step): "" for step in price.index[spread]}
    named = {"median": ranked[len(ranked) // 2], "cheapest": ranked[0], "dearest": ranked[-1]}
    names |= {int(step): name for name, step in named.items()}
    return dict(sorted(names.items()))


def _hour_labels(reference: Table | None, hours: Mapping[int, str]) -> dict[int, str]:
    if reference is None:
        moments = {step: f"hour {step}" for step in hours}
    else:
        times = _times(reference)
        moments = {step: times.iloc[step].strftime("%a %d %b %Y %H:%M") for step in hours}
    return {step: f"{moments[step]}{f' ({name})' if name else ''}" for step, name in hours.items()}


def _merit_traces(results: Results, auctions: Mapping[str, Table], step: int) -> list[Plot]:
    """Return the bars of each agent, the net load and the clearing price, panel by panel."""
    traces: list[Plot] = []
    top = _height(auctions.values())
    for column, table in enumerate(auctions.values()):
        axes = {"xaxis": "x" if column == 0 else "x2", "yaxis": "y" if column == 0 else "y2"}
        now = table[table["step"] == step]
        bars = [_blocks(results, now, agent, legend=column == 0) for agent in results.record["agents"]]
        traces += [trace.update(axes) for trace in [*bars, *_clearing(now, top, legend=column == 0)]]
    return traces


def _blocks(results: Results, now: Table, agent: str, legend: bool) -> Plot:
    import plotly.graph_objects as go

    mine = now[now["agent"] == agent].round(2)
    accepted = (mine["dispatch"] > 0).to_numpy()
    outline = {"color": "white", "width": 0.6}
    return go.Bar(
        x=mine["left"].tolist(),
        y=mine["offer"].tolist(),
        width=mine["offered"].tolist(),
        offset=0,
        customdata=mine[["offered", "dispatch"]].to_numpy().tolist(),
        name=agent,
        legendgroup=agent,
        showlegend=legend,
        marker={
            "color": agent_colour(results, agent),
            "opacity": np.where(accepted, 1.0, 0.35),
            "line": outline,
        },
        hovertemplate="%{y:.2f} EUR/MWh<br>%{customdata[1]:,.0f} of %{customdata[0]:,.0f} MW accepted",
    )


def _clearing(now: Table, top: float, legend: bool) -> list[Plot]:
    import plotly.graph_objects as go

    load, price = round(float(now["cleared"].iloc[0]), 2), round(float(now["price"].iloc[0]), 2)
    line = go.Scatter(
        x=[load, load],
        y=[0, top],
        mode="lines",
        line={"color": INK, "width": 1.4},
        name="net load",
        legendgroup="net load",
        showlegend=legend,
        hovertemplate="%{x:,.0f} MW",
    )
    point = go.Scatter(
        x=[load],
        y=[price],
        mode="markers+text",
        marker={"color": VERMILION, "size": 11, "line": {"color": "white", "width": 1.5}},
        text=[f"{price:.2f}"],
        textposition="top left",
        cliponaxis=False,
        name="clearing price",
        legendgroup="clearing price",
        showlegend=legend,
        hovertemplate="%{y:.2f} EUR/MWh",
    )
    return [line, point]


def _reach(tables: Iterable[Table]) -> float:
    """Return the largest quantity to show, MW."""
    return 1.03 * max(max((t["left"] + t["offered"]).max(), t["cleared"].max()) for t in tables)


def _height(tables: Iterable[Table]) -> float:
    """Return the highest price to show, EUR/MWh."""
    return 1.16 * max(max(t["offer"].max(), t["price"].max()) for t in tables)


def _hour_slider(labels: Mapping[int, str], first: int) -> dict[str, Any]:
    return {
        "active": list(labels).index(first),
        "steps": [_show(name, name) for name in labels.values()],
        "currentvalue": {"font": {"size": 15, "color": "#222222"}, "xanchor": "left", "offset": 14},
        "pad": {"t": 56},
        "font": {"color": "rgba(0,0,0,0)"},  # twenty-four labels do not fit under the slider
        "tickcolor": "#bbbbbb",
        "bordercolor": "#cccccc",
    }


def _hour_buttons(hours: Mapping[int, str], labels: Mapping[int, str]) -> dict[str, Any]:
    named = {name: labels[step] for step, name in hours.items() if name}
    order = [name for name in ("cheapest", "median", "dearest") if name in named]
    return {
        "type": "buttons",
        "direction": "right",
        "showactive": False,
        "buttons": [_show(name, named[name]) for name in order],
        "font": {"size": 12},
        "bordercolor": "#cccccc",
        "x": 0,
        "xanchor": "left",
        "y": 0,
        "yanchor": "top",
        "pad": {"t": 146},
    }


def _show(title: str, hour: str) -> dict[str, Any]:
    """Return a button or a slider's step that shows `hour`."""
    at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    return {"label": title, "method": "animate", "args": [[hour], at_once]}
