from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from walras.core import SolverError, Status
from walras.core.typing import Floats
from walras.markets.eisenberg_gale import interior_point, interior_point_compiled
from walras.markets.eisenberg_gale.interior_point import Problem
from walras.mechanisms import PFSolution, proportional_fairness, proportional_fairness_cvxpy
from walras.mechanisms.program import program

Instance = tuple[Floats, Floats, Floats, Floats, Floats]  # values, demands, budgets, weights, surcharge of one instance
NAMES = ("values", "demands", "budgets", "weights", "surcharge")


pytestmark = pytest.mark.usefixtures("one_thread")


def instances(seed: int, rows: int, agents: int, resources: int, surcharge: float = 0.0) -> tuple[Tensor, ...]:
    """Random instances with weights, demands that bind here and there, and budgets that are scarce."""
    rng = np.random.default_rng(seed)
    shape = (rows, agents, resources)
    drawn = (
        rng.uniform(0.1, 1, shape),
        rng.uniform(0.1, 1, shape),
        0.275 * agents * rng.uniform(0.5, 1.5, (rows, resources)),
        rng.uniform(0.5, 2, (rows, agents)),
        surcharge * rng.uniform(0.5, 1.5, shape),
    )
    return tuple(torch.from_numpy(array) for array in drawn)


def row(problem: tuple[Tensor, ...], i: int) -> Instance:
    v, x, b, w, z = (tensor[i].detach().numpy() for tensor in problem)
    return v, x, b, w, z


def objective(instance: Instance, a: Floats) -> float:
    v, _, _, w, z = instance
    return float(w @ np.log((v * a).sum(axis=1)) - (z * a).sum())


def certified(instance: Instance, a: Floats, prices: Floats) -> float:
    """Duality gap per unit of weight at these prices, by the module's formula with the best gamma for each agent.

    The bound is convex in gamma, with a kink where an agent comes to want a resource and at most one flat point between
    two kinks: all of them are tried, and w / u. No demand above the budget counts.
    """
    v, x, b, w, z = instance
    x = np.minimum(x, b)
    total = float(prices @ b) - objective(instance, a)
    for i in range(len(v)):
        kinks = (prices + z[i])[v[i] > 0] / v[i][v[i] > 0]
        flat = w[i] / np.cumsum((v[i] * x[i])[v[i] > 0][np.argsort(kinks)]).clip(min=1e-300)
        gamma = np.concatenate([kinks[kinks > 0], flat, [w[i] / (v[i] @ a[i])]])
        beta = np.maximum(gamma[:, None] * v[i] - z[i] - prices, 0)
        total += float(((beta * x[i]).sum(axis=1) + w[i] * np.log(w[i] / gamma) - w[i]).min())
    return total / float(w.sum())


def assert_certified(problem: tuple[Tensor, ...], found: PFSolution, gap: float = 1e-8) -> None:
    """Feasible, with prices that are legal duals, and a gap that a second computation confirms."""
    assert found.status is Status.CONVERGED
    assert bool(((found.gap >= 0) & (found.gap <= gap)).all()), found.gap
    for i in range(len(found.gap)):
        instance = row(problem, i)
        a, prices = found.allocation[i].detach().numpy(), found.prices[i].numpy()
        _, x, b, _, _ = instance
        assert np.isfinite(a).all()
        assert np.isfinite(prices).all()
        assert (a >= 0).all()
        assert (a <= x).all()
        assert (a.sum(axis=0) <= b + 1e-9 * np.maximum(b, 1e-3)).all()
        assert (prices >= 0).all()
        assert -1e-12 <= certified(instance, a, prices) <= 2 * gap


def gradients(problem: tuple[Tensor, ...], seed: int = 0) -> tuple[Tensor, ...]:
    """Gradient of a random linear function of the allocation to each of the arguments."""
    leaves = tuple(tensor.clone().requires_grad_() for tensor in problem)
    allocation = proportional_fairness(*leaves).allocation
    direction = torch.from_numpy(np.random.default_rng(seed).normal(size=tuple(allocation.shape)))
    return torch.autograd.grad((allocation * direction).sum(), leaves)


