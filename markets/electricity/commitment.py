r"""Unit commitment: units that are on or off, with costs of starting and of running, over T steps on a network.

U units make K offers; a unit whose cost rises in steps makes several. While unit u is on it produces at least
:math:`m_u`; it pays :math:`f_u` an hour for running and :math:`s_u` for each start, stays on for :math:`U_u` steps once
it is started and off for :math:`D_u` once it is stopped, and changes its output by :math:`R_u` a step at most, but for
starts and stops, at which it may go to its least output and back. Before the first step all units are off, and for so
long that each may start. Least cost over outputs, flows and unserved load is a mixed-integer linear programme [1]_.

Prices. With the commitment fixed a linear programme is left, whose duals are the nodal prices. They do not support the
commitment: at them a unit may lose, or gain by another schedule of its own. Its *uplift* is what the best schedule of
its own would earn at the prices less what it earns. No equilibrium is claimed. Prices of the least total uplift are
those of `walras.markets.electricity.convex_hull`.

Solver. HiGHS, by scipy, in parts of the largest load and of the largest offer, so that its absolute tolerances mean the
same in every market. `Commitment.bound` is its lower bound of the cost; the cost itself is that of the linear programme
at the commitment, and an answer in which the two programmes disagree is refused.

References
----------
.. [1] D. Rajan and S. Takriti, Minimum Up/Down Polytopes of the Unit Commitment Problem with Start-Up Costs,
   IBM Research Report RC23628, 2005.
"""

# scipy is only partly typed.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportArgumentType=false, reportCallIssue=false

from dataclasses import dataclass, field, fields, replace
from typing import Any, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from walras.core.checks import as_shaped, require, require_each
from walras.core.sizes import largest
from walras.core.typing import Bools, Floats, Ints
from walras.markets.electricity.network import NetworkMarket
from walras.markets.electricity.network_grid import Grid, Sparse

GAP = 1e-7  # of the cost, at which the search for a cheaper commitment ends
WHOLE = 1e-6  # from a whole number
INFEASIBLE = 2  # status of scipy's programmes
BALANCES = "leave a commitment that balances every bus in every step"
AGREED = 1e-6  # of the cost, between the programme with whole numbers and the one that gives the prices


@final
@dataclass(frozen=True, eq=False)
class Units:
    """What U units cost beside their offers, and what binds them.

    Raises
    ------
    ValueError
        If a number is negative or NaN, a least time is no whole number of steps from 1 on, the arrays are of different
        lengths, or `unit` leaves a unit without an offer.
    """

    minimum: Floats  # [U] MW while on
    start_cost: Floats  # [U] EUR a start
    no_load: Floats  # [U] EUR an hour while on
    ramp: Floats  # [U] MW from step to step, infinite for none
    min_up: Ints  # [U] steps
    min_down: Ints  # [U] steps
    unit: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))  # [K] unit of each offer; one each if empty

    def __post_init__(self) -> None:
        count = len(self.minimum)
        for name in ("minimum", "start_cost", "no_load", "ramp"):
            value = np.asarray(getattr(self, name), dtype=np.float64)
            require(value.shape == (count,), name, f"have {count} entries", value.shape)
            legal = (value >= 0) if name == "ramp" else (value >= 0) & np.isfinite(value)
            require_each(legal, name, "be finite and not negative" if name != "ramp" else "not be negative", value)
            object.__setattr__(self, name, value)
        for name in ("min_up", "min_down"):
            value = np.asarray(getattr(self, name))
            whole = value.shape == (count,) and value.dtype.kind in "iu" and bool((value >= 1).all())
            require(whole, name, f"be {count} whole numbers of steps from 1 on", value.tolist())
            object.__setattr__(self, name, value)
        if not self.unit.size:
            object.__setattr__(self, "unit", np.arange(count))
        known = np.array_equal(np.unique(self.unit), np.arange(count))
        require(known, "unit", f"name each of the units 0 to {count - 1}", self.unit.tolist())

    def __len__(self) -> int:
        """Return U."""
        return len(self.minimum)

    def alone(self, unit: int) -> "Units":
        """Return one of the units, with its offers."""
        offers = np.zeros(int((self.unit == unit).sum()), dtype=np.int64)
        rest = {each.name: getattr(self, each.name)[[unit]] for each in fields(self) if each.name != "unit"}
        return Units(**rest, unit=offers)

    def scaled(self, power: float, money: float) -> "Units":
        """Return the units in units of `power` MW and `money` EUR/MWh."""
        return replace(
            self,
            minimum=self.minimum / power,
            start_cost=self.start_cost / (power * money),
            no_load=self.no_load / (power * money),
            ramp=self.ramp / power,
        )

    @property
    def binary(self) -> Bools:
        """Units for which it matters whether they are on, ``[U]``; others may be on in part."""
        lasting = (self.min_up > 1) | (self.min_down > 1)
        return (self.minimum > 0) | (self.start_cost > 0) | (self.no_load > 0) | lasting


