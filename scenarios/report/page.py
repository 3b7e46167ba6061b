"""The report of a run: one HTML page that opens without a network, and is the same for the same results.

The page is a template that escapes whatever it is told. A policy in its head lets the browser run only the scripts and
styles whose hashes it names, and load nothing.
"""

import base64
import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from walras.core.checks import require
from walras.scenarios.engine.manifest import run_id
from walras.scenarios.engine.results import Results
from walras.scenarios.engine.scenario import Chart
from walras.scenarios.report.figures import ASSETS, asset, drawn, library
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
    drawings = [_chart(title, chart(results)) for title, chart in charts.items()]
    plotly = library(drawing["figure"] for drawing in drawings)
    style, draw = asset("style.css"), asset("draw.js")
    return _template().render(
        policy=policy(scripts=(plotly, draw), styles=(style,)),
        title=capital(str(results.record["scenario"]).replace("_", " ")),
        headline=headline(results),
        facts=_facts(results),
        cards=[_card(*card) for card in key_numbers(results)],
        charts=drawings,
        tables=_sections(results),
        commands=[run_command(results.manifest), f"walras replay {run_id(results.manifest)}"],
        provenance=_provenance(results.manifest),
        style=style,
        plotly=plotly,
        draw=draw,
    )


def run_command(manifest: Mapping[str, Any]) -> str:
    """Return the command that runs the manifest's scenario with its fields."""
    words = ["walras", "run", str(manifest["scenario"])]
    for name, value in manifest["fields"].items():
        words += _flag(name.replace("_", "-"), value)
    return shlex.join(words)


def _flag(name: str, value: Any) -> list[str]:  # noqa: ANN401 - whatever JSON holds
    """Return a field as the command line takes it."""
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
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


def _chart(title: str, figure: Any) -> dict[str, Any]:  # noqa: ANN401 - plotly is untyped
    """Return what the template writes of a figure: its title, its caption, and itself."""
    caption = str((figure.layout.meta or {"caption": ""})["caption"])
    return {"title": title, "caption": caption, "figure": drawn(figure)}


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
_ERRORS = "Distance of each price path from the actual day-ahead price, over the same hours, the nearest first."


def _provenance(manifest: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return what fixes the numbers."""
    return {
        "Fields that differ from their defaults": manifest["fields"],
        "Files read, SHA-256": manifest["files"],
        "Versions": manifest["versions"] | {"machine": manifest["machine"]},
    }


# The template


@cache
def _template() -> Any:  # noqa: ANN401 - jinja2's template is only partly typed
    house = Environment(loader=FileSystemLoader(ASSETS), autoescape=True, undefined=StrictUndefined)
    return house.get_template("page.html")


def policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """Return the policy by which the browser runs these scripts and styles alone, and loads nothing.

    Plotly adds a style element without content, which it then fills by rules; its pictures are data.
    """
    run, shown = (" ".join(map(_hash, parts)) for parts in (scripts, (*styles, "")))
    closed = "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data: blob:"
    return f"{closed}; script-src {run}; style-src {shown}"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
