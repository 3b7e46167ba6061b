"""What a suite costs beside its cells: the planner, the storage, the reader, the driver of a cluster; CPU time a cell.

    python benchmarks/bench_suites.py            # all but Ray
    python benchmarks/bench_suites.py --ray      # and a Ray cluster of one and of two workers on this machine

Times are CPU seconds of this process, medians of five, since the machine may have other work. What Ray does beside it
is told by the clock, and the load of the machine with it.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from walras.scenarios.bench.engines import Inline, Ray
from walras.scenarios.bench.plan import Cell, identity, plan
from walras.scenarios.bench.results import Results
from walras.scenarios.bench.runner import bench
from walras.scenarios.bench.store import Folder
from walras.scenarios.bench.suite import Evaluation, Recipe, Suite
from walras.scenarios.bench.task import Task, cell_file, finish, read_cell

MARKET = Recipe("electricity.cournot_market", {"horizon": 6})
SUITE = Suite(name="overhead", games={"market": MARKET}, methods={"random": Recipe("random")}, seeds=200, block=5)
LEARNERS = Suite(
    name="scaling",
    games={"market": MARKET},
    methods={"MAPPO": Recipe("MAPPO")},
    steps=16_384,
    seeds=16,
    block=2,
    evaluation=Evaluation(checkpoints=1, samples=2, frames=1024),
)


def cpu(act: Callable[[], Any]) -> float:
    """Return the CPU seconds of a call, the median of five."""
    times = list[float]()
    for _ in range(5):
        began = time.process_time()
        act()
        times.append(time.process_time() - began)
    return statistics.median(times)


def overhead(folder: Path) -> None:
    """Print what each part takes a cell."""
    planned = plan(SUITE)
    cells = planned.cells
    bench(planned, folder, Inline(), say=lambda text: None, progress=False)
    store, first = Folder(folder), cells[0]
    content = store.read(cell_file(first.id))
    assert content is not None
    rows = {
        "fingerprint of a cell": cpu(lambda: [identity(cell) for cell in cells]) / len(cells),
        "task that finds its cell there": cpu(lambda: [finish(task_of(cell, folder)) for cell in cells]) / len(cells),
        "creation of its file": cpu(lambda: [store.create(new(), content) for _ in cells]) / len(cells),
        "reading and checking it": cpu(lambda: [read_cell(content) for _ in cells]) / len(cells),
        "leaderboard, of each cell": cpu(lambda: Results(folder).table) / len(cells),
    }
    print(f"{len(cells)} cells of {len(first.seeds)} seeds, {len(content) / 1024:.1f} KiB each; CPU ms a cell")
    for name, seconds in rows.items():
        print(f"| {name} | {1000 * seconds:.2f} |")


def new() -> str:
    """Return a name that there is not yet."""
    return f"new/{os.urandom(8).hex()}"


def task_of(cell: Cell, folder: Path) -> Task:
    """Return the task of a cell."""
    return Task(cell, cell.id, str(folder))


def cluster(folder: Path) -> None:
    """Print what Ray's driver does in a second, and how a suite scales from one to two workers."""
    import ray

    planned = plan(SUITE)
    bench(planned, folder / "there", Inline(), say=lambda text: None, progress=False)
    for workers in (1, 2):
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
        engine, tasks = Ray(), [task_of(cell, folder / "there") for cell in planned.cells]
        list(engine.run(tasks[:workers]))  # workers are started
        began, spent = time.perf_counter(), time.process_time()
        list(engine.run(tasks * 10))
        wall, own = time.perf_counter() - began, time.process_time() - spent
        count = 10 * len(tasks)
        print(f"{workers} workers: {count / wall:.0f} tasks/s, driver {1000 * own / count:.2f} CPU ms a task")
        began = time.perf_counter()
        bench(plan(LEARNERS), folder / f"scaling-{workers}", engine, say=lambda text: None, progress=False)
        print(f"{workers} workers: 8 cells in {time.perf_counter() - began:.1f} s; load {os.getloadavg()[0]:.1f}")
        ray.shutdown()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        overhead(Path(scratch) / "overhead")
        if "--ray" in sys.argv:
            cluster(Path(scratch))
