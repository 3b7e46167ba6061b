"""Charts of forecasts beside the prices that came: the path, errors by hour, by month and in all, and intervals."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from walras.markets.electricity.day_forecasts import LEVELS
from walras.scenarios.engine.study import Chart, Tables
from walras.scenarios.report.charts import AGENT_COLOURS, INK, VERMILION, band, blank_figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SHOWN = ("similar_day", "sarima_101_111_24", "lasso", "structural", "simulacrum", "structural_lasso")
"""Forecasters that are drawn where a table has them, from the plainest."""
HIDDEN = ("similar_day", "sarima_101_111_24", "simulacrum")
AHEAD = "lasso look ahead"
WEEKS = 8
"""Weeks of prices that are drawn: more would make the page heavy."""


def path(tables: Tables, money: str = "EUR") -> "Figure":
    """Draw the price of each hour and its forecasts."""
    hours = tables["hours"]
    banded = hours[hours["low"].notna()]
    hours = (banded if len(banded) else hours).head(WEEKS * 7 * 24)
    time = (hours["day"] + pd.to_timedelta(hours["hour"], unit="h")).dt.strftime("%Y-%m-%d %H:%M").tolist()
    figure = blank_figure(f"{money}/MWh", "local time", height=460)
    shown = _shown(tables)
    low, high = (hours[name].round(2).tolist() for name in ("low", "high"))
    figure.add_traces(band({"x": time}, low, high, _colour(shown[-1]), "interval"))
    figure.data[-1].update(name=f"80 % interval of {words(shown[-1])}", showlegend=True)
    figure.update_traces(legendgroup="")  # which would stand below each other
    figure.add_scatter(
        x=time, y=hours["price"].round(2).tolist(), name="price", mode="lines", line={"color": INK, "width": 2}
    )
    for name in shown:
        figure.add_scatter(
            x=time,
            y=hours[name].round(2).tolist(),
            name=words(name),
            mode="lines",
            line={"color": _colour(name), "width": 1.3},
            visible="legendonly" if name in HIDDEN else True,
        )
    end = min(14 * 24, len(time)) - 1
    figure.update_layout(
        hovermode="x unified",
        legend_traceorder="normal",
        xaxis={"range": [time[0], time[end]], "type": "date", "title": "local time"},
        meta={"caption": f"Prices and forecasts of {WEEKS} weeks; drag the axis to see all. {_BAND}"},
    )
    return figure


def by_hour(tables: Tables, money: str = "EUR") -> "Figure":
    """Draw each forecaster's mean absolute error by hour of the day."""
    hours = tables["hours"]
    figure = blank_figure(f"mean absolute error, {money}/MWh", "local hour", height=420)
    for name in _shown(tables):
        error = (hours[name] - hours["price"]).abs().groupby(hours["hour"]).mean()
        figure.add_scatter(
            x=error.index.tolist(),
            y=error.round(3).tolist(),
            name=words(name),
            mode="lines+markers",
            line={"color": _colour(name)},
        )
    figure.update_layout(meta={"caption": "The mean absolute error of each forecaster at each hour of the day."})
    return figure


def by_month(tables: Tables, money: str = "EUR") -> "Figure":
    """Draw each forecaster's mean absolute error by month."""
    hours = tables["hours"]
    month = hours["day"].dt.strftime("%Y-%m")
    figure = blank_figure(f"mean absolute error, {money}/MWh", "month", height=420)
    for name in _shown(tables):
        error = (hours[name] - hours["price"]).abs().groupby(month).mean()
        figure.add_bar(x=error.index.tolist(), y=error.round(3).tolist(), name=words(name), marker_color=_colour(name))
    figure.update_layout(
        barmode="group",
        xaxis={"type": "category", "title": "month"},
        meta={"caption": "The mean absolute error of each forecaster in each month."},
    )
    return figure


def in_all(tables: Tables) -> "Figure":
    """Draw the mean squared error of all forecasters."""
    table = tables["forecasters"].sort_values("mse", ascending=False)
    figure = blank_figure("", "mean squared error", height=420)
    names = [words(str(name)) for name in table["forecaster"]]
    figure.add_bar(
        x=table["mse"].round(2).tolist(),
        y=names,
        orientation="h",
        text=table["mse"].map("{:.2f}".format).tolist(),
        textposition="outside",
        cliponaxis=False,
        marker_color=[_colour(str(name)) for name in table["forecaster"]],
    )
    figure.update_xaxes(range=[0, 1.25 * float(table["mse"].max())])
    ahead = " The lasso that looks ahead sees what is published after the auction." if AHEAD in names else ""
    caption = f"The mean squared error over all hours, best at the top.{ahead}"
    figure.update_layout(showlegend=False, meta={"caption": caption})
    return figure


