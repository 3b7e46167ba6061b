import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize

from walras.core.typing import Floats
from walras.markets.matrix.logit_demand import LogitDemand

EVEN = {
    # firms: static Nash price, profit; joint monopoly price, profit of each (a = 2, a0 = 0, mu = 1/4, c = 1)
    2: (1.472927, 0.222927, 1.924981, 0.337490),  # as in Calvano et al. (2020), section II
    3: (1.370163, 0.120163, 2.000000, 0.250000),  # W(3 e^3) = 3, so the monopoly price is 2 exactly
    4: (1.331461, 0.081461, 2.054411, 0.201103),
}


def even(firms: int) -> LogitDemand:
    return LogitDemand(np.full(firms, 2.0), np.ones(firms), 0.0, 0.25)


def by_the_denominator(demand: LogitDemand) -> Floats:
    """Nash prices by another road: the common denominator D at which the shares sum to one, each by bisection."""
    net, nothing = (demand.quality - demand.cost) / demand.differentiation, demand.outside / demand.differentiation

    def share(i: int, log_all: float) -> float:
        return brentq(lambda q: np.log(q) + 1 / (1 - q) - net[i] + log_all, 1e-300, 1 - 1e-12, xtol=1e-16)

    def left(log_all: float) -> float:
        return 1 - np.exp(nothing - log_all) - sum(share(i, log_all) for i in range(len(net)))

    log_all = brentq(left, nothing + 1e-12, nothing + net.max() - nothing + 100, xtol=1e-14)
    return demand.cost + demand.differentiation / (1 - np.array([share(i, log_all) for i in range(len(net))]))


@pytest.mark.parametrize("firms", EVEN)
def test_equal_firms_have_the_known_prices_and_profits(firms: int) -> None:
    demand, (nash, profit, monopoly, most) = even(firms), EVEN[firms]
    np.testing.assert_allclose(demand.nash_price(), nash, atol=1e-6)
    np.testing.assert_allclose(demand.profit(demand.nash_price()), profit, atol=1e-6)
    np.testing.assert_allclose(demand.monopoly_price(), monopoly, atol=1e-6)
    np.testing.assert_allclose(demand.profit(demand.monopoly_price()), most, atol=1e-6)


markets = st.integers(1, 4).flatmap(
    lambda n: st.builds(
        LogitDemand,
        st.lists(st.floats(-1, 3), min_size=n, max_size=n).map(np.array),
        st.lists(st.floats(0, 2), min_size=n, max_size=n).map(np.array),
        st.floats(-1, 1),
        st.floats(0.2, 2),
    )
)


@given(markets)
def test_nash_prices_are_the_same_by_the_common_denominator(demand: LogitDemand) -> None:
    np.testing.assert_allclose(demand.nash_price(), by_the_denominator(demand), atol=1e-8)


@given(markets)
def test_no_firm_gains_by_another_price(demand: LogitDemand) -> None:
    nash = demand.nash_price()
    own = demand.profit(nash)
    for i in range(len(nash)):
        tried = np.repeat(nash[None], 400, axis=0)
        tried[:, i] = np.linspace(demand.cost[i], nash[i] + 10 * demand.differentiation, 400)
        assert (demand.profit(tried)[:, i] <= own[i] * (1 + 1e-12)).all()


@given(markets)
def test_no_prices_earn_more_together_than_those_of_joint_monopoly(demand: LogitDemand) -> None:
    most = demand.monopoly_price()
    found = minimize(lambda p: -demand.profit(p).sum(), most + 0.3, method="Nelder-Mead", options={"maxiter": 4000})
    assert -found.fun <= demand.profit(most).sum() * (1 + 1e-9)
    assert (most >= demand.nash_price() - 1e-12).all()


def test_shares_are_those_of_the_formula_and_stand_large_numbers() -> None:
    demand, price = even(3), np.array([1.0, 1.5, 2.0])
    worth = np.exp((2 - price) / 0.25)
    np.testing.assert_allclose(demand.sold(price), worth / (worth.sum() + 1))
    assert np.isfinite(LogitDemand(np.array([9e3, 9e3]), np.ones(2), 0.0, 0.25).nash_price()).all()


def test_firms_in_another_order_have_their_prices_in_that_order() -> None:
    demand = LogitDemand(np.array([2.0, 2.5, 1.0]), np.array([1.0, 1.2, 0.3]), 0.1, 0.3)
    order = [2, 0, 1]
    other = LogitDemand(demand.quality[order], demand.cost[order], 0.1, 0.3)
    np.testing.assert_allclose(other.nash_price(), demand.nash_price()[order], rtol=1e-14)
    np.testing.assert_allclose(other.monopoly_price(), demand.monopoly_price()[order], rtol=1e-14)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"differentiation": 0.0}, "differentiation"),
        ({"differentiation": np.nan}, "differentiation"),
        ({"outside": -np.inf}, "outside"),
        ({"quality": np.array([1.0, np.nan])}, "quality"),
        ({"cost": np.array([np.inf, 1.0])}, "cost"),
        ({"quality": np.ones(3)}, "quality"),
    ],
)
def test_what_is_no_demand_is_refused(change: dict[str, object], name: str) -> None:
    right = {"quality": np.full(2, 2.0), "cost": np.ones(2), "outside": 0.0, "differentiation": 0.25}
    with pytest.raises(ValueError, match=f"`{name}` must"):
        LogitDemand(**(right | change))  # type: ignore[arg-type]
