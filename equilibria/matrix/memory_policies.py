r"""Best responses to policies with a bounded memory, and what they gain.

The others' policies depend on the last joint actions alone. So player i faces a Markov decision problem whose states
are those pasts: its best response needs no longer memory, and is found exactly. It comes with four numbers, which
differ in what a deviation may be and where it starts:

| number | deviations | where |
|---|---|---|
| `one_shot_gap` | one other action, then back to the own policy | largest over the path |
| `gap` | any | at the start |
| `path_gap` | any | largest over the path |
| `subgame_gap` | any | largest over all states, those that play never reaches as well |

The path holds what play reaches from the start; there :math:`\text{one-shot} \le \text{path} \le \text{subgame}`. No
gain from one-shot deviations *in all states* is an equilibrium; none *on the path* is not, unless what follows off the
path is optimal too: what deters a deviation there may be a reaction that is itself no best response.

*Deterministic policies.* Policy iteration from the player's own policy. Evaluation walks the functional graph of the
chain, in O(S); improvement looks one period ahead for each of the rivals' actions, not for each state.

*Policies that draw.* Modified policy iteration [1]_. After a sweep that changed values by between l and h, the optimum
lies between l and h times :math:`\delta / (1 - \delta)` above them; `width` is the distance of these bounds.

References
----------
[1] M. L. Puterman, Markov Decision Processes, Wiley, 1994, sections 6.5-6.6.
"""

from dataclasses import dataclass
from functools import cached_property, singledispatch
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from walras.core.checks import require, require_each
from walras.core.game import AbstractGame
from walras.core.typing import Bools, Floats, Ints
from walras.envs.matrix.repeated_matrix_game import RepeatedMatrixGame
from walras.envs.matrix.repeated_pricing import RepeatedPricing
from walras.markets.normal_form import rows_of

ROUNDING = 1e-13
"""Share of the spread of a player's values up to which a gain is rounding."""
WIDTH = 1e-12
"""Distance of the bounds against policies that draw, as a share of that spread; more if rounding asks for it."""


@final
@dataclass(frozen=True, eq=False)
class MemoryGame:
    """A stage game that is repeated, and what is remembered of its past: S states, in G groups.

    After the joint action m, a number in row-major order, the state ``base[group[s]] + m`` follows s.
    """

    payoff: Floats  # [N, A_1, .., A_N]
    base: Ints  # [G]
    group: Ints  # [S]
    start: Floats  # [S] chances of the first state
    discount: float

    @property
    def actions(self) -> tuple[int, ...]:
        """A_1 .. A_N."""
        return self.payoff.shape[1:]

    @cached_property
    def level(self) -> Floats:
        """The least value that a player's payoffs allow, ``[N]``: values are counted from it until they are found."""
        return self.payoff.reshape(len(self.payoff), -1).min(axis=1) / (1 - self.discount)

    @cached_property
    def spread(self) -> Floats:
        """By how much no two values of a player differ more, ``[N]``."""
        return np.ptp(self.payoff.reshape(len(self.payoff), -1), axis=1) / (1 - self.discount)

    def joint(self, actions: Ints) -> Ints:
        """Return the numbers ``[..., S]`` of joint actions ``[..., N, S]``."""
        return np.asarray(np.ravel_multi_index(tuple(np.moveaxis(actions, -2, 0)), self.actions))

    def next_state(self, joint: Ints) -> Ints:
        """Return what follows each state ``[..., S]`` after the joint actions ``[..., S]``."""
        return self.base[self.group] + joint

    def chain(self, policies: Ints) -> Ints:
        """Return what follows each state, ``[B, S]``, under ``policies [B, N, S]``."""
        return self.next_state(self.joint(policies))

    def of_player(self, i: int) -> "_Own":
        """Return the game as a player sees it: own actions in rows, the others' joint actions in columns."""
        number = np.arange(self.payoff[0].size).reshape(self.actions)
        own = self.payoff[i] - self.payoff[i].min()
        u, joint = (np.ascontiguousarray(rows_of(part, i)) for part in (own, number))
        return _Own(u, joint, self.base, self.group)


class _Own(NamedTuple):
    """A memory game in the arrays of the kernels."""

    u: Floats  # [A, R] payoffs, less the least one
    joint: Ints  # [A, R]
    base: Ints  # [G]
    group: Ints  # [S]


