"""Networks and series: owners by their marginal profits, hours by a programme in flows and angles, levels by loops."""

from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
from robust.family import Family, Refused, expect, numbers, scale
from scipy.optimize import linprog

from walras.core.solution import Status
from walras.envs import NetworkCournotMarket
from walras.equilibria import solve
from walras.markets.electricity.elastic_network import Consumers, Plant, Wire
from walras.markets.electricity.generation import Generator
from walras.markets.electricity.horizon import clear_horizon
from walras.markets.electricity.network import NetworkMarket
from walras.markets.electricity.price_level import Calendar, baselines, competitive_price, level
from walras.markets.electricity.storage import Storage


def network_cournot(rng: np.random.Generator) -> NetworkCournotMarket:
    """Return one owner to four with one unit or two, on one bus to four, in any units of money and of power."""
    buses, money, power = int(rng.integers(1, 5)), scale(rng), scale(rng)
    steep = money / power
    consumers = [
        Consumers(n, float(rng.uniform(40, 100)) * money, float(rng.uniform(0.2, 2)) * steep) for n in range(buses)
    ]
    units = np.array([40 * money, steep, 80 * power])
    plants = [
        Plant(f"o{owner}", int(rng.integers(buses)), *(each * units).tolist())
        for owner in range(int(rng.integers(1, 5)))
        for each in numbers(rng, int(rng.integers(1, 3)), 3)
    ]
    wires = [Wire(n, n + 1, float(10.0 ** rng.uniform(-1, 3)), _limit(rng, power)) for n in range(buses - 1)]
    for _ in range(int(rng.integers(0, buses))):
        if buses > 1:
            a, b = rng.choice(buses, 2, replace=False).tolist()
            wires.append(Wire(a, b, float(10.0 ** rng.uniform(-1, 3)), _limit(rng, power)))
    return NetworkCournotMarket(tuple(plants), tuple(consumers), tuple(wires), horizon=1)


def _limit(rng: np.random.Generator, power: float) -> float:
    return float(rng.choice([np.inf, 60 * rng.random() * power, 20 * power, 0.0]))


def judge_network_cournot(game: NetworkCournotMarket, found: Any) -> None:  # noqa: ANN401
    """No unit's marginal profit, if price differences stay, asks for more or less; and the operator is at its best."""
    if found.status is not Status.CONVERGED:
        raise Refused(found.status.name)
    a = np.array([c.intercept for c in game.consumers])
    b = np.array([c.slope for c in game.consumers])
    place = {c.bus: k for k, c in enumerate(game.consumers)}
    money, power = a.max(), (a / b).sum()
    price = found.nodal_price[[game.network.buses.index(c.bus) for c in game.consumers]]
    fall, x = 1 / (1 / b).sum(), game.by_unit(found.action[None])[0]
    total = {owner: sum(x[k] for k, p in enumerate(game.plants) if p.owner == owner) for owner in game.agents}
    for k, plant in enumerate(game.plants):
        margin = price[place[plant.bus]] - plant.cost - plant.cost_slope * x[k] - fall * total[plant.owner]
        expect(0 <= x[k] <= plant.capacity, f"unit {k} produces {x[k]:.6g}")
        less, more = x[k] > 1e-7 * power, x[k] < plant.capacity - 1e-7 * power
        expect(not (less and margin < -1e-6 * money), f"unit {k} would produce less: {margin / money:.3g}")
        expect(not (more and margin > 1e-6 * money), f"unit {k} would produce more: {margin / money:.3g}")
    fed = np.zeros(len(a))
    for k, plant in enumerate(game.plants):
        fed[place[plant.bus]] += x[k]
    bought = (a - price) / b
    expect(abs(bought.sum() - fed.sum()) <= 1e-8 * power, "what is bought is not what is produced")
    best = _operator(game, place, fed / power, a / money, b * power / money)
    got = float((a * bought - b * bought**2 / 2).sum() / money / power)
    expect(abs(best - got) <= 1e-6, f"the operator makes {got:.9g} of it, a programme {best:.9g}")


