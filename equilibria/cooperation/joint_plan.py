"""Joint plans of a grid world: paths of all agents that hold whatever the order of moves.

Agent i may step from c to c' at time t if no other agent stands on c' at t or t + 1, nor on c at t + 1.
Then no order of moves makes two agents meet, so the plan is certain although the order is drawn anew at each step.

The search is prioritised planning [1]_ with restarts: agents plan one after the other, each around the paths of those
before, in an order drawn at random; of the paths that are left each draws one, step by step among the moves from which
its goal can still be reached in time, or among those that reach it soonest; one that need not arrive may end anywhere.
It finds plans; that it finds none proves nothing.

References
----------
[1] M. Erdmann, T. Lozano-Perez, On multiple moving objects, Algorithmica 2, 1987.
"""

from dataclasses import dataclass
from math import factorial
from typing import final

import numpy as np

from walras.core.game import Actions, take_rows
from walras.core.policy import pure
from walras.core.typing import Bools, Floats, Ints
from walras.envs.cooperation.grid_map import MOVES, STAY
from walras.envs.cooperation.grid_world import GridWorld

ARRIVES = 0.5
"""How often an agent that need not arrive plans to, as one that opens a door must."""
HURRY = 0.5
"""How often an agent plans to be on its goal as soon as it can, as one that opens a door must."""


@final
@dataclass(frozen=True, eq=False)
class JointPlan:
    """A policy that follows a plan, and takes each agent along its personal shortest path when off it."""

    game: GridWorld
    position: Ints  # [T, N, 2] before each step
    action: Ints  # [T, N]

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the actions ``[B, N]`` of the first step of the plan that starts where the agents stand."""
        everyone = observation[:, 0].reshape(-1, 1, *self.position.shape[1:])
        found = (everyone == self.position).all(axis=(2, 3))
        planned = self.action[found.argmax(axis=1)]
        return np.where(found.any(axis=1)[:, None], planned, self.game.scripted(observation))

    def mixture(self, observation: Floats) -> tuple[Floats, Actions]:
        """Return the one action of each agent, with weight 1; see `walras.core.policy.Mixed`."""
        return pure(self.act(observation, np.random.default_rng(0)))


def stay(game: GridWorld) -> JointPlan:
    """Return the plan of nobody ever moving."""
    start = game.grid.start
    return JointPlan(game, game.grid.coordinates[start][None], np.full((1, len(start)), STAY))


def find_plan(game: GridWorld, steps: int, rng: np.random.Generator) -> JointPlan | None:
    """Return a plan by which all who must arrive stand on their goals after `steps`, or none, after one try.

    Of the others, who may open doors, each ends on its goal or anywhere, one as likely as the other.

    Parameters
    ----------
    game : GridWorld
        The game.
    steps : int
        T, at least 1.
    rng : numpy.random.Generator
        Draws the order of planning and the paths.
    """
    grid, cells, actions = game.grid, dict[int, Ints](), dict[int, Ints]()
    moves = grid.moves(np.ones(len(grid.goal), dtype=np.bool_))
    for agent in rng.permutation(len(grid.goal)).tolist():
        free = _free_moves(game, cells, moves, steps)
        arrives = agent in game.finishers or rng.random() < ARRIVES
        goal = int(grid.goal[agent]) if arrives else None
        drawn = _draw_path(int(grid.start[agent]), goal, free, moves, rng)
        if drawn is None:
            return None
        cells[agent], actions[agent] = drawn
    order = range(len(grid.goal))
    kept = _without_loops(np.stack([cells[i] for i in order], axis=1))
    position = grid.coordinates[np.stack([cells[i][kept] for i in order], axis=1)]
    return JointPlan(game, position, np.stack([actions[i][kept] for i in order], axis=1))


def certain_return(game: GridWorld, plan: JointPlan) -> float:
    """Return the return of an episode that follows `plan`, after trying every order of moves at each of its steps.

    Raises
    ------
    ValueError
        If the order of moves can change where an agent stands, or what is paid.
    """
    orders = np.arange(factorial(len(game.agents)))
    state, total = game.reset(np.zeros(1, dtype=np.int64)), 0.0
    for action in plan.action[: game.horizon]:
        step = game.step(take_rows(state, np.zeros_like(orders)), np.repeat(action[None], len(orders), axis=0), orders)
        if (step.state.position != step.state.position[0]).any() or (step.reward != step.reward[0]).any():
            raise ValueError(f"`plan` must not depend on the order of moves; it does after {state.clock[0]} steps.")
        total += float(step.reward[0, 0])
        if step.terminated[0]:
            break
        state = take_rows(step.state, slice(1))
    return total


def _free_moves(game: GridWorld, others: dict[int, Ints], moves: Ints, steps: int) -> Bools:
    """Return which actions ``[T, C, 5]`` no other's path forbids: no lava, no closed door, no meeting in any order."""
    grid, time = game.grid, np.arange(steps)
    before, after = np.zeros((2, steps, grid.wall.size), dtype=np.bool_)  # whether another stands there
    for path in others.values():
        before[time, path[:-1]] = True
        after[time, path[1:]] = True
    stays = moves == np.arange(grid.wall.size)[:, None]
    enters = ~(before | _shut(game, others, steps))[:, moves] & ~stays
    idle = np.arange(len(MOVES)) == STAY
    return (enters | idle) & ~after[:, :, None] & ~after[:, moves] & ~grid.lava[moves]


