r"""Resource allocation without money: agents report what they want, a mechanism shares it out.

Description
-----------
N agents share M divisible resources, and nobody pays. At each step agent i has a private type: values :math:`v_i` per
unit and demands :math:`x_i` beyond which a resource is worth nothing to it. All report at the same time; the mechanism
turns the reports into an allocation a. Each step is a game of its own: agents that learn, learn to misreport.

Agents
------
N agents, ``agent_0`` .. ``agent_{N-1}``.

State
-----
Values and demands, ``[B, N, M]`` each, and the last allocation, ``[B, N, M]`` units.

Action
------
A report, by `misreports`:

| `misreports` | action | entries |
|---|---|---|
| ``"values"`` | ``[B, N, M]`` | values, from 0 to 1; demands are public |
| ``"values+demands"`` | ``[B, N, 2 M]`` | values, from 0 to 1; then demands, from 0 to `max_demand` units |

Only the ratios of an agent's values count, so that 1 is the most valued resource. An entry below `FLOOR` of its range
is read as `FLOOR` of it: an agent always wants something.

Observation
-----------
| index | meaning | unit | low | high |
|---|---|---|---|---|
| 0 .. M - 1 | own values | utility per unit | 0 | highest |
| M .. 2 M - 1 | own demands | units | 0 | largest demand |
| 2 M .. 3 M - 1 | budgets | units | 0 | budget |

Reward
------
Utility at the true type, :math:`\sum_k v_{ik} \min(a_{ik}, x_{ik})`.

Starting state
--------------
Types as at every step; nothing has been allocated.

Episode end
-----------
Never terminated; truncated after `horizon` steps.

Parameters
----------
mechanism : one of `walras.mechanisms`, called on reports; proportional fairness where none.
players, resources : N and M.
low, high : values and demands are drawn between them, anew at each step.
shape, correlation : of the values, see `walras.markets.allocation.preferences`; evenly and independently by default.
values, demands : ``[N, M]`` each; types that are not drawn but always these.
budget : units of each resource, for each agent.
max_demand : the largest demand that can be reported.
weights : one number, or one an agent; larger ones count more.
misreports : what an agent reports.
horizon : steps an episode.
discount : weight of the next reward in a learner's objective, in [0, 1).

Solution
--------
Under a truthful mechanism, such as equal split, reporting the truth is an equilibrium. Under proportional fairness
it is not, but for one resource: `walras.equilibria.solve` returns the truthful profile with, as its residual, what the
best lie gains. Where types are fixed and demands do not bind,
`walras.equilibria.allocation.resource_allocation.strategic_equilibrium` returns misreports that are an equilibrium.
The scripted rule reports values and demands as they are.

References
----------
[1] R. Cole, V. Gkatzelis, G. Goel, Mechanism design for fair division: allocating divisible items without payments,
    EC 2013.
[2] N. Chen, X. Deng, H. Zhang, J. Zhang, Incentive ratios of Fisher markets, ICALP 2012.

Version history
---------------
v0: first version.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
from gymnasium.spaces import Box

from walras.core.checks import (
    as_floats,
    per_agent,
    require,
    require_each,
    require_episode,
    require_known,
    require_numbers,
)
from walras.core.game import AbstractGame, State, Step
from walras.core.typing import Floats, Image
from walras.markets.allocation.preferences import drawn_values, require_population

FLOOR = 1e-6
"""The least that a report can hold, of an entry's range."""
Table = Sequence[Sequence[float]]


@dataclass(frozen=True)
class AllocationState(State):
    """Types, and what was allocated last."""

    values: Floats  # [B, N, M] utility per unit
    demands: Floats  # [B, N, M] units
    allocation: Floats  # [B, N, M] units


