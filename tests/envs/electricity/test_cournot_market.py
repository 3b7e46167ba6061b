from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.core import Constant, Vector, rollout
from walras.core.typing import Floats
from walras.envs import CournotMarket
from walras.envs.electricity.cournot_market import CournotState

NAN, INF = np.nan, np.inf
ASYMMETRIC = CournotMarket(cost=(10, 20, 30), cost_slope=(0, 1, 0.5), capacity=(20, 100, 100))


@st.composite
def markets(draw: st.DrawFn) -> tuple[CournotMarket, np.random.Generator]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(1, 5))
    game = CournotMarket(
        intercept=100.0,
        slope=float(rng.uniform(0.2, 3)),
        cost=tuple(rng.uniform(0, 90, n)),
        cost_slope=tuple(rng.uniform(0, 2, n) * (rng.random(n) < 0.7)),
        capacity=tuple(np.where(rng.random(n) < 0.3, np.inf, rng.uniform(0, 60, n))),
    )
    return game, rng


class TestStep:
    def test_profit_is_price_times_quantity_less_cost(self) -> None:
        # P = 100 - 60 = 40; profits (40 - 10) q.
        game = CournotMarket()
        step = game.step(CournotState(np.zeros((1, 3))), np.array([[[20.0], [30.0], [10.0]]]), np.zeros((1, 3)))
        assert step.state.quantity.tolist() == [[20, 30, 10]]
        assert step.reward.tolist() == [[600, 900, 300]]
        assert step.terminated.tolist() == [False]

    def test_rising_marginal_cost_is_integrated(self) -> None:
        # P = 100 - 50 = 50; costs 10 x 10, 20 x 20 + 20^2 / 2, 30 x 20 + 20^2 / 4.
        quantity = np.array([[[10.0], [20.0], [20.0]]])
        step = ASYMMETRIC.step(CournotState(np.zeros((1, 3))), quantity, np.zeros((1, 3)))
        assert step.reward.tolist() == [[400, 1000 - 600, 1000 - 700]]

    def test_the_price_may_be_negative(self) -> None:
        quantity = np.array([[[100.0], [50.0], [0.0]]])
        step = CournotMarket().step(CournotState(np.zeros((1, 3))), quantity, np.zeros((1, 3)))
        assert step.reward.tolist() == [[-6000, -3000, 0]]  # P = -50

    def test_a_firm_asked_for_more_than_its_capacity_produces_its_capacity(self) -> None:
        quantity = np.array([[[100.0], [0.0], [0.0]]])
        step = ASYMMETRIC.step(CournotState(np.zeros((1, 3))), quantity, np.zeros((1, 3)))
        assert step.state.quantity.tolist() == [[20, 0, 0]]
        assert step.reward.tolist() == [[20 * (80 - 10), 0, 0]]

    def test_each_firm_sees_the_last_outcome_and_its_own_costs(self) -> None:
        observation = ASYMMETRIC.observe(CournotState(np.array([[20.0, 30, 10]])))
        assert observation[0].tolist() == [
            [20, 40, 40, 10, 0, 20],
            [30, 30, 40, 20, 1, 100],
            [10, 50, 40, 30, 0.5, 100],
        ]

    def test_an_episode_starts_between_nothing_and_capacity(self) -> None:
        noise = np.array([[0.0, 0.5, 0.25]])
        assert ASYMMETRIC.reset(noise).quantity.tolist() == [[0, 50, 25]]

    def test_nobody_can_be_asked_for_more_than_sells_at_a_price_of_zero(self) -> None:
        game = CournotMarket(intercept=60, slope=2)
        assert game.action_space.high.tolist() == [30]
        assert game.limit.tolist() == [30, 30, 30]

    def test_the_text_names_price_and_firms(self) -> None:
        text = CournotMarket().text(CournotState(np.array([[20.0, 30, 10]])))
        assert "price 40.00 EUR/MWh" in text
        assert all(agent in text for agent in ("firm_0", "firm_1", "firm_2"))


