"""How often intervals of counterfactuals cover the truth, in simulated markets whose truth is known.

Run: ``OMP_NUM_THREADS=1 python benchmarks/counterfactuals.py [DRAWS] [--data FILE]``, 200 draws by default. A draw is a
year of hours of a new market. Wind of 5 GW and the loss of 1 GW: fleets clear in merit order, at a level
that wanders from day to day, with noise from hour to hour that lasts; the truth clears the changed hours. Mergers:
sellers in affine supply functions, whose costs are shocked each hour; the truth solves the merged market by
`solve_supply_function`. With FILE, a table of Spanish hours, it also tells how the curve of 2017 foretells the changes
of prices from week to week in 2018, all of them and those that come with changes of wind.
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.random import Generator as Random

from walras.core.typing import Floats
from walras.envs.electricity.supply_function_market import SupplyFunctionMarket
from walras.equilibria.electricity.counterfactual import (
    WEEK,
    Effect,
    ObservedHours,
    ObservedSellers,
    merger_by_capacity,
    merger_effect,
    net_load_effect,
    supply_curve,
)
from walras.equilibria.electricity.supply_function import solve_supply_function
from walras.markets.electricity.data import load_spain, net_load_mw
from walras.markets.electricity.generation import Generator, spanish_conditions
from walras.markets.electricity.price_level import competitive_price

HOURS = 52 * WEEK
TWO = (20_000.0, 30_000.0)
"""Demands of a market that is solved, MW."""
WIND_MW, INSTALLED_MW, UNIT_MW = 5_000.0, 23_000.0, 1_000.0


def main(arguments: list[str]) -> None:
    """Print the table."""
    path = arguments[arguments.index("--data") + 1] if "--data" in arguments else None
    draws = int(arguments[0]) if arguments and arguments[0].isdigit() else 200
    print("| change | draws | covered | mean of truth EUR/MWh | mean of estimate | mean half width |")
    print("|---|---|---|---|---|---|")
    for name, draw in CHANGES.items():
        found = [draw(np.random.default_rng([seed, len(name)])) for seed in range(draws)]
        truth = np.array([each for each, _ in found])
        told = np.array([(effect.mean, effect.low, effect.high) for _, effect in found])
        covered = ((told[:, 1] <= truth) & (truth <= told[:, 2])).mean()
        wide = (told[:, 2] - told[:, 1]).mean() / 2
        print(f"| {name} | {draws} | {covered:.3f} | {truth.mean():.3f} | {told[:, 0].mean():.3f} | {wide:.3f} |")
    if path:
        spain(path)


def net_load(rng: Random, blocks: int, more: Callable[[Floats], Floats]) -> tuple[float, Effect]:
    """Return the true effect of `more` net load, a function of the share of wind that blows, and the estimate."""
    conditions = spanish_conditions(HOURS)
    deviation = lasting(rng, HOURS, conditions.persistence, conditions.deviation)
    served, share = conditions.profile + deviation, np.clip(0.27 - deviation / INSTALLED_MW, 0.02, 0.9)
    fleet = drawn_fleet(rng, 1.2 * float(served.max() + UNIT_MW), blocks)
    clean = competitive_price(served, fleet, (0.0, 3_000.0))
    level = np.repeat(lasting(rng, HOURS // 24, 0.95, 1.5), 24)
    hours = ObservedHours(clean + level + lasting(rng, HOURS, 0.7, 1.5), served)
    changed = more(share)
    truth = float((competitive_price(served + changed, fleet, (0.0, 3_000.0)) - clean).mean())
    return truth, net_load_effect(hours, supply_curve(hours), changed)


def drawn_fleet(rng: Random, capacity: float, blocks: int) -> list[Generator]:
    """Return blocks with costs from 10 to 80 EUR/MWh, as sellers of one block."""
    cost, size = np.sort(rng.uniform(10, 80, blocks)), rng.dirichlet(np.full(blocks, 3.0)) * capacity
    return [Generator(f"block_{k}", (float(c),), (float(q),)) for k, (c, q) in enumerate(zip(cost, size, strict=True))]


def lasting(rng: Random, count: int, persistence: float, deviation: float) -> Floats:
    """Return an autoregression from its long-run law on."""
    shock = deviation * rng.normal(size=count)
    path = np.empty(count)
    before = shock[0] / (1 - persistence**2) ** 0.5
    for k in range(count):
        path[k] = before
        before = persistence * before + shock[k]
    return path


def merger(rng: Random) -> tuple[float, Effect]:
    """Return the true effect of a merger in affine supply functions, and the estimate from all sellers' quantities."""
    sellers = int(rng.integers(3, 7))
    cost, steep, slope = rng.uniform(10, 12, sellers), rng.uniform(0.004, 0.012, sellers), float(rng.uniform(20, 80))
    demand = spanish_conditions(HOURS).profile + lasting(rng, HOURS, 0.978, 734.0)
    curve = solve_supply_function(market(slope, cost, steep)).action
    level = np.repeat(lasting(rng, HOURS // 24, 0.95, 1.5), 24)
    own = cost + level[:, None] + np.stack([lasting(rng, HOURS, 0.7, 1.0) for _ in range(sellers)], axis=1)
    price = (demand + own @ curve[:, 1]) / (slope + curve[:, 1].sum())
    quantity = curve[:, 1] * (price[:, None] - own)
    both = 1 / (1 / steep[:2]).sum()
    costs = np.concatenate((own[:, 2:], both * (own[:, :2] / steep[:2]).sum(axis=1)[:, None]), axis=1)
    after = solve_supply_function(market(slope, costs.mean(axis=0), np.append(steep[2:], both))).action[:, 1]
    truth = float(((demand + costs @ after) / (slope + after.sum()) - price).mean())
    return truth, merger_effect(ObservedSellers(price, quantity, demand, slope), (0, 1))


def market(slope: float, cost: Floats, steep: Floats) -> SupplyFunctionMarket:
    """Return a market with a slope of demand, costs and their slopes; its slopes in equilibrium depend on no demand."""
    return SupplyFunctionMarket(
        demand=TWO, demand_slope=slope, cost=tuple(cost.tolist()), cost_slope=tuple(steep.tolist())
    )


def by_capacity(rng: Random) -> tuple[float, Effect]:
    """Return the same where costs are one line that capacities split, and only price and net load are seen."""
    sellers, almost = int(rng.integers(4, 7)), 1e-6
    owned, steep = rng.uniform(1, 4, sellers), float(rng.uniform(0.002, 0.006))
    demand = spanish_conditions(HOURS).profile + lasting(rng, HOURS, 0.978, 734.0)
    parts = {1: owned, 2: np.append(owned[2:], owned[:2].sum())}
    total = {}
    for key, each in parts.items():
        alone = market(almost, np.full(len(each), 10.0), steep / each * owned.sum())
        total[key] = solve_supply_function(alone).action[:, 1].sum()
    level = np.repeat(lasting(rng, HOURS // 24, 0.95, 1.5), 24) + lasting(rng, HOURS, 0.7, 1.5)
    hours = ObservedHours(10 + level + demand / total[1], demand)
    truth = float((demand / total[2] - demand / total[1]).mean())
    return truth, merger_by_capacity(hours, owned.tolist(), (0, 1))


def spain(path: str) -> None:
    """Print how the curve of one year foretells the next."""
    frame = load_spain(path)
    year = frame["timestamp_utc"].dt.tz_convert("Europe/Madrid").dt.year.to_numpy()
    net_load, price = net_load_mw(frame).to_numpy(), frame["price_day_ahead_eur_mwh"].to_numpy()
    wind_mw = frame["gen_wind_onshore_mw"].interpolate(limit_direction="both").to_numpy()
    print("| curve of | judged on | price changes per foretold change | those with changes of wind |")
    print("|---|---|---|---|")
    for told in (2015, 2016, 2017):
        curve = supply_curve(ObservedHours(price[year == told], net_load[year == told]))
        of = year == told + 1
        foretold, came, instrument = (
            each[WEEK:] - each[:-WEEK] for each in (curve(net_load[of]), price[of], wind_mw[of])
        )
        parts = [f"{centre:.2f} [{low:.2f}, {high:.2f}]" for centre, low, high in slopes(foretold, came, instrument)]
        print(f"| {told} | {told + 1} | {' | '.join(parts)} |")


def slopes(foretold: Floats, came: Floats, instrument: Floats) -> Iterator[tuple[float, float, float]]:
    """Yield slopes of what came over what was foretold, by least squares and by the instrument, and their intervals."""
    for by in (foretold, instrument):
        weeks = len(came) // WEEK
        parts = [(by * each)[: weeks * WEEK].reshape(weeks, WEEK).sum(axis=1) for each in (came, foretold)]
        count = np.random.default_rng(0).multinomial(weeks, np.full(weeks, 1 / weeks), 1_000)
        drawn = (count @ parts[0]) / (count @ parts[1])
        low, high = np.quantile(drawn, (0.025, 0.975)).tolist()
        yield float(parts[0].sum() / parts[1].sum()), low, high


def _wind(share: Floats) -> Floats:
    return -WIND_MW * share


def _lost(share: Floats) -> Floats:
    return np.full(len(share), UNIT_MW)


CHANGES: dict[str, Callable[[Random], tuple[float, Effect]]] = {
    "wind, fleet of 100 blocks": partial(net_load, blocks=100, more=_wind),
    "wind, fleet of 24 blocks": partial(net_load, blocks=24, more=_wind),
    "unit lost, 100 blocks": partial(net_load, blocks=100, more=_lost),
    "unit lost, 24 blocks": partial(net_load, blocks=24, more=_lost),
    "merger, quantities seen": merger,
    "merger, capacities given": by_capacity,
}

if __name__ == "__main__":
    main(sys.argv[1:])
