r"""Price competition with unknown costs: differentiated goods with logit demand, and one good sold by who asks least.

Differentiated goods
--------------------
Observed are prices and shares. Qualities need not be known: shares give them,
:math:`(a_i - a_0 - p_i) / \mu = \log (q_i / q_0)` [1]_, with :math:`q_0` the share that buys nothing. At the best price
:math:`(p_i - c_i)(1 - q_i) = \mu`, so that

.. math:: c_i + \frac{\mu}{1 - q_{it}} = p_{it}:

linear in costs and differentiation. One period determines the costs if :math:`\mu` is known; both are identified if
shares of some firm differ between periods.

One good
--------
The lowest price takes all of the demand :math:`D(p) = (A - B p)^+`, equal ones share it. Firms have one cost c, and
the only equilibrium has :math:`p = c`. A firm gains by undercutting, or by leaving where it sells at a loss: the
cumulative regret of equal prices is :math:`|p - c| D(p)`, while undercutting to the monopoly price does not pay more.
Payoffs jump in prices; they are affine in c, so that regret is convex in it all the same. Where there is no demand at
the price, the play says nothing.

References
----------
[1] S. T. Berry, Estimating discrete-choice models of product differentiation, RAND Journal of Economics 25, 1994.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from walras.core.checks import require, require_each, require_whole
from walras.core.typing import Floats, Ints
from walras.equilibria.inverse.descent import Gradients
from walras.equilibria.inverse.family import AbstractFamily, Regrets
from walras.equilibria.inverse.moments import Moments
from walras.equilibria.inverse.parameter_set import ParameterSet
from walras.equilibria.inverse.tables import by_period

if TYPE_CHECKING:
    import pandas as pd

SERVED = 1e-12
"""Demand, as a share of that at price zero, from which play says something of the cost."""


@final
@dataclass(frozen=True, eq=False)
class BertrandPlay:
    """Observed prices and shares of all buyers."""

    price: Floats  # [T, N] money a unit
    share: Floats  # [T, N]


@final
@dataclass(frozen=True)
class InverseBertrand(AbstractFamily[BertrandPlay]):
    """Firms whose goods differ set prices; their costs are unknown, and `differentiation` if it is None.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    unit: ClassVar[str] = "money a buyer"

    firms: int = 2
    differentiation: float | None = 0.25  # mu, money
    largest: float = 100.0
    """Bound of costs and differentiation, money."""

    def __post_init__(self) -> None:
        require_whole(self.firms, "firms")
        mu = self.differentiation
        require(mu is None or 0 < mu < np.inf, "differentiation", "be positive and finite", mu)
        require(0 < self.largest < np.inf, "largest", "be positive and finite", self.largest)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``firm_0`` .. ``firm_{N-1}``."""
        return tuple(f"firm_{i}" for i in range(self.firms))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The costs, and the differentiation where it is unknown."""
        more = ["differentiation"] if self.differentiation is None else []
        return (*(f"cost_{i}" for i in range(self.firms)), *more)

    @cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        """All lie in [0, `largest`]; the differentiation is at least a millionth of it."""
        low = np.where([name == "differentiation" for name in self.names], 1e-6 * self.largest, 0.0)
        return low, np.full(len(self.names), self.largest)

    @property
    def convex(self) -> bool:
        """Regret is convex in costs; in the differentiation it need not be."""
        return self.differentiation is not None

    def read(self, table: "pd.DataFrame") -> BertrandPlay:
        """Read columns `period`, `agent`, `price` and `share`.

        Raises
        ------
        ValueError
            If the table does not fit; see `walras.equilibria.inverse.tables.by_period`.
        """
        return BertrandPlay(**by_period(table, ["price", "share"], self.agents))

    def check(self, observed: BertrandPlay) -> None:
        """Refuse shares that are none, and prices that are not positive.

        Raises
        ------
        ValueError
            If there are any.
        """
        p, q = observed.price, observed.share
        require(p.ndim == 2 and p.shape[1] == self.firms, "price", f"have shape [T, {self.firms}]", p.shape)
        require(q.shape == p.shape, "share", f"have the shape {p.shape}", q.shape)
        require_each(np.isfinite(p) & (p > 0), "price", "be positive and finite", p)
        require_each((q > 0) & (q < 1), "share", "lie in (0, 1); are quantities divided by all buyers?", q)
        total = q.sum(axis=1)
        require_each(total < 1, "share", "sum to less than one in each period: some buy nothing", total)

    def conditions(self, observed: BertrandPlay) -> ParameterSet:
        """Return the parameters that meet the first-order conditions."""
        found = self.moments(observed)
        rows = found.rows.reshape(-1, len(self.names))
        return ParameterSet(self.names, *self.bounds, equal=rows, level=found.level.ravel())

    def moments(self, observed: BertrandPlay) -> Moments:
        """Return the conditions of each period, which hold on average where prices, not shares, have errors."""
        rows = np.zeros((*observed.price.shape, len(self.names)))
        steep, firm = 1 / (1 - observed.share), np.arange(self.firms)
        rows[:, firm, firm] = 1.0
        if self.differentiation is None:
            rows[:, :, -1] = steep
            return Moments(rows, observed.price, rows)
        return Moments(rows, observed.price - self.differentiation * steep, rows)

    def own(self, player: int) -> Ints:
        """Return the place of a firm's cost.

        Raises
        ------
        ValueError
            If the differentiation is unknown.
        """
        known = self.differentiation is not None
        require(known, "market_family", "know the differentiation, which all firms share", self)
        return np.array([player])

    def regrets(self, observed: BertrandPlay, theta: Floats) -> Regrets:
        """Return what the best prices gain, by Lambert's function."""
        from scipy.special import wrightomega

        p, q = observed.price, observed.share
        mu = float(theta[-1]) if self.differentiation is None else self.differentiation
        cost = theta[: self.firms]
        against = np.log(q) - np.log1p(-q)  # the own good's weight against all others
        more = np.real(wrightomega(against + (p - cost) / mu - 1))  # mark-up in units of mu, less one
        best, sold = cost + mu * (1 + more), more / (1 + more)
        payoff = (p - cost) * q
        rows, firm = np.zeros((*p.shape, len(self.names))), np.arange(self.firms)
        rows[:, firm, firm] = q - sold
        if self.differentiation is None:
            rows[:, :, -1] = (best - cost) * sold * (1 - sold) * (best - p) / mu**2
        return Regrets(np.maximum(mu * more - payoff, 0.0), payoff, rows)


