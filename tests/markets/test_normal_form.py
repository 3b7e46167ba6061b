from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from walras.core.typing import Floats
from walras.markets.matrix import MatrixGame, MatrixGames
from walras.markets.normal_form import pure_profile, rows_of

PENNIES = MatrixGame([[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]])
CHICKEN = MatrixGame([[[6, 2], [7, 0]], [[6, 7], [2, 0]]])
DILEMMA = MatrixGame([[[3, 0], [5, 1]], [[3, 5], [0, 1]]])


def drawn(sizes: tuple[int, ...], seed: int = 0) -> tuple[MatrixGame, tuple[Floats, ...]]:
    rng = np.random.default_rng(seed)
    game = MatrixGame(rng.normal(size=(len(sizes), *sizes)))
    return game, tuple(rng.dirichlet(np.ones(n)) for n in sizes)


def expected(game: MatrixGame, mixed: tuple[Floats, ...], player: int) -> float:
    """Return a player's payoff, cell by cell."""
    cells = product(*map(range, game.sizes))
    return sum(game.payoff[player][c] * np.prod([x[a] for x, a in zip(mixed, c, strict=True)]) for c in cells)


class TestMixedStrategies:
    @pytest.mark.parametrize("sizes", [(2, 2), (3, 1), (2, 3, 4), (2, 2, 2, 3), (5,), (1, 1)])
    def test_values_and_gains_are_those_of_the_sum_over_cells(self, sizes: tuple[int, ...]) -> None:
        game, mixed = drawn(sizes)
        for i in range(len(sizes)):
            own = [expected(game, (*mixed[:i], e, *mixed[i + 1 :]), i) for e in np.eye(sizes[i])]
            np.testing.assert_allclose(game.utilities(mixed)[i], own, atol=1e-12)
            np.testing.assert_allclose(game.values(mixed)[i], expected(game, mixed, i), atol=1e-12)
            np.testing.assert_allclose(game.gains(mixed)[i], max(own) - expected(game, mixed, i), atol=1e-12)

    def test_a_row_is_a_batch_of_one_bit_for_bit(self) -> None:
        rng = np.random.default_rng(1)
        games = MatrixGames(rng.normal(size=(7, 3, 4, 5, 3)))
        mixed = [rng.dirichlet(np.ones(n), size=7) for n in (4, 5, 3)]
        together = games.utilities(mixed)
        for b in range(7):
            alone = games[b].utilities([x[b] for x in mixed])
            assert all(np.array_equal(whole[b], own) for whole, own in zip(together, alone, strict=True))

    def test_matching_pennies(self) -> None:
        assert PENNIES.nash_conv(([0.5, 0.5], [0.5, 0.5])) == 0
        np.testing.assert_allclose(PENNIES.gains(([0.5, 0.5], [0.6, 0.4])), [0.2, 0.0], atol=1e-15)

    def test_no_cancellation_where_payoffs_are_large(self) -> None:
        shifted = MatrixGame(np.array(PENNIES.payoff) + 2.0**40)
        assert shifted.nash_conv(([0.5, 0.5], [0.5, 0.5])) == 0

    def test_regret_is_a_share_of_each_players_own_spread(self) -> None:
        game, mixed = drawn((2, 3, 4))
        scaled = MatrixGame(game.payoff * np.array([1e9, 1.0, 1e-12]).reshape(3, 1, 1, 1))
        spreads = [np.ptp(own) for own in game.payoff]
        assert game.regret(mixed) == pytest.approx(max(game.gains(mixed) / spreads), rel=1e-12)
        assert scaled.regret(mixed) == pytest.approx(game.regret(mixed), rel=1e-12)

    def test_payoffs_between_0_and_1(self) -> None:
        game = MatrixGame([[[3, 7], [5, 4]], [[2, 2], [2, 2]]])
        assert game.normalised.payoff.tolist() == [[[0, 1], [0.5, 0.25]], [[0, 0], [0, 0]]]

    def test_what_is_no_strategy_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"`mixed\[1\]` must sum to one"):
            PENNIES.values(([0.5, 0.5], [0.5, 0.4]))
        with pytest.raises(ValueError, match=r"`mixed\[0\]` must hold probabilities"):
            PENNIES.values(([1.5, -0.5], [0.5, 0.5]))
        with pytest.raises(ValueError, match="`mixed` must hold 2 strategies"):
            PENNIES.values(([0.5, 0.5],))


