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
exploitability :math:`\phi`, what the seller and the buyers gain by other plays, is held at zero by an augmented
Lagrangian :math:`\lambda \phi + \beta \phi^2 / 2`.

That is what is known of it; these choices are ours, since neither paper nor code determines them:

================  ======================================================================================================
open              chosen
================  ======================================================================================================
buyers            3, with Cobb-Douglas utilities
world             what is known at the auction: a constant, two daily harmonics, the weekend, the load's forecast, both
                  prices at the hour 1 and 7 days before
networks          one hidden layer of 32, tanh
window            a day; its first budgets are the shock policy's, and what is saved at its end is worth nothing
prices            from 0.05 EUR/MWh to the market's cap, without which the seller's gain has no bound
units             prices by 50 EUR/MWh, load by 28 GW
norms             root mean squares over a batch of days
demand observed   the load's forecast, as its outcome is not known when later days are fitted
steps             `Fit`; the published fit has 100 rounds of 10,000 steps
================  ======================================================================================================

One thing is not as published. There, best answers are networks that climb beside the fit; here they are exact. Buyers'
policies do not see prices, so the seller's best prices are the cap where more is bought than supplied, and the least
elsewhere. A buyer's best purchases from what it spends are :math:`X_j = (b - \sigma) \theta_j / p_j`, and with them
:math:`R_t = p_t q_t + \sum_i (b_{it} - \sigma_{it}) e_{it}`, :math:`e = \sum_j \theta_j \log(\theta_j / p_j)`, is
linear in what is spent. So money is worth :math:`v_t = \max(e_t, \gamma \iota_t v_{t+1})`, and is all spent or all
saved, by a rule that depends on the unit of prices. These are answers to the path of prices; the published ones are to
the policy, which may move with the budgets of who deviates.

References
----------
.. [1] D. Goktas, A. Greenwald, S. Zhao, A. Koppel and S. Ganesh, Efficient Inverse Multiagent Learning, ICLR 2024.
"""

# torch is only partly typed.
# pyright: reportUnknownMemberType=false

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
"""Of prices and of what is bought, so that logarithms are finite."""


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
    """In each round."""
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
    amount: Tensor  # [B, H, n, m] that is bought
    spent: Tensor  # [B, H, n]


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

    def play(self, seen: Tensor, worlds: World) -> Played:
        """Return the play of days ``[B, H, F]``."""
        budget, hours = worlds.first[:, 0], list[tuple[Tensor, Tensor, Tensor]]()
        for hour in range(seen.shape[1]):
            world = World(*(part[:, hour] for part in worlds))
            state = torch.cat((seen[:, hour], world.supply, world.kind.flatten(1), budget), dim=1)
            amount, spent = _purchases(self.buyers(state), budget)
            hours.append((LEAST + (CAP - LEAST) * torch.sigmoid(self.seller(state)), amount, spent))
            budget = world.interest * (budget - spent) + world.replenished
        return Played(*(torch.stack(part, dim=1) for part in zip(*hours, strict=True)))


def exploitability(played: Played, worlds: World) -> Tensor:
    """Return what the seller and the buyers gain by their best answers, ``[B]``, together and discounted."""
    weight = DISCOUNT ** torch.arange(played.price.shape[1], dtype=played.price.dtype)
    left = worlds.supply - played.amount.sum(dim=2)
    seller = (played.price * left - CAP * left.clamp(max=0.0) - LEAST * left.clamp(min=0.0)).sum(dim=2)
    utility = (worlds.kind * torch.log(played.amount)).sum(dim=3) - torch.log(played.spent)
    paid = (played.price[:, :, None] * played.amount).sum(dim=3)
    own = (played.spent * (1 + utility) - paid).sum(dim=2)
    return (weight * (seller - own)).sum(dim=1) + _best_of_buyers(played.price, worlds, weight)


def _best_of_buyers(price: Tensor, worlds: World, weight: Tensor) -> Tensor:
    """Return what all buyers' best purchases are worth on a path of prices, ``[B]``: budgets by the worth of money."""
    now = (worlds.kind * torch.log(worlds.kind / price[:, :, None])).sum(dim=3)  # [B, H, n]
    later, worth = torch.zeros_like(now[:, 0]), list[Tensor]()
    for hour in reversed(range(now.shape[1])):
        later = torch.maximum(now[:, hour], DISCOUNT * worlds.interest[:, hour] * later)
        worth.append(later)
    money = torch.stack(worth[::-1], dim=1)
    income = torch.cat((worlds.first[:, :1], worlds.replenished[:, :-1]), dim=1)
    return (weight * (income * money).sum(dim=2)).sum(dim=1)


def fit_stochastic_fisher(
    days: Days, first: int, fit: Fit | None = None, seed: int = 0
) -> tuple[StochasticFisher, float]:
    """Return the market fitted to the `YEAR` days before `first`, and its exploitability at the end.

    The latter is the mean over days of what best answers gain in a day, discounted; its unit is that of budgets, 28 GWh
    at 50 EUR/MWh.
    """
    fit = fit or Fit()
    torch.manual_seed(seed)
    part = slice(max(first - YEAR, EARLIEST), first)
    seen, price, load = world_of(days)[part], _prices(days)[part], _load(days)[part]
    market = StochasticFisher(seen.shape[2]).to(seen.dtype)
    multiplier, penalty = 0.0, 1.0 if fit.market else 0.0
    for _ in range(fit.rounds):
        policies = [*market.seller.parameters(), *market.buyers.parameters()]
        groups = [
            {"params": market.shock.parameters(), "lr": fit.market_rate},
            {"params": policies, "lr": fit.policy_rate},
        ]
        down, gain = torch.optim.Adam(groups), 0.0
        for _ in range(fit.steps):
            some = torch.randint(len(seen), (fit.batch,))
            worlds = market.world(seen[some])
            played = market.play(seen[some], worlds)
            regret = exploitability(played, worlds).mean().clamp(min=0.0)
            loss = (_norm(played.price - price[some]) + _norm(played.amount.sum(dim=(2, 3)) - load[some])) ** 2 / 2
            down.zero_grad()
            (loss + multiplier * regret + penalty / 2 * regret**2).backward()
            down.step()
            gain = float(regret.detach())
        multiplier, penalty = multiplier + fit.multiplier_rate * gain * fit.market, penalty * fit.growth
    with torch.no_grad():
        worlds = market.world(seen)
        return market, float(exploitability(market.play(seen, worlds), worlds).mean())


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
    return softplus(amount).unflatten(1, (BUYERS, GOODS)) + LEAST, budget * torch.sigmoid(-saved)


def _network(features: int, answers: int) -> nn.Module:
    return nn.Sequential(nn.Linear(features, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, answers))


def _norm(missed: Tensor) -> Tensor:
    return (missed**2).mean().sqrt()
