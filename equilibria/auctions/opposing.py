r"""What a bidder faces: bounds on the chance to win with a bid, from cells of its rivals' types.

A rival's types are cut into K cells of equal prior mass, and its bids on each lie between ``lo`` and ``up``. So

.. math:: \#\{up < b\} / K \le P(b_j < b) \le P(b_j \le b) \le \#\{lo \le b\} / K,

and with independent types the chance A(b) to beat all rivals lies between the products of both ends. Bids are judged
on a grid that holds every rival's bids.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

import numpy as np

from walras.core.typing import Floats

MOST = 2**18
"""Bids of the grid, at most."""


class Cells(NamedTuple):
    """Bounds on one bidder's bids in K cells of its types."""

    low: Floats  # [K]
    high: Floats  # [K]


class Bounds(NamedTuple):
    """A number at each bid of the grid, from below and from above."""

    low: Floats  # [G]
    high: Floats  # [G]


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
        every = np.unique(np.concatenate([r.high for r in self._different]))
        every = every[:: max(1, len(every) // MOST)] if len(every) > MOST else every
        above = np.nextafter(np.append(every, max(float(r.high.max()) for r in self.rivals)), np.inf)
        inside = above[(above > self.first) & (above <= self.cap)]
        return np.unique(np.append(inside, self.first))

    @cached_property
    def each(self) -> tuple[Bounds, ...]:
        """The chance to beat each rival, at the bids of the grid."""
        known = {id(r): self._beaten(r) for r in self._different}
        return tuple(known[id(r)] for r in self.rivals)

    @cached_property
    def all(self) -> Bounds:
        """The chance A to beat all rivals."""
        return product(self.each)

    def at(self, bid: Floats, high: bool) -> Floats:
        """Return an end of A at any bids: 0 below the least one that may win."""
        chance = np.ones(len(bid))
        for rival in self.rivals:
            chance *= _count(rival.low, bid, "right") if high else _count(rival.high, bid, "left")
        return np.where(bid >= self.first, chance, 0.0)

    @cached_property
    def _different(self) -> tuple[Cells, ...]:
        return tuple({id(r): r for r in self.rivals}.values())

    def _beaten(self, rival: Cells) -> Bounds:
        return Bounds(_count(rival.high, self.grid, "left"), _count(rival.low, self.grid, "right"))


def product(each: Sequence[Bounds]) -> Bounds:
    """Return the product of numbers in [0, 1]."""
    low, high = np.ones_like(each[0].low), np.ones_like(each[0].high)
    for one in each:
        low, high = low * one.low, high * one.high
    return Bounds(low, high)


def integral(grid: Floats, step: Bounds) -> Bounds:
    """Return the integral of a rising function from the first bid to each, ``[G]``."""
    width = np.diff(grid)
    low = np.concatenate(([0.0], np.cumsum(step.low[:-1] * width)))
    high = np.concatenate(([0.0], np.cumsum(step.high[1:] * width)))
    return Bounds(low, high)


def interpolated(grid: Floats, values: Floats, bid: Floats, up: bool) -> Floats:
    """Return a rising function at any bids: its value at the next bid of the grid above, or below."""
    place = np.searchsorted(grid, bid, side="left") if up else np.searchsorted(grid, bid, side="right") - 1
    return values[np.clip(place, 0, len(grid) - 1)]


def _count(bids: Floats, at: Floats, side: str) -> Floats:
    """Return the share of bids below `at` ("left"), or not above ("right")."""
    return np.searchsorted(np.sort(bids), at, side=side) / len(bids)  # type: ignore[call-overload]
