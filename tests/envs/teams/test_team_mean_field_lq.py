from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from walras.core import Policy, Random, Scripted, Vector, rollout
from walras.core.typing import Floats
from walras.envs import TeamMeanFieldLQ
from walras.envs.teams.team_mean_field_lq import TeamState
from walras.equilibria import solve
from walras.equilibria.teams.team_mean_field import TeamEquilibrium

NAN, INF = float("nan"), float("inf")
TEAMS, N, P = 3, 4, 2  # teams, states and controls of `anything`


def definite(rng: np.random.Generator, *shape: int) -> Floats:
    factor = rng.normal(size=shape)
    return factor @ np.swapaxes(factor, -1, -2)


def anything(seed: int = 0, size: int = 5, horizon: int = 3) -> TeamMeanFieldLQ:
    """Three teams of which no matrix is special; team i pays for team k's controls, and is paid for some."""
    rng = np.random.default_rng(seed)
    weights = 0.1 * definite(rng, 2, TEAMS, TEAMS, P, P) - 0.05 * np.eye(P)
    weights[:, np.arange(TEAMS), np.arange(TEAMS)] = np.eye(P) + definite(rng, 2, TEAMS, P, P)
    costs = definite(rng, 4, TEAMS, N, N) - 0.2 * np.eye(N)
    covariances = definite(rng, 4, N, N)
    return TeamMeanFieldLQ(
        *rng.normal(size=(2, N, N)),
        *rng.normal(size=(2, TEAMS, N, P)),
        *costs,
        *weights,
        *covariances,
        horizon,
        size=size,
    )


def form(weight: Any, x: Floats) -> float:  # noqa: ANN401 - an entry of a field
    return float(sum(x[k] * np.asarray(weight)[k, m] * x[m] for k in range(len(x)) for m in range(len(x))))


def paid(game: TeamMeanFieldLQ, team: int, x: Floats, u: Floats) -> float:
    """Return a step's cost of processes ``[M, n]`` and controls ``[N, M, p]``, agent by agent."""
    mean, push = x.mean(axis=0), u.mean(axis=1)
    total = 0.0
    for j in range(game.size):
        total += form(np.asarray(game.Q)[team], x[j] - mean) + form(np.asarray(game.Q_mean)[team], mean)
        for k in range(TEAMS):
            total += form(np.asarray(game.R)[team, k], u[k, j] - push[k])
            total += form(np.asarray(game.R_mean)[team, k], push[k])
    return total / game.size


def paid_last(game: TeamMeanFieldLQ, team: int, x: Floats) -> float:
    mean = x.mean(axis=0)
    deviations = [form(np.asarray(game.Q_end)[team], process - mean) for process in x]
    return float(np.mean(deviations)) + form(np.asarray(game.Q_mean_end)[team], mean)


def played(game: TeamMeanFieldLQ, policy: Policy, rows: int, seed: int = 0) -> tuple[Floats, list[TeamState], Floats]:
    """Return the returns ``[B, N M]``, the states and the noise of one episode a row."""
    rng = np.random.default_rng(seed)
    noise = game.noise(rng, rows * (game.horizon + 1))
    noise = noise.reshape(rows, game.horizon + 1, *noise.shape[1:])
    states, total = [game.reset(noise[:, 0])], np.zeros((rows, len(game.agents)))
    for t in range(game.horizon):
        step = game.step(states[-1], policy.act(game.observe(states[-1]), rng), noise[:, t + 1])
        states.append(step.state)
        total += step.reward
    return total, states, noise


