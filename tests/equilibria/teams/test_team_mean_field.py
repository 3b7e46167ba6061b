from collections.abc import Callable

import numpy as np
import pytest

from walras.core import Constant, Policy, Random, Scripted, rollout
from walras.core.concept import Concept
from walras.core.game import Actions
from walras.core.policy import Affine
from walras.core.solution import SolverError
from walras.core.typing import Floats
from walras.envs import MeanFieldLimitLQ, RobustTeamLQ, TeamMeanFieldLQ
from walras.equilibria import Kind, gap, solve
from walras.equilibria.teams.linear_quadratic import expected_cost
from walras.equilibria.teams.team_mean_field import (
    TeamEquilibrium,
    TeamGame,
    affine_gains,
    deviation_part,
    disturbed,
    feedback,
    limit_mean_gap,
    mean_part,
    moments,
)

MILD, UNSTABLE = TeamMeanFieldLQ.mild, TeamMeanFieldLQ.unstable


def solved(game: TeamGame) -> TeamEquilibrium:
    found = solve(game)
    assert isinstance(found, TeamEquilibrium)
    return found


# Recorded values


@pytest.mark.parametrize(
    ("game", "value", "parts", "gains", "condition"),
    [
        (
            MILD(),
            (6.465313, 6.815987),
            ((3.566902, 3.818318), (2.898411, 2.997669)),
            (
                ([0.351044, -0.064094], [-0.060721, 0.370546]),
                ([0.619461, -0.123891], [-0.118218, 0.695924]),
                ([0.325112, -0.129988], [-0.125797, 0.335467]),
                ([0.581608, -0.161052], [-0.155775, 0.623118]),
            ),
            1.174,
        ),
        (
            UNSTABLE(),
            (6.051469, 5.790522),
            ((3.347290, 3.205204), (2.704179, 2.585318)),
            (
                ([0.598743, -0.077795], [-0.108547, 0.567991]),
                ([0.830982, -0.128228], [-0.179786, 0.764365]),
                ([0.516942, -0.120397], [-0.149367, 0.487972]),
                ([0.765994, -0.107325], [-0.157095, 0.700994]),
            ),
            1.211,
        ),
    ],
)
def test_recorded_equilibria(
    game: TeamMeanFieldLQ, value: tuple[float, float], parts: object, gains: object, condition: float
) -> None:
    limit = game.limit_game()
    found = solved(limit)
    np.testing.assert_allclose(-found.value, value, atol=1e-6)
    np.testing.assert_allclose([found.deviation[4], found.deviation[0], found.mean[4], found.mean[0]], gains, atol=1e-6)
    assert found.condition == pytest.approx(condition, abs=1e-3)
    assert found.residual < 1e-12
    assert found.concept is Concept.NASH
    of_parts = [
        expected_cost(_costs(part, k), *m)
        for part, k, m in zip(
            (deviation_part(limit), mean_part(limit)), (found.deviation, found.mean), moments(limit), strict=True
        )
    ]
    np.testing.assert_allclose(of_parts, parts, atol=1e-6)


def _costs(part: object, gains: Floats) -> Floats:
    from walras.equilibria.teams.linear_quadratic import LinearQuadratic, cost_matrices

    assert isinstance(part, LinearQuadratic)
    return cost_matrices(part, gains)


@pytest.mark.parametrize(("kind", "c"), [(MILD, (0.008735, 0.019223)), (UNSTABLE, (0.020898, 0.019891))])
def test_taking_the_limits_mean_costs_c_over_m(kind: object, c: tuple[float, float]) -> None:
    for size in (10, 100, 1000):
        game = MILD(size) if kind == MILD else UNSTABLE(5, size)
        assert limit_mean_gap(game, solved(game).deviation) * size == pytest.approx(c, abs=1e-6)


def test_robust_teams_play_the_saddle_point() -> None:
    found = solved(RobustTeamLQ.unstable(size=1000))
    assert -found.value[0] == pytest.approx(3.775381, abs=1e-3)
    assert found.value[-1] == pytest.approx(-found.value[0])
    np.testing.assert_allclose(found.deviation[2, :2], [[0.780732, 0.079553], [0.126422, 0.748664]], atol=1e-6)
    np.testing.assert_allclose(-found.deviation[2, 2:], [[0.086748, 0.008839], [-0.003303, 0.081417]], atol=1e-6)


def test_an_attenuation_level_too_small_is_told_with_its_eigenvalue() -> None:
    with pytest.raises(SolverError, match=r"`level` must have a square above 1, the largest eigenvalue"):
        solve(RobustTeamLQ(attenuation=0.9))
    assert len(disturbed(RobustTeamLQ())) == 2


# What is played


