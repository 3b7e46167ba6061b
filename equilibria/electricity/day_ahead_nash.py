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
between the loads of the policy's grid, `walras.equilibria.gap` judges: its upper end is the residual of `solve`.

References
----------
[1] N.-H. von der Fehr, D. Harbord, Spot market competition in the UK electricity industry, Economic Journal 103, 1993.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from walras.core.checks import require, require_whole
from walras.core.game import Actions, take_rows
from walras.core.policy import Scripted
from walras.core.rollout import rollout
from walras.core.solution import Solution, Status
from walras.core.typing import Floats, Ints
from walras.envs.electricity.day_ahead_market import DayAheadMarket
from walras.equilibria.electricity.best_offer import TICK, Scenarios, best_offers, expected_profits
from walras.equilibria.electricity.day_ahead_types import (
    Beliefs,
    HourNash,
    at_rest,
    beliefs,
    least_gain,
    profiles_of,
    scenarios_of,
)
from walras.equilibria.electricity.fictitious_play import fictitious_play
from walras.equilibria.electricity.pay_as_bid import solve_as_bid
from walras.markets.electricity.clearing import merit_order

LOADS = 512
"""Points of the grid of net loads, from none to the largest, at which the policy is computed."""
TOLERANCES = (1e-2, 1e-4)
"""Largest residual of an equilibrium, where outages are hidden and where nothing is."""
SWEEPS = 8
"""Rounds of best replies, of all sellers, after which an order counts as without rest."""


def hour_nash(believed: Beliefs, load: float) -> HourNash:
    """Return an equilibrium of the game of types at one net load: pure where one is found, else a mixture."""
    found: list[HourNash] = []
    for order in believed.orders(4):
        found.append(_hour(believed, load, _rest(believed, load, order)))
        if at_rest(believed, found[-1]):
            return found[-1]
    return fictitious_play(believed, least_gain(believed, *found))


def price_interval(believed: Beliefs, load: float, orders: int = 12) -> tuple[float, float]:
    """Return the least and the greatest expected price of the pure equilibria that are found from `orders` orders.

    Both are NaN where none is found.
    """
    found = (_hour(believed, load, _rest(believed, load, order)) for order in believed.orders(orders))
    prices = [_price(believed, hour) for hour in found if at_rest(believed, hour)]
    return (min(prices), max(prices)) if prices else (np.nan, np.nan)


def _price(believed: Beliefs, hour: HourNash) -> float:
    """Return the price of pure offers, on average over all types."""
    sellers = np.arange(len(hour.offer))
    types = profiles_of(len(believed.outage), len(sellers))
    offer, capacity = hour.offer[sellers, types, 0], believed.capacity[sellers, types]
    clearing = merit_order(offer, capacity, np.full(len(types), hour.load), believed.game.cap, 0.0)
    return float(clearing.price.mean())


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
    return scenarios_of(believed, load, offer[others, believed.profiles], agent, believed.profiles)


def _hour(believed: Beliefs, load: float, offer: Floats) -> HourNash:
    """Return pure offers ``[N, M, K]`` with their exact gains."""
    gain = np.empty(len(offer))
    for agent in range(len(offer)):
        scenarios = _pure_scenarios(believed, load, offer, agent)
        gain[agent] = _reply(believed, scenarios, agent, offer[agent])[1].mean()
    return HourNash(load, offer[:, :, None], np.ones((*offer.shape[:2], 1)), np.maximum(gain, 0.0))


