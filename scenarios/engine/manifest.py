"""What fixes the numbers of a run, and its id: the fingerprint of that."""

import platform
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from walras.core.checks import require
from walras.core.identity import fingerprint
from walras.scenarios.engine.catalogue import Source, paths_in
from walras.scenarios.engine.files import digest
from walras.scenarios.engine.modules import imports
from walras.scenarios.engine.session import session_fingerprint

VERSIONS = ("walras", "numpy", "scipy", "torch", "stable-baselines3", "pandas", "pyarrow")
Watched: TypeAlias = dict[str, tuple[tuple[int, ...], ...]]
"""The files that a run reads, with the time at which each was last written."""
ROOTS = ("core", "markets", "mechanisms", "envs", "equilibria", "agents", "scenarios")


def manifest_of(source: Source) -> dict[str, Any]:
    """Return what fixes a run's numbers: the scenario, its fields, the files it reads and the versions it runs on."""
    versions = {name: version(name) for name in VERSIONS} | {"python": platform.python_version()}
    versions["walras"] += f"+{source_digest()[:12]}"
    return {
        "scenario": source.scenario,
        "fields": source.fields,
        "files": {str(file): fingerprint(file) for file in _files(source)},
        "session": session_fingerprint(source.kind) if source.kind else "",
        "versions": versions,
        "machine": platform.machine(),
    }


def run_id(manifest: dict[str, Any]) -> str:
    """Return the content address of a run: twelve hexadecimal digits of its manifest's fingerprint."""
    return fingerprint(manifest)[:12]


def watched(files: dict[str, str]) -> Watched:
    """Return when each of the manifest's files was last written.

    Raises
    ------
    ValueError
        If one is no longer what the manifest says.
    """
    times = written(map(Path, files))
    _require_none([file for file, before in files.items() if fingerprint(Path(file)) != before])
    return times


def written(files: Iterable[Path]) -> Watched:
    """Return when each of the files was last written, as they are now."""
    return {str(file): _written(file) for file in files}


def check_unchanged(files: Watched) -> None:
    """Refuse to go on if a file was written since the run began, also if it was written back.

    Raises
    ------
    ValueError
        If one was.
    """
    _require_none([file for file, before in files.items() if _written(Path(file)) != before])


@cache
def source_digest() -> str:
    """Return the fingerprint of the suite's own code, so that a change of it is a change of version."""
    house = Path(__file__).resolve().parents[2]
    files = sorted(file for root in ROOTS for file in (house / root).rglob("*.py"))
    return fingerprint({file.relative_to(house).as_posix(): digest(file) for file in files})


def _written(path: Path) -> tuple[tuple[int, ...], ...]:
    """Return time, size and place on disk of a file, or of the files of a folder; nothing where nothing is."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path] if path.exists() else []
    return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in (file.stat() for file in files))


def _require_none(changed: list[str]) -> None:
    require(not changed, "files", "stay as they are while a run reads them; run it again", changed)


def _files(source: Source) -> list[Path]:
    """Return the files that a run reads: the scenario's, those beside it that it imports, and those of its fields."""
    scenario, file = source.load(), source.file
    code = [file, *imports(file).values()] if file else []
    return code + [path for value in vars(scenario).values() for path in paths_in(value)]
