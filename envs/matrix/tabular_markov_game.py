r"""Tabular Markov game: in each of finitely many states a game in normal form, whose cell decides what comes next.

Description
-----------
N players see the state and choose actions at the same time. Rewards and the chances of the next state are those of a
`walras.markets.matrix.MarkovGame`. With a horizon an episode has that many steps, without one the game goes on and
values are discounted sums.

Agents
------
N players, ``player_0`` .. ``player_{N-1}``.

State
-----
The number of the state, ``[B]``, and the steps taken, ``[B]``.

Action
------
``[B, N]``: the number of an action, 0 .. A - 1, with A the largest number of actions of a player. A player with fewer
plays its last one instead of those that it does not have.

Observation
-----------
| index | meaning | unit | low | high |
|---|---|---|---|---|
| 0 .. N - 1 | whose observation it is, one-hot | 1 | 0 | 1 |
| N .. N + S - 1 | the state, one-hot | 1 | 0 | 1 |
| last | steps left, as a share of the horizon; 1 in games that go on | 1 | 0 | 1 |

Reward
------
That of the state and the joint action.

Starting state
--------------
Drawn by the chances of the game.

Episode end
-----------
Terminated after the game's own horizon; truncated after `horizon` steps in games that go on. A state that is never
left, and in which nobody earns anything, terminates.

Parameters
----------
markov : the Markov game; by default the big match, in which the first player may stop and is then paid for ever.
horizon : steps an episode; that of `markov` if it has one.
discount : weight of the next reward, in [0, 1); that of `markov` in games that go on.

Solution
--------
`walras.equilibria.solve` finds optimal policies of two players with opposite rewards, or a Markov perfect equilibrium
(`walras.equilibria.matrix.markov`). The gap of a policy that answers what it observes is exact. The scripted rule
answers even draws of the others, as if the game ended after the step.

| default game | value of player_0 |
|---|---|
| equilibrium: stop with chance 1/21, against even draws | 0 |
| even draws | 0 |
| scripted rule: stop at once, against the first action | 20 |

References
----------
[1] L. S. Shapley, Stochastic games, Proceedings of the National Academy of Sciences 39, 1953.
[2] D. Blackwell, T. S. Ferguson, The big match, Annals of Mathematical Statistics 39, 1968.

Version history
---------------
v0: first version.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from gymnasium.spaces import Box, Discrete

from walras.core.checks import require, require_episode, require_numbers
from walras.core.game import AbstractGame, End, State, Step
from walras.core.typing import Bools, Floats, Image, Ints
from walras.markets.matrix.markov_game import MarkovGame

MOST_ENTRIES = 2**26
"""Entries of the table of next states' chances, at most."""


def big_match(discount: float = 0.95) -> MarkovGame:
    """Return the big match: once the first player stops, it earns 1 or -1 for ever, as the second one guessed."""
    reward = np.empty((2, 3, 2, 2))
    reward[0, 0], reward[0, 1], reward[0, 2] = 2 * np.eye(2) - 1, -1.0, 1.0
    reward[1] = -reward[0]
    chances = np.zeros((3, 2, 2, 3))
    chances[0, 0, 0, 2] = chances[0, 0, 1, 1] = 1.0
    chances[0, 1, :, 0] = chances[1, ..., 1] = chances[2, ..., 2] = 1.0
    return MarkovGame(reward, chances, np.array([1.0, 0.0, 0.0]), discount=discount)


@dataclass(frozen=True)
class TabularMarkovState(State):
    """Where the game is."""

    number: Ints  # [B] of the state
    clock: Ints  # [B] steps taken


