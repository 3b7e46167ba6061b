r"""The joint optimum of a grid world, exactly or between bounds that meet, and what naive imitation makes of it.

All agents are paid alike, so the joint optimum is the largest expected return of an episode, undiscounted, and each
agent's value is all of it.

**Small games** (joint positions times joint actions times orders of moves at most `LARGEST`: two agents on some 600
cells, three on 29). With :math:`V_{H+1} = 0` and the prize of arriving after t steps :math:`p_t`, value iteration over
the joint positions s,

.. math:: V_t(s) = \max_a \frac{1}{N!} \sum_\sigma \bigl[ -\mathbb{1}\{\text{collision}\}
   + p_t \mathbb{1}\{\text{arrival}\} + V_{t+1}(s') \mathbb{1}\{\text{goes on}\} \bigr],

where each of the N! orders :math:`\sigma` of moves is as likely. Transitions are those of the game's own `step`. Agents
do not see the clock, so the policy that is returned is stationary: what is best at the first step. Its own value is
computed by the same recursion, and the residual is the optimum less that value.

**Other games.** Above: an agent that must arrive needs the steps of its shortest path, each of which costs 9 / H; a
step that it survives in lava is a step with a collision, which costs 1. The cheapest such path of the worst agent
bounds the optimum. Below: a plan, found by search, that no order of moves can change
(`walras.equilibria.cooperation.joint_plan`). `value` is the upper bound, and the residual its distance from the lower
one.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from math import factorial
from typing import NamedTuple, final

import numpy as np

from walras.core.checks import require, require_each
from walras.core.concept import Concept
from walras.core.game import Actions
from walras.core.policy import Policy, pure
from walras.core.rollout import rollout
from walras.core.solution import Solution, Status
from walras.core.typing import Bools, Floats, Ints
from walras.envs.cooperation.grid_world import GridWorld, GridWorldState, personal_actions, shortest_steps
from walras.equilibria.cooperation.joint_plan import certain_return, find_plan, stay

LARGEST = 20_000_000
"""Transitions up to which the dynamic program runs."""
PLANS, PLANS_PER_LENGTH = 1000, 50
"""Plans that are tried where it does not, in all and for each number of steps."""
NAIVE_SEEDS = range(1024)
"""Episodes by which naive imitation is judged where the game is large."""


@final
@dataclass(frozen=True, kw_only=True)
class JointOptimum(Solution):
    """The joint optimum: `value` is that of an episode, undiscounted, which the policy misses by at most `residual`."""

    optimum: float  # no joint policy attains more
    attained: float  # what the policy attains at least
    personal: Floats  # [N] what each agent attains at best in the game of itself alone
    naive: Floats  # [N] what all attain together when each plays its own optimum alone
    exact: bool  # whether `value` and `naive` come from the dynamic program


@final
@dataclass(frozen=True)
class NaiveImitation:
    """Each agent draws evenly among the moves along its own shortest paths, as if it were alone."""

    game: GridWorld

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the actions ``[B, N]``."""
        shown = self._shown_at(observation)
        return np.where(shown, rng.random(shown.shape), -1.0).argmax(axis=2)

    def mixture(self, observation: Floats) -> tuple[Floats, Actions]:
        """Return the chances of all five actions; see `walras.core.policy.Mixed`."""
        shown = self._shown_at(observation)
        weights = shown / shown.sum(axis=2, keepdims=True)
        return weights, np.broadcast_to(np.arange(weights.shape[2]), weights.shape)

    def _shown_at(self, observation: Floats) -> Bools:
        """Return the moves along shortest paths, ``[B, N, 5]``."""
        cell = self.game.cells(observation[..., :2].astype(np.int64))
        return self._shown[np.arange(cell.shape[1]), cell]

    @cached_property
    def _shown(self) -> Bools:
        return personal_actions(self.game)


