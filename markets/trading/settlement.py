r"""Settlement: which trades are concluded when a market closes and some offers meet.

An offer binds nobody to what it cannot do: a seller of one unit may have met three buyers. So the sides choose. As
buyers, agents propose their best bundle of the trades that are left; as sellers, they take the best of what is
proposed, and what they turn down is left no more. When nothing is turned down, agents withdraw from proposals that
their other trades do not bear out, until each wants all that it has.

What comes out
--------------
Proved here, for any valuations. *Nobody loses by closing*: each agent's part is a best bundle of all subsets of its
part, the empty one included. *A fixed point is settled as it stands*: trades that each of their agents demands together
are proposed, taken and kept. With buyers and sellers of one unit alone it is deferred acceptance with buyers
proposing [1]_: no trade was met that both of its sides would rather have, and nobody withdraws.

References
----------
.. [1] D. Gale, L. S. Shapley, College admissions and the stability of marriage, American Mathematical Monthly 69, 1962.
"""

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import require, require_each
from walras.core.typing import Bools, Floats
from walras.markets.trading.reservation import outweighing
from walras.markets.trading.trading_network import TradingNetwork
from walras.markets.trading.valuations import require_last


def settle(network: TradingNetwork, met: ArrayLike, prices: ArrayLike) -> Bools:
    """Return the trades concluded of those whose offers met.

    Parameters
    ----------
    network : TradingNetwork
        Of N agents and T trades.
    met : array_like
        ``[..., T]``, true where bid and ask met.
    prices : array_like
        ``[..., T]``, money; those of other trades are not read, but must be finite.

    Returns
    -------
    Bools
        ``[..., T]``.

    Raises
    ------
    ValueError
        If shapes differ, the last dimension is not T, or a price is not finite.

    Examples
    --------
    A seller has met two buyers, and has one unit.

    >>> from walras.markets.trading.settlement import settle
    >>> from walras.markets.trading.trading_network import TradingNetwork, UnitDemand, UnitSupply
    >>> pair = TradingNetwork([(0, 1), (0, 2)], [UnitSupply({0: 1, 1: 1}), UnitDemand({0: 9}), UnitDemand({1: 8})])
    >>> settle(pair, [True, True], [4.0, 5.0])
    array([False,  True])
    """
    given, at = np.asarray(met, dtype=np.bool_), np.asarray(prices, dtype=np.float64)
    require(given.shape == at.shape, "met", f"have the shape of `prices`, {at.shape}", given.shape)
    require_last("prices", at.shape, len(network.trades))
    require_each(np.isfinite(at), "prices", "be finite", at)
    rows = at.reshape(-1, len(network.trades))
    return _kept(network, _taken(network, given.reshape(rows.shape), rows), rows).reshape(given.shape)


def _taken(network: TradingNetwork, met: Bools, prices: Floats) -> Bools:
    """Return the proposals, ``[R, T]``, of which none is turned down."""
    left, proposed = met.copy(), np.zeros_like(met)
    rows = np.flatnonzero(met.any(axis=1))
    while rows.size:
        proposed[rows] = left[rows] & _wanted(network, prices[rows], left[rows], left[rows])[1]
        turned_down = proposed[rows] & ~_wanted(network, prices[rows], proposed[rows], left[rows])[0]
        left[rows] &= ~turned_down
        rows = rows[turned_down.any(axis=1)]
    return proposed


def _kept(network: TradingNetwork, proposed: Bools, prices: Floats) -> Bools:
    """Return what is left of the proposals, ``[R, T]``, when no agent wants to withdraw."""
    kept = proposed.copy()
    rows = np.flatnonzero(kept.any(axis=1))
    while rows.size:
        before = kept[rows]
        sold, bought = _wanted(network, prices[rows], before, before)
        kept[rows] = before & sold & bought
        rows = rows[(kept[rows] != before).any(axis=1)]
    return kept


def _wanted(network: TradingNetwork, prices: Floats, may_sell: Bools, may_buy: Bools) -> tuple[Bools, Bools]:
    """Return which trades their sellers want and which their buyers, ``[R, T]`` each, of those they may have."""
    sold, bought = np.zeros_like(may_sell), np.zeros_like(may_buy)
    for valuation, own in zip(network.agents, network.places, strict=True):
        buys, at = valuation.sides > 0, prices[:, own]
        open_ = np.where(buys, may_buy[:, own], may_sell[:, own])
        barred = valuation.sides * outweighing(valuation, at)[:, None]
        wanted = open_ & valuation.demand(np.where(open_, at, barred))
        sold[:, own[~buys]], bought[:, own[buys]] = wanted[:, ~buys], wanted[:, buys]
    return sold, bought
