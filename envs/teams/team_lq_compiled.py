"""The steps of `walras.envs.teams`, compiled: row by row, in the order of their formulas, so that no row feels another.

Arrays have the components first: processes are ``[n, B, M]``, controls of all teams ``[P, B, M]``.
"""

import numpy as np

from walras.core.typing import Floats
from walras.markets.compiled import compiled, summed


@compiled
def image(matrix: Floats, x: Floats, i: int) -> float:
    """Return entry i of ``matrix [k, n]`` times ``x [n]``, term by term."""
    total = matrix[i, 0] * x[0]
    for j in range(1, len(x)):
        total += matrix[i, j] * x[j]
    return total


@compiled
def form(weights: Floats, x: Floats) -> float:
    """Return x' W x for ``weights [n, n]`` and ``x [n]``, term by term."""
    total = 0.0
    for i in range(len(x)):
        for j in range(i, len(x)):
            total += (weights[i, j] if i == j else 2.0 * weights[i, j]) * (x[i] * x[j])
    return total


@compiled
def average(x: Floats, mean: Floats) -> None:
    """Set ``mean [n]`` to that of ``x [n, M]`` over the agents."""
    for i in range(len(x)):
        mean[i] = summed(x[i]) / x.shape[1]


@compiled
def apart(x: Floats, mean: Floats, deviation: Floats) -> None:
    """Set ``deviation [n, M]`` to what ``x [n, M]`` is beside its ``mean [n]``."""
    for i in range(len(x)):
        for agent in range(x.shape[1]):
            deviation[i, agent] = x[i, agent] - mean[i]


@compiled
def add_form(weights: Floats, x: Floats, products: Floats, total: Floats) -> None:
    """Set ``total [N]`` to the mean over the agents of x' W x, for ``x [n, M]`` and each of ``weights [N, n, n]``."""
    total[:] = 0.0
    for i in range(len(x)):
        for j in range(i, len(x)):
            for agent in range(x.shape[1]):
                products[agent] = x[i, agent] * x[j, agent]
            moment = summed(products) / x.shape[1]
            for team in range(len(weights)):
                total[team] += (weights[team, i, j] if i == j else 2.0 * weights[team, i, j]) * moment


@compiled
def team_step(
    A: Floats,
    A_mean: Floats,
    B: Floats,
    B_mean: Floats,
    noise_root: Floats,
    common_root: Floats,
    x: Floats,
    u: Floats,
    noise: Floats,
    costs: tuple[Floats, Floats, Floats, Floats],
) -> tuple[Floats, Floats]:
    """Return the processes ``[n, B, M]`` after a step, and its costs ``[B, N]``.

    Of ``noise [n, B, M + 1]`` the first is common.
    """
    n, rows, agents = x.shape
    moved, cost = np.empty_like(x), np.empty((rows, len(costs[0])))
    mean, push, own, products = np.empty(n), np.empty(len(u)), np.empty(len(costs[0])), np.empty(agents)
    deviation, effort = np.empty((n, agents)), np.empty((len(u), agents))
    for row in range(rows):
        average(x[:, row], mean)
        average(u[:, row], push)
        for i in range(n):
            common = image(A_mean, mean, i) + image(B_mean, push, i) + image(common_root, noise[:, row, 0], i)
            for agent in range(agents):
                drift = image(A, x[:, row, agent], i) + image(B, u[:, row, agent], i)
                moved[i, row, agent] = drift + image(noise_root, noise[:, row, 1 + agent], i) + common
        apart(x[:, row], mean, deviation)
        apart(u[:, row], push, effort)
        add_form(costs[0], deviation, products, own)
        for team in range(len(own)):
            cost[row, team] = own[team] + form(costs[1][team], mean)
        add_form(costs[2], effort, products, own)
        for team in range(len(own)):
            cost[row, team] += own[team] + form(costs[3][team], push)
    return moved, cost


@compiled
def last_cost(weights: Floats, weights_mean: Floats, x: Floats) -> Floats:
    """Return the costs ``[B, N]`` of the last processes ``[n, B, M]``."""
    n, rows, agents = x.shape
    cost, mean, deviation, products = (
        np.empty((rows, len(weights))),
        np.empty(n),
        np.empty((n, agents)),
        np.empty(agents),
    )
    for row in range(rows):
        average(x[:, row], mean)
        apart(x[:, row], mean, deviation)
        add_form(weights, deviation, products, cost[row])
        for team in range(len(weights)):
            cost[row, team] += form(weights_mean[team], mean)
    return cost


@compiled
def drawn(start: Floats, common_start: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """Return a first deviation and a first mean, ``[B, n]`` each, from ``noise [B, 2, n]``."""
    rows, _, n = noise.shape
    y, z = np.empty((rows, n)), np.empty((rows, n))
    for row in range(rows):
        for i in range(n):
            y[row, i], z[row, i] = image(start, noise[row, 0], i), image(common_start, noise[row, 1], i)
    return y, z


@compiled
def limit_step(
    A: Floats,
    B: Floats,
    noise_root: Floats,
    A_all: Floats,
    B_all: Floats,
    common_root: Floats,
    deviation: Floats,
    mean: Floats,
    own: Floats,
    joint: Floats,
    noise: Floats,
    costs: tuple[Floats, Floats, Floats, Floats],
) -> tuple[Floats, Floats, Floats]:
    """Return deviation and mean ``[B, n]`` after a step, and its costs ``[B, N]``.

    Controls of the deviation and of the mean are ``[B, P]``, ``noise [B, 2, n]``.
    """
    rows, n = deviation.shape
    y, z, cost = np.empty((rows, n)), np.empty((rows, n)), np.empty((rows, len(costs[0])))
    for row in range(rows):
        before, middle, v, u = deviation[row], mean[row], own[row], joint[row]
        for i in range(n):
            y[row, i] = image(A, before, i) + image(B, v, i) + image(noise_root, noise[row, 0], i)
            z[row, i] = image(A_all, middle, i) + image(B_all, u, i) + image(common_root, noise[row, 1], i)
        for team in range(cost.shape[1]):
            of_states = form(costs[0][team], before) + form(costs[1][team], middle)
            cost[row, team] = of_states + form(costs[2][team], v) + form(costs[3][team], u)
    return y, z, cost


@compiled
def limit_last_cost(weights: Floats, weights_mean: Floats, deviation: Floats, mean: Floats) -> Floats:
    """Return the costs ``[B, N]`` of the last deviation and mean, ``[B, n]`` each."""
    cost = np.empty((len(mean), len(weights)))
    for row in range(len(mean)):
        for team in range(len(weights)):
            cost[row, team] = form(weights[team], deviation[row]) + form(weights_mean[team], mean[row])
    return cost
