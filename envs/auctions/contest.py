r"""Contest: everybody pays for its effort, and efforts share the prizes.

Description
-----------
Each step is a fresh contest: N contestants see their types, spend effort at the same time, and pay for it whether they
win or not. In `Crowdsourcing` the k-th highest effort gets the k-th prize; in `Tullock` the share of the prize is the
share of effort.

Agents
------
N contestants, ``contestant_0`` .. ``contestant_{N-1}``.

State
-----
Types and values ``[B, N, 1]`` of the round to come, money; efforts ``[B, N, 1]``, shares of prizes ``[B, N, 1]`` and
payments ``[B, N]`` of the last one.

Action
------
``[B, N, 1]``: effort, money, from 0 to the highest value.

Observation
-----------
| index | meaning | unit | low | high |
|---|---|---|---|---|
| 0 | own value of the whole prize | money | lowest | highest |
| 1 .. N | which contestant one is, one of N | - | 0 | 1 |

Reward
------
Value times the share of prizes, less the effort, money.

Starting state
--------------
Types drawn; nothing was spent.

Episode end
-----------
Never terminated; truncated after `horizon` rounds.

Parameters
----------
format : `Crowdsourcing`, `Tullock` or `AllPay`, from `walras.markets.auctions`.
prior : distribution of values, the same for all; or a number, a value that all know.
players : N.
horizon : rounds an episode.
discount : weight of the next reward in a learner's objective, in [0, 1).

Solution
--------
The Bayes-Nash equilibrium of crowdsourcing and of the all-pay auction with private values, and the Nash equilibrium of
the lottery contest with a value that all know (`walras.equilibria.solve`). The scripted rule spends the value over N.

References
----------
[1] G. Tullock, Efficient rent seeking, in Toward a Theory of the Rent-Seeking Society, 1980.
[2] B. Moldovanu, A. Sela, The optimal allocation of prizes in contests, American Economic Review 91, 2001.

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
from walras.markets.auctions import AllPay, Crowdsourcing, Format, Prior, Tullock, Uniform
from walras.markets.auctions.outcome import Outcome


@final
@dataclass(frozen=True)
class Contest(AbstractRounds):
    """Contestants who pay for effort, and prizes by rank or by share.

    Raises
    ------
    ValueError
        If a parameter is out of range, or the format cannot serve N contestants.
    """

    format: Format = Crowdsourcing()  # noqa: RUF009 - frozen
    prior: Prior | float = Uniform()  # noqa: RUF009 - frozen; money
    players: int = 3
    horizon: int = 32
    discount: float = 0.0  # nothing done now moves later rewards

    def __post_init__(self) -> None:
        require_numbers(self)
        require_episode(self.horizon, self.discount)
        require_whole(self.players, "players")
        known = isinstance(self.format, Crowdsourcing | Tullock | AllPay)
        require(known, "format", "be Crowdsourcing, Tullock or AllPay", self.format)
        self.format.check((1, self.players))
        if isinstance(self.prior, Prior):
            require_prior(self.prior, "prior")
        else:
            require(0 < self.prior < np.inf, "prior", "be a distribution, or a positive and finite value", self.prior)

    @cached_property
    def ends_of_prior(self) -> tuple[float, float]:
        """The lowest and the highest value, money."""
        return (self.prior.low, self.prior.high) if isinstance(self.prior, Prior) else (self.prior, self.prior)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``contestant_0`` .. ``contestant_{N-1}``."""
        return tuple(f"contestant_{i}" for i in range(self.players))

    @cached_property
    def observation_space(self) -> Box:
        """See the module's table."""
        low, high = self.ends_of_prior
        nobody, one = np.zeros(self.players), np.ones(self.players)
        return Box(np.concatenate(([low], nobody)), np.concatenate(([high], one)), dtype=np.float64)

    @cached_property
    def action_space(self) -> Box:
        """Effort, money."""
        return Box(0.0, self.ends_of_prior[1], (1,), dtype=np.float64)

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        """Uniform numbers: one a contestant for its type, one that settles ties."""
        return rng.random((steps, 2 * self.players))

    def decide(self, state: AuctionState, action: Floats, noise: Floats) -> tuple[Floats, Outcome]:
        """Hold a contest."""
        return action, self.format.clear(action[:, :, 0], noise[:, self.players :])

    def scripted(self, observation: Floats) -> Floats:
        """Spend an even share of the value."""
        return observation[:, :, :1] / self.players

    def types(self, noise: Floats) -> tuple[Floats, Floats]:
        """Draw values ``[B, N, 1]``."""
        own = noise[:, : self.players, None]
        values = self.prior.quantile(own) if isinstance(self.prior, Prior) else np.full(own.shape, self.prior)
        return values, values
