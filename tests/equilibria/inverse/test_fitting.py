"""`fit`: planted parameters found again, sets that hold them where they are not identified, and certificates."""

from typing import Any

import numpy as np
import pytest

from walras.core import Constant
from walras.core.solution import Status
from walras.core.typing import Floats
from walras.envs import CournotMarket, SupplyFunctionMarket
from walras.equilibria import (
    BertrandPlay,
    BidPlay,
    CournotPlay,
    FisherPlay,
    InverseBertrand,
    InverseCournot,
    InverseFirstPrice,
    InverseFisher,
    InverseMatrix,
    InverseSecondPrice,
    InverseSupply,
    InverseUndercutting,
    MatrixPlay,
    UndercuttingPlay,
    hindsight_regret,
    nash,
)
from walras.equilibria.electricity.supply_function import solve_supply_function
from walras.equilibria.inverse import (
    AbstractFamily,
    Extragradient,
    GradientDescentAscent,
    MaxOracle,
    Sample,
    StochasticDescentAscent,
    fit,
)
from walras.equilibria.inverse.descent import AbstractDescent
from walras.equilibria.inverse.family import weights_of
from walras.equilibria.inverse.registration import FAMILIES, family_of
from walras.markets.matrix import MatrixGame
from walras.markets.matrix.logit_demand import LogitDemand
from walras.markets.matrix.named_games import travellers_dilemma

DUOPOLY = CournotPlay(np.array([[33.0, 28.0]]))  # of costs 6 and 11, demand 100 - Q


def cobb_douglas() -> tuple[FisherPlay, Floats, Floats]:
    """The market of the authors' notebooks: p = (.508, .492)."""
    value = np.array([[0.45, 0.55], [0.7, 0.3], [0.4, 0.6]])
    budget = np.array([1 / 6, 1 / 3, 1 / 2])
    price = budget @ value
    return FisherPlay(price[None], (budget[:, None] * value / price)[None]), budget, value


def test_every_family_is_one() -> None:
    for name in FAMILIES:
        family = family_of(name)
        low, high = family.bounds
        assert isinstance(family, AbstractFamily)
        assert len(family.names) == len(low) == len(high)


# Cournot


def test_cournot_costs_by_the_closed_form() -> None:
    found = fit(InverseCournot(2), DUOPOLY)
    assert found.parameters == pytest.approx([6, 11], abs=1e-9)  # c = a - b (Q + q)
    assert found.certificate == "exact"
    assert found.status is Status.CONVERGED


def test_cournot_with_everything_unknown_identifies_a_ratio_alone() -> None:
    family = InverseCournot(2, None, None)
    found = fit(family, DUOPOLY)
    assert found.unidentified == family.names
    assert found.set is not None
    assert found.set.contains(np.array([6.0, 11.0, 100.0, 1.0]))
    assert found.set.contains(np.array([12.0, 22.0, 200.0, 2.0]))
    assert not found.set.contains(np.array([7.0, 11.0, 100.0, 1.0]))
    assert found.residual < 1e-6


@pytest.mark.parametrize("intercept", [1e-6, 1.0, 100.0, 1e6])
def test_costs_of_zero_are_found_though_periods_differ_by_rounding(intercept: float) -> None:
    shift = intercept * np.array([-0.1, 0.0, 0.2])
    play = CournotPlay(np.repeat((intercept + shift)[:, None] / 3, 2, axis=1), shift=shift)
    found = fit(InverseCournot(2, intercept), play)
    assert found.status is Status.CONVERGED
    assert found.parameters == pytest.approx(np.zeros(2), abs=1e-9 * intercept)


def test_cournot_prices_and_shifts_identify_demand() -> None:
    shift = np.array([0.0, 12.0])
    q = (100 + shift[:, None] - np.array([6.0, 11.0]) * 2 + np.array([11.0, 6.0])) / 3
    price = 100 + shift - q.sum(axis=1)
    found = fit(InverseCournot(2, None, None), CournotPlay(q, shift, price))
    assert found.parameters == pytest.approx([6, 11, 100, 1], rel=1e-9)
    assert found.unidentified == ()


