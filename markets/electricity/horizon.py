r"""Clearing of several steps at once: storage and ramps couple one step to the next.

The problem of `walras.markets.electricity.network` over T steps, in one linear programme. A storage charges
:math:`c_t`, gives :math:`g_t`, and holds

.. math:: e_t = e_{t-1} + h (\eta_c c_t - g_t / \eta_d), \quad 0 \le e_t \le E,

with h the hours of a step. It ends with what it began with: with `start`, or where there is none with what is best.
A unit with a ramp changes by that much from step to step at most.

The duals of the balances are the prices, by step and bus. At them each storage and each unit would choose what it does,
over all steps together: so a price may lie below every cost, where one more MW now makes a ramp cheaper later.

Solver. HiGHS, by scipy. What it returns is judged by strong duality: the residual is the largest violation of a limit
or a balance, and the gap between the cost and the value of the duals, each relative to its size. Where prices are
negative, the programme may charge and give at once, which burns energy; such a step is legal here, as for a pumped
store with two machines, since to forbid it takes a binary an hour, and the clearing would have no prices. The game
`walras.envs.StorageMarket` forbids it.
"""

# scipy is only partly typed.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportArgumentType=false, reportCallIssue=false

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from scipy.optimize import linprog

from walras.core.checks import as_shaped, require, require_each
from walras.core.sizes import largest
from walras.core.typing import Floats
from walras.markets.electricity.network import TOLERANCE, NetworkMarket
from walras.markets.electricity.network_grid import Grid, unit_buses
from walras.markets.electricity.storage import Storage

Sparse: TypeAlias = Any
"""A matrix of scipy.sparse."""


@final
@dataclass(frozen=True, eq=False)
class HorizonClearing:
    """T cleared steps: n buses, K units, L lines, S storages."""

    nodal_price: Floats  # [T, n] EUR/MWh
    dispatch: Floats  # [T, K] MW
    flow: Floats  # [T, L] MW
    line_price: Floats  # [T, L] EUR/MWh that one more MW of the limit saves; negative where the flow is at its minimum
    unserved: Floats  # [T, n] MW
    charge: Floats  # [T, S] MW drawn
    discharge: Floats  # [T, S] MW given
    energy: Floats  # [T, S] MWh held at the end of the step
    cost: Floats  # [T] EUR an hour
    congestion_rent: Floats  # [T] EUR an hour
    residual: float


def clear_horizon(
    market: NetworkMarket,
    price: ArrayLike,
    quantity: ArrayLike,
    load: ArrayLike,
    storage: Sequence[Storage] = (),
    ramp: ArrayLike | None = None,
    *,
    cap: float = 4_000.0,
    step_hours: float = 1.0,
) -> HorizonClearing:
    """Clear T steps at the least cost of all of them.

    Parameters
    ----------
    market : NetworkMarket
        The network, and the buses of K units of constant marginal cost.
    price, quantity : array_like
        The offers of each step, ``[T, K]`` EUR/MWh and MW.
    load : array_like
        ``[T, n]`` MW.
    storage : sequence of Storage
        S of them.
    ramp : array_like, optional
        Largest change of a unit from step to step, ``[K]`` MW, infinite for none.
    cap : float
        Price of load left unserved, EUR/MWh.
    step_hours : float
        Hours of a step.

    Raises
    ------
    ValueError
        If an argument has the wrong shape, is not finite or is out of its range, a unit's marginal cost rises, or no
        dispatch balances every bus in every step.
    RuntimeError
        If the solver fails, or what it returns is no optimum.

    Examples
    --------
    A cheap unit that may rise by 20 MW an hour: the first price pays it to run more than it is worth.

    >>> import networkx as nx
    >>> from walras.markets.electricity.horizon import clear_horizon
    >>> from walras.markets.electricity.network import NetworkMarket
    >>> network = nx.MultiGraph()
    >>> network.add_node("bus")
    >>> market = NetworkMarket(network, ["bus", "bus"])
    >>> found = clear_horizon(market, [[10, 50]] * 2, [[200, 200]] * 2, [[50], [90]], ramp=[20, float("inf")])
    >>> found.nodal_price[:, 0].round(6).tolist(), round(float(found.cost.sum()), 6)
    ([-30.0, 50.0], 2200.0)
    """
    require(not market.slope.any(), "market", "have units of constant marginal cost", market.slope.tolist())
    require(0 < step_hours < np.inf, "step_hours", "be positive and finite", step_hours)
    require(np.isfinite(cap), "cap", "be finite", cap)
    require(len(np.asarray(load)) > 0, "load", "hold at least one step", load)
    grid = market.grid
    steps, units, buses = len(np.asarray(load)), len(grid.unit_bus), len(grid.buses)
    offer, most = as_shaped("price", price, (steps, units)), as_shaped("quantity", quantity, (steps, units))
    drawn = as_shaped("load", load, (steps, buses)) + grid.drawn
    require_each(most >= 0, "quantity", "not be negative", most)
    require_each(offer <= cap, "price", f"not exceed `cap`, {cap!r}", offer)
    change = np.full(units, np.inf) if ramp is None else np.asarray(ramp, dtype=np.float64)
    require(change.shape == (units,) and bool((change >= 0).all()), "ramp", f"have {units} entries from 0 on", ramp)
    return _Programme(grid, storage, step_hours).solve(offer, most, drawn, change, cap)