@final
@dataclass(frozen=True)
class ResourceAllocation(AbstractGame[AllocationState]):
    """Reports to a mechanism that shares resources without money.

    Raises
    ------
    ValueError
        If a parameter has the wrong shape or sign, or a demand exceeds `max_demand`.
    """

    mechanism: Callable[..., Any] | None = None
    players: int = 3
    resources: int = 2
    low: float = 0.1  # utility per unit, and units
    high: float = 1.0
    shape: tuple[float, float] = (1.0, 1.0)
    correlation: float = 0.0
    values: Table | None = None  # [N, M] utility per unit
    demands: Table | None = None  # [N, M] units
    budget: float = 0.275  # units an agent
    max_demand: float = 1.0  # units
    weights: tuple[float, ...] | float = 1.0  # [N]
    misreports: str = "values"
    horizon: int = 24
    discount: float = 0.0  # nothing done now moves later rewards

    def __post_init__(self) -> None:
        require_numbers(self)
        for name in ("players", "resources"):
            require(getattr(self, name) >= 1, name, "be at least 1", getattr(self, name))
        require_episode(self.horizon, self.discount)
        require(0 < self.low <= self.high < np.inf, "low", f"be positive and at most `high`, {self.high}", self.low)
        require(self.low >= FLOOR * self.high, "low", f"be at least {FLOOR} of `high`, {self.high}", self.low)
        for name in ("budget", "max_demand"):
            require(0 < getattr(self, name) < np.inf, name, "be positive and finite", getattr(self, name))
        require_known(self.misreports, "misreports", ("values", "values+demands"))
        require_population(self.shape, self.correlation)
        object.__setattr__(self, "weights", per_agent("weights", self.weights, self.players))
        weights = np.array(self.weights)
        require_each((weights > 0) & (weights < np.inf), "weights", "be positive and finite", weights)
        for name in ("values", "demands"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, self._table(name))
        largest = self.high if self.demands is None else float(np.max(self.demands))
        require(largest <= self.max_demand, "max_demand", f"reach the largest demand, {largest}", self.max_demand)

    def _table(self, name: str) -> tuple[tuple[float, ...], ...]:
        """Return a fixed part of the types, ``[N, M]``, checked."""
        table, shape = as_floats(name, getattr(self, name), 2), (self.players, self.resources)
        require(table.shape == shape, name, f"have shape {shape}", table.shape)
        least = FLOOR * table.max(axis=1, keepdims=True)
        require_each((table > 0) & (table >= least) & (table < np.inf), name, "be positive and finite", table)
        return tuple(tuple(row) for row in table.tolist())

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``agent_0`` .. ``agent_{N-1}``."""
        return tuple(f"agent_{i}" for i in range(self.players))

    @cached_property
    def observation_space(self) -> Box:
        """See the module's table."""
        dearest = self.high if self.values is None else np.max(self.values)
        top = np.repeat([dearest, self.max_demand, self.budgets[0]], self.resources)
        return Box(np.zeros_like(top), top, dtype=np.float64)

    @cached_property
    def action_space(self) -> Box:
        """A report."""
        top = np.repeat([1.0, self.max_demand], self.resources)[: self._entries]
        return Box(np.zeros_like(top), top, dtype=np.float64)

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        """Uniform numbers of which types are made, ``[steps, 2, N + 1, M]``; in the last rows is what all share."""
        return rng.random((steps, 2, self.players + 1, self.resources))

    def reset(self, noise: Floats) -> AllocationState:
        """Draw the first types."""
        return self._drawn(noise, np.zeros_like(noise[:, 0, 1:]))

    def step(self, state: AllocationState, action: Floats, noise: Floats) -> Step[AllocationState]:
        """Share the resources by the reports, and draw the next types."""
        allocation = self.allocate(*self.reported(state, action))
        utility = np.sum(state.values * np.minimum(allocation, state.demands), axis=2)
        return Step(self._drawn(noise, allocation), utility, np.zeros(len(utility), dtype=np.bool_))

    def observe(self, state: AllocationState) -> Floats:
        """Show each agent its type and the budgets."""
        budgets = np.broadcast_to(self.budgets, state.values.shape)
        return np.concatenate((state.values, state.demands, budgets), axis=2)

    def scripted(self, observation: Floats) -> Floats:
        """Report the type as it is."""
        values, demands, _ = np.split(observation, 3, axis=2)
        return self.as_action(values, demands)

    def as_action(self, values: Floats, demands: Floats) -> Floats:
        """Return the action ``[B, N, A]`` that reports ``values`` and ``demands [B, N, M]``."""
        relative = values / values.max(axis=2, keepdims=True)
        return np.concatenate((relative, demands), axis=2)[:, :, : self._entries]

    def reported(self, state: AllocationState, action: Floats) -> tuple[Floats, Floats]:
        """Return the values and demands, ``[B, N, M]`` each, that the mechanism is told."""
        values = np.maximum(action[:, :, : self.resources], FLOOR)
        if self.misreports == "values":
            return values, state.demands
        return values, np.maximum(action[:, :, self.resources :], FLOOR * self.max_demand)

    def allocate(self, values: Floats, demands: Floats) -> Floats:
        """Return the mechanism's allocation of reports, ``[B, N, M]`` units."""
        import torch

        budgets = np.broadcast_to(self.budgets, (len(values), self.resources))
        reports = (torch.tensor(part) for part in (values, demands, budgets))
        with torch.no_grad():
            allocation = self.rule(*reports, torch.tensor(self.weights, dtype=torch.float64))
        return np.ascontiguousarray(allocation.numpy())

    @cached_property
    def rule(self) -> Callable[..., Any]:
        """The mechanism; proportional fairness where none was given."""
        if self.mechanism is not None:
            return self.mechanism
        from walras.mechanisms import ProportionalFairness

        return ProportionalFairness()

    @cached_property
    def budgets(self) -> Floats:
        """Units of each resource, ``[M]``."""
        return np.full(self.resources, self.budget * self.players)

    @cached_property
    def _entries(self) -> int:
        """Entries of an action."""
        return self.resources if self.misreports == "values" else 2 * self.resources

    def _drawn(self, noise: Floats, allocation: Floats) -> AllocationState:
        """Return the state with the types that ``noise [B, 2, N + 1, M]`` makes."""
        drawn = drawn_values(noise[:, 0], self.shape, self.correlation), noise[:, 1, :-1]
        given = [
            self.low + (self.high - self.low) * part if fixed is None else np.broadcast_to(fixed, part.shape)
            for part, fixed in zip(drawn, (self.values, self.demands), strict=True)
        ]
        return AllocationState(given[0], given[1], allocation)

    def text(self, state: AllocationState) -> str:
        """List what each agent got last of each resource."""
        from walras.envs.allocation.pictures import allocation_text

        return allocation_text(self.agents, state.allocation[0], self.budgets)

    def image(self, state: AllocationState) -> Image:
        """Draw the last allocation of each resource under its budget."""
        from walras.envs.allocation.pictures import draw_allocation

        return draw_allocation(self.agents, state.allocation[0], self.budgets)
