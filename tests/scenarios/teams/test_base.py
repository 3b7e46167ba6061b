"""The scenarios of teams, run small."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from walras.agents.teams import mrpg
from walras.envs import TeamMeanFieldLQ
from walras.equilibria import gap, solve
from walras.scenarios import Source
from walras.scenarios.engine.results import Results, load_results
from walras.scenarios.engine.runner import run
from walras.scenarios.teams import base as teams
from walras.scenarios.teams.robust_team import RobustTeam
from walras.scenarios.teams.team_competition import TeamCompetition

COMPETITION: dict[str, Any] = {"seeds": 1, "samples": 50, "steps": 2048, "checkpoints": 2, "iterations": 60}
ROBUST: dict[str, Any] = {"seeds": 1, "samples": 50, "checkpoints": 2}


@pytest.fixture(scope="module")
def competition(tmp_path_factory: pytest.TempPathFactory) -> Results:
    source = Source("team_competition", COMPETITION)
    return load_results(run(source, tmp_path_factory.mktemp("runs"), workers=1, progress=False))


@pytest.fixture(scope="module")
def robust(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return load_results(run(Source("robust_team", ROBUST), tmp_path_factory.mktemp("runs"), workers=1, progress=False))


def test_learners_approach_the_equilibrium(competition: Results) -> None:
    found = competition.record["methods"]
    assert [point["updates"] for point in found["mrpg"]["curve"]] == [0, 150, 300]
    assert [point["steps"] for point in found["mrpg"]["curve"]] == [0, 0, 0]
    assert [point["steps"] for point in found["mrpg_sampled"]["curve"]] == [0, 54_000, 180_000]
    assert [point["steps"] for point in found["ppo"]["curve"]] == [0, 1024, 2048]
    for name in ("mrpg", "natural_gradient", "policy_gradient"):
        distance = [point["distance"]["team_0"]["mean"] for point in found[name]["curve"]]
        assert distance[0] > distance[1] >= distance[2]
        assert distance[2] < (1e-6 if name != "policy_gradient" else 1e-3)
    assert found["mrpg"]["agents"]["gap"]["team_1"]["mean"] < 1e-12
    assert found["no_control"]["agents"]["relative_gap"]["team_0"]["mean"] > 0.3
    assert found["ppo"]["curve"][-1]["distance"]["team_0"]["mean"] > 0.1
    value = competition.record["equilibrium"]["value"]
    np.testing.assert_allclose(list(value.values()), [-6.465313 / 5, -6.815987 / 5], atol=1e-6)


def test_a_checkpoint_is_the_learners_policy(competition: Results) -> None:
    game = TeamCompetition().game()
    trained = mrpg.train(game, iterations=60)
    judged = gap(game, trained.policy)
    last = competition.record["methods"]["mrpg"]["curve"][-1]["reward"]
    np.testing.assert_allclose([last[team]["mean"] for team in game.agents], judged.value / game.horizon)


def test_the_regulator_pays_for_what_it_does_not_expect(robust: Results) -> None:
    found = robust.record["methods"]
    cost = {name: -part["agents"]["reward"]["team_0"]["mean"] for name, part in found.items()}
    assert cost["saddle_point_undisturbed"] < cost["saddle_point"] < cost["regulator_at_its_worst"] < cost["no_control"]
    assert cost["regulator_undisturbed"] < cost["saddle_point_undisturbed"]
    assert found["rgda"]["curve"][-1]["distance"]["team_0"]["mean"] < 1e-2
    assert found["whole_horizon"]["curve"][-1]["distance"]["team_0"]["mean"] > 50
    assert found["regulator_at_its_worst"]["agents"]["gap"]["team_1"]["mean"] < 1e-9


def test_the_size_chart_has_the_slope_of_one_over_m(competition: Results) -> None:
    chart: Any = TeamCompetition().charts()["Gap against team size"](competition)
    assert [line.x[0] for line in chart.data] == [4, 4]
    assert [line.x[-1] for line in chart.data] == [4096, 4096]
    assert [line.y[0] for line in chart.data] == pytest.approx([0.008735 / 4, 0.019223 / 4], rel=1e-3)
    slope, low, high = teams.fitted_slope(teams.SIZES, np.array(chart.data[0].y))
    assert low <= slope <= high
    assert slope == pytest.approx(-1, abs=1e-9)


def test_the_slope_of_noisy_points_has_its_interval() -> None:
    x = np.array([1.0, 2.0, 4.0, 8.0])
    slope, low, high = teams.fitted_slope(x, 3 / x**2 * np.array([1.1, 0.9, 1.1, 0.9]))
    assert low < -2 < high
    assert low < slope < high
    assert high - low > 0.1


def test_the_report_speaks_of_costs(competition: Results, robust: Results) -> None:
    from walras.scenarios.report.page import render

    for results, scenario in ((competition, TeamCompetition()), (robust, RobustTeam())):
        page = render(results, scenario.charts())
        assert "EUR" not in page.split("<script")[0]
        assert "inus the" in page


def test_an_unknown_dynamics_is_refused() -> None:
    for kind in (TeamCompetition, RobustTeam):
        with pytest.raises(ValueError, match="`dynamics` must be one of mild, unstable; got 'wild'"):
            kind(dynamics="wild")


def test_the_scenario_plays_the_limit(tmp_path: Path) -> None:
    game = TeamCompetition(dynamics="unstable", horizon=3).game()
    assert game.agents == ("team_0", "team_1")
    finite = TeamMeanFieldLQ.unstable(horizon=3)
    np.testing.assert_allclose(solve(game).value, solve(finite.limit_game()).value)
