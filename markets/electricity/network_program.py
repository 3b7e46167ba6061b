"""The programme of a network's clearing: built once, solved for any offers and loads.

Power is counted in parts of the largest load and money in parts of the largest marginal cost, so that the solvers'
absolute tolerances mean the same in every market. Linear costs go to HiGHS. Costs with a slope go to Clarabel, as the
quadratic solver of HiGHS does not end on small published cases; it finds the dispatch, and the prices are then those of
the linear programme at the marginal costs of that dispatch: they have the same optimal duals, and HiGHS returns a
vertex of these, where an interior point may be far up a face that has no end.
"""

# cvxpy and scipy.sparse are only partly typed.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import cvxpy as cp
import numpy as np

from walras.core.checks import require
from walras.core.sizes import largest
from walras.core.typing import Floats
from walras.markets.electricity.network_grid import Grid

UNITS = ((3.0, 10.0, 1e-12), (3.0, 100.0, 1e-12), (1.0, 10.0, 1e-12), (1.0, 1.0, 1e-10), (10.0, 1.0, 1e-10))
"""What is tried in turn: units in the largest load and in the largest marginal cost, and the solver's tolerances.

An interior point fails in any fixed units in one market in fifty; in the units after, at a tolerance that leaves it
room, it succeeds. Which one found the optimum does not matter: it is judged afterwards.
"""
NEVER = 1e-16  # its tolerances for a proof that there is no optimum: at 1e-8 a high cap looks like one
TOLERANCES = ("tol_gap_abs", "tol_gap_rel", "tol_feas")
LINEAR = tuple(
    {"solver": cp.HIGHS, "dual_feasibility_tolerance": tolerance, "primal_feasibility_tolerance": tolerance}
    for tolerance in (1e-10, 1e-8, 1e-7)
)
"""HiGHS's options that are tried in turn: the tightest stalls where a cap is a million times a price."""
QUADRATIC = {
    "solver": cp.CLARABEL,
    "equilibrate_enable": False,  # its own scaling makes it stop up to 0.4 % above the optimum when the cap is high
    "max_iter": 500,
    **dict.fromkeys(("tol_infeas_abs", "tol_infeas_rel"), NEVER),
}


@dataclass(frozen=True, eq=False)
class Offered:
    """What a clearing is asked to clear."""

    price: Floats  # [K] EUR/MWh at zero output
    slope: Floats  # [K] EUR/MWh per MW
    minimum: Floats  # [K] MW
    quantity: Floats  # [K] MW
    load: Floats  # [n] MW, what lines draw included
    cap: float  # EUR/MWh

    @property
    def sheddable(self) -> Floats:
        """Load that may be left unserved, ``[n]`` MW."""
        return np.maximum(self.load, 0.0)

    @cached_property
    def power_scale(self) -> float:
        """Size of the market, MW: its largest load, or its largest unit where there is none."""
        return largest(self.load) or largest(self.quantity, self.minimum) or 1.0

    @cached_property
    def price_scale(self) -> float:
        """Size of its prices, EUR/MWh: the largest that is offered, or the cap where all are 0."""
        return largest(self.price, self.slope * np.maximum(np.abs(self.quantity), np.abs(self.minimum))) or self.cap

    def marginal(self, dispatch: Floats) -> Floats:
        """Marginal costs at ``dispatch [K]``, EUR/MWh."""
        return self.price + self.slope * dispatch

    def cost(self, dispatch: Floats, unserved: Floats) -> float:
        """Cost of the dispatch and of the load left unserved, EUR."""
        return float(self.price @ dispatch + self.slope @ dispatch**2 / 2 + self.cap * unserved.sum())


@dataclass(frozen=True, eq=False)
class Found:
    """What the programme returns."""

    dispatch: Floats  # [K] MW
    unserved: Floats  # [n] MW
    flow: Floats  # [L] MW
    nodal_price: Floats  # [n] EUR/MWh
    line_price: Floats  # [L] EUR/MWh that one more MW of the limit saves, negative where the flow runs at its minimum


@final
class Programme:
    """The programmes of one network and one set of slopes.

    Parameters
    ----------
    grid : Grid
        The network.
    slope : Floats
        ``[K]``.
    """

    def __init__(self, grid: Grid, slope: Floats) -> None:
        self._linear = _Built(grid, np.zeros_like(slope))
        self._quadratic = _Built(grid, slope) if slope.any() else None

    def solve(self, asked: Offered) -> Iterator[Found]:
        """Yield what should be an optimum, from scratch, so that a clearing does not depend on the one before.

        Raises
        ------
        ValueError
            If no dispatch balances every bus.
        RuntimeError
            If the solver of the linear programme fails.
        """
        linear = self._linear.solve(asked, asked.price)
        if self._quadratic is None:
            yield linear
            return
        for units in UNITS:
            with suppress(RuntimeError):
                yield self._priced(asked, self._quadratic.solve(asked, asked.price, units))

    def _priced(self, asked: Offered, found: Found) -> Found:
        """Return an optimum within its limits, at the prices of the linear programme at its marginal costs."""
        dispatch = np.clip(found.dispatch, asked.minimum, asked.quantity)
        unserved = np.clip(found.unserved, 0.0, asked.sheddable)
        prices = self._linear.solve(asked, asked.marginal(dispatch))
        return Found(dispatch, unserved, found.flow, prices.nodal_price, prices.line_price)


