"""Estimates of conditions that hold on average, and where the parameters of least regret are no such estimates."""

import numpy as np
import pytest

from walras.core.solution import Status
from walras.core.typing import Floats
from walras.envs import SupplyFunctionMarket
from walras.equilibria import (
    BertrandPlay,
    BidPlay,
    CournotPlay,
    ExchangePlay,
    FisherPlay,
    InverseBertrand,
    InverseCournot,
    InverseExchange,
    InverseFisher,
    InverseSecondPrice,
    InverseSupply,
    InverseUndercutting,
    SupplyPlay,
    UndercuttingPlay,
)
from walras.equilibria.allocation.inverse_fisher import demands
from walras.equilibria.electricity.supply_function import solve_supply_function
from walras.equilibria.inverse import Sample, fit
from walras.equilibria.inverse.fitting import least_regret
from walras.equilibria.inverse.moments import Moments, averaged, determined, estimates, projected


def test_with_rows_as_instruments_they_are_least_squares_of_each_resample() -> None:
    rng = np.random.default_rng(0)
    rows, level = rng.normal(size=(9, 2, 3)), rng.normal(size=(9, 2))
    resamples = rng.integers(9, size=(4, 9))
    found = estimates(Moments(rows, level, rows), np.zeros(3), resamples)
    for each, drawn in zip(found, resamples, strict=True):
        known = np.linalg.lstsq(rows[drawn].reshape(-1, 3), level[drawn].ravel(), rcond=None)[0]
        assert each == pytest.approx(known)


def test_what_conditions_do_not_tell_stays() -> None:
    rows = np.array([[[1.0, 1.0, 0.0]], [[1.0, 1.0, 0.0]]])  # of the sum of two parameters alone
    found = Moments(rows, np.array([[3.0], [5.0]]), rows)
    assert estimates(found, np.array([1.0, 2.0, 7.0]), np.array([[0, 1]]))[0] == pytest.approx([1.5, 2.5, 7.0])
    known, left = determined(found)
    assert np.abs(known) == pytest.approx(np.array([[0.5**0.5, 0.5**0.5, 0.0]]))
    assert left.shape == (2, 3)


def test_instruments_of_rows_with_errors() -> None:
    rng, rows = np.random.default_rng(0), np.random.default_rng(1).normal(size=(6, 2, 3))
    assert averaged(rows)[4] == pytest.approx(rows.mean(axis=0))
    known = rng.normal(size=6)
    line = rows.mean(axis=0) + known[:, None, None] * rows[0]
    assert projected(line, known) == pytest.approx(line)
    assert projected(rows, np.ones(6)) == pytest.approx(averaged(rows))


def noisy(count: int) -> tuple[InverseSupply, SupplyPlay, Floats]:
    """Prices at two demands, read with errors of deviation one, the quantities exactly."""
    market = SupplyFunctionMarket()
    family = InverseSupply(3, market.demand_slope, (50.0, 60.0))
    exact = family.of_curves(solve_supply_function(market).action[None])
    price = exact.price + np.random.default_rng(2).normal(0, 1.0, (count, 2))
    play = SupplyPlay(price, *(np.repeat(part, count, axis=0) for part in (exact.quantity, exact.residual)))
    return family, play, np.ravel((market.cost, market.cost_slope))


def test_regret_falls_in_the_slope_of_costs_whatever_the_errors_are() -> None:
    family, play, planted = noisy(1000)
    found = fit(family, play, Sample(resamples=40))
    least, _, _ = least_regret(family, play, planted)
    wide = np.ptp(found.interval, axis=1) / 2
    assert (np.abs(found.parameters - planted) < 2 * wide).all()
    assert (least[3:] > 1.15 * planted[3:]).all()
    assert (found.parameters[3:] < 1.05 * planted[3:]).all()


def test_differentiation_is_estimated_with_costs() -> None:
    rng, planted = np.random.default_rng(3), np.array([1.0, 1.2, 0.25])
    share = rng.uniform(0.2, 0.4, (200, 2))
    price = planted[:2] + planted[2] / (1 - share) + rng.normal(0, 0.01, (200, 2))
    found = fit(InverseBertrand(differentiation=None), BertrandPlay(price, share), Sample(resamples=40))
    assert (found.interval[:, 0] < planted).all()
    assert (found.interval[:, 1] > planted).all()
    assert found.parameters == pytest.approx(planted, abs=0.05)


def moving(count: int, shifts: float) -> CournotPlay:
    """Two firms of costs 6 and 11 which move with deviation 2, at demand 100 - Q that shifts."""
    rng = np.random.default_rng(4)
    own, shift = np.array([6.0, 11.0]) + rng.normal(0, 2, (count, 2)), rng.uniform(-shifts, shifts, count)
    q = (100 + shift[:, None] - 2 * own + own[:, ::-1]) / 3
    return CournotPlay(q, shift)


