"""One agent's report against the reports of the others: what may be reported, and what it earns.

Values are kept as logarithms, with the largest at zero: every mechanism here ignores the scale of an agent's values.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from walras.core.checks import require, require_known
from walras.mechanisms.problem import AllocationProblem
from walras.mechanisms.rules import Mechanism

MISREPORTS = ("values", "values+demands")
SPAN = 8.0  # the smallest value that is tried is exp(-SPAN) of the largest
FLOOR = 1e-6  # the smallest demand that is tried, as a share of the largest: an agent must ask for something
ROWS = 8192  # instances in one call of the mechanism


class Game(NamedTuple):
    """R unilateral deviations: in row r, agent ``agent[r]`` may change its report."""

    values: Tensor  # [R, N, M] reports
    demands: Tensor  # [R, N, M]
    budgets: Tensor  # [R, M]
    weights: Tensor  # [R, N]
    agent: Tensor  # [R] who deviates
    value: Tensor  # [R, M] its true values
    demand: Tensor  # [R, M] its true demands
    low: Tensor  # [R, M] least demand that it may report
    high: Tensor  # [R, M] largest


def demand_box(demands: Tensor, misreports: str, max_demand: Tensor | float | None) -> tuple[Tensor, Tensor]:
    """Return the least and the largest demands that may be reported, ``[B, N, M]`` each."""
    require_known(misreports, "misreports", MISREPORTS)
    if misreports == "values":
        return demands, demands
    most = (
        demands.amax(dim=(1, 2), keepdim=True)
        if max_demand is None
        else torch.as_tensor(max_demand, dtype=demands.dtype)
    )
    high = most.expand_as(demands)
    require(bool((high > 0).all()), "max_demand", "be positive", max_demand)
    require(bool(high.isfinite().all()), "max_demand", "be finite", max_demand)
    return FLOOR * high, high


def everyone(types: AllocationProblem, reports: tuple[Tensor, Tensor], box: tuple[Tensor, Tensor]) -> Game:
    """Return the game in which each agent of each instance deviates in a row of its own, ``R = B N``."""
    rows, agents, _ = types.values.shape
    weights = torch.ones_like(types.values[:, :, 0]) if types.weights is None else types.weights
    values, demands, budgets, each = (
        of_instance.repeat_interleave(agents, dim=0)
        for of_instance in (*reports, types.budgets, weights.expand(rows, agents))
    )
    value, demand, low, high = (of_agent.flatten(0, 1) for of_agent in (types.values, types.demands, *box))
    agent = torch.arange(agents, device=values.device).repeat(rows)
    return Game(values, demands, budgets, each, agent, value, demand, low, high)


def repeated(game: Game, times: int) -> Game:
    """Return the game with all its rows so many times, ``[times R]``."""
    return Game(*(part.repeat(times, *(1,) * (part.ndim - 1)) for part in game))


def truth(game: Game) -> tuple[Tensor, Tensor]:
    """Return the deviators' true log-values and, as far as they may be reported, demands, ``[R, M]`` each."""
    return log_values(game.value), within(game, game.demand)


def earned(mechanism: Mechanism, game: Game, values: Tensor, demands: Tensor) -> Tensor:
    """Return the deviators' utilities, ``[R]``, of reporting exp(``values [R, M]``) and ``demands [R, M]``."""
    rows = torch.arange(len(values))
    v, x = deviated(game, values, demands)
    parts = zip(*(part.split(ROWS) for part in (v, x, game.budgets, game.weights)), strict=True)
    got = [mechanism(*part) for part in parts]
    return (game.value * torch.minimum(torch.cat(got)[rows, game.agent], game.demand)).sum(dim=1)


def deviated(game: Game, values: Tensor, demands: Tensor) -> tuple[Tensor, Tensor]:
    """Return all reports ``[R, N, M]`` with the deviators' own in their places."""
    rows = torch.arange(len(values))
    place = (rows, game.agent)
    return game.values.index_put(place, values.exp()), game.demands.index_put(place, demands)


def log_values(values: Tensor) -> Tensor:
    """Return the logarithms of values ``[..., M]`` as shares of the largest, none below -SPAN; even ones of zeros."""
    most = values.amax(dim=-1, keepdim=True)
    return torch.where(most > 0, values / most, 1.0).clamp(min=math.exp(-SPAN)).log()


def centred(logs: Tensor) -> Tensor:
    """Return `logs` with its largest entry at 0 and none below -SPAN."""
    return (logs - logs.amax(dim=-1, keepdim=True)).clamp(min=-SPAN)


def within(game: Game, demands: Tensor) -> Tensor:
    """Return the nearest of ``demands [..., R, M]`` that may be reported."""
    return torch.minimum(torch.maximum(demands, game.low), game.high)
