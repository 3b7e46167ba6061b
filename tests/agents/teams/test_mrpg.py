import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from walras.agents.teams import mrpg
from walras.agents.teams.oracles import Oracle, VarianceReducedOracle, ZerothOrderOracle
from walras.agents.teams.policy_gradient import Natural, contraction, distance, norms
from walras.core.typing import Floats
from walras.envs import TeamMeanFieldLQ
from walras.equilibria import gap
from walras.equilibria.teams.linear_quadratic import feedback_nash
from walras.equilibria.teams.team_mean_field import deviation_part, mean_part, solve_team_mean_field

MILD, UNSTABLE = TeamMeanFieldLQ.mild(), TeamMeanFieldLQ.unstable()
SHORT = TeamMeanFieldLQ(horizon=1)


def errors(game: TeamMeanFieldLQ, seed: int = 0, **settings: Any) -> tuple[Floats, Floats]:  # noqa: ANN401
    """Distances from the Nash gains of deviation and mean, after each update."""
    trained, parts = mrpg.train(game, seed, **settings), (deviation_part(game), mean_part(game))
    y, z = (
        distance(part, path, feedback_nash(part)[0])
        for part, path in zip(parts, (trained.deviation, trained.mean), strict=True)
    )
    return y, z


@pytest.mark.parametrize(
    ("game", "stairs"),
    [(MILD, [5.0074, 3.9074, 2.6526, 1.3376]), (UNSTABLE, [6.3925, 4.8580, 3.2493, 1.6260])],
)
def test_each_stage_removes_its_own_error(game: TeamMeanFieldLQ, stairs: list[float]) -> None:
    for error, steps in zip(errors(game), (stairs, None), strict=True):
        assert error[-1] < 1e-6
        assert (np.diff(error) < 1e-12).all()
        if steps:
            np.testing.assert_allclose(error[60:-1:60], steps, atol=6e-5)


@pytest.mark.parametrize(
    ("game", "step", "early", "late"),
    [
        (MILD, 0.1, 0.697, 0.7015),
        (MILD, 0.2, 0.397, 0.4031),
        (UNSTABLE, 0.1, 0.491, 0.4944),
        (UNSTABLE, 0.05, 0.741, None),
    ],
)
def test_the_first_stage_contracts_as_theory_says(
    game: TeamMeanFieldLQ, step: float, early: float, late: float | None
) -> None:
    part = deviation_part(game)
    path = mrpg.train(game, rule=Natural(step), iterations=150).deviation[-151:, 0]
    error = norms(part, path - feedback_nash(part)[0][0]).sum(axis=1)
    assert (error[20] / error[0]) ** (1 / 20) == pytest.approx(early, abs=2e-3)
    factor, k = contraction(part, step)[0], np.flatnonzero(error < 1e-11)[0]
    assert (error[k] / error[k - 5]) ** (1 / 5) == pytest.approx(factor, abs=3e-3)  # of the mild game two are near
    if late:
        assert factor == pytest.approx(late, abs=6e-5)


def test_gains_and_policy_are_the_equilibrium_within_a_second() -> None:
    for game in (MILD, UNSTABLE, TeamMeanFieldLQ.unstable(horizon=10)):
        started = time.process_time()
        trained = mrpg.train(game)
        assert time.process_time() - started < 1
        known = solve_team_mean_field(game)
        np.testing.assert_allclose(trained.policy.deviation, known.deviation, atol=1e-6)
        np.testing.assert_allclose(trained.policy.mean, known.mean, atol=1e-6)
        for played in (game, game.limit_game()):
            assert gap(played, mrpg.train(played).policy).per_step.upper.max() < 1e-10


def test_the_policy_has_the_last_gains_of_the_path() -> None:
    trained = mrpg.train(MILD, iterations=3)
    assert trained.deviation.shape == trained.mean.shape == (16, 5, 2, 2)
    np.testing.assert_array_equal(trained.deviation[0], 0.0)
    np.testing.assert_array_equal(trained.policy.deviation, trained.deviation[-1])
    np.testing.assert_array_equal(trained.policy.mean, trained.mean[-1])


def test_exact_gradients_feel_neither_noise_nor_states() -> None:
    one = mrpg.train(MILD)
    noisy = replace(MILD, noise_covariance=5 * np.eye(2), common_noise=np.zeros((2, 2)), size=2)
    other = mrpg.train(noisy, states=[[2.0, 0.5], [0.5, 1.0]])
    np.testing.assert_array_equal(one.deviation, other.deviation)
    np.testing.assert_array_equal(one.mean, other.mean)


def final(oracle: Oracle, seeds: int) -> float:
    """Error of the deviation part of one stage, mean over seeds and the last half of the updates."""
    settings: dict[str, Any] = {"oracle": oracle, "rule": Natural(0.02), "iterations": 150}
    return float(np.mean([errors(SHORT, seed, **settings)[0][-75:] for seed in range(seeds)]))


def test_four_times_the_samples_halve_the_final_error() -> None:
    few, many = (final(ZerothOrderOracle(samples, 0.5), seeds=8) for samples in (400, 1_600))
    assert many / few == pytest.approx(0.5, rel=0.25)


def test_a_small_radius_costs_precision() -> None:
    assert final(ZerothOrderOracle(500, 0.1), seeds=3) > 2.5 * final(ZerothOrderOracle(500, 0.5), seeds=3)


def test_differences_reach_farther_than_the_papers_estimate() -> None:
    assert final(VarianceReducedOracle(250, 0.5), seeds=3) < 0.4 * final(ZerothOrderOracle(500, 0.5), seeds=3)


def test_other_states_lead_to_the_same_gains() -> None:
    settings: dict[str, Any] = {"oracle": VarianceReducedOracle(2_000), "rule": Natural(0.05), "iterations": 100}
    y, z = errors(SHORT, states=[[2.0, 0.9], [0.9, 0.8]], **settings)
    assert max(y[-1], z[-1]) < 0.1 * min(y[0], z[0])


def test_the_seed_decides() -> None:
    one, two, other = (
        mrpg.train(SHORT, seed, oracle=ZerothOrderOracle(20), iterations=3).deviation for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - other).max() > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("samples", "radius", "mean", "deviation"),
    [(500, 0.5, 0.366, 0.039), (5_000, 0.5, 0.132, 0.032), (5_000, 0.1, 0.595, 0.152)],
)
def test_the_law_of_samples_and_radius(samples: int, radius: float, mean: float, deviation: float) -> None:
    game = replace(TeamMeanFieldLQ(horizon=3).limit_game(), noise_covariance=np.zeros((2, 2)))
    settings: dict[str, Any] = {"oracle": ZerothOrderOracle(samples, radius), "rule": Natural(0.05), "iterations": 200}
    found = np.mean([errors(game, seed, **settings)[0][-1] for seed in range(5)])
    assert abs(found - mean) < 3 * deviation


@pytest.mark.parametrize("iterations", [0, -1])
def test_no_iterations_are_refused(iterations: int) -> None:
    with pytest.raises(ValueError, match=f"`iterations` must be at least 1; got {iterations}"):
        mrpg.MRPG(iterations=iterations)


def test_states_without_spread_or_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`states` must have positive eigenvalues alone; got -1\.0"):
        mrpg.train(SHORT, states=[[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(ValueError, match=r"`states` must have the shape \(2, 2\); got \(3, 3\)"):
        mrpg.train(SHORT, states=np.eye(3))