@final
@dataclass(frozen=True, eq=False)
class JointTable:
    """A policy that knows one joint action for each joint position."""

    game: GridWorld
    action: Ints  # [F^N, N] in the order of `joint_positions`

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the actions ``[B, N]``."""
        everyone = observation[:, 0].reshape(len(observation), -1, 2).astype(np.int64)
        return self.action[joint_place(self.game, everyone)]

    def mixture(self, observation: Floats) -> tuple[Floats, Actions]:
        """Return the one action of each agent, with weight 1; see `walras.core.policy.Mixed`."""
        return pure(self.act(observation, np.random.default_rng(0)))


def solve_grid_world(game: GridWorld, *, tol: float = 1e-9, max_iter: int = PLANS) -> JointOptimum:
    """Return the joint optimum of an episode, with each agent's own and that of naive imitation.

    Parameters
    ----------
    game : GridWorld
        The game.
    tol : float
        Largest distance between the bounds.
    max_iter : int
        Plans that are tried where the game is too large for the dynamic program.
    """
    best, exact = _bounds(game, max_iter), is_small(game)
    return JointOptimum(
        policy=best.policy,
        value=np.full(len(game.agents), best.upper),
        residual=best.upper - best.lower,
        iterations=best.iterations,
        status=Status.CONVERGED if best.upper - best.lower <= tol else Status.BOUNDS_APART,
        concept=Concept.JOINT_OPTIMUM,
        optimum=best.upper,
        attained=best.lower,
        personal=personal_optimum(game),
        naive=_naive(game) if exact else rollout(game, NaiveImitation(game), NAIVE_SEEDS).total.mean(axis=0),
        exact=exact,
    )


def personal_optimum(game: GridWorld) -> Floats:
    """Return what each agent attains in ``game.alone(agent)``, ``[N]``: the prize after its shortest path, or zero."""
    steps = np.maximum(shortest_steps(game)[np.arange(len(game.agents)), game.grid.start], 1.0)
    return np.where(steps <= game.horizon, game.prize(steps), 0.0)


def upper_bound(game: GridWorld) -> float:
    """Return what no joint policy can exceed: the prize after the cheapest path of the worst of those that must arrive.

    In lava, where it can be survived at all, a step costs as much as H / 9 steps elsewhere more.
    """
    grid, worst = game.grid, 0.0
    price = 1.0 + np.where(grid.lava, game.horizon / 9 if game.lava_waits else np.inf, 0.0)
    for agent in game.finishers:
        moves = grid.moves(np.arange(len(grid.goal)) != agent)
        cost = np.where(np.arange(grid.wall.size) == grid.goal[agent], 0.0, np.inf)
        for _ in range(game.horizon - 1):
            cost = np.minimum(cost, (price[moves] + cost[moves]).min(axis=1))
        first = moves[grid.start[agent]]
        worst = max(worst, float((price[first] + cost[first]).min()))
    return max(0.0, float(game.prize(np.array(worst))))


def is_small(game: GridWorld) -> bool:
    """Return whether the dynamic program runs on `game`."""
    agents = len(game.agents)
    positions = int((~game.grid.wall).sum()) ** agents
    return positions * 5**agents * factorial(agents) <= LARGEST


def joint_positions(game: GridWorld) -> Ints:
    """Return every joint position, ``[S, N, 2]``: tuples of cells that are no wall, the last agent's fastest."""
    cells, agents = np.flatnonzero(~game.grid.wall), len(game.agents)
    return game.grid.coordinates[cells[np.indices((len(cells),) * agents).reshape(agents, -1).T]]


def exact_return(game: GridWorld, chances: Floats) -> float:
    """Return the expected return of an episode, undiscounted, of a stationary policy: no simulation.

    Parameters
    ----------
    game : GridWorld
        A small game, see `is_small`.
    chances : array
        ``[S, N, 5]`` how likely each agent takes each action at each of the S `joint_positions`, independently of the
        others. The observations there are ``game.observe`` of a state with these positions.

    Raises
    ------
    ValueError
        If the game is not small, the shape is another, or chances are negative or do not sum to one.
    """
    model = joint_model(game)
    require_chances(game, chances)
    joint, value = joint_chances(chances), np.zeros(len(chances))
    for prize in prizes(game):
        value = np.einsum("as,as->s", joint, action_values(model, value, prize))
    return float(value[start_place(game)])


def require_chances(game: GridWorld, chances: Floats) -> None:
    """Raise ``ValueError`` unless ``chances [S, N, 5]`` are chances of actions at the `joint_positions`."""
    agents = len(game.agents)
    shape = (int((~game.grid.wall).sum()) ** agents, agents, 5)
    require(chances.shape == shape, "chances", f"have the shape {shape}", chances.shape)
    require_each(chances >= 0, "chances", "not be negative", chances)
    total = chances.sum(axis=2)
    require_each(np.abs(total - 1) <= 1e-9, "chances", "sum to one over the actions", total)


def joint_chances(chances: Floats) -> Floats:
    """Return the chances ``[5^K, S]`` of joint actions of K independent agents, of ``chances [S, K, 5]``."""
    joint = np.ones((1, len(chances)))
    for own in np.moveaxis(chances, 0, 2):
        joint = (joint[:, None] * own).reshape(-1, len(chances))
    return joint


class _Bounds(NamedTuple):
    upper: float  # of the joint optimum
    lower: float  # what the policy attains
    policy: Policy
    iterations: int


@lru_cache(maxsize=32)
def _bounds(game: GridWorld, max_iter: int) -> _Bounds:
    return _between_optimum_and_policy(game) if is_small(game) else _between_paths_and_plan(game, max_iter)