def test_a_firm_that_sells_nothing_or_all_has_bounds_on_its_cost() -> None:
    family = InverseCournot(2, 100.0, 1.0, capacity=(20.0, 50.0))
    found = fit(family, CournotPlay(np.array([[20.0, 0.0]])))
    assert found.interval == pytest.approx(np.array([[0, 60], [80, 1000]]), abs=1e-6)
    assert found.unidentified == ("cost_0", "cost_1")


def test_regret_is_that_of_the_game() -> None:
    game = CournotMarket(cost=(10.0, 14.0), cost_slope=(0.3, 0.0), horizon=1)
    q = np.array([30.0, 20.0])
    theta = np.array(game.cost)
    found = family_of(game).regrets(CournotPlay(q[None]), theta)
    known = hindsight_regret(game, Constant(q[:, None]), [0])
    assert found.gain[0] == pytest.approx(known.regret, abs=1e-9)
    assert found.payoff[0] == pytest.approx(known.value, abs=1e-9)


def test_noise_gives_the_least_regret_and_a_bound_below_it() -> None:
    q = DUOPOLY.quantity + np.random.default_rng(0).normal(0, 1, (50, 2))
    found = fit(InverseCournot(2), CournotPlay(q))
    assert found.status is Status.NOT_RATIONALISED
    assert found.set is None
    assert 0.99 * found.residual < found.lower <= found.residual
    for moved in ([0.1, 0.0], [-0.1, 0.0], [0.0, 0.1], [0.0, -0.1]):
        other = InverseCournot(2).regrets(CournotPlay(q), found.parameters + moved)
        assert other.gain.mean(axis=0).sum() > found.residual


def test_a_sample_has_intervals() -> None:
    q = DUOPOLY.quantity + np.random.default_rng(1).normal(0, 1, (40, 2))
    found = fit(InverseCournot(2), CournotPlay(q), Sample(resamples=40), seed=3)
    assert (found.interval[:, 0] < [6, 11]).all()
    assert (found.interval[:, 1] > [6, 11]).all()
    assert np.ptp(found.interval, axis=1).max() < 3
    assert found.set is not None
    assert found.set.contains(np.array([6.0, 11.0]))
    again = fit(InverseCournot(2), CournotPlay(q), Sample(resamples=40), seed=3)
    assert np.array_equal(again.interval, found.interval)
    with pytest.raises(ValueError, match=r"`observations` must hold at least 8 periods for a bootstrap; got 5"):
        fit(InverseCournot(2), CournotPlay(q[:5]), Sample())


# First-order methods


@pytest.mark.parametrize(
    ("method", "within"),
    [
        (GradientDescentAscent(3000, 0.1, 0.1, "plain"), 0.1),  # the average of the iterates
        (GradientDescentAscent(3000, 0.1, 0.1, "plain", "last"), 1e-6),
        (Extragradient(1000, 0.2, 0.2), 1e-6),
        (MaxOracle(2000), 1e-3),
        (StochasticDescentAscent(accuracy=0.75, steps=4000, scale=0.5), 0.5),
    ],
)
def test_first_order_methods_find_costs(method: AbstractDescent, within: float) -> None:
    family = InverseCournot(2, intercept=10.0, slope=1.0)
    play = CournotPlay(np.full((20, 2), 2.0))  # of costs 4
    found = fit(family, play, method, seed=1)
    assert found.parameters == pytest.approx([4, 4], abs=within)
    assert found.residual <= within**2  # regret is the square of half of the miss, for each of two firms
    assert found.set is not None
    assert found.set.contains(np.array([4.0, 4.0]))


def test_fisher_markets_have_a_closed_form_alone() -> None:
    play, budget, value = cobb_douglas()
    found = fit(InverseFisher("cobb-douglas"), play, MaxOracle(5000))
    assert found.parameters == pytest.approx(np.append(budget, value), abs=0.01)
    with pytest.raises(TypeError, match="`config` must be MaxOracle for Fisher markets"):
        fit(InverseFisher("cobb-douglas"), play, Extragradient(10))


# Fisher


