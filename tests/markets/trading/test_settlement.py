"""Settlement: choice among the trades met, against enumeration and theory."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from walras.equilibria import best_response_dynamic
from walras.markets.trading.generators import bipartite, core_periphery, multigraph, supply_chain, tree
from walras.markets.trading.settlement import settle
from walras.markets.trading.trading_network import (
    Additive,
    Dealer,
    Intermediary,
    TradingNetwork,
    UnitDemand,
    UnitSupply,
)

NETWORKS = {
    "tree": lambda rng: tree(6, rng, parallel=2),
    "graph": lambda rng: multigraph(5, 8, rng),
    "chain": lambda rng: supply_chain((3, 2, 3), rng),
    "counter": lambda rng: core_periphery(2, 4, rng, links=2),
}


def path() -> TradingNetwork:
    return TradingNetwork([(0, 1), (1, 2)], [UnitSupply({0: 10}), Intermediary([0], [1]), UnitDemand({1: 20})])


def subsets(trades: np.ndarray) -> list[np.ndarray]:
    places = np.flatnonzero(trades)
    found = []
    for chosen in product([False, True], repeat=len(places)):
        subset = np.zeros_like(trades)
        subset[places] = chosen
        found.append(subset)
    return found


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(sorted(NETWORKS)), seed=st.integers(0, 10_000))
def test_no_agent_would_rather_have_a_part_of_what_it_gets(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = NETWORKS[kind](rng)
    met, prices = rng.random(len(network.trades)) < 0.8, rng.integers(0, 100, len(network.trades)).astype(float)
    struck = settle(network, met, prices)
    assert (struck <= met).all()
    for valuation, own in zip(network.agents, network.places, strict=True):
        mine = valuation.utility(struck[own], prices[own])
        assert np.isfinite(mine)
        assert mine >= max(valuation.utility(part, prices[own]) for part in subsets(struck[own])) - 1e-9


@settings(max_examples=60, deadline=None)
@given(sellers=st.integers(1, 4), buyers=st.integers(1, 4), seed=st.integers(0, 10_000))
def test_a_market_of_two_sides_is_left_with_a_stable_matching(sellers: int, buyers: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = bipartite(sellers, buyers, rng, density=0.8)
    prices = rng.permutation(100)[: len(network.trades)] + rng.random(len(network.trades))
    met = rng.random(len(network.trades)) < 0.8
    struck = settle(network, met, prices)
    has = network.utilities(struck, prices)
    for trade, (seller, buyer) in enumerate(network.trades):
        if met[trade] and not struck[trade]:
            alone = network.utilities(np.arange(len(met)) == trade, prices)
            assert not (alone[seller] > has[seller] and alone[buyer] > has[buyer])


@pytest.mark.parametrize("tie", ["maximal", "minimal"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_where_the_dynamic_ends_is_settled_as_it_stands(kind: str, tie: str) -> None:
    rng = np.random.default_rng(3)
    for _ in range(5):
        network = NETWORKS[kind](rng)
        offers = rng.integers(0, 100, (2, len(network.trades))).astype(float)
        end = best_response_dynamic(network, (offers[0], offers[1]), tie, rng=rng)
        assert end.converged
        met = end.bids >= end.asks
        assert (settle(network, met, (end.bids + end.asks) / 2) == end.trades).all()


def test_a_turned_down_buyer_goes_to_the_next_seller() -> None:
    # Both buyers like seller 0 first, both sellers like buyer 2 first.
    network = TradingNetwork(
        [(0, 2), (0, 3), (1, 2), (1, 3)],
        [UnitSupply({0: 1, 1: 2}), UnitSupply({2: 1, 3: 2}), UnitDemand({0: 9, 2: 8}), UnitDemand({1: 9, 3: 8})],
    )
    assert settle(network, [True] * 4, [5.0] * 4).tolist() == [True, False, False, True]


def test_an_intermediary_withdraws_what_it_cannot_sell() -> None:
    assert settle(path(), [True, True], [12.0, 15.0]).tolist() == [True, True]
    assert settle(path(), [True, False], [12.0, 15.0]).tolist() == [False, False]
    assert settle(path(), [True, True], [12.0, 21.0]).tolist() == [False, False]
    assert settle(path(), [True, True], [16.0, 15.0]).tolist() == [False, False]


def test_a_dealer_sells_no_more_than_it_has() -> None:
    network = TradingNetwork(
        [(0, 1), (0, 2), (0, 3)],
        [Dealer({}, {0: 0, 1: 0, 2: 0}, 2, [0, 0]), *(UnitDemand({trade: 9}) for trade in range(3))],
    )
    assert settle(network, [True] * 3, [3.0, 4.0, 5.0]).tolist() == [False, True, True]


def test_rows_of_a_batch_are_settled_alone() -> None:
    rng = np.random.default_rng(0)
    network = multigraph(5, 8, rng)
    met, prices = rng.random((6, 8)) < 0.7, rng.integers(0, 100, (6, 8)).astype(float)
    together = settle(network, met, prices)
    assert (together == np.stack([settle(network, m, p) for m, p in zip(met, prices, strict=True)])).all()


@pytest.mark.parametrize(
    ("met", "prices", "message"),
    [
        ([True], [1.0, 2.0], r"`met` must have the shape of `prices`, \(2,\); got \(1,\)"),
        ([True], [1.0], "`prices` must have one entry for each of 2 trades"),
        ([True, True], [1.0, np.inf], "`prices` must be finite"),
    ],
)
def test_bad_input_is_refused(met: list[bool], prices: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        settle(path(), met, prices)


@pytest.mark.parametrize("base", [100, 4_000_000, 10**12])
@pytest.mark.parametrize("count", [2, 20, 60])
def test_one_unit_of_money_decides_at_any_price(base: int, count: int) -> None:
    # A seller of one unit has met many buyers, at prices of which one is higher by 1; and the mirror image.
    prices = np.full(count, base)
    prices[-1] = base + 1
    buyers = [Additive({w: 2 * base}, {}) for w in range(count)]
    seller = UnitSupply(dict.fromkeys(range(count), base // 2))
    idle = Additive({}, {})
    network = TradingNetwork([(0, 1 + w) for w in range(count)], [seller, *buyers, idle])
    assert np.flatnonzero(settle(network, np.ones(count), prices)).tolist() == [count - 1]
    buyer = UnitDemand(dict.fromkeys(range(count), 2 * base))
    sellers = [Additive({}, {w: base // 2}) for w in range(count)]
    network = TradingNetwork([(1 + w, 0) for w in range(count)], [buyer, *sellers])
    assert np.flatnonzero(settle(network, np.ones(count), 2 * base - (prices - base))).tolist() == [count - 1]
