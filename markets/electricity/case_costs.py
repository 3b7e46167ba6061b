"""Costs of units in MATPOWER case files, as offers.

A polynomial cost of second order is one offer whose marginal cost rises with its output. A piecewise linear cost is an
offer for each piece: as marginal costs rise from piece to piece, whatever clears the market takes them in order. Points
that are concave by rounding are replaced by their lower hull.
"""

from dataclasses import dataclass

import numpy as np

from walras.core.checks import require
from walras.core.typing import Floats

PIECEWISE, POLYNOMIAL = 1, 2  # the models of the format
ROUNDING = 1e-3  # of a marginal cost: a smaller fall of it from piece to piece is rounding


@dataclass(frozen=True)
class Pieces:
    """The offers of one unit."""

    price: Floats  # [P] $/MWh
    slope: Floats  # [P] $/MWh per MW
    quantity: Floats  # [P] MW
    minimum: Floats  # [P] MW
    fixed: float  # $/h


def pieces(row: Floats, least: float, most: float, unit: int) -> Pieces:
    """Return the offers of a unit whose cost is a row of ``gencost``, from `least` to `most` MW.

    Raises
    ------
    ValueError
        If the cost is of another model, concave, of higher than second order, or not made of finite numbers.
    """
    model, count = row[0], row[3]
    require(model in (PIECEWISE, POLYNOMIAL), "gencost", f"be of model 1 or 2 in row {unit}", float(model))
    width = 2 * count if model == PIECEWISE else count
    fits = bool(count % 1 == 0) and count >= (2 if model == PIECEWISE else 1) and 4 + width <= row.size
    require(fits, "gencost", f"have as many numbers as it says in row {unit}, of {row.size} columns", float(count))
    numbers = row[4 : 4 + int(width)]
    require(bool(np.isfinite(numbers).all()), "gencost", f"be finite in row {unit}", numbers.tolist())
    return _polynomial(numbers, least, most, unit) if model == POLYNOMIAL else _piecewise(numbers, least, most, unit)


def _polynomial(numbers: Floats, least: float, most: float, unit: int) -> Pieces:
    rising = np.concatenate((numbers[::-1], np.zeros(3)))
    require(not rising[3:].any(), "gencost", f"be of second order at most in row {unit}", numbers.tolist())
    require(bool(rising[2] >= 0), "gencost", f"have no negative quadratic term in row {unit}", float(rising[2]))
    return Pieces(rising[1:2], 2 * rising[2:3], np.array([most]), np.array([least]), float(rising[0]))


def _piecewise(numbers: Floats, least: float, most: float, unit: int) -> Pieces:
    output, cost = numbers[::2], numbers[1::2]
    require(
        bool((np.diff(output) > 0).all()), "gencost", f"have points of rising output in row {unit}", output.tolist()
    )
    slope = np.diff(cost) / np.diff(output)
    falls = bool((np.diff(slope) < -ROUNDING * np.abs(slope[:-1])).any())
    require(not falls, "gencost", f"have marginal costs that do not fall in row {unit}", slope.tolist())
    output, cost = _hull(output, cost)
    slope = np.diff(cost) / np.diff(output)
    # The first and the last piece go on beyond their points.
    bounds = np.concatenate(([-np.inf], output[1:-1], [np.inf])).clip(least, most)
    used = np.diff(bounds) > 0 if most > least else np.arange(slope.size) == np.searchsorted(output[1:-1], least)
    first = int(np.argmax(used))
    minimum, quantity = np.zeros(slope.size), np.diff(bounds)
    minimum[first], quantity[first] = least, bounds[first + 1]
    fixed = float(cost[first] - slope[first] * output[first])  # what the first piece costs beside its slope
    return Pieces(slope[used], np.zeros_like(slope[used]), quantity[used], minimum[used], fixed)


def _hull(output: Floats, cost: Floats) -> tuple[Floats, Floats]:
    """Return the points on the lower hull, in order."""
    kept: list[int] = []
    for point in range(output.size):
        while len(kept) > 1 and _above(output, cost, kept[-2], kept[-1], point):
            kept.pop()
        kept.append(point)
    return output[kept], cost[kept]


def _above(output: Floats, cost: Floats, left: int, middle: int, right: int) -> bool:
    """Return whether the middle point lies above the line from the left one to the right one."""
    rise = (cost[middle] - cost[left]) * (output[right] - output[left])
    return bool(rise > (cost[right] - cost[left]) * (output[middle] - output[left]))