def test_cobb_douglas_identifies_both_blocks() -> None:
    play, budget, value = cobb_douglas()
    assert play.prices[0] == pytest.approx([0.508333, 0.491667], abs=1e-6)
    found = fit(InverseFisher("cobb-douglas"), play)
    assert found.parameters == pytest.approx(np.append(budget, value), abs=1e-12)
    assert found.unidentified == ()


def test_linear_valuations_are_reported_as_unidentified() -> None:
    # Buyer 0 buys good 0, buyer 1 good 1, at prices 1: v_00 >= v_01 and v_11 >= v_10.
    play = FisherPlay(np.ones((1, 2)), np.eye(2)[None])
    found = fit(InverseFisher("linear", 2, 2), play)
    assert found.parameters[:2] == pytest.approx([1, 1])
    assert found.unidentified == ("valuation_0_0", "valuation_0_1", "valuation_1_0", "valuation_1_1")
    ranges = [[0.5, 1], [0, 0.5], [0, 0.5], [0.5, 1]]
    assert found.interval[2:] == pytest.approx(np.array(ranges), abs=1e-6)
    assert found.residual < 1e-9


def test_a_buyer_who_splits_its_money_tells_its_valuation() -> None:
    play = FisherPlay(np.array([[2.0, 1.0]]), np.array([[[0.5, 1.0]]]))
    found = fit(InverseFisher("linear", 1, 2), play)
    assert found.named == pytest.approx({"budget_0": 2.0, "valuation_0_0": 2 / 3, "valuation_0_1": 1 / 3}, abs=1e-6)
    assert found.unidentified == ()


def test_leontief_valuations_of_free_goods_have_a_bound() -> None:
    priced = fit(InverseFisher("leontief", 1, 2), FisherPlay(np.ones((1, 2)), np.array([[[0.3, 0.6]]])))
    assert priced.parameters == pytest.approx([0.9, 1 / 3, 2 / 3])
    free = fit(InverseFisher("leontief", 1, 2), FisherPlay(np.array([[1.0, 0.0]]), np.array([[[0.3, 0.6]]])))
    assert free.unidentified == ("valuation_0_0", "valuation_0_1")
    assert free.interval[2] == pytest.approx([0, 2 / 3], abs=1e-6)


def test_ces_shares_are_inverted() -> None:
    value, price = np.array([0.2, 0.8]), np.array([1.5, 0.7])
    weight = (value / price) ** 2  # rho = 1/2
    bundle = 3 * weight / (price @ weight)
    found = fit(InverseFisher("ces", 1, 2), FisherPlay(price[None], bundle[None, None]))
    assert found.parameters == pytest.approx([3, 0.2, 0.8])
    assert found.residual < 1e-12


# Prices, curves, bids


def test_logit_prices_tell_costs_and_two_periods_the_differentiation() -> None:
    cost = np.array([1.0, 1.2])
    demand = [LogitDemand(np.array([quality, 2.2]), cost, 0.0, 0.25) for quality in (2.0, 2.5)]
    price = np.array([each.nash_price() for each in demand])
    play = BertrandPlay(price, np.array([each.sold(p) for each, p in zip(demand, price, strict=True)]))
    assert fit(InverseBertrand(), play).parameters == pytest.approx(cost)
    assert fit(InverseBertrand(differentiation=None), play).parameters == pytest.approx([*cost, 0.25])
    one = BertrandPlay(play.price[:1], play.share[:1])
    assert "differentiation" in fit(InverseBertrand(differentiation=None), one).unidentified


def test_undercutting_has_the_regret_of_its_closed_form() -> None:
    family, play = InverseUndercutting(100.0, 3.0), UndercuttingPlay(np.array([[20.0, 20.0]]))
    for cost in (15.0, 19.0, 21.0, 25.0):
        regret = family.regrets(play, np.array([cost])).gain.sum()
        assert regret == pytest.approx(abs(20 - cost) * 40)  # |p - c| D(p)
    assert fit(family, play).parameters == pytest.approx([20])
    nothing = fit(family, UndercuttingPlay(np.array([[100 / 3, 100 / 3]])))
    assert nothing.unidentified == ("cost",)


