r"""Double oracle: equilibria of games with many or infinitely many actions, from best replies to those of few.

The players' strategies so far make a restricted game. Its equilibrium is found, each player's best reply to it in the
whole game joins, and so on [1]_. The equilibrium of the restricted game counts only if its own regrets say so; else the
best coarse correlated device takes its place (`rounds` tells of which kind each meta-strategy was). What the best
replies gain bounds the distance from an equilibrium of the whole game:

- below, what a reply attains when it is played against the mixture;
- above, what no reply exceeds: the same where replies are proved to be best, or what one would gain that knows the
draws.

A game joins by an `Oracle`. Matrix games have one, and every game of the suite that registers its best deviation of one
step (`StageOracle`): Cournot, day ahead at either settlement, supply functions, allocation, Cournot in networks. Two
firms that name prices have one on the continuum (`walras.equilibria.normal_form.price_duopoly`), and auctions of a grid
of bids one of bid functions (`walras.equilibria.auctions.grid_auction`).

Games in which actions move later rewards have none: storages, repeated and Markov games, forwards. There
a strategy is a plan, and the best reply to a mixture of plans depends on all that was seen of it.
`walras.equilibria.solve` and `walras.equilibria.gap` take these games.

Where no best reply exists, only a supremum, as that of undercutting a rival's price by next to nothing, replies are cut
down to whole ticks. Then it ends when none is new, and what is left is what a tick is worth: `gap_upper` does not know
of ticks.

References
----------
[1] H. B. McMahan, G. J. Gordon, A. Blum, Planning in the presence of cost functions controlled by an adversary, ICML
    2003.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, Protocol, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from walras.core.checks import require, require_known, require_whole
from walras.core.display import Shown
from walras.core.game import AbstractGame
from walras.core.typing import Floats
from walras.equilibria.normal_form.bimatrix import TOL
from walras.equilibria.normal_form.correlated import correlated
from walras.equilibria.normal_form.nash import nash
from walras.markets.normal_form import MatrixGame, as_chances

NEGLIGIBLE = 1e-12
"""Weight of a cell, or of a strategy, that is left out."""
NEAR = 1e-9
"""Share of a tick that is rounding."""
MOST_CELLS = 1_000_000
"""Cells of a restricted game above which strategies without weight are dropped."""


class Reply(NamedTuple):
    """A best reply to a mixture."""

    action: NDArray[Any]  # [A]
    most: float  # what no reply earns more than


class Oracle(Protocol):
    """A game of N players as payoffs of actions, and best replies to mixtures."""

    def payoffs(self, actions: NDArray[Any]) -> Floats:
        """Return ``[K, N]`` of joint actions ``[K, N, A]``."""
        ...

    def reply(self, player: int, actions: NDArray[Any], weights: Floats) -> Reply:
        """Return a best reply to joint actions ``[S, N, A]`` of weights ``[S]``; the player's own count for nothing."""
        ...


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class MetaSolution(Shown):
    """A mixture over strategies, and how far it is from an equilibrium of the whole game."""

    strategies: tuple[NDArray[Any], ...]  # N arrays [k_i, A]
    mixture: Floats  # [k_1, .., k_N] weights of cells
    value: Floats  # [N]
    gap_lower: Floats  # [N] attained
    gap_upper: Floats  # [N] proved
    rounds: tuple[str, ...]  # of which kind the meta-strategy of each round was
    ended: Literal["converged", "stalled", "limit"]


@final
@dataclass(frozen=True)
class MatrixOracle:
    """A game in normal form, by its payoffs; actions are numbers, ``[.., N, 1]``."""

    game: MatrixGame

    def payoffs(self, actions: NDArray[Any]) -> Floats:
        """Return the payoffs of cells."""
        return self.game.payoff[(slice(None), *actions[:, :, 0].T)].T

    def reply(self, player: int, actions: NDArray[Any], weights: Floats) -> Reply:
        """Return the best action, by its mean payoff."""
        own = np.moveaxis(self.game.payoff[player], player, 0)
        others = np.delete(actions[:, :, 0], player, axis=1)
        cells = own[(slice(None), *others.T)].reshape(len(own), -1)  # of a player alone, one column
        worth = np.broadcast_to(cells, (len(own), len(weights))) @ weights
        return Reply(np.array([worth.argmax()]), float(worth.max()))


