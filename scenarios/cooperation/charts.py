"""Charts of cooperation: the share of the best return found, and where agents go beside what each showed alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from walras.agents.imitation.demonstration_formats import episodes
from walras.agents.imitation.demonstrations import Demonstrations
from walras.core.typing import Floats, Ints
from walras.envs import CooperativeNavigation, GridWorld
from walras.envs.cooperation.grid_map import GridMap
from walras.scenarios.engine.results import Results
from walras.scenarios.report.charts import (
    INK,
    Plot,
    add_menu,
    agent_colour,
    band,
    blank_figure,
    learners,
    method_colour,
    title_of,
)
from walras.scenarios.report.numbers import number

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

LOWEST = -0.6
"""Share below which curves are cut off."""
FLIGHTS = 10
"""Paths of each agent that are drawn."""
CELL = 0.94
"""Side of a cell as it is drawn, of the distance between two."""
PANEL = 250
"""Width of a map, pixels; two stand side by side."""
TERRAIN = ("#ffffff", "#3a3a3a", "#f5c4b3", "#a9825c")
"""Floor, wall, lava, door."""
_SHARE_CAPTION = (
    "Mean return of an episode as a share of the best found: interquartile means over the seeds, with their 95 %"
    " confidence intervals. Dashed lines are methods that need no environment steps. Learners draw their actions, here"
    " as in learning."
)
_VISITS_CAPTION = (
    "The share of episodes in which an agent comes to a cell, the darker the more: alone as it was shown, seed 0, and"
    " together as it was played, all seeds; choose by whom. A circle is the agent's start, a square its goal; grey is"
    " wall, pink is lava, brown is a door with the number of the agent who opens it."
)
_FLIGHTS_CAPTION = (
    f"{FLIGHTS} paths of each agent, seed 0: alone as it was shown, and together as it was played; choose by whom. A"
    " dot is where a path begins, together after the first step; grey is wall, crosses are landmarks."
)


def share_chart(results: Results) -> "Figure":
    """Draw the share of the best return found against environment steps; methods that need none are level lines."""
    figure = blank_figure("return, share of the best found", "environment steps", height=460)
    steps = {name: _steps(results, name) for name in results.record["methods"]}
    last = max((each[-1] for each in steps.values() if each), default=1)
    for name, each in steps.items():
        figure.add_traces(_curve(results, name, each) if each else [_level(results, name, last)])
    drawn = np.array([y for line in figure.data for y in line.y], dtype=np.float64)
    lowest = min(0.0, float(np.nanmin(drawn)))
    figure.update_yaxes(range=[max(LOWEST, lowest) - 0.05, float(np.nanmax(drawn)) + 0.06], tickformat=".0%")
    figure.update_layout(hovermode="x unified", xaxis_rangemode="tozero")
    figure.update_layout(meta={"caption": _SHARE_CAPTION + _limits(results, lowest)})
    return figure


def paths_chart(
    game: GridWorld | CooperativeNavigation, demonstrations: Callable[[], Demonstrations], results: Results
) -> "Figure":
    """Draw where agents go, in their demonstrations and for a chosen method."""
    if isinstance(game, GridWorld):
        return visits_chart(game, demonstrations, results)
    return flights_chart(game, demonstrations, results)


def visits_chart(game: GridWorld, demonstrations: Callable[[], Demonstrations], results: Results) -> "Figure":
    """Draw where each agent comes, in its demonstrations and for a chosen method."""
    grid, shown = game.grid, demonstrations()
    colours = [agent_colour(results, name) for name in game.agents]
    figure = _side_by_side(
        game.agents,
        [_ground(grid, agent, colour) for agent, colour in enumerate(colours)],
        [[_heat(_shown_share(grid, shown, agent), colour)] for agent, colour in enumerate(colours)],
        {
            method: [_heat(_played_share(grid, results, method, game.agents, k), c) for k, c in enumerate(colours)]
            for method in results.record["methods"]
        },
        grid.shape[0] / grid.shape[1],
    )
    figure.update_layout(plot_bgcolor="#dcdcdc", barmode="overlay", meta={"caption": _VISITS_CAPTION})
    figure.update_xaxes(range=[-0.5, grid.shape[1] - 0.5])
    figure.update_yaxes(range=[grid.shape[0] - 0.5, -0.5])
    return _opened(figure, results)


def flights_chart(
    game: CooperativeNavigation, demonstrations: Callable[[], Demonstrations], results: Results
) -> "Figure":
    """Draw the paths of each agent, in its demonstrations and for a chosen method."""
    shown = demonstrations()
    colours = [agent_colour(results, name) for name in game.agents]
    figure = _side_by_side(
        game.agents,
        [_arena(game) for _ in colours],
        [[_flights(_shown_paths(shown, agent), colour)] for agent, colour in enumerate(colours)],
        {
            method: [
                _flights(_played_paths(results, method, name), colour)
                for name, colour in zip(game.agents, colours, strict=True)
            ]
            for method in results.record["methods"]
        },
        1.0,
    )
    figure.update_layout(meta={"caption": _FLIGHTS_CAPTION})
    figure.update_xaxes(range=[-1.25, 1.25])
    figure.update_yaxes(range=[-1.25, 1.25])
    return _opened(figure, results)


# Learning


def _steps(results: Results, name: str) -> list[int]:
    """Return the environment steps of a method's checkpoints; none where it needs none."""
    steps = [point["steps"] for point in results.record["methods"][name]["curve"]]
    return steps if any(steps) else []


