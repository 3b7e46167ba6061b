r"""All agents of a finite game follow one rule of play without regret, in each of its stages.

A rule is told what each action would have earned against the others' strategies, as a share of the spread of the
agent's own payoffs; so settings do not depend on the unit of payoffs. With bandit feedback all draw, and the rule is
told of the drawn action alone.

- In a game that is repeated there is one stage: what was learned does the same after every past.
- In a Markov game each state, and each step of a game with a horizon, is a stage, paid with what comes next. What comes
  next is the mean of what strategies have earned so far, in which late rounds count more:
  :math:`v \leftarrow (1 - w_t) v + w_t u_t`, :math:`w_t = (H + 1) / (H + t)`, with H the steps that a value counts.

A round is one environment step in each stage. What acts is the mean strategy of the rounds, or the last one; agents
draw independently. In games that are not zero-sum the mean of the *joint* strategies approaches the coarse correlated
equilibria, and the mean strategies together need not be near any equilibrium.

What a `TrainedPlay` tells
--------------------------
- `curve` has the mean returns of `EPISODES` episodes of what acts; nothing is learned from them, and `Curve.episodes`
  is zero.
- `diagnostics` has at each checkpoint, in payoffs of a stage and for the worst stage, what each agent gains against
  ``average`` and ``last`` strategies by its best action, and its ``regret`` and ``swap_regret`` a round. In repeated
  games the largest regret is the gap of the mean joint play as a coarse correlated device, the largest swap regret that
  as a correlated one.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast, final

import numpy as np

from walras.agents.kept import Keeper, KeptTrained
from walras.agents.no_regret.rules import PredictiveRMPlus, Rule
from walras.agents.no_regret.running import FEEDBACK, WEIGHTS, Running, check_feedback
from walras.agents.no_regret.stages import Stages, stages_of
from walras.core import learner as contract
from walras.core.checks import require, require_known, require_numbers
from walras.core.game import AbstractGame, Actions
from walras.core.policy import Policy
from walras.core.rollout import rollout
from walras.core.typing import Floats

EPISODES = 32
"""Episodes of a point of the curve."""


@final
@dataclass(frozen=True)
class NoRegret(Keeper["TrainedPlay"]):
    """Settings.

    Raises
    ------
    ValueError
        If an argument is out of range, or the rule cannot do with bandit feedback.
    """

    rule: Rule = field(default_factory=PredictiveRMPlus)
    """Of `walras.agents.no_regret.rules`, or of your own."""
    steps: int = 1_000
    """Rounds, in each of the game's stages one environment step."""
    checkpoints: int = 1
    average: str = "uniform"
    """How rounds count in the mean strategy that acts: "uniform", "linear", "quadratic"; or the "last" alone."""
    alternate: bool = False
    """Whether agents move in turn: faster in zero-sum games."""
    feedback: str = "full"
    """"full", or "bandit"."""

    def __post_init__(self) -> None:
        require_numbers(self)
        contract.check_budget(self.steps, self.checkpoints)
        require(not isinstance(self.rule, type), "rule", "be a rule, such as Hedge(), not its class", self.rule)
        require_known(self.average, "average", WEIGHTS)
        require_known(self.feedback, "feedback", FEEDBACK)
        if self.feedback == "bandit":
            check_feedback(self.rule, self.alternate)

    def check(self, game: AbstractGame[Any]) -> None:
        """Refuse games without stages in normal form.

        Raises
        ------
        TypeError
            If `game` is such.
        """
        stages_of(game)

    def learn(
        self, game: AbstractGame[Any], seed: int, start: contract.Trained | None = None
    ) -> "Iterator[TrainedPlay]":
        """Learn; see `walras.core.learner.Learner`.

        Raises
        ------
        TypeError
            As `check`.
        ValueError
            If `start` was trained on another game or by other settings.
        """
        stages = stages_of(game)
        if start is not None:
            contract.check_start(start, self, game)
        return _rounds(self, game, stages, seed, cast(TrainedPlay | None, start))


@final
@dataclass(frozen=True, eq=False)
class TrainedPlay(KeptTrained):
    """Strategies that a rule came to."""

    learner: NoRegret
    game: AbstractGame[Any]
    running: Running
    moved: tuple[Floats, ...]  # N arrays [S, A_i, A_i]: what each action earned, had it been replaced by each other one
    future: Floats  # [S, N] what comes after each stage is taken to be worth
    rounds: int
    history: tuple[tuple[int, Mapping[str, Floats]], ...]  # at each checkpoint: environment steps, and what is told
    rng: np.random.Generator

    @property
    def steps(self) -> int:
        """One a round and stage."""
        return self.rounds * len(self.future)

    @cached_property
    def declared(self) -> Policy:
        """The strategies that act, as a table; see `walras.core.policy.Declaring`."""
        return stages_of(self.game).policy(self.running.averages())

    @property
    def independent(self) -> bool:
        """Agents draw independently."""
        return True

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Draw each agent's action, ``[B, N]``."""
        return self.declared.act(observation, rng)

    @property
    def curve(self) -> contract.Curve:
        """Returns of what acted at each checkpoint."""
        steps = np.array([steps for steps, _ in self.history])
        return contract.Curve(steps, np.zeros_like(steps), np.stack([told["return"] for _, told in self.history]))

    @property
    def diagnostics(self) -> Mapping[str, Floats]:
        """See the module; ``[K, N]`` each."""
        told = [told for _, told in self.history]
        return {name: np.stack([each[name] for each in told]) for name in told[0] if name != "return"}


