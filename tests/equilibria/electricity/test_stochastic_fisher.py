"""The published simulacrum: its reward by hand, its play hour by hour, and what its fit sees."""

# torch is only partly typed.
# pyright: reportUnknownMemberType=false, reportPrivateUsage=false

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from walras.equilibria.electricity import stochastic_fisher as module
from walras.equilibria.electricity.stochastic_fisher import (
    CAP,
    Fit,
    StochasticFisher,
    World,
    fit_stochastic_fisher,
    forecast_of,
    world_of,
)
from walras.markets.electricity.day_forecasts import Days

FEW = Fit(1, 3, 4)


@pytest.fixture(scope="module")
def days() -> Days:
    rng = np.random.default_rng(0)
    load = 28_000 + 4_000 * np.sin(2 * np.pi * (np.arange(24) - 8) / 24) + rng.normal(0, 800, (40, 24))
    price = 10 + load / 700 + rng.normal(0, 1, (40, 24))
    date = np.datetime64("2018-01-01") + np.arange(40)
    return Days(date, price, price + 8, load, np.full_like(price, np.nan), np.zeros((40, 0, 24)))


def world(hours: int) -> World:
    draw = torch.Generator().manual_seed(0)
    shapes = ((2, hours, 2), (2, hours, 3, 2), (2, hours, 3), (2, hours, 3), (2, hours, 3))
    supply, kind, *rest = (torch.rand(shape, generator=draw, dtype=torch.float64) + 0.1 for shape in shapes)
    return World(supply, kind / kind.sum(dim=3, keepdim=True), *rest)


def hour_of(worlds: World) -> World:
    return World(*(part[:, 0] for part in worlds))


def test_buyers_are_best_off_with_the_shares_of_their_utility_and_then_the_reward_is_linear_in_spending() -> None:
    now = hour_of(world(1))
    price = torch.tensor([[0.8, 1.4], [1.1, 0.5]], dtype=torch.float64)
    spent = torch.tensor([[1.0, 2.0, 0.5], [0.3, 1.0, 4.0]], dtype=torch.float64)
    best = (spent[:, :, None] * now.kind / price[:, None]).requires_grad_()
    reward = module._reward(price, best, spent, now)
    (slope,) = torch.autograd.grad(reward.sum(), best)
    torch.testing.assert_close(slope, torch.zeros_like(slope))
    each = 1 + (now.kind * torch.log(now.kind / price[:, None])).sum(dim=2)
    linear = (spent * (each - 1)).sum(dim=1) + (price * now.supply).sum(dim=1)
    torch.testing.assert_close(reward, linear)


def test_where_all_that_is_supplied_is_bought_the_seller_gains_by_no_price() -> None:
    now = hour_of(world(1))
    bought = now.supply[:, None] * torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)[None, :, None]
    spent = torch.ones(2, 3, dtype=torch.float64)
    rewards = [module._reward(torch.full((2, 2), p, dtype=torch.float64), bought, spent, now) for p in (0.1, 3.0)]
    torch.testing.assert_close(*rewards)


def test_budgets_are_what_was_saved_with_interest_and_what_is_replenished() -> None:
    market, hours = StochasticFisher(4).double(), 3
    worlds, seen = world(hours), torch.rand(2, hours, 4, dtype=torch.float64)
    budgets = list[Tensor]()
    watch = market.buyers.register_forward_pre_hook(lambda _, given: budgets.append(given[0][:, -3:]))
    played = market.play(seen, worlds)
    watch.remove()
    assert bool(((played.price > 0) & (played.price < CAP)).all())
    torch.testing.assert_close(budgets[0], worlds.first[:, 0])
    for hour in range(hours - 1):
        parts = seen[:, hour], worlds.supply[:, hour], worlds.kind[:, hour].flatten(1), budgets[hour]
        _, spent = module._purchases(market.buyers(torch.cat(parts, dim=1)), budgets[hour])
        saved = budgets[hour] - spent
        torch.testing.assert_close(budgets[hour + 1], worlds.interest[:, hour] * saved + worlds.replenished[:, hour])


def test_nobody_gains_by_the_policy_it_has() -> None:
    market, seen = StochasticFisher(4).double(), torch.rand(2, 3, 4, dtype=torch.float64)
    same = {"seller": market.seller, "buyers": market.buyers}
    assert float(module._exploitability(market, seen, world(3), same).detach()) == 0.0


def test_a_fit_is_that_of_its_seed_and_climbers_find_what_is_gained(days: Days) -> None:
    (one, regret), (other, again) = (fit_stochastic_fisher(days, 35, FEW, seed=1) for _ in range(2))
    assert regret == again > 0
    np.testing.assert_array_equal(forecast_of(one, days, 35), forecast_of(other, days, 35))


def test_a_fit_to_prices_alone_comes_close_to_them(days: Days) -> None:
    market, _ = fit_stochastic_fisher(days, 35, Fit(1, 120, 8, market_rate=1e-2, policy_rate=1e-2, market=False))
    missed = forecast_of(market, days, 35) - days.price[35:]
    assert (missed**2).mean() < days.price.var() / 2


def test_nothing_that_comes_later_is_used(days: Days) -> None:
    market, _ = fit_stochastic_fisher(days, 35, FEW)
    later = replace(days, price=days.price + 30 * (np.arange(40) > 36)[:, None])
    np.testing.assert_array_equal(world_of(later)[:38], world_of(days)[:38])
    np.testing.assert_array_equal(forecast_of(market, later, 35)[:3], forecast_of(market, days, 35)[:3])
    assert not np.allclose(forecast_of(market, later, 35)[3:], forecast_of(market, days, 35)[3:])
    other, _ = fit_stochastic_fisher(later, 35, FEW)
    np.testing.assert_array_equal(forecast_of(other, days, 35), forecast_of(market, days, 35))


@pytest.mark.parametrize(("name", "value"), [("rounds", 0), ("batch", 1.5), ("market_rate", 0.0), ("growth", np.inf)])
def test_settings_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        Fit(**{name: value})  # type: ignore[arg-type]
