import pickle
from dataclasses import replace

import numpy as np
import pytest
from pettingzoo.test import parallel_api_test

from walras.core import Parallel, Random, rollout
from walras.envs import RepeatedMatrixGame, TabularMarkovGame
from walras.markets.matrix import MarkovGame, MatrixGame
from walras.markets.matrix.named_games import matching_pennies, prisoners_dilemma


def uneven(memory: int) -> RepeatedMatrixGame:
    """Return a game of three players with two, three and two actions."""
    return RepeatedMatrixGame(MatrixGame(np.random.default_rng(0).normal(size=(3, 2, 3, 2))), memory=memory, horizon=8)


class TestPlay:
    def test_payoffs_are_those_of_the_cell(self) -> None:
        game = uneven(1)
        played = rollout(game, Random(game), [0, 1, 2])
        for t, b in np.ndindex(played.reward.shape[:2]):
            cell = tuple(np.minimum(played.action[t, b], [1, 2, 1]).tolist())
            assert played.reward[t, b].tolist() == game.game.payoff[(slice(None), *cell)].tolist()

    def test_players_with_fewer_actions_play_their_last(self) -> None:
        game = uneven(1)
        start = game.reset(game.noise(np.random.default_rng(0), 1))
        first, other = (game.step(start, np.array([[a, 1, 0]]), np.empty((1, 0))) for a in (1, 2))
        assert np.array_equal(first.reward, other.reward)
        assert np.array_equal(first.state.last, other.state.last)
        known = game.observe(start)[0, :, 3:6]
        assert known.tolist() == [[1, 1, 0], [1, 1, 1], [1, 1, 0]]

    @pytest.mark.parametrize("memory", [0, 1, 2, 3])
    def test_numbers_of_pasts(self, memory: int) -> None:
        game = uneven(memory)
        numbers = np.arange(game.states)
        state = game.state_of(numbers)
        assert game.states == sum(12**k for k in range(memory + 1))
        assert np.array_equal(game.state_index(state), numbers)
        assert np.array_equal(game.index_of(game.observe(state)), np.repeat(numbers[:, None], 3, axis=1))

    def test_the_past_is_told_the_newest_first(self) -> None:
        game = uneven(2)
        state = game.reset(np.empty((1, 0)))
        for action in ([1, 2, 0], [0, 1, 1]):
            state = game.step(state, np.array([action]), np.empty((1, 0))).state
        assert state.last.tolist() == [[[0, 1, 1], [1, 2, 0]]]

    def test_best_answers(self) -> None:
        game = RepeatedMatrixGame(matching_pennies())
        state = game.reset(np.empty((1, 0)))
        after = game.step(state, np.array([[0, 1]]), np.empty((1, 0))).state
        assert game.best_response(game.observe(after)).tolist() == [[1, 1]]
        assert game.last_action(game.observe(after)).tolist() == [[0, 1]]
        assert RepeatedMatrixGame(memory=0).scripted(np.zeros((2, 2, 4))).tolist() == [[1, 1], [1, 1]]

    def test_equal_games_are_equal(self) -> None:
        game = uneven(1)
        assert pickle.loads(pickle.dumps(game)) == game
        assert game != RepeatedMatrixGame(prisoners_dilemma(), horizon=8)

    def test_pictures_of_one_and_many_players(self) -> None:
        for payoff in (np.zeros((1, 3)), np.zeros((3, 2, 2, 2))):
            game = RepeatedMatrixGame(MatrixGame(payoff))
            state = game.reset(np.empty((1, 0)))
            assert game.text(state) == "nothing was played yet"
            after = game.step(state, np.zeros((1, len(payoff)), dtype=int), np.empty((1, 0))).state
            assert "player_0" in game.text(after)
            assert game.image(after).ndim == 3

    def test_arguments(self) -> None:
        with pytest.raises(ValueError, match="`memory` must be a whole number"):
            RepeatedMatrixGame(memory=-1)
        with pytest.raises(ValueError, match="`memory` must hold at most 1000000 states; 20"):
            RepeatedMatrixGame(MatrixGame(np.zeros((2, 120, 120))), memory=2)
        with pytest.raises(ValueError, match="`discount` must lie"):
            RepeatedMatrixGame(discount=1.0)


