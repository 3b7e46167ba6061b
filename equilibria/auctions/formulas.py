r"""Equilibrium bids in closed form, up to one integral, for N bidders who are alike and know their own value.

With F the prior and :math:`G = F^{n-1}` the chance that the highest rival lies below:

| format | bid of value v |
|---|---|
| first price, reserve r | :math:`v - \int_r^v G^{1/\rho} / G(v)^{1/\rho}` |
| the same, entry fee c | :math:`v - (c + \int_{v_0}^v G) / G(v)`; out below :math:`v_0`: :math:`(v_0 - r) G(v_0) = c` |
| third price | :math:`v + F / ((n - 2) f)` |
| all-pay and contests | :math:`\int t \, dS(t)`, S the expected prize of a value among its rivals |
| war of attrition | :math:`\int t \, dG / (1 - G)` |
| split award, all ask p for half | whole: :math:`p + (p - C \bar v F) / (1 - F)`; v is its cost, C v that of half |

References
----------
V. Krishna, Auction Theory, Academic Press, 2nd edition, 2010. V. Krishna, J. Morgan, An analysis of the war of
attrition and the all-pay auction, Journal of Economic Theory 72, 1997. M. Plum, Characterization and computation of
Nash-equilibria for auctions with incomplete information, International Journal of Game Theory 20, 1992. K. Chatterjee,
W. Samuelson, Bargaining under incomplete information, Operations Research 31, 1983. J. J. Anton, D. A. Yao,
Coordination in split award auctions, Quarterly Journal of Economics 107, 1992.
"""

from collections.abc import Callable
from math import comb

import numpy as np

from walras.core.checks import require
from walras.core.typing import Floats
from walras.markets.auctions.priors import Prior

NODES = 48
"""Points of Gauss's rule, exact for polynomials of degree 95."""
_NODE, _WEIGHT = (
    part / 2 + shift for part, shift in zip(np.polynomial.legendre.leggauss(NODES), (0.5, 0.0), strict=True)
)


def mean_up_to(function: Callable[[Floats], Floats], start: float, value: Floats) -> Floats:
    """Return the mean of a smooth function between `start` and each value."""
    inside = start + (value[..., None] - start) * _NODE
    return function(inside) @ _WEIGHT


def first_price(prior: Prior, bidders: int, reserve: float, risk: float) -> Callable[[Floats], Floats]:
    """Return bids of the first-price auction; values below the reserve bid nothing."""
    power, start = (bidders - 1) / risk, max(reserve, prior.low)

    def bid(value: Floats) -> Floats:
        high = np.maximum(value, start)
        chance = prior.cdf(high)
        scale = np.where(chance > 0, chance, 1.0)
        share = _mean_power(prior, power, start, high, scale)
        shaded = high - (high - start) * np.where(chance > 0, share, 0.0)
        return np.where(value < start, 0.0, shaded)

    return bid


def _mean_power(prior: Prior, power: float, start: float, value: Floats, chance: Floats) -> Floats:
    r"""Return the mean of :math:`(F(t) / F(v))^p` between `start` and each value, whose ``chance`` is F(v).

    A large power leaves a peak below the value, as narrow as :math:`s^{p c}`, s from 0 to 1, with c the elasticity of
    F: Gauss's rule is taken in :math:`s^{p c + 1}`.
    """
    if power <= NODES:
        return mean_up_to(lambda t: (prior.cdf(t) / chance[..., None]) ** power, start, value)
    narrow = (1 + power * np.clip(prior.pdf(value) * (value - start) / chance, 0.01, 100.0))[..., None]
    place = _NODE ** (1 / narrow)
    inside = (prior.cdf(start + (value[..., None] - start) * place) / chance[..., None]) ** power
    return (inside * place / (_NODE * narrow)) @ _WEIGHT


def first_price_with_fee(prior: Prior, bidders: int, reserve: float, fee: float) -> Callable[[Floats], Floats]:
    """Return bids of risk-neutral bidders who pay to bid; -1 stays out."""
    entry = entry_value(prior, bidders, reserve, fee)

    def bid(value: Floats) -> Floats:
        high = np.maximum(value, entry)
        chance = prior.cdf(high) ** (bidders - 1)
        paid = fee + (high - entry) * mean_up_to(lambda t: prior.cdf(t) ** (bidders - 1), entry, high)
        return np.where(value < entry, -1.0, high - paid / chance)

    return bid


def second_price_with_fee(prior: Prior, bidders: int, reserve: float, fee: float) -> Callable[[Floats], Floats]:
    """Return true bids of those for whom it pays to bid; -1 stays out."""
    entry = entry_value(prior, bidders, reserve, fee)
    return lambda value: np.where(value < entry, -1.0, value)


def entry_value(prior: Prior, bidders: int, reserve: float, fee: float) -> float:
    """Return the value at which a bidder earns the fee and no more; the top if none does."""
    from scipy.optimize import brentq

    def excess(value: float) -> float:
        return (value - reserve) * float(prior.cdf(np.array(value))) ** (bidders - 1) - fee

    start = max(reserve, prior.low)
    return float(brentq(excess, start, prior.high, xtol=1e-15)) if excess(prior.high) > 0 else prior.high


