r"""Gaps of stage games: what a deviation of one step is worth, summed over the steps that the policy itself visits.

In a stage game actions move rewards of their own step alone (the state that they leave behind tells, but does not pay).
So the best deviation answers, at each visited state, the **distribution** of what the others do there, never what they
happened to draw:

.. math:: \max_a \mathrm{E}\bigl[r_i(s, a, a_{-i}) \mid o_i, t\bigr] - \mathrm{E}\bigl[r_i(s, a_i, a_{-i})\bigr].

Two roads bound it, each mean taken over episodes:

*Above.* Agent i is told the state, but not the draws. With a declared law of the others' actions this is computed; of S
draws, the best answer to the draws themselves is worth no less than the best answer to their law, in expectation [1]_.

*Below.* Agent i imagines what it does not see: joint observations of other episodes at the same step, with its own
observation, and what all see, put in their place. It answers the actions that the policy takes there, and the answer is
judged where it was not made: on the actual row.

Where the law is declared and the same in all states, both roads are one, and the gap is exact.

References
----------
[1] W.-K. Mak, D. P. Morton, R. K. Wood, Monte Carlo bounding techniques for determining solution quality in stochastic
    programs, Operations Research Letters 24, 1999.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias, final

import numpy as np

from walras.core.game import AbstractGame, Actions
from walras.core.policy import Policy, act_at
from walras.core.rollout import Trajectory, rollout
from walras.core.typing import Floats, Ints
from walras.equilibria.audit import (
    MOST_ATOMS,
    Audit,
    Ends,
    Law,
    certificate,
    copied,
    draws_nothing,
    judged_policy,
    law,
    memoryless,
)
from walras.equilibria.certificate import Gap, Kind
from walras.equilibria.intervals import LEAST_EPISODES, interval, rare
from walras.equilibria.scale import stakes

Rewards: TypeAlias = Callable[[Any, Floats, Actions], Floats]
Replies: TypeAlias = Callable[[Any, Floats, int, Actions, Floats], tuple[Floats, Actions]]

CHUNK = 200_000
"""Joint actions that are judged at once, which bounds the memory."""
FRESH = 32
"""Draws of a policy on which an answer is judged."""
POOL = 2**18
"""Steps of the other episodes that agents imagine to be in, all together."""
ROUNDING = 1e-9
"""Share of the scale up to which a gain is rounding, and never rare."""
DOUBLINGS = 3
"""How often seeds are doubled where few episodes carry the gains."""


@final
@dataclass(frozen=True)
class Stage:
    """What a family tells of its stage game: functions of joint observations ``[..., N, O]``."""

    rewards: Rewards
    """``(game, observation [K, N, O], action [K, N, A]) -> [K, N]``: expected rewards of the step."""
    replies: Replies
    """``(game, observation [M, S, N, O], agent, action [M, S, N, A], weight [M, S])`` to the value ``[M]`` of the best
    answer of `agent` to the weighted actions, and that answer ``[M, A]``."""
    hindsight: Rewards
    """``(game, observation, action) -> [K, N]``: no answer to these very actions gains more; proved."""
    public: tuple[int, ...] = ()
    """Entries of an observation that all agents see."""
    proved: bool = True
    """Whether no answer to several actions is worth more than the value that `replies` returns."""
    proved_alone: bool = True
    """Whether none to a single action is."""
    fixed_by_two: bool = False
    """Whether of two agents each sees the whole state."""
    hidden: bool = False
    """Whether rewards depend on what the others alone see."""
    imagines_law: bool = False
    """Whether what an agent imagines has the law of the state, given what it sees: answers are then judged on it."""
    quadratic: bool = False
    """Whether expected rewards follow from the first two moments of independent actions."""
    steps: int | None = None
    """Steps of each episode that are judged, drawn at random; all by default."""
    samples: int | None = None
    """Most scenarios of an answer; as the budget says by default."""
    atoms: int = MOST_ATOMS
    """Joint actions up to which a declared mixture is enumerated."""


class _Visits(NamedTuple):
    """What happened at M judged steps of E episodes; the first axis is step by step."""

    observation: Floats  # [M, N, O]
    action: Actions  # [M, N, A]
    step: Ints  # [M]
    episode: Ints  # [M]
    weight: Floats  # [M] steps of the episode that a judged one stands for


@final
@dataclass(frozen=True, eq=False)
class Answers:
    """Each agent's best answer to what it imagines of the others; a policy of what agents see and of the step."""

    game: AbstractGame[Any]
    policy: Policy
    stage: Stage
    pool: Floats  # [T, P, N, O] joint observations of other episodes
    samples: int

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Answer as at the first step."""
        return self.act_at(observation, 0, rng)

    def act_at(self, observation: Floats, step: int, rng: np.random.Generator) -> Actions:
        """Return each agent's answer ``[B, N, A]`` at a step."""
        each = [self._answer(observation, step, agent, rng) for agent in range(observation.shape[1])]
        return np.stack(each, axis=1)

    def _answer(self, observation: Floats, step: int, agent: int, rng: np.random.Generator) -> Actions:
        pool = self.pool[min(step, len(self.pool) - 1)]
        seen = imagined(self.stage, observation, agent, pool[rng.integers(len(pool), size=self.samples)])
        flat = seen.reshape(-1, *seen.shape[2:])
        action = act_at(self.policy, flat, step, rng)
        action = action.reshape(*seen.shape[:2], *action.shape[1:])
        weight = np.full(seen.shape[:2], 1 / self.samples)
        return self.stage.replies(self.game, seen, agent, action, weight)[1]


