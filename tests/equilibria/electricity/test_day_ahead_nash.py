"""The day-ahead market's equilibrium of the game of types: closed forms, no deviation, and the policy that plays it."""

import pickle
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from walras.core import Scripted, Status, rollout, take_rows
from walras.core.typing import Floats
from walras.envs import DayAheadMarket
from walras.equilibria import gap, solve
from walras.equilibria.electricity.best_offer import Scenarios, best_offers, expected_profits
from walras.equilibria.electricity.day_ahead import day_ahead_deviation
from walras.equilibria.electricity.day_ahead_nash import (
    DayAheadNash,
    HourlyNash,
    hour_nash,
    price_interval,
    solve_day_ahead_nash,
)
from walras.equilibria.electricity.day_ahead_types import DRAWS, TOLERANCE, Beliefs, HourNash, beliefs
from walras.markets.electricity.clearing import merit_order
from walras.markets.electricity.generation import Conditions, Generator, recorded_conditions, spanish_conditions

NO_PURE = 9797.0
"""MW, a net load of the default game at which two sellers undercut each other without end."""


def one_hour(*fleet: Generator, load: float, cap: float = 100.0) -> DayAheadMarket:
    return DayAheadMarket(
        fleet=fleet, conditions=Conditions(profile=np.array([load])), cap=cap, markup_limit=cap, horizon=1
    )


def price(game: DayAheadMarket) -> float:
    """The price that the policy makes in the first hour."""
    return float(rollout(game, HourlyNash(game), (0,)).state.price[-1, 0])


def test_a_monopolist_asks_the_cap() -> None:
    assert price(one_hour(Generator("one", (10.0, 20.0), (5.0, 5.0)), load=8.0)) == pytest.approx(100.0, abs=1e-5)


def test_two_sellers_who_can_serve_all_undercut_down_to_the_dearer_cost() -> None:
    # Bertrand: the cheaper one sells just below the cost of the other.
    game = one_hour(Generator("cheap", (10.0,), (9.0,)), Generator("dear", (30.0,), (9.0,)), load=8.0)
    assert price(game) == pytest.approx(30.0, abs=1e-5)
    assert price_interval(beliefs(game), 8.0) == pytest.approx((30.0, 30.0), abs=1e-5)


def test_a_pivotal_seller_asks_the_cap_and_the_other_stays_below() -> None:
    # Both are needed, so one serves the rest of the load at the cap (von der Fehr and Harbord, high demand).
    game = one_hour(Generator("one", (0.0,), (3.0,)), Generator("two", (0.0,), (3.0,)), load=4.0)
    found = HourlyNash(game).at(4.0)
    assert price(game) == pytest.approx(100.0, abs=1e-5)
    np.testing.assert_allclose(found.gain, 0.0, atol=1e-4)
    assert found.offer.min() < 100 * 1 / 3  # above a third of the cap, the high one would undercut


def test_without_load_nobody_sells() -> None:
    game = one_hour(Generator("one", (1.0,), (3.0,)), Generator("two", (2.0,), (3.0,)), load=0.0)
    np.testing.assert_array_equal(HourlyNash(game).at(0.0).gain, 0.0)


def fleet(rng: np.random.Generator, sellers: int = 3, types: int = 2) -> tuple[DayAheadMarket, float]:
    generators = tuple(
        Generator(f"g{i}", tuple(np.sort(rng.uniform(10, 60, 2))), tuple(rng.uniform(5, 20, 2))) for i in range(sellers)
    )
    load = float(rng.uniform(0.3, 0.8) * sum(sum(g.capacity) for g in generators))
    conditions = replace(spanish_conditions(24), profile=np.full(24, load), deviation=0.0)
    return DayAheadMarket(fleet=generators, conditions=conditions, cap=120.0, markup_limit=50.0), load


def interim_profit(believed: Beliefs, found: HourNash, agent: int, own: int, offer: Floats) -> float:
    """The profit of `offer` by type `own` of an agent against pure offers of all types, by the market's clearing."""
    game = believed.game
    sellers = np.arange(len(found.offer))
    types = np.array([t for t in product(range(found.offer.shape[1]), repeat=len(sellers)) if t[agent] == own])
    asked, offered = found.offer[sellers, types, 0].copy(), believed.capacity[sellers, types]
    asked[:, agent] = offer
    clearing = merit_order(asked, offered, np.full(len(types), found.load), game.cap, 0.0)
    margin = clearing.price[:, None] - game.cost[agent]
    return float(np.mean(np.sum(margin * clearing.dispatch[:, agent], axis=1)))


