"""Blocking sets against enumeration by the definition, and what stability implies."""

import numpy as np
import pytest

from walras.core.typing import Bools, Floats
from walras.equilibria import blocking_set, competitive_equilibrium, is_stable, regret
from walras.markets.trading.generators import multigraph
from walras.markets.trading.trading_network import Additive, Intermediary, Table, TradingNetwork, UnitDemand, UnitSupply

PAIR = TradingNetwork([(0, 1)], [UnitSupply({0: 10}), UnitDemand({0: 20})])
CHAIN = TradingNetwork([(0, 1), (1, 2)], [UnitSupply({0: 10}), Intermediary([0], [1]), UnitDemand({1: 20})])


def every_set(count: int) -> Bools:
    return (np.arange(2**count)[:, None] >> np.arange(count) & 1).astype(bool)


def best_with(game: TradingNetwork, agent: int, new: Bools, trades: Bools, prices: Floats) -> float:
    """The most an agent has with all of its new trades and any of its old ones, only the old ones paid for."""
    valuation, own = game.agents[agent], game.places[agent]
    bundles = every_set(len(own))
    allowed = (bundles[:, new[own]].all(axis=1)) & ~(bundles & ~(new | trades)[own]).any(axis=1)
    paid = (bundles & trades[own]) * valuation.sides * prices[own]
    return float((valuation.value(bundles) - paid.sum(axis=1))[allowed].max())


def blocked_by_search(game: TradingNetwork, trades: Bools, prices: Floats) -> bool:
    """Whether some set of new trades lets all agents in it gain together, or one gains by dropping."""
    now = game.utilities(trades, prices)
    for new in every_set(len(trades)):
        if not (new & trades).any():
            inside = set(game.seller[new]) | set(game.buyer[new]) or range(len(game.agents))
            gain = [best_with(game, i, new, trades, prices) - now[i] for i in inside]
            if (sum(gain) if new.any() else max(gain)) > 1e-9:
                return True
    return False


def outcome(seed: int) -> tuple[TradingNetwork, Bools, Floats]:
    """A small market, trades that all can do, and prices near those of equilibrium."""
    rng = np.random.default_rng(seed)
    game = multigraph(4, 6, rng, high=12)
    sets = every_set(6)
    welfare = game.welfare(sets)
    likely = np.flatnonzero(welfare >= (0 if seed % 2 else welfare.max()))
    prices = competitive_equilibrium(game).prices + rng.integers(-2, 3, 6)
    return game, sets[rng.choice(likely)], prices


@pytest.mark.parametrize("seed", range(30))
def test_equilibria_are_stable(seed: int) -> None:
    game = multigraph(6, 12, np.random.default_rng(seed))
    found = competitive_equilibrium(game)
    assert is_stable(game, found.trades, found.prices)


def test_outcomes_are_stable_if_and_only_if_enumeration_finds_no_block() -> None:
    found = [blocking_set(*outcome(seed)) is not None for seed in range(24)]
    assert found == [blocked_by_search(*outcome(seed)) for seed in range(24)]
    assert 6 < sum(found) < 22


@pytest.mark.parametrize("seed", range(40))
def test_whoever_blocks_gains_what_is_said(seed: int) -> None:
    game, trades, prices = outcome(seed)
    found = blocking_set(game, trades, prices)
    if found is None:
        return
    assert found.gain > 0
    assert not (found.trades & trades).any()
    np.testing.assert_array_equal(np.isfinite(found.prices), found.trades)
    inside = np.zeros(len(game.agents), dtype=bool)
    inside[game.seller[found.trades]] = inside[game.buyer[found.trades]] = True
    np.testing.assert_array_equal(found.agents, inside if inside.any() else found.agents)
    assert found.agents.sum() == (inside.sum() or 1)
    cost = np.where(found.trades, found.prices, 0.0)
    paid = np.bincount(game.buyer, cost, len(inside)) - np.bincount(game.seller, cost, len(inside))
    now = game.utilities(trades, prices)
    for i in np.flatnonzero(found.agents):
        assert best_with(game, i, found.trades, trades, prices) - paid[i] >= now[i] + found.gain - 1e-9


def test_stable_outcomes_are_in_the_core_and_their_trades_efficient() -> None:
    stable = [market for market in map(outcome, range(40)) if is_stable(*market)]
    assert len(stable) > 4
    for game, trades, prices in stable:
        utility = game.utilities(trades, prices)
        sets = every_set(len(trades))
        assert game.welfare(trades) == game.welfare(sets).max()
        for coalition in every_set(len(game.agents)):
            alone = sets[~(sets & ~(coalition[game.seller] & coalition[game.buyer])).any(axis=1)]
            assert game.values(alone)[:, coalition].sum(axis=1).max() <= utility[coalition].sum() + 1e-9


def test_new_traders_share_their_gain() -> None:
    found = blocking_set(CHAIN, [False, False], [0, 0])
    assert found is not None
    assert found.trades.all()
    assert found.gain == pytest.approx(10 / 3)
    np.testing.assert_allclose(found.prices, [10 + 10 / 3, 20 - 10 / 3])
    assert found.agents.all()


def test_an_agent_that_pays_too_much_drops_its_trade() -> None:
    found = blocking_set(PAIR, [True], [23.0])
    assert found is not None
    assert not found.trades.any()
    np.testing.assert_array_equal(found.agents, [False, True])
    assert found.gain == 3
    assert np.isnan(found.prices).all()


@pytest.mark.parametrize(("price", "stable"), [(9, False), (10, True), (17.5, True), (20, True), (20.5, False)])
def test_a_pair_is_stable_between_cost_and_value(price: float, stable: bool) -> None:
    assert is_stable(PAIR, [True], [price]) is stable


def test_a_rival_who_would_pay_more_blocks_and_the_old_trade_is_dropped() -> None:
    game = TradingNetwork([(0, 1), (0, 2)], [UnitSupply({0: 10, 1: 10}), UnitDemand({0: 20}), UnitDemand({1: 30})])
    found = blocking_set(game, [True, False], [15, 0])
    assert found is not None
    np.testing.assert_array_equal(found.agents, [True, False, True])
    assert found.gain == pytest.approx(7.5)  # 30 - 10 against the seller's 5 of now
    assert found.prices[1] == pytest.approx(22.5)


def test_where_no_equilibrium_exists_an_outcome_can_be_stable() -> None:
    # spec/trading_networks.md, T5: the best welfare is 0, so nobody gains from any trade.
    seller = Table({(0,): 0, (1,): 0, (0, 1): -99}, [], [0, 1])
    game = TradingNetwork([(0, 1), (0, 1)], [seller, Table({(0, 1): 3}, [0, 1], [])])
    assert not competitive_equilibrium(game, throw=False).converged
    assert is_stable(game, [False, False], [0, 0])


def test_prices_of_other_trades_are_not_read() -> None:
    game = TradingNetwork([(0, 1), (0, 1)], [Additive({}, {0: 1, 1: 9}), Additive({0: 5, 1: 2}, {})])
    assert is_stable(game, [True, False], [3.0, np.nan])
    assert (regret(game, [True, False], [3.0, 0.0]) > 0).any()  # but they are no prices of equilibrium


def test_bad_outcomes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`trades` must be feasible for each agent; got -inf at index \[1\]"):
        blocking_set(CHAIN, [True, False], [12.0, 15.0])
    with pytest.raises(ValueError, match="`prices` must be finite"):
        blocking_set(PAIR, [True], [np.nan])
    with pytest.raises(ValueError, match="must have one entry for each of 2 trades"):
        is_stable(CHAIN, [True], [12.0])
