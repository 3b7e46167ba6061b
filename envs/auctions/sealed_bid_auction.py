r"""Sealed-bid auction of one good among bidders who know their own type alone.

Description
-----------
Each step is a fresh auction: N bidders see their types, bid at the same time, and the format decides who wins and who
pays. Types are drawn anew, so that nothing done now changes a later round.

Agents
------
N bidders, ``bidder_0`` .. ``bidder_{N-1}``.

State
-----
Types ``[B, N, 1]`` and values ``[B, N, 1]`` of the round to come, money; bids ``[B, N, 1]``, goods won ``[B, N, 1]``
and payments ``[B, N]`` of the last one.

Action
------
``[B, N, 1]``: a bid, money, from 0 to `max_bid`. Where an entry fee is set the least action is -1, and any negative one
stays out.

Observation
-----------
| index | meaning | unit | low | high |
|---|---|---|---|---|
| 0 | own type | money | lowest type | highest type |
| 1 .. N | which bidder one is, one of N | - | 0 | 1 |

Reward
------
Utility :math:`\mathrm{sign}(x) |x|^{\rho_i}` of the income x, money: the value if the bidder wins, less its payment.
Equal bids are settled by chance.

Starting state
--------------
Types drawn; nothing was bid.

Episode end
-----------
Never terminated; truncated after `horizon` rounds.

Parameters
----------
format : rule of the auction, from `walras.markets.auctions`.
prior : distribution of values, one for all or one a bidder.
players : N; ignored where `prior` holds one a bidder.
risk : exponent of utility in (0, 1], 1 is neutral; one number or one a bidder.
dependence : joint law of types, and what the good is worth given the types.
max_bid : largest bid, money; by default the highest type, ten times it in a war of attrition, and what equilibrium asks
    for in third-price auctions. Deviations beyond it do not count.
horizon : rounds an episode.
discount : weight of the next reward in a learner's objective, in [0, 1).

Solution
--------
Bayes-Nash equilibria in closed form, by quadrature or by collocation: `walras.equilibria.solve`, whose certificate is
the interim gap. The scripted rule bids the type: truthful, and an equilibrium of the second-price auction.

References
----------
[1] V. Krishna, Auction Theory, Academic Press, 2nd edition, 2010.
[2] W. Vickrey, Counterspeculation, auctions, and competitive sealed tenders, Journal of Finance 16, 1961.

Version history
---------------
v0: first version.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import cast, final

import numpy as np
from gymnasium.spaces import Box

from walras.core.checks import require, require_episode, require_numbers, require_whole
from walras.core.typing import Floats
from walras.envs.auctions.rounds import AbstractRounds, AuctionState, require_prior, risks
from walras.markets.auctions import (
    Affiliated,
    AllPay,
    Crowdsourcing,
    Dependence,
    FirstPrice,
    Format,
    Independent,
    MineralRights,
    Prior,
    SecondPrice,
    ThirdPrice,
    Tullock,
    Uniform,
    WarOfAttrition,
)
from walras.markets.auctions.outcome import Outcome

ONE_GOOD = FirstPrice, SecondPrice, ThirdPrice, AllPay, WarOfAttrition, Crowdsourcing, Tullock
"""Formats in which all bid for one good or its shares."""
PATIENCE = 10.0
"""Largest bid in a war of attrition, in highest types: equilibrium bids have no bound."""


@final
@dataclass(frozen=True)
class SealedBidAuction(AbstractRounds):
    """One good, N bidders with private types, any format of sealed bids.

    Raises
    ------
    ValueError
        If a parameter is out of range, `prior` is no distribution, `dependence` no joint law, the format sells more
        than one good or cannot serve N bidders, or a reserve price exceeds every type.
    """

    format: Format = FirstPrice()  # noqa: RUF009 - frozen
    prior: Prior | tuple[Prior, ...] = Uniform()  # noqa: RUF009 - frozen
    players: int = 2
    risk: tuple[float, ...] | float = 1.0  # [N]
    dependence: Dependence = Independent()  # noqa: RUF009 - frozen
    max_bid: float | None = None  # money
    horizon: int = 32
    discount: float = 0.0  # nothing done now moves later rewards

    def __post_init__(self) -> None:
        require_numbers(self)
        require_episode(self.horizon, self.discount)
        if isinstance(self.prior, tuple):
            object.__setattr__(self, "players", len(self.prior))
        require_whole(self.players, "players")
        require(self.players >= 2, "players", "be at least 2", self.players)
        for prior in self.priors:
            require_prior(prior, "prior")
        names = ", ".join(kind.__name__ for kind in ONE_GOOD)
        require(isinstance(self.format, ONE_GOOD), "format", f"sell one good ({names})", self.format)
        self.format.check((1, self.players))
        object.__setattr__(self, "risk", risks(self.risk, self.players))
        law = cast(object, self.dependence)  # what a caller passes
        joint = isinstance(law, Dependence) and not isinstance(law, type)
        require(joint, "dependence", "be a joint law of types, such as Independent()", self.dependence)
        reserve = getattr(self.format, "reserve", 0.0)
        require(
            reserve <= self.highest, "format", f"have a reserve that a type reaches, at most {self.highest}", reserve
        )
        require(self.max_bid is None or 0 < self.max_bid < np.inf, "max_bid", "be positive and finite", self.max_bid)

    @cached_property
    def priors(self) -> tuple[Prior, ...]:
        """One distribution a bidder, N."""
        return self.prior if isinstance(self.prior, tuple) else (self.prior,) * self.players

    @cached_property
    def highest(self) -> float:
        """The highest type, money."""
        if isinstance(self.dependence, Affiliated | MineralRights):
            return 2.0
        return max(prior.high for prior in self.priors)

    @cached_property
    def lowest(self) -> float:
        """The lowest type, money."""
        if isinstance(self.dependence, Affiliated | MineralRights):
            return 0.0
        return min(prior.low for prior in self.priors)

    @cached_property
    def largest_bid(self) -> float:
        """The largest bid that is allowed, money."""
        if self.max_bid is not None:
            return self.max_bid
        if isinstance(self.format, WarOfAttrition):
            return PATIENCE * self.highest
        if isinstance(self.format, ThirdPrice):
            density = min(float(prior.pdf(np.array(prior.high))) for prior in self.priors)
            return 1.1 * (self.highest + 1 / ((self.players - 2) * max(density, 0.1 / self.highest)))
        return self.highest

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``bidder_0`` .. ``bidder_{N-1}``."""
        return tuple(f"bidder_{i}" for i in range(self.players))

    @cached_property
    def observation_space(self) -> Box:
        """See the module's table."""
        low = np.concatenate(([self.lowest], np.zeros(self.players)))
        return Box(low, np.concatenate(([self.highest], np.ones(self.players))), dtype=np.float64)

    @cached_property
    def action_space(self) -> Box:
        """A bid, money."""
        return Box(-1.0 if self.entry_fee else 0.0, self.largest_bid, (1,), dtype=np.float64)

    @property
    def entry_fee(self) -> float:
        """What it costs to bid, money."""
        return getattr(self.format, "entry_fee", 0.0)

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        """Uniform numbers of which types are made, and one a bidder that settles ties."""
        return rng.random((steps, self.dependence.numbers(self.players) + self.players))

    def decide(self, state: AuctionState, action: Floats, noise: Floats) -> tuple[Floats, Outcome]:
        """Hold an auction; where entry costs, a bid below zero stays away."""
        bid = action[:, :, 0]
        placed = np.where(bid < 0, np.nan, bid) if self.entry_fee else bid
        return action, self.format.clear(placed, noise[:, -self.players :])

    def utility(self, income: Floats) -> Floats:
        r"""Return utilities of constant relative risk aversion, :math:`\mathrm{sign}(x) |x|^\rho`."""
        return np.sign(income) * np.abs(income) ** np.array(self.risk)

    def scripted(self, observation: Floats) -> Floats:
        """Bid the type."""
        return np.minimum(observation[:, :, :1], self.largest_bid)

    def types(self, noise: Floats) -> tuple[Floats, Floats]:
        """Draw types and values, ``[B, N, 1]`` each."""
        drawn = self.dependence.types(noise[:, : -self.players], self.priors)
        return drawn.type[:, :, None], drawn.value[:, :, None]
