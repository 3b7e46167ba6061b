r"""What traders want: valuations of bundles of trades, and the bundles they choose at given prices.

An agent takes part in d trades, as the buyer of some and the seller of others. Everything of one agent is an array
over its trades in the order of their indices: `sides` holds :math:`\chi_w = 1` where it buys, :math:`\chi_w = -1` where
it sells. A bundle :math:`\Psi` at prices p gives the quasilinear utility

.. math:: U(\Psi; p) = v(\Psi) - \sum_{w \in \Psi} \chi_w p_w, \qquad v(\emptyset) = 0,

with :math:`v(\Psi) = -\infty` for what the agent cannot do. Money is one numeraire.

Substitutes
-----------
A valuation is fully substitutable if, when prices of what it buys fall, the agent turns to no purchase whose price
stood still and gives up no sale, and the mirror image [1]_. In this class equilibria exist whatever the network. Count
a trade bought as an object received and a trade sold as an object given away: the class is that of the valuations that
are M-natural-concave in the objects held [2]_.

The families of `walras.markets.trading.traders` and `walras.markets.trading.intermediaries`, `Table` alone excepted,
are in the class because each is the least cost of a flow through a network (`Flow`): least costs of flows are
M-natural-convex in what enters and leaves [3]_. A `Table` may hold anything; `walras.markets.trading.substitutes` tests
it.

Ties
----
Where several bundles are best, `demand` returns one that no other best bundle contains and, of those, the one of the
lowest trades: the first by the sorted list of its trades. `demand_minimal` returns one that contains no other, again of
the lowest trades. Both are the best bundle at prices moved by a hair: `demand` adds to trade k of 0..d-1 a bonus in
proportion to d - k, `demand_minimal` a malus in proportion to 1 + k. This is the rule stated, not an approximation to
it: the best bundles of a fully substitutable valuation are a delta-matroid, those that no other contains are the bases
of a matroid, and so are those that contain no other; of the bases of a matroid, weights that fall with the index choose
the one that comes first. All bonuses together are 2^-24 of the largest number in sight. Where that may outweigh a true
difference, the bundle that they choose is compared with a best one, and if it is none the trades are settled one after
the other. So integers tie if they are equal, and other numbers if they differ by rounding.

References
----------
.. [1] J. W. Hatfield, S. D. Kominers, A. Nichifor, M. Ostrovsky, A. Westkamp, Stability and competitive equilibrium in
   trading networks, Journal of Political Economy 121, 2013.
.. [2] The same authors, Full substitutability, Theoretical Economics 14, 2019.
.. [3] K. Murota, Discrete convex analysis, SIAM, 2003, chapter 9.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import require, require_each
from walras.core.typing import Bools, Floats, Ints

ROUNDING = 2.0**-48  # of a number: what rounding of a few sums makes of it
HAIR = 2.0**-24  # of the largest number in sight: what all bonuses that break ties add up to


@final
@dataclass(frozen=True, eq=False)
class Flow:
    r"""An agent as a network of arcs: its valuation is a constant less the least cost of a flow.

    Node 0 is outside, where units come from and go to at will. Node k + 1 is the terminal of the agent's k-th trade: a
    unit enters there from the seller if the agent buys, and leaves there for the buyer if it sells. At every other node
    what comes in goes out. Then

    .. math:: v(\Psi) = \text{constant} - \min_f \sum_a c_a f_a

    over the flows f, between 0 and the capacities, that take one unit from the terminal of each trade bought, deliver
    one to the terminal of each trade sold, and none at the others; without any such flow :math:`v = -\infty`.

    A whole market is therefore one circulation of least cost. Let all agents share node 0, and draw for each trade an
    arc of capacity 1 and cost 0 from its seller's terminal to its buyer's. Once the trades are chosen, the cost falls
    apart by agent, so the least cost is the sum of the constants less the greatest welfare. Incidence matrices are
    totally unimodular: some best flow is integral. Let :math:`\pi` be potentials of a best flow with
    :math:`\pi_0 = 0`, :math:`c_a + \pi_{tail} - \pi_{head} \ge 0` where an arc has room and :math:`\le 0` where it
    carries anything. Any price between the potentials of a trade's two terminals supports the flow: at these prices
    the potentials certify for each agent alone that its part is a best one.

    Arcs may be parallel. No cycle inside an agent gains anything.
    """

    nodes: int  # with node 0 and the d terminals
    tail: Ints  # [A]
    head: Ints  # [A]
    capacity: Ints  # [A] units
    cost: Floats  # [A] money a unit
    constant: float = 0.0  # money


Arc = tuple[int, int, int, float]  # tail, head, capacity, cost
Parts = tuple[Iterable[int], Iterable[int], Iterable[float]]  # trades bought, trades sold, numbers


def flow_of(nodes: int, arcs: Sequence[Arc], constant: float = 0.0) -> Flow:
    """Return the `Flow` of a list of arcs."""
    tail, head, capacity, cost = zip(*arcs, strict=True) if arcs else ((),) * 4
    ends = (np.array(part, dtype=np.int64) for part in (tail, head, capacity))
    return Flow(nodes, *ends, cost=np.array(cost, dtype=np.float64), constant=constant)


class Valuation(ABC):
    """What an agent wants of its d trades; trades are keys of the whole market, places 0..d-1 are its own."""

    @abstractmethod
    def _parts(self) -> Parts:
        """Return the trades bought, those sold, and all the valuation's numbers."""

    @abstractmethod
    def _value(self, bundle: Bools) -> Floats:
        """Return ``[...]``, the values of bundles ``[..., d]``."""

    @abstractmethod
    def _best(self, prices: Floats) -> Bools:
        """Return ``[..., d]``, a best bundle at prices ``[..., d]``, ties broken anyhow."""

    @cached_property
    def side_of(self) -> dict[int, int]:
        """1 for each trade in which the agent buys, -1 for each in which it sells."""
        buys, sells, _ = self._parts()
        return sides_of(buys, sells)

    @cached_property
    def trades(self) -> tuple[int, ...]:
        """The agent's trades in ascending order, ``[d]``."""
        return tuple(sorted(self.side_of))

    @cached_property
    def sides(self) -> Ints:
        """1 where the agent buys, -1 where it sells, ``[d]``."""
        return np.array([self.side_of[trade] for trade in self.trades], dtype=np.int64)

    @property
    def degree(self) -> int:
        """The number of trades, d."""
        return len(self.trades)

    @cached_property
    def numbers(self) -> Floats:
        """All numbers that the valuation was made from, in money."""
        return np.array(list(self._parts()[2]), dtype=np.float64)

    @cached_property
    def magnitude(self) -> float:
        """The largest absolute value of `numbers`."""
        return float(np.abs(self.numbers).max(initial=0.0))

    @cached_property
    def integral(self) -> bool:
        """Whether all `numbers` are integers, so that prices of equilibrium can be."""
        return bool((self.numbers == np.rint(self.numbers)).all())

    def value(self, bundle: ArrayLike) -> Floats:
        """Return the value of bundles, -inf where the agent cannot do them.

        Parameters
        ----------
        bundle : array_like
            ``[..., d]``, true for the trades chosen.

        Returns
        -------
        Floats
            ``[...]``, money.

        Raises
        ------
        ValueError
            If the last dimension is not d.
        """
        return self._value(self._as_bundle(bundle))

    def utility(self, bundle: ArrayLike, prices: ArrayLike) -> Floats:
        """Return value less payments, ``[...]``, of bundles ``[..., d]`` at prices ``[..., d]``.

        Raises
        ------
        ValueError
            If a last dimension is not d, or a price is not finite.
        """
        return self._utility(self._as_bundle(bundle), self._as_prices(prices))

    def demand(self, prices: ArrayLike) -> Bools:
        """Return the best bundle that no other best bundle contains, of the lowest trades.

        Parameters
        ----------
        prices : array_like
            ``[..., d]``, money, finite.

        Returns
        -------
        Bools
            ``[..., d]``.

        Raises
        ------
        ValueError
            If the last dimension is not d, or a price is not finite.
        """
        return self._first(self._as_prices(prices), self.degree - np.arange(self.degree))

    def demand_minimal(self, prices: ArrayLike) -> Bools:
        """Return the best bundle that contains no other best bundle, of the lowest trades; otherwise as `demand`."""
        return self._first(self._as_prices(prices), -1 - np.arange(self.degree))

    def indirect_utility(self, prices: ArrayLike) -> Floats:
        """Return the utility of the best bundles, ``[...]``, at prices ``[..., d]``.

        Raises
        ------
        ValueError
            As `demand`.
        """
        at = self._as_prices(prices)
        return self._utility(self._best(at), at)

    def _utility(self, bundle: Bools, prices: Floats) -> Floats:
        return self._value(bundle) - np.where(bundle, self.sides * prices, 0.0).sum(axis=-1)

    def _first(self, prices: Floats, weights: Ints) -> Bools:
        """Return the best bundles ``[..., d]`` that a hair of its weight for each trade chooses."""
        rows = prices.reshape(math.prod(prices.shape[:-1]), self.degree)
        largest = self._largest(rows)
        bundle = self._best(self._moved(rows, weights, largest))
        if not (self.integral and (rows == np.rint(rows)).all() and largest.max(initial=0.0) < 0.5 / HAIR):
            wrong = ~self._is_best(bundle, rows)
            bundle[wrong] = self._in_turn(rows[wrong], weights)
        return bundle.reshape(prices.shape)

    def _in_turn(self, prices: Floats, weights: Ints) -> Bools:
        """Return the same ``[R, d]``, slowly, one trade after the other: the first ones in first, or the last ones out.

        A trade is put in its place, by a payment that outweighs all else, if some best bundle has it there.
        """
        bundle, fixed = self._best(prices), np.zeros(prices.shape)
        payment = 1 + 8 * self.degree * self._largest(prices)[:, 0]
        for place in np.argsort(-np.abs(weights)):
            tried = fixed.copy()
            tried[:, place] = self.sides[place] * np.sign(weights[place]) * payment
            found = self._best(prices - tried)
            better = (found[:, place] == (weights[place] > 0)) & self._is_best(found, prices)
            bundle[better], fixed[better] = found[better], tried[better]
        return bundle

    def _is_best(self, bundle: Bools, prices: Floats) -> Bools:
        """Return whether bundles ``[R, d]`` are best at prices ``[R, d]``, up to rounding."""
        best = self._best(prices)
        paid = np.where(bundle | best, np.abs(prices), 0.0).max(axis=-1, initial=0.0)
        slack = 0.0 if self.integral and (prices == np.rint(prices)).all() else ROUNDING * (self.magnitude + paid)
        return self._utility(best, prices) - self._utility(bundle, prices) <= slack

    def _moved(self, prices: Floats, weights: Ints, largest: Floats) -> Floats:
        """Return prices at which each trade gains a hair of its weight; the hair is a share of what is `largest`."""
        hair = HAIR * np.where(largest > 0, largest, 1.0) / max(self.degree * (self.degree + 1) / 2, 1)
        return prices - self.sides * (hair * weights)

    def _largest(self, prices: Floats) -> Floats:
        """Return the largest number in sight at prices ``[..., d]``, ``[..., 1]``."""
        return np.maximum(np.abs(prices).max(axis=-1, keepdims=True, initial=0.0), self.magnitude)

    def _as_prices(self, prices: ArrayLike) -> Floats:
        given = np.asarray(prices, dtype=np.float64)
        require_last("prices", given.shape, self.degree)
        require_each(np.isfinite(given), "prices", "be finite", given)
        return given

    def _as_bundle(self, bundle: ArrayLike) -> Bools:
        given = np.asarray(bundle, dtype=np.bool_)
        require_last("bundle", given.shape, self.degree)
        return given


