from dataclasses import replace
from itertools import product
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

from walras.core import Constant, Random, Scripted, Status, rollout
from walras.core.concept import Concept
from walras.core.typing import Floats
from walras.envs import NetworkCournotMarket
from walras.equilibria import Kind, NetworkCournotEquilibrium, gap, replay, solve
from walras.equilibria.electricity.network_cournot import conjectured_gains
from walras.markets.electricity.elastic_network import Consumers, Plant, Wire

INF = np.inf


def two(limit: float) -> NetworkCournotMarket:
    """The default with another limit."""
    return replace(NetworkCournotMarket(horizon=1), wires=(Wire("W", "E", limit=limit),))


def twins(limit: float) -> NetworkCournotMarket:
    """Two equal firms and buses: Borenstein, Bushnell and Stoft's symmetric case."""
    return NetworkCournotMarket(
        plants=(Plant("a", "A", 10.0, 0.0, 200.0), Plant("b", "B", 10.0, 0.0, 200.0)),
        consumers=(Consumers("A", 100.0, 1.0), Consumers("B", 100.0, 1.0)),
        wires=(Wire("A", "B", limit=limit),),
        horizon=1,
    )


THREE = NetworkCournotMarket(
    plants=(
        Plant("first", 1, 15.0, 0.01, 1000.0),
        Plant("first", 3, 22.0, 0.02, 150.0),
        Plant("second", 2, 18.0, 0.01, 1000.0),
        Plant("second", 3, 20.0, 0.02, 150.0),
    ),
    consumers=(Consumers(1, 40.0, 0.08), Consumers(2, 35.0, 0.05), Consumers(3, 32.0, 0.05)),
    wires=(Wire(1, 2, limit=25.0), Wire(1, 3), Wire(2, 3)),
    horizon=1,
)


def solution(game: NetworkCournotMarket) -> NetworkCournotEquilibrium:
    found = solve(game)
    assert isinstance(found, NetworkCournotEquilibrium)
    assert found.status is Status.CONVERGED
    assert found.concept is Concept.PRICE_DIFFERENCES
    return found


@pytest.mark.parametrize(
    ("limit", "output", "price", "flow"),
    [
        (0.0, (67.5, 108.0), (32.5, 66.0), 0.0),
        (10.0, (75.0, 102.0), (35.0, 64.0), 10.0),
        (INF, (123.3333, 63.3333), (51.1111, 51.1111), 74.4444),
    ],
)
def test_two_buses_have_the_closed_form(
    limit: float, output: tuple[float, float], price: tuple[float, float], flow: float
) -> None:
    # x = (p - c) / B with B = 1/3, and p from the balance of each bus: by hand.
    found = solution(two(limit))
    np.testing.assert_allclose(found.action[:, 0], output, atol=5e-5)
    np.testing.assert_allclose(found.nodal_price, price, atol=5e-5)
    np.testing.assert_allclose(found.flow, flow, atol=5e-5)
    np.testing.assert_allclose(found.line_price, price[1] - price[0], atol=5e-5)
    np.testing.assert_allclose(found.line_price @ found.flow, 290.0 if limit == 10 else 0.0, atol=1e-3)


def test_three_buses_with_a_loop_have_the_enumerated_equilibrium() -> None:
    # By enumeration of the states of the line and the units, both without a gap.
    found = solution(THREE)
    np.testing.assert_allclose(found.action.ravel(), [311.81254, 0, 238.79922, 0], atol=1e-5)
    np.testing.assert_allclose(found.nodal_price, [24.05741, 24.93655, 24.49698], atol=6e-6)
    np.testing.assert_allclose(found.value, [2338.079, 1371.317], atol=6e-4)
    competitive = THREE.conjectured(0.0)
    after = THREE.cleared(competitive[None])
    np.testing.assert_allclose(competitive.ravel(), [409.4272, 0, 344.2547, 13.4205], atol=6e-5)
    np.testing.assert_allclose(after.price[0], [19.0943, 21.4425, 20.2684], atol=6e-5)
    np.testing.assert_allclose(THREE.profit(after.output, after.price)[0], [838.153, 594.358], atol=1e-3)


