"""An hour of `walras.envs.electricity.day_ahead_market`, compiled: row by row, so that no row feels another."""

import numpy as np

from walras.core.typing import Floats, Ints
from walras.markets.compiled import compiled, summed
from walras.markets.electricity.clearing import EDGE
from walras.markets.electricity.clearing_compiled import cleared_row

FEW = 40
"""Blocks up to which insertion is faster than numba's sort."""


@compiled
def traded(
    cost: Floats, capacity: Floats, markup: Floats, outage: Floats, load: Floats, cap: float
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return prices ``[B]``, offers, offered and accepted quantities ``[B, N, K]`` and profits ``[B, N]``.

    Offers are marginal costs ``[N, K]`` and mark-ups ``[B, N, K]``, up to the cap, of the capacity that is not out.
    """
    rows, sellers, blocks = markup.shape
    price, profit = np.empty(rows), np.empty((rows, sellers))
    offer, offered, dispatch = np.empty_like(markup), np.empty_like(markup), np.empty_like(markup)
    earned, order, work = np.empty(blocks), np.empty(sellers * blocks, np.int64), np.empty((2, sellers * blocks))
    for row in range(rows):
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
    return price, offer, offered, dispatch, profit


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
