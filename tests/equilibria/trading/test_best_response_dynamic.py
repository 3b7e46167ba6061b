import math
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from walras.core.typing import Bools, Floats
from walras.equilibria import DynamicResult, Quote, best_response_dynamic, classify, exact_tick
from walras.markets.trading.generators import bipartite, intermediated, multigraph, tree
from walras.markets.trading.trading_network import (
    Additive,
    Intermediary,
    Table,
    TradingNetwork,
    UnitDemand,
    UnitSupply,
    Valuation,
)

dynamic = sys.modules["walras.equilibria.trading.best_response_dynamic"]

# Seller with a cost of 10, intermediary, buyer with a value of 20; start 9 | 21, 16 | 1: README of NetworkTrading.jl.
PATH = TradingNetwork([(0, 1), (1, 2)], [UnitSupply({0: 10}), Intermediary([0], [1]), UnitDemand({1: 20})])
README = ([21, 1], [9, 16])

seeds = st.integers(0, 2**32 - 1)
ties = st.sampled_from(dynamic.TIES)


def complements(value: float) -> TradingNetwork:
    """A seller of one of two trades at no cost, or of both at 99; a buyer of both or nothing: spec T5."""
    seller = Table({(0,): 0, (1,): 0, (0, 1): -99}, buys=[], sells=[0, 1])
    return TradingNetwork([(0, 1), (0, 1)], [seller, Table({(0, 1): value}, buys=[0, 1], sells=[])])


def random_tables(network: TradingNetwork, rng: np.random.Generator) -> TradingNetwork:
    """The network with integer values drawn for all bundles: not substitutable, as a rule."""

    def table(agent: Valuation) -> Table:
        buys, sells = ([w for w, s in agent.side_of.items() if s == side] for side in (1, -1))
        empty = Table({}, buys, sells)
        bundles = [tuple(np.array(agent.trades)[bundle].tolist()) for bundle in empty.bundles[1:]]
        return Table(dict(zip(bundles, rng.integers(-60, 101, len(bundles)).tolist(), strict=True)), buys, sells)

    return TradingNetwork(network.trades, [table(agent) for agent in network.agents])


def mixed(rng: np.random.Generator) -> TradingNetwork:
    """Additive agents, one unit agent of each side and an intermediary on a small random graph: all compiled."""
    trades = [(0, 3), (3, 1), (0, 2), (2, 1), (3, 2), (2, 3), (0, 1), (2, 1), (3, 1)]
    kept = [trades[k] for k in np.flatnonzero(rng.random(len(trades)) < 0.8)] or trades[:1]
    buys, sells = ([[w for w, pair in enumerate(kept) if pair[side] == i] for i in range(4)] for side in (1, 0))

    def drawn(own: list[int]) -> dict[int, float]:
        return dict(zip(own, rng.integers(0, 12, len(own)).tolist(), strict=True))

    agents = [
        UnitSupply(drawn(sells[0])),
        UnitDemand(drawn(buys[1])),
        Additive(drawn(buys[2]), drawn(sells[2])),
        Intermediary(buys[3], sells[3], cost=int(rng.integers(3))),
    ]
    return TradingNetwork(kept, agents)


FAMILIES: dict[str, Callable[[np.random.Generator], TradingNetwork]] = {
    "mixed": mixed,
    "chain": lambda rng: intermediated(2, 1, 2, rng, density=0.8, cost=3, high=12),
    "bipartite": lambda rng: bipartite(3, 2, rng, density=0.8, high=9),
    "tree": lambda rng: tree(5, rng, parallel=2, high=12),
    "multigraph": lambda rng: multigraph(4, 6, rng, high=12),
}


@st.composite
def substitutable(draw: st.DrawFn) -> TradingNetwork:
    return FAMILIES[draw(st.sampled_from(sorted(FAMILIES)))](np.random.default_rng(draw(seeds)))


