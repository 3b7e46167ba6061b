r"""The min-max formulation in finite games: payoffs against rules from the action that was played to another one.

Player i deviates by a rule :math:`\rho_i(a' \mid a)`, chances of what it plays where it played a. The cumulative regret

.. math:: \psi(\rho; \theta) = \sum_i \sum_t w_t \sum_{a'} \rho_i(a' \mid a_i^t) \,
    [u_i(a', a_{-i}^t; \theta) - u_i(a^t; \theta)]

is linear in parameters and in rules: the case in which the methods' theorems hold as they stand [1]_.

References
----------
[1] D. Goktas, A. Greenwald, S. Zhao, A. Koppel, S. Ganesh, Efficient inverse multiagent learning, ICLR 2024.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from walras.core.typing import Floats, Ints
from walras.equilibria.inverse.descent import Gradients


@final
@dataclass(frozen=True, eq=False)
class MatrixObjective:
    """The cumulative regret of one play, parameters ``[1, P]`` and rules ``[1, D]``, player by player."""

    action: Ints  # [T, N]
    weight: Floats  # [T] of sum one
    more: tuple[
        Floats, ...
    ]  # N arrays [T, A_i, P + 1]: what another action adds of each parameter, and of what is known
    bounds: tuple[Floats, Floats]  # [P] each

    @property
    def periods(self) -> int:
        """T."""
        return len(self.action)

    def psi(self, theta: Floats, deviation: Floats, rows: Ints | None = None) -> Gradients:
        """Return the cumulative regret and its gradients; of one period, an unbiased estimate."""
        known, rules = np.append(theta[0], 1.0), self._rules(deviation[0])
        sums = [self._sum(i, rows) for i in range(len(self.more))]
        features = np.sum([np.einsum("ab,abp->p", rule, each) for rule, each in zip(rules, sums, strict=True)], axis=0)
        up = np.concatenate([(each @ known).ravel() for each in sums])
        return Gradients(np.array([features @ known]), features[None, :-1], up[None])

    def _sum(self, player: int, rows: Ints | None) -> Floats:
        """Return what rules add, ``[A_i, A_i, P + 1]`` from the action that was played to another."""
        at = np.arange(self.periods) if rows is None else rows[:1]
        weight = self.weight[at] * (1 if rows is None else self.periods)
        more = self.more[player]
        found = np.zeros((more.shape[1], *more.shape[1:]))
        np.add.at(found, self.action[at, player], weight[:, None, None] * more[at])
        return found

    def answer(self, theta: Floats) -> Floats:
        """Return the best rules."""
        known = np.append(theta[0], 1.0)
        worth = [self._sum(i, None) @ known for i in range(len(self.more))]
        return np.concatenate([np.eye(len(each))[each.argmax(axis=1)].ravel() for each in worth])[None]

    def project(self, theta: Floats) -> Floats:
        """Cut parameters to their bounds."""
        return np.clip(theta, *self.bounds)

    def project_deviation(self, deviation: Floats) -> Floats:
        """Return the nearest rules."""
        return np.concatenate([nearest_chances(rule).ravel() for rule in self._rules(deviation[0])])[None]

    def start(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Draw first parameters evenly from their box, and let rules be even."""
        even = [np.full(more.shape[1] ** 2, 1 / more.shape[1]) for more in self.more]
        return rng.uniform(*self.bounds)[None], np.concatenate(even)[None]

    def _rules(self, deviation: Floats) -> list[Floats]:
        sizes = [more.shape[1] for more in self.more]
        parts = np.split(deviation, np.cumsum([size**2 for size in sizes])[:-1])
        return [part.reshape(size, size) for part, size in zip(parts, sizes, strict=True)]


def nearest_chances(given: Floats, least: float = 0.0) -> Floats:
    """Return the nearest rows ``[S, A]`` that sum to one and are nowhere below `least`."""
    size = given.shape[1]
    ordered = -np.sort(-(given - least), axis=1)
    over = (np.cumsum(ordered, axis=1) - (1 - size * least)) / np.arange(1, size + 1)
    last = np.sum(ordered > over, axis=1) - 1
    return np.maximum(given - least - over[np.arange(len(given)), last][:, None], 0.0) + least
