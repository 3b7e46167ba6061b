from typing import Any

import numpy as np
import pytest

from walras.core import Scripted
from walras.core.lazy import load
from walras.envs import CournotMarket, DayAheadMarket, GridWorld, RepeatedPricing, StorageMarket, TabularMarkovGame
from walras.envs.registration import GAMES, place
from walras.equilibria import correlated, double_oracle, nash, solve
from walras.equilibria.electricity.pay_as_bid import pair_prices
from walras.equilibria.normal_form.double_oracle import StageOracle
from walras.equilibria.registration import STAGES
from walras.markets.electricity.generation import Conditions, Generator
from walras.markets.matrix import MatrixGame
from walras.markets.matrix.named_games import bertrand_edgeworth, cournot, first_price, long_lived_offers


class TestMatrixGames:
    @pytest.mark.parametrize("sizes", [(60, 50), (7, 8, 6)])
    def test_no_action_of_the_whole_game_gains(self, sizes: tuple[int, ...]) -> None:
        game = MatrixGame(np.random.default_rng(0).normal(size=(len(sizes), *sizes)))
        found = double_oracle(game, [0] * len(sizes))
        assert found.ended == "converged"
        joint = np.zeros(sizes)
        joint[np.ix_(*(own[:, 0] for own in found.strategies))] = found.mixture
        assert game.gap(joint).max() <= 1e-6
        assert found.rounds[-1] == "nash"

    def test_a_player_alone_ends_at_its_best_action(self) -> None:
        found = double_oracle(MatrixGame(np.array([[0.0, 3.0, 1.0]])), [0])
        assert (found.ended, found.value.tolist()) == ("converged", [3.0])

    def test_devices(self) -> None:
        game = MatrixGame(np.random.default_rng(0).normal(size=(2, 20, 20)))
        found = double_oracle(game, [0, 0], meta="cce")
        joint = np.zeros(game.sizes)
        joint[np.ix_(*(own[:, 0] for own in found.strategies))] = found.mixture
        assert game.gap(joint).max() <= 1e-6
        assert set(found.rounds) == {"coarse correlated"}

    def test_the_mixture_that_is_judged_is_returned(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shares = np.array([1e-13, 1 - 1e-13])
        meta = "walras.equilibria.normal_form.double_oracle._meta"
        monkeypatch.setattr(meta, lambda game, kind: (np.ones(game.sizes) * shares[-game.sizes[0] :, None], "nash"))
        game = MatrixGame(np.array([[[0.0], [1e13]], [[0.0], [0.0]]]))
        found = double_oracle(game, [0, 0], max_iter=2)
        assert found.mixture.tolist() == [[0.0], [1.0]]
        np.testing.assert_array_equal(game.gap(found.mixture), found.gap_upper)

    def test_a_wrong_meta_solver_is_caught(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def wrong(game: MatrixGame, throw: bool = True) -> Any:  # noqa: ANN401
            found = nash(game)
            return type(found)(**(vars(found) | {"mixed": tuple(np.eye(n)[0] for n in game.sizes)}))

        monkeypatch.setattr("walras.equilibria.normal_form.double_oracle.nash", wrong)
        game = MatrixGame(np.random.default_rng(0).normal(size=(2, 15, 15)))
        found = double_oracle(game, [0, 0])
        assert found.ended == "converged"
        assert "coarse correlated" in found.rounds

    @pytest.mark.parametrize(
        "game",
        [cournot(range(61), 100, 1, (10, 10)), bertrand_edgeworth(np.linspace(0.02, 0.3, 57).tolist()),
         first_price((1.0, 0.8), np.linspace(0, 1, 41).tolist())],
        ids=["Cournot", "Bertrand-Edgeworth", "first price"],
    )  # fmt: skip
    def test_markets_on_grids(self, game: MatrixGame) -> None:
        found = double_oracle(game, [30, 30])
        assert found.ended == "converged"
        joint = np.zeros(game.sizes)
        joint[np.ix_(*(own[:, 0] for own in found.strategies))] = found.mixture
        assert game.gap(joint).max() <= 1e-6

    @pytest.mark.slow
    def test_offers_that_serve_several_loads(self) -> None:
        # 101 prices; the dearer offer earns .25 at the cap. Equilibrium and devices were computed by another programme.
        game = long_lived_offers(np.linspace(0, 1, 101).tolist())
        found = double_oracle(game, [50, 50], max_iter=200)
        assert found.ended == "converged"
        np.testing.assert_allclose(found.value, 0.25118, atol=5e-6)
        assert correlated(game, "cce").value == pytest.approx(0.807425, abs=5e-7)
        assert correlated(game, "cce", "min_welfare").value == pytest.approx(0.5, abs=1e-9)

    def test_several_strategies_to_begin_with(self) -> None:
        game = MatrixGame(np.random.default_rng(3).normal(size=(2, 6, 5)))
        every = np.array([[k, min(k, 4)] for k in range(6)])[:, :, None]
        found = double_oracle(game, every, max_iter=1)
        assert [own[:, 0].tolist() for own in found.strategies] == [[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4]]
        assert found.ended == "converged"

    def test_limits_and_arguments(self) -> None:
        game = MatrixGame(np.random.default_rng(0).normal(size=(2, 30, 30)))
        found = double_oracle(game, [0, 0], max_iter=2)
        assert found.ended == "limit"
        assert found.gap_upper.max() > 0
        with pytest.raises(ValueError, match="`meta` must be one of"):
            double_oracle(game, [0, 0], meta="ce")
        with pytest.raises(ValueError, match="`tol` must not be negative"):
            double_oracle(game, [0, 0], tol=-1)
        with pytest.raises(ValueError, match="`tick` must be finite and not negative"):
            double_oracle(game, [0, 0], tick=np.inf)
        with pytest.raises(ValueError, match=r"`start` must have shape \[N\], \[N, A\] or \[K, N, A\]"):
            double_oracle(game, np.zeros((1, 1, 2, 1)))


class TestMarkets:
    def test_cournot(self) -> None:
        game = CournotMarket()
        seen = game.observe(game.reset(game.noise(np.random.default_rng(0), 1)))[0]
        found = double_oracle(StageOracle(game, seen), np.zeros((3, 1)), tol=1e-3, max_iter=60)
        assert found.ended == "converged"
        np.testing.assert_allclose(found.value * game.horizon, solve(game).value, rtol=1e-3)

    def test_an_hour_of_the_day_ahead_market_needs_two_rounds(self) -> None:
        game = DayAheadMarket()
        seen = game.observe(game.reset(game.noise(np.random.default_rng(0), 1)))
        truthful = Scripted(game).act(seen, np.random.default_rng(0))[0]
        found = double_oracle(StageOracle(game, seen[0]), truthful, tol=1e-2, max_iter=8)
        assert found.ended == "converged"
        assert len(found.rounds) <= 3
        assert (found.gap_upper <= 1e-6 * found.value).all()
        assert found.mixture.max() == 1

    def test_two_sellers_that_are_paid_as_bid_draw_their_price(self) -> None:
        # 60 MW each at 10 EUR/MWh, load 100, cap 100: prices from 70 on, profit 3,600 each, so 82 EUR/MWh on average.
        fleet = tuple(Generator(name, (10.0,), (60.0,)) for name in ("a", "b"))
        conditions = Conditions(profile=np.array([100.0]))
        game = DayAheadMarket(fleet, conditions, 1000.0, 100.0, horizon=1, settlement="pay_as_bid")
        seen = game.observe(game.reset(np.zeros((1, 3))))[0]
        for tick in (5.0, 2.0):
            found = double_oracle(StageOracle(game, seen), np.full((2, 1), 90.0), tol=1.0, tick=tick)
            assert found.ended == "stalled"
            assert set(found.rounds) == {"nash"}
            assert (found.gap_upper <= 60 * tick).all()  # 60 MW at a tick more
            np.testing.assert_allclose(found.value, 3600.0, atol=60 * tick)
            assert abs(10 + found.value.sum() / 100 - 82) <= 1.2 * tick
            price = 10 + found.strategies[0][found.mixture.sum(axis=1) > 0, 0]
            assert 70 - tick <= price.min() <= 70 + tick
            assert price.max() >= 100 - tick
        formula = pair_prices(np.array([100.0]), np.array([60.0]), 10.0, 100.0, np.array([0.0, 1.0]))
        np.testing.assert_allclose(formula, [[70.0, 100.0]])

    @pytest.mark.parametrize(
        "name", [pytest.param(name, marks=[pytest.mark.slow] * name.startswith("allocation")) for name in STAGES]
    )
    def test_every_game_that_registers_a_best_reply_has_an_oracle(self, name: str) -> None:
        game = load(f"walras.envs.{place(next(key for key in GAMES if key.startswith(name)))}")()
        rng = np.random.default_rng(1)
        seen = game.observe(game.reset(game.noise(rng, 1)))
        first = Scripted(game).act(seen, rng)[0]
        oracle = StageOracle(game, seen[0])
        found = double_oracle(oracle, first, tol=1e-9, max_iter=2)
        joint = np.array([[own[k] for own, k in zip(found.strategies, cell, strict=True)]
                          for cell in np.ndindex(found.mixture.shape)])  # fmt: skip
        weights = found.mixture.ravel()
        np.testing.assert_allclose(found.value, weights @ oracle.payoffs(joint), atol=1e-9)
        assert (found.gap_lower <= found.gap_upper).all()
        for i in range(len(found.value)):  # nothing that is drawn gains more than the upper end says
            tried = joint.copy()
            for action in [game.action_space.sample() for _ in range(5)]:
                tried[:, i] = action
                assert weights @ oracle.payoffs(tried)[:, i] - found.value[i] <= found.gap_upper[i] + 1e-9

    @pytest.mark.parametrize("game", [GridWorld(), StorageMarket(), TabularMarkovGame(), RepeatedPricing()])
    def test_games_whose_state_goes_on_are_refused(self, game: Any) -> None:  # noqa: ANN401
        with pytest.raises(
            TypeError, match=r"`game` must be a stage game.*`solve` and `gap` take games whose state goes on"
        ):
            StageOracle(game, np.zeros((2, 3)))

    @pytest.mark.parametrize("game", [CournotMarket(), TabularMarkovGame().markov, "chicken"])
    def test_what_is_neither_matrix_game_nor_oracle_is_refused(self, game: Any) -> None:  # noqa: ANN401
        with pytest.raises(TypeError, match="`game` must be a matrix game or an oracle, such as `StageOracle"):
            double_oracle(game, [0, 0])
