r"""A Bayesian Nash equilibrium of the day-ahead market, hour by hour, by exact best replies.

The game of an hour
-------------------
The net load is seen by all; the share of its capacity that is out, by each seller alone. A seller's *type* is its
outage: M quantile midpoints of the law of outages, pooled over the steps of an episode, which sellers do not see. A
type's payoff is its expected profit over all types of the others, or over `DRAWS` fixed draws of them where these are
more than `MOST_PROFILES`. Where outages do not vary there is one type, and nothing is hidden.

Pure offers
-----------
From marginal cost, seller by seller, each type takes its exact best offer (`walras.equilibria.electricity.best_offer`)
if that gains more than what ticks may cost. Where nobody moves, the offers are an equilibrium of the game of types. The
order is that of capacity, largest first; if the sellers do not come to rest, three fixed permutations are tried. Other
orders may lead to other equilibria: `price_interval` returns the least and the greatest price found.

Mixed offers
------------
A pure equilibrium need not exist [1]_: two sellers undercut each other until one prefers to ask the most that it can.
There fictitious play answers: each type of each seller mixes its past replies, of which the newest weighs r^-0.7 in
round r. The replies stay below their levels by a tick that shrinks from round to round, so that play goes down the
whole range of prices, where ticks of the usual size would take millions of rounds. Of the mixtures on the way, and the
pure offers where they began, the one with the least gain is kept: an approximation, for the gain need not vanish.

What is certified
-----------------
`HourNash.gain` is what each seller gains by best offers in the game of types: exact for pure offers; for mixed ones on
a sample of the others' offers, on which the best offer is also found, so it is overestimated. Between the types, and
between the loads of the policy's grid, `walras.equilibria.gap` judges.

References
----------
[1] N.-H. von der Fehr, D. Harbord, Spot market competition in the UK electricity industry, Economic Journal 103, 1993.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import final

import numpy as np

from walras.core.checks import require_whole
from walras.core.game import Actions
from walras.core.policy import Scripted
from walras.core.rollout import rollout
from walras.core.typing import Floats, Ints
from walras.envs.electricity.day_ahead_market import DayAheadMarket
from walras.equilibria.electricity.best_offer import TICK, Scenarios, best_offers, expected_profits
from walras.equilibria.stakes import SEEDS
from walras.markets.electricity.clearing import merit_order

MOST_PROFILES = 1024
"""Profiles of the others' types up to which all are enumerated."""
DRAWS = 256
"""Profiles that stand for them where there are more."""
LOADS = 512
"""Points of the grid of net loads, from none to the largest, at which the policy is computed."""
SWEEPS = 8
"""Rounds of best replies, of all sellers, after which an order counts as without rest."""
TOLERANCE = 1e-3
"""Largest gain of a pure equilibrium, as a share of what a seller has at stake in an hour."""
ROUNDS = 120
TICKS = (0.02, 5e-4)
"""First and last tick of fictitious play, as shares of the cap; from round to round it loses 6 %."""
"""Rounds of fictitious play."""
LEAST_WEIGHT = 1e-3
"""Offers that a mixture plays less often are left out."""


@final
@dataclass(frozen=True, eq=False)
class HourNash:
    """Offers of all types at one net load: each plays offer r with its weight."""

    load: float  # MW
    offer: Floats  # [N, M, R, K] EUR/MWh
    weight: Floats  # [N, M, R]
    gain: Floats  # [N] EUR/h by the best offers, in expectation over the own types

    @property
    def pure(self) -> bool:
        """Whether no type mixes."""
        return self.weight.shape[2] == 1


@final
@dataclass(frozen=True, eq=False)
class Beliefs:
    """The game of types: M outages of each seller, all alike probable."""

    game: DayAheadMarket
    outage: Floats  # [M]

    @cached_property
    def capacity(self) -> Floats:
        """Available capacity of each type, ``[N, M, K]`` MW."""
        return self.game.capacity[:, None] * (1.0 - self.outage)[:, None]

    @cached_property
    def cost(self) -> Floats:
        """Marginal cost of each type, ``[N, M, K]`` EUR/MWh."""
        return np.repeat(self.game.cost[:, None], len(self.outage), axis=1)

    @cached_property
    def reach(self) -> Floats:
        """The most that each block may ask, ``[N, M, K]`` EUR/MWh."""
        return np.minimum(self.cost + self.game.markup_limit, self.game.cap)

    @cached_property
    def profiles(self) -> Ints:
        """Types of the others, in the order of the sellers, ``[S, N - 1]``."""
        return _profiles(len(self.outage), len(self.game.agents) - 1)

    @cached_property
    def stake(self) -> Floats:
        """What each seller has at stake in an hour, ``[N]`` EUR: its competitive profit, or a tenth of the mean."""
        profit = rollout(self.game, Scripted(self.game), SEEDS).reward.mean(axis=(0, 1))
        floor = float(profit.mean()) / 10
        return np.maximum(profit, floor) if floor > 0 else np.ones_like(profit)

    def rivals(self, agent: int) -> list[int]:
        """Return the others."""
        return [other for other in range(len(self.game.agents)) if other != agent]

    def orders(self, count: int) -> Iterator[list[int]]:
        """Yield `count` orders of the sellers: by capacity, then fixed permutations."""
        yield [int(i) for i in np.argsort(-self.game.capacity.sum(axis=1), kind="stable")]
        for seed in range(1, count):
            yield [int(i) for i in np.random.default_rng(seed).permutation(len(self.game.agents))]