class _Programme:
    """The linear programme: variables by step are outputs, unserved loads, state, charge, discharge and energy."""

    def __init__(self, grid: Grid, storage: Sequence[Storage], hours: float) -> None:
        self.grid, self.storage, self.hours = grid, tuple(storage), hours
        sizes = (grid.unit_bus.size, len(grid.buses), grid.flow_of.shape[1], *(len(self.storage),) * 3)
        self.ends = np.cumsum((0, *sizes))
        self.width = int(self.ends[-1])

    def solve(self, offer: Floats, most: Floats, load: Floats, change: Floats, cap: float) -> HorizonClearing:
        steps, grid = len(load), self.grid
        cost = self._cost(offer, cap)
        balance, held = self._balance(), self._held(steps)
        equal = sp.vstack([sp.kron(sp.eye_array(steps), balance), held], format="csr")
        right = np.concatenate(((load + grid.incidence @ grid.offset).ravel(), np.zeros(held.shape[0])))
        above, limit = self._limits(steps, change)
        low, high = self._bounds(most, load)
        found = linprog(
            cost.ravel(), above, limit, equal, right, np.stack((low.ravel(), high.ravel()), axis=1), "highs"
        )
        require(found.status != 2, "quantity", "leave a dispatch that balances every bus in every step", found.message)
        if found.status != 0:
            raise RuntimeError(f"The solver must end at an optimum; got {found.message!r}.")
        return self._clearing(found, cost, (low, high), steps, (equal, right, above, limit))

    def _cost(self, offer: Floats, cap: float) -> Floats:
        cost = np.zeros((len(offer), self.width))
        self._part(cost, 0)[:] = offer
        self._part(cost, 1)[:] = cap
        self._part(cost, 4)[:] = [each.cost for each in self.storage]
        return cost

    def _bounds(self, most: Floats, load: Floats) -> tuple[Floats, Floats]:
        low, high = np.zeros((len(load), self.width)), np.zeros((len(load), self.width))
        self._part(high, 0)[:] = most
        self._part(high, 1)[:] = np.maximum(load, 0.0)
        self._part(low, 2)[:], self._part(high, 2)[:] = -np.inf, np.inf
        for part, name in ((3, "charge"), (4, "power"), (5, "energy")):
            self._part(high, part)[:] = [getattr(each, name) for each in self.storage]
        for k, each in enumerate(self.storage):
            if each.start is not None:  # the last step ends there; the first begins there by `_held`
                self._part(low, 5)[-1, k] = self._part(high, 5)[-1, k] = each.start
        return low, high

    def _balance(self) -> Sparse:
        """Return what each variable of a step adds to each bus, ``[n, width]``."""
        grid = self.grid
        at = np.zeros((len(grid.buses), len(self.storage)))
        if self.storage:
            position = {bus: k for k, bus in enumerate(grid.buses)}
            at[unit_buses([each.bus for each in self.storage], position), np.arange(len(self.storage))] = 1.0
        parts = [grid.units_at_bus, sp.eye_array(len(grid.buses)), -grid.outflow, -at, at, np.zeros_like(at)]
        return sp.hstack([sp.csr_array(part) for part in parts], format="csr")

    def _held(self, steps: int) -> Sparse:
        """Return the rows by which energy follows from charge and discharge, the first step after the last."""
        count, width = len(self.storage), self.width
        rows = sp.lil_array((steps * count, steps * width))
        for t in range(steps):
            for k, each in enumerate(self.storage):
                row, at = t * count + k, t * width
                before = (t - 1) % steps * width + self.ends[5] + k
                rows[row, at + self.ends[3] + k] = -self.hours * each.efficiency_charge
                rows[row, at + self.ends[4] + k] = self.hours / each.efficiency_discharge
                rows[row, at + self.ends[5] + k] += 1.0
                rows[row, before] -= 1.0
        return sp.csr_array(rows)

    def _limits(self, steps: int, change: Floats) -> tuple[Sparse, Floats]:
        """Return rows and right sides of what must not be exceeded: flows forwards and backwards, then ramps."""
        grid = self.grid
        flow = sp.hstack(
            [
                sp.csr_array((len(grid.lines), int(self.ends[2]))),
                grid.flow_of,
                sp.csr_array((len(grid.lines), self.width - int(self.ends[3]))),
            ],
            format="csr",
        )
        ahead, back = np.isfinite(grid.high), np.isfinite(grid.low)
        each = sp.vstack([flow[ahead], -flow[back]], format="csr")
        most = np.concatenate(((grid.high - grid.offset)[ahead], -(grid.low - grid.offset)[back]))
        bound = np.flatnonzero(np.isfinite(change))
        chosen = sp.csr_array((np.ones(bound.size), (np.arange(bound.size), bound)), shape=(bound.size, self.width))
        later = sp.diags_array([np.ones(steps - 1), -np.ones(steps - 1)], offsets=[1, 0], shape=(steps - 1, steps))
        rise = sp.kron(later, chosen, format="csr")
        rows = sp.vstack([sp.kron(sp.eye_array(steps), each), rise, -rise], format="csr")
        return rows, np.concatenate((np.tile(most, steps), np.tile(change[bound], 2 * (steps - 1))))

    def _clearing(
        self,
        found: Any,  # noqa: ANN401 - scipy's result
        cost: Floats,
        bounds: tuple[Floats, Floats],
        steps: int,
        rows: tuple[Any, ...],
    ) -> HorizonClearing:
        grid, x = self.grid, found.x.reshape(steps, self.width)
        n, ahead, back = len(grid.buses), np.isfinite(grid.high), np.isfinite(grid.low)
        nodal = found.eqlin.marginals[: steps * n].reshape(steps, n)
        flow = self._part(x, 2) @ grid.flow_of.T + grid.offset
        of_limits = -found.ineqlin.marginals[: steps * int(ahead.sum() + back.sum())].reshape(steps, -1)
        line_price = np.zeros(flow.shape)
        line_price[:, ahead] += of_limits[:, : int(ahead.sum())]
        line_price[:, back] -= of_limits[:, int(ahead.sum()) :]
        residual = _residual(found, cost, bounds, rows)
        if not residual <= TOLERANCE:
            raise RuntimeError(
                f"The solver must end at an optimum; got a residual of {residual:.3g}, above {TOLERANCE}."
            )
        return HorizonClearing(
            nodal_price=nodal,
            dispatch=self._part(x, 0).copy(),
            flow=flow,
            line_price=line_price,
            unserved=self._part(x, 1).copy(),
            charge=self._part(x, 3).copy(),
            discharge=self._part(x, 4).copy(),
            energy=self._part(x, 5).copy(),
            cost=np.sum(cost * x, axis=1),
            congestion_rent=-np.sum((nodal @ grid.incidence) * flow, axis=1),
            residual=residual,
        )

    def _part(self, values: Floats, part: int) -> Floats:
        """Return the columns ``[T, size]`` of a part of the variables, as a view."""
        return values[:, self.ends[part] : self.ends[part + 1]]


