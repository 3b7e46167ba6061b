"""Clearing on a transmission network: direct-current power flow and nodal prices.

Money is EUR, power MW over one hour, so that MW and MWh are the same number.

The problem. K units at buses offer up to ``q_k`` MW at ``p_k`` EUR/MWh (the marginal cost may rise with slope
``s_k``), buses draw loads ``d_n``, lines l with susceptance ``b_l`` and limit ``F_l`` join them. Find

    minimise    sum_k (p_k x_k + s_k x_k^2 / 2) + cap sum_n u_n
    subject to  sum_{k at n} x_k + u_n - d_n = sum_{l from n} f_l - sum_{l to n} f_l     (balance, dual pi_n)
                f_l = b_l (theta_from(l) - theta_to(l))
                -F_l <= f_l <= F_l                                                        (limits, dual mu_l)
                m_k <= x_k <= q_k,    0 <= u_n <= max(d_n, 0)

where ``u_n`` is load left unserved, never more than the load itself.

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
`NetworkClearing.residual` measures.

Solver. The linear programme goes to HiGHS. A market whose units have a slope is a quadratic programme and
goes to Clarabel, as the quadratic solver of HiGHS does not end on small published cases. The problem is
built once a network, with parameters that follow the rules of disciplined parametrised programming, so a
further clearing compiles nothing.

References
----------
.. [1] F. C. Schweppe, M. C. Caramanis, R. D. Tabors and R. E. Bohn, Spot Pricing of Electricity,
   Kluwer, 1988.
.. [2] W. W. Hogan, Contract Networks for Electric Power Transmission,
   Journal of Regulatory Economics 4, 1992.
"""

# cvxpy and scipy.sparse are only partly typed.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import cvxpy as cp
import networkx as nx
import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from walras.core.checks import as_floats, require, require_each, require_known
from walras.core.typing import Floats, Ints

Line: TypeAlias = tuple[Hashable, Hashable, Hashable]  # from bus, to bus, key
Sparse: TypeAlias = Any  # scipy.sparse.csr_array
TOLERANCE = 1e-6  # largest residual of what is returned


@dataclass(frozen=True)
class NetworkClearing:
    """A cleared network: who produces, what flows, and the price at each bus.

    `residual` is the largest of three violations of optimality, each relative to its size: the MW by which a
    bus is out of balance or a limit exceeded (to the largest load), the EUR that all parties together could
    gain at the prices (the duality gap; to the cost, signs left out), and the EUR/MWh by which prices and
    line duals miss the flow law (to the largest price).
    """

    nodal_price: Floats  # [n] EUR/MWh that one more MWh served at the bus costs
    dispatch: Floats  # [K] MW
    flow: Floats  # [L] MW, positive from the first bus of the line to the second
    unserved: Floats  # [n] MW of load left unserved
    cost: float  # EUR, of the dispatch and of the unserved load at the cap
    congestion_rent: float  # EUR that loads pay more than units receive
    residual: float
    buses: tuple[Hashable, ...]  # n names
    lines: tuple[Line, ...]  # L


