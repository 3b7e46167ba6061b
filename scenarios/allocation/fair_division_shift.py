"""Robustness of a learned mechanism: trained on other agents than it meets, or on reports that were not true.

RPF-Net is trained on even, independent values, on the values that it will meet, and on reports of which a share
answered proportional fairness by its best misreport. All are judged on agents whose values follow another
distribution, beside proportional fairness and a surcharge, which nobody trains.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import final

from walras.envs.allocation.resource_allocation import ResourceAllocation
from walras.mechanisms import (
    ExSNet,
    FitSettings,
    Mechanism,
    Population,
    PostedSurcharge,
    ProportionalFairness,
    RPFNet,
    Types,
    Untruthful,
    fit,
)
from walras.scenarios.allocation import measures
from walras.scenarios.allocation.pareto import pareto
from walras.scenarios.engine.measure import Measure
from walras.scenarios.engine.scenario import AbstractScenario, Chart, Design, Method, Objective, Runs


@final
@dataclass(frozen=True)
class FairDivisionShift(AbstractScenario):
    """A learned mechanism that meets other agents than it was trained on."""

    players: int = 3
    """Agents."""
    resources: int = 2
    """Resources."""
    budget: float = 0.275
    """Units of each resource for each agent."""
    shape: tuple[float, float] = (2.0, 5.0)
    """Of the Beta distribution of the values that are met; training has 1 and 1."""
    correlation: float = 0.5
    """Between the agents' values that are met; training has none."""
    untruthful: tuple[float, ...] = (0.1, 0.3, 0.5)
    """Shares of the training reports that are misreports."""
    target: float = 0.05
    """Relative exploitability that is trained for."""
    steps: int = 500
    """Steps of training."""
    profiles: int = 50
    """Profiles on which all are judged."""
    seeds: int = 5
    """Independent repetitions: of the training, and of the profiles."""

    def game(self) -> ResourceAllocation:
        """Report to proportional fairness."""
        return self._under(ProportionalFairness())

    def objective(self) -> Objective:
        """Play for utility."""
        return Objective("utility", "")

    def methods(self) -> Mapping[str, Method | Runs]:
        """Compare what training saw."""
        elsewhere = Types(self.players, self.resources, self.budget)
        here = Types(self.players, self.resources, self.budget, self.shape, self.correlation)
        seen: dict[str, Population] = {"elsewhere": elsewhere, "here": here}
        lies: dict[str, Population] = {f"lies_{q:g}": Untruthful(elsewhere, q) for q in self.untruthful}
        return {
            "proportional_fairness": Method(Design(lambda seed, folder: self.game()), role="reference"),
            "surcharge_1": Design(lambda seed, folder: self._under(PostedSurcharge(1.0))),
            **{f"RPF_Net_{name}": self._learned("RPF-Net", RPFNet(), name, types) for name, types in seen.items()},
            **{f"RPF_Net_{name}": self._learned("RPF-Net", RPFNet(), name, types) for name, types in lies.items()},
            **{f"ExS_Net_{name}": self._learned("ExS-Net", ExSNet(), name, types) for name, types in seen.items()},
        }

    def agent_measures(self) -> Mapping[str, Measure]:
        """Measure what a lie gains that knows all reports."""
        return {"exploitability": measures.exploitability}

    def market_measures(self) -> Mapping[str, Measure]:
        """Measure fairness, waste, and the worst off."""
        return {
            "nash_welfare": measures.nash_welfare,
            "efficiency": measures.efficiency,
            "smallest_utility": measures.smallest_utility,
        }

    def charts(self) -> Mapping[str, Chart]:
        """Show what is kept against what a lie gains."""
        return {"Nash welfare against exploitability": pareto}

    def _under(self, mechanism: Mechanism) -> ResourceAllocation:
        return ResourceAllocation(
            mechanism,
            players=self.players,
            resources=self.resources,
            budget=self.budget,
            shape=self.shape,
            correlation=self.correlation,
            misreports="values+demands",
            horizon=self.profiles,
        )

    def _learned(self, title: str, start: RPFNet | ExSNet, seen: str, population: Population) -> Method:
        design = Design(partial(self._trained, start, population))
        return Method(design, f"{title}, trained on {seen.replace('_', ' ')}", "learner")

    def _trained(self, start: RPFNet | ExSNet, population: Population, seed: int, folder: Path) -> ResourceAllocation:
        settings = FitSettings(target=self.target, steps=self.steps)
        return self._under(fit(start, population, settings, seed=seed, folder=folder, progress=False).mechanism)
