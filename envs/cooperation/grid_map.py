"""The map of a grid world, as text: terrain, doors, starts and goals in one picture.

Blanks separate cells, line ends separate rows. A cell is one of these tokens:

| token | meaning |
|---|---|
| ``.`` | floor |
| ``#`` | wall |
| ``~`` | lava |
| ``A`` .. ``I`` | a door, open while agent 1 .. 9 stands on its goal, else a wall |
| ``1`` .. ``9`` | floor, on which agent 1 .. 9 starts |
| ``a`` .. ``i`` | floor, the goal of agent 1 .. 9 |
| ``1c`` and the like | start of agent 1 and goal of agent 3 |

Row 0 is the first line, column 0 its first token; cell ``row * columns + column`` counts along the rows.
Agents are counted from 1 in the text and from 0 on the agent axis.

Examples
--------
>>> grid = read_map('''
...     1 . #  b
...     . . B  .
...     # ~ 2a .
... ''')
>>> grid.shape, grid.start.tolist(), grid.goal.tolist()
((3, 4), [0, 10], [10, 3])
>>> float(steps_to(grid, agent=0, opened=np.array([False, False]))[0])
inf
>>> float(steps_to(grid, agent=0, opened=np.array([False, True]))[0])
4.0
"""

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from walras.core.checks import require
from walras.core.typing import Bools, Floats, Ints

STARTS, GOALS, DOORS = "123456789", "abcdefghi", "ABCDEFGHI"
MOVES = np.array([(0, -1), (0, 1), (1, 0), (-1, 0), (0, 0)])
"""Rows and columns that each action adds: left, right, row + 1, row - 1, stay."""
STAY = 4

_TOKEN = re.compile(rf"[.#~{DOORS}]|[{STARTS}][{GOALS}]?|[{GOALS}]")


@dataclass(frozen=True, eq=False)
class GridMap:
    """A map of C cells and N agents; `read_map` makes it from text."""

    shape: tuple[int, int]  # rows, columns
    wall: Bools  # [C]
    lava: Bools  # [C]
    door: Ints  # [C] the agent that opens the door; -1 where there is none
    start: Ints  # [N] cell
    goal: Ints  # [N] cell

    @cached_property
    def coordinates(self) -> Ints:
        """Row and column of each cell, ``[C, 2]``."""
        return np.stack(np.unravel_index(np.arange(self.wall.size), self.shape), axis=1)

    def moves(self, opened: Bools) -> Ints:
        """Return where each action leads from each cell, ``[C, 5]``, when the doors of agents ``opened [N]`` are open.

        A move off the map, into a wall or into a closed door leads nowhere.
        """
        closed = self.wall | ((self.door >= 0) & ~opened[self.door])
        there = self.coordinates[:, None] + MOVES
        inside = ((there >= 0) & (there < self.shape)).all(axis=-1)
        cell = np.where(inside, there[..., 0] * self.shape[1] + there[..., 1], 0)
        return np.where(inside & ~closed[cell], cell, np.arange(self.wall.size)[:, None])

    def token(self, cell: int, starts: Ints) -> str:
        """Return the text of a cell with the agents on the cells ``starts [N]``."""
        marks = "".join(STARTS[i] for i in np.flatnonzero(starts == cell))
        marks += "".join(GOALS[i] for i in np.flatnonzero(self.goal == cell))
        if self.door[cell] >= 0:
            return marks + DOORS[self.door[cell]]
        terrain = "#" if self.wall[cell] else "~" if self.lava[cell] else ""
        return marks + terrain or "."

    def text(self, starts: Ints) -> str:
        """Return the map as text, with the agents on the cells ``starts [N]``."""
        tokens = [self.token(cell, starts) for cell in range(self.wall.size)]
        width, columns = max(map(len, tokens)), self.shape[1]
        lines = [tokens[first : first + columns] for first in range(0, len(tokens), columns)]
        return "\n".join(" ".join(f"{token:<{width}}" for token in line).rstrip() for line in lines)


