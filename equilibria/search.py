r"""Search for a deviation where no solver answers: a lower bound, which the deviation attains.

Candidates for each player are what is known (the reference solution's own column, the scripted rule, standing idle) and
what the cross-entropy method [1]_ finds among actions that are affine in what the player sees,

.. math:: a = \mathrm{clip}\bigl(m + h \, (W \tilde o + b)\bigr), \qquad
          a = \arg\max_k \, (W \tilde o + b)_k \quad \text{(discrete)},

with observations :math:`\tilde o` standardised over visited states. Each round plays `POPULATION` draws of (W, b), each
in `EPISODES` episodes under the same noise, and moves the normal law of draws to the `ELITE` best. The winner is chosen
under one noise and judged under another, in episodes that chose nothing: what it gains there is an unbiased estimate.

References
----------
[1] S. Mannor, R. Rubinstein, Y. Gat, The cross entropy method for fast policy search, ICML 2003.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
from gymnasium.spaces import Box, Discrete

from walras.core.episodes import Episodes
from walras.core.game import AbstractGame, Actions
from walras.core.policy import Policy, Timed
from walras.core.typing import Floats
from walras.equilibria.audit import Audit, Ends, certificate
from walras.equilibria.certificate import Gap, Kind
from walras.equilibria.intervals import interval

POPULATION, EPISODES, ELITE, ROUNDS = 64, 32, 10, 60
FIRST_DEVIATION = 1.0
"""Of the law from which (W, b) are drawn at first."""
LEAST_JUDGED = 512
"""Episodes on which a deviation is judged, at least."""
GROWTH = 0.05
"""Share by which doubling the search may raise what it finds without being said to grow."""


@final
@dataclass(frozen=True, eq=False)
class Linear:
    """Actions affine in the standardised observation, the same for all rows or one for each."""

    space: Any  # Box or Discrete
    centre: Floats  # [O]
    width: Floats  # [O]
    weight: Floats  # [..., K, O + 1], the last column being the offset

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return actions ``[B, n, ...]`` for ``observation [B, n, O]``."""
        seen = (observation - self.centre) / self.width
        weight = self.weight if self.weight.ndim == 3 else self.weight[None]
        score = seen @ np.swapaxes(weight[..., :-1], -1, -2) + weight[..., None, :, -1]
        if isinstance(self.space, Discrete):
            return score.argmax(axis=-1) + int(self.space.start)
        low, high = _ends(self.space)
        return np.clip((low + high) / 2 + (high - low) / 2 * score, low, high)


@final
@dataclass(frozen=True, eq=False)
class Deviations:
    """Each player's own deviation, as one policy of which each player's column counts."""

    players: tuple[tuple[int, ...], ...]
    each: tuple[Policy, ...]
    count: int  # agents

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Act as at the first step."""
        return self.act_at(observation, 0, rng)

    def act_at(self, observation: Floats, step: int, rng: np.random.Generator) -> Actions:
        """Return each player's deviation ``[B, N, ...]`` at a step."""
        columns: list[Any] = [None] * self.count
        for player, policy in zip(self.players, self.each, strict=True):
            action = acted(policy, observation, step, rng, player)
            for place, agent in enumerate(player):
                columns[agent] = action[:, place]
        return np.stack(columns, axis=1)


class Found(NamedTuple):
    """What a search found."""

    gains: Floats  # [E, N] of each player's deviation in episodes that chose nothing
    deviation: Deviations
    method: tuple[str, ...]  # [N]
    growing: bool


def acted(policy: Policy, observation: Floats, step: int, rng: np.random.Generator, player: Sequence[int]) -> Actions:
    """Return the actions ``[B, n, ...]`` of a player's agents at a step."""
    agents = list(player)
    if isinstance(policy, Linear):
        return policy.act(observation[:, agents], rng)
    if isinstance(policy, Timed):
        return policy.act_at(observation, step, rng)[:, agents]
    return policy.act(observation, rng)[:, agents]


def returns(
    game: AbstractGame[Any], policy: Policy, seeds: Sequence[int], player: Sequence[int], deviation: Policy | None
) -> Floats:
    """Return each agent's return ``[E, N]`` if a player's agents follow `deviation`, the others the policy."""
    episodes, rng = Episodes(game, len(seeds)), np.random.default_rng([len(seeds), *list(seeds)[:8]])
    episodes.seed(list(seeds))
    episodes.reset()
    own, theirs = np.random.default_rng(0), deepcopy(policy)
    total, alive = np.zeros((len(seeds), len(game.agents))), np.ones(len(seeds), dtype=np.bool_)
    for step in range(game.horizon):
        observation = game.observe(episodes.state)
        action = theirs.act(observation, rng)
        if deviation is not None:
            action = np.array(action)
            action[:, list(player)] = acted(deviation, observation, step, own, player)
        outcome = episodes.step(action)
        total += outcome.reward * alive[:, None]
        alive = alive & ~(outcome.terminated | outcome.truncated)
        if not alive.any():
            break
    return total


