"""Electricity: auctions in exact arithmetic, oligopolies by best replies, networks and hours by other programs."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import networkx as nx
import numpy as np
from robust.family import Family, Refused, expect, numbers, scale
from scipy.optimize import linprog

from walras.core import Scripted, rollout, take_rows
from walras.core.solution import Status
from walras.envs import CournotMarket, DayAheadMarket, SupplyFunctionMarket
from walras.equilibria import solve
from walras.markets.electricity.clearing import clear
from walras.markets.electricity.generation import Generator
from walras.markets.electricity.network import NetworkMarket


@dataclass(frozen=True)
class Book:
    """One auction."""

    price: np.ndarray  # [S]
    quantity: np.ndarray  # [S]
    load: float
    bid: np.ndarray  # [J]
    wanted: np.ndarray  # [J]


def book(rng: np.random.Generator) -> Book:
    """Return an auction with ties, empty blocks, and bids of any size."""
    sellers, bids, unit = int(rng.integers(0, 6)), int(rng.integers(0, 4)), scale(rng)
    quantity = numbers(rng, sellers) * unit
    prices = np.round(rng.uniform(-20, 100, sellers + bids) / 10) * rng.choice([1.0, 10.0, 0.1])
    load = float(rng.choice([0.0, quantity[: sellers // 2].sum(), rng.random() * unit * sellers]))
    huge = np.where(rng.random(bids) < 0.2, 1e12, 1.0)
    return Book(prices[:sellers], quantity, load, prices[sellers:], numbers(rng, bids) * unit * huge)


def clear_book(b: Book) -> Any:  # noqa: ANN401
    """Clear it."""
    return clear(
        b.price[None, :, None], b.quantity[None, :, None], [b.load], bid_price=[b.bid], bid_quantity=[b.wanted]
    )


def judge_book(b: Book, found: Any) -> None:  # noqa: ANN401
    """Raise unless what is sold is bought, and the price supports each block."""
    sold, bought = found.dispatch[0, :, 0], found.consumption[0]
    supplied = sum(map(Fraction, sold.tolist()), Fraction(0))
    used = sum(map(Fraction, bought.tolist()), Fraction(b.load) - Fraction(float(found.unserved[0])))
    size = float(max(supplied, used))
    expect(abs(supplied - used) <= 1e-10 * size, f"sold {float(supplied):.6g}, bought {float(used):.6g}")
    price, (low, high) = found.price[0], found.interval[0]
    expect(low <= price <= high, "the price lies outside its interval")
    slack = 1e-10 * size
    for at in (low, high):
        expect((sold[b.price < at] >= b.quantity[b.price < at] - slack).all(), f"an offer below {at} is not accepted")
        expect((sold[b.price > at] <= slack).all(), f"an offer above {at} is accepted")
        expect((bought[b.bid > at] >= (b.wanted - slack)[b.bid > at]).all(), f"a bid above {at} is not served")
        expect((bought[b.bid < at] <= slack).all(), f"a bid below {at} is served")
    expect(found.unserved[0] <= slack or high == 4000.0, "load is unserved below the cap")


def cournot(rng: np.random.Generator) -> CournotMarket:
    """Return one firm to twelve."""
    firms, money, power = int(rng.integers(1, 13)), scale(rng), scale(rng)
    intercept = float(rng.uniform(0.5, 2)) * money
    capacity = np.where(rng.random(firms) < 0.5, np.inf, numbers(rng, firms) * power)
    return CournotMarket(
        intercept=intercept,
        slope=float(rng.uniform(0.1, 2)) * money / power,
        cost=tuple(numbers(rng, firms) * intercept * rng.choice([0.9, 1.5])),
        cost_slope=tuple(numbers(rng, firms) * money / power),
        capacity=tuple(capacity),
        horizon=1,
    )


def judge_cournot(game: CournotMarket, found: Any) -> None:  # noqa: ANN401
    """Each firm sells its best reply."""
    if found.status is not Status.CONVERGED:
        raise Refused(found.status.name)
    q, b = found.action[:, 0], game.slope
    others = q.sum() - q
    steep = 2 * b + np.array(game.cost_slope)
    best = np.clip((game.intercept - np.array(game.cost) - b * others) / steep, 0, np.array(game.capacity))
    worst = np.abs(best - q).max()
    expect(worst <= 1e-8 * game.intercept / b, f"a firm sells {worst:.3g} MW from its best reply")


def supply(rng: np.random.Generator) -> SupplyFunctionMarket:
    """Return one firm to six."""
    firms, money, power = int(rng.integers(1, 7)), scale(rng), scale(rng)
    return SupplyFunctionMarket(
        demand=tuple((10 + 90 * rng.random(int(rng.integers(1, 4)))) * power),
        demand_slope=float(rng.uniform(0.1, 2)) * power / money,
        cost=tuple(numbers(rng, firms) * 4 * money),
        cost_slope=tuple((0.05 + numbers(rng, firms)) * money / power),
        horizon=1,
    )


def judge_supply(game: SupplyFunctionMarket, found: Any) -> None:  # noqa: ANN401
    """No firm earns more at any price that some supply of its own brings about."""
    if found.status is not Status.CONVERGED:
        raise Refused(found.status.name)
    start, slope = found.action.T
    for demand in game.demand:
        price = (demand + (start * slope).sum()) / (game.demand_slope + slope.sum())
        for i, (cost, steep) in enumerate(zip(game.cost, np.array(game.cost_slope).tolist(), strict=True)):
            rivals = np.delete(slope, i)
            gone = game.demand_slope + rivals.sum()
            level = demand + (np.delete(start, i) * rivals).sum()
            sold = (level - cost * gone) / (2 + steep * gone)  # maximises (level - q) / gone q - cost q - steep q^2 / 2
            own = slope[i] * (price - start[i])
            gain = (1 / gone + steep / 2) * (sold - own) ** 2
            stake = (1 / gone + steep / 2) * sold**2
            expect(gain <= 1e-7 * stake or own < 0 or sold < 0, f"firm {i} gains {gain / stake:.3g} of its profit")


def day_ahead(rng: np.random.Generator) -> DayAheadMarket:
    """Return one generator to five on the Spanish profile."""
    peak = float(DayAheadMarket().conditions.profile.max()) * 2
    count = int(rng.integers(1, 6))
    fleet = []
    for i in range(count):
        capacity = float(10.0 ** rng.uniform(-3, 6))
        fleet.append(Generator(f"g{i}", tuple(np.sort(np.round(numbers(rng, 2) * 90))), (capacity / 2, capacity / 2)))
    return DayAheadMarket(fleet=tuple(fleet), horizon=int(rng.integers(1, 4)), peak=peak)


def solve_day_ahead(game: DayAheadMarket) -> Any:  # noqa: ANN401
    """Return the competitive equilibrium."""
    return solve(game, "competitive", seeds=range(4), throw=False)


def judge_day_ahead(game: DayAheadMarket, found: Any) -> None:  # noqa: ANN401
    """Raise unless the cost of each hour is that of serving its load by the cheapest blocks first."""
    after = take_rows(rollout(game, Scripted(game), (0,)).state, slice(1, None))
    for t in range(game.horizon):
        left, least = float(after.cleared[t, 0]), 0.0
        for price, most in sorted(zip(game.cost.ravel(), after.offered[t, 0].ravel(), strict=True)):
            least, left = least + price * min(most, max(left, 0.0)), left - most
        least += game.cap * max(left, 0.0)
        expect(abs(found.cost[t, 0] - least) <= 1e-9 * least + 1e-9, f"hour {t} costs {found.cost[t, 0]}, not {least}")
    expect(np.isfinite(found.price).all(), "a price is no number")
    expect((found.price >= 0).all() and (found.price <= game.cap).all(), "a price lies outside floor and cap")
    if found.status is not Status.CONVERGED:
        raise Refused(found.status.name)


@dataclass(frozen=True)
class Grid:
    """A network and its offers."""

    graph: "nx.MultiGraph[int]"
    bus: list[int]
    price: np.ndarray
    quantity: np.ndarray
    cap: float


def grid(rng: np.random.Generator) -> Grid:
    """Return one bus to five, meshed, with islands, scarcity, and limits of any size."""
    buses, units, power = int(rng.integers(1, 6)), int(rng.integers(1, 6)), float(10.0 ** rng.integers(-3, 6))
    graph: nx.MultiGraph[int] = nx.MultiGraph()
    for n, load in enumerate(numbers(rng, buses) * power):
        graph.add_node(n, load=float(load))
    for _ in range(int(rng.integers(0, 2 * buses)) if buses > 1 else 0):
        a, b = rng.choice(buses, 2, replace=False).tolist()
        limit = float(rng.choice([np.inf, rng.random() * power, 0.0]))
        graph.add_edge(a, b, susceptance=float(10.0 ** rng.uniform(-1, 4)), limit=limit)
    cap = float(rng.choice([4000.0, 1e6]))
    price = np.round(numbers(rng, units) * 100)
    return Grid(graph, rng.integers(0, buses, units).tolist(), price, numbers(rng, units) * power * buses, cap)


def judge_grid(g: Grid, found: Any) -> None:  # noqa: ANN401
    """Raise unless the cost is that of a linear program in flows and angles."""
    n, units, lines = g.graph.number_of_nodes(), len(g.bus), list(g.graph.edges(data=True))
    loads = np.array([data["load"] for _, data in g.graph.nodes(data=True)])
    size = max(loads.max(), 1e-12)
    balance = np.zeros((n, units + n + len(lines) + n))
    balance[g.bus, np.arange(units)] = 1
    balance[:, units : units + n] = np.eye(n)
    law = np.zeros((len(lines), balance.shape[1]))
    largest = max((d["susceptance"] for *_, d in lines), default=1.0)
    for k, (a, b, data) in enumerate(lines):
        balance[a, units + n + k], balance[b, units + n + k] = -1, 1
        law[k, units + n + k] = 1
        law[k, units + n + len(lines) + np.array([a, b])] = np.array([-1, 1]) * data["susceptance"] / largest
    limits = [(-d["limit"] / size, d["limit"] / size) for *_, d in lines]
    bounds = [(0, q / size) for q in g.quantity] + [(0, d / size) for d in loads] + limits + [(None, None)] * n
    cost = np.concatenate((g.price, np.full(n, g.cap), np.zeros(len(lines) + n))) / g.cap
    right = np.concatenate((loads / size, np.zeros(len(lines))))
    best = linprog(cost, A_eq=np.vstack((balance, law)), b_eq=right, bounds=bounds)
    least = float(best.fun or 0.0) * g.cap * size
    gross = g.cap * loads.sum() + 1e-300
    expect(abs(found.cost - least) <= 1e-6 * gross, f"costs {found.cost:.9g}, the program {least:.9g}")
    expect(
        (found.nodal_price <= g.cap * (1 + 1e-6)).all() or any(np.isfinite(d["limit"]) for *_, d in lines),
        "price above the cap",
    )


FAMILIES = (
    Family("auction", book, clear_book, judge_book),
    Family("cournot", cournot, lambda game: solve(game, throw=False), judge_cournot),
    Family("supply_function", supply, lambda game: solve(game, throw=False), judge_supply),
    Family(
        "day_ahead", day_ahead, lambda game: solve(game, "competitive", seeds=range(4), throw=False), judge_day_ahead
    ),
    Family("network", grid, lambda g: NetworkMarket(g.graph, g.bus).clear(g.price, g.quantity, cap=g.cap), judge_grid),
)