def _curve(results: Results, name: str, at: Sequence[int]) -> list[Plot]:
    """Return the band and the line of a learner; all agents have the same share."""
    import plotly.graph_objects as go

    agent = results.record["agents"][0]
    points = [point["share"][agent] for point in results.record["methods"][name]["curve"]]
    mean, low, high = ([number(point[part]) for point in points] for part in ("mean", "low", "high"))
    colour = method_colour(results, name)
    line = go.Scatter(
        x=list(at),
        y=mean,
        customdata=np.stack((low, high), axis=1).tolist(),
        name=title_of(results, name),
        legendgroup=title_of(results, name),
        mode="lines+markers",
        line={"color": colour, "width": 2.2},
        marker={"size": 6},
        hovertemplate="%{y:.1%} [%{customdata[0]:.1%}, %{customdata[1]:.1%}]",
    )
    return [*band({"x": list(at)}, low, high, colour, title_of(results, name)), line]


def _level(results: Results, name: str, last: int) -> Plot:
    import plotly.graph_objects as go

    share = number(results.record["methods"][name]["market"]["share"]["mean"])
    return go.Scatter(
        x=[0, last],
        y=[share, share],
        name=f"{title_of(results, name)}: {_percent(share)}",
        mode="lines",
        line={"color": method_colour(results, name), "width": 1.6, "dash": "dash"},
        hovertemplate="%{y:.1%}",
    )


def _limits(results: Results, lowest: float) -> str:
    """Say what the axis does not show, and what no policy exceeds where the optimum lies between bounds."""
    equilibrium = results.record["equilibrium"]
    value, residual = next(iter(equilibrium["value"].values())), equilibrium["residual"]
    bounds = (
        f" The best policy found is not proved best: no policy exceeds {_percent(1 + residual / value)}."
        if residual > 0
        else " The best found is the joint optimum."
    )
    return bounds + (f" What lies below {_percent(LOWEST)} is cut off." if lowest < LOWEST else "")


def _percent(share: float) -> str:
    whole = f"{100 * share:,.0f} %"
    return whole.replace("-", "\N{MINUS SIGN}").replace(",", "\N{NARROW NO-BREAK SPACE}")


# Maps


def _shown_share(grid: GridMap, shown: Demonstrations, agent: int) -> Floats:
    """Return the share of demonstrations in which an agent comes to each cell, ``[rows, columns]``."""
    steps = shown.of(agent)
    return _visited(grid, agent, steps.next_state.astype(np.int64), steps.episode)


