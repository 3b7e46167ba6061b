r"""Search for a deviation where no solver answers: a lower bound, which the deviation attains.

Candidates for each player are what is known (the reference solution's own column, the scripted rule, standing idle),
not to deviate, and what the cross-entropy method [1]_ finds among actions that are affine in what the player sees,

.. math:: a = \mathrm{clip}\bigl(m + h \, (W \tilde o + b)\bigr), \qquad
          a = \arg\max_k \, (W \tilde o + b)_k \quad \text{(discrete)},

with observations :math:`\tilde o` standardised over visited states. The first law of (W, b) has its mean at the affine
fit of what the player does, and draws of it lie nearby or far, by up to `SCALES` powers of ten. Each round plays
`POPULATION` draws under the same noise, and moves the law to the `ELITE` best; its spread follows slowly. The winner is
chosen under one noise and judged under another, in episodes that chose nothing: what it gains there is an unbiased
estimate. All players' draws are played in one batch. A player whose search found no more in its second quarter than in
its first ends it half way.

In stage games a deviation of a step is paid at once and changes nothing after: draws are judged at steps that the
policy visited, by the expected rewards of these steps, and no episode is played again. There three quarters of the
frames go to **steps**: one action in each of `CELLS` intervals of one entry of the observation, each moved to its own
best draws. The entry is that by which a short search over each finds most.

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
from walras.core.typing import Bools, Floats, Ints
from walras.equilibria.audit import Audit, Ends, certificate, copied
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
STALLED = 2e-3
"""Share by which doubling a player's search must raise what it finds for the search to go on."""
CELLS, IN_CELL = 32, 8
"""Intervals of an entry of the observation that are answered apart, and visits at which each is tried in a round."""
SHORT, SHORT_IN_CELL = 3, 4
"""Rounds in which each entry is tried, and visits."""
IN_STEPS = 0.75
"""Share of the frames of a stage game that go to steps."""
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
CERTAIN = Effort(episodes=1, least_episodes=1, rounds=100, judged=0)
"""Where all episodes of the policy are one."""
FULL, HALF = ("affine", "steps"), ", half the search"


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
        return _actions(self.space, score, rows, agents)


@final
@dataclass(frozen=True, eq=False)
class Steps:
    """One action in each interval of an entry of the observation: one law for all rows, or P laws for equal parts."""

    space: Any  # Box or Discrete
    entry: int  # of the observation, flat
    edges: Floats  # [C - 1], rising
    score: Floats  # [C, K] or [P, C, K], as of `Linear`

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return actions ``[B, n, ...]`` for ``observation [B, n, ...]``."""
        rows, agents = observation.shape[:2]
        score = self.score.reshape(-1, *self.score.shape[-2:])
        cell = self.cell(observation.reshape(rows * agents, -1)).reshape(len(score), -1)
        return _actions(self.space, np.take_along_axis(score, cell[..., None], axis=1), rows, agents)

    def cell(self, observation: Floats) -> Ints:
        """Return the interval of each of ``observation [M, O]``."""
        return np.searchsorted(self.edges, observation[:, self.entry], side="right")


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


class Tried(NamedTuple):
    """A deviation, and what it gains in the episodes in which deviations are chosen."""

    policy: Policy
    gain: Floats  # [E]


class Trials(Protocol):
    """Where deviations of a player are tried."""

    observation: Floats  # [T, E, N, O] what agents see under the policy
    action: Actions  # [T, E, N, ...] what they do
    alive: Bools  # [T, E]

    def gain(self, player: Sequence[int], deviation: Policy) -> Floats:
        """Return what a player gains in each episode, ``[E]``, its agents' mean."""
        ...

    def earned(
        self, players: Sequence[Sequence[int]], laws: Sequence[Linear], episodes: int, rng: np.random.Generator
    ) -> Floats:
        """Return what n players, each alone, earn by each of P laws, ``[n, P]``, under noise that they share."""
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

    def earned(
        self, players: Sequence[Sequence[int]], laws: Sequence[Linear], episodes: int, rng: np.random.Generator
    ) -> Floats:
        """See `Trials`."""
        game, size = self.game, len(laws[0].weight) * episodes
        noise = np.stack([game.noise(own, game.horizon + 1) for own in rng.spawn(episodes)], axis=1)
        copies = np.tile(np.arange(episodes), len(players) * len(laws[0].weight))
        state, theirs = game.reset(noise[0][copies]), copied(self.policy)
        total, alive = np.zeros((len(copies), len(game.agents))), np.ones(len(copies), dtype=np.bool_)
        for step in range(game.horizon):
            observation = game.observe(state)
            action = np.array(act_at(theirs, observation, step, rng))
            for k, (player, law) in enumerate(zip(players, laws, strict=True)):
                part, own = slice(k * size, (k + 1) * size), list(player)
                action[part, own] = law.act(observation[part, own], rng)
            state, reward, ended = game.step(state, action, noise[step + 1][copies])
            total += _weight(game) ** step * reward * alive[:, None]
            alive &= ~(ended | game.cut(state)) if isinstance(game, CutShort) else ~ended
            if not alive.any():
                break
        each = total.reshape(len(players), -1, episodes, len(game.agents)).mean(axis=2)
        return np.stack([own[:, list(player)].mean(axis=1) for own, player in zip(each, players, strict=True)])


