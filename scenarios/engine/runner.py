"""The runner: from a scenario to a finished run, in cells that can be interrupted anywhere."""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout
from tqdm import tqdm

from walras.core.checks import require
from walras.core.files import write_whole
from walras.core.game import AbstractGame
from walras.core.learner import Learner
from walras.scenarios.engine.catalogue import Source
from walras.scenarios.engine.cells import Cell, finish_cell
from walras.scenarios.engine.files import digest, read_json, write_json, write_table
from walras.scenarios.engine.manifest import Watched, check_unchanged, manifest_of, run_id, watched, written
from walras.scenarios.engine.results import load_results
from walras.scenarios.engine.scenario import AbstractScenario, methods_of
from walras.scenarios.engine.study import AbstractStudy, Found
from walras.scenarios.engine.summary import study_summary, summary_of
from walras.scenarios.engine.workers import each


def run(source: Source, root: Path, workers: int | None = None, progress: bool = True) -> Path:
    """Run a scenario or a study, or continue it, or find it finished; return its folder.

    Parameters
    ----------
    source : Source
        What is run, and its fields.
    root : Path
        Where runs are kept.
    workers : int, optional
        Processes; by default one a core. A scenario of a session runs in the session's own.
    progress : bool
        Show a progress bar over the cells.

    Raises
    ------
    ValueError
        If the scenario asks for less than one seed, if a file that it reads changes while it runs, or if it is of a
        session and is to run in several processes.
    TypeError
        If a learner cannot learn the game.
    RuntimeError
        If another process is running the same run.
    OSError
        If the disk is full; what was finished before is kept.
    """
    source = source.canonical()
    workers = _workers(source, workers)
    manifest = manifest_of(source)
    folder = root / source.name / run_id(manifest)
    made, found, before = source.made(), None, written(map(Path, manifest["files"]))
    if not (folder / "summary.json").is_file():
        if isinstance(made, AbstractStudy):
            found = made.find()  # before anything is written, as what cannot run is refused
        else:
            _check(made)
    with _alone(folder):
        files = watched(manifest["files"])
        if not (folder / "summary.json").is_file():
            write_json(folder / "manifest.json", manifest)
            if found:
                check_unchanged(before)
                _finish_study(source.name, found, folder)
            else:
                assert isinstance(made, AbstractScenario)
                cells = _cells(source, made, folder, files)
                _finish_cells(cells, workers, progress)
                _assemble(source.name, made, cells, folder, files)
        if not (folder / "report.html").is_file():
            write_report(folder, source, files=files)
    return folder


def write_report(
    folder: Path, source: Source | None = None, *, trust: bool = False, files: Watched | None = None
) -> Path:
    """Write the report of the finished run in `folder` and return its path.

    Parameters
    ----------
    folder : Path
        The run's.
    source : Source, optional
        Its scenario; by default what the manifest says.
    trust : bool
        Whether a Python file that the manifest names may be executed; its charts are in it.
    files : mapping, optional
        Files that must not be written meanwhile.

    Raises
    ------
    ValueError
        If the manifest names a Python file that is not trusted, or that is not the one that was run; or if one of
        `files` was written.
    """
    from walras.scenarios.report.page import render
    from walras.scenarios.report.study import render_study

    results = load_results(folder)
    made = (source or _trusted(results.manifest, trust)).made()
    page = render_study(results, made.charts()) if isinstance(made, AbstractStudy) else render(results, made.charts())
    check_unchanged(files or {})
    write_whole(folder / "report.html", lambda beside: beside.write_text(page, encoding="utf-8"))
    return folder / "report.html"


def _trusted(manifest: dict[str, Any], trust: bool) -> Source:
    """Return the scenario of a manifest, which may come from elsewhere: no file of it is executed unasked."""
    source = _source_of_run(manifest)
    if source.file is None:
        return source
    rule = "be trusted to execute the file that its manifest names: read it, and add --trust"
    require(trust, "run", rule, str(source.file))
    known = manifest["files"].get(str(source.file))
    require(known is not None, "run", "have a manifest with the hash of its file", str(source.file))
    watched(manifest["files"])
    return source


def replay(
    folder: Path, scratch: Path, workers: int | None = None, progress: bool = True, *, trust: bool = False
) -> dict[str, bool]:
    """Run the manifest in `folder` again in `scratch`; return which results are equal bit for bit.

    Parameters
    ----------
    folder : Path
        The run's.
    scratch : Path
        Folder in which the run is made again.
    workers : int, optional
        Processes; one a core by default.
    progress : bool
        Show a progress bar.
    trust : bool
        Whether a Python file that the manifest names may be executed.

    Raises
    ------
    FileNotFoundError
        If the run is not finished.
    ValueError
        If the manifest names a Python file that is not trusted, a file that the run read has changed, the versions
        differ, or its scenario is in no file.
    """
    manifest = read_json(folder / "manifest.json")
    source = _trusted(manifest, trust)
    if not (folder / "summary.json").is_file():
        raise FileNotFoundError(f"`run` must be a finished run's folder, with a summary.json; got {str(folder)!r}.")
    now = manifest_of(source)
    for part in ("files", "versions", "machine"):
        if now[part] != manifest[part]:
            raise ValueError(
                f"`run` must be replayed with the {part} of its manifest, {manifest[part]}; got {now[part]}."
            )
    again = run(source, scratch, workers, progress)
    names = ["summary.json", *sorted(table.name for table in again.glob("*.parquet"))]
    return {name: _equal(folder / name, again / name) for name in names}