def _profiles(types: int, sellers: int) -> Ints:
    if types**sellers <= MOST_PROFILES:
        return np.array(list(product(range(types), repeat=sellers)), dtype=np.int64)
    return np.random.default_rng(0).integers(0, types, (DRAWS, sellers))


def beliefs(game: DayAheadMarket, types: int = 4) -> Beliefs:
    """Return the game of `types` outages a seller; of one where outages do not vary."""
    if game.conditions.outage_deviation == 0:
        return Beliefs(game, np.array([game.conditions.outage]))
    outage = rollout(game, Scripted(game), SEEDS).state.outage[:-1]
    return Beliefs(game, np.quantile(outage, (np.arange(types) + 0.5) / types))


def hour_nash(believed: Beliefs, load: float) -> HourNash:
    """Return an equilibrium of the game of types at one net load: pure where one is found, else a mixture."""
    found: list[HourNash] = []
    for order in believed.orders(4):
        found.append(_hour(believed, load, _rest(believed, load, order)))
        if _at_rest(believed, found[-1]):
            return found[-1]
    return _fictitious_play(believed, _best(believed, *found))


def price_interval(believed: Beliefs, load: float, orders: int = 12) -> tuple[float, float]:
    """Return the least and the greatest expected price of the pure equilibria that are found from `orders` orders.

    Both are NaN where none is found.
    """
    found = (_hour(believed, load, _rest(believed, load, order)) for order in believed.orders(orders))
    prices = [_price(believed, hour) for hour in found if _at_rest(believed, hour)]
    return (min(prices), max(prices)) if prices else (np.nan, np.nan)


def _price(believed: Beliefs, hour: HourNash) -> float:
    """Return the price of pure offers, on average over all types."""
    sellers = np.arange(len(hour.offer))
    types = _profiles(len(believed.outage), len(sellers))
    offer, capacity = hour.offer[sellers, types, 0], believed.capacity[sellers, types]
    clearing = merit_order(offer, capacity, np.full(len(types), hour.load), believed.game.cap, 0.0)
    return float(clearing.price.mean())


def _at_rest(believed: Beliefs, hour: HourNash) -> bool:
    return bool(np.all(hour.gain <= TOLERANCE * believed.stake))


def _best(believed: Beliefs, *hours: HourNash) -> HourNash:
    """Return the one with the least gain, as a share of the stake."""
    return min(hours, key=lambda hour: float(np.max(hour.gain / believed.stake)))


def _rest(believed: Beliefs, load: float, order: list[int]) -> Floats:
    """Return the offers ``[N, M, K]`` after best replies from marginal cost, at rest or not."""
    offer = believed.cost.copy()
    for _ in range(SWEEPS):
        moved = False
        for agent in order:
            scenarios = _pure_scenarios(believed, load, offer, agent)
            reply, gain = _reply(believed, scenarios, agent, offer[agent])
            better = gain > _worth_a_move(believed, agent)
            offer[agent][better] = reply[better]
            moved |= bool(better.any())
        if not moved:
            break
    return offer


def _worth_a_move(believed: Beliefs, agent: int) -> Floats:
    """Return the gain of each type that is more than what ticks may cost, ``[M]`` EUR."""
    blocks = believed.cost.shape[2]
    return 1e-6 * believed.stake[agent] + 2 * blocks * TICK * believed.capacity[agent].sum(axis=1)


def _reply(believed: Beliefs, scenarios: Scenarios, agent: int, offer: Floats) -> tuple[Floats, Floats]:
    """Return the best offers of an agent's types, ``[M, K]``, and what they gain over ``offer [M, K]``, ``[M]``."""
    cost, capacity, cap = believed.cost[agent], believed.capacity[agent], believed.game.cap
    best = best_offers(cost, capacity, believed.reach[agent], scenarios, cap)
    return best.offer, best.value - expected_profits(cost, capacity, offer, scenarios, cap)


def _pure_scenarios(believed: Beliefs, load: float, offer: Floats, agent: int) -> Scenarios:
    others = believed.rivals(agent)
    return _scenarios(believed, load, offer[others, believed.profiles], agent, believed.profiles)


def _scenarios(believed: Beliefs, load: float, price: Floats, agent: int, profiles: Ints) -> Scenarios:
    """Return the scenarios of rivals' offers ``price [S, N - 1, K]`` by types ``profiles [S, N - 1]``."""
    count = len(profiles)
    quantity = believed.capacity[believed.rivals(agent), profiles]
    even = np.full((1, count), 1 / count)
    return Scenarios(price.reshape(1, count, -1), quantity.reshape(1, count, -1), np.full((1, count), load), even)


