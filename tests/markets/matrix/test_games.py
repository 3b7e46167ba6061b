from itertools import product

import numpy as np
import pytest

from walras.markets.electricity.clearing import clear, settle_uniform
from walras.markets.matrix import MatrixGame
from walras.markets.matrix import named_games as named
from walras.markets.matrix import random_games as drawn
from walras.markets.matrix.dominance import dominated, reduced, security
from walras.markets.normal_form import rows_of


def equilibria(game: MatrixGame) -> list[tuple[int, ...]]:
    """Return pure equilibria, cell by cell."""
    found = []
    for cell in product(*map(range, game.sizes)):
        others = [
            game.payoff[i][(*cell[:i], slice(None), *cell[i + 1 :])].max() <= game.payoff[i][cell]
            for i in range(game.players)
        ]
        found += [cell] if all(others) else []
    return found


class TestNamed:
    def test_pure_equilibria(self) -> None:
        assert equilibria(named.prisoners_dilemma()) == [(1, 1)]
        assert equilibria(named.stag_hunt()) == [(0, 0), (1, 1)]
        assert equilibria(named.chicken()) == [(0, 1), (1, 0)]
        assert equilibria(named.battle_of_sexes()) == [(0, 0), (1, 1)]
        for game in (named.matching_pennies(), named.rock_paper_scissors(), named.shapley(), named.colonel_blotto()):
            assert equilibria(game) == []
        assert equilibria(named.travellers_dilemma(2, 10)) == [(0, 0)]
        assert equilibria(named.public_goods(3, 3)) == [(0, 0, 0)]
        assert equilibria(named.public_goods(3, 3, factor=4)) == [(2, 2, 2)]
        assert equilibria(named.minimum_effort(3, 4)) == [(k, k, k) for k in range(4)]

    def test_cournot_on_whole_quantities_has_three(self) -> None:
        assert equilibria(named.cournot(range(51))) == [(29, 31), (30, 30), (31, 29)]

    def test_bertrand_edgeworth_by_hand(self) -> None:
        game = named.bertrand_edgeworth([0.2, 0.3], capacity=0.5)
        np.testing.assert_allclose(game.payoff[0], [[0.2 * 0.4, 0.2 * 0.5], [0.3 * 0.2, 0.3 * 0.35]])
        game = named.bertrand_edgeworth([0.5, 1.0], capacity=0.75, demand="inelastic")
        np.testing.assert_allclose(game.payoff[0], [[0.25, 0.375], [0.25, 0.5]])

    @pytest.mark.parametrize(("count", "gain"), [(100, 2.4752e-3), (1000, 2.4975e-4)])
    def test_quantiles_of_the_mixed_equilibrium_are_almost_one(self, count: int, gain: float) -> None:
        """F(p) = (k - (1 - k) / p) / (2 k - 1) from 1/3 to 1, for k = 3/4; prices just below each may be tried."""
        price = 0.25 / (0.75 - 0.5 * (np.arange(count) + 0.5) / count)
        game = named.bertrand_edgeworth([*price, *(price - 1e-12), 1.0], 0.75, "inelastic")
        own = np.append(np.repeat([1 / count, 0.0], count), 0.0)
        np.testing.assert_allclose(game.gains((own, own)), gain, rtol=2e-4)
        np.testing.assert_allclose(game.values((own, own)), 0.25, rtol=1e-2)

    def test_long_lived_offers_are_cleared_load_by_load(self) -> None:
        grid, loads = np.linspace(0, 1, 7), (0.3, 0.9, 1.2, 1.8)
        offers = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2, 1)
        books = [clear(offers, np.ones_like(offers), np.full(len(offers), load)) for load in loads]
        paid = np.mean([settle_uniform(book) for book in books], axis=0).T.reshape(2, 7, 7)
        np.testing.assert_allclose(named.long_lived_offers(grid.tolist(), loads).payoff, paid, atol=1e-15)
        with pytest.raises(ValueError, match=r"`loads` must lie between 0 and 2, what both can serve; got 2\.1"):
            named.long_lived_offers(grid.tolist(), (1.0, 2.1))

    def test_colonel_blotto_counts_fields(self) -> None:
        game = named.colonel_blotto(2, 2)
        assert game.actions[0] == ("0-2", "1-1", "2-0")
        assert game.payoff[0].tolist() == [[0, 0, 0]] * 3
        assert named.colonel_blotto(3, 2).payoff[0, 0, 1] == 0

    def test_equal_bids_share(self) -> None:
        game = named.first_price([1.0, 0.8], [0.0, 0.5])
        np.testing.assert_allclose(game.payoff[0], [[0.5, 0], [0.5, 0.25]])
        np.testing.assert_allclose(game.payoff[1], [[0.4, 0.3], [0, 0.15]])

    def test_preferences_sum_to_one(self) -> None:
        assert named.preference([[0.5, 0.7], [0.3, 0.5]]).is_zero_sum
        with pytest.raises(ValueError, match="`chances` must sum to one"):
            named.preference([[0.5, 0.7], [0.4, 0.5]])

    def test_arguments(self) -> None:
        with pytest.raises(ValueError, match="`temptation` must exceed"):
            named.prisoners_dilemma(temptation=2)
        with pytest.raises(ValueError, match="`demand` must be one of"):
            named.bertrand_edgeworth([0.1], demand="cubic")


