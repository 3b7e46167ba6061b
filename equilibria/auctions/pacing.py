r"""Pacing equilibria of first-price auctions: what multipliers bidders with budgets use, and the certificate.

The definition is that of `walras.markets.auctions.pacing`, which finds the equilibrium. Here it is judged by another
road. A first-price pacing equilibrium is a competitive equilibrium of the same bidders as buyers with quasi-linear
utility [1]_: at the prices no bidder wants another bundle within its budget. All of a budget goes to the good of the
largest :math:`v_{ij} / p_j`, if that exceeds 1, so that the price-taking regret

.. math:: B_i \max\bigl(0, \max_j v_{ij} / p_j - 1\bigr) - \sum_j (v_{ij} - p_j) x_{ij}

needs no solver. `PacingEquilibrium.regret` is it as a share of the budget, and `residual` the largest of all regrets
and of all that violates the definition.

Among all multipliers with which no bidder spends more than its budget, those of the equilibrium are the largest, bidder
by bidder, and so are prices and revenue [1]_.

References
----------
[1] V. Conitzer, C. Kroer, D. Panigrahi, O. Schrijvers, N. Stier-Moses, E. Sodomka, C. Wilkens, Pacing equilibrium in
    first price auction markets, Management Science 68, 2022.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import as_numbers, require, require_each
from walras.core.solution import Certified, Status, checked
from walras.core.typing import Floats
from walras.markets.auctions.pacing import paced

TOLERANCE = 1e-4
"""Largest residual, as a share of a budget or a supply: where a budget is just enough, the program is flat."""
LARGEST = 1e60
"""Largest number of a market, and the inverse of the smallest that is not zero: products and ratios stay finite."""


@final
@dataclass(frozen=True, kw_only=True)
class PacingEquilibrium(Certified):
    """Multipliers of bidders with budgets, and what follows from them; leading dimensions are those of the values."""

    multiplier: Floats  # [..., N] what share of its values a bidder bids
    price: Floats  # [..., M] money a unit
    allocation: Floats  # [..., N, M] units
    spend: Floats  # [..., N] money
    utility: Floats  # [..., N] money, worth of what is won less spend
    regret: Floats  # [..., N] what the best bundle at the prices adds to utility, as a share of the budget

    @property
    def revenue(self) -> Floats:
        """What all bidders spend, ``[...]``, money."""
        return self.spend.sum(axis=-1)


def first_price_pacing(
    values: ArrayLike,
    budgets: ArrayLike,
    supplies: ArrayLike | None = None,
    *,
    tol: float = TOLERANCE,
    throw: bool = True,
) -> PacingEquilibrium:
    """Return the pacing equilibrium of first-price auctions, of one market or of many at once.

    Parameters
    ----------
    values : array_like
        ``[..., N, M]`` money a unit of each good, not negative.
    budgets : array_like
        ``[..., N]`` money, positive.
    supplies : array_like, optional
        ``[..., M]`` units, not negative; 1 by default.
    tol : float
        Largest residual.
    throw : bool
        Raise instead of returning an equilibrium whose residual exceeds `tol`.

    Raises
    ------
    ValueError
        If shapes disagree, a number is NaN, infinite or negative, or a budget is zero.
    SolverError
        If a market's numbers are too far apart to be certified, and `throw` is true.

    Examples
    --------
    >>> from walras.equilibria import first_price_pacing
    >>> found = first_price_pacing([[2.0, 1.0], [1.0, 2.0]], [0.5, 4.0])
    >>> found.multiplier.round(6), found.price.round(6)
    (array([0.5, 1. ]), array([1., 2.]))
    """
    require(tol >= 0, "tol", "be at least 0", tol)
    v, money, supply = checked_market(values, budgets, supplies)
    shape = v.shape
    v, money, supply = v.reshape(-1, *shape[-2:]), money.reshape(-1, shape[-2]), supply.reshape(-1, shape[-1])
    found = paced(v, money, supply)
    highest = (found.multiplier[..., None] * v).max(axis=1)
    worst = violation(v, money, supply, found.multiplier, highest, found.price, found.allocation)
    spend = (found.price[:, None] * found.allocation).sum(axis=2)
    regret = price_taking_regret(v, money, found.price, found.allocation)
    residual = largest(np.append(worst, regret / money))
    lead = shape[:-2]
    return checked(
        PacingEquilibrium(
            residual=residual,
            iterations=found.iterations,
            status=Status.CONVERGED if residual <= tol else Status.ROUNDED,
            multiplier=found.multiplier.reshape(*lead, shape[-2]),
            price=found.price.reshape(*lead, shape[-1]),
            allocation=found.allocation.reshape(shape),
            spend=spend.reshape(*lead, shape[-2]),
            utility=((v * found.allocation).sum(axis=2) - spend).reshape(*lead, shape[-2]),
            regret=(regret / money).reshape(*lead, shape[-2]),
        ),
        throw,
    )


def checked_market(values: ArrayLike, budgets: ArrayLike, supplies: ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    """Return values ``[..., N, M]``, budgets ``[..., N]`` and supplies ``[..., M]``.

    Raises
    ------
    ValueError
        If shapes disagree, a number is NaN, infinite or negative, or a budget is zero.
    """
    v, money = as_numbers("values", values), as_numbers("budgets", budgets)
    require(v.ndim >= 2 and min(v.shape[-2:]) >= 1, "values", "be [..., N, M], of some bidders and goods", v.shape)
    supply = np.ones((*v.shape[:-2], v.shape[-1])) if supplies is None else as_numbers("supplies", supplies)
    for name, array, shape in (("budgets", money, v.shape[:-1]), ("supplies", supply, (*v.shape[:-2], v.shape[-1]))):
        require(array.shape == shape, name, f"have the shape {shape}", array.shape)
    require_each(np.isfinite(v) & (v >= 0), "values", "be finite and not negative", v)
    require_each(np.isfinite(money) & (money > 0), "budgets", "be finite and positive", money)
    require_each(np.isfinite(supply) & (supply >= 0), "supplies", "be finite and not negative", supply)
    sized = np.concatenate([part[part > 0] for part in (v.ravel(), money.ravel(), supply.ravel())])
    within = (sized >= 1 / LARGEST) & (sized <= LARGEST)
    require_each(within, "values, budgets and supplies", f"lie within {1 / LARGEST:g} and {LARGEST:g}, or be 0", sized)
    return v, money, supply


def violation(
    values: Floats,
    budgets: Floats,
    supplies: Floats,
    multiplier: Floats,
    highest: Floats,
    price: Floats,
    allocation: Floats,
) -> Floats:
    """Return by how much B markets violate the definition of a pacing equilibrium, ``[B]``.

    It is the largest of: what is won below the ``highest [B, M]`` bids, and what is spent too much, as shares of a
    budget; what is not sold though it has a price, or sold twice, as shares of a supply; and the lesser of one less the
    multiplier and of the share of the budget that is not spent: one that is paced must spend it all.
    """
    spend = (price[:, None] * allocation).sum(axis=2) / budgets
    lost = (allocation * (highest[:, None] - multiplier[..., None] * values)).sum(axis=2) / budgets
    sold = allocation.sum(axis=1) / np.where(supplies > 0, supplies, 1.0)
    left = np.where((supplies > 0) & (price > 0), np.abs(1 - sold), np.maximum(sold - (supplies > 0), 0.0))
    unspent = np.minimum(1 - multiplier, np.maximum(1 - spend, 0.0))
    return np.concatenate((lost, spend - 1, left, unspent), axis=1).max(axis=1)


def price_taking_regret(values: Floats, budgets: Floats, price: Floats, allocation: Floats) -> Floats:
    """Return what the best bundle at prices ``[B, M]`` adds to each bidder's utility, ``[B, N]`` money."""
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.where(values > price[:, None], values / price[:, None] - 1, 0.0).max(axis=2)
    utility = ((values - price[:, None]) * allocation).sum(axis=2)
    return budgets * gain - utility


def largest(residuals: Floats) -> float:
    """Return the largest residual; infinite where a number was lost."""
    return float(np.max(np.where(np.isnan(residuals), np.inf, residuals), initial=0.0))
