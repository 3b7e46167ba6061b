import numpy as np
import pytest

from walras.core.solution import SolverError
from walras.core.typing import Floats
from walras.envs import RobustTeamLQ
from walras.equilibria.teams.linear_quadratic import best_response, cost_matrices
from walras.equilibria.teams.robust import (
    Disturbed,
    excess,
    least_level,
    least_viable_level,
    saddle_point,
    zero_sum,
)
from walras.equilibria.teams.team_mean_field import disturbed

MILD, UNSTABLE = RobustTeamLQ.mild, RobustTeamLQ.unstable


def riccati(process: Disturbed, level: float) -> Floats:
    """M_t by the recursion M_t = Q + A' M (I + (B B' - I / level^2) M)^-1 A, another way than the game's."""
    found = [process.Q_end]
    for _ in range(process.horizon):
        m = found[0]
        lam = np.eye(len(m)) + (process.B @ process.B.T - np.eye(len(m)) / level**2) @ m
        found.insert(0, process.Q + process.A.T @ m @ np.linalg.solve(lam, process.A))
    return np.stack(found)


@pytest.mark.parametrize("game", [MILD(5), UNSTABLE(5), MILD(15), UNSTABLE(2)])
def test_the_game_is_the_papers_recursion(game: RobustTeamLQ) -> None:
    for process in disturbed(game):
        found = saddle_point(process, game.attenuation)
        np.testing.assert_allclose(found.cost, riccati(process, game.attenuation), rtol=1e-12)
        for t in range(game.horizon):  # the closed loop is Lam^-1 A
            m = found.cost[t + 1]
            lam = np.eye(2) + (process.B @ process.B.T - np.eye(2) / game.attenuation**2) @ m
            closed = process.A - process.B @ found.control[t] + found.disturbance[t]
            np.testing.assert_allclose(closed, np.linalg.solve(lam, process.A), atol=1e-12)


def test_recorded_values() -> None:
    deviations, mean = disturbed(UNSTABLE(3))
    y, z = saddle_point(deviations, 3.0), saddle_point(mean, 3.0)
    np.testing.assert_allclose(y.control[2], [[0.780732, 0.079553], [0.126422, 0.748664]], atol=1e-6)
    np.testing.assert_allclose(y.disturbance[2], [[0.086748, 0.008839], [-0.003303, 0.081417]], atol=1e-6)
    np.testing.assert_allclose(z.control[2], [[0.826376, 0.074227], [0.116040, 0.791846]], atol=1e-6)
    np.testing.assert_allclose(y.control[0], [[1.148568, 0.099279], [0.165783, 1.081352]], atol=1e-6)
    np.testing.assert_allclose(y.cost[0], [[2.716458, 0.255068], [0.255068, 2.515878]], atol=1e-6)
    np.testing.assert_allclose(z.cost[0], [[2.683984, 0.223052], [0.223052, 2.495936]], atol=1e-6)
    assert y.value + z.value == pytest.approx(3.775381, abs=1e-6)
    both = disturbed(MILD(3))
    assert sum(saddle_point(p, 5.0).value for p in both) == pytest.approx(2.916590, abs=1e-6)
    assert excess(both, 5.0) == pytest.approx(-19.583410, abs=1e-6)


@pytest.mark.parametrize(
    ("game", "levels", "viable"),
    [
        (MILD(2), (1.4201, 1.4474), 2.0486),
        (MILD(3), (1.6119, 1.6299), 1.9277),
        (MILD(5), (1.7402, 1.7228), 1.8289),
        (UNSTABLE(2), (1.5867, 1.5860), 2.2559),
        (UNSTABLE(3), (1.7676, 1.7448), 2.1028),
        (UNSTABLE(15), (1.8126, 1.7774), 1.8175),
    ],
)
def test_recorded_levels(game: RobustTeamLQ, levels: tuple[float, float], viable: float) -> None:
    processes = disturbed(game)
    assert [least_level(p) for p in processes] == pytest.approx(levels, abs=6e-5)
    assert least_viable_level(processes) == pytest.approx(viable, abs=6e-5)


def test_the_least_level_is_where_the_saddle_point_ends() -> None:
    process, _ = disturbed(UNSTABLE(4))
    level = least_level(process)
    assert saddle_point(process, level * (1 + 1e-6)).margin > 0
    with pytest.raises(SolverError, match=r"`level` must have a square above .* the largest eigenvalue .* stage"):
        saddle_point(process, level * (1 - 1e-6))


def test_neither_side_gains_at_the_saddle_point() -> None:
    process, _ = disturbed(UNSTABLE(4))
    found = saddle_point(process, 3.0)
    game = zero_sum(process, 3.0)
    gains = np.concatenate([found.control, -found.disturbance], axis=1)
    cost = cost_matrices(game, gains)
    np.testing.assert_allclose(cost[:, 0], -cost[:, 1])
    for player in range(2):
        np.testing.assert_allclose(best_response(game, gains, player)[1], cost[:, player], atol=1e-12)


def test_the_controller_holds_its_promise() -> None:
    # Cost never exceeds level^2 times the disturbance's energy by more than the saddle's cost of the first state.
    process, _ = disturbed(UNSTABLE(5))
    found, rng = saddle_point(process, 2.0), np.random.default_rng(0)
    for _ in range(200):
        start = x = rng.normal(size=2)
        paid = 0.0
        for t in range(process.horizon):
            u, w = -found.control[t] @ x, rng.normal(size=2) * rng.uniform(0, 2)
            paid += x @ process.Q @ x + u @ u - 4.0 * (w @ w)
            x = process.A @ x + process.B @ u + w
        assert paid + x @ process.Q_end @ x <= start @ found.cost[0] @ start + 1e-9


@pytest.mark.parametrize("level", [np.inf, 1e200, 1e100, 1e9])
def test_without_bound_on_the_level_it_is_the_regulator(level: float) -> None:
    for process in disturbed(UNSTABLE(4)):
        found, p = saddle_point(process, level), process.Q_end
        costs = [p]
        for _ in range(process.horizon):
            lam = np.eye(len(p)) + process.B @ process.B.T @ p
            p = process.Q + process.A.T @ p @ np.linalg.solve(lam, process.A)
            costs.insert(0, p)
        np.testing.assert_allclose(found.cost, np.stack(costs), rtol=1e-9)
        assert np.abs(found.disturbance).max() <= 1e-12
        assert found.margin > 1e17
    assert excess(disturbed(UNSTABLE(4)), level) < 0


def test_bad_input() -> None:
    process, _ = disturbed(MILD())
    with pytest.raises(ValueError, match="`level` must be positive; got 0"):
        saddle_point(process, 0.0)
    with pytest.raises(ValueError, match="`processes` must be noisy"):
        least_viable_level([process._replace(noise=np.zeros((2, 2)))])
