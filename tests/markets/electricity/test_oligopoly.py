from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from walras.core.typing import Floats
from walras.markets.electricity.oligopoly import meet_demand


def check_conditions(a: float, b: float, cost: Floats, steepness: Floats, limit: Floats) -> None:
    """Complementarity: a firm sells none, some or all as the price is below, at or above its curve."""
    quantity = meet_demand(a, b, cost, steepness, limit)
    price = a - b * quantity.sum()
    scale = 1 + abs(a) + b * limit.sum() + (cost + steepness * limit).max()
    slack, tiny = 1e-9 * scale, 1e-12 * limit
    margin = price - cost - steepness * quantity
    assert (quantity >= 0).all()
    assert (quantity <= limit * (1 + 1e-12)).all()
    assert (margin[quantity > tiny] >= -slack).all(), "a firm sells below its curve"
    assert (margin[quantity < limit - tiny] <= slack).all(), "a firm would sell more at this price"


coarse = st.integers(0, 6).map(float)
fine = st.floats(0, 50, allow_subnormal=False).map(lambda x: round(x, 6))


@st.composite
def industries(draw: st.DrawFn) -> tuple[float, float, Floats, Floats, Floats]:
    """Firms on a coarse grid (ties, flat costs, no capacity) or on a fine one."""
    number = draw(st.sampled_from([coarse, fine]))
    firms = draw(st.lists(st.tuples(number, number, number), min_size=1, max_size=7))
    cost, steepness, limit = np.array(firms).T
    a, b = (
        draw(st.one_of(coarse, st.integers(-3, 60).map(float), fine)),
        draw(st.sampled_from([0.25, 1.0, 3.0, 0.1])),
    )
    return a, b, cost, steepness, limit


class TestConditions:
    @settings(max_examples=250)
    @given(industries())
    @example((10.0, 1.0, np.array([2.0, 2.0]), np.zeros(2), np.array([3.0, 1.0])))
    @example((5.0, 1.0, np.array([1.0, 4.0]), np.array([0.0, 0.0]), np.array([1.0, 3.0])))
    @example((6.0, 1.0, np.array([2.0, 2.0, 2.0]), np.array([0.0, 1.0, 2.0]), np.array([2.0, 2.0, 2.0])))
    def test_no_firm_would_sell_another_quantity(self, industry: tuple[float, float, Floats, Floats, Floats]) -> None:
        check_conditions(*industry)

    @given(industries())
    def test_flat_firms_of_equal_cost_share_pro_rata_by_limit(
        self, industry: tuple[float, float, Floats, Floats, Floats]
    ) -> None:
        _, _, cost, steepness, limit = industry
        quantity = meet_demand(*industry)
        for level in np.unique(cost):
            tied = (cost == level) & (steepness == 0) & (limit > 0)
            share = quantity[tied] / limit[tied]
            assert np.ptp(share) <= 1e-9 if len(share) else True

    @given(industries(), st.randoms(use_true_random=False))
    def test_firms_in_another_order_sell_the_same(
        self, industry: tuple[float, float, Floats, Floats, Floats], shuffler: Random
    ) -> None:
        a, b = industry[:2]
        firms = list(industry[2:])
        order = list(range(len(firms[0])))
        shuffler.shuffle(order)
        expected = meet_demand(a, b, *firms)[order]
        np.testing.assert_allclose(meet_demand(a, b, *(f[order] for f in firms)), expected, atol=1e-9)

    @given(industries(), st.integers(-20, 20), st.integers(-20, 20))
    def test_units_do_not_matter(
        self, industry: tuple[float, float, Floats, Floats, Floats], energy: int, money: int
    ) -> None:
        # Powers of two scale floating point numbers exactly.
        (a, b, cost, steepness, limit), q, p = industry, 2.0**energy, 2.0**money
        scaled = meet_demand(a * p, b * p / q, cost * p, steepness * p / q, limit * q)
        np.testing.assert_allclose(scaled, meet_demand(*industry) * q, rtol=1e-12, atol=0)

    @given(industries(), st.floats(0.01, 10))
    def test_more_demand_lowers_no_firms_sales(
        self, industry: tuple[float, float, Floats, Floats, Floats], more: float
    ) -> None:
        a, b, cost, steepness, limit = industry
        more_sold = meet_demand(a + more, b, cost, steepness, limit)
        assert (more_sold >= meet_demand(*industry) - 1e-9).all()