def _played_share(grid: GridMap, results: Results, method: str, agents: Sequence[str], agent: int) -> Floats:
    """Return the share of the evaluation's episodes in which an agent comes to each cell, ``[rows, columns]``."""
    steps = _played(results, method, agents[agent])
    episode = steps.groupby(["seed", "episode"]).ngroup().to_numpy().astype(np.int64)
    return _visited(grid, agent, steps[["position_0", "position_1"]].to_numpy(), episode)


def _visited(grid: GridMap, agent: int, position: Ints, episode: Ints) -> Floats:
    """Return the share of episodes in which each cell occurs among ``position [M, 2]``, or is the agent's start."""
    cell = np.ravel_multi_index(tuple(position.T), grid.shape)
    each = np.unique(np.stack((episode, cell)), axis=1)
    share = np.bincount(each[1], minlength=grid.wall.size) / len(np.unique(episode))
    share[grid.start[agent]] = 1.0
    return share.reshape(grid.shape)


def _heat(share: Floats, colour: str) -> Plot:
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    scale = [[end, f"rgba({red},{green},{blue},{opacity})"] for end, opacity in ((0, 0.1), (1, 0.95))]
    rows, columns = np.nonzero(share.round(4))
    return _cells(
        rows,
        columns,
        {"color": share[rows, columns].round(4).tolist(), "colorscale": scale, "cmin": 0, "cmax": 1},
        hovertemplate="row %{customdata}, column %{x}: in %{marker.color:.1%} of episodes<extra></extra>",
    )


def _cells(rows: Ints, columns: Ints, marker: Mapping[str, Any], **style: Any) -> Plot:  # noqa: ANN401 - plotly's
    """Return cells of a map as bars, which need less of plotly than its heat maps do."""
    import plotly.graph_objects as go

    return go.Bar(
        x=columns.tolist(),
        y=[CELL] * len(rows),
        base=(rows - CELL / 2).tolist(),
        width=CELL,
        customdata=rows.tolist(),
        marker={**marker, "line": {"width": 0}},
        showlegend=False,
        **style,
    )


def _ground(grid: GridMap, agent: int, colour: str) -> list[Plot]:
    """Return the terrain, numbers of doors, and the start and goal of an agent."""
    import plotly.graph_objects as go

    kind = np.select([grid.wall, grid.lava, grid.door >= 0], [1, 2, 3], default=0)
    tints = [TERRAIN[each] for each in kind.tolist()]
    terrain = _cells(grid.coordinates[:, 0], grid.coordinates[:, 1], {"color": tints}, hoverinfo="skip")
    rows, columns = grid.coordinates[[grid.start[agent], grid.goal[agent]]].T.tolist()
    outline = {"width": 2.5, "color": colour}
    marker = {"symbol": ["circle", "square"], "size": 12, "color": "white", "opacity": 1, "line": outline}
    ends = go.Scatter(x=columns, y=rows, mode="markers", marker=marker, hoverinfo="skip", showlegend=False)
    rows, columns = grid.coordinates[grid.door >= 0].T.tolist()
    text = [str(opener + 1) for opener in grid.door[grid.door >= 0]]
    style: dict[str, Any] = {"mode": "text", "textfont": {"color": "white"}, "hoverinfo": "skip", "showlegend": False}
    return [terrain, ends, go.Scatter(x=columns, y=rows, text=text, **style)]


# Flights


def _shown_paths(shown: Demonstrations, agent: int) -> list[Floats]:
    return [episode.state[:, 2:4] for episode in episodes(shown, agent)[:FLIGHTS]]


def _played_paths(results: Results, method: str, agent: str) -> list[Floats]:
    steps = _played(results, method, agent)
    flights = steps[steps["seed"] == 0].groupby("episode")
    return [path[["position_0", "position_1"]].to_numpy() for _, path in flights][:FLIGHTS]


