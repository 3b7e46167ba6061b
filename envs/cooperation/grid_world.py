r"""Grid world: agents with goals of their own, rewarded together, that stand in each other's way.

Description
-----------
N agents walk on a map with walls, lava and doors. All are paid when the agents that must arrive stand on their goals at
the same time, the more the sooner. Each agent's own task is easily shown by a demonstration of that agent alone; but
paths cross, and one agent may have to open a door for another. These are the two tasks of [1], and any map of your
own: see `walras.envs.cooperation.grid_map` for the text that draws one.

Each step the agents move one after the other, in an order drawn anew. A move off the map, into a wall or into a closed
door is ignored. A move into a cell in which another agent stands at that moment is cancelled and is a collision. A door
is open while its agent stands on its goal, as the agents stood at the end of the last step.

Agents
------
``agent_1`` .. ``agent_N``, at most nine, as the map counts them.

State
-----
Row and column of each agent ``[B, N, 2]``, the steps taken ``[B]``, and whether a move was cancelled in the last step
``[B]``.

Action
------
``[B, N]``, five integers:

| action | meaning |
|---|---|
| 0 | left, column - 1 |
| 1 | right, column + 1 |
| 2 | row + 1: down as the map is printed ("up" in [1]) |
| 3 | row - 1 |
| 4 | stay |

Observation
-----------
| index | meaning | unit | low | high |
|---|---|---|---|---|
| 0 | own row | cells | 0 | rows - 1 |
| 1 | own column | cells | 0 | columns - 1 |
| 2 .. 2 N - 1 | row and column of agents i + 1, i + 2, .., in a circle | cells | 0 | as above |

As in [1] no entry tells the steps taken. The prize falls with them and the horizon ends the episode, so a policy and a
critic that see observations alone take states at different times for one: they average over time.

Reward
------
The same for all agents. After a step, the first that applies: all that must arrive stand on their goals,
:math:`10 - 9 t / H` where t steps are taken and H is the horizon; a collision, -1; else 0.

Starting state
--------------
That of the map, always.

Episode end
-----------
Terminated when all that must arrive stand on their goals, or an agent stands in lava; but lava is not looked at in a
step with a collision, as in the code of [1], unless `lava_waits` is false. Also terminated after `horizon` steps: the
prize falls until then, and later there is none.

Parameters
----------
map : the text of the map.
finish : letters of the goals that must be reached, at once, to end the episode; all by default.
lava_waits : whether a collision spares, for that step, an agent that stands in lava.
horizon : H, steps an episode.
discount : weight of the next reward in a learner's objective, in [0, 1).

Solution
--------
The largest expected return of an episode, undiscounted, that all agents have together: by dynamic programming over the
joint positions, or by bounds that meet. 8.38 on the lava maps, 8.92 and 8.65 on the door maps. The scripted rule takes
each agent along its own shortest path, as if it were alone and all doors of others were open.

References
----------
[1] P. Yu, M. Mishra, A. Koppel, C. Busart, P. Narayan, D. Manocha, A. Bedi, P. Tokekar, Beyond Joint Demonstrations:
Personalized Expert Guidance for Efficient Multi-Agent Reinforcement Learning, arXiv 2403.08936, and its public code.

Version history
---------------
v1: the horizon terminates an episode; it truncated one. States and rewards are those of v0.

v0: first version.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import permutations
from typing import ClassVar, final

import numpy as np
from gymnasium.spaces import Box, Discrete

from walras.core.checks import require, require_episode, require_known, require_numbers
from walras.core.game import AbstractGame, End, State, Step
from walras.core.typing import Bools, Floats, Image, Ints
from walras.envs.cooperation.grid_map import GOALS, STAY, GridMap, others_open, read_map, steps_to

LAVA = """
{} . . . . . . . . {}
.  . . . . . . . . .
.  . ~ ~ ~ ~ ~ ~ . .
.  . ~ ~ ~ ~ ~ ~ . .
.  . ~ ~ ~ ~ ~ ~ . .
.  . ~ ~ ~ ~ ~ ~ . .
.  . ~ ~ ~ ~ ~ ~ . .
.  . ~ ~ ~ ~ ~ ~ . .
.  . . . . . . . . .
{} . . . . . . . . {}
"""
CORNERS = {2: ("1b", ".", ".", "2a"), 3: ("1c", "2", "b", "3a"), 4: ("1c", "2d", "4b", "3a")}
DOOR_A = """
. . . # . . . . . .
. . . # . . . # . .
1 . . B . 2 a # . b
. . . # . . . # . .
. . . # . . . # . .
"""
DOOR_B = """
. . . # . . . b . .
. . . # . . . # . .
1 . . B . 2 . # . a
. . . # . . . # . .
. . . # . . . # . .
"""


@dataclass(frozen=True)
class GridWorldState(State):
    """Where the agents stand."""

    position: Ints  # [B, N, 2] row and column
    clock: Ints  # [B] steps taken
    collided: Bools  # [B] whether a move was cancelled in the last step


@final
@dataclass(frozen=True)
class GridWorld(AbstractGame[GridWorldState]):
    """N agents on a map, each with a goal of its own, rewarded together.

    Raises
    ------
    ValueError If the map is refused (see `walras.envs.cooperation.grid_map.read_map`), or `finish` names no goal or one
    that is not there.
    """

    own: ClassVar[int] = 2
    """Leading entries of an observation that are the agent's own state."""

    map: str = LAVA.format(*CORNERS[2])
    finish: str | None = None
    lava_waits: bool = True
    horizon: int = 100
    discount: float = 0.99

    def __post_init__(self) -> None:
        require_numbers(self)
        require_episode(self.horizon, self.discount)
        goals = GOALS[: len(self.grid.goal)]
        finish = "".join(sorted(set(goals if self.finish is None else self.finish)))
        require(finish != "" and set(finish) <= set(goals), "finish", f"be letters out of {goals}", self.finish)
        object.__setattr__(self, "finish", finish)
        object.__setattr__(self, "map", self.grid.text(self.grid.start))

    @classmethod
    def lava(cls, agents: int = 2) -> "GridWorld":
        """Return the lava map of [1]: a ring two cells wide, and agents whose goals lie in the opposite corners.

        Parameters
        ----------
        agents : {2, 3, 4}
            How many.

        Raises
        ------
        ValueError
            If there is no such map.
        """
        require(agents in CORNERS, "agents", "be 2, 3 or 4", agents)
        return cls(LAVA.format(*CORNERS[agents]))

    @classmethod
    def door(cls, case: str = "a") -> "GridWorld":
        """Return a door map of [1]: agent 2 opens the door for agent 1, whose arrival ends the episode.

        Parameters
        ----------
        case : {"a", "b"}
            In case b agent 2's goal is the only gap in agent 1's way.

        Raises
        ------
        ValueError
            If there is no such case.
        """
        require_known(case, "case", ("a", "b"))
        return cls(DOOR_A if case == "a" else DOOR_B, finish="a")

    def alone(self, agent: int) -> "GridWorld":
        """Return the game of one agent alone, in which its personal demonstrations are made.

        Doors that others open stand open. It ends on the agent's own goal.

        Parameters
        ----------
        agent : int
            Place on the agent axis, from 0.

        Raises
        ------
        ValueError
            If there is no such agent.
        """
        agents = len(self.grid.goal)
        require(0 <= agent < agents, "agent", f"lie in 0 .. {agents - 1}", agent)
        door = np.where(self.grid.door == agent, 0, -1)
        start, goal = self.grid.start[[agent]], self.grid.goal[[agent]]
        single = GridMap(self.grid.shape, self.grid.wall, self.grid.lava, door, start, goal)
        return replace(self, map=single.text(start), finish="a")

    @cached_property
    def grid(self) -> GridMap:
        """The map as arrays."""
        return read_map(self.map)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``agent_1`` .. ``agent_N``."""
        return tuple(f"agent_{i + 1}" for i in range(len(self.grid.goal)))

    @cached_property
    def finishers(self) -> Ints:
        """The agents that must stand on their goals, by their places on the agent axis."""
        assert self.finish is not None
        return np.array([GOALS.index(letter) for letter in self.finish])

    @property
    def ends(self) -> End:
        """The horizon is a rule."""
        return "rule"

    @cached_property
    def observation_space(self) -> Box:
        """See the module's table."""
        high = np.tile(np.array(self.grid.shape, dtype=np.float64) - 1, len(self.agents))
        return Box(np.zeros_like(high), high, dtype=np.float64)

    @cached_property
    def action_space(self) -> Discrete:
        """Left, right, row + 1, row - 1, stay."""
        return Discrete(5)

    def noise(self, rng: np.random.Generator, steps: int) -> Ints:
        """Which of the N! orders of moves, ``[steps]``."""
        return rng.integers(self._orders.shape[1], size=steps)

    def reset(self, noise: Ints) -> GridWorldState:
        """Put the agents on their starts."""
        rows = len(noise)
        position = np.repeat(self.grid.coordinates[self.grid.start][None], rows, axis=0)
        return GridWorldState(position, np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.bool_))

    def step(self, state: GridWorldState, action: Ints, noise: Ints) -> Step[GridWorldState]:
        """Move the agents in turn, and pay them all alike."""
        before = np.ascontiguousarray(self.cells(state.position).T)  # agents first: long loops run over rows
        cell, collided = _in_turn(before, self._wanted(before, action.T), self._orders.take(noise, axis=1))
        clock = state.clock + 1
        arrived = np.logical_and.reduce(cell[self.finishers] == self._finish_goals, axis=0)
        burnt = np.logical_or.reduce(self.grid.lava.take(cell), axis=0)
        if self.lava_waits:
            burnt &= ~collided
        reward = np.where(arrived, self.prize(clock), np.where(collided, -1.0, 0.0))
        position = self.grid.coordinates.take(np.ascontiguousarray(cell.T), axis=0)
        everyone = np.repeat(reward, len(cell)).reshape(position.shape[:2])
        return Step(GridWorldState(position, clock, collided), everyone, arrived | burnt)

    def observe(self, state: GridWorldState) -> Floats:
        """Show each agent all positions, its own first."""
        return state.position.reshape(len(state.position), -1)[:, self._circle].astype(np.float64)

    def scripted(self, observation: Floats) -> Ints:
        """Take the first of the actions of `personal_actions`: naive imitation of one's own shortest path."""
        agent = np.arange(len(self.agents))
        return self._first_action[agent, self.cells(observation[..., :2].astype(np.int64))]

    def cells(self, position: Ints) -> Ints:
        """Return the cells of ``position [..., 2]``, rows and columns."""
        return position[..., 0] * self.grid.shape[1] + position[..., 1]

    def prize(self, clock: Ints | Floats) -> Floats:
        """Return what all agents get if they finish after `clock` steps."""
        return 10.0 - 9.0 * (clock / self.horizon)

    def _wanted(self, cell: Ints, action: Ints) -> Ints:
        """Return the cells ``[N, B]`` to which the agents would move if nobody stood in their way."""
        opened = cell[self._openers] == self.grid.goal[self._openers, None]
        doors = np.add.reduce(opened << np.arange(len(self._openers))[:, None], axis=0)
        _, cells, actions = self._moves.shape
        return self._moves.take((doors * cells + cell) * actions + action)

    @cached_property
    def _orders(self) -> Ints:
        """The agent that moves first, second and so on, in each order: ``[N, N!]``."""
        return np.array(list(permutations(range(len(self.grid.goal)))), dtype=np.int64).T.copy()

    @cached_property
    def _finish_goals(self) -> Ints:
        return self.grid.goal[self.finishers, None]

    @cached_property
    def _openers(self) -> Ints:
        """The agents that have doors."""
        return np.unique(self.grid.door[self.grid.door >= 0])

    @cached_property
    def _moves(self) -> Ints:
        """Where moves lead, ``[2^K, C, 5]``, as each of K agents has its doors open or closed."""
        opened = np.zeros((2 ** len(self._openers), len(self.agents)), dtype=np.bool_)
        opened[:, self._openers] = np.arange(len(opened))[:, None] >> np.arange(len(self._openers)) & 1
        return np.stack([self.grid.moves(case) for case in opened])

    @cached_property
    def _circle(self) -> Ints:
        """Where the entries of each agent's observation stand among all positions, ``[N, 2 N]``."""
        n = len(self.agents)
        agent = (np.arange(n)[:, None] + np.arange(n)) % n
        return (2 * agent[:, :, None] + np.arange(2)).reshape(n, 2 * n)

    @cached_property
    def _first_action(self) -> Ints:
        return personal_actions(self).argmax(axis=2)

    def text(self, state: GridWorldState) -> str:
        """Draw the map with the agents where they stand."""
        collided = ", collision" if state.collided[0] else ""
        return f"step {state.clock[0]}{collided}\n{self.grid.text(self.cells(state.position[0]))}"

    def image(self, state: GridWorldState) -> Image:
        """Draw the map with the agents where they stand."""
        from walras.envs.cooperation.grid_pictures import draw_positions

        return draw_positions(self.grid, state.position[0])


