"""Learned mechanisms beside the constant surcharge: Nash welfare at equal exploitability.

Run: ``python benchmarks/learned_mechanisms.py 3 2`` (N and M; then any of RPFNet, ExPFNet, ExSNet). Each is trained on
even draws from [0.1, 1] with budgets 0.275 N, by seeds 0 to 4, and judged on 100 other profiles by the search of
`best_misreport`, values and demands. `lift` is the log Nash welfare, relative to proportional fairness and in per cent,
above that of the surcharge with the same relative exploitability, interpolated between surcharges; where no
surcharge is as little exploitable, the least exploitable one stands in, and the lift is a lower bound. Interquartile
means over the seeds with 95 % bootstrap intervals.
"""

import sys
import time
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
    Types,
    best_misreport,
    fit,
    log_nash_welfare,
)
from walras.scenarios.engine.statistics import estimate

SEEDS = range(5)
SURCHARGES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)
LEARNED: dict[str, Any] = {"RPFNet": RPFNet, "ExPFNet": lambda seed: ExPFNet(), "ExSNet": ExSNet}


def judged(mechanism: Mechanism, test: AllocationProblem) -> tuple[float, float]:
    """Return the mean relative gain of misreports and the mean log Nash welfare."""
    found = best_misreport(mechanism, test, "values+demands", max_demand=1.0)
    return float((found.gain / found.honest).mean()), float(
        log_nash_welfare(found.honest).mean() / found.honest.shape[1]
    )


def lift(gain: float, welfare: float, curve: list[tuple[float, float]]) -> float:
    """Return welfare above the least upper envelope of `curve` at the same gain, in per cent."""
    gains, heights = np.array(sorted(curve)).T
    best = np.maximum.accumulate(heights)  # a point is beaten by one that gains less and is worth more
    return 100 * (welfare - float(np.interp(gain, gains, best)))


def main() -> None:
    """Print the curve and a row for each learned mechanism."""
    torch.set_num_threads(1)
    agents, resources = int(sys.argv[1]), int(sys.argv[2])
    population = Types(agents, resources)
    test = population.sample(100, torch.Generator().manual_seed(999))
    fair = judged(ProportionalFairness(), test)
    curve: list[tuple[float, float]] = []
    print("| mechanism | relative exploitability % | log NSW less PF's, % | lift % | training s | us a profile |")
    print("|---|---|---|---|---|---|")
    for tau in SURCHARGES:
        curve.append(judged(PostedSurcharge(tau), test))
        print(
            f"| surcharge {tau} | {100 * curve[-1][0]:.2f} | {100 * (curve[-1][1] - fair[1]):.2f} | | | |", flush=True
        )
    partial = judged(PartialAllocation(), test)
    print(f"| PartialAllocation | {100 * partial[0]:.2f} | {100 * (partial[1] - fair[1]):.2f} | | | |", flush=True)
    for name in sys.argv[3:] or LEARNED:
        rows = [trained(name, seed, population, test) for seed in SEEDS]
        gains, welfares, times, speeds = np.array(rows).T
        lifts = np.array([lift(g, w, curve) for g, w in zip(gains, welfares, strict=True)])
        cells = [interval(100 * gains), interval(100 * (welfares - fair[1])), interval(lifts)]
        print(f"| {name} | {' | '.join(cells)} | {times.mean():.0f} | {speeds.mean():.0f} |", flush=True)


def trained(name: str, seed: int, population: Types, test: AllocationProblem) -> tuple[float, float, float, float]:
    """Return gain, welfare, and the seconds of training and the microseconds of one allocation."""
    start = time.perf_counter()
    mechanism = fit(LEARNED[name](seed=seed), population, seed=seed, progress=False).mechanism
    taken, start = time.perf_counter() - start, time.perf_counter()
    for _ in range(5):
        mechanism(*test)
    each = (time.perf_counter() - start) / 5 / len(test.values)
    gain, welfare = judged(mechanism, test)
    print(f"<!-- {name} seed {seed}: {100 * gain:.2f} {welfare:.4f} {taken:.0f} s -->", flush=True)
    return gain, welfare, taken, 1e6 * each


def interval(samples: Any) -> str:  # noqa: ANN401
    """Return the interquartile mean and its interval."""
    found = estimate(samples)
    return f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"


if __name__ == "__main__":
    main()
