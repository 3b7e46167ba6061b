"""Measures of repeated pricing: how high prices are, and which tests of equilibrium they pass.

They are of policies, not of what was played. Of firms that learned in several sessions, each number is the mean over
the sessions, of which each starts on the cycle that its prices ended in; of other policies there is one session, which
starts as the game does.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from walras.agents.matrix.q_pairs import TrainedPairs
from walras.core.policy import Policy
from walras.core.typing import Bools, Floats
from walras.envs.matrix.repeated_pricing import RepeatedPricing
from walras.equilibria.audit import Audit
from walras.equilibria.matrix.memory_gap import responses_to, table_of
from walras.equilibria.matrix.memory_paths import Impulse, expected_impulse, impulse_response
from walras.equilibria.matrix.memory_policies import MemoryResponses
from walras.equilibria.matrix.told_chances import required
from walras.scenarios.engine.measure import Measure, measure

NOTHING = 1e-9
"""Gain, in profit, up to which a firm is said to gain nothing."""
SHARE = "of the value of going on"
PERIODS = 15
"""Periods that are followed after a cut."""


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


def cuts_of(game: RepeatedPricing, policy: Policy) -> list[Impulse]:
    """Return what follows in each session if a firm is made to take the price that is best for one period, by firm.

    Raises
    ------
    ValueError
        If the policy has no table.
    """
    firms = range(len(game.agents))
    if isinstance(policy, TrainedPairs):
        start = np.array([pasts[0] for pasts in policy.cycle])
        return [impulse_response(policy.game, policy.policies, start, firm, PERIODS) for firm in firms]
    table = required(table_of(game, policy, Audit()), policy)
    return [expected_impulse(game, table, firm, PERIODS) for firm in firms]


@measure("gain from a cut of one period", SHARE, "share")
def cut_gain(game: RepeatedPricing, policy: Policy) -> Floats:
    """Return what the price that is best for one period gains in all, ``[N]``; a loss is negative."""
    return np.array([cut.share.mean() for cut in cuts_of(game, policy)])


@measure("a cut of one period loses", "of sessions", "share")
def cut_loses(game: RepeatedPricing, policy: Policy) -> Floats:
    """Return the share of sessions in which a firm's cut of one period loses, ``[N]``."""
    return np.array([(cut.share < 0).mean() for cut in cuts_of(game, policy)])


@measure("prices come back after a cut", "of sessions", "share")
def cut_returns(game: RepeatedPricing, policy: Policy) -> Floats:
    """Return the share of sessions in which play ends, after a firm's cut, where it ends without, ``[N]``."""
    return np.array([cut.returned.mean() for cut in cuts_of(game, policy)])


def _cut_prices(game: RepeatedPricing, policy: Policy, statistic: Callable[[Floats], Floats], own: bool) -> Floats:
    """Return a statistic over the sessions, ``[T + 1, N]``, of prices of the cutting firm, or the others' mean."""
    each = list[Floats]()
    for cut in cuts_of(game, policy):
        others = np.delete(cut.price, cut.firm, axis=2)
        each.append(statistic(cut.price[:, :, cut.firm] if own or not others.size else others.mean(axis=2)))
    return np.stack(each, axis=1)


def _mean(price: Floats) -> Floats:
    return price.mean(axis=0)


def _lower(price: Floats) -> Floats:
    return np.quantile(price, 0.25, axis=0)


def _upper(price: Floats) -> Floats:
    return np.quantile(price, 0.75, axis=0)


CUT_PATHS = {
    f"cut_{whose}{name}": Measure(partial(_cut_prices, statistic=statistic, own=whose == "own"), title, "money")
    for whose, words in (("own", "price of the firm that cuts"), ("others", "price of the others"))
    for name, statistic, title in (
        ("", _mean, words),
        ("_lower", _lower, f"{words}, lower quartile"),
        ("_upper", _upper, f"{words}, upper quartile"),
    )
}
"""Prices over the sessions before a cut, in its period and in those after it, ``[T + 1, N]``, by the firm that cuts."""


def _share(game: RepeatedPricing, holds: Bools) -> Floats:
    return np.full(len(game.agents), holds.mean())
