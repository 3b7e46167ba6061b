"""Judging policies of teams by play: whether declarations are true, and deviations where nothing is declared.

A declaration (`walras.core.policy.Affine`) is **checked** where the policy itself goes: in states that it visits, which
differ between agents, what it does is what it declares, up to rounding or, with noise, as far as samples tell; the
action space cuts nothing of it; and it earns what `walras.equilibria.teams.affine.exact_gap` says. Trying a few
arbitrary points would prove nothing: a policy that differs in 1 % of its states passes 64 of them more often than not.

Against a policy that declares nothing, the best response to its **least-squares fit** is a deviation like any other:
what it gains in play bounds the gap from below, whatever the fit is worth. The fit is made where the policy goes, the
best response takes it elsewhere, so it is made again there, a few times. Fit, choice and judgement each have noise of
their own: a deviation chosen for its luck would seem to gain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, NamedTuple, cast, final

import numpy as np

from walras.core.checks import require, require_each
from walras.core.game import AbstractGame, Actions, Noise
from walras.core.policy import Affine, Policy, Timed
from walras.core.typing import Floats
from walras.equilibria.audit import copied, inside
from walras.equilibria.teams.affine import AffineControls, best_responses, controls, exact_gap, members, one_each
from walras.equilibria.teams.team_mean_field import TeamGame, as_teams

EPISODES = 4096
"""Episodes on which deviations are fitted, chosen and judged, each."""
MOST = 20_000_000
"""Numbers that agents see in a play at most; games of many agents are played for fewer episodes."""
ROUNDS = 3
"""Fits of the others."""
CHECKED = 1024
"""Episodes in whose states a declaration is checked."""
DOUBLE, SINGLE = 1e-9, 1e-5
"""Largest difference between deed and declaration, as a share of the largest action, by the actions' precision."""
CALLS = 8
"""Draws in each state from a policy that declares noise."""
FALSE_ALARM = 1e-6
"""Chance that a true declaration of noise is refused."""
ERRORS = 4.0
"""Standard errors by which the value in play may differ from the declared one."""


@final
@dataclass(frozen=True, eq=False)
class Judged:
    """Deviations of all teams, each played alone against the others' own policy, on E episodes of common noise."""

    deviation: AffineControls  # a team's columns are its deviation
    difference: Floats  # [E, N] what an agent's team gains by deviating
    total: Floats  # [E, N] what agents earn by the policy itself


class Luck(NamedTuple):
    """All chance of E episodes."""

    noise: Noise  # [T + 1, E, ...] the game's
    seed: np.random.SeedSequence  # of the policies' own


class Play(NamedTuple):
    """E episodes."""

    observation: Floats  # [T, E, N, O]
    action: Actions  # [T, E, N, A] before it is cut to the action space
    total: Floats  # [E, N]


def check_declaration(
    game: TeamGame, policy: Policy, affine: Affine, seeds: Sequence[int], *, episodes: int = CHECKED
) -> str | None:
    """Return why `policy` is not what `affine` says, or none.

    Parameters
    ----------
    game : TeamMeanFieldLQ, MeanFieldLimitLQ or RobustTeamLQ
        The game.
    policy : Policy
        Acts for all agents.
    affine : Affine
        What it declares, of itself or by `walras.equilibria.teams.affine.declared`.
    seeds : sequence of int
        All chance follows from them.
    episodes : int
        How many are played, at most, see `MOST`; each step of each is a state.
    """
    try:
        law = controls(game, affine)
        _, value = exact_gap(game, law)
    except ValueError as refused:
        return str(refused)
    (luck,) = lucks(game, seeds, episodes, 1)
    seen = play(game, policy, luck)
    mixed = _each_elsewhere(seen.observation, np.random.default_rng(luck.seed.spawn(1)[0]))
    drawn = _drawn(policy, mixed, luck.seed, CALLS if law.covariances.any() else 1)
    return (
        _is_cut(game, seen.action)
        or _misses(game, law, seen.observation, seen.action[None])
        or _misses(game, law, mixed, drawn)
        or _strays(law, seen, mixed, drawn)
        or _earns_else(game, value, seen.total)
    )


