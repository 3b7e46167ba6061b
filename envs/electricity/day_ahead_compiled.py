"""An hour of `walras.envs.electricity.day_ahead_market`, compiled: row by row, so that no row feels another."""

import numpy as np

from walras.core.typing import Floats, Ints
from walras.markets.compiled import compiled, summed
from walras.markets.electricity.clearing import EDGE
from walras.markets.electricity.clearing_compiled import cleared_row

FEW = 40
"""Blocks up to which insertion is faster than numba's sort."""


@compiled
def net_load(profile: Floats, hour: int, deviation: float, limit: float) -> float:
    """Return the net load of an hour, in MW, cut to [0, limit]; the profile goes on from its beginning."""
    return min(max(profile[hour % len(profile)] + deviation, 0.0), limit)


@compiled
def traded(
    cost: Floats,
    capacity: Floats,
    cap: float,
    profile: Floats,
    limit: float,
    hour: Ints,
    deviation: Floats,
    markup: Floats,
    outage: Floats,
) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
    """Return loads and prices ``[B]``, offers, offered and accepted quantities ``[B, N, K]`` and profits ``[B, N]``.

    Offers are marginal costs ``[N, K]`` and mark-ups ``[B, N, K]``, up to the cap, of the capacity that is not out.
    """
    rows, sellers, blocks = markup.shape
    load, price, profit = np.empty(rows), np.empty(rows), np.empty((rows, sellers))
    offer, offered, dispatch = np.empty_like(markup), np.empty_like(markup), np.empty_like(markup)
    earned, order, work = np.empty(blocks), np.empty(sellers * blocks, np.int64), np.empty((2, sellers * blocks))
    for row in range(rows):
        load[row] = net_load(profile, hour[row], deviation[row], limit)
        for i in range(sellers):
            for k in range(blocks):
                offer[row, i, k] = min(cost[i, k] + markup[row, i, k], cap)
                offered[row, i, k] = capacity[i, k] * (1.0 - outage[row, i])
        ask, accepted = offer[row].reshape(-1), dispatch[row].reshape(-1)
        sort(ask, order)
        price[row] = cleared_row(ask, offered[row].reshape(-1), order, load[row], cap, 0.0, EDGE, accepted, work)[0]
        for i in range(sellers):
            for k in range(blocks):
                earned[k] = (price[row] - cost[i, k]) * dispatch[row, i, k]
            profit[row, i] = summed(earned)
    return load, price, offer, offered, dispatch, profit


@compiled
def seen(
    clock: Floats,
    profile: Floats,
    limit: float,
    hour: Ints,
    deviation: Floats,
    price: Floats,
    cost: Floats,
    capacity: Floats,
    outage: Floats,
) -> Floats:
    """Return what is seen, ``[B, N, 4 + 2 K]``: sine and cosine of the hour, load, last price, costs, capacities."""
    rows, (sellers, blocks) = len(hour), cost.shape
    observation = np.empty((rows, sellers, 4 + 2 * blocks))
    for row in range(rows):
        time, load = clock[hour[row] % len(clock)], net_load(profile, hour[row], deviation[row], limit)
        for i in range(sellers):
            own = observation[row, i]
            own[0], own[1], own[2], own[3] = time[0], time[1], load, price[row]
            for k in range(blocks):
                own[4 + k] = cost[i, k]
                own[4 + blocks + k] = capacity[i, k] * (1.0 - outage[row, i])
    return observation


@compiled
def sort(ask: Floats, order: Ints) -> None:
    """Set `order` to one that sorts ``ask [S]``: by insertion where they are few."""
    if len(ask) > FEW:
        order[:] = np.argsort(ask)
        return
    for k in range(len(ask)):
        at = k
        while at > 0 and ask[order[at - 1]] > ask[k]:
            order[at] = order[at - 1]
            at -= 1
        order[at] = k


@compiled
def conditions_after(
    deviation: Floats, outage: Floats, noise: Floats, spread: Floats, persistence: float, kept: float, pull: float
) -> tuple[Floats, Floats]:
    """Return the load's deviation ``[B]`` and the outages ``[B, N]`` of the next hour, from ``noise [B, 1 + N]``."""
    rows, sellers = outage.shape
    load, out = np.empty(rows), np.empty((rows, sellers))
    for row in range(rows):
        load[row] = persistence * deviation[row] + (noise[row, 0] * spread[0] - 0.5 * spread[0])
        for i in range(sellers):
            innovation = noise[row, 1 + i] * spread[1 + i] - 0.5 * spread[1 + i]
            out[row, i] = min(max(kept * outage[row, i] + (pull + innovation), 0.0), 1.0)
    return load, out
