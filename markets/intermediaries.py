r"""Agents that buy in order to sell: their valuations."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import numpy as np

from walras.core.checks import require
from walras.core.typing import Bools, Floats, Ints
from walras.markets.valuations import Flow, FlowValuation, Parts, as_trades, flow_of, sides_of


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
    >>> from walras.markets.intermediaries import Intermediary
    >>> Intermediary(buys=[0, 1], sells=[2], cost=1).demand([4.0, 3.0, 5.0])
    array([False,  True,  True])
    """

    buys: Iterable[int]
    sells: Iterable[int]
    cost: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "buys", as_trades("buys", self.buys))
        object.__setattr__(self, "sells", as_trades("sells", self.sells))
        require(bool(np.isfinite(self.cost)), "cost", "be finite", self.cost)
        sides_of(self.buys, self.sells)

    def _parts(self) -> Parts:
        return self.buys, self.sells, (self.cost,)

    def _value(self, bundle: Bools) -> Floats:
        units, sold = (bundle[..., self.sides == side].sum(axis=-1) for side in (1, -1))
        return np.where(units == sold, 0 - self.cost * units, -np.inf)

    def _best(self, prices: Floats) -> Bools:
        return _best_pairs(prices, self.sides, np.full(self.degree, float(self.cost)))

    def flow(self) -> Flow:
        """Units enter a hub and leave it at the cost."""
        hub = self.degree + 1
        arcs = [(k + 1, hub, 1, 0.0) if side > 0 else (hub, k + 1, 1, self.cost) for k, side in enumerate(self.sides)]
        return flow_of(hub + 1, arcs)


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
