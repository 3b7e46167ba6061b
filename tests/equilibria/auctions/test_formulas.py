"""Formulas of which no game has the solution: the split award, against clearing."""

import numpy as np
import pytest

from walras.core.typing import Floats
from walras.equilibria.auctions.formulas import split_award
from walras.markets.auctions import SplitAward, Uniform, clear

COSTS, SCALE, RIVALS = Uniform(1.0, 1.4), 0.3, 400
"""Costs of the whole, the share of them that half costs, and rivals of even ranks."""


def asked(price: float) -> Floats:
    """Prices ``[RIVALS, 2]`` of rivals who pool, whether that is an equilibrium or not."""
    share = (np.arange(RIVALS) + 0.5) / RIVALS
    whole = price + (price - SCALE * COSTS.high * share) / (1 - share)
    return np.column_stack((np.maximum(whole, 2 * price + 1e-12), np.full(RIVALS, price)))


def earned(cost: Floats, own: Floats, rivals: Floats) -> Floats:
    """What suppliers of costs ``[P]`` have by their prices ``[P, 2]`` on average over rivals."""
    bids = np.stack((np.repeat(own, RIVALS, axis=0), np.tile(rivals, (len(own), 1))), axis=1)
    outcome = clear(SplitAward(), bids)
    spent = np.repeat(cost, RIVALS) * (outcome.allocation[:, 0] @ [1.0, SCALE])
    return (-outcome.payment[:, 0] - spent).reshape(-1, RIVALS).mean(axis=1)


def most_gained(price: float) -> float:
    """What the type that gains most gains by other prices of the whole and of half."""
    rivals, tried = asked(price), np.linspace(0.4, 3.0, 131)
    most = -np.inf
    for cost in (1.0, 1.1, 1.2, 1.3, 1.4):
        same, dear = np.full(len(tried), cost), np.full(len(tried), 100.0)
        wholes = np.column_stack((tried, dear))  # half too dear to be split
        halves = np.column_stack((dear, tried))
        both = np.column_stack((tried, np.full(len(tried), price)))
        best = max(float(earned(same, own, rivals).max()) for own in (wholes, halves, both))
        most = max(most, best - (price - SCALE * cost))
    return most


@pytest.mark.parametrize(("price", "utility"), [(0.7, 0.34), (0.42, 0.06)])
def test_suppliers_who_pool_share_the_award(price: float, utility: float) -> None:
    cost = COSTS.quantile((np.arange(RIVALS) + 0.5) / RIVALS)
    own = np.column_stack((split_award(COSTS, SCALE, price)(cost), np.full(RIVALS, price)))
    np.testing.assert_allclose(own, asked(price))
    assert earned(cost, own, asked(price)).mean() == pytest.approx(utility, abs=1e-9)
    assert most_gained(price) <= 2 / RIVALS  # of rivals of even ranks


def test_above_the_range_the_cheapest_undercuts_two_halves() -> None:
    assert most_gained(0.75) == pytest.approx(0.05, abs=0.02 + 2 / RIVALS)  # prices that are tried lie .02 apart
    for price in (0.75, 0.41, np.nan):
        with pytest.raises(ValueError, match=r"`price` must lie in \[0.42, 0.7\]"):
            split_award(COSTS, SCALE, price)
