r"""What a bidder faces: bounds on the chance to win with a bid, from cells of its rivals' types.

A rival's types are cut into K cells of equal prior mass, and its bids on each lie between ``lo`` and ``up``. So

.. math:: \#\{up < b\} / K \le P(b_j < b) \le P(b_j \le b) \le \#\{lo \le b\} / K,

and with independent types the chance A(b) to beat all rivals lies between the products of both ends. Bids are judged
on a grid that holds, of every cell of a rival, the least bid and what lies just above the largest. Between two bids of
the grid A stays below its limit at the upper one from below, which does not see an atom there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

import numpy as np

from walras.core.typing import Floats

MOST = 2**20
"""Bids of the grid, at most; of more, some are left out, which widens the bounds."""


class Cells(NamedTuple):
    """Bounds on one bidder's bids in K cells of its types."""

    low: Floats  # [K]
    high: Floats  # [K]


class Bounds(NamedTuple):
    """A number at each bid of the grid, from below and from above."""

    low: Floats  # [G]
    high: Floats  # [G]


class Chance(NamedTuple):
    """A rising number in [0, 1] at each bid of the grid."""

    low: Floats  # [G]
    high: Floats  # [G]
    before: Floats  # [G] from above, at all smaller bids


@final
@dataclass(frozen=True, eq=False)
class Opposing:
    """The rivals of one bidder."""

    rivals: tuple[Cells, ...]
    first: float
    """Least bid that may win, money."""
    cap: float
    """Largest bid that is allowed, money."""

    @cached_property
    def grid(self) -> Floats:
        """Bids ``[G]``: the least one, and those just above the largest bid of each cell of a rival."""
        parts = [part for r in self._different for part in (r.low, np.nextafter(r.high, np.inf))]
        every = np.unique(np.concatenate(parts))
        last = every[-1:]
        every = every[:: -(-len(every) // MOST)]
        inside = np.concatenate((every, last))
        inside = inside[(inside > self.first) & (inside <= self.cap)]
        return np.unique(np.append(inside, self.first))

    @cached_property
    def each(self) -> tuple[Chance, ...]:
        """The chance to beat each rival, at the bids of the grid."""
        known = {id(r): self._beaten(r) for r in self._different}
        return tuple(known[id(r)] for r in self.rivals)

    @cached_property
    def all(self) -> Chance:
        """The chance A to beat all rivals."""
        return product(self.each)

    def at(self, bid: Floats, high: bool) -> Floats:
        """Return an end of A at any bids: 0 below the least one that may win."""
        chance = np.ones(len(bid))
        for rival in self.rivals:
            chance *= _count(np.sort(rival.low), bid, "right") if high else _count(np.sort(rival.high), bid, "left")
        return np.where(bid >= self.first, chance, 0.0)

    @cached_property
    def _different(self) -> tuple[Cells, ...]:
        return tuple({id(r): r for r in self.rivals}.values())

    def _beaten(self, rival: Cells) -> Chance:
        least, most = np.sort(rival.high), np.sort(rival.low)
        above = (_count(most, self.grid, side) for side in ("right", "left"))
        return Chance(_count(least, self.grid, "left"), *above)


def product(each: Sequence[Chance]) -> Chance:
    """Return the product of numbers in [0, 1]."""
    return Chance(*(np.prod(part, axis=0) for part in zip(*each, strict=True)))


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


def _count(bids: Floats, at: Floats, side: str) -> Floats:
    """Return the share of sorted bids below `at` ("left"), or not above ("right")."""
    return np.searchsorted(bids, at, side=side) / len(bids)  # type: ignore[call-overload]
