"""The leaderboard of a suite: who comes how close to which equilibrium, proved, game by game."""

from collections.abc import Mapping
from html import escape
from math import isinf
from typing import Any

import pandas as pd

from walras.scenarios.bench.results import Results

HEAD = ("method", "role", "gap at least", "gap at most", "kind", "certifies", "seeds")


def markdown(results: Results) -> str:
    """Return the leaderboard as Markdown: one table a game, the best proved gap first.

    Parameters
    ----------
    results : Results
        Of a suite.
    """
    title = f"# {results.manifest['suite']['name']}: {results.manifest['id']}\n"
    tables = [_table(str(game), rows) for game, rows in results.table.groupby("game", sort=False)]
    return "\n".join([title, NOTE, *tables, *_missing(results.missing)])


NOTE = """Gaps are shares of what is at stake in the game, of the player that could gain most: interquartile means over
the seeds with 95 % intervals. No deviation gains more than "at most"; one is known that gains "at least". A gap of zero
would prove what the row certifies.
"""


def ranked(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a game, the best proved gap first; what has no upper end comes last, by the lower one."""
    return rows.sort_values(["upper", "lower", "method"]).to_dict("records")  # type: ignore[return-value] - of text


def share(row: Mapping[str, Any], end: str) -> str:
    """Return an end of a relative gap in per cent, with its interval."""
    mean, low, high = (100 * row[name] for name in (end, f"{end}_low", f"{end}_high"))
    if isinf(mean):
        return "no bound"
    return f"{mean:.3g} % [{low:.3g}, {high:.3g}]" if low < high else f"{mean:.3g} %"


def line_of(row: Mapping[str, Any]) -> list[str]:
    """Return a row of a game as texts, in the order of `HEAD`."""
    ends = (share(row, "lower"), share(row, "upper"))
    return [str(row["method"]), str(row["role"]), *ends, *(str(row[name]) for name in ("kind", "certifies", "seeds"))]


def _table(game: str, rows: pd.DataFrame) -> str:
    lines = [HEAD, ["---"] * len(HEAD), *([_plain(text) for text in line_of(row)] for row in ranked(rows))]
    return f"## {_plain(game)}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _missing(cells: pd.DataFrame) -> list[str]:
    """Return what has no result, where there is any."""
    if cells.empty:
        return []
    told = [f"{cell['method']} in {cell['game']}: {cell['error'] or 'not run'}" for cell in cells.to_dict("records")]
    return ["## Without a result\n", "\n".join(f"- {_plain(each)}" for each in told), ""]


def _plain(text: str) -> str:
    """Return `text` in one line in which Markdown finds neither HTML nor another column."""
    return escape(" ".join(text.split()), quote=False).replace("|", "\\|")
