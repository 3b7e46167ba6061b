from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from walras.core.typing import Floats
from walras.markets.electricity.clearing import (
    PRICE_CAP,
    PRICE_FLOOR,
    Clearing,
    clear,
    settle_pay_as_bid,
    settle_uniform,
)


def auction(
    offers: Sequence[tuple[float, float]],
    demand: float,
    bids: Sequence[tuple[float, float]] | None = None,
    cap: float = PRICE_CAP,
    floor: float = PRICE_FLOOR,
) -> Clearing:
    """Clear one auction of (price, quantity) offers, one seller each, and bids."""
    book = np.array(offers, dtype=float).reshape(1, len(offers), 1, 2)
    if bids is None:
        return clear(book[..., 0], book[..., 1], [demand], cap=cap, floor=floor)
    buyers = np.array(bids, dtype=float).reshape(1, len(bids), 2)
    return clear(
        book[..., 0],
        book[..., 1],
        [demand],
        bid_price=buyers[..., 0],
        bid_quantity=buyers[..., 1],
        cap=cap,
        floor=floor,
    )


def facts(clearing: Clearing) -> tuple[float, list[float], list[float], float, list[float]]:
    """Price, interval, dispatch, unserved load and consumption of one auction."""
    return (
        clearing.price[0].item(),
        clearing.interval[0].tolist(),
        clearing.dispatch[0].ravel().tolist(),
        clearing.unserved[0].item(),
        clearing.consumption[0].tolist(),
    )


