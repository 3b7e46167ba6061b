from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from walras.core import Constant, Policy, Random, Scripted
from walras.core.game import Actions
from walras.core.policy import Affine, Profile
from walras.core.typing import Floats
from walras.envs import MeanFieldLimitLQ, RobustTeamLQ, TeamMeanFieldLQ
from walras.equilibria import solve
from walras.equilibria.teams.affine import (
    AffineControls,
    best_responses,
    controls,
    declared,
    exact_gap,
    members,
    one_each,
    stakes,
    upper_bound,
)
from walras.equilibria.teams.audit import lucks, play
from walras.equilibria.teams.team_mean_field import TeamGame, by_agent

LIMIT, TEAMS, ROBUST = MeanFieldLimitLQ(), TeamMeanFieldLQ(), RobustTeamLQ()
SMALL = [TeamMeanFieldLQ.mild(3), TeamMeanFieldLQ.unstable(4, 2), LIMIT, RobustTeamLQ(size=3, horizon=2)]
ENDS = [0, -1]  # an agent of the first team, and one of the last


def law_of(game: TeamGame, policy: Policy) -> AffineControls:
    law = declared(game, policy)
    assert law is not None
    return controls(game, law)


def random_law(game: TeamGame, rng: np.random.Generator, scale: float = 0.3) -> AffineControls:
    """Gains of each team, with an offset and noise of each agent."""
    agents, size = len(game.agents), game.action_space.shape[0]
    seen, stages = game.observation_space.shape[0] - 1, game.horizon
    teams = len(set(by_agent(game, np.arange(2)).tolist()))
    gains = by_agent(game, scale * np.moveaxis(rng.normal(size=(stages, teams, size, seen)), 1, -1))
    spread = scale * rng.normal(size=(stages, agents, size, size))
    offsets = scale * rng.normal(size=(stages, agents, size))
    return AffineControls(np.moveaxis(gains, -1, 1), offsets, spread @ np.swapaxes(spread, 2, 3))


def with_column(game: TeamGame, law: AffineControls, deviation: AffineControls, team: int) -> AffineControls:
    laws = [deviation if k == team else law for k in range(2)]
    return one_each(game, laws)


# Recorded values: spec/gap.md, sections 3 (b) and 7


@pytest.mark.parametrize(
    ("game", "kind", "gain"),
    [
        (LIMIT, Random, (535.352237, 557.932098)),
        (LIMIT, Scripted, (4.217038, 5.445696)),
        (TEAMS, Scripted, (4.2321, 5.4496)),
        (ROBUST, Scripted, (2.5275, 0.89956)),
    ],
)
def test_recorded_gaps(game: TeamGame, kind: type[Random | Scripted], gain: Sequence[float]) -> None:
    found, _ = exact_gap(game, law_of(game, kind(game)))
    assert found.shape == (len(game.agents),)
    assert found[ENDS] == pytest.approx(gain, abs=5e-5)


def test_recorded_stakes_and_bounds() -> None:
    assert stakes(LIMIT) == pytest.approx([3.792927, 5.068981], abs=1e-6)
    assert stakes(TEAMS)[ENDS] == pytest.approx([3.79, 5.05], abs=0.02)
    assert stakes(ROBUST)[0] == pytest.approx(2.87, abs=0.01)
    assert upper_bound(LIMIT) == pytest.approx([-5.92869, -6.31691], abs=1e-5)
    assert (upper_bound(ROBUST) == np.inf).all()


@pytest.mark.parametrize("game", [LIMIT, TEAMS, ROBUST, *SMALL])
def test_the_equilibrium_has_no_gap(game: TeamGame) -> None:
    solution = solve(game)
    gain, value = exact_gap(game, law_of(game, solution.policy))
    assert (gain <= 1e-15 * np.abs(value)).all()
    np.testing.assert_allclose(value, solution.value, rtol=1e-12)


# Declarations


@pytest.mark.parametrize("game", SMALL)
def test_what_policies_declare_is_what_they_do(game: TeamGame) -> None:
    (luck,) = lucks(game, [1], 40, 1)
    constant = Constant(np.random.default_rng(0).uniform(-1, 1, (len(game.agents), *game.action_space.shape)))
    solved = solve(game).policy
    for policy in (Scripted(game), constant, solved, Profile(dict.fromkeys(game.agents, solved))):
        seen, again = play(game, policy, luck), play(game, law_of(game, policy), luck)
        np.testing.assert_allclose(again.action, seen.action, atol=1e-12)


def test_noise_is_declared_by_its_covariance() -> None:
    gains, offsets, covariance = law_of(LIMIT, Random(LIMIT)).affine(0)
    assert (np.abs(gains).max(), np.abs(offsets).max()) == (0, 0)
    np.testing.assert_allclose(covariance, np.broadcast_to(np.eye(2) * 20**2 / 12, (2, 2, 2)))


