"""Charts of repeated pricing: what follows a price cut, what a best response does, and how much deviations gain."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from walras.agents.files import trained_at
from walras.agents.matrix.q_pairs import TrainedPairs
from walras.core.typing import Floats, Ints
from walras.envs.matrix.repeated_pricing import RepeatedPricing
from walras.equilibria.matrix.memory_paths import impulse_response, price_of, response_path
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


def impulse_chart(results: Results) -> "Figure":
    """Draw the prices after one firm was made to undercut for a period, over all sessions.

    Raises
    ------
    FileNotFoundError
        If the run's cells are gone.
    """
    found = sessions_of(results)
    game, policies, start = _joined(found)
    forced = impulse_response(game, policies, start, periods=PERIODS)
    figure = _price_figure(results, game, forced.price, range(PERIODS + 1))
    told = (
        "In period 1 firm_0 is made to take the price that is best for one period; from period 2 on all follow what"
        f" they learned. The deviation loses {-100 * forced.share.mean():.2g} % of value on average and is unprofitable"
        f" in {100 * (forced.share < 0).mean():.0f} % of {len(start)} sessions;"
        f" {100 * forced.returned.mean():.0f} % come back to their cycle."
    )
    figure.update_layout(meta={"caption": f"{told} {_QUARTILES} {_LEVELS}"})
    return figure


def response_chart(results: Results) -> "Figure":
    """Draw the prices if one firm plays its best response to what the other learned, over all sessions.

    Raises
    ------
    FileNotFoundError
        If the run's cells are gone.
    """
    found = sessions_of(results)
    game, _, start = _joined(found)
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


def _joined(found: Sequence[TrainedPairs]) -> tuple[RepeatedPricing, Ints, Ints]:
    """Return the market, and all sessions' policies ``[K, N, S]`` and states on their cycles ``[K]``."""
    starts = np.array([pasts[0] for each in found for pasts in each.cycle])
    return found[0].game, np.concatenate([each.policies for each in found]), starts


def _price_figure(results: Results, game: RepeatedPricing, price: Floats, periods: range) -> Plot:
    """Return a figure of the quartiles of ``price [K, T, N]``, beside the two equilibria on the continuum."""
    figure, x = blank_figure("price", "period", height=440), list(periods)
    for i, agent in enumerate(game.agents):
        low, middle, high = np.quantile(price[:, :, i], [0.25, 0.5, 0.75], axis=0).tolist()
        colour = agent_colour(results, agent)
        figure.add_traces(band({"x": x}, low, high, colour, agent))
        line = {"color": colour, "width": 2.2}
        figure.add_scatter(
            x=x, y=middle, mode="lines+markers", name=agent, legendgroup=agent, line=line, hovertemplate="%{y:.4f}"
        )
    for level, name in ((game.static_nash[0], "static Nash"), (game.monopoly[0], "joint monopoly")):
        line = {"color": INK, "width": 1.2, "dash": "dash" if name == "static Nash" else "dot"}
        figure.add_scatter(
            x=[x[0], x[-1]], y=[level, level], mode="lines", name=name, line=line, hovertemplate="%{y:.4f}"
        )
    figure.update_layout(hovermode="x unified")
    return figure
