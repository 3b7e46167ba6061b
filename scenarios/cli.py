"""The command line: `walras list | run | solve | report | replay`.

Exit codes: 0 done, 1 a result that differs or did not converge, 2 a mistake in the command or its data.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

from walras.core.checks import require_known
from walras.core.solution import SolverError
from walras.envs.registration import GAMES, gymnasium_id, pettingzoo_id
from walras.scenarios.engine.catalogue import SCENARIOS, Source, fields_of, find_scenario
from walras.scenarios.engine.results import find_run, read_json

RUNS = Path("runs")
HELP = ("-h", "--help")

USAGE = """usage: walras VERB [NAME] [OPTIONS]

  walras list                    scenarios, environments and finished runs
  walras run SCENARIO            run a scenario, or a Python file that defines one
  walras solve SCENARIO          print the known equilibrium of its game
  walras report RUN              write the report of a finished run again
  walras replay RUN              run a manifest again and compare bit for bit

RUN is a run's folder, its id, or a scenario's name (its newest run).
Every verb takes --json and --help."""


@dataclass(frozen=True)
class Plain:
    """Options of every verb."""

    json: bool = False
    """Print JSON."""


@dataclass(frozen=True)
class Where:
    """Options of the verbs that read runs."""

    root: Path = RUNS
    """Folder in which runs are kept."""
    json: bool = False
    """Print JSON."""


@dataclass(frozen=True)
class How:
    """Options of the verbs that run."""

    root: Path = RUNS
    """Folder in which runs are kept."""
    workers: int = 0
    """Processes; 0 is one a core."""
    json: bool = False
    """Print JSON."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code; a caller's mistake is printed as one line."""
    verb, *rest = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if verb in HELP or (verb in VERBS and rest in (["-h"], ["--help"])):
        print(USAGE)
        return 0
    try:
        require_known(verb, "verb", VERBS)
        return VERBS[verb](rest)
    except SolverError as unsolved:
        print(f"walras: {unsolved}", file=sys.stderr)
        return 1
    except (ValueError, TypeError, OSError, RuntimeError) as mistake:
        print(f"walras: {mistake}", file=sys.stderr)
        return 2


def _list(rest: list[str]) -> int:
    options = tyro.cli(Where, args=rest, prog="walras list")
    docs = {name: (find_scenario(name).__doc__ or "").splitlines()[0] for name in SCENARIOS}
    games = {gymnasium_id(key): pettingzoo_id(key) for key in GAMES}
    runs = [str(path.parent) for path in sorted(options.root.glob("*/*/summary.json"))]
    if options.json:
        print(json.dumps({"scenarios": docs, "environments": games, "runs": runs}))
        return 0
    console = Console()
    console.print(_table("Scenarios", ("name", "what it shows"), docs.items()))
    console.print(_table("Environments", ("Gymnasium", "PettingZoo"), games.items()))
    console.print(*(runs or ["No finished runs."]), sep="\n")
    return 0


def _run(rest: list[str]) -> int:
    from walras.scenarios.engine.runner import run

    source, options = _source("run", rest, How)
    folder = run(source, options.root, options.workers or None, progress=not options.json)
    _show_run(folder, options.json)
    return 0


def _solve(rest: list[str]) -> int:
    source, options = _source("solve", rest, Plain)
    scenario = source.load()
    game, solution = scenario.exam(), scenario.equilibrium()
    content = {
        "game": type(game).__name__,
        "status": solution.status.value,
        "residual": solution.residual,
        "iterations": solution.iterations,
        "value": dict(zip(game.agents, solution.value.tolist(), strict=True)),
    }
    if hasattr(solution, "action"):
        content["action"] = dict(zip(game.agents, solution.action.tolist(), strict=True))  # type: ignore[attr-defined]
    if options.json:
        print(json.dumps(content))
    else:
        Console().print_json(data=content)
    return 0 if solution.converged else 1


def _report(rest: list[str]) -> int:
    from walras.scenarios.engine.runner import write_report

    run, options = _named("report", rest, Where)
    page = write_report(find_run(run, options.root))
    print(json.dumps({"report": str(page)}) if options.json else page)
    return 0


def _replay(rest: list[str]) -> int:
    from walras.scenarios.engine.runner import replay

    run, options = _named("replay", rest, How)
    with tempfile.TemporaryDirectory() as scratch:
        equal = replay(find_run(run, options.root), Path(scratch), options.workers or None, progress=not options.json)
    if options.json:
        print(json.dumps(equal))
    else:
        print("\n".join(f"{name}: {'equal bit for bit' if same else 'DIFFERS'}" for name, same in equal.items()))
    return 0 if all(equal.values()) else 1


VERBS: dict[str, Callable[[list[str]], int]] = {
    "list": _list,
    "replay": _replay,
    "report": _report,
    "run": _run,
    "solve": _solve,
}


def _source(verb: str, rest: list[str], options: type[Any]) -> tuple[Source, Any]:
    """Return the scenario that the arguments name and set, and the verb's options."""
    name, *arguments = rest or [""]
    if not name:
        raise ValueError(f"`walras {verb}` must be given a scenario ({', '.join(SCENARIOS)}) or a file; got none.")
    kind = find_scenario(name)
    name = str(Path(name).resolve()) if name.endswith(".py") else name
    parts = [
        ("scenario", kind, field(default_factory=kind)),
        ("general", options, field(default_factory=options)),
    ]
    parsed: Any = tyro.cli(
        make_dataclass("Arguments", parts),
        args=arguments,
        config=(tyro.conf.OmitArgPrefixes,),
        prog=f"walras {verb} {rest[0]}",
        description=kind.__doc__,
    )
    return Source(name, fields_of(parsed.scenario)), parsed.general


def _named(verb: str, rest: list[str], options: type[Any]) -> tuple[str, Any]:
    """Return the run that the arguments name, and the verb's options."""
    run, *arguments = rest or [""]
    if not run:
        raise ValueError(f"`walras {verb}` must be given a run: its folder, its id, or its scenario's name; got none.")
    return run, tyro.cli(options, args=arguments, prog=f"walras {verb} {run}")


def _show_run(folder: Path, as_json: bool) -> None:
    """Print the summary of a run: each contestant's agents, and the market."""
    summary = read_json(folder / "summary.json")
    if as_json:
        print(json.dumps({"run": str(folder), "report": str(folder / "report.html"), "summary": summary}))
        return
    console = Console()
    for name, contestant in summary["contestants"].items():
        measures = contestant["agents"]
        rows = [(agent, *(_interval(measures[m][agent]) for m in measures)) for agent in summary["agents"]]
        console.print(_table(name, ("agent", *measures), rows))
        console.print("  ".join(f"{m} {_interval(e)}" for m, e in contestant["market"].items()))
    for name, error in summary["price_error"].items():
        console.print(f"price error of {name}: MAE {error['mae']:.2f}, RMSE {error['rmse']:.2f} EUR/MWh")
    console.print(f"\nReport: {folder / 'report.html'}", soft_wrap=True)


def _interval(estimate: dict[str, Any]) -> str:
    if estimate["mean"] is None:
        return "-"
    mean, low, high = estimate["mean"], estimate["low"], estimate["high"]
    return f"{mean:.4g}" if low == high else f"{mean:.4g} [{low:.4g}, {high:.4g}]"


def _table(title: str, head: Sequence[str], rows: Any) -> Table:  # noqa: ANN401 - any iterable of rows
    table = Table(*head, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    return table


if __name__ == "__main__":
    sys.exit(main())
