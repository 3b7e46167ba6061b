"""Known equilibria of auctions: golden bids and utilities, certified."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from walras.core import Scripted, rollout
from walras.core.game import AbstractGame
from walras.core.solution import Status
from walras.envs import Contest, DoubleAuction, LLGAuction, MultiUnitAuction, SealedBidAuction
from walras.equilibria import AuctionSolution, Bidding, Budget, gap, interim_gap, solve
from walras.equilibria.auctions.bid_functions import Rising
from walras.equilibria.solve import solver
from walras.markets.auctions import (
    Affiliated,
    AllPay,
    Discriminatory,
    FirstPrice,
    Format,
    FromQuantile,
    MineralRights,
    Power,
    Prior,
    SecondPrice,
    ThirdPrice,
    TruncatedNormal,
    Tullock,
    Uniform,
    UniformPrice,
    Vickrey,
    WarOfAttrition,
)

S = SealedBidAuction
QUARTERS = (0.25, 0.5, 0.75)


def strategies(game: AbstractGame[Any]) -> AuctionSolution:
    found = solve(game, throw=False, budget=Budget(frames=20_000))
    assert isinstance(found, AuctionSolution)
    return found


GOLDEN = [
    (S(), (0.5, 1.0), (0.25, 0.5), 1 / 6),
    (S(players=10), (0.5, 1.0), (0.45, 0.9), 1 / 110),
    (S(prior=Power(2.0), players=3), (0.5, 1.0), (0.4, 0.8), None),
    (S(prior=TruncatedNormal()), (*QUARTERS, 1.0), (0.154207738, 0.319302562, 0.442590705, 0.5), None),
    (S(FirstPrice(reserve=0.5)), (0.6, 0.8, 1.0), (0.508333333, 0.55625, 0.625), 1 / 12),
    (S(FirstPrice(entry_fee=0.04)), (0.1, *QUARTERS, 1.0), (-1, 0.045, 0.21, 0.348333333, 0.48), 0.149333333),
    (S(risk=0.5), (0.3, 0.9), (0.2, 0.6), 0.230940108),
    (S(SecondPrice()), (0.3,), (0.3,), 1 / 6),
    (S(ThirdPrice(), players=3), (0.2, 0.7), (0.4, 1.4), 1 / 12),
    (S(ThirdPrice(), players=4), (0.2, 0.7), (0.3, 1.05), 1 / 20),
    (S(AllPay()), (0.5, 1.0), (0.125, 0.5), 1 / 6),
    (S(AllPay(), players=3), (0.5,), (1 / 12,), 1 / 12),
    (S(WarOfAttrition()), QUARTERS, (0.037682072, 0.193147181, 0.636294361), 1 / 6),
    (S(WarOfAttrition(), players=3), QUARTERS, (0.010825624, 0.098612289, 0.445910149), 1 / 12),
    (Contest(), QUARTERS, (0.019791667, 0.083333333, 0.196875), 0.108333333),
]  # fmt: skip


@pytest.mark.parametrize(("game", "types", "bids", "value"), GOLDEN, ids=lambda part: type(part).__name__)
def test_golden_bids_are_certified(
    game: S | Contest, types: tuple[float, ...], bids: tuple[float, ...], value: float | None
) -> None:
    found = strategies(game)
    np.testing.assert_allclose(found.strategies[0](np.array(types)), bids, atol=6e-10)
    assert found.status is Status.CONVERGED
    assert found.residual_lower == 0
    assert found.residual <= 1e-3
    if value is not None:
        np.testing.assert_allclose(found.value / game.horizon, value, atol=3e-6)


@pytest.mark.parametrize("scale", [1e-9, pytest.param(1e9, marks=pytest.mark.slow)])
@pytest.mark.parametrize("make", [
    lambda p, s: S(prior=p), lambda p, s: S(AllPay(), p),
    pytest.param(lambda p, s: S(WarOfAttrition(), p), marks=pytest.mark.slow),
    pytest.param(lambda p, s: S(ThirdPrice(), p, 3), marks=pytest.mark.slow),
    lambda p, s: S(FirstPrice(reserve=s / 2), p), lambda p, s: S(FirstPrice(entry_fee=0.04 * s), p),
    lambda p, s: S(risk=0.5, prior=p), lambda p, s: Contest(prior=p),
])  # fmt: skip
def test_the_unit_of_money_decides_nothing(make: Callable[[Uniform, float], Any], scale: float) -> None:
    found, plain = strategies(make(Uniform(0.0, scale), scale)), strategies(make(Uniform(), 1.0))
    assert found.converged
    assert found.residual == pytest.approx(plain.residual, rel=1e-2)
    risk = 0.5 if getattr(make(Uniform(), 1.0), "risk", 1.0) == (0.5, 0.5) else 1.0
    np.testing.assert_allclose(found.value / scale**risk, plain.value, rtol=1e-4)
    truthful = [gap(g, Scripted(g)).relative.lower for g in (make(Uniform(0.0, scale), scale), make(Uniform(), 1.0))]
    np.testing.assert_allclose(*truthful, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize(
    "prior", [Power(0.5), Power(2.0, 3.0), TruncatedNormal(10.0, 2.0, 3.0, 9.0), Uniform(2.0, 3.0)]
)
@pytest.mark.parametrize("format_", [FirstPrice(), FirstPrice(reserve=0.8), AllPay(), WarOfAttrition(), ThirdPrice()])
def test_priors_of_other_shapes(prior: Prior, format_: Format) -> None:
    found = strategies(S(format_, prior, 3))
    assert found.converged
    assert found.residual_lower == 0


def test_two_even_priors() -> None:
    found = strategies(S(prior=(Uniform(), Uniform(0.0, 2.0))))
    weak, strong = found.strategies
    np.testing.assert_allclose(
        weak(np.array([*QUARTERS, 1.0])), [0.126500216, 0.262965816, 0.426052771, 2 / 3], atol=6e-10
    )
    np.testing.assert_allclose(
        strong(np.array([0.5, 1, 1.5, 2])), [0.239265962, 0.430500874, 0.568319672, 2 / 3], atol=6e-10
    )
    np.testing.assert_allclose(found.value / 32, [0.096933475, 0.506897331], atol=1e-6)
    assert found.converged
    mirrored = strategies(S(prior=(Uniform(0.0, 2.0), Uniform())))
    np.testing.assert_allclose(mirrored.value, found.value[::-1], rtol=1e-12)


@pytest.mark.parametrize(
    ("k", "values"),
    [(0.5, (9 / 128, 9 / 128)), (0.25, (0.0569661, 0.0797526)), (0.0, (1 / 24, 1 / 12)), (1.0, (1 / 12, 1 / 24))],
)
def test_double_auctions(k: float, values: tuple[float, float]) -> None:
    found = strategies(DoubleAuction(k))
    assert found.converged
    np.testing.assert_allclose(found.value / 32, values, atol=5e-6)


@pytest.mark.parametrize(
    ("rule", "correlation", "local", "rival"),
    [
        ("nearest_zero", 0.0, 0.133992670, 0.464029318),
        ("nearest_vcg", 0.0, 0.133164979, 0.467340085),
        ("nearest_bid", 0.0, 0.125, 0.5),
        ("nearest_zero", 0.5, 0.151978908, 0.414781932),
        ("nearest_vcg", 0.5, 0.141255848, 0.479812859),
        ("nearest_bid", 0.5, 0.125, 0.547815131),
        ("nearest_zero", 1.0, 1 / 6, 1 / 3),
        ("nearest_vcg", 1.0, 4 / 27, 13 / 27),
        ("nearest_bid", 1.0, 1 / 8, 7 / 12),
    ],
)
def test_locals_against_a_global(rule: str, correlation: float, local: float, rival: float) -> None:
    found = strategies(LLGAuction(rule, correlation))  # type: ignore[arg-type]
    np.testing.assert_allclose(found.value / 32, [local, local, rival], atol=1e-7 if correlation == 0 else 2e-7)
    assert found.converged
    assert found.residual <= (1e-4 if correlation == 0 else 1.5e-3)


def test_bids_of_locals() -> None:
    golden = {
        "nearest_zero": (0, 0.306852819, 0.712317928),
        "nearest_vcg": (0.0784271, 0.3284271, 0.5784271),
        "nearest_bid": (0.133531393, 0.287682072, 0.470003629),
    }
    for rule, bids in golden.items():
        found = strategies(LLGAuction(rule)).strategies[0](np.array(QUARTERS))  # type: ignore[arg-type]
        np.testing.assert_allclose(found, bids, atol=3e-8)


def test_kaplan_and_zamirs_other_equilibria_are_certified() -> None:
    game = S(prior=(Uniform(0.0, 0.5), Uniform(0.6, 0.7)))
    middle = Rising(lambda v: np.where(v <= 0.4, v / 4 + 0.3, v / 2 + 0.2)), Rising(lambda v: v / 2 + 0.1)
    flat = Rising(lambda v: v / 5 + 0.4), Rising(lambda v: np.full(np.shape(v), 0.5))
    for policy, values in ((Bidding(middle), (1 / 300, 61 / 300)), (Bidding(flat), (0.0, 0.15))):
        found = interim_gap(game, policy)
        np.testing.assert_allclose(found.value, values, atol=1e-5)
        assert (found.lower < 1e-9).all()
        assert (found.upper <= 1e-4).all()


@pytest.mark.parametrize(
    ("players", "r", "effort", "value"), [(2, 1.0, 0.25, 0.25), (3, 1.0, 2 / 9, 1 / 9), (2, 1.5, 0.375, 0.125)]
)
def test_lottery_contests(players: int, r: float, effort: float, value: float) -> None:
    game = Contest(Tullock(r), 1.0, players)
    found = strategies(game)
    np.testing.assert_allclose(found.strategies[0](np.ones(1)), effort, rtol=1e-14)
    np.testing.assert_allclose(found.value / 32, value, atol=1e-6)
    assert found.converged


def test_common_values_are_not_certified() -> None:
    found = strategies(S(SecondPrice(), players=3, dependence=MineralRights(), horizon=2))
    np.testing.assert_allclose(found.strategies[0](np.array([0.5, 1.0, 1.5])), [0.4, 2 / 3, 6 / 7], rtol=1e-14)
    assert found.status is Status.UNCERTIFIED
    affiliated = solver(S(dependence=Affiliated()), None)
    assert isinstance(affiliated, AuctionSolution)
    np.testing.assert_allclose(affiliated.strategies[0](np.array([1.5])), 1.0)
    played = rollout(S(dependence=Affiliated()), affiliated.policy, range(2000)).total / 32
    assert played.mean() == pytest.approx(1 / 9, abs=2e-3)


@pytest.mark.parametrize(
    ("game", "bids", "value"),
    [
        (MultiUnitAuction(), ((0.8, 0.0),), 2 / 3),
        (MultiUnitAuction(UniformPrice(3)), ((0.8, 0.25),), 4 / 5),
        (MultiUnitAuction(Discriminatory(2), constant=True), ((0.4, 0.25),), 1 / 3),
        (MultiUnitAuction(Vickrey(2)), ((0.8, 0.5),), None),
    ],
)
def test_several_units(game: MultiUnitAuction, bids: tuple[tuple[float, float], ...], value: float | None) -> None:
    found = solver(game, None)
    assert isinstance(found, AuctionSolution)
    np.testing.assert_allclose(found.strategies[0](np.array([[0.8, 0.5]])), bids)
    if value is not None:
        played = rollout(game, found.policy, range(400)).total / game.horizon
        assert played.mean() == pytest.approx(value, abs=0.01)


@pytest.mark.parametrize(
    ("game", "message"),
    [
        (S(AllPay(), risk=0.5), r"`format` must be one with a known equilibrium"),
        (S(ThirdPrice(), FromQuantile((0.0, 1.0, 3.0, 3.5)), 3), r"`prior` must let third-price bids rise"),
        (DoubleAuction(buyers=Uniform(0.0, 2.0)), r"`buyers` must be Uniform\(0, 1\)"),
        (LLGAuction("first_price", 0.5, global_bids=True), r"`correlation` must be 0 in first price"),
        (Contest(Tullock(), Uniform()), r"`prior` must be a value that all know"),
        (Contest(Tullock(3.0), 1.0), r"r at most 1\.5"),
        (S(dependence=MineralRights()), r"`dependence` must be one with a known equilibrium"),
        (MultiUnitAuction(UniformPrice(1)), r"`format` must be one with a known equilibrium"),
    ],
)
def test_games_without_a_known_equilibrium_are_named(game: AbstractGame[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        solve(game)
