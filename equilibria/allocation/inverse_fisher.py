r"""Fisher markets with unknown budgets and valuations: what prices and allocations say of them.

N buyers with budgets b and valuations v, which sum to one a buyer, share M goods in known supply at prices p. A buyer's
payoff is :math:`b_i \log u_i(x) - p \cdot x`, which its demand at budget :math:`b_i` maximises, so that it gains

.. math:: b_i [\log u_i(x_i(p)) - \log u_i(X_i)] - b_i + p \cdot X_i \ge 0,

zero if and only if :math:`X_i` is a demand. Summed over buyers, with the gain of a player who sets prices, it is the
exploitability of [1]_. `conditions` are linear for each utility, whatever is unknown:

| utility | :math:`u_i(x)` | :math:`X_i` is a demand if :math:`b_i = p \cdot X_i` and |
|---|---|---|
| linear | :math:`\sum_j v_{ij} x_j` | :math:`v_{ij} p_k \ge v_{ik} p_j` for each j that i buys and each k |
| Cobb-Douglas | :math:`\prod_j x_j^{v_{ij}}` | :math:`v_{ij} \, p \cdot X_i = p_j X_{ij}` |
| Leontief | :math:`\min_j x_j / v_{ij}` | :math:`X_{ij} v_{ik} = X_{ik} v_{ij}` for goods with a price |
| CES | :math:`(\sum_j v_{ij} x_j^\rho)^{1/\rho}` | :math:`v_{ij} \propto p_j X_{ij}^{1 - \rho}` |

So budgets are always identified, if prices are in money; valuations are in Cobb-Douglas and CES markets, in Leontief
markets but for free goods, and in linear markets only as an interval for each good.

References
----------
[1] D. Goktas, A. Greenwald, S. Zhao, A. Koppel, S. Ganesh, Efficient inverse multiagent learning, ICLR 2024.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, final

import numpy as np

from walras.core.checks import require, require_each, require_known, require_whole
from walras.core.typing import Floats, Ints
from walras.equilibria.inverse.descent import Gradients
from walras.equilibria.inverse.family import AbstractFamily, Regrets
from walras.equilibria.inverse.moments import Moments, averaged
from walras.equilibria.inverse.parameter_set import ParameterSet
from walras.equilibria.inverse.tables import by_period

if TYPE_CHECKING:
    import pandas as pd

UTILITIES = ("ces", "cobb-douglas", "leontief", "linear")
BOUGHT = 1e-6
"""Share of the supply from which a good counts as bought, and of the mean price from which it has one."""
SMALLEST = 1e-300


@final
@dataclass(frozen=True, eq=False)
class FisherPlay:
    """Observed prices and allocations, both in equilibrium of the same buyers."""

    prices: Floats  # [T, M] money a unit
    allocation: Floats  # [T, N, M] units


@final
@dataclass(frozen=True)
class InverseFisher(AbstractFamily[FisherPlay]):
    """A Fisher market in which budgets, valuations or both are unknown; what is None is.

    Raises
    ------
    ValueError
        If shapes disagree, a number is out of range, or a name unknown.
    """

    utility: Literal["linear", "cobb-douglas", "leontief", "ces"] = "linear"
    buyers: int = 3
    goods: int = 2
    budgets: tuple[float, ...] | None = None  # [N] money
    valuations: tuple[tuple[float, ...], ...] | None = None  # [N, M], of sum one a buyer
    rho: float = 0.5
    """Of CES utilities: below 1 and not 0."""
    richest: float = 100.0
    """Bound of budgets, money."""

    def __post_init__(self) -> None:
        require_known(self.utility, "utility", UTILITIES)
        for name in ("buyers", "goods"):
            require_whole(getattr(self, name), name)
        require(self.rho < 1 and self.rho != 0, "rho", "be below 1 and not 0", self.rho)
        require(0 < self.richest < np.inf, "richest", "be positive and finite", self.richest)
        if self.budgets is not None:
            b = np.array(self.budgets)
            require(b.shape == (self.buyers,), "budgets", f"hold {self.buyers} numbers", b.shape)
            require_each(b > 0, "budgets", "be positive", b)
        if self.valuations is not None:
            v = np.array(self.valuations)
            require(v.shape == (self.buyers, self.goods), "valuations", "hold one number a buyer and good", v.shape)
            even = np.abs(v.sum(axis=1) - 1) <= 1e-9
            require(bool(even.all() and (v >= 0).all()), "valuations", "not be negative, and sum to one a buyer", v)
        unknown = self.budgets is None or self.valuations is None
        require(unknown, "budgets", "be unknown, or `valuations`", (self.budgets, self.valuations))

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``buyer_0`` .. ``buyer_{N-1}``."""
        return tuple(f"buyer_{i}" for i in range(self.buyers))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Budgets, then valuations buyer by buyer, where unknown."""
        budgets = [f"budget_{i}" for i in range(self.buyers)] if self.budgets is None else []
        each = [f"valuation_{i}_{j}" for i in range(self.buyers) for j in range(self.goods)]
        return (*budgets, *(each if self.valuations is None else []))

    @cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        """Budgets lie in [0, `richest`], valuations in [0, 1]."""
        money = np.array([name.startswith("budget") for name in self.names])
        return np.zeros(len(money)), np.where(money, self.richest, 1.0)

    @property
    def convex(self) -> bool:
        """Regret is convex in budgets; it is a difference of concave functions in valuations."""
        return self.valuations is not None

    def read(self, table: "pd.DataFrame") -> FisherPlay:
        """Read columns `period`, `agent` (a buyer), `good`, `quantity` and `price`.

        Raises
        ------
        ValueError
            If the table does not fit; see `walras.equilibria.inverse.tables.by_period`.
        """
        return FisherPlay(*read_bundles(table, self.agents))

    def check(self, observed: FisherPlay) -> None:
        """Refuse shapes and signs that do not fit, and buyers who buy nothing.

        Raises
        ------
        ValueError
            If there are any.
        """
        p, x = observed.prices, observed.allocation
        shape = (len(p), self.buyers, self.goods)
        require(p.shape == (len(p), self.goods), "prices", f"have shape [T, {self.goods}]", p.shape)
        require(x.shape == shape, "allocation", f"have shape {shape}", x.shape)
        require_each(np.isfinite(p) & (p >= 0), "prices", "be finite and not negative", p)
        require_each(np.isfinite(x) & (x >= 0), "allocation", "be finite and not negative", x)
        spent = np.einsum("tm,tnm->tn", p, x)
        require_each(spent > 0, "allocation", "cost each buyer something", spent)

    def conditions(self, observed: FisherPlay) -> ParameterSet:
        """Return the budgets and valuations at which each buyer's bundle is a demand."""
        equal, level, matrix = list[Floats](), list[float](), list[Floats]()
        for p, x in zip(observed.prices, observed.allocation, strict=True):
            for i in range(self.buyers):
                if self.budgets is None:
                    equal.append(self._unit(f"budget_{i}"))
                    level.append(float(p @ x[i]))
                if self.valuations is None:
                    same, less = demand_rows(self.utility, self.rho, p, x[i])
                    equal += [self._row(i, row) for row in same]
                    level += [0.0] * len(same)
                    matrix += [self._row(i, row) for row in less]
                if self.valuations is None and self.budgets is not None:  # valuations sum to one: money is spent
                    equal.append(self._row(i, np.full(self.goods, self.budgets[i])))
                    level.append(float(p @ x[i]))
        if self.valuations is None:
            equal += [self._row(i, np.ones(self.goods)) for i in range(self.buyers)]
            level += [1.0] * self.buyers
        size = len(self.names)
        return ParameterSet(
            self.names,
            *self.bounds,
            np.array(matrix).reshape(-1, size),
            np.zeros(len(matrix)),
            np.array(equal).reshape(-1, size),
            np.array(level),
        )

    def moments(self, observed: FisherPlay) -> Moments:
        """Return the conditions of each period, which hold on average where quantities have relative errors.

        Errors of linear utilities' bundles say nothing of valuations: the inequalities are left out.
        """
        rows, level, size = list[Floats](), list[Floats](), len(self.names)
        for i in range(self.buyers):
            if self.budgets is None:
                rows.append(np.broadcast_to(self._unit(f"budget_{i}"), (len(observed.prices), 1, size)))
                level.append(np.einsum("tm,tm->t", observed.prices, observed.allocation[:, i])[:, None])
            if self.valuations is None:
                found = average_rows(self.utility, self.rho, observed.prices, observed.allocation[:, i])
                rows.append(found @ np.stack([self._row(i, unit) for unit in np.eye(self.goods)]))
                level.append(np.append(np.zeros(self.goods), 1.0) + np.zeros((len(found), 1)))
        whole = np.concatenate(rows, axis=1)
        return Moments(whole, np.concatenate(level, axis=1), averaged(whole))

    def _unit(self, name: str) -> Floats:
        return np.eye(len(self.names))[self.names.index(name)]

    def _row(self, buyer: int, values: Floats) -> Floats:
        row = np.zeros(len(self.names))
        start = self.names.index(f"valuation_{buyer}_0")
        row[start : start + self.goods] = values
        return row

    def own(self, player: int) -> Ints:
        """Return the places of a buyer's budget and valuations."""
        known = self.buyers if self.budgets is None else 0
        budget = [player] if self.budgets is None else []
        values = range(known + player * self.goods, known + (player + 1) * self.goods)
        return np.array([*budget, *(values if self.valuations is None else ())])

    def scaled(self, theta: Floats) -> Floats:
        """Return parameters with valuations that sum to one."""
        if self.valuations is not None:
            return theta
        size = self.buyers * self.goods
        value = np.maximum(theta[..., -size:], SMALLEST).reshape(*theta.shape[:-1], self.buyers, self.goods)
        value = value / value.sum(axis=-1, keepdims=True)
        return np.concatenate([theta[..., :-size], value.reshape(*theta.shape[:-1], size)], axis=-1)

    def regrets(self, observed: FisherPlay, theta: Floats) -> Regrets:
        """Return what demands gain over the observed bundles."""
        budget, value = self._parts(theta)
        x = observed.allocation
        log_best, log_now, slopes = compared(self.utility, self.rho, observed.prices, x, budget, value)
        spent = np.einsum("tm,tnm->tn", observed.prices, x)
        gain = budget * (log_best - log_now) - budget + spent
        rows = np.zeros((*gain.shape, len(self.names)))
        for i in range(self.buyers):
            if self.budgets is None:
                rows[:, i, self.names.index(f"budget_{i}")] = (log_best - log_now)[:, i]
            if self.valuations is None:
                start = self.names.index(f"valuation_{i}_0")
                own = slice(start, start + self.goods)
                rows[:, i, own] = budget[i] * scaled_slope(slopes[:, i], theta[own])
        return Regrets(np.maximum(gain, 0.0), budget * log_now - spent, rows)

    def _parts(self, theta: Floats) -> tuple[Floats, Floats]:
        """Return budgets ``[N]`` and valuations ``[N, M]``, of sum one a buyer."""
        known = 0 if self.budgets is not None else self.buyers
        budget = theta[:known] if self.budgets is None else np.array(self.budgets)
        value = np.array(self.valuations) if self.valuations is not None else theta[known:].reshape(self.buyers, -1)
        value = np.maximum(value, SMALLEST)
        return np.maximum(budget, SMALLEST), value / value.sum(axis=1, keepdims=True)

    def objective(self, observed: FisherPlay) -> "FisherObjective":
        """Return the exploitability for methods with a closed-form best response.

        Raises
        ------
        ValueError
            If there is more than one period.
        """
        require(
            len(observed.prices) == 1, "observations", "hold one period, for first-order methods", len(observed.prices)
        )
        budgets = None if self.budgets is None else np.array([self.budgets])
        values = None if self.valuations is None else np.array([self.valuations])
        return FisherObjective(self.utility, observed.prices, observed.allocation, budgets, values, self.rho)


