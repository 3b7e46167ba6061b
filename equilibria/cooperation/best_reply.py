r"""The exact best reply of one agent in a small grid world, against what the others draw at each joint position.

The others take actions :math:`a_{-i}` with chances :math:`\pi_{-i}(a_{-i} \mid s)` at the joint position s, whatever
the time. What agent i attains at best from s after t steps is

.. math:: V_t(s) = \max_{a_i} \sum_{a_{-i}} \pi_{-i}(a_{-i} \mid s)\, Q_t(s, a_i, a_{-i}),

where :math:`Q_t` is what the joint action yields in expectation over the orders of moves, with :math:`V_{t+1}` after
(`walras.equilibria.cooperation.grid_world`). An agent sees all positions, so the joint position and the clock are all
that matters to it: with all of its past it does no better, and the answer is exact for both classes of deviators.

The unilateral gap is that value less the profile's own, `exact_return`. It is zero in the joint optimum, and can be
zero far from it: where nobody moves, nobody may gain by moving alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from walras.core.checks import require, require_each
from walras.core.game import Actions
from walras.core.policy import Mixed, Policy, Random
from walras.core.rollout import rollout
from walras.core.typing import Bools, Floats, Ints
from walras.envs.cooperation.grid_map import MOVES, STAY
from walras.envs.cooperation.grid_world import GridWorld, GridWorldState
from walras.equilibria.cooperation.grid_world import (
    action_values,
    exact_return,
    is_small,
    joint_chances,
    joint_model,
    joint_place,
    joint_positions,
    prizes,
    require_chances,
    solve_grid_world,
    start_place,
)

Choices: TypeAlias = NDArray[np.int8]
"""Actions, of which there is one at each joint position and step."""
CHECKED = 1024
"""Episodes in which a declaration is checked."""
CALLS = 65536
"""Draws at the joint positions that are visited, in all; at least 16 at each."""
ERRORS = 6.0
"""Standard errors by which a mean may differ from the declared one."""


@final
@dataclass(frozen=True, eq=False)
class TimedTable:
    """A policy that knows one action of each agent for each joint position and step: `act_at`."""

    game: GridWorld
    action: Choices  # [T, S, N]

    def act_at(self, observation: Floats, step: int, rng: np.random.Generator) -> Actions:
        """Return the actions ``[B, N]`` at a step, counted from 0."""
        everyone = observation[:, 0].reshape(len(observation), -1, 2).astype(np.int64)
        return self.action[min(step, len(self.action) - 1), joint_place(self.game, everyone)].astype(np.int64)

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the actions of the first step; callers that count steps ask `act_at`, without which it is no reply."""
        return self.act_at(observation, 0, rng)


def best_reply(game: GridWorld, agent: int, chances: Floats) -> tuple[float, Choices] | None:
    """Return what an agent attains at best against the others, and how; none where the game is not small.

    Parameters
    ----------
    game : GridWorld
        The game.
    agent : int
        Place on the agent axis, from 0.
    chances : array
        ``[S, N, 5]`` how likely each agent takes each action at each of the S `joint_positions`, independently of the
        others; the agent's own are not used.

    Returns
    -------
    value : float
        Expected return of an episode, undiscounted.
    action : array
        ``[T, S]`` the agent's action at each step and joint position; of equal ones the first.

    Raises
    ------
    ValueError
        If there is no such agent, the shape is another, or chances are negative or do not sum to one.
    """
    agents = len(game.agents)
    require(0 <= agent < agents, "agent", f"lie in 0 .. {agents - 1}", agent)
    if not is_small(game):
        return None
    require_chances(game, chances)
    model, before, after = joint_model(game), joint_chances(chances[:, :agent]), joint_chances(chances[:, agent + 1 :])
    best, value = np.empty((game.horizon, len(chances)), dtype=np.int8), np.zeros(len(chances))
    for step, prize in zip(range(game.horizon - 1, -1, -1), prizes(game), strict=True):
        joint = action_values(model, value, prize).reshape(len(before), len(MOVES), len(after), -1)
        own = np.einsum("ias,is->as", np.einsum("iajs,js->ias", joint, after), before)
        best[step], value = own.argmax(axis=0), own.max(axis=0)
    return float(value[start_place(game)]), best


def unilateral_gaps(game: GridWorld, chances: Floats) -> tuple[Floats, float, TimedTable] | None:
    """Return what each agent gains by its best reply ``[N]``, the profile's value, and the replies; none if not small.

    Parameters
    ----------
    game : GridWorld
        The game.
    chances : array
        As `best_reply`, of all agents.

    Returns
    -------
    gain : array
        ``[N]``, an episode, exactly; not negative but for rounding.
    value : float
        What all agents attain by the profile, exactly.
    replies : TimedTable
        Agent i's column, played alone, gains ``gain[i]``.
    """
    replies = [best_reply(game, agent, chances) for agent in range(len(game.agents))]
    found = [reply for reply in replies if reply is not None]
    if len(found) < len(replies):
        return None
    value = exact_return(game, chances)
    gain = np.array([best for best, _ in found]) - value
    return gain, value, TimedTable(game, np.stack([action for _, action in found], axis=2))


