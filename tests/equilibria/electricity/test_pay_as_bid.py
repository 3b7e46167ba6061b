"""Offers that are paid as bid: the best offer by enumeration in the market, and the mixed equilibrium of two."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from walras.core import Random, Scripted, Status, rollout
from walras.core.typing import Floats
from walras.envs import DayAheadMarket
from walras.equilibria import Kind, deviation, gap, hindsight_regret, replay, solve, stakes
from walras.equilibria.electricity.best_offer import TICK, Scenarios
from walras.equilibria.electricity.day_ahead_nash import HourlyNash
from walras.equilibria.electricity.pay_as_bid import EqualPair, best_offers, expected_profits, pair_prices
from walras.markets.electricity.clearing import merit_order, settle_pay_as_bid
from walras.markets.electricity.generation import Conditions, Generator

CAP, SLIVER = 12.0, 1e-3


def pair(*load: float, capacity: float = 60.0, cap: float = 100.0) -> DayAheadMarket:
    """Two sellers at 10 EUR/MWh."""
    fleet = tuple(Generator(name, (10.0,), (capacity,)) for name in ("a", "b"))
    conditions = Conditions(profile=np.array(load))
    return DayAheadMarket(fleet, conditions, markup_limit=1000.0, cap=cap, horizon=len(load), settlement="pay_as_bid")


@st.composite
def books(draw: st.DrawFn) -> tuple[DayAheadMarket, Floats]:
    """Up to three sellers of up to two blocks, small whole numbers, and everybody's mark-ups."""
    block = st.tuples(st.integers(0, 8), st.integers(0, 3))
    fleet = draw(st.lists(st.lists(block, min_size=1, max_size=2), min_size=1, max_size=3))
    sellers = tuple(
        Generator(f"g{i}", *(tuple(map(float, column)) for column in zip(*sorted(own), strict=True)))
        for i, own in enumerate(fleet)
    )
    limit, load = float(draw(st.integers(1, 12))), float(draw(st.integers(0, 9)))
    game = DayAheadMarket(sellers, Conditions(profile=np.array([load])), limit, CAP, horizon=1, settlement="pay_as_bid")
    markup = np.array(draw(st.lists(st.integers(0, int(limit)), min_size=game.cost.size, max_size=game.cost.size)))
    return game, markup.reshape(game.cost.shape).astype(np.float64)


def played(game: DayAheadMarket, markup: Floats) -> Floats:
    """Profits of mark-ups ``[M, N, K]`` by the game's own step."""
    noise = np.zeros((len(markup), 1 + len(game.agents)))
    return game.step(game.reset(noise), markup, noise).reward


@settings(max_examples=100, deadline=None)
@given(books())
def test_the_best_offer_is_that_of_an_enumeration_in_the_market(book: tuple[DayAheadMarket, Floats]) -> None:
    game, markup = book
    found = deviation(game, game.reset(np.zeros((1, 1 + len(game.agents)))), markup[None])
    offer = np.minimum(game.cost + markup, CAP)
    np.testing.assert_allclose(found.reward, played(game, markup[None]), atol=1e-12)
    for agent in range(len(game.agents)):
        levels = np.concatenate((offer.ravel(), (game.cost + game.markup_limit).ravel(), [CAP]))
        near = levels[:, None] - SLIVER * np.arange(3)
        grids = [np.unique(np.clip(near - c, 0.0, game.markup_limit)) for c in game.cost[agent]]
        tried = np.array(list(product(*grids)))
        all_markups = np.broadcast_to(markup, (len(tried), *markup.shape)).copy()
        all_markups[:, agent] = tried
        most, value = played(game, all_markups)[:, agent].max(), (found.reward + found.gain)[0, agent]
        assert value >= most - 1e-9
        assert value <= most + 2 * SLIVER * game.capacity[agent].sum() + 1e-9
        changed = markup.copy()
        changed[agent] = found.action[0, agent]
        if found.gain[0, agent] > 0:
            assert played(game, changed[None])[0, agent] >= value - 3 * TICK * game.capacity[agent].sum() - 1e-9


def test_several_scenarios_are_answered_by_one_offer_as_an_enumeration_does() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scenarios = Scenarios(
            rng.integers(1, 12, (1, 3, 2)) + 0.0, rng.integers(0, 4, (1, 3, 2)) + 0.0, rng.uniform(1, 8, (1, 3)),
            np.array([[0.5, 0.3, 0.2]]),
        )  # fmt: skip
        cost, capacity, reach = np.array([[1.0, 3.0]]), np.array([[2.0, 1.5]]), np.array([[8.0, 11.0]])
        found = best_offers(cost, capacity, reach, scenarios)
        levels = np.append(scenarios.price.ravel(), reach)[:, None] - SLIVER * np.arange(3)
        grid = [np.unique(np.clip(levels, c, r)) for c, r in zip(cost[0], reach[0], strict=True)]
        offer = np.array(list(product(*grid)))
        same = [np.broadcast_to(part, offer.shape) for part in (cost, capacity)]
        most = expected_profits(*same, offer, scenarios).max()
        assert most - 1e-9 <= found.value[0] <= most + 4 * SLIVER * capacity.sum()
        assert expected_profits(cost, capacity, found.offer, scenarios)[0] > found.value[0] - 1e-4


