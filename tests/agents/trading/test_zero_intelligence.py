"""Zero-intelligence traders: within budget, taking what they demand."""

import numpy as np

from walras.agents.trading.zero_intelligence import ZeroIntelligence
from walras.core import rollout
from walras.envs import TradingNetworkGame
from walras.equilibria import gap
from walras.equilibria.trading.trading_network_game import closing
from walras.markets.trading.generators import core_periphery
from walras.markets.trading.trading_network import TradingNetwork, UnitDemand, UnitSupply


def seen(game: TradingNetworkGame, bid: float, ask: float, rows: int) -> np.ndarray:
    state = game.reset(game.noise(np.random.default_rng(0), rows))
    offer = np.repeat(game.by_agent(np.array([[bid]]), np.array([[ask]])), rows, axis=0)
    return game.observe(type(state)(offer, state.struck, state.news, state.time))


def test_offers_are_drawn_evenly_up_to_the_reservation_price() -> None:
    game = TradingNetworkGame(TradingNetwork([(0, 1)], [UnitSupply({0: 10}), UnitDemand({0: 30})]), low=0, high=50)
    action = ZeroIntelligence(game).act(seen(game, bid=2, ask=40, rows=20_000), np.random.default_rng(0))[:, :, 0]
    ask, bid = action.T
    for drawn, low, high in ((ask, 10, 50), (bid, 0, 30)):
        assert low <= drawn.min() < low + 0.1
        assert high - 0.1 < drawn.max() <= high
        assert abs(drawn.mean() - (low + high) / 2) < 0.3
        assert abs(drawn.std() - (high - low) / 12**0.5) < 0.3


def test_offers_that_they_demand_are_taken() -> None:
    game = TradingNetworkGame(TradingNetwork([(0, 1)], [UnitSupply({0: 10}), UnitDemand({0: 30})]), low=0, high=50)
    action = ZeroIntelligence(game).act(seen(game, bid=12, ask=25, rows=3), np.random.default_rng(0))
    assert action.tolist() == [[[12.0], [25.0]]] * 3


def test_they_realise_most_gains_far_from_equilibrium_prices() -> None:
    game = TradingNetworkGame(core_periphery(2, 6, np.random.default_rng(2), links=2), movers=2, horizon=200)
    closed = closing(game, rollout(game, ZeroIntelligence(game), range(32)))
    judged = gap(game, ZeroIntelligence(game), concept="competitive", seeds=range(32))
    assert closed.lost.mean() < 0.1 * closed.gains_from_trade
    assert judged.lower.sum() > 0.1 * closed.gains_from_trade


def test_they_never_lose_and_keep_to_the_bounds() -> None:
    game = TradingNetworkGame(core_periphery(2, 6, np.random.default_rng(2), links=2), movers=4, horizon=20)
    played = rollout(game, ZeroIntelligence(game), range(8))
    assert played.total.min() >= 0
    assert game.bounds[0] <= played.action.min() <= played.action.max() <= game.bounds[1]