def third_price(prior: Prior, bidders: int) -> Callable[[Floats], Floats]:
    """Return bids of the third-price auction, above the value.

    Raises
    ------
    ValueError
        If they do not rise with the value, so that the highest value need not win.
    """

    def bid(value: Floats) -> Floats:
        chance = prior.cdf(value)
        with np.errstate(divide="ignore", over="ignore"):  # where types are almost impossible, bids have no bound
            more = np.divide(chance, (bidders - 2) * prior.pdf(value), out=np.zeros_like(chance), where=chance > 0)
        return value + more

    bids = bid(prior.quantile(np.linspace(0.0, 1.0, 4097)))
    rises = bool(np.isfinite(bids).all()) and bool((np.diff(bids) >= -1e-9 * bids.max()).all())
    require(rises, "prior", "let third-price bids rise, and be finite", prior)
    return bid


def contest(prior: Prior, bidders: int, prizes: tuple[float, ...]) -> Callable[[Floats], Floats]:
    """Return efforts for prizes by rank; one prize is the all-pay auction."""

    def bid(value: Floats) -> Floats:
        width, least = value - prior.low, float(_prize(np.zeros(1), bidders, prizes)[0])
        if len(prizes) == 1 and bidders - 1 > NODES:
            chance = prior.cdf(value)
            peak = _mean_power(prior, bidders - 1, prior.low, value, np.where(chance > 0, chance, 1.0))
            mean = prizes[0] * chance ** (bidders - 1) * peak
        else:
            mean = mean_up_to(lambda t: _prize(prior.cdf(t), bidders, prizes), prior.low, value)
        return value * _prize(prior.cdf(value), bidders, prizes) - prior.low * least - width * mean

    return bid


def _prize(chance: Floats, bidders: int, prizes: tuple[float, ...]) -> Floats:
    """Return the expected prize of who beats each rival with the given chance."""
    ranks = (
        prize * comb(bidders - 1, k) * (1 - chance) ** k * chance ** (bidders - 1 - k) for k, prize in enumerate(prizes)
    )
    return sum(ranks, np.zeros_like(chance))


def war_of_attrition(prior: Prior, bidders: int, cap: float) -> Callable[[Floats], Floats]:
    r"""Return bids of the war of attrition, up to the largest that is allowed.

    By parts they are :math:`-v \ln(1 - G(v)) + \int \ln(1 - G)`; the integral is taken in :math:`s` with
    :math:`t = v - (v - low) s^4`, which leaves no singularity at the top.
    """

    def bid(value: Floats) -> Floats:
        width = value - prior.low
        inside = value[..., None] - width[..., None] * _NODE**4
        with np.errstate(divide="ignore", invalid="ignore"):
            tail = -np.log1p(-(prior.cdf(value) ** (bidders - 1)))
            within = np.log1p(-(prior.cdf(inside) ** (bidders - 1))) * (4 * _NODE**3)
            found = value * tail + width * (within @ _WEIGHT)
        return np.minimum(np.where(np.isfinite(found), found, np.inf), cap)

    return bid


def two_uniform(own: float, other: float) -> Callable[[Floats], Floats]:
    """Return the bids of a bidder with values even on [0, own] against one on [0, other], first price (Plum)."""
    k = 1 / own**2 - 1 / other**2
    return lambda value: value / (1 + np.sqrt(np.maximum(1 - k * value**2, 0.0)))


def buyer(k: float) -> Callable[[Floats], Floats]:
    """Return the linear bids of a buyer, value and cost even on [0, 1] (Chatterjee and Samuelson).

    Where they exceed the value no ask is met, and the value is bid.
    """
    return lambda value: np.minimum(value, value / (1 + k) + k * (1 - k) / (2 * (1 + k)))


def seller(k: float) -> Callable[[Floats], Floats]:
    """Return the linear asks of a seller; where they lie below the cost, the cost."""
    return lambda cost: np.maximum(cost, cost / (2 - k) + (1 - k) / 2)


def split_award(prior: Prior, scale: float, price: float) -> Callable[[Floats], Floats]:
    """Return what two suppliers ask for the whole who both ask `price` for half, and so share (Anton and Yao).

    The whole costs a supplier its type, and half of it `scale` times as much. What it asks for the whole decides
    nothing but what its rival would gain by asking less for the whole: no more than it has by half.

    Raises
    ------
    ValueError
        If `price` lies outside ``[scale * high, (1 - scale) * low]``: some type loses by half, or undercuts two halves.
    """
    least, most = scale * prior.high, (1 - scale) * prior.low
    rule = f"lie in [{least:g}, {most:g}], so that no type gains by another price"
    require(least <= price <= most, "price", rule, price)

    def whole(cost: Floats) -> Floats:
        cheaper = np.minimum(prior.cdf(cost), np.nextafter(1.0, 0.0))
        asked = price + (price - least * cheaper) / (1 - cheaper)
        return np.maximum(asked, np.nextafter(2 * price, np.inf))  # two halves are cheaper, also by a hair

    return whole


def tullock(bidders: int, r: float, value: float) -> float:
    """Return the effort in a lottery contest for a prize that all value alike, r at most n / (n - 1)."""
    return r * (bidders - 1) / bidders**2 * value


def local(rule: str, correlation: float) -> Callable[[Floats], Floats]:
    """Return the bids of a local bidder against a global one (Ausubel and Baranov), values even on [0, 1]."""
    g = correlation
    if rule == "nearest_zero":
        return (lambda v: v) if g == 1 else lambda v: np.maximum(0.0, 1 + _log(g + (1 - g) * v) / (1 - g))
    if rule == "nearest_vcg":
        start = 0.0 if g == 1 else (3 - (9 - (1 - g) ** 2) ** 0.5) / (1 - g)
        return lambda v: np.maximum(0.0, 2 * (v - start) / (2 + g))
    return (lambda v: v / 2) if g == 1 else lambda v: (np.log(2) - np.log(2 - (1 - g) * v)) / (1 - g)


def _log(value: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.log(value)
