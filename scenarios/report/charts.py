"""The report's charts: functions from results to plotly figures.

Each figure carries the sentence that says how to read it in ``layout.meta["caption"]``. Money is EUR, power MW.
An agent has one colour in all charts (the palette of Okabe and Ito, which colour-blind readers can tell apart),
and contestants have colours of their own. Plotly is imported when a chart is drawn.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from walras.core.checks import require
from walras.scenarios.engine.results import Results
from walras.scenarios.engine.statistics import Estimate

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Plot: TypeAlias = Any
"""A plotly figure, or a part of one."""
Table: TypeAlias = Any
"""A pandas table, or a column of one; pandas is only partly typed."""

AGENT_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#8C510A", "#D6C600", "#555555")
"""Okabe and Ito's, with the yellow darkened for lines on white and vermilion kept for the learners."""
CONTESTANT_COLOURS = {
    "scripted": "#1b1b1b",
    "learned": "#D55E00",
    "equilibrium": "#1b1b1b",
    "random": "#a6a6a6",
    "optimum": "#1b1b1b",
    "naive_imitation": "#a6a6a6",
    "pegmarl": "#D55E00",
}
OTHER_COLOURS = ("#7B5EA7", "#3E8E7E", "#A3475B", "#5B6C8F", "#9C8A2E")
LABELS = {
    "scripted": "competitive equilibrium",
    "best_response": "best response",
    "optimum": "joint optimum",
    "pegmarl": "PegMARL",
    "mappo": "MAPPO",
    "magail": "MAGAIL",
    "pofd": "POfD",
    "dm2": "DM2",
}
CHOSEN_HOURS = 24
"""Hours that the merit order lets the reader choose from, at most."""
TWO_DAYS, FOUR_WEEKS, EIGHT_WEEKS = 48, 672, 1344  # hours


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
    for name in reversed(list(results.record["methods"])):
        figure.add_traces(_contestant_path(results, name, hours))
    figure.add_traces(_recorded_paths(results.reference, hours))
    figure.update_layout(hovermode="x unified", legend_traceorder="reversed")
    figure.update_layout(meta={"caption": _HOURS_CAPTION if results.reference is None else _RECORD_CAPTION})
    return _navigable(figure, results.reference)


def merit_order(results: Results) -> "Figure":
    """Draw the offers of a chosen hour in merit order, the competitive ones left and the learned ones right.

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
    titles = [label(name) for name in panels]
    figure: Plot = make_subplots(1, len(panels), shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.03)
    figure.add_traces(shown[first])
    figure.frames = [go.Frame(name=labels[step], data=traces) for step, traces in shown.items()]
    figure.update_layout(_layout(height=600), barmode="overlay", meta={"caption": _MERIT_CAPTION})
    figure.update_layout(legend_y=1.1, margin_b=24)  # above the panels' titles
    figure.update_layout(sliders=[_hour_slider(labels, first)], updatemenus=[_hour_buttons(hours, labels)])
    figure.update_xaxes(title_text="offered, MW", range=[0, _reach(auctions.values())])
    figure.update_yaxes(range=[0, _height(auctions.values())])
    figure.update_yaxes(title_text="EUR/MWh", col=1)
    return figure


def label(contestant: str) -> str:
    """Return the words for a contestant's name."""
    return LABELS.get(contestant, contestant.replace("_", " "))


def number(value: float | None) -> float:
    """Return a number of the summary, which has none where a share of nothing was asked for."""
    return np.nan if value is None else value


def agent_colour(results: Results, agent: str) -> str:
    """Return the colour of `agent` in all charts."""
    return AGENT_COLOURS[results.record["agents"].index(agent) % len(AGENT_COLOURS)]


def contestant_colour(results: Results, name: str) -> str:
    """Return the colour of a contestant in all charts."""
    others = [other for other in results.record["methods"] if other not in CONTESTANT_COLOURS]
    if name in CONTESTANT_COLOURS:
        return CONTESTANT_COLOURS[name]
    return OTHER_COLOURS[others.index(name) % len(OTHER_COLOURS)]