class TestDynamics:
    def test_a_step_is_the_equation_agent_by_agent(self) -> None:
        game, rng = anything(), np.random.default_rng(1)
        x, u = rng.normal(size=(5, N)), rng.normal(size=(TEAMS, 5, P))
        noise = game.noise(rng, 1)
        after = game.step(TeamState(x[None], np.zeros(1, np.int64)), u.reshape(1, -1, P), noise).state
        B, B_mean = np.asarray(game.B), np.asarray(game.B_mean)
        own, common = game.spread.noise, game.spread.common_noise
        for j in range(5):
            expected = game.A @ x[j] + game.A_mean @ x.mean(axis=0)
            expected += sum(B[i] @ u[i, j] + B_mean[i] @ u[i].mean(axis=0) for i in range(TEAMS))
            expected += own @ noise[0, j + 1] + common @ noise[0, 0]
            assert after.x[0, j] == pytest.approx(expected)
        assert after.taken.tolist() == [1]

    @pytest.mark.parametrize("size", [1, 5])
    def test_rewards_are_minus_the_teams_cost_and_sum_to_it(self, size: int) -> None:
        game = anything(seed=size, size=size)
        found = rollout(game, Random(game), [3])
        x, u = found.state.x[:, 0], found.action[:, 0].reshape(3, TEAMS, size, P)
        for team in range(TEAMS):
            costs = [paid(game, team, x[t], u[t]) for t in range(3)]
            costs[-1] += paid_last(game, team, x[3])
            mine = slice(team * size, (team + 1) * size)
            assert -found.reward[:, 0, mine] == pytest.approx(np.repeat(np.array(costs)[:, None], size, axis=1))
            assert found.total[0, mine] == pytest.approx(-sum(costs))

    def test_the_square_roots_are_those_of_the_covariances(self) -> None:
        game = anything()
        for root, name in zip(game.spread, ("noise_covariance", "common_noise", "start", "common_start"), strict=True):
            assert root @ root == pytest.approx(np.asarray(getattr(game, name)))

    def test_a_covariance_may_be_singular(self) -> None:
        game = replace(TeamMeanFieldLQ(size=3), start=np.ones((2, 2)), common_start=np.zeros((2, 2)))
        x = game.reset(game.noise(np.random.default_rng(0), 50)).x
        assert x[..., 0] == pytest.approx(x[..., 1])
        assert np.unique(x.round(9)).size == 150

    def test_processes_start_with_their_covariances(self) -> None:
        game = anything(size=2)
        x = game.reset(game.noise(np.random.default_rng(0), 200_000)).x
        own, common = np.asarray(game.start), np.asarray(game.common_start)
        assert np.cov(x[:, 0].T) == pytest.approx(own + common, abs=0.2)
        assert np.cov(x[:, 0].T - x[:, 1].T) == pytest.approx(2 * own, abs=0.2)

    def test_agents_see_their_process_the_mean_and_the_time(self) -> None:
        game = TeamMeanFieldLQ(size=2, horizon=4)
        seen = game.observe(TeamState(np.array([[[1.0, 2.0], [3.0, 6.0]]]), np.array([3])))
        rows = [[1, 2, 2, 4, 0.75], [3, 6, 2, 4, 0.75]]
        assert seen[0].tolist() == rows + rows
        assert game.agents == ("team_0_agent_0", "team_0_agent_1", "team_1_agent_0", "team_1_agent_1")

    def test_agents_of_a_team_can_be_renamed(self) -> None:
        # The same order for all teams: agents of equal index share a process.
        game, order = anything(), np.array([3, 0, 4, 1, 2])
        (_, states, noise), rng = played(game, Random(game), rows=4), np.random.default_rng(2)
        u = rng.normal(size=(4, TEAMS, 5, P))
        one = game.step(states[2], u.reshape(4, -1, P), noise[:, 3])
        shuffled = np.concatenate([noise[:, 3, :1], noise[:, 3, 1:][:, order]], axis=1)
        moved = TeamState(states[2].x[:, order], states[2].taken)
        other = game.step(moved, u[:, :, order].reshape(4, -1, P), shuffled)
        np.testing.assert_allclose(other.state.x, one.state.x[:, order])
        np.testing.assert_allclose(other.reward, one.reward)

    def test_the_truthful_rule_does_nothing(self) -> None:
        game = replace(anything(), noise_covariance=np.zeros((N, N)), common_noise=np.zeros((N, N)))
        found = rollout(game, Scripted(game), [0])
        assert (found.action == 0).all()
        mean = found.state.x[:, 0].mean(axis=1)
        assert mean[1] == pytest.approx((np.asarray(game.A) + np.asarray(game.A_mean)) @ mean[0])

    @pytest.mark.parametrize("game", [anything(), anything(size=1), TeamMeanFieldLQ(size=129)])
    def test_rows_are_independent(self, game: TeamMeanFieldLQ, assert_rows_independent: Callable[..., None]) -> None:
        assert_rows_independent(game, (1, 9))


