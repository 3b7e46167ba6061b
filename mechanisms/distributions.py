"""Populations of allocation problems: frozen objects with ``sample(rows, generator) -> AllocationProblem``.

Values and demands lie in [0.1, 1]; each budget is `budget` times the number of agents.

| population | values |
|---|---|
| `Even` | independent, even |
| `Skewed` | independent, Beta(2, 5): most are low |
| `Ranked` | agents agree on which resources are good: with probability `agreement` their order is the same |
"""

from dataclasses import dataclass
from typing import Protocol, final

import torch
from torch import Tensor

from walras.core.checks import require
from walras.mechanisms.problem import AllocationProblem

LOW = 0.1


class Population(Protocol):
    """A distribution of problems of one size."""

    @property
    def agents(self) -> int:
        """N."""
        ...

    @property
    def resources(self) -> int:
        """M."""
        ...

    def sample(self, rows: int, generator: torch.Generator) -> AllocationProblem:
        """Return `rows` independent problems."""
        ...


@dataclass(frozen=True)
class Even:
    """Values and demands are even draws from [0.1, 1].

    Raises
    ------
    ValueError
        If a size or the budget is not positive.
    """

    agents: int = 3
    resources: int = 2
    budget: float = 0.275

    def __post_init__(self) -> None:
        require(self.agents >= 1, "agents", "be at least 1", self.agents)
        require(self.resources >= 1, "resources", "be at least 1", self.resources)
        require(self.budget > 0, "budget", "be positive", self.budget)

    def sample(self, rows: int, generator: torch.Generator) -> AllocationProblem:
        """Return `rows` independent problems."""
        values = self.values(rows, generator)
        budgets = torch.full((rows, self.resources), self.budget * self.agents, dtype=torch.float64)
        return AllocationProblem(values, _spread(self._draw(rows, generator)), budgets)

    def values(self, rows: int, generator: torch.Generator) -> Tensor:
        """Return ``[rows, N, M]``."""
        return _spread(self._draw(rows, generator))

    def _draw(self, rows: int, generator: torch.Generator) -> Tensor:
        return torch.rand((rows, self.agents, self.resources), generator=generator, dtype=torch.float64)


@final
@dataclass(frozen=True)
class Skewed(Even):
    """Most values are low: Beta(2, 5), spread over [0.1, 1]."""

    def values(self, rows: int, generator: torch.Generator) -> Tensor:
        """Return ``[rows, N, M]``: the second smallest of six even draws is Beta(2, 5)."""
        draws = torch.stack([self._draw(rows, generator) for _ in range(6)])
        return _spread(draws.kthvalue(2, dim=0).values)


@final
@dataclass(frozen=True)
class Ranked(Even):
    """Agents agree on which resources are good.

    Raises
    ------
    ValueError
        Also if `agreement` is not in [0, 1].
    """

    agreement: float = 0.75

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.agreement <= 1, "agreement", "be in [0, 1]", self.agreement)

    def values(self, rows: int, generator: torch.Generator) -> Tensor:
        """Return ``[rows, N, M]``: even draws, which an agent that agrees puts in the common order."""
        own = self._draw(rows, generator)
        order = torch.rand((rows, 1, self.resources), generator=generator).argsort(dim=2).expand_as(own)
        agrees = torch.rand((rows, self.agents, 1), generator=generator) < self.agreement
        return _spread(torch.where(agrees, own.sort(dim=2).values.gather(2, order), own))


def _spread(unit: Tensor) -> Tensor:
    return LOW + (1 - LOW) * unit
