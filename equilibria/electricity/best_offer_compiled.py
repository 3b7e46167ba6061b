"""The programme of `walras.equilibria.electricity.best_offer`, compiled.

An offer of a rival is an event, in the order of prices: it lowers what its scenario leaves to the seller. A scenario is
open for the subset X at a level while it leaves more than the capacity of X there.
"""

import numpy as np

from walras.core.typing import Floats, Ints
from walras.markets.compiled import compiled
from walras.markets.electricity.clearing import EDGE


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
    cap: float,
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
        placed = np.empty(len(own))
        value[m] = _best_offer(
            cost[m][own],
            capacity[m][own],
            reach[m][own],
            price[row].ravel(),
            quantity[row].ravel(),
            load[row],
            weight[row],
            order[row],
            cap,
            tick,
            placed,
        )
        offer[m] = cost[m]
        offer[m][own] = placed
    return value


@compiled
def _best_offer(
    cost: Floats,
    capacity: Floats,
    reach: Floats,
    price: Floats,
    quantity: Floats,
    load: Floats,
    weight: Floats,
    order: Ints,
    cap: float,
    tick: float,
    offer: Floats,
) -> float:
    level, at = levels_of(price, order, np.sort(np.concatenate((cost, reach, np.array([cap])))))
    whole, spent = subset_sums(capacity), subset_sums(capacity * cost)
    rank = np.argsort(whole)
    share, left = np.zeros((len(whole), len(level) + 1)), np.zeros((len(whole), len(level) + 1))
    _open_scenarios(quantity, load, weight, order, at, whole[rank], share, left)
    by_subset = np.empty_like(rank)
    by_subset[rank] = np.arange(len(rank))
    value, place, block = _programme(level, share[by_subset], left[by_subset], whole, spent, cost, reach)
    realise(level, place, block, cost, tick, offer)
    return value


@compiled
def levels_of(price: Floats, order: Ints, own: Floats) -> tuple[Floats, Ints]:
    """Return the distinct prices of rivals and `own` in order, ``[L]``, and the level of each offer, ``[S J]``."""
    level, at = np.empty(len(order) + len(own)), np.empty(len(order), np.int64)
    count, i = 0, 0
    for event in range(len(order)):
        asked = float(price[order[event]])
        while i < len(own) and own[i] <= asked:
            count, i = _append(level, count, own[i]), i + 1
        count = _append(level, count, asked)
        at[event] = count - 1
    while i < len(own):
        count, i = _append(level, count, own[i]), i + 1
    return level[:count], at


@compiled
def _append(level: Floats, count: int, price: float) -> int:
    if count > 0 and level[count - 1] == price:
        return count
    level[count] = price
    return count + 1


@compiled
def subset_sums(number: Floats) -> Floats:
    """Return the sum over each subset; block k is in subset X if bit k of X is set."""
    total = np.zeros(1 << len(number))
    for k in range(len(number)):
        for subset in range(1 << k):
            total[subset | 1 << k] = total[subset] + number[k]
    return total


@compiled
def _open_scenarios(
    quantity: Floats,
    load: Floats,
    weight: Floats,
    order: Ints,
    at: Ints,
    whole: Floats,
    share: Floats,
    left: Floats,
) -> None:
    """Set, for subsets by capacity and for levels, the weight of open scenarios and of what they leave.

    Both arrays first hold differences: along the levels, and along the subsets from the largest down, since what is
    open for one subset is open for all smaller ones.
    """
    each = len(order) // len(load)
    rest, count = load.copy(), np.empty(len(load), np.int64)
    for s in range(len(load)):
        count[s] = np.searchsorted(whole, load[s] * (1 - EDGE))
        if count[s] > 0:
            share[count[s] - 1, 0] += weight[s]
            left[count[s] - 1, 0] += weight[s] * load[s]
    for event in range(len(order)):
        s, level = order[event] // each, at[event] + 1
        before, share_of_s = int(count[s]), float(weight[s])
        if before == 0:
            continue
        sold = float(quantity[order[event]])
        rest[s] -= sold
        left[before - 1, level] -= share_of_s * sold
        after = before
        while after > 0 and whole[after - 1] >= rest[s] - EDGE * load[s]:
            after -= 1
        if after < before:
            _move(share, before, after, level, share_of_s)
            _move(left, before, after, level, share_of_s * float(rest[s]))
            count[s] = after
    _accumulate(share)
    _accumulate(left)


@compiled
def _move(difference: Floats, before: int, after: int, level: int, amount: float) -> None:
    difference[before - 1, level] -= amount
    if after > 0:
        difference[after - 1, level] += amount


@compiled
def _accumulate(difference: Floats) -> None:
    rows, columns = difference.shape
    for row in range(rows - 2, -1, -1):
        difference[row] += difference[row + 1]
    for row in range(rows):
        for column in range(1, columns):
            difference[row, column] += difference[row, column - 1]
        difference[row, columns - 1] = 0.0  # above the cap nothing is open


