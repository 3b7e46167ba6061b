"""One seller's exact best offer against scenarios: by closed forms, by the best deviation, and by enumeration."""

import subprocess
import sys
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from walras.core.typing import Floats
from walras.envs import DayAheadMarket
from walras.equilibria.electricity.best_offer import BLOCKS, TICK, BestOffers, Scenarios, best_offers, expected_profits
from walras.equilibria.electricity.day_ahead import day_ahead_deviation
from walras.markets.electricity.clearing import merit_order
from walras.markets.electricity.generation import Conditions, Generator

CAP = 12.0
SLIVER = 1e-5
"""By how much the enumeration stays below a level."""

Problem = tuple[Floats, Floats, Floats, Scenarios]


def cleared_profit(cost: Floats, capacity: Floats, offer: Floats, scenarios: Scenarios, cap: float) -> Floats:
    """The weighted profit of ``offer [M, K]`` against one row of scenarios by the market's own clearing, ``[M]``."""
    rows, (_, count, rivals) = len(offer), scenarios.price.shape
    blocks = offer.shape[1]
    asked, sold = np.zeros((rows, count, 2, max(blocks, rivals))), np.zeros((rows, count, 2, max(blocks, rivals)))
    asked[:, :, 0, :blocks], sold[:, :, 0, :blocks] = offer[:, None], capacity[:, None]
    asked[:, :, 1, :rivals], sold[:, :, 1, :rivals] = scenarios.price, scenarios.quantity
    shape = (rows * count, 2, max(blocks, rivals))
    load = np.broadcast_to(np.maximum(scenarios.load, 0.0), (rows, count)).ravel()
    clearing = merit_order(asked.reshape(shape), sold.reshape(shape), load, cap, 0.0)
    margin = clearing.price.reshape(rows, count, 1) - cost[:, None]
    dispatch = clearing.dispatch[:, 0, :blocks].reshape(rows, count, blocks)
    return np.sum(scenarios.weight * np.sum(margin * dispatch, axis=2), axis=1)


def enumerated(problem: Problem, cap: float) -> float:
    """The largest weighted profit over all offers just below a level, at it, or at cost or reach."""
    cost, capacity, reach, scenarios = problem
    level = np.concatenate((scenarios.price.ravel(), cost.ravel(), reach.ravel(), [cap]))
    below = level[:, None] - SLIVER * np.arange(cost.shape[1] + 1)
    grid = [np.unique(np.clip(below, c, r)) for c, r in zip(cost[0], reach[0], strict=True)]
    offer = np.array(list(product(*grid)))
    own = [np.broadcast_to(array, offer.shape) for array in (cost, capacity)]
    return float(cleared_profit(*own, offer, scenarios, cap).max())


def slack(problem: Problem) -> float:
    """What ticks may cost: all of them on everything that is sold."""
    cost, capacity, _, scenarios = problem
    return cost.shape[1] * TICK * float(capacity.sum()) * float(scenarios.weight.sum()) + 1e-9


def solved(problem: Problem, cap: float = CAP) -> BestOffers:
    return best_offers(*problem, cap)


def one(cost: list[float], capacity: list[float], price: list[float], quantity: list[float], load: float) -> Problem:
    """One scenario, and reaches up to the cap."""
    arrays = [np.array([numbers], dtype=np.float64) for numbers in (cost, capacity)]
    rivals = [np.array([[numbers]], dtype=np.float64) for numbers in (price, quantity)]
    reach = np.full(arrays[0].shape, CAP)
    return *arrays, reach, Scenarios(*rivals, np.array([[load]]), np.ones((1, 1)))