@pytest.mark.parametrize("game", [MILD(8), MILD(8).limit_game(), UNSTABLE(5, 3), RobustTeamLQ.unstable(size=4)])
def test_values_are_the_means_of_play(game: TeamGame) -> None:
    found = solved(game)
    total = rollout(game, found.policy, range(4000)).reward.sum(axis=0)
    error = total.std(axis=0) / np.sqrt(len(total))
    assert (np.abs(total.mean(axis=0) - found.value) < 4 * error).all()


def test_the_limit_is_the_mean_of_many_agents() -> None:
    # Under the same common noise, ten thousand agents pay on average what the limit expects of the generic one.
    game = MILD(10_000)
    found, episodes = solved(game), range(6)
    many = rollout(game, found.policy, episodes).reward.sum(axis=0)[:, [0, -1]]
    z = np.stack([_means(game, found, seed) for seed in episodes])
    spread = expected_cost(_costs(deviation_part(game), found.deviation), *moments(game.limit_game())[0])
    matrices = game.matrices
    paid = np.zeros((len(z), 2))
    for t in range(game.horizon):
        u = -z[:, t] @ found.mean[t].T
        paid += np.einsum("bn,inm,bm->bi", z[:, t], matrices.Q_mean, z[:, t])
        paid += np.einsum("bp,ipq,bq->bi", u, matrices.R_mean, u)
    paid += np.einsum("bn,inm,bm->bi", z[:, -1], matrices.Q_mean_end, z[:, -1])
    np.testing.assert_allclose(-many, paid + spread, rtol=0.03)


def _means(game: TeamMeanFieldLQ, found: TeamEquilibrium, seed: int) -> Floats:
    """The limit's mean under the noise of the episode, ``[T + 1, n]``."""
    noise = game.noise(np.random.default_rng(seed), game.horizon + 1)
    trajectory = rollout(game, found.policy, [seed])
    start = trajectory.state.x[0, 0].mean(axis=0)
    z = [start]
    for t in range(game.horizon):
        own = game.spread.common_noise @ noise[t + 1, 0]
        m = game.matrices
        z.append((m.A + m.A_mean - (m.B + m.B_mean) @ found.mean[t]) @ z[-1] + own)
    return np.stack(z)


@pytest.mark.parametrize("game", [MILD(4), UNSTABLE(5, 4).limit_game(), RobustTeamLQ.mild(size=4)])
def test_the_equilibrium_has_no_gap(game: TeamGame) -> None:
    found = solved(game)
    judged = gap(game, found.policy)
    assert judged.kind is Kind.EXACT
    assert judged.upper.max() < 1e-12
    np.testing.assert_allclose(judged.value, found.value)


@pytest.mark.parametrize("game", [MILD(3), MILD().limit_game(), UNSTABLE(5, 2)])
def test_the_gap_is_what_the_best_response_earns(game: TeamGame) -> None:
    # Team 0 answers gains that are not in equilibrium; the answer, played, earns the gap and has none left.
    rng = np.random.default_rng(0)
    k, bar = (0.2 * rng.normal(size=solved(game).deviation.shape) for _ in range(2))
    before = gap(game, feedback(game, k, bar))
    from walras.equilibria.teams.linear_quadratic import best_response

    answer = [best_response(part(game), gains, 0)[0] for part, gains in ((deviation_part, k), (mean_part, bar))]
    k[:, :1], bar[:, :1] = answer
    after = gap(game, feedback(game, k, bar))
    assert before.kind is after.kind is Kind.EXACT
    assert after.upper[0] < 1e-12 < before.lower[0]
    assert after.value[0] - before.value[0] == pytest.approx(before.lower[0], rel=1e-9)


