"""Engines: where tasks are done. All give the same results bit for bit: a task depends on nothing but itself.

| engine | where |
|---|---|
| `inline` | in this process, one after the other |
| `processes` | in processes of this machine; one that dies takes its own task with it alone |
| `ray` | core tasks of a Ray cluster (`pip install "walras[ray]"`) |
| `slurm` | arrays of Slurm jobs, by submitit (`pip install "walras[slurm]"`) |

Each task has one thread. Results go to the storage, never through the engine.
"""

import os
import shutil
import socket
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any, Protocol, final

from walras.core.checks import require, require_whole
from walras.core.lazy import needed
from walras.scenarios.bench.task import Outcome, Task, finish
from walras.scenarios.engine.workers import begin_worker, without_script

ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")}
"""The environment of a worker: read when libraries are imported."""
TRIES = 3
"""How often a cluster tries a task again whose machine went away."""
WAIT = 5.0
"""Seconds after which an address that does not answer is given up, and between looks at jobs."""


class Engine(Protocol):
    """Where tasks are done."""

    @property
    def workers(self) -> int:
        """How many tasks are done at the same time, as far as it is known before."""
        ...

    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Do all tasks in any order; yield how each ended. A task that fails stops no other.

        Raises
        ------
        OSError
            If the storage or the cluster cannot be reached.
        """
        ...


@final
@dataclass(frozen=True)
class Inline:
    """One task after the other, in this process."""

    workers: int = 1

    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Do the tasks."""
        yield from map(finish, tasks)


@final
@dataclass(frozen=True)
class Processes:
    """Worker processes of this machine. They end with the process that began them, in whatever way that ends.

    Raises
    ------
    ValueError
        If `workers` is no whole number, or less than 1.
    """

    workers: int = field(default_factory=lambda: os.cpu_count() or 1)

    def __post_init__(self) -> None:
        require_whole(self.workers, "workers")

    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Do the tasks."""
        others = set(active_children())
        seats = ThreadPoolExecutor(self.workers)
        with _environment(ONE_THREAD):
            worker = _Worker()
            try:
                calls = [seats.submit(worker.finish, task) for task in tasks]
                for done in as_completed(calls):
                    yield done.result()
            except BaseException:
                seats.shutdown(wait=False, cancel_futures=True)
                for child in set(active_children()) - others:
                    child.kill()
                raise
            finally:
                seats.shutdown(cancel_futures=True)
                worker.end()


class _Worker(threading.local):
    """A process for each thread that asks; another one if it dies."""

    pools: list[ProcessPoolExecutor] = []  # noqa: RUF012 - of all threads
    own: ProcessPoolExecutor | None = None

    def finish(self, task: Task) -> Outcome:
        """Do a task in the thread's process."""
        if self.own is None:
            self.own = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=begin_worker)
            self.pools.append(self.own)
        try:
            with _STARTING, without_script():
                call = self.own.submit(finish, task)
            return call.result()
        except BrokenProcessPool:
            self.own = None
            return Outcome(task.id, "failed", 0.0, "its process ended: killed, out of memory, or a crash of a library")

    def end(self) -> None:
        """End all processes."""
        while self.pools:
            self.pools.pop().shutdown()


_STARTING = threading.Lock()
"""One process is started at a time."""


@final
@dataclass(frozen=True)
class Ray:
    """Core tasks of a Ray cluster, which may grow and shrink; a task whose machine goes away is tried elsewhere.

    The storage must be one that all machines see.
    """

    address: str = ""
    """``host:port`` of the cluster's head; empty for one on this machine."""
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Cores of the cluster that is begun here if `address` is empty."""

    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Do the tasks: at most two a core are handed out at a time.

        Raises
        ------
        ImportError
            If Ray is not installed.
        ConnectionError
            If no cluster answers at the address.
        """
        ray = needed("ray", "ray")
        self._connect(ray)
        remote = ray.remote(num_cpus=1, max_retries=TRIES, runtime_env={"env_vars": ONE_THREAD})(finish)
        waiting, flying = list(reversed(tasks)), dict[Any, Task]()
        while waiting or flying:
            room = 2 * int(ray.cluster_resources().get("CPU", 1)) - len(flying)
            for _ in range(min(room, len(waiting))):
                task = waiting.pop()
                flying[remote.remote(task)] = task
            done, _ = ray.wait(list(flying), num_returns=1, timeout=WAIT)
            for each in done:
                yield _got(ray, each, flying.pop(each))

    def _connect(self, ray: Any) -> None:  # noqa: ANN401 - a module
        if ray.is_initialized():
            return
        if not self.address:
            ray.init(num_cpus=self.workers, include_dashboard=False, log_to_driver=False)
            return
        _check_address(self.address)
        ray.init(address=self.address, log_to_driver=False)


