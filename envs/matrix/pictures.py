"""Pictures and text of matrix games; matplotlib is imported when drawn."""

import numpy as np

from walras.core.typing import Floats, Image
from walras.envs.viewer import blank_axes, pixels
from walras.markets.normal_form import MatrixGame

BAR = 32  # characters of the longest bar


def prices_text(agents: tuple[str, ...], price: Floats, nash: Floats, monopoly: Floats) -> str:
    """List prices ``[N]``, with a mark where each lies between static equilibrium (N) and joint monopoly (M)."""
    width = max(map(len, agents))
    lines = [
        f"{a:<{width}} {p:8.4f} {_scale(p, n, m)}" for a, p, n, m in zip(agents, price, nash, monopoly, strict=True)
    ]
    return "\n".join([f"{'':<{width}} price    static Nash N, joint monopoly M", *lines])


def _scale(price: float, nash: float, monopoly: float) -> str:
    """Return a line with N at a quarter, M at three quarters, and * at the price, as far as the line goes."""
    line = ["."] * (BAR + 1)
    line[BAR // 4], line[3 * BAR // 4] = "N", "M"
    line[int(np.clip(BAR // 4 + (price - nash) / (monopoly - nash) * BAR / 2, 0, BAR))] = "*"
    return "".join(line)


def draw_prices(agents: tuple[str, ...], price: Floats, nash: Floats, monopoly: Floats) -> Image:
    """Draw prices ``[N]`` as bars, with the static equilibrium and joint monopoly of each firm."""
    axes = blank_axes("", "price")
    places = np.arange(len(agents))
    axes.bar(places, price, width=0.5, color=[f"C{i}" for i in places])
    for level, name, style in ((nash, "static Nash equilibrium", "--"), (monopoly, "joint monopoly", "-")):
        axes.hlines(level, places - 0.4, places + 0.4, color="black", linestyle=style, label=name)
    axes.set_xticks(places, agents)
    axes.set_ylim(0, 1.2 * max(float(monopoly.max()), float(price.max())))
    axes.legend(loc="upper left", frameon=False, ncol=2)
    return pixels(axes)


def contributions_text(agents: tuple[str, ...], moves: int, given: Floats, high: float) -> str:
    """List contributions ``[N]`` as bars; a dash stands for those who have not moved."""
    width = max(map(len, agents))
    told = [f"{c:8.4f} {'#' * round(BAR * c / high)}" if i < moves else "       -" for i, c in enumerate(given)]
    return "\n".join([f"given {given.sum():.4f}", *(f"{a:<{width}} {t}" for a, t in zip(agents, told, strict=True))])


def draw_contributions(agents: tuple[str, ...], given: Floats, most: float, threshold: float) -> Image:
    """Draw contributions ``[N]`` on top of each other from the left, up to the most that can be given."""
    axes = blank_axes("", "given together")
    before = np.cumsum(given) - given
    axes.bar(np.arange(len(agents)), given, bottom=before, color=[f"C{i}" for i in range(len(agents))])
    if threshold > 0:
        axes.axhline(threshold, color="black", linestyle="--", label="threshold")
        axes.legend(loc="upper left", frameon=False)
    axes.set_xticks(np.arange(len(agents)), agents)
    axes.set_ylim(0, most)
    return pixels(axes)


def cell_text(game: MatrixGame, cell: tuple[int, ...] | None) -> str:
    """List each player's action and payoff in a cell, or that nothing was played."""
    if cell is None:
        return "nothing was played yet"
    width = max(map(len, game.agents))
    rows = zip(game.agents, game.actions, cell, game.payoff, strict=True)
    return "\n".join(f"{agent:<{width}}  {names[a]}  {payoff[cell]:g}" for agent, names, a, payoff in rows)


def draw_cell(game: MatrixGame, cell: tuple[int, ...] | None) -> Image:
    """Draw the first player's payoffs as a table, first by second player's actions, with a cell marked."""
    others = (0,) * (game.players - 2) if cell is None else cell[2:]
    shown = game.payoff[0][(slice(None),) * min(game.players, 2) + others].reshape(game.sizes[0], -1)
    axes = blank_axes(game.agents[1] if game.players > 1 else "", game.agents[0])
    axes.imshow(shown, cmap="Blues", aspect="auto")
    if shown.size <= 64:
        for (row, column), value in np.ndenumerate(shown):
            axes.text(column, row, f"{value:g}", ha="center", va="center", color="C1")
        axes.set_yticks(range(len(shown)), game.actions[0])
        axes.set_xticks(range(shown.shape[1]), game.actions[1] if game.players > 1 else [""])
    if cell is not None:
        axes.scatter([cell[1] if game.players > 1 else 0], [cell[0]], s=900, facecolors="none", edgecolors="black")
    return pixels(axes)