def affine_deviations(
    game: TeamGame, policy: Policy, seeds: Sequence[int], *, episodes: int = EPISODES, rounds: int = ROUNDS
) -> Judged:
    """Return each team's best response to an affine fit of the others, judged in play.

    Parameters
    ----------
    game : TeamMeanFieldLQ, MeanFieldLimitLQ or RobustTeamLQ
        The game.
    policy : Policy
        Acts for all agents; its actions are cut to the action space.
    seeds : sequence of int
        All chance follows from them.
    episodes : int
        E at most, see `MOST`, on which deviations are fitted, and as many again to choose and to judge.
    rounds : int
        Fits; the first where the policy goes, then where the last deviation takes it.

    Raises
    ------
    ValueError
        If `episodes` or `rounds` is less than 1, or the policy returns a NaN.
    """
    require(episodes >= 1, "episodes", "be at least 1", episodes)
    require(rounds >= 1, "rounds", "be at least 1", rounds)
    fit, choose, judge = lucks(game, seeds, episodes, 3)
    first = fitted(game, play(game, policy, fit))
    chosen = [_chosen(game, policy, team, first, (fit, choose), rounds) for team in range(as_teams(game).teams)]
    total = play(game, policy, judge).total
    difference = np.empty_like(total)
    for team, law in enumerate(chosen):
        own = members(game, team)
        difference[:, own] = (play(game, policy, judge, law, team).total - total)[:, own]
    return Judged(one_each(game, chosen), difference, total)


