from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from walras.core import Constant, Episodes, Random, Vector, rollout
from walras.core.typing import Floats
from walras.envs import DayAheadMarket
from walras.envs.electricity.day_ahead_market import IBERIAN_CAP, DayAheadState
from walras.equilibria import gap, solve
from walras.markets.electricity.generation import Conditions, Generator, recorded_conditions

NAN, INF = np.nan, np.inf
# Two sellers, of two blocks and of one; every number below is worked by hand.
ANN = Generator("ann", cost=(10.0, 20.0), capacity=(50.0, 50.0))
BOB = Generator("bob", cost=(15.0,), capacity=(60.0,))


def small(*profile: float, **parameters: Any) -> DayAheadMarket:  # noqa: ANN401
    """Ann and Bob in an episode over the whole of `profile`."""
    horizon = parameters.pop("horizon", len(profile))
    return DayAheadMarket((ANN, BOB), recorded_conditions(profile), horizon=horizon, **parameters)


def first_step(game: DayAheadMarket, markups: list[list[float]]) -> tuple[DayAheadState, list[float]]:
    """The state and the rewards after one step from the first hour."""
    nothing = np.zeros((1, 1 + len(game.agents)))
    step = game.step(game.reset(nothing), np.array([markups]), nothing)
    return step.state, step.reward[0].tolist()


def merit_order(offer: Floats, offered: Floats, load: float, cap: float) -> tuple[float, Floats]:
    """Serve `load` block by block, in plain Python: the price and each block's dispatch, without ties."""
    dispatch, price, left = np.zeros(offer.shape), cap, load
    for block in sorted(np.ndindex(*offer.shape), key=lambda index: offer[index]):
        take = min(offered[block], left)
        if take > 0:
            dispatch[block], price, left = take, offer[block], left - take
        if left <= 0:
            return float(price), dispatch
    return cap, dispatch


class TestStep:
    def test_truthful_offers_clear_in_the_order_of_cost(self) -> None:
        # 50 at 10 and 50 of 60 at 15 serve 100 MW: the price is 15.
        state, reward = first_step(small(100, 100), [[0, 0], [0, 0]])
        assert state.price.tolist() == [15]
        assert state.dispatch[0].tolist() == [[50, 0], [50, 0]]
        assert reward == [250, 0]

    def test_markups_move_offers_but_not_costs(self) -> None:
        # Bob at 15 + 30 = 45 comes last: 50 at 10, 50 at 20, and 10 of Bob's at 45.
        state, reward = first_step(small(110, 110), [[0, 0], [30, 0]])
        assert state.offer[0].tolist() == [[10, 20], [45, 15]]
        assert state.price.tolist() == [45]
        assert state.dispatch[0].tolist() == [[50, 50], [10, 0]]
        assert reward == [50 * 35 + 50 * 25, 10 * 30]

    def test_offers_tied_at_the_margin_share_pro_rata(self) -> None:
        # Ann's second block and Bob's only one both at 20: 55 MW for 50 + 60.
        state, _ = first_step(small(105, 105), [[0, 0], [5, 5]])
        assert state.dispatch[0].ravel() == pytest.approx([50, 25, 30, 0])
        assert state.price.tolist() == [20]

    def test_demand_on_a_step_edge_takes_the_last_accepted_offer(self) -> None:
        assert first_step(small(110, 110), [[0, 0], [0, 0]])[0].price.tolist() == [15]

    def test_scarcity_pays_every_seller_the_cap(self) -> None:
        state, reward = first_step(small(200, 200), [[0, 0], [0, 0]])
        assert state.price.tolist() == [IBERIAN_CAP]
        assert state.dispatch[0].tolist() == [[50, 50], [60, 0]]
        assert reward == pytest.approx([50 * 170.3 + 50 * 160.3, 60 * 165.3])

    def test_offers_are_cut_at_the_cap(self) -> None:
        state, _ = first_step(small(155, 155, cap=50.0), [[60, 60], [60, 60]])
        assert state.offer[0].tolist() == [[50, 50], [50, 50]]
        assert state.price.tolist() == [50]
        assert state.dispatch[0].ravel() == pytest.approx(155 / 160 * np.array([50, 50, 60, 0]))

    def test_an_hour_without_net_load_trades_nothing_at_zero(self) -> None:
        for load in (0, -500):
            state, reward = first_step(small(load, load), [[0, 0], [0, 0]])
            assert state.price.tolist() == [0]
            assert state.cleared.tolist() == [0]
            assert reward == [0, 0]

    def test_a_seller_with_fewer_blocks_has_blocks_of_no_capacity_at_the_end(self) -> None:
        game = small(100, 100)
        assert game.cost.tolist() == [[10, 20], [15, 15]]
        assert game.capacity.tolist() == [[50, 50], [60, 0]]
        assert game.action_space.shape == (2,)

    @pytest.mark.parametrize("markup", [0, 3, 60])
    def test_the_padding_changes_nothing(self, markup: float) -> None:
        plain, reward = first_step(small(130, 130), [[1, 2], [3, 0]])
        other, same = first_step(small(130, 130), [[1, 2], [3, markup]])
        assert other.price.tolist() == plain.price.tolist()
        assert other.dispatch.tolist() == plain.dispatch.tolist()
        assert same == reward

    def test_each_seller_sees_the_hour_to_come_the_last_price_and_its_own_blocks(self) -> None:
        game = small(*range(100, 107))
        state, _ = first_step(game, [[0, 0], [0, 0]])
        seen = game.observe(state)[0]
        clock = [np.sin(2 * np.pi / 24), np.cos(2 * np.pi / 24)]
        assert seen[0] == pytest.approx([*clock, 101, 15, 10, 20, 50, 50])
        assert seen[1] == pytest.approx([*clock, 101, 15, 15, 15, 60, 0])

    def test_the_text_names_every_seller_and_the_price(self) -> None:
        game = small(100, 100)
        text = game.text(first_step(game, [[0, 0], [0, 0]])[0])
        assert "net load 100 MW, price 15.00 EUR/MWh" in text
        assert "ann" in text
        assert "bob" in text


