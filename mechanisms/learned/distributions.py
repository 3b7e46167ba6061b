"""Populations of allocation problems: frozen objects with ``sample(rows, generator) -> AllocationProblem``."""

from dataclasses import dataclass
from typing import Protocol, final

import torch

from walras.core.checks import require
from walras.markets.allocation.preferences import drawn_values, require_population
from walras.mechanisms.exploitability import best_misreport
from walras.mechanisms.problem import AllocationProblem
from walras.mechanisms.rules import ProportionalFairness
from walras.mechanisms.search import Search

LOW, HIGH = 0.1, 1.0  # utility per unit, and units
BRIEF = Search(starts=1, steps=8, generations=0, seeds=(0,))  # of those who misreport


class Population(Protocol):
    """A distribution of problems of one size."""

    def sample(self, rows: int, generator: torch.Generator) -> AllocationProblem:
        """Return `rows` independent problems."""
        ...


@final
@dataclass(frozen=True)
class Types:
    """What agents want, see `walras.markets.allocation.preferences`; values and demands lie in [0.1, 1].

    Parameters
    ----------
    agents, resources : int
        N and M.
    budget : float
        Units of each resource for each agent.
    shape : tuple of float
        Of the Beta distribution of values.
    correlation : float
        Of the agents' values for a resource.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    agents: int = 3
    resources: int = 2
    budget: float = 0.275
    shape: tuple[float, float] = (1.0, 1.0)
    correlation: float = 0.0

    def __post_init__(self) -> None:
        require(self.agents >= 1, "agents", "be at least 1", self.agents)
        require(self.resources >= 1, "resources", "be at least 1", self.resources)
        require(self.budget > 0, "budget", "be positive", self.budget)
        require_population(self.shape, self.correlation)

    def sample(self, rows: int, generator: torch.Generator) -> AllocationProblem:
        """Return `rows` independent problems."""
        shape = (rows, self.agents, self.resources)
        own, demands = (torch.rand(shape, generator=generator, dtype=torch.float64) for _ in range(2))
        common = torch.rand((rows, 1, self.resources), generator=generator, dtype=torch.float64)
        uniform = torch.cat([own, common], dim=1).numpy()
        values = torch.from_numpy(drawn_values(uniform, self.shape, self.correlation))
        budgets = torch.full((rows, self.resources), self.budget * self.agents, dtype=torch.float64)
        return AllocationProblem(LOW + (HIGH - LOW) * values, LOW + (HIGH - LOW) * demands, budgets)


@final
@dataclass(frozen=True)
class Untruthful:
    """The reports of agents of which some answer proportional fairness by their best misreport of values.

    Parameters
    ----------
    types : Types
        What they want.
    share : float
        Probability that an agent misreports.

    Raises
    ------
    ValueError
        If `share` is not in [0, 1].
    """

    types: Types
    share: float = 0.3

    def __post_init__(self) -> None:
        require(0 <= self.share <= 1, "share", "be in [0, 1]", self.share)

    def sample(self, rows: int, generator: torch.Generator) -> AllocationProblem:
        """Return `rows` independent problems, as reported."""
        types = self.types.sample(rows, generator)
        reports = best_misreport(ProportionalFairness(), types, search=BRIEF).values
        lies = torch.rand(types.values.shape[:2], generator=generator) < self.share
        return types._replace(values=torch.where(lies[..., None], reports, types.values))
