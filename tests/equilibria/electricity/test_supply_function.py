import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize, root

from walras.core import Constant, Random, Scripted, SolverError, Status, rollout
from walras.core.typing import Floats
from walras.envs import SupplyFunctionMarket
from walras.equilibria import Kind, OligopolyEquilibrium, gap, solve
from walras.equilibria.electricity.supply_function import solve_supply_function

SPEC = SupplyFunctionMarket()  # three firms, g = .7, c = (10, 12, 9), d = (.5, .8, 1.2), N in {40, 60, 100}


def profit(game: SupplyFunctionMarket, curve: Floats, demand: float) -> Floats:
    """Each firm's profit at one demand by the definition, ``[N]``."""
    alpha, beta = curve.T
    price = (demand + beta @ alpha) / (game.demand_slope + beta.sum())
    quantity = beta * (price - alpha)
    return price * quantity - np.array(game.cost) * quantity - np.array(game.cost_slope) * quantity**2 / 2


def expected(game: SupplyFunctionMarket, curve: Floats) -> Floats:
    return np.mean([profit(game, curve, n) for n in game.demand], axis=0)


def solution(game: SupplyFunctionMarket) -> OligopolyEquilibrium:
    found = solve(game)
    assert isinstance(found, OligopolyEquilibrium)
    return found


@st.composite
def markets(draw: st.DrawFn) -> SupplyFunctionMarket:
    firms = draw(st.integers(1, 5))
    each = {"min_size": firms, "max_size": firms}
    low = draw(st.floats(5, 100))
    return SupplyFunctionMarket(
        demand=(low, low + draw(st.floats(1, 100))),
        demand_slope=draw(st.floats(0.05, 5)),
        cost=tuple(draw(st.lists(st.floats(0, 30), **each))),
        cost_slope=tuple(draw(st.lists(st.floats(0.1, 5), **each))),
        horizon=1,
    )


def test_two_equal_firms_have_the_golden_ratio_as_slope() -> None:
    # beta = S / (1 + S), S = 1 + beta: beta^2 + beta = 1. spec/electricity.md, section 3.
    found = solution(SupplyFunctionMarket(demand_slope=1.0, cost=(10.0, 10.0), cost_slope=1.0))
    np.testing.assert_allclose(found.action[:, 1], (5**0.5 - 1) / 2, rtol=1e-12)


def test_three_unequal_firms_have_the_slopes_of_the_spec() -> None:
    # spec/electricity.md, section 3.
    found = solution(SPEC)
    np.testing.assert_allclose(found.action[:, 1], [1.035175, 0.817584, 0.628246], atol=5e-7)
    np.testing.assert_array_equal(found.action[:, 0], [10.0, 12.0, 9.0])


def test_the_equilibrium_is_optimal_at_each_demand_not_only_on_average() -> None:
    curve = solution(SPEC).action[None]
    gain = SPEC.best_profit(curve) - SPEC.profit(curve)
    assert SPEC.demand == (40.0, 60.0, 100.0)
    assert gain.shape == (1, 3, 3)
    assert np.abs(gain).max() < 1e-12 * 1e3  # profits are of the order of 1e3: a few units in the last place
    np.testing.assert_allclose(gain, 0.0, atol=1e-12 * SPEC.profit(curve).max())


@pytest.mark.parametrize("demand", [40.0, 60.0, 100.0])
def test_no_point_on_the_residual_demand_beats_the_equilibrium_ex_post(demand: float) -> None:
    curve = solution(SPEC).action
    at_equilibrium = profit(SPEC, curve, demand)
    for i in range(3):
        others = np.delete(curve, i, axis=0)
        price = np.linspace(0, 100, 20_001)
        quantity = demand - SPEC.demand_slope * price
        quantity -= sum(beta * (price - alpha) for alpha, beta in others)
        steep = np.array(SPEC.cost_slope)[i]
        earned = quantity * (price - SPEC.cost[i] - steep * quantity / 2)
        assert earned.max() <= at_equilibrium[i] + 1e-9
        assert earned.max() >= at_equilibrium[i] - 1e-3  # the grid is fine enough to see it


@given(markets())
def test_the_slopes_solve_the_first_order_conditions_found_by_another_method(game: SupplyFunctionMarket) -> None:
    d = np.array(game.cost_slope)

    def excess(log_beta: Floats) -> Floats:
        beta = np.exp(log_beta)
        s = game.demand_slope + beta.sum() - beta
        return np.log(beta * (1 + d * s)) - np.log(s)

    newton = root(excess, np.log(1 / d), tol=1e-13)
    assert np.abs(newton.fun).max() < 1e-9
    np.testing.assert_allclose(solution(game).action[:, 1], np.exp(newton.x), rtol=1e-7)


