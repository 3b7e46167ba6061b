r"""The published simulacrum of electricity prices: a stochastic Fisher market whose policies are networks, learned.

After Goktas, Greenwald, Zhao, Koppel and Ganesh [1]_. One seller sets the prices of two goods, power day ahead and
power at last; n buyers choose what they buy, :math:`X_t`, and what they save, :math:`\sigma_t`. The state has supplies
:math:`q_t`, types :math:`\theta_t` and budgets :math:`b_t`. The seller minimises and the buyers maximise the sum of

.. math::
    R_t = p_t \cdot (q_t - \sum_i X_{it})
        + \sum_i (b_{it} - \sigma_{it}) \log \frac{u_i(X_{it}; \theta_{it})}{b_{it} - \sigma_{it}}
        + \sum_i (b_{it} - \sigma_{it}),
    \qquad b_{t+1} = \iota_t \sigma_t + r_t ,

discounted. A *shock policy* maps what is observed of the world, :math:`w_t`, to supplies, types, interest
:math:`\iota_t`, what is replenished :math:`r_t` and first budgets; prices and purchases are policies of
:math:`(w_t, s_t)`. All are networks. They are fitted so that both prices and the sum of purchases are those observed,
:math:`\tfrac12 (\lVert X - X^\dagger \rVert + \lVert p - p^\dagger \rVert)^2`, and that nobody gains by another policy:
exploitability :math:`\phi`, the seller's and the buyers' gain by networks that climb beside the fit, is held at zero by
an augmented Lagrangian :math:`\lambda \phi + \beta \phi^2 / 2`. The climb moves no parameter of the market; the fit
does.

That is what is known of it; these choices are ours, since neither paper nor code determines them:

================  ======================================================================================================
open              chosen
================  ======================================================================================================
buyers            3, with Cobb-Douglas utilities
world             what is known at the auction: a constant, two daily harmonics, the weekend, the load's forecast, both
                  prices at the hour 1 and 7 days before
networks          one hidden layer of 32, tanh
window            a day; its first budgets are the shock policy's
prices            from 0 to the market's cap, without which the seller's gain has no bound
units             prices by 50 EUR/MWh, load by its mean
norms             root mean squares over a batch of days
demand observed   the load's forecast, as its outcome is not known when later days are fitted
steps             `Fit`; the published fit has 100 rounds of 10,000 steps
================  ======================================================================================================

A remark on the reward: with utilities that are homogeneous and purchases at their best, :math:`R_t` is linear in what
is spent, :math:`(b - \sigma)(1 + \sum_j \theta_j \log(\theta_j / p_j))`, so the best savings are at a bound, all or
nothing, wherever that coefficient, which depends on the unit of money, differs from its later value.

References
----------
.. [1] D. Goktas, A. Greenwald, S. Zhao, A. Koppel and S. Ganesh, Efficient Inverse Multiagent Learning, ICLR 2024.
"""

# torch is only partly typed.
# pyright: reportUnknownMemberType=false

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from walras.core.checks import require, require_whole
from walras.core.typing import Floats
from walras.markets.electricity.day_forecasts import EARLIEST, YEAR, Days
from walras.markets.electricity.price_level import PRICE_LIMITS

BUYERS, GOODS, HIDDEN = 3, 2, 32
MONEY = 50.0
"""EUR/MWh, the unit of prices."""
CAP = PRICE_LIMITS[1] / MONEY
DISCOUNT = 0.9
LEAST = 1e-3
"""Of what is spent and bought, so that logarithms are finite."""


@final
@dataclass(frozen=True)
class Fit:
    """How the networks are fitted; rates and growth are the published ones.

    Raises
    ------
    ValueError
        If a count is not a whole number from 1 on, or a rate is not positive.
    """

    rounds: int = 10
    """Of the augmented Lagrangian."""
    steps: int = 100
    """In each round, of the market, of policies and of what climbs."""
    batch: int = 16
    """Days of a step."""
    market_rate: float = 1e-3
    policy_rate: float = 5e-4
    multiplier_rate: float = 1e-2
    growth: float = 1.1
    """Of the penalty, each round, from 1."""
    market: bool = True
    """Whether exploitability counts; else the networks are fitted to prices and demand alone."""

    def __post_init__(self) -> None:
        for name in ("rounds", "steps", "batch"):
            require_whole(getattr(self, name), name)
        for name in ("market_rate", "policy_rate", "multiplier_rate", "growth"):
            require(0 < getattr(self, name) < np.inf, name, "be positive and finite", getattr(self, name))


