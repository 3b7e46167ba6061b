"""The two interior point methods take the same steps; each row of the compiled one stands alone."""

from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

from walras.markets.eisenberg_gale import interior_point, interior_point_compiled
from walras.markets.eisenberg_gale.interior_point import Point, Problem, certified_gap
from walras.markets.eisenberg_gale.interior_point_compiled import LANES

METHODS = [interior_point, interior_point_compiled]


def each(target: float, problem: Problem) -> torch.Tensor:
    """The same target for all instances."""
    return torch.full((len(problem.values),), target, dtype=torch.float64)


def problem(rows: int, agents: int, resources: int, tau: float = 0.0) -> Problem:
    rng = np.random.default_rng(rows + 10 * agents + 100 * resources)
    v, x = (torch.from_numpy(rng.uniform(0.1, 1, (rows, agents, resources))) for _ in range(2))
    w = torch.from_numpy(rng.uniform(0.5, 2, (rows, agents)))
    return Problem(v, x, torch.ones(rows, resources, dtype=torch.float64), w, torch.full_like(v, tau))


def utilities(v: Tensor, point: Point) -> Tensor:
    return (v * point.a).sum(dim=2)


@pytest.mark.parametrize("size", [(1, 1, 1), (3, 2, 2), (40, 5, 3), (7, 3, 10)])
@pytest.mark.parametrize("tau", [0.0, 1.5])
def test_both_methods_meet_the_target_at_the_same_utilities_and_duals(size: tuple[int, int, int], tau: float) -> None:
    given = problem(*size, tau)
    (one, _), (two, _) = (method.solve(given, each(1e-11, given), 60) for method in METHODS)
    for point in (one, two):
        assert float(certified_gap(given, point).max()) <= 1.1e-11
    torch.testing.assert_close(utilities(given.values, one), utilities(given.values, two), rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(one.gamma, two.gamma, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("steps", [0, 1, 4])
def test_both_methods_take_the_same_steps(steps: int) -> None:
    given = problem(5, 4, 3)
    (one, taken), (two, other) = (method.solve(given, each(1e-11, given), steps) for method in METHODS)
    assert taken == other == steps
    for left, right in zip(one, two, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-12)


def test_both_methods_solve_the_same_adjoint_equations() -> None:
    given = problem(5, 4, 3, 0.5)
    point, _ = interior_point.solve(given, each(1e-9, given), 60)
    gradient = torch.linspace(-1, 1, 60, dtype=torch.float64).reshape(5, 4, 3)
    of_price = torch.linspace(2, 1, 15, dtype=torch.float64).reshape(5, 3)
    (y, eta), (y2, eta2) = (method.adjoint(given.values, point, gradient, of_price, 4) for method in METHODS)
    torch.testing.assert_close(y, y2, rtol=1e-5, atol=1e-9)
    torch.testing.assert_close(eta, eta2, rtol=1e-5, atol=1e-9)


def test_prices_are_eliminated_by_agents_where_resources_are_many() -> None:
    # The compiled method eliminates agents whatever their number.
    given = problem(2, 3, 100, 0.5)
    assert interior_point.many_resources(given.values)
    assert not interior_point.many_resources(given.values[:, :, :95])
    (one, _), (two, _) = (method.solve(given, each(1e-11, given), 60) for method in METHODS)
    torch.testing.assert_close(one.gamma, two.gamma, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(one.price, two.price, rtol=1e-5, atol=1e-6)
    gradient = torch.linspace(-1, 1, 600, dtype=torch.float64).reshape(2, 3, 100)
    of_price = torch.linspace(2, 1, 200, dtype=torch.float64).reshape(2, 100)
    point, _ = interior_point.solve(given, each(1e-6, given), 60)
    (y, eta), (y2, eta2) = (method.adjoint(given.values, point, gradient, of_price, 4) for method in METHODS)
    torch.testing.assert_close(y, y2, rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(eta, eta2, rtol=1e-5, atol=1e-8)


def test_the_adjoint_solves_the_newton_system() -> None:
    # P y + eta = g and sum y - (s / price) eta = h, with P written out.
    given = problem(2, 3, 2)
    point, _ = interior_point_compiled.solve(given, each(1e-6, given), 60)
    g = torch.arange(12, dtype=torch.float64).reshape(2, 3, 2) / 12
    h = torch.tensor([[0.1, -0.2], [0.0, 0.3]], dtype=torch.float64)
    y, eta = interior_point_compiled.adjoint(given.values, point, g, h, 4)
    curvature = point.gamma / utilities(given.values, point)
    left = (point.alpha / point.a + point.beta / point.t) * y + eta[:, None]
    left = left + (curvature * (given.values * y).sum(dim=2))[..., None] * given.values
    torch.testing.assert_close(left, g, rtol=0, atol=1e-9)
    torch.testing.assert_close(y.sum(dim=1) - point.s / point.price * eta, h, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_row_of_the_compiled_method_equals_a_batch_of_one(threads: int) -> None:
    given = problem(5 * LANES + 3, 3, 2)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    whole, _ = interior_point_compiled.solve(given, each(1e-11, given), 60)
    torch.set_num_threads(before)
    for i in (0, 1, LANES - 1, LANES, 5 * LANES + 2):
        alone, _ = interior_point_compiled.solve(Problem(*(t[i : i + 1] for t in given)), each(1e-11, given)[:1], 60)
        for one, all_rows in zip(alone, whole, strict=True):
            assert torch.equal(one[0], all_rows[i])


@pytest.mark.parametrize("method", METHODS)
def test_a_row_that_is_not_a_number_does_not_touch_its_neighbours(method: ModuleType) -> None:
    given = problem(3, 3, 2)
    given.values[1] = torch.nan
    point, steps = method.solve(given, each(1e-11, given), 60)
    assert steps == 60
    gap = certified_gap(given, point)
    assert bool(torch.isnan(gap[1]))
    assert float(gap[[0, 2]].max()) <= 1.1e-11


@pytest.mark.parametrize("method", METHODS)
def test_degenerate_instances_do_not_cycle(method: ModuleType) -> None:
    # Full second-order terms alternate forever between spending and sparing the second budget.
    rows = 100
    v = torch.tensor([[1.0, 0.4809], [0.8289, 0.6675]], dtype=torch.float64).repeat(rows, 1, 1)
    x = torch.tensor([[1.0, 0.19], [0.7415, 0.5005]], dtype=torch.float64).repeat(rows, 1, 1) / 0.55
    x[:, 0, 1] = torch.linspace(0.15, 0.3, rows, dtype=torch.float64) / 0.55
    ones = torch.ones(rows, 2, dtype=torch.float64)
    given = Problem(v, x, ones, ones, torch.full_like(v, 0.55))
    _, steps = method.solve(given, each(1e-11, given), 60)
    assert steps < 25