class _Built:
    """A programme with its parameters."""

    def __init__(self, grid: Grid, slope: Floats) -> None:
        n, K, L = len(grid.buses), grid.unit_bus.size, len(grid.lines)
        self.grid, self.quadratic = grid, bool(slope.any())
        self.x, self.u, self.state = cp.Variable(K), cp.Variable(n), cp.Variable(grid.flow_of.shape[1])
        self.price, self.rise, self.cap = cp.Parameter(K), cp.Parameter(K, nonneg=True), cp.Parameter()
        self.least, self.most, self.load, self.shed = (cp.Parameter(size) for size in (K, K, n, n))
        self.offset, self.low, self.high = (cp.Parameter(L) for _ in range(3))
        # The flows are substituted out: a variable and a row less for each line.
        outflow = grid.outflow @ self.state + grid.incidence @ self.offset
        self.balance: Any = grid.units_at_bus @ self.x + self.u - outflow == self.load
        bounds = [self.x >= self.least, self.x <= self.most, self.u >= 0, self.u <= self.shed]
        self.floor, self.ceiling = np.isfinite(grid.low), np.isfinite(grid.high)
        flow = grid.flow_of @ self.state + self.offset
        self.forward: Any = flow[self.ceiling] <= self.high[self.ceiling] if self.ceiling.any() else None
        self.backward: Any = self.low[self.floor] <= flow[self.floor] if self.floor.any() else None
        limits = [limit for limit in (self.forward, self.backward) if limit is not None]
        cost: Any = self.price @ self.x + self.cap * cp.sum(self.u)
        if self.quadratic:
            cost += cp.sum(cp.multiply(self.rise / 2, cp.square(self.x)))
        self.problem = cp.Problem(cp.Minimize(cost), [self.balance, *bounds, *limits])

    def solve(self, asked: Offered, price: Floats, units: tuple[float, float, float] = UNITS[0]) -> Found:
        """Return an optimum at these prices, found in these units.

        Raises
        ------
        ValueError
            If no dispatch balances every bus.
        RuntimeError
            If the solver fails.
        """
        power, money = asked.power_scale / units[0], asked.price_scale / units[1]
        self._set(asked, price, power, money)
        self._solved((QUADRATIC | dict.fromkeys(TOLERANCES, units[2]),) if self.quadratic else LINEAR)
        x, u, state = (np.asarray(part.value, dtype=np.float64) for part in (self.x, self.u, self.state))
        # cvxpy adds y (generation - load - outflow) to the cost, so the cost of more load is -y.
        nodal = -np.asarray(self.balance.dual_value) * money
        flow = self.grid.flow_of @ state * power + self.grid.offset
        return Found(x * power, u * power, flow, nodal, self._line_price() * money)

    def _set(self, asked: Offered, price: Floats, power: float, money: float) -> None:
        self.price.value, self.cap.value = price / money, asked.cap / money
        self.rise.value = asked.slope * (power / money)
        self.least.value, self.most.value = asked.minimum / power, asked.quantity / power
        self.load.value, self.shed.value = asked.load / power, asked.sheddable / power
        self.offset.value = self.grid.offset / power
        self.low.value = np.where(self.floor, self.grid.low, 0.0) / power
        self.high.value = np.where(self.ceiling, self.grid.high, 0.0) / power

    def _solved(self, tried: Sequence[dict[str, Any]]) -> None:
        for options in tried:
            with warnings.catch_warnings(), suppress(cp.SolverError):
                warnings.simplefilter("ignore")  # of accuracy, which is measured afterwards
                self.problem.solve(**options, enforce_dpp=True, warm_start=False)
                break
        status = str(self.problem.status)
        require(
            not status.startswith("infeasible"),
            "minimum",
            "leave a dispatch that balances every bus, with no more fixed output than loads and lines take",
            status,
        )
        if self.x.value is None:
            raise RuntimeError(f"The solver must end at an optimum; got status {status!r}.")

    def _line_price(self) -> Floats:
        duals = np.zeros(len(self.grid.lines))
        if self.forward is not None:
            duals[self.ceiling] += self.forward.dual_value
        if self.backward is not None:
            duals[self.floor] -= self.backward.dual_value
        return duals