def imagined(stage: Stage, observation: Floats, agent: int, pool: Floats) -> Floats:
    """Return joint observations ``[M, S, N, O]`` that `agent` holds possible at ``observation [M, N, O]``.

    They are those of ``pool [S, N, O]``, with what `agent` sees, and what all see, as it is.
    """
    seen = np.repeat(pool[None], len(observation), axis=0)
    own = observation[:, agent]
    seen[..., list(stage.public)] = own[:, None, None, list(stage.public)]
    seen[:, :, agent] = own[:, None]
    return seen


class _Gains(NamedTuple):
    """What E episodes tell of a policy: gains below and above, and returns, ``[E, N]`` each."""

    below: Floats
    above: Floats
    value: Floats
    declared: bool  # whether the law of actions that was answered is the policy's own word
    method: str

    @property
    def exact(self) -> bool:
        """Whether the gap is one number, the same in all episodes."""
        return self.declared and np.array_equal(self.below, self.above) and not np.ptp(self.below, axis=0).any()

    def scarce(self, scale: Floats) -> bool:
        """Return whether few episodes carry what an agent may gain."""
        counted = np.where(self.above > ROUNDING * scale, self.above, 0.0)
        return not self.exact and bool(rare(counted).any())

    def joined(self, other: "_Gains") -> "_Gains":
        """Return what the episodes of both tell."""
        below, above, value = (np.concatenate(both) for both in zip(self[:3], other[:3], strict=True))
        return _Gains(below, above, value, self.declared and other.declared, self.method)


def stage_gap(game: AbstractGame[Any], policy: Policy, audit: Audit, stage: Stage) -> Gap:
    """Return the gap of a policy in a stage game, from its two roads; more episodes are played while gains are rare."""
    judged = judged_policy(game, policy, audit.device)
    most = min(audit.budget.samples, stage.samples or audit.budget.samples)
    audit = replace(audit, budget=replace(audit.budget, samples=most))
    sound = memoryless(game, judged, audit.seeds)
    answers = Answers(game, judged, stage, _pool(game, judged, audit), most)
    found = _gains(game, judged, audit, answers, sound)
    for _ in range(DOUBLINGS):
        if not found.scarce(stakes(game)):
            break
        more = replace(audit, seeds=tuple(audit.fresh(1)))
        found = found.joined(_gains(game, judged, more, answers, sound))
        audit = replace(audit, seeds=(*audit.seeds, *more.seeds))
    return _told(game, judged, audit, found, answers)


