"""Chances against the sum, or the difference, of two rivals' bids: bounds on an even grid, by convolution.

Two locals beat the global bidder with their sum, so a local bids against the global's bid less the other local's, and
the global against a sum. Bids of cells of types are rounded to a grid, once down and once up, and so bound the
distribution of each from both sides; sums and differences of independent bids rise, or fall, with both. Fast Fourier
transforms round in the last digits, which `OUTWARD` covers.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

import numpy as np

from walras.core.typing import Floats, Ints
from walras.equilibria.auctions.opposing import Cells, Chance, Share

CELLS = 2**16
"""Steps of the grid; bids are as fine as that share of the highest one."""
OUTWARD = 1e-12
"""Moves chances outward, beyond the rounding of transforms."""


class Rounded(NamedTuple):
    """The chance of each bid of the grid, with bids rounded down and up."""

    down: Floats  # [G]
    up: Floats  # [G]


@final
@dataclass(frozen=True, eq=False)
class Lattice:
    """What one bidder faces, where its chance is a sum's or a difference's; see `walras.equilibria.auctions.opposing`.

    It wins with a bid b against two rivals that bid x and y iff ``b > x + y``, or, with a partner that bids y, iff
    ``b + y >= x``.
    """

    rival: Cells
    other: Cells
    high: float
    """Highest bid, money."""
    partner: bool
    """Whether the other bids on the same side."""

    first: float = 0.0
    """Least bid that may win, money."""

    def bids(self) -> Floats:
        """Return the bids ``[G]`` of the grid."""
        return np.linspace(0.0, self.high, CELLS + 1)

    def shares(self, share: Share | None = None) -> Chance:
        """Return the chance to win, at the bids of the grid."""
        return self._chance

    def at(self, bid: Floats, high: bool, share: Share | None = None) -> Floats:
        """Return an end of the chance at any bids, by the next bid of the grid."""
        place = bid * (CELLS / self.high)
        index = np.ceil(place) if high else np.floor(place)
        return (self._chance.high if high else self._chance.low)[np.clip(index, 0, CELLS).astype(np.int64)]

    @cached_property
    def _chance(self) -> Chance:
        rival, other = (self._rounded(part) for part in (self.rival, self.other))
        if self.partner:  # the difference of the two, at most b
            low, high = _differences(rival.up, other.down), _differences(rival.down, other.up)
            return Chance(_in(low[1:] - OUTWARD), _in(high[1:] + OUTWARD), _in(high[:-1] + OUTWARD))
        low, high = _sums(rival.up, other.up), _sums(rival.down, other.down)
        return Chance(_in(low[:-1] - OUTWARD), _in(high[1:] + OUTWARD), _in(high[:-1] + OUTWARD))

    def _rounded(self, cells: Cells) -> Rounded:
        scale = CELLS / self.high
        down, up = np.floor(cells.low * scale).astype(np.int64), np.ceil(cells.high * scale).astype(np.int64)
        return Rounded(_law(down), _law(up))


def _law(index: Ints) -> Floats:
    return np.bincount(np.clip(index, 0, CELLS), minlength=CELLS + 1) / len(index)


def _sums(first: Floats, second: Floats) -> Floats:
    """Return the chance of a sum below each bid of the grid, and at most the last, ``[G + 1]``."""
    from scipy.signal import fftconvolve

    both = fftconvolve(first, second)[: CELLS + 1]
    return np.concatenate(([0.0], np.cumsum(both)))


def _differences(first: Floats, second: Floats) -> Floats:
    """Likewise of the first less the second."""
    from scipy.signal import fftconvolve

    both = np.cumsum(fftconvolve(first, second[::-1]))  # from -high to high
    return both[CELLS - 1 : 2 * CELLS + 1]


def _in(chance: Floats) -> Floats:
    return np.maximum.accumulate(np.clip(chance, 0.0, 1.0))
