"""Gaps of games that are repeated without end: exact wherever a policy says what it does after each remembered past.

A policy that answers what it observes is a table over the S pasts that observations tell apart. Where it declares its
law (`walras.core.policy.Mixed`), or draws nothing, the table is known, and the best response to it is computed
(`walras.equilibria.matrix.memory_policies`): exactly against pure policies, between proved bounds against others.
`Concept.NASH` asks for the gain from the start, `Concept.SUBGAME_PERFECT` for the largest over all pasts.

Where the law is unknown, or the policy knows the step or remembers more, the best response to what it was seen to do
after each past is played against it: the lower end. The upper one is trivial: no payoff exceeds the stage game's.

Where monitoring is noisy, a player does not know what the others remember, so what they do is no function of what it
remembers. Play that does not react is judged as in the game without noise, exactly: to what does not react the best
response does not either. Of other play the answer that is best without noise is played: the lower end, with the same
upper one.
"""

from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from walras.core.checks import require
from walras.core.policy import Policy
from walras.core.typing import Floats
from walras.envs.matrix.repeated_matrix_game import RepeatedMatrixGame
from walras.envs.matrix.repeated_pricing import RepeatedPricing
from walras.equilibria.audit import Audit, Ends, certificate, copied, declared, exactly, judged_policy
from walras.equilibria.certificate import Gap, Kind
from walras.equilibria.intervals import interval
from walras.equilibria.matrix.memory_policies import MemoryResponses, memory_best_response, memory_game
from walras.equilibria.matrix.tabular_policy import TabularPolicy
from walras.equilibria.matrix.told_chances import chances_at, of_existing, required
from walras.equilibria.search import returns

Repeated: TypeAlias = RepeatedPricing | RepeatedMatrixGame


def memory_gap(game: Repeated, policy: Policy, audit: Audit) -> Gap:
    """Return what each player gains from the start, in discounted payoffs."""
    judged = judged_policy(game, policy, audit.device)
    chances = table_of(game, judged, audit)
    if chances is None or not _follows(game, chances):
        return _seen(game, judged, audit, chances)
    found = responses_to(without_noise(game), chances)
    return _certified(game, judged, audit, chances, found, found.gap[0], "best response to the table")


def memory_subgame_gap(game: Repeated, policy: Policy, audit: Audit) -> Gap:
    """Return the most that each player gains after any past, in discounted payoffs from then on.

    Raises
    ------
    ValueError
        If the policy has no table, or monitoring is noisy and the table reacts.
    """
    judged = judged_policy(game, policy, audit.device)
    chances = required(table_of(game, judged, audit), judged)
    rule = "show what was done, with a monitoring of 1, for gains after all pasts of play that reacts"
    require(_follows(game, chances), "game", rule, getattr(game, "monitoring", 1.0))
    found = responses_to(without_noise(game), chances)
    method = "best response to the table, after all pasts"
    return _certified(game, judged, audit, chances, found, found.subgame_gap[0], method)


def table_of(game: Repeated, policy: Policy, audit: Audit) -> Floats | None:
    """Return the chances of each action after each past, ``[N, S, A]``, or none where they are not known."""
    own = declared(policy)
    if isinstance(own, TabularPolicy) and own.game == game:
        told: Floats | None = own.table
    else:
        seen = chances_at(game, policy, _pasts(game), audit)
        told = None if seen is None else seen.swapaxes(0, 1)
    return None if told is None else of_existing(told, memory_game(without_noise(game)).actions)


def without_noise(game: Repeated) -> Repeated:
    """Return the game in which all see what was done; the same where they do."""
    return replace(game, monitoring=1.0) if isinstance(game, RepeatedMatrixGame) and game.noisy else game


def _follows(game: Repeated, chances: Floats) -> bool:
    """Return whether what others do follows from what a player remembers: it sees it, or nobody reacts."""
    return without_noise(game) is game or bool((chances == chances[:, :1]).all())


def pricing_stake(game: RepeatedPricing) -> Floats:
    """Return each firm's discounted profit in the least static equilibrium: a firm that sells nothing earns none."""
    at = game.static_equilibria[0]
    return game.profits[(slice(None), *at)] * game.span


def responses_to(game: Repeated, chances: Floats) -> MemoryResponses:
    """Return best responses; a table without memory is that of each state which the memory game tells apart."""
    states = len(memory_game(game).group)
    table = np.broadcast_to(chances, (len(chances), states, chances.shape[2]))
    return memory_best_response(game, table.argmax(axis=2)[None] if is_pure(table) else table[None])


def _reply(game: Repeated, found: MemoryResponses) -> TabularPolicy:
    return TabularPolicy.pure(game, found.reply[0][:, : game.states])


def _pasts(game: Any) -> Floats:  # noqa: ANN401 - each of the games with states of its own
    """Return what is observed after each past, ``[S, N, O]``."""
    return game.observe(game.state_of(np.arange(game.states)))


def is_pure(chances: Floats) -> bool:
    """Return whether nothing is drawn."""
    return bool(np.all((chances == 0) | (chances == 1)))


def _certified(
    game: Repeated,
    policy: Policy,
    audit: Audit,
    chances: Floats,
    found: MemoryResponses,
    gain: Floats,
    method: str,
) -> Gap:
    """Return the gap, between the ends that the bounds of values leave where the policy draws."""
    width, pure = found.width[0], is_pure(chances)
    return certificate(
        game,
        policy,
        audit,
        exactly(gain) if pure else Ends(gain - width, gain + width, gain),
        found.start_value[0],
        Kind.EXACT if pure else Kind.BOUNDS,
        method,
        deviation=_reply(game, found),
    )


def _seen(game: Repeated, policy: Policy, audit: Audit, told: Floats | None) -> Gap:
    """Return the gap of a policy as play tells it, up to the payoffs of the stage game; its table is fitted if none."""
    table = _fitted(game, policy, audit) if told is None else told
    reply = _reply(game, responses_to(without_noise(game), table))
    value = returns(game, policy, audit.seeds, (), None)
    each = [returns(game, policy, audit.seeds, (i,), reply)[:, i] for i in range(len(game.agents))]
    gains, worth = interval(np.stack(each, axis=1) - value, audit.confidence), interval(value, audit.confidence)
    most = memory_game(without_noise(game)).payoff.reshape(len(game.agents), -1).max(axis=1) * game.span
    below = np.maximum(gains.low, 0.0)
    ends = Ends(below, np.maximum(most - worth.low, below), np.clip(gains.mean, below, None))
    method = f"best response to the actions {'seen' if told is None else 'told'} after each past, in play"
    return certificate(game, policy, audit, ends, worth.mean, Kind.LOWER, method, deviation=reply)


def _fitted(game: Repeated, policy: Policy, audit: Audit) -> Floats:
    """Return how often each action was taken after each past, ``[N, S, A]``, in draws of the policy as it is made."""
    observation = _pasts(game)
    draws = [copied(policy).act(observation, audit.rng(2, k)) for k in range(min(audit.budget.samples, 64))]
    seen = np.mean(np.eye(int(game.action_space.n))[np.stack(draws)], axis=0).swapaxes(0, 1)
    return of_existing(seen, memory_game(without_noise(game)).actions)
