from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from walras.core import Scripted
from walras.core.typing import Floats
from walras.envs import CournotMarket, DayAheadMarket, GridWorld
from walras.equilibria import double_oracle, nash, solve
from walras.equilibria.normal_form.double_oracle import Reply, StageOracle
from walras.markets.matrix import MatrixGame


@dataclass(frozen=True)
class BertrandEdgeworth:
    """Two firms of a capacity, demand 1 - p, no costs, efficient rationing; replies undercut by a tick.

    For 1/3 < k < 1 the equilibrium is mixed, with profit (1 - k)^2 / 4 from the lowest price (1 - k)^2 / 4k on.
    """

    capacity: float = 0.5
    tick: float = 0.01

    def payoffs(self, actions: NDArray[Any]) -> Floats:
        own, other = actions[:, :, 0], actions[:, ::-1, 0]
        wanted = np.maximum(1 - own, 0)
        sold = np.where(own < other, wanted, np.where(own == other, wanted / 2, wanted - self.capacity))
        return own * np.clip(sold, 0, self.capacity)

    def reply(self, player: int, actions: NDArray[Any], weights: Floats) -> Reply:
        other = np.unique(actions[:, 1 - player, 0])
        peak = (1 - self.capacity) / 2
        below = [self._worth(price, actions, weights, player, first=True) for price in other]
        offers = np.append(np.maximum(other - self.tick, 0), peak)
        best = max(offers, key=lambda price: self._worth(price, actions, weights, player, first=False))
        least = self._worth(peak, actions, weights, player, first=False)
        return Reply(np.array([best]), max(*below, least))

    def _worth(self, price: float, actions: NDArray[Any], weights: Floats, player: int, first: bool) -> float:
        """Return the profit of a price, or of one just below it."""
        other, wanted = actions[:, 1 - player, 0], max(1 - price, 0.0)
        wins = price <= other if first else price < other
        sold = np.where(wins, wanted, np.where(price == other, wanted / 2, wanted - self.capacity))
        return float(price * np.clip(sold, 0, self.capacity) @ weights)


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

    def test_limits_and_arguments(self) -> None:
        game = MatrixGame(np.random.default_rng(0).normal(size=(2, 30, 30)))
        found = double_oracle(game, [0, 0], max_iter=2)
        assert found.ended == "limit"
        assert found.gap_upper.max() > 0
        with pytest.raises(ValueError, match="`meta` must be one of"):
            double_oracle(game, [0, 0], meta="ce")
        with pytest.raises(ValueError, match="`tol` must not be negative"):
            double_oracle(game, [0, 0], tol=-1)


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

    def test_other_games_are_refused(self) -> None:
        with pytest.raises(TypeError, match="`game` must be a stage game"):
            StageOracle(GridWorld(), np.zeros((2, 3)))

    def test_undercutting_stalls_within_the_tick(self) -> None:
        # No best price exists, only prices just below another: profit 1/16, lowest price 1/8. What is left is at
        # most a tick on the lowest price, and falls with the tick.
        shares = []
        for tick in (0.02, 0.01):
            found = double_oracle(BertrandEdgeworth(tick=tick), np.full((2, 1), 0.25), tol=1e-9, max_iter=200)
            assert found.ended == "stalled"
            assert (found.gap_lower <= found.gap_upper).all()
            np.testing.assert_allclose(found.value, 1 / 16, rtol=0.1)
            shares.append(float((found.gap_upper / found.value).max()))
            assert 0 < shares[-1] <= 1.01 * tick / 0.125
        assert shares[1] < 0.6 * shares[0]