@st.composite
def awkward(draw: st.DrawFn) -> tuple[Tensor, ...]:
    """One instance with ties, worthless entries, nothing demanded, resources without a budget."""
    agents, resources = draw(st.integers(1, 4)), draw(st.integers(1, 4))

    def array(entries: st.SearchStrategy[float], *shape: int) -> Tensor:
        size = int(np.prod(shape))
        numbers = draw(st.lists(entries, min_size=size, max_size=size))
        return torch.tensor(numbers, dtype=torch.float64).reshape(shape)

    value = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0.01, 1))
    demand = st.one_of(st.sampled_from([0.0, 0.5, 1.0, 5.0]), st.floats(0.01, 2))
    budget = st.one_of(st.sampled_from([0.0, 0.5, 1.0, 2.0]), st.floats(0.1, 3))
    surcharge = st.one_of(st.just(0.0), st.floats(0, 3))
    v, x = array(value, 1, agents, resources), array(demand, 1, agents, resources)
    b = array(budget, 1, resources)
    assume(bool(((v * x * b[:, None]).amax(dim=2) > 0).all()))
    return v, x, b, array(st.floats(0.2, 5), 1, agents), array(surcharge, 1, agents, resources)


# Agreement and certificate


@pytest.mark.parametrize("surcharge", [0.0, 1.5])
@pytest.mark.parametrize(("agents", "resources"), [(1, 1), (2, 2), (3, 5), (6, 3)])
def test_it_agrees_with_the_convex_program(agents: int, resources: int, surcharge: float) -> None:
    problem = instances(agents + 10 * resources, 6, agents, resources, surcharge)
    found = proportional_fairness(*problem)
    for i in range(6):
        instance = row(problem, i)
        a, reference = found.allocation[i].numpy(), proportional_fairness_cvxpy(*instance)
        v = instance[0]
        assert objective(instance, a) == pytest.approx(reference.value, abs=1e-7)
        # Clarabel's default tolerance, 1e-8 in the objective, leaves 1e-4 in the utilities; the next test is sharper.
        assert (v * a).sum(axis=1) == pytest.approx((v * reference.allocation).sum(axis=1), abs=1e-4)
        assert found.prices[i].numpy() == pytest.approx(reference.prices, abs=1e-3)


@pytest.mark.parametrize("surcharge", [0.0, 1.5])
@pytest.mark.parametrize(("agents", "resources"), [(2, 2), (3, 5), (6, 3)])
def test_utilities_agree_with_the_convex_program_solved_tightly(agents: int, resources: int, surcharge: float) -> None:
    problem = instances(agents + 10 * resources, 6, agents, resources, surcharge)
    found = proportional_fairness(*problem)
    convex, at = program.__wrapped__(agents, resources)  # apart: Clarabel keeps the settings of its last solve
    for i in range(6):
        at.v.value, at.x.value, at.b.value, at.w.value, at.z.value = row(problem, i)
        convex.solve(solver="CLARABEL", tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)
        v, a = row(problem, i)[0], found.allocation[i].numpy()
        assert (v * a).sum(axis=1) == pytest.approx((v * at.a.value).sum(axis=1), abs=1e-5)
        assert found.prices[i].numpy() == pytest.approx(at.constraints["budgets"].dual_value, abs=1e-3)


@pytest.mark.parametrize("surcharge", [0.0, 1.0])
@pytest.mark.parametrize(("agents", "resources"), [(1, 3), (2, 2), (5, 3), (20, 8)])
def test_the_gap_is_a_certificate_that_anyone_can_recompute(agents: int, resources: int, surcharge: float) -> None:
    problem = instances(7, 30, agents, resources, surcharge)
    assert_certified(problem, proportional_fairness(*problem))


@given(awkward())
@settings(max_examples=40)
def test_awkward_instances_are_certified(problem: tuple[Tensor, ...]) -> None:
    assert_certified(problem, proportional_fairness(*problem))


@given(awkward())
@settings(max_examples=25)
def test_awkward_instances_have_finite_gradients(problem: tuple[Tensor, ...]) -> None:
    for name, gradient in zip(NAMES, gradients(problem), strict=True):
        assert bool(torch.isfinite(gradient).all()), name


def test_each_gets_what_it_likes_best_at_prices_of_one() -> None:
    # Closed form: each spends its weight 1 on its best resource, whose budget is 1. No demand binds.
    found = proportional_fairness([[[2.0, 1.0], [1.0, 2.0]]], np.full((1, 2, 2), 2.0), [[1.0, 1.0]])
    assert found.allocation[0].numpy() == pytest.approx(np.eye(2), abs=1e-8)
    assert found.prices[0].numpy() == pytest.approx(np.ones(2), abs=1e-8)
    assert 0 < found.iterations <= 60