def _operator(
    game: NetworkCournotMarket, place: dict[Any, int], fed: np.ndarray, a: np.ndarray, b: np.ndarray
) -> float:
    """Return the largest surplus of consumption, in angles and flows by Clarabel."""
    import cvxpy as cp

    power = sum(c.intercept / c.slope for c in game.consumers)
    angle, bought = cp.Variable(len(a)), cp.Variable(len(a))
    out: Any = np.zeros((len(game.wires), len(a)))
    for k, wire in enumerate(game.wires):
        out[k, place[wire.from_bus]], out[k, place[wire.to_bus]] = 1.0, -1.0
    largest = max((w.susceptance for w in game.wires), default=1.0)
    flow = np.array([w.susceptance / largest for w in game.wires])[:, None] * out @ angle if game.wires else None
    limits = [] if flow is None else [
        cp.abs(flow[k]) <= wire.limit / power for k, wire in enumerate(game.wires) if np.isfinite(wire.limit)
    ]  # fmt: skip
    sent = out.T @ flow if flow is not None else np.zeros(len(a))
    problem = cp.Problem(cp.Maximize(a @ bought - cp.sum_squares(cp.multiply(np.sqrt(b / 2), bought))),
                         [bought == fed - sent, *limits])  # fmt: skip
    problem.solve("CLARABEL", tol_gap_abs=1e-10, tol_feas=1e-10)
    return float(problem.value)


@dataclass(frozen=True)
class Hours:
    """Several steps of a network with storages and ramps."""

    graph: "nx.MultiGraph[int]"
    bus: list[int]
    price: np.ndarray  # [T, K]
    quantity: np.ndarray  # [T, K]
    load: np.ndarray  # [T, n]
    storage: list[Storage]
    ramp: np.ndarray | None  # [K]
    step: float


def hours(rng: np.random.Generator) -> Hours:
    """Return one step to six on one bus to four, with storages that may hold nothing, scarcity and negative prices."""
    steps, buses, units = int(rng.integers(1, 7)), int(rng.integers(1, 5)), int(rng.integers(1, 5))
    power = float(10.0 ** rng.integers(-3, 6))
    graph: nx.MultiGraph[int] = nx.MultiGraph()
    graph.add_nodes_from(range(buses))
    for _ in range(int(rng.integers(0, 2 * buses)) if buses > 1 else 0):
        a, b = rng.choice(buses, 2, replace=False).tolist()
        limit = float(rng.choice([np.inf, rng.random() * power, 0.0]))
        graph.add_edge(a, b, susceptance=float(10.0 ** rng.uniform(-1, 3)), limit=limit)
    storage = []
    for k in range(int(rng.integers(0, 3))):
        gives, draws, holds = (numbers(rng, 3) * power).tolist()
        start = float(rng.choice([0.0, 0.5, 1.0])) * holds if rng.random() < 0.5 else None
        lost = rng.choice([1.0, 0.9, 0.5], 2).tolist()
        cost = float(rng.choice([0.0, 3.0]))
        storage.append(Storage(f"s{k}", int(rng.integers(buses)), gives, draws, holds, *lost, start, cost))
    ramp = np.where(rng.random(units) < 0.5, np.inf, numbers(rng, units) * power) if rng.random() < 0.4 else None
    price = np.round(numbers(rng, steps, units) * 100) - float(rng.choice([0.0, 20.0]))
    bus = rng.integers(0, buses, units).tolist()
    quantity, load = numbers(rng, steps, units) * power * buses, numbers(rng, steps, buses) * power
    return Hours(graph, bus, price, quantity, load, storage, ramp, float(rng.choice([1.0, 0.25])))


def solve_hours(h: Hours) -> Any:  # noqa: ANN401
    """Clear all steps."""
    return clear_horizon(
        NetworkMarket(h.graph, h.bus), h.price, h.quantity, h.load, h.storage, h.ramp, cap=4000.0, step_hours=h.step
    )


