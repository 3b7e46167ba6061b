r"""The min-max formulation in Markov games: rewards against deviating policies, by exact or sampled gradients [1]_.

Player i deviates by a policy :math:`\rho_i(a \mid s)` against the observed ones of the others, which makes a decision
problem. With the discounted visits :math:`d_\rho = \mu (I - \delta P_\rho)^{-1}` from an even first state,

.. math:: \nabla_{\rho_i(a \mid s)} \psi = d_\rho(s) \, Q_i^\rho(s, a; \theta), \qquad
    \nabla_\theta \psi
    = \sum_i \sum_{s, a} \phi_i(s, a) \left[d_\rho(s) \rho_i(a \mid s) - d_\pi(s) \pi_i(a \mid s)\right].

*Exact*: these gradients, by linear equations. *Sampled*: from one history of the deviation and one of the observed
policy for each player, which go on after a step with the chance :math:`\delta`, so that plain sums are unbiased; the
gradient in the policy is the return from each step on, over the chance of its action. So that it is bounded,
policies give each action at least `explored` over the number of actions, as in [2]_.

References
----------
[1] D. Goktas, A. Greenwald, S. Zhao, A. Koppel, S. Ganesh, Efficient inverse multiagent learning, ICLR 2024.
[2] C. Daskalakis, D. J. Foster, N. Golowich, Independent policy gradient methods for competitive reinforcement
    learning, NeurIPS 2020.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from walras.core.typing import Floats, Ints
from walras.equilibria.inverse.descent import Gradients
from walras.equilibria.matrix.matrix_objective import nearest_chances

HISTORIES = 2**31
"""Different histories that a step may draw."""


class Alone(NamedTuple):
    """What one player faces."""

    paid: Floats  # [S, A_i, P + 1] what each parameter, and last the known rewards, pay
    moved: Floats  # [S, A_i, S] chances of next states
    played: Floats  # [S, A_i] its observed policy


@final
@dataclass(frozen=True, eq=False)
class MarkovObjective:
    """The cumulative regret of a play, parameters ``[B, P]`` and deviations ``[B, D]``, the policies one by one."""

    players: tuple[Alone, ...]
    discount: float
    bounds: tuple[Floats, Floats]  # [P] each
    best: Callable[[Floats], list[Floats]]
    """From parameters ``[P]`` to the players' best responses, ``[S, A_i]`` each."""
    explored: float = 0.05
    """Chance that a deviation spreads evenly over actions."""

    @property
    def periods(self) -> int:
        """Histories that may be drawn."""
        return HISTORIES

    def psi(self, theta: Floats, deviation: Floats, rows: Ints | None = None) -> Gradients:
        """Return the cumulative regret and its gradients; sampled, with the seeds `rows`, where they are given."""
        value, below, up = np.zeros(len(theta)), np.zeros_like(theta), np.zeros_like(deviation)
        for b, own in enumerate(theta):
            each = self._policies(deviation[b])
            known = np.append(own, 1.0)
            if rows is None:
                parts = [
                    _exact(alone, rho, known, self.discount) for alone, rho in zip(self.players, each, strict=True)
                ]
            else:
                rng = np.random.default_rng(int(rows[b]))
                parts = [
                    _sampled(alone, rho, known, self.discount, rng)
                    for alone, rho in zip(self.players, each, strict=True)
                ]
            more = np.sum([features for features, _ in parts], axis=0)
            value[b], below[b] = more @ known, more[:-1]
            up[b] = np.concatenate([slope.ravel() for _, slope in parts])
        return Gradients(value, below, up)

    def answer(self, theta: Floats) -> Floats:
        """Return the best responses, which explore nothing."""
        return np.stack([np.concatenate([rho.ravel() for rho in self.best(own)]) for own in theta])

    def project(self, theta: Floats) -> Floats:
        """Cut parameters to their bounds."""
        return np.clip(theta, *self.bounds)

    def project_deviation(self, deviation: Floats) -> Floats:
        """Return the nearest policies that explore."""
        return np.stack([np.concatenate([self._nearest(x) for x in self._policies(own)]) for own in deviation])

    def start(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Draw one first vector of parameters, and let deviations be even."""
        even = [np.full(alone.played.size, 1 / alone.played.shape[1]) for alone in self.players]
        return rng.uniform(*self.bounds)[None], np.concatenate(even)[None]

    def _nearest(self, policy: Floats) -> Floats:
        return nearest_chances(policy, self.explored / policy.shape[1]).ravel()

    def _policies(self, deviation: Floats) -> list[Floats]:
        """Return the policies ``[S, A_i]`` that a vector holds."""
        ends = np.cumsum([alone.played.size for alone in self.players])
        parts = np.split(deviation, ends[:-1])
        return [part.reshape(alone.played.shape) for part, alone in zip(parts, self.players, strict=True)]


def _exact(alone: Alone, rho: Floats, known: Floats, discount: float) -> tuple[Floats, Floats]:
    """Return what a deviation earns more of each feature ``[P + 1]``, and the slope in its chances ``[S, A_i]``."""
    visits, before = (_visits(alone, own, discount) for own in (rho, alone.played))
    more = np.einsum("sa,sap->p", visits[:, None] * rho - before[:, None] * alone.played, alone.paid)
    flow = np.einsum("sa,saz->sz", rho, alone.moved)
    reward = alone.paid @ known
    value = np.linalg.solve(np.eye(len(flow)) - discount * flow, (rho * reward).sum(axis=1))
    return more, visits[:, None] * (reward + discount * alone.moved @ value)


def _visits(alone: Alone, own: Floats, discount: float) -> Floats:
    flow = np.einsum("sa,saz->sz", own, alone.moved)
    return np.linalg.solve((np.eye(len(flow)) - discount * flow).T, np.full(len(flow), 1 / len(flow)))


def _sampled(
    alone: Alone, rho: Floats, known: Floats, discount: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return unbiased estimates of what `_exact` returns."""
    deviating, usual = (_history(alone, own, discount, rng) for own in (rho, alone.played))
    s, a = deviating
    paid = alone.paid[s, a]
    ahead = np.cumsum((paid @ known)[::-1])[::-1]
    slope = np.zeros_like(rho)
    np.add.at(slope, (s, a), ahead / rho[s, a])
    return paid.sum(axis=0) - alone.paid[usual].sum(axis=0), slope


def _history(alone: Alone, own: Floats, discount: float, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Return states and actions of a history, which ends after a step with the chance ``1 - discount``."""
    count = rng.geometric(1 - discount)
    states, actions = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    luck, chosen, state = rng.random((count, 2)), own.cumsum(axis=1), int(rng.integers(len(own)))
    for t in range(count):
        action = min(int(np.searchsorted(chosen[state], luck[t, 0], side="right")), own.shape[1] - 1)
        states[t], actions[t] = state, action
        next_chances = alone.moved[state, action].cumsum()
        state = min(int(np.searchsorted(next_chances, luck[t, 1], side="right")), len(own) - 1)
    return states, actions
