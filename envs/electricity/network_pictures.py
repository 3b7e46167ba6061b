"""Pictures of networks; matplotlib is imported when drawn."""

import numpy as np

from walras.core.typing import Floats, Image
from walras.envs.electricity.pictures import LABEL
from walras.envs.viewer import blank_axes, pixels
from walras.markets.electricity.elastic_network import ElasticNetwork


def draw_network(network: ElasticNetwork, price: Floats, flow: Floats) -> Image:
    """Draw buses on a circle with their prices ``[n]``, and lines with flows ``[L]``; those at a limit are red."""
    axes = blank_axes("", "")
    angle = 2 * np.pi * np.arange(len(price)) / len(price) + np.pi / 2
    place = np.stack((np.cos(angle), np.sin(angle)), axis=1)
    ends = [network.positions((wire.from_bus, wire.to_bus)) for wire in network.wires]
    for wire, (start, end), power in zip(network.wires, ends, flow, strict=True):
        full = abs(power) >= wire.limit * (1 - 1e-9)
        width = 1 + 4 * min(abs(power) / max(wire.limit, 1e-9), 1) if np.isfinite(wire.limit) else 2
        axes.plot(*place[[start, end]].T, color="C3" if full else "grey", linewidth=width, zorder=1)
        axes.annotate(f"{power:.1f} MW", place[[start, end]].mean(axis=0), ha="center", bbox=LABEL)
    axes.scatter(*place.T, c=price, s=900, cmap="viridis", zorder=2, edgecolors="black")
    for bus, (x, y), level in zip(network.buses, place, price, strict=True):
        axes.annotate(f"{bus}: {level:.2f}", (x, y + 0.16 * np.sign(y or 1)), ha="center", va="center")
    axes.set(xlim=(-1.4, 1.4), ylim=(-1.4, 1.4))
    axes.set_axis_off()
    return pixels(axes)