def test_expected_profits_are_those_of_the_market_cleared_and_settled() -> None:
    rng = np.random.default_rng(1)
    price, quantity = rng.integers(0, 5, (40, 3, 2)) + 0.0, rng.integers(0, 4, (40, 3, 2)) + 0.0
    load, cost = rng.integers(0, 12, 40) + 0.0, np.zeros((40, 2))
    clearing = merit_order(price, quantity, load, 9.0, 0.0)
    others = Scenarios(
        price[:, 1:].reshape(40, 1, 4), quantity[:, 1:].reshape(40, 1, 4), load[:, None], np.ones((40, 1))
    )
    found = expected_profits(cost, quantity[:, 0], price[:, 0], others)
    np.testing.assert_allclose(found, settle_pay_as_bid(clearing, price)[:, 0], atol=1e-9)


def test_two_equal_sellers_mix_as_the_paper_says() -> None:
    # Fabra, von der Fehr, Harbord 2006: k = 60, D = 100, c = 10, P = 100 gives support 70..100 and profits of 3,600.
    ends = pair_prices(np.array([100.0]), np.array([60.0]), 10.0, 100.0, np.array([0.0, 1.0]))
    np.testing.assert_allclose(ends, [[70.0, 100.0]], rtol=1e-14)
    price = np.linspace(70.0, 100.0, 9001)
    law = (60 * (price - 10) - 90 * 40) / ((price - 10) * 20)
    np.testing.assert_allclose(pair_prices(np.array([100.0]), np.array([60.0]), 10.0, 100.0, law)[0], price, rtol=1e-12)
    np.testing.assert_allclose((price - 10) * (law * 40 + (1 - law) * 60), 3600.0, rtol=1e-12)  # indifferent
    assert (2 * 3600 + 10 * 100) / 100 == 82.0  # EUR/MWh that the load pays


def test_the_mixture_is_certified_and_no_offer_of_a_grid_gains() -> None:
    game = pair(100.0)
    found = solve(game)
    assert found.status is Status.CONVERGED
    assert isinstance(found.policy, EqualPair)
    np.testing.assert_allclose(found.value, 3600.0, rtol=1e-6)
    distance = gap(game, found.policy)
    assert distance.kind is Kind.EXACT
    assert distance.certifies == "Nash"
    assert 0.0 < distance.upper.max() < 1e-3 * 3600.0
    _, markup = found.policy.mixture(game.observe(game.reset(np.zeros((1, 3)))))
    atoms = 10.0 + markup[0, 1].reshape(1, 1000, 1)
    rivals = Scenarios(atoms, np.full(atoms.shape, 60.0), np.full((1, 1000), 100.0), np.full((1, 1000), 1e-3))
    offer = np.linspace(10.0, 100.0, 9001)[:, None]
    tried = expected_profits(np.full(offer.shape, 10.0), np.full(offer.shape, 60.0), offer, rivals)
    assert tried.max() <= 3600.0 + distance.upper[0] + 1e-9
    gained = replay(game, found.policy, distance, seeds=range(2000))
    error = gained.std(axis=0) / np.sqrt(len(gained))
    assert np.all(np.abs(gained.mean(axis=0) - distance.estimate) < 4 * error)
    paid = rollout(game, found.policy, range(2000)).total.sum(axis=1).mean() / 100 + 10
    assert abs(paid - 82.0) < 0.5


@pytest.mark.parametrize(("load", "price"), [(50.0, 10.0), (130.0, 100.0)])
def test_without_rivalry_the_equilibrium_is_pure(load: float, price: float) -> None:
    game = pair(load)
    found = solve(game)
    assert found.residual == 0.0
    assert np.all(rollout(game, found.policy, [0]).state.offer[-1] == price)


def test_a_seller_that_stays_out_of_the_mixture_leaves_a_gain_to_the_other() -> None:
    game = pair(100.0)
    distance = gap(game, Scripted(game))
    assert distance.kind is Kind.EXACT
    np.testing.assert_allclose(distance.upper, 3600.0, rtol=1e-9)  # serve what the other leaves, at the cap
    np.testing.assert_allclose(stakes(game), 3600.0, rtol=1e-9)


def test_unlike_sellers_have_no_equilibrium_and_solve_says_so() -> None:
    fleet = (Generator("a", (10.0,), (60.0,)), Generator("b", (20.0,), (80.0,)))
    conditions = Conditions(profile=np.array([100.0]))
    game = DayAheadMarket(fleet, conditions, cap=100.0, horizon=1, settlement="pay_as_bid")
    found = solve(game, throw=False)
    assert found.status is Status.NOT_EQUILIBRIUM
    assert found.residual_lower > 0.5
    competitive = solve(game, "competitive")
    assert competitive.status is Status.CONVERGED
    assert np.all(competitive.value == 0)


def test_ends_agree_with_hindsight_where_outages_are_hidden() -> None:
    conditions = Conditions(np.array([100.0, 120.0]), outage=0.05, outage_deviation=0.02)
    fleet = (Generator("a", (10.0, 30.0), (60.0, 20.0)), Generator("b", (20.0,), (80.0,)))
    game = DayAheadMarket(fleet, conditions, cap=100.0, horizon=2, settlement="pay_as_bid")
    distance = gap(game, Random(game), seeds=range(32))
    assert distance.kind is Kind.STATISTICAL
    assert np.all(distance.lower <= distance.upper)
    assert np.all(distance.estimate <= hindsight_regret(game, Random(game), range(32)).regret * 1.1)


def test_what_is_unknown_or_of_the_other_rule_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`settlement` must be one of pay_as_bid, uniform; got 'pay_as_bids'"):
        DayAheadMarket(settlement="pay_as_bids")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"`settlement` must be uniform, for hourly equilibria"):
        HourlyNash(DayAheadMarket(settlement="pay_as_bid"))
    with pytest.raises(ValueError, match=r"`game` must have two equal sellers"):
        EqualPair(DayAheadMarket(settlement="pay_as_bid"))
