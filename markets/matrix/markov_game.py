r"""Finite Markov games: in each of S states a game in normal form, whose cell decides the next state.

.. math:: V_i(s) = \mathrm{E}\left[r_i(s, a) + \delta V_i(s')\right], \qquad s' \sim p(\cdot \mid s, a) .

With a horizon an episode has that many steps; without one it goes on, and the discount must be below 1. `from_game`
makes a Markov game of any game whose states, actions and noise are few.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias, final

import numpy as np
from gymnasium.spaces import Discrete
from numpy.typing import ArrayLike, NDArray

from walras.core.checks import as_shaped, require, require_each, require_whole
from walras.core.game import AbstractGame, State, map_state, take_rows
from walras.core.typing import Floats

SUMS = 1e-12
"""By how much the chances of next states may miss 1."""
Transition: TypeAlias = Any
"""``[S, A_1, .., A_N, S]``, or a sparse matrix of scipy, ``[S x cells, S]``."""


@final
@dataclass(frozen=True, eq=False)
class MarkovGame:
    """A game of N players in S states.

    Raises
    ------
    ValueError
        If shapes do not fit, an entry is not finite, chances are negative or do not sum to 1, or there is neither a
        horizon nor a discount below 1.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.markets.matrix import MarkovGame
    >>> stop = np.zeros((2, 2, 2, 2))  # one state that goes on if both players choose action 0, and one that stays
    >>> stop[0, 0, 0, 0] = stop[0, 0, 1, 1] = stop[0, 1, :, 1] = 1
    >>> stop[1, :, :, 1] = 1
    >>> game = MarkovGame(np.ones((2, 2, 2, 2)), stop, [1, 0], discount=0.9)
    >>> game.players, game.states, game.sizes
    (2, 2, (2, 2))
    """

    reward: Floats  # [N, S, A_1, .., A_N]
    transition: Transition
    start: Floats  # [S] chances of the first state
    horizon: int | None = None
    discount: float = 1.0

    def __post_init__(self) -> None:
        reward = np.array(self.reward, dtype=np.float64)
        require(reward.ndim >= 3 and reward.ndim == 2 + len(reward), "reward", "be [N, S, A_1, .., A_N]", reward.shape)
        require(min(reward.shape) >= 1, "reward", "have a state, and an action a player", reward.shape)
        require_each(np.isfinite(reward), "reward", "be finite", reward)
        reward.flags.writeable = False
        object.__setattr__(self, "reward", reward)
        object.__setattr__(self, "transition", self._checked(self.transition))
        start = as_shaped("start", self.start, (self.states,))
        require_each(start >= 0, "start", "hold chances", start)
        require(abs(start.sum() - 1) <= SUMS, "start", "sum to 1", float(start.sum()))
        object.__setattr__(self, "start", start)
        require(0 <= self.discount <= 1, "discount", "lie in [0, 1]", self.discount)
        if self.horizon is None:
            require(self.discount < 1, "discount", "be below 1 without a horizon", self.discount)
        else:
            require_whole(self.horizon, "horizon")

    def _checked(self, transition: Transition) -> Transition:
        """Return next states' chances as a read-only array, or as a sparse matrix."""
        rows = self.states * int(np.prod(self.sizes))
        if hasattr(transition, "tocsr"):
            sparse = transition.tocsr().astype(np.float64)
            require(sparse.shape == (rows, self.states), "transition", f"be {[rows, self.states]}", sparse.shape)
            require_each(sparse.data >= 0, "transition", "hold chances", sparse.data)
            self._check_sums(np.asarray(sparse.sum(axis=1)).ravel())
            return sparse
        shape = (self.states, *self.sizes, self.states)
        dense = as_shaped("transition", transition, shape).copy()
        require_each(dense >= 0, "transition", "hold chances", dense)
        self._check_sums(dense.sum(axis=-1).ravel())
        dense.flags.writeable = False
        return dense

    def _check_sums(self, sums: Floats) -> None:
        table = sums.reshape(self.states, *self.sizes)
        require_each(np.abs(table - 1) <= SUMS, "transition", "have chances that sum to 1 in each cell", table)

    @property
    def players(self) -> int:
        """N."""
        return len(self.reward)

    @property
    def states(self) -> int:
        """S."""
        return self.reward.shape[1]

    @property
    def sizes(self) -> tuple[int, ...]:
        """A_1 .. A_N."""
        return self.reward.shape[2:]

    def after(self, value: Floats) -> Floats:
        """Return the mean of ``value [N, S]`` over next states, ``[N, S, A_1, .., A_N]``."""
        if hasattr(self.transition, "tocsr"):
            return (self.transition @ value.T).T.reshape(self.reward.shape)
        return np.moveaxis(self.transition @ value.T, -1, 0)

    def stages(self, value: Floats) -> Floats:
        """Return the payoffs of the game in each state if the future is worth ``value [N, S]``, ``[S, N, A_1, ..]``."""
        return np.moveaxis(self.reward + self.discount * self.after(value), 1, 0)

    def chances(self, player: int) -> Floats:
        """Return the next states' chances, ``[S, A_i, others, S]``, the own action first."""
        dense = self.transition.toarray() if hasattr(self.transition, "tocsr") else self.transition
        dense = np.moveaxis(dense.reshape(self.states, *self.sizes, self.states), player + 1, 1)
        return dense.reshape(self.states, self.sizes[player], -1, self.states)

    def rewards(self, player: int) -> Floats:
        """Return a player's rewards, ``[S, A_i, others]``."""
        return np.moveaxis(self.reward[player], player + 1, 1).reshape(self.states, self.sizes[player], -1)