@final
class NetworkMarket:
    """A market on a network: built once, cleared for any offers and loads.

    Parameters
    ----------
    network
        Buses as nodes, with `load` (MW, 0 if absent; negative for a fixed injection). Lines as edges, with
        `susceptance` (MW per radian, not 0), `limit` (MW, none if absent), and `from_bus` and `to_bus`,
        which give the flow its sign (as networkx lists the edge if absent). It is not changed, and later
        changes to it are not seen.
    bus
        The bus of each of the K units.
    slope
        By how much the marginal cost of a unit rises with its output, EUR/MWh per MW [K], not negative.
        None means 0.

    Raises
    ------
    ValueError
        If the network is empty, a bus is unknown, or a number of the network is missing, NaN or out of its
        range.

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
        self._grid = _grid(network, bus)
        self.buses, self.lines = self._grid.buses, self._grid.lines
        units = len(self._grid.unit_bus)
        self.slope = np.zeros(units) if slope is None else _entries("slope", slope, units)
        require_each(self.slope >= 0, "slope", "not be negative", self.slope)
        self._program = _program(self._grid, self.slope)

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
            Offered price of each unit, EUR/MWh [K].
        quantity
            Most that each unit produces, MW [K].
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
            If the solver fails, or what it calls an optimum misses the conditions of one.
        """
        values = self._checked(price, quantity, minimum, load, cap)
        for name, value in values.items():
            self._program.parameters[name].value = value
        status = _solve(self._program.problem, quadratic=bool(self.slope.any()))
        require(
            not status.startswith("infeasible"),
            "minimum",
            "leave a dispatch that balances every bus, with no more fixed output than loads and lines take",
            status,
        )
        if status != cp.OPTIMAL:
            raise RuntimeError(f"The solver must end at an optimum; got status {status!r}.")
        return self._clearing(values)

    def _checked(
        self,
        price: ArrayLike,
        quantity: ArrayLike,
        minimum: ArrayLike | None,
        load: ArrayLike | None,
        cap: float,
    ) -> dict[str, Floats]:
        units, buses = len(self._grid.unit_bus), len(self.buses)
        most = _entries("quantity", quantity, units)
        require_each(most >= 0, "quantity", "not be negative", most)
        least = np.zeros(units) if minimum is None else _entries("minimum", minimum, units)
        require_each(least <= most, "minimum", "not exceed `quantity`", least)
        require(np.isfinite(cap) and cap > 0, "cap", "be positive and finite", cap)
        demand = self._grid.load if load is None else _entries("load", load, buses)
        return {
            "price": _entries("price", price, units),
            "quantity": most,
            "minimum": least,
            "load": demand,
            "sheddable": np.maximum(demand, 0.0),
            "cap": np.float64(cap),  # pyright: ignore[reportReturnType]
        }

    def _clearing(self, values: dict[str, Floats]) -> NetworkClearing:
        grid, program = self._grid, self._program
        dispatch, unserved, angle = (program.variables[name].value for name in ("dispatch", "unserved", "angle"))
        # cvxpy adds y (generation - load - outflow) to the cost, so the cost of more load is -y.
        nodal_price = -program.constraints["balance"].dual_value
        flow = grid.flow_of_angle @ angle
        residual = self._residual(values, dispatch, unserved, flow, nodal_price)
        if not residual <= TOLERANCE:
            raise RuntimeError(f"The solver must end with a residual of at most {TOLERANCE}; got {residual!r}.")
        return NetworkClearing(
            nodal_price=nodal_price,
            dispatch=dispatch,
            flow=flow,
            unserved=unserved,
            cost=self._cost(values, dispatch, unserved),
            congestion_rent=float(-(grid.incidence.T @ nodal_price) @ flow),
            residual=residual,
            buses=self.buses,
            lines=self.lines,
        )

    def _cost(self, values: dict[str, Floats], dispatch: Floats, unserved: Floats) -> float:
        units = values["price"] @ dispatch + self.slope @ dispatch**2 / 2
        return float(units + values["cap"] * unserved.sum())

    def _residual(
        self, values: dict[str, Floats], dispatch: Floats, unserved: Floats, flow: Floats, nodal_price: Floats
    ) -> float:
        """Measure the largest violation of the optimality conditions."""
        grid = self._grid
        shadow = _line_duals(grid, self._program.constraints)
        marginal = values["price"] + self.slope * dispatch - nodal_price[grid.unit_bus]
        # No dual goes with an infinite limit, so its length does not matter.
        limit = np.where(np.isfinite(grid.limit), grid.limit, np.abs(flow))
        boxes = (
            (dispatch, marginal, values["minimum"], values["quantity"]),
            (unserved, values["cap"] - nodal_price, np.zeros_like(unserved), values["sheddable"]),
            (flow, -shadow, -limit, limit),
        )
        imbalance = grid.units_at_bus @ dispatch + unserved - values["load"] - grid.incidence @ flow
        outside = [np.maximum(np.maximum(low - x, x - high), 0.0) for x, _, low, high in boxes]
        regret = sum(_regret(*box) for box in boxes)
        # Relative to a sum without signs: a cost may be near 0 because negative prices cancel positive ones.
        gross = self._cost(values | {"price": np.abs(values["price"])}, np.abs(dispatch), np.abs(unserved))
        # The angles are free: prices and line duals must leave them no gradient.
        gradient = grid.flow_of_angle.T @ (grid.incidence.T @ nodal_price + shadow)
        return max(
            _largest(imbalance, *outside) / max(1.0, _largest(values["load"])),
            _largest(gradient) / max(1.0, _largest(nodal_price)),
            regret / max(1.0, gross),
        )


