r"""Search for a deviation where no solver answers: a lower bound, which the deviation attains.

Candidates for each player are what is known (the reference solution's own column, the scripted rule, standing idle),
not to deviate, and what the cross-entropy method [1]_ finds among actions that are affine in what the player sees,

.. math:: a = \mathrm{clip}\bigl(m + h \, (W \tilde o + b)\bigr), \qquad
          a = \arg\max_k \, (W \tilde o + b)_k \quad \text{(discrete)},

with observations :math:`\tilde o` standardised over visited states. The first law of (W, b) has its mean at the affine
fit of what the player does, and draws of it lie nearby or far, by up to `SCALES` powers of ten. Each round plays
`POPULATION` draws under the same noise, and moves the law to the `ELITE` best; its spread follows slowly. The winner is
chosen under one noise and judged under another, in episodes that chose nothing: what it gains there is an unbiased
estimate.

In stage games a deviation of a step is paid at once and changes nothing after: draws are judged at steps that the
policy visited, by the expected rewards of these steps, and no episode is played again.

References
----------
[1] S. Mannor, R. Rubinstein, Y. Gat, The cross entropy method for fast policy search, ICML 2003.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, cast, final

import numpy as np
from gymnasium.spaces import Box, Discrete

from walras.core.abilities import CutShort
from walras.core.episodes import Episodes
from walras.core.foreign import Foreign
from walras.core.game import AbstractGame, Actions
from walras.core.policy import Policy, act_at
from walras.core.rollout import Trajectory, rollout
from walras.core.typing import Bools, Floats
from walras.equilibria.audit import Audit, Ends, certificate, copied, draws_nothing
from walras.equilibria.certificate import Gap, Kind
from walras.equilibria.intervals import LEAST_EPISODES, interval
from walras.equilibria.stage_games import Stage

POPULATION, ELITE = 64, 10
SCALES = 3.0
"""Powers of ten over which the first draws are spread."""
SMOOTHING = 0.2
"""Weight of the elite's spread in that of the next round."""
GROWTH = 0.05
"""Share by which doubling the search may raise what it finds without being said to grow."""
NEGLIGIBLE = 1e-12
"""Weight of a reward that is not played for."""
NOTHING = "no deviation"


class Effort(NamedTuple):
    """What a search plays."""

    episodes: int = 32  # of each draw, at most
    least_episodes: int = 4  # of each draw
    rounds: int = 200  # at most
    wanted_rounds: int = 100  # for which draws are given fewer episodes
    judged: int = 512  # episodes on which a deviation is judged, if the budget allows; chosen on a quarter
    share: float = 1.0  # of the budget's frames


USUAL, COSTLY = Effort(), Effort(episodes=8, rounds=15, wanted_rounds=15, judged=64, share=0.02)
"""In games whose rows are arrays; in environments from elsewhere, whose rows are stepped one by one."""


@final
@dataclass(frozen=True, eq=False)
class Linear:
    """Actions affine in the standardised observation: one law for all rows, or P laws for as many equal parts."""

    space: Any  # Box or Discrete
    centre: Floats  # [O]
    width: Floats  # [O]
    weight: Floats  # [K, O + 1] or [P, K, O + 1], the last column being the offset

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return actions ``[B, n, ...]`` for ``observation [B, n, ...]``."""
        rows, agents = observation.shape[:2]
        weight = self.weight.reshape(-1, *self.weight.shape[-2:])
        seen = ((observation.reshape(rows, agents, -1) - self.centre) / self.width).reshape(
            len(weight), -1, len(self.centre)
        )
        score = seen @ np.swapaxes(weight[..., :-1], -1, -2) + weight[:, None, :, -1]
        if isinstance(self.space, Discrete):
            return score.argmax(axis=-1).reshape(rows, agents) + int(self.space.start)
        low, high = _ends(self.space)
        return np.clip((low + high) / 2 + (high - low) / 2 * score.reshape(rows, agents, *low.shape), low, high)


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


class Trials(Protocol):
    """Where deviations of a player are tried."""

    observation: Floats  # [T, E, N, O] what agents see under the policy
    action: Actions  # [T, E, N, ...] what they do
    alive: Bools  # [T, E]

    def gain(self, player: Sequence[int], deviation: Policy) -> Floats:
        """Return what a player gains in each episode, ``[E]``, its agents' mean."""
        ...

    def earned(self, player: Sequence[int], laws: Linear, episodes: int, rng: np.random.Generator) -> Floats:
        """Return what a player earns by each of P laws, ``[P]``, under noise that they share."""
        ...


