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
    gain = max(np.linalg.eigvalsh(played - best).max() for played, best in costs)
    size = max(np.abs(np.linalg.eigvalsh(played)).max() for played, _ in costs)
    assert residual == pytest.approx(gain / size, rel=1e-5, abs=1e-12)


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


def test_a_recursion_that_cycles_is_told() -> None:
    found = stationary_nash(**drawn(CYCLE), max_iter=2000, throw=False)
    assert found.status is Status.ITERATION_LIMIT
    assert found.residual > 1e-3


def test_gains_that_let_the_process_diverge_have_no_certificate() -> None:
    game = LinearQuadratic.constant(**UNSTABLE, horizon=1)
    assert certified(game, np.zeros((2, 2)))[1] == np.inf


def test_a_mode_that_nobody_can_hold_is_told_with_its_eigenvalue() -> None:
    spec = MILD | {"A": [[1.2, 0.0], [0.0, 0.5]], "B": [[[0.0], [1.0]], [[0.0], [2.0]]]}
    with pytest.raises(ValueError, match=r"`A` must have no eigenvalue of modulus 1 or more that no .*; got 1.2"):
        stationary_nash(**spec)
    assert stationary_nash(**spec | {"A": [[0.9, 0.0], [0.0, 0.5]]}).converged