@final
@dataclass(frozen=True, eq=False)
class FisherObjective:
    """The exploitability of B markets, with parameters ``[B, P]``: unknown budgets, then valuations.

    The deviations are the demands, in closed form: only `walras.equilibria.inverse.MaxOracle` applies.
    """

    utility: str
    prices: Floats  # [B, M]
    allocation: Floats  # [B, N, M]
    budgets: Floats | None = None  # [B, N] where known
    valuations: Floats | None = None  # [B, N, M] where known
    rho: float = 0.5

    @property
    def periods(self) -> int:
        """One."""
        return 1

    def psi(self, theta: Floats, deviation: Floats, rows: Ints | None = None) -> Gradients:
        """Return the exploitability, and its gradient in the parameters with the demands fixed.

        Raises
        ------
        TypeError
            If deviations are not the demands: only `MaxOracle` applies.
        """
        b, v = self._parts(theta)
        if not np.allclose(deviation, self.answer(theta)):
            raise TypeError("`config` must be MaxOracle for Fisher markets: bundles are constrained by a budget.")
        log_best, log_now, slopes = compared(self.utility, self.rho, self.prices, self.allocation, b, v)
        demand = deviation.reshape(self.allocation.shape)
        supply = 1 - self.allocation.sum(axis=1)
        clearing = np.einsum("bm,bm->b", self.prices, 1 - demand.sum(axis=1)) - b.sum(axis=1) * supply.min(axis=1)
        value = clearing + (b * (log_best - log_now)).sum(axis=1)
        parts = list[Floats]()
        if self.budgets is None:
            parts.append(log_best - log_now)
        if self.valuations is None:
            parts.append((b[..., None] * slopes).reshape(len(b), -1))
        return Gradients(value, np.concatenate(parts, axis=1), np.zeros_like(deviation))

    def answer(self, theta: Floats) -> Floats:
        """Return the demands."""
        return demands(self.utility, self.prices, *self._parts(theta), self.rho).reshape(len(theta), -1)

    def project(self, theta: Floats) -> Floats:
        """Cut budgets to [1e-4, 100], and valuations to positive ones of sum one a buyer."""
        rows, buyers, goods = self.allocation.shape
        known = buyers if self.budgets is None else 0
        budget, value = np.clip(theta[:, :known], 1e-4, 100.0), theta[:, known:]
        if self.valuations is None:
            value = np.maximum(value.reshape(rows, buyers, goods), 1e-4)
            value = (value / value.sum(axis=2, keepdims=True)).reshape(rows, -1)
        return np.concatenate([budget, value], axis=1)

    def project_deviation(self, deviation: Floats) -> Floats:
        """Keep them."""
        return deviation

    def start(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Draw budgets and valuations evenly from (0, 10); valuations are then scaled to sum one."""
        rows, buyers, goods = self.allocation.shape
        size = (buyers if self.budgets is None else 0) + (buyers * goods if self.valuations is None else 0)
        theta = self.project(rng.uniform(0, 10, (rows, size)))
        return theta, self.answer(theta)

    def _parts(self, theta: Floats) -> tuple[Floats, Floats]:
        rows, buyers, goods = self.allocation.shape
        known = buyers if self.budgets is None else 0
        b = theta[:, :known] if self.budgets is None else self.budgets
        v = self.valuations if self.valuations is not None else theta[:, known:].reshape(rows, buyers, goods)
        return b, v


def read_bundles(table: "pd.DataFrame", agents: Sequence[str]) -> tuple[Floats, Floats]:
    """Return prices ``[T, M]`` and bundles ``[T, N, M]`` of a table with a row for each period, agent and good.

    Raises
    ------
    ValueError
        If the table does not fit, or agents pay different prices.
    """
    found = by_period(table, ["quantity", "price"], agents, keys=("agent", "good"))
    price = found["price"]
    alike = np.ptp(price, axis=1) <= 1e-9 * np.abs(price).max(axis=1)
    require_each(alike, "price", "be the same for all buyers of a good", price[:, 0])
    return price[:, 0], found["quantity"]


def demand_rows(utility: str, rho: float, p: Floats, x: Floats) -> tuple[list[Floats], list[Floats]]:
    """Return what valuations ``[M]`` must be for a bundle to be a demand: rows that are zero, and not positive."""
    m = len(p)
    eye = np.eye(m)
    if utility == "cobb-douglas":
        return list((p @ x) * eye - np.outer(p * x, np.ones(m))), []
    if utility == "ces":
        weight = p * np.maximum(x, 0.0) ** (1 - rho)
        return list(weight.sum() * eye - np.outer(weight, np.ones(m))), []
    first = int(np.argmax(p * x))
    priced = p > BOUGHT * p.mean()
    if utility == "leontief":
        rows = [x[first] * eye[k] - x[k] * eye[first] for k in range(m)]
        free = [row for k, row in enumerate(rows) if not priced[k]]
        return [row for k, row in enumerate(rows) if priced[k] and k != first], free
    bought = [j for j in range(m) if x[j] > BOUGHT * max(float(x.max()), SMALLEST) and priced[j]]
    return [], [(eye[k] * p[j] - eye[j] * p[k]) / p.mean() for j in bought for k in range(m) if k != j]


def average_rows(utility: str, rho: float, p: Floats, x: Floats) -> Floats:
    """Return what valuations must be for bundles ``[T, M]`` to be demands, on average: ``[T, M + 1, M]``.

    The first M rows are zero, the last is one; relative errors of mean zero leave their means as they are.
    """
    size = p.shape[1]
    eye, priced = np.eye(size), p > BOUGHT * p.mean(axis=1, keepdims=True)
    spent = p * (x if utility != "ces" else np.maximum(x, 0.0) ** (1 - rho))
    rows = np.zeros((len(p), size, size))
    if utility in ("cobb-douglas", "ces"):
        rows = spent.sum(axis=1)[:, None, None] * eye - spent[..., None]
    if utility == "leontief":
        rows = (spent.sum(axis=1)[:, None, None] * eye - x[..., None] * p[:, None]) * priced[..., None]
    return np.append(rows, np.ones((len(p), 1, size)), axis=1)


def demands(utility: str, prices: Floats, budgets: Floats, values: Floats, rho: float) -> Floats:
    """Return Marshallian demands ``[T, N, M]`` at ``prices [T, M]``, budgets ``[.., N]`` and values ``[.., N, M]``."""
    p, b = np.maximum(prices, SMALLEST)[:, None], budgets[..., None]
    if utility == "cobb-douglas":
        return b * values / p
    if utility == "leontief":
        return values * (b / (p * values).sum(axis=-1, keepdims=True))
    if utility == "ces":
        weight = (values / p) ** (1 / (1 - rho))
        return b * weight / (p * weight).sum(axis=-1, keepdims=True)
    worth = values / p
    best = worth == worth.max(axis=-1, keepdims=True)
    return b * best / (p * best).sum(axis=-1, keepdims=True)


def scaled_slope(slope: Floats, value: Floats) -> Floats:
    """Return the slope ``[.., M]`` in valuations ``[.., M]`` which are scaled to sum one, of that in scaled ones."""
    value = np.maximum(value, SMALLEST)
    total = value.sum(axis=-1, keepdims=True)
    return (slope - (slope * value / total).sum(axis=-1, keepdims=True)) / total


def compared(
    utility: str, rho: float, prices: Floats, bundle: Floats, budgets: Floats, values: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return log utility of demands and of bundles ``[T, N, M]``, and the slope of their difference in values."""
    wanted = demands(utility, prices, budgets, values, rho)
    best, slope = _log_utility(utility, rho, wanted, values)
    if utility == "leontief":  # all goods tie in a demand: the slope is that of the utility of its budget
        slope = -prices[:, None] / np.maximum((prices[:, None] * values).sum(axis=-1, keepdims=True), SMALLEST)
    now, other = _log_utility(utility, rho, bundle, values)
    return best, now, slope - other


def _log_utility(utility: str, rho: float, x: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Return log utility ``[T, N]`` and its slope in the values ``[T, N, M]``."""
    x = np.maximum(x, SMALLEST)
    values = np.broadcast_to(values, x.shape)
    if utility == "cobb-douglas":
        return (values * np.log(x)).sum(axis=-1), np.log(x)
    if utility == "leontief":
        ratio = x / np.maximum(values, SMALLEST)
        least = ratio == ratio.min(axis=-1, keepdims=True)
        first = least & (np.cumsum(least, axis=-1) == 1)
        return np.log(ratio.min(axis=-1)), np.where(first, -1 / np.maximum(values, SMALLEST), 0.0)
    if utility == "ces":
        power = x**rho
        total = (values * power).sum(axis=-1)
        return np.log(total) / rho, power / (rho * total[..., None])
    total = (values * x).sum(axis=-1)
    return np.log(np.maximum(total, SMALLEST)), x / np.maximum(total, SMALLEST)[..., None]