def chances_of(game: GridWorld, policy: Policy) -> Floats | None:
    """Return the chances ``[S, N, 5]`` that a policy declares at the `joint_positions`; none if it does not.

    Policies that declare a mixture (`walras.core.policy.Mixed`), and the random policy. None where the game is not
    small.

    Raises
    ------
    ValueError
        If what it declares are no chances of the game's actions.
    """
    known: object = policy
    if not is_small(game):
        return None
    position = joint_positions(game)
    shape = (len(position), len(game.agents), len(MOVES))
    if isinstance(known, Random):
        return np.full(shape, 1 / len(MOVES))
    if not isinstance(known, Mixed):
        return None
    weights, actions = known.mixture(_seen(game, position))
    known = (actions >= 0) & (actions < len(MOVES))
    require_each(known, "policy", "declare actions of the game", actions)
    place = np.arange(shape[0] * shape[1])[:, None] * len(MOVES) + actions.reshape(shape[0] * shape[1], -1)
    chances = np.zeros(shape)
    np.add.at(chances.reshape(-1), place.ravel(), weights.ravel())
    require_chances(game, chances)
    return chances


def stakes(game: GridWorld) -> Floats | None:
    """Return what is at stake for each agent, ``[N]``: the reference solution's value less that if it alone stays.

    None where the game is not small.
    """
    solved = chances_of(game, solve_grid_world(game).policy)
    if solved is None:
        return None
    value, found = exact_return(game, solved), np.empty(len(game.agents))
    for agent in range(len(found)):
        idle = solved.copy()
        idle[:, agent] = np.arange(len(MOVES)) == STAY
        found[agent] = value - exact_return(game, idle)
    return found


def check_chances(
    game: GridWorld, policy: Policy, chances: Floats, seeds: Sequence[int], *, episodes: int = CHECKED
) -> str | None:
    """Return why `policy` does not draw by ``chances [S, N, 5]``, or none.

    It is watched in play and, at the joint positions that it visits, asked again.

    Parameters
    ----------
    game : GridWorld
        A small game.
    policy : Policy
        Acts for all agents.
    chances : array
        What it declares, see `chances_of`.
    seeds : sequence of int
        All chance follows from them.
    episodes : int
        How many are played.
    """
    own = np.random.SeedSequence([len(seeds), *seeds])
    trajectory = rollout(game, policy, own.generate_state(episodes).tolist())
    place = joint_place(game, trajectory.state.position[:-1][trajectory.alive])
    visited = np.unique(place)
    seen, rng = _seen(game, joint_positions(game)[visited]), np.random.default_rng(own)
    once = _taken(trajectory.action[trajectory.alive])
    calls = max(16, CALLS // len(visited))
    often = _taken(policy.act(np.tile(seen, (calls, 1, 1)), rng)).reshape(calls, *seen.shape[:2], len(MOVES))
    for taken, declared in ((once, chances[place]), (often, chances[visited])):
        if (taken & (declared == 0)).any():
            agent = int(np.argwhere(taken & (declared == 0))[0][-2])
            return f"{game.agents[agent]} takes an action to which it gives no chance"
    variance = _variance(chances[place])
    if _deviates(once - chances[place], variance) or _strays(often, chances[visited]):
        return "in play, its chances are not the declared ones"
    if _are_correlated(once, chances[place]):
        return "in play, agents do not draw independently"
    total = trajectory.total[:, 0]
    error, value = total.std() / np.sqrt(episodes), exact_return(game, chances)
    unseen = float(game.prize(np.zeros(()))) / episodes  # what happens in one episode of all moves the mean by so much
    if abs(total.mean() - value) <= ERRORS * (error + unseen):
        return None
    return f"it earns {total.mean():.6g} in play and not {value:.6g}, as it declares"


def _taken(action: Ints) -> Bools:
    """Return which action each agent takes, ``[B, N, 5]``."""
    return action[..., None] == np.arange(len(MOVES))


def _strays(taken: Bools, chances: Floats) -> bool:
    """Return whether ``taken [R, M, N, 5]`` of R calls have other chances: products of two calls then have a mean."""
    apart, calls = taken - chances, len(taken)
    product = apart.sum(axis=0) ** 2 - (apart**2).sum(axis=0)
    return _deviates(product, 2 * calls * (calls - 1) * _variance(chances) ** 2)


def _are_correlated(taken: Bools, chances: Floats) -> bool:
    """Return whether actions ``taken [M, N, 5]`` of two agents go together."""
    apart, variance = taken - chances, _variance(chances)
    pairs = zip(*np.triu_indices(chances.shape[1], 1), strict=True)
    return any(_deviates(*(x[:, i, :, None] * x[:, j, None] for x in (apart, variance))) for i, j in pairs)


def _variance(chances: Floats) -> Floats:
    return chances * (1 - chances)


def _deviates(sample: Floats, variance: Floats) -> bool:
    """Return whether a sum of ``sample [M, ...]`` is not zero by `ERRORS`, judged by declared and found variances."""
    error = np.sqrt(np.maximum(variance.sum(axis=0), (sample**2).sum(axis=0)))
    return bool((np.abs(sample.sum(axis=0)) > ERRORS * error + 1e-9).any())


def _seen(game: GridWorld, position: Ints) -> Floats:
    """Return what agents see at ``position [S, N, 2]``."""
    rows = len(position)
    return game.observe(GridWorldState(position, np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.bool_)))
