import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.core import Random, Scripted, rollout
from walras.envs import CournotMarket, SupplyFunctionMarket
from walras.scenarios.engine.statistics import Estimate, estimate, evaluate, interquartile_mean


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        ([1, 2, 3, 4, 5, 6, 7, 8], 4.5),  # the mean of 3, 4, 5, 6
        ([0, 1, 3, 1000], 2.0),  # the mean of 1, 3
        ([-50, 2, 3, 7, 1e9], 4.0),  # of five, one is cut at each end
        ([2, 4, 9], 5.0),  # of three, none
        ([7], 7.0),
    ],
)
def test_the_interquartile_mean_is_that_of_the_middle_half(values: list[float], mean: float) -> None:
    rng = np.random.default_rng(0)
    assert interquartile_mean(values) == pytest.approx(mean)
    assert interquartile_mean(rng.permutation(values)) == pytest.approx(mean)
    assert estimate(values).mean == pytest.approx(mean)


def test_the_interquartile_mean_works_along_an_axis() -> None:
    table = np.array([[1.0, 10.0], [2.0, 30.0], [4.0, 20.0], [99.0, -5.0]])
    np.testing.assert_allclose(interquartile_mean(table), [3.0, 15.0])
    np.testing.assert_allclose(interquartile_mean(table, axis=1), [5.5, 16.0, 12.0, 47.0])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12))
def test_the_interval_lies_around_the_mean_and_inside_the_values(values: list[float]) -> None:
    found = estimate(values, resamples=200)
    slack = 1e-9 * (1 + max(map(abs, values)))
    assert min(values) - slack <= found.low <= found.high <= max(values) + slack
    assert found == estimate(values, resamples=200)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    found = [estimate(rng.normal(3.0, 2.0, 30), resamples=300) for _ in range(200)]
    covered = np.mean([each.low <= 3.0 <= each.high for each in found])
    assert 0.85 <= covered <= 0.99  # 0.95, less what a percentile bootstrap of 30 loses
    assert all(each.low < each.mean < each.high for each in found)


def test_more_confidence_is_a_wider_interval() -> None:
    values = np.random.default_rng(2).normal(size=20)
    narrow, wide = estimate(values, confidence=0.5), estimate(values, confidence=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_an_outlier_does_not_move_the_mean() -> None:
    assert estimate([1, 2, 3, 4, 5, 6, 7, 1e9]).mean == estimate([1, 2, 3, 4, 5, 6, 7, 8]).mean


@pytest.mark.parametrize("value", [0.0, 3.5, -2.0])
def test_equal_values_are_their_own_interval(value: float) -> None:
    assert estimate([value] * 5) == Estimate(value, value, value)
    assert estimate([value]) == Estimate(value, value, value)


@pytest.mark.parametrize("values", [[], [[1.0, 2.0]], 3.0])
def test_what_is_not_one_number_a_seed_is_refused(values: object) -> None:
    with pytest.raises(ValueError, match="`values` must hold one number a seed; got"):
        estimate(values)


@pytest.mark.parametrize("value", [float("inf"), -float("inf"), float("nan")])
def test_a_number_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"`values` must be finite; got .* at index \[1\]"):
        estimate([1.0, value, 3.0])


def test_the_global_generator_has_no_say() -> None:
    values = np.random.default_rng(3).normal(size=9)
    np.random.seed(1)  # noqa: NPY002 - what the estimate must not read
    one = estimate(values)
    np.random.seed(2)  # noqa: NPY002
    assert estimate(values) == one


def test_evaluate_plays_one_episode_a_seed() -> None:
    game, seeds = CournotMarket(horizon=7), (4, 5, 6, 7)
    found = evaluate(game, Random(game), seeds)
    reward = rollout(game, Random(game), seeds).reward.mean(axis=0)  # [B, N]
    assert list(found) == ["firm_0", "firm_1", "firm_2"]
    for i, each in enumerate(found.values()):
        assert each.mean == pytest.approx(np.sort(reward[:, i])[1:3].mean())
        assert each.low <= each.mean <= each.high


def test_evaluate_of_a_constant_outcome_has_no_spread() -> None:
    game = CournotMarket(cost_slope=1.0)
    for each in evaluate(game, Scripted(game), range(6)).values():
        assert each.mean == pytest.approx(22.5**2 / 2)  # q = 90 / 4, profit d q^2 / 2
        assert each.low == each.mean == each.high


def test_evaluate_without_seeds_is_refused() -> None:
    game = SupplyFunctionMarket()
    with pytest.raises(ValueError, match="`seeds` must hold at least one seed"):
        evaluate(game, Scripted(game), ())