@final
@dataclass(frozen=True)
class HourlyNash:
    """The equilibrium of each hour as a policy: computed on demand at the nearest load of a grid, and kept.

    A seller plays the offers of the type nearest to its own outage, which it reads from its available capacity. Where
    outages do not vary there is no grid: every load has its own equilibrium.

    Raises
    ------
    ValueError
        If `types` is no whole number, at least 1, or offers are paid as bid.
    """

    game: DayAheadMarket
    types: int = 4

    def __post_init__(self) -> None:
        require_whole(self.types, "types")
        require(
            self.game.settlement == "uniform", "settlement", "be uniform, for hourly equilibria", self.game.settlement
        )

    def __deepcopy__(self, memo: dict[int, object]) -> "HourlyNash":
        """Return itself: hours are computed once, and what is played does not depend on which are known."""
        return self

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
        own, everyone = self._type(observation), np.arange(observation.shape[1])
        draw = rng.random(observation.shape[:2])
        offer = np.empty((*observation.shape[:2], self.game.cost.shape[1]))
        for hour, here in self._by_hour(observation):
            edges = np.cumsum(hour.weight[everyone, own[here]], axis=2)[:, :, :-1]
            chosen = np.sum(edges <= draw[here][:, :, None], axis=2)
            offer[here] = hour.offer[everyone, own[here], chosen]
        return np.clip(offer - self.game.cost, 0.0, self.game.markup_limit)

    def mixture(self, observation: Floats) -> tuple[Floats, Actions]:
        """Return weights ``[B, N, J]`` and mark-ups ``[B, N, J, K]``; see `walras.core.policy.Mixed`."""
        rows, agents = observation.shape[:2]
        hours = self._by_hour(observation)
        most = max((hour.weight.shape[2] for hour, _ in hours), default=1)
        own, everyone = self._type(observation), np.arange(agents)
        weight = np.zeros((rows, agents, most))
        offer = np.broadcast_to(self.game.cost[:, None], (rows, agents, most, self.game.cost.shape[1])).copy()
        for hour, here in hours:
            width = hour.weight.shape[2]
            weight[here, :, :width] = hour.weight[everyone, own[here]]
            offer[here, :, :width] = hour.offer[everyone, own[here]]
        return weight, np.clip(offer - self.game.cost[:, None], 0.0, self.game.markup_limit)

    def _by_hour(self, observation: Floats) -> list[tuple[HourNash, Ints]]:
        """Return the equilibrium of each load that is seen, and the rows in which it is."""
        loads, row = np.unique(observation[:, 0, 2], return_inverse=True)
        alike = np.split(np.argsort(row, kind="stable"), np.cumsum(np.bincount(row))[:-1])
        return [(self.at(float(load)), here) for load, here in zip(loads, alike, strict=False)]

    def _type(self, observation: Floats) -> Ints:
        """Return the type nearest to each seller's outage, ``[B, N]``."""
        blocks = self.game.cost.shape[1]
        total = self.game.capacity.sum(axis=1)
        outage = 1 - observation[:, :, 4 + blocks :].sum(axis=2) / np.where(total > 0, total, 1.0)
        types = self.believed.outage
        return np.searchsorted((types[1:] + types[:-1]) / 2, outage)


@dataclass(frozen=True, kw_only=True)
class DayAheadNash(Solution):
    """A Bayesian Nash equilibrium of each hour, and the prices of pure ones that other orders of replies lead to."""

    policy: HourlyNash  # type: ignore[assignment] - the policy of this solution
    load: Floats  # [T] MW, the net loads of a sample episode

    def price_interval(self, load: float, *, orders: int = 12) -> tuple[float, float]:
        """Return the least and the greatest expected price of the pure equilibria found at a net load, EUR/MWh."""
        return price_interval(self.policy.believed, load, orders)

    @property
    def price_least(self) -> Floats:
        """The least price in each hour of the sample episode, ``[T]`` EUR/MWh; NaN where no equilibrium is pure."""
        return self._prices[:, 0]

    @property
    def price_greatest(self) -> Floats:
        """The greatest price in each hour of the sample episode, ``[T]`` EUR/MWh; NaN where no equilibrium is pure."""
        return self._prices[:, 1]

    @cached_property
    def _prices(self) -> Floats:
        return np.array([self.price_interval(float(load)) for load in self.load])


def solve_day_ahead_nash(game: DayAheadMarket, *, types: int = 4, sample: int = 0) -> DayAheadNash:
    """Return a Bayesian Nash equilibrium of each hour, computed as its load comes up.

    Parameters
    ----------
    game : DayAheadMarket
        The game.
    types : int
        M, outages of a seller that are told apart.
    sample : int
        Seed of the episode whose loads are returned.

    Raises
    ------
    ValueError
        If `types` is no whole number, at least 1.
    """
    before = take_rows(rollout(game, Scripted(game), (sample,)).state, slice(0, -1))
    policy = HourlyNash(game, types)
    return DayAheadNash(
        policy=policy,
        value=np.full(len(game.agents), np.nan),
        residual=np.inf,
        iterations=1,
        status=Status.UNCERTIFIED,
        tol=TOLERANCES[0 if len(policy.believed.outage) > 1 else 1],
        load=game.net_load(before.hour, before.deviation)[:, 0],
    )


def solve_offers(game: DayAheadMarket, *, types: int = 4, sample: int = 0) -> Solution:
    """Return an equilibrium in offers: `solve_day_ahead_nash`, or where blocks are paid as bid `solve_as_bid`."""
    return (
        solve_as_bid(game)
        if game.settlement == "pay_as_bid"
        else solve_day_ahead_nash(game, types=types, sample=sample)
    )
