import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from walras.core.lazy import needed
from walras.scenarios.bench.engines import Engine, Inline, Processes, Ray, Slurm
from walras.scenarios.bench.plan import Plan
from walras.scenarios.bench.store import Folder
from walras.scenarios.bench.task import Outcome, Task, read_cell


def tasks_of(planned: Plan, store: Path) -> list[Task]:
    return [Task(cell, cell.id, str(store)) for cell in planned.cells]


def hashes(store: Path) -> dict[str, str]:
    """Return the content hash of each finished cell."""
    contents = {name: Folder(store).read(f"cells/{name}") for name in Folder(store).names("cells")}
    return {name: read_cell(content)[0]["hash"] for name, content in contents.items() if content}


@pytest.fixture(scope="module")
def inline(tiny: Plan, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the suite comes to in this process."""
    store = tmp_path_factory.mktemp("inline")
    assert {outcome.status for outcome in Inline().run(tasks_of(tiny, store))} == {"done"}
    return hashes(store)


def test_processes_find_the_same(tiny: Plan, tmp_path: Path, inline: dict[str, str]) -> None:
    outcomes = list(Processes(2).run(tasks_of(tiny, tmp_path)))
    assert sorted(each.id for each in outcomes) == sorted(cell.id for cell in tiny.cells)
    assert {each.status for each in outcomes} == {"done"}
    assert hashes(tmp_path) == inline


def test_a_process_that_dies_takes_its_own_task_alone(settling: Callable[..., Plan], tmp_path: Path) -> None:
    planned = settling(fails="dies")
    outcomes = {each.id: each for each in Processes(2).run(tasks_of(planned, tmp_path))}
    ended = {(cell.method, cell.seeds[0]): outcomes[cell.id].status for cell in planned.cells}
    assert ended == {("own", 0): "failed", ("own", 2): "done", ("random", 0): "done", ("random", 2): "done"}
    (dead,) = (each for each in outcomes.values() if each.status == "failed")
    assert "its process ended" in dead.told


def test_one_that_stops_listening_leaves_no_process(tiny: Plan, tmp_path: Path) -> None:
    import multiprocessing

    before = set(multiprocessing.active_children())
    run = Processes(2).run(tasks_of(tiny, tmp_path))
    next(iter(run))
    run.close()  # type: ignore[attr-defined] - a generator
    deadline = time.monotonic() + 20
    while set(multiprocessing.active_children()) - before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert set(multiprocessing.active_children()) == before


@pytest.mark.slow
def test_slurms_engine_finds_the_same(tiny: Plan, tmp_path: Path, inline: dict[str, str]) -> None:
    pytest.importorskip("submitit", reason='needs pip install "walras[slurm]"')
    engine = Slurm(workers=2, cells=3, logs=tmp_path / "logs", cluster="local")
    outcomes = list(engine.run(tasks_of(tiny, tmp_path)))
    assert sorted(each.id for each in outcomes) == sorted(cell.id for cell in tiny.cells)
    assert hashes(tmp_path) == inline


@pytest.mark.slow
def test_a_job_that_dies_is_told(settling: Callable[..., Plan], tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason='needs pip install "walras[slurm]"')
    planned = settling(fails="dies")
    engine = Slurm(workers=4, cells=1, logs=tmp_path / "logs", cluster="local")
    outcomes = {each.id: each for each in engine.run(tasks_of(planned, tmp_path))}
    assert [outcomes[cell.id].status for cell in planned.cells].count("failed") == 1
    assert len(hashes(tmp_path)) == 3


def test_a_cluster_that_is_not_there_is_told(tiny: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("walras.scenarios.bench.engines.needed", lambda *names: _Absent())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    engines: list[tuple[Engine, str]] = [
        (Ray(f"127.0.0.1:{port}"), rf"No Ray cluster answers at 127.0.0.1:{port} .*ray start --head"),
        (Slurm(), "No Slurm cluster is here: `sbatch` is not found"),
    ]
    for engine, told in engines:
        with pytest.raises(ConnectionError, match=told):
            list(engine.run(tasks_of(tiny, tmp_path)))
    with pytest.raises(ValueError, match="`address` must be host:port; got 'somewhere'"):
        list(Ray("somewhere").run([]))


class _Absent:
    """A library that is installed and asked for nothing."""

    def is_initialized(self) -> bool:
        return False


def test_a_library_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r'ray is not installed: pip install "walras\[ray\]"'):
        needed("ray", "ray")


@pytest.mark.parametrize("make", [Processes, Slurm])
def test_a_number_of_workers_is_a_whole_number(make: Callable[..., Engine]) -> None:
    with pytest.raises(ValueError, match="`workers` must be a whole number, at least 1; got 0"):
        make(workers=0)


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A Ray cluster of two nodes, of which the second has the cores."""
    ray = pytest.importorskip("ray", reason='needs pip install "walras[ray]"')
    utils = pytest.importorskip("ray.cluster_utils")
    made = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.mark.slow
def test_a_ray_node_that_goes_away_loses_nothing(
    tiny: Plan,
    tmp_path: Path,
    inline: dict[str, str],
    cluster: Any,  # noqa: ANN401 - Ray's own
) -> None:
    node = cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    outcomes = list[Outcome]()
    for outcome in Ray(cluster.address).run(tasks_of(tiny, tmp_path)):
        outcomes.append(outcome)
        if node is not None:
            cluster.remove_node(node, allow_graceful=False)  # its workers are killed, whatever they do
            node = None
    assert sorted(each.id for each in outcomes) == sorted(cell.id for cell in tiny.cells)
    assert [each for each in outcomes if each.status not in ("done", "kept")] == []
    assert hashes(tmp_path) == inline
    assert Folder(tmp_path).names("differences") == []
