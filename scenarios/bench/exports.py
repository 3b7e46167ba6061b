"""Results of a suite for other tools: CSV, LaTeX, the JSON of marl-eval, TensorBoard events."""

import json
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any, cast

import pandas as pd

from walras.core.checks import require_known
from walras.core.files import write_whole
from walras.core.lazy import needed
from walras.scenarios.bench.leaderboard import HEAD, line_of, markdown, ranked
from walras.scenarios.bench.results import Results

CURVES = ("lower", "upper", "attained", "return")
"""Columns of runs that are drawn against steps."""
SIGNS = str.maketrans(
    {sign: f"\\{sign}" for sign in "%_&#${}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)
"""What LaTeX would take for commands, and how it is written."""


def export(results: Results, form: str, path: Path) -> None:
    """Write results for another tool.

    Parameters
    ----------
    results : Results
        Of a suite.
    form : {"csv", "latex", "markdown", "marl-eval", "tensorboard"}
        Which.
    path : Path
        A file; for TensorBoard a folder.

    Raises
    ------
    ValueError
        If the form is unknown.
    ImportError
        If TensorBoard is asked for and not installed.
    OSError
        If nothing can be written there.
    """
    require_known(form, "form", [*TEXTS, "tensorboard"])
    if form == "tensorboard":
        write_events(results, path)
    else:
        text = TEXTS[form](results)
        write_whole(path, lambda beside: beside.write_text(text, encoding="utf-8"))


def csv(results: Results) -> str:
    """Return the table, a row a game and method."""
    return results.table.to_csv(index=False)


def latex(results: Results) -> str:
    """Return one ``tabular`` a game, for the package booktabs."""
    return "\n".join(_tabular(str(game), rows) for game, rows in results.table.groupby("game", sort=False))


def marl_eval(results: Results) -> str:
    """Return the JSON that marl-eval reads: family, game, method, seed, step.

    Metrics are `gap_at_least`, `gap_at_most` and `attained`, relative, and `return`; what is not finite is left out.
    The absolute metrics are those at the end of training, with the returns of all episodes.
    """
    content = dict[str, Any]()
    for keys, runs in results.runs.groupby(["family", "game", "method", "seed"], sort=False):
        family, game, method, seed = map(str, cast(tuple[object, ...], keys))
        ordered = runs.sort_values("steps").to_dict("records")
        steps = {f"step_{k}": _point(run) for k, run in enumerate(ordered)}
        absolute = _metrics(ordered[-1]) | {"return": _returns(results, game, method, int(seed))}
        task = content.setdefault(family, {}).setdefault(game, {})
        task.setdefault(method, {})[f"seed_{seed}"] = steps | {"absolute_metrics": absolute}
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def write_events(results: Results, folder: Path) -> None:
    """Write learning curves as TensorBoard events, a folder a game, method and seed.

    Raises
    ------
    ImportError
        If TensorBoard is not installed.
    """
    needed("tensorboard", "tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    for (game, method, seed), runs in results.runs.groupby(["game", "method", "seed"], sort=False):
        with SummaryWriter(str(folder / str(game) / str(method) / f"seed_{seed}")) as writer:
            for run in runs.sort_values("steps").to_dict("records"):
                for name in CURVES:
                    if isfinite(run[name]):
                        writer.add_scalar(f"{name}/{game}", run[name], run["steps"], walltime=0)


def _point(run: dict[Any, Any]) -> dict[str, Any]:
    return {"step_count": int(run["steps"])} | _metrics(run)


def _metrics(run: dict[Any, Any]) -> dict[str, list[float]]:
    named = {"gap_at_least": "lower", "gap_at_most": "upper", "attained": "attained", "return": "return"}
    return {name: [float(run[column])] for name, column in named.items() if isfinite(run[column])}


def _returns(results: Results, game: str, method: str, seed: int) -> list[float]:
    """Return the mean return of the players in each episode at the end."""
    numbers = results.numbers
    keep = (numbers["game"] == game) & (numbers["method"] == method) & (numbers["seed"] == seed)
    own = numbers[keep & (numbers["measure"] == "return")]
    return own.groupby("episode")["value"].mean().tolist()


def _tabular(game: str, rows: pd.DataFrame) -> str:
    lines = [" & ".join(text.translate(SIGNS) for text in line_of(row)) + r" \\" for row in ranked(rows)]
    head = " & ".join(HEAD) + r" \\"
    parts = [rf"% {game}", rf"\begin{{tabular}}{{{'l' * len(HEAD)}}}", r"\toprule", head, r"\midrule", *lines]
    return "\n".join([*parts, r"\bottomrule", r"\end{tabular}", ""])


TEXTS: dict[str, Callable[[Results], str]] = {
    "csv": csv,
    "latex": latex,
    "markdown": markdown,
    "marl-eval": marl_eval,
}
"""Forms that are one text."""