@compiled
def _programme(
    level: Floats, share: Floats, left: Floats, whole: Floats, spent: Floats, cost: Floats, reach: Floats
) -> tuple[float, Ints, Ints]:
    """Return V(none, lowest level), and the best levels and blocks in the order in which they are placed."""
    subsets, levels = len(whole), len(level)
    value = np.zeros((subsets, levels))
    place, block = np.zeros((subsets, levels), np.int64), np.zeros((subsets, levels), np.int64)
    nearly = 1e-12 * level[-1] * whole[-1] * share[0].max()  # equal but for rounding: the lowest level is taken
    decided, rest = np.zeros(levels), 0.0
    for at in range(levels - 1, -1, -1):
        rest += (level[at] * whole[-1] - spent[-1]) * (share[-1, at] - share[-1, at + 1])
        value[-1, at] = rest
    for subset in range(subsets - 2, -1, -1):
        for at in range(levels - 1):
            lost = share[subset, at] - share[subset, at + 1]
            decided[at + 1] = decided[at] + (level[at] * whole[subset] - spent[subset]) * lost
        most = -np.inf
        for at in range(levels - 1, -1, -1):
            top, taken = -np.inf, -1
            for k in range(len(cost)):
                more = subset | 1 << k
                if more == subset or not cost[k] <= level[at] <= reach[k]:
                    continue
                sold, weight = left[subset, at] - left[more, at], share[subset, at] - share[more, at]
                earned = (level[at] - cost[k]) * sold - (spent[subset] - cost[k] * whole[subset]) * weight
                if earned + value[more, at] > top + nearly:
                    top, taken = earned + value[more, at], k
            top += decided[at]
            if taken >= 0 and top >= most - nearly:
                place[subset, at], block[subset, at] = at, taken
            elif at + 1 < levels:
                place[subset, at], block[subset, at] = place[subset, at + 1], block[subset, at + 1]
            most = max(most, top)
            value[subset, at] = most - decided[at]
    return value[0, 0], *trace(place, block, len(cost))


@compiled
def trace(place: Ints, block: Ints, blocks: int) -> tuple[Ints, Ints]:
    """Return the levels ``[K]`` and blocks ``[K]`` in the order in which a programme places them."""
    places, taken = np.zeros(blocks, np.int64), np.zeros(blocks, np.int64)
    subset, at = 0, 0
    for j in range(blocks):
        places[j], taken[j] = place[subset, at], block[subset, at]
        subset, at = subset | 1 << taken[j], places[j]
    return places, taken


@compiled
def realise(level: Floats, place: Ints, block: Ints, cost: Floats, tick: float, offer: Floats) -> None:
    """Set the offers: below the level by ticks that keep the order, and above the level before."""
    first = 0
    while first < len(place):
        at, end = place[first], first + 1
        while end < len(place) and place[end] == at:
            end += 1
        room = level[at] - level[at - 1] if at > 0 else np.inf
        step = min(tick, room / (end - first + 1))
        for j in range(first, end):
            offer[block[j]] = max(level[at] - (end - j) * step, cost[block[j]])
        first = end


@compiled
def expected_profits(
    cost: Floats,
    capacity: Floats,
    offer: Floats,
    price: Floats,
    quantity: Floats,
    load: Floats,
    weight: Floats,
    order: Ints,
    cap: float,
) -> Floats:
    """Return the weighted profit of each offer, ``[M]``, cleared as `merit_order` does."""
    profit = np.zeros(len(cost))
    for m in range(len(cost)):
        row = m if len(load) > 1 else 0
        asked, sold = price[row], quantity[row]
        cleared = _prices(capacity[m], offer[m], asked.ravel(), sold.ravel(), load[row], order[row], cap)
        for s in range(len(cleared)):
            if weight[row, s] > 0 and load[row, s] > 0:
                earned = _profit(cost[m], capacity[m], offer[m], asked[s], sold[s], load[row, s], cleared[s])
                profit[m] += weight[row, s] * earned
    return profit


@compiled
def _prices(
    capacity: Floats, offer: Floats, price: Floats, quantity: Floats, load: Floats, order: Ints, cap: float
) -> Floats:
    """Return the clearing price of each scenario, ``[S]``."""
    each = len(order) // len(load)
    cleared, rest = np.full(len(load), cap), load * (1 - EDGE)
    own, i = np.argsort(offer), 0
    for event in range(len(order) + 1):
        asked = price[order[event]] if event < len(order) else np.inf
        while i < len(own) and offer[own[i]] <= asked:
            for s in range(len(load)):
                if rest[s] > 0 and capacity[own[i]] >= rest[s]:
                    cleared[s] = offer[own[i]]
                rest[s] -= capacity[own[i]]
            i += 1
        if event < len(order):
            s = order[event] // each
            if rest[s] > 0 and quantity[order[event]] >= rest[s]:
                cleared[s] = asked
            rest[s] -= quantity[order[event]]
    return cleared


@compiled
def _profit(
    cost: Floats, capacity: Floats, offer: Floats, price: Floats, quantity: Floats, load: float, cleared: float
) -> float:
    """Return the profit in one scenario: blocks below the price are sold whole, those at it share the rest."""
    profit, below, at, margin = 0.0, 0.0, 0.0, 0.0
    for k in range(len(cost)):
        if offer[k] < cleared:
            profit += (cleared - cost[k]) * capacity[k]
            below += capacity[k]
        elif offer[k] == cleared:
            at += capacity[k]
            margin += (cleared - cost[k]) * capacity[k]
    if at == 0:
        return profit
    for j in range(len(price)):
        if price[j] < cleared:
            below += quantity[j]
        elif price[j] == cleared:
            at += quantity[j]
    rest = max(load - below, 0.0)
    return profit + margin * rest / max(at, rest)