class TestInelasticLoad:
    """Each rule of the module's docstring by name; the numbers are worked by hand."""

    def test_the_offer_that_meets_demand_inside_its_block_sets_the_price(self) -> None:
        assert facts(auction([(30, 5), (10, 5), (50, 5)], 7)) == (30, [30, 30], [2, 5, 0], 0, [])

    def test_demand_on_a_step_edge_takes_the_lower_end_and_reports_the_interval(self) -> None:
        assert facts(auction([(10, 5), (30, 5), (50, 5)], 5)) == (10, [10, 30], [5, 0, 0], 0, [])

    def test_an_edge_is_met_despite_rounding_of_the_sum_of_blocks(self) -> None:
        # 0.1 + 0.2 > 0.3 and ten times 0.1 < 1 in floating point.
        assert facts(auction([(10, 0.1), (20, 0.2), (50, 1)], 0.3))[:2] == (20, [20, 50])
        assert facts(auction([(10, 0.1)] * 10 + [(50, 1)], 1.0))[:2] == (10, [10, 50])
        assert auction([(10, 0.1)] * 10 + [(50, 1)], 1.0).unserved[0] == 0

    def test_demand_just_beyond_an_edge_is_served_by_the_next_offer(self) -> None:
        price, interval, dispatch, _, _ = facts(auction([(10, 5), (30, 5)], 5 + 1e-9))
        assert (price, interval) == (30, [30, 30])
        assert dispatch == pytest.approx([5, 1e-9], rel=1e-6)

    def test_demand_just_short_of_an_edge_is_met_inside_the_block(self) -> None:
        assert facts(auction([(10, 5), (30, 5)], 5 - 1e-9))[:2] == (10, [10, 10])

    def test_offers_tied_at_the_margin_share_pro_rata_by_quantity(self) -> None:
        assert facts(auction([(30, 6), (10, 4), (30, 2)], 8)) == (30, [30, 30], [3, 4, 1], 0, [])

    def test_tied_blocks_of_one_seller_share_as_those_of_two(self) -> None:
        clearing = clear([[[30.0, 30.0], [30.0, 60.0]]], [[[6.0, 2.0], [4.0, 9.0]]], [6.0])
        assert clearing.dispatch[0].tolist() == [[3, 1], [2, 0]]

    def test_load_that_no_offer_serves_is_unserved_at_the_cap(self) -> None:
        assert facts(auction([(10, 5), (30, 5)], 12)) == (4000, [4000, 4000], [5, 5], 2, [])

    def test_load_that_uses_every_offer_exactly_is_an_edge_under_the_cap(self) -> None:
        assert facts(auction([(10, 5), (30, 5)], 10)) == (30, [30, 4000], [5, 5], 0, [])

    def test_offers_at_the_cap_serve_before_load_is_unserved(self) -> None:
        assert facts(auction([(10, 5), (100, 5)], 7, cap=100)) == (100, [100, 100], [5, 2], 0, [])
        assert facts(auction([(10, 5), (100, 5)], 12, cap=100)) == (100, [100, 100], [5, 5], 2, [])

    @pytest.mark.parametrize("offers", [[], [(10, 0)], [(10, 0), (20, 0)]])
    def test_an_empty_book_leaves_all_load_unserved_at_the_cap(self, offers: list[tuple[float, float]]) -> None:
        assert facts(auction(offers, 3, cap=500)) == (500, [500, 500], [0] * len(offers), 3, [])

    def test_without_demand_nothing_is_traded_and_the_interval_reaches_down_to_the_floor(self) -> None:
        assert facts(auction([(30, 5), (10, 5)], 0)) == (0, [-500, 10], [0, 0], 0, [])

    def test_without_demand_the_price_is_the_point_of_the_interval_nearest_to_zero(self) -> None:
        assert facts(auction([(-20, 5), (10, 5)], 0))[:3] == (-20, [-500, -20], [0, 0])
        assert facts(auction([(30, 5)], 0, floor=4))[:3] == (4, [4, 30], [0])

    def test_without_demand_or_offers_the_interval_is_everything(self) -> None:
        assert facts(auction([], 0)) == (0, [-500, 4000], [], 0, [])

    def test_negative_prices_are_legal_down_to_the_floor(self) -> None:
        assert facts(auction([(-500, 4), (-30, 5), (10, 5)], 6)) == (-30, [-30, -30], [4, 2, 0], 0, [])
        assert facts(auction([(-500, 4), (10, 5)], 3))[:2] == (-500, [-500, -500])

    @pytest.mark.parametrize("price", [-500, 5, 10, 20, 30, 4000])
    @pytest.mark.parametrize("demand", [0, 3, 5, 7, 10, 12])
    def test_a_block_of_no_quantity_is_inert_at_any_price(self, price: float, demand: float) -> None:
        book = [(10.0, 5.0), (30.0, 5.0)]
        plain, padded = facts(auction(book, demand)), facts(auction([*book, (price, 0)], demand))
        assert padded[:2] == plain[:2]
        assert padded[2] == [*plain[2], 0]

    def test_rows_of_different_kinds_are_cleared_together(self) -> None:
        price = np.array([[[10.0], [30.0]]] * 4)
        quantity = np.array([[[5.0], [5.0]]] * 4)
        clearing = clear(price, quantity, [0, 5, 7, 12])
        assert clearing.price.tolist() == [0, 10, 30, 4000]
        assert clearing.interval.tolist() == [[-500, 10], [10, 30], [30, 30], [4000, 4000]]
        assert clearing.unserved.tolist() == [0, 0, 0, 2]

    def test_no_auctions_are_cleared_to_nothing(self) -> None:
        clearing = clear(np.zeros((0, 2, 1)), np.zeros((0, 2, 1)), np.zeros(0))
        assert clearing.price.shape == (0,)
        assert clearing.dispatch.shape == (0, 2, 1)