@dataclass(frozen=True)
class _Grid:
    """A network as matrices."""

    buses: tuple[Hashable, ...]  # n
    lines: tuple[Line, ...]  # L
    load: Floats  # [n] MW
    limit: Floats  # [L] MW
    unit_bus: Ints  # [K] position of the unit's bus
    units_at_bus: Sparse  # [n, K] 1 where the unit feeds the bus
    incidence: Sparse  # [n, L] 1 where the line leaves the bus, -1 where it arrives
    flow_of_angle: Sparse  # [L, n - components] MW per unit of angle, reference buses left out


@dataclass(frozen=True)
class _Program:
    problem: cp.Problem
    parameters: dict[str, cp.Parameter]
    variables: dict[str, Any]
    constraints: dict[str, Any]  # cvxpy types the dual of a constraint as what it is before a solution


def _grid(network: "nx.Graph[Any]", bus: Sequence[Hashable] | Ints) -> _Grid:
    buses = tuple(network.nodes)
    require(len(buses) > 0, "network", "have at least one bus", network)
    require(not network.is_directed(), "network", "be undirected: `from_bus` gives the direction", network)
    position = {name: index for index, name in enumerate(buses)}
    lines, susceptance, limit = _lines(network)
    unit_bus = _unit_buses(bus, position)
    start, end = (np.array([position[line[side]] for line in lines], dtype=np.int64) for side in (0, 1))
    incidence = _selector(start, len(buses)) - _selector(end, len(buses))
    load = _entries("load", [data.get("load", 0.0) for _, data in network.nodes(data=True)], len(buses))
    flow_of_angle = _flow_of_angle(network, incidence, susceptance, position)
    units_at_bus = _selector(unit_bus, len(buses))
    return _Grid(buses, lines, load, limit, unit_bus, units_at_bus, incidence, flow_of_angle)


def _flow_of_angle(
    network: "nx.Graph[Any]", incidence: Sparse, susceptance: Floats, position: dict[Hashable, int]
) -> Sparse:
    """Build the map from angles to flows, the angle of one bus of each component being 0.

    Angles are counted in units of one over the largest susceptance. With neither the references nor the
    scale, HiGHS reports bounded problems as unbounded when the cap is high.
    """
    reference = [position[next(iter(part))] for part in nx.connected_components(nx.Graph(network))]
    free = np.setdiff1d(np.arange(len(position)), reference)
    scaled = susceptance / np.abs(susceptance).max(initial=np.finfo(np.float64).tiny)
    return sp.csr_array(incidence.T[:, free].multiply(scaled[:, None]))


def _lines(network: "nx.Graph[Any]") -> tuple[tuple[Line, ...], Floats, Floats]:
    """Name, susceptance [L] and limit [L] of each line."""
    edges = nx.MultiGraph(network).edges(keys=True, data=True)
    lines = tuple(_ends(start, end, key, data) for start, end, key, data in edges)
    for line, (*_, data) in zip(lines, edges, strict=True):
        susceptance, limit = data.get("susceptance", np.nan), data.get("limit", np.inf)
        require(
            np.isfinite(susceptance) and susceptance != 0,
            "susceptance",
            f"be finite and not 0 on line {line}",
            susceptance,
        )
        require(limit >= 0, "limit", f"be at least 0 on line {line}", limit)
    susceptances = np.array([data["susceptance"] for *_, data in edges], dtype=np.float64)
    limits = np.array([data.get("limit", np.inf) for *_, data in edges], dtype=np.float64)
    return lines, susceptances, limits


def _ends(start: Hashable, end: Hashable, key: Hashable, data: dict[str, Any]) -> Line:
    line = data.get("from_bus", start), data.get("to_bus", end), key
    require(
        {line[0], line[1]} == {start, end},
        "from_bus",
        f"be an end of line {(start, end, key)}",
        line,
    )
    return line


