"""Charts of trading networks: what is struck at which prices, offers on their way, the distance from equilibrium."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from walras.core.typing import Floats, Ints
from walras.envs import TradingNetworkGame
from walras.equilibria.trading.competitive import competitive_equilibrium, price_lattice, regret, welfare_gap
from walras.scenarios.engine.results import Results
from walras.scenarios.report.charts import (
    AGENT_COLOURS,
    INK,
    VERMILION,
    Plot,
    add_menu,
    band,
    blank_figure,
    method_colour,
    role_of,
    title_of,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST_TRADES = 12
"""Trades whose bids and asks the reader can choose from."""
MOST_POINTS = 200
"""Steps at which the distance from equilibrium is computed."""
SIDES = {"sells": "#009E73", "buys and sells": "#555555", "buys": "#0072B2"}
_MARKET_CAPTION = (
    "Seed 0 at the close; choose who trades. Thick lines are trades struck, with their prices: dark ones lie in the"
    " interval of equilibrium prices, orange ones outside. Thin lines are trades that were not struck."
)
_PRICE_CAPTION = (
    "Bid and ask of one trade, seed 0, step by step; choose the trade. The band is the interval of its equilibrium"
    " prices. Where bid and ask meet at the end, the trade is struck, if both sides still want it."
)
_GAP_CAPTION = (
    "The sum of the agents' regrets if the market closed at this step, as a share of the gains from trade: mean over"
    " the seeds, and the band from the lowest to the highest. At zero, trades and prices are a competitive equilibrium."
)


def market_chart(game: TradingNetworkGame, results: Results) -> "Figure":
    """Draw the network with the trades struck and their prices at the close, for a chosen method."""
    figure = blank_figure("", "", height=620)
    place = _layout(game)
    names = list(results.record["methods"])
    figure.add_traces(_agents(game, place))
    for name in names:
        figure.add_traces(_trades(game, place, recorded_offers(game, results, name, 0)[-1]))
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.update_layout(meta={"caption": _MARKET_CAPTION})
    add_menu(figure, [title_of(results, name) for name in names], each=4, y=1.02)
    return figure


def price_chart(game: TradingNetworkGame, results: Results) -> "Figure":
    """Draw bid and ask of a chosen trade step by step, inside the interval of equilibrium prices."""
    figure = blank_figure("money", "step", height=480)
    shown = [name for name in results.record["methods"] if role_of(results, name) != "reference"]
    chosen = _chosen_trades(game)
    least, greatest = _lattice(game)
    quotes = {name: game.quotes(recorded_offers(game, results, name, 0)) for name in shown}
    for trade in chosen:
        steps: dict[str, Any] = {"x": [0, len(quotes[shown[0]][0]) - 1]}
        low, high = ([float(end[trade])] * 2 for end in (least, greatest))
        figure.add_traces(band(steps, low, high, AGENT_COLOURS[2], "equilibrium prices"))
        for name in shown:
            colour = method_colour(results, name)
            bid, ask = (side[:, trade] for side in quotes[name])
            figure.add_trace(_quote(title_of(results, name), "bid", bid, colour, "solid"))
            figure.add_trace(_quote(title_of(results, name), "ask", ask, colour, "dot"))
    figure.update_layout(meta={"caption": _PRICE_CAPTION})
    add_menu(figure, [_title(game, trade) for trade in chosen], each=len(figure.data) // len(chosen), y=1.02)
    return figure


def gap_chart(game: TradingNetworkGame, results: Results) -> "Figure":
    """Draw the sum of the agents' regrets if the market closed at each step, as a share of the gains from trade."""
    figure = blank_figure("regret, % of the gains from trade", "step", height=440)
    gains = float(welfare_gap(game.network, np.zeros(len(game.network.trades), dtype=np.bool_)))
    for name in results.record["methods"]:
        each = [recorded_offers(game, results, name, seed) for seed in range(results.record["seeds"])]
        steps = np.unique(np.linspace(0, len(each[0]) - 1, MOST_POINTS).round().astype(int))
        regrets = np.stack([100 / gains * _regret(game, offers[steps]) for offers in each])
        colour = method_colour(results, name)
        figure.add_traces(band({"x": steps.tolist()}, *_ends(regrets), colour, title_of(results, name)))
        figure.add_traces([_line(title_of(results, name), regrets.mean(axis=0), colour, steps)])
    figure.update_layout(meta={"caption": _GAP_CAPTION}, hovermode="x unified")
    return figure


def recorded_offers(game: TradingNetworkGame, results: Results, method: str, seed: int) -> Floats:
    """Return the offers after each step of a run, ``[steps, N, D]`` money."""
    steps: Any = results.steps
    mine: pd.DataFrame = steps[(steps["method"] == method) & (steps["seed"] == seed)]
    agents, degree = game.mask.shape
    columns = ["offer"] if degree == 1 else [f"offer_{k}" for k in range(degree)]
    return mine[columns].to_numpy(dtype=np.float64).reshape(-1, agents, degree)


def _regret(game: TradingNetworkGame, offers: Floats) -> Floats:
    """Return the sum of the agents' regrets, ``[steps]`` money, if the market closed at offers ``[steps, N, D]``."""
    return regret(game.network, *game.outcome(offers)).sum(axis=-1)