def learners(results: Results) -> list[str]:
    """Return the contestants that learn, in the run's order."""
    return [name for name, part in results.record["methods"].items() if part["curve"]]


_MERIT_CAPTION = (
    "Blocks from the cheapest offer to the dearest: width is offered quantity, height is offered price, and pale"
    " blocks are not needed. The line is the net load, the point the clearing price that accepted blocks are paid."
)
_HOURS_CAPTION = "The price that clears each hour of seed 0, under the same net load for every contestant."
_RECORD_CAPTION = (
    "The price that clears each hour under the recorded net load, on average over the seeds; the band goes from the"
    " learners' lowest seed to the highest. The seasonal-naive forecast is the price of a week before."
)


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


def _prices(results: Results, contestant: str) -> Table:
    """Return the price of each step (rows) and seed (columns)."""
    steps = results.steps
    one = steps[(steps["method"] == contestant) & (steps["agent"] == results.record["agents"][0])]
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


def _contestant_path(results: Results, name: str, hours: Mapping[str, Any]) -> list[Plot]:
    prices = _prices(results, name)
    if results.reference is None:
        return [_path(label(name), prices.iloc[:, 0], hours, _style(results, name))]
    line = _path(label(name), prices.mean(axis=1), hours, _style(results, name))
    if name not in learners(results):
        return [line]
    low, high = _short(prices.min(axis=1)), _short(prices.max(axis=1))
    return [*band(hours, low, high, contestant_colour(results, name), label(name)), line]


def _recorded_paths(reference: Table | None, hours: Mapping[str, Any]) -> list[Plot]:
    if reference is None:
        return []
    dotted, solid = {"color": "#9DB4C8", "width": 1.2, "dash": "dot"}, {"color": "#1F5A94", "width": 1.8}
    naive = _path("seasonal naive", reference["naive"], hours, dotted)
    return [naive, _path("actual day-ahead price", reference["price"], hours, solid)]


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
    width = {"random": 1.0, "learned": 2.2}.get(name, 1.8)
    return {"color": contestant_colour(results, name), "width": width}


def _navigable(figure: Plot, reference: Table | None) -> Plot:
    """Add a range slider to more than two days; open what is long at its first weeks."""
    hours = len(figure.data[-1].y)
    if hours > TWO_DAYS:
        figure.update_xaxes(rangeslider={"visible": True, "thickness": 0.09, "bgcolor": "#fafafa"})
    if hours <= EIGHT_WEEKS:
        return figure
    last = FOUR_WEEKS if reference is None else _times(reference).iloc[FOUR_WEEKS].isoformat()
    figure.update_xaxes(range=[0 if reference is None else figure.data[-1].x0, last])
    return _on_gpu(figure)


def _on_gpu(figure: Plot) -> Plot:
    """Draw all lines but the last by WebGL, ten times as fast; the range slider can draw only the last."""
    import plotly.graph_objects as go

    *moved, last = figure.data
    return go.Figure(
        [go.Scattergl({**line.to_plotly_json(), "type": "scattergl"}) for line in moved] + [last],
        figure.layout,
    )


# Merit order


def _panels(results: Results) -> list[str]:
    """Return the two contestants to show: the competitive one and the first that learns, or the first two."""
    names = list(results.record["methods"])
    preferred = [name for name in ("scripted", *learners(results)[:1]) if name in names]
    return (preferred + [name for name in names if name not in preferred])[:2]