def test_the_equilibrium_solves_the_complementarity_problem_by_enumeration() -> None:
    # Units out or inside, the line at its limit or free: the one state whose linear equations meet all signs.
    bus, owner = THREE.bus, THREE.owner
    cost, steep = (np.array([getattr(p, name) for p in THREE.plants]) for name in ("cost", "cost_slope"))
    rows, network = THREE.network.factors[:1], THREE.network
    found = []
    for inside, line in product(product((0, 1), repeat=4), (-1, 0, 1)):
        # Unknown: x (4), m; prices p = level - H' m with sum (a - p) / b = sum x.
        on = np.array(inside, dtype=bool)
        w, B = network.weight, network.level_slope
        shift = -(rows[0] - rows[0] @ w * B)  # dp / dm
        level = w @ network.intercept * B
        system, right = np.zeros((5, 5)), np.zeros(5)
        for k in range(4):
            if not on[k]:
                system[k, k] = 1.0
                continue
            system[k, :4] += B  # the level falls with all outputs
            system[k, :4] += B * (owner == owner[k])
            system[k, k] += steep[k]
            system[k, 4] -= shift[bus[k]]
            right[k] = level - cost[k]
        if line:
            into = np.zeros(len(w))
            np.add.at(into, bus, 0.0)
            # flow = H (x - w (a - p)) = 25 line
            system[4, :4] = rows[0, bus] - rows[0] @ w * B
            system[4, 4] = rows[0] @ (w * shift)
            right[4] = 25.0 * line + rows[0] @ (w * (network.intercept - level))
        else:
            system[4, 4] = 1.0
        x, m = np.split(np.linalg.solve(system, right), [4])
        price = level - B * x.sum() + shift * m
        flow = rows[0, bus] @ x - rows[0] @ (w * (network.intercept - price))
        total = np.array([x[owner == f].sum() for f in owner])
        slack = price[bus] - cost - steep * x - B * total
        fits = np.all(x >= -1e-9) and np.all(slack[~on] <= 1e-9) and m[0] * line >= 0 and abs(flow) <= 25 + 1e-9
        if fits:
            found.append(x)
    assert len(found) == 1
    np.testing.assert_allclose(solution(THREE).action.ravel(), found[0], atol=1e-6)


def conjecture(B: float, total: float, margin: Floats, steep: Floats, capacity: Floats) -> float:
    """The largest conjectured profit, by a quadratic programme."""
    y: Any = cp.Variable(len(margin))
    worth = margin @ y - cp.sum(cp.multiply(steep / 2, cp.square(y))) - B * cp.square(cp.sum(y)) + B * total * cp.sum(y)
    problem = cp.Problem(cp.Maximize(worth), [y >= 0, y <= capacity])
    return float(problem.solve(solver=cp.CLARABEL))  # type: ignore[arg-type]


def test_the_conjectured_gain_is_that_of_a_quadratic_programme() -> None:
    rng = np.random.default_rng(0)
    for _ in range(12):
        count = int(rng.integers(1, 5))
        plants = tuple(
            Plant("f", "A", *(float(v) for v in (rng.uniform(0, 60), rng.choice([0.0, 0.3]), rng.uniform(5, 60))))
            for _ in range(count)
        )
        game = NetworkCournotMarket(plants, (Consumers("A", 100.0, float(rng.uniform(0.1, 1))),), (), horizon=1)
        output = rng.random((1, 1, count)) * game.capacity
        after = game.cleared(output)
        best = conjecture(
            game.network.level_slope,
            output.sum(),
            game.own_price(after.price)[0, 0] - game.cost[0],
            game.cost_slope[0],
            game.capacity[0],
        )
        gain = conjectured_gains(game, output[0], after.price[0])[0]
        assert gain == pytest.approx(best - game.profit(output, after.price)[0, 0], rel=1e-8, abs=1e-5)


def test_without_limits_the_conjecture_is_right_and_both_gaps_are_those_of_cournot() -> None:
    game = two(INF)
    for action in (np.array([[60.0], [90.0]]), game.conjectured(1.0), game.conjectured(0.0)):
        by_conjecture = gap(game, Constant(action), concept="price differences")
        cleared_again = gap(game, Constant(action))
        assert by_conjecture.kind is cleared_again.kind is Kind.EXACT
        np.testing.assert_allclose(by_conjecture.upper, cleared_again.upper, atol=1e-7)


@pytest.mark.parametrize(("limit", "gain"), [(3.0, 92.25), (5.2, 0.0), (5.147, 7.90225e-3)])
def test_below_the_critical_limit_an_owner_congests_the_line(limit: float, gain: float) -> None:
    # (90 - F)^2 / 4 - 1800 below F* = 90 (1 - 2 sqrt 2 / 3) = 5.147186.
    found = solution(twins(limit))
    np.testing.assert_allclose(found.action[:, 0], 60.0, rtol=1e-9)
    judged = gap(twins(limit), found.policy)
    assert judged.kind is Kind.EXACT
    np.testing.assert_allclose(judged.upper, gain, atol=1e-6)
    assert found.residual <= 1e-12