@final
@dataclass(frozen=True, eq=False)
class Commitment:
    """A commitment over T steps: U units with K offers, n buses, L lines."""

    on: Bools  # [T, U]
    start: Bools  # [T, U]
    dispatch: Floats  # [T, K] MW
    flow: Floats  # [T, L] MW
    unserved: Floats  # [T, n] MW
    nodal_price: Floats  # [T, n] EUR/MWh, at the commitment as it is
    profit: Floats  # [U] EUR at these prices; a loss is negative
    uplift: Floats  # [U] EUR that the unit's best schedule would earn more
    cost: float  # EUR
    bound: float  # EUR that no commitment is cheaper than


def commit(
    market: NetworkMarket,
    units: Units,
    price: ArrayLike,
    quantity: ArrayLike,
    load: ArrayLike,
    *,
    cap: float = 4_000.0,
    step_hours: float = 1.0,
    gap: float = GAP,
) -> Commitment:
    """Commit units for T steps at the least cost.

    Parameters
    ----------
    market : NetworkMarket
        The network, and the buses of K offers of constant marginal cost.
    units : Units
        What the offers' units cost beside, and what binds them.
    price, quantity : array_like
        The offers of each step, ``[T, K]`` EUR/MWh and MW.
    load : array_like
        ``[T, n]`` MW.
    cap : float
        Price of load left unserved, EUR/MWh.
    step_hours : float
        Hours of a step.
    gap : float
        Share of the cost by which it may exceed `Commitment.bound`.

    Raises
    ------
    ValueError
        If an argument has the wrong shape, is not finite or is out of its range, or no dispatch balances every bus in
        every step.
    RuntimeError
        If the solver fails, or what it calls an optimum is none.

    Examples
    --------
    The cheap unit is full but for what the other must produce once it is on: the price is 10, and the other loses.

    >>> import networkx as nx
    >>> import numpy as np
    >>> from walras.markets.electricity.commitment import Units, commit
    >>> from walras.markets.electricity.network import NetworkMarket
    >>> network = nx.MultiGraph()
    >>> network.add_node("bus")
    >>> units = Units([0.0, 30.0], [0.0, 500.0], [0.0, 0.0], [np.inf, np.inf], [1, 1], [1, 1])
    >>> found = commit(NetworkMarket(network, ["bus", "bus"]), units, [[10, 20]], [[100, 50]], [[120]])
    >>> round(found.cost, 6), found.nodal_price.round(6).tolist(), found.uplift.round(6).tolist()
    (2000.0, [[10.0]], [0.0, 800.0])
    """
    asked = Asked.of(market, units, price, quantity, load, cap, step_hours)
    system = _System(market.grid, asked)
    best = milp(
        system.cost,
        constraints=LinearConstraint(system.matrix, system.low, system.high),
        integrality=system.whole,
        bounds=Bounds(system.least, system.most),
        options={"mip_rel_gap": gap},
    )
    require(best.status != INFEASIBLE, "load", BALANCES, best.message)
    if best.x is None:
        raise RuntimeError(f"The solver must find a commitment; got {best.message!r}.")
    on = np.where(units.binary, (system.part(best.x, "on") > 1 - WHOLE), system.part(best.x, "on"))
    x, nodal = system.priced(on)
    cost, dispatch = float(system.cost @ x), system.part(x, "output")
    if abs(cost - best.fun) > AGREED * max(1.0, abs(cost)):
        raise RuntimeError(f"The solver must end at an optimum; got two costs, {best.fun:.9g} to {cost:.9g}.")
    profit = _profit(asked, market.grid, on, dispatch, nodal)
    offered = nodal[:, market.grid.unit_bus]
    most = np.array([best_schedule(asked.alone(u), offered[:, units.unit == u]).profit for u in range(len(units))])
    spent = asked.power * asked.money
    return Commitment(
        on=on > 0,
        start=_starts(on) > 0,
        dispatch=asked.power * dispatch,
        flow=asked.power * (system.part(x, "state") @ market.grid.moved) + market.grid.offset,
        unserved=asked.power * system.part(x, "unserved"),
        nodal_price=asked.money * nodal,
        profit=spent * profit,
        uplift=spent * np.maximum(most - profit, 0.0),
        cost=spent * cost,
        bound=spent * float(best.mip_dual_bound if system.whole.any() else best.fun),
    )