@st.composite
def problems(draw: st.DrawFn, blocks: int = 2, scenarios: int = 4, rivals: int = 2) -> Problem:
    """Small whole numbers, so that ties, exact edges, empty blocks, scarcity and hours without load are common.

    Some prices lie a hair, less than a tick, below the whole number.
    """
    count = draw(st.integers(1, blocks))
    own = draw(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 3)), min_size=count, max_size=count))
    cost, capacity = np.array([own], dtype=np.float64).transpose(2, 0, 1)
    reach = np.minimum(cost + draw(st.integers(0, 12)), CAP)
    shape = draw(st.integers(1, scenarios)), draw(st.integers(1, rivals))
    numbers = st.lists(st.integers(0, 12), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1])
    price = np.array(draw(numbers), dtype=np.float64).reshape(1, *shape)
    price = np.maximum(price - draw(st.sampled_from((0.0, 1e-7, 3e-7))) * (np.arange(shape[1]) % 3), 0.0)
    quantity = np.array(draw(numbers), dtype=np.float64).reshape(1, *shape) % 5
    load = draw(st.lists(st.integers(-1, 12), min_size=shape[0], max_size=shape[0]))
    weight = draw(st.lists(st.integers(0, 3), min_size=shape[0], max_size=shape[0]))
    return (
        cost,
        capacity,
        reach,
        Scenarios(price, quantity, np.array([load], dtype=np.float64), np.array([weight], dtype=np.float64)),
    )


@settings(max_examples=150, deadline=None)
@given(problems())
def test_the_value_is_that_of_all_offers(problem: Problem) -> None:
    _, capacity, _, scenarios = problem
    assert solved(problem).value[0] == pytest.approx(
        enumerated(problem, CAP), abs=3 * SLIVER * float(capacity.sum() * scenarios.weight.sum()) + 1e-9
    )


@settings(max_examples=40, deadline=None)
@given(problems(blocks=3, scenarios=2))
def test_the_value_is_that_of_all_offers_of_three_blocks(problem: Problem) -> None:
    _, capacity, _, scenarios = problem
    assert solved(problem).value[0] == pytest.approx(
        enumerated(problem, CAP), abs=4 * SLIVER * float(capacity.sum() * scenarios.weight.sum()) + 1e-9
    )


@settings(max_examples=300, deadline=None)
@given(problems(blocks=6, scenarios=6, rivals=5))
def test_the_offers_are_legal_and_attain_the_value(problem: Problem) -> None:
    cost, capacity, reach, scenarios = problem
    best = solved(problem)
    assert np.all((cost <= best.offer) & (best.offer <= reach))
    earned = cleared_profit(cost, capacity, best.offer, scenarios, CAP)
    assert best.value - slack(problem) <= earned <= best.value + 1e-9
    np.testing.assert_allclose(expected_profits(cost, capacity, best.offer, scenarios, CAP), earned, atol=1e-9)


@settings(max_examples=300, deadline=None)
@given(problems(blocks=3, scenarios=4, rivals=4), st.integers(0, 2**32 - 1))
def test_the_profit_of_any_offer_is_that_of_the_clearing(problem: Problem, seed: int) -> None:
    cost, capacity, reach, scenarios = problem
    offer = np.random.default_rng(seed).integers(cost.astype(int), reach.astype(int) + 1).astype(np.float64)
    expected = cleared_profit(cost, capacity, offer, scenarios, CAP)
    np.testing.assert_allclose(expected_profits(cost, capacity, offer, scenarios, CAP), expected, atol=1e-9)
    assert solved(problem).value[0] >= expected[0] - 1e-9


@settings(max_examples=50, deadline=None)
@given(problems(blocks=3))
def test_a_block_cut_in_two_can_earn_only_more(problem: Problem) -> None:
    cost, capacity, reach, scenarios = problem
    halves = [np.repeat(array, 2, axis=1) for array in (cost, capacity / 2, reach)]
    assert solved((*halves, scenarios)).value[0] >= solved(problem).value[0] - 1e-9


@settings(max_examples=50, deadline=None)
@given(problems(blocks=3))
def test_blocks_without_capacity_change_nothing(problem: Problem) -> None:
    cost, capacity, reach, scenarios = problem
    more = (np.append(cost, [[3.0, 5.0]], 1), np.append(capacity, [[0.0, 0.0]], 1), np.append(reach, [[4.0, 9.0]], 1))
    best = solved((*more, scenarios))
    assert best.value == solved(problem).value
    np.testing.assert_array_equal(best.offer[:, -2:], [[3.0, 5.0]])


