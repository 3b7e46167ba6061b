"""Pictures and text of quotes on a trading network; matplotlib is imported when drawn."""

import numpy as np

from walras.core.typing import Bools, Floats, Image
from walras.envs.viewer import blank_axes, pixels

MOST_NAMES = 24  # trades whose names fit under a picture


def quotes_text(trades: list[str], bid: Floats, ask: Floats, struck: Bools) -> str:
    """List bid and ask ``[T]`` of each trade, and which trades are struck."""
    width = max(len("seller > buyer"), *map(len, trades))
    lines = [
        f"{name:<{width}} {b:10.2f} {a:10.2f}{'  struck' if done else ''}"
        for name, b, a, done in zip(trades, bid, ask, struck, strict=True)
    ]
    return "\n".join([f"{'seller > buyer':<{width}} {'bid':>10} {'ask':>10}", *lines])


def draw_quotes(trades: list[str], bid: Floats, ask: Floats, struck: Bools) -> Image:
    """Draw bid and ask ``[T]`` of each trade, one above the other, and the prices of those struck."""
    axes = blank_axes("trade", "money")
    place = np.arange(len(trades))
    axes.vlines(place, bid, ask, color="lightgrey")
    axes.plot(place, ask, "v", color="C1", label="ask")
    axes.plot(place, bid, "^", color="C0", label="bid")
    axes.plot(place[struck], (bid + ask)[struck] / 2, "o", color="black", label="struck")
    axes.set_xticks(place, trades if len(trades) <= MOST_NAMES else [str(k) for k in place], rotation=90)
    axes.legend(loc="upper right")
    return pixels(axes)
