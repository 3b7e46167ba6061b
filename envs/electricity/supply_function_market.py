r"""Supply function market: firms offer affine supply curves, an uncertain demand picks the price.

Description
-----------
Demand at price p is :math:`n - g p`, with n drawn after the offers are made. Firm i offers the curve
:math:`q_i = \beta_i (p - \alpha_i)` and has the marginal cost :math:`c_i + d_i q`. The price clears the market,

.. math:: p = \frac{n + \sum_j \beta_j \alpha_j}{g + \sum_j \beta_j}.

A negative quantity is a purchase at that price, as by a seller that holds contracts: curves are affine everywhere.

Agents
------
N firms, ``firm_0`` .. ``firm_{N-1}``.

State
-----
The last curves ``[B, N, 2]``, the last price ``[B]`` EUR/MWh and the last quantities ``[B, N]`` MW.

Action
------
``[B, N, 2]``: the intercept :math:`\alpha`, EUR/MWh, from 0 to twice the highest cost (or, where costs are lower, to a
tenth of the highest choke price), and the slope :math:`\beta`, MW per EUR/MWh, from 0 to :math:`1 / \min_j d_j`. A
firm's slope at the equilibrium is below its price taker's :math:`1 / d_i`, so the bound does not bind.

Observation
-----------
| index | meaning | unit | low | high |
|---|---|---|---|---|
| 0 | own last intercept | EUR/MWh | 0 | bound |
| 1 | own last slope | MW per EUR/MWh | 0 | bound |
| 2 | own last quantity | MW | - bound | bound |
| 3 | last price | EUR/MWh | 0 | choke price |
| 4 | the others' last total slope | MW per EUR/MWh | 0 | sum of bounds |
| 5 | own marginal cost at zero | EUR/MWh | lowest | highest |
| 6 | own slope of marginal cost | EUR/MWh per MW | lowest | highest |

Reward
------
Profit, EUR per hour: :math:`p q_i - c_i q_i - d_i q_i^2 / 2`.

Starting state
--------------
Every firm offered its marginal cost at an even draw from the demands.

Episode end
-----------
Never terminated; truncated after `horizon` steps.

Parameters
----------
demand : the equally likely values of n, MW; at least two different ones.
demand_slope : g > 0, MW per EUR/MWh.
cost, cost_slope : one number a firm, c >= 0 in EUR/MWh and d > 0 in EUR/MWh per MW.
horizon : steps an episode.
discount : weight of the next reward in a learner's objective, in [0, 1).

Why demand must be uncertain: against one known n, every line through the optimal point is a best response, so there
is a continuum of equilibria. With two values the best affine answer is unique. Without slopes of cost or of demand
the equilibrium slopes are unbounded; both are refused.

Solution
--------
The linear supply function equilibrium [1]_, unique among affine curves and optimal at every n: with
:math:`S_i = g + \sum_{j \ne i} \beta_j`, :math:`\alpha_i = c_i` and :math:`\beta_i = S_i / (1 + d_i S_i)`.
The scripted rule offers marginal cost: :math:`\alpha_i = c_i`, :math:`\beta_i = 1 / d_i`.

References
----------
[1] P. Klemperer, M. Meyer, Supply function equilibria in oligopoly under uncertainty, Econometrica 57, 1989.
[2] A. Rudkevich, On the supply function equilibrium and its applications in electricity markets, Decision Support
Systems 40, 2005.

Version history
---------------
v0: first version.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from gymnasium.spaces import Box

from walras.core.checks import per_agent, require, require_each, require_episode
from walras.core.game import AbstractGame, State, Step
from walras.core.typing import Floats, Image

ROOM = 1 + 1e-12
"""The observation's bounds are sums and quotients, rounded like the observations: this much more room."""


@dataclass(frozen=True)
class SupplyFunctionState(State):
    """The last auction."""

    curve: Floats  # [B, N, 2] EUR/MWh and MW per EUR/MWh: intercept and slope
    price: Floats  # [B] EUR/MWh
    quantity: Floats  # [B, N] MW


