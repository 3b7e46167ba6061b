from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.linalg import solve_discrete_are, solve_discrete_lyapunov

from walras.core.solution import SolverError, Status
from walras.core.typing import Floats
from walras.equilibria import LinearQuadratic, lq_nash, stationary_nash
from walras.equilibria.teams.stationary_lq import certified

RNG = np.random.default_rng
MILD: Any = {
    "A": [[0.9, 0.0], [0.0, 0.95]],
    "B": [[[0.5], [0.1]], [[0.1], [0.5]]],
    "Q": [[[1.0, -0.2], [-0.2, 0.2]], [[0.2, -0.2], [-0.2, 1.0]]],
    "R": [[[1.0]], [[1.0]]],
}
UNSTABLE: Any = MILD | {"A": [[1.2, 0.1], [0.05, 1.15]], "B": [[[1.0], [0.3]], [[0.3], [1.0]]]}

CYCLE = 7  # the seed of a game whose recursion goes round and round


def positive(rng: np.random.Generator, n: int, least: float = 0.0) -> Floats:
    root = rng.normal(size=(n, n))
    return root @ root.T / n + least * np.eye(n)


def drawn(seed: int, players: int | None = None) -> Any:  # noqa: ANN401
    rng = RNG(seed)
    n, count = int(rng.integers(1, 9)), players or int(rng.integers(2, 6))
    a = rng.normal(size=(n, n))
    inputs = [rng.normal(size=(n, int(rng.integers(1, 4)))) for _ in range(count)]
    return {
        "A": rng.uniform(0.2, 0.98) * a / np.abs(np.linalg.eigvals(a)).max(),
        "B": inputs,
        "Q": [positive(rng, n) for _ in range(count)],
        "R": [positive(rng, b.shape[1], 0.5) for b in inputs],
    }


def regulator(spec: dict[str, Any], gains: Any, player: int) -> tuple[Floats, Floats]:  # noqa: ANN401
    """Cost as played and by the best response of one player, by scipy."""
    a, b = np.asarray(spec["A"]), [np.asarray(m) for m in spec["B"]]
    others = a - sum((m @ k for i, (m, k) in enumerate(zip(b, gains, strict=True)) if i != player), np.zeros_like(a))
    q, r, k = np.asarray(spec["Q"][player]), np.asarray(spec["R"][player]), gains[player]
    played = solve_discrete_lyapunov((others - b[player] @ k).T, q + k.T @ r @ k)
    return played, solve_discrete_are(others, b[player], q, r)