class World(NamedTuple):
    """The shock policy's answer to hours of B days."""

    supply: Tensor  # [B, H, m]
    kind: Tensor  # [B, H, n, m] shares of Cobb-Douglas utility
    interest: Tensor  # [B, H, n] from 0 to 2
    replenished: Tensor  # [B, H, n]
    first: Tensor  # [B, H, n] budgets, where a day begins


class Played(NamedTuple):
    """What H hours of B days came to."""

    price: Tensor  # [B, H, m]
    bought: Tensor  # [B, H] sum over buyers and goods
    worth: Tensor  # [B] discounted sum of R


@final
class StochasticFisher(nn.Module):
    """The market's shock policy and the policies of seller and buyers, each one hidden layer.

    Parameters
    ----------
    features : int
        F, of the observed world.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.shock = _network(features, GOODS + BUYERS * GOODS + 3 * BUYERS)
        state = features + GOODS + BUYERS * GOODS + BUYERS
        self.seller = _network(state, GOODS)
        self.buyers = _network(state, BUYERS * GOODS + BUYERS)

    def world(self, seen: Tensor) -> World:
        """Return the market's parameters in all hours of days ``[B, H, F]``."""
        sizes = (GOODS, BUYERS * GOODS, BUYERS, BUYERS, BUYERS)
        supply, kind, interest, replenished, first = self.shock(seen).split(sizes, dim=-1)
        kinds = torch.softmax(kind.unflatten(-1, (BUYERS, GOODS)), dim=-1)
        return World(softplus(supply), kinds, 2 * torch.sigmoid(interest), softplus(replenished), softplus(first))

    def play(
        self, seen: Tensor, worlds: World, seller: nn.Module | None = None, buyers: nn.Module | None = None
    ) -> Played:
        """Return the play of days ``[B, H, F]``, of these policies or of others in their place."""
        budget, worth = worlds.first[:, 0], torch.zeros(len(seen), dtype=seen.dtype)
        prices, bought = list[Tensor](), list[Tensor]()
        for hour in range(seen.shape[1]):
            world = World(*(part[:, hour] for part in worlds))
            state = torch.cat((seen[:, hour], world.supply, world.kind.flatten(1), budget), dim=1)
            price = CAP * torch.sigmoid((seller or self.seller)(state))
            amount, spent = _purchases((buyers or self.buyers)(state), budget)
            worth = worth + DISCOUNT**hour * _reward(price, amount, spent, world)
            budget = world.interest * (budget - spent) + world.replenished
            prices.append(price)
            bought.append(amount.sum(dim=(1, 2)))
        return Played(torch.stack(prices, dim=1), torch.stack(bought, dim=1), worth)


def fit_stochastic_fisher(
    days: Days, first: int, fit: Fit | None = None, seed: int = 0
) -> tuple[StochasticFisher, float]:
    """Return the market fitted to the `YEAR` days before `first`, and its exploitability at the end.

    The latter is the mean over days of what climbing networks gain in a day, discounted, a lower end of it; its unit is
    that of budgets, 28 GWh at 50 EUR/MWh.
    """
    fit = fit or Fit()
    torch.manual_seed(seed)
    part = slice(max(first - YEAR, EARLIEST), first)
    seen, price, load = world_of(days)[part], _prices(days)[part], _load(days)[part]
    market = StochasticFisher(seen.shape[2]).to(seen.dtype)
    others = {name: _copied(getattr(market, name)) for name in ("seller", "buyers")}
    climb = torch.optim.Adam([p for net in others.values() for p in net.parameters()], lr=10 * fit.policy_rate)
    multiplier, penalty, gain = 0.0, 1.0, 0.0
    for _ in range(fit.rounds):
        down = torch.optim.Adam(
            [
                {"params": market.shock.parameters(), "lr": fit.market_rate},
                {"params": [*market.seller.parameters(), *market.buyers.parameters()], "lr": fit.policy_rate},
            ]
        )
        for _ in range(fit.steps):
            some = torch.randint(len(seen), (fit.batch,))
            worlds = market.world(seen[some])
            played = market.play(seen[some], worlds)
            loss = (_norm(played.price - price[some]) + _norm(played.bought - load[some])) ** 2 / 2
            if fit.market:
                regret = _exploitability(market, seen[some], worlds, others)
                climb.zero_grad()
                (-regret).backward(retain_graph=True, inputs=_parameters(others.values()))
                held = regret.clamp(min=0.0)
                loss = loss + multiplier * held + penalty / 2 * held**2
                gain = float(held.detach())
            down.zero_grad()
            loss.backward(inputs=_parameters([market]))
            down.step()
            if fit.market:
                climb.step()
        multiplier, penalty = multiplier + fit.multiplier_rate * gain, penalty * fit.growth
    with torch.no_grad():
        regret = float(_exploitability(market, seen, market.world(seen), others).clamp(min=0.0))
    return market, regret


