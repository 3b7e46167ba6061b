from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest

from walras.core import Random, rollout
from walras.core.typing import Floats
from walras.envs import MeanFieldLimitLQ, TeamMeanFieldLQ
from walras.envs.teams.mean_field_limit_lq import LimitState
from walras.envs.teams.team_lq import AbstractTeamLQ
from walras.equilibria import solve

WEIGHTS = np.array([[[2.0, 0.5], [0.5, 1.0]], [[1.0, 0.0], [0.0, 3.0]]])
TWO_CONTROLS = MeanFieldLimitLQ(
    B=np.arange(8.0).reshape(2, 2, 2) / 8,
    B_mean=np.arange(8.0)[::-1].reshape(2, 2, 2) / 8,
    R=WEIGHTS,
    R_mean=2 * WEIGHTS,
    Q_end=3 * WEIGHTS,
    horizon=2,
)


def returns(game: MeanFieldLimitLQ, rows: int) -> Floats:
    """Return the equilibrium's returns ``[B, N]`` in as many episodes."""
    policy, rng = solve(game).policy, np.random.default_rng(0)
    state, total = game.reset(game.noise(rng, rows)), np.zeros((rows, game.teams))
    for _ in range(game.horizon):
        step = game.step(state, policy.act(game.observe(state), rng), game.noise(rng, rows))
        state, total = step.state, total + step.reward
    return total


def test_a_step_is_the_equation() -> None:
    game, rng = TWO_CONTROLS, np.random.default_rng(0)
    (y, z), action, noise = rng.normal(size=(2, 2)), rng.normal(size=(1, 2, 4)), rng.normal(size=(1, 2, 2))
    A, A_mean, B, B_mean = (np.asarray(value) for value in (game.A, game.A_mean, game.B, game.B_mean))
    v, u = action[0, :, :2], action[0, :, 2:]
    after = game.step(LimitState(y[None], z[None], np.zeros(1, np.int64)), action, noise)
    expected = A @ y + B[0] @ v[0] + B[1] @ v[1] + game.spread.noise @ noise[0, 0]
    assert after.state.y[0] == pytest.approx(expected)
    expected = (A + A_mean) @ z + sum((B[i] + B_mean[i]) @ u[i] for i in range(2))
    assert after.state.z[0] == pytest.approx(expected + game.spread.common_noise @ noise[0, 1])
    assert after.state.taken.tolist() == [1]
    for i in range(2):
        cost = y @ game.matrices.Q[i] @ y + z @ game.matrices.Q_mean[i] @ z
        cost += v[i] @ WEIGHTS[i] @ v[i] + 2 * u[i] @ WEIGHTS[i] @ u[i]
        assert after.reward[0, i] == pytest.approx(-cost)


def test_the_last_step_pays_for_the_last_state() -> None:
    game = TWO_CONTROLS
    found = rollout(game, Random(game), [1])
    m, action = game.matrices, found.action[-1, 0]
    y, z = found.state.y[:, 0], found.state.z[:, 0]
    for i in range(2):
        cost = y[1] @ m.Q[i] @ y[1] + z[1] @ m.Q_mean[i] @ z[1] + y[2] @ m.Q_end[i] @ y[2] + z[2] @ m.Q_mean[i] @ z[2]
        cost += action[i, :2] @ WEIGHTS[i] @ action[i, :2] + 2 * action[i, 2:] @ WEIGHTS[i] @ action[i, 2:]
        assert found.reward[1, 0, i] == pytest.approx(-cost)


@pytest.mark.parametrize(
    ("game", "cost"),
    [(TeamMeanFieldLQ.mild(), (6.465313, 6.815987)), (TeamMeanFieldLQ.unstable(), (6.051469, 5.790522))],
)
def test_the_equilibrium_pays_the_recorded_costs(game: TeamMeanFieldLQ, cost: tuple[float, float]) -> None:
    # Recorded from an independent computation; four standard errors.
    total = returns(game.limit_game(), rows=100_000)
    error = total.std(axis=0) / np.sqrt(len(total))
    assert (error < 0.02).all()
    assert (np.abs(total.mean(axis=0) + cost) < 4 * error).all()


def test_a_team_that_leaves_the_equilibrium_pays_more() -> None:
    game = TeamMeanFieldLQ.unstable().limit_game()
    nash, rng, rows = solve(game).policy, np.random.default_rng(1), 20_000
    noise = game.noise(rng, rows * 6).reshape(6, rows, 2, 2)
    totals: list[float] = []
    for factor in (1.0, 0.8, 1.2):
        state, total = game.reset(noise[0]), np.zeros(rows)
        for t in range(5):
            action = nash.act(game.observe(state), rng)
            action[:, 0] *= factor
            step = game.step(state, action, noise[t + 1])
            state, total = step.state, total + step.reward[:, 0]
        totals.append(total.mean())
    assert totals[0] > max(totals[1:])


def test_teams_see_the_process_the_mean_and_the_time() -> None:
    seen = MeanFieldLimitLQ(horizon=4).observe(
        LimitState(np.array([[1.0, 2.0]]), np.array([[3.0, 6.0]]), np.array([1]))
    )
    assert seen.tolist() == [[[4, 8, 3, 6, 0.25]] * 2]


def test_it_has_the_parameters_of_the_finite_game() -> None:
    finite = replace(TeamMeanFieldLQ.unstable(horizon=7), limit=3.0, discount=0.5, Q_end=WEIGHTS)
    limit = finite.limit_game()
    for name in (f.name for f in fields(AbstractTeamLQ)):
        assert np.array_equal(getattr(limit, name), getattr(finite, name)), name


def test_rows_are_independent(assert_rows_independent: Callable[..., None]) -> None:
    assert_rows_independent(TWO_CONTROLS, (1, 9))


def test_a_bad_parameter_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="`common_noise` must have no negative eigenvalue; got -1"):
        MeanFieldLimitLQ(common_noise=-np.eye(2))
    with pytest.raises(ValueError, match="`R_mean` must have positive eigenvalues alone; got 0"):
        MeanFieldLimitLQ(R_mean=np.zeros((2, 1, 1)))


def test_a_text_shows_mean_and_deviation() -> None:
    game, state = MeanFieldLimitLQ(), LimitState(np.array([[1.0, 2.0]]), np.array([[3.0, 6.0]]), np.array([2]))
    lines = [line.split() for line in game.text(state).splitlines()]
    assert lines == [
        ["step", "2", "of", "5"],
        ["x_0", "mean", "3.000", "deviation", "1.000"],
        ["x_1", "mean", "6.000", "deviation", "2.000"],
    ]
