"""Pictures and text of autobidding markets; matplotlib is imported when drawn."""

import numpy as np

from walras.core.typing import Image
from walras.envs.auctions.periods import AutobiddingState
from walras.envs.viewer import blank_axes, pixels


def channels_text(agents: tuple[str, ...], state: AutobiddingState) -> str:
    """List what each advertiser of row 0 won and spent in each channel, and what it has in all."""
    width, channels = max(map(len, agents)), range(state.value.shape[2])
    head = " ".join(f"{f'channel {j}: value':>18} {'spend':>8}" for j in channels)
    lines = [f"period {state.period[0]}", f"{'':<{width}} {head} {'all value':>10} {'all spend':>10}"]
    for i, agent in enumerate(agents):
        each = " ".join(f"{state.value[0, i, j]:18.3f} {state.spend[0, i, j]:8.3f}" for j in channels)
        lines.append(f"{agent:<{width}} {each} {state.all_value[0, i]:10.3f} {state.all_spend[0, i]:10.3f}")
    return "\n".join(lines)


def draw_channels(agents: tuple[str, ...], state: AutobiddingState) -> Image:
    """Draw what each advertiser of row 0 won (pale) and spent (full) in each channel of the last period."""
    axes = blank_axes("channel", "money")
    advertisers, channels = state.value.shape[1:]
    place, width = np.arange(channels), 0.8 / advertisers
    for i, agent in enumerate(agents):
        at = place + (i - (advertisers - 1) / 2) * width
        axes.bar(at, state.value[0, i], width=0.92 * width, color=f"C{i}", alpha=0.35, label=f"{agent}: value")
        axes.bar(at, state.spend[0, i], width=0.5 * width, color=f"C{i}", label="spend")
    axes.set_xticks(place, [str(j) for j in place])
    axes.set_ylim(bottom=0.0)
    axes.set_title(f"period {state.period[0]}")
    axes.legend(loc="upper right", ncols=min(advertisers, 3))
    return pixels(axes)
