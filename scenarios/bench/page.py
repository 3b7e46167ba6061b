"""The leaderboard as a page that opens without a network: sortable tables, learning curves, profiles."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from walras.scenarios.bench.leaderboard import share
from walras.scenarios.bench.results import Results
from walras.scenarios.engine.statistics import estimate
from walras.scenarios.report.charts import LOGARITHMIC, Plot, band, blank_figure
from walras.scenarios.report.frame import framed

ASSETS = Path(__file__).with_name("assets")
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#8C510A", "#D6C600", "#555555", "#D55E00", "#332288")
LEAST = 1e-6
"""Relative gaps below are drawn here: a logarithmic axis has no zero."""


def leaderboard_page(results: Results, entries: Sequence[pd.DataFrame] = ()) -> str:
    """Return the page of a suite's results.

    Parameters
    ----------
    results : Results
        Of the suite.
    entries : sequence of DataFrame
        Rows of entries from outside, as `walras.scenarios.bench.entries.entry_rows` returns them.
    """
    table = pd.concat([results.table, *entries], ignore_index=True)
    return framed(
        ASSETS / "leaderboard.html",
        _figures(results),
        scripts=(Markup((ASSETS / "tables.js").read_text(encoding="utf-8")),),
        kicker="leaderboard",
        title=f"{results.manifest['suite']['name']}: who comes how close to which equilibrium",
        facts=_facts(results),
        families=sorted(set(table["family"])),
        rows=[_row(row) for row in table.to_dict("records")],
        overall=[_overall(row) for row in results.overall.sort_values("attained").to_dict("records")],
        missing=results.missing.to_dict("records"),
        provenance=results.manifest["versions"],
        without_scripts="The charts, sorting and the filter need JavaScript; the tables do not.",
    )


def curve_figure(results: Results, game: str) -> Plot:
    """Return the learning curves of a game: what the deviation found gains, against steps, and the known solution."""
    runs = results.runs[results.runs["game"] == game]
    figure = blank_figure("relative gap", "environment steps", height=440)
    for k, (method, own) in enumerate(runs[runs["role"] == "learner"].groupby("method", sort=False)):
        figure.add_traces(_curve(str(method), own, COLOURS[k % len(COLOURS)]))
    known = runs.loc[(runs["method"] == "solved") & (runs["role"] == "reference"), "upper"]
    if len(known) and np.isfinite(known).all():
        _mark(figure, _shown(known.max()))
    figure.update_yaxes(**LOGARITHMIC, **_ticks(figure))
    caption = "Interquartile means over the seeds of what the best deviation that was found gains, with 95 % intervals."
    figure.update_layout(meta={"caption": f"{caption} The dotted line is what is proved of the known solution."})
    return figure


def profile_figure(results: Results) -> Plot:
    """Return the share of runs of which it is proved that the gap is at most a threshold, by method."""
    figure = blank_figure("share of runs", "relative gap, at most", height=440)
    for k, (method, own) in enumerate(results.profiles.groupby("method", sort=False)):
        own, colour = own[own["threshold"] > 0], COLOURS[k % len(COLOURS)]
        at = own["threshold"].tolist()
        figure.add_traces(band({"x": at}, own["low"].tolist(), own["high"].tolist(), colour, str(method)))
        style = {"color": colour, "width": 2.2}
        figure.add_scatter(x=at, y=own["share"].tolist(), name=str(method), legendgroup=str(method), line=style)
    figure.update_xaxes(**LOGARITHMIC)
    figure.update_yaxes(range=[-0.02, 1.02])
    caption = "Over all runs of the games that a method plays, with 95 % intervals, point by point."
    figure.update_layout(meta={"caption": f"{caption} A run whose gap has no upper end counts for no threshold."})
    return figure


def _figures(results: Results) -> dict[str, Plot]:
    learned = results.runs.loc[results.runs["role"] == "learner", "game"].unique()
    curves = {f"Learning: {game}": curve_figure(results, game) for game in learned}
    return {"How often is how little proved": profile_figure(results)} | curves


def _curve(method: str, runs: pd.DataFrame, colour: str) -> list[Plot]:
    import plotly.graph_objects as go

    points = [(steps, estimate(own["attained"].to_numpy())) for steps, own in runs.groupby("steps")]
    at = [steps for steps, _ in points]
    mean, low, high = ([_shown(getattr(e, part)) for _, e in points] for part in ("mean", "low", "high"))
    line = go.Scatter(x=at, y=mean, name=method, legendgroup=method, mode="lines+markers", line={"color": colour})
    return [*band({"x": at}, low, high, colour, method), line]


def _mark(figure: Plot, level: float) -> None:
    """Draw a line at a gap and name it; on a logarithmic axis a note's place is the logarithm."""
    figure.add_hline(y=level, line_dash="dot")
    place = {"xref": "paper", "x": 1.0, "y": np.log10(level), "xanchor": "right", "yanchor": "bottom"}
    figure.add_annotation(text="equilibrium", showarrow=False, **place)


def _ticks(figure: Plot) -> dict[str, int]:
    """Return the distance of ticks on a long logarithmic axis, a power of ten: plotly would crowd it."""
    drawn = [np.asarray(trace.y, dtype=np.float64) for trace in figure.data]
    ends = np.log10(np.concatenate([*drawn, [shape.y0 for shape in figure.layout.shapes]]))
    return {"dtick": 1} if np.nanmax(ends) - np.nanmin(ends) > 2 else {}  # one seed has no interval, which is NaN


def _shown(value: float) -> float:
    return float(np.maximum(value, LEAST))


def _row(row: dict[Any, Any]) -> dict[str, Any]:
    """Return what the template writes of a game and method: texts, and numbers to sort by."""
    texts = {name: row[name] for name in ("family", "game", "method", "role", "kind", "certifies", "seeds")}
    ends = {f"{end}_text": share(row, end) for end in ("lower", "upper")}
    return texts | ends | {end: row[end] for end in ("lower", "upper")}


def _overall(row: dict[Any, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("method", "role", "games", "attained")} | {"text": share(row, "attained")}


def _facts(results: Results) -> list[str]:
    suite, cells = results.manifest["suite"], results.cells.values()
    machines = sorted({str(cell["hardware"]["processor"]) for cell in cells})
    hours = sum(sum(cell["cpu_seconds"].values()) for cell in cells) / 3600
    counted = f"{suite['seeds']} seeds, {suite['steps']} environment steps"
    return [f"suite {results.manifest['id']}", counted, f"{hours:.2g} CPU hours", *machines]