class TestDevices:
    def test_chicken(self) -> None:
        joint = np.array([[0, 0.5], [0.5, 0]])
        np.testing.assert_allclose(CHICKEN.gap(joint, "correlated"), 0)
        np.testing.assert_allclose(CHICKEN.gap(joint), [-0.5, -0.5])

    @pytest.mark.parametrize("sizes", [(2, 2), (2, 3, 2), (4, 3)])
    def test_gains_are_those_of_all_rules(self, sizes: tuple[int, ...]) -> None:
        game, _ = drawn(sizes, 3)
        joint = np.random.default_rng(4).dirichlet(np.ones(int(np.prod(sizes)))).reshape(sizes)
        for i, size in enumerate(sizes):
            table, weight = rows_of(game.payoff[i], i), rows_of(joint, i)
            rules = [
                sum((table[rule[a]] @ weight[a]) for a in range(size)) for rule in product(range(size), repeat=size)
            ]
            obeyed = (table * weight).sum()
            np.testing.assert_allclose(game.gap(joint, "correlated")[i], max(rules) - obeyed, atol=1e-12)
            fixed = max(float((table[a] * weight).sum()) for a in range(size))
            np.testing.assert_allclose(game.gap(joint)[i], fixed - obeyed, atol=1e-12)

    def test_a_product_gains_what_its_strategies_do(self) -> None:
        game, mixed = drawn((3, 4), 5)
        np.testing.assert_allclose(game.gap(np.outer(*mixed)), game.gains(mixed), atol=1e-12)

    def test_other_concepts_are_refused(self) -> None:
        with pytest.raises(ValueError, match="`concept` must be one of"):
            CHICKEN.gap(np.full((2, 2), 0.25), "nash")


class TestStructure:
    def test_zero_sum(self) -> None:
        assert PENNIES.is_zero_sum
        assert not CHICKEN.is_zero_sum
        assert MatrixGame(np.array(PENNIES.payoff) + 3).is_zero_sum

    def test_symmetric(self) -> None:
        assert CHICKEN.is_symmetric
        assert not PENNIES.is_symmetric
        total = np.indices((2, 2, 2)).sum(axis=0)
        alike = np.stack([total * (1 + np.indices((2, 2, 2))[i]) for i in range(3)])
        assert MatrixGame(alike).is_symmetric
        alike[2] += 1
        assert not MatrixGame(alike).is_symmetric

    @settings(max_examples=30, deadline=None)
    @given(arrays(float, (2, 3, 2), elements=st.floats(-9, 9, width=32)), st.integers(0, 9))
    def test_a_planted_potential_is_found(self, potential: Floats, seed: int) -> None:
        rng = np.random.default_rng(seed)
        payoff = np.stack([potential + np.expand_dims(rng.normal(size=np.delete((2, 3, 2), i)), i) for i in range(3)])
        found = MatrixGame(payoff).potential()
        assert found is not None
        np.testing.assert_allclose(found, potential - potential[0, 0, 0], atol=1e-9)

    def test_potentials_of_named_games(self) -> None:
        assert PENNIES.potential() is None
        found = DILEMMA.potential()
        assert found is not None
        np.testing.assert_allclose(found, [[0, 2], [2, 3]])

    def test_pure_profiles(self) -> None:
        first, second = pure_profile((2, 3), (1, 2))
        assert first.tolist() == [0, 1]
        assert second.tolist() == [0, 0, 1]


class TestExact:
    def test_fractions_and_integers_are_kept(self) -> None:
        third = Fraction(1, 3)
        game = MatrixGame(np.array([[[third, 0], [1, 2**60 + 1]]] * 2, dtype=object))
        assert game.exact[0, 0, 0] == third
        assert game.exact[1, 1, 1] == 2**60 + 1
        assert MatrixGame(np.full((1, 1), 2**60 + 1)).exact[0, 0] == 2**60 + 1

    def test_floats_are_exact(self) -> None:
        assert MatrixGame([[0.1]]).exact[0, 0] == Fraction(0.1) != Fraction(1, 10)

    def test_payoffs_are_read_only_and_copied(self) -> None:
        given = np.zeros((2, 2, 2))
        game = MatrixGame(given)
        given[:] = 1
        assert not game.payoff.any()
        with pytest.raises(ValueError, match="read-only"):
            game.payoff[0, 0, 0] = 1


class TestRefused:
    @pytest.mark.parametrize(
        ("payoff", "message"),
        [
            ([[[1, 2], [3]], [[1, 2], [3, 4]]], "full array"),
            (np.full((2, 2, 2), np.nan), "`payoff` must be finite; got nan"),
            (np.array([[[0.0, np.inf]] * 2] * 2), "`payoff` must be finite; got inf at index"),
            (np.zeros((3, 2, 2)), "one axis of actions a player"),
            (np.zeros((2, 2)), "one axis of actions a player"),
            (np.zeros((2, 0, 2)), "give each player an action"),
            (np.array(3.0), "have an axis of players"),
            (np.array([["a"]]), "hold floats, integers or fractions"),
            (np.lib.stride_tricks.as_strided(np.zeros(1), (2, 2**14, 2**13), (0, 0, 0)), "at most 67108864 cells"),
        ],
    )
    def test_what_is_no_game(self, payoff: object, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            MatrixGame(payoff)

    def test_names(self) -> None:
        with pytest.raises(ValueError, match="`actions` must not repeat a name"):
            MatrixGame(np.zeros((1, 2)), actions=[["a", "a"]])
        with pytest.raises(ValueError, match="`agents` must hold 1 names"):
            MatrixGame(np.zeros((1, 2)), agents=["a", "b"])

    def test_a_batch_says_its_axes(self) -> None:
        with pytest.raises(ValueError, match="B, N, A_1"):
            MatrixGames(np.zeros((2, 2, 2)))
