"""Forwards and deliveries: who pays what, the spot equilibrium with corners, and what is refused."""

import numpy as np
import pytest

from walras.core import rollout
from walras.envs import ForwardSpotMarket
from walras.equilibria.electricity.forward_spot import Fixed


def test_a_delivery_pays_forwards_at_the_foreseen_price_and_the_rest_at_the_spot_price() -> None:
    game = ForwardSpotMarket(cost=(10.0, 20.0))
    played = rollout(game, Fixed(np.array([10.0, 4.0]), np.array([30.0, 25.0])), [0])
    foreseen = (100 - 14 + 30) / 3
    np.testing.assert_allclose(played.state.price[1:, 0], [foreseen, 45.0])
    np.testing.assert_allclose(played.reward[0, 0], [foreseen * 10, foreseen * 4])
    np.testing.assert_allclose(played.reward[1, 0], [45 * 20 - 10 * 30, 45 * 21 - 20 * 25])
    assert played.terminated[-1].all()


def test_the_spot_price_is_that_of_an_iteration_of_best_quantities() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        cost = tuple(rng.uniform(0, 80, 3))
        game, forward = ForwardSpotMarket(cost=cost, slope=float(rng.uniform(0.5, 2))), rng.uniform(0, 40, 3)
        quantity = np.zeros(3)
        for _ in range(3000):
            for i in range(3):
                others = quantity.sum() - quantity[i]
                best = ((game.intercept - cost[i]) / game.slope - others + forward[i]) / 2
                quantity[i] = max(best, 0.0)
        assert abs(game.spot_price(forward) - game.price(quantity)) < 1e-8
        np.testing.assert_allclose(game.spot_quantity(forward), np.minimum(quantity, game.most), atol=1e-8)


def test_a_forward_step_without_a_delivery_trades_nothing() -> None:
    game = ForwardSpotMarket(horizon=3)
    played = rollout(game, Fixed(np.array([10.0, 10.0]), np.array([30.0, 30.0])), [0])
    assert np.all(played.reward[2] == 0)
    assert np.all(played.state.forward[3] == 0)


WRONG = [
    ({"cost": (10.0, 120.0)}, r"`cost` must lie in \[0, 100\), below the intercept; got 120\.0 at index \[1\]"),
    ({"cost": (-1.0, 10.0)}, r"`cost` must lie in \[0, 100\)"),
    ({"slope": 0.0}, r"`slope` must be positive and finite; got 0\.0"),
    ({"intercept": np.inf}, r"`intercept` must be positive and finite"),
    ({"cost": (np.nan,)}, r"`cost` must hold no NaN"),
]


@pytest.mark.parametrize(("fields", "words"), WRONG)
def test_wrong_parameters_are_named(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ForwardSpotMarket(**fields)  # type: ignore[arg-type]
