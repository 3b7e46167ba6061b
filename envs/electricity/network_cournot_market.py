r"""Network Cournot market: owners of units on a transmission network choose quantities, each bus has its price.

Description
-----------
N owners decide at the same time how much each of their units produces. Consumers at bus n buy :math:`D_n` at the price
:math:`p_n = a_n - b_n D_n`. The system operator, or traders who take prices, move power over the lines to where it is
worth most, within their limits (`walras.markets.electricity.elastic_network`). Unit k pays
:math:`c_k x_k + d_k x_k^2 / 2` and earns the price at its bus. The stage game is repeated; each owner sees the last
outcome.

Agents
------
The owners of `plants`, in the order in which they first appear.

State
-----
The last outputs ``[B, N, A]`` MW, the prices at the n buses ``[B, n]`` EUR/MWh and the prices of the L lines ``[B, L]``
EUR/MWh. A is the most units of an owner; an owner of fewer has units without capacity at the end.

Action
------
``[B, N, A]``: output of each unit, MW, from 0 to the largest capacity. A unit that is asked for more than its capacity
produces its capacity.

Observation
-----------
| index | meaning | unit | low | high |
|---|---|---|---|---|
| 0 .. A - 1 | own last outputs | MW | 0 | largest capacity |
| A .. 2A - 1 | last prices at the own units' buses, cut at the bound | EUR/MWh | - bound | bound |
| 2A .. 3A - 1 | own marginal costs at zero | EUR/MWh | 0 | highest |
| 3A .. 4A - 1 | own slopes of marginal cost | EUR/MWh per MW | 0 | highest |
| 4A .. 5A - 1 | own capacities | MW | 0 | largest capacity |
| 5A | the others' last total | MW | 0 | total capacity |

The bound of prices holds at all buses with consumers; without limits on lines it is not reached.

Reward
------
Profit, EUR per hour: :math:`\sum_k p_{n(k)} x_k - c_k x_k - d_k x_k^2 / 2` over the own units.

Starting state
--------------
Last outputs drawn evenly between zero and each unit's capacity.

Episode end
-----------
Never terminated; truncated after `horizon` steps.

Parameters
----------
plants : the units, each with an owner, a bus, a cost, its slope and a capacity.
consumers : linear demand at buses.
wires : the lines, each with a susceptance and a limit; they join all buses.
horizon : steps an episode.
discount : weight of the next reward in a learner's objective, in [0, 1).

Solution
--------
The equilibrium in which each owner conjectures that the others' outputs and all differences of prices stay, so that its
output moves the level of all prices alone [1]_: one concave programme, and unique in prices
(`walras.markets.electricity.elastic_programme`). `walras.equilibria.gap` measures the distance from it with
``concept="price differences"``, exactly. It is no Nash equilibrium of the market that is cleared again after a
deviation: with a line without capacity a monopolist still conjectures that the demand of all buses answers it. Of that
market ``concept="nash"`` measures the distance: exactly where an owner has one unit. In general no pure one exists, for
an owner may prefer to congest a line [2]_, and none is looked for. The scripted rule is that of price takers, the
welfare optimum.

References
----------
[1] C. Metzler, B. F. Hobbs, J.-S. Pang, Nash-Cournot equilibria in power markets on a linearized DC network with
arbitrage, Networks and Spatial Economics 3, 2003.
[2] S. Borenstein, J. Bushnell, S. Stoft, The competitive effects of transmission capacity in a deregulated electricity
industry, RAND Journal of Economics 31, 2000.

Version history
---------------
v0: first version.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from gymnasium.spaces import Box

from walras.core.checks import require, require_episode, require_numbers
from walras.core.game import AbstractGame, State, Step
from walras.core.typing import Floats, Image, Ints
from walras.markets.electricity.elastic_network import Consumers, ElasticNetwork, Plant, Wire


@dataclass(frozen=True)
class NetworkCournotState(State):
    """The last outcome."""

    output: Floats  # [B, N, A] MW
    price: Floats  # [B, n] EUR/MWh
    line_price: Floats  # [B, L] EUR/MWh


@final
@dataclass(frozen=True)
class NetworkCournotMarket(AbstractGame[NetworkCournotState]):
    """Quantity competition on a network with linear demand at buses.

    Raises
    ------
    ValueError
        If there is no unit or no consumer, a bus is unknown, the network is in two parts, or lines may be too small for
        units at buses without consumers.
    """

    unit: ClassVar[str] = "EUR"

    plants: tuple[Plant, ...] = (Plant("west", "W", 10.0, 0.0, 200.0), Plant("east", "E", 30.0, 0.0, 200.0))
    consumers: tuple[Consumers, ...] = (Consumers("W", 100.0, 1.0), Consumers("E", 120.0, 0.5))
    wires: tuple[Wire, ...] = (Wire("W", "E", limit=10.0),)
    horizon: int = 24
    discount: float = 0.0  # nothing done now moves later rewards

    def __post_init__(self) -> None:
        require_numbers(self)
        require_episode(self.horizon, self.discount)
        require(len(self.plants) > 0, "plants", "hold at least one unit", self.plants)
        require(bool(self._capacity.max() > 0), "plants", "have some capacity", self.plants)
        self.network.require_outlet(self.bus, self._capacity)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """The owners."""
        return tuple(dict.fromkeys(plant.owner for plant in self.plants))

    @cached_property
    def network(self) -> ElasticNetwork:
        """The lines and the consumers."""
        return ElasticNetwork(self.wires, self.consumers)

    @cached_property
    def bus(self) -> Ints:
        """Positions of the units' buses in `network`, ``[K]``."""
        return self.network.positions([plant.bus for plant in self.plants])

    @cached_property
    def owner(self) -> Ints:
        """Who owns each unit, ``[K]``."""
        return np.array([self.agents.index(plant.owner) for plant in self.plants], dtype=np.int64)

    @cached_property
    def units(self) -> Ints:
        """The units of each owner, ``[N, A]``; -1 where it has no more."""
        each = [np.flatnonzero(self.owner == agent) for agent in range(len(self.agents))]
        most = max(map(len, each))
        return np.stack([np.pad(own, (0, most - len(own)), constant_values=-1) for own in each])

    @cached_property
    def cost(self) -> Floats:
        """c, ``[N, A]`` EUR/MWh."""
        return self._by_owner("cost")

    @cached_property
    def cost_slope(self) -> Floats:
        """d, ``[N, A]`` EUR/MWh per MW."""
        return self._by_owner("cost_slope")

    @cached_property
    def capacity(self) -> Floats:
        """K, ``[N, A]`` MW; 0 where an owner has no more units."""
        return self._by_owner("capacity")

    @cached_property
    def price_limit(self) -> float:
        """No price at a bus with consumers is further from zero, EUR/MWh.

        Consumption is the nearest to w a, in the norm of b, that the network allows; consuming at each bus what is
        produced there, and all of what is sent from buses without consumers, is no nearer.
        """
        network, most = self.network, np.zeros(len(self.network.buses))
        np.add.at(most, self.bus, self._capacity)
        used = network.weight > 0
        a, b = network.intercept[used], 1 / network.weight[used]
        lowest = a - b * (most[used] + most[~used].sum())
        return float(np.sqrt(b.max() * np.sum(np.maximum(a**2, lowest**2) / b)))

    @cached_property
    def observation_space(self) -> Box:
        """See the module's table."""
        ones, top = np.ones(self.cost.shape[1]), self._capacity.max()
        low = np.concatenate([0 * ones, -self.price_limit * ones, np.zeros(3 * len(ones) + 1)])
        parts = (top, self.price_limit, self.cost.max(), self.cost_slope.max(), top)
        high = np.concatenate([*(part * ones for part in parts), [self.capacity.sum()]])
        return Box(low, high, dtype=np.float64)

    @cached_property
    def action_space(self) -> Box:
        """Outputs, MW."""
        return Box(0.0, self._capacity.max(), (self.cost.shape[1],), dtype=np.float64)

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        """Uniform numbers, ``[steps, N, A]``; only a reset uses them."""
        return rng.random((steps, *self.cost.shape))

    def reset(self, noise: Floats) -> NetworkCournotState:
        """Draw the last outputs."""
        return self.cleared(noise * self.capacity)

    def step(self, state: NetworkCournotState, action: Floats, noise: Floats) -> Step[NetworkCournotState]:
        """Sell what the units produce at the prices of their buses."""
        after = self.cleared(np.minimum(action, self.capacity))
        return Step(after, self.profit(after.output, after.price), np.zeros(len(action), dtype=np.bool_))

    def observe(self, state: NetworkCournotState) -> Floats:
        """Show each owner its last outcome and its own units."""
        rows, width = len(state.output), self.cost.shape[1]
        total = np.add.reduce(state.output, axis=2)
        observation = np.empty((rows, len(self.agents), 5 * width + 1))
        observation[:, :, :width] = state.output
        seen = np.minimum(np.maximum(self.own_price(state.price), -self.price_limit), self.price_limit)
        observation[:, :, width : 2 * width] = seen
        observation[:, :, 2 * width : 5 * width] = self._own
        rest = np.add.reduce(total, axis=1, keepdims=True) - total
        observation[:, :, 5 * width] = np.minimum(np.maximum(rest, 0.0), self.observation_space.high[-1])
        return observation

    def scripted(self, observation: Floats) -> Floats:
        """Produce as price takers do, at the welfare optimum."""
        return np.broadcast_to(self.conjectured(0.0), (len(observation), *self.cost.shape)).copy()

    def cleared(self, output: Floats) -> NetworkCournotState:
        """Return the outcome of ``output [B, N, A]``, within the capacities."""
        price, line_price = self.network.clear(self.bus, self.by_unit(output))
        return NetworkCournotState(output, price, line_price)

    def profit(self, output: Floats, price: Floats) -> Floats:
        """Return each owner's profit, ``[B, N]`` EUR/h, of ``output [B, N, A]`` at ``price [B, n]``."""
        margin = self.own_price(price) - self.cost - 0.5 * self.cost_slope * output
        return np.add.reduce(margin * output, axis=2)

    def own_price(self, price: Floats) -> Floats:
        """Return the prices at the units' buses, ``[B, N, A]``, of ``price [B, n]``."""
        return price[:, self.bus[self.units]]

    def by_unit(self, output: Floats) -> Floats:
        """Return ``output [B, N, A]`` unit by unit, ``[B, K]``."""
        agent, place = np.nonzero(self.units >= 0)
        units = np.empty((len(output), len(self.plants)))
        units[:, self.units[agent, place]] = output[:, agent, place]
        return units

    def conjectured(self, theta: float) -> Floats:
        """Return the outputs ``[N, A]`` of price takers, theta 0, or of the conjectural equilibrium, theta 1."""
        if theta not in self._found:
            from walras.markets.electricity.elastic_programme import outputs  # cvxpy: only where it is used

            cost, steep = (np.array([getattr(p, name) for p in self.plants]) for name in ("cost", "cost_slope"))
            found = outputs(self.network, self.bus, self.owner, cost, steep, self._capacity, theta)
            self._found[theta] = np.where(self.units >= 0, found[self.units], 0.0)
        return self._found[theta]

    @cached_property
    def _found(self) -> dict[float, Floats]:
        return {}

    @cached_property
    def _capacity(self) -> Floats:
        return np.array([plant.capacity for plant in self.plants])

    @cached_property
    def _own(self) -> Floats:
        return np.concatenate((self.cost, self.cost_slope, self.capacity), axis=1)

    def _by_owner(self, name: str) -> Floats:
        values = np.array([getattr(plant, name) for plant in self.plants])
        return np.where(self.units >= 0, values[self.units], 0.0)

    def text(self, state: NetworkCournotState) -> str:
        """List the owners' outputs and the prices of the buses."""
        from walras.envs.electricity.pictures import network_text

        return network_text(self.agents, state.output[0].sum(axis=1), self.network.buses, state.price[0])

    def image(self, state: NetworkCournotState) -> Image:
        """Draw the buses by price and the lines by how much of their limits flows."""
        from walras.envs.electricity.network_pictures import draw_network

        output, price = self.by_unit(state.output[:1]), state.price[:1]
        return draw_network(self.network, price[0], self.network.flow(self.bus, output, price)[0])
