"""`gap`: how far a policy is from the best deviation of each player; `replay`: what a deviation attains.

Every game answers for its own concepts (`walras.equilibria.registration`). A game of your own joins by
`stage_of.register` where actions move rewards of their own step alone, by `deviation.register` where only the best
deviation from given actions is known, or by `gap_of.register`. Any other game, and an environment from elsewhere, is
searched (`walras.equilibria.search`): the gap is then a lower bound.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from walras.core.concept import Concept
from walras.core.game import AbstractGame, Actions, check_game, map_state
from walras.core.policy import Policy, Profile, act_at
from walras.core.rollout import Trajectory, rollout
from walras.core.typing import Floats
from walras.equilibria.audit import Audit, certificate, copied, exactly, judged_policy, kept
from walras.equilibria.certificate import Budget, Gap, Kind
from walras.equilibria.intervals import interval
from walras.equilibria.registration import DEVIATIONS, GAPS, STAGES, answer, by_concept, unanswered
from walras.equilibria.search import returns, searched_gap
from walras.equilibria.stage_games import Stage, stage_gap

SAME = {Concept.TRUTHFUL: Concept.NASH, Concept.COARSE_CORRELATED: Concept.NASH}
"""Concepts whose gap is that of another: of the truthful profile, and of a joint device."""


@final
@dataclass(frozen=True, eq=False)
class Deviation:
    """The best deviations in M stage games."""

    reward: Floats  # [M, N] what each agent has as played
    gain: Floats  # [M, N] what it would gain
    action: Actions  # [M, N, A] by this


@final
@dataclass(frozen=True, eq=False)
class Regret:
    """What each agent would have gained by the best answers to what the others happened to do; at least its gap."""

    regret: Floats  # [N] an episode, on average
    gain: Floats  # [T, B, N] at each step
    value: Floats  # [N] return of an episode, on average


def gap(
    game: AbstractGame[Any],
    policy: Policy,
    *,
    concept: Concept | str = Concept.NASH,
    seeds: Sequence[int] = range(64),
    budget: Budget | None = None,
    confidence: float = 0.95,
    deviators: str = "observation",
    device: str = "joint",
) -> Gap:
    """Return how much each player would gain by its best deviation: both ends, and what they are worth.

    Parameters
    ----------
    game : AbstractGame
        Any: one of the suite's, one of your own, or an environment from elsewhere (`walras.core.Foreign`).
    policy : Policy
        Acts for all agents; a `Profile` joins policies of single agents.
    concept : Concept or str
        What the gap is a distance from.
    seeds : sequence of int
        Episodes on which the policy is judged, one each; all chance of the audit follows from them. A statistical gap
        needs at least 32.
    budget : Budget, optional
        What it may cost.
    confidence : float
        Probability with which each agent's ends hold, where they are statistical.
    deviators : {"observation", "history"}
        Whether deviations see the own current observation and the step, or all of the own past as well.
    device : {"joint", "product"}
        Whether agents may draw together, as one call of the policy does, or each on its own.

    Raises
    ------
    TypeError
        If `game` is no game, `policy` has no method `act`, or `seeds` is no sequence.
    ValueError
        If an argument is out of range, the game has no such concept, a statistical gap has too few seeds, or the policy
        returns a wrong shape or NaN.
    """
    check_game(game)
    audit = Audit(concept, seeds, budget or Budget(), confidence, deviators, device)  # type: ignore[arg-type]
    if isinstance(policy, Profile):
        policy = policy.of(game.agents)
    policy, why = kept(game, policy, audit.device, audit.seeds)
    found = gap_of(game, policy, audit)
    return replace(found, method=tuple(how + why for how in found.method)) if why else found


@singledispatch
def gap_of(game: AbstractGame[Any], policy: Policy, audit: Audit) -> Gap:
    """Return the answer to an audit; a game of your own joins by ``gap_of.register``.

    Raises
    ------
    ValueError
        If the game has no such concept.
    """
    concept = SAME.get(audit.concept, audit.concept)
    own = by_concept(GAPS, game, concept)
    if own is not None:
        return own(game, policy, audit)
    if concept is not Concept.NASH:
        raise ValueError(f"`concept` must be {Concept.NASH} in a game without other answers; got {concept}.")
    stage = stage_of(game)
    if stage is not None:
        return stage_gap(game, policy, audit, stage)
    return _searched(game, policy, audit)


@singledispatch
def stage_of(game: AbstractGame[Any]) -> Stage | None:
    """Return the stage game, or none where actions move more than rewards of their own step."""
    own = answer(STAGES, game)
    return None if own is None else own(game)


@singledispatch
def deviation(game: AbstractGame[Any], state: Any, action: Actions) -> Deviation:  # noqa: ANN401
    """Return each agent's best deviation in M stage games, given ``state [M, ...]`` and ``action [M, N, A]``.

    It knows what the others do; against a law of their actions, see `best_reply`.

    Raises
    ------
    TypeError
        If none is registered for the game's type.
    """
    found = answer(DEVIATIONS, game)
    if found is None:
        raise unanswered(DEVIATIONS, deviation, game)
    return found(game, state, action)


def best_reply(
    game: AbstractGame[Any],
    state: Any,  # noqa: ANN401 - the game's state
    agent: int,
    actions: Actions,
    weights: Floats,
) -> tuple[float, Actions]:
    """Return what an agent's best answer to a law of actions is worth in a stage game, and the answer ``[A]``.

    Parameters
    ----------
    game : AbstractGame
        A stage game.
    state : State
        One row for all actions, or S rows.
    agent : int
        Who answers; its own columns count for nothing.
    actions : array
        ``[S, N, A]``, what all may do.
    weights : array
        ``[S]``, not negative, of sum 1.

    Raises
    ------
    TypeError
        If the game is no stage game.
    """
    stage, seen = _staged(game), game.observe(state)
    observation = np.broadcast_to(seen, (len(actions), *seen.shape[1:]))[None]
    value, answered = stage.replies(game, observation, agent, np.asarray(actions)[None], np.asarray(weights)[None])
    return float(value[0]), answered[0]


def hindsight_regret(game: AbstractGame[Any], policy: Policy, seeds: Sequence[int] = range(64)) -> Regret:
    """Return what each agent would have gained, step by step, had it known what the others drew: no less than its gap.

    Raises
    ------
    TypeError
        If the game is no stage game.
    """
    played = rollout(game, judged_policy(game, policy, "joint"), list(seeds))
    steps, rows, agents = played.reward.shape
    flat = (part.reshape(steps * rows, *part.shape[2:]) for part in (played.observation, played.action))
    gain = _staged(game).hindsight(game, *flat).reshape(steps, rows, agents) * played.alive[..., None]
    return Regret(gain.sum(axis=0).mean(axis=0), gain, played.total.mean(axis=0))


def external_regret(game: AbstractGame[Any], trajectory: Trajectory[Any]) -> Floats:
    """Return what each agent would have gained by the best action, one for all steps, ``[N]``, in all of the play.

    Raises
    ------
    TypeError
        If the game is no stage game, or rewards depend on what changes from step to step.
    """
    stage, (observation, action) = _repeated(game), _alive(trajectory)
    weight = np.full((1, len(action)), 1 / len(action))
    own = stage.rewards(game, observation, action).sum(axis=0)
    agents = range(action.shape[1])
    best = [stage.replies(game, observation[None], i, action[None], weight)[0][0] * len(action) for i in agents]
    return np.maximum(np.array(best) - own, 0.0)


def swap_regret(game: AbstractGame[Any], trajectory: Trajectory[Any]) -> Floats:
    """Return what each agent would have gained by the best rule from action to action, ``[N]``, in all of the play.

    Raises
    ------
    TypeError
        If the game is no stage game with finitely many actions.
    """
    from gymnasium.spaces import Discrete

    if not isinstance(game.action_space, Discrete):
        raise TypeError(f"`game` must have finitely many actions to swap; got {game.action_space!r}.")
    stage, (observation, action) = _repeated(game), _alive(trajectory)
    total = np.zeros(action.shape[1])
    for agent in range(action.shape[1]):
        for played in np.unique(action[:, agent]):
            rows = np.flatnonzero(action[:, agent] == played)
            weight = np.full((1, len(rows)), 1 / len(rows))
            best = stage.replies(game, observation[rows][None], agent, action[rows][None], weight)[0][0]
            own = stage.rewards(game, observation[rows], action[rows])[:, agent].mean()
            total[agent] += len(rows) * max(best - own, 0.0)
    return total


def replay(game: AbstractGame[Any], policy: Policy, found: Gap, seeds: Sequence[int] = range(64)) -> Floats:
    """Return what each agent gains by the deviation that comes with a gap, in fresh episodes ``[E, N]``.

    In a stage game only the agent's action of a step is replaced, and play goes on from the policy's own state, since
    others may react; elsewhere each player deviates for the whole episode. Who gains by nothing that was found does not
    deviate: its column is zero.

    Raises
    ------
    ValueError
        If the gap has no deviation.
    """
    if found.deviation is None:
        raise ValueError(f"`found` must come with a deviation; got one of the concept {found.concept}.")
    judged, deviating = (judged_policy(game, *each) for each in ((policy, found.device), (found.deviation, "joint")))
    if stage_of(game) is not None or _answers_steps(game):
        stepwise = _step_by_step(game, copied(judged), copied(deviating), list(seeds))
        return np.where(found.estimate > 0, stepwise, 0.0)
    plain, gains = returns(game, judged, list(seeds), (), None), np.zeros((len(seeds), len(game.agents)))
    players = found.players or tuple((i,) for i in range(len(game.agents)))
    for player in (player for player in players if found.estimate[player[0]] > 0):
        deviated = returns(game, judged, list(seeds), player, deviating)
        gains[:, list(player)] = (deviated - plain)[:, list(player)]
    return gains


def _step_by_step(game: AbstractGame[Any], policy: Policy, deviating: Policy, seeds: list[int]) -> Floats:
    """Return the gains ``[E, N]`` of deviations of single steps, by the game's own dynamics under the same noise."""
    noise = np.stack([game.noise(np.random.default_rng(seed), game.horizon + 1) for seed in seeds], axis=1)
    state, rng, own = game.reset(noise[0]), np.random.default_rng(seeds), np.random.default_rng(1)
    gains, alive = np.zeros((len(seeds), len(game.agents))), np.ones((len(seeds), 1), dtype=np.bool_)
    for t in range(game.horizon):
        observation = game.observe(state)
        action = act_at(policy, observation, t, rng)
        other = act_at(deviating, observation, t, own)
        after = game.step(state, action, noise[t + 1])
        for agent in range(gains.shape[1]):
            changed = action.copy()
            changed[:, agent] = other[:, agent]
            more = (game.step(state, changed, noise[t + 1]).reward - after.reward) * alive
            gains[:, agent] += more[:, agent]
        state = after.state
        alive &= ~after.terminated[:, None]
    return gains


