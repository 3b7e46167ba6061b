"""Certified gaps of bids with normal noise, against played auctions and brute force."""

from dataclasses import dataclass

import numpy as np
import pytest

from walras.agents import mappo
from walras.core import Policy, rollout
from walras.core.typing import Floats
from walras.envs import SealedBidAuction
from walras.equilibria import Budget, Kind, NoisyBidding, gap, interim_gap, replay
from walras.equilibria.auctions.bid_functions import Rising
from walras.markets.auctions import AllPay, FirstPrice, SecondPrice

HALF = Rising(lambda v: v / 2)


def noisy(sd: float, game: SealedBidAuction | None = None) -> NoisyBidding:
    return NoisyBidding(game or SealedBidAuction(), (HALF,) * 2, (sd,) * 2)


def by_brute_force(game: SealedBidAuction, policy: NoisyBidding, risk: float = 1.0) -> tuple[float, float]:
    """Return gain and value of the first bidder of a first-price auction against two hundred thousand rival bids."""

    def utility(income: Floats) -> Floats:
        return np.sign(income) * np.abs(income) ** risk

    rng = np.random.default_rng(0)
    even = (np.arange(200_000) + 0.5) / 200_000
    shown = np.repeat(even[:, None, None], game.players, axis=1)
    bids = np.clip(policy.act(shown, rng)[:, :, 0], 0.0, 1.0)
    rival, own, types = np.sort(bids[:, 1]), bids[:, 0], even
    chance = np.searchsorted(rival, own) / len(rival)
    have = float((utility(types - own) * chance).mean())
    tried = np.linspace(0, 1, 2001) + 1e-9
    best = [np.max(utility(v - tried) * np.searchsorted(rival, tried) / len(rival)) for v in even[50::200]]
    return float(np.maximum(best, 0).mean()) - have, have


@pytest.mark.parametrize("sd", [0.05, pytest.param(0.01, marks=pytest.mark.slow)])
def test_first_price_holds_brute_force(sd: float) -> None:
    game = SealedBidAuction()
    found = interim_gap(game, noisy(sd))
    gain, value = by_brute_force(game, noisy(sd))
    error = 8e-4  # of the draws: two standard deviations of utility over the root of their number
    assert found.lower[0] - error <= gain <= found.upper[0] + error
    assert found.value[0] == pytest.approx(value, abs=1e-3)
    width = (found.upper - found.lower)[0] / found.value[0]
    assert width <= 2.5e-3
    if sd == 0.05:  # a wider certificate of the same: value in [.1588, .1614], gap in [.029, .047] of it
        assert found.value[0] == pytest.approx(0.16024, abs=1e-3)
        assert 0.029 <= found.relative[0][0] <= found.relative[1][0] <= 0.047


@pytest.mark.slow
def test_aversion_to_risk_holds_brute_force_and_is_close() -> None:
    game = SealedBidAuction(risk=0.5)
    policy = NoisyBidding(game, (Rising(lambda v: 2 * v / 3),) * 2, (0.05,) * 2)
    found = interim_gap(game, policy)
    gain, value = by_brute_force(game, policy, 0.5)
    assert found.lower[0] - 8e-4 <= gain <= found.upper[0] + 8e-4
    assert found.value[0] == pytest.approx(value, abs=1e-3)
    assert ((found.upper - found.lower) <= 5e-3 * found.value).all()


@pytest.mark.parametrize(
    "format_", [FirstPrice(reserve=0.2), pytest.param(SecondPrice(), marks=pytest.mark.slow), AllPay()], ids=str
)
def test_deviations_attain_the_lower_end(format_: FirstPrice | SecondPrice | AllPay) -> None:
    game = SealedBidAuction(format_)
    policy = noisy(0.1, game)
    found = gap(game, policy)
    assert found.kind is Kind.BOUNDS
    assert found.independent
    gains = replay(game, policy, found, range(2000))
    error = gains.std(axis=0) / 2000**0.5
    assert (gains.mean(axis=0) >= found.lower - 4 * error).all()
    assert (gains.mean(axis=0) <= found.upper + 4 * error).all()
    played = rollout(game, policy, range(2000)).total
    assert np.abs(played.mean(axis=0) - found.value).max() <= 4 * played.std(axis=0).max() / 2000**0.5 + 2e-2


def test_a_network_that_draws_is_certified() -> None:
    game = SealedBidAuction()
    policy = mappo.train(game, steps=512, checkpoints=1, play="sampled")
    found = gap(game, policy)
    assert found.kind is Kind.BOUNDS
    assert (found.lower > 0).all()
    played = rollout(game, policy, range(2000)).total
    assert np.abs(played.mean(axis=0) - found.value).max() <= 4 * played.std(axis=0).max() / 2000**0.5 + 5e-2


@dataclass(frozen=True)
class Lies:
    """Says that it draws less noise than it does."""

    inner: NoisyBidding

    def act(self, observation: Floats, rng: np.random.Generator) -> Floats:
        mean, sd = self.inner.normal(observation)
        return np.clip(mean + 2 * sd * rng.standard_normal(mean.shape), 0.0, 1.0)

    def normal(self, observation: Floats) -> tuple[Floats, Floats]:
        return self.inner.normal(observation)


@dataclass(frozen=True)
class Peeks:
    """Has a mean that follows from what the other sees."""

    inner: NoisyBidding

    def act(self, observation: Floats, rng: np.random.Generator) -> Floats:
        mean, sd = self.normal(observation)
        return np.clip(mean + sd * rng.standard_normal(mean.shape), 0.0, 1.0)

    def normal(self, observation: Floats) -> tuple[Floats, Floats]:
        return self.inner.normal(observation[:, ::-1])


def test_a_law_that_is_not_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`policy` must draw by the normal law that it declares"):
        gap(SealedBidAuction(), Lies(noisy(0.05)))


@dataclass(frozen=True)
class Strays:
    """Declares the law of another, and keeps it about the middle type alone; or draws one number for all bidders."""

    inner: NoisyBidding
    shared: bool

    def act(self, observation: Floats, rng: np.random.Generator) -> Floats:
        mean, sd = self.normal(observation)
        lot = rng.standard_normal(mean.shape)
        if self.shared:
            return np.clip(mean + sd * lot[:, :1], 0.0, 1.0)
        return np.where(np.abs(observation[:, :, :1] - 0.5) < 0.05, np.clip(mean + sd * lot, 0.0, 1.0), 0.0)

    def normal(self, observation: Floats) -> tuple[Floats, Floats]:
        return self.inner.normal(observation)


@pytest.mark.parametrize(("shared", "rule"), [(False, "by the normal law"), (True, "independently of what other")])
def test_a_law_that_is_drawn_at_some_types_or_by_all_together_is_refused(shared: bool, rule: str) -> None:
    with pytest.raises(ValueError, match=f"`policy` must draw {rule}"):
        gap(SealedBidAuction(), Strays(noisy(0.05), shared))


@pytest.mark.parametrize("policy", [Peeks(noisy(0.05))])
def test_a_law_that_sees_more_is_searched(policy: Policy) -> None:
    assert gap(SealedBidAuction(horizon=4), policy, budget=Budget(frames=20_000)).kind is Kind.LOWER


def test_deviations_are_positive() -> None:
    with pytest.raises(ValueError, match=r"`sd` must be positive and finite"):
        NoisyBidding(SealedBidAuction(), (HALF,) * 2, (0.1, 0.0))
    with pytest.raises(ValueError, match=r"`sd` must be one number a strategy"):
        NoisyBidding(SealedBidAuction(), (HALF,) * 2, (0.1,))
