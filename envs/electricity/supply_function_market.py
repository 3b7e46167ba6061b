r"""Supply function market: firms offer affine supply curves, an uncertain demand picks the price.

Description
-----------
Demand at price p is :math:`n - g p`, with n drawn after the offers are made. Firm i offers the curve
:math:`q_i = \beta_i (p - \alpha_i)` and has the marginal cost :math:`c_i + d_i q`. The price clears the market,

.. math:: p = \frac{n + \sum_j \beta_j \alpha_j}{g + \sum_j \beta_j}.

A negative quantity is a purchase at that price, as by a seller that holds contracts: curves are affine everywhere. With
capacities :math:`K_i` a curve is cut instead, :math:`q_i = \min(\max(\beta_i (p - \alpha_i), 0), K_i)`.

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
capacity : K, MW, one number or one a firm; none by default, where curves are affine everywhere.

Why demand must be uncertain: against one known n, every line through the optimal point is a best response, so there
is a continuum of equilibria. With two values the best affine answer is unique. Without slopes of cost or of demand
the equilibrium slopes are unbounded; both are refused.

Solution
--------
The linear supply function equilibrium [1]_, unique among affine curves and optimal at every n: with
:math:`S_i = g + \sum_{j \ne i} \beta_j`, :math:`\alpha_i = c_i` and :math:`\beta_i = S_i / (1 + d_i S_i)`.
The scripted rule offers marginal cost: :math:`\alpha_i = c_i`, :math:`\beta_i = 1 / d_i`.

With capacities the others' supply bends, and no closed form is known: firms answer in turn by the best curve found,
and `walras.equilibria.gap` bounds what is left to gain from both sides. Curves that leave nothing are an equilibrium;
where the ends stay apart `solve` says so. Of firms with equal constant cost against inelastic demand
`walras.equilibria.electricity.supply_function.scarcity_price` is the closed form [3]_; their curves are not affine.

References
----------
[1] P. Klemperer, M. Meyer, Supply function equilibria in oligopoly under uncertainty, Econometrica 57, 1989.
[2] A. Rudkevich, On the supply function equilibrium and its applications in electricity markets, Decision Support
Systems 40, 2005.
[3] P. Holmberg, Unique supply function equilibrium with capacity constraints, Energy Economics 30, 2008.

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
from walras.core.typing import Bools, Floats, Image

ROOM = 1 + 1e-12
"""The observation's bounds are sums and quotients, rounded like the observations: this much more room."""


def crossing(curve: Floats, limit: Floats, slope: float, demand: Floats) -> Floats:
    """Return the price at which curves that are cut at 0 and at capacities meet linear demand.

    Parameters
    ----------
    curve : ndarray
        ``[..., N, 2]``: intercepts, EUR/MWh, and slopes, MW per EUR/MWh.
    limit : ndarray
        ``[N]`` MW.
    slope : float
        g > 0, MW per EUR/MWh.
    demand : ndarray
        ``[...]`` MW at price zero; leading axes are those of `curve`, or fit them.

    Notes
    -----
    Supply less demand rises with the price. It is below zero at as many kinks as lie below the price; between the last
    of these and the next, who rises and who is full is known, and so is the price.
    """
    kinks = np.sort(_kinks(curve, limit), axis=-1)  # [..., 2 N]
    supplied = np.add.reduce(_cut(curve[..., None, :, :], limit, kinks[..., None]), axis=-1)
    below = supplied + slope * kinks < demand[..., None]
    count = np.add.reduce(below, axis=-1)[..., None]
    width = kinks.shape[-1]
    kinks = np.broadcast_to(kinks, below.shape)
    start = np.take_along_axis(kinks, np.maximum(count - 1, 0), axis=-1)
    end = np.take_along_axis(kinks, np.minimum(count, width - 1), axis=-1)
    inside = np.where(count == 0, end - 1, np.where(count == width, start + 1, (start + end) / 2))
    offered = curve[..., 1] * (inside - curve[..., 0])
    rising = (offered > 0) & (offered < limit)
    fixed = np.add.reduce(np.where(offered >= limit, limit, 0.0), axis=-1)
    level = np.add.reduce(np.where(rising, curve[..., 0] * curve[..., 1], 0.0), axis=-1)
    steep = np.add.reduce(np.where(rising, curve[..., 1], 0.0), axis=-1)
    return (demand + level - fixed) / (slope + steep)


def _kinks(curve: Floats, limit: Floats) -> Floats:
    """Return the prices at which curves begin and are full, ``[..., 2 N]``; of flat ones, where they begin."""
    rise = limit / np.where(curve[..., 1] > 0, curve[..., 1], np.inf)
    return np.concatenate([curve[..., 0], curve[..., 0] + rise], axis=-1)


