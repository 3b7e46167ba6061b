"""What cells cost: CPU seconds, measured, by which the time of a suite is told before it runs.

Cells that are in the storage tell what theirs cost on this machine. For others stand the seconds of `MEASURED`; for
what was never measured, the median of what was.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import final

import pyarrow.parquet as pq

from walras.scenarios.bench.plan import Cell
from walras.scenarios.bench.store import Store
from walras.scenarios.bench.task import METADATA

MEASURED: dict[str, dict[str, tuple[float, float]]] = {}
"""By game and method: CPU seconds of a seed's training a thousand steps, and of its judgement as `core` judges."""
START = 4.0
"""Seconds in which a worker is started."""


@final
@dataclass(frozen=True)
class Estimated:
    """What cells are estimated to cost."""

    seconds: dict[str, float]
    """Of each cell, on one core."""
    unknown: int
    """Cells like which none was measured."""

    @property
    def total(self) -> float:
        """Of all cells."""
        return sum(self.seconds.values())

    def told(self, workers: int) -> str:
        """Return the time on some workers, in words."""
        longest = max(self.seconds.values(), default=0.0)
        words = in_words(max(self.total / workers, longest) + START * bool(self.seconds))
        doubt = f", guessed for {self.unknown} cells like which none was measured" if self.unknown else ""
        return f"{words} on {workers} {'worker' if workers == 1 else 'workers'}{doubt}"


def estimated(cells: Sequence[Cell], store: Store) -> Estimated:
    """Return what cells are estimated to cost."""
    here = measured_here(store)
    known = {cell.id: _cost(cell, here) for cell in cells}
    found = [cost for cost in known.values() if cost is not None]
    usual = median(found) if found else 30.0
    seconds = {name: usual if cost is None else cost for name, cost in known.items()}
    return Estimated(seconds, len(known) - len(found))


def measured_here(store: Store) -> dict[str, dict[str, tuple[float, float]]]:
    """Return what cells in a storage cost, as `MEASURED`."""
    each: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for name in store.names("cells"):
        content = store.read(f"cells/{name}")
        if content is not None:
            manifest = json.loads(pq.read_schema(io.BytesIO(content)).metadata[METADATA])
            cell, spent = manifest["cell"], manifest["cpu_seconds"]
            seeds = len(cell["seeds"])
            costs = spent["train"] / seeds / cell["steps"] * 1000, spent["judge"] / seeds
            each.setdefault(cell["game"], {}).setdefault(cell["method"], []).append(costs)
    return {
        game: {name: (median(c[0] for c in costs), median(c[1] for c in costs)) for name, costs in methods.items()}
        for game, methods in each.items()
    }


def in_words(seconds: float) -> str:
    """Return a time in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _cost(cell: Cell, here: dict[str, dict[str, tuple[float, float]]]) -> float | None:
    """Return the CPU seconds of a cell, if such a one was measured."""
    for table in (here, MEASURED):
        found = table.get(cell.game, {}).get(cell.method)
        if found is not None:
            return len(cell.seeds) * (found[0] * cell.steps / 1000 + found[1])
    return None
