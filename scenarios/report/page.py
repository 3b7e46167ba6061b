"""The report of a run: one HTML page, in the frame of all pages."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

from walras.core.checks import require
from walras.scenarios.engine.manifest import run_id
from walras.scenarios.engine.results import Results
from walras.scenarios.engine.scenario import Chart
from walras.scenarios.report.figures import ASSETS
from walras.scenarios.report.frame import framed
from walras.scenarios.report.tables import Table, agents_table, market_table, price_errors, verdicts
from walras.scenarios.report.words import capital, headline, key_numbers, named, objective_of

REQUIRED = ("scenario", "agents", "seeds", "objective", "measures", "equilibrium", "methods", "price_error")
"""The parts of a record that a page tells."""


@final
@dataclass(frozen=True)
class Section:
    """A table with its title and how to read it."""

    label: str
    lead: str
    table: Table
    first: bool = False
    """Whether it stands before the charts."""


def render(results: Results, charts: Mapping[str, Chart]) -> str:
    """Return the page of a run.

    Parameters
    ----------
    results : Results
        A finished run.
    charts : mapping of str to Chart
        The charts by title. A figure's ``layout.meta["caption"]`` is printed under it.

    Raises
    ------
    ValueError
        If the summary lacks a part, or a chart needs a column that the steps lack.
    """
    missing = [part for part in REQUIRED if part not in results.record]
    require(not missing, "results.record", f"have the parts {', '.join(REQUIRED)}", sorted(results.record))
    return framed(
        ASSETS / "page.html",
        {title: chart(results) for title, chart in charts.items()},
        kicker="market report",
        title=_title(str(results.record["scenario"])),
        headline=headline(results),
        facts=_facts(results),
        cards=[_card(*card) for card in key_numbers(results)],
        tables=_sections(results),
        commands=[run_command(results.manifest), f"walras replay {run_id(results.manifest)}"],
        provenance=provenance(results.manifest),
        without_scripts="The charts need JavaScript; the tables do not.",
    )


def _title(name: str) -> str:
    """Return the title of a scenario's name; a word without a vowel is an abbreviation."""
    words = (word if set(word) & set("aeiouy") else word.upper() for word in name.split("_"))
    return capital(" ".join(words))


def run_command(manifest: Mapping[str, Any]) -> str:
    """Return the command that runs the manifest's scenario with its fields."""
    words = ["walras", "run", str(manifest["scenario"])]
    for name, value in _options(manifest["fields"]):
        words += _flag(name.replace("_", "-"), value)
    return shlex.join(words)


def _options(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield fields by their options, those of a part after its name."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{part}", each) for part, each in value.items())
        else:
            yield name, value


def _flag(name: str, value: Any) -> list[str]:  # noqa: ANN401 - whatever JSON holds
    """Return a field as the command line takes it."""
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    if isinstance(value, Mapping):
        value = [word for pair in value.items() for word in pair]
    values: list[Any] = list(value) if isinstance(value, list | tuple) else [value]
    return [f"--{name}", *(str(each) for each in values)]


def _facts(results: Results) -> list[str]:
    agents, seeds = results.record["agents"], results.record["seeds"]
    solution = results.record["equilibrium"]
    status = str(solution["status"]).partition(":")[0].lower()
    return [
        f"{len(agents)} {'agent' if len(agents) == 1 else 'agents'}",
        f"{seeds} {'seed' if seeds == 1 else 'seeds'}",
        f"run {run_id(results.manifest)}",
        f"solution ({named(solution['concept'])}) {status}, residual {solution['residual']:.1e}",
    ]


def _card(title: str, value: str, note: str) -> dict[str, str]:
    shown, _, unit = value.partition(" ")
    return {"title": title, "value": shown, "unit": unit, "note": note}


def _sections(results: Results) -> list[Section]:
    objective, market, errors = objective_of(results), market_table(results), price_errors(results)
    gap = f"The {objective.gap} is {objective.meaning}. Where it is exact, the number is the {objective.gap} itself."
    bounds = "What is proved, or holds with a confidence, bounds it from above (≤); else it is what a search found (≥)."
    return [
        Section("How far from equilibrium", f"{gap} {bounds}", verdicts(results), first=True),
        Section("Agents", _INTERVALS, agents_table(results)),
        *([Section("Market", "", market)] if market else []),
        *([Section("Prices and reality", _ERRORS, errors)] if errors else []),
    ]


_INTERVALS = (
    "Interquartile means over the seeds, with 95 % confidence intervals where seeds differ. After each method stands"
    " what its gaps are worth."
)
_ERRORS = (
    "Distance of each price path from the actual day-ahead price, over the same hours, the nearest first. The standard"
    " naive forecast is the price of the like day before. CRPS scores a forecast with the spread of its own errors of"
    " 28 days. At the level, a method's prices are shifted by how far real prices lay above competitive ones in the"
    " days before. A forecast that looks ahead knows more than the auction did."
)


def provenance(manifest: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return what fixes the numbers."""
    return {
        "Fields that differ from their defaults": dict(_options(manifest["fields"])),
        "Files read, SHA-256": manifest["files"],
        "Versions": manifest["versions"] | {"machine": manifest["machine"]},
    }
