from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from walras.core.typing import Floats
from walras.equilibria.normal_form.bimatrix import TOL, lemke_howson, lemke_howson_exact
from walras.markets.matrix import MatrixGame, MatrixGames

KINDS = ("normal", "three", "two", "zero sum")


def drawn(kind: str, rows: int, sizes: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Return payoffs ``[rows, 2, m, n]``; all but normal ones have ties in most cells."""
    shape = (rows, 2, *sizes)
    match kind:
        case "normal":
            return rng.normal(size=shape)
        case "three":
            return rng.integers(0, 3, size=shape).astype(float)
        case "two":
            return rng.integers(0, 2, size=shape).astype(float)
        case _:
            own = rng.integers(-5, 6, size=(rows, *sizes)).astype(float)
            return np.stack([own, -own], axis=1)


def regrets(payoff: Floats, x: Floats, y: Floats) -> Floats:
    """Return the larger gain of each game as a share of its spread, written out."""
    row, column = payoff[:, 0], payoff[:, 1]
    first, second = np.einsum("bij,bj->bi", row, y), np.einsum("bij,bi->bj", column, x)
    gains = first.max(axis=1) - (first * x).sum(axis=1), second.max(axis=1) - (second * y).sum(axis=1)
    wide = np.ptp(payoff.reshape(len(payoff), 2, -1), axis=2).max(axis=1)
    return np.maximum(*gains) / np.where(wide > 0, wide, 1)


def check(count: int) -> None:
    """Solve random games of 2 to 20 actions a player and check each answer apart from the solver."""
    rng, sizes = np.random.default_rng(7), [(m, n) for m, n in product(range(2, 21), repeat=2)]
    each = max(1, count // 100)
    for k in range(25):
        for kind in KINDS:
            payoff = drawn(kind, each, sizes[int(rng.integers(len(sizes)))] if k else (20, 20), rng)
            found = lemke_howson(MatrixGames(payoff))
            assert (found.label >= 0).all(), (k, kind)
            assert found.x.min() >= 0
            np.testing.assert_allclose(found.x.sum(axis=1), 1, atol=1e-12)
            np.testing.assert_allclose(found.y.sum(axis=1), 1, atol=1e-12)
            assert regrets(payoff, found.x, found.y).max() <= TOL


class TestFloats:
    def test_500_games_are_solved(self) -> None:
        check(500)

    @pytest.mark.slow
    def test_10_000_games_are_solved(self) -> None:
        check(10_000)

    def test_one_action_or_constant_payoffs(self) -> None:
        found = lemke_howson(MatrixGame([[[1.0, 2.0]], [[3.0, 4.0]]]))
        assert found.y.tolist() == [[0, 1]]
        assert lemke_howson(MatrixGame(np.zeros((2, 3, 4)))).residual.tolist() == [0]

    def test_a_row_is_a_batch_of_one_bit_for_bit(self) -> None:
        games = MatrixGames(np.random.default_rng(0).normal(size=(9, 2, 6, 5)))
        together = lemke_howson(games)
        for b in range(9):
            alone = lemke_howson(games[b])
            assert np.array_equal(alone.x[0], together.x[b])
            assert np.array_equal(alone.y[0], together.y[b])

    def test_scale_and_level_of_payoffs_do_not_matter(self) -> None:
        payoff = np.random.default_rng(3).normal(size=(2, 7, 8))
        first, other = lemke_howson(MatrixGame(payoff)), lemke_howson(MatrixGame(1e9 * payoff - 3e9))
        np.testing.assert_allclose(first.x, other.x, atol=1e-9)

    def test_a_path_that_is_cut_is_no_equilibrium(self) -> None:
        pennies = MatrixGame([[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]])
        found = lemke_howson(pennies, most=1)
        assert found.label.tolist() == [-1]
        assert np.isinf(found.residual[0])

    def test_three_players_are_refused(self) -> None:
        with pytest.raises(ValueError, match="`games` must have two players; got 3"):
            lemke_howson(MatrixGame(np.zeros((3, 2, 2, 2))))


class TestFractions:
    @pytest.mark.parametrize("kind", KINDS)
    def test_the_answer_is_an_equilibrium_in_fractions(self, kind: str) -> None:
        rng = np.random.default_rng(5)
        for _ in range(10):
            payoff = drawn(kind, 1, tuple(rng.integers(1, 6, size=2)), rng)[0]
            game = MatrixGame(payoff)
            found = lemke_howson_exact(game)
            assert found is not None
            x, y = found
            assert sum(x) == 1 == sum(y)
            assert min(*x, *y) >= 0
            row, column = game.exact
            for own, other, table in ((x, y, row), (y, x, column.T)):
                worth = [sum(u * w for u, w in zip(line, other, strict=True)) for line in table]
                assert all(w == max(worth) for w, p in zip(worth, own, strict=True) if p > 0)

    def test_thirds(self) -> None:
        third = Fraction(1, 3)
        battle = MatrixGame(np.array([[[third, 0], [0, 2 * third]], [[1, 0], [0, 0]]], dtype=object))
        found = lemke_howson_exact(battle)
        assert found is not None
        assert all(isinstance(p, Fraction) for own in found for p in own)
