"""What a channel buys: the linear program by another solver, and its degenerate cases."""

import numpy as np
from scipy.optimize import linprog

from walras.markets.auctions.autobidding import bought


def test_the_longest_prefix_is_the_linear_program() -> None:
    rng = np.random.default_rng(0)
    values, costs = rng.uniform(0, 1, (2, 300, 6))
    values, costs = values * (rng.random(values.shape) < 0.9), costs * (rng.random(costs.shape) < 0.9)
    budget, target = rng.uniform(0, 2, 300), rng.uniform(0, 3, 300)
    shares = bought(values, costs, budget, target)
    for v, d, rho, gamma, x in zip(values, costs, budget, target, shares, strict=True):
        found = linprog(-v, A_ub=np.stack((d, gamma * d - v)), b_ub=[rho, 0.0], bounds=(0, 1))
        assert abs(found.x @ v - v @ x) < 1e-9
        assert d @ x <= rho + 1e-12
        assert v @ x >= gamma * (d @ x) - 1e-12
    np.testing.assert_array_equal(bought(values[7], costs[7], budget[7], target[7]), shares[7])


def test_what_is_free_is_taken_and_what_is_worthless_is_not() -> None:
    values, costs = np.array([[1.0, 0.0, 2.0, 0.0]]), np.array([[0.0, 1.0, 1.0, 0.0]])
    np.testing.assert_array_equal(bought(values, costs, [0.0]), [[1.0, 0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(bought(values, costs, [np.inf], [3.0]), [[1.0, 0.0, 1.0, 0.0]])
    np.testing.assert_array_equal(bought(values, costs, [np.inf], [4.0]), [[1.0, 0.0, 0.5, 0.0]])


def test_the_largest_target_that_can_be_met_takes_its_auction_alone() -> None:
    values, costs = np.array([3.0, 1.2]), np.array([2.0, 1.0])
    np.testing.assert_array_equal(bought(values, costs, np.inf, 1.5), [1.0, 0.0])
    np.testing.assert_array_equal(bought(values, costs, np.inf, 1.6), [0.0, 0.0])
    np.testing.assert_array_equal(bought(values, costs, 1.0, 1.0), [0.5, 0.0])
