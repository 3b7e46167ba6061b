"""Formats of auctions against enumeration, by hand, and under other orders, batches and bad input."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from walras.core.typing import Floats
from walras.markets.auctions import (
    AllPay,
    Core,
    Crowdsourcing,
    Discriminatory,
    FirstPrice,
    Format,
    KDouble,
    McAfee,
    SecondPrice,
    SetPackingVCG,
    SplitAward,
    ThirdPrice,
    Tullock,
    UniformPrice,
    Vickrey,
    WarOfAttrition,
    clear,
)
from walras.markets.auctions.packages import Rule

SINGLE: list[Format] = [
    FirstPrice(), FirstPrice(reserve=3.0), SecondPrice(), SecondPrice(reserve=3.0), ThirdPrice(), AllPay(),
    WarOfAttrition(), Crowdsourcing((0.6, 0.3)), Tullock(1.5),
]  # fmt: skip
MULTI: list[Format] = [UniformPrice(3), UniformPrice(3, "last_accepted"), Discriminatory(3), Vickrey(3)]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def bids_of(format_: Format, rng: np.random.Generator, rows: int, top: int = 5) -> Floats:
    """Return whole bids, so that ties abound."""
    shape = (rows, 4, 3) if format_ in MULTI else (rows, 4)
    bids = rng.integers(0, top, shape).astype(float)
    return -np.sort(-bids, axis=-1) if format_ in MULTI else bids


def by_hand(format_: Format, bids: Floats, ties: Floats) -> tuple[list[float], list[float]]:
    """Return who wins how much, and pays what, of one auction with one number a bidder; ties are broken."""
    n = len(bids)
    order = sorted(range(n), key=lambda i: (-bids[i], -ties[i]))
    won, paid = [0.0] * n, [0.0] * n
    top = [bids[i] for i in order]
    match format_:
        case FirstPrice(reserve=reserve) if top[0] >= reserve:
            won[order[0]], paid[order[0]] = 1.0, top[0]
        case SecondPrice(reserve=reserve) if top[0] >= reserve:
            won[order[0]], paid[order[0]] = 1.0, max(top[1], reserve)
        case ThirdPrice():
            won[order[0]], paid[order[0]] = 1.0, top[2]
        case AllPay():
            won[order[0]], paid = 1.0, list(bids)
        case WarOfAttrition():
            won[order[0]], paid = 1.0, list(bids)
            paid[order[0]] = top[1]
        case Crowdsourcing(prizes=prizes):
            paid = list(bids)
            for rank, prize in enumerate(prizes):
                won[order[rank]] = prize
        case _:
            pass
    return won, paid


@pytest.mark.parametrize("format_", SINGLE[:-1], ids=str)
def test_one_good_is_cleared_as_by_hand(format_: Format, rng: np.random.Generator) -> None:
    bids, ties = bids_of(format_, rng, 300), rng.uniform(0.01, 0.99, (300, 4))
    found = clear(format_, bids, ties=ties)
    for row in range(300):
        won, paid = by_hand(format_, bids[row], ties[row])
        np.testing.assert_allclose(found.allocation[row], won)
        np.testing.assert_allclose(found.payment[row], paid)


@pytest.mark.parametrize("format_", [*SINGLE[:-1], *MULTI], ids=str)
def test_shared_ties_are_the_mean_over_all_ways_to_break_them(format_: Format, rng: np.random.Generator) -> None:
    bids = bids_of(format_, rng, 60, top=3)
    orders = [np.tile((np.array(order) + 1) / 5, (60, 1)) for order in itertools.permutations(range(4))]
    broken = [clear(format_, bids, ties=ties) for ties in orders]
    shared = clear(format_, bids)
    for name in ("allocation", "payment", "price"):
        mean = np.mean([getattr(one, name) for one in broken], axis=0)
        if format_ in MULTI and name == "allocation":  # units of one bidder are won in order: only their sum is shared
            mean, own = mean.sum(axis=2), shared.allocation.sum(axis=2)
            np.testing.assert_allclose(own.sum(axis=1), mean.sum(axis=1))
        elif format_ not in MULTI or name == "price":
            np.testing.assert_allclose(getattr(shared, name), mean, atol=1e-12)


@pytest.mark.parametrize("format_", MULTI, ids=str)
def test_units_go_to_the_highest_bids(format_: Format, rng: np.random.Generator) -> None:
    bids = -np.sort(-rng.random((100, 4, 3)), axis=2)
    found = clear(format_, bids)
    for row in range(100):
        ladder = np.sort(bids[row].ravel())[::-1]
        np.testing.assert_array_equal(found.allocation[row], bids[row] >= ladder[2])
        count = found.allocation[row].sum(axis=1).astype(int)
        for i in range(4):
            rivals = np.sort(np.delete(bids[row], i, axis=0).ravel())[::-1]
            paid = {
                "UniformPrice(units=3, pricing='first_rejected')": count[i] * ladder[3],
                "UniformPrice(units=3, pricing='last_accepted')": count[i] * ladder[2],
                "Discriminatory(units=3)": bids[row, i, : count[i]].sum(),
                "Vickrey(units=3)": rivals[3 - count[i] : 3].sum(),
            }[str(format_)]
            assert found.payment[row, i] == pytest.approx(paid)


def test_one_unit_a_bidder_is_the_auction_of_one_good(rng: np.random.Generator) -> None:
    bids = rng.random((50, 4))
    for many, one in ((UniformPrice(1), SecondPrice()), (Vickrey(1), SecondPrice()), (Discriminatory(1), FirstPrice())):
        several, single = clear(many, bids[:, :, None]), clear(one, bids)
        np.testing.assert_array_equal(several.allocation[:, :, 0], single.allocation)
        np.testing.assert_allclose(several.payment, single.payment, atol=1e-15)


class TestDoubleAuctions:
    def test_mcafee_by_hand(self) -> None:
        found = clear(McAfee(), [[9, 8, 7, 4, 2, 3, 4, 5], [9, 8, 6, 1, 2, 3, 5, 6]])
        np.testing.assert_array_equal(found.allocation[0], [1, 1, 1, 0, -1, -1, -1, 0])
        np.testing.assert_array_equal(found.payment[0], [4.5, 4.5, 4.5, 0, -4.5, -4.5, -4.5, 0])
        np.testing.assert_array_equal(found.payment[1], [6, 6, 0, 0, -5, -5, 0, 0])

    def test_truth_is_dominant_in_mcafee(self, rng: np.random.Generator) -> None:
        truth = rng.integers(0, 8, (400, 7)).astype(float)
        format_, sign = McAfee(buyers=3), np.where(np.arange(7) < 3, 1.0, -1.0)
        ties = rng.uniform(0.01, 0.99, truth.shape)
        honest = clear(format_, truth, ties=ties)
        base = truth * honest.allocation - honest.payment
        assert (base >= -1e-12).all()
        assert (honest.payment.sum(axis=1) >= 0).all()
        np.testing.assert_array_equal((honest.allocation).sum(axis=1), 0)
        for agent, lie in itertools.product(range(7), np.arange(0, 9, 0.5)):
            bids = truth.copy()
            bids[:, agent] = lie
            found = clear(format_, bids, ties=ties)
            gain = truth[:, agent] * found.allocation[:, agent] - found.payment[:, agent] - base[:, agent]
            assert gain.max() <= 1e-12
        assert (sign * honest.allocation >= 0).all()

    @pytest.mark.parametrize(("k", "price"), [(0.0, 3.0), (0.5, 4.0), (1.0, 5.0)])
    def test_a_price_between_bid_and_ask(self, k: float, price: float) -> None:
        found = clear(KDouble(k), [[5.0, 3.0], [3.0, 5.0], [4.0, 4.0]])
        np.testing.assert_array_equal(found.allocation, [[1, -1], [0, 0], [1, -1]])
        np.testing.assert_array_equal(found.payment, [[price, -price], [0, 0], [4, -4]])


class TestPackages:
    @pytest.mark.parametrize(
        ("rule", "paid"),
        [("nearest_zero", (4, 4)), ("nearest_vcg", (4.5, 3.5)), ("nearest_bid", (4.5, 3.5)), ("first_price", (6, 5))],
    )
    def test_the_locals_payments_by_hand(self, rule: Rule, paid: tuple[float, float]) -> None:
        np.testing.assert_allclose(clear(Core(rule), [[6.0, 5.0, 8.0]]).payment, [[*paid, 0.0]])

    @pytest.mark.parametrize("rule", ["nearest_zero", "nearest_vcg", "nearest_bid"])
    def test_payments_are_in_the_core_and_nearest(self, rule: Rule, rng: np.random.Generator) -> None:
        bids = rng.random((100_000, 3)) * [1, 1, 2]
        found = clear(Core(rule), bids)
        first, second, rival = bids.T
        won = first + second >= rival
        paid = found.payment[won, :2]
        np.testing.assert_allclose(paid.sum(axis=1), rival[won], atol=1e-15)
        assert (paid >= -1e-15).all()
        assert (paid <= bids[won, :2] + 1e-15).all()
        np.testing.assert_allclose(found.payment[~won, 2], (first + second)[~won])
        # No other point of the core is nearer to the point of reference.
        vcg = np.maximum(0.0, rival[:, None] - bids[:, 1::-1])
        reference = {"nearest_zero": np.zeros_like(vcg), "nearest_vcg": vcg, "nearest_bid": bids[:, :2]}[rule][won]
        nearest = ((paid - reference) ** 2).sum(axis=1)
        for share in np.linspace(0, 1, 21):
            low = np.maximum(0.0, rival - second)[won]
            other = low + share * (np.minimum(first, rival)[won] - low)
            far = (other - reference[:, 0]) ** 2 + (rival[won] - other - reference[:, 1]) ** 2
            assert (nearest <= far + 1e-12).all()

    def test_the_cheapest_award_wins(self, rng: np.random.Generator) -> None:
        bids = rng.integers(1, 9, (200, 3, 2)).astype(float)
        found = clear(SplitAward(), bids)
        halves = np.sort(bids[:, :, 1], axis=1)[:, :2].sum(axis=1)
        np.testing.assert_array_equal(found.price, np.minimum(bids[:, :, 0].min(axis=1), halves))
        np.testing.assert_array_equal(-found.payment.sum(axis=1), found.price)
        np.testing.assert_array_equal((found.allocation @ [1.0, 0.5]).sum(axis=1), 1.0)

    def test_packings_against_enumeration(self, rng: np.random.Generator) -> None:
        bundles = ((0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2))
        format_, bids = SetPackingVCG(bundles), rng.integers(0, 9, (15, 3, 6)).astype(float)
        found = clear(format_, bids)
        for row in range(15):
            assert (found.allocation[row] * bids[row]).sum() == pytest.approx(best_packing(bundles, bids[row]))
            for i in range(3):
                others = np.delete(bids[row], i, axis=0)
                with_me = (found.allocation[row] * bids[row]).sum() - (found.allocation[row, i] * bids[row, i]).sum()
                assert found.payment[row, i] == pytest.approx(best_packing(bundles, others) - with_me)

    def test_bids_of_any_scale_are_packed(self) -> None:
        for scale in (1e-9, 1e9):
            found = clear(SetPackingVCG(), scale * np.array([[[3.0, 0, 4], [0, 3, 3], [0, 0, 5]]]))
            np.testing.assert_allclose(found.payment / scale, [[2, 2, 0]])


def best_packing(bundles: tuple[tuple[int, ...], ...], bids: Floats) -> float:
    """Return the worth of the best packing by enumeration."""
    best = 0.0
    for choice in itertools.product(range(-1, len(bundles)), repeat=len(bids)):
        goods = [good for c in choice if c >= 0 for good in bundles[c]]
        if len(goods) == len(set(goods)):
            best = max(best, sum(bids[i, c] for i, c in enumerate(choice) if c >= 0))
    return best


@pytest.mark.parametrize("format_", [*SINGLE, *MULTI], ids=str)
def test_a_row_is_a_batch_of_one_and_bidders_have_no_order(format_: Format, rng: np.random.Generator) -> None:
    bids = bids_of(format_, rng, 40)
    for ties in (None, rng.uniform(0.01, 0.99, (40, 4))):
        found = clear(format_, bids, ties=ties)
        alone = [clear(format_, bids[r : r + 1], ties=None if ties is None else ties[r : r + 1]) for r in range(40)]
        for name in ("allocation", "payment", "price"):
            np.testing.assert_array_equal(getattr(found, name), np.concatenate([getattr(a, name) for a in alone]))
        order = rng.permutation(4)
        other = clear(format_, bids[:, order], ties=None if ties is None else ties[:, order])
        np.testing.assert_allclose(other.payment, found.payment[:, order], atol=1e-12)
        np.testing.assert_allclose(other.allocation, found.allocation[:, order], atol=1e-12)


def test_who_pays_no_entry_fee_stays_out() -> None:
    found = clear(FirstPrice(entry_fee=0.1), [[0.5, np.nan], [np.nan, np.nan]])
    np.testing.assert_array_equal(found.allocation, [[1, 0], [0, 0]])
    np.testing.assert_allclose(found.payment, [[0.6, 0], [0, 0]])


@pytest.mark.parametrize(
    ("format_", "bids", "message"),
    [
        (FirstPrice(), [[1.0, -1.0]], r"`bids` must be finite numbers, at least 0; got -1\.0 at index \[0, 1\]"),
        (FirstPrice(), [[1.0, np.nan]], r"`bids` must be finite numbers, at least 0; got nan"),
        (SecondPrice(), [[1.0, np.inf]], r"`bids` must be finite"),
        (FirstPrice(), [1.0, 2.0], r"`bids` must be one number a bidder, \[B, N\], in FirstPrice"),
        (ThirdPrice(), [[1.0, 2.0]], r"`bids` must come from at least 3 bidders in ThirdPrice"),
        (KDouble(), [[1.0, 2.0, 3.0]], r"`bids` must be a buyer's and a seller's"),
        (McAfee(), [[1.0, 2.0, 3.0]], r"as many buyers as sellers"),
        (Core(), [[1.0, 2.0]], r"two locals' and a global's"),
        (UniformPrice(2), [[[1.0, 2.0], [3.0, 1.0]]], r"`bids` must fall from a bidder's first unit to its last"),
        (UniformPrice(5), [[[2.0, 1.0], [3.0, 1.0]]], r"`units` must be at most the 4 bids of UniformPrice; got 5"),
        (SetPackingVCG(), [[[1.0, 2.0]]], r"`bids` must be \[B, N, 3\]"),
        (
            "first price",
            [[1.0, 2.0]],
            r"`format` must be a rule of sealed bids, such as FirstPrice\(\); got 'first price'",
        ),
        (FirstPrice, [[1.0, 2.0]], r"`format` must be a rule of sealed bids, such as FirstPrice\(\); got <class"),
    ],
)
def test_bad_bids_are_named(format_: Format, bids: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        clear(format_, bids)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FirstPrice(reserve=-1.0), r"`reserve` must be finite and at least 0; got -1\.0"),
        (lambda: SecondPrice(entry_fee=np.inf), r"`entry_fee` must be finite"),
        (lambda: KDouble(1.5), r"`k` must lie in \[0, 1\]; got 1\.5"),
        (lambda: Tullock(0.0), r"`r` must be positive and finite; got 0\.0"),
        (lambda: Crowdsourcing((0.3, 0.7)), r"`prizes` must fall"),
        (lambda: Crowdsourcing(()), r"`prizes` must be finite numbers"),
        (lambda: UniformPrice(0), r"`units` must be a whole number"),
        (lambda: UniformPrice(2, "median"), r"`pricing` must be one of first_rejected, last_accepted; got 'median'"),  # type: ignore[arg-type]
        (lambda: Core("nearest"), r"`rule` must be one of .*Did you mean"),  # type: ignore[arg-type]
        (lambda: SetPackingVCG(((0, 0),)), r"`bundles` must hold goods, each once"),
    ],
)
def test_bad_formats_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_bad_ties_are_named() -> None:
    with pytest.raises(ValueError, match=r"`ties` must have the shape \(1, 2\)"):
        clear(FirstPrice(), [[1.0, 2.0]], ties=[[0.5]])
    with pytest.raises(ValueError, match=r"`ties` must lie between 0 and 1"):
        clear(FirstPrice(), [[1.0, 2.0]], ties=[[0.5, 1.5]])
