import numpy as np
import pytest

from walras.core.typing import Floats
from walras.equilibria import double_oracle
from walras.equilibria.normal_form.price_duopoly import PriceDuopoly
from walras.markets.matrix.named_games import bertrand_edgeworth


@pytest.mark.parametrize("demand", ["linear", "inelastic"])
@pytest.mark.parametrize("capacity", [0.2, 0.5, 0.7, 1.5])
def test_profits_are_those_of_the_game_on_a_grid(demand: str, capacity: float) -> None:
    grid = np.linspace(0, 1.2, 25)
    prices = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2, 1)
    found = PriceDuopoly(capacity, demand).payoffs(prices)
    np.testing.assert_allclose(found.T.reshape(2, 25, 25), bertrand_edgeworth(grid.tolist(), capacity, demand).payoff)


@pytest.mark.parametrize("demand", ["linear", "inelastic"])
@pytest.mark.parametrize("capacity", [0.2, 0.4, 0.5, 0.7, 1.5])
def test_no_price_of_a_fine_grid_exceeds_the_supremum_and_the_reply_comes_near(demand: str, capacity: float) -> None:
    rng, game = np.random.default_rng(0), PriceDuopoly(capacity, demand)
    for _ in range(3):
        other, weights = rng.uniform(0, 1.1, 6), rng.dirichlet(np.ones(6))
        actions = np.stack([np.zeros(6), other], axis=1)[:, :, None]
        found = game.reply(0, actions, weights)
        tried = np.append(np.concatenate([np.linspace(0, 1.2, 601), other - 1e-7]), found.action[0])
        worth = np.array([weights @ game.payoffs(_with(actions, price))[:, 0] for price in tried])
        assert worth.max() <= found.most + 1e-12
        assert worth[-1] >= found.most - 1e-8


def _with(actions: Floats, price: float) -> Floats:
    changed = actions.copy()
    changed[:, 0] = price
    return changed


def test_undercutting_stalls_within_a_tick_on_the_lowest_price() -> None:
    # Profit 1/16 from 1/8 to 1/4: no best price exists, and what is left is at most a tick on the lowest price.
    shares = list[float]()
    for tick in (0.01, 0.004):
        found = double_oracle(PriceDuopoly(0.5), np.full((2, 1), 0.25), tol=1e-9, tick=tick, max_iter=60)
        assert found.ended == "stalled"
        shares.append(float((found.gap_upper / found.value).max()))
        assert 0 < shares[-1] <= 1.01 * tick / 0.125
        played = found.strategies[0][found.mixture.sum(axis=1) > 0, 0]
        np.testing.assert_allclose([played.min(), played.max()], [1 / 8, 1 / 4], atol=2 * tick)
        np.testing.assert_allclose(found.value, 1 / 16, rtol=tick / 0.125)
    assert shares[1] < shares[0]


@pytest.mark.parametrize(("tick", "prices"), [(0.01, 6), (0.003, 21)])
def test_undercutting_on_alternate_ticks_stalls_at_a_tick_of_the_capacity(tick: float, prices: int) -> None:
    # Neighbours on the grid never meet: each draws every other price, and a tick more of what is sold at the lowest one
    # is what undercutting by less would gain, tick / p_L of the profit 1/16.
    first = np.floor(0.25 / tick) * tick
    found = double_oracle(PriceDuopoly(0.5), [[first], [first - tick]], tol=1e-9, tick=tick, max_iter=60)
    assert found.ended == "stalled"
    assert found.gap_upper.max() * 16 == pytest.approx(tick / 0.125, rel=1e-6)
    drawn = [(found.mixture.sum(axis=1 - i) > 0).sum() for i in (0, 1)]
    assert drawn == [prices, prices]


def test_quantiles_of_the_formula_are_almost_an_equilibrium() -> None:
    game, count = PriceDuopoly(0.5), 400
    prices = np.linspace(1 / 8, 1 / 4, 100_001)
    share = game.cdf(prices)
    np.testing.assert_allclose(game.cdf(np.array([1 / 8, 1 / 6, 5 / 24, 1 / 4])), [0, 0.75, 0.96, 1], atol=1e-12)
    drawn = np.interp((np.arange(count) + 0.5) / count, share, prices)
    actions = np.stack([np.full(count, 0.2), drawn], axis=1)[:, :, None]
    most = game.reply(0, actions, np.full(count, 1 / count)).most
    assert 0 < most - 1 / 16 <= 2 / count / 16


def test_a_market_that_one_cannot_serve_and_two_can_has_the_value_of_its_formula() -> None:
    # Inelastic demand 1 and capacity .6: what is left at the price 1 earns .4, the least price is 2/3.
    found = double_oracle(PriceDuopoly(0.6, "inelastic"), np.ones((2, 1)), tol=1e-9, tick=0.02, max_iter=60)
    np.testing.assert_allclose(found.value, 0.4, atol=0.012)
    assert (found.gap_upper <= 0.6 * 0.02 * (1 + 1e-6)).all()


def test_what_is_no_market_is_refused() -> None:
    with pytest.raises(ValueError, match="`capacity` must be positive and finite"):
        PriceDuopoly(0.0)
    with pytest.raises(ValueError, match="`demand` must be one of"):
        PriceDuopoly(0.5, "cubic")
    with pytest.raises(ValueError, match="`capacity` must lie between 1/3 and 1"):
        PriceDuopoly(0.3).cdf(np.array([0.2]))
    with pytest.raises(ValueError, match="`demand` must be linear"):
        PriceDuopoly(0.5, "inelastic").cdf(np.array([0.2]))