@final
@dataclass(frozen=True, eq=False)
class Asked:
    """Checked arguments, in units of `power` and `money`."""

    units: Units
    price: Floats  # [T, K]
    quantity: Floats  # [T, K]
    load: Floats  # [T, n] what lines draw included
    cap: float
    hours: float
    power: float  # MW
    money: float  # EUR/MWh

    @classmethod
    def of(
        cls,
        market: NetworkMarket,
        units: Units,
        price: ArrayLike,
        quantity: ArrayLike,
        load: ArrayLike,
        cap: float,
        hours: float,
    ) -> "Asked":
        """Check the arguments of `commit`."""
        require(not market.slope.any(), "market", "have units of constant marginal cost", market.slope.tolist())
        grid = market.grid
        steps, offers = len(np.asarray(load)), grid.unit_bus.size
        require(units.unit.shape == (offers,), "units", f"have an entry for each of {offers} offers", units.unit.shape)
        offer, most = as_shaped("price", price, (steps, offers)), as_shaped("quantity", quantity, (steps, offers))
        require_each(most >= 0, "quantity", "not be negative", most)
        require_each(offer <= cap, "price", f"not exceed `cap`, {cap!r}", offer)
        require(bool(np.isfinite(hours) and hours > 0), "step_hours", "be positive", hours)
        drawn = as_shaped("load", load, (steps, len(grid.buses))) + grid.drawn
        power = largest(drawn) or largest(most) or 1.0
        fixed = largest(units.no_load / power, units.start_cost / (power * hours))
        money = largest(offer) or fixed or float(cap)  # a start that costs a million times as much decides nothing
        parts = units.scaled(power, money), offer / money, most / power, drawn / power, cap / money
        return cls(*parts, float(hours), power, money)

    def alone(self, unit: int) -> "Asked":
        """Return one unit and its offers; loads are left as they are."""
        here = self.units.unit == unit
        return replace(self, units=self.units.alone(unit), price=self.price[:, here], quantity=self.quantity[:, here])


@final
@dataclass(frozen=True, eq=False)
class Schedule:
    """One unit's best schedule at given prices."""

    profit: float  # EUR
    cost: float  # EUR
    output: Floats  # [T, K] MW of its offers


