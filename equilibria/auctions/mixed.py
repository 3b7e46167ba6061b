"""Mixed bids: policies that draw from a grid by the own type, and their certified interim gap.

Types are cut into K cells of equal mass, and all types of a cell draw alike. What rivals face is a law on M bids, so
that chances to win and payments are sums; a deviator may bid anything, also between the bids of the grid.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from walras.core.checks import require, require_each
from walras.core.game import AbstractGame, Actions
from walras.core.typing import Floats, Ints
from walras.envs.auctions.double_auction import DoubleAuction
from walras.equilibria.auctions.interim import Found, Own, Terms, found_with, shown
from walras.equilibria.auctions.opposing import Bounds, Cells
from walras.markets.auctions.priors import Prior

FINE = 8192
"""Cells of types by which the best utility is bounded, at least."""
SUM = 1e-9
"""By how much chances may add to another number than one."""


@final
@dataclass(frozen=True, eq=False)
class MixedBidding:
    """A policy that draws each bid from a grid, with chances that follow from the cell of the own type.

    Raises
    ------
    ValueError
        If there is not one prior an agent, bids do not rise strictly or are not allowed, or chances are negative or do
        not add to 1.
    """

    game: AbstractGame[Any]
    priors: tuple[Prior, ...]  # N
    bids: Floats  # [M] money
    chance: Floats  # [N, K, M]

    def __post_init__(self) -> None:
        space: Any = self.game.action_space
        agents = len(self.game.agents)
        require(len(self.priors) == agents, "priors", f"be one for each of {agents} agents", len(self.priors))
        allowed = (self.bids >= space.low[0]) & (self.bids <= space.high[0])
        require_each(allowed, "bids", f"lie in [{space.low[0]}, {space.high[0]}]", self.bids)
        require_each(np.diff(self.bids) > 0, "bids", "rise strictly", self.bids[1:])
        shape, expected = np.shape(self.chance), (len(self.priors), len(self.bids))
        fits = len(shape) == 3 and (shape[0], shape[2]) == expected
        require(fits, "chance", f"hold {expected[0]} bidders, cells of types and {expected[1]} bids", shape)
        require_each(self.chance >= 0, "chance", "not be negative", self.chance)
        total = self.chance.sum(axis=2)
        require_each(np.abs(total - 1) <= SUM, "chance", "add to 1 over bids", total)

    @property
    def independent(self) -> bool:
        """Bidders draw independently."""
        return True

    @property
    def cells(self) -> int:
        """K."""
        return self.chance.shape[1]

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Draw the bids ``[B, N, 1]``."""
        lot = rng.random(observation.shape[:2])
        summed = self._summed[np.arange(len(self.priors)), self._cells_of(observation)]
        place = (summed < lot[:, :, None]).sum(axis=2)
        return self.bids[np.minimum(place, len(self.bids) - 1)][:, :, None]

    def mixture(self, observation: Floats) -> tuple[Floats, Actions]:
        """Return all bids with their chances; see `walras.core.policy.Mixed`."""
        weight = self.chance[np.arange(len(self.priors)), self._cells_of(observation)]
        return weight, np.broadcast_to(self.bids[:, None], (*weight.shape, 1)).copy()

    @cached_property
    def _summed(self) -> Floats:
        summed = np.cumsum(self.chance, axis=2)
        return summed / summed[:, :, -1:]

    @cached_property
    def _edges(self) -> list[Floats]:
        """Types between cells, ``[K - 1]`` a bidder."""
        inner = np.linspace(0.0, 1.0, self.cells + 1)[1:-1]
        return [prior.quantile(inner) for prior in self.priors]

    def _cells_of(self, observation: Floats) -> Ints:
        """Return the cells of the own types, ``[B, N]``."""
        each = [np.searchsorted(edges, observation[:, i, 0], side="right") for i, edges in enumerate(self._edges)]
        return np.stack(each, axis=1)


