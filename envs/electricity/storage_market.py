r"""Storage market: owners of storages move energy between hours of a day, and prices answer.

Description
-----------
N storages buy and sell in T hours. In hour t the market's price is :math:`a_t - b_t X_t`, where :math:`X_t` is what all
storages together discharge, at the grid; charging counts negative. A storage of round-trip efficiency
:math:`\eta` loses half of it each way, :math:`r = \sqrt{\eta}`: charging c adds :math:`r c` to what it holds,
discharging d takes :math:`d / r` from it. It may not do both in one hour. At the end it holds at least what it held at
the start, so that nothing is earned by what it was given.

With ``supply="stack"`` the price is not linear: fixed offers in steps serve the load less :math:`X_t`, and the last
step that is accepted makes the price, at an edge between two the lower one.

Agents
------
N storages, ``storage_0`` .. ``storage_{N-1}``, unless `names` are given.

State
-----
The hour ``[B]``, what each storage holds ``[B, N]`` MWh, and of the last hour the price ``[B]`` EUR/MWh and what each
sold ``[B, N]`` MW.

Action
------
``[B, N, 1]``: MW at the grid, discharging positive, charging negative. It is cut to the power, to what the storage
holds or has room for, and so that what it held at the start can still be reached.

Observation
-----------
| index | meaning | unit | low | high |
|---|---|---|---|---|
| 0 | steps so far, of the horizon | 1 | 0 | 1 |
| 1 | last price, at first the first hour's without storages | EUR/MWh | lowest | highest |
| 2 | held by itself | MWh | 0 | largest energy |
| 3 | held by the others | MWh | 0 | all energy |
| 4 | own power | MW | lowest | highest |
| 5 | own energy | MWh | lowest | highest |
| 6 | own efficiency one way, r | 1 | lowest | 1 |
| 7 .. 6 + `window` | prices without storages, from now on; 0 after the end | EUR/MWh | lowest or 0 | highest or 0 |

Reward
------
Price times what is sold, EUR; what is bought counts negative.

Starting state
--------------
Each storage holds `start`.

Episode end
-----------
Terminated after `horizon` hours.

Parameters
----------
intercept : a, price without storages hour by hour, EUR/MWh; after the last hour the first follows.
slope : b > 0, fall of the price a MW, EUR/MWh per MW; one number or one an hour.
supply : ``"linear"``, the price of `intercept` and `slope`; ``"stack"``, that of `load` and `offers`.
load : MW, hour by hour, with ``supply="stack"`` alone; as long as may be, like `intercept`.
offers : pairs of a price, EUR/MWh, and MW, from the cheapest on, with ``supply="stack"`` alone. They serve the load
  also while all storages charge.
names : of the storages, such as those of real plants.
power, energy : one number a storage, MW and MWh, positive.
efficiency : round trip, in (0, 1]; one number or one a storage.
start : held at first, MWh; one number or one a storage.
window : hours whose intercepts are seen.
horizon : T, hours.
discount : weight of the next reward in a learner's objective, in [0, 1).

Solution
--------
The open-loop Nash equilibrium, in which schedules are fixed at the start, and the schedule of price takers, each the
optimum of one concave programme (`walras.markets.electricity.storage_programme`). The programme lets a storage charge
and discharge in one hour, which can pay at negative prices and which the game forbids. Where that happens, what `solve`
returns is no equilibrium, and is not called one. `walras.equilibria.gap` compares with the best schedule against what
the others played: exact where they do not react to prices or to others, as open-loop schedules do not. The scripted
rule is the schedule of price takers.

Against a stack, price takers follow the optimum of a linear programme, at the duals of its balances; at an edge these
lie between the two steps, and the distance of price takers is measured there. The best schedule chooses a step an hour
(`walras.markets.electricity.storage_stack`); its profit is a supremum, approached as an edge is. No Nash equilibrium
is claimed: `solve` returns the price takers, and says whether they are one.

References
----------
[1] R. Sioshansi, Welfare impacts of electricity storage and the implications of ownership structure, Energy Journal 31,
2010.

Version history
---------------
v0: first version.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal, final, get_args

import numpy as np
from gymnasium.spaces import Box

from walras.core.checks import (
    as_floats,
    as_names,
    as_numbers,
    per_agent,
    require,
    require_each,
    require_episode,
    require_known,
    require_numbers,
    require_whole,
)
from walras.core.game import AbstractGame, End, State, Step
from walras.core.typing import Floats, Image, Ints

if TYPE_CHECKING:
    from walras.markets.electricity.storage_programme import Device
    from walras.markets.electricity.storage_stack import Competitive, Stack

Supply = Literal["linear", "stack"]
MORNING = (34.0, 31.0, 29.0, 28.0, 29.0, 33.0, 41.0, 50.0, 54.0, 52.0, 48.0, 45.0)
"""EUR/MWh, a day's first half without storages: low at night, high in the morning."""
DAY = (*MORNING, 42.0, 40.0, 39.0, 41.0, 47.0, 58.0, 69.0, 74.0, 70.0, 60.0, 48.0, 40.0)
LOAD = tuple(5 * price for price in DAY)
"""MW: the load of that day."""
OFFERS = ((10.0, 150.0), (20.0, 80.0), (40.0, 80.0), (60.0, 80.0), (90.0, 160.0))
"""EUR/MWh and MW."""


