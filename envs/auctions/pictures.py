"""Pictures and text of auctions; matplotlib is imported when drawn."""

import numpy as np

from walras.core.typing import Floats, Image
from walras.envs.viewer import blank_axes, pixels


def auction_text(agents: tuple[str, ...], bid: Floats, won: Floats, payment: Floats, types: Floats) -> str:
    """List what each of N bidders bid and won, ``[N, A]`` and ``[N, T]``, what it paid, ``[N]``, and its next type."""
    width = max(map(len, agents))
    lines = [f"{'':<{width}} {'bid':>16} {'won':>12} {'paid':>8} {'next type':>16}"]
    for agent, *own, paid in zip(agents, bid, won, types, payment, strict=True):
        placed, got, drawn = map(_joined, own)
        lines.append(f"{agent:<{width}} {placed:>16} {got:>12} {paid:8.3f} {drawn:>16}")
    return "\n".join(lines)


def draw_auction(agents: tuple[str, ...], bid: Floats, won: Floats, payment: Floats) -> Image:
    """Draw what N bidders bid, ``[N, A]``, winners filled, and what each paid, ``[N]``."""
    axes = blank_axes("bidder", "money")
    place, color = np.arange(len(agents)), np.where(won.any(axis=1), "C0", "C7").tolist()
    axes.bar(place, bid.max(axis=1), width=0.8, color=color, label="highest bid (winners blue)")
    axes.scatter(place, payment, color="C3", marker="D", zorder=3, label="payment")
    axes.set_xticks(place, agents)
    axes.legend(loc="upper right")
    return pixels(axes)


def _joined(numbers: Floats) -> str:
    return " ".join(f"{number:.3f}" for number in numbers)
