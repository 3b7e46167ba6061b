"""The game of types of one hour of the day-ahead market: what sellers believe, and offers with what they leave to gain.

A seller's type is its outage, which the others do not see; see `walras.equilibria.electricity.day_ahead_nash`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import final

import numpy as np

from walras.core.policy import Scripted
from walras.core.rollout import rollout
from walras.core.typing import Floats, Ints
from walras.envs.electricity.day_ahead_market import DayAheadMarket
from walras.equilibria.electricity.best_offer import Scenarios
from walras.equilibria.scale import SEEDS

MOST_PROFILES = 1024
"""Profiles of the others' types up to which all are enumerated."""
DRAWS = 256
"""Profiles that stand for them where there are more."""
TOLERANCE = 1e-3
"""Largest gain of a pure equilibrium, as a share of what a seller has at stake in an hour."""


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
        return profiles_of(len(self.outage), len(self.game.agents) - 1)

    @cached_property
    def stake(self) -> Floats:
        """What each seller has at stake in an hour, ``[N]`` EUR: its competitive profit, or a tenth of the mean."""
        profit = rollout(self.game, Scripted(self.game), SEEDS).reward.mean(axis=(0, 1))
        profit /= self.game.conditions.step_hours
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


def profiles_of(types: int, sellers: int) -> Ints:
    """Return all profiles of types, ``[S, sellers]``, or fixed draws of them where they are many."""
    if types**sellers <= MOST_PROFILES:
        return np.array(list(product(range(types), repeat=sellers)), dtype=np.int64)
    return np.random.default_rng(0).integers(0, types, (DRAWS, sellers))


def beliefs(game: DayAheadMarket, types: int = 4) -> Beliefs:
    """Return the game of `types` outages a seller; of one where outages do not vary."""
    if game.conditions.outage_deviation == 0:
        return Beliefs(game, np.array([game.conditions.outage]))
    outage = rollout(game, Scripted(game), SEEDS).state.outage[:-1]
    return Beliefs(game, np.quantile(outage, (np.arange(types) + 0.5) / types))


def at_rest(believed: Beliefs, hour: HourNash) -> bool:
    """Return whether nobody gains more than `TOLERANCE`."""
    return bool(np.all(hour.gain <= TOLERANCE * believed.stake))


def least_gain(believed: Beliefs, *hours: HourNash) -> HourNash:
    """Return the one with the least gain, as a share of the stake."""
    return min(hours, key=lambda hour: float(np.max(hour.gain / believed.stake)))


def scenarios_of(believed: Beliefs, load: float, price: Floats, agent: int, profiles: Ints) -> Scenarios:
    """Return the scenarios of rivals' offers ``price [S, N - 1, K]`` by types ``profiles [S, N - 1]``."""
    count = len(profiles)
    quantity = believed.capacity[believed.rivals(agent), profiles]
    even = np.full((1, count), 1 / count)
    return Scenarios(price.reshape(1, count, -1), quantity.reshape(1, count, -1), np.full((1, count), load), even)
