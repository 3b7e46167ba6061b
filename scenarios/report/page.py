"""The report of a run: one HTML page that opens without a network, and is the same for the same results."""

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from walras.core.checks import require
from walras.scenarios.engine.manifest import run_id
from walras.scenarios.engine.results import Results
from walras.scenarios.engine.scenario import Chart, Objective
from walras.scenarios.report.charts import label, learners, number


@dataclass(frozen=True)
class Measure:
    """How a measure is shown."""

    title: str
    unit: str = ""
    scale: float = 1.0
    meaning: str = ""


MEASURES = {
    "lerner": Measure("Lerner index", meaning="(price - marginal cost) / price"),
    "distance": Measure("Distance to equilibrium", "% of the action range", 100.0),
    "price": Measure("Mean price", "EUR/MWh"),
    "markup": Measure("Mark-up", "% of price", 100.0, "(price - competitive price) / price"),
    "realised": Measure("Realised", "% of the gains from trade", 100.0, "Welfare as a share of the largest."),
    "price_distance": Measure(
        "Distance to equilibrium prices", "money", meaning="Of trades struck, from the interval."
    ),
    "forgone": Measure("Forgone", "% of the gains from trade", 100.0, "By all agents, at the prices of the close."),
    "share": Measure("Share of the joint optimum", "%", 100.0, "Of its mean return of an episode."),
    "goal_rate": Measure("Goal rate", "% of episodes", 100.0, "Episodes that reach the goal."),
    "collisions": Measure("Collisions", "an episode", meaning="Steps in which agents stand in each other's way."),
    "lava_rate": Measure("Lava rate", "% of episodes", 100.0, "Episodes that end in lava."),
    "welfare_loss": Measure("Welfare loss", "EUR/h", meaning="Welfare below that of the best dispatch."),
}
"""Measures that scenarios of the suite use; others are shown under their own name."""

_ABSENT = "\N{EN DASH}"
REQUIRED = ("scenario", "agents", "seeds", "equilibrium", "methods", "price_error")


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


def headline(results: Results) -> str:
    """Return what the run found, in words and numbers.

    The price counts as moved where its confidence interval leaves the baseline's mean.
    """
    found = learners(results)
    if not found:
        return "No contestant learns in this run."
    if "share" in results.record["methods"][found[0]]["market"]:
        return _capital(_share_sentence(results, found[0])) + "."
    sentences = [
        _price_sentence(results, found[0]),
        f"the largest {_objective(results).gap} is {_largest_gain(results, found[0])[0]}",
    ]
    return _capital("; ".join(sentence for sentence in sentences if sentence)) + "."


def _largest_gain(results: Results, contestant: str) -> tuple[str, str]:
    """Return the largest gain, as a share of profit where no agent's exceeds its profit, and whose it is."""
    measured = results.record["methods"][contestant]["agents"]
    shares = {agent: number(gap["mean"]) for agent, gap in measured["relative_gap"].items()}
    if all(share <= 1 for share in shares.values()):
        agent = max(shares, key=lambda name: shares[name])
        return f"{_brief(100 * shares[agent])} % of {_whole(results)}", agent
    gains = {agent: number(gap["mean"]) for agent, gap in measured["gap"].items()}
    agent = max(gains, key=lambda name: gains[name])
    return f"{_brief(gains[agent])} {_objective(results).unit}".strip(), agent


def key_numbers(results: Results) -> list[tuple[str, str, str]]:
    """Return the numbers of the summary strip: title, value with unit, and what to compare it with."""
    found, baseline = learners(results), _baseline(results)
    contestants = results.record["methods"]
    shown = found[0] if found else baseline
    beside: dict[str, Any] = contestants[baseline]["market"] if baseline != shown else {}
    market: dict[str, Any] = contestants[shown]["market"]
    cards = [_card(name, market[name], beside.get(name), label(baseline)) for name in market]
    objective = _objective(results)
    total, usual = (_total(contestants[name]["agents"]["reward"], objective.alike) for name in (shown, baseline))
    note = f"{usual} in {_with_article(label(baseline))}" if baseline != shown else ""
    whose = "each agent" if objective.alike else "all agents"
    cards.append((f"{_capital(objective.reward)} of {whose}", f"{total} {objective.unit}".strip(), note))
    gain, agent = _largest_gain(results, shown)
    cards.append((f"Largest {objective.gap}", gain, f"by {agent}"))
    return cards