def test_an_affine_law_draws_noise_of_its_covariance() -> None:
    law = random_law(LIMIT, np.random.default_rng(0), 1.0)
    observation = np.zeros((40_000, 2, 5))
    drawn = law.act(observation, np.random.default_rng(1))
    for agent in range(2):
        np.testing.assert_allclose(np.cov(drawn[:, agent].T), law.covariances[0, agent], rtol=0.05, atol=0.02)
    np.testing.assert_allclose(drawn.mean(axis=0), law.offsets[0], atol=0.05)


def test_what_declares_nothing() -> None:
    class Square:
        def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
            return observation[..., :2] ** 2

    solved = solve(LIMIT).policy
    assert isinstance(solved, Affine)
    assert declared(LIMIT, Square()) is None
    assert declared(LIMIT, Profile({"team_0": solved, "team_1": Square()})) is None
    mixed = law_of(LIMIT, Profile({"team_0": solved, "team_1": Scripted(LIMIT)}))
    np.testing.assert_array_equal(mixed.gains[:, 0], law_of(LIMIT, solved).gains[:, 0])
    assert not mixed.gains[:, 1].any()


def test_declarations_that_fit_no_game_are_refused() -> None:
    law = law_of(TEAMS, solve(TEAMS).policy)
    with pytest.raises(ValueError, match=r"`affine` must return an array of shape \(2, 2, 4\); got \(2, 1, 4\)"):
        controls(LIMIT, AffineControls(law.gains[:, ::32], law.offsets[:, ::32], law.covariances[:, ::32]))
    with pytest.raises(ValueError, match="`affine` must have a divisor of 64 entries; got 3"):
        controls(TEAMS, AffineControls(law.gains[:, :3], law.offsets[:, :3], law.covariances[:, :3]))
    with pytest.raises(ValueError, match="`affine` must hold finite numbers"):
        controls(TEAMS, AffineControls(law.gains, law.offsets * np.nan, law.covariances))
    apart = law.gains.copy()
    apart[2, 5] *= 1.001
    with pytest.raises(ValueError, match="`affine` must have the same gains for all agents of a team"):
        exact_gap(TEAMS, AffineControls(apart, law.offsets, law.covariances))


# Values, gains and bounds, by other roads


@pytest.mark.parametrize("game", SMALL)
def test_values_are_the_means_of_play(game: TeamGame) -> None:
    law = random_law(game, np.random.default_rng(2), 0.2)
    _, value = exact_gap(game, law)
    total = play(game, law, lucks(game, [5], 40_000, 1)[0]).total
    assert (np.abs(total.mean(axis=0) - value) < 3.5 * total.std(axis=0) / np.sqrt(len(total))).all()


@pytest.mark.parametrize("game", SMALL)
def test_best_responses_earn_the_gain(game: TeamGame) -> None:
    law = random_law(game, np.random.default_rng(3), 0.05 if isinstance(game, RobustTeamLQ) else 0.2)
    gain, value = exact_gap(game, law)
    answer = best_responses(game, law)
    for team in range(2):
        own = members(game, team)
        left, earned = exact_gap(game, with_column(game, law, answer, team))
        assert np.isfinite(gain).all()
        np.testing.assert_allclose((earned - value)[own], gain[own], rtol=1e-9)
        assert left[own] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("game", SMALL)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_deviation_gains_more_and_nothing_exceeds_the_bound(game: TeamGame, seed: int) -> None:
    rng = np.random.default_rng(seed)
    law, other = random_law(game, rng), random_law(game, rng, 0.5)
    gain, value = exact_gap(game, law)
    assert (gain >= 0).all()
    assert (value + gain <= upper_bound(game) + 1e-9 * np.abs(value)).all()
    for team in range(2):
        own = members(game, team)
        _, earned = exact_gap(game, with_column(game, law, other, team))
        assert ((earned - value)[own] <= gain[own] * (1 + 1e-9)).all()


def test_a_response_without_bound_gains_without_bound() -> None:
    game = RobustTeamLQ.unstable(horizon=4, size=2)
    law = law_of(game, Scripted(game))
    gain, _ = exact_gap(game, law)
    assert gain[ENDS].tolist() == [pytest.approx(gain[0]), np.inf]
    answer = best_responses(game, law)
    _, before = exact_gap(game, law)
    _, after = exact_gap(game, with_column(game, law, answer, 1))
    assert after[-1] > before[-1]


def test_the_bound_is_what_teams_of_one_interest_attain() -> None:
    one = TeamMeanFieldLQ.mild(4)
    both = {name: np.stack([getattr(one, name)[0]] * 2) for name in ("Q", "Q_mean")}
    both |= {name: np.ones((2, 2, 1, 1)) for name in ("R", "R_mean")}
    game = replace(one, **both)
    np.testing.assert_allclose(solve(game).value, upper_bound(game), rtol=1e-9)
