"""The command line: `walras list | run | solve | check | gap | report | replay | bench | ...`.

Exit codes: 0 done, 1 a result that differs or did not converge, 2 a mistake in the command or its data, 130 an
interruption.
"""

import json
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, make_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from walras import command
from walras.core.checks import require, require_known
from walras.core.game import AbstractGame
from walras.core.lazy import load
from walras.core.policy import Policy, Random, Scripted
from walras.core.solution import Solution, SolverError
from walras.envs.registration import GAMES, gymnasium_id, pettingzoo_id
from walras.scenarios.engine.catalogue import SCENARIOS, Source, fields_of, find_scenario, source_at, source_of
from walras.scenarios.engine.documents import AbstractFile
from walras.scenarios.engine.files import read_json
from walras.scenarios.engine.results import find_run
from walras.scenarios.engine.scenario import AbstractScenario
from walras.scenarios.engine.study import AbstractStudy

RUNS = Path("runs")
HELP = ("-h", "--help")
RULES: dict[str, Callable[[AbstractGame[Any]], Policy]] = {"scripted": Scripted, "random": Random}
"""Policies that need no file."""
MOST = 100
"""Numbers of an array that `walras solve` prints."""
TRACEBACK = "--traceback"
HOUSE = Path(__file__).resolve().parents[1]
EXPECTED = (ValueError, TypeError, RuntimeError)
"""Errors by which the suite says what is wrong."""

USAGE = """usage: walras VERB [NAME] [OPTIONS]

  walras list                    scenarios, environments and finished runs
  walras run SCENARIO            run a scenario, or go on with one that was interrupted
  walras solve SCENARIO          print the known solution of its game
  walras gap SCENARIO            print how far a policy (--policy) is from equilibrium in its game
  walras check FILE              read all that a market's file names, and print its totals
  walras schema                  print the JSON Schema of markets' files
  walras report RUN              write the report of a finished run again
  walras replay RUN              run a manifest again and compare bit for bit
  walras bench SUITE             run a suite of games and learners, or go on with it
  walras leaderboard STORE       write the page of a suite's results
  walras export STORE            write a suite's results for another tool (--form csv, latex, marl-eval, tensorboard)
  walras query STORE SQL         print the answer to a question to a suite's results
  walras entry FOLDER            check an entry to the leaderboard from outside

SCENARIO is a name, a Python file that defines one, file.py:Class, or a market's file (.yaml). RUN is a run's folder,
its id, or a scenario's name (its newest run). SUITE is a name or a file; STORE the folder or URL of its results. Every
verb takes --json, --help and --traceback, which shows where an error was raised. `walras --version` prints the
version."""


@dataclass(frozen=True)
class Plain:
    """Options of every verb."""

    json: bool = False
    """Print JSON."""


@dataclass(frozen=True)
class Judge:
    """Options of the verb that judges."""

    policy: str = "solved"
    """solved, scripted, random, or the file of a trained learner, which is unpickled: open only what you trust."""
    concept: str = ""
    """What the gap is a distance from; the scenario's own by default."""
    judging_episodes: int = 64
    """Episodes by which it is judged."""
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
class Again:
    """Options of the verb that writes reports."""

    root: Path = RUNS
    """Folder in which runs are kept."""
    trust: bool = False
    """Execute the Python file that defines the run's scenario, if it is the one that was run."""
    json: bool = False
    """Print JSON."""


@dataclass(frozen=True)
class Repeat:
    """Options of the verb that replays."""

    root: Path = RUNS
    """Folder in which runs are kept."""
    workers: int = 0
    """Processes; 0 is one a core."""
    trust: bool = False
    """Execute the Python file that defines the run's scenario, if it is the one that was run."""
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
    """Run one verb and return the exit code; a mistake is printed as one line."""
    verb, *rest = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if verb in HELP or (verb in VERBS and rest in (["-h"], ["--help"])):
        print(USAGE)
        return 0
    if verb == "--version":
        print(f"walras {version('walras')}")
        return 0
    try:
        require_known(verb, "verb", VERBS)
        return VERBS[verb]([argument for argument in rest if argument != TRACEBACK])
    except Exception as error:
        if TRACEBACK in rest:
            raise
        print(f"walras: {_told(error)}", file=sys.stderr)
        return 1 if isinstance(error, SolverError) else 2


