r"""What a bidder faces: bounds on the chance to win with a bid, from what is known of its rivals' bids.

A rival that draws nothing (`Counted`) has its types cut into K cells, of equal prior mass but where rivals are many,
and its bids on each lie between ``lo`` and ``up``. So

.. math:: \#\{up < b\} / K \le P(b_j < b) \le P(b_j \le b) \le \#\{lo \le b\} / K,

and with independent types the chance A(b) to beat all rivals lies between the products of both ends. Bids are judged
on a grid that holds, of every cell of a rival, the least bid and what lies just above the largest. Between two bids of
the grid A stays below its limit at the upper one from below, which does not see an atom there.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol, TypeAlias, TypeVar, final

import numpy as np

from walras.core.typing import Bools, Floats

MANY = 32
"""Rivals from which cells are cut by the chance to beat all of them too, and ties are won or lost as a whole."""
SUMMED = 2e-11
"""Bound on the rounding of sums of up to 2^17 masses."""
MOST = 2**20
"""Bids of the grid, at most; of more, some are left out, which widens the bounds."""


class Cells(NamedTuple):
    """Bounds on one bidder's bids in K cells of its types."""

    low: Floats  # [K]
    high: Floats  # [K]


def shares_cut(cells: int, rivals: int) -> Floats:
    """Return the shares of types ``[K + 1]`` between which cells lie: of equal mass, for few rivals.

    Against many it is the highest types that win: half of the cells are of equal chance to beat all rivals who bid
    alike.
    """
    if rivals <= MANY:
        return np.linspace(0.0, 1.0, cells + 1)
    half = np.linspace(0.0, 1.0, cells // 2 + 1)
    return np.unique(np.concatenate((half, half ** (1 / rivals))))


class Law(NamedTuple):
    """What mass of a rival lies below any bid."""

    bids: Floats  # [P] rising
    below: Floats | None  # [P + 1] mass before each; none where all of the rival's cells are of equal mass
    cells: int  # of all of the rival's bids

    def mass(self, at: Floats, side: str) -> Floats:
        """Return the mass of bids below `at` ("left"), or not above ("right")."""
        place = np.searchsorted(self.bids, at, side=side)  # type: ignore[call-overload]
        return place / self.cells if self.below is None else self.below[place]


class Bounds(NamedTuple):
    """A number at each bid of the grid, from below and from above."""

    low: Floats  # [G]
    high: Floats  # [G]


class Chance(NamedTuple):
    """A rising number in [0, 1] at each bid of the grid."""

    low: Floats  # [G]
    high: Floats  # [G]
    before: Floats  # [G] from above, at all smaller bids


Alike = TypeVar("Alike")
Share: TypeAlias = Callable[[Sequence[Floats]], Floats]
"""From the chances to beat each rival to the share of the good that is won."""


class Rival(Protocol):
    """What is known of one rival's bids."""

    def points(self) -> Floats:
        """Return bids that are worth judging, in any order."""
        ...

    def less(self, bid: Floats) -> Bounds:
        """Return bounds on the chance that it bids less."""
        ...

    def most(self, bid: Floats) -> Floats:
        """Return the chance that it bids as much or less, from above."""
        ...

    def tied(self, bid: Floats) -> Floats:
        """Return the chance that it bids the same, from below."""
        ...


@final
@dataclass(frozen=True, eq=False)
class Counted:
    """A rival's bids by counting cells."""

    cells: Cells
    weight: Floats | None = None  # [K] mass of the cells; equal where none is given

    def points(self) -> Floats:
        """Return the least bid of each cell, and what lies just above the largest."""
        return np.concatenate((self._low.bids, np.nextafter(self._high.bids, np.inf)))

    def less(self, bid: Floats) -> Bounds:
        """Count."""
        return Bounds(self._rounded(self._high.mass(bid, "left"), -SUMMED), self._rounded(self._low.mass(bid, "left")))

    def most(self, bid: Floats) -> Floats:
        """Count."""
        return self._rounded(self._low.mass(bid, "right"))

    def tied(self, bid: Floats) -> Floats:
        """Count cells that are one bid."""
        return self._point.mass(bid, "right") - self._point.mass(bid, "left")

    def _rounded(self, mass: Floats, by: float = SUMMED) -> Floats:
        """Return a mass that was summed, moved outward by what rounding may have done."""
        return mass if self.weight is None else np.clip(mass + by, 0.0, 1.0)

    @cached_property
    def _low(self) -> Law:
        return self._law(self.cells.low)

    @cached_property
    def _high(self) -> Law:
        return self._law(self.cells.high)

    @cached_property
    def _point(self) -> Law:
        return self._law(self.cells.low, self.cells.low == self.cells.high)

    def _law(self, bids: Floats, which: Bools | slice = slice(None)) -> Law:
        """Return the law of bids ``[K]``, or of some of them."""
        if self.weight is None:
            return Law(np.sort(bids[which]), None, len(bids))
        order = np.argsort(bids[which], kind="stable")
        below = np.concatenate(([0.0], np.cumsum(self.weight[which][order])))
        return Law(bids[which][order], below, len(bids))


class Faced(Protocol):
    """What one bidder faces: bids, and its chance to win with them."""

    @property
    def first(self) -> float:
        """Least bid that may win, money."""
        ...

    def bids(self) -> Floats:
        """Return the bids ``[G]`` that are judged, rising."""
        ...

    def shares(self, share: Share | None = None) -> Chance:
        """Return the chance to win with each of them."""
        ...

    def at(self, bid: Floats, high: bool, share: Share | None = None) -> Floats:
        """Return an end of the chance to win at any bids."""
        ...


@final
@dataclass(frozen=True, eq=False)
class Opposing:
    """The rivals of one bidder."""

    rivals: tuple[Rival, ...]
    first: float
    """Least bid that may win, money."""
    cap: float
    """Largest bid that is allowed, money."""
    equal_trades: bool = False
    """Whether an equal bid wins for sure, as a bid that meets an ask does; elsewhere chance settles ties."""

    @cached_property
    def grid(self) -> Floats:
        """Bids ``[G]``: the least one, and those that are worth judging of any rival."""
        every = np.unique(np.concatenate([rival.points() for rival in self._different.values()]))
        last = every[-1:]
        every = every[:: -(-len(every) // MOST)]
        inside = np.concatenate((every, last))
        inside = inside[(inside > self.first) & (inside <= self.cap)]
        return np.unique(np.append(inside, self.first))

    @cached_property
    def each(self) -> tuple[Chance, ...]:
        """The chance to beat each rival, at the bids of the grid."""
        known = {key: self._beaten(rival) for key, rival in self._different.items()}
        return tuple(known[id(rival)] for rival in self.rivals)

    def bids(self) -> Floats:
        """Return the grid."""
        return self.grid

    def shares(self, share: Share | None = None) -> Chance:
        """Return the chance A to beat all rivals, or another share, at the bids of the grid."""
        return shared(self.each, share or beats_all)

    def at(self, bid: Floats, high: bool, share: Share | None = None) -> Floats:
        """Return an end of A, or of another share, at any bids, ties included: 0 below the least one that may win.

        Among equal bids the largest of even numbers wins, so that who has drawn u beats a rival with the chance
        :math:`P(b_j < b) + u P(b_j = b)`: the mean over u of what follows is a polynomial's, by Gauss's rule.
        """
        won, below = share or beats_all, {key: _below(rival, bid, high) for key, rival in self._different.items()}
        ties, chance = any(equal.any() for _, equal in below.values()), np.zeros(len(bid))
        for u, weight in self._lots(high) if ties else [(0.0, 1.0)]:
            beaten = {key: least + u * equal if ties else least for key, (least, equal) in below.items()}
            chance += weight * won([beaten[id(rival)] for rival in self.rivals])
        return np.where(bid >= self.first, chance, 0.0)

    def _lots(self, high: bool) -> list[tuple[float, float]]:
        """Return numbers drawn by lot, and their weights; of many rivals, the best or the worst for the bidder."""
        if self.equal_trades:
            return [(1.0, 1.0)]
        if len(self.rivals) > MANY:
            return [(1.0 * high, 1.0)]
        node, weight = np.polynomial.legendre.leggauss(len(self.rivals) // 2 + 1)
        return list(zip(((node + 1) / 2).tolist(), (weight / 2).tolist(), strict=True))

    @cached_property
    def _different(self) -> dict[int, Rival]:
        """Rivals that are not the same one."""
        return {id(rival): rival for rival in self.rivals}

    def _beaten(self, rival: Rival) -> Chance:
        low, before = rival.less(self.grid)
        return Chance(low, rival.most(self.grid), before)


def beats_all(beats: Sequence[Floats]) -> Floats:
    """Return the chance to beat all rivals, given the chance to beat each; those who are alike are one object."""
    chance = np.ones(1)
    for beat, times in alike(beats):
        chance = chance * beat**times
    return chance


def alike(each: Sequence[Alike]) -> list[tuple[Alike, int]]:
    """Return the different objects of a sequence, and how often each is there."""
    return [(next(one for one in each if id(one) == key), times) for key, times in Counter(map(id, each)).items()]


def shared(each: Sequence[Chance], share: Share) -> Chance:
    """Return the bounds on a share that rises with the chance to beat each rival."""
    return Chance(*(np.maximum.accumulate(share(part)) for part in zip(*each, strict=True)))


def integral(grid: Floats, step: Chance) -> Bounds:
    """Return the integral of a rising function from the first bid to each, ``[G]``."""
    width = np.diff(grid)
    low = np.concatenate(([0.0], np.cumsum(step.low[:-1] * width)))
    high = np.concatenate(([0.0], np.cumsum(step.before[1:] * width)))
    return Bounds(low, high)


def interpolated(grid: Floats, values: Floats, bid: Floats, up: bool) -> Floats:
    """Return a rising function at any bids: its value at the next bid of the grid above, or below."""
    place = np.searchsorted(grid, bid, side="left") if up else np.searchsorted(grid, bid, side="right") - 1
    return values[np.clip(place, 0, len(grid) - 1)]


def _below(rival: Rival, bid: Floats, high: bool) -> tuple[Floats, Floats]:
    """Return an end of the chance that a rival bids less, and the chance that is known to be a tie."""
    equal = rival.tied(bid)
    return (rival.most(bid) - equal if high else rival.less(bid).low), equal
