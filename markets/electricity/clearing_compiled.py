"""The merit order of `walras.markets.electricity.clearing`, compiled: one pass a row, which feels no other row."""

import numpy as np

from walras.core.typing import Floats, Ints
from walras.markets.compiled import compiled, summed

SMALLEST = float(np.finfo(np.float64).tiny)


@compiled
def cleared(
    price: Floats, quantity: Floats, order: Ints, demand: Floats, cap: float, floor: float, edge: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return prices ``[B]``, accepted quantities ``[B, S]``, supporting prices ``[B, 2]`` and unserved loads ``[B]``.

    `order` sorts the blocks of each row by price.
    """
    rows, blocks = price.shape
    settled, unserved, interval = np.empty(rows), np.empty(rows), np.empty((rows, 2))
    accepted, work = np.empty((rows, blocks)), np.empty((2, blocks))
    for row in range(rows):
        settled[row], interval[row, 0], interval[row, 1], unserved[row] = cleared_row(
            price[row], quantity[row], order[row], demand[row], cap, floor, edge, accepted[row], work
        )
    return settled, accepted, interval, unserved


@compiled
def cleared_row(
    price: Floats,
    quantity: Floats,
    order: Ints,
    need: float,
    cap: float,
    floor: float,
    edge: float,
    accepted: Floats,
    work: Floats,
) -> tuple[float, float, float, float]:
    """Return price, lowest and highest supporting price and unserved load of an auction.

    Set `accepted`, ``[S]``; `work`, ``[2, S]``, is overwritten.
    """
    low = supporting(price, quantity, order, need * (1 - edge), cap) if need > 0 else floor
    high = supporting(price, quantity, order, need * (1 + edge), cap)
    below, at = work[0], work[1]
    for k in range(len(price)):
        below[k] = quantity[k] if price[k] < low else 0.0
        at[k] = quantity[k] if price[k] == low else 0.0
    rest, available = max(need - summed(below), 0.0), summed(at)
    share = rest / max(max(available, rest), SMALLEST)
    for k in range(len(price)):
        accepted[k] = below[k] + at[k] * share
    missing = rest - available
    settled = low if need > 0 else min(max(0.0, low), high)
    return settled, low, high, missing if missing > edge * need else 0.0


@compiled
def supporting(price: Floats, quantity: Floats, order: Ints, target: float, cap: float) -> float:
    """Return the price of the first block, in order, that takes what blocks offer beyond `target`; else the cap."""
    reached = 0.0
    for k in order:
        reached += quantity[k]
        if reached > target:
            return price[int(k)]
    return cap
