r"""Two local bidders against a global one: core-selecting package auctions.

Description
-----------
Two goods are for sale. Each local bidder wants one of them, the global bidder both. The locals win if together they bid
at least what the global does; the rule chooses what they pay, in the core. Each step is a fresh auction.

Agents
------
``local_0``, ``local_1``, ``global_0``.

State
-----
Types and values ``[B, 3, 1]`` of the round to come, money; bids ``[B, 3, 1]``, packages won ``[B, 3, 1]`` and payments
``[B, 3]`` of the last one.

Action
------
``[B, 3, 1]``: a bid, money, from 0 to 2. Unless `global_bids`, the global's bid is its value, whatever it does.

Observation
-----------
| index | meaning | unit | low | high |
|---|---|---|---|---|
| 0 | own value | money | 0 | 2 |
| 1 .. 3 | which bidder one is, one of three | - | 0 | 1 |

Reward
------
Value of the package won less the payment, money.

Starting state
--------------
Values drawn; nothing was bid.

Episode end
-----------
Never terminated; truncated after `horizon` rounds.

Parameters
----------
rule : `nearest_zero`, `nearest_vcg`, `nearest_bid` or `first_price`; see `walras.markets.auctions.packages`.
correlation : probability with which both locals have the same value, in [0, 1].
global_bids : whether the global bidder bids; otherwise it tells the truth, which is dominant but in first price.
horizon : rounds an episode.
discount : weight of the next reward in a learner's objective, in [0, 1).

Solution
--------
Locals' values are even on [0, 1], the global's on [0, 2]. Ausubel and Baranov give the Bayes-Nash equilibrium of the
three core-selecting rules in closed form (`walras.equilibria.solve`). The scripted rule bids the value.

References
----------
[1] L. M. Ausubel, O. Baranov, Core-selecting auctions with incomplete information, 2010; International Journal of Game
    Theory 49, 2020.

Version history
---------------
v0: first version.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from gymnasium.spaces import Box

from walras.core.checks import require, require_episode, require_numbers
from walras.core.typing import Floats
from walras.envs.auctions.rounds import AbstractRounds, AuctionState
from walras.markets.auctions.outcome import Outcome
from walras.markets.auctions.packages import Core, Rule

HIGHEST = 2.0
"""The global's highest value, money."""


@final
@dataclass(frozen=True)
class LLGAuction(AbstractRounds):
    """The local-local-global auction.

    Raises
    ------
    ValueError
        If `rule` is unknown, or `correlation` lies outside [0, 1].
    """

    rule: Rule = "nearest_vcg"
    correlation: float = 0.0
    global_bids: bool = False
    horizon: int = 32
    discount: float = 0.0  # nothing done now moves later rewards

    def __post_init__(self) -> None:
        require_numbers(self)
        require_episode(self.horizon, self.discount)
        self.format  # noqa: B018 - checks the rule
        require(0 <= self.correlation <= 1, "correlation", "lie in [0, 1]", self.correlation)

    @cached_property
    def format(self) -> Core:
        """The rule of payments."""
        return Core(self.rule)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``local_0``, ``local_1`` and ``global_0``."""
        return ("local_0", "local_1", "global_0")

    @cached_property
    def observation_space(self) -> Box:
        """See the module's table."""
        return Box(np.zeros(4), np.array([HIGHEST, 1.0, 1.0, 1.0]), dtype=np.float64)

    @cached_property
    def action_space(self) -> Box:
        """A bid, money."""
        return Box(0.0, HIGHEST, (1,), dtype=np.float64)

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        """Uniform numbers: three for the values, and one that says whether the locals' are the same."""
        return rng.random((steps, 4))

    def decide(self, state: AuctionState, action: Floats, noise: Floats) -> tuple[Floats, Outcome]:
        """Hold an auction, in which the global bidder bids its value unless `global_bids`."""
        bid = action if self.global_bids else np.concatenate((action[:, :2], state.value[:, 2:]), axis=1)
        return bid, self.format.clear(bid[:, :, 0], None)

    def scripted(self, observation: Floats) -> Floats:
        """Bid the value."""
        return observation[:, :, :1].copy()

    def types(self, noise: Floats) -> tuple[Floats, Floats]:
        """Draw values ``[B, 3, 1]``."""
        second = np.where(noise[:, 3] < self.correlation, noise[:, 0], noise[:, 1])
        values = np.stack((noise[:, 0], second, HIGHEST * noise[:, 2]), axis=1)[:, :, None]
        return values, values