def test_numerical_best_responses_settle_at_the_equilibrium() -> None:
    curve = np.stack((np.array(SPEC.cost), 1 / np.array(SPEC.cost_slope)), axis=1)
    for _ in range(12):
        for i in range(3):

            def loss(own: Floats, i: int = i) -> float:
                played = curve.copy()
                played[i] = own
                return -float(expected(SPEC, played)[i])

            curve[i] = minimize(loss, curve[i], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-10}).x
    np.testing.assert_allclose(curve, solution(SPEC).action, atol=2e-4)


@given(markets())
def test_no_firm_gains_by_any_curve_of_a_grid(game: SupplyFunctionMarket) -> None:
    found = solution(game)
    assert 0 <= found.residual <= 1e-11 * (1 + np.abs(found.value).max())
    at_equilibrium = expected(game, found.action)
    np.testing.assert_allclose(found.value, at_equilibrium, rtol=1e-9, atol=1e-9)
    assert found.price == pytest.approx(float(game.price(found.action[None], np.array(game.demand)).mean()))
    intercept, slope = game.action_space.high
    for i in range(len(game.agents)):
        for own in np.stack(np.meshgrid(np.linspace(0, intercept, 13), np.linspace(0, slope, 13)), -1).reshape(-1, 2):
            played = found.action.copy()
            played[i] = own
            assert expected(game, played)[i] <= at_equilibrium[i] + 1e-9 * (1 + abs(at_equilibrium[i]))


@given(markets(), st.integers(0, 99))
def test_the_gap_bounds_every_curve_of_a_grid_and_is_reached(game: SupplyFunctionMarket, seed: int) -> None:
    curve = np.random.default_rng(seed).uniform(game.action_space.low, game.action_space.high, (len(game.agents), 2))
    judged = gap(game, Constant(curve))
    assert judged.kind is Kind.EXACT
    assert judged.deviation is not None
    rng = np.random.default_rng(0)
    best = judged.deviation.act(game.observe(game.reset(game.noise(rng, 1))), rng)[0]
    reward = expected(game, curve)
    tolerance = 1e-9 * (1 + np.abs(reward) + judged.lower)
    np.testing.assert_allclose(judged.value, reward, atol=tolerance.max())
    grid = np.stack(np.meshgrid(np.linspace(0, 40, 12), np.linspace(0, 12, 12)), -1).reshape(-1, 2)
    for i in range(len(game.agents)):
        reached = curve.copy()
        reached[i] = best[i]
        gain = expected(game, reached)[i] - reward[i]
        assert judged.lower[i] == pytest.approx(max(gain, 0.0), abs=10 * tolerance[i])
        for own in grid:
            played = curve.copy()
            played[i] = own
            assert expected(game, played)[i] <= reward[i] + judged.lower[i] + tolerance[i]


@given(markets())
def test_the_policy_of_the_solution_has_no_gap(game: SupplyFunctionMarket) -> None:
    found = solve(game)
    judged = gap(game, found.policy)
    assert np.all(judged.upper <= 1e-11 * (1 + np.abs(found.value).max()))


def test_marginal_cost_offers_have_a_gap() -> None:
    judged = gap(SPEC, Scripted(SPEC))
    assert np.all(judged.relative.lower > 0.001)


def test_values_do_not_depend_on_the_demand_drawn() -> None:
    game = SupplyFunctionMarket(horizon=6)
    judged = gap(game, Random(game), seeds=range(32))
    curves = rollout(game, Random(game), range(32)).action.reshape(-1, 3, 2)
    np.testing.assert_allclose(judged.value, 6 * np.mean([expected(game, c) for c in curves], axis=0), rtol=1e-12)


def test_one_iteration_is_not_convergence() -> None:
    with pytest.raises(SolverError, match=r"raise `max_iter`.*residual="):
        solve(SPEC, max_iter=1)
    assert solve_supply_function(SPEC, max_iter=1).status is Status.ITERATION_LIMIT
    found = solve(SPEC, max_iter=1, throw=False)
    assert not found.converged
    assert found.iterations == 1
    assert found.residual == gap(SPEC, found.policy).relative.upper.max() > 1e-4


def test_options_reach_the_solver_through_solve() -> None:
    assert solve(SPEC, max_iter=1, throw=False).iterations == 1


def test_nearly_flat_costs_still_converge() -> None:
    game = SupplyFunctionMarket(cost=(10.0, 10.0), cost_slope=1e-4)
    found = solution(game)
    s = game.demand_slope + found.action[0, 1]
    np.testing.assert_allclose(found.action[:, 1], s / (1 + 1e-4 * s), rtol=1e-10)
