from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from walras.core import Constant, Random, Scripted
from walras.core.policy import Profile
from walras.core.typing import Floats
from walras.envs import RepeatedMatrixGame, TabularMarkovGame
from walras.equilibria import TabularPolicy, gap, grim_trigger, memory_best_response, replay, solve
from walras.equilibria.certificate import Kind
from walras.equilibria.matrix.memory_policies import memory_game
from walras.equilibria.matrix.repeated_matrix_game import RepeatedEquilibrium
from walras.equilibria.matrix.tabular_markov_game import MarkovEquilibrium, MarkovPolicy
from walras.markets.matrix import MarkovGame, MatrixGame
from walras.markets.matrix.named_games import chicken, matching_pennies, prisoners_dilemma


def test_a_markov_game_of_one_state_is_the_repeated_game() -> None:
    payoff = chicken().payoff
    game = TabularMarkovGame(MarkovGame(payoff[:, None], np.ones((1, 2, 2, 1)), [1.0], discount=0.95))
    repeated = RepeatedMatrixGame(chicken(), discount=0.95)
    for action in ([0, 0], [1, 0], [1, 1]):
        own, other = (gap(each, Constant(np.array(action))) for each in (game, repeated))
        np.testing.assert_allclose(own.upper, other.upper, atol=1e-9)
        np.testing.assert_allclose(own.scale, other.scale)


def table(game: RepeatedMatrixGame, seed: int) -> Floats:
    chances = np.random.default_rng(seed).dirichlet(np.ones(game.actions), size=(len(game.agents), game.states))
    for i, size in enumerate(game.game.sizes):
        chances[i, :, size - 1] += chances[i, :, size:].sum(axis=1)
        chances[i, :, size:] = 0
    return chances


def value_of(game: RepeatedMatrixGame, chances: Floats) -> Floats:
    """Return the values at the start, ``[N]``, by walking all pasts for long."""
    worth = np.zeros((len(game.agents), game.states))
    cells = list(product(*map(range, game.game.sizes)))
    state = game.state_of(np.arange(game.states))
    after = [
        game.state_index(game.step(state, np.tile(c, (game.states, 1)), np.empty((game.states, 0))).state)
        for c in cells
    ]
    for _ in range(60):
        total = np.zeros_like(worth)
        for cell, follows in zip(cells, after, strict=True):
            chance = np.prod([chances[i, :, a] for i, a in enumerate(cell)], axis=0)
            total += chance * (game.game.payoff[(slice(None), *cell)][:, None] + game.discount * worth[:, follows])
        worth = total
    return worth[:, 0]


class TestMemory:
    @pytest.mark.parametrize("memory", [1, 2, 3])
    def test_pasts_follow_as_the_environment_plays(self, memory: int) -> None:
        game = RepeatedMatrixGame(MatrixGame(np.random.default_rng(0).normal(size=(3, 2, 3, 2))), memory=memory)
        repeated, rng = memory_game(game), np.random.default_rng(1)
        numbers = rng.integers(game.states, size=500)
        action = np.stack([rng.integers(size, size=500) for size in game.game.sizes], axis=1)
        after = game.step(game.state_of(numbers), action, np.empty((500, 0))).state
        follows = repeated.base[repeated.group[numbers]] + game.joint(action)
        assert np.array_equal(follows, game.state_index(after))


