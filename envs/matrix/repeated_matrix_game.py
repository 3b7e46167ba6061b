r"""Repeated matrix game: a game in normal form, played again and again, with a memory of the last joint actions.

Description
-----------
N players choose actions of a game in normal form (`walras.markets.matrix.MatrixGame`) at the
same time, and see what all did, or, where monitoring is noisy, what each takes for it [2]_: the views are private, so
that no player knows what the others remember. The game goes on without end; values are discounted sums.

Agents
------
The players of the game, by their names.

State
-----
The last `memory` joint actions, ``[B, memory, N]``, the newest first; -1 where nothing was played yet. Where monitoring
is noisy, also what each player takes them for, ``[B, memory, N, N]``, those who look before those who are seen.

Action
------
``[B, N]``: the number of an action, 0 .. A - 1, with A the largest number of actions of a player. A player with fewer
plays its last one instead of those that it does not have.

Observation
-----------
| index | meaning | unit | low | high |
|---|---|---|---|---|
| 0 .. N - 1 | whose observation it is, one-hot | 1 | 0 | 1 |
| N .. N + A - 1 | which actions the player has | 1 | 0 | 1 |
| then `memory` x N x A | each player's action, one-hot, the newest joint action first; zeros before any | 1 | 0 | 1 |

Reward
------
The payoff of the joint action.

Starting state
--------------
Nothing was played.

Episode end
-----------
Never terminated; truncated after `horizon` steps.

Parameters
----------
game : the game in normal form; the prisoner's dilemma by default.
memory : joint actions that are remembered; 0 for play that does not react.
monitoring : chance, in (0, 1], that a player sees what another did; else it sees one of the other's other actions,
    each alike. It always knows its own. Rewards are those of what was done, and observations do not show them.
horizon : steps an episode.
discount : weight of the next reward, in [0, 1).

Solution
--------
To repeat a Nash equilibrium of the stage game, whatever happened, is an equilibrium for every
discount; `walras.equilibria.solve` finds one, a pure one of the largest welfare if there is any. The gap of a policy
that remembers what the state holds is exact (`walras.equilibria.matrix.memory_policies`). With noisy monitoring it is
exact of play that does not react; else what the others do does not follow from what a player remembers, and the gap is
that of a deviation that was played, with the payoffs of the stage game as upper end. The scripted rule answers the
last joint action best, as each sees it.

| default game | value of an episode without end, each |
|---|---|
| equilibrium: both defect | 20 |
| optimum: both cooperate | 60 |
| even draws | 45 |
| scripted rule: both defect | 20 |

References
----------
[1] G. J. Mailath, L. Samuelson, Repeated Games and Reputations, Oxford University Press, 2006.
[2] M. Kandori, Introduction to repeated games with private monitoring, Journal of Economic Theory 102, 2002.

Version history
---------------
v0: first version.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from gymnasium.spaces import Box, Discrete

from walras.core.checks import require, require_episode, require_numbers, require_whole
from walras.core.game import AbstractGame, State, Step
from walras.core.typing import Floats, Image, Ints
from walras.markets.matrix.named_games import prisoners_dilemma
from walras.markets.normal_form import MatrixGame, rows_of

MOST_STATES = 1_000_000
"""Remembered joint actions above which policies have no table."""


@dataclass(frozen=True)
class RepeatedMatrixState(State):
    """The last joint actions."""

    last: Ints  # [B, memory, N] numbers of actions, the newest first; -1 before any


@dataclass(frozen=True)
class SeenState(RepeatedMatrixState):
    """The last joint actions, and what each player takes them for."""

    seen: Ints  # [B, memory, N, N]: of each past, what player i takes for the action of j


@final
@dataclass(frozen=True)
class RepeatedMatrixGame(AbstractGame[RepeatedMatrixState]):
    """A game in normal form, repeated without end.

    Raises
    ------
    ValueError
        If the memory is negative or holds too many states, or the horizon, the discount or the monitoring is out of
        range.
    """

    unit: ClassVar[str] = "payoff"

    game: MatrixGame = field(default_factory=prisoners_dilemma)
    memory: int = 1
    horizon: int = 100
    discount: float = 0.95
    monitoring: float = 1.0

    def __post_init__(self) -> None:
        require_numbers(self)
        require_episode(self.horizon, self.discount)
        if self.memory != 0:
            require_whole(self.memory, "memory")
        require(0 < self.monitoring <= 1, "monitoring", "be a chance in (0, 1]", self.monitoring)
        require(
            self.states <= MOST_STATES, "memory", f"hold at most {MOST_STATES} states; {self.states} is", self.memory
        )

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """The players' names."""
        return self.game.agents

    @cached_property
    def observation_space(self) -> Box:
        """See the module's table."""
        size = len(self.agents) + self.actions * (1 + self.memory * len(self.agents))
        return Box(0.0, 1.0, (size,), dtype=np.float64)

    @cached_property
    def action_space(self) -> Discrete:
        """The number of an action."""
        return Discrete(self.actions)

    @property
    def endless(self) -> bool:
        """Players play without end."""
        return True

    @property
    def actions(self) -> int:
        """A, the largest number of actions of a player."""
        return max(self.game.sizes)

    @property
    def noisy(self) -> bool:
        """Whether players may see what was not done."""
        return self.monitoring < 1

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        """Nothing is drawn, ``[steps, 0]``; where monitoring is noisy, a number for each pair, ``[steps, N, N]``."""
        return rng.random((steps, *(len(self.agents),) * 2)) if self.noisy else np.empty((steps, 0))

    def reset(self, noise: Floats) -> RepeatedMatrixState:
        """Start without a past."""
        return self._alike(np.full((len(noise), self.memory, len(self.agents)), -1))

    def step(self, state: RepeatedMatrixState, action: Ints, noise: Floats) -> Step[RepeatedMatrixState]:
        """Pay by the joint action, and remember it."""
        played = np.minimum(action, self._top)
        last = np.concatenate([played[:, None], state.last], axis=1)[:, : self.memory]
        after = RepeatedMatrixState(last)
        if isinstance(state, SeenState):
            seen = np.concatenate([self._taken(played, noise)[:, None], state.seen], axis=1)[:, : self.memory]
            after = SeenState(last, seen)
        reward = self.game.payoff.reshape(len(self.agents), -1)[:, self.joint(played)].T
        return Step(after, np.ascontiguousarray(reward), np.zeros(len(action), dtype=np.bool_))

    def observe(self, state: RepeatedMatrixState) -> Floats:
        """Show each player who it is, what it can do, and the past, as it takes it."""
        rows, players = len(state.last), len(self.agents)
        views = state.seen.swapaxes(1, 2) if isinstance(state, SeenState) else state.last[:, None]
        past = (views[..., None] == np.arange(self.actions)).reshape(rows, views.shape[1], -1)
        own = np.broadcast_to(
            np.concatenate([np.eye(players), self._known], axis=1), (rows, players, players + self.actions)
        )
        return np.concatenate([own, np.broadcast_to(past, (rows, players, past.shape[2]))], axis=2)

    def _alike(self, last: Ints) -> RepeatedMatrixState:
        """Return the state in which all take the past ``[B, memory, N]`` for what it was."""
        if not self.noisy:
            return RepeatedMatrixState(last)
        return SeenState(last, np.repeat(last[:, :, None], len(self.agents), axis=2))

    def _taken(self, played: Ints, noise: Floats) -> Ints:
        """Return what each player takes for the others' actions, ``[B, N, N]``, of uniform numbers ``[B, N, N]``."""
        wrong = (noise - self.monitoring) / (1 - self.monitoring)  # negative where the view is right
        by = 1 + (wrong * self._top).astype(np.int64)
        other = (played[:, None] + by) % (self._top + 1)
        right = (wrong < 0) | np.eye(len(self.agents), dtype=np.bool_) | (self._top == 0)
        return np.where(right, played[:, None], other)

    def scripted(self, observation: Floats) -> Ints:
        """Answer the last joint action best."""
        return self.best_response(observation)

    def best_response(self, observation: Floats) -> Ints:
        """Answer the others' last actions best in the stage game, even draws of theirs before any, ``[B, N]``."""
        newest = self._newest(observation)
        each = [self._answers(i)[self._others(newest[:, i], i)] for i in range(len(self.agents))]
        return np.stack(each, axis=1)

    def last_action(self, observation: Floats) -> Ints:
        """Return the players' last actions, ``[B, N]``; the first ones before any."""
        return np.maximum(np.einsum("bii->bi", self._newest(observation)), 0)  # each knows its own

    # What players remember, as one number

    @property
    def states(self) -> int:
        """S, how many different pasts players can remember: of no, one, .. `memory` joint actions."""
        return sum(self.game.payoff[0].size ** k for k in range(self.memory + 1))

    def joint(self, action: Ints) -> Ints:
        """Return joint actions ``[..., N]`` as one number each, the first player's action the most significant."""
        return np.asarray(np.ravel_multi_index(tuple(np.moveaxis(action, -1, 0)), self.game.sizes))

    def state_index(self, state: RepeatedMatrixState) -> Ints:
        """Return what is remembered as one number, ``[B]``: shorter pasts first, the oldest action most significant."""
        cells = self.game.payoff[0].size
        length = (state.last[:, :, 0] >= 0).sum(axis=1) if self.memory else np.zeros(len(state.last), dtype=np.int64)
        number = np.zeros(len(state.last), dtype=np.int64)
        for k in reversed(range(self.memory)):
            number = np.where(k < length, number * cells + self.joint(np.maximum(state.last[:, k], 0)), number)
        return self._shorter[length] + number

    def state_of(self, index: Ints) -> RepeatedMatrixState:
        """Return the states of some numbers ``[B]``."""
        cells, length = self.game.payoff[0].size, np.searchsorted(self._shorter, index, side="right") - 1
        number = index - self._shorter[length]
        last = np.full((len(index), self.memory, len(self.agents)), -1)
        for k in range(self.memory):
            joint = np.stack(np.unravel_index(number // cells**k % cells, self.game.sizes), axis=1)
            last[:, k] = np.where((k < length)[:, None], joint, -1)
        return self._alike(last)

    def index_of(self, observation: Floats) -> Ints:
        """Return the same number of ``observation [B, N, O]``, by each player, ``[B, N]``."""
        rows, players = observation.shape[:2]
        seen = self._past(observation).reshape(rows * players, self.memory, players)
        return self.state_index(RepeatedMatrixState(seen)).reshape(rows, players)

    def _past(self, observation: Floats) -> Ints:
        """Return the joint actions ``[B, N, memory, N]`` that each player sees."""
        players = len(self.agents)
        shape = (*observation.shape[:2], self.memory, players, self.actions)
        shown = observation[:, :, players + self.actions :].reshape(shape)
        return np.where(shown.any(axis=-1), shown.argmax(axis=-1), -1)

    def _newest(self, observation: Floats) -> Ints:
        """Return the last joint action as each player takes it, ``[B, N, N]``; -1 before any."""
        if not self.memory:
            return np.full((*observation.shape[:2], len(self.agents)), -1)
        return self._past(observation)[:, :, 0]

    def _others(self, last: Ints, player: int) -> Ints:
        """Return the number of the others' joint action, ``[B]``; the last one, that of none, before any."""
        sizes = [size for j, size in enumerate(self.game.sizes) if j != player]
        number = np.zeros(len(last), dtype=np.int64)
        for size, own in zip(sizes, np.delete(last, player, axis=1).T, strict=True):
            number = number * size + np.maximum(own, 0)
        return np.where(last[:, player] < 0, int(np.prod(sizes)), number)

    def _answers(self, player: int) -> Ints:
        """Return a player's best actions against each joint action of the others, and, last, against even draws."""
        worth = rows_of(self.game.payoff[player], player)
        return np.append(worth.argmax(axis=0), worth.mean(axis=1).argmax())

    @cached_property
    def _shorter(self) -> Ints:
        """How many pasts are shorter than each length, ``[memory + 1]``."""
        return np.cumsum([0, *(self.game.payoff[0].size ** k for k in range(self.memory))])

    @cached_property
    def _top(self) -> Ints:
        return np.array(self.game.sizes) - 1

    @cached_property
    def _known(self) -> Floats:
        """Which actions each player has, ``[N, A]``."""
        return (np.arange(self.actions) <= self._top[:, None]).astype(np.float64)

    def text(self, state: RepeatedMatrixState) -> str:
        """List the last joint action and what it paid."""
        from walras.envs.matrix.pictures import cell_text

        return cell_text(self.game, self._cell(state))

    def image(self, state: RepeatedMatrixState) -> Image:
        """Draw the payoffs of the first two players, with the last joint action marked."""
        from walras.envs.matrix.pictures import draw_cell

        return draw_cell(self.game, self._cell(state))

    def _cell(self, state: RepeatedMatrixState) -> tuple[int, ...] | None:
        """Return the newest joint action of row 0, or none before any."""
        if not self.memory or state.last[0, 0, 0] < 0:
            return None
        return tuple(state.last[0, 0].tolist())
