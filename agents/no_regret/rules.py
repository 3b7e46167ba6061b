r"""Rules that choose mixed strategies from what each action would have earned, for any number of players at once.

A rule knows the utilities u of the actions after each round, and nothing else. Its arrays are ``[..., A]``: games,
players, or both, before actions. With :math:`x_t` the strategy of round t:

- `Hedge` plays in proportion to :math:`x_t e^{\eta u_t}`: regret at most :math:`\sqrt{T \ln A / 2}` at the best step,
for
  payoffs in [0, 1] [1]_.
- `OptimisticHedge` counts the last utilities twice: last iterates converge in zero-sum games, for small steps.
- `RegretMatching` plays in proportion to positive regrets: regret at most :math:`\sqrt{T A}` [2]_.
- `RMPlus` cuts regrets at zero in each round [3]_; `PredictiveRMPlus` counts the last ones twice [4]_: fast in
practice.
- `FictitiousPlay` plays the best answer to the mean of what was played; it cycles in Shapley's game.
- `SwapHedge` plays what is stationary under one `Hedge` an action: swap regret at most :math:`\sqrt{2 T A \ln A}` [5]_.
- `TreeSwap` plays the mean of `Hedge` at several speeds: swap regret that hardly grows with the number of actions [7]_.
- `MagneticMirrorDescent` takes mirror steps towards a magnet: last iterates converge to a regularised equilibrium [6]_.
- `NashPG` replaces the magnet by the strategy now and then; magnets approach an equilibrium of zero-sum games.

Ties go to the lowest action.

References
----------
[1] N. Cesa-Bianchi, G. Lugosi, Prediction, Learning, and Games, 2006, Theorem 2.2.
[2] S. Hart, A. Mas-Colell, A simple adaptive procedure leading to correlated equilibrium, Econometrica 68, 2000.
[3] O. Tammelin, Solving large imperfect information games using CFR+, 2014.
[4] G. Farina, C. Kroer, T. Sandholm, Faster game solving via predictive Blackwell approachability, AAAI 2021.
[5] A. Blum, Y. Mansour, From external to internal regret, Journal of Machine Learning Research 8, 2007.
[6] S. Sokota and others, A unified approach to reinforcement learning, quantal response equilibria, and two-player
    zero-sum games, ICLR 2023.
[7] Y. Dagan, C. Daskalakis, M. Fishelson, N. Golowich, From external to swap regret 2.0: an efficient reduction and
    oblivious adversary for large action spaces, STOC 2024.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, final

import numpy as np

from walras.core.checks import require, require_numbers, require_whole
from walras.core.typing import Floats


class Rule(Protocol):
    """A rule; its states are tuples of arrays with the rows first, of which `policy` is the strategy."""

    def start(self, first: Floats) -> Any:  # noqa: ANN401 - the rule's own
        """Return the state before the first round, in which ``first [..., A]`` is played."""
        ...

    def update(self, state: Any, utility: Floats) -> Any:  # noqa: ANN401 - the rule's own
        """Return the state after a round in which actions would have earned ``utility [..., A]``."""
        ...


class Logs(NamedTuple):
    """A strategy and its logarithms."""

    policy: Floats  # [..., A]
    logs: Floats  # [..., A] up to a constant


class Regrets(NamedTuple):
    """A strategy, and how much better each action would have been."""

    policy: Floats  # [..., A]
    regret: Floats  # [..., A]


class Tree(NamedTuple):
    """A strategy, and what each of D levels of a tree knows."""

    policy: Floats  # [..., A]
    logs: Floats  # [..., D, A] up to a constant
    block: Floats  # [..., D, A] utilities since the level last moved
    first: Floats  # [..., A] logarithms with which a level begins
    rounds: Floats  # [..., 1]


class Magnetic(NamedTuple):
    """A strategy, its logarithms, those of the magnet, and the rounds so far."""

    policy: Floats  # [..., A]
    logs: Floats  # [..., A]
    magnet: Floats  # [..., A]
    rounds: Floats  # [..., 1]


def softmax(logs: Floats) -> Floats:
    """Return the distribution with these logarithms, up to a constant, over the last axis."""
    weight = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return weight / weight.sum(axis=-1, keepdims=True)


def regrets(policy: Floats, utility: Floats) -> Floats:
    """Return how much more each action earned than the strategy."""
    return utility - np.einsum("...a,...a->...", policy, utility)[..., None]


def by_regret(regret: Floats) -> Floats:
    """Return the strategy in proportion to positive regrets, even where there are none."""
    weight = np.maximum(regret, 0.0)
    total = weight.sum(axis=-1, keepdims=True)
    return np.where(total > 0, weight / np.where(total > 0, total, 1.0), 1 / weight.shape[-1])


def logarithms(policy: Floats) -> Floats:
    """Return the logarithms of a strategy; actions that are not played get one that stays negligible."""
    return np.log(np.maximum(policy, 1e-300))


@final
@dataclass(frozen=True)
class Hedge:
    """Multiplicative weights."""

    eta: float = 0.1
    """Step, an inverse of payoffs."""

    def __post_init__(self) -> None:
        require_numbers(self)
        check_positive(self, "eta")

    def start(self, first: Floats) -> Logs:
        """Play `first`."""
        return Logs(first, logarithms(first))

    def update(self, state: Logs, utility: Floats) -> Logs:
        """Add the utilities to the logarithms."""
        logs = state.logs + self.eta * utility
        return Logs(softmax(logs), logs)


@final
@dataclass(frozen=True)
class OptimisticHedge:
    """Multiplicative weights that expect the last utilities to come again."""

    eta: float = 0.1
    """Step, an inverse of payoffs."""

    def __post_init__(self) -> None:
        require_numbers(self)
        check_positive(self, "eta")

    def start(self, first: Floats) -> Logs:
        """Play `first`."""
        return Logs(first, logarithms(first))

    def update(self, state: Logs, utility: Floats) -> Logs:
        """Add the utilities to the logarithms, and play as if they came once more."""
        logs = state.logs + self.eta * utility
        return Logs(softmax(logs + self.eta * utility), logs)


@final
@dataclass(frozen=True)
class RegretMatching:
    """Strategies in proportion to positive regrets."""

    def start(self, first: Floats) -> Regrets:
        """Play `first`."""
        return Regrets(first, np.zeros_like(first))

    def update(self, state: Regrets, utility: Floats) -> Regrets:
        """Add the regrets of the round."""
        regret = state.regret + regrets(state.policy, utility)
        return Regrets(by_regret(regret), regret)


@final
@dataclass(frozen=True)
class RMPlus:
    """Regret matching whose regrets are cut at zero in each round."""

    def start(self, first: Floats) -> Regrets:
        """Play `first`."""
        return Regrets(first, np.zeros_like(first))

    def update(self, state: Regrets, utility: Floats) -> Regrets:
        """Add the regrets of the round, and cut."""
        regret = np.maximum(state.regret + regrets(state.policy, utility), 0.0)
        return Regrets(by_regret(regret), regret)


@final
@dataclass(frozen=True)
class PredictiveRMPlus:
    """Regret matching with cut regrets that expects the last ones to come again."""

    def start(self, first: Floats) -> Regrets:
        """Play `first`."""
        return Regrets(first, np.zeros_like(first))

    def update(self, state: Regrets, utility: Floats) -> Regrets:
        """Add the regrets of the round, cut, and play as if they came once more."""
        now = regrets(state.policy, utility)
        regret = np.maximum(state.regret + now, 0.0)
        return Regrets(by_regret(regret + now), regret)


@final
@dataclass(frozen=True)
class FictitiousPlay:
    """The best action against all that was played so far."""

    def start(self, first: Floats) -> Regrets:
        """Play `first`; what would have been earned stands in place of regrets."""
        return Regrets(first, np.zeros_like(first))

    def update(self, state: Regrets, utility: Floats) -> Regrets:
        """Add the utilities, and play the best of all rounds."""
        total = state.regret + utility
        best = total == total.max(axis=-1, keepdims=True)
        first = best & (np.cumsum(best, axis=-1) == 1)
        return Regrets(first.astype(utility.dtype), total)


@final
@dataclass(frozen=True)
class SwapHedge:
    """One `Hedge` an action, which proposes what to play instead; the strategy is stationary under all proposals."""

    eta: float = 0.1
    """Step, an inverse of payoffs."""

    def __post_init__(self) -> None:
        require_numbers(self)
        check_positive(self, "eta")

    def start(self, first: Floats) -> Logs:
        """Play `first`, which all proposals are."""
        return Logs(first, np.repeat(logarithms(first)[..., None, :], first.shape[-1], axis=-2))

    def update(self, state: Logs, utility: Floats) -> Logs:
        """Add to each action's logarithms its share of the utilities."""
        logs = state.logs + self.eta * state.policy[..., None] * utility[..., None, :]
        return Logs(stationary(softmax(logs)), logs)