@final
class Visited:
    """Steps of a stage game that the policy visited: a player's action is replaced, and play goes on as it was."""

    def __init__(self, game: AbstractGame[Any], policy: Policy, seeds: Sequence[int], stage: Stage) -> None:
        self.game, self.stage = game, stage
        played = rollout(game, copied(policy), seeds)
        self.observation, self.action, self.alive = played.observation, played.action, played.alive
        seen, done = (part.reshape(-1, *part.shape[2:]) for part in (self.observation, self.action))
        self.plain = stage.rewards(game, seen, done).reshape(played.reward.shape)  # [T, E, N]
        self.visits = np.argwhere(self.alive)

    def gain(self, player: Sequence[int], deviation: Policy) -> Floats:
        """See `Trials`."""
        rng, changed = np.random.default_rng(0), self.action.copy()
        for step, seen in enumerate(self.observation):
            changed[step][:, list(player)] = acted(deviation, seen, step, rng, player)
        seen, done = (part.reshape(-1, *part.shape[2:]) for part in (self.observation, changed))
        more = self.stage.rewards(self.game, seen, done).reshape(self.plain.shape) - self.plain
        return (more[..., list(player)].mean(axis=2) * self.alive).sum(axis=0)

    def earned(
        self, players: Sequence[Sequence[int]], laws: Sequence[Linear], episodes: int, rng: np.random.Generator
    ) -> Floats:
        """See `Trials`."""
        at = self.visits[rng.integers(len(self.visits), size=episodes * len(self.alive))]
        count = len(laws[0].weight)
        pairs = zip(players, laws, strict=True)
        return np.stack([self.paid(player, law, at, count, rng).mean(axis=1) for player, law in pairs])

    def paid(self, player: Sequence[int], laws: Policy, at: Ints, count: int, rng: np.random.Generator) -> Floats:
        """Return the reward of each of `count` laws at each of V visits ``at [V, 2]``, ``[P, V]``."""
        agents = list(player)
        seen, action = (np.concatenate([part[tuple(at.T)]] * count) for part in (self.observation, self.action))
        action[:, agents] = laws.act(seen[:, agents], rng)
        reward = self.stage.rewards(self.game, seen, action)[:, agents].mean(axis=1)
        return reward.reshape(count, len(at))


