import numpy as np
import pytest

from walras.envs import RepeatedPricing
from walras.equilibria import grim_trigger, memory_best_response
from walras.equilibria.matrix.memory_paths import (
    cycle_of,
    expected_impulse,
    impulse_response,
    play,
    price_of,
    response_path,
)

GAME = RepeatedPricing()
HIGH = 13 * 15 + 13


def trigger(punishment: tuple[int, int] = (1, 1)) -> np.ndarray:
    return grim_trigger(GAME, (13, 13), punishment)[None]


def test_a_cycle_begins_where_the_chain_meets_it() -> None:
    chain = np.array([1, 2, 3, 1, 0])
    assert cycle_of(chain, 4).tolist() == [1, 2, 3]
    assert cycle_of(chain, 2).tolist() == [2, 3, 1]
    assert cycle_of(np.array([0, 0]), 1).tolist() == [0]


def test_against_grim_trigger_a_deviation_is_punished_for_ever() -> None:
    found = impulse_response(GAME, trigger(), [HIGH], firm=1, periods=4)
    profit = GAME.profits[1]
    reply = int(profit[13].argmax())
    played = np.array([[13, 13], [13, reply], [1, 1], [1, 1], [1, 1]])
    np.testing.assert_array_equal(found.price[0], price_of(GAME, played))
    kept, deviated = profit[13, 13] / 0.05, profit[13, reply] + 0.95 * profit[1, 1] / 0.05
    np.testing.assert_allclose(found.share, (deviated - kept) / kept)
    assert found.share[0] < 0
    assert not found.returned[0]


def test_against_an_answer_of_one_period_play_comes_back() -> None:
    """Both price high after high or after both low, and low after anything else: win-stay, lose-shift."""
    last = GAME.state_of(np.arange(225)).last[:, 0]
    good = (last == 13).all(axis=1) | (last == 1).all(axis=1)
    policies = np.broadcast_to(np.where(good, 13, 1), (1, 2, 225)).copy()
    found = impulse_response(GAME, policies, [HIGH], periods=5)
    np.testing.assert_array_equal(found.price[0, 2:, 0], GAME.grid[0, [1, 13, 13, 13]])
    assert found.returned[0]


def test_who_is_made_to_do_what_it_does_anyway_gains_nothing() -> None:
    rng = np.random.default_rng(2)
    policies = rng.integers(0, 15, (50, 2, 225))
    policies[:, 0] = GAME.profits[0].argmax(axis=0)[policies[:, 1]]
    found = impulse_response(GAME, policies, rng.integers(0, 225, 50))
    np.testing.assert_array_equal(found.share, 0.0)


@pytest.mark.parametrize("firm", [0, 1])
def test_expectations_are_what_happens_where_nothing_is_drawn(firm: int) -> None:
    game, rng = RepeatedPricing(cost=(1.0, 1.3), prices=6, start=(5, 2)), np.random.default_rng(3)
    start = game.state_index(game.reset(np.zeros((1, 1, 2))))
    for policies in rng.integers(0, 6, (40, 1, 2, 36)):
        pure = impulse_response(game, policies, start, firm, periods=6)
        drawn = expected_impulse(game, np.eye(6)[policies[0]], firm, periods=6)
        np.testing.assert_allclose(drawn.price, pure.price, rtol=1e-12)
        np.testing.assert_allclose(drawn.share, pure.share, atol=1e-9)
        assert drawn.returned[0] == pure.returned[0]


def test_expectations_are_means_of_play() -> None:
    """Three firms, the first of which is made to answer what it expects; against many plays by the same chances."""
    game, rng = RepeatedPricing(cost=(1.0, 1.0, 1.2), prices=3, start=(2, 1, 0)), np.random.default_rng(4)
    chances = rng.dirichlet(np.ones(3), (3, 27))
    found = expected_impulse(game, chances, periods=4)
    expected = np.einsum("b,c,abc->a", chances[1, 21], chances[2, 21], game.profits[0])
    taken = np.empty((100_000, 4, 3), dtype=np.int64)
    state = np.full(len(taken), 2 * 9 + 1 * 3)
    for t in range(4):
        below = np.cumsum(chances[:, state], axis=2)[:, :, :-1] <= rng.random((3, len(taken), 1))
        taken[:, t] = below.sum(axis=2).T
        if t == 0:
            taken[:, 0, 0] = expected.argmax()
        state = taken[:, t] @ [9, 3, 1]
    price = np.take_along_axis(game.grid[None, None], taken[..., None], axis=3)[..., 0]
    np.testing.assert_allclose(found.price[0, 1:], price.mean(axis=0), atol=6 * price.std() / np.sqrt(len(taken)))
    assert found.returned[0]  # every past follows every other


def test_play_follows_the_tables() -> None:
    rng = np.random.default_rng(0)
    policies = rng.integers(0, 15, (6, 2, 225))
    states, actions = play(GAME, policies, rng.integers(0, 225, 6), 8)
    for b, t in np.ndindex(6, 8):
        assert (actions[b, t] == policies[b, :, states[b, t]]).all()
        assert states[b, t + 1] == actions[b, t, 0] * 15 + actions[b, t, 1]


def test_the_path_of_a_best_response_earns_its_value() -> None:
    rng = np.random.default_rng(1)
    policies = rng.integers(0, 15, (6, 2, 225))
    start = rng.integers(0, 225, 6)
    found = memory_best_response(GAME, policies, start)
    price = response_path(GAME, policies, found, firm=1, periods=700)
    profit = GAME.demand.profit(price)[:, :, 1]
    value = profit @ 0.95 ** np.arange(700)
    np.testing.assert_allclose(value, found.best[np.arange(6), 1, start], atol=1e-9)


def test_firms_with_other_costs_have_their_own_prices() -> None:
    game = RepeatedPricing(cost=(1.0, 1.5))
    np.testing.assert_array_equal(
        price_of(game, np.array([[0, 0], [3, 2]])), [game.grid[:, 0], [game.grid[0, 3], game.grid[1, 2]]]
    )


@pytest.mark.parametrize(
    ("more", "message"), [({"firm": 2}, "`firm` must be 0 to 1"), ({"periods": 0}, "`periods` must")]
)
def test_what_cannot_be_asked_is_refused(more: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        impulse_response(GAME, trigger(), [HIGH], **more)
