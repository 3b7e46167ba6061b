r"""Kernels of `walras.equilibria.matrix.memory_policies`: one player against the others' fixed policies.

The player has A actions, the others together R. In state s it earns ``u[a, r]`` and the next state is
``base[g] + joint[a, r]``, where ``g = group[s]`` is what is still remembered of s a period later.
"""

import numpy as np

from walras.core.typing import Bools, Floats, Ints
from walras.markets.compiled import compiled

SWEEPS = 12
"""Sweeps of evaluation between two improvements."""
MOST = 100_000
"""Sweeps at most; discounting alone needs fewer."""


def _walk(next_state: Ints, reward: Floats, discount: float, value: Floats) -> None:
    """Evaluate a deterministic chain exactly, in O(S): ``value [S]`` is modified in place.

    From each state that is not yet known, walk until a known one or one of the walk itself: the latter closes a cycle,
    whose value is a geometric sum. Then go back along the walk.
    """
    states = len(next_state)
    place = np.full(states, -1, np.int64)  # on the present walk; -2 where the value is known
    walk = np.empty(states, np.int64)
    for first in range(states):
        length, s = 0, first
        while place[s] == -1:
            place[s], walk[length] = length, s
            length += 1
            s = next_state[s]
        entry = place[s]
        if entry >= 0:
            total, weight = 0.0, 1.0
            for k in range(entry, length):
                total += weight * reward[walk[k]]
                weight *= discount
            value[s] = at = total / (1 - weight)
            for k in range(length - 1, entry, -1):
                value[walk[k]] = at = reward[walk[k]] + discount * at
            for k in range(entry, length):
                place[walk[k]] = -2
            length = entry
        for k in range(length - 1, -1, -1):
            value[walk[k]] = reward[walk[k]] + discount * value[next_state[walk[k]]]
            place[walk[k]] = -2


walk = compiled(_walk)


def _pure_response(
    u: Floats,
    joint: Ints,
    base: Ints,
    group: Ints,
    rival: Ints,
    own: Ints,
    discount: float,
    tol: float,
    value: Floats,
    once: Floats,
    best: Floats,
    reply: Ints,
) -> tuple[int, float]:
    """Find the best response to deterministic rivals by policy iteration from the player's own policy.

    Modifies in place, ``[S]`` each: the policy's ``value``, that of the best deviation of one period ``once``, that of
    the ``best`` response, and the response itself, ``reply``. Returns the improvements and what the last one lacked.
    """
    states, actions, others = len(group), u.shape[0], u.shape[1]
    next_state, reward = np.empty(states, np.int64), np.empty(states)
    most, choice = np.empty((len(base), others)), np.empty((len(base), others), np.int64)
    reply[:] = own
    rounds = 0
    while True:
        for s in range(states):
            next_state[s] = base[group[s]] + joint[reply[s], rival[s]]
            reward[s] = u[reply[s], rival[s]]
        walk(next_state, reward, discount, best)
        for g in range(len(base)):
            for r in range(others):
                most[g, r] = -np.inf
                for a in range(actions):
                    ahead = u[a, r] + discount * best[base[g] + joint[a, r]]
                    if ahead > most[g, r]:
                        most[g, r], choice[g, r] = ahead, a
        if rounds == 0:
            for s in range(states):
                value[s] = best[s]
                more = most[group[s], rival[s]] - best[s]
                once[s] = best[s] + (more if more > tol else 0.0)
        changed, lacking = False, 0.0
        for s in range(states):
            more = most[group[s], rival[s]] - best[s]
            lacking = max(lacking, more)
            if more > tol:
                reply[s] = choice[group[s], rival[s]]
                changed = True
        if not changed:
            return rounds, lacking
        rounds += 1


pure_response = compiled(_pure_response)


def _ahead(
    u: Floats,
    joint: Ints,
    start: Ints,  # one number
    weight: Floats,
    discount: float,
    value: Floats,
    action: int,
) -> float:
    """Return what an action is worth against rivals who draw by ``weight [R]``."""
    total = 0.0
    for r in range(len(weight)):
        total += weight[r] * (u[action, r] + discount * value[start + joint[action, r]])
    return total