def test_no_type_of_a_pure_equilibrium_has_a_better_offer() -> None:
    rng, pure = np.random.default_rng(0), 0
    for _ in range(6):
        game, load = fleet(rng)
        believed = beliefs(game, 2)
        found = hour_nash(believed, load)
        if not found.pure:
            continue
        pure += 1
        reach = np.minimum(game.cost + game.markup_limit, game.cap)
        for agent, own in product(range(3), range(2)):
            plays = interim_profit(believed, found, agent, own, found.offer[agent, own, 0])
            levels = np.append(np.delete(found.offer, agent, axis=0).ravel() - 1e-6, reach[agent])
            for offer in product(levels, levels):
                other = interim_profit(believed, found, agent, own, np.clip(offer, game.cost[agent], reach[agent]))
                assert other <= plays + 2 * TOLERANCE * believed.stake[agent]
    assert pure >= 4


def test_where_no_pure_equilibrium_is_found_a_mixture_leaves_less_to_gain() -> None:
    believed = beliefs(DayAheadMarket())
    found = hour_nash(believed, NO_PURE)
    assert np.isnan(price_interval(believed, NO_PURE, orders=2)).all()
    assert not found.pure
    np.testing.assert_allclose(found.weight.sum(axis=2), 1.0, rtol=1e-12)
    reach = believed.reach[:, :, None]
    assert np.all((found.offer >= believed.cost[:, :, None]) & (found.offer <= reach))
    # Pure best replies leave one seller 10 % of what it has at stake.
    assert np.max(found.gain / believed.stake) < 0.02


def test_prices_lie_above_the_competitive_one() -> None:
    believed = beliefs(DayAheadMarket(), 1)
    for load in (12000.0, 15000.0, 19000.0):
        offer, capacity = believed.game.cost[None], believed.capacity[None, :, 0]
        competitive = merit_order(offer, capacity, np.array([load]), believed.game.cap, 0.0).price[0]
        least, greatest = price_interval(believed, load)
        assert competitive - 1e-5 <= least <= greatest <= believed.game.cap


def test_recorded_hours_are_solved_at_their_own_load() -> None:
    week = spanish_conditions().profile[:168] + np.random.default_rng(0).normal(0, 900, 168)
    game = DayAheadMarket(conditions=recorded_conditions(week), horizon=168)
    policy = HourlyNash(game)
    play = rollout(game, policy, (0,))
    before = take_rows(play.state, slice(0, -1))
    hours = type(before)(*(getattr(before, name)[:, 0] for name in before.__dataclass_fields__))
    gain = day_ahead_deviation(game, hours, play.action[:, 0]).gain
    assert sorted(policy.hours) == sorted(set(game.net_load(hours.hour, hours.deviation).tolist()))
    assert np.all(gain.sum(axis=0) <= 1e-5 * rollout(game, Scripted(game), (0,)).total[0])


def seen(game: DayAheadMarket, load: float, outage: Floats) -> Floats:
    """An observation of `load` and outages ``[B, N]``, ``[B, N, O]``."""
    state = game.reset(np.zeros((len(outage), 1 + len(game.agents))))
    observation = game.observe(replace(state, outage=outage))
    observation[:, :, 2] = load
    return observation


def test_a_seller_acts_on_its_own_outage_and_on_the_load() -> None:
    game = DayAheadMarket()
    policy, rng = HourlyNash(game), np.random.default_rng(0)
    outage = np.repeat(policy.believed.outage[:, None], 5, axis=1)
    load = policy.at(15000.0).load
    action = policy.act(seen(game, load, outage), rng)
    offer = np.minimum(game.cost + action, game.cap)
    np.testing.assert_allclose(offer, policy.at(load).offer[:, :, 0].transpose(1, 0, 2), atol=1e-9)
    other = outage.copy()
    other[:, 1:] = rng.random((4, 4))
    np.testing.assert_array_equal(policy.act(seen(game, load, other), rng)[:, 0], action[:, 0])


def test_the_policy_does_not_depend_on_what_was_asked_before() -> None:
    game = DayAheadMarket()
    one, other = HourlyNash(game), HourlyNash(game)
    for load in (15000.0, 20000.0):
        one.at(load)
    np.testing.assert_array_equal(one.at(20000.0).offer, other.at(20000.0).offer)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(one)).at(15000.0).offer, one.at(15000.0).offer)


def test_no_row_depends_on_another() -> None:
    game = DayAheadMarket()
    policy = HourlyNash(game)
    loads = (15000.0, NO_PURE, 20000.0, 15000.0)
    rows = np.concatenate([seen(game, load, np.full((1, 5), 0.04)) for load in loads])
    weight, action = policy.mixture(rows)
    for row in range(4):
        alone, acts = (array[0] for array in policy.mixture(rows[row : row + 1]))
        width = alone.shape[1]
        np.testing.assert_array_equal(weight[row, :, :width], alone)
        np.testing.assert_array_equal(action[row, :, :width], acts)
        assert not weight[row, :, width:].any()
    assert policy.mixture(rows[:0])[0].shape[:2] == (0, 5)


