r"""Schedules of storages that trade with fixed offers: the price is a step of the merit order.

Offers of :math:`q_k` MW at rising prices :math:`c_k` serve the load :math:`L_t` less what storages sell. The price of
:math:`n` MW is :math:`c_k` for :math:`Q_{k-1} < n \le Q_k`, where :math:`Q_k` is what steps up to k offer: at an edge
it is the lower one, as in `walras.markets.electricity.clearing`. Storages are those of
`walras.markets.electricity.storage_programme`.

Price takers minimise the cost of all hours, a linear programme in what offers sell, :math:`g`, and storages charge,
discharge and hold. Offers stand in it as far as storages can move them, in parts of all storages' power: a small
storage in a large market is as exact as a large one. The dual of hour t's balance is a price at which no storage and no
offer would do anything else; it lies in the interval of prices that the step, or the edge, allows.

The best schedule of one storage faces a price that falls in steps as it sells, so its profit is not concave. A step is
a piece of what it may sell, :math:`x_t \in [n_t - Q_k, n_t - Q_{k-1}]`, cut at 0 and at the power. A mixed-integer
programme chooses a piece an hour, one binary each; within pieces money and what is held are linear. Selling just less
than the end of a piece earns its price and at the end the next lower one, so the largest profit is approached and not
attained there: it is a supremum. The schedule that is returned stays `TICK` of its units away from such ends.

The solver's own bound is the upper end, and what the returned schedule earns by the rule of prices is the lower one.
"""

# scipy is only partly typed.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportArgumentType=false, reportCallIssue=false

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, final

import numpy as np

from walras.core.typing import Floats
from walras.markets.electricity.clearing import EDGE
from walras.markets.electricity.storage_programme import BestSchedule, Device

TICK = 10 * EDGE
"""Of the load or the power, whichever is larger: how far a schedule stays from ends at which the price drops."""
FINE = 1e3
"""The largest sum of money in the programmes' units: the solver's absolute gap of 1e-6 is then 1e-9 of it."""


@final
@dataclass(frozen=True, eq=False)
class Stack:
    """Fixed offers in merit order; what is beyond all of them costs as the last."""

    price: Floats  # [K] EUR/MWh, not falling
    quantity: Floats  # [K] MW, positive

    @cached_property
    def edges(self) -> Floats:
        """What the first steps offer together, ``[K]`` MW."""
        return np.cumsum(self.quantity)

    def price_at(self, served: Floats) -> Floats:
        """Return the price of the last step that is accepted for ``served [...]`` MW, EUR/MWh: at an edge the lower."""
        return self._step(self.edges * (1 + EDGE), served, "left")

    def next_price(self, served: Floats) -> Floats:
        """Return the price of the first step that is not accepted in full, EUR/MWh; at an edge the upper one."""
        return self._step(self.edges * (1 - EDGE), served, "right")

    def cost(self, served: Floats) -> Floats:
        """Return the least cost of ``served [...]`` MW, EUR an hour."""
        reached = np.concatenate([[0.0], self.edges])
        return np.interp(served, reached, np.concatenate([[0.0], np.cumsum(self.price * self.quantity)]))

    def between(self, low: Floats, high: Floats) -> Floats:
        """Return what each step offers from ``low [T]`` to ``high [T]`` MW, ``[K, T]`` MW: the last has no end."""
        reached = np.concatenate([[0.0], self.edges[:-1], [np.inf]])
        return np.diff(np.clip(reached[:, None], low, high), axis=0)

    def _step(self, edges: Floats, served: Floats, side: Any) -> Floats:  # noqa: ANN401 - "left" or "right"
        return self.price[np.minimum(np.searchsorted(edges, served, side), len(self.price) - 1)]


class Competitive(NamedTuple):
    """Schedules of price takers, and prices that support them."""

    sold: Floats  # [T, N] MW
    price: Floats  # [T] EUR/MWh


def competitive(stack: Stack, load: Floats, devices: list[Device]) -> Competitive:
    """Return what storages sell at the least cost of serving ``load [T]`` MW, and the duals of the balances.

    Raises
    ------
    RuntimeError
        If the solver fails.
    """
    from scipy import sparse  # only where it is used
    from scipy.optimize import linprog

    hours, steps, count = len(load), len(stack.price), len(devices)
    reach, money = sum(each.power for each in devices), float(np.abs(stack.price).max()) or 1.0
    unit = sparse.identity(hours)
    none = sparse.csr_array((hours, hours * steps))
    served = sparse.kron(np.ones((1, steps)), unit)
    own = sparse.hstack([-unit, unit, 0.0 * unit])  # of charge, discharge, held
    balance = sparse.hstack([served, *[own] * count])
    kept = unit - sparse.eye(hours, k=-1)
    held = [sparse.hstack([-each.one_way * unit, unit / each.one_way, kept]) for each in devices]
    rows = sparse.vstack([balance, sparse.hstack([sparse.vstack([none] * count), sparse.block_diag(held)])])
    first = np.zeros((count, hours))
    first[:, 0] = [each.start / reach for each in devices]
    most = [stack.between(load - reach, load + reach).ravel(), *(_most(each, hours) for each in devices)]
    least = [np.zeros(hours * steps), *(_least(each, hours) for each in devices)]
    cost = np.concatenate([np.repeat(stack.price, hours), np.zeros(3 * hours * count)])
    bounds = np.stack([np.concatenate(least), np.concatenate(most)], axis=1) / reach
    right = np.concatenate([np.ones(hours), first.ravel()])
    found: Any = linprog(cost / money, A_eq=rows.tocsr(), b_eq=right, bounds=bounds, method="highs")
    if found.status != 0:
        raise RuntimeError(f"The solver must end at an optimum; got {found.message!r}.")
    parts = found.x[hours * steps :].reshape(count, 3, hours) * reach
    return Competitive((parts[:, 1] - parts[:, 0]).T, found.eqlin.marginals[:hours] * money)


