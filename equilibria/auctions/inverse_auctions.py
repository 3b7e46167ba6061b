r"""Auctions with unknown values: first-price bids identify them, second-price bids bound them.

First price
-----------
N bidders whose values are independent draws of one law bid alike. A bid b wins with the chance :math:`H = G^{N-1}`, G
being the distribution of bids, and is best for the value [1]_

.. math:: v(b) = b + \frac{G(b)}{(N - 1) \, g(b)} .

The parameters are the values of those who bid at given quantiles of G. Their estimate takes a triweight kernel for g,
and none of the bids within a bandwidth of an end, where it is biased. The confidence set is free of kernels: with
probability at least the `confidence`, the empirical distribution is nowhere further than
:math:`\sqrt{\log(2 / \delta) / 2n}` from G (Dvoretzky, Kiefer and Wolfowitz, with Massart's constant [2]_). The true
value of a bid b meets :math:`(v - b') H(b') \le (v - b) H(b)` for every other bid b', hence with H at its
upper end on the right and at its lower end on the left: an interval for each value, for all of them at once.

Second price
------------
The winner pays the second highest bid. With values that all know, bids are a Nash equilibrium if and only if the
winner's value is at least the second highest bid and no loser's exceeds the highest: a box, whatever the bids. If
bidders play their dominant strategies, values are the bids.

References
----------
[1] E. Guerre, I. Perrigne, Q. Vuong, Optimal nonparametric estimation of first-price auctions, Econometrica 68, 2000.
[2] P. Massart, The tight constant in the Dvoretzky-Kiefer-Wolfowitz inequality, Annals of Probability 18, 1990.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, final

import numpy as np

from walras.core.checks import require, require_each, require_known, require_whole
from walras.core.typing import Floats, Ints
from walras.equilibria.inverse.family import AbstractFamily, Regrets
from walras.equilibria.inverse.moments import Moments
from walras.equilibria.inverse.parameter_set import ParameterSet
from walras.equilibria.inverse.tables import by_period

if TYPE_CHECKING:
    import pandas as pd

LEAST_BIDS = 20
"""Bids that a density needs, at least."""


@final
@dataclass(frozen=True, eq=False)
class BidPlay:
    """Observed bids."""

    bid: Floats  # [T, N] money


@final
@dataclass(frozen=True)
class InverseFirstPrice(AbstractFamily[BidPlay]):
    """First-price auctions of bidders who are alike; the values behind quantiles of their bids are unknown.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    bidders: int = 2
    levels: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    """Quantiles of bids."""
    largest: float = 1.0
    """Bound of values, money."""

    def __post_init__(self) -> None:
        require_whole(self.bidders, "bidders")
        require(self.bidders >= 2, "bidders", "be at least 2", self.bidders)
        rising = len(self.levels) > 0 and bool(np.all(np.diff((0.0, *self.levels, 1.0)) > 0))
        require(rising, "levels", "rise between 0 and 1", self.levels)
        require(0 < self.largest < np.inf, "largest", "be positive and finite", self.largest)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``bidder_0`` .. ``bidder_{N-1}``."""
        return tuple(f"bidder_{i}" for i in range(self.bidders))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """``value_at_0.1`` ..."""
        return tuple(f"value_at_{level:g}" for level in self.levels)

    @cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        """From zero to `largest`."""
        return np.zeros(len(self.levels)), np.full(len(self.levels), self.largest)

    def read(self, table: "pd.DataFrame") -> BidPlay:
        """Read columns `period`, `agent` and `bid`.

        Raises
        ------
        ValueError
            If the table does not fit; see `walras.equilibria.inverse.tables.by_period`.
        """
        return BidPlay(by_period(table, ["bid"], self.agents)["bid"])

    def check(self, observed: BidPlay) -> None:
        """Refuse bids out of range, and too few.

        Raises
        ------
        ValueError
            If there are any, or fewer than 20.
        """
        _check_bids(observed.bid, self.bidders)
        require(
            observed.bid.size >= LEAST_BIDS, "bid", f"hold at least {LEAST_BIDS} bids for a density", observed.bid.size
        )
        high = float(observed.bid.max())
        require(high <= self.largest, "bid", f"not exceed `largest`, {self.largest}", high)

    def quantiles(self, observed: BidPlay) -> Floats:
        """Return the bids at the levels, ``[P]``."""
        return np.quantile(observed.bid, self.levels)

    def values(self, observed: BidPlay, at: Floats) -> Floats:
        """Return the value behind each bid ``at [..]`` by the kernel estimate; NaN within a bandwidth of an end."""
        bids = np.sort(observed.bid.ravel())
        width = bandwidth(bids)
        below = np.searchsorted(bids, at, side="right") / len(bids)
        near = (at[..., None] - bids) / width
        kernel = np.where(np.abs(near) < 1, 35 / 32 * (1 - near**2) ** 3, 0.0)
        density = kernel.mean(axis=-1) / width
        value = at + below / ((self.bidders - 1) * np.where(density > 0, density, np.nan))
        inside = (at >= bids[0] + width) & (at <= bids[-1] - width)
        return np.where(inside, value, np.nan)

    def conditions(self, observed: BidPlay) -> ParameterSet:
        """Return values at which no other observed bid is better against the observed distribution itself."""
        return self._box(observed, 0.0)

    def confidence_set(self, observed: BidPlay, confidence: float) -> ParameterSet:
        """Return intervals that hold all values with at least this probability."""
        wide = np.sqrt(np.log(2 / (1 - confidence)) / (2 * observed.bid.size))
        return self._box(observed, float(wide))

    def estimate(self, observed: BidPlay, allowed: ParameterSet) -> Floats:
        """Return the kernel estimates, cut to the set; where there is none, the set's centre."""
        found = self.values(observed, self.quantiles(observed))
        low, high = allowed.interval.T
        return np.clip(np.where(np.isnan(found), allowed.centre, found), low, high)

    def intervals(self, observed: BidPlay, at: Floats, wide: float) -> tuple[Floats, Floats]:
        """Return the ends of the values that rationalise each bid ``at [P]``, H being known up to `wide` in G."""
        bids = np.sort(observed.bid.ravel())
        power = self.bidders - 1
        told = np.searchsorted(bids, bids, side="right") / len(bids)
        own = np.searchsorted(bids, at, side="right") / len(bids)
        least = np.maximum(told - wide, 0.0) ** power
        most = np.minimum(own + wide, 1.0)[:, None] ** power
        # (v - b') H_low(b') <= (v - b) H_high(b): a bound from above where H_low(b') > H_high(b), from below elsewhere.
        gap, cost = least - most, bids * least - at[:, None] * most
        above = np.where(gap > 0, cost / np.where(gap > 0, gap, 1.0), np.inf).min(axis=1)
        below = np.where(gap < 0, cost / np.where(gap < 0, gap, -1.0), -np.inf).max(axis=1)
        return np.maximum(below, at), np.minimum(above, self.largest)

    def _box(self, observed: BidPlay, wide: float) -> ParameterSet:
        low, high = self.intervals(observed, self.quantiles(observed), wide)
        size = len(self.levels)
        rows = np.concatenate([np.eye(size), -np.eye(size)])
        return ParameterSet(self.names, *self.bounds, rows, np.concatenate([high, -low]))

    def own(self, player: int) -> Ints:
        """Return all places: bidders are alike."""
        return np.arange(len(self.levels))

    def regrets(self, observed: BidPlay, theta: Floats) -> Regrets:
        """Return what the best observed bid gains against the observed bids; values are linear between levels."""
        bids = np.unique(observed.bid)
        below = np.searchsorted(np.sort(observed.bid.ravel()), bids, side="right") / observed.bid.size
        chance = below ** (self.bidders - 1)
        share = _shares(observed.bid, self.quantiles(observed))
        value, won = share @ theta, chance[np.searchsorted(bids, observed.bid)]
        best = best_bids(value, bids, chance)
        payoff, ideal = (value - observed.bid) * won, (value - bids[best]) * chance[best]
        return Regrets(np.maximum(ideal - payoff, 0.0), payoff, (chance[best] - won)[..., None] * share)


