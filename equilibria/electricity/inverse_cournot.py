r"""Cournot competition with unknown costs, and unknown demand where asked: what observed quantities say of them.

Price :math:`P_t = a + s_t - b Q_t` with observed shifts s; firm i pays :math:`c_i q + d_i q^2 / 2` and has a capacity
:math:`K_i`. Profit is affine in the parameters :math:`(c, d, a, b)`. The best response to :math:`Q_{-i}` is
:math:`\mathrm{clip}((a + s - c_i - b Q_{-i}) / (2b + d_i), 0, K_i)`, so that nobody gains if and only if

.. math:: c_i + d_i q_{it} + b (Q_t + q_{it}) - a = s_t \quad (0 < q_{it} < K_i),

with :math:`\ge` at zero and :math:`\le` at the capacity: linear conditions. One period determines one number a firm.
With demand known, these are the costs at zero, :math:`c_i = P - b q_i - d_i q_i`; with everything unknown only
:math:`(a - c_i) / b` is identified, however many periods without shifts there are.

Observed prices, where there are any, add the equation of demand.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from walras.core.checks import per_agent, require, require_each, require_whole
from walras.core.rollout import Trajectory
from walras.core.typing import Floats, Ints
from walras.envs.electricity.cournot_market import CournotMarket
from walras.equilibria.inverse.descent import Gradients
from walras.equilibria.inverse.family import AbstractFamily, Regrets
from walras.equilibria.inverse.moments import Moments, projected
from walras.equilibria.inverse.parameter_set import ParameterSet
from walras.equilibria.inverse.tables import as_table, by_period, per_period

if TYPE_CHECKING:
    import pandas as pd

CORNER = 1e-9
"""Share of the largest quantity at which a firm is taken to sell nothing, or all."""


@final
@dataclass(frozen=True, eq=False)
class CournotPlay:
    """Observed quantities."""

    quantity: Floats  # [T, N] MW
    shift: Floats | None = None  # [T] EUR/MWh by which demand's intercept was higher than usual; 0 by default
    price: Floats | None = None  # [T] EUR/MWh


@final
@dataclass(frozen=True)
class InverseCournot(AbstractFamily[CournotPlay]):
    """Cournot competition in which the firms' costs are unknown; a parameter that is None is unknown, too.

    Raises
    ------
    ValueError
        If a number is out of range, or there is not one a firm.
    """

    unit: ClassVar[str] = "EUR/h"

    firms: int = 2
    intercept: float | None = 100.0  # EUR/MWh
    slope: float | None = 1.0  # EUR/MWh per MW
    cost_slope: tuple[float, ...] | float | None = 0.0  # [N] EUR/MWh per MW
    capacity: tuple[float, ...] | float = np.inf  # [N] MW
    largest: float = 1000.0
    """Bound of costs and intercept, EUR/MWh."""
    steepest: float = 100.0
    """Bound of slopes, EUR/MWh per MW; demand's is at least a ten thousandth of it."""

    def __post_init__(self) -> None:
        require_whole(self.firms, "firms")
        for name in ("cost_slope", "capacity"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, per_agent(name, getattr(self, name), self.firms))
        for name in ("intercept", "slope", "largest", "steepest"):
            value = getattr(self, name)
            require(value is None or 0 < value < np.inf, name, "be positive and finite", value)
        if self.cost_slope is not None:
            steep = np.array(self.cost_slope)
            require_each((steep >= 0) & (steep < np.inf), "cost_slope", "be finite and not negative", steep)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``firm_0`` .. ``firm_{N-1}``."""
        return tuple(f"firm_{i}" for i in range(self.firms))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The costs of all firms, then their slopes, demand's intercept and slope, where unknown."""
        more = [f"cost_slope_{i}" for i in range(self.firms)] if self.cost_slope is None else []
        more += ["intercept"] if self.intercept is None else []
        more += ["slope"] if self.slope is None else []
        return (*(f"cost_{i}" for i in range(self.firms)), *more)

    @cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        """Costs lie in [0, `largest`], slopes in [0, `steepest`]."""
        steep = np.array([name.removeprefix("cost_").startswith("slope") for name in self.names])
        low = np.where([name == "slope" for name in self.names], self.steepest * 1e-4, 0.0)
        return low, np.where(steep, self.steepest, self.largest)

    def read(self, table: "pd.DataFrame") -> CournotPlay:
        """Read columns `period`, `agent`, `quantity`, and where they are there `shift` and `price`.

        Raises
        ------
        ValueError
            If the table does not fit; see `walras.equilibria.inverse.tables.by_period`.
        """
        more = [name for name in ("shift", "price") if name in table]
        found = by_period(table, ["quantity", *more], self.agents)
        return CournotPlay(found["quantity"], *(per_period(found[n], n) if n in found else None for n in PUBLIC))

    def check(self, observed: CournotPlay) -> None:
        """Refuse quantities out of range, and prices that known demand does not give.

        Raises
        ------
        ValueError
            If there are any.
        """
        q = observed.quantity
        require(q.ndim == 2 and q.shape[1] == self.firms, "quantity", f"have shape [T, {self.firms}]", q.shape)
        require_each(np.isfinite(q) & (q >= 0), "quantity", "be finite and not negative", q)
        most = np.array(self.capacity)
        require_each(q <= most * (1 + CORNER), "quantity", f"not exceed the capacities {self.capacity}", q)
        for name in PUBLIC:
            part = getattr(observed, name)
            require(part is None or part.shape == (len(q),), name, "have one entry a period", part)
        if observed.price is not None and self.intercept is not None and self.slope is not None:
            told = self.intercept + self._shift(observed) - self.slope * q.sum(axis=1)
            rule = "be that of demand at the quantities; are the units EUR/MWh and MW?"
            require_each(np.abs(observed.price - told) <= 1e-6 * (1 + np.abs(told)), "price", rule, observed.price)

    def conditions(self, observed: CournotPlay) -> ParameterSet:
        """Return the parameters that meet the first-order conditions, and observed demand."""
        q = observed.quantity
        rows, level = self._first_order(observed)
        edge = CORNER * max(float(q.max()), 1e-300)
        nothing, full = q <= edge, q >= np.array(self.capacity) * (1 - CORNER)
        inside = ~nothing & ~full
        equal, right = rows[inside], level[inside]
        if observed.price is not None and (self.intercept is None or self.slope is None):
            demand, told = self._demand(observed)
            equal, right = np.append(equal, demand, axis=0), np.append(right, told)
        matrix = np.concatenate([-rows[nothing], rows[full]])
        bound = np.concatenate([-level[nothing], level[full]])
        return ParameterSet(self.names, *self.bounds, matrix, bound, equal, right)

    def moments(self, observed: CournotPlay) -> Moments:
        """Return the conditions of each period, which hold on average where costs move, or quantities have errors.

        Costs that move also move quantities, so that slopes are told by shifts of demand alone, as instruments.

        Raises
        ------
        ValueError
            If a firm sells nothing, or all, in some periods and not in others: then costs are seen of chosen periods.
        """
        q, (rows, level) = observed.quantity, self._first_order(observed)
        inside = (q > CORNER * max(float(q.max()), 1e-300)) & (q < np.array(self.capacity) * (1 - CORNER))
        rule = "lie between nothing and the capacity in all periods of a firm or in none, for a sample"
        require(bool((inside.all(axis=0) | ~inside.any(axis=0)).all()), "quantity", rule, inside.mean(axis=0).tolist())
        rows, level = rows * inside[..., None], level * inside
        instruments = projected(rows, self._shift(observed))
        if observed.price is not None and (self.intercept is None or self.slope is None):
            demand, told = self._demand(observed)
            rows, instruments = (np.append(part, demand[:, None], axis=1) for part in (rows, instruments))
            level = np.append(level, told[:, None], axis=1)
        return Moments(rows, level, instruments)

    def _first_order(self, observed: CournotPlay) -> tuple[Floats, Floats]:
        """Return ``[T, N, P]`` and ``[T, N]``: marginal cost is marginal revenue where ``rows @ theta = level``."""
        q, total = observed.quantity, observed.quantity.sum(axis=1, keepdims=True)
        rows = np.zeros((*q.shape, len(self.names)))
        level = np.broadcast_to(self._shift(observed)[:, None], q.shape).copy()
        firm = np.arange(self.firms)
        rows[:, firm, firm] = 1.0
        if self.cost_slope is None:
            rows[:, firm, self.firms + firm] = q
        else:
            level = level - np.array(self.cost_slope) * q
        if self.intercept is None:
            rows[:, :, self.names.index("intercept")] = -1.0
        else:
            level = level + self.intercept
        if self.slope is None:
            rows[:, :, -1] = total + q
        else:
            level = level - self.slope * (total + q)
        return rows, level

    def _demand(self, observed: CournotPlay) -> tuple[Floats, Floats]:
        assert observed.price is not None
        total = observed.quantity.sum(axis=1)
        rows, level = np.zeros((len(total), len(self.names))), observed.price - self._shift(observed)
        if self.intercept is None:
            rows[:, self.names.index("intercept")] = 1.0
        else:
            level = level - self.intercept
        if self.slope is None:
            rows[:, -1] = -total
        else:
            level = level + self.slope * total
        return rows, level

    def own(self, player: int) -> Ints:
        """Return the places of a firm's cost, and of its slope where that is unknown.

        Raises
        ------
        ValueError
            If demand is unknown.
        """
        known = self.intercept is not None and self.slope is not None
        require(known, "market_family", "know demand, which all firms share", self)
        return np.array([player] if self.cost_slope is not None else [player, self.firms + player])

    def regrets(self, observed: CournotPlay, theta: Floats) -> Regrets:
        """Return what the best responses gain."""
        q, others = observed.quantity, observed.quantity.sum(axis=1, keepdims=True) - observed.quantity
        cost, steep, intercept, slope = self._parts(theta)
        top = (intercept + self._shift(observed))[:, None] - slope * others - cost
        best = np.clip(top / (2 * slope + steep), 0.0, np.array(self.capacity))
        half = slope + steep / 2
        payoff, ideal = (top - half * q) * q, (top - half * best) * best
        rows = np.zeros((*q.shape, len(self.names)))
        firm = np.arange(self.firms)
        rows[:, firm, firm] = q - best
        if self.cost_slope is None:
            rows[:, firm, self.firms + firm] = (q**2 - best**2) / 2
        if self.intercept is None:
            rows[:, :, self.names.index("intercept")] = best - q
        if self.slope is None:
            rows[:, :, -1] = q * (others + q) - best * (others + best)
        return Regrets(np.maximum(ideal - payoff, 0.0), payoff, rows)

    def _parts(self, theta: Floats) -> tuple[Floats, Floats, float, float]:
        n = self.firms
        steep = theta[n : 2 * n] if self.cost_slope is None else np.array(self.cost_slope)
        intercept = theta[self.names.index("intercept")] if self.intercept is None else self.intercept
        return theta[:n], steep, float(intercept), float(theta[-1] if self.slope is None else self.slope)

    def _shift(self, observed: CournotPlay) -> Floats:
        return np.zeros(len(observed.quantity)) if observed.shift is None else observed.shift

    def objective(self, observed: CournotPlay) -> "CournotObjective":
        """Return the cumulative regret for first-order methods.

        Raises
        ------
        ValueError
            If other parameters than costs are unknown; `CournotObjective` has those of the symmetric duopoly.
        """
        known = self.intercept is not None and self.slope is not None and self.cost_slope is not None
        require(known, "game_family", "leave the costs alone unknown, for first-order methods", self)
        assert self.intercept is not None
        assert self.slope is not None
        return CournotObjective(
            observed.quantity[None],
            (self.intercept + self._shift(observed))[None],
            np.array([self.slope]),
            np.array([self.cost_slope]),
            np.array(self.capacity),
            self.largest,
        )


