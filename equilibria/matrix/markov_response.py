r"""Best responses in finite Markov games, to B profiles at once.

Against the others' policies player i faces a Markov decision problem,

.. math:: V_i(s) = \max_a \sum_{a_{-i}} \pi_{-i}(a_{-i} \mid s)
    \left[r_i(s, a, a_{-i}) + \delta \sum_{s'} p(s' \mid s, a, a_{-i}) V_i(s')\right] .

With a horizon it is solved by backward induction, without one by policy iteration from the player's own policy.
Policies are tables ``[B, N, S, A]``, or ``[B, N, T, S, A]`` with the step; A is the largest number of actions, and
actions that a player does not have get no chance.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import require, require_each
from walras.core.typing import Floats, Ints
from walras.markets.matrix.markov_game import MarkovGame

CHUNK = 2**20
"""Entries of the players' decision problems that are held at once."""
ROUNDS = 1_000
"""Improvements of a policy, at most; each is strict, and a handful is usual."""
ROUNDING = 1e-12
"""Share of the spread of values by which an action must be better to be taken instead."""


@final
@dataclass(frozen=True, eq=False)
class MarkovResponses:
    """Best responses to B profiles; T is the horizon, or 1 without one."""

    value: Floats  # [B, N, T, S] of the profile
    best: Floats  # [B, N, T, S] of the best response
    reply: Ints  # [B, N, T, S] the best response
    start: Floats  # [S]

    @property
    def start_value(self) -> Floats:
        """Value of the profile at the start, ``[B, N]``."""
        return self.value[:, :, 0] @ self.start

    @property
    def gap(self) -> Floats:
        """What the best response gains at the start, ``[B, N]``."""
        return np.maximum(self.best - self.value, 0.0)[:, :, 0] @ self.start

    @property
    def subgame_gap(self) -> Floats:
        """The most that the best response gains in any state and step, ``[B, N]``."""
        return np.maximum(self.best - self.value, 0.0).max(axis=(2, 3))


def best_response(game: MarkovGame, policies: ArrayLike) -> MarkovResponses:
    """Return each player's best response to each of B profiles, and what it is worth.

    Parameters
    ----------
    game : MarkovGame
        With or without a horizon.
    policies : array_like
        Chances of each action, ``[B, N, S, A]``, or ``[B, N, T, S, A]`` in a game with the horizon T.

    Raises
    ------
    ValueError
        If shapes do not fit, or chances are negative, do not sum to 1, or fall on actions that a player does not have.
    """
    table = checked_policies(game, policies)
    rows, players, _, states, _ = table.shape
    value, best = np.empty((2, rows, players, game.horizon or 1, states))
    reply = np.empty(value.shape, dtype=np.int64)
    for part in _chunks(game, rows):
        for i in range(players):
            solve = _stationary if game.horizon is None else _backward
            value[part, i], best[part, i], reply[part, i] = solve(game, table[part], i)
    return MarkovResponses(value, best, reply, game.start)


def checked_policies(game: MarkovGame, policies: ArrayLike) -> Floats:
    """Return policies as ``[B, N, T, S, A]``, T being 1 where they do not depend on the step."""
    table = np.asarray(policies, dtype=np.float64)
    table = table[:, :, None] if table.ndim == 4 else table
    wanted = (game.players, game.states, max(game.sizes))
    shape = (*table.shape[1:2], *table.shape[3:])
    require(table.ndim == 5 and shape == wanted, "policies", f"be [B, {', '.join(map(str, wanted))}]", table.shape)
    steps = {1} if game.horizon is None else {1, game.horizon}
    require(table.shape[2] in steps, "policies", f"have {' or '.join(map(str, sorted(steps)))} steps", table.shape)
    require_each(table >= 0, "policies", "hold chances", table)
    require_each(np.abs(table.sum(axis=-1) - 1) <= 1e-9, "policies", "sum to 1", table.sum(axis=-1))
    known = np.arange(wanted[2]) < np.array(game.sizes)[:, None]
    require_each(known[:, None, None] | (table == 0), "policies", "give actions that do not exist no chance", table)
    return table


