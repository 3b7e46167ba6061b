"""The chart of mechanisms: Nash welfare kept against what misreports gain."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from walras.core.checks import require
from walras.scenarios.engine.results import Results
from walras.scenarios.engine.statistics import estimate
from walras.scenarios.report.charts import blank_figure, error_bars, label, number

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_PARETO_CAPTION = (
    "Up and to the left is better. Interquartile means over the seeds, with 95 % bootstrap intervals; a seed has"
    " its own profiles, the same for all mechanisms. The gain is a lower bound: what a search over misreports attains."
)
_FAMILY_STYLES: tuple[dict[str, Any], ...] = (
    {
        "mode": "lines+markers+text",
        "line": {"color": "#777777", "width": 1.6},
        "marker": {"size": 7},
        "textposition": "bottom right",
    },
    {
        "mode": "markers+text",
        "marker": {"size": 11, "symbol": "diamond", "color": "#D55E00"},
        "textposition": "bottom left",
    },
    {"mode": "markers+text", "marker": {"size": 9, "color": "#0072B2"}, "textposition": "middle right"},
)


def pareto(results: Results) -> "Figure":
    """Draw what each mechanism keeps of the largest Nash welfare against what misreports gain under it.

    Raises
    ------
    ValueError
        If the summary does not hold proportional fairness, which is the measure.
    """
    contestants = results.record["methods"]
    require("proportional_fairness" in contestants, "results.record", "hold proportional_fairness", list(contestants))
    figure = blank_figure(
        "Nash welfare, % of proportional fairness", "gain of the best misreport, % of utility", height=520
    )
    families = {"surcharge": "constant surcharge", "_Net_": "learned", "": "made by hand"}
    left = dict(contestants)
    for (key, caption), style in zip(families.items(), _FAMILY_STYLES, strict=True):
        names = [name for name in left if key in name]
        if names:
            figure.add_scatter(**_points(results, names), name=caption, **style)
        left = {name: part for name, part in left.items() if name not in names}
    figure.update_xaxes(rangemode="tozero")
    figure.update_layout(meta={"caption": _PARETO_CAPTION})
    return figure


def _points(results: Results, names: Sequence[str]) -> dict[str, Any]:
    """Return the places of some contestants, with the intervals over seeds."""
    contestants = results.record["methods"]
    largest = np.array(contestants["proportional_fairness"]["market"]["nash_welfare"]["seeds"])
    gains, kept = [], []
    for part in (contestants[name] for name in names):
        each = [[number(v) for v in gap["seeds"]] for gap in part["agents"]["relative_gap"].values()]
        gains.append(estimate(100 * np.mean(each, axis=0)))
        kept.append(estimate(100 * np.array(part["market"]["nash_welfare"]["seeds"]) / largest))
    return {
        "x": [e.mean for e in gains],
        "y": [e.mean for e in kept],
        "error_x": error_bars(gains),
        "error_y": error_bars(kept),
        "text": [label(name) for name in names],
        "cliponaxis": False,
        "hovertemplate": "%{text}: %{y:.1f} % kept, misreports gain %{x:.1f} %<extra></extra>",
    }
