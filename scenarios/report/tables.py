"""The report's tables, as data: the template writes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from walras.scenarios.engine.results import Results
from walras.scenarios.engine.summary import AT_LEVEL
from walras.scenarios.report.charts import title_of
from walras.scenarios.report.numbers import ABSENT, brief, number, with_interval
from walras.scenarios.report.words import Words, capital, largest_gain, objective_of, words_of, worth


@final
@dataclass(frozen=True)
class Cell:
    """A number as it is shown, and its interval; or words."""

    text: str
    interval: str = ""


@final
@dataclass(frozen=True)
class Group:
    """Rows under one title: what stands first in a row, and its cells."""

    rows: Sequence[tuple[str, Sequence[Cell]]]
    title: str = ""
    note: str = ""


@final
@dataclass(frozen=True)
class Table:
    """A table of numbers."""

    columns: Sequence[tuple[str, str]]
    """Title and unit, from the column of the rows' names on."""
    groups: Sequence[Group]


def verdicts(results: Results) -> Table:
    """Return the largest gap of each method, whose it is, and what its numbers are worth."""
    titles = ("Method", f"Largest {objective_of(results).gap}", "Of", "Certificate", "Concept")
    rows = [(_titled(results, name), _verdict(results, name)) for name in results.record["methods"]]
    return Table([(title, "") for title in titles], [Group(rows)])


def agents_table(results: Results) -> Table:
    """Return one table of the agents: a group of rows for each method, in it a row for each agent."""
    objective, methods, agents = objective_of(results), results.record["methods"], results.record["agents"]
    measures = list(dict.fromkeys(name for part in methods.values() for name in part["agents"]))
    value = {agent: Cell(brief(results.record["equilibrium"]["value"][agent])) for agent in agents}
    columns = [("Agent", ""), *(_heading(words_of(results, name)) for name in measures)]
    columns.insert(2, _heading(Words(f"{objective.reward} of the solution", objective.unit)))
    groups: list[Group] = []
    for name, part in methods.items():
        rows: list[tuple[str, list[Cell]]] = []
        for agent in agents:
            cells = [_cell(part["agents"].get(m, {}).get(agent), words_of(results, m).factor) for m in measures]
            rows.append((agent, [cells[0], value[agent], *cells[1:]]))
        groups.append(Group(rows, _titled(results, name), f"{objective.gap}: {worth(results, name).note}"))
    return Table(columns, groups)


def market_table(results: Results) -> Table | None:
    """Return the table of what is measured of the market, a row a method; none where nothing is."""
    methods = results.record["methods"]
    measures = list(dict.fromkeys(name for part in methods.values() for name in part["market"]))
    rows = [
        (_titled(results, name), [_cell(part["market"].get(m), words_of(results, m).factor) for m in measures])
        for name, part in methods.items()
    ]
    columns = [("Method", ""), *(_heading(words_of(results, name)) for name in measures)]
    return Table(columns, [Group(rows)]) if measures else None


def price_errors(results: Results) -> Table | None:
    """Return how far price paths are from the recorded price, the nearest first; none where none is recorded."""
    errors = sorted(results.record["price_error"].items(), key=lambda item: item[1]["mae"])
    rows = [(capital(path_title(results, name)), [_error(each.get(k)) for k in ERRORS]) for name, each in errors]
    return Table([("Path", ""), *ERRORS.values()], [Group(rows)]) if errors else None


ERRORS = {
    "mae": ("Mean absolute error", "EUR/MWh"),
    "rmae": ("The same", "of the standard naive"),
    "rmse": ("Root mean square error", "EUR/MWh"),
    "crps": ("CRPS", "EUR/MWh"),
}
"""What is told of a price path, with title and unit."""


def path_title(results: Results, name: str) -> str:
    """Return the words for a path of prices: a method's, also at the level of prices, or a forecast."""
    method = name.removesuffix(AT_LEVEL)
    return f"{title_of(results, method)}, at the level" if method != name else title_of(results, name)


def _error(value: float | None) -> Cell:
    return Cell(ABSENT if value is None else f"{value:.2f}")


def _titled(results: Results, name: str) -> str:
    return capital(title_of(results, name))


def _verdict(results: Results, method: str) -> list[Cell]:
    (gain, agent), proved = largest_gain(results, method), worth(results, method)
    shown = f"{proved.sign}{'0' if gain == 'zero' else gain}"
    return [Cell(text) for text in (shown, agent, proved.certificate, proved.concept)]


def _heading(words: Words) -> tuple[str, str]:
    return capital(words.title), words.unit


def _cell(estimate: Mapping[str, Any] | None, factor: float) -> Cell:
    if estimate is None:
        return Cell(ABSENT)
    return Cell(*with_interval(*(factor * number(estimate[part]) for part in ("mean", "low", "high"))))