class TestRandom:
    def test_correlations_of_payoffs(self) -> None:
        rng = np.random.default_rng(0)
        for correlation in (-0.5, -0.2, 0.0, 0.7, 1.0):
            payoff = drawn.covariant(rng, 4000, (2, 2, 2), correlation).payoff
            told = np.asarray(np.corrcoef(np.moveaxis(payoff, 1, 0).reshape(3, -1)))
            np.testing.assert_allclose(told[np.triu_indices(3, 1)], correlation, atol=0.03)
        with pytest.raises(ValueError, match=r"`correlation` must lie in \[-0.5, 1\]"):
            drawn.covariant(rng, 1, (2, 2, 2), -0.6)

    def test_potentials_are_exact(self) -> None:
        rng = np.random.default_rng(0)
        for games, potential in (drawn.potential(rng, 4, (2, 3, 4)), drawn.congestion(rng, 4, 3, 4)):
            for b in range(4):
                found = games[b].potential()
                assert found is not None
                np.testing.assert_allclose(found, potential[b] - potential[b].flat[0], atol=1e-12)

    def test_congestion_by_hand(self) -> None:
        games, _ = drawn.congestion(np.random.default_rng(0), 1, 3, 2)
        payoff = games.payoff[0]
        assert payoff[0, 0, 0, 0] < payoff[0, 0, 0, 1] < payoff[0, 0, 1, 1]  # fewer share the first resource
        assert payoff[0, 0, 1, 0] == payoff[0, 0, 0, 1] == payoff[1, 0, 0, 1]

    def test_dominance_leaves_the_planted_cell(self) -> None:
        games, cell = drawn.dominance_solvable(np.random.default_rng(0), 30, (3, 4, 2))
        for b in range(30):
            assert [own.tolist() for own in reduced(games[b]).kept] == [[k] for k in cell[b]]
            assert equilibria(games[b]) == [tuple(cell[b])]

    def test_neighbours_alone_count(self) -> None:
        payoff = drawn.graphical(np.random.default_rng(0), 3, (2, 3, 2, 2)).payoff
        assert (np.ptp(payoff[:, 0], axis=(3, 4)) == 0).all()
        assert (np.ptp(payoff[:, 0], axis=2) > 0).all()

    def test_opposite_and_whole_payoffs(self) -> None:
        rng = np.random.default_rng(0)
        assert drawn.zero_sum(rng, 5, (3, 4)).is_zero_sum.all()
        assert set(np.unique(drawn.integer(rng, 5, (3, 4)).payoff)) == {0, 1, 2}
        assert drawn.normal(rng, 5, (2, 2, 3)).sizes == (2, 2, 3)


class TestDominance:
    def test_by_mixtures_alone(self) -> None:
        game = MatrixGame([[[3, 0], [0, 3], [1, 1]], [[0, 0], [0, 0], [0, 0]]])
        assert dominated(game)[0].tolist() == [False, False, True]
        assert not dominated(game, mixed=False)[0].any()
        assert reduced(game).game.sizes == (2, 2)
        assert reduced(game).game.actions[0] == ("0", "1")

    def test_weakly(self) -> None:
        game = MatrixGame([[[1, 1], [1, 0]], [[0, 0], [0, 0]]])
        for mixed in (True, False):
            assert dominated(game, strict=False, mixed=mixed)[0].tolist() == [False, True]
            assert not dominated(game, strict=True, mixed=mixed)[0].any()

    @pytest.mark.parametrize("scale", [1e-13, 1e9])
    @pytest.mark.parametrize("mixed", [True, False])
    def test_each_player_counts_by_its_own_payoffs(self, scale: float, mixed: bool) -> None:
        payoff = named.prisoners_dilemma().payoff * np.array([1.0, scale]).reshape(2, 1, 1)
        assert [own.tolist() for own in dominated(MatrixGame(payoff), mixed=mixed)] == [[True, False]] * 2

    def test_equal_actions_do_not_dominate_each_other(self) -> None:
        game = MatrixGame(np.ones((2, 3, 3)))
        assert not any(own.any() for own in dominated(game, strict=False))

    def test_single_actions_agree_with_comparison(self) -> None:
        rng = np.random.default_rng(0)
        for _ in range(20):
            game = MatrixGame(rng.integers(0, 4, size=(3, 3, 2, 2)))
            for i, out in enumerate(dominated(game, mixed=False)):
                own = rows_of(game.payoff[i], i)
                assert out.tolist() == [any((b > a).all() for b in own) for a in own]


class TestSecurity:
    @pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
    def test_at_all_scales(self, scale: float) -> None:
        found = security(MatrixGame(named.prisoners_dilemma().payoff * scale))
        np.testing.assert_allclose(found.value, [scale, scale], rtol=1e-9)
        np.testing.assert_allclose(security(MatrixGame(named.matching_pennies().payoff * scale)).mixed, 0.5, atol=1e-9)

    def test_rock_paper_scissors(self) -> None:
        found = security(named.rock_paper_scissors())
        np.testing.assert_allclose(found.value, 0, atol=1e-12)
        np.testing.assert_allclose(found.mixed[0], 1 / 3, atol=1e-12)

    def test_strategies_secure_the_value(self) -> None:
        game = drawn.normal(np.random.default_rng(0), 1, (3, 2, 4))[0]
        for i, (value, own) in enumerate(zip(*security(game), strict=True)):
            assert (own @ rows_of(game.payoff[i], i)).min() == pytest.approx(value)
            assert value >= rows_of(game.payoff[i], i).min(axis=1).max()
