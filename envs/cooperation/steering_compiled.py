"""The ways of `walras.envs.cooperation.steering`, compiled: the same sums and comparisons for each agent by itself."""

import numpy as np

from walras.core.typing import Floats
from walras.markets.compiled import compiled


@compiled
def ways_on(target: Floats, corners: Floats, between: Floats, boxes: Floats, blocked: float, leg: float) -> Floats:
    """Return the length of the shortest way from each corner to each target, ``[M, C]``.

    Parameters
    ----------
    target : array
        ``[M, 2]``.
    corners : array
        ``[C, 2]``, points around the walls.
    between : array
        ``[C, C]``, lengths of the ways between them.
    boxes : array
        ``[W, 4]``, the ends of the walls with what is kept off them: least x and y, largest x and y.
    blocked, leg : float
        How many times longer a way is inside a wall, and what each leg adds.
    """
    count = len(corners)
    onward, nearer = np.empty((len(target), count)), np.empty(count)
    for m in range(len(target)):
        for c in range(count):
            onward[m, c] = way(corners[c], target[m], boxes, blocked, leg)[0]
        for _ in range(count):
            for c in range(count):
                least = np.inf
                for d in range(count):
                    least = min(least, between[c, d] + onward[m, d])
                nearer[c] = min(onward[m, c], least)
            onward[m] = nearer
    return onward


@compiled
def first_turns(
    start: Floats, target: Floats, corners: Floats, onward: Floats, boxes: Floats, blocked: float, leg: float
) -> tuple[Floats, Floats]:
    """Return the first point on each shortest way and the turn before it, ``[M, 2]`` each.

    Parameters
    ----------
    start, target : array
        ``[M, 2]``.
    onward : array
        ``[M, C]``, the lengths of the shortest ways from corners to targets.
    corners, boxes, blocked, leg
        As of `ways_on`.
    """
    point, turn = np.empty_like(start), np.empty_like(start)
    for m in range(len(start)):
        best, level = way(start[m], target[m], boxes, blocked, leg)
        point[m] = target[m]
        for c in range(len(corners)):
            length, flat = way(start[m], corners[c], boxes, blocked, leg)
            if length + onward[m, c] < best:
                best, level, point[m] = length + onward[m, c], flat, corners[c]
        if level:
            turn[m, 0], turn[m, 1] = point[m, 0], start[m, 1]
        else:
            turn[m, 0], turn[m, 1] = start[m, 0], point[m, 1]
    return point, turn


@compiled
def way(start: Floats, end: Floats, boxes: Floats, blocked: float, leg: float) -> tuple[float, bool]:
    """Return the length of the shorter of two ways between points ``[2]``, and whether it goes along x first."""
    level = along(start[0], start[1], end[0], start[1], boxes, blocked)
    level = level + along(end[0], start[1], end[0], end[1], boxes, blocked) + leg
    upright = along(start[0], start[1], start[0], end[1], boxes, blocked)
    upright = upright + along(start[0], end[1], end[0], end[1], boxes, blocked) + leg
    return min(level, upright), level <= upright


@compiled
def along(x: float, y: float, end_x: float, end_y: float, boxes: Floats, blocked: float) -> float:
    """Return the length of a way along one axis, with what walls add."""
    step_x, step_y = end_x - x, end_y - y
    size = abs(step_x) + abs(step_y)
    step_x = 1e-12 if abs(step_x) < 1e-12 else step_x
    step_y = 1e-12 if abs(step_y) < 1e-12 else step_y
    share = 0.0
    for w in range(len(boxes)):
        near_x, far_x = (boxes[w, 0] - x) / step_x, (boxes[w, 2] - x) / step_x
        near_y, far_y = (boxes[w, 1] - y) / step_y, (boxes[w, 3] - y) / step_y
        enter = max(max(min(near_x, far_x), min(near_y, far_y)), 0.0)
        leave = min(min(max(near_x, far_x), max(near_y, far_y)), 1.0)
        share += max(leave - enter, 0.0)
    return size * (1.0 + blocked * share)
