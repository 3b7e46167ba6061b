"""The scenarios of personal demonstrations, run small; their charts and measures."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from walras.agents.imitation.demonstrations import Demonstrations, collect, expert
from walras.agents.ppo.mappo import MAPPO
from walras.core import Scripted, fingerprint, rollout
from walras.core.typing import Floats
from walras.envs import CooperativeNavigation, GridWorld
from walras.scenarios import Source
from walras.scenarios.cooperation import base as cooperation
from walras.scenarios.cooperation.base import LEARNERS
from walras.scenarios.cooperation.charts import flights_chart, share_chart, visits_chart
from walras.scenarios.cooperation.door import Door
from walras.scenarios.cooperation.lava import Lava
from walras.scenarios.cooperation.navigation import Navigation
from walras.scenarios.engine.results import Results, load_results, tabulate
from walras.scenarios.engine.runner import run
from walras.scenarios.engine.scenario import methods_of
from walras.scenarios.report.charts import Plot
from walras.scenarios.report.page import headline, key_numbers, render

SMALL: dict[str, Any] = {"case": "b", "seeds": 2, "steps": 8192, "checkpoints": 2, "episodes": 10}
EPISODES = 5
UP, STAY = 3, 4


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Results:
    source = Source("door", SMALL | {"learners": ["pegmarl", "behaviour_cloning"]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cooperation, "EPISODES", EPISODES)
        return load_results(run(source, tmp_path_factory.mktemp("runs"), workers=1, progress=False))


def market(results: Results, measure: str) -> dict[str, list[float]]:
    return {name: part["market"][measure]["seeds"] for name, part in results.record["methods"].items()}


class TestRun:
    def test_all_are_compared_with_the_joint_optimum(self, door: Results) -> None:
        share = market(door, "share")
        assert list(share) == ["optimum", "naive_imitation", "pegmarl", "behaviour_cloning"]
        assert share["optimum"] == pytest.approx([1, 1])
        assert share["naive_imitation"] == pytest.approx([-90 / 8.65] * 2)
        assert market(door, "goal_rate")["optimum"] == [1, 1]
        assert market(door, "goal_rate")["naive_imitation"] == [0, 0]
        assert market(door, "collisions")["naive_imitation"] == [90, 90]
        assert door.record["equilibrium"]["value"] == {"agent_1": 8.65, "agent_2": 8.65}

    def test_the_gap_is_what_the_value_lacks(self, door: Results) -> None:
        for name, part in door.record["methods"].items():
            gap, value = (np.array(part["agents"][of]["agent_1"]["seeds"]) for of in ("gap", "reward"))
            np.testing.assert_allclose(gap, 8.65 - value, atol=1e-9)
            assert part["certificate"]["concept"] == "joint optimum", name

    def test_every_episode_of_the_evaluation_is_kept(self, door: Results) -> None:
        steps = door.steps
        optimum = steps[(steps["method"] == "optimum") & (steps["agent"] == "agent_1")]
        assert optimum.groupby(["seed", "episode"]).size().tolist() == [15] * 2 * EPISODES
        returns = optimum.groupby(["seed", "episode"])["reward"].sum()
        np.testing.assert_allclose(returns, 8.65)

    def test_seeds_have_episodes_of_their_own(self, door: Results) -> None:
        game = GridWorld.door("b")
        steps = door.steps[(door.steps["method"] == "naive_imitation") & (door.steps["seed"] == 1)]
        played = rollout(game, expert(game), range(EPISODES, 2 * EPISODES))
        first = tabulate(played, game.agents, row=0)
        recorded = steps[steps["episode"] == 0][["position_0", "position_1", "reward"]]
        np.testing.assert_array_equal(recorded, first[["position_0", "position_1", "reward"]])

    def test_learners_are_judged_at_each_checkpoint(self, door: Results) -> None:
        curves = {name: part["curve"] for name, part in door.record["methods"].items()}
        assert [point["steps"] for point in curves["pegmarl"]] == [0, 4096, 8192]
        assert [point["steps"] for point in curves["behaviour_cloning"]] == [0, 0]
        assert set(curves["pegmarl"][0]["share"]) == {"agent_1", "agent_2"}

    def test_the_report_speaks_of_the_optimum(self, door: Results) -> None:
        page = render(door, Door(**SMALL).charts()).split("<script")[0]
        assert "profit" not in page
        assert "deviat" not in page
        assert headline(door).startswith("With PegMARL, the largest suboptimality ")
        assert "; the return is " in headline(door)
        assert "% of the best found (joint optimum: 100)" in headline(door)
        assert key_numbers(door)[-1][0] == "Largest suboptimality"
        assert key_numbers(door)[-1][1].endswith("an episode")  # more than all is lacking: no share is told


class TestLearners:
    def test_fields_reach_the_learners(self) -> None:
        names = tuple(LEARNERS)
        scenario = Door(learners=names, eta=0.5, quality=0.7, episodes=3, steps=8192, checkpoints=2)
        learners: dict[str, Any] = {name: methods_of(scenario)[name].runs for name in names}
        assert [type(learner).__name__.lower() for learner in learners.values()] == [n.replace("_", "") for n in names]
        for name in set(names) - {"behaviour_cloning"}:
            assert (learners[name].steps, learners[name].checkpoints) == (8192, 2)
        assert {learners[name].eta for name in ("pegmarl", "pofd", "dm2")} == {0.5}
        for name in set(names) - {"mappo"}:
            shown = learners[name].demonstrations(scenario.game(), seed=1)
            assert fingerprint(shown) == fingerprint(collect(scenario.game(), 0.7, 3, 1))

    def test_learners_have_the_settings_of_the_paper(self) -> None:
        assert methods_of(Lava())["mappo"].runs == MAPPO.of_paper(steps=2_000_000)
        assert methods_of(Lava())["pegmarl"].title == "PegMARL"
        assert MAPPO.of_paper().steps_per_rollout == cooperation.ROLLOUT

    def test_demonstrations_of_seeds_differ(self) -> None:
        shown: list[Demonstrations] = [Lava(quality=0.5, episodes=2).demonstrations(seed) for seed in (0, 1)]
        assert shown[0].quality == (0.5, 0.5)
        assert len(shown[0].agent) != len(shown[1].agent)


def visited(heat: Plot) -> Floats:
    """What cells of the map of 5 x 10 show, which are bars around their centres."""
    share = np.zeros((5, 10))
    rows = np.array(heat.base) + np.array(heat.y) / 2
    np.testing.assert_allclose(rows, heat.customdata)
    share[rows.round().astype(int), np.array(heat.x)] = heat.marker.color
    return share


class TestCharts:
    def test_those_that_play_nothing_are_level(self, door: Results) -> None:
        figure: Any = share_chart(door)
        lines = {line.name: line for line in figure.data if line.showlegend is not False}
        assert list(lines)[2] == "PegMARL"
        assert list(lines["joint optimum: 100 %"].y) == pytest.approx([1, 1])
        assert list(lines["joint optimum: 100 %"].x) == [0, 8192]
        assert list(lines["PegMARL"].x) == [0, 4096, 8192]
        curve = door.record["methods"]["pegmarl"]["curve"]
        assert list(lines["PegMARL"].y) == [point["share"]["agent_1"]["mean"] for point in curve]
        assert figure.layout.yaxis.range[0] == pytest.approx(-0.65)
        assert "What lies below \N{MINUS SIGN}60 % is cut off" in figure.layout.meta["caption"]
        assert "no policy exceeds" not in figure.layout.meta["caption"]
        assert "The best found is the joint optimum." in figure.layout.meta["caption"]

    def test_bounds_that_do_not_meet_are_told(self, door: Results) -> None:
        equilibrium = {"value": {"agent_1": 8.0}, "residual": 2.0}
        apart = replace(door, record=door.record | {"equilibrium": equilibrium})
        figure: Any = share_chart(apart)
        assert "not proved best: no policy exceeds 125 %" in figure.layout.meta["caption"]
        assert "is the joint optimum" not in figure.layout.meta["caption"]

    def test_what_is_not_proved_best_is_not_called_the_optimum(self) -> None:
        titles = {type(each): methods_of(each)["optimum"].title for each in (Door(), Lava(), Navigation())}
        assert titles == {Door: "joint optimum", Lava: "joint optimum", Navigation: "best policy found"}

    def test_visits_are_shares_of_episodes(self, door: Results) -> None:
        game = GridWorld.door("b")
        figure: Any = visits_chart(game, lambda: collect(game, episodes=10), door)
        heats = [trace for trace in figure.data if trace.type == "bar" and trace.marker.cmax == 1]
        alone, optimum = heats[:2], heats[2:4]
        assert len(heats) == 2 + 2 * 4
        for agent, heat in enumerate((*alone, *optimum)):
            share = visited(heat)
            start, goal = game.grid.coordinates[[game.grid.start[agent % 2], game.grid.goal[agent % 2]]]
            assert share[tuple(start)] == share[tuple(goal)] == 1
            assert share.max() == 1
        assert visited(alone[1]).sum() == pytest.approx(5)  # agent 2's way has four steps

    def test_the_menu_shows_one_method(self, door: Results) -> None:
        game = GridWorld.door("b")
        figure: Any = visits_chart(game, lambda: collect(game, episodes=10), door)
        [menu] = figure.layout.updatemenus
        assert [button.label for button in menu.buttons] == [
            "joint optimum",
            "naive imitation",
            "PegMARL",
            "behaviour cloning",
        ]
        assert menu.active == 2
        always = len(figure.data) - 8
        for k, button in enumerate(menu.buttons):
            visible = np.flatnonzero(button.args[0]["visible"]).tolist()
            assert visible == [*range(always), always + 2 * k, always + 2 * k + 1]
        assert [trace.visible for trace in figure.data[always:]] == [False] * 4 + [True] * 2 + [False] * 2

    def test_flights_are_those_of_the_evaluation(self) -> None:
        game = Navigation().game()
        played = rollout(game, Scripted(game), range(3))
        tables = [tabulate(played, game.agents, row) for row in range(3)]
        steps = [table.assign(method="naive_imitation", seed=0, episode=k) for k, table in enumerate(tables)]
        summary = {
            "agents": list(game.agents),
            "methods": {"naive_imitation": {"title": "naive imitation", "role": "rule", "curve": []}},
        }
        results = Results({}, summary, Path("nowhere"))
        vars(results)["steps"] = pd.concat(steps)
        figure: Any = flights_chart(game, lambda: collect(game, episodes=2), results)
        flown = figure.data[-1]
        assert len(flown.x) == 3 * 51
        np.testing.assert_allclose(flown.x[:50], played.state.position[1:, 0, 1, 0], atol=5e-4)
        assert flown.x[50] is None
        assert figure.data[-2].visible
        assert "dot" in figure.layout.meta["caption"]


def test_navigation_leaves_out_what_no_policy_can_change() -> None:
    game, whole = Navigation().game(), CooperativeNavigation.with_wall(2)
    returns = [rollout(each, Scripted(each), [0]).total[0] for each in (game, whole)]
    np.testing.assert_allclose(returns[0] - returns[1], 100)
    assert Navigation(agents=3).game().agents == ("agent_0", "agent_1", "agent_2")
    assert Navigation().eta == 0.1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Lava(learners=("pegmral",)), "`learners` must be one of .*; got 'pegmral'. Did you mean 'pegmarl'"),
        (lambda: Lava(quality=1.5), r"`quality` must lie in \[0, 1\]; got 1.5"),
        (lambda: Door(eta=-0.1), r"`eta` must lie in \[0, 1\]; got -0.1"),
        (lambda: Lava(episodes=0), "`episodes` must be at least 1; got 0"),
        (lambda: Navigation(steps=8192), "`steps` must be at least 40960, 4096 a checkpoint; got 8192"),
        (lambda: Lava(agents=5), "`agents` must be 2, 3 or 4; got 5"),
        (lambda: Door(case="c"), "`case` must be one of a, b; got 'c'"),
    ],
)
def test_bad_fields_are_refused(make: Any, message: str) -> None:  # noqa: ANN401
    with pytest.raises(ValueError, match=message):
        make()
