import numpy as np

from walras.core import Constant, rollout
from walras.envs import RepeatedMatrixGame, RepeatedPricing
from walras.markets.matrix import MatrixGame
from walras.scenarios.matrix.play_measures import profit_gain, welfare


def test_profits_lie_between_those_of_two_benchmarks() -> None:
    game = RepeatedPricing()
    profit = game.profits[:, 13, 13]
    nash, most = (game.demand.profit(price) for price in (game.static_nash, game.monopoly))
    played = rollout(game, Constant(np.array([13, 13])), [0, 1])
    np.testing.assert_allclose(profit_gain(game, played), ((profit - nash) / (most - nash)).mean())


def test_welfare_is_one_where_all_cooperate() -> None:
    game = RepeatedMatrixGame()
    for action, share in (([0, 0], 1.0), ([1, 1], 0.0), ([0, 1], (5 - 2) / (6 - 2))):
        assert welfare(game, rollout(game, Constant(np.array(action)), [0])) == share
    flat = RepeatedMatrixGame(MatrixGame([[[1.0, 2.0]], [[2.0, 1.0]]]))
    assert welfare(flat, rollout(flat, Constant(np.array([0, 1])), [0])) == 1.0
