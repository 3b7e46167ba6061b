r"""Mixtures of few product policies: what a player gains that knows the mixture, but not which policy was drawn.

A mixture of K profiles is a K-sparse coarse correlated equilibrium up to the largest gain of a deviation [1]_. Two
kinds of deviations must be told apart. One that remembers what the others did learns which profile was drawn; with the
weight
:math:`w_k` of profile k times the chance of what was seen, unnormalised, its best value is

.. math:: V_h(s, w) = \max_a \sum_{a_{-i}} \Bigl[\sum_k w_k \sigma_k(a_{-i} \mid s)\, r_i(s, a, a_{-i})
    + \sum_{s'} p(s' \mid s, a, a_{-i})\, V_{h+1}\bigl(s', (w_k \sigma_k(a_{-i} \mid s))_k\bigr)\Bigr] .

A Markov deviation knows the state and the step alone; the best one is found by trying all, so only in small games. For
K = 1 the two gain the same.

References
----------
[1] D. J. Foster, N. Golowich, S. M. Kakade, Hardness of independent learning and sparse equilibrium computation in
    Markov games, ICML 2023.
"""

from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import require, require_known
from walras.core.typing import Floats
from walras.equilibria.matrix.markov_response import best_response, checked_policies, of_others
from walras.markets.matrix.markov_game import MarkovGame

MOST_BELIEFS = 1_000_000
"""States and weights that may be visited."""
MOST_POLICIES = 2**16
"""Markov deviations that may be tried."""


def sparse_cce_gap(game: MarkovGame, mixture: ArrayLike, deviators: str = "history") -> Floats:
    """Return what each player gains by leaving an even mixture of K profiles, ``[N]``.

    Parameters
    ----------
    game : MarkovGame
        With a horizon.
    mixture : array_like
        ``[K, N, S, A]`` or ``[K, N, T, S, A]``: chances of actions.
    deviators : {"history", "markov"}
        Whether a deviation remembers all that happened, or knows the state and the step alone.

    Raises
    ------
    ValueError
        If the game has no horizon, shapes do not fit, or there is too much to try.
    """
    require_known(deviators, "deviators", ("history", "markov"))
    if game.horizon is None:
        raise ValueError("`game` must have a horizon; got none.")
    table = checked_policies(game, mixture)
    value = best_response(game, table).start_value.mean(axis=0)
    answer = _remembering if deviators == "history" else _forgetting
    return np.array([answer(game, table, i) - value[i] for i in range(game.players)])


def _remembering(game: MarkovGame, table: Floats, player: int) -> float:
    """Return what the best deviation with memory is worth at the start."""
    assert game.horizon is not None
    rewards, chances, kept = game.rewards(player), game.chances(player), dict[tuple[int, int, bytes], float]()
    steps = table.shape[2]
    drawn = [of_others(game, table[:, :, t], player) for t in range(steps)]  # [K, S, others]

    def best(t: int, s: int, weight: Floats) -> float:
        """Return V_t(s, w)."""
        if t == game.horizon or not weight.any():
            return 0.0
        key = t, s, weight.tobytes()
        if key not in kept:
            require(len(kept) < MOST_BELIEFS, "mixture", f"lead to at most {MOST_BELIEFS} beliefs", "more")
            seen = weight[:, None] * drawn[min(t, steps - 1)][:, s]  # [K, others]
            worth = rewards[s] @ seen.sum(axis=0)
            for a, r in product(range(len(worth)), range(seen.shape[1])):
                for after in np.flatnonzero(chances[s, a, r]):
                    worth[a] += chances[s, a, r, after] * game.discount * best(t + 1, int(after), seen[:, r])
            kept[key] = float(worth.max())
        return kept[key]

    even = np.full(len(table), 1 / len(table))
    return sum(chance * best(0, s, even) for s, chance in enumerate(game.start.tolist()) if chance)


def _forgetting(game: MarkovGame, table: Floats, player: int) -> float:
    """Return what the best deviation that knows state and step is worth at the start, by trying all of them."""
    assert game.horizon is not None
    size, places = game.sizes[player], game.horizon * game.states
    count = size**places
    require(count <= MOST_POLICIES, "game", f"have at most {MOST_POLICIES} Markov deviations; ask for 'history'", count)
    full = np.broadcast_to(table, (*table.shape[:2], game.horizon, *table.shape[3:])).copy()
    worth = -np.inf
    for choice in product(range(size), repeat=places):
        full[:, player] = np.eye(full.shape[-1])[np.reshape(choice, (game.horizon, game.states))]
        worth = max(worth, float(best_response(game, full).start_value[:, player].mean()))
    return worth
