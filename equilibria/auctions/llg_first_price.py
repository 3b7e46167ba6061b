r"""The local-local-global auction in first price, in which the global bidder shades its bid as well.

A local with partner's bid y wins with b iff :math:`b + y \ge x`, the global's bid, and the global iff its bid exceeds
the sum of both. Each then faces a first-price auction against a difference, or a sum, whose distribution is a
convolution. No closed form is known. The solver starts from bids that are lines in the value, answers all bids at once,
and moves towards the answers by steps that shrink as in fictitious play, which dampens cycles. Answers come from
the envelope of the lines that bids earn, between two of which the bid is taken to rise evenly with the value.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from walras.core.typing import Floats
from walras.equilibria.auctions import terms
from walras.equilibria.auctions.bid_functions import Table
from walras.equilibria.auctions.interim import Found, Own, found
from walras.equilibria.auctions.lattice import Lattice

TYPES, BIDS = 1025, 2048
"""Types of each bidder, and bids up to a local's highest value."""
ROUNDS, STEP, CALM = 400, 0.2, 40
"""Rounds, the first steps towards answers, and the rounds after which steps shrink."""
LOCAL, GLOBAL = 1.0, 2.0
"""Highest values, money."""


class Bids(NamedTuple):
    """Bids of T types, evenly spread from 0 to the highest value."""

    local: Floats  # [T] money
    rival: Floats  # [T] money, the global's


def first_price_bids() -> tuple[Table, Table, Table]:
    """Return bids of both locals and of the global bidder, near a Bayes-Nash equilibrium.

    Values are independent and even, on [0, 1] and [0, 2].
    """
    values = Bids(np.linspace(0.0, LOCAL, TYPES), np.linspace(0.0, GLOBAL, TYPES))
    bids = Bids(values.local / 2, 0.6 * values.rival)
    for turn in range(ROUNDS):
        answers, step = _answers(bids, values), STEP * min(1.0, CALM / (turn + 1))
        bids = Bids(*(own + step * (best - own) for own, best in zip(bids, answers, strict=True)))
    local, rival = (Table(v, b) for v, b in zip(values, bids, strict=True))
    return local, local, rival


def explicit_local(correlation: float) -> Callable[[Floats], Floats]:
    r"""Return a local's bids against a global bidder that bids its value and so is no player.

    A local wins with :math:`(b + y)/2` on average, so that b = max(0, (v - (1 - g) E) / (2 + g)), with E the mean bid.
    """
    apart, share = 1 - correlation, 2 + correlation
    linear = 2 * apart + 2 * share  # (1 - apart E)^2 = 2 share E
    mean = 1 / linear if apart == 0 else (linear - (linear**2 - 4 * apart**2) ** 0.5) / (2 * apart**2)
    return lambda value: np.maximum(0.0, (value - apart * mean) / share)


def first_price_found(first: Own, second: Own, rival: Own, cap: float) -> list[Found]:
    """Return what is found of each bidder, whose values are independent; bids are at most `cap`."""
    faced = (
        (first, Lattice(rival.bids, second.bids, cap, partner=True)),
        (second, Lattice(rival.bids, first.bids, cap, partner=True)),
        (rival, Lattice(first.bids, second.bids, cap, partner=False)),
    )
    return [found(own, terms.first_price(against)) for own, against in faced]


def _answers(bids: Bids, values: Bids) -> Bids:
    """Return the best bids against all bids."""
    grid = np.linspace(0.0, GLOBAL, 2 * BIDS + 1)
    local, rival = (_law(own, grid) for own in bids)
    return Bids(
        _answer(_chance_of_local(local, rival), grid[: BIDS + 1], values.local),
        _answer(_chance_of_global(local), grid, values.rival),
    )


def _law(bids: Floats, grid: Floats) -> Floats:
    """Return the chance of a bid of at most each of the grid; of bids that fall, as if none did."""
    rising = np.maximum.accumulate(bids) + 1e-15 * np.arange(len(bids))
    return np.interp(grid, rising, np.linspace(0.0, 1.0, len(bids)), right=1.0)


def _chance_of_local(local: Floats, rival: Floats) -> Floats:
    """Return the chance that the global's bid less a local's is at most each bid up to `LOCAL`."""
    from scipy.signal import fftconvolve

    middle, mass = (rival[1:] + rival[:-1]) / 2, np.diff(local[: BIDS + 1])
    above = fftconvolve(middle, mass[::-1])[BIDS - 1 : 2 * BIDS]
    return local[0] * rival[: BIDS + 1] + above


def _chance_of_global(local: Floats) -> Floats:
    """Return the chance that the sum of two locals' bids is at most each bid."""
    from scipy.signal import fftconvolve

    middle, mass = (local[1:] + local[:-1]) / 2, np.diff(local[: BIDS + 1])
    return local[0] * local + np.concatenate(([0.0], fftconvolve(mass, middle)[: 2 * BIDS]))


def _answer(chance: Floats, grid: Floats, values: Floats) -> Floats:
    """Return the best bids of values, given the chance of each bid of a grid."""
    from walras.equilibria.auctions.envelope import hull

    slope = np.maximum.accumulate(np.clip(chance, 0.0, 1.0))
    line = hull(slope, -grid * slope)
    won, bid = slope[line], grid[line]
    meets = np.diff(bid * won) / np.diff(won)
    return np.interp(values, meets, (bid[1:] + bid[:-1]) / 2, left=bid[0], right=bid[-1])
