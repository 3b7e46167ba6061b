"""Pictures of storages; matplotlib is imported when drawn."""

import numpy as np

from walras.core.typing import Floats, Image
from walras.envs.electricity.pictures import LABEL
from walras.envs.viewer import blank_axes, pixels


def draw_storages(
    agents: tuple[str, ...], intercept: Floats, hour: int, held: Floats, full: Floats, price: float
) -> Image:
    """Draw prices without storages ``[T]`` and the last one, and above them how full each storage is, ``[N]``."""
    axes = blank_axes("hour", "price (EUR/MWh)")
    axes.step(np.arange(len(intercept)), intercept, where="post", color="grey", label="without storages")
    axes.plot([max(hour - 0.5, 0.0)], [price], "o", color="black")
    low, high = float(min(intercept.min(), price)), float(max(intercept.max(), price))
    height, top = max(high - low, 1.0), len(intercept) + 1.0
    for index, (name, level, size) in enumerate(zip(agents, held, full, strict=True)):
        left = top + 1.5 * index
        axes.bar(left, height, 1.0, bottom=low, color="none", edgecolor=f"C{index}")
        axes.bar(left, height * level / size, 1.0, bottom=low, color=f"C{index}", label=name)
        axes.annotate(f"{level:.0f} MWh", (left, low), rotation=90, ha="center", va="bottom", bbox=LABEL)
    axes.legend(loc="upper left", frameon=False)
    return pixels(axes)