class TestElasticDemand:
    def test_demand_that_a_bid_limits_is_cleared_at_the_last_accepted_offer(self) -> None:
        # The bid at 40 is served inside the offer at 30; the bid at 20 is not.
        assert facts(auction([(10, 5), (30, 5)], 0, [(40, 7), (20, 3)])) == (30, [30, 30], [5, 2], 0, [7, 0])

    def test_a_marginal_bid_sets_the_price_and_is_served_in_part(self) -> None:
        # Supply ends at 5; the bid at 25 takes what the bid at 40 leaves; the price leaves it indifferent.
        assert facts(auction([(10, 5), (30, 5)], 0, [(40, 3), (25, 4)])) == (25, [25, 25], [5, 0], 0, [3, 2])

    def test_an_edge_of_both_curves_takes_the_last_accepted_offer_in_the_interval(self) -> None:
        assert facts(auction([(10, 5), (30, 5)], 0, [(40, 5), (20, 4)])) == (20, [20, 30], [5, 0], 0, [5, 0])
        assert facts(auction([(10, 5), (30, 5)], 0, [(25, 5), (5, 4)])) == (10, [10, 25], [5, 0], 0, [5, 0])

    def test_offers_and_bids_tied_at_the_margin_trade_the_largest_volume(self) -> None:
        assert facts(auction([(10, 3), (20, 4)], 0, [(30, 2), (20, 3)])) == (20, [20, 20], [3, 2], 0, [2, 3])
        assert facts(auction([(20, 4)], 0, [(20, 6)])) == (20, [20, 20], [4], 0, [4])
        assert facts(auction([(20, 6)], 0, [(20, 4)])) == (20, [20, 20], [4], 0, [4])

    def test_bids_tied_at_the_margin_are_served_pro_rata(self) -> None:
        assert facts(auction([(10, 6)], 0, [(20, 9), (20, 3)])) == (20, [20, 20], [6], 0, [4.5, 1.5])

    def test_the_load_is_served_before_the_bids(self) -> None:
        assert facts(auction([(10, 5), (30, 5)], 4, [(40, 3)])) == (30, [30, 30], [5, 2], 0, [3])
        assert facts(auction([(10, 5)], 4, [(40, 3)])) == (40, [40, 40], [5], 0, [1])

    def test_bids_that_the_price_excludes_are_not_unserved_load(self) -> None:
        price, _, dispatch, unserved, consumption = facts(auction([(10, 5)], 7, [(40, 3)]))
        assert (price, dispatch, unserved, consumption) == (4000, [5], 2, [0])

    def test_bids_without_offers_are_not_served(self) -> None:
        # Any price that the highest bid does not exceed supports it; nearest to zero: that bid.
        assert facts(auction([], 0, [(40, 3), (20, 3)])) == (40, [40, 4000], [], 0, [0, 0])

    def test_bids_below_every_offer_trade_nothing_between_them(self) -> None:
        assert facts(auction([(30, 5)], 0, [(20, 3)])) == (20, [20, 30], [0], 0, [0])

    def test_negative_bids_are_paid_to_consume(self) -> None:
        assert facts(auction([(-40, 5)], 0, [(-20, 3)])) == (-40, [-40, -40], [3], 0, [3])

    def test_bids_of_no_quantity_are_inert(self) -> None:
        book = [(10.0, 5.0), (30.0, 5.0)]
        plain = facts(auction(book, 0, [(40, 7), (20, 3)]))
        for price in (-500, 10, 20, 25, 30, 40, 4000):
            padded = facts(auction(book, 0, [(40, 7), (20, 3), (price, 0)]))
            assert padded[:3] == plain[:3]
            assert padded[4] == [*plain[4], 0]

    @pytest.mark.parametrize("demand", [0, 3, 5, 7, 10, 12])
    def test_no_bids_are_the_inelastic_auction(self, demand: float) -> None:
        book = [(10.0, 5.0), (30.0, 5.0)]
        for bids in ([], [(35.0, 0.0)]):
            with_bids = facts(auction(book, demand, bids))
            assert with_bids[:4] == facts(auction(book, demand))[:4]


class Book(NamedTuple):
    """One auction on a coarse grid, so that ties and exact edges are common."""

    price: Floats  # [S]
    quantity: Floats  # [S]
    demand: float
    value: Floats  # [J]
    wanted: Floats  # [J]

    def cleared(self) -> Clearing:
        bids = {"bid_price": self.value[None], "bid_quantity": self.wanted[None]} if len(self.value) else {}
        offers = self.price[None, :, None], self.quantity[None, :, None]
        return clear(*offers, [self.demand], **bids, cap=CAP, floor=FLOOR)


CAP, FLOOR = 8.0, -4.0
steps = st.lists(st.tuples(st.integers(-4, 8), st.sampled_from([0, 0.5, 1, 1, 2, 3])), max_size=6)