def test_a_demand_that_binds_leaves_the_rest_to_the_other() -> None:
    # Closed form: agent 0 is full at 0.2; agent 1 has 0.8 and sets the price, 1 / 0.8.
    found = proportional_fairness([[[1.0], [1.0]]], [[[0.2], [1.0]]], [[1.0]])
    assert found.allocation[0, :, 0].tolist() == pytest.approx([0.2, 0.8], abs=1e-8)
    assert found.prices[0, 0].item() == pytest.approx(1.25, abs=1e-7)


def test_a_surcharge_above_what_all_would_pay_makes_budgets_slack() -> None:
    # Closed form: u = w / z at price zero, max w log(a) - z a.
    found = proportional_fairness([[[1.0], [1.0]]], [[[1.0], [1.0]]], [[1.0]], [1.0, 2.0], 10.0)
    assert found.allocation[0, :, 0].tolist() == pytest.approx([0.1, 0.2], abs=1e-8)
    assert found.prices[0, 0].item() == pytest.approx(0, abs=1e-7)


# Theory


@pytest.mark.parametrize("surcharge", [0.0, 1.0])
def test_no_feasible_allocation_raises_the_weighted_relative_utilities(surcharge: float) -> None:
    # F1, with the surcharge: grad f(a*) . (a' - a*) <= 0 for each feasible a'.
    problem, rng = instances(3, 20, 4, 3, surcharge), np.random.default_rng(0)
    found = proportional_fairness(*problem)
    for i in range(20):
        v, x, b, w, z = row(problem, i)
        a = found.allocation[i].numpy()
        u = (v * a).sum(axis=1)
        other = rng.uniform(0, 1, (200, *v.shape)) ** rng.uniform(0.1, 4, (200, 1, 1)) * x
        other *= np.minimum(1, b / other.sum(axis=1))[:, None]
        relative = (w * (v * other).sum(axis=2) / u).sum(axis=1) - (z * (other - a)).sum(axis=(1, 2))
        assert relative.max() <= w.sum() * (1 + 1e-6)


@pytest.mark.parametrize("surcharge", [0.0, 1.0])
def test_each_agent_spends_its_weight(surcharge: float) -> None:
    # F2; beta is recovered from stationarity where the demand binds.
    problem = instances(5, 40, 4, 3, surcharge)
    found = proportional_fairness(*problem)
    for i in range(40):
        v, x, _, w, z = row(problem, i)
        a, prices = found.allocation[i].numpy(), found.prices[i].numpy()
        marginal = (w / (v * a).sum(axis=1))[:, None] * v
        beta = np.where(a > x * (1 - 1e-6), np.maximum(marginal - prices - z, 0), 0)
        assert ((prices + beta + z) * a).sum(axis=1) == pytest.approx(w, abs=1e-6)


def test_unspent_budget_has_no_price() -> None:
    problem = instances(2, 40, 3, 3, 2.0)
    found = proportional_fairness(*problem)
    slack = problem[2] - found.allocation.sum(dim=1)
    assert bool((slack > 0.01).any())
    assert float((slack * found.prices).max()) < 1e-7


def test_the_scale_of_a_values_does_not_count() -> None:
    # F3
    v, x, b, w, z = instances(11, 30, 4, 3)
    scale = torch.from_numpy(10 ** np.random.default_rng(1).uniform(-3, 3, (30, 4, 1)))
    plain, scaled = proportional_fairness(v, x, b, w, z), proportional_fairness(v * scale, x, b, w, z)
    assert torch.allclose(plain.allocation, scaled.allocation, rtol=0, atol=1e-8)
    assert torch.allclose(plain.prices, scaled.prices, rtol=1e-8)


def test_one_resource_is_weighted_water_filling_whatever_the_values() -> None:
    # F4: a = min(x, theta w), theta by bisection.
    v, x, b, w, _ = instances(13, 30, 5, 1)
    found = proportional_fairness(v, x, b, w).allocation[..., 0].numpy()
    demands, budgets, weights = x[..., 0].numpy(), b[:, 0].numpy(), w.numpy()
    for i in range(30):
        low, high = 0.0, 100.0
        for _ in range(100):
            theta = (low + high) / 2
            short = np.minimum(demands[i], theta * weights[i]).sum() < budgets[i]
            low, high = (theta, high) if short else (low, theta)
        assert found[i] == pytest.approx(np.minimum(demands[i], high * weights[i]), abs=1e-7)


