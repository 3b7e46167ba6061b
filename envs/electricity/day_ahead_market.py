r"""Day-ahead electricity market: generators offer blocks for each delivery hour, paid one price or as bid.

Description
-----------
N generators own K blocks of capacity each, with known marginal costs. For every delivery hour they offer their
available blocks at a mark-up over marginal cost. The offers are cleared in merit order against the net load (load
minus must-run generation), and every accepted block is paid the clearing price or, if `settlement` is
``"pay_as_bid"``, the price that it asked. Ties, exact step edges and scarcity follow
`walras.markets.electricity.clearing`. One step is one delivery hour, or the half or quarter of one that
`conditions` say.

Agents
------
The generators of `fleet`, by name.

State
-----
The hour, its net load and the outages (known when offers are made), and the last auction.

Action
------
``[B, N, K]``: mark-up of each block over its marginal cost, EUR/MWh, from 0 to `markup_limit`. The offered price is
cut at the price cap; the offered quantity is the block's available capacity. A generator with fewer blocks than K has
blocks of no capacity at the end.

Observation
-----------
| index | meaning | unit | low | high |
|---|---|---|---|---|
| 0 | sine of the hour of the day, by the clock of `conditions` | 1 | -1 | 1 |
| 1 | cosine of the hour of the day | 1 | -1 | 1 |
| 2 | net load of the hour to come | MW | 0 | `load_limit` |
| 3 | last clearing price | EUR/MWh | 0 | cap |
| 4 .. 3 + K | own marginal cost of each block | EUR/MWh | 0 | highest cost |
| 4 + K .. 3 + 2K | own available capacity of each block | MW | 0 | largest block |

Reward
------
Profit of the hour, EUR: what is paid for the accepted quantity, less its marginal cost; of a shorter step, its share of
that.

Starting state
--------------
An hour drawn evenly among those from which `horizon` hours follow in the profile (all of it: the first); no
deviation from the profile; outages at their mean; the last price is that of truthful offers for the first hour.

Episode end
-----------
Never terminated; truncated after `horizon` hours.

Parameters
----------
fleet : the generators; by default five sellers calibrated to Spain.
conditions : net load and outages; by default typical hours of Spain, 2015 to 2018.
markup_limit : largest mark-up, EUR/MWh.
cap : price cap, EUR/MWh; by default that of the Iberian market until 2021.
peak : largest net load, MW, the bound of its observation; by default the larger of the profile's maximum and the
fleet's capacity. Give it where a policy moves between games with different profiles.
horizon : steps an episode, at most the length of the profile.
discount : weight of the next reward in a learner's objective, in [0, 1).
settlement : what accepted blocks are paid: ``"uniform"``, the clearing price; ``"pay_as_bid"``, their own offers. It
changes rewards alone, not who is accepted.

Solution
--------
The competitive equilibrium: offers at marginal cost maximise welfare, and the clearing price supports the dispatch.
It is no Nash equilibrium. Offers are not observed by others and do not move the net load, so each hour is a game of
its own, in which the others' outages are hidden; an equilibrium in pure stepwise offers need not exist in all of them
[1]_. `walras.equilibria.solve` looks for one and its `residual` says what it found, `walras.equilibria.gap` bounds what
an offer gains in expectation.

Paid as bid, offers at marginal cost earn nothing, and in general no pure equilibrium exists. Of two equal sellers, each
too small to serve the load alone, the mixed one is known [2]_ and solved
(`walras.equilibria.electricity.pay_as_bid`); elsewhere `solve` returns offers at marginal cost and says that they are
no equilibrium.

References
----------
[1] N.-H. von der Fehr, D. Harbord, Spot market competition in the UK electricity industry, Economic Journal 103, 1993.
[2] N. Fabra, N.-H. von der Fehr, D. Harbord, Designing electricity auctions, RAND Journal of Economics 37, 2006.

Version history
---------------
v0: first version.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Literal, TypeAlias, final, get_args

import numpy as np
from gymnasium.spaces import Box

from walras.core.checks import require, require_each, require_episode, require_known, require_numbers
from walras.core.game import AbstractGame, State, Step
from walras.core.typing import Floats, Image, Ints
from walras.markets.electricity.clearing import merit_order
from walras.markets.electricity.generation import Conditions, Generator, spanish_conditions, spanish_fleet

Settlement: TypeAlias = Literal["uniform", "pay_as_bid"]
"""What accepted blocks are paid: one price, or each its own."""
IBERIAN_CAP = 180.3
"""EUR/MWh, the price cap of the Iberian market until 2021; its floor was zero."""


@dataclass(frozen=True)
class DayAheadState(State):
    """The hour to come, and the auction of the hour before."""

    hour: Ints  # [B] index into the profile
    deviation: Floats  # [B] MW, net load less profile
    outage: Floats  # [B, N] share of capacity that is out
    price: Floats  # [B] EUR/MWh
    offer: Floats  # [B, N, K] EUR/MWh
    offered: Floats  # [B, N, K] MW
    dispatch: Floats  # [B, N, K] MW
    cleared: Floats  # [B] MW, net load of the auction


@final
@dataclass(frozen=True)
class DayAheadMarket(AbstractGame[DayAheadState]):
    """Auctions of block offers, hour by hour, paid the clearing price or as bid.

    Raises
    ------
    ValueError
        If the fleet is empty or has equal names, a cost lies outside [0, cap], the profile is shorter than the
        horizon, `settlement` is unknown, or a parameter has the wrong sign.
    """

    unit: ClassVar[str] = "EUR"

    fleet: tuple[Generator, ...] = field(default_factory=spanish_fleet)
    conditions: Conditions = field(default_factory=spanish_conditions)
    markup_limit: float = 60.0  # EUR/MWh
    cap: float = IBERIAN_CAP  # EUR/MWh
    peak: float | None = None  # MW
    horizon: int = 24  # steps, of an hour unless `conditions` say otherwise
    discount: float = 0.0  # nothing done now moves later rewards
    settlement: Settlement = "uniform"

    def __post_init__(self) -> None:
        require_numbers(self)
        require_known(self.settlement, "settlement", get_args(Settlement))
        require(len(self.fleet) > 0, "fleet", "hold at least one generator", self.fleet)
        require(len(set(self.agents)) == len(self.fleet), "fleet", "have different names", self.agents)
        require(0 < self.cap < np.inf, "cap", "be positive and finite", self.cap)
        require_each((self.cost >= 0) & (self.cost <= self.cap), "cost", f"lie in [0, {self.cap}]", self.cost)
        require(0 < self.markup_limit < np.inf, "markup_limit", "be positive and finite", self.markup_limit)
        hours, highest = self.conditions.hours, float(self.conditions.profile.max())
        require(self.load_limit >= highest, "peak", f"be at least the profile's maximum {highest}", self.peak)
        require(
            1 <= self.horizon <= hours,
            "horizon",
            f"lie in [1, {hours}], the hours of the profile",
            self.horizon,
        )
        require_episode(self.horizon, self.discount)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """The generators' names."""
        return tuple(generator.name for generator in self.fleet)

    @cached_property
    def observation_space(self) -> Box:
        """See the module's table."""
        blocks = self.cost.shape[1]
        low = np.concatenate(((-1, -1, 0, 0), np.zeros(2 * blocks)))
        own = np.repeat((self.cost.max(), self.capacity.max()), blocks)
        return Box(low, np.concatenate(((1, 1, self.load_limit, self.cap), own)), dtype=np.float64)

    @cached_property
    def action_space(self) -> Box:
        """A mark-up for each block, EUR/MWh."""
        return Box(0.0, self.markup_limit, (self.cost.shape[1],), dtype=np.float64)

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        """Uniform numbers ``[steps, 1 + N]``: the start or the load's innovation, and the outages'."""
        return rng.random((steps, 1 + len(self.fleet)))

    def reset(self, noise: Floats) -> DayAheadState:
        """Draw the first hour."""
        rows = len(noise)
        start = (noise[:, 0] * (self.conditions.hours - self.horizon + 1)).astype(np.int64)
        deviation = np.zeros(rows)
        outage = np.full((rows, len(self.fleet)), self.conditions.outage)
        offer = np.broadcast_to(self.cost, (rows, *self.cost.shape)).copy()
        offered, load = self.available(outage), self.net_load(start, deviation)
        clearing = merit_order(offer, offered, load, self.cap, 0.0)
        return DayAheadState(start, deviation, outage, clearing.price, offer, offered, clearing.dispatch, load)

    def step(self, state: DayAheadState, action: Floats, noise: Floats) -> Step[DayAheadState]:
        """Clear one delivery hour and move to the next."""
        from walras.envs.electricity import day_ahead_compiled  # numba: only where it is used
        from walras.markets.compiled import plain

        hour, before, out = plain(state.hour, np.int64), plain(state.deviation), plain(state.outage)
        load, price, offer, offered, dispatch, profit = day_ahead_compiled.traded(
            *self._fleet, float(self.cap), *self._loads, hour, before, plain(action), out
        )
        deviation, outage = day_ahead_compiled.conditions_after(before, out, plain(noise), *self._innovations)
        after = DayAheadState(state.hour + 1, deviation, outage, price, offer, offered, dispatch, load)
        profit = profit if self.settlement == "uniform" else self.profit(price, offer, dispatch)
        return Step(after, profit * self.conditions.step_hours, np.zeros(len(load), dtype=np.bool_))

    def observe(self, state: DayAheadState) -> Floats:
        """Show the hour to come, the last price and each generator's own blocks."""
        from walras.envs.electricity import day_ahead_compiled
        from walras.markets.compiled import plain

        before = plain(state.hour, np.int64), plain(state.deviation), plain(state.price)
        return day_ahead_compiled.seen(self._clock, *self._loads, *before, *self._fleet, plain(state.outage))

    def scripted(self, observation: Floats) -> Floats:
        """Offer at marginal cost."""
        return np.zeros((*observation.shape[:2], self.cost.shape[1]))

    def profit(self, price: Floats, offer: Floats, dispatch: Floats) -> Floats:
        """Return what is paid less marginal cost, ``[B, N]`` EUR/h.

        Parameters
        ----------
        price : ndarray
            Clearing prices, ``[B]`` EUR/MWh.
        offer, dispatch : ndarray
            Offered prices, EUR/MWh, and accepted quantities, MW, ``[B, N, K]`` each.
        """
        return np.sum((self.payment(price, offer) - self.cost) * dispatch, axis=2)

    def payment(self, price: Floats, offer: Floats) -> Floats:
        """Return what an accepted block is paid, ``[B, N, K]`` or ``[B, 1, 1]`` EUR/MWh; arguments as in `profit`."""
        return price[:, None, None] if self.settlement == "uniform" else offer

    def net_load(self, hour: Ints, deviation: Floats) -> Floats:
        """Return the net load of `hour`, ``[B]`` MW, cut to [0, `load_limit`]."""
        profile = self.conditions.profile.take(hour, mode="wrap")
        return np.minimum(np.maximum(profile + deviation, 0.0), self.load_limit)

    def available(self, outage: Floats) -> Floats:
        """Return the capacity that can be offered, ``[B, N, K]`` MW."""
        return self.capacity * (1.0 - outage)[:, :, None]

    @cached_property
    def load_limit(self) -> float:
        """Net load is cut here, MW: at `peak`, or at the larger of the profile's maximum and the fleet's capacity."""
        return float(max(self.conditions.profile.max(), self.capacity.sum())) if self.peak is None else self.peak

    @cached_property
    def cost(self) -> Floats:
        """Marginal cost of each block, ``[N, K]`` EUR/MWh; missing blocks repeat the last."""
        blocks = max(len(generator.cost) for generator in self.fleet)
        return np.stack([np.pad(g.cost, (0, blocks - len(g.cost)), mode="edge") for g in self.fleet])

    @cached_property
    def capacity(self) -> Floats:
        """Capacity of each block, ``[N, K]`` MW; missing blocks have none."""
        blocks = self.cost.shape[1]
        return np.stack([np.pad(g.capacity, (0, blocks - len(g.capacity))) for g in self.fleet])

    @cached_property
    def _fleet(self) -> tuple[Floats, Floats]:
        """Costs and capacities of the blocks."""
        return self.cost.astype(np.float64), self.capacity.astype(np.float64)

    @cached_property
    def _loads(self) -> tuple[Floats, float]:
        """What loads are around, and where they are cut."""
        return np.array(self.conditions.profile, np.float64, order="C"), float(self.load_limit)

    @cached_property
    def _clock(self) -> Floats:
        """Sine and cosine of the time of day of each step, or of those of a day where each has as many, ``[H, 2]``."""
        day = np.arange(0.0, 24.0, self.conditions.step_hours)
        times = day if self.conditions.clock is None else self.conditions.clock
        angle = 2 * np.pi * times / 24
        return np.stack((np.sin(angle), np.cos(angle)), axis=1)

    @cached_property
    def _innovations(self) -> tuple[Floats, float, float, float]:
        """Width of each uniform innovation, ``[1 + N]``, the shares of deviation and outages that stay, and the pull.

        An even draw from a width of sqrt(12) has variance 1.
        """
        c = self.conditions
        spread = 12**0.5 * np.concatenate(((c.deviation,), np.full(len(self.fleet), c.outage_deviation)))
        return spread, c.persistence, c.outage_persistence, (1 - c.outage_persistence) * c.outage

    def text(self, state: DayAheadState) -> str:
        """Draw the merit order of the last auction in characters."""
        from walras.envs.electricity.pictures import merit_order_text

        return merit_order_text(self.agents, state.offer[0], state.offered[0], state.dispatch[0], *_auction(state))

    def image(self, state: DayAheadState) -> Image:
        """Draw the merit order of the last auction with the clearing point."""
        from walras.envs.electricity.pictures import draw_merit_order

        return draw_merit_order(self.agents, state.offer[0], state.offered[0], *_auction(state))


def _auction(state: DayAheadState) -> tuple[float, float]:
    """Return net load and price of row 0's last auction."""
    return float(state.cleared[0]), float(state.price[0])
