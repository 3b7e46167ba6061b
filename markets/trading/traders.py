"""Agents that buy or sell for themselves: their valuations, and tables that hold any."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import final

import numpy as np

from walras.core.checks import require
from walras.core.typing import Bools, Floats
from walras.markets.trading.valuations import (
    Flow,
    FlowValuation,
    Parts,
    Valuation,
    as_number,
    as_numbers,
    as_trades,
    by_trade,
    every_bundle,
    sides_of,
)

LARGEST_TABLE = 16  # trades


@final
@dataclass(frozen=True, eq=False)
class UnitDemand(FlowValuation):
    """A buyer of at most one unit.

    Parameters
    ----------
    values : mapping of int to float
        Trade to value.

    Raises
    ------
    ValueError
        If a trade is not an index or a value not finite.

    Examples
    --------
    >>> from walras.markets.trading.traders import UnitDemand
    >>> UnitDemand({3: 10, 7: 12}).demand([4.0, 7.0])
    array([ True, False])
    """

    values: Mapping[int, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", as_numbers("values", self.values))

    def _parts(self) -> Parts:
        return self.values, (), self.values.values()

    def _value(self, bundle: Bools) -> Floats:
        return _at_most_one(bundle, self.numbers)

    def _best(self, prices: Floats) -> Bools:
        return _best_single(self.numbers - prices)

    def flow(self) -> Flow:
        """Units enter, one of them at most goes outside and brings its value."""
        hub, terminals = self.degree + 1, np.arange(1, self.degree + 1)
        tail, head = np.append(terminals, hub), np.append(np.full_like(terminals, hub), 0)
        return Flow(hub + 1, tail, head, np.ones_like(tail), np.append(-self.numbers, 0.0))


@final
@dataclass(frozen=True, eq=False)
class UnitSupply(FlowValuation):
    """A seller of at most one unit.

    Parameters
    ----------
    costs : mapping of int to float
        Trade to cost.

    Raises
    ------
    ValueError
        If a trade is not an index or a cost not finite.

    Examples
    --------
    >>> from walras.markets.trading.traders import UnitSupply
    >>> UnitSupply({0: 10, 1: 12}).indirect_utility([15.0, 16.0]).item()
    5.0
    """

    costs: Mapping[int, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "costs", as_numbers("costs", self.costs))

    def _parts(self) -> Parts:
        return (), self.costs, self.costs.values()

    def _value(self, bundle: Bools) -> Floats:
        return _at_most_one(bundle, -self.numbers)

    def _best(self, prices: Floats) -> Bools:
        return _best_single(prices - self.numbers)

    def flow(self) -> Flow:
        """One unit at most comes from outside and leaves at its cost."""
        hub, terminals = self.degree + 1, np.arange(1, self.degree + 1)
        tail, head = np.append(np.full_like(terminals, hub), 0), np.append(terminals, hub)
        return Flow(hub + 1, tail, head, np.ones_like(tail), np.append(self.numbers, 0.0))


@final
@dataclass(frozen=True, eq=False)
class Additive(FlowValuation):
    """An agent to whom each trade matters alone: it takes every one with a surplus.

    Parameters
    ----------
    buys, sells : mapping of int to float
        Trade to value, and trade to cost.

    Raises
    ------
    ValueError
        If a trade is not an index or on both sides, or a number not finite.

    Examples
    --------
    >>> from walras.markets.trading.traders import Additive
    >>> Additive(buys={0: 5, 2: 3}, sells={1: 4}).demand([4.0, 3.0, 3.0])
    array([ True, False,  True])
    """

    buys: Mapping[int, float]
    sells: Mapping[int, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "buys", as_numbers("buys", self.buys))
        object.__setattr__(self, "sells", as_numbers("sells", self.sells))
        sides_of(self.buys, self.sells)

    def _parts(self) -> Parts:
        return self.buys, self.sells, by_trade(self.buys, self.sells)

    def _value(self, bundle: Bools) -> Floats:
        return np.where(bundle, self.sides * self.numbers, 0.0).sum(axis=-1)

    def _best(self, prices: Floats) -> Bools:
        return self.sides * (self.numbers - prices) > 0

    def flow(self) -> Flow:
        """Each unit goes outside for its value, or comes from there at its cost."""
        terminals, bought = np.arange(1, self.degree + 1), self.sides > 0
        tail, head = np.where(bought, terminals, 0), np.where(bought, 0, terminals)
        return Flow(self.degree + 1, tail, head, np.ones_like(tail), -self.sides * self.numbers)


@final
@dataclass(frozen=True, eq=False)
class Assignment(FlowValuation):
    r"""An agent with slots for objects: it owns those it may sell, and may buy others.

    A set of objects is worth the heaviest matching of objects to slots, :math:`g`. A bundle's value is what the objects
    held after it are worth, less what those held before are. O(d^2 k) for k slots [1]_.

    Parameters
    ----------
    buys, sells : iterable of int
        Trades, each of an object of its own.
    weights : mapping of int to sequence of float
        Trade to what its object is worth in each of the k slots. Objects can be left idle, so that negative weights
        never count.

    Raises
    ------
    ValueError
        If a trade is not an index or on both sides, `weights` does not have one row for each trade, rows differ in
        length, or a weight is not finite.

    References
    ----------
    .. [1] L. S. Shapley, Complements and substitutes in the optimal assignment problem, Naval Research Logistics
       Quarterly 9, 1962.

    Examples
    --------
    >>> from walras.markets.trading.traders import Assignment
    >>> one_slot = Assignment(buys=[0], sells=[1], weights={0: [9], 1: [5]})
    >>> one_slot.value([[True, False], [False, True], [True, True]])
    array([ 4., -5.,  4.])
    """

    buys: Iterable[int]
    sells: Iterable[int]
    weights: Mapping[int, Sequence[float]]

    def __post_init__(self) -> None:
        object.__setattr__(self, "buys", as_trades("buys", self.buys))
        object.__setattr__(self, "sells", as_trades("sells", self.sells))
        trades = sorted(sides_of(self.buys, self.sells))
        require(set(self.weights) == set(trades), "weights", f"have a row for each of {trades}", sorted(self.weights))
        rows = {trade: tuple(as_number("weights", w) for w in self.weights[trade]) for trade in trades}
        require(len({len(row) for row in rows.values()}) <= 1, "weights", "have rows of one length", self.weights)
        object.__setattr__(self, "weights", rows)

    def _parts(self) -> Parts:
        return self.buys, self.sells, chain.from_iterable(self.weights.values())

    @cached_property
    def _weights(self) -> Floats:
        return self.numbers.reshape(self.degree, -1 if self.numbers.size else 0)  # [d, k]

    def _worth(self, held: Bools) -> float:
        """Return what the objects ``held [d]`` are worth."""
        from scipy.optimize import linear_sum_assignment  # environments are imported without scipy

        weights = np.maximum(self._weights[held], 0)
        return float(weights[linear_sum_assignment(weights, maximize=True)].sum())

    @cached_property
    def _owned(self) -> float:
        return self._worth(self.sides < 0)

    def _value(self, bundle: Bools) -> Floats:
        held = bundle == (self.sides > 0)
        return np.vectorize(self._worth, signature="(d)->()", otypes=[np.float64])(held) - self._owned

    def _best(self, prices: Floats) -> Bools:
        held = np.vectorize(self._held, signature="(d)->(d)", otypes=[np.bool_])(prices)
        return held == (self.sides > 0)

    def _held(self, prices: Floats) -> Bools:
        """Return the objects to hold, ``[d]``: holding one costs its price, paid or forgone."""
        from scipy.optimize import linear_sum_assignment  # environments are imported without scipy

        gain = self._weights - np.maximum(prices, 0)[:, None]  # in a slot, over the better of idle and not held
        row, slot = linear_sum_assignment(np.maximum(gain, 0), maximize=True)
        held = prices < 0
        held[row] |= gain[row, slot] > 0
        return held

    def flow(self) -> Flow:
        """Objects are units at their trades' terminals: those owned come from outside, all go to slots or away."""
        d, k = self._weights.shape
        objects, slots, bought = np.arange(1, d + 1), np.arange(d + 1, d + 1 + k), self.sides > 0
        tail = np.concatenate((np.where(bought, objects, 0), objects.repeat(k), slots))
        head = np.concatenate((np.where(bought, 0, objects), np.tile(slots, d), np.zeros(k, dtype=np.int64)))
        cost = np.concatenate((np.zeros(d), -self.numbers, np.zeros(k)))
        return Flow(d + 1 + k, tail, head, np.ones_like(tail), cost, -self._owned)


