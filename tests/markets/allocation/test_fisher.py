import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from walras.markets.allocation.fisher import (
    PricePath,
    equilibrium,
    equilibrium_residual,
    proportional_response,
    tatonnement,
)

Dynamic = Callable[..., PricePath]


pytestmark = pytest.mark.usefixtures("one_thread")


def tensor(*entries: object) -> Tensor:
    return torch.tensor(entries, dtype=torch.float64)


def markets(seed: int, rows: int, buyers: int, goods: int) -> tuple[Tensor, Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    v, s, w = (rng.uniform(0.1, 1, shape) for shape in ((rows, buyers, goods), (rows, goods), (rows, buyers)))
    return torch.from_numpy(v), torch.from_numpy(s), torch.from_numpy(w)


class TestEquilibrium:
    @pytest.mark.parametrize(
        ("values", "supplies", "money", "prices"),
        [
            ([[2.0, 1.0], [1.0, 2.0]], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]),  # each buys its own good
            ([[2.0, 1.0], [1.0, 2.0]], [1.0, 4.0], [1.0, 1.0], [2 / 3, 1 / 3]),  # buyer 0 buys both
            ([[3.0], [5.0]], [4.0], [1.0, 7.0], [2.0]),  # one good: all the money over the supply
            ([[1.0, 3.0], [2.0, 6.0]], [1.0, 2.0], [3.0, 4.0], [1.0, 3.0]),  # one taste: prices like values
            ([[2.0, 1.0]], [1.0, 3.0], [5.0], [2.0, 1.0]),  # one buyer
            ([[1.0, 0.0], [1.0, 0.0]], [1.0, 1.0], [1.0, 1.0], [2.0, 0.0]),  # a good without value
            # Buyer 0 is rich and buys both goods, at its own rate of 2 to 1.
            ([[2.0, 1.0], [1.0, 2.0]], [1.0, 1.0], [9.0, 1.0], [20 / 3, 10 / 3]),
        ],
    )
    def test_prices_on_paper(
        self, values: list[list[float]], supplies: list[float], money: list[float], prices: list[float]
    ) -> None:
        found = equilibrium(tensor(values), tensor(supplies), tensor(money))
        assert found.prices[0].tolist() == pytest.approx(prices, abs=1e-6)
        assert float(found.residual) < 1e-6

    @pytest.mark.parametrize(("buyers", "goods"), [(2, 2), (5, 3), (8, 6)])
    def test_the_definition_holds(self, buyers: int, goods: int) -> None:
        v, s, w = markets(0, 30, buyers, goods)
        found = equilibrium(v, s, w)
        spent = found.spending.sum(dim=2)
        per_money = v / found.prices[:, None]
        assert float(found.residual.max()) < 1e-5
        assert torch.allclose(found.allocation.sum(dim=1), s, rtol=1e-5)
        assert torch.allclose(spent, w, rtol=1e-6)
        assert torch.allclose((v * found.allocation).sum(dim=2), w * per_money.amax(dim=2), rtol=1e-5)
        poor = per_money < per_money.amax(dim=2, keepdim=True) * 0.999
        assert float((found.spending * poor).sum(dim=(1, 2)).max()) < 1e-4

    def test_units_do_not_count(self) -> None:
        v, s, w = markets(1, 10, 4, 3)
        plain = equilibrium(v, s, w).prices
        assert torch.allclose(equilibrium(v * 1e3, s, w).prices, plain, rtol=1e-6)
        assert torch.allclose(equilibrium(v, s, w * 1e3).prices, plain * 1e3, rtol=1e-6)
        assert torch.allclose(equilibrium(v, s * 1e3, w).prices, plain / 1e3, rtol=1e-6)

    def test_money_is_one_each_by_default_and_may_be_shared_by_rows(self) -> None:
        v, s, _ = markets(2, 5, 3, 2)
        plain = equilibrium(v, s).prices
        for money in (torch.ones(3), torch.ones(5, 3)):
            assert torch.equal(equilibrium(v, s, money).prices, plain)

    def test_no_price_rises_with_a_supply_nor_falls_with_money(self) -> None:
        # Linear demand has gross substitutes.
        v, s, w = markets(3, 40, 4, 3)
        plain = equilibrium(v, s, w).prices
        more, richer = s.clone(), w.clone()
        more[:, 0] *= 1.5
        richer[:, 0] *= 1.5
        assert bool((equilibrium(v, more, w).prices <= plain + 1e-6).all())
        assert bool((equilibrium(v, s, richer).prices >= plain - 1e-6).all())

    def test_the_residual_sees_each_way_to_miss_the_definition(self) -> None:
        v, s, w = tensor([[2.0, 1.0], [1.0, 2.0]]), tensor([1.0, 1.0]), tensor([1.0, 1.0])
        own, prices = tensor([[1.0, 0.0], [0.0, 1.0]]), tensor([1.0, 1.0])

        def missed(prices: Tensor, allocation: Tensor) -> float:
            return float(equilibrium_residual(prices, allocation, v, s, w))

        assert missed(prices, own) == 0
        assert missed(prices, own.flip(1)) == pytest.approx(0.5)  # half the utility that money buys
        assert missed(prices, own * 0.9) == pytest.approx(0.1)  # money kept
        assert missed(prices, own * 1.2) == pytest.approx(0.2)  # more than there is
        assert missed(prices * 0.8, own) == pytest.approx(0.2)  # too cheap: money kept
        assert missed(prices * 1.5, own) == pytest.approx(0.5)  # too dear: money that is not there
        assert missed(prices * 1.5, own / 1.5) == pytest.approx(0.5)  # all spent, a third unsold: half of the money

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"values": torch.ones(2, 2)}, "`values` must have 3 dimensions"),
            ({"values": torch.zeros(1, 2, 2)}, "`values` must give each agent"),
            ({"values": -torch.ones(1, 2, 2)}, "`values` must be finite and not negative"),
            ({"supplies": torch.ones(2)}, r"`supplies` must have shape \(1, 2\)"),
            ({"supplies": torch.tensor([[1.0, 0.0]])}, r"`supplies` must be positive and finite; got \[0.0\]"),
            ({"money": torch.ones(3)}, r"`money` must have shape \(2,\) or \(1, 2\)"),
            ({"money": torch.tensor([1.0, torch.nan])}, "`money` must be positive and finite"),
        ],
    )
    @pytest.mark.parametrize("solver", [equilibrium, proportional_response, tatonnement])
    def test_a_bad_market_is_refused_by_name(
        self, solver: Callable[..., object], change: dict[str, Tensor], message: str
    ) -> None:
        market = {"values": torch.ones(1, 2, 2), "supplies": torch.ones(1, 2), "money": torch.ones(2)} | change
        with pytest.raises(ValueError, match=message):
            solver(**market)