def of_others(game: MarkovGame, table: Floats, player: int) -> Floats:
    """Return the chances of the others' joint actions, ``[.., S, others]``, of ``table [.., N, S, A]``."""
    joint = np.ones((*table.shape[:-3], game.states, 1))
    for j, size in enumerate(game.sizes):
        if j != player:
            joint = (joint[..., None] * table[..., j, :, None, :size]).reshape(*joint.shape[:-1], -1)
    return joint


def _chunks(game: MarkovGame, rows: int) -> Iterator[slice]:
    size = max(1, CHUNK // (game.states**2 * max(game.sizes)))
    return (slice(start, start + size) for start in range(0, rows, size))


def _problem(game: MarkovGame, table: Floats, player: int) -> tuple[Floats, Floats]:
    """Return rewards ``[B, S, A]`` and next states' chances ``[B, S, A, S]`` against ``table [B, N, S, A]``."""
    others = of_others(game, table, player)
    size, states = game.sizes[player], game.states
    reward = np.einsum("bsr,sar->bsa", others, game.rewards(player))
    flat = game.chances(player).transpose(0, 2, 1, 3).reshape(states, others.shape[-1], size * states)
    chances = others.swapaxes(0, 1) @ flat  # [S, B, A x S]
    return reward, chances.swapaxes(0, 1).reshape(len(table), states, size, states)


def _backward(game: MarkovGame, table: Floats, player: int) -> tuple[Floats, Floats, Ints]:
    """Return values, best values and replies, ``[B, T, S]``."""
    assert game.horizon is not None
    rows, _, steps, states, _ = table.shape
    value, best = np.zeros((2, rows, game.horizon + 1, states))
    reply = np.zeros((rows, game.horizon, states), dtype=np.int64)
    fixed = _problem(game, table[:, :, 0], player)
    for t in reversed(range(game.horizon)):
        now = table[:, :, min(t, steps - 1)]
        reward, chances = fixed if steps == 1 else _problem(game, now, player)
        ahead = np.stack([value[:, t + 1], best[:, t + 1]], axis=-1)
        worth = reward[..., None] + game.discount * (chances @ ahead[:, None])  # [B, S, A, 2]
        own = now[:, player, :, : reward.shape[2]]
        value[:, t] = np.einsum("bsa,bsa->bs", own, worth[..., 0])
        reply[:, t] = worth[..., 1].argmax(axis=2)
        best[:, t] = worth[..., 1].max(axis=2)
    return value[:, :-1], best[:, :-1], reply


def _stationary(game: MarkovGame, table: Floats, player: int) -> tuple[Floats, Floats, Ints]:
    """Return values, best values and replies, ``[B, 1, S]``, by policy iteration."""
    reward, chances = _problem(game, table[:, :, 0], player)
    own = table[:, player, 0, :, : reward.shape[2]]
    level, most = game.reward[player].min(), game.reward[player].max()
    reward = reward - level  # so that differences of values are not rounded away, however large rewards are
    value = _evaluated(game, reward, chances, own)
    best, reply = value, own.argmax(axis=2)
    slack = ROUNDING * ((most - level) / (1 - game.discount) + 1e-300)
    for _ in range(ROUNDS):
        worth = reward + game.discount * (chances @ best[:, None, :, None])[..., 0]
        better = worth.max(axis=2) > np.take_along_axis(worth, reply[..., None], axis=2)[..., 0] + slack
        reply = np.where(better, worth.argmax(axis=2), reply)
        after = _evaluated(game, reward, chances, np.eye(reward.shape[2])[reply])
        moved = np.abs(after - best).max()
        best = np.maximum(after, best)
        if moved <= slack:
            break
    least = level / (1 - game.discount)
    return value[:, None] + least, np.maximum(best, value)[:, None] + least, reply[:, None]


def _evaluated(game: MarkovGame, reward: Floats, chances: Floats, own: Floats) -> Floats:
    """Return the values ``[B, S]`` of ``own [B, S, A]``."""
    flow = np.einsum("bsa,bsat->bst", own, chances)
    paid = np.einsum("bsa,bsa->bs", own, reward)
    return np.linalg.solve(np.eye(game.states) - game.discount * flow, paid[..., None])[..., 0]