PUBLIC = ("shift", "price")


@final
@dataclass(frozen=True, eq=False)
class CournotObjective:
    """The cumulative regret of B markets with unknown costs ``theta [B, N]``, deviations ``[B, T * N]``."""

    quantity: Floats  # [B, T, N] MW, as observed
    intercept: Floats  # [B, T] EUR/MWh
    slope: Floats  # [B] EUR/MWh per MW
    cost_slope: Floats  # [B, N] EUR/MWh per MW
    capacity: Floats  # [N] MW
    largest: float = 100.0
    """Bound of costs, EUR/MWh."""
    lowest: float = 0.0
    """Likewise, from below."""
    first: tuple[float, float] = (2.0, 10.0)
    """Between which first costs are drawn."""

    @property
    def periods(self) -> int:
        """T."""
        return self.quantity.shape[1]

    @cached_property
    def _top(self) -> Floats:
        """What the first unit earns before its cost, ``[B, T, N]``."""
        others = self.quantity.sum(axis=2, keepdims=True) - self.quantity
        return self.intercept[..., None] - self.slope[:, None, None] * others

    @cached_property
    def _half(self) -> Floats:
        return (self.slope[:, None] + self.cost_slope / 2)[:, None]  # [B, 1, N]

    def psi(self, theta: Floats, deviation: Floats, rows: Ints | None = None) -> Gradients:
        """Return the cumulative regret and its gradients; each deviation has that of its own period."""
        q, b = self.quantity, deviation.reshape(self.quantity.shape)
        margin = self._top - theta[:, None]
        value = (margin - self._half * b) * b - (margin - self._half * q) * q
        weight = np.full(q.shape[:2], 1 / self.periods)
        if rows is not None:
            weight = np.eye(self.periods)[rows]
        return Gradients(
            np.einsum("bt,btn->b", weight, value),
            np.einsum("bt,btn->bn", weight, q - b),
            ((weight[..., None] > 0) * (margin - 2 * self._half * b)).reshape(deviation.shape),
        )

    def answer(self, theta: Floats) -> Floats:
        """Return the best responses."""
        best = np.clip((self._top - theta[:, None]) / (2 * self._half), 0.0, self.capacity)
        return best.reshape(len(theta), -1)

    def project(self, theta: Floats) -> Floats:
        """Cut costs to their bounds."""
        return np.clip(theta, self.lowest, self.largest)

    def project_deviation(self, deviation: Floats) -> Floats:
        """Cut quantities to what the firms can sell; to a hundredth from below, as the authors' programs do."""
        return np.clip(deviation.reshape(self.quantity.shape), 0.01, self.capacity).reshape(deviation.shape)

    def start(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Draw first costs and quantities."""
        rows, count, firms = self.quantity.shape
        return rng.uniform(*self.first, (rows, firms)), rng.uniform(*self.first, (rows, count * firms))


def observed_cournot(game: CournotMarket) -> tuple[InverseCournot, Floats]:
    """Return the family of a market whose costs are unknown, and its costs; the price of zero is a bound, too."""
    family = InverseCournot(
        len(game.agents), game.intercept, game.slope, game.cost_slope, tuple(game.limit.tolist()), game.intercept
    )
    return family, np.array(game.cost)


def cournot_table(game: CournotMarket, trajectory: Trajectory[Any]) -> "pd.DataFrame":
    """Return play as a table of `period`, `agent`, `quantity` and `price`."""
    quantity = trajectory.state.quantity[1:].reshape(-1, len(game.agents))
    price = game.intercept - game.slope * quantity.sum(axis=1)
    return as_table(game.agents, quantity=quantity, price=np.repeat(price[:, None], len(game.agents), axis=1))
