r"""Reservation prices: what each trade is worth to an agent, the other prices as they are.

A buyer is ready to pay for trade w up to the price at which its best bundle with w is worth as much as its best bundle
without; a seller is ready to take it from there on. With prices p of the other trades, :math:`\chi_w` as in
`walras.markets.trading.valuations` and a payment b that outweighs everything,

.. math:: r_w(p) = \chi_w \bigl( V(p \mid p_w = -\chi_w b) - b - V(p \mid p_w = \chi_w b) \bigr).
"""

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import require_each
from walras.core.typing import Floats
from walras.markets.trading.valuations import Valuation, require_last


def reservation_prices(valuation: Valuation, prices: ArrayLike) -> Floats:
    """Return the price at which the agent is indifferent to each of its trades, the others at their prices.

    Parameters
    ----------
    valuation : Valuation
        Of d trades.
    prices : array_like
        ``[..., d]``, money.

    Returns
    -------
    Floats
        ``[..., d]``, money. It lies beyond all numbers in sight, at plus or minus `outweighing`, where the agent cannot
        do the trade at all.

    Raises
    ------
    ValueError
        If the last dimension is not d, or a price is not finite.

    Examples
    --------
    A buyer of one unit would rather pay 3 for the first offer than 9 for the second.

    >>> from walras.markets.trading.reservation import reservation_prices
    >>> from walras.markets.trading.trading_network import Intermediary, UnitDemand
    >>> reservation_prices(UnitDemand({0: 10, 1: 12}), [3.0, 9.0])
    array([7., 5.])
    >>> reservation_prices(Intermediary([0], [1], cost=1), [4.0, 9.0])
    array([8., 5.])
    """
    at = np.asarray(prices, dtype=np.float64)
    require_last("prices", at.shape, valuation.degree)
    require_each(np.isfinite(at), "prices", "be finite", at)
    payment = outweighing(valuation, at)[..., None, None]
    own, each = np.eye(valuation.degree, dtype=np.bool_), at[..., None, :]
    without = valuation.indirect_utility(np.where(own, valuation.sides * payment, each))
    with_it = valuation.indirect_utility(np.where(own, -valuation.sides * payment, each)) - payment[..., 0]
    return valuation.sides * (with_it - without)


def outweighing(valuation: Valuation, prices: Floats) -> Floats:
    """Return a payment, ``[...]`` money, larger than what the agent can gain by trading at prices ``[..., d]``.

    No bundle's value or price exceeds a few times d of the largest number, so that eight times do.
    """
    largest = valuation.magnitude + np.abs(prices).max(axis=-1, initial=0.0)
    return 1 + 8 * valuation.degree * largest
