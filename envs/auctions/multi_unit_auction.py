r"""Auction of several equal units among bidders who want more than one.

Description
-----------
Each step is a fresh auction of K equal units: N bidders see what each further unit is worth to them, bid for as many as
they want, and the K highest of all bids win.

Agents
------
N bidders, ``bidder_0`` .. ``bidder_{N-1}``.

State
-----
Marginal values ``[B, N, M]`` of the round to come, money, highest first; bids ``[B, N, M]``, units won ``[B, N, M]``
and payments ``[B, N]`` of the last one.

Action
------
``[B, N, M]``: a bid for each further unit, money, from 0 to the highest value. Bids are put in falling order.

Observation
-----------
| index | meaning | unit | low | high |
|---|---|---|---|---|
| 0 .. M-1 | own value of each further unit | money | lowest | highest |
| M .. M+N-1 | which bidder one is, one of N | - | 0 | 1 |

Reward
------
Worth of the units won less the payment, money. Equal bids are settled by chance.

Starting state
--------------
Values drawn; nothing was bid.

Episode end
-----------
Never terminated; truncated after `horizon` rounds.

Parameters
----------
format : `UniformPrice`, `Discriminatory` or `Vickrey` of `units`, from `walras.markets.auctions`.
prior : distribution of one marginal value; a bidder's M values are drawn alone and sorted.
demand : M, units that a bidder wants.
players : N.
constant : whether all of a bidder's units are worth the same.
horizon : rounds an episode.
discount : weight of the next reward in a learner's objective, in [0, 1).

Solution
--------
Bayes-Nash equilibria with bids of zero for later units in uniform-price auctions of two bidders, half the value in
discriminatory ones of constant marginal values, and the truth in Vickrey's auction (`walras.equilibria.solve`). The
scripted rule bids the values.

References
----------
[1] V. Krishna, Auction Theory, Academic Press, 2nd edition, 2010, chapters 12 to 14.

Version history
---------------
v0: first version.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from gymnasium.spaces import Box

from walras.core.checks import require, require_episode, require_numbers, require_whole
from walras.core.typing import Floats
from walras.envs.auctions.rounds import AbstractRounds, AuctionState, require_prior
from walras.markets.auctions import Discriminatory, Prior, Uniform, UniformPrice, Vickrey
from walras.markets.auctions.outcome import Outcome


@final
@dataclass(frozen=True)
class MultiUnitAuction(AbstractRounds):
    """K equal units, and bidders with falling marginal values.

    Raises
    ------
    ValueError
        If a parameter is out of range, or more units are sold than bidders want.
    """

    format: UniformPrice | Discriminatory | Vickrey = UniformPrice()  # noqa: RUF009 - frozen
    prior: Prior = Uniform()  # noqa: RUF009 - frozen; money
    demand: int = 2
    players: int = 2
    constant: bool = False
    horizon: int = 32
    discount: float = 0.0  # nothing done now moves later rewards

    def __post_init__(self) -> None:
        require_numbers(self)
        require_episode(self.horizon, self.discount)
        for name in ("demand", "players"):
            require_whole(getattr(self, name), name)
        require(self.players >= 2, "players", "be at least 2", self.players)
        known = type(self.format) in (UniformPrice, Discriminatory, Vickrey)
        require(known, "format", "be UniformPrice, Discriminatory or Vickrey", self.format)
        self.format.check((1, self.players, self.demand))
        require_prior(self.prior, "prior")

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``bidder_0`` .. ``bidder_{N-1}``."""
        return tuple(f"bidder_{i}" for i in range(self.players))

    @cached_property
    def observation_space(self) -> Box:
        """See the module's table."""
        low = np.concatenate((np.full(self.demand, self.prior.low), np.zeros(self.players)))
        high = np.concatenate((np.full(self.demand, self.prior.high), np.ones(self.players)))
        return Box(low, high, dtype=np.float64)

    @cached_property
    def action_space(self) -> Box:
        """A bid for each further unit, money."""
        return Box(0.0, self.prior.high, (self.demand,), dtype=np.float64)

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        """Uniform numbers, ``[steps, N, M + 1]``: one a value, and one a bidder that settles ties."""
        return rng.random((steps, self.players, self.demand + 1))

    def decide(self, state: AuctionState, action: Floats, noise: Floats) -> tuple[Floats, Outcome]:
        """Hold an auction of each bidder's numbers, highest first."""
        bid = -np.sort(-action, axis=2)
        return bid, self.format.clear(bid, noise[:, :, -1])

    def scripted(self, observation: Floats) -> Floats:
        """Bid the values."""
        return observation[:, :, : self.demand].copy()

    def types(self, noise: Floats) -> tuple[Floats, Floats]:
        """Draw marginal values ``[B, N, M]``, highest first."""
        drawn = self.prior.quantile(noise[:, :, :-1])
        values = np.repeat(drawn[:, :, :1], self.demand, axis=2) if self.constant else -np.sort(-drawn, axis=2)
        return values, values