def _searched(game: AbstractGame[Any], policy: Policy, audit: Audit) -> Gap:
    """Return the gap of a game without an answer: what a search attains, below what a registered deviation proves."""
    judged = judged_policy(game, policy, audit.device)
    foreseen = _foreseen(game, judged, audit)
    if foreseen is not None and not foreseen.any():
        value = rollout(game, judged, audit.seeds).total.mean(axis=0)
        return certificate(
            game, judged, audit, exactly(0 * value), value, Kind.EXACT, "no answer to what the others do gains"
        )
    found = searched_gap(game, judged, audit, {})
    if foreseen is None:
        return found
    assert found.deviation is not None
    replayed = interval(_step_by_step(game, judged, found.deviation, audit.fresh(11)), audit.confidence)
    above = np.maximum(interval(foreseen, audit.confidence).high, 0.0)
    below, mean = (np.clip(end, 0.0, above) for end in (replayed.low, replayed.mean))
    return replace(found, upper=above, lower=below, estimate=mean, kind=Kind.STATISTICAL)


def _foreseen(game: AbstractGame[Any], policy: Policy, audit: Audit) -> Floats | None:
    """Return the gains ``[E, N]`` of registered deviations, which know what the others do, or none."""
    if not _answers_steps(game):
        return None
    played = rollout(game, policy, audit.seeds)
    steps, rows, agents = played.reward.shape
    found = deviation(
        game, map_state(before_each_step, played.state), played.action.reshape(steps * rows, *played.action.shape[2:])
    )
    return (found.gain.reshape(steps, rows, agents) * played.alive[..., None]).sum(axis=0)


def _answers_steps(game: AbstractGame[Any]) -> bool:
    """Return whether best deviations of one step are known."""
    return deviation.dispatch(type(game)) is not deviation.dispatch(object) or answer(DEVIATIONS, game) is not None


def before_each_step(values: NDArray[Any]) -> NDArray[Any]:
    """Return ``values [T + 1, B, ...]`` without the last, as ``[T * B, ...]``."""
    return values[:-1].reshape(-1, *values.shape[2:])


def _staged(game: AbstractGame[Any]) -> Stage:
    stage = stage_of(game)
    if stage is None:
        rule = "be a stage game, where actions move rewards of their own step alone"
        raise TypeError(f"`game` must {rule}; got {type(game).__name__}.")
    return stage


def _repeated(game: AbstractGame[Any]) -> Stage:
    stage = _staged(game)
    if stage.hidden:
        rule = "pay the same in all steps, for one action to be best in all"
        raise TypeError(f"`game` must {rule}; got {type(game).__name__}.")
    return stage


def _alive(trajectory: Trajectory[Any]) -> tuple[Floats, Actions]:
    """Return what was seen and done in all steps of all episodes, ``[M, N, ...]``."""
    return trajectory.observation[trajectory.alive], trajectory.action[trajectory.alive]