class FlowValuation(Valuation):
    """A valuation that is the least cost of a flow, hence fully substitutable."""

    @abstractmethod
    def flow(self) -> Flow:
        """Return the agent as a network of arcs."""


def as_numbers(name: str, given: Mapping[int, float]) -> dict[int, float]:
    """Return finite numbers keyed by trades, in the order of the trades.

    Raises
    ------
    ValueError
        If a trade is not an integer or negative, or a number not finite, or an integer that float64 cannot hold.
    """
    return {trade: as_number(name, given[trade]) for trade in as_trades(name, given)}


def as_number(name: str, number: float) -> float:
    """Return a finite number in float64.

    Raises
    ------
    ValueError
        If it is not finite, or an integer that float64 cannot hold.
    """
    whole = int(number) if isinstance(number, int | np.integer) else 0
    exact = abs(whole) < 2**1023 and int(float(whole)) == whole
    require(exact, name, "be a number that float64 holds: integers beyond 2^53 are rounded", number)
    require(bool(np.isfinite(number)), name, "be finite", number)
    return float(number)


def as_trades(name: str, given: Iterable[int]) -> tuple[int, ...]:
    """Return trades in ascending order.

    Raises
    ------
    ValueError
        If a trade is not an integer, is negative, or repeats.
    """
    trades = list(given)
    for trade in trades:
        require(float(trade).is_integer() and trade >= 0, name, "name trades by their indices from 0 on", trade)
    require(len(set(trades)) == len(trades), name, "name each trade once", trades)
    return tuple(sorted(int(trade) for trade in trades))


def require_last(name: str, shape: tuple[int, ...], trades: int) -> None:
    """Raise ``ValueError`` unless the last dimension has an entry for each trade."""
    require(shape[-1:] == (trades,), name, f"have one entry for each of {trades} trades", shape)


def sides_of(buys: Iterable[int], sells: Iterable[int]) -> dict[int, int]:
    """Return 1 for each trade bought and -1 for each sold.

    Raises
    ------
    ValueError
        If a trade is both.
    """
    bought = dict.fromkeys(buys, 1)
    both = [trade for trade in sells if trade in bought]
    require(not both, "sells", "share no trade with `buys`", both)
    return {**bought, **dict.fromkeys(sells, -1)}


def by_trade(buys: Mapping[int, float], sells: Mapping[int, float]) -> Floats:
    """Return the numbers of both sides in the order of the trades."""
    both = {**buys, **sells}
    return np.array([both[trade] for trade in sorted(both)], dtype=np.float64)


def every_bundle(degree: int) -> Bools:
    """Return all bundles of some trades, ``[2^d, d]``: trade k is in bundle j if bit k of j is set."""
    return (np.arange(2**degree)[:, None] >> np.arange(degree) & 1).astype(np.bool_)
