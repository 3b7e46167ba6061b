"""The interval of a bus's prices: where an optimum has more than one vector of prices, how far each may move.

When a load meets the edge of a block exactly, every price between the two blocks supports the dispatch. The optimal
duals are those that satisfy the conditions of optimality beside any one optimum:

- the price at a unit's bus is its marginal cost where it is inside its limits, not below it at its quantity, and not
  above it at its minimum; likewise for load left unserved, at the cap;
- a line has a price only where it is at a limit, of the sign of that limit;
- prices leave angles and direct flows no gradient, as `walras.markets.electricity.network_certificate` has it.

The least and the largest price at the bus over these are two linear programmes. Exchanges that publish one price take
the middle of the interval, where both ends are finite: `NetworkClearing.midpoint`.

Taken bus by bus, the middles need not support the dispatch together, as an end of one interval may ask for other prices
elsewhere. `nearest_to_midpoints` returns the supporting prices that are nearest to them, in the sum of squares over the
buses: the middles themselves wherever these support it. All prices follow from those at the reference buses, one for
each part that alternating current joins, and from those of the lines at a limit; so these few numbers are looked for.
"""

# scipy is only partly typed.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportArgumentType=false, reportCallIssue=false

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from walras.core.sizes import largest
from walras.core.typing import Bools, Floats, Ints
from walras.markets.electricity.network_certificate import EDGE, PriceLaw
from walras.markets.electricity.network_grid import Grid, Sparse
from walras.markets.electricity.network_program import Found, Offered

UNBOUNDED = 3
"""scipy's status of a programme without an end."""
ROUNDING = 1e-9
"""Of the largest price: by less, prices may miss a rule."""


def price_interval(grid: Grid, asked: Offered, found: Found, bus: int) -> tuple[float, float]:
    """Return the least and the largest price that supports an optimum at a bus, EUR/MWh.

    An end is infinite where nothing bounds the price: at a bus with neither load nor unit nor line, or beside a unit
    that must draw or give what it does.

    Raises
    ------
    RuntimeError
        If the linear programme fails.
    """
    low, high = _ends(grid, asked, found)
    law = sp.hstack([grid.moved @ grid.across, grid.moved], format="csr")
    above, most = _rules(grid, asked, found)
    aim = np.zeros(low.size)
    aim[bus] = 1.0
    least = _least(aim, law, above, most, np.stack((low, high), axis=1))
    return least, -_least(-aim, law, above, most, np.stack((low, high), axis=1))


@dataclass(frozen=True, eq=False)
class _Supporting:
    """The prices that support an optimum, by Z numbers z: those of the reference buses and of lines at a limit."""

    price: Floats  # [n, Z] prices of buses are this by z
    line: Floats  # [L, Z] prices of lines likewise
    even: Floats  # [D, Z] by z 0: direct flows leave no gain
    fixed: Floats  # [I, Z] by z the marginal costs of units inside their limits
    above: Floats  # [R, Z] by z at most `most`
    most: Floats  # [R] EUR/MWh
    bounds: Floats  # [Z, 2] of z

    @property
    def unique(self) -> bool:
        """Whether what is an equation alone determines z."""
        rows = np.concatenate((self.even, self.fixed))
        return bool(np.linalg.matrix_rank(rows) == rows.shape[1])

    def interval(self, row: Floats) -> tuple[float, float]:
        """Return the least and the largest of ``row [Z]`` by z."""
        rules = sp.csr_array(self.even), self.above, self.most, self.bounds
        return _least(row, *rules), -_least(-row, *rules)

    def nearest(self, price: Floats) -> Floats:
        """Return z of the supporting prices of buses that are nearest to ``price [n]``."""
        exact: Floats = np.asarray(np.linalg.lstsq(self.price, price, rcond=None)[0], dtype=np.float64)
        return exact if self._holds(exact, ROUNDING * max(largest(price), 1.0)) else self._projected(price)

    def _holds(self, z: Floats, edge: float) -> bool:
        low, high = self.bounds.T
        beyond = [np.abs(self.even @ z), self.above @ z - self.most, low - z, z - high]
        return bool(all((part <= edge).all() for part in beyond))

    def _projected(self, price: Floats) -> Floats:
        import cvxpy as cp

        z, scale = cp.Variable(self.price.shape[1]), max(largest(price), 1.0)
        low, high = self.bounds.T
        rules: list[Any] = [self.above @ z <= self.most / scale, self.even @ z == 0]
        rules += [z[np.isfinite(low)] >= low[np.isfinite(low)] / scale]
        rules += [z[np.isfinite(high)] <= high[np.isfinite(high)] / scale]
        far: Any = cp.sum_squares(self.price @ z - price / scale)
        cp.Problem(cp.Minimize(far), rules).solve(solver=cp.CLARABEL)
        if z.value is None:
            raise RuntimeError("The solver must end at supporting prices; got none.")
        return np.asarray(z.value, dtype=np.float64) * scale


