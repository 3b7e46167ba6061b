"""Pictures of a grid world: where the agents stand, the paths they took, the cells they visited.

Each takes the map, ``game.grid``, and positions as rows and columns, as the state of `walras.envs.GridWorld` has them;
so the same functions draw an episode and a set of demonstrations. Floor is white, walls are black, lava is pink and
doors are brown; a goal is a square in its agent's colour.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import require, require_each
from walras.core.rollout import Trajectory
from walras.core.typing import Image, Ints
from walras.envs.cooperation.grid_map import GridMap
from walras.envs.cooperation.grid_world import GridWorldState
from walras.envs.viewer import blank_axes, pixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WALL, LAVA, DOOR = (0.15, 0.15, 0.15), (0.96, 0.72, 0.66), (0.6, 0.4, 0.2)


def agents_paths(trajectory: Trajectory[GridWorldState]) -> list[list[Ints]]:
    """Return the positions that each agent took in each episode: N lists of B arrays ``[steps + 1, 2]``."""
    lengths = trajectory.alive.sum(axis=0)
    position = trajectory.state.position
    agents = range(position.shape[2])
    return [[position[: length + 1, row, i] for row, length in enumerate(lengths)] for i in agents]


def count_visits(grid: GridMap, position: ArrayLike) -> Ints:
    """Return how often each cell occurs among ``position [..., 2]``, ``[rows, columns]``.

    Raises
    ------
    ValueError
        If a position is no row and column of the map.
    """
    cells = _positions(grid, position).reshape(-1, 2)
    return np.bincount(np.ravel_multi_index(tuple(cells.T), grid.shape), minlength=grid.wall.size).reshape(grid.shape)


def draw_positions(grid: GridMap, position: ArrayLike) -> Image:
    """Draw the map with the agents at ``position [N, 2]``.

    Raises
    ------
    ValueError
        If a position is no row and column of the map.
    """
    axes = _axes(grid)
    _draw_terrain(axes, grid)
    for agent, (row, column) in enumerate(_positions(grid, position)):
        axes.plot(column, row, "o", color=f"C{agent}", markersize=20)
        axes.text(column, row, str(agent + 1), color="white", ha="center", va="center")
    return pixels(axes)


def draw_paths(grid: GridMap, paths: Sequence[Sequence[ArrayLike]]) -> Image:
    """Draw each agent's paths over the map, each agent beside the middle of the cell so that all are seen.

    Parameters
    ----------
    grid : GridMap
        The map.
    paths : sequence of sequences of arrays
        For each agent its paths ``[steps + 1, 2]``: `agents_paths` of a rollout, or the own states of demonstrations.

    Raises
    ------
    ValueError
        If there is not one entry an agent, or a position is no row and column of the map.
    """
    agents = len(grid.goal)
    require(len(paths) == agents, "paths", f"have one entry for each of {agents} agents", len(paths))
    axes = _axes(grid)
    _draw_terrain(axes, grid)
    for agent, (own, shift) in enumerate(zip(paths, np.linspace(-0.2, 0.2, agents), strict=True)):
        for path in own:
            at = _positions(grid, path) + shift
            axes.plot(at[:, 1], at[:, 0], color=f"C{agent}", alpha=max(0.15, 1 / len(own)), linewidth=2)
    return pixels(axes)


def draw_visits(grid: GridMap, position: ArrayLike) -> Image:
    """Draw how often each cell occurs among ``position [..., 2]``, as a heat map beside its scale.

    Raises
    ------
    ValueError
        If a position is no row and column of the map.
    """
    visits = count_visits(grid, position)
    axes = _axes(grid)
    _draw_terrain(axes, grid)
    drawn = axes.imshow(np.ma.masked_equal(visits, 0), cmap="Blues", vmin=0, alpha=0.8)
    axes.figure.colorbar(drawn, ax=axes, label="visits")
    return pixels(axes)


def _positions(grid: GridMap, position: ArrayLike) -> Ints:
    """Return ``position [..., 2]`` as whole rows and columns of the map."""
    given = np.asarray(position, dtype=np.float64)
    require(given.ndim >= 1 and given.shape[-1] == 2, "position", "hold rows and columns, [..., 2]", given.shape)
    inside = (given == np.rint(given)) & (given >= 0) & (given < grid.shape)
    require_each(inside, "position", f"be rows and columns of a map of {grid.shape}", given)
    return given.astype(np.int64)


def _draw_terrain(axes: "Axes", grid: GridMap) -> None:
    colours = np.ones((*grid.shape, 3))
    for cells, colour in ((grid.wall, WALL), (grid.lava, LAVA), (grid.door >= 0, DOOR)):
        colours[cells.reshape(grid.shape)] = colour
    axes.imshow(colours)
    for agent, cell in enumerate(grid.goal):
        row, column = grid.coordinates[cell]
        axes.plot(column, row, "s", color=f"C{agent}", markersize=26, alpha=0.35)
    for cell in np.flatnonzero(grid.door >= 0):
        row, column = grid.coordinates[cell]
        axes.text(column, row, f"door {grid.door[cell] + 1}", color="white", ha="center", va="center", fontsize=8)


def _axes(grid: GridMap) -> "Axes":
    """Return empty axes, with a line around each cell, of a figure that no window or global state knows."""
    rows, columns = grid.shape
    axes = blank_axes("column", "row", (0.6 * columns + 1.5, 0.6 * rows + 1))
    axes.set_xticks(np.arange(columns))
    axes.set_yticks(np.arange(rows))
    axes.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="lightgrey", linewidth=0.5)
    return axes