def best_bids(value: Floats, bids: Floats, chance: Floats) -> Ints:
    """Return the place of the best bid for each value, of rising bids that win with rising chances.

    Utility :math:`v H - b H` is a line in v for each bid; the best ones are the upper envelope, a convex hull.
    """
    hull = list[int]()
    paid = bids * chance
    for k in range(len(bids)):
        while len(hull) > 1:
            i, j = hull[-2], hull[-1]
            if (paid[j] - paid[i]) * (chance[k] - chance[j]) < (paid[k] - paid[j]) * (chance[j] - chance[i]):
                break
            hull.pop()
        hull.append(k)
    kept = np.array(hull)
    switch = np.diff(paid[kept]) / np.diff(chance[kept])
    return kept[np.searchsorted(switch, value)]


def bandwidth(bids: Floats) -> float:
    """Return the bandwidth of the triweight kernel by the rule of thumb, money."""
    spread = float(bids.std(ddof=1))
    require(spread > 0, "bid", "differ, for a density to be seen", bids[0])
    return 2.978 * 1.06 * spread * len(bids) ** -0.2


def _shares(bid: Floats, at: Floats) -> Floats:
    """Return the weights ``[T, N, P]`` by which the value of a bid is made of those at the levels."""
    right = np.clip(np.searchsorted(at, bid), 1, max(len(at) - 1, 1))
    if len(at) == 1:
        return np.ones((*bid.shape, 1))
    wide = np.maximum(at[right] - at[right - 1], 1e-300)
    weight = np.clip((bid - at[right - 1]) / wide, 0.0, 1.0)
    eye = np.eye(len(at))
    return weight[..., None] * eye[right] + (1 - weight[..., None]) * eye[right - 1]


