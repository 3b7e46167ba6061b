"""Learning curves: what contestants that learn reach at each checkpoint, over the seeds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from walras.core.checks import require
from walras.scenarios.engine.results import Results
from walras.scenarios.engine.scenario import Chart
from walras.scenarios.report.charts import Plot, agent_colour, band, blank_figure, label, learners, number

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

DASHES = ("solid", "dot", "dashdot", "dash", "longdash")
_BANDS = "Lines are interquartile means over the seeds, bands their 95 % confidence intervals"
_GAP_CAPTION = (
    f"{_BANDS}; at zero, no agent could gain by deviating alone. Grey lines are the contestants that do not learn, on"
    " average over agents."
)
_REWARD_CAPTION = f"{_BANDS}. Dashed: each agent's profit in equilibrium; choose an agent in the legend to hide it."


def gap_curve(results: Results) -> "Figure":
    """Draw what an agent would gain by its best deviation, as a share of its reward, against experience.

    Raises
    ------
    ValueError
        If the summary has no learning curve.
    """
    figure = blank_figure("gain of deviating, % of profit", "steps of experience", height=440)
    _add_curves(figure, results, "relative_gap", scale=100.0)
    levels = {name: _level(part) for name, part in results.record["methods"].items() if not part["curve"]}
    _add_levels(figure, levels, lowest=_set_gap_axis(figure, list(levels.values())))
    figure.update_layout(meta={"caption": _GAP_CAPTION})
    return figure


def reward_curve(results: Results) -> "Figure":
    """Draw each agent's reward a step against experience, and its value in equilibrium.

    Raises
    ------
    ValueError
        If the summary has no learning curve.
    """
    figure = blank_figure("profit, EUR/h", "steps of experience", height=440)
    steps = _add_curves(figure, results, "reward", scale=1.0)
    equilibrium = results.record["equilibrium"]
    for agent, value in equilibrium.get("training_value", equilibrium["value"]).items():
        line = {"color": agent_colour(results, agent), "width": 1.4, "dash": "dash"}
        hover = f"{agent} in equilibrium: %{{y:,.4~g}} EUR/h<extra></extra>"
        ends: dict[str, Any] = {"x": [min(steps), max(steps)], "y": [value, value], "legendgroup": agent}
        figure.add_scatter(**ends, mode="lines", line=line, showlegend=False, hovertemplate=hover, name=agent)
    figure.update_layout(meta={"caption": _REWARD_CAPTION})
    return figure


def measure_curve(measure: str, axis: str, caption: str, horizontal: str = "steps of experience") -> Chart:
    """Return the chart of one of the scenario's `curve_measures` against experience.

    Parameters
    ----------
    measure : str
        Its name.
    axis : str
        Title of the vertical axis, with the unit.
    caption : str
        How to read it.
    horizontal : str
        What checkpoints count.
    """

    def chart(results: Results) -> "Figure":
        figure = blank_figure(axis, horizontal, height=440)
        _add_curves(figure, results, measure, scale=1.0)
        _set_gap_axis(figure, [])
        figure.update_layout(meta={"caption": f"{_BANDS}. {caption}"})
        return figure

    return chart


def _add_curves(figure: Plot, results: Results, measure: str, scale: float) -> list[int]:
    """Draw the curves of all learners; return the steps at which they were judged."""
    found, names = learners(results), list(results.record["methods"])
    require(len(found) > 0, "results.record", "hold the learning curve of a contestant", names)
    figure.update_layout(hovermode="x unified", xaxis_rangemode="tozero")
    for index, name in enumerate(found):
        for agent in results.record["agents"]:
            dash = DASHES[index % len(DASHES)]
            caption = agent if len(found) == 1 else f"{agent}, {label(name)}"
            figure.add_traces(_curve(results, name, agent, measure, scale, {"dash": dash, "caption": caption}))
    return [point["steps"] for name in found for point in results.record["methods"][name]["curve"]]


def _curve(results: Results, name: str, agent: str, measure: str, scale: float, style: Mapping[str, str]) -> list[Plot]:
    """Return the band and the line of one agent."""
    import plotly.graph_objects as go

    points = results.record["methods"][name]["curve"]
    steps = [point["steps"] for point in points]
    mean, low, high = (
        [scale * number(point[measure][agent][part]) for point in points] for part in ("mean", "low", "high")
    )
    colour = agent_colour(results, agent)
    line = go.Scatter(
        x=steps,
        y=mean,
        customdata=np.stack((low, high), axis=1).tolist(),
        name=style["caption"],
        legendgroup=agent,
        mode="lines+markers",
        line={"color": colour, "width": 2.2, "dash": style["dash"]},
        marker={"size": 6},
        hovertemplate="%{y:,.4~g} [%{customdata[0]:,.4~g}, %{customdata[1]:,.4~g}]",
    )
    return [*band({"x": steps}, low, high, colour, agent), line]


def _level(contestant: Mapping[str, Any]) -> float:
    """Return a contestant's gap on average over agents, % of profit."""
    return 100 * float(np.mean([number(gap["mean"]) for gap in contestant["agents"]["relative_gap"].values()]))


def _set_gap_axis(figure: Plot, levels: Sequence[float]) -> float:
    """Use a logarithmic axis if the curves are positive and span a decade; return the lowest value shown."""
    values = np.concatenate([np.asarray(line.y, dtype=float) for line in figure.data])
    low, high = values[np.isfinite(values)].min(initial=np.inf), values[np.isfinite(values)].max(initial=0)
    if not 0 < 10 * low <= high:
        figure.update_yaxes(rangemode="tozero")
        return 0.0
    near = [level for level in levels if np.isfinite(level) and level >= low / 100]
    bottom, top = np.log10(min([low, *near])) - 0.2, np.log10(max([high, *near])) + 0.1
    digits = (1, 2, 5) if top - bottom < 3 else (1,)
    ticks = [digit * 10.0**decade for decade in range(int(np.floor(bottom)), int(top) + 1) for digit in digits]
    figure.update_yaxes(type="log", tickvals=ticks, range=[bottom, top])
    return float(10**bottom)


def _add_levels(figure: Plot, levels: Mapping[str, float], lowest: float) -> None:
    """Draw a line for each contestant that does not learn; the legend tells what the axis cannot show."""
    steps = [x for line in figure.data for x in line.x]
    for index, (name, level) in enumerate(levels.items()):
        drawn = np.isfinite(level) and level >= lowest
        text = f"{label(name)}: {_percent(level)}"
        figure.add_scatter(
            x=[min(steps), max(steps)],
            y=[level, level] if drawn else [None, None],
            mode="lines",
            line={"color": "#777777", "width": 1.4, "dash": ("dash", "dot", "dashdot", "longdash")[index % 4]},
            name=text,
            hovertemplate=f"{text}<extra></extra>",
        )


def _percent(level: float) -> str:
    if not np.isfinite(level):
        return "no profit to compare with"
    return f"{level:.3g} %" if level >= 1e-3 or level == 0 else "under 0.001 %"
