"""Reference values of payment-free allocation, recomputed: Nash welfare and what misreports gain.

Run: ``python benchmarks/allocation_tables.py``. Types are even draws from [0.1, 1], budgets 0.275 N, weights 1. Every
number is a mean over instances with its standard error; the reference beside it was computed once on few instances, so
that it has the error in brackets. Agent 1 misreports; the search is the reference's own, of four rounds of log-normal
perturbations about the best report so far, of widths 1, .35, .12 and .04. `judge` is the mean relative gain of all
agents of the first 100 instances by `settled_misreport`: the reference's is a lower bound of it.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from walras.mechanisms import (
    AllocationProblem,
    Mechanism,
    PartialAllocation,
    PostedSurcharge,
    ProportionalFairness,
    Types,
    efficiency,
    nash_welfare,
    settled_misreport,
    utility,
)

WIDTHS = (1.0, 0.35, 0.12, 0.04)
INSTANCES, JUDGED = 400, 100


class Reference(NamedTuple):
    """What was computed once: Nash welfare, efficiency and gains on a number of instances."""

    instances: int
    fair: float
    partial: float
    efficiency: float
    gain: float  # of values, under proportional fairness, absolute
    relative: float
    both: float  # of values and demands, under partial allocation, relative


TABLE = {
    (2, 2): Reference(40, 0.2918, 0.1945, 0.666, 0.0332, 0.123, 0.044),
    (3, 2): Reference(40, 0.3152, 0.1868, 0.604, 0.0240, 0.084, 0.063),
    (5, 3): Reference(30, 0.5160, 0.2834, 0.545, 0.0571, 0.110, 0.084),
    (10, 3): Reference(12, 0.5239, 0.2629, 0.494, 0.0840, 0.191, 0.162),
}
SURCHARGES = {0.0: (1.0, 0.0740), 0.5: (0.999, 0.0561), 1.0: (0.983, 0.0355), 1.5: (0.911, 0.0458),
              2.0: (0.789, 0.0678), 3.0: (0.656, 0.0329), 6.0: (0.373, 0.0052)}  # fmt: skip


def searched(mechanism: Mechanism, types: AllocationProblem, count: int, demands: bool) -> tuple[Tensor, Tensor]:
    """Return what agent 1 has and what it gains, ``[B]`` each, by the reference's search of `count` reports a round."""
    draw, rows = torch.Generator().manual_seed(1), len(types.values)
    honest = utility(mechanism(*types), types.values, types.demands)[:, 0]
    best, v, x = honest, types.values[:, 0], types.demands[:, 0]
    for width in WIDTHS:
        shape = (count, *v.shape)
        tried = v * torch.exp(width * torch.randn(shape, generator=draw, dtype=v.dtype))
        moves = torch.exp(width * torch.randn(shape, generator=draw, dtype=v.dtype))
        asked = (x * moves).clamp(max=1.0) if demands else x.expand(shape)
        scores = torch.stack([reported(mechanism, types, *one) for one in zip(tried, asked, strict=True)])
        top = scores.argmax(dim=0)
        better = scores[top, torch.arange(rows)] > best
        best = torch.where(better, scores[top, torch.arange(rows)], best)
        v = torch.where(better[:, None], tried[top, torch.arange(rows)], v)
        x = torch.where(better[:, None], asked[top, torch.arange(rows)], x)
    return honest, best - honest


def reported(mechanism: Mechanism, types: AllocationProblem, values: Tensor, demands: Tensor) -> Tensor:
    """Return agent 1's utility, ``[B]``, of its report."""
    v, x = types.values.clone(), types.demands.clone()
    v[:, 0], x[:, 0] = values, demands
    return utility(mechanism(v, x, types.budgets), types.values, types.demands)[:, 0]


def mean(samples: Tensor, reference: float, instances: int) -> str:
    """Return mean, standard error, and the reference with its own."""
    found, error = float(samples.mean()), float(samples.std())
    return f"{found:.4f} ± {error / len(samples) ** 0.5:.4f}; {reference:.4f} ({error / instances**0.5:.4f})"


def judged(mechanism: Mechanism, types: AllocationProblem, misreports: str) -> str:
    """Return the mean relative gain by the search that is doubled until it settles."""
    first = AllocationProblem(*(part[:JUDGED] for part in types[:3]))
    found = settled_misreport(mechanism, first, misreports, max_demand=1.0)
    return f"{float(found.misreport.relative.mean()):.4f}{', still growing' if found.growing else ''}"


def table(print_row: Callable[[list[str]], None]) -> None:
    """Print Nash welfare and gains for each size."""
    fair, partial = ProportionalFairness(), PartialAllocation()
    for (agents, resources), told in TABLE.items():
        rows = INSTANCES if agents < 10 else 100
        types = Types(agents, resources).sample(rows, torch.Generator().manual_seed(0))
        count = 96 if agents == 10 else 192
        u = [utility(m(*types), types.values, types.demands) for m in (fair, partial)]
        used = efficiency(partial(*types), types.demands, types.budgets)
        honest, gain = searched(fair, types, count, False)
        kept, both = searched(partial, types, count // 3 if agents == 10 else 96, True)
        print_row([
            f"({agents}, {resources})",
            mean(nash_welfare(u[0]), told.fair, told.instances),
            mean(nash_welfare(u[1]), told.partial, told.instances),
            mean(used, told.efficiency, told.instances),
            mean(gain, told.gain, told.instances),
            mean(gain / honest, told.relative, told.instances),
            mean(both / kept, told.both, told.instances),
            judged(fair, types, "values"),
        ])  # fmt: skip


def curve(print_row: Callable[[list[str]], None]) -> None:
    """Print Nash welfare and the relative gain along the constant surcharge, for three agents and two resources."""
    types = Types(3, 2).sample(INSTANCES, torch.Generator().manual_seed(0))
    fair = nash_welfare(utility(ProportionalFairness()(*types), types.values, types.demands))
    for tau, (welfare, relative) in SURCHARGES.items():
        mechanism = PostedSurcharge(tau)
        kept = nash_welfare(utility(mechanism(*types), types.values, types.demands)) / fair
        honest, gain = searched(mechanism, types, 96, True)
        found = judged(mechanism, types, "values+demands")
        print_row([str(tau), mean(kept, welfare, 12), mean(gain / honest, relative, 12), found])


def main() -> None:
    """Print both tables."""
    torch.set_num_threads(2)
    print("mean ± standard error; reference (its standard error)\n")
    print("| (N, M) | NSW of PF | NSW of PA | efficiency of PA | PF abs | PF rel | PA rel, demands too | judge |")
    print("|---|---|---|---|---|---|---|---|")
    table(lambda cells: print("| " + " | ".join(cells) + " |", flush=True))
    print("\n| surcharge | NSW / NSW of PF | rel | judge |\n|---|---|---|---|")
    curve(lambda cells: print("| " + " | ".join(cells) + " |", flush=True))


if __name__ == "__main__":
    main()
