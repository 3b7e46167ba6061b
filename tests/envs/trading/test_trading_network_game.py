"""The trading network game: turns, quotes, the close, and the dynamic as its scripted rule."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from walras.core import Random, Scripted, Trajectory, Vector, rollout
from walras.envs import TradingNetworkGame
from walras.envs.trading.trading_network_game import TradingState
from walras.equilibria import best_response_dynamic
from walras.markets.trading.generators import core_periphery, intermediated, tree
from walras.markets.trading.trading_network import Intermediary, TradingNetwork, UnitDemand, UnitSupply


def path() -> TradingNetwork:
    return TradingNetwork([(0, 1), (1, 2)], [UnitSupply({0: 10}), Intermediary([0], [1]), UnitDemand({1: 20})])


def noise(turn: int, agents: int = 3, width: int = 2) -> np.ndarray:
    """Noise in which `turn` comes first."""
    drawn = np.full((1, agents, width + 1), 0.5)
    drawn[0, turn, -1] = 0.1
    return drawn


def quoted(game: TradingNetworkGame, bid: list[float], ask: list[float], time: int = 0) -> TradingState:
    offer = game.by_agent(np.array([bid]), np.array([ask]))
    agents = len(game.agents)
    return TradingState(offer, np.zeros(offer.shape, bool), np.ones((1, agents), bool), np.array([time]))


def quiet(played: Trajectory[TradingState]) -> np.ndarray:
    """The step after which nobody has news."""
    still = np.logical_not(played.state.news.any(axis=2))
    assert still[-1].all()
    return still.argmax(axis=0)


class TestQuotes:
    def test_the_default_bounds_are_a_tick_beyond_all_numbers(self) -> None:
        assert TradingNetworkGame(path()).bounds == (-1.0, 21.0)
        assert TradingNetworkGame(path(), tick=0.5).bounds == (-0.5, 20.5)
        assert TradingNetworkGame(path(), tick=8.0).bounds == (-8.0, 32.0)

    def test_first_offers_cover_the_ticks_inside_the_bounds_evenly(self) -> None:
        game = TradingNetworkGame(path(), tick=0.5, low=-2.0, high=3.0)
        state = game.reset(game.noise(np.random.default_rng(0), 4000))
        drawn, counts = np.unique(state.offer[:, game.mask], return_counts=True)
        assert drawn.tolist() == np.arange(-1.5, 3.0, 0.5).tolist()
        assert np.abs(counts / counts.sum() - 1 / 9).max() < 0.01
        assert state.news.all()

    def test_offers_and_quotes_are_inverse(self) -> None:
        game = TradingNetworkGame(tree(7, np.random.default_rng(0), parallel=3))
        trades = len(game.network.trades)
        bid, ask = np.random.default_rng(1).random((2, 5, trades))
        assert all((a == b).all() for a, b in zip(game.quotes(game.by_agent(bid, ask)), (bid, ask), strict=True))
        assert (game.counter(game.by_agent(bid, ask)) == game.by_agent(ask, bid)).all()
        for agent, (valuation, own) in enumerate(zip(game.network.agents, game.network.places, strict=True)):
            mine = np.where(valuation.sides > 0, bid[:, own], ask[:, own])
            assert (game.by_agent(bid, ask)[:, agent, : len(own)] == mine).all()

    def test_agents_see_their_counterparts_offers_and_their_own_valuation(self) -> None:
        game = TradingNetworkGame(path(), horizon=10)
        seen = game.observe(quoted(game, [1.0, 2.0], [3.0, 4.0], time=4))[0]
        assert seen.tolist() == [
            [1, 0, -1, 0, 1, 0, 3, 0, 10, 0.6],
            [1, 1, 1, -1, 3, 2, 1, 4, 0, 0.6],
            [1, 0, 1, 0, 4, 0, 2, 0, 20, 0.6],
        ]


class TestTurns:
    def test_only_the_mover_is_heard(self) -> None:
        game = TradingNetworkGame(path())
        before = quoted(game, [1.0, 2.0], [3.0, 4.0])
        after = game.step(before, np.full((1, 3, 2), 7.3), noise(1)).state
        assert [part.tolist() for part in game.quotes(after.offer[0])] == [[7, 2], [3, 7]]
        assert after.news.tolist() == [[True, False, True]]

    def test_offers_are_rounded_to_ticks_and_padding_stays_zero(self) -> None:
        game = TradingNetworkGame(path(), tick=0.5, movers=3)
        after = game.step(quoted(game, [1.0, 2.0], [3.0, 4.0]), np.full((1, 3, 2), 7.3), noise(0)).state
        assert after.offer[0].tolist() == [[7.5, 0], [7.5, 7.5], [7.5, 0]]

    def test_who_has_news_comes_first(self) -> None:
        game = TradingNetworkGame(path())
        before = replace(quoted(game, [1.0, 2.0], [3.0, 4.0]), news=np.array([[False, False, True]]))
        after = game.step(before, np.full((1, 3, 2), 7.0), noise(0)).state
        assert [part.tolist() for part in game.quotes(after.offer[0])] == [[1, 7], [3, 4]]
        assert after.news.tolist() == [[False, True, False]]

    def test_without_news_anyone_may_move(self) -> None:
        game = TradingNetworkGame(path())
        before = replace(quoted(game, [1.0, 2.0], [3.0, 4.0]), news=np.zeros((1, 3), dtype=bool))
        after = game.step(before, np.full((1, 3, 2), 7.0), noise(0)).state
        assert [part.tolist() for part in game.quotes(after.offer[0])] == [[1, 2], [7, 4]]

    def test_movers_are_drawn_evenly(self) -> None:
        game = TradingNetworkGame(path(), movers=2)
        drawn = game.noise(np.random.default_rng(0), 6000)
        before = game.reset(np.full((6000, 3, 3), 0.5))
        moved = (game.step(before, np.full((6000, 3, 2), 20.0), drawn).state.offer != before.offer).any(axis=2)
        assert (moved.sum(axis=1) == 2).all()
        assert np.abs(moved.mean(axis=0) - 2 / 3).max() < 0.02


class TestClose:
    def test_nothing_is_struck_or_paid_before_the_close(self) -> None:
        game = TradingNetworkGame(path(), horizon=3)
        step = game.step(quoted(game, [15.0, 18.0], [12.0, 16.0]), np.zeros((1, 3, 2)) + 15, noise(0))
        assert not step.terminated.any()
        assert not step.state.struck.any()
        assert (step.reward == 0).all()

    def test_utilities_are_paid_at_the_prices_between_bid_and_ask(self) -> None:
        game = TradingNetworkGame(path(), horizon=3)
        action = np.array([[[13.0, 0], [0, 0], [0, 0]]])
        step = game.step(quoted(game, [15.0, 18.0], [12.0, 16.0], time=2), action, noise(0))
        assert step.terminated.all()
        assert step.state.struck.tolist() == [[[True, False], [True, True], [True, False]]]
        assert step.reward.tolist() == [[4.0, 3.0, 3.0]]  # prices 14 and 17

    def test_random_play_never_loses(self) -> None:
        game = TradingNetworkGame(core_periphery(2, 6, np.random.default_rng(0), links=2), movers=8, horizon=5)
        assert rollout(game, Random(game), range(64)).total.min() >= 0

    @pytest.mark.parametrize("weight", [0.5, 2.0])
    def test_shaping_moves_the_return_by_a_constant_of_the_first_state(self, weight: float) -> None:
        plain = TradingNetworkGame(tree(6, np.random.default_rng(2), parallel=2), movers=3, horizon=7, discount=0.9)
        shaped = replace(plain, shaping=weight)
        one, two = (rollout(game, Random(game), range(16)) for game in (plain, shaped))
        discounts = 0.9 ** np.arange(7)[:, None, None]
        moved = (discounts * (two.reward - one.reward)).sum(axis=0)
        assert np.abs(plain.utility(one.state.offer[0])).max() > 0
        assert moved == pytest.approx(-weight * plain.utility(one.state.offer[0]))


class TestDynamic:
    def test_a_seller_and_a_buyer_meet_through_the_intermediary(self) -> None:
        game = TradingNetworkGame(path(), horizon=400)
        played = rollout(game, Scripted(game), range(100))
        bid, ask = game.quotes(played.state.offer[-1])
        assert (bid == ask).all()
        assert ((bid[:, 0] >= 10) & (bid[:, 0] <= bid[:, 1]) & (bid[:, 1] <= 20)).all()
        assert (played.total.sum(axis=1) == 10).all()

    def test_it_takes_as_many_moves_as_the_dynamic(self) -> None:
        game = TradingNetworkGame(intermediated(2, 1, 2, np.random.default_rng(4)), horizon=700)
        played = rollout(game, Scripted(game), range(200))
        moves, rng = quiet(played), np.random.default_rng(5)
        first = game.quotes(game.reset(game.noise(rng, 400)).offer)
        steps = best_response_dynamic(game.network, first, rng=rng).steps
        error = np.hypot(moves.std() / 200**0.5, steps.std() / 400**0.5)
        assert moves.mean() == pytest.approx(steps.mean(), abs=4 * error)

    def test_its_fixed_points_are_the_dynamics(self) -> None:
        game = TradingNetworkGame(core_periphery(2, 5, np.random.default_rng(1), links=2), horizon=2500)
        end = rollout(game, Scripted(game), range(4)).state
        bid, ask = game.quotes(end.offer[-1])
        struck = end.struck[-1].reshape(4, -1)[:, game.places[0]]
        assert not end.news[-1].any()
        assert ((bid == ask) == struck).all()
        assert (ask - bid)[~struck] == pytest.approx(1.0)


class TestParameters:
    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"tick": 0.0}, "`tick` must be positive and finite; got 0.0"),
            ({"movers": 0}, "`movers` must be from 1 to 3; got 0"),
            ({"movers": 4}, "`movers` must be from 1 to 3; got 4"),
            ({"shaping": -1.0}, "`shaping` must be at least 0 and finite; got -1.0"),
            ({"low": 0.5}, "`low` must be a multiple of the tick; got 0.5"),
            ({"high": np.inf}, "`high` must be a multiple of the tick; got inf"),
            ({"low": 0.0, "high": 1.0}, "`high` must exceed `low`, 0.0, by two ticks; got 1.0"),
            ({"discount": 1.0}, r"`discount` must lie in \[0, 1\); got 1.0"),
        ],
    )
    def test_bad_parameters_are_refused(self, parameters: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            TradingNetworkGame(path(), **parameters)

    def test_names_of_the_network_are_the_agents(self) -> None:
        network = TradingNetwork([(0, 1)], [UnitSupply({0: 1}), UnitDemand({0: 2})], names=["NOR", 7])
        assert TradingNetworkGame(network).agents == ("NOR", "agent_7")

    def test_an_agent_without_trades_only_looks_on(self) -> None:
        network = TradingNetwork([(0, 1)], [UnitSupply({0: 1}), UnitDemand({0: 2}), UnitDemand({})])
        game = TradingNetworkGame(network, movers=3, horizon=4)
        step = Vector(game, 2)
        step.reset(seed=0)
        assert rollout(game, Scripted(game), [0, 1]).total[:, 2].tolist() == [0, 0]

    def test_a_game_is_described_in_words(self) -> None:
        game = TradingNetworkGame(path())
        state = replace(quoted(game, [15.0, 18.0], [12.0, 16.0]), struck=np.ones((1, 3, 2), dtype=bool))
        assert game.text(state).splitlines()[1].split() == ["agent_0", ">", "agent_1", "15.00", "12.00", "struck"]
