"""Agents that buy in order to sell: their valuations."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar, final

import numpy as np

from walras.core.checks import as_floats, require, require_each
from walras.core.typing import Bools, Floats, Ints
from walras.markets.trading.valuations import (
    Arc,
    Flow,
    FlowValuation,
    Parts,
    as_number,
    as_numbers,
    as_trades,
    by_trade,
    flow_of,
    sides_of,
)

Start = TypeVar("Start", bound=Hashable)
End = TypeVar("End", bound=Hashable)


@final
@dataclass(frozen=True, eq=False)
class Intermediary(FlowValuation):
    """An agent that sells what it buys: as many units out as in, at one cost a unit.

    It pairs its cheapest inputs with its dearest outputs while a pair gains: O(d log d).

    Parameters
    ----------
    buys, sells : iterable of int
        Trades.
    cost : float
        Money a unit.

    Raises
    ------
    ValueError
        If a trade is not an index or on both sides, or the cost not finite.

    Examples
    --------
    >>> from walras.markets.trading.intermediaries import Intermediary
    >>> Intermediary(buys=[0, 1], sells=[2], cost=1).demand([4.0, 3.0, 5.0])
    array([False,  True,  True])
    """

    buys: Iterable[int]
    sells: Iterable[int]
    cost: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "buys", as_trades("buys", self.buys))
        object.__setattr__(self, "sells", as_trades("sells", self.sells))
        object.__setattr__(self, "cost", as_number("cost", self.cost))
        sides_of(self.buys, self.sells)

    def _parts(self) -> Parts:
        return self.buys, self.sells, (self.cost,)

    def _value(self, bundle: Bools) -> Floats:
        units, sold = _counts(bundle, self.sides)
        return np.where(units == sold, 0 - self.cost * units, -np.inf)

    def _best(self, prices: Floats) -> Bools:
        return _best_pairs(prices, self.sides, np.full(self.degree, float(self.cost)))

    def flow(self) -> Flow:
        """Units enter a hub and leave it at the cost."""
        hub = self.degree + 1
        costs = np.where(self.sides > 0, 0.0, self.cost)
        return flow_of(hub + 1, _spokes(self.sides, costs, hub, hub))


@final
@dataclass(frozen=True, eq=False)
class CapacityIntermediary(FlowValuation):
    """An intermediary with a cost for each trade and a capacity: units cost the more, the more there are.

    As `Intermediary`, it pairs inputs and outputs: O(d log d). With costs of single pairs instead, a binding capacity
    would lead out of the class of substitutes.

    Parameters
    ----------
    buys, sells : mapping of int to float
        Trade to its cost beside the price.
    processing : sequence of float
        Cost of the first unit, the second and so on, not decreasing; as many as there are is the capacity.

    Raises
    ------
    ValueError
        If a trade is not an index or on both sides, a cost not finite, or `processing` decreases.

    Examples
    --------
    >>> from walras.markets.trading.intermediaries import CapacityIntermediary
    >>> one_unit = CapacityIntermediary(buys={0: 0, 1: 1}, sells={2: 0, 3: 0}, processing=[2])
    >>> one_unit.demand([5.0, 3.0, 9.0, 8.0])
    array([False,  True,  True, False])
    """

    buys: Mapping[int, float]
    sells: Mapping[int, float]
    processing: Sequence[float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "buys", as_numbers("buys", self.buys))
        object.__setattr__(self, "sells", as_numbers("sells", self.sells))
        sides_of(self.buys, self.sells)
        processing = as_floats("processing", self.processing, 1)
        require_each(np.isfinite(processing), "processing", "be finite", processing)
        require(bool((np.diff(processing) >= 0).all()), "processing", "not decrease", self.processing)
        object.__setattr__(self, "processing", tuple(processing.tolist()))

    def _parts(self) -> Parts:
        return self.buys, self.sells, [*self.buys.values(), *self.sells.values(), *self.processing]

    @cached_property
    def _costs(self) -> Floats:
        return by_trade(self.buys, self.sells)

    def _value(self, bundle: Bools) -> Floats:
        bought, sold = _counts(bundle, self.sides)
        total = np.cumsum((0.0, *self.processing))
        legal = (bought == sold) & (bought < len(total))
        cost = np.where(bundle, self._costs, 0.0).sum(axis=-1) + total[np.where(legal, bought, 0)]
        return np.where(legal, 0 - cost, -np.inf)

    def _best(self, prices: Floats) -> Bools:
        return _best_pairs(prices + self.sides * self._costs, self.sides, np.array(self.processing))

    def flow(self) -> Flow:
        """Units enter a hub, are processed one by one at a cost of their own, and leave."""
        hub = self.degree + 1
        arcs = _spokes(self.sides, self._costs, hub, hub + 1)
        return flow_of(hub + 2, [*arcs, *((hub, hub + 1, 1, cost) for cost in self.processing)])


@final
@dataclass(frozen=True, eq=False)
class Dealer(FlowValuation):
    """A dealer with an inventory: it buys, sells from stock, and keeps what is worth more to it.

    What it has no use for is thrown away; its stock is never negative. It pairs what comes, purchases and stock, with
    what goes, sales and units kept: O((d + stock) log (d + stock)).

    Parameters
    ----------
    buys, sells : mapping of int to float
        Trade to its cost beside the price.
    stock : int
        Units at the start.
    keep : sequence of float
        What the first unit kept is worth, the second and so on: not negative, not increasing; nothing beyond.

    Raises
    ------
    ValueError
        If a trade is not an index or on both sides, a number not finite, `stock` negative, or `keep` negative or
        increasing.

    Examples
    --------
    >>> from walras.markets.trading.intermediaries import Dealer
    >>> used_cars = Dealer(buys={0: 0}, sells={1: 1, 2: 1}, stock=1, keep=[6, 2])
    >>> used_cars.demand([4.0, 8.0, 5.0])
    array([ True,  True, False])
    """

    buys: Mapping[int, float]
    sells: Mapping[int, float]
    stock: int = 0
    keep: Sequence[float] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "buys", as_numbers("buys", self.buys))
        object.__setattr__(self, "sells", as_numbers("sells", self.sells))
        sides_of(self.buys, self.sells)
        require(self.stock >= 0 and self.stock == int(self.stock), "stock", "be an integer from 0 on", self.stock)
        keep = as_floats("keep", self.keep, 1)
        require_each(np.isfinite(keep) & (keep >= 0), "keep", "be finite and not negative", keep)
        require(bool((np.diff(keep) <= 0).all()), "keep", "not increase", self.keep)
        object.__setattr__(self, "keep", tuple(keep.tolist()))

    def _parts(self) -> Parts:
        return self.buys, self.sells, [*self.buys.values(), *self.sells.values(), *self.keep]

    @cached_property
    def _costs(self) -> Floats:
        return by_trade(self.buys, self.sells)

    def _kept(self, units: Ints) -> Floats:
        """Return what `units` kept are worth."""
        return np.cumsum((0.0, *self.keep))[np.minimum(units, len(self.keep))]

    def _value(self, bundle: Bools) -> Floats:
        bought, sold = _counts(bundle, self.sides)
        left = self.stock + bought - sold
        gain = self._kept(np.maximum(left, 0)) - self._kept(np.array(self.stock))
        return np.where(left >= 0, gain - np.where(bundle, self._costs, 0.0).sum(axis=-1), -np.inf)

    def _best(self, prices: Floats) -> Bools:
        # Stock comes and waste goes at no price; a unit kept goes at its worth.
        own = np.concatenate((np.zeros(self.stock), self.keep, np.zeros(len(self.buys))))
        sides = np.repeat((1, -1), (self.stock, len(self.keep) + len(self.buys)))
        net = prices + self.sides * self._costs
        offers = np.concatenate((net, np.broadcast_to(own, (*net.shape[:-1], len(own)))), axis=-1)
        bundle = _best_pairs(offers, np.concatenate((self.sides, sides)), np.zeros(offers.shape[-1]))
        return bundle[..., : self.degree]

    def flow(self) -> Flow:
        """Units come into stock from trades and from outside, and go to trades, are kept, or go to waste."""
        hub = self.degree + 1
        arcs = _spokes(self.sides, self._costs, hub, hub)
        inside = [(0, hub, self.stock, 0.0), *((hub, 0, 1, -worth) for worth in self.keep)]
        waste = (hub, 0, len(self.buys), 0.0)
        return flow_of(hub + 1, [*arcs, *inside, waste], -float(self._kept(np.array(self.stock))))


@final
@dataclass(frozen=True, eq=False)
class PairCostIntermediary(FlowValuation):
    """An intermediary to whom each pair of an input and an output has its own cost; there is no other limit.

    The value is that of the cheapest perfect matching of inputs to outputs. O(d^3).

    Parameters
    ----------
    costs : mapping of (int, int) to float
        Trade bought and trade sold to the cost of turning one into the other; pairs left out cannot be made.

    Raises
    ------
    ValueError
        If a trade is not an index or on both sides, or a cost not finite.

    Examples
    --------
    >>> from walras.markets.trading.intermediaries import PairCostIntermediary
    >>> PairCostIntermediary({(0, 1): 2, (0, 2): 5}).demand([3.0, 7.0, 9.0])
    array([ True,  True, False])
    """

    costs: Mapping[tuple[int, int], float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "costs", _as_pairs("costs", self.costs))
        buys, sells, _ = self._parts()
        sides_of(as_trades("costs", buys), as_trades("costs", sells))

    def _parts(self) -> Parts:
        buys, sells = ({pair[end] for pair in self.costs} for end in (0, 1))
        return buys, sells, self.costs.values()

    @cached_property
    def _routes(self) -> Floats:
        places = tuple({w: k for k, w in enumerate(own)} for own in _ends(self.trades, self.sides))
        routes = np.full((len(places[0]), len(places[1])), np.inf)
        for (bought, sold), cost in self.costs.items():
            routes[places[0][bought], places[1][sold]] = cost
        return routes

    def _value(self, bundle: Bools) -> Floats:
        return _cheapest(bundle, self.sides, self._routes)

    def _best(self, prices: Floats) -> Bools:
        return _best_routes(prices, self.sides, self._routes)

    def flow(self) -> Flow:
        """Units go from the terminal of an input straight to that of an output."""
        node = {trade: k + 1 for k, trade in enumerate(self.trades)}
        arcs = [(node[bought], node[sold], 1, cost) for (bought, sold), cost in self.costs.items()]
        return flow_of(self.degree + 1, arcs)


@final
@dataclass(frozen=True, eq=False)
class FlowIntermediary(FlowValuation):
    """An intermediary with machines: inputs go through machines of limited capacity to outputs.

    The value is that of the cheapest flow, found as an assignment: each unit of capacity takes an input and makes an
    output, or stands idle and is matched with itself. O((d + units)^3).

    Parameters
    ----------
    inputs : mapping of (int, hashable) to float
        Trade bought and machine to the cost of a unit.
    outputs : mapping of (hashable, int) to float
        Machine and trade sold to the cost of a unit.
    capacity : mapping of hashable to int
        Machine to its units.

    Raises
    ------
    ValueError
        If a trade is not an index or on both sides, a cost not finite, a machine has no capacity, or a capacity is not
        an integer from 0 on.

    Examples
    --------
    >>> from walras.markets.trading.intermediaries import FlowIntermediary
    >>> mill = FlowIntermediary({(0, "mill"): 1, (1, "mill"): 1}, {("mill", 2): 0, ("mill", 3): 2}, {"mill": 1})
    >>> mill.demand([4.0, 3.0, 6.0, 9.0])
    array([False,  True, False,  True])
    """

    inputs: Mapping[tuple[int, Hashable], float]
    outputs: Mapping[tuple[Hashable, int], float]
    capacity: Mapping[Hashable, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", _as_pairs("inputs", self.inputs))
        object.__setattr__(self, "outputs", _as_pairs("outputs", self.outputs))
        object.__setattr__(self, "capacity", dict(self.capacity))
        buys, sells, _ = self._parts()
        sides_of(as_trades("inputs", buys), as_trades("outputs", sells))
        named = {machine for _, machine in self.inputs} | {machine for machine, _ in self.outputs}
        unknown = sorted(named - self.capacity.keys(), key=str)
        require(not unknown, "capacity", "name every machine; it leaves some out", unknown)
        for units in self.capacity.values():
            require(units >= 0 and units == int(units), "capacity", "be integers from 0 on", units)

    def _parts(self) -> Parts:
        buys, sells = {trade for trade, _ in self.inputs}, {trade for _, trade in self.outputs}
        return buys, sells, [*self.inputs.values(), *self.outputs.values()]

    @cached_property
    def _routes(self) -> Floats:
        bought, sold = _ends(self.trades, self.sides)
        most = min(len(bought), len(sold))
        units = [machine for machine, units in self.capacity.items() for _ in range(min(units, most))]
        into = [[self.inputs.get((trade, machine), np.inf) for machine in units] for trade in bought]
        out = [[self.outputs.get((machine, trade), np.inf) for trade in sold] for machine in units]
        routes = np.full((len(bought) + len(units), len(sold) + len(units)), np.inf)
        routes[: len(bought), len(sold) :] = np.reshape(into, (len(bought), len(units)))
        routes[len(bought) :, : len(sold)] = np.reshape(out, (len(units), len(sold)))
        idle = np.arange(len(units))
        routes[len(bought) + idle, len(sold) + idle] = 0.0
        return routes

    def _value(self, bundle: Bools) -> Floats:
        return _cheapest(bundle, self.sides, self._routes)

    def _best(self, prices: Floats) -> Bools:
        return _best_routes(prices, self.sides, self._routes)

    def flow(self) -> Flow:
        """Units go from inputs into machines, through them within their capacity, and to outputs."""
        node = {trade: k + 1 for k, trade in enumerate(self.trades)}
        enter = {machine: self.degree + 1 + 2 * m for m, machine in enumerate(self.capacity)}
        into = [(node[trade], enter[machine], 1, cost) for (trade, machine), cost in self.inputs.items()]
        through = [(enter[machine], enter[machine] + 1, units, 0.0) for machine, units in self.capacity.items()]
        out = [(enter[machine] + 1, node[trade], 1, cost) for (machine, trade), cost in self.outputs.items()]
        return flow_of(self.degree + 1 + 2 * len(enter), [*into, *through, *out])


def _best_pairs(prices: Floats, sides: Ints, cost: Floats) -> Bools:
    """Return the inputs and outputs ``[..., d]`` of a hub that sells what it buys.

    The cheapest inputs are paired with the dearest outputs while a pair gains. ``cost [K]`` is that of the first pair,
    the second and so on, not decreasing; K is the capacity.
    """
    inputs, outputs = prices[..., sides > 0], -prices[..., sides < 0]
    pairs = min(inputs.shape[-1], outputs.shape[-1], len(cost))
    gain = -np.sort(inputs, axis=-1)[..., :pairs] - np.sort(outputs, axis=-1)[..., :pairs] - cost[:pairs]
    count = (gain > 0).sum(axis=-1, keepdims=True)
    bundle = np.empty(prices.shape, dtype=np.bool_)
    bundle[..., sides > 0] = _rank(inputs) < count
    bundle[..., sides < 0] = _rank(outputs) < count
    return bundle


def _rank(numbers: Floats) -> Ints:
    """Return the place of each number in ascending order, ``[..., d]``, equal ones in the order given."""
    return np.argsort(np.argsort(numbers, axis=-1, kind="stable"), axis=-1)


def _counts(bundle: Bools, sides: Ints) -> tuple[Ints, Ints]:
    """Return how many trades of bundles ``[..., d]`` are bought and how many sold."""
    return bundle[..., sides > 0].sum(axis=-1), bundle[..., sides < 0].sum(axis=-1)


def _ends(trades: tuple[int, ...], sides: Ints) -> tuple[list[int], list[int]]:
    """Return the trades bought and those sold."""
    bought, sold = ([w for w, side in zip(trades, sides, strict=True) if side == end] for end in (1, -1))
    return bought, sold


def _spokes(sides: Ints, costs: Floats, entry: int, exit_: int) -> list[Arc]:
    """Return arcs from the terminals of trades bought to `entry`, and from `exit_` to those of trades sold."""
    return [
        (k + 1, entry, 1, cost) if side > 0 else (exit_, k + 1, 1, cost)
        for k, (side, cost) in enumerate(zip(sides, costs, strict=True))
    ]


def _as_pairs(name: str, given: Mapping[tuple[End, Start], float]) -> dict[tuple[End, Start], float]:
    return {pair: as_number(name, cost) for pair, cost in given.items()}


def _cheapest(bundle: Bools, sides: Ints, routes: Floats) -> Floats:
    """Return less the cost of the cheapest perfect matching, ``[...]``, for bundles ``[..., d]``; -inf without any.

    ``routes [I + U, O + U]`` are the costs from inputs and units of capacity to outputs and units, inf where there is
    no way.
    """
    from scipy.optimize import linear_sum_assignment  # environments are imported without scipy

    units = np.ones(routes.shape[0] - (sides > 0).sum(), dtype=np.bool_)

    def value(chosen: Bools) -> float:
        row, column = (np.concatenate((chosen[sides == side], units)) for side in (1, -1))
        cost = routes[row][:, column]
        try:
            pairs = linear_sum_assignment(cost)
        except ValueError:  # scipy's answer where no perfect matching is finite
            return -np.inf
        return 0 - float(cost[pairs].sum()) if len(cost) == cost.shape[1] else -np.inf

    return np.vectorize(value, signature="(d)->()", otypes=[np.float64])(bundle)


def _best_routes(prices: Floats, sides: Ints, routes: Floats) -> Bools:
    """Return the inputs and outputs ``[..., d]`` of the cheapest matching that may leave any of them out."""
    from scipy.optimize import linear_sum_assignment  # environments are imported without scipy

    inputs, outputs = int((sides > 0).sum()), int((sides < 0).sum())
    rows, columns = routes.shape
    cost = np.full((rows + outputs, columns + inputs), np.inf)
    cost[:inputs, columns:] = cost[rows:, :outputs] = cost[rows:, columns:] = 0.0  # left out

    def best(at: Floats) -> Bools:
        cost[:rows, :columns] = routes
        cost[:inputs, :columns] += at[sides > 0, None]
        cost[:rows, :outputs] -= at[sides < 0]
        _, column = linear_sum_assignment(cost)
        bundle = np.empty(len(sides), dtype=np.bool_)
        bundle[sides > 0] = column[:inputs] < columns
        bundle[sides < 0] = np.argsort(column)[:outputs] < rows
        return bundle

    return np.vectorize(best, signature="(d)->(d)", otypes=[np.bool_])(prices)
