from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from walras.equilibria import extreme_nash
from walras.equilibria.normal_form import extreme
from walras.equilibria.normal_form.extreme import eliminated
from walras.markets.matrix import MatrixGame

RPS = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])


def of(row: ArrayLike, column: ArrayLike) -> MatrixGame:
    return MatrixGame(np.stack([np.asarray(row), np.asarray(column)]))


def vertices(payoff: NDArray[Any]) -> set[tuple[Fraction, ...]]:
    """Return the vertices of ``{z >= 0: payoff z <= 1}`` but the origin: all choices of binding constraints."""
    rows, size = payoff.shape
    rules = [([Fraction(-int(i == k)) for k in range(size)], Fraction(0)) for i in range(size)]
    rules += [([Fraction(int(v)) for v in row], Fraction(1)) for row in payoff]
    found: set[tuple[Fraction, ...]] = set()
    for chosen in combinations(range(size + rows), size):
        z = eliminated([[*rules[k][0], rules[k][1]] for k in chosen])
        if z and any(z) and all(sum(a * b for a, b in zip(left, z, strict=True)) <= right for left, right in rules):
            found.add(tuple(z))
    return found


def oracle(row: NDArray[Any], column: NDArray[Any]) -> set[tuple[tuple[Fraction, ...], ...]]:
    """Return the extreme equilibria of whole payoffs by the definition, in fractions."""
    row, column = row - row.min() + 1, column - column.min() + 1
    found: set[tuple[tuple[Fraction, ...], ...]] = set()
    for x in vertices(column.T):
        for y in vertices(row):
            first = [sum(int(v) * w for v, w in zip(line, y, strict=True)) for line in row]
            second = [sum(int(v) * w for v, w in zip(line, x, strict=True)) for line in column.T]
            played = all(p == 0 or w == 1 for p, w in zip((*x, *y), (*first, *second), strict=True))
            if played:
                found.add((tuple(p / sum(x) for p in x), tuple(p / sum(y) for p in y)))
    return found


