"""Sets of parameters that play bounds on average."""

import numpy as np
import pytest

from walras.equilibria.inverse import relaxed as module
from walras.equilibria.inverse.relaxed import Inequalities, largest_deviation, relaxed


def test_the_largest_deviation_over_a_box_is_that_of_a_corner(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    found = Inequalities(rng.normal(size=(3, 50, 2)), rng.normal(size=(3, 50)))
    low, high = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    most = largest_deviation(found, low, high)
    inside = [(found.rows @ theta - found.level).std(axis=1, ddof=1) for theta in rng.uniform(low, high, (50, 2))]
    assert (np.array(inside) <= most).all()
    monkeypatch.setattr(module, "CORNERS", 1)
    assert (largest_deviation(found, low, high) >= most).all()


def test_a_bound_by_hand_and_how_often_it_holds() -> None:
    """The mean of x is at most theta: the set is theta >= mean - t s / sqrt(T)."""
    rng, inside = np.random.default_rng(1), 0
    for _ in range(60):
        x = rng.normal(2.0, 1.0, (1, 40))
        found = relaxed(("theta",), Inequalities(-np.ones((1, 40, 1)), -x), (np.zeros(1), np.full(1, 9.0)), 0.95, 1)
        least = x.mean() - 1.6849 * x.std(ddof=1) / 40**0.5
        assert found.interval == pytest.approx(np.array([[least, 9.0]]), abs=1e-3)
        inside += found.contains(np.array([2.0]))
    assert 52 <= inside <= 60


def test_conditions_that_contradict_each_other_leave_nothing() -> None:
    x = np.random.default_rng(2).normal(0, 0.1, (1, 40))
    rows, level = np.array([[[1.0]] * 40, [[-1.0]] * 40]), np.concatenate([x, x - 5])  # theta <= 0 and theta >= 5
    assert relaxed(("theta",), Inequalities(rows, level), (np.zeros(1), np.full(1, 9.0)), 0.95, 2).empty
