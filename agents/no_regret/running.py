"""Games that are being played: strategies by a rule, round by round, and what players would have earned."""

from typing import Any, final

import numpy as np

from walras.agents.no_regret.rules import Rule
from walras.core.checks import require
from walras.core.typing import Floats, Ints
from walras.markets.normal_form import Mixed

WEIGHTS = {"uniform": 0, "linear": 1, "quadratic": 2, "last": 0}
"""Power of the round with which its strategy counts."""
FEEDBACK = ("full", "bandit")
"""Whether a rule is told what each action would have earned, or what the drawn one did."""


@final
class Running:
    """B games of N players, all of whom follow one rule.

    Attributes
    ----------
    worth : N arrays
        ``[B, A_i]``: what each action would have earned so far, against the others' strategies.
    earned : array
        ``[B, N]``: what strategies earned so far.
    """

    def __init__(self, payoff: Floats, rule: Rule, first: Mixed, alternate: bool, average: str) -> None:
        self.rule, self.alternate, self.average = rule, alternate, average
        self.pay(payoff)
        self.states: list[Any] = [rule.start(own) for own in first]
        self.sums = [np.zeros_like(own) for own in first]
        self.total = 0.0
        self.worth = [np.zeros_like(own) for own in first]
        self.earned = np.zeros((len(payoff), len(first)))

    @property
    def policies(self) -> list[Floats]:
        """Strategies of the next round, N arrays ``[B, A_i]``."""
        return [state.policy for state in self.states]

    def pay(self, payoff: Floats) -> None:
        """Let the games pay ``[B, N, A_1, .., A_N]`` from now on."""
        players = payoff.shape[1]
        self.payoff = [np.ascontiguousarray(np.moveaxis(payoff[:, i], i + 1, 1)) for i in range(players)]

    def round(self, step: int, chance: Floats | None = None) -> None:
        """Let each player move once; with uniform numbers ``[B, N]`` all draw, and know what they then earned alone."""
        weight, played = float(step) ** WEIGHTS[self.average], self.policies
        drawn = None if chance is None else drawn_actions(played, chance)
        for i in range(len(self.states)):
            utility = utility_of(self.payoff[i], self.policies if self.alternate else played, i)
            self.worth[i] += utility
            self.earned[:, i] += np.einsum("ba,ba->b", self.states[i].policy, utility)
            told = utility if drawn is None else self._estimated(i, played[i], drawn)
            self.states[i] = self.rule.update(self.states[i], told)
            self.sums[i] += weight * (self.states[i].policy if self.alternate else played[i])
        self.total += weight

    def averages(self) -> Mixed:
        """Return the mean strategies, or the last ones where these are asked for."""
        if self.average == "last" or not self.total:
            return tuple(self.policies)
        return tuple(own / own.sum(axis=1, keepdims=True) for own in self.sums)

    def gains(self, mixed: Mixed) -> Floats:
        """Return what each player gains by its best action, ``[B, N]``."""
        worth = [utility_of(self.payoff[i], mixed, i) for i in range(len(mixed))]
        short = [u.max(axis=1, keepdims=True) - u for u in worth]
        return np.stack([np.einsum("ba,ba->b", u, own) for u, own in zip(short, mixed, strict=True)], axis=1)

    def regret(self) -> Floats:
        """Return what the best action would have gained in all rounds together, ``[B, N]``."""
        return np.stack([worth.max(axis=1) for worth in self.worth], axis=1) - self.earned

    def keep(self, rows: Any) -> None:  # noqa: ANN401 - a mask
        """Go on with some games."""
        self.payoff = [own[rows] for own in self.payoff]
        self.states = [type(state)(*(part[rows] for part in state)) for state in self.states]
        self.sums = [own[rows] for own in self.sums]
        self.worth = [own[rows] for own in self.worth]
        self.earned = self.earned[rows]

    def _estimated(self, player: int, policy: Floats, drawn: Ints) -> Floats:
        """Return utilities of which the mean over draws is the true one, less the largest payoff, ``[B, A_i]``.

        What is told of the drawn action is how far it stayed below the largest payoff, over its chance; of the others,
        zero.
        """
        rows, own = np.arange(len(drawn)), drawn[:, player]
        others = np.delete(drawn, player, axis=1)
        paid = self.payoff[player][(rows, own, *others.T)]
        most = self.payoff[player].reshape(len(drawn), -1).max(axis=1)
        told = np.zeros_like(policy)
        told[rows, own] = (paid - most) / policy[rows, own]
        return told


def utility_of(own: Floats, mixed: Any, player: int) -> Floats:  # noqa: ANN401 - a sequence of arrays
    """Return ``[B, A_i]`` of ``own [B, A_i, others]``, by products of one matrix and one vector a row."""
    others = [x for j, x in enumerate(mixed) if j != player]
    for x in reversed(others):
        own = (own @ x.reshape(len(x), *(1,) * (own.ndim - 3), x.shape[1], 1))[..., 0]
    return own


def drawn_actions(mixed: Any, chance: Floats) -> Ints:  # noqa: ANN401 - a sequence of arrays
    """Return an action of each of N strategies ``[B, A_i]``, by uniform numbers ``[B, N]``: ``[B, N]``."""
    below = [np.cumsum(own, axis=1)[:, :-1] for own in mixed]
    return np.stack([np.sum(own <= u[:, None], axis=1) for own, u in zip(below, chance.T, strict=True)], axis=1)


def check_feedback(rule: Rule, alternate: bool) -> None:
    """Refuse rules that leave actions out, or players that move in turn, where a player knows what it earned alone.

    Raises
    ------
    ValueError
        If it is such.
    """
    require(not alternate, "alternate", "be False with bandit feedback, where all draw at once", alternate)
    after = rule.update(rule.start(np.full((1, 3), 1 / 3)), np.array([[0.0, -1.0, -2.0]]))
    rule_of = "give every action a chance with bandit feedback, as Hedge does"
    require(bool((after.policy > 0).all()), "rule", rule_of, rule)
