"""Scenarios, and what runs them: a short file each, the engine, reports and the command line."""

from walras.scenarios.engine.catalogue import SCENARIOS, Source
from walras.scenarios.engine.measure import Measure
from walras.scenarios.engine.scenario import AbstractScenario, Design, Method, Objective, Runs

__all__ = ["SCENARIOS", "AbstractScenario", "Design", "Measure", "Method", "Objective", "Runs", "Source"]