def random_fleet(rng: np.random.Generator) -> DayAheadMarket:
    fleet = tuple(
        Generator(
            f"g{i}", tuple(np.sort(rng.uniform(10, 70, 4))), tuple(rng.uniform(0, 2500, 4) * rng.integers(0, 2, 4))
        )
        for i in range(int(rng.integers(2, 6)))
    )
    supply = sum(sum(g.capacity) for g in fleet)
    return DayAheadMarket(
        fleet=fleet,
        conditions=Conditions(profile=np.array([rng.uniform(0, 1.2) * supply])),
        markup_limit=float(rng.uniform(5, 150)),
        peak=1.2 * supply + 1.0,
        horizon=1,
    )


def test_one_scenario_gives_the_best_deviation() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        game = random_fleet(rng)
        markup = rng.uniform(0, game.markup_limit, (1, *game.cost.shape)) * rng.integers(0, 2)
        state = game.reset(np.zeros((1, 1 + len(game.agents))))
        deviation = day_ahead_deviation(game, state, markup)
        offer = np.minimum(game.cost + markup, game.cap)
        for agent in range(len(game.agents)):
            rivals = np.arange(len(game.agents)) != agent
            scenarios = Scenarios(
                offer[:, rivals].reshape(1, 1, -1),
                game.available(state.outage)[:, rivals].reshape(1, 1, -1),
                game.net_load(state.hour, state.deviation)[None],
                np.ones((1, 1)),
            )
            reach = np.minimum(game.cost[[agent]] + game.markup_limit, game.cap)
            best = best_offers(game.cost[[agent]], game.available(state.outage)[:, agent], reach, scenarios, game.cap)
            supremum = deviation.reward[0, agent] + deviation.gain[0, agent]
            assert best.value[0] == pytest.approx(supremum, rel=1e-12, abs=1e-6)


def test_the_mixture_of_two_firms_leaves_the_gain_of_its_atoms() -> None:
    """Two firms of k = 3/4 face a load of 1 at no cost: both mix by F(p) = p^((1 - k) / (2 k - 1)) and earn 1 - k.

    At a uniform price the lower firm sells k at the upper one's price, so p earns (1 - k) p F(p) + k int_p^1 x dF(x),
    and this is constant. Of n quantile atoms only their gain is left, which their sums give.
    """
    k = 0.75
    for atoms in (100, 1000):
        price = ((np.arange(atoms) + 0.5) / atoms) ** 2
        below = np.arange(atoms) / atoms * (1 - k) * price
        gain = np.max(below + k * np.cumsum(price[::-1])[::-1] / atoms) - (1 - k)
        rivals = price.reshape(1, -1, 1), np.full((1, atoms, 1), k)
        scenarios = Scenarios(*rivals, np.ones((1, atoms)), np.full((1, atoms), 1 / atoms))
        best = best_offers(np.zeros((1, 1)), np.full((1, 1), k), np.ones((1, 1)), scenarios, 1.0)
        assert best.value[0] - (1 - k) == pytest.approx(gain, abs=1e-12)
        assert 0 < gain < 0.25 / atoms


def test_a_monopolist_asks_the_cap_and_no_load_pays_nothing() -> None:
    alone = one([1.0, 2.0], [3.0, 3.0], [0.0], [0.0], 5.0)
    assert solved(alone).value[0] == pytest.approx(5 * CAP - 3 - 2 * 2)
    assert solved(one([1.0], [3.0], [4.0], [2.0], 0.0)).value[0] == 0
    assert solved(one([1.0], [3.0], [4.0], [2.0], -2.0)).value[0] == 0


def test_unserved_load_pays_the_cap() -> None:
    best = solved(one([1.0], [3.0], [4.0], [2.0], 9.0))
    assert best.value[0] == pytest.approx(3 * (CAP - 1))


