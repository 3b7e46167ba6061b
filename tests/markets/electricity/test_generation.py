import pickle
from typing import Any

import numpy as np
import pytest

from walras.markets.electricity.generation import (
    HOURS_PER_YEAR,
    Conditions,
    Generator,
    recorded_conditions,
    spanish_conditions,
    spanish_fleet,
)

NAN, INF = np.nan, np.inf


class TestGenerator:
    def test_blocks_in_the_order_of_their_cost_are_accepted(self) -> None:
        generator = Generator("coal", cost=(10.0, 10.0, 20.0), capacity=(5.0, 0.0, 5.0))
        assert generator.cost == (10.0, 10.0, 20.0)

    @pytest.mark.parametrize(
        ("cost", "capacity", "message"),
        [
            ((10.0, 20.0), (5.0,), r"`capacity` must have one entry for each of 2 costs; got \(5\.0,\)"),
            ((20.0, 10.0), (5.0, 5.0), r"`cost` must not decrease from block to block; got \(20\.0, 10\.0\)"),
            ((10.0,), (-5.0,), r"`capacity` must be finite and not negative; got -5\.0 at index \[0\]"),
            ((10.0,), (INF,), r"`capacity` must be finite and not negative; got inf"),
            ((NAN,), (5.0,), r"`cost` must hold no NaN"),
            ((10.0,), (NAN,), r"`capacity` must hold no NaN"),
            (10.0, (5.0,), r"`cost` must have 1 dimensions"),
            ((10.0,), ((5.0,),), r"`capacity` must have 1 dimensions"),
            ((INF,), (5.0,), r"`cost` must .*; got .*inf"),
            ((), (), r"`cost` must"),
        ],
    )
    def test_bad_blocks_are_refused_by_name(self, cost: Any, capacity: Any, message: str) -> None:  # noqa: ANN401
        with pytest.raises(ValueError, match=message):
            Generator("x", cost, capacity)


class TestConditions:
    def test_defaults_follow_the_profile_without_luck(self) -> None:
        conditions = Conditions(np.array([1.0, 2.0]))
        assert conditions.hours == 2
        assert (conditions.deviation, conditions.outage, conditions.outage_deviation) == (0, 0, 0)

    def test_the_callers_profile_is_copied_and_the_copy_locked(self) -> None:
        profile = np.array([1.0, 2.0])
        conditions = Conditions(profile)
        profile[0] = 9
        assert conditions.profile.tolist() == [1, 2]
        with pytest.raises(ValueError, match="read-only"):
            conditions.profile[0] = 9

    def test_a_pickled_profile_stays_locked_and_equal(self) -> None:
        copy = pickle.loads(pickle.dumps(spanish_conditions(48)))
        assert copy.profile.tolist() == spanish_conditions(48).profile.tolist()
        assert copy.persistence == spanish_conditions(48).persistence

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"profile": []}, r"`profile` must hold at least one hour; got \(0,\)"),
            ({"profile": [[1.0]]}, r"`profile` must have 1 dimensions; got \(1, 1\)"),
            ({"profile": [1.0, NAN]}, r"`profile` must hold no NaN; got nan at index \[1\]"),
            ({"profile": [1.0, INF]}, r"`profile` must be finite; got inf at index \[1\]"),
            ({"deviation": -1.0}, r"`deviation` must not be negative; got -1\.0"),
            ({"deviation": NAN}, r"`deviation` must .*; got nan"),
            ({"deviation": INF}, r"`deviation` must .*; got inf"),
            ({"outage_deviation": -0.1}, r"`outage_deviation` must not be negative; got -0\.1"),
            ({"outage_deviation": INF}, r"`outage_deviation` must .*; got inf"),
            ({"persistence": 1.0}, r"`persistence` must lie in \[0, 1\); got 1\.0"),
            ({"persistence": -0.1}, r"`persistence` must lie in \[0, 1\); got -0\.1"),
            ({"outage_persistence": 1.5}, r"`outage_persistence` must lie in \[0, 1\); got 1\.5"),
            ({"outage": 1.0}, r"`outage` must lie in \[0, 1\); got 1\.0"),
            ({"outage": NAN}, r"`outage` must lie in \[0, 1\); got nan"),
        ],
    )
    def test_bad_parameters_are_refused_by_name(self, parameters: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            Conditions(**{"profile": [1.0], **parameters})

    def test_a_record_is_followed_exactly(self) -> None:
        conditions = recorded_conditions([3, 1, 2])
        assert conditions.profile.tolist() == [3, 1, 2]
        assert (conditions.deviation, conditions.outage, conditions.outage_deviation) == (0, 0, 0)

    @pytest.mark.parametrize("record", [[], [1.0, NAN], [1.0, INF]])
    def test_a_bad_record_is_refused(self, record: list[float]) -> None:
        with pytest.raises(ValueError, match="`profile` must"):
            recorded_conditions(record)


class TestSpain:
    def test_a_year_has_its_hours(self) -> None:
        assert spanish_conditions().hours == HOURS_PER_YEAR == 365 * 24

    def test_shorter_conditions_are_the_beginning_of_longer_ones(self) -> None:
        assert spanish_conditions(30).profile.tolist() == spanish_conditions(400).profile[:30].tolist()

    @pytest.mark.parametrize("hours", [0, -1])
    def test_no_hours_are_refused(self, hours: int) -> None:
        with pytest.raises(ValueError, match=f"`hours` must be at least 1; got {hours}"):
            spanish_conditions(hours)

    def test_the_weekend_is_the_sixth_and_seventh_day(self) -> None:
        # The harmonics move by less than 60 MW a day; at 8 h a weekend is 6,000 MW below a working day.
        morning = spanish_conditions(28 * 24).profile.reshape(28, 24)[:, 8]
        for day in range(28):
            assert (morning[day] < morning[0] - 5000) == (day % 7 in (5, 6))

    def test_a_year_of_days_has_no_seasonal_jump(self) -> None:
        profile = spanish_conditions(2 * HOURS_PER_YEAR).profile
        same = [(d, d + 364) for d in range(100) if d % 7 < 5]
        assert max(abs(profile[24 * a : 24 * a + 24] - profile[24 * b : 24 * b + 24]).max() for a, b in same) < 150

    def test_net_load_is_of_the_size_of_spain(self) -> None:
        # The daily profiles' mean is 14 GW; the fleet must be able to serve the highest hour.
        profile = spanish_conditions().profile
        assert 13_000 < profile.mean() < 15_000
        assert profile.min() > 0
        assert profile.max() < sum(sum(g.capacity) for g in spanish_fleet())

    def test_the_fleet_is_five_distinct_sellers_of_four_blocks(self) -> None:
        fleet = spanish_fleet()
        assert len({generator.name for generator in fleet}) == len(fleet) == 5
        assert {len(generator.cost) for generator in fleet} == {4}

    def test_no_two_blocks_of_the_fleet_tie(self) -> None:
        costs = [cost for generator in spanish_fleet() for cost in generator.cost]
        assert len(set(costs)) == len(costs) == 20

    def test_no_seller_is_needed_at_every_hour(self) -> None:
        # Otherwise the best deviation is the cap at all hours and the game is no competition.
        capacity, peak = [sum(g.capacity) for g in spanish_fleet()], spanish_conditions().profile.max()
        assert sum(capacity) - max(capacity) > peak * 1.1
