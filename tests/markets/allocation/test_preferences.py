import numpy as np
import pytest

from walras.markets.allocation.preferences import drawn_values


def uniform(rows: int, agents: int, resources: int) -> np.ndarray:
    return np.random.default_rng(0).random((rows, agents + 1, resources))


def test_even_values_without_correlation_are_the_numbers_themselves() -> None:
    given = uniform(5, 3, 2)
    assert np.array_equal(drawn_values(given, (1.0, 1.0), 0.0), given[:, :-1])


@pytest.mark.parametrize("correlation", [0.0, 0.6, 1.0])
def test_values_have_the_moments_of_their_distribution(correlation: float) -> None:
    values = drawn_values(uniform(40_000, 2, 2), (2.0, 5.0), correlation)
    # Beta(2, 5): mean 2 / 7, variance 10 / (49 * 8).
    assert values.mean() == pytest.approx(2 / 7, abs=0.004)
    assert values.var() == pytest.approx(10 / 392, abs=0.001)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_ranks_of_agents_correlate_as_a_gaussian_copula_has_it(correlation: float) -> None:
    values = drawn_values(uniform(40_000, 2, 1), (1.0, 1.0), correlation)[..., 0]
    # Spearman's rho of the copula; even values are their own ranks.
    expected = 6 / np.pi * np.arcsin(correlation / 2)
    assert np.corrcoef(values[:, 0], values[:, 1]).min() == pytest.approx(expected, abs=0.015)


def test_full_correlation_is_unanimity_and_the_ends_stay_finite() -> None:
    given = uniform(10, 3, 2)
    given[0, :, 0], given[1, :, 0] = 0.0, 1 - 2.0**-53
    values = drawn_values(given, (1.0, 1.0), 1.0)
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values, np.broadcast_to(values[:, :1], values.shape))