@st.composite
def books(draw: st.DrawFn, elastic: bool) -> Book:
    offers = np.array(draw(steps), dtype=float).reshape(-1, 2)
    bids = np.array(draw(steps) if elastic else [], dtype=float).reshape(-1, 2)
    return Book(offers[:, 0], offers[:, 1], draw(st.integers(0, 24)) / 2, bids[:, 0], bids[:, 1])


def linear_program(book: Book, reward_of_volume: float = 0.0) -> tuple[float, float, float]:
    """Solve the module's linear program: its value, the dual of the balance and the volume of the offers."""
    s, j = len(book.price), len(book.value)
    result = linprog(
        np.concatenate((book.price - reward_of_volume, -book.value, [CAP])),
        A_eq=np.concatenate((np.ones(s), -np.ones(j), [1.0]))[None],
        b_eq=[book.demand],
        bounds=[(0, q) for q in (*book.quantity, *book.wanted, book.demand)],
        method="highs",
    )
    assert result.status == 0
    return result.fun, result.eqlin.marginals[0], result.x[:s].sum()


def supports(book: Book, clearing: Clearing, price: float) -> bool:
    """Whether no seller, buyer or load would trade another quantity at `price`: complementary slackness."""
    sold, bought, tiny = clearing.dispatch[0, :, 0], clearing.consumption[0], 1e-9
    sellers = np.where(book.price < price, sold >= book.quantity - tiny, (book.price == price) | (sold <= tiny))
    buyers = np.where(book.value > price, bought >= book.wanted - tiny, (book.value == price) | (bought <= tiny))
    load = price == CAP or (price < CAP and clearing.unserved[0] <= tiny)
    return bool(sellers.all() and buyers.all() and load)


def check_against_linear_program(book: Book) -> None:
    clearing = book.cleared()
    low, high = clearing.interval[0]
    sold, bought, unserved = clearing.dispatch[0, :, 0], clearing.consumption[0], clearing.unserved[0]
    value, dual, _ = linear_program(book)
    assert book.price @ sold - book.value @ bought + CAP * unserved == pytest.approx(value, abs=1e-7)
    assert low - 1e-7 <= np.clip(dual, FLOOR, CAP) <= high + 1e-7
    # Feasible, balanced, and supported by the interval, all of it, and by nothing outside it.
    assert (sold >= 0).all()
    assert (sold <= book.quantity + 1e-12).all()
    assert (bought >= -1e-12).all()
    assert (bought <= book.wanted + 1e-12).all()
    assert 0 <= unserved <= book.demand
    assert sold.sum() + unserved == pytest.approx(book.demand + bought.sum(), abs=1e-9)
    assert FLOOR <= low <= clearing.price[0] <= high <= CAP
    for price in (low, high, clearing.price[0], (low + high) / 2):
        assert supports(book, clearing, price), price
    assert low == FLOOR or not supports(book, clearing, low - 0.25)
    assert high == CAP or not supports(book, clearing, high + 0.25)


