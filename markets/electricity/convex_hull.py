r"""Convex hull prices: the nodal prices at which all uplifts together are least.

The least cost of a commitment (`walras.markets.electricity.commitment`) is not convex in the loads, so no prices make
everybody want the dispatch. With the balances priced at :math:`\pi` instead of asked for, units and network choose each
for itself, and what that costs in all, :math:`L(\pi)`, is a lower bound of the least cost. The prices of its maximum
are the slopes of the convex hull of the least cost [1]_; the least cost less :math:`\max L` is the total uplift, of
units, lines and loads, and no prices make it smaller.

Solver. Column generation: a linear programme mixes schedules that units have offered so far, its duals are prices, and
each unit answers with its best schedule at them, a small integer programme. The programme's value bounds the maximum
from above, the answers from below; it ends when the two meet.

References
----------
.. [1] P. R. Gribik, W. W. Hogan and S. L. Pope, Market-Clearing Electricity Prices and Energy Uplift,
   Harvard University, 2007.
"""

# scipy is only partly typed.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportArgumentType=false, reportCallIssue=false

from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from walras.core.checks import require
from walras.core.typing import Floats
from walras.markets.electricity.commitment import Asked, Schedule, Units, best_schedule, network_rows, solved
from walras.markets.electricity.network import NetworkMarket
from walras.markets.electricity.network_grid import Grid, Sparse

APART = 1e-7  # of the value, between the two bounds


@final
@dataclass(frozen=True, eq=False)
class ConvexHull:
    """Convex hull prices, and the two bounds of the value that certify them."""

    nodal_price: Floats  # [T, n] EUR/MWh, those of the lower bound
    lower: float  # EUR, the value at these prices
    upper: float  # EUR, of a mixture of schedules; no prices have a larger value
    rounds: int


def convex_hull_price(
    market: NetworkMarket,
    units: Units,
    price: ArrayLike,
    quantity: ArrayLike,
    load: ArrayLike,
    *,
    cap: float = 4_000.0,
    step_hours: float = 1.0,
    rounds: int = 500,
) -> ConvexHull:
    """Find convex hull prices of T steps.

    Parameters
    ----------
    market, units, price, quantity, load, cap, step_hours
        As of `walras.markets.electricity.commitment.commit`.
    rounds : int
        Most rounds of prices and answers.

    Raises
    ------
    ValueError
        If an argument is wrong as for `commit`, or fixed injections leave no dispatch that balances every bus.
    RuntimeError
        If the bounds do not meet in so many rounds, or a solver fails.

    Examples
    --------
    A block of 30 to 50 MW at 20 EUR/MWh costs 500 to start: all of it at 30 EUR/MWh on average, and that is the price.

    >>> import networkx as nx
    >>> import numpy as np
    >>> from walras.markets.electricity.commitment import Units, commit
    >>> from walras.markets.electricity.convex_hull import convex_hull_price
    >>> from walras.markets.electricity.network import NetworkMarket
    >>> network = nx.MultiGraph()
    >>> network.add_node("bus")
    >>> units = Units([0.0, 30.0], [0.0, 500.0], [0.0, 0.0], [np.inf, np.inf], [1, 1], [1, 1])
    >>> asked = NetworkMarket(network, ["bus", "bus"]), units, [[10, 20]], [[100, 50]], [[120]]
    >>> hull = convex_hull_price(*asked)
    >>> hull.nodal_price.round(6).tolist(), round(commit(*asked).cost - hull.lower, 6)
    ([[30.0]], 400.0)
    """
    require(rounds >= 1, "rounds", "be at least 1", rounds)
    asked = Asked.of(market, units, price, quantity, load, cap, step_hours)
    each = [asked.alone(unit) for unit in range(len(units))]
    mixture = _Mixture(market.grid, asked)
    best, lower, upper = np.zeros(asked.load.shape), -np.inf, np.inf
    for done in range(1, rounds + 1):
        upper, nodal, worth = mixture.solve()
        offered = nodal[:, market.grid.unit_bus]
        answers = [best_schedule(one, offered[:, units.unit == unit]) for unit, one in enumerate(each)]
        # A schedule in the mixture earns what its unit is worth; a better one lowers the bound by the difference.
        better = np.array([answer.profit for answer in answers]) - worth
        bound = upper - float(np.maximum(better, 0.0).sum())
        if bound > lower:
            best, lower = nodal, bound
        if upper - lower <= APART * max(1.0, abs(upper)):
            spent = asked.power * asked.money
            return ConvexHull(asked.money * best, spent * lower, spent * upper, done)
        mixture.add({unit: answers[unit] for unit in np.flatnonzero(better > 0).tolist()})
    apart = f"{lower:.9g} and {upper:.9g} of the largest load at the largest cost"
    raise RuntimeError(f"The bounds must meet in `rounds`, {rounds}; got {apart}.")


class _Mixture:
    """The linear programme over mixtures of schedules; each unit may be off throughout."""

    def __init__(self, grid: Grid, asked: Asked) -> None:
        self.grid, self.asked = grid, asked
        self.rows, self.low, self.high = network_rows(grid, asked)
        offers = [int((asked.units.unit == unit).sum()) for unit in range(len(asked.units))]
        self.kept = [(u, Schedule(0.0, 0.0, np.zeros((len(asked.price), size)))) for u, size in enumerate(offers)]
        state = len(asked.price) * grid.flow_of.shape[1]
        shed = np.maximum(asked.load, 0.0).ravel()
        self._cost = np.concatenate((np.full(shed.size, asked.hours * asked.cap), np.zeros(state)))
        self._least = np.concatenate((np.zeros(shed.size), np.full(state, -np.inf)))
        self._most = np.concatenate((shed, np.full(state, np.inf)))

    def add(self, answers: dict[int, Schedule]) -> None:
        """Take schedules in."""
        self.kept += list(answers.items())

    def solve(self) -> tuple[float, Floats, Floats]:
        """Return the value, the prices ``[T, n]``, and what each unit is worth at them, ``[U]`` EUR."""
        asked, count = self.asked, len(self.kept)
        units = np.array([unit for unit, _ in self.kept])
        choice = sp.csr_array((np.ones(count), (units, np.arange(count))))
        none = sp.csr_array((choice.shape[0], self.rows.shape[1]))
        matrix = sp.vstack(
            [sp.hstack([self._outputs(), self.rows]), sp.hstack([choice, none])],
            format="csr",
        )
        ones = np.ones(choice.shape[0])
        cost = np.concatenate(([schedule.cost for _, schedule in self.kept], self._cost))
        least = np.concatenate((np.zeros(count), self._least))
        most = np.concatenate((np.full(count, np.inf), self._most))
        x, dual = solved(cost, matrix, np.concatenate((self.low, ones)), np.concatenate((self.high, ones)), least, most)
        nodal = dual[: asked.load.size].reshape(asked.load.shape) / asked.hours
        return float(cost @ x), nodal, -dual[self.rows.shape[0] :]

    def _outputs(self) -> Sparse:
        """Return what each schedule adds to each row, ``[rows, J]``: its outputs at their buses."""
        grid, asked = self.grid, self.asked
        columns = list[Floats]()
        for unit, schedule in self.kept:
            at_bus = np.zeros(asked.load.shape)
            np.add.at(at_bus.T, grid.unit_bus[asked.units.unit == unit], schedule.output.T)
            columns.append(np.concatenate((at_bus.ravel(), np.zeros(self.rows.shape[0] - at_bus.size))))
        return sp.csr_array(np.stack(columns, axis=1))
