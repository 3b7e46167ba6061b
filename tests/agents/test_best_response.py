import numpy as np
import pytest

from walras.agents import BestResponse
from walras.core import rollout
from walras.core.typing import Floats
from walras.envs import CournotMarket, DayAheadMarket, RepeatedPricing, SupplyFunctionMarket
from walras.equilibria import solve


def played(game: CournotMarket, inertia: float, seed: int = 0) -> Floats:
    """Quantities ``[T + 1, N]`` of the dynamics."""
    return rollout(game, BestResponse(game, inertia), (seed,)).state.quantity[:, 0]


def equilibrium(game: CournotMarket | SupplyFunctionMarket) -> Floats:
    return solve(game).policy.act(np.zeros((1, 1, 1)), np.random.default_rng(0))[0]


def firms(count: int, horizon: int = 200) -> CournotMarket:
    return CournotMarket(cost=(10.0,) * count, horizon=horizon)


@pytest.mark.parametrize("inertia", [0.0, 0.3, 0.5, 0.9])
def test_two_firms_converge_with_any_inertia(inertia: float) -> None:
    game = firms(2, horizon=400)
    np.testing.assert_allclose(played(game, inertia)[-1], equilibrium(game)[:, 0], atol=1e-6)


def test_two_firms_halve_their_distance_each_step() -> None:
    path = played(firms(2, horizon=20), inertia=0.0)
    distance = np.abs(path - 30).max(axis=1)  # q = (a - c) / 3b
    np.testing.assert_allclose(distance[6:] / distance[5:-1], 0.5, rtol=1e-6)  # after the bounds stopped binding


def test_three_firms_converge_with_inertia() -> None:
    game = firms(3)
    np.testing.assert_allclose(played(game, 0.5)[-1], equilibrium(game)[:, 0], atol=1e-9)


def test_three_firms_cycle_without_inertia() -> None:
    # The common mode has the eigenvalue -(N - 1) / 2 = -1: a cycle of two steps that neither grows nor dies.
    path = played(firms(3), 0.0)
    np.testing.assert_allclose(path[-1], path[-3], atol=1e-9)
    assert np.abs(path[-1] - path[-2]).min() > 0.1


@pytest.mark.parametrize("seed", range(5))
def test_five_firms_never_settle_without_inertia(seed: int) -> None:
    path = played(firms(5), 0.0, seed)
    assert np.abs(np.diff(path[-50:], axis=0)).max(axis=1).min() > 10  # from nothing to far too much and back


@pytest.mark.parametrize("count", [4, *(pytest.param(count, marks=pytest.mark.slow) for count in (5, 8))])
def test_the_inertia_that_suffices_is_that_of_the_docstring(count: int) -> None:
    threshold = (count - 3) / (count + 1)
    game = firms(count, horizon=2000)
    np.testing.assert_allclose(played(game, threshold + 0.03)[-1], equilibrium(game)[:, 0], atol=1e-6)
    path = played(game, threshold - 0.03)
    assert np.abs(path[-1] - path[-2]).max() > 0.1


def test_the_answer_moves_part_of_the_way() -> None:
    game = CournotMarket()
    observation = game.observe(game.reset(np.random.default_rng(0).random((4, 3))))
    last, best = game.last_action(observation), game.best_response(observation)
    action = BestResponse(game, inertia=0.25).act(observation, np.random.default_rng(0))
    np.testing.assert_allclose(action, last + 0.75 * (best - last))
    quantity, others = observation[..., 0], observation[..., 1]
    np.testing.assert_array_equal(last[..., 0], quantity)
    np.testing.assert_allclose(best[..., 0], np.clip((90 - others) / 2, 0, 100))


@pytest.mark.parametrize("inertia", [0.0, 0.5])
def test_supply_functions_converge_from_marginal_cost_offers(inertia: float) -> None:
    game = SupplyFunctionMarket(horizon=120)
    path = rollout(game, BestResponse(game, inertia), (0,)).action[:, 0]
    np.testing.assert_allclose(path[-1], equilibrium(game), rtol=1e-9)
    assert np.abs(path[0] - equilibrium(game)).max() > 0.1


@pytest.mark.parametrize("inertia", [-0.1, 1.0, float("nan")])
def test_inertia_outside_its_range_is_refused(inertia: float) -> None:
    with pytest.raises(ValueError, match=r"`inertia` must lie in \[0, 1\); got"):
        BestResponse(CournotMarket(), inertia)


def test_a_game_without_best_responses_is_refused() -> None:
    with pytest.raises(TypeError, match="`game` must have `best_response` and `last_action`; got DayAheadMarket"):
        BestResponse(DayAheadMarket())


def test_between_whole_numbers_an_agent_keeps_its_action_or_answers() -> None:
    game = RepeatedPricing()
    observation = game.observe(game.reset(game.noise(np.random.default_rng(0), 1)))
    observation = np.repeat(observation, 4000, axis=0)
    best, last = game.best_response(observation), game.last_action(observation)
    assert (best != last).all()
    chosen = BestResponse(game, inertia=0.7).act(observation, np.random.default_rng(1))
    assert ((chosen == best) | (chosen == last)).all()
    np.testing.assert_allclose((chosen == last).mean(axis=0), 0.7, atol=0.03)
    together = (chosen == last).all(axis=1).mean()
    assert abs(together - 0.7 ** len(game.agents)) < 0.03  # each draws on its own
    weight, action = BestResponse(game, inertia=0.7).mixture(observation)
    np.testing.assert_array_equal(action, np.stack([last, best], axis=2))
    assert weight.sum(axis=2).tolist() == np.ones(best.shape).tolist()