@pytest.mark.parametrize("seed", range(20))
def test_one_player_is_the_regulator(seed: int) -> None:
    spec = drawn(seed, players=1)
    found = stationary_nash(**spec, tol=1e-13)
    a, b, q, r = spec["A"], spec["B"][0], spec["Q"][0], spec["R"][0]
    p = solve_discrete_are(a, b, q, r)
    np.testing.assert_allclose(found.cost[0], p, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(found.gains[0], np.linalg.solve(r + b.T @ p @ b, b.T @ p @ a), rtol=1e-9, atol=1e-10)
    assert found.value == pytest.approx([-np.trace(p)])


# Recorded from quantecon 0.11.4, nnash, tol=1e-14
@pytest.mark.parametrize(
    ("spec", "gains", "costs"),
    [
        (
            MILD,
            ([0.624666238268, -0.125616090135], [-0.119762794254, 0.703746391399]),
            ([2.172958187979, -0.455803548191, 0.351029108156], [0.336924239534, -0.456916061468, 2.391320999887]),
        ),
        (
            UNSTABLE,
            ([0.831360362804, -0.128363057532], [-0.180003052899, 0.764612140742]),
            ([2.066595754789, -0.377402849103, 0.264296876276], [0.292431364894, -0.43085037007, 1.932198655485]),
        ),
    ],
)
def test_two_players_are_quantecons(spec: Any, gains: object, costs: object) -> None:  # noqa: ANN401
    found = stationary_nash(**spec, tol=1e-13)
    np.testing.assert_allclose(np.concatenate(found.gains), gains, atol=1e-11)
    np.testing.assert_allclose(found.cost[:, [0, 0, 1], [0, 1, 1]], costs, atol=1e-11)


def test_random_games_are_quantecons() -> None:
    quantecon = pytest.importorskip("quantecon")
    for seed in range(30):
        spec = drawn(seed, players=2)
        (b1, b2), n = spec["B"], len(spec["A"])
        p1, p2 = b1.shape[1], b2.shape[1]
        none = [np.zeros(shape) for shape in ((p2, p2), (p1, p1), (n, p1), (n, p2), (p2, p1), (p1, p2))]
        found = stationary_nash(**spec, tol=1e-13, max_iter=2000, throw=False)
        try:
            theirs = quantecon.nnash(spec["A"], b1, b2, *spec["Q"], *spec["R"], *none, tol=1e-12, max_iter=2000)
        except ValueError:
            assert not found.converged
            continue
        for ours, other in zip((*found.gains, *found.cost), theirs, strict=True):
            np.testing.assert_allclose(ours, other, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("seed", set(range(20)) - {CYCLE})
def test_no_player_gains_by_scipys_best_response(seed: int) -> None:
    spec = drawn(seed)
    found = stationary_nash(**spec)
    assert found.converged
    assert found.residual < 1e-12
    for player in range(len(found.gains)):
        played, best = regulator(spec, found.gains, player)
        np.testing.assert_allclose(played, best, atol=1e-9 * np.abs(found.cost).max())
        np.testing.assert_allclose(played, found.cost[player], atol=1e-7 * np.abs(found.cost).max())


@given(st.integers(0, 10**6))
@settings(max_examples=25)
def test_the_residual_is_what_a_best_response_gains(seed: int) -> None:
    spec = drawn(seed)
    found, rng = stationary_nash(**spec, max_iter=500, throw=False), RNG(seed)
    assume(found.converged)
    moved = [k + 0.01 * rng.normal(size=k.shape) for k in found.gains]
    game = LinearQuadratic.constant(**spec, horizon=1)
    closed = game.A[0] - game.B[0] @ np.concatenate(moved)
    _, residual = certified(game, np.concatenate(moved))
    assume(np.abs(np.linalg.eigvals(closed)).max() < 0.99)
    costs = [regulator(spec, moved, player) for player in range(len(moved))]
    shares = [np.linalg.eigvalsh(p - best).max() / np.linalg.eigvalsh(p).max() for p, best in costs]
    assert residual == pytest.approx(max(shares), rel=1e-5, abs=1e-12)


def test_long_horizons_lead_to_it() -> None:
    found, long = stationary_nash(**UNSTABLE, tol=1e-13), lq_nash(**UNSTABLE, horizon=60)
    for stationary, first in zip(found.gains, long.gains[0], strict=True):
        np.testing.assert_allclose(stationary, first, atol=1e-11)
    seen = np.tile([0.5, -1.0, 0.7], (1, 2, 1))  # the last entry, a time, moves nothing
    action = found.policy.act(seen, RNG(0))
    np.testing.assert_allclose(action[0, :, 0], -np.concatenate(found.gains) @ [0.5, -1.0])


def test_control_that_acts_after_a_delay_is_not_missed() -> None:
    # A chain: the control moves the last state, the cost is of the first, so the first gains back are all zero.
    chain, last, first = 1.1 * np.eye(4) + np.eye(4, k=1), np.eye(4)[:, [3]], np.diag([1.0, 0.0, 0.0, 0.0])
    found = stationary_nash(chain, [last], [first], [[[1.0]]], tol=1e-13)
    np.testing.assert_allclose(found.cost[0], solve_discrete_are(chain, last, first, np.eye(1)), rtol=1e-7)


# Where there is none


def test_a_singular_stage_is_reported() -> None:
    spec: Any = {"A": np.eye(2), "Q": [np.diag([1.0, 0.0]), np.diag([0.0, 1.0])], "R": [[[1.0]], [[1.0]]]}
    effect = {"B": [[[1.0], [2.0]], [[2.0], [1.0]]]}
    assert stationary_nash(**spec, **effect, throw=False).status is Status.NOT_UNIQUE
    with pytest.raises(SolverError, match="No unique equilibrium"):
        stationary_nash(**spec, **effect)


def test_too_few_iterations_are_told() -> None:
    found = stationary_nash(**UNSTABLE, max_iter=3, throw=False)
    assert found.status is Status.ITERATION_LIMIT
    assert found.iterations == 3
    with pytest.raises(SolverError, match="Stopped at its limit of iterations"):
        stationary_nash(**UNSTABLE, max_iter=3)


def coupled(seed: int, players: int = 2, weight: float = 0.01) -> Any:  # noqa: ANN401
    """Cheap controls that meet on the second state: the recursion often goes round and round."""
    rng = RNG(seed)
    a = rng.normal(size=(2, 2))
    inputs = [[[1.0], [1.0]], [[0.0], [1.0]]] if players == 2 else [rng.normal(size=(2, 1)) for _ in range(players)]
    roots = [rng.normal(size=(2, 2)) for _ in range(players)]
    return {"A": a, "B": inputs, "Q": [r @ r.T for r in roots], "R": [[[weight]]] * players}


def cost_by_scipy(spec: Any, found: Any) -> None:  # noqa: ANN401
    for player in range(len(found.gains)):
        played, best = regulator(spec, found.gains, player)
        np.testing.assert_allclose(played, best, atol=1e-8 * np.abs(played).max())


@pytest.mark.parametrize("seed", [10, 12, 20, 32, 48])
def test_newton_finds_what_no_horizon_leads_to(seed: int) -> None:
    found, long = stationary_nash(**coupled(seed)), lq_nash(**coupled(seed), horizon=400, throw=False)
    apart = [np.abs(a - b).max() for a, b in zip(found.gains, long.gains[0], strict=True)]
    assert max(apart) > 1e-3  # the recursion is elsewhere
    assert found.radius < 1
    cost_by_scipy(coupled(seed), found)


def test_most_coupled_games_are_solved() -> None:
    for seed in range(0, 60, 3):
        spec = coupled(seed)
        found = stationary_nash(**spec, throw=False)
        assert found.converged, seed
        cost_by_scipy(spec, found)


def test_a_recursion_that_cycles_is_solved_otherwise() -> None:
    found = stationary_nash(**drawn(CYCLE), max_iter=2000)
    assert 1000 < found.iterations <= 2000
    cost_by_scipy(drawn(CYCLE), found)


def test_what_neither_way_solves_is_told() -> None:
    found = stationary_nash(**coupled(57, players=3), max_iter=2000, throw=False)
    assert found.status is Status.ITERATION_LIMIT
    assert found.residual > 1e-3


@pytest.mark.parametrize("seed", range(0, 10))
@pytest.mark.parametrize("factors", [(1e-9, 1e9), (1e12, 1.0)])
def test_payoffs_have_no_common_unit(seed: int, factors: tuple[float, float]) -> None:
    spec = drawn(seed, players=2)
    paid = spec | {k: [f * m for f, m in zip(factors, spec[k], strict=True)] for k in ("Q", "R")}
    found, other = stationary_nash(**spec), stationary_nash(**paid)
    for ours, theirs in zip(found.gains, other.gains, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-8 * np.abs(ours).max())


# One player: the regulator


@pytest.mark.parametrize("cost", [1e-14, 1e-10, 1.0, 1e10])
def test_a_slow_regulator_is_scipys(cost: float) -> None:
    found = stationary_nash([[1.0]], [[[1.0]]], [[[cost]]], [[[1.0]]])
    right = (cost + np.sqrt(cost**2 + 4 * cost)) / 2  # P = Q + P / (1 + P)
    assert found.cost[0, 0, 0] == pytest.approx(right, rel=1e-9)
    assert found.radius == pytest.approx(1 / (1 + right), rel=1e-9)


def plain(seed: int) -> Any:  # noqa: ANN401
    """A regulator in units of its own: control columns over six orders, costs of state and control over eight."""
    rng = RNG(seed)
    n, p = int(rng.integers(1, 9)), int(rng.integers(1, 6))
    a, c, r = rng.normal(size=(n, n)), rng.normal(size=(int(rng.integers(1, n + 1)), n)), rng.normal(size=(p, p))
    a *= rng.uniform(0.2, 1.5) / np.abs(np.linalg.eigvals(a)).max()
    units, sizes = 10 ** rng.uniform(-3, 3, size=p), 10 ** rng.uniform(-4, 4, size=2)
    return {
        "A": a,
        "B": [rng.normal(size=(n, p)) * units],
        "Q": [sizes[0] * c.T @ c],
        "R": [sizes[1] * (r @ r.T + 0.01 * np.eye(p))],
    }


def test_plain_regulators_are_solved_whatever_their_units() -> None:
    for seed in range(1, 150):
        spec = plain(seed)
        found = stationary_nash(**spec, throw=False)
        assert found.converged, (seed, found.status)
        assert lq_nash(**spec, horizon=20, throw=False).converged, seed
        a, b, q, r, p = spec["A"], spec["B"][0], spec["Q"][0], spec["R"][0], found.cost[0]
        system = np.eye(len(a)) + b @ np.linalg.solve(r, b.T) @ p
        if np.linalg.cond(system) < 1e8:  # beyond, this road is the worse one
            np.testing.assert_allclose(p, q + a.T @ p @ np.linalg.solve(system, a), atol=1e-7 * np.abs(p).max())


def test_a_regulator_that_rounding_ruins_is_unique_nevertheless() -> None:
    found = lq_nash(**plain(0), horizon=20, throw=False)  # growth of 1.4 a stage that only the last digits are paid for
    assert found.status is Status.ROUNDED
    assert found.error > 1e-6


def test_growth_that_costs_nothing_is_left_and_told() -> None:
    found = stationary_nash([[2.0]], [[[1.0]]], [[[0.0]]], [[[1.0]]])
    assert found.gains[0].item() == 0.0
    assert found.radius == 2.0
    assert stationary_nash([[2.0]], [[[1.0]]], [[[1e-6]]], [[[1.0]]]).radius == pytest.approx(0.5, rel=1e-3)


def test_gains_that_let_the_process_diverge_have_no_certificate() -> None:
    game = LinearQuadratic.constant(**UNSTABLE, horizon=1)
    assert certified(game, np.zeros((2, 2)))[1] == np.inf


def test_a_mode_that_nobody_can_hold_is_told_with_its_eigenvalue() -> None:
    spec = MILD | {"A": [[1.2, 0.0], [0.0, 0.5]], "B": [[[0.0], [1.0]], [[0.0], [2.0]]]}
    with pytest.raises(ValueError, match=r"`A` must have no eigenvalue of modulus 1 or more that no .*; got 1.2"):
        stationary_nash(**spec)
    assert stationary_nash(**spec | {"A": [[0.9, 0.0], [0.0, 0.5]]}).converged
