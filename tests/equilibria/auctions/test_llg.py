import numpy as np
import pytest

from walras.core.typing import Floats
from walras.envs import LLGAuction
from walras.equilibria import gap
from walras.equilibria.auctions.bid_functions import Bidding, BidFunction, Rising
from walras.equilibria.auctions.llg import TRUTH, Sorted, _mean_beyond, beyond_against, llg_interim_gap, paid_against
from walras.equilibria.certificate import Kind

RULES = ("nearest_zero", "nearest_vcg", "nearest_bid", "first_price")
BOLD, STEEP = Rising(lambda v: np.minimum(2.2 * v, 2.0)), Rising(lambda v: 1.4 * v**2)


def middles(count: int, top: float = 1.0) -> Floats:
    """The middles of cells of equal mass."""
    return (np.arange(count) + 0.5) * top / count


@pytest.mark.parametrize("rule", RULES)
class TestBidsOfAllSizes:
    """Bids that together exceed what a global can bid, by other roads than the closed forms."""

    def test_chances_and_payments_are_those_of_the_rule(self, rule: str) -> None:
        worth = middles(40_000, 2.0)
        for bid, rival in np.random.default_rng(0).uniform(0, 2, (60, 2)):
            bids = np.column_stack((np.full_like(worth, bid), np.full_like(worth, rival), worth))
            ruled = LLGAuction(rule).format.clear(bids, None)  # type: ignore[arg-type]
            paid = paid_against(rule, bid, rival) - beyond_against(rule, bid, rival)
            assert paid == pytest.approx(ruled.payment[:, 0].mean(), abs=1e-4)
            assert Sorted(np.array([rival])).chance(bid) == pytest.approx(ruled.allocation[:, 0].mean(), abs=1e-4)

    def test_means_are_those_of_single_rivals(self, rule: str) -> None:
        rivals, bids = np.sort(np.random.default_rng(1).uniform(0, 2, 300)), np.linspace(0, 2, 201)[:, None]
        np.testing.assert_allclose(
            _mean_beyond(rule, bids[:, 0], Sorted(rivals)), beyond_against(rule, bids, rivals).mean(axis=1), atol=1e-14
        )

    @pytest.mark.parametrize("correlation", [0.0, 0.5])
    def test_the_gap_holds_what_brute_force_finds(self, rule: str, correlation: float) -> None:
        game = LLGAuction(rule, correlation)  # type: ignore[arg-type]
        judged = llg_interim_gap(game, Bidding((BOLD, STEEP, TRUTH)), 16_384)
        assert judged is not None
        for i, (own, rival) in enumerate(((BOLD, STEEP), (STEEP, BOLD))):
            gain, value = by_brute_force(game, own, rival)
            assert judged.lower[i] - 2e-3 <= gain <= judged.upper[i] + 2e-3
            assert judged.value[i] == pytest.approx(value, abs=2e-3)
            assert judged.upper[i] - judged.lower[i] < 3e-3
        if rule != "first_price":
            assert judged.value[2] == pytest.approx(left_to_global(correlation), abs=1e-3)

    def test_the_policy_is_certified(self, rule: str) -> None:
        found = gap(LLGAuction(rule), Bidding((BOLD, BOLD, TRUTH)))  # type: ignore[arg-type]
        assert found.kind is Kind.BOUNDS
        assert (found.lower[:2] > 0.05 * found.scale[:2]).all()


def by_brute_force(game: LLGAuction, own: BidFunction, rival: BidFunction) -> tuple[float, float]:
    """What a local gains by the best of 1,001 bids, and what it has: means over 500 values."""
    values, g, rule = middles(500), game.correlation, game.rule
    others, mine = rival(values), own(values)[:, None]

    def earned(bids: Floats, value: Floats, against: Floats) -> Floats:
        paid = paid_against(rule, bids, against) - beyond_against(rule, bids, against)
        return value * np.minimum((bids + against) / 2, 1) - paid

    bids = np.linspace(0, 1, 1001)[:, None]
    won = np.minimum((bids + others) / 2, 1).mean(axis=1)
    paid = (paid_against(rule, bids, others) - beyond_against(rule, bids, others)).mean(axis=1)
    apart = values[:, None] * won - paid
    best = ((1 - g) * apart + g * earned(bids.T, values[:, None], others[:, None])).max(axis=1)
    alone = earned(mine, values[:, None], others[None]).mean(axis=1)
    have = (1 - g) * alone + g * earned(mine[:, 0], values, others)
    return float(best.mean() - have.mean()), float(have.mean())


def left_to_global(correlation: float) -> float:
    """What a truthful global has: the mean of half of the square of what locals leave of 2, over their values."""
    bold, steep = BOLD(middles(500)), STEEP(middles(500))
    apart = (np.maximum(2 - bold[:, None] - steep, 0) ** 2).mean() / 4
    return float((1 - correlation) * apart + correlation * (np.maximum(2 - bold - steep, 0) ** 2).mean() / 4)
