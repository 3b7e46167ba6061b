"""Clarabel's default tolerance, 1e-8 in the objective, leaves 1e-4 in allocations and prices."""

import numpy as np
import pytest

from walras.mechanisms import proportional_fairness_cvxpy
from walras.mechanisms.program import program


def test_the_program_of_a_size_is_built_once() -> None:
    assert program(3, 2)[0] is program(3, 2)[0]
    assert program(3, 2)[0] is not program(2, 3)[0]


def test_the_program_is_compiled_once_for_all_parameters() -> None:
    problem, _ = program(3, 2)
    assert problem.is_dcp(dpp=True)
    assert problem.is_dpp()


def test_each_gets_what_it_likes_best_at_prices_of_one() -> None:
    # Closed form: each spends its weight 1 on its best resource, whose budget is 1; 2 log 2.
    found = proportional_fairness_cvxpy([[2.0, 1.0], [1.0, 2.0]], np.full((2, 2), 2.0), [1.0, 1.0])
    assert found.allocation == pytest.approx(np.eye(2), abs=1e-4)
    assert found.prices == pytest.approx(np.ones(2), abs=1e-3)
    assert found.value == pytest.approx(2 * np.log(2), abs=1e-6)


def test_weights_share_one_resource() -> None:
    # Closed form: a = b w / sum w, price sum w / b.
    found = proportional_fairness_cvxpy([[1.0], [5.0]], [[4.0], [4.0]], [2.0], weights=[1.0, 3.0])
    assert found.allocation[:, 0] == pytest.approx([0.5, 1.5], abs=1e-4)
    assert found.prices == pytest.approx([2.0], abs=1e-3)


def test_a_surcharge_leaves_budget_over() -> None:
    # Closed form: max log a - 4 a at a = 1 / 4.
    found = proportional_fairness_cvxpy([[1.0]], [[1.0]], [1.0], surcharge=[[4.0]])
    assert found.allocation[0, 0] == pytest.approx(0.25, abs=1e-4)
    assert found.prices == pytest.approx([0.0], abs=1e-3)
    assert found.value == pytest.approx(np.log(0.25) - 1, abs=1e-6)


def test_parameters_of_the_last_instance_are_forgotten() -> None:
    v, x, b = [[1.0], [1.0]], [[4.0], [4.0]], [2.0]
    plain = proportional_fairness_cvxpy(v, x, b).allocation
    proportional_fairness_cvxpy(v, x, b, weights=[1.0, 9.0], surcharge=[[3.0], [1.0]])
    assert proportional_fairness_cvxpy(v, x, b).allocation == pytest.approx(plain, abs=1e-7)


def test_a_solution_is_not_overwritten_by_the_next() -> None:
    first = proportional_fairness_cvxpy([[1.0], [1.0]], [[4.0], [4.0]], [2.0])
    kept = first.allocation.copy()
    proportional_fairness_cvxpy([[1.0], [1.0]], [[4.0], [0.1]], [2.0])
    assert np.array_equal(first.allocation, kept)


def test_inputs_are_not_changed() -> None:
    arrays = [np.array([[0.5, 0.2], [0.3, 0.9]]), np.ones((2, 2)), np.ones(2)]
    before = [array.copy() for array in arrays]
    proportional_fairness_cvxpy(*arrays)
    for array, old in zip(arrays, before, strict=True):
        assert np.array_equal(array, old)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0], [[1.0]], [1.0]), "`values` must have 2 dimensions"),
        (([[1.0]], [1.0], [1.0]), "`demands` must have 2 dimensions"),
        (([[1.0]], [[1.0]], [[1.0]]), "`budgets` must have 1 dimensions"),
        (([[np.nan]], [[1.0]], [1.0]), r"`values` must hold no NaN; got nan at index \[0, 0\]"),
        (([[1.0]], [[1.0, 1.0]], [1.0]), r"`demands` must have the values' shape \(1, 1\)"),
        (([[1.0]], [[1.0]], [1.0, 1.0]), r"`budgets` must have shape \(1,\)"),
        (([[1.0]], [[1.0]], [1.0], [np.nan]), "`weights` must hold no NaN"),
        (([[1.0]], [[1.0]], [1.0], None, [1.0]), "`surcharge` must have 2 dimensions"),
        # From here on cvxpy itself objects.
        (([[1.0]], [[1.0]], [1.0], [1.0, 1.0]), "dimensions"),
        (([[1.0]], [[1.0]], [1.0], None, [[1.0, 1.0]]), "dimensions"),
        (([[-1.0]], [[1.0]], [1.0]), "nonnegative"),
        (([[1.0]], [[1.0]], [-1.0]), "nonnegative"),
    ],
)
def test_wrong_arguments_are_refused(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        proportional_fairness_cvxpy(*arguments)


def test_agents_who_are_the_same_get_the_same_utility() -> None:
    found = proportional_fairness_cvxpy(np.full((2, 2), 0.5), np.ones((2, 2)), np.ones(2))
    assert found.allocation.sum(axis=1) == pytest.approx([1, 1], abs=1e-4)


def test_an_agent_without_utility_is_no_optimum() -> None:
    with pytest.raises(RuntimeError, match="The solver must find an optimum; got status"):
        proportional_fairness_cvxpy([[1.0], [0.0]], [[1.0], [1.0]], [1.0])