@final
@dataclass(frozen=True)
class TreeSwap:
    r"""The mean of D levels of `Hedge`, of which level d moves every M^d rounds, and begins anew after M moves.

    With payoffs in [0, 1], the best step :math:`\sqrt{8 \ln A / M}` and a multiple of M^D rounds, the swap regret a
    round is at most :math:`1 / D + \sqrt{\ln A / 2 M}`: what a rule from action to action gains on a level is what the
    next slower one has, up to its external regret.
    """

    eta: float = 0.1
    """Step of a level, an inverse of payoffs, for the mean utilities of the rounds since it last moved."""
    branches: int = 16
    """M, moves of a level before it begins anew."""
    depth: int = 3
    """D, levels."""

    def __post_init__(self) -> None:
        require_numbers(self)
        check_positive(self, "eta")
        require_whole(self.branches, "branches")
        require_whole(self.depth, "depth")

    def start(self, first: Floats) -> Tree:
        """Play `first`, with which all levels begin."""
        logs = np.repeat(logarithms(first)[..., None, :], self.depth, axis=-2)
        return Tree(first, logs, np.zeros_like(logs), logarithms(first), np.zeros((*first.shape[:-1], 1)))

    def update(self, state: Tree, utility: Floats) -> Tree:
        """Move the levels whose turn it is, and begin anew those that have moved M times."""
        rounds, every = state.rounds + 1, float(self.branches) ** np.arange(self.depth)
        block = state.block + utility[..., None, :]
        moves, ends = ((rounds % length == 0)[..., None] for length in (every, every * self.branches))
        logs = np.where(moves, state.logs + self.eta * block / every[:, None], state.logs)
        logs = np.where(ends, state.first[..., None, :], logs)
        return Tree(softmax(logs).mean(axis=-2), logs, np.where(moves, 0.0, block), state.first, rounds)


