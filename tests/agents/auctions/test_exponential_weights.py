"""Exponential weights in auctions: what they come to, their bound on regret, and what they refuse."""

import numpy as np
import pytest

from walras.agents import ExponentialWeights, exponential_weights
from walras.core import AbstractGame
from walras.envs import Contest, CournotMarket, DoubleAuction, SealedBidAuction
from walras.equilibria import Kind, gap
from walras.markets.auctions import (
    Affiliated,
    AllPay,
    FirstPrice,
    Power,
    SecondPrice,
    ThirdPrice,
    Tullock,
    Uniform,
    WarOfAttrition,
    clear,
)


def test_bids_come_near_the_equilibrium_of_first_price() -> None:
    game = SealedBidAuction()
    learned = exponential_weights.train(game, steps=400)
    mean = learned.declared.mixture(np.repeat((np.arange(64)[:, None, None] + 0.5) / 64, 2, axis=1))
    bids = np.einsum("knj,knja->kn", *mean)
    value = (np.arange(64)[:, None] + 0.5) / 64
    assert np.sqrt(((bids - value / 2) ** 2).mean()) <= 5e-3
    found = gap(game, learned)
    assert found.kind is Kind.BOUNDS
    assert found.relative.upper.max() <= 0.05


def test_regret_keeps_its_bound() -> None:
    rounds, bids = 200, 17
    rate = float(np.sqrt(8 * np.log(bids) / rounds))
    game = SealedBidAuction(prior=(Uniform(), Power(2.0)))
    learned = exponential_weights.train(game, steps=rounds, types=8, bids=bids, rate=rate)
    regret = learned.diagnostics["regret"][-1]
    assert (regret > 0).all()
    assert (regret <= 2 * np.sqrt(np.log(bids) / (2 * rounds))).all()  # payoffs lie in [-1, 1]


@pytest.mark.parametrize(
    "game",
    [
        SealedBidAuction(FirstPrice(reserve=0.3), players=3),
        SealedBidAuction(FirstPrice(entry_fee=0.05)),
        SealedBidAuction(SecondPrice(reserve=0.3), players=3),
        SealedBidAuction(AllPay()),
        SealedBidAuction(WarOfAttrition(), max_bid=2.0),
        Contest(),
        DoubleAuction(k=0.3),
    ],
    ids=lambda game: type(game.format).__name__,
)
def test_what_bids_earn_is_what_clearing_pays(game: SealedBidAuction | Contest | DoubleAuction) -> None:
    """After one round each bid has earned its mean against all even bids, which clearing enumerates."""
    learned = exponential_weights.train(game, steps=1, types=2, bids=5)
    grid, players = learned.bids, len(game.agents)
    every = np.stack(np.meshgrid(*[np.arange(len(grid))] * players, indexing="ij"), axis=-1).reshape(-1, players)
    bids = np.where(grid < 0, np.nan, grid)[every]
    outcome = clear(game.format, bids)
    for who in range(players):
        for k, mean in enumerate((0.25, 0.75)):
            earned = mean * outcome.allocation[:, who] - outcome.payment[:, who]
            expected = np.bincount(every[:, who], earned) / np.bincount(every[:, who])
            np.testing.assert_allclose(learned.worth[who, k], expected, atol=1e-12)


@pytest.mark.parametrize(
    "game",
    [
        CournotMarket(),
        SealedBidAuction(risk=0.5),
        SealedBidAuction(dependence=Affiliated()),
        SealedBidAuction(ThirdPrice(), players=3),
        Contest(Tullock(), 1.0, 2),
    ],
    ids=lambda game: type(game).__name__,
)
def test_other_games_are_refused(game: AbstractGame) -> None:  # type: ignore[type-arg]
    with pytest.raises(TypeError, match=r"`game` must be an auction of one good but third price, a double auction or"):
        ExponentialWeights().check(game)


def test_bad_settings_are_refused() -> None:
    for settings, match in (
        ({"rate": 0.0}, r"`rate` must be positive and finite"),
        ({"rate": np.nan}, r"`rate` must be"),
        ({"bids": 1}, r"`bids` must be at least 2"),
        ({"types": 0}, r"`types` must be"),
        ({"play": "best"}, r"`play` must be"),
    ):
        with pytest.raises(ValueError, match=match):
            ExponentialWeights(**settings)
