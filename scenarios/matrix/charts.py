"""Charts of repeated pricing: what follows a price cut, what a best response does, and how much deviations gain."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from walras.agents.files import trained_at
from walras.agents.matrix.q_pairs import TrainedPairs
from walras.core.typing import Floats, Ints
from walras.envs.matrix.repeated_pricing import RepeatedPricing
from walras.equilibria.matrix.memory_paths import price_of, response_path
from walras.scenarios.engine.results import Results
from walras.scenarios.report.charts import INK, Plot, agent_colour, band, blank_figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

LEARNED = "learned"
"""The method whose sessions are drawn."""
PERIODS = 15
"""Periods that are drawn after a deviation."""
SMALLEST = 1e-4
"""Per cent at which the axis of gains begins: a gain of nothing stands there."""
_QUARTILES = "Lines are medians over the sessions, bands the quartiles."
_MEANS = "Lines are means over the sessions, bands the quartiles."
_LEVELS = "Dashed: static Nash equilibrium and joint monopoly, on the continuum."


def sessions_of(results: Results) -> list[TrainedPairs]:
    """Return what Q-learners learned, one for each seed.

    Raises
    ------
    FileNotFoundError
        If the run's cells are gone.
    """
    found = list[TrainedPairs]()
    for trained in learned_of(results, LEARNED):
        assert isinstance(trained, TrainedPairs)
        found.append(trained)
    return found


def learned_of(results: Results, method: str) -> list[Any]:
    """Return what a method learned, one for each seed.

    Raises
    ------
    FileNotFoundError
        If the run's cells are gone.
    """
    found = list[Any]()
    for seed in range(results.record["seeds"]):
        kept = sorted((results.folder / "cells" / f"{method}-{seed}").glob("checkpoint-*"))
        if not kept:
            raise FileNotFoundError(f"`results` must come with the cells of {method}; {results.folder} has none.")
        found.append(trained_at(kept[-1]))
    return found


def impulse_chart(game: RepeatedPricing, results: Results) -> "Figure":
    """Draw the prices after one firm was made to undercut for a period, as the summary has them."""
    agents, paths = results.record["agents"], results.record["methods"][LEARNED]["paths"]
    firm, lines = agents[0], {agents[0]: "cut_own", "the others": "cut_others"}
    figure = blank_figure("price", "period", height=440)
    for agent, (title, measure) in zip(agents, lines.items(), strict=False):
        middle, low, high = (
            [row[firm]["mean"] for row in paths[f"{measure}{end}"]] for end in ("", "_lower", "_upper")
        )
        _add_price(figure, range(len(middle)), agent_colour(results, agent), (low, middle, high), title)
    _add_levels(figure, game, range(len(paths["cut_own"])))
    figure.update_layout(meta={"caption": f"{cut_sentences(results)} {_MEANS} {_LEVELS}"})
    return figure


def cut_sentences(results: Results) -> str:
    """Return what the summary tells of a cut of one period by the first firm."""
    firm, measured = results.record["agents"][0], results.record["methods"][LEARNED]["agents"]
    gain, loses, back = (100 * measured[name][firm]["mean"] for name in ("cut_gain", "cut_loses", "cut_returns"))
    verb, count = "gains" if gain > 0 else "loses", results.record["seeds"]
    return (
        f"In period 1 {firm} is made to take the price that is best for one period; from period 2 on all follow what"
        f" they learned. The cut {verb} {abs(gain):.2g} % of the value of going on and is unprofitable in {loses:.0f} %"
        f" of the sessions; in {back:.0f} % prices come back. These are interquartile means over {count}"
        f" {'seed' if count == 1 else 'seeds'}."
    )


def response_chart(results: Results) -> "Figure":
    """Draw the prices if one firm plays its best response to what the other learned, over all sessions.

    Raises
    ------
    FileNotFoundError
        If the run's cells are gone.
    """
    found = sessions_of(results)
    game, start = _joined(found)
    paths = [response_path(each.game, each.policies, each.responses, firm=0, periods=PERIODS) for each in found]
    before = price_of(game, game.state_of(start).last[:, :1])
    price = np.concatenate([before, np.concatenate(paths)], axis=1)
    figure = _price_figure(results, game, price, range(PERIODS + 1))
    gained = np.concatenate([each.responses.path_share[:, 0] for each in found])
    told = (
        "Period 0 is the last on the learned cycle; from period 1 on firm_0 plays its best response for ever and the"
        f" others what they learned. It gains up to {100 * gained.mean():.3g} % of value on average over the sessions."
    )
    figure.update_layout(meta={"caption": f"{told} {_QUARTILES} {_LEVELS}"})
    return figure


def gains_chart(results: Results) -> "Figure":
    """Draw in which share of sessions no firm gains more than so much, by three tests.

    Raises
    ------
    FileNotFoundError
        If the run's cells are gone.
    """
    responses = [each.responses for each in sessions_of(results)]
    tests = {
        "one other price, then back": ("one_shot_share", "#7B5EA7"),
        "best response, on the path": ("path_share", "#D55E00"),
        "best response, after any past": ("subgame_share", "#0072B2"),
    }
    figure = blank_figure("sessions in which no firm gains more, %", "largest gain of a firm, % of value", height=440)
    for title, (name, colour) in tests.items():
        gains = np.sort(np.concatenate([100 * getattr(each, name).max(axis=1) for each in responses]))
        below = 100 * np.arange(1, len(gains) + 1) / len(gains)
        x, y = [SMALLEST, *np.maximum(gains, SMALLEST).tolist()], [0.0, *below.tolist()]
        line = {"color": colour, "width": 2.2, "shape": "hv"}
        figure.add_scatter(
            x=x, y=y, mode="lines", line=line, name=title, hovertemplate="%{y:.0f} % of sessions: up to %{x:.3g} %"
        )
    figure.update_xaxes(type="log", exponentformat="power")
    figure.update_yaxes(range=[0, 102])
    caption = (
        f"A gain of nothing stands at {SMALLEST:g} %: what a line has there are the sessions that pass the test. The"
        " first test is the one of the literature; an equilibrium must pass the second."
    )
    figure.update_layout(meta={"caption": caption})
    return figure


def _joined(found: Sequence[TrainedPairs]) -> tuple[RepeatedPricing, Ints]:
    """Return the market, and a past on the cycle of each session, ``[K]``."""
    return found[0].game, np.array([pasts[0] for each in found for pasts in each.cycle])


def _price_figure(results: Results, game: RepeatedPricing, price: Floats, periods: range) -> Plot:
    """Return a figure of the quartiles of ``price [K, T, N]``, beside the two equilibria on the continuum."""
    figure = blank_figure("price", "period", height=440)
    for i, agent in enumerate(game.agents):
        quartiles = np.quantile(price[:, :, i], [0.25, 0.5, 0.75], axis=0).tolist()
        _add_price(figure, periods, agent_colour(results, agent), quartiles, agent)
    _add_levels(figure, game, periods)
    return figure


def _add_price(figure: Plot, periods: range, colour: str, quartiles: Sequence[Sequence[float]], title: str) -> None:
    """Add the lower end of a band, a line in it, and its upper end."""
    low, middle, high = quartiles
    figure.add_traces(band({"x": list(periods)}, low, high, colour, title))
    line = {"color": colour, "width": 2.2}
    figure.add_scatter(
        x=list(periods), y=middle, mode="lines+markers", name=title, legendgroup=title, line=line,
        hovertemplate="%{y:.4f}",
    )  # fmt: skip


def _add_levels(figure: Plot, game: RepeatedPricing, periods: range) -> None:
    """Add the prices of the two equilibria on the continuum."""
    for level, name in ((game.static_nash[0], "static Nash"), (game.monopoly[0], "joint monopoly")):
        line = {"color": INK, "width": 1.2, "dash": "dash" if name == "static Nash" else "dot"}
        figure.add_scatter(
            x=[periods[0], periods[-1]], y=[level, level], mode="lines", name=name, line=line, hovertemplate="%{y:.4f}"
        )
    figure.update_layout(hovermode="x unified")
