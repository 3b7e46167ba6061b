"""Charts of a dispatched power system, from its tables: prices, who produces, the network, and who earns what."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import pandas as pd

from walras.core.typing import Floats
from walras.markets.electricity.concentration import LEVELS, herfindahl, hours_below, residual_supply
from walras.scenarios.engine.study import Chart, Tables
from walras.scenarios.report.charts import AGENT_COLOURS, INK, VERMILION, Plot, blank_figure, layout

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST_BARS = 20
"""Lines that bars are drawn of, those with the largest rents."""
MOST_NAMES = 15
"""Buses up to which a map has their names on it."""
MOST_POINTS = 2000
"""Points of a curve: a longer one is drawn through as many of its quantiles."""
BINDING = 1e-6
"""Shadow price from which a line counts as at its limit."""
SCALE = ("#440154", "#414487", "#2A788E", "#22A884", "#7AD151", "#D8C21D")
"""Colours of prices from low to high, of the scale viridis."""
FUELS = {
    "Coal": "#4d4d4d", "coal": "#4d4d4d", "Gas CC": "#E69F00", "Gas CT": "#D55E00", "gas": "#E69F00",
    "Nuclear": "#CC79A7", "nuclear": "#CC79A7", "Hydro": "#0072B2", "hydro": "#0072B2", "Wind": "#56B4E9",
    "wind": "#56B4E9", "storage": "#009E73", "Solar PV": "#D6C600", "solar": "#D6C600", "Solar RTPV": "#EFE36B",
    "Oil CT": "#8C510A", "Oil ST": "#A6761D",
}  # fmt: skip
"""Colours of technologies that are well known."""


def price_duration(tables: Tables) -> "Figure":
    """Draw the mean price of the steps from the highest to the lowest, with the range over the buses."""
    hours, unit = tables["hours"], _price_unit(tables)
    figure = blank_figure(unit, "share of the steps, %", height=420)
    for name, column, style in (
        ("highest at a bus", "price_high", {"color": VERMILION, "width": 1.2}),
        ("mean, weighted by load", "price", {"color": INK, "width": 2.2}),
        ("lowest at a bus", "price_low", {"color": "#0072B2", "width": 1.2}),
    ):
        share, value = duration(hours[column].to_numpy())
        hover = f"%{{y:.2f}} {unit}"
        figure.add_scatter(x=share, y=value, name=name, **_mode(len(hours)), line=style, hovertemplate=hover)
    return _told(figure, "Each curve holds the price of every step, sorted: the share of steps at which it is as high.")


def duration(values: Floats) -> tuple[list[float], list[float]]:
    """Return the share of steps in per cent, and the values from the highest to the lowest."""
    ordered = np.sort(values)[::-1]
    if len(ordered) > MOST_POINTS:
        ordered = np.quantile(ordered, np.linspace(1, 0, MOST_POINTS))
    share = 100 * (np.arange(len(ordered)) + 0.5) / len(ordered)
    return share.round(3).tolist(), ordered.round(3).tolist()


def dispatch_stack(tables: Tables, colours: Mapping[str, str] | None = None) -> "Figure":
    """Draw what each technology, or where none is known each owner, produces over time, and the load.

    Parameters
    ----------
    tables : Tables
        With ``units`` and ``hours``.
    colours : mapping, optional
        Of technologies or owners, by name.
    """
    units, by = tables["units"], "fuel"
    if units["fuel"].nunique() < 2:
        by = "owner"
    made = units.pivot_table(index="time", columns=by, values="mw", aggfunc="sum", sort=False)
    order = made.std().sort_values(kind="stable").index  # what runs evenly below
    figure = blank_figure("MW", "time", height=480)
    times = _plain(made.index)
    for k, name in enumerate(order):
        colour = (colours or FUELS).get(str(name), AGENT_COLOURS[k % len(AGENT_COLOURS)])
        figure.add_traces(_band(times, made[name].to_numpy(), str(name), colour))
    load = tables["hours"]["load_mw"].round(1).tolist()
    figure.update_layout(barmode="stack")
    figure.add_scatter(
        x=times, y=load, name="load", **_mode(len(times)), line={"color": INK, "width": 1.6, "dash": "dot"}
    )
    figure.update_layout(hovermode="x unified")
    words = "technology" if by == "fuel" else "owner"
    return _told(figure, f"What each {words} produces, one upon the other; the dotted line is the load.")


def _band(times: Sequence[Any], made: Floats, name: str, colour: str) -> Plot:
    """Return a band over time; of a single step, a part of a bar."""
    import plotly.graph_objects as go

    shared: dict[str, Any] = {"x": times, "y": made.round(1).tolist(), "name": name, "hovertemplate": "%{y:,.0f} MW"}
    if len(times) == 1:
        return go.Bar(**shared, marker={"color": colour})
    line = {"width": 0.4, "color": colour}
    return go.Scatter(**shared, stackgroup="made", mode="lines", line=line, fillcolor=colour)


def _mode(steps: int) -> dict[str, str]:
    return {"mode": "lines" if steps > 1 else "markers"}


def price_map(tables: Tables) -> "Figure":
    """Draw the network at the step of the largest congestion rent: prices, flows, and lines at their limits."""
    hours, when = tables["hours"], int(np.argmax(np.abs(tables["hours"]["rent"].to_numpy())))
    moment = hours["time"].iloc[when]
    buses = tables["buses"][tables["buses"]["time"] == moment]
    lines = tables["lines"][tables["lines"]["time"] == moment]
    place = _placed(buses, lines)
    figure = blank_figure("", "", height=560)
    for line in lines.to_dict("records"):
        figure.add_scatter(**_line(line, place))
    figure.add_traces(_points(buses, place, _price_unit(tables)))
    if len(buses) <= MOST_NAMES:
        x, y = zip(*(place[bus] for bus in buses["bus"]), strict=True)
        told: dict[str, Any] = {"textposition": "top center", "cliponaxis": False, "hoverinfo": "skip"}
        clear = {"size": 12, "opacity": 0}  # what the names stand above
        names = buses["bus"].tolist()
        figure.add_scatter(x=x, y=y, mode="markers+text", text=names, marker=clear, showlegend=False, **told)
    known = bool(buses["latitude"].notna().all())
    for axis in (figure.update_xaxes, figure.update_yaxes):
        axis(visible=False)
    if known:
        figure.update_yaxes(scaleanchor="x")
    where = "where the buses are" if known else "in a layout by their lines, as their places are not known"
    at = f" at {moment}, the step of the largest congestion rent" if len(hours) > 1 else ""
    caption = f"Prices of the buses{at}, {where}."
    return _told(figure, f"{caption} A line is the wider the nearer to its limit, and orange where it is at it.")


def _placed(buses: pd.DataFrame, lines: pd.DataFrame) -> dict[str, tuple[float, float]]:
    if buses["latitude"].notna().all():
        return dict(zip(buses["bus"], zip(buses["longitude"], buses["latitude"], strict=True), strict=True))
    graph: nx.Graph[str] = nx.Graph()
    graph.add_nodes_from(buses["bus"])
    graph.add_edges_from(zip(lines["from_bus"], lines["to_bus"], strict=True))
    return {bus: (float(x), float(y)) for bus, (x, y) in nx.spring_layout(graph, seed=0).items()}


def _line(line: Mapping[str, Any], place: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    (x0, y0), (x1, y1) = place[line["from_bus"]], place[line["to_bus"]]
    used = abs(line["flow_mw"]) / line["limit_mw"] if 0 < line["limit_mw"] < np.inf else 0.0
    bound = abs(line["shadow_price"]) > BINDING
    words = f"{line['line']}: {line['flow_mw']:,.1f} of {line['limit_mw']:,.0f} MW"
    return {
        "x": [x0, (x0 + x1) / 2, x1], "y": [y0, (y0 + y1) / 2, y1], "mode": "lines", "showlegend": False,
        "hovertemplate": f"{words}<extra></extra>",
        "line": {"width": round(0.8 + 5 * min(used, 1.0), 2), "color": VERMILION if bound else "#b0b0b0"},
    }  # fmt: skip


def _points(buses: pd.DataFrame, place: Mapping[str, tuple[float, float]], unit: str) -> list[Plot]:
    """Return the buses in bands of price, each with its entry in the legend.

    Plotly's own scale of colours sets styles that the page's policy forbids.
    """
    import plotly.graph_objects as go

    price = buses["price"].to_numpy()
    edges = np.unique(np.linspace(price.min(), price.max(), len(SCALE) + 1).round(2))
    band = np.clip(np.searchsorted(edges, price.round(2), side="right") - 1, 0, max(len(edges) - 2, 0))
    return [
        go.Scatter(
            x=[place[bus][0] for bus in mine["bus"]],
            y=[place[bus][1] for bus in mine["bus"]],
            mode="markers",
            name=f"{edges[k]:,.2f} to {edges[min(k + 1, len(edges) - 1)]:,.2f} {unit}",
            text=[f"{bus}: {each:,.2f} {unit}" for bus, each in zip(mine["bus"], mine["price"], strict=True)],
            hovertemplate="%{text}<extra></extra>",
            marker={"color": SCALE[k], "size": 12, "line": {"color": "white", "width": 1}},
        )
        for k in np.unique(band).tolist()
        for mine in [buses[band == k]]
    ]


def congestion_rent(tables: Tables) -> "Figure":
    """Draw the rent of each line; all together they are what loads pay more than units receive."""
    rent = tables["lines"].groupby("line", sort=False)["rent"].sum()
    most = rent[rent.abs().sort_values(ascending=False, kind="stable").index[:MOST_BARS]]
    money = str(tables["hours"]["money"].iloc[0])
    figure = _bars(most, money, "line")
    total = f"All {len(rent)} lines together earn {rent.sum():,.2f} {money}: what loads pay less what units receive."
    return _told(figure, f"Flow times the difference of the prices at its ends. {total}")


def shadow_prices(tables: Tables) -> "Figure":
    """Draw what one more MW of each line's limit would save, on average, for lines that were at their limits."""
    lines = tables["lines"]
    size = lines.assign(size=lines["shadow_price"].abs())
    mean = size.groupby("line", sort=False)["size"].mean()
    bound = (size["size"] > BINDING).groupby(lines["line"], sort=False).sum()
    most = mean[mean > BINDING].sort_values(ascending=False, kind="stable")[:MOST_BARS]
    unit = _price_unit(tables)
    figure = _bars(most, unit, "line")
    figure.update_traces(
        customdata=[int(bound[name]) for name in most.index],
        hovertemplate=f"%{{y:.3f}} {unit}, at its limit in %{{customdata}} steps<extra></extra>",
    )
    none = "" if len(most) else " No line was at its limit."
    return _told(figure, f"What one more MW of a limit saves, on average over all steps.{none}")