class Shifted:
    """Feedback with an offset, which no best response keeps."""

    def __init__(self, game: TeamGame, offset: float) -> None:
        self.inner, self.offset = solved(game).policy, offset

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        action = self.inner.act(observation, rng)
        action[:, : action.shape[1] // 2] += self.offset
        return action


def test_an_offset_is_seen() -> None:
    game = MILD(5)
    judged = gap(game, Shifted(game, 0.3))
    assert judged.kind is Kind.STATISTICAL  # it declares nothing
    found = rollout(game, Shifted(game, 0.3), range(4000)).total
    np.testing.assert_allclose(judged.value, found.mean(axis=0), rtol=0.03)
    assert judged.lower[0] > 0.05 * game.horizon
    assert affine_gains(game, Shifted(game, 0.3))[:, 1, -1] == pytest.approx(-0.3)


def test_a_disturbance_without_bound_has_an_infinite_gap() -> None:
    game = RobustTeamLQ.unstable(horizon=4, size=2)
    judged = gap(game, Scripted(game))
    assert judged.kind is Kind.BOUNDS
    assert np.isinf(judged.upper[-1])
    assert np.isfinite(judged.lower[-1])
    assert judged.lower[-1] > 0
    assert np.isfinite(judged.upper[0])


class Square:
    """Not affine in anything."""

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        return observation[..., :1] ** 2


def test_what_is_not_affine_is_judged_in_play() -> None:
    game = MILD(2)
    for policy in (Square(), Constant(np.arange(4.0)[:, None])):
        judged = gap(game, policy)
        assert judged.lower.max() > 0
        assert (judged.lower <= judged.upper).all()
    assert gap(game, Square()).kind is Kind.STATISTICAL


class Altered:
    """The equilibrium, altered after a step or for some agents; it declares what the equilibrium does."""

    def __init__(self, game: TeamGame, alter: Callable[[Actions, Floats], Actions]) -> None:
        self.inner, self.alter = solved(game).policy, alter

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        return self.alter(self.inner.act(observation, rng), observation)

    def affine(self, t: int) -> tuple[Floats, Floats, Floats]:
        assert isinstance(self.inner, Affine)
        return self.inner.affine(t)


ALTERED: dict[str, Callable[[Actions, Floats], Actions]] = {
    "agents in another order": lambda action, seen: action[:, ::-1],
    "copies of the first agent": lambda action, seen: np.repeat(action[:, :1], action.shape[1], axis=1),
    "clipped": lambda action, seen: np.clip(action, -0.2, 0.2),
    "a dead zone": lambda action, seen: np.where(np.abs(action) < 0.1, 0.0, action),
    "another at the last step": lambda action, seen: np.where(seen[:, :, -1:] < 0.25, 0.0, action),
    "a network of tanh": lambda action, seen: action + 0.1 * np.tanh(3 * seen[..., : action.shape[-1]]),
}


@pytest.mark.parametrize("alter", ALTERED)
@pytest.mark.parametrize("game", [MILD(4), MeanFieldLimitLQ()])
def test_a_declaration_that_is_not_kept_certifies_nothing(game: TeamGame, alter: str) -> None:
    judged = gap(game, Altered(game, ALTERED[alter]))
    assert judged.kind is Kind.STATISTICAL
    assert "the declaration is not kept" in judged.method[0]
    assert judged.upper.min() > 0.01


class Alternating:
    """The equilibrium at every second call, idle at the others."""

    def __init__(self, game: TeamGame) -> None:
        self.inner, self.calls = solved(game).policy, 0

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        self.calls += 1
        return self.inner.act(observation, rng) * (self.calls % 2)


def test_a_policy_that_counts_its_calls_is_not_certified() -> None:
    judged = gap(MeanFieldLimitLQ(), Alternating(MeanFieldLimitLQ()))
    assert judged.kind is Kind.STATISTICAL
    assert judged.lower.min() > 0


def test_tanh_beside_the_equilibrium_lies_within_its_recorded_interval() -> None:
    game = MeanFieldLimitLQ()
    judged = gap(game, Altered(game, lambda action, seen: action))
    assert judged.kind is Kind.EXACT  # the declaration is kept
    assert judged.upper.max() < 1e-12


@pytest.mark.parametrize(
    ("game", "solution", "scripted"),
    [(MeanFieldLimitLQ(), 0.0, (4.217038, 5.445696)), (RobustTeamLQ(), 0.0, (2.5275, 0.89955))],
)
def test_recorded_gaps(game: TeamGame, solution: float, scripted: tuple[float, float]) -> None:
    found = solved(game)
    assert found.residual == pytest.approx(solution, abs=1e-12)
    judged = gap(game, Scripted(game), concept=found.concept)
    assert judged.kind is Kind.EXACT
    np.testing.assert_allclose(judged.lower[[0, -1]], scripted, atol=5e-5)
    assert judged.players[0] == tuple(range(len(game.agents) // 2))


def test_even_draws_are_judged_exactly_and_in_play_alike() -> None:
    game = MeanFieldLimitLQ()
    exact, played = gap(game, Random(game)), gap(game, Undeclared(Random(game)))
    assert (exact.kind, played.kind) == (Kind.EXACT, Kind.STATISTICAL)
    np.testing.assert_allclose(exact.lower, (535.352237, 557.932098), atol=1e-5)
    assert (played.lower <= exact.upper * 1.02).all()
    assert (played.upper >= exact.lower * 0.98).all()
    assert (played.estimate > 0.95 * exact.lower).all()


class Undeclared:
    def __init__(self, inner: Policy) -> None:
        self.inner = inner

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        return self.inner.act(observation, rng)


def test_the_limit_has_no_size() -> None:
    assert isinstance(MILD(3).limit_game(), MeanFieldLimitLQ)
    np.testing.assert_allclose(solved(MILD(3)).deviation, solved(MILD(300)).deviation)
    limit, sizes = solved(MILD().limit_game()).value[0], np.array([10, 100, 1000])
    lost = np.array([solved(MILD(int(size))).value[0] for size in sizes]) - limit
    np.testing.assert_allclose(lost * sizes, lost[0] * 10)
