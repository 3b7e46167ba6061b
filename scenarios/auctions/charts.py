"""Charts of auctions: bids beside the equilibrium with the gain that each type forgoes, revenue, and efficiency."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from walras.agents.files import trained_at
from walras.core.policy import Policy
from walras.core.typing import Floats
from walras.envs.auctions.llg_auction import LLGAuction
from walras.equilibria.auctions.gap import bid_functions, interim_gap
from walras.equilibria.auctions.interim import InterimGap
from walras.equilibria.auctions.llg import PRIORS, llg_interim_gap
from walras.scenarios.engine.results import Results
from walras.scenarios.report.charts import INK, Plot, agent_colour, band, blank_figure, layout, method_colour, title_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Level: TypeAlias = Callable[[], float]
"""What a level is computed by, when it is drawn."""
LEARNED = "learned"
"""The method whose bids are drawn."""
CELLS = 16_384
"""Cells of types by which gains are bounded for the chart; the gap in the tables takes more."""
_BIDS_CAPTION = (
    "Above: bids that were learned against the own type, the median over the seeds with a band from the lowest to the"
    " highest; dashed, the equilibrium. Below: what a type would gain by its best bid against what the others learned,"
    " at least, the mean over the seeds."
)


def bids_chart(game: Callable[[], Any], equilibrium: Callable[[], Policy]) -> Callable[[Results], "Figure"]:
    """Return the chart of bids, given what makes the auction and its equilibrium."""

    def draw(results: Results) -> "Figure":
        return _bids(game(), equilibrium(), results)

    return draw


def levels_chart(measure: str, levels: Mapping[str, Level]) -> Callable[[Results], "Figure"]:
    """Return the chart of a measure of the market for all methods, beside levels that theory tells, by title."""

    def draw(results: Results) -> "Figure":
        words = results.record["measures"][measure]
        figure = blank_figure(f"{words['title']}, {words['unit']}".rstrip(", "), "", height=420)
        for name, part in results.record["methods"].items():
            found = part["market"][measure]
            low, high = (found["mean"] if found[end] is None else found[end] for end in ("low", "high"))  # of one seed
            ends = {"symmetric": False, "array": [high - found["mean"]], "arrayminus": [found["mean"] - low]}
            figure.add_bar(
                x=[title_of(results, name)], y=[found["mean"]], marker_color=method_colour(results, name),
                error_y=ends, showlegend=False,
                hovertemplate="%{y:.4f}<extra></extra>",
            )  # fmt: skip
        titles = [title_of(results, name) for name in results.record["methods"]]
        for k, (title, level) in enumerate(levels.items()):
            line = {"color": INK, "width": 1.4, "dash": ("dash", "dot", "dashdot")[k % 3]}
            figure.add_scatter(x=titles, y=[level()] * len(titles), mode="lines", line=line, name=title)
        if words["scale"] == "share":
            figure.update_yaxes(tickformat=".0%", rangemode="tozero")
        told = "Bars are interquartile means over the seeds with 95 % confidence intervals."
        figure.update_layout(meta={"caption": f"{told} Lines are what theory tells." if levels else told})
        return figure

    return draw


def _bids(game: Any, equilibrium: Policy, results: Results) -> "Figure":  # noqa: ANN401 - any auction
    from plotly.subplots import make_subplots

    figure: Plot = make_subplots(2, 1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.65, 0.35])
    learned = _learned(results)
    gaps = [_judged(game, policy) for policy in learned]
    for who in _shown(game, learned):
        types = _types(game, who)
        bids = np.array([_bid(game, policy, who, types) for policy in learned])
        agent = game.agents[who]
        colour, line = agent_colour(results, agent), {"width": 2.2}
        for trace in band({"x": types.tolist()}, bids.min(axis=0), bids.max(axis=0), colour, agent):
            figure.add_trace(trace, 1, 1)
        middle = {"mode": "lines", "name": agent, "legendgroup": agent, "line": line | {"color": colour}}
        figure.add_scatter(x=types, y=np.median(bids, axis=0), **middle, row=1, col=1)
        known = {"mode": "lines", "name": f"{agent}, equilibrium", "line": {"color": colour, "dash": "dash"}}
        figure.add_scatter(x=types, y=_bid(game, equilibrium, who, types), **known, row=1, col=1)
        if all(gap is not None for gap in gaps):
            found = [gap for gap in gaps if gap is not None]
            gain = np.mean([np.maximum(gap.interim[who] - gap.earned[who], 0.0) for gap in found], axis=0)
            below = {"mode": "lines", "showlegend": False, "legendgroup": agent, "line": {"color": colour}}
            figure.add_scatter(x=found[0].types[who], y=gain, name=agent, **below, row=2, col=1)
    figure.update_layout(layout(height=620), meta={"caption": _BIDS_CAPTION})
    figure.update_xaxes(title_text="type, money", row=2, col=1)
    figure.update_yaxes(title_text="bid, money", row=1, col=1)
    figure.update_yaxes(title_text="gain forgone, money", rangemode="tozero", row=2, col=1)
    return figure


def _learned(results: Results) -> list[Policy]:
    """Return what was learned, one for each seed.

    Raises
    ------
    FileNotFoundError
        If the run's cells are gone.
    """
    found = list[Policy]()
    for seed in range(results.record["seeds"]):
        kept = sorted((results.folder / "cells" / f"{LEARNED}-{seed}").glob("checkpoint-*"))
        if not kept:
            raise FileNotFoundError(f"`results` must come with the cells of {LEARNED}; {results.folder} has none.")
        found.append(trained_at(kept[-1]))
    return found


def _judged(game: Any, policy: Policy) -> InterimGap | None:  # noqa: ANN401 - any auction
    """Return what types gain, or nothing where that is not certified."""
    if not isinstance(game, LLGAuction):
        return interim_gap(game, policy, CELLS)
    read = bid_functions(game, policy, CELLS, PRIORS)
    return None if read is None else llg_interim_gap(game, read, CELLS)


def _shown(game: Any, learned: list[Policy]) -> list[int]:  # noqa: ANN401 - any auction
    """Return the bidders to draw: a global one that cannot choose is left out."""
    cannot = isinstance(game, LLGAuction) and not game.global_bids
    return list(range(len(game.agents) - cannot))


def _types(game: Any, who: int) -> Floats:  # noqa: ANN401 - any auction
    high = PRIORS[who].high if isinstance(game, LLGAuction) else float(game.observation_space.high[0])
    return np.linspace(float(game.observation_space.low[0]), high, 201)


def _bid(game: Any, policy: Policy, who: int, types: Floats) -> Floats:  # noqa: ANN401 - any auction
    """Return the bids of a bidder at types."""
    from walras.equilibria.auctions.bid_functions import seen

    space = game.action_space
    action = policy.act(seen(game, [types] * len(game.agents)), np.random.default_rng(0))
    return np.clip(action[:, who, 0], space.low[0], space.high[0])
