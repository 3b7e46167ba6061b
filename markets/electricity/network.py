"""Clearing on a transmission network: direct-current power flow and nodal prices.

Money is EUR, power MW over one hour, so that MW and MWh are the same number.

The problem. K units at buses offer up to ``q_k`` MW at ``p_k`` EUR/MWh (the marginal cost may rise with slope
``s_k``), buses draw loads ``d_n``, lines l with susceptance ``b_l`` and limit ``F_l`` join them. Find

    minimise    sum_k (p_k x_k + s_k x_k^2 / 2) + cap sum_n u_n
    subject to  sum_{k at n} x_k + u_n - d_n = sum_{l from n} f_l - sum_{l to n} f_l     (balance, dual pi_n)
                f_l = b_l (theta_from(l) - theta_to(l) - shift_l)
                G_l <= f_l <= F_l                                                         (limits, dual mu_l)
                m_k <= x_k <= q_k,    0 <= u_n <= max(d_n, 0)

where ``u_n`` is load left unserved, never more than the load itself. The flow of a direct-current line is free within
its limits; of what leaves its first end, a share and a fixed amount are lost.

The dual of the balance is the price. ``pi_n`` is by how much the cost rises for one more MWh served at bus
n (Schweppe et al. [1]_). The Lagrangian separates into one problem for each party: a unit maximises ``pi_n
x - cost(x)`` over its own limits, a load is served unless ``pi_n > cap``, and the network earns most from
buying at ``pi_from`` and selling at ``pi_to``. So at the optimum nobody gains by deviating at these prices:
the clearing is a competitive equilibrium. Without a binding line all prices are equal.

Money. Loads pay ``sum_n pi_n (d_n - u_n)``, units receive ``sum_k pi_n(k) x_k``; the difference is the
congestion rent ``sum_l f_l (pi_to - pi_from) = sum_l |mu_l| F_l >= 0``, which pays the holders of
transmission rights (Hogan [2]_).

Uniqueness. The cost is unique. The dispatch is not when two units tie, and the prices are not where the
primal is degenerate: when load meets the edge of a block exactly, any price between the two blocks supports
the optimum, and a bus with neither load nor unit nor line has no price at all. One of the supporting
vectors is returned, the same one for the same arguments; every one of them satisfies the definition, which
`NetworkClearing.residual` measures. `NetworkClearing.price_interval` tells how far the price at a bus may move, and
`NetworkClearing.at_midpoints` takes the supporting prices that are nearest to the middles of these intervals.

Solver. `walras.markets.electricity.network_program`: built once a network, with parameters that follow the rules of
disciplined parametrised programming, so a further clearing compiles nothing. Many clearings at constant marginal costs
go to `walras.markets.electricity.network_many`. What either returns is judged by
`walras.markets.electricity.network_certificate`, and refused where it is no optimum or the prices are not its prices.

References
----------
.. [1] F. C. Schweppe, M. C. Caramanis, R. D. Tabors and R. E. Bohn, Spot Pricing of Electricity,
   Kluwer, 1988.
.. [2] W. W. Hogan, Contract Networks for Electric Power Transmission,
   Journal of Regulatory Economics 4, 1992.
"""

# networkx is only partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Literal, TypeAlias, final, get_args

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import as_shaped, placed, require, require_each, require_known
from walras.core.sizes import largest
from walras.core.typing import Floats, Ints
from walras.markets.electricity.network_certificate import PriceLaw, price_residual, residual
from walras.markets.electricity.network_grid import Grid, Line, grid_of, unit_buses
from walras.markets.electricity.network_many import Rows, stacked
from walras.markets.electricity.network_program import Found, Offered, Programme
from walras.markets.electricity.price_interval import nearest_to_midpoints, price_interval

TOLERANCE = 1e-6  # largest residual of what is returned
PRICE_TOLERANCE = 1e-5  # largest price residual, of the largest price

PriceRule: TypeAlias = Literal["supporting", "midpoint"]
"""Which prices stand where several support the dispatch: one of them, or those nearest to the middles."""


