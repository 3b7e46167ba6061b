r"""Double auction: a buyer and a seller name prices, and trade where the bid covers the ask.

Description
-----------
Each step is a fresh negotiation: a buyer sees its value, a seller its cost, both name a price, and if the bid b is at
least the ask s they trade at k b + (1 - k) s.

Agents
------
``buyer_0`` and ``seller_0``.

State
-----
Types ``[B, 2, 1]`` and values ``[B, 2, 1]`` of the round to come, money; offers ``[B, 2, 1]``, goods
``[B, 2, 1]``, 1 bought and -1 sold, and payments ``[B, 2]`` of the last one.

Action
------
``[B, 2, 1]``: an offer, money, from 0 to the highest value or cost.

Observation
-----------
| index | meaning | unit | low | high |
|---|---|---|---|---|
| 0 | own value or cost | money | lowest | highest |
| 1 .. 2 | buyer, or seller | - | 0 | 1 |

Reward
------
Gains from trade, money: the buyer's value less the price, the price less the seller's cost; 0 without trade.

Starting state
--------------
Types drawn; nothing was offered.

Episode end
-----------
Never terminated; truncated after `horizon` rounds.

Parameters
----------
k : weight of the bid in the price, in [0, 1].
buyers : distribution of the buyer's value.
sellers : distribution of the seller's cost.
horizon : rounds an episode.
discount : weight of the next reward in a learner's objective, in [0, 1).

Solution
--------
For even values and costs on [0, 1] the linear Bayes-Nash equilibrium is known; it is one of a continuum
(`walras.equilibria.solve`). The scripted rule offers the own value or cost.

References
----------
[1] K. Chatterjee, W. Samuelson, Bargaining under incomplete information, Operations Research 31, 1983.

Version history
---------------
v0: first version.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from gymnasium.spaces import Box

from walras.core.checks import require_episode, require_numbers
from walras.core.typing import Floats
from walras.envs.auctions.rounds import AbstractRounds, AuctionState, require_prior
from walras.markets.auctions import KDouble, Prior, Uniform
from walras.markets.auctions.outcome import Outcome


@final
@dataclass(frozen=True)
class DoubleAuction(AbstractRounds):
    """A buyer and a seller who both name a price.

    Raises
    ------
    ValueError
        If `k` lies outside [0, 1], or a prior is no distribution.
    """

    k: float = 0.5
    buyers: Prior = Uniform()  # noqa: RUF009 - frozen; money
    sellers: Prior = Uniform()  # noqa: RUF009 - frozen; money
    horizon: int = 32
    discount: float = 0.0  # nothing done now moves later rewards

    def __post_init__(self) -> None:
        require_numbers(self)
        require_episode(self.horizon, self.discount)
        self.format  # noqa: B018 - checks k
        for name, prior in (("buyers", self.buyers), ("sellers", self.sellers)):
            require_prior(prior, name)

    @cached_property
    def format(self) -> KDouble:
        """The rule of trade."""
        return KDouble(self.k)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``buyer_0`` and ``seller_0``."""
        return ("buyer_0", "seller_0")

    @cached_property
    def observation_space(self) -> Box:
        """See the module's table."""
        low, high = min(self.buyers.low, self.sellers.low), max(self.buyers.high, self.sellers.high)
        return Box(np.array([low, 0.0, 0.0]), np.array([high, 1.0, 1.0]), dtype=np.float64)

    @cached_property
    def action_space(self) -> Box:
        """An offer, money."""
        return Box(0.0, max(self.buyers.high, self.sellers.high), (1,), dtype=np.float64)

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        """Uniform numbers, one for the value and one for the cost."""
        return rng.random((steps, 2))

    def decide(self, state: AuctionState, action: Floats, noise: Floats) -> tuple[Floats, Outcome]:
        """Trade or not."""
        return action, self.format.clear(action[:, :, 0], None)

    def scripted(self, observation: Floats) -> Floats:
        """Offer the own value or cost."""
        return observation[:, :, :1].copy()

    def types(self, noise: Floats) -> tuple[Floats, Floats]:
        """Draw the buyer's value and the seller's cost, ``[B, 2, 1]``."""
        types = np.stack((self.buyers.quantile(noise[:, 0]), self.sellers.quantile(noise[:, 1])), axis=1)[:, :, None]
        return types, types
