from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.core import Vector
from walras.core.typing import Floats
from walras.envs import SupplyFunctionMarket
from walras.envs.electricity.supply_function_market import SupplyFunctionState

NAN, INF = np.nan, np.inf
# spec/electricity.md section 3, golden slopes
GOLDEN = [
    (SupplyFunctionMarket(demand_slope=1, cost=(0, 0), cost_slope=1), [(5**0.5 - 1) / 2] * 2, 1e-9),
    (SupplyFunctionMarket(), [1.035175, 0.817584, 0.628246], 5e-7),
]


def equilibrium(game: SupplyFunctionMarket) -> Floats:
    """Curves ``[1, N, 2]`` by iterating best responses: a monotone contraction."""
    state = game.reset(np.zeros(1))
    for _ in range(500):
        curve = game.best_response(game.observe(state))
        state = SupplyFunctionState(curve, state.price, state.quantity)
    return state.curve


@st.composite
def markets(draw: st.DrawFn) -> tuple[SupplyFunctionMarket, Floats, np.random.Generator]:
    """A market and any curves ``[1, N, 2]`` inside its action space."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(1, 5))
    game = SupplyFunctionMarket(
        demand=tuple(rng.uniform(20, 200, draw(st.integers(2, 4)))),
        demand_slope=float(rng.uniform(0.1, 2)),
        cost=tuple(rng.uniform(0, 20, n)),
        cost_slope=tuple(rng.uniform(0.1, 2, n)),
    )
    return game, rng.random((1, n, 2)) * game.action_space.high, rng


Market = tuple[SupplyFunctionMarket, Floats, np.random.Generator]


class TestStep:
    def test_the_price_clears_demand_against_the_curves(self) -> None:
        # n = 60, g = 1; q = 1 (p - 10) + 2 (p - 20): p = (60 + 10 + 40) / 4 = 27.5; q = (17.5, 15).
        game = SupplyFunctionMarket(demand=(20, 60), demand_slope=1, cost=(10, 15), cost_slope=(0.5, 2))
        state, action = game.reset(np.zeros(1)), np.array([[[10.0, 1.0], [20.0, 2.0]]])
        step = game.step(state, action, np.array([0.5]))
        assert step.state.price.tolist() == [27.5]
        assert step.state.quantity.tolist() == [[17.5, 15]]
        # 17.5 (27.5 - 10 - 0.25 x 17.5) and 15 (27.5 - 15 - 15)
        assert step.reward.tolist() == [[17.5 * (17.5 - 4.375), 15 * -2.5]]
        assert step.terminated.tolist() == [False]

    def test_a_curve_above_the_price_buys(self) -> None:
        # n = 20, g = 1: p = (20 + 10 + 60) / 4 = 22.5; the second firm buys 2 x 7.5.
        game = SupplyFunctionMarket(demand=(20, 60), demand_slope=1, cost=(10, 15), cost_slope=(0.5, 2))
        step = game.step(game.reset(np.zeros(1)), np.array([[[10.0, 1.0], [30.0, 2.0]]]), np.array([0.0]))
        assert step.state.price.tolist() == [22.5]
        assert step.state.quantity.tolist() == [[12.5, -15]]
        assert step.reward[0, 1] == -15 * (22.5 - 15 + 15)

    @pytest.mark.parametrize(
        ("noise", "demand"), [(0.0, 40), (0.333, 40), (0.334, 60), (0.667, 100), (1 - 2**-53, 100)]
    )
    def test_the_demands_are_equally_likely(self, noise: float, demand: float) -> None:
        game = SupplyFunctionMarket(demand=(40, 60, 100), demand_slope=0.5)
        nobody = np.zeros((1, 3, 2))
        assert game.step(game.reset(np.zeros(1)), nobody, np.array([noise])).state.price.tolist() == [2 * demand]

    def test_an_episode_starts_with_offers_at_marginal_cost(self) -> None:
        game = SupplyFunctionMarket()
        state = game.reset(np.array([0.5]))
        assert state.curve.tolist() == [[[10, 2], [12, 1.25], [9, 1 / 1.2]]]
        marginal = np.array(game.cost) + np.array(game.cost_slope) * state.quantity
        assert marginal[0] == pytest.approx([state.price[0]] * 3)

    def test_each_firm_sees_its_curve_the_last_outcome_and_the_others_slopes(self) -> None:
        game = SupplyFunctionMarket(demand=(20, 60), demand_slope=1, cost=(10, 15), cost_slope=(0.5, 2))
        step = game.step(game.reset(np.zeros(1)), np.array([[[10.0, 1.0], [20.0, 2.0]]]), np.array([0.5]))
        assert game.observe(step.state)[0].tolist() == [
            [10, 1, 17.5, 27.5, 2, 10, 0.5],
            [20, 2, 15, 27.5, 1, 15, 2],
        ]

    @given(markets())
    def test_supply_meets_demand_at_every_level(self, market: Market) -> None:
        game, curve, _ = market
        for v, n in enumerate(game.demand):
            noise = np.array([(v + 0.5) / len(game.demand)])
            state = game.step(game.reset(noise), curve, noise).state
            assert state.quantity.sum() == pytest.approx(n - game.demand_slope * state.price[0], abs=1e-9)

    @given(markets())
    def test_the_reward_of_a_step_is_the_profit_at_its_demand(self, market: Market) -> None:
        game, curve, _ = market
        profit = game.profit(curve)
        for v in range(len(game.demand)):
            noise = np.array([(v + 0.5) / len(game.demand)])
            assert game.step(game.reset(noise), curve, noise).reward[0] == pytest.approx(profit[0, v], abs=1e-9)


class TestEquilibrium:
    @pytest.mark.parametrize(("game", "slopes", "precision"), GOLDEN, ids=["two firms", "three firms"])
    def test_the_golden_slopes_answer_each_other(
        self, game: SupplyFunctionMarket, slopes: list[float], precision: float
    ) -> None:
        others = np.array([sum(slopes)]) - np.array(slopes)
        assert game.best_slope(others) == pytest.approx(slopes, abs=precision)

    @pytest.mark.parametrize(("game", "slopes", "precision"), GOLDEN, ids=["two firms", "three firms"])
    def test_best_responses_find_the_golden_equilibrium(
        self, game: SupplyFunctionMarket, slopes: list[float], precision: float
    ) -> None:
        curve = equilibrium(game)
        assert curve[0, :, 0].tolist() == list(game.cost)
        assert curve[0, :, 1] == pytest.approx(slopes, abs=precision)

    @given(markets())
    def test_nobody_gains_by_leaving_the_equilibrium_at_any_demand(self, market: Market) -> None:
        game = market[0]
        curve = equilibrium(game)
        assert game.best_profit(curve) == pytest.approx(game.profit(curve), rel=1e-9, abs=1e-9)

    @given(markets())
    def test_the_equilibrium_lies_strictly_inside_the_action_space(self, market: Market) -> None:
        game = market[0]
        slope = equilibrium(game)[0, :, 1]
        assert (slope < 1 / np.array(game.cost_slope)).all()
        assert (slope > 0).all()

    @given(markets())
    def test_best_profit_dominates_every_deviation(self, market: Market) -> None:
        game, curve, rng = market
        best = game.best_profit(curve)
        for i in range(len(game.agents)):
            deviations = np.repeat(curve, 200, axis=0)
            deviations[:, i] = rng.random((200, 2)) * game.action_space.high * 2
            assert (game.profit(deviations)[:, :, i] <= best[:, :, i] + 1e-7).all()

    @given(markets())
    def test_the_best_response_attains_the_best_profit_at_every_demand(self, market: Market) -> None:
        # Whatever the others' intercepts: the optimal points at all demands lie on one line through the cost.
        game, curve, _ = market
        state = game.reset(np.zeros(1))
        response = game.best_response(game.observe(SupplyFunctionState(curve, state.price, state.quantity)))
        for i in range(len(game.agents)):
            answer = curve.copy()
            answer[0, i] = response[0, i]
            best = game.best_profit(curve)[0, :, i]
            assert game.profit(answer)[0, :, i] == pytest.approx(best, rel=1e-9, abs=1e-9)

    @given(markets())
    def test_truthful_curves_equate_price_and_marginal_cost(self, market: Market) -> None:
        game = market[0]
        curve = game.scripted(game.observe(game.reset(np.zeros(1))))
        price = game.price(curve, np.array(game.demand))[0]
        quantity = curve[0, :, 1] * (price[:, None] - curve[0, :, 0])
        marginal = np.array(game.cost) + np.array(game.cost_slope) * quantity
        assert marginal == pytest.approx(np.repeat(price[:, None], len(game.agents), axis=1), abs=1e-9)


class TestBounds:
    @pytest.mark.parametrize(
        "game",
        [
            SupplyFunctionMarket(cost=(5.0,) * firms, cost_slope=slope, demand=(40.0, 90.0))
            for firms in (1, 2, 3, 5, 10, 33)
            for slope in (0.1, 0.3, 0.7)
        ],
        ids=lambda game: f"{len(game.agents)} firms, slope {game.cost_slope[0]}",
    )
    def test_observations_stay_in_their_space_at_the_extremes(self, game: SupplyFunctionMarket) -> None:
        # Sums of slopes and prices at their bounds may exceed them by rounding.
        n, rng = len(game.agents), np.random.default_rng(0)
        vector, space = Vector(game, 64), game.observation_space
        vector.reset(seed=0)
        for corner in (np.zeros((64, n, 2)), np.ones((64, n, 2)), rng.random((64, n, 2)) < 0.5):
            seen = vector.step(corner * game.action_space.high).observation
            assert (seen >= space.low).all(), np.argwhere(seen < space.low)[0]
            assert (seen <= space.high).all(), np.argwhere(seen > space.high)[0]

    def test_the_price_bound_holds_when_offers_start_at_the_choke_price(self) -> None:
        # Twice the highest cost is the choke price: the price averages equal numbers.
        rng = np.random.default_rng(3)
        for _ in range(50):
            slope, cost = float(rng.uniform(0.1, 3)), float(rng.uniform(5, 60))
            high = 2 * cost * slope
            game = SupplyFunctionMarket(demand=(0.5 * high, high), demand_slope=slope, cost=(cost,) * 4, cost_slope=0.3)
            action = rng.random((50, 4, 2)) * game.action_space.high
            action[:, :, 0] = game.action_space.high[0]
            noise = np.full(50, 0.99)
            seen = game.observe(game.step(game.reset(noise), action, noise).state)
            assert (seen <= game.observation_space.high).all(), (slope, cost)
            assert (seen >= game.observation_space.low).all(), (slope, cost)

    def test_rows_of_many_firms_are_independent(self, assert_rows_independent: Callable[..., None]) -> None:
        rng = np.random.default_rng(2)
        game = SupplyFunctionMarket(cost=tuple(rng.uniform(1, 9, 33)), cost_slope=tuple(rng.uniform(0.1, 2, 33)))
        assert_rows_independent(game, (1, 9))


class TestParameters:
    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"demand": (40.0,)}, r"`demand` must have at least two different values; got \(40\.0,\)"),
            ({"demand": (40.0, 40.0)}, "`demand` must have at least two different values"),
            ({"demand": 40.0}, "`demand` must have at least two different values"),
            ({"demand": ()}, "`demand` must have at least two different values"),
            ({"demand": (40.0, 0.0)}, r"`demand` must be positive and finite; got 0\.0 at index \[1\]"),
            ({"demand": (40.0, NAN)}, "`demand` must be positive and finite; got nan"),
            ({"demand": (40.0, INF)}, "`demand` must be positive and finite; got inf"),
            ({"demand_slope": 0.0}, r"`demand_slope` must be positive and finite; got 0\.0"),
            ({"demand_slope": NAN}, "`demand_slope` must be positive and finite; got nan"),
            ({"demand_slope": INF}, "`demand_slope` must be positive and finite; got inf"),
            ({"cost_slope": 0.0}, r"`cost_slope` must be positive and finite; got 0\.0"),
            ({"cost_slope": (1.0, 2.0)}, "`cost_slope` must be one number or 3 numbers, one an agent"),
            ({"cost_slope": (1.0, 2.0, INF)}, "`cost_slope` must be positive and finite; got inf"),
            ({"cost": (1.0, 2.0, -1.0)}, r"`cost` must be finite and not negative; got -1\.0 at index \[2\]"),
            ({"cost": (1.0, 2.0, NAN)}, "`cost` must hold no NaN"),
            ({"cost": (), "cost_slope": 1.0}, "`cost` must"),
            ({"horizon": 0}, "`horizon` must be a whole number, at least 1; got 0"),
        ],
    )
    def test_a_bad_parameter_is_refused_by_name(self, parameters: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            SupplyFunctionMarket(**parameters)