def _got(ray: Any, reference: Any, task: Task) -> Outcome:  # noqa: ANN401 - Ray's own
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.as_instanceof_cause() from error
    except ray.exceptions.RayError as error:
        return Outcome(task.id, "failed", 0.0, f"{type(error).__name__} after {TRIES + 1} tries: {error}")


def _check_address(address: str) -> None:
    host, _, port = address.removeprefix("ray://").partition(":")
    require(port.isdigit(), "address", "be host:port", address)
    try:
        socket.create_connection((host, int(port)), WAIT).close()
    except OSError as failure:
        told = f"No Ray cluster answers at {address} ({failure}); start one by `ray start --head` and give its address."
        raise ConnectionError(told) from failure


@final
@dataclass(frozen=True)
class Slurm:
    """Arrays of Slurm jobs, several cells a job.

    Raises
    ------
    ValueError
        If a number is no whole number, or less than 1.
    """

    workers: int = 100
    """Jobs that may run at the same time."""
    cells: int = 8
    """Cells of a job."""
    minutes: int = 240
    """A job's time limit."""
    partition: str = ""
    """Slurm's; its default if empty."""
    logs: Path = Path("slurm-logs")
    """Where submitit keeps its files; all machines must see it."""
    cluster: str = "slurm"
    """Submitit's name of the executor; "local" runs the jobs on this machine, to try a suite out."""

    def __post_init__(self) -> None:
        for name in ("workers", "cells", "minutes"):
            require_whole(getattr(self, name), name)

    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Do the tasks.

        Raises
        ------
        ImportError
            If submitit is not installed.
        ConnectionError
            If this machine submits to no Slurm cluster.
        """
        submitit = needed("submitit", "slurm")
        if self.cluster == "slurm" and shutil.which("sbatch") is None:
            raise ConnectionError(
                "No Slurm cluster is here: `sbatch` is not found; run on a machine that submits to one."
            )
        executor = submitit.AutoExecutor(folder=self.logs, cluster=self.cluster)
        executor.update_parameters(name="walras", timeout_min=self.minutes, cpus_per_task=1)
        executor.update_parameters(slurm_array_parallelism=self.workers, slurm_setup=_exports())
        if self.partition:
            executor.update_parameters(slurm_partition=self.partition)
        parts = [tasks[k : k + self.cells] for k in range(0, len(tasks), self.cells)]
        with _environment(ONE_THREAD):
            flying = dict(zip(executor.map_array(finish_all, parts), parts, strict=True))
        while flying:
            for job in [job for job in flying if job.done()]:
                yield from _of_job(job, flying.pop(job))
            time.sleep(min(WAIT, 0.5) if self.cluster != "slurm" else WAIT)


def finish_all(tasks: Sequence[Task]) -> list[Outcome]:
    """Do tasks one after the other."""
    return [finish(task) for task in tasks]


def _of_job(job: Any, tasks: Sequence[Task]) -> list[Outcome]:  # noqa: ANN401 - submitit is untyped
    error = job.exception()
    if error is None:
        return job.result()
    return [Outcome(task.id, "failed", 0.0, f"job {job.job_id} ended: {error}") for task in tasks]


def _exports() -> list[str]:
    return [f"export {name}={value}" for name, value in ONE_THREAD.items()]


@contextmanager
def _environment(values: dict[str, str]) -> Generator[None]:
    """Set variables of the environment for processes that are started within."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
