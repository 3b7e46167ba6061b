"""Sets of parameters: emptiness, ranges, centres and vertices, against what is known of simple bodies."""

import numpy as np
import pytest

from walras.equilibria.inverse import ParameterSet
from walras.equilibria.inverse.programmes import Programmes, programme

XY = ("x", "y")
TRIANGLE = ParameterSet(XY, np.zeros(2), np.ones(2), np.array([[3.0, 3.0]]), np.array([3.0]))


def test_a_triangle() -> None:
    assert TRIANGLE.interval == pytest.approx(np.array([[0, 1], [0, 1]]), abs=1e-9)
    assert TRIANGLE.centre == pytest.approx(np.full(2, 1 / (2 + 2**0.5)))  # of the inscribed circle
    assert sorted(map(tuple, TRIANGLE.vertices().round(9).tolist())) == [(0, 0), (0, 1), (1, 0)]
    assert TRIANGLE.unidentified() == XY
    assert TRIANGLE.contains(np.array([0.5, 0.5]))
    assert not TRIANGLE.contains(np.array([0.5, 0.50001]))


def test_equations_leave_a_line_or_a_point() -> None:
    line = ParameterSet(XY, np.zeros(2), np.full(2, 5.0), equal=np.array([[1.0, 1.0]] * 3), level=np.full(3, 2.0))
    assert line.interval == pytest.approx(np.array([[0, 2], [0, 2]]), abs=1e-9)
    assert line.centre == pytest.approx([1, 1])
    assert sorted(line.vertices()[:, 0].round(9)) == [0, 2]
    rows = np.array([[1.0, 1.0], [1.0, -1.0], [2.0, 0.0]])
    point = ParameterSet(XY, np.zeros(2), np.full(2, 5.0), equal=rows, level=np.array([3.0, 1.0, 4.0]))
    assert point.centre == pytest.approx([2, 1])
    assert point.unidentified() == ()


def test_a_contradiction_is_empty_and_says_by_how_much() -> None:
    apart = ParameterSet(("x",), np.zeros(1), np.ones(1), equal=np.ones((2, 1)), level=np.array([0.2, 0.6]))
    assert apart.empty
    assert apart.violation == pytest.approx(0.2)
    assert apart.centre == pytest.approx([0.4])
    assert np.isnan(apart.interval).all()
    outside = ParameterSet(("x",), np.zeros(1), np.ones(1), equal=np.ones((1, 1)), level=np.array([1.5]))
    assert outside.empty
    assert outside.violation > 0.2


def test_inequalities_that_meet_in_a_point_have_it_as_centre() -> None:
    thin = ParameterSet(("x",), np.zeros(1), np.ones(1), np.array([[1.0], [-1.0]]), np.array([0.3, -0.3]))
    assert not thin.empty
    assert thin.centre == pytest.approx([0.3], abs=1e-8)
    assert thin.unidentified() == ()


def test_many_rows_give_the_answer_of_all_of_them() -> None:
    angle = np.linspace(0, 2 * np.pi, 20_001)[:-1]
    disc = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    bound = np.ones(len(angle))
    found = programme(np.array([-1.0, -1.0]), disc, bound, 4)
    assert found == pytest.approx(np.full(2, 0.5**0.5), abs=1e-3)
    assert np.max(disc @ found - bound) < 1e-9


def test_costs_that_follow_each_other_have_the_optima_of_each_alone() -> None:
    rng = np.random.default_rng(0)
    matrix, bound = rng.normal(size=(1500, 4)), rng.uniform(0.5, 1, 1500)
    together = Programmes(matrix, bound, 8)
    for cost in rng.normal(size=(20, 4)):
        found, alone = together.least(cost), programme(cost, matrix, bound, 8)
        assert found is not None
        assert alone is not None
        assert cost @ found == pytest.approx(cost @ alone, abs=1e-8)
        assert (matrix @ found <= bound + 1e-8).all()
    assert Programmes(matrix[:2], bound[:2], 2).least(np.ones(4)) is None


def test_conditions_that_ask_for_zeros_but_for_rounding_are_in_the_size_of_the_box() -> None:
    """Costs of zero, from two periods: what is asked is 1e-14, and one of them below the bound."""
    zero = ParameterSet(
        ("x",), np.zeros(1), np.full(1, 100.0), equal=np.ones((2, 1)), level=np.array([1.4e-14, -1e-14])
    )
    assert not zero.empty
    assert zero.contains(np.zeros(1))
    assert not zero.contains(np.array([1e-6]))


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`low` must nowhere exceed `high`"):
        ParameterSet(("x",), np.ones(1), np.zeros(1))
    with pytest.raises(ValueError, match=r"`bound` must have one entry a row of `matrix`, 1"):
        ParameterSet(("x",), np.zeros(1), np.ones(1), np.ones((1, 1)), np.ones(2))
    with pytest.raises(ValueError, match=r"`theta` must have 2 entries"):
        TRIANGLE.contains(np.zeros(3))
    with pytest.raises(ValueError, match=r"must be bounded in the direction"):
        ParameterSet(("x",), np.zeros(1), np.full(1, np.inf)).support(np.ones(1))
