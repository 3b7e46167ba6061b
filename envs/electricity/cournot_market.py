r"""Cournot market: firms choose quantities, one price clears them all.

Description
-----------
N firms decide at the same time how much to produce. The price falls with the total,

.. math:: P = a - b \sum_i q_i,

and may be negative. Firm i pays :math:`C_i(q) = c_i q + d_i q^2 / 2`. The stage game is repeated; each firm sees the
last outcome.

Agents
------
N firms, ``firm_0`` .. ``firm_{N-1}``.

State
-----
The last quantities, ``[B, N]`` MW.

Action
------
``[B, N, 1]``: quantity, MW, from 0 to the largest capacity (at most :math:`a / b`, where the price is zero). A firm
asked for more than its own capacity produces its capacity.

Observation
-----------
| index | meaning | unit | low | high |
|---|---|---|---|---|
| 0 | own last quantity | MW | 0 | largest capacity |
| 1 | the others' last total | MW | 0 | total capacity |
| 2 | last price | EUR/MWh | price at total capacity | intercept |
| 3 | own marginal cost at zero | EUR/MWh | lowest | highest |
| 4 | own slope of marginal cost | EUR/MWh per MW | lowest | highest |
| 5 | own capacity | MW | 0 | largest capacity |

Reward
------
Profit, EUR per hour: :math:`P q_i - C_i(q_i)`.

Starting state
--------------
Last quantities drawn evenly between zero and each firm's capacity.

Episode end
-----------
Never terminated; truncated after `horizon` steps.

Parameters
----------
intercept, slope : demand, EUR/MWh and EUR/MWh per MW.
cost, cost_slope, capacity : one number, or one a firm; EUR/MWh, EUR/MWh per MW, MW.
horizon : steps an episode.
discount : weight of the next reward in a learner's objective, in [0, 1).

Solution
--------
The Nash equilibrium of the stage game is unique: the game has the strictly concave exact potential
:math:`\sum_i [(a - c_i) q_i - (b + d_i/2) q_i^2] - b \sum_{i<j} q_i q_j`. `walras.equilibria.solve`
computes it exactly.
The scripted rule is the price taker's: marginal cost equals price.

References
----------
[1] A. Cournot, Recherches sur les principes mathematiques de la theorie des richesses, 1838.
[2] D. Monderer, L. S. Shapley, Potential games, Games and Economic Behavior 14, 1996.

Version history
---------------
v0: first version.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from gymnasium.spaces import Box

from walras.core.checks import per_agent, require, require_each, require_episode, require_numbers
from walras.core.game import AbstractGame, State, Step
from walras.core.typing import Floats, Image
from walras.markets.electricity.oligopoly import meet_demand


@dataclass(frozen=True)
class CournotState(State):
    """The last quantities."""

    quantity: Floats  # [B, N] MW


@final
@dataclass(frozen=True)
class CournotMarket(AbstractGame[CournotState]):
    """Quantity competition with linear inverse demand, quadratic costs and capacities.

    Raises
    ------
    ValueError
        If a parameter has the wrong length or sign, or no firm could sell at a profit.
    """

    unit: ClassVar[str] = "EUR"

    intercept: float = 100.0  # EUR/MWh
    slope: float = 1.0  # EUR/MWh per MW
    cost: tuple[float, ...] = (10.0, 10.0, 10.0)  # [N] EUR/MWh
    cost_slope: tuple[float, ...] | float = 0.0  # [N] EUR/MWh per MW
    capacity: tuple[float, ...] | float = np.inf  # [N] MW
    horizon: int = 24
    discount: float = 0.0  # nothing done now moves later rewards

    def __post_init__(self) -> None:
        require_numbers(self)
        require(0 < self.slope < np.inf, "slope", "be positive and finite", self.slope)
        require_episode(self.horizon, self.discount)
        firms = np.size(self.cost)
        for name in ("cost", "cost_slope", "capacity"):
            object.__setattr__(self, name, per_agent(name, getattr(self, name), firms))
        require_each((self._cost >= 0) & (self._cost < np.inf), "cost", "be finite and not negative", self._cost)
        steep = self._cost_slope
        require_each((steep >= 0) & (steep < np.inf), "cost_slope", "be finite and not negative", steep)
        require_each(self._capacity >= 0, "capacity", "not be negative", self._capacity)
        lowest = min(self._cost)
        require(lowest < self.intercept < np.inf, "intercept", f"exceed the lowest cost {lowest}", self.intercept)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``firm_0`` .. ``firm_{N-1}``."""
        return tuple(f"firm_{i}" for i in range(np.size(self.cost)))

    @cached_property
    def observation_space(self) -> Box:
        """See the module's table."""
        top, total = self.limit.max(), self.limit.sum()
        c, d = self._cost, self._cost_slope
        price = self.intercept - self.slope * total
        low = np.array([0, 0, price, c.min(), d.min(), 0])
        return Box(low, np.array([top, total, self.intercept, c.max(), d.max(), top]), dtype=np.float64)

    @cached_property
    def action_space(self) -> Box:
        """A quantity, MW."""
        return Box(0.0, self.limit.max(), (1,), dtype=np.float64)

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        """Uniform numbers, ``[steps, N]``; only a reset uses them."""
        return rng.random((steps, len(self.agents)))

    def reset(self, noise: Floats) -> CournotState:
        """Draw the last quantities."""
        return CournotState(noise * self.limit)

    def step(self, state: CournotState, action: Floats, noise: Floats) -> Step[CournotState]:
        """Sell what the firms produce at one price."""
        quantity = np.minimum(action[:, :, 0], self.limit)
        return Step(CournotState(quantity), self.profit(quantity), np.zeros(len(quantity), dtype=np.bool_))

    def observe(self, state: CournotState) -> Floats:
        """Show each firm the last outcome and its own costs."""
        quantity = state.quantity
        total = np.add.reduce(quantity, axis=1, keepdims=True)
        observation = np.empty((*quantity.shape, 6))
        observation[:, :, 0] = quantity
        observation[:, :, 1] = total - quantity
        observation[:, :, 2] = self.intercept - self.slope * total
        observation[:, :, 3:] = self._own
        return observation

    def scripted(self, observation: Floats) -> Floats:
        """Produce where marginal cost equals price, as price takers do: the welfare optimum."""
        return np.broadcast_to(self._price_taking[:, None], (*observation.shape[:2], 1)).copy()

    def best_response(self, observation: Floats) -> Floats:
        """Answer the others' last quantities optimally, ``[B, N, 1]``."""
        return self.best_quantity(observation[:, :, 1])[:, :, None]

    def last_action(self, observation: Floats) -> Floats:
        """Return the firms' last quantities, ``[B, N, 1]``."""
        return observation[:, :, :1]

    def profit(self, quantity: Floats) -> Floats:
        """Return each firm's profit, ``[B, N]`` EUR/h, of ``quantity [B, N]``."""
        price = self.intercept - self.slope * np.add.reduce(quantity, axis=1, keepdims=True)
        return quantity * (price - self._cost - self._half_slope * quantity)

    def best_quantity(self, others: Floats) -> Floats:
        """Return the quantity that maximises profit when the others sell ``others [B, N]``."""
        margin = self.intercept - self._cost - self.slope * others
        return np.minimum(np.maximum(margin / (2 * self.slope + self._cost_slope), 0.0), self.limit)

    @cached_property
    def limit(self) -> Floats:
        """What each firm can sell at a price that is not negative, ``[N]`` MW."""
        return np.minimum(self._capacity, self.intercept / self.slope)

    @cached_property
    def _price_taking(self) -> Floats:
        return meet_demand(self.intercept, self.slope, self._cost, self._cost_slope, self.limit)

    @cached_property
    def _cost(self) -> Floats:
        return np.array(self.cost)

    @cached_property
    def _cost_slope(self) -> Floats:
        return np.array(self.cost_slope)

    @cached_property
    def _capacity(self) -> Floats:
        return np.array(self.capacity)

    @cached_property
    def _half_slope(self) -> Floats:
        return 0.5 * self._cost_slope

    @cached_property
    def _own(self) -> Floats:
        return np.stack((self._cost, self._cost_slope, self.limit), axis=1)

    def text(self, state: CournotState) -> str:
        """List the firms' quantities under the price."""
        from walras.envs.electricity.pictures import quantities_text

        quantity = state.quantity[0]
        return quantities_text(self.agents, quantity, float(self.intercept - self.slope * quantity.sum()))

    def image(self, state: CournotState) -> Image:
        """Draw demand, the marginal costs and the last outcome."""
        from walras.envs.electricity.pictures import draw_cournot

        return draw_cournot(self.agents, self.intercept, self.slope, state.quantity[0])
