"""Reservation prices against enumeration of bundles."""

from itertools import product

import numpy as np
import pytest

from walras.markets.trading.generators import core_periphery, multigraph, supply_chain
from walras.markets.trading.reservation import outweighing, reservation_prices
from walras.markets.trading.trading_network import Intermediary, Table, UnitDemand, UnitSupply, Valuation

NETWORKS = [
    multigraph(5, 9, np.random.default_rng(0)),
    supply_chain((3, 2, 3), np.random.default_rng(1)),
    core_periphery(2, 4, np.random.default_rng(2), links=2),
]
AGENTS = [valuation for network in NETWORKS for valuation in network.agents if 0 < valuation.degree <= 6]


def enumerated(valuation: Valuation, prices: np.ndarray) -> np.ndarray:
    bundles = np.array(list(product([False, True], repeat=valuation.degree)))
    found = []
    for k, side in enumerate(valuation.sides):
        utility = valuation.utility(bundles, np.where(np.arange(valuation.degree) == k, 0.0, prices))
        found.append(side * (utility[bundles[:, k]].max() - utility[~bundles[:, k]].max()))
    return np.array(found)


@pytest.mark.parametrize("valuation", AGENTS, ids=lambda valuation: type(valuation).__name__)
def test_it_is_the_price_of_indifference(valuation: Valuation) -> None:
    prices = np.random.default_rng(3).integers(-20, 120, (4, valuation.degree)).astype(float)
    found = reservation_prices(valuation, prices)
    assert found == pytest.approx(np.array([enumerated(valuation, at) for at in prices]))


@pytest.mark.parametrize("valuation", AGENTS, ids=lambda valuation: type(valuation).__name__)
def test_demand_takes_what_is_offered_below_it(valuation: Valuation) -> None:
    prices = np.random.default_rng(4).integers(0, 100, (50, valuation.degree)) + 0.5
    surplus = valuation.sides * (reservation_prices(valuation, prices) - prices)
    demanded = valuation.demand(prices)
    assert (surplus[demanded] >= 0).all()
    assert (surplus[~demanded] <= 0).all()


def test_alone_an_agent_of_one_unit_has_its_value_and_its_cost() -> None:
    assert reservation_prices(UnitDemand({0: 10}), [77.0]).tolist() == [10]
    assert reservation_prices(UnitSupply({0: 3}), [77.0]).tolist() == [3]


def test_what_cannot_be_done_has_a_price_beyond_all_numbers() -> None:
    alone = Intermediary([], [0])
    payment = outweighing(alone, np.array([5.0]))
    assert payment > 5
    assert reservation_prices(alone, [5.0]).tolist() == [payment]
    never = Table({frozenset({1}): 4}, buys=[0, 1], sells=[])
    assert reservation_prices(never, [1.0, 2.0])[0] < -4


@pytest.mark.parametrize("prices", [[1.0], [1.0, np.nan]])
def test_bad_prices_are_refused(prices: list[float]) -> None:
    with pytest.raises(ValueError, match="`prices` must"):
        reservation_prices(UnitDemand({0: 1, 1: 2}), prices)
