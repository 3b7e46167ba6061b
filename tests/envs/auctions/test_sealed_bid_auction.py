"""Auction games: what one cannot make, and who wins what in a round."""

from collections.abc import Callable

import numpy as np
import pytest

from walras.core import Scripted, rollout
from walras.envs import Contest, DoubleAuction, LLGAuction, MultiUnitAuction, SealedBidAuction
from walras.markets.auctions import (
    Core,
    Discriminatory,
    FirstPrice,
    KDouble,
    SecondPrice,
    ThirdPrice,
    Tullock,
    Uniform,
    UniformPrice,
)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SealedBidAuction(KDouble()), r"`format` must sell one good \(FirstPrice, .*\); got KDouble"),
        (lambda: SealedBidAuction(Core(), players=3), r"`format` must sell one good"),
        (lambda: SealedBidAuction(UniformPrice()), r"`format` must sell one good"),
        (lambda: SealedBidAuction(ThirdPrice()), r"`bids` must come from at least 3 bidders in ThirdPrice"),
        (lambda: SealedBidAuction(FirstPrice(reserve=2.0)), r"`format` must have a reserve .*1\.0.*; got 2\.0"),
        (lambda: SealedBidAuction(prior=0.5), r"`prior` must be a distribution"),  # type: ignore[arg-type]
        (lambda: SealedBidAuction(prior=Uniform(-1.0, 1.0)), r"`prior` must hold no negative values"),
        (lambda: SealedBidAuction(prior=Uniform), r"`prior` must be a distribution"),  # type: ignore[arg-type]
        (lambda: SealedBidAuction(dependence="none"), r"`dependence` must be a joint law of types.*; got 'none'"),  # type: ignore[arg-type]
        (lambda: SealedBidAuction(risk=0.0), r"`risk` must lie in \(0, 1\]; got 0\.0"),
        (lambda: SealedBidAuction(players=1), r"`players` must be at least 2; got 1"),
        (lambda: SealedBidAuction(max_bid=np.inf), r"`max_bid` must be positive and finite"),
        (lambda: Contest(FirstPrice()), r"`format` must be Crowdsourcing, Tullock or AllPay"),
        (lambda: Contest(Tullock(), 0.0), r"`prior` must be a distribution, or a positive and finite value; got 0\.0"),
        (lambda: DoubleAuction(2.0), r"`k` must lie in \[0, 1\]; got 2\.0"),
        (lambda: LLGAuction(correlation=1.5), r"`correlation` must lie in \[0, 1\]; got 1\.5"),
        (lambda: MultiUnitAuction(UniformPrice(5)), r"`units` must be at most the 4 bids of UniformPrice; got 5"),
        (lambda: MultiUnitAuction(FirstPrice()), r"`format` must be UniformPrice, Discriminatory or Vickrey"),  # type: ignore[arg-type]
    ],
)
def test_games_that_cannot_be_made(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_truth_in_the_second_price_auction() -> None:
    played = rollout(SealedBidAuction(SecondPrice(), players=3), Scripted(SealedBidAuction(players=3)), range(50))
    types, won = played.observation[..., 0], played.state.won[1:, ..., 0]
    ladder = np.sort(types, axis=-1)
    np.testing.assert_array_equal(won, types == ladder[..., -1:])
    np.testing.assert_allclose(played.reward, won * (types - ladder[..., -2:-1]), atol=1e-15)


def test_a_buyer_and_a_seller_share_the_gains() -> None:
    played = rollout(DoubleAuction(), Scripted(DoubleAuction()), range(50))
    value, cost = played.observation[..., 0].transpose(2, 0, 1)
    np.testing.assert_allclose(played.reward.sum(axis=-1), np.maximum(value - cost, 0.0), atol=1e-15)
    np.testing.assert_allclose(played.reward[..., 0], played.reward[..., 1], atol=1e-15)


def test_a_global_bidder_that_does_not_bid_tells_the_truth() -> None:
    game = LLGAuction("nearest_vcg", 1.0)
    state = game.reset(game.noise(np.random.default_rng(0), 5))
    np.testing.assert_array_equal(state.type[:, 0], state.type[:, 1])
    after = game.step(state, np.zeros((5, 3, 1)), game.noise(np.random.default_rng(1), 5))
    np.testing.assert_array_equal(after.state.bid[:, 2], state.value[:, 2])
    np.testing.assert_allclose(after.reward[:, 2], state.value[:, 2, 0])


def test_bids_for_further_units_are_put_in_order() -> None:
    game = MultiUnitAuction(Discriminatory(2))
    state = game.reset(game.noise(np.random.default_rng(0), 1))
    after = game.step(state, np.array([[[0.1, 0.9], [0.2, 0.3]]]), game.noise(np.random.default_rng(1), 1))
    np.testing.assert_array_equal(after.state.bid, [[[0.9, 0.1], [0.3, 0.2]]])
    np.testing.assert_array_equal(after.state.won, [[[1, 0], [1, 0]]])
    np.testing.assert_array_equal(after.state.payment, [[0.9, 0.3]])
