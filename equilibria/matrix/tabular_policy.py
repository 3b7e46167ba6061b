"""Policies of repeated games as tables: the chances of each action after each remembered past."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, final

import numpy as np
from gymnasium.spaces import Discrete
from numpy.typing import ArrayLike

from walras.core.checks import require, require_each
from walras.core.game import Actions
from walras.core.typing import Floats, Ints


class Remembering(Protocol):
    """A game with finitely many actions whose observations tell which of S pasts is remembered."""

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """The N names."""
        ...

    @cached_property
    def action_space(self) -> Discrete:
        """The actions."""
        ...

    @property
    def states(self) -> int:
        """S, how many pasts can be remembered."""
        ...

    def index_of(self, observation: Floats) -> Ints:
        """Return the number of the past that each agent sees, ``[B, N]``, in ``observation [B, N, O]``."""
        ...


class ByChances(ABC):
    """A policy whose players draw each by its own chances, independently of the others."""

    @property
    def independent(self) -> bool:
        """Players draw independently."""
        return True

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Draw each player's action, ``[B, N]``."""
        chances = self.chances(observation)
        below = np.cumsum(chances, axis=2)[:, :, :-1]
        return np.sum(below <= rng.random(chances.shape[:2])[:, :, None], axis=2)

    def mixture(self, observation: Floats) -> tuple[Floats, Actions]:
        """Return the chances of all actions; see `walras.core.policy.Mixed`."""
        chances = self.chances(observation)
        return chances, np.broadcast_to(np.arange(chances.shape[2]), chances.shape)

    @abstractmethod
    def chances(self, observation: Floats) -> Floats:
        """Return the chances of each action, ``[B, N, A]``."""


@final
@dataclass(frozen=True, eq=False)
class TabularPolicy(ByChances):
    """Each agent draws by its row of a table, independently of the others.

    Pasts are numbered alike for all agents, with joint actions in the order of the agents, whoever looks.

    Raises
    ------
    ValueError
        If the table has another shape, or its chances are negative or do not sum to 1.
    """

    game: Remembering
    table: Floats  # [N, S, A] chances

    def __post_init__(self) -> None:
        wanted = (len(self.game.agents), self.game.states, int(self.game.action_space.n))
        require(self.table.shape == wanted, "table", f"have shape {list(wanted)}", self.table.shape)
        require_each(self.table >= 0, "table", "hold chances that are not negative", self.table)
        sums = self.table.sum(axis=2)
        require_each(np.abs(sums - 1) <= 1e-9, "table", "hold chances that sum to 1", sums)

    @classmethod
    def pure(cls, game: Remembering, actions: ArrayLike) -> "TabularPolicy":
        """Return the policy that takes one action after each past, ``actions [N, S]``.

        Raises
        ------
        ValueError
            If the shape is wrong, or an action unknown.
        """
        given, count = np.asarray(actions), int(game.action_space.n)
        wanted = (len(game.agents), game.states)
        require(given.shape == wanted, "actions", f"have shape {list(wanted)}", given.shape)
        require(given.dtype.kind in "iu", "actions", "be whole numbers", given.dtype)
        require_each((given >= 0) & (given < count), "actions", f"be known, 0 to {count - 1}", given)
        return cls(game, np.eye(count)[given])

    def chances(self, observation: Floats) -> Floats:
        """Return the chances of each action, ``[B, N, A]``."""
        return self.table[np.arange(len(self.table)), self.game.index_of(observation)]