class TestConditions:
    def test_net_load_follows_a_record_exactly(self) -> None:
        profile = [100.0, 3.5, 80.25, 0.0, 161.0]
        game = small(*profile)
        trajectory = rollout(game, Random(game), [1, 2, 3])
        assert trajectory.observation[:, :, :, 2].tolist() == [[[load] * 2] * 3 for load in profile]
        assert trajectory.state.cleared[1:].tolist() == [[load] * 3 for load in profile]

    def test_an_episode_starts_where_its_hours_still_follow(self) -> None:
        game = small(*range(10), horizon=4)
        starts = [game.reset(np.full((1, 3), u)).hour[0] for u in (0, 1 / 7 - 1e-9, 1 / 7 + 1e-9, 1 - 2**-53)]
        assert starts == [0, 0, 1, 6]

    def test_every_start_is_drawn(self) -> None:
        game = small(*range(10), horizon=4)
        vector = Vector(game, 300)
        vector.reset(seed=0)
        assert set(vector.state.hour.tolist()) == set(range(7))

    def test_deviations_and_outages_follow_their_recursions(self) -> None:
        # Uniform innovations of variance 1: sqrt(12) (u - 1/2).
        conditions = Conditions(np.full(9, 100.0), 7.0, 0.5, outage=0.2, outage_deviation=0.01, outage_persistence=0.9)
        game = DayAheadMarket((ANN, BOB), conditions, horizon=5)
        state = game.reset(np.array([[0.3, 0.1, 0.9]]))
        assert state.deviation.tolist() == [0]
        assert state.outage.tolist() == [[0.2, 0.2]]
        assert state.offered[0].ravel() == pytest.approx([40, 40, 48, 0])
        x, out = 0.0, np.array([0.2, 0.2])
        rng = np.random.default_rng(0)
        for _ in range(4):
            u = rng.random((1, 3))
            state = game.step(state, np.zeros((1, 2, 2)), u).state
            assert state.cleared[0] == pytest.approx(100 + x)
            assert state.offered[0] == pytest.approx(game.capacity * (1 - out)[:, None])
            x = 0.5 * x + 7 * 12**0.5 * (u[0, 0] - 0.5)
            out = 0.2 + 0.9 * (out - 0.2) + 0.01 * 12**0.5 * (u[0, 1:] - 0.5)
            assert state.deviation[0] == pytest.approx(x)
            assert state.outage[0] == pytest.approx(out)

    def test_outages_and_net_load_are_cut_where_they_must(self) -> None:
        conditions = Conditions(np.full(9, 100.0), 900.0, 0.5, outage=0.5, outage_deviation=3.0)
        game = DayAheadMarket((ANN, BOB), conditions, horizon=5)
        rows = np.array([[0.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
        state = game.step(game.reset(rows), np.zeros((2, 2, 2)), rows).state
        assert state.outage.tolist() == [[0, 1], [1, 0]]
        after = game.step(state, np.zeros((2, 2, 2)), rows).state
        assert after.cleared.tolist() == [0, game.load_limit]
        assert after.offered.tolist() == [[[50, 50], [0, 0]], [[0, 0], [60, 0]]]
        assert after.price.tolist() == [0, IBERIAN_CAP]

    def test_the_agents_cannot_move_net_load_or_outages(self) -> None:
        game = DayAheadMarket()
        low, high = (rollout(game, Constant(np.full((5, 4), markup)), [1, 2]) for markup in (0.0, game.markup_limit))
        for name in ("hour", "deviation", "outage", "cleared", "offered"):
            assert getattr(low.state, name).tolist() == getattr(high.state, name).tolist(), name


class TestClearing:
    @pytest.fixture
    def game(self) -> DayAheadMarket:
        return DayAheadMarket()

    @pytest.fixture
    def hours(self, game: DayAheadMarket, played: Callable[..., Episodes[Any]]) -> DayAheadState:
        """150 hours of the year after random play."""
        return played(game, rows=150, steps=3, seed=8).state

    @pytest.mark.parametrize("truthful", [True, False])
    def test_price_and_dispatch_equal_an_independent_merit_order(
        self, game: DayAheadMarket, hours: DayAheadState, truthful: bool
    ) -> None:
        action = np.random.default_rng(1).random((150, 5, 4)) * game.markup_limit * (not truthful)
        after = game.step(hours, action, np.full((150, 6), 0.5)).state
        for row in range(150):
            offered = game.capacity * (1 - hours.outage[row])[:, None]
            load = game.conditions.profile[hours.hour[row]] + hours.deviation[row]
            price, dispatch = merit_order(np.minimum(game.cost + action[row], 180.3), offered, load, 180.3)
            assert after.price[row] == price
            assert after.dispatch[row] == pytest.approx(dispatch, abs=1e-8)

    def test_energy_balances_in_every_hour(self, game: DayAheadMarket, hours: DayAheadState) -> None:
        action = np.random.default_rng(2).random((150, 5, 4)) * game.markup_limit
        after = game.step(hours, action, np.full((150, 6), 0.5)).state
        assert after.dispatch.sum(axis=(1, 2)) == pytest.approx(after.cleared)
        assert (after.dispatch <= after.offered).all()

    def test_the_reward_is_revenue_less_cost(self, game: DayAheadMarket, hours: DayAheadState) -> None:
        action = np.random.default_rng(3).random((150, 5, 4)) * game.markup_limit
        step = game.step(hours, action, np.full((150, 6), 0.5))
        revenue = step.state.price[:, None] * step.state.dispatch.sum(axis=2)
        cost = (game.cost * step.state.dispatch).sum(axis=2)
        assert step.reward == pytest.approx(revenue - cost)
        assert (step.reward >= -1e-6).all()  # no markup is negative, so no accepted block sells below its cost

    def test_truthful_offers_are_the_cheapest_dispatch(self, game: DayAheadMarket, hours: DayAheadState) -> None:
        noise, rng = np.full((150, 6), 0.5), np.random.default_rng(4)
        costs = [
            (game.cost * game.step(hours, action, noise).state.dispatch).sum(axis=(1, 2))
            for action in (
                np.zeros((150, 5, 4)),
                rng.random((150, 5, 4)) * 60,
                rng.random((150, 5, 1)).repeat(4, 2) * 9,
            )
        ]
        assert (costs[0] <= costs[1] + 1e-6).all()
        assert (costs[0] <= costs[2] + 1e-6).all()
        assert (costs[0] < costs[1] - 1).any()

    def test_the_first_price_seen_is_that_of_truthful_offers(self, game: DayAheadMarket) -> None:
        noise = np.random.default_rng(5).random((40, 6))
        fresh = game.reset(noise)
        assert game.step(fresh, np.zeros((40, 5, 4)), noise).state.price.tolist() == fresh.price.tolist()

    def test_a_large_fleet_has_independent_rows(self, assert_rows_independent: Callable[..., None]) -> None:
        rng = np.random.default_rng(6)
        fleet = tuple(
            Generator(f"g{i}", tuple(np.sort(rng.uniform(0, 90, k)).round(0)), tuple(rng.uniform(0, 900, k)))
            for i, k in enumerate(rng.integers(1, 9, 17))
        )
        assert_rows_independent(DayAheadMarket(fleet), (1, 9))


class TestParameters:
    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"fleet": ()}, r"`fleet` must hold at least one generator; got \(\)"),
            ({"fleet": (ANN, BOB, ANN)}, r"`fleet` must have different names; got \('ann', 'bob', 'ann'\)"),
            ({"cap": 19.0}, r"`cost` must lie in \[0, 19\.0\]; got 20\.0 at index \[0, 1\]"),
            ({"fleet": (Generator("x", (-1.0,), (5.0,)),)}, r"`cost` must lie in \[0, 180\.3\]; got -1\.0"),
            ({"cap": NAN}, "`c.* must .*nan"),
            ({"cap": INF}, "`cap` must .*; got inf"),
            ({"markup_limit": 0.0}, r"`markup_limit` must be positive and finite; got 0\.0"),
            ({"markup_limit": NAN}, "`markup_limit` must be positive and finite; got nan"),
            ({"markup_limit": INF}, "`markup_limit` must be positive and finite; got inf"),
            ({"horizon": 0}, r"`horizon` must lie in \[1, 3\], the hours of the profile; got 0"),
            ({"horizon": 4}, r"`horizon` must lie in \[1, 3\], the hours of the profile; got 4"),
        ],
    )  # fmt: skip
    def test_a_bad_parameter_is_refused_by_name(self, parameters: dict[str, Any], message: str) -> None:
        good = {"fleet": (ANN, BOB), "conditions": recorded_conditions([1, 2, 3]), "horizon": 2}
        with pytest.raises(ValueError, match=message):
            DayAheadMarket(**(good | parameters))

    def test_agents_are_the_generators_by_name(self) -> None:
        assert small(1, 2).agents == ("ann", "bob")

    def test_a_longer_horizon_keeps_the_rest(self) -> None:
        game = replace(DayAheadMarket(), horizon=168)
        assert game.horizon == 168
        assert game.fleet == DayAheadMarket().fleet

    def test_bounds_hold_when_the_profile_exceeds_the_fleet(self) -> None:
        game = small(900, 1000, 50)
        assert game.load_limit == 1000
        assert game.observation_space.high[2] == 1000


