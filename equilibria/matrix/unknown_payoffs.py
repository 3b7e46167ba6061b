"""Payoffs that are unknown, wholly or in K parameters: what finite games and Markov games to invert share."""

from abc import abstractmethod
from functools import cached_property
from itertools import product
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import require
from walras.core.typing import Floats, Ints
from walras.equilibria.inverse.family import AbstractFamily, Play


class AbstractUnknownPayoffs(AbstractFamily[Play]):
    """Payoffs ``base + sum_k theta_k basis_k`` of games with finitely many actions; a dataclass with these fields."""

    word: ClassVar[str]
    """What a payoff is called in the names of parameters."""

    base: Floats | None  # [*shape] known part; zero by default
    basis: Floats | None  # [K, *shape] what each parameter adds; by default one for each entry
    low: ArrayLike  # [K] or one number for all
    high: ArrayLike  # [K] or one number for all

    def __post_init__(self) -> None:
        shape = self.shape
        if self.base is not None:
            require(np.shape(self.base) == shape, "base", f"have shape {shape}", np.shape(self.base))
        if self.basis is not None:
            require(np.shape(self.basis)[1:] == shape, "basis", f"have shape [K, {shape}]", np.shape(self.basis))
        low, high = self.bounds
        require(bool(np.all(np.isfinite([low, high])) and np.all(low <= high)), "low", "be at most `high`", self.low)

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """That of the payoffs, the player first."""

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``player_0`` .. ``player_{N-1}``."""
        return tuple(f"player_{i}" for i in range(self.shape[0]))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The entries of the payoffs, player by player, or ``theta_0`` .."""
        if self.basis is not None:
            return tuple(f"theta_{k}" for k in range(len(self.basis)))
        return tuple(f"{self.word}_{'_'.join(map(str, cell))}" for cell in product(*map(range, self.shape)))

    @cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        """Those given."""
        size = len(self.names)
        low, high = (np.asarray(end, dtype=np.float64) for end in (self.low, self.high))
        return np.broadcast_to(low, (size,)).copy(), np.broadcast_to(high, (size,)).copy()

    @cached_property
    def known(self) -> Floats:
        """The known part, ``[*shape]``."""
        return np.zeros(self.shape) if self.base is None else np.asarray(self.base, dtype=np.float64)

    @cached_property
    def added(self) -> Floats:
        """What each parameter adds to each payoff, ``[*shape, P]``."""
        if self.basis is not None:
            return np.moveaxis(np.asarray(self.basis, dtype=np.float64), 0, -1)
        return np.eye(len(self.names)).reshape(*self.shape, len(self.names))

    def own(self, player: int) -> Ints:
        """Return the places of the parameters of a player's payoffs.

        Raises
        ------
        ValueError
            If some players share a parameter, and have others of their own.
        """
        moves = np.abs(self.added).reshape(self.shape[0], -1, len(self.names)).max(axis=1) > 0
        if moves.all():
            return np.arange(len(self.names))
        alone = moves.sum(axis=0) <= 1
        require(bool(alone.all()), "basis", "hold parameters of one player each, or of all players", moves.tolist())
        return np.flatnonzero(moves[player])
