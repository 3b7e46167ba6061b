"""Every solver at extreme numbers, judged by another road than its own.

Run: ``OMP_NUM_THREADS=1 python benchmarks/robustness.py [--instances N] [--seed S] [--only NAME [--instance K]]``. Each
family of `robust` draws random instances: units of 1e-9 to 1e9, zeros, ties, one agent and many, instances without an
answer. It prints how many were solved, refused (an error that names the argument and the rule, or a status that is no
convergence), answered wrongly, or ended in an error that says nothing; and what to run to see one again.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import tyro
from robust import allocation, auctions, cooperation, electricity, matrix, networks, teams, trading
from robust.family import REFUSED, SLOW, SOLVED, UNCLEAR, WRONG, Family, Outcome, instance, play

FAMILIES = (
    *trading.FAMILIES,
    *electricity.FAMILIES,
    *networks.FAMILIES,
    *auctions.FAMILIES,
    *allocation.FAMILIES,
    *teams.FAMILIES,
    *cooperation.FAMILIES,
    *matrix.FAMILIES,
)
SHOWN = 3  # failures of a family that are printed


@dataclass(frozen=True)
class Options:
    """What is played."""

    instances: int = 10_000
    """Instances in total, the same number of each family."""
    seed: int = 0
    """Of all draws."""
    only: str | None = None
    """Name of a family; all by default."""
    instance: int | None = None
    """Place of one instance, which is printed and played again."""


def main(options: Options) -> int:
    """Print the table; return 1 if an answer is wrong, unclear or slow."""
    chosen = [family for family in FAMILIES if options.only in (None, family.name)]
    if not chosen:
        raise SystemExit(f"--only must be one of {', '.join(f.name for f in FAMILIES)}; got {options.only!r}.")
    if options.instance is not None:
        for family in chosen:
            np.set_printoptions(precision=17)
            print(family.name, instance(family, options.seed, options.instance))
            print(play(family, options.seed, options.instance))
        return 0
    print("| solver | instances | solved | refused | wrong | unclear | longest, s |\n|---|---|---|---|---|---|---|")
    results = {family.name: row(family, options.seed, options.instances // len(chosen)) for family in chosen}
    failures = [failure for outcomes in results.values() for failure in failed(outcomes)]
    for name, outcomes in results.items():
        for place, outcome in failed(outcomes)[:SHOWN]:
            print(
                f"\n{outcome.kind}: --only {name} --instance {place} --seed {options.seed}\n  {outcome.message[:400]}"
            )
    return 1 if failures else 0


def row(family: Family, seed: int, count: int) -> list[Outcome]:
    """Play a family and print its row."""
    outcomes = [play(family, seed, place) for place in range(count)]
    kinds = Counter(outcome.kind for outcome in outcomes)
    numbers = " | ".join(str(kinds[kind]) for kind in (SOLVED, REFUSED, WRONG, UNCLEAR))
    longest = max((outcome.seconds for outcome in outcomes), default=0.0)
    print(f"| {family.name} | {count} | {numbers} | {longest:.2f} |", flush=True)
    return outcomes


def failed(outcomes: list[Outcome]) -> list[tuple[int, Outcome]]:
    """Return the outcomes that no solver may have, with their places."""
    return [(k, o) for k, o in enumerate(outcomes) if o.kind in (WRONG, UNCLEAR) or o.seconds > SLOW]


if __name__ == "__main__":
    raise SystemExit(main(tyro.cli(Options)))
