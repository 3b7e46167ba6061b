"""The highest bids of each auction and who holds them, compiled: one pass a row."""

import numpy as np

from walras.core.typing import Floats
from walras.markets.compiled import compiled


def _ranked(bids: Floats, reserve: float, ties: Floats) -> tuple[Floats, Floats]:
    """Return winners' shares ``[B, N]`` and the three highest bids ``[B, 3]``; `ties` without columns shares evenly.

    NaN is no bid. A bid that is missing is minus infinity.
    """
    rows, bidders = bids.shape
    share = np.zeros((rows, bidders))
    highest = np.full((rows, 3), -np.inf)
    for row in range(rows):
        first = second = third = -np.inf
        for i in range(bidders):
            bid = bids[row, i]
            if bid > first:
                first, second, third = bid, first, second
            elif bid > second:
                second, third = bid, second
            elif bid > third:
                third = bid
        highest[row, 0], highest[row, 1], highest[row, 2] = first, second, third
        if first < reserve:
            continue
        if ties.shape[1] == 0:
            holders = 0
            for i in range(bidders):
                holders += bids[row, i] == first
            for i in range(bidders):
                if bids[row, i] == first:
                    share[row, i] = 1 / holders
        else:
            winner = -1
            for i in range(bidders):
                if bids[row, i] == first and (winner < 0 or ties[row, i] > ties[row, winner]):
                    winner = i
            share[row, winner] = 1.0
    return share, highest


ranked = compiled(_ranked)