@final
class Played:
    """Whole episodes, in which a player deviates from the first step to the last."""

    def __init__(self, game: AbstractGame[Any], policy: Policy, seeds: Sequence[int]) -> None:
        self.game, self.policy, self.seeds = whole(game), policy, seeds
        played = rollout(self.game, copied(policy), seeds)
        self.observation, self.action, self.alive = played.observation, played.action, played.alive
        self.plain = _total(game, played)

    def gain(self, player: Sequence[int], deviation: Policy) -> Floats:
        """See `Trials`."""
        deviated = returns(self.game, self.policy, self.seeds, player, deviation)
        return (deviated - self.plain)[:, list(player)].mean(axis=1)

    def earned(self, player: Sequence[int], laws: Linear, episodes: int, rng: np.random.Generator) -> Floats:
        """See `Trials`."""
        count, game = len(laws.weight), self.game
        noise = np.stack([game.noise(own, game.horizon + 1) for own in rng.spawn(episodes)], axis=1)
        noise = np.concatenate([noise] * count, axis=1)
        state, theirs = game.reset(noise[0]), copied(self.policy)
        total, alive = np.zeros(noise.shape[1]), np.ones(noise.shape[1], dtype=np.bool_)
        for step in range(game.horizon):
            observation = game.observe(state)
            action = _deviated(theirs, laws, observation, step, rng, rng, player)
            state, reward, ended = game.step(state, action, noise[step + 1])
            total += _weight(game) ** step * reward[:, list(player)].mean(axis=1) * alive
            alive &= ~(ended | game.cut(state)) if isinstance(game, CutShort) else ~ended
            if not alive.any():
                break
        return total.reshape(count, episodes).mean(axis=1)


@final
class Visited:
    """Steps of a stage game that the policy visited: a player's action is replaced, and play goes on as it was."""

    def __init__(self, game: AbstractGame[Any], policy: Policy, seeds: Sequence[int], stage: Stage) -> None:
        self.game, self.stage = game, stage
        played = rollout(game, copied(policy), seeds)
        self.observation, self.action, self.alive = played.observation, played.action, played.alive

    def gain(self, player: Sequence[int], deviation: Policy) -> Floats:
        """See `Trials`."""
        rng, total = np.random.default_rng(0), np.zeros(self.alive.shape[1])
        for step, (seen, action, alive) in enumerate(zip(self.observation, self.action, self.alive, strict=True)):
            own = self.stage.rewards(self.game, seen, action)
            changed = action.copy()
            changed[:, list(player)] = acted(deviation, seen, step, rng, player)
            more = self.stage.rewards(self.game, seen, changed) - own
            total += more[:, list(player)].mean(axis=1) * alive
        return total

    def earned(self, player: Sequence[int], laws: Linear, episodes: int, rng: np.random.Generator) -> Floats:
        """See `Trials`."""
        agents, visits = list(player), np.argwhere(self.alive)
        at = visits[rng.integers(len(visits), size=episodes * len(self.alive))].T
        seen, action = (
            np.concatenate([part[tuple(at)]] * len(laws.weight)) for part in (self.observation, self.action)
        )
        action[:, agents] = laws.act(seen[:, agents], rng)
        reward = self.stage.rewards(self.game, seen, action)[:, agents].mean(axis=1)
        return reward.reshape(len(laws.weight), -1).mean(axis=1)


def acted(policy: Policy, observation: Floats, step: int, rng: np.random.Generator, player: Sequence[int]) -> Actions:
    """Return the actions ``[B, n, ...]`` of a player's agents at a step."""
    agents = list(player)
    if isinstance(policy, Linear):
        return policy.act(observation[:, agents], rng)
    return act_at(policy, observation, step, rng)[:, agents]


