from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from walras.core import Random, rollout
from walras.envs import RobustTeamLQ
from walras.envs.teams.team_mean_field_lq import TeamState
from walras.equilibria import solve

NAN, INF = float("nan"), float("inf")
NARROW = RobustTeamLQ(B=((1.0,), (0.5,)), B_mean=((0.2,), (0.1,)), attenuation=4.0, size=4)


def test_a_step_is_the_equation_agent_by_agent() -> None:
    game, rng = RobustTeamLQ.mild(), np.random.default_rng(0)
    game = replace(game, size=4)
    x, (u, d) = rng.normal(size=(4, 2)), rng.normal(size=(2, 4, 2))
    noise = game.noise(rng, 1)
    step = game.step(TeamState(x[None], np.zeros(1, np.int64)), np.concatenate([u, d])[None], noise)
    A, A_mean, B, B_mean = (np.asarray(value) for value in (game.A, game.A_mean, game.B, game.B_mean))
    own, common = np.sqrt(0.1) * noise[0, 1:], np.sqrt(0.05) * noise[0, 0]
    cost = 0.0
    for j in range(4):
        expected = A @ x[j] + A_mean @ x.mean(axis=0) + B @ u[j] + B_mean @ u.mean(axis=0) + d[j] + own[j] + common
        assert step.state.x[0, j] == pytest.approx(expected)
        for part, mean, weight in ((x, x.mean(axis=0), 1.0), (u, u.mean(axis=0), 1.0), (d, d.mean(axis=0), -25.0)):
            cost += weight * (((part[j] - mean) ** 2).sum() + (mean**2).sum()) / 4
    assert step.reward[0] == pytest.approx([-cost] * 4 + [cost] * 4)


def test_nature_receives_what_the_team_pays() -> None:
    game = RobustTeamLQ(size=3)
    found = rollout(game, Random(game), range(5))
    assert (found.reward[:, :, :3] == -found.reward[:, :, 3:]).all()
    assert game.agents == ("agent_0", "agent_1", "agent_2", "nature_0", "nature_1", "nature_2")


def test_costs_of_the_last_state_are_paid_at_the_end() -> None:
    given = replace(RobustTeamLQ(size=2, horizon=1), Q_end=7 * np.eye(2), Q_mean_end=5 * np.eye(2))
    free = replace(given, Q_end=np.zeros((2, 2)), Q_mean_end=np.zeros((2, 2)))
    paid, unpaid = (rollout(game, Random(game), [1]) for game in (given, free))
    x = paid.state.x[1, 0]
    last = 7 * x.var(axis=0).sum() + 5 * (x.mean(axis=0) ** 2).sum()
    assert unpaid.total[0, 0] - paid.total[0, 0] == pytest.approx(last)


@pytest.mark.parametrize(
    ("game", "value"), [(RobustTeamLQ.mild(horizon=3), 2.916590), (RobustTeamLQ.unstable(horizon=3), 3.775381)]
)
def test_the_saddle_point_costs_the_recorded_value(game: RobustTeamLQ, value: float) -> None:
    # Recorded from an independent computation, in the limit of many agents; four standard errors.
    limit, rng, rows = game.teams.limit_game(), np.random.default_rng(0), 100_000
    policy = solve(limit).policy
    state, total = limit.reset(limit.noise(rng, rows)), np.zeros((rows, 2))
    for _ in range(3):
        step = limit.step(state, policy.act(limit.observe(state), rng), limit.noise(rng, rows))
        state, total = step.state, total + step.reward
    error = total[:, 0].std() / np.sqrt(rows)
    assert error < 0.01
    assert abs(total[:, 0].mean() + value) < 4 * error


def test_with_many_agents_the_saddle_point_costs_nearly_the_limit() -> None:
    # Mean and deviations share the noise: with M agents the value is c / M from the limit's.
    sizes = np.array([10, 100, 1000])
    values = [solve(replace(RobustTeamLQ.unstable(), size=int(size))).value[0] * 3 for size in sizes]
    lost = (np.array(values) + 3.775381) * sizes
    assert np.abs(lost - lost[0]).max() < 0.01


