"""The verbs of the benchmark: `walras bench`, `leaderboard`, `export`, `query` and `entry`."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import tyro
from rich.console import Console
from rich.table import Table

from walras.core.files import write_whole
from walras.scenarios.bench.engines import Engine, Inline, Processes, Ray, Slurm
from walras.scenarios.bench.files import suite_named
from walras.scenarios.bench.leaderboard import markdown, ranked, share
from walras.scenarios.bench.plan import Plan, plan
from walras.scenarios.bench.registration import SUITES
from walras.scenarios.bench.results import Results
from walras.scenarios.bench.runner import Ended, bench, estimate_of, traceback_of
from walras.scenarios.bench.store import store_at


@dataclass(frozen=True)
class Options:
    """Options of `walras bench`."""

    store: str = ""
    """Folder or URL (s3://..., gs://...) of the results, which all machines see; bench/SUITE by default."""
    engine: Literal["processes", "inline", "ray", "slurm"] = "processes"
    """Where cells run."""
    workers: int = 0
    """Processes, cores of a Ray cluster begun here, or Slurm jobs at a time; 0 is one a core."""
    address: str = ""
    """host:port of a Ray cluster's head; a cluster on this machine if empty."""
    estimate: bool = False
    """Say what would run and how long it would take, and stop."""
    skipped: bool = False
    """List which method cannot play which game, and stop."""
    json: bool = False
    """Print JSON."""


@dataclass(frozen=True)
class Where:
    """Options of the verbs that read results."""

    suite: str = ""
    """The suite's name, where the store holds several."""


@dataclass(frozen=True)
class Board(Where):
    """Options of `walras leaderboard`."""

    to: Path = Path("leaderboard.html")
    """The page; the same tables as Markdown stand beside it."""
    entries: tuple[Path, ...] = ()
    """Folders of entries from outside."""


@dataclass(frozen=True)
class Export(Where):
    """Options of `walras export`."""

    form: Literal["csv", "latex", "markdown", "marl-eval", "tensorboard"] = "csv"
    """What is written."""
    to: Path = Path("results.csv")
    """A file; for tensorboard a folder."""


@dataclass(frozen=True)
class Check:
    """Options of `walras entry`."""

    write: bool = False
    """Write summary.json from the cells."""


def run_bench(rest: list[str]) -> int:
    """Run a suite."""
    name, *arguments = rest or [""]
    if not name:
        raise ValueError(f"`walras bench` must be given a suite ({', '.join(SUITES)}) or a file; got none.")
    options = tyro.cli(Options, args=arguments, prog=f"walras bench {name}")
    planned = _planned(name)
    if options.skipped:
        return _tell_skipped(planned, options.json)
    store, engine = options.store or f"bench/{planned.suite.name}", engine_of(options)
    if options.estimate:
        print(estimate_of(planned, store, engine))
        return 0
    ended = bench(planned, store, engine, say=_aside, progress=not options.json)
    return _tell(ended, store, options.json)


def _planned(name: str) -> Plan:
    """Return the plan of a suite by name or file; what is wrong in a file is told with its name."""
    try:
        return plan(suite_named(name))
    except ValueError as wrong:
        if name in SUITES or str(wrong).startswith(name) or not Path(name).is_file():
            raise
        raise ValueError(f"{name}: {wrong}") from wrong


def engine_of(options: Options) -> Engine:
    """Return the engine that the options ask for."""
    workers: dict[str, Any] = {"workers": options.workers} if options.workers else {}
    makers: dict[str, Callable[[], Engine]] = {
        "inline": Inline,
        "processes": lambda: Processes(**workers),
        "ray": lambda: Ray(options.address, **workers),
        "slurm": lambda: Slurm(**workers),
    }
    return makers[options.engine]()


def _tell(ended: Ended, store: str, as_json: bool) -> int:
    """Tell how a suite ended; return the exit code."""
    results = Results(store, ended.plan.suite.name)
    if as_json:
        table = json.loads(results.table.to_json(orient="records"))
        print(json.dumps({"store": store, "failed": [o._asdict() for o in ended.failed], "table": table}))
    else:
        show(results)
        print(f"Results: {store}. `walras leaderboard {store}` writes the leaderboard.")
    for outcome in (*ended.failed, *ended.differing):
        cell = next(cell for cell in ended.plan.cells if cell.id == outcome.id)
        print(f"\n{cell.method} in {cell.game}, seeds {list(cell.seeds)}: {outcome.told}", file=sys.stderr)
        print(traceback_of(store_at(store), outcome.id), file=sys.stderr)
    return 1 if ended.failed or ended.differing else 0


def _tell_skipped(planned: Plan, as_json: bool) -> int:
    if as_json:
        print(json.dumps([each._asdict() for each in planned.skipped]))
    else:
        print("\n".join(f"{each.method} cannot play {each.game}: {each.reason}" for each in planned.skipped))
    return 0


def show(results: Results) -> None:
    """Print the table of a suite, game by game."""
    console = Console()
    for game, rows in results.table.groupby("game", sort=False):
        table = Table("method", "gap at least", "gap at most", "kind", title=str(game), title_justify="left")
        for row in ranked(rows):
            table.add_row(row["method"], share(row, "lower"), share(row, "upper"), row["kind"])
        console.print(table)


def _aside(text: str) -> None:
    """Say what is no result."""
    print(text, file=sys.stderr)


def write_leaderboard(rest: list[str]) -> int:
    """Write the leaderboard of a suite, as a page and as Markdown."""
    from walras.scenarios.bench.entries import entry_rows
    from walras.scenarios.bench.page import leaderboard_page

    store, options = _read_by("leaderboard", rest, Board)
    results = Results(store, options.suite)
    page = leaderboard_page(results, [entry_rows(folder) for folder in options.entries])
    for path, text in ((options.to, page), (options.to.with_suffix(".md"), markdown(results))):
        write_whole(path, partial(Path.write_text, data=text, encoding="utf-8"))
        print(path)
    return 0


def write_export(rest: list[str]) -> int:
    """Write results for another tool."""
    from walras.scenarios.bench.exports import export

    store, options = _read_by("export", rest, Export)
    export(Results(store, options.suite), options.form, options.to)
    print(options.to)
    return 0


def answer_query(rest: list[str]) -> int:
    """Print the answer to a question in SQL, as CSV."""
    from walras.scenarios.bench.queries import query

    sql, *arguments = rest[1:] or [""]
    if not sql:
        raise ValueError("`walras query` must be given a store and a question in SQL; got none.")
    store, options = _read_by("query", [rest[0], *arguments], Where)
    print(query(store, sql, options.suite).to_csv(index=False), end="")
    return 0


def check_entry(rest: list[str]) -> int:
    """Check an entry from outside, a line for each thing that is wrong."""
    from walras.scenarios.bench.entries import problems, write_summary

    folder, options = _read_by("entry", rest, Check)
    if options.write:
        print(write_summary(Path(folder)))
    wrong = problems(Path(folder))
    print("\n".join(wrong) or "The entry can join the leaderboard.")
    return 1 if wrong else 0


def _read_by(verb: str, rest: list[str], options: type[Any]) -> tuple[str, Any]:
    """Return the place that the arguments name, and the verb's options."""
    place, *arguments = rest or [""]
    if not place:
        raise ValueError(f"`walras {verb}` must be given a folder or URL of results; got none.")
    return place, tyro.cli(options, args=arguments, prog=f"walras {verb} {place}")
