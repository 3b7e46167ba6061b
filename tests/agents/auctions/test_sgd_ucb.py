"""SGD-UCB: it finds what two channels are worth, keeps to its money, and refuses other games."""

import numpy as np
import pytest

from walras.agents import SGDUCB
from walras.agents.auctions.sgd_ucb import train
from walras.envs import AutobiddingMarket, CournotMarket
from walras.equilibria import best_levers
from walras.markets.auctions.channels import DrawnAuctions


def test_it_comes_near_the_best_budgets() -> None:
    game = AutobiddingMarket()
    best = best_levers(game, 2**12)[1]
    learned = train(game, steps=1500)
    value, spend = learned.value[0] / 1500, learned.spend[0] / 1500
    assert value > 0.93 * best.value
    assert value > 2.85 * spend  # of a target of 3
    assert learned.diagnostics["value"][-1, 0] == value
    told = learned.act(np.empty((1, 1, 6)), np.random.default_rng(0))[0, 0]
    np.testing.assert_allclose(told, best.spend, atol=0.12)


def test_it_stops_when_the_money_is_gone() -> None:
    game = AutobiddingMarket(DrawnAuctions(4), budgets=0.2, targets=0.0)
    learned = train(game, steps=400, arms=4)
    assert learned.spend[0] <= 400 * 0.2 + 1e-9
    assert learned.spend[0] > 0.9 * 400 * 0.2


def test_several_learn_side_by_side() -> None:
    game = AutobiddingMarket(DrawnAuctions(3), advertisers=2, budgets=(0.3, 0.6), targets=0.0, horizon=10)
    learned = train(game, steps=30, arms=3)
    assert learned.value.shape == (2,)
    assert (learned.spend <= 30 * np.array(game.budgets) + 1e-6).all()
    assert learned.act(np.empty((5, 2, 6)), np.random.default_rng(0)).shape == (5, 2, 2)


def test_other_games_and_levers_are_refused() -> None:
    for game in (CournotMarket(), AutobiddingMarket(levers="targets")):
        with pytest.raises(TypeError, match="`game` must be an AutobiddingMarket with budgets as levers; got"):
            SGDUCB().check(game)
    with pytest.raises(ValueError, match=r"`width` must be positive and finite; got 0\.0"):
        SGDUCB(width=0.0)
    with pytest.raises(ValueError, match=r"`arms` must be a whole number, at least 1; got 0"):
        SGDUCB(arms=0)
