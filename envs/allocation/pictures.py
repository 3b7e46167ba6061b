"""Pictures and text of allocations; matplotlib is imported when drawn."""

import numpy as np

from walras.core.typing import Floats, Image
from walras.envs.viewer import blank_axes, pixels


def allocation_text(agents: tuple[str, ...], allocation: Floats, budgets: Floats) -> str:
    """List what each agent holds ``[N, M]`` of each resource, and how much of the budgets ``[M]`` is given out."""
    width, places = max(map(len, agents)), max(len(f"{budgets.max():.3f}"), len(f"resource_{len(budgets) - 1}"))
    title = " ".join(f"resource_{k}".rjust(places) for k in range(len(budgets)))
    rows = [*zip(agents, allocation, strict=True), ("given", allocation.sum(axis=0)), ("of", budgets)]
    lines = [f"{name:<{width}} " + " ".join(f"{units:{places}.3f}" for units in row) for name, row in rows]
    return "\n".join([" " * width + " " + title, *lines])


def draw_allocation(agents: tuple[str, ...], allocation: Floats, budgets: Floats) -> Image:
    """Draw what each agent holds ``[N, M]`` of each resource, stacked under the budgets ``[M]``."""
    axes = blank_axes("resource", "units")
    place = np.arange(len(budgets))
    axes.bar(place, budgets, width=0.9, fill=False, edgecolor="black", label="budget")
    for index, (bottom, held) in enumerate(zip(np.cumsum(allocation, axis=0) - allocation, allocation, strict=True)):
        axes.bar(place, held, width=0.8, bottom=bottom, color=f"C{index}", label=agents[index])
    axes.set_xticks(place)
    axes.legend(loc="lower right")
    return pixels(axes)
