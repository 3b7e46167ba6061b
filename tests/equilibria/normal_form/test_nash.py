import numpy as np
import pytest

from walras.core.solution import SolverError, Status
from walras.equilibria import lemke_howson, nash, pure_nash, zero_sum
from walras.equilibria.normal_form.logit import qre
from walras.markets.matrix import MatrixGame, MatrixGames

BATTLE = MatrixGame([[[2, 0], [0, 1]], [[1, 0], [0, 2]]])


def long_lived_offers() -> MatrixGame:
    """Return two sellers' offers on 101 prices against six demands, where no path of Lemke and Howson ends in time."""
    price = np.linspace(0, 1, 101)
    own, other = np.meshgrid(price, price, indexing="ij")
    demands = (0.3, 0.6, 0.9, 1.2, 1.5, 1.8)
    sold = [
        np.where(own < other, min(d, 1), np.where(own > other, min(max(d - 1, 0), 1), min(d / 2, 1))) for d in demands
    ]
    profit = own * np.mean(sold, axis=0)
    return MatrixGame(np.stack([profit, profit.T]))


class TestAnyNumberOfPlayers:
    @pytest.mark.parametrize(
        ("sizes", "games", "missed"),
        [
            ((2, 2, 2), 40, 1),
            ((3, 3, 3), 20, 0),
            ((2,) * 5, 4, 0),
            ((3, 1, 4), 10, 0),
            ((4, 3), 10, 0),
            ((3,) * 4, 4, 0),
        ],
    )
    def test_random_games(self, sizes: tuple[int, ...], games: int, missed: int) -> None:
        rng, failed = np.random.default_rng(1), 0
        for _ in range(games):
            game = MatrixGame(rng.normal(size=(len(sizes), *sizes)))
            found = nash(game, "logit", throw=False)
            regret = game.nash_conv(found.mixed) / game.spread
            assert found.converged == (regret <= 1e-9 * len(sizes))
            failed += regret > 1e-10
        assert failed <= missed

    @pytest.mark.slow
    @pytest.mark.parametrize(("sizes", "games"), [((5,) * 3, 60), ((10,) * 3, 6), ((2,) * 5, 60), ((3,) * 5, 20)])
    def test_99_of_100_to_1e_10(self, sizes: tuple[int, ...], games: int) -> None:
        rng = np.random.default_rng(2)
        drawn = [MatrixGame(rng.normal(size=(len(sizes), *sizes))) for _ in range(games)]
        regrets = [game.nash_conv(nash(game, throw=False).mixed) / game.spread for game in drawn]
        assert np.mean(np.array(regrets) <= 1e-10) >= 0.98

    @pytest.mark.parametrize("sizes", [(2, 2, 2), (3, 3, 3), (3, 3), (2, 1, 4)])
    @pytest.mark.parametrize("player", [0, -1])
    def test_a_player_of_small_payoffs_counts_as_much(self, sizes: tuple[int, ...], player: int) -> None:
        rng = np.random.default_rng(5)
        for _ in range(10):
            payoff = rng.normal(size=(len(sizes), *sizes))
            payoff[player] *= 1e-10
            game = MatrixGame(payoff)
            found = nash(game, throw=False)
            assert found.converged
            assert np.all(game.gains(found.mixed) <= 1e-9 * np.array([np.ptp(own) for own in payoff]))

    @pytest.mark.parametrize("sizes", [(2, 2, 2), (3, 3)])
    def test_the_level_of_payoffs_does_not_count(self, sizes: tuple[int, ...]) -> None:
        rng = np.random.default_rng(6)
        for _ in range(10):
            payoff = rng.integers(0, 9, size=(len(sizes), *sizes))
            assert nash(MatrixGame(payoff + 2**40), throw=False).residual <= 1e-9

    def test_one_player(self) -> None:
        found = nash(MatrixGame([[1, 3, 2]]))
        assert found.mixed[0].tolist() == [0, 1, 0]
        assert found.value.tolist() == [3]