def test_more_weight_is_never_worse() -> None:
    v, x, b, w, _ = instances(17, 40, 3, 3)
    more = w.clone()
    more[:, 0] *= 1.5
    before, after = (proportional_fairness(v, x, b, weight).allocation for weight in (w, more))
    assert bool(((v * (after - before)).sum(dim=2)[:, 0] > -1e-7).all())


# Symmetries


def test_a_row_of_a_batch_equals_a_batch_of_one() -> None:
    problem = instances(19, 12, 4, 3, 0.5)
    found = proportional_fairness(*problem)
    for i in range(12):
        alone = proportional_fairness(*(tensor[i : i + 1] for tensor in problem))
        assert torch.allclose(found.allocation[i], alone.allocation[0], rtol=0, atol=1e-9)
        assert torch.allclose(found.prices[i], alone.prices[0], rtol=0, atol=1e-9)


def test_names_of_agents_and_resources_do_not_count() -> None:
    v, x, b, w, z = instances(23, 20, 5, 4, 0.5)
    agents, resources = torch.tensor([3, 0, 4, 1, 2]), torch.tensor([2, 0, 3, 1])

    def shuffle(tensor: Tensor) -> Tensor:
        return tensor[:, agents][:, :, resources]

    plain = proportional_fairness(v, x, b, w, z)
    moved = proportional_fairness(shuffle(v), shuffle(x), b[:, resources], w[:, agents], shuffle(z))
    assert torch.allclose(shuffle(plain.allocation), moved.allocation, rtol=0, atol=1e-8)
    assert torch.allclose(plain.prices[:, resources], moved.prices, rtol=0, atol=1e-8)


# Extremes


