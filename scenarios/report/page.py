"""The report of a run: one HTML page that opens without a network, and is the same for the same results."""

import math
import shlex
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, TypeAlias

from walras.core.checks import require
from walras.scenarios.engine.manifest import run_id
from walras.scenarios.engine.results import Results
from walras.scenarios.engine.scenario import Chart
from walras.scenarios.report.charts import number, title_of
from walras.scenarios.report.style import STYLE
from walras.scenarios.report.words import (
    ABSENT,
    Words,
    capital,
    headline,
    key_numbers,
    named,
    objective_of,
    places_of,
    shown_number,
    words_of,
    worth,
)

REQUIRED = ("scenario", "agents", "seeds", "objective", "measures", "equilibrium", "methods", "price_error")
"""The parts of a record that a page tells."""

Column: TypeAlias = tuple[str, list[str]]
"""The heading and the cells of a column, as HTML."""


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
    sections = [
        _header(results),
        _strip(key_numbers(results)),
        *_charts(results, charts),
        _agents(results),
        _market(results),
        _price_errors(results),
        _provenance(results),
    ]
    return _page(f"{_title(results)} · Walras", "\n".join(sections))


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


def _title(results: Results) -> str:
    return capital(str(results.record["scenario"]).replace("_", " "))


def _header(results: Results) -> str:
    agents, seeds = results.record["agents"], results.record["seeds"]
    solution = results.record["equilibrium"]
    status = str(solution["status"]).partition(":")[0].lower()
    facts = (
        f"{len(agents)} agents · {seeds} {'seed' if seeds == 1 else 'seeds'}"
        f" · run {run_id(results.manifest)} · solution ({named(solution['concept'])}) {status},"
        f" residual {solution['residual']:.1e}"
    )
    return (
        f'<header><p class="kicker">Walras · market report</p><h1>{escape(_title(results))}</h1>'
        f'<p class="headline">{escape(headline(results))}</p><p class="facts">{escape(facts)}</p></header>'
    )


def _strip(cards: Sequence[tuple[str, str, str]]) -> str:
    items = "".join(
        f"<div><dt>{escape(title)}</dt><dd><strong>{_with_unit(value)}</strong><span>{escape(note)}</span></dd></div>"
        for title, value, note in cards
    )
    return f'<dl class="strip">{items}</dl>'


def _with_unit(value: str) -> str:
    first, _, unit = value.partition(" ")
    return f"{escape(first)} <small>{escape(unit)}</small>"


def _charts(results: Results, charts: Mapping[str, Chart]) -> list[str]:
    return [_chart(index, title, chart(results)) for index, (title, chart) in enumerate(charts.items(), start=1)]


def _chart(index: int, title: str, figure: Any) -> str:  # noqa: ANN401 - plotly is untyped
    """Return a figure with its caption; the identifier is fixed, so that equal results give equal pages."""
    options = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}
    drawn = figure.to_html(
        full_html=False, include_plotlyjs=False, div_id=f"chart-{index}", config=options, auto_play=False
    )
    caption = str((figure.layout.meta or {"caption": ""})["caption"])
    return (
        f'<figure role="group" aria-labelledby="title-{index}" aria-describedby="caption-{index}">'
        f'<h2 id="title-{index}">{escape(title)}</h2>'
        f'<figcaption id="caption-{index}">{escape(caption)}</figcaption>{drawn}</figure>'
    )


def _agents(results: Results) -> str:
    """Return one table: a group of lines for each method, in it a line for each agent."""
    objective, methods, agents = objective_of(results), results.record["methods"], results.record["agents"]
    lead = (
        "Interquartile means over the seeds, with 95 % confidence intervals where seeds differ. The"
        f" {objective.gap} is {objective.meaning}. After each method stands what its numbers are worth."
    )
    value = [results.record["equilibrium"]["value"][agent] for agent in agents] * len(methods)
    equilibrium = [shown_number(each, places_of(value)) for each in value]
    columns = [
        _measured(
            results, name, [part["agents"].get(name, {}).get(agent) for part in methods.values() for agent in agents]
        )
        for name in dict.fromkeys(name for part in methods.values() for name in part["agents"])
    ]
    columns.insert(1, (_heading(Words(f"{objective.reward} in equilibrium", objective.unit)), equilibrium))
    titles = [_judged(results, name) for name in methods]
    table = _table("Agent", columns, [escape(agent) for agent in agents] * len(methods), titles)
    return f"<section><h2>Agents</h2><p>{escape(lead)}</p>{table}</section>"


def _judged(results: Results, method: str) -> str:
    """Return the title of a method, and what its gaps are worth."""
    note = f"{objective_of(results).gap}: {worth(results, method).note}"
    return f"{escape(capital(title_of(results, method)))}<small>{escape(note)}</small>"


