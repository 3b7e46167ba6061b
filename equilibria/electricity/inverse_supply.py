r"""Supply functions with unknown costs: what observed curves, or prices and quantities alone, say of generators' costs.

Demand is :math:`n - g p`; firm i of cost :math:`c_i q + d_i q^2 / 2` offers :math:`q = \beta_i (p - \alpha_i)`
against a residual demand of slope :math:`S_i = g + \sum_{j \ne i} \beta_j`. It is at its best at the point (p, q) if
and only if

.. math:: c_i + d_i \, q = p - q / S_i,

which is linear in its costs: profit is concave along the residual demand, with curvature :math:`-(2 + S_i d_i) / S_i`.
Points at two different quantities determine both numbers; one quantity leaves a line of them, which is reported.

Where a table has curves, each is judged at all demands of the market (`demand`), as expected profit does. Where it has
prices and quantities alone, each firm's line is that of its points, which must have two different prices.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from walras.core.checks import require, require_each, require_whole
from walras.core.rollout import Trajectory
from walras.core.typing import Floats, Ints
from walras.envs.electricity.supply_function_market import SupplyFunctionMarket
from walras.equilibria.inverse.family import AbstractFamily, Regrets
from walras.equilibria.inverse.moments import Moments
from walras.equilibria.inverse.parameter_set import ParameterSet
from walras.equilibria.inverse.tables import as_table, by_period, per_period

if TYPE_CHECKING:
    import pandas as pd

FLAT = 1e-9
"""Share of the largest price within which prices are one."""


@final
@dataclass(frozen=True, eq=False)
class SupplyPlay:
    """Observed outcomes, V demands a period, and the slope of the residual demand that each firm met."""

    price: Floats  # [T, V] EUR/MWh
    quantity: Floats  # [T, N, V] MW
    residual: Floats  # [T, N] MW per EUR/MWh


@final
@dataclass(frozen=True)
class InverseSupply(AbstractFamily[SupplyPlay]):
    """Competition in affine supply functions; the firms' costs and their slopes are unknown.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    unit: ClassVar[str] = "EUR/h"

    firms: int = 3
    demand_slope: float = 0.7  # MW per EUR/MWh
    demand: tuple[float, ...] = ()
    """Demands at price zero at which curves are judged, MW, equally likely; needed where a table has curves."""
    largest: float = 1000.0
    """Bound of costs, EUR/MWh."""
    steepest: float = 100.0
    """Bound of their slopes, EUR/MWh per MW."""

    def __post_init__(self) -> None:
        require_whole(self.firms, "firms")
        for name in ("demand_slope", "largest", "steepest"):
            value = getattr(self, name)
            require(0 < value < np.inf, name, "be positive and finite", value)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``firm_0`` .. ``firm_{N-1}``."""
        return tuple(f"firm_{i}" for i in range(self.firms))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Costs at zero, then their slopes."""
        return tuple(f"{name}_{i}" for name in ("cost", "cost_slope") for i in range(self.firms))

    @cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        """From zero to `largest` and `steepest`."""
        return np.zeros(2 * self.firms), np.repeat([self.largest, self.steepest], self.firms)

    def of_curves(self, curve: Floats) -> SupplyPlay:
        """Return what curves ``[T, N, 2]``, intercept and slope, lead to at each demand.

        Raises
        ------
        ValueError
            If `demand` is empty, or a slope is negative.
        """
        require(len(self.demand) > 0, "demand", "hold the demands at which curves are judged", self.demand)
        require_each(curve[..., 1] >= 0, "slope", "not be negative, MW per EUR/MWh", curve[..., 1])
        level, slope = curve.prod(axis=2), curve[..., 1]
        total = self.demand_slope + slope.sum(axis=1, keepdims=True)
        price = (np.array(self.demand) + level.sum(axis=1, keepdims=True)) / total
        quantity = slope[..., None] * (price[:, None] - curve[..., :1])
        return SupplyPlay(price, quantity, total - slope)

    def read(self, table: "pd.DataFrame") -> SupplyPlay:
        """Read columns `period`, `agent`, and `intercept` and `slope`, or else `price` and `quantity`.

        Raises
        ------
        ValueError
            If the table does not fit, or prices are all the same, so that no line goes through a firm's points.
        """
        if "intercept" in table or "slope" in table:
            found = by_period(table, ["intercept", "slope"], self.agents)
            return self.of_curves(np.stack([found["intercept"], found["slope"]], axis=2))
        found = by_period(table, ["price", "quantity"], self.agents)
        price, quantity = per_period(found["price"], "price"), found["quantity"]
        rule = "differ between periods, for a firm's curve to be seen; give `intercept` and `slope`"
        require(float(np.ptp(price)) > FLAT * float(np.abs(price).max()), "price", rule, price)
        away = price - price.mean()
        slope = away @ quantity / (away @ away)
        require_each(slope >= 0, "quantity", "rise with the price", slope)
        residual = np.broadcast_to(self.demand_slope + slope.sum() - slope, quantity.shape)
        return SupplyPlay(price[:, None], quantity[..., None], residual.copy())

    def check(self, observed: SupplyPlay) -> None:
        """Refuse shapes and signs that do not fit.

        Raises
        ------
        ValueError
            If there are any.
        """
        p, q, s = observed.price, observed.quantity, observed.residual
        require(p.ndim == 2, "price", "have shape [T, V]", p.shape)
        shape = (len(p), self.firms, p.shape[1])
        require(q.shape == shape, "quantity", f"have shape {shape}", q.shape)
        require(s.shape == shape[:2], "residual", f"have shape {shape[:2]}", s.shape)
        require_each(np.isfinite(p), "price", "be finite", p)
        require_each(np.isfinite(q), "quantity", "be finite", q)
        require_each(s > 0, "residual", "be positive, MW per EUR/MWh", s)

    def conditions(self, observed: SupplyPlay) -> ParameterSet:
        """Return the costs that meet the first-order conditions at all points."""
        found = self.moments(observed)
        rows = found.rows.reshape(-1, 2 * self.firms)
        return ParameterSet(self.names, *self.bounds, equal=rows, level=found.level.ravel())

    def moments(self, observed: SupplyPlay) -> Moments:
        """Return the conditions of each period, which hold on average where prices, not quantities, have errors."""
        p, q = observed.price[:, None], observed.quantity
        rows, firm = np.zeros((*q.shape, 2 * self.firms)), np.arange(self.firms)
        rows[:, firm, :, firm] = 1.0
        for i in firm:
            rows[:, i, :, self.firms + i] = q[:, i]
        level = p - q / observed.residual[..., None]
        rows = rows.reshape(len(q), -1, 2 * self.firms)
        return Moments(rows, level.reshape(len(q), -1), rows)

    def own(self, player: int) -> Ints:
        """Return the places of a firm's cost and of its slope."""
        return np.array([player, self.firms + player])

    def regrets(self, observed: SupplyPlay, theta: Floats) -> Regrets:
        """Return what the best quantities along the residual demands gain, on average over demands."""
        cost, steep = theta[: self.firms, None], theta[self.firms :, None]
        p, q, s = observed.price[:, None], observed.quantity, observed.residual[..., None]
        base = q + s * p
        best = (base - s * cost) / (2 + s * steep)
        payoff = q * (p - cost - steep * q / 2)
        ideal = best * ((base - best) / s - cost - steep * best / 2)
        rows, firm = np.zeros((*q.shape[:2], 2 * self.firms)), np.arange(self.firms)
        rows[:, firm, firm] = (q - best).mean(axis=2)
        rows[:, firm, self.firms + firm] = (q**2 - best**2).mean(axis=2) / 2
        now = payoff.mean(axis=2)
        return Regrets(np.maximum(ideal.mean(axis=2) - now, 0.0), now, rows)


def observed_supply(game: SupplyFunctionMarket) -> tuple[InverseSupply, Floats]:
    """Return the family of a market whose costs are unknown, and its costs."""
    return InverseSupply(len(game.agents), game.demand_slope, game.demand), np.ravel((game.cost, game.cost_slope))


def supply_table(game: SupplyFunctionMarket, trajectory: Trajectory[Any]) -> "pd.DataFrame":
    """Return play as a table of `period`, `agent`, `intercept` and `slope`."""
    curve = trajectory.state.curve[1:].reshape(-1, len(game.agents), 2)
    return as_table(game.agents, intercept=curve[..., 0], slope=curve[..., 1])
