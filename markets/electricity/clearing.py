r"""Clearing of an electricity market: block offers against demand, batched.

The problem
-----------
In each of B auctions, N sellers offer K blocks (price :math:`c_k`, quantity :math:`q_k`); demand is a load D
that pays up to the price cap, and J bids (price :math:`v_j`, quantity :math:`d_j`). Clearing maximises welfare:

.. math:: \min_{x, y, u} \sum_k c_k x_k - \sum_j v_j y_j + \bar p\, u
          \quad\text{s.t.}\quad \sum_k x_k + u = D + \sum_j y_j \;(\lambda),\;
          0 \le x_k \le q_k,\; 0 \le y_j \le d_j,\; 0 \le u \le D.

A bid is an offer to give up its own consumption: with :math:`y_j = d_j - x_j` and a load of
:math:`D + \sum_j d_j`, bids and offers form one merit order, and the marginal block gives the prices
:math:`\lambda` that support the optimum.

What is decided, and how
------------------------
- *Interval.* The supporting prices form the interval [last accepted, first rejected]. It is one point unless
  demand meets a step edge: exactly, but for rounding in a sum of blocks (1e-12 of the load and the bids accepted there;
  1e-6 where a quantity comes in single precision).
- *Price.* The price of the last accepted offer, clipped into the interval. For an inelastic load this is the
  lower end of the interval. Where no offer is accepted it is the point of the interval nearest to zero.
- *Ties.* Offers at the marginal price share the remainder pro rata by quantity. Where marginal offers meet
  marginal bids, the traded volume is the largest that welfare allows.
- *Scarcity.* Load that no offer serves is unserved: the price is the cap. The load itself is never priced below
  the cap; bids that the price excludes are not unserved.
- *Empty books.* No offers and a load: everything is unserved at the cap. No load and no bids: nothing is traded,
  and the interval reaches from the floor to the lowest offer.
- *Negative prices* are legal down to the floor. The defaults of floor and cap are the harmonised European limits.
- *Zero quantities* are legal and inert: they neither set a price nor bound an interval.

Prices are EUR/MWh, quantities MWh. One sort an auction: O(S log S) for S = NK + J blocks.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import as_floats, require, require_each
from walras.core.typing import Floats, Ints

if TYPE_CHECKING:
    import networkx as nx

    from walras.markets.electricity.network import NetworkClearing

PRICE_FLOOR = -500.0
"""EUR/MWh, the harmonised European minimum of day-ahead prices."""
PRICE_CAP = 4000.0
"""EUR/MWh, the harmonised European maximum of day-ahead prices."""

EDGE = 1e-12
"""Demand within this share of a step edge meets it: a few units in the last place of a sum of blocks."""
COARSE_EDGE = 8 * float(np.finfo(np.float32).eps)
"""The same where a quantity came in single precision."""
SMALLEST = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class Clearing:
    """The outcome of B auctions."""

    price: Floats  # [B] EUR/MWh
    dispatch: Floats  # [B, N, K] MWh accepted of each offer
    interval: Floats  # [B, 2] EUR/MWh lowest and highest supporting price
    unserved: Floats  # [B] MWh of the inelastic load
    consumption: Floats  # [B, J] MWh accepted of each bid

    @property
    def midpoint(self) -> Floats:
        """The middle of the supporting prices, ``[B]`` EUR/MWh: `price` where they are one.

        Some exchanges publish it where demand meets the edge of a step. `settle_uniform` takes it in the place of the
        clearing price.
        """
        return self.interval.mean(axis=1)


def clear(
    price: ArrayLike,
    quantity: ArrayLike,
    demand: ArrayLike,
    *,
    bid_price: ArrayLike | None = None,
    bid_quantity: ArrayLike | None = None,
    cap: float = PRICE_CAP,
    floor: float = PRICE_FLOOR,
) -> Clearing:
    """Clear B uniform-price auctions at the largest welfare.

    Parameters
    ----------
    price, quantity : array_like
        The offers, ``[B, N, K]``, in EUR/MWh and MWh.
    demand : array_like
        The inelastic load, ``[B]`` MWh.
    bid_price, bid_quantity : array_like, optional
        Stepwise elastic demand on top of the load, ``[B, J]``.
    cap, floor : float
        Bounds of legal prices, EUR/MWh.

    Returns
    -------
    Clearing
        Price, dispatch, price interval, unserved load and accepted bids; see the module for ties and edges.

    Raises
    ------
    ValueError
        If shapes disagree, a value is NaN, a quantity is negative or infinite, a price lies outside
        [floor, cap], or only one of the two bid arrays is given.

    Examples
    --------
    >>> from walras.markets.electricity.clearing import clear
    >>> book = clear([[[10.0], [30.0], [50.0]]], [[[5.0], [5.0], [5.0]]], [7.0])
    >>> book.price, book.dispatch[0, :, 0]
    (array([30.]), array([5., 2., 0.]))
    """
    require(floor < cap, "floor", f"be below the cap {cap}", floor)
    require_each(np.isfinite([floor, cap]), "floor and cap", "be finite", np.array([floor, cap]))
    offers = _block("price", price, "quantity", quantity, 3, floor, cap)
    load = as_floats("demand", demand, 1)
    edge = COARSE_EDGE if any(_is_coarse(given) for given in (quantity, demand, bid_quantity)) else EDGE
    _check_quantity("demand", load)
    require(
        len(load) == len(offers[0]),
        "demand",
        f"have one entry for each of {len(offers[0])} auctions",
        load.shape,
    )
    if (bid_price is None) != (bid_quantity is None):
        raise ValueError("`bid_price` and `bid_quantity` must be given together; got only one of them.")
    if bid_price is None or bid_quantity is None:
        return merit_order(*offers, load, cap, floor, edge)
    bids = _block("bid_price", bid_price, "bid_quantity", bid_quantity, 2, floor, cap)
    require(
        len(bids[0]) == len(load),
        "bid_price",
        f"have one row for each of {len(load)} auctions",
        bids[0].shape,
    )
    return _elastic_merit_order(*offers, load, *bids, cap, floor, edge)


def merit_order(
    price: Floats, quantity: Floats, demand: Floats, cap: float, floor: float, edge: float = EDGE
) -> Clearing:
    """Clear offers ``[B, N, K]`` against loads ``[B]``: `clear` without bids and without its checks."""
    from walras.markets.compiled import plain  # numba: only where it is used
    from walras.markets.electricity.clearing_compiled import cleared

    shape = rows, sellers, blocks = price.shape
    price, quantity = (plain(part.reshape(rows, sellers * blocks)) for part in (price, quantity))
    limits = float(cap), float(floor), edge
    settled, dispatch, interval, unserved = cleared(price, quantity, price.argsort(axis=1), plain(demand), *limits)
    return Clearing(settled, dispatch.reshape(shape), interval, unserved, np.empty((rows, 0)))


def _elastic_merit_order(
    price: Floats,
    quantity: Floats,
    load: Floats,
    bid_price: Floats,
    bid_quantity: Floats,
    cap: float,
    floor: float,
    edge: float,
) -> Clearing:
    """Clear offers ``[B, N, K]`` against loads ``[B]`` and bids ``[B, J]``."""
    shape = rows, sellers, each = price.shape
    price, quantity = price.reshape(rows, sellers * each), quantity.reshape(rows, sellers * each)
    interval = _elastic_prices(price, quantity, load, bid_price, bid_quantity, cap, floor, edge)
    low, high = interval.T
    # At the marginal price, offers serve before bids give up: the largest volume.
    above = bid_quantity * (bid_price > low[:, None])
    at = bid_quantity * (bid_price == low[:, None])
    firm = load + above.sum(axis=1)
    dispatch, _ = _accept(price, quantity, low, firm + at.sum(axis=1), edge)
    # What is sold is shared out, never what is not: a bid may be larger than all offers by any factor.
    sold = dispatch.sum(axis=1)
    left = np.maximum(sold - firm, 0.0)
    share = left / np.maximum(np.maximum(at.sum(axis=1), left), SMALLEST)
    missing = load - sold
    last = np.max(price, axis=1, where=dispatch > 0, initial=-np.inf)
    settled = np.clip(np.where(np.isfinite(last), last, 0.0), low, high)
    return Clearing(
        settled,
        dispatch.reshape(shape),
        interval,
        np.where(missing > edge * load, missing, 0.0),
        above + at * share[:, None],
    )


def _elastic_prices(
    price: Floats,
    quantity: Floats,
    load: Floats,
    bid_price: Floats,
    bid_quantity: Floats,
    cap: float,
    floor: float,
    edge: float,
) -> Floats:
    """Return the interval of prices, ``[B, 2]``, at which offers ``[B, S]`` meet loads and bids ``[B, J]``.

    Offers up to a step are compared with what is bought above it. Both are sums of positive terms of their own: bids
    that are given up enter neither.
    """
    ladder = np.concatenate((price, bid_price, np.full((len(load), 1), cap)), axis=1)
    order = ladder[:, :-1].argsort(axis=1, kind="stable")
    offered = np.concatenate((quantity, np.zeros_like(bid_quantity)), axis=1)
    bid = np.concatenate((np.zeros_like(quantity), bid_quantity), axis=1)
    reached = np.take_along_axis(offered, order, axis=1).cumsum(axis=1)
    later = np.take_along_axis(bid, order, axis=1)[:, ::-1]
    bought = np.concatenate((load[:, None], later), axis=1).cumsum(axis=1)[:, ::-1][:, 1:]
    ladder[:, :-1] = np.take_along_axis(ladder[:, :-1], order, axis=1)
    short, met = reached < bought * (1 - edge), reached <= bought * (1 + edge)
    steps = np.stack((short.sum(axis=1), met.sum(axis=1)), axis=1)
    interval = np.take_along_axis(ladder, steps, axis=1)
    nothing = load + bid_quantity.sum(axis=1) == 0
    return np.where(nothing[:, None], np.stack((np.full(len(load), floor), interval[:, 1]), axis=1), interval)


def _accept(price: Floats, quantity: Floats, marginal: Floats, need: Floats, edge: float) -> tuple[Floats, Floats]:
    """Accept blocks ``[B, S]`` below `marginal`, then those at it pro rata; return them and the need left."""
    marginal = marginal[:, None]
    below = quantity * (price < marginal)
    at = quantity * (price == marginal)
    rest = np.maximum(need - np.add.reduce(below, axis=1), 0.0)
    available = np.add.reduce(at, axis=1)
    share = rest / np.maximum(np.maximum(available, rest), SMALLEST)
    missing = rest - available
    return below + at * share[:, None], missing * (missing > edge * need)


def settle_uniform(clearing: Clearing, price: Floats | None = None) -> Floats:
    """Return what each seller is paid when all accepted quantities are paid one price, ``[B, N]`` EUR.

    Parameters
    ----------
    clearing : Clearing
        The outcome.
    price : ndarray, optional
        ``[B]`` EUR/MWh, a supporting price such as `Clearing.midpoint`; the clearing price by default.

    Raises
    ------
    ValueError
        If a price lies outside the interval of supporting prices.
    """
    if price is None:
        return clearing.price[:, None] * clearing.dispatch.sum(axis=2)
    require(price.shape == clearing.price.shape, "price", f"have shape {clearing.price.shape}", price.shape)
    low, high = clearing.interval.T
    require_each((low <= price) & (price <= high), "price", "support the outcome, within `interval`", price)
    return price[:, None] * clearing.dispatch.sum(axis=2)


def settle_pay_as_bid(clearing: Clearing, price: Floats) -> Floats:
    """Return what each seller is paid when each accepted block is paid its own `price [B, N, K]`, ``[B, N]`` EUR.

    Raises
    ------
    ValueError
        If `price` has another shape than the dispatch.
    """
    require(
        price.shape == clearing.dispatch.shape,
        "price",
        f"have the dispatch's shape {clearing.dispatch.shape}",
        price.shape,
    )
    return np.sum(price * clearing.dispatch, axis=2)


def clear_network(
    network: "nx.MultiGraph[int]",
    bus: Sequence[Hashable] | Ints,
    price: ArrayLike,
    quantity: ArrayLike,
    *,
    minimum: ArrayLike | None = None,
    load: ArrayLike | None = None,
    cap: float = PRICE_CAP,
) -> "NetworkClearing":
    """Clear K offers at the buses of a network with DC power flow; the duals of the balances are the prices.

    To clear one network many times, build `walras.markets.electricity.network.NetworkMarket` once.

    Parameters
    ----------
    network : networkx.MultiGraph
        Nodes with ``load`` (MW), edges with ``susceptance`` (MW per radian) and ``limit`` (MW).
    bus : sequence of nodes, or array_like
        The node of each offer, ``[K]``.
    price, quantity, minimum : array_like
        The offers, ``[K]``, in EUR/MWh and MW; `minimum` is zero by default.
    load : array_like, optional
        Replaces the nodes' loads, ``[n]`` MW in the order of ``network.nodes``.
    cap : float
        Price of unserved load, EUR/MWh.

    Returns
    -------
    NetworkClearing
        Nodal prices, dispatch, flows, congestion rent and the residual of the optimality conditions.

    Raises
    ------
    ValueError
        If the network or the offers are malformed, or the minimum outputs leave no feasible dispatch.
    """
    from walras.markets.electricity.network import NetworkMarket  # cvxpy: only where it is used

    return NetworkMarket(network, bus).clear(price, quantity, minimum=minimum, load=load, cap=cap)


def _block(
    price_name: str,
    price: ArrayLike,
    quantity_name: str,
    quantity: ArrayLike,
    ndim: int,
    floor: float,
    cap: float,
) -> tuple[Floats, Floats]:
    """Return prices and quantities of blocks as checked arrays of one shape."""
    prices, quantities = as_floats(price_name, price, ndim), as_floats(quantity_name, quantity, ndim)
    require(
        prices.shape == quantities.shape,
        quantity_name,
        f"have {price_name}'s shape {prices.shape}",
        quantities.shape,
    )
    _check_quantity(quantity_name, quantities)
    legal = (prices >= floor) & (prices <= cap)
    require_each(legal, price_name, f"lie between the floor {floor} and the cap {cap}", prices)
    return prices, quantities


def _is_coarse(given: ArrayLike | None) -> bool:
    """Return whether an argument comes in single precision or less."""
    return hasattr(given, "dtype") and np.asarray(given).dtype.name in ("float16", "float32")


def _check_quantity(name: str, quantity: Floats) -> None:
    require_each((quantity >= 0) & (quantity < np.inf), name, "be finite and not negative", quantity)