def test_a_narrow_control_moves_nothing_with_its_other_entries() -> None:
    rng = np.random.default_rng(0)
    state, noise = NARROW.reset(NARROW.noise(rng, 3)), NARROW.noise(rng, 3)
    action = rng.normal(size=(3, 8, 2))
    other = action.copy()
    other[:, :4, 1] += 1.0
    assert (NARROW.step(state, action, noise).state.x == NARROW.step(state, other, noise).state.x).all()
    other[:, 4:, 1] += 1.0
    assert (NARROW.step(state, action, noise).state.x != NARROW.step(state, other, noise).state.x).any()
    assert np.abs(solve(NARROW).policy.act(NARROW.observe(state), rng)[:, :4, 1]).max() == pytest.approx(0, abs=1e-12)


def test_rows_are_independent(assert_rows_independent: Callable[..., None]) -> None:
    assert_rows_independent(NARROW, (1, 9))


def test_the_instances_are_the_recorded_ones() -> None:
    mild, unstable = RobustTeamLQ.mild(horizon=5, size=4), RobustTeamLQ.unstable(horizon=4, size=3)
    assert (mild.attenuation, mild.horizon, mild.size) == (5.0, 5, 4)
    assert (unstable.attenuation, unstable.horizon, unstable.size) == (3.0, 4, 3)
    assert np.abs(np.linalg.eigvals(np.asarray(unstable.A))).max() > 1.5


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"attenuation": 0.0}, r"`attenuation` must be positive and finite; got 0\.0"),
        ({"attenuation": INF}, "`attenuation` must be positive and finite; got inf"),
        ({"attenuation": NAN}, "`attenuation` must be positive and finite; got nan"),
        ({"size": 0}, "`size` must be at least 1; got 0"),
        ({"horizon": 0}, "`horizon` must be a whole number, at least 1; got 0"),
        ({"discount": 1.0}, r"`discount` must lie in \[0, 1\)"),
        ({"limit": -1.0}, r"`limit` must be positive and finite; got -1\.0"),
        ({"A": np.ones((2, 3))}, r"`A` must have the shape \(2, 2\); got \(2, 3\)"),
        ({"A_mean": np.eye(3)}, r"`A_mean` must have the shape \(2, 2\); got \(3, 3\)"),
        ({"B": np.ones((2, 3))}, "`B` must have between 1 and 2 columns; got 3"),
        ({"B": np.ones((3, 2))}, r"`B` must have the shape \(2, 2\); got \(3, 2\)"),
        ({"B": np.ones(2)}, r"`B` must have 2 dimensions; got \(2,\)"),
        ({"B_mean": np.ones((2, 1))}, r"`B_mean` must have the shape \(2, 2\); got \(2, 1\)"),
        ({"Q": [[1, 1], [0, 1]]}, "`Q` must be symmetric"),
        ({"Q_end": np.eye(3)}, r"`Q_end` must have the shape \(2, 2\); got \(3, 3\)"),
        ({"noise_covariance": -np.eye(2)}, r"`noise_covariance` must have no negative eigenvalue; got -1\.0"),
        ({"start": [[1, 1], [0, 1]]}, "`start` must be symmetric"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RobustTeamLQ(**parameters)


def test_matrices_are_copies_that_cannot_be_written() -> None:
    mine = np.eye(2)
    game = RobustTeamLQ(Q=mine)
    mine[0, 0] = 7.0
    assert np.array_equal(np.asarray(game.Q), np.eye(2))
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(game.Q)[0, 0] = 7.0


def test_a_text_shows_the_means() -> None:
    game = RobustTeamLQ(size=2)
    lines = game.text(TeamState(np.array([[[1.0, 2.0], [3.0, 6.0]]]), np.array([3]))).splitlines()
    assert lines[0] == "step 3 of 3"
    assert lines[1].split() == ["x_0", "mean", "2.000", "deviation", "1.000"]