def test_supply_functions_tell_costs_from_curves_or_from_points() -> None:
    market = SupplyFunctionMarket()
    curve = solve_supply_function(market).action
    planted = np.array([market.cost, market.cost_slope]).ravel()
    family = InverseSupply(3, market.demand_slope, market.demand)
    assert fit(market, family.of_curves(curve[None])).parameters == pytest.approx(planted, rel=1e-6)
    one = InverseSupply(3, 0.7, (50.0,))
    assert len(fit(one, one.of_curves(curve[None])).unidentified) == 6


def test_second_price_bids_leave_a_box() -> None:
    play = BidPlay(np.array([[3.0, 5.0, 4.0], [3.5, 4.5, 4.0]]))
    found = fit(InverseSecondPrice(3), play)
    assert found.interval == pytest.approx(np.array([[0, 4.5], [4, 100], [0, 4.5]]), abs=1e-6)
    honest = fit(InverseSecondPrice(3, "truthful"), BidPlay(play.bid[:1]))
    assert honest.parameters == pytest.approx([3, 5, 4])


def test_first_price_bids_tell_values() -> None:
    value = np.random.default_rng(0).uniform(0, 1, (1000, 2))
    family = InverseFirstPrice(levels=(0.3, 0.5, 0.7))
    found = fit(family, BidPlay(value / 2), Sample())  # b = v / 2
    assert found.parameters == pytest.approx([0.3, 0.5, 0.7], abs=0.05)
    assert found.set is not None
    assert found.set.contains(2 * family.quantiles(BidPlay(value / 2)))


# Finite games


def test_feasible_payoffs_hold_the_planted_ones() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        payoff = rng.random((2, 3, 2))
        play = InverseMatrix.mixed(nash(MatrixGame(payoff)).mixed)
        found = fit(InverseMatrix((3, 2)), play)
        assert found.set is not None
        assert found.set.contains(payoff.ravel(), 1e-9)
        assert found.residual < 1e-8
        assert set(found.unidentified) == set(found.names)  # constant payoffs rationalise everything


def test_a_basis_makes_payoffs_known_but_for_a_number() -> None:
    # Matching pennies in which row wins theta on heads: column mixes 1 / (1 + theta), row stays even.
    base = np.array([[[0.0, -1], [-1, 1]], [[-1, 1], [1, -1]]])
    basis = np.zeros((1, 2, 2, 2))
    basis[0, 0, 0, 0] = 1.0
    family = InverseMatrix((2, 2), base, basis, 0.0, 10.0)
    theta = 3.0
    column = 2 / (theta + 3)
    found = fit(family, InverseMatrix.mixed(([0.5, 0.5], [column, 1 - column])))
    assert found.parameters == pytest.approx([theta], abs=1e-6)
    assert found.unidentified == ()


def test_sampled_rounds_relax_the_set() -> None:
    payoff = np.array([[[1.0, 0.0], [0.0, 0.5]], [[0.5, 0.0], [0.0, 1.0]]])
    rng, mixed = np.random.default_rng(0), (np.array([2 / 3, 1 / 3]), np.array([1 / 3, 2 / 3]))
    inside = exact = 0
    for _ in range(100):
        action = np.stack([rng.choice(2, 200, p=own) for own in mixed], axis=1)
        family, play = InverseMatrix(), MatrixPlay(action)
        inside += family.confidence_set(play, 0.95).contains(payoff.ravel())
        exact += family.conditions(play).contains(payoff.ravel())
    assert inside >= 95
    assert exact < 50  # a sample of an equilibrium is no equilibrium of the sample
    with pytest.raises(ValueError, match="must be draws without weights"):
        InverseMatrix().confidence_set(InverseMatrix.mixed(mixed), 0.95)


def test_claims_of_the_travellers_dilemma_bound_its_reward() -> None:
    """The lowest claims are an equilibrium whatever the reward is; any others if undercutting by one does not pay."""
    base, more = (travellers_dilemma(1, 300, bonus).payoff for bonus in (0.0, 1.0))
    family = InverseMatrix((300, 300), base, (more - base)[None], 0.0, 300.0)
    for claim, most in ((0, 300.0), (200, 1.0)):
        found = fit(family, MatrixPlay(np.array([[claim, claim]])))
        assert found.interval == pytest.approx(np.array([[0.0, most]]), abs=1e-6)
        assert found.unidentified == ("theta_0",)
    apart = fit(family, MatrixPlay(np.array([[200, 150]])))
    assert apart.status is Status.NOT_RATIONALISED
    assert apart.residual == pytest.approx(apart.lower)
    assert apart.residual == pytest.approx(50.0)  # at reward 0: the lower claim gains 50 by the higher one