def _most(device: Device, hours: int) -> Floats:
    return np.repeat([device.power, device.power, device.energy], hours)


def _least(device: Device, hours: int) -> Floats:
    least = np.zeros(3 * hours)
    least[-1] = device.start
    return least


def best_on_stack(stack: Stack, served: Floats, device: Device) -> BestSchedule:
    """Return the best schedule of one storage where all else leaves ``served [T]`` MW to the offers.

    Parameters
    ----------
    stack : Stack
        The offers.
    served : ndarray
        ``[T]`` MW: the load less what other storages sell; with any action of this one, from 0 to what is offered.
    device : Device
        The storage.

    Raises
    ------
    RuntimeError
        If the solver fails.
    """
    pieces = _pieces(stack, served, device)
    share, upper = _chosen(pieces, device, len(served))
    at = np.flatnonzero(share.whole > 0.5)
    tick = TICK * max(float(np.abs(served).max()), device.power)
    end = np.where(pieces.low[at] >= 0, np.maximum(pieces.high[at] - tick, pieces.low[at]), pieces.high[at])
    wanted = np.zeros(len(served))
    wanted[pieces.hour[at]] = np.clip(share.sold[at], pieces.low[at], end)
    sold = device.legal(wanted)
    lower = profit(stack, served, sold)
    idle = device.legal(np.zeros(len(served)))
    if profit(stack, served, idle) > lower:
        sold, lower = idle, profit(stack, served, idle)
    return BestSchedule(sold, lower, max(upper, lower))


def profit(stack: Stack, served: Floats, sold: Floats) -> float:
    """Return what ``sold [T]`` MW earn where all else leaves ``served [T]`` MW to the offers, EUR."""
    return float(stack.price_at(served - sold) @ sold)


class _Pieces(NamedTuple):
    """Parts of what may be sold in an hour, on each of which the price is one."""

    hour: Any  # [M] whole numbers
    low: Floats  # [M] MW
    high: Floats  # [M] MW
    price: Floats  # [M] EUR/MWh


def _pieces(stack: Stack, served: Floats, device: Device) -> _Pieces:
    """Return the pieces of all hours; each buys or sells, or does nothing."""
    rows: list[tuple[int, float, float, float]] = []
    edges = np.concatenate([[-np.inf], stack.edges[:-1], [np.inf]])
    for hour, left in enumerate(served.tolist()):
        for k, price in enumerate(stack.price.tolist()):
            low, high = max(left - edges[k + 1], -device.power), min(left - edges[k], device.power)
            for part in ((low, min(high, 0.0)), (max(low, 0.0), high)):
                if part[0] < part[1]:
                    rows.append((hour, *part, price))
    hour, low, high, price = (np.array(column) for column in zip(*rows, strict=True))
    return _Pieces(hour, low, high, price)


class _Share(NamedTuple):
    whole: Floats  # [M] 1 for a piece that is chosen
    sold: Floats  # [M] MW on each piece


def _chosen(pieces: _Pieces, device: Device, hours: int) -> tuple[_Share, float]:
    """Return the pieces that the programme chooses, and what it proves to lie above every profit, EUR."""
    from scipy import sparse
    from scipy.optimize import Bounds, LinearConstraint, milp

    count, power = len(pieces.hour), device.power
    money = float(np.abs(pieces.price).max()) * power / FINE or 1.0
    each, unit = sparse.identity(count), sparse.identity(hours)
    of_hour = sparse.csr_array((np.ones(count), (pieces.hour, np.arange(count))), shape=(hours, count))
    rate = np.where(pieces.high > 0, 1 / device.one_way, device.one_way)
    none = sparse.csr_array((count, hours))
    rows = sparse.vstack(
        [
            sparse.hstack([of_hour, sparse.csr_array((hours, count + hours))]),  # one piece an hour
            sparse.hstack([-sparse.diags(pieces.low / power), each, none]),
            sparse.hstack([sparse.diags(pieces.high / power), -each, none]),
            sparse.hstack([sparse.csr_array((hours, count)), of_hour * rate, unit - sparse.eye(hours, k=-1)]),
        ]
    )
    first = np.zeros(hours)
    first[0] = device.start / power
    low = np.concatenate([np.ones(hours), np.zeros(2 * count), first])
    high = np.concatenate([np.ones(hours), np.full(2 * count, np.inf), first])
    least, most = np.zeros(2 * count + hours), np.ones(2 * count + hours)
    least[count : 2 * count], least[-1] = -1.0, device.start / power
    most[2 * count :] = device.energy / power
    cost = np.concatenate([np.zeros(count), -pieces.price * power / money, np.zeros(hours)])
    found: Any = milp(
        cost,
        integrality=np.repeat([1, 0], [count, count + hours]),
        bounds=Bounds(least, most),
        constraints=LinearConstraint(rows.tocsr(), low, high),
        options={"mip_rel_gap": 0.0},
    )
    if found.status != 0:
        raise RuntimeError(f"The solver must end at an optimum; got {found.message!r}.")
    bound = -float(found.mip_dual_bound) * money
    return _Share(found.x[:count], found.x[count : 2 * count] * power), bound
