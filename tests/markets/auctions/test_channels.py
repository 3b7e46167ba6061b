"""Channels: what they hand back, alone and in equilibrium, and laws of auctions that are refused."""

from collections.abc import Callable

import numpy as np
import pytest

from walras.equilibria import first_price_pacing
from walras.markets.auctions import Uniform
from walras.markets.auctions.autobidding import bought, frontier
from walras.markets.auctions.channels import DrawnAuctions, KnownAuctions, Lots, handed

RNG = np.random.default_rng


def test_the_frontier_is_what_each_budget_buys() -> None:
    values, costs = RNG(0).uniform(0, 1, (2, 50, 6))
    values, costs = values * (RNG(1).random(values.shape) < 0.9), costs * (RNG(2).random(costs.shape) < 0.9)
    budgets = np.array([0.0, 0.3, 1.7, np.inf])
    value, spend = frontier(values, costs, budgets)
    for a, budget in enumerate(budgets):
        share = bought(values, costs, np.full(50, budget))
        np.testing.assert_allclose(value[:, a], (values * share).sum(axis=1), atol=1e-12)
        np.testing.assert_allclose(spend[:, a], (costs * share).sum(axis=1), atol=1e-12)


def test_a_lone_advertiser_meets_budget_and_target_in_each_channel() -> None:
    law = DrawnAuctions(6, scale=(1.0, 0.5, 2.0))
    lots = law.lots(RNG(0).random((200, law.numbers(1))), 1)
    budget, target = RNG(1).uniform(0, 1, (200, 1, 3)), RNG(2).uniform(0, 4, (200, 1, 3))
    back = handed(lots, budget, target)
    assert (back.spend <= budget + 1e-12).all()
    assert (back.value >= target * back.spend - 1e-12).all()
    more = handed(lots, 1.1 * budget, 0.9 * target)
    assert (more.value >= back.value - 1e-12).all()


def test_channels_clear_at_their_pacing_equilibria() -> None:
    law = DrawnAuctions(5)
    lots = law.lots(RNG(0).random((8, law.numbers(3))), 3)
    budget, target = RNG(1).uniform(0.1, 1, (8, 3, 2)), np.full((8, 3, 2), 1.6)
    target[:, 1] = 0.5  # asks for less than a bid of the value gives
    back = handed(lots, budget, target)
    found = first_price_pacing((lots.value / np.maximum(target, 1.0)[..., None]).swapaxes(1, 2), budget.swapaxes(1, 2))
    np.testing.assert_allclose(back.spend.swapaxes(1, 2), found.spend, atol=1e-6)
    assert (back.spend <= budget + 1e-6).all()
    assert (back.value >= np.maximum(target, 1.0) * back.spend - 1e-6).all()


def test_no_budget_in_a_channel_is_no_bid_there() -> None:
    law = DrawnAuctions(5)
    lots = law.lots(RNG(0).random((4, law.numbers(2))), 2)
    budget, none = np.full((4, 2, 2), 0.5), np.zeros((4, 2, 2))
    budget[:, 0, 1] = 0.0
    back = handed(lots, budget, none)
    assert (back.value[:, 0, 1] == 0).all()
    assert (back.spend[:, 0, 1] == 0).all()
    np.testing.assert_allclose(back.value[:, 1, 1], lots.value[:, 1, 1].sum(axis=1), rtol=1e-6)


def test_channels_of_known_auctions_may_differ_in_length() -> None:
    law = KnownAuctions([[[3.0, 1.0], [1.2]]], [[2.0, 1.0], [1.0]])
    lots = law.lots(np.empty((2, 0)), 1)
    assert lots.value.shape == (2, 1, 2, 2)
    assert lots.price[0].tolist() == [[2.0, 1.0], [1.0, 0.0]]
    assert law.best_ratio == 1.5
    assert isinstance(lots, Lots)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DrawnAuctions(0), r"`count` must be a whole number, at least 1; got 0"),
        (lambda: DrawnAuctions(values=0.5), r"`values` must be a distribution"),  # type: ignore[arg-type]
        (lambda: DrawnAuctions(prices=Uniform(-1.0, 1.0)), r"`prices` must hold no negative numbers"),
        (lambda: DrawnAuctions(scale=()), r"`scale` must hold positive and finite numbers"),
        (lambda: DrawnAuctions(scale=(1.0, 0.0)), r"`scale` must hold positive .*; got \(1\.0, 0\.0\)"),
        (lambda: KnownAuctions([[[1.0]]]), r"`prices` must hold so many auctions by channel: \(1,\); got \(\)"),
        (lambda: KnownAuctions([[[1.0], []]], [[1.0], []]), r"`values` must hold the same channels"),
        (lambda: KnownAuctions([[[1.0]], [[1.0], [2.0]]]), r"`values` must hold the same channels"),
        (lambda: KnownAuctions([[[-1.0]]], [[1.0]]), r"`values` must be finite and not negative; got -1\.0"),
        (lambda: KnownAuctions([[[1.0]]], [[np.nan]]), r"`prices` must be finite and not negative; got nan"),
        (lambda: KnownAuctions([[[1.0]], [[2.0]]], [[1.0]]), r"`prices` must hold so many auctions by channel: \(\)"),
    ],
)
def test_laws_that_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
