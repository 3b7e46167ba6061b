from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from walras.envs import GridWorld
from walras.markets.matrix import MarkovGame
from walras.markets.matrix.markov_game import from_game


def drawn(seed: int = 0, horizon: int | None = 4) -> MarkovGame:
    rng = np.random.default_rng(seed)
    reward, chances = rng.normal(size=(2, 3, 2, 4)), rng.dirichlet(np.ones(3), size=(3, 2, 4))
    return MarkovGame(reward, chances, [0.5, 0.5, 0], horizon=horizon, discount=1 if horizon else 0.9)


class TestFields:
    def test_sparse_and_dense_agree(self) -> None:
        dense = drawn()
        sparse = MarkovGame(dense.reward, csr_array(dense.transition.reshape(24, 3)), dense.start, horizon=4)
        value = np.random.default_rng(1).normal(size=(2, 3))
        np.testing.assert_allclose(sparse.after(value), dense.after(value))
        for i in (0, 1):
            np.testing.assert_allclose(sparse.chances(i), dense.chances(i))

    def test_stages_by_hand(self) -> None:
        game, value = drawn(horizon=None), np.arange(6.0).reshape(2, 3)
        for s, a, b in ((0, 1, 2), (2, 0, 3)):
            told = game.reward[:, s, a, b] + 0.9 * value @ game.transition[s, a, b]
            np.testing.assert_allclose(game.stages(value)[s, :, a, b], told)

    def test_own_actions_come_first(self) -> None:
        game = drawn()
        assert game.chances(1).shape == (3, 4, 2, 3)
        assert np.array_equal(game.chances(1)[2, 3, 1], game.transition[2, 1, 3])
        assert game.rewards(1)[2, 3, 1] == game.reward[1, 2, 1, 3]


class TestRefused:
    def test_chances_of_next_states(self) -> None:
        game = drawn()
        wrong = game.transition.copy()
        wrong[1, 0, 2, 0] += 1e-6
        with pytest.raises(ValueError, match=r"`transition` must have chances that sum to 1.*at index \[1, 0, 2\]"):
            MarkovGame(game.reward, wrong, game.start, horizon=4)
        with pytest.raises(ValueError, match=r"sum to 1.*at index \[1, 0, 2\]"):
            MarkovGame(game.reward, csr_array(wrong.reshape(24, 3)), game.start, horizon=4)
        with pytest.raises(ValueError, match="`transition` must have the shape"):
            MarkovGame(game.reward, wrong[:2], game.start, horizon=4)

    def test_no_horizon_asks_for_a_discount(self) -> None:
        game = drawn()
        with pytest.raises(ValueError, match="`discount` must be below 1 without a horizon; got 1"):
            MarkovGame(game.reward, game.transition, game.start)

    def test_rewards_and_start(self) -> None:
        game = drawn()
        with pytest.raises(ValueError, match="`reward` must be finite"):
            MarkovGame(np.full((2, 3, 2, 4), np.nan), game.transition, game.start, horizon=4)
        with pytest.raises(ValueError, match=r"`reward` must be \[N, S, A_1, .., A_N\]"):
            MarkovGame(np.zeros((2, 3, 2)), game.transition, game.start, horizon=4)
        with pytest.raises(ValueError, match="`start` must sum to 1"):
            MarkovGame(game.reward, game.transition, [0.5, 0.4, 0], horizon=4)
        with pytest.raises(ValueError, match="`horizon` must be a whole number"):
            MarkovGame(game.reward, game.transition, game.start, horizon=0)


class TestFromGame:
    def test_a_grid_world_has_the_optimum_that_its_solver_finds(self) -> None:
        from walras import solve

        world = replace(GridWorld.lava(agents=2), horizon=5)
        game = from_game(world, world.noise(np.random.default_rng(0), 1), [1.0])
        value = np.zeros((2, game.states))
        for _ in range(5):
            stages = game.stages(value).reshape(game.states, 2, -1)
            best = stages.sum(axis=1).argmax(axis=1)
            value = np.take_along_axis(stages, best[:, None, None], axis=2)[:, :, 0].T
        np.testing.assert_allclose(value @ game.start, solve(world).value, atol=1e-12)

    def test_too_many_states_are_counted(self) -> None:
        world = GridWorld.lava(agents=2)
        with pytest.raises(ValueError, match="`game` must have at most 50 states, or `limit` be more; got"):
            from_game(world, world.noise(np.random.default_rng(0), 1), [1.0], limit=50)
