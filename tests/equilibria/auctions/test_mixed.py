"""Certified gaps of mixed bids, against played auctions and against bids that are tried one by one."""

from dataclasses import dataclass

import numpy as np
import pytest

from walras.core import rollout
from walras.core.typing import Floats
from walras.envs import Contest, DoubleAuction, SealedBidAuction
from walras.equilibria import Budget, Kind, MixedBidding, gap, interim_gap, replay
from walras.equilibria.auctions.gap import priors_of
from walras.markets.auctions import AllPay, FirstPrice, SecondPrice, Uniform, clear

GAMES = {
    "first price": SealedBidAuction(FirstPrice(reserve=0.2), (Uniform(), Uniform(0.0, 2.0)), max_bid=1.0),
    "averse": SealedBidAuction(risk=0.5, players=3),
    "entry fee": SealedBidAuction(FirstPrice(entry_fee=0.05), max_bid=1.0),
    "second price": SealedBidAuction(SecondPrice(), players=3),
    "all-pay": SealedBidAuction(AllPay()),
    "prizes": Contest(),
    "double auction": DoubleAuction(k=0.3),
}


def mixed(game: SealedBidAuction | Contest | DoubleAuction, seed: int = 0) -> MixedBidding:
    """Return bids of a grid with random chances, higher for lower bids, other ones for each bidder."""
    rng, bids = np.random.default_rng(seed), np.linspace(0.0, 0.8, 9)
    if game.action_space.low[0] < 0:
        bids = np.concatenate(([-1.0], bids))
    chance = rng.random((len(game.agents), 4, len(bids))) ** 3
    priors = priors_of(game)
    return MixedBidding(game, priors, bids, chance / chance.sum(axis=2, keepdims=True))


@pytest.mark.parametrize(
    "name",
    [n if n in ("first price", "averse", "double auction") else pytest.param(n, marks=pytest.mark.slow) for n in GAMES],
)
def test_play_has_the_value_and_answers_attain_the_lower_end(name: str) -> None:
    game = GAMES[name]
    policy = mixed(game)
    found = gap(game, policy)
    assert found.kind is Kind.BOUNDS
    assert (found.lower > 0).all()
    assert (found.upper - found.lower <= 1e-3 * game.horizon * 0.2).all()
    played = rollout(game, policy, range(1500)).total
    error = played.std(axis=0) / len(played) ** 0.5
    assert (np.abs(played.mean(axis=0) - found.value) <= 4 * error).all()
    gains = replay(game, policy, found, range(1500))
    error = gains.std(axis=0) / len(gains) ** 0.5
    assert (gains.mean(axis=0) >= found.lower - 4 * error).all()
    assert (gains.mean(axis=0) <= found.upper + 4 * error).all()


def test_no_bid_that_is_tried_earns_more() -> None:
    game = SealedBidAuction(FirstPrice(), players=3)
    policy = mixed(game, seed=3)
    found = interim_gap(game, policy)
    rng, draws = np.random.default_rng(0), 40_000
    bids = np.stack([rng.choice(policy.bids, draws, p=policy.chance[i].mean(axis=0)) for i in range(3)], axis=1)
    tried = np.unique(np.concatenate((np.linspace(0, 0.9, 181), policy.bids + 1e-9)))
    won = np.empty(len(tried))
    for k, bid in enumerate(tried):
        bids[:, 0] = bid
        won[k] = clear(game.format, bids).allocation[:, 0].mean()
    types = (np.arange(400) + 0.5) / 400
    best = np.maximum(((types[:, None] - tried) * won).max(axis=1), 0.0).mean()
    assert found.lower[0] - 2e-3 <= best - found.value[0] <= found.upper[0] + 2e-3


@dataclass(frozen=True)
class Lies:
    """Declares other chances than it draws by."""

    inner: MixedBidding
    told: MixedBidding

    def act(self, observation: Floats, rng: np.random.Generator) -> Floats:
        return self.inner.act(observation, rng)

    @property
    def declared(self) -> MixedBidding:
        return self.told


def test_a_false_declaration_is_judged_by_deeds() -> None:
    game = SealedBidAuction(horizon=4)
    found, told = (
        gap(game, Lies(mixed(game, 0), mixed(game, 1)), budget=Budget(frames=20_000)),
        gap(game, mixed(game, 0)),
    )
    assert found.kind is Kind.STATISTICAL
    assert all("the declaration is not kept" in how for how in found.method)
    assert (found.lower <= told.upper).all()
    assert (told.lower <= found.upper).all()


def test_cells_of_other_priors_are_judged_by_deeds() -> None:
    game = SealedBidAuction(horizon=1)
    right = mixed(game)
    wrong = MixedBidding(game, (Uniform(0.0, 2.0),) * 2, right.bids, right.chance)  # types above 1 are never drawn
    assert gap(game, right).kind is Kind.BOUNDS
    assert gap(game, wrong, budget=Budget(frames=20_000)).kind is Kind.STATISTICAL
    with pytest.raises(ValueError, match=r"`priors` must be one for each of 2 agents; got 3"):
        MixedBidding(game, (Uniform(),) * 3, right.bids, right.chance)


def test_bad_chances_are_refused() -> None:
    game, priors = SealedBidAuction(), (Uniform(),) * 2
    even = np.full((2, 4, 3), 1 / 3)
    for bids, chance, match in (
        ([0.0, 0.5, 2.0], even, r"`bids` must lie in \[0.0, 1.0\]"),
        ([0.0, 0.5, np.nan], even, r"`bids` must lie in"),
        ([0.0, 0.5, 0.5], even, r"`bids` must rise strictly"),
        ([0.0, 0.5, 0.6], even[:1], r"`chance` must hold 2 bidders, cells of types and 3 bids"),
        ([0.0, 0.5, 0.6], -even, r"`chance` must not be negative"),
        ([0.0, 0.5, 0.6], even / 2, r"`chance` must add to 1 over bids"),
    ):
        with pytest.raises(ValueError, match=match):
            MixedBidding(game, priors, np.array(bids), chance)