class TestMethods:
    @pytest.mark.parametrize("method", ["auto", "lemke_howson", "exact", "logit"])
    def test_each_finds_an_equilibrium(self, method: str) -> None:
        found = nash(BATTLE, method)
        assert found.converged
        assert BATTLE.nash_conv(found.mixed) <= 1e-12

    @pytest.mark.slow
    def test_a_game_without_a_short_path_falls_back(self) -> None:
        game = long_lived_offers()
        with pytest.raises(SolverError, match="Stopped at its limit"):
            nash(game, "lemke_howson")
        found = nash(game)
        assert found.method == "logit"
        assert game.nash_conv(found.mixed) <= 1e-10
        np.testing.assert_allclose(found.value, 0.2519, atol=1e-3)

    def test_a_market_on_a_fine_grid_has_only_long_paths(self) -> None:
        # Two sellers paid as bid, 60 MW each at 10, load 100: 69.5 to 100 in halves; the continuum's profit is 3,600.
        own, other = np.meshgrid(*[np.arange(69.5, 100.1, 0.5)] * 2, indexing="ij")
        profit = (own - 10) * np.where(own < other, 60, np.where(own == other, 50, 40))
        game = MatrixGame(np.stack([profit, profit.T]))
        assert lemke_howson(game).label[0] < 0
        found = nash(game)
        assert found.method == "lemke_howson"
        assert game.regret(found.mixed) <= 1e-9
        np.testing.assert_allclose(found.value, 3600, atol=30)

    @pytest.mark.parametrize("wrong", [0, 1])
    def test_a_wrong_solver_is_caught(self, monkeypatch: pytest.MonkeyPatch, wrong: int) -> None:
        game = MatrixGame(np.random.default_rng(0).normal(size=(2, 14, 13)))
        right = lemke_howson(game)
        spoilt = right._replace(**{"xy"[wrong]: np.roll((right.x, right.y)[wrong], 1, axis=1)})
        monkeypatch.setattr("walras.equilibria.normal_form.nash.lemke_howson", lambda *_, **__: spoilt)
        found = nash(game, "lemke_howson", throw=False)
        assert found.status is Status.BOUNDS_APART
        assert found.residual > 1e-3
        other = nash(game)
        assert other.converged
        assert other.method == "logit"

    def test_unknown_methods_are_refused(self) -> None:
        with pytest.raises(ValueError, match="`method` must be one of"):
            nash(BATTLE, "lemke")


class TestLogit:
    def test_the_branch_solves_the_logit_equations(self) -> None:
        game = MatrixGame(np.random.default_rng(0).normal(size=(3, 3, 2, 4)))
        for precision in (0.5, 3.0, 20.0):
            mixed = qre(game, precision)
            for own, worth in zip(mixed, game.utilities(mixed), strict=True):
                answer = np.exp(precision * (worth - worth.max()))
                np.testing.assert_allclose(own, answer / answer.sum(), atol=1e-8)

    def test_matching_pennies_by_hand(self) -> None:
        game = MatrixGame([[[9, 0], [0, 1]], [[0, 1], [1, 0]]])
        x, y = qre(game, 2.0)
        assert np.log(x[0] / x[1]) == pytest.approx(2.0 * (9 * y[0] - y[1]), abs=1e-7)
        assert np.log(y[0] / y[1]) == pytest.approx(2.0 * (x[1] - x[0]), abs=1e-7)

    def test_precision_is_checked(self) -> None:
        with pytest.raises(ValueError, match="`precision` must be finite"):
            qre(BATTLE, -1.0)


class TestPure:
    def test_ties_and_batches(self) -> None:
        assert pure_nash(MatrixGame(np.zeros((2, 2, 2)))).all()
        games = MatrixGames(np.stack([BATTLE.payoff, -BATTLE.payoff]))
        assert pure_nash(games)[0].tolist() == [[True, False], [False, True]]
        assert np.array_equal(pure_nash(games)[1], pure_nash(games[1]))

    def test_as_gains_say(self) -> None:
        game = MatrixGame(np.random.default_rng(0).integers(0, 3, size=(3, 2, 3, 2)))
        for cell, held in np.ndenumerate(pure_nash(game)):
            mixed = [np.eye(n)[a] for n, a in zip(game.sizes, cell, strict=True)]
            assert held == (game.nash_conv(mixed) == 0)


class TestZeroSum:
    def test_rock_paper_scissors(self) -> None:
        table = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
        found = zero_sum(MatrixGame(np.stack([table, -table])))
        np.testing.assert_allclose(found.x, 1 / 3, atol=1e-12)
        np.testing.assert_allclose(found.value, 0, atol=1e-12)

    def test_values_agree_with_lemke_and_howson(self) -> None:
        rng = np.random.default_rng(0)
        table = rng.normal(size=(20, 6, 9)) * 10.0 ** rng.integers(-3, 4, size=(20, 1, 1))
        games = MatrixGames(np.stack([table, 5 - table], axis=1))
        found = zero_sum(games)
        assert found.residual.max() <= 1e-11
        for b in range(20):
            np.testing.assert_allclose(found.value[b], nash(games[b]).value[0], rtol=1e-9)

    def test_other_games_are_refused(self) -> None:
        with pytest.raises(ValueError, match="`games` must have payoffs of constant sum"):
            zero_sum(BATTLE)
        with pytest.raises(ValueError, match="`games` must have two players"):
            zero_sum(MatrixGame(np.zeros((3, 1, 1, 1))))