def coverage(tables: Tables) -> "Figure | None":
    """Draw how many prices lie in each forecaster's intervals, beside how many should."""
    table = tables["forecasters"].set_index("forecaster")
    names = [f"coverage_{level:.0%}".rstrip("%") for level in LEVELS]
    if bool(table[names].isna().to_numpy().any()):
        return None
    figure = blank_figure("prices inside, %", "probability of the interval, %", height=420)
    wanted = [100 * level for level in LEVELS]
    figure.add_scatter(x=wanted, y=wanted, name="as many as should", mode="lines", line={"color": INK, "dash": "dot"})
    for name in _shown(tables):
        figure.add_scatter(
            x=wanted,
            y=[round(100 * float(table[column].loc[name]), 2) for column in names],
            name=words(name),
            mode="lines+markers",
            line={"color": _colour(name)},
        )
    figure.update_layout(meta={"caption": f"How many prices lie in intervals of 50, 80 and 90 %. {_BAND}"})
    return figure


_BAND = "An interval is a forecast and the quantiles of its errors at the same hour of the 28 days before."


def stack(tables: Tables) -> "Figure":
    """Draw prices over net load: as they were, as the curve of the days of each week has them, and the fleet's cost."""
    table = tables["stack"]
    figure = blank_figure("EUR/MWh", "net load, GW", height=420)
    load = (table["net_load"] / 1_000).round(3).tolist()
    lines = {
        "fitted": ("fitted to the days of each week", VERMILION, "solid"),
        "fleet": ("the fleet's cost", INK, "dot"),
    }
    figure.add_scatter(x=load, y=table["mean_price"].round(2).tolist(), name="mean price", mode="markers")
    figure.data[0].update(marker={"color": AGENT_COLOURS[0], "size": 7})
    for name, (title, colour, dash) in lines.items():
        line = {"color": colour, "dash": dash}
        figure.add_scatter(x=load, y=table[name].round(2).tolist(), name=title, mode="lines", line=line)
    figure.update_layout(meta={"caption": _STACK})
    return figure


_STACK = (
    "Prices over net load in the last year, a point for as many hours each. The fitted curve stands at the mean level; "
    "it is flatter than the means where hours of high load had high levels too. The fleet's costs are of 2015 to 2017."
)


def what_if(tables: Tables) -> "Figure":
    """Draw by how much each change would have moved the mean price, with its interval."""
    changes = tables["changes"].iloc[::-1]
    figure = blank_figure("", "EUR/MWh", height=300)
    figure.add_vline(x=0, line={"color": "#9a9a9a", "width": 1})
    effect, low, high = changes["effect"], changes["low"], changes["high"]
    ends = {"array": (high - effect).tolist(), "arrayminus": (effect - low).tolist()}
    figure.add_scatter(
        x=effect.round(3).tolist(),
        y=[CHANGES[str(name)] for name in changes["change"]],
        error_x={"type": "data", "symmetric": False, **ends},
        mode="markers+text",
        marker={"color": VERMILION, "size": 9},
        text=effect.map("{:+.2f}".format).tolist(),
        textposition="top center",
        cliponaxis=False,
    )
    room = 0.2 * float(high.max() - low.min())
    figure.update_xaxes(range=[float(low.min()) - room, float(high.max()) + room])
    figure.update_yaxes(range=[-0.6, len(changes) - 0.3])
    price = float(changes["mean_price"].iloc[0])
    figure.update_layout(showlegend=False, meta={"caption": f"{_ASSUMED} The mean price was {price:.2f} EUR/MWh."})
    return figure


CHANGES = {
    "wind": "5 GW of wind more",
    "nuclear_unit": "1 GW of nuclear power less",
    "merger": "both gas sellers merged",
}
_ASSUMED = (
    "By how much each change would have moved the mean price of the last year, with 95 % intervals of sampling error. "
    "Wind and the unit move net load along the curve of prices that the days of each week show. The merger assumes who "
    "owns what and that sellers offer affine supply functions; if they take prices, it moves nothing."
)


def words(name: str) -> str:
    """Return how a forecaster is called."""
    return name.replace("_", " ")


def _shown(tables: Tables) -> list[str]:
    """Return the forecasters that are drawn."""
    return [name for name in SHOWN if name in tables["hours"]]


def _colour(name: str) -> str:
    if name == "structural_lasso":
        return VERMILION
    return AGENT_COLOURS[SHOWN.index(name) % len(AGENT_COLOURS)] if name in SHOWN else "#9a9a9a"


def charts_in(money: str) -> Mapping[str, Chart]:
    """Return each chart by title, of prices in some money."""
    return {
        "Errors": in_all,
        "Prices and forecasts": partial(path, money=money),
        "Errors by hour": partial(by_hour, money=money),
        "Errors by month": partial(by_month, money=money),
        "Intervals": coverage,
    }


CHARTS = charts_in("EUR")
"""Each chart by title."""
