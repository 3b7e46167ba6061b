"""The report of a run: one HTML page that opens without a network, and is the same for the same results."""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from walras.core.checks import require
from walras.scenarios.charts import label, learners
from walras.scenarios.results import Results, run_id
from walras.scenarios.scenario import Chart


@dataclass(frozen=True)
class Measure:
    """How a measure is shown."""

    title: str
    unit: str = ""
    scale: float = 1.0
    meaning: str = ""


MEASURES = {
    "reward": Measure("Profit", "EUR/h"),
    "gap": Measure("Gap", "EUR/h", meaning="What the best deviation of this agent alone would gain."),
    "relative_gap": Measure("Gap", "% of profit", 100.0, "What the best deviation of this agent alone would gain."),
    "lerner": Measure("Lerner index", meaning="(price - marginal cost) / price"),
    "distance": Measure("Distance to equilibrium", "% of the action range", 100.0),
    "price": Measure("Mean price", "EUR/MWh"),
    "markup": Measure("Mark-up over the competitive price", "% of price", 100.0),
    "welfare_loss": Measure("Welfare loss", "EUR/h", meaning="Welfare below that of the best dispatch."),
}
"""Measures that scenarios of the suite use; others are shown under their own name."""

REQUIRED = ("scenario", "agents", "seeds", "equilibrium", "contestants", "price_error")


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
    missing = [part for part in REQUIRED if part not in results.summary]
    require(not missing, "results.summary", f"have the parts {', '.join(REQUIRED)}", sorted(results.summary))
    sections = [
        _header(results),
        _strip(key_numbers(results)),
        *_charts(results, charts),
        *_agents(results),
        _market(results),
        _price_errors(results),
        _provenance(results),
    ]
    return _page(f"{_title(results)} · Walras", "\n".join(sections))


def headline(results: Results) -> str:
    """Return what the run found, in words and numbers.

    The price counts as moved where its confidence interval leaves the baseline's mean.
    """
    found = learners(results)
    if not found:
        return "No contestant learns in this run."
    learned = results.summary["contestants"][found[0]]
    gain = max((e["mean"] for e in learned["agents"].get("relative_gap", {}).values()), default=math.nan)
    sentences = [_price_sentence(results, found[0])]
    if not math.isnan(gain):
        sentences.append(f"the largest gain from deviating is {_share(gain)} of profit.")
    return _capital("; ".join(sentence for sentence in sentences if sentence))


def key_numbers(results: Results) -> list[tuple[str, str, str]]:
    """Return the numbers of the summary strip: title, value with unit, and what to compare it with."""
    found, baseline = learners(results), _baseline(results)
    contestants = results.summary["contestants"]
    shown = found[0] if found else baseline
    beside = contestants[baseline]["market"] if found and baseline != shown else {}
    market = contestants[shown]["market"]
    cards = [_card(name, market[name], beside.get(name), label(baseline)) for name in market]
    reward = contestants[shown]["agents"]["reward"]
    total, equilibrium = sum(e["mean"] for e in reward.values()), results.summary["equilibrium"]["value"]
    profit = f"{_number(sum(equilibrium.values()))} in equilibrium"
    cards.append(("Profit of all agents", f"{_number(total)} EUR/h", profit))
    gains = {agent: e["mean"] for agent, e in contestants[shown]["agents"]["relative_gap"].items()}
    largest = max(gains, key=lambda agent: gains[agent])
    cards.append(("Largest gain from deviating", f"{_share(gains[largest])} of profit", f"by {largest}"))
    return cards


def run_command(manifest: Mapping[str, Any]) -> str:
    """Return the command that runs the manifest's scenario with its fields."""
    words = ["walras", "run", str(manifest["scenario"])]
    for name, value in manifest["fields"].items():
        words += _flag(name.replace("_", "-"), value)
    return shlex.join(words)


def _flag(name: str, value: object) -> list[str]:
    """Return a field as the command line takes it."""
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    values = value if isinstance(value, list | tuple) else [value]
    return [f"--{name}", *(str(each) for each in values)]


# Words and numbers


def _title(results: Results) -> str:
    return _capital(str(results.summary["scenario"]).replace("_", " "))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _baseline(results: Results) -> str:
    """Return the contestant that learners are compared with: the equilibrium, else truthful play, else the first."""
    names = list(results.summary["contestants"])
    return next((name for name in ("equilibrium", "truthful") if name in names), names[0])


def _price_sentence(results: Results, learner: str) -> str:
    """Say how the learners move the mean price, if price is measured."""
    contestants, baseline = results.summary["contestants"], _baseline(results)
    here, there = (contestants[name]["market"].get("price") for name in (learner, baseline))
    if here is None or there is None or learner == baseline:
        return ""
    before, after = _number(there["mean"]), _number(here["mean"])
    if here["low"] <= there["mean"] <= here["high"] or before == after:
        return f"{label(learner)} play leaves the mean price where the {label(baseline)} has it, near {before} EUR/MWh"
    verb = "raises" if here["mean"] > there["mean"] else "lowers"
    return f"{label(learner)} play {verb} the mean price from {before} ({label(baseline)}) to {after} EUR/MWh"


