r"""Stability of outcomes of trading networks: whether some agents would rather trade otherwise.

An outcome is a set of trades :math:`\Psi` with a price each. A *blocking set* is a set of trades outside :math:`\Psi`,
at prices of its own, such that each agent in them gains by concluding all of its trades in the set while it keeps
whatever it likes of its old ones. The empty set blocks if an agent gains by dropping some of its own. An outcome that
nothing blocks is *stable*.

Method
------
Let :math:`g` be the most that all agents together gain if each may conclude any new trade, provided that the other
side does, and keep or drop any old one at its price, whatever the other side does. The new prices cancel. If
:math:`g > 0`, some connected part of the best plan gains; its new prices can share the gain equally, and it blocks.
Conversely the gains of a blocking set add up to no more than g. So the outcome is stable if and only if g = 0. The plan
is a circulation in which the seller of an old trade may deliver it outside and the buyer take it from there, at the
trade's price. That is exact at any size, for any valuations; chains of trades need no search of their own.

What stability implies
----------------------
Proved as above, for any valuations. *Equilibria are stable*: at equilibrium prices a plan is worth no more to an agent
than its best bundle. *Stable outcomes are in the core*: what a coalition could do alone is a plan. If all agents are
fully substitutable, *stable outcomes are equilibria*: the circulation has potentials, which complete the old prices.

That the three agree then is known [1]_, where blocking sets are defined by agents' choices out of old and new trades.

References
----------
.. [1] J. W. Hatfield, S. D. Kominers, A. Nichifor, M. Ostrovsky, A. Westkamp, Stability and competitive equilibrium in
   trading networks, Journal of Political Economy 121, 2013.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import require_each
from walras.core.typing import Bools, Floats, Ints
from walras.markets.trading.trading_network import TradingNetwork

if TYPE_CHECKING:
    from walras.equilibria.trading.circulation import Circulation
    from walras.equilibria.trading.market_circulation import Market

# What loads scipy and numba is imported when it is called: most who import solvers need neither.


@final
@dataclass(frozen=True, eq=False)
class BlockingSet:
    """New trades by which all agents in them gain the same; without trades, one agent that drops some."""

    trades: Bools  # [T] concluded anew
    prices: Floats  # [T] of the new trades, NaN for the others
    agents: Bools  # [N] who gain
    gain: float  # money, of each of the agents


def blocking_set(network: TradingNetwork, trades: ArrayLike, prices: ArrayLike) -> BlockingSet | None:
    """Return a set of trades that blocks an outcome, or None if it is stable.

    Parameters
    ----------
    network : TradingNetwork
        Of agents that are flows, or have 16 trades at most.
    trades : array_like
        ``[T]``, true for the trades concluded.
    prices : array_like
        ``[T]``, money; those of other trades are not read.

    Raises
    ------
    ValueError
        If the trades have no price, an agent cannot do its part of them, or has more than 16 and no flow.

    Examples
    --------
    >>> from walras.equilibria.trading.stability import blocking_set
    >>> from walras.markets.trading.trading_network import TradingNetwork, UnitDemand, UnitSupply
    >>> pair = TradingNetwork([(0, 1)], [UnitSupply({0: 10}), UnitDemand({0: 20})])
    >>> blocking_set(pair, [True], [12.0]) is None
    True
    >>> found = blocking_set(pair, [False], [0.0])
    >>> found.trades, found.prices, found.gain
    (array([ True]), array([15.]), 5.0)
    """
    from walras.equilibria.trading.circulation import cheapest
    from walras.equilibria.trading.market_circulation import market

    old = np.asarray(trades, dtype=np.bool_)
    at = np.where(old, np.asarray(prices, dtype=np.float64), 0.0)
    before = network.utilities(old, at)
    require_each(np.isfinite(before), "trades", "be feasible for each agent", before)
    of = market(network)
    plan = _recontracting(of, old, at)
    new, sold, bought = _parts(of, old, cheapest(plan).flow)
    values = [
        agent.value(np.where(agent.sides > 0, (new | bought)[own], (new | sold)[own]))
        for agent, own in zip(network.agents, network.places, strict=True)
    ]
    count = len(network.agents)
    paid = np.bincount(network.buyer, at * bought, count) - np.bincount(network.seller, at * sold, count)
    return _largest(network, new, np.array(values) - paid - before, network.rounding(at))


def is_stable(network: TradingNetwork, trades: ArrayLike, prices: ArrayLike) -> bool:
    """Return whether no set of trades blocks an outcome; arguments and errors as in `blocking_set`."""
    return blocking_set(network, trades, prices) is None


def _recontracting(of: "Market", old: Bools, prices: Floats) -> "Circulation":
    """Return the circulation in which each side may keep an old trade alone: the new trades, the sold, the bought."""
    from walras.equilibria.trading.circulation import Arcs, Circulation, joined

    arcs, kept = of.trade_arcs.at(old), prices[old]
    outside = np.zeros_like(arcs.tail)
    sold = Arcs(arcs.tail, outside, arcs.capacity, of.asked[old] - kept)
    bought = Arcs(outside, arcs.head, arcs.capacity, kept - of.bid[old])
    inner = of.circulation.arcs.at(slice(len(old), None))
    return Circulation(of.circulation.nodes, joined(of.trade_arcs.at(~old), sold, bought, inner), of.circulation.menu)


def _parts(of: "Market", old: Bools, flow: ArrayLike) -> tuple[Bools, Bools, Bools]:
    """Return which trades are new, which of the old their sellers keep, and which their buyers, ``[T]`` each."""
    new, sold, bought = (np.zeros(len(old), dtype=np.bool_) for _ in range(3))
    ends = np.cumsum([(~old).sum(), old.sum(), old.sum()])
    used = np.split(np.asarray(flow) > 0, ends)
    new[~old], sold[old], bought[old] = used[:3]
    return new, sold, bought


def _largest(network: TradingNetwork, new: Bools, gain: Floats, rounding: Floats) -> BlockingSet | None:
    """Return the connected part that gains most; `gain` is before the new trades are paid for."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    count, seller, buyer = len(network.agents), network.seller, network.buyer
    links = csr_array((np.ones(new.sum()), (seller[new], buyer[new])), shape=(count, count))
    part = connected_components(links, directed=False)[1]
    together = np.bincount(part, gain)
    together[together <= np.bincount(part, rounding)] = 0.0
    agents = part == np.argmax(together)
    share = float(gain[agents].mean())
    if not together.any():
        return None
    trades = new & agents[seller]
    prices = np.full(len(new), np.nan)
    prices[trades] = _equalising(seller[trades], buyer[trades], gain - share)
    return BlockingSet(trades, prices, agents, share)


def _equalising(seller: Ints, buyer: Ints, excess: Floats) -> Floats:
    """Return prices by which each buyer pays, and each seller receives, its excess; all excesses add up to zero."""
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import lsqr

    each, ones = np.arange(len(seller)), np.ones(len(seller))
    entries = np.concatenate((ones, -ones)), (np.concatenate((buyer, seller)), np.concatenate((each, each)))
    incidence = csr_array(entries, shape=(len(excess), len(seller)))
    touched = np.bincount(np.concatenate((seller, buyer)), minlength=len(excess)) > 0
    return lsqr(incidence, np.where(touched, excess, 0.0), atol=1e-15, btol=1e-15)[0]
