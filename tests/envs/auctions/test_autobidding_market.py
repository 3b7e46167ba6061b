"""Autobidding market: what one cannot make, what a period does, and what is kept of the past."""

from collections.abc import Callable

import numpy as np
import pytest

from walras.core import Constant, Scripted, rollout
from walras.envs import AutobiddingMarket
from walras.markets.auctions import Uniform
from walras.markets.auctions.channels import DrawnAuctions, KnownAuctions

TWO = KnownAuctions([[[10.0], [1.2]]], [[2.0], [1.0]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AutobiddingMarket(budgets=0.0), r"`budgets` must be positive and finite; got 0\.0"),
        (lambda: AutobiddingMarket(budgets=np.inf), r"`budgets` must be positive and finite; got inf"),
        (lambda: AutobiddingMarket(advertisers=2, budgets=(1.0,) * 3), r"`budgets` must be one number or 2 numbers"),
        (lambda: AutobiddingMarket(targets=-1.0), r"`targets` must be finite and not negative; got -1\.0"),
        (lambda: AutobiddingMarket(TWO, targets=5.1), r"`targets` must be met by some auction, at most 5; got 5\.1"),
        (
            lambda: AutobiddingMarket(DrawnAuctions(prices=Uniform(0.5, 1.0)), targets=2.5),
            r"`targets` must be met by some auction, at most 2; got 2\.5",
        ),
        (lambda: AutobiddingMarket(levers="bids"), r"`levers` must be one of both, budgets, targets; got 'bids'"),  # type: ignore[arg-type]
        (lambda: AutobiddingMarket(utility="roi"), r"`utility` must be one of quasilinear, value; got 'roi'"),  # type: ignore[arg-type]
        (lambda: AutobiddingMarket(auctions=3), r"`auctions` must be DrawnAuctions or KnownAuctions; got 3"),  # type: ignore[arg-type]
        (lambda: AutobiddingMarket(advertisers=0), r"`advertisers` must be a whole number, at least 1; got 0"),
    ],
)
def test_games_that_cannot_be_made(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_what_is_won_and_spent_adds_up() -> None:
    game = AutobiddingMarket(advertisers=2, budgets=(1.0, 0.5), targets=0.0, horizon=6)
    played = rollout(game, Scripted(game), range(3))
    np.testing.assert_allclose(played.state.all_value[-1], played.total)
    np.testing.assert_allclose(played.state.all_spend[-1], played.state.spend[1:].sum(axis=(0, 3)))
    assert (played.state.spend[1:].sum(axis=3) <= np.array(game.budgets) + 1e-6).all()
    left, time = np.moveaxis(played.observation[..., -2:], -1, 0)
    np.testing.assert_allclose(left[0], 1.0)
    np.testing.assert_allclose(left[-1], 1 - played.state.all_spend[-2] / (6 * np.array(game.budgets)))
    np.testing.assert_allclose(time[:, 0, 0], 1 - np.arange(6) / 6)


@pytest.mark.parametrize(("levers", "value"), [("budgets", 3.1), ("targets", 11.2), ("both", 3.1)])
def test_levers_reach_the_channels(levers: str, value: float) -> None:
    game = AutobiddingMarket(TWO, budgets=1.0, targets=1.0, levers=levers, horizon=2)  # type: ignore[arg-type]
    played = rollout(game, Scripted(game), [0])
    np.testing.assert_allclose(played.reward, value)  # half of the budget in each channel, or all auctions


def test_who_keeps_money_is_paid_less() -> None:
    plain, kept = (AutobiddingMarket(TWO, budgets=1.0, targets=1.0, utility=u) for u in ("value", "quasilinear"))
    worth, less = (rollout(game, Scripted(game), [0]) for game in (plain, kept))
    np.testing.assert_allclose(worth.reward - less.reward, 1.0)


def test_missed_constraints_are_told() -> None:
    game = AutobiddingMarket(TWO, budgets=1.0, targets=1.3)
    assert game.shortfall(np.array([1.2]), np.array([1.0])) == pytest.approx(0.1)
    assert game.overspend(np.array([5.0]), periods=2.0) == 3.0
    assert game.overspend(np.array([1.0]), periods=2.0) == 0.0


def test_rows_of_several_advertisers_do_not_feel_each_other() -> None:
    game = AutobiddingMarket(advertisers=3, budgets=(1.0, 2.0, 0.5), targets=(0.0, 2.0, 1.5), levers="both", horizon=4)
    action = np.random.default_rng(0).random((7, 3, 4)) * game.action_space.high
    noise = np.stack([game.noise(np.random.default_rng(i), 1)[0] for i in range(7)])
    whole = game.step(game.reset(noise), action, noise)
    for i in range(7):
        alone = game.step(game.reset(noise[i : i + 1]), action[i : i + 1], noise[i : i + 1])
        np.testing.assert_array_equal(alone.reward[0], whole.reward[i])
        np.testing.assert_array_equal(alone.state.spend[0], whole.state.spend[i])


def test_the_largest_levers_stay_in_the_observation_space() -> None:
    game = AutobiddingMarket(budgets=50.0, targets=0.0, horizon=5)
    played = rollout(game, Constant(np.full((1, 2), 50.0)), range(4))
    assert all(game.observation_space.contains(o[0]) for o in played.observation.reshape(-1, 1, 6))


def test_it_is_drawn_and_told() -> None:
    game = AutobiddingMarket(advertisers=2, targets=0.0)
    state = game.reset(game.noise(np.random.default_rng(0), 1))
    state = game.step(state, np.full((1, 2, 2), 0.5), game.noise(np.random.default_rng(1), 1)).state
    assert "advertiser_1" in game.text(state)
    assert game.image(state).std() > 0