def stochastic_fisher(days: Days, first: int) -> Floats:
    """Forecast day-ahead prices by a market fitted as `Fit` says, ``[D - first, 24]``."""
    return forecast_of(fit_stochastic_fisher(days, first)[0], days, first)


def forecast_of(market: StochasticFisher, days: Days, first: int) -> Floats:
    """Return a fitted market's day-ahead prices of all days from `first` on, ``[D - first, 24]``."""
    with torch.no_grad():
        seen = world_of(days)[first:]
        return MONEY * market.play(seen, market.world(seen)).price[:, :, 0].numpy()


def world_of(days: Days) -> Tensor:
    """Return what is known of each hour at its auction, ``[D, 24, F]``; zeros where days before are missing."""
    hour = np.tile(np.arange(24.0), (len(days.price), 1))
    waves = [wave(2 * np.pi * k * hour / 24) for k in (1, 2) for wave in (np.sin, np.cos)]
    weekend = np.repeat(days.weekday[:, 5:].sum(axis=1, keepdims=True), 24, axis=1)
    past = [_before(table / MONEY, ago) for table in (days.price, days.actual) for ago in (1, 7)]
    parts = (np.ones_like(hour), *waves, weekend, _load(days).numpy() - 1, *past)
    return torch.tensor(np.stack(parts, axis=2))


def _before(table: Floats, days: int) -> Floats:
    found = np.zeros_like(table)
    found[days:] = table[:-days]
    return found


def _prices(days: Days) -> Tensor:
    return torch.tensor(np.stack((days.price, days.actual), axis=2) / MONEY)


def _load(days: Days) -> Tensor:
    """Return the load's forecast, in parts of 28 GW, about its mean in Spain."""
    return torch.tensor(days.load / LOAD)


LOAD = 28_000.0
"""MW, the unit of load: a constant, so that no later load sets it."""


def _purchases(raw: Tensor, budget: Tensor) -> tuple[Tensor, Tensor]:
    """Return what each buyer buys of each good ``[B, n, m]`` and spends ``[B, n]``."""
    amount, saved = raw.split((BUYERS * GOODS, BUYERS), dim=1)
    return softplus(amount).unflatten(1, (BUYERS, GOODS)) + LEAST, budget * (1 - torch.sigmoid(saved)) + LEAST


def _reward(price: Tensor, amount: Tensor, spent: Tensor, world: World) -> Tensor:
    """Return R of one hour, ``[B]``: what the buyers maximise and the seller minimises."""
    left = (price * (world.supply - amount.sum(dim=1))).sum(dim=1)
    utility = (world.kind * torch.log(amount)).sum(dim=2) - torch.log(spent)
    return left + (spent * utility).sum(dim=1) + spent.sum(dim=1)


def _exploitability(market: StochasticFisher, seen: Tensor, worlds: World, others: dict[str, nn.Module]) -> Tensor:
    """Return what other networks gain over a market's own, both sides together, the mean of days."""
    bought = market.play(seen, worlds, buyers=others["buyers"]).worth
    sold = market.play(seen, worlds, seller=others["seller"]).worth
    return (bought - sold).mean()


def _network(features: int, answers: int) -> nn.Module:
    return nn.Sequential(nn.Linear(features, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, answers))


def _copied(network: nn.Module) -> nn.Module:
    from copy import deepcopy

    return deepcopy(network)


def _norm(missed: Tensor) -> Tensor:
    return (missed**2).mean().sqrt()


def _parameters(networks: Iterable[nn.Module]) -> list[nn.Parameter]:
    return [parameter for network in networks for parameter in network.parameters()]