def test_the_gap_of_one_unit_is_the_best_of_a_grid() -> None:
    rng = np.random.default_rng(3)
    game = NetworkCournotMarket(
        plants=tuple(Plant(f"f{i}", i, float(rng.uniform(5, 30)), 0.05 * i, 150.0) for i in range(3)),
        consumers=tuple(Consumers(i, float(rng.uniform(60, 120)), 0.6) for i in range(3)),
        wires=(Wire(0, 1, limit=8.0), Wire(1, 2, limit=12.0), Wire(0, 2, 2.0)),
        horizon=1,
    )
    action = rng.uniform(0, 150, (3, 1))
    judged = gap(game, Constant(action))
    grid = np.linspace(0, 150, 30_001)
    for agent in range(3):
        tried = np.repeat(action[None], len(grid), axis=0)
        tried[:, agent, 0] = grid
        best = game.profit(tried, game.cleared(tried).price)[:, agent].max() - judged.value[agent]
        assert best - 1e-9 <= judged.upper[agent] <= best + 0.05  # a knot between two points
    np.testing.assert_allclose(replay(game, Constant(action), judged, range(32)).mean(axis=0), judged.upper, atol=1e-6)


def test_a_mixture_is_answered_by_expected_prices() -> None:
    class Coin:
        """The rival sells 20 or 90."""

        independent = True

        def act(self, observation: Floats, rng: np.random.Generator) -> Floats:
            drawn = rng.integers(0, 2, (len(observation), 2))
            atoms = self.mixture(observation)[1]
            return np.take_along_axis(atoms, drawn[:, :, None, None], axis=2)[:, :, 0]

        def mixture(self, observation: Floats) -> tuple[Floats, Floats]:
            atoms = np.array([[[60.0], [60.0]], [[20.0], [90.0]]])
            return np.full((len(observation), 2, 2), 0.5), np.repeat(atoms[None], len(observation), axis=0)

    game = twins(6.0)
    judged = gap(game, Coin())
    assert judged.kind is Kind.EXACT
    grid = np.linspace(0, 200, 20_001)
    worth = np.zeros(len(grid))
    for rival in (20.0, 90.0):
        tried = np.stack((grid, np.full_like(grid, rival)), axis=1)[:, :, None]
        worth += game.profit(tried, game.cleared(tried).price)[:, 0] / 2
    assert judged.upper[0] == pytest.approx(worth.max() - worth[6000], abs=1e-3)


def test_the_gap_of_several_units_is_searched_below_and_proved_above() -> None:
    judged = gap(THREE, solution(THREE).policy)
    assert judged.kind is Kind.STATISTICAL
    assert np.all(judged.lower > 100)
    rng = np.random.default_rng(0)
    own = THREE.conjectured(1.0)
    for agent in range(2):
        tried = np.repeat(own[None], 4000, axis=0)
        tried[:, agent] = rng.uniform(0, 1, (4000, 2)) * [500, 150]
        best = THREE.profit(tried, THREE.cleared(tried).price)[:, agent].max() - judged.value[agent]
        assert best <= judged.lower[agent] + 1e-9
        assert judged.lower[agent] < judged.upper[agent]


def test_a_nash_equilibrium_is_not_looked_for() -> None:
    with pytest.raises(ValueError, match="`concept` must be one of price differences; got 'nash'"):
        solve(THREE, concept="nash")


def test_consumers_who_would_sell_are_refused_with_their_bus() -> None:
    game = replace(two(INF), consumers=(Consumers("W", 20.0, 1.0), Consumers("E", 120.0, 0.5)))
    with pytest.raises(ValueError, match=r"`intercept` must leave consumption at bus 'W', at equilibrium; got -"):
        solve(game)


def test_price_takers_have_a_gap_and_random_play_an_interval() -> None:
    game = two(10.0)
    assert np.all(gap(game, Scripted(game), concept="price differences").lower > 0)
    judged = gap(game, Random(game), concept="price differences")
    assert judged.kind is Kind.STATISTICAL
    played = rollout(game, Random(game), judged.seeds)
    gains = [conjectured_gains(game, x, p) for x, p in zip(played.state.output[1], played.state.price[1], strict=True)]
    np.testing.assert_allclose(judged.estimate, np.mean(gains, axis=0), rtol=1e-12)
