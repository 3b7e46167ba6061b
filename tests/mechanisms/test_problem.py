import numpy as np
import pytest
import torch
from torch import Tensor

from walras.mechanisms import (
    efficiency,
    egalitarian_welfare,
    envy,
    log_nash_welfare,
    nash_welfare,
    proportional_fairness,
    utilitarian_welfare,
    utility,
)

VALUES = torch.tensor([[[1.0, 2.0], [3.0, 1.0]]], dtype=torch.float64)
DEMANDS = torch.tensor([[[0.5, 1.0], [1.0, 0.25]]], dtype=torch.float64)
BUDGETS = torch.tensor([[2.0, 1.0]], dtype=torch.float64)
ALLOCATION = torch.tensor([[[1.0, 0.5], [0.5, 0.5]]], dtype=torch.float64)


pytestmark = pytest.mark.usefixtures("one_thread")


def test_utility_counts_what_lies_within_the_true_demand() -> None:
    # By hand: 1 * .5 + 2 * .5; 3 * .5 + 1 * .25.
    assert utility(ALLOCATION, VALUES, DEMANDS)[0].tolist() == [1.5, 1.75]


def test_nash_welfare_is_the_geometric_mean() -> None:
    # By hand: sqrt(2 * 8) = 4, cube root of 1 * 8 * 27 = 6.
    assert nash_welfare(torch.tensor([[2.0, 8.0]])).item() == pytest.approx(4)
    assert nash_welfare(torch.tensor([[1.0, 8.0, 27.0]])).item() == pytest.approx(6)


def test_weighted_nash_welfare_counts_an_agent_of_weight_two_twice() -> None:
    # By hand: (2^2 * 16)^(1/3) = 4.
    weights = torch.tensor([[2.0, 1.0]])
    assert nash_welfare(torch.tensor([[2.0, 16.0]]), weights).item() == pytest.approx(4)
    assert nash_welfare(torch.tensor([[2.0, 16.0]]), weights[0]).item() == pytest.approx(4)


def test_the_logarithm_of_nash_welfare_is_a_weighted_sum() -> None:
    assert log_nash_welfare(torch.tensor([[2.0, 8.0]])).item() == pytest.approx(np.log(16))
    assert log_nash_welfare(torch.tensor([[2.0, 16.0]]), torch.tensor([[2.0, 1.0]])).item() == pytest.approx(np.log(64))


def test_one_agent_with_nothing_brings_nash_welfare_to_zero() -> None:
    assert nash_welfare(torch.tensor([[0.0, 8.0]])).item() == 0
    assert log_nash_welfare(torch.tensor([[0.0, 8.0]])).item() == -np.inf


def test_efficiency_is_a_share_of_what_could_be_used() -> None:
    # By hand: usable min(2, 1.5) + min(1, 1.25) = 2.5; allocated 1.5.
    allocation = torch.tensor([[[0.5, 0.5], [0.25, 0.25]]], dtype=torch.float64)
    assert efficiency(allocation, DEMANDS, BUDGETS).tolist() == [0.6]


def test_envy_is_the_gain_from_the_best_other_bundle() -> None:
    # By hand: agent 0 has .5 + 1 = 1.5 and would have .5 + 1 of bundle 1; agent 1 has 1.75 and would have 3 + .25.
    assert envy(ALLOCATION, VALUES, DEMANDS)[0].tolist() == [0.0, 1.5]


def test_envy_is_never_negative_for_want_of_a_worse_bundle() -> None:
    # Its own bundle is among those compared.
    allocation = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]], dtype=torch.float64)
    assert envy(allocation, VALUES, torch.ones(1, 2, 2, dtype=torch.float64))[0].tolist() == [0.0, 4.0]


def test_proportional_fairness_with_equal_weights_and_large_demands_is_free_of_envy() -> None:
    rng = np.random.default_rng(0)
    values = torch.from_numpy(rng.uniform(0.1, 1, (50, 4, 3)))
    budgets = torch.from_numpy(rng.uniform(0.5, 2, (50, 3)))
    demands = 1.1 * budgets[:, None].expand(50, 4, 3)
    allocation = proportional_fairness(values, demands, budgets).allocation
    assert float(envy(allocation, values, demands).max()) < 1e-6


def test_demands_that_bind_may_bring_envy() -> None:
    # Each is enviable only up to the envier's own demand; unequal weights are envied.
    values, ones = torch.ones(1, 2, 1, dtype=torch.float64), torch.ones(1, 2, 1, dtype=torch.float64)
    allocation = proportional_fairness(values, ones, [[1.0]], [1.0, 3.0]).allocation
    assert envy(allocation, values, ones)[0].tolist() == pytest.approx([0.5, 0.0], abs=1e-7)


def test_proportional_fairness_wastes_nothing_that_is_valued() -> None:
    rng = np.random.default_rng(1)
    v, x = (torch.from_numpy(rng.uniform(0.1, 1, (50, 4, 3))) for _ in range(2))
    b = torch.from_numpy(rng.uniform(0.2, 3, (50, 3)))
    shares = efficiency(proportional_fairness(v, x, b).allocation, x, b)
    assert torch.allclose(shares, torch.ones_like(shares), rtol=0, atol=1e-7)


def test_measures_carry_gradients() -> None:
    allocation = ALLOCATION.clone().requires_grad_()

    def measures(a: Tensor) -> tuple[Tensor, ...]:
        u = utility(a, VALUES, 2 * DEMANDS + 1)
        return u, nash_welfare(u), log_nash_welfare(u), efficiency(a, DEMANDS, BUDGETS)

    assert torch.autograd.gradcheck(measures, (allocation,))


def test_utilitarian_and_egalitarian_welfare() -> None:
    utilities = torch.tensor([[1.0, 2.0], [4.0, 3.0]])
    assert utilitarian_welfare(utilities).tolist() == [3, 7]
    assert utilitarian_welfare(utilities, torch.tensor([2.0, 1.0])).tolist() == [4, 11]
    assert egalitarian_welfare(utilities).tolist() == [1, 3]
