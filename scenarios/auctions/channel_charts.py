"""Charts of autobidding: value and spend of methods, what channels return for budgets, value for money over time."""

from typing import TYPE_CHECKING

import numpy as np

from walras.core.typing import Floats
from walras.envs.auctions.autobidding_market import AutobiddingMarket
from walras.equilibria.auctions.advertiser import fluid_optimum, sampled
from walras.markets.auctions.autobidding import frontier
from walras.scenarios.engine.results import Results
from walras.scenarios.report.charts import AGENT_COLOURS, INK, band, blank_figure, method_colour, title_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

PERIODS = 2_000
"""Periods over which a channel's return is averaged."""
BUDGETS = 61
"""Budgets of its curve."""
_VALUE_CAPTION = (
    "Each point is a method: mean value and spend a period over the seeds, bars from the lowest seed to the highest."
    " Below the dashed line the target is missed, right of the dotted one the budget. The star is the fluid optimum:"
    " channels that react to each auction and keep budget and target on average alone."
)
_FRONTIER_CAPTION = (
    "The value that a channel returns for a budget, on average over drawn periods, and the mean budgets of each method."
    " At the optimum both channels return the same for the last unit of money."
)
_RATIO_CAPTION = (
    "All value so far for all spend so far, on average over the seeds; bands go from the lowest seed to the highest."
    " The dashed line is the target."
)


def value_chart(game: AutobiddingMarket, results: Results) -> "Figure":
    """Draw value against spend of each method, beside target, budget and the fluid optimum."""
    figure = blank_figure("value a period", "spend a period", height=440)
    shown = list[tuple[Floats, Floats]]()
    fluid, most = fluid_optimum(game), 1.25 * game.budgets[0]  # type: ignore[index]
    lines = {"target": ([0.0, most], [0.0, game.targets[0] * most], "dash")}  # type: ignore[index]
    lines["budget"] = ([game.budgets[0]] * 2, [0.0, 1.3 * fluid.value], "dot")  # type: ignore[index]
    for name, (x, y, dash) in lines.items():
        figure.add_scatter(x=x, y=y, mode="lines", name=name, line={"color": INK, "width": 1.2, "dash": dash})
    for name in results.record["methods"]:
        value, spend = (_by_seed(results, name, part)[-1] / game.horizon for part in ("all_value", "all_spend"))
        shown.append((spend, value))
        figure.add_scatter(
            x=[float(spend.mean())],
            y=[float(value.mean())],
            mode="markers",
            name=title_of(results, name),
            marker={"size": 12, "color": method_colour(results, name), "line": {"color": "white", "width": 1}},
            error_x=_range(spend),
            error_y=_range(value),
            hovertemplate="spend %{x:.3f}, value %{y:.3f}",
        )
    star = {"size": 13, "symbol": "star", "color": INK}
    figure.add_scatter(
        x=[float(fluid.spend.sum())], y=[fluid.value], mode="markers", name="fluid optimum", marker=star,
        hovertemplate="spend %{x:.3f}, value %{y:.3f}",
    )  # fmt: skip
    spends, values = (np.concatenate(part) for part in zip(*shown, strict=True))
    figure.update_xaxes(range=[0.9 * spends.min(), 1.1 * max(spends.max(), fluid.spend.sum())])
    figure.update_yaxes(range=[0.95 * values.min(), 1.05 * max(values.max(), fluid.value)])
    figure.update_layout(meta={"caption": _VALUE_CAPTION})
    return figure


def frontier_chart(game: AutobiddingMarket, results: Results) -> "Figure":
    """Draw the mean return of each channel for each budget, and where methods stand."""
    figure = blank_figure("value a period", "budget of the channel a period", height=440)
    lots, grid = sampled(game, PERIODS, np.random.default_rng(0)), np.linspace(0.0, game.budgets[0], BUDGETS)  # type: ignore[index]
    returns = [frontier(lots.value[:, 0, j], lots.price[:, j], grid)[0].mean(axis=0) for j in range(game.channels)]
    for j, curve in enumerate(returns):
        line = {"color": AGENT_COLOURS[j % len(AGENT_COLOURS)], "width": 2}
        figure.add_scatter(x=grid.tolist(), y=curve.tolist(), mode="lines", name=f"channel {j}", line=line)
    for name in results.record["methods"]:
        if name == "targets":
            continue  # its levers are no budgets
        told = [float(_by_seed(results, name, f"lever_{j}").mean()) for j in range(game.channels)]
        at = [float(np.interp(b, grid, curve)) for b, curve in zip(told, returns, strict=True)]
        marker = {"size": 11, "color": method_colour(results, name), "line": {"color": "white", "width": 1}}
        figure.add_scatter(x=told, y=at, mode="markers", name=title_of(results, name), marker=marker)
    figure.update_layout(meta={"caption": _FRONTIER_CAPTION})
    return figure


def ratio_chart(game: AutobiddingMarket, results: Results) -> "Figure":
    """Draw value for money so far over the periods."""
    figure = blank_figure("value for a unit of money so far", "period", height=440)
    for name in results.record["methods"]:
        value, spend = (_by_seed(results, name, part) for part in ("all_value", "all_spend"))
        ratio = value / np.maximum(spend, np.finfo(np.float64).tiny)  # [T, seeds]
        x, colour = list(range(1, len(ratio) + 1)), method_colour(results, name)
        figure.add_traces(band({"x": x}, ratio.min(axis=1).tolist(), ratio.max(axis=1).tolist(), colour, name))
        figure.add_scatter(
            x=x, y=ratio.mean(axis=1).tolist(), mode="lines", name=title_of(results, name), legendgroup=name,
            line={"color": colour, "width": 2}, hovertemplate="%{y:.3f}",
        )  # fmt: skip
    target = game.targets[0]  # type: ignore[index]
    line = {"color": INK, "width": 1.2, "dash": "dash"}
    figure.add_scatter(x=[1, game.horizon], y=[target, target], mode="lines", name="target", line=line)
    figure.update_layout(hovermode="x unified", meta={"caption": _RATIO_CAPTION})
    figure.update_yaxes(range=[0.6 * target, 1.6 * target] if target > 0 else None)
    return figure


def _by_seed(results: Results, name: str, column: str) -> Floats:
    """Return a column by step and seed, ``[T, seeds]``, of the first advertiser."""
    steps = results.steps
    rows = steps[(steps["method"] == name) & (steps["agent"] == results.record["agents"][0])]
    return rows.pivot(index="step", columns="seed", values=column).to_numpy()


def _range(values: Floats) -> dict[str, object]:
    """Return error bars from the lowest to the highest value."""
    mean = float(values.mean())
    ends = {"array": [float(values.max()) - mean], "arrayminus": [mean - float(values.min())]}
    return {"type": "data", "symmetric": False, "thickness": 1, "width": 3, **ends}