def test_valuations_of_least_regret_sum_to_one_and_are_those_planted() -> None:
    play, budget, value = cobb_douglas()
    rng = np.random.default_rng(0)
    noisy = play.allocation * np.exp(rng.normal(0, 0.05, (400, 3, 2)))
    found = fit(InverseFisher("cobb-douglas"), FisherPlay(np.repeat(play.prices, 400, axis=0), noisy))
    assert found.status is Status.NOT_RATIONALISED
    assert found.parameters[3:].reshape(3, 2).sum(axis=1) == pytest.approx(1)
    assert found.parameters == pytest.approx(np.append(budget, value), abs=0.005)


def test_buyers_who_spend_more_than_they_have_are_not_rationalised() -> None:
    play, budget, _ = cobb_douglas()
    found = fit(InverseFisher("cobb-douglas", budgets=tuple(0.9 * budget)), play)
    assert found.status is Status.NOT_RATIONALISED
    assert found.set is None
    assert found.residual == pytest.approx((budget - 0.9 * budget - 0.9 * budget * np.log(1 / 0.9)).sum(), abs=1e-8)


# The certificate takes another road


FAMILY_PLAYS = {
    "cournot": (InverseCournot(2, None, None, None), CournotPlay(np.array([[20.0, 15.0], [18.0, 25.0]]))),
    "bertrand": (InverseBertrand(2, None), BertrandPlay(np.array([[1.5, 1.6]]), np.array([[0.4, 0.3]]))),
    "supply": (
        InverseSupply(2, 0.7, (40.0, 90.0)),
        InverseSupply(2, 0.7, (40.0, 90.0)).of_curves(np.array([[[10.0, 1.2], [9.0, 0.8]]])),
    ),
    "second price": (InverseSecondPrice(2), BidPlay(np.array([[3.0, 5.0]]))),
    "undercutting": (InverseUndercutting(), UndercuttingPlay(np.array([[20.0, 21.0]]))),
    "finite": (InverseMatrix(), MatrixPlay(np.array([[0, 1], [1, 1], [0, 0], [0, 1]]))),
}
POINTS = {
    "cournot": [5.0, 7.0, 0.2, 0.1, 90.0, 1.1],
    "bertrand": [1.0, 1.1, 0.3],
    "supply": [9.0, 8.0, 0.5, 0.9],
    "second price": [7.0, 2.5],
    "undercutting": [15.0],
    "finite": [0.1, 0.9, 0.4, 0.6, 0.3, 0.2, 0.8, 0.7],
}


@pytest.mark.parametrize("name", list(POINTS))
def test_slopes_of_regret_are_those_of_differences(name: str) -> None:
    family, play = FAMILY_PLAYS[name]
    theta, step = np.array(POINTS[name]), 1e-6
    found = family.regrets(play, theta)
    weight = weights_of(family, play)
    assert found.gain.max() > 0
    for k in range(len(theta)):
        move = step * np.eye(len(theta))[k]
        ends = [weight @ family.regrets(play, theta + sign * move).gain for sign in (1, -1)]
        assert weight @ found.slope[..., k] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-4)


@pytest.mark.parametrize("utility", ["linear", "cobb-douglas", "leontief", "ces"])
def test_slopes_of_fisher_regret_are_those_of_differences(utility: str) -> None:
    rng, family = np.random.default_rng(0), InverseFisher(utility, 2, 2)
    value = rng.uniform(0.2, 1, (2, 2))
    theta = np.append([2.0, 3.0], value / value.sum(axis=1, keepdims=True))
    play = FisherPlay(rng.uniform(0.5, 2, (2, 2)), rng.uniform(0.1, 0.5, (2, 2, 2)))
    found = family.regrets(play, theta)
    for move in np.eye(6):
        step = 1e-6 * move
        change = (family.regrets(play, theta + step).gain - family.regrets(play, theta - step).gain) / 2e-6
        assert found.slope @ move == pytest.approx(change, abs=1e-4)


