"""Finite games as stages: in each, agents play a game in normal form, which may decide what they play next."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, final

import numpy as np

from walras.core.game import AbstractGame
from walras.core.typing import Floats
from walras.envs.matrix.repeated_matrix_game import RepeatedMatrixGame
from walras.envs.matrix.repeated_pricing import RepeatedPricing
from walras.envs.matrix.tabular_markov_game import TabularMarkovGame
from walras.equilibria.matrix.tabular_markov_game import MarkovPolicy
from walras.equilibria.matrix.tabular_policy import TabularPolicy
from walras.markets.normal_form import Mixed

Repeated: TypeAlias = RepeatedMatrixGame | RepeatedPricing


@final
@dataclass(frozen=True)
class OneStage:
    """A game that is repeated: the past does not count."""

    game: Repeated
    count: int = 1  # S
    linked: bool = False  # whether payoffs depend on what stages are worth
    span: float = 1.0  # steps that a value counts

    @cached_property
    def table(self) -> Floats:
        """The payoffs, ``[1, N, A_1, .., A_N]``."""
        return (self.game.game.payoff if isinstance(self.game, RepeatedMatrixGame) else self.game.profits)[None]

    @cached_property
    def spread(self) -> Floats:
        """Each agent's spread of payoffs, ``[1, N, 1, .., 1]``."""
        return spread_of(self.table)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Actions of each agent, A_1 .. A_N."""
        return self.table.shape[2:]

    def payoff(self, worth: Floats) -> Floats:
        """Return the payoffs, whatever comes next, ``[1, N, A_1, .., A_N]``."""
        return self.table

    def policy(self, mixed: Mixed) -> TabularPolicy:
        """Return the policy that does the same after every past."""
        table = as_table(mixed)
        return TabularPolicy(self.game, np.broadcast_to(table, (len(table), self.game.states, table.shape[2])))


@final
@dataclass(frozen=True)
class MarkovStages:
    """A tabular Markov game: a stage for each state, and each step of a game with a horizon, steps before states."""

    game: TabularMarkovGame
    linked: bool = True

    @property
    def count(self) -> int:
        """S."""
        return self.game.states * (self.game.markov.horizon or 1)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Actions of each agent, A_1 .. A_N."""
        return self.game.markov.sizes

    @property
    def span(self) -> float:
        """Steps that a value counts."""
        return self.game.span

    @cached_property
    def spread(self) -> Floats:
        """Each agent's spread of rewards, ``[1, N, 1, .., 1]``."""
        return spread_of(np.moveaxis(self.game.markov.reward, 1, 0))

    def payoff(self, worth: Floats) -> Floats:
        """Return the payoffs ``[S, N, A_1, .., A_N]`` if to be in a stage is worth ``worth [S, N]``."""
        markov, steps = self.game.markov, self.game.markov.horizon or 1
        each = worth.reshape(steps, markov.states, -1).swapaxes(1, 2)
        if markov.horizon is None:
            return markov.stages(each[0])
        nothing = np.zeros_like(each[:1])
        return np.concatenate([markov.stages(after) for after in np.concatenate([each[1:], nothing])])

    def policy(self, mixed: Mixed) -> MarkovPolicy:
        """Return the policy that draws by state and step."""
        table = as_table(mixed)
        return MarkovPolicy(self.game, table.reshape(len(table), -1, self.game.states, table.shape[2]))


Stages: TypeAlias = OneStage | MarkovStages
"""S stages of N agents."""


def stages_of(game: AbstractGame[Any]) -> Stages:
    """Return a game's stages.

    Raises
    ------
    TypeError
        If it has none.
    """
    match game:
        case RepeatedMatrixGame() | RepeatedPricing():
            return OneStage(game)
        case TabularMarkovGame():
            return MarkovStages(game)
        case _:
            rule = "be RepeatedMatrixGame, RepeatedPricing or TabularMarkovGame, whose stages are games in normal form"
            raise TypeError(f"`game` must {rule}; got {type(game).__name__}.")


def spread_of(payoff: Floats) -> Floats:
    """Return the spread of each agent's payoffs ``[S, N, A_1, .., A_N]`` over all cells of all stages."""
    axes = (0, *range(2, payoff.ndim))
    wide = payoff.max(axis=axes, keepdims=True) - payoff.min(axis=axes, keepdims=True)
    return np.where(wide > 0, wide, 1.0)


def as_table(mixed: Mixed) -> Floats:
    """Return N strategies ``[S, A_i]`` as one array, ``[N, S, A]``, with chances of zero for what an agent lacks."""
    table = np.zeros((len(mixed), len(mixed[0]), max(own.shape[1] for own in mixed)))
    for i, own in enumerate(mixed):
        table[i, :, : own.shape[1]] = own
    return table
