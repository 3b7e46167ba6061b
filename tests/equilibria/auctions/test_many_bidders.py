"""Auctions of thousands of bidders who are alike: closed forms, the certificate, and how long they take."""

import time
from itertools import product

import numpy as np
import pytest

from walras.core.solution import Status
from walras.envs import SealedBidAuction
from walras.equilibria import gap, interim_gap
from walras.equilibria import solve as any_solve
from walras.equilibria.auctions.bid_functions import Bidding, Rising
from walras.equilibria.auctions.opposing import Cells, Counted, Opposing, beats_all, shares_cut
from walras.equilibria.auctions.solutions import AuctionSolution
from walras.equilibria.auctions.terms import _by_rank  # pyright: ignore[reportPrivateUsage]
from walras.markets.auctions import AllPay, FirstPrice, Power, SecondPrice, Uniform


def solve(game: SealedBidAuction, throw: bool = True) -> AuctionSolution:
    found = any_solve(game, throw=throw)
    assert isinstance(found, AuctionSolution)
    return found


VALUES = np.array([0.1, 0.5, 0.9, 0.9999, 1.0])


@pytest.mark.parametrize("bidders", [40, 1_000, 10_000])
@pytest.mark.parametrize("format", [FirstPrice(), SecondPrice()])
def test_the_equilibrium_of_many_is_certified_in_seconds(format: object, bidders: int) -> None:
    began = time.process_time()
    found = solve(SealedBidAuction(format, Uniform(), bidders))  # type: ignore[arg-type]
    assert time.process_time() - began < 20  # about one, where the machine is not shared
    assert found.status is Status.CONVERGED
    bids = VALUES * (bidders - 1) / bidders if isinstance(format, FirstPrice) else VALUES
    np.testing.assert_allclose(found.strategies[0](VALUES), bids, rtol=1e-9)
    np.testing.assert_allclose(found.value / 32, 1 / (bidders * (bidders + 1)), rtol=2e-3)


@pytest.mark.parametrize("bidders", [100, 5_000])
def test_peaks_of_a_power_are_integrated(bidders: int) -> None:
    """Values are distributed as x^3 on [0, 2]: bids are m / (m + 1) of them, with m = 3 (n - 1)."""
    found, m = solve(SealedBidAuction(FirstPrice(), Power(3.0, 2.0), bidders)), 3 * (bidders - 1)
    np.testing.assert_allclose(found.strategies[0](2 * VALUES), 2 * VALUES * m / (m + 1), rtol=1e-9)


@pytest.mark.parametrize("bidders", [100, 5_000])
def test_efforts_of_many_who_all_pay(bidders: int) -> None:
    """What is not certified is said to be so: the certificate's width grows with their number."""
    found = solve(SealedBidAuction(AllPay(), Uniform(), bidders), throw=False)
    np.testing.assert_allclose(found.strategies[0](VALUES), (bidders - 1) / bidders * VALUES**bidders, atol=1e-12)
    assert found.status in (Status.CONVERGED, Status.UNCERTIFIED)
    assert found.residual_lower < 1e-3


@pytest.mark.parametrize("bidders", [64, 2_000])
def test_what_is_gained_lies_between_both_ends(bidders: int) -> None:
    """All bid half of their values: the best bid is next to the top, and what it gains is known."""
    game, n = SealedBidAuction(FirstPrice(), Uniform(), bidders), bidders
    found = interim_gap(game, Bidding((Rising(lambda v: v / 2),) * n))
    v = 1 - np.linspace(0, 1, 2_000_001) ** 2  # finer at the top
    best = np.minimum(v * (n - 1) / n, 0.5)
    gain = (v - best) * (2 * best) ** (n - 1) - v / 2 * v ** (n - 1)
    mean = float(-np.trapezoid(gain, v))
    assert found.lower[0] <= mean <= found.upper[0]
    assert found.upper[0] - found.lower[0] < 1e-3 * mean
    judged = gap(game, Bidding((Rising(lambda v: v / 2),) * n))
    assert judged.certifies == "Nash"
    assert judged.lower.min() > 0


def test_cells_of_unequal_mass_bound_what_cells_of_equal_mass_bound() -> None:
    share = shares_cut(4096, 200)
    assert (share[0], share[-1]) == (0.0, 1.0)
    unequal = Counted(Cells(share[:-1] * 0.9, share[1:] * 0.9), np.diff(share))
    chance = Opposing((unequal,) * 200, 0.0, 1.0)
    bids = np.linspace(0.5, 0.9, 101)
    low, high = (chance.at(bids, high=up) for up in (False, True))
    exact = (bids / 0.9) ** 200
    assert ((low <= exact) & (exact <= high)).all()
    assert (high - low).max() < 2e-3


def test_who_is_alike_counts_as_often_as_it_is_there() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.random((2, 7))
    mixed = [one, other, one, one, other]
    np.testing.assert_allclose(beats_all(mixed), np.prod(mixed, axis=0), rtol=1e-14)
    few, prizes = [one] * 3 + [other] * 2, (0.5, 0.3, 0.2)
    chance = np.zeros(7)
    for above in product((0, 1), repeat=5):
        likely = np.prod([1 - beat if up else beat for beat, up in zip(few, above, strict=True)], axis=0)
        chance += likely * (prizes[sum(above)] if sum(above) < 3 else 0.0)
    np.testing.assert_allclose(_by_rank(few, prizes), chance, rtol=1e-12)
    many = [one**0.01] * 500
    added = _by_rank([beat.copy() for beat in many], prizes)  # none is the same object
    np.testing.assert_allclose(_by_rank(many, prizes), added, rtol=1e-10)
