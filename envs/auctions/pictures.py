"""Pictures and text of auctions; matplotlib is imported when drawn."""

import numpy as np

from walras.core.typing import Image
from walras.envs.auctions.rounds import AuctionState
from walras.envs.viewer import blank_axes, pixels


def auction_text(agents: tuple[str, ...], state: AuctionState) -> str:
    """List what each bidder of row 0 bid, won and paid in the last round, and its type of the next."""
    width = max(map(len, agents))
    lines = [f"{'':<{width}} {'bid':>16} {'won':>12} {'paid':>8} {'next type':>16}"]
    for i, agent in enumerate(agents):
        bid, won, types = (_joined(part[0, i]) for part in (state.bid, state.won, state.type))
        lines.append(f"{agent:<{width}} {bid:>16} {won:>12} {state.payment[0, i]:8.3f} {types:>16}")
    return "\n".join(lines)


def draw_auction(agents: tuple[str, ...], state: AuctionState) -> Image:
    """Draw the bids of row 0's last round, winners filled, and what each paid."""
    axes = blank_axes("bidder", "money")
    bid, won = state.bid[0].max(axis=1), state.won[0].any(axis=1)
    place = np.arange(len(agents))
    axes.bar(
        place, bid, width=0.8, color=["C0" if winner else "C7" for winner in won], label="highest bid (winners blue)"
    )
    axes.scatter(place, state.payment[0], color="C3", marker="D", zorder=3, label="payment")
    axes.set_xticks(place, agents)
    axes.legend(loc="upper right")
    return pixels(axes)


def _joined(numbers: np.ndarray) -> str:
    return " ".join(f"{number:.3f}" for number in numbers)
