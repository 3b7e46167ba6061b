r"""What a channel buys for an advertiser: its auctions in order of value for money, up to a budget and a target.

The advertiser's linear program
-------------------------------
K auctions have values :math:`v_k` and competing prices :math:`d_k`. With a budget :math:`\rho` and a target
:math:`\gamma` of value for money,

.. math:: \max \sum_k v_k x_k \quad\text{s.t.}\quad \sum_k v_k x_k \ge \gamma \sum_k d_k x_k, \;
          \sum_k d_k x_k \le \rho, \; 0 \le x \le 1 .

Both constraints price an auction by :math:`v_k / d_k` alone, so the optimum takes auctions in falling order of it, and
cuts the first one that breaks a constraint: what bids :math:`v_k / \theta` with one threshold :math:`\theta` win. With
all auctions of all channels in one list it is the most that an advertiser can have; with a target of 1 on goods worth
more than they cost, the best bundle of a bidder who keeps what it does not spend.
"""

import numpy as np
from numpy.typing import ArrayLike

from walras.core.typing import Floats, Ints


def bought(values: Floats, costs: Floats, budget: ArrayLike, target: ArrayLike = 0.0) -> Floats:
    """Return the optimal shares ``[..., K]`` of auctions, between 0 and 1.

    Parameters
    ----------
    values, costs : array
        ``[..., K]`` money, not negative.
    budget : array_like
        ``[...]`` money; infinite where none binds.
    target : array_like
        ``[...]`` least value for each unit of money spent.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.markets.auctions.autobidding import bought
    >>> bought(np.array([3.0, 2.0, 1.0]), np.array([1.0, 1.0, 1.0]), budget=1.5)
    array([1. , 0.5, 0. ])
    """
    order = _best_first(values, costs)
    v, d = np.take_along_axis(values, order, -1), np.take_along_axis(costs, order, -1)
    excess = np.asarray(target)[..., None] * d - v  # what an auction takes from the balance of the target
    paid, owed = np.cumsum(d, axis=-1) - d, np.cumsum(excess, axis=-1) - excess
    share = np.minimum(_within(np.asarray(budget)[..., None] - paid, d), _within(-owed, excess))
    taken = np.zeros_like(share)
    np.put_along_axis(taken, order, share * (v > 0), -1)
    return taken


def frontier(values: Floats, costs: Floats, budgets: Floats) -> tuple[Floats, Floats]:
    """Return value and spend ``[..., A]`` of the optimum for each of A budgets, without a target.

    Parameters
    ----------
    values, costs : array
        ``[..., K]`` money, not negative.
    budgets : array
        ``[A]`` money.
    """
    order = _best_first(values, costs)
    v, d = np.take_along_axis(values, order, -1), np.take_along_axis(costs, order, -1)
    d = np.where(v > 0, d, 0.0)
    paid = np.cumsum(d, axis=-1) - d
    value, spend = (np.zeros((*v.shape[:-1], len(budgets))) for _ in range(2))
    for k in range(v.shape[-1]):
        share = _within(budgets - paid[..., k : k + 1], d[..., k : k + 1])
        value += v[..., k : k + 1] * share
        spend += d[..., k : k + 1] * share
    return value, spend


def _best_first(values: Floats, costs: Floats) -> Ints:
    """Return auctions in falling order of value for money; what is worth nothing is last."""
    with np.errstate(divide="ignore", invalid="ignore"):
        worth = np.where(values > 0, values / costs, -1.0)
    return np.argsort(-worth, axis=-1, kind="stable")


def _within(left: Floats, use: Floats) -> Floats:
    """Return which share of `use` is `left`, between 0 and 1; all where nothing is used."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(use > 0, left / use, np.where(left >= 0, 1.0, 0.0))
    return np.clip(share, 0.0, 1.0)
