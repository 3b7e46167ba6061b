"""Fairness against truth: what mechanisms without money keep of Nash welfare, and what lies gain under them.

Agents share resources and nobody pays. Proportional fairness attains the largest Nash welfare, and invites misreports;
equal split invites none, and ignores what agents want. Between them stand surcharges, and the mechanisms that learn.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import final

from walras.envs.allocation.resource_allocation import ResourceAllocation
from walras.mechanisms import (
    EqualSplit,
    ExPFNet,
    ExSNet,
    FitSettings,
    Mechanism,
    PartialAllocation,
    PostedSurcharge,
    ProportionalFairness,
    RPFNet,
    Types,
    Utilitarian,
    fit,
)
from walras.scenarios.allocation import measures
from walras.scenarios.allocation.pareto import pareto
from walras.scenarios.engine.measure import Measure
from walras.scenarios.engine.scenario import AbstractScenario, Chart, Design, Method, Objective, Runs

LEARNED = {"RPF_Net": RPFNet, "ExPF_Net": ExPFNet, "ExS_Net": ExSNet}


@final
@dataclass(frozen=True)
class FairDivision(AbstractScenario):
    """Mechanisms without money: Nash welfare against exploitability."""

    players: int = 3
    """Agents."""
    resources: int = 2
    """Resources."""
    budget: float = 0.275
    """Units of each resource for each agent."""
    misreports: str = "values+demands"
    """What agents may misreport: values, or values+demands."""
    surcharges: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0, 3.0)
    """Constant surcharges on the prices of proportional fairness."""
    targets: tuple[float, ...] = (0.05,)
    """Relative exploitability that the learned mechanisms are trained for."""
    steps: int = 500
    """Steps of their training."""
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
        """Compare rules made by hand, surcharges, and rules that are learned."""
        plain: dict[str, Mechanism] = {
            **{f"surcharge_{tau:g}": PostedSurcharge(tau) for tau in self.surcharges},
            "partial_allocation": PartialAllocation(),
            "equal_split": EqualSplit(),
            "utilitarian": Utilitarian(),
        }
        return {
            "proportional_fairness": Method(Design(lambda seed, folder: self.game()), role="reference"),
            **{name: Design(lambda seed, folder, rule=rule: self._under(rule)) for name, rule in plain.items()},
            **{f"{name}_{target:g}": self._learned(name, target) for name in LEARNED for target in self.targets},
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
        surcharges = {"constant surcharge": [f"surcharge_{tau:g}" for tau in self.surcharges]}
        return {"Nash welfare against exploitability": partial(pareto, connected=surcharges)}

    def _under(self, mechanism: Mechanism) -> ResourceAllocation:
        return ResourceAllocation(
            mechanism,
            players=self.players,
            resources=self.resources,
            budget=self.budget,
            misreports=self.misreports,
            horizon=self.profiles,
        )

    def _learned(self, name: str, target: float) -> Method:
        return Method(Design(partial(self._trained, name, target)), f"{name.replace('_', '-')} {target:g}", "learner")

    def _trained(self, name: str, target: float, seed: int, folder: Path) -> ResourceAllocation:
        settings = FitSettings(target=target, steps=self.steps, misreports=self.misreports)
        types = Types(self.players, self.resources, self.budget)
        return self._under(fit(LEARNED[name](), types, settings, seed=seed, folder=folder, progress=False).mechanism)