def _source_of_run(manifest: dict[str, Any]) -> Source:
    named = f"be of a scenario that has a name or a file; {manifest['scenario']} was defined in a session"
    require(not manifest["session"], "run", named, manifest["session"][:12])
    return Source(manifest["scenario"], manifest["fields"])


def _equal(before: Path, after: Path) -> bool:
    """Return whether both files exist and agree in every byte."""
    return before.is_file() and digest(before) == digest(after)


def _workers(source: Source, workers: int | None) -> int:
    """Return how many processes to use."""
    if source.kind is None:
        return workers or os.cpu_count() or 1
    rule = "be 1 for a scenario that is defined in a session: put it into a file of its own to run it in several"
    require(workers in (None, 0, 1), "workers", rule, workers)
    return 1


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Hold the folder's lock, which the system releases when the process ends in whatever way."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            for half in folder.rglob(".*.part"):  # of a process that was killed
                half.unlink()
            try:
                yield
            finally:
                _remove_empty(folder)
    except Timeout:
        raise RuntimeError(f"`run` must have one runner at a time; another process holds {folder}.") from None


def _remove_empty(folder: Path) -> None:
    """Remove a run's folder that holds nothing but its manifest."""
    if all(file.name in ("manifest.json", ".lock") or file.is_dir() for file in folder.rglob("*")):
        shutil.rmtree(folder)
        with suppress(OSError):  # other runs of the scenario
            folder.parent.rmdir()


def _check(scenario: AbstractScenario) -> None:
    """Build what cells build, so that what cannot run is refused before anything is written."""
    require(scenario.seeds >= 1, "seeds", "be at least 1", scenario.seeds)
    game = scenario.game()
    scenario.evaluation()
    for method in methods_of(scenario).values():
        if isinstance(method.runs, Learner):
            _check_learner(method.runs, game)


def _check_learner(learner: Learner, game: AbstractGame[Any]) -> None:
    try:
        learner.check(game)
    except TypeError as refusal:
        raise TypeError(f"{refusal} Learners that can: {', '.join(_able(game)) or 'none'}.") from refusal


def _able(game: AbstractGame[Any]) -> list[str]:
    """Return the learners that can learn `game`, of those that need nothing else."""
    from walras.agents.registration import LEARNERS
    from walras.core.lazy import load

    return [name for name, module in LEARNERS.items() if _can(load(f"walras.agents.{module}:{name}"), game)]


def _can(kind: Any, game: AbstractGame[Any]) -> bool:  # noqa: ANN401 - a learner's class
    try:
        kind().check(game)
    except TypeError:
        return False
    return True


def _cells(source: Source, scenario: AbstractScenario, folder: Path, files: Watched) -> list[Cell]:
    names = [(name, seed) for name in scenario.methods() for seed in range(scenario.seeds)]
    return [Cell(source, name, seed, folder / "cells" / f"{name}-{seed}", files) for name, seed in names]


def _finish_cells(cells: list[Cell], workers: int, progress: bool) -> None:
    left = [cell for cell in cells if not cell.done]
    with tqdm(total=len(cells), initial=len(cells) - len(left), unit="cell", disable=not progress) as bar:
        for _ in each(finish_cell, left, workers):
            bar.update()


def _finish_study(name: str, found: Found, folder: Path) -> None:
    """Write what a study found; the summary comes last and marks the run finished."""
    for title, table in found.tables.items():
        write_table(folder / f"{title}.parquet", table)
        write_whole(folder / f"{title}.csv", lambda beside, table=table: table.to_csv(beside, index=False))
    write_json(folder / "summary.json", study_summary(name, found))


def _assemble(name: str, scenario: AbstractScenario, cells: list[Cell], folder: Path, files: Watched) -> None:
    """Join the cells into the run's results; the summary comes last and marks the run finished."""
    tables = [pd.read_parquet(cell.folder / "steps.parquet") for cell in cells]
    labels = [{"method": cell.method, "seed": cell.seed} for cell in cells]
    joined = pd.concat([table.assign(**label) for table, label in zip(tables, labels, strict=True)])
    reference = scenario.reference()
    results = {
        method: [read_json(cell.folder / "result.json") for cell in cells if cell.method == method]
        for method in scenario.methods()
    }
    summary = summary_of(name, scenario, results, joined, reference)
    check_unchanged(files)
    write_table(folder / "steps.parquet", joined.reset_index(drop=True))
    if reference is not None:
        write_table(folder / "reference.parquet", reference)
    write_json(folder / "summary.json", summary)
