from typing import Any

import numpy as np
import pytest

from walras.core import Constant, Random, Scripted, rollout
from walras.core.rollout import Trajectory
from walras.envs import CournotMarket, DayAheadMarket, SupplyFunctionMarket
from walras.equilibria import solve
from walras.markets.electricity.generation import Conditions, Generator
from walras.scenarios.electricity import measures
from walras.scenarios.engine.measure import Measure


def day_ahead(load: tuple[float, ...] = (8.0,)) -> DayAheadMarket:
    """Two sellers: 5 MW at 10 and 5 MW at 20; 5 MW at 15."""
    fleet = Generator("a", (10.0, 20.0), (5.0, 5.0)), Generator("b", (15.0,), (5.0,))
    conditions = Conditions(profile=np.array(load))
    return DayAheadMarket(fleet=fleet, conditions=conditions, markup_limit=40.0, cap=100.0, horizon=len(load))


def offered(game: DayAheadMarket, markup: list[list[float]]) -> Trajectory[Any]:
    return rollout(game, Constant(np.array(markup)), (0,))


def produced(game: CournotMarket, quantity: list[float]) -> Trajectory[Any]:
    return rollout(game, Constant(np.array(quantity)[:, None]), (0, 1))


def test_marginal_cost_offers_have_no_markup_and_lose_no_welfare() -> None:
    for game in (day_ahead((3.0, 8.0, 12.0)), DayAheadMarket()):
        trajectory = rollout(game, Scripted(game), (0, 1))
        assert measures.day_ahead_markup(game, trajectory) == 0
        assert measures.day_ahead_welfare_loss(game, trajectory) == pytest.approx(0, abs=1e-9)


def test_the_day_ahead_price_is_the_mean_over_the_hours() -> None:
    game = day_ahead((3.0, 8.0, 12.0))
    assert measures.day_ahead_price(game, rollout(game, Scripted(game), (0,))) == pytest.approx((10 + 15 + 20) / 3)


def test_day_ahead_measures_of_an_offer_above_cost_by_hand() -> None:
    # Load 8. Seller b asks 15 + 10 = 25: a sells 5 at 10 and 3 at 20, the price is 20 instead of 15. Serving 3 MW at
    # 20 instead of 15 wastes 15 EUR/h.
    game = day_ahead()
    trajectory = offered(game, [[0, 0], [10, 0]])
    assert measures.day_ahead_price(game, trajectory) == 20
    assert measures.day_ahead_price_distance(game, trajectory) == 5
    assert measures.day_ahead_markup(game, trajectory) == pytest.approx((20 - 15) / 20)
    assert measures.day_ahead_welfare_loss(game, trajectory) == pytest.approx(15)
    # a's dearest running block costs 20, the price; b does not run.
    np.testing.assert_allclose(measures.day_ahead_lerner(game, trajectory), [0, 0])


def test_concentration_is_that_of_the_energy_sold() -> None:
    # Loads 3, 8 and 12 at marginal cost: a sells 3, 5 and 7 MWh of 23.
    game = day_ahead((3.0, 8.0, 12.0))
    found = measures.day_ahead_concentration(game, rollout(game, Scripted(game), (0,)))
    assert found == pytest.approx((100 * 15 / 23) ** 2 + (100 * 8 / 23) ** 2)


def test_the_day_ahead_lerner_index_is_that_of_the_dearest_running_block() -> None:
    # Load 8. Seller a asks 10 + 30 and 20 + 30: b sells 5 at 15, a sells 3 at 40.
    game = day_ahead()
    trajectory = offered(game, [[30, 30], [0, 0]])
    np.testing.assert_allclose(measures.day_ahead_lerner(game, trajectory), [(40 - 10) / 40, (40 - 15) / 40])
    assert measures.day_ahead_markup(game, trajectory) == pytest.approx((40 - 15) / 40)
    assert measures.day_ahead_welfare_loss(game, trajectory) == pytest.approx((3 * 10 + 5 * 15) - (5 * 10 + 3 * 15))


def test_hours_in_which_a_seller_does_not_run_do_not_count() -> None:
    # Load 4, then 8: b runs in the second hour only, at (25 - 15) / 25 if it asks 25 and a's second block asks 60.
    game = day_ahead((4.0, 8.0))
    trajectory = offered(game, [[0, 40], [10, 0]])
    np.testing.assert_allclose(measures.day_ahead_lerner(game, trajectory), [(0 + (25 - 10) / 25) / 2, (25 - 15) / 25])


def test_an_hour_without_load_has_no_markup() -> None:
    game = day_ahead((0.0,))
    trajectory = offered(game, [[10, 10], [10, 10]])
    assert measures.day_ahead_price(game, trajectory) == 0
    assert measures.day_ahead_markup(game, trajectory) == 0
    np.testing.assert_array_equal(measures.day_ahead_lerner(game, trajectory), [0, 0])
    assert measures.day_ahead_welfare_loss(game, trajectory) == 0


def test_scarcity_is_no_waste_of_the_sellers() -> None:
    game = day_ahead((20.0,))
    trajectory = offered(game, [[10, 10], [10, 10]])
    assert measures.day_ahead_price(game, trajectory) == 100
    assert measures.day_ahead_markup(game, trajectory) == 0
    assert measures.day_ahead_welfare_loss(game, trajectory) == pytest.approx(0)