def owner_profits(tables: Tables) -> "Figure":
    """Draw what each owner earns above its cost."""
    profit = tables["owners"].set_index("owner")["profit"].sort_values(ascending=False, kind="stable")[:MOST_BARS]
    figure = _bars(profit, str(tables["hours"]["money"].iloc[0]), "owner")
    return _told(figure, "Income at the prices of the buses less the cost of what was produced.")


def concentration(tables: Tables, colours: Mapping[str, str] | None = None) -> "Figure":
    """Draw how often the load could not be served without an owner, and tell the concentration of what was sold.

    Parameters
    ----------
    tables : Tables
        With ``units``, ``hours`` and ``owners``.
    colours : mapping, optional
        Of owners, by name.
    """
    owners, capacity, load, step = _capacities(tables)
    index = residual_supply(capacity, load)
    figure = blank_figure("residual supply index", "share of the steps, %", height=440)
    below = hours_below(index, step)
    critical = np.argsort(np.where(np.isfinite(index), index, np.nan).min(axis=0), kind="stable")[: len(AGENT_COLOURS)]
    for k, each in enumerate(critical.tolist()):
        share, value = duration(index[:, each])
        words = ", ".join(f"{hours:g} h below {level:g}" for hours, level in zip(below[each], LEVELS, strict=True))
        line = {"color": (colours or {}).get(owners[each], AGENT_COLOURS[k]), "width": 2}
        mode = _mode(len(index))
        figure.add_scatter(x=share, y=value, name=f"{owners[each]} ({words})", **mode, line=line)
    for level in LEVELS:
        figure.add_hline(y=level, line_dash="dot", line_color="#999999")
    sold = tables["owners"]["share"].to_numpy()
    caption = "What all others could supply over the load: below 1 the load cannot be served without the owner."
    return _told(figure, f"{caption} The concentration of what was sold (HHI) is {herfindahl(sold):,.0f} of 10,000.")


