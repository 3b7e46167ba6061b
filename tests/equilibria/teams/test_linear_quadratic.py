from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import solve_discrete_are

from walras.core.solution import SolverError, Status
from walras.core.typing import Floats
from walras.equilibria import LinearQuadratic, lq_nash
from walras.equilibria.teams.linear_quadratic import (
    best_response,
    cost_matrices,
    deviation_gain,
    expected_cost,
    feedback_nash,
)

RNG = np.random.default_rng


def positive(rng: np.random.Generator, n: int, least: float = 0.0) -> Floats:
    root = rng.normal(size=(n, n))
    return root @ root.T / n + least * np.eye(n)


def drawn(seed: int, players: int | None = None, n: int | None = None) -> Any:  # noqa: ANN401
    """A random game: 2 to 8 players, up to 20 states, up to 3 controls each."""
    rng = RNG(seed)
    count, n = players or int(rng.integers(2, 9)), n or int(rng.integers(1, 21))
    inputs = [rng.normal(size=(n, int(rng.integers(1, 4)))) for _ in range(count)]
    return {
        "A": rng.normal(size=(n, n)) / np.sqrt(n),
        "B": inputs,
        "Q": [positive(rng, n) for _ in range(count)],
        "R": [positive(rng, b.shape[1], 0.5) for b in inputs],
        "horizon": int(rng.integers(1, 8)),
        "terminal": [positive(rng, n) for _ in range(count)],
    }


def paid(game: LinearQuadratic, gains: Floats, x: Floats) -> Floats:
    """What the players pay from x on, stage by stage."""
    total = np.zeros(len(game.sizes))
    for t in range(game.horizon):
        u = -gains[t] @ x
        total += np.array([x @ q @ x for q in game.Q[t]]) + np.array([u @ r @ u for r in game.R[t]])
        x = game.A[t] @ x + game.B[t] @ u
    return total + np.array([x @ q @ x for q in game.Q[-1]])


# The equilibrium


def test_one_player_and_a_long_horizon_are_the_regulator() -> None:
    for seed in range(20):
        spec = drawn(seed, players=1, n=4) | {"horizon": 200, "terminal": None}
        found = lq_nash(**spec)
        a, b, q, r = spec["A"], spec["B"][0], spec["Q"][0], spec["R"][0]
        p = solve_discrete_are(a, b, q, r)
        np.testing.assert_allclose(found.cost[0, 0], p, rtol=1e-9, atol=1e-9)
        gain = np.linalg.solve(r + b.T @ p @ b, b.T @ p @ a)
        np.testing.assert_allclose(found.gains[0][0], gain, rtol=1e-9, atol=1e-9)


def test_two_players_of_one_stage_by_hand() -> None:
    # x' = x + u1 + u2; each pays x^2 + u_i^2 and then x'^2: u_i = -(1 - 1/3) x / 2 = -x / 3, and x' = x / 3.
    found = lq_nash([[1.0]], [[[1.0]]] * 2, [[[1.0]]] * 2, [[[1.0]]] * 2, horizon=1)
    assert [g.item() for g in found.gains[0]] == pytest.approx([1 / 3, 1 / 3])
    assert found.cost[0, :, 0, 0] == pytest.approx([1 + 1 / 9 + 1 / 9] * 2)
    assert found.value == pytest.approx([-11 / 9] * 2)


@pytest.mark.parametrize("seed", range(60))
def test_no_player_gains_by_its_best_response(seed: int) -> None:
    found = lq_nash(**drawn(seed))
    assert found.converged
    assert found.residual < 1e-11


@given(st.integers(0, 10**6))
def test_no_random_deviation_beats_the_best_response(seed: int) -> None:
    rng = RNG(seed)
    game = LinearQuadratic.constant(**drawn(seed, n=3))
    gains = rng.normal(size=(game.horizon, game.B.shape[2], 3))
    player = int(rng.integers(len(game.sizes)))
    own, cost = best_response(game, gains, player)
    x = rng.normal(size=3)
    best = gains.copy()
    best[:, game.owned[player]] = own
    assert paid(game, best, x)[player] == pytest.approx(x @ cost[0] @ x, rel=1e-9)
    for width in (0.01, 1.0):
        tried = best.copy()
        tried[:, game.owned[player]] += width * rng.normal(size=own.shape)
        assert paid(game, tried, x)[player] >= paid(game, best, x)[player] * (1 - 1e-12)


