"""Certificates of linear-quadratic games, against exact rational numbers and sixty digits."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from walras.core.solution import SolverError, Status
from walras.core.typing import Floats
from walras.envs import TeamMeanFieldLQ
from walras.equilibria import LinearQuadratic, lq_nash, solve
from walras.equilibria.teams.accuracy import LOST, relative_residual, rounding_error, spectral_radius
from walras.equilibria.teams.linear_quadratic import equilibrated, feedback_nash

RNG = np.random.default_rng


def drawn(seed: int, players: int, n: int, horizon: int) -> Any:  # noqa: ANN401
    """Players with a control each, who all care for all states."""
    rng = RNG(seed)
    roots = [rng.normal(size=(n, n)) for _ in range(players)]
    return {
        "A": rng.normal(size=(n, n)) / np.sqrt(n),
        "B": [rng.normal(size=(n, 1)) for _ in range(players)],
        "Q": [r @ r.T / n for r in roots],
        "R": [[[0.02]]] * players,
        "horizon": horizon,
    }


def in_units(spec: Any, factors: list[float]) -> Any:  # noqa: ANN401
    return spec | {k: [f * np.asarray(m) for f, m in zip(factors, spec[k], strict=True)] for k in ("Q", "R")}


# The residual


def apart(s: float) -> LinearQuadratic:
    """Two players who never meet; the second counts in units of its own."""
    q, r = [np.diag([1.0, 0.0]), np.diag([0.0, s])], [[[1.0]], [[s]]]
    return LinearQuadratic.constant(np.eye(2), [[[1.0], [0.0]], [[0.0], [1.0]]], q, r, 2)


def share_by_hand() -> Fraction:
    """What half a gain too much costs in x' = x - k x, x^2 + u^2 a stage and x^2 at last, of two stages."""
    best, played, gain, cost = Fraction(1), Fraction(1), Fraction(0), Fraction(0)
    for _ in range(2):
        k = best / (1 + best)
        right = 1 + k**2 + (1 - k) ** 2 * best
        k *= Fraction(3, 2)
        best, played = right, 1 + k**2 + (1 - k) ** 2 * played
        gain, cost = max(gain, played - best), max(cost, played)
    return gain / cost


@pytest.mark.parametrize("s", [1e-12, 1e-9, 1.0, 1e9, 1e12])
def test_each_player_is_measured_by_its_own_cost(s: float) -> None:
    game = apart(s)
    gains, _, _ = feedback_nash(game)
    gains[:, 1] *= 1.5
    assert relative_residual(game, gains) == pytest.approx(float(share_by_hand()), rel=1e-9)


@pytest.mark.parametrize("factors", [[1e12, 1.0, 1.0], [1.0, 1e-12, 1e9], [1e-9, 1e-9, 1e-9]])
@pytest.mark.parametrize("seed", range(10))
def test_no_answer_and_no_status_hangs_on_units_of_payoffs(factors: list[float], seed: int) -> None:
    spec = drawn(seed, 3, 3, 4)
    found, other = lq_nash(**spec, throw=False), lq_nash(**in_units(spec, factors), throw=False)
    assert found.status is other.status
    assert other.residual < 1e-11
    for ours, theirs in zip(found.gains[0], other.gains[0], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=max(found.error, 1e-12))
    np.testing.assert_allclose(other.value, factors * found.value, rtol=max(found.error, 1e-12))


def test_a_player_who_minds_nothing_does_nothing() -> None:
    spec = drawn(0, 3, 3, 4)
    found = lq_nash(**spec | {"Q": [np.zeros((3, 3)), *spec["Q"][1:]]})
    assert np.abs(found.gains[0][0]).max() < 1e-15
    assert found.residual < 1e-11


def test_scaled_matrices_have_entries_of_one_size() -> None:
    matrix = RNG(0).normal(size=(5, 5)) * 10.0 ** RNG(1).integers(-12, 12, size=(5, 1))
    scaled, rows, columns = equilibrated(matrix)
    np.testing.assert_array_equal(scaled, rows[:, None] * matrix * columns)
    assert np.abs(scaled).max(axis=0).min() > 0.2
    assert np.abs(scaled).max() < 4
    assert np.isfinite(equilibrated(np.zeros((2, 2)))[0]).all()