class TestGap:
    @pytest.mark.parametrize("memory", [0, 1])
    def test_no_policy_of_all_gains_more(self, memory: int) -> None:
        payoff = np.random.default_rng(0).normal(size=(2, 2, 2))
        game = RepeatedMatrixGame(MatrixGame(payoff), memory=memory, discount=0.5)
        chances = table(game, 1)
        found, own = gap(game, TabularPolicy(game, chances)), value_of(game, chances)
        np.testing.assert_allclose(found.value, own, atol=1e-9)
        for i in range(2):
            worth = -np.inf
            for choice in product(range(2), repeat=game.states):
                other = chances.copy()
                other[i] = np.eye(2)[list(choice)]
                worth = max(worth, value_of(game, other)[i])
            assert found.lower[i] - 1e-9 <= worth - own[i] <= found.upper[i] + 1e-9
            np.testing.assert_allclose(found.upper[i], worth - own[i], atol=1e-9)

    def test_unequal_actions(self) -> None:
        game = RepeatedMatrixGame(MatrixGame(np.random.default_rng(3).normal(size=(3, 2, 3, 1))), discount=0.6)
        even = gap(game, Random(game))
        stage = [np.array([1 / 3, 2 / 3]), np.full(3, 1 / 3), np.ones(1)]
        np.testing.assert_allclose(even.estimate, game.game.gains(stage) * game.span, atol=1e-9)

    def test_the_deviation_attains_it(self) -> None:
        game = RepeatedMatrixGame(MatrixGame(np.random.default_rng(0).normal(size=(2, 2, 3))), discount=0.7)
        policy = TabularPolicy.pure(game, np.random.default_rng(1).integers(2, size=(2, game.states)))
        found = gap(game, policy)
        assert found.kind is Kind.EXACT
        np.testing.assert_allclose(replay(game, policy, found, range(2)).mean(axis=0), found.lower, atol=1e-9)

    @pytest.mark.parametrize(("discount", "stable"), [(0.5 + 1e-4, True), (0.5 - 1e-4, False)])
    def test_grim_triggers_hold_from_one_half(self, discount: float, stable: bool) -> None:
        game = RepeatedMatrixGame(discount=discount)
        last = game.state_of(np.arange(game.states)).last[:, 0]
        defect = (last > 0).any(axis=1)  # after any defection, for ever
        found = gap(game, TabularPolicy.pure(game, np.stack([defect, defect]).astype(int)))
        assert (found.lower.max() == 0) == stable
        assert found.lower.max() < 1e-3

    def test_a_profile_of_two_rules(self) -> None:
        game = RepeatedMatrixGame()
        generous = Profile({"player_0": Constant(np.array([0, 0])), "player_1": Scripted(game)})
        found = gap(game, generous)
        np.testing.assert_allclose(found.estimate, [20, 0], atol=1e-9)  # to defect pays 1 instead of 0, for ever


class TestSolve:
    def test_pure_and_mixed(self) -> None:
        best = solve(RepeatedMatrixGame(chicken()))
        np.testing.assert_allclose(best.value.sum(), 9 * 20)
        once = solve(RepeatedMatrixGame(matching_pennies(), memory=0, horizon=1, discount=0))
        assert isinstance(once, RepeatedEquilibrium)
        np.testing.assert_allclose(once.mixed, 0.5)
        assert once.residual <= 1e-12

    def test_all_subgames(self) -> None:
        game = RepeatedMatrixGame()
        policy = solve(game).policy
        assert gap(game, policy, concept="subgame perfect").upper.max() == 0


def drawn(horizon: int | None, players: int = 2) -> TabularMarkovGame:
    rng, sizes = np.random.default_rng(0), (2, 3, 2)[:players]
    chances = rng.dirichlet(np.ones(3), size=(3, *sizes))
    reward, start = rng.normal(size=(players, 3, *sizes)), rng.dirichlet(np.ones(3))
    markov = MarkovGame(reward, chances, start, horizon=horizon, discount=1 if horizon else 0.7)
    return TabularMarkovGame(markov, horizon=horizon or 50, discount=0.9 if horizon else 0.7)


