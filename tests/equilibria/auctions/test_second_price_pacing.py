"""Second-price pacing: both equilibria of a market that has two, the definition, and what is refused."""

from typing import Any, Literal

import numpy as np
import pytest

from walras.core import SolverError, Status
from walras.equilibria import second_price_pacing

SENSES: tuple[Literal["max", "min"], ...] = ("max", "min")
VALUES, BUDGETS = np.array([[5.0, 2.0, 1.0], [3.0, 4.0, 5.0]]), np.array([3.0, 6.0])


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize(
    ("sense", "multiplier", "price"), [("max", [1.0, 1.0], [3.0, 2.0, 1.0]), ("min", [0.6, 1.0], [3.0, 1.2, 0.6])]
)
def test_a_market_with_two_equilibria(
    sense: Literal["max", "min"], multiplier: list[float], price: list[float], scale: float
) -> None:
    found = second_price_pacing(scale * VALUES, scale * BUDGETS, sense)
    np.testing.assert_allclose(found.multiplier, multiplier, rtol=1e-9)
    np.testing.assert_allclose(found.price / scale, price, rtol=1e-9)
    assert found.residual <= 1e-9
    turned = second_price_pacing(scale * VALUES[::-1, ::-1], scale * BUDGETS[::-1], sense)
    np.testing.assert_allclose(turned.multiplier, found.multiplier[::-1], rtol=1e-9)
    np.testing.assert_allclose(turned.allocation, found.allocation[::-1, ::-1], atol=1e-9)


@pytest.mark.parametrize("whole", [False, True])
def test_drawn_markets_meet_the_definition(whole: bool) -> None:
    rng = np.random.default_rng(0)
    for _ in range(12):
        values = rng.integers(0, 4, (3, 3)).astype(float) if whole else rng.uniform(0, 1, (3, 3))
        budgets = rng.uniform(0.1, 1, 3)
        most, least = (second_price_pacing(values, budgets, sense) for sense in SENSES)
        assert least.revenue <= most.revenue + 1e-9
        for found in (most, least):
            bids = found.multiplier[:, None] * values
            np.testing.assert_allclose(found.price, np.sort(bids, axis=0)[-2], atol=1e-9)
            assert (found.allocation * (bids.max(axis=0) - bids)).max() < 1e-9
            np.testing.assert_allclose(found.allocation.sum(axis=0)[found.price > 0], 1.0, rtol=1e-9)
            assert (found.spend <= budgets + 1e-9).all()
            paced = found.multiplier < 1 - 1e-9
            np.testing.assert_allclose(found.spend[paced], budgets[paced], rtol=1e-9)
            assert np.abs(found.regret).max() < 1e-9


def test_one_bidder_pays_nothing_and_is_not_paced() -> None:
    found = second_price_pacing([[1.0, 2.0]], [0.5])
    np.testing.assert_array_equal(found.multiplier, [1.0])
    np.testing.assert_array_equal(found.price, [0.0, 0.0])
    np.testing.assert_array_equal(found.allocation, [[1.0, 1.0]])


def test_a_tie_is_shared_within_budgets() -> None:
    found = second_price_pacing([[1.0], [1.0]], [0.5, 0.5])
    np.testing.assert_allclose(found.multiplier, 1.0)
    np.testing.assert_allclose(found.allocation, 0.5)


def test_a_search_that_stops_says_so() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(SolverError, match="raise `max_iter`"):
        second_price_pacing(rng.uniform(0, 1, (4, 8)), rng.uniform(0.5, 1.5, 4), max_iter=1)
    stopped = second_price_pacing(VALUES, BUDGETS, max_iter=1, throw=False)
    assert stopped.status in (Status.CONVERGED, Status.ITERATION_LIMIT)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((VALUES, [0.0, 1.0]), "`budgets` must be finite and positive; got 0"),
        ((VALUES, [1.0, np.nan]), "`budgets` must be finite and positive; got nan"),
        ((VALUES[None], BUDGETS[None]), r"`values` must be \[N, M\], of one market; got \(1, 2, 3\)"),
        ((VALUES, BUDGETS, "most"), "`sense` must be one of max, min; got 'most'"),
    ],
)
def test_bad_input_is_named(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        second_price_pacing(*arguments)
