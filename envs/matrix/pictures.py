"""Pictures and text of matrix games; matplotlib is imported when drawn."""

import numpy as np

from walras.core.typing import Floats, Image
from walras.envs.viewer import blank_axes, pixels

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
