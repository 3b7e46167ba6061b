r"""Firms that learn prices by themselves, each by Q-learning on the last prices of all.

Firm i keeps a value of each of its prices a after each remembered past s. Each period it takes the price of the highest
value, or, with probability :math:`e^{-\beta t}` in period t, any price. It then corrects the value of what it did:

.. math:: Q_i(s, a) \leftarrow (1 - \alpha) Q_i(s, a)
          + \alpha \bigl(\pi_i + \delta \max_{a'} Q_i(s', a')\bigr) .

Values start at the discounted profit against rivals that price evenly at random, and a session ends when no greedy
price of a visited past has changed for `stable` periods, or at the `limit` [1]_. Ties go to the lowest price. Sessions
are independent: each has a generator of its own, spawned from the seed, so that a session is the same however many
others there are.

What a `TrainedPairs` tells
---------------------------
- Of several sessions the first acts, where a policy is asked for; `session` gives the policy of each, and all numbers
  are known of each: `cycle`, `periods`, `converged`, `delta`, `responses`.
- `curve` has the profit of an episode in the cycle that greedy prices end in, on average over sessions; nothing is
  played for it, and `Curve.episodes` is zero.
- `diagnostics` has at each checkpoint the ``exploration``, as a probability at the mean period, the share of sessions
  that have ``converged``, and each firm's ``profit_gain``.

References
----------
[1] E. Calvano, G. Calzolari, V. Denicolo, S. Pastorello, Artificial intelligence, algorithmic pricing, and collusion,
    American Economic Review 110, 2020.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast, final

import numpy as np

from walras.agents.kept import Keeper, KeptTrained
from walras.core import learner as contract
from walras.core.checks import require, require_numbers, require_whole
from walras.core.game import AbstractGame, Actions
from walras.core.typing import Bools, Floats, Ints
from walras.envs.matrix.repeated_pricing import RepeatedPricing
from walras.equilibria.matrix.memory_paths import cycle_of
from walras.equilibria.matrix.memory_policies import MemoryResponses, memory_best_response, memory_game
from walras.equilibria.matrix.tabular_policy import TabularPolicy


@final
@dataclass(frozen=True)
class QPairs(Keeper["TrainedPairs"]):
    """Settings; the defaults are the baseline of the literature.

    Raises
    ------
    ValueError
        If a rate lies outside its range, or a number is no whole number.
    """

    alpha: float = 0.15  # learning rate, in (0, 1]
    beta: float = 4e-6  # decay of exploration a period
    sessions: int = 100  # K, independent markets
    stable: int = 100_000  # periods without a change of a greedy price after which a session ends
    limit: int = 10_000_000  # periods of a session at most
    checkpoints: int = 1

    def __post_init__(self) -> None:
        require_numbers(self)
        require(0 < self.alpha <= 1, "alpha", "lie in (0, 1]", self.alpha)
        require(0 < self.beta < np.inf, "beta", "be positive and finite", self.beta)
        for name in ("sessions", "stable", "limit", "checkpoints"):
            require_whole(getattr(self, name), name)
        require(
            self.limit >= self.checkpoints, "limit", f"be at least {self.checkpoints}, one a checkpoint", self.limit
        )

    @property
    def steps(self) -> int:
        """0: sessions end when prices stand still, `limit` counts periods of each; `Trained.steps` tells how many."""
        return 0

    def check(self, game: AbstractGame[Any]) -> None:
        """Refuse all games but repeated pricing.

        Raises
        ------
        TypeError
            If `game` is another.
        """
        _known(game)

    def learn(
        self, game: AbstractGame[Any], seed: int, start: contract.Trained | None = None
    ) -> "Iterator[TrainedPairs]":
        """Learn; see `walras.core.learner.Learner`.

        Raises
        ------
        TypeError
            As `check`.
        ValueError
            If `start` was trained on another game or by other settings.
        """
        known = _known(game)
        if start is not None:
            contract.check_start(start, self, game)
        return _sessions(self, known, seed, cast(TrainedPairs | None, start))


@final
@dataclass(frozen=True, eq=False)
class TrainedPairs(KeptTrained):
    """K sessions of N firms that learned by themselves; as a policy, the first session."""

    learner: QPairs
    game: RepeatedPricing
    q: Floats  # [K, N, S, A] values
    policies: Ints  # [K, N, S] greedy prices, by their numbers
    state: Ints  # [K] the past in which each session stopped
    periods: Ints  # [K] played so far, the last quiet ones included
    quiet: Ints  # [K] periods since a greedy price changed
    history: tuple[tuple[int, Floats], ...]  # at each checkpoint: environment steps, and what `diagnostics` tells
    rngs: tuple[np.random.Generator, ...]  # [K]
    mark: int  # periods up to which sessions have played, if they have not ended

    @property
    def converged(self) -> Bools:
        """Whether each session ended because its greedy prices stood still, ``[K]``."""
        return self.quiet >= self.learner.stable

    @cached_property
    def cycle(self) -> tuple[Ints, ...]:
        """The pasts, as numbers, through which greedy play goes for ever in each session."""
        chains = memory_game(self.game).chain(self.policies)
        return tuple(cycle_of(chain, int(state)) for chain, state in zip(chains, self.state, strict=True))

    @cached_property
    def profit(self) -> Floats:
        """Each firm's mean profit over the cycle, ``[K, N]``."""
        joint = [self.game.joint(self.game.state_of(pasts).last[:, 0]) for pasts in self.cycle]
        table = self.game.profits.reshape(len(self.game.agents), -1)
        return np.array([table[:, each].mean(axis=1) for each in joint])

    @property
    def delta(self) -> Floats:
        """Each firm's profit gain, ``[K, N]``: 0 in static Nash equilibrium, 1 under joint monopoly."""
        return self.game.profit_gain(self.profit)

    @cached_property
    def responses(self) -> MemoryResponses:
        """Best responses to each session's policies, started on its cycle."""
        return memory_best_response(self.game, self.policies, np.array([pasts[0] for pasts in self.cycle]))

    def session(self, k: int) -> TabularPolicy:
        """Return the policy of a session."""
        return TabularPolicy.pure(self.game, self.policies[k])

    @cached_property
    def declared(self) -> TabularPolicy:
        """The policy of the first session, which acts; see `walras.core.policy.Declaring`."""
        return self.session(0)

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the greedy prices of the first session, ``[B, N]``."""
        return self.declared.act(observation, rng)

    @property
    def steps(self) -> int:
        """Periods of all sessions so far."""
        return int(self.periods.sum())

    @property
    def curve(self) -> contract.Curve:
        """Mean profit of an episode in the cycles of each checkpoint."""
        steps, gains = np.array([steps for steps, _ in self.history]), self.diagnostics["profit_gain"]
        nash, most = (self.game.demand.profit(price) for price in (self.game.static_nash, self.game.monopoly))
        return contract.Curve(steps, np.zeros_like(steps), self.game.horizon * (nash + gains * (most - nash)))

    @property
    def diagnostics(self) -> Mapping[str, Floats]:
        """See the module; ``[checkpoints]`` or ``[checkpoints, N]`` each."""
        told = np.array([told for _, told in self.history])
        return {"exploration": told[:, 0], "converged": told[:, 1], "profit_gain": told[:, 2:]}


def train(game: RepeatedPricing, seed: int = 0, *, start: TrainedPairs | None = None, **settings: Any) -> TrainedPairs:  # noqa: ANN401
    """Let firms learn prices by themselves.

    Parameters
    ----------
    game : RepeatedPricing
        The market.
    seed : int
        Of all sessions.
    start : TrainedPairs, optional
        Go on from here.
    **settings
        Fields of `QPairs`.

    Raises
    ------
    TypeError
        If the game is another.
    ValueError
        As `QPairs.learn`.

    Examples
    --------
    >>> from walras.agents import q_pairs
    >>> from walras.envs import RepeatedPricing
    >>> pairs = q_pairs.train(RepeatedPricing(prices=5), beta=1e-4, sessions=4, stable=1000)
    >>> pairs.delta.shape, bool(pairs.converged.all())
    ((4, 2), True)
    """
    return cast(TrainedPairs, contract.train(QPairs(**settings), game, seed, start))


def _known(game: AbstractGame[Any]) -> RepeatedPricing:
    if not isinstance(game, RepeatedPricing):
        raise TypeError(f"`game` must be a RepeatedPricing, whose pasts have tables; got {type(game).__name__}.")
    return game


def _untrained(learner: QPairs, game: RepeatedPricing, seed: int) -> TrainedPairs:
    """Return values against rivals that price evenly at random, and a drawn past for each session."""
    firms, sessions = len(game.agents), learner.sessions
    others = [tuple(j for j in range(firms) if j != i) for i in range(firms)]
    own = np.stack([game.profits[i].mean(axis=others[i]) for i in range(firms)]) / (1 - game.discount)
    q = np.broadcast_to(own[:, None], (sessions, firms, game.states, game.prices)).copy()
    rngs = tuple(np.random.default_rng(each) for each in np.random.SeedSequence(seed).spawn(sessions))
    noise = np.stack([game.noise(rng, 1)[0] for rng in rngs])
    nothing = np.zeros(sessions, dtype=np.int64)
    return TrainedPairs(
        learner, game, q, q.argmax(axis=3), game.state_index(game.reset(noise)), nothing, nothing, (), rngs, 0
    )


def _sessions(learner: QPairs, game: RepeatedPricing, seed: int, start: TrainedPairs | None) -> Iterator[TrainedPairs]:
    now = start
    if now is None:
        yield (now := _told(_untrained(learner, game, seed)))
    for mark in contract.marks(learner.limit, learner.checkpoints, now.mark):
        now = _told(_played(now, mark))
        yield now


def _played(before: TrainedPairs, until: int) -> TrainedPairs:
    """Return the sessions after they played up to a period, or to their end; what is given is not changed."""
    from walras.agents.matrix.q_pairs_compiled import learn

    learner, game, known = before.learner, before.game, memory_game(before.game)
    q, greedy, rngs = before.q.copy(), before.policies.copy(), deepcopy(before.rngs)
    payoff = np.ascontiguousarray(known.payoff.reshape(len(known.payoff), -1))
    place = game.prices ** np.arange(len(game.agents))[::-1]
    at = np.stack([before.state, before.periods, before.quiet], axis=1)
    setting = learner.alpha, learner.beta, game.discount
    for k, rng in enumerate(rngs):
        here = int(at[k, 0]), int(at[k, 1]), int(at[k, 2])
        at[k] = learn(
            q[k], greedy[k], payoff, place, known.base, known.group, setting, learner.stable, until, here, rng
        )
    state, periods, quiet = at.T.copy()
    return TrainedPairs(learner, game, q, greedy, state, periods, quiet, before.history, rngs, until)


def _told(now: TrainedPairs) -> TrainedPairs:
    """Return the same with what a checkpoint tells added to the history."""
    exploring = np.exp(-now.learner.beta * now.periods.mean())
    told = np.array([exploring, now.converged.mean(), *now.delta.mean(axis=0)])
    return replace(now, history=(*now.history, (now.steps, told)))