@final
@dataclass(frozen=True)
class TabularMarkovGame(AbstractGame[TabularMarkovState]):
    """A finite Markov game as an environment.

    Raises
    ------
    ValueError
        If horizon or discount are not those of the Markov game where it has them, or its tables are too large.
    """

    unit: ClassVar[str] = "reward"

    markov: MarkovGame = field(default_factory=big_match)
    horizon: int = 100
    discount: float = 0.95

    def __post_init__(self) -> None:
        require_numbers(self)
        require_episode(self.horizon, self.discount)
        if self.markov.horizon is None:
            weight = self.markov.discount
            require(self.discount == weight, "discount", f"be that of `markov`, {weight}", self.discount)
        else:
            steps = self.markov.horizon
            require(self.horizon == steps, "horizon", f"be that of `markov`, {steps}", self.horizon)
            require(self.markov.discount == 1, "markov", "not discount where it has a horizon", self.markov.discount)
        entries = self.markov.states**2 * int(np.prod(self.markov.sizes))
        require(entries <= MOST_ENTRIES, "markov", f"have at most {MOST_ENTRIES} chances", entries)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``player_0`` .. ``player_{N-1}``."""
        return tuple(f"player_{i}" for i in range(self.markov.players))

    @cached_property
    def observation_space(self) -> Box:
        """See the module's table."""
        return Box(0.0, 1.0, (len(self.agents) + self.markov.states + 1,), dtype=np.float64)

    @cached_property
    def action_space(self) -> Discrete:
        """The number of an action."""
        return Discrete(max(self.markov.sizes))

    @property
    def endless(self) -> bool:
        """Whether the game goes on."""
        return self.markov.horizon is None

    @property
    def ends(self) -> End:
        """An episode of a game with a horizon is over; of one that goes on, a piece."""
        return "cut" if self.endless else "rule"

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        """Uniform numbers, ``[steps]``: each picks the next state."""
        return rng.random(steps)

    def reset(self, noise: Floats) -> TabularMarkovState:
        """Draw the first state."""
        first = np.searchsorted(np.cumsum(self.markov.start)[:-1], noise, side="right")
        return TabularMarkovState(first, np.zeros(len(noise), dtype=np.int64))

    def step(self, state: TabularMarkovState, action: Ints, noise: Floats) -> Step[TabularMarkovState]:
        """Pay, and move on."""
        played = np.minimum(action, np.array(self.markov.sizes) - 1)
        cell = (state.number, *played.T)
        reward = np.stack([own[cell] for own in self.markov.reward], axis=1)
        number = np.sum(self._below[cell] <= noise[:, None], axis=1)
        return Step(TabularMarkovState(number, state.clock + 1), reward, self._over[number])

    def observe(self, state: TabularMarkovState) -> Floats:
        """Show each player who it is, the state and the share of steps left."""
        rows, players = len(state.number), len(self.agents)
        seen = np.zeros((rows, players, players + self.markov.states + 1))
        seen[:, np.arange(players), np.arange(players)] = 1.0
        seen[np.arange(rows), :, players + state.number] = 1.0
        left = np.maximum(1 - state.clock / self.horizon, 0.0)
        seen[:, :, -1] = 1.0 if self.endless else left[:, None]
        return seen

    def scripted(self, observation: Floats) -> Ints:
        """Answer even draws of the others best, as if the game ended after the step."""
        number = self.index_of(observation)
        return np.stack([self._answers(i)[number[:, i]] for i in range(len(self.agents))], axis=1)

    @property
    def states(self) -> int:
        """S."""
        return self.markov.states

    def state_of(self, index: Ints, step: int = 0) -> TabularMarkovState:
        """Return the states of some numbers ``[B]`` at a step."""
        return TabularMarkovState(np.asarray(index), np.full(len(index), step))

    def index_of(self, observation: Floats) -> Ints:
        """Return the number of the state that each player sees, ``[B, N]``."""
        players = len(self.agents)
        return observation[:, :, players : players + self.states].argmax(axis=2)

    def _answers(self, player: int) -> Ints:
        return self.markov.rewards(player).mean(axis=2).argmax(axis=1)

    @cached_property
    def _below(self) -> Floats:
        """Cumulated chances of next states but the last, ``[S, A_1, .., A_N, S - 1]``."""
        table = self.markov.transition
        dense = table.toarray() if hasattr(table, "toarray") else table
        chances = np.asarray(dense).reshape(self.states, *self.markov.sizes, self.states)
        return np.cumsum(chances, axis=-1)[..., :-1]

    @cached_property
    def _over(self) -> Bools:
        """Which states are never left and pay nothing, ``[S]``."""
        idle = ~self.markov.reward.any(axis=(0, *range(2, self.markov.reward.ndim)))
        kept = [self._kept(s) for s in range(self.states)]
        return idle & np.array(kept)

    def _kept(self, s: int) -> bool:
        """Return whether a state follows itself whatever is done."""
        below = self._below[s].reshape(int(np.prod(self.markov.sizes)), self.states - 1)
        before, after = below[:, s - 1] if s else 0.0, below[:, s] if s < self.states - 1 else 1.0
        return bool(np.all(np.asarray(after) - before == 1))

    def text(self, state: TabularMarkovState) -> str:
        """Name the state and the step."""
        return f"state {state.number[0]} of {self.states}, after {state.clock[0]} steps"

    def image(self, state: TabularMarkovState) -> Image:
        """Draw the first player's rewards in the state."""
        from walras.envs.matrix.pictures import draw_cell
        from walras.markets.normal_form import MatrixGame

        return draw_cell(MatrixGame(self.markov.reward[:, state.number[0]], agents=self.agents), None)
