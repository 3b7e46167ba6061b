"""What reports say of every registered scenario, over made-up results of every kind."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.scenarios.conftest import brief
from walras.equilibria.certificate import Kind
from walras.scenarios.engine.catalogue import SCENARIOS, find_scenario
from walras.scenarios.engine.results import Results
from walras.scenarios.engine.scenario import STAKE, AbstractScenario, Method, methods_of
from walras.scenarios.engine.statistics import summarised
from walras.scenarios.engine.summary import _measures
from walras.scenarios.report.tables import verdicts
from walras.scenarios.report.words import headline, key_numbers

VERBS = {Kind.EXACT: "is", Kind.BOUNDS: "is at most", Kind.STATISTICAL: "is at most", Kind.LOWER: "that was found is"}
NOTES = {Kind.EXACT: "exact", Kind.BOUNDS: "proved", Kind.STATISTICAL: "95 % confidence",
         Kind.LOWER: "more is not excluded"}  # fmt: skip
TIMES = "\N{MULTIPLICATION SIGN}"
ENDS = {Kind.EXACT: "", Kind.BOUNDS: "_upper", Kind.STATISTICAL: "_upper", Kind.LOWER: ""}


SHOWN = {Kind.EXACT: "20.0 %", Kind.BOUNDS: "≤ 30.0 %", Kind.STATISTICAL: "≤ 30.0 %", Kind.LOWER: "≥ 20.0 %"}


@pytest.fixture(
    scope="module", params=[name for name in SCENARIOS if issubclass(find_scenario(name), AbstractScenario)]
)
def scenario(request: pytest.FixtureRequest) -> AbstractScenario:
    return brief(request.param)


@cache
def parts_of(scenario: AbstractScenario) -> tuple[tuple[str, ...], dict[str, Method], dict[str, dict[str, str]]]:
    """The scenario's agents, methods and words, which may ask for its solution."""
    return scenario.evaluation().agents, methods_of(scenario), _measures(scenario)


def made_up_of(scenario: AbstractScenario, kind: Kind, share: float) -> Results:
    """Results of the scenario in which the last agent of each method has the largest gap, this share of the whole."""
    agents, methods, measures = parts_of(scenario)
    each = np.linspace(0.5, 1, len(agents)) if len(agents) > 1 else np.ones(1)

    def told(scale: float) -> dict[str, Any]:
        return {agent: summarised([scale * part] * 2) for agent, part in zip(agents, each, strict=True)}

    gaps = {"gap": 100 * share, "relative_gap": share, "gap_upper": 150 * share, "relative_gap_upper": 1.5 * share}
    own = {name: 0.25 for name in scenario.agent_measures()}
    certificate = {"kind": kind, "concept": scenario.concept().value, "certifies": "", "confidence": 0.95}
    part = {
        "certificate": certificate,
        "agents": {name: told(value) for name, value in ({"reward": 80.0} | gaps | own).items()},
        "market": {name: summarised([0.5, 0.5]) for name in scenario.market_measures()},
        "curve": [],
    }
    record = {
        "agents": list(agents),
        "objective": vars(scenario.objective()),
        "measures": measures,
        "methods": {name: part | {"title": each.title, "role": each.role} for name, each in methods.items()},
    }
    return Results({}, record, Path("nowhere"))


def test_the_headline_says_what_the_summary_says(scenario: AbstractScenario) -> None:
    objective, methods = scenario.objective(), parts_of(scenario)[1]
    learners = [method.title for method in methods.values() if method.role == "learner"]
    references = [method.title for method in methods.values() if method.role == "reference"]
    shown = [*learners, *references][0]
    for kind in Kind:
        results = made_up_of(scenario, kind, 0.2)
        said = headline(results)
        assert said.startswith("No method learns in this run. ") == (not learners)
        assert f"With {shown}, the largest {objective.gap} {VERBS[kind]} " in said
        assert f"({NOTES[kind]}; concept: {scenario.concept().value.replace('nash', 'Nash')})" in said
        value, whole = re.search(rf"{VERBS[kind]} ([\d.]+) % of (.+?) \(", said).groups()  # type: ignore[union-attr]
        assert float(value) == pytest.approx(30 if ENDS[kind] else 20)
        assert whole == (objective.share_of or STAKE)


def test_no_scenario_is_told_in_the_words_of_another(scenario: AbstractScenario) -> None:
    objective, results = scenario.objective(), made_up_of(scenario, Kind.EXACT, 0.2)
    told = " ".join([headline(results), *(" ".join(card) for card in key_numbers(results))])
    own = [objective.reward, objective.unit, *(words["unit"] for words in results.record["measures"].values())]
    for word in ("profit", "EUR/h", "EUR/MWh"):
        assert (word in told) <= any(word in each for each in own)
    titles = [part["title"] for part in results.record["methods"].values()]
    assert len(set(titles)) == len(titles)  # two words for two numbers


@pytest.mark.parametrize(("share", "said"), [(0.0, "zero ("), (3e-9, f"3.00 {TIMES} 10⁻⁷ %"), (4.0, "400")])
def test_what_is_small_or_large_is_said_so(scenario: AbstractScenario, share: float, said: str) -> None:
    sentence = headline(made_up_of(scenario, Kind.EXACT, share)).replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert f"{scenario.objective().gap} is {said}" in sentence
    assert " 0 %" not in sentence.split("(")[0]
    assert ("% of" in sentence.split("(")[0]) == (0 < share <= 1)  # above the whole no share is told


def test_the_table_of_verdicts_tells_each_method(scenario: AbstractScenario) -> None:
    for kind in Kind:
        results = made_up_of(scenario, kind, 0.2)
        (group,) = verdicts(results).groups
        assert len(group.rows) == len(results.record["methods"])
        for _, cells in group.rows:
            gain, agent, certificate, concept = (cell.text for cell in cells)
            assert gain.startswith(
                {"_upper": "≤ 30.0 %", "": "20.0 %"}[ENDS[kind]] if kind != Kind.LOWER else "≥ 20.0 %"
            )
            assert agent == results.record["agents"][-1]
            assert certificate == NOTES[kind]
            assert concept.lower() == scenario.concept().value
