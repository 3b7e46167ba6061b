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
from walras.markets.trading_network import TradingNetwork
from walras.markets.valuations import require_last


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

    >>> from walras.markets.settlement import settle
    >>> from walras.markets.trading_network import TradingNetwork, UnitDemand, UnitSupply
    >>> pair = TradingNetwork([(0, 1), (0, 2)], [UnitSupply({0: 1, 1: 1}), UnitDemand({0: 9}), UnitDemand({1: 8})])
    >>> settle(pair, [True, True], [4.0, 5.0])
    array([False,  True])
    """
    left, at = np.asarray(met, dtype=np.bool_), np.asarray(prices, dtype=np.float64)
    require(left.shape == at.shape, "met", f"have the shape of `prices`, {at.shape}", left.shape)
    require_last("prices", at.shape, len(network.trades))
    require_each(np.isfinite(at), "prices", "be finite", at)
    barriers = _barriers(network, at)
    while True:
        proposed = left & _wanted(network, barriers, at, left, left)[1]
        turned_down = proposed & ~_wanted(network, barriers, at, proposed, left)[0]
        if not turned_down.any():
            break
        left = left & ~turned_down
    return _kept(network, barriers, at, proposed)


def _kept(network: TradingNetwork, barriers: Floats, prices: Floats, proposed: Bools) -> Bools:
    """Return what is left of the proposals when no agent wants to withdraw."""
    while True:
        sold, bought = _wanted(network, barriers, prices, proposed, proposed)
        if (proposed <= (sold & bought)).all():
            return proposed
        proposed = proposed & sold & bought


def _wanted(
    network: TradingNetwork, barriers: Floats, prices: Floats, may_sell: Bools, may_buy: Bools
) -> tuple[Bools, Bools]:
    """Return which trades their sellers want and which their buyers, ``[..., T]`` each, of those they may have."""
    sold, bought = np.zeros_like(may_sell), np.zeros_like(may_buy)
    for agent, (valuation, own) in enumerate(zip(network.agents, network.places, strict=True)):
        buys = valuation.sides > 0
        open_ = np.where(buys, may_buy[..., own], may_sell[..., own])
        barrier = valuation.sides * barriers[..., agent, None]
        wanted = open_ & valuation.demand(np.where(open_, prices[..., own], barrier))
        sold[..., own[~buys]], bought[..., own[buys]] = wanted[..., ~buys], wanted[..., buys]
    return sold, bought


def _barriers(network: TradingNetwork, prices: Floats) -> Floats:
    """Return for each agent a price, ``[..., N]``, at which it buys nothing, and sells nothing at its negative."""
    dearest = np.abs(prices).max(axis=-1, keepdims=True)
    degrees = np.array([valuation.degree for valuation in network.agents])
    largest = np.array([valuation.magnitude for valuation in network.agents])
    return 1 + 8 * degrees * (largest + dearest)
