"""Storages: equilibria by closed forms and the specification's goldens, best schedules by enumeration, and gaps."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from walras.core import Constant, Random, Scripted, Status, rollout
from walras.core.game import Actions
from walras.core.policy import Profile
from walras.core.typing import Floats
from walras.envs import StorageMarket
from walras.equilibria import Kind, gap, replay, solve, stakes
from walras.equilibria.electricity.storage import best_response, blind
from walras.markets.electricity.storage_programme import Device, best_schedule, dual_bound

FOUR = StorageMarket(
    intercept=(20.0, 30.0, 70.0, 50.0), power=(60.0, 60.0), energy=(80.0, 80.0), efficiency=0.81, horizon=4
)
NEGATIVE = np.array([-50.0, -40.0, 30.0])


def ample(count: int, efficiency: float) -> StorageMarket:
    """Two hours, and storages without limits that bind."""
    return StorageMarket((20.0, 60.0), power=(1e3,) * count, energy=(1e4,) * count, efficiency=efficiency, horizon=2)


@pytest.mark.parametrize(("count", "efficiency", "bought"), [
    (1, 1.0, 100.0), (3, 1.0, 50.0), (1, 0.81, 86.347443), (3, 0.81, 43.173721),
])  # fmt: skip
def test_ample_storages_trade_by_the_closed_form(count: int, efficiency: float, bought: float) -> None:
    # (e a_2 - a_1) / (b (1 + e^2) (N + 1)); with e = 1 it is 40 / (2 b (N + 1))
    formula = (efficiency * 60 - 20) / (0.1 * (1 + efficiency**2) * (count + 1))
    assert abs(formula - bought) < 1e-6
    found: Any = solve(ample(count, efficiency))
    np.testing.assert_allclose(found.sold[0], -formula, rtol=1e-7)


def test_two_storages_over_four_hours() -> None:
    found: Any = solve(FOUR)
    np.testing.assert_allclose(found.sold[:, 0], [-60.0, -26.709740, 60.0, 10.234889], atol=1e-6)
    np.testing.assert_allclose(found.price, [32.0, 35.341948, 58.0, 47.953022], atol=1e-6)
    np.testing.assert_allclose(found.value, 1106.819637, atol=1e-5)
    assert found.status is Status.CONVERGED
    takers: Any = solve(FOUR, "competitive")
    np.testing.assert_allclose(takers.sold.sum(axis=1), [-120.0, -57.777778, 120.0, 24.0], atol=1e-5)
    assert takers.status is Status.CONVERGED


def on_a_grid(margin: Floats, slope: float, device: Device, steps: int) -> float:
    """The best profit over schedules in equal steps, by the storage's own limits."""
    grid = np.linspace(-device.power, device.power, steps)
    best = -np.inf
    for wanted in product(grid, repeat=len(margin)):
        sold = device.legal(np.array(wanted))
        best = max(best, float(np.sum((margin - slope * sold) * sold)))
    return best


@pytest.mark.parametrize("seed", range(6))
def test_the_best_schedule_is_that_of_an_enumeration(seed: int) -> None:
    rng = np.random.default_rng(seed)
    margin, slope = rng.uniform(-60, 60, 3), float(rng.choice([0.0, 0.1, 1.0]))
    energy = float(rng.uniform(5, 60))
    device = Device(30.0, energy, 0.9, float(rng.uniform(0, energy)))
    found = best_schedule(margin, np.full(3, slope), device)
    tried = on_a_grid(margin, slope, device, 25)
    assert found.lower <= found.upper + 1e-9
    assert found.upper - found.lower < 1e-6 * (1 + abs(found.upper))
    assert tried <= found.upper + 1e-6
    assert tried >= found.upper - 0.12 * (abs(found.upper) + 60)  # the grid is coarse


def test_charging_and_discharging_at_once_does_not_pay_in_the_game() -> None:
    # The programme without the rule earns 3,538.7; the game allows 2,975.1.
    device = Device(60.0, 40.0, 0.9, 0.0)
    found = best_schedule(NEGATIVE, np.full(3, 0.1), device)
    assert abs(found.lower - 2975.1) < 0.05
    assert found.upper - found.lower < 1e-6
    assert on_a_grid(NEGATIVE, 0.1, device, 41) <= found.upper
    game = StorageMarket(tuple(NEGATIVE), power=(60.0, 60.0), energy=(40.0, 40.0), efficiency=0.81, horizon=3)
    judged = solve(game, throw=False)
    assert judged.status is Status.NOT_EQUILIBRIUM
    assert judged.residual_lower > 1e-3


def test_any_multipliers_bound_every_schedule() -> None:
    rng = np.random.default_rng(0)
    device, slope = Device(30.0, 50.0, 0.9, 10.0), np.full(4, 0.2)
    for _ in range(50):
        margin, value = rng.uniform(-40, 80, 4), rng.uniform(-50, 90, 4)
        sold = device.legal(rng.uniform(-30, 30, 4))
        assert dual_bound(margin, margin, slope, device, value) >= np.sum((margin - slope * sold) * sold) - 1e-9


def test_no_schedule_gains_against_the_equilibrium_and_takers_leave_a_gain() -> None:
    found: Any = solve(FOUR)
    distance = gap(FOUR, found.policy)
    assert distance.kind is Kind.EXACT
    assert distance.certifies == "Nash"
    assert distance.upper.max() < 1e-6 * stakes(FOUR).min()
    rng, plain = np.random.default_rng(1), found.sold
    for _ in range(200):
        changed = plain.copy()
        changed[:, 0] += rng.normal(0, 10, 4)
        sold = FOUR.realised(changed)
        assert (FOUR.a - FOUR.b * sold.sum(axis=1)) @ sold[:, 0] <= found.value[0] + 1e-5
    takers = gap(FOUR, Scripted(FOUR))
    assert takers.kind is Kind.EXACT
    assert takers.lower.min() > 1
    np.testing.assert_allclose(replay(FOUR, Scripted(FOUR), takers, range(2))[0], takers.lower, rtol=1e-6)


def test_a_best_response_is_never_below_what_was_played() -> None:
    played = rollout(FOUR, Random(FOUR), range(20))
    sold = played.state.sold[1:]
    for row in range(20):
        for agent in range(2):
            found = best_response(FOUR, agent, sold[:, row, 1 - agent])
            assert found.lower >= played.total[row, agent] - 1e-9


class Reacting:
    """Sells where the last price was high."""

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        return np.where(observation[:, :, 1:2] > 35.0, 60.0, -60.0)


def test_ends_say_what_they_are_worth() -> None:
    assert gap(FOUR, Constant(np.array([[5.0], [-5.0]]))).kind is Kind.EXACT
    drawn = gap(FOUR, Random(FOUR), seeds=range(32))
    assert drawn.kind is Kind.STATISTICAL
    assert np.all(drawn.lower <= drawn.upper)
    assert np.all(drawn.lower > 0)
    reacting = gap(FOUR, Reacting(), seeds=range(32))
    assert reacting.kind is Kind.LOWER
    assert reacting.certifies == ""
    assert np.all(replay(FOUR, Reacting(), reacting, range(4)).mean(axis=0) >= reacting.lower - 1e-9)
    assert np.all(reacting.upper >= reacting.lower)
    both = Profile({"storage_0": Scripted(FOUR), "storage_1": Reacting()})
    assert not blind(both)
    assert blind(Profile({"storage_0": Scripted(FOUR), "storage_1": Random(FOUR)}))
