from typing import Any

import numpy as np
import pytest

from walras.core import Vector
from walras.envs import NetworkCournotMarket
from walras.envs.electricity.network_cournot_market import NetworkCournotState
from walras.markets.electricity.elastic_network import Consumers, Plant, Wire

LOOP = NetworkCournotMarket(
    plants=(
        Plant("b", "north", 10.0, 0.6, 90.0),
        Plant("a", "mine", 5.0, 0.0, 40.0),
        Plant("b", "south", 30.0, 0.0, 60.0),
    ),
    consumers=(Consumers("north", 80.0, 0.5), Consumers("south", 120.0, 1.0)),
    wires=(Wire("mine", "north", limit=30.0), Wire("mine", "south", limit=30.0), Wire("north", "south", limit=4.0)),
)


def test_owners_come_in_the_order_of_their_first_unit() -> None:
    assert LOOP.agents == ("b", "a")
    assert LOOP.units.tolist() == [[0, 2], [1, -1]]
    assert LOOP.capacity.tolist() == [[90, 60], [40, 0]]


def test_a_step_pays_the_price_of_each_bus() -> None:
    # 75 and 102 MW on the default two buses: 10 MW flow, prices 100 - 65 and 120 - 0.5 x 112.
    game = NetworkCournotMarket()
    state = game.reset(np.zeros((1, 2, 1)))
    after = game.step(state, np.array([[[75.0], [102.0]]]), np.zeros((1, 2, 1)))
    np.testing.assert_allclose(after.state.price, [[35, 64]])
    np.testing.assert_allclose(after.state.line_price, [[29]])
    np.testing.assert_allclose(after.reward, [[75 * 25, 102 * 34]])


def test_a_unit_that_is_asked_for_more_produces_its_capacity() -> None:
    state = LOOP.reset(np.zeros((1, 2, 2)))
    after = LOOP.step(state, np.full((1, 2, 2), 90.0), np.zeros((1, 2, 2))).state
    assert after.output.tolist() == [[[90, 60], [40, 0]]]


def test_observations_show_own_units_and_stay_in_the_space_at_the_extremes() -> None:
    vector = Vector(LOOP, 40)
    vector.reset(seed=0)
    rng, space = np.random.default_rng(1), LOOP.observation_space
    for share in (0.0, 1.0, None):
        corner = (rng.random((40, 2, 2)) < 0.5) if share is None else share
        seen = vector.step(np.broadcast_to(LOOP.action_space.high * corner, (40, 2, 2))).observation
        assert np.all((seen >= space.low) & (seen <= space.high))
    state: Any = vector.state
    assert isinstance(state, NetworkCournotState)
    np.testing.assert_array_equal(seen[:, 0, :2], state.output[:, 0])
    np.testing.assert_allclose(seen[:, 1, -1], state.output[:, 0].sum(axis=1))
    with_consumers = LOOP.network.weight > 0
    assert np.abs(state.price[:, with_consumers]).max() <= LOOP.price_limit


def test_price_takers_are_where_marginal_cost_meets_the_price() -> None:
    action = LOOP.scripted(np.zeros((1, 2, 11)))
    after = LOOP.cleared(action)
    slack = LOOP.own_price(after.price) - LOOP.cost - LOOP.cost_slope * action
    inside = (action > 1e-6) & (action < LOOP.capacity - 1e-6)
    assert inside.any()
    np.testing.assert_allclose(slack[inside], 0, atol=1e-6)
    assert np.all(slack[(action <= 1e-6) & (LOOP.capacity > 0)] <= 1e-6)


def test_rows_are_independent(assert_rows_independent: Any) -> None:  # noqa: ANN401
    assert_rows_independent(LOOP, (1, 9))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"plants": ()}, r"`plants` must hold at least one unit; got \(\)"),
        ({"plants": (Plant("a", "N", 1.0, 0.0, 1.0),)}, "`bus` must be one of .*; got 'N'"),
        ({"plants": (Plant("a", "W", 1.0, 0.0, 0.0),)}, "`plants` must have some capacity"),
        ({"wires": ()}, r"`wires` must join all buses with 'W'; got \['E'\]"),
        ({"consumers": ()}, "`consumers` must be at one bus at least"),
        ({"horizon": 0}, "`horizon` must be a whole number, at least 1; got 0"),
        (
            {
                "plants": (Plant("a", "N", 1.0, 0.0, 30.0),),
                "wires": (Wire("W", "E"), Wire("N", "W", limit=20.0)),
            },
            "`limit` must be at least the 30 MW of the line from 'N' to 'W'",
        ),
    ],
)
def test_a_bad_parameter_is_refused_by_name(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NetworkCournotMarket(**parameters)