def _gains(game: AbstractGame[Any], policy: Policy, audit: Audit, answers: Answers, sound: bool) -> _Gains:
    """Return what the episodes of an audit tell."""
    stage, count = answers.stage, len(audit.seeds)
    trajectory = rollout(game, copied(policy), audit.seeds)
    visits = _visited(trajectory, stage, audit.rng(1))
    value = trajectory.total
    if stage.steps is None:
        played = _in_chunks(stage.rewards, game, visits.observation, visits.action)
        value = _by_episode(visits, played, count)
    ask = audit.budget.samples, audit.rng(2), stage.quadratic, stage.atoms
    acts = law(policy, visits.observation, *ask) if sound else None
    if acts is not None and _known(stage, acts, visits):
        gains = _by_episode(visits, _against(game, stage, visits, acts), count)
        return _Gains(gains, gains, value, True, "answer to the declared law")
    below = _by_episode(visits, _judged(game, policy, stage, visits, answers, audit, sound), count)
    above = _by_episode(visits, _each_once(stage.hindsight, game, visits.observation, visits.action), count)
    if acts is not None and _proved(stage, acts):
        told = _by_episode(visits, _against(game, stage, visits, acts), count)
        above = np.where(told.mean(axis=0) < above.mean(axis=0), told, above)
    how = "answer to imagined actions, judged afresh" if sound else "policy with a memory: answers, and hindsight"
    return _Gains(below, above, value, acts is not None and acts.exact, how)


def _visited(trajectory: Trajectory[Any], stage: Stage, rng: np.random.Generator) -> _Visits:
    """Return the steps to judge: all, or some of each episode."""
    horizon, episodes = trajectory.reward.shape[:2]
    count = min(stage.steps or horizon, horizon)
    step = np.argsort(rng.random((horizon, episodes)), axis=0)[:count] if count < horizon else None
    at = np.arange(horizon)[:, None].repeat(episodes, axis=1) if step is None else step
    rows = np.broadcast_to(np.arange(episodes), at.shape)
    observation, action = trajectory.observation[at, rows], trajectory.action[at, rows]
    seen, done = (part.reshape(-1, *part.shape[2:]) for part in (observation, action))
    return _Visits(seen, done, at.ravel(), rows.ravel(), np.full(at.size, horizon / count))


def _by_episode(visits: _Visits, values: Floats, episodes: int) -> Floats:
    """Return ``values [M, N]`` summed over each episode, ``[E, N]``."""
    total = np.zeros((episodes, values.shape[1]))
    np.add.at(total, visits.episode, values * visits.weight[:, None])
    return total


def _known(stage: Stage, acts: Law, visits: _Visits) -> bool:
    """Return whether agents know the law of the others' actions from what they see."""
    if not (acts.exact and _proved(stage, acts)) or stage.hidden:
        return False
    if stage.fixed_by_two and acts.action.shape[2] <= 2:
        return True
    _, at, again = np.unique(visits.step, return_index=True, return_inverse=True)
    first = at[again]  # visit of the same step
    return np.array_equal(acts.action, acts.action[first]) and np.array_equal(acts.weight, acts.weight[first])


def _proved(stage: Stage, acts: Law) -> bool:
    return stage.proved or (stage.proved_alone and acts.action.shape[1] == 1)