def train(
    game: AbstractGame[Any],
    seed: int = 0,
    *,
    start: TrainedPlay | None = None,
    **settings: Any,  # noqa: ANN401
) -> TrainedPlay:
    """Let all agents of a game follow one rule.

    Parameters
    ----------
    game : AbstractGame
        `RepeatedMatrixGame`, `RepeatedPricing` or `TabularMarkovGame`.
    seed : int
        Of the draws with bandit feedback; without, nothing is drawn.
    start : TrainedPlay, optional
        Go on from here.
    **settings
        Fields of `NoRegret`.

    Raises
    ------
    TypeError
        If the game is another.
    ValueError
        As `NoRegret` and `NoRegret.learn`.

    Examples
    --------
    >>> from walras.agents import self_play
    >>> from walras.envs import RepeatedMatrixGame
    >>> from walras.equilibria import gap
    >>> from walras.markets.matrix.named_games import rock_paper_scissors
    >>> game = RepeatedMatrixGame(rock_paper_scissors(), memory=0)
    >>> learned = self_play.train(game, steps=200, alternate=True)
    >>> bool((gap(game, learned).upper <= 1e-9).all())
    True
    """
    return cast(TrainedPlay, contract.train(NoRegret(**settings), game, seed, start))


def _rounds(
    learner: NoRegret, game: AbstractGame[Any], stages: Stages, seed: int, start: TrainedPlay | None
) -> Iterator[TrainedPlay]:
    now = start
    if now is None:
        yield (now := _told(_begun(learner, game, stages, seed), stages))
    for mark in contract.marks(-(-learner.steps // stages.count), learner.checkpoints, now.rounds):
        now = _told(_played(now, stages, mark), stages)
        yield now


def _begun(learner: NoRegret, game: AbstractGame[Any], stages: Stages, seed: int) -> TrainedPlay:
    """Return even strategies."""
    first = tuple(np.full((stages.count, size), 1 / size) for size in stages.sizes)
    future = np.zeros((stages.count, len(game.agents)))
    running = Running(stages.payoff(future) / stages.spread, learner.rule, first, learner.alternate, learner.average)
    moved = tuple(np.zeros((stages.count, size, size)) for size in stages.sizes)
    return TrainedPlay(learner, game, running, moved, future, 0, (), np.random.default_rng(seed))


def _played(before: TrainedPlay, stages: Stages, until: int) -> TrainedPlay:
    """Return what play comes to after a round; what is given is not changed."""
    learner, running, rng = before.learner, deepcopy(before.running), deepcopy(before.rng)
    moved, future = tuple(own.copy() for own in before.moved), before.future
    for step in range(before.rounds + 1, until + 1):
        if stages.linked:
            running.pay(stages.payoff(future) / stages.spread)
        chance = rng.random(future.shape) if learner.feedback == "bandit" else None
        played, earned, worth = running.policies, running.earned.copy(), [own.copy() for own in running.worth]
        running.round(step, chance)
        for own, policy, now, then in zip(moved, played, running.worth, worth, strict=True):
            own += policy[:, :, None] * (now - then)[:, None, :]
        weight = (stages.span + 1) / (stages.span + step)
        future = (1 - weight) * future + weight * (running.earned - earned) * stages.spread.reshape(1, -1)
    return replace(before, running=running, moved=moved, future=future, rounds=until, rng=rng)


def _told(now: TrainedPlay, stages: Stages) -> TrainedPlay:
    """Return the same with what a checkpoint tells added to the history."""
    unit, running, rounds = stages.spread.reshape(-1), now.running, max(now.rounds, 1)
    swap = [own.max(axis=2).sum(axis=1) - np.trace(own, axis1=1, axis2=2) for own in now.moved]
    told: dict[str, Floats] = {
        "average": running.gains(running.averages()).max(axis=0) * unit,
        "last": running.gains(tuple(running.policies)).max(axis=0) * unit,
        "regret": running.regret().max(axis=0) * unit / rounds,
        "swap_regret": np.stack(swap, axis=1).max(axis=0) * unit / rounds,
        "return": rollout(now.game, now, range(EPISODES)).total.mean(axis=0),
    }
    return replace(now, history=(*now.history, (now.steps, told)))
