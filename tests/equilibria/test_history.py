"""Policies with a past, and deviations that use it: gaps against all that an agent can do, one course after another.

The exact values come from the games' own steps alone: each course of an agent's actions, by each course of chance, is
one row of a batch, and a deviation with a memory is best on the tree of what the agent can have seen and done. No
solver of the suite takes part.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from walras.core import AbstractGame, Constant, Policy, Scripted
from walras.core.policy import act_at
from walras.envs import CooperativeNavigation, CournotMarket, GridWorld, RepeatedMatrixGame
from walras.envs.matrix.tabular_markov_game import TabularMarkovGame
from walras.equilibria import Budget, Gap, Kind, TabularPolicy, gap
from walras.markets.matrix.markov_game import MarkovGame
from walras.markets.matrix.named_games import prisoners_dilemma

Array = NDArray[Any]
CLASSES = pytest.mark.parametrize("deviators", ["observation", "history"])
SURE = np.zeros((1, 1), dtype=np.int64)
"""The one course of chance where nothing is drawn."""


def worth(
    game: AbstractGame[Any],
    make: Callable[[Array], Policy],
    agent: int,
    steps: int,
    lucks: Array = SURE,
    noise: Callable[[Array, int], Array] | None = None,
) -> tuple[float, float]:
    """What an agent has under a policy, and at best with a memory of all that it saw and did.

    `make` is told the course of chance ``[B, T]`` of each row, one of ``lucks [L, T]``, which are equally likely;
    `noise` turns it into the game's at a step.
    """
    actions = np.array(list(product(range(int(game.action_space.n)), repeat=steps)))  # type: ignore[attr-defined]
    course, luck = np.repeat(actions, len(lucks), axis=0), np.tile(lucks, (len(actions), 1))
    own = played(game, make(lucks), agent, None, lucks, steps, noise)[0].mean()
    total, seen = played(game, make(luck), agent, course, luck, steps, noise)

    def best(rows: Array, t: int) -> float:
        if t == steps:
            return float(total[rows].mean())
        return max(after(rows[course[rows, t] == a], t) for a in np.unique(course[rows, t]))

    def after(rows: Array, t: int) -> float:
        _, group = np.unique(seen[t + 1, rows], axis=0, return_inverse=True)
        parts = [rows[group.ravel() == g] for g in range(group.max() + 1)]
        return sum(len(part) * best(part, t + 1) for part in parts) / len(rows)

    return float(own), best(np.arange(len(course)), 0)


def played(
    game: AbstractGame[Any],
    policy: Policy,
    agent: int,
    course: Array | None,
    luck: Array,
    steps: int,
    noise: Callable[[Array, int], Array] | None,
) -> tuple[Array, Array]:
    """What an agent earns in each row, and what it sees on the way, ``[T + 1, B, O]``."""
    plain = game.noise(np.random.default_rng(0), steps + 1)
    drawn = [
        np.repeat(plain[t : t + 1], len(luck), axis=0) if noise is None else noise(luck, t) for t in range(steps + 1)
    ]
    state, total, seen = game.reset(drawn[0]), np.zeros(len(luck)), list[Array]()
    for t in range(steps):
        observation = game.observe(state)
        seen.append(observation[:, agent].reshape(len(luck), -1))
        action = np.array(act_at(policy, observation, t, np.random.default_rng(t)))
        if course is not None:
            action[:, agent] = course[:, t]
        state, reward, _ = game.step(state, action, drawn[t + 1])
        total += (game.discount**t if game.endless else 1.0) * reward[:, agent]
    return total, np.stack([*seen, game.observe(state)[:, agent].reshape(len(luck), -1)])


def told(found: Gap, agent: int, gain: float, slack: float = 1e-9) -> None:
    """A gap holds what is gained at best, and certifies nothing where it does not know it."""
    assert found.lower[agent] <= gain + slack
    assert found.upper[agent] >= gain - slack
    if found.kind is Kind.EXACT:
        assert abs(found.upper[agent] - gain) <= slack
    if found.kind is Kind.LOWER:
        assert found.certifies == ""


@dataclass
class Remembering:
    """Plays on as `kept` does until somebody is seen to stray, and from then on by `since`, the steps since then.

    What it remembers is in no observation.
    """

    kept: Policy
    strayed: Callable[[Array], Array]  # from what is seen ``[B, N, O]`` to whether somebody strayed ``[B]``
    after: Callable[[Array, Array], Array]  # from actions ``[B, N]`` and steps since ``[B, 1]`` to what is done instead
    strikes: int = 1  # strays that are overlooked until the last of them
    seen: Array = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    since: Array = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def act(self, observation: Array, rng: np.random.Generator) -> Array:
        if len(self.since) != len(observation):
            self.since = self.seen = np.zeros(len(observation), dtype=np.int64)
        self.seen = self.seen + self.strayed(observation)
        self.since = np.where(self.seen >= self.strikes, self.since + 1, 0)
        action, since = np.array(self.kept.act(observation, rng)), self.since[:, None]
        return np.where(since > 0, self.after(action, since), action)


@dataclass
class KeptCoin:
    """Each of two agents draws a coin before the first step, plays it at even steps, and draws anew at odd ones.

    Where it is asked for one step alone its law is even, as it declares: what it plays at one step tells of another.
    """

    luck: Array | None = None  # [B, T] the coins of the second agent, where the first plays 0; drawn if none are given
    calls: int = 0
    coin: Array | None = None

    def act(self, observation: Array, rng: np.random.Generator) -> Array:
        drawn = rng.integers(2, size=observation.shape[:2])
        if self.luck is not None:
            drawn = np.stack([0 * self.luck[:, self.calls], self.luck[:, self.calls]], axis=1)
        if self.coin is None or len(self.coin) != len(observation):
            self.coin = drawn
        self.calls += 1
        return self.coin if self.calls % 2 else drawn

    def mixture(self, observation: Array) -> tuple[Array, Array]:
        shape = (*observation.shape[:2], 2)
        return np.full(shape, 0.5), np.broadcast_to(np.arange(2), shape)


def grim(game: RepeatedMatrixGame) -> TabularPolicy:
    """Cooperate before any past and after both did; 0 is to cooperate."""
    action = np.ones((2, game.states), dtype=np.int64)
    action[:, :2] = 0
    return TabularPolicy.pure(game, action)


@CLASSES
@pytest.mark.parametrize("discount", [0.2, 0.45, 0.6])
def test_a_grim_trigger_that_is_seen_is_judged_exactly(discount: float, deviators: str) -> None:
    game, steps = RepeatedMatrixGame(prisoners_dilemma(), memory=1, discount=discount), 10
    found, beyond = gap(game, grim(game), deviators=deviators), 5 * discount**steps / (1 - discount)
    assert found.kind is Kind.EXACT
    for agent in range(2):
        value, best = worth(game, lambda luck: grim(game), agent, steps)
        told(found, agent, best - value, beyond + 1e-9)
    assert bool(found.lower.max() > 1e-9) == (discount < 0.5)


@CLASSES
@pytest.mark.parametrize(("strikes", "patience"), [(1, 1), (1, 100), (3, 1), (6, 100)])
def test_a_trigger_that_the_game_does_not_show_is_never_certified(strikes: int, patience: int, deviators: str) -> None:
    """Who has defected so often is punished for some periods, and then, whatever it does, met with cooperation."""
    game, steps = RepeatedMatrixGame(prisoners_dilemma(), memory=1, discount=0.6), 10
    pasts = game.observe(game.state_of(np.arange(game.states)))[:, 0]
    defected = pasts[1 + np.arange(4)[1:]]  # all pasts but none and that in which both cooperated

    def strayed(observation: Array) -> Array:
        return (observation[:, :1] == defected).all(axis=2).any(axis=1)

    def make(luck: Array | None = None) -> Policy:
        kept, after = Constant(np.array([0, 0])), lambda action, since: 0 * action + (since <= patience)
        return Remembering(kept, strayed, after, strikes)

    found = gap(game, make(), deviators=deviators)
    for agent in range(2):
        value, best = worth(game, make, agent, steps)
        assert (best - value > 0.5) == (patience < 100 or strikes > 1)
        told(found, agent, best - value, 5 * 0.6**steps / 0.4)
    assert found.kind is Kind.LOWER


def pennies(steps: int) -> TabularMarkovGame:
    """Matching pennies; the state is what the second player did last."""
    reward = np.broadcast_to(2 * np.eye(2) - 1, (2, 2, 2))
    chances = np.zeros((2, 2, 2, 2))
    chances[:, :, 0, 0] = chances[:, :, 1, 1] = 1.0
    markov = MarkovGame(np.stack([reward, -reward]), chances, np.array([1.0, 0.0]), horizon=steps)
    return TabularMarkovGame(markov, horizon=steps, discount=1 - 1e-9)


@CLASSES
def test_a_coin_that_was_seen_two_steps_ago_is_worth_what_only_a_memory_finds(deviators: str) -> None:
    """One step ago says nothing, two steps ago all: with a memory the first player wins at each even step but one."""
    game, steps = pennies(6), 6
    value, best = worth(game, KeptCoin, 0, steps, np.array(list(product(range(2), repeat=steps))))
    assert (value, best) == (0.0, 2.0)
    found = gap(game, KeptCoin(), deviators=deviators)
    assert found.kind is Kind.LOWER
    told(found, 0, best if deviators == "history" else 0.0, 0.2)
    assert found.upper[0] >= 2.0


@CLASSES
def test_against_a_markov_policy_a_memory_gains_nothing(deviators: str) -> None:
    """The tree of all that a player can have seen and done ends where the answer to the state and the step does."""
    rng, steps = np.random.default_rng(3), 3
    game, chance = pennies(steps), rng.integers(1, 4, size=(2, steps, 2)) / 4
    from walras.equilibria.matrix.tabular_markov_game import MarkovPolicy

    policy = MarkovPolicy(game, np.stack([1 - chance, chance], axis=3))
    lucks = np.array(list(product(range(4), repeat=steps)))

    @dataclass
    class ByLuck:
        luck: Array
        step: int = 0

        def act(self, observation: Array, rng: np.random.Generator) -> Array:
            likely = np.stack([chance[i, self.step, game.index_of(observation)[:, i]] for i in range(2)], axis=1)
            action = (self.luck[:, self.step, None] < 4 * likely).astype(np.int64)
            self.step += 1
            return action

    found = gap(game, policy, deviators=deviators)
    assert found.kind is Kind.EXACT
    for agent in range(2):
        best = worth(game, ByLuck, agent, steps, lucks)[1]
        assert abs(found.value[agent] + found.upper[agent] - best) <= 1e-9


@CLASSES
@pytest.mark.parametrize("patience", [1, 9])
def test_a_team_that_gives_up_on_who_strays_is_judged_between_its_ends(patience: int, deviators: str) -> None:
    """In a corridor of its own each agent walks to its goal; who does not move at first is given up on, for a while."""
    game, steps = GridWorld("1 . a .\n# # # #\n2 . b .", horizon=4), 4
    start = game.observe(game.reset(np.zeros(1, dtype=np.int64)))

    def strayed(observation: Array) -> Array:
        idle = (observation == start).reshape(*observation.shape[:2], -1)
        return idle[:, 0, :2].all(axis=1) ^ idle[:, 0, 2:].all(axis=1)

    def make(luck: Array | None = None) -> Policy:
        return Remembering(Scripted(game), strayed, lambda action, since: np.where(since <= patience, 4, action))

    found = gap(game, make(), deviators=deviators, budget=Budget(frames=30_000))
    for agent in range(2):
        value, best = worth(game, make, agent, steps)
        told(found, agent, best - value)
    assert found.kind is not Kind.EXACT


@CLASSES
def test_pilots_that_remember_a_stray_are_judged_between_their_ends(deviators: str) -> None:
    game, steps = CooperativeNavigation(horizon=4), 4
    first = game.observe(game.reset(np.zeros((1, 4, 2))))

    def strayed(observation: Array) -> Array:
        return (observation[:, 1, 2:4] == first[:, 1, 2:4]).all(axis=1) & (observation[:, 0, :2] != 0).any(axis=1)

    def make(luck: Array | None = None) -> Policy:
        return Remembering(Scripted(game), strayed, lambda action, since: action * 0)

    found = gap(game, make(), deviators=deviators, budget=Budget(frames=30_000))
    for agent in range(2):
        value, best = worth(game, make, agent, steps)
        told(found, agent, best - value)
    assert found.kind is not Kind.EXACT


@dataclass
class KeptQuantity:
    """The first firm offers 30; the second draws 20 or 40 before the first step, keeps to it, and declares a coin."""

    kept: Array | None = None

    def act(self, observation: Array, rng: np.random.Generator) -> Array:
        if self.kept is None or len(self.kept) != len(observation):
            self.kept = rng.choice([20.0, 40.0], len(observation))
        return np.stack([np.full(len(observation), 30.0), self.kept], axis=1)[:, :, None]

    def mixture(self, observation: Array) -> tuple[Array, Array]:
        rows = len(observation)
        weight = np.full((rows, 2, 2), 0.5)
        return weight, np.broadcast_to(np.array([[30.0, 30.0], [20.0, 40.0]])[None, :, :, None], (rows, 2, 2, 1))


@CLASSES
def test_a_quantity_that_is_kept_to_is_no_coin_of_each_step(deviators: str) -> None:
    """Drawn anew it would leave the first firm nothing to gain; kept to, it is seen after a step, and answered."""
    game: Any = CournotMarket(100.0, 1.0, (10.0, 10.0), 0.0, 60.0, 24)
    best = {q: (90.0 - q) / 2 for q in (20.0, 40.0)}
    known = np.mean([(90 - q - x) * x - (90 - q - 30) * 30 for q, x in best.items()])
    found = gap(game, KeptQuantity(), deviators=deviators)
    assert found.kind is not Kind.EXACT
    assert found.upper[0] >= known * (game.horizon - 1) - 1e-6
    assert found.lower[0] <= known * game.horizon + 1e-6
