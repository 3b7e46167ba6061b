"""Fair division: markets judged by each agent's best purchase at the prices, mechanisms by what they must never do."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from robust.family import Family, Refused, expect, numbers, scale

from walras.core.solution import Status
from walras.markets.allocation.fisher import equilibrium
from walras.markets.eisenberg_gale.solver import proportional_fairness
from walras.mechanisms import (
    Egalitarian,
    EqualSplit,
    PartialAllocation,
    PostedSurcharge,
    ProportionalFairness,
    Utilitarian,
)

RULES = (ProportionalFairness(), PostedSurcharge(0.5), PartialAllocation(), EqualSplit(), Utilitarian(), Egalitarian())


@dataclass(frozen=True)
class Division:
    """One instance of N agents and M resources, and the mechanism that divides it."""

    values: np.ndarray  # [N, M]
    demands: np.ndarray  # [N, M]
    budgets: np.ndarray  # [M]
    weights: np.ndarray  # [N]
    rule: Any


def division(rng: np.random.Generator) -> Division:
    """Return one agent to six and one resource to four, over up to eighteen orders of magnitude."""
    agents, goods = int(rng.integers(1, 7)), int(rng.integers(1, 5))
    spread = float(rng.choice([0.0, 0.0, 3.0, 9.0]))
    values, demands = numbers(rng, agents, goods, spread=spread), numbers(rng, agents, goods, spread=spread)
    if rng.random() < 0.7:  # nobody is left out
        values[np.arange(agents), rng.integers(0, goods, agents)] = 1.0
        demands = np.maximum(demands, 1e-3)
    budgets, weights = 0.1 + numbers(rng, goods, spread=spread), 10.0 ** rng.uniform(-spread, spread, agents)
    units = scale(rng), scale(rng)
    return Division(values * units[0], demands * units[1], budgets * units[1], weights, RULES[rng.integers(len(RULES))])


def market(rng: np.random.Generator) -> Division:
    """Return a Fisher market: supplies are the budgets, money the weights."""
    return division(rng)


def _batched(*arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.tensor(array[None]) for array in arrays]


def solve_fisher(d: Division) -> Any:  # noqa: ANN401
    """Solve it as a market without demands."""
    values, supplies, money = _batched(d.values, d.budgets, d.weights)
    return equilibrium(values, supplies, money)


def judge_fisher(d: Division, found: Any) -> None:  # noqa: ANN401
    """Buyers spend their money on their best bargains, and goods that cost anything are sold."""
    p, x = found.prices[0].numpy(), found.allocation[0].detach().numpy()
    expect(np.isfinite(p).all() and np.isfinite(x).all(), "a price or an amount is no number")
    with np.errstate(divide="ignore", invalid="ignore"):
        bargain = np.where(d.values > 0, d.values / p, 0.0)
    missed = 1 - (d.values * x).sum(axis=1) / (d.weights * bargain.max(axis=1))
    expect((missed <= 1e-6).all(), f"a buyer misses {missed.max():.3g} of its best utility")
    expect((np.abs((p * x).sum(axis=1) / d.weights - 1) <= 1e-6).all(), "a buyer spends more or less than its money")
    expect((x.sum(axis=0) <= d.budgets * (1 + 1e-6)).all(), "a good is sold beyond its supply")


def solve_fair(d: Division) -> Any:  # noqa: ANN401
    """Solve it by the interior-point method."""
    return proportional_fairness(*_batched(d.values, d.demands, d.budgets, d.weights), throw=False)


def judge_fair(d: Division, found: Any) -> None:  # noqa: ANN401
    """At the prices no agent would rather buy another bundle, and what costs anything is used up."""
    if found.status is not Status.CONVERGED:
        raise Refused(found.status.name)
    x, p = found.allocation[0].detach().numpy(), found.prices[0].detach().numpy()
    judge_feasible(d, x)
    for i, (v, most, weight) in enumerate(zip(d.values, d.demands, d.weights, strict=True)):
        has, best = v @ x[i], _best_utility(v, np.minimum(most, d.budgets), p, weight)
        if best > 0:
            # Utility less payment per unit of weight: concave, so that a share t of utility lost costs about t^2 / 2.
            expect(abs(np.log(max(has, 1e-300) / best)) <= 1e-3, f"agent {i} has {has:.6g}, would buy {best:.6g}")


def _best_utility(v: np.ndarray, most: np.ndarray, p: np.ndarray, weight: float) -> float:
    """Return the utility of the bundle that maximises ``weight log(v x) - p x``: the best bargains first."""
    utility = 0.0
    order = np.argsort(-np.where(v > 0, v / np.maximum(p, 1e-300), 0.0))
    for k in order:
        if v[k] > 0:
            wanted = (weight * v[k] / p[k] if p[k] > 0 else np.inf) - utility  # until v / u falls to p / weight
            utility += float(min(max(wanted, 0.0), v[k] * most[k]))
    return utility


def judge_feasible(d: Division, x: np.ndarray) -> None:
    """No amount is negative, beyond its demand, or beyond the budget."""
    expect(np.isfinite(x).all(), "an amount is no number")
    expect((x >= 0).all(), "an amount is negative")
    expect((x <= d.demands * (1 + 1e-9)).all(), "an agent gets more than it demands")
    expect((x.sum(axis=0) <= d.budgets * (1 + 1e-9)).all(), "a resource is over-used")


FAMILIES = (
    Family("fisher", market, solve_fisher, judge_fisher),
    Family("proportional_fairness", division, solve_fair, judge_fair),
    Family(
        "mechanisms",
        division,
        lambda d: d.rule(*_batched(d.values, d.demands, d.budgets, d.weights))[0].detach().numpy(),
        judge_feasible,
    ),
)