def state_of_charge(tables: Tables) -> "Figure | None":
    """Draw what storages hold under the price at their buses; nothing where there are none."""
    if "storages" not in tables:
        return None
    from plotly.subplots import make_subplots

    figure: Plot = make_subplots(2, 1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.4, 0.6])
    for k, (name, mine) in enumerate(tables["storages"].groupby("storage", sort=False)):
        times, colour = _plain(mine["time"]), AGENT_COLOURS[k % len(AGENT_COLOURS)]
        shared: dict[str, Any] = {"x": times, "mode": "lines", "name": str(name), "legendgroup": str(name)}
        line = {"color": colour, "width": 1.8, "shape": "hv"}
        hover = {"hovertemplate": f"%{{y:.2f}} {_price_unit(tables)}"}
        figure.add_scatter(**shared, y=mine["price"].round(2).tolist(), line=line, **hover, row=1, col=1)
        held = {"y": mine["energy_mwh"].round(2).tolist(), "fill": "tozeroy", "showlegend": False}
        figure.add_scatter(**shared, **held, line={"color": colour}, hovertemplate="%{y:,.1f} MWh", row=2, col=1)
    figure.update_layout(layout(height=520), hovermode="x unified")
    figure.update_yaxes(title_text=_price_unit(tables), row=1)
    figure.update_yaxes(title_text="MWh", row=2)
    return _told(figure, "Above the price at each storage's bus, below what it holds at the end of each step.")