def _total(rewards: Mapping[str, Mapping[str, float]], alike: bool) -> str:
    means = [number(estimate["mean"]) for estimate in rewards.values()]
    return _brief(means[0] if alike else sum(means))


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


# Words and numbers


def _title(results: Results) -> str:
    return _capital(str(results.record["scenario"]).replace("_", " "))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _baseline(results: Results) -> str:
    """Return whom learners are compared with: the equilibrium, else scripted play, else the first."""
    names = list(results.record["methods"])
    return next((name for name in ("equilibrium", "scripted", "optimum") if name in names), names[0])


def _price_sentence(results: Results, learner: str) -> str:
    """Say how the learners move the mean price, if price is measured."""
    contestants, baseline = results.record["methods"], _baseline(results)
    here, there = (contestants[name]["market"].get("price") for name in (learner, baseline))
    if here is None or there is None or learner == baseline:
        return ""
    before, after = _brief(there["mean"]), _brief(here["mean"])
    if here["low"] <= there["mean"] <= here["high"] or before == after:
        near = f"near {before} EUR/MWh ({label(baseline)})"
        return f"{label(learner)} play leaves the mean price where it was, {near}"
    verb = "raises" if here["mean"] > there["mean"] else "lowers"
    return f"{label(learner)} play {verb} the mean price from {before} ({label(baseline)}) to {after} EUR/MWh"


def _share_sentence(results: Results, learner: str) -> str:
    """Say what share of the joint optimum a learner attains, beside naive imitation where there is any."""
    contestants = results.record["methods"]
    names = [name for name in (learner, "naive_imitation") if name in contestants]
    shares = [_brief(100 * number(contestants[name]["market"]["share"]["mean"])) for name in names]
    beside = "".join(f", {label(name)} {share} %" for name, share in zip(names[1:], shares[1:], strict=True))
    return f"{label(learner)} attains {shares[0]} % of the joint optimum{beside}"


def _card(
    name: str, here: Mapping[str, float], beside: Mapping[str, float] | None, baseline: str
) -> tuple[str, str, str]:
    measure = _measure(name)
    value = f"{_brief(measure.scale * number(here['mean']))} {measure.unit}".strip()
    note = "" if beside is None else f"{_brief(measure.scale * number(beside['mean']))} in {_with_article(baseline)}"
    return measure.title, value, note


def _with_article(baseline: str) -> str:
    return f"the {baseline}" if baseline in (label("scripted"), label("optimum")) else baseline


def _measure(name: str) -> Measure:
    return MEASURES.get(name, Measure(_capital(name.replace("_", " "))))


def _agent_measure(results: Results, name: str) -> Measure:
    objective = _objective(results)
    own = {
        "reward": Measure(_capital(objective.reward), objective.unit),
        "gap": Measure("Gap", objective.unit, meaning=_capital(objective.meaning)),
        "relative_gap": Measure("Gap", f"% of {_whole(results)}", 100.0, _capital(objective.meaning)),
    }
    return own.get(name) or _measure(name)


def _objective(results: Results) -> Objective:
    """Return what agents play for."""
    return Objective(**results.record["objective"])


def _whole(results: Results) -> str:
    """Return what gaps are shares of."""
    return _objective(results).share_of or _objective(results).reward


def _brief(value: float) -> str:
    """Return `value` with three digits, or the whole of a large one."""
    size = abs(value)
    places = 2 - math.floor(math.log10(size)) if math.isfinite(size) and size >= 5e-4 else 0
    return _number(value, min(max(places, 0), 3))


def _number(value: float, places: int) -> str:
    """Return `value` with `places` decimals, thin spaces between thousands and a true minus."""
    if math.isnan(value):
        return _ABSENT
    if math.isinf(value):
        return "∞" if value > 0 else "\N{MINUS SIGN}∞"
    shown = f"{round(value, places) + 0.0:,.{places}f}"
    return shown.replace("-", "\N{MINUS SIGN}").replace(",", "\N{NARROW NO-BREAK SPACE}")