def judge_hours(h: Hours, found: Any) -> None:  # noqa: ANN401
    """No programme in flows, angles and charges costs less; and no storage or unit earns more at the prices."""
    size = max(h.load.max(), h.quantity.max(), 1e-12)
    least = _least_cost(h, size)
    gross = 4000.0 * max(h.load.sum(), 1e-300) + np.abs(h.price * h.quantity).sum()
    expect(abs(found.cost.sum() - least) <= 1e-6 * gross, f"costs {found.cost.sum():.9g}, the programme {least:.9g}")
    expect((found.nodal_price <= 4000.0 * (1 + 1e-6)).all() or h.graph.number_of_edges() > 0 or h.ramp is not None or
           bool(h.storage), "a price above the cap")  # fmt: skip
    for k, each in enumerate(h.storage):
        price = found.nodal_price[:, each.bus]
        margin = price @ (found.discharge[:, k] - found.charge[:, k]) - each.cost * found.discharge[:, k].sum()
        best = _storage_profit(each, price, h.step, size)
        slack = 1e-6 * (np.abs(price).sum() + 1) * max(each.power, each.charge, 1e-9 * size)
        expect(margin >= best - slack, f"storage {k} earns {margin:.9g}, could earn {best:.9g}")
    if h.ramp is None:
        price = found.nodal_price[:, h.bus]
        margin = (price - h.price) * found.dispatch
        best = np.maximum(price - h.price, 0.0) * h.quantity
        expect((margin >= best - 1e-6 * 4000 * size).all(), "a unit would produce another amount at its price")