@final
@dataclass(frozen=True, eq=False)
class MemoryResponses:
    """Best responses to B profiles, and what they are worth; values are discounted sums over play without end."""

    value: Floats  # [B, N, S] of the profile
    once: Floats  # [B, N, S] of the best deviation of one period
    best: Floats  # [B, N, S] of the best response; of policies that draw, the middle of its bounds
    reply: Ints  # [B, N, S] the best response
    width: Floats  # [B, N] distance of the bounds on `best`, and on `value`; rounding alone against pure policies
    start: Floats  # [B, S] chances of the first state
    path: Bools  # [B, S] what play reaches

    @property
    def start_value(self) -> Floats:
        """Value of the profile at the start, ``[B, N]``."""
        return np.einsum("bns,bs->bn", self.value, self.start)

    @cached_property
    def gain(self) -> Floats:
        """What the best response gains in each state, ``[B, N, S]``."""
        return np.maximum(self.best - self.value, 0.0)

    @property
    def gap(self) -> Floats:
        """What the best response gains at the start, ``[B, N]``."""
        return np.einsum("bns,bs->bn", self.gain, self.start)

    @property
    def one_shot_gap(self) -> Floats:
        """The most that a deviation of one period gains on the path, ``[B, N]``."""
        return self._on_path(np.maximum(self.once - self.value, 0.0))

    @property
    def path_gap(self) -> Floats:
        """The most that any deviation gains on the path, ``[B, N]``."""
        return self._on_path(self.gain)

    @property
    def subgame_gap(self) -> Floats:
        """The most that any deviation gains in any state, ``[B, N]``."""
        return self.gain.max(axis=2)

    @property
    def path_share(self) -> Floats:
        """The most that any deviation gains on the path, as a share of the value there, ``[B, N]``."""
        return self._on_path(self._share(self.gain))

    @property
    def one_shot_share(self) -> Floats:
        """The most that a deviation of one period gains on the path, as a share of the value there, ``[B, N]``."""
        return self._on_path(self._share(np.maximum(self.once - self.value, 0.0)))

    @property
    def subgame_share(self) -> Floats:
        """The most that any deviation gains in any state, as a share of the value there, ``[B, N]``."""
        return self._share(self.gain).max(axis=2)

    def _share(self, gain: Floats) -> Floats:
        """Return gains as shares of the values; of a value of zero any gain is an infinite share."""
        none = np.where(gain > 0, np.inf, 0.0)
        return np.divide(gain, np.abs(self.value), out=none, where=self.value != 0)

    def _on_path(self, gains: Floats) -> Floats:
        return np.where(self.path[:, None], gains, 0.0).max(axis=2)


@singledispatch
def memory_game(game: Any) -> MemoryGame:  # noqa: ANN401 - single dispatch
    """Return a repeated game as its stage game and what is remembered.

    Raises
    ------
    TypeError
        If it is no game that is repeated with a bounded memory.
    """
    if isinstance(game, MemoryGame):
        return game
    raise TypeError(f"`game` must be repeated with a bounded memory, as RepeatedPricing; got {type(game).__name__}.")


@memory_game.register
def _(game: RepeatedPricing) -> MemoryGame:
    groups = game.states // game.profits[0].size
    start = np.full(game.states, 1 / game.states)
    if game.start is not None:
        first = game.state_index(game.reset(np.zeros((1, game.memory, len(game.cost)))))
        start = (np.arange(game.states) == first).astype(np.float64)
    return MemoryGame(
        game.profits,
        np.arange(groups) * game.profits[0].size,
        np.arange(game.states) % groups,
        start,
        game.discount,
    )


@memory_game.register
def _(game: RepeatedMatrixGame) -> MemoryGame:
    """Return the game by what is remembered; without memory, by the last joint action, to which nobody reacts.

    Raises
    ------
    ValueError
        If monitoring is noisy: what others do then does not follow from what a player remembers.
    """
    require(not game.noisy, "game", "show what was done, with a monitoring of 1", game.monitoring)
    cells, memory = game.game.payoff[0].size, max(game.memory, 1)
    shorter = np.cumsum([0, *(cells**k for k in range(memory))])  # pasts that are shorter than each length
    base = np.concatenate([shorter[k + 1] + np.arange(cells**k) * cells for k in range(memory)])
    longest = shorter[-2] + np.arange(cells**memory) % cells ** (memory - 1)
    group = np.concatenate([np.arange(shorter[-1]), longest])
    start = np.zeros(len(group))
    start[0] = 1.0
    return MemoryGame(game.game.payoff, base, group, start, game.discount)


