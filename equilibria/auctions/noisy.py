r"""Bids with normal noise: the certified interim gap of policies that draw.

A bidder of type v bids :math:`m(v) + s(v) z`, cut to the allowed bids, with z standard normal and drawn alone. Its
types are cut into K cells of equal mass; what its rivals face is the mixture of normal laws over cells
(`walras.equilibria.auctions.normal_law`), with noise integrated and bounds on m and s alone left. What it has itself,
with types of mean :math:`\bar v_k` in cell k, is

.. math:: \mathrm{E}[v A(b) - P(b)] = \int A \, dF_v - \int P \, dF_1 ,

where :math:`F_w` is the law of its own bids that counts cell k by :math:`w(\bar v_k) / K`. A and P, what is won and
paid, rise with the bid, and no value is negative, so that bounds on the laws bound the integrals. Widths fall as one
over K and over the number of bids that are judged. With aversion to risk utility is no line in v: slices of z are
bounded like strategies without chance, which is wider.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, final, runtime_checkable

import numpy as np

from walras.core.checks import require, require_each
from walras.core.game import AbstractGame, Actions
from walras.core.policy import Policy
from walras.core.typing import Floats
from walras.equilibria.auctions.bid_functions import BidFunction, Table, Tabulated, seen
from walras.equilibria.auctions.interim import Found, MakesTerms, Own, Terms, found_with, shown
from walras.equilibria.auctions.normal_law import Ends, NormalLaw
from walras.equilibria.auctions.opposing import Bounds, Cells, Opposing
from walras.equilibria.audit import declared
from walras.markets.auctions.priors import Prior

TYPES, SLICED, DRAWN = 8192, 4096, 512
"""Cells of types, of equal mass; those where noise is cut into slices; and those by which earnings are drawn."""
SLICES = 720
"""Slices of noise. As wide as one over the root of the normal density, of all they leave the narrowest bounds."""
ROUNDS, BLOCKS = 8, 16
"""Draws of each cell's type by which a declared law is tested, and blocks of types in which they are."""
TESTED = (-1.0, -0.3, 0.0, 0.3, 1.0)
"""Standard deviations from the mean at which they are counted."""
DOUBT = 6.0
"""Standard errors by which they may differ from it."""


@runtime_checkable
class Normal(Protocol):
    """A policy that draws bids from normal laws, cut to the action space; bidders draw independently."""

    def normal(self, observation: Floats) -> tuple[Floats, Floats]:
        """Return means and standard deviations ``[B, N, 1]`` for ``observation [B, N, O]``."""
        ...


@final
@dataclass(frozen=True, eq=False)
class NoisyBidding:
    """A policy of bid functions with normal noise of one standard deviation a bidder, cut to the game's bids.

    Raises
    ------
    ValueError
        If there is not one standard deviation a strategy, positive and finite.
    """

    game: AbstractGame[Any]
    strategies: tuple[BidFunction, ...]
    sd: tuple[float, ...]  # [N] money

    def __post_init__(self) -> None:
        require(len(self.sd) == len(self.strategies), "sd", "be one number a strategy", self.sd)
        array = np.array(self.sd)
        require_each((array > 0) & np.isfinite(array), "sd", "be positive and finite", array)

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Draw the bids ``[B, N, 1]``."""
        mean, sd = self.normal(observation)
        space: Any = self.game.action_space
        return np.clip(mean + sd * rng.standard_normal(mean.shape), space.low, space.high)

    @property
    def independent(self) -> bool:
        """Bidders draw independently."""
        return True

    def normal(self, observation: Floats) -> tuple[Floats, Floats]:
        """Return means and standard deviations."""
        bids = [strategy(observation[:, i, 0]) for i, strategy in enumerate(self.strategies)]
        mean = np.stack(bids, axis=1)[:, :, None]
        return mean, np.broadcast_to(np.array(self.sd)[:, None], mean.shape)


class Noise(NamedTuple):
    """What one bidder does."""

    mean: BidFunction
    sd: BidFunction


@final
@dataclass(frozen=True, eq=False)
class Read:
    """A policy with noise, read at types of each bidder."""

    game: AbstractGame[Any]
    policy: Normal
    edges: tuple[Floats, ...]  # [K + 1] each

    @cached_property
    def _tables(self) -> tuple[Tabulated, Tabulated]:
        parts = (_Part(self.policy, which) for which in (0, 1))
        mean, sd = (Tabulated(self.game, part, self.edges, ends=(-np.inf, np.inf)) for part in parts)
        return mean, sd

    @property
    def plain(self) -> bool:
        """Whether the law follows from the own type alone."""
        return all(table.plain for table in self._tables)

    @property
    def error(self) -> Floats:
        """The largest distance ``[N]`` between the policy's law and the tables, money."""
        mean, sd = self._tables
        return np.maximum(mean.error, sd.error)

    @cached_property
    def strategies(self) -> tuple[Noise, ...]:
        """Tables of means and standard deviations, one pair a bidder."""
        mean, sd = self._tables
        pairs = [Noise(m, s) for m, s in zip(mean.strategies, sd.strategies, strict=True)]
        least = np.array([_least(pair.sd) for pair in pairs])
        require_each(least > 0, "policy", "draw with positive deviations", least)
        return tuple(pairs)