@given(st.integers(0, 10**6))
def test_cost_matrices_are_what_is_paid(seed: int) -> None:
    rng = RNG(seed)
    game = LinearQuadratic.constant(**drawn(seed, n=3))
    gains = 0.3 * rng.normal(size=(game.horizon, game.B.shape[2], 3))
    cost, x = cost_matrices(game, gains), rng.normal(size=3)
    np.testing.assert_allclose([x @ p @ x for p in cost[0]], paid(game, gains, x), rtol=1e-10)
    gain = deviation_gain(game, gains)
    assert np.linalg.eigvalsh(gain[0]).min() >= -1e-9 * np.abs(cost).max()
    for player in range(len(game.sizes)):  # one by one as all at once
        alone = best_response(game, gains, player)[1]
        np.testing.assert_allclose(cost[:, player] - gain[:, player], alone, atol=1e-9 * np.abs(cost).max())


def test_expected_cost_is_the_mean_over_noise() -> None:
    rng = RNG(0)
    game = LinearQuadratic.constant(**drawn(3, players=2, n=2))
    gains, _, _ = feedback_nash(game)
    start, noise = positive(rng, 2), 0.3 * positive(rng, 2)
    x = rng.multivariate_normal(np.zeros(2), start, 200_000)
    total = np.zeros((len(x), 2))
    for t in range(game.horizon):
        u = -x @ gains[t].T
        total += np.einsum("bn,inm,bm->bi", x, game.Q[t], x) + np.einsum("bp,ipq,bq->bi", u, game.R[t], u)
        x = x @ game.A[t].T + u @ game.B[t].T + rng.multivariate_normal(np.zeros(2), noise, len(x))
    total += np.einsum("bn,inm,bm->bi", x, game.Q[-1], x)
    right = expected_cost(cost_matrices(game, gains), start, noise)
    assert (np.abs(total.mean(axis=0) - right) < 4 * total.std(axis=0) / np.sqrt(len(x))).all()


def test_the_policy_plays_the_gains() -> None:
    spec = drawn(5, players=3, n=2)
    found = lq_nash(**spec)
    x, t = np.array([0.3, -1.2]), spec["horizon"] - 1
    seen = np.tile(np.append(x, t / spec["horizon"]), (1, 3, 1))
    action = found.policy.act(seen, RNG(0))
    for i, gain in enumerate(found.gains[t]):
        np.testing.assert_allclose(action[0, i, : len(gain)], -gain @ x)
        assert (action[0, i, len(gain) :] == 0).all()


# Where there is none, or more than one


def crossing(effect: float) -> dict[str, Any]:
    """Two players, each of whom minds one state: the stage's system is [[2, effect], [effect, 2]]."""
    return {
        "A": [[1.0, 0.0], [0.0, 1.0]],
        "B": [[[1.0], [effect]], [[effect], [1.0]]],
        "Q": [np.diag([1.0, 0.0]), np.diag([0.0, 1.0])],
        "R": [[[1.0]], [[1.0]]],
        "horizon": 1,
    }


def test_a_singular_stage_has_no_unique_equilibrium() -> None:
    found = lq_nash(**crossing(2.0), throw=False)
    assert found.status is Status.NOT_UNIQUE
    assert found.condition > 1e12
    assert not found.converged
    with pytest.raises(SolverError, match="No unique equilibrium"):
        lq_nash(**crossing(2.0))
    near = lq_nash(**crossing(1.9))
    assert near.converged
    assert near.condition == pytest.approx(3.9 / 0.1)


