"""Certified interim gaps against brute force, known perturbations and policies that are no tables."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from walras.agents import mappo
from walras.core import AbstractGame, Constant, Policy, Random, Scripted, rollout
from walras.core.typing import Floats
from walras.envs import Contest, DoubleAuction, LLGAuction, SealedBidAuction
from walras.equilibria import Bidding, Budget, InterimGap, Kind, gap, interim_gap, replay, solve
from walras.equilibria.auctions.bid_functions import BidFunction, Rising, Table
from walras.equilibria.auctions.gap import bid_functions
from walras.equilibria.auctions.llg import llg_interim_gap
from walras.markets.auctions import (
    AllPay,
    BernoulliWeights,
    Crowdsourcing,
    FirstPrice,
    Format,
    SecondPrice,
    ThirdPrice,
    TruncatedNormal,
    Uniform,
    WarOfAttrition,
    clear,
)

FORMATS: list[Format] = [
    FirstPrice(),
    FirstPrice(reserve=0.3),
    SecondPrice(),
    SecondPrice(reserve=0.3),
    AllPay(),
    WarOfAttrition(),
]
COARSE = 4096


def same(game: SealedBidAuction | Contest, formula: Callable[[Floats], Floats]) -> Bidding:
    """Return the policy in which all bid alike."""
    return Bidding((Rising(formula),) * game.players)


def wiggled(game: SealedBidAuction, shading: float) -> Bidding:
    """Return the equilibrium of even values, times 1 + .05 sin 3v."""
    return same(game, lambda v: shading * v * (1 + 0.05 * np.sin(3 * v)))


def by_brute_force(game: SealedBidAuction, strategies: list[BidFunction], bidder: int) -> tuple[float, float]:
    """Return gain and value of one bidder by clearing auctions against many draws of the rivals, bid by bid."""
    rng, draws = np.random.default_rng(0), 6000
    even = (np.arange(draws) + 0.5) / draws
    rivals = [j for j in range(game.players) if j != bidder]
    bids = np.empty((draws, game.players))
    for j in rivals:
        bids[:, j] = np.clip(strategies[j](game.priors[j].quantile(rng.permutation(even))), 0, game.largest_bid)
    near = np.quantile(bids[:, rivals], np.linspace(0, 1, 300)) + 1e-9
    types = game.priors[bidder].quantile((np.arange(300) + 0.5) / 300)
    tried = earned(game, bids, bidder, np.concatenate((np.linspace(0, game.largest_bid, 300), near)))
    own = earned(game, bids, bidder, np.clip(strategies[bidder](types), 0, game.largest_bid))
    best = np.maximum((types[:, None] * tried[0] - tried[1]).max(axis=1), 0.0)
    have = types * own[0] - own[1]
    return float((best - have).mean()), float(have.mean())


def earned(game: SealedBidAuction, bids: Floats, bidder: int, tried: Floats) -> tuple[Floats, Floats]:
    """Return the chance to win, and the mean payment, of each bid that is tried."""
    chance, paid, full = np.empty(len(tried)), np.empty(len(tried)), bids.copy()
    for k, bid in enumerate(tried):
        full[:, bidder] = bid
        outcome = clear(game.format, full)
        chance[k], paid[k] = outcome.allocation[:, bidder].mean(), outcome.payment[:, bidder].mean()
    return chance, paid


@pytest.mark.parametrize("players", [2, 3])
@pytest.mark.parametrize("format_", FORMATS, ids=str)
@pytest.mark.parametrize("tables", [2, pytest.param(18, marks=pytest.mark.slow)])
def test_random_tables_agree_with_brute_force(format_: Format, players: int, tables: int) -> None:
    rng = np.random.default_rng([players, tables])
    error = 1e-3 if players == 2 else 1.2e-2  # of the draws: even for one rival, random for two
    for _ in range(tables):
        game = SealedBidAuction(format_, players=players)
        knots = np.linspace(0, 1, 9)
        strategies: list[BidFunction] = [
            Table(knots, np.sort(rng.random(9)) * rng.choice([0.7, 1.1])) for _ in range(players)
        ]
        found = interim_gap(game, Bidding(tuple(strategies)), cells=COARSE)
        for bidder in range(players):
            gain, value = by_brute_force(game, strategies, bidder)
            assert found.lower[bidder] - error <= gain <= found.upper[bidder] + error
            assert found.value[bidder] == pytest.approx(value, abs=error)
            assert found.upper[bidder] - found.lower[bidder] < 5e-3


def test_third_price_and_unequal_bidders_agree_with_brute_force() -> None:
    priors = (Uniform(), Uniform(0.0, 2.0), TruncatedNormal())
    strategies: list[BidFunction] = [Rising(lambda v: 0.9 * v), Rising(lambda v: 0.6 * v), Rising(lambda v: v**2)]
    for format_ in (ThirdPrice(), SecondPrice(), FirstPrice()):
        game = SealedBidAuction(format_, priors)
        found = interim_gap(game, Bidding(tuple(strategies)), cells=COARSE)
        for bidder in range(3):
            gain, value = by_brute_force(game, strategies, bidder)
            assert found.lower[bidder] - 6e-3 <= gain <= found.upper[bidder] + 6e-3
            assert found.value[bidder] == pytest.approx(value, abs=8e-3)


def bold(share: float) -> Bidding:
    """Locals bid a share of their values beside a truthful global."""
    return Bidding((Rising(lambda v: share * v),) * 2 + (Rising(lambda v: v),))


class TestPerturbedEquilibria:
    @pytest.mark.parametrize(("players", "low", "high"), [(2, 1.655e-3, 1.736e-3), (10, 9.22e-3, 9.71e-3)])
    def test_first_price(self, players: int, low: float, high: float) -> None:
        game = SealedBidAuction(players=players)
        lower, upper = interim_gap(game, wiggled(game, (players - 1) / players)).relative
        assert lower.max() == pytest.approx(low, rel=0.1)
        assert upper.max() == pytest.approx(high, rel=0.1)
        assert (lower > 0).all()

    @pytest.mark.parametrize(
        ("rule", "low", "high"),
        [("nearest_zero", 7.4e-4, 8.0e-4), ("nearest_vcg", 6.9e-4, 7.0e-4), ("nearest_bid", 6.4e-4, 6.6e-4)],
    )
    def test_locals(self, rule: str, low: float, high: float) -> None:
        game = LLGAuction(rule)  # type: ignore[arg-type]
        bid = solve(game).strategies[0]  # type: ignore[attr-defined]
        other = Rising(lambda v: bid(v) * (1 + 0.05 * np.sin(3 * v)))
        judged = llg_interim_gap(game, Bidding((other, other, Rising(lambda v: v))), 131_072)
        assert judged is not None
        lower, upper = judged.relative
        assert lower[0] == pytest.approx((low + high) / 2, rel=0.12)
        assert lower[0] <= upper[0] <= lower[0] + 1e-4


def test_more_cells_narrow_the_certificate() -> None:
    game = SealedBidAuction(players=3)
    policy = wiggled(game, 2 / 3)
    few, many = (interim_gap(game, policy, cells) for cells in (COARSE, 4 * COARSE))
    assert ((many.upper - many.lower) * 3 <= few.upper - few.lower).all()
    assert (few.lower <= many.upper).all()
    assert (many.lower <= few.upper).all()


def test_hindsight_rejects_the_equilibrium_and_the_gap_does_not() -> None:
    game = SealedBidAuction(horizon=4096)
    policy = solve(game).policy
    seen = rollout(game, policy, (0,))
    realised = seen.observation[: game.horizon, 0, :, 0] - seen.action[:, 0, ::-1, 0]
    assert np.maximum(realised, 0).mean() - seen.reward.mean() == pytest.approx(0.125, abs=0.01)
    assert gap(game, policy).relative.upper.max() <= 1e-3


@dataclass(frozen=True)
class ByStep:
    """The equilibrium at the first step of an episode, and nothing after."""

    def act(self, observation: Floats, rng: np.random.Generator) -> Floats:
        return self.act_at(observation, 0, rng)

    def act_at(self, observation: Floats, step: int, rng: np.random.Generator) -> Floats:
        return observation[:, :, :1] / 2 * (step == 0)


class Tires:
    """The equilibrium, until it was asked three times."""

    def __init__(self) -> None:
        self.asked = 0

    def act(self, observation: Floats, rng: np.random.Generator) -> Floats:
        self.asked += 1
        return observation[:, :, :1] * (0.5 if self.asked <= 3 else 0.1)


@dataclass(frozen=True)
class Trembles:
    """The equilibrium, with a ripple finer than any table."""

    def act(self, observation: Floats, rng: np.random.Generator) -> Floats:
        types = observation[:, :, :1]
        return np.clip(types / 2 + 0.2 * np.sin(1e6 * types), 0, 1)


@dataclass(frozen=True)
class Hazy:
    """The equilibrium with a little chance."""

    def act(self, observation: Floats, rng: np.random.Generator) -> Floats:
        return np.clip(observation[:, :, :1] / 2 + 0.01 * rng.standard_normal((*observation.shape[:2], 1)), 0, 1)


@dataclass(frozen=True)
class Peeks:
    """Bids half of what the other bidder sees."""

    def act(self, observation: Floats, rng: np.random.Generator) -> Floats:
        return observation[:, ::-1, :1] / 2


class TestAnyPolicy:
    def test_a_policy_of_unknown_form_is_read_as_a_table(self) -> None:
        game = SealedBidAuction(horizon=4)
        found = gap(game, Scripted(game))  # truth in first price earns nothing, half of it E v^2 / 4
        assert found.kind is Kind.BOUNDS
        np.testing.assert_allclose(found.lower, 4 / 12, rtol=1e-3)
        np.testing.assert_allclose(found.value, 0, atol=1e-4)
        gains = replay(game, Scripted(game), found, range(3000))
        assert np.abs(gains.mean(axis=0) - found.lower).max() <= 4 * gains.std(axis=0).max() / 3000**0.5 + 1e-3

    def test_a_network_is_certified(self) -> None:
        game = SealedBidAuction()
        policy = mappo.train(game, steps=512, checkpoints=1, play="greedy")
        found = gap(game, policy)
        assert found.kind is Kind.BOUNDS
        assert (found.upper - found.lower <= 2e-3 * found.scale).all()
        assert (found.lower > 0).all()

    @pytest.mark.parametrize(
        ("policy", "kind"),
        [(Hazy(), Kind.STATISTICAL), (Peeks(), Kind.LOWER), (ByStep(), Kind.LOWER), (Tires(), Kind.LOWER)],
        ids=["draws", "peeks", "counts steps", "counts calls"],
    )
    def test_what_is_no_table_is_counted_or_searched(self, policy: Policy, kind: Kind) -> None:
        game = SealedBidAuction(horizon=4)
        with pytest.raises(
            ValueError, match=r"`policy` must bid by each bidder's own type, without chance or as it declares"
        ):
            interim_gap(game, policy)
        assert gap(game, policy, budget=Budget(frames=20_000)).kind is kind

    def test_a_ripple_finer_than_the_table_widens_its_bounds(self) -> None:
        found = gap(SealedBidAuction(horizon=1), Trembles())
        assert (found.upper > 0.01).all()  # of the plain half of the value it is 6e-6

    @pytest.mark.parametrize(
        ("game", "policy"),
        [
            (SealedBidAuction(FirstPrice(reserve=0.5)), None),
            (SealedBidAuction(FirstPrice(entry_fee=0.04)), None),
            (SealedBidAuction(risk=0.5), None),
            (SealedBidAuction(AllPay()), None),
            (SealedBidAuction(ThirdPrice(), players=3), None),
            (SealedBidAuction(), Constant(np.full((2, 1), 0.5))),
            (SealedBidAuction(players=3), Constant(np.full((3, 1), 0.3))),
            (SealedBidAuction(AllPay(), players=3), Constant(np.full((3, 1), 0.1))),
            (Contest(), None),
            (Contest(), Constant(np.full((3, 1), 0.1))),
            (DoubleAuction(), None),
            (DoubleAuction(0.2), Constant(np.array([[0.5], [0.5]]))),
            (LLGAuction(), None),
            (LLGAuction("nearest_zero", 0.5), None),
            pytest.param(LLGAuction("nearest_zero", 0.5), bold(1.3), id="locals of alike values, above 1"),
            pytest.param(LLGAuction("nearest_bid"), bold(2.0), id="locals above 1"),
        ],
        ids=str,
    )
    def test_deviations_attain_the_lower_end(self, game: AbstractGame[Any], policy: Policy | None) -> None:
        played = policy or Scripted(game)
        found = gap(game, played)
        assert found.kind is Kind.BOUNDS
        width = 2e-3 if getattr(game, "risk", (1.0,))[0] == 1.0 else 1.2e-2  # a root is steep at zero income
        assert (found.upper - found.lower <= width * found.scale).all()
        gains = replay(game, played, found, range(1000))
        error = gains.std(axis=0) / 1000**0.5
        assert (gains.mean(axis=0) >= found.lower - 4 * error - 1e-9).all()
        assert (gains.mean(axis=0) <= found.upper + 4 * error + 1e-9).all()

    def test_constant_bids_are_ties_of_an_atom(self) -> None:
        # Both bid 1/2 and win half of the time, at 1/2: nothing on average. A hair more wins E (v - 1/2)^+ = 1/8.
        game = SealedBidAuction(horizon=1)
        found = gap(game, Constant(np.full((2, 1), 0.5)))
        np.testing.assert_allclose(found.value, 0.0, atol=1e-5)
        np.testing.assert_allclose(found.lower, 0.125, atol=1e-5)
        np.testing.assert_allclose(found.upper, 0.125, atol=1e-5)

    def test_random_bids_have_a_gap(self) -> None:
        game = DoubleAuction(horizon=4)
        found = gap(game, Random(game), seeds=range(32), budget=Budget(frames=20_000))
        assert (found.lower > 0).all()


class TestBadInput:
    def test_cells(self) -> None:
        with pytest.raises(ValueError, match=r"`cells` must be a whole number"):
            interim_gap(SealedBidAuction(), Scripted(SealedBidAuction()), cells=0)

    @pytest.mark.parametrize(
        ("game", "message"),
        [
            (SealedBidAuction(dependence=BernoulliWeights(0.5)), "independent private values"),
            (SealedBidAuction(AllPay(), risk=0.5), "bidders without aversion to risk, but in first price"),
            (SealedBidAuction(FirstPrice(entry_fee=0.1), risk=0.5), "in first price without an entry fee"),
        ],
    )
    def test_games_that_are_not_covered(self, game: SealedBidAuction, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            interim_gap(game, Scripted(game))

    def test_strategies_that_break_their_own_bounds(self) -> None:
        falls = Bidding((Rising(lambda v: 0.5 - v / 2),) * 2)
        with pytest.raises(
            ValueError, match=r"`policy` must bid inside the bounds that its strategies declare on cells"
        ):
            gap(SealedBidAuction(), falls)

    def test_a_strategy_for_each_bidder(self) -> None:
        with pytest.raises(ValueError, match=r"`policy` must hold one strategy for each of 2 bidders; got 3"):
            gap(SealedBidAuction(), Bidding((Rising(lambda v: v),) * 3))

    def test_what_is_no_bid_function_and_no_game(self) -> None:
        with pytest.raises(
            TypeError, match=r"`strategies` must hold bid functions.*`Rising` makes one.*; got function"
        ):
            Bidding((lambda v: v / 2,) * 2)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"`game` must be a game"):
            gap(SealedBidAuction, Constant(np.full((2, 1), 0.5)))  # type: ignore[arg-type]

    def test_tables(self) -> None:
        with pytest.raises(ValueError, match=r"`types` must rise strictly"):
            Table(np.array([0.0, 0.0]), np.array([0.0, 1.0]))


def test_shares_of_prizes_are_those_of_clearing() -> None:
    game = Contest(Crowdsourcing((0.5, 0.3, 0.2)), players=4)
    found: InterimGap = interim_gap(game, same(game, lambda v: v / 4), cells=COARSE)
    rng = np.random.default_rng(0)
    types = rng.random((400_000, 4))
    outcome = clear(game.format, types / 4)
    value = (types * outcome.allocation - outcome.payment).mean()
    assert found.value[0] == pytest.approx(value, abs=2e-3)


@dataclass(frozen=True)
class Single:
    """Bids in single precision, nothing up to a type of a fifth, but for a ripple there."""

    ripple: float = 0.0

    def act(self, observation: Floats, rng: np.random.Generator) -> Floats:
        value = observation[:, :, :1].astype(np.float32)
        low = np.float32(self.ripple) * np.abs(np.sin(np.float32(2**17 * np.pi) * value))
        return np.clip(np.float32(0.6) * value - np.float32(0.12), low, 1.0).astype(np.float64)


def test_types_that_bid_nothing_are_no_doubt() -> None:
    game = SealedBidAuction()
    exact = interim_gap(game, same(game, lambda v: np.clip(0.6 * v - 0.12, 0.0, 1.0)))
    found = interim_gap(game, Single())
    assert found.table_error.max() > 0
    assert ((found.upper - found.lower) / found.value).max() <= 1e-3
    assert (found.lower <= exact.upper).all()
    assert (exact.lower <= found.upper).all()
    rippled = interim_gap(game, Single(1e-7))  # ties at nothing are no ties any more
    assert ((rippled.upper - rippled.lower) / rippled.value).max() >= 1e-2


@pytest.mark.slow
def test_answers_to_a_network_attain_the_lower_end_in_a_million_auctions() -> None:
    game = SealedBidAuction()
    learned = mappo.train(game, steps=8_192, checkpoints=1)
    found = gap(game, learned)
    assert found.kind is Kind.BOUNDS
    assert (found.upper - found.lower <= 1e-3 * found.value).all()
    gains = replay(game, learned, found, range(31_250))
    error = 3 * gains.std(axis=0) / len(gains) ** 0.5
    assert (gains.mean(axis=0) >= found.lower - error).all()
    assert (gains.mean(axis=0) <= found.upper + error).all()


@dataclass(frozen=True)
class ByAnother:
    """Each bids half of the type of another bidder."""

    order: tuple[int, ...]

    def act(self, observation: Floats, rng: np.random.Generator) -> Floats:
        return observation[:, list(self.order), :1] / 2


@pytest.mark.parametrize("order", [(2, 1, 0), (1, 0, 2), (1, 2, 0)])
def test_bids_by_the_type_of_another_are_no_bid_functions(order: tuple[int, ...]) -> None:
    game = SealedBidAuction(players=3)
    assert bid_functions(game, ByAnother(order), 512) is None
    assert bid_functions(game, ByAnother((0, 1, 2)), 512) is not None


@dataclass(frozen=True)
class ByTheBatch:
    """Bids the equilibrium in large batches, or in those whose types are even."""

    by_size: bool

    def act(self, observation: Floats, rng: np.random.Generator) -> Floats:
        own = observation[:, :, :1]
        return own * (0.5 if len(own) > 99 else 0.1) if self.by_size else own * own.mean()


@pytest.mark.parametrize("by_size", [False, True])
def test_bids_by_other_rows_are_no_bid_functions(by_size: bool) -> None:
    assert bid_functions(SealedBidAuction(), ByTheBatch(by_size), 512) is None


@dataclass(frozen=True)
class SmallMoney:
    """Who has little bids by the type of another."""

    little: float

    def act(self, observation: Floats, rng: np.random.Generator) -> Floats:
        return observation[:, [0, 1, 0], :1] / 2 * np.array([1.0, 1.0, self.little])[:, None]


@pytest.mark.parametrize("little", [1.0, 1e-7])
def test_bids_of_little_money_are_told_apart(little: float) -> None:
    game = SealedBidAuction(FirstPrice(), (Uniform(), Uniform(), Uniform(0.0, little)))
    assert bid_functions(game, SmallMoney(little), 512) is None
