"""The kernel of `walras.agents.matrix.q_pairs`: one session of Q-learners, period by period."""

import numpy as np

from walras.core.typing import Floats, Ints
from walras.markets.compiled import compiled


def _best(row: Floats) -> int:
    """Return the lowest of the best actions of ``row [A]``."""
    best = 0
    for a in range(1, len(row)):
        if row[a] > row[best]:
            best = a
    return best


best = compiled(_best)


def _learn(
    q: Floats,
    greedy: Ints,
    payoff: Floats,
    place: Ints,
    base: Ints,
    group: Ints,
    setting: tuple[float, float, float],
    stable: int,
    until: int,
    at: tuple[int, int, int],
    rng: np.random.Generator,
) -> tuple[int, int, int]:
    """Learn up to the period `until`, or till no greedy action has changed for `stable` periods.

    Modifies in place the values ``q [N, S, A]``, the ``greedy [N, S]`` actions and the generator. ``payoff [N, M]`` is
    that of joint actions, in which an action of firm i counts ``place[i]``; ``base[group[s]] + m`` follows state s
    after the joint action m. `setting` is (alpha, beta, discount); `at` is (state, periods so far, periods without a
    change), and is returned.
    """
    firms, _, actions = q.shape
    (alpha, beta, discount), (s, period, quiet) = setting, at
    action = np.empty(firms, np.int64)
    while period < until and quiet < stable:
        exploring, joint = np.exp(-beta * period), 0
        for i in range(firms):
            u = rng.random()
            action[i] = min(int(u / exploring * actions), actions - 1) if u < exploring else greedy[i, s]
            joint += action[i] * place[i]
        following = base[group[s]] + joint
        quiet += 1
        for i in range(firms):
            a, g = action[i], greedy[i, s]
            old = q[i, s, a]
            new = old + alpha * (payoff[i, joint] + discount * q[i, following, greedy[i, following]] - old)
            q[i, s, a] = new
            if a == g:
                if new < old:
                    greedy[i, s] = best(q[i, s])
            elif new > q[i, s, g] or (new == q[i, s, g] and a < g):
                greedy[i, s] = a
            if greedy[i, s] != g:
                quiet = 0
        s = following
        period += 1
    return int(s), period, quiet


learn = compiled(_learn)