def _market(results: Results) -> str:
    methods = results.record["methods"]
    columns = [
        _measured(results, name, [part["market"].get(name) for part in methods.values()])
        for name in dict.fromkeys(name for part in methods.values() for name in part["market"])
    ]
    table = _table("Method", columns, [escape(capital(title_of(results, name))) for name in methods])
    return f"<section><h2>Market</h2>{table}</section>" if columns else ""


def _measured(results: Results, measure: str, estimates: Sequence[Mapping[str, Any] | None]) -> Column:
    """Return the column of a measure: means with the same decimals, and intervals where seeds differ."""
    words = words_of(results, measure)
    places = places_of(words.factor * number(each["mean"]) for each in estimates if each)
    return _heading(words), [_cell(each, words.factor, places) if each else ABSENT for each in estimates]


def _cell(estimate: Mapping[str, Any], factor: float, places: int) -> str:
    mean, low, high = (factor * number(estimate[part]) for part in ("mean", "low", "high"))
    if low == high or math.isnan(low):
        return shown_number(mean, places)
    interval = f"[{shown_number(low, places)}, {shown_number(high, places)}]"
    return f'{shown_number(mean, places)} <span class="interval">{interval}</span>'


def _heading(words: Words) -> str:
    unit = f"<small>{escape(words.unit)}</small>" if words.unit else ""
    return escape(capital(words.title)) + unit


def _price_errors(results: Results) -> str:
    """Compare price paths with the actual price, best first."""
    errors = results.record["price_error"]
    if not errors:
        return ""
    ranked = sorted(errors.items(), key=lambda item: item[1]["mae"])
    columns = [
        (f"{title}<small>EUR/MWh</small>", [shown_number(error[name], 2) for _, error in ranked])
        for name, title in (("mae", "Mean absolute error"), ("rmse", "Root mean square error"))
    ]
    table = _table("Path", columns, [escape(capital(title_of(results, name))) for name, _ in ranked])
    lead = "Distance of each price path from the actual day-ahead price, over the same hours, the nearest first."
    return f"<section><h2>Prices and reality</h2><p>{lead}</p>{table}</section>"


def _provenance(results: Results) -> str:
    """Return what fixes the numbers, and the commands that give them again."""
    manifest = results.manifest
    commands = f"{run_command(manifest)}\nwalras replay {run_id(manifest)}"
    parts = [
        _pairs("Fields that differ from their defaults", manifest["fields"]),
        _pairs("Files read, SHA-256", manifest["files"]),
        _pairs("Versions", manifest["versions"] | {"machine": manifest["machine"]}),
    ]
    return (
        '<section class="provenance"><h2>Run it again</h2><p>The first command gives the same numbers;'
        " the second runs the manifest again and compares the results bit for bit.</p>"
        f"<pre><code>{escape(commands)}</code></pre>{''.join(parts)}</section>"
    )


def _pairs(title: str, pairs: Mapping[str, Any]) -> str:
    if not pairs:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(str(name))}</th><td class="text">{escape(str(value))}</td></tr>'
        for name, value in pairs.items()
    )
    return f'<div class="scroll"><table><caption>{escape(title)}</caption><tbody>{rows}</tbody></table></div>'


def _table(corner: str, columns: Sequence[Column], rows: list[str], groups: Sequence[str] = ()) -> str:
    """Return a table of cells that are HTML already, the rows named and, in equal shares, grouped."""
    top = "".join(f'<th scope="col">{name}</th>' for name in (corner, *(name for name, _ in columns)))
    lines = [
        f'<tr><th scope="row">{row}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for row, *cells in zip(rows, *(cells for _, cells in columns), strict=True)
    ]
    size, width = len(lines) // max(len(groups), 1), 1 + len(columns)
    heads = [f'<tr class="group"><th scope="rowgroup" colspan="{width}">{group}</th></tr>' for group in groups]
    parts = [head + "".join(lines[k * size : (k + 1) * size]) for k, head in enumerate(heads or [""])]
    body = "".join(f"<tbody>{part}</tbody>" for part in parts)
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead>{body}</table></div>'


# The browser itself then refuses whatever the page would load. Plotly compiles WebGL commands: hence unsafe-eval.
_SOURCES = ("script-src 'unsafe-inline' 'unsafe-eval'", "style-src 'unsafe-inline'", "img-src data: blob:")
_POLICY = "; ".join(("default-src 'none'", *_SOURCES))


def _page(title: str, body: str) -> str:
    from plotly.offline import get_plotlyjs

    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
<script>{get_plotlyjs()}</script>
</head>
<body>
{body}
<noscript><p>The charts need JavaScript; the tables do not.</p></noscript>
</body>
</html>
"""