def shortest_steps(game: GridWorld) -> Floats:
    """Return each agent's steps to its goal from each cell, ``[N, C]``, as if it were alone: without lava.

    Doors that others open stand open. Infinite where there is no way.
    """
    opened = others_open(len(game.agents))
    return np.stack([steps_to(game.grid, agent, opened[agent]) for agent in range(len(opened))])


def personal_actions(game: GridWorld) -> Bools:
    """Return the actions that bring each agent from each cell nearer to its goal without lava, ``[N, C, 5]``.

    On its goal an agent stays, and so it does where it has no way; from lava it may leave. At least one action is true.
    """
    steps = shortest_steps(game)
    moves = np.stack([game.grid.moves(opened) for opened in others_open(len(steps))])
    after = np.take_along_axis(steps[:, :, None], moves, axis=1)
    best = after.min(axis=2, keepdims=True)
    found = (after == best) & np.isfinite(best) & (steps[:, :, None] > 0)
    found[..., STAY] |= ~found.any(axis=2)
    return found


def _in_turn(cell: Ints, wanted: Ints, order: Ints) -> tuple[Ints, Bools]:
    """Return the cells ``[N, B]`` after all have moved in their order, and whether a move was cancelled ``[B]``."""
    cell, (agents, rows) = cell.copy(), cell.shape
    each, flat = np.arange(rows), cell.reshape(agents * rows)
    collided = np.zeros(rows, dtype=np.bool_)
    for agent in order:
        place = agent * rows + each
        here, there = flat.take(place), wanted.take(place)
        taken = np.logical_or.reduce(cell == there, axis=0) & (there != here)
        flat[place] = np.where(taken, here, there)
        collided |= taken
    return cell, collided
