from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from walras.agents.teams import rgda
from walras.agents.teams.oracles import Oracle, VarianceReducedOracle, ZerothOrderOracle
from walras.agents.teams.policy_gradient import Vanilla, norms
from walras.core.solution import SolverError
from walras.core.typing import Floats
from walras.envs import RobustTeamLQ
from walras.equilibria import gap
from walras.equilibria.teams.linear_quadratic import feedback_nash
from walras.equilibria.teams.team_mean_field import deviation_part, solve_team_mean_field


def error(path: Floats, gains: Floats) -> float:
    """Frobenius distance over all gains."""
    return float(np.linalg.norm(path[-1] - gains))


@pytest.mark.parametrize(("horizon", "mild"), [(2, 0.0034), (3, 0.0036), (4, 0.0038), (5, 0.0040)])
def test_the_errors_that_remain_after_seventy_moves_a_stage(horizon: int, mild: float) -> None:
    for game, wanted in ((RobustTeamLQ.mild(horizon), mild), (RobustTeamLQ.unstable(horizon), 5.3e-4)):
        assert error(rgda.train(game).deviation, solve_team_mean_field(game).deviation) == pytest.approx(
            wanted, rel=0.015
        )


def test_the_saddle_point_is_reached() -> None:
    trained = rgda.train(RobustTeamLQ.unstable(), iterations=700)
    y, z = trained.policy.deviation, trained.policy.mean
    np.testing.assert_allclose(y[2, :2], [[0.780732, 0.079553], [0.126422, 0.748664]], atol=1e-6)
    np.testing.assert_allclose(y[2, 2:], [[-0.086748, -0.008839], [0.003303, -0.081417]], atol=1e-6)
    np.testing.assert_allclose(y[0, :2], [[1.148568, 0.099279], [0.165783, 1.081352]], atol=1e-6)
    np.testing.assert_allclose(z[2, :2], [[0.826376, 0.074227], [0.116040, 0.791846]], atol=1e-6)


@pytest.mark.parametrize("game", [RobustTeamLQ.mild(), RobustTeamLQ.unstable(5)])
def test_neither_side_gains_by_its_best_response(game: RobustTeamLQ) -> None:
    assert gap(game, rgda.train(game, iterations=700).policy).per_step.upper.max() < 1e-10


def test_a_team_with_fewer_controls_than_states_plays_these_alone() -> None:
    game = RobustTeamLQ(B=((0.8,), (0.3,)), B_mean=((0.1,), (0.0,)))
    trained, known = rgda.train(game, iterations=700), solve_team_mean_field(game)
    np.testing.assert_allclose(trained.policy.deviation, known.deviation, atol=1e-6)
    np.testing.assert_array_equal(trained.policy.deviation[:, 1], 0.0)


@pytest.mark.parametrize(("level", "settles"), [(1.2, True), (0.95, False)])
def test_below_the_least_level_nature_has_no_best_response(level: float, settles: bool) -> None:
    game = replace(RobustTeamLQ.unstable(), attenuation=level)
    with pytest.raises(SolverError, match="`level` must have a square above"):
        solve_team_mean_field(game)
    trained, part = rgda.train(game, iterations=2_000), deviation_part(game)
    stationary = np.abs(trained.policy.deviation - feedback_nash(part)[0]).max() < 1e-9
    assert stationary == settles  # on the solution of the first-order conditions, or on the ball
    assert (norms(part, trained.policy.deviation).max() == pytest.approx(50)) != settles
    assert gap(game, trained.policy).upper[-1] == np.inf


@pytest.mark.parametrize("oracle", [ZerothOrderOracle(2_000, 1.0), VarianceReducedOracle(100, 1.0)])
def test_costs_alone_lead_near_the_saddle_point(oracle: Oracle) -> None:
    game = RobustTeamLQ.unstable(horizon=2)
    trained = rgda.train(game, oracle=oracle, rule=Vanilla(0.02, 50.0), iterations=150)
    known = solve_team_mean_field(game)
    assert error(trained.deviation, known.deviation) < 0.1
    assert error(trained.mean, known.mean) < 0.1
    assert error(trained.deviation[:1], known.deviation) > 1.8


@pytest.mark.slow
@pytest.mark.parametrize(("radius", "wanted"), [(1.0, 0.031), (0.5, 0.047)])
def test_what_costs_alone_reach_with_many_samples(radius: float, wanted: float) -> None:
    game = RobustTeamLQ.unstable()
    settings: dict[str, Any] = {"oracle": ZerothOrderOracle(5_000, radius), "rule": Vanilla(0.01, 50.0)}
    paths = [rgda.train(game, seed, iterations=300, **settings).deviation for seed in range(4)]
    found = [error(path, solve_team_mean_field(game).deviation) for path in paths]
    assert np.mean(found) == pytest.approx(wanted, rel=0.4)


def test_no_iterations_are_refused() -> None:
    with pytest.raises(ValueError, match="`iterations` must be at least 1; got 0"):
        rgda.RGDA(iterations=0)