def read_map(text: str) -> GridMap:
    """Return the map that `text` draws.

    Raises
    ------
    ValueError
        If rows differ in length, a token is unknown (its row and column are told), an agent has not exactly one start
        and one goal, a door's agent is missing, or an agent cannot reach its goal without lava.
    """
    rows = [line.split() for line in text.splitlines() if line.strip()]
    require(bool(rows), "map", "hold at least one cell", text)
    for row, line in enumerate(rows):
        require(
            len(line) == len(rows[0]), "map", f"have {len(rows[0])} cells in row {row}, as in row 0", " ".join(line)
        )
        for column, token in enumerate(line):
            place = f"in row {row}, column {column} (both counted from 0)"
            rule = f"hold ., #, ~, a door A to I, a start 1 to 9 or a goal a to i (or both, as in 1b) {place}"
            require(_TOKEN.fullmatch(token) is not None, "map", rule, token)
    tokens = [token for line in rows for token in line]
    grid = _assembled((len(rows), len(rows[0])), tokens)
    _check_reachable(grid)
    return grid


def steps_to(grid: GridMap, agent: int, opened: Bools) -> Floats:
    """Return the steps from each cell to the goal of `agent` without lava, ``[C]``; infinite where there is no way.

    Parameters
    ----------
    grid : GridMap
        The map.
    agent : int
        Place on the agent axis.
    opened : array
        ``[N]`` whether the doors of each agent are open.
    """
    moves = grid.moves(opened)
    steps = np.full(grid.wall.size, np.inf)
    steps[grid.goal[agent]] = 0.0
    while True:
        nearer = np.where(grid.lava, np.inf, np.minimum(steps, 1 + steps[moves].min(axis=1)))
        if (nearer == steps).all():
            return steps
        steps = nearer


def others_open(agents: int) -> Bools:
    """Return whose doors are open to each agent on its own: all but its own, ``[N, N]``."""
    return ~np.eye(agents, dtype=np.bool_)


def _assembled(shape: tuple[int, int], tokens: list[str]) -> GridMap:
    text = "".join(tokens)
    agents = max((marks.index(c) + 1 for marks in (STARTS, GOALS, DOORS) for c in text if c in marks), default=0)
    require(agents > 0, "map", "hold an agent: a start 1 and a goal a", text)
    door = [DOORS.find(token) for token in tokens]
    return GridMap(
        shape,
        np.array([token == "#" for token in tokens]),
        np.array([token == "~" for token in tokens]),
        np.array(door),
        _cells_of(STARTS[:agents], tokens, "start"),
        _cells_of(GOALS[:agents], tokens, "goal"),
    )


def _cells_of(marks: str, tokens: list[str], kind: str) -> Ints:
    """Return the cell of each mark, which must stand once."""
    for mark in marks:
        times = sum(mark in token for token in tokens)
        require(times == 1, "map", f"hold the {kind} {mark} exactly once", f"{times} times {mark}")
    return np.array([next(cell for cell, token in enumerate(tokens) if mark in token) for mark in marks])


def _check_reachable(grid: GridMap) -> None:
    """Refuse a map in which an agent cannot reach its goal through doors of agents that can reach theirs."""
    agents = range(len(grid.goal))
    arrives = np.zeros(len(grid.goal), dtype=np.bool_)
    while True:
        ways = [steps_to(grid, i, arrives & others_open(len(arrives))[i])[grid.start[i]] for i in agents]
        if (np.isfinite(ways) == arrives).all():
            break
        arrives = np.isfinite(ways)
    for agent in np.flatnonzero(~arrives):
        row, column = grid.coordinates[grid.start[agent]]
        rule = f"let agent {agent + 1} reach its goal {GOALS[agent]} without lava"
        require(False, "map", rule, f"no way from row {row}, column {column}")