@dataclass(frozen=True)
class NetworkClearing:
    """A cleared network: who produces, what flows, and the price at each bus.

    `residual` is the largest of three violations of optimality, each relative to its size: the MW by which a
    bus is out of balance or a limit exceeded (to the largest load), the EUR that all parties together could
    gain at the prices (the duality gap; to the cost, signs left out), and the EUR/MWh by which prices and
    line duals miss the flow law (to the largest price). `price_residual` is by how much a price is wrong, the prices
    rebuilt from the network. Power is known to 1e-8 of the largest load: a smaller load may be left out of balance,
    and the price at its bus is then right for a load that differs by so much.
    """

    nodal_price: Floats  # [n] EUR/MWh that one more MWh served at the bus costs
    dispatch: Floats  # [K] MW
    flow: Floats  # [L] MW, positive from the first bus of the line to the second
    unserved: Floats  # [n] MW of load left unserved
    line_price: Floats  # [L] EUR/MWh that one more MW of the limit saves; negative where the flow is at its minimum
    cost: float  # EUR, of the dispatch and of the unserved load at the cap
    congestion_rent: float  # EUR that loads pay more than units receive
    residual: float
    price_residual: float  # EUR/MWh
    buses: tuple[Hashable, ...]  # n names
    lines: tuple[Line, ...]  # L
    _of: tuple[Grid, PriceLaw, Offered] = field(repr=False)

    def price_interval(self, bus: Hashable) -> tuple[float, float]:
        """Return the least and the largest price at a bus that supports the optimum, EUR/MWh.

        Both are `nodal_price` where the price is unique; see `walras.markets.electricity.price_interval`.

        Raises
        ------
        ValueError
            If the bus is unknown.
        """
        at = int(unit_buses([bus], {name: k for k, name in enumerate(self.buses)})[0])
        grid, _, asked = self._of
        return price_interval(grid, asked, self._found, at)

    def midpoint(self, bus: Hashable) -> float:
        """Return the middle of the prices at a bus that support the optimum, EUR/MWh.

        Where an end is infinite there is none, and it is the price itself. Errors as in `price_interval`.
        """
        low, high = self.price_interval(bus)
        return (low + high) / 2 if np.isfinite([low, high]).all() else float(self.nodal_price[self.buses.index(bus)])

    def at_midpoints(self) -> "NetworkClearing":
        """Return the clearing at the supporting prices that are nearest to the middles of their intervals.

        The dispatch stays. Where a price is unique it stays as well; see `walras.markets.electricity.price_interval`.

        Raises
        ------
        RuntimeError
            If a solver fails, or the prices are not those of the network.

        Examples
        --------
        >>> import networkx as nx
        >>> from walras.markets.electricity.network import NetworkMarket
        >>> network = nx.MultiGraph()
        >>> network.add_node("bus", load=100.0)
        >>> market = NetworkMarket(network, ["bus", "bus"])
        >>> clearing = market.clear(price=[10.0, 30.0], quantity=[100.0, 100.0])  # at the edge of a block
        >>> clearing.at_midpoints().nodal_price.round(6).tolist()
        [20.0]
        """
        moved = _clearing(*self._of, nearest_to_midpoints(*self._of, self._found))
        worst = _wrong(moved, self._of[2])
        if worst:
            raise RuntimeError(f"The solver must end at supporting prices; got {worst}.")
        return moved

    @property
    def _found(self) -> Found:
        return Found(self.dispatch, self.unserved, self.flow, self.nodal_price, self.line_price)


@dataclass(frozen=True, eq=False)
class NetworkClearings:
    """B cleared rows; each as `NetworkClearing`."""

    nodal_price: Floats  # [B, n] EUR/MWh
    dispatch: Floats  # [B, K] MW
    flow: Floats  # [B, L] MW
    unserved: Floats  # [B, n] MW
    line_price: Floats  # [B, L] EUR/MWh
    cost: Floats  # [B] EUR
    congestion_rent: Floats  # [B] EUR
    residual: Floats  # [B]
    price_residual: Floats  # [B] EUR/MWh