def from_game(
    game: AbstractGame[Any],
    noise: ArrayLike,
    weights: ArrayLike,
    actions: ArrayLike | None = None,
    limit: int = 100_000,
) -> MarkovGame:
    """Return a game as a Markov game, by trying all actions in all states that can be reached.

    States are told apart by the bytes of their fields, so a clock among them is unrolled. Where the game ends, a state
    follows in which nothing is earned.

    Parameters
    ----------
    game : AbstractGame
        A game whose noise has K values in a step.
    noise : array_like
        ``[K, ...]``, as `AbstractGame.noise` draws it.
    weights : array_like
        ``[K]``, their chances.
    actions : array_like, optional
        ``[M, A]``, the actions that are tried; all of a discrete space by default.
    limit : int
        States, at most.

    Raises
    ------
    ValueError
        If more states can be reached, chances do not sum to 1, or the actions of a continuous space are not given.
    """
    atoms, chance = np.asarray(noise), np.asarray(weights, dtype=np.float64)
    require(
        chance.shape == (len(atoms),) and abs(chance.sum() - 1) <= SUMS, "weights", "sum to 1, one an atom", weights
    )
    found = _Reached(limit)
    first = found.numbers(game.reset(atoms))
    joint = _joint(game, actions)
    rewards, rows, columns, values = [], [], [], []
    layers = game.horizon if game.ends == "rule" else limit  # after the last step nothing is earned
    while found.waiting and len(rewards) < layers:
        at, state = found.frontier()
        outcome, reward = _tried(game, state, joint, atoms)
        going = np.flatnonzero(~outcome.terminated)
        numbers = np.full(len(outcome.terminated), -1)
        numbers[going] = found.numbers(take_rows(outcome.state, going))
        rewards.append(np.einsum("smkn,k->nsm", reward, chance))
        cells = (np.array(at)[:, None] * len(joint) + np.arange(len(joint)))[:, :, None]
        rows.append(np.broadcast_to(cells, (*cells.shape[:2], len(atoms))).ravel())
        columns.append(numbers)
        values.append(np.broadcast_to(chance, (*cells.shape[:2], len(atoms))).ravel())
    return _assembled(
        game, found.count, len(joint), rewards, [np.concatenate(p) for p in (rows, columns, values)], first, chance
    )


