"""A task: one cell, done once. Trying it twice is harmless, on one machine or several.

A finished cell is ``cells/<id>.parquet``, with its manifest in the file's metadata. A cell that failed leaves
``failures/<id>.json`` with the traceback. Whoever finishes second compares; what differs is kept in ``differences/``.
"""

import io
import json
import os
import platform
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from walras.core.checks import require
from walras.core.identity import fingerprint
from walras.scenarios.bench.judge import judge
from walras.scenarios.bench.plan import Cell, identity, versions
from walras.scenarios.bench.store import Folder, Store, store_at
from walras.scenarios.engine.manifest import check_unchanged, written

Found = TypeVar("Found")
METADATA = b"walras"
"""Under which a file keeps its manifest."""
TOLD = ("id", "role", "family", "certificates")
"""Parts of a manifest that are the same whoever does the cell."""


@final
@dataclass(frozen=True)
class Task:
    """A cell, and where its result goes."""

    cell: Cell
    id: str
    """The cell's, when the suite began."""
    store: str
    """URL."""


class Outcome(NamedTuple):
    """How a task ended."""

    id: str
    status: str
    """done, kept (it was there), differs (it was there, and this result is another), or failed."""
    seconds: float = 0.0
    """Of this try, by the clock."""
    told: str = ""
    """What went wrong."""


def finish(task: Task) -> Outcome:
    """Do a task, unless it is done; never raise but for what ends the whole run.

    Raises
    ------
    OSError
        If the storage cannot be used.
    """
    store, began = store_at(task.store), time.perf_counter()
    if store.has(cell_file(task.id)):
        return Outcome(task.id, "kept")
    try:
        with _scratch(store, task.id) as folder:
            content, manifest = _content(task, folder)
    except Exception as error:
        _keep_failure(store, task, error)
        return Outcome(task.id, "failed", time.perf_counter() - began, _told(error))
    seconds = time.perf_counter() - began
    if store.create(cell_file(task.id), content):
        return Outcome(task.id, "done", seconds)
    return Outcome(task.id, *_compared(store, task.id, content, manifest["hash"]))


def cell_file(cell: str) -> str:
    """Return the name of a finished cell's object."""
    return f"cells/{cell}.parquet"


def finished(store: Store) -> list[str]:
    """Return the fingerprints of the finished cells in a storage."""
    return [name.removesuffix(".parquet") for name in store.names("cells")]


def failure_file(cell: str) -> str:
    """Return the name of the object that tells how a cell failed."""
    return f"failures/{cell}.json"


def stored(store: Store, cell: str, read: Callable[[bytes], Found]) -> Found:
    """Return what `read` finds in a finished cell's object, such as `read_cell` or `read_manifest`.

    Raises
    ------
    ValueError
        If the object is damaged; the message names it.
    """
    content = store.read(cell_file(cell))
    assert content is not None
    try:
        return read(content)
    except (ValueError, OSError) as damaged:
        rule = "hold whole cells: remove the one that is damaged, and run the suite again"
        raise ValueError(f"`store` must {rule}; got {cell_file(cell)} in {store.url} ({damaged}).") from damaged


def read_cell(content: bytes) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return the manifest and the table of a finished cell.

    Raises
    ------
    ValueError
        If the content is no cell's, or is not what its manifest says.
    """
    table = pq.read_table(io.BytesIO(content))
    manifest, frame = _manifest_of(table.schema), table.to_pandas()
    found = content_hash(frame, manifest)
    require(found == manifest["hash"], "content", f"have the hash {manifest['hash']}", found)
    return manifest, frame


def read_manifest(content: bytes) -> dict[str, Any]:
    """Return the manifest of a finished cell; errors as `read_cell`."""
    return _manifest_of(pq.read_schema(io.BytesIO(content)))


def _manifest_of(schema: Any) -> dict[str, Any]:  # noqa: ANN401 - pyarrow is untyped
    manifest = json.loads((schema.metadata or {}).get(METADATA, b"{}"))
    require("hash" in manifest, "content", "be of a cell, with its manifest", list(manifest))
    return manifest


def content_hash(table: pd.DataFrame, manifest: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what a cell found: all of its table, and what the manifest tells of it in `TOLD`.

    The rest of a manifest, such as times and hardware, may differ from one try to the next.
    """
    columns = {name: table[name].to_numpy() for name in table}
    content = {name: "\n".join(v) if v.dtype.kind in "OUT" else v for name, v in columns.items()}
    told = {name: manifest[name] for name in TOLD}
    return fingerprint({"table": content, "told": json.dumps(told, sort_keys=True)})


def hardware() -> dict[str, Any]:
    """Return what this machine is."""
    return {"processor": _processor(), "cores": os.cpu_count(), "architecture": platform.machine()}


def _content(task: Task, folder: Path) -> tuple[bytes, dict[str, Any]]:
    """Return a finished cell as a file, and its manifest."""
    files = written(task.cell.files())
    _check_unchanged(task)
    began = time.perf_counter()
    judged = judge(task.cell, folder, files)
    table = judged.table
    check_unchanged(files)
    told = {
        "id": task.id,
        "cell": task.cell.data(),
        "role": task.cell.role,
        "family": task.cell.family,
        "certificates": judged.certificates,
    }
    manifest = told | {
        "hash": content_hash(table, told),
        "versions": versions() | {"walras": version("walras")},
        "hardware": hardware(),
        "cpu_seconds": judged.seconds,
        "wall_seconds": time.perf_counter() - began,
    }
    held = pa.Table.from_pandas(table, preserve_index=False)
    held = held.replace_schema_metadata({METADATA: json.dumps(manifest).encode()})
    file = io.BytesIO()
    pq.write_table(held, file, compression="zstd")
    return file.getvalue(), manifest


def _check_unchanged(task: Task) -> None:
    now = identity(task.cell)
    rule = f"be what they were when the suite began ({task.id}); run the suite again"
    require(now == task.id, "the files, versions and machine of the cell", rule, now)


@contextmanager
def _scratch(store: Store, cell: str) -> Generator[Path]:
    """Lend a folder for checkpoints: the cell's own, to go on, unless another process uses it; else a new one."""
    if isinstance(store, Folder):
        own = store.path / "work" / cell
        own.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(own / ".lock", timeout=0):
                yield own
                shutil.rmtree(own, ignore_errors=True)
            return
        except Timeout:
            pass
    with tempfile.TemporaryDirectory(prefix="walras-") as folder:
        yield Path(folder)


def _keep_failure(store: Store, task: Task, error: Exception) -> None:
    told = {
        "id": task.id,
        "cell": task.cell.data(),
        "error": _told(error),
        "notes": getattr(error, "__notes__", []),
        "traceback": "".join(traceback.format_exception(error)),
        "hardware": hardware(),
    }
    store.write(failure_file(task.id), json.dumps(told, indent=1).encode())


def _told(error: Exception) -> str:
    notes = [f"({note})" for note in getattr(error, "__notes__", ())]
    return " ".join([f"{type(error).__name__}: {error}", *notes])


def _compared(store: Store, cell: str, content: bytes, found: str) -> tuple[str, float, str]:
    """Return how a second result compares with the first."""
    before = stored(store, cell, read_cell)[0]["hash"]
    if before == found:
        return "kept", 0.0, ""
    kept = f"differences/{cell}-{found[:12]}.parquet"
    store.write(kept, content)
    return "differs", 0.0, f"a second run of the cell found {found[:12]}, not {before[:12]}; it is kept in {kept}"


def _processor() -> str:
    """Return the processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())
