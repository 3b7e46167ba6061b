"""Scenarios, and what runs them: a short file each, the engine, reports and the command line."""

from walras.scenarios.engine.catalogue import SCENARIOS, Source
from walras.scenarios.engine.measure import Measure
from walras.scenarios.engine.scenario import AbstractScenario, Design, Method, Objective, Runs
from walras.scenarios.engine.study import AbstractStudy, Found

__all__ = [
    "SCENARIOS", "AbstractScenario", "AbstractStudy", "Design", "Found", "Measure", "Method", "Objective", "Runs",
    "Source",
]  # fmt: skip