def memory_best_response(
    game: AbstractGame[Any] | MemoryGame, policies: ArrayLike, start: ArrayLike | None = None
) -> MemoryResponses:
    """Return each player's best response to each of B profiles of policies with memory.

    Parameters
    ----------
    game : RepeatedPricing, RepeatedMatrixGame or MemoryGame
        The repeated game, with S states of memory.
    policies : array_like
        ``[B, N, S]`` whole numbers: the action in each state; or ``[B, N, S, A]``: the chances of each action, with
        A the largest number of actions of a player.
    start : array_like, optional
        ``[B]``: the state in which the play of each profile starts; as the game says by default.

    Raises
    ------
    TypeError
        If the game is none of these.
    ValueError
        If the shape is wrong, an action or a state is unknown, or chances are negative or do not sum to 1.
    """
    repeated = memory_game(game)
    table = _checked(repeated, np.asarray(policies))
    first = _first(repeated, len(table), start)
    if table.ndim == 3:
        path = _pure_path(repeated, table, first > 0)
        return MemoryResponses(*_pure_responses(repeated, table), start=first, path=path)
    path = mixed_path(repeated, table, first > 0)
    return MemoryResponses(*_mixed_responses(repeated, table), start=first, path=path)


def _checked(game: MemoryGame, table: NDArray[Any]) -> NDArray[Any]:
    players, states = len(game.actions), len(game.group)
    many = np.array(game.actions)[:, None]
    if table.dtype.kind in "iu":
        require(table.shape[1:] == (players, states), "policies", f"have shape [B, {players}, {states}]", table.shape)
        require_each((table >= 0) & (table < many), "policies", "hold known actions", table)
        return table.astype(np.int64)
    wanted = (players, states, max(game.actions))
    require(table.shape[1:] == wanted, "policies", f"have shape [B, {', '.join(map(str, wanted))}]", table.shape)
    table = table.astype(np.float64)
    require_each(table >= 0, "policies", "hold chances that are not negative", table)
    sums = table.sum(axis=3)
    require_each(np.abs(sums - 1) <= 1e-9, "policies", "hold chances that sum to 1", sums)
    known = np.arange(wanted[2]) < many[..., None]
    require_each(known | (table == 0), "policies", "give unknown actions no chance", table)
    return table / sums[..., None]


def _first(game: MemoryGame, rows: int, start: ArrayLike | None) -> Floats:
    """Return the chances of the first state, ``[B, S]``."""
    states = len(game.group)
    if start is None:
        return np.broadcast_to(game.start, (rows, states))
    given = np.asarray(start)
    require(given.shape == (rows,), "start", f"have shape [{rows}]", given.shape)
    require(given.dtype.kind in "iu", "start", "hold whole numbers", given)
    require_each((given >= 0) & (given < states), "start", f"hold states, 0 to {states - 1}", given)
    return (np.arange(states) == given[:, None]).astype(np.float64)


def _rivals(game: MemoryGame, table: Ints, i: int) -> Ints:
    """Return the numbers of the others' joint actions, ``[B, S]``."""
    others = [table[:, j] for j in range(table.shape[1]) if j != i]
    counts = [count for j, count in enumerate(game.actions) if j != i]
    return np.ravel_multi_index(tuple(others), tuple(counts)) if others else np.zeros_like(table[:, 0])


def joint_chances(game: MemoryGame, chances: Floats, without: int | None = None) -> Floats:
    """Return the chances of joint actions, ``[S, M]``, of ``chances [N, S, A]``; without a player, of the others'."""
    joint = np.ones((chances.shape[1], 1))
    for j, count in enumerate(game.actions):
        if j != without:
            joint = (joint[:, :, None] * chances[j, :, None, :count]).reshape(len(joint), -1)
    return joint


def _pure_responses(game: MemoryGame, table: Ints) -> tuple[Floats, Floats, Floats, Ints, Floats]:
    """Return values of the profiles, of deviations of one period and of best responses, these, and their error."""
    from walras.equilibria.matrix.memory_policies_compiled import pure_response

    value, once, best = (np.empty(table.shape) for _ in range(3))
    reply, width = np.empty(table.shape, dtype=np.int64), np.empty(table.shape[:2])
    for i in range(table.shape[1]):
        own, rivals = game.of_player(i), _rivals(game, table, i)
        for b in range(len(table)):
            places = value[b, i], once[b, i], best[b, i], reply[b, i]
            tol = ROUNDING * float(game.spread[i])
            _, lacking = pure_response(*own, rivals[b], table[b, i], game.discount, tol, *places)
            width[b, i] = lacking / (1 - game.discount)
    for part in (value, once, best):
        part += game.level[:, None]
    return value, once, best, reply, width