def starts(network: TradingNetwork, seed: int, rows: int | None = None, high: int = 20) -> tuple[Floats, Floats]:
    shape = (len(network.trades),) if rows is None else (rows, len(network.trades))
    bids, asks = np.random.default_rng(seed).integers(0, high, (2, *shape), endpoint=True).astype(float)
    return bids, asks


def run(network: TradingNetwork, seed: int, tie: str = "maximal", tick: float = 1.0) -> DynamicResult:
    return best_response_dynamic(
        network, starts(network, seed), tie, rng=np.random.default_rng(seed), tick=tick, max_steps=100_000
    )


def best_bundle(agent: Valuation, prices: Floats, tie: str) -> set[int]:
    """By enumeration: the first of the best bundles that no other contains, or that contain none."""
    bundles = (np.arange(2**agent.degree)[:, None] >> np.arange(agent.degree) & 1).astype(bool)
    utility = agent.value(bundles) - np.where(bundles, agent.sides * prices, 0).sum(axis=1)
    best = [frozenset(np.flatnonzero(b).tolist()) for b in bundles[utility == utility.max()]]
    if tie == "maximal":
        best = [b for b in best if not any(b < other for other in best)]
    else:
        best = [b for b in best if not any(other < b for other in best)]
    return set(min(best, key=sorted))


def by_the_book(network: TradingNetwork, bids: Floats, asks: Floats, tie: str, seed: int) -> tuple[int, Floats, Floats]:
    """The dynamic of the spec, trade by trade, with demand by enumeration."""
    rng = np.random.default_rng(seed).spawn(1)[0]
    bids, asks, steps, unsatisfied = bids.copy(), asks.copy(), 0, list(range(len(network.agents)))
    while unsatisfied:
        place = int(rng.random() * len(unsatisfied))
        agent = unsatisfied[place]
        unsatisfied[place] = unsatisfied[-1]
        unsatisfied.pop()
        valuation = network.agents[agent]
        prices = np.array([asks[w] if valuation.side_of[w] > 0 else bids[w] for w in valuation.trades])
        chosen = best_bundle(valuation, prices, tie)
        for k, trade in enumerate(valuation.trades):
            buys = valuation.side_of[trade] > 0
            offer = prices[k] if k in chosen else prices[k] - (1 if buys else -1)
            mine, other = (bids, network.trades[trade][0]) if buys else (asks, network.trades[trade][1])
            if mine[trade] != offer and other not in unsatisfied:
                unsatisfied.append(other)
            mine[trade] = offer
        steps += 1
    return steps, bids, asks


def all_sets(network: TradingNetwork) -> Bools:
    count = len(network.trades)
    return (np.arange(2**count)[:, None] >> np.arange(count) & 1).astype(bool)


def faced(network: TradingNetwork, end: DynamicResult, agent: int) -> Floats:
    """The counterparts' offers to an agent, ``[d]``."""
    own = network.places[agent]
    return np.where(network.agents[agent].sides > 0, end.asks[own], end.bids[own])


@settings(max_examples=60, deadline=None)
@given(substitutable(), ties, seeds)
def test_moves_are_those_of_the_book(network: TradingNetwork, tie: str, seed: int) -> None:
    steps, bids, asks = by_the_book(network, *starts(network, seed), tie, seed)
    end = run(network, seed, tie)
    assert end.steps == steps
    np.testing.assert_array_equal(end.bids, bids)
    np.testing.assert_array_equal(end.asks, asks)


