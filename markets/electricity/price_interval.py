"""The interval of a bus's prices: where an optimum has more than one vector of prices, how far each may move.

When a load meets the edge of a block exactly, every price between the two blocks supports the dispatch. The optimal
duals are those that satisfy the conditions of optimality beside any one optimum:

- the price at a unit's bus is its marginal cost where it is inside its limits, not below it at its quantity, and not
  above it at its minimum; likewise for load left unserved, at the cap;
- a line has a price only where it is at a limit, of the sign of that limit;
- prices leave angles and direct flows no gradient, as `walras.markets.electricity.network_certificate` has it.

The least and the largest price at the bus over these are two linear programmes. Exchanges that publish one price take
the middle of the interval, where both ends are finite: `NetworkClearing.midpoint`.
"""

# scipy is only partly typed.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportArgumentType=false, reportCallIssue=false

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from walras.core.typing import Floats
from walras.markets.electricity.network_certificate import EDGE
from walras.markets.electricity.network_grid import Grid, Sparse
from walras.markets.electricity.network_program import Found, Offered

UNBOUNDED = 3
"""scipy's status of a programme without an end."""


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
    edge, n = EDGE * asked.power_scale, len(grid.buses)
    bus = np.concatenate((grid.unit_bus, np.arange(n)))
    marginal = np.concatenate((asked.marginal(found.dispatch), np.full(n, asked.cap)))
    x = np.concatenate((found.dispatch, found.unserved))
    down = x > np.concatenate((asked.minimum, np.zeros(n))) + edge
    up = x < np.concatenate((asked.quantity, asked.sheddable)) - edge
    rows = np.concatenate((np.flatnonzero(down), np.flatnonzero(up)))
    sign = np.repeat([-1.0, 1.0], [int(down.sum()), int(up.sum())])
    matrix = sp.csr_array((sign, (np.arange(rows.size), bus[rows])), shape=(rows.size, n + len(grid.lines)))
    return matrix, sign * marginal[rows]
