"""Storages against fixed offers: goldens, best schedules by a dynamic programme and by one programme a choice."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

from walras.core import Random, Scripted, Status, rollout
from walras.core.typing import Floats
from walras.envs import StorageMarket
from walras.equilibria import Kind, gap, replay, solve
from walras.equilibria.electricity.storage import best_response
from walras.markets.electricity.storage_programme import Device
from walras.markets.electricity.storage_stack import Stack, best_on_stack, profit

STEPS = Stack(np.array([10.0, 20.0, 40.0, 60.0]), np.full(4, 100.0))
LOAD = np.array([120.0, 150.0, 310.0, 260.0])
OFFERS = tuple(zip(STEPS.price.tolist(), STEPS.quantity.tolist(), strict=True))


def market(efficiency: float, power: tuple[float, ...] = (60.0,), energy: float = 100.0) -> StorageMarket:
    full = (energy,) * len(power)
    return StorageMarket(
        supply="stack", load=tuple(LOAD), offers=OFFERS, power=power, energy=full, efficiency=efficiency, horizon=4
    )


@pytest.mark.parametrize(("efficiency", "most"), [(1.0, 2000.0), (0.81, 1364.0)])
def test_the_best_schedule_earns_the_golden_value(efficiency: float, most: float) -> None:
    game = market(efficiency)
    found = best_response(game, 0, np.zeros(4))
    assert abs(found.upper - most) < 1e-6
    assert most - 1e-4 < found.lower <= most
    assert abs(rollout(game, solve(game, throw=False).policy, range(1)).total[0, 0] - most) < 1e-6
    if efficiency < 1:
        np.testing.assert_allclose(np.sort(found.sold), [-60.0, -50.0, 29.1, 60.0], atol=1e-5)


def prices_of(stack: Stack, served: Floats, sold: float) -> Floats:
    """The price of a sale, and what it tends to from below: written out from the steps."""
    reached, found = 0.0, []
    for left in (served - sold, served - sold + 1e-6):
        reached, price = 0.0, stack.price[-1]
        for step, quantity in zip(stack.price, stack.quantity, strict=True):
            reached += quantity
            if left <= reached + 1e-9:
                price = step
                break
        found.append(price)
    return np.array(found)


def by_dynamic_programme(stack: Stack, served: Floats, device: Device, unit: float) -> float:
    """The supremum over schedules in multiples of a unit, without losses: all data are such multiples."""
    levels = np.arange(0.0, device.energy + unit / 2, unit)
    value = np.where(levels >= device.start, 0.0, -np.inf)
    for left in served[::-1]:
        after = np.full(len(levels), -np.inf)
        for k, held in enumerate(levels):
            for j, kept in enumerate(levels):
                sold = held - kept
                if abs(sold) <= device.power:
                    low, near = prices_of(stack, left, sold)
                    money = near * sold if sold > 0 else low * sold
                    after[k] = max(after[k], money + value[j])
        value = after
    return float(value[round(device.start / unit)])


@pytest.mark.parametrize("seed", range(4))
def test_without_losses_a_dynamic_programme_finds_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    stack = Stack(np.sort(rng.integers(-20, 90, 5)).astype(float), 10.0 * rng.integers(3, 9, 5))
    device = Device(30.0, 10.0 * rng.integers(2, 9), 1.0, 10.0)
    served = 10.0 * rng.integers(4, 11, 7)
    found = best_on_stack(stack, served, device)
    expected = by_dynamic_programme(stack, served, device, 10.0)
    assert abs(found.upper - expected) < 1e-5
    assert abs(found.lower - expected) < 1e-3


def by_choices(stack: Stack, served: Floats, device: Device) -> float:
    """The largest profit over every choice of a step and a direction an hour, by a linear programme each."""
    hours, best = len(served), -np.inf
    edges = np.concatenate([[-1e9], np.cumsum(stack.quantity)[:-1], [1e9]])
    for steps in product(range(len(stack.price)), repeat=hours):
        ends = [(served[t] - edges[k + 1], served[t] - edges[k]) for t, k in enumerate(steps)]
        for sign in product((-1, 1), repeat=hours):
            cut = [(max(lo, min(s, 0) * device.power), min(hi, max(s, 0) * device.power))
                   for (lo, hi), s in zip(ends, sign, strict=True)]  # fmt: skip
            if any(lo > hi for lo, hi in cut):
                continue
            rate = np.array([1 / device.one_way if s > 0 else device.one_way for s in sign])
            drawn = np.tril(np.ones((hours, hours))) * rate
            rows, limits = np.vstack([drawn, -drawn]), np.full(2 * hours, device.start)
            limits[hours - 1] = 0.0
            limits[hours:] = device.energy - device.start
            found: Any = linprog(-stack.price[list(steps)], rows, limits, bounds=cut)
            best = max(best, -found.fun if found.status == 0 else -np.inf)
    return best


@pytest.mark.parametrize("seed", range(3))
def test_one_programme_a_choice_finds_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    stack = Stack(np.sort(rng.uniform(-30, 80, 3)), rng.uniform(20, 60, 3))
    device = Device(float(rng.uniform(10, 40)), float(rng.uniform(20, 60)), 0.9, 5.0)
    served = rng.uniform(45, 90, 3)
    found = best_on_stack(stack, served, device)
    assert abs(found.upper - by_choices(stack, served, device)) < 1e-5
    assert found.upper - found.lower < 1e-4
    for _ in range(500):
        assert profit(stack, served, device.legal(rng.uniform(-device.power, device.power, 3))) <= found.upper + 1e-6


def test_price_takers_serve_the_load_at_least_cost_and_their_prices_hold_them() -> None:
    game = market(0.81, (60.0, 30.0), 60.0)
    takers: Any = solve(game, "competitive")
    assert takers.status is Status.CONVERGED
    total = takers.sold.sum(axis=1)
    assert np.all(takers.price >= STEPS.price_at(LOAD - total) - 1e-9)
    assert np.all(takers.price <= STEPS.next_price(LOAD - total) + 1e-9)
    rng = np.random.default_rng(0)
    for _ in range(300):
        tried = game.realised(rng.uniform(-60, 60, (4, 2))).sum(axis=1)
        assert game.surplus(tried) <= game.surplus(total) + 1e-6


@pytest.mark.parametrize("power", [10.0, 1e-3])
def test_a_storage_that_moves_no_step_is_in_equilibrium_however_small(power: float) -> None:
    rng = np.random.default_rng(0)
    offers = tuple(zip(np.sort(rng.uniform(10, 80, 20)).tolist(), rng.uniform(1e3, 3e3, 20).tolist(), strict=True))
    fixed: Any = {"supply": "stack", "load": tuple(rng.uniform(15e3, 30e3, 24).tolist()), "offers": offers}
    found = solve(StorageMarket(power=(power,), energy=(4 * power,), **fixed))
    np.testing.assert_allclose(found.value / power, 29.589123956, rtol=1e-6)
    competitive = solve(StorageMarket(power=(power,), energy=(4 * power,), **fixed), "competitive")
    assert competitive.residual < 1e-9


def test_no_nash_is_claimed_where_a_price_taker_gains() -> None:
    game = StorageMarket(supply="stack")
    found = solve(game, throw=False)
    distance = gap(game, found.policy)
    assert found.status is Status.NOT_EQUILIBRIUM
    assert distance.lower.max() > 1
    assert distance.kind is Kind.EXACT
    np.testing.assert_allclose(replay(game, found.policy, distance, range(2))[0], distance.lower, atol=1e-3)


@pytest.mark.slow
def test_ends_hold_against_others_who_draw() -> None:
    game = StorageMarket(supply="stack", horizon=3)
    judged = gap(game, Random(game), seeds=range(32))
    assert np.all(judged.lower <= judged.upper)
    assert np.all(judged.upper >= judged.estimate)
    assert gap(game, Scripted(game), seeds=range(2)).kind is Kind.EXACT


def test_prices_step_and_take_the_lower_at_an_edge() -> None:
    served = np.array([1.0, 99.0, 100.0, 100.0 + 1e-9, 100.1, 250.0, 400.0])
    assert STEPS.price_at(served).tolist() == [10.0, 10.0, 10.0, 20.0, 20.0, 40.0, 60.0]
    assert STEPS.next_price(np.array([99.0, 100.0, 400.0])).tolist() == [10.0, 20.0, 60.0]
    assert STEPS.cost(np.array([0.0, 50.0, 150.0, 400.0])).tolist() == [0.0, 500.0, 2000.0, 13_000.0]


@pytest.mark.parametrize(("fields", "words"), [
    ({"supply": "steps"}, r"`supply` must be one of linear, stack; got 'steps'"),
    ({"load": (200.0,)}, r"`load` must be left out, unless `supply` is \"stack\"; got \(200\.0,\)"),
    ({"supply": "stack", "slope": 0.2}, r"`slope` must be left out where `supply` is \"stack\""),
    ({"supply": "stack", "load": (300.0, 100.0)}, r"`load` must exceed 120 MW, .*; got 100\.0 at index \[1\]"),
    ({"supply": "stack", "load": (500.0,)}, r"`load` must be at most 430 MW, .*; got 500\.0 at index \[0\]"),
    ({"supply": "stack", "offers": ((20.0, 1e3), (10.0, 1e3))}, "`offers` must stand from the cheapest on"),
    ({"supply": "stack", "offers": ((20.0, 0.0),)}, r"`offers` must have positive and finite MW; got 0\.0"),
    ({"supply": "stack", "offers": (20.0, 30.0)}, "`offers` must hold pairs of a price, EUR/MWh, and MW"),
])  # fmt: skip
def test_supplies_that_are_not_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        StorageMarket(**fields)
