"""The tables of "Do learners find the equilibria of markets?", made again from the raw results beside the page.

Run: ``python benchmarks/study.py [STORE] [--write]``. The store is `docs/study` unless another one is given, such as
`bench/core` after `walras bench core`. With ``--write`` the tables take the place of those in `docs/study.md`.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from walras.scenarios.bench.leaderboard import line_of, ranked
from walras.scenarios.bench.results import Results
from walras.scenarios.engine.statistics import interquartile_mean

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE, RAW = DOCS / "study.md", DOCS / "study"
GENERAL = ("MAPPO", "IPPO", "PPO", "shared PPO", "SAC", "shared SAC", "TD3", "DQN")
"""Learners that play games of several families, in the order of the table's columns."""
REFERENCES = ("solved", "scripted", "random")
NEAR = (0.01, 0.1)
"""Shares of what is at stake within which a policy is said to be near an equilibrium."""
PAIRS = (("MAPPO", "IPPO"), ("MAPPO", "PPO"), ("PPO", "shared PPO"), ("PPO", "SAC"), ("SAC", "TD3"))


def near(results: Results) -> Iterator[str]:
    """Yield, game by game, both ends of the gap of each learner that several families know, and the best of all."""
    names = [*REFERENCES, *_general(results)]
    yield from head("game", *names)
    for game, rows in results.table.groupby("game", sort=False):
        known = rows.set_index("method")
        cells = [ends(known.loc[name]) if name in known.index else "" for name in names]
        yield row(str(game).partition(".")[2].replace("_", " "), *cells)


def best(results: Results) -> Iterator[str]:
    """Yield the learner or rule of each game whose gap is proved to be smallest, and who is near the equilibrium."""
    yield from head(
        "game", "smallest proved gap, %", "by", "learners within 1 %", "within 10 %", "not proved within 10 %"
    )
    learners = results.table[results.table["role"] != "reference"]
    for game, rows in learners.groupby("game", sort=False):
        first = ranked(rows)[0]
        within = [", ".join(sorted(rows.loc[part, "method"])) for part in _bands(rows["upper"])]
        told = "none" if not isfinite(first["upper"]) else percent(first["upper"])
        yield row(str(game).partition(".")[2].replace("_", " "), told, first["method"], *within)


def progress(results: Results) -> Iterator[str]:
    """Yield what the best deviation found gains at first, half-way and at the end, by learner."""
    names = _general(results)
    yield from head("game", *names)
    runs = results.runs[results.runs["role"] == "learner"]
    for game, part in runs.groupby("game", sort=False):
        cells = [_course(part[part["method"] == name]) for name in names]
        yield row(str(game).partition(".")[2].replace("_", " "), *cells)


def pairs(results: Results) -> Iterator[str]:
    """Yield the probability that one learner's gap is smaller than another's, in the games that both play."""
    yield from head("first", "second", "probability that the first is nearer", "paired difference, % of stake")
    there = set(results.table["method"])
    for first, second in PAIRS:
        if {first, second} <= there:
            found = results.compared(first, second)
            chance, paired = found["probability"], found["difference"]
            told = [f"{100 * part:.3g}" for part in (paired.mean, paired.low, paired.high)]
            yield row(
                first,
                second,
                f"{chance.mean:.2f} [{chance.low:.2f}, {chance.high:.2f}]",
                f"{told[0]} [{told[1]}, {told[2]}]",
            )


def strangers(results: Results) -> Iterator[str]:
    """Yield how returns change where a player meets others with whom it did not learn."""
    numbers = results.numbers
    numbers = numbers[(numbers["role"] == "learner") & (numbers["episode"] == -1)]
    keys = ["game", "method", "seed", "agent"]
    own = numbers[(numbers["measure"] == "expected") & _last(numbers)].set_index(keys)["value"]
    scale = numbers[numbers["measure"] == "scale"].set_index(keys)["value"]
    met = numbers[numbers["measure"] == "mean_return"].set_index([*keys, "against"])["value"].unstack("against")
    change = met.sub(own, axis=0).div(scale, axis=0)
    others = [name for name in ("another seed", "IPPO trained apart", "solved", "random") if name in change]
    yield from head("learner", *others)
    for name in GENERAL:
        if name in change.index.get_level_values("method"):
            part = change.xs(name, level="method").groupby("game").agg(_middle)
            told = [f"{100 * part[other].median():+.2g}" for other in others]
            yield row(name, *told)


def everything(results: Results) -> Iterator[str]:
    """Yield all rows: who, both ends with their intervals, what a gap of zero would prove."""
    yield from head("game", "method", "role", "gap at least", "gap at most", "kind", "certifies", "seeds")
    for game, rows in results.table.groupby("game", sort=False):
        for each in ranked(rows):
            yield row(str(game).partition(".")[2].replace("_", " "), *line_of(each))