def singular(seed: int) -> dict[str, Any]:
    """A random game of one stage whose control costs are scaled until the determinant of its system is zero."""
    while True:
        spec = drawn(seed, n=RNG(seed).integers(2, 21)) | {"horizon": 1}
        game = LinearQuadratic.constant(**spec)

        def sign(scale: float, game: LinearQuadratic = game) -> float:
            own = game.B[0].T[:, None] @ game.Q[1, game.owner]
            return float(np.linalg.slogdet(own[:, 0] @ game.B[0] + scale * game.weights[0])[0])

        low, high = 1e-3, 1e3
        if sign(low) < 0 < sign(high):
            for _ in range(100):
                middle = (low + high) / 2
                low, high = (middle, high) if sign(middle) < 0 else (low, middle)
            return spec | {"R": [high * r for r in spec["R"]]}
        seed += 10**6


@pytest.mark.parametrize("seed", range(40))
def test_random_games_made_singular_are_reported(seed: int) -> None:
    spec = singular(seed)
    assert lq_nash(**spec, throw=False).status is Status.NOT_UNIQUE
    assert lq_nash(**spec | {"R": [1.1 * r for r in spec["R"]]}).residual < 1e-9


def test_a_cost_that_is_not_convex_has_no_equilibrium() -> None:
    spec: Any = {"A": [[1.0]], "B": [[[1.0]]], "Q": [[[-2.0]]], "R": [[[1.0]]], "horizon": 1}  # u^2 - 2 (x + u)^2
    found = lq_nash(**spec, throw=False)
    assert found.status is Status.NOT_UNIQUE
    assert found.residual == np.inf
    assert lq_nash(**spec | {"R": [[[2.1]]]}).converged


def test_only_the_player_without_a_lower_bound_gains_without_end() -> None:
    game = LinearQuadratic.constant([[1.0]], [[[1.0]]] * 2, [[[-2.0]], [[1.0]]], [[[1.0]]] * 2, 3)
    gain = deviation_gain(game, np.zeros((3, 2, 1)))
    assert np.isposinf(gain[:-1, 0]).all()
    assert np.isfinite(gain[:, 1]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"horizon": 0}, "`horizon` must be at least 1; got 0."),
        ({"A": [1.0, 2.0]}, "`A` must have 2 dimensions"),
        ({"A": [[1.0, 0.0]]}, r"`A` must have the shape \(1, 1\); got \(1, 2\)"),
        ({"A": [[np.nan]]}, "`A` must hold no NaN"),
        ({"B": []}, "`B` must hold one matrix a player"),
        ({"B": [[[1.0]], [[1.0], [1.0]]]}, r"`B\[1\]` must have the shape \(1, 1\); got \(2, 1\)"),
        ({"Q": [[[1.0]]]}, "`Q` must hold 2 matrices, one a player"),
        ({"Q": [[[1.0]], [[1.0, 0.0]]]}, r"`Q\[1\]` must have the shape \(1, 1\)"),
        ({"R": [[[1.0]], [[0.0]]]}, r"`R\[1\]` must have positive eigenvalues alone; got 0.0"),
        ({"R": [[[-2.0]], [[1.0]]]}, r"`R\[0\]` must have positive eigenvalues alone; got -2.0"),
        ({"R": [[[np.inf]], [[1.0]]]}, r"`R\[0\]` must be finite; got inf"),
        ({"terminal": [[[1.0]]]}, "`terminal` must hold 2 matrices"),
    ],
)
def test_bad_input_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    spec = {"A": [[1.0]], "B": [[[1.0]]] * 2, "Q": [[[1.0]]] * 2, "R": [[[1.0]]] * 2, "horizon": 2}
    with pytest.raises(ValueError, match=message):
        lq_nash(**spec | change)


def test_a_cost_must_be_symmetric() -> None:
    spec = crossing(1.0) | {"Q": [np.array([[1.0, 1.0], [0.0, 1.0]]), np.eye(2)]}
    with pytest.raises(ValueError, match=r"`Q\[0\]` must be symmetric"):
        lq_nash(**spec)