@final
@dataclass(frozen=True, eq=False)
class UndercuttingPlay:
    """Observed prices of one good."""

    price: Floats  # [T, N] money a unit


@final
@dataclass(frozen=True)
class InverseUndercutting(AbstractFamily[UndercuttingPlay]):
    """Firms of one unknown cost sell one good; who asks least serves the demand ``(intercept - slope * price)^+``.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    intercept: float = 100.0  # units at price zero
    slope: float = 3.0  # units per money
    firms: int = 2
    largest: float = 100.0
    """Bound of the cost, money."""

    def __post_init__(self) -> None:
        require_whole(self.firms, "firms")
        require(self.firms >= 2, "firms", "be at least 2", self.firms)
        for name in ("intercept", "slope", "largest"):
            value = getattr(self, name)
            require(0 < value < np.inf, name, "be positive and finite", value)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``firm_0`` .. ``firm_{N-1}``."""
        return tuple(f"firm_{i}" for i in range(self.firms))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The cost."""
        return ("cost",)

    @cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        """From zero to `largest`."""
        return np.zeros(1), np.array([self.largest])

    def read(self, table: "pd.DataFrame") -> UndercuttingPlay:
        """Read columns `period`, `agent` and `price`.

        Raises
        ------
        ValueError
            If the table does not fit; see `walras.equilibria.inverse.tables.by_period`.
        """
        return UndercuttingPlay(by_period(table, ["price"], self.agents)["price"])

    def check(self, observed: UndercuttingPlay) -> None:
        """Refuse prices out of range.

        Raises
        ------
        ValueError
            If there are any.
        """
        p = observed.price
        require(p.ndim == 2 and p.shape[1] == self.firms, "price", f"have shape [T, {self.firms}]", p.shape)
        require_each(np.isfinite(p) & (p >= 0), "price", "be finite and not negative", p)

    def conditions(self, observed: UndercuttingPlay) -> ParameterSet:
        """Return the cost: the lowest price, if two firms ask it and there is a demand.

        One seller alone at the lowest price could ask more, up to the next price, unless there is no demand.
        """
        p = np.sort(observed.price, axis=1)
        served = self._demand(p[:, 0]) > SERVED * self.intercept
        equal, level = np.ones((2 * int(served.sum()), 1)), np.concatenate([p[served, 0], p[served, 1]])
        # Without a demand at the lowest price, nobody may gain by a lower one that has: the cost is too high for that.
        idle = (p[:, 0] > self.intercept / self.slope) & ~served
        matrix = np.full((int(idle.any()), 1), -1.0)
        bound = np.full(len(matrix), -self.intercept / self.slope)
        return ParameterSet(self.names, *self.bounds, matrix, bound, equal, level)

    def own(self, player: int) -> Ints:
        """Return the place of the cost, which is that of all firms."""
        return np.array([0])

    def regrets(self, observed: UndercuttingPlay, theta: Floats) -> Regrets:
        """Return the supremum of what a firm gains: by asking just less than the others, or by asking more than all."""
        p, cost = observed.price, float(theta[0])
        firm = np.arange(self.firms)
        rivals = np.stack([np.delete(p, i, axis=1).min(axis=1) for i in firm], axis=1)
        lowest = p.min(axis=1, keepdims=True)
        first = p == lowest
        sold = self._demand(p) * first / first.sum(axis=1, keepdims=True)
        asked = np.minimum(rivals, (self.intercept / self.slope + cost) / 2)
        better = self._demand(asked)
        ideal = (asked - cost) * better
        sold_best = np.where(ideal > 0, better, 0.0)
        payoff = (p - cost) * sold
        gain = np.maximum(ideal, 0.0) - payoff
        return Regrets(np.maximum(gain, 0.0), payoff, (sold - sold_best)[..., None])

    def _demand(self, price: Floats) -> Floats:
        return np.maximum(self.intercept - self.slope * price, 0.0)

    def objective(self, observed: UndercuttingPlay) -> "UndercuttingObjective":
        """Return the cumulative regret for first-order methods; of two firms that ask the same.

        Raises
        ------
        ValueError
            If there is more than one period, or prices differ.
        """
        p = observed.price
        alike = p.shape == (1, 2) and p[0, 0] == p[0, 1]
        require(bool(alike), "observations", "be one period of two equal prices, for first-order methods", p)
        return UndercuttingObjective(p[:, 0], np.array([self.intercept]), np.array([self.slope]))


@final
@dataclass(frozen=True, eq=False)
class UndercuttingObjective:
    """The cumulative regret of two firms that ask the same, in B markets; ``theta [B, 1]``, deviations ``[B, 1]``.

    A deviation earns what its price earns against the rival's; it is not differentiable in the price at the rival's.
    """

    price: Floats  # [B] money a unit
    intercept: Floats  # [B] units
    slope: Floats  # [B] units per money
    undercut: float = 0.01
    """By which a deviation undercuts, money."""

    @property
    def periods(self) -> int:
        """One."""
        return 1

    def psi(self, theta: Floats, deviation: Floats, rows: Ints | None = None) -> Gradients:
        """Return the cumulative regret of both firms and its gradients."""
        cost, asked = theta[:, 0], deviation[:, 0]
        served = self._demand(asked)
        alone = np.where(asked < self.price, 1.0, np.where(asked == self.price, 0.5, 0.0))
        now = self._demand(self.price) / 2
        value = 2 * ((asked - cost) * served * alone - (self.price - cost) * now)
        up = alone * (served - self.slope * (asked - cost) * (served > 0))
        return Gradients(value, (2 * (now - served * alone))[:, None], (2 * up)[:, None])

    def answer(self, theta: Floats) -> Floats:
        """Return the monopoly price if the rival asks more, else the rival's less `undercut`, or the cost."""
        cost = theta[:, 0]
        alone = (self.intercept / self.slope + cost) / 2
        below = np.where(self.price > cost, self.price - self.undercut, cost)
        return np.where(self.price > alone, alone, below)[:, None]

    def _demand(self, price: Floats) -> Floats:
        return np.maximum(self.intercept - self.slope * price, 0.0)

    def project(self, theta: Floats) -> Floats:
        """Cut costs to [1, 100]."""
        return np.clip(theta, 1.0, 100.0)

    def project_deviation(self, deviation: Floats) -> Floats:
        """Cut prices to [0, 100]."""
        return np.clip(deviation, 0.0, 100.0)

    def start(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Draw first costs and prices evenly from (2, 20)."""
        size = (len(self.price), 1)
        return rng.uniform(2, 20, size), rng.uniform(2, 20, size)