class TestEquilibrium:
    @pytest.mark.parametrize(
        ("game", "quantity", "price"),
        [  # spec/electricity.md section 2, golden values
            (CournotMarket(), (22.5, 22.5, 22.5), 32.5),
            (ASYMMETRIC, (20, 15.384615, 13.846154), 50.769231),
        ],
        ids=["symmetric", "asymmetric"],
    )
    def test_the_golden_equilibrium_is_a_fixed_point_of_best_responses(
        self, game: CournotMarket, quantity: tuple[float, ...], price: float
    ) -> None:
        observation = game.observe(CournotState(np.array([quantity])))
        assert observation[0, :, 2] == pytest.approx([price] * 3, abs=2e-6)
        assert game.best_response(observation)[0, :, 0] == pytest.approx(quantity, abs=2e-6)

    def test_best_responses_in_turn_find_the_golden_equilibrium(self) -> None:
        quantity = np.zeros((1, 3))
        for turn in range(120):
            answer = ASYMMETRIC.best_response(ASYMMETRIC.observe(CournotState(quantity)))[:, :, 0]
            quantity = np.where(np.arange(3) == turn % 3, answer, quantity)
        assert quantity[0] == pytest.approx([20, 200 / 13, 180 / 13], abs=1e-9)

    @given(markets())
    def test_no_deviation_beats_the_best_response(self, market: tuple[CournotMarket, np.random.Generator]) -> None:
        game, rng = market
        n = len(game.agents)
        quantity = rng.random((1, n)) * game.limit
        others = quantity.sum(axis=1, keepdims=True) - quantity
        for i in range(n):
            best, rest = quantity.copy(), np.repeat(quantity, 50, axis=0)
            best[0, i] = game.best_quantity(others)[0, i]
            rest[:, i] = np.linspace(0, game.limit[i], 50)
            assert game.profit(rest)[:, i].max() <= game.profit(best)[0, i] + 1e-9
            assert 0 <= best[0, i] <= game.limit[i]

    @given(markets())
    def test_truthful_quantities_maximise_welfare(self, market: tuple[CournotMarket, np.random.Generator]) -> None:
        game, rng = market
        n = len(game.agents)
        cost, slope = np.array(game.cost), np.array(game.cost_slope)

        def welfare(quantity: Floats) -> Floats:
            total = quantity.sum(axis=1)
            value = game.intercept * total - game.slope * total**2 / 2
            return value - (cost * quantity + slope * quantity**2 / 2).sum(axis=1)

        scripted = game.scripted(np.zeros((1, n, 6)))[:, :, 0]
        wide = rng.random((200, n)) * game.limit
        near = np.clip(scripted + rng.normal(0, 0.1, (200, n)), 0, game.limit)
        assert welfare(np.concatenate((wide, near))).max() <= welfare(scripted)[0] + 1e-9

    @given(markets())
    def test_the_potential_moves_with_every_deviators_profit(
        self, market: tuple[CournotMarket, np.random.Generator]
    ) -> None:
        # Module docstring, Solution; [2] of its references: an exact potential.
        game, rng = market
        a, b, c, d = game.intercept, game.slope, np.array(game.cost), np.array(game.cost_slope)

        def potential(q: Floats) -> float:
            pairs = (q.sum() ** 2 - (q**2).sum()) / 2
            return float(((a - c) * q - (b + d / 2) * q**2).sum() - b * pairs)

        q = rng.random(len(c)) * game.limit
        for i in range(len(c)):
            other = q.copy()
            other[i] = rng.random() * game.limit[i]
            gain = game.profit(other[None])[0, i] - game.profit(q[None])[0, i]
            assert potential(other) - potential(q) == pytest.approx(gain, abs=1e-7)


class TestManyFirms:
    # More than eight firms: NumPy sums pairwise, so bounds and rows must agree to the last bit.
    rng = np.random.default_rng(4)
    game = CournotMarket(cost=tuple(rng.uniform(1, 60, 37)), cost_slope=0.3, capacity=tuple(rng.uniform(0, 9, 37)))

    def test_rows_are_independent(self, assert_rows_independent: Callable[..., None]) -> None:
        assert_rows_independent(self.game, (1, 9))

    def test_the_bounds_hold_at_the_extremes(self) -> None:
        vector = Vector(self.game, 40)
        vector.reset(seed=0)
        space, rng = self.game.observation_space, np.random.default_rng(1)
        for share in (0, 1, None):
            corner = (rng.random((40, 37, 1)) < 0.5) if share is None else share
            seen = vector.step(np.broadcast_to(self.game.action_space.high * corner, (40, 37, 1))).observation
            assert (seen >= space.low).all()
            assert (seen <= space.high).all()


class TestParameters:
    def test_one_number_serves_every_firm(self) -> None:
        game = CournotMarket(cost=(1, 2), cost_slope=0.5, capacity=7)
        assert (game.cost, game.cost_slope, game.capacity) == ((1, 2), (0.5, 0.5), (7, 7))
        assert game.agents == ("firm_0", "firm_1")

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"slope": 0}, "`slope` must be positive and finite; got 0"),
            ({"slope": -1.0}, r"`slope` must be positive and finite; got -1\.0"),
            ({"slope": NAN}, "`slope` must be positive and finite; got nan"),
            ({"slope": INF}, "`slope` must be positive and finite; got inf"),
            ({"intercept": 10.0}, r"`intercept` must exceed the lowest cost 10\.0; got 10\.0"),
            ({"intercept": NAN}, "`intercept` must .*; got nan"),
            ({"intercept": INF}, "`intercept` must .*; got inf"),
            ({"cost": (1.0, -1.0)}, r"`cost` must be finite and not negative; got -1\.0 at index \[1\]"),
            ({"cost": (1.0, INF)}, "`cost` must be finite and not negative; got inf"),
            ({"cost": (1.0, NAN)}, "`cost` must hold no NaN"),
            ({"cost": ()}, "`cost` must"),
            ({"cost_slope": -0.1}, r"`cost_slope` must be finite and not negative; got -0\.1"),
            ({"cost_slope": INF}, "`cost_slope` must be finite and not negative; got inf"),
            ({"cost_slope": (1.0, 2.0)}, "`cost_slope` must be one number or 3 numbers, one an agent"),
            ({"capacity": (1.0, 2.0)}, "`capacity` must be one number or 3 numbers, one an agent"),
            ({"capacity": -1.0}, r"`capacity` must not be negative; got -1\.0"),
            ({"capacity": NAN}, "`capacity` must hold no NaN"),
            ({"horizon": 0}, "`horizon` must be a whole number, at least 1; got 0"),
        ],
    )
    def test_a_bad_parameter_is_refused_by_name(self, parameters: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            CournotMarket(**parameters)


def test_an_episode_at_the_equilibrium_pays_the_golden_profit_every_step() -> None:
    # (32.5 - 10) x 22.5 = 506.25 EUR/h, 24 times.
    game = CournotMarket()
    total = rollout(game, Constant(np.full((3, 1), 22.5)), [1, 2]).total
    assert total.tolist() == [[506.25 * 24] * 3] * 2
