r"""What each format pays, as lines in the type: bounds on the utility of every bid.

Two shapes serve all formats, with A the chance to win and R, P from integrals of it:

*Margin*, :math:`U = (v - b) A(b) + R(b)`: first price (R = 0), second price and the buyer of a double auction
(:math:`R = w \int A`, with w = 1, and 1 - k). Between two bids of the grid R rises by at most
:math:`(b - b_k) A(b)`, so that :math:`U \le (v - b_k) A^+_{k+1} + R^+_k` for types of at least :math:`b_k`; lower ones
gain by a smaller bid.
And :math:`(v - b_k) A^-_k + R^-_k` is earned by the bid, if the type is larger, or exceeded by another bid.

*Paid*, :math:`U = v A(b) - P(b)` with P rising: all-pay (P = b), the war of attrition (:math:`P = b - \int A`),
contests (A the expected share of prizes) and third price. Between two bids :math:`U \le v A^+_{k+1} - P^-_k`.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from walras.core.typing import Floats
from walras.equilibria.auctions.interim import Lines, Own, Terms
from walras.equilibria.auctions.opposing import (
    MANY,
    Bounds,
    Cells,
    Chance,
    Faced,
    Opposing,
    Share,
    alike,
    beats_all,
    integral,
    interpolated,
    shared,
)


def first_price(opposing: Faced, power: float = 1.0, fee: float = 0.0) -> Terms:
    """Return the terms of the first-price auction; utility is income to a power."""
    grid, chance = opposing.bids(), opposing.shares()
    scaled = Chance(*(part ** (1 / power) for part in chance))
    nothing = Bounds(np.zeros_like(grid), np.zeros_like(grid))
    lower, upper = _margin_lines(grid, scaled, nothing)

    def own(mine: Own) -> Bounds:
        win = _own_chance(opposing, mine.bids)
        gain = _powered(_that_may_win(mine, opposing.first), power)
        low = np.where(gain.low >= 0, gain.low * win.low, gain.low * win.high)
        high = np.where(gain.high >= 0, gain.high * win.high, gain.high * win.low)
        return _less_fee(Bounds(low, high), mine, fee)

    return Terms(lower, upper, own, partial(_own_chance, opposing), power, fee)


def second_price(opposing: Opposing, weight: float = 1.0, fee: float = 0.0) -> Terms:
    """Return the terms of the second-price auction; of a buyer in a double auction with `weight` 1 - k."""
    grid, chance = opposing.grid, opposing.shares()
    below = integral(grid, chance)
    rest = Bounds(weight * below.low, weight * below.high)
    lower, upper = _margin_lines(grid, chance, rest)

    def own(mine: Own) -> Bounds:
        win, gain = _own_chance(opposing, mine.bids), _powered(_that_may_win(mine, opposing.first), 1.0)
        low = np.where(gain.low >= 0, gain.low * win.low, gain.low * win.high)
        high = np.where(gain.high >= 0, gain.high * win.high, gain.high * win.low)
        more = _rest_at(opposing, mine.bids, rest, weight)
        return _less_fee(Bounds(low + more.low, high + more.high), mine, fee)

    return Terms(lower, upper, own, partial(_own_chance, opposing), fee=fee)


def all_pay(opposing: Opposing, share: Share = beats_all) -> Terms:
    """Return the terms where everybody pays its bid, for a share of the good: all of it to who beats all rivals."""
    grid = opposing.grid
    return _paid(opposing, Bounds(grid, grid), lambda bids: Bounds(bids.low, bids.high), share)


def crowdsourcing(prizes: tuple[float, ...]) -> Callable[[Opposing], Terms]:
    """Return what makes the terms of a contest with these prizes: the k-th for k - 1 rivals that bid more."""
    return partial(all_pay, share=partial(_by_rank, prizes=prizes))


def war_of_attrition(opposing: Opposing) -> Terms:
    """Return the terms where losers pay their bids, and the winner the second bid."""
    below = integral(opposing.grid, opposing.shares())
    paid = Bounds(opposing.grid - below.high, opposing.grid - below.low)

    def own(bids: Cells) -> Bounds:
        rest = _rest_at(opposing, Cells(bids.high, bids.low), below)  # P rises: the least at the low end
        return Bounds(np.maximum(bids.low - rest.high, 0.0), bids.high - rest.low)

    return _paid(opposing, paid, own)


def third_price(opposing: Opposing) -> Terms:
    r"""Return the terms where the winner pays the third bid, the second highest of its rivals.

    With J the integral of the chance to beat all rivals but j, :math:`P = b A + (m - 1) \int A - \sum_j H_j J_j` for m
    rivals.
    """
    grid, chance, each = opposing.grid, opposing.shares(), opposing.each
    below, count = integral(grid, chance), len(each)
    low = grid * chance.low + (count - 1) * below.low
    high = grid * chance.high + (count - 1) * below.high
    for one, times in alike(each):
        j = next(k for k, other in enumerate(each) if other is one)
        others = integral(grid, shared([*each[:j], *each[j + 1 :]], beats_all))
        low, high = low - times * one.high * others.high, high - times * one.low * others.low
    least = np.maximum.accumulate(np.maximum(low, 0.0))
    paid = Bounds(least, np.maximum(high, least))
    return _paid(opposing, paid, lambda bids: _between(grid, paid, bids))


def _by_rank(beats: Sequence[Floats], prizes: tuple[float, ...]) -> Floats:
    """Return the expected prize, given the chances to beat each rival; many who are alike follow a binomial law."""
    from scipy.stats import binom

    paid = prizes[: len(beats) + 1]
    above = [np.ones_like(beats[0])] + [np.zeros_like(beats[0]) for _ in paid[1:]]  # chance of so many rivals above
    for beat, times in alike(beats):
        if times > MANY:
            more = [binom.pmf(k, times, 1 - beat) for k in range(len(above))]
            above = [
                sum((above[j] * more[k - j] for j in range(k + 1)), np.zeros_like(beat)) for k in range(len(above))
            ]
            continue
        for _ in range(times):
            above = [above[0] * beat] + [above[k] * beat + above[k - 1] * (1 - beat) for k in range(1, len(above))]
    return sum((prize * above[k] for k, prize in enumerate(paid)), np.zeros_like(beats[0]))


def by_order(beats: Sequence[Floats], prizes: tuple[float, ...]) -> Floats:
    """Return the expected prize, given the chances to beat the highest rival bid, the second highest, and so on."""
    ranks = len(beats)
    paid = (*prizes, 0.0)[: ranks + 1]
    more = ((first - second) * beat for first, second, beat in zip(paid[:-1], paid[1:], beats, strict=True))
    return sum(more, np.full_like(beats[0], paid[ranks]))


def _margin_lines(grid: Floats, chance: Chance, rest: Bounds) -> tuple[Lines, Lines]:
    lower = Lines(chance.low, rest.low - grid * chance.low, grid)
    slope = np.append(chance.before[1:], 1.0)
    return lower, Lines(slope, rest.high - grid * slope, grid)


def _paid(opposing: Opposing, paid: Bounds, own_paid: Callable[[Cells], Bounds], share: Share = beats_all) -> Terms:
    """Return the terms of U = v A - P; `own_paid` bounds P at the bids of own cells."""
    grid, chance = opposing.grid, opposing.shares(share)
    upper = Lines(np.append(chance.before[1:], chance.high[-1]), -paid.low, grid)

    def own(mine: Own) -> Bounds:
        win, pay = _own_chance(opposing, mine.bids, share), own_paid(mine.bids)
        return Bounds(mine.means * win.low - pay.high, mine.means * win.high - pay.low)

    return Terms(Lines(chance.low, -paid.high, grid), upper, own, partial(_own_chance, opposing, share=share))


def _between(grid: Floats, values: Bounds, bids: Cells) -> Bounds:
    """Return bounds on a rising function at the bids of cells, by the next bids of the grid."""
    return Bounds(
        interpolated(grid, values.low, bids.low, up=False), interpolated(grid, values.high, bids.high, up=True)
    )


def _own_chance(opposing: Faced, bids: Cells, share: Share = beats_all) -> Bounds:
    """Return the chance to win, or the share, with the bids of each own cell."""
    low, high = bids
    return Bounds(opposing.at(low, high=False, share=share), opposing.at(high, high=True, share=share))


def _rest_at(opposing: Opposing, bids: Cells, rest: Bounds, weight: float = 1.0) -> Bounds:
    """Return bounds on an integral R of `weight` A, from below at the low bids and from above at the high ones.

    Below the least bid that may win it is 0; above all rivals' bids it rises by `weight`.
    """
    grid, last = opposing.grid, opposing.grid[-1]
    low = interpolated(grid, rest.low, bids.low, up=False) + weight * np.maximum(bids.low - last, 0.0)
    high = interpolated(grid, rest.high, bids.high, up=True) + weight * np.maximum(bids.high - last, 0.0)
    return Bounds(np.where(bids.low >= opposing.first, low, 0.0), np.where(bids.high >= opposing.first, high, 0.0))


def _that_may_win(mine: Own, first: float) -> Own:
    """Return own cells with bids below the least one that may win put there: they win with chance 0."""
    return mine._replace(bids=Cells(*(np.maximum(part, first) for part in mine.bids)))


def _powered(mine: Own, power: float) -> Bounds:
    """Return bounds on the mean of sign(v - b) |v - b|^power in each cell."""
    if power != 1.0:
        low, high = mine.edges[:-1] - mine.bids.high, mine.edges[1:] - mine.bids.low
        return Bounds(np.sign(low) * np.abs(low) ** power, np.sign(high) * np.abs(high) ** power)
    mixed = (mine.edges[:-1] < mine.bids.high) & (mine.edges[1:] > mine.bids.low)
    low = np.where(mixed, mine.edges[:-1] - mine.bids.high, mine.means - mine.bids.high)
    high = np.where(mixed, mine.edges[1:] - mine.bids.low, mine.means - mine.bids.low)
    return Bounds(low, high)


def _less_fee(utility: Bounds, mine: Own, fee: float) -> Bounds:
    """Return utilities less the fee of who bids; a negative bid stays out."""
    if not fee:
        return utility
    out, maybe = mine.bids.high < 0, mine.bids.low < 0
    low, high = utility.low - fee, utility.high - fee
    low, high = np.where(maybe, np.minimum(low, 0.0), low), np.where(maybe, np.maximum(high, 0.0), high)
    return Bounds(np.where(out, 0.0, low), np.where(out, 0.0, high))
