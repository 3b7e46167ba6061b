from itertools import product

import numpy as np
import pytest

from walras.core.solution import SolverError
from walras.core.typing import Floats
from walras.equilibria import nash
from walras.equilibria.matrix.markov import markov_correlated, markov_perfect, markov_zero_sum
from walras.equilibria.matrix.markov_response import best_response
from walras.equilibria.matrix.sparse_cce import sparse_cce_gap
from walras.markets.matrix import MarkovGame, MatrixGame


def drawn(sizes: tuple[int, ...], states: int, horizon: int | None, seed: int = 0) -> MarkovGame:
    rng = np.random.default_rng(seed)
    chances = rng.dirichlet(np.full(states, 0.3), size=(states, *sizes))
    reward, start = rng.normal(size=(len(sizes), states, *sizes)), rng.dirichlet(np.ones(states))
    return MarkovGame(reward, chances, start, horizon=horizon, discount=1.0 if horizon else 0.8)


def policies_of(game: MarkovGame, rows: int, steps: int = 1, seed: int = 1) -> Floats:
    rng, table = np.random.default_rng(seed), np.zeros((rows, game.players, steps, game.states, max(game.sizes)))
    for i, size in enumerate(game.sizes):
        table[:, i, ..., :size] = rng.dirichlet(np.ones(size), size=(rows, steps, game.states))
    return table


def big_match(discount: float) -> MarkovGame:
    """Return the big match: once the row player stops, 1 or 0 is paid for ever, as the column player chose."""
    reward = np.zeros((2, 3, 2, 2))
    reward[0, 0], reward[0, 2] = np.eye(2), 1
    reward[1] = -reward[0]
    chances = np.zeros((3, 2, 2, 3))
    chances[0, 0, 0, 2] = chances[0, 0, 1, 1] = 1
    chances[0, 1, :, 0] = chances[1, ..., 1] = chances[2, ..., 2] = 1
    return MarkovGame(reward, chances, [1, 0, 0], discount=discount)


def by_simulation(game: MarkovGame, table: Floats, steps: int) -> Floats:
    """Return the values ``[N, S]`` of stationary policies ``[N, S, A]``, cell by cell."""
    value = np.zeros((game.players, game.states))
    for _ in range(steps):
        after = np.zeros_like(value)
        for s, cell in product(range(game.states), product(*map(range, game.sizes))):
            chance = np.prod([table[i, s, a] for i, a in enumerate(cell)])
            after[:, s] += chance * (
                game.reward[(slice(None), s, *cell)] + game.discount * value @ game.transition[(s, *cell)]
            )
        value = after
    return value


class TestBestResponse:
    @pytest.mark.parametrize(("horizon", "steps"), [(4, 4), (None, 200)])
    def test_values_are_those_of_the_sum_over_cells(self, horizon: int | None, steps: int) -> None:
        game = drawn((2, 3, 2), 3, horizon)
        table = policies_of(game, 2)
        found = best_response(game, table)
        for b in range(2):
            told = by_simulation(game, table[b, :, 0], steps)
            np.testing.assert_allclose(found.value[b, :, 0], told, atol=1e-9)
            np.testing.assert_allclose(found.start_value[b], told @ game.start, atol=1e-9)

    @pytest.mark.parametrize(("horizon", "steps"), [(2, 2), (None, 200)])
    def test_no_deviation_of_all_is_better(self, horizon: int | None, steps: int) -> None:
        game = drawn((2, 3), 2, horizon)
        table = policies_of(game, 1)
        found, worth = best_response(game, table), -np.inf
        for choice in product(range(3), repeat=2 * (horizon or 1)):
            other = np.broadcast_to(table, (1, 2, horizon or 1, 2, 3)).copy()
            other[0, 1] = np.eye(3)[np.reshape(choice, (horizon or 1, 2))]
            worth = max(worth, float(best_response(game, other).start_value[0, 1]))
        gain = worth - found.start_value[0, 1]
        np.testing.assert_allclose(found.gap[0, 1], gain, atol=1e-9)

    @pytest.mark.parametrize("horizon", [3, None])
    def test_the_reply_attains_the_best_value(self, horizon: int | None) -> None:
        game = drawn((3, 2, 2), 4, horizon)
        table = policies_of(game, 3)
        found = best_response(game, table)
        for i in range(3):
            other = np.broadcast_to(table, (3, 3, horizon or 1, 4, 3)).copy()
            other[:, i] = np.eye(3)[found.reply[:, i]]
            np.testing.assert_allclose(best_response(game, other).value[:, i], found.best[:, i], atol=1e-9)

    def test_a_row_is_a_batch_of_one(self) -> None:
        game = drawn((2, 3), 4, None)
        table = policies_of(game, 300)
        together = best_response(game, table)
        for b in (0, 137, 299):
            np.testing.assert_allclose(best_response(game, table[b : b + 1]).best[0], together.best[b], atol=1e-12)

    def test_the_level_of_rewards_does_not_count(self) -> None:
        game = drawn((2, 3), 3, None)
        table, reward = policies_of(game, 3), np.round(game.reward * 8)
        plain, raised = (
            best_response(MarkovGame(reward + level, game.transition, game.start, discount=0.75), table)
            for level in (0, 2**40)
        )
        np.testing.assert_allclose(raised.subgame_gap, plain.subgame_gap, atol=4e-3)
        np.testing.assert_array_equal(raised.reply, plain.reply)

    def test_policies_are_checked(self) -> None:
        game = drawn((2, 3), 4, 3)
        with pytest.raises(ValueError, match="`policies` must give actions that do not exist no chance"):
            best_response(game, np.full((1, 2, 4, 3), 1 / 3))
        with pytest.raises(ValueError, match="`policies` must have 1 or 3 steps"):
            best_response(game, policies_of(game, 1, steps=2))
        with pytest.raises(ValueError, match="`policies` must sum to 1"):
            best_response(game, 0.9 * policies_of(game, 1))