def _residual(found: Any, cost: Floats, bounds: tuple[Floats, Floats], rows: tuple[Any, ...]) -> float:  # noqa: ANN401
    """Return the largest violation, and the gap between cost and value of the duals, relative to their sizes."""
    equal, right, above, limit = rows
    low, high = (bound.ravel() for bound in bounds)
    outside = [np.abs(equal @ found.x - right), np.maximum(above @ found.x - limit, 0.0)]
    outside += [np.maximum(low - found.x, 0.0), np.maximum(found.x - high, 0.0)]
    lower, upper = found.lower.marginals, found.upper.marginals
    ends = np.where(np.isfinite(low), low, 0.0) @ lower + np.where(np.isfinite(high), high, 0.0) @ upper
    dual = float(right @ found.eqlin.marginals + limit @ found.ineqlin.marginals + ends)
    slopes = cost.ravel() - equal.T @ found.eqlin.marginals - above.T @ found.ineqlin.marginals - lower - upper
    size = max(float(np.abs(cost.ravel()) @ np.abs(found.x)), 1.0)
    scale = max(largest(right), largest(high[np.isfinite(high)]), 1.0)
    return max(
        largest(*outside) / scale, abs(float(found.fun) - dual) / size, largest(slopes) / max(largest(cost), 1.0)
    )
