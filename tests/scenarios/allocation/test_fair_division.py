"""The scenarios whose methods are rules of the game, run small."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from walras.core import Scripted, rollout
from walras.envs import ResourceAllocation
from walras.equilibria import Budget, gap
from walras.mechanisms import EqualSplit, FitSettings, ProportionalFairness, RPFNet, Types, fit
from walras.scenarios import Source
from walras.scenarios.allocation import measures
from walras.scenarios.allocation.fair_division import FairDivision
from walras.scenarios.allocation.pareto import pareto
from walras.scenarios.engine import cells
from walras.scenarios.engine.cells import EPISODES
from walras.scenarios.engine.results import Results, load_results
from walras.scenarios.engine.runner import run

SMALL: dict[str, Any] = {"seeds": 2, "steps": 2, "profiles": 1, "surcharges": [1.0], "targets": [0.05]}
JUDGED = Budget(samples=4, frames=200_000)


@pytest.fixture(scope="module")
def fair_division(tmp_path_factory: pytest.TempPathFactory) -> Results:
    root = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "JUDGED", JUDGED)
        return load_results(run(Source("fair_division", SMALL), root, workers=1, progress=False))


def test_each_method_is_judged_under_its_own_rule(fair_division: Results) -> None:
    found = fair_division.record["methods"]
    game = ResourceAllocation(ProportionalFairness(), misreports="values+demands", horizon=SMALL["profiles"])
    for name, rule in (("proportional_fairness", ProportionalFairness()), ("equal_split", EqualSplit())):
        own = ResourceAllocation(rule, misreports="values+demands", horizon=SMALL["profiles"])
        for seed in range(2):
            trajectory = rollout(own, Scripted(own), [seed])
            expected = measures.nash_welfare(own, trajectory)
            assert found[name]["market"]["nash_welfare"]["seeds"][seed] == pytest.approx(expected)
    judged = gap(game, Scripted(game), seeds=range(EPISODES, 2 * EPISODES), budget=JUDGED)
    gains = [found["proportional_fairness"]["agents"]["gap"][agent]["seeds"][1] for agent in game.agents]
    assert gains == pytest.approx((judged.estimate / game.horizon).tolist())
    lies = [part["mean"] for part in found["proportional_fairness"]["agents"]["exploitability"].values()]
    assert min(lies) > max(gains)  # whoever knows all reports gains more than who knows its own type alone
    for part in found["equal_split"]["agents"]["gap"].values():
        assert part["mean"] == pytest.approx(0, abs=1e-9)


def test_a_learned_rule_is_the_one_that_its_seed_trains(fair_division: Results) -> None:
    settings = FitSettings(steps=2, misreports="values+demands")
    rule = fit(RPFNet(), Types(3, 2), settings, seed=1, progress=False).mechanism
    game = ResourceAllocation(rule, misreports="values+demands", horizon=SMALL["profiles"])
    expected = measures.nash_welfare(game, rollout(game, Scripted(game), [1]))
    found = fair_division.record["methods"]["RPF_Net_0.05"]["market"]["nash_welfare"]["seeds"][1]
    assert found == pytest.approx(expected, rel=1e-6)


def test_the_pareto_chart_places_what_was_measured(fair_division: Results) -> None:
    chart = FairDivision(surcharges=(1.0,)).charts()["Nash welfare against exploitability"]
    figure: Any = chart(fair_division)
    places = {text: (x, y) for line in figure.data for text, x, y in zip(line.text, line.x, line.y, strict=True)}
    assert places["proportional fairness"][1] == pytest.approx(100)
    assert places["equal split"][0] == pytest.approx(0, abs=1e-6)
    names = [line.name for line in figure.data]
    others = [part["title"] for part in fair_division.record["methods"].values() if part["title"] != "surcharge 1"]
    assert names == ["constant surcharge", *others]
    assert not [line for line in figure.data if "text" in line.mode]  # labels of near points would overlap
    assert len(places) == len(fair_division.record["methods"])
    largest = max(y for _, y in places.values())
    assert largest == pytest.approx(100)


def test_the_pareto_chart_needs_a_reference(fair_division: Results) -> None:
    others = {k: v for k, v in fair_division.record["methods"].items() if k != "proportional_fairness"}
    without = replace(fair_division, record={**fair_division.record, "methods": others})
    with pytest.raises(ValueError, match=r"`results.record` must hold a reference"):
        pareto(without)


@pytest.mark.slow
def test_the_shift_meets_the_values_that_are_said(tmp_path: Path) -> None:
    small = {"seeds": 1, "steps": 1, "profiles": 2, "untruthful": [0.5], "shape": [5.0, 1.0], "correlation": 0.9}
    found = load_results(run(Source("fair_division_shift", small), tmp_path, workers=1, progress=False))
    assert set(found.record["methods"]) == {
        "proportional_fairness", "surcharge_1", "RPF_Net_elsewhere", "RPF_Net_here", "RPF_Net_lies_0.5",
        "ExS_Net_elsewhere", "ExS_Net_here",
    }  # fmt: skip
    game = Source("fair_division_shift", small).load().evaluation()
    values = rollout(game, Scripted(game), range(50)).state.values
    assert values.mean() == pytest.approx(0.1 + 0.9 * 5 / 6, abs=0.03)
    assert np.corrcoef(values[..., 0, 0].ravel(), values[..., 1, 0].ravel())[0, 1] > 0.7
