"""The runner: from a scenario to a finished run, in cells that can be interrupted anywhere.

A cell is one contestant with one seed. Training advances from checkpoint to checkpoint, each a file; a cell that was
cut off continues from the last one, and since every stretch of training begins from a file and a seed of its own, it
ends with the same numbers as one that was not.
"""

import os
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout
from tqdm import tqdm

from walras.core.checks import require
from walras.core.files import write_whole
from walras.core.game import AbstractGame
from walras.core.policy import Policy, Scripted
from walras.core.rollout import rollout
from walras.core.typing import Floats
from walras.equilibria.gap import gap
from walras.scenarios.engine.catalogue import Source
from walras.scenarios.engine.results import (
    digest,
    manifest_of,
    read_json,
    run_id,
    tabulate,
    write_json,
    write_table,
)
from walras.scenarios.engine.scenario import AbstractScenario, Design, Learner, Training, chunk_seed
from walras.scenarios.engine.statistics import estimate

RESULTS = ("summary.json", "steps.parquet", "reference.parquet")
CURVE_SEEDS = range(8)
"""Episodes by which each checkpoint is judged."""


@dataclass(frozen=True)
class Cell:
    """One contestant with one seed, and where its files go."""

    source: Source
    contestant: str
    seed: int
    folder: Path


def run(source: Source, root: Path, workers: int | None = None, progress: bool = True) -> Path:
    """Run a scenario, or continue it, or find it finished; return its folder.

    Parameters
    ----------
    source : Source
        The scenario and its fields.
    root : Path
        Where runs are kept.
    workers : int, optional
        Processes; by default one a core.
    progress : bool
        Show a progress bar over the cells.

    Raises
    ------
    ValueError
        If the scenario asks for less than one seed.
    RuntimeError
        If another process is running the same run.
    OSError
        If the disk is full; what was finished before is kept.
    """
    source = source.canonical()
    seeds = source.load().seeds
    require(seeds >= 1, "seeds", "be at least 1", seeds)
    manifest = manifest_of(source.scenario, source.fields)
    folder = root / source.name / run_id(manifest)
    with _alone(folder):
        if not (folder / "summary.json").is_file():
            write_json(folder / "manifest.json", manifest)
            _finish_cells(_cells(source, folder), workers or os.cpu_count() or 1, progress)
            _assemble(source, folder)
        if not (folder / "report.html").is_file():
            write_report(folder)
    return folder


def write_report(folder: Path) -> Path:
    """Write the report of the finished run in `folder` and return its path."""
    from walras.scenarios.engine.results import load_results
    from walras.scenarios.report.page import render

    results = load_results(folder)
    source = Source(results.manifest["scenario"], results.manifest["fields"])
    page = render(results, source.load().charts())
    write_whole(folder / "report.html", lambda beside: beside.write_text(page, encoding="utf-8"))
    return folder / "report.html"


def replay(folder: Path, scratch: Path, workers: int | None = None, progress: bool = True) -> dict[str, bool]:
    """Run the manifest in `folder` again in `scratch`; return which results are equal bit for bit.

    Raises
    ------
    FileNotFoundError
        If the run is not finished.
    ValueError
        If a file that the run read has changed, or the versions differ.
    """
    manifest = read_json(folder / "manifest.json")
    source = Source(manifest["scenario"], manifest["fields"])
    if not (folder / "summary.json").is_file():
        raise FileNotFoundError(f"`run` must be a finished run's folder, with a summary.json; got {str(folder)!r}.")
    now = manifest_of(source.scenario, source.fields)
    for part in ("files", "versions", "machine"):
        if now[part] != manifest[part]:
            raise ValueError(
                f"`run` must be replayed with the {part} of its manifest, {manifest[part]}; got {now[part]}."
            )
    again = run(source, scratch, workers, progress)
    return {name: _equal(folder / name, again / name) for name in RESULTS if (again / name).is_file()}


def _equal(before: Path, after: Path) -> bool:
    """Return whether both files exist and agree in every byte."""
    return before.is_file() and digest(before) == digest(after)


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Hold the folder's lock, which the system releases when the process ends in whatever way."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout:
        raise RuntimeError(f"`run` must have one runner at a time; another process holds {folder}.") from None