@pytest.mark.parametrize(
    ("game", "deviations"),
    [(TeamMeanFieldLQ.mild(), (3.566902, 3.818318)), (TeamMeanFieldLQ.unstable(), (3.347290, 3.205204))],
)
def test_ten_thousand_agents_follow_the_limit(game: TeamMeanFieldLQ, deviations: tuple[float, float]) -> None:
    # Row by row: the mean of 10,000 agents follows the limit's under the same common noise, and deviations cost what
    # they cost in expectation: the recorded value of the equilibrium, from an independent computation.
    game = replace(game, size=10_000)
    found, m = equilibrium(game), game.matrices
    total, states, noise = played(game, found.policy, rows=12)
    z = limit_mean(game, found, noise[:, :, 0])
    for state, limit in zip(states, z, strict=True):
        assert state.x.mean(axis=1) == pytest.approx(limit, abs=0.06)
    control = -np.einsum("tpn,tbn->tbp", found.mean, z[:-1])
    for team in range(2):
        cost = np.einsum("tbn,nm,tbm->b", z[:-1], m.Q_mean[team], z[:-1]) + (control[:, :, team] ** 2).sum(axis=0)
        cost += np.einsum("bn,nm,bm->b", z[-1], m.Q_mean_end[team], z[-1])
        own = -total[:, team * game.size] - cost
        assert own.mean() == pytest.approx(deviations[team], rel=0.02)


def equilibrium(game: TeamMeanFieldLQ) -> TeamEquilibrium:
    found = solve(game)
    assert isinstance(found, TeamEquilibrium)
    return found


def limit_mean(game: TeamMeanFieldLQ, found: TeamEquilibrium, common: Floats) -> Floats:
    """Return the limit's mean ``[T + 1, B, n]`` under the common noise ``[B, T + 1, n]``."""
    m, spread = game.matrices, game.spread
    z = [common[:, 0] @ spread.common_start]
    for t in range(game.horizon):
        closed = m.A + m.A_mean - (m.B + m.B_mean) @ found.mean[t]
        z.append(z[-1] @ closed.T + common[:, t + 1] @ spread.common_noise)
    return np.stack(z)