class TestZeroSum:
    @pytest.mark.parametrize("discount", [0.5, 0.9, 0.99])
    def test_the_big_match(self, discount: float) -> None:
        found = markov_zero_sum(big_match(discount))
        assert found.value[0, 0, 0] * (1 - discount) == pytest.approx(0.5, abs=1e-9)
        assert found.policies[0, 0, 0, 0] == pytest.approx((1 - discount) / (2 - discount), abs=1e-8)
        np.testing.assert_allclose(found.policies[1, 0, 0], 0.5, atol=1e-8)

    @pytest.mark.parametrize("horizon", [3, None])
    def test_random_games(self, horizon: int | None) -> None:
        game = drawn((3, 4), 5, horizon)
        reward = np.stack([game.reward[0], -game.reward[0]])
        game = MarkovGame(reward, game.transition, game.start, horizon=horizon, discount=game.discount)
        assert markov_zero_sum(game).residual <= 1e-10

    def test_other_rewards_are_refused_at_all_scales(self) -> None:
        game = drawn((2, 2), 2, None)
        with pytest.raises(ValueError, match="`game` must have rewards that sum to zero"):
            markov_zero_sum(MarkovGame(1e-14 * game.reward, game.transition, game.start, discount=0.8))

    def test_other_rewards_are_refused(self) -> None:
        with pytest.raises(ValueError, match="`game` must have rewards that sum to zero"):
            markov_zero_sum(drawn((2, 2), 2, 3))


class TestSeveralPlayers:
    @pytest.mark.parametrize("horizon", [3, None])
    def test_markov_perfect(self, horizon: int | None) -> None:
        game = drawn((2, 3, 2), 3, horizon)
        found = markov_perfect(game)
        assert found.residual <= 1e-9
        assert best_response(game, found.policies[None]).subgame_gap.max() <= 1e-8

    @pytest.mark.parametrize("horizon", [3, None])
    def test_a_player_of_small_rewards_counts_as_much(self, horizon: int | None) -> None:
        game = drawn((2, 3, 2), 3, horizon)
        reward = game.reward * np.array([1.0, 1e-10, 1e-12]).reshape(3, 1, 1, 1, 1)
        small = MarkovGame(reward, game.transition, game.start, horizon=horizon, discount=game.discount)
        found = markov_perfect(small)
        spreads = [np.ptp(own) for own in reward]
        assert found.converged
        assert (best_response(small, found.policies[None]).subgame_gap[0] <= 1e-8 * np.array(spreads)).all()

    def test_a_repeated_dilemma_is_defection(self) -> None:
        payoff = np.array([[[3, 0], [5, 1]], [[3, 5], [0, 1]]])[:, None]
        game = MarkovGame(payoff, np.ones((1, 2, 2, 1)), [1], horizon=4)
        assert markov_perfect(game).policies[..., 1].min() == 1
        assert markov_correlated(game, "ce").joint[..., 1, 1].min() == pytest.approx(1)

    def test_devices_contain_nash(self) -> None:
        game = drawn((2, 3), 3, 1)
        device, perfect = markov_correlated(game, "ce"), markov_perfect(game)
        for s in range(3):
            stage = MatrixGame(game.reward[:, s])
            assert device.value[:, 0, s].sum() >= perfect.value[:, 0, s].sum() - 1e-9
            assert device.value[:, 0, s].sum() >= nash(stage).value.sum() - 1e-9

    def test_devices_need_a_horizon(self) -> None:
        with pytest.raises(ValueError, match="`game` must have a horizon"):
            markov_correlated(drawn((2, 2), 2, None))

    def test_what_does_not_converge_raises(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("walras.equilibria.matrix.markov.ROUNDS", 50)
        monkeypatch.setattr("walras.equilibria.matrix.markov.TOL", -1.0)
        with pytest.raises(SolverError):
            markov_perfect(drawn((2, 2), 3, None))


class TestSparseMixtures:
    def test_memory_pays_in_pennies(self) -> None:
        # The column player plays heads twice or tails twice: who saw the first knows the second.
        row = np.array([[1.0, -1.0], [-1.0, 1.0]])
        game = MarkovGame(np.stack([row, -row])[:, None], np.ones((1, 2, 2, 1)), [1], horizon=2)
        mixture = np.full((2, 2, 1, 2), 0.5)
        mixture[:, 1, 0] = np.eye(2)
        assert sparse_cce_gap(game, mixture).tolist() == [1, 0]
        assert sparse_cce_gap(game, mixture, "markov").tolist() == [0, 0]

    def test_one_profile_needs_no_memory(self) -> None:
        game = drawn((2, 3), 2, 3)
        table = policies_of(game, 1, steps=3)
        both = [sparse_cce_gap(game, table, deviators) for deviators in ("history", "markov")]
        np.testing.assert_allclose(both[0], both[1], atol=1e-9)
        np.testing.assert_allclose(both[0], best_response(game, table).gap[0], atol=1e-9)

    def test_memory_never_hurts(self) -> None:
        game = drawn((2, 2), 2, 3)
        table = policies_of(game, 3, steps=3)
        assert (sparse_cce_gap(game, table) >= sparse_cce_gap(game, table, "markov") - 1e-12).all()

    def test_too_much_to_try(self) -> None:
        game = drawn((3, 2), 4, 4)
        with pytest.raises(ValueError, match="Markov deviations; ask for 'history'"):
            sparse_cce_gap(game, policies_of(game, 2), "markov")