# The error


def exactly(spec: Any) -> tuple[Floats, Floats]:  # noqa: ANN401
    """Gains and costs at the first stage by the coupled recursion in sixty digits."""
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(60):
        m = [[mpmath.matrix(np.asarray(part).tolist()) for part in spec[k]] for k in "BQR"]
        a, (b, q, r) = mpmath.matrix(np.asarray(spec["A"]).tolist()), m
        costs, gains = list(q), mpmath.zeros(len(b), a.rows)
        for _ in range(spec["horizon"]):
            phi = mpmath.matrix(
                [
                    [(bi.T * p * bk)[0, 0] + (i == k) * r[i][0, 0] for k, bk in enumerate(b)]
                    for i, (bi, p) in enumerate(zip(b, costs, strict=True))
                ]
            )
            target = mpmath.matrix([list(bi.T * p * a) for bi, p in zip(b, costs, strict=True)])
            gains = mpmath.lu_solve(phi, target) if target.cols == 1 else phi**-1 * target
            closed = a - sum((bk * gains[k, :] for k, bk in enumerate(b)), 0 * a)
            costs = [
                qi + gains[i, :].T * r[i] * gains[i, :] + closed.T * p * closed
                for i, (qi, p) in enumerate(zip(q, costs, strict=True))
            ]
        return np.array(gains.tolist(), dtype=float), np.array([c.tolist() for c in costs], dtype=float)


@pytest.mark.parametrize(("players", "n", "horizon"), [(2, 2, 5), (3, 3, 20), (4, 3, 20), (5, 4, 12), (6, 4, 25)])
@pytest.mark.parametrize("seed", range(2))
def test_the_error_covers_what_sixty_digits_tell(players: int, n: int, horizon: int, seed: int) -> None:
    spec = drawn(seed, players, n, horizon)
    found, (gains, costs) = lq_nash(**spec, throw=False), exactly(spec)
    own = np.abs(np.linalg.eigvalsh(found.cost)).max(axis=(0, 2))
    of_costs = (np.abs(np.linalg.eigvalsh(found.cost[0] - costs)).max(axis=1) / own).max()
    b = np.concatenate(spec["B"], axis=1)
    of_gains = np.abs(b @ (np.concatenate(found.gains[0]) - gains)).max() / np.abs(spec["A"]).max()
    assert max(of_costs, of_gains) <= found.error
    assert found.converged == (found.error <= LOST)


def test_lost_digits_are_told() -> None:
    spec = drawn(1, 20, 20, 30) | {"R": [[[1.0]]] * 20}
    spec["A"] = spec["A"] * np.sqrt(20)
    found = lq_nash(**spec, throw=False)
    back = lq_nash(**spec | {k: spec[k][::-1] for k in "BQR"}, throw=False)
    assert found.residual < 1e-9  # an equilibrium of a game that differs in its last digits
    apart = max(np.abs(a - b).max() for a, b in zip(found.gains[0], back.gains[0][::-1], strict=True))
    assert apart > 0.1
    assert found.error > 0.1
    assert found.status is Status.ROUNDED
    with pytest.raises(SolverError, match="Lost in rounding"):
        lq_nash(**spec)


def test_few_players_keep_their_digits() -> None:
    assert lq_nash(**drawn(0, 2, 4, 60)).error < 1e-9
    assert solve(TeamMeanFieldLQ.mild(size=3)).converged


def test_what_overflows_is_told() -> None:
    game = LinearQuadratic.constant([[1e200]], [[[0.0]]], [[[1.0]]], [[[1.0]]], 3)
    gains, cost, _ = feedback_nash(game)
    assert rounding_error(game, gains, cost) == np.inf
    assert not lq_nash([[1e200]], [[[0.0]]], [[[1.0]]], [[[1.0]]], 3, throw=False).converged


def test_the_radius_is_of_the_slowest_mode() -> None:
    assert spectral_radius(np.diag([0.5, -0.9])) == pytest.approx(0.9)
    assert spectral_radius(np.array([[0.0, 4.0], [-4.0, 0.0]])) == pytest.approx(4.0)
