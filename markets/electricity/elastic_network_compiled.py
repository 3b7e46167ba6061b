"""The lasso of `walras.markets.electricity.elastic_network`, compiled; F limited lines, n buses, K units."""

import numpy as np

from walras.core.typing import Floats, Ints
from walras.markets.compiled import compiled

SWEEPS = 10_000
"""Sweeps of coordinate descent after which a row is left as it is."""
ROUNDING = 1e-11
"""Share of the largest flow up to which a limit is met."""
FLAT = 1e-12
"""Share of the largest diagonal entry below which a line's price moves no flow."""


@compiled
def clear(
    output: Floats, bus: Ints, rows: Floats, wanted: Floats, weight: float, quadratic: Floats, limit: Floats
) -> tuple[Floats, Floats]:
    """Return prices ``[B, n]`` and line prices ``[B, F]`` of ``output [B, K]``."""
    lines, buses = rows.shape
    price, multiplier = np.empty((len(output), buses)), np.zeros((len(output), lines))
    injection, flow = np.empty(buses), np.empty(lines)
    for b in range(len(output)):
        injection[:] = 0.0
        for k in range(len(bus)):
            injection[bus[k]] += output[b, k]
        _multipliers(injection, rows, wanted, quadratic, limit, multiplier[b], flow)
        _prices(injection, rows, wanted, weight, multiplier[b], price[b])
    return price, multiplier


@compiled
def path(
    output: Floats,
    bus: Ints,
    unit: int,
    most: float,
    rows: Floats,
    wanted: Floats,
    weight: float,
    quadratic: Floats,
    limit: Floats,
) -> tuple[Floats, Floats]:
    """Return outputs of one unit ``[G]``, from 0 to `most`, between which all prices are linear, and prices ``[G, n]``.

    The others' outputs ``[K]`` stay. From each place on, the lines that bind tell how far prices go on as they do.
    """
    lines, buses = rows.shape
    room = 8 * lines + 16
    at, price = np.empty(room), np.empty((room, buses))
    injection, flow, multiplier = np.zeros(buses), np.empty(lines), np.zeros(lines)
    for k in range(len(bus)):
        if k != unit:
            injection[bus[k]] += output[k]
    base, ahead, x, count = injection[bus[unit]], 1e-9 * most, 0.0, 0
    while True:
        injection[bus[unit]] = base + x
        _multipliers(injection, rows, wanted, quadratic, limit, multiplier, flow)
        at[count] = x
        _prices(injection, rows, wanted, weight, multiplier, price[count])
        count += 1
        if x >= most or count == room:
            return at[:count], price[:count]
        injection[bus[unit]] = base + x + ahead
        _multipliers(injection, rows, wanted, quadratic, limit, multiplier, flow)
        step = _reach(rows[:, bus[unit]], quadratic, limit, multiplier, flow)
        step = most / room if step < 0.0 else step
        x = min(x + ahead + step, most) if count < room - 1 else most


@compiled
def _prices(injection: Floats, rows: Floats, wanted: Floats, weight: float, multiplier: Floats, price: Floats) -> None:
    """Set prices ``[n]``."""
    level = 0.0
    for n in range(len(injection)):
        level += wanted[n] - injection[n]
    price[:] = level / weight
    for l in range(len(multiplier)):  # noqa: E741
        if multiplier[l] != 0.0:
            for n in range(len(injection)):
                price[n] -= rows[l, n] * multiplier[l]


@compiled
def _multipliers(
    injection: Floats,
    rows: Floats,
    wanted: Floats,
    quadratic: Floats,
    limit: Floats,
    multiplier: Floats,
    flow: Floats,
) -> None:
    """Set the line prices and the flows, ``[F]`` each, from 0."""
    lines, buses = rows.shape
    multiplier[:] = 0.0
    size = 0.0
    for l in range(lines):  # noqa: E741
        total = 0.0
        for n in range(buses):
            total += rows[l, n] * (injection[n] - wanted[n])
        flow[l] = total
        size = max(size, abs(total))
    slack, free = ROUNDING * size, flow.copy()
    if not _one_by_one(free, quadratic, limit, multiplier, flow, slack):
        _descend(free, quadratic, limit, multiplier, flow, slack)


@compiled
def _one_by_one(free: Floats, quadratic: Floats, limit: Floats, multiplier: Floats, flow: Floats, slack: float) -> bool:
    """Let the line that is furthest over its limit bind, and those with a wrong sign no more, until all is right.

    Return whether it came to an end; in rows of many lines it may go round.
    """
    side = np.zeros(len(limit))
    for _ in range(4 * len(limit) + 1):
        worst, most = -1, slack
        for l in range(len(limit)):  # noqa: E741
            over = abs(flow[l]) - limit[l]
            if side[l] == 0.0 and over > most:
                worst, most = l, over
        if worst < 0:
            return True
        side[worst] = 1.0 if flow[worst] > 0 else -1.0
        while not _settled(free, quadratic, limit, side, multiplier, flow, slack):
            dropped = False
            for l in range(len(limit)):  # noqa: E741
                if side[l] * multiplier[l] < 0.0:
                    side[l], dropped = 0.0, True
            if not dropped:
                return False
    return False


