from typing import Any

import numpy as np
import pytest

from walras.core import Constant, Scripted, rollout
from walras.envs import TradingNetworkGame
from walras.equilibria import solve
from walras.scenarios.trading import measures
from walras.scenarios.trading.otc_market import OtcMarket


@pytest.fixture(scope="module")
def game() -> TradingNetworkGame:
    return OtcMarket(dealers=2, clients=4, links=1, horizon=250).evaluation()


def test_measures_of_a_known_outcome(game: TradingNetworkGame) -> None:
    played = rollout(game, Scripted(game), range(3))
    trades, prices = game.outcome(played.state.offer[-1])
    solution: Any = solve(game)
    np.testing.assert_allclose(
        measures.realised_gains(game, played), (game.network.welfare(trades) / solution.welfare).mean()
    )
    assert measures.price_distance(game, played) <= game.tick
    assert measures.total_regret(game, played) == pytest.approx(
        ((game.network.indirect_utilities(prices).sum(axis=1) - game.network.welfare(trades)) / solution.welfare).mean()
    )


def test_no_trade_has_no_price(game: TradingNetworkGame) -> None:
    trades = len(game.network.trades)
    nothing = game.by_agent(np.zeros(trades), np.full(trades, game.bounds[1]))
    played = rollout(game, Constant(nothing), [0])
    assert np.isnan(measures.price_distance(game, played))
    assert measures.realised_gains(game, played) == 0


def test_measures_are_told_as_shares_of_the_gains_from_trade() -> None:
    for share in (measures.realised_gains, measures.total_regret):
        assert (share.unit, share.scale) == ("of the gains from trade", "share")
    assert (measures.price_distance.title, measures.price_distance.unit) == ("distance to equilibrium prices", "money")