def _cells(source: Source, folder: Path) -> list[Cell]:
    scenario = source.load()
    names = [(name, seed) for name in scenario.contestants() for seed in range(scenario.seeds)]
    return [Cell(source, name, seed, folder / "cells" / f"{name}-{seed}") for name, seed in names]


def _finish_cells(cells: list[Cell], workers: int, progress: bool) -> None:
    open_cells = [cell for cell in cells if not (cell.folder / "result.json").is_file()]
    bar = tqdm(total=len(cells), initial=len(cells) - len(open_cells), unit="cell", disable=not progress)
    if workers == 1:
        for cell in open_cells:
            finish_cell(cell)
            bar.update()
    else:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            for done in as_completed([pool.submit(finish_cell, cell) for cell in open_cells]):
                done.result()
                bar.update()
    bar.close()


def finish_cell(cell: Cell) -> None:
    """Train the contestant where it learns, judge it, and write the cell's results."""
    scenario = cell.source.load()
    contestant, exam = scenario.contestants()[cell.contestant], scenario.exam()
    curve: list[dict[str, Any]] = []
    if isinstance(contestant, Training):
        policy, curve = _train(scenario, contestant, cell)
    elif isinstance(contestant, Learner):
        policy, curve = _learn(scenario, contestant, cell.seed)
    elif isinstance(contestant, Design):
        import torch

        torch.set_num_threads(1)  # as learners do: one core a cell, and the same sums on every machine
        exam = contestant.exam(cell.seed, cell.folder)
        policy = Scripted(exam)
    else:
        policy = contestant
    episodes = scenario.exam_episodes()
    seeds = range(cell.seed * episodes, (cell.seed + 1) * episodes)
    trajectory = rollout(exam, policy, seeds)
    judged = gap(exam, policy, seeds)
    tables = [tabulate(trajectory, judged.gain, exam.agents, row) for row in range(episodes)]
    write_table(cell.folder / "steps.parquet", _joined(tables))
    agents = {name: measure(exam, trajectory) for name, measure in scenario.agent_measures().items()}
    agents = {"reward": judged.reward, "gap": judged.per_agent, "relative_gap": judged.relative} | agents
    market = {name: measure(exam, trajectory) for name, measure in scenario.market_measures().items()}
    result = {
        "agents": {name: _by_agent(exam, values) for name, values in agents.items()},
        "market": market,
        "curve": curve,
    }
    write_json(cell.folder / "result.json", result)


def _joined(episodes: list[pd.DataFrame]) -> pd.DataFrame:
    """Return one table; of several episodes, with their numbers."""
    if len(episodes) == 1:
        return episodes[0]
    return pd.concat([table.assign(episode=k) for k, table in enumerate(episodes)], ignore_index=True)


def _learn(scenario: AbstractScenario, learner: Learner, seed: int) -> tuple[Policy, list[dict[str, Any]]]:
    """Learn from the beginning; return the last policy and its learning curve."""
    game, policy, curve = scenario.game(), None, []
    for steps, policy in learner.learn(game, seed):
        curve.append(_curve_point(scenario, game, policy, steps))
    assert policy is not None
    return policy, curve


