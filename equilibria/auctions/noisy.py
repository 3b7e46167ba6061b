r"""Bids with normal noise: the certified interim gap of policies that draw.

A bidder of type v bids :math:`m(v) + s(v) z`, cut to the allowed bids, with z standard normal and drawn alone. To its
rivals this is a bidder with one type more: cells of v and of z, of equal mass together, bound its bids, and chances
follow as from cells of types. What it has itself is the mean over z, by slices of z each of which is bounded like a
strategy without chance. Widths fall as one over the number of cells.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, final, runtime_checkable

import numpy as np

from walras.core.checks import require, require_each
from walras.core.game import AbstractGame, Actions
from walras.core.policy import Policy
from walras.core.typing import Floats
from walras.equilibria.auctions.bid_functions import BidFunction, Table, Tabulated, seen
from walras.equilibria.auctions.interim import Found, MakesTerms, Own, Terms, found_with
from walras.equilibria.auctions.opposing import Bounds, Cells, Opposing
from walras.equilibria.audit import declared
from walras.markets.auctions.priors import Prior

TYPES, LUCKS = 2048, 512
"""Cells of types and of noise, of equal mass."""
FAR, SLICES = 6.0, 480
"""Standard deviations up to which noise is cut into even slices, and their number; what is beyond is two more."""
DRAWS = 4096
"""Draws by which a declared law is tested."""
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
    ends = float(game.action_space.low[0]), float(game.action_space.high[0])  # type: ignore[attr-defined]
    laws = list[_Law]()
    for edges, noise in zip(read.edges, read.strategies, strict=True):
        law = _Law(edges, noise, ends)
        laws.append(next((other for other in laws if other.same(law)), law))
    reserve, done = getattr(game.format, "reserve", 0.0), dict[tuple[Any, ...], Found]()  # type: ignore[attr-defined]
    everyone = list[Found]()
    for i, (law, make) in enumerate(zip(laws, makes, strict=True)):
        rivals = [other for j, other in enumerate(laws) if j != i]
        key = (id(law), str(make), *sorted(id(rival) for rival in rivals))
        if key not in done:
            against = Opposing(tuple(rival.cells for rival in rivals), reserve, ends[1])
            done[key] = _found(law, priors[i], make(against))
        everyone.append(done[key])
    return everyone


def _found(law: "_Law", prior: Prior, terms: Terms) -> Found:
    """Return what is found of a bidder; what it has is the mean over slices of its noise."""
    share = np.linspace(0.0, 1.0, TYPES + 1)
    own = Own(law.edges, prior.cell_mean(share[:-1], share[1:]), law.slice(0.0, 0.0))
    low, high = np.zeros(TYPES), np.zeros(TYPES)
    for weight, bids in law.slices:
        have = terms.own(own._replace(bids=bids))
        low, high = low + weight * have.low, high + weight * have.high
    return found_with(own, terms, Bounds(low, high), law.ends[0])


@final
@dataclass(frozen=True, eq=False)
class _Law:
    """Bids of one bidder on cells of its types and of its noise."""

    edges: Floats  # [K + 1]
    noise: Noise
    ends: tuple[float, float]

    def same(self, other: "_Law") -> bool:
        """Return whether another bidder has the same types and bids."""
        mine, theirs = (np.array([law.edges[1:], *law._bounds[0], *law._bounds[1]]) for law in (self, other))
        return np.array_equal(mine, theirs)

    @cached_property
    def _bounds(self) -> tuple[Cells, Cells]:
        return Cells(*self.noise.mean.cells(self.edges)), Cells(*self.noise.sd.cells(self.edges))

    @cached_property
    def cells(self) -> Cells:
        """All cells of types and noise, of equal mass, ``[K L]``."""
        from scipy.special import ndtri

        z = ndtri(np.linspace(0.0, 1.0, LUCKS + 1))
        low, high = self._bid(z[:-1, None], z[1:, None])
        return Cells(low.ravel(), high.ravel())

    @cached_property
    def slices(self) -> list[tuple[float, Cells]]:
        """The chance of each slice of noise, and the bids there."""
        from scipy.special import ndtr

        z = np.concatenate(([-np.inf], np.linspace(-FAR, FAR, SLICES + 1), [np.inf]))
        return [(float(ndtr(b) - ndtr(a)), self.slice(a, b)) for a, b in pairwise(z.tolist())]

    def slice(self, first: float, last: float) -> Cells:
        """Return the bids of types where noise lies between two numbers."""
        return self._bid(np.array(first), np.array(last))

    def _bid(self, first: Floats, last: Floats) -> Cells:
        mean, sd = self._bounds
        low = mean.low + np.minimum(first * sd.low, first * sd.high)
        high = mean.high + np.maximum(last * sd.low, last * sd.high)
        return Cells(np.clip(low, *self.ends), np.clip(high, *self.ends))


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
    """Raise unless draws of the middle types follow the law, as far as `DRAWS` tell."""
    from scipy.special import ndtr

    shown = seen(game, [np.full(DRAWS, own[len(own) // 2]) for own in edges])
    mean, sd = (np.asarray(part, dtype=np.float64)[0, :, 0] for part in law.normal(shown[:1]))
    drawn = np.asarray(policy.act(shown, np.random.default_rng(0)), dtype=np.float64)[:, :, 0]
    low, high = float(game.action_space.low[0]), float(game.action_space.high[0])  # type: ignore[attr-defined]
    for z in (-1.0, -0.3, 0.3, 1.0):
        at = mean + z * sd
        inside = (at > low) & (at < high)
        share = (drawn <= at).mean(axis=0)
        error = np.where(inside, np.abs(share - ndtr(z)), 0.0)
        require_each(error <= DOUBT * 0.5 / DRAWS**0.5, "policy", "draw by the normal law that it declares", share)