@final
@dataclass(frozen=True)
class StageOracle:
    """A stage game of the suite in one state, by its registered best replies.

    Raises
    ------
    TypeError
        If the game is no stage game.
    """

    game: AbstractGame[Any]
    observation: Floats  # [N, O] of the state

    def __post_init__(self) -> None:
        from walras.equilibria.gap import stage_of

        if stage_of(self.game) is None:
            rule = "be a stage game, where actions move rewards of their own step alone"
            other = "`solve` and `gap` take games whose state goes on"
            raise TypeError(f"`game` must {rule}; got {type(self.game).__name__}. {other}.")

    def payoffs(self, actions: NDArray[Any]) -> Floats:
        """Return the rewards of the step."""
        return self._stage.rewards(self.game, self._seen(len(actions)), actions)

    def reply(self, player: int, actions: NDArray[Any], weights: Floats) -> Reply:
        """Return the registered answer; where it is not proved to be best, what one would gain that knows the draws."""
        stage, seen = self._stage, self._seen(len(actions))
        value, answer = stage.replies(self.game, seen[None], player, actions[None], weights[None])
        if stage.proved or (stage.proved_alone and len(actions) == 1):
            return Reply(answer[0], float(value[0]))
        own = stage.rewards(self.game, seen, actions)[:, player] + stage.hindsight(self.game, seen, actions)[:, player]
        return Reply(answer[0], float(own @ weights))

    @property
    def _stage(self) -> Any:  # noqa: ANN401 - a `Stage`
        from walras.equilibria.gap import stage_of

        return stage_of(self.game)

    def _seen(self, rows: int) -> Floats:
        return np.broadcast_to(self.observation, (rows, *self.observation.shape))


def double_oracle(
    game: MatrixGame | Oracle,
    start: ArrayLike,
    *,
    meta: str = "nash",
    tol: float = 1e-6,
    max_iter: int = 100,
    tick: float = 0.0,
) -> MetaSolution:
    """Return a mixture of strategies from which no player gains much.

    Parameters
    ----------
    game : MatrixGame or Oracle
        The game; `StageOracle` makes an oracle of a state of the suite's markets.
    start : array_like
        ``[N, A]``, a joint action; of a matrix game ``[N]`` numbers. Or ``[K, N, A]``, of which each player has K
        strategies to begin with.
    meta : {"nash", "cce"}
        What is found of the restricted games: a Nash equilibrium, or the coarse correlated device of the largest
        welfare.
    tol : float
        Gain of each player that ends it, in payoffs.
    max_iter : int
        Rounds, at most.
    tick : float
        To a multiple of which replies are cut down; 0 leaves them as they are.

    Raises
    ------
    TypeError
        If `game` is neither a matrix game nor an oracle.
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.equilibria import double_oracle
    >>> from walras.markets.matrix.random_games import zero_sum
    >>> game = zero_sum(np.random.default_rng(0), 1, (30, 30))[0]
    >>> found = double_oracle(game, [0, 0])
    >>> found.ended, bool(found.gap_upper.max() <= 1e-6)
    ('converged', True)
    """
    require_known(meta, "meta", ("cce", "nash"))
    require(tol >= 0, "tol", "not be negative", tol)
    require_whole(max_iter, "max_iter")
    require(0 <= tick < np.inf, "tick", "be finite and not negative", tick)
    oracle = _oracle_of(game)
    strategies = _first(np.asarray(start))
    rounds: list[str] = []
    while True:
        restricted = _restricted(oracle, strategies)
        mixture, kind = _meta(restricted, meta)
        rounds.append(kind)
        found, replies = _judged(oracle, strategies, restricted, mixture, rounds)
        if found.gap_upper.max() <= tol:
            return _ended(found, "converged")
        if len(rounds) == max_iter:
            return _ended(found, "limit")
        if mixture.size > MOST_CELLS:
            strategies = _with_weight(strategies, mixture)
        larger = [_joined(own, _cut(reply.action, tick)) for own, reply in zip(strategies, replies, strict=True)]
        if all(len(new) == len(old) for new, old in zip(larger, strategies, strict=True)):
            return _ended(found, "stalled")
        strategies = larger


def _oracle_of(game: MatrixGame | Oracle) -> Oracle:
    if isinstance(game, MatrixGame):
        return MatrixOracle(game)
    if all(callable(getattr(game, name, None)) for name in ("payoffs", "reply")):
        return game
    rule = "be a matrix game or an oracle, such as `StageOracle(game, observation)` of a stage game"
    raise TypeError(f"`game` must {rule}; got {type(game).__name__}.")