def _zero_values(p: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    v = p[0].clone()
    v[:, 0, :-1] = 0
    v[:, 1, 0] = 0
    return v, *p[1:]


def _zero_demands(p: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    x = p[1].clone()
    x[:, 0, :-1] = 0
    x[:, 1, 0] = 0
    return p[0], x, *p[2:]


def _zero_budgets(p: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    b = p[2].clone()
    b[:, 0] = 0
    return *p[:2], b, *p[3:]


def _unwanted_resource(p: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    v = p[0].clone()
    v[..., 0] = 0
    return v, *p[1:]


def _tiny_demands(p: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    x = p[1].clone()
    x[:, 0] *= 1e-8
    x[:, 1, 0] = 1e-10
    x[:, 2, 0] = 1e-14
    return p[0], x, *p[2:]


def _mixed(p: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    rng = np.random.default_rng(0)
    agent = torch.from_numpy(10 ** rng.uniform(-6, 6, (*p[0].shape[:2], 1)))
    unit = torch.from_numpy(10 ** rng.uniform(-3, 3, p[2].shape))  # resources in other units
    v, x, b, w, z = p
    return v * agent / unit[:, None], x * unit[:, None], b * unit, w, z / unit[:, None]


EXTREMES: dict[str, Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]]] = {
    "zero values": _zero_values,
    "zero demands": _zero_demands,
    "zero budgets": _zero_budgets,
    "a resource no one values": _unwanted_resource,
    "tiny demands": _tiny_demands,
    "values of millions": lambda p: (p[0] * 1e6, *p[1:]),
    "values of millionths": lambda p: (p[0] * 1e-6, *p[1:]),
    "budgets of thousandths": lambda p: (*p[:2], p[2] * 1e-3, *p[3:]),
    "budgets of thousands": lambda p: (*p[:2], p[2] * 1e3, *p[3:]),
    "weights of millions": lambda p: (*p[:3], p[3] * 1e6, p[4]),
    "uneven weights": lambda p: (*p[:3], p[3] ** 6, p[4]),
    "unequal weights": lambda p: (*p[:3], p[3] ** 12, p[4]),
    "demands without limit": lambda p: (p[0], p[1] * 1e9, *p[2:]),
    "mixed scales": _mixed,
    "values of orders of magnitude": lambda p: (p[0] ** 6, *p[1:]),
}


@pytest.mark.parametrize("surcharge", [0.0, 1.0])
@pytest.mark.parametrize("extreme", EXTREMES)
def test_extremes_are_certified(extreme: str, surcharge: float) -> None:
    problem = EXTREMES[extreme](instances(29, 20, 4, 3, surcharge))
    assert_certified(problem, proportional_fairness(*problem))


@pytest.mark.parametrize("extreme", EXTREMES)
def test_extremes_have_finite_gradients(extreme: str) -> None:
    problem = EXTREMES[extreme](instances(29, 20, 4, 3, 0.2))
    for name, gradient in zip(NAMES, gradients(problem), strict=True):
        assert bool(torch.isfinite(gradient).all()), name


def test_weights_over_four_orders_of_magnitude_are_certified() -> None:
    # Of such instances the iteration once stalled on one in thirty: a utility collapsed while w / u stayed behind.
    v, x, b, _, z = instances(30, 300, 4, 3)
    w = torch.from_numpy(10 ** np.random.default_rng(30).uniform(-2, 2, (300, 4)))
    found = proportional_fairness(v, x, b, w, z)
    assert_certified((v, x, b, w, z), found)


def test_what_cannot_be_had_is_not_given() -> None:
    problem = _zero_demands(_zero_budgets(instances(31, 10, 3, 3)))
    a = proportional_fairness(*problem).allocation
    assert bool((a[problem[1] == 0] == 0).all())
    assert bool((a[..., 0] == 0).all())


@pytest.mark.parametrize("surcharge", [0.0, 1.0])
def test_the_price_of_a_resource_without_budget_is_the_lowest_at_which_no_one_wants_it(surcharge: float) -> None:
    problem = _zero_budgets(instances(37, 20, 4, 3, surcharge))
    v, _, _, w, z = problem
    found = proportional_fairness(*problem)
    marginal = (w / (v * found.allocation).sum(dim=2))[..., None] * v - z
    assert torch.allclose(found.prices[:, 0], marginal[..., 0].amax(dim=1).clamp(min=0), rtol=1e-6)


def test_a_vanishing_budget_tends_to_the_price_of_none() -> None:
    v, x, b, w, z = _zero_budgets(instances(41, 10, 3, 2))
    none = proportional_fairness(v, x, b, w, z)
    b[:, 0] = 1e-7
    little = proportional_fairness(v, x, b, w, z)
    assert torch.allclose(none.prices, little.prices, rtol=1e-4)


# Gradients


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("agents", "resources"), [(2, 2), (3, 2)])
def test_gradients_of_small_instances_pass_gradcheck(agents: int, resources: int, seed: int) -> None:
    problem = tuple(t.requires_grad_() for t in instances(seed + 1, 1, agents, resources, 0.3))

    def answer(*arguments: Tensor) -> tuple[Tensor, Tensor]:
        found = proportional_fairness(*arguments)
        return found.allocation, found.prices

    assert torch.autograd.gradcheck(answer, problem, eps=1e-5, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("which", range(5), ids=NAMES)
def test_directional_derivatives_agree_with_central_differences(which: int) -> None:
    problem, step = instances(43, 60, 4, 3, 0.3), 1e-5
    rng = np.random.default_rng(which)
    output = torch.from_numpy(rng.normal(size=tuple(problem[0].shape)))
    direction = torch.from_numpy(rng.normal(size=tuple(problem[which].shape)))
    leaves = tuple(tensor.clone().requires_grad_() for tensor in problem)
    (gradient,) = torch.autograd.grad((proportional_fairness(*leaves).allocation * output).sum(), leaves[which])

    def moved(by: float) -> Tensor:
        arguments = [tensor + by * direction if k == which else tensor for k, tensor in enumerate(problem)]
        return (proportional_fairness(*arguments).allocation * output).sum(dim=(1, 2))

    numeric = (moved(step) - moved(-step)) / (2 * step)
    exact = (gradient * direction).flatten(1).sum(dim=1)
    error = (numeric - exact).abs() / numeric.abs().clamp(min=1e-2)
    assert float(error.median()) < 1e-6


def test_shared_weights_and_surcharge_receive_the_sum_of_the_gradients() -> None:
    v, x, b, w, _ = instances(47, 5, 3, 2)
    weights, tau = w[0].clone().requires_grad_(), torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    each, every = w[:1].repeat(5, 1).requires_grad_(), torch.full_like(v, 0.4).requires_grad_()
    shared = torch.autograd.grad(proportional_fairness(v, x, b, weights, tau).allocation[..., 0].sum(), [weights, tau])
    apart = torch.autograd.grad(proportional_fairness(v, x, b, each, every).allocation[..., 0].sum(), [each, every])
    assert torch.allclose(shared[0], apart[0].sum(dim=0))
    assert torch.allclose(shared[1], apart[1].sum())


def test_rows_do_not_leak_into_each_others_gradients() -> None:
    problem = instances(53, 6, 3, 3, 0.3)
    leaves = tuple(tensor.clone().requires_grad_() for tensor in problem)
    chosen = proportional_fairness(*leaves).allocation[2]
    for gradient in torch.autograd.grad((chosen**2).sum(), leaves):
        others = gradient[[0, 1, 3, 4, 5]]
        assert bool((others == 0).all())
        assert bool((gradient[2] != 0).any())


def test_a_constant_problem_has_no_graph() -> None:
    assert not proportional_fairness(*instances(0, 2, 2, 2)).allocation.requires_grad


def test_second_derivatives_are_refused_rather_than_wrong() -> None:
    leaves = tuple(tensor.clone().requires_grad_() for tensor in instances(59, 1, 2, 2, 0.3))
    first = torch.autograd.grad((proportional_fairness(*leaves).allocation ** 2).sum(), leaves[0], create_graph=True)[0]
    with pytest.raises(RuntimeError, match="not have been used in the graph"):
        torch.autograd.grad(first.sum(), leaves[0])
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


@pytest.mark.parametrize("seed", range(3))
def test_values_demands_and_budgets_of_all_magnitudes_are_certified(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(40):
        agents, resources = rng.integers(2, 8), rng.integers(2, 6)
        shape = (1, agents, resources)
        v, x, b = (torch.from_numpy(10 ** rng.uniform(-9, 9, size)) for size in (shape, shape, (1, resources)))
        found = proportional_fairness(v, x, b)
        assert_certified((v, x, b, torch.ones(1, agents), torch.zeros(shape)), found)
        assert bool((found.regret <= 1e-8).all())


def test_a_tiny_demand_that_carries_the_utility_is_met_in_full() -> None:
    # Agent 0 has utility 10 from it. Agent 1 then leaves resource 0 to agent 0 until 1 / u_0 meets 1 / u_1: a = 0.
    v, x = torch.tensor([[[1.0, 1e15], [1.0, 1.0]]]).double(), torch.tensor([[[1.0, 1e-14], [1.0, 1.0]]]).double()
    b = torch.ones(1, 2).double()
    x.requires_grad_()
    found = proportional_fairness(v, x, b)
    right = torch.tensor([[[0.0, 1e-14], [1.0, 1.0]]]).double()
    torch.testing.assert_close(found.allocation.detach(), right, rtol=1e-11, atol=1e-11)
    (slope,) = torch.autograd.grad(found.allocation[0, 0, 1], x)
    torch.testing.assert_close(slope, torch.tensor([[[0.0, 1.0], [0.0, 0.0]]]).double())


def test_an_agent_that_demands_next_to_nothing_has_it_and_changes_no_one_else() -> None:
    v, x, b, w, z = instances(37, 2, 3, 2)
    x[0, 0] = 1e-13
    found = proportional_fairness(v, x, b, w, z)
    assert found.allocation[0, 0].tolist() == pytest.approx([1e-13] * 2, rel=1e-9, abs=0)
    others = proportional_fairness(v[:1, 1:], x[:1, 1:], b[:1], w[:1, 1:])
    torch.testing.assert_close(found.allocation[:1, 1:], others.allocation, rtol=1e-7, atol=1e-8)
    alone = proportional_fairness(v[1:], x[1:], b[1:], w[1:]).allocation
    assert torch.equal(found.allocation[1:], alone)


@pytest.mark.parametrize("tiny", [1e-10, 1e-13, 1e-20, 1e-35])
def test_gradients_beside_a_tiny_demand_are_those_beside_a_small_one(tiny: float) -> None:
    # Agent 0 demands nothing of resource 0, which it values: beside its utility this value is larger by any factor.
    v, b = torch.tensor([[[1.0, 2.0], [2.0, 1.3], [1.0, 1.1]]]).double(), torch.tensor([[1.0, 1.2]]).double()
    found: list[tuple[torch.Tensor, ...]] = []
    for small in (1e-6, tiny):
        x = torch.tensor([[[0.0, small], [0.4, 1.0], [0.9, 0.8]]]).double()
        arguments = [part.clone().requires_grad_() for part in (v, x, b)]
        a = proportional_fairness(*arguments).allocation[0]
        found.append(torch.autograd.grad(a[0, 1] + a[1, 0] + 2 * a[2, 1], arguments))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-6)


def test_a_value_of_what_is_not_demanded_has_no_part_in_gradients() -> None:
    x, b = torch.tensor([[[0.0, 1.0], [1.0, 1.0]]]).double().requires_grad_(), torch.ones(1, 2).double()
    slopes = []
    for unused in (1.0, 1e25):
        v = torch.tensor([[[unused, 1.0], [1.0, 1.5]]]).double()
        allocation = proportional_fairness(v, x, b).allocation
        slopes.append(torch.autograd.grad(allocation[0, 0, 1], x)[0])
    torch.testing.assert_close(slopes[1], slopes[0])


# Inputs


def test_all_kinds_of_arrays_mean_the_same() -> None:
    v, x, b, w, z = (tensor.float().double() for tensor in instances(61, 3, 3, 2, 0.5))
    plain = proportional_fairness(v, x, b, w, z).allocation
    strided = [t.repeat_interleave(2, dim=-1)[..., ::2] for t in (v, x, b, w, z)]
    turned = [t.transpose(1, 2).contiguous().transpose(1, 2) for t in (v, x)]
    kinds: dict[str, list[Any]] = {
        "float32": [t.float() for t in (v, x, b, w, z)],
        "strided": strided,
        "transposed": [*turned, b, w, z],
        "numpy": [t.numpy() for t in (v, x, b, w, z)],
        "float32 numpy": [t.numpy().astype(np.float32) for t in (v, x, b, w, z)],
        "lists": [t.tolist() for t in (v, x, b, w, z)],
    }
    for kind, arguments in kinds.items():
        found = proportional_fairness(*arguments).allocation
        assert found.dtype == torch.float64, kind
        assert torch.allclose(found, plain, rtol=0, atol=1e-12), kind


def test_gradients_reach_single_precision_leaves() -> None:
    v, x, b, *_ = (tensor.float() for tensor in instances(61, 3, 3, 2))
    v.requires_grad_()
    (gradient,) = torch.autograd.grad(proportional_fairness(v, x, b).allocation[..., 0].sum(), v)
    assert gradient.dtype == torch.float32
    assert bool(torch.isfinite(gradient).all())


def test_weights_of_one_and_no_surcharge_are_the_default() -> None:
    v, x, b, *_ = instances(67, 4, 3, 2)
    plain = proportional_fairness(v, x, b).allocation
    assert torch.equal(plain, proportional_fairness(v, x, b, [1.0, 1.0, 1.0], 0.0).allocation)
    assert torch.equal(plain, proportional_fairness(v, x, b, torch.ones(4, 3), torch.zeros(4, 3, 2)).allocation)


def test_inputs_and_the_solution_do_not_share_memory() -> None:
    problem = instances(71, 4, 3, 3, 0.5)
    before = [tensor.clone() for tensor in problem]
    arrays = [tensor.numpy().copy() for tensor in problem]
    proportional_fairness(*arrays)
    found = proportional_fairness(*problem)
    found.allocation.zero_()
    found.prices.zero_()
    for array, tensor, old in zip(arrays, problem, before, strict=True):
        assert torch.equal(tensor, old)
        assert torch.equal(torch.from_numpy(array), old)


def test_an_empty_batch_has_an_empty_solution() -> None:
    found = proportional_fairness(np.ones((0, 3, 2)), np.ones((0, 3, 2)), np.ones((0, 2)))
    assert found.allocation.shape == (0, 3, 2)
    assert found.prices.shape == (0, 2)
    assert found.gap.shape == (0,)
    assert found.status is Status.CONVERGED


# Errors


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -0.1])
@pytest.mark.parametrize("which", range(5), ids=NAMES)
def test_entries_must_be_finite_and_not_negative(which: int, bad: float) -> None:
    problem = list(instances(0, 2, 2, 2, 0.5))
    problem[which][1, 1] = bad
    with pytest.raises(
        ValueError, match=rf"`{NAMES[which]}` must be finite and not negative; got {bad} at index \[1, 1"
    ):
        proportional_fairness(*problem)


def test_weights_of_zero_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`weights` must be positive; got 0\.0"):
        proportional_fairness(*instances(0, 1, 2, 2)[:3], [1.0, 0.0])


@pytest.mark.parametrize(("which", "ndim"), [(0, 3), (1, 3), (2, 2)], ids=NAMES[:3])
def test_the_number_of_dimensions_is_checked(which: int, ndim: int) -> None:
    problem = list(instances(0, 2, 2, 2))
    problem[which] = problem[which][0]
    with pytest.raises(ValueError, match=rf"`{NAMES[which]}` must have {ndim} dimensions; got shape"):
        proportional_fairness(*problem)


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("demands", {"demands": (2, 2, 3)}),
        ("demands", {"demands": (1, 2, 2)}),
        ("budgets", {"budgets": (2, 3)}),
        ("budgets", {"budgets": (1, 2)}),
        ("weights", {"weights": (3,)}),
        ("weights", {"weights": (3, 2)}),
        ("weights", {"weights": (1, 2, 2)}),
        ("surcharge", {"surcharge": (3, 2)}),
        ("surcharge", {"surcharge": (1, 2, 2, 2)}),
    ],
)
def test_shapes_must_agree(name: str, shapes: dict[str, tuple[int, ...]]) -> None:
    sizes = {"values": (2, 2, 2), "demands": (2, 2, 2), "budgets": (2, 2)} | shapes
    with pytest.raises(ValueError, match=f"`{name}` must .*shape"):
        proportional_fairness(**{key: np.ones(shape) for key, shape in sizes.items()})


