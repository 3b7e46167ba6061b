"""The chart of mechanisms: Nash welfare kept against what misreports gain."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from walras.core.checks import require
from walras.scenarios.engine.results import Results
from walras.scenarios.engine.statistics import estimate
from walras.scenarios.report.charts import blank_figure, error_bars, method_colour, of_role, role_of, title_of
from walras.scenarios.report.numbers import number

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_PARETO_CAPTION = (
    "Up and to the left is better. Interquartile means over the seeds, with 95 % bootstrap intervals; a seed has"
    " its own profiles, the same for all mechanisms. The gain is a lower bound: what a search over misreports attains."
)
_LINE: dict[str, Any] = {"mode": "lines+markers", "line": {"color": "#777777", "width": 1.6}, "marker": {"size": 7}}
_SYMBOLS = {"learner": "diamond", "reference": "circle", "rule": "square"}


def pareto(results: Results, connected: Mapping[str, Sequence[str]] | None = None) -> "Figure":
    """Draw what each mechanism keeps of the reference's Nash welfare against what misreports gain under it.

    Parameters
    ----------
    results : Results
        A run whose reference attains the largest Nash welfare.
    connected : mapping of str to sequence of str, optional
        By the name of a line, the methods along it, such as those of one parameter.

    Raises
    ------
    ValueError
        If the record has no reference, with which Nash welfare is compared.
    """
    reference, lines = of_role(results, "reference"), connected or {}
    require(len(reference) > 0, "results.record", "hold a reference", list(results.record["methods"]))
    title = title_of(results, reference[0])
    figure = blank_figure(f"Nash welfare, % of {title}", "gain of the best misreport, % of utility", height=520)
    on_lines = {name for names in lines.values() for name in names}
    for caption, names in lines.items():
        figure.add_scatter(**_points(results, reference[0], names), name=caption, **_LINE)
    for name in results.record["methods"]:
        if name not in on_lines:
            marker = {"size": 11, "symbol": _SYMBOLS[role_of(results, name)], "color": method_colour(results, name)}
            figure.add_scatter(
                **_points(results, reference[0], [name]), name=title_of(results, name), mode="markers", marker=marker
            )
    figure.update_xaxes(rangemode="tozero")
    figure.update_layout(meta={"caption": _PARETO_CAPTION})
    return figure


def _points(results: Results, reference: str, names: Sequence[str]) -> dict[str, Any]:
    """Return the places of some methods, with the intervals over seeds."""
    methods = results.record["methods"]
    largest = np.array(methods[reference]["market"]["nash_welfare"]["seeds"])
    gains, kept = [], []
    for part in (methods[name] for name in names):
        each = [[number(v) for v in gap["seeds"]] for gap in part["agents"]["exploitability"].values()]
        gains.append(estimate(100 * np.mean(each, axis=0)))
        kept.append(estimate(100 * np.array(part["market"]["nash_welfare"]["seeds"]) / largest))
    return {
        "x": [e.mean for e in gains],
        "y": [e.mean for e in kept],
        "error_x": error_bars(gains),
        "error_y": error_bars(kept),
        "text": [title_of(results, name) for name in names],
        "cliponaxis": False,
        "hovertemplate": "%{text}: %{y:.1f} % kept, misreports gain %{x:.1f} %<extra></extra>",
    }