def _flights(paths: Sequence[Floats], colour: str) -> Plot:
    """Return all paths as one trace, with a dot where each begins."""
    import plotly.graph_objects as go

    points = [[*path.round(3).tolist(), [None, None]] for path in paths]
    x, y = zip(*[point for path in points for point in path], strict=True)
    size = [6 if k == 0 else 0 for path in points for k in range(len(path))]
    return go.Scatter(
        x=x,
        y=y,
        mode="lines+markers",
        line={"color": colour, "width": 1.3},
        marker={"size": size, "color": colour, "opacity": 1, "line": {"width": 0}},
        opacity=0.55,
        showlegend=False,
        hoverinfo="skip",
    )


def _arena(game: CooperativeNavigation) -> list[Plot]:
    """Return the walls and the landmarks."""
    import plotly.graph_objects as go

    hidden: dict[str, Any] = {"hoverinfo": "skip", "showlegend": False}
    walls = [
        go.Scatter(
            x=[wall.x + side * wall.width / 2 for side in (-1, 1, 1, -1)],
            y=[wall.y + side * wall.height / 2 for side in (-1, -1, 1, 1)],
            mode="none",
            fill="toself",
            fillcolor="#b5b5b5",
            **hidden,
        )
        for wall in game.walls
    ]
    x, y = zip(*game.landmarks, strict=True)
    marker = {"symbol": "x-thin", "size": 10, "line": {"width": 2, "color": INK}}
    return [*walls, go.Scatter(x=x, y=y, mode="markers", marker=marker, **hidden)]


# What maps and flights share


def _played(results: Results, method: str, agent: str) -> pd.DataFrame:
    """Return the steps of an agent in all episodes of the evaluation."""
    steps: Any = results.steps
    return steps[(steps["method"] == method) & (steps["agent"] == agent)]


def _side_by_side(
    agents: Sequence[str],
    ground: Sequence[Sequence[Plot]],
    alone: Sequence[Sequence[Plot]],
    together: Mapping[str, Sequence[Plot]],
    ratio: float,
) -> Plot:
    """Return a figure with two panels an agent, alone and together, an agent a row.

    Parameters
    ----------
    agents : sequence of str
        The N names.
    ground, alone : sequences of traces
        For each agent what both panels show, and what the first shows over it.
    together : mapping of sequences of traces
        For each method one trace an agent. They come last.
    ratio : float
        Height of a panel by its width.
    """
    from plotly.subplots import make_subplots

    titles = [f"{name}, {side}" for name in agents for side in ("alone", "together")]
    figure: Plot = make_subplots(
        len(agents), 2, subplot_titles=titles, horizontal_spacing=0.02, vertical_spacing=0.12 / len(agents)
    )
    for agent, traces in enumerate(ground):
        for side in (0, 1):
            _place(figure, [*traces, *(() if side else alone[agent])], 2 * agent + side)
    for traces in together.values():
        for agent, trace in enumerate(traces):
            _place(figure, [trace], 2 * agent + 1)
    figure.update_annotations(font_size=13)
    figure.update_layout(blank_figure("", "", height=int(len(agents) * (PANEL * ratio + 40)) + 90).layout)
    return figure


def _place(figure: Plot, traces: Sequence[Plot], panel: int) -> None:
    figure.add_traces(traces, rows=[panel // 2 + 1] * len(traces), cols=[panel % 2 + 1] * len(traces))


def _opened(figure: Plot, results: Results) -> Plot:
    """Add the menu of methods, open it at the first that learns, and give both axes one scale."""
    names = list(results.record["methods"])
    first = names.index((learners(results) or names)[0])
    add_menu(
        figure, [title_of(results, name) for name in names], len(results.record["agents"]), first, y=1.0, pad={"b": 34}
    )
    figure.update_layout(margin={"t": 90, "l": 16, "b": 16})
    figure.update_xaxes(visible=False, constrain="domain")
    figure.update_yaxes(visible=False, constrain="domain")
    for axis in figure.select_yaxes():
        axis.scaleanchor = axis.anchor
    return figure
