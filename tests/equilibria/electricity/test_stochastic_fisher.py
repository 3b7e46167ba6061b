"""The published simulacrum: exploitability by hand, play hour by hour, and what the fit sees."""

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
    Played,
    StochasticFisher,
    World,
    exploitability,
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


def cleared(worlds: World) -> Played:
    """All money spent in each hour, at the prices at which what is bought is what is supplied."""
    budget, hours = worlds.first[:, 0], list[tuple[Tensor, Tensor, Tensor]]()
    for hour in range(worlds.supply.shape[1]):
        spent = budget
        price = (spent[:, :, None] * worlds.kind[:, hour]).sum(dim=1) / worlds.supply[:, hour]
        hours.append((price, spent[:, :, None] * worlds.kind[:, hour] / price[:, None], spent))
        budget = worlds.replenished[:, hour]
    return Played(*(torch.stack(part, dim=1) for part in zip(*hours, strict=True)))


def dear(worlds: World) -> World:
    """The same, with interest of nothing, so that nobody saves, and supplies at which money is worth something."""
    return worlds._replace(interest=0 * worlds.interest, supply=8 * worlds.supply)


def test_in_a_market_that_clears_and_where_saving_is_lost_nobody_gains() -> None:
    worlds = dear(world(5))
    gain = exploitability(cleared(worlds), worlds)
    torch.testing.assert_close(gain, torch.zeros(2, dtype=torch.float64))


def test_what_is_gained_by_hand() -> None:
    worlds = dear(world(1))
    played = cleared(worlds)
    price = played.price + 0.05
    spent = played.spent
    bought = spent[..., None] * worlds.kind / price[:, :, None]  # best at these prices: only the seller gains
    left = (worlds.supply - bought.sum(dim=2)).clamp(min=0)
    gain = exploitability(Played(price, bought, spent), worlds)
    torch.testing.assert_close(gain, ((price - module.LEAST) * left).sum(dim=(1, 2)))
    half = Played(played.price, 0.5 * played.amount, spent)  # for what is spent they could have twice as much
    money = spent.sum(dim=(1, 2))
    lost = money * (np.log(2) - 0.5)  # log u falls by log 2, and half of what is spent is kept
    unsold = (0.5 * (played.price - module.LEAST) * worlds.supply).sum(dim=(1, 2))
    torch.testing.assert_close(exploitability(half, worlds), lost + unsold)


def test_money_that_grows_is_saved_to_the_last_hour() -> None:
    worlds = dear(world(2))
    worlds = worlds._replace(interest=torch.full_like(worlds.interest, 2.0), replenished=0 * worlds.replenished)
    price = torch.ones(2, 2, 2, dtype=torch.float64) * 0.1
    each = (worlds.kind * torch.log(worlds.kind / price[:, :, None])).sum(dim=3)
    assert bool((each > 0).all())
    weight = torch.tensor([1.0, module.DISCOUNT], dtype=torch.float64)
    best = module._best_of_buyers(price, worlds, weight)
    by_hand = (worlds.first[:, 0] * torch.maximum(each[:, 0], module.DISCOUNT * 2 * each[:, 1])).sum(dim=1)
    torch.testing.assert_close(best, by_hand)


@pytest.mark.parametrize("seed", range(3))
def test_no_play_of_networks_gains_less_than_nothing(seed: int) -> None:
    torch.manual_seed(seed)
    market, seen = StochasticFisher(4).double(), torch.rand(6, 5, 4, dtype=torch.float64)
    worlds = market.world(seen)
    assert bool((exploitability(market.play(seen, worlds), worlds) > 0).all())


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


def test_a_fit_is_that_of_its_seed(days: Days) -> None:
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