class TestTabularMarkovGame:
    def test_states_follow_by_their_chances(self) -> None:
        rng = np.random.default_rng(0)
        chances = rng.dirichlet(np.ones(3), size=(3, 2, 2))
        markov = MarkovGame(rng.normal(size=(2, 3, 2, 2)), chances, rng.dirichlet(np.ones(3)), horizon=4)
        game = TabularMarkovGame(markov, horizon=4)
        rows = 40_000
        state = game.reset(rng.random(rows))
        np.testing.assert_allclose(np.bincount(state.number, minlength=3) / rows, markov.start, atol=0.01)
        here = game.state_of(np.full(rows, 1))
        after = game.step(here, np.tile([1, 0], (rows, 1)), rng.random(rows))
        np.testing.assert_allclose(np.bincount(after.state.number, minlength=3) / rows, chances[1, 1, 0], atol=0.01)
        assert after.reward[0].tolist() == markov.reward[:, 1, 1, 0].tolist()

    def test_a_state_that_pays_nothing_and_stays_terminates(self) -> None:
        chances = np.zeros((2, 2, 1, 2))
        chances[0, 0, 0, 0] = chances[0, 1, 0, 1] = chances[1, :, :, 1] = 1
        reward = np.zeros((2, 2, 2, 1))
        reward[:, 0] = 1
        game = TabularMarkovGame(MarkovGame(reward, chances, [1, 0], discount=0.9), discount=0.9)
        state = game.reset(np.zeros(1))
        assert not game.step(state, np.array([[0, 0]]), np.zeros(1)).terminated[0]
        assert game.step(state, np.array([[1, 0]]), np.zeros(1)).terminated[0]

    def test_the_clock_counts_where_the_game_ends(self) -> None:
        markov = MarkovGame(np.zeros((1, 1, 2)), np.ones((1, 2, 1)), [1], horizon=4)
        game = TabularMarkovGame(markov, horizon=4)
        assert game.ends == "rule"
        assert game.observe(game.state_of(np.array([0]), 1))[0, 0, -1] == 0.75
        assert TabularMarkovGame().ends == "cut"

    def test_arguments(self) -> None:
        markov = MarkovGame(np.zeros((1, 1, 2)), np.ones((1, 2, 1)), [1], horizon=4)
        with pytest.raises(ValueError, match="`horizon` must be that of `markov`, 4"):
            TabularMarkovGame(markov, horizon=5)
        with pytest.raises(ValueError, match=r"`discount` must be that of `markov`, 0.95"):
            TabularMarkovGame(discount=0.5)


class TestNoisyMonitoring:
    GAME = RepeatedMatrixGame(uneven(0).game, memory=2, horizon=6, monitoring=0.7)

    def test_views_are_right_as_often_as_said_and_otherwise_any_other_action(self) -> None:
        game, rows = replace(self.GAME, memory=1), 40_000
        rng = np.random.default_rng(0)
        noise = rng.random((rows, 3, 3))
        action = np.tile([1, 2, 0], (rows, 1))
        after = game.step(game.reset(noise), action, noise)
        observation = game.observe(after.state)
        views = observation[:, :, 6:].reshape(rows, 3, 3, 3).argmax(axis=3)  # who looks, who is seen
        for i, j in np.ndindex(3, 3):
            share = np.bincount(views[:, i, j], minlength=3) / rows
            wrong = [0.3 / (game.game.sizes[j] - 1)] * game.game.sizes[j] + [0.0] * (3 - game.game.sizes[j])
            wanted = np.array(wrong if i != j else [0.0] * 3)
            wanted[action[0, j]] = 0.7 if i != j else 1.0
            np.testing.assert_allclose(share, wanted, atol=0.012)
        np.testing.assert_array_equal(after.reward, game.game.payoff[:, 1, 2, 0] * np.ones((rows, 1)))
        np.testing.assert_array_equal(game.last_action(observation), action)

    def test_views_are_private_and_independent(self) -> None:
        game, rng = RepeatedMatrixGame(monitoring=0.5), np.random.default_rng(1)
        noise = rng.random((20_000, 2, 2))
        after = game.step(game.reset(noise), np.zeros((20_000, 2), dtype=np.int64), noise)
        number = game.index_of(game.observe(after.state))
        wrong = number != 1 + game.joint(np.zeros(2, dtype=np.int64))
        np.testing.assert_allclose(wrong.mean(axis=0), 0.5, atol=0.02)
        np.testing.assert_allclose(wrong.all(axis=1).mean(), 0.25, atol=0.02)

    def test_what_was_seen_is_remembered(self) -> None:
        played = rollout(self.GAME, Random(self.GAME), range(16))
        shown = played.observation[:, :, :, 6:].reshape(6, 16, 3, 2, 3, 3)
        np.testing.assert_array_equal(shown[2:, :, :, 1], shown[1:-1, :, :, 0])

    def test_perfect_monitoring_is_the_game_as_it_was(self) -> None:
        assert RepeatedMatrixGame(monitoring=1.0) == RepeatedMatrixGame()
        assert RepeatedMatrixGame().noise(np.random.default_rng(0), 3).shape == (3, 0)

    @pytest.mark.parametrize("memory", [1, 2])
    def test_numbers_of_pasts_that_all_see_alike(self, memory: int) -> None:
        game = replace(self.GAME, memory=memory)
        numbers = np.arange(game.states)
        state = game.state_of(numbers)
        assert np.array_equal(game.index_of(game.observe(state)), np.repeat(numbers[:, None], 3, axis=1))

    def test_it_passes_as_an_environment(self) -> None:
        parallel_api_test(Parallel(self.GAME), num_cycles=20)
        assert pickle.loads(pickle.dumps(self.GAME)) == self.GAME

    @pytest.mark.parametrize("monitoring", [0.0, -0.1, 1.1, float("nan")])
    def test_what_is_no_chance_is_refused(self, monitoring: float) -> None:
        with pytest.raises(ValueError, match="`monitoring` must be"):
            RepeatedMatrixGame(monitoring=monitoring)