def test_draws_follow_the_mixture_of_each_seller() -> None:
    game = DayAheadMarket()
    policy = HourlyNash(game)
    observation = seen(game, NO_PURE, np.full((4000, 5), 0.05))
    weight, action = (array[0] for array in policy.mixture(observation))
    drawn = policy.act(observation, np.random.default_rng(0))
    assert policy.independent
    for agent in range(5):
        same = np.all(drawn[:, agent, None] == action[agent], axis=2)
        np.testing.assert_allclose(same.mean(axis=0)[weight[agent] > 0], weight[agent][weight[agent] > 0], atol=0.04)
        assert same.any(axis=1).all()


def gains(game: DayAheadMarket, policy: HourlyNash, seeds: range, samples: int = 64) -> Floats:
    """What best offers gain when the others' outages and draws are redrawn, ``[N]``; overestimated, for its sample."""
    state, rng = rollout(game, policy, seeds).state, np.random.default_rng(0)
    pool = rollout(game, Scripted(game), range(100, 228)).state.outage
    reach = np.minimum(game.cost + game.markup_limit, game.cap)
    gain = np.zeros(len(game.agents))
    for t, row in product(range(game.horizon), range(len(seeds))):
        load = game.net_load(state.hour[t, [row]], state.deviation[t, [row]])[0]
        own = game.available(state.outage[t, [row]])[0]
        played = np.minimum(game.cost + policy.act(seen(game, load, state.outage[t, [row]]), rng)[0], game.cap)
        outage = pool[t].ravel()[rng.integers(0, pool[t].size, (samples, len(gain)))]
        offer = np.minimum(game.cost + policy.act(seen(game, load, outage), rng), game.cap)
        for i in range(len(gain)):
            others = np.arange(len(gain)) != i
            asked, quantity = (a[:, others].reshape(1, samples, -1) for a in (offer, game.available(outage)))
            even = np.full((1, samples), 1 / samples)
            scenarios = Scenarios(asked, quantity, np.full((1, samples), load), even)
            best = best_offers(game.cost[[i]], own[[i]], reach[[i]], scenarios, game.cap).value[0]
            gain[i] += best - expected_profits(game.cost[[i]], own[[i]], played[[i]], scenarios, game.cap)[0]
    return gain / len(seeds)


def test_four_types_leave_a_tenth_of_what_one_type_leaves() -> None:
    game = DayAheadMarket()
    stake = game.horizon * beliefs(game).stake
    one, four = (gains(game, HourlyNash(game, types), range(4)) / stake for types in (1, 4))
    assert np.all(four < 0.0025)
    assert four.mean() < one.mean() / 10


def test_many_profiles_are_drawn() -> None:
    game, load = fleet(np.random.default_rng(1), sellers=7)
    believed = beliefs(game)
    assert believed.profiles.shape == (DRAWS, 6)
    assert np.all(hour_nash(believed, load).gain <= 0.05 * believed.stake)


@pytest.mark.slow
def test_the_solution_is_certified_and_the_equilibrium_at_mean_outages_is_refused() -> None:
    # spec/gap.md, section 7, item 11.
    game = DayAheadMarket()
    found = solve(game)
    judged = gap(game, found.policy)
    print(judged)
    assert found.status is Status.CONVERGED
    assert found.residual <= found.tol == 1e-2
    np.testing.assert_allclose(found.residual, judged.relative.upper.max(), rtol=1e-12)
    assert np.all(judged.estimate <= 0.005 * judged.scale)
    one = gap(game, HourlyNash(game, types=1))
    assert np.all(one.relative.lower > 0.005)


def test_recorded_hours_are_certified_tighter() -> None:
    week = spanish_conditions().profile[:168] + np.random.default_rng(0).normal(0, 900, 168)
    game = DayAheadMarket(conditions=recorded_conditions(week), horizon=168)
    found = solve(game, seeds=range(32))
    assert found.tol == 1e-4
    assert found.residual <= 1e-5
    assert isinstance(found, DayAheadNash)
    np.testing.assert_array_equal(np.unique(found.load), sorted(found.policy.hours))


def test_prices_of_other_equilibria_are_found_on_demand() -> None:
    fleet = Generator("cheap", (10.0,), (9.0,)), Generator("dear", (30.0,), (9.0,))
    found = solve_day_ahead_nash(one_hour(*fleet, load=8.0))
    assert found.load.tolist() == [8.0]
    assert found.price_interval(8.0) == pytest.approx((30.0, 30.0), abs=1e-5)
    np.testing.assert_allclose(found.price_least, 30.0, atol=1e-5)
    assert np.all(found.price_greatest >= found.price_least)


def test_copies_of_a_policy_share_its_hours() -> None:
    policy = HourlyNash(one_hour(Generator("one", (10.0,), (9.0,)), load=8.0))
    assert deepcopy(policy) is policy


def test_what_is_wrong_is_refused() -> None:
    with pytest.raises(ValueError, match="`types` must be a whole number, at least 1; got 0"):
        solve(DayAheadMarket(), types=0)


def test_numba_is_loaded_where_it_is_used() -> None:
    code = "import sys, walras.equilibria.electricity.day_ahead_nash; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
