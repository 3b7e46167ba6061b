r"""The law of bids with normal noise, bounded from both sides: a mixture over cells of types.

In cell k a bid is :math:`m + s z`, cut to the allowed bids, with m and s between bounds and z standard normal. With
the least bid for each z in place of the bid, the mass at or below b is

.. math:: F^+(b) = \sum_k w_k \, \Phi\!\left(\frac{b - m^-_k}{s^+_k \text{ below } m^-_k,\; s^-_k \text{ above}}\right),

and with the largest one it is :math:`F^-(b)`; the truth lies between. Both are computed at even points and are nearly
lines between them: for points h apart they differ from lines by at most
:math:`h^2/8 \sum_k w_k \max |\phi'| / (s^-_k)^2`, and a quarter of h for each unit by which the slope jumps in the
middle of a law whose s is not one number. Where steps are closer bounds than lines, they are taken.

So the error is that of bounds on types alone, which falls with the number of cells; noise adds next to nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

import numpy as np

from walras.core.typing import Bools, Floats
from walras.equilibria.auctions.opposing import Bounds, Cells

CLOSE = 5e-6
"""Mass by which a line may differ, which sets the points."""
POINTS, JUDGED = 2**15, 2**16
"""Points, at most; bids that are judged, at least."""
STEEPEST, DENSEST = 0.24197072451914337, 0.3989422804014327
"""The largest slope of the normal density, and its largest value."""
ROUNDED = 1e-12
"""What rounding may add to a mass of 1: a bound."""


class Ends(NamedTuple):
    """Bids that are allowed, money."""

    low: float
    high: float


@final
@dataclass(frozen=True, eq=False)
class NormalLaw:
    """Weights of K cells of types, and bounds on what is bid there; a rival, if weights are chances."""

    weight: Floats  # [K], not negative
    mean: Cells  # [K] money
    sd: Cells  # [K] money, positive
    ends: Ends

    def points(self) -> Floats:
        """Return even bids from the least to the largest that is made, and what lies just above the least allowed."""
        low, high = self.ends
        even = np.linspace(*self._span, JUDGED + 1)
        return np.concatenate((even, [low, np.nextafter(low, np.inf), high]))

    def less(self, bid: Floats) -> Bounds:
        """Return bounds on the mass of smaller bids."""
        return self._cut(bid, (bid > self.ends.low) & (bid <= self.ends.high), bid > self.ends.high)

    def least(self, bid: Floats) -> Floats:
        """Return the mass of bids as large or smaller, from below."""
        return self._up_to(bid).low

    def most(self, bid: Floats) -> Floats:
        """Return the mass of bids as large or smaller, from above."""
        return self._up_to(bid).high

    def tied(self, bid: Floats) -> Floats:
        """Return the mass at a bid, from below: bids are cut to the least and to the largest one that is allowed."""
        (low, high), (at_low, at_high) = self.ends, self._atoms
        return np.where(bid == low, at_low, np.where(bid == high, at_high, 0.0))

    def mean_of(self, rising: Callable[[Floats], Bounds], also: Floats) -> tuple[float, float]:
        """Return bounds on the weighted mean of a rising function of the bid, told at any bids; `also` at these."""
        low, high = self.ends
        bid = np.unique(np.concatenate((self.points(), also[(also > low) & (also < high)])))
        value = Bounds(*(np.maximum.accumulate(part) for part in rising(bid)))
        least = self._total * value.low[0] + np.diff(value.low) @ (self._total - self.less(bid).high[1:])
        most = self._total * value.high[-1] - np.diff(value.high) @ self.least(bid)[:-1]
        return float(least), float(most)

    @cached_property
    def _total(self) -> float:
        return float(self.weight.sum())

    @cached_property
    def _atoms(self) -> tuple[float, float]:
        """The mass at both ends, from below."""
        least, most = self._mass(np.array(self.ends))
        return float(least[0]), max(self._total - float(most[1]), 0.0)

    @cached_property
    def _span(self) -> tuple[float, float]:
        """The least and the largest bid that is made."""
        from walras.equilibria.auctions.normal_masses import REACH

        low, high = self.mean.low - REACH * self.sd.high, self.mean.high + REACH * self.sd.high
        span = np.clip([low.min(), high.max()], *self.ends)
        return (float(span[0]), float(span[1])) if span[0] < span[1] else (self.ends.low, self.ends.high)

    @cached_property
    def _points(self) -> tuple[Floats, float]:
        """Even points, and what the mass may differ from lines between them."""
        first, last = self._span
        bend = STEEPEST * float(self.weight @ self.sd.low**-2.0) / 8
        jump = DENSEST * float(self.weight @ (1 / self.sd.low - 1 / self.sd.high)) / 4
        count = int(np.clip(np.ceil((last - first) * np.sqrt(bend / (CLOSE * max(self._total, 1e-300)))), 16, POINTS))
        step = (last - first) / count
        return np.linspace(first, last, count + 1), bend * step**2 + jump * step + ROUNDED * self._total

    @cached_property
    def _sides(self) -> Bounds:
        """The mass at or below each point, ``F^-`` and ``F^+``."""
        from walras.equilibria.auctions.normal_masses import masses

        point = self._points[0]
        even = float(point[0]), float(point[1] - point[0]), len(point)
        high = masses(self.weight, self.mean.low, self.sd.high, self.sd.low, *even)
        low = masses(self.weight, self.mean.high, self.sd.low, self.sd.high, *even)
        room = ROUNDED * self._total
        return Bounds(np.maximum(low - room, 0.0), np.minimum(high + room, self._total))

    def _mass(self, bid: Floats) -> Bounds:
        """Return bounds on the mass at or below a bid, before bids are cut."""
        (point, margin), (low, high) = self._points, self._sides
        right = np.clip(np.searchsorted(point, bid, side="left"), 1, len(point) - 1)
        least = np.maximum(np.interp(bid, point, low) - margin, low[right - 1])
        most = np.minimum(np.interp(bid, point, high) + margin, high[right])
        least = np.where(bid < point[0], 0.0, np.where(bid > point[-1], low[-1], least))
        return Bounds(least, np.where(bid < point[0], high[0], np.where(bid > point[-1], self._total, most)))

    def _up_to(self, bid: Floats) -> Bounds:
        return self._cut(bid, (bid >= self.ends.low) & (bid < self.ends.high), bid >= self.ends.high)

    def _cut(self, bid: Floats, inside: Bools, above: Bools) -> Bounds:
        """Return the mass where it counts, none below the least allowed bid, and all above the largest."""
        rest = np.where(above, self._total, 0.0)
        return Bounds(*(np.where(inside, part, rest) for part in self._mass(bid)))
