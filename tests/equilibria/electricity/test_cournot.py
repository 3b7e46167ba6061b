from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from walras.agents import BestResponse
from walras.core import Constant, Random, Scripted, Status
from walras.core.typing import Floats
from walras.envs import CournotMarket
from walras.equilibria import Kind, OligopolyEquilibrium, deviation, gap, hindsight_regret, solve


def profit(game: CournotMarket, quantity: Floats) -> Floats:
    """Each firm's profit by the definition, ``[N]``."""
    price = game.intercept - game.slope * quantity.sum()
    return price * quantity - np.array(game.cost) * quantity - np.array(game.cost_slope) * quantity**2 / 2


def sequential_best_responses(game: CournotMarket, rounds: int = 4000) -> Floats:
    """Gauss-Seidel on the first-order condition, from zero."""
    quantity = np.zeros(len(game.cost))
    for _ in range(rounds):
        for i, (c, d) in enumerate(zip(game.cost, np.atleast_1d(game.cost_slope), strict=True)):
            others = quantity.sum() - quantity[i]
            best = (game.intercept - c - game.slope * others) / (2 * game.slope + d)
            quantity[i] = min(max(best, 0.0), np.atleast_1d(game.capacity)[i])
    return quantity


@st.composite
def markets(draw: st.DrawFn) -> CournotMarket:
    """Up to five firms; capacities that bind, firms too dear to produce, flat and steep costs."""
    firms = draw(st.integers(1, 5))
    each = {"min_size": firms, "max_size": firms}
    cost = draw(st.lists(st.floats(0, 120), **each))
    cost[draw(st.integers(0, firms - 1))] = draw(st.floats(0, 60))  # one that could sell
    steep = draw(st.lists(st.one_of(st.just(0.0), st.floats(0, 4)), **each))
    capacity = draw(st.lists(st.one_of(st.just(np.inf), st.just(0.0), st.floats(0.5, 60)), **each))
    return CournotMarket(
        intercept=draw(st.floats(61, 200)),
        slope=draw(st.floats(0.1, 5)),
        cost=tuple(cost),
        cost_slope=tuple(steep),
        capacity=tuple(capacity),
        horizon=1,
    )


SPEC = CournotMarket(100.0, 1.0, (10.0, 20.0, 30.0), (0.0, 1.0, 0.5), (20.0, 100.0, 100.0))


def solution(game: CournotMarket) -> OligopolyEquilibrium:
    found = solve(game)
    assert isinstance(found, OligopolyEquilibrium)
    return found


def test_three_equal_firms_have_the_textbook_equilibrium() -> None:
    # Closed form q = (a - c) / ((N + 1) b): spec/electricity.md, section 2.
    found = solution(CournotMarket(100.0, 1.0, (10.0, 10.0, 10.0)))
    np.testing.assert_allclose(found.action[:, 0], 22.5, rtol=1e-14)
    assert found.price == pytest.approx(32.5, rel=1e-14)
    np.testing.assert_allclose(found.value, 24 * 22.5**2, rtol=1e-13)
    assert found.residual <= 1e-15


def test_unequal_firms_with_a_binding_capacity_have_the_equilibrium_of_the_spec() -> None:
    # spec/electricity.md, section 2, checked there by sequential best response to 1e-9.
    found = solution(SPEC)
    np.testing.assert_allclose(found.action[:, 0], [20, 15.384615, 13.846154], atol=5e-7)
    assert found.price == pytest.approx(50.769231, abs=5e-7)


def test_a_monopolist_sells_half_the_competitive_quantity() -> None:
    found = solution(CournotMarket(90.0, 2.0, (10.0,)))
    assert found.action[0, 0] == pytest.approx(20.0)  # (a - c) / 2b
    assert found.price == pytest.approx(50.0)


def test_a_firm_dearer_than_the_price_is_shut_down() -> None:
    found = solution(CournotMarket(100.0, 1.0, (10.0, 10.0, 60.0)))
    np.testing.assert_allclose(found.action[:, 0], [30, 30, 0], atol=1e-12)  # the duopoly of the other two
    assert found.price == pytest.approx(40.0)