@pytest.mark.parametrize("shape", [(1, 0, 2), (1, 2, 0)], ids=["no agents", "no resources"])
def test_there_must_be_agents_and_resources(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="`values` must"):
        proportional_fairness(np.ones(shape), np.ones(shape), np.ones((1, shape[2])))


@pytest.mark.parametrize("which", ["values", "demands", "budgets"])
def test_each_agent_must_be_able_to_have_a_utility(which: str) -> None:
    v, x, b, *_ = instances(0, 2, 3, 2)
    if which == "budgets":
        x[1, 2, 0] = 0
        b[1, 1] = 0
    else:
        {"values": v, "demands": x}[which][1, 2] = 0
    with pytest.raises(ValueError, match=r"`values` must give each agent .* got none for agent 2 of instance 1"):
        proportional_fairness(v, x, b)


def test_the_iteration_limit_raises() -> None:
    with pytest.raises(SolverError, match=r"limit of iterations.* gap=\S+ at instance \d"):
        proportional_fairness(*instances(0, 3, 3, 2), max_iter=1)


@pytest.mark.parametrize("max_iter", [0, 1, 3, 5])
def test_an_unfinished_answer_is_feasible_and_its_gap_is_honest(max_iter: int) -> None:
    problem = instances(0, 10, 3, 2, 0.3)
    early, final = proportional_fairness(*problem, max_iter=max_iter, throw=False), proportional_fairness(*problem)
    assert early.status is Status.ITERATION_LIMIT
    assert early.iterations == max_iter
    assert float(early.gap.max()) > 1e-8
    for i in range(10):
        instance = row(problem, i)
        a = early.allocation[i].numpy()
        short = objective(instance, final.allocation[i].numpy()) - objective(instance, a)
        assert short <= instance[3].sum() * early.gap[i].item() + 1e-9
        assert (a.sum(axis=0) <= instance[2] + 1e-9).all()


