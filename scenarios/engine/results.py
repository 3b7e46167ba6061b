"""A run on disk: what is written, how it is written whole or not at all, and how it is read back.

``runs/<scenario>/<id>/`` holds

- ``manifest.json``: scenario, fields, versions; the id is its hash;
- ``steps.parquet``: one row a contestant, seed, step and agent, with the state after the step; of an exam of several
  episodes, one row an episode as well;
- ``summary.json``: the measures, with confidence intervals over the seeds;
- ``reference.parquet``: recorded prices, where there are any;
- ``report.html``;
- ``cells/<contestant>-<seed>/``: the unit of work, with its policies and learning curve.
"""

import hashlib
import json
import platform
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from walras.core.checks import require
from walras.core.files import write_whole
from walras.core.game import State
from walras.core.rollout import Trajectory
from walras.core.typing import Floats

VERSIONS = ("walras", "numpy", "scipy", "torch", "stable-baselines3", "pandas", "pyarrow")


@dataclass(frozen=True, eq=False)
class Results:
    """Everything that a report needs."""

    manifest: dict[str, Any]
    summary: dict[str, Any]
    steps: pd.DataFrame
    reference: pd.DataFrame | None


def write_json(path: Path, content: object) -> None:
    """Write `content` as JSON, whole or not at all."""
    write_whole(path, lambda beside: beside.write_text(json.dumps(content, indent=1) + "\n"))


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write `table` as parquet, whole or not at all."""
    write_whole(path, lambda beside: table.to_parquet(beside, index=False))


def read_json(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    """Return the JSON content of `path`."""
    return json.loads(path.read_text())


def manifest_of(source: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return what fixes a run's numbers: the scenario, its fields, the files it reads and the versions it runs on."""
    files = {str(v): digest(Path(v)) for v in fields.values() if isinstance(v, str) and Path(v).is_file()}
    if Path(source).is_file():
        files[source] = digest(Path(source))
    versions = {name: version(name) for name in VERSIONS} | {"python": platform.python_version()}
    versions["walras"] += f"+{source_digest()[:12]}"
    return {
        "scenario": source,
        "fields": fields,
        "files": files,
        "versions": versions,
        "machine": platform.machine(),
    }


@cache
def source_digest() -> str:
    """Return the SHA-256 of the suite's own code, so that a change of it is a change of version."""
    house = Path(__file__).resolve().parents[2]
    folders = ("core", "markets", "mechanisms", "envs", "equilibria", "agents", "scenarios")
    files = sorted(file for folder in folders for file in (house / folder).rglob("*.py"))
    total = hashlib.sha256()
    for file in files:
        total.update(f"{file.relative_to(house).as_posix()} {digest(file)}\n".encode())
    return total.hexdigest()


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run_id(manifest: dict[str, Any]) -> str:
    """Return the content address of a run: twelve hexadecimal digits of its manifest's hash."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:12]


def load_results(folder: Path) -> Results:
    """Return the results of the finished run in `folder`.

    Raises
    ------
    FileNotFoundError
        If there is no finished run.
    """
    if not (folder / "summary.json").is_file():
        raise FileNotFoundError(f"`run` must be a finished run's folder, with a summary.json; got {str(folder)!r}.")
    reference = folder / "reference.parquet"
    return Results(
        manifest=read_json(folder / "manifest.json"),
        summary=read_json(folder / "summary.json"),
        steps=pd.read_parquet(folder / "steps.parquet"),
        reference=pd.read_parquet(reference) if reference.is_file() else None,
    )


def find_run(run: str, root: Path) -> Path:
    """Return the folder of a run, given as a folder, an id or its beginning, or a scenario's name (the newest).

    Raises
    ------
    FileNotFoundError
        If nothing matches.
    ValueError
        If several ids begin like `run`.
    """
    if (Path(run) / "manifest.json").is_file():
        return Path(run)
    found = sorted((path.parent for path in root.glob("*/*/manifest.json")), key=_age)
    by_name = [folder for folder in found if folder.parent.name == run]
    by_id = [folder for folder in found if folder.name.startswith(run)]
    if not by_name:
        require(len(by_id) <= 1, "run", "name one run", [str(folder) for folder in by_id])
    matches = by_name or by_id
    if not matches:
        known = ", ".join(map(str, found)) or "none"
        raise FileNotFoundError(f"`run` must be a run's folder, id or scenario; got {run!r}; there are: {known}.")
    return matches[-1]


def _age(folder: Path) -> tuple[bool, float]:
    """Return a key that sorts unfinished runs first, then by time."""
    return (folder / "summary.json").is_file(), (folder / "manifest.json").stat().st_mtime


def tabulate(trajectory: Trajectory[State], gain: Floats, agents: tuple[str, ...], row: int) -> pd.DataFrame:
    """Return one episode as a table, one line a step and agent, with the state after each step.

    Parameters
    ----------
    trajectory : Trajectory
        B episodes.
    gain : Floats
        ``[T, B, N]``, from `walras.equilibria.gap`.
    agents : tuple of str
        The N names.
    row : int
        Which of the B episodes.
    """
    steps, _, count = trajectory.reward.shape
    columns: dict[str, Any] = {
        "step": np.repeat(np.arange(steps), count),
        "agent": np.tile(np.array(agents), steps),
        "reward": trajectory.reward[:, row].reshape(-1),
        "gain": gain[:, row].reshape(-1),
    }
    columns |= _columns("action", trajectory.action[:, row].reshape(steps * count, -1))
    for name, values in vars(trajectory.state).items():
        after = values[1:, row]
        each = after.reshape(steps * count, -1) if after.ndim > 1 else np.repeat(after, count)[:, None]
        columns |= _columns(name, each)
    return pd.DataFrame(columns)[np.repeat(trajectory.alive[:, row], count)].reset_index(drop=True)


def _columns(name: str, values: Floats) -> dict[str, Floats]:
    """Return the columns of ``values [rows, width]``, numbered where there are several."""
    width = values.shape[1]
    return {name if width == 1 else f"{name}_{k}": values[:, k] for k in range(width)}