class TestAgainstTheLinearProgram:
    @settings(max_examples=300)
    @given(books(elastic=False))
    def test_an_inelastic_auction_is_optimal_and_its_interval_exact(self, book: Book) -> None:
        check_against_linear_program(book)

    @settings(max_examples=300)
    @given(books(elastic=True))
    def test_an_elastic_auction_is_optimal_and_its_interval_exact(self, book: Book) -> None:
        check_against_linear_program(book)

    @settings(max_examples=150)
    @given(books(elastic=True))
    def test_the_traded_volume_is_the_largest_that_welfare_allows(self, book: Book) -> None:
        # A small reward of volume breaks ties among optima only: prices differ by 1, volumes by at most 30.
        volume = linear_program(book, reward_of_volume=1e-3)[2]
        assert book.cleared().dispatch.sum() == pytest.approx(volume, abs=1e-6)

    @settings(max_examples=100)
    @given(books(elastic=True))
    def test_the_price_is_that_of_the_last_accepted_offer_clipped_into_the_interval(self, book: Book) -> None:
        clearing = book.cleared()
        accepted = book.price[clearing.dispatch[0, :, 0] > 0]
        wish = accepted.max() if len(accepted) else 0.0
        assert clearing.price[0] == np.clip(wish, *clearing.interval[0])

    @settings(max_examples=100)
    @given(books(elastic=True))
    def test_equal_blocks_at_the_margin_get_equal_shares(self, book: Book) -> None:
        clearing = book.cleared()
        low = clearing.interval[0, 0]
        for price, quantity, accepted in (
            (book.price, book.quantity, clearing.dispatch[0, :, 0]),
            (book.value, book.wanted, clearing.consumption[0]),
        ):
            tied = (price == low) & (quantity > 0)
            share = accepted[tied] / quantity[tied]
            assert share == pytest.approx(np.full(len(share), share[0] if len(share) else 0.0), abs=1e-12)

    @settings(max_examples=100)
    @given(books(elastic=True))
    def test_payments_balance_and_no_seller_loses_or_prefers_pay_as_bid(self, book: Book) -> None:
        clearing = book.cleared()
        uniform, own = settle_uniform(clearing), settle_pay_as_bid(clearing, book.price[None, :, None])
        paid = clearing.price[0] * (book.demand - clearing.unserved[0] + clearing.consumption[0].sum())
        assert uniform.sum() == pytest.approx(paid, abs=1e-9)
        assert (own <= uniform + 1e-9).all()