@final
@dataclass(frozen=True)
class InverseSecondPrice(AbstractFamily[BidPlay]):
    """Second-price auctions with the same bidders in each period; their values are unknown.

    Raises
    ------
    ValueError
        If a number is out of range or a name unknown.
    """

    bidders: int = 2
    concept: str = "nash"
    """"nash", of values that all know, or "truthful": bidders play their dominant strategies."""
    largest: float = 100.0
    """Bound of values, money."""

    def __post_init__(self) -> None:
        require_whole(self.bidders, "bidders")
        require(self.bidders >= 2, "bidders", "be at least 2", self.bidders)
        require_known(self.concept, "concept", ("nash", "truthful"))
        require(0 < self.largest < np.inf, "largest", "be positive and finite", self.largest)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``bidder_0`` .. ``bidder_{N-1}``."""
        return tuple(f"bidder_{i}" for i in range(self.bidders))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """``value_0`` .."""
        return tuple(f"value_{i}" for i in range(self.bidders))

    @cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        """From zero to `largest`."""
        return np.zeros(self.bidders), np.full(self.bidders, self.largest)

    def read(self, table: "pd.DataFrame") -> BidPlay:
        """Read columns `period`, `agent` and `bid`.

        Raises
        ------
        ValueError
            If the table does not fit; see `walras.equilibria.inverse.tables.by_period`.
        """
        return BidPlay(by_period(table, ["bid"], self.agents)["bid"])

    def check(self, observed: BidPlay) -> None:
        """Refuse bids out of range, and ties at the top.

        Raises
        ------
        ValueError
            If there are any.
        """
        _check_bids(observed.bid, self.bidders)
        top = np.sort(observed.bid, axis=1)[:, ::-1]
        require_each(
            top[:, 0] > top[:, 1], "bid", "have one highest in each period, for the winner to be seen", top[:, 0]
        )

    def conditions(self, observed: BidPlay) -> ParameterSet:
        """Return the values at which bids are an equilibrium."""
        size, bid = self.bidders, observed.bid
        if self.concept == "truthful":
            equal = np.tile(np.eye(size), (len(bid), 1))
            return ParameterSet(self.names, *self.bounds, equal=equal, level=bid.ravel())
        first, second, won = _top_two(bid)
        low = np.max(np.where(won, second[:, None], 0.0), axis=0)
        high = np.min(np.where(won, self.largest, first[:, None]), axis=0)
        rows = np.concatenate([np.eye(size), -np.eye(size)])
        return ParameterSet(self.names, *self.bounds, rows, np.concatenate([high, -low]))

    def moments(self, observed: BidPlay) -> Moments:
        """Return that bids are values in each period, which holds on average where bids have errors.

        Raises
        ------
        ValueError
            If values are known to all: bids bound them, and the highest bid of a sample is no mean.
        """
        require(self.concept == "truthful", "concept", "be 'truthful', for a sample", self.concept)
        rows = np.broadcast_to(np.eye(self.bidders), (len(observed.bid), self.bidders, self.bidders))
        return Moments(rows, observed.bid, rows)

    def own(self, player: int) -> Ints:
        """Return the place of a bidder's value."""
        return np.array([player])

    def regrets(self, observed: BidPlay, theta: Floats) -> Regrets:
        """Return what the winner gains by losing, and losers by winning."""
        first, second, won = _top_two(observed.bid)
        payoff = np.where(won, theta - second[:, None], 0.0)
        gain = np.where(won, second[:, None] - theta, theta - first[:, None])
        active = gain > 0
        slope = np.where(active, np.where(won, -1.0, 1.0), 0.0)
        return Regrets(np.maximum(gain, 0.0), payoff, slope[..., None] * np.eye(self.bidders))


def _top_two(bid: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the highest and second highest bids ``[T]``, and who won ``[T, N]``."""
    ordered = np.sort(bid, axis=1)
    return ordered[:, -1], ordered[:, -2], bid == ordered[:, -1:]


def _check_bids(bid: Floats, bidders: int) -> None:
    require(bid.ndim == 2 and bid.shape[1] == bidders, "bid", f"have shape [T, {bidders}]", bid.shape)
    require_each(np.isfinite(bid) & (bid >= 0), "bid", "be finite and not negative", bid)