def _cut(curve: Floats, limit: Floats, price: Floats) -> Floats:
    """Return the supply of each curve ``[..., N, 2]`` at ``price [..., 1]``."""
    return np.minimum(np.maximum(curve[..., 1] * (price - curve[..., 0]), 0.0), limit)


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

    unit: ClassVar[str] = "EUR"

    demand: tuple[float, ...] = (40.0, 60.0, 100.0)  # MW at price zero, equally likely
    demand_slope: float = 0.7  # MW per EUR/MWh
    cost: tuple[float, ...] = (10.0, 12.0, 9.0)  # [N] EUR/MWh
    cost_slope: tuple[float, ...] | float = (0.5, 0.8, 1.2)  # [N] EUR/MWh per MW
    horizon: int = 24
    discount: float = 0.0  # nothing done now moves later rewards
    capacity: tuple[float, ...] | float | None = None  # [N] MW

    def __post_init__(self) -> None:
        require_numbers(self)
        firms = np.size(self.cost)
        if self.capacity is not None:
            object.__setattr__(self, "capacity", per_agent("capacity", self.capacity, firms))
            require_each((self.limit > 0) & (self.limit < np.inf), "capacity", "be positive and finite", self.limit)
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
        """Answer the others' last slopes optimally at every demand, ``[B, N, 2]``, as if no capacity were reached."""
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
        quantity = self.quantity(curve[:, None], price)
        return quantity * (price - self._c - 0.5 * self._d * quantity)

    def best_profit(self, curve: Floats) -> Floats:
        r"""Return each firm's largest profit at each demand, ``[B, V, N]``, against the others' ``curve [B, N, 2]``.

        Against the others, firm i faces the demand :math:`n' - S_i p` with
        :math:`n' = n + \sum_{j \ne i} \beta_j \alpha_j`; the optimal quantity is
        :math:`(n' - S_i c_i) / (2 + S_i d_i)`.
        """
        if self.capacity is not None:
            return self._best_profit_cut(curve)
        level, slope = curve.prod(axis=2), curve[:, :, 1]
        residual = self.demand_slope + slope.sum(axis=1, keepdims=True) - slope
        base = self._n[:, None] + (level.sum(axis=1, keepdims=True) - level)[:, None, :]
        residual = residual[:, None, :]
        quantity = (base - residual * self._c) / (2 + residual * self._d)
        price = (base - quantity) / residual
        return quantity * (price - self._c - 0.5 * self._d * quantity)

    def price(self, curve: Floats, demand: Floats) -> Floats:
        """Return the clearing price of ``curve [B, N, 2]`` at ``demand [V]``, ``[B, V]`` EUR/MWh."""
        if self.capacity is not None:
            wanted = np.broadcast_to(demand, (len(curve), len(demand)))
            return crossing(curve[:, None], self.limit, self.demand_slope, wanted)
        slope = curve[:, :, 1]
        offered, slope = np.add.reduce(curve[:, :, 0] * slope, axis=1), np.add.reduce(slope, axis=1)
        return (demand + offered[:, None]) / (self.demand_slope + slope[:, None])

    def quantity(self, curve: Floats, price: Floats) -> Floats:
        """Return what firms produce by ``curve [..., N, 2]`` at ``price [..., 1]``, ``[..., N]`` MW."""
        offered = curve[..., 1] * (price - curve[..., 0])
        return offered if self.capacity is None else np.minimum(np.maximum(offered, 0.0), self.limit)

    @cached_property
    def limit(self) -> Floats:
        """K, ``[N]`` MW; infinite without capacities."""
        return np.full(len(self.agents), np.inf) if self.capacity is None else np.array(self.capacity)

    def _best_profit_cut(self, curve: Floats) -> Floats:
        """Return `best_profit` where curves are cut at capacities."""
        best = np.empty((len(curve), len(self._n), len(self.agents)))
        for agent in range(len(self.agents)):
            others = curve[:, None].copy()
            others[:, :, agent, 1] = 0.0  # it offers nothing
            for v, demand in enumerate(self._n):
                best[:, v, agent] = self._best_point(agent, others, demand)
        return best

    def _best_point(self, agent: int, others: Floats, demand: float) -> Floats:
        r"""Return a firm's largest profit ``[B]`` on what the ``others [B, 1, N, 2]`` leave of a demand.

        Between kinks of the others' supply they leave :math:`A - S p`, on which profit peaks at
        :math:`p = (A (1 + d S) + S c) / (S (2 + d S))`. The price is no lower than where the firm is full.
        """
        g, c, d, limit = self.demand_slope, self._c[agent], self._d[agent], self.limit
        full = np.full((len(others), 1), demand - self.limit[agent])
        low = np.maximum(crossing(others, limit, g, full), 0.0)
        high = np.maximum(crossing(others, limit, g, np.full((len(others), 1), demand)), low)
        kinks = np.sort(np.clip(_kinks(others[:, 0], limit), low, high), axis=1)
        edges = np.concatenate([low, kinks, high], axis=1)  # [B, E]
        middle = ((edges[:, 1:] + edges[:, :-1]) / 2)[..., None]
        rising = self._rising(others, limit, middle)
        s = g + np.sum(others[..., 1] * rising, axis=-1)
        left = demand - g * middle[..., 0] - np.sum(_cut(others, limit, middle), axis=-1)
        a = left + s * middle[..., 0]
        peak = np.clip((a * (1 + d * s) + s * c) / (s * (2 + d * s)), edges[:, :-1], edges[:, 1:])
        price = np.concatenate([edges, peak], axis=1)
        quantity = demand - g * price - np.sum(_cut(others, limit, price[..., None]), axis=-1)
        quantity = np.clip(quantity, 0.0, self.limit[agent])
        return np.max(quantity * (price - c - d / 2 * quantity), axis=1)

    @staticmethod
    def _rising(others: Floats, limit: Floats, price: Floats) -> Bools:
        offered = others[..., 1] * (price - others[..., 0])
        return (offered > 0) & (offered < limit)

    def _clear(self, curve: Floats, noise: Floats) -> SupplyFunctionState:
        """Meet an even draw from the demands."""
        intercept, slope = curve[:, :, 0], curve[:, :, 1]
        demand = self._n.take((noise * len(self._n)).astype(np.int64))
        if self.capacity is not None:
            price = crossing(curve, self.limit, self.demand_slope, demand)
            return SupplyFunctionState(curve, price, self.quantity(curve, price[:, None]))
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