class _Reached:
    """States by their bytes, in the order in which they were found."""

    def __init__(self, limit: int) -> None:
        self.limit, self.place = limit, dict[bytes, int]()
        self.waiting: list[tuple[int, Any]] = []

    @property
    def count(self) -> int:
        return len(self.place)

    def numbers(self, state: State) -> NDArray[np.int64]:
        """Return the states' numbers; those that are new wait to be tried."""
        parts = [np.ascontiguousarray(getattr(state, f.name)) for f in fields(state)]  # type: ignore[arg-type]
        keys = [b"".join(part[b].tobytes() for part in parts) for b in range(len(parts[0]))]
        for b, key in enumerate(keys):
            if key not in self.place:
                self.place[key] = len(self.place)
                self.waiting.append((self.place[key], take_rows(state, slice(b, b + 1))))
        rule = f"have at most {self.limit} states, or `limit` be more"
        require(self.count <= self.limit, "game", rule, f"{self.count} or more")
        return np.array([self.place[key] for key in keys])

    def frontier(self) -> tuple[list[int], Any]:
        """Return all states that wait, and forget that they do."""
        at, states = zip(*self.waiting, strict=True)
        self.waiting = []
        return list(at), map_state(_joined, *states)


def _joined(*parts: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate(parts)


def _joint(game: AbstractGame[Any], actions: ArrayLike | None) -> NDArray[Any]:
    """Return all joint actions, ``[M, N, A]``, the first player's action the most significant."""
    space = game.action_space
    if actions is None:
        require(isinstance(space, Discrete), "actions", "be given in a continuous space", None)
        actions = np.arange(space.start, space.start + space.n)  # type: ignore[attr-defined] - a Discrete
    own = np.asarray(actions)
    index = np.stack(np.meshgrid(*[np.arange(len(own))] * len(game.agents), indexing="ij"), axis=-1)
    return own[index.reshape(-1, len(game.agents))]


def _tried(game: AbstractGame[Any], state: State, joint: NDArray[Any], atoms: NDArray[Any]) -> tuple[Any, Floats]:
    """Return what follows each state, joint action and noise, and the rewards ``[S, M, K, N]``."""
    count = len(getattr(state, fields(state)[0].name))  # type: ignore[arg-type] - a dataclass
    at, action, luck = (part.ravel() for part in np.indices((count, len(joint), len(atoms))))
    outcome = game.step(take_rows(state, at), joint[action], atoms[luck])
    return outcome, outcome.reward.reshape(count, len(joint), len(atoms), -1)


def _assembled(
    game: AbstractGame[Any],
    count: int,
    cells: int,
    rewards: Sequence[Floats],
    parts: Sequence[NDArray[Any]],
    first: NDArray[np.int64],
    chance: Floats,
) -> MarkovGame:
    """Return the game of `count` states, and one more in which it is over."""
    from scipy.sparse import coo_array

    players = len(game.agents)
    size = round(cells ** (1 / players))
    tried = sum(part.shape[1] for part in rewards)
    reward = np.concatenate([*rewards, np.zeros((players, count + 1 - tried, cells))], axis=1)
    rows, columns, values = parts
    over = np.arange(tried * cells, (count + 1) * cells)
    rows = np.concatenate([rows, over])
    columns = np.concatenate([np.where(columns < 0, count, columns), np.full(len(over), count)])
    values = np.concatenate([values, np.ones(len(over))])
    transition = coo_array((values, (rows, columns)), shape=((count + 1) * cells, count + 1)).tocsr()
    start = np.bincount(first, weights=chance, minlength=count + 1).astype(np.float64)
    rule = game.ends == "rule"
    return MarkovGame(
        reward.reshape(players, count + 1, *[size] * players),
        transition,
        start,
        horizon=game.horizon if rule else None,
        discount=1.0 if rule else game.discount,
    )