def _places(values: Iterable[float]) -> int:
    """Return the decimals of a column: as many as its largest number needs."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return 0 if largest >= 1000 else 1 if largest >= 100 else 2 if largest >= 1 else 3


def _column(estimates: Sequence[Mapping[str, float] | None], scale: float = 1.0) -> list[str]:
    """Return the cells of one column: means with the same decimals, and intervals where seeds differ."""
    places = _places(scale * number(each["mean"]) for each in estimates if each)
    return [_cell(each, scale, places) if each else _ABSENT for each in estimates]


def _cell(estimate: Mapping[str, float], scale: float, places: int) -> str:
    mean, low, high = (scale * number(estimate[part]) for part in ("mean", "low", "high"))
    if low == high or math.isnan(low):
        return _number(mean, places)
    interval = f"[{_number(low, places)}, {_number(high, places)}]"
    return f'{_number(mean, places)} <span class="interval">{interval}</span>'


# Parts of the page


def _header(results: Results) -> str:
    agents, seeds = results.record["agents"], results.record["seeds"]
    solution = results.record["equilibrium"]
    status = str(solution["status"]).partition(":")[0].lower()
    facts = (
        f"{len(agents)} agents · {seeds} {'seed' if seeds == 1 else 'seeds'}"
        f" · run {run_id(results.manifest)} · equilibrium {status}, residual {solution['residual']:.1e}"
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
    caption = str((figure.layout.meta or {"caption": ""})["caption"])
    return (
        f'<figure role="group" aria-labelledby="title-{index}" aria-describedby="caption-{index}">'
        f'<h2 id="title-{index}">{escape(title)}</h2>'
        f'<figcaption id="caption-{index}">{escape(caption)}</figcaption>{drawn}</figure>'
    )


def _agents(results: Results) -> str:
    """Return one table: a group of lines for each contestant, in it a line for each agent."""
    lead = (
        "Interquartile means over the seeds, with 95 % confidence intervals where seeds differ. The gap is"
        f" {_objective(results).meaning}."
    )
    contestants, agents = results.record["methods"], results.record["agents"]
    value = [results.record["equilibrium"]["value"][agent] for agent in agents] * len(contestants)
    names = list(dict.fromkeys(name for part in contestants.values() for name in part["agents"]))
    known = {name: _agent_measure(results, name) for name in names}
    columns = {_heading(known[name]): _agent_column(results, name, known[name].scale) for name in names}
    title = _heading(Measure("In equilibrium", _objective(results).unit))
    equilibrium = {title: [_number(each, _places(value)) for each in value]}
    first, *rest = columns.items()
    columns = dict([first]) | equilibrium | dict(rest)
    titles = [escape(_capital(label(name))) for name in contestants]
    table = _table("Agent", columns, [escape(agent) for agent in agents] * len(contestants), titles)
    return f"<section><h2>Agents</h2><p>{lead}</p>{table}</section>"


def _agent_column(results: Results, measure: str, scale: float) -> list[str]:
    parts = results.record["methods"].values()
    agents = results.record["agents"]
    estimates = [part["agents"].get(measure, {}).get(agent) for part in parts for agent in agents]
    return _column(estimates, scale)


def _heading(measure: Measure) -> str:
    title = escape(measure.title)
    explained = f'<abbr title="{escape(measure.meaning)}">{title}</abbr>' if measure.meaning else title
    return f"{explained}<small>{escape(measure.unit)}</small>" if measure.unit else explained


def _market(results: Results) -> str:
    contestants = results.record["methods"]
    names = list(dict.fromkeys(name for part in contestants.values() for name in part["market"]))
    columns = {
        _heading(measure): _column([p["market"].get(name) for p in contestants.values()], measure.scale)
        for name, measure in ((name, _measure(name)) for name in names)
    }
    table = _table("Contestant", columns, [escape(_capital(label(name))) for name in contestants])
    return f"<section><h2>Market</h2>{table}</section>" if names else ""


def _price_errors(results: Results) -> str:
    """Compare price paths with the actual price, best first."""
    errors = results.record["price_error"]
    if not errors:
        return ""
    ranked = sorted(errors.items(), key=lambda item: item[1]["mae"])
    columns = {
        f'<abbr title="{meaning}">{name.upper()}</abbr><small>EUR/MWh</small>': [
            _number(error[name], 2) for _, error in ranked
        ]
        for name, meaning in (("mae", "Mean absolute error"), ("rmse", "Root mean square error"))
    }
    table = _table("Path", columns, [escape(_capital(label(name))) for name, _ in ranked])
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


def _table(corner: str, columns: Mapping[str, list[str]], rows: list[str], groups: Sequence[str] = ()) -> str:
    """Return a table of cells that are HTML already, the rows named and, in equal shares, grouped."""
    top = "".join(f'<th scope="col">{name}</th>' for name in (corner, *columns))
    lines = [
        f'<tr><th scope="row">{row}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for row, *cells in zip(rows, *columns.values(), strict=True)
    ]
    size, width = len(lines) // max(len(groups), 1), 1 + len(columns)
    heads = [f'<tr class="group"><th scope="rowgroup" colspan="{width}">{group}</th></tr>' for group in groups]
    parts = [head + "".join(lines[k * size : (k + 1) * size]) for k, head in enumerate(heads or [""])]
    body = "".join(f"<tbody>{part}</tbody>" for part in parts)
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead>{body}</table></div>'


# The page

# The browser itself then refuses whatever the page would load. Plotly compiles WebGL commands: hence unsafe-eval.
_SOURCES = ("script-src 'unsafe-inline' 'unsafe-eval'", "style-src 'unsafe-inline'", "img-src data: blob:")
_POLICY = "; ".join(("default-src 'none'", *_SOURCES))

_STYLE = """
:root { --ink: #222; --soft: #666; --line: #ddd; --accent: #d55e00; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 1100px; padding: 2.5rem 1.25rem 4rem; color: var(--ink); background: #fff;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
header { border-bottom: 1px solid var(--line); padding-bottom: 1.25rem; }
.kicker { margin: 0; color: var(--accent); font-size: .8rem; letter-spacing: .08em;
  text-transform: uppercase; }
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
.strip span { display: block; color: var(--soft); font-size: .8125rem; line-height: 1.35; }
figure { margin: 0; }
.scroll { overflow-x: auto; margin: 0 0 1.5rem; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { padding: .75rem 0 .35rem; text-align: left; font-weight: 600; font-size: .9375rem; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid #eee; text-align: right; vertical-align: baseline;
  white-space: nowrap; }
th { font-weight: 500; }
th:first-child { padding-left: 0; text-align: left; }
td:last-child { padding-right: 0; }
thead th { border-bottom: 1px solid #999; vertical-align: bottom; }
.group th { padding-top: 1.1rem; font-weight: 600; }
thead small { display: block; color: var(--soft); font-size: .75rem; font-weight: 400; }
abbr { text-decoration: none; border-bottom: 1px dotted #aaa; cursor: help; }
.interval { display: block; color: var(--soft); font-size: .75rem; line-height: 1.3; }
.provenance th { width: 14rem; }
td.text { text-align: left; white-space: normal; overflow-wrap: anywhere;
  font: .8125rem ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { overflow-x: auto; margin: 0 0 1.5rem; padding: .9rem 1rem; border: 1px solid var(--line);
  border-radius: 4px; background: #fafafa; font: .875rem/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
@media (max-width: 600px) { body { padding-top: 1.5rem; } h1 { font-size: 1.6rem; }
  .headline { font-size: 1.05rem; } .provenance th { width: auto; }
  .strip { grid-template-columns: 1fr 1fr; } .strip strong { font-size: 1.2rem; } }
@media print { body { max-width: none; padding: 0; font-size: 11pt; } h2 { break-after: avoid; }
  figure, tr, pre, .strip { break-inside: avoid; } .scroll, pre { overflow: visible; }
  pre { white-space: pre-wrap; }
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
