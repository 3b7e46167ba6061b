"""First price among two locals and a global bidder: solved by answers, certified by convolutions, judged by play."""

import numpy as np
import pytest

from walras.core.solution import Status
from walras.core.typing import Floats
from walras.envs import LLGAuction
from walras.equilibria import Bidding, Kind, gap, replay, solve
from walras.equilibria.auctions.bid_functions import Rising, Table
from walras.equilibria.auctions.lattice import Lattice
from walras.equilibria.auctions.llg import llg_interim_gap
from walras.equilibria.auctions.opposing import Cells

GAME = LLGAuction("first_price", global_bids=True)


def cells_of(bids: Floats) -> Cells:
    return Cells(bids[:-1], bids[1:])


@pytest.mark.parametrize("partner", [True, False])
def test_chances_hold_those_that_are_counted(partner: bool) -> None:
    rng = np.random.default_rng(0)
    x, y = np.sort(rng.random(2001)) * 1.3, np.sort(rng.random(2001)) * 0.6
    against = Lattice(cells_of(x), cells_of(y), 2.0, partner)
    for bid in (0.05, 0.3, 0.71, 1.2):
        wins = (bid + y[:-1, None] >= x[:-1]).mean() if partner else (bid > x[:-1, None] + y[:-1]).mean()
        low, high = (float(against.at(np.array([bid]), high=end)[0]) for end in (False, True))
        assert low - 2e-3 <= wins <= high + 2e-3  # lower ends of 2000 cells stand for all
        assert 0 <= high - low <= 5e-3


def test_atoms_and_ties_go_to_the_locals() -> None:
    half = Cells(np.full(4, 0.5), np.full(4, 0.5))
    local, rival = (Lattice(half, half, 2.0, partner) for partner in (True, False))
    grid = np.array([0.0, 1.0, 1.0 + 2**-15])
    np.testing.assert_allclose([local.at(grid[:1], high=end)[0] for end in (False, True)], 1.0, atol=1e-9)
    np.testing.assert_allclose(rival.at(grid, high=False), [0.0, 0.0, 1.0], atol=1e-9)


def test_the_solution_is_certified() -> None:
    found = solve(GAME)
    assert found.status is Status.CONVERGED
    assert found.residual_lower == 0
    assert found.residual <= 1e-3
    np.testing.assert_allclose(found.value / GAME.horizon, [0.1499, 0.1499, 0.4270], atol=6e-4)


def brute(strategies: tuple[Floats, Floats], who: int) -> tuple[float, float]:
    """Return gain and value of a bidder against bids at 1500 middle types, counted pair by pair."""
    local, rival = strategies
    x, y = (rival, local) if who == 0 else (local, local)
    faced = np.sort((x[:, None] - y).ravel() if who == 0 else (x[:, None] + y).ravel())
    own, types = (local, (np.arange(1500) + 0.5) / 1500) if who == 0 else (rival, 2 * (np.arange(1500) + 0.5) / 1500)
    tried = np.linspace(0, 2, 2001) + 1e-6
    chance = np.searchsorted(faced, tried) / len(faced)
    best = ((types[:, None] - tried) * chance).max(axis=1)
    have = (types - own) * np.searchsorted(faced, own) / len(faced)
    return float(np.maximum(best, 0.0).mean() - have.mean()), float(have.mean())


@pytest.mark.parametrize("seed", range(3))
def test_random_tables_agree_with_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = (
        Table(np.linspace(0, 1, 9), np.sort(rng.random(9)) * 0.8),
        Table(np.linspace(0, 2, 9), np.sort(rng.random(9)) * 1.4),
    )
    judged = llg_interim_gap(GAME, Bidding((tables[0], tables[0], tables[1])), 16_384)
    assert judged is not None
    middle = (np.arange(1500) + 0.5) / 1500
    bids = tables[0](middle), tables[1](2 * middle)
    for who in (0, 2):
        gain, value = brute(bids, who)
        assert judged.lower[who] - 1e-3 <= gain <= judged.upper[who] + 1e-3
        assert judged.value[who] == pytest.approx(value, abs=1e-3)
        assert judged.upper[who] - judged.lower[who] < 1e-3


def test_a_perturbed_solution_is_not_certified_and_its_deviation_gains() -> None:
    local, _, rival = solve(GAME).strategies  # type: ignore[attr-defined]
    other = Rising(lambda v: local(v) * 0.85)
    policy = Bidding((other, other, rival))
    found = gap(GAME, policy)
    assert found.kind is Kind.BOUNDS
    assert found.relative.lower.max() > 1e-3
    gains = replay(GAME, policy, found, range(2000))
    assert (np.abs(gains.mean(axis=0) - found.lower) <= 4 * gains.std(axis=0) / 2000**0.5 + 1e-3 * found.scale).all()


@pytest.mark.parametrize("correlation", [0.0, 0.5, 1.0])
def test_locals_against_a_global_that_cannot_choose(correlation: float) -> None:
    game = LLGAuction("first_price", correlation)
    found = solve(game)
    assert found.method == "closed form"  # type: ignore[attr-defined]
    assert found.residual <= 1e-3
    if correlation == 0:  # E = 3 - 2 sqrt 2 solves E = (1 - E)^2 / 4
        mean = 3 - 8**0.5
        np.testing.assert_allclose(found.strategies[0](np.array([0.1, 0.9])), [0, (0.9 - mean) / 2])  # type: ignore[attr-defined]