@final
@dataclass(frozen=True, eq=False)
class Drawn:
    """A rival's bids by their chances."""

    bids: Floats  # [M] rising
    chance: Floats  # [M]

    def points(self) -> Floats:
        """Return the bids, and what lies just above."""
        return np.concatenate((self.bids, np.nextafter(self.bids, np.inf)))

    def less(self, bid: Floats) -> Bounds:
        """Add."""
        below = self._summed[np.searchsorted(self.bids, bid, side="left")]
        return Bounds(below, below)

    def most(self, bid: Floats) -> Floats:
        """Add."""
        return self._summed[np.searchsorted(self.bids, bid, side="right")]

    def tied(self, bid: Floats) -> Floats:
        """Look up."""
        return self.most(bid) - self.less(bid).low

    @cached_property
    def turned(self) -> "Drawn":
        """The same with bids turned round, as a seller becomes a buyer."""
        return Drawn(-self.bids[::-1], self.chance[::-1])

    @cached_property
    def _summed(self) -> Floats:
        return np.minimum(np.concatenate(([0.0], np.cumsum(self.chance))), 1.0)


def mixed_found(policy: MixedBidding, faced: Callable[[Sequence[Drawn]], Sequence[Terms]]) -> list[Found]:
    """Return what is found of each bidder of a policy, given the terms that laws of bids lead to."""
    space: Any = policy.game.action_space
    laws = rivals_of(policy.bids, policy.chance)
    done, everyone = dict[tuple[Any, ...], Found](), list[Found]()
    for i, terms in enumerate(faced(laws)):
        key = (id(laws[i]), policy.priors[i], id(terms))
        if key not in done:
            parts = policy.priors[i], policy.bids, policy.chance[i], terms
            sells = is_turned(policy.game, i)
            done[key] = _sold(*parts, -float(space.high[0])) if sells else _bought(*parts, float(space.low[0]))
        everyone.append(done[key])
    return everyone


def is_turned(game: AbstractGame[Any], bidder: int) -> bool:
    """Return whether the terms of a bidder are turned round: those of the seller of a double auction."""
    return isinstance(game, DoubleAuction) and bidder == 1


def rivals_of(bids: Floats, chance: Floats) -> list[Drawn]:
    """Return what rivals face of each bidder with ``chance [N, K, M]``; bidders who are alike are one object."""
    laws = list[tuple[Floats, Drawn]]()
    everyone = list[Drawn]()
    for own in chance:
        law = next((law for other, law in laws if np.array_equal(own, other)), None)
        if law is None:
            law = Drawn(bids, own.mean(axis=0))
            laws.append((own, law))
        everyone.append(law)
    return everyone


def _bought(prior: Prior, bids: Floats, chance: Floats, terms: Terms, idle: float) -> Found:
    """Return what is found of a bidder with ``chance [K, M]``; the bid `idle` wins nothing."""
    return _found(_own(prior, len(chance)), bids, chance, terms, idle)


def _sold(prior: Prior, bids: Floats, chance: Floats, terms: Terms, idle: float) -> Found:
    """Return what is found of a seller, whose terms are turned round."""
    own = _own(prior, len(chance)).turned
    return _found(own, -bids[::-1], chance[::-1, ::-1], terms, idle).turned


def _own(prior: Prior, cells: int) -> Own:
    """Return fine cells of types, as many in each cell of a policy."""
    share = np.linspace(0.0, 1.0, cells * -(-FINE // cells) + 1)
    means = prior.cell_mean(share[:-1], share[1:])
    return Own(prior.quantile(share), means, Cells(means, means))


def _found(own: Own, bids: Floats, chance: Floats, terms: Terms, idle: float) -> Found:
    low, high = np.zeros(len(own.means)), np.zeros(len(own.means))
    for bid, weight in zip(bids, np.repeat(chance, len(low) // len(chance), axis=0).T, strict=True):
        same = np.full(len(low), bid)
        have = terms.own(own._replace(bids=Cells(same, same)))
        low, high = low + weight * have.low, high + weight * have.high
    near = np.minimum(shown(own.edges), len(low) - 1)
    return found_with(own, terms, (float(low.mean()), float(high.mean())), (low + high)[near] / 2, idle)