def _capacities(tables: Tables) -> tuple[list[str], Floats, Floats, float]:
    """Return owners, their available capacities ``[T, N]``, loads ``[T]``, and hours of a step."""
    table = tables["units"].pivot_table(index="time", columns="owner", values="available_mw", aggfunc="sum", sort=False)
    time = tables["hours"]["time"]
    dated = pd.api.types.is_datetime64_any_dtype(time) and len(time) > 1
    step = (time.iloc[1] - time.iloc[0]) / pd.Timedelta(hours=1) if dated else 1.0
    return list(map(str, table.columns)), table.to_numpy(), tables["hours"]["load_mw"].to_numpy(), float(step)


def _price_unit(tables: Tables) -> str:
    return f"{tables['hours']['money'].iloc[0]}/MWh"


def _bars(values: pd.Series, unit: str, what: str) -> Plot:
    figure = blank_figure(unit, what, height=420)
    names = [str(name) for name in values.index]
    figure.add_bar(
        x=names, y=values.round(4).tolist(), marker_color="#0072B2", hovertemplate=f"%{{y:,.2f}} {unit}<extra></extra>"
    )
    figure.update_xaxes(type="category")
    return figure


def _plain(times: Any) -> list[Any]:  # noqa: ANN401 - times or numbers
    return [moment.isoformat() if hasattr(moment, "isoformat") else int(moment) for moment in times]


def _told(figure: Plot, caption: str) -> Plot:
    figure.update_layout(meta={"caption": caption})
    return figure


CHARTS: dict[str, Chart] = {
    "Price duration": price_duration,
    "Dispatch": dispatch_stack,
    "State of charge": state_of_charge,
    "Prices on the network": price_map,
    "Congestion rent by line": congestion_rent,
    "Shadow prices of lines": shadow_prices,
    "Profits": owner_profits,
    "Pivotality": concentration,
}
"""The charts of a dispatched system, by title."""
