"""Learning curves: what methods that learn reach at each checkpoint, over the seeds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from walras.core.checks import require, require_known
from walras.scenarios.engine.results import SO_FAR, Results
from walras.scenarios.engine.scenario import Chart
from walras.scenarios.report.charts import (
    LOGARITHMIC,
    Plot,
    agent_colour,
    band,
    blank_figure,
    title_of,
    with_curves,
)
from walras.scenarios.report.numbers import number, percent
from walras.scenarios.report.words import Words, named, objective_of, words_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

DASHES = ("solid", "dot", "dashdot", "dash", "longdash")
GAPS = ("gap", "relative_gap")
"""Measures that fall to zero where learning succeeds; a logarithmic axis shows how far they fell."""
_BANDS = "Lines are interquartile means over the seeds, bands their 95 % confidence intervals."


def gap_curve(results: Results) -> "Figure":
    """Draw the relative gap of each agent against environment steps.

    Raises
    ------
    ValueError
        If the record has no learning curve.
    """
    objective = objective_of(results)
    figure = _curves(results, "relative_gap", "steps")
    levels = {name: _level(part) for name, part in results.record["methods"].items() if not part["curve"]}
    _add_levels(figure, results, levels, lowest=_set_logarithmic(figure, list(levels.values())))
    meaning = f"The {objective.gap} is {objective.meaning}; lines show what deviations gain that were found."
    others = "Grey lines are the methods that do not learn, on average over agents." if levels else ""
    figure.update_layout(meta={"caption": f"{_BANDS} {meaning} {others}".strip()})
    return figure


def reward_curve(results: Results) -> "Figure":
    """Draw each agent's reward a step against environment steps, and its value in the known solution.

    Raises
    ------
    ValueError
        If the record has no learning curve.
    """
    objective, equilibrium = objective_of(results), results.record["equilibrium"]
    figure = _curves(results, "reward", "steps")
    steps = [x for line in figure.data for x in line.x]
    for agent, value in equilibrium.get("training_value", equilibrium["value"]).items():
        line = {"color": agent_colour(results, agent), "width": 1.4, "dash": "dash"}
        hover = f"{agent}, solution: %{{y:,.4~g}} {objective.unit}<extra></extra>"
        ends: dict[str, Any] = {"x": [min(steps), max(steps)], "y": [value, value], "legendgroup": agent}
        figure.add_scatter(**ends, mode="lines", line=line, showlegend=False, hovertemplate=hover, name=agent)
    concept = named(equilibrium["concept"])
    dashed = f"Dashed: each agent's {objective.reward} in the known solution ({concept}); the legend hides agents."
    figure.update_layout(meta={"caption": f"{_BANDS} {dashed}"})
    return figure


def measure_curve(measure: str, caption: str, horizontal: str = "steps") -> Chart:
    """Return the chart of a measure of each checkpoint.

    Parameters
    ----------
    measure : str
        One of the scenario's `curve_measures`, ``reward`` or ``relative_gap``.
    caption : str
        How to read it.
    horizontal : str
        What to draw it against: ``steps`` of the environment or ``updates``.

    Raises
    ------
    ValueError
        If `horizontal` is neither; when drawn, if the record has no learning curve.
    """
    require_known(horizontal, "horizontal", SO_FAR)

    def chart(results: Results) -> "Figure":
        figure = _curves(results, measure, horizontal)
        if measure in GAPS or words_of(results, measure).scale == "log":
            _set_logarithmic(figure, [])
        figure.update_layout(meta={"caption": f"{_BANDS} {caption}"})
        return figure

    return chart


def _curves(results: Results, measure: str, horizontal: str) -> Plot:
    """Return a figure with the curves of all methods that have one, and of all agents."""
    found, names = with_curves(results), list(results.record["methods"])
    require(len(found) > 0, "results.record", "hold the learning curve of a method", names)
    words = words_of(results, measure)
    figure = blank_figure(words.axis, "environment steps" if horizontal == "steps" else horizontal, height=440)
    figure.update_layout(hovermode="x unified", xaxis_rangemode="tozero")
    for index, name in enumerate(found):
        points = results.record["methods"][name]["curve"]
        for agent in results.record["agents"]:
            caption = agent if len(found) == 1 else f"{agent}, {title_of(results, name)}"
            style = {"dash": DASHES[index % len(DASHES)], "caption": caption, "colour": agent_colour(results, agent)}
            estimates = [point[measure][agent] for point in points]
            figure.add_traces(_curve([point[horizontal] for point in points], estimates, words, agent, style))
    return figure


def _curve(
    at: Sequence[int],
    estimates: Sequence[Mapping[str, float | None]],
    words: Words,
    agent: str,
    style: Mapping[str, str],
) -> list[Plot]:
    """Return the band and the line of one agent."""
    import plotly.graph_objects as go

    mean, low, high = ([words.factor * number(each[part]) for each in estimates] for part in ("mean", "low", "high"))
    line = go.Scatter(
        x=list(at),
        y=mean,
        customdata=np.stack((low, high), axis=1).tolist(),
        name=style["caption"],
        legendgroup=agent,
        mode="lines+markers",
        line={"color": style["colour"], "width": 2.2, "dash": style["dash"]},
        marker={"size": 6},
        hovertemplate="%{y:,.4~g} [%{customdata[0]:,.4~g}, %{customdata[1]:,.4~g}]",
    )
    return [*band({"x": list(at)}, low, high, style["colour"], agent), line]


def _level(method: Mapping[str, Any]) -> float:
    """Return a method's relative gap on average over agents, per cent."""
    return 100 * float(np.mean([number(gap["mean"]) for gap in method["agents"]["relative_gap"].values()]))


def _set_logarithmic(figure: Plot, levels: Sequence[float]) -> float:
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
    figure.update_yaxes(**LOGARITHMIC, tickvals=ticks, range=[bottom, top])
    return float(10**bottom)


def _add_levels(figure: Plot, results: Results, levels: Mapping[str, float], lowest: float) -> None:
    """Draw a line for each method that does not learn; the legend tells what the axis cannot show."""
    steps = [x for line in figure.data for x in line.x]
    for index, (name, level) in enumerate(levels.items()):
        drawn = np.isfinite(level) and level >= lowest
        text = f"{title_of(results, name)}: {percent(level) if np.isfinite(level) else 'no share of nothing'}"
        figure.add_scatter(
            x=[min(steps), max(steps)],
            y=[level, level] if drawn else [None, None],
            mode="lines",
            line={"color": "#777777", "width": 1.4, "dash": ("dash", "dot", "dashdot", "longdash")[index % 4]},
            name=text,
            hovertemplate=f"{text}<extra></extra>",
        )