def lucks(game: TeamGame, seeds: Sequence[int], episodes: int, count: int) -> list[Luck]:
    """Return `count` independent lucks, that follow from `seeds`, of `episodes` episodes or as many as `MOST` allows.

    Raises
    ------
    ValueError
        If `seeds` is empty.
    """
    require(len(seeds) > 0, "seeds", "hold at least one seed", list(seeds))
    seen = game.horizon * len(game.agents) * game.observation_space.shape[0]
    episodes, found = min(episodes, max(MOST // seen, 32)), list[Luck]()
    for own in np.random.SeedSequence([len(seeds), *seeds]).spawn(count):
        noise = game.noise(np.random.default_rng(own.spawn(1)[0]), (game.horizon + 1) * episodes)
        found.append(Luck(noise.reshape(game.horizon + 1, episodes, *noise.shape[1:]), own))
    return found


def play(
    game: TeamGame, policy: Policy, luck: Luck, deviation: AffineControls | None = None, team: int | None = None
) -> Play:
    """Return the episodes of `luck`, in which one team, if any, plays by its columns of `deviation`."""
    rules = cast(AbstractGame[Any], game)
    state, rng = rules.reset(luck.noise[0]), np.random.default_rng(luck.seed)
    total, steps = np.zeros((luck.noise.shape[1], len(game.agents))), list[tuple[Floats, Actions]]()
    policy = copied(policy)  # one with a memory begins each play alike
    for t, noise in enumerate(luck.noise[1:]):
        observation = rules.observe(state)
        action = acted(policy, observation, t, rng)
        require_each(~np.isnan(action), "policy", f"return numbers at step {t}", action)
        if deviation is not None and team is not None:
            own = members(game, team)
            action[:, own] = deviation.act(observation, rng)[:, own]
        state, reward, _ = rules.step(state, inside(rules, action), noise)
        steps.append((observation, action))
        total += reward
    observations, actions = (np.stack(column) for column in zip(*steps, strict=True))
    return Play(observations, actions, total)


def acted(policy: Policy, observation: Floats, t: int, rng: np.random.Generator) -> Actions:
    """Return a copy of what a policy does at step t."""
    done = policy.act_at(observation, t, rng) if isinstance(policy, Timed) else policy.act(observation, rng)
    return np.array(done)


def fitted(game: TeamGame, seen: Play) -> AffineControls:
    """Return the least-squares fit of each team's actions at each step, one of all its agents."""
    stages, rows, agents, width = seen.observation.shape
    teams = as_teams(game).teams
    shape = (stages, rows, teams, agents // teams, -1)
    features = seen.observation.copy()
    features[..., -1] = 1.0
    features, action = (
        np.moveaxis(part.reshape(shape), 1, 2).reshape(stages, teams, -1, part.shape[3])
        for part in (features, seen.action)
    )
    turned = np.swapaxes(features, 2, 3)
    inverse = np.asarray(np.linalg.pinv(turned @ features, rcond=1e-12, hermitian=True), dtype=np.float64)
    law, size = np.swapaxes(inverse @ (turned @ action), 2, 3), action.shape[3]  # [T, N, A, O]
    return AffineControls(law[..., : width - 1], law[..., -1], np.zeros((stages, teams, size, size)))


def _chosen(
    game: TeamGame, policy: Policy, team: int, law: AffineControls, luck: tuple[Luck, Luck], rounds: int
) -> AffineControls:
    """Return the best of a team's responses to the fits, the first of which is `law`, by the second luck."""
    fit, choose = luck
    answers = [best_responses(game, law)]
    while len(answers) < rounds:
        law = fitted(game, play(game, policy, fit, answers[-1], team))
        answers.append(best_responses(game, law))
    own = int(np.argmax(members(game, team)))
    gains = [play(game, policy, choose, answer, team).total[:, own].mean() for answer in answers]
    return answers[int(np.argmax(gains))]


def _each_elsewhere(observation: Floats, rng: np.random.Generator) -> Floats:
    """Return what is seen with each agent in an episode of its own; time stays."""
    found = observation.copy()
    for agent in range(observation.shape[2]):
        found[:, :, agent] = observation[:, rng.permutation(observation.shape[1]), agent]
    return found


def _drawn(policy: Policy, observation: Floats, seed: np.random.SeedSequence, calls: int) -> Actions:
    """Return actions ``[R, T, E, N, A]`` of repeated calls."""
    rng = np.random.default_rng(seed.spawn(1)[0])
    return np.stack([[acted(policy, seen, t, rng) for t, seen in enumerate(observation)] for _ in range(calls)])


def _mean(law: AffineControls, observation: Floats) -> Floats:
    """Return what is declared but for noise, ``[T, E, N, A]``."""
    return np.einsum("tnao,teno->tena", law.gains, observation[..., :-1]) + law.offsets[:, None]


def _is_cut(game: TeamGame, action: Actions) -> str | None:
    """Return whose action ``[T, E, N, A]`` lies beyond the action space, where what is played is no longer affine."""
    beyond = (action < game.action_space.low) | (action > game.action_space.high)
    if not beyond.any():
        return None
    t, _, agent, _ = np.argwhere(beyond)[0]
    return f"the action space cuts what {game.agents[agent]} does at step {t}"


def _misses(game: TeamGame, law: AffineControls, observation: Floats, action: Actions) -> str | None:
    """Return where an action ``[R, T, E, N, A]`` without declared noise is not the declared one."""
    single = action.dtype == np.float32
    size = np.einsum("tnao,teno->tena", np.abs(law.gains), np.abs(observation[..., :-1])) + np.abs(law.offsets)[:, None]
    certain = np.einsum("tnaa->tna", law.covariances)[:, None] == 0
    apart = np.where(certain, np.abs(action - _mean(law, observation)), 0.0)
    if (apart <= (SINGLE if single else DOUBLE) * size.max()).all():
        return None
    _, t, _, agent, _ = np.unravel_index(int(np.argmax(np.nan_to_num(apart, nan=np.inf))), apart.shape)
    return f"{game.agents[agent]} misses its declared action at step {t} by {apart.max():.3g}"


def _strays(law: AffineControls, seen: Play, mixed: Floats, drawn: Actions) -> str | None:
    """Return by which statistic the noise is not the declared one, if any."""
    if not law.covariances.any():
        return None
    noisy = np.einsum("tnaa->tna", law.covariances)[:, None] > 0
    once, often = ((done - _mean(law, at)) * noisy for done, at in ((seen.action, seen.observation), (drawn, mixed)))
    features = np.concatenate([mixed[..., :-1], np.ones_like(mixed[..., :1])], axis=3)
    among, over = law.covariances.sum(axis=1)[:, None], law.covariances.sum(axis=0)
    square = often.sum(axis=0) ** 2 - (often**2).sum(axis=0)  # of two calls in one state, and so of their mean
    samples = {
        "its mean is not the declared one": np.moveaxis(square, 1, 0),
        "its mean depends on what agents see otherwise than declared": np.einsum(
            "tena,teno->etnao", often.mean(axis=0), features
        ),
        "its covariance is not the declared one": np.moveaxis(_squares(once) - law.covariances[:, None], 1, 0),
        "it is not independent over agents": np.moveaxis(_squares(once.sum(axis=2)) - among, 1, 0),
        "it is not independent over steps": _squares(once.sum(axis=0)) - over,
    }
    tests = sum(sample[0].size for sample in samples.values())
    most = NormalDist().inv_cdf(1 - FALSE_ALARM / (2 * tests))
    return next((f"in play, {what}" for what, sample in samples.items() if not _deviates(sample) <= most), None)


def _squares(x: Floats) -> Floats:
    return x[..., :, None] * x[..., None, :]


def _deviates(sample: Floats) -> float:
    """Return the largest distance of the means of ``sample [E, ...]`` from zero, in standard errors."""
    mean, error = sample.mean(axis=0), sample.std(axis=0) / np.sqrt(len(sample))
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.where(mean == 0, 0.0, np.abs(mean) / error).max())


def _earns_else(game: TeamGame, value: Floats, total: Floats) -> str | None:
    """Return whose mean return is not the declared value."""
    mean, error = total.mean(axis=0), total.std(axis=0) / np.sqrt(len(total))
    away = np.abs(mean - value)
    if (away <= ERRORS * error + DOUBLE * np.abs(value)).all():
        return None
    agent = int(np.argmax(away / np.maximum(error, 1e-300)))
    return f"{game.agents[agent]} earns {mean[agent]:.6g} in play and not {value[agent]:.6g}, as it declares"