class TestGoldenValues:
    def test_the_symmetric_cournot_equilibrium(self) -> None:
        # spec/electricity.md section 2; closed form (a - c) / (b (N + 1)) = 90 / 4.
        quantity = meet_demand(100, 1, np.full(3, 10.0), np.ones(3), np.full(3, 100.0))
        assert quantity == pytest.approx([22.5] * 3, abs=1e-12)
        assert 100 - quantity.sum() == pytest.approx(32.5, abs=1e-12)

    def test_the_asymmetric_cournot_equilibrium_with_a_capacity(self) -> None:
        # spec/electricity.md section 2: sequential best response agrees to 1e-9. By hand: firm 0 sells 20,
        # q_1 = (60 - q_2) / 3 and q_2 = (50 - q_1) / 2.5 give q_1 = 200 / 13 and q_2 = 180 / 13.
        cost, slope, limit = np.array([10.0, 20, 30]), np.array([0, 1, 0.5]), np.array([20.0, 100, 100])
        quantity = meet_demand(100, 1, cost, slope + 1, limit)
        assert quantity == pytest.approx([20, 200 / 13, 180 / 13], abs=1e-12)
        assert 100 - quantity.sum() == pytest.approx(50.769231, abs=1e-6)

    def test_the_cournot_equilibrium_by_another_road(self) -> None:
        # Gauss-Seidel best responses on random markets.
        rng = np.random.default_rng(0)
        for _ in range(30):
            n = int(rng.integers(1, 6))
            cost, slope, limit = rng.random(n) * 60, rng.random(n) * 2, rng.random(n) * 40
            quantity = np.zeros(n)
            for _ in range(300):
                for i in range(n):
                    others = quantity.sum() - quantity[i]
                    quantity[i] = np.clip((100 - cost[i] - others) / (2 + slope[i]), 0, limit[i])
            np.testing.assert_allclose(meet_demand(100, 1, cost, slope + 1, limit), quantity, atol=1e-9)


class TestEdges:
    def test_price_takers_with_flat_costs_sell_in_merit_order(self) -> None:
        # At 20 EUR/MWh 80 MW are wanted; the firm at 10 sells its 30, the firm at 20 the other 50.
        quantity = meet_demand(100, 1, np.array([20.0, 10.0, 25.0]), np.zeros(3), np.array([60.0, 30.0, 60.0]))
        assert quantity.tolist() == [50, 30, 0]

    def test_demand_may_cross_on_the_vertical_edge_between_two_costs(self) -> None:
        quantity = meet_demand(100, 1, np.array([20.0, 90.0]), np.zeros(2), np.array([30.0, 30.0]))
        assert quantity.tolist() == [30, 0]

    def test_short_capacity_is_all_sold(self) -> None:
        limit = np.array([3.0, 4.0])
        quantity = meet_demand(100, 1, np.array([1.0, 2.0]), np.array([0.0, 1.0]), limit)
        assert quantity.tolist() == [3, 4]
        assert not np.shares_memory(quantity, limit)

    @pytest.mark.parametrize("a", [-5.0, 0.0, 9.0, 10.0])
    def test_nobody_sells_where_demand_pays_no_more_than_the_lowest_cost(self, a: float) -> None:
        quantity = meet_demand(a, 1, np.array([10.0, 12.0]), np.array([0.0, 1.0]), np.array([5.0, 5.0]))
        assert quantity.tolist() == [0, 0]

    def test_a_firm_without_capacity_sells_nothing(self) -> None:
        quantity = meet_demand(100, 1, np.array([0.0, 10.0]), np.ones(2), np.array([0.0, 100.0]))
        assert quantity == pytest.approx([0, 45])

    def test_no_capacity_at_all_sells_nothing(self) -> None:
        assert meet_demand(100, 1, np.array([1.0, 2.0]), np.zeros(2), np.zeros(2)).tolist() == [0, 0]

    def test_a_firm_without_limit_is_a_firm_with_a_large_one(self) -> None:
        cost, steepness = np.array([10.0, 20.0]), np.array([1.0, 2.0])
        unbounded = meet_demand(100, 1, cost, steepness, np.full(2, np.inf))
        np.testing.assert_allclose(unbounded, meet_demand(100, 1, cost, steepness, np.full(2, 1e3)), rtol=1e-12)

    def test_inputs_are_not_changed(self) -> None:
        firms = [np.array([10.0, 20, 30]), np.array([0.0, 1, 0.5]), np.array([20.0, 100, 100])]
        before = [firm.tolist() for firm in firms]
        for firm in firms:
            firm.flags.writeable = False
        meet_demand(100, 1, *firms)
        assert [firm.tolist() for firm in firms] == before