def acted(policy: Policy, observation: Floats, step: int, rng: np.random.Generator, player: Sequence[int]) -> Actions:
    """Return the actions ``[B, n, ...]`` of a player's agents at a step."""
    agents = list(player)
    if isinstance(policy, Linear | Steps):
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
    if not isinstance(game, Foreign) and _is_certain(game, policy, audit.fresh(13, 4)):
        effort = CERTAIN
    judged = max(min(effort.judged, audit.budget.episodes), LEAST_EPISODES)
    chosen = max(judged // 4, LEAST_EPISODES)
    judge, choose = (
        _trials(game, policy, audit.fresh(stream, count)) for stream, count in ((11, judged), (12, chosen))
    )
    gains, method, growing = np.zeros((judged, len(game.agents))), [""] * len(game.agents), False
    each = list[Policy]()
    for number, (player, drawn) in enumerate(
        zip(players, _cross_entropy(game, choose, audit, players, effort), strict=True)
    ):
        more = dict(known)
        if isinstance(choose, Visited):
            more |= _steps(game, choose, audit.budget.frames, audit.rng(21, number), player)
        tried = drawn | {name: Tried(other, choose.gain(player, other)) for name, other in more.items()}
        growing |= _grows({name: candidate.gain for name, candidate in tried.items()})
        means = {NOTHING: 0.0} | {name: float(candidate.gain.mean()) for name, candidate in tried.items()}
        best = max(means, key=lambda name: means[name])
        each.append(policy if best == NOTHING else tried[best].policy)
        for agent in player:
            method[agent] = f"search: {best}"
        if best != NOTHING:
            gains[:, list(player)] = judge.gain(player, tried[best].policy)[:, None]
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


def _is_certain(game: AbstractGame[Any], policy: Policy, seeds: Sequence[int]) -> bool:
    """Return whether episodes are one: neither game nor policy is seen to draw."""
    played = rollout(whole(game), copied(policy), seeds)
    return all((part == part[:, :1]).all() for part in (played.observation, played.action, played.reward))


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
    before = max((score for name, score in scores.items() if name not in FULL), key=lambda score: score.mean())
    after = max((score for name, score in scores.items() if name in FULL), key=lambda score: score.mean())
    more, least = after - before, max(float(before.mean()), 0.0)
    error = 2 * float(more.std()) / np.sqrt(len(more))
    return bool(after.mean() > 0 and more.mean() > max(GROWTH * least, error))


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


@final
class _Searching:
    """The law of one player's draws, which each round moves to the best of them."""

    def __init__(self, space: Any, trials: Played | Visited, player: Sequence[int], rng: np.random.Generator) -> None:  # noqa: ANN401
        agents = list(player)
        observation, action = (part[trials.alive][:, agents] for part in (trials.observation, trials.action))
        observation = observation.reshape(len(observation) * len(agents), -1)
        self.space, self.trials, self.player, self.rng, self.started = space, trials, player, rng, False
        self.centre, self.width = _standard(observation)
        seen = (observation - self.centre) / self.width
        self.mean = _first_mean(space, seen, action.reshape(-1, *action.shape[2:]))
        self.spread = np.ones(self.mean.shape)
        self.spread[:, :-1] *= np.isfinite(self.width)
        self.quarter = self.half = self.mean
        self.tried = list[Tried]()  # the last two means that were tried

    def law(self, weight: Floats) -> Linear:
        """Return actions affine in what the player sees."""
        return Linear(self.space, self.centre, self.width, weight)

    def draws(self) -> Linear:
        """Return the draws of a round; the first are spread over many scales."""
        shape = (POPULATION, *self.mean.shape)
        scale = 1.0 if self.started else 10 ** (-SCALES * self.rng.random((POPULATION, 1, 1)))
        drawn = self.mean + scale * self.spread * self.rng.standard_normal(shape)
        drawn[0] = self.mean
        return self.law(drawn)

    def learn(self, drawn: Linear, earned: Floats) -> None:
        """Move to the draws that earned most, ``[P]``."""
        elite = drawn.weight[np.argsort(earned)[-ELITE:]]
        old = self.spread if self.started else elite.std(axis=0)
        self.mean, self.spread = elite.mean(axis=0), SMOOTHING * elite.std(axis=0) + (1 - SMOOTHING) * old
        self.started = True

    def stalls(self) -> bool:
        """Return whether the second quarter of the search found no more than the first."""
        self.tried = [
            Tried(law, self.trials.gain(self.player, law)) for law in map(self.law, (self.quarter, self.half))
        ]
        before, after = (tried.gain.mean() for tried in self.tried)
        return bool(after <= before + STALLED * max(float(before), 0.0))

    @property
    def found(self) -> dict[str, Tried]:
        """What half the search found, and all of it; of one that ended half way, a quarter and half."""
        if self.mean is not self.half:
            law = self.law(self.mean)
            self.tried = [self.tried[-1], Tried(law, self.trials.gain(self.player, law))]
        return dict(zip((f"affine{HALF}", "affine"), self.tried, strict=True))


def _cross_entropy(
    game: AbstractGame[Any],
    trials: Played | Visited,
    audit: Audit,
    players: Sequence[Sequence[int]],
    effort: Effort,
) -> list[dict[str, Tried]]:
    """Return the means of each player's law of draws half way and at the end."""
    everyone = [_Searching(game.action_space, trials, p, audit.rng(20, k)) for k, p in enumerate(players)]
    searching, rng = list(everyone), audit.rng(20)
    length = float(trials.alive.sum(axis=0).mean())
    share = effort.share * (1 - IN_STEPS) if isinstance(trials, Visited) else effort.share
    frames = share * audit.budget.frames / (POPULATION * length)
    episodes = int(np.clip(frames / effort.wanted_rounds, effort.least_episodes, effort.episodes))
    rounds = int(np.clip(frames / episodes, 2, effort.rounds))
    for number in range(1, rounds + 1):
        drawn = [own.draws() for own in searching]
        earned = trials.earned([own.player for own in searching], drawn, episodes, rng)
        for own, laws, paid in zip(searching, drawn, earned, strict=True):
            own.learn(laws, paid)
        if number == max(1, rounds // 4):
            for own in searching:
                own.quarter = own.mean
        if number == max(1, rounds // 2):
            for own in searching:
                own.half = own.mean
            searching = [own for own in searching if not own.stalls()]
        if not searching:
            break
    return [own.found for own in everyone]


def _steps(
    game: AbstractGame[Any], trials: Visited, frames: int, rng: np.random.Generator, player: Sequence[int]
) -> dict[str, Policy]:
    """Return one action in each interval of the entry of the observation by which a short search finds most."""
    agents = list(player)
    seen = trials.observation[trials.alive][:, agents[0]].reshape(len(trials.visits), -1)
    entries = np.flatnonzero(np.isfinite(_standard(seen)[1]))
    if not len(entries):
        return {}
    rounds = int((IN_STEPS * frames / (POPULATION * CELLS) - SHORT * SHORT_IN_CELL * len(entries)) / IN_CELL)
    tried = [_InSteps(game, trials, player, seen[:, entry], int(entry), rng) for entry in entries]
    for each in tried:
        each.run(SHORT, SHORT_IN_CELL)
    best = max(tried, key=lambda each: trials.gain(player, each.law(each.mean)).mean())
    best.run(max(1, rounds // 2), IN_CELL)
    half = best.law(best.mean)
    best.run(max(1, rounds - rounds // 2), IN_CELL)
    return {f"steps{HALF}": half, "steps": best.law(best.mean)}


@final
class _InSteps:
    """Laws of one player's draws, one in each interval of an entry of what it sees."""

    def __init__(
        self,
        game: AbstractGame[Any],
        trials: Visited,
        player: Sequence[int],
        shown: Floats,
        entry: int,
        rng: np.random.Generator,
    ) -> None:
        self.trials, self.player, self.rng, self.space = trials, player, rng, game.action_space
        self.entry, self.edges = entry, np.unique(np.quantile(shown, np.arange(1, CELLS) / CELLS, method="nearest"))
        self.edges = self.edges[self.edges > shown.min()]
        cell = np.searchsorted(self.edges, shown, side="right")
        self.visits = [np.flatnonzero(cell == c) for c in range(len(self.edges) + 1)]
        done = trials.action[trials.alive][:, player[0]]
        each = [_first_mean(self.space, np.zeros((len(own), 0)), done[own])[:, 0] for own in self.visits]
        self.mean, self.spread = np.stack(each), np.ones((len(each), len(each[0])))

    def law(self, score: Floats) -> Steps:
        """Return the actions of scores ``[C, K]`` or ``[P, C, K]``."""
        return Steps(self.space, self.entry, self.edges, score)

    def run(self, rounds: int, visits: int) -> None:
        """Draw, try and move to the best, in each interval by itself."""
        cells = np.arange(len(self.mean))
        for _ in range(rounds):
            drawn = self.mean + self.spread * self.rng.standard_normal((POPULATION, *self.mean.shape))
            drawn[0] = self.mean
            at = np.concatenate([own[self.rng.integers(len(own), size=visits)] for own in self.visits])
            paid = self.trials.paid(self.player, self.law(drawn), self.trials.visits[at], POPULATION, self.rng)
            paid = paid.reshape(POPULATION, len(cells), visits).mean(axis=2)
            elite = drawn[np.argsort(paid, axis=0)[-ELITE:], cells]  # [ELITE, C, K]
            self.mean, self.spread = elite.mean(axis=0), (elite.std(axis=0) + self.spread) / 2


def _actions(space: Any, score: Floats, rows: int, agents: int) -> Actions:  # noqa: ANN401 - Box or Discrete
    """Return the actions of scores: the largest, or inside the box."""
    if isinstance(space, Discrete):
        return score.argmax(axis=-1).reshape(rows, agents) + int(space.start)
    low, high = _ends(space)
    return np.clip((low + high) / 2 + (high - low) / 2 * score.reshape(rows, agents, *low.shape), low, high)


def _ends(space: Box) -> tuple[Floats, Floats]:
    """Return the ends of a box; of an unbounded one, a range that holds single precision."""
    return np.clip(space.low, -1e6, None).astype(np.float64), np.clip(space.high, None, 1e6).astype(np.float64)