def check(count: int, most: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(count):
        row, column = rng.integers(0, 3, size=(2, *rng.integers(1, most + 1, size=2)))
        found = extreme_nash(of(row, column))
        assert found.fractions is not None
        assert {(tuple(x), tuple(y)) for x, y in zip(*found.fractions, strict=True)} == oracle(row, column)
        assert len(found) == len(oracle(row, column))


class TestAllOfThem:
    def test_degenerate_games_agree_with_fractions(self) -> None:
        check(60, 3)

    @pytest.mark.slow
    def test_425_games_agree_with_fractions(self) -> None:
        check(425, 4)

    @pytest.mark.parametrize(
        ("row", "column", "count"),
        [
            ([[3, 0], [5, 1]], [[3, 5], [0, 1]], 1),  # prisoner's dilemma
            ([[4, 1], [3, 2]], [[4, 3], [1, 2]], 3),  # stag hunt
            ([[6, 2], [7, 0]], [[6, 7], [2, 0]], 3),  # chicken
            ([[2, 0], [0, 1]], [[1, 0], [0, 2]], 3),  # battle of the sexes
            ([[1, -1], [-1, 1]], [[-1, 1], [1, -1]], 1),  # matching pennies
            (RPS, -RPS, 1),
            (np.eye(3), np.roll(np.eye(3), 1, axis=1), 1),  # Shapley
            (np.zeros((2, 2)), np.zeros((2, 2)), 4),
            ([[1, 1], [1, 0]], [[1, 1], [1, 0]], 3),
        ],
    )
    def test_counts(self, row: ArrayLike, column: ArrayLike, count: int) -> None:
        found = extreme_nash(of(row, column))
        assert len(found) == count
        assert found.complete

    @pytest.mark.parametrize("large", [300_000_000, 10**9, 10**10, 10**12])
    def test_none_is_missed_unsaid_where_payoffs_are_almost_equal(self, large: int) -> None:
        rng = np.random.default_rng(1)
        for _ in range(15):
            row, column = large * rng.integers(0, 3, size=(2, 3, 3)) + rng.integers(-2, 3, size=(2, 3, 3))
            found = extreme_nash(of(row, column), exact=False)
            assert not found.complete or len(found) == len(oracle(row, column))

    @pytest.mark.parametrize("size", range(1, 9))
    def test_coordination(self, size: int) -> None:
        assert len(extreme_nash(of(np.eye(size), np.eye(size)))) == 2**size - 1

    def test_floats_and_fractions_agree(self) -> None:
        rng = np.random.default_rng(1)
        for _ in range(5):
            game = MatrixGame(rng.normal(size=(2, 5, 6)))
            first, other = extreme_nash(game), extreme_nash(game, exact=False)
            assert other.fractions is None
            np.testing.assert_allclose(first.x, other.x, atol=1e-8)
            for x, y in zip(other.x, other.y, strict=True):
                assert game.nash_conv((x, y)) <= 1e-8

    def test_sorting_and_comparing_find_the_same_pairs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rng = np.random.default_rng(3)
        games = [MatrixGame(rng.integers(0, 3, size=(2, 6, 5))) for _ in range(20)]
        compared = [extreme_nash(game) for game in games]
        monkeypatch.setattr(extreme, "FEW", 0)
        monkeypatch.setattr(extreme, "COMPARED", 7)
        for game, other in zip(games, compared, strict=True):
            found = extreme_nash(game)
            np.testing.assert_array_equal(found.x, other.x)
            np.testing.assert_array_equal(found.y, other.y)
            assert found.components == other.components


class TestComponents:
    def test_they_are_the_maximal_products_of_pairs(self) -> None:
        """The other road: every set of strategies of the first player, with all that go with each of them."""
        rng = np.random.default_rng(2)
        for _ in range(40):
            found = extreme_nash(MatrixGame(rng.integers(0, 2, size=(2, 3, 3))))
            rows, columns = (np.unique(own, axis=0, return_inverse=True)[1].ravel() for own in found.mixed)
            pairs = set(zip(rows.tolist(), columns.tolist(), strict=True))
            products = set[frozenset[tuple[int, int]]]()
            for count in range(1, len(set(rows)) + 1):
                for some in combinations(range(len(set(rows))), count):
                    shared = [j for j in range(len(set(columns))) if all((i, j) in pairs for i in some)]
                    products.add(frozenset((i, j) for i in some for j in shared))
            largest = {own for own in products if own and not any(own < other for other in products)}
            told = {frozenset((int(rows[k]), int(columns[k])) for k in members) for members in found.components}
            assert told == largest

    def test_a_square_and_an_angle(self) -> None:
        assert extreme_nash(of(np.zeros((2, 2)), np.zeros((2, 2)))).components == ((0, 1, 2, 3),)
        found = extreme_nash(of([[1, 1], [1, 0]], [[1, 1], [1, 0]]))
        assert sorted(map(len, found.components)) == [2, 2]

    def test_mixtures_within_a_component_are_equilibria(self) -> None:
        rng = np.random.default_rng(0)
        for _ in range(20):
            game = MatrixGame(rng.integers(0, 2, size=(2, 3, 3)))
            found = extreme_nash(game)
            for members in found.components:
                weight, other = rng.dirichlet(np.ones(len(members)), size=2)
                x, y = weight @ found.x[list(members)], other @ found.y[list(members)]
                assert game.nash_conv((x, y)) <= 1e-9


class TestRefused:
    def test_large_games(self) -> None:
        with pytest.raises(ValueError, match="at most 15 actions a player; raise `most`, or use `nash`"):
            extreme_nash(MatrixGame(np.zeros((2, 16, 2))))

    def test_one_player(self) -> None:
        with pytest.raises(ValueError, match="at least two players"):
            extreme_nash(MatrixGame([[1, 2]]))

    def test_three_players_are_not_complete(self) -> None:
        total = np.indices((2, 2, 2)).sum(axis=0) % 3 == 0
        game = MatrixGame(np.stack([total, total, total]).astype(float))
        found = extreme_nash(game)
        assert not found.complete
        for k in range(len(found)):
            assert game.nash_conv([own[k] for own in found.mixed]) <= 1e-9
