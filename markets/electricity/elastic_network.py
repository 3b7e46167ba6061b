r"""A network on which consumers' demand is linear: what the system operator makes of given outputs, exactly.

Consumers at some buses buy :math:`D_n` at the price :math:`p_n = a_n - b_n D_n`; units feed in :math:`x_k`. The
operator, or traders who take prices [1]_, choose the consumption of the largest surplus

.. math:: \max_D \sum_n a_n D_n - \tfrac12 b_n D_n^2 \quad\text{s.t.}\quad
          \sum_n D_n = \sum_k x_k, \qquad |f_l| \le F_l, \qquad f = H (x - D),

with H the distribution factors of direct-current power flow. Demand is linear everywhere: at a price above :math:`a_n`
the consumers of a bus sell. With :math:`w = 1/b` where there are consumers and 0 elsewhere, prices are
:math:`p = \lambda_0 - \tilde H' m`, where :math:`\tilde H` has the mean of its rows under w taken off and m, the line
prices, minimise

.. math:: \tfrac12 m' \tilde H \mathrm{diag}(w) \tilde H' m - f_0' m + \sum_l F_l |m_l| ,

a lasso, with :math:`f_0 = \tilde H (x - w a)` the flows without limits. Lines come to bind one by one, the furthest
over its limit first, and a small linear system has their prices; where that goes round, coordinate descent finds the
lines. Each row starts from no line, so that it is the same alone and in a batch. Prices at buses with consumers are
unique. At others they may not be: a line that carries all that a bus without consumers feeds in, and no more, may have
any price; it has none.

References
----------
[1] B. F. Hobbs, Linear complementarity models of Nash-Cournot competition in bilateral and POOLCO power markets, IEEE
Transactions on Power Systems 16, 2001.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

import numpy as np

from walras.core.checks import require, require_known, require_numbers
from walras.core.typing import Bools, Floats, Ints


@final
@dataclass(frozen=True)
class Plant:
    """A unit of an owner: marginal cost ``cost + cost_slope x``, up to `capacity`.

    Raises
    ------
    ValueError
        If a number is negative or not finite.
    """

    owner: str
    bus: Hashable
    cost: float  # EUR/MWh
    cost_slope: float  # EUR/MWh per MW
    capacity: float  # MW

    def __post_init__(self) -> None:
        require_numbers(self)
        for name in ("cost", "cost_slope", "capacity"):
            require(0 <= getattr(self, name) < np.inf, name, "be finite and not negative", getattr(self, name))


@final
@dataclass(frozen=True)
class Consumers:
    """Linear demand at a bus: the price is ``intercept - slope D``.

    Raises
    ------
    ValueError
        If the intercept is not finite, or the slope not positive and finite.
    """

    bus: Hashable
    intercept: float  # EUR/MWh
    slope: float  # EUR/MWh per MW

    def __post_init__(self) -> None:
        require_numbers(self)
        require(-np.inf < self.intercept < np.inf, "intercept", "be finite", self.intercept)
        require(0 < self.slope < np.inf, "slope", "be positive and finite", self.slope)


@final
@dataclass(frozen=True)
class Wire:
    """A line of alternating current; its flow is positive from the first bus to the second.

    Raises
    ------
    ValueError
        If it joins a bus with itself, the susceptance is not positive and finite, or the limit negative.
    """

    from_bus: Hashable
    to_bus: Hashable
    susceptance: float = 1.0  # MW per radian
    limit: float = np.inf  # MW

    def __post_init__(self) -> None:
        require_numbers(self)
        require(self.from_bus != self.to_bus, "to_bus", f"differ from `from_bus`, {self.from_bus!r}", self.to_bus)
        require(0 < self.susceptance < np.inf, "susceptance", "be positive and finite", self.susceptance)
        require(self.limit >= 0, "limit", "not be negative", self.limit)


class Cleared(NamedTuple):
    """What the operator makes of B outputs."""

    price: Floats  # [B, n] EUR/MWh
    line_price: Floats  # [B, L] EUR/MWh that one more MW of the limit is worth; negative where the flow is backwards


@final
@dataclass(frozen=True)
class ElasticNetwork:
    """n buses, joined by L wires, with consumers.

    Raises
    ------
    ValueError
        If there is no consumer, two are at one bus, or not all buses are joined.
    """

    wires: tuple[Wire, ...]
    consumers: tuple[Consumers, ...]

    def __post_init__(self) -> None:
        require_numbers(self)
        require(len(self.consumers) > 0, "consumers", "be at one bus at least", self.consumers)
        at = [consumer.bus for consumer in self.consumers]
        twice = [bus for bus in at if at.count(bus) > 1]
        require(not twice, "consumers", "be at different buses", twice[:1])
        apart = [self.buses[i] for i in np.flatnonzero(~self._joined)]
        require(not apart, "wires", f"join all buses with {self.buses[0]!r}", apart)

    @cached_property
    def buses(self) -> tuple[Hashable, ...]:
        """The n buses, in the order in which consumers and wires name them."""
        named = [c.bus for c in self.consumers] + [end for wire in self.wires for end in (wire.from_bus, wire.to_bus)]
        return tuple(dict.fromkeys(named))

    def positions(self, buses: Sequence[Hashable]) -> Ints:
        """Return the positions of buses, ``[K]``.

        Raises
        ------
        ValueError
            If one is unknown.
        """
        known = {bus: place for place, bus in enumerate(self.buses)}
        for bus in buses:
            if bus not in known:
                require_known(str(bus), "bus", map(str, known))
                raise ValueError(f"`bus` must name buses by their own type; got {bus!r}.")
        return np.array([known[bus] for bus in buses], dtype=np.int64)

    @cached_property
    def weight(self) -> Floats:
        """w, by how much consumption falls where the price rises, ``[n]`` MW per EUR/MWh."""
        return self._at_buses([1 / consumer.slope for consumer in self.consumers])

    @cached_property
    def intercept(self) -> Floats:
        """a, the prices at which nothing is consumed, ``[n]`` EUR/MWh; 0 without consumers."""
        return self._at_buses([consumer.intercept for consumer in self.consumers])

    @cached_property
    def level_slope(self) -> float:
        """B, by how much all prices fall where one more MW is sold and no line binds, EUR/MWh per MW."""
        return float(1 / self.weight.sum())

    @cached_property
    def factors(self) -> Floats:
        """H, the flow of each wire for a MW that is fed in at each bus and taken out at the first, ``[L, n]``."""
        n = len(self.buses)
        start, end = (self.positions([getattr(wire, side) for wire in self.wires]) for side in ("from_bus", "to_bus"))
        incidence = np.zeros((len(self.wires), n))
        np.add.at(incidence, (np.arange(len(start)), start), 1.0)
        np.add.at(incidence, (np.arange(len(end)), end), -1.0)
        flow = np.array([wire.susceptance for wire in self.wires])[:, None] * incidence
        factors = np.zeros((len(self.wires), n))
        if n > 1:
            factors[:, 1:] = np.linalg.solve(incidence[:, 1:].T @ flow[:, 1:], flow[:, 1:].T).T
        return factors

    @cached_property
    def limit(self) -> Floats:
        """F, ``[L]`` MW."""
        return np.array([wire.limit for wire in self.wires])

    @cached_property
    def limited(self) -> Ints:
        """The lines that have a limit."""
        return np.flatnonzero(np.isfinite(self.limit))

    def clear(self, bus: Ints, output: Floats) -> Cleared:
        """Return prices for ``output [B, K]`` MW at the buses with the positions ``bus [K]``."""
        from walras.markets.electricity import elastic_network_compiled  # numba: only where it is used

        price, multiplier = elastic_network_compiled.clear(np.ascontiguousarray(output), bus, *self.programme)
        line_price = np.zeros((len(output), len(self.wires)))
        line_price[:, self.limited] = multiplier
        return Cleared(price, line_price)

    def demand(self, price: Floats) -> Floats:
        """Return what is consumed at ``price [..., n]``, ``[..., n]`` MW."""
        return self.weight * (self.intercept - price)

    def surplus(self, price: Floats) -> float:
        """Return what consumption at ``price [n]`` is worth to the consumers, before they pay, EUR."""
        return float(np.sum(self.weight * (self.intercept**2 - price**2)) / 2)

    def flow(self, bus: Ints, output: Floats, price: Floats) -> Floats:
        """Return the flows ``[B, L]`` MW for ``output [B, K]`` and the prices that it clears at."""
        fed_in = np.zeros((len(self.buses), len(bus)))
        fed_in[bus, np.arange(len(bus))] = 1.0
        return (output @ fed_in.T - self.demand(price)) @ self.factors.T

    def require_outlet(self, bus: Ints, capacity: Floats) -> None:
        """Refuse units at buses without consumers that the lines might not let out.

        What is asked for suffices: flows stay within limits whatever these units do, if all buses with consumers have
        one angle.

        Raises
        ------
        ValueError
            If a line's limit is lower than what may flow; the line is named.
        """
        inner = np.flatnonzero(self.weight == 0)
        if not inner.size:
            return
        most = np.zeros(len(self.buses))
        np.add.at(most, bus, capacity)
        grounded = self._grounded(inner) * most[inner]
        flow = np.maximum(np.maximum(grounded, 0).sum(axis=1), np.maximum(-grounded, 0).sum(axis=1))
        for wire, needed in zip(self.wires, flow, strict=True):
            where = f"of the line from {wire.from_bus!r} to {wire.to_bus!r}"
            rule = f"be at least the {needed:g} MW {where} that units at buses without consumers may send"
            require(wire.limit >= needed * (1 - 1e-12), "limit", rule, wire.limit)

    def _grounded(self, inner: Ints) -> Floats:
        """Return the flows for a MW fed in at each of the buses `inner`, all others having the angle 0."""
        start, end = (self.positions([getattr(wire, side) for wire in self.wires]) for side in ("from_bus", "to_bus"))
        incidence = (start[:, None] == inner).astype(np.float64) - (end[:, None] == inner)
        flow = np.array([wire.susceptance for wire in self.wires])[:, None] * incidence
        return np.linalg.solve(incidence.T @ flow, flow.T).T

    @cached_property
    def programme(self) -> tuple[Floats, Floats, float, Floats, Floats]:
        """The lasso: rows of the limited lines ``[F, n]``, w a, the sum of w, the quadratic part and the limits."""
        rows = self.factors[self.limited]
        rows = np.ascontiguousarray(rows - (rows @ self.weight)[:, None] * self.level_slope)
        quadratic = (rows * self.weight) @ rows.T
        return rows, self.weight * self.intercept, float(self.weight.sum()), quadratic, self.limit[self.limited]

    @cached_property
    def _joined(self) -> Bools:
        """Whether each bus is joined with the first, ``[n]``."""
        place = {bus: i for i, bus in enumerate(self.buses)}
        part = np.arange(len(self.buses))
        for wire in self.wires:
            first, second = part[place[wire.from_bus]], part[place[wire.to_bus]]
            part[part == second] = first
        return part == part[0]

    def _at_buses(self, values: list[float]) -> Floats:
        spread = np.zeros(len(self.buses))
        spread[self.positions([consumer.bus for consumer in self.consumers])] = values
        return spread