def _against(game: AbstractGame[Any], stage: Stage, visits: _Visits, acts: Law) -> Floats:
    """Return what the best answers to the law gain at each visit, ``[M, N]``, if the state is known."""
    rows, samples, agents = acts.action.shape[:3]
    size = max(1, CHUNK // samples)
    gains = np.empty((rows, agents))
    for start in range(0, rows, size):
        part = slice(start, start + size)
        action, weight = acts.action[part], acts.weight[part]
        seen = np.repeat(visits.observation[part][:, None], samples, axis=1)
        flat = seen.reshape(-1, *seen.shape[2:])
        own = stage.rewards(game, flat, action.reshape(-1, *action.shape[2:])).reshape(len(seen), samples, agents)
        mean = np.einsum("ms,msn->mn", weight, own)
        best = np.stack([stage.replies(game, seen, i, action, weight)[0] for i in range(agents)], axis=1)
        gains[part] = best - mean
    return gains


def _judged(
    game: AbstractGame[Any],
    policy: Policy,
    stage: Stage,
    visits: _Visits,
    answers: Answers,
    audit: Audit,
    sound: bool,
) -> Floats:
    """Return what imagined answers gain in the actual states, ``[M, N]``, on average over fresh draws of the policy.

    A policy with a memory does in play what it does there alone: answers are judged on what it did.
    """
    rng, agents = audit.rng(3), len(game.agents)
    gains = np.empty((len(visits.action), agents))
    for step in np.unique(visits.step):
        rows = np.flatnonzero(visits.step == step)
        observation = visits.observation[rows]
        answer = answers.act_at(observation, int(step), rng)
        draws = FRESH if sound and not draws_nothing(policy, observation) else 1
        seen = np.repeat(observation, draws, axis=0)
        action = act_at(policy, seen, int(step), rng) if sound else visits.action[rows]
        own = stage.rewards(game, seen, action)
        for agent in range(agents):
            if stage.imagines_law and sound:
                gains[rows, agent] = _on_imagined(game, policy, stage, observation, agent, answer, answers.pool, rng)
                continue
            changed = action.copy()
            changed[:, agent] = np.repeat(answer[:, agent], draws, axis=0)
            more = stage.rewards(game, seen, changed)[:, agent] - own[:, agent]
            gains[rows, agent] = more.reshape(len(rows), draws).mean(axis=1)
    return gains


def _on_imagined(
    game: AbstractGame[Any],
    policy: Policy,
    stage: Stage,
    observation: Floats,
    agent: int,
    answer: Actions,
    pool: Floats,
    rng: np.random.Generator,
) -> Floats:
    """Return what an agent's answers gain, ``[M]``, on average over states that it holds possible, drawn afresh."""
    flat = pool.reshape(-1, *pool.shape[2:])
    seen = imagined(stage, observation, agent, flat[rng.integers(len(flat), size=FRESH)])
    seen = seen.reshape(-1, *seen.shape[2:])
    action = policy.act(seen, rng)
    changed = action.copy()
    changed[:, agent] = np.repeat(answer[:, agent], FRESH, axis=0)
    more = stage.rewards(game, seen, changed)[:, agent] - stage.rewards(game, seen, action)[:, agent]
    return more.reshape(len(observation), FRESH).mean(axis=1)


def _pool(game: AbstractGame[Any], policy: Policy, audit: Audit) -> Floats:
    """Return joint observations ``[T, P, N, O]`` of episodes that are not judged."""
    count = min(4 * len(audit.seeds), max(POOL // game.horizon, LEAST_EPISODES))
    return rollout(game, copied(policy), audit.fresh(2, count)).observation


def _told(game: AbstractGame[Any], policy: Policy, audit: Audit, found: _Gains, answers: Answers) -> Gap:
    """Return the gap of what episodes told."""
    low, high = interval(found.below, audit.confidence), interval(found.above, audit.confidence)
    scarce = found.scarce(stakes(game))
    return certificate(
        game,
        policy,
        audit,
        Ends(low.low, high.high, low.mean),
        found.value.mean(axis=0),
        Kind.EXACT if found.exact else Kind.STATISTICAL,
        found.method + (" (rare gains)" if scarce else ""),
        rare=scarce,
        deviation=answers,
    )


def _each_once(function: Rewards, game: AbstractGame[Any], observation: Floats, action: Actions) -> Floats:
    """Return the function of all rows, which is computed once where they are alike."""
    rows = np.concatenate([part.reshape(len(part), -1) for part in (observation, action)], axis=1)
    _, first, again = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return _in_chunks(function, game, observation[first], action[first])[again.ravel()]


def _in_chunks(function: Rewards, game: AbstractGame[Any], observation: Floats, action: Actions) -> Floats:
    parts = [slice(start, start + CHUNK) for start in range(0, len(action), CHUNK)]
    return np.concatenate([function(game, observation[part], action[part]) for part in parts])