def search(
    game: AbstractGame[Any],
    policy: Policy,
    audit: Audit,
    players: Sequence[Sequence[int]],
    known: Mapping[str, Policy],
) -> Found:
    """Return the best deviation of each player that is found, judged in fresh episodes."""
    frames = max(audit.budget.frames // len(players), POPULATION * EPISODES * game.horizon)
    seen = _standard(game, policy, audit)
    judge = audit.fresh(11, max(LEAST_JUDGED, len(audit.seeds)))
    choose = audit.fresh(12, LEAST_JUDGED)
    plain = {name: returns(game, policy, seeds, (), None) for name, seeds in (("judge", judge), ("choose", choose))}
    gains, each, method, growing = np.zeros((len(judge), len(game.agents))), [], [""] * len(game.agents), False
    for number, player in enumerate(players):
        rounds = max(frames // (POPULATION * EPISODES * game.horizon), 1)
        halves = _cross_entropy(game, policy, audit.rng(20, number), player, seen, min(rounds, ROUNDS))
        candidates = {"affine, half the search": halves[0], "affine": halves[1], **known}
        scores = {
            name: _gain(game, policy, choose, player, candidate, plain["choose"]).mean()
            for name, candidate in candidates.items()
        }
        best = max(scores, key=lambda name: scores[name])
        growing |= bool(scores["affine"] > (1 + GROWTH) * max(scores["affine, half the search"], 0.0) > 0)
        each.append(candidates[best])
        gain = _gain(game, policy, judge, player, candidates[best], plain["judge"])
        for agent in player:
            gains[:, agent] = gain
            method[agent] = f"search: {best}"
    players = tuple(tuple(player) for player in players)
    return Found(gains, Deviations(players, tuple(each), len(game.agents)), tuple(method), growing)


def searched_gap(game: AbstractGame[Any], policy: Policy, audit: Audit, known: Mapping[str, Policy]) -> Gap:
    """Return what a search attains, with nothing above it: a lower bound."""
    found = search(game, policy, audit, [(i,) for i in range(len(game.agents))], known)
    below = interval(found.gains, audit.confidence)
    value = returns(game, policy, audit.seeds, (), None).mean(axis=0)
    ends = Ends(below.low, np.full_like(below.low, np.inf), below.mean)
    more = {"deviation": found.deviation, "growing": found.growing}
    return certificate(game, policy, audit, ends, value, Kind.LOWER, found.method, **more)


def _gain(
    game: AbstractGame[Any],
    policy: Policy,
    seeds: Sequence[int],
    player: Sequence[int],
    deviation: Policy,
    plain: Floats,
) -> Floats:
    """Return what a player gains by a deviation in each episode, ``[E]``, its agents' mean."""
    agents = list(player)
    return (returns(game, policy, seeds, player, deviation) - plain)[:, agents].mean(axis=1)


def _standard(game: AbstractGame[Any], policy: Policy, audit: Audit) -> tuple[Floats, Floats]:
    """Return mean and deviation ``[O]`` of what agents see."""
    from walras.core.rollout import rollout

    observation = rollout(game, deepcopy(policy), audit.fresh(13, EPISODES)).observation
    flat = observation.reshape(-1, observation.shape[-1])
    spread = flat.std(axis=0)
    return flat.mean(axis=0), np.where(spread > 1e-9 * (1 + np.abs(flat).max(axis=0)), spread, np.inf)


def _cross_entropy(
    game: AbstractGame[Any],
    policy: Policy,
    rng: np.random.Generator,
    player: Sequence[int],
    seen: tuple[Floats, Floats],
    rounds: int,
) -> tuple[Linear, Linear]:
    """Return the mean of the law of draws half way and at the end."""
    space = game.action_space
    outputs = int(space.n) if isinstance(space, Discrete) else int(np.prod(space.shape))
    mean = np.zeros((outputs, len(seen[0]) + 1))
    spread, half = np.full(mean.shape, FIRST_DEVIATION), mean
    spread[:, :-1] *= np.isfinite(seen[1])
    for number in range(rounds):
        draws = mean + spread * rng.standard_normal((POPULATION, *mean.shape))
        draws[0] = mean
        seeds = [int(seed) for seed in rng.integers(2**31, size=EPISODES)]
        deviation = Linear(space, *seen, np.repeat(draws, EPISODES, axis=0))
        earned = returns(game, policy, seeds * POPULATION, player, deviation)[:, list(player)].mean(axis=1)
        elite = draws[np.argsort(earned.reshape(POPULATION, EPISODES).mean(axis=1))[-ELITE:]]
        mean, spread = elite.mean(axis=0), elite.std(axis=0)
        if number == rounds // 2:
            half = mean
    return Linear(space, *seen, half), Linear(space, *seen, mean)


def _ends(space: Box) -> tuple[Floats, Floats]:
    """Return the ends of a box; of an unbounded one, a range that holds single precision."""
    return np.clip(space.low, -1e6, None).astype(np.float64), np.clip(space.high, None, 1e6).astype(np.float64)