@pytest.mark.parametrize("tie", dynamic.TIES)
@pytest.mark.parametrize("family", ["mixed", "chain", "bipartite"])
def test_the_compiled_moves_are_those_of_python(family: str, tie: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = FAMILIES[family](np.random.default_rng(1))
    offers = starts(network, 2, rows=20)
    compiled = best_response_dynamic(network, offers, tie, rng=np.random.default_rng(3), tick=0.5)
    monkeypatch.setattr(dynamic, "COMPILED", ())
    plain = best_response_dynamic(network, offers, tie, rng=np.random.default_rng(3), tick=0.5)
    for field in ("bids", "asks", "steps", "converged"):
        np.testing.assert_array_equal(getattr(compiled, field), getattr(plain, field))


@pytest.mark.parametrize("tie", dynamic.TIES)
def test_the_path_of_the_readme_always_trades(tie: str) -> None:
    # 10 <= p_1 <= p_2 <= 20 and a welfare of 10 on 200 of 200 seeds: spec, section 16, item 9.
    offers = tuple(np.tile(side, (200, 1)) for side in README)
    end = best_response_dynamic(PATH, offers, tie, rng=np.random.default_rng(0))
    assert end.converged.all()
    assert end.trades.all()
    assert (end.bids[:, 0] >= 10).all()
    assert (np.diff(end.bids, axis=1) >= 0).all()
    assert (end.bids[:, 1] <= 20).all()
    assert (PATH.welfare(end.trades) == 10).all()
    assert end.steps.max() <= 60


@settings(max_examples=60, deadline=None)
@given(substitutable(), ties, seeds)
def test_at_the_end_each_trade_is_struck_by_both_sides_or_one_tick_apart_and_wanted_by_none(
    network: TradingNetwork, tie: str, seed: int
) -> None:
    end = run(network, seed, tie)
    assert end.converged
    assert set(classify(end).tolist()) <= {Quote.STRUCK, Quote.TIGHT}
    np.testing.assert_array_equal(classify(end) == Quote.STRUCK, end.trades)
    for i, agent in enumerate(network.agents):
        prices, own = faced(network, end, i), end.trades[network.places[i]]
        assert set(np.flatnonzero(own).tolist()) == best_bundle(agent, prices, tie)


@settings(max_examples=60, deadline=None)
@given(substitutable(), ties, seeds)
def test_the_lost_welfare_is_within_its_bound(network: TradingNetwork, tie: str, seed: int) -> None:
    end = run(network, seed, tie)
    best = network.welfare(all_sets(network)).max()
    assert best - network.welfare(end.trades) <= end.loss_bound
    assert end.loss_bound == (~end.trades).sum()


@settings(max_examples=60, deadline=None)
@given(substitutable(), ties, seeds)
def test_at_the_exact_tick_nothing_is_lost(network: TradingNetwork, tie: str, seed: int) -> None:
    tick = exact_tick(network)
    assert tick < 1 / len(network.trades) <= 2 * tick
    end = run(network, seed, tie, tick)
    assert end.converged
    assert network.welfare(end.trades) == network.welfare(all_sets(network)).max()


@settings(max_examples=40, deadline=None)
@given(substitutable(), ties, seeds, st.sampled_from([0.25, 1.0, 4.0]))
def test_between_the_offers_an_agent_forgoes_a_tick_for_each_trade_not_struck(
    network: TradingNetwork, tie: str, seed: int, tick: float
) -> None:
    offers = tuple(tick * side for side in starts(network, seed))
    end = best_response_dynamic(network, offers, tie, rng=np.random.default_rng(seed), tick=tick)
    prices = end.bids + np.random.default_rng(seed).choice([0, 0.5, 1.0], len(end.bids)) * (end.asks - end.bids)
    forgone = network.indirect_utilities(prices) - network.utilities(end.trades, prices)
    missed = [(~end.trades)[own].sum() for own in network.places]
    assert (forgone <= tick * np.array(missed)).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 8), seeds)