@dataclass(frozen=True)
class StorageState(State):
    """What storages hold, and the last hour."""

    hour: Ints  # [B] steps so far
    held: Floats  # [B, N] MWh
    price: Floats  # [B] EUR/MWh
    sold: Floats  # [B, N] MW, discharging positive


@final
@dataclass(frozen=True)
class StorageMarket(AbstractGame[StorageState]):
    """Competition of storages over the hours of a day.

    Raises
    ------
    ValueError
        If a parameter has the wrong length, sign or range; a storage that starts with more than it can hold is named.
        If a parameter of the other supply is given, or a load that offers and storages could not balance.
    """

    unit: ClassVar[str] = "EUR"

    intercept: tuple[float, ...] = DAY  # [H] EUR/MWh
    slope: tuple[float, ...] | float = 0.1  # [H] EUR/MWh per MW
    power: tuple[float, ...] = (60.0, 60.0)  # [N] MW at the grid
    energy: tuple[float, ...] = (180.0, 120.0)  # [N] MWh
    efficiency: tuple[float, ...] | float = 0.81  # [N] round trip
    start: tuple[float, ...] | float = 0.0  # [N] MWh
    window: int = 6  # hours
    horizon: int = 24
    discount: float = 0.99
    supply: Supply = "linear"
    load: tuple[float, ...] = ()  # [H] MW
    offers: tuple[tuple[float, float], ...] = ()  # [K] EUR/MWh and MW
    names: tuple[str, ...] = ()  # [N]

    def __post_init__(self) -> None:
        require_numbers(self)
        require_episode(self.horizon, self.discount)
        require_known(self.supply, "supply", get_args(Supply))
        require_whole(self.window, "window")
        hours, count = np.size(self.intercept), np.size(self.power)
        object.__setattr__(self, "names", as_names(self.names, count))
        for name, length in dict(intercept=hours, slope=hours, power=count, energy=count).items():
            object.__setattr__(self, name, per_agent(name, getattr(self, name), length))
        for name in ("efficiency", "start"):
            object.__setattr__(self, name, per_agent(name, getattr(self, name), count))
        given = np.array(self.intercept)
        require_each(np.isfinite(given), "intercept", "be finite", given)
        for name in ("slope", "power", "energy"):
            value = np.array(getattr(self, name))
            require_each((value > 0) & (value < np.inf), name, "be positive and finite", value)
        efficiency, start = np.array(self.efficiency), np.array(self.start)
        require_each((efficiency > 0) & (efficiency <= 1), "efficiency", "lie in (0, 1]", efficiency)
        for i in range(count):
            rule = f"lie in [0, {self.full[i]:g}], what {self.agents[i]} can hold"
            require(bool(0 <= start[i] <= self.full[i]), "start", rule, float(start[i]))
        self._check_linear() if self.supply == "linear" else self._check_stack()

    def _check_linear(self) -> None:
        for name in ("load", "offers"):
            require(not getattr(self, name), name, 'be left out, unless `supply` is "stack"', getattr(self, name))

    def _check_stack(self) -> None:
        """Fill in load and offers, and refuse those that could not be balanced, with the hour."""
        for name, default in dict(intercept=DAY, slope=(0.1,) * len(DAY)).items():
            rule = 'be left out where `supply` is "stack"'
            require(getattr(self, name) == default, name, rule, getattr(self, name))
        object.__setattr__(self, "offers", _pairs(self.offers or OFFERS))
        given = as_floats("load", self.load or LOAD, 1)
        object.__setattr__(self, "load", tuple(given.tolist()))
        price, quantity = np.array(self.offers).T
        require_each(np.isfinite(price), "offers", "have finite prices", price)
        require_each((quantity > 0) & (quantity < np.inf), "offers", "have positive and finite MW", quantity)
        require(bool((np.diff(price) >= 0).all()), "offers", "stand from the cheapest on", self.offers)
        power, offered = self.most.sum(), quantity.sum()
        rule = f"exceed {power:g} MW, what all storages can discharge"
        require_each((given > power) & (given < np.inf), "load", rule, given)
        rule = f"be at most {offered - power:g} MW, or {offered:g} MW of offers do not serve it while all charge"
        require_each(given <= offered - power, "load", rule, given)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """Their `names`; ``storage_0`` .. ``storage_{N-1}`` by default."""
        return self.names or tuple(f"storage_{i}" for i in range(np.size(self.power)))

    @property
    def ends(self) -> End:
        """The day is over."""
        return "rule"

    @cached_property
    def a(self) -> Floats:
        """The price without storages in each hour of an episode, ``[T]`` EUR/MWh: the intercept, if it is linear."""
        if self.supply == "stack":
            return self.stack.price_at(self.drawn)
        return np.array(self.intercept).take(np.arange(self.horizon), mode="wrap")

    @cached_property
    def b(self) -> Floats:
        """The slope of each hour of an episode, ``[T]`` EUR/MWh per MW."""
        return np.array(self.slope).take(np.arange(self.horizon), mode="wrap")

    @cached_property
    def drawn(self) -> Floats:
        """The load of each hour of an episode, ``[T]`` MW, where offers serve one."""
        return np.array(self.load).take(np.arange(self.horizon), mode="wrap")

    @cached_property
    def stack(self) -> "Stack":
        """The offers, where there are any."""
        from walras.markets.electricity.storage_stack import Stack  # scipy: only where it is used

        return Stack(*np.array(self.offers).T)

    def prices(self, hour: Ints, total: Floats | float) -> Floats:
        """Return the price in ``hour [...]`` if storages together sell ``total [...]`` MW, EUR/MWh."""
        if self.supply == "stack":
            return self.stack.price_at(self.drawn[hour] - total)
        return self.a[hour] - self.b[hour] * total

    def surplus(self, total: Floats) -> Floats:
        """Return what all gain in an episode in which storages together sell ``total [T, ...]`` MW, ``[...]`` EUR.

        It is the area under the demand for it, or the cost that offers save.
        """
        each = (self.horizon,) + (1,) * (total.ndim - 1)
        if self.supply == "stack":
            drawn = self.drawn.reshape(each)
            return np.sum(self.stack.cost(drawn) - self.stack.cost(drawn - total), axis=0)
        return np.sum((self.a.reshape(each) - self.b.reshape(each) * total / 2) * total, axis=0)

    @cached_property
    def most(self) -> Floats:
        """P, ``[N]`` MW."""
        return np.array(self.power)

    @cached_property
    def full(self) -> Floats:
        """E, ``[N]`` MWh."""
        return np.array(self.energy)

    @cached_property
    def one_way(self) -> Floats:
        """r, ``[N]``: the share that is left, of what is charged and of what is discharged."""
        return np.sqrt(np.array(self.efficiency))

    @cached_property
    def first(self) -> Floats:
        """What each holds at the start, ``[N]`` MWh."""
        return np.array(self.start)

    @cached_property
    def price_limits(self) -> tuple[float, float]:
        """The lowest and the highest price that storages can make, EUR/MWh."""
        hours, reach = np.arange(self.horizon), self.most.sum()
        return float(self.prices(hours, reach).min()), float(self.prices(hours, -reach).max())

    @cached_property
    def devices(self) -> "list[Device]":
        """The storages, as their programmes take them."""
        from walras.markets.electricity.storage_programme import Device

        own = zip(self.most, self.full, self.one_way, self.first, strict=True)
        return [Device(*(float(part) for part in each)) for each in own]

    @cached_property
    def observation_space(self) -> Box:
        """See the module's table."""
        (lowest, highest), ahead = self.price_limits, np.ones(self.window)
        own = (self.most, self.full, self.one_way)
        low = [0.0, lowest, 0.0, 0.0, *(part.min() for part in own), *(min(self.a.min(), 0.0) * ahead)]
        high = [1.0, highest, self.full.max(), self.full.sum(), *(part.max() for part in own)]
        high += [*(max(self.a.max(), 0.0) * ahead)]
        return Box(np.array(low), np.array(high), dtype=np.float64)

    @cached_property
    def action_space(self) -> Box:
        """MW at the grid."""
        top = self.most.max()
        return Box(-top, top, (1,), dtype=np.float64)

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        """Nothing is drawn: ``[steps, 0]``."""
        return np.empty((steps, 0))

    def reset(self, noise: Floats) -> StorageState:
        """Start with what each holds at first."""
        rows, count = len(noise), len(self.agents)
        held = np.broadcast_to(self.first, (rows, count)).copy()
        return StorageState(np.zeros(rows, dtype=np.int64), held, np.full(rows, self.a[0]), np.zeros((rows, count)))

    def step(self, state: StorageState, action: Floats, noise: Floats) -> Step[StorageState]:
        """Trade one hour."""
        sold, held = self.traded(state.hour, state.held, action[:, :, 0])
        hour = np.minimum(state.hour, self.horizon - 1)
        price = self.prices(hour, np.add.reduce(sold, axis=1))
        after = StorageState(state.hour + 1, held, price, sold)
        return Step(after, price[:, None] * sold, after.hour >= self.horizon)

    def traded(self, hour: Ints, held: Floats, wanted: Floats) -> tuple[Floats, Floats]:
        """Return what is sold, ``[B, N]`` MW, and held afterwards, MWh, of what is ``wanted [B, N]`` MW.

        Where too little would be left to reach what was held at the start, a storage charges.
        """
        left = np.maximum(self.horizon - 1 - hour, 0)[:, None]  # hours after this one
        needed = np.maximum(self.first - left * (self.one_way * self.most), 0.0)
        room, spare = (self.full - held) / self.one_way, held - needed
        low = -np.minimum(self.most, np.maximum(room, 0.0))
        high = np.where(spare >= 0, np.minimum(self.most, spare * self.one_way), spare / self.one_way)
        sold = np.maximum(np.minimum(wanted, high), low)
        moved = np.where(sold > 0, sold / self.one_way, sold * self.one_way)
        return sold, np.minimum(np.maximum(held - moved, 0.0), self.full)

    def observe(self, state: StorageState) -> Floats:
        """Show each storage the hour, the last price, what is held, itself, and prices to come."""
        rows, count = state.held.shape
        observation = np.empty((rows, count, 7 + self.window))
        observation[:, :, 0] = np.minimum(state.hour / self.horizon, 1.0)[:, None]
        observation[:, :, 1] = state.price[:, None]
        observation[:, :, 2] = state.held
        others = np.add.reduce(state.held, axis=1)[:, None] - state.held
        observation[:, :, 3] = np.maximum(others, 0.0)
        observation[:, :, 4], observation[:, :, 5], observation[:, :, 6] = self.most, self.full, self.one_way
        padded = np.append(self.a, np.zeros(self.window))
        ahead = np.minimum(state.hour[:, None] + np.arange(self.window), len(padded) - 1)
        observation[:, :, 7:] = padded[ahead][:, None]
        return observation

    def scripted(self, observation: Floats) -> Floats:
        """Follow the schedule of price takers."""
        return self.scheduled(self.schedules(0.0), observation)

    def scheduled(self, schedule: Floats, observation: Floats) -> Floats:
        """Return the actions ``[B, N, 1]`` of ``schedule [T, N]`` MW at what is seen."""
        hour = np.rint(observation[:, 0, 0] * self.horizon).astype(np.int64)
        return schedule[np.minimum(hour, self.horizon - 1)][:, :, None]

    def schedules(self, theta: float) -> Floats:
        """Return what storages sell, ``[T, N]`` MW: price takers, theta 0, or those of the open-loop Nash, theta 1.

        Against a stack they are price takers, whatever theta is.
        """
        if theta not in self._found:
            self._found[theta] = self.realised(self._wanted(theta))
        return self._found[theta]

    def supporting(self, total: Floats) -> Floats:
        """Return the prices ``[T]`` that price takers face if storages together sell ``total [T]`` MW, EUR/MWh.

        Where offers leave an interval, it is the point nearest to the price of the competitive programme.
        """
        if self.supply == "linear":
            return self.prices(np.arange(self.horizon), total)
        left = self.drawn - total
        return np.clip(self._takers.price, self.stack.price_at(left), self.stack.next_price(left))

    def _wanted(self, theta: float) -> Floats:
        if self.supply == "stack":
            return self._takers.sold
        from walras.markets.electricity.storage_programme import schedules  # clarabel: only where it is used

        return schedules(self.a, self.b, self.most, self.full, self.one_way, self.first, theta)

    @cached_property
    def _takers(self) -> "Competitive":
        from walras.markets.electricity.storage_stack import competitive

        return competitive(self.stack, self.drawn, self.devices)

    def realised(self, wanted: Floats) -> Floats:
        """Return what is sold, ``[T, N]`` MW, of what is ``wanted [T, N]``, after all cuts."""
        held, sold = self.first[None], np.empty_like(wanted)
        for hour in range(self.horizon):
            now, held = self.traded(np.array([hour]), held, wanted[hour : hour + 1])
            sold[hour] = now[0]
        return sold

    @cached_property
    def _found(self) -> dict[float, Floats]:
        return {}

    def text(self, state: StorageState) -> str:
        """List what storages sold and hold."""
        from walras.envs.electricity.pictures import bars

        hour, held = int(state.hour[0]), ", ".join(f"{level:.1f}" for level in state.held[0])
        title = f"hour {hour} of {self.horizon}, last price {state.price[0]:.2f} EUR/MWh, held {held} MWh"
        return "\n".join([title, *bars(self.agents, state.sold[0])])

    def image(self, state: StorageState) -> Image:
        """Draw what is held, and the intercepts with the hour."""
        from walras.envs.electricity.storage_pictures import draw_storages

        return draw_storages(self.agents, self.a, int(state.hour[0]), state.held[0], self.full, float(state.price[0]))


def _pairs(offers: object) -> tuple[tuple[float, float], ...]:
    """Return offers as pairs of numbers.

    Raises
    ------
    ValueError
        If they are no such pairs.
    """
    values = as_numbers("offers", offers)  # type: ignore[arg-type] - it is checked
    rule = "hold pairs of a price, EUR/MWh, and MW"
    require(values.ndim == 2 and values.shape[1] == 2, "offers", rule, offers)
    return tuple((float(price), float(most)) for price, most in values)
