"""Charts of play without regret: verdicts, gaps by round, slopes, and paths on the simplex."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from walras.scenarios.engine.study import Chart, Tables
from walras.scenarios.matrix.play_tables import RULES, SIMPLEX, VERDICTS, heights
from walras.scenarios.report.charts import INK, LOGARITHMIC, Plot, add_menu, blank_figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#8C510A", "#D6C600", "#555555", "#D55E00")
VERDICT_COLOURS = dict(zip(VERDICTS, ("#009E73", "#56B4E9", "#CC79A7", "#E69F00", "#D55E00"), strict=True))
SMALLEST = 1e-10
"""Gap at which the axis of gaps begins: what is smaller stands there."""
FLATTEST = -3.0
"""Slope at which the axis of slopes begins: what is steeper, or has vanished, stands there."""


def verdict_chart(tables: Tables) -> "Figure":
    """Draw what becomes of each rule in each game."""
    told = tables["verdicts"]
    games = list(dict.fromkeys(told["game"]))
    figure = blank_figure("", "", height=90 + 34 * len(games))
    for verdict, colour in VERDICT_COLOURS.items():
        own = told[told["verdict"] == verdict]
        text = [_cell(row) for _, row in own.iterrows()]
        marker = {"symbol": "square", "size": 22, "color": colour}
        figure.add_scatter(
            x=own["rule"].tolist(), y=own["game"].tolist(), mode="markers", marker=marker, name=verdict, text=text,
            hovertemplate="%{text}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(categoryorder="array", categoryarray=list(RULES), tickangle=-30)
    figure.update_yaxes(categoryorder="array", categoryarray=games[::-1])
    caption = (
        "Converges: the last strategies are an equilibrium up to the tolerance throughout the second half of the"
        " rounds, in at least nine of ten seeds. Average only: their mean is. Settles elsewhere: the gap of the last"
        " strategies no longer changes. Still falling: a gap falls faster than one over the fourth root of the round."
        " Else play cycles. The table is verdicts.csv."
    )
    figure.update_layout(meta={"caption": caption})
    return figure


def gap_chart(tables: Tables) -> "Figure":
    """Draw gaps against rounds, of one game at a time."""
    gaps = tables["gaps"]
    games = list(dict.fromkeys(gaps["game"]))
    middle = gaps.groupby(["game", "rule", "round"])[["last", "average"]].median().clip(lower=SMALLEST)
    figure = blank_figure("gap, share of the spread", "round", height=520)
    for game in games:
        for (rule, colour), (name, dash) in _each_twice():
            own = middle.loc[game, rule]
            line = {"color": colour, "width": 1.8, "dash": dash}
            figure.add_scatter(
                x=own.index.tolist(), y=own[name].tolist(), mode="lines", line=line, name=rule, legendgroup=rule,
                showlegend=name == "last", hovertemplate=f"{name} strategies: %{{y:.2e}}",
            )  # fmt: skip
    figure.update_xaxes(type="log")
    figure.update_yaxes(**LOGARITHMIC, range=[np.log10(SMALLEST) - 0.2, 0.2])
    add_menu(
        figure, games, each=2 * len(RULES), first=games.index("random zero-sum") if "random zero-sum" in games else 0
    )
    caption = (
        "What the best action gains against the last strategies (solid) and against their mean (dashed), of the player"
        f" who gains most; medians over the seeds. What is below {SMALLEST:g} stands there. The menu chooses the game."
    )
    figure.update_layout(meta={"caption": caption})
    return figure


def slope_chart(tables: Tables) -> "Figure":
    """Draw how fast gaps fall, of one game at a time."""
    told = tables["verdicts"]
    games = list(dict.fromkeys(told["game"]))
    figure = blank_figure("", "slope of the logarithm of the gap on that of the round", height=420)
    for game in games:
        own = told[told["game"] == game]
        for name, symbol in (("last", "circle"), ("average", "diamond-open")):
            x = own[f"{name}_slope"].clip(lower=FLATTEST)
            ends = [(own[f"{name}_slope_{end}"].clip(lower=FLATTEST) - x).abs().tolist() for end in ("high", "low")]
            bars = {"type": "data", "symmetric": False, "array": ends[0], "arrayminus": ends[1], "thickness": 1}
            figure.add_scatter(
                x=x.tolist(), y=own["rule"].tolist(), mode="markers", name=f"{name} strategies", error_x=bars,
                marker={"symbol": symbol, "size": 9, "color": INK}, hovertemplate="%{y}: %{x:.2f}",
            )  # fmt: skip
    figure.update_yaxes(categoryorder="array", categoryarray=list(RULES)[::-1])
    figure.update_xaxes(range=[FLATTEST - 0.1, 0.6])
    add_menu(figure, games, each=2, first=games.index("random zero-sum") if "random zero-sum" in games else 0)
    caption = (
        "Interquartile means over the seeds with 95 % bootstrap intervals, in the last two factors of ten. -1/2 is the"
        f" rate of the worst case, -1 that of optimism. Steeper than {FLATTEST:g}, or vanished: at the left end."
    )
    figure.update_layout(meta={"caption": caption})
    return figure


def simplex_chart(tables: Tables) -> "Figure":
    """Draw the first player's strategies in games of three actions, one at a time."""
    paths = tables["paths"]
    figure = blank_figure("", "", height=560)
    corners = pd.DataFrame({"second": [0.0, 1.0, 0.0, 0.0], "third": [0.0, 0.0, 1.0, 0.0]})
    x, y = heights(corners)
    names = ["first action", "second action", "third action", ""]
    place = ["bottom center", "bottom center", "top center", "top center"]
    figure.add_scatter(
        x=x.tolist(), y=y.tolist(), mode="lines+text", line={"color": "#999999", "width": 1.2}, text=names,
        textposition=place, showlegend=False, hoverinfo="skip",
    )  # fmt: skip
    for game in SIMPLEX:
        for rule, colour in zip(RULES, COLOURS, strict=True):
            own = paths[(paths["game"] == game) & (paths["rule"] == rule)]
            x, y = heights(own)
            told = [f"round {number:,}" for number in own["round"]]
            figure.add_scatter(
                x=x.tolist(), y=y.tolist(), mode="lines", line={"color": colour, "width": 1.4}, name=rule, text=told,
                hovertemplate="%{text}",
            )  # fmt: skip
    figure.update_xaxes(visible=False, range=[-0.15, 1.15])
    figure.update_yaxes(visible=False, scaleanchor="x", range=[-0.1, 0.97])
    add_menu(figure, list(SIMPLEX), each=len(RULES))
    caption = (
        "The path of the first player's strategy, round by round; each corner is an action, the centre the equilibrium"
        " of both games. A click in the legend hides a rule, a double click all others."
    )
    figure.update_layout(meta={"caption": caption})
    return figure


CHARTS: Mapping[str, Chart] = {
    "What becomes of play": verdict_chart,
    "Gaps by round": gap_chart,
    "How fast gaps fall": slope_chart,
    "Paths of strategies": simplex_chart,
}
"""By title."""


def _each_twice() -> list[tuple[tuple[str, str], tuple[str, str]]]:
    rules = list(zip(RULES, COLOURS, strict=True))
    return [(rule, line) for rule in rules for line in (("last", "solid"), ("average", "dash"))]


def _cell(row: Plot) -> str:
    small = f"last small in {100 * row['last_small']:.0f} %, mean in {100 * row['average_small']:.0f} % of seeds"
    gaps = f"gaps {row['last_gap']:.1e} and {row['average_gap']:.1e}, regret a round {row['regret']:.1e}"
    return f"{row['rule']}, {row['game']}<br>{small}<br>{gaps}"