def test_a_firm_whose_cost_equals_the_price_sells_nothing() -> None:
    found = solution(CournotMarket(100.0, 1.0, (10.0, 10.0, 40.0)))
    np.testing.assert_allclose(found.action[:, 0], [30, 30, 0], atol=1e-12)


def test_firms_without_capacity_leave_the_market_to_the_others() -> None:
    found = solution(CournotMarket(100.0, 1.0, (10.0, 5.0), capacity=(np.inf, 0.0)))
    np.testing.assert_allclose(found.action[:, 0], [45, 0], atol=1e-12)


@given(markets())
def test_no_firm_gains_by_any_quantity_of_a_grid(game: CournotMarket) -> None:
    found = solution(game)
    quantity = found.action[:, 0]
    assert np.all(quantity >= 0)
    assert np.all(quantity <= game.limit * (1 + 1e-12))
    scale = game.intercept**2 / game.slope
    assert 0 <= found.residual <= 1e-12 * scale / max(found.value.mean() / 10, 1e-3)
    at_equilibrium = profit(game, quantity)
    np.testing.assert_allclose(found.value, at_equilibrium, atol=1e-12 * scale)
    for i, limit in enumerate(game.limit):
        for other in np.linspace(0, limit, 101):
            deviated = quantity.copy()
            deviated[i] = other
            assert profit(game, deviated)[i] <= at_equilibrium[i] + 1e-11 * scale


@given(markets())
def test_the_equilibrium_is_where_sequential_best_responses_settle(game: CournotMarket) -> None:
    np.testing.assert_allclose(solution(game).action[:, 0], sequential_best_responses(game, 300), atol=1e-6)


def test_sequential_best_responses_agree_to_nine_digits() -> None:
    np.testing.assert_allclose(solution(SPEC).action[:, 0], sequential_best_responses(SPEC), atol=1e-9)


@given(markets())
def test_the_equilibrium_maximises_the_potential(game: CournotMarket) -> None:
    cost, steep = np.array(game.cost), np.array(game.cost_slope)

    def potential(q: Floats) -> float:
        cross = (q.sum() ** 2 - (q**2).sum()) / 2
        own = (game.intercept - cost) * q - (game.slope + steep / 2) * q**2
        return float(own.sum() - game.slope * cross)

    def gradient(q: Floats) -> Floats:
        return game.intercept - cost - (2 * game.slope + steep) * q - game.slope * (q.sum() - q)

    best = minimize(
        lambda q: -potential(q),
        np.zeros(len(cost)),
        jac=lambda q: -gradient(q),
        method="L-BFGS-B",
        bounds=[(0, limit) for limit in game.limit],
        options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 10_000},
    )
    exact = solution(game).action[:, 0]
    assert potential(exact) >= potential(best.x) - 1e-9 * game.intercept**2 / game.slope
    np.testing.assert_allclose(exact, best.x, atol=1e-4 * game.intercept / game.slope)


@given(markets(), st.integers(0, 99))
def test_the_gap_is_the_largest_gain_of_a_grid(game: CournotMarket, seed: int) -> None:
    quantity = np.random.default_rng(seed).uniform(0, game.limit)
    judged = gap(game, Constant(quantity[:, None]))
    assert judged.kind is Kind.EXACT
    np.testing.assert_allclose(judged.value, profit(game, quantity), atol=1e-9)
    for i, limit in enumerate(game.limit):
        grid = np.tile(quantity, (4001, 1))
        grid[:, i] = np.linspace(0, limit, 4001)
        best = max(profit(game, q)[i] for q in (*grid[::40], quantity))
        finest = game.profit(grid)[:, i].max()
        spacing = limit / 4000
        gain = judged.lower[i]
        assert gain >= best - judged.value[i] - 1e-9
        assert gain >= finest - judged.value[i] - 1e-9
        curvature = game.slope + game.cost_slope[i] / 2  # type: ignore[index] - one a firm after the checks
        room = curvature * spacing**2 + 1e-9 * (1 + game.intercept**2 / game.slope)
        assert gain <= max(finest - judged.value[i], 0) + room


