"""Costs of sellers whose offers are best on average: sets that hold them, from what other offers would have earned."""

import numpy as np
import pytest

from walras.core.solution import Status
from walras.core.typing import Floats
from walras.equilibria import DayAheadPlay, InverseDayAhead
from walras.equilibria.electricity.best_offer import Scenarios, best_offers
from walras.equilibria.electricity.day_ahead_sample import changes
from walras.equilibria.inverse import Sample, fit

LOADS = np.linspace(20.0, 150.0, 40)
CAP = 180.0


def fixed(cost: float) -> float:
    """Return the best offer of 60 MW against rivals at 50, 80 and 120 EUR/MWh when all loads are as likely."""
    rivals = Scenarios(
        np.broadcast_to([50.0, 80.0, 120.0], (1, 40, 3)),
        np.full((1, 40, 3), 40.0),
        LOADS[None],
        np.full((1, 40), 1 / 40),
    )
    return float(best_offers(*(np.full((1, 1), x) for x in (cost, 60.0, CAP)), rivals, CAP).offer[0, 0])


def play(cost: float, count: int, seed: int) -> DayAheadPlay:
    """Return periods of that offer and of the rivals, three sellers of one block, at drawn loads."""
    load = LOADS[np.random.default_rng(seed).integers(40, size=count)]
    offer = np.broadcast_to(np.array([fixed(cost), 50.0, 80.0, 120.0])[:, None], (count, 4, 1)).copy()
    return DayAheadPlay(offer, np.broadcast_to(np.array([60.0, 40, 40, 40])[:, None], (count, 4, 1)).copy(), load)


FAMILY = InverseDayAhead(("a", "b", "c", "d"), 1, CAP)


def own_set(cost: float, count: int, seed: int) -> Floats:
    """Return the range of the cost of seller a alone, whose offers are best."""
    return fit(FAMILY, play(cost, count, seed), Sample()).interval[0]


@pytest.mark.parametrize("cost", [20.0, 70.0])
def test_costs_lie_in_the_set_which_shrinks_with_the_sample(cost: float) -> None:
    few, many = own_set(cost, 100, 0), own_set(cost, 2000, 1)
    for low, high in (few, many):
        assert low - 1e-6 <= cost <= high + 1e-6
    assert np.ptp(many) < np.ptp(few)
    assert np.ptp(many) < CAP / 2


def test_the_best_offer_is_not_best_in_each_period() -> None:
    observed = play(20.0, 200, 2)
    assert FAMILY.regrets(observed, np.array([20.0, 50, 80, 120])).gain[:, 0].mean() > 1
    found = fit(FAMILY, observed, Sample())
    assert found.status is Status.CONVERGED
    assert found.confidence == 0.95


def test_changes_are_those_of_clearing() -> None:
    # One period: 60 MW at 30, and 40 at 50, serve 70. Asked at least 50, a tie: 70 are shared by 60 and 40.
    found = changes(np.array([[[30.0], [50.0]]]), np.array([[[60.0], [40.0]]]), np.array([70.0]), 0, CAP, 1e-6)
    assert found.rows[:, 0, 0] == pytest.approx([60 - 42, 0])
    assert found.level[:, 0] == pytest.approx([50 * 60 - 50 * 42, 0])


def test_what_a_sample_needs() -> None:
    observed = play(20.0, 10, 0)
    with pytest.raises(ValueError, match="`observations` must hold at least 20 periods for a sample; got 10"):
        FAMILY.confidence_set(observed, 0.95)
    with pytest.raises(ValueError, match="`limit` must be None, for a sample: changed offers must be allowed"):
        InverseDayAhead(("a", "b", "c", "d"), 1, CAP, 100.0).confidence_set(observed, 0.95)