@final
@dataclass(frozen=True, eq=False)
class Table(Valuation):
    """Any valuation, bundle by bundle; whether it is fully substitutable is not known.

    Parameters
    ----------
    values : mapping
        Collections of trades, such as ``frozenset({0, 2})`` or ``(0, 2)``, to values; bundles left out are infeasible,
        but for the empty one, whose value is 0.
    buys, sells : iterable of int
        Trades, 16 at most.

    Raises
    ------
    ValueError
        If a trade is not an index or on both sides, there are more than 16, a bundle names another trade or repeats,
        a value is not finite, or the empty bundle has one.

    Examples
    --------
    >>> from walras.markets.trading.traders import Table
    >>> both_or_none = Table({(0, 1): 9}, buys=[0, 1], sells=[])
    >>> both_or_none.demand([[3.0, 3.0], [5.0, 5.0]])
    array([[ True,  True],
           [False, False]])
    """

    values: Mapping[frozenset[int], float] | Mapping[tuple[int, ...], float]
    buys: Iterable[int]
    sells: Iterable[int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "buys", as_trades("buys", self.buys))
        object.__setattr__(self, "sells", as_trades("sells", self.sells))
        trades = set(sides_of(self.buys, self.sells))
        require(len(trades) <= LARGEST_TABLE, "values", f"be of {LARGEST_TABLE} trades at most", len(trades))
        values = {frozenset(bundle): as_number("values", value) for bundle, value in self.values.items()}
        require(len(values) == len(self.values), "values", "name each bundle once", list(self.values))
        for bundle in values:
            require(bundle <= trades, "values", f"name the agent's trades {sorted(trades)} alone", sorted(bundle))
        require(values.setdefault(frozenset(), 0.0) == 0, "values", "be 0 for the empty bundle", values[frozenset()])
        object.__setattr__(self, "values", values)

    def _parts(self) -> Parts:
        return self.buys, self.sells, self.values.values()

    @cached_property
    def bundles(self) -> Bools:
        """All bundles, ``[2^d, d]``: trade k is in bundle j if bit k of j is set."""
        return every_bundle(self.degree)

    @cached_property
    def table(self) -> Floats:
        """The values of all `bundles`, ``[2^d]``, -inf where infeasible."""
        table = np.full(2**self.degree, -np.inf)
        place = {trade: k for k, trade in enumerate(self.trades)}
        for bundle, value in self.values.items():
            table[sum(1 << place[trade] for trade in bundle)] = value
        return table

    def _value(self, bundle: Bools) -> Floats:
        return self.table[(bundle << np.arange(self.degree)).sum(axis=-1)]

    def _best(self, prices: Floats) -> Bools:
        paid = np.where(self.bundles, (self.sides * prices)[..., None, :], 0.0).sum(axis=-1)
        return self.bundles[np.argmax(self.table - paid, axis=-1)]


def _at_most_one(bundle: Bools, worth: Floats) -> Floats:
    """Return the worth of the one trade chosen, 0 for none and -inf for more."""
    return np.where(bundle.sum(axis=-1) <= 1, np.where(bundle, worth, 0.0).sum(axis=-1), -np.inf)


def _best_single(surplus: Floats) -> Bools:
    """Return the trade of the largest surplus, if that is positive, ``[..., d]``."""
    with_none = np.concatenate((surplus, np.zeros_like(surplus[..., :1], shape=(*surplus.shape[:-1], 1))), axis=-1)
    return np.arange(surplus.shape[-1]) == np.argmax(with_none, axis=-1)[..., None]
