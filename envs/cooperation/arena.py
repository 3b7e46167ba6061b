"""Pictures of particles: where they are, and the paths that learners flew or demonstrations show.

Each function takes positions ``[..., 2]`` as the state of `walras.envs.CooperativeNavigation` has them. Walls are grey,
landmarks are black crosses, and each agent keeps its colour.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import as_floats, require
from walras.core.typing import Floats, Image
from walras.envs.cooperation.particles import Walls
from walras.envs.viewer import blank_axes, pixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def arena_text(agents: tuple[str, ...], position: Floats, velocity: Floats, landmark: Floats) -> str:
    """List place, velocity and nearest landmark of agents at ``position [N, 2]`` among ``landmark [L, 2]``."""
    width = max(map(len, agents))
    lines = [f"{'':<{width}}       x       y     v_x     v_y  nearest landmark"]
    for name, place, speed in zip(agents, position, velocity, strict=True):
        far = np.hypot(*(landmark - place).T)
        numbers = " ".join(f"{value:7.2f}" for value in (*place, *speed))
        lines.append(f"{name:<{width}} {numbers}  {int(far.argmin())}, {far.min():.2f} away")
    return "\n".join(lines)


def draw_arena(walls: Walls, landmark: Floats, position: Floats, radius: float) -> Image:
    """Draw agents at ``position [N, 2]`` as discs, over landmarks ``[L, 2]`` and walls."""
    from matplotlib.patches import Circle

    axes = _arena(walls, landmark)
    for index, place in enumerate(position):
        axes.add_patch(Circle((float(place[0]), float(place[1])), radius, color=f"C{index}", alpha=0.6))
        axes.text(float(place[0]), float(place[1]), str(index), ha="center", va="center")
    _widen(axes, position, radius)
    return pixels(axes)


def draw_paths(walls: Walls, landmark: ArrayLike, paths: Sequence[Sequence[ArrayLike]]) -> Image:
    """Draw each agent's paths over the arena, with a dot where each begins.

    Parameters
    ----------
    walls : sequence of Wall
        The game's walls.
    landmark : array
        The landmarks, ``[L, 2]``.
    paths : sequence of sequences of arrays
        For each agent its paths ``[steps + 1, 2]``: ``trajectory.state.position[:, row, agent]`` of a rollout, or
        entries 2 and 3 of the own states of demonstrations.

    Raises
    ------
    ValueError
        If a path or the landmarks are not points ``[..., 2]``, or hold a NaN.
    """
    axes = _arena(walls, _points("landmark", landmark))
    for index, own in enumerate(paths):
        for path in own:
            points = _points("paths", path)
            axes.plot(points[:, 0], points[:, 1], color=f"C{index}", alpha=max(0.15, 1 / len(own)))
            axes.plot(*points[0], "o", color=f"C{index}", markersize=4)
            _widen(axes, points, 0.05)
    return pixels(axes)


def _points(name: str, value: ArrayLike) -> Floats:
    points = as_floats(name, value, 2)
    require(points.shape[1] == 2 and len(points) > 0, name, "hold at least one point, [steps + 1, 2]", points.shape)
    return points


def _arena(walls: Walls, landmark: Floats) -> "Axes":
    """Return axes with walls and landmarks, of a figure that no window or global state knows."""
    from matplotlib.patches import Rectangle

    axes = blank_axes("x", "y", (6, 6))
    axes.set(aspect="equal", xlim=(-1.2, 1.2), ylim=(-1.2, 1.2))
    for wall in walls:
        corner = wall.x - wall.width / 2, wall.y - wall.height / 2
        axes.add_patch(Rectangle(corner, wall.width, wall.height, color="grey"))
    axes.plot(landmark[:, 0], landmark[:, 1], "x", color="black", markersize=10)
    _widen(axes, landmark, 0.1)
    return axes


def _widen(axes: "Axes", points: Floats, margin: float) -> None:
    """Widen the axes until `points` are inside."""
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    axes.set_xlim(min(left, float(low[0])), max(right, float(high[0])))
    axes.set_ylim(min(bottom, float(low[1])), max(top, float(high[1])))