def _told(error: Exception) -> str:
    """Return an error as one line; with its type and place, unless the suite says by it what is wrong."""
    if isinstance(error, SyntaxError):
        return f"{error.msg} in {error.filename}, line {error.lineno}"
    notes = [f"({note})" for note in getattr(error, "__notes__", ())]
    place = traceback.extract_tb(error.__traceback__)[-1]
    if isinstance(error, OSError) or (isinstance(error, EXPECTED) and Path(place.filename).is_relative_to(HOUSE)):
        return " ".join([str(error), *notes])
    places = notes or [f"({place.filename}, line {place.lineno})"]
    return " ".join([f"{type(error).__name__}: {error}", *places, f"{TRACEBACK} shows more."])


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
    folder = run(source, options.root, _workers(options), progress=not options.json)
    _show_run(folder, options.json)
    return 0


def _solve(rest: list[str]) -> int:
    source, options = _source("solve", rest, Plain)
    scenario = source.made()
    if isinstance(scenario, AbstractStudy):
        found = scenario.find()
        _print_data({"residual": found.residual, **found.facts, "left_out": list(found.left_out)}, options.json)
        return 0
    game, solution = scenario.evaluation(), scenario.solution
    content = {
        "game": type(game).__name__,
        "concept": solution.concept,
        "status": solution.status.value,
        "residual": solution.residual,
        "residual_lower": solution.residual_lower,
        "iterations": solution.iterations,
        "value": dict(zip(game.agents, solution.value.tolist(), strict=True)),
    }
    _print_data(content | _own_facts(solution, game.agents), options.json)
    return 0 if solution.converged else 1


def _own_facts(solution: Solution, agents: tuple[str, ...]) -> dict[str, Any]:
    """Return the numbers that a kind of solution holds beside what all do, such as a price; actions by agent."""
    facts, of_all = dict[str, Any](), {part.name for part in fields(Solution)}
    for part in fields(solution):
        value = getattr(solution, part.name)
        if part.name in of_all or not isinstance(value, int | float | np.ndarray) or np.size(value) > MOST:
            continue
        told: Any = value.tolist() if isinstance(value, np.ndarray) else value
        facts[part.name] = dict(zip(agents, told, strict=True)) if part.name == "action" else told
    return facts


def _print_data(content: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(content))
    else:
        Console().print_json(data=content)


def _check(rest: list[str]) -> int:
    if not rest or Path(rest[0]).suffix not in (".yaml", ".yml"):
        raise ValueError(f"`walras check` must be given a market's file (.yaml); got {rest[:1] or 'none'}.")
    source, options = _source("check", rest, Plain)
    described: Any = source.described()
    _print_data(described.totals(), options.json)
    return 0


def _schema(rest: list[str]) -> int:
    from walras.scenarios.electricity.market_file import market_schema

    tyro.cli(Plain, args=rest, prog="walras schema")
    print(json.dumps(market_schema(), indent=1))
    return 0


def _gap(rest: list[str]) -> int:
    from walras.equilibria.gap import gap

    source, options = _source("gap", rest, Judge)
    scenario = source.load()
    game = scenario.evaluation()
    concept = options.concept or scenario.concept()
    judged = gap(game, _policy(scenario, options.policy), concept=concept, seeds=range(options.judging_episodes))
    print(json.dumps(judged.to_json()) if options.json else judged)
    return 0


def _policy(scenario: AbstractScenario, name: str) -> Policy:
    """Return a scripted policy by its name, or what was trained, from its file."""
    game = scenario.evaluation()
    if name == "solved":
        return scenario.solution.policy
    if name in RULES:
        return RULES[name](game)
    if not Path(name).is_file():
        raise ValueError(f"`policy` must be solved, {', '.join(RULES)} or a file of a trained learner; got {name!r}.")
    from walras.agents.files import trained_at

    return trained_at(name)


def _report(rest: list[str]) -> int:
    from walras.scenarios.engine.runner import write_report

    run, options = _named("report", rest, Again)
    page = write_report(find_run(run, options.root), trust=options.trust)
    print(json.dumps({"report": str(page)}) if options.json else page)
    return 0


