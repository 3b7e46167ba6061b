"""Scenarios, and what runs them: one short file a scenario, `runner`, `results`, `report` and the command line."""

from walras.scenarios.engine.catalogue import SCENARIOS, Source
from walras.scenarios.engine.scenario import AbstractScenario, Design, Learner, Training

__all__ = ["SCENARIOS", "AbstractScenario", "Design", "Learner", "Source", "Training"]
