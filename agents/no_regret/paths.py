"""How far the last and the mean strategies of rules are from equilibrium, round by round, in B games at once."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from walras.agents.no_regret.play import starting
from walras.agents.no_regret.rules import Rule
from walras.agents.no_regret.running import Running
from walras.core.checks import require, require_whole
from walras.core.typing import Floats, Ints
from walras.markets.normal_form import MatrixGames, Mixed


class Paths(NamedTuple):
    """What players gain after K numbers of rounds, the largest over players, as shares of the spread of own payoffs."""

    rounds: Ints  # [K]
    last: Floats  # [K, B] by the best action against the last strategies
    average: Floats  # [K, B] against the mean strategies
    regret: Floats  # [K, B] by the best action in all rounds, a round: the gap of the mean joint play


def gap_paths(games: MatrixGames, rule: Rule, rounds: Sequence[int], first: Mixed | None = None) -> Paths:
    """Let all players follow one rule, all moving at the same time, and look at some rounds.

    Parameters
    ----------
    games : MatrixGames
        A rule is told payoffs as shares of the spread of the player's own.
    rule : Rule
        One of `walras.agents.no_regret.rules`, or of your own.
    rounds : sequence of int
        Rising numbers of rounds.
    first : N arrays, optional
        Strategies ``[B, A_i]`` of the first round; even by default.

    Raises
    ------
    ValueError
        If `rounds` do not rise, or `first` holds no strategies.

    Examples
    --------
    >>> from walras.agents.no_regret.paths import gap_paths
    >>> from walras.agents.no_regret.rules import Hedge
    >>> from walras.markets.matrix.named_games import matching_pennies
    >>> first = ([[0.6, 0.4]], [[0.5, 0.5]])
    >>> found = gap_paths(matching_pennies().batch, Hedge(0.1), [10, 4000], first)
    >>> bool(found.last[-1, 0] > found.last[0, 0]), bool(found.average[-1, 0] < 0.01)
    (True, True)
    """
    for number in rounds:
        require_whole(number, "rounds")
    require(all(np.diff(rounds) > 0) and len(rounds) > 0, "rounds", "rise", list(rounds))
    shares = games.normalised
    running = Running(shares.payoff, rule, starting(shares, first), alternate=False, average="uniform")
    last, average, regret = (np.empty((len(rounds), len(games))) for _ in range(3))
    for step in range(1, rounds[-1] + 1):
        running.round(step)
        if step in rounds:
            k = list(rounds).index(step)
            last[k] = running.gains(tuple(running.policies)).max(axis=1)
            average[k] = running.gains(running.averages()).max(axis=1)
            regret[k] = running.regret().max(axis=1) / step
    return Paths(np.array(rounds), last, average, regret)