def _ends(values: Floats) -> tuple[list[float], list[float]]:
    return values.min(axis=0).tolist(), values.max(axis=0).tolist()


def _lattice(game: TradingNetworkGame) -> tuple[Floats, Floats]:
    """Return the least and greatest equilibrium prices, ``[T]`` each, within the bounds of offers."""
    least, greatest = price_lattice(game.network)
    return np.clip(least, *game.bounds), np.clip(greatest, *game.bounds)


def _chosen_trades(game: TradingNetworkGame) -> list[int]:
    """Return trades of the equilibrium, and others if there are too few."""
    struck = competitive_equilibrium(game.network).trades
    return np.argsort(~struck, kind="stable")[:MOST_TRADES].tolist()


def _title(game: TradingNetworkGame, trade: int) -> str:
    seller, buyer = game.network.trades[trade]
    return f"{game.agents[seller]} > {game.agents[buyer]} (trade {trade})"


def _layout(game: TradingNetworkGame) -> Floats:
    """Return places of the agents, ``[N, 2]``: in layers if trade flows one way, else as springs pull them."""
    import networkx as nx

    graph = nx.DiGraph(game.network.trades)
    graph.add_nodes_from(range(len(game.agents)))
    if not nx.is_directed_acyclic_graph(graph):
        place = nx.spring_layout(graph.to_undirected(), seed=0)
        return np.array([place[agent] for agent in range(len(game.agents))])
    place = np.empty((len(game.agents), 2))
    for x, layer in enumerate(nx.topological_generations(graph)):
        place[layer, 0], place[layer, 1] = x, np.linspace(1, -1, len(layer) + 2)[1:-1]
    return place


def _agents(game: TradingNetworkGame, place: Floats) -> list[Plot]:
    """Return the agents as points, by what they do."""
    import plotly.graph_objects as go

    does = np.array([(game.side < 0).any(axis=1), (game.side > 0).any(axis=1)])
    parts = (does[0] & ~does[1], does[0] == does[1], does[1] & ~does[0])
    return [
        go.Scatter(
            x=place[part, 0].tolist(),
            y=place[part, 1].tolist(),
            mode="markers+text",
            text=np.array(game.agents)[part].tolist(),
            textposition="top center",
            marker={"size": 13, "color": colour},
            name=side,
            hoverinfo="text",
        )
        for (side, colour), part in zip(SIDES.items(), parts, strict=True)
    ]


def _trades(game: TradingNetworkGame, place: Floats, offer: Floats) -> list[Plot]:
    """Return the trades that were not struck, those struck inside the interval and outside, and their prices."""
    struck, price = game.outcome(offer)
    least, greatest = _lattice(game)
    inside = struck & (price >= least) & (price <= greatest)
    ends = place[np.array(game.network.trades)]  # [T, 2, 2]
    return [
        _edges(ends[~struck], "not struck", {"color": "#d9d9d9", "width": 0.8}),
        _edges(ends[inside], "struck at a price of equilibrium", {"color": INK, "width": 2.6}),
        _edges(ends[struck & ~inside], "struck at another price", {"color": VERMILION, "width": 2.6}),
        _prices(ends[struck], price[struck]),
    ]


def _edges(ends: Floats, name: str, line: dict[str, Any]) -> Plot:
    import plotly.graph_objects as go

    broken = np.concatenate((ends, np.full_like(ends[:, :1], np.nan)), axis=1).reshape(-1, 2)
    x, y = ([None if np.isnan(value) else float(value) for value in column] for column in broken.T)
    return go.Scatter(x=x, y=y, mode="lines", line=line, name=name, hoverinfo="skip")


def _prices(ends: Floats, price: Floats) -> Plot:
    import plotly.graph_objects as go

    middle = 0.58 * ends[:, 0] + 0.42 * ends[:, 1]  # off the middle, where lines cross
    text = [f"{value:g}" for value in price.round(2)]
    style: dict[str, Any] = {"mode": "text", "textposition": "top center", "hoverinfo": "skip"}
    return go.Scatter(x=middle[:, 0].tolist(), y=middle[:, 1].tolist(), text=text, showlegend=False, **style)


def _quote(name: str, part: str, values: Floats, colour: str, dash: str) -> Plot:
    """Return the path of a bid or an ask, which stays where it is between the steps at which it moves."""
    moves = np.flatnonzero(np.diff(values, prepend=np.nan, append=np.nan))[:-1]
    steps = np.union1d(moves, [0, len(values) - 1])
    return _line(f"{name}, {part}", values[steps], colour, steps, name, {"shape": "hv", "dash": dash})


def _line(
    name: str, values: Floats, colour: str, steps: Ints, group: str = "", line: Mapping[str, str] = MappingProxyType({})
) -> Plot:
    import plotly.graph_objects as go

    return go.Scatter(
        x=steps.tolist(),
        y=values.round(3).tolist(),
        mode="lines",
        name=name,
        legendgroup=group or name,
        line={"color": colour, "width": 1.6, **line},
        hovertemplate="%{y:,.4~g}",
    )
