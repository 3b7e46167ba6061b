r"""Exchange economies with unknown valuations or endowments: what prices and trades say of them (Arrow and Debreu).

N consumers with valuations v, which sum to one a consumer, own endowments e of M goods and buy bundles at prices p, for
what their endowments are worth: the budget of a Fisher market is :math:`b_i = p \cdot e_i` here. A consumer gains

.. math:: b_i [\log u_i(x_i(p)) - \log u_i(X_i)] - b_i + p \cdot X_i \ge 0,

zero if and only if its bundle :math:`X_i` is a demand. Prices and bundles are an equilibrium if and only if nobody
gains and bundles exceed no endowment in total: what all spend is then worth what all own, so that goods which are left
over are free.

The conditions on valuations are those of `walras.equilibria.allocation.inverse_fisher`, utility by utility; in
Cobb-Douglas economies :math:`v_{ij} = p_j X_{ij} / (p \cdot e_i)`. Endowments meet
:math:`p_t \cdot e_i = p_t \cdot X_{it}`, one equation a period: they are identified from M periods whose prices differ
in direction, and else are a set.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, final

import numpy as np

from walras.core.checks import require, require_each, require_known, require_whole
from walras.core.typing import Floats, Ints
from walras.equilibria.allocation.inverse_fisher import (
    SMALLEST,
    UTILITIES,
    average_rows,
    compared,
    demand_rows,
    read_bundles,
    scaled_slope,
)
from walras.equilibria.inverse.family import AbstractFamily, Regrets
from walras.equilibria.inverse.moments import Moments, averaged
from walras.equilibria.inverse.parameter_set import ParameterSet

if TYPE_CHECKING:
    import pandas as pd

OVER = 1e-6
"""Share of what is there by which bundles may exceed it, by rounding."""


@final
@dataclass(frozen=True, eq=False)
class ExchangePlay:
    """Observed prices and bundles, both in equilibrium of the same consumers."""

    prices: Floats  # [T, M] money a unit, in any unit of money
    allocation: Floats  # [T, N, M] units


@final
@dataclass(frozen=True)
class InverseExchange(AbstractFamily[ExchangePlay]):
    """An exchange economy in which endowments, valuations or both are unknown; what is None is.

    Raises
    ------
    ValueError
        If shapes disagree, a number is out of range, or a name unknown.
    """

    utility: Literal["linear", "cobb-douglas", "leontief", "ces"] = "cobb-douglas"
    consumers: int = 3
    goods: int = 2
    endowments: tuple[tuple[float, ...], ...] | None = None  # [N, M] units
    valuations: tuple[tuple[float, ...], ...] | None = None  # [N, M], of sum one a consumer
    rho: float = 0.5
    """Of CES utilities: below 1 and not 0."""
    largest: float = 100.0
    """Bound of endowments, units."""

    def __post_init__(self) -> None:
        require_known(self.utility, "utility", UTILITIES)
        for name in ("consumers", "goods"):
            require_whole(getattr(self, name), name)
        require(self.rho < 1 and self.rho != 0, "rho", "be below 1 and not 0", self.rho)
        require(0 < self.largest < np.inf, "largest", "be positive and finite", self.largest)
        shape = (self.consumers, self.goods)
        for name in ("endowments", "valuations"):
            if getattr(self, name) is not None:
                given = np.array(getattr(self, name))
                require(given.shape == shape, name, "hold one number a consumer and good", given.shape)
                require_each((given >= 0) & (given < np.inf), name, "be finite and not negative", given)
        if self.valuations is not None:
            even = np.abs(np.array(self.valuations).sum(axis=1) - 1) <= 1e-9
            require(bool(even.all()), "valuations", "sum to one a consumer", self.valuations)
        unknown = self.endowments is None or self.valuations is None
        require(unknown, "endowments", "be unknown, or `valuations`", (self.endowments, self.valuations))

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``consumer_0`` .. ``consumer_{N-1}``."""
        return tuple(f"consumer_{i}" for i in range(self.consumers))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Endowments, then valuations, consumer by consumer, where unknown."""
        unknown = [name for name in ("endowment", "valuation") if getattr(self, f"{name}s") is None]
        return tuple(f"{name}_{i}_{j}" for name in unknown for i in range(self.consumers) for j in range(self.goods))

    @cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        """Endowments lie in [0, `largest`], valuations in [0, 1]."""
        owned = np.array([name.startswith("endowment") for name in self.names])
        return np.zeros(len(owned)), np.where(owned, self.largest, 1.0)

    @property
    def convex(self) -> bool:
        """Regret is convex in endowments; it is a difference of concave functions in valuations."""
        return self.valuations is not None

    def read(self, table: "pd.DataFrame") -> ExchangePlay:
        """Read columns `period`, `agent` (a consumer), `good`, `quantity` and `price`.

        Raises
        ------
        ValueError
            If the table does not fit; see `walras.equilibria.inverse.tables.by_period`.
        """
        return ExchangePlay(*read_bundles(table, self.agents))

    def check(self, observed: ExchangePlay) -> None:
        """Refuse shapes and signs that do not fit, and bundles that exceed known endowments in total.

        Raises
        ------
        ValueError
            If there are any.
        """
        p, x = observed.prices, observed.allocation
        shape = (len(p), self.consumers, self.goods)
        require(p.shape == (len(p), self.goods), "prices", f"have shape [T, {self.goods}]", p.shape)
        require(x.shape == shape, "allocation", f"have shape {shape}", x.shape)
        require_each(np.isfinite(p) & (p >= 0), "prices", "be finite and not negative", p)
        require_each(np.isfinite(x) & (x >= 0), "allocation", "be finite and not negative", x)
        spent = np.einsum("tm,tnm->tn", p, x)
        require_each(spent > 0, "allocation", "cost each consumer something", spent)
        if self.endowments is not None:
            total, there = x.sum(axis=1), np.array(self.endowments).sum(axis=0)
            rule = "not exceed the endowments in total; are the units those of the endowments?"
            require_each(total <= there * (1 + OVER), "allocation", rule, total)

    def conditions(self, observed: ExchangePlay) -> ParameterSet:
        """Return the endowments and valuations at which each bundle is a demand, and bundles are there."""
        n, m, size = self.consumers, self.goods, len(self.names)
        equal, level, matrix, bound = list[Floats](), list[float](), list[Floats](), list[float]()
        scale = np.maximum(observed.prices.sum(axis=1, keepdims=True), SMALLEST)
        for p, x in zip(observed.prices / scale, observed.allocation, strict=True):  # the unit of money says nothing
            for i in range(n):
                if self.valuations is None:
                    same, less = demand_rows(self.utility, self.rho, p, x[i])
                    equal += [self._row("valuation", i, row) for row in same]
                    level += [0.0] * len(same)
                    matrix += [self._row("valuation", i, row) for row in less]
                    bound += [0.0] * len(less)
                if self.endowments is None:
                    equal.append(self._row("endowment", i, p))
                else:  # valuations sum to one: what is spent is what endowments are worth
                    equal.append(self._row("valuation", i, np.full(m, p @ np.array(self.endowments[i]))))
                level.append(float(p @ x[i]))
        if self.endowments is None:
            most = observed.allocation.sum(axis=1).max(axis=0)
            matrix += [-sum(self._row("endowment", i, np.eye(m)[j]) for i in range(n)) for j in range(m)]
            bound += (-most).tolist()
        if self.valuations is None:
            equal += [self._row("valuation", i, np.ones(m)) for i in range(n)]
            level += [1.0] * n
        rows = (np.array(each).reshape(-1, size) for each in (matrix, equal))
        return ParameterSet(self.names, *self.bounds, next(rows), np.array(bound), next(rows), np.array(level))

    def moments(self, observed: ExchangePlay) -> Moments:
        """Return the conditions of each period, which hold on average where quantities have relative errors.

        The bound of endowments in total is left out, and errors of linear utilities' bundles say nothing of valuations.
        """
        p = observed.prices / np.maximum(observed.prices.sum(axis=1, keepdims=True), SMALLEST)
        rows, level, told = list[Floats](), list[Floats](), list[Floats]()
        for i in range(self.consumers):
            if self.endowments is None:
                rows.append((p @ np.stack([self._row("endowment", i, unit) for unit in np.eye(self.goods)]))[:, None])
                level.append(np.einsum("tm,tm->t", p, observed.allocation[:, i])[:, None])
                told.append(rows[-1])
            if self.valuations is None:
                found = average_rows(self.utility, self.rho, p, observed.allocation[:, i])
                rows.append(found @ np.stack([self._row("valuation", i, unit) for unit in np.eye(self.goods)]))
                level.append(np.append(np.zeros(self.goods), 1.0) + np.zeros((len(found), 1)))
                told.append(averaged(rows[-1]))
        return Moments(*(np.concatenate(each, axis=1) for each in (rows, level, told)))

    def _row(self, name: str, consumer: int, values: Floats) -> Floats:
        row = np.zeros(len(self.names))
        start = self.names.index(f"{name}_{consumer}_0")
        row[start : start + self.goods] = values
        return row

    def own(self, player: int) -> Ints:
        """Return the places of a consumer's valuations.

        Raises
        ------
        ValueError
            If endowments are unknown: bundles bound their sum over consumers.
        """
        known = self.endowments is not None
        require(known, "market_family", "know the endowments, of which bundles tell the sum", self)
        return np.arange(player * self.goods, (player + 1) * self.goods)

    def scaled(self, theta: Floats) -> Floats:
        """Return parameters with valuations that sum to one."""
        if self.valuations is not None:
            return theta
        size = self.consumers * self.goods
        value = np.maximum(theta[..., -size:], SMALLEST).reshape(*theta.shape[:-1], self.consumers, self.goods)
        value = value / value.sum(axis=-1, keepdims=True)
        return np.concatenate([theta[..., :-size], value.reshape(*theta.shape[:-1], size)], axis=-1)

    def regrets(self, observed: ExchangePlay, theta: Floats) -> Regrets:
        """Return what demands gain over the observed bundles, in units of each period's sum of prices."""
        n, m, x = self.consumers, self.goods, observed.allocation
        p = observed.prices / observed.prices.sum(axis=1, keepdims=True)
        owned, value = self._parts(theta)
        budget = np.maximum(p @ owned.T, SMALLEST)
        log_best, log_now, slopes = compared(self.utility, self.rho, p, x, budget, value)
        spent = np.einsum("tm,tnm->tn", p, x)
        gain = budget * (log_best - log_now) - budget + spent
        rows, own = np.zeros((*gain.shape, len(self.names))), np.arange(n)
        at = own[:, None] * m + np.arange(m)
        if self.endowments is None:
            rows[:, own[:, None], at] = (log_best - log_now)[..., None] * p[:, None]
        if self.valuations is None:
            place = at + (n * m if self.endowments is None else 0)
            rows[:, own[:, None], place] = budget[..., None] * scaled_slope(slopes, theta[place])
        return Regrets(np.maximum(gain, 0.0), budget * log_now - spent, rows)

    def _parts(self, theta: Floats) -> tuple[Floats, Floats]:
        """Return endowments and valuations, ``[N, M]`` each."""
        shape, size = (self.consumers, self.goods), self.consumers * self.goods
        owned = theta[:size].reshape(shape) if self.endowments is None else np.array(self.endowments)
        value = theta[-size:].reshape(shape) if self.valuations is None else np.array(self.valuations)
        value = np.maximum(value, SMALLEST)
        return owned, value / value.sum(axis=1, keepdims=True)