def cost(results: Results) -> Iterator[str]:
    """Yield what the cells took."""
    cells = list(results.cells.values())
    spent = {part: sum(cell["cpu_seconds"][part] for cell in cells) / 60 for part in ("train", "judge")}
    yield from head("cells", "of", "training, CPU min", "judgement, CPU min", "hardware", "versions")
    hardware = {f"{cell['hardware']['processor']}, {cell['hardware']['cores']} cores" for cell in cells}
    versions = results.manifest["versions"]
    named = ", ".join(f"{name} {versions[name]}" for name in ("python", "numpy", "torch", "stable-baselines3"))
    total = len(results.manifest["cells"])
    yield row(str(len(cells)), str(total), *(f"{minutes:.0f}" for minutes in spent.values()), *hardware, named)


def missing(results: Results) -> Iterator[str]:
    """Yield the cells without a result."""
    if results.missing.empty:
        yield "None: every cell has a result."
        return
    yield from head("method", "games without a result", "why")
    for (method, error), part in results.missing.groupby(["method", "error"], sort=False):
        games = [str(game).partition(".")[2].replace("_", " ") for game in part["game"]]
        yield row(str(method), ", ".join(games), str(error).partition(": the numbers")[0] or "not run")


TABLES: Mapping[str, Callable[[Results], Iterator[str]]] = {
    "cost": cost,
    "best": best,
    "near": near,
    "progress": progress,
    "pairs": pairs,
    "strangers": strangers,
    "missing": missing,
    "everything": everything,
}


def tables(store: str | Path) -> dict[str, str]:
    """Return all tables as Markdown, by name."""
    results = Results(store, "core")
    return {name: "\n".join(lines(results)) for name, lines in TABLES.items()}


def filled(text: str, found: Mapping[str, str]) -> str:
    """Return the page with the tables in their places, between ``<!-- study: NAME -->`` and ``<!-- end: NAME -->``."""
    for name, table in found.items():
        before, mark, rest = text.partition(f"<!-- study: {name} -->\n")
        _, end, after = rest.partition(f"<!-- end: {name} -->")
        if not mark or not end:
            raise ValueError(f"The page must have a place for the table {name!r}.")
        text = f"{before}{mark}\n{table}\n\n{end}{after}"
    return text


def head(*names: str) -> tuple[str, str]:
    """Return a table's first two lines."""
    return row(*names), row(*("---" for _ in names))


def row(*cells: str) -> str:
    """Return a table's line."""
    return f"| {' | '.join(cells)} |"


def ends(found: "pd.Series[Any]") -> str:
    """Return both ends of a gap in per cent, or what it is at least where nothing is proved."""
    low, high = percent(found["lower"]), percent(found["upper"])
    if not isfinite(found["upper"]):
        return f"≥ {low}"
    return low if low == high else f"{low} to {high}"


def percent(share: float) -> str:
    """Return a share in per cent, with two digits that say something."""
    short = f"{100 * share:.2g}"
    return f"{float(short):,.0f}" if 100 <= abs(100 * share) < 1e6 else short


def _general(results: Results) -> list[str]:
    """Return the learners of `GENERAL` of which there are results."""
    there = set(results.table["method"])
    return [name for name in GENERAL if name in there]


def _bands(upper: "pd.Series[float]") -> Sequence["pd.Series[bool]"]:
    return upper <= NEAR[0], (upper > NEAR[0]) & (upper <= NEAR[1]), ~(upper <= NEAR[1])


def _course(part: pd.DataFrame) -> str:
    """Return the interquartile means of what is attained before any learning, between, and at the end.

    A learner that had one update has nothing between.
    """
    points = [part.loc[part["steps"] == mark, "attained"].to_numpy() for mark in sorted(part["steps"].unique())]
    return " → ".join(percent(float(interquartile_mean(point))) for point in points)


def _last(numbers: pd.DataFrame) -> "pd.Series[bool]":
    return numbers["steps"] == numbers.groupby(["game", "method", "seed"])["steps"].transform("max")


def _middle(values: "pd.Series[float]") -> float:
    found = values.dropna().to_numpy()
    return float(interquartile_mean(found)) if len(found) else np.nan


def main() -> None:
    """Print the tables, or put them in the page."""
    arguments = [each for each in sys.argv[1:] if each != "--write"]
    found = tables(arguments[0] if arguments else RAW)
    if "--write" in sys.argv:
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")
        return
    print("\n\n".join(f"## {name}\n\n{table}" for name, table in found.items()))


if __name__ == "__main__":
    main()
