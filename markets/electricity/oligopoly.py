r"""Quantities at which firms with linear marginal cost meet a linear demand.

Demand is :math:`P = a - b Q`. Firm i sells until the price equals :math:`c_i + s_i q_i`, within [0, limit]. Two
readings of the steepness :math:`s_i`, with :math:`d_i` the slope of marginal cost:

- :math:`s_i = d_i`: a price taker; the outcome is the welfare optimum;
- :math:`s_i = d_i + b`: a Cournot firm, whose marginal revenue is :math:`P - b q_i`; the outcome is the Nash
  equilibrium, the unique solution of the complementarity problem
  :math:`0 \le q_i \le K_i \perp P - b q_i - c_i - d_i q_i`.

Supply rises with the price and demand falls, so the crossing is unique; it lies at a kink of the supply curve or in
a linear piece between two kinks, and is found exactly. O(N^2).
"""

import numpy as np

from walras.core.typing import Bools, Floats


def meet_demand(intercept: float, slope: float, cost: Floats, steepness: Floats, limit: Floats) -> Floats:
    """Return the quantities ``[N]`` at which supply meets demand.

    Parameters
    ----------
    intercept, slope : float
        a and b > 0 of the demand.
    cost, steepness, limit : Floats
        ``[N]``: c, s >= 0 and the largest quantity. Firms with s = 0 and equal cost share pro rata by limit.
    """
    kinks = np.unique(np.concatenate((cost, cost + steepness * limit)))
    excess = np.array([_supply(p, cost, steepness, limit, flat=True).sum() - (intercept - p) / slope for p in kinks])
    if excess[-1] < 0:
        return limit.copy()
    first = int(np.argmax(excess >= 0))
    price = kinks[first]
    strict = _supply(price, cost, steepness, limit, flat=False)
    demand = max((intercept - price) / slope, 0.0)
    flat = _flat_at(price, cost, steepness)
    if strict.sum() <= demand:
        room = limit * flat
        return strict + room * ((demand - strict.sum()) / room.sum() if room.any() else 0.0)
    below = kinks[first - 1] if first else -np.inf
    rising = (steepness > 0) & (cost <= below) & (cost + steepness * limit > below)
    return _on_piece(intercept, slope, cost, steepness, limit, rising, below)


def _supply(price: float, cost: Floats, steepness: Floats, limit: Floats, *, flat: bool) -> Floats:
    """Return each firm's supply at `price`; firms indifferent there sell all if `flat`, else nothing."""
    ramp = (price - cost) / np.where(steepness > 0, steepness, 1.0)
    sells_all = price >= cost if flat else price > cost
    return np.where(steepness > 0, np.clip(ramp, 0.0, limit), np.where(sells_all, limit, 0.0))


def _flat_at(price: float, cost: Floats, steepness: Floats) -> Bools:
    return (steepness == 0) & (cost == price)


def _on_piece(
    intercept: float,
    slope: float,
    cost: Floats,
    steepness: Floats,
    limit: Floats,
    rising: Bools,
    below: float,
) -> Floats:
    """Solve the linear piece above the kink `below`, where the firms `rising` respond and the others stand."""
    standing = np.where(rising, 0.0, _supply(below, cost, steepness, limit, flat=True))
    response = np.where(rising, 1 / np.where(rising, steepness, 1.0), 0.0)
    # standing + sum (p - c) / s = (a - p) / b
    price = (intercept / slope + response @ cost - standing.sum()) / (1 / slope + response.sum())
    return standing + response * (price - cost)
