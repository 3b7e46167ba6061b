"""First-price pacing: the equilibria of the literature, by the definition, by another program, at all scales."""

import cvxpy as cp
import numpy as np
import pytest
from numpy.typing import ArrayLike

from walras.core import SolverError, Status
from walras.equilibria import PacingEquilibrium, first_price_pacing
from walras.equilibria.auctions.pacing import price_taking_regret, violation

Rows = list[list[float]]


def drawn(rows: int, bidders: int, goods: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, budgets and supplies: some bidders are paced, some are not, some values are zero."""
    rng = np.random.default_rng([seed, rows, bidders, goods])
    values = rng.uniform(0, 1, (rows, bidders, goods)) * (rng.random((rows, bidders, goods)) < 0.8)
    return values, 10 ** rng.uniform(-1.5, 0.8, (rows, bidders)) * goods / bidders, rng.uniform(0.5, 2, (rows, goods))


@pytest.mark.parametrize(
    ("values", "budgets", "multiplier", "price", "kept"),
    [
        ([[2.0, 1.0], [1.0, 2.0]], [0.5, 4.0], [0.5, 1.0], [1.0, 2.0], [0.0, 1.5]),
        ([[4.0, 2.0], [2.0, 3.0]], [1.0, 1.0], [1 / 4, 1 / 3], [1.0, 1.0], [0.0, 0.0]),
        ([[3.0]], [1.0], [1 / 3], [1.0], [0.0]),  # one bidder buys all with all it has,
        ([[3.0]], [5.0], [1.0], [3.0], [2.0]),  # or pays its value
        ([[1.0], [1.0]], [0.25, 0.25], [0.5, 0.5], [0.5], [0.0, 0.0]),  # a tie: multipliers are unique, shares are not
        ([[1.0, 0.0], [0.0, 0.0]], [0.5, 1.0], [0.5, 1.0], [0.5, 0.0], [0.0, 1.0]),  # who values nothing keeps all
    ],
)  # fmt: skip
@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_markets_whose_equilibrium_is_known(
    values: Rows, budgets: list[float], multiplier: list[float], price: list[float], kept: list[float], scale: float
) -> None:
    found = first_price_pacing(scale * np.array(values), scale * np.array(budgets))
    np.testing.assert_allclose(found.multiplier, multiplier, atol=1e-6)
    np.testing.assert_allclose(found.price / scale, price, atol=1e-6)
    np.testing.assert_allclose(budgets - found.spend / scale, kept, atol=1e-6)
    by_units = first_price_pacing(np.array(values) / scale, budgets, np.full(len(price), scale))
    np.testing.assert_allclose(by_units.multiplier, multiplier, atol=1e-6)
    rich = first_price_pacing(values, [1e9 for _ in budgets])
    np.testing.assert_allclose(rich.multiplier, 1.0, atol=1e-9)
    np.testing.assert_allclose(rich.price, np.max(values, axis=0), atol=1e-9)


def test_two_hundred_markets_meet_the_definition_and_leave_no_bundle_to_be_wanted() -> None:
    values, budgets, supplies = drawn(200, 4, 6)
    found = first_price_pacing(values, budgets, supplies)
    assert found.status is Status.CONVERGED
    assert found.residual <= 1e-4
    assert 0.2 < (found.multiplier < 1 - 1e-9).mean() < 0.9
    # The definition, said again.
    bids = found.multiplier[..., None] * values
    np.testing.assert_array_equal(found.price, bids.max(axis=1))
    assert (found.allocation * (bids < 0.99 * found.price[:, None])).max() < 1e-6
    np.testing.assert_allclose(found.allocation.sum(axis=1)[found.price > 0], supplies[found.price > 0], rtol=1e-8)
    assert (found.spend / budgets).max() < 1 + 1e-6
    paced = found.multiplier < 0.999
    np.testing.assert_allclose(found.spend[paced], budgets[paced], rtol=1e-6)
    assert np.abs(found.regret).max() < 1e-6


def test_another_program_has_the_same_prices() -> None:
    values, budgets, supplies = (part[0] for part in drawn(1, 5, 4, seed=3))
    x, kept = cp.Variable(values.shape, nonneg=True), cp.Variable(len(budgets), nonneg=True)
    utilities = cp.sum(cp.multiply(values, x), axis=1) + kept
    sold = cp.sum(x, axis=0) <= supplies
    cp.Problem(cp.Maximize(budgets @ cp.log(utilities) - cp.sum(kept)), [sold]).solve(solver=cp.CLARABEL)
    np.testing.assert_allclose(
        first_price_pacing(values, budgets, supplies).price, sold.dual_value, rtol=1e-4, atol=1e-6
    )


def test_no_multipliers_within_budgets_are_larger_anywhere() -> None:
    values, budgets, supplies = (part[0] for part in drawn(1, 3, 4, seed=1))
    found = first_price_pacing(values, budgets, supplies)
    rng, held = np.random.default_rng(0), 0
    for _ in range(20_000):
        multiplier = rng.uniform(0, 1, 3) ** rng.choice([0.1, 1.0, 3.0])
        bids = multiplier[:, None] * values
        winner = bids.argmax(axis=0)  # draws do not tie
        spend = np.bincount(winner, bids.max(axis=0) * supplies, minlength=3)
        if (spend <= budgets).all():
            held += 1
            assert (multiplier <= found.multiplier + 1e-6).all()
            assert spend.sum() <= found.revenue + 1e-6
    assert held > 500


def test_the_order_of_bidders_and_goods_does_not_count_and_a_row_stands_alone() -> None:
    values, budgets, supplies = drawn(6, 4, 5)
    found = first_price_pacing(values, budgets, supplies)
    bidders, goods = [2, 0, 3, 1], [4, 1, 0, 3, 2]
    turned = first_price_pacing(values[:, bidders][:, :, goods], budgets[:, bidders], supplies[:, goods])
    np.testing.assert_allclose(turned.multiplier, found.multiplier[:, bidders], rtol=1e-6)
    np.testing.assert_allclose(turned.price, found.price[:, goods], rtol=1e-6)
    alone = first_price_pacing(values[2], budgets[2], supplies[2])
    np.testing.assert_array_equal(alone.multiplier, found.multiplier[2])
    np.testing.assert_array_equal(alone.allocation, found.allocation[2])
    nested = first_price_pacing(values.reshape(2, 3, 4, 5), budgets.reshape(2, 3, 4), supplies.reshape(2, 3, 5))
    np.testing.assert_array_equal(nested.price.reshape(6, 5), found.price)
    assert nested.revenue.shape == (2, 3)


def test_many_goods_are_sold_as_few_are() -> None:
    # Prices are eliminated by bidders from 96 goods on: the same market, each good cut into 50 parts.
    values, budgets, supplies = drawn(1, 4, 6)
    whole = first_price_pacing(values, budgets, supplies)
    cut = first_price_pacing(values.repeat(50, axis=2), budgets, supplies.repeat(50, axis=1) / 50)
    np.testing.assert_allclose(cut.multiplier, whole.multiplier, rtol=1e-6)
    np.testing.assert_allclose(cut.price, whole.price.repeat(50, axis=1), rtol=1e-6)


def test_a_hundred_bidders_and_a_thousand_goods() -> None:
    rng = np.random.default_rng(0)
    found = first_price_pacing(rng.uniform(0, 1, (100, 1000)), rng.uniform(0.5, 5, 100))
    assert found.residual < 1e-8
    assert (found.multiplier < 1).any()


@pytest.mark.parametrize("spoilt", ["multiplier", "price", "allocation", "sold"])
def test_what_is_no_equilibrium_is_told(spoilt: str) -> None:
    values, budgets = np.array([[[2.0, 1.0], [1.0, 2.0]]]), np.array([[0.5, 4.0]])
    found = first_price_pacing(values, budgets)
    parts = {"multiplier": found.multiplier, "price": found.price, "allocation": found.allocation}
    if spoilt == "sold":
        parts["allocation"] = parts["allocation"] * 0.9
    else:
        parts[spoilt] = parts[spoilt] * {"multiplier": 0.9, "price": 1.1, "allocation": [[[0.0], [1.0]]]}[spoilt]
    supplies = np.ones((1, 2))
    highest = (parts["multiplier"][..., None] * values).max(axis=1)
    wrong = violation(values, budgets, supplies, parts["multiplier"], highest, parts["price"], parts["allocation"])
    regret = price_taking_regret(values, budgets, parts["price"], parts["allocation"])
    assert max(float(wrong.max()), float(regret.max())) > 0.05


def test_numbers_that_are_too_far_apart_are_not_called_an_equilibrium() -> None:
    rng = np.random.default_rng(0)
    values, budgets = rng.uniform(0, 1, (8, 20)) * 10 ** rng.uniform(-9, 9, (8, 1)), 10 ** rng.uniform(-9, 9, 8)
    found: PacingEquilibrium = first_price_pacing(values, budgets, tol=0.0, throw=False)
    assert found.status is Status.ROUNDED
    with pytest.raises(SolverError, match="too far apart"):
        first_price_pacing(values, budgets, tol=0.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1.0]], [0.0]), r"`budgets` must be finite and positive; got 0\.0 at index \[0\]"),
        (([[1.0]], [-1.0]), "`budgets` must be finite and positive; got -1"),
        (([[1.0]], [np.nan]), "`budgets` must be finite and positive; got nan"),
        (([[np.nan]], [1.0]), r"`values` must be finite and not negative; got nan at index \[0, 0\]"),
        (([[-1.0]], [1.0]), "`values` must be finite and not negative; got -1"),
        (([[1.0]], [1.0, 2.0]), r"`budgets` must have the shape \(1,\); got \(2,\)"),
        (([[1.0]], [1.0], [1.0, 2.0]), r"`supplies` must have the shape \(1,\); got \(2,\)"),
        (([[1.0]], [1.0], [np.inf]), "`supplies` must be finite and not negative; got inf"),
        (([1.0], [1.0]), r"`values` must be \[\.\.\., N, M\], of some bidders and goods; got \(1,\)"),
        ((np.ones((0, 2)), []), "of some bidders and goods"),
    ],
)
def test_bad_input_is_named(arguments: tuple[ArrayLike, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        first_price_pacing(*arguments)