class TestMarkov:
    @pytest.mark.parametrize("horizon", [4, None])
    @pytest.mark.parametrize("players", [2, 3])
    def test_solutions_are_certified(self, horizon: int | None, players: int) -> None:
        game = drawn(horizon, players)
        found = solve(game)
        assert found.converged
        assert gap(game, found.policy, concept="subgame perfect").relative.upper.max() <= 1e-9

    def test_the_big_match(self) -> None:
        found = solve(TabularMarkovGame())
        np.testing.assert_allclose(found.value, 0, atol=1e-9)
        assert isinstance(found, MarkovEquilibrium)
        np.testing.assert_allclose(found.policies[0, 0, 0], [1 / 21, 20 / 21], atol=1e-9)

    @pytest.mark.parametrize("horizon", [4, None])
    def test_gaps_agree_with_play(self, horizon: int | None) -> None:
        game = drawn(horizon)
        found = gap(game, Random(game))
        gains = replay(game, Random(game), found, range(3000))
        error = gains.std(axis=0) / np.sqrt(len(gains))
        assert found.kind is Kind.EXACT
        assert (np.abs(gains.mean(axis=0) - found.lower) <= 4 * error).all()

    def test_the_step_is_read_from_what_is_seen(self) -> None:
        game = drawn(4)
        steps = np.arange(4)[None, :, None, None] % 2 * np.ones((2, 1, 3, 1))
        policy = MarkovPolicy(game, np.concatenate([1 - steps, steps, 0 * steps], axis=3))
        for t in range(4):
            seen = game.observe(game.state_of(np.arange(3), t))
            assert (policy.act(seen, np.random.default_rng(0)) == t % 2).all()


class TestNoisyMonitoring:
    """The prisoner's dilemma, seen right with the chance .9."""

    GAME = RepeatedMatrixGame(monitoring=0.9)

    def copying(self) -> TabularPolicy:
        """Return tit for tat: cooperate at first, then do what the other was seen to do."""
        newest = self.GAME.state_of(np.arange(self.GAME.states)).last[:, 0]
        return TabularPolicy.pure(self.GAME, np.maximum(newest[:, ::-1].T, 0))

    def test_the_value_of_copying_is_that_of_its_chain(self) -> None:
        # Each does next what the other did, or, one time in ten, the opposite: four states.
        judged = gap(self.GAME, self.copying(), seeds=range(200))
        right = np.array([[0.9, 0.1], [0.1, 0.9]])
        chain = np.einsum("ia,jb->ijba", right, right).reshape(4, 4)  # from (a_1, a_2) to their answers
        payoff = prisoners_dilemma().payoff.reshape(2, 4)
        value = np.linalg.solve(np.eye(4) - 0.95 * chain, payoff.T)[0]
        np.testing.assert_allclose(judged.value, value, rtol=0.03)
        assert judged.kind == Kind.LOWER
        most = prisoners_dilemma().payoff.reshape(2, -1).max(axis=1) * self.GAME.span
        assert (judged.upper <= most - value + 2.0).all()  # five standard errors of the value
        assert (judged.lower <= judged.estimate).all()
        again = replay(self.GAME, self.copying(), judged, seeds=range(1000, 1200)).mean(axis=0)
        np.testing.assert_allclose(again, judged.estimate, atol=1.5)

    def test_what_does_not_react_is_judged_exactly(self) -> None:
        found = solve(self.GAME)
        assert found.converged
        judged = gap(self.GAME, found.policy)
        assert judged.kind == Kind.EXACT
        assert judged.upper.tolist() == [0, 0]
        cooperating = TabularPolicy.pure(self.GAME, np.zeros((2, self.GAME.states), dtype=np.int64))
        plain = replace(self.GAME, monitoring=1.0)
        same = gap(plain, TabularPolicy.pure(plain, np.zeros((2, plain.states), dtype=np.int64)))
        np.testing.assert_array_equal(gap(self.GAME, cooperating).upper, same.upper)
        assert (gap(self.GAME, cooperating, concept="subgame perfect").upper == same.upper).all()

    def test_a_trigger_that_noise_sets_off_is_worth_less(self) -> None:
        plain = replace(self.GAME, monitoring=1.0)
        table = grim_trigger(plain, (0, 0), (1, 1))
        table[:, 0] = 0
        values = [gap(game, TabularPolicy.pure(game, table)).value for game in (self.GAME, plain)]
        assert (values[0] < 0.6 * values[1]).all()

    def test_what_needs_to_see_says_so(self) -> None:
        with pytest.raises(ValueError, match="`game` must show what was done, with a monitoring of 1"):
            memory_best_response(self.GAME, np.zeros((1, 2, 5), dtype=np.int64))
        with pytest.raises(ValueError, match="for gains after all pasts of play that reacts"):
            gap(self.GAME, self.copying(), concept="subgame perfect")