def _unit_buses(bus: Sequence[Hashable] | Ints, position: dict[Hashable, int]) -> Ints:
    names = bus.tolist() if isinstance(bus, np.ndarray) else list(bus)
    require(len(names) > 0, "bus", "name the bus of at least one unit", names)
    for name in names:
        if name not in position:
            require_known(str(name), "bus", map(str, position))
            raise ValueError(f"`bus` must name buses by their own type; got {name!r}.")
    return np.array([position[name] for name in names], dtype=np.int64)


def _selector(rows: Ints, height: int) -> Sparse:
    """Build a matrix [height, len(rows)] with a 1 in each column, at the given row."""
    return sp.csr_array((np.ones(rows.size), (rows, np.arange(rows.size))), shape=(height, rows.size))


def _entries(name: str, value: ArrayLike, size: int) -> Floats:
    array = as_floats(name, value, 1)
    require(array.shape == (size,), name, f"have {size} entries", array.shape)
    require_each(np.isfinite(array), name, "be finite", array)
    return array


def _program(grid: _Grid, slope: Floats) -> _Program:
    n, K, angles = len(grid.buses), grid.unit_bus.size, grid.flow_of_angle.shape[1]
    x, u, theta = cp.Variable(K), cp.Variable(n), cp.Variable(angles)
    p, q, m = cp.Parameter(K), cp.Parameter(K), cp.Parameter(K)
    d, sheddable, cap = cp.Parameter(n), cp.Parameter(n), cp.Parameter()
    limited = np.isfinite(grid.limit)
    # The flows are substituted out: a variable and a row less for each line.
    balance = grid.units_at_bus @ x + u - (grid.incidence @ grid.flow_of_angle) @ theta == d
    constraints = {
        "balance": balance,
        "least": x >= m,
        "most": x <= q,
        "shed": u >= 0,
        "load": u <= sheddable,
    }
    if limited.any():
        flow = grid.flow_of_angle[limited] @ theta
        constraints |= {"forward": flow <= grid.limit[limited], "backward": -grid.limit[limited] <= flow}
    cost: Any = p @ x + cap * cp.sum(u)
    if slope.any():
        cost += cp.sum(cp.multiply(slope / 2, cp.square(x)))
    parameters = {"price": p, "quantity": q, "minimum": m, "load": d, "sheddable": sheddable, "cap": cap}
    variables = {"dispatch": x, "unserved": u, "angle": theta}
    return _Program(cp.Problem(cp.Minimize(cost), list(constraints.values())), parameters, variables, constraints)


def _solve(problem: cp.Problem, quadratic: bool) -> str:
    """Solve from scratch, so that a clearing does not depend on the one before; return the status."""
    # Clarabel's own scaling makes it stop up to 0.4 % above the optimum when the cap is far above the prices.
    solver = {"solver": cp.CLARABEL, "equilibrate_enable": False} if quadratic else {"solver": cp.HIGHS}
    try:
        problem.solve(**solver, enforce_dpp=True, warm_start=False)
    except cp.SolverError as error:
        raise RuntimeError(f"The solver must end at an optimum; got {error}") from error
    return str(problem.status)


def _line_duals(grid: _Grid, constraints: dict[str, Any]) -> Floats:
    """Return what one more MW of each limit saves [L], EUR/MWh, negative where the flow runs backward."""
    duals = np.zeros(len(grid.lines))
    if "forward" in constraints:
        duals[np.isfinite(grid.limit)] = constraints["forward"].dual_value - constraints["backward"].dual_value
    return duals


def _regret(x: Floats, marginal: Floats, low: Floats, high: Floats) -> float:
    """Sum what moving each `x` to its best end of [low, high] would save at the marginal costs, EUR."""
    return float(np.sum(np.maximum(marginal, 0.0) * (x - low) + np.minimum(marginal, 0.0) * (x - high)))


def _largest(*arrays: Floats) -> float:
    return max(float(np.abs(array).max(initial=0.0)) for array in arrays)
