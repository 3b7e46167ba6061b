"""Charts of price discovery: moves of the best-response dynamic until it ends, against size, sparsity and tick.

Markets have buyers and sellers of one unit, with values and costs drawn up to 100, and first offers likewise. They are
drawn anew at each point, and played when the chart is drawn.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from walras.equilibria.trading.best_response_dynamic import best_response_dynamic
from walras.equilibria.trading.competitive import welfare_gap
from walras.markets.trading.generators import HIGH, bipartite
from walras.scenarios.engine.results import Results
from walras.scenarios.engine.statistics import estimate
from walras.scenarios.report.charts import AGENT_COLOURS, LOGARITHMIC, Plot, blank_figure, error_bars

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SIDES = (5, 10, 20, 40)  # sellers, and as many buyers
DENSITIES = (0.1, 0.2, 0.35, 0.6, 1.0)
TICKS = (8.0, 4.0, 2.0, 1.0, 0.5, 0.25)  # money
_INTERVALS = "Interquartile means over {runs} markets, with 95 % bootstrap intervals; all ended."


class Discovery(NamedTuple):
    """How the dynamic did in one market."""

    trades: int
    moves: int
    lost: float  # share of the gains from trade


Runs: TypeAlias = Sequence[Discovery]
Line: TypeAlias = Sequence[tuple[float, Runs]]
"""Where each point lies, and the markets that were played there."""


def size_chart(runs: int, results: Results) -> "Figure":
    """Draw moves against trades, for full and for sparse markets."""
    lines: dict[str, Line] = {}
    for density in (0.25, 1.0):
        found = [_runs(runs, sides, density, 1.0) for sides in SIDES]
        lines[f"{density:.0%} of pairs trade"] = [
            (float(np.mean([run.trades for run in each])), each) for each in found
        ]
    return _chart("trades", lines, "A tick of 1.")


def sparsity_chart(runs: int, results: Results) -> "Figure":
    """Draw moves against the share of pairs that trade."""
    line = [(density, _runs(runs, 20, density, 1.0)) for density in DENSITIES]
    return _chart("share of pairs that trade", {"20 sellers, 20 buyers": line}, "A tick of 1.")


def tick_chart(runs: int, results: Results) -> "Figure":
    """Draw moves against the tick."""
    line = [(tick, _runs(runs, 10, 1.0, tick)) for tick in TICKS]
    remark = "The finer the tick, the longer the walk."
    return _chart("tick, money", {"10 sellers, 10 buyers, all pairs": line}, remark)


def _runs(runs: int, sides: int, density: float, tick: float) -> Runs:
    """Play the dynamic once in each of some markets."""
    rng = np.random.default_rng([sides, round(1000 * density), round(1000 * tick)])
    return [_run(sides, density, tick, rng) for _ in range(runs)]


def _run(sides: int, density: float, tick: float, rng: np.random.Generator) -> Discovery:
    network = bipartite(sides, sides, rng, density)
    trades = len(network.trades)
    bids, asks = tick * rng.integers(0, round(HIGH / tick), (2, trades), endpoint=True)
    end = best_response_dynamic(network, (bids, asks), rng=rng, tick=tick, max_steps=10_000_000)
    assert end.converged
    lost, realised = float(welfare_gap(network, end.trades)), float(network.welfare(end.trades))
    return Discovery(trades, int(end.steps), lost / max(lost + realised, 1e-12))


def _chart(axis: str, lines: Mapping[str, Line], remark: str) -> "Figure":
    figure = blank_figure("moves until all are satisfied", axis, height=440)
    for colour, (name, line) in zip(AGENT_COLOURS, lines.items(), strict=False):
        figure.add_trace(_moves(name, line, colour))
    figure.update_xaxes(**LOGARITHMIC)
    figure.update_yaxes(**LOGARITHMIC)
    found = [each for line in lines.values() for _, each in line]
    worst = 100 * max(run.lost for each in found for run in each)
    caption = (
        f"{_INTERVALS.format(runs=len(found[0]))} {remark} At worst {worst:.2g} % of the gains from trade were lost."
    )
    figure.update_layout(meta={"caption": caption})
    return figure


def _moves(name: str, line: Line, colour: str) -> Plot:
    import plotly.graph_objects as go

    moves = [estimate(np.array([float(run.moves) for run in each])) for _, each in line]
    return go.Scatter(
        x=[x for x, _ in line],
        y=[e.mean for e in moves],
        error_y=error_bars(moves),
        customdata=[float(np.mean([run.moves / run.trades for run in each])) for _, each in line],
        mode="lines+markers",
        name=name,
        line={"color": colour, "width": 2},
        hovertemplate="%{y:,.0f} moves, %{customdata:.1f} a trade",
    )
