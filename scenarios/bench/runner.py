"""The runner of suites: what is to be done, the estimate before, the progress during, what ended how."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

from tqdm import tqdm

from walras.core.checks import require
from walras.core.identity import fingerprint
from walras.scenarios.bench.costs import Costs, Estimated, estimated, measured_here
from walras.scenarios.bench.engines import Engine
from walras.scenarios.bench.plan import Cell, Plan, versions
from walras.scenarios.bench.store import Store, store_at
from walras.scenarios.bench.task import Outcome, Task, cell_file, failure_file, finished

GONE = "its result is not in the storage: all machines must see the same one"


@final
@dataclass(frozen=True)
class Ended:
    """How a suite ended."""

    plan: Plan
    outcomes: tuple[Outcome, ...]
    """One a cell that was not there before."""

    @property
    def failed(self) -> list[Outcome]:
        """The cells that failed."""
        return [outcome for outcome in self.outcomes if outcome.status == "failed"]

    @property
    def differing(self) -> list[Outcome]:
        """The cells of which a second run found something else."""
        return [outcome for outcome in self.outcomes if outcome.status == "differs"]


def bench(
    planned: Plan,
    store: str | Path,
    engine: Engine,
    say: Callable[[str], None] = print,
    progress: bool = True,
) -> Ended:
    """Run a suite, or go on with it: cells that are in the storage are not run again.

    Parameters
    ----------
    planned : Plan
        Of the suite.
    store : str or Path
        A folder or a URL.
    engine : Engine
        Where cells are run.
    say : callable
        Takes what is told before.
    progress : bool
        Show a bar.

    Raises
    ------
    ValueError
        If the storage holds a suite of this name with other settings.
    OSError
        If the storage or the cluster cannot be reached; finished cells are kept.
    """
    place = store_at(store)
    keep_suite(place, planned)
    left, here = _left(planned, place), measured_here(place)
    guess = estimated(left, here)
    say(told_before(planned, left, here, engine))
    tasks = [Task(cell, cell.id, place.url) for cell in longest_first(left, guess)]
    outcomes = list[Outcome]()
    with _bar(guess, progress) as bar:
        for outcome in engine.run(tasks):
            outcomes.append(_seen(place, outcome))
            bar.update(guess.seconds[outcome.id])
            bar.set_postfix_str(f"{len(outcomes)} of {len(tasks)} cells, {_count(outcomes, 'failed')} failed")
    return Ended(planned, tuple(outcomes))


def estimate_of(planned: Plan, store: str | Path, engine: Engine) -> str:
    """Return what would run and how long it would take; nothing is written."""
    place = store_at(store)
    return told_before(planned, _left(planned, place), measured_here(place), engine)


def longest_first(cells: Sequence[Any], guess: Estimated) -> list[Any]:
    """Return cells by their estimated time, so that the last ones to run are short."""
    return sorted(cells, key=lambda cell: -guess.seconds[cell.id])


def keep_suite(store: Store, planned: Plan) -> None:
    """Write which suite the storage holds, unless it holds it with other settings.

    Raises
    ------
    ValueError
        If it does.
    """
    content = manifest_of(planned)
    name = suite_file(planned.suite.name)
    before = store.read(name)
    if before is not None:
        held: dict[str, Any] = json.loads(before)["suite"]
        now = content["suite"]
        changed = {part: [held.get(part), now[part]] for part in now if held.get(part) != now[part]}
        rule = f"be an empty place, or hold the suite {planned.suite.name!r} with these settings; there and here differ"
        require(not changed, "store", rule, changed)
    store.write(name, json.dumps(content, indent=1).encode())


def suite_file(name: str) -> str:
    """Return the name of the object that tells what a suite is."""
    return f"suites/{name}.json"


def manifest_of(planned: Plan) -> dict[str, Any]:
    """Return what fixes a suite's results: its settings, its cells by their fingerprints, what is skipped, versions."""
    suite = json.loads(json.dumps(planned.suite.data()))
    cells = [{"id": cell.id, "game": cell.game, "method": cell.method, "seeds": cell.seeds} for cell in planned.cells]
    return {
        "suite": suite,
        "id": fingerprint([cell.id for cell in planned.cells])[:12],
        "cells": cells,
        "skipped": [each._asdict() for each in planned.skipped],
        "versions": versions() | {"walras": version("walras")},
    }


def told_before(planned: Plan, left: Sequence[Cell], here: Costs, engine: Engine) -> str:
    """Return what is said before anything runs: the cells, who cannot play what, and the time."""
    cells = planned.cells
    games, methods = len({cell.game for cell in cells}), len({cell.method for cell in cells})
    lines = [
        f"{planned.suite.name}: {games} games, {methods} methods, {planned.suite.seeds} seeds, {len(cells)} cells."
    ]
    if planned.suite.methods is not None:
        lines += [f"  {each.method} cannot play {each.game}: {each.reason}" for each in planned.skipped]
    elif planned.skipped:
        lines.append(f"  {len(planned.skipped)} pairs of method and game do not fit; --skipped lists them.")
    larger = estimated([replace(cell, steps=10 * cell.steps) for cell in left], here)
    lines.append(f"{len(left)} cells to run: about {estimated(left, here).told(engine.workers)}.")
    lines.append(f"Ten times the steps would take about {larger.told(engine.workers)}.")
    return "\n".join(lines)


def _left(planned: Plan, store: Store) -> list[Cell]:
    """Return the cells that are not in the storage, each once, also if it is of several methods."""
    there = set(finished(store))
    return list({cell.id: cell for cell in planned.cells if cell.id not in there}.values())


def _bar(guess: Estimated, progress: bool) -> Any:  # noqa: ANN401 - tqdm is partly untyped
    form = "{l_bar}{bar}| {postfix} [{elapsed}<{remaining}]"
    return tqdm(total=guess.total, bar_format=form, disable=not progress)


def _seen(store: Store, outcome: Outcome) -> Outcome:
    """Return an outcome, failed where the result cannot be seen from here."""
    if outcome.status == "failed" or store.has(cell_file(outcome.id)):
        return outcome
    return outcome._replace(status="failed", told=GONE)


def _count(outcomes: Sequence[Outcome], status: str) -> int:
    return sum(outcome.status == status for outcome in outcomes)


def traceback_of(store: Store, cell: str) -> str:
    """Return the traceback that a failed cell left, if it left one."""
    content = store.read(failure_file(cell))
    return "" if content is None else json.loads(content)["traceback"]
