"""Unequal bidders in first price, by collocation: closed forms, other roads to the same bids, and what is refused."""

import numpy as np
import pytest

from walras.core.solution import SolverError, Status
from walras.envs import SealedBidAuction
from walras.equilibria import AuctionSolution, Bidding, interim_gap, solve
from walras.equilibria.auctions import collocation, formulas
from walras.equilibria.auctions.bid_functions import Rising
from walras.markets.auctions import AllPay, FirstPrice, FromQuantile, Power, Prior, TruncatedNormal, Uniform

QUARTERS = np.array([0.25, 0.5, 0.75])


def found(*priors: Prior, reserve: float = 0.0, risk: tuple[float, ...] | float = 1.0) -> AuctionSolution:
    solution = solve(SealedBidAuction(FirstPrice(reserve=reserve), priors, risk=risk))
    assert isinstance(solution, AuctionSolution)
    return solution


@pytest.mark.parametrize(("high", "error"), [(2.0, 1e-12), (4.0, 1e-9), (20.0, 1e-9)])
def test_even_priors_meet_plums_closed_form(high: float, error: float) -> None:
    bids = collocation.first_price((Uniform(), Uniform(0.0, high)), 0.0, (1.0, 1.0)).bids
    weak, strong = np.linspace(0, 1, 999), np.linspace(0, high, 999)
    np.testing.assert_allclose(bids[0](weak), formulas.two_uniform(1.0, high)(weak), atol=error)
    np.testing.assert_allclose(bids[1](strong), formulas.two_uniform(high, 1.0)(strong), atol=error * high)


@pytest.mark.parametrize(("reserve", "risk"), [(0.0, 1.0), (0.3, 1.0), (0.0, 0.5), (0.3, 0.5)])
@pytest.mark.parametrize("prior", [Uniform(), Power(2.0), TruncatedNormal()])
def test_bidders_who_are_alike_meet_the_quadrature(prior: Prior, reserve: float, risk: float) -> None:
    bid = collocation.first_price((prior,) * 3, reserve, (risk,) * 3).bids[0]
    values = np.linspace(0.01, 1, 100)
    np.testing.assert_allclose(bid(values), formulas.first_price(prior, 3, reserve, risk)(values), atol=2e-6)


def test_aversion_to_risk_is_a_power_of_the_rivals_prior() -> None:
    # (v - b)^rho A(b) and (v - b) A(b)^(1/rho) have the same best bids.
    averse, plain = collocation.first_price((Uniform(), Uniform()), 0.0, (0.5, 1.0)).bids
    neutral, strong = collocation.first_price((Uniform(), Power(2.0)), 0.0, (1.0, 1.0)).bids
    np.testing.assert_allclose(averse(QUARTERS), neutral(QUARTERS), atol=1e-8)
    assert float(plain(np.ones(1))[0]) == pytest.approx(float(strong(np.ones(1))[0]), abs=1e-9)


def test_golden_values() -> None:
    # Highest bids: 37/64 in closed form (Marshall et al.); the others by two independent programs.
    assert float(found(Uniform(), Power(2.0)).strategies[1](np.ones(1))[0]) == pytest.approx(37 / 64, abs=1e-8)
    three = found(Power(1.0), Power(1.0), Power(2.0))
    assert float(three.strategies[0](np.ones(1))[0]) == pytest.approx(0.716071258, abs=1e-8)
    ten = found(*(Power(1.0),) * 5, *(Power(2.0),) * 5)
    assert float(ten.strategies[0](np.ones(1))[0]) == pytest.approx(0.93024, abs=1e-5)
    normal = found(TruncatedNormal(0.4), TruncatedNormal(0.6))
    np.testing.assert_allclose(normal.strategies[0](QUARTERS), [0.16711, 0.34374, 0.45734], atol=1e-4)
    np.testing.assert_allclose(normal.strategies[1](QUARTERS), [0.14215, 0.29252, 0.41598], atol=1e-4)
    assert float(normal.strategies[0](np.ones(1))[0]) == pytest.approx(0.493698, abs=1e-6)
    for solution in (three, ten, normal):
        assert solution.method == "collocation"
        assert solution.status is Status.CONVERGED
        assert solution.residual_lower == 0
        assert solution.residual <= 3e-4