class TestDynamics:
    @pytest.mark.parametrize("dynamic", [proportional_response, tatonnement])
    def test_prices_end_at_the_equilibrium(self, dynamic: Dynamic) -> None:
        v, s, w = markets(4, 20, 4, 3)
        path = dynamic(v, s, w, 2000)
        assert path.prices.shape == (2001, 20, 3)
        assert torch.allclose(path.prices[-1], equilibrium(v, s, w).prices, rtol=0.03)
        assert float((path.distance[-1] / w.sum(dim=1)).max()) < 1e-4 < float((path.distance[0] / w.sum(dim=1)).min())
        assert bool((path.distance > -1e-9).all())

    @pytest.mark.parametrize(("buyers", "goods"), [(2, 2), (6, 4), (3, 10)])
    def test_proportional_response_is_as_fast_as_its_bound(self, buyers: int, goods: int) -> None:
        v, s, w = markets(5, 30, buyers, goods)
        v = v**4  # uneven tastes
        path = proportional_response(v, s, w, 300)
        count = torch.arange(1, 301)[:, None]
        bound = w.sum(dim=1) * math.log(goods) / count
        assert bool((path.distance[1:] <= bound).all())
        assert float((path.distance[1:] / bound).max()) > 0.01

    def test_one_round_of_proportional_response_on_paper(self) -> None:
        # Even bids price both goods at 1; then each splits its money 2 to 1 or 1 to 1.
        path = proportional_response(tensor([[2.0, 1.0], [1.0, 1.0]]), tensor([1.0, 1.0]), steps=1)
        assert path.prices[:, 0].tolist() == [[1.0, 1.0], pytest.approx([2 / 3 + 1 / 2, 1 / 3 + 1 / 2])]

    def test_all_money_is_always_bid(self) -> None:
        v, s, w = markets(6, 10, 4, 3)
        path = proportional_response(v, s, w, 50)
        assert torch.allclose((path.prices * s).sum(dim=2), w.sum(dim=1).expand(51, 10))

    def test_one_step_of_tatonnement_on_paper(self) -> None:
        # Both goods cost 1; both buyers want the first alone: it costs exp(.25 (2 - 1) / 2) then.
        path = tatonnement(tensor([[2.0, 0.5], [3.0, 1.0]]), tensor([1.0, 2.0]), steps=1, step_size=0.25)
        assert path.prices[:, 0].tolist() == [[1.0, 0.5], pytest.approx([math.exp(0.125), math.exp(-0.125) / 2])]

    def test_buyers_split_their_money_evenly_where_goods_tie(self) -> None:
        path = tatonnement(torch.ones(1, 2, 2), torch.ones(1, 2), steps=5)
        assert torch.equal(path.prices, torch.ones(6, 1, 2, dtype=torch.float64))

    def test_a_good_without_value_gets_no_bids(self) -> None:
        v, s = tensor([[1.0, 0.0], [2.0, 0.0]]), tensor([1.0, 1.0])
        assert proportional_response(v, s, steps=3).prices[:, 0].tolist() == [[2.0, 0.0]] * 4

    @pytest.mark.parametrize("dynamic", [proportional_response, tatonnement])
    def test_the_distance_is_zero_at_the_equilibrium_alone(self, dynamic: Dynamic) -> None:
        settled = dynamic(torch.ones(1, 2, 2), torch.ones(1, 2), steps=0)
        assert float(settled.distance) == pytest.approx(0, abs=1e-9)
        # Costs 5 and 5 against 20 / 3 and 10 / 3: sum of p log(p / p*) - p + p*.
        off = dynamic(tensor([[2.0, 1.0], [1.0, 2.0]]), tensor([1.0, 1.0]), tensor([9.0, 1.0]), steps=0)
        expected = 5 * math.log(5 / (20 / 3)) + 5 * math.log(5 / (10 / 3))
        assert off.distance.tolist() == [pytest.approx([expected], abs=1e-6)]

    def test_bad_steps_are_refused_by_name(self) -> None:
        ones = (torch.ones(1, 2, 2), torch.ones(1, 2))
        for dynamic in (proportional_response, tatonnement):
            with pytest.raises(ValueError, match="`steps` must not be negative; got -1"):
                dynamic(*ones, steps=-1)
        with pytest.raises(ValueError, match="`step_size` must be positive; got 0"):
            tatonnement(*ones, step_size=0)


def test_markets_whose_numbers_lie_far_apart_are_solved() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        buyers, goods = rng.integers(2, 6, 2)
        values, supplies, money = (
            torch.tensor(10 ** rng.uniform(-4, 4, (1, *shape))) for shape in ((buyers, goods), (goods,), (buyers,))
        )
        found = equilibrium(values, supplies, money)
        best = (values / found.prices[:, None]).amax(dim=2) * money
        had = (values * found.allocation).sum(dim=2)
        assert float((1 - had / best).max()) < 1e-6
        assert float((found.spending.sum(dim=2) / money - 1).abs().max()) < 1e-6