@st.composite
def rows_of_books(draw: st.DrawFn) -> dict[str, Any]:
    """B books of floats, N sellers of K blocks and J bids."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows, sellers, blocks, bids = (draw(st.integers(low, high)) for low, high in ((1, 9), (1, 6), (1, 4), (0, 5)))
    coarse = draw(st.booleans())
    names = {"price": (rows, sellers, blocks), "quantity": (rows, sellers, blocks), "demand": (rows,)}
    names |= {"bid_price": (rows, bids), "bid_quantity": (rows, bids)}
    values = {name: rng.random(shape) * 40 for name, shape in names.items()}
    return {name: np.round(value / 8) if coarse else value for name, value in values.items()}


class TestBatches:
    @given(rows_of_books(), st.booleans())
    def test_row_i_of_a_batch_equals_a_batch_of_one(
        self, bits: Callable[[Any], list[Any]], book: dict[str, Any], elastic: bool
    ) -> None:
        if not elastic:
            book = {name: value for name, value in book.items() if not name.startswith("bid")}
        together = clear(**book)
        for i in range(len(book["demand"])):
            alone = clear(**{name: value[i : i + 1] for name, value in book.items()})
            for name in ("price", "dispatch", "interval", "unserved", "consumption"):
                assert bits(getattr(together, name)[i : i + 1]) == bits(getattr(alone, name)), name

    @given(rows_of_books(), st.randoms(use_true_random=False))
    def test_sellers_and_buyers_in_another_order_get_the_same(self, book: dict[str, Any], shuffler: Random) -> None:
        sellers, bids = list(range(book["price"].shape[1])), list(range(book["bid_price"].shape[1]))
        shuffler.shuffle(sellers)
        shuffler.shuffle(bids)
        shuffled = book | {name: book[name][:, sellers] for name in ("price", "quantity")}
        shuffled |= {name: book[name][:, bids] for name in ("bid_price", "bid_quantity")}
        first, second = clear(**book), clear(**shuffled)
        assert second.price.tolist() == first.price.tolist()
        assert second.interval.tolist() == first.interval.tolist()
        np.testing.assert_allclose(second.dispatch, first.dispatch[:, sellers], atol=1e-10)
        np.testing.assert_allclose(second.consumption, first.consumption[:, bids], atol=1e-10)
        np.testing.assert_allclose(second.unserved, first.unserved, atol=1e-10)

    @given(rows_of_books(), st.integers(-60, 60), st.integers(-8, 8))
    def test_units_do_not_matter(self, book: dict[str, Any], energy: int, money: int) -> None:
        # Powers of two scale floating point numbers exactly.
        q, p = 2.0**energy, 2.0**money
        scaled = {name: value * (p if "price" in name else q) for name, value in book.items()}
        plain = clear(**book, cap=64, floor=-64)
        other = clear(**scaled, cap=64 * p, floor=-64 * p)
        for name, unit in (
            ("price", p),
            ("interval", p),
            ("dispatch", q),
            ("unserved", q),
            ("consumption", q),
        ):
            assert (getattr(other, name) == getattr(plain, name) * unit).all(), name

    def test_inputs_are_not_changed(self) -> None:
        rng = np.random.default_rng(0)
        book: dict[str, Any] = {
            "price": rng.random((3, 2, 2)),
            "quantity": rng.random((3, 2, 2)),
            "demand": rng.random(3),
        }
        book |= {"bid_price": rng.random((3, 2)), "bid_quantity": rng.random((3, 2))}
        before = {name: value.copy() for name, value in book.items()}
        for value in book.values():
            value.flags.writeable = False
        clearing = clear(**book)
        settle_uniform(clearing)
        settle_pay_as_bid(clearing, book["price"])
        assert all((book[name] == before[name]).all() for name in book)

    def test_results_share_no_memory_with_inputs(self) -> None:
        price, quantity, demand = np.ones((1, 1, 1)), np.ones((1, 1, 1)), np.ones(1)
        clearing = clear(price, quantity, demand)
        for result in (clearing.price, clearing.dispatch, clearing.interval, clearing.unserved):
            assert not any(np.shares_memory(result, given) for given in (price, quantity, demand))


class TestSettlement:
    def test_uniform_pays_each_accepted_quantity_the_price(self) -> None:
        clearing = clear([[[10.0, 30.0], [20.0, 50.0]]], [[[5.0, 5.0], [5.0, 5.0]]], [12.0])
        assert settle_uniform(clearing).tolist() == [[210, 150]]  # 30 EUR for 5 + 2 and for 5 MWh

    def test_pay_as_bid_pays_each_accepted_quantity_its_own_price(self) -> None:
        price = np.array([[[10.0, 30.0], [20.0, 50.0]]])
        clearing = clear(price, [[[5.0, 5.0], [5.0, 5.0]]], [12.0])
        assert settle_pay_as_bid(clearing, price).tolist() == [[110, 100]]  # 10 x 5 + 30 x 2; 20 x 5

    def test_prices_of_another_shape_are_refused(self) -> None:
        clearing = auction([(10, 5), (30, 5)], 7)
        with pytest.raises(ValueError, match=r"`price` must have the dispatch's shape \(1, 2, 1\); got \(1, 2\)"):
            settle_pay_as_bid(clearing, np.zeros((1, 2)))


GOOD: dict[str, Any] = {"price": [[[10.0], [30.0]]], "quantity": [[[5.0], [5.0]]], "demand": [7.0]}
BIDS: dict[str, Any] = {"bid_price": [[40.0]], "bid_quantity": [[3.0]]}
NAN, INF = np.nan, np.inf


class TestErrors:
    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"price": [[10.0, 30.0]]}, r"`price` must have 3 dimensions; got \(1, 2\)"),
            ({"quantity": [5.0]}, r"`quantity` must have 3 dimensions; got \(1,\)"),
            ({"demand": 7.0}, r"`demand` must have 1 dimensions; got \(\)"),
            ({"quantity": [[[5.0]]]}, r"`quantity` must have price's shape \(1, 2, 1\); got \(1, 1, 1\)"),
            ({"demand": [7.0, 8.0]}, r"`demand` must have one entry for each of 1 auctions; got \(2,\)"),
            ({"price": [[[10.0], [NAN]]]}, r"`price` must hold no NaN; got nan at index \[0, 1, 0\]"),
            ({"quantity": [[[NAN], [5.0]]]}, r"`quantity` must hold no NaN; got nan at index \[0, 0, 0\]"),
            ({"demand": [NAN]}, r"`demand` must hold no NaN; got nan at index \[0\]"),
            ({"quantity": [[[5.0], [-1.0]]]}, r"`quantity` must be finite and not negative; got -1\.0"),
            ({"quantity": [[[INF], [5.0]]]}, r"`quantity` must be finite and not negative; got inf"),
            ({"demand": [-1.0]}, r"`demand` must be finite and not negative; got -1\.0 at index \[0\]"),
            ({"demand": [INF]}, r"`demand` must be finite and not negative; got inf"),
            ({"price": [[[10.0], [4000.5]]]}, r"between the floor -500\.0 and the cap 4000\.0; got 4000\.5"),
            ({"price": [[[-501.0], [30.0]]]}, r"`price` must lie between the floor -500\.0 .*; got -501\.0"),
            ({"price": [[[INF], [30.0]]]}, r"`price` must lie between .*; got inf"),
            ({"cap": 20.0}, r"`price` must lie between the floor -500\.0 and the cap 20\.0; got 30\.0"),
            ({"floor": 20.0}, r"`price` must lie between the floor 20\.0 .*; got 10\.0"),
            ({"floor": 10.0, "cap": 10.0}, r"`floor` must be below the cap 10\.0; got 10\.0"),
            ({"cap": NAN}, "`floor` must be below the cap nan"),
            ({"floor": NAN}, "`floor` must be below the cap .*; got nan"),
            ({"bid_price": [[40.0]]}, "`bid_price` and `bid_quantity` must be given together"),
            ({"bid_quantity": [[3.0]]}, "`bid_price` and `bid_quantity` must be given together"),
            (BIDS | {"bid_price": [40.0]}, r"`bid_price` must have 2 dimensions; got \(1,\)"),
            (BIDS | {"bid_quantity": [[3.0, 4.0]]}, r"`bid_quantity` must have bid_price's shape \(1, 1\)"),
            (BIDS | {"bid_quantity": [[-3.0]]}, r"`bid_quantity` must be finite and not negative; got -3\.0"),
            (BIDS | {"bid_quantity": [[NAN]]}, r"`bid_quantity` must hold no NaN; got nan at index \[0, 0\]"),
            (BIDS | {"bid_price": [[NAN]]}, r"`bid_price` must hold no NaN; got nan at index \[0, 0\]"),
            (BIDS | {"bid_price": [[4001.0]]}, r"`bid_price` must lie between .*; got 4001\.0"),
            (
                {"bid_price": [[40.0]] * 2, "bid_quantity": [[3.0]] * 2},
                r"`bid_price` must have one row for each of 1 auctions; got \(2, 1\)",
            ),
        ],
    )  # fmt: skip
    def test_a_bad_argument_is_refused_by_name(self, changed: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            clear(**(GOOD | changed))

    def test_the_good_arguments_are_good(self) -> None:
        assert clear(**GOOD).price.tolist() == [30]
        assert clear(**GOOD, **BIDS).price.tolist() == [30]

    def test_an_infinite_cap_is_refused(self) -> None:
        # Unserved load would be priced at infinity, and every revenue would be infinite or NaN.
        with pytest.raises(ValueError, match="cap"):
            clear(GOOD["price"], GOOD["quantity"], [12.0], cap=np.inf)


class TestRealBook:
    """OMIE, hour 1 of 2009-01-02: the exchange's public file of offer and demand curves; 1 cent/kWh is 10 EUR/MWh."""

    @pytest.fixture
    def steps(self, shared_data: Path) -> dict[tuple[str, str], Floats]:
        """The steps by side (V sells, C buys) and kind (O offered, C cleared), ``[S, 2]`` EUR/MWh and MWh."""
        file = shared_data / "omie_bid_curve_2009" / "OfferAndDemandCurve_1_20090102.TXT"
        if not file.is_file():
            pytest.skip(f"no recorded data: {file} is not a file")
        rows: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for line in file.read_text("latin-1").splitlines():
            fields = line.split(";")
            if fields[0] == "1":
                quantity, price = (float(x.replace(".", "").replace(",", ".")) for x in fields[5:7])
                rows.setdefault((fields[4], fields[7]), []).append((10 * price, quantity))
        return {key: np.array(value) for key, value in rows.items()}

    def cleared(self, steps: dict[tuple[str, str], Floats], kind: str) -> Clearing:
        sell, buy = steps["V", kind], steps["C", kind]
        return clear(
            sell[None, :, None, 0],
            sell[None, :, None, 1],
            [0.0],
            bid_price=buy[None, :, 0],
            bid_quantity=buy[None, :, 1],
            cap=180.3,
            floor=0.0,
        )

    def test_it_has_the_published_number_of_steps(self, steps: dict[tuple[str, str], Floats]) -> None:
        counts = {key: len(value) for key, value in steps.items()}
        assert counts == {("V", "O"): 1100, ("C", "O"): 141, ("V", "C"): 627, ("C", "C"): 72}

    def test_the_offered_steps_cross_at_49_94(self, steps: dict[tuple[str, str], Floats]) -> None:
        assert self.cleared(steps, "O").price[0] == pytest.approx(49.94, abs=1e-9)

    def test_the_cleared_steps_balance_at_53_69(self, steps: dict[tuple[str, str], Floats]) -> None:
        clearing = self.cleared(steps, "C")
        assert clearing.price[0] == pytest.approx(53.69, abs=1e-9)
        assert clearing.dispatch.sum() == pytest.approx(25_312.1, abs=1e-6)
        assert clearing.consumption.sum() == pytest.approx(25_312.1, abs=1e-6)


