r"""Repeated pricing: firms set prices again and again and see each other's, the market of learned collusion.

Description
-----------
N firms sell goods that differ. Each period all choose a price from a grid, and buyers choose by logit demand [1]_:

.. math:: q_i = \frac{e^{(a_i - p_i) / \mu}}{\sum_j e^{(a_j - p_j) / \mu} + e^{a_0 / \mu}} .

The stage game is played without end. Each firm sees the last prices of all, so that it can answer a cut with a cut:
prices above the static equilibrium can be an equilibrium of the repeated game. This is the market in which
Q-learners were found to price above the equilibrium [2]_; the default parameters are theirs.

Agents
------
N firms, ``firm_0`` .. ``firm_{N-1}``.

State
-----
Which prices of the grid were chosen in the last `memory` periods, ``[B, memory, N]``, the newest first.

Action
------
``[B, N]``: the number of a price of the own grid, from 0 to `prices` - 1. The grid is even, from
:math:`p^N - \xi (p^M - p^N)` to :math:`p^M + \xi (p^M - p^N)` with :math:`\xi` the `margin`, :math:`p^N` the firm's
price in the static Nash equilibrium and :math:`p^M` that under joint monopoly, on the continuum.

Observation
-----------
The last prices, from the newest period to the oldest, in each the own first and then the others' in their order, and
the own cost. With M for `memory`:

| index | meaning | unit | low | high |
|---|---|---|---|---|
| 0 .. M N - 1 | last prices, each from the low end of its grid to the high end | 1 | 0 | 1 |
| M N | own marginal cost | money | lowest | highest |

Reward
------
Profit: :math:`(p_i - c_i) q_i`, of a market of one buyer.

Starting state
--------------
Last prices drawn evenly from the grid, or those of `start`.

Episode end
-----------
Never terminated; truncated after `horizon` steps. Values and gaps are discounted sums over play without end.

Parameters
----------
quality : a, one number or one a firm, money.
outside : quality of the outside good, money.
differentiation : mu, money; the smaller it is, the closer substitutes the goods are.
cost : one number a firm, money a unit.
prices : prices on the grid.
margin : what the grid extends beyond the two equilibria, as a share of what lies between them.
memory : periods that firms remember.
start : for each firm, the number of the price that was chosen in all periods before the first; drawn if none.
horizon : steps an episode.
discount : weight of the next reward, in [0, 1).

Solution
--------
`static_nash` and `monopoly` are known on the continuum (`walras.markets.matrix.logit_demand`). To repeat a pure
equilibrium of the stage game on the grid is an equilibrium of the repeated game; the stage game has one, since the
logarithm of profit has increasing differences, and may have several: `walras.equilibria.solve` finds them all. The gap
of a policy that remembers what the state holds is exact (`walras.equilibria.matrix.memory_policies`). The scripted rule
repeats the least of the static equilibria.

References
----------
[1] S. P. Anderson, A. de Palma, J.-F. Thisse, Discrete Choice Theory of Product Differentiation, MIT Press, 1992.
[2] E. Calvano, G. Calzolari, V. Denicolo, S. Pastorello, Artificial intelligence, algorithmic pricing, and collusion,
    American Economic Review 110, 2020.

Version history
---------------
v0: first version.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from gymnasium.spaces import Box, Discrete

from walras.core.checks import per_agent, require, require_episode, require_numbers, require_whole
from walras.core.game import AbstractGame, State, Step
from walras.core.typing import Floats, Image, Ints
from walras.markets.matrix.logit_demand import LogitDemand

MOST_CELLS = 2**26
"""Joint prices above which no table of profits is made."""
MOST_STATES = 1_000_000
"""Remembered joint prices above which policies have no table."""


@dataclass(frozen=True)
class PricingState(State):
    """The last prices."""

    last: Ints  # [B, memory, N] numbers of prices, the newest first


@final
@dataclass(frozen=True)
class RepeatedPricing(AbstractGame[PricingState]):
    """Price competition with logit demand on a grid, repeated without end.

    Raises
    ------
    ValueError
        If a parameter has the wrong length, sign or type, or there are too many joint or remembered prices for tables.
    """

    unit: ClassVar[str] = "profit"

    quality: tuple[float, ...] | float = 2.0  # [N] money
    outside: float = 0.0  # money
    differentiation: float = 0.25  # money
    cost: tuple[float, ...] = (1.0, 1.0)  # [N] money a unit
    prices: int = 15
    margin: float = 0.1
    memory: int = 1
    start: tuple[int, ...] | None = None  # [N]
    horizon: int = 100
    discount: float = 0.95

    def __post_init__(self) -> None:
        require_numbers(self)
        require_episode(self.horizon, self.discount)
        for name in ("quality", "cost"):
            object.__setattr__(self, name, per_agent(name, getattr(self, name), np.size(self.cost)))
        for name in ("prices", "memory"):
            require_whole(getattr(self, name), name)
        require(self.prices >= 2, "prices", "be at least 2", self.prices)
        require(0 <= self.margin < np.inf, "margin", "be finite and not negative", self.margin)
        firms = len(self.cost)
        require(self.prices**firms <= MOST_CELLS, "prices", f"have at most {MOST_CELLS} joint choices", self.prices)
        states = self.prices ** (firms * self.memory)
        require(states <= MOST_STATES, "memory", f"hold at most {MOST_STATES} states; {states} is", self.memory)
        assert self.demand.cost.shape == (firms,)
        if self.start is not None:
            self._check_start(self.start)

    def _check_start(self, start: tuple[int, ...]) -> None:
        object.__setattr__(self, "start", tuple(start))
        require(len(start) == len(self.cost), "start", f"hold {len(self.cost)} numbers, one a firm", start)
        given = np.asarray(start)
        known = given.dtype.kind in "iu" and bool(np.all((given >= 0) & (given < self.prices)))
        require(known, "start", f"hold numbers of prices, 0 to {self.prices - 1}", start)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``firm_0`` .. ``firm_{N-1}``."""
        return tuple(f"firm_{i}" for i in range(len(self.cost)))

    @cached_property
    def observation_space(self) -> Box:
        """See the module's table."""
        seen = self.memory * len(self.cost)
        low, high = np.zeros(seen + 1), np.ones(seen + 1)
        low[-1], high[-1] = min(self.cost), max(self.cost)
        return Box(low, high, dtype=np.float64)

    @cached_property
    def action_space(self) -> Discrete:
        """The number of a price."""
        return Discrete(self.prices)

    @property
    def endless(self) -> bool:
        """Firms play without end."""
        return True

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        """Uniform numbers, ``[steps, memory, N]``; only a reset without `start` uses them."""
        return rng.random((steps, self.memory, len(self.cost)))

    def reset(self, noise: Floats) -> PricingState:
        """Draw the last prices, or take those of `start`."""
        if self.start is not None:
            return PricingState(np.broadcast_to(np.array(self.start), noise.shape).copy())
        return PricingState((noise * self.prices).astype(np.int64))

    def step(self, state: PricingState, action: Ints, noise: Floats) -> Step[PricingState]:
        """Sell at the chosen prices, and remember them."""
        last = np.concatenate([action[:, None], state.last[:, :-1]], axis=1)
        reward = self.profits.reshape(len(self.cost), -1)[:, self.joint(action)].T
        return Step(PricingState(last), np.ascontiguousarray(reward), np.zeros(len(action), dtype=np.bool_))

    def observe(self, state: PricingState) -> Floats:
        """Show each firm the last prices, its own first, and its cost."""
        rows, firms = len(state.last), len(self.cost)
        seen = state.last[:, :, self._own_first] / (self.prices - 1)  # [B, memory, N, N]
        observation = np.empty((rows, firms, self.memory * firms + 1))
        observation[:, :, :-1] = seen.transpose(0, 2, 1, 3).reshape(rows, firms, -1)
        observation[:, :, -1] = self.cost
        return observation

    def scripted(self, observation: Floats) -> Ints:
        """Price as in the least static equilibrium on the grid."""
        return np.broadcast_to(self.static_equilibria[0], observation.shape[:2]).copy()

    def best_response(self, observation: Floats) -> Ints:
        """Answer the others' last prices optimally in the stage game, ``[B, N]``."""
        newest = self.remembered(observation)[:, 0]
        each = [self._best_answer(firm, newest) for firm in range(len(self.cost))]
        return np.stack(each, axis=1)

    def last_action(self, observation: Floats) -> Ints:
        """Return the firms' last prices, ``[B, N]``."""
        return self.remembered(observation)[:, 0]

    # Prices and profits

    @cached_property
    def demand(self) -> LogitDemand:
        """What buyers do."""
        return LogitDemand(np.array(self.quality), np.array(self.cost), self.outside, self.differentiation)

    @cached_property
    def static_nash(self) -> Floats:
        """Prices of the static Nash equilibrium on the continuum, ``[N]``."""
        return self.demand.nash_price()

    @cached_property
    def monopoly(self) -> Floats:
        """Prices of the joint monopoly on the continuum, ``[N]``."""
        return self.demand.monopoly_price()

    @cached_property
    def grid(self) -> Floats:
        """Each firm's prices, ``[N, m]``."""
        beyond = self.margin * (self.monopoly - self.static_nash)
        return np.linspace(self.static_nash - beyond, self.monopoly + beyond, self.prices, axis=1)

    @cached_property
    def profits(self) -> Floats:
        """Profit of each firm at all joint prices, ``[N, m, .., m]``: the payoffs of the stage game."""
        each = np.stack(np.meshgrid(*self.grid, indexing="ij"), axis=-1)
        return np.ascontiguousarray(np.moveaxis(self.demand.profit(each), -1, 0))

    @cached_property
    def static_equilibria(self) -> Ints:
        """All pure Nash equilibria of the stage game on the grid, ``[E, N]`` numbers of prices, the least first."""
        best = [self.profits[i] >= self.profits[i].max(axis=i, keepdims=True) for i in range(len(self.cost))]
        return np.argwhere(np.logical_and.reduce(best))

    def profit_gain(self, profit: Floats) -> Floats:
        """Return profits ``[..., N]`` as shares of the way from static Nash equilibrium, 0, to joint monopoly, 1."""
        nash, most = self.demand.profit(self.static_nash), self.demand.profit(self.monopoly)
        return (profit - nash) / (most - nash)

    # What firms remember, as one number

    @property
    def states(self) -> int:
        """S, how many different pasts firms can remember."""
        return self.prices ** (self.memory * len(self.cost))

    def joint(self, action: Ints) -> Ints:
        """Return joint prices ``[..., N]`` as one number each, the first firm's price being the most significant."""
        return action @ self._place

    def state_index(self, state: PricingState) -> Ints:
        """Return what is remembered as one number, ``[B]``: the oldest joint prices are the most significant."""
        return self.joint(state.last) @ (self.prices ** (len(self.cost) * np.arange(self.memory)))

    def index_of(self, observation: Floats) -> Ints:
        """Return the same number of ``observation [B, N, O]``, by each firm, ``[B, N]``."""
        return np.stack([self.state_index(self._told(observation, i)) for i in range(len(self.cost))], axis=1)

    def state_of(self, index: Ints) -> PricingState:
        """Return the states of some numbers ``[B]``."""
        digits = (index[:, None] // self.prices ** np.arange(self.memory * len(self.cost))) % self.prices
        return PricingState(digits.reshape(len(index), self.memory, len(self.cost))[:, :, ::-1].copy())

    def remembered(self, observation: Floats) -> Ints:
        """Return the last prices ``[B, memory, N]`` that the first firm sees in ``observation [B, N, O]``."""
        return self._told(observation, 0).last

    def _told(self, observation: Floats, firm: int) -> PricingState:
        seen = observation[:, firm, :-1].reshape(len(observation), self.memory, len(self.cost))
        numbers = np.rint(seen * (self.prices - 1)).astype(np.int64)
        return PricingState(numbers[:, :, np.argsort(self._own_first[firm])])

    def _best_answer(self, firm: int, played: Ints) -> Ints:
        own_last = np.moveaxis(self.profits[firm], firm, -1).reshape(-1, self.prices).argmax(axis=1)
        others = np.delete(played, firm, axis=1)
        return own_last[others @ self._place[1:]]

    @cached_property
    def _place(self) -> Ints:
        return self.prices ** np.arange(len(self.cost))[::-1]

    @cached_property
    def _own_first(self) -> Ints:
        """Firms in the order in which each sees them, ``[N, N]``."""
        firms = range(len(self.cost))
        return np.array([[i, *(j for j in firms if j != i)] for i in firms])

    def text(self, state: PricingState) -> str:
        """List the firms' last prices between the static equilibrium and joint monopoly."""
        from walras.envs.matrix.pictures import prices_text

        return prices_text(self.agents, self._price(state), self.static_nash, self.monopoly)

    def image(self, state: PricingState) -> Image:
        """Draw the last prices over the profits of the first firm."""
        from walras.envs.matrix.pictures import draw_prices

        return draw_prices(self.agents, self._price(state), self.static_nash, self.monopoly)

    def _price(self, state: PricingState) -> Floats:
        """Return the newest prices of row 0, ``[N]`` money."""
        return np.take_along_axis(self.grid, state.last[0, 0][:, None], axis=1)[:, 0]