def test_the_hour_that_is_seen_is_that_of_the_clock() -> None:
    # The last hour before summer time, and the two after it: 1, 3 and 4 o'clock; then a quarter past 4.
    clock = [1.0, 3.0, 4.0, 4.25]
    game = DayAheadMarket(conditions=recorded_conditions([1_000.0] * 4, clock), horizon=4)
    state = game.reset(np.zeros((1, 6)))
    for time in clock:
        angle = 2 * np.pi * time / 24
        np.testing.assert_allclose(game.observe(state)[0, :, :2], [[np.sin(angle), np.cos(angle)]] * 5)
        state = game.step(state, np.zeros((1, 5, 4)), np.full((1, 6), 0.5)).state


@pytest.mark.parametrize(("step", "first"), [(0.5, [0, 0.5, 1]), (0.25, [0, 0.25, 0.5])])
def test_shorter_steps_pay_their_share_of_the_hour(step: float, first: list[float]) -> None:
    profile = [100.0, 130.0, 60.0]
    hourly = DayAheadMarket((ANN, BOB), recorded_conditions(profile), horizon=3)
    shorter = replace(hourly, conditions=recorded_conditions(profile, step_hours=step))
    one, part = (rollout(game, Random(game), (0, 1)) for game in (hourly, shorter))
    np.testing.assert_array_equal(part.reward, step * one.reward)
    np.testing.assert_array_equal(part.observation[:, 0, 0, 0], np.sin(2 * np.pi * np.array(first) / 24))
    of_hours, of_parts = (gap(game, Constant(np.full((2, 2), 30.0))) for game in (hourly, shorter))
    np.testing.assert_allclose(of_parts.upper, step * of_hours.upper, rtol=1e-12)
    np.testing.assert_allclose(of_parts.relative.upper, of_hours.relative.upper, rtol=1e-12)
    for concept in ("competitive", "nash"):
        found = [solve(game, concept, throw=False) for game in (hourly, shorter)]
        np.testing.assert_allclose(found[1].value, step * found[0].value, rtol=1e-12)
        assert found[1].residual == pytest.approx(found[0].residual, abs=1e-12)


@pytest.mark.parametrize("step", [0.0, -1.0, 0.7, 25.0])
def test_a_day_is_a_whole_number_of_steps(step: float) -> None:
    with pytest.raises(ValueError, match="`step_hours` must be a whole part of a day"):
        recorded_conditions([1.0], step_hours=step)


def test_a_clock_at_midnight_is_what_is_seen_without_one(bits: Callable[[object], list[object]]) -> None:
    plain = DayAheadMarket(conditions=recorded_conditions([1_000.0] * 30), horizon=30)
    timed = DayAheadMarket(conditions=recorded_conditions([1_000.0] * 30, np.arange(30) % 24), horizon=30)
    one, two = (game.reset(np.zeros((1, 6))) for game in (plain, timed))
    for _ in range(30):
        assert bits(plain.observe(one)) == bits(timed.observe(two))
        one, two = (
            game.step(state, np.zeros((1, 5, 4)), np.full((1, 6), 0.5)).state
            for game, state in ((plain, one), (timed, two))
        )