def best_schedule(alone: Asked, nodal_price: Floats) -> Schedule:
    """Return what one unit would do at prices ``[T, K]`` at its offers' buses.

    Raises
    ------
    RuntimeError
        If the solver fails.
    """
    binding = _Binding(alone)
    cost = binding.cost()
    paid = cost.copy()
    paid[: nodal_price.size] -= (alone.hours * nodal_price).ravel()
    found = milp(
        paid,
        constraints=LinearConstraint(binding.matrix, binding.low, binding.high),
        integrality=binding.whole(),
        bounds=Bounds(np.zeros(paid.size), binding.most()),
    )
    if found.x is None:
        raise RuntimeError(f"The solver must find a schedule; got {found.message!r}.")
    output = found.x[: nodal_price.size].reshape(nodal_price.shape)
    return Schedule(float(-found.fun), float(cost @ found.x), output)


class _Binding:
    """What binds units: rows over outputs ``[T, K]``, then on and start ``[T, U]`` each."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.steps, self.offers, self.count = len(asked.price), asked.units.unit.size, len(asked.units)
        parts = [*self._outputs(), *self._starts(), *self._times(), *self._ramps()]
        self.matrix = sp.vstack([part[0] for part in parts], format="csr")
        self.low = np.concatenate([part[1] for part in parts])
        self.high = np.concatenate([part[2] for part in parts])

    def cost(self) -> Floats:
        """Return the cost of each variable, EUR."""
        units, hours = self.asked.units, self.asked.hours
        running = np.tile(hours * units.no_load, self.steps)
        return np.concatenate((hours * self.asked.price.ravel(), running, np.tile(units.start_cost, self.steps)))

    def most(self) -> Floats:
        """Return the largest value of each variable."""
        return np.concatenate((self.asked.quantity.ravel(), np.ones(2 * self.steps * self.count)))

    def whole(self) -> Ints:
        """Return which variables are whole: on, where it matters."""
        binary = np.tile(self.asked.units.binary, self.steps)
        return np.concatenate((np.zeros(self.asked.quantity.size), binary, np.zeros(binary.size))).astype(np.int64)

    def _rows(self, output: Sparse | None, on: Sparse | None, start: Sparse | None) -> Sparse:
        """Join the columns; nothing stands for zeros."""
        height = next(part.shape[0] for part in (output, on, start) if part is not None)
        widths = (self.steps * self.offers, *(self.steps * self.count,) * 2)
        parts = zip((output, on, start), widths, strict=True)
        return sp.hstack([sp.csr_array((height, width)) if part is None else part for part, width in parts])

    def _each(self, of_unit: Sparse, before: int = 0) -> Sparse:
        """Return a matrix that applies `of_unit` to the variables of each step, or to those so many steps before."""
        return sp.kron(sp.csr_array(np.eye(self.steps, k=-before)), of_unit, format="csr")

    def _outputs(self) -> list[tuple[Sparse, Floats, Floats]]:
        """Return the limits of outputs while on: each offer's, and each unit's least."""
        steps, units = self.steps, self.asked.units
        of_offer = sp.csr_array((np.ones(self.offers), (np.arange(self.offers), units.unit)))
        every, none = sp.eye_array(steps * self.offers), np.zeros(steps * self.offers)
        held = sp.diags_array(self.asked.quantity.ravel()) @ self._each(of_offer)
        least = self._each(sp.diags_array(units.minimum))
        sums, infinite = self._each(of_offer.T), np.full(steps * self.count, np.inf)
        return [
            (self._rows(every, -held, None), none - np.inf, none),
            (self._rows(sums, -least, None), np.zeros(infinite.size), infinite),
        ]

    def _starts(self) -> list[tuple[Sparse, Floats, Floats]]:
        every = sp.eye_array(self.count)
        height = self.steps * self.count
        change = self._each(every, 1) - self._each(every)
        return [(self._rows(None, change, self._each(every)), np.zeros(height), np.full(height, np.inf))]

    def _times(self) -> list[tuple[Sparse, Floats, Floats]]:
        """Return the rows by which a started unit stays on, and a stopped one off, for its least time."""
        units, height = self.asked.units, self.steps * self.count
        recent, rested, before = (sp.csr_array((height, height)) for _ in range(3))
        for back in range(int(max(units.min_up.max(), units.min_down.max()))):
            recent = recent + self._each(sp.diags_array((units.min_up > back).astype(float)), back)
            rested = rested + self._each(sp.diags_array((units.min_down > back).astype(float)), back)
        for steps in np.unique(units.min_down).tolist():
            before = before + self._each(sp.diags_array((units.min_down == steps).astype(float)), steps)
        none = np.full(height, -np.inf)
        return [
            (self._rows(None, -self._each(sp.eye_array(self.count)), recent), none, np.zeros(height)),
            (self._rows(None, before, rested), none, np.ones(height)),
        ]

    def _ramps(self) -> list[tuple[Sparse, Floats, Floats]]:
        """Return the rows that bound changes: by the ramp while on, by that or the least output at starts and stops."""
        units = self.asked.units
        bound = np.flatnonzero(np.isfinite(units.ramp))
        chosen = sp.csr_array((np.ones(bound.size), (np.arange(bound.size), bound)), shape=(bound.size, self.count))
        of_offer = sp.csr_array((np.ones(self.offers), (units.unit, np.arange(self.offers))))
        ramp, jump = units.ramp[bound], np.maximum(units.ramp, units.minimum)[bound]
        change = self._each(chosen @ of_offer) - self._each(chosen @ of_offer, 1)
        steady, leap = sp.diags_array(ramp) @ chosen, sp.diags_array(jump) @ chosen
        height = self.steps * bound.size
        none, zero = np.full(height, -np.inf), np.zeros(height)
        stay, now, past = sp.diags_array(jump - ramp) @ chosen, self._each(leap), self._each(leap, 1)
        return [
            (self._rows(change, -self._each(steady, 1), -now), none, zero),
            (self._rows(-change, self._each(stay) - past, -now), none, zero),
        ]


class _System:
    """The whole programme: the units' rows, and each step's balances and limits of flows."""

    def __init__(self, grid: Grid, asked: Asked) -> None:
        self.grid, self.asked, self.binding = grid, asked, _Binding(asked)
        steps, n, state = len(asked.price), len(grid.buses), grid.flow_of.shape[1]
        width = self.binding.matrix.shape[1]
        self.sizes = {"output": steps * asked.units.unit.size, "on": steps * len(asked.units)}
        self.ends = {"output": 0, "on": self.sizes["output"], "start": self.sizes["output"] + self.sizes["on"]}
        self.ends |= {"unserved": width, "state": width + steps * n}
        self.total = width + steps * (n + state)
        shed = np.maximum(asked.load, 0.0).ravel()
        self.cost = np.concatenate(
            (self.binding.cost(), np.full(steps * n, asked.hours * asked.cap), np.zeros(steps * state))
        )
        infinite = np.full(steps * state, np.inf)
        self.least = np.concatenate((np.zeros(width + steps * n), -infinite))
        self.most = np.concatenate((self.binding.most(), shed, infinite))
        self.whole = np.concatenate((self.binding.whole(), np.zeros(self.total - width, dtype=np.int64)))
        self._join(width)

    def _join(self, width: int) -> None:
        network, low, high = network_rows(self.grid, self.asked)
        outputs = sp.kron(sp.eye_array(len(self.asked.price)), self.grid.units_at_bus)
        beside = sp.csr_array((network.shape[0] - outputs.shape[0], self.sizes["output"]))
        above = sp.csr_array((network.shape[0], width - self.sizes["output"]))
        right = sp.hstack([sp.vstack([outputs, beside]), above, network])
        left = sp.hstack([self.binding.matrix, sp.csr_array((self.binding.matrix.shape[0], network.shape[1]))])
        self.matrix = sp.vstack([left, right], format="csr")
        self.low, self.high = np.concatenate((self.binding.low, low)), np.concatenate((self.binding.high, high))
        self.balances = slice(self.binding.matrix.shape[0], self.binding.matrix.shape[0] + self.asked.load.size)

    def part(self, x: Floats, name: str) -> Floats:
        """Return a part of the variables, a row a step."""
        order = (*self.ends, "")
        after = order[order.index(name) + 1]
        return x[self.ends[name] : self.ends[after] if after else self.total].reshape(len(self.asked.price), -1)

    def priced(self, on: Floats) -> tuple[Floats, Floats]:
        """Return an optimum with the commitment fixed, and its prices ``[T, n]``.

        Raises
        ------
        RuntimeError
            If the linear programme fails.
        """
        least, most = self.least.copy(), self.most.copy()
        fixed = np.tile(self.asked.units.binary, len(on))
        at = self.ends["on"] + np.flatnonzero(fixed)
        least[at] = most[at] = on.ravel()[fixed]
        at = self.ends["start"] + np.flatnonzero(fixed)
        least[at] = most[at] = _starts(on).ravel()[fixed]
        x, dual = solved(self.cost, self.matrix, self.low, self.high, least, most)
        return x, dual[self.balances].reshape(self.asked.load.shape) / self.asked.hours


def network_rows(grid: Grid, asked: Asked) -> tuple[Sparse, Floats, Floats]:
    """Return balances ``[T n]``, then limits of flows, over unserved loads and states; and their ends.

    Units' outputs are to be added to the balances.
    """
    steps, n = len(asked.price), len(grid.buses)
    every = sp.eye_array(steps)
    flows = sp.kron(every, grid.flow_of[grid.limited])
    balance = sp.hstack([sp.eye_array(steps * n), -sp.kron(every, grid.outflow)])
    limits = sp.hstack([sp.csr_array((steps * grid.limited.size, steps * n)), flows])
    drawn = (asked.load + grid.incidence @ grid.offset / asked.power).ravel()
    low, high = (np.tile((end - grid.offset)[grid.limited] / asked.power, steps) for end in (grid.low, grid.high))
    return sp.vstack([balance, limits], format="csr"), np.concatenate((drawn, low)), np.concatenate((drawn, high))


def solved(
    cost: Floats, matrix: Sparse, low: Floats, high: Floats, least: Floats, most: Floats
) -> tuple[Floats, Floats]:
    """Return an optimum of a linear programme, and the dual of each row.

    Raises
    ------
    ValueError
        If no dispatch balances every bus.
    RuntimeError
        If the solver fails.
    """
    same = low == high
    above, below = np.isfinite(high) & ~same, np.isfinite(low) & ~same
    rows = sp.vstack([matrix[above], -matrix[below]])
    limits = np.concatenate((high[above], -low[below]))
    found: Any = linprog(cost, rows, limits, matrix[same], low[same], np.stack((least, most), axis=1), "highs")
    require(found.status != INFEASIBLE, "load", BALANCES, found.message)
    if found.status != 0:
        raise RuntimeError(f"The solver must end at an optimum; got {found.message!r}.")
    dual = np.zeros(low.size)
    dual[same] = found.eqlin.marginals
    dual[above] += found.ineqlin.marginals[: int(above.sum())]
    dual[below] -= found.ineqlin.marginals[int(above.sum()) :]
    return found.x, dual


def _starts(on: Floats) -> Floats:
    return np.maximum(np.diff(on, axis=0, prepend=0.0), 0.0)


def _profit(asked: Asked, grid: Grid, on: Floats, dispatch: Floats, nodal: Floats) -> Floats:
    units = asked.units
    earned = asked.hours * ((nodal[:, grid.unit_bus] - asked.price) * dispatch).sum(axis=0)
    fixed = asked.hours * (on * units.no_load).sum(axis=0) + (_starts(on) * units.start_cost).sum(axis=0)
    return np.bincount(units.unit, weights=earned, minlength=len(units)) - fixed