def _storage_rows(each: Storage, steps: int, hours: float, size: float) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Return rows by which energy follows from charge, discharge and energy ``[T]`` each, and bounds, in `size`."""
    rows = np.zeros((steps, 3 * steps))
    for t in range(steps):
        rows[t, t], rows[t, steps + t] = -hours * each.efficiency_charge, hours / each.efficiency_discharge
        rows[t, 2 * steps + t] += 1
        rows[t, 2 * steps + t - 1 + (steps if t == 0 else 0)] -= 1
    ends = [(0.0, each.charge / size)] * steps + [(0.0, each.power / size)] * steps
    ends += [(0.0, each.energy / size)] * (steps - 1)
    last = (0.0, each.energy / size) if each.start is None else (each.start / size, each.start / size)
    return rows, [*ends, last]


def _storage_profit(each: Storage, price: np.ndarray, hours: float, size: float) -> float:
    steps = len(price)
    rows, bounds = _storage_rows(each, steps, hours, size)
    cost = np.concatenate((price, each.cost - price, np.zeros(steps)))
    unit = np.abs(cost).max() or 1.0
    return -float(linprog(cost / unit, A_eq=rows, b_eq=np.zeros(steps), bounds=bounds).fun) * unit * size


def _least_cost(h: Hours, size: float) -> float:
    """Return the least cost in outputs, unserved loads, flows and angles of each step, and charges."""
    steps, units, n, lines = *h.price.shape, h.load.shape[1], list(h.graph.edges(data=True))
    width, stored = units + n + len(lines) + n, 3 * steps
    count = steps * width + len(h.storage) * stored
    largest = max((d["susceptance"] for *_, d in lines), default=1.0)
    equal, right, above, most = [], [], [], []
    cost, bounds = np.zeros(count), [(0.0, 0.0)] * count
    for t in range(steps):
        at = t * width
        balance = np.zeros((n, count))
        balance[h.bus, at + np.arange(units)] = 1
        balance[:, at + units : at + units + n] = np.eye(n)
        cost[at : at + units], cost[at + units : at + units + n] = h.price[t], 4000.0
        bounds[at : at + units] = [(0.0, q / size) for q in h.quantity[t]]
        bounds[at + units : at + units + n] = [(0.0, d / size) for d in h.load[t]]
        for k, (a, b, data) in enumerate(lines):
            flow, angle = at + units + n + k, at + units + n + len(lines)
            balance[a, flow] -= 1
            balance[b, flow] += 1
            row = np.zeros(count)
            row[flow], row[angle + a], row[angle + b] = 1, -data["susceptance"] / largest, data["susceptance"] / largest
            equal.append(row)
            right.append(0.0)
            bounds[flow] = (-data["limit"] / size, data["limit"] / size)
        bounds[at + width - n : at + width] = [(None, None)] * n  # type: ignore[list-item]
        for s, each in enumerate(h.storage):
            base = steps * width + s * stored
            balance[each.bus, base + t] -= 1
            balance[each.bus, base + steps + t] += 1
        equal += list(balance)
        right += list(h.load[t] / size)
        for k, change in enumerate(h.ramp if h.ramp is not None else ()):
            if t and np.isfinite(change):
                row = np.zeros(count)
                row[at + k], row[at - width + k] = 1, -1
                above += [row, -row]
                most += [change / size] * 2
    for s, each in enumerate(h.storage):
        base = steps * width + s * stored
        rows, ends = _storage_rows(each, steps, h.step, size)
        whole = np.zeros((steps, count))
        whole[:, base : base + stored] = rows
        equal += list(whole)
        right += [0.0] * steps
        bounds[base : base + stored] = ends
        cost[base + steps : base + 2 * steps] = each.cost
    limits = (np.array(above), np.array(most)) if above else (None, None)
    found = linprog(cost / 4000.0, *limits, np.array(equal), np.array(right), bounds)
    return float(found.fun) * 4000.0 * size if found.status == 0 else np.nan


@dataclass(frozen=True)
class Series:
    """Net loads and prices of some days, with gaps, and a fleet."""

    net_load: np.ndarray  # [H]
    price: np.ndarray  # [H]
    days: Calendar
    fleet: list[Generator]
    over: int


def series(rng: np.random.Generator) -> Series:
    """Return one hour to twenty days of hours, in any unit of power, where some numbers are missing."""
    count, power = int(rng.choice([1, 24, 25, 240, 480])), scale(rng)
    at = np.arange(count) + int(rng.integers(24))
    days = Calendar(at // 24, at % 24, at // 24 % 7)
    missing = rng.random((2, count)) < rng.choice([0.0, 0.1])
    load, price = np.where(missing, np.nan, numbers(rng, 2, count) * np.array([[3 * power], [100.0]]))
    costs = (tuple(np.sort(np.round(numbers(rng, 2) * 90)).tolist()) for _ in range(int(rng.integers(1, 5))))
    fleet = [Generator(f"g{k}", c, tuple((numbers(rng, 2) * power).tolist())) for k, c in enumerate(costs)]
    return Series(load, price, days, fleet, int(rng.integers(1, 9)))


def solve_series(s: Series) -> Any:  # noqa: ANN401
    """Return competitive prices, the level of the real ones over them, and plain forecasts."""
    competitive = competitive_price(s.net_load, s.fleet, (0.0, 180.3))
    return competitive, level(s.price - competitive, s.days, s.over), baselines(s.price, s.days)


def judge_series(s: Series, found: Any) -> None:  # noqa: ANN401
    """Hour by hour: the cheapest block that is still asked for, means of days before, and yesterday's price."""
    competitive, levels, plain = found
    blocks = sorted((c, q) for g in s.fleet for c, q in zip(g.cost, g.capacity, strict=True) if q > 0)
    whole = sum(q for _, q in blocks)
    for h, load in enumerate(s.net_load):
        expect(np.isnan(load) == np.isnan(competitive[h]), f"hour {h}: a load of {load} has the price {competitive[h]}")
        if not np.isnan(load):
            reach, near = 0.0, [180.3] if load >= whole * (1 - 1e-9) else []
            for cost, most in blocks:
                if reach - 1e-9 * whole <= load <= (reach + most) + 1e-9 * whole:
                    near.append(cost)
                reach += most
            near = [0.0, *near] if load <= 0 else near
            expect(any(abs(competitive[h] - c) < 1e-9 for c in near) or min(near) <= competitive[h] <= max(near),
                   f"hour {h}: {competitive[h]}, not one of {near}")  # fmt: skip
    error = s.price - competitive
    for h in range(len(error)):
        day = s.days.day[h]
        before = error[(s.days.day < day) & (s.days.day >= day - s.over)]
        whole_days = day >= s.over
        right = before.mean() if whole_days and len(before) else np.nan
        same = np.isnan(right) and np.isnan(levels[h])
        expect(same or abs(levels[h] - right) <= 1e-9 * (1 + abs(right)), f"hour {h}: level {levels[h]}, not {right}")
        earlier = s.price[(s.days.day == day - 1) & (s.days.hour == s.days.hour[h])]
        if len(earlier) and not np.isnan(earlier[0]):
            expect(plain["yesterday"][h] == earlier[0], f"hour {h}: {plain['yesterday'][h]} is not yesterday's price")


FAMILIES = (
    Family("network_cournot", network_cournot, lambda game: solve(game, throw=False), judge_network_cournot),
    Family("horizon", hours, solve_hours, judge_hours),
    Family("price_level", series, solve_series, judge_series),
)