@pytest.mark.parametrize(
    ("priors", "reserve", "risk"),
    [
        ((Uniform(), Uniform(0.0, 2.0)), 0.3, 1.0),
        ((Uniform(0.2, 1.0), Uniform(0.1, 1.0)), 0.5, 1.0),
        ((Uniform(2.0, 3.0), Uniform(2.0, 4.0)), 0.0, 1.0),
        ((Power(0.5), Power(2.0)), 0.0, (1.0, 0.6)),
        ((TruncatedNormal(0.2, 0.1), TruncatedNormal(0.8, 0.1)), 0.0, 1.0),
        ((FromQuantile((0.0, 0.2, 0.5, 1.0)), Uniform()), 0.0, 1.0),
    ],
)
def test_what_has_no_closed_form_is_certified(
    priors: tuple[Prior, ...], reserve: float, risk: tuple[float, ...] | float
) -> None:
    solution = found(*priors, reserve=reserve, risk=risk)
    assert solution.status is Status.CONVERGED
    assert solution.residual <= 1e-3


def test_a_false_root_is_not_certified() -> None:
    # Each bids as against one like itself: inverse bids rise and exceed bids, and yet it is no equilibrium.
    priors = TruncatedNormal(0.4), TruncatedNormal(0.6)
    game = SealedBidAuction(prior=priors)
    alone = Bidding(tuple(Rising(formulas.first_price(prior, 2, 0.0, 1.0)) for prior in priors))
    assert interim_gap(game, alone).relative[0].max() > 5e-3
    sound = solve(game).policy
    assert interim_gap(game, sound).relative[1].max() < 1e-4


def test_bids_that_do_not_rise_say_that_the_solver_did_not_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    few = collocation.Candidate(collocation.first_price((Uniform(), Power(2.0)), 0.0, (1.0, 1.0)).bids[::-1], 1, False)
    monkeypatch.setattr(collocation, "first_price", lambda *_: few)  # the wrong way round
    with pytest.raises(SolverError, match="Not found: the solver did not arrive"):
        solve(SealedBidAuction(prior=(Uniform(), Power(2.0))))


def test_kaplan_and_zamirs_equilibria_are_selected() -> None:
    game = SealedBidAuction(prior=(Uniform(0.0, 0.5), Uniform(0.6, 0.7)))
    for select, values in (("", (1 / 300, 61 / 300)), ("E2", (1 / 300, 61 / 300)), ("E3", (0.0, 0.15))):
        solution = solve(game, select=select)
        np.testing.assert_allclose(solution.value / game.horizon, values, atol=1e-5)
        assert solution.residual <= 1e-3
    with pytest.raises(ValueError, match=r"`select` must be one of E2, E3"):
        solve(game, select="E1")
    with pytest.raises(ValueError, match=r"`select` must be empty where one equilibrium is known"):
        solve(SealedBidAuction(), select="E2")


@pytest.mark.parametrize(
    ("game", "message"),
    [
        (SealedBidAuction(prior=(Uniform(), Uniform(0.2, 1.0))), r"`prior` must start at one value for all bidders"),
        (SealedBidAuction(prior=(Uniform(), Uniform(), Power(2.0, 2.0))), r"`prior` must end at one value for three"),
        (
            SealedBidAuction(FirstPrice(reserve=1.0), (Uniform(), Uniform(0.0, 2.0))),
            r"`prior` must reach above the reserve",
        ),
        (SealedBidAuction(prior=Power(2.0), players=3, risk=(0.1, 0.1, 1.0)), r"`risk` must be at most 0\.6"),
        (SealedBidAuction(FirstPrice(entry_fee=0.1), (Uniform(), Power(2.0))), r"in FirstPrice without a fee"),
        (SealedBidAuction(AllPay(), (Uniform(), Power(2.0))), r"`prior` must be the same for all bidders"),
    ],
)
def test_what_the_conditions_do_not_hold_for_is_refused(game: SealedBidAuction, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        solve(game)