ahead = compiled(_ahead, inline="always")


def _shifted(value: Floats, low: float, high: float, discount: float) -> None:
    """Move values to the middle of what the last change of a sweep, from `low` to `high`, leaves possible."""
    value += discount / (1 - discount) * (low + high) / 2


shifted = compiled(_shifted)


def _mixed_value(
    u: Floats,
    joint: Ints,
    base: Ints,
    group: Ints,
    rival: Floats,
    own: Floats,
    discount: float,
    tol: float,
    value: Floats,
) -> float:
    """Evaluate a policy ``own [S, A]`` against rivals who draw by ``rival [S, R]``; return the bounds' distance.

    ``value [S]`` is modified in place.
    """
    states, actions = own.shape
    fresh = np.empty(states)
    sweeps = 0
    while True:
        low, high = np.inf, -np.inf
        for s in range(states):
            total = 0.0
            for a in range(actions):
                if own[s, a] > 0:
                    total += own[s, a] * ahead(u, joint, base[group[s]], rival[s], discount, value, a)
            fresh[s] = total
            low, high = min(low, total - value[s]), max(high, total - value[s])
        value[:] = fresh
        sweeps += 1
        width = discount / (1 - discount) * (high - low)
        if width <= tol or sweeps >= MOST:
            shifted(value, low, high, discount)
            return width


mixed_value = compiled(_mixed_value)


def _mixed_response(
    u: Floats,
    joint: Ints,
    base: Ints,
    group: Ints,
    rival: Floats,
    discount: float,
    tol: float,
    value: Floats,
    once: Floats,
    best: Floats,
    reply: Ints,
) -> tuple[int, float]:
    """Find the best response to rivals who draw, by modified policy iteration; ``value [S]`` is the policy's own.

    Modifies in place, ``[S]`` each: the value of the best deviation of one period ``once``, that of the ``best``
    response, and the response, ``reply``. Returns the improvements and the distance of the bounds: the optimum lies
    within half of it of `best`.
    """
    states, actions = len(group), u.shape[0]
    fresh = np.empty(states)
    best[:] = value
    rounds = 0
    while True:
        low, high = np.inf, -np.inf
        for s in range(states):
            most, choice = -np.inf, 0
            for a in range(actions):
                worth = ahead(u, joint, base[group[s]], rival[s], discount, best, a)
                if worth > most:
                    most, choice = worth, a
            fresh[s], reply[s] = most, choice
            low, high = min(low, most - best[s]), max(high, most - best[s])
        if rounds == 0:
            once[:] = fresh
        best[:] = fresh
        width = discount / (1 - discount) * (high - low)
        if width <= tol or rounds * (SWEEPS + 1) >= MOST:
            break
        rounds += 1
        for _ in range(SWEEPS):
            for s in range(states):
                fresh[s] = ahead(u, joint, base[group[s]], rival[s], discount, best, reply[s])
            best[:] = fresh
    shifted(best, low, high, discount)
    return rounds, width


mixed_response = compiled(_mixed_response)


def _reached(next_state: Ints, path: Bools) -> None:
    """Add to ``path [S]`` all states to which a deterministic chain leads from it; modified in place."""
    for first in np.flatnonzero(path):
        s = next_state[first]
        while not path[s]:
            path[s] = True
            s = next_state[s]


reached = compiled(_reached)


def _reached_by_chance(likely: Bools, base: Ints, group: Ints, path: Bools) -> None:
    """Add to ``path [S]`` all states that follow it by joint actions that are ``likely [S, M]``; modified in place."""
    left = list(np.flatnonzero(path))
    while len(left) > 0:
        s = left.pop()
        for joint in range(likely.shape[1]):
            following = base[group[s]] + joint
            if likely[s, joint] and not path[following]:
                path[following] = True
                left.append(following)  # type: ignore[arg-type] - a number of the array's type


reached_by_chance = compiled(_reached_by_chance)
