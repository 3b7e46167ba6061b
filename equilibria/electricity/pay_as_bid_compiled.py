"""The programme of `walras.equilibria.electricity.pay_as_bid`, compiled."""

import numpy as np

from walras.core.typing import Floats, Ints
from walras.equilibria.electricity.best_offer_compiled import levels_of, realise, subset_sums, trace
from walras.markets.compiled import compiled


@compiled
def best_offers(
    cost: Floats,
    capacity: Floats,
    reach: Floats,
    price: Floats,
    quantity: Floats,
    load: Floats,
    weight: Floats,
    order: Ints,
    tick: float,
    offer: Floats,
) -> Floats:
    """Return the values ``[M]`` and set `offer`, ``[M, K]``.

    The scenarios are those of each problem or, if there is one row of them, of all; `order` sorts the S J offers.
    """
    value = np.empty(len(cost))
    for m in range(len(cost)):
        row = m if len(load) > 1 else 0
        own = np.flatnonzero(capacity[m] > 0)
        if len(own) == 0:
            value[m], offer[m] = 0.0, cost[m]
            continue
        c, r = cost[m][own], reach[m][own]
        level, at = levels_of(price[row].ravel(), order[row], np.sort(r))
        whole = subset_sums(capacity[m][own])
        left = _left(quantity[row].ravel(), load[row], weight[row], order[row], at, whole, len(level))
        value[m], place, block = _programme(level, left, c, r)
        placed = np.empty(len(own))
        realise(level, place, block, c, tick, placed)
        offer[m] = cost[m]
        offer[m][own] = placed
    return value


@compiled
def _left(quantity: Floats, load: Floats, weight: Floats, order: Ints, at: Ints, whole: Floats, levels: int) -> Floats:
    """Return the expected load that rivals strictly below each level and each subset leave, ``[2^K, L]`` MW."""
    each, left = len(order) // len(load), np.zeros((len(whole), levels))
    for subset in range(len(whole)):
        rest, total, event = load - whole[subset], 0.0, 0
        for s in range(len(load)):
            total += weight[s] * max(rest[s], 0.0)
        for level in range(levels):
            left[subset, level] = total
            while event < len(order) and at[event] == level:
                s, sold = order[event] // each, quantity[order[event]]
                total -= weight[s] * (max(rest[s], 0.0) - max(rest[s] - sold, 0.0))
                rest[s] -= sold
                event += 1
    return left


@compiled
def _programme(level: Floats, left: Floats, cost: Floats, reach: Floats) -> tuple[float, Ints, Ints]:
    """Return V(none, lowest level), and the best levels and blocks in the order in which they are placed."""
    subsets, levels = left.shape
    value = np.zeros((subsets, levels))
    place, block = np.zeros((subsets, levels), np.int64), np.zeros((subsets, levels), np.int64)
    for subset in range(subsets - 2, -1, -1):
        most = -np.inf
        for at in range(levels - 1, -1, -1):
            top, taken = -np.inf, -1
            for k in range(len(cost)):
                more = subset | 1 << k
                if more == subset or not cost[k] <= level[at] <= reach[k]:
                    continue
                worth = (level[at] - cost[k]) * (left[subset, at] - left[more, at]) + value[more, at]
                if worth > top:
                    top, taken = worth, k
            if taken >= 0 and top >= most:
                most, place[subset, at], block[subset, at] = top, at, taken
            elif at + 1 < levels:
                place[subset, at], block[subset, at] = place[subset, at + 1], block[subset, at + 1]
            value[subset, at] = most
    return value[0, 0], *trace(place, block, len(cost))


@compiled
def expected_profits(
    cost: Floats,
    capacity: Floats,
    offer: Floats,
    price: Floats,
    quantity: Floats,
    load: Floats,
    weight: Floats,
) -> Floats:
    """Return the weighted profit of each offer, ``[M]``: what all below leave is shared pro rata at a price."""
    profit = np.zeros(len(cost))
    for m in range(len(cost)):
        row = m if len(load) > 1 else 0
        for s in range(load.shape[1]):
            earned = 0.0
            for k in range(cost.shape[1]):
                below, at = 0.0, 0.0
                for j in range(cost.shape[1]):
                    below += capacity[m, j] if offer[m, j] < offer[m, k] else 0.0
                    at += capacity[m, j] if offer[m, j] == offer[m, k] else 0.0
                for j in range(price.shape[2]):
                    below += quantity[row, s, j] if price[row, s, j] < offer[m, k] else 0.0
                    at += quantity[row, s, j] if price[row, s, j] == offer[m, k] else 0.0
                rest = min(max(load[row, s] - below, 0.0), at)
                if capacity[m, k] > 0:
                    earned += (offer[m, k] - cost[m, k]) * capacity[m, k] * rest / at
            profit[m] += weight[row, s] * earned
    return profit