def _mixed_responses(game: MemoryGame, chances: Floats) -> tuple[Floats, Floats, Floats, Ints, Floats]:
    """Return the same against policies that draw."""
    from walras.equilibria.matrix.memory_policies_compiled import mixed_response, mixed_value
    from walras.markets.compiled import plain

    discount = float(game.discount)
    shape = chances.shape[:3]
    value, once, best = np.zeros(shape), np.empty(shape), np.empty(shape)
    reply, width = np.empty(shape, dtype=np.int64), np.empty(shape[:2])
    share = max(WIDTH, 16 * np.finfo(np.float64).eps / (1 - game.discount))
    for b, i in np.ndindex(shape[:2]):
        own, rivals = game.of_player(i), plain(joint_chances(game, chances[b], without=i))
        policy = plain(chances[b, i, :, : game.actions[i]])
        tol = share * float(game.spread[i])
        apart = mixed_value(*own, rivals, policy, discount, tol, value[b, i])
        places = value[b, i], once[b, i], best[b, i], reply[b, i]
        _, between = mixed_response(*own, rivals, discount, tol, *places)
        width[b, i] = apart + between
    for part in (value, once, best):
        part += game.level[:, None]
    return value, once, best, reply, width


def _pure_path(game: MemoryGame, table: Ints, first: Bools) -> Bools:
    from walras.equilibria.matrix.memory_policies_compiled import reached

    path = first.copy()
    for row, chain in zip(path, game.chain(table), strict=True):
        reached(chain, row)
    return path


def mixed_path(game: MemoryGame, chances: Floats, first: Bools) -> Bools:
    """Return what play by ``chances [B, N, S, A]`` can reach from ``first [B, S]``."""
    from walras.equilibria.matrix.memory_policies_compiled import reached_by_chance
    from walras.markets.compiled import plain

    path = first.copy()
    for row, each in zip(path, chances, strict=True):
        reached_by_chance(plain(joint_chances(game, each) > 0, np.bool_), game.base, game.group, row)
    return path


def grim_trigger_threshold(game: AbstractGame[Any] | MemoryGame, together: ArrayLike, punishment: ArrayLike) -> Floats:
    """Return the discount from which each player keeps to joint actions that are punished for ever, ``[N]``.

    A player that deviates has its best answer's payoff once, and that of the punishment ever after. So it keeps to the
    joint action if the discount is at least (deviation - together) / (deviation - punishment); the punishment itself
    must be an equilibrium of the stage game for the threat to be credible.

    Parameters
    ----------
    game : RepeatedPricing, RepeatedMatrixGame or MemoryGame
        The repeated game.
    together, punishment : array_like
        ``[N]``: the numbers of the actions.

    Raises
    ------
    ValueError
        If an action is unknown.
    """
    repeated = memory_game(game)
    here, there = (_known(repeated, name, of) for name, of in (("together", together), ("punishment", punishment)))
    every = range(len(repeated.actions))
    deviation = np.array([repeated.payoff[(i, *here[:i], slice(None), *here[i + 1 :])].max() for i in every])
    kept, punished = (np.array([repeated.payoff[(i, *at)] for i in every]) for at in (here, there))
    with np.errstate(divide="ignore", invalid="ignore"):
        threshold = (deviation - kept) / (deviation - punished)
    return np.where(deviation == kept, 0.0, np.where(deviation > punished, threshold, np.inf))


def grim_trigger(game: AbstractGame[Any] | MemoryGame, together: ArrayLike, punishment: ArrayLike) -> Ints:
    """Return the policies ``[N, S]`` that keep to joint actions while all did last period, and else punish.

    Parameters and errors as of `grim_trigger_threshold`.
    """
    repeated = memory_game(game)
    here, there = (_known(repeated, name, of) for name, of in (("together", together), ("punishment", punishment)))
    kept = np.zeros(len(repeated.group), dtype=np.bool_)
    kept[repeated.base + np.ravel_multi_index(here, repeated.actions)] = True
    return np.where(kept, np.array(here)[:, None], np.array(there)[:, None])


def _known(game: MemoryGame, name: str, actions: ArrayLike) -> tuple[int, ...]:
    given = np.asarray(actions)
    require(given.shape == (len(game.actions),), name, f"hold {len(game.actions)} actions", given)
    require_each((given >= 0) & (given < np.array(game.actions)), name, "hold known actions", given)
    return tuple(int(action) for action in given)
