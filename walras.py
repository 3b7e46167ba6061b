"""Walras: multi-agent markets whose equilibria are known.

>>> import walras
>>> game = walras.envs.CournotMarket(cost=(10.0, 12.0))
>>> solution = walras.solve(game)
>>> bool(walras.gap(game, solution.policy).upper.max() < 1e-9)
True

`run` runs a scenario and `load` reads a run; `make` makes an environment; `solve` and `gap` are those of
`walras.equilibria`, `audit` is that of `walras.equilibria.inverse`. All else is in the packages `core`, `markets`,
`mechanisms`, `envs`, `equilibria`, `agents` and `scenarios`, which are loaded when they are first asked for.

This is one module, ``walras.py`` at the root of the repository, where each package is a folder and no folder is named
``walras``: it would shadow the installed one. `__path__` makes the module the parent of the packages; in a wheel it is
``walras/__init__.py``, and their parent by itself.
"""

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from walras import agents, core, envs, equilibria, markets, mechanisms, scenarios
    from walras.core.shells import Parallel
    from walras.equilibria.gap import gap
    from walras.equilibria.inverse.auditing import audit
    from walras.equilibria.solve import solve
    from walras.scenarios.engine.documents import AbstractFile
    from walras.scenarios.engine.results import Results
    from walras.scenarios.engine.scenario import AbstractScenario
    from walras.scenarios.engine.study import AbstractStudy

    __version__: str

__all__ = [
    "__version__", "agents", "audit", "core", "envs", "equilibria", "gap", "load", "make", "markets",
    "mechanisms", "run", "scenarios", "solve",
]  # fmt: skip

__path__ = [
    folder
    for entry in dict.fromkeys((os.path.dirname(os.path.abspath(__file__)), *sys.path))
    if os.path.isdir(folder := os.path.join(entry, "walras"))
]
"""Where a wheel puts the packages; an editable install finds them by itself."""


def run(
    scenario: "str | AbstractScenario | AbstractStudy | AbstractFile",
    *,
    root: "str | Path" = "runs",
    workers: int | None = None,
    progress: bool = True,
    **fields: Any,  # noqa: ANN401 - the scenario's
) -> "Results":
    """Run a scenario, or go on with one that was interrupted, or find it finished.

    Parameters
    ----------
    scenario : str or AbstractScenario
        A scenario or a study; or its name, as `walras list` lists them; or the path of a file that defines one, in
        Python, or describes one, in YAML.
    root : path
        Folder in which runs are kept.
    workers : int, optional
        Processes; by default one a core. A scenario that is defined in a notebook runs in the notebook's own.
    progress : bool
        Show a progress bar.
    **fields
        Fields of the scenario to set.

    Raises
    ------
    ValueError
        If there is no such scenario or field, or a value is not allowed.
    TypeError
        If a learner cannot learn the game, or a field's value is not made of numbers, text and paths.
    RuntimeError
        If another process is running the same run.

    Examples
    --------
    ``walras.run("cournot", seeds=3)`` and ``walras.run(Cournot(seeds=3))`` are the same run.
    """
    from pathlib import Path

    from walras.scenarios.engine import runner
    from walras.scenarios.engine.catalogue import source_of
    from walras.scenarios.engine.results import load_results

    return load_results(runner.run(source_of(scenario, **fields), Path(root), workers, progress))


def load(run: "str | Path", root: "str | Path" = "runs") -> "Results":
    """Return the results of a finished run.

    Parameters
    ----------
    run : path
        Its folder; or, in `root`, its id or the beginning of it, or its scenario's name, which is the newest.
    root : path
        Folder in which runs are kept.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If several ids begin so.
    """
    from pathlib import Path

    from walras.scenarios.engine.results import find_run, load_results

    return load_results(find_run(str(run), Path(root)))


def make(id: str, **parameters: Any) -> "Parallel[Any]":  # noqa: ANN401 - the game's own
    """Return a PettingZoo parallel environment.

    Parameters
    ----------
    id : str
        ``"walras/cournot_market-v0"``, or without the first part; `walras list` lists them.
    **parameters
        Of the game; and `render_mode`.

    Raises
    ------
    ValueError
        If there is no such environment, or a parameter is not allowed.

    Examples
    --------
    >>> import walras
    >>> walras.make("cournot_market-v0", horizon=3).possible_agents
    ['firm_0', 'firm_1', 'firm_2']
    """
    from walras.core.checks import require_known
    from walras.envs.registration import GAMES, parallel_env, pettingzoo_id

    known = {pettingzoo_id(key).removeprefix("walras/"): key for key in GAMES}
    name = id.removeprefix("walras/")
    require_known(name, "id", known)
    return parallel_env(known[name], **parameters)


def command() -> int:
    """Run the command line; an interruption ends it at once, also while its libraries load."""
    try:
        return import_module("walras.scenarios.cli").main()
    except KeyboardInterrupt:
        print("walras: interrupted; the same command goes on from the last checkpoints.", file=sys.stderr, flush=True)
    os._exit(130)  # every file is whole, and libraries take long to end


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a package, a function or the version
    if name == "__version__":
        return import_module("importlib.metadata").version("walras")
    if name in ("solve", "gap"):
        return getattr(import_module(f"walras.equilibria.{name}"), name)
    if name == "audit":
        return import_module("walras.equilibria.inverse.auditing").audit
    if name in __all__:
        return import_module(f"walras.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
