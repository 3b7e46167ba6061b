"""Audits of simulated sellers: their planted costs as sets, and regret from tables beside that of their policies.

Run: ``OMP_NUM_THREADS=1 python benchmarks/audit.py``; ``--quick`` takes 50 markets. A market has three sellers of two
blocks, costs U(10, 60), capacities U(50, 150) and eight loads between .3 and .9 of all capacity. In each period sellers
answer each other's offers best, in turn, until nobody gains 0.001 EUR; periods that do not settle are left out.
"""

import sys
import time
from typing import Any

import numpy as np

from walras.agents import ippo
from walras.core import AbstractGame, Policy, Random, Scripted, rollout
from walras.core.typing import Floats
from walras.envs import CournotMarket, DayAheadMarket, SupplyFunctionMarket
from walras.equilibria import DayAheadPlay, InverseDayAhead, gap, hindsight_regret, solve
from walras.equilibria.inverse import audit, play_table
from walras.markets.electricity.clearing import merit_order
from walras.markets.electricity.generation import Conditions, Generator

MARKETS = 50 if "--quick" in sys.argv else 1000
SETTLED = 1e-3
"""EUR that nobody gains more than where sellers have settled."""
FLEET = (
    Generator("gas", (30.0, 45.0), (60.0, 60.0)),
    Generator("coal", (25.0, 50.0), (80.0, 40.0)),
    Generator("oil", (40.0, 70.0), (50.0, 50.0)),
)


def main() -> None:
    """Print the tables."""
    print("| mark-ups | markets | periods settled | sellers rationalised | costs in their sets | width, EUR/MWh | s |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for limit in (None, 60.0):
        sellers(limit, MARKETS if limit is None else MARKETS // 10)
    print("\n| market | policy | regret from the table | less that of the policy | upper end of the gap |")
    print("|---|---|---|---|---|", flush=True)
    policies()


def sellers(limit: float | None, count: int) -> None:
    """Print a row of the first table."""
    rng, began = np.random.default_rng(0), time.process_time()
    family = InverseDayAhead(("a", "b", "c"), 2, 180.0, limit)
    settled, rational, inside, judged, widths, used = 0, 0, 0, 0, list[Floats](), 0
    for _ in range(count):
        cost = np.sort(rng.uniform(10, 60, (3, 2)), axis=1)
        available = np.broadcast_to(rng.uniform(50, 150, (3, 2)), (8, 3, 2)).copy()
        load = rng.uniform(0.3, 0.9, 8) * available[0].sum()
        play = offers(family, cost, available, load)
        settled += len(play.load)
        if not len(play.load):
            continue
        used += 1
        found = audit(family, play)
        for i, allowed in enumerate(found.sets):
            judged += 1
            if allowed is not None:
                rational += 1
                inside += allowed.contains(cost[i], 1e-6)
                widths.append(np.ptp(allowed.interval, axis=1))
    told = "up to 60 EUR/MWh" if limit else "any"
    width = np.quantile(np.concatenate(widths), [0.25, 0.5, 0.75]).round(1).tolist()
    took = time.process_time() - began
    print(
        f"| {told} | {used} | {settled / (8 * count):.3f} | {rational / judged:.3f} | {inside / judged:.4f} | "
        f"quartiles {width} | {took:.0f} |",
        flush=True,
    )


def offers(family: InverseDayAhead, cost: Floats, available: Floats, load: Floats) -> DayAheadPlay:
    """Return offers of the periods in which best replies settle."""
    offer, own = np.broadcast_to(cost, available.shape).copy(), np.arange(len(cost))
    for _ in range(30):
        moved = np.zeros(len(load), dtype=np.bool_)
        for i in own:
            best, asked = family.best(DayAheadPlay(offer, available, load), int(i), cost[i])
            better = best - profit(offer, available, load, cost, int(i), family.cap) > SETTLED
            offer[better, i] = asked[better]
            moved |= better
        if not moved.any():
            break
    still = family.regrets(DayAheadPlay(offer, available, load), cost.ravel()).gain.max(axis=1) <= SETTLED
    return DayAheadPlay(offer[still], available[still], load[still])


def profit(offer: Floats, available: Floats, load: Floats, cost: Floats, player: int, cap: float) -> Floats:
    """Return what a seller earns, ``[T]`` EUR."""
    found = merit_order(offer, available, load, cap, 0.0)
    return ((found.price[:, None] - cost[player]) * found.dispatch[:, player]).sum(axis=1)


def policies() -> None:
    """Print the second table."""
    profile = np.array([150.0, 220.0, 280.0, 190.0])
    day_ahead = DayAheadMarket(FLEET, Conditions(profile, deviation=8.0, outage=0.05, outage_deviation=0.02), horizon=4)
    cournot, supply = CournotMarket(horizon=4), SupplyFunctionMarket(horizon=4)
    for name, game in {"day ahead": day_ahead, "Cournot": cournot, "supply functions": supply}.items():
        row(name, "truthful", game, Scripted(game))
        row(name, "random", game, Random(game))
        row(name, "Nash", game, solve(game, throw=False).policy)
        row(name, "IPPO, 16,384 steps", game, ippo.train(game, 0, steps=16_384))


def row(name: str, told: str, game: AbstractGame[Any], policy: Policy) -> None:
    """Print a row of the second table; money of an episode, summed over agents."""
    seeds = range(32)
    known = hindsight_regret(game, policy, seeds)
    found = audit(game, play_table(game, rollout(game, policy, list(seeds))), epsilon=1e9)
    assert found.mean is not None
    regret = game.horizon * found.mean
    apart = np.abs(regret - known.regret).max()
    upper = gap(game, policy, seeds=range(64)).upper.sum()
    print(f"| {name} | {told} | {regret.sum():.6g} | {apart:.0e} | {upper:.4g} |", flush=True)


if __name__ == "__main__":
    main()
