"""What the report's charts share: colours, titles, and the look of a figure.

A chart is a function from results to a plotly figure, which carries the sentence that says how to read it in
``layout.meta["caption"]``. An agent has one colour in all charts (the palette of Okabe and Ito, which colour-blind
readers can tell apart). A method has the colour of its role and place: references are black, what learns begins with
vermilion. Plotly is imported when a chart is drawn.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from walras.scenarios.engine.results import Results
from walras.scenarios.engine.statistics import Estimate

Plot: TypeAlias = Any
"""A plotly figure, or a part of one."""
Table: TypeAlias = Any
"""A pandas table, or a column of one; pandas is only partly typed."""

AGENT_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#8C510A", "#D6C600", "#555555")
"""Okabe and Ito's, with the yellow darkened for lines on white and vermilion kept for what learns."""
LOGARITHMIC = {"type": "log", "exponentformat": "power"}  # no 1p, 100f, 4T
INK, VERMILION = "#1b1b1b", "#D55E00"
REFERENCE_COLOURS = (INK, "#6b6b6b")
OTHER_COLOURS = (
    "#7B5EA7", "#3E8E7E", "#A3475B", "#5B6C8F", "#9C8A2E", "#B07AA1", "#76B7B2", "#9D7660", "#a6a6a6"
)  # fmt: skip


def title_of(results: Results, method: str) -> str:
    """Return the words for a method, or for another path of prices."""
    known = results.record["methods"].get(method, {})
    return known.get("title") or method.replace("_", " ")


def role_of(results: Results, method: str) -> str:
    """Return the role of a method: ``reference``, ``learner`` or ``rule``."""
    return results.record["methods"][method]["role"]


def of_role(results: Results, role: str) -> list[str]:
    """Return the methods of a role, in the run's order."""
    return [name for name in results.record["methods"] if role_of(results, name) == role]


def learners(results: Results) -> list[str]:
    """Return the methods that learn, in the run's order."""
    return of_role(results, "learner")


def with_curves(results: Results) -> list[str]:
    """Return the methods that have a learning curve, in the run's order."""
    return [name for name, part in results.record["methods"].items() if part["curve"]]


def reference_of(results: Results) -> str:
    """Return what others are compared with: the first reference, or the first method where there is none."""
    return [*of_role(results, "reference"), *results.record["methods"]][0]


def agent_colour(results: Results, agent: str) -> str:
    """Return the colour of `agent` in all charts."""
    return AGENT_COLOURS[results.record["agents"].index(agent) % len(AGENT_COLOURS)]


def method_colour(results: Results, method: str) -> str:
    """Return the colour of a method in all charts."""
    if role_of(results, method) == "reference":
        return REFERENCE_COLOURS[of_role(results, "reference").index(method) % len(REFERENCE_COLOURS)]
    others = [*learners(results), *of_role(results, "rule")]
    colours = (VERMILION, *OTHER_COLOURS) if learners(results) else OTHER_COLOURS
    return colours[others.index(method) % len(colours)]


def band(hours: Mapping[str, Any], low: Sequence[Any], high: Sequence[Any], colour: str, group: str) -> list[Plot]:
    """Return two invisible lines with the space between them shaded."""
    import plotly.graph_objects as go

    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    shared: dict[str, Any] = {"mode": "lines", "line": {"width": 0, "color": colour}, "hoverinfo": "skip"}
    shared |= {"legendgroup": group, "showlegend": False, **hours}
    upper = {"fill": "tonexty", "fillcolor": f"rgba({red},{green},{blue},0.16)"}
    return [go.Scatter(**shared, y=low, name="lowest"), go.Scatter(**shared, **upper, y=high, name="highest")]


def blank_figure(vertical: str, horizontal: str, height: int) -> Plot:
    """Return a figure in the report's style, with titles of its axes."""
    import plotly.graph_objects as go

    figure = go.Figure(layout=layout(height))
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
        {"label": title, "method": "restyle", "args": [{"visible": visible}]}
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


def layout(height: int) -> dict[str, Any]:
    """Return the layout of a figure in the report's style."""
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
        "title": {"standoff": 10, "font": {"size": 13}},
        "exponentformat": "none",  # 20,000, not 20k
        "separatethousands": True,
    }
    family = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
    parts = {
        "font": {"family": family, "size": 13, "color": "#333333"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",  # the page shows through
        "xaxis": axis,
        "yaxis": axis,
        "hoverlabel": {"bgcolor": "white", "bordercolor": "#bbbbbb", "font": {"color": "#222222"}},
        "hovermode": "closest",
    }
    return {"layout": parts}
