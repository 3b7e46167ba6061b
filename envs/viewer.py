"""The canvas of pictures, for `render`. Dynamics never read this module; matplotlib is imported when drawn."""

from typing import TYPE_CHECKING, Any

import numpy as np

from walras.core.typing import Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def blank_axes(horizontal: str, vertical: str, size: tuple[float, float] = (8, 5)) -> "Axes":
    """Return empty axes of a figure, `size` in inches, that no window or global state knows."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(xlabel=horizontal, ylabel=vertical)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def pixels(axes: "Axes") -> Image:
    """Return the figure of `axes` as pixels, ``[height, width, 3]``."""
    canvas: Any = axes.figure.canvas
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()
