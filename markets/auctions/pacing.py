r"""Pacing in first-price auctions: bidders with budgets bid a share of their values, so that budgets last.

N bidders with values :math:`v_{ij}` and budgets :math:`B_i` meet M divisible goods with supplies :math:`s_j`. Bidder i
bids :math:`\alpha_i v_{ij}` everywhere, with one multiplier :math:`\alpha_i \le 1`. In a *pacing equilibrium* the price
of a good is its highest bid, only highest bidders win, goods of positive price sell out, no bidder spends more than its
budget, and one that is paced, :math:`\alpha_i < 1`, spends all of it. Multipliers of bidders who value something,
prices and utilities are unique; who wins of several highest bidders is not. The equilibrium solves a convex program
[1]_,

.. math:: \max \sum_i B_i \log u_i - \sum_i \delta_i \quad\text{s.t.}\quad
          u_i \le v_i \cdot x_i + \delta_i, \; \sum_i x_i \le s, \; x, \delta \ge 0,

with :math:`\delta_i` the money that i keeps and :math:`\alpha_i = \min(1, B_i / u_i)`. To keep money is to buy a
further good, of which there is enough, of value 1 and with a surcharge of 1: this makes it the program of
`walras.markets.eisenberg_gale`, of whose solver nothing need be changed.

A bidder never spends more than all goods are worth to it. So larger budgets are cut to twice that, which moves nothing
and keeps the numbers of the program together.

References
----------
[1] V. Conitzer, C. Kroer, D. Panigrahi, O. Schrijvers, N. Stier-Moses, E. Sodomka, C. Wilkens, Pacing equilibrium in
    first price auction markets, Management Science 68, 2022.
"""

from typing import NamedTuple

import numpy as np

from walras.core.typing import Floats

ENOUGH = 2.0
"""Budgets, in what all goods are worth to a bidder, beyond which more money moves nothing."""


class Paced(NamedTuple):
    """Multipliers of B markets, what they mean for goods, and how many steps the solver took."""

    multiplier: Floats  # [B, N] in (0, 1]
    price: Floats  # [B, M] money a unit: the highest paced bid
    allocation: Floats  # [B, N, M] units
    iterations: int


def paced(values: Floats, budgets: Floats, supplies: Floats) -> Paced:
    """Return first-price pacing equilibria, before they are certified.

    Parameters
    ----------
    values : array
        ``[B, N, M]`` money a unit, not negative.
    budgets : array
        ``[B, N]`` money, positive.
    supplies : array
        ``[B, M]`` units, not negative.
    """
    from walras.markets.eisenberg_gale import proportional_fairness

    v, money, most = _in_own_units(values, budgets, supplies)
    kept = np.ones((*money.shape, 1))
    stock = 2 * money.sum(axis=1, keepdims=True)
    worth = np.concatenate((v, kept), axis=2)
    demand = np.concatenate((np.broadcast_to(2 * supplies[:, None], v.shape), 2 * money[..., None]), axis=2)
    surcharge = np.concatenate((np.zeros_like(v), kept), axis=2)
    supply = np.concatenate((supplies, stock), axis=1)
    found = proportional_fairness(worth, demand, supply, money, surcharge, throw=False)
    allocation = found.allocation.numpy()
    multiplier = np.minimum(1.0, money / (worth * allocation).sum(axis=2))
    multiplier = np.where(most > 0, multiplier, 1.0)
    price = (multiplier[..., None] * values).max(axis=1)
    return Paced(multiplier, price, allocation[..., :-1], found.iterations)


def _in_own_units(values: Floats, budgets: Floats, supplies: Floats) -> tuple[Floats, Floats, Floats]:
    """Return values and budgets of which no budget is huge, and what all goods are worth to each bidder, ``[B, N]``.

    Who values nothing has some money to keep. The unit of money is the mean budget.
    """
    most = (values * supplies[:, None]).sum(axis=2)
    money = np.minimum(budgets, ENOUGH * most)
    unit = money.mean(axis=1, keepdims=True)
    unit = np.where(unit > 0, unit, 1.0)
    return values / unit[..., None], np.where(most > 0, money / unit, 1.0), most