# Bad input


@pytest.mark.parametrize(
    ("family", "play", "error"),
    [
        (InverseCournot(3), DUOPOLY, r"`quantity` must have shape \[T, 3\]; got \(1, 2\)"),
        (InverseCournot(2), CournotPlay(-DUOPOLY.quantity), r"`quantity` must be finite and not negative"),
        (InverseCournot(2), CournotPlay(np.empty((0, 2))), r"`observations` must hold at least one period; got 0"),
        (
            InverseCournot(2),
            CournotPlay(DUOPOLY.quantity / 1000, price=np.array([39.0])),
            r"`price` must be that of demand at the quantities; are the units EUR/MWh and MW\?; got 39.0",
        ),
        (InverseCournot(2, capacity=30.0), DUOPOLY, r"`quantity` must not exceed the capacities"),
        (InverseFisher("linear"), FisherPlay(np.ones((1, 2)), np.zeros((1, 3, 2))), r"`allocation` must cost each"),
        (InverseBertrand(), BertrandPlay(np.ones((1, 2)), np.array([[40.0, 30.0]])), r"are quantities divided by all"),
        (InverseFirstPrice(), BidPlay(np.ones((5, 2))), r"`bid` must hold at least 20 bids for a density; got 10"),
        (InverseSecondPrice(2), BidPlay(np.ones((1, 2))), r"`bid` must have one highest in each period"),
        (InverseMatrix(), MatrixPlay(np.array([[0, 2]])), r"`action` must be numbers from 0 below \(2, 2\)"),
    ],
)
def test_play_that_does_not_fit_is_refused(family: AbstractFamily[Any], play: object, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        fit(family, play)


def test_families_that_there_are_not_are_refused() -> None:
    with pytest.raises(ValueError, match="Did you mean 'InverseCournot'"):
        fit("InverseCurnot", DUOPOLY)
    with pytest.raises(TypeError, match="must be a game"):
        fit(3, DUOPOLY)
    with pytest.raises(TypeError, match="`config` must be Exact, Sample or a first-order method; got str"):
        fit(InverseCournot(2), DUOPOLY, "exact")
    with pytest.raises(ValueError, match="leave the costs alone unknown"):
        fit(InverseCournot(2, None), DUOPOLY, MaxOracle(10))


def test_what_is_not_convex_has_a_local_certificate() -> None:
    play = FisherPlay(np.array([[1.0, 1.0], [1.0, 2.0]]), np.array([[[0.1, 0.9]], [[0.9, 0.1]]]))
    found = fit(InverseFisher("cobb-douglas", 1, 2), play)
    assert found.status is Status.NOT_RATIONALISED
    assert found.certificate == "local"
    assert found.lower == 0


@pytest.mark.parametrize("money", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("power", [1e-9, 1.0, 1e9])
def test_units_of_money_and_power_do_not_matter(money: float, power: float) -> None:
    family = InverseCournot(
        2, intercept=100 * money, slope=money / power, largest=1000 * money, steepest=100 * money / power
    )
    nash = np.array([[100 - 2 * 10 + 20, 100 - 2 * 20 + 10]]) / 3 * power
    found = fit(family, CournotPlay(nash))
    assert found.status is Status.CONVERGED
    np.testing.assert_allclose(found.parameters / money, [10, 20], rtol=1e-6)
    # Regret is a firm's marginal profit squared, over four. It is least at the costs 0 (-3.5 would be best, the middle
    # of 10 and -17) and 8 (that of 20 and -4): (25 + 72.25) / 2 + (36 + 36) / 2.
    apart = fit(family, CournotPlay(np.vstack([nash, 1.3 * nash])))
    assert apart.status is Status.NOT_RATIONALISED
    assert apart.residual / money / power == pytest.approx(84.625, abs=1e-3)
    assert apart.lower / money / power == pytest.approx(84.625, abs=1e-3)