def _first(start: NDArray[Any]) -> list[NDArray[Any]]:
    """Return each player's first strategies ``[k_i, A]``, in the order in which they are given."""
    require(1 <= start.ndim <= 3 and start.size > 0, "start", "have shape [N], [N, A] or [K, N, A]", start.shape)
    every = start[None, :, None] if start.ndim == 1 else start[None] if start.ndim == 2 else start
    order = [np.sort(np.unique(own, axis=0, return_index=True)[1]) for own in every.swapaxes(0, 1)]
    return [every[rows, i] for i, rows in enumerate(order)]


def _cut(action: NDArray[Any], tick: float) -> NDArray[Any]:
    """Return an action cut down to whole ticks; what lies within rounding below one is one."""
    return action if tick == 0 else np.floor(action / tick + NEAR) * tick


def _restricted(oracle: Oracle, strategies: Sequence[NDArray[Any]]) -> MatrixGame:
    """Return the game of the strategies so far."""
    sizes = [len(own) for own in strategies]
    payoff = oracle.payoffs(_cells(strategies, np.arange(int(np.prod(sizes)))))
    return MatrixGame(payoff.T.reshape(len(sizes), *sizes))


def _cells(strategies: Sequence[NDArray[Any]], numbers: NDArray[Any]) -> NDArray[Any]:
    """Return the joint actions ``[K, N, A]`` of cells by their numbers."""
    index = np.unravel_index(numbers, [len(own) for own in strategies])
    return np.stack([own[k] for own, k in zip(strategies, index, strict=True)], axis=1)


def _meta(game: MatrixGame, meta: str) -> tuple[Floats, str]:
    """Return the weights of cells, and what they are: Nash only if their regrets say so."""
    if meta == "nash":
        found = nash(game, throw=False)
        if game.regret(found.mixed) <= TOL:
            joint = found.mixed[0]
            for own in found.mixed[1:]:
                joint = joint[..., None] * own
            return joint, "nash"
    return correlated(game, "cce").joint, "coarse correlated"


def _judged(
    oracle: Oracle, strategies: Sequence[NDArray[Any]], game: MatrixGame, mixture: Floats, rounds: Sequence[str]
) -> tuple[MetaSolution, list[Reply]]:
    """Return a mixture with what best replies gain, and these."""
    mixture = as_chances(np.where(mixture > NEGLIGIBLE, mixture, 0.0))  # what is judged is what is returned
    some = np.flatnonzero(mixture)
    weights = mixture.ravel()[some]
    actions = _cells(strategies, some)
    value = game.payoff.reshape(game.players, -1)[:, some] @ weights
    replies = [oracle.reply(i, actions, weights) for i in range(game.players)]
    attained = np.array([_attained(oracle, actions, weights, i, reply) for i, reply in enumerate(replies)])
    upper = np.maximum(np.array([reply.most for reply in replies]), attained) - value
    found = MetaSolution(
        strategies=tuple(strategies),
        mixture=mixture,
        value=value,
        gap_lower=np.maximum(attained - value, 0.0),
        gap_upper=np.maximum(upper, 0.0),
        rounds=tuple(rounds),
        ended="limit",
    )
    return found, replies


def _attained(oracle: Oracle, actions: NDArray[Any], weights: Floats, player: int, reply: Reply) -> float:
    """Return what a reply earns when it is played against the mixture."""
    changed = actions.copy()
    changed[:, player] = reply.action
    return float(oracle.payoffs(changed)[:, player] @ weights)


def _joined(strategies: NDArray[Any], action: NDArray[Any]) -> NDArray[Any]:
    """Return strategies with one more, unless it is among them."""
    known = np.all(strategies == action, axis=tuple(range(1, strategies.ndim))).any()
    return strategies if known else np.concatenate([strategies, action[None]])


def _with_weight(strategies: Sequence[NDArray[Any]], mixture: Floats) -> list[NDArray[Any]]:
    """Return the strategies that are played."""
    players = range(mixture.ndim)
    shares = [mixture.sum(axis=tuple(j for j in players if j != i)) for i in players]
    return [own[share > NEGLIGIBLE] for own, share in zip(strategies, shares, strict=True)]


def _ended(found: MetaSolution, how: Literal["converged", "stalled", "limit"]) -> MetaSolution:
    return replace(found, ended=how)
