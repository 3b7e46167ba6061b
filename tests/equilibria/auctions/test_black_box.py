"""Gaps of policies that draw and declare nothing, against certificates of the same policies that declare their law."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from walras.core import AbstractGame, Policy
from walras.core.typing import Floats
from walras.envs import Contest, DoubleAuction, SealedBidAuction
from walras.equilibria import Budget, Gap, Kind, NoisyBidding, gap, interim_gap, replay
from walras.equilibria.auctions.bid_functions import Rising
from walras.equilibria.auctions.black_box import Banded, shortfall
from walras.equilibria.auctions.own_draws import strays
from walras.equilibria.audit import Audit, judged_policy
from walras.markets.auctions import AllPay, Crowdsourcing, FirstPrice, SecondPrice, ThirdPrice, WarOfAttrition

FRAMES = 100_000


@dataclass(frozen=True)
class Silent:
    """Draws as another policy does, and declares nothing."""

    inner: Policy

    def act(self, observation: Floats, rng: np.random.Generator) -> Floats:
        return self.inner.act(observation, rng)


def noisy(game: AbstractGame[Any], shading: float = 0.5, sd: float = 0.05) -> NoisyBidding:
    bidders = len(game.agents)
    return NoisyBidding(game, (Rising(lambda v: shading * v),) * bidders, (sd,) * bidders)


def judged(game: AbstractGame[Any], policy: Policy, frames: int = FRAMES, **more: Any) -> Gap:  # noqa: ANN401 - of `gap`
    return gap(game, policy, budget=Budget(frames=frames), **more)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("game", "shading"),
    [
        (SealedBidAuction(), 0.5),
        (SealedBidAuction(FirstPrice(reserve=0.2), players=3), 0.6),
        (SealedBidAuction(SecondPrice(reserve=0.3), players=3), 1.0),
        (SealedBidAuction(AllPay()), 0.4),
        (SealedBidAuction(WarOfAttrition()), 0.5),
        (SealedBidAuction(risk=0.5), 0.6),
        (Contest(Crowdsourcing((0.7, 0.3))), 0.3),
        (Contest(Crowdsourcing((0.5, 0.3, 0.2)), players=3), 0.3),
    ],
    ids=str,
)
def test_what_is_counted_holds_what_is_declared(game: SealedBidAuction | Contest, shading: float) -> None:
    policy = noisy(game, shading)
    declared, found = interim_gap(game, policy), judged(game, Silent(policy))
    lower, upper = found.per_step
    assert found.kind is Kind.STATISTICAL
    assert found.confidence == 0.95
    assert (lower <= declared.upper).all()
    assert (declared.lower <= upper).all()
    assert (lower <= found.estimate / game.horizon).all()
    np.testing.assert_allclose(found.value / game.horizon, declared.value, atol=6e-3)
    assert (upper - lower <= 0.02 * (1 + 2 * isinstance(game.format, WarOfAttrition))).all()


@pytest.mark.slow
def test_first_price_is_known_to_one_per_cent_by_a_million_auctions() -> None:
    game = SealedBidAuction()
    found = gap(game, Silent(noisy(game)))  # the usual budget
    low, high = found.per_step
    assert ((high - low) / found.value * game.horizon <= 0.012).all()
    assert (low > 0.02 / 6).all()  # 3.7 % of the utility is lost
    assert gap(game, Silent(noisy(game)), device="product").certifies == "Nash"
    assert found.certifies == "coarse correlated"


@dataclass(frozen=True)
class Offers:
    """Half of the value and half of the cost more, with even noise."""

    def act(self, observation: Floats, rng: np.random.Generator) -> Floats:
        mean = observation[:, :, :1] / 2 + observation[:, :, 2:] / 2  # the second sells
        return np.clip(mean + rng.uniform(-0.1, 0.1, mean.shape), 0.0, 1.0)


def test_double_auction_holds_brute_force() -> None:
    game = DoubleAuction(0.3)
    low, high = judged(game, Offers()).per_step
    rng, types = np.random.default_rng(0), (np.arange(100_000) + 0.5) / 100_000
    asks = np.clip(types / 2 + 0.5 + rng.uniform(-0.1, 0.1, types.shape), 0, 1)
    bids = np.clip(types / 2 + rng.uniform(-0.1, 0.1, types.shape), 0, 1)
    tried, own = np.linspace(0, 1, 401), rng.permutation(100_000)
    for who, (rival, mine, sign) in enumerate([(asks, bids, 1.0), (bids, asks, -1.0)]):
        trades = [sign * (bid - rival) >= 0 for bid in tried]
        weight = game.k if who == 0 else 1 - game.k
        chance = np.array([part.mean() for part in trades])
        paid = np.array(
            [(part * (weight * b + (1 - weight) * rival)).mean() for part, b in zip(trades, tried, strict=True)]
        )
        best = (sign * (types[::100, None] * chance - paid)).max(axis=1)
        trade = sign * (mine - rival[own]) >= 0
        have = (trade * sign * (types - weight * mine - (1 - weight) * rival[own])).mean()
        gain = np.maximum(best, 0.0).mean() - have
        assert low[who] - 2e-3 <= gain <= high[who] + 2e-3
        assert high[who] - low[who] <= 0.02


def test_answers_attain_the_lower_end() -> None:
    game = SealedBidAuction(SecondPrice(), horizon=8)
    policy = Silent(noisy(game, 0.6, 0.1))
    found = judged(game, policy)
    gains = replay(game, policy, found, range(2000))
    error = 4 * gains.std(axis=0) / 2000**0.5
    assert (found.lower > 0).all()
    assert (gains.mean(axis=0) >= found.lower - error).all()
    assert (np.abs(gains.mean(axis=0) - found.estimate) <= 1.5 * error).all()


@pytest.mark.slow
def test_ends_fail_as_seldom_as_they_say() -> None:
    game = SealedBidAuction(horizon=1)
    policy = noisy(game, 0.45, 0.1)
    declared, held, widths = interim_gap(game, policy), 0, list[float]()
    for number in range(40):
        found = judged(game, Silent(policy), 20_000, confidence=0.5, seeds=[number])
        held += int((found.lower <= declared.upper).all() and (declared.lower <= found.upper).all())
        widths.append(float((found.upper - found.lower).max()))
    assert held >= 20
    finer = judged(game, Silent(policy), 320_000, confidence=0.5)
    assert (finer.upper - finer.lower).max() <= 0.35 * np.mean(widths)  # one over the root of 16


def test_bands_hold_the_law_of_what_is_drawn() -> None:
    rng, band, missed = np.random.default_rng(0), (np.log(20) / 1000) ** 0.5, 0
    at = np.linspace(0, 1, 101) + 1e-9
    for _ in range(400):
        law = Banded(np.sort(np.round(rng.random(500), 1)), band)  # of 11 bids
        truth = np.where(at >= 0.95, 1 - (at < 0.999) * 0.05, np.floor(at * 10) / 10 + 0.05)
        missed += bool((truth > law.most(at) + 1e-12).any())
    assert missed <= 400 * 0.05 + 4 * (400 * 0.05) ** 0.5


def test_means_fall_short_no_farther_than_said() -> None:
    rng = np.random.default_rng(0)
    seldom = (rng.random((4000, 400)) < 0.01).astype(np.float64)  # which Student's law gets wrong
    beyond = 0.01 - seldom.mean(axis=0) > shortfall(seldom, 1.0, 0.1)
    assert beyond.mean() <= 0.1 + 4 * 0.1 / 20
    assert shortfall(seldom[:, 0], 1.0, 0.1) < 0.5 * np.sqrt(np.log(10) / 8000)  # Hoeffding


def drawn(observation: Floats, rng: np.random.Generator) -> Floats:
    return np.clip(observation[:, :, :1] / 2 + 0.05 * rng.standard_normal((*observation.shape[:2], 1)), 0.0, 1.0)


class Tires:
    """Draws as it should until it was asked five times."""

    def __init__(self) -> None:
        self.asked = 0

    def act(self, observation: Floats, rng: np.random.Generator) -> Floats:
        self.asked += 1
        return drawn(observation, rng) * (1.0 if self.asked <= 5 else 0.5)


@dataclass(frozen=True)
class Counts:
    """Bids less at odd steps."""

    def act(self, observation: Floats, rng: np.random.Generator) -> Floats:
        return self.act_at(observation, 0, rng)

    def act_at(self, observation: Floats, step: int, rng: np.random.Generator) -> Floats:
        return drawn(observation, rng) / (1 + step % 2)


@dataclass(frozen=True)
class Cheats:
    """Draws by a rule that looks at more than the own type."""

    rule: Callable[[Floats, np.random.Generator], Floats]

    def act(self, observation: Floats, rng: np.random.Generator) -> Floats:
        return self.rule(observation, rng)


def by_the_order(observation: Floats, rng: np.random.Generator) -> Floats:
    return drawn(observation[:, ::-1], rng)


def by_one_of_many(observation: Floats, rng: np.random.Generator) -> Floats:
    """The last looks at the first, where that has a high type."""
    bids = drawn(observation, rng)
    bids[:, -1] *= np.where(observation[:, 0, :1] > 0.95, 0.0, 1.0)
    return bids


def by_other_rows(observation: Floats, rng: np.random.Generator) -> Floats:
    return drawn(observation, rng) * np.roll(observation[:, :, :1], 1, axis=0)


def by_the_size(observation: Floats, rng: np.random.Generator) -> Floats:
    return drawn(observation, rng) * (1.0 if len(observation) > 99 else 0.8)


def by_the_row(observation: Floats, rng: np.random.Generator) -> Floats:
    bids = drawn(observation, rng)
    bids[0] = 0.0
    return bids


def rows_share_a_coin(observation: Floats, rng: np.random.Generator) -> Floats:
    return drawn(observation, rng) * (rng.random() < 0.5)


CHEATS = {
    by_the_order: "bids move with what others see",
    by_one_of_many: "bids move with what others see",
    by_other_rows: "bids move with what others see, or in other rows",
    by_the_size: "bids depend on the size of a batch",
    by_the_row: "bids depend on the size of a batch, or on the row",
    rows_share_a_coin: "rows draw together",
}


@pytest.mark.parametrize(
    ("policy", "why"),
    [(Tires(), "the policy remembers"), (Counts(), "the policy remembers, or counts steps")]
    + [(Cheats(rule), why) for rule, why in CHEATS.items()],
    ids=["tires", "counts", *(rule.__name__ for rule in CHEATS)],
)
def test_what_cheats_is_not_certified(policy: Policy, why: str) -> None:
    game = SealedBidAuction(horizon=4, players=3)
    assert strays(game, judged_policy(game, policy, "joint"), Audit()).startswith(why)


@pytest.mark.parametrize(
    ("game", "device"),
    [
        (SealedBidAuction(players=3), "joint"),
        pytest.param(SealedBidAuction(), "product", marks=pytest.mark.slow),
        pytest.param(DoubleAuction(), "joint", marks=pytest.mark.slow),
        pytest.param(Contest(), "joint", marks=pytest.mark.slow),
        pytest.param(SealedBidAuction(players=16), "joint", marks=pytest.mark.slow),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, AbstractGame) else each,
)
def test_who_does_not_cheat_passes(game: AbstractGame[Any], device: str) -> None:
    assert strays(game, judged_policy(game, Cheats(drawn), device), Audit()) == ""


@pytest.mark.slow
def test_who_does_not_cheat_passes_whatever_the_seeds() -> None:
    game = SealedBidAuction(players=4)
    assert not any(strays(game, judged_policy(game, Cheats(drawn), "joint"), Audit(seeds=(k,))) for k in range(40))


def test_one_that_cheats_is_searched_and_told_why() -> None:
    found = judged(SealedBidAuction(horizon=4), Cheats(by_the_order), 20_000)
    assert found.kind is Kind.LOWER
    assert "not certified: bids move with what others see" in found.method[0]


def test_bids_of_one_row_may_be_drawn_together() -> None:
    def together(observation: Floats, rng: np.random.Generator) -> Floats:
        return observation[:, :, :1] * np.where(rng.random((len(observation), 1, 1)) < 0.5, 0.5, 0.2)

    found = judged(SealedBidAuction(), Cheats(together))
    assert found.kind is Kind.STATISTICAL
    assert found.certifies == "coarse correlated"
    # Highest rival bids: even on [0, .5] or [0, .2], half each; both ends hold the answer to that law.
    tried = np.linspace(0, 0.5, 2001)
    chance = (np.minimum(tried / 0.5, 1) + np.minimum(tried / 0.2, 1)) / 2
    types = (np.arange(2000) + 0.5) / 2000
    best = ((types[:, None] - tried) * chance).max(axis=1).mean()
    have = (types**2 * 0.5).mean() / 2 + (types**2 * 0.8).mean() / 2  # who has the higher type wins, always
    low, high = found.per_step
    assert (low <= best - have + 1e-3).all()
    assert (best - have - 1e-3 <= high).all()


def test_third_price_is_searched() -> None:
    game = SealedBidAuction(ThirdPrice(), players=3, horizon=1)
    found = judged(game, Cheats(drawn), 20_000)
    assert found.kind is Kind.LOWER
