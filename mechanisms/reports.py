"""One agent's report against the reports of the others: what may be reported, and what it earns.

Values are kept as logarithms. Mechanisms without payments ignore the scale of an agent's values, and the largest stands
at zero; with payments the scale counts, and the largest that may be reported is the game's `ceiling`.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from walras.core.checks import require, require_known
from walras.mechanisms.payments import AnyMechanism, Outcome
from walras.mechanisms.problem import AllocationProblem

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
    ceiling: Tensor | None = None  # [R] logarithm of the largest value that it may report; none if scale counts nothing


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


def everyone(
    types: AllocationProblem,
    reports: tuple[Tensor, Tensor],
    box: tuple[Tensor, Tensor],
    max_value: Tensor | None = None,
) -> Game:
    """Return the game in which each agent of each instance deviates in a row of its own, ``R = B N``.

    With payments `max_value` ``[B, N]`` is the largest value that an agent may report.
    """
    rows, agents, _ = types.values.shape
    weights = torch.ones_like(types.values[:, :, 0]) if types.weights is None else types.weights
    values, demands, budgets, each = (
        of_instance.repeat_interleave(agents, dim=0)
        for of_instance in (*reports, types.budgets, weights.expand(rows, agents))
    )
    value, demand, low, high = (of_agent.flatten(0, 1) for of_agent in (types.values, types.demands, *box))
    agent = torch.arange(agents, device=values.device).repeat(rows)
    ceiling = None if max_value is None else max_value.flatten().log()
    return Game(values, demands, budgets, each, agent, value, demand, low, high, ceiling)


def repeated(game: Game, times: int) -> Game:
    """Return the game with all its rows so many times, ``[times R]``."""
    return Game(*(None if part is None else part.repeat(times, *(1,) * (part.ndim - 1)) for part in game))  # type: ignore[arg-type]


def picked(game: Game, rows: Tensor) -> Game:
    """Return the game with the rows of this index alone."""
    return Game(*(None if part is None else part[rows] for part in game))  # type: ignore[arg-type]


def truth(game: Game) -> tuple[Tensor, Tensor]:
    """Return the deviators' true log-values and, as far as they may be reported, demands, ``[R, M]`` each."""
    return own_values(game), within(game, game.demand)


def earned(mechanism: AnyMechanism, game: Game, values: Tensor, demands: Tensor) -> Tensor:
    """Return the deviators' utilities, ``[R]``, of reporting exp(``values [R, M]``) and ``demands [R, M]``.

    With payments a value at the floor, exp(-SPAN) of the largest that may be reported, is none.
    """
    rows = torch.arange(len(values))
    v, x = deviated(game, values, demands)
    parts = zip(*(part.split(ROWS) for part in (v, x, game.budgets, game.weights)), strict=True)
    found = [mechanism(*part) for part in parts]
    got = torch.cat([each.allocation if isinstance(each, Outcome) else each for each in found])
    worth = (game.value * torch.minimum(got[rows, game.agent], game.demand)).sum(dim=1)
    payments = [each.payment for each in found if isinstance(each, Outcome)]
    return worth - torch.cat(payments)[rows, game.agent] if payments else worth


def deviated(game: Game, values: Tensor, demands: Tensor) -> tuple[Tensor, Tensor]:
    """Return all reports ``[R, N, M]`` with the deviators' own in their places."""
    rows = torch.arange(len(values))
    place, told = (rows, game.agent), values.exp()
    if game.ceiling is not None:
        told = torch.where(values > game.ceiling[:, None] - SPAN, told, 0.0)
    return game.values.index_put(place, told), game.demands.index_put(place, demands)


def log_values(values: Tensor) -> Tensor:
    """Return the logarithms of values ``[..., M]`` as shares of the largest, none below -SPAN; even ones of zeros."""
    most = values.amax(dim=-1, keepdim=True)
    return torch.where(most > 0, values / most, 1.0).clamp(min=math.exp(-SPAN)).log()


def centred(logs: Tensor) -> Tensor:
    """Return `logs` with its largest entry at 0 and none below -SPAN."""
    return (logs - logs.amax(dim=-1, keepdim=True)).clamp(min=-SPAN)


def own_values(game: Game) -> Tensor:
    """Return the logarithms of the deviators' true values ``[R, M]``, as they are kept."""
    if game.ceiling is None:
        return log_values(game.value)
    return placed(game, game.value.clamp(min=torch.finfo(torch.float64).tiny).log())


def placed(game: Game, logs: Tensor) -> Tensor:
    """Return ``logs [..., R, M]`` where they may be reported: centred, or between floor and ceiling."""
    if game.ceiling is None:
        return centred(logs)
    most = game.ceiling[:, None]
    return torch.minimum(torch.maximum(logs, most - SPAN), most)


def raised(game: Game, logs: Tensor) -> Tensor:
    """Return relative ``logs [..., R, M]``, of which the largest is at zero, with it at the ceiling if there is one."""
    return centred(logs) if game.ceiling is None else placed(game, logs + game.ceiling[:, None])


def within(game: Game, demands: Tensor) -> Tensor:
    """Return the nearest of ``demands [..., R, M]`` that may be reported."""
    return torch.minimum(torch.maximum(demands, game.low), game.high)