def _card(name: str, here: Mapping[str, float], beside: Mapping[str, float] | None, baseline: str) -> tuple[str, str, str]:
    measure = _measure(name)
    value = f"{_number(measure.scale * here['mean'])} {measure.unit}".strip()
    note = "" if beside is None else f"{_number(measure.scale * beside['mean'])} in {_with_article(baseline)}"
    return measure.title, value, note


def _with_article(baseline: str) -> str:
    return baseline if baseline == "equilibrium" else f"the {baseline}" if baseline == label("truthful") else baseline


def _measure(name: str) -> Measure:
    return MEASURES.get(name, Measure(_capital(name.replace("_", " "))))


def _share(value: float) -> str:
    return f"{_number(100 * value)} %" if math.isfinite(value) else "an infinite share"


def _number(value: float) -> str:
    """Return `value` with as many digits as are read: two decimals, fewer where it is large."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    digits = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 0.1 or value == 0 else 4
    shown = f"{value:,.{digits}f}" if size >= 5e-5 or value == 0 else "0.0000"
    return "0" if float(shown.replace(",", "")) == 0 else shown.replace("-", "−").replace(",", "\u202f")


def _estimate(estimate: Mapping[str, float], scale: float = 1.0) -> str:
    """Return a cell: the mean, and its interval where there is one."""
    mean, low, high = (scale * estimate[part] for part in ("mean", "low", "high"))
    if low == high or math.isnan(low):
        return _number(mean)
    return f'{_number(mean)} <span class="interval">[{_number(low)}, {_number(high)}]</span>'


# Parts of the page


def _header(results: Results) -> str:
    agents, seeds = results.summary["agents"], results.summary["seeds"]
    solution = results.summary["equilibrium"]
    facts = (
        f"{len(agents)} agents · {seeds} {'seed' if seeds == 1 else 'seeds'} · run {run_id(results.manifest)}"
        f" · equilibrium: {solution['status']}, residual {solution['residual']:.1e}"
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
    number, _, unit = value.partition(" ")
    return f"{escape(number)} <small>{escape(unit)}</small>"


def _charts(results: Results, charts: Mapping[str, Chart]) -> list[str]:
    return [_chart(index, title, chart(results)) for index, (title, chart) in enumerate(charts.items(), start=1)]


def _chart(index: int, title: str, figure: Any) -> str:  # noqa: ANN401 - plotly is untyped
    """Return a figure with its caption; the identifier is fixed, so that equal results give equal pages."""
    options = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}
    drawn = figure.to_html(
        full_html=False, include_plotlyjs=False, div_id=f"chart-{index}", config=options, auto_play=False
    )
    caption = (figure.layout.meta or {}).get("caption", "")
    return (
        f'<figure role="group" aria-labelledby="title-{index}" aria-describedby="caption-{index}">'
        f'<h2 id="title-{index}">{escape(title)}</h2><figcaption id="caption-{index}">{escape(caption)}</figcaption>'
        f"{drawn}</figure>"
    )


def _agents(results: Results) -> list[str]:
    """Return one table a contestant, with a line for each agent."""
    lead = (
        "Interquartile means over the seeds, with 95 % confidence intervals where seeds differ. The gap is what an agent"
        " would gain by its best deviation while the others stay: zero for every agent is an equilibrium."
    )
    tables = [_agent_table(results, name) for name in results.summary["contestants"]]
    return [f"<section><h2>Agents</h2><p>{lead}</p>", *tables, "</section>"]


def _agent_table(results: Results, contestant: str) -> str:
    measured = results.summary["contestants"][contestant]["agents"]
    value = results.summary["equilibrium"]["value"]
    names = list(measured)
    head = [_heading(name) for name in names]
    head.insert(1, "In equilibrium<small>EUR/h</small>")
    rows: list[list[str]] = []
    for agent in results.summary["agents"]:
        cells = [_estimate(measured[name][agent], _measure(name).scale) for name in names]
        cells.insert(1, _number(value[agent]))
        rows.append([escape(agent), *cells])
    return _table(escape(_capital(label(contestant))), ["Agent", *head], rows)


def _heading(name: str) -> str:
    measure = _measure(name)
    title = escape(measure.title)
    explained = f'<abbr title="{escape(measure.meaning)}">{title}</abbr>' if measure.meaning else title
    return f"{explained}<small>{escape(measure.unit)}</small>" if measure.unit else explained


def _market(results: Results) -> str:
    contestants = results.summary["contestants"]
    names = list(dict.fromkeys(name for part in contestants.values() for name in part["market"]))
    rows = [
        [
            escape(_capital(label(contestant))),
            *(_estimate(part["market"][n], _measure(n).scale) if n in part["market"] else "–" for n in names),
        ]
        for contestant, part in contestants.items()
    ]
    table = _table("", ["Contestant", *map(_heading, names)], rows)
    return f"<section><h2>Market</h2>{table}</section>" if names else ""


def _price_errors(results: Results) -> str:
    """Compare price paths with the actual price, best first."""
    errors = results.summary["price_error"]
    if not errors:
        return ""
    ranked = sorted(errors.items(), key=lambda item: item[1]["mae"])
    rows = [[escape(_capital(label(n))), _number(e["mae"]), _number(e["rmse"])] for n, e in ranked]
    mae = '<abbr title="Mean absolute error">MAE</abbr><small>EUR/MWh</small>'
    rmse = '<abbr title="Root mean square error">RMSE</abbr><small>EUR/MWh</small>'
    lead = "Distance of each price path from the actual day-ahead price, over the same hours, the nearest first."
    return f"<section><h2>Prices and reality</h2><p>{lead}</p>{_table('', ['Path', mae, rmse], rows)}</section>"


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
        '<section class="provenance"><h2>Run it again</h2><p>The first command gives the same numbers; the second runs the'
        " manifest again and compares the results bit for bit.</p>"
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


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of cells that are HTML already; the first column names the rows."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>' for first, *cells in rows
    )
    title = f"<caption>{caption}</caption>" if caption else ""
    return f'<div class="scroll"><table>{title}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


# The page

# The browser itself then refuses whatever the page would load; plotly compiles WebGL commands, hence unsafe-eval.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"
)

_STYLE = """
:root { --ink: #222; --soft: #666; --line: #ddd; --accent: #d55e00; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 1100px; padding: 2.5rem 1.25rem 4rem; color: var(--ink); background: #fff;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
header { border-bottom: 1px solid var(--line); padding-bottom: 1.25rem; }
.kicker { margin: 0; color: var(--accent); font-size: .8rem; letter-spacing: .08em; text-transform: uppercase; }
h1 { margin: .2rem 0 .6rem; font-size: 2rem; line-height: 1.2; letter-spacing: -.015em; }
h2 { margin: 3rem 0 .4rem; font-size: 1.25rem; line-height: 1.3; }
.headline { margin: 0; max-width: 46rem; font-size: 1.2rem; line-height: 1.45; text-wrap: balance; }
.facts { margin: .75rem 0 0; color: var(--soft); font-size: .875rem; }
p, figcaption { max-width: 46rem; }
section p, figcaption { margin: 0 0 .75rem; color: var(--soft); font-size: .9375rem; }
.strip { display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: 1.25rem 1.5rem;
  margin: 1.5rem 0 0; }
.strip dt { color: var(--soft); font-size: .8125rem; line-height: 1.35; }
.strip dd { margin: .1rem 0 0; }
.strip strong { display: block; font-size: 1.5rem; font-weight: 600; line-height: 1.3;
  font-variant-numeric: tabular-nums; }
.strip small { color: var(--soft); font-size: .8125rem; font-weight: 400; }
.strip span { color: var(--soft); font-size: .8125rem; }
figure { margin: 0; }
.scroll { overflow-x: auto; margin: 0 0 1.5rem; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { padding: .75rem 0 .35rem; text-align: left; font-weight: 600; font-size: .9375rem; }
th, td { padding: .4rem .75rem; border-bottom: 1px solid #eee; text-align: right; vertical-align: baseline;
  white-space: nowrap; }
th { font-weight: 500; }
th:first-child { padding-left: 0; text-align: left; }
td:last-child { padding-right: 0; }
thead th { border-bottom: 1px solid #999; vertical-align: bottom; }
thead small { display: block; color: var(--soft); font-size: .75rem; font-weight: 400; }
abbr { text-decoration: none; border-bottom: 1px dotted #aaa; cursor: help; }
.interval { color: var(--soft); font-size: .8125rem; }
.provenance th { width: 14rem; }
td.text { text-align: left; font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .8125rem; }
pre { overflow-x: auto; margin: 0 0 1.5rem; padding: .9rem 1rem; border: 1px solid var(--line); border-radius: 4px;
  background: #fafafa; font: .875rem/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
@media (max-width: 600px) { body { padding-top: 1.5rem; } h1 { font-size: 1.6rem; } .headline { font-size: 1.05rem; }
  .strip { grid-template-columns: 1fr 1fr; } .strip strong { font-size: 1.2rem; } }
@media print { body { max-width: none; padding: 0; font-size: 11pt; } h2 { break-after: avoid; }
  figure, tr, pre, .strip { break-inside: avoid; } .scroll, pre { overflow: visible; } pre { white-space: pre-wrap; }
  th, td { white-space: normal; } .modebar { display: none; } }
"""


def _page(title: str, body: str) -> str:
    from plotly.offline import get_plotlyjs

    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
<script>{get_plotlyjs()}</script>
</head>
<body>
{body}
<noscript><p>The charts need JavaScript; the tables do not.</p></noscript>
</body>
</html>
"""