def returns(
    game: AbstractGame[Any], policy: Policy, seeds: Sequence[int], player: Sequence[int], deviation: Policy | None
) -> Floats:
    """Return each agent's return ``[E, N]`` if a player's agents follow `deviation`, the others the policy.

    Play without end goes on until what is left weighs less than `NEGLIGIBLE`.
    """
    game = whole(game)
    episodes, rng = Episodes(game, len(seeds)), np.random.default_rng([len(seeds), *list(seeds)])
    episodes.seed(list(seeds))
    episodes.reset()
    own, theirs = np.random.default_rng(0), copied(policy)
    deviating = None if deviation is None else copied(deviation)
    total, alive = np.zeros((len(seeds), len(game.agents))), np.ones(len(seeds), dtype=np.bool_)
    for step in range(game.horizon):
        observation = game.observe(episodes.state)
        outcome = episodes.step(_deviated(theirs, deviating, observation, step, rng, own, player))
        total += _weight(game) ** step * outcome.reward * alive[:, None]
        alive = alive & ~(outcome.terminated | outcome.truncated)
        if not alive.any():
            break
    return total


def whole(game: AbstractGame[Any]) -> AbstractGame[Any]:
    """Return the game with a horizon after which discounted rewards count for nothing, if it is without end."""
    if not game.endless or game.discount == 0:
        return game
    return replace(cast(Any, game), horizon=max(1, math.ceil(math.log(NEGLIGIBLE) / math.log(game.discount))))


def _weight(game: AbstractGame[Any]) -> float:
    """Return the weight of the next reward in what is summed."""
    return game.discount if game.endless else 1.0


def _total(game: AbstractGame[Any], played: Trajectory[Any]) -> Floats:
    """Return each agent's sum of rewards, ``[E, N]``, discounted in play without end."""
    return np.einsum("t,ten->en", _weight(game) ** np.arange(len(played.reward)), played.reward)


