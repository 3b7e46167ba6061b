"""Entries from outside: a folder with results of a method of one's own, and what others need to make them again.

| file | content |
|---|---|
| `run.py` | makes the results, by `walras bench` or `walras.scenarios.bench.runner` |
| `config.yaml` | `method`, `authors`, `suite_commit`, `method_commit` (URLs that end in a full SHA), `paper` if any |
| `requirements.txt` | every package with its version |
| `cells/`, `suites/` | what `walras bench` wrote: manifests with versions, hardware, hashes and certificates |
| `summary.json` | the entry's rows of the leaderboard, and the hardware; `walras entry FOLDER --write` writes it |

The method's code stays where it is: nothing of an entry is run to check it.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from walras.core.files import write_whole
from walras.scenarios.bench.plan import games_of
from walras.scenarios.bench.results import Results
from walras.scenarios.bench.suites import CORE
from walras.scenarios.engine.strict_yaml import load_yaml

FILES = ("run.py", "config.yaml", "requirements.txt")
CONFIG = ("method", "authors", "suite_commit", "method_commit")
SHA = re.compile(r"https?://\S+/[0-9a-f]{40}$")
PINNED = re.compile(r"^[A-Za-z0-9._-]+(\[[^\]]*\])?==\S+$|^[A-Za-z0-9._-]+ @ \S+@[0-9a-f]{40}$")
LIKE_CORE = ("steps", "budgets", "evaluation")
"""Settings that an entry shares with `core`, so that rows can stand side by side."""


def problems(folder: Path) -> list[str]:
    """Return what is wrong with an entry, a line each; nothing if it can join the leaderboard.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"`entry` must be a folder; got {str(folder)!r}.")
    missing = [f"{name} is missing" for name in (*FILES, "summary.json") if not (folder / name).is_file()]
    if missing:
        return missing
    try:
        _config(folder)
    except ValueError as wrong:
        return [f"config.yaml cannot be read: {wrong}"]
    return [*_of_config(folder), *_of_requirements(folder), *_of_results(folder)]


def write_summary(folder: Path) -> Path:
    """Write ``summary.json`` from the cells of an entry; return its path.

    Raises
    ------
    FileNotFoundError
        If the folder holds no results.
    ValueError
        If a cell is damaged.
    """
    text = json.dumps(summary_of(folder), indent=1) + "\n"
    write_whole(folder / "summary.json", lambda beside: beside.write_text(text))
    return folder / "summary.json"


def summary_of(folder: Path) -> dict[str, Any]:
    """Return an entry's rows of the leaderboard and its hardware, from its cells; errors as `write_summary`."""
    results = Results(folder)
    own = _method(folder)
    rows = json.loads(results.table[results.table["method"] == own].to_json(orient="records", double_precision=12))
    ids = [cell["id"] for cell in results.manifest["cells"] if cell["method"] == own]
    cells = [results.cells[cell] for cell in ids if cell in results.cells]
    return {
        "suite": results.manifest["suite"]["name"],
        "rows": rows,
        "hashes": {manifest["id"]: manifest["hash"] for manifest in cells},
        "hardware": [dict(pair) for pair in sorted({tuple(sorted(m["hardware"].items())) for m in cells})],
        "cpu_seconds": round(sum(sum(m["cpu_seconds"].values()) for m in cells), 1),
    }


def entry_rows(folder: Path) -> pd.DataFrame:
    """Return an entry's rows of the leaderboard, with the role "entry".

    Raises
    ------
    ValueError
        If something is wrong with it.
    """
    wrong = problems(folder)
    if wrong:
        raise ValueError(f"`entry` must be as the documentation says; {folder}: {'; '.join(wrong)}.")
    table = Results(folder).table
    return table[table["method"] == _method(folder)].assign(role="entry")


def _config(folder: Path) -> dict[str, Any]:
    content = load_yaml(folder / "config.yaml", "config.yaml")
    return content if isinstance(content, dict) else {}


def _method(folder: Path) -> str:
    return str(_config(folder).get("method", ""))


def _of_config(folder: Path) -> Iterator[str]:
    config = _config(folder)
    yield from (f"config.yaml lacks {name}" for name in CONFIG if not config.get(name))
    for name in ("suite_commit", "method_commit"):
        if config.get(name) and not SHA.match(str(config[name])):
            yield f"config.yaml: {name} must be a URL that ends in a full SHA; got {config[name]!r}"


def _of_requirements(folder: Path) -> Iterator[str]:
    lines = [line.strip() for line in (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()]
    for line in lines:
        if line and not line.startswith("#") and not PINNED.match(line):
            yield f"requirements.txt: each package must be pinned by ==, or by a commit; got {line!r}"


def _of_results(folder: Path) -> Iterator[str]:
    try:
        summary, results = summary_of(folder), Results(folder)
    except (ValueError, OSError) as wrong:
        yield f"the results cannot be read: {wrong}"
        return
    yield from _of_suite(results.manifest["suite"])
    if not summary["rows"]:
        yield f"there are no results of the method {_method(folder)!r}"
    yield from _of_games(results)
    for row in summary["rows"]:
        if row["seeds"] < CORE.seeds:
            yield f"{row['game']} has {row['seeds']} seeds, fewer than {CORE.seeds}"
    for cell in results.missing.to_dict("records"):
        yield f"{cell['method']} in {cell['game']}, seeds {cell['seeds']}, has no result"
    if _written(folder) != json.loads(json.dumps(summary)):
        yield "summary.json is not what the cells say; `walras entry FOLDER --write` writes it"


def _written(folder: Path) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return what ``summary.json`` holds; nothing if it is no JSON."""
    try:
        return json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    except ValueError:
        return None


def _of_games(results: Results) -> Iterator[str]:
    """Yield the games that have a name of core's and are other games."""
    core = json.loads(json.dumps({name: recipe.data() for name, recipe in games_of(CORE).items()}))
    ids, found = {cell["game"]: cell["id"] for cell in results.manifest["cells"]}, results.cells
    played = {game: found[cell]["cell"]["game_recipe"] for game, cell in ids.items() if cell in found}
    for game in sorted(played.keys() & core.keys()):
        if played[game] != core[game]:
            yield f"{game} must be that of core, {core[game]}; got {played[game]}"


def _of_suite(suite: dict[str, Any]) -> Iterator[str]:
    core = json.loads(json.dumps(CORE.data()))
    for name in LIKE_CORE:
        if suite[name] != core[name]:
            yield f"the suite's {name} must be those of core, {core[name]}; got {suite[name]}"
