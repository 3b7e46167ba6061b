r"""Optimal auctions of one good among bidders with the same prior.

The virtual value :math:`v - (1 - F(v))/f(v)` of a *regular* prior rises; the seller's best auction sells to the highest
virtual value, if it is positive: a second-price auction with the reserve at which the virtual value is zero. Its
revenue is the mean of the highest positive virtual value.

References
----------
R. B. Myerson, Optimal auction design, Mathematics of Operations Research 6, 1981.
"""

from typing import cast

import numpy as np

from walras.core.checks import require, require_whole
from walras.core.typing import Floats
from walras.markets.auctions.priors import Prior

GRID = 4097
"""Quantiles on which regularity is checked."""


def virtual_value(prior: Prior, value: Floats) -> Floats:
    """Return the virtual value, money; minus infinity where the density is zero."""
    density = prior.pdf(value)
    with np.errstate(divide="ignore"):
        return value - np.where(density > 0, (1 - prior.cdf(value)) / density, np.inf)


def myerson_reserve(prior: Prior) -> float:
    """Return the revenue-maximising reserve price, money.

    Raises
    ------
    ValueError
        If `prior` is no distribution, or not regular: its virtual value falls somewhere, so that no reserve alone is
        optimal.

    Examples
    --------
    >>> from walras.markets.auctions import Uniform, myerson_reserve
    >>> myerson_reserve(Uniform())
    0.5
    """
    from scipy.optimize import brentq

    _check_regular(prior)
    ends = virtual_value(prior, np.array([prior.low, prior.high]))
    if ends[0] >= 0:
        return float(prior.low)
    found = brentq(lambda v: float(virtual_value(prior, np.array(v))), prior.low + 1e-15, prior.high, xtol=1e-14)
    return float(round(found, 15))


def optimal_revenue(prior: Prior, bidders: int) -> float:
    """Return the largest expected revenue from `bidders` with the same prior, money.

    Raises
    ------
    ValueError
        If the prior is not regular, or `bidders` no whole number, at least 1.
    """
    from scipy.integrate import quad

    require_whole(bidders, "bidders")
    reserve = myerson_reserve(prior)

    def weighted(value: float) -> float:
        v = np.array(value)
        return float(virtual_value(prior, v) * bidders * prior.cdf(v) ** (bidders - 1) * prior.pdf(v))

    return float(quad(weighted, reserve, prior.high, epsabs=1e-12, epsrel=1e-12, limit=200)[0])


def _check_regular(prior: Prior) -> None:
    given = cast(object, prior)  # what a caller passes
    distribution = isinstance(given, Prior) and not isinstance(given, type)
    require(distribution, "prior", "be a distribution, such as Uniform(0, 1)", prior)
    value = prior.quantile(np.linspace(0.0, 1.0, GRID)[1:-1])
    virtual = virtual_value(prior, value)
    falls = np.diff(virtual) < -1e-9 * (prior.high - prior.low)
    require(not falls.any(), "prior", "be regular, with a virtual value that nowhere falls", prior)
