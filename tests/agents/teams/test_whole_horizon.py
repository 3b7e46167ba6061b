from dataclasses import replace

import numpy as np
import pytest

from walras.agents.teams import rgda, whole_horizon
from walras.agents.teams.policy_gradient import Natural, Rule, Vanilla, distance
from walras.agents.teams.whole_horizon import descend, natural_gradient, visited
from walras.core.typing import Floats
from walras.envs import RobustTeamLQ, TeamMeanFieldLQ
from walras.equilibria import gap
from walras.equilibria.teams.linear_quadratic import LinearQuadratic, cost_matrices, expected_cost, feedback_nash
from walras.equilibria.teams.team_mean_field import Moments, deviation_part, mean_part, solve_team_mean_field

MILD, UNSTABLE, LONG = (
    game.limit_game() for game in (TeamMeanFieldLQ.mild(), TeamMeanFieldLQ.unstable(), TeamMeanFieldLQ.unstable(10))
)


def errors(game: TeamMeanFieldLQ, rule: Rule) -> tuple[Floats, Floats]:
    """Distances of deviation and mean from the Nash gains, after each of 60 updates a stage."""
    trained = whole_horizon.train(game, rule=rule, updates=60 * game.horizon)
    y, z = deviation_part(game), mean_part(game)
    return distance(y, trained.deviation, feedback_nash(y)[0]), distance(z, trained.mean, feedback_nash(z)[0])


def by_differences(game: LinearQuadratic, gains: Floats, spread: Moments) -> Floats:
    """Gradients of the cost of an episode, each player's in its own gains."""
    found = np.empty_like(gains)
    for at in np.ndindex(gains.shape):
        nudge = np.zeros_like(gains)
        nudge[at] = 1e-5
        high, low = (expected_cost(cost_matrices(game, gains + sign * nudge), *spread) for sign in (1, -1))
        found[at] = (high - low)[game.owner[at[1]]] / 2e-5
    return found


@pytest.mark.parametrize("game", [deviation_part(LONG), mean_part(MILD), deviation_part(RobustTeamLQ.unstable())])
def test_the_gradient_is_that_of_an_episode(game: LinearQuadratic) -> None:
    rng = np.random.default_rng(0)
    gains = feedback_nash(game)[0] + 0.1 * rng.normal(size=(game.horizon, *game.B.shape[:0:-1]))
    spread = Moments(np.array([[1.0, 0.3], [0.3, 0.5]]), np.array([[0.2, 0.1], [0.1, 0.3]]))
    plain = natural_gradient(game, gains) @ visited(game, gains, spread)
    np.testing.assert_allclose(plain, by_differences(game, gains, spread), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("game", [MILD, UNSTABLE])
def test_natural_gradients_find_a_short_horizon_without_overshoot(game: TeamMeanFieldLQ) -> None:
    for error in errors(game, Natural(0.1)):
        assert error[-1] < 1e-13
        assert error.max() == error[0]


def test_natural_gradients_overshoot_far_on_a_long_unstable_horizon() -> None:
    y, z = errors(LONG, Natural(0.1))
    assert y.max() == pytest.approx(8.0e3, rel=0.01)
    assert z.max() == pytest.approx(8.0e3, rel=0.01)
    assert max(y[-1], z[-1]) < 1e-13


def test_plain_gradients_are_slow_on_the_mild_game() -> None:
    y, z = errors(MILD, Vanilla(0.1))
    assert y[-1] == pytest.approx(2e-7, rel=0.3)
    assert z[-1] == pytest.approx(3e-4, rel=0.1)


def test_plain_gradients_are_stuck_on_the_ball_or_slow_on_the_unstable_one() -> None:
    for error in errors(UNSTABLE, Vanilla(0.1)):
        assert error[-1] == pytest.approx(1.0e4, rel=1e-3)
    y, z = errors(UNSTABLE, Vanilla(0.05))
    assert y[-1] == pytest.approx(6e-4, rel=0.1)
    assert z[-1] == pytest.approx(0.027, rel=0.05)
    for error in errors(LONG, Vanilla(0.1)):
        assert error[-1] == pytest.approx(2.0e4, rel=1e-3)


@pytest.mark.parametrize(
    ("horizon", "mild", "unstable"), [(2, 0.0059, 1.6e-3), (3, 0.0128, 3.9e-3), (4, 0.0121, 142.7), (5, 0.0079, 159.7)]
)
def test_descent_ascent_with_a_large_step_ends_on_the_ball_of_a_long_unstable_horizon(
    horizon: int, mild: float, unstable: float
) -> None:
    for game, wanted in ((RobustTeamLQ.mild(horizon), mild), (RobustTeamLQ.unstable(horizon), unstable)):
        part = deviation_part(game)
        spread = Moments(np.eye(2), 0.1 * np.eye(2))
        *_, last = descend(part, Vanilla(0.025, 50.0), 70 * horizon, spread)
        assert np.linalg.norm(last.gains - feedback_nash(part)[0]) == pytest.approx(wanted, rel=0.02)


def test_the_receding_horizon_bears_a_step_that_the_whole_one_does_not() -> None:
    game = replace(RobustTeamLQ.unstable(horizon=5), start=np.eye(2), common_start=np.eye(2))
    known, rule = solve_team_mean_field(game), Vanilla(0.025, 50.0)
    receding, whole = rgda.train(game), whole_horizon.train(game, rule=rule, updates=350)
    assert np.abs(receding.policy.deviation - known.deviation).max() < 1e-3
    assert np.abs(whole.policy.deviation - known.deviation).max() > 10


@pytest.mark.parametrize(("updates", "wanted"), [(280, 0.042), (2_800, 4.0e-8)])
def test_descent_ascent_with_a_small_step_converges(updates: int, wanted: float) -> None:
    part = deviation_part(RobustTeamLQ.unstable(4))
    spread = Moments(np.eye(2), 0.1 * np.eye(2))
    *_, last = descend(part, Vanilla(0.01, 50.0), updates, spread)
    assert np.linalg.norm(last.gains - feedback_nash(part)[0]) == pytest.approx(wanted, rel=0.02)


def test_descent_ascent_converges_from_the_games_own_start_with_the_step_of_rgda() -> None:
    game = RobustTeamLQ.unstable(horizon=5)
    gains = [
        gap(game, whole_horizon.train(game, rule=Vanilla(0.025, 50.0), updates=updates)).per_step.upper.max()
        for updates in (350, 700)
    ]
    assert gains == pytest.approx([4.5e-4, 9.7e-7], rel=0.01)


def test_the_policy_has_the_last_gains_of_the_path() -> None:
    game = TeamMeanFieldLQ.mild()
    trained = whole_horizon.train(game)
    assert trained.deviation.shape == trained.mean.shape == (301, 5, 2, 2)
    np.testing.assert_array_equal(trained.policy.deviation, trained.deviation[-1])
    np.testing.assert_array_equal(trained.policy.mean, trained.mean[-1])
    assert gap(game, trained.policy).per_step.upper.max() < 1e-12


def test_gains_beyond_what_numbers_hold_are_an_error() -> None:
    with pytest.raises(FloatingPointError, match="take a smaller `step` or `radius`"):
        whole_horizon.train(LONG, rule=Vanilla(1.0, radius=1e300), updates=50)


def test_no_updates_are_refused() -> None:
    with pytest.raises(ValueError, match="`updates` must be at least 1; got 0"):
        whole_horizon.WholeHorizon(updates=0)
