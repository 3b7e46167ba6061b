r"""Markov games with unknown rewards: the rewards at which observed policies are Markov perfect.

Rewards are :math:`r_i(s, a; \theta) = r_i^0(s, a) + \sum_k \theta_k \phi_{ik}(s, a)`; by default every entry is a
parameter of its own, in [0, 1]. States, transitions and discount are known. At given policies :math:`\pi` values are
affine in the parameters: each :math:`\phi_{ik}` has a value like a reward. No player gains in any state if and only if
no deviation of one step does,

.. math:: Q_i(s, a; \theta) - V_i(s; \theta) \le 0 \quad \text{for all } i, s, a,

linear inequalities: the feasible rewards of [1]_ for one agent, player by player. Constant rewards meet them always.

Chance
------
Policies may be shares of :math:`n_s` draws in state s. A player's own shares are as good as its policy: what was drawn
is a best action, so that both earn the same. Those of another player j are wrong by at most :math:`\epsilon_{js}` in
the sum of absolute errors, in all states and for all players at once with probability :math:`1 - \alpha`, with
:math:`\epsilon_{js}^2 = 2 \log((2^A - 2) M n / \alpha) / n_s` [2]_; M counts states and players, and n all draws, of
which :math:`n_s` may be any number. Let R be the range of the player's rewards, H the steps that count,
:math:`1 / (1 - \delta)` without a horizon, :math:`\hat P` the next states' chances at the shares and
:math:`g_s = \frac{RH}{2} \sum_{j \ne i} \epsilon_{js}`. Values at the shares are wrong by at most
:math:`e = (I - \delta \hat P)^{-1} g`, and the advantage of an action a, of share :math:`\hat\pi_a`, by

.. math:: 2 (1 - \hat\pi_a) \, g_s + \delta \, |\hat P_a - \hat P| \, e .

Relaxed by that, the conditions hold the true rewards, and so do those that say that an action which was drawn has no
advantage below zero. R is bounded twice, by a number and by a linear function of the parameters, so that the set stays
a polyhedron. Where a state was never seen, nothing is known of its policies.

The certificate takes another road: policy iteration, or backward induction, at given rewards.

References
----------
[1] A. Y. Ng, S. J. Russell, Algorithms for inverse reinforcement learning, ICML 2000.
[2] T. Weissman, E. Ordentlich, G. Seroussi, S. Verdu, M. J. Weinberger, Inequalities for the L1 deviation of the
    empirical distribution, Hewlett-Packard Labs, HPL-2003-97, 2003.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import require, require_each
from walras.core.rollout import Trajectory
from walras.core.typing import Floats, Ints
from walras.envs.matrix.tabular_markov_game import TabularMarkovGame, big_match
from walras.equilibria.inverse.family import Regrets
from walras.equilibria.inverse.parameter_set import ParameterSet
from walras.equilibria.inverse.tables import as_table, by_period, per_period
from walras.equilibria.matrix.markov_objective import Alone, MarkovObjective
from walras.equilibria.matrix.markov_response import best_response, checked_policies, of_others
from walras.equilibria.matrix.unknown_payoffs import AbstractUnknownPayoffs
from walras.markets.matrix.markov_game import MarkovGame

if TYPE_CHECKING:
    import pandas as pd

ROUNDING = 1e-12
"""Share of the largest advantage below which one is zero, as that of an action which is always played."""


@final
@dataclass(frozen=True, eq=False)
class MarkovPlay:
    """Observed policies; T is the horizon, or 1 without one."""

    policy: Floats  # [T x S, N, A] chances of actions, states of the first step first
    visits: Ints | None = None  # [T x S] draws of which the chances are shares; None: they are known

    @classmethod
    def of(cls, policies: ArrayLike) -> "MarkovPlay":
        """Return policies ``[N, T, S, A]``, as solvers return them, as play."""
        table = np.moveaxis(np.asarray(policies, dtype=np.float64), 0, 2)
        return cls(table.reshape(-1, *table.shape[2:]))


class _Values(NamedTuple):
    """What each parameter is worth, and last the known rewards."""

    value: Floats  # [T x S, P + 1] of the policy
    worth: Floats  # [T x S, A_i, P + 1] of an action, and of the policy from then on


@final
@dataclass(frozen=True, eq=False)
class InverseMarkov(AbstractUnknownPayoffs[MarkovPlay]):
    """A Markov game whose rewards are unknown, wholly or in K parameters.

    Raises
    ------
    ValueError
        If shapes disagree, or a bound lies above its partner.
    """

    unit: ClassVar[str] = "reward"
    word: ClassVar[str] = "reward"

    markov: MarkovGame = field(default_factory=big_match)
    """States, actions, transitions, horizon and discount; its rewards are not read."""
    base: Floats | None = None  # [N, S, A_1, .., A_N] known part of rewards; zero by default
    basis: Floats | None = None  # [K, N, S, A_1, .., A_N] what each parameter adds; by default one for each entry
    low: ArrayLike = 0.0  # [K] or one number for all
    high: ArrayLike = 1.0  # [K] or one number for all

    @property
    def shape(self) -> tuple[int, ...]:
        """``[N, S, A_1, .., A_N]``."""
        return self.markov.reward.shape

    @cached_property
    def _features(self) -> Floats:
        """What each parameter adds to each reward, and last the known part, ``[N, S, A_1, .., A_N, P + 1]``."""
        return np.concatenate([self.added, self.known[..., None]], axis=-1)

    def game(self, theta: Floats) -> MarkovGame:
        """Return the game at parameters ``[P]``."""
        return replace(self.markov, reward=self._features @ np.append(theta, 1.0))

    @property
    def _steps(self) -> int:
        return self.markov.horizon or 1

    def read(self, table: "pd.DataFrame") -> MarkovPlay:
        """Read columns `period`, `agent`, `state` and `action`, numbers from 0, and `step` in games with a horizon.

        Where no draw was seen, chances are even, and `visits` says 0.

        Raises
        ------
        ValueError
            If the table does not fit; see `walras.equilibria.inverse.tables.by_period`.
        """
        columns = ["state", "action", *(["step"] if self.markov.horizon is not None else [])]
        found = by_period(table, columns, self.agents)
        sizes = np.array(self.markov.sizes)
        action = found["action"]
        require_each(np.isin(action, np.arange(max(sizes))), "action", "be whole numbers from 0", action)
        place = _places(found["state"], "state", self.markov.states)
        if "step" in found:
            place = place + self.markov.states * _places(found["step"], "step", self._steps)
        rows = self._steps * self.markov.states
        count = np.zeros((rows, len(sizes), max(sizes)))
        for i in range(len(sizes)):
            np.add.at(count, (place, np.full(len(place), i), action[:, i].astype(np.int64)), 1.0)
        visits = count[:, 0].sum(axis=1).astype(np.int64)
        even = (np.arange(max(sizes)) < sizes[:, None]) / sizes[:, None]
        share = count / np.maximum(visits, 1)[:, None, None]
        play = MarkovPlay(np.where(visits[:, None, None] > 0, share, even), visits)
        self.check(play)
        return play

    def check(self, observed: MarkovPlay) -> None:
        """Refuse shapes that do not fit, and what are no chances of actions that there are.

        Raises
        ------
        ValueError
            If there are any.
        """
        shape = (self._steps * self.markov.states, self.markov.players, max(self.markov.sizes))
        require(observed.policy.shape == shape, "policy", f"have shape {shape}", observed.policy.shape)
        checked_policies(self.markov, self._table(observed)[None])
        if observed.visits is not None:
            n = observed.visits
            require(n.shape == shape[:1], "visits", f"have shape {shape[:1]}", n.shape)
            require(bool((n >= 0).all() and n.sum() > 0), "visits", "not be negative, and sum to something", n)

    def _table(self, observed: MarkovPlay) -> Floats:
        """Return the policies as ``[N, T, S, A]``."""
        return np.moveaxis(observed.policy.reshape(self._steps, self.markov.states, *observed.policy.shape[1:]), 2, 0)

    def weights(self, observed: MarkovPlay) -> Floats:
        """Return equal weights: each state, and step, is where play may start."""
        rows = self._steps * self.markov.states
        return np.full(rows, 1 / rows)

    def _against(self, table: Floats, player: int) -> tuple[Floats, Floats]:
        """Return the chances of the others' actions ``[T, S, others]``, and of next states, ``[T, S, A_i, S]``."""
        others = of_others(self.markov, np.moveaxis(table, 1, 0), player)
        return others, np.einsum("tsr,sarz->tsaz", others, self.markov.chances(player))

    def _own_features(self, player: int) -> Floats:
        """Return what each parameter adds to a player's rewards, ``[S, A_i, others, P + 1]``."""
        own, size = np.moveaxis(self._features[player], player + 1, 1), self.markov.sizes[player]
        return own.reshape(self.markov.states, size, -1, own.shape[-1])

    def _values(self, table: Floats, player: int, own: Floats) -> _Values:
        """Return what parameters are worth to a player of chances ``own [T, S, A_i]``, against ``table``."""
        others, moved = self._against(table, player)
        states = self.markov.states
        paid = np.einsum("tsr,sarp->tsap", others, self._own_features(player))
        worth, value = np.empty_like(paid), np.empty((*paid.shape[:2], paid.shape[3]))
        if self.markov.horizon is None:
            flow = np.einsum("sa,saz->sz", own[0], moved[0])
            ahead = np.linalg.solve(
                np.eye(states) - self.markov.discount * flow, np.einsum("sa,sap->sp", own[0], paid[0])
            )
        else:
            ahead = np.zeros(value.shape[1:])
        for t in reversed(range(self._steps)):
            worth[t] = paid[t] + self.markov.discount * moved[t] @ ahead
            ahead = value[t] = np.einsum("sa,sap->sp", own[t], worth[t])
        return _Values(value.reshape(-1, value.shape[-1]), worth.reshape(-1, *worth.shape[2:]))

    def _advantages(self, observed: MarkovPlay, player: int) -> Floats:
        """Return ``Q - V`` of each state and action, ``[T x S, A_i, P + 1]``, cleared of rounding."""
        table = self._table(observed)
        value, worth = self._values(table, player, table[player, :, :, : self.markov.sizes[player]])
        more = worth - value[:, None]
        return np.where(np.abs(more) > ROUNDING * np.abs(worth).max(), more, 0.0)

    def conditions(self, observed: MarkovPlay) -> ParameterSet:
        """Return the rewards at which no player gains in any state.

        Raises
        ------
        ValueError
            If a state was not seen: then policies are not known there.
        """
        seen = observed.visits is None or bool((observed.visits > 0).all())
        require(seen, "state", "be seen in each step, for exact conditions; take `Sample()`", observed.visits)
        rows = [self._advantages(observed, i).reshape(-1, len(self.names) + 1) for i in range(self.markov.players)]
        return self._set(np.concatenate(rows))

    def _set(self, rows: Floats) -> ParameterSet:
        """Return where ``rows [H, P + 1]`` are not positive, the last column being known."""
        rows = rows[np.abs(rows).max(axis=1) > 0]
        return ParameterSet(self.names, *self.bounds, rows[:, :-1], -rows[:, -1])

    def confidence_set(self, observed: MarkovPlay, confidence: float) -> ParameterSet:
        """Return rewards that hold the true ones with at least this probability.

        Raises
        ------
        ValueError
            If policies are known: then they are no draws.
        """
        require(observed.visits is not None, "visits", "count the draws, for a confidence set", observed.visits)
        wrong, found = self._wrong(observed, confidence), list[Floats]()
        for i, size in enumerate(self.markov.sizes):
            more, slack = self._advantages(observed, i), self._slack(observed, i, wrong)
            said = slack < self._left[0]  # more is no condition
            drawn = said & (observed.policy[:, i, :size] > 0)
            for wide in self._ranges(i):
                found += [more[said] - slack[said, None] * wide, -more[drawn] - slack[drawn, None] * wide]
        return self._set(np.concatenate(found))

    def _wrong(self, observed: MarkovPlay, confidence: float) -> Floats:
        """Return by how much each player's shares may be wrong, summed over actions, ``[T x S, N]``, at most 2."""
        assert observed.visits is not None
        sizes, n = np.array(self.markov.sizes), observed.visits
        events = np.maximum(2.0**sizes - 2, 0) * len(n) * len(sizes) * n.sum() / (1 - confidence)
        wide = np.sqrt(2 * np.log(np.maximum(events, 1.0)) / np.maximum(n, 1)[:, None])
        return np.where(sizes == 1, 0.0, np.where(n[:, None] > 0, np.minimum(wide, 2.0), 2.0))

    def _slack(self, observed: MarkovPlay, player: int, wrong: Floats) -> Floats:
        """Return by how much a player's advantages may be wrong, in its ranges of rewards, ``[T x S, A_i]``."""
        steps, states, size = self._steps, self.markov.states, self.markov.sizes[player]
        table, delta = self._table(observed), self.markov.discount
        own, (_, moved) = table[player, :, :, :size], self._against(table, player)
        flow = np.einsum("tsa,tsaz->tsz", own, moved)
        assert observed.visits is not None
        unseen = (observed.visits == 0).reshape(steps, states)
        others = np.delete(wrong, player, axis=1).sum(axis=1).reshape(steps, states)
        half = self._left[:, None] * np.where(unseen, 1.0, np.minimum(others / 2, 1.0))
        ahead = np.zeros(states)
        if self.markov.horizon is None:
            ahead = np.linalg.solve(np.eye(states) - delta * flow[0], half[0])
        slack = np.empty((steps, states, size))
        for t in reversed(range(steps)):
            apart = np.abs(moved[t] - flow[t][:, None]) @ ahead
            slack[t] = 2 * (1 - own[t]) * half[t][:, None] + delta * apart
            ahead = half[t] + delta * flow[t] @ ahead
        slack.reshape(-1, size)[observed.visits == 0] = np.inf
        return slack.reshape(-1, size)

    @cached_property
    def _left(self) -> Floats:
        """How many steps count from each one, ``[T]``."""
        if self.markov.horizon is None:
            return np.array([1 / (1 - self.markov.discount)])
        weight = np.float64(self.markov.discount) ** np.arange(self._steps)
        return np.cumsum(weight, dtype=np.float64)[::-1].copy()

    def _ranges(self, player: int) -> tuple[Floats, Floats]:
        """Return two rows ``[P + 1]`` that the range of a player's rewards does not exceed, the last entry being known.

        The first is the range within the bounds. The second is the sum of the ranges that the parameters add to that
        of the rewards at the lower bounds.
        """
        (low, high), own = self.bounds, self._features[player].reshape(-1, len(self.names) + 1)
        known = own[:, -1]
        most = (np.maximum(own[:, :-1] * low, own[:, :-1] * high).sum(axis=1) + known).max()
        least = (np.minimum(own[:, :-1] * low, own[:, :-1] * high).sum(axis=1) + known).min()
        added, first = np.ptp(own[:, :-1], axis=0), np.ptp(own[:, :-1] @ low + known)
        return np.append(np.zeros(len(low)), most - least), np.append(added, first - added @ low)

    def estimate(self, observed: MarkovPlay, allowed: ParameterSet) -> Floats:
        """Return the middle of the rewards at which the shares are an equilibrium, or nearest to one."""
        assert observed.visits is not None
        if (observed.visits == 0).any():
            return allowed.centre
        found = self.conditions(observed).centre
        return found if allowed.contains(found, 1e-9) else allowed.centre

    def regrets(self, observed: MarkovPlay, theta: Floats) -> Regrets:
        """Return what best responses gain from each state, and step, on."""
        table = self._table(observed)
        found = best_response(self.game(theta), table[None])
        rows = (len(self.agents), len(observed.policy))
        gain, payoff = (part.reshape(rows).T for part in (np.maximum(found.best - found.value, 0.0), found.value))
        slope = np.empty((*gain.shape, len(self.names)))
        for i, size in enumerate(self.markov.sizes):
            now = self._values(table, i, table[i, :, :, :size]).value
            reply = self._values(table, i, np.eye(size)[found.reply[0, i]]).value
            slope[:, i] = (reply - now)[:, :-1]
        return Regrets(gain, payoff, slope)

    def objective(self, observed: MarkovPlay) -> MarkovObjective:
        """Return the cumulative regret from an even first state, for first-order methods.

        Raises
        ------
        ValueError
            If the game has a horizon.
        """
        require(self.markov.horizon is None, "game_family", "have no horizon, for first-order methods", self.markov)
        table, faced = self._table(observed), list[Alone]()
        for i, size in enumerate(self.markov.sizes):
            others, moved = self._against(table, i)
            paid = np.einsum("sr,sarp->sap", others[0], self._own_features(i))
            faced.append(Alone(paid, moved[0], table[i, 0, :, :size]))

        def best(theta: Floats) -> list[Floats]:
            reply = best_response(self.game(theta), table[None]).reply[0, :, 0]
            return [np.eye(size)[own] for size, own in zip(self.markov.sizes, reply, strict=True)]

        return MarkovObjective(tuple(faced), self.markov.discount, self.bounds, best)


def _places(values: Floats, name: str, count: int) -> Ints:
    """Return whole numbers ``[T]`` below `count`, that are the same for all agents of a period."""
    same = per_period(values, name)
    require_each(np.isin(same, np.arange(count)), name, f"be whole numbers from 0 below {count}", same)
    return same.astype(np.int64)


def observed_markov(game: TabularMarkovGame) -> tuple[InverseMarkov, Floats]:
    """Return the family of a game whose rewards are unknown, within the smallest and largest, and its rewards."""
    reward = game.markov.reward
    return InverseMarkov(game.markov, low=float(reward.min()), high=float(reward.max())), reward.ravel()


def markov_table(game: TabularMarkovGame, trajectory: Trajectory[Any]) -> "pd.DataFrame":
    """Return play as a table of `period`, `agent`, `state`, `step` and `action`."""
    there, state = trajectory.alive, trajectory.state
    action = np.minimum(trajectory.action[there], np.array(game.markov.sizes) - 1)
    columns = {"state": state.number[:-1][there]}
    if game.markov.horizon is not None:
        columns["step"] = state.clock[:-1][there]
    told = {name: np.repeat(part[:, None], len(game.agents), axis=1) for name, part in columns.items()}
    return as_table(game.agents, **told, action=action)