def _hour(believed: Beliefs, load: float, offer: Floats) -> HourNash:
    """Return pure offers ``[N, M, K]`` with their exact gains."""
    gain = np.empty(len(offer))
    for agent in range(len(offer)):
        scenarios = _pure_scenarios(believed, load, offer, agent)
        gain[agent] = _reply(believed, scenarios, agent, offer[agent])[1].mean()
    return HourNash(load, offer[:, :, None], np.ones((*offer.shape[:2], 1)), np.maximum(gain, 0.0))


def _fictitious_play(believed: Beliefs, start: HourNash) -> HourNash:
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
            best = _best(believed, best, hour)
            moving = [agent for agent in order if hour.gain[agent] > 0.1 * TOLERANCE * believed.stake[agent]]
            if _at_rest(believed, hour):
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
    return _scenarios(believed, load, price, agent, profiles)


def _strata(types: Ints, rng: np.random.Generator) -> Floats:
    """Return a number in [0, 1) for each scenario, spread evenly over those of one type."""
    order = np.argsort(types + rng.random(len(types)))
    count = np.bincount(types)
    place = np.arange(len(types)) - np.repeat(np.cumsum(count) - count, count)
    number = np.empty(len(types))
    number[order] = (place + rng.random()) / np.repeat(count, count)
    return number


@final
@dataclass(frozen=True)
class HourlyNash:
    """The equilibrium of each hour as a policy: computed on demand at the nearest load of a grid, and kept.

    A seller plays the offers of the type nearest to its own outage, which it reads from its available capacity. Where
    outages do not vary there is no grid: every load has its own equilibrium.

    Raises
    ------
    ValueError
        If `types` is no whole number, at least 1.
    """

    game: DayAheadMarket
    types: int = 4

    def __post_init__(self) -> None:
        require_whole(self.types, "types")

    @property
    def independent(self) -> bool:
        """Agents draw independently."""
        return True

    @cached_property
    def believed(self) -> Beliefs:
        """The game of types."""
        return beliefs(self.game, self.types)

    @cached_property
    def hours(self) -> dict[float, HourNash]:
        """The hours computed so far, by their load."""
        return {}

    def at(self, load: float) -> HourNash:
        """Return the equilibrium at the load of the grid that is nearest."""
        step = self.game.load_limit / LOADS if len(self.believed.outage) > 1 else 0.0
        nearest = float(np.round(load / step) * step) if step > 0 else float(load)
        if nearest not in self.hours:
            self.hours[nearest] = hour_nash(self.believed, nearest)
        return self.hours[nearest]

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return mark-ups ``[B, N, K]``, each drawn from its own mixture."""
        weight, action = self.mixture(observation)
        draw = rng.random(weight.shape[:2])
        chosen = np.sum(np.cumsum(weight, axis=2)[:, :, :-1] <= draw[:, :, None], axis=2)
        return np.take_along_axis(action, chosen[:, :, None, None], axis=2)[:, :, 0]

    def mixture(self, observation: Floats) -> tuple[Floats, Actions]:
        """Return weights ``[B, N, J]`` and mark-ups ``[B, N, J, K]``; see `walras.core.policy.Mixed`."""
        rows, agents = observation.shape[:2]
        hours = [self.at(float(load)) for load in observation[:, 0, 2]]
        most = max((hour.weight.shape[2] for hour in hours), default=1)
        own, everyone = self._type(observation), np.arange(agents)
        weight = np.zeros((rows, agents, most))
        offer = np.broadcast_to(self.game.cost[:, None], (rows, agents, most, self.game.cost.shape[1])).copy()
        for row, hour in enumerate(hours):
            width = hour.weight.shape[2]
            weight[row, :, :width] = hour.weight[everyone, own[row]]
            offer[row, :, :width] = hour.offer[everyone, own[row]]
        return weight, np.clip(offer - self.game.cost[:, None], 0.0, self.game.markup_limit)

    def _type(self, observation: Floats) -> Ints:
        """Return the type nearest to each seller's outage, ``[B, N]``."""
        blocks = self.game.cost.shape[1]
        total = self.game.capacity.sum(axis=1)
        outage = 1 - observation[:, :, 4 + blocks :].sum(axis=2) / np.where(total > 0, total, 1.0)
        types = self.believed.outage
        return np.searchsorted((types[1:] + types[:-1]) / 2, outage)


def day_ahead_nash(game: DayAheadMarket, *, types: int = 4) -> HourlyNash:
    """Return the policy of an equilibrium of each hour.

    Parameters
    ----------
    game : DayAheadMarket
        The game.
    types : int
        M, outages of a seller that are told apart.

    Raises
    ------
    ValueError
        If `types` is no whole number, at least 1.
    """
    return HourlyNash(game, types)