def stationary(chances: Floats) -> Floats:
    """Return the distribution ``[..., A]`` that positive ``chances [..., A, A]`` from row to column leave as it is."""
    size = chances.shape[-1]
    system = np.eye(size) - chances.swapaxes(-1, -2)
    system[..., -1, :] = 1.0
    right = np.zeros((*chances.shape[:-1], 1))
    right[..., -1, 0] = 1.0
    found = np.maximum(np.linalg.solve(system, right)[..., 0], 0.0)
    return found / found.sum(axis=-1, keepdims=True)


@final
@dataclass(frozen=True)
class MagneticMirrorDescent:
    """Mirror steps with a pull towards the first strategy."""

    alpha: float = 0.1
    """Pull, in payoffs."""
    eta: float = 0.1
    """Step, an inverse of payoffs; up to `alpha` over the square of the largest slope of payoffs."""

    def __post_init__(self) -> None:
        require_numbers(self)
        check_positive(self, "alpha", "eta")

    def start(self, first: Floats) -> Magnetic:
        """Play `first`, the magnet."""
        return Magnetic(first, logarithms(first), logarithms(first), np.zeros((*first.shape[:-1], 1)))

    def update(self, state: Magnetic, utility: Floats) -> Magnetic:
        """Take a step."""
        return _pulled(self.alpha, self.eta, state, utility)


@final
@dataclass(frozen=True)
class NashPG:
    """Magnetic mirror descent whose magnet becomes the strategy every `refresh` rounds."""

    alpha: float = 0.3
    """Pull, in payoffs."""
    eta: float = 0.1
    """Step, an inverse of payoffs."""
    refresh: int = 200
    """Rounds between two magnets."""

    def __post_init__(self) -> None:
        require_numbers(self)
        check_positive(self, "alpha", "eta")
        require_whole(self.refresh, "refresh")

    def start(self, first: Floats) -> Magnetic:
        """Play `first`, the magnet."""
        return Magnetic(first, logarithms(first), logarithms(first), np.zeros((*first.shape[:-1], 1)))

    def update(self, state: Magnetic, utility: Floats) -> Magnetic:
        """Take a step, and replace the magnet where it is due."""
        after = _pulled(self.alpha, self.eta, state, utility)
        due = after.rounds % self.refresh == 0
        return after._replace(magnet=np.where(due, after.logs, after.magnet))


def _pulled(alpha: float, eta: float, state: Magnetic, utility: Floats) -> Magnetic:
    logs = (state.logs + eta * alpha * state.magnet + eta * utility) / (1 + eta * alpha)
    logs = logs - logs.max(axis=-1, keepdims=True)
    policy = softmax(logs)
    return Magnetic(policy, logs, state.magnet, state.rounds + 1)


def check_positive(rule: object, *names: str) -> None:
    """Refuse settings that are not positive and finite."""
    for name in names:
        require(0 < getattr(rule, name) < np.inf, name, "be positive and finite", getattr(rule, name))