class TestParameters:
    def test_costs_of_the_last_state_are_those_of_a_step_unless_given(self) -> None:
        game = TeamMeanFieldLQ()
        assert (game.matrices.Q_end == np.asarray(game.Q)).all()
        assert (game.matrices.Q_mean_end == np.asarray(game.Q_mean)).all()
        given = replace(game, Q_end=np.stack([np.eye(2)] * 2))
        assert (given.matrices.Q_end == np.eye(2)).all()
        assert (given.matrices.Q_mean_end == np.asarray(game.Q_mean)).all()

    def test_a_team_pays_for_its_own_control_unless_all_are_weighed(self) -> None:
        own = np.array([[[2.0]], [[3.0]]])
        assert TeamMeanFieldLQ(R=own).matrices.R.tolist() == [[[2, 0], [0, 0]], [[0, 0], [0, 3]]]
        every = np.array([[[[2.0]], [[-1.0]]], [[[0.5]], [[3.0]]]])
        assert TeamMeanFieldLQ(R=every).matrices.R.tolist() == [[[2, 0], [0, -1]], [[0.5, 0], [0, 3]]]

    def test_matrices_are_copies_that_cannot_be_written(self) -> None:
        mine = np.eye(2)
        game = TeamMeanFieldLQ(A=mine)
        mine[0, 0] = 7.0
        assert np.array_equal(game.matrices.A, np.eye(2))
        assert np.array_equal(np.asarray(game.A), np.eye(2))
        with pytest.raises(ValueError, match="read-only"):
            np.asarray(game.A)[0, 0] = 7.0

    def test_the_two_instances_differ_in_dynamics_alone(self) -> None:
        mild, unstable = TeamMeanFieldLQ.mild(size=4), TeamMeanFieldLQ.unstable(horizon=10, size=4)
        assert (mild.horizon, unstable.horizon, mild.size, unstable.size) == (5, 10, 4, 4)
        assert (
            np.abs(np.linalg.eigvals(mild.matrices.A)).max() < 1 < np.abs(np.linalg.eigvals(unstable.matrices.A)).max()
        )
        assert (mild.matrices.Q == unstable.matrices.Q).all()

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"size": 0}, "`size` must be at least 1; got 0"),
            ({"horizon": 0}, "`horizon` must be a whole number, at least 1; got 0"),
            ({"limit": 0.0}, r"`limit` must be positive and finite; got 0\.0"),
            ({"limit": INF}, "`limit` must be positive and finite; got inf"),
            ({"discount": 1.0}, r"`discount` must lie in \[0, 1\); got 1\.0"),
            ({"A": ((1.0, 0.0),)}, r"`A` must have the shape \(1, 1\); got \(1, 2\)"),
            ({"A": 1.0}, r"`A` must have 2 dimensions; got \(\)"),
            ({"A": ((1.0, NAN), (0.0, 1.0))}, r"`A` must hold no NaN; got nan at index \[0, 1\]"),
            ({"A": ((1.0, INF), (0.0, 1.0))}, r"`A` must be finite; got inf at index \[0, 1\]"),
            ({"A_mean": np.eye(3)}, r"`A_mean` must have the shape \(2, 2\); got \(3, 3\)"),
            ({"B": np.ones((2, 3, 1))}, r"`B` must have the shape \(2, 2, 1\); got \(2, 3, 1\)"),
            ({"B": np.ones((2, 2))}, r"`B` must have 3 dimensions; got \(2, 2\)"),
            ({"B": np.ones((0, 2, 1))}, "`B` must hold at least one team, one state and one control; got"),
            ({"B_mean": np.ones((1, 2, 1))}, r"`B_mean` must have the shape \(2, 2, 1\); got \(1, 2, 1\)"),
            ({"Q": np.ones((2, 2))}, r"`Q` must have the shape \(2, 2, 2\); got \(2, 2\)"),
            ({"Q": [[[1, 2], [0, 1]]] * 2}, r"`Q` must be symmetric; got 2\.0 at index \[0, 0, 1\]"),
            (
                {"Q_mean_end": [[[1, 0], [0.5, 1]]] * 2},
                r"`Q_mean_end` must be symmetric; got 0\.0 at index \[0, 0, 1\]",
            ),
            ({"R": [[[1.0]], [[0.0]]]}, r"`R` must have positive eigenvalues alone; got 0\.0 at index \[1\]"),
            ({"R": [[[1.0]], [[-2.0]]]}, r"`R` must have positive eigenvalues alone; got -2\.0 at index \[1\]"),
            ({"R": np.ones((3, 1, 1))}, r"`R` must have the shape \(2, 1, 1\); got \(3, 1, 1\)"),
            ({"R_mean": np.full((2, 2, 1, 1), NAN)}, "`R_mean` must be finite; got nan"),
            ({"noise_covariance": [[1, 2], [2, 1]]}, r"`noise_covariance` must have no negative eigenvalue; got -1\.0"),
            ({"common_noise": [[1, 0.5], [0, 1]]}, "`common_noise` must be symmetric"),
            ({"start": -np.eye(2)}, r"`start` must have no negative eigenvalue; got -1\.0"),
            ({"common_start": np.eye(3)}, r"`common_start` must have the shape \(2, 2\); got \(3, 3\)"),
        ],
    )
    def test_a_bad_parameter_is_refused_by_name(self, parameters: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            TeamMeanFieldLQ(**parameters)

    def test_weights_of_the_others_controls_must_be_symmetric(self) -> None:
        weights = np.asarray(anything().R).copy()
        weights[0, 1, 0, 1] += 1
        with pytest.raises(ValueError, match=r"`R` must be symmetric; got .* at index \[0, 1, 0, 1\]"):
            replace(anything(), R=weights)


def test_a_picture_and_a_text_show_the_mean() -> None:
    game = TeamMeanFieldLQ(size=2, horizon=4)
    state = TeamState(np.array([[[1.0, 2.0], [3.0, 6.0]]]), np.array([3]))
    lines = game.text(state).splitlines()
    assert lines[0] == "step 3 of 4"
    assert [line.split() for line in lines[1:]] == [
        ["x_0", "mean", "2.000", "deviation", "1.000"],
        ["x_1", "mean", "4.000", "deviation", "2.000"],
    ]
    assert game.image(state).shape[2] == 3
    assert TeamMeanFieldLQ(size=1).image(TeamState(np.ones((1, 1, 2)), np.array([0]))).std() > 0


def test_the_shells_refuse_what_lies_beyond_the_limit() -> None:
    vector = Vector(TeamMeanFieldLQ(size=2, limit=1.5), 1)
    vector.reset(seed=0)
    with pytest.raises(ValueError, match="`action` must lie in the action space"):
        vector.step(np.full((1, 4, 1), 1.6))