def test_costs_that_move_tell_no_demand_and_shifts_of_it_do() -> None:
    """Where costs move, quantities do, and least squares would take that for the demand's slope."""
    family = InverseCournot(2, intercept=None)
    planted = np.array([6.0, 11.0, 100.0])
    found = fit(InverseCournot(2, None, None), moving(200, 0.0), Sample(resamples=40))
    assert set(found.unidentified) == {"cost_0", "cost_1", "intercept", "slope"}
    assert found.set is not None
    assert found.set.contains(np.append(planted, 1.0), 1e-9)
    shifted = moving(400, 20.0)
    by_slope = fit(InverseCournot(2, 100.0, None), shifted, Sample(resamples=40))
    assert by_slope.unidentified == ()
    assert (by_slope.interval[:, 0] < [6, 11, 1]).all()
    assert (by_slope.interval[:, 1] > [6, 11, 1]).all()
    assert by_slope.parameters == pytest.approx([6, 11, 1], abs=1.0)
    assert set(fit(family, shifted, Sample(resamples=40)).unidentified) == {"cost_0", "cost_1", "intercept"}


@pytest.mark.parametrize("utility", ["cobb-douglas", "ces", "leontief", "linear"])
def test_valuations_of_bundles_with_errors(utility: str) -> None:
    rng, price = np.random.default_rng(5), np.array([0.6, 0.4])
    budget, value = np.array([1.0, 2.0]), np.array([[0.4, 0.6], [0.7, 0.3]])
    asked = demands(utility, price[None], budget, value, 0.5)[0]
    bundle = asked * np.exp(rng.normal(-(0.02**2) / 2, 0.02, (400, 2, 2)))
    play = FisherPlay(np.repeat(price[None], 400, axis=0), bundle)
    found = fit(InverseFisher(utility, 2, 2), play, Sample(resamples=40))  # type: ignore[arg-type]
    assert found.set is not None
    assert found.set.contains(np.append(budget, value), 1e-9)
    assert found.parameters[:2] == pytest.approx(budget, abs=0.02)
    if utility == "linear":
        assert found.unidentified == tuple(found.names[2:])
        return
    assert found.unidentified == ()
    assert found.parameters[2:] == pytest.approx(value.ravel(), abs=0.01)
    again = fit(InverseExchange(utility, 2, 2), ExchangePlay(play.prices, bundle), Sample(resamples=40))  # type: ignore[arg-type]
    assert again.unidentified == tuple(again.names[:4])  # prices are the same in all periods
    assert again.interval[4:].mean(axis=1) == pytest.approx(value.ravel(), abs=0.02)


def test_endowments_from_prices_that_differ() -> None:
    rng, owned, value = np.random.default_rng(6), np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([[0.4, 0.6], [0.7, 0.3]])
    price = rng.dirichlet(np.ones(2), 300)
    bundle = value * (price @ owned.T)[..., None] / price[:, None]
    bundle = bundle * np.exp(rng.normal(-(0.02**2) / 2, 0.02, bundle.shape))
    family = InverseExchange("cobb-douglas", 2, 2, None, tuple(map(tuple, value.tolist())))  # type: ignore[arg-type]
    found = fit(family, ExchangePlay(price, bundle), Sample(resamples=40))
    assert found.parameters == pytest.approx(owned.ravel(), abs=0.05)
    assert found.unidentified == ()


def test_what_has_no_sample_is_refused() -> None:
    rng = np.random.default_rng(7)
    bids = BidPlay(rng.uniform(1, 2, (20, 2)))
    with pytest.raises(ValueError, match="`concept` must be 'truthful', for a sample; got 'nash'"):
        fit(InverseSecondPrice(2), bids, Sample())
    assert fit(InverseSecondPrice(2, "truthful"), bids, Sample()).parameters == pytest.approx(bids.bid.mean(axis=0))
    prices = UndercuttingPlay(rng.uniform(19, 21, (20, 2)))
    with pytest.raises(TypeError, match=r"must be Exact\(\) but for families whose conditions hold on average"):
        fit(InverseUndercutting(), prices, Sample())
    some = CournotPlay(np.maximum(rng.normal(0, 1, (20, 2)), 0.0))
    with pytest.raises(ValueError, match="`quantity` must lie between nothing and the capacity in all periods"):
        fit(InverseCournot(2), some, Sample())


def test_costs_outside_their_bounds_are_not_rationalised() -> None:
    q = np.array([60.0, 30.0]) + np.random.default_rng(8).normal(0, 0.5, (40, 2))  # of a cost of -50
    found = fit(InverseCournot(2), CournotPlay(q), Sample(resamples=40))
    assert found.status is Status.NOT_RATIONALISED
    assert found.set is None
