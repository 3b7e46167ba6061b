"""Learned mechanisms beside the constant surcharge: Nash welfare at equal exploitability.

Run: ``python benchmarks/learned_mechanisms.py 3 2`` (N and M; then any of RPFNet, ExPFNet, ExSNet; ``--profiles``,
``--seeds``). Each is trained on even draws from [0.1, 1] with budgets 0.275 N, by seeds 0 to 4, and judged on 100 other
profiles, values and demands: `quick %` is the mean relative gain by `Search.quick`, `exploitability %` by
`settled_misreport`, whose search is longer and is doubled until it finds hardly more; where it still does, the cell
says "still growing". `interim gap %` is for what an agent gains that knows its own type alone, by
`walras.equilibria.gap`; this command leaves it empty.

`lift %` is the log Nash welfare, relative to proportional fairness and in per cent, above that of the surcharge with
the same relative exploitability, interpolated between surcharges; where no surcharge is as little exploitable, the
least exploitable one stands in, and the lift is a lower bound. `quick lift %` is the same, all gains by the quick
search. Interquartile means over the seeds with 95 % bootstrap intervals.
"""

import argparse
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from walras.mechanisms import (
    AllocationProblem,
    ExPFNet,
    ExSNet,
    Mechanism,
    PartialAllocation,
    PostedSurcharge,
    ProportionalFairness,
    RPFNet,
    Search,
    Types,
    best_misreport,
    fit,
    log_nash_welfare,
    settled_misreport,
    utility,
)
from walras.scenarios.engine.statistics import estimate

SURCHARGES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)
LEARNED: dict[str, Any] = {"RPFNet": RPFNet, "ExPFNet": lambda seed: ExPFNet(), "ExSNet": ExSNet}
COLUMNS = (
    "mechanism", "quick %", "exploitability %", "interim gap %", "log NSW less PF's, %", "quick lift %", "lift %",
    "training s", "us a profile",
)  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """What a mechanism is worth, and what misreports gain."""

    quick: float  # mean relative gain by the quick search
    gain: float  # by the long one
    growing: bool  # twice the long search still found more
    welfare: float  # mean log Nash welfare


def judged(mechanism: Mechanism, test: AllocationProblem) -> Judged:
    """Judge a mechanism on the profiles `test`."""
    quick = best_misreport(mechanism, test, "values+demands", max_demand=1.0, search=Search.quick())
    settled = settled_misreport(mechanism, test, "values+demands", max_demand=1.0)
    welfare = log_nash_welfare(quick.honest).mean() / quick.honest.shape[1]
    gain = settled.misreport.relative.mean()
    return Judged(float(quick.relative.mean()), float(gain), settled.growing, float(welfare))


def lift(gain: float, welfare: float, curve: list[tuple[float, float]]) -> float:
    """Return welfare above the least upper envelope of `curve` at the same gain, in per cent."""
    gains, heights = np.array(sorted(curve)).T
    best = np.maximum.accumulate(heights)  # a point is beaten by one that gains less and is worth more
    return 100 * (welfare - float(np.interp(gain, gains, best)))


def trained(name: str, seed: int, population: Types, test: AllocationProblem) -> tuple[Judged, float, float]:
    """Return the judgement, the seconds of training and the microseconds of one allocation."""
    start = time.perf_counter()
    mechanism = fit(LEARNED[name](seed=seed), population, seed=seed, progress=False).mechanism
    taken, start = time.perf_counter() - start, time.perf_counter()
    for _ in range(5):
        mechanism(*test)
    each = (time.perf_counter() - start) / 5 / len(test.values)
    found = judged(mechanism, test)
    gains = f"{100 * found.quick:.2f} {100 * found.gain:.2f}{noted(found.growing)}"
    print(f"<!-- {name} seed {seed}: {gains} {found.welfare:.4f} -->", flush=True)
    return found, taken, 1e6 * each


def noted(growing: bool) -> str:
    """Return what is said of a gain that a longer search would raise."""
    return ", still growing" if growing else ""


def interval(samples: Any) -> str:  # noqa: ANN401
    """Return the interquartile mean and its interval."""
    found = estimate(samples)
    return f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"


def row(*cells: str) -> None:
    """Print a row of the table."""
    print("| " + " | ".join(cells) + " |", flush=True)


def by_hand(name: str, mechanism: Mechanism, test: AllocationProblem, fair: float) -> Judged:
    """Print and return the judgement of a rule made by hand; `fair` is the welfare of proportional fairness."""
    found = judged(mechanism, test)
    gain = f"{100 * found.gain:.2f}{noted(found.growing)}"
    row(name, f"{100 * found.quick:.2f}", gain, "", f"{100 * (found.welfare - fair):.2f}", *[""] * 4)
    return found


def learned(name: str, runs: list[tuple[Judged, float, float]], surcharges: list[Judged], fair: float) -> None:
    """Print the row of a learned mechanism from its runs."""
    found = [run[0] for run in runs]
    quick = [lift(f.quick, f.welfare, [(s.quick, s.welfare) for s in surcharges]) for f in found]
    full = [lift(f.gain, f.welfare, [(s.gain, s.welfare) for s in surcharges]) for f in found]
    row(
        name,
        interval(np.array([100 * f.quick for f in found])),
        interval(np.array([100 * f.gain for f in found])) + noted(any(f.growing for f in found)),
        "",
        interval(np.array([100 * (f.welfare - fair) for f in found])),
        interval(np.array(quick)),
        interval(np.array(full)),
        *(f"{np.mean([run[k] for run in runs]):.0f}" for k in (1, 2)),
    )


def main() -> None:
    """Print the curve and a row for each learned mechanism."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("agents", type=int)
    parser.add_argument("resources", type=int)
    parser.add_argument("names", nargs="*", metavar="mechanism", help=f"any of {', '.join(LEARNED)}; all by default")
    parser.add_argument("--profiles", type=int, default=100, help="that all are judged on")
    parser.add_argument("--seeds", type=int, default=5, help="trainings of each")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    population = Types(asked.agents, asked.resources)
    test = population.sample(asked.profiles, torch.Generator().manual_seed(999))
    honest = utility(ProportionalFairness()(*test), test.values, test.demands)
    fair = float(log_nash_welfare(honest).mean() / asked.agents)
    row(*COLUMNS)
    row(*["---"] * len(COLUMNS))
    surcharges = [by_hand(f"surcharge {tau}", PostedSurcharge(tau), test, fair) for tau in SURCHARGES]
    by_hand("PartialAllocation", PartialAllocation(), test, fair)
    for name in asked.names or LEARNED:
        learned(name, [trained(name, seed, population, test) for seed in range(asked.seeds)], surcharges, fair)


if __name__ == "__main__":
    main()
