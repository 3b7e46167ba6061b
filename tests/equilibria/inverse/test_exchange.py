"""Exchange economies to invert: closed forms, sets where endowments are open, and economies that there cannot be."""

import numpy as np
import pandas as pd
import pytest

import walras
from walras.core.solution import Status
from walras.core.typing import Floats
from walras.equilibria import ExchangePlay, InverseExchange
from walras.equilibria.inverse import fit


def cobb_douglas(rng: np.random.Generator, consumers: int = 3, goods: int = 2) -> tuple[ExchangePlay, Floats, Floats]:
    """An equilibrium by Perron's vector: p_j sum_i e_ij = sum_i v_ij p . e_i."""
    value, owned = rng.dirichlet(np.ones(goods), consumers), rng.uniform(0.5, 2, (consumers, goods))
    flow = value.T @ owned / owned.sum(axis=0)[:, None]  # p = flow @ p
    price = np.linalg.svd(flow - np.eye(goods))[2][-1]
    price = price / price.sum()
    return ExchangePlay(price[None], (value * (owned @ price)[:, None] / price)[None]), value, owned


def as_tuples(values: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, values.tolist()))


@pytest.mark.parametrize("goods", [2, 4])
def test_cobb_douglas_valuations_by_the_closed_form(goods: int) -> None:
    for seed in range(5):
        play, value, owned = cobb_douglas(np.random.default_rng(seed), 3, goods)
        assert play.allocation[0].sum(axis=0) == pytest.approx(owned.sum(axis=0))  # markets clear
        found = fit(InverseExchange("cobb-douglas", 3, goods, as_tuples(owned)), play)
        assert found.parameters == pytest.approx(value.ravel(), abs=1e-9)
        assert found.unidentified == ()
        assert found.certificate == "exact"


def test_endowments_are_a_set_that_holds_the_planted_ones() -> None:
    play, value, owned = cobb_douglas(np.random.default_rng(0))
    family = InverseExchange("cobb-douglas", valuations=as_tuples(value), largest=10.0)
    found = fit(family, play)
    assert found.set is not None
    assert found.set.contains(owned.ravel(), 1e-9)
    assert found.unidentified == family.names  # one period says what endowments are worth, not what they are
    assert not found.set.contains(1.1 * owned.ravel(), 1e-9)
    both = fit(InverseExchange("cobb-douglas", largest=10.0), play)
    assert both.set is not None
    assert both.set.contains(np.append(owned, value), 1e-9)
    assert both.unidentified == tuple(name for name in both.names if name.startswith("endowment"))


def test_prices_of_two_directions_identify_endowments() -> None:
    """Consumer 0 keeps its endowment while another's tastes move prices: nothing but its endowment costs that."""
    value, owned = np.array([[0.5, 0.5], [0.5, 0.5]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    price = np.array([[0.5, 0.5], [0.25, 0.75]])
    budget = price @ owned.T
    play = ExchangePlay(price, value * budget[..., None] / price[:, None])
    family = InverseExchange("cobb-douglas", 2, 2, valuations=as_tuples(value), largest=10.0)
    conditions = family.conditions(play)
    rows, level = conditions.equal, conditions.level
    assert np.linalg.solve(rows, level) == pytest.approx(owned.ravel())
    assert family.regrets(play, owned.ravel()).gain.max() < 1e-12


def test_linear_consumers_who_keep_what_they_like_leave_a_range() -> None:
    play = ExchangePlay(np.array([[1.0, 1.0]]), np.eye(2)[None])
    found = fit(InverseExchange("linear", 2, 2, as_tuples(np.eye(2))), play)
    assert found.interval[0] == pytest.approx([0.5, 1], abs=1e-6)
    assert found.residual < 1e-9


def test_consumers_who_spend_more_than_they_own_are_not_rationalised() -> None:
    play, _, owned = cobb_douglas(np.random.default_rng(1))
    shares = play.allocation[0] * np.array([[1.2], [1.0], [1.0]])
    shares *= (owned.sum(axis=0) / shares.sum(axis=0)).min()
    family = InverseExchange("cobb-douglas", endowments=as_tuples(owned))
    found = fit(family, ExchangePlay(play.prices, shares[None]))
    assert found.status is Status.NOT_RATIONALISED
    assert found.residual > 1e-4
    assert found.certificate == "local"  # valuations make no convex problem
    seen = walras.audit(family, ExchangePlay(play.prices, shares[None]))
    assert "consumer_0" not in seen.rationalised


@pytest.mark.parametrize("unknown", ["endowments", "valuations"])
@pytest.mark.parametrize("utility", ["linear", "cobb-douglas", "leontief", "ces"])
def test_slopes_of_regret_are_those_of_differences(utility: str, unknown: str) -> None:
    rng = np.random.default_rng(3)
    value, owned = rng.dirichlet(np.ones(2), 2), rng.uniform(0.5, 1, (2, 2))
    known = {"valuations": as_tuples(value)} if unknown == "endowments" else {"endowments": as_tuples(owned)}
    family, theta = InverseExchange(utility, 2, 2, **known), (owned if unknown == "endowments" else value).ravel()
    play = ExchangePlay(rng.uniform(0.5, 2, (2, 2)), rng.uniform(0.1, 0.4, (2, 2, 2)))
    found = family.regrets(play, theta)
    for move in np.eye(4):
        ends = [family.regrets(play, theta + sign * 1e-6 * move).gain for sign in (1, -1)]
        assert found.slope @ move == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-4)


def test_tables_are_read_and_those_that_do_not_fit_refused() -> None:
    play, value, owned = cobb_douglas(np.random.default_rng(2))
    table = pd.DataFrame(
        {
            "period": 0,
            "agent": np.repeat(["consumer_0", "consumer_1", "consumer_2"], 2),
            "good": [0, 1] * 3,
            "quantity": play.allocation.ravel(),
            "price": np.tile(play.prices.ravel(), 3),
        }
    )
    family = InverseExchange(endowments=as_tuples(owned))
    assert fit(family, table).parameters == pytest.approx(value.ravel())
    with pytest.raises(ValueError, match=r"`allocation` must not exceed the endowments in total; are the units"):
        fit(family, table.assign(quantity=1000 * table["quantity"]))
    with pytest.raises(ValueError, match=r"`price` must be the same for all buyers of a good"):
        fit(family, table.assign(price=[*table["price"][:-1], 9.0]))
    with pytest.raises(ValueError, match=r"`market_family` must know the endowments"):
        walras.audit(InverseExchange(valuations=as_tuples(value)), table)
    with pytest.raises(ValueError, match=r"`endowments` must be unknown, or `valuations`"):
        InverseExchange(endowments=as_tuples(owned), valuations=as_tuples(value))
    with pytest.raises(ValueError, match=r"`valuations` must sum to one a consumer"):
        InverseExchange(valuations=as_tuples(2 * value))