def nearest_to_midpoints(grid: Grid, law: PriceLaw, asked: Offered, found: Found) -> Found:
    """Return an optimum at the supporting prices that are nearest to the middles of all buses' intervals.

    A price of which an end is infinite has no middle, and is drawn to what it is.

    Raises
    ------
    RuntimeError
        If a programme fails.
    """
    prices = _supporting(grid, law, asked, found)
    if prices.unique:
        return found
    rows, of_row = np.unique(prices.price.round(12), axis=0, return_inverse=True)
    ends = np.array([prices.interval(row) for row in rows])[of_row.ravel()]
    middle = np.where(np.isfinite(ends).all(axis=1), ends.sum(axis=1) / 2, found.nodal_price)
    z = prices.nearest(middle)
    return replace(found, nodal_price=prices.price @ z, line_price=prices.line @ z)


def _supporting(grid: Grid, law: PriceLaw, asked: Offered, found: Found) -> _Supporting:
    n, parts = len(grid.buses), grid.reference.size
    low, high = (end[n:] for end in _ends(grid, asked, found))
    at = np.flatnonzero((low < 0) | (high > 0))
    line = np.zeros((len(grid.lines), parts + at.size))
    line[at, parts + np.arange(at.size)] = 1.0
    reference = np.zeros((n, line.shape[1]))
    reference[grid.reference, np.arange(parts)] = 1.0
    price = np.stack([law.prices(*each) for each in zip(reference.T, line.T, strict=True)], axis=1)
    above, most = _rules(grid, asked, found)
    free = np.full((parts, 2), (-np.inf, np.inf))
    return _Supporting(
        price=price,
        line=line,
        even=(grid.across @ price + line)[grid.direct],
        fixed=price[_setters(grid, asked, found)],
        above=above[:, :n] @ price,
        most=most,
        bounds=np.concatenate((free, np.stack((low, high), axis=1)[at])),
    )


def _least(aim: Floats, law: Sparse, above: Sparse, most: Floats, bounds: Floats) -> float:
    found = linprog(aim, above, most, law, np.zeros(law.shape[0]), bounds, "highs")
    if found.status == UNBOUNDED:
        return -np.inf
    if found.status != 0:
        raise RuntimeError(f"The solver must end at an optimum; got {found.message!r}.")
    return float(found.fun)


def _ends(grid: Grid, asked: Offered, found: Found) -> tuple[Floats, Floats]:
    """Return the ends of the prices at buses, which are free, and of those of lines, ``[n + L]`` each."""
    edge, n = EDGE * asked.power_scale, len(grid.buses)
    line_low, line_high = np.zeros(len(grid.lines)), np.zeros(len(grid.lines))
    line_high[found.flow >= grid.high - edge] = np.inf
    line_low[found.flow <= grid.low + edge] = -np.inf
    return np.concatenate((np.full(n, -np.inf), line_low)), np.concatenate((np.full(n, np.inf), line_high))


def _rules(grid: Grid, asked: Offered, found: Found) -> tuple[Sparse, Floats]:
    """Return the rows by which marginal costs bound prices: below by what may still fall, above by what may rise."""
    n, bus = len(grid.buses), _places(grid)
    marginal = np.concatenate((asked.marginal(found.dispatch), np.full(n, asked.cap)))
    down, up = _room(asked, found)
    rows = np.concatenate((np.flatnonzero(down), np.flatnonzero(up)))
    sign = np.repeat([-1.0, 1.0], [int(down.sum()), int(up.sum())])
    matrix = sp.csr_array((sign, (np.arange(rows.size), bus[rows])), shape=(rows.size, n + len(grid.lines)))
    return matrix, sign * marginal[rows]


def _setters(grid: Grid, asked: Offered, found: Found) -> Ints:
    """Return the buses at which a unit, or load left unserved, is inside its limits and makes the price."""
    down, up = _room(asked, found)
    return np.unique(_places(grid)[down & up])


def _places(grid: Grid) -> Ints:
    """Return the bus of each unit, and of load left unserved at each bus."""
    return np.concatenate((grid.unit_bus, np.arange(len(grid.buses))))


def _room(asked: Offered, found: Found) -> tuple[Bools, Bools]:
    """Return which units and unserved loads may fall, and which may rise."""
    edge, none = EDGE * asked.power_scale, np.zeros_like(found.unserved)
    x = np.concatenate((found.dispatch, found.unserved))
    least, most = np.concatenate((asked.minimum, none)), np.concatenate((asked.quantity, asked.sheddable))
    return x > least + edge, x < most - edge