def test_a_loose_tolerance_accepts_an_early_answer() -> None:
    problem = instances(0, 10, 3, 2)
    found = proportional_fairness(*problem, tol=0.5, max_iter=5)
    assert found.status is Status.CONVERGED
    assert float(found.gap.max()) <= 0.5


def test_a_corrector_that_raises_the_gap_once_is_not_taken_for_rounding() -> None:
    """A demand that all but vanishes: the seventh step leaves a gap of 9.7e-9, the eighth 1.03e-8, the ninth 1e-10."""
    values = [[1.0, 0.1751], [1.0, 0.8835], [0.4355, 1.0]]
    demands = [[5.904e-11, 0.01546], [1.031, 0.8297], [0.3368, 0.6023]]
    surcharge = [[0.00114, 0.0002069], [0.0007619, 0.000749], [0.0004073, 0.000787]]
    arguments = [
        torch.tensor([part], dtype=torch.float64) for part in (values, demands, [1.0, 1.0], [1.0] * 3, surcharge)
    ]
    assert proportional_fairness(*arguments).regret.max() < 1e-11
    for method in (interior_point, interior_point_compiled):
        point, _ = method.solve(Problem(*arguments), torch.tensor([1e-12], dtype=torch.float64), 60)
        assert interior_point.agents_gaps(Problem(*arguments), point).max() < 1e-11


def test_each_agent_is_certified_by_its_own_weight() -> None:
    for heavy in (1.0, 1e3, 1e9):
        found = proportional_fairness([[[1.0], [1.0]]], [[[10.0], [10.0]]], [[1.0]], [[1.0, heavy]])
        right = torch.tensor([1.0, heavy], dtype=torch.float64) / (1 + heavy)
        torch.testing.assert_close(found.allocation[0, :, 0], right, rtol=1e-7, atol=0.0)
        assert float(found.regret.max()) <= 1e-8
