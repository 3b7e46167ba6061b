import numpy as np
import pytest

from walras.equilibria.intervals import interval, rare


def test_an_interval_is_students() -> None:
    # t(0.975, 31) = 2.0395, the mean of 0 .. 31 is 15.5, their deviation 9.3808
    found = interval(np.arange(32.0), 0.95)
    assert found.mean == pytest.approx(15.5)
    assert found.high - found.mean == pytest.approx(2.0395134 * 9.3808315 / np.sqrt(32), rel=1e-6)
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


def test_values_that_do_not_differ_have_no_width_and_need_no_episodes() -> None:
    found = interval(np.full((2, 3), 7.0), 0.95)
    np.testing.assert_array_equal(found.low, 7.0)
    np.testing.assert_array_equal(found.high, 7.0)


def test_few_episodes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`seeds` must hold at least 32; got 31"):
        interval(np.arange(31.0), 0.95)


def test_intervals_cover_the_mean_as_often_as_they_say() -> None:
    draws = np.random.default_rng(0).normal(size=(64, 4000)) + 1
    found = interval(draws, 0.9)
    covered = ((found.low <= 1) & (found.high >= 1)).mean()
    assert 0.885 < covered < 0.915


@pytest.mark.parametrize(("carriers", "expected"), [(0, False), (1, True), (9, True), (12, False), (64, False)])
def test_sums_that_few_episodes_carry_are_rare(carriers: int, expected: bool) -> None:
    gains = np.zeros((64, 1))
    gains[:carriers] = 1.0
    assert rare(gains).tolist() == [expected]
