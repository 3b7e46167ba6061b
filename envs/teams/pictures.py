"""Pictures of teams; matplotlib is imported when drawn."""

import numpy as np

from walras.core.typing import Floats, Image
from walras.envs.viewer import blank_axes, pixels


def draw_processes(x: Floats) -> Image:
    """Draw every process ``[M, n]``, component by component, and the mean."""
    axes = blank_axes("component", "state")
    place = np.arange(x.shape[1])
    shift = np.linspace(-0.3, 0.3, len(x)) if len(x) > 1 else np.zeros(1)
    axes.scatter((place + shift[:, None]).ravel(), x.ravel(), s=14, color="C0", alpha=0.6, label="agents")
    axes.hlines(x.mean(axis=0), place - 0.4, place + 0.4, color="black", label="mean")
    axes.set_xticks(place)
    axes.legend(loc="upper right")
    return pixels(axes)
