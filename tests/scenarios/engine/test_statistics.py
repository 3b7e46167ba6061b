import itertools
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from walras.core import Random, Scripted, rollout
from walras.envs import CournotMarket, SupplyFunctionMarket
from walras.scenarios.engine.statistics import (
    Estimate,
    aggregate,
    estimate,
    evaluate,
    interquartile_mean,
    paired_difference,
    performance_profile,
    probability_of_improvement,
    summarised,
)


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


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12))
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


def test_one_seed_has_no_interval() -> None:
    found = estimate([3.5])
    assert found.mean == 3.5
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert summarised([3.5]) == {"mean": 3.5, "low": None, "high": None, "seeds": [3.5]}
    many = [1.0, 2.0, 4.0]
    for each in (
        aggregate([many, [3.5]]),
        probability_of_improvement([many], [[3.5]]),
        paired_difference([many, [1.0]], [many, [2.0]]),
    ):
        assert math.isfinite(each.mean)
        assert math.isnan(each.low)
        assert math.isnan(each.high)
    profile = performance_profile([[3.5]], [3.0, 4.0])
    assert profile.share.tolist() == [0.0, 1.0]
    assert np.isnan(profile.low).all()


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


# Over games: every resample of small samples is enumerated, which is the law that the bootstrap draws from.

SMALL = [[0.0, 1.0, 5.0], [10.0, 30.0]]


def plain_mean(values: Sequence[float]) -> float:
    """Return the interquartile mean by sorting."""
    cut = len(values) // 4
    return float(np.mean(sorted(values)[cut : len(values) - cut]))


def law(strata: Sequence[Sequence[float]], statistic: Callable[[list[float]], float]) -> np.ndarray[Any, Any]:
    """Return a statistic of all equally likely resamples of seeds within each game."""
    each = [itertools.product(values, repeat=len(values)) for values in strata]
    return np.array([statistic([v for part in parts for v in part]) for parts in itertools.product(*each)])


def test_the_aggregate_is_of_all_runs_and_its_interval_of_all_resamples_within_games() -> None:
    found = aggregate(SMALL, resamples=60_000)
    values = law(SMALL, plain_mean)
    assert len(values) == 3**3 * 2**2
    assert found.mean == plain_mean([v for part in SMALL for v in part]) == pytest.approx(16 / 3)
    assert found.low == pytest.approx(np.quantile(values, 0.025), abs=0.4)
    assert found.high == pytest.approx(np.quantile(values, 0.975), abs=0.4)


def test_games_are_not_resampled() -> None:
    # Without spread within games there is none at all, however far games are apart.
    assert aggregate([[1.0, 1.0], [9.0, 9.0], [1000.0, 1000.0]]) == Estimate(254.75, 254.75, 254.75)
    pooled = estimate([1.0, 1.0, 9.0, 9.0, 1000.0, 1000.0])
    assert pooled.low < pooled.mean < pooled.high


def test_the_stratified_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    # Two games of equal weight whose runs are symmetric about 0 and about 2: all middle halves are symmetric about 1.
    found = [aggregate(rng.normal([[0.0], [2.0]], 1.0, (2, 20)), resamples=300) for _ in range(200)]
    covered = np.mean([each.low <= 1.0 <= each.high for each in found])
    assert 0.85 <= covered <= 0.99


@given(st.lists(st.lists(st.integers(0, 6).map(float), min_size=2, max_size=5), min_size=1, max_size=3))
def test_the_profile_is_the_share_of_runs_at_most_the_threshold(strata: list[list[float]]) -> None:
    levels = [-1.0, 0.0, 2.5, 3.0, 6.0]
    found = performance_profile(strata, levels, resamples=50)
    runs = [value for values in strata for value in values]
    assert found.share == pytest.approx([sum(run <= level for run in runs) / len(runs) for level in levels])
    assert (np.diff(found.share) >= 0).all()
    assert (found.low <= found.high).all()
    assert found.share[0] == found.low[0] == found.high[0] == 0.0
    assert found.share[-1] == found.low[-1] == found.high[-1] == 1.0


def test_the_interval_of_the_profile_is_that_of_all_resamples() -> None:
    found = performance_profile(SMALL, [1.0], resamples=60_000)
    values = law(SMALL, lambda runs: sum(run <= 1.0 for run in runs) / len(runs))
    assert found.share.tolist() == [0.4]
    assert found.low[0] == np.quantile(values, 0.025)
    assert found.high[0] == np.quantile(values, 0.975)


@given(
    st.lists(st.integers(-3, 3), min_size=2, max_size=7), st.lists(st.integers(-3, 3), min_size=2, max_size=7)
)  # ties are frequent
def test_the_probability_of_improvement_is_the_mann_whitney_statistic(first: list[int], second: list[int]) -> None:
    found = probability_of_improvement([first], [second], resamples=50).mean
    assert found == pytest.approx(mannwhitneyu(second, first).statistic / (len(first) * len(second)))
    assert found + probability_of_improvement([second], [first], resamples=50).mean == pytest.approx(1.0)


def test_the_probability_of_improvement_is_the_mean_over_games_and_its_interval_of_all_resamples() -> None:
    first, second = [[0.0, 3.0], [5.0, 5.0]], [[1.0, 2.0, 4.0], [5.0, 7.0]]
    found = probability_of_improvement(first, second, resamples=60_000)
    assert found.mean == pytest.approx(((3 + 1) / 6 + (1 + 1 + 0.5 + 0.5) / 4) / 2)
    drawn = random.Random(0)
    spread = [
        np.mean(
            [below(drawn.choices(a, k=len(a)), drawn.choices(b, k=len(b))) for a, b in zip(first, second, strict=True)]
        )
        for _ in range(20_000)
    ]
    assert found.low == pytest.approx(np.quantile(spread, 0.025), abs=0.03)
    assert found.high == pytest.approx(np.quantile(spread, 0.975), abs=0.03)


def below(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the probability of improvement in one game, pair by pair."""
    wins = [1.0 if a < b else 0.5 if a == b else 0.0 for a in first for b in second]
    return sum(wins) / len(wins)


def test_common_noise_cancels_in_paired_differences() -> None:
    noise = np.random.default_rng(5).normal(0.0, 100.0, 12)
    own = np.random.default_rng(6).normal(0.0, 0.1, 12)
    found = paired_difference([noise + own], [noise + 1.0])
    assert -1.2 < found.low < found.mean < found.high < -0.8
    assert found.mean == pytest.approx(plain_mean(own - 1.0))


def test_differences_are_of_the_same_games_and_seeds() -> None:
    with pytest.raises(ValueError, match=r"`second` must have the seeds of `first`, \[2\]; got"):
        paired_difference([[1.0, 2.0]], [[1.0]])
    with pytest.raises(ValueError, match="`second` must have 2 games, as `first`; got 1"):
        probability_of_improvement([[1.0], [2.0]], [[1.0]])


@pytest.mark.parametrize("function", [aggregate, lambda strata: performance_profile(strata, [0.0])])
def test_results_of_no_game_or_without_seeds_or_not_finite_are_refused(function: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match="`strata` must hold the values of at least one game"):
        function([])
    with pytest.raises(ValueError, match="`strata` must hold one number a seed"):
        function([[1.0], []])
    with pytest.raises(ValueError, match="`strata` must be finite"):
        function([[1.0, math.nan]])