def test_no_offers_lose_less_welfare_than_marginal_cost() -> None:
    game = DayAheadMarket()
    assert measures.day_ahead_welfare_loss(game, rollout(game, Random(game), range(3))) > 0
    assert 0 < measures.day_ahead_markup(game, rollout(game, Random(game), range(3))) < 1


def test_cournot_measures_by_hand() -> None:
    # P = 100 - 10 - 30 = 60; marginal costs 10 + 1 x 10 and 20 + 0 x 30.
    game = CournotMarket(cost=(10.0, 20.0), cost_slope=(1.0, 0.0), horizon=2)
    trajectory = produced(game, [10, 30])
    assert measures.cournot_price(game, trajectory) == pytest.approx(60)
    np.testing.assert_allclose(measures.cournot_lerner(game, trajectory), [40 / 60, 40 / 60])
    # Price takers: P = 20, q = (10, 70): welfare 100 x 80 - 80^2 / 2 - (10 x 10 + 10^2 / 2) - 20 x 70 = 3250.
    # Here: 100 x 40 - 40^2 / 2 - (10 x 10 + 10^2 / 2) - 20 x 30 = 2450.
    assert measures.cournot_welfare_loss(game, trajectory) == pytest.approx(3250 - 2450)


@pytest.mark.parametrize("firms", [1, 2, 3, 8])
def test_the_welfare_loss_of_the_cournot_equilibrium_has_a_closed_form(firms: int) -> None:
    # N equal firms sell N / (N + 1) of (a - c) / b: the triangle lost is (a - c)^2 / (2 b (N + 1)^2).
    game = CournotMarket(100.0, 2.0, (10.0,) * firms)
    trajectory = rollout(game, solve(game).policy, (0,))
    assert measures.cournot_welfare_loss(game, trajectory) == pytest.approx(90**2 / (4 * (firms + 1) ** 2))
    price = (100 + firms * 10) / (firms + 1)
    assert measures.cournot_price(game, trajectory) == pytest.approx(price)
    np.testing.assert_allclose(measures.cournot_lerner(game, trajectory), (price - 10) / price)


def test_price_takers_lose_no_welfare_and_charge_marginal_cost() -> None:
    game = CournotMarket(cost=(10.0, 20.0, 95.0), cost_slope=(1.0, 0.5, 2.0), capacity=(20.0, np.inf, np.inf))
    trajectory = rollout(game, Scripted(game), (0,))
    assert measures.cournot_welfare_loss(game, trajectory) == pytest.approx(0, abs=1e-9)
    assert measures.cournot_lerner(game, trajectory)[1] == pytest.approx(0, abs=1e-12)


def test_no_quantities_lose_less_welfare_than_those_of_price_takers() -> None:
    game = CournotMarket(cost=(10.0, 20.0), cost_slope=1.0)
    for seed in range(20):
        assert measures.cournot_welfare_loss(game, rollout(game, Random(game), (seed,))) > 0


def test_a_cournot_price_that_is_not_positive_has_no_lerner_index() -> None:
    game = CournotMarket(cost=(10.0, 10.0))
    np.testing.assert_array_equal(measures.cournot_lerner(game, produced(game, [60, 60])), [0, 0])


def test_supply_function_measures() -> None:
    game = SupplyFunctionMarket()
    scripted = rollout(game, Scripted(game), (0,))
    np.testing.assert_allclose(measures.supply_function_lerner(game, scripted), 0, atol=1e-12)
    trajectory = rollout(game, solve(game).policy, (0,))
    lerner = np.zeros(3)
    for t in range(24):
        price, quantity = trajectory.state.price[t + 1, 0], trajectory.state.quantity[t + 1, 0]
        lerner += (price - np.array(game.cost) - np.array(game.cost_slope) * quantity) / price / 24
    np.testing.assert_allclose(measures.supply_function_lerner(game, trajectory), lerner)
    assert np.all(lerner > 0.05)
    assert measures.supply_function_price(game, trajectory) == pytest.approx(trajectory.state.price[1:].mean())
    assert measures.supply_function_price(game, trajectory) > measures.supply_function_price(game, scripted)


def test_every_measure_has_words() -> None:
    found = [value for value in vars(measures).values() if isinstance(value, Measure)]
    assert len(found) == 14
    assert all(each.title for each in found)
    assert (measures.day_ahead_price.title, measures.day_ahead_price.unit) == ("mean price", "EUR/MWh")
    assert (measures.day_ahead_markup.unit, measures.day_ahead_markup.scale) == ("of the price", "share")


def test_cournots_welfare_is_a_share_and_its_price_is_some_way_from_nash() -> None:
    # Price 100 - Q, costs 10 and 10: the most is at Q = 90, 90^2 / 2; Nash sells 30 each at 40.
    game = CournotMarket(cost=(10.0, 10.0), intercept=100.0, slope=1.0)
    nash, less = produced(game, [30.0, 30.0]), produced(game, [30.0, 10.0])
    assert measures.cournot_price_distance(game, nash) == pytest.approx(0, abs=1e-9)
    assert measures.cournot_price_distance(game, less) == pytest.approx(20)
    for played, total in ((nash, 60.0), (less, 40.0)):
        assert measures.cournot_welfare(game, played) == pytest.approx((90 * total - total**2 / 2) / (90**2 / 2))