def _between_paths_and_plan(game: GridWorld, max_iter: int) -> _Bounds:
    """Return the bounds of a large game, the lower one from the shortest plan that is found."""
    upper, rng = upper_bound(game), np.random.default_rng(0)
    shortest = int(max(1.0, shortest_steps(game)[game.finishers, game.grid.start[game.finishers]].max()))
    for tried in range(max_iter):
        steps = shortest + tried // PLANS_PER_LENGTH
        plan = find_plan(game, steps, rng) if steps <= game.horizon else None
        if plan is not None:
            return _Bounds(upper, certain_return(game, plan), plan, tried + 1)
    nobody_moves = stay(game)
    return _Bounds(upper, certain_return(game, nobody_moves), nobody_moves, max_iter)


def _between_optimum_and_policy(game: GridWorld) -> _Bounds:
    """Return the optimum of a small game, and what its stationary policy attains."""
    model, agents = joint_model(game), len(game.agents)
    upper, chosen = _value_iteration(game, model)
    played = np.arange(len(chosen))
    only = JointModel(model.after[:, chosen, played][:, None], model.penalty[chosen, played][None])
    lower, _ = _value_iteration(game, only)
    action = np.stack(np.unravel_index(chosen, (5,) * agents), axis=1)
    start = start_place(game)
    return _Bounds(float(upper[start]), float(lower[start]), JointTable(game, action), game.horizon)


class JointModel(NamedTuple):
    """One step from each of S joint positions under each of A joint actions."""

    after: Ints  # [N!, A, S] the joint position after each order of moves; S where the episode failed, S + 1 on arrival
    penalty: Floats  # [A, S] what collisions are expected to cost, at most zero


@lru_cache(maxsize=1)
def joint_model(game: GridWorld) -> JointModel:
    """Return the transitions, from the game's own `step`.

    Raises
    ------
    ValueError
        If the game is not small.
    """
    require(is_small(game), "game", f"have at most {LARGEST} joint transitions, see `is_small`", game)
    position, agents = joint_positions(game), len(game.agents)
    rows, orders = len(position), factorial(agents)
    state = GridWorldState(position, np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.bool_))
    after = np.empty((orders, 5**agents, rows), dtype=np.int64)
    penalty = np.zeros((5**agents, rows))
    for place, action in enumerate(product(range(5), repeat=agents)):
        for order in range(orders):
            step = game.step(state, np.tile(action, (rows, 1)), np.full(rows, order))
            reward = step.reward[:, 0]
            ended = np.where(reward > 0, rows + 1, rows)
            after[order, place] = np.where(step.terminated, ended, joint_place(game, step.state.position))
            penalty[place] += np.minimum(reward, 0.0) / orders
    return JointModel(after, penalty)


def _value_iteration(game: GridWorld, model: JointModel) -> tuple[Floats, Ints]:
    """Return the optimum from each joint position ``[S]`` and the best joint action of the first step ``[S]``."""
    value, best = np.zeros((2, model.penalty.shape[1]))
    for prize in prizes(game):
        best = action_values(model, value, prize)
        value = best.max(axis=0)
    return value, best.argmax(axis=0)


def action_values(model: JointModel, value: Floats, prize: float) -> Floats:
    """Return what joint actions yield, ``[A, S]``, if arriving pays `prize` and what follows is worth ``value [S]``."""
    worth = np.append(value, (0.0, prize))
    total = np.zeros(model.penalty.shape)
    for after in model.after:
        total += worth[after]
    return model.penalty + total / len(model.after)


def prizes(game: GridWorld) -> list[float]:
    """Return the prizes of arriving at each step, from the last step to the first."""
    return game.prize(np.arange(game.horizon, 0, -1)).tolist()


def _naive(game: GridWorld) -> Floats:
    """Return what naive imitation attains, exactly, ``[N]``."""
    cell = game.cells(joint_positions(game))
    shown = personal_actions(game)[np.arange(cell.shape[1]), cell]
    return np.full(cell.shape[1], exact_return(game, shown / shown.sum(axis=2, keepdims=True)))


def joint_place(game: GridWorld, position: Ints) -> Ints:
    """Return where ``position [..., N, 2]`` stands among the `joint_positions`."""
    rank, agents = np.cumsum(~game.grid.wall) - 1, position.shape[-2]
    weight = (rank[-1] + 1) ** np.arange(agents)[::-1]
    return np.add.reduce(rank[game.cells(position)] * weight, axis=-1)


def start_place(game: GridWorld) -> int:
    """Return where the start of an episode stands among the `joint_positions`."""
    return int(joint_place(game, game.grid.coordinates[game.grid.start][None])[0])
