"""Counterfactuals where the truth is known: exact without noise, and covered with it."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from walras.core.typing import Floats
from walras.envs.electricity.supply_function_market import SupplyFunctionMarket
from walras.equilibria.electricity.counterfactual import (
    LEAST_WEEKS,
    WEEK,
    ObservedHours,
    ObservedSellers,
    equilibrium_slopes,
    merger_by_capacity,
    merger_effect,
    net_load_effect,
    supply_curve,
)
from walras.equilibria.electricity.supply_function import solve_supply_function

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
HOURS = 10 * WEEK
QUICK = ["wind, fleet of 100 blocks", "merger, quantities seen"]


@pytest.fixture(scope="module")
def net_load() -> Floats:
    rng = np.random.default_rng(0)
    return 15_000 + 4_000 * np.sin(2 * np.pi * np.arange(HOURS) / 24) + np.repeat(rng.normal(0, 2_500, HOURS // 24), 24)


def test_a_curve_of_straight_pieces_is_found_at_any_level_of_an_hour_of_a_week(net_load: Floats) -> None:
    knots = np.quantile(net_load, np.linspace(0, 1, 5))
    rise = np.array([4.0, 0.0, 7.0, 3.0])
    level = np.random.default_rng(1).normal(50, 20, (10, 24))[np.arange(HOURS) // WEEK, np.arange(HOURS) % 24]
    through = np.clip((net_load[:, None] - knots[:-1]) / np.diff(knots), 0, 1)
    hours = ObservedHours(level + through @ rise, net_load)
    curve = supply_curve(hours, 4)
    np.testing.assert_allclose(curve.rise, rise, atol=1e-6)
    more = np.where(net_load + 800 <= knots[-1], 800.0, 0.0)
    true = (np.clip((net_load[:, None] + more[:, None] - knots[:-1]) / np.diff(knots), 0, 1) - through) @ rise
    effect = net_load_effect(hours, curve, more)
    assert effect.mean == pytest.approx(true.mean(), abs=1e-6)
    assert (effect.low, effect.high) == pytest.approx((effect.mean, effect.mean), abs=1e-5)
    assert effect.outside == 0


def test_beyond_what_was_seen_the_curve_is_straight_and_the_effect_says_how_often(net_load: Floats) -> None:
    hours = ObservedHours(0.002 * net_load, net_load)
    effect = net_load_effect(hours, supply_curve(hours, 6), np.full(HOURS, 1e5))
    assert effect.mean == pytest.approx(200)
    assert effect.outside == 1


def test_a_falling_price_leaves_a_flat_curve(net_load: Floats) -> None:
    curve = supply_curve(ObservedHours(100 - 0.002 * net_load, net_load), 6)
    np.testing.assert_array_equal(curve.rise, 0)


@pytest.mark.parametrize("slope", [0.7, 20.0])
def test_slopes_are_those_of_the_market_that_is_solved(slope: float) -> None:
    game = SupplyFunctionMarket(demand_slope=slope)
    np.testing.assert_allclose(
        equilibrium_slopes(np.asarray(game.cost_slope), slope), solve_supply_function(game).action[:, 1], rtol=1e-9
    )


def test_equal_sellers_against_inelastic_demand_have_the_slope_of_the_closed_form() -> None:
    # beta = S / (1 + d S) with S = (N - 1) beta: beta = (N - 2) / ((N - 1) d).
    np.testing.assert_allclose(equilibrium_slopes(np.full(5, 0.5), 0.0), 3 / (4 * 0.5))
    with pytest.raises(ValueError, match="with three sellers or more"):
        equilibrium_slopes(np.full(2, 0.5), 0.0)


def test_a_merger_that_was_seen_without_noise_is_that_of_the_market_solved_anew(net_load: Floats) -> None:
    demand, slope = net_load / 100, 0.7
    before = solve_supply_function(SupplyFunctionMarket()).action  # costs 10, 12, 9
    price = (demand + before.prod(axis=1).sum()) / (slope + before[:, 1].sum())
    quantity = before[:, 1] * (price[:, None] - before[:, 0])
    effect = merger_effect(ObservedSellers(price, quantity, demand, slope), (0, 2))
    both = 1 / (1 / 0.5 + 1 / 1.2)
    merged = SupplyFunctionMarket(cost=(12.0, both * (10 / 0.5 + 9 / 1.2)), cost_slope=(0.8, both))
    after = solve_supply_function(merged).action
    changed = (demand + after.prod(axis=1).sum()) / (slope + after[:, 1].sum())
    assert effect.mean == pytest.approx((changed - price).mean(), rel=1e-9)
    assert effect.high - effect.low < 1e-6


def test_of_equal_sellers_a_merger_by_capacity_is_the_closed_form(net_load: Floats) -> None:
    hours = ObservedHours(20 + 0.001 * net_load, net_load)
    effect = merger_by_capacity(hours, [1.0] * 5, (0, 1))
    after = equilibrium_slopes(np.array([1.0, 1.0, 1.0, 0.5]), 0.0).sum()
    assert effect.mean == pytest.approx(0.001 * net_load.mean() * (5 * 3 / 4 / after - 1))
    assert effect.mean > 0


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("counterfactuals", BENCHMARKS / "counterfactuals.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def covered(benchmark: ModuleType, name: str, draws: int) -> float:
    found = [benchmark.CHANGES[name](np.random.default_rng([seed, len(name)])) for seed in range(draws)]
    return float(np.mean([effect.low <= truth <= effect.high for truth, effect in found]))


@pytest.mark.parametrize("name", QUICK)
def test_intervals_cover_the_truth_of_simulated_markets(benchmark: ModuleType, name: str) -> None:
    assert covered(benchmark, name, 12) >= 10 / 12


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["wind, fleet of 100 blocks", "unit lost, 100 blocks", "merger, quantities seen", "merger, capacities given"],
)
def test_intervals_cover_the_truth_in_most_of_two_hundred_markets(benchmark: ModuleType, name: str) -> None:
    assert covered(benchmark, name, 200) >= 0.9


@pytest.mark.parametrize(
    ("price", "load", "message"),
    [
        (np.ones(100), np.ones(100), f"`price` must hold at least 8 weeks of hours, {LEAST_WEEKS * WEEK}; got 100"),
        (np.ones(HOURS), np.ones(HOURS - 1), r"`net_load` must have shape \(1680,\); got \(1679,\)"),
        (np.full(HOURS, np.nan), np.ones(HOURS), "`price` must be finite"),
    ],
)
def test_hours_that_do_not_fit_are_refused(price: Floats, load: Floats, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ObservedHours(price, load)


def test_changes_that_cannot_be_are_refused(net_load: Floats) -> None:
    hours = ObservedHours(0.002 * net_load, net_load)
    curve = supply_curve(hours, 2)
    with pytest.raises(ValueError, match=r"`more` must have shape \(1680,\)"):
        net_load_effect(hours, curve, np.ones(3))
    with pytest.raises(ValueError, match=r"`confidence` must lie in \(0, 1\); got 95"):
        net_load_effect(hours, curve, np.ones(HOURS), 95)
    with pytest.raises(ValueError, match="`net_load` must differ enough between hours for 3 pieces"):
        supply_curve(ObservedHours(net_load, np.ones(HOURS)), 3)
    alike = 15_000 + 4_000 * np.sin(2 * np.pi * np.arange(HOURS) / 24)
    with pytest.raises(ValueError, match="`net_load` must differ between the days of a week at the same hour"):
        supply_curve(ObservedHours(0.002 * alike, alike), 2)
    for price in (np.full(HOURS, 50.0), 90 - 0.002 * net_load):
        falls = ObservedHours(price, net_load)
        with pytest.raises(ValueError, match="`curve` must rise somewhere: where the bound alone holds it flat"):
            net_load_effect(falls, supply_curve(falls, 6), np.ones(HOURS))
        with pytest.raises(ValueError, match="`curve` must rise somewhere"):
            merger_by_capacity(falls, [1.0] * 4, (0, 1))
    with pytest.raises(ValueError, match="`merged` must be two different sellers of 4, from 0 on"):
        merger_by_capacity(hours, [1.0] * 4, (1, 4))
    with pytest.raises(ValueError, match="`merged` must leave 3 sellers or more"):
        merger_by_capacity(hours, [1.0] * 3, (0, 1))
    with pytest.raises(ValueError, match="`capacity` must be positive and finite"):
        merger_by_capacity(hours, [1.0, 0.0, 1.0, 1.0], (0, 1))
    with pytest.raises(ValueError, match="`quantity` must rise with the price as demand rises"):
        merger_effect(ObservedSellers(0.002 * net_load, -np.stack([net_load] * 4, axis=1), net_load), (0, 1))
    share = np.array([0.7, 0.1, 0.1, 0.1])  # the first gives more than the others leave: no rising cost explains that
    with pytest.raises(ValueError, match="`quantity` must rise less with the price than what all others leave falls"):
        merger_effect(ObservedSellers(0.002 * net_load, net_load[:, None] * share, net_load), (0, 1))
    for same in (alike, np.full(HOURS, 2e4)):
        with pytest.raises(ValueError, match="`demand` must differ between the days of a week at the same hour"):
            merger_effect(ObservedSellers(0.002 * same, same[:, None] * share, same), (0, 1))
