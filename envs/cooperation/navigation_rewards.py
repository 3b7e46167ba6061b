r"""Rewards of cooperative navigation: each is a function of distances to landmarks and of contacts after a step.

`Covering` and `Reaching` are those of the authors' code of [1]_, `Spreading` is that of mpe2's simple_spread [2]_.

References
----------
[1] P. Yu, M. Mishra, A. Koppel, C. Busart, P. Narayan, D. Manocha, A. S. Bedi, P. Tokekar, Beyond joint demonstrations:
personalized expert guidance for efficient multi-agent reinforcement learning, arXiv 2403.08936.
[2] mpe2 1.1, Farama Foundation.
"""

from dataclasses import dataclass
from typing import Protocol, final

import numpy as np

from walras.core.checks import require, require_numbers
from walras.core.typing import Bools, Floats


class Reward(Protocol):
    """What the agents receive after a step."""

    def __call__(self, distance: Floats, touching: Bools, targets: tuple[int, ...]) -> Floats:
        """Return each agent's reward, ``[B, N]``.

        Parameters
        ----------
        distance : array
            Of each agent to each landmark, ``[B, N, L]``.
        touching : array
            Which agents overlap, ``[B, N, N]``; each overlaps itself.
        targets : tuple of int
            Each agent's own landmark.
        """
        ...


@final
@dataclass(frozen=True)
class Covering:
    """Landmarks that have an agent near, and agents that have a landmark near; one sum for all.

    Every agent earns ``threshold`` less the distance, where that is positive, of each landmark's nearest agent and of
    each agent's nearest landmark, and loses 1 for each agent that it touches. All agents receive the sum of what they
    earn. As in the authors' code each agent touches itself, a loss of N in every step; a `self_contact` of 0 leaves it
    out. This is their "mid-sparse" reward with the "new" term.

    Raises
    ------
    ValueError
        If `threshold` is not positive and finite, or `self_contact` is not finite.
    """

    threshold: float = 0.3
    self_contact: float = 1.0  # what each agent loses in every step

    def __post_init__(self) -> None:
        require_numbers(self)
        require(0 < self.threshold < np.inf, "threshold", "be positive and finite", self.threshold)
        require(bool(np.isfinite(self.self_contact)), "self_contact", "be finite", self.self_contact)

    def __call__(self, distance: Floats, touching: Bools, targets: tuple[int, ...]) -> Floats:
        """Return each agent's reward, ``[B, N]``."""
        near = np.maximum(self.threshold - distance, 0.0)
        covered = np.add.reduce(np.maximum.reduce(near, axis=1), axis=1)
        arrived = np.add.reduce(np.maximum.reduce(near, axis=2), axis=1)
        earned = (covered + arrived)[:, None] - contacts(touching) - self.self_contact
        return np.repeat(np.add.reduce(earned, axis=1, keepdims=True), earned.shape[1], axis=1)


@final
@dataclass(frozen=True)
class Spreading:
    """The distance of each landmark's nearest agent, shared; and contacts, one's own.

    Raises
    ------
    ValueError
        If `local_ratio` is outside [0, 1].
    """

    local_ratio: float = 0.5  # weight of one's own contacts

    def __post_init__(self) -> None:
        require_numbers(self)
        require(0 <= self.local_ratio <= 1, "local_ratio", "lie in [0, 1]", self.local_ratio)

    def __call__(self, distance: Floats, touching: Bools, targets: tuple[int, ...]) -> Floats:
        """Return each agent's reward, ``[B, N]``."""
        far = np.add.reduce(np.minimum.reduce(distance, axis=1), axis=1)
        return -(1 - self.local_ratio) * far[:, None] - self.local_ratio * contacts(touching)


@final
@dataclass(frozen=True)
class Reaching:
    """Minus the distance to one's own landmark."""

    def __call__(self, distance: Floats, touching: Bools, targets: tuple[int, ...]) -> Floats:
        """Return each agent's reward, ``[B, N]``."""
        return -distance[:, np.arange(len(targets)), list(targets)]


def contacts(touching: Bools) -> Floats:
    """Return how many others each agent touches, ``[B, N]``."""
    return np.add.reduce(touching, axis=2, dtype=np.float64) - 1.0
