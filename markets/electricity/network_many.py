"""Many clearings of one network: one model of HiGHS, whose costs and bounds change from row to row.

Each row starts from its own merit order: in every part that alternating current joins, the cheapest units run until
they cover the load, one runs in part, and angles are free. This is the optimum where no line is at its limit, and its
prices, all equal, break no rule of optimality where one is: the dual simplex goes on from there, two steps on average.
No row starts from the one before, which would be as fast: where optima tie, another order of the rows would then find
another dispatch.
"""

# highspy and scipy.sparse are only partly typed.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportAttributeAccessIssue=false

from typing import Any, final

import highspy
import numpy as np
import scipy.sparse as sp

from walras.core.checks import require
from walras.core.typing import Floats, Ints
from walras.markets.electricity.network_grid import Grid
from walras.markets.electricity.network_program import UNITS, Found, Offered

LOWER, BASIC, UPPER = range(3)
STATUS: Any = np.array(
    [highspy.HighsBasisStatus.kLower, highspy.HighsBasisStatus.kBasic, highspy.HighsBasisStatus.kUpper], dtype=object
)
TOLERANCE = 1e-10
OPTIONS = {
    "output_flag": False,
    "threads": 1,
    "presolve": "off",  # it takes longer than the two steps that are left
    "solver": "simplex",
    "primal_feasibility_tolerance": TOLERANCE,
    "dual_feasibility_tolerance": TOLERANCE,
}


@final
class Rows:
    """The programme of one network at constant marginal costs.

    Its variables are outputs, unserved loads and the state of the network; its rows the balances of the buses, and the
    flows of the lines that have limits.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.units, self.buses, self.state = grid.unit_bus.size, len(grid.buses), grid.flow_of.shape[1]
        self._island = _islands(grid)
        self.model = self._built()
        chosen = self.units + self.buses
        self._chosen = np.arange(chosen, dtype=np.int32)
        self._every = np.arange(self.buses + grid.limited.size, dtype=np.int32)

    def solve(self, asked: Offered) -> Found | None:
        """Return an optimum, or nothing where the solver fails.

        Raises
        ------
        ValueError
            If no dispatch balances every bus.
        """
        power, money = asked.power_scale / UNITS[0][0], asked.price_scale / UNITS[0][1]
        self.model.clearSolver()
        self.ask(asked, power, money)
        self.model.setBasis(self._merit_order(asked))
        self.model.run()
        status = self.model.getModelStatus()
        balances = status != highspy.HighsModelStatus.kInfeasible
        rule = "leave a dispatch that balances every bus, with no more fixed output than loads and lines take"
        require(balances, "minimum", rule, "infeasible")
        return self._found(power, money) if status == highspy.HighsModelStatus.kOptimal else None

    def _built(self) -> Any:  # noqa: ANN401 - highspy.Highs
        grid, lp, free = self.grid, highspy.HighsLp(), highspy.kHighsInf
        balance = sp.hstack([grid.units_at_bus, sp.eye_array(self.buses), -grid.outflow])
        nothing = sp.csr_array((grid.limited.size, self.units + self.buses))
        matrix = sp.csc_array(sp.vstack([balance, sp.hstack([nothing, grid.flow_of[grid.limited]])]))
        lp.num_row_, lp.num_col_ = matrix.shape
        lp.col_cost_ = np.zeros(lp.num_col_)
        lp.col_lower_, lp.col_upper_ = np.full(lp.num_col_, -free), np.full(lp.num_col_, free)
        lp.row_lower_, lp.row_upper_ = np.full(lp.num_row_, -free), np.full(lp.num_row_, free)
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = matrix.indptr, matrix.indices, matrix.data
        model = highspy.Highs()
        for name, value in OPTIONS.items():
            model.setOptionValue(name, value)
        model.passModel(lp)
        return model

    def ask(self, asked: Offered, power: float, money: float) -> None:
        """Put costs and bounds in, in units of `power` MW and `money` EUR/MWh."""
        grid, at = self.grid, self.grid.limited
        cost = np.concatenate((asked.price, np.full(self.buses, asked.cap))) / money
        low = np.concatenate((asked.minimum, np.zeros(self.buses))) / power
        high = np.concatenate((asked.quantity, asked.sheddable)) / power
        balance = asked.load + grid.incidence @ grid.offset
        self.model.changeColsCost(cost.size, self._chosen, cost)
        self.model.changeColsBounds(cost.size, self._chosen, low, high)
        least = np.concatenate((balance, grid.low[at] - grid.offset[at])) / power
        most = np.concatenate((balance, grid.high[at] - grid.offset[at])) / power
        self.model.changeRowsBounds(least.size, self._every, least, most)

    def _merit_order(self, asked: Offered) -> Any:  # noqa: ANN401 - highspy.HighsBasis
        status = np.full(self.units + self.buses + self.state, LOWER)
        status[self.units + self.buses : len(status) - self.grid.direct.size] = BASIC
        cheapest = np.argsort(asked.price, kind="stable")
        for island in range(int(self._island.max()) + 1):
            here = self._island == island
            order = cheapest[here[self.grid.unit_bus[cheapest]]]
            left = asked.load[here].sum() - asked.minimum[order].sum()
            full = int(np.searchsorted(np.cumsum((asked.quantity - asked.minimum)[order]), left))
            status[order[:full]] = UPPER
            status[order[full] if full < order.size else self.units + int(np.argmax(here))] = BASIC
        basis = highspy.HighsBasis()
        basis.col_status = STATUS[status].tolist()
        basis.row_status = [STATUS[LOWER]] * self.buses + [STATUS[BASIC]] * self.grid.limited.size
        basis.valid = True
        return basis

    def _found(self, power: float, money: float) -> Found:
        solution, loads = self.model.getSolution(), slice(self.units, self.units + self.buses)
        x, dual = np.array(solution.col_value) * power, np.array(solution.row_dual) * money
        line_price = np.zeros(len(self.grid.lines))
        line_price[self.grid.limited] = -dual[self.buses :]
        flow = self.grid.flow_of @ x[loads.stop :] + self.grid.offset
        return Found(x[: self.units], x[loads], flow, dual[: self.buses], line_price)


def _islands(grid: Grid) -> Ints:
    """Return which part each bus is in, ``[n]``: parts are joined by alternating current."""
    joined = np.setdiff1d(np.arange(len(grid.lines)), grid.direct)
    ends = abs(sp.csr_array(grid.incidence))[:, joined]
    return sp.csgraph.connected_components(ends @ ends.T, directed=False)[1].astype(np.int64)


def stacked(each: list[Any], name: str) -> Floats:
    """Return an attribute of all, one a row."""
    return np.array([getattr(one, name) for one in each])