@given(markets())
def test_the_policy_of_the_solution_has_no_gap(game: CournotMarket) -> None:
    judged = gap(game, solve(game).policy)
    assert np.all(judged.upper <= 1e-12 * game.intercept**2 / game.slope)


def test_the_deviation_played_earns_the_gain() -> None:
    quantity = np.array([5.0, 30.0, 12.0])
    judged = gap(SPEC, Constant(quantity[:, None]))
    assert judged.deviation is not None
    best = judged.deviation.act(np.zeros((1, 3, 6)), np.random.default_rng(0))[0, :, 0]
    for i in range(3):
        moved = quantity.copy()
        moved[i] = best[i]
        gained = profit(SPEC, moved)[i] - profit(SPEC, np.minimum(quantity, SPEC.limit))[i]
        assert judged.per_step.lower[i] == pytest.approx(gained, rel=1e-12)


def test_an_action_above_a_capacity_counts_as_the_capacity() -> None:
    above = gap(SPEC, Constant(np.array([[90.0], [15.0], [14.0]])))
    at = gap(SPEC, Constant(np.array([[20.0], [15.0], [14.0]])))
    np.testing.assert_array_equal(above.lower, at.lower)


def test_price_takers_have_a_gap() -> None:
    game = CournotMarket(cost_slope=1.0)
    judged = gap(game, Scripted(game))
    # q = (a - c) / (1 + N b) each; the best response to two of them gains (b + d/2) (q - best)^2.
    q = 90 / 4
    best = (90 - 2 * q) / 3
    np.testing.assert_allclose(judged.per_step.lower, 1.5 * (q - best) ** 2, rtol=1e-12)


def test_the_gap_of_random_play_is_a_sum_over_its_steps() -> None:
    game = CournotMarket(horizon=5)
    regret = hindsight_regret(game, Random(game), seeds=(3, 4))
    assert regret.gain.shape == (5, 2, 3)
    np.testing.assert_allclose(regret.regret, regret.gain.sum(axis=0).mean(axis=0))
    # Against the mean of what two random rivals sell the gap is the same at each step, whatever they drew.
    longer = gap(replace(game, horizon=10), Random(game), seeds=(3, 4))
    np.testing.assert_allclose(longer.lower, 2 * gap(game, Random(game), seeds=(3, 4)).lower)


def test_the_gap_of_best_response_dynamics_vanishes_at_its_end() -> None:
    game = CournotMarket(horizon=60)
    gain = hindsight_regret(game, BestResponse(game)).gain
    assert gain[0].max() > 1e-3
    assert gain[-1].max() < 1e-12


def test_the_solution_is_certified_by_its_gap() -> None:
    found = solve(SPEC)
    assert found.status is Status.CONVERGED
    assert found.tol == 1e-9
    assert found.residual == gap(SPEC, found.policy).relative.upper.max() <= 1e-15
    with pytest.raises(ValueError, match=r"`concept` must be one of .*nash"):
        solve(SPEC, concept="competitive")


def test_the_relative_gap_is_a_share_of_what_is_at_stake() -> None:
    # Three price takers at c = 10 sell 30 each at P = 10, without profit; at stake is that of the equilibrium.
    game = CournotMarket()
    np.testing.assert_allclose(gap(game, Scripted(game)).relative.lower, 5400 / 12150)


def test_deviation_equals_the_gap_of_one_step() -> None:
    quantity = np.array([[[5.0], [30.0], [12.0]], [[0.0], [0.0], [0.0]]])
    found = deviation(SPEC, SPEC.reset(np.zeros((2, 3))), quantity)
    for row in range(2):
        np.testing.assert_allclose(found.gain[row], gap(SPEC, Constant(quantity[row])).per_step.lower, rtol=1e-12)


def test_gap_without_seeds_is_refused() -> None:
    with pytest.raises(ValueError, match="`seeds` must hold at least one seed"):
        gap(SPEC, Scripted(SPEC), seeds=())