class TestScales:
    def test_single_precision_meets_an_edge_to_its_own_precision(self) -> None:
        price, quantity = np.float32([[[20], [1000]]]), np.float32([[[0.7], [1]]])
        assert clear(price, quantity, [0.7]).price == [20]
        assert clear(price, quantity.astype(np.float64), [0.7]).price == [1000]  # the load is larger by 1e-8
        assert clear(price, [[[0.7], [1]]], np.float32([0.7])).price == [20]
        bids = {"bid_price": [[2000.0]], "bid_quantity": np.float32([[0.1]])}
        assert clear([[[20.0], [1000.0]]], [[[0.7], [1.0]]], [0.6], **bids).price == [20]

    def test_tensors_are_arrays(self) -> None:
        single: Any = torch.tensor([[[0.7], [1.0]]])
        double: Any = torch.tensor([[[0.7], [1.0]]], dtype=torch.float64)
        assert clear([[[20.0], [1000.0]]], single, [0.7]).price == [20]  # in single precision
        assert clear([[[20.0], [1000.0]]], double, double[0, 0]).price == [20]

    @pytest.mark.parametrize("huge", [1e6, 1e13, 1e300])
    def test_a_bid_beyond_all_offers_buys_what_is_sold(self, huge: float) -> None:
        offers = [[[10.0, 20.0, 30.0]]], [[[5.0, 5.0, 0.1]]]
        at_margin = clear(*offers, [2.0], bid_price=[[25.0, 28.0]], bid_quantity=[[huge, 3.0]])
        assert at_margin.price == [25]
        np.testing.assert_array_equal(at_margin.interval, [[25, 25]])
        np.testing.assert_allclose(at_margin.dispatch, [[[5, 5, 0]]], rtol=1e-15)
        np.testing.assert_allclose(at_margin.consumption, [[5, 3]], rtol=1e-12)
        assert at_margin.unserved == [0]
        excluded = clear(*offers, [2.0], bid_price=[[5.0, 28.0]], bid_quantity=[[huge, 3.0]])
        np.testing.assert_array_equal(excluded.interval, [[10, 20]])
        np.testing.assert_array_equal(excluded.dispatch, [[[5, 0, 0]]])
        np.testing.assert_array_equal(excluded.consumption, [[0, 3]])


def test_the_middle_of_supporting_prices_settles_as_well() -> None:
    book = clear([[[10.0], [30.0]]] * 2, [[[5.0], [5.0]]] * 2, [5.0, 7.0])
    assert book.price.tolist() == [10.0, 30.0]
    assert book.midpoint.tolist() == [20.0, 30.0]
    assert settle_uniform(book, book.midpoint).tolist() == [[100.0, 0.0], [150.0, 60.0]]
    assert settle_uniform(book).tolist() == [[50.0, 0.0], [150.0, 60.0]]
    with pytest.raises(
        ValueError, match=r"`price` must support the outcome, within `interval`; got 31\.0 at index \[1\]"
    ):
        settle_uniform(book, np.array([20.0, 31.0]))