def search(
    game: AbstractGame[Any],
    policy: Policy,
    audit: Audit,
    players: Sequence[Sequence[int]],
    known: Mapping[str, Policy],
) -> Found:
    """Return the best deviation of each player that is found, judged in fresh episodes.

    The budget's frames are those of each player. Returned gains are zero where not to deviate is best.
    """
    effort = COSTLY if isinstance(game, Foreign) else USUAL
    most = max(min(effort.judged, audit.budget.episodes), len(audit.seeds), LEAST_EPISODES)
    judged = LEAST_EPISODES if _is_certain(game, policy) else most
    chosen = max(judged // 4, LEAST_EPISODES)
    judge, choose = (
        _trials(game, policy, audit.fresh(stream, count)) for stream, count in ((11, judged), (12, chosen))
    )
    gains, method, growing = np.zeros((judged, len(game.agents))), [""] * len(game.agents), False
    each = list[Policy]()
    for number, player in enumerate(players):
        halves = _cross_entropy(game, choose, audit, audit.rng(20, number), player, effort)
        candidates = {"affine, half the search": halves[0], "affine": halves[1], **known}
        scores = {name: choose.gain(player, candidate) for name, candidate in candidates.items()}
        growing |= _grows(scores)
        means = {NOTHING: 0.0} | {name: float(score.mean()) for name, score in scores.items()}
        best = max(means, key=lambda name: means[name])
        each.append(candidates.get(best, policy))
        for agent in player:
            method[agent] = f"search: {best}"
        if best != NOTHING:
            gains[:, list(player)] = judge.gain(player, candidates[best])[:, None]
    parts = tuple(tuple(player) for player in players)
    return Found(gains, Deviations(parts, tuple(each), len(game.agents)), tuple(method), growing)


def searched_gap(game: AbstractGame[Any], policy: Policy, audit: Audit, known: Mapping[str, Policy]) -> Gap:
    """Return what a search attains, with nothing above it: a lower bound."""
    found = search(game, policy, audit, [(i,) for i in range(len(game.agents))], known)
    below = interval(found.gains, audit.confidence)
    value = _total(game, rollout(whole(game), copied(policy), audit.seeds)).mean(axis=0)
    ends = Ends(below.low, np.full_like(below.low, np.inf), below.mean)
    more = {"deviation": found.deviation, "growing": found.growing}
    return certificate(game, policy, audit, ends, value, Kind.LOWER, found.method, **more)


def _is_certain(game: AbstractGame[Any], policy: Policy) -> bool:
    """Return whether neither game nor policy draws, so that all episodes are one."""
    noise = game.noise(np.random.default_rng(0), 1)
    return noise.size == 0 and draws_nothing(copied(policy), game.observe(game.reset(noise)))


def _trials(game: AbstractGame[Any], policy: Policy, seeds: Sequence[int]) -> Played | Visited:
    from walras.equilibria.gap import stage_of

    stage = stage_of(game)
    return Played(game, policy, seeds) if stage is None else Visited(game, policy, seeds, stage)


def _deviated(
    policy: Policy,
    deviation: Policy | None,
    observation: Floats,
    step: int,
    rng: np.random.Generator,
    own: np.random.Generator,
    player: Sequence[int],
) -> Actions:
    """Return all agents' actions at a step, in which a player's agents, if any, deviate."""
    action = act_at(policy, observation, step, rng)
    if deviation is None:
        return action
    changed = np.array(action)
    changed[:, list(player)] = acted(deviation, observation, step, own, player)
    return changed


def _grows(scores: Mapping[str, Floats]) -> bool:
    """Return whether the second half of the search raised the best gain, by more than a share and than noise."""
    before = max((score for name, score in scores.items() if name != "affine"), key=lambda score: score.mean())
    more, least = scores["affine"] - before, max(float(before.mean()), 0.0)
    error = 2 * float(more.std()) / np.sqrt(len(more))
    return bool(scores["affine"].mean() > 0 and more.mean() > max(GROWTH * least, error))


def _standard(observation: Floats) -> tuple[Floats, Floats]:
    """Return mean and deviation ``[O]`` of what agents see, ``[M, O]``."""
    spread = observation.std(axis=0)
    return observation.mean(axis=0), np.where(spread > 1e-9 * (1 + np.abs(observation).max(axis=0)), spread, np.inf)


def _first_mean(space: Any, seen: Floats, action: Actions) -> Floats:  # noqa: ANN401 - Box or Discrete
    """Return the affine fit ``[K, O + 1]`` of what is done, ``[M, ...]``, where ``[M, O]`` is seen, standardised."""
    if isinstance(space, Discrete):
        wanted = np.eye(int(space.n))[action - int(space.start)]
    else:
        low, high = _ends(space)
        wanted = ((action - (low + high) / 2) / ((high - low) / 2)).reshape(len(action), -1)
    features = np.concatenate([seen, np.ones((len(seen), 1))], axis=1)
    return np.asarray(np.linalg.lstsq(features, wanted, rcond=1e-9)[0].T, dtype=np.float64)


def _cross_entropy(
    game: AbstractGame[Any],
    trials: Played | Visited,
    audit: Audit,
    rng: np.random.Generator,
    player: Sequence[int],
    effort: Effort,
) -> tuple[Linear, Linear]:
    """Return the mean of the law of draws half way and at the end."""
    agents, space = list(player), game.action_space
    observation, action = (part[trials.alive][:, agents] for part in (trials.observation, trials.action))
    observation = observation.reshape(len(observation) * len(agents), -1)
    centre, width = _standard(observation)
    mean = _first_mean(space, (observation - centre) / width, action.reshape(-1, *action.shape[2:]))
    spread, half = np.ones(mean.shape), mean
    spread[:, :-1] *= np.isfinite(width)
    length = float(trials.alive.sum(axis=0).mean())
    frames = effort.share * audit.budget.frames / (POPULATION * length)
    episodes = int(np.clip(frames / effort.wanted_rounds, effort.least_episodes, effort.episodes))
    rounds = int(np.clip(frames / episodes, 2, effort.rounds))
    for number in range(rounds):
        scale = 10 ** (-SCALES * rng.random((POPULATION, 1, 1))) if number == 0 else 1.0
        draws = mean + scale * spread * rng.standard_normal((POPULATION, *mean.shape))
        draws[0] = mean
        earned = trials.earned(player, Linear(space, centre, width, draws), episodes, rng)
        elite = draws[np.argsort(earned)[-ELITE:]]
        old = spread if number else elite.std(axis=0)
        mean, spread = elite.mean(axis=0), SMOOTHING * elite.std(axis=0) + (1 - SMOOTHING) * old
        if number == rounds // 2:
            half = mean
    return Linear(space, centre, width, half), Linear(space, centre, width, mean)


def _ends(space: Box) -> tuple[Floats, Floats]:
    """Return the ends of a box; of an unbounded one, a range that holds single precision."""
    return np.clip(space.low, -1e6, None).astype(np.float64), np.clip(space.high, None, 1e6).astype(np.float64)
