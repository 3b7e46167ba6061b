r"""Counterfactuals of a day-ahead market, with intervals: how a change of supply or owners would move the mean price.

**More or less net load** (`net_load_effect`): wind that is added, a nuclear unit that is lost. The price of hour h in
week t is

.. math:: p = f(x) + \ell_{t h} + e,

f a rising, piecewise linear function of the net load x, :math:`\ell` a level of the same hour of a week, which stands
for fuel, carbon, water and the season, and e noise. So f is seen from how the days of a week differ at an hour, which
is weather and weekends. By least squares with slopes that are not negative; beyond what was observed the curve goes on
straight, and the effect says how often it is asked there. Where prices hardly rise with net load that bound lifts the
estimate, and the interval covers less than it says; where they rise nowhere it would be a point, and is refused. It is
the market's *reduced* curve: it holds for changes of net load that leave the sellers' offers as functions of price
alone, which price takers do, and sellers in affine supply functions, whose curves are optimal at every demand. It does
not hold for sellers that answer a new net load otherwise.

**A merger of sellers in affine supply functions**, of which quantities are seen (`merger_effect`). The slope of a
seller's curve is :math:`\beta_i = \mathrm{cov}(q_i, n) / \mathrm{cov}(p, n)`, demand n being its instrument, as its
own cost shocks move the price. With :math:`S_i = g + \sum_{j \ne i} \beta_j` optimality gives
:math:`d_i = 1 / \beta_i - 1 / S_i` and mean prices and quantities :math:`c_i = \bar p - \bar q_i / \beta_i` [1]_. The
merged seller has the sum of both sellers' curves of marginal cost, and the equilibrium is solved anew.

**The same where only prices and net load are seen** (`merger_by_capacity`): the data tell the slope b of all curves
together, not who owns what, nor whether anybody marks up. Both are assumed: costs that are one line, split in
proportion to capacities. In affine supply functions against inelastic demand a merger then multiplies b by a number r
that capacities alone determine, so the mean price rises by :math:`(r - 1) b \bar x`; if all take prices, by nothing.

Intervals are Student's t with the standard error of the jackknife that leaves out each week in turn when curves are
fitted. They are for the mean over the hours that were observed, and for the model above; what they leave out is
whether it is the right one. `python benchmarks/counterfactuals.py` counts how often they cover in simulated markets,
whose truth is known.

References
----------
.. [1] P. Klemperer, M. Meyer, Supply function equilibria in oligopoly under uncertainty, Econometrica 57, 1989.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import final

import numpy as np
from scipy import optimize, stats

from walras.core.checks import require, require_each, require_whole
from walras.core.typing import Floats, Ints

PIECES = 24
"""Linear pieces of a curve, each with as many hours."""
LEAST_WEEKS = 8
"""Weeks that an interval needs, at least."""
DAY, WEEK = 24, 168
"""Hours."""
ROUNDS = 10_000
"""Iterations of the slopes in equilibrium, at most."""


@final
@dataclass(frozen=True)
class Effect:
    """By how much a change moves the mean price of the hours that were observed, EUR/MWh."""

    mean: float
    low: float
    high: float
    confidence: float = 0.95
    outside: float = 0.0
    """Share of hours whose changed net load is beyond what was observed."""


@final
@dataclass(frozen=True, eq=False)
class ObservedHours:
    """H hours of a market one after another, in whole weeks or not.

    Raises
    ------
    ValueError
        If shapes differ, a number is not finite, or the hours are fewer than `LEAST_WEEKS` weeks.
    """

    price: Floats  # [H] EUR/MWh
    net_load: Floats  # [H] MW that sellers serve

    def __post_init__(self) -> None:
        _require_hours(self.price, "price", (len(self.price),))
        _require_hours(self.net_load, "net_load", (len(self.price),))

    @cached_property
    def week(self) -> Ints:
        """The week of each hour, from 0 on; a last part of a week is of the week before."""
        return _week(len(self.price))


@final
@dataclass(frozen=True, eq=False)
class ObservedSellers:
    """H hours of a market one after another, with what each of N sellers served.

    Raises
    ------
    ValueError
        If shapes differ, a number is not finite, the hours are fewer than `LEAST_WEEKS` weeks, or the slope of demand
        is negative.
    """

    price: Floats  # [H] EUR/MWh
    quantity: Floats  # [H, N] MW
    demand: Floats  # [H] MW at price zero
    demand_slope: float = 0.0  # MW per EUR/MWh

    def __post_init__(self) -> None:
        hours = len(self.price)
        _require_hours(self.price, "price", (hours,))
        _require_hours(self.quantity, "quantity", (hours, *np.shape(self.quantity)[1:2]))
        _require_hours(self.demand, "demand", (hours,))
        require(0 <= self.demand_slope < np.inf, "demand_slope", "be finite and not negative", self.demand_slope)


@final
@dataclass(frozen=True, eq=False)
class SupplyCurve:
    """A rising, piecewise linear curve, and the same without each week in turn."""

    knots: Floats  # [K + 1] MW
    rise: Floats  # [K] EUR/MWh from knot to knot
    without: Floats  # [W, K] the same, without each week

    def features(self, net_load: Floats) -> Floats:
        """Return how far each net load is through each piece, ``[H, K]``; the outermost have no end."""
        return _features(self.knots, net_load)

    def __call__(self, net_load: Floats) -> Floats:
        """Return the price at each net load ``[H]`` above that at the first knot, EUR/MWh."""
        return self.features(net_load) @ self.rise


def supply_curve(hours: ObservedHours, pieces: int = PIECES) -> SupplyCurve:
    """Return the curve of prices over net load, seen from the days of each week.

    Parameters
    ----------
    hours : ObservedHours
        What was observed.
    pieces : int
        K, linear pieces with as many hours each.

    Raises
    ------
    ValueError
        If `pieces` is not a whole number from 1 on, or the net load is the same in too many hours for so many pieces,
        or on all days of each week.
    """
    require_whole(pieces, "pieces")
    knots = np.quantile(hours.net_load, np.linspace(0, 1, pieces + 1))
    require(bool((np.diff(knots) > 0).all()), "net_load", f"differ enough between hours for {pieces} pieces", knots)
    seen, price = (_within(part, hours.week) for part in (_features(knots, hours.net_load), hours.price[:, None]))
    ends = [*np.flatnonzero(np.diff(hours.week, prepend=-1)), len(price)]
    each = [(seen[a:b].T @ seen[a:b], seen[a:b].T @ price[a:b, 0]) for a, b in pairwise(ends)]
    square, moment = (np.array(part) for part in zip(*each, strict=True))
    whole = square.sum(axis=0), moment.sum(axis=0)
    rule = "differ between the days of a week at the same hour, in each piece"
    require_each(np.diag(whole[0]) > TINY * len(price), "net_load", rule, np.diag(whole[0]))
    without = [_rising(whole[0] - one, whole[1] - other) for one, other in each]
    return SupplyCurve(knots, _rising(*whole), np.array(without))


def net_load_effect(hours: ObservedHours, curve: SupplyCurve, more: Floats, confidence: float = 0.95) -> Effect:
    """Return by how much `more` net load ``[H]`` MW, or less where it is negative, moves the mean price.

    Parameters
    ----------
    hours : ObservedHours
        Over which the mean is taken.
    curve : SupplyCurve
        Of these hours, or of others.
    more : Floats
        ``[H]`` MW, of each hour.
    confidence : float
        Of the interval.

    Raises
    ------
    ValueError
        If `more` is not a finite number an hour, the curve rises nowhere, or `confidence` lies not in (0, 1).
    """
    _require_rise(curve)
    _require_hours(more, "more", (len(hours.price),))
    changed = hours.net_load + more
    through = (curve.features(changed) - curve.features(hours.net_load)).mean(axis=0)
    outside = float(((changed < curve.knots[0]) | (changed > curve.knots[-1])).mean())
    return _effect(float(through @ curve.rise), curve.without @ through, confidence, outside)


def merger_effect(sellers: ObservedSellers, merged: tuple[int, int], confidence: float = 0.95) -> Effect:
    """Return by how much the mean price rises if two sellers in affine supply functions become one.

    Parameters
    ----------
    sellers : ObservedSellers
        What was observed, in equilibrium.
    merged : tuple of int
        The two sellers.
    confidence : float
        Of the interval.

    Raises
    ------
    ValueError
        If the two are no sellers of the market, there are too few others, demand is the same on all days of each week,
        a seller's quantity does not rise with it or rises more than rising costs explain, or `confidence` lies not in
        (0, 1).

    Notes
    -----
    Both plants of the merged seller are taken to produce at all times.
    """
    _require_pair(merged, sellers.quantity.shape[1], 2 if sellers.demand_slope > 0 else 3)
    week = _week(len(sellers.price))
    table = np.concatenate((sellers.price[:, None], sellers.quantity, sellers.demand[:, None]), axis=1)
    instrument = _within(sellers.demand[:, None], week)
    moves = np.ptp(instrument) > TINY * np.abs(sellers.demand).max()
    require(bool(moves), "demand", "differ between the days of a week at the same hour", float(np.ptp(instrument)))
    moment = _by_week(instrument * table[:, :-1], week)
    whole = moment.sum(axis=0)
    slope = whole[1:] / whole[0]
    require_each(slope > 0, "quantity", "rise with the price as demand rises", slope)
    rule = "rise less with the price than what all others leave falls, for costs that rise to explain it"
    require_each(_cost_slopes(slope[None], sellers.demand_slope)[0] > 0, "quantity", rule, slope)
    found = _merger(np.concatenate((whole[None], whole - moment)), table.mean(axis=0), sellers.demand_slope, merged)
    return _effect(float(found[0]), found[1:], confidence)


def merger_by_capacity(
    hours: ObservedHours, capacity: Sequence[float], merged: tuple[int, int], confidence: float = 0.95
) -> Effect:
    """Return by how much the mean price rises if two sellers become one, given who owns what and how they compete.

    Parameters
    ----------
    hours : ObservedHours
        What was observed.
    capacity : sequence of float
        MW of each seller; costs are one line, split in this proportion.
    merged : tuple of int
        The two sellers.
    confidence : float
        Of the interval, which is that of the slope of prices over net load.

    Raises
    ------
    ValueError
        If a capacity is not positive, the two are no sellers, fewer than three would be left, prices do not rise with
        net load, or `confidence` lies not in (0, 1).
    """
    owned = np.asarray(capacity, dtype=np.float64)
    require_each((owned > 0) & (owned < np.inf), "capacity", "be positive and finite", owned)
    _require_pair(merged, len(owned), 3)
    together = np.append(np.delete(owned, merged), owned[list(merged)].sum())
    before, after = (equilibrium_slopes(1 / share, 0.0).sum() for share in (owned, together))
    curve = supply_curve(hours, 1)
    _require_rise(curve)
    factor = (before / after - 1) * hours.net_load.mean() / float(np.diff(curve.knots)[0])
    return _effect(float(factor * curve.rise[0]), factor * curve.without[:, 0], confidence)


def equilibrium_slopes(cost_slope: Floats, demand_slope: float, tol: float = 1e-12) -> Floats:
    r"""Return the slopes of supply functions in equilibrium, ``[..., N]`` MW per EUR/MWh.

    The largest solution of :math:`\beta_i = S_i / (1 + d_i S_i)`, :math:`S_i = g + \sum_{j \ne i} \beta_j`, from above:
    where demand has no slope, zero is another.

    Parameters
    ----------
    cost_slope : Floats
        ``[..., N]`` d > 0, EUR/MWh per MW.
    demand_slope : float
        g, MW per EUR/MWh.
    tol : float
        Largest relative change of a slope at the last iteration.

    Raises
    ------
    ValueError
        If a slope of cost is not positive, or the iteration does not come to rest.
    """
    require_each(cost_slope > 0, "cost_slope", "be positive", cost_slope)
    slope = 1 / cost_slope
    for _ in range(ROUNDS):
        residual = demand_slope + slope.sum(axis=-1, keepdims=True) - slope
        best = residual / (1 + cost_slope * residual)
        if float(np.max(np.abs(best - slope) / best)) <= tol:
            return best
        slope = best
    rule = f"lead to slopes in {ROUNDS} iterations, with three sellers or more"
    raise ValueError(f"`cost_slope` must {rule}; got {cost_slope}.")


def _merger(moment: Floats, mean: Floats, demand_slope: float, merged: tuple[int, int]) -> Floats:
    """Return effects ``[R]`` from covariances with demand ``[R, 1 + N]`` and means ``[2 + N]``, demand the last."""
    slope = _positive(moment[:, 1:] / moment[:, :1])
    steep = _positive(_cost_slopes(slope, demand_slope))
    cost = mean[0] - mean[1:-1] / slope
    pair = list(merged)
    both = 1 / (1 / steep[:, pair]).sum(axis=1)
    level = both * (cost[:, pair] / steep[:, pair]).sum(axis=1)
    left = np.concatenate((np.delete(steep, pair, axis=1), both[:, None]), axis=1)
    costs = np.concatenate((np.delete(cost, pair, axis=1), level[:, None]), axis=1)
    after = equilibrium_slopes(left, demand_slope)
    price = (mean[-1] + (after * costs).sum(axis=1)) / (demand_slope + after.sum(axis=1))
    return price - mean[0]


def _cost_slopes(slope: Floats, demand_slope: float) -> Floats:
    """Return the slopes of marginal cost ``[R, N]`` at which curves of these slopes are best answers to each other."""
    return 1 / slope - 1 / (demand_slope + slope.sum(axis=1, keepdims=True) - slope)


def _positive(values: Floats) -> Floats:
    """Return values ``[R, N]``; one of the wrong sign, as may come without a week, is a tiny part of the largest."""
    return np.maximum(values, TINY * np.abs(values[:1]).max())


TINY = 1e-9
"""Of the largest value, and of an hour: what is taken for nothing."""


def _effect(mean: float, without: Floats, confidence: float, outside: float = 0.0) -> Effect:
    """Return an effect from its estimates without each week, by the jackknife."""
    require(0 < confidence < 1, "confidence", "lie in (0, 1)", confidence)
    weeks = len(without)
    error = ((weeks - 1) / weeks * float(((without - mean) ** 2).sum())) ** 0.5
    wide = float(stats.t.ppf(0.5 + confidence / 2, weeks - 1)) * error
    return Effect(mean, mean - wide, mean + wide, confidence, outside)


def _rising(square: Floats, moment: Floats) -> Floats:
    """Return the least squares ``[K]`` that are not negative, from their normal equations."""
    scale = float(np.trace(square)) / len(square)
    factor = np.linalg.cholesky(square + 1e-12 * scale * np.eye(len(square)))
    return optimize.nnls(factor.T, np.linalg.solve(factor, moment))[0]


def _features(knots: Floats, net_load: Floats) -> Floats:
    through = (net_load[:, None] - knots[:-1]) / np.diff(knots)
    low, high = np.zeros(len(knots) - 1), np.ones(len(knots) - 1)
    low[0], high[-1] = -np.inf, np.inf
    return np.clip(through, low, high)


def _within(values: Floats, week: Ints) -> Floats:
    """Return values ``[H, F]`` less their mean at the same hour of the day in the same week."""
    cell = week * DAY + np.arange(len(week)) % DAY
    return values - (_sums(values, cell) / np.bincount(cell)[:, None])[cell]


def _by_week(values: Floats, week: Ints) -> Floats:
    """Return sums ``[W, ...]`` of values ``[H, ...]`` over weeks."""
    return np.add.reduceat(values, np.flatnonzero(np.diff(week, prepend=-1)), axis=0)


def _sums(values: Floats, cell: Ints) -> Floats:
    return np.stack([np.bincount(cell, column).astype(np.float64) for column in values.T], axis=1)


def _week(hours: int) -> Ints:
    return np.minimum(np.arange(hours) // WEEK, hours // WEEK - 1)


def _require_hours(values: Floats, name: str, shape: tuple[int, ...]) -> None:
    require(np.shape(values) == shape, name, f"have shape {shape}", np.shape(values))
    rule = f"hold at least {LEAST_WEEKS} weeks of hours, {LEAST_WEEKS * WEEK}"
    require(shape[0] >= LEAST_WEEKS * WEEK, name, rule, shape[0])
    require_each(np.isfinite(values), name, "be finite", values)


def _require_rise(curve: SupplyCurve) -> None:
    rule = "rise somewhere: where the bound alone holds it flat, there is no interval"
    require(bool(curve.rise.any()), "curve", rule, curve.rise)


def _require_pair(merged: tuple[int, int], sellers: int, left: int) -> None:
    one, other = merged
    fine = 0 <= one < sellers and 0 <= other < sellers and one != other
    require(fine, "merged", f"be two different sellers of {sellers}, from 0 on", merged)
    require(sellers - 1 >= left, "merged", f"leave {left} sellers or more, for rivals to leave demand", sellers - 1)
