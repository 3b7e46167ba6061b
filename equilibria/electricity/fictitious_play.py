r"""Fictitious play in the game of types: mixed offers for hours in which no pure ones are found to be an equilibrium.

Each type of each seller mixes its past replies, of which the newest weighs r^-0.7 in round r. Replies are exact best
offers against the others' mixtures, sampled afresh each time, and stay below their levels by a tick. Sellers who
undercut each other by the usual tick would need millions of rounds to go down a range of prices; here the tick begins
large and shrinks. An offer of the past that is nearly as good as the newest reply is played in its place, so that
mixtures stay short.
"""

import numpy as np

from walras.core.typing import Floats, Ints
from walras.equilibria.electricity.best_offer import Scenarios, best_offers, expected_profits
from walras.equilibria.electricity.day_ahead_types import (
    TOLERANCE,
    Beliefs,
    HourNash,
    at_rest,
    least_gain,
    scenarios_of,
)

ROUNDS = 120
"""Rounds of fictitious play."""
TICKS = (0.02, 5e-4)
"""First and last tick of fictitious play, as shares of the cap; from round to round it loses 6 %."""
LEAST_WEIGHT = 1e-3
"""Offers that a mixture plays less often are left out."""


def fictitious_play(believed: Beliefs, start: HourNash) -> HourNash:
    """Return the mixture of past replies with the least gain on the way."""
    rng, order = np.random.default_rng(0), next(believed.orders(1))
    offer = np.repeat(start.offer, 1 + ROUNDS, axis=2)
    weight = np.zeros(offer.shape[:3])
    weight[:, :, 0] = 1.0
    best, moving = start, order
    for turn in range(1, 1 + ROUNDS):
        tick = believed.game.cap * max(TICKS[1], TICKS[0] * 0.94**turn)
        for agent in moving:
            scenarios = _mixed_scenarios(believed, start.load, offer, weight, agent, rng, copies=1)
            _mix_in_reply(believed, scenarios, agent, offer[agent], weight[agent], turn, tick)
        if turn % 20 == 0:
            hour = _mixed_hour(believed, start.load, offer, weight)
            best = least_gain(believed, best, hour)
            moving = [agent for agent in order if hour.gain[agent] > 0.1 * TOLERANCE * believed.stake[agent]]
            if at_rest(believed, hour):
                break
    return best


def _mix_in_reply(
    believed: Beliefs, scenarios: Scenarios, agent: int, offer: Floats, weight: Floats, turn: int, tick: float
) -> None:
    """Give each type's reply its weight in place: an offer of the past that is nearly as good, or a new one."""
    cost, capacity, cap = believed.cost[agent], believed.capacity[agent], believed.game.cap
    reply = best_offers(cost, capacity, believed.reach[agent], scenarios, cap, tick).offer
    newest = 1 / (turn + 1) ** 0.7
    for m in range(len(cost)):
        played = np.flatnonzero(weight[m] > 0)
        choice = np.concatenate((offer[m, played], reply[[m]]))
        profit = _profits(cost[m], capacity[m], choice, scenarios, cap)
        known = int(profit[:-1].argmax())
        enough = profit[-1] - 1e-4 * max(profit[-1], 0.1 * believed.stake[agent])
        place = played[known] if profit[known] >= enough else turn
        if place == turn:
            offer[m, turn] = reply[m]
        weight[m] *= 1 - newest
        weight[m, place] += newest


def _profits(cost: Floats, capacity: Floats, offer: Floats, scenarios: Scenarios, cap: float) -> Floats:
    """Return the expected profit of one type's offers ``[R, K]``, ``[R]``."""
    own = [np.broadcast_to(array, offer.shape) for array in (cost, capacity)]
    return expected_profits(own[0], own[1], offer, scenarios, cap)


def _mixed_hour(believed: Beliefs, load: float, offer: Floats, weight: Floats) -> HourNash:
    """Return the mixture without rare offers, and its gains on a sample of the others' offers."""
    offer, weight = _without_rare(offer, weight)
    gain, cap = np.empty(len(offer)), believed.game.cap
    for agent in range(len(offer)):
        rng = np.random.default_rng(agent)
        scenarios = _mixed_scenarios(believed, load, offer, weight, agent, rng, copies=4)
        cost, capacity = believed.cost[agent], believed.capacity[agent]
        best = best_offers(cost, capacity, believed.reach[agent], scenarios, cap).value
        types = zip(cost, capacity, offer[agent], weight[agent], strict=True)
        own = [w[w > 0] @ _profits(c, q, o[w > 0], scenarios, cap) for c, q, o, w in types]
        gain[agent] = np.mean(best - own)
    return HourNash(load, offer, weight, np.maximum(gain, 0.0))


def _without_rare(offer: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Return the offers by weight, those of less than `LEAST_WEIGHT` left out, and the weights, which sum to 1."""
    kept = np.where(weight >= LEAST_WEIGHT, weight, 0.0)
    most = int((kept > 0).sum(axis=2).max())
    order = np.argsort(-kept, axis=2, kind="stable")[:, :, :most]
    kept = np.take_along_axis(kept, order, axis=2)
    return np.take_along_axis(offer, order[..., None], axis=2), kept / kept.sum(axis=2, keepdims=True)


def _mixed_scenarios(
    believed: Beliefs, load: float, offer: Floats, weight: Floats, agent: int, rng: np.random.Generator, copies: int
) -> Scenarios:
    """Return all types of the others, `copies` times, each with an offer of its mixture, drawn in strata."""
    profiles = np.repeat(believed.profiles, copies, axis=0)
    price = np.empty((*profiles.shape, offer.shape[3]))
    for column, other in enumerate(believed.rivals(agent)):
        own = profiles[:, column]
        below = np.cumsum(weight[other], axis=1)[own]  # [S, R]
        drawn = np.sum(below[:, :-1] <= _strata(own, rng)[:, None], axis=1)
        price[:, column] = offer[other, own, drawn]
    return scenarios_of(believed, load, price, agent, profiles)


def _strata(types: Ints, rng: np.random.Generator) -> Floats:
    """Return a number in [0, 1) for each scenario, spread evenly over those of one type."""
    order = np.argsort(types + rng.random(len(types)))
    count = np.bincount(types)
    place = np.arange(len(types)) - np.repeat(np.cumsum(count) - count, count)
    number = np.empty(len(types))
    number[order] = (place + rng.random()) / np.repeat(count, count)
    return number
