from itertools import product

import numpy as np
import pytest

from walras.core import Constant, Random, rollout
from walras.envs import RepeatedPricing

UNEQUAL = RepeatedPricing(cost=(1.0, 1.3, 0.8), quality=(2.0, 2.4, 1.9), prices=4, memory=2)


def test_the_grid_of_two_firms_is_that_of_the_literature() -> None:
    game = RepeatedPricing()
    np.testing.assert_allclose(game.grid[0, [0, -1]], [1.427721, 1.970186], atol=1e-6)  # 0.1 beyond both equilibria
    np.testing.assert_allclose(np.diff(game.grid[0]), np.diff(game.grid[0])[0])
    np.testing.assert_allclose(game.static_nash, 1.472927, atol=1e-6)
    np.testing.assert_allclose(game.monopoly, 1.924981, atol=1e-6)


def test_profits_are_those_of_demand_at_each_joint_price() -> None:
    game = UNEQUAL
    for joint in product(range(4), repeat=3):
        price = game.grid[np.arange(3), joint]
        worth = np.exp((np.array(game.quality) - price) / 0.25)
        profit = (price - np.array(game.cost)) * worth / (worth.sum() + 1)
        np.testing.assert_allclose(game.profits[(slice(None), *joint)], profit, rtol=1e-12)


def test_a_step_pays_the_chosen_prices_and_remembers_them() -> None:
    game, rng = UNEQUAL, np.random.default_rng(0)
    state = game.reset(game.noise(rng, 5))
    action = rng.integers(0, 4, (5, 3))
    after = game.step(state, action, game.noise(rng, 5))
    for b in range(5):
        np.testing.assert_array_equal(after.reward[b], game.profits[(slice(None), *action[b])])
    np.testing.assert_array_equal(after.state.last[:, 0], action)
    np.testing.assert_array_equal(after.state.last[:, 1], state.last[:, 0])


@pytest.mark.parametrize("game", [RepeatedPricing(), UNEQUAL, RepeatedPricing(prices=3, memory=3)])
def test_pasts_are_numbered_alike_by_state_and_by_every_firms_observation(game: RepeatedPricing) -> None:
    index = np.arange(game.states)
    state = game.state_of(index)
    np.testing.assert_array_equal(game.state_index(state), index)
    assert len(np.unique(state.last, axis=0)) == game.states
    seen = game.observe(state)
    np.testing.assert_array_equal(game.index_of(seen), np.repeat(index[:, None], len(game.agents), axis=1))
    np.testing.assert_array_equal(game.index_of(seen.astype(np.float32)), game.index_of(seen))


def test_the_number_of_a_past_is_row_major_in_the_order_of_firms_with_the_oldest_first() -> None:
    game = RepeatedPricing(prices=10, memory=2)
    state = game.state_of(np.array([1234]))
    assert state.last.tolist() == [[[3, 4], [1, 2]]]  # the newest: 3 by firm_0, 4 by firm_1


def test_each_firm_sees_its_own_price_first() -> None:
    game = RepeatedPricing(cost=(1.0, 1.5, 1.2), prices=5, start=(0, 2, 4))
    seen = game.observe(game.reset(np.zeros((1, 1, 3))))[0]
    np.testing.assert_array_equal(seen[:, :3], [[0, 0.5, 1], [0.5, 0, 1], [1, 0, 0.5]])
    np.testing.assert_array_equal(seen[:, 3], game.cost)


def test_the_two_static_equilibria_of_the_default_grid_are_known() -> None:
    game = RepeatedPricing()
    assert game.static_equilibria.tolist() == [[1, 1], [2, 2]]
    np.testing.assert_allclose(game.grid[0, [1, 2]], [1.466469, 1.505216], atol=1e-6)


@pytest.mark.parametrize(
    "game", [RepeatedPricing(cost=(1.0, 1.4), quality=(2.0, 2.1)), UNEQUAL, RepeatedPricing(prices=2)]
)
def test_static_equilibria_are_those_of_comparing_prices_one_by_one(game: RepeatedPricing) -> None:
    def holds(joint: tuple[int, ...]) -> bool:
        others = [(*joint[:i], a, *joint[i + 1 :]) for i in range(len(joint)) for a in range(game.prices)]
        firms = [i for i in range(len(joint)) for _ in range(game.prices)]
        return all(game.profits[(i, *o)] <= game.profits[(i, *joint)] for i, o in zip(firms, others, strict=True))

    found = [list(joint) for joint in product(range(game.prices), repeat=len(game.cost)) if holds(joint)]
    assert game.static_equilibria.tolist() == found
    assert found


def test_best_answers_are_those_of_comparing_all_prices() -> None:
    game, rng = UNEQUAL, np.random.default_rng(1)
    state = game.reset(game.noise(rng, 20))
    answers = game.best_response(game.observe(state))
    for b, i in np.ndindex(20, 3):
        joint = [game.profits[(i, *(a if j == i else state.last[b, 0, j] for j in range(3)))] for a in range(4)]
        assert answers[b, i] == int(np.argmax(joint))


def test_play_starts_from_the_given_prices_or_from_drawn_ones() -> None:
    fixed = rollout(RepeatedPricing(start=(13, 2)), Random(RepeatedPricing()), range(3))
    assert (fixed.state.last[0] == [13, 2]).all()
    drawn = rollout(RepeatedPricing(), Random(RepeatedPricing()), range(400)).state.last[0].ravel()
    assert set(drawn.tolist()) == set(range(15))


def test_the_profit_gain_is_zero_at_static_equilibrium_and_one_at_monopoly() -> None:
    game = RepeatedPricing(cost=(1.0, 1.2))
    anchors = [game.demand.profit(price) for price in (game.static_nash, game.monopoly)]
    np.testing.assert_allclose(game.profit_gain(np.array(anchors)), [[0, 0], [1, 1]])


def test_values_count_a_sum_of_weights_and_play_is_cut_at_the_horizon() -> None:
    game = RepeatedPricing(horizon=7)
    assert game.endless
    assert game.span == pytest.approx(20)
    played = rollout(game, Constant(np.array([1, 1])), [0])
    assert played.truncated[-1].all()
    assert not played.terminated.any()


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"prices": 1}, "prices"),
        ({"prices": 2.5}, "prices"),
        ({"memory": 0}, "memory"),
        ({"margin": -0.1}, "margin"),
        ({"margin": np.nan}, "margin"),
        ({"differentiation": 0}, "differentiation"),
        ({"cost": (1.0, np.nan)}, "cost"),
        ({"quality": (1.0, 2.0, 3.0)}, "quality"),
        ({"discount": 1.0}, "discount"),
        ({"memory": 3}, "memory"),  # 15^6 remembered prices
        ({"prices": 10_000}, "prices"),
        ({"start": (0,)}, "start"),
        ({"start": (0, 15)}, "start"),
        ({"start": (0, 1.5)}, "start"),
    ],
)
def test_what_is_no_market_is_refused(parameters: dict[str, object], name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must"):
        RepeatedPricing(**parameters)  # type: ignore[arg-type]