@final
class NetworkMarket:
    """A market on a network: built once, cleared for any offers and loads.

    Parameters
    ----------
    network
        Buses as nodes, with `load` (MW, 0 if absent; negative for a fixed injection). Lines as edges, with
        `susceptance` (MW per radian, not 0), `limit` (MW, the largest flow; none if absent), `minimum` (MW, the least;
        ``-limit`` if absent), `shift` (radians by which a transformer turns the phase, 0 if absent), and `from_bus`
        and `to_bus`, which give the flow its sign (as networkx lists the edge if absent). A line of ``kind="dc"`` has
        no `susceptance`, but may have `loss` (MW, whatever flows) and `loss_share` (of the flow), which its `to_bus`
        receives less. It is not changed, and later changes to it are not seen.
    bus
        The bus of each of the K units.
    slope
        By how much the marginal cost of a unit rises with its output, EUR/MWh per MW [K], not negative.
        None means 0.

    Raises
    ------
    ValueError
        If the network is empty, a bus is unknown, a number of the network is missing, NaN, out of its range or of a
        name that is not read, or lines cancel each other.

    Examples
    --------
    A cheap unit at bus 1, the load at bus 2, and a line that carries half of it:

    >>> import networkx as nx
    >>> from walras.markets.electricity.network import NetworkMarket
    >>> network = nx.MultiGraph()
    >>> network.add_node(2, load=100.0)
    >>> _ = network.add_edge(1, 2, key="line", from_bus=1, to_bus=2, susceptance=10.0, limit=50.0)
    >>> clearing = NetworkMarket(network, [1, 2]).clear(price=[10.0, 30.0], quantity=[200.0, 200.0])
    >>> dict(zip(clearing.buses, clearing.nodal_price.round(6).tolist()))
    {2: 30.0, 1: 10.0}
    >>> round(clearing.congestion_rent, 6)
    1000.0
    """

    def __init__(
        self, network: "nx.Graph[Any]", bus: Sequence[Hashable] | Ints, slope: ArrayLike | None = None
    ) -> None:
        self.grid = grid_of(network, bus)
        self._law = PriceLaw(self.grid)
        self.buses, self.lines = self.grid.buses, self.grid.lines
        units = len(self.grid.unit_bus)
        self.slope = np.zeros(units) if slope is None else as_shaped("slope", slope, (units,))
        require_each(self.slope >= 0, "slope", "not be negative", self.slope)
        self._programme = Programme(self.grid, self.slope)

    def clear(
        self,
        price: ArrayLike,
        quantity: ArrayLike,
        minimum: ArrayLike | None = None,
        load: ArrayLike | None = None,
        cap: float = 4_000.0,
    ) -> NetworkClearing:
        """Clear the market.

        Parameters
        ----------
        price
            Offered price of each unit, EUR/MWh [K], at most `cap`.
        quantity
            Most that each unit produces, MW [K], negative for one that must draw power.
        minimum
            Least that each unit produces, MW [K], negative for a unit that also draws power. None means 0.
        load
            Load at each bus in the order of `buses`, MW [n]. None means the loads of the network.
        cap
            Price of unserved load, EUR/MWh.

        Returns
        -------
        NetworkClearing
            One optimum; see "Uniqueness" above.

        Raises
        ------
        ValueError
            If an argument has the wrong shape, is not finite or is out of its range, or if no dispatch
            balances every bus: units that cannot go below their minimum, or negative loads, produce more
            than loads and lines can take.
        RuntimeError
            If the solver fails, or what it calls an optimum misses the conditions of one, or its prices are not those
            of the network.
        """
        return self._cleared(self._asked(price, quantity, minimum, load, cap, ())[0])

    def clear_many(
        self,
        price: ArrayLike,
        quantity: ArrayLike,
        load: ArrayLike | None = None,
        minimum: ArrayLike | None = None,
        cap: float = 4_000.0,
        price_rule: PriceRule = "supporting",
    ) -> NetworkClearings:
        """Clear B rows, each as if alone: the same bits in any order and in any batch.

        Where marginal costs rise, rows are cleared one by one by `clear`.

        Parameters
        ----------
        price, quantity : array_like
            ``[B, K]`` EUR/MWh and MW, as of `clear`.
        load : array_like, optional
            ``[B, n]`` MW. None means the loads of the network, in all rows.
        minimum : array_like, optional
            ``[B, K]`` MW. None means 0.
        cap : float
            Price of unserved load, EUR/MWh.
        price_rule : {"supporting", "midpoint"}
            Which prices are returned where several support the dispatch: one of them, or those of
            `NetworkClearing.at_midpoints`.

        Raises
        ------
        ValueError, RuntimeError
            As `clear`, or if `price_rule` is unknown.

        Examples
        --------
        >>> import networkx as nx
        >>> from walras.markets.electricity.network import NetworkMarket
        >>> network = nx.MultiGraph()
        >>> _ = network.add_edge(1, 2, from_bus=1, to_bus=2, susceptance=10.0, limit=50.0)
        >>> market = NetworkMarket(network, [1, 2])
        >>> market.clear_many([[10.0, 30.0]] * 2, [[200.0, 200.0]] * 2, [[0.0, 40.0], [0.0, 100.0]]).nodal_price
        array([[10., 10.],
               [10., 30.]])
        """
        require_known(price_rule, "price_rule", get_args(PriceRule))
        rows = (len(np.asarray(price)),)
        asked = self._asked(price, quantity, minimum, load, cap, rows)
        each = [self._at(row, one, price_rule) for row, one in enumerate(asked)]
        return NetworkClearings(**{name.name: stacked(each, name.name) for name in fields(NetworkClearings)})

    def _at(self, row: int, asked: Offered, price_rule: PriceRule) -> NetworkClearing:
        """Clear a row; what is wrong with it is told with its index."""
        with placed(f"Row {row}"):
            cleared = self._fast(asked)
            return cleared.at_midpoints() if price_rule == "midpoint" else cleared

    def _fast(self, asked: Offered) -> NetworkClearing:
        found = None if self.slope.any() else self._rows.solve(asked)
        clearing = None if found is None else _clearing(self.grid, self._law, asked, found)
        return self._cleared(asked) if clearing is None or _wrong(clearing, asked) else clearing

    @cached_property
    def _rows(self) -> Rows:
        return Rows(self.grid)

    def _cleared(self, asked: Offered) -> NetworkClearing:
        worst = "no optimum"
        for found in self._programme.solve(asked):
            clearing = _clearing(self.grid, self._law, asked, found)
            worst = _wrong(clearing, asked)
            if not worst:
                return clearing
        raise RuntimeError(f"The solver must end at an optimum; got {worst}.")

    def _asked(
        self,
        price: ArrayLike,
        quantity: ArrayLike,
        minimum: ArrayLike | None,
        load: ArrayLike | None,
        cap: float,
        rows: tuple[int, ...],
    ) -> list[Offered]:
        """Return what each of the rows asks for, checked; one where `rows` is empty."""
        units, buses = (*rows, len(self.slope)), (*rows, len(self.buses))
        require(bool(np.isfinite(cap) and cap > 0), "cap", "be positive and finite", cap)
        offer, most = as_shaped("price", price, units), as_shaped("quantity", quantity, units)
        require_each(offer <= cap, "price", f"not exceed `cap`, {cap!r}, above which load goes unserved", offer)
        least = np.zeros(units) if minimum is None else as_shaped("minimum", minimum, units)
        if minimum is None:
            require_each(most >= 0, "quantity", "not be negative where there is no `minimum`", most)
        require_each(least <= most, "minimum", "not exceed `quantity`", least)
        demand = np.broadcast_to(self.grid.load, buses) if load is None else as_shaped("load", load, buses)
        parts = (np.atleast_2d(part) for part in (offer, least, most, demand + self.grid.drawn))
        each = zip(*parts, strict=True)
        return [Offered(one, self.slope, low, high, drawn, float(cap)) for one, low, high, drawn in each]


def _clearing(grid: Grid, law: PriceLaw, asked: Offered, found: Found) -> NetworkClearing:
    return NetworkClearing(
        nodal_price=found.nodal_price,
        dispatch=found.dispatch,
        flow=found.flow,
        unserved=found.unserved,
        line_price=found.line_price,
        cost=asked.cost(found.dispatch, found.unserved),
        congestion_rent=float(-(grid.across @ found.nodal_price) @ found.flow),
        residual=residual(grid, asked, found),
        price_residual=price_residual(grid, law, asked, found),
        buses=grid.buses,
        lines=grid.lines,
        _of=(grid, law, asked),
    )


def _wrong(clearing: NetworkClearing, asked: Offered) -> str:
    """Return what is wrong with a clearing; nothing if it is one."""
    most = PRICE_TOLERANCE * max(largest(clearing.nodal_price), asked.price_scale)
    if not clearing.residual <= TOLERANCE:
        return f"a residual of {clearing.residual:.3g}, above {TOLERANCE}"
    if not clearing.price_residual <= most:
        return f"prices that are wrong by {clearing.price_residual:.3g} EUR/MWh, above {most:.3g}"
    return ""