def _shut(game: GridWorld, others: dict[int, Ints], steps: int) -> Bools:
    """Return which cells ``[T, C]`` are doors that no agent that has planned holds open."""
    grid = game.grid
    shut = np.repeat((grid.door >= 0)[None], steps, axis=0)
    for agent, path in others.items():
        shut &= (grid.door != agent) | (path[:-1] != grid.goal[agent])[:, None]
    return shut


def _draw_path(
    start: int, goal: int | None, free: Bools, moves: Ints, rng: np.random.Generator
) -> tuple[Ints, Ints] | None:
    """Draw a path ``[T + 1]`` from start to goal, or to anywhere, by free moves, and its actions ``[T]``, if any."""
    if rng.random() < HURRY and goal is not None:
        free = _hurried(start, goal, free, moves)
    useful = np.empty_like(free)
    reaches = np.full(len(moves), True) if goal is None else np.arange(len(moves)) == goal
    for t in reversed(range(len(free))):
        useful[t] = free[t] & reaches[moves]
        reaches = useful[t].any(axis=1)
    if not reaches[start]:
        return None
    path, actions = [start], list[int]()
    for step in useful:
        actions.append(int(rng.choice(np.flatnonzero(step[path[-1]]))))
        path.append(int(moves[path[-1], actions[-1]]))
    return np.array(path), np.array(actions)


def _hurried(start: int, goal: int, free: Bools, moves: Ints) -> Bools:
    """Return the free moves of an agent that must be on its goal as soon as it can be and stay there."""
    stays = np.logical_and.accumulate(free[::-1, goal, STAY])[::-1]
    at = np.arange(len(moves)) == start
    for t in range(len(free)):
        if at[goal] and stays[t]:
            only = free.copy()
            only[t:] = False
            only[t:, goal, STAY] = True
            return only
        at = np.isin(np.arange(len(moves)), moves[free[t] & at[:, None]])
    return free


def _without_loops(cells: Ints) -> Ints:
    """Return the times at which to act, of ``cells [T + 1, N]``, so that no joint position is taken twice."""
    kept, t = list[int](), 0
    while t < len(cells) - 1:
        kept.append(int(np.flatnonzero((cells[:-1] == cells[t]).all(axis=1))[-1]))
        t = kept[-1] + 1
    return np.array(kept)