@compiled
def _descend(free: Floats, quadratic: Floats, limit: Floats, multiplier: Floats, flow: Floats, slack: float) -> None:
    """Coordinate descent from 0, until the lines that bind tell the rest."""
    lines = len(limit)
    multiplier[:], flow[:] = 0.0, free
    steep, size = 0.0, np.abs(free).max()
    for l in range(lines):  # noqa: E741
        steep = max(steep, quadratic[l, l])
    side, exact, carried = np.zeros(lines), np.empty(lines), np.empty(lines)
    for _ in range(SWEEPS):
        changed, moved = False, 0.0
        for l in range(lines):  # noqa: E741
            diagonal = quadratic[l, l]
            if diagonal <= FLAT * steep or (multiplier[l] == 0.0 and abs(flow[l]) <= limit[l]):
                continue
            pull = flow[l] + diagonal * multiplier[l]
            after = max(abs(pull) - limit[l], 0.0) / diagonal
            if pull < 0:
                after = -after
            step = after - multiplier[l]
            multiplier[l] = after
            if side[l] != np.sign(after):
                side[l], changed = np.sign(after), True
            moved = max(moved, abs(step) * diagonal)
            for k in range(lines):
                flow[k] -= quadratic[k, l] * step
        if changed:
            continue
        if moved <= 1e-15 * size:
            return
        right = _settled(free, quadratic, limit, side, exact, carried, slack)
        if right and np.all(np.abs(carried) <= limit + slack):
            multiplier[:], flow[:] = exact, carried
            return


@compiled
def _settled(
    free: Floats, quadratic: Floats, limit: Floats, side: Floats, multiplier: Floats, flow: Floats, slack: float
) -> bool:
    """Set the prices of the lines that bind at a side, and all flows; return whether those lines have right signs.

    Where the lines have no prices of their own, nothing is set.
    """
    active = np.flatnonzero(side)
    count = len(active)
    matrix, solution = np.empty((count, count)), np.empty(count)
    for i in range(count):
        solution[i] = free[active[i]] - side[active[i]] * limit[active[i]]
        for j in range(count):
            matrix[i, j] = quadratic[active[i], active[j]]
    if not _solve(matrix, solution):
        return False
    right = True
    multiplier[:], flow[:] = 0.0, free
    for i in range(count):
        l = active[i]  # noqa: E741
        multiplier[l] = solution[i]
        right &= solution[i] * side[l] >= 0.0
        for k in range(len(limit)):
            flow[k] -= quadratic[k, l] * solution[i]
    for i in range(count):
        right &= abs(flow[active[i]] - side[active[i]] * limit[active[i]]) <= slack
    return bool(right)


@compiled
def _reach(direction: Floats, quadratic: Floats, limit: Floats, multiplier: Floats, flow: Floats) -> float:
    """Return how far an injection with the flows ``direction [F]`` goes on before another line binds, or one no more.

    It is not known, and negative, where the lines that bind have no prices of their own.
    """
    active = np.flatnonzero(multiplier != 0.0)
    count = len(active)
    matrix, solution = np.empty((count, count)), np.empty(count)
    for i in range(count):
        solution[i] = direction[active[i]]
        for j in range(count):
            matrix[i, j] = quadratic[active[i], active[j]]
    if not _solve(matrix, solution):
        return -1.0
    step = np.inf
    for i in range(count):
        if solution[i] * multiplier[active[i]] < 0.0:
            step = min(step, -multiplier[active[i]] / solution[i])
    for l in range(len(limit)):  # noqa: E741
        if multiplier[l] != 0.0:
            continue
        rate = direction[l]
        for i in range(count):
            rate -= quadratic[l, active[i]] * solution[i]
        if abs(rate) > 1e-12:
            step = min(step, max(((limit[l] if rate > 0 else -limit[l]) - flow[l]) / rate, 0.0))
    return step


@compiled
def _solve(matrix: Floats, right: Floats) -> bool:
    """Solve a positive definite system in place, by Cholesky; return whether it is one."""
    count = len(right)
    most = 0.0
    for i in range(count):
        most = max(most, matrix[i, i])
    for j in range(count):
        for i in range(j, count):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            if i == j:
                if total <= 1e-12 * most:
                    return False
                matrix[j, j] = np.sqrt(total)
            else:
                matrix[i, j] = total / matrix[j, j]
    for i in range(count):
        for k in range(i):
            right[i] -= matrix[i, k] * right[k]
        right[i] /= matrix[i, i]
    for i in range(count - 1, -1, -1):
        for k in range(i + 1, count):
            right[i] -= matrix[k, i] * right[k]
        right[i] /= matrix[i, i]
    return True
