"""What fixes the numbers of a run, and its id: the fingerprint of that."""

import platform
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from walras.core.checks import require
from walras.core.identity import fingerprint
from walras.core.lazy import needed_version
from walras.scenarios.engine.catalogue import FILES, Source, paths_in
from walras.scenarios.engine.files import digest
from walras.scenarios.engine.modules import imports
from walras.scenarios.engine.session import session_fingerprint
from walras.scenarios.engine.study import AbstractStudy

VERSIONS = ("walras", "numpy", "scipy", "torch", "stable-baselines3", "pandas", "pyarrow")
Watched: TypeAlias = dict[str, tuple[tuple[int, ...], ...]]
"""The files that a run reads, with the time at which each was last written."""
ROOTS = ("core", "markets", "mechanisms", "envs", "equilibria", "agents", "scenarios")


def manifest_of(source: Source) -> dict[str, Any]:
    """Return what fixes a run's numbers: the scenario, its fields, the files it reads and the versions it runs on.

    Raises
    ------
    ImportError
        If a library that the scenario depends on is not installed; nothing is read before that is known.
    """
    versions = _versions(source)
    versions["walras"] += f"+{source_digest()[:12]}"
    return {
        "scenario": source.scenario,
        "fields": source.fields,
        "files": {str(file): _content(file) for file in _files(source)},
        "session": session_fingerprint(source.kind) if source.kind else "",
        "versions": versions,
        "machine": platform.machine(),
    }


def run_id(manifest: dict[str, Any]) -> str:
    """Return the content address of a run: twelve hexadecimal digits of its manifest's fingerprint.

    A file among the fields counts by its content and not by its place, and a file that describes the scenario by what
    it says: a market whose files are moved is the same run.
    """
    files = manifest["files"]
    fields = _without_places(manifest["fields"], files)
    code = {file: content for file, content in files.items() if file not in _texts(manifest["fields"])}
    described = Path(manifest["scenario"]).suffix in FILES
    scenario = "" if described else manifest["scenario"]
    return fingerprint(manifest | {"scenario": scenario, "fields": fields, "files": code})[:12]


def watched(files: dict[str, str]) -> Watched:
    """Return when each of the manifest's files was last written.

    Raises
    ------
    ValueError
        If one is no longer what the manifest says.
    """
    times = written(map(Path, files))
    _require_none([file for file, before in files.items() if _content(Path(file)) != before])
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


def _versions(source: Source) -> dict[str, str]:
    """Return the versions of Python, of `VERSIONS`, and of what a study depends on beside them."""
    described = source.described()
    optional = described.libraries if isinstance(described, AbstractStudy) else {}
    versions = {name: version(name) for name in VERSIONS}
    versions |= {name: needed_version(name, extra) for name, extra in optional.items()}
    return versions | {"python": platform.python_version()}


def _content(path: Path) -> str:
    """Return the SHA-256 of a file, or the fingerprint of a folder's files and of what is not there."""
    return digest(path) if path.is_file() else fingerprint(path)


def _without_places(value: Any, files: dict[str, str]) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return fields with the content of files in the place of their paths."""
    match value:
        case dict():
            return {name: _without_places(part, files) for name, part in value.items()}
        case list():
            return [_without_places(part, files) for part in value]
        case str():
            return files.get(value, value)
        case _:
            return value


def _texts(value: Any) -> set[str]:  # noqa: ANN401 - as above
    """Return the texts in fields."""
    if isinstance(value, dict | list):
        parts = value.values() if isinstance(value, dict) else value
        return set[str]().union(*map(_texts, parts))
    return {value} if isinstance(value, str) else set()


def _written(path: Path) -> tuple[tuple[int, ...], ...]:
    """Return time, size and place on disk of a file, or of the files of a folder; nothing where nothing is."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path] if path.exists() else []
    return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in (file.stat() for file in files))


def _require_none(changed: list[str]) -> None:
    require(not changed, "files", "stay as they are while a run reads them; run it again", changed)


def _files(source: Source) -> list[Path]:
    """Return the files that a run reads: the scenario's, those beside it that it imports, and those of its fields."""
    file = source.file
    code = [file, *imports(file).values()] if file else []
    return code + paths_in(source.described())