@final
@dataclass(frozen=True)
class SupplyFunctionMarket(AbstractGame[SupplyFunctionState]):
    """Competition in affine supply functions against linear demand of uncertain level.

    Raises
    ------
    ValueError
        If a parameter has the wrong length or sign, or the demand has fewer than two different values.
    """

    demand: tuple[float, ...] = (40.0, 60.0, 100.0)  # MW at price zero, equally likely
    demand_slope: float = 0.7  # MW per EUR/MWh
    cost: tuple[float, ...] = (10.0, 12.0, 9.0)  # [N] EUR/MWh
    cost_slope: tuple[float, ...] | float = (0.5, 0.8, 1.2)  # [N] EUR/MWh per MW
    horizon: int = 24
    discount: float = 0.0  # nothing done now moves later rewards

    def __post_init__(self) -> None:
        firms = np.size(self.cost)
        for name in ("cost", "cost_slope"):
            object.__setattr__(self, name, per_agent(name, getattr(self, name), firms))
        object.__setattr__(self, "demand", tuple(float(n) for n in np.atleast_1d(self.demand)))
        require_episode(self.horizon, self.discount)
        require(0 < self.demand_slope < np.inf, "demand_slope", "be positive and finite", self.demand_slope)
        require_each((self._d > 0) & (self._d < np.inf), "cost_slope", "be positive and finite", self._d)
        require_each((self._c >= 0) & (self._c < np.inf), "cost", "be finite and not negative", self._c)
        require_each((self._n > 0) & (self._n < np.inf), "demand", "be positive and finite", self._n)
        require(len(set(self.demand)) > 1, "demand", "have at least two different values", self.demand)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``firm_0`` .. ``firm_{N-1}``."""
        return tuple(f"firm_{i}" for i in range(np.size(self.cost)))

    @cached_property
    def observation_space(self) -> Box:
        """See the module's table."""
        (intercept, slope), choke = self.action_space.high, self._n.max() / self.demand_slope
        top = max(choke, intercept)
        low = np.array([0, 0, -slope * intercept, 0, 0, self._c.min() / ROOM, self._d.min() / ROOM])
        rivals = slope * (len(self.agents) - 1)
        high = np.array([intercept, slope, slope * top, top, rivals, self._c.max(), self._d.max()])
        return Box(low * ROOM, high * ROOM, dtype=np.float64)

    @cached_property
    def action_space(self) -> Box:
        """An intercept, EUR/MWh, and a slope, MW per EUR/MWh."""
        intercept = max(2 * self._c.max(), 0.1 * self._n.max() / self.demand_slope)
        return Box(np.zeros(2), np.array([intercept, 1 / self._d.min()]), dtype=np.float64)

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        """One uniform number a step, ``[steps]``: which demand comes."""
        return rng.random(steps)

    def reset(self, noise: Floats) -> SupplyFunctionState:
        """Offer marginal cost once."""
        curve = np.broadcast_to(self._truthful, (len(noise), *self._truthful.shape)).copy()
        return self._clear(curve, noise)

    def step(self, state: SupplyFunctionState, action: Floats, noise: Floats) -> Step[SupplyFunctionState]:
        """Draw the demand and clear the curves."""
        after = self._clear(action, noise)
        margin = after.price[:, None] - self._c - self._half_d * after.quantity
        return Step(after, after.quantity * margin, np.zeros(len(noise), dtype=np.bool_))

    def observe(self, state: SupplyFunctionState) -> Floats:
        """Show each firm the last outcome and its own costs."""
        slope = state.curve[:, :, 1]
        observation = np.empty((*slope.shape, 7))
        observation[:, :, :2] = state.curve
        observation[:, :, 2] = state.quantity
        observation[:, :, 3] = state.price[:, None]
        observation[:, :, 4] = np.add.reduce(slope, axis=1, keepdims=True) - slope
        observation[:, :, 5:] = self._own
        return observation

    def scripted(self, observation: Floats) -> Floats:
        """Offer marginal cost."""
        return np.broadcast_to(self._truthful, (len(observation), *self._truthful.shape)).copy()

    def best_response(self, observation: Floats) -> Floats:
        """Answer the others' last slopes optimally at every demand, ``[B, N, 2]``."""
        response = np.empty((*observation.shape[:2], 2))
        response[:, :, 0] = self._c
        response[:, :, 1] = self.best_slope(observation[:, :, 4])
        return response

    def last_action(self, observation: Floats) -> Floats:
        """Return the firms' last curves, ``[B, N, 2]``."""
        return observation[:, :, :2]

    def best_slope(self, others: Floats) -> Floats:
        """Return the slope that is optimal at every demand when the others' slopes sum to ``others [..., N]``."""
        residual = self.demand_slope + others
        return residual / (1 + self._d * residual)

    def profit(self, curve: Floats) -> Floats:
        """Return the profit of each firm at each demand, ``[B, V, N]`` EUR/h, of ``curve [B, N, 2]``."""
        price = self.price(curve, self._n)[:, :, None]
        quantity = curve[:, None, :, 1] * (price - curve[:, None, :, 0])
        return quantity * (price - self._c - 0.5 * self._d * quantity)

    def best_profit(self, curve: Floats) -> Floats:
        r"""Return each firm's largest profit at each demand, ``[B, V, N]``, against the others' ``curve [B, N, 2]``.

        Against the others, firm i faces the demand :math:`n' - S_i p` with
        :math:`n' = n + \sum_{j \ne i} \beta_j \alpha_j`; the optimal quantity is
        :math:`(n' - S_i c_i) / (2 + S_i d_i)`.
        """
        level, slope = curve.prod(axis=2), curve[:, :, 1]
        residual = self.demand_slope + slope.sum(axis=1, keepdims=True) - slope
        base = self._n[:, None] + (level.sum(axis=1, keepdims=True) - level)[:, None, :]
        residual = residual[:, None, :]
        quantity = (base - residual * self._c) / (2 + residual * self._d)
        price = (base - quantity) / residual
        return quantity * (price - self._c - 0.5 * self._d * quantity)

    def price(self, curve: Floats, demand: Floats) -> Floats:
        """Return the clearing price of ``curve [B, N, 2]`` at ``demand [V]``, ``[B, V]`` EUR/MWh."""
        slope = curve[:, :, 1]
        offered, slope = np.add.reduce(curve[:, :, 0] * slope, axis=1), np.add.reduce(slope, axis=1)
        return (demand + offered[:, None]) / (self.demand_slope + slope[:, None])

    def _clear(self, curve: Floats, noise: Floats) -> SupplyFunctionState:
        """Meet an even draw from the demands."""
        intercept, slope = curve[:, :, 0], curve[:, :, 1]
        demand = self._n.take((noise * len(self._n)).astype(np.int64))
        offered = np.add.reduce(intercept * slope, axis=1)
        price = (demand + offered) / (self.demand_slope + np.add.reduce(slope, axis=1))
        return SupplyFunctionState(curve, price, slope * (price[:, None] - intercept))

    @cached_property
    def _n(self) -> Floats:
        return np.array(self.demand)

    @cached_property
    def _c(self) -> Floats:
        return np.array(self.cost)

    @cached_property
    def _d(self) -> Floats:
        return np.array(self.cost_slope)

    @cached_property
    def _half_d(self) -> Floats:
        return 0.5 * self._d

    @cached_property
    def _own(self) -> Floats:
        return np.stack((self._c, self._d), axis=1)

    @cached_property
    def _truthful(self) -> Floats:
        return np.stack((self._c, 1 / self._d), axis=1)

    def text(self, state: SupplyFunctionState) -> str:
        """List the firms' quantities under the price."""
        from walras.envs.electricity.pictures import quantities_text

        return quantities_text(self.agents, state.quantity[0], float(state.price[0]))

    def image(self, state: SupplyFunctionState) -> Image:
        """Draw the offered curves, their sum and the clearing point."""
        from walras.envs.electricity.pictures import draw_supply_functions

        return draw_supply_functions(self.agents, state.curve[0], float(state.price[0]))