def read_noise(game: AbstractGame[Any], policy: Policy, priors: tuple[Prior, ...]) -> Read | None:
    """Return the laws of a policy with noise; none where it declares none or sees more than the own type.

    Raises
    ------
    ValueError
        If draws do not follow the law that it declares.
    """
    own = declared(policy)
    if not isinstance(own, Normal):
        return None
    edges = tuple(prior.quantile(np.linspace(0.0, 1.0, TYPES + 1)) for prior in priors)
    _test(game, policy, own, edges)
    read = Read(game, own, edges)
    return read if read.plain else None


def noisy_found(game: AbstractGame[Any], read: Read, priors: tuple[Prior, ...], makes: list[MakesTerms]) -> list[Found]:
    """Return what is found of each bidder."""
    ends = Ends(float(game.action_space.low[0]), float(game.action_space.high[0]))  # type: ignore[attr-defined]
    bidders = list[_Noisy]()
    for prior, edges, noise in zip(priors, read.edges, read.strategies, strict=True):
        own = _Noisy(prior, edges, Cells(*noise.mean.cells(edges)), Cells(*noise.sd.cells(edges)), ends)
        bidders.append(next((other for other in bidders if other.same(own)), own))
    reserve, done = getattr(game.format, "reserve", 0.0), dict[tuple[Any, ...], Found]()  # type: ignore[attr-defined]
    everyone = list[Found]()
    for i, (own, make) in enumerate(zip(bidders, makes, strict=True)):
        rivals = [other for j, other in enumerate(bidders) if j != i]
        key = (id(own), str(make), *sorted(id(rival) for rival in rivals))
        if key not in done:
            done[key] = own.found(make(Opposing(tuple(rival.law for rival in rivals), reserve, ends.high)))
        everyone.append(done[key])
    return everyone