def test_on_trees_any_valuations_end_within_the_bound(agents: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_tables(tree(agents, rng), rng)
    end = run(network, seed)
    assert end.converged
    assert network.welfare(all_sets(network)).max() - network.welfare(end.trades) <= end.loss_bound


@pytest.mark.parametrize("parallel", [1, 2])
def test_trees_of_substitutable_agents_end(parallel: int) -> None:
    for seed in range(10):
        network = tree(12, np.random.default_rng(seed), parallel=parallel)
        assert best_response_dynamic(
            network, starts(network, seed, high=100), rng=np.random.default_rng(seed), max_steps=20_000
        ).converged


def test_two_agents_with_up_to_six_trades_end() -> None:
    for trades in range(1, 7):
        network = multigraph(2, trades, np.random.default_rng(trades))
        offers = starts(network, trades, rows=10, high=100)
        assert best_response_dynamic(network, offers, rng=np.random.default_rng(0), max_steps=20_000).converged.all()


def every_start(value: int) -> tuple[Floats, Floats]:
    grid = np.stack(np.meshgrid(*[np.arange(value + 1.0)] * 4), axis=-1).reshape(-1, 4)
    return grid[:, :2], grid[:, 2:]


@pytest.mark.parametrize("tie", dynamic.TIES)
def test_without_an_equilibrium_no_start_ends(tie: str) -> None:
    end = best_response_dynamic(complements(3), every_start(3), tie, rng=np.random.default_rng(0), max_steps=80)
    assert end.converged.shape == (256,)
    assert not end.converged.any()
    assert (end.steps == 80).all()
    assert np.isinf(end.loss_bound).all()


@pytest.mark.parametrize("value", [1, 2])
def test_a_coarse_tick_can_hide_that_there_is_no_equilibrium(value: int) -> None:
    network, offers = complements(value), every_start(value)
    coarse = best_response_dynamic(network, offers, "minimal", rng=np.random.default_rng(0), max_steps=100)
    assert coarse.converged.all()
    fine = best_response_dynamic(network, offers, "minimal", rng=np.random.default_rng(0), tick=0.25, max_steps=100)
    assert not fine.converged.any()
    eager = best_response_dynamic(network, offers, rng=np.random.default_rng(0), max_steps=100)
    assert not eager.converged.any()


def test_minimal_ties_can_miss_a_gain_of_a_tick_and_maximal_ones_cannot() -> None:
    # One trade (spec T4): a gain of one, offers one tick apart; what the other asks just leaves nothing.
    network = TradingNetwork([(0, 1)], [UnitSupply({0: 10}), UnitDemand({0: 11})])
    offers = np.full((20, 1), 10.0), np.full((20, 1), 11.0)
    lazy = best_response_dynamic(network, offers, "minimal", rng=np.random.default_rng(0))
    assert (lazy.asks - lazy.bids == 1).all()
    eager = best_response_dynamic(network, offers, rng=np.random.default_rng(0))
    assert eager.trades.all()


def test_an_agent_without_trades_moves_once() -> None:
    network = TradingNetwork([(0, 1)], [UnitSupply({0: 1}), UnitDemand({0: 5}), UnitDemand({}), Table({}, [], [])])
    end = best_response_dynamic(network, ([3], [3]), rng=np.random.default_rng(0))
    assert end.trades.all()
    assert end.steps == 4


def test_a_row_does_not_depend_on_the_rows_after_it() -> None:
    network = bipartite(6, 6, np.random.default_rng(0))
    bids, asks = starts(network, 0, rows=7, high=100)
    whole = best_response_dynamic(network, (bids, asks), rng=np.random.default_rng(5))
    for rows in (1, 3):
        part = best_response_dynamic(network, (bids[:rows], asks[:rows]), rng=np.random.default_rng(5))
        np.testing.assert_array_equal(part.bids, whole.bids[:rows])
        np.testing.assert_array_equal(part.steps, whole.steps[:rows])
    assert len(set(whole.steps.tolist())) > 1


def test_markets_of_a_batch_are_played_each_with_its_own_agents() -> None:
    markets = [bipartite(4, 4, np.random.default_rng(seed)) for seed in range(3)]
    markets.insert(1, random_tables(bipartite(4, 4, np.random.default_rng(9)), np.random.default_rng(9)))
    bids, asks = starts(markets[0], 0, rows=4, high=100)
    batch = best_response_dynamic(markets, (bids, asks), rng=np.random.default_rng(5), max_steps=2000)
    streams = np.random.default_rng(5).spawn(4)
    for row, market in enumerate(markets):
        alone = dynamic._player(market, "maximal")
        quotes = np.stack((bids[row], asks[row]))
        assert alone(quotes, 1.0, streams[row], 2000) == (batch.steps[row], batch.converged[row])
        np.testing.assert_array_equal(quotes, (batch.bids[row], batch.asks[row]))


def test_one_row_of_offers_starts_every_market_of_a_list() -> None:
    end = best_response_dynamic([PATH, PATH], README, rng=np.random.default_rng(0))
    assert end.bids.shape == end.trades.shape == (2, 2)
    assert end.steps.shape == end.converged.shape == end.loss_bound.shape == (2,)


def test_offers_given_are_left_alone() -> None:
    bids, asks = starts(PATH, 0, rows=3)
    copies = bids.copy(), asks.copy()
    best_response_dynamic(PATH, (bids, asks), rng=np.random.default_rng(0))
    np.testing.assert_array_equal((bids, asks), copies)


def test_quotes_have_names() -> None:
    end = DynamicResult(np.full(4, 5.0), np.array([5, 5.5, 6, 4.0]), np.array(1), np.array(False), 0.5)
    assert classify(end).tolist() == [Quote.STRUCK, Quote.TIGHT, Quote.WIDE, Quote.CROSSED]
    assert end.trades.tolist() == [True, False, False, False]
    assert math.isinf(end.loss_bound)


def test_the_compiled_moves_are_loaded_by_the_first_call() -> None:
    code = "import sys, walras.equilibria as e; sys.exit(f'{e.__name__}.best_response_dynamic_compiled' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


BAD = [
    ({"tie": "max"}, r"`tie` must be one of maximal, minimal; got 'max'\. Did you mean 'maximal'\?"),
    ({"tick": 0.3}, r"`tick` must be a power of two; got 0\.3"),
    ({"tick": 0.0}, r"`tick` must be a power of two; got 0\.0"),
    ({"tick": -1.0}, r"`tick` must be a power of two; got -1\.0"),
    ({"tick": math.inf}, r"`tick` must be a power of two; got inf"),
    ({"tick": 2.0**-21}, r"`tick` must be more than 2\^-24 of the largest number, 21; got 4\.7"),
    ({"max_steps": 0}, r"`max_steps` must be at least 1; got 0"),
    ({"offers": ([1], [2])}, r"`offers` must have the shape \[2\] or \[B, 2\]; got \(1,\)"),
    ({"offers": (np.zeros((1, 1, 2)), 0)}, r"`offers` must have the shape \[2\] or \[B, 2\]; got \(1, 1, 2\)"),
    ({"offers": np.zeros((3, 2))}, r"`offers` must be a pair, bids and asks; got"),
    ({"offers": ([1, np.nan], [2, 3])}, r"`offers` must be finite; got nan at index \[0, 1\]"),
    ({"offers": ([1, 2], [2, np.inf])}, r"`offers` must be finite; got inf at index \[1, 1\]"),
    ({"offers": ([1, 2.5], [2, 3])}, r"`offers` must be multiples of the tick, 1\.0; got 2\.5 at index \[0, 1\]"),
    ({"network": []}, r"`network` must hold at least one market; got \(\)"),
    (
        {"network": [PATH, bipartite(1, 1, np.random.default_rng(0))]},
        r"`network` must hold markets with equally many agents and trades; got \[\(2, 1\), \(3, 2\)\]",
    ),
    (
        {"network": [PATH, PATH], "offers": (np.zeros((3, 2)), np.zeros((3, 2)))},
        r"`offers` must have one row, or one for each market; got \(3, 2\)",
    ),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_input_is_named(change: dict[str, object], message: str) -> None:
    arguments = {"network": PATH, "offers": README, "rng": np.random.default_rng(0), **change}
    with pytest.raises(ValueError, match=message):
        best_response_dynamic(**arguments)


def test_values_that_are_not_integers_have_no_exact_tick() -> None:
    agents = [UnitSupply({0: 10}), UnitDemand({0: 10.5})]
    with pytest.raises(ValueError, match=r"`network` must have integer values and costs; got .*agents\[1\].*10\.5"):
        exact_tick(TradingNetwork([(0, 1)], agents))
