r"""Forward and spot market: firms sell ahead of delivery, then choose quantities, and the forwards make them bolder.

Description
-----------
N firms of constant marginal cost face the demand :math:`p = a - b Q`. First each sells :math:`f_i` forward, which all
see. Then each chooses the quantity :math:`q_i` that it produces, and sells what it has not sold ahead on the spot
market, :math:`q_i - f_i`; a firm that sold more than it produces buys the rest. Buyers of forwards foresee the spot
market: they pay the price of its equilibrium given all forwards, not the one that comes out. In that equilibrium

.. math:: q_i = \max\Bigl(0,\; f_i + \frac{p - c_i}{b}\Bigr),

so each forward makes its seller produce more and the others less [1]_. All sell forward for this, and all earn less.

Agents
------
N firms, ``firm_0`` .. ``firm_{N-1}``, unless `names` are given.

State
-----
Steps so far ``[B]``, forwards that are to be delivered ``[B, N]`` MWh, what was last produced ``[B, N]`` MWh and the
last price ``[B]`` EUR/MWh: of forwards, or on the spot market.

Action
------
``[B, N, 1]``: MWh, from 0 to a / b. In even steps what is sold forward, in odd ones what is produced.

Observation
-----------
| index | meaning | unit | low | high |
|---|---|---|---|---|
| 0 | whether quantities are chosen | 1 | 0 | 1 |
| 1 | own forwards to deliver | MWh | 0 | a / b |
| 2 | the others' forwards to deliver | MWh | 0 | N a / b |
| 3 | own marginal cost | EUR/MWh | lowest | highest |
| 4 | steps so far, of the horizon | 1 | 0 | 1 |

Reward
------
EUR: in even steps the forward price times what is sold forward; in odd ones the spot price times the rest of what is
produced, less its cost.

Starting state
--------------
Nothing is sold.

Episode end
-----------
Terminated after `horizon` steps. A forward step without a delivery after it trades nothing.

Parameters
----------
intercept, slope : a and b > 0 of demand, EUR/MWh and EUR/MWh per MWh.
cost : c, one number a firm, EUR/MWh, not negative and below a.
horizon : steps an episode, two a delivery.
discount : weight of the next reward in a learner's objective, in [0, 1).
names : of the firms, such as those of real owners.

Solution
--------
The subgame-perfect equilibrium [1]_, in which all firms produce: the price is :math:`(a + N \sum c) / (N^2 + 1)`, and
firm i produces :math:`N (p - c_i) / b` of which it sold :math:`(N - 1)(p - c_i) / b` forward.
`walras.equilibria.gap` with ``concept="subgame perfect"`` asks for the best forwards with the spot equilibrium after
them, and for the best quantities; with ``concept="nash"`` for the best of both against what the others really do after
other forwards. The scripted rule sells nothing forward and plays the spot equilibrium: Cournot's market.

References
----------
[1] B. Allaz, J.-L. Vila, Cournot competition, forward markets and efficiency, Journal of Economic Theory 59, 1993.

Version history
---------------
v0: first version.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from gymnasium.spaces import Box

from walras.core.checks import as_names, per_agent, require, require_each, require_episode, require_numbers
from walras.core.game import AbstractGame, End, State, Step
from walras.core.typing import Floats, Image, Ints


@dataclass(frozen=True)
class ForwardSpotState(State):
    """Forwards to deliver, and the last trade."""

    steps: Ints  # [B]
    forward: Floats  # [B, N] MWh
    quantity: Floats  # [B, N] MWh
    price: Floats  # [B] EUR/MWh


@final
@dataclass(frozen=True)
class ForwardSpotMarket(AbstractGame[ForwardSpotState]):
    """Firms that sell forward, then compete in quantities.

    Raises
    ------
    ValueError
        If a parameter is not finite, has the wrong sign, or a cost is not below the intercept.
    """

    unit: ClassVar[str] = "EUR"

    intercept: float = 100.0  # EUR/MWh
    slope: float = 1.0  # EUR/MWh per MWh
    cost: tuple[float, ...] = (10.0, 10.0)  # [N] EUR/MWh
    horizon: int = 2
    discount: float = 0.99
    names: tuple[str, ...] = ()  # [N]

    def __post_init__(self) -> None:
        require_numbers(self)
        require_episode(self.horizon, self.discount)
        object.__setattr__(self, "cost", per_agent("cost", self.cost, np.size(self.cost)))
        object.__setattr__(self, "names", as_names(self.names, len(self.cost)))
        for name in ("intercept", "slope"):
            require(0 < getattr(self, name) < np.inf, name, "be positive and finite", getattr(self, name))
        rule = f"lie in [0, {self.intercept:g}), below the intercept"
        require_each((self.c >= 0) & (self.c < self.intercept), "cost", rule, self.c)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """Their `names`; ``firm_0`` .. ``firm_{N-1}`` by default."""
        return self.names or tuple(f"firm_{i}" for i in range(np.size(self.cost)))

    @property
    def ends(self) -> End:
        """Nothing comes after the last delivery."""
        return "rule"

    @cached_property
    def c(self) -> Floats:
        """Marginal costs, ``[N]`` EUR/MWh."""
        return np.array(self.cost)

    @property
    def most(self) -> float:
        """The largest quantity, MWh: at it the price is zero."""
        return self.intercept / self.slope

    @cached_property
    def observation_space(self) -> Box:
        """See the module's table."""
        low = np.array([0.0, 0.0, 0.0, self.c.min(), 0.0])
        high = np.array([1.0, self.most, len(self.c) * self.most, self.c.max(), 1.0])
        return Box(low, high, dtype=np.float64)

    @cached_property
    def action_space(self) -> Box:
        """MWh."""
        return Box(0.0, self.most, (1,), dtype=np.float64)

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        """Nothing is drawn: ``[steps, 0]``."""
        return np.empty((steps, 0))

    def reset(self, noise: Floats) -> ForwardSpotState:
        """Start with nothing sold."""
        rows, firms = len(noise), len(self.c)
        nothing = np.zeros((rows, firms))
        return ForwardSpotState(np.zeros(rows, dtype=np.int64), nothing, nothing.copy(), np.zeros(rows))

    def step(self, state: ForwardSpotState, action: Floats, noise: Floats) -> Step[ForwardSpotState]:
        """Sell forward, or deliver."""
        spot, wanted = (state.steps % 2 == 1)[:, None], action[:, :, 0]
        delivered = spot | (state.steps + 1 < self.horizon)[:, None]
        forward = np.where(spot, 0.0, np.where(delivered, wanted, 0.0))
        quantity = np.where(spot, wanted, 0.0)
        price = np.where(spot[:, 0], self.price(quantity), self.spot_price(forward))
        sold = np.where(spot, quantity - state.forward, forward)
        reward = price[:, None] * sold - self.c * quantity
        after = ForwardSpotState(state.steps + 1, forward, quantity, price)
        return Step(after, reward, after.steps >= self.horizon)

    def price(self, quantity: Floats) -> Floats:
        """Return the spot price ``[...]`` of quantities ``[..., N]``."""
        return self.intercept - self.slope * np.add.reduce(quantity, axis=-1)

    def spot_price(self, forward: Floats) -> Floats:
        r"""Return the price of the spot equilibrium ``[...]`` given forwards ``[..., N]``.

        Firm i produces where the price exceeds :math:`c_i - b f_i`. The price is the least, over the k firms that do so
        first, of the price at which these alone produce: leaving a producer out, or a firm that does not produce in,
        makes it higher.
        """
        first = np.sort(self.c - self.slope * forward, axis=-1)
        count = np.arange(2, first.shape[-1] + 2)
        return np.minimum.reduce((self.intercept + np.cumsum(first, axis=-1)) / count, axis=-1)

    def spot_quantity(self, forward: Floats) -> Floats:
        """Return the quantities of the spot equilibrium ``[..., N]`` given forwards ``[..., N]``."""
        margin = (self.spot_price(forward)[..., None] - self.c) / self.slope
        return np.minimum(np.maximum(forward + margin, 0.0), self.most)

    def observe(self, state: ForwardSpotState) -> Floats:
        """Show each firm the step, the forwards and its cost."""
        observation = np.empty((*state.forward.shape, 5))
        observation[:, :, 0] = (state.steps % 2)[:, None]
        observation[:, :, 1] = state.forward
        total = np.add.reduce(state.forward, axis=1)[:, None]
        observation[:, :, 2] = np.maximum(total - state.forward, 0.0)
        observation[:, :, 3] = self.c
        observation[:, :, 4] = np.minimum(state.steps / self.horizon, 1.0)[:, None]
        return observation

    def scripted(self, observation: Floats) -> Floats:
        """Sell nothing forward; then produce as in the spot equilibrium."""
        return self.planned(np.zeros(len(self.c)), observation)

    def planned(self, forward: Floats, observation: Floats) -> Floats:
        """Return the actions ``[B, N, 1]`` that sell ``forward [N]``, and then play the spot equilibrium."""
        return np.where(observation[:, :, 0] > 0.5, self.spot_quantity(observation[:, :, 1]), forward)[:, :, None]

    def text(self, state: ForwardSpotState) -> str:
        """List forwards or quantities under the price."""
        from walras.envs.electricity.pictures import quantities_text

        spot = int(state.steps[0]) % 2 == 0 and int(state.steps[0]) > 0
        shown = state.quantity[0] if spot else state.forward[0]
        return ("spot, " if spot else "forward, ") + quantities_text(self.agents, shown, float(state.price[0]))

    def image(self, state: ForwardSpotState) -> Image:
        """Draw the demand with what is produced, or sold forward."""
        from walras.envs.electricity.pictures import draw_cournot

        shown = state.forward[0] + state.quantity[0]  # one of them is none
        return draw_cournot(self.agents, self.intercept, self.slope, shown)
