"""Measures of repeated pricing: how high prices are, and which tests of equilibrium they pass.

They are of policies, not of what was played. Of firms that learned in several sessions, each number is the mean over
the sessions, of which each starts on the cycle that its prices ended in; of other policies there is one session, which
starts as the game does.
"""

import numpy as np

from walras.agents.matrix.q_pairs import TrainedPairs
from walras.core.policy import Policy
from walras.core.typing import Bools, Floats
from walras.envs.matrix.repeated_pricing import RepeatedPricing
from walras.equilibria.audit import Audit
from walras.equilibria.matrix.memory_gap import responses_to, table_of
from walras.equilibria.matrix.memory_policies import MemoryResponses
from walras.equilibria.matrix.told_chances import required
from walras.scenarios.engine.measure import measure

NOTHING = 1e-9
"""Gain, in profit, up to which a firm is said to gain nothing."""
SHARE = "of the value of going on"


def responses_of(game: RepeatedPricing, policy: Policy) -> MemoryResponses:
    """Return the best responses to each session of a policy.

    Raises
    ------
    ValueError
        If the policy has no table.
    """
    if isinstance(policy, TrainedPairs):
        return policy.responses
    return responses_to(game, required(table_of(game, policy, Audit()), policy))


def nothing_gained(gains: Floats) -> Bools:
    """Return in which sessions no firm gains, ``[K]``, of ``gains [K, N]``."""
    return np.all(gains <= NOTHING, axis=1)


@measure("profit gain over static Nash", "of that of joint monopoly", "share")
def profit_gain(game: RepeatedPricing, policy: Policy) -> Floats:
    """Return each firm's Delta, ``[N]``: 0 in static Nash equilibrium, 1 under joint monopoly."""
    if isinstance(policy, TrainedPairs):
        return policy.delta.mean(axis=0)
    return game.profit_gain(responses_of(game, policy).start_value[0] / game.span)


@measure("gain from one other price", SHARE, "share")
def one_shot_gain(game: RepeatedPricing, policy: Policy) -> Floats:
    """Return the most that one other price gains on the path, with a return to the own policy, ``[N]``."""
    return responses_of(game, policy).one_shot_share.mean(axis=0)


@measure("gain from the best response", SHARE, "share")
def path_gain(game: RepeatedPricing, policy: Policy) -> Floats:
    """Return the most that the best response gains on the path, ``[N]``."""
    return responses_of(game, policy).path_share.mean(axis=0)


@measure("gain from the best response after any past", SHARE, "share")
def subgame_gain(game: RepeatedPricing, policy: Policy) -> Floats:
    """Return the most that the best response gains after any past, ``[N]``."""
    return responses_of(game, policy).subgame_share.mean(axis=0)


@measure("no firm gains by one other price", "of sessions", "share")
def one_shot_equilibria(game: RepeatedPricing, policy: Policy) -> Floats:
    """Return the share of sessions in which no firm gains by one other price, for each firm the same, ``[N]``."""
    return _share(game, nothing_gained(responses_of(game, policy).one_shot_gap))


@measure("no firm gains by its best response", "of sessions", "share")
def nash_equilibria(game: RepeatedPricing, policy: Policy) -> Floats:
    """Return the share of sessions that are Nash equilibria on their path, for each firm the same, ``[N]``."""
    return _share(game, nothing_gained(responses_of(game, policy).path_gap))


@measure("no firm gains after any past", "of sessions", "share")
def subgame_equilibria(game: RepeatedPricing, policy: Policy) -> Floats:
    """Return the share of sessions that are subgame perfect, for each firm the same, ``[N]``."""
    return _share(game, nothing_gained(responses_of(game, policy).subgame_gap))


def _share(game: RepeatedPricing, holds: Bools) -> Floats:
    return np.full(len(game.agents), holds.mean())