def _replay(rest: list[str]) -> int:
    from walras.scenarios.engine.runner import replay

    run, options = _named("replay", rest, Repeat)
    folder, workers, progress = find_run(run, options.root), _workers(options), not options.json
    with tempfile.TemporaryDirectory() as scratch:
        equal = replay(folder, Path(scratch), workers, progress, trust=options.trust)
    if options.json:
        print(json.dumps(equal))
    else:
        print("\n".join(f"{name}: {'equal bit for bit' if same else 'DIFFERS'}" for name, same in equal.items()))
    return 0 if all(equal.values()) else 1


def _benchmark(verb: str) -> Callable[[list[str]], int]:
    """Return a verb of the benchmark, which is loaded when it is asked for."""
    return lambda rest: load(f"walras.scenarios.bench.commands:{verb}")(rest)


VERBS: dict[str, Callable[[list[str]], int]] = {
    "bench": _benchmark("run_bench"),
    "check": _check,
    "entry": _benchmark("check_entry"),
    "export": _benchmark("write_export"),
    "gap": _gap,
    "leaderboard": _benchmark("write_leaderboard"),
    "query": _benchmark("answer_query"),
    "list": _list,
    "replay": _replay,
    "report": _report,
    "run": _run,
    "schema": _schema,
    "solve": _solve,
}


def _source(verb: str, rest: list[str], options: type[Any]) -> tuple[Source, Any]:
    """Return the scenario that the arguments name and set, and the verb's options."""
    name, *arguments = rest or [""]
    if not name:
        raise ValueError(f"`walras {verb}` must be given a scenario ({', '.join(SCENARIOS)}) or a file; got none.")
    kind: Any = find_scenario(name)
    described = issubclass(kind, AbstractFile)
    default = kind.read(Path(name)) if described else kind()
    bare = tyro.conf.arg(name="")
    parts: list[Any] = [
        ("scenario", Annotated[kind, bare], field(default=default)),
        ("general", Annotated[options, bare], field(default_factory=options)),
    ]
    parsed: Any = tyro.cli(
        make_dataclass("Arguments", parts),
        args=arguments,
        prog=f"walras {verb} {name}",
        description=(kind.__doc__ or "").partition("\n\n")[0],
    )
    if described:
        return source_at(name, parsed.scenario), parsed.general
    return source_of(name, **fields_of(parsed.scenario)), parsed.general


def _named(verb: str, rest: list[str], options: type[Any]) -> tuple[str, Any]:
    """Return the run that the arguments name, and the verb's options."""
    run, *arguments = rest or [""]
    if not run:
        raise ValueError(f"`walras {verb}` must be given a run: its folder, its id, or its scenario's name; got none.")
    return run, tyro.cli(options, args=arguments, prog=f"walras {verb} {run}")


def _workers(options: How | Repeat) -> int | None:
    """Return the number of processes; None for one a core."""
    require(options.workers >= 0, "workers", "be 0, one a core, or a number of processes", options.workers)
    return options.workers or None


def _show_run(folder: Path, as_json: bool) -> None:
    """Print the summary of a run: each method's agents, and the market."""
    summary = read_json(folder / "summary.json")
    if as_json:
        print(json.dumps({"run": str(folder), "report": str(folder / "report.html"), "summary": summary}))
        return
    console = Console()
    if "study" in summary:
        console.print_json(data=summary["study"]["facts"])
    for method in summary["methods"].values():
        measures = method["agents"]
        rows = [(agent, *(_interval(measures[m][agent]) for m in measures)) for agent in summary["agents"]]
        console.print(_table(method["title"], ("agent", *measures), rows))
        console.print("  ".join(f"{m} {_interval(e)}" for m, e in method["market"].items()))
    for name, error in summary["price_error"].items():
        console.print(f"price error of {name}: MAE {error['mae']:.2f}, RMSE {error['rmse']:.2f} EUR/MWh")
    console.print(f"\nReport: {folder / 'report.html'}", soft_wrap=True)


def _interval(estimate: dict[str, Any]) -> str:
    if estimate["mean"] is None:
        return "-"
    mean, low, high = estimate["mean"], estimate["low"], estimate["high"]
    return f"{mean:.4g}" if low in (None, high) else f"{mean:.4g} [{low:.4g}, {high:.4g}]"


def _table(title: str, head: Sequence[str], rows: Any) -> Table:  # noqa: ANN401 - any iterable of rows
    table = Table(*head, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    return table


if __name__ == "__main__":
    sys.exit(command())