def test_a_weight_of_zero_is_no_scenario() -> None:
    cost, capacity, reach = np.ones((1, 1)), np.full((1, 1), 3.0), np.full((1, 1), CAP)
    price, quantity = np.array([[[4.0], [9.0]]]), np.full((1, 2, 1), 5.0)
    both = Scenarios(price, quantity, np.full((1, 2), 4.0), np.array([[1.0, 0.0]]))
    first = Scenarios(price[:, :1], quantity[:, :1], np.full((1, 1), 4.0), np.ones((1, 1)))
    assert best_offers(cost, capacity, reach, both, CAP).value == best_offers(cost, capacity, reach, first, CAP).value


def test_problems_are_solved_alone_and_may_share_their_scenarios() -> None:
    rng = np.random.default_rng(1)
    cost, capacity = np.sort(rng.uniform(0, 8, (5, 3)), axis=1), rng.uniform(0, 3, (5, 3))
    reach = np.minimum(cost + 3, CAP)
    shapes = (5, 8, 4), (5, 8, 4), (5, 8)
    price, quantity, load = (rng.uniform(0, high, shape) for high, shape in zip((12, 3, 9), shapes, strict=True))
    weight = np.full((5, 8), 1 / 8)
    together = best_offers(cost, capacity, reach, Scenarios(price, quantity, load, weight), CAP)
    shared = best_offers(cost, capacity, reach, Scenarios(price[:1], quantity[:1], load[:1], weight[:1]), CAP)
    for m in range(5):
        rows = slice(m, m + 1)
        own = cost[rows], capacity[rows], reach[rows]
        scenarios = Scenarios(price[rows], quantity[rows], load[rows], weight[rows])
        alone = best_offers(*own, scenarios, CAP)
        first = best_offers(*own, Scenarios(price[:1], quantity[:1], load[:1], weight[:1]), CAP)
        assert (alone.value[0], first.value[0]) == (together.value[m], shared.value[m])
        np.testing.assert_array_equal(alone.offer[0], together.offer[m])


def test_what_is_wrong_is_refused() -> None:
    cost, capacity, reach, scenarios = one([1.0], [3.0], [4.0], [2.0], 9.0)
    with pytest.raises(ValueError, match=r"`reach` must lie between the cost and the cap 12.0; got 0.5"):
        best_offers(cost, capacity, np.array([[0.5]]), scenarios, CAP)
    with pytest.raises(ValueError, match=r"`price` must not exceed the cap 3.0; got 4.0"):
        best_offers(cost, capacity, np.array([[2.0]]), scenarios, 3.0)
    with pytest.raises(ValueError, match="`capacity` must be finite and not negative"):
        best_offers(cost, -capacity, reach, scenarios, CAP)
    with pytest.raises(ValueError, match=r"`capacity` must have cost's shape \(1, 1\)"):
        best_offers(cost, np.ones((1, 2)), reach, scenarios, CAP)
    two = Scenarios(*(np.repeat(a, 2, axis=0) for a in (scenarios.price, scenarios.quantity)), *np.ones((2, 2, 1)))
    with pytest.raises(ValueError, match="`scenarios` must be of 1 or 3 problems; got 2"):
        best_offers(*(np.repeat(a, 3, axis=0) for a in (cost, capacity, reach)), two, CAP)
    with pytest.raises(ValueError, match=rf"`capacity` must be positive for at most {BLOCKS} blocks; got {BLOCKS + 1}"):
        best_offers(*(np.repeat(a, BLOCKS + 1, axis=1) for a in (cost, capacity, reach)), scenarios, CAP)
    with pytest.raises(ValueError, match=r"`weight` must be finite and not negative; got -1\.0"):
        Scenarios(scenarios.price, scenarios.quantity, scenarios.load, np.array([[-1.0]]))
    with pytest.raises(ValueError, match=r"`load` must have the shape \(1, 1\)"):
        Scenarios(scenarios.price, scenarios.quantity, np.ones((2, 1)), np.ones((1, 1)))


def test_numba_is_loaded_where_it_is_used() -> None:
    code = "import sys, walras.equilibria.electricity.best_offer; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
