"""A policy maps what agents see to what they do. Scripted rules, learners and equilibria are all policies."""

from dataclasses import dataclass
from typing import Any, Protocol, cast, final

import numpy as np
from gymnasium.spaces import Box, Discrete

from walras.core.abilities import Scriptable
from walras.core.game import AbstractGame, Actions
from walras.core.typing import Floats


class Policy(Protocol):
    """What acts for all N agents of a game."""

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the actions ``[B, N, A]`` for ``observation [B, N, O]``; `rng` is the only source of chance."""
        ...


@final
@dataclass(frozen=True)
class Scripted:
    """The game's own scripted rule, of agents that do not act strategically: offers at marginal cost, true reports.

    Raises
    ------
    TypeError
        If the game has none.
    """

    game: AbstractGame[Any]

    def __post_init__(self) -> None:
        if not isinstance(self.game, Scriptable):
            raise TypeError(f"`game` must have a scripted rule, the method `scripted`; got {type(self.game).__name__}.")

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the rule's actions."""
        return cast(Scriptable, self.game).scripted(observation)


@final
@dataclass(frozen=True)
class Random:
    """Actions drawn evenly from the action space."""

    game: AbstractGame[Any]

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Draw one action an agent."""
        agents = observation.shape[:2]
        match self.game.action_space:
            case Box(low=low, high=high):
                return rng.uniform(low, high, (*agents, *low.shape))
            case Discrete(n=n, start=start):
                return rng.integers(start, start + n, agents)
            case space:
                raise TypeError(f"`game.action_space` must be a Box or a Discrete space; got {space!r}.")


@final
@dataclass(frozen=True, eq=False)
class Constant:
    """The same actions in every state, such as a static equilibrium."""

    action: Actions  # [N, A]

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Repeat the actions over the batch."""
        return np.broadcast_to(self.action, (len(observation), *self.action.shape)).copy()