def _auctions(steps: Table, contestant: str) -> Table:
    """Return seed 0 with one line a step and offered block, cheapest first, and where each block begins."""
    part = steps[(steps["method"] == contestant) & (steps["seed"] == 0)]
    blocks = sorted(column for column in part.columns if re.fullmatch(r"offer(_\d+)?", str(column)))
    each = [
        part[["step", "agent", "price", "cleared"]].assign(
            **{name: part[block.replace("offer", name, 1)] for name in ("offer", "offered", "dispatch")}
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
        line={"color": "#1b1b1b", "width": 1.4},
        name="net load",
        legendgroup="net load",
        showlegend=legend,
        hovertemplate="%{x:,.0f} MW",
    )
    point = go.Scatter(
        x=[load],
        y=[price],
        mode="markers+text",
        marker={"color": "#D55E00", "size": 11, "line": {"color": "white", "width": 1.5}},
        text=[f"<b>{price:.2f}</b>"],
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
    return 1.08 * max(max(t["offer"].max(), t["price"].max()) for t in tables)


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


def band(hours: Mapping[str, Any], low: Sequence[Any], high: Sequence[Any], colour: str, group: str) -> list[Plot]:
    """Return two invisible lines with the space between them shaded."""
    import plotly.graph_objects as go

    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    shared: dict[str, Any] = {"mode": "lines", "line": {"width": 0, "color": colour}, "hoverinfo": "skip"}
    shared |= {"legendgroup": group, "showlegend": False, **hours}
    upper = {"fill": "tonexty", "fillcolor": f"rgba({red},{green},{blue},0.16)"}
    return [go.Scatter(**shared, y=low, name="lowest"), go.Scatter(**shared, **upper, y=high, name="highest")]


# What all charts share


def blank_figure(vertical: str, horizontal: str, height: int) -> Plot:
    """Return a figure in the report's style, with titles of its axes."""
    import plotly.graph_objects as go

    figure = go.Figure(layout=_layout(height))
    figure.update_xaxes(title_text=horizontal)
    figure.update_yaxes(title_text=vertical)
    return figure


def add_menu(figure: Plot, titles: Sequence[str], each: int, first: int = 0, **style: Any) -> None:  # noqa: ANN401
    """Add a menu of titles, opened at the `first`; `style` is plotly's.

    The last traces belong to the titles, `each` to one, in their order; the menu shows those of the title chosen. The
    traces before them are always shown.
    """
    always = [True] * (len(figure.data) - each * len(titles))
    owner = np.repeat(np.arange(len(titles)), each)
    shown = [always + (owner == k).tolist() for k in range(len(titles))]
    for trace, visible in zip(figure.data, shown[first], strict=True):
        trace.visible = visible
    buttons = [
        {"label": label(title), "method": "restyle", "args": [{"visible": visible}]}
        for title, visible in zip(titles, shown, strict=True)
    ]
    menu = {"buttons": buttons, "active": first, "x": 1, "xanchor": "right", "yanchor": "bottom"}
    figure.update_layout(updatemenus=[menu | {"bordercolor": "#cccccc"} | style])


def error_bars(estimates: Sequence[Estimate]) -> dict[str, Any]:
    """Return the intervals of some estimates, as plotly has error bars."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [e.high - e.mean for e in estimates],
        "arrayminus": [e.mean - e.low for e in estimates],
        "thickness": 1,
        "width": 3,
    }


def _layout(height: int) -> dict[str, Any]:
    return {
        "template": _template(),
        "height": height,
        "margin": {"l": 64, "r": 16, "t": 24, "b": 56},
        "legend": {"orientation": "h", "x": 0, "y": 1.03, "yanchor": "bottom", "xanchor": "left"},
    }


def _template() -> dict[str, Any]:
    axis: dict[str, Any] = {
        "gridcolor": "#ececec",
        "linecolor": "#999999",
        "showline": True,
        "ticks": "outside",
        "tickcolor": "#999999",
        "ticklen": 4,
        "zeroline": False,
        "automargin": True,
        "title": {"standoff": 10},
    }
    family = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
    layout = {
        "font": {"family": family, "size": 13, "color": "#333333"},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "xaxis": axis,
        "yaxis": axis,
        "hoverlabel": {"bgcolor": "white", "bordercolor": "#bbbbbb", "font": {"color": "#222222"}},
        "hovermode": "closest",
    }
    return {"layout": layout}