def _train(scenario: AbstractScenario, training: Training, cell: Cell) -> tuple[Policy, list[dict[str, Any]]]:
    """Advance from the last checkpoint on disk to the end; return the policy and its learning curve."""
    from walras.agents import sb3

    game, exam = scenario.game(), scenario.exam()
    steps, policy = -(-training.steps // training.checkpoints), None
    for chunk in range(training.checkpoints):
        saved, point = cell.folder / f"policy-{chunk}.zip", cell.folder / f"curve-{chunk}.json"
        if not point.is_file():
            last = cell.folder / f"policy-{chunk - 1}.zip"
            start = sb3.load(last, game) if chunk else None
            trained = sb3.train(game, training.learner, steps, chunk_seed(cell.seed, chunk), start=start)
            write_whole(saved, trained.save)
            write_json(point, _curve_point(scenario, game, sb3.load(saved, game), steps * (chunk + 1)))
            last.unlink(missing_ok=True)
        policy = sb3.load(saved, exam) if chunk == training.checkpoints - 1 else policy
    assert policy is not None
    return policy, [read_json(cell.folder / f"curve-{chunk}.json") for chunk in range(training.checkpoints)]


def _curve_point(scenario: AbstractScenario, game: AbstractGame[Any], policy: Policy, steps: int) -> dict[str, Any]:
    judged = gap(game, policy, CURVE_SEEDS)
    measured = {"reward": judged.reward, "relative_gap": judged.relative}
    measured |= {name: measure(game, policy) for name, measure in scenario.curve_measures().items()}
    return {"steps": steps} | {name: _by_agent(game, values) for name, values in measured.items()}


def _by_agent(game: AbstractGame[Any], values: Floats) -> dict[str, float]:
    return dict(zip(game.agents, values.tolist(), strict=True))


def _assemble(source: Source, folder: Path) -> None:
    """Join the cells into the run's results; the summary comes last and marks the run finished."""
    scenario = source.load()
    cells = _cells(source, folder)
    tables = [pd.read_parquet(cell.folder / "steps.parquet") for cell in cells]
    labels = [{"contestant": cell.contestant, "seed": cell.seed} for cell in cells]
    joined = pd.concat([table.assign(**label) for table, label in zip(tables, labels, strict=True)])
    write_table(folder / "steps.parquet", joined.reset_index(drop=True))
    reference = scenario.reference()
    if reference is not None:
        write_table(folder / "reference.parquet", reference)
    results = {
        name: [read_json(c.folder / "result.json") for c in cells if c.contestant == name]
        for name in scenario.contestants()
    }
    write_json(folder / "summary.json", _summary(source, scenario, results, joined, reference))


def _summary(
    source: Source,
    scenario: AbstractScenario,
    results: dict[str, list[dict[str, Any]]],
    steps: pd.DataFrame,
    reference: pd.DataFrame | None,
) -> dict[str, Any]:
    exam, game, solution = scenario.exam(), scenario.game(), scenario.equilibrium()
    return {
        "scenario": source.name,
        "agents": list(exam.agents),
        "seeds": scenario.seeds,
        "stake": list(scenario.stake()),
        "equilibrium": {
            "value": _by_agent(exam, solution.value),
            "training_value": _by_agent(game, gap(game, solution.policy, CURVE_SEEDS).reward),
            "residual": solution.residual,
            "status": solution.status.value,
        },
        "contestants": {name: _contestant(cells) for name, cells in results.items()},
        "price_error": {} if reference is None else _price_errors(steps, reference),
    }


def _contestant(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Summarise one contestant's cells, one a seed."""
    first = cells[0]
    return {
        "agents": {
            name: {agent: _estimate([cell["agents"][name][agent] for cell in cells]) for agent in agents}
            for name, agents in first["agents"].items()
        },
        "market": {name: _estimate([cell["market"][name] for cell in cells]) for name in first["market"]},
        "curve": [_curve([cell["curve"][k] for cell in cells]) for k in range(len(first["curve"]))],
    }


def _curve(points: list[dict[str, Any]]) -> dict[str, Any]:
    each = {
        name: {agent: _estimate([point[name][agent] for point in points]) for agent in points[0][name]}
        for name in points[0]
        if name != "steps"
    }
    return {"steps": points[0]["steps"]} | each


def _estimate(values: list[float]) -> dict[str, Any]:
    """Return an estimate with its values; without a number where one is infinite, as a share of nothing is."""
    if not np.all(np.isfinite(values)):
        return {"mean": None, "low": None, "high": None, "seeds": [v if np.isfinite(v) else None for v in values]}
    return vars(estimate(values)) | {"seeds": values}


def _price_errors(steps: pd.DataFrame, reference: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return mean absolute and root mean square error of each price path, EUR/MWh, over the same hours."""
    actual = reference["price"].to_numpy()
    one_agent = steps[steps["agent"] == steps["agent"].iloc[0]]
    paths = {name: part.groupby("step")["price"].mean().to_numpy() for name, part in one_agent.groupby("contestant")}
    paths["seasonal_naive"] = reference["naive"].to_numpy()
    errors = {str(name): path - actual for name, path in paths.items()}
    return {
        name: {"mae": float(np.nanmean(np.abs(e))), "rmse": float(np.sqrt(np.nanmean(e**2)))}
        for name, e in errors.items()
    }