@final
@dataclass(frozen=True, eq=False)
class _Noisy:
    """One bidder: K cells of its types, of equal mass, and bounds on its means and deviations there."""

    prior: Prior
    edges: Floats  # [K + 1] money
    mean: Cells  # [K] money
    sd: Cells  # [K] money
    ends: Ends

    def same(self, other: "_Noisy") -> bool:
        """Return whether another bidder has the same types and bids."""
        mine, theirs = (np.array([own.edges[1:], *own.mean, *own.sd]) for own in (self, other))
        return np.array_equal(mine, theirs)

    def found(self, terms: Terms) -> Found:
        """Return what is found of the bidder."""
        have = self.integrated(terms) if terms.power == 1.0 else _total(self.merged(SLICED).sliced(terms))
        low, high = self.merged(DRAWN).sliced(terms)
        near = shown(self.edges) * DRAWN // TYPES
        return found_with(self.own(0.0, 0.0), terms, have, (low + high)[np.minimum(near, DRAWN - 1)] / 2, self.ends.low)

    def integrated(self, terms: Terms) -> tuple[float, float]:
        """Return bounds on its mean utility, which is a line in the type; see the module."""
        bids, worth = terms.lower.bid, replace(self.law, weight=self.law.weight * self.types)
        won = worth.mean_of(lambda bid: terms.chance(Cells(bid, bid)), bids)
        paid = self.law.mean_of(terms.paid, bids)
        return won[0] - paid[1], won[1] - paid[0]

    def sliced(self, terms: Terms) -> Bounds:
        """Return bounds on its mean utility in each cell, ``[K]``, by slices of noise."""
        from scipy.special import ndtr, ndtri

        low, high = np.zeros(len(self.types)), np.zeros(len(self.types))
        z = np.sqrt(2.0) * ndtri(np.linspace(0.0, 1.0, SLICES + 1))
        for first, last in pairwise(z.tolist()):
            weight, have = float(ndtr(last) - ndtr(first)), terms.own(self.own(first, last))
            low, high = low + weight * have.low, high + weight * have.high
        return Bounds(low, high)

    def own(self, first: float, last: float) -> Own:
        """Return types, and bids where noise lies between two numbers."""
        low = self.mean.low + np.minimum(first * self.sd.low, first * self.sd.high)
        high = self.mean.high + np.maximum(last * self.sd.low, last * self.sd.high)
        return Own(self.edges, self.types, Cells(np.clip(low, *self.ends), np.clip(high, *self.ends)))

    def merged(self, cells: int) -> "_Noisy":
        """Return the same with fewer cells, each of as many that stand side by side."""
        many = len(self.types) // cells
        mean, sd = (
            Cells(part.low.reshape(cells, many).min(axis=1), part.high.reshape(cells, many).max(axis=1))
            for part in (self.mean, self.sd)
        )
        return replace(self, edges=self.edges[::many], mean=mean, sd=sd)

    @cached_property
    def law(self) -> NormalLaw:
        """The law of its bids."""
        return NormalLaw(np.full(len(self.types), 1 / len(self.types)), self.mean, self.sd, self.ends)

    @cached_property
    def types(self) -> Floats:
        """The mean type of each cell, ``[K]``."""
        share = np.linspace(0.0, 1.0, len(self.edges))
        return self.prior.cell_mean(share[:-1], share[1:])


def _total(have: Bounds) -> tuple[float, float]:
    return float(have.low.mean()), float(have.high.mean())


@final
@dataclass(frozen=True, eq=False)
class _Part:
    """Means or deviations, as a policy without chance."""

    policy: Normal
    which: int

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the part."""
        return np.asarray(self.policy.normal(observation)[self.which], dtype=np.float64)


def _least(sd: BidFunction) -> float:
    """Return the least deviation that a table allows."""
    assert isinstance(sd, Table)
    return float(sd.bids.min()) - sd.margin


def _test(game: AbstractGame[Any], policy: Policy, law: Normal, edges: tuple[Floats, ...]) -> None:
    """Raise unless draws follow the law, in each block of types and whatever others see and draw, as far as they tell.

    Of each bidder in each row it is counted whether the draw lies below a quantile, less the quantile's probability.
    """
    from scipy.special import ndtr

    rng = np.random.default_rng(0)
    low, high = float(game.action_space.low[0]), float(game.action_space.high[0])  # type: ignore[attr-defined]
    away, both = np.zeros((len(TESTED), BLOCKS, len(edges))), np.zeros((2, len(edges), len(edges)))
    for _ in range(ROUNDS):
        order = np.stack([rng.permutation(TYPES) for _ in edges], axis=1)  # another for each bidder
        shown = seen(game, [own[order[:, i]] for i, own in enumerate(edges)])
        mean, sd = (np.asarray(part, dtype=np.float64)[:, :, 0] for part in law.normal(shown))
        drawn, back = np.asarray(policy.act(shown, rng), dtype=np.float64)[:, :, 0], np.argsort(order, axis=0)
        for k, z in enumerate(TESTED):
            at = mean + z * sd
            below = np.where((at > low) & (at < high), (drawn <= at) - ndtr(z), 0.0)
            away[k] += np.take_along_axis(below, back, axis=0).reshape(BLOCKS, -1, len(edges)).sum(axis=1)
            if z == 0:
                both += below.T @ below, below.T @ np.where(order < TYPES // 2, -0.5, 0.5)
    draws, others = TYPES * ROUNDS, ~np.eye(len(edges), dtype=np.bool_)
    error = DOUBT * 0.5 * (draws / BLOCKS) ** 0.5
    require_each(np.abs(away) <= error, "policy", "draw by the normal law that it declares", away * BLOCKS / draws)
    rule = "draw independently of what other bidders see and draw, as its law declares"
    require_each(np.abs(both[:, others]) <= DOUBT * 0.25 * draws**0.5, "policy", rule, 4 * both[:, others] / draws)
